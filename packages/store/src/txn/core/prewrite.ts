/**
 * Prewrite: the first phase of a commit, or, when all is in one region (1PC), the whole of it.
 *
 * The commit timestamp of async commit and 1PC is chosen here: it is beyond everything that was read before (`maxTs`), and what
 * reads later meets the lock that the caller keeps in memory from this decision on until the writes are visible.
 */
import type { kvrpcpb } from "../../wire/index.ts";
import {
  abort,
  Changes,
  conflictError,
  exists,
  hex,
  isShort,
  type KeyError,
  type KeyState,
  lockedError,
  newestChange,
  outcomeOf,
  retryable,
} from "./key-state.ts";
import { sameBytes } from "./keys.ts";
import type { Lock, LockKind } from "./records.ts";

export interface PrewriteItem {
  readonly mutation: kvrpcpb.Mutation;
  readonly action: kvrpcpb.PrewriteRequestPessimisticAction;
  /** Of the pessimistic lock that must be there; null: any. */
  readonly expectedForUpdateTs: bigint | null;
  /** With the versions that `needsVersions` says. */
  readonly state: KeyState;
}

export interface PrewriteOptions {
  readonly primary: Uint8Array;
  readonly startTs: bigint;
  readonly ttlMs: number;
  readonly txnSize: number;
  /** 0: an optimistic transaction. */
  readonly forUpdateTs: bigint;
  readonly minCommitTs: bigint;
  /** 0: any. */
  readonly maxCommitTs: bigint;
  /** Null: no async commit. */
  readonly secondaries: readonly Uint8Array[] | null;
  readonly onePc: boolean;
  readonly assertionLevel: kvrpcpb.AssertionLevel;
  /** The newest timestamp that anything was read at. */
  readonly maxTs: bigint;
}

export interface Prewritten {
  readonly errors: readonly KeyError[];
  /** 0: the client must ask for a commit timestamp and commit. */
  readonly minCommitTs: bigint;
  /** Not 0: it is committed. */
  readonly onePcCommitTs: bigint;
  /** Readers must meet these until the writes are applied. */
  readonly memoryLocks: readonly { readonly key: Uint8Array; readonly lock: Lock }[];
}

const lockKinds: Partial<Record<kvrpcpb.Op, LockKind>> = { Put: "put", Insert: "put", Del: "delete", Lock: "lock" };

/** Which of `state.versions` must be there: `newer` are those from the start of the transaction on. */
export function needsVersions(
  mutation: kvrpcpb.Mutation,
  lock: Lock | null,
  startTs: bigint,
  assertionLevel: string,
): "none" | "newer" | "all" {
  if (lock !== null && lock.startTs !== startTs) return "newer"; // a repeated request may have been committed long ago
  if (lock !== null && lock.kind !== "pessimistic") return "none";
  if (mutation.op === "Insert" || mutation.op === "CheckNotExists") return "all";
  if (assertionLevel !== "Off") return lock === null || assertionLevel === "Strict" ? "all" : "none";
  return lock === null ? "newer" : "none";
}

