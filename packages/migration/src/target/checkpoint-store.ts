/**
 * The checkpoint of incremental replication, in the target's own meta schema, in the documented columns: one global row and one
 * per table that has a position of its own or a structure worth keeping.
 *
 * The `exit_safe_*` columns of the global row hold the *horizon*: nothing after it may have been applied. Going on from a global
 * position that is before the horizon is done in safe mode until the horizon is passed. A table's position may be ahead of the
 * global one: what is at or before it is in the target, and its `exit_safe_binlog_pos` numbers the rows event of the transaction.
 */
import { type Connection, type GtidSet, type Position, parseGtidSet } from "@skein/mysql";
import { dmErrors } from "../errors.ts";
import { createCheckpointTables, metaTable, textLiteral, textOf } from "./core/meta-tables.ts";
import type { Target } from "./target.ts";

export interface GlobalCheckpoint {
  readonly position: Position;
  /** Null: nothing after `position` was applied. */
  readonly horizon: Position | null;
}

export interface TableCheckpoint {
  readonly schema: string;
  readonly table: string;
  readonly position: Position;
  /** Number of the rows event within its transaction, which `position` is the end of; 0 when it is of none. */
  readonly rowsEvent: number;
  /** The tracked structure as JSON text; null when none is kept. */
  readonly tableInfo: string | null;
}

export interface Checkpoint {
  readonly global: GlobalCheckpoint | null;
  readonly tables: readonly TableCheckpoint[];
}

export interface CheckpointStore {
  /** Makes the tables when they are missing, and reads. */
  load(signal?: AbortSignal): Promise<Checkpoint>;
  /** To be run in a transaction of the target, so that the fence holds for it. */
  globalStatement(checkpoint: GlobalCheckpoint): string;
  tableStatement(checkpoint: TableCheckpoint): string;
  removeTableStatement(schema: string, table: string): string;
  /** Forgets where this source was, as a whole and in its tables. */
  clearStatement(): string;
  /** Whether the global row is at this position, or the table's at this one with this rows event: for a COMMIT without an answer. */
  isRecorded(connection: Connection, at: { readonly position: Position } | Omit<TableCheckpoint, "tableInfo">): Promise<boolean>;
  save(global: GlobalCheckpoint | null, statements: readonly string[], signal?: AbortSignal): Promise<void>;
}

