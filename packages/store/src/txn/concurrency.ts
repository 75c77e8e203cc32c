/**
 * What keeps readers and the commits that choose their own timestamp apart (async commit, 1PC):
 *
 *   reader   1. observe(ts)               2. meets a memory lock? wait    3. takes its snapshot
 *   writer   a. reads maxTs, holds locks in memory (one step)             b. writes, is applied     c. lets go
 *
 * A reader whose 1 came before a is older than the writer's timestamp. One whose 1 came after a meets the lock in 2, or what c
 * left behind in 3. So nobody reads at a timestamp twice and sees two states.
 */
import { compareBytes } from "@skein/base";
import type { KeyRange } from "../engine/engine.ts";
import type { RegionDescription } from "../region-kv.ts";
import { type KeyError, lockInfoOf } from "./core/key-state.ts";
import { decodeKey, maxTs } from "./core/keys.ts";
import { lockForReader, type ReadOptions } from "./core/read.ts";
import type { Lock } from "./core/records.ts";
import type { LedTerm } from "./recent-writes.ts";

/** Bytes as a key of a Map. */
export function nameOf(bytes: Uint8Array): string {
  return (bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)).toString("latin1");
}

interface HeldLock {
  readonly key: Uint8Array;
  readonly lock: Lock;
}

interface Held extends HeldLock {
  /** Told when the locks of the command are let go. */
  readonly waiters: (() => void)[];
}

export class ConcurrencyManager {
  #maxTs = 0n;
  readonly #locks = new Map<string, Held>();
  /** Beyond it no honest client can be; null: not known. */
  #limit: bigint | null = null;

  get maxTs(): bigint {
    return this.#maxTs;
  }
  get heldLocks(): number {
    return this.#locks.size;
  }

