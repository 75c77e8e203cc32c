/** Who waits for whom: what stores tell the one that looks for deadlocks. */
import { big, bytes, duplex, embed, many, message, names, service, u64, unary } from "@skein/rpc";

export type WaitForEntriesRequest = {};
export const WaitForEntriesRequest = message<WaitForEntriesRequest>("deadlock.WaitForEntriesRequest", {});

export type WaitForEntry = {
  readonly txn: bigint;
  readonly wait_for_txn: bigint;
  readonly key_hash: bigint;
  readonly key: Uint8Array;
  readonly resource_group_tag: Uint8Array;
  readonly wait_time: number;
};
export const WaitForEntry = message<WaitForEntry>("deadlock.WaitForEntry", {
  txn: big(1),
  wait_for_txn: big(2),
  key_hash: big(3),
  key: bytes(4),
  resource_group_tag: bytes(5),
  wait_time: u64(6),
});

export type WaitForEntriesResponse = { readonly entries: readonly WaitForEntry[] };
export const WaitForEntriesResponse = message<WaitForEntriesResponse>("deadlock.WaitForEntriesResponse", {
  entries: many(embed(1, WaitForEntry)),
});

export type ReplaceLockByKeyItem = {
  readonly key_hash: bigint;
  readonly key: Uint8Array;
  readonly old_lock_ts: number;
  readonly new_lock_ts: number;
};
export const ReplaceLockByKeyItem = message<ReplaceLockByKeyItem>("deadlock.ReplaceLockByKeyItem", {
  key_hash: big(1),
  key: bytes(2),
  old_lock_ts: u64(3),
  new_lock_ts: u64(4),
});

export type ReplaceLocksByKeysRequest = { readonly items: readonly ReplaceLockByKeyItem[] };
export const ReplaceLocksByKeysRequest = message<ReplaceLocksByKeysRequest>("deadlock.ReplaceLocksByKeysRequest", {
  items: many(embed(1, ReplaceLockByKeyItem)),
});

export const deadlockRequestTypeNames = ["Detect", "CleanUpWaitFor", "CleanUp"] as const;
export type DeadlockRequestType = (typeof deadlockRequestTypeNames)[number] | "unrecognized";

export type DeadlockRequest = {
  readonly tp: DeadlockRequestType;
  readonly entry: WaitForEntry | null;
  readonly replace_locks_by_keys: ReplaceLocksByKeysRequest | null;
};
export const DeadlockRequest = message<DeadlockRequest>("deadlock.DeadlockRequest", {
  tp: names(1, deadlockRequestTypeNames),
  entry: embed(2, WaitForEntry),
  replace_locks_by_keys: embed(3, ReplaceLocksByKeysRequest),
});

export type DeadlockResponse = {
  readonly entry: WaitForEntry | null;
  readonly deadlock_key_hash: bigint;
  readonly wait_chain: readonly WaitForEntry[];
  readonly deadlock_key: Uint8Array;
};
export const DeadlockResponse = message<DeadlockResponse>("deadlock.DeadlockResponse", {
  entry: embed(1, WaitForEntry),
  deadlock_key_hash: big(2),
  wait_chain: many(embed(3, WaitForEntry)),
  deadlock_key: bytes(4),
});

export const deadlock = service("deadlock.Deadlock", {
  GetWaitForEntries: unary(WaitForEntriesRequest, WaitForEntriesResponse),
  Detect: duplex(DeadlockRequest, DeadlockResponse),
});
