/**
 * The copy's progress, in the target's meta schema: what any worker needs to go on, and what replication needs to begin.
 *
 *   <task>_copy_table   one row per source table: state, watermarks, structure at the low watermark
 *   <task>_copy_chunk   one row per chunk whose rows are in the target; written in the transaction of its rows
 */
import {
  type Connection,
  comparePositions,
  type GtidSet,
  type Position,
  parseGtidSet,
  type ResultSet,
  type TableDefinition,
} from "@skein/mysql";
import { metaTable, textLiteral, textOf } from "../target/core/meta-tables.ts";
import type { Bound, Chunk } from "./core/chunk-plan.ts";

export type CopyTableState = "waiting" | "copying" | "finished" | "gone";

export interface CopyTableRow {
  readonly schema: string;
  readonly table: string;
  readonly state: CopyTableState;
  readonly low: Position | null;
  readonly high: Position | null;
  readonly definition: TableDefinition | null;
  /** The target table was made by this task, so a restart may drop it. */
  readonly isTargetOurs: boolean;
  /** Rows and bytes of its chunks that are in the target. */
  readonly rows: number;
  readonly bytes: number;
}

export interface DoneChunk extends Chunk {
  readonly rows: number;
  readonly bytes: number;
}

/** Where replication begins, and from where on each table's rows are in the target. */
export interface CopyState {
  /** All tables are finished. */
  readonly isComplete: boolean;
  readonly lowest: Position;
  /** Every table that was there at this position is known. */
  readonly end: Position;
  readonly tables: readonly CopiedTable[];
  /** Null: the copy knows nothing of this table, its changes count from `lowest` on. */
  table(schema: string, table: string): CopiedTable | null;
}

export interface CopiedTable {
  readonly schema: string;
  readonly table: string;
  /** Changes at or before this position came with the copy. */
  readonly low: Position;
  /** Changes at or before this position may have come with the copy: safe mode until here. Equal to `low`: exact. */
  readonly high: Position;
  /** At the low watermark; null when the table was gone. */
  readonly definition: TableDefinition | null;
}

interface Names {
  readonly metaSchema: string;
  /** Task name. */
  readonly name: string;
  readonly sourceId: string;
}

/** Anything that reads in "bytes" mode: a Target or a Connection. */
export interface Reader {
  query(sql: string, signal?: AbortSignal): Promise<ResultSet>;
}

const tableColumns = "cp_schema, cp_table, state, low_file, low_pos, low_gtid, high_file, high_pos, high_gtid, table_info, target_is_ours";

