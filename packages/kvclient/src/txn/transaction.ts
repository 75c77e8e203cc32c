/**
 * A transaction: reads of one snapshot and its own writes; all of them take place at its commit, or none.
 *
 * Optimistic: whoever commits first wins, others get `writeConflict`. Pessimistic: `lock` and `getForUpdate` wait for other
 * transactions, and read what is newest.
 */
import { compareBytes, type Timer } from "@skein/base";
import { forEachOf } from "../concurrency.ts";
import { mapKey } from "../core/keys.ts";
import { type BufferLimits, defaultLimits, MemoryBuffer } from "../core/memory-buffer.ts";
import { kvErrors } from "../errors.ts";
import { eitherOf, Patience } from "../patience.ts";
import type { KeyValue } from "../raw/raw-client.ts";
import { batchesOf } from "../raw/raw-client.ts";
import { moved } from "../regions/region-requests.ts";
import { type CommitTools, Committer, keyError, type Mutation } from "./committer.ts";
import { RegionSnapshot, type SnapshotScan } from "./snapshot.ts";

/** How a transaction locks, commits and waits. */
export interface TransactionOptions {
  /** Locks keys as it goes (`lock`, `getForUpdate`), rather than all at its commit. Default false. */
  readonly isPessimistic?: boolean;
  /** It is committed once all its locks are written; records follow behind the answer. Default true. */
  readonly asyncCommit?: boolean;
  /** One request, when all its keys are in one region. Default true. */
  readonly onePhase?: boolean;
  /** Of the commit in all. Default 60 000. */
  readonly patienceMs?: number;
  readonly limits?: Partial<BufferLimits>;
  /** Reads (not those under a lock) at any replica, and not at leaders alone. Default false. */
  readonly byReplica?: boolean;
  /** How long locks are kept alive for it. Default one hour; then others may end it. */
  readonly lifeMsMax?: number;
  /**
   * Ends what it waits for: that rejects with the signal's reason, but for a commit that may have been done, which is
   * `resultUndetermined`. Locks are let go behind it.
   */
  readonly signal?: AbortSignal;
}

export interface LockOptions {
  /** For locks of others; 0 does not wait. Default 50 000. */
  readonly waitMs?: number;
}

/**
 * Snapshot isolation: it reads the state at `startTs` and its own writes, which others see after the commit, all at once. Two that write
 * one key do not both commit; two that only read what the other writes may (write skew). Writes are kept in memory until the commit.
 */
export interface Transaction {
  readonly startTs: bigint;
  /** Null: the key does not exist. */
  get(key: Uint8Array): Promise<Uint8Array | null>;
  batchGet(keys: readonly Uint8Array[]): Promise<readonly KeyValue[]>;
  scan(scan: SnapshotScan): AsyncIterable<KeyValue>;
  put(key: Uint8Array, value: Uint8Array): void;
  /** As `put`; the commit rejects with `alreadyExists` when the key is there. */
  insert(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
  /** Pessimistic only. Waits for whoever holds the keys. Rejects with `deadlock`, `lockWaitTimedOut`, … */
  lock(keys: readonly Uint8Array[], options?: LockOptions): Promise<void>;
  /** Locks the key and reads its newest value. */
  getForUpdate(key: Uint8Array, options?: LockOptions): Promise<Uint8Array | null>;
  /**
   * The commit timestamp; null when there was nothing to write. Rejects with `writeConflict`, `alreadyExists`, `transactionLost`: then
   * nothing of it is or will be there; and with `resultUndetermined`: then nobody knows yet.
   */
  commit(): Promise<bigint | null>;
  /** Nothing that it wrote takes place. After a commit it does nothing. */
  rollback(): Promise<void>;
}

const firstTtlMs = 3000;
const longTtlMs = 20_000;
const heartbeatMs = 10_000;
/** A transaction that its caller forgot must not hold others up for ever. */
const longestLifeMs = 3_600_000;
/** One wait in a store: after it the client looks whether whoever holds the lock still lives. */
const waitSliceMs = 1000;
const noBytes = new Uint8Array(0);

interface HeldLock {
  readonly key: Uint8Array;
  readonly forUpdateTs: bigint;
  /** Read under the lock. */
  readonly value: Uint8Array | null;
}

export class KvTransaction implements Transaction {
  readonly startTs: bigint;
  private readonly tools: CommitTools;
  private readonly options: TransactionOptions;
  private readonly snapshot: RegionSnapshot;
  private readonly buffer: MemoryBuffer;
  private readonly locks = new Map<string, HeldLock>();
  private readonly startMs: number;
  private forUpdateTs: bigint;
  private primary: Uint8Array | null = null;
  private state: "open" | "committing" | "over" = "open";
  private heartbeat: Timer | null = null;
  private lostBy: string | null = null;
  /** Locks are taken one call after the other: those of the second must find the primary of the first. */
  private locking: Promise<unknown> = Promise.resolve();
  private readonly signal: AbortSignal;

