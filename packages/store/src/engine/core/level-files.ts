/**
 * LevelDB's files as bytes: what their checksums say, and which keys damage may touch. LevelDB itself compares no checksum of a table
 * when it reads or compacts, and passes over a write-ahead record whose checksum is wrong.
 *
 *   table     data block* · filter block · meta index · index · footer (48 bytes); block = contents · kind (1) · checksum (4)
 *   log       of writes ahead, and MANIFEST: blocks of 32 KiB of records: checksum (4) · length (2) · kind (1) · data
 *   MANIFEST  edits: which tables there are, with their first and last keys
 *
 * Formats: `doc/table_format.md`, `doc/log_format.md` and `db/version_edit.cc` of LevelDB 1.20.
 */
import { crc32c, masked } from "./crc32c.ts";

export interface TableFacts {
  readonly number: number;
  readonly sizeBytes: number;
  /** Keys of the engine, family byte first. */
  readonly firstKey: Uint8Array;
  readonly lastKey: Uint8Array;
}

/** Both ends included. */
export interface KeySpan {
  readonly first: Uint8Array;
  readonly last: Uint8Array;
}

export interface TableDamage {
  readonly offset: number;
  readonly span: KeySpan;
  /** What takes the damaged block's place in the file: a whole one without its keys. Null when the table cannot go on without it. */
  readonly patch: Uint8Array | null;
}

const footerBytes = 48;
const magic = 0xdb47_7524_8b80_fb57n;
const trailerBytes = 5;
/** After a user's key: its number in the order of writes (7 bytes), and whether it is a put. */
const markBytes = 8;
const numberMax = (1n << 56n) - 1n;

class Malformed extends Error {}

