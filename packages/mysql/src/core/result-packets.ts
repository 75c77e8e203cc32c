/**
 * The packets that answer a command: OK, ERR, EOF and column definitions, for connections without CLIENT_DEPRECATE_EOF and
 * CLIENT_SESSION_TRACK (so the forms are the oldest and the same with every server).
 */
import { ByteReader } from "@skein/base";

export interface OkPacket {
  readonly affectedRows: number;
  readonly insertId: bigint;
  readonly status: number;
  readonly warnings: number;
  readonly info: string;
}

export interface ErrPacket {
  readonly errno: number;
  readonly sqlState: string;
  readonly message: string;
}

export interface ResultColumn {
  readonly name: string;
  readonly originalName: string;
  readonly table: string;
  readonly schema: string;
  /** Protocol type number (253 VAR_STRING, 252 BLOB, 3 LONG …). */
  readonly type: number;
  /** Collation id; 63 is binary. */
  readonly charset: number;
  /** Bytes, at most. */
  readonly length: number;
  readonly flags: number;
  readonly decimals: number;
}

/** Bits of the status that packets carry. */
export const serverStatus = { inTransaction: 0x0001, moreResults: 0x0008, noBackslashEscapes: 0x0200 } as const;

/** A length-encoded integer; null for the 0xfb that means NULL. */
export function readLength(reader: ByteReader): number | null {
  const first = reader.u8();
  if (first < 0xfb) return first;
  if (first === 0xfc) return reader.u16();
  if (first === 0xfd) return reader.u24();
  if (first === 0xfe) {
    const value = reader.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`a length of ${value} is out of range`);
    return Number(value);
  }
  if (first === 0xfb) return null;
  throw new RangeError("0xff does not begin a length");
}

function readText(reader: ByteReader, encoding: "utf8" | "latin1"): string {
  const length = readLength(reader) ?? 0;
  const start = reader.skip(length);
  return bufferOf(reader.input).toString(encoding, start, start + length);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function parseOk(bytes: Uint8Array, start: number, end: number): OkPacket {
  const reader = new ByteReader(bytes, start + 1, end);
  const affectedRows = readLength(reader) ?? 0;
  const insertId = readBigLength(reader);
  const status = reader.u16();
  const warnings = reader.u16();
  const from = reader.offset;
  // With tracked state the text has a length before it; without, it is the rest. Some servers send the length either way.
  let info = bufferOf(bytes).toString("utf8", from, end);
  if (info.length > 0 && info.charCodeAt(0) === info.length - 1) info = info.slice(1);
  return { affectedRows, insertId, status, warnings, info };
}

function readBigLength(reader: ByteReader): bigint {
  const first = reader.u8();
  if (first === 0xfc) return BigInt(reader.u16());
  if (first === 0xfd) return BigInt(reader.u24());
  if (first === 0xfe) return reader.u64();
  return BigInt(first);
}

export function parseErr(bytes: Uint8Array, start: number, end: number): ErrPacket {
  const reader = new ByteReader(bytes, start + 1, end);
  const errno = reader.u16();
  const text = bufferOf(bytes).toString("utf8", reader.offset, end);
  return text.startsWith("#") ? { errno, sqlState: text.slice(1, 6), message: text.slice(6) } : { errno, sqlState: "", message: text };
}

/** Warnings and status. */
export function parseEof(bytes: Uint8Array, start: number, end: number): { readonly warnings: number; readonly status: number } {
  const reader = new ByteReader(bytes, start + 1, end);
  return reader.left >= 4 ? { warnings: reader.u16(), status: reader.u16() } : { warnings: 0, status: 0 };
}

export function isEof(bytes: Uint8Array, start: number, end: number): boolean {
  return bytes[start] === 0xfe && end - start < 9;
}

/** MariaDB puts extended metadata between the names and the fixed part when it was negotiated, so the fixed part is taken from the end. */
export function parseColumn(bytes: Uint8Array, start: number, end: number, encoding: "utf8" | "latin1"): ResultColumn {
  const reader = new ByteReader(bytes, start, end);
  readText(reader, encoding);
  const schema = readText(reader, encoding);
  const table = readText(reader, encoding);
  readText(reader, encoding);
  const name = readText(reader, encoding);
  const originalName = readText(reader, encoding);
  reader.skip(reader.left - 12);
  const charset = reader.u16();
  const length = reader.u32();
  const type = reader.u8();
  const flags = reader.u16();
  const decimals = reader.u8();
  return { name, originalName, table, schema, type, charset, length, flags, decimals };
}

/** One row of the text protocol as strings. */
export function parseTextRow(bytes: Buffer, start: number, end: number, columns: number, encoding: "utf8" | "latin1"): (string | null)[] {
  const row: (string | null)[] = [];
  let at = start;
  for (let index = 0; index < columns; index++) {
    let length = bytes[at++] as number;
    if (at > end) throw new RangeError("a row ends too early");
    if (length >= 0xfb) {
      if (length === 0xfb) {
        row.push(null);
        continue;
      }
      const reader = new ByteReader(bytes, at - 1, end);
      length = readLength(reader) ?? 0;
      at = reader.offset;
    }
    const next = at + length;
    if (next > end) throw new RangeError("a row ends too early");
    row.push(bytes.toString(encoding, at, next));
    at = next;
  }
  return row;
}
