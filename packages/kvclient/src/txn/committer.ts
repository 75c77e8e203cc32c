/**
 * The commit of one transaction's mutations.
 *
 *   all in one region ─ prewrite that commits (1PC)
 *   few keys          ─ prewrite everywhere; committed once all is locked (async commit); the locks are settled behind the answer
 *   else              ─ prewrite everywhere, then the primary: committed with it (2PC); the secondaries are settled behind the answer
 *
 * A store may say no to the first two ways; then it is the third.
 */
import { compareBytes, type World } from "@skein/base";
import type { PdClient } from "@skein/placement/client";
import type { Input } from "@skein/rpc";
import type { kvrpcpb } from "@skein/store/wire";
import { forEachOf } from "../concurrency.ts";
import type { CachedRegion } from "../core/region-index.ts";
import { kvErrors } from "../errors.ts";
import { Patience } from "../patience.ts";
import { batchesOf } from "../raw/raw-client.ts";
import { moved, type RegionRequests } from "../regions/region-requests.ts";
import type { LockResolver } from "./lock-resolver.ts";

export interface Mutation {
  readonly op: "Put" | "Del" | "Lock" | "Insert" | "CheckNotExists";
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** The transaction holds the pessimistic lock of the key. */
  readonly isLocked: boolean;
}

export interface CommitPlan {
  readonly startTs: bigint;
  /** 0 in an optimistic transaction. */
  readonly forUpdateTs: bigint;
  /** By key. */
  readonly mutations: readonly Mutation[];
  readonly primary: Uint8Array;
  readonly lockTtlMs: number;
  readonly tryAsyncCommit: boolean;
  readonly tryOnePhase: boolean;
  readonly patienceMs: number;
  /** Of the caller, or the client's: what goes on behind the answer does not end with it. */
  readonly signal: AbortSignal;
}

export interface CommitTools {
  readonly world: World;
  readonly pd: PdClient;
  readonly requests: RegionRequests;
  readonly resolver: LockResolver;
  readonly closing: AbortSignal;
  /** For what may go on behind the answer. */
  readonly background: (work: Promise<void>) => void;
}

const asyncKeysMax = 256;
const asyncKeyBytesMax = 4096;
const concurrencyMax = 16;
/** A schema change, or a store that hangs, must not let a commit timestamp come true long after. */
const commitWindowMs = 2000n;
const physicalShift = 18n;

interface Prewritten {
  isAsync: boolean;
  /** Of async commit; the largest of all regions. */
  minCommitTs: bigint;
  onePhaseTs: bigint;
}

export class Committer {
  private readonly tools: CommitTools;
  private readonly plan: CommitPlan;
  private readonly patience: Patience;
  /** Whether a prewrite may have arrived without an answer. */
  private isUnknown = false;
  /** With which stores decided that the transaction must not be committed; several of one try may. */
  private readonly verdicts = new Set<unknown>();

  constructor(tools: CommitTools, plan: CommitPlan) {
    this.tools = tools;
    this.plan = plan;
    this.patience = new Patience(tools.world, "a commit", plan.patienceMs, plan.signal);
  }

  /** The commit timestamp; null when all of it were checks. Rejects with `writeConflict`, `alreadyExists`, `transactionLost`, `resultUndetermined`, …; then it is rolled back or undetermined. */
  async commit(): Promise<bigint | null> {
    const { plan, tools } = this;
    let state: Prewritten;
    try {
      state = await this.prewriteAll();
    } catch (error) {
      if (kvErrors.resultUndetermined.is(error)) throw error;
      const mayBeCommitted = this.isUnknown && (plan.tryAsyncCommit || plan.tryOnePhase) && !this.verdicts.has(error);
      if (mayBeCommitted) throw kvErrors.resultUndetermined([plan.startTs], error);
      tools.background(this.rollback());
      throw error;
    }
    if (this.keys().length === 0) return null;
    if (state.onePhaseTs > 0n) return state.onePhaseTs;
    if (state.isAsync) {
      tools.background(this.commitKeys(this.keys(), state.minCommitTs));
      return state.minCommitTs;
    }
    const commitTs = await this.commitPrimary();
    const secondaries = this.keys().filter((key) => compareBytes(key, plan.primary) !== 0);
    if (secondaries.length > 0) tools.background(this.commitKeys(secondaries, commitTs));
    return commitTs;
  }

  /** Takes away what was locked for the commit. */
  async rollback(): Promise<void> {
    const patience = new Patience(this.tools.world, "a rollback", 20_000, this.tools.closing);
    await this.inRegions(this.keys(), patience, async (region, keys) => {
      const request = { start_version: this.plan.startTs, keys };
      return await this.settled(patience, () => this.tools.requests.command(region, "BatchRollback", request, patience));
    });
  }

