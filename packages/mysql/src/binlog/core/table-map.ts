/**
 * Table map events: which table the rows events that follow belong to, and how their columns are stored.
 *
 *   table id u48 · flags u16 · schema (u8 length, bytes, 0) · table (the same) · column count · types u8 each ·
 *   metadata (by type, 0–2 bytes a column) · bits of what may be NULL · optional fields { type u8 · length · value }
 *
 * The optional fields (signedness, charsets, names, members, keys) are all there with binlog_row_metadata=FULL.
 */
import { ByteReader } from "@skein/base";
import { readLength } from "../../core/result-packets.ts";
import { MalformedBinlogError } from "./malformed.ts";

/** Protocol numbers of column types, as the log uses them. */
export const columnType = {
  decimal: 0,
  tiny: 1,
  short: 2,
  long: 3,
  float: 4,
  double: 5,
  null: 6,
  timestamp: 7,
  longlong: 8,
  int24: 9,
  date: 10,
  time: 11,
  datetime: 12,
  year: 13,
  newdate: 14,
  varchar: 15,
  bit: 16,
  timestamp2: 17,
  datetime2: 18,
  time2: 19,
  typedArray: 20,
  blobCompressed: 140,
  varcharCompressed: 141,
  vector: 242,
  json: 245,
  newdecimal: 246,
  enum: 247,
  set: 248,
  tinyBlob: 249,
  mediumBlob: 250,
  longBlob: 251,
  blob: 252,
  varString: 253,
  string: 254,
  geometry: 255,
} as const;

export interface MappedColumn {
  /** After unpacking: an ENUM that is logged as a string is `columnType.enum`. */
  readonly type: number;
  /** varchar, string: bytes at most; blobs, json, geometry: bytes of the length; bit: bits; enum, set: bytes; temporal: fractional digits; decimal: precision << 8 | scale; float, double: bytes. */
  readonly meta: number;
  readonly nullable: boolean;
  /** Null with minimal metadata. */
  readonly name: string | null;
  readonly unsigned: boolean | null;
  /** Collation id; null when the log does not say or the type has none. */
  readonly collation: number | null;
  /** Members as logged, in the column's charset. */
  readonly members: readonly Uint8Array[] | null;
  readonly visible: boolean | null;
}

export interface TableMap {
  readonly tableId: number;
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly MappedColumn[];
  /** Columns of the primary key by number; null when the log does not say. */
  readonly primaryKey: readonly number[] | null;
  /** Changes when anything of the map does: what a compiled decoder may be kept by. */
  readonly fingerprint: string;
}

/** Those that have a bit in the list of signs: a year is among them. */
const numericTypes: ReadonlySet<number> = new Set([
  columnType.year,
  columnType.tiny,
  columnType.short,
  columnType.int24,
  columnType.long,
  columnType.longlong,
  columnType.decimal,
  columnType.newdecimal,
  columnType.float,
  columnType.double,
]);
const textTypes: ReadonlySet<number> = new Set([
  columnType.varchar,
  columnType.varString,
  columnType.string,
  columnType.tinyBlob,
  columnType.mediumBlob,
  columnType.longBlob,
  columnType.blob,
  columnType.blobCompressed,
  columnType.varcharCompressed,
]);

/** Columns of one table, at most: the servers' own limit is 4096. */
const columnsMax = 4096;
const membersMax = 65_535;

