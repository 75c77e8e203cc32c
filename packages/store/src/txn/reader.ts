/**
 * Reads of a snapshot: keys' states for actions, and values as they were at a timestamp.
 *
 * A point read is one synchronous look at `lock` and one step into `write`; a scan walks `write` once and looks locks up beside it.
 */
import { compareBytes } from "@skein/base";
import type { Input } from "@skein/rpc";
import type { EngineReader, KeyRange, Pair } from "../engine/engine.ts";
import type { kvrpcpb } from "../wire/index.ts";
import { isFenced, type KeyError, type KeyState, type LockInfo, lockInfoOf, type Version } from "./core/key-state.ts";
import { behind, decodeKey, encodeKey, keyOfVersion, maxTs, sameBytes, timestampOf, versionKey } from "./core/keys.ts";
import { lockForReader, type ReadOptions } from "./core/read.ts";
import { decodeLock, decodeWrite, type Lock, type Write } from "./core/records.ts";

export type KvPair = Input<kvrpcpb.KvPair>;

/** Versions that a look into one key takes in its first step. */
const firstLook = 1;
/** And into each of many. */
const headVersions = 2;

export function lockOf(reader: EngineReader, key: Uint8Array): Lock | null {
  const record = reader.get("lock", key);
  return record === null ? null : decodeLock(record);
}

/** Loads what `KeyState.versions` promises to a transaction that began at `startTs`. */
export async function loadVersions(reader: EngineReader, state: KeyState, startTs: bigint): Promise<void> {
  const versions: Version[] = [];
  state.versions = versions;
  const range = { start: versionKey(state.key, maxTs), end: behind(state.key) };
  let limit = 2;
  let from = range;
  for (;;) {
    let count = 0;
    let last: Uint8Array | null = null;
    for await (const block of reader.scan("write", from, { limit }))
      for (const { key, value } of block) {
        count++;
        last = key;
        const version = { commitTs: timestampOf(key), write: decodeWrite(value) };
        versions.push(version);
        const isChange = version.write.kind === "put" || version.write.kind === "delete";
        if (version.commitTs < startTs && isChange) return;
      }
    if (count < limit || last === null) return;
    from = { start: after(last), end: range.end };
    limit = Math.min(limit * 4, 256);
  }
}

/** The same for many keys, in one walk over all of them; states that have their versions are left as they are. */
export async function loadVersionsOf(reader: EngineReader, states: readonly KeyState[], startTs: bigint): Promise<void> {
  const wanted = [...new Set(states)].filter(({ versions }) => versions === null);
  if (wanted.length < 2) {
    for (const state of wanted) await loadVersions(reader, state, startTs);
    return;
  }
  if (!isSorted(wanted)) wanted.sort((a, b) => compareBytes(a.key, b.key));
  const heads = await reader.heads(
    "write",
    wanted.map(({ key }) => ({ start: versionKey(key, maxTs), end: behind(key) })),
    headVersions,
  );
  for (const [index, state] of wanted.entries()) {
    const versions: Version[] = [];
    let isWhole = (heads[index] as readonly Pair[]).length < headVersions;
    for (const { key, value } of heads[index] as readonly Pair[]) {
      const version = { commitTs: timestampOf(key), write: decodeWrite(value) };
      versions.push(version);
      if (version.commitTs >= startTs || (version.write.kind !== "put" && version.write.kind !== "delete")) continue;
      isWhole = true;
      break;
    }
    if (isWhole) state.versions = versions;
    else await loadVersions(reader, state, startTs);
  }
}

function isSorted(states: readonly KeyState[]): boolean {
  for (let i = 1; i < states.length; i++) if (compareBytes((states[i - 1] as KeyState).key, (states[i] as KeyState).key) > 0) return false;
  return true;
}

/** All versions of a key. */
export async function loadAllVersions(reader: EngineReader, state: KeyState): Promise<void> {
  const versions: Version[] = [];
  for await (const block of reader.scan("write", { start: versionKey(state.key, maxTs), end: behind(state.key) }))
    for (const { key, value } of block) versions.push({ commitTs: timestampOf(key), write: decodeWrite(value) });
  state.versions = versions;
}

export function valueOf(
  reader: EngineReader,
  key: Uint8Array,
  write: { readonly startTs: bigint; readonly shortValue: Uint8Array | null },
): Uint8Array {
  if (write.shortValue !== null) return write.shortValue;
  // A put whose value is missing would be damage; an empty value is short.
  return reader.get("default", versionKey(key, write.startTs)) ?? new Uint8Array(0);
}

export interface Read {
  /** Null: not there, or deleted. */
  readonly value: Uint8Array | null;
  /** 0 when the value is that of a lock whose transaction the caller knows to be committed. */
  readonly commitTs: bigint;
}

