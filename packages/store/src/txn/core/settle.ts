/** The second phase: commit, roll back, and what others do to find out, or to decide, what became of a transaction. */
import type { Input } from "@skein/rpc";
import type { kvrpcpb } from "../../wire/index.ts";
import {
  type Changes,
  hex,
  type KeyError,
  type KeyState,
  type LockInfo,
  lockedError,
  lockInfoOf,
  outcomeOf,
  retryable,
} from "./key-state.ts";
import { maxTs, physicalMs, sameBytes } from "./keys.ts";
import type { Lock } from "./records.ts";

const ownLock = (state: KeyState, startTs: bigint): Lock | null => (state.lock?.startTs === startTs ? state.lock : null);

/** Commits one key. Needs the versions only when the transaction's lock is not there. */
export function commitKey(state: KeyState, startTs: bigint, commitTs: bigint, changes: Changes): KeyError | null {
  const lock = ownLock(state, startTs);
  if (lock === null) {
    if (outcomeOf(state, startTs).kind === "committed") return null; // said before
    return retryable(
      `Txn(Mvcc(TxnLockNotFound { start_ts: TimeStamp(${startTs}), commit_ts: TimeStamp(${commitTs}), key: "${hex(state.userKey)}" }))`,
    );
  }
  if (commitTs < lock.minCommitTs)
    return {
      commit_ts_expired: { start_ts: startTs, attempted_commit_ts: commitTs, key: state.userKey, min_commit_ts: lock.minCommitTs },
    };
  if (lock.kind !== "pessimistic")
    changes.putWrite(state, commitTs, {
      kind: lock.kind,
      startTs,
      shortValue: lock.shortValue,
      overlappedRollback: lock.rollbackTs.includes(commitTs),
      gcFence: null,
      lastChange: null,
      source: lock.source,
    });
  changes.deleteLock(state); // a pessimistic one has nothing to commit
  return null;
}

/** Whether the decision of a rollback stands in the record of this key. */
function isDecidedHere(state: KeyState, lock: Lock): boolean {
  return lock.forUpdateTs !== 0n && sameBytes(lock.primary, state.userKey);
}

/**
 * Rolls one key back; `currentTs` not 0: only when its lock has outlived its time. Needs the versions. `committed` when it is
 * too late: the answer is the commit timestamp.
 */
export function rollBackKey(
  state: KeyState,
  startTs: bigint,
  options: { readonly currentTs: bigint; readonly protect: boolean },
  changes: Changes,
): KeyError | { readonly committed: bigint } | null {
  const lock = ownLock(state, startTs);
  if (lock !== null) {
    if (options.currentTs !== 0n && !isExpired(lock, options.currentTs)) return lockedError(state, lock);
    changes.rollBackLock(state, lock, options.protect || isDecidedHere(state, lock));
    return null;
  }
  const outcome = outcomeOf(state, startTs);
  if (outcome.kind === "committed") return { committed: outcome.commitTs };
  if (outcome.kind === "rolledBack") return null;
  // The prewrite may still be on its way: it must find that it is too late.
  changes.markRollbackOnLock(state, startTs);
  changes.putRollback(state, startTs, true);
  return null;
}

export function isExpired(lock: Lock, currentTs: bigint): boolean {
  return physicalMs(lock.startTs) + BigInt(lock.ttlMs) < physicalMs(currentTs);
}

export interface StatusOptions {
  readonly lockTs: bigint;
  readonly callerStartTs: bigint;
  readonly currentTs: bigint;
  readonly rollbackIfNotExist: boolean;
  readonly forceSyncCommit: boolean;
  readonly resolvingPessimisticLock: boolean;
  readonly verifyIsPrimary: boolean;
}

export type StatusAnswer = Pick<Input<kvrpcpb.CheckTxnStatusResponse>, "error" | "lock_ttl" | "commit_version" | "action" | "lock_info">;

/** What became of a transaction, by its primary; one that has outlived its time is rolled back. Needs the versions. */
export function checkStatus(state: KeyState, options: StatusOptions, changes: Changes): StatusAnswer {
  const lock = ownLock(state, options.lockTs);
  return lock === null ? statusWithoutLock(state, options, changes) : statusOfLock(state, lock, options, changes);
}

