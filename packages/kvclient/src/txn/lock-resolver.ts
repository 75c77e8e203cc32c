/**
 * Locks of other transactions: finds out at their primary what became of the transaction, and settles what it left.
 *
 *   lock ─ CheckTxnStatus(primary) ─┬─ committed, rolled back ─ ResolveLock: the lock is gone
 *                                   ├─ alive ─ readers before its commit pass it; others wait
 *                                   └─ async commit, expired ─ CheckSecondaryLocks decides ─ ResolveLock
 */
import type { World } from "@skein/base";
import type { PdClient } from "@skein/placement/client";
import type { kvrpcpb } from "@skein/store/wire";
import { forEachOf } from "../concurrency.ts";
import { mapKey } from "../core/keys.ts";
import type { CachedRegion } from "../core/region-index.ts";
import { kvErrors } from "../errors.ts";
import { Patience } from "../patience.ts";
import { moved, type RegionRequests } from "../regions/region-requests.ts";

/** What became of a transaction. `alive` has the milliseconds until others may end it. */
export type TxnFate =
  | { readonly kind: "committed"; readonly commitTs: bigint }
  | { readonly kind: "rolledBack" }
  | { readonly kind: "alive"; readonly leftMs: number; readonly isPassable: boolean };

export interface ResolveResult {
  /** Until the first lock that stands may be gone; 0: none stands. */
  readonly waitMs: number;
  /** Transactions whose locks a reader at its timestamp may pass. */
  readonly passable: readonly bigint[];
}

const fatesMax = 4096;
const physicalShift = 18n;
/** By which every lock's time is over. */
const endOfTime = 0xffff_ffff_ffff_ffffn;
/** Beyond so many keys a whole region is resolved rather than the keys. */
const smallTxnKeysMax = 16;

export class LockResolver {
  private readonly world: World;
  private readonly pd: PdClient;
  private readonly requests: RegionRequests;
  private readonly closing: AbortSignal;
  /**
   * Settled ones only: they stay as they are. By start and primary: a pessimistic transaction whose first locks failed may have
   * chosen another primary, and what is true of the one says nothing of the other. The oldest are forgotten.
   */
  private readonly fates = new Map<string, TxnFate>();

  constructor(world: World, pd: PdClient, requests: RegionRequests, closing: AbortSignal) {
    this.world = world;
    this.pd = pd;
    this.requests = requests;
    this.closing = closing;
  }

  /**
   * Deals with locks that stand in the way. `readTs` is the reader's timestamp; 0 for a writer, whom every living lock holds up.
   * Those that are dead are gone when it resolves.
   */
  async resolve(locks: readonly kvrpcpb.LockInfo[], readTs: bigint, patience: Patience): Promise<ResolveResult> {
    const passable: bigint[] = [];
    let waitMs = 0;
    const byTxn = new Map<string, kvrpcpb.LockInfo[]>();
    for (const lock of locks) {
      // What becomes of pessimistic locks is asked otherwise.
      const name = `${lock.lock_type === "PessimisticLock"} ${nameOf(lock)}`;
      const group = byTxn.get(name);
      if (group === undefined) byTxn.set(name, [lock]);
      else group.push(lock);
    }
    for (const group of byTxn.values()) {
      const first = group[0] as kvrpcpb.LockInfo;
      const fate = await this.fateOf(first, readTs, patience);
      if (fate.kind !== "alive") await this.settle(group, fate, patience);
      else if (fate.isPassable) passable.push(first.lock_version);
      else waitMs = waitMs === 0 ? fate.leftMs : Math.min(waitMs, fate.leftMs);
    }
    return { waitMs, passable };
  }

  /** `endsAtTs` is the time to judge by, and a transaction that is over by then is ended for good; default: now, and not for good. */
  private async fateOf(lock: kvrpcpb.LockInfo, readTs: bigint, patience: Patience, endsAtTs?: bigint): Promise<TxnFate> {
    const startTs = lock.lock_version;
    const known = this.fates.get(nameOf(lock));
    if (known !== undefined) return known;
    const currentTs = endsAtTs ?? (await this.pd.tso());
    const mayLockAgain = endsAtTs === undefined && lock.lock_type === "PessimisticLock";
    let isForced = false;
    for (;;) {
      const isExpired = leftMs(lock, currentTs) <= 0;
      const status = await this.status(lock, readTs, currentTs, { isExpired, isForced, mayLockAgain }, patience);
      if (status === null) {
        // The primary is not written yet: its client is at work, or died before.
        if (isExpired) continue;
        return { kind: "alive", leftMs: Math.min(leftMs(lock, currentTs), 100), isPassable: false };
      }
      if (status.commit_version > 0n) return this.remember(lock, { kind: "committed", commitTs: status.commit_version });
      const primary = status.lock_info;
      if (status.lock_ttl === 0) {
        // Pessimistic locks may be taken away without a record: their transaction may lock again.
        const isRecorded = status.action !== "LockNotExistDoNothing" && status.action !== "TTLExpirePessimisticRollback";
        return isRecorded ? this.remember(lock, { kind: "rolledBack" }) : { kind: "rolledBack" };
      }
      const left = physicalOf(startTs) + status.lock_ttl - physicalOf(currentTs);
      if (primary !== null && primary.use_async_commit && !isForced && left <= 0) {
        const fate = await this.fateOfAsyncCommit(primary, patience);
        if (fate !== null) return this.remember(lock, fate);
        // Some of it was written in two phases after all: the primary decides.
        isForced = true;
        continue;
      }
      const isPassable = readTs > 0n && (status.action === "MinCommitTSPushed" || (primary !== null && primary.min_commit_ts > readTs));
      return { kind: "alive", leftMs: Math.max(left, 1), isPassable };
    }
  }