  constructor(tools: CommitTools, startTs: bigint, options: TransactionOptions) {
    this.tools = tools;
    this.startTs = startTs;
    this.forUpdateTs = options.isPessimistic === true ? startTs : 0n;
    this.options = options;
    this.signal = eitherOf(tools.closing, options.signal);
    this.snapshot = new RegionSnapshot(tools.world, tools.requests, tools.resolver, startTs, {
      signal: this.signal,
      byReplica: options.byReplica ?? false,
    });
    this.buffer = new MemoryBuffer({ ...defaultLimits, ...options.limits });
    this.startMs = tools.world.clock.monotonicMs();
  }

  async get(key: Uint8Array): Promise<Uint8Array | null> {
    this.mustBeOpen();
    const own = this.buffer.get(key);
    if (own !== undefined) return own.value;
    const held = this.locks.get(mapKey(key));
    return held === undefined ? this.snapshot.get(key) : held.value;
  }

  async batchGet(keys: readonly Uint8Array[]): Promise<readonly KeyValue[]> {
    this.mustBeOpen();
    const known = new Map<string, Uint8Array | null>();
    const others: Uint8Array[] = [];
    for (const key of keys) {
      const name = mapKey(key);
      const own = this.buffer.get(key) ?? this.locks.get(name);
      if (own === undefined) others.push(key);
      else known.set(name, own.value);
    }
    for (const { key, value } of await this.snapshot.batchGet(others)) known.set(mapKey(key), value);
    return keys.flatMap((key) => {
      const value = known.get(mapKey(key));
      return value === undefined || value === null ? [] : [{ key, value }];
    });
  }

  async *scan(scan: SnapshotScan): AsyncGenerator<KeyValue> {
    this.mustBeOpen();
    const reverse = scan.reverse ?? false;
    const own = this.buffer.range(scan.start, scan.end, reverse);
    const isBefore = (a: Uint8Array, b: Uint8Array) => (reverse ? compareBytes(a, b) > 0 : compareBytes(a, b) < 0);
    const pair = (key: Uint8Array, value: Uint8Array): KeyValue => ({ key, value: scan.keysOnly === true ? noBytes : value });
    let left = scan.limit ?? Number.MAX_SAFE_INTEGER;
    let at = 0;
    // Each delete hides one stored pair, each put hides at most one: so many more may be needed.
    const limit = Math.min(left + own.length, Number.MAX_SAFE_INTEGER);
    for await (const stored of this.snapshot.scan({ ...scan, limit })) {
      for (let next = own[at]; next !== undefined && isBefore(next.key, stored.key); next = own[++at]) {
        if (next.value === null) continue;
        if (left-- <= 0) return;
        yield pair(next.key, next.value);
      }
      const same = own[at];
      const isOwn = same !== undefined && compareBytes(same.key, stored.key) === 0;
      if (isOwn) at++;
      const value = isOwn ? same.value : stored.value;
      if (value === null) continue;
      if (left-- <= 0) return;
      yield pair(stored.key, value);
    }
    for (let next = own[at]; next !== undefined; next = own[++at]) {
      if (next.value === null) continue;
      if (left-- <= 0) return;
      yield pair(next.key, next.value);
    }
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.write(key, value, false);
  }

