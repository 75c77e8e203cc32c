/** Requests to regions and what they answer. */

import { metapb } from "@skein/placement/wire";
import { big, bool, bytes, embed, i32, i64, many, message, names, text, u32, u64 } from "@skein/rpc";
import * as deadlock from "./deadlock.ts";
import * as errorpb from "./errorpb.ts";

export const commandPriNames = ["Normal", "Low", "High"] as const;
export type CommandPri = (typeof commandPriNames)[number] | "unrecognized";

export const isolationLevelNames = ["SI", "RC", "RCCheckTS"] as const;
export type IsolationLevel = (typeof isolationLevelNames)[number] | "unrecognized";

export const diskFullOptNames = ["NotAllowedOnFull", "AllowedOnAlmostFull", "AllowedOnAlreadyFull"] as const;
export type DiskFullOpt = (typeof diskFullOptNames)[number] | "unrecognized";

export const apiVersionNames = ["V1", "V1TTL", "V2"] as const;
export type APIVersion = (typeof apiVersionNames)[number] | "unrecognized";

export type Context = {
  readonly region_id: number;
  readonly region_epoch: metapb.RegionEpoch | null;
  readonly peer: metapb.Peer | null;
  readonly term: number;
  readonly priority: CommandPri;
  readonly isolation_level: IsolationLevel;
  readonly not_fill_cache: boolean;
  readonly replica_read: boolean;
  readonly resolved_locks: readonly bigint[];
  readonly max_execution_duration_ms: number;
  readonly stale_read: boolean;
  readonly disk_full_opt: DiskFullOpt;
  readonly is_retry_request: boolean;
  readonly api_version: APIVersion;
  readonly committed_locks: readonly bigint[];
  readonly request_source: string;
  readonly keyspace_id: number;
};
export const Context = message<Context>("kvrpcpb.Context", {
  region_id: u64(1),
  region_epoch: embed(2, metapb.RegionEpoch),
  peer: embed(3, metapb.Peer),
  term: u64(5),
  priority: names(6, commandPriNames),
  isolation_level: names(7, isolationLevelNames),
  not_fill_cache: bool(8),
  replica_read: bool(12),
  resolved_locks: many(big(13)),
  max_execution_duration_ms: u64(14),
  stale_read: bool(17),
  disk_full_opt: names(19, diskFullOptNames),
  is_retry_request: bool(20),
  api_version: names(21, apiVersionNames),
  committed_locks: many(big(22)),
  request_source: text(24),
  keyspace_id: u32(32),
});

export type GetRequest = {
  readonly context: Context | null;
  readonly key: Uint8Array;
  readonly version: bigint;
  readonly need_commit_ts: boolean;
};
export const GetRequest = message<GetRequest>("kvrpcpb.GetRequest", {
  context: embed(1, Context),
  key: bytes(2),
  version: big(3),
  need_commit_ts: bool(4),
});

export const opNames = [
  "Put",
  "Del",
  "Lock",
  "Rollback",
  "Insert",
  "PessimisticLock",
  "CheckNotExists",
  "SharedLock",
  "SharedPessimisticLock",
] as const;
export type Op = (typeof opNames)[number] | "unrecognized";

export type LockInfo = {
  readonly primary_lock: Uint8Array;
  readonly lock_version: bigint;
  readonly key: Uint8Array;
  readonly lock_ttl: number;
  readonly txn_size: number;
  readonly lock_type: Op;
  readonly lock_for_update_ts: bigint;
  readonly use_async_commit: boolean;
  readonly min_commit_ts: bigint;
  readonly secondaries: readonly Uint8Array[];
  readonly duration_to_last_update_ms: number;
};
export const LockInfo = message<LockInfo>("kvrpcpb.LockInfo", {
  primary_lock: bytes(1),
  lock_version: big(2),
  key: bytes(3),
  lock_ttl: u64(4),
  txn_size: u64(5),
  lock_type: names(6, opNames),
  lock_for_update_ts: big(7),
  use_async_commit: bool(8),
  min_commit_ts: big(9),
  secondaries: many(bytes(10)),
  duration_to_last_update_ms: u64(11),
});

export const writeConflictReasonNames = [
  "Unknown",
  "Optimistic",
  "PessimisticRetry",
  "SelfRolledBack",
  "RcCheckTs",
  "LazyUniquenessCheck",
] as const;
export type WriteConflictReason = (typeof writeConflictReasonNames)[number] | "unrecognized";

export type WriteConflict = {
  readonly start_ts: bigint;
  readonly conflict_ts: bigint;
  readonly key: Uint8Array;
  readonly primary: Uint8Array;
  readonly conflict_commit_ts: bigint;
  readonly reason: WriteConflictReason;
};
export const WriteConflict = message<WriteConflict>("kvrpcpb.WriteConflict", {
  start_ts: big(1),
  conflict_ts: big(2),
  key: bytes(3),
  primary: bytes(4),
  conflict_commit_ts: big(5),
  reason: names(6, writeConflictReasonNames),
});

export type AlreadyExist = { readonly key: Uint8Array };
export const AlreadyExist = message<AlreadyExist>("kvrpcpb.AlreadyExist", { key: bytes(1) });

export type Deadlock = {
  readonly lock_ts: bigint;
  readonly lock_key: Uint8Array;
  readonly deadlock_key_hash: bigint;
  readonly wait_chain: readonly deadlock.WaitForEntry[];
  readonly deadlock_key: Uint8Array;
};
export const Deadlock = message<Deadlock>("kvrpcpb.Deadlock", {
  lock_ts: big(1),
  lock_key: bytes(2),
  deadlock_key_hash: big(3),
  wait_chain: many(embed(4, deadlock.WaitForEntry)),
  deadlock_key: bytes(5),
});

export type CommitTsExpired = {
  readonly start_ts: bigint;
  readonly attempted_commit_ts: bigint;
  readonly key: Uint8Array;
  readonly min_commit_ts: bigint;
};
export const CommitTsExpired = message<CommitTsExpired>("kvrpcpb.CommitTsExpired", {
  start_ts: big(1),
  attempted_commit_ts: big(2),
  key: bytes(3),
  min_commit_ts: big(4),
});