class Reader {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }
  get isAtEnd(): boolean {
    return this.at >= this.bytes.length;
  }
  varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes[this.at++];
      if (byte === undefined || factor > 2 ** 49) throw new Malformed("a number without an end");
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }
  take(length: number): Uint8Array {
    if (this.at + length > this.bytes.length) throw new Malformed("a length over the end");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

interface Handle {
  readonly offset: number;
  readonly size: number;
}

const handleIn = (reader: Reader): Handle => ({ offset: reader.varint(), size: reader.varint() });

function isWhole(file: Uint8Array, { offset, size }: Handle): boolean {
  const end = offset + size + 1;
  return end + 4 <= file.length && viewOf(file).getUint32(end, true) === masked(crc32c(file, offset, end));
}

/** The contents of a block that is whole. */
function contentsOf(file: Uint8Array, handle: Handle): Uint8Array {
  const raw = file.subarray(handle.offset, handle.offset + handle.size);
  return file[handle.offset + handle.size] === 1 ? unsnappy(raw) : raw;
}

/** Snappy's format: a length, then literals and copies. */
function unsnappy(input: Uint8Array): Uint8Array {
  const reader = new Reader(input);
  const out = new Uint8Array(reader.varint());
  let length = 0;
  while (!reader.isAtEnd) {
    const tag = reader.take(1)[0] as number;
    if ((tag & 3) === 0) {
      let size = tag >>> 2;
      if (size >= 60) size = little(reader.take(size - 59));
      out.set(reader.take(size + 1), length);
      length += size + 1;
      continue;
    }
    const size = (tag & 3) === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    const back = (tag & 3) === 1 ? ((tag >>> 5) << 8) | little(reader.take(1)) : little(reader.take((tag & 3) === 2 ? 2 : 4));
    if (back === 0 || back > length) throw new Malformed("a copy from before the beginning");
    for (let i = 0; i < size; i++, length++) out[length] = out[length - back] as number;
  }
  return out;
}

function little(bytes: Uint8Array): number {
  let value = 0;
  for (const [i, byte] of bytes.entries()) value += byte * 256 ** i;
  return value;
}

/** Keys and values of a block, in order. */
function entriesOf(contents: Uint8Array): { readonly key: Uint8Array; readonly value: Uint8Array }[] {
  const restarts = viewOf(contents).getUint32(contents.length - 4, true);
  const reader = new Reader(contents.subarray(0, contents.length - 4 * (restarts + 1)));
  const entries: { readonly key: Uint8Array; readonly value: Uint8Array }[] = [];
  let key = new Uint8Array(0);
  while (!reader.isAtEnd) {
    const [shared, own, length] = [reader.varint(), reader.varint(), reader.varint()];
    key = Uint8Array.from([...key.subarray(0, shared), ...reader.take(own)]);
    entries.push({ key, value: reader.take(length) });
  }
  return entries;
}

const userKey = (key: Uint8Array) => key.subarray(0, key.length - markBytes);

/** Looks at every checksum of a table. */
export function checkTable(file: Uint8Array, facts: TableFacts): TableDamage[] {
  const whole: KeySpan = { first: facts.firstKey, last: facts.lastKey };
  const lost = (offset: number): TableDamage[] => [{ offset, span: whole, patch: null }];
  const footerAt = facts.sizeBytes - footerBytes;
  if (file.length < facts.sizeBytes || footerAt < 0) return lost(file.length);
  if (viewOf(file).getBigUint64(facts.sizeBytes - 8, true) !== magic) return lost(footerAt);
  let blocks: { readonly handle: Handle; readonly key: Uint8Array }[];
  try {
    const footer = new Reader(file.subarray(0, facts.sizeBytes), footerAt);
    const [metaIndex, index] = [handleIn(footer), handleIn(footer)];
    for (const handle of [metaIndex, index]) if (!isWhole(file, handle)) return lost(handle.offset);
    for (const { value } of entriesOf(contentsOf(file, metaIndex))) {
      const filter = handleIn(new Reader(value));
      if (!isWhole(file, filter)) return lost(filter.offset);
    }
    blocks = entriesOf(contentsOf(file, index)).map(({ key, value }) => ({ key, handle: handleIn(new Reader(value)) }));
  } catch (error) {
    if (!(error instanceof Malformed) && !(error instanceof RangeError)) throw error;
    return lost(footerAt);
  }
  return blocks.flatMap(({ handle, key }, i) => {
    if (isWhole(file, handle)) return [];
    const before = blocks[i - 1];
    const span = { first: before === undefined ? facts.firstKey : userKey(before.key), last: userKey(key) };
    return [{ offset: handle.offset, span, patch: emptyBlock(handle.size, key) }];
  });
}

/**
 * A block of just so many bytes without a value: one deletion of the last key that the block may have held. Null when even that does
 * not fit.
 */
function emptyBlock(size: number, last: Uint8Array): Uint8Array | null {
  const block = new Uint8Array(size + trailerBytes);
  const view = viewOf(block);
  const key = Uint8Array.from(last);
  const mark = viewOf(key).getBigUint64(key.length - markBytes, true);
  // A key that was made up as a border has the largest number: as a deletion it would hide what is written later.
  const number = mark >> 8n === numberMax ? 1n : mark >> 8n;
  viewOf(key).setBigUint64(key.length - markBytes, number << 8n, true);
  const room = size - 8 - key.length;
  for (let value = room - 3; value >= 0 && value >= room - 12; value--) {
    const head = [0, ...varint(key.length), ...varint(value)];
    if (head.length + key.length + value + 8 !== size) continue;
    block.set([...head, ...key]);
    view.setUint32(size - 4, 1, true); // one restart, at 0
    view.setUint32(size + 1, masked(crc32c(block, 0, size + 1)), true);
    return block;
  }
  return null;
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
}

const logBlockBytes = 32 * 1024;
const recordHeadBytes = 7;

export interface LogRead {
  readonly records: readonly Uint8Array[];
  /** Where a record is damaged with whole ones after it; null when there is none. What ends in the middle was being written. */
  readonly damagedAt: number | null;
}

/** Records of a log, as far as they are whole. */
export function readLog(file: Uint8Array): LogRead {
  const records: Uint8Array[] = [];
  const view = viewOf(file);
  let parts: Uint8Array[] = [];
  let badAt: number | null = null;
  let damagedAt: number | null = null;
  for (let start = 0; start < file.length; start += logBlockBytes) {
    const end = Math.min(start + logBlockBytes, file.length);
    for (let at = start; at + recordHeadBytes <= end; ) {
      const length = view.getUint16(at + 4, true);
      const kind = file[at + 6] as number;
      const next = at + recordHeadBytes + length;
      if (kind === 0 && length === 0) break; // the rest of the block was never written
      if (next > end) {
        badAt ??= at;
        break; // the next block begins with a record
      }
      if (view.getUint32(at, true) !== masked(crc32c(file, at + 6, next))) {
        badAt ??= at;
        at = next; // if its length is right, there may be a whole one
        continue;
      }
      if (badAt !== null) damagedAt ??= badAt;
      if (kind === 1 || kind === 2) parts = [];
      parts.push(file.subarray(at + recordHeadBytes, next));
      if (kind === 1 || kind === 4) {
        records.push(parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts));
        parts = [];
      }
      at = next;
    }
  }
  return { records, damagedAt };
}

/** The tables that there are after all edits of a MANIFEST. Throws when an edit cannot be read. */
export function tablesOf(edits: readonly Uint8Array[]): TableFacts[] {
  const tables = new Map<number, TableFacts>();
  for (const edit of edits) {
    const reader = new Reader(edit);
    const text = () => reader.take(reader.varint());
    while (!reader.isAtEnd) {
      const tag = reader.varint();
      if (tag === 1) text();
      else if (tag === 2 || tag === 3 || tag === 4 || tag === 9) reader.varint();
      else if (tag === 5) {
        reader.varint();
        text();
      } else if (tag === 6) {
        reader.varint();
        tables.delete(reader.varint());
      } else if (tag === 7) {
        reader.varint();
        const [number, sizeBytes] = [reader.varint(), reader.varint()];
        const [firstKey, lastKey] = [userKey(text()), userKey(text())];
        tables.set(number, { number, sizeBytes, firstKey: Uint8Array.from(firstKey), lastKey: Uint8Array.from(lastKey) });
      } else throw new Malformed(`an edit of the kind ${tag}`);
    }
  }
  return [...tables.values()];
}
