/**
 * The records of the families `lock` and `write`, byte for byte as the field's tools read them.
 *
 *   lock   type  compact(primary)  varint start_ts  varint ttl  then, each with its letter and only when it says something:
 *          v short value (u8 length)   f for_update_ts   t txn_size   c min_commit_ts   a secondaries (varint count, compact each)
 *          r rolled back start_ts's (varint count, u64 each)   l last change (u64 ts, varint versions)   s source (varint)
 *          F locked with conflict   g generation (u64)
 *   write  type  varint start_ts  v short value   R overlapped rollback   F gc fence (u64)   l last change   S source
 *
 * varint: 7 bits a byte, least first. compact: zigzag varint of the length, then the bytes. u64: big endian.
 */
import { ByteReader } from "@skein/base";
import { storeErrors } from "../../errors.ts";

export type LockKind = "put" | "delete" | "lock" | "pessimistic";

export interface LastChange {
  readonly ts: bigint;
  readonly versions: bigint;
}

export interface Lock {
  readonly kind: LockKind;
  readonly primary: Uint8Array;
  readonly startTs: bigint;
  readonly ttlMs: number;
  /** Of at most 255 bytes; longer ones are in `default`. */
  readonly shortValue: Uint8Array | null;
  /** Not 0 in pessimistic transactions. */
  readonly forUpdateTs: bigint;
  readonly txnSize: number;
  readonly minCommitTs: bigint;
  /** Null unless it is the lock of an async commit; empty in those that are not its primary. */
  readonly secondaries: readonly Uint8Array[] | null;
  /** Start timestamps of other transactions that were rolled back while this lock was in their way. */
  readonly rollbackTs: readonly bigint[];
  readonly lastChange: LastChange | null;
  readonly source: bigint;
  readonly lockedWithConflict: boolean;
  readonly generation: bigint;
}

export type WriteKind = "put" | "delete" | "lock" | "rollback";

export interface Write {
  readonly kind: WriteKind;
  readonly startTs: bigint;
  readonly shortValue: Uint8Array | null;
  /** A protected rollback of the transaction that began at this record's commit timestamp. */
  readonly overlappedRollback: boolean;
  /** Read as absent at and after this timestamp; 0: no more than that the record was written again. */
  readonly gcFence: bigint | null;
  readonly lastChange: LastChange | null;
  readonly source: bigint;
}

export const shortValueBytesMax = 255;

const lockLetters: Readonly<Record<LockKind, number>> = { put: 0x50, delete: 0x44, lock: 0x4c, pessimistic: 0x53 };
const writeLetters: Readonly<Record<WriteKind, number>> = { put: 0x50, delete: 0x44, lock: 0x4c, rollback: 0x52 };
const lockKinds = new Map(Object.entries(lockLetters).map(([kind, letter]) => [letter, kind as LockKind]));
const writeKinds = new Map(Object.entries(writeLetters).map(([kind, letter]) => [letter, kind as WriteKind]));
const protectedMark = 0x70; // "p"

/** Letters of the optional parts. */
const v = 0x76;
const f = 0x66;
const t = 0x74;
const c = 0x63;
const a = 0x61;
const r = 0x72;
const l = 0x6c;
const s = 0x73;
const g = 0x67;
const F = 0x46;
const R = 0x52;
const S = 0x53;

/** Of the writer's memory, between records. */
const keptBytesMax = 64 * 1024;

/** What locks and writes have in common. */
class RecordWriter {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  #room(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const bigger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    bigger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bigger;
    this.#view = new DataView(bigger.buffer);
  }
  u8(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }
  u64(value: bigint): void {
    this.#room(8);
    this.#view.setBigUint64(this.#length, value);
    this.#length += 8;
  }
  varint(value: bigint): void {
    this.#room(10);
    let rest = value;
    while (rest >= 0x80n) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }
  raw(data: Uint8Array): void {
    this.#room(data.length);
    this.#bytes.set(data, this.#length);
    this.#length += data.length;
  }
  compact(data: Uint8Array): void {
    this.varint(BigInt(data.length) * 2n);
    this.raw(data);
  }
  shortValue(value: Uint8Array): void {
    this.u8(v);
    this.u8(value.length);
    this.raw(value);
  }
  tagged(tag: number, value: bigint): void {
    this.u8(tag);
    this.u64(value);
  }
  lastChange({ ts, versions }: LastChange): void {
    this.tagged(l, ts);
    this.varint(versions);
  }
  /** The record, and the writer is empty again. */
  take(): Uint8Array {
    const record = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    if (this.#bytes.length > keptBytesMax) {
      this.#bytes = new Uint8Array(keptBytesMax);
      this.#view = new DataView(this.#bytes.buffer);
    }
    return record;
  }
}

/** All records are written by one: none is begun before the one before it was taken. */
const out = new RecordWriter();

export function encodeLock(lock: Lock): Uint8Array {
  out.u8(lockLetters[lock.kind]);
  out.compact(lock.primary);
  out.varint(lock.startTs);
  out.varint(BigInt(lock.ttlMs));
  if (lock.shortValue !== null) out.shortValue(lock.shortValue);
  if (lock.forUpdateTs !== 0n) out.tagged(f, lock.forUpdateTs);
  if (lock.txnSize > 0) out.tagged(t, BigInt(lock.txnSize));
  if (lock.minCommitTs !== 0n) out.tagged(c, lock.minCommitTs);
  if (lock.secondaries !== null) {
    out.u8(a);
    out.varint(BigInt(lock.secondaries.length));
    for (const key of lock.secondaries) out.compact(key);
  }
  if (lock.rollbackTs.length > 0) {
    out.u8(r);
    out.varint(BigInt(lock.rollbackTs.length));
    for (const ts of lock.rollbackTs) out.u64(ts);
  }
  if (lock.lastChange !== null) out.lastChange(lock.lastChange);
  if (lock.source !== 0n) {
    out.u8(s);
    out.varint(lock.source);
  }
  if (lock.lockedWithConflict) out.u8(F);
  if (lock.generation !== 0n) out.tagged(g, lock.generation);
  return out.take();
}