  /** Null: neither the lock nor a record of the transaction is at its primary. */
  private async status(
    lock: kvrpcpb.LockInfo,
    readTs: bigint,
    currentTs: bigint,
    options: { readonly isExpired: boolean; readonly isForced: boolean; readonly mayLockAgain: boolean },
    patience: Patience,
  ): Promise<kvrpcpb.CheckTxnStatusResponse | null> {
    const request = {
      primary_key: lock.primary_lock,
      lock_ts: lock.lock_version,
      caller_start_ts: readTs,
      current_ts: currentTs,
      rollback_if_not_exist: options.isExpired,
      force_sync_commit: options.isForced,
      resolving_pessimistic_lock: options.mayLockAgain,
      verify_is_primary: true,
    };
    for (;;) {
      const region = await this.requests.regions.locate(lock.primary_lock, patience);
      const answer = await this.requests.command(region, "CheckTxnStatus", request, patience);
      if (answer === moved) continue;
      if (answer.error === null) return answer;
      if (answer.error.txn_not_found !== null) return null;
      if (answer.error.locked !== null) {
        await patience.wait("lock", kvErrors.refused(["a look at a transaction", "its primary is locked by another"]));
        continue;
      }
      // The lock names a key that is not its transaction's primary: what it says is worth nothing.
      if (answer.error.primary_mismatch !== null)
        return { ...answer, error: null, lock_ttl: 0, commit_version: 0n, action: "LockNotExistDoNothing" };
      throw kvErrors.refused(["a look at a transaction", answer.error.abort || answer.error.retryable || "for no reason"]);
    }
  }

  /** By its secondaries: null when one of them was not locked for an async commit. */
  private async fateOfAsyncCommit(primary: kvrpcpb.LockInfo, patience: Patience): Promise<TxnFate | null> {
    let commitTs = primary.min_commit_ts;
    let isMissing = false;
    let recordedTs = 0n;
    let isMixed = false;
    let left: readonly Uint8Array[] = primary.secondaries;
    while (left.length > 0) {
      const again: Uint8Array[] = [];
      await forEachOf(await this.requests.regions.group(left, (key) => key, patience), 8, async ([region, keys]) => {
        const request = { keys, start_version: primary.lock_version };
        const answer = await this.requests.command(region, "CheckSecondaryLocks", request, patience);
        if (answer === moved) return void again.push(...keys);
        if (answer.error !== null) throw kvErrors.refused(["a look at secondary locks", answer.error.abort || answer.error.retryable]);
        for (const lock of answer.locks) {
          if (!lock.use_async_commit) isMixed = true;
          if (lock.min_commit_ts > commitTs) commitTs = lock.min_commit_ts;
        }
        if (answer.commit_ts > 0n) recordedTs = answer.commit_ts;
        else if (answer.locks.length < keys.length) isMissing = true;
      });
      left = again;
    }
    if (recordedTs > 0n) return { kind: "committed", commitTs: recordedTs };
    if (isMissing) {
      // The store wrote a rollback at the missing secondary; the primary must follow.
      return { kind: "rolledBack" };
    }
    return isMixed ? null : { kind: "committed", commitTs };
  }