/** `body` is the event without header and checksum. `flavor` decides how signedness bits are counted. */
export function parseTableMap(body: Buffer, tableIdBytes: 4 | 6, flavor: "mysql" | "mariadb"): TableMap {
  const reader = new ByteReader(body);
  const tableId = tableIdBytes === 6 ? reader.u48() : reader.u32();
  reader.u16();
  const schema = readName(reader);
  const table = readName(reader);
  const count = readLength(reader) ?? 0;
  if (count === 0 || count > columnsMax) throw new MalformedBinlogError(`a table of ${count} columns`);
  const types = reader.bytes(count);
  const metadataLength = readLength(reader) ?? 0;
  const metadata = new ByteReader(reader.bytes(metadataLength));
  const columns = Array.from(types, (type) => ({
    ...unpackType(type, metadata),
    nullable: false,
    name: null as string | null,
    unsigned: null as boolean | null,
    collation: null as number | null,
    members: null as readonly Uint8Array[] | null,
    visible: null as boolean | null,
  }));
  const nullBits = reader.bytes((count + 7) >> 3);
  for (let index = 0; index < count; index++) {
    const column = columns[index];
    if (column !== undefined) column.nullable = (((nullBits[index >> 3] as number) >> (index & 7)) & 1) === 1;
  }
  // MariaDB counts a geometry, a blob inside, among the columns with a charset; MySQL does not.
  const texts = columns.filter(({ type }) => textTypes.has(type) || (flavor === "mariadb" && type === columnType.geometry));
  let primaryKey: number[] | null = null;
  while (reader.left > 0) {
    const field = reader.u8();
    const length = readLength(reader) ?? 0;
    const value = new ByteReader(reader.bytes(length));
    switch (field) {
      case 1: {
        const numeric = columns.filter(({ type }) => numericTypes.has(type));
        const bits = value.rest();
        numeric.forEach((column, index) => {
          column.unsigned = (((bits[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) === 1;
        });
        break;
      }
      case 2:
        defaultCharset(value, texts);
        break;
      case 3:
        eachCharset(value, texts);
        break;
      case 4:
        for (const column of columns) column.name = readText(value);
        break;
      case 5:
        readMembers(
          value,
          columns.filter(({ type }) => type === columnType.set),
        );
        break;
      case 6:
        readMembers(
          value,
          columns.filter(({ type }) => type === columnType.enum),
        );
        break;
      case 8:
        primaryKey = [];
        while (value.left > 0) primaryKey.push(readLength(value) ?? 0);
        break;
      case 9:
        primaryKey = [];
        while (value.left > 0) {
          primaryKey.push(readLength(value) ?? 0);
          readLength(value);
        }
        break;
      case 10:
        defaultCharset(value, columns.filter(isEnumOrSet));
        break;
      case 11:
        eachCharset(value, columns.filter(isEnumOrSet));
        break;
      case 12: {
        const bits = value.rest();
        columns.forEach((column, index) => {
          column.visible = (((bits[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) === 1;
        });
        break;
      }
      default: // geometry types, vector dimensions, and what newer servers add: nothing that decoding needs
    }
  }
  if (primaryKey?.some((index) => index >= count)) throw new MalformedBinlogError("a primary key of columns that the table does not have");
  // The bytes after the table id: equal bytes are an equal map.
  const fingerprint = body.toString("latin1", tableIdBytes);
  return { tableId, schema, table, columns, primaryKey, fingerprint };
}

type Draft = { type: number; collation: number | null; members: readonly Uint8Array[] | null };

function isEnumOrSet({ type }: { readonly type: number }): boolean {
  return type === columnType.enum || type === columnType.set;
}

function readName(reader: ByteReader): string {
  const bytes = reader.bytes(reader.u8());
  reader.skip(1);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
}

function readText(reader: ByteReader): string {
  const bytes = reader.bytes(readLength(reader) ?? 0);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
}

function defaultCharset(value: ByteReader, columns: Draft[]): void {
  const usual = readLength(value);
  for (const column of columns) column.collation = usual;
  while (value.left > 0) {
    const column = columns[readLength(value) ?? 0];
    const collation = readLength(value);
    if (column === undefined) throw new MalformedBinlogError("a charset of a column that the table does not have");
    column.collation = collation;
  }
}

function eachCharset(value: ByteReader, columns: Draft[]): void {
  for (const column of columns) column.collation = readLength(value);
}

function readMembers(value: ByteReader, columns: Draft[]): void {
  for (const column of columns) {
    const count = readLength(value) ?? 0;
    if (count > membersMax || count > value.left) throw new MalformedBinlogError(`an enumeration of ${count} members`);
    const members: Uint8Array[] = [];
    for (let index = 0; index < count; index++) members.push(value.copy(readLength(value) ?? 0));
    column.members = members;
  }
}

function unpackType(type: number, metadata: ByteReader): { type: number; meta: number } {
  switch (type) {
    case columnType.float:
    case columnType.double:
    case columnType.tinyBlob:
    case columnType.blob:
    case columnType.mediumBlob:
    case columnType.longBlob:
    case columnType.json:
    case columnType.geometry:
    case columnType.vector:
    case columnType.blobCompressed:
    case columnType.timestamp2:
    case columnType.datetime2:
    case columnType.time2:
      return { type, meta: metadata.u8() };
    case columnType.varchar:
    case columnType.varcharCompressed:
      return { type, meta: metadata.u16() };
    case columnType.newdecimal: {
      const precision = metadata.u8();
      return { type, meta: (precision << 8) | metadata.u8() };
    }
    case columnType.bit: {
      const bits = metadata.u8();
      return { type, meta: metadata.u8() * 8 + bits };
    }
    case columnType.enum:
    case columnType.set: {
      metadata.skip(1);
      return { type, meta: metadata.u8() };
    }
    case columnType.string:
    case columnType.varString: {
      // The real type stands in the first byte; two of its bits are borrowed for lengths over 255.
      const first = metadata.u8();
      const second = metadata.u8();
      if ((first & 0x30) !== 0x30) return { type: first | 0x30, meta: second | (((first & 0x30) ^ 0x30) << 4) };
      return { type: first, meta: second };
    }
    case columnType.typedArray:
      throw new MalformedBinlogError("a column of type array, which no table has");
    default:
      return { type, meta: 0 };
  }
}