  insert(key: Uint8Array, value: Uint8Array): void {
    this.write(key, value, true);
  }

  delete(key: Uint8Array): void {
    this.write(key, null, false);
  }

  async lock(keys: readonly Uint8Array[], options: LockOptions = {}): Promise<void> {
    this.mustBeOpen();
    if (this.options.isPessimistic !== true) throw new TypeError("only a pessimistic transaction locks keys before its commit");
    const run = this.locking.then(() => this.lockNow(keys, options));
    const settled = run.catch(() => {}); // the caller is told
    this.locking = settled;
    if (this.options.signal === undefined) return run;
    try {
      await new Patience(this.tools.world, "a lock", 0, this.signal).race(run);
    } catch (error) {
      // A request that waits in a store may get its lock yet: it is let go behind the answer.
      if (this.signal.aborted) this.tools.background(settled);
      throw error;
    }
  }

  private async lockNow(keys: readonly Uint8Array[], options: LockOptions): Promise<void> {
    this.mustBeOpen();
    if (this.lostBy !== null) throw kvErrors.transactionLost([this.startTs, this.lostBy]);
    const wanted = [...new Map(keys.map((key) => [mapKey(key), key])).values()].filter((key) => !this.locks.has(mapKey(key)));
    if (wanted.length === 0) return;
    wanted.sort(compareBytes);
    const lockMs = options.waitMs ?? 50_000;
    const patience = new Patience(this.tools.world, "a lock", lockMs + 30_000, this.tools.closing);
    this.forUpdateTs = await patience.race(this.tools.pd.tso());
    const before = new Set(this.locks.keys());
    try {
      if (this.primary === null) {
        // The primary first: a lock whose primary is nowhere would be taken for a dead one's.
        const first = wanted[0] as Uint8Array;
        this.primary = first;
        await this.lockKeys([first], lockMs, patience);
        this.beat();
      }
      await this.lockKeys(
        wanted.filter((key) => !this.locks.has(mapKey(key))),
        lockMs,
        patience,
      );
    } catch (error) {
      const taken = [...this.locks].filter(([name]) => !before.has(name));
      for (const [name] of taken) this.locks.delete(name);
      if (before.size === 0) {
        this.primary = null;
        this.stopBeat();
      }
      // Not those that this transaction takes later.
      this.tools.background(this.unlock(wanted, this.forUpdateTs));
      throw error;
    }
  }

  async getForUpdate(key: Uint8Array, options: LockOptions = {}): Promise<Uint8Array | null> {
    await this.lock([key], options);
    return this.get(key);
  }

  async commit(): Promise<bigint | null> {
    this.mustBeOpen();
    if (this.lostBy !== null) {
      await this.rollback();
      throw kvErrors.transactionLost([this.startTs, this.lostBy]);
    }
    this.state = "committing";
    try {
      if (this.buffer.size === 0) {
        await this.unlock([...this.locks.values()].map(({ key }) => key));
        return null;
      }
      const mutations = this.mutations();
      const primary = this.primary ?? (mutations[0] as Mutation).key;
      const ageMs = this.tools.world.clock.monotonicMs() - this.startMs;
      const isLong = this.options.isPessimistic === true || this.buffer.size > 1000 || this.buffer.sizeBytes > 1024 * 1024;
      if (isLong && this.heartbeat === null) {
        this.primary = primary;
        this.beat();
      }
      const committer = new Committer(this.tools, {
        startTs: this.startTs,
        forUpdateTs: this.forUpdateTs,
        mutations,
        primary,
        // Counted from the start of the transaction.
        lockTtlMs: Math.round(ageMs) + (isLong ? longTtlMs : firstTtlMs),
        tryAsyncCommit: this.options.asyncCommit ?? true,
        tryOnePhase: this.options.onePhase ?? true,
        patienceMs: this.options.patienceMs ?? 60_000,
        signal: this.signal,
      });
      return await committer.commit();
    } catch (error) {
      if (this.locks.size > 0 && !kvErrors.resultUndetermined.is(error))
        this.tools.background(this.unlock([...this.locks.values()].map(({ key }) => key)));
      throw error;
    } finally {
      this.state = "over";
      this.stopBeat();
    }
  }

