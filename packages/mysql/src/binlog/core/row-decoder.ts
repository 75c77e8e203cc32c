/**
 * Rows of a rows event as values: the hot path. A decoder is compiled once per table map and definition.
 *
 *   image: bits of the NULLs, one per column that the image holds · the values that are not NULL, one after the other
 *
 * Reads are not checked one by one: what runs past the event yields rubbish or throws, and the check at each row's end tells.
 */
import { charsetOfCollation, decodeText, utf8ByteString } from "../../core/charset.ts";
import { decimalBytes, decimalText, shortFloat } from "../../core/numbers.ts";
import type { ColumnDefinition, TableDefinition } from "../../core/table.ts";
import {
  fractionBytes,
  storedDate,
  storedDatetime,
  storedOldDatetime,
  storedOldTime,
  storedTime,
  storedTimestamp,
} from "../../core/temporal.ts";
import type { ByteString, Row, Value } from "../../core/value.ts";
import { binlogErrors } from "../../errors.ts";
import type { RowsEvent } from "./events.ts";
import { applyJsonDifference, type JsonNode, jsonText, parseJsonDocument, parseJsonPath, printJson } from "./json.ts";
import { MalformedBinlogError } from "./malformed.ts";
import { columnType, type MappedColumn, type TableMap } from "./table-map.ts";
import type { BinlogTools } from "./tools.ts";

export interface RowDecoder {
  /** Names in order; null when neither the log nor a definition tells them. */
  readonly columnNames: readonly string[] | null;
  /**
   * Rows after an insert, before a delete; for an update before and after by turns. What an after image leaves out did not
   * change; where a before image or an insert leaves out a column (`binlog_row_image` is not FULL), decoding fails: nobody
   * knows its value. Generated columns are the exception: MariaDB 11 leaves them out of updates and deletes, and they are null
   * then; so they are no part of a key to find a row by. Errors: coded 36069.
   */
  decode(event: RowsEvent): Row[];
}

// Numbers of the compiled steps; the switch in `readValue` is over these.
const step = {
  i8: 0,
  u8: 1,
  i16: 2,
  u16: 3,
  i24: 4,
  u24: 5,
  i32: 6,
  u32: 7,
  i64: 8,
  u64: 9,
  float: 10,
  double: 11,
  decimal: 12,
  year: 13,
  bytes1: 14,
  bytes2: 15,
  bytes3: 16,
  bytes4: 17,
  date: 18,
  time: 19,
  datetime: 20,
  timestamp: 21,
  oldTime: 22,
  oldDatetime: 23,
  oldTimestamp: 24,
  bit: 25,
  enum: 26,
  set: 27,
  json: 28,
  padded1: 29,
  padded2: 30,
  compressed: 31,
  null: 32,
} as const;

interface CompiledColumn {
  readonly step: number;
  /** Bytes, digits, precision << 8 | scale, or padded length, as the step needs. */
  readonly meta: number;
  /** Bytes that a decimal takes. */
  readonly size: number;
  /** By number, for enum; by bit, for set. */
  readonly members: readonly ByteString[] | null;
  /** Absent from images: computed by whoever reads the table. */
  readonly isGenerated: boolean;
}

/** Throws a coded error when the definition has another number of columns than the log. */
export function compileRowDecoder(table: TableMap, definition: TableDefinition | null, tools: BinlogTools): RowDecoder {
  if (definition !== null && definition.columns.length !== table.columns.length) {
    throw binlogErrors.columnCount([definition.columns.length, table.columns.length]);
  }
  const columns = table.columns.map((column, index) => compileColumn(column, definition?.columns[index]));
  const names = definition?.columns.map(({ name }) => name) ?? table.columns.map(({ name }) => name);
  return new CompiledDecoder(table, columns, names.includes(null) ? null : (names as string[]), tools);
}

class CompiledDecoder implements RowDecoder {
  readonly columnNames: readonly string[] | null;
  readonly #table: TableMap;
  readonly #columns: readonly CompiledColumn[];
  readonly #tools: BinlogTools;
  readonly #all: readonly number[];
  readonly #empty: Value[];
  readonly #jsonColumns: readonly number[];
  readonly #setTexts: Map<number | bigint, ByteString>[] = [];
  /** The event's bytes as one string, when they are few: parts of it are made without a copy and without a call out of JavaScript. */
  #text: ByteString = "";
  /** Where the next read begins; one number for all steps, so that the loop needs no results of two kinds. */
  #at = 0;

