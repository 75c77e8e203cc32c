/**
 * The tables that a task keeps in the target's meta schema. Statements are for connections in "bytes" mode, so every text
 * says its charset.
 */
import { quoteByteString, quoteIdentifier } from "@skein/mysql";

/** Every table that may belong to a task, by what follows `<task>_`: what `remove-meta` drops. */
export const metaTableSuffixes = [
  "syncer_checkpoint",
  "syncer_sharding_meta",
  "onlineddl",
  "loader_checkpoint",
  "lightning_checkpoint_list",
  "copy_table",
  "copy_chunk",
  "copy_state",
  "copy_progress",
  "validator_checkpoint",
  "validator_pending_change",
  "validator_error_change",
  "validator_table_status",
  "fence",
  "fence_connection",
] as const;

/** UTF-8 bytes of a text, a character each. */
export function bytesOf(text: string): string {
  return /^[\0-\x7f]*$/.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}
/** The text behind UTF-8 bytes that came from a connection in "bytes" mode. */
export function textOf(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}
/** A text literal for connections in "bytes" mode, comparable with utf8mb4 columns by their index. */
export function textLiteral(text: string): string {
  return `_utf8mb4${quoteByteString(bytesOf(text))}`;
}
/** A quoted name for connections in "bytes" mode. */
export function nameLiteral(name: string): string {
  return quoteIdentifier(bytesOf(name));
}

export function metaTable(metaSchema: string, task: string, suffix: string): string {
  return `${nameLiteral(metaSchema)}.${nameLiteral(`${task}_${suffix}`)}`;
}

export function createMetaSchema(metaSchema: string): string {
  return `CREATE DATABASE IF NOT EXISTS ${nameLiteral(metaSchema)} DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`;
}

const tableOptions = "DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";

export function createFenceTables(metaSchema: string, task: string): string[] {
  return [
    `CREATE TABLE IF NOT EXISTS ${metaTable(metaSchema, task, "fence")} (
  \`id\` varchar(64) NOT NULL,
  \`epoch\` bigint unsigned NOT NULL,
  \`worker\` varchar(255) NOT NULL,
  \`update_time\` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  PRIMARY KEY (\`id\`)
) ${tableOptions}`,
    `CREATE TABLE IF NOT EXISTS ${metaTable(metaSchema, task, "fence_connection")} (
  \`id\` varchar(64) NOT NULL,
  \`connection_id\` bigint unsigned NOT NULL,
  \`epoch\` bigint unsigned NOT NULL,
  PRIMARY KEY (\`id\`,\`connection_id\`)
) ${tableOptions}`,
  ];
}

/** `binlog_pos` is a bigint: an offset may be over 4 GiB. */
export function createCheckpointTables(metaSchema: string, task: string): string[] {
  return [
    `CREATE TABLE IF NOT EXISTS ${metaTable(metaSchema, task, "syncer_checkpoint")} (
  \`id\` varchar(32) NOT NULL,
  \`cp_schema\` varchar(128) NOT NULL,
  \`cp_table\` varchar(128) NOT NULL,
  \`binlog_name\` varchar(128) DEFAULT NULL,
  \`binlog_pos\` bigint unsigned DEFAULT NULL,
  \`binlog_gtid\` text,
  \`exit_safe_binlog_name\` varchar(128) DEFAULT '',
  \`exit_safe_binlog_pos\` bigint unsigned DEFAULT 0,
  \`exit_safe_binlog_gtid\` text,
  \`table_info\` json NOT NULL,
  \`is_global\` tinyint(1) DEFAULT NULL,
  \`create_time\` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  \`update_time\` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  UNIQUE KEY \`uk_id_schema_table\` (\`id\`,\`cp_schema\`,\`cp_table\`)
) ${tableOptions}`,
    `CREATE TABLE IF NOT EXISTS ${metaTable(metaSchema, task, "onlineddl")} (
  \`id\` varchar(32) NOT NULL,
  \`ghost_schema\` varchar(128) NOT NULL,
  \`ghost_table\` varchar(128) NOT NULL,
  \`ddls\` text,
  \`update_time\` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  UNIQUE KEY \`uk_id_schema_table\` (\`id\`,\`ghost_schema\`,\`ghost_table\`)
) ${tableOptions}`,
  ];
}
