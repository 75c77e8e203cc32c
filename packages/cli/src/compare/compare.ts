/**
 * Are two servers' tables equal, row by row and byte by byte? Both sides are asked with the same statements over a plain client
 * that shares no code with the migration. Nobody may write meanwhile.
 */
import { openSql, type SqlEndpoint, type SqlSession } from "@skein/servers";
import {
  type ComparedColumn,
  type ComparedTable,
  canCutBy,
  type KeyRange,
  type KeyValues,
  rangeDigestSql,
  rangeEndSql,
  rangeRowsSql,
} from "./core/comparison-sql.ts";
import { diffRows, type RowDifference, type TextRow } from "./core/diff-rows.ts";

export interface TablePair {
  readonly source: ComparedTable;
  readonly target: ComparedTable;
}

export interface TableComparison {
  readonly pair: TablePair;
  readonly sourceRows: number;
  readonly targetRows: number;
  readonly equal: boolean;
  /** The first ones, and how many there are. */
  readonly differences: readonly RowDifference[];
  readonly differenceCount: number;
  /** Why it could not be compared by rows: other columns, no such table. */
  readonly problem: string | null;
}

export interface CompareOptions {
  readonly signal?: AbortSignal;
  /** Rows of a range. */
  readonly chunkRows?: number;
  /** Differences of a table that are kept. */
  readonly differencesMax?: number;
  /** Columns that only the target has are no difference (routes with extracted columns make them). */
  readonly ignoreTargetColumns?: readonly string[];
  onProgress?(pair: TablePair, rows: number): void;
}

/** Every table of these schemas, by the source's list; a table that only the target has is a difference, too. */
export async function compareSchemas(
  source: SqlEndpoint,
  target: SqlEndpoint,
  schemas: readonly string[],
  options: CompareOptions = {},
): Promise<TableComparison[]> {
  const [sourceTables, targetTables] = await Promise.all([listTables(source, schemas), listTables(target, schemas)]);
  const names = (tables: readonly ComparedTable[]) => new Set(tables.map(({ schema, name }) => `${schema}\u0000${name}`));
  const [inSource, inTarget] = [names(sourceTables), names(targetTables)];
  const all = [...sourceTables, ...targetTables.filter(({ schema, name }) => !inSource.has(`${schema}\u0000${name}`))];
  const results: TableComparison[] = [];
  for (const table of all) {
    const pair = { source: table, target: table };
    const id = `${table.schema}\u0000${table.name}`;
    if (inSource.has(id) && inTarget.has(id)) results.push(await compareTable(source, target, pair, options));
    else results.push(failed(pair, `only the ${inSource.has(id) ? "source" : "target"} has this table`));
  }
  return results;
}