  /** Those that leave a lock. */
  private keys(): readonly Uint8Array[] {
    return this.plan.mutations.filter(({ op }) => op !== "CheckNotExists").map(({ key }) => key);
  }

  private async prewriteAll(): Promise<Prewritten> {
    const { plan, tools, patience } = this;
    const groups = await tools.requests.regions.group(plan.mutations, ({ key }) => key, patience);
    const keyBytes = plan.mutations.reduce((sum, { key }) => sum + key.length, 0);
    const tryOnePhase = plan.tryOnePhase && groups.size === 1 && batchesOf(plan.mutations, sizeOf).length === 1;
    const tryAsync = plan.tryAsyncCommit && plan.mutations.length <= asyncKeysMax && keyBytes <= asyncKeyBytesMax;
    let minCommitTs = (plan.forUpdateTs > plan.startTs ? plan.forUpdateTs : plan.startTs) + 1n;
    // What was committed before this commit began must be before it in time, whichever store it was on.
    if (tryAsync || tryOnePhase) minCommitTs = (await patience.race(tools.pd.tso())) + 1n;
    const state: Prewritten = { isAsync: tryAsync, minCommitTs: 0n, onePhaseTs: 0n };
    const common: Input<kvrpcpb.PrewriteRequest> = {
      primary_lock: plan.primary,
      start_version: plan.startTs,
      lock_ttl: plan.lockTtlMs,
      for_update_ts: plan.forUpdateTs,
      min_commit_ts: minCommitTs,
      ...(tryAsync || tryOnePhase ? { max_commit_ts: minCommitTs + (commitWindowMs << physicalShift) } : {}),
      use_async_commit: tryAsync,
      try_one_pc: tryOnePhase,
    };
    let left: readonly Mutation[] = plan.mutations;
    for (let round = 0; left.length > 0; round++) {
      const again: Mutation[] = [];
      const batches = [...(await tools.requests.regions.group(left, ({ key }) => key, patience))].flatMap(([region, group]) =>
        batchesOf(group, sizeOf).map((batch) => ({ region, batch })),
      );
      const isOnePhase = tryOnePhase && batches.length === 1;
      await forEachOf(batches, concurrencyMax, async ({ region, batch }) => {
        if (!(await this.prewrite(region, batch, { ...common, try_one_pc: isOnePhase }, state))) again.push(...batch);
      });
      left = again;
    }
    return state;
  }

  /** False when the region moved. */
  private async prewrite(
    region: CachedRegion,
    batch: readonly Mutation[],
    common: Input<kvrpcpb.PrewriteRequest>,
    state: Prewritten,
  ): Promise<boolean> {
    const { plan, tools, patience } = this;
    const hasPrimary = batch.some(({ key }) => compareBytes(key, plan.primary) === 0);
    const context: { is_retry_request?: boolean } = {};
    const request = {
      ...common,
      mutations: batch.map(({ op, key, value }) => ({ op, key, value })),
      pessimistic_actions: plan.forUpdateTs === 0n ? [] : batch.map(pessimisticAction),
      txn_size: batch.length,
      secondaries: common.use_async_commit === true && hasPrimary ? this.keys().filter((key) => compareBytes(key, plan.primary) !== 0) : [],
    };
    for (;;) {
      const answer = await tools.requests.command(region, "Prewrite", request, patience, {
        context,
        onUnknown: () => {
          this.isUnknown = true;
          context.is_retry_request = true;
        },
      });
      if (answer === moved) return false;
      if (answer.errors.length === 0) {
        if (answer.one_pc_commit_ts > 0n) state.onePhaseTs = answer.one_pc_commit_ts;
        else if (answer.min_commit_ts === 0n) state.isAsync = false;
        else if (answer.min_commit_ts > state.minCommitTs) state.minCommitTs = answer.min_commit_ts;
        return true;
      }
      const locks: kvrpcpb.LockInfo[] = [];
      let failure: Error | null = null;
      for (const error of answer.errors) {
        // Its own commit, of a prewrite whose answer was lost.
        if (this.isUnknown && error.conflict?.conflict_ts === plan.startTs && error.conflict.reason !== "SelfRolledBack")
          throw kvErrors.resultUndetermined([plan.startTs], keyError(error, plan.startTs));
        if (error.locked !== null) {
          locks.push(error.locked);
          continue;
        }
        const refusal = this.refused(error);
        if (this.verdicts.has(refusal) || !this.isUnknown) throw refusal;
        failure = refusal;
      }
      if (failure !== null) {
        await patience.wait("store", failure);
        continue;
      }
      const { waitMs } = await tools.resolver.resolve(locks, 0n, patience);
      const first = locks[0];
      if (waitMs > 0 && first !== undefined) await patience.wait("lock", kvErrors.lockWaitTimedOut([first.key, first.lock_version]));
    }
  }