/** The newest put or delete at a timestamp, of keys of which it is known without a look into the engine. */
export type KnownVersions = (key: Uint8Array) => Version | null;

/** The value at a timestamp, or the lock that is in the way. */
export function get(
  reader: EngineReader,
  userKey: Uint8Array,
  options: ReadOptions,
  known: KnownVersions,
): Promise<Read> | Read | { readonly error: KeyError } {
  const key = encodeKey(userKey);
  const found = byLock(reader, userKey, key, options);
  if (found !== null) return found;
  const version = known(key);
  return version === null ? versionAt(reader, key, options.ts) : readOfVersion(reader, key, version, options.ts);
}

function readOfVersion(reader: EngineReader, key: Uint8Array, { commitTs, write }: Version, ts: bigint): Read {
  if (write.kind === "delete" || isFenced(write, ts)) return nothingRead;
  return { value: valueOf(reader, key, write), commitTs };
}

/** What the key's lock says to a reader; null: the versions say it. */
function byLock(
  reader: EngineReader,
  userKey: Uint8Array,
  key: Uint8Array,
  options: ReadOptions,
): Read | { readonly error: KeyError } | null {
  const lock = lockOf(reader, key);
  if (lock === null) return null;
  const verdict = lockForReader(lock, userKey, options);
  if (verdict === "blocks") return { error: { locked: lockInfoOf(userKey, lock) } };
  return verdict === "reads" ? { value: lock.kind === "put" ? valueOf(reader, key, lock) : null, commitTs: 0n } : null;
}

/** What `get` says of each of many keys, in their order, in one walk over all of them. Null: more than `bytesMax`. */
export async function getMany(
  reader: EngineReader,
  userKeys: readonly Uint8Array[],
  options: ReadOptions & { readonly bytesMax: number },
  known: KnownVersions,
): Promise<(Read | { readonly error: KeyError })[] | null> {
  const answers: (Read | { readonly error: KeyError } | null)[] = userKeys.map(() => null);
  const open: { readonly key: Uint8Array; readonly index: number }[] = [];
  let bytes = 0;
  const isTooMuch = (userKey: Uint8Array, { value }: Read) => value !== null && (bytes += userKey.length + value.length) > options.bytesMax;
  for (const [index, userKey] of userKeys.entries()) {
    const key = encodeKey(userKey);
    let found = byLock(reader, userKey, key, options);
    if (found === null) {
      const version = known(key);
      if (version !== null) found = readOfVersion(reader, key, version, options.ts);
    }
    if (found === null) open.push({ key, index });
    else {
      answers[index] = found;
      if ("value" in found && isTooMuch(userKey, found)) return null;
    }
  }
  open.sort((a, b) => compareBytes(a.key, b.key));
  const apart = open.filter(({ key }, at) => at === 0 || !sameBytes(key, (open[at - 1] as { key: Uint8Array }).key));
  if (apart.length === 0) return answers as (Read | { readonly error: KeyError })[];
  const heads = await reader.heads(
    "write",
    apart.map(({ key }) => ({ start: versionKey(key, options.ts), end: behind(key) })),
    firstLook,
  );
  let at = -1;
  let read: Read = nothingRead;
  for (const [place, { key, index }] of open.entries()) {
    if (place === 0 || !sameBytes(key, (open[place - 1] as { key: Uint8Array }).key)) {
      const head = heads[++at] as readonly Pair[];
      read =
        head.length === 0 ? nothingRead : (readOf(reader, key, head[0] as Pair, options.ts) ?? (await versionAt(reader, key, options.ts)));
    }
    answers[index] = read;
    if (isTooMuch(userKeys[index] as Uint8Array, read)) return null;
  }
  return answers as (Read | { readonly error: KeyError })[];
}

const nothingRead: Read = { value: null, commitTs: 0n };

/** What a version says; null: the one before it does. */
function readOf(reader: EngineReader, key: Uint8Array, { key: at, value }: Pair, ts: bigint): Read | null {
  const write = decodeWrite(value);
  const isChange = write.kind === "put" || write.kind === "delete";
  return isChange || isFenced(write, ts) ? readOfVersion(reader, key, { commitTs: timestampOf(at), write }, ts) : null;
}

async function versionAt(reader: EngineReader, key: Uint8Array, ts: bigint): Promise<Read> {
  const end = behind(key);
  let start = versionKey(key, ts);
  let limit = firstLook;
  for (;;) {
    let count = 0;
    for await (const block of reader.scan("write", { start, end }, { limit }))
      for (const { key: at, value } of block) {
        count++;
        const read = readOf(reader, key, { key: at, value }, ts);
        if (read !== null) return read;
        start = after(at);
      }
    if (count < limit) return nothingRead;
    limit = 64;
  }
}