export function encodeWrite(write: Write): Uint8Array {
  out.u8(writeLetters[write.kind]);
  out.varint(write.startTs);
  if (write.shortValue !== null) out.shortValue(write.shortValue);
  if (write.overlappedRollback) out.u8(R);
  if (write.gcFence !== null) out.tagged(F, write.gcFence);
  if (write.lastChange !== null) out.lastChange(write.lastChange);
  if (write.source !== 0n) {
    out.u8(S);
    out.varint(write.source);
  }
  return out.take();
}

class RecordReader extends ByteReader {
  uvarint(): bigint {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value & 0xffff_ffff_ffff_ffffn;
    }
    throw new RangeError("a number has more than 10 bytes");
  }
  /** Up to 2^53 − 1. */
  count(): number {
    const value = this.uvarint();
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
  }
  data(length: number): Uint8Array {
    const at = this.skip(length);
    return this.input.slice(at, at + length);
  }
  compact(): Uint8Array {
    const zigzag = this.count();
    if (zigzag % 2 !== 0) throw new RangeError("a length is negative");
    return this.data(zigzag / 2);
  }
  lastChange(): LastChange {
    const ts = this.u64Be();
    return { ts, versions: this.uvarint() };
  }
}

/** The record's bytes are borrowed; what is returned is copied. Throws `storeErrors.damagedRecord`. */
export function decodeLock(record: Uint8Array): Lock {
  return read("lock", record, (reader) => {
    const kind = lockKinds.get(reader.u8());
    if (kind === undefined) throw new RangeError("its type is not known");
    const primary = reader.compact();
    const startTs = reader.uvarint();
    const ttlMs = reader.left === 0 ? 0 : reader.count();
    const lock = {
      kind,
      primary,
      startTs,
      ttlMs,
      shortValue: null as Uint8Array | null,
      forUpdateTs: 0n,
      txnSize: 0,
      minCommitTs: 0n,
      secondaries: null as Uint8Array[] | null,
      rollbackTs: [] as bigint[],
      lastChange: null as LastChange | null,
      source: 0n,
      lockedWithConflict: false,
      generation: 0n,
    };
    while (reader.left > 0) {
      const tag = reader.u8();
      if (tag === v) lock.shortValue = reader.data(reader.u8());
      else if (tag === f) lock.forUpdateTs = reader.u64Be();
      else if (tag === t) lock.txnSize = Number(reader.u64Be());
      else if (tag === c) lock.minCommitTs = reader.u64Be();
      else if (tag === a) {
        lock.secondaries = [];
        for (let left = reader.count(); left > 0; left--) lock.secondaries.push(reader.compact());
      } else if (tag === r) for (let left = reader.count(); left > 0; left--) lock.rollbackTs.push(reader.u64Be());
      else if (tag === l) lock.lastChange = reader.lastChange();
      else if (tag === s) lock.source = reader.uvarint();
      else if (tag === F) lock.lockedWithConflict = true;
      else if (tag === g) lock.generation = reader.u64Be();
      else throw new RangeError(`the part 0x${tag.toString(16)} is not known`);
    }
    return lock;
  });
}

export function decodeWrite(record: Uint8Array): Write {
  return read("write", record, (reader) => {
    const kind = writeKinds.get(reader.u8());
    if (kind === undefined) throw new RangeError("its type is not known");
    const write = {
      kind,
      startTs: reader.uvarint(),
      shortValue: null as Uint8Array | null,
      overlappedRollback: false,
      gcFence: null as bigint | null,
      lastChange: null as LastChange | null,
      source: 0n,
    };
    while (reader.left > 0) {
      const tag = reader.u8();
      if (tag === v) write.shortValue = reader.data(reader.u8());
      else if (tag === R) write.overlappedRollback = true;
      else if (tag === F) write.gcFence = reader.u64Be();
      else if (tag === l) write.lastChange = reader.lastChange();
      else if (tag === S) write.source = reader.uvarint();
      else break; // parts of later versions stand behind those that are known
    }
    return write;
  });
}

function read<T>(family: string, record: Uint8Array, run: (reader: RecordReader) => T): T {
  try {
    return run(new RecordReader(record));
  } catch (error) {
    throw storeErrors.damagedRecord([family, error instanceof Error ? error.message : String(error)]);
  }
}

export function rollbackRecord(startTs: bigint, isProtected: boolean): Write {
  return {
    kind: "rollback",
    startTs,
    shortValue: isProtected ? Uint8Array.of(protectedMark) : null,
    overlappedRollback: false,
    gcFence: null,
    lastChange: null,
    source: 0n,
  };
}

/** A protected rollback is never taken away by later ones: the decision of the transaction's primary stands in it. */
export function isProtected(write: Write): boolean {
  return write.kind === "rollback" && write.shortValue?.length === 1 && write.shortValue[0] === protectedMark;
}