export function createCopyTables({ metaSchema, name }: Names): string[] {
  return [
    `CREATE TABLE IF NOT EXISTS ${metaTable(metaSchema, name, "copy_table")} (
  \`id\` varchar(64) NOT NULL,
  \`cp_schema\` varchar(64) NOT NULL,
  \`cp_table\` varchar(64) NOT NULL,
  \`state\` varchar(16) NOT NULL,
  \`low_file\` varchar(255) DEFAULT NULL,
  \`low_pos\` bigint unsigned DEFAULT NULL,
  \`low_gtid\` longtext,
  \`high_file\` varchar(255) DEFAULT NULL,
  \`high_pos\` bigint unsigned DEFAULT NULL,
  \`high_gtid\` longtext,
  \`table_info\` longtext,
  \`target_is_ours\` tinyint(1) NOT NULL DEFAULT 0,
  \`update_time\` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  PRIMARY KEY (\`id\`,\`cp_schema\`,\`cp_table\`)
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
    `CREATE TABLE IF NOT EXISTS ${metaTable(metaSchema, name, "copy_chunk")} (
  \`id\` varchar(64) NOT NULL,
  \`cp_schema\` varchar(64) NOT NULL,
  \`cp_table\` varchar(64) NOT NULL,
  \`number\` bigint unsigned NOT NULL,
  \`lower_bound\` longtext,
  \`upper_bound\` longtext,
  \`row_count\` bigint unsigned NOT NULL,
  \`byte_count\` bigint unsigned NOT NULL,
  PRIMARY KEY (\`id\`,\`cp_schema\`,\`cp_table\`,\`number\`)
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
  ];
}

export interface CopyStore {
  tables(signal?: AbortSignal): Promise<CopyTableRow[]>;
  chunks(schema: string, table: string, signal?: AbortSignal): Promise<DoneChunk[]>;
  hasChunk(reader: Reader, schema: string, table: string, number: number): Promise<boolean>;
  saveTable(row: Omit<CopyTableRow, "rows" | "bytes">): string;
  registerTable(schema: string, table: string): string;
  saveChunk(schema: string, table: string, chunk: DoneChunk): string;
  removeChunks(schema: string, table: string): string;
}

export function createCopyStore(reader: Reader, names: Names, flavor: "mysql" | "mariadb"): CopyStore {
  const tableName = metaTable(names.metaSchema, names.name, "copy_table");
  const chunkName = metaTable(names.metaSchema, names.name, "copy_chunk");
  const id = textLiteral(names.sourceId);
  const at = (schema: string, table: string) => `id = ${id} AND cp_schema = ${textLiteral(schema)} AND cp_table = ${textLiteral(table)}`;
  const orNull = (text: string | null) => (text === null ? "NULL" : textLiteral(text));
  const positionValues = (position: Position | null) =>
    position === null
      ? "NULL, NULL, NULL"
      : `${textLiteral(position.file)}, ${position.offset}, ${textLiteral(position.gtidSet?.toString() ?? "")}`;
  return {
    async tables(signal) {
      const { rows } = await reader.query(
        `SELECT ${tableColumns}, (SELECT COALESCE(SUM(row_count), 0) FROM ${chunkName} c WHERE c.id = t.id AND c.cp_schema = t.cp_schema AND c.cp_table = t.cp_table), (SELECT COALESCE(SUM(byte_count), 0) FROM ${chunkName} c WHERE c.id = t.id AND c.cp_schema = t.cp_schema AND c.cp_table = t.cp_table) FROM ${tableName} t WHERE id = ${id} ORDER BY cp_schema, cp_table`,
        signal,
      );
      return rows.map((row) => tableRow(row, flavor));
    },
    async chunks(schema, table, signal) {
      const { rows } = await reader.query(
        `SELECT number, lower_bound, upper_bound, row_count, byte_count FROM ${chunkName} WHERE ${at(schema, table)} ORDER BY number`,
        signal,
      );
      const bound = (text: string | null | undefined): Bound =>
        text === null || text === undefined ? null : (JSON.parse(text) as string[]);
      return rows.map(([number, lower, upper, rowCount, byteCount]) => ({
        number: Number(number),
        lower: bound(lower),
        upper: bound(upper),
        rows: Number(rowCount),
        bytes: Number(byteCount),
      }));
    },
    async hasChunk(other, schema, table, number) {
      const { rows } = await other.query(`SELECT 1 FROM ${chunkName} WHERE ${at(schema, table)} AND number = ${number}`);
      return rows.length > 0;
    },
    saveTable: ({ schema, table, state, low, high, definition, isTargetOurs }) =>
      `REPLACE INTO ${tableName} (id, ${tableColumns}) VALUES (${id}, ${textLiteral(schema)}, ${textLiteral(table)}, ${textLiteral(state)}, ` +
      `${positionValues(low)}, ${positionValues(high)}, ${orNull(definition === null ? null : JSON.stringify(definition))}, ${isTargetOurs ? 1 : 0})`,
    registerTable: (schema, table) =>
      `INSERT IGNORE INTO ${tableName} (id, cp_schema, cp_table, state) VALUES (${id}, ${textLiteral(schema)}, ${textLiteral(table)}, 'waiting')`,
    saveChunk: (schema, table, chunk) =>
      `INSERT INTO ${chunkName} (id, cp_schema, cp_table, number, lower_bound, upper_bound, row_count, byte_count) VALUES (${id}, ${textLiteral(schema)}, ${textLiteral(table)}, ${chunk.number}, ` +
      `${orNull(chunk.lower === null ? null : JSON.stringify(chunk.lower))}, ${orNull(chunk.upper === null ? null : JSON.stringify(chunk.upper))}, ${chunk.rows}, ${chunk.bytes})`,
    removeChunks: (schema, table) => `DELETE FROM ${chunkName} WHERE ${at(schema, table)}`,
  };
}

function tableRow(row: readonly (string | null)[], flavor: "mysql" | "mariadb"): CopyTableRow {
  const [schema, table, state, lowFile, lowPos, lowGtid, highFile, highPos, highGtid, info, isOurs, rows, bytes] = row;
  const position = (
    file: string | null | undefined,
    offset: string | null | undefined,
    gtid: string | null | undefined,
  ): Position | null => {
    if (file === null || file === undefined) return null;
    let gtidSet: GtidSet | null = null;
    if (gtid !== null && gtid !== undefined && gtid !== "") gtidSet = parseGtidSet(textOf(gtid), flavor);
    return { file: textOf(file), offset: Number(offset), gtidSet };
  };
  return {
    schema: textOf(schema ?? ""),
    table: textOf(table ?? ""),
    state: (state ?? "waiting") as CopyTableState,
    low: position(lowFile, lowPos, lowGtid),
    high: position(highFile, highPos, highGtid),
    definition: info === null || info === undefined ? null : (JSON.parse(textOf(info)) as TableDefinition),
    isTargetOurs: isOurs === "1",
    rows: Number(rows ?? 0),
    bytes: Number(bytes ?? 0),
  };
}

/**
 * What the full copy of this task and source left in the target; null when there was none. `reader`: a Target, or a connection in
 * "bytes" mode. `flavor`: of the source.
 */
export async function loadCopyState(
  reader: Reader | Connection,
  config: Names,
  flavor: "mysql" | "mariadb",
  signal?: AbortSignal,
): Promise<CopyState | null> {
  const exists = await reader.query(
    `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${textLiteral(config.metaSchema)} AND TABLE_NAME = ${textLiteral(`${config.name}_copy_table`)}`,
    signal,
  );
  if (exists.rows.length === 0) return null;
  const rows = await createCopyStore(reader, config, flavor).tables(signal);
  // An empty name is the point where the copy began: it counts also when there is no table at all.
  const whole = rows.find(({ schema }) => schema === "");
  const begin = whole?.low ?? null;
  if (begin === null) return null;
  const tables: CopiedTable[] = [];
  let lowest: Position | null = null;
  for (const { schema, table, low, high, definition } of rows) {
    if (schema === "" || low === null) continue;
    if (lowest === null || comparePositions(low, lowest) < 0) lowest = low;
    tables.push({ schema, table, low, high: high ?? low, definition });
  }
  const byName = new Map(tables.map((one) => [`${one.schema}\u0000${one.table}`, one]));
  return {
    isComplete: rows.every(({ schema, state }) => schema === "" || state === "finished" || state === "gone"),
    lowest: lowest ?? begin,
    end: whole?.high ?? begin,
    tables,
    table: (schema, table) => byName.get(`${schema}\u0000${table}`) ?? null,
  };
}