function statusOfLock(state: KeyState, lock: Lock, options: StatusOptions, changes: Changes): StatusAnswer {
  const { callerStartTs, currentTs } = options;
  if (options.verifyIsPrimary && !sameBytes(lock.primary, state.userKey))
    return { error: { primary_mismatch: { lock_info: lockInfoOf(state.userKey, lock) } } };
  if (lock.secondaries !== null && !options.forceSyncCommit) return alive(state, lock, "NoAction"); // its secondaries decide
  if (isExpired(lock, currentTs)) {
    if (options.resolvingPessimisticLock && lock.kind === "pessimistic") {
      changes.deleteLock(state);
      return { action: "TTLExpirePessimisticRollback" };
    }
    changes.rollBackLock(state, lock, true);
    return { action: "TTLExpireRollback" };
  }
  // A reader may pass a lock that can only be committed after it.
  let current = lock;
  if (lock.minCommitTs !== 0n && callerStartTs !== maxTs && callerStartTs >= lock.minCommitTs) {
    const minCommitTs = callerStartTs + 1n > currentTs ? callerStartTs + 1n : currentTs;
    current = { ...lock, minCommitTs };
    changes.putLock(state, current);
  }
  // A read at the end of time never waits for what is not committed yet.
  const isPassed = callerStartTs === maxTs || (callerStartTs !== 0n && current.minCommitTs > callerStartTs);
  return alive(state, current, isPassed ? "MinCommitTSPushed" : "NoAction");
}

function alive(state: KeyState, lock: Lock, action: kvrpcpb.Action): StatusAnswer {
  return { lock_ttl: lock.ttlMs, action, lock_info: lockInfoOf(state.userKey, lock) };
}

function statusWithoutLock(state: KeyState, options: StatusOptions, changes: Changes): StatusAnswer {
  const outcome = outcomeOf(state, options.lockTs);
  if (outcome.kind === "committed") return { commit_version: outcome.commitTs, action: "NoAction" };
  if (outcome.kind === "rolledBack") return { action: "NoAction" };
  if (!options.rollbackIfNotExist) return { error: { txn_not_found: { start_ts: options.lockTs, primary_key: state.userKey } } };
  if (options.resolvingPessimisticLock) return { action: "LockNotExistDoNothing" };
  changes.markRollbackOnLock(state, options.lockTs);
  changes.putRollback(state, options.lockTs, true);
  return { action: "LockNotExistRollback" };
}

export type SecondaryStatus =
  | { readonly kind: "locked"; readonly lock: LockInfo }
  | { readonly kind: "committed"; readonly commitTs: bigint }
  | { readonly kind: "rolledBack" };

/** Whether a secondary of an async commit is in place; one that is not is kept from ever being. Needs the versions. */
export function checkSecondary(state: KeyState, startTs: bigint, changes: Changes): SecondaryStatus {
  const lock = ownLock(state, startTs);
  if (lock !== null && lock.kind !== "pessimistic") return { kind: "locked", lock: lockInfoOf(state.userKey, lock) };
  if (lock !== null) {
    changes.rollBackLock(state, lock, true);
    return { kind: "rolledBack" };
  }
  const outcome = outcomeOf(state, startTs);
  if (outcome.kind === "committed") return outcome;
  if (outcome.kind === "none") {
    changes.markRollbackOnLock(state, startTs);
    changes.putRollback(state, startTs, true);
  }
  return { kind: "rolledBack" };
}

/** Lengthens the life of a primary's lock; answers the time that it has. */
export function heartBeat(
  state: KeyState,
  options: { readonly startTs: bigint; readonly ttlMs: number; readonly minCommitTs: bigint },
  changes: Changes,
): { readonly ttlMs: number } | { readonly error: KeyError } {
  const lock = ownLock(state, options.startTs);
  if (lock === null) return { error: { txn_not_found: { start_ts: options.startTs, primary_key: state.userKey } } };
  const ttlMs = Math.max(lock.ttlMs, options.ttlMs);
  const minCommitTs = lock.secondaries === null && options.minCommitTs > lock.minCommitTs ? options.minCommitTs : lock.minCommitTs;
  if (ttlMs !== lock.ttlMs || minCommitTs !== lock.minCommitTs) changes.putLock(state, { ...lock, ttlMs, minCommitTs });
  return { ttlMs };
}
