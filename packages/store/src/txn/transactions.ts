/** The transactional requests of `tikvpb.Tikv`, but for their region errors: those are thrown as `RegionError`. */
import { type Clock, compareBytes } from "@skein/base";
import type { Input } from "@skein/rpc";
import type { KeyRange } from "../engine/engine.ts";
import { type RegionContext, type RegionDescription, RegionError, type RegionKv, type RegionSnapshot } from "../region-kv.ts";
import type { kvrpcpb } from "../wire/index.ts";
import { ConcurrencyManager, Leads, nameOf } from "./concurrency.ts";
import { garbageWalk, stepGarbage } from "./core/gc.ts";
import { abort, type KeyError, type KeyState, lockInfoOf, newestChange, outcomeOf } from "./core/key-state.ts";
import { behind, decodeKey, encodeKey, keyOfVersion, maxTs, sameBytes, timestampOf } from "./core/keys.ts";
import { lockKey, unlockKey } from "./core/pessimistic.ts";
import { needsVersions, prewrite } from "./core/prewrite.ts";
import type { ReadOptions } from "./core/read.ts";
import { decodeWrite, type Lock } from "./core/records.ts";
import { checkSecondary, checkStatus, commitKey, heartBeat, rollBackKey } from "./core/settle.ts";
import type { Deadlock, WaitEdge } from "./core/wait-graph.ts";
import { collectKey, type GarbagePlace } from "./garbage.ts";
import { type DeadlockDetector, hashOf, LockWaits, type WaitEnd } from "./lock-wait.ts";
import {
  after,
  get,
  getMany,
  type KnownVersions,
  type KvPair,
  loadAllVersions,
  loadVersions,
  loadVersionsOf,
  lockOf,
  scan,
  scanLocks,
  valueOf,
} from "./reader.ts";
import { RecentWrites } from "./recent-writes.ts";
import { type Acting, checkInRegion, Scheduler } from "./scheduler.ts";

type Answer<T extends { readonly region_error: unknown }> = Omit<Input<T>, "region_error">;

export interface TransactionsOptions {
  readonly kv: RegionKv;
  readonly clock: Clock;
  readonly detector: DeadlockDetector;
  /** A new timestamp of the placement driver. */
  readonly timestamp: (signal: AbortSignal) => Promise<bigint>;
  /** Ends what runs in the background. */
  readonly signal: AbortSignal;
  /** Of a lock that is waited for, at most. Default 1 s. */
  readonly waitForLockMsMax?: number;
  /** Between the first and the others of those who waited for a lock that was let go. Default 20. */
  readonly wakeDelayMs?: number;
  /** How long a primary may be missing, from when it is first asked for, before its transaction is rolled back. Default 5 s. */
  readonly missingPrimaryMs?: number;
  /** How long a request waits for a new leader's first timestamp. Default 2 s. */
  readonly syncWaitMs?: number;
  readonly concurrency?: ConcurrencyManager;
  readonly recent?: RecentWrites;
}

/** How long an answer about the present spares others; well within what clients may be ahead. */
const presentMs = 60_000;
/** Transactions that are remembered as missing. */
const missingMax = 10_000;
/** Locks that one step of a resolution settles. */
const resolveBatch = 256;
/** Their keys together: each makes up to four writes of a size like the key's, and they share an entry of the log. */
const resolveBytesMax = 512 * 1024;
const gcBatch = 128;
/** Of the writes of one step of a collection. */
const gcPieceBytes = 512 * 1024;
/** Keys that one step of a range's removal takes. */
const deleteBatch = 4096;
/** Of the answer to one request. */
export const answerBytesMax = 48 * 1024 * 1024;

export class Transactions {
  readonly concurrency: ConcurrencyManager;
  readonly leads: Leads;
  readonly waits: LockWaits;
  readonly recent: RecentWrites;
  readonly scheduler: Scheduler;
  readonly #options: TransactionsOptions;
  readonly #kv: RegionKv;
  /** Reads below it could miss what was collected. */
  #safePoint = 0n;
  #learning: Promise<void> | null = null;
  /** Transactions without a primary that somebody asked for: since when, by the monotonic clock. */
  readonly #missing = new Map<string, number>();

