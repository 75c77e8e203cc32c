/**
 * Rows of the text protocol into rows of a statement, byte for byte: no value becomes a JavaScript value on the way.
 *
 *   packet   05 'h' 'e' 'l' '\'' 'o'   02 '4' '2'   fb
 *   sql      ('hel\'o',42,NULL)
 *   tsv      hel'o ⇥ 42 ⇥ \N ↵
 */
import type { ByteString } from "@skein/mysql";

/** plain: digits that need no quotes; quoted: no byte of it can need an escape; escaped: any bytes; hex: `x'0a'`, SQL only. */
export type LiteralKind = "plain" | "quoted" | "escaped" | "hex";

export interface EncodedColumn {
  readonly kind: LiteralKind;
  /** Before the quote: `_latin1`. SQL only. */
  readonly introducer: string;
}

export interface EncoderOptions {
  readonly format: "sql" | "tsv";
  /** Literals of columns that follow those of the packet, the same in every row: SQL text, or TSV fields already escaped. */
  readonly constants: readonly ByteString[];
  /** Begins each piece: `REPLACE INTO … VALUES `. */
  readonly head: ByteString;
  /** Between rows of SQL. Default `,`. */
  readonly separator?: string;
  /** Begins and ends each piece of SQL after the rows. Default none. */
  readonly tail?: string;
  /** A piece is full when it has reached this size; it may be one row larger. */
  readonly pieceBytes: number;
}

