/**
 * A table as ranges of its key.
 *
 *   keys   ──────┬──────────┬──────────┬──────────────▶
 *   chunk    0   b0    1    b1    2    b2   3 (open)
 *
 * Each chunk is `(lower, upper]`; the first has no lower bound, the last no upper one, so rows that come later belong to one of
 * them too. A boundary is a key that exists, found by walking the index from the last boundary. Bounds are SQL literals, one per
 * key column, in ASCII; they go into the progress table as JSON.
 */
import {
  type ByteString,
  type ColumnDefinition,
  type IndexDefinition,
  quoteIdentifier,
  type TableDefinition,
  type TypeName,
} from "@skein/mysql";
import { bytesOf } from "../../target/core/meta-tables.ts";

export type Bound = readonly string[] | null;

export interface Chunk {
  readonly number: number;
  readonly lower: Bound;
  readonly upper: Bound;
}

export interface ChunkKey {
  readonly index: string;
  /** The longest start of the key whose order and literals are the same everywhere; empty: the table is one chunk. */
  readonly columns: readonly ColumnDefinition[];
  /** One whole number and nothing else. */
  readonly isInteger: boolean;
}

const integers: ReadonlySet<TypeName> = new Set(["tinyint", "smallint", "mediumint", "int", "bigint"]);
const digits: ReadonlySet<TypeName> = new Set([...integers, "decimal", "year"]);
const quoted: ReadonlySet<TypeName> = new Set(["date", "time", "datetime", "timestamp", "uuid", "inet4", "inet6"]);

/** Types whose values compare the same as a literal as they are ordered in the index. */
function isOrdered({ type: { name } }: ColumnDefinition): boolean {
  return digits.has(name) || quoted.has(name) || /^(?:var)?(?:char|binary)$/.test(name);
}

/** The primary key, else the first unique key without NULL; null when there is none: rows cannot be told apart. */
export function chunkKey(table: TableDefinition): ChunkKey | null {
  const column = (name: string | null) => table.columns.find((one) => one.name.toLowerCase() === name?.toLowerCase());
  const isUsable = (index: IndexDefinition) =>
    index.invisible !== true &&
    (index.kind === "primary" || index.kind === "unique") &&
    index.parts.every((part) => part.column !== null && part.prefixLength === undefined && column(part.column)?.nullable === false);
  const index = table.indexes.find((one) => one.kind === "primary" && isUsable(one)) ?? table.indexes.find(isUsable);
  if (index === undefined) return null;
  const columns: ColumnDefinition[] = [];
  for (const part of index.parts) {
    const found = column(part.column);
    if (found === undefined || !isOrdered(found)) break;
    columns.push(found);
  }
  const isInteger = index.parts.length === 1 && integers.has(columns[0]?.type.name ?? "json");
  return { index: index.name, columns, isInteger };
}

const nameOf = (name: string) => quoteIdentifier(bytesOf(name));

/** A key's value, as it came from a "bytes" connection, as a literal. */
export function boundLiteral({ type }: ColumnDefinition, value: ByteString): string {
  if (digits.has(type.name)) return value;
  if (quoted.has(type.name)) return `_latin1'${value}'`;
  const hex = `x'${Buffer.from(value, "latin1").toString("hex")}'`;
  return type.name.endsWith("binary") ? hex : `_${type.charset ?? "binary"} ${hex}`;
}

/** `(a > 1 OR (a = 1 AND b > 2))`: a form that both optimizers read as ranges of the index. */
function beyond(columns: readonly ColumnDefinition[], bound: readonly string[], operator: ">" | "<", orEqual: boolean): string {
  const terms = columns.map((column, index) => {
    const equal = columns.slice(0, index).map((one, at) => `${nameOf(one.name)} = ${bound[at]}`);
    const last = index === columns.length - 1 && orEqual ? `${operator}=` : operator;
    return `(${[...equal, `${nameOf(column.name)} ${last} ${bound[index]}`].join(" AND ")})`;
  });
  return `(${terms.join(" OR ")})`;
}