  /** The point at which a transaction in two phases is committed. */
  private async commitPrimary(): Promise<bigint> {
    const { plan, tools, patience } = this;
    let isUnknown = false;
    const onUnknown = () => {
      isUnknown = true;
    };
    try {
      for (let commitTs = await patience.race(tools.pd.tso()); ; ) {
        const region = await tools.requests.regions.locate(plan.primary, patience);
        const request = { start_version: plan.startTs, keys: [plan.primary], commit_version: commitTs };
        const answer = await tools.requests.command(region, "Commit", request, patience, { onUnknown });
        if (answer === moved) continue;
        if (answer.error === null) return answer.commit_version > 0n ? answer.commit_version : commitTs;
        if (answer.error.commit_ts_expired !== null) {
          // A reader moved the earliest time of this commit past the one that was asked for: nothing was written yet.
          isUnknown = false;
          commitTs = await patience.race(tools.pd.tso());
          continue;
        }
        const error = this.refused(answer.error);
        if (!this.verdicts.has(error) && isUnknown) {
          await patience.wait("store", error);
          continue;
        }
        isUnknown = false;
        throw error;
      }
    } catch (error) {
      if (isUnknown) throw kvErrors.resultUndetermined([plan.startTs], error);
      tools.background(this.rollback());
      throw error;
    }
  }

  /**
   * A store that failed says so in the words of a refusal, which is no verdict: what an earlier try did is as unknown as before, and
   * only who asks again learns it.
   */
  private refused(error: kvrpcpb.KeyError): Error {
    const refusal = keyError(error, this.plan.startTs);
    if (error.abort === "") this.verdicts.add(refusal);
    return refusal;
  }

  /** What is left undone is settled by whoever meets the locks. */
  private async commitKeys(keys: readonly Uint8Array[], commitTs: bigint): Promise<void> {
    const patience = new Patience(this.tools.world, "the commit of secondaries", 20_000, this.tools.closing);
    await this.inRegions(keys, patience, async (region, batch) => {
      const request = { start_version: this.plan.startTs, keys: batch, commit_version: commitTs };
      return await this.settled(patience, () => this.tools.requests.command(region, "Commit", request, patience));
    });
  }

  /** False when the region moved. A store that failed is asked again: others would wait for as long as the locks may live. */
  private async settled(
    patience: Patience,
    ask: () => Promise<{ readonly error: kvrpcpb.KeyError | null } | typeof moved>,
  ): Promise<boolean> {
    for (;;) {
      const answer = await ask();
      if (answer === moved) return false;
      if (answer.error === null || answer.error.abort === "") return true;
      await patience.wait("store", keyError(answer.error, this.plan.startTs));
    }
  }

  private async inRegions(
    keys: readonly Uint8Array[],
    patience: Patience,
    run: (region: CachedRegion, keys: readonly Uint8Array[]) => Promise<boolean>,
  ): Promise<void> {
    let left = keys;
    while (left.length > 0) {
      const again: Uint8Array[] = [];
      const batches = [...(await this.tools.requests.regions.group(left, (key) => key, patience))].flatMap(([region, group]) =>
        batchesOf(group, (key) => key.length).map((batch) => ({ region, batch })),
      );
      await forEachOf(batches, concurrencyMax, async ({ region, batch }) => {
        if (!(await run(region, batch))) again.push(...batch);
      });
      left = again;
    }
  }
}

/** What was written without its lock is checked as in an optimistic transaction: nobody may have changed it since the start. */
const pessimisticAction = ({ isLocked }: Mutation): "DO_PESSIMISTIC_CHECK" | "DO_CONSTRAINT_CHECK" =>
  isLocked ? "DO_PESSIMISTIC_CHECK" : "DO_CONSTRAINT_CHECK";
const sizeOf = ({ key, value }: Mutation) => key.length + value.length;

/** A store's word on a key, as an error of this client. */
export function keyError(error: kvrpcpb.KeyError, startTs: bigint): Error {
  const { conflict, already_exist, deadlock, txn_not_found, assertion_failed } = error;
  if (conflict !== null) return kvErrors.writeConflict([conflict.key, startTs, conflict.conflict_commit_ts || conflict.conflict_ts]);
  if (already_exist !== null) return kvErrors.alreadyExists([already_exist.key]);
  if (deadlock !== null) return kvErrors.deadlock([deadlock.lock_key, deadlock.lock_ts]);
  if (txn_not_found !== null) return kvErrors.transactionLost([startTs, "its primary is gone"]);
  if (assertion_failed !== null) return kvErrors.refused(["a write", "an assertion failed"]);
  if (error.retryable !== "") return kvErrors.transactionLost([startTs, error.retryable]);
  return kvErrors.transactionLost([startTs, error.abort || "the store gave no reason"]);
}
