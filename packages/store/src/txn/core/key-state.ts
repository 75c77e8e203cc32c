/**
 * What an action looks at and changes: one key's lock and versions. Whoever calls an action has loaded them; an action changes
 * the state in place and notes the writes, so that later actions of the same command see what earlier ones did.
 */
import type { Input } from "@skein/rpc";
import type { RegionWrite } from "../../region-kv.ts";
import type { kvrpcpb } from "../../wire/index.ts";
import { versionKey } from "./keys.ts";
import { encodeLock, encodeWrite, isProtected, type Lock, rollbackRecord, shortValueBytesMax, type Write } from "./records.ts";

export type KeyError = Input<kvrpcpb.KeyError>;
export type LockInfo = Input<kvrpcpb.LockInfo>;

export interface Version {
  readonly commitTs: bigint;
  readonly write: Write;
}

export interface KeyState {
  readonly userKey: Uint8Array;
  /** Memcomparable. */
  readonly key: Uint8Array;
  /** The same as a key of a Map. */
  readonly name: string;
  lock: Lock | null;
  /**
   * Newest first: all that were committed at or after the start of the transaction, and older ones down to the first put or
   * delete. Null when they were not loaded; each action says when it needs them.
   */
  versions: Version[] | null;
  /** Of the newest put, when it was asked for. */
  value?: Uint8Array | null;
  /** Whether changes were noted. */
  isChanged?: boolean;
}

/** A record of the family `write` among the changes. */
export interface NotedWrite {
  readonly state: KeyState;
  readonly commitTs: bigint;
  readonly write: Write;
  /** Of a version that was there. */
  readonly isAgain: boolean;
}

export class Changes {
  readonly writes: RegionWrite[] = [];
  readonly noted: NotedWrite[] = [];
  /** Keys whose locks change, or that get records. */
  readonly states: KeyState[] = [];
  /** Locks that go. */
  readonly unlocked: Uint8Array[] = [];

  /** All or nothing: what was noted so far does not take place. */
  drop(): void {
    this.writes.length = 0;
    this.noted.length = 0;
    this.states.length = 0;
    this.unlocked.length = 0;
  }

  #note(state: KeyState): void {
    if (state.isChanged === true) return;
    state.isChanged = true;
    this.states.push(state);
  }

  putLock(state: KeyState, lock: Lock): void {
    state.lock = lock;
    this.#note(state);
    this.writes.push({ kind: "put", family: "lock", key: state.key, value: encodeLock(lock) });
  }
  deleteLock(state: KeyState): void {
    state.lock = null;
    this.#note(state);
    this.writes.push({ kind: "delete", family: "lock", key: state.key });
    this.unlocked.push(state.key);
  }
  putWrite(state: KeyState, commitTs: bigint, write: Write, isAgain = false): void {
    if (state.versions !== null) {
      const others = state.versions.filter((version) => version.commitTs !== commitTs);
      const at = others.findIndex((version) => version.commitTs < commitTs);
      others.splice(at === -1 ? others.length : at, 0, { commitTs, write });
      state.versions = others;
    }
    this.noted.push({ state, commitTs, write, isAgain });
    this.#note(state);
    this.writes.push({ kind: "put", family: "write", key: versionKey(state.key, commitTs), value: encodeWrite(write) });
  }
  deleteWrite(state: KeyState, commitTs: bigint): void {
    state.versions = state.versions?.filter((version) => version.commitTs !== commitTs) ?? null;
    this.writes.push({ kind: "delete", family: "write", key: versionKey(state.key, commitTs) });
  }
  putValue(state: KeyState, startTs: bigint, value: Uint8Array): void {
    this.writes.push({ kind: "put", family: "default", key: versionKey(state.key, startTs), value });
  }
  deleteValue(state: KeyState, startTs: bigint): void {
    this.writes.push({ kind: "delete", family: "default", key: versionKey(state.key, startTs) });
  }

  /**
   * Writes the rollback of `startTs`; another transaction's commit record at that very timestamp keeps its place, and carries the
   * mark of a protected one. Unprotected rollbacks right below are taken away: nothing depends on them.
   */
  putRollback(state: KeyState, startTs: bigint, protect: boolean): void {
    const versions = state.versions ?? [];
    const at = versions.findIndex((version) => version.commitTs <= startTs);
    const found = versions[at];
    if (found !== undefined && found.commitTs === startTs && found.write.kind !== "rollback") {
      if (protect && !found.write.overlappedRollback) this.putWrite(state, startTs, { ...found.write, overlappedRollback: true }, true);
      return;
    }
    if (found !== undefined && found.commitTs === startTs && isProtected(found.write)) return;
    const below = found !== undefined && found.commitTs === startTs ? versions[at + 1] : found;
    if (below !== undefined && below.commitTs < startTs && below.write.kind === "rollback" && !isProtected(below.write))
      this.deleteWrite(state, below.commitTs);
    this.putWrite(state, startTs, rollbackRecord(startTs, protect));
  }

  /** Takes away a lock that was never committed, and the value that came with it. */
  rollBackLock(state: KeyState, lock: Lock, protect: boolean): void {
    if (lock.kind === "put" && lock.shortValue === null) this.deleteValue(state, lock.startTs);
    this.putRollback(state, lock.startTs, protect);
    this.deleteLock(state);
  }

  /** For a rollback without a lock of its own: a lock in the way, committed at `startTs`, must not write over the rollback. */
  markRollbackOnLock(state: KeyState, startTs: bigint): void {
    const { lock } = state;
    if (lock === null || lock.startTs === startTs || startTs < lock.minCommitTs) return;
    if (lock.rollbackTs.includes(startTs)) return;
    this.putLock(state, { ...lock, rollbackTs: [...lock.rollbackTs, startTs] });
  }
}