/** Rows as packets: as `RowPacketBatch` of @skein/mysql. */
export interface PacketRows {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

export interface RowEncoder {
  /** Takes rows from `from` on until the piece is full; returns the index of the first row that was not taken. */
  add(rows: PacketRows, from: number): number;
  readonly isFull: boolean;
  readonly rowCount: number;
  /** The piece so far, as bytes of its own; null when it has no rows. The next one begins. */
  take(): Buffer | null;
}

const quote = 0x27;
const comma = 0x2c;
const tab = 0x09;
const newline = 0x0a;
const backslash = 0x5c;
const hexDigits = Buffer.from("0123456789abcdef", "latin1");

/** Byte → the byte that follows a backslash in its place; 0 when it stands for itself. */
function escapeTable(pairs: Readonly<Record<number, string>>): Uint8Array {
  const table = new Uint8Array(256);
  for (const [byte, letter] of Object.entries(pairs)) table[Number(byte)] = letter.charCodeAt(0);
  return table;
}
const sqlEscapes = escapeTable({ 0: "0", 0x27: "'", 0x5c: "\\" });
const tsvEscapes = escapeTable({ 0: "0", 0x09: "t", 0x0a: "n", 0x0d: "r", 0x5c: "\\" });

/** Fields up to this long are copied and looked at in one pass; longer ones are searched first and copied as a block. */
const shortBytesMax = 24;

export function createRowEncoder(columns: readonly EncodedColumn[], options: EncoderOptions): RowEncoder {
  const isSql = options.format === "sql";
  const escapes = isSql ? sqlEscapes : tsvEscapes;
  const kinds = Uint8Array.from(columns, ({ kind }) => (kind === "plain" ? 0 : kind === "quoted" ? 1 : kind === "escaped" ? 2 : 3));
  const introducers = columns.map(({ introducer }) => (isSql && introducer !== "" ? Buffer.from(introducer, "latin1") : null));
  const introducerBytes = introducers.reduce((sum, one) => sum + (one?.length ?? 0), 0);
  const head = Buffer.from(options.head, "latin1");
  const tail = Buffer.from(options.tail ?? "", "latin1");
  const separator = Buffer.from(options.separator ?? ",", "latin1");
  const constants = Buffer.from(options.constants.map((text) => (isSql ? `,${text}` : `\t${text}`)).join(""), "latin1");
  const overhead = introducerBytes + constants.length + separator.length + tail.length + columns.length * 6 + 8;

  let out = Buffer.allocUnsafeSlow(head.length + options.pieceBytes + (options.pieceBytes >> 2) + 4096);
  let at = 0;
  let rowCount = 0;

  const reserve = (bytes: number) => {
    if (at + bytes <= out.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(out.length * 2, at + bytes));
    out.copy(larger, 0, 0, at);
    out = larger;
  };
  const begin = () => {
    reserve(head.length);
    head.copy(out, at);
    at += head.length;
  };

  const escapeInto = (bytes: Uint8Array, from: number, to: number) => {
    if (to - from <= shortBytesMax) {
      for (let index = from; index < to; index++) {
        const byte = bytes[index] as number;
        const escape = escapes[byte] as number;
        if (escape !== 0) {
          out[at++] = backslash;
          out[at++] = escape;
        } else out[at++] = byte;
      }
      return;
    }
    let clean = from;
    for (let index = from; index < to; index++) {
      const escape = escapes[bytes[index] as number] as number;
      if (escape === 0) continue;
      if (index > clean) {
        (bytes as Buffer).copy(out, at, clean, index);
        at += index - clean;
      }
      out[at++] = backslash;
      out[at++] = escape;
      clean = index + 1;
    }
    (bytes as Buffer).copy(out, at, clean, to);
    at += to - clean;
  };

  const addRow = (bytes: Uint8Array, start: number, end: number) => {
    reserve((end - start) * 2 + overhead);
    if (isSql) {
      if (rowCount > 0) {
        separator.copy(out, at);
        at += separator.length;
      }
      out[at++] = 0x28;
    }
    let position = start;
    for (let column = 0; column < kinds.length; column++) {
      if (column > 0) out[at++] = isSql ? comma : tab;
      let length = bytes[position++] as number;
      if (length === 0xfb) {
        if (isSql) {
          out[at++] = 0x4e;
          out[at++] = 0x55;
          out[at++] = 0x4c;
          out[at++] = 0x4c;
        } else {
          out[at++] = backslash;
          out[at++] = 0x4e;
        }
        continue;
      }
      if (length > 0xfb) {
        const width = length === 0xfc ? 2 : length === 0xfd ? 3 : 8;
        length = 0;
        for (let index = width - 1; index >= 0; index--) length = length * 256 + (bytes[position + index] as number);
        position += width;
      }
      const to = position + length;
      const kind = kinds[column] as number;
      if (isSql) {
        const introducer = introducers[column];
        if (introducer) {
          introducer.copy(out, at);
          at += introducer.length;
        }
        if (kind === 0) {
          while (position < to) out[at++] = bytes[position++] as number;
        } else if (kind === 3) {
          out[at++] = 0x78;
          out[at++] = quote;
          for (; position < to; position++) {
            const byte = bytes[position] as number;
            out[at++] = hexDigits[byte >> 4] as number;
            out[at++] = hexDigits[byte & 15] as number;
          }
          out[at++] = quote;
        } else {
          out[at++] = quote;
          if (kind === 1) while (position < to) out[at++] = bytes[position++] as number;
          else escapeInto(bytes, position, to);
          out[at++] = quote;
        }
      } else if (kind === 2) escapeInto(bytes, position, to);
      else while (position < to) out[at++] = bytes[position++] as number;
      position = to;
    }
    if (constants.length > 0) {
      constants.copy(out, at);
      at += constants.length;
    }
    out[at++] = isSql ? 0x29 : newline;
    rowCount++;
  };

  return {
    get isFull() {
      return at >= options.pieceBytes;
    },
    get rowCount() {
      return rowCount;
    },
    add(rows, from) {
      let index = from;
      if (rowCount === 0 && index < rows.count) {
        begin();
        addRow(rows.bytes, rows.starts[index] as number, rows.ends[index] as number);
        index++;
      }
      while (index < rows.count && at < options.pieceBytes) {
        addRow(rows.bytes, rows.starts[index] as number, rows.ends[index] as number);
        index++;
      }
      return index;
    },
    take() {
      if (rowCount === 0) return null;
      if (tail.length > 0) {
        reserve(tail.length);
        tail.copy(out, at);
        at += tail.length;
      }
      const piece = Buffer.from(out.subarray(0, at));
      at = 0;
      rowCount = 0;
      return piece;
    },
  };
}