export type TxnNotFound = { readonly start_ts: bigint; readonly primary_key: Uint8Array };
export const TxnNotFound = message<TxnNotFound>("kvrpcpb.TxnNotFound", { start_ts: big(1), primary_key: bytes(2) });

export type CommitTsTooLarge = { readonly commit_ts: bigint };
export const CommitTsTooLarge = message<CommitTsTooLarge>("kvrpcpb.CommitTsTooLarge", { commit_ts: big(1) });

export const assertionNames = ["None", "Exist", "NotExist"] as const;
export type Assertion = (typeof assertionNames)[number] | "unrecognized";

export type AssertionFailed = {
  readonly start_ts: bigint;
  readonly key: Uint8Array;
  readonly assertion: Assertion;
  readonly existing_start_ts: bigint;
  readonly existing_commit_ts: bigint;
};
export const AssertionFailed = message<AssertionFailed>("kvrpcpb.AssertionFailed", {
  start_ts: big(1),
  key: bytes(2),
  assertion: names(3, assertionNames),
  existing_start_ts: big(4),
  existing_commit_ts: big(5),
});

export type PrimaryMismatch = { readonly lock_info: LockInfo | null };
export const PrimaryMismatch = message<PrimaryMismatch>("kvrpcpb.PrimaryMismatch", { lock_info: embed(1, LockInfo) });

export type KeyError = {
  readonly locked: LockInfo | null;
  readonly retryable: string;
  readonly abort: string;
  readonly conflict: WriteConflict | null;
  readonly already_exist: AlreadyExist | null;
  readonly deadlock: Deadlock | null;
  readonly commit_ts_expired: CommitTsExpired | null;
  readonly txn_not_found: TxnNotFound | null;
  readonly commit_ts_too_large: CommitTsTooLarge | null;
  readonly assertion_failed: AssertionFailed | null;
  readonly primary_mismatch: PrimaryMismatch | null;
};
export const KeyError = message<KeyError>("kvrpcpb.KeyError", {
  locked: embed(1, LockInfo),
  retryable: text(2),
  abort: text(3),
  conflict: embed(4, WriteConflict),
  already_exist: embed(5, AlreadyExist),
  deadlock: embed(6, Deadlock),
  commit_ts_expired: embed(7, CommitTsExpired),
  txn_not_found: embed(8, TxnNotFound),
  commit_ts_too_large: embed(9, CommitTsTooLarge),
  assertion_failed: embed(10, AssertionFailed),
  primary_mismatch: embed(11, PrimaryMismatch),
});

export type GetResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: KeyError | null;
  readonly value: Uint8Array;
  readonly not_found: boolean;
  readonly commit_ts: bigint;
};
export const GetResponse = message<GetResponse>("kvrpcpb.GetResponse", {
  region_error: embed(1, errorpb.Error),
  error: embed(2, KeyError),
  value: bytes(3),
  not_found: bool(4),
  commit_ts: big(7),
});

export type ScanRequest = {
  readonly context: Context | null;
  readonly start_key: Uint8Array;
  readonly limit: number;
  readonly version: bigint;
  readonly key_only: boolean;
  readonly reverse: boolean;
  readonly end_key: Uint8Array;
  readonly sample_step: number;
};
export const ScanRequest = message<ScanRequest>("kvrpcpb.ScanRequest", {
  context: embed(1, Context),
  start_key: bytes(2),
  limit: u32(3),
  version: big(4),
  key_only: bool(5),
  reverse: bool(6),
  end_key: bytes(7),
  sample_step: u32(8),
});

export type KvPair = { readonly error: KeyError | null; readonly key: Uint8Array; readonly value: Uint8Array; readonly commit_ts: bigint };
export const KvPair = message<KvPair>("kvrpcpb.KvPair", { error: embed(1, KeyError), key: bytes(2), value: bytes(3), commit_ts: big(4) });

export type ScanResponse = {
  readonly region_error: errorpb.Error | null;
  readonly pairs: readonly KvPair[];
  readonly error: KeyError | null;
};
export const ScanResponse = message<ScanResponse>("kvrpcpb.ScanResponse", {
  region_error: embed(1, errorpb.Error),
  pairs: many(embed(2, KvPair)),
  error: embed(3, KeyError),
});

export type Mutation = { readonly op: Op; readonly key: Uint8Array; readonly value: Uint8Array; readonly assertion: Assertion };
export const Mutation = message<Mutation>("kvrpcpb.Mutation", {
  op: names(1, opNames),
  key: bytes(2),
  value: bytes(3),
  assertion: names(4, assertionNames),
});

export type PrewriteRequestForUpdateTSConstraint = { readonly index: number; readonly expected_for_update_ts: bigint };
export const PrewriteRequestForUpdateTSConstraint = message<PrewriteRequestForUpdateTSConstraint>(
  "kvrpcpb.PrewriteRequestForUpdateTSConstraint",
  { index: u32(1), expected_for_update_ts: big(2) },
);

export const prewriteRequestPessimisticActionNames = ["SKIP_PESSIMISTIC_CHECK", "DO_PESSIMISTIC_CHECK", "DO_CONSTRAINT_CHECK"] as const;
export type PrewriteRequestPessimisticAction = (typeof prewriteRequestPessimisticActionNames)[number] | "unrecognized";

export const assertionLevelNames = ["Off", "Fast", "Strict"] as const;
export type AssertionLevel = (typeof assertionLevelNames)[number] | "unrecognized";

export type PrewriteRequest = {
  readonly context: Context | null;
  readonly mutations: readonly Mutation[];
  readonly primary_lock: Uint8Array;
  readonly start_version: bigint;
  readonly lock_ttl: number;
  readonly skip_constraint_check: boolean;
  readonly pessimistic_actions: readonly PrewriteRequestPessimisticAction[];
  readonly txn_size: number;
  readonly for_update_ts: bigint;
  readonly min_commit_ts: bigint;
  readonly use_async_commit: boolean;
  readonly secondaries: readonly Uint8Array[];
  readonly try_one_pc: boolean;
  readonly max_commit_ts: bigint;
  readonly assertion_level: AssertionLevel;
  readonly for_update_ts_constraints: readonly PrewriteRequestForUpdateTSConstraint[];
};
export const PrewriteRequest = message<PrewriteRequest>("kvrpcpb.PrewriteRequest", {
  context: embed(1, Context),
  mutations: many(embed(2, Mutation)),
  primary_lock: bytes(3),
  start_version: big(4),
  lock_ttl: u64(5),
  skip_constraint_check: bool(6),
  pessimistic_actions: many(names(7, prewriteRequestPessimisticActionNames)),
  txn_size: u64(8),
  for_update_ts: big(9),
  min_commit_ts: big(10),
  use_async_commit: bool(11),
  secondaries: many(bytes(12)),
  try_one_pc: bool(13),
  max_commit_ts: big(14),
  assertion_level: names(15, assertionLevelNames),
  for_update_ts_constraints: many(embed(16, PrewriteRequestForUpdateTSConstraint)),
});