  /** A wrong timestamp from the future would push every later commit there. */
  setLimit(ts: bigint): void {
    if (this.#limit === null || ts > this.#limit) this.#limit = ts;
  }

  /** Whether `observe` would refuse it. */
  isBeyond(ts: bigint): boolean {
    return ts !== maxTs && ts > this.#maxTs && this.#limit !== null && ts > this.#limit;
  }

  /** False: the timestamp cannot have come from the placement driver. A read at the end of time waits for locks instead. */
  observe(ts: bigint): boolean {
    if (this.isBeyond(ts)) return false;
    if (ts !== maxTs && ts > this.#maxTs) this.#maxTs = ts;
    return true;
  }

  /** In the same synchronous step as the decision that read `maxTs`. */
  hold(locks: readonly HeldLock[]): Disposable {
    const waiters: (() => void)[] = [];
    for (const { key, lock } of locks) this.#locks.set(nameOf(key), { key, lock, waiters });
    return {
      [Symbol.dispose]: () => {
        for (const { key, lock } of locks) if (this.#locks.get(nameOf(key))?.lock === lock) this.#locks.delete(nameOf(key));
        for (const each of waiters.splice(0)) each();
      },
    };
  }

  /** The lock that is in a reader's way. */
  check(userKey: Uint8Array, key: Uint8Array, options: ReadOptions): KeyError | null {
    if (this.#locks.size === 0) return null;
    const held = this.#locks.get(nameOf(key));
    return held !== undefined && lockForReader(held.lock, userKey, options) === "blocks"
      ? { locked: lockInfoOf(userKey, held.lock) }
      : null;
  }

  /** Until all locks that may be committed at or before `ts` are let go; null: there are none. */
  whenReleased(range: KeyRange, ts: bigint): Promise<void> | null {
    const commands = new Set<(() => void)[]>();
    for (const { key, lock, waiters } of this.#locks.values()) if (lock.minCommitTs <= ts && inRange(key, range)) commands.add(waiters);
    if (commands.size === 0) return null;
    return Promise.all([...commands].map((waiters) => new Promise<void>((resolve) => waiters.push(resolve)))).then(() => {});
  }

  /** The first lock, in key order, that is in a reader's way. */
  checkRange(range: KeyRange, options: ReadOptions): KeyError | null {
    const found = this.#first(range, (held, userKey) => lockForReader(held.lock, userKey, options) === "blocks");
    return found === null ? null : { locked: found };
  }

  /** The first lock of a transaction that began at or before `startTs`. */
  firstBefore(range: KeyRange, startTs: bigint): KeyError | null {
    const found = this.#first(range, ({ lock }) => lock.startTs <= startTs);
    return found === null ? null : { locked: found };
  }

  #first(range: KeyRange, matches: (held: HeldLock, userKey: Uint8Array) => boolean) {
    let first: { held: HeldLock; userKey: Uint8Array } | null = null;
    for (const held of this.#locks.values()) {
      const { key } = held;
      if (!inRange(key, range)) continue;
      if (first !== null && compareBytes(first.held.key, key) < 0) continue;
      const userKey = decodeKey(key) ?? key;
      if (matches(held, userKey)) first = { held, userKey };
    }
    return first === null ? null : lockInfoOf(first.userKey, first.held.lock);
  }
}

function inRange(key: Uint8Array, { start, end }: KeyRange): boolean {
  return compareBytes(key, start) >= 0 && (end.length === 0 || compareBytes(key, end) < 0);
}

export interface LeadsOptions {
  /** A new timestamp of the placement driver; repeats by itself until it has one, or the signal aborts. */
  readonly timestamp: (signal: AbortSignal) => Promise<bigint>;
  readonly signal: AbortSignal;
}

interface Lead extends LedTerm {
  region: RegionDescription;
  floorTs: bigint | null;
  isSynced: boolean;
  readonly synced: Promise<void>;
}

/**
 * Regions that a peer of this store began to lead. What the leader before was read at is not known here, so until a timestamp
 * from the placement driver was observed in the term, no commit may choose its own.
 */
export class Leads {
  readonly #leads = new Map<number, Lead>();
  readonly #concurrency: ConcurrencyManager;
  readonly #options: LeadsOptions;

  constructor(concurrency: ConcurrencyManager, options: LeadsOptions) {
    this.#concurrency = concurrency;
    this.#options = options;
  }

  /** For `RegionKv.onLead`. */
  readonly began = (region: RegionDescription, term: number): void => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const lead: Lead = { region, term, floorTs: null, isSynced: false, synced: promise };
    this.#leads.set(region.id, lead);
    this.#options.timestamp(this.#options.signal).then(
      (ts) => {
        this.#concurrency.observe(ts);
        lead.floorTs = ts;
        lead.isSynced = true;
        resolve();
      },
      () => resolve(), // ends with the store
    );
  };

  /** For a term that nobody told of: a region that was led before anyone listened. */
  ensure(region: RegionDescription, term: number): void {
    const lead = this.#leads.get(region.id);
    if (lead === undefined || lead.term < term) this.began(region, term);
  }

  isSynced(regionId: number, term: number): boolean {
    const lead = this.#leads.get(regionId);
    return lead !== undefined && lead.term === term && lead.isSynced;
  }
  /** Null: the region is not known to be led in the term. */
  led(regionId: number, term: number): LedTerm | null {
    const lead = this.#leads.get(regionId);
    return lead !== undefined && lead.term === term ? lead : null;
  }
  /** As it was when it was looked at last. */
  region(regionId: number): RegionDescription | null {
    return this.#leads.get(regionId)?.region ?? null;
  }
  /** The newest term in which this store began to lead a region; for writes that are right in any term. Null: none known. */
  termOf(regionId: number): number | null {
    return this.#leads.get(regionId)?.term ?? null;
  }
  /** Resolves when the sync that is under way ends. */
  async synced(regionId: number, term: number): Promise<void> {
    const lead = this.#leads.get(regionId);
    if (lead !== undefined && lead.term === term) await lead.synced;
  }
  /** Regions that were led the last time that anyone looked. */
  regions(): RegionDescription[] {
    return [...this.#leads.values()].map(({ region }) => region);
  }
  update(region: RegionDescription): void {
    const lead = this.#leads.get(region.id);
    if (lead !== undefined) lead.region = region;
  }
  lost(regionId: number): void {
    this.#leads.delete(regionId);
  }
}