  constructor(table: TableMap, columns: readonly CompiledColumn[], names: readonly string[] | null, tools: BinlogTools) {
    this.#table = table;
    this.#columns = columns;
    this.columnNames = names;
    this.#tools = tools;
    this.#all = columns.map((_, index) => index);
    this.#empty = columns.map(() => undefined as unknown as Value);
    this.#jsonColumns = table.columns.flatMap(({ type }, index) => (type === columnType.json ? [index] : []));
  }

  decode(event: RowsEvent): Row[] {
    try {
      return this.#decode(event);
    } catch (error) {
      if (error instanceof MalformedBinlogError) throw binlogErrors.getEvent([error.message], error);
      // Reading past the end of the bytes shows in these.
      if (!(error instanceof RangeError) && !(error instanceof TypeError)) throw error;
      throw binlogErrors.getEvent([`a row of ${this.#table.schema}.${this.#table.table} ends too early`], error);
    }
  }

  #decode(event: RowsEvent): Row[] {
    const bytes = event.rowBytes;
    const end = bytes.length;
    const before = event.beforeColumns === null ? null : this.#present(event.beforeColumns);
    const after = event.afterColumns === null ? null : this.#present(event.afterColumns);
    const rows: Row[] = [];
    this.#at = 0;
    this.#text = end <= eventTextBytesMax ? latin1(bytes, 0, end) : "";
    while (this.#at < end) {
      let old: Value[] | null = null;
      let jsonStarts: number[] | null = null;
      if (before !== null) {
        if (event.isPartial) jsonStarts = [];
        old = this.#image(bytes, before, jsonStarts);
        if (before.length < this.#columns.length) this.#complete(old, null);
        rows.push(old);
      }
      if (after !== null) {
        const row = event.isPartial ? this.#partialImage(bytes, after, old, jsonStarts ?? []) : this.#image(bytes, after, null);
        if (after.length < this.#columns.length) this.#complete(row, old);
        rows.push(row);
      }
      if (this.#at > end) throw new MalformedBinlogError(`a row of ${this.#table.schema}.${this.#table.table} ends too early`);
    }
    return rows;
  }

  /** The numbers of the columns whose bit is set. */
  #present(bits: Uint8Array): readonly number[] {
    const present = this.#all.filter((index) => (((bits[index >> 3] ?? 0) >> (index & 7)) & 1) === 1);
    if (present.length === 0) throw new MalformedBinlogError(`rows of ${this.#table.schema}.${this.#table.table} without columns`);
    return present.length === this.#all.length ? this.#all : present;
  }

  /** Columns that an image left out: an after image, those that did not change; a before image, only what is computed anyway. */
  #complete(row: Value[], other: Value[] | null): void {
    for (let index = 0; index < this.#columns.length; index++) {
      if (row[index] !== undefined) continue;
      const value = other?.[index];
      if (value !== undefined) row[index] = value;
      else if (this.#columns[index]?.isGenerated === true) row[index] = null;
      else {
        throw new MalformedBinlogError(
          `rows of ${this.#table.schema}.${this.#table.table} do not hold column ${this.columnNames?.[index] ?? index}: binlog_row_image must be FULL`,
        );
      }
    }
  }

  #image(bytes: Buffer, present: readonly number[], jsonStarts: number[] | null): Value[] {
    const count = present.length;
    const columns = this.#columns;
    // A copy has its size from the start; pushing would grow it step by step. `undefined` marks what the image leaves out.
    const row = this.#empty.slice();
    const nulls = this.#at;
    this.#at += (count + 7) >> 3;
    if (this.#at > bytes.length) throw new MalformedBinlogError("a row ends too early");
    const isFull = count === columns.length;
    for (let bit = 0; bit < count; bit++) {
      const index = isFull ? bit : (present[bit] as number);
      if ((((bytes[nulls + (bit >> 3)] as number) >> (bit & 7)) & 1) === 1) row[index] = null;
      else {
        if (jsonStarts !== null) jsonStarts[index] = this.#at;
        row[index] = this.#value(bytes, columns[index] as CompiledColumn, index);
      }
    }
    return row;
  }

  /**
   * An after image that may hold differences: options (1: there are some) · a bit per JSON column of the table · bits of the
   * NULLs · values, where those with the bit are a length u32 and { operation u8 · path · value } …
   */
  #partialImage(bytes: Buffer, present: readonly number[], old: Value[] | null, jsonStarts: number[]): Value[] {
    const options = bytes[this.#at++] as number;
    const partial = new Set<number>();
    if ((options & 1) !== 0) {
      this.#jsonColumns.forEach((column, bit) => {
        if ((((bytes[this.#at + (bit >> 3)] as number) >> (bit & 7)) & 1) === 1) partial.add(column);
      });
      this.#at += (this.#jsonColumns.length + 7) >> 3;
    }
    if (partial.size === 0) return this.#image(bytes, present, null);
    const row = this.#empty.slice();
    const nulls = this.#at;
    this.#at += (present.length + 7) >> 3;
    present.forEach((index, bit) => {
      if ((((bytes[nulls + (bit >> 3)] as number) >> (bit & 7)) & 1) === 1) row[index] = null;
      else if (!partial.has(index)) row[index] = this.#value(bytes, this.#columns[index] as CompiledColumn, index);
      else row[index] = this.#patched(bytes, index, old, jsonStarts[index]);
    });
    return row;
  }

  #patched(bytes: Buffer, index: number, old: Value[] | null, start: number | undefined): ByteString {
    if (start === undefined || old?.[index] === null || old?.[index] === undefined) {
      throw new MalformedBinlogError("a JSON difference without the document that it changes");
    }
    const width = (this.#columns[index] as CompiledColumn).meta;
    const length = bytes.readUIntLE(start, width);
    let document: JsonNode = parseJsonDocument(bytes, start + width, start + width + length);
    const size = bytes.readUInt32LE(this.#at);
    this.#at += 4;
    const end = this.#at + size;
    if (end > bytes.length) throw new MalformedBinlogError("a JSON difference ends too early");
    while (this.#at < end) {
      const operation = (["replace", "insert", "remove"] as const)[bytes[this.#at++] as number];
      const pathLength = this.#packedLength(bytes);
      const path = parseJsonPath(`$${bytes.toString("latin1", this.#at, this.#at + pathLength).replace(/^\$/, "")}`);
      this.#at += pathLength;
      if (operation === undefined) throw new MalformedBinlogError("a JSON difference of an unknown kind");
      if (operation === "remove") document = applyJsonDifference(document, { operation, path });
      else {
        const valueLength = this.#packedLength(bytes);
        if (this.#at + valueLength > end) throw new MalformedBinlogError("a JSON difference ends too early");
        document = applyJsonDifference(document, { operation, path, value: parseJsonDocument(bytes, this.#at, this.#at + valueLength) });
        this.#at += valueLength;
      }
    }
    if (this.#at !== end) throw new MalformedBinlogError("a JSON difference ends too early");
    return printJson(document);
  }

  #packedLength(bytes: Buffer): number {
    const first = bytes[this.#at++] as number;
    if (first < 0xfb) return first;
    const width = first === 0xfc ? 2 : first === 0xfd ? 3 : 4;
    const length = bytes.readUIntLE(this.#at, width);
    this.#at += first === 0xfe ? 8 : width;
    return length;
  }

  #value(bytes: Buffer, column: CompiledColumn, index: number): Value {
    const at = this.#at;
    switch (column.step) {
      case step.i32:
        this.#at = at + 4;
        return (
          (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)
        );
      case step.bytes1: {
        const from = at + 1;
        const to = from + (bytes[at] as number);
        this.#at = to;
        return this.#bytesText(bytes, from, to);
      }
      case step.bytes2: {
        const from = at + 2;
        const to = from + ((bytes[at] as number) | ((bytes[at + 1] as number) << 8));
        this.#at = to;
        return this.#bytesText(bytes, from, to);
      }
      case step.bytes3: {
        const from = at + 3;
        const to = from + ((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16));
        this.#at = to;
        return this.#bytesText(bytes, from, to);
      }
      case step.bytes4: {
        const from = at + 4;
        const to = from + unsigned32(bytes, at);
        this.#at = to;
        return this.#bytesText(bytes, from, to);
      }
      case step.i64: {
        this.#at = at + 8;
        const low = unsigned32(bytes, at);
        const high =
          (bytes[at + 4] as number) |
          ((bytes[at + 5] as number) << 8) |
          ((bytes[at + 6] as number) << 16) |
          ((bytes[at + 7] as number) << 24);
        const value = high * 0x1_0000_0000 + low;
        return Number.isSafeInteger(value) ? value : bytes.readBigInt64LE(at);
      }
      case step.u64: {
        this.#at = at + 8;
        const value = unsigned32(bytes, at + 4) * 0x1_0000_0000 + unsigned32(bytes, at);
        return Number.isSafeInteger(value) ? value : bytes.readBigUInt64LE(at);
      }
      case step.u32:
        this.#at = at + 4;
        return unsigned32(bytes, at);
      case step.i8:
        this.#at = at + 1;
        return ((bytes[at] as number) << 24) >> 24;
      case step.u8:
        this.#at = at + 1;
        return bytes[at] as number;
      case step.i16:
        this.#at = at + 2;
        return (((bytes[at] as number) | ((bytes[at + 1] as number) << 8)) << 16) >> 16;
      case step.u16:
        this.#at = at + 2;
        return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
      case step.i24:
        this.#at = at + 3;
        return (((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)) << 8) >> 8;
      case step.u24:
        this.#at = at + 3;
        return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
      case step.float:
        this.#at = at + 4;
        return shortFloat(bytes.readFloatLE(at));
      case step.double:
        this.#at = at + 8;
        return bytes.readDoubleLE(at);
      case step.decimal:
        this.#at = at + column.size;
        return decimalText(bytes, at, column.meta >> 8, column.meta & 255);
      case step.year: {
        this.#at = at + 1;
        const value = bytes[at] as number;
        return value === 0 ? 0 : value + 1900;
      }
      case step.date:
        this.#at = at + 3;
        return storedDate(bytes, at);
      case step.datetime:
        this.#at = at + 5 + fractionBytes(column.meta);
        return storedDatetime(bytes, at, column.meta);
      case step.timestamp:
        this.#at = at + 4 + fractionBytes(column.meta);
        return storedTimestamp(bytes, at, column.meta);
      case step.time:
        this.#at = at + 3 + fractionBytes(column.meta);
        return storedTime(bytes, at, column.meta);
      default:
        return this.#rareValue(bytes, column, index);
    }
  }

  #rareValue(bytes: Buffer, column: CompiledColumn, index: number): Value {
    const at = this.#at;
    switch (column.step) {
      case step.oldTime:
        this.#at = at + 3;
        return storedOldTime(bytes, at);
      case step.oldDatetime:
        this.#at = at + 8;
        return storedOldDatetime(bytes, at);
      case step.oldTimestamp: {
        this.#at = at + 4;
        const swapped = Buffer.from([bytes[at + 3] as number, bytes[at + 2] as number, bytes[at + 1] as number, bytes[at] as number]);
        return storedTimestamp(swapped, 0, 0);
      }
      case step.bit: {
        this.#at = at + column.size;
        if (column.size <= 6) return bytes.readUIntBE(at, column.size);
        let value = 0n;
        for (let byte = 0; byte < column.size; byte++) value = (value << 8n) | BigInt(bytes[at + byte] as number);
        return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
      }
      case step.enum: {
        this.#at = at + column.size;
        const number = column.size === 1 ? (bytes[at] as number) : bytes.readUInt16LE(at);
        if (column.members === null) return number;
        if (number === 0) return "";
        const member = column.members[number - 1];
        if (member === undefined) throw new MalformedBinlogError(`member ${number} of an enumeration of ${column.members.length}`);
        return member;
      }
      case step.set: {
        this.#at = at + column.size;
        const bits = column.size <= 6 ? bytes.readUIntLE(at, column.size) : wideBits(bytes, at, column.size);
        return column.members === null ? bits : this.#setText(bits, column.members, index);
      }
      case step.json: {
        const length = bytes.readUIntLE(at, column.meta);
        const from = at + column.meta;
        if (from + length > bytes.length) throw new MalformedBinlogError("a JSON document ends too early");
        this.#at = from + length;
        return jsonText(bytes, from, from + length);
      }
      case step.padded1:
      case step.padded2: {
        const width = column.step === step.padded1 ? 1 : 2;
        const length = bytes.readUIntLE(at, width);
        this.#at = at + width + length;
        return this.#bytesText(bytes, at + width, this.#at).padEnd(column.meta, "\0");
      }
      case step.compressed: {
        const length = bytes.readUIntLE(at, column.meta);
        const from = at + column.meta;
        if (from + length > bytes.length) throw new MalformedBinlogError("a compressed value ends too early");
        this.#at = from + length;
        return decompressedColumn(bytes.subarray(from, from + length), this.#tools);
      }
      default:
        return null;
    }
  }

  #bytesText(bytes: Buffer, from: number, to: number): ByteString {
    if (to > bytes.length) throw new MalformedBinlogError("a row ends too early");
    return this.#text === "" ? latin1(bytes, from, to) : this.#text.substring(from, to);
  }

  #setText(bits: number | bigint, members: readonly ByteString[], index: number): ByteString {
    const texts = (this.#setTexts[index] ??= new Map());
    const known = texts.get(bits);
    if (known !== undefined) return known;
    const wide = BigInt(bits);
    if (wide >> BigInt(members.length) !== 0n) throw new MalformedBinlogError(`a set value beyond its ${members.length} members`);
    const text = members.filter((_, bit) => ((wide >> BigInt(bit)) & 1n) === 1n).join(",");
    if (texts.size < setTextsMax) texts.set(bits, text);
    return text;
  }
}

/** Values are parts of their event's text up to this size; a value that is kept keeps its event's text, so this must stay small. */
const eventTextBytesMax = 16 * 1024;

/** Set values whose text is remembered, per column. */
const setTextsMax = 4096;

function latin1(bytes: Buffer, from: number, to: number): ByteString {
  return (bytes as Buffer & { latin1Slice(from: number, to: number): string }).latin1Slice(from, to);
}

function unsigned32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)) >>> 0) +
    (bytes[at + 3] as number) * 0x100_0000
  );
}

function wideBits(bytes: Buffer, at: number, size: number): number | bigint {
  let value = 0n;
  for (let byte = size - 1; byte >= 0; byte--) value = (value << 8n) | BigInt(bytes[at + byte] as number);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/**
 * A value of a COMPRESSED column (MariaDB): a first byte (0: stored plain; else method 8 in the high half, bit 8 for data
 * without zlib's own head, and the bytes of the length in the low bits), the plain length big endian, the data.
 */
function decompressedColumn(bytes: Buffer, tools: BinlogTools): ByteString {
  if (bytes.length === 0) return "";
  const head = bytes[0] as number;
  if (head === 0) return bytes.toString("latin1", 1);
  const width = head & 7;
  if (head >> 4 !== 8 || width === 0 || width > 4 || bytes.length < 1 + width)
    throw new MalformedBinlogError("a compressed value of an unknown form");
  const length = bytes.readUIntBE(1, width);
  const data = bytes.subarray(1 + width);
  const plain = (head & 8) !== 0 ? tools.rawDeflate(data, length) : tools.zlib(data, length);
  if (plain.length !== length) throw new MalformedBinlogError("a compressed value of another length than it says");
  return plain.toString("latin1");
}

function compileColumn(column: MappedColumn, definition: ColumnDefinition | undefined): CompiledColumn {
  const isGenerated = definition?.generated !== undefined;
  const unsigned = definition?.type.unsigned ?? column.unsigned ?? false;
  const make = (number: number, meta = 0, size = 0, members: readonly ByteString[] | null = null): CompiledColumn => ({
    step: number,
    meta,
    size,
    members,
    isGenerated,
  });
  const { meta } = column;
  switch (column.type) {
    case columnType.tiny:
      return make(unsigned ? step.u8 : step.i8);
    case columnType.short:
      return make(unsigned ? step.u16 : step.i16);
    case columnType.int24:
      return make(unsigned ? step.u24 : step.i24);
    case columnType.long:
      return make(unsigned ? step.u32 : step.i32);
    case columnType.longlong:
      return make(unsigned ? step.u64 : step.i64);
    case columnType.float:
      return make(step.float);
    case columnType.double:
      return make(step.double);
    case columnType.newdecimal: {
      const precision = meta >> 8;
      const scale = meta & 255;
      if (precision === 0 || precision > 65 || scale > precision || scale > 38) {
        throw new MalformedBinlogError(`a column of type DECIMAL(${precision},${scale})`);
      }
      return make(step.decimal, meta, decimalBytes(precision, scale));
    }
    case columnType.year:
      return make(step.year);
    case columnType.date:
    case columnType.newdate:
      return make(step.date);
    case columnType.time:
    case columnType.datetime:
    case columnType.timestamp:
      // The log does not say how many digits these have, so only a definition can tell that there are some.
      if ((definition?.type.decimals ?? 0) > 0) {
        throw new MalformedBinlogError(
          `column ${definition?.name} keeps times in the format of before MariaDB 10.1, with fractions: run ALTER TABLE … FORCE on the source with mysql56_temporal_format=ON`,
        );
      }
      return make(
        column.type === columnType.time ? step.oldTime : column.type === columnType.datetime ? step.oldDatetime : step.oldTimestamp,
      );
    case columnType.time2:
      return make(step.time, fractionDigits(meta));
    case columnType.datetime2:
      return make(step.datetime, fractionDigits(meta));
    case columnType.timestamp2:
      return make(step.timestamp, fractionDigits(meta));
    case columnType.bit: {
      if (meta === 0 || meta > 64) throw new MalformedBinlogError(`a column of type BIT(${meta})`);
      return make(step.bit, meta, (meta + 7) >> 3);
    }
    case columnType.enum:
    case columnType.set: {
      if (meta === 0 || meta > 8) throw new MalformedBinlogError(`an enumeration of ${meta} bytes`);
      const members =
        definition?.type.members?.map(utf8ByteString) ??
        column.members?.map((bytes) =>
          utf8ByteString(decodeText(bytes, column.collation === null ? null : charsetOfCollation(column.collation))),
        ) ??
        null;
      return make(column.type === columnType.enum ? step.enum : step.set, 0, meta, members);
    }
    case columnType.varchar:
    case columnType.varString:
      return make(meta > 255 ? step.bytes2 : step.bytes1);
    case columnType.string: {
      // Trailing zeros of BINARY(n) are not logged.
      const isBinary = definition === undefined ? column.collation === 63 : fixedBinary.has(definition.type.name);
      if (isBinary) return make(meta > 255 ? step.padded2 : step.padded1, meta);
      return make(meta > 255 ? step.bytes2 : step.bytes1);
    }
    case columnType.tinyBlob:
      return make(step.bytes1);
    case columnType.mediumBlob:
      return make(step.bytes3);
    case columnType.longBlob:
      return make(step.bytes4);
    case columnType.blob:
    case columnType.geometry:
    case columnType.vector: {
      const lengths = [step.bytes1, step.bytes2, step.bytes3, step.bytes4][lengthBytes(meta) - 1];
      return make(lengths as number);
    }
    case columnType.json:
      return make(step.json, lengthBytes(meta));
    case columnType.blobCompressed:
      return make(step.compressed, lengthBytes(meta));
    case columnType.varcharCompressed:
      return make(step.compressed, meta > 255 ? 2 : 1);
    case columnType.null:
      return make(step.null);
    default:
      throw new MalformedBinlogError(`a column of type number ${column.type}, which is not known`);
  }
}

const fixedBinary: ReadonlySet<string> = new Set(["binary", "uuid", "inet4", "inet6"]);

function lengthBytes(meta: number): number {
  if (meta < 1 || meta > 4) throw new MalformedBinlogError(`a length of ${meta} bytes`);
  return meta;
}

function fractionDigits(meta: number): number {
  if (meta > 6) throw new MalformedBinlogError(`${meta} fractional digits`);
  return meta;
}