  constructor(options: TransactionsOptions) {
    this.#options = options;
    this.#kv = options.kv;
    this.concurrency = options.concurrency ?? new ConcurrencyManager();
    this.recent = options.recent ?? new RecentWrites();
    this.leads = new Leads(this.concurrency, options);
    this.waits = new LockWaits(options);
    this.scheduler = new Scheduler({
      kv: options.kv,
      nowMs: () => options.clock.monotonicMs(),
      concurrency: this.concurrency,
      recent: this.recent,
      led: (regionId, term) => this.leads.led(regionId, term),
      released: (keys) => this.waits.released(keys),
    });
    options.kv.onLead(this.leads.began);
    options.kv.onReplicaRead((region, readTs) => this.#readAtReplica(region, readTs));
    options.kv.onSafePoint((safePoint) => this.#learnSafePoint(safePoint));
  }

  // ── reads ──

  async get(request: kvrpcpb.GetRequest, context: RegionContext): Promise<Answer<kvrpcpb.GetResponse>> {
    const options = readOptions(request.context, request.version);
    const key = encodeKey(request.key);
    if (this.concurrency.isBeyond(options.ts)) await this.#learnPresent(options.ts);
    const refused = this.#beginRead(options) ?? this.concurrency.check(request.key, key, options);
    if (refused !== null) return { error: refused };
    using snapshot = await this.#kv.snapshot(atReplica(context, options.ts));
    const collected = this.#isCollected(options);
    if (collected !== null) return { error: collected };
    checkInRegion(key, snapshot.region);
    const read = await get(snapshot.reader, request.key, options, this.#known(snapshot, options));
    if ("error" in read) return { error: read.error };
    if (read.value === null) return { not_found: true };
    return request.need_commit_ts ? { value: read.value, commit_ts: read.commitTs } : { value: read.value };
  }

  async batchGet(request: kvrpcpb.BatchGetRequest, context: RegionContext): Promise<Answer<kvrpcpb.BatchGetResponse>> {
    const options = readOptions(request.context, request.version);
    if (this.concurrency.isBeyond(options.ts)) await this.#learnPresent(options.ts);
    const refused = this.#beginRead(options);
    if (refused !== null) return { error: refused, pairs: [{ error: refused }] };
    const pairs: KvPair[] = [];
    const keys: Uint8Array[] = [];
    for (const key of request.keys) {
      const error = this.concurrency.check(key, encodeKey(key), options);
      if (error === null) keys.push(key);
      else pairs.push({ key, error });
    }
    using snapshot = await this.#kv.snapshot(atReplica(context, options.ts));
    const collected = this.#isCollected(options);
    if (collected !== null) return { error: collected, pairs: [{ error: collected }] };
    for (const key of request.keys) checkInRegion(encodeKey(key), snapshot.region);
    context.signal?.throwIfAborted();
    const reads = await getMany(snapshot.reader, keys, { ...options, bytesMax: answerBytesMax }, this.#known(snapshot, options));
    if (reads === null) return tooMuch();
    for (const [index, read] of reads.entries()) {
      const key = keys[index] as Uint8Array;
      if ("error" in read) pairs.push({ key, error: read.error });
      else if (read.value !== null)
        pairs.push(request.need_commit_ts ? { key, value: read.value, commit_ts: read.commitTs } : { key, value: read.value });
    }
    return { pairs };
  }

  async scan(request: kvrpcpb.ScanRequest, context: RegionContext): Promise<Answer<kvrpcpb.ScanResponse>> {
    const options = readOptions(request.context, request.version);
    const range = request.reverse ? encodedRange(request.end_key, request.start_key) : encodedRange(request.start_key, request.end_key);
    if (this.concurrency.isBeyond(options.ts)) await this.#learnPresent(options.ts);
    const refused = this.#beginRead(options) ?? this.concurrency.checkRange(this.#inRegion(range, context.regionId), options);
    if (refused !== null) return { error: refused, pairs: [{ error: refused }] };
    using snapshot = await this.#kv.snapshot(atReplica(context, options.ts));
    const collected = this.#isCollected(options);
    if (collected !== null) return { error: collected, pairs: [{ error: collected }] };
    const { region } = snapshot;
    // Where the scan begins must be here; where it ends, the region ends it.
    if (request.reverse) {
      if (range.end.length > 0 && region.startKey.length > 0 && compareBytes(range.end, region.startKey) < 0)
        checkInRegion(range.end, region);
      if (region.endKey.length > 0 && (range.end.length === 0 || compareBytes(range.end, region.endKey) > 0))
        throw new RegionError({ kind: "keyNotInRegion", key: request.start_key, region }, "the scan begins behind the region");
    } else checkInRegion(range.start, region);
    const clipped = clip(range, region);
    const pairs = await scan(snapshot.reader, {
      ...options,
      bytesMax: answerBytesMax,
      range: clipped,
      limit: request.limit,
      keysOnly: request.key_only,
      reverse: request.reverse,
      ...(context.signal === undefined ? {} : { signal: context.signal }),
    });
    return pairs === null ? tooMuch() : { pairs };
  }

  /**
   * Before a timestamp is refused as one from the far future: the placement driver may have been set forward a moment ago. Whatever it
   * has given is older than what it gives now.
   */
  async #learnPresent(ts: bigint): Promise<void> {
    if (this.#learning !== null) await this.#learning; // asked for before this timestamp came: it may be older
    if (!this.concurrency.isBeyond(ts)) return;
    this.#learning ??= this.#present().finally(() => {
      this.#learning = null;
    });
    await this.#learning;
  }
  async #present(): Promise<void> {
    const patience = new AbortController();
    const { clock, timestamp, signal, syncWaitMs = 2000 } = this.#options;
    const timer = clock.timer(syncWaitMs, () => patience.abort());
    try {
      const present = await timestamp(AbortSignal.any([signal, patience.signal]));
      this.concurrency.setLimit(present + (BigInt(presentMs) << 18n));
    } catch {
      // Without an answer what is known stands.
    } finally {
      timer.cancel();
    }
  }

  #learnSafePoint(safePoint: bigint): void {
    if (safePoint > this.#safePoint) this.#safePoint = safePoint;
  }

  /** At the leader: from now on no commit chooses a time at or before it, and what has chosen one is waited for. */
  #readAtReplica({ startKey, endKey }: RegionDescription, ts: bigint): Promise<void> | null {
    const range = { start: startKey, end: endKey };
    if (this.concurrency.observe(ts)) return this.concurrency.whenReleased(range, ts);
    return this.#learnPresent(ts).then(async () => {
      if (!this.concurrency.observe(ts)) throw new RegionError({ kind: "staleCommand" }, `the timestamp ${ts} is far ahead`);
      await this.concurrency.whenReleased(range, ts);
    });
  }

  /** To be asked again when the snapshot is there: what is missing from it may have been collected while the read waited. */
  #isCollected({ ts }: ReadOptions): KeyError | null {
    return ts < this.#safePoint
      ? abort(`GC life time is shorter than transaction duration, transaction starts at ${ts}, GC safe point is ${this.#safePoint}`)
      : null;
  }

  #beginRead(options: ReadOptions): KeyError | null {
    const { ts } = options;
    const collected = this.#isCollected(options);
    if (collected !== null) return collected;
    if (!this.concurrency.observe(ts)) return invalidTimestamp(ts);
    return null;
  }

  /**
   * For readers that found no lock in the way. What is known is in their snapshot: had it come behind it, they had met the lock, or
   * it was committed after their timestamp. Who does not look at locks must ask the engine.
   */
  #known({ region, term }: RegionSnapshot, { ts, ignoreLocks }: ReadOptions): KnownVersions {
    const led = ignoreLocks ? null : this.leads.led(region.id, term);
    return led === null ? () => null : (key) => this.recent.newestAt(nameOf(key), led, ts);
  }

  /** Memory locks of other regions are not in this scan's way. */
  #inRegion(range: KeyRange, regionId: number): KeyRange {
    const region = this.leads.region(regionId);
    return region === null ? range : clip(range, region);
  }

  // ── commits ──

  async prewrite(request: kvrpcpb.PrewriteRequest, context: RegionContext): Promise<Answer<kvrpcpb.PrewriteResponse>> {
    const { start_version: startTs, mutations } = request;
    const choosesTs = request.use_async_commit || request.try_one_pc;
    return this.#run(context, mutations, async (acting, states) => {
      const asked: KeyState[] = [];
      for (const [index, state] of states.entries()) {
        const needs = needsVersions(mutations[index] as kvrpcpb.Mutation, state.lock, startTs, request.assertion_level);
        if (needs !== "none" && !this.#knowsVersions(acting, state, startTs, needs === "all")) asked.push(state);
      }
      if (asked.length > 0) await loadVersionsOf(acting.reader, asked, startTs);
      if (choosesTs && !this.leads.isSynced(acting.region.id, acting.term)) await this.#syncedIn(acting.region, acting.term);
      const expected = new Map(request.for_update_ts_constraints.map(({ index, expected_for_update_ts: ts }) => [index, ts]));
      // From here to `hold` nothing may wait.
      const done = prewrite(
        {
          primary: request.primary_lock,
          startTs,
          ttlMs: request.lock_ttl,
          txnSize: request.txn_size,
          forUpdateTs: request.for_update_ts,
          minCommitTs: request.min_commit_ts,
          maxCommitTs: request.max_commit_ts,
          secondaries: request.use_async_commit ? request.secondaries : null,
          onePc: request.try_one_pc,
          assertionLevel: request.assertion_level,
          maxTs: this.concurrency.maxTs,
        },
        states.map((state, index) => ({
          mutation: mutations[index] as kvrpcpb.Mutation,
          action: request.pessimistic_actions[index] ?? "SKIP_PESSIMISTIC_CHECK",
          expectedForUpdateTs: expected.get(index) ?? null,
          state,
        })),
        acting.changes,
      );
      if (done.memoryLocks.length > 0) acting.hold(done.memoryLocks);
      return { errors: done.errors, min_commit_ts: done.minCommitTs, one_pc_commit_ts: done.onePcCommitTs };
    });
  }

  async commit(request: kvrpcpb.CommitRequest, context: RegionContext): Promise<Answer<kvrpcpb.CommitResponse>> {
    const { start_version: startTs, commit_version: commitTs } = request;
    if (commitTs <= startTs) return { error: abort(`the commit timestamp ${commitTs} is not behind the start timestamp ${startTs}`) };
    return this.#run(context, keysOf(request.keys), async (acting, states) => {
      const unlocked = states.filter(({ lock }) => lock?.startTs !== startTs);
      if (unlocked.length > 0) await loadVersionsOf(acting.reader, unlocked, startTs);
      // A key that is said twice is committed once.
      let committedTs = commitTs;
      for (const state of states.length === 1 ? states : new Set(states)) {
        // It may have been committed before, at a time that the store chose.
        const before = state.lock?.startTs === startTs ? null : outcomeOf(state, startTs);
        if (before?.kind === "committed") committedTs = before.commitTs;
        const error = commitKey(state, startTs, commitTs, acting.changes);
        if (error !== null) return nothing(acting, { error });
      }
      return { commit_version: committedTs };
    });
  }

  async batchRollback(request: kvrpcpb.BatchRollbackRequest, context: RegionContext): Promise<Answer<kvrpcpb.BatchRollbackResponse>> {
    const { start_version: startTs } = request;
    return this.#run(context, keysOf(request.keys), async (acting, states) => {
      await loadVersionsOf(acting.reader, states, startTs);
      for (const state of states) {
        const result = rollBackKey(state, startTs, { currentTs: 0n, protect: false }, acting.changes);
        if (result !== null) return nothing(acting, { error: rollbackError(result, startTs, state) });
      }
      return {};
    });
  }

  async cleanup(request: kvrpcpb.CleanupRequest, context: RegionContext): Promise<Answer<kvrpcpb.CleanupResponse>> {
    const { start_version: startTs } = request;
    return this.#run(context, keysOf([request.key]), async (acting, [state]) => {
      await loadVersions(acting.reader, state as KeyState, startTs);
      const result = rollBackKey(state as KeyState, startTs, { currentTs: request.current_ts, protect: true }, acting.changes);
      if (result === null) return {};
      return "committed" in result ? { commit_version: result.committed } : { error: result };
    });
  }

  async checkTxnStatus(request: kvrpcpb.CheckTxnStatusRequest, context: RegionContext): Promise<Answer<kvrpcpb.CheckTxnStatusResponse>> {
    // What is decided here must not be undone by a commit at one of these timestamps.
    for (const ts of [request.lock_ts, request.caller_start_ts, request.current_ts]) {
      if (this.concurrency.isBeyond(ts)) await this.#learnPresent(ts);
      if (!this.concurrency.observe(ts)) return { error: invalidTimestamp(ts) };
    }
    const name = `${request.lock_ts}/${nameOf(request.primary_key)}`;
    return this.#run(context, keysOf([request.primary_key]), async (acting, [state]) => {
      await loadVersions(acting.reader, state as KeyState, request.lock_ts);
      const answer = checkStatus(
        state as KeyState,
        {
          lockTs: request.lock_ts,
          callerStartTs: request.caller_start_ts,
          currentTs: request.current_ts,
          rollbackIfNotExist: request.rollback_if_not_exist || this.#isLongMissing(name),
          forceSyncCommit: request.force_sync_commit,
          resolvingPessimisticLock: request.resolving_pessimistic_lock,
          verifyIsPrimary: request.verify_is_primary,
        },
        acting.changes,
      );
      if (answer.error?.txn_not_found === undefined || answer.error.txn_not_found === null) this.#missing.delete(name);
      else this.#noteMissing(name);
      return answer;
    });
  }

  /**
   * Some clients never ask for the rollback of a transaction whose client went away before its primary was written: readers of
   * its other keys would fail for ever. Who finds it still missing after a while is answered as if it had asked.
   */
  #isLongMissing(name: string): boolean {
    const sinceMs = this.#missing.get(name);
    return sinceMs !== undefined && this.#options.clock.monotonicMs() - sinceMs >= (this.#options.missingPrimaryMs ?? 5000);
  }
  #noteMissing(name: string): void {
    if (this.#missing.has(name)) return;
    this.#missing.set(name, this.#options.clock.monotonicMs());
    for (const oldest of this.#missing.keys()) {
      if (this.#missing.size <= missingMax) return;
      this.#missing.delete(oldest);
    }
  }

  async checkSecondaryLocks(
    request: kvrpcpb.CheckSecondaryLocksRequest,
    context: RegionContext,
  ): Promise<Answer<kvrpcpb.CheckSecondaryLocksResponse>> {
    const { start_version: startTs } = request;
    if (this.concurrency.isBeyond(startTs)) await this.#learnPresent(startTs);
    if (!this.concurrency.observe(startTs)) return { error: invalidTimestamp(startTs) };
    return this.#run(context, keysOf(request.keys), async (acting, states) => {
      const locks: Input<kvrpcpb.LockInfo>[] = [];
      let commitTs = 0n;
      let isRolledBack = false;
      await loadVersionsOf(acting.reader, states, startTs);
      for (const state of states) {
        const status = checkSecondary(state, startTs, acting.changes);
        if (status.kind === "locked") locks.push(status.lock);
        else if (status.kind === "committed") ({ commitTs } = status);
        else isRolledBack = true;
        if (status.kind !== "locked") break; // one is enough to know
      }
      return isRolledBack || commitTs !== 0n ? { commit_ts: commitTs } : { locks };
    });
  }

  async txnHeartBeat(request: kvrpcpb.TxnHeartBeatRequest, context: RegionContext): Promise<Answer<kvrpcpb.TxnHeartBeatResponse>> {
    return this.#run(context, keysOf([request.primary_lock]), (acting, [state]) => {
      const beat = heartBeat(
        state as KeyState,
        { startTs: request.start_version, ttlMs: request.advise_lock_ttl, minCommitTs: request.min_commit_ts },
        acting.changes,
      );
      return "error" in beat ? { error: beat.error } : { lock_ttl: beat.ttlMs };
    });
  }

  /** With keys: those; without: all of the region's locks of the transactions. */
  async resolveLock(request: kvrpcpb.ResolveLockRequest, context: RegionContext): Promise<Answer<kvrpcpb.ResolveLockResponse>> {
    const commits = new Map(request.txn_infos.map(({ txn, status }) => [txn, status]));
    if (commits.size === 0) commits.set(request.start_version, request.commit_version);
    const settle = (keys: readonly Uint8Array[], wanted: ReadonlyMap<string, bigint>) =>
      this.#run(context, keysOf(keys), async (acting, states): Promise<Answer<kvrpcpb.ResolveLockResponse>> => {
        const settled = new Set(
          // Found by a scan, and gone since: whoever took it away has settled it.
          request.keys.length > 0 ? states : states.filter((state) => state.lock?.startTs === wanted.get(nameOf(state.key))),
        );
        const unsure = [...settled].filter((state) => {
          const startTs = wanted.get(nameOf(state.key)) as bigint;
          return state.lock?.startTs !== startTs || (commits.get(startTs) ?? 0n) === 0n;
        });
        let oldest = maxTs;
        for (const startTs of wanted.values()) if (startTs < oldest) oldest = startTs;
        await loadVersionsOf(acting.reader, unsure, oldest);
        for (const state of settled) {
          const startTs = wanted.get(nameOf(state.key)) as bigint;
          const commitTs = commits.get(startTs) ?? 0n;
          if (commitTs !== 0n) {
            const error = commitKey(state, startTs, commitTs, acting.changes);
            if (error !== null) return nothing(acting, { error });
          } else {
            const result = rollBackKey(state, startTs, { currentTs: 0n, protect: false }, acting.changes);
            if (result !== null) return nothing(acting, { error: rollbackError(result, startTs, state) });
          }
        }
        return {};
      });
    if (request.keys.length > 0)
      return settle(request.keys, new Map(request.keys.map((key) => [nameOf(encodeKey(key)), request.start_version])));
    let from: Uint8Array | null = null;
    for (;;) {
      const found = await this.#locksIn(context, from, resolveBatch, (lock) => commits.has(lock.startTs));
      if (found.length === 0) return {};
      const answer = await settle(
        found.map(({ userKey }) => userKey),
        new Map(found.map(({ key, lock }) => [nameOf(key), lock.startTs])),
      );
      if (answer.error !== undefined) return answer;
      from = after((found.at(-1) as { key: Uint8Array }).key);
    }
  }

  async #locksIn(context: RegionContext, from: Uint8Array | null, limit: number, matches: (lock: Lock) => boolean) {
    using snapshot = await this.#kv.snapshot(context);
    const { startKey, endKey } = snapshot.region;
    const start = from !== null && compareBytes(from, startKey) > 0 ? from : startKey;
    const { found } = await scanLocks(
      snapshot.reader,
      { start, end: endKey },
      { limit, bytesMax: resolveBytesMax, matches, ...(context.signal === undefined ? {} : { signal: context.signal }) },
    );
    return found;
  }

  async scanLock(request: kvrpcpb.ScanLockRequest, context: RegionContext): Promise<Answer<kvrpcpb.ScanLockResponse>> {
    const { max_version: maxVersion } = request;
    if (this.concurrency.isBeyond(maxVersion)) await this.#learnPresent(maxVersion);
    if (!this.concurrency.observe(maxVersion)) return { error: invalidTimestamp(maxVersion) };
    const range = encodedRange(request.start_key, request.end_key);
    const held = this.concurrency.firstBefore(this.#inRegion(range, context.regionId), maxVersion);
    if (held !== null) return { error: held };
    using snapshot = await this.#kv.snapshot(context);
    const locks = await scanLocks(snapshot.reader, clip(range, snapshot.region), {
      limit: request.limit === 0 ? Number.POSITIVE_INFINITY : request.limit,
      bytesMax: answerBytesMax,
      matches: (lock) => lock.startTs <= maxVersion,
      ...(context.signal === undefined ? {} : { signal: context.signal }),
    });
    // Cut short it would look like all that there are.
    if (locks.bytes >= answerBytesMax) return { error: tooMuch().error };
    return { locks: locks.found.map(({ userKey, lock }) => lockInfoOf(userKey, lock)) };
  }

  // ── pessimistic locks ──

  async pessimisticLock(request: kvrpcpb.PessimisticLockRequest, context: RegionContext): Promise<Answer<kvrpcpb.PessimisticLockResponse>> {
    const deadlineMs = this.#options.clock.monotonicMs() + this.#waitMs(request.wait_timeout);
    let hasWaited = false;
    for (;;) {
      const tried = await this.#tryLock(request, context, hasWaited, deadlineMs);
      if (tried.waiting === null) return tried.answer;
      const end = await tried.waiting;
      if (end.kind === "timeout") return tried.answer;
      if (end.kind === "deadlock") return { errors: [deadlockError(tried.edge as WaitEdge, end.deadlock)] };
      hasWaited = true;
    }
  }

  /** 0 and the largest number: as long as the store lets wait; negative: not at all. */
  #waitMs(asked: number): number {
    const max = this.#options.waitForLockMsMax ?? 1000;
    if (asked < 0) return 0;
    return asked === 0 ? max : Math.min(asked, max);
  }

  async #tryLock(request: kvrpcpb.PessimisticLockRequest, context: RegionContext, hasWaited: boolean, deadlineMs: number) {
    type Tried = { answer: Answer<kvrpcpb.PessimisticLockResponse>; waiting: Promise<WaitEnd> | null; edge: WaitEdge | null };
    const { start_version: startTs, for_update_ts: forUpdateTs } = request;
    const isForced = request.wake_up_mode === "WakeUpModeForceLock" && request.mutations.length === 1;
    if (forUpdateTs < startTs) {
      const error = abort(`for_update_ts ${forUpdateTs} is older than start_ts ${startTs}`);
      return Promise.resolve<Tried>({ answer: { errors: [error] }, waiting: null, edge: null });
    }
    // The values are read at this timestamp: they must stay right should the lock be taken away before its transaction ends.
    if (this.concurrency.isBeyond(forUpdateTs)) await this.#learnPresent(forUpdateTs);
    if (!this.concurrency.observe(forUpdateTs)) {
      return Promise.resolve<Tried>({ answer: { errors: [invalidTimestamp(forUpdateTs)] }, waiting: null, edge: null });
    }
    return this.#run(context, request.mutations, async (acting, states): Promise<Tried> => {
      const { reader } = acting;
      const values: Uint8Array[] = [];
      const missing: boolean[] = [];
      let conflictTs = 0n;
      const asked = states.filter(
        (state) => (state.lock === null || state.lock.startTs === startTs) && !this.#knowsVersions(acting, state, startTs, true),
      );
      if (asked.length > 0) await loadVersionsOf(reader, asked, startTs);
      for (const [index, state] of states.entries()) {
        const mutation = request.mutations[index] as kvrpcpb.Mutation;
        const outcome = lockKey(
          state,
          mutation.assertion === "NotExist",
          {
            primary: request.primary_lock,
            startTs,
            forUpdateTs,
            ttlMs: request.lock_ttl,
            minCommitTs: request.min_commit_ts,
            lockOnlyIfExists: request.lock_only_if_exists,
            isForced,
            allowConflict: isForced && hasWaited,
          },
          acting.changes,
        );
        if (outcome.kind === "locked") {
          const newest = newestChange(state);
          values.push(outcome.exists && newest !== null ? valueOf(reader, state.key, newest.write) : new Uint8Array(0));
          missing.push(!outcome.exists);
          if (outcome.conflictTs !== 0n) conflictTs = outcome.conflictTs;
          continue;
        }
        const tried: Tried = nothing(acting, {
          answer: isForced ? { errors: [outcome.error], results: [{ type: "LockResultFailed" as const }] } : { errors: [outcome.error] },
          waiting: null,
          edge: null,
        });
        const waitMs = deadlineMs - this.#options.clock.monotonicMs();
        if (outcome.lock === null || waitMs <= 0) return tried;
        const edge: WaitEdge = { txn: startTs, waitFor: outcome.lock.startTs, key: state.userKey, keyHash: hashOf(state.key) };
        // In line before anyone can let the lock go.
        acting.afterwards(() => {
          tried.waiting = this.waits.wait(state.key, edge, waitMs, context.signal);
          tried.edge = edge;
        });
        return tried;
      }
      if (isForced) {
        const type = conflictTs === 0n ? ("LockResultNormal" as const) : ("LockResultLockedWithConflict" as const);
        const tellsValue = request.return_values || conflictTs !== 0n;
        return {
          answer: {
            results: [
              {
                type,
                value: tellsValue ? (values[0] ?? new Uint8Array(0)) : new Uint8Array(0),
                existence: (tellsValue || request.check_existence) && missing[0] === false,
                locked_with_conflict_ts: conflictTs,
              },
            ],
          },
          waiting: null,
          edge: null,
        };
      }
      const answer = request.return_values ? { values, not_founds: missing } : request.check_existence ? { not_founds: missing } : {};
      return { answer, waiting: null, edge: null };
    });
  }

  async pessimisticRollback(
    request: kvrpcpb.PessimisticRollbackRequest,
    context: RegionContext,
  ): Promise<Answer<kvrpcpb.PessimisticRollbackResponse>> {
    const { start_version: startTs, for_update_ts: forUpdateTs } = request;
    const unlock = (keys: readonly Uint8Array[]) =>
      this.#run(context, keysOf(keys), (acting, states) => {
        for (const state of states) unlockKey(state, startTs, forUpdateTs, acting.changes);
        return {};
      });
    if (request.keys.length > 0) return unlock(request.keys);
    // Without keys: all that the transaction holds in the region.
    let from: Uint8Array | null = null;
    for (;;) {
      const found = await this.#locksIn(
        context,
        from,
        resolveBatch,
        (lock) => lock.startTs === startTs && lock.kind === "pessimistic" && lock.forUpdateTs <= forUpdateTs,
      );
      if (found.length === 0) return {};
      await unlock(found.map(({ userKey }) => userKey));
      from = after((found.at(-1) as { key: Uint8Array }).key);
    }
  }

  // ── removal ──

  /**
   * All versions of a range of the region, without regard to transactions. As in the field, an empty end is the smallest key and
   * not the region's: a request whose bounds were forgotten must not take everything. (An empty end of `RawDeleteRange` is the
   * end of all keys, and only the last region takes it.)
   */
  async deleteRange(request: kvrpcpb.DeleteRangeRequest, context: RegionContext): Promise<Answer<kvrpcpb.DeleteRangeResponse>> {
    if (compareBytes(request.start_key, request.end_key) >= 0) {
      const isEmpty = request.end_key.length > 0 && sameBytes(request.start_key, request.end_key);
      return isEmpty
        ? {}
        : { error: "invalid delete range command: its end is not behind its start; a range without an end is not deleted" };
    }
    if (request.notify_only) return {};
    const range = encodedRange(request.start_key, request.end_key);
    {
      using snapshot = await this.#kv.snapshot(context);
      checkInRegion(range.start, snapshot.region);
      const { endKey } = snapshot.region;
      if (endKey.length > 0 && compareBytes(range.end, endKey) > 0)
        throw new RegionError(
          { kind: "keyNotInRegion", key: request.end_key, region: snapshot.region },
          "the range ends behind the region",
        );
    }
    try {
      for (const family of ["lock", "write", "default"] as const) await removeRange(this.#kv, context, family, range);
    } finally {
      this.recent.forgetAll();
    }
    return {};
  }

  /**
   * Of the regions that this store leads, what is in the range: called at every store, all of it. Regions that move meanwhile
   * are the next call's. No region's epoch vouches for the request, and one that is garbage or empty would ask for everything:
   * in the field a range without an end has nothing in it; here the caller is told.
   */
  async unsafeDestroyRange(request: kvrpcpb.UnsafeDestroyRangeRequest): Promise<{ error?: string }> {
    if (request.end_key.length === 0) return { error: "a range without an end is not destroyed" };
    const wanted = encodedRange(request.start_key, request.end_key);
    for (const region of this.leads.regions()) {
      const range = clip(wanted, region);
      if (range.end.length > 0 && compareBytes(range.start, range.end) >= 0) continue;
      try {
        await this.#onLed(region.id, async (context) => {
          for (const family of ["lock", "write", "default"] as const) await removeRange(this.#kv, context, family, range);
        });
      } finally {
        this.recent.forgetAll();
      }
    }
    return {};
  }

  /** For a client. How far garbage goes is the placement driver's to say: a client alone would end the reads of all others. */
  async gcOf({ safe_point: safePoint }: kvrpcpb.GCRequest, context: RegionContext): Promise<Answer<kvrpcpb.GCResponse>> {
    if (safePoint > this.#safePoint)
      return {
        error: abort(`the safe point ${safePoint} is beyond ${this.#safePoint}, that of the placement driver: move that one first`),
      };
    await this.gc(safePoint, context);
    return {};
  }

  /** Collects garbage of one region, in pieces that the log takes; answers how many versions went. */
  async gc(safePoint: bigint, context: RegionContext): Promise<number> {
    this.#learnSafePoint(safePoint);
    let removed = 0;
    let from: Uint8Array | null = null;
    let isNoted = false;
    for (;;) {
      const found = await this.#garbageIn(context, from, safePoint);
      if (found.keys.length > 0 && !isNoted) {
        await this.#kv.noteSafePoint(context, safePoint);
        isNoted = true;
      }
      let place: GarbagePlace | null = null;
      for (let at = 0; at < found.keys.length; ) {
        context.signal?.throwIfAborted();
        const begin: GarbagePlace | null = place;
        const piece = await this.#run(context, keysOf(found.keys.slice(at)), async ({ reader, changes }, states) => {
          let count = 0;
          for (const [index, state] of states.entries()) {
            const done = await collectKey(reader, state, { safePoint, place: index === 0 ? begin : null, changes, bytesMax: gcPieceBytes });
            count += done.removed;
            if (done.place !== null) return { count, whole: index, place: done.place };
          }
          return { count, whole: states.length, place: null };
        });
        removed += piece.count;
        at += piece.whole;
        ({ place } = piece);
      }
      if (found.next === null) return removed;
      from = found.next;
    }
  }

  /** Keys, from a place on, with versions that would go. */
  async #garbageIn(context: RegionContext, from: Uint8Array | null, safePoint: bigint) {
    using snapshot = await this.#kv.snapshot(context);
    const { startKey, endKey } = snapshot.region;
    const keys: Uint8Array[] = [];
    const start = from !== null && compareBytes(from, startKey) > 0 ? from : startKey;
    let seen = 0;
    let key: Uint8Array | null = null;
    let walk = garbageWalk;
    let isNoted = false;
    for await (const block of snapshot.reader.scan("write", { start, end: endKey }))
      for (const pair of block) {
        const next = keyOfVersion(pair.key);
        if (key === null || !sameBytes(key, next)) {
          if (decodeKey(next) === null) continue; // raw: it has no versions
          if (keys.length >= gcBatch || seen >= 64 * deleteBatch) return { keys, next: next.slice() };
          context.signal?.throwIfAborted();
          key = next.slice();
          walk = garbageWalk;
          isNoted = false;
        }
        seen++;
        if (isNoted) {
          // Of one key with very many versions the rest is seen when they are collected.
          if (seen >= 64 * deleteBatch) return { keys, next: behind(key) };
          continue;
        }
        const step = stepGarbage(walk, { commitTs: timestampOf(pair.key), write: decodeWrite(pair.value) }, safePoint);
        ({ walk } = step);
        if (!step.goes && walk.last === null) continue;
        keys.push(decodeKey(key) as Uint8Array);
        isNoted = true;
      }
    return { keys, next: null };
  }

  /** Collects in all regions that this store leads. */
  async gcLed(safePoint: bigint, signal: AbortSignal): Promise<number> {
    // Also of regions that come here later: their last leader has collected them.
    this.#learnSafePoint(safePoint);
    let removed = 0;
    for (const { id } of this.leads.regions()) {
      signal.throwIfAborted();
      await this.#onLed(id, async (context) => {
        removed += await this.gc(safePoint, context);
      });
    }
    return removed;
  }

  /** Runs with the region as it is now; a region that is no longer led here is left to its leader. */
  async #onLed(regionId: number, run: (context: RegionContext) => Promise<void>): Promise<void> {
    for (let tries = 0; tries < 3; tries++) {
      const region = this.leads.region(regionId);
      if (region === null) return;
      try {
        await run({
          regionId,
          confVer: region.confVer,
          version: region.version,
          peerId: 0,
          storeId: 0,
          replicaRead: false,
          signal: this.#options.signal,
        });
        return;
      } catch (error) {
        if (!(error instanceof RegionError)) throw error;
        const { reason } = error;
        if (reason.kind === "epochNotMatch") {
          const current = reason.current.find(({ id }) => id === regionId);
          if (current !== undefined) {
            this.leads.update(current);
            continue;
          }
        }
        if (reason.kind === "notLeader" || reason.kind === "regionNotFound") this.leads.lost(regionId);
        else if (reason.kind !== "staleCommand" && reason.kind !== "serverIsBusy") return;
      }
    }
  }

  // ── diagnosis ──

  async mvccByKey(request: kvrpcpb.MvccGetByKeyRequest, context: RegionContext): Promise<Answer<kvrpcpb.MvccGetByKeyResponse>> {
    using snapshot = await this.#kv.snapshot(context);
    const key = encodeKey(request.key);
    const state: KeyState = { userKey: request.key, key, name: nameOf(key), lock: lockOf(snapshot.reader, key), versions: null };
    checkInRegion(state.key, snapshot.region);
    await loadAllVersions(snapshot.reader, state);
    const kinds = { put: "Put", delete: "Del", lock: "Lock", rollback: "Rollback", pessimistic: "PessimisticLock" } as const;
    const { lock } = state;
    const versions = state.versions ?? [];
    return {
      info: {
        ...(lock === null
          ? {}
          : {
              lock: {
                type: kinds[lock.kind],
                start_ts: lock.startTs,
                primary: lock.primary,
                short_value: lock.shortValue ?? new Uint8Array(0),
                ttl: lock.ttlMs,
                for_update_ts: lock.forUpdateTs,
                txn_size: lock.txnSize,
                use_async_commit: lock.secondaries !== null,
                secondaries: lock.secondaries ?? [],
                rollback_ts: lock.rollbackTs,
              },
            }),
        writes: versions.map(({ commitTs, write }) => ({
          type: kinds[write.kind],
          start_ts: write.startTs,
          commit_ts: commitTs,
          short_value: write.shortValue ?? new Uint8Array(0),
          has_overlapped_rollback: write.overlappedRollback,
          has_gc_fence: write.gcFence !== null,
          gc_fence: write.gcFence ?? 0n,
        })),
        values: versions
          .filter(({ write }) => write.kind === "put" && write.shortValue === null)
          .map(({ write }) => ({ start_ts: write.startTs, value: valueOf(snapshot.reader, state.key, write) })),
      },
    };
  }

  // ── parts ──

  /** The states are in the order of the items; a key that comes twice has one state. */
  #run<T>(
    context: RegionContext,
    items: readonly { readonly key: Uint8Array }[],
    act: (acting: Acting, states: readonly KeyState[]) => Promise<T> | T,
  ): Promise<T> {
    const keys = items.map(({ key }) => encodeKey(key));
    const names = keys.map(nameOf);
    const run = (acting: Acting) => {
      const { led, reader } = acting;
      const load = ({ key: userKey }: { readonly key: Uint8Array }, index: number): KeyState => {
        const [key, name] = [keys[index] as Uint8Array, names[index] as string];
        const lock = led === null ? undefined : this.recent.lockOf(name, led);
        return { userKey, key, name, lock: lock === undefined ? lockOf(reader, key) : lock, versions: null };
      };
      if (items.length === 1) return act(acting, items.map(load));
      const byName = new Map<string, KeyState>();
      const states = items.map((item, index) => {
        const name = names[index] as string;
        const state = byName.get(name) ?? load(item, index);
        byName.set(name, state);
        return state;
      });
      return act(acting, states);
    };
    return this.scheduler.run(context, keys, run, names);
  }

  /** Whether the versions that count to a transaction are known without asking the engine: they are noted in the state. */
  #knowsVersions({ led }: Acting, state: KeyState, startTs: bigint, isPresent: boolean): boolean {
    if (led === null) return false;
    state.versions ??= this.recent.versionsOf(state.name, led, startTs, isPresent);
    return state.versions !== null;
  }

  async #syncedIn(region: RegionDescription, term: number): Promise<void> {
    const regionId = region.id;
    if (this.leads.isSynced(regionId, term)) return;
    this.leads.ensure(region, term);
    const patience = new AbortController();
    const { clock, syncWaitMs = 2000 } = this.#options;
    await Promise.race([this.leads.synced(regionId, term), clock.sleep(syncWaitMs, patience.signal).catch(() => {})]);
    patience.abort();
    if (!this.leads.isSynced(regionId, term))
      throw new RegionError({ kind: "maxTimestampNotSynced" }, `region ${regionId} has no timestamp of its new term yet`);
  }
}