export type PrewriteResponse = {
  readonly region_error: errorpb.Error | null;
  readonly errors: readonly KeyError[];
  readonly min_commit_ts: bigint;
  readonly one_pc_commit_ts: bigint;
};
export const PrewriteResponse = message<PrewriteResponse>("kvrpcpb.PrewriteResponse", {
  region_error: embed(1, errorpb.Error),
  errors: many(embed(2, KeyError)),
  min_commit_ts: big(3),
  one_pc_commit_ts: big(4),
});

export const pessimisticLockWakeUpModeNames = ["WakeUpModeNormal", "WakeUpModeForceLock"] as const;
export type PessimisticLockWakeUpMode = (typeof pessimisticLockWakeUpModeNames)[number] | "unrecognized";

export type PessimisticLockRequest = {
  readonly context: Context | null;
  readonly mutations: readonly Mutation[];
  readonly primary_lock: Uint8Array;
  readonly start_version: bigint;
  readonly lock_ttl: number;
  readonly for_update_ts: bigint;
  readonly is_first_lock: boolean;
  readonly wait_timeout: number;
  readonly force: boolean;
  readonly return_values: boolean;
  readonly min_commit_ts: bigint;
  readonly check_existence: boolean;
  readonly lock_only_if_exists: boolean;
  readonly wake_up_mode: PessimisticLockWakeUpMode;
};
export const PessimisticLockRequest = message<PessimisticLockRequest>("kvrpcpb.PessimisticLockRequest", {
  context: embed(1, Context),
  mutations: many(embed(2, Mutation)),
  primary_lock: bytes(3),
  start_version: big(4),
  lock_ttl: u64(5),
  for_update_ts: big(6),
  is_first_lock: bool(7),
  wait_timeout: i64(8),
  force: bool(9),
  return_values: bool(10),
  min_commit_ts: big(11),
  check_existence: bool(12),
  lock_only_if_exists: bool(13),
  wake_up_mode: names(14, pessimisticLockWakeUpModeNames),
});

export const pessimisticLockKeyResultTypeNames = ["LockResultNormal", "LockResultLockedWithConflict", "LockResultFailed"] as const;
export type PessimisticLockKeyResultType = (typeof pessimisticLockKeyResultTypeNames)[number] | "unrecognized";

export type PessimisticLockKeyResult = {
  readonly type: PessimisticLockKeyResultType;
  readonly value: Uint8Array;
  readonly existence: boolean;
  readonly locked_with_conflict_ts: bigint;
  readonly skip_resolving_lock: boolean;
};
export const PessimisticLockKeyResult = message<PessimisticLockKeyResult>("kvrpcpb.PessimisticLockKeyResult", {
  type: names(1, pessimisticLockKeyResultTypeNames),
  value: bytes(2),
  existence: bool(3),
  locked_with_conflict_ts: big(4),
  skip_resolving_lock: bool(11),
});

export type PessimisticLockResponse = {
  readonly region_error: errorpb.Error | null;
  readonly errors: readonly KeyError[];
  readonly commit_ts: bigint;
  readonly value: Uint8Array;
  readonly values: readonly Uint8Array[];
  readonly not_founds: readonly boolean[];
  readonly results: readonly PessimisticLockKeyResult[];
};
export const PessimisticLockResponse = message<PessimisticLockResponse>("kvrpcpb.PessimisticLockResponse", {
  region_error: embed(1, errorpb.Error),
  errors: many(embed(2, KeyError)),
  commit_ts: big(3),
  value: bytes(4),
  values: many(bytes(5)),
  not_founds: many(bool(6)),
  results: many(embed(8, PessimisticLockKeyResult)),
});

export type PessimisticRollbackRequest = {
  readonly context: Context | null;
  readonly start_version: bigint;
  readonly for_update_ts: bigint;
  readonly keys: readonly Uint8Array[];
};
export const PessimisticRollbackRequest = message<PessimisticRollbackRequest>("kvrpcpb.PessimisticRollbackRequest", {
  context: embed(1, Context),
  start_version: big(2),
  for_update_ts: big(3),
  keys: many(bytes(4)),
});

export type PessimisticRollbackResponse = { readonly region_error: errorpb.Error | null; readonly errors: readonly KeyError[] };
export const PessimisticRollbackResponse = message<PessimisticRollbackResponse>("kvrpcpb.PessimisticRollbackResponse", {
  region_error: embed(1, errorpb.Error),
  errors: many(embed(2, KeyError)),
});

export type TxnHeartBeatRequest = {
  readonly context: Context | null;
  readonly primary_lock: Uint8Array;
  readonly start_version: bigint;
  readonly advise_lock_ttl: number;
  readonly min_commit_ts: bigint;
};
export const TxnHeartBeatRequest = message<TxnHeartBeatRequest>("kvrpcpb.TxnHeartBeatRequest", {
  context: embed(1, Context),
  primary_lock: bytes(2),
  start_version: big(3),
  advise_lock_ttl: u64(4),
  min_commit_ts: big(5),
});

export type TxnHeartBeatResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: KeyError | null;
  readonly lock_ttl: number;
};
export const TxnHeartBeatResponse = message<TxnHeartBeatResponse>("kvrpcpb.TxnHeartBeatResponse", {
  region_error: embed(1, errorpb.Error),
  error: embed(2, KeyError),
  lock_ttl: u64(3),
});