  async rollback(): Promise<void> {
    if (this.state !== "open") return;
    this.state = "over";
    this.stopBeat();
    await this.unlock([...this.locks.values()].map(({ key }) => key));
  }

  private write(key: Uint8Array, value: Uint8Array | null, isInsert: boolean): void {
    this.mustBeOpen();
    if (key.length === 0) throw new RangeError("a key is not empty");
    const excess = this.buffer.put(key, value, isInsert);
    if (excess !== null) throw kvErrors.tooLarge([excess.what, excess.size, excess.sizeMax]);
  }

  private mustBeOpen(): void {
    if (this.state !== "open") throw kvErrors.transactionOver([this.startTs]);
    this.signal.throwIfAborted();
  }

  /** By key. What was locked and not written keeps its lock until the commit, and leaves a record of it. */
  private mutations(): readonly Mutation[] {
    const isLocked = (key: Uint8Array) => this.locks.has(mapKey(key));
    const written = this.buffer.sorted().map(({ key, value, isInsert }): Mutation => {
      const op = value === null ? (isInsert ? "CheckNotExists" : "Del") : isInsert ? "Insert" : "Put";
      return { op, key, value: value ?? noBytes, isLocked: isLocked(key) };
    });
    const onlyLocked = [...this.locks.values()]
      .filter(({ key }) => this.buffer.get(key) === undefined)
      .map(({ key }): Mutation => ({ op: "Lock", key, value: noBytes, isLocked: true }));
    const all = onlyLocked.length === 0 ? written : [...written, ...onlyLocked].sort((a, b) => compareBytes(a.key, b.key));
    // A check leaves no lock, so it cannot be the primary.
    return all[0]?.op === "CheckNotExists"
      ? [...all.filter(({ op }) => op !== "CheckNotExists"), ...all.filter(({ op }) => op === "CheckNotExists")]
      : all;
  }

  private async lockKeys(keys: readonly Uint8Array[], lockMs: number, patience: Patience): Promise<void> {
    const { requests } = this.tools;
    let left = keys;
    while (left.length > 0) {
      const again: Uint8Array[] = [];
      const batches = [...(await requests.regions.group(left, (key) => key, patience))].flatMap(([region, group]) =>
        batchesOf(group, (key) => key.length).map((batch) => ({ region, batch })),
      );
      await forEachOf(batches, 16, async ({ region, batch }) => {
        if (!(await this.lockBatch(region, batch, lockMs, patience))) again.push(...batch);
      });
      left = again;
    }
  }

