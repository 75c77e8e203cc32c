/**
 * The statements of a row-by-row comparison. Both sides run the same text on their own tables: per key range the count of rows
 * and the sum of a 64-bit hash of each row; where these differ, the hash of each row by its key.
 */

export interface ComparedColumn {
  readonly name: string;
  /** As in information_schema, lower case: `int`, `varchar`, `json`. */
  readonly dataType: string;
  /** Null for types without one. */
  readonly collation: string | null;
}

export interface ComparedTable {
  readonly schema: string;
  readonly name: string;
}

/** Values of the key columns at which a range starts (not included) and ends (included); null is the table's end. */
export type KeyValues = readonly string[];

export interface KeyRange {
  readonly after: KeyValues | null;
  readonly to: KeyValues | null;
}

const quoteName = (name: string): string => `\`${name.replaceAll("`", "``")}\``;
const quoteTableName = (table: ComparedTable): string => `${quoteName(table.schema)}.${quoteName(table.name)}`;

/** A literal that does not depend on the session's charset or SQL mode, for a column of this type. */
export function literal(column: ComparedColumn, value: string): string {
  if (numericTypes.has(column.dataType)) return /^-?[\d.]+(e[-+]?\d+)?$/i.test(value) ? value : "NULL";
  const bytes = `x'${Buffer.from(value, isText(column) || timeTypes.has(column.dataType) ? "utf8" : "latin1").toString("hex")}'`;
  if (isText(column)) return `CONVERT(_utf8mb4 ${bytes} USING ${charsetOf(column)}) COLLATE ${column.collation ?? "utf8mb4_bin"}`;
  return timeTypes.has(column.dataType) ? `CONVERT(${bytes} USING utf8mb4)` : bytes;
}

const numericTypes = new Set(["tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year", "bit"]);
const timeTypes = new Set(["date", "time", "datetime", "timestamp"]);
const isText = (column: ComparedColumn) => column.collation !== null;
const charsetOf = (column: ComparedColumn) => (column.collation ?? "utf8mb4").split("_")[0] ?? "utf8mb4";

/** Types whose order and literals are the same on both sides: ranges may be cut by them. */
export const canCutBy = (column: ComparedColumn): boolean =>
  numericTypes.has(column.dataType) || timeTypes.has(column.dataType) || isText(column) || column.dataType.endsWith("binary");

/** A column's value as text that is the same on every server for the same value. */
export function comparable(column: ComparedColumn): string {
  const name = quoteName(column.name);
  if (column.dataType === "float") return `${name} + 0e0`; // printed as a float it loses digits; MySQL casts to DOUBLE from 8.0.17 on only
  if (column.dataType === "bit") return `${name} + 0`;
  if (column.dataType === "json") return `CONVERT(${name} USING utf8mb4)`;
  if (isText(column)) return `CONVERT(${name} USING utf8mb4)`;
  return name;
}

/** 64 bits of SHA-256 (newer MySQL servers have no MD5) over all columns, and which of them are NULL. NULL when the row does not fit into a packet. */
function rowHash(columns: readonly ComparedColumn[]): string {
  const values = columns.map((column) => `COALESCE(CAST(${comparable(column)} AS BINARY), '')`).join(", ");
  const nulls = columns.map(({ name }) => `ISNULL(${quoteName(name)})`).join(", ");
  return `CAST(CONV(LEFT(SHA2(CONCAT_WS(0x1f, ${values}, ${nulls}), 256), 16), 16, 10) AS UNSIGNED)`;
}

/** `(a >= 1 AND (a > 1 OR (a = 1 AND (b > 2))))`: the first comparison alone lets the server use the key. */
function beyond(key: readonly ComparedColumn[], values: KeyValues, direction: ">" | "<", inclusive: boolean): string {
  const last = key.length - 1;
  let condition = "";
  for (let i = last; i >= 0; i--) {
    const column = key[i] as ComparedColumn;
    const name = quoteName(column.name);
    const value = literal(column, values[i] as string);
    condition =
      i === last
        ? `${name} ${direction}${inclusive ? "=" : ""} ${value}`
        : `${name} ${direction}= ${value} AND (${name} ${direction} ${value} OR (${condition}))`;
  }
  return `(${condition})`;
}

function rangeCondition(key: readonly ComparedColumn[], range: KeyRange): string {
  const conditions = [
    ...(range.after === null ? [] : [beyond(key, range.after, ">", false)]),
    ...(range.to === null ? [] : [beyond(key, range.to, "<", true)]),
  ];
  return conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
}

/** One row: `n` rows, `hashed` of them with a hash, their sum `h`. */
export const rangeDigestSql = (
  table: ComparedTable,
  columns: readonly ComparedColumn[],
  key: readonly ComparedColumn[],
  range: KeyRange,
): string => {
  const hash = rowHash(columns);
  return `SELECT COUNT(*) n, COUNT(h) hashed, SUM(h) h FROM (SELECT ${hash} h FROM ${quoteTableName(table)}${rangeCondition(key, range)}) hashes`;
};

const ordered = (key: readonly ComparedColumn[]) => key.map(({ name }) => quoteName(name)).join(", ");

/** The key at the end of the next range; no row when fewer rows are left. */
export const rangeEndSql = (table: ComparedTable, key: readonly ComparedColumn[], after: KeyValues | null, rows: number): string =>
  `SELECT ${key.map((column, i) => `${column.dataType === "bit" ? `${quoteName(column.name)} + 0` : quoteName(column.name)} k${i}`).join(", ")} ` +
  `FROM ${quoteTableName(table)}${rangeCondition(key, { after, to: null })} ORDER BY ${ordered(key)} LIMIT 1 OFFSET ${rows - 1}`;

/** All rows of a range as text that can be compared, in the order of the key: columns `c0`, `c1`, … */
export const rangeRowsSql = (
  table: ComparedTable,
  columns: readonly ComparedColumn[],
  key: readonly ComparedColumn[],
  range: KeyRange,
): string =>
  `SELECT ${columns.map((column, i) => `CAST(${comparable(column)} AS BINARY) c${i}`).join(", ")} FROM ${quoteTableName(table)}` +
  `${rangeCondition(key, range)}${key.length === 0 ? "" : ` ORDER BY ${ordered(key)}`}`;