/** The writes that were noted so far are dropped: all or nothing. */
function nothing<T>(acting: Acting, answer: T): T {
  acting.changes.drop();
  return answer;
}

const atReplica = (context: RegionContext, readTs: bigint) => (context.replicaRead ? { ...context, readTs } : context);

const keysOf = (keys: readonly Uint8Array[]) => keys.map((key) => ({ key }));

function readOptions(context: kvrpcpb.Context | null, ts: bigint): ReadOptions {
  return {
    ts,
    ignoreLocks: context?.isolation_level === "RC",
    bypass: context?.resolved_locks ?? [],
    committed: context?.committed_locks ?? [],
  };
}

/** Empty bounds stay empty: from the beginning, to the end. */
function encodedRange(start: Uint8Array, end: Uint8Array): KeyRange {
  return { start: start.length === 0 ? start : encodeKey(start), end: end.length === 0 ? end : encodeKey(end) };
}

function clip(range: KeyRange, region: { readonly startKey: Uint8Array; readonly endKey: Uint8Array }): KeyRange {
  const start = compareBytes(range.start, region.startKey) < 0 ? region.startKey : range.start;
  const end =
    region.endKey.length > 0 && (range.end.length === 0 || compareBytes(range.end, region.endKey) > 0) ? region.endKey : range.end;
  return { start, end };
}

