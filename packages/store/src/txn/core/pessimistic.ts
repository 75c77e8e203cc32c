/** Locks that a transaction takes before it knows what it will write. */
import { abort, Changes, conflictError, exists, hex, type KeyError, type KeyState, lockedError, retryable } from "./key-state.ts";
import type { Lock } from "./records.ts";

export interface PessimisticOptions {
  readonly primary: Uint8Array;
  readonly startTs: bigint;
  readonly forUpdateTs: bigint;
  readonly ttlMs: number;
  readonly minCommitTs: bigint;
  readonly lockOnlyIfExists: boolean;
  /** Asks to be told of a newer version than `forUpdateTs`, and not to be refused for it. */
  readonly isForced: boolean;
  /** Locks although there is a newer version, and says which: for those who waited in line. */
  readonly allowConflict: boolean;
}

export type PessimisticOutcome =
  | { readonly kind: "error"; readonly error: KeyError; readonly lock: Lock | null }
  | {
      readonly kind: "locked";
      readonly exists: boolean;
      /** 0: none. */
      readonly conflictTs: bigint;
    };

/** Needs the versions, and `state.value` when the value is asked for. */
export function lockKey(state: KeyState, shouldNotExist: boolean, options: PessimisticOptions, changes: Changes): PessimisticOutcome {
  const { startTs, forUpdateTs, primary } = options;
  const { lock } = state;
  const failed = (error: KeyError, lock: Lock | null = null): PessimisticOutcome => ({ kind: "error", error, lock });
  if (lock !== null && lock.startTs !== startTs) return failed(lockedError(state, lock), lock);
  if (lock !== null) {
    if (lock.kind !== "pessimistic")
      return failed(abort(`LockTypeNotMatch { start_ts: TimeStamp(${startTs}), key: "${hex(state.userKey)}", pessimistic: false }`));
    // Asked again, or for a newer read.
    if (forUpdateTs > lock.forUpdateTs)
      changes.putLock(state, {
        ...lock,
        primary,
        forUpdateTs,
        ttlMs: Math.max(lock.ttlMs, options.ttlMs),
        minCommitTs: options.minCommitTs > lock.minCommitTs ? options.minCommitTs : lock.minCommitTs,
      });
    if (shouldNotExist && exists(state)) return failed({ already_exist: { key: state.userKey } });
    // An earlier try took it beside a newer version, and its answer may have been lost.
    const hasConflict = options.isForced && forUpdateTs < lock.forUpdateTs;
    return { kind: "locked", exists: exists(state), conflictTs: hasConflict ? lock.forUpdateTs : 0n };
  }
  let conflictTs = 0n;
  for (const version of state.versions ?? []) {
    const { commitTs, write } = version;
    if (commitTs < startTs) break;
    if (commitTs === startTs && (write.kind === "rollback" || write.overlappedRollback))
      return failed(retryable(`PessimisticLockRolledBack { start_ts: TimeStamp(${startTs}), key: "${hex(state.userKey)}" }`));
    if (commitTs <= forUpdateTs) continue;
    if (!options.allowConflict) return failed(conflictError(state, { startTs, version, primary, reason: "PessimisticRetry" }));
    if (conflictTs === 0n) conflictTs = commitTs;
  }
  const isThere = exists(state);
  if (shouldNotExist && isThere) return failed({ already_exist: { key: state.userKey } });
  if (options.lockOnlyIfExists && !isThere) return { kind: "locked", exists: false, conflictTs: 0n };
  changes.putLock(state, {
    kind: "pessimistic",
    primary,
    startTs,
    ttlMs: options.ttlMs,
    shortValue: null,
    forUpdateTs: conflictTs > forUpdateTs ? conflictTs : forUpdateTs,
    txnSize: 0,
    minCommitTs: options.minCommitTs,
    secondaries: null,
    rollbackTs: [],
    lastChange: null,
    source: 0n,
    lockedWithConflict: conflictTs !== 0n,
    generation: 0n,
  });
  return { kind: "locked", exists: isThere, conflictTs };
}

/** Takes back a lock of this or an earlier statement; nothing else. */
export function unlockKey(state: KeyState, startTs: bigint, forUpdateTs: bigint, changes: Changes): void {
  const { lock } = state;
  if (lock !== null && lock.kind === "pessimistic" && lock.startTs === startTs && lock.forUpdateTs <= forUpdateTs)
    changes.deleteLock(state);
}