export interface ScanRequest extends ReadOptions {
  /** Encoded, in the region: the lower bound in it, the upper one not, whichever the direction. */
  readonly range: KeyRange;
  readonly limit: number;
  readonly keysOnly: boolean;
  readonly reverse: boolean;
  readonly signal?: AbortSignal;
}

/** Pairs in the order of the scan; a key with a lock in the way is a pair with an error. Null: more than `bytesMax`. */
export async function scan(reader: EngineReader, request: ScanRequest & { readonly bytesMax: number }): Promise<KvPair[] | null> {
  const pairs: KvPair[] = [];
  let bytes = 0;
  const take = (pair: KvPair) => {
    pairs.push(pair);
    bytes += pairBytes + (pair.key?.length ?? 0) + (pair.value?.length ?? 0) + bytesOfLock(pair.error?.locked ?? null);
  };
  if (request.limit === 0) return pairs;
  const locks = request.ignoreLocks ? null : new LockCursor(reader, request);
  const writes = new WriteCursor(reader, request);
  try {
    let lock = locks === null ? null : await locks.next();
    let write = await writes.next();
    while ((lock !== null || write !== null) && pairs.length < request.limit) {
      request.signal?.throwIfAborted();
      const order = lock === null ? 1 : write === null ? -1 : compareBytes(lock.key, write.key) * (request.reverse ? -1 : 1);
      const found: KvPair | null = order <= 0 ? pairOfLock(reader, lock as HeldLock, request) : null;
      const isHidden = order <= 0 && (lock as HeldLock).verdict !== "passes";
      if (found !== null) take(found);
      if (order >= 0 && !isHidden) {
        const visible = write as HeldWrite;
        if (visible.write.kind === "put")
          take({
            key: userKeyOf(visible.key),
            value: request.keysOnly ? new Uint8Array(0) : valueOf(reader, visible.key, visible.write),
          });
      }
      if (bytes > request.bytesMax) return null;
      if (order <= 0 && locks !== null) lock = await locks.next();
      if (order >= 0) write = await writes.next();
    }
  } finally {
    await locks?.close();
    await writes.close();
  }
  return pairs;
}

/** What a pair of no length takes while it waits to be sent. */
const pairBytes = 64;

/** What a lock takes in an answer, roughly. */
export function bytesOfLock(lock: LockInfo | null): number {
  if (lock === null) return 0;
  let bytes = pairBytes + (lock.key?.length ?? 0) + (lock.primary_lock?.length ?? 0);
  for (const secondary of lock.secondaries ?? []) bytes += 8 + secondary.length;
  return bytes;
}

function pairOfLock(reader: EngineReader, { key, lock, verdict }: HeldLock, request: ScanRequest): KvPair | null {
  const userKey = userKeyOf(key);
  if (verdict === "blocks") return { key: userKey, error: { locked: lockInfoOf(userKey, lock) } };
  if (verdict === "reads" && lock.kind === "put")
    return { key: userKey, value: request.keysOnly ? new Uint8Array(0) : valueOf(reader, key, lock) };
  return null;
}

interface HeldLock {
  readonly key: Uint8Array;
  readonly lock: Lock;
  readonly verdict: "blocks" | "passes" | "reads";
}
interface HeldWrite {
  readonly key: Uint8Array;
  readonly write: Write;
}

/** Pairs one by one out of blocks. */
class PairCursor {
  readonly #blocks: AsyncIterator<readonly Pair[]>;
  #block: readonly Pair[] = [];
  #at = 0;

  constructor(blocks: AsyncIterable<readonly Pair[]>) {
    this.#blocks = blocks[Symbol.asyncIterator]();
  }
  /** Undefined when the next block has to be fetched. */
  ready(): Pair | undefined {
    return this.#block[this.#at++];
  }
  async fetch(): Promise<boolean> {
    const next = await this.#blocks.next();
    if (next.done === true) return false;
    this.#block = next.value;
    this.#at = 0;
    return true;
  }
  async close(): Promise<void> {
    await this.#blocks.return?.();
  }
}