export type CheckTxnStatusRequest = {
  readonly context: Context | null;
  readonly primary_key: Uint8Array;
  readonly lock_ts: bigint;
  readonly caller_start_ts: bigint;
  readonly current_ts: bigint;
  readonly rollback_if_not_exist: boolean;
  readonly force_sync_commit: boolean;
  readonly resolving_pessimistic_lock: boolean;
  readonly verify_is_primary: boolean;
};
export const CheckTxnStatusRequest = message<CheckTxnStatusRequest>("kvrpcpb.CheckTxnStatusRequest", {
  context: embed(1, Context),
  primary_key: bytes(2),
  lock_ts: big(3),
  caller_start_ts: big(4),
  current_ts: big(5),
  rollback_if_not_exist: bool(6),
  force_sync_commit: bool(7),
  resolving_pessimistic_lock: bool(8),
  verify_is_primary: bool(9),
});

export const actionNames = [
  "NoAction",
  "TTLExpireRollback",
  "LockNotExistRollback",
  "MinCommitTSPushed",
  "TTLExpirePessimisticRollback",
  "LockNotExistDoNothing",
] as const;
export type Action = (typeof actionNames)[number] | "unrecognized";

export type CheckTxnStatusResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: KeyError | null;
  readonly lock_ttl: number;
  readonly commit_version: bigint;
  readonly action: Action;
  readonly lock_info: LockInfo | null;
};
export const CheckTxnStatusResponse = message<CheckTxnStatusResponse>("kvrpcpb.CheckTxnStatusResponse", {
  region_error: embed(1, errorpb.Error),
  error: embed(2, KeyError),
  lock_ttl: u64(3),
  commit_version: big(4),
  action: names(5, actionNames),
  lock_info: embed(6, LockInfo),
});

export type CheckSecondaryLocksRequest = {
  readonly context: Context | null;
  readonly keys: readonly Uint8Array[];
  readonly start_version: bigint;
};
export const CheckSecondaryLocksRequest = message<CheckSecondaryLocksRequest>("kvrpcpb.CheckSecondaryLocksRequest", {
  context: embed(1, Context),
  keys: many(bytes(2)),
  start_version: big(3),
});

export type CheckSecondaryLocksResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: KeyError | null;
  readonly locks: readonly LockInfo[];
  readonly commit_ts: bigint;
};
export const CheckSecondaryLocksResponse = message<CheckSecondaryLocksResponse>("kvrpcpb.CheckSecondaryLocksResponse", {
  region_error: embed(1, errorpb.Error),
  error: embed(2, KeyError),
  locks: many(embed(3, LockInfo)),
  commit_ts: big(4),
});

export type CommitRequest = {
  readonly context: Context | null;
  readonly start_version: bigint;
  readonly keys: readonly Uint8Array[];
  readonly commit_version: bigint;
};
export const CommitRequest = message<CommitRequest>("kvrpcpb.CommitRequest", {
  context: embed(1, Context),
  start_version: big(2),
  keys: many(bytes(3)),
  commit_version: big(4),
});

export type CommitResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: KeyError | null;
  readonly commit_version: bigint;
};
export const CommitResponse = message<CommitResponse>("kvrpcpb.CommitResponse", {
  region_error: embed(1, errorpb.Error),
  error: embed(2, KeyError),
  commit_version: big(3),
});

export type CleanupRequest = {
  readonly context: Context | null;
  readonly key: Uint8Array;
  readonly start_version: bigint;
  readonly current_ts: bigint;
};
export const CleanupRequest = message<CleanupRequest>("kvrpcpb.CleanupRequest", {
  context: embed(1, Context),
  key: bytes(2),
  start_version: big(3),
  current_ts: big(4),
});

export type CleanupResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: KeyError | null;
  readonly commit_version: bigint;
};
export const CleanupResponse = message<CleanupResponse>("kvrpcpb.CleanupResponse", {
  region_error: embed(1, errorpb.Error),
  error: embed(2, KeyError),
  commit_version: big(3),
});

export type BatchGetRequest = {
  readonly context: Context | null;
  readonly keys: readonly Uint8Array[];
  readonly version: bigint;
  readonly need_commit_ts: boolean;
};
export const BatchGetRequest = message<BatchGetRequest>("kvrpcpb.BatchGetRequest", {
  context: embed(1, Context),
  keys: many(bytes(2)),
  version: big(3),
  need_commit_ts: bool(4),
});

export type BatchGetResponse = {
  readonly region_error: errorpb.Error | null;
  readonly pairs: readonly KvPair[];
  readonly error: KeyError | null;
};
export const BatchGetResponse = message<BatchGetResponse>("kvrpcpb.BatchGetResponse", {
  region_error: embed(1, errorpb.Error),
  pairs: many(embed(2, KvPair)),
  error: embed(5, KeyError),
});

export type BatchRollbackRequest = {
  readonly context: Context | null;
  readonly start_version: bigint;
  readonly keys: readonly Uint8Array[];
};
export const BatchRollbackRequest = message<BatchRollbackRequest>("kvrpcpb.BatchRollbackRequest", {
  context: embed(1, Context),
  start_version: big(2),
  keys: many(bytes(3)),
});

export type BatchRollbackResponse = { readonly region_error: errorpb.Error | null; readonly error: KeyError | null };
export const BatchRollbackResponse = message<BatchRollbackResponse>("kvrpcpb.BatchRollbackResponse", {
  region_error: embed(1, errorpb.Error),
  error: embed(2, KeyError),
});

export type ScanLockRequest = {
  readonly context: Context | null;
  readonly max_version: bigint;
  readonly start_key: Uint8Array;
  readonly limit: number;
  readonly end_key: Uint8Array;
};
export const ScanLockRequest = message<ScanLockRequest>("kvrpcpb.ScanLockRequest", {
  context: embed(1, Context),
  max_version: big(2),
  start_key: bytes(3),
  limit: u32(4),
  end_key: bytes(5),
});

export type ScanLockResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: KeyError | null;
  readonly locks: readonly LockInfo[];
};
export const ScanLockResponse = message<ScanLockResponse>("kvrpcpb.ScanLockResponse", {
  region_error: embed(1, errorpb.Error),
  error: embed(2, KeyError),
  locks: many(embed(3, LockInfo)),
});