/** The condition of a chunk's rows; "" for the whole table. */
export function chunkCondition(key: ChunkKey, { lower, upper }: Pick<Chunk, "lower" | "upper">): string {
  const parts: string[] = [];
  if (lower !== null) parts.push(beyond(key.columns, lower, ">", false));
  if (upper !== null) parts.push(beyond(key.columns, upper, "<", true));
  return parts.join(" AND ");
}

/** The query for the next boundary: one row with the key `rows` further, or none when fewer are left before `limit`. */
export function boundaryQuery(table: ByteString, key: ChunkKey, lower: Bound, limit: Bound, rows: number): ByteString {
  const names = key.columns.map(({ name }) => nameOf(name)).join(", ");
  const condition = chunkCondition(key, { lower, upper: limit });
  return `SELECT ${names} FROM ${table} FORCE INDEX (${nameOf(key.index)})${condition === "" ? "" : ` WHERE ${condition}`} ORDER BY ${names} LIMIT 1 OFFSET ${rows - 1}`;
}

/** The query for the greatest key, which costs the server nothing. */
export function greatestQuery(table: ByteString, key: ChunkKey): ByteString {
  return `SELECT MAX(${nameOf(key.columns[0]?.name ?? "")}) FROM ${table}`;
}

/** More numbers than this for a row are too many to count rows by numbers. */
const numbersPerRowMax = 1.25;

/** The rows of a key of one integer lie so close together that the next chunk may be cut by counting instead of walking. */
export function isDense({ lower, upper }: Pick<Chunk, "lower" | "upper">, rows: number): boolean {
  return lower !== null && upper !== null && Number(BigInt(upper[0] ?? "0") - BigInt(lower[0] ?? "0")) <= rows * numbersPerRowMax;
}

/** The boundary `rows` numbers further, so at most as many rows; null when the stretch, or the table as it is now, ends before that. */
export function boundaryByCount(
  lower: readonly string[],
  limit: Bound,
  greatest: ByteString | null,
  rows: number,
): readonly string[] | null {
  const next = BigInt(lower[0] ?? "0") + BigInt(rows);
  if (greatest === null || next >= BigInt(greatest)) return null;
  return limit !== null && next >= BigInt(limit[0] ?? "0") ? null : [next.toString()];
}

/** A stretch that is still to be cut into chunks, whose numbers are to be between these two. */
export interface Stretch {
  readonly lower: Bound;
  readonly upper: Bound;
  readonly after: number;
  /** Null: open. */
  readonly before: number | null;
}

/** Numbers grow along the key. They are this far apart, so that a hole left by a crash can be filled by several chunks. */
const stride = 2 ** 32;
const fillingsMax = 256;

export const wholeTable: Stretch = { lower: null, upper: null, after: 0, before: null };

/** The number of the next chunk of a stretch; `isLast`: it takes all that is left. Null: no room to cut any more, take all. */
export function nextNumber(stretch: Stretch): { readonly number: number; readonly mayCut: boolean } {
  if (stretch.before === null) return { number: stretch.after + stride, mayCut: true };
  const step = Math.floor((stretch.before - stretch.after) / fillingsMax);
  if (step < 2) return { number: stretch.after + Math.floor((stretch.before - stretch.after) / 2), mayCut: false };
  return { number: stretch.after + step, mayCut: stretch.after + 2 * step < stretch.before };
}

/** What is left of a table when these chunks are done; their ranges do not overlap. */
export function remainingStretches(done: readonly Chunk[]): Stretch[] {
  const left: Stretch[] = [];
  let lower: Bound = null;
  let after = 0;
  for (const chunk of [...done].sort((a, b) => a.number - b.number)) {
    if (JSON.stringify(chunk.lower) !== JSON.stringify(lower)) left.push({ lower, upper: chunk.lower, after, before: chunk.number });
    if (chunk.upper === null) return left;
    lower = chunk.upper;
    after = chunk.number;
  }
  left.push({ lower, upper: null, after, before: null });
  return left;
}

/** Rows of a chunk, from the table's mean row. */
export function rowsPerChunk(meanRowBytes: number, limits: { readonly bytes: number; readonly rowsMax: number }): number {
  return Math.max(100, Math.min(limits.rowsMax, Math.floor(limits.bytes / Math.max(16, meanRowBytes))));
}