  /** Commits or rolls back locks of one transaction; its primary too when that waits for the decision. */
  private async settle(locks: readonly kvrpcpb.LockInfo[], fate: TxnFate, patience: Patience): Promise<void> {
    const [first] = locks;
    if (first === undefined) return;
    const pessimistic = locks.filter(({ lock_type }) => lock_type === "PessimisticLock");
    const others = locks.filter(({ lock_type }) => lock_type !== "PessimisticLock");
    const isSmall = first.txn_size > 0 && first.txn_size <= smallTxnKeysMax && locks.length <= smallTxnKeysMax;
    const keys = new Map<string, Uint8Array>();
    for (const lock of others)
      for (const key of lock.use_async_commit ? [lock.primary_lock, ...lock.secondaries, lock.key] : [lock.key]) keys.set(mapKey(key), key);
    const isAsync = others.some(({ use_async_commit }) => use_async_commit);
    await this.inRegions([...keys.values()], patience, async (region, group) => {
      const answer = await this.requests.command(
        region,
        "ResolveLock",
        {
          start_version: first.lock_version,
          commit_version: fate.kind === "committed" ? fate.commitTs : 0n,
          // Of a large transaction all that is in the region: who comes next would meet it.
          ...(isSmall || isAsync ? { keys: group } : {}),
        },
        patience,
      );
      if (answer === moved) return false;
      if (answer.error !== null) throw kvErrors.refused(["the end of a transaction", answer.error.abort || answer.error.retryable]);
      return true;
    });
    const forUpdateTs = pessimistic.reduce((latest, lock) => (lock.lock_for_update_ts > latest ? lock.lock_for_update_ts : latest), 0n);
    await this.inRegions(
      pessimistic.map(({ key }) => key),
      patience,
      async (region, group) => {
        const request = { start_version: first.lock_version, for_update_ts: forUpdateTs, keys: group };
        return (await this.requests.command(region, "PessimisticRollback", request, patience)) !== moved;
      },
    );
  }

  private async inRegions(
    keys: readonly Uint8Array[],
    patience: Patience,
    run: (region: CachedRegion, keys: readonly Uint8Array[]) => Promise<boolean>,
  ): Promise<void> {
    let left = keys;
    while (left.length > 0) {
      const again: Uint8Array[] = [];
      await forEachOf(await this.requests.regions.group(left, (key) => key, patience), 8, async ([region, group]) => {
        if (!(await run(region, group))) again.push(...group);
      });
      left = again;
    }
  }

  /** For garbage collection: settles all locks that are older than `safePoint`. Counts them. */
  async resolveAllBefore(safePoint: bigint): Promise<number> {
    const scanMax = 1024;
    let count = 0;
    const patience = () => new Patience(this.world, "the settling of old locks", 120_000, this.closing);
    let waiting = patience();
    for (let from = new Uint8Array(0); ; ) {
      const region = await this.requests.regions.locate(from, patience());
      const request = { max_version: safePoint, start_key: from, end_key: region.endKey, limit: scanMax };
      const answer = await this.requests.command(region, "ScanLock", request, patience());
      if (answer === moved) continue;
      const held = answer.error?.locked ?? null;
      if (held !== null) {
        // It is about to be written, and is not in the region yet.
        await waiting.wait("lockFast", kvErrors.lockWaitTimedOut([held.key, held.lock_version]));
        continue;
      }
      if (answer.error !== null) throw kvErrors.refused(["a scan of locks", answer.error.abort || answer.error.retryable]);
      waiting = patience();
      for (const lock of answer.locks) {
        const fate = await this.fateBefore(lock, patience());
        await this.settle([lock], fate, patience());
        count++;
      }
      if (answer.locks.length >= scanMax) continue;
      if (region.endKey.length === 0) return count;
      from = region.endKey as Uint8Array<ArrayBuffer>;
    }
  }

  /**
   * Of a transaction that has had its time: one that still lives is ended, on record. Were its lock only taken away, it could lock
   * again, and write what it made of a value that another has changed meanwhile.
   */
  private async fateBefore(lock: kvrpcpb.LockInfo, patience: Patience): Promise<TxnFate> {
    for (;;) {
      const fate = await this.fateOf(lock, 0n, patience, endOfTime);
      if (fate.kind !== "alive") return fate;
      await patience.wait("lock", kvErrors.lockWaitTimedOut([lock.key, lock.lock_version]), Math.min(fate.leftMs, 1000));
    }
  }

  private remember(lock: kvrpcpb.LockInfo, fate: TxnFate): TxnFate {
    this.fates.set(nameOf(lock), fate);
    if (this.fates.size > fatesMax) {
      const oldest = this.fates.keys().next();
      if (oldest.done !== true) this.fates.delete(oldest.value);
    }
    return fate;
  }
}

const nameOf = (lock: kvrpcpb.LockInfo) => `${lock.lock_version} ${mapKey(lock.primary_lock)}`;

function physicalOf(timestamp: bigint): number {
  return Number(timestamp >> physicalShift);
}

function leftMs(lock: kvrpcpb.LockInfo, currentTs: bigint): number {
  return physicalOf(lock.lock_version) + lock.lock_ttl - physicalOf(currentTs);
}