export type TxnInfo = { readonly txn: bigint; readonly status: bigint };
export const TxnInfo = message<TxnInfo>("kvrpcpb.TxnInfo", { txn: big(1), status: big(2) });

export type ResolveLockRequest = {
  readonly context: Context | null;
  readonly start_version: bigint;
  readonly commit_version: bigint;
  readonly txn_infos: readonly TxnInfo[];
  readonly keys: readonly Uint8Array[];
};
export const ResolveLockRequest = message<ResolveLockRequest>("kvrpcpb.ResolveLockRequest", {
  context: embed(1, Context),
  start_version: big(2),
  commit_version: big(3),
  txn_infos: many(embed(4, TxnInfo)),
  keys: many(bytes(5)),
});

export type ResolveLockResponse = { readonly region_error: errorpb.Error | null; readonly error: KeyError | null };
export const ResolveLockResponse = message<ResolveLockResponse>("kvrpcpb.ResolveLockResponse", {
  region_error: embed(1, errorpb.Error),
  error: embed(2, KeyError),
});

export type GCRequest = { readonly context: Context | null; readonly safe_point: bigint };
export const GCRequest = message<GCRequest>("kvrpcpb.GCRequest", { context: embed(1, Context), safe_point: big(2) });

export type GCResponse = { readonly region_error: errorpb.Error | null; readonly error: KeyError | null };
export const GCResponse = message<GCResponse>("kvrpcpb.GCResponse", { region_error: embed(1, errorpb.Error), error: embed(2, KeyError) });

export type DeleteRangeRequest = {
  readonly context: Context | null;
  readonly start_key: Uint8Array;
  readonly end_key: Uint8Array;
  readonly notify_only: boolean;
};
export const DeleteRangeRequest = message<DeleteRangeRequest>("kvrpcpb.DeleteRangeRequest", {
  context: embed(1, Context),
  start_key: bytes(2),
  end_key: bytes(3),
  notify_only: bool(4),
});

export type DeleteRangeResponse = { readonly region_error: errorpb.Error | null; readonly error: string };
export const DeleteRangeResponse = message<DeleteRangeResponse>("kvrpcpb.DeleteRangeResponse", {
  region_error: embed(1, errorpb.Error),
  error: text(2),
});

export type RawGetRequest = { readonly context: Context | null; readonly key: Uint8Array; readonly cf: string };
export const RawGetRequest = message<RawGetRequest>("kvrpcpb.RawGetRequest", { context: embed(1, Context), key: bytes(2), cf: text(3) });

export type RawGetResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: string;
  readonly value: Uint8Array;
  readonly not_found: boolean;
};
export const RawGetResponse = message<RawGetResponse>("kvrpcpb.RawGetResponse", {
  region_error: embed(1, errorpb.Error),
  error: text(2),
  value: bytes(3),
  not_found: bool(4),
});

export type RawBatchGetRequest = { readonly context: Context | null; readonly keys: readonly Uint8Array[]; readonly cf: string };
export const RawBatchGetRequest = message<RawBatchGetRequest>("kvrpcpb.RawBatchGetRequest", {
  context: embed(1, Context),
  keys: many(bytes(2)),
  cf: text(3),
});

export type RawBatchGetResponse = { readonly region_error: errorpb.Error | null; readonly pairs: readonly KvPair[] };
export const RawBatchGetResponse = message<RawBatchGetResponse>("kvrpcpb.RawBatchGetResponse", {
  region_error: embed(1, errorpb.Error),
  pairs: many(embed(2, KvPair)),
});

export type RawPutRequest = {
  readonly context: Context | null;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly cf: string;
  readonly ttl: number;
  readonly for_cas: boolean;
};
export const RawPutRequest = message<RawPutRequest>("kvrpcpb.RawPutRequest", {
  context: embed(1, Context),
  key: bytes(2),
  value: bytes(3),
  cf: text(4),
  ttl: u64(5),
  for_cas: bool(6),
});

export type RawPutResponse = { readonly region_error: errorpb.Error | null; readonly error: string };
export const RawPutResponse = message<RawPutResponse>("kvrpcpb.RawPutResponse", { region_error: embed(1, errorpb.Error), error: text(2) });

export type RawBatchPutRequest = {
  readonly context: Context | null;
  readonly pairs: readonly KvPair[];
  readonly cf: string;
  readonly ttl: number;
  readonly for_cas: boolean;
  readonly ttls: readonly number[];
};
export const RawBatchPutRequest = message<RawBatchPutRequest>("kvrpcpb.RawBatchPutRequest", {
  context: embed(1, Context),
  pairs: many(embed(2, KvPair)),
  cf: text(3),
  ttl: u64(4),
  for_cas: bool(5),
  ttls: many(u64(6)),
});

export type RawBatchPutResponse = { readonly region_error: errorpb.Error | null; readonly error: string };
export const RawBatchPutResponse = message<RawBatchPutResponse>("kvrpcpb.RawBatchPutResponse", {
  region_error: embed(1, errorpb.Error),
  error: text(2),
});

export type RawDeleteRequest = {
  readonly context: Context | null;
  readonly key: Uint8Array;
  readonly cf: string;
  readonly for_cas: boolean;
};
export const RawDeleteRequest = message<RawDeleteRequest>("kvrpcpb.RawDeleteRequest", {
  context: embed(1, Context),
  key: bytes(2),
  cf: text(3),
  for_cas: bool(4),
});

export type RawDeleteResponse = { readonly region_error: errorpb.Error | null; readonly error: string };
export const RawDeleteResponse = message<RawDeleteResponse>("kvrpcpb.RawDeleteResponse", {
  region_error: embed(1, errorpb.Error),
  error: text(2),
});

export type RawBatchDeleteRequest = {
  readonly context: Context | null;
  readonly keys: readonly Uint8Array[];
  readonly cf: string;
  readonly for_cas: boolean;
};
export const RawBatchDeleteRequest = message<RawBatchDeleteRequest>("kvrpcpb.RawBatchDeleteRequest", {
  context: embed(1, Context),
  keys: many(bytes(2)),
  cf: text(3),
  for_cas: bool(4),
});