export async function compareTable(
  source: SqlEndpoint,
  target: SqlEndpoint,
  pair: TablePair,
  options: CompareOptions = {},
): Promise<TableComparison> {
  await using left = await openComparing(source);
  await using right = await openComparing(target);
  const onAbort = () => {
    left.destroy();
    right.destroy();
  };
  options.signal?.throwIfAborted();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await compareWith(left, right, pair, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}

async function compareWith(left: SqlSession, right: SqlSession, pair: TablePair, options: CompareOptions): Promise<TableComparison> {
  const [columns, allTargetColumns] = await Promise.all([readColumns(left, pair.source), readColumns(right, pair.target)]);
  const targetColumns = allTargetColumns.filter(({ name }) => !options.ignoreTargetColumns?.includes(name));
  const namesOf = (list: readonly ComparedColumn[]) => list.map(({ name }) => name.toLowerCase()).join(", ");
  if (columns.length === 0) return failed(pair, "the source has no such table");
  if (namesOf(columns) !== namesOf(targetColumns))
    return failed(pair, `other columns: source (${namesOf(columns)}), target (${namesOf(targetColumns)})`);

  const key = await readKey(left, pair.source, columns);
  const sameOrder = key.every((column) => targetColumns.find(({ name }) => name === column.name)?.collation === column.collation);
  const cutBy = sameOrder && key.every(canCutBy) ? key : [];
  const keyIndexes = key.map((column) => columns.indexOf(column));
  // JSON is text for one family and a type for the other: its bytes differ where its values do not
  const jsonDiffers = columns.some(({ dataType }, i) => (dataType === "json") !== (targetColumns[i]?.dataType === "json"));
  const comparedColumns = jsonDiffers
    ? columns.map((column, i) => (targetColumns[i]?.dataType === "json" ? { ...column, dataType: "json" } : column))
    : columns;
  const chunkRows = options.chunkRows ?? 50_000;
  const differencesMax = options.differencesMax ?? 20;

  let sourceRows = 0;
  let targetRows = 0;
  let differenceCount = 0;
  const differences: RowDifference[] = [];
  let after: KeyValues | null = null;
  for (;;) {
    const to: KeyValues | null = cutBy.length === 0 ? null : await rangeEnd(left, pair.source, cutBy, after, chunkRows);
    const range: KeyRange = { after, to };
    const [a, b] = await Promise.all([
      digest(left, rangeDigestSql(pair.source, columns, cutBy, range)),
      digest(right, rangeDigestSql(pair.target, columns, cutBy, range)),
    ]);
    sourceRows += a.rows;
    targetRows += b.rows;
    if (a.rows !== b.rows || a.hash !== b.hash || a.hashed !== a.rows || b.hashed !== b.rows) {
      const [sourceText, targetText] = await Promise.all([
        readRows(left, rangeRowsSql(pair.source, comparedColumns, cutBy, range), columns.length),
        readRows(right, rangeRowsSql(pair.target, comparedColumns, cutBy, range), columns.length),
      ]);
      const found = diffRows(comparedColumns, keyIndexes, sourceText, targetText);
      differenceCount += found.length;
      differences.push(...found.slice(0, Math.max(0, differencesMax - differences.length)));
    }
    options.onProgress?.(pair, sourceRows);
    if (to === null) break;
    after = to;
  }
  return { pair, sourceRows, targetRows, equal: differenceCount === 0, differences, differenceCount, problem: null };
}

const failed = (pair: TablePair, problem: string): TableComparison => ({
  pair,
  sourceRows: 0,
  targetRows: 0,
  equal: false,
  differences: [],
  differenceCount: 0,
  problem,
});

async function openComparing(endpoint: SqlEndpoint): Promise<SqlSession> {
  const session = await openSql(endpoint);
  await session.query("SET SESSION time_zone = '+00:00', SESSION sql_mode = '', NAMES utf8mb4");
  return session;
}

const text = (value: string) => `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;

async function listTables(endpoint: SqlEndpoint, schemas: readonly string[]): Promise<ComparedTable[]> {
  if (schemas.length === 0) return [];
  await using session = await openSql(endpoint);
  const rows = await session.query(
    `SELECT TABLE_SCHEMA s, TABLE_NAME n FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA IN (${schemas.map(text).join(", ")}) ORDER BY 1, 2`,
  );
  return rows.map((row) => ({ schema: row["s"] ?? "", name: row["n"] ?? "" }));
}

async function readColumns(session: SqlSession, table: ComparedTable): Promise<ComparedColumn[]> {
  const rows = await session.query(
    `SELECT COLUMN_NAME n, DATA_TYPE t, COLLATION_NAME c FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ${text(table.schema)} AND TABLE_NAME = ${text(table.name)} ORDER BY ORDINAL_POSITION`,
  );
  return rows.map((row) => ({ name: row["n"] ?? "", dataType: (row["t"] ?? "").toLowerCase(), collation: row["c"] ?? null }));
}

/** The primary key, else the first unique key whose columns cannot be NULL, else nothing. */
async function readKey(session: SqlSession, table: ComparedTable, columns: readonly ComparedColumn[]): Promise<ComparedColumn[]> {
  const rows = await session.query(
    `SELECT INDEX_NAME i, COLUMN_NAME n, NULLABLE nullable, SUB_PART part FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ${text(table.schema)} AND TABLE_NAME = ${text(table.name)} AND NON_UNIQUE = 0 ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX`,
  );
  const keys = new Map<string, ComparedColumn[] | null>();
  for (const row of rows) {
    const name = row["i"] ?? "";
    const column = columns.find((each) => each.name === row["n"]);
    const parts = keys.get(name);
    if (column === undefined || row["nullable"] === "YES" || row["part"] !== null) keys.set(name, null);
    else if (parts === undefined) keys.set(name, [column]);
    else parts?.push(column);
  }
  return [...keys.values()].find((parts) => parts !== null) ?? [];
}

async function rangeEnd(
  session: SqlSession,
  table: ComparedTable,
  key: readonly ComparedColumn[],
  after: KeyValues | null,
  chunkRows: number,
): Promise<KeyValues | null> {
  const [row] = await session.query(rangeEndSql(table, key, after, chunkRows));
  return row === undefined ? null : key.map((_, i) => row[`k${i}`] ?? "");
}

async function digest(session: SqlSession, sql: string): Promise<{ rows: number; hashed: number; hash: string | null }> {
  const [row] = await session.query(sql);
  return { rows: Number(row?.["n"]), hashed: Number(row?.["hashed"]), hash: row?.["h"] ?? null };
}

async function readRows(session: SqlSession, sql: string, columnCount: number): Promise<TextRow[]> {
  const rows = await session.query(sql);
  return rows.map((row) => Array.from({ length: columnCount }, (_, i) => row[`c${i}`] ?? null));
}