class LockCursor {
  readonly #pairs: PairCursor;
  readonly #options: ReadOptions;
  constructor(reader: EngineReader, request: ScanRequest) {
    this.#pairs = new PairCursor(reader.scan("lock", request.range, { reverse: request.reverse }));
    this.#options = request;
  }
  async next(): Promise<HeldLock | null> {
    for (;;) {
      const pair = this.#pairs.ready();
      if (pair === undefined) {
        if (await this.#pairs.fetch()) continue;
        return null;
      }
      const lock = decodeLock(pair.value);
      const verdict = lockForReader(lock, userKeyOf(pair.key), this.#options);
      if (verdict !== "passes") return { key: pair.key, lock, verdict };
    }
  }
  close(): Promise<void> {
    return this.#pairs.close();
  }
}

/** Of a key with more versions than this behind the one that is read, the rest is jumped over. */
const versionsMax = 64;

/** For each key the put or delete that is visible. */
class WriteCursor {
  readonly #reader: EngineReader;
  readonly #request: ScanRequest;
  #pairs: PairCursor;
  /** Of the next key, taken when the one before ended. */
  #ahead: Pair | null = null;

  constructor(reader: EngineReader, request: ScanRequest) {
    this.#reader = reader;
    this.#request = request;
    this.#pairs = this.#open(request.range);
  }

  #open(range: KeyRange): PairCursor {
    return new PairCursor(this.#reader.scan("write", range, { reverse: this.#request.reverse }));
  }
  async #pair(): Promise<Pair | null> {
    if (this.#ahead !== null) {
      const pair = this.#ahead;
      this.#ahead = null;
      return pair;
    }
    for (;;) {
      const pair = this.#pairs.ready();
      if (pair !== undefined) return pair;
      if (!(await this.#pairs.fetch())) return null;
    }
  }

  async next(): Promise<HeldWrite | null> {
    for (;;) {
      const first = await this.#pair();
      if (first === null) return null;
      const key = keyOfVersion(first.key).slice();
      const found = await this.#visible(key, first);
      if (found !== null) return { key, write: found };
    }
  }

  /** Walks over all versions of a key: newest first going forward, oldest first going backward. */
  async #visible(key: Uint8Array, first: Pair): Promise<Write | null> {
    const { ts, reverse } = this.#request;
    let found: Write | null = null;
    let count = 0;
    for (let pair: Pair | null = first; pair !== null; pair = await this.#pair()) {
      if (!sameBytes(keyOfVersion(pair.key), key)) {
        this.#ahead = pair;
        break;
      }
      if (timestampOf(pair.key) <= ts && (reverse || found === null)) {
        const write = decodeWrite(pair.value);
        if (write.kind === "put" || write.kind === "delete") found = isFenced(write, ts) ? { ...write, kind: "delete" } : write;
      }
      if (++count >= versionsMax) {
        // Going backward the rest is newer, so the answer is found from the other end.
        if (reverse || found === null) found = await this.#newest(key);
        await this.#jump(key);
        break;
      }
    }
    return found;
  }

  async #newest(key: Uint8Array): Promise<Write | null> {
    const { ts } = this.#request;
    for await (const block of this.#reader.scan("write", { start: versionKey(key, ts), end: behind(key) }))
      for (const pair of block) {
        const write = decodeWrite(pair.value);
        if (write.kind === "put" || write.kind === "delete") return isFenced(write, ts) ? { ...write, kind: "delete" } : write;
      }
    return null;
  }

  async #jump(key: Uint8Array): Promise<void> {
    const { range, reverse } = this.#request;
    await this.#pairs.close();
    this.#pairs = this.#open(reverse ? { start: range.start, end: key } : { start: behind(key), end: range.end });
  }

  close(): Promise<void> {
    return this.#pairs.close();
  }
}

export interface FoundLock {
  readonly key: Uint8Array;
  readonly userKey: Uint8Array;
  readonly lock: Lock;
}

/** Locks with `startTs` up to `maxVersion`, in key order. */
export async function scanLocks(
  reader: EngineReader,
  range: KeyRange,
  options: {
    readonly limit: number;
    /** Stops once what was found has so many. */
    readonly bytesMax: number;
    readonly matches: (lock: Lock) => boolean;
    readonly signal?: AbortSignal;
  },
): Promise<{ readonly found: readonly FoundLock[]; readonly bytes: number }> {
  const found: FoundLock[] = [];
  let bytes = 0;
  for await (const block of reader.scan("lock", range)) {
    options.signal?.throwIfAborted();
    for (const pair of block) {
      const userKey = decodeKey(pair.key);
      if (userKey === null) continue; // raw: it is no lock
      const lock = decodeLock(pair.value);
      if (!options.matches(lock)) continue;
      found.push({ key: pair.key.slice(), userKey, lock });
      bytes += pair.key.length + bytesOfLock(lockInfoOf(userKey, lock));
      if (found.length === options.limit || bytes >= options.bytesMax) return { found, bytes };
    }
  }
  return { found, bytes };
}

function userKeyOf(key: Uint8Array): Uint8Array {
  return decodeKey(key) ?? key;
}

/** The smallest key behind `key`. */
export function after(key: Uint8Array): Uint8Array {
  const out = new Uint8Array(key.length + 1);
  out.set(key);
  return out;
}