export type Outcome =
  | { readonly kind: "committed"; readonly commitTs: bigint }
  | { readonly kind: "rolledBack" }
  /** Neither: never prewritten here, or only locked pessimistically. */
  | { readonly kind: "none" };

/** What became of a transaction on this key. Needs the versions. */
export function outcomeOf(state: KeyState, startTs: bigint): Outcome {
  for (const { commitTs, write } of state.versions ?? []) {
    if (commitTs < startTs) break;
    if (write.startTs === startTs) return write.kind === "rollback" ? { kind: "rolledBack" } : { kind: "committed", commitTs };
    if (commitTs === startTs && write.overlappedRollback) return { kind: "rolledBack" };
  }
  return { kind: "none" };
}

/** The newest put or delete, as it is read at the end of time. Needs the versions. */
export function newestChange(state: KeyState): Version | null {
  for (const version of state.versions ?? [])
    if (version.write.kind === "put" || version.write.kind === "delete") return isFenced(version.write, null) ? null : version;
  return null;
}

/** A record that was written again after its removal had been decided reads as absent from its fence on; `at` null: for ever. */
export function isFenced(write: Write, at: bigint | null): boolean {
  return write.gcFence !== null && write.gcFence !== 0n && (at === null || write.gcFence <= at);
}

export function exists(state: KeyState): boolean {
  return newestChange(state)?.write.kind === "put";
}

export function isShort(value: Uint8Array): boolean {
  return value.length <= shortValueBytesMax;
}

const opNames = { put: "Put", delete: "Del", lock: "Lock", pessimistic: "PessimisticLock" } as const;

export function lockInfoOf(userKey: Uint8Array, lock: Lock): LockInfo {
  return {
    primary_lock: lock.primary,
    lock_version: lock.startTs,
    key: userKey,
    lock_ttl: lock.ttlMs,
    txn_size: lock.txnSize,
    lock_type: opNames[lock.kind],
    lock_for_update_ts: lock.forUpdateTs,
    use_async_commit: lock.secondaries !== null,
    min_commit_ts: lock.minCommitTs,
    secondaries: lock.secondaries ?? [],
  };
}

export function lockedError(state: KeyState, lock: Lock): KeyError {
  return { locked: lockInfoOf(state.userKey, lock) };
}

export function conflictError(
  state: KeyState,
  options: { startTs: bigint; version: Version; primary: Uint8Array; reason: kvrpcpb.WriteConflictReason },
): KeyError {
  return {
    conflict: {
      start_ts: options.startTs,
      conflict_ts: options.version.write.startTs,
      conflict_commit_ts: options.version.commitTs,
      key: state.userKey,
      primary: options.primary,
      reason: options.reason,
    },
  };
}

/** Texts that clients take for "begin again". */
export const retryable = (text: string): KeyError => ({ retryable: text });
export const abort = (text: string): KeyError => ({ abort: text });

export function hex(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes) out += byte.toString(16).padStart(2, "0").toUpperCase();
  return out;
}