  /** False when the region moved. */
  private async lockBatch(
    region: Parameters<CommitTools["requests"]["command"]>[0],
    batch: readonly Uint8Array[],
    lockMs: number,
    patience: Patience,
  ): Promise<boolean> {
    const { requests, resolver, pd, world } = this.tools;
    const startMs = world.clock.monotonicMs();
    for (;;) {
      this.signal.throwIfAborted();
      const { forUpdateTs } = this;
      const leftMs = lockMs - (world.clock.monotonicMs() - startMs);
      const request = {
        mutations: batch.map((key) => ({ op: "PessimisticLock" as const, key })),
        primary_lock: this.primary ?? (batch[0] as Uint8Array),
        start_version: this.startTs,
        lock_ttl: Math.round(world.clock.monotonicMs() - this.startMs) + longTtlMs,
        for_update_ts: forUpdateTs,
        is_first_lock: this.locks.size === 0 && batch.length === 1,
        wait_timeout: leftMs <= 0 ? -1 : Math.ceil(Math.min(leftMs, waitSliceMs)),
        return_values: true,
        min_commit_ts: forUpdateTs + 1n,
      };
      const answer = await requests.command(region, "PessimisticLock", request, patience);
      if (answer === moved) return false;
      if (answer.errors.length === 0) {
        batch.forEach((key, at) => {
          const value = answer.not_founds[at] === true ? null : (answer.values[at] ?? null);
          this.locks.set(mapKey(key), { key, forUpdateTs, value });
        });
        return true;
      }
      const locks = answer.errors.flatMap(({ locked }) => locked ?? []);
      const conflict = answer.errors.find((error) => error.conflict !== null);
      const other = answer.errors.find((error) => error.locked === null && error.conflict === null);
      if (other !== undefined) throw keyError(other, this.startTs);
      if (conflict !== undefined) {
        const newest = await patience.race(pd.tso());
        if (newest > this.forUpdateTs) this.forUpdateTs = newest;
        continue;
      }
      const { waitMs } = await resolver.resolve(locks, 0n, patience);
      const first = locks[0];
      if (waitMs === 0 || first === undefined) continue;
      const cause = kvErrors.lockWaitTimedOut([first.key, first.lock_version]);
      if (world.clock.monotonicMs() - startMs >= lockMs) throw cause;
      await patience.wait("lockFast", cause);
    }
  }

  private async unlock(keys: readonly Uint8Array[], forUpdateTs = this.forUpdateTs): Promise<void> {
    if (keys.length === 0) return;
    const { requests } = this.tools;
    const patience = new Patience(this.tools.world, "the release of locks", 20_000, this.tools.closing);
    let left = keys;
    while (left.length > 0) {
      const again: Uint8Array[] = [];
      await forEachOf(await requests.regions.group(left, (key) => key, patience), 16, async ([region, group]) => {
        const request = { start_version: this.startTs, for_update_ts: forUpdateTs, keys: group };
        const answer = await requests.command(region, "PessimisticRollback", request, patience);
        if (answer === moved) again.push(...group);
      });
      left = again;
    }
  }

  /** Says at the primary, again and again, that the transaction lives. */
  private beat(): void {
    this.heartbeat = this.tools.world.clock.timer(heartbeatMs, () => {
      this.tools.background(this.sendBeat());
    });
  }

  private async sendBeat(): Promise<void> {
    const { primary } = this;
    if (primary === null || this.heartbeat === null) return;
    const ageMs = Math.round(this.tools.world.clock.monotonicMs() - this.startMs);
    const { lifeMsMax = longestLifeMs } = this.options;
    if (ageMs >= lifeMsMax) {
      if (this.locks.size > 0) this.lostBy = `it lived for longer than ${lifeMsMax} ms`;
      return;
    }
    const patience = new Patience(this.tools.world, "a transaction's heartbeat", heartbeatMs, this.tools.closing);
    const request = { primary_lock: primary, start_version: this.startTs, advise_lock_ttl: ageMs + longTtlMs };
    try {
      for (;;) {
        const region = await this.tools.requests.regions.locate(primary, patience);
        const answer = await this.tools.requests.command(region, "TxnHeartBeat", request, patience);
        if (answer === moved) continue;
        // A commit that has not come to its primary has nothing to keep alive yet.
        if (answer.error !== null && answer.error.txn_not_found !== null && this.locks.size > 0) this.lostBy = "its primary lock is gone";
        break;
      }
    } finally {
      // One that did not arrive does not end the others: there is time for a second before the lock's is over.
      if (this.heartbeat !== null && this.lostBy === null && !this.tools.closing.aborted) this.beat();
    }
  }

  private stopBeat(): void {
    this.heartbeat?.cancel();
    this.heartbeat = null;
  }
}