export type RawBatchDeleteResponse = { readonly region_error: errorpb.Error | null; readonly error: string };
export const RawBatchDeleteResponse = message<RawBatchDeleteResponse>("kvrpcpb.RawBatchDeleteResponse", {
  region_error: embed(1, errorpb.Error),
  error: text(2),
});

export type RawScanRequest = {
  readonly context: Context | null;
  readonly start_key: Uint8Array;
  readonly limit: number;
  readonly key_only: boolean;
  readonly cf: string;
  readonly reverse: boolean;
  readonly end_key: Uint8Array;
};
export const RawScanRequest = message<RawScanRequest>("kvrpcpb.RawScanRequest", {
  context: embed(1, Context),
  start_key: bytes(2),
  limit: u32(3),
  key_only: bool(4),
  cf: text(5),
  reverse: bool(6),
  end_key: bytes(7),
});

export type RawScanResponse = { readonly region_error: errorpb.Error | null; readonly kvs: readonly KvPair[] };
export const RawScanResponse = message<RawScanResponse>("kvrpcpb.RawScanResponse", {
  region_error: embed(1, errorpb.Error),
  kvs: many(embed(2, KvPair)),
});

export type RawDeleteRangeRequest = {
  readonly context: Context | null;
  readonly start_key: Uint8Array;
  readonly end_key: Uint8Array;
  readonly cf: string;
};
export const RawDeleteRangeRequest = message<RawDeleteRangeRequest>("kvrpcpb.RawDeleteRangeRequest", {
  context: embed(1, Context),
  start_key: bytes(2),
  end_key: bytes(3),
  cf: text(4),
});

export type RawDeleteRangeResponse = { readonly region_error: errorpb.Error | null; readonly error: string };
export const RawDeleteRangeResponse = message<RawDeleteRangeResponse>("kvrpcpb.RawDeleteRangeResponse", {
  region_error: embed(1, errorpb.Error),
  error: text(2),
});

export type KeyRange = { readonly start_key: Uint8Array; readonly end_key: Uint8Array };
export const KeyRange = message<KeyRange>("kvrpcpb.KeyRange", { start_key: bytes(1), end_key: bytes(2) });

export type RawBatchScanRequest = {
  readonly context: Context | null;
  readonly ranges: readonly KeyRange[];
  readonly each_limit: number;
  readonly key_only: boolean;
  readonly cf: string;
  readonly reverse: boolean;
};
export const RawBatchScanRequest = message<RawBatchScanRequest>("kvrpcpb.RawBatchScanRequest", {
  context: embed(1, Context),
  ranges: many(embed(2, KeyRange)),
  each_limit: u32(3),
  key_only: bool(4),
  cf: text(5),
  reverse: bool(6),
});

export type RawBatchScanResponse = { readonly region_error: errorpb.Error | null; readonly kvs: readonly KvPair[] };
export const RawBatchScanResponse = message<RawBatchScanResponse>("kvrpcpb.RawBatchScanResponse", {
  region_error: embed(1, errorpb.Error),
  kvs: many(embed(2, KvPair)),
});

export type UnsafeDestroyRangeRequest = { readonly context: Context | null; readonly start_key: Uint8Array; readonly end_key: Uint8Array };
export const UnsafeDestroyRangeRequest = message<UnsafeDestroyRangeRequest>("kvrpcpb.UnsafeDestroyRangeRequest", {
  context: embed(1, Context),
  start_key: bytes(2),
  end_key: bytes(3),
});

export type UnsafeDestroyRangeResponse = { readonly region_error: errorpb.Error | null; readonly error: string };
export const UnsafeDestroyRangeResponse = message<UnsafeDestroyRangeResponse>("kvrpcpb.UnsafeDestroyRangeResponse", {
  region_error: embed(1, errorpb.Error),
  error: text(2),
});

export type SplitRegionRequest = {
  readonly context: Context | null;
  readonly split_key: Uint8Array;
  readonly split_keys: readonly Uint8Array[];
  readonly is_raw_kv: boolean;
};
export const SplitRegionRequest = message<SplitRegionRequest>("kvrpcpb.SplitRegionRequest", {
  context: embed(1, Context),
  split_key: bytes(2),
  split_keys: many(bytes(3)),
  is_raw_kv: bool(4),
});

export type SplitRegionResponse = {
  readonly region_error: errorpb.Error | null;
  readonly left: metapb.Region | null;
  readonly right: metapb.Region | null;
  readonly regions: readonly metapb.Region[];
  readonly errors: readonly KeyError[];
};
export const SplitRegionResponse = message<SplitRegionResponse>("kvrpcpb.SplitRegionResponse", {
  region_error: embed(1, errorpb.Error),
  left: embed(2, metapb.Region),
  right: embed(3, metapb.Region),
  regions: many(embed(4, metapb.Region)),
  errors: many(embed(100, KeyError)),
});

export type ReadIndexRequest = { readonly context: Context | null; readonly start_ts: bigint; readonly ranges: readonly KeyRange[] };
export const ReadIndexRequest = message<ReadIndexRequest>("kvrpcpb.ReadIndexRequest", {
  context: embed(1, Context),
  start_ts: big(2),
  ranges: many(embed(3, KeyRange)),
});

export type ReadIndexResponse = {
  readonly region_error: errorpb.Error | null;
  readonly read_index: number;
  readonly locked: LockInfo | null;
};
export const ReadIndexResponse = message<ReadIndexResponse>("kvrpcpb.ReadIndexResponse", {
  region_error: embed(1, errorpb.Error),
  read_index: u64(2),
  locked: embed(3, LockInfo),
});

export type MvccGetByKeyRequest = { readonly context: Context | null; readonly key: Uint8Array };
export const MvccGetByKeyRequest = message<MvccGetByKeyRequest>("kvrpcpb.MvccGetByKeyRequest", {
  context: embed(1, Context),
  key: bytes(2),
});

export type MvccLock = {
  readonly type: Op;
  readonly start_ts: bigint;
  readonly primary: Uint8Array;
  readonly short_value: Uint8Array;
  readonly ttl: number;
  readonly for_update_ts: bigint;
  readonly txn_size: number;
  readonly use_async_commit: boolean;
  readonly secondaries: readonly Uint8Array[];
  readonly rollback_ts: readonly bigint[];
  readonly last_change_ts: bigint;
  readonly versions_to_last_change: number;
};
export const MvccLock = message<MvccLock>("kvrpcpb.MvccLock", {
  type: names(1, opNames),
  start_ts: big(2),
  primary: bytes(3),
  short_value: bytes(4),
  ttl: u64(5),
  for_update_ts: big(6),
  txn_size: u64(7),
  use_async_commit: bool(8),
  secondaries: many(bytes(9)),
  rollback_ts: many(big(10)),
  last_change_ts: big(11),
  versions_to_last_change: u64(12),
});