export function createCheckpointStore(target: Target, flavor: "mysql" | "mariadb"): CheckpointStore {
  const table = metaTable(target.metaSchema, target.task, "syncer_checkpoint");
  const id = textLiteral(target.sourceId);

  const upsert = (
    schema: string,
    name: string,
    position: Position,
    safe: { readonly file: string; readonly offset: number; readonly gtid: string },
    info: string | null,
    isGlobal: boolean,
  ) => {
    const gtid = position.gtidSet === null ? "" : position.gtidSet.toString();
    return (
      `INSERT INTO ${table} (id, cp_schema, cp_table, binlog_name, binlog_pos, binlog_gtid, exit_safe_binlog_name, exit_safe_binlog_pos, exit_safe_binlog_gtid, table_info, is_global) VALUES (` +
      `${id}, ${textLiteral(schema)}, ${textLiteral(name)}, ${textLiteral(position.file)}, ${position.offset}, ${textLiteral(gtid)}, ` +
      `${textLiteral(safe.file)}, ${safe.offset}, ${textLiteral(safe.gtid)}, ${textLiteral(info ?? "null")}, ${isGlobal ? 1 : 0}) ` +
      "ON DUPLICATE KEY UPDATE binlog_name = VALUES(binlog_name), binlog_pos = VALUES(binlog_pos), binlog_gtid = VALUES(binlog_gtid), " +
      "exit_safe_binlog_name = VALUES(exit_safe_binlog_name), exit_safe_binlog_pos = VALUES(exit_safe_binlog_pos), " +
      "exit_safe_binlog_gtid = VALUES(exit_safe_binlog_gtid), table_info = VALUES(table_info), is_global = VALUES(is_global)"
    );
  };
  const positionOf = (file: string | null, offset: string | null, gtid: string | null): Position => {
    let gtidSet: GtidSet | null = null;
    if (gtid !== null && gtid !== "") gtidSet = gtidSetOf(textOf(gtid), flavor);
    return { file: textOf(file ?? ""), offset: Number(offset ?? 0), gtidSet };
  };

  const store: CheckpointStore = {
    async load(signal) {
      await target.ensure(createCheckpointTables(target.metaSchema, target.task), signal);
      const { rows } = await target.query(
        `SELECT cp_schema, cp_table, binlog_name, binlog_pos, binlog_gtid, exit_safe_binlog_name, exit_safe_binlog_pos, exit_safe_binlog_gtid, CAST(table_info AS CHAR CHARACTER SET utf8mb4), is_global FROM ${table} WHERE id = ${id} ORDER BY cp_schema, cp_table`,
        signal,
      );
      let global: GlobalCheckpoint | null = null;
      const tables: TableCheckpoint[] = [];
      for (const [schema, name, file, offset, gtid, safeFile, safeOffset, safeGtid, info, isGlobal] of rows) {
        const position = positionOf(file ?? null, offset ?? null, gtid ?? null);
        if (isGlobal === "1") {
          const hasHorizon = safeFile !== null && safeFile !== undefined && safeFile !== "";
          global = { position, horizon: hasHorizon ? positionOf(safeFile, safeOffset ?? null, safeGtid ?? null) : null };
        } else {
          const text = info === null || info === undefined || info === "null" ? null : textOf(info);
          tables.push({
            schema: textOf(schema ?? ""),
            table: textOf(name ?? ""),
            position,
            rowsEvent: Number(safeOffset ?? 0),
            tableInfo: text,
          });
        }
      }
      return { global, tables };
    },
    globalStatement: ({ position, horizon }) => {
      const safe = horizon === null ? { file: "", offset: 0, gtid: "" } : { ...horizon, gtid: horizon.gtidSet?.toString() ?? "" };
      return upsert("", "", position, safe, null, true);
    },
    tableStatement: ({ schema, table: name, position, rowsEvent, tableInfo }) =>
      upsert(schema, name, position, { file: "", offset: rowsEvent, gtid: "" }, tableInfo, false),
    clearStatement: () => `DELETE FROM ${table} WHERE id = ${id}`,
    async isRecorded(connection, at) {
      const place = "schema" in at ? at : { schema: "", table: "", position: at.position, rowsEvent: null };
      const { rows } = await connection.query(
        `SELECT binlog_name, binlog_pos, exit_safe_binlog_pos FROM ${table} WHERE id = ${id} AND cp_schema = ${textLiteral(place.schema)} AND cp_table = ${textLiteral(place.table)} LOCK IN SHARE MODE`,
      );
      const [file, offset, rowsEvent] = rows[0] ?? [];
      return (
        textOf(file ?? "") === place.position.file &&
        Number(offset) === place.position.offset &&
        (place.rowsEvent === null || Number(rowsEvent ?? 0) === place.rowsEvent)
      );
    },
    removeTableStatement: (schema, name) =>
      `DELETE FROM ${table} WHERE id = ${id} AND cp_schema = ${textLiteral(schema)} AND cp_table = ${textLiteral(name)}`,
    async save(global, statements, signal) {
      const all = [...statements, ...(global === null ? [] : [store.globalStatement(global)])];
      if (all.length === 0) return;
      // Saying the same twice is harmless, so an unknown outcome is simply repeated.
      await target.transaction(all, { repeat: () => all, ...(signal === undefined ? {} : { signal }) });
    },
  };
  return store;
}

/** Throws 24001: the target may hold the checkpoint of another source, whose GTIDs this one's family does not have. */
function gtidSetOf(text: string, flavor: "mysql" | "mariadb"): GtidSet {
  try {
    return parseGtidSet(text, flavor);
  } catch (error) {
    throw dmErrors.checkpointInvalid([`it has GTIDs that are none of a ${flavor} source: ${text.slice(0, 100)}`], error);
  }
}