/** Piece by piece, so that no piece is large in the log. */
export async function removeRange(
  kv: RegionKv,
  context: RegionContext,
  family: "default" | "lock" | "write",
  range: KeyRange,
): Promise<void> {
  let { start } = range;
  for (;;) {
    context.signal?.throwIfAborted();
    let last: Uint8Array | null = null;
    let count = 0;
    let term: number;
    {
      using snapshot = await kv.snapshot(context);
      ({ term } = snapshot);
      for await (const block of snapshot.reader.scan(family, { start, end: range.end }, { limit: deleteBatch, keysOnly: true })) {
        count += block.length;
        last = block.at(-1)?.key ?? last;
      }
    }
    if (last === null) return;
    const end = after(last);
    await kv.write(context, term, [{ kind: "deleteRange", family, start, end }]);
    if (count < deleteBatch) return;
    start = end;
  }
}

function rollbackError(result: KeyError | { readonly committed: bigint }, startTs: bigint, state: KeyState): KeyError {
  if (!("committed" in result)) return result;
  return abort(
    `Txn(Mvcc(Committed { start_ts: TimeStamp(${startTs}), commit_ts: TimeStamp(${result.committed}), key: ${Buffer.from(state.userKey).toString("hex")} }))`,
  );
}

function deadlockError(edge: WaitEdge, deadlock: Deadlock): KeyError {
  return {
    deadlock: {
      lock_ts: edge.waitFor,
      lock_key: edge.key,
      deadlock_key_hash: deadlock.keyHash,
      deadlock_key: deadlock.key,
      wait_chain: deadlock.chain.map(({ txn, waitFor, keyHash, key }) => ({ txn, wait_for_txn: waitFor, key_hash: keyHash, key })),
    },
  };
}

function invalidTimestamp(ts: bigint): KeyError {
  return abort(`the timestamp ${ts} is far ahead of the placement driver's`);
}

function tooMuch(): { readonly error: KeyError; readonly pairs: KvPair[] } {
  const error = abort(`the answer would be over ${answerBytesMax} bytes: ask for fewer keys at once`);
  return { error, pairs: [{ error }] };
}