export type MvccWrite = {
  readonly type: Op;
  readonly start_ts: bigint;
  readonly commit_ts: bigint;
  readonly short_value: Uint8Array;
  readonly has_overlapped_rollback: boolean;
  readonly has_gc_fence: boolean;
  readonly gc_fence: bigint;
  readonly last_change_ts: bigint;
  readonly versions_to_last_change: number;
};
export const MvccWrite = message<MvccWrite>("kvrpcpb.MvccWrite", {
  type: names(1, opNames),
  start_ts: big(2),
  commit_ts: big(3),
  short_value: bytes(4),
  has_overlapped_rollback: bool(5),
  has_gc_fence: bool(6),
  gc_fence: big(7),
  last_change_ts: big(8),
  versions_to_last_change: u64(9),
});

export type MvccValue = { readonly start_ts: bigint; readonly value: Uint8Array };
export const MvccValue = message<MvccValue>("kvrpcpb.MvccValue", { start_ts: big(1), value: bytes(2) });

export type MvccInfo = { readonly lock: MvccLock | null; readonly writes: readonly MvccWrite[]; readonly values: readonly MvccValue[] };
export const MvccInfo = message<MvccInfo>("kvrpcpb.MvccInfo", {
  lock: embed(1, MvccLock),
  writes: many(embed(2, MvccWrite)),
  values: many(embed(3, MvccValue)),
});

export type MvccGetByKeyResponse = { readonly region_error: errorpb.Error | null; readonly error: string; readonly info: MvccInfo | null };
export const MvccGetByKeyResponse = message<MvccGetByKeyResponse>("kvrpcpb.MvccGetByKeyResponse", {
  region_error: embed(1, errorpb.Error),
  error: text(2),
  info: embed(3, MvccInfo),
});

export type MvccGetByStartTsRequest = { readonly context: Context | null; readonly start_ts: bigint };
export const MvccGetByStartTsRequest = message<MvccGetByStartTsRequest>("kvrpcpb.MvccGetByStartTsRequest", {
  context: embed(1, Context),
  start_ts: big(2),
});

export type MvccGetByStartTsResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: string;
  readonly key: Uint8Array;
  readonly info: MvccInfo | null;
};
export const MvccGetByStartTsResponse = message<MvccGetByStartTsResponse>("kvrpcpb.MvccGetByStartTsResponse", {
  region_error: embed(1, errorpb.Error),
  error: text(2),
  key: bytes(3),
  info: embed(4, MvccInfo),
});

export type ReadState = { readonly applied_index: number; readonly safe_ts: bigint };
export const ReadState = message<ReadState>("kvrpcpb.ReadState", { applied_index: u64(1), safe_ts: big(2) });

export type LeaderInfo = {
  readonly region_id: number;
  readonly peer_id: number;
  readonly term: number;
  readonly region_epoch: metapb.RegionEpoch | null;
  readonly read_state: ReadState | null;
};
export const LeaderInfo = message<LeaderInfo>("kvrpcpb.LeaderInfo", {
  region_id: u64(1),
  peer_id: u64(2),
  term: u64(3),
  region_epoch: embed(4, metapb.RegionEpoch),
  read_state: embed(5, ReadState),
});

export type CheckLeaderRequest = { readonly regions: readonly LeaderInfo[]; readonly ts: bigint };
export const CheckLeaderRequest = message<CheckLeaderRequest>("kvrpcpb.CheckLeaderRequest", {
  regions: many(embed(1, LeaderInfo)),
  ts: big(2),
});

export type CheckLeaderResponse = { readonly regions: readonly number[]; readonly ts: bigint };
export const CheckLeaderResponse = message<CheckLeaderResponse>("kvrpcpb.CheckLeaderResponse", { regions: many(u64(1)), ts: big(2) });

export type StoreSafeTSRequest = { readonly key_range: KeyRange | null };
export const StoreSafeTSRequest = message<StoreSafeTSRequest>("kvrpcpb.StoreSafeTSRequest", { key_range: embed(1, KeyRange) });

export type StoreSafeTSResponse = { readonly safe_ts: bigint };
export const StoreSafeTSResponse = message<StoreSafeTSResponse>("kvrpcpb.StoreSafeTSResponse", { safe_ts: big(1) });

export type RawGetKeyTTLRequest = { readonly context: Context | null; readonly key: Uint8Array; readonly cf: string };
export const RawGetKeyTTLRequest = message<RawGetKeyTTLRequest>("kvrpcpb.RawGetKeyTTLRequest", {
  context: embed(1, Context),
  key: bytes(2),
  cf: text(3),
});

export type RawGetKeyTTLResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: string;
  readonly ttl: number;
  readonly not_found: boolean;
};
export const RawGetKeyTTLResponse = message<RawGetKeyTTLResponse>("kvrpcpb.RawGetKeyTTLResponse", {
  region_error: embed(1, errorpb.Error),
  error: text(2),
  ttl: u64(3),
  not_found: bool(4),
});

export type RawCASRequest = {
  readonly context: Context | null;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly previous_not_exist: boolean;
  readonly previous_value: Uint8Array;
  readonly cf: string;
  readonly ttl: number;
};
export const RawCASRequest = message<RawCASRequest>("kvrpcpb.RawCASRequest", {
  context: embed(1, Context),
  key: bytes(2),
  value: bytes(3),
  previous_not_exist: bool(4),
  previous_value: bytes(5),
  cf: text(6),
  ttl: u64(7),
});

export type RawCASResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: string;
  readonly succeed: boolean;
  readonly previous_not_exist: boolean;
  readonly previous_value: Uint8Array;
};
export const RawCASResponse = message<RawCASResponse>("kvrpcpb.RawCASResponse", {
  region_error: embed(1, errorpb.Error),
  error: text(2),
  succeed: bool(3),
  previous_not_exist: bool(4),
  previous_value: bytes(5),
});