export function prewrite(options: PrewriteOptions, items: readonly PrewriteItem[], changes: Changes): Prewritten {
  const { startTs, forUpdateTs } = options;
  const failed = (error: KeyError): Prewritten => ({ errors: [error], minCommitTs: 0n, onePcCommitTs: 0n, memoryLocks: [] });
  let isAsync = options.secondaries !== null;
  let onePc = options.onePc;
  let minCommitTs = options.minCommitTs > startTs ? options.minCommitTs : startTs + 1n;
  if (forUpdateTs >= minCommitTs) minCommitTs = forUpdateTs + 1n;
  if (options.maxTs >= minCommitTs) minCommitTs = options.maxTs + 1n;
  /** Of locks that an earlier try of this request left: others may have read it there, so it stands. */
  let promisedTs = 0n;
  let isNew = false;
  for (const { state, mutation } of items) {
    if (lockKinds[mutation.op] === undefined) continue;
    const own = state.lock?.startTs === startTs ? state.lock : null;
    if (own === null || own.kind === "pessimistic") {
      isNew = true;
      if (own !== null && own.minCommitTs > minCommitTs) minCommitTs = own.minCommitTs;
      continue;
    }
    onePc = false;
    if (own.secondaries === null) isAsync = false;
    if (own.minCommitTs > promisedTs) promisedTs = own.minCommitTs;
  }
  if (!isNew) minCommitTs = promisedTs;
  else if (promisedTs > minCommitTs) minCommitTs = promisedTs;
  if (options.maxCommitTs !== 0n && minCommitTs > options.maxCommitTs) {
    isAsync = false;
    onePc = false;
  }

  const errors: KeyError[] = [];
  for (const item of items) {
    const error = check(options, item);
    if (error === null) continue;
    const outcome = outcomeOf(item.state, startTs);
    if (outcome.kind === "committed") {
      // A repeated request, whatever mode the client is in by now: the first one has done it all.
      const minCommitTs = options.secondaries !== null && !options.onePc ? outcome.commitTs : 0n;
      return { errors: [], minCommitTs, onePcCommitTs: options.onePc ? outcome.commitTs : 0n, memoryLocks: [] };
    }
    // The client resolves locks together; anything else ends the attempt.
    if (!("locked" in error)) return failed(error);
    errors.push(error);
  }
  if (errors.length > 0) return { errors, minCommitTs: 0n, onePcCommitTs: 0n, memoryLocks: [] };

  const memoryLocks: { key: Uint8Array; lock: Lock }[] = [];
  for (const { state, mutation } of items) {
    const kind = lockKinds[mutation.op];
    if (kind === undefined) continue; // only checked
    const own = state.lock;
    const value = kind === "put" ? mutation.value : null;
    const shortValue = value !== null && isShort(value) ? value : null;
    if (own !== null && own.kind !== "pessimistic") {
      if (options.ttlMs > own.ttlMs) changes.putLock(state, { ...own, ttlMs: options.ttlMs });
      continue;
    }
    const requested = own !== null && own.minCommitTs > options.minCommitTs ? own.minCommitTs : options.minCommitTs;
    const lock: Lock = {
      kind,
      primary: options.primary,
      startTs,
      ttlMs: Math.max(options.ttlMs, own?.ttlMs ?? 0),
      shortValue,
      forUpdateTs,
      txnSize: options.txnSize,
      minCommitTs: isAsync || onePc ? minCommitTs : requested,
      secondaries: isAsync && !onePc ? (sameBytes(state.userKey, options.primary) ? (options.secondaries ?? []) : []) : null,
      rollbackTs: own?.rollbackTs ?? [],
      lastChange: null,
      source: 0n,
      lockedWithConflict: false,
      generation: 0n,
    };
    if (value !== null && shortValue === null) changes.putValue(state, startTs, value);
    if (isAsync || onePc) memoryLocks.push({ key: state.key, lock });
    if (!onePc) {
      changes.putLock(state, lock);
      continue;
    }
    changes.putWrite(state, minCommitTs, {
      kind: kind === "pessimistic" ? "lock" : kind,
      startTs,
      shortValue,
      overlappedRollback: lock.rollbackTs.includes(minCommitTs),
      gcFence: null,
      lastChange: null,
      source: 0n,
    });
    if (own !== null) changes.deleteLock(state);
  }
  return { errors, minCommitTs: isAsync && !onePc ? minCommitTs : 0n, onePcCommitTs: onePc ? minCommitTs : 0n, memoryLocks };
}

function check(options: PrewriteOptions, { mutation, action, expectedForUpdateTs, state }: PrewriteItem): KeyError | null {
  const { startTs, forUpdateTs } = options;
  const { lock } = state;
  const needsLock = action === "DO_PESSIMISTIC_CHECK";
  if (lockKinds[mutation.op] === undefined && mutation.op !== "CheckNotExists")
    return abort(`a mutation ${mutation.op} cannot be prewritten`);
  if (lock !== null && lock.startTs !== startTs) return needsLock ? lockNotFound(startTs, state) : lockedError(state, lock);
  const isLocked = lock?.kind === "pessimistic";
  if (lock !== null && !isLocked) return null;
  if (needsLock && !isLocked) return lockNotFound(startTs, state);
  if (isLocked && expectedForUpdateTs !== null && lock.forUpdateTs !== expectedForUpdateTs) return lockNotFound(startTs, state);
  if (!isLocked) {
    const conflict = conflictOf(state, options, forUpdateTs !== 0n && action !== "DO_CONSTRAINT_CHECK" ? forUpdateTs : startTs);
    if (conflict !== null) return conflict;
  }
  if ((mutation.op === "Insert" || mutation.op === "CheckNotExists") && exists(state)) return { already_exist: { key: state.userKey } };
  return options.assertionLevel === "Off" || state.versions === null ? null : assertion(mutation, state, startTs);
}

function conflictOf(state: KeyState, { startTs, primary }: PrewriteOptions, limit: bigint): KeyError | null {
  for (const version of state.versions ?? []) {
    const { commitTs, write } = version;
    if (commitTs < startTs) break;
    if (commitTs === startTs && (write.kind === "rollback" || write.overlappedRollback))
      return conflictError(state, { startTs, version, primary, reason: "SelfRolledBack" });
    if (commitTs > limit) return conflictError(state, { startTs, version, primary, reason: "Optimistic" });
  }
  return null;
}

function assertion(mutation: kvrpcpb.Mutation, state: KeyState, startTs: bigint): KeyError | null {
  const newest = newestChange(state);
  const isThere = newest?.write.kind === "put";
  if (mutation.assertion === (isThere ? "NotExist" : "Exist"))
    return {
      assertion_failed: {
        start_ts: startTs,
        key: state.userKey,
        assertion: mutation.assertion,
        existing_start_ts: newest?.write.startTs ?? 0n,
        existing_commit_ts: newest?.commitTs ?? 0n,
      },
    };
  return null;
}

function lockNotFound(startTs: bigint, state: KeyState): KeyError {
  return retryable(`PessimisticLockNotFound { start_ts: TimeStamp(${startTs}), key: "${hex(state.userKey)}" }`);
}