export type GetLockWaitInfoRequest = { readonly context: Context | null };
export const GetLockWaitInfoRequest = message<GetLockWaitInfoRequest>("kvrpcpb.GetLockWaitInfoRequest", { context: embed(1, Context) });

export type GetLockWaitInfoResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: string;
  readonly entries: readonly deadlock.WaitForEntry[];
};
export const GetLockWaitInfoResponse = message<GetLockWaitInfoResponse>("kvrpcpb.GetLockWaitInfoResponse", {
  region_error: embed(1, errorpb.Error),
  error: text(2),
  entries: many(embed(3, deadlock.WaitForEntry)),
});

export type GetLockWaitHistoryRequest = { readonly context: Context | null };
export const GetLockWaitHistoryRequest = message<GetLockWaitHistoryRequest>("kvrpcpb.GetLockWaitHistoryRequest", {
  context: embed(1, Context),
});

export type GetLockWaitHistoryResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: string;
  readonly entries: readonly deadlock.WaitForEntry[];
};
export const GetLockWaitHistoryResponse = message<GetLockWaitHistoryResponse>("kvrpcpb.GetLockWaitHistoryResponse", {
  region_error: embed(1, errorpb.Error),
  error: text(2),
  entries: many(embed(3, deadlock.WaitForEntry)),
});

export const checksumAlgorithmNames = ["Crc64_Xor"] as const;
export type ChecksumAlgorithm = (typeof checksumAlgorithmNames)[number] | "unrecognized";

export type RawChecksumRequest = {
  readonly context: Context | null;
  readonly algorithm: ChecksumAlgorithm;
  readonly ranges: readonly KeyRange[];
};
export const RawChecksumRequest = message<RawChecksumRequest>("kvrpcpb.RawChecksumRequest", {
  context: embed(1, Context),
  algorithm: names(2, checksumAlgorithmNames),
  ranges: many(embed(3, KeyRange)),
});

export type RawChecksumResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: string;
  readonly checksum: bigint;
  readonly total_kvs: number;
  readonly total_bytes: number;
};
export const RawChecksumResponse = message<RawChecksumResponse>("kvrpcpb.RawChecksumResponse", {
  region_error: embed(1, errorpb.Error),
  error: text(2),
  checksum: big(3),
  total_kvs: u64(4),
  total_bytes: u64(5),
});

export type FlushRequest = {
  readonly context: Context | null;
  readonly mutations: readonly Mutation[];
  readonly primary_key: Uint8Array;
  readonly start_ts: bigint;
  readonly min_commit_ts: bigint;
  readonly generation: number;
  readonly lock_ttl: number;
  readonly assertion_level: AssertionLevel;
};
export const FlushRequest = message<FlushRequest>("kvrpcpb.FlushRequest", {
  context: embed(1, Context),
  mutations: many(embed(2, Mutation)),
  primary_key: bytes(3),
  start_ts: big(4),
  min_commit_ts: big(5),
  generation: u64(6),
  lock_ttl: u64(7),
  assertion_level: names(8, assertionLevelNames),
});

export type FlushResponse = { readonly region_error: errorpb.Error | null; readonly errors: readonly KeyError[] };
export const FlushResponse = message<FlushResponse>("kvrpcpb.FlushResponse", {
  region_error: embed(1, errorpb.Error),
  errors: many(embed(2, KeyError)),
});

export type BufferBatchGetRequest = { readonly context: Context | null; readonly keys: readonly Uint8Array[]; readonly version: bigint };
export const BufferBatchGetRequest = message<BufferBatchGetRequest>("kvrpcpb.BufferBatchGetRequest", {
  context: embed(1, Context),
  keys: many(bytes(2)),
  version: big(3),
});

export type BufferBatchGetResponse = {
  readonly region_error: errorpb.Error | null;
  readonly error: KeyError | null;
  readonly pairs: readonly KvPair[];
};
export const BufferBatchGetResponse = message<BufferBatchGetResponse>("kvrpcpb.BufferBatchGetResponse", {
  region_error: embed(1, errorpb.Error),
  error: embed(2, KeyError),
  pairs: many(embed(3, KvPair)),
});

export type GetHealthFeedbackRequest = { readonly context: Context | null };
export const GetHealthFeedbackRequest = message<GetHealthFeedbackRequest>("kvrpcpb.GetHealthFeedbackRequest", {
  context: embed(1, Context),
});

export type HealthFeedback = { readonly store_id: number; readonly feedback_seq_no: number; readonly slow_score: number };
export const HealthFeedback = message<HealthFeedback>("kvrpcpb.HealthFeedback", {
  store_id: u64(1),
  feedback_seq_no: u64(2),
  slow_score: i32(3),
});

export type GetHealthFeedbackResponse = { readonly region_error: errorpb.Error | null; readonly health_feedback: HealthFeedback | null };
export const GetHealthFeedbackResponse = message<GetHealthFeedbackResponse>("kvrpcpb.GetHealthFeedbackResponse", {
  region_error: embed(1, errorpb.Error),
  health_feedback: embed(2, HealthFeedback),
});

export type TxnStatus = {
  readonly start_ts: bigint;
  readonly min_commit_ts: bigint;
  readonly commit_ts: bigint;
  readonly rolled_back: boolean;
  readonly is_completed: boolean;
};
export const TxnStatus = message<TxnStatus>("kvrpcpb.TxnStatus", {
  start_ts: big(1),
  min_commit_ts: big(2),
  commit_ts: big(3),
  rolled_back: bool(4),
  is_completed: bool(5),
});

export type BroadcastTxnStatusRequest = { readonly context: Context | null; readonly txn_status: readonly TxnStatus[] };
export const BroadcastTxnStatusRequest = message<BroadcastTxnStatusRequest>("kvrpcpb.BroadcastTxnStatusRequest", {
  context: embed(1, Context),
  txn_status: many(embed(2, TxnStatus)),
});

export type BroadcastTxnStatusResponse = {};
export const BroadcastTxnStatusResponse = message<BroadcastTxnStatusResponse>("kvrpcpb.BroadcastTxnStatusResponse", {});
