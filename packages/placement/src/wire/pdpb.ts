/** The placement driver's services. */
import {
  big,
  bool,
  bytes,
  clientStream,
  double,
  duplex,
  embed,
  i32,
  i64,
  many,
  message,
  names,
  serverStream,
  service,
  text,
  u32,
  u64,
  unary,
} from "@skein/rpc";
import * as eraftpb from "./eraftpb.ts";
import * as metapb from "./metapb.ts";
import * as raft_serverpb from "./raft_serverpb.ts";
import * as replication_modepb from "./replication_modepb.ts";

export type WatchGlobalConfigRequest = { readonly config_path: string; readonly revision: number };
export const WatchGlobalConfigRequest = message<WatchGlobalConfigRequest>("pdpb.WatchGlobalConfigRequest", {
  config_path: text(1),
  revision: i64(2),
});

export const errorTypeNames = [
  "OK",
  "UNKNOWN",
  "NOT_BOOTSTRAPPED",
  "STORE_TOMBSTONE",
  "ALREADY_BOOTSTRAPPED",
  "INCOMPATIBLE_VERSION",
  "REGION_NOT_FOUND",
  "GLOBAL_CONFIG_NOT_FOUND",
  "DUPLICATED_ENTRY",
  "ENTRY_NOT_FOUND",
  "INVALID_VALUE",
  "DATA_COMPACTED",
  "REGIONS_NOT_CONTAIN_ALL_KEY_RANGE",
] as const;
export type ErrorType = (typeof errorTypeNames)[number] | "unrecognized";

export type Error = { readonly type: ErrorType; readonly message: string };
export const Error = message<Error>("pdpb.Error", { type: names(1, errorTypeNames), message: text(2) });

export const eventTypeNames = ["PUT", "DELETE"] as const;
export type EventType = (typeof eventTypeNames)[number] | "unrecognized";

export type GlobalConfigItem = {
  readonly name: string;
  readonly value: string;
  readonly error: Error | null;
  readonly kind: EventType;
  readonly payload: Uint8Array;
};
export const GlobalConfigItem = message<GlobalConfigItem>("pdpb.GlobalConfigItem", {
  name: text(1),
  value: text(2),
  error: embed(3, Error),
  kind: names(4, eventTypeNames),
  payload: bytes(5),
});

export type ResponseHeader = { readonly cluster_id: bigint; readonly error: Error | null };
export const ResponseHeader = message<ResponseHeader>("pdpb.ResponseHeader", { cluster_id: big(1), error: embed(2, Error) });

export type WatchGlobalConfigResponse = {
  readonly changes: readonly GlobalConfigItem[];
  readonly revision: number;
  readonly header: ResponseHeader | null;
};
export const WatchGlobalConfigResponse = message<WatchGlobalConfigResponse>("pdpb.WatchGlobalConfigResponse", {
  changes: many(embed(1, GlobalConfigItem)),
  revision: i64(2),
  header: embed(3, ResponseHeader),
});

export type StoreGlobalConfigRequest = { readonly changes: readonly GlobalConfigItem[]; readonly config_path: string };
export const StoreGlobalConfigRequest = message<StoreGlobalConfigRequest>("pdpb.StoreGlobalConfigRequest", {
  changes: many(embed(1, GlobalConfigItem)),
  config_path: text(2),
});

export type StoreGlobalConfigResponse = { readonly error: Error | null };
export const StoreGlobalConfigResponse = message<StoreGlobalConfigResponse>("pdpb.StoreGlobalConfigResponse", { error: embed(1, Error) });

export type LoadGlobalConfigRequest = { readonly names: readonly string[]; readonly config_path: string };
export const LoadGlobalConfigRequest = message<LoadGlobalConfigRequest>("pdpb.LoadGlobalConfigRequest", {
  names: many(text(1)),
  config_path: text(2),
});

export type LoadGlobalConfigResponse = { readonly items: readonly GlobalConfigItem[]; readonly revision: number };
export const LoadGlobalConfigResponse = message<LoadGlobalConfigResponse>("pdpb.LoadGlobalConfigResponse", {
  items: many(embed(1, GlobalConfigItem)),
  revision: i64(2),
});

export type RequestHeader = { readonly cluster_id: bigint; readonly sender_id: bigint };
export const RequestHeader = message<RequestHeader>("pdpb.RequestHeader", { cluster_id: big(1), sender_id: big(2) });

export type TsoRequest = { readonly header: RequestHeader | null; readonly count: number; readonly dc_location: string };
export const TsoRequest = message<TsoRequest>("pdpb.TsoRequest", { header: embed(1, RequestHeader), count: u32(2), dc_location: text(3) });

export type Timestamp = { readonly physical: number; readonly logical: number; readonly suffix_bits: number };
export const Timestamp = message<Timestamp>("pdpb.Timestamp", { physical: i64(1), logical: i64(2), suffix_bits: u32(3) });

export type TsoResponse = { readonly header: ResponseHeader | null; readonly count: number; readonly timestamp: Timestamp | null };
export const TsoResponse = message<TsoResponse>("pdpb.TsoResponse", {
  header: embed(1, ResponseHeader),
  count: u32(2),
  timestamp: embed(3, Timestamp),
});

export type BootstrapRequest = {
  readonly header: RequestHeader | null;
  readonly store: metapb.Store | null;
  readonly region: metapb.Region | null;
};
export const BootstrapRequest = message<BootstrapRequest>("pdpb.BootstrapRequest", {
  header: embed(1, RequestHeader),
  store: embed(2, metapb.Store),
  region: embed(3, metapb.Region),
});

export type BootstrapResponse = {
  readonly header: ResponseHeader | null;
  readonly replication_status: replication_modepb.ReplicationStatus | null;
};
export const BootstrapResponse = message<BootstrapResponse>("pdpb.BootstrapResponse", {
  header: embed(1, ResponseHeader),
  replication_status: embed(2, replication_modepb.ReplicationStatus),
});

export type IsBootstrappedRequest = { readonly header: RequestHeader | null };
export const IsBootstrappedRequest = message<IsBootstrappedRequest>("pdpb.IsBootstrappedRequest", { header: embed(1, RequestHeader) });

export type IsBootstrappedResponse = { readonly header: ResponseHeader | null; readonly bootstrapped: boolean };
export const IsBootstrappedResponse = message<IsBootstrappedResponse>("pdpb.IsBootstrappedResponse", {
  header: embed(1, ResponseHeader),
  bootstrapped: bool(2),
});

export type AllocIDRequest = { readonly header: RequestHeader | null };
export const AllocIDRequest = message<AllocIDRequest>("pdpb.AllocIDRequest", { header: embed(1, RequestHeader) });

export type AllocIDResponse = { readonly header: ResponseHeader | null; readonly id: number };
export const AllocIDResponse = message<AllocIDResponse>("pdpb.AllocIDResponse", { header: embed(1, ResponseHeader), id: u64(2) });

export type IsSnapshotRecoveringRequest = { readonly header: RequestHeader | null };
export const IsSnapshotRecoveringRequest = message<IsSnapshotRecoveringRequest>("pdpb.IsSnapshotRecoveringRequest", {
  header: embed(1, RequestHeader),
});

export type IsSnapshotRecoveringResponse = { readonly header: ResponseHeader | null; readonly marked: boolean };
export const IsSnapshotRecoveringResponse = message<IsSnapshotRecoveringResponse>("pdpb.IsSnapshotRecoveringResponse", {
  header: embed(1, ResponseHeader),
  marked: bool(2),
});

export type GetStoreRequest = { readonly header: RequestHeader | null; readonly store_id: number };
export const GetStoreRequest = message<GetStoreRequest>("pdpb.GetStoreRequest", { header: embed(1, RequestHeader), store_id: u64(2) });

export type TimeInterval = { readonly start_timestamp: number; readonly end_timestamp: number };
export const TimeInterval = message<TimeInterval>("pdpb.TimeInterval", { start_timestamp: u64(1), end_timestamp: u64(2) });

export type RecordPair = { readonly key: string; readonly value: number };
export const RecordPair = message<RecordPair>("pdpb.RecordPair", { key: text(1), value: u64(2) });

export type QueryStats = {
  readonly GC: number;
  readonly Get: number;
  readonly Scan: number;
  readonly Coprocessor: number;
  readonly Delete: number;
  readonly DeleteRange: number;
  readonly Put: number;
  readonly Prewrite: number;
  readonly AcquirePessimisticLock: number;
  readonly Commit: number;
  readonly Rollback: number;
};
export const QueryStats = message<QueryStats>("pdpb.QueryStats", {
  GC: u64(1),
  Get: u64(2),
  Scan: u64(3),
  Coprocessor: u64(4),
  Delete: u64(5),
  DeleteRange: u64(6),
  Put: u64(7),
  Prewrite: u64(8),
  AcquirePessimisticLock: u64(9),
  Commit: u64(10),
  Rollback: u64(11),
});

export type PeerStat = {
  readonly region_id: number;
  readonly read_keys: number;
  readonly read_bytes: number;
  readonly query_stats: QueryStats | null;
  readonly written_keys: number;
  readonly written_bytes: number;
};
export const PeerStat = message<PeerStat>("pdpb.PeerStat", {
  region_id: u64(1),
  read_keys: u64(2),
  read_bytes: u64(3),
  query_stats: embed(4, QueryStats),
  written_keys: u64(5),
  written_bytes: u64(6),
});

export type SnapshotStat = {
  readonly region_id: number;
  readonly generate_duration_sec: number;
  readonly send_duration_sec: number;
  readonly total_duration_sec: number;
  readonly transport_size: number;
};
export const SnapshotStat = message<SnapshotStat>("pdpb.SnapshotStat", {
  region_id: u64(1),
  generate_duration_sec: u64(2),
  send_duration_sec: u64(3),
  total_duration_sec: u64(4),
  transport_size: u64(5),
});

export type SlowTrend = {
  readonly cause_value: number;
  readonly cause_rate: number;
  readonly result_value: number;
  readonly result_rate: number;
};
export const SlowTrend = message<SlowTrend>("pdpb.SlowTrend", {
  cause_value: double(1),
  cause_rate: double(2),
  result_value: double(3),
  result_rate: double(4),
});

export type StoreStats = {
  readonly store_id: number;
  readonly capacity: number;
  readonly available: number;
  readonly region_count: number;
  readonly sending_snap_count: number;
  readonly receiving_snap_count: number;
  readonly start_time: number;
  readonly applying_snap_count: number;
  readonly is_busy: boolean;
  readonly used_size: number;
  readonly bytes_written: number;
  readonly keys_written: number;
  readonly bytes_read: number;
  readonly keys_read: number;
  readonly interval: TimeInterval | null;
  readonly cpu_usages: readonly RecordPair[];
  readonly read_io_rates: readonly RecordPair[];
  readonly write_io_rates: readonly RecordPair[];
  readonly op_latencies: readonly RecordPair[];
  readonly peer_stats: readonly PeerStat[];
  readonly query_stats: QueryStats | null;
  readonly slow_score: number;
  readonly damaged_regions_id: readonly number[];
  readonly is_apply_busy: boolean;
  readonly snapshot_stats: readonly SnapshotStat[];
  readonly slow_trend: SlowTrend | null;
  readonly is_grpc_paused: boolean;
  readonly total_memory: number;
  readonly used_memory: number;
  readonly is_stopping: boolean;
};
export const StoreStats = message<StoreStats>("pdpb.StoreStats", {
  store_id: u64(1),
  capacity: u64(2),
  available: u64(3),
  region_count: u32(4),
  sending_snap_count: u32(5),
  receiving_snap_count: u32(6),
  start_time: u32(7),
  applying_snap_count: u32(8),
  is_busy: bool(9),
  used_size: u64(10),
  bytes_written: u64(11),
  keys_written: u64(12),
  bytes_read: u64(13),
  keys_read: u64(14),
  interval: embed(15, TimeInterval),
  cpu_usages: many(embed(16, RecordPair)),
  read_io_rates: many(embed(17, RecordPair)),
  write_io_rates: many(embed(18, RecordPair)),
  op_latencies: many(embed(19, RecordPair)),
  peer_stats: many(embed(20, PeerStat)),
  query_stats: embed(21, QueryStats),
  slow_score: u64(22),
  damaged_regions_id: many(u64(23)),
  is_apply_busy: bool(24),
  snapshot_stats: many(embed(25, SnapshotStat)),
  slow_trend: embed(26, SlowTrend),
  is_grpc_paused: bool(27),
  total_memory: u64(28),
  used_memory: u64(29),
  is_stopping: bool(32),
});

export type GetStoreResponse = {
  readonly header: ResponseHeader | null;
  readonly store: metapb.Store | null;
  readonly stats: StoreStats | null;
};
export const GetStoreResponse = message<GetStoreResponse>("pdpb.GetStoreResponse", {
  header: embed(1, ResponseHeader),
  store: embed(2, metapb.Store),
  stats: embed(3, StoreStats),
});

export type PutStoreRequest = { readonly header: RequestHeader | null; readonly store: metapb.Store | null };
export const PutStoreRequest = message<PutStoreRequest>("pdpb.PutStoreRequest", {
  header: embed(1, RequestHeader),
  store: embed(2, metapb.Store),
});

export type PutStoreResponse = {
  readonly header: ResponseHeader | null;
  readonly replication_status: replication_modepb.ReplicationStatus | null;
};
export const PutStoreResponse = message<PutStoreResponse>("pdpb.PutStoreResponse", {
  header: embed(1, ResponseHeader),
  replication_status: embed(2, replication_modepb.ReplicationStatus),
});

export type GetAllStoresRequest = { readonly header: RequestHeader | null; readonly exclude_tombstone_stores: boolean };
export const GetAllStoresRequest = message<GetAllStoresRequest>("pdpb.GetAllStoresRequest", {
  header: embed(1, RequestHeader),
  exclude_tombstone_stores: bool(2),
});

export type GetAllStoresResponse = { readonly header: ResponseHeader | null; readonly stores: readonly metapb.Store[] };
export const GetAllStoresResponse = message<GetAllStoresResponse>("pdpb.GetAllStoresResponse", {
  header: embed(1, ResponseHeader),
  stores: many(embed(2, metapb.Store)),
});

export type GetRegionRequest = { readonly header: RequestHeader | null; readonly region_key: Uint8Array; readonly need_buckets: boolean };
export const GetRegionRequest = message<GetRegionRequest>("pdpb.GetRegionRequest", {
  header: embed(1, RequestHeader),
  region_key: bytes(2),
  need_buckets: bool(3),
});

export type PeerStats = { readonly peer: metapb.Peer | null; readonly down_seconds: number };
export const PeerStats = message<PeerStats>("pdpb.PeerStats", { peer: embed(1, metapb.Peer), down_seconds: u64(2) });

export type GetRegionResponse = {
  readonly header: ResponseHeader | null;
  readonly region: metapb.Region | null;
  readonly leader: metapb.Peer | null;
  readonly down_peers: readonly PeerStats[];
  readonly pending_peers: readonly metapb.Peer[];
  readonly buckets: metapb.Buckets | null;
};
export const GetRegionResponse = message<GetRegionResponse>("pdpb.GetRegionResponse", {
  header: embed(1, ResponseHeader),
  region: embed(2, metapb.Region),
  leader: embed(3, metapb.Peer),
  down_peers: many(embed(5, PeerStats)),
  pending_peers: many(embed(6, metapb.Peer)),
  buckets: embed(7, metapb.Buckets),
});

export type GetRegionByIDRequest = { readonly header: RequestHeader | null; readonly region_id: number; readonly need_buckets: boolean };
export const GetRegionByIDRequest = message<GetRegionByIDRequest>("pdpb.GetRegionByIDRequest", {
  header: embed(1, RequestHeader),
  region_id: u64(2),
  need_buckets: bool(3),
});

export type ScanRegionsRequest = {
  readonly header: RequestHeader | null;
  readonly start_key: Uint8Array;
  readonly limit: number;
  readonly end_key: Uint8Array;
};
export const ScanRegionsRequest = message<ScanRegionsRequest>("pdpb.ScanRegionsRequest", {
  header: embed(1, RequestHeader),
  start_key: bytes(2),
  limit: i32(3),
  end_key: bytes(4),
});

export type Region = {
  readonly region: metapb.Region | null;
  readonly leader: metapb.Peer | null;
  readonly down_peers: readonly PeerStats[];
  readonly pending_peers: readonly metapb.Peer[];
  readonly buckets: metapb.Buckets | null;
};
export const Region = message<Region>("pdpb.Region", {
  region: embed(1, metapb.Region),
  leader: embed(2, metapb.Peer),
  down_peers: many(embed(3, PeerStats)),
  pending_peers: many(embed(4, metapb.Peer)),
  buckets: embed(5, metapb.Buckets),
});

export type ScanRegionsResponse = {
  readonly header: ResponseHeader | null;
  readonly region_metas: readonly metapb.Region[];
  readonly leaders: readonly metapb.Peer[];
  readonly regions: readonly Region[];
};
export const ScanRegionsResponse = message<ScanRegionsResponse>("pdpb.ScanRegionsResponse", {
  header: embed(1, ResponseHeader),
  region_metas: many(embed(2, metapb.Region)),
  leaders: many(embed(3, metapb.Peer)),
  regions: many(embed(4, Region)),
});

export type KeyRange = { readonly start_key: Uint8Array; readonly end_key: Uint8Array };
export const KeyRange = message<KeyRange>("pdpb.KeyRange", { start_key: bytes(1), end_key: bytes(2) });

export type BatchScanRegionsRequest = {
  readonly header: RequestHeader | null;
  readonly need_buckets: boolean;
  readonly ranges: readonly KeyRange[];
  readonly limit: number;
  readonly contain_all_key_range: boolean;
};
export const BatchScanRegionsRequest = message<BatchScanRegionsRequest>("pdpb.BatchScanRegionsRequest", {
  header: embed(1, RequestHeader),
  need_buckets: bool(2),
  ranges: many(embed(3, KeyRange)),
  limit: i32(4),
  contain_all_key_range: bool(5),
});

export type BatchScanRegionsResponse = { readonly header: ResponseHeader | null; readonly regions: readonly Region[] };
export const BatchScanRegionsResponse = message<BatchScanRegionsResponse>("pdpb.BatchScanRegionsResponse", {
  header: embed(1, ResponseHeader),
  regions: many(embed(2, Region)),
});

export type GetClusterConfigRequest = { readonly header: RequestHeader | null };
export const GetClusterConfigRequest = message<GetClusterConfigRequest>("pdpb.GetClusterConfigRequest", {
  header: embed(1, RequestHeader),
});

export type GetClusterConfigResponse = { readonly header: ResponseHeader | null; readonly cluster: metapb.Cluster | null };
export const GetClusterConfigResponse = message<GetClusterConfigResponse>("pdpb.GetClusterConfigResponse", {
  header: embed(1, ResponseHeader),
  cluster: embed(2, metapb.Cluster),
});

export type PutClusterConfigRequest = { readonly header: RequestHeader | null; readonly cluster: metapb.Cluster | null };
export const PutClusterConfigRequest = message<PutClusterConfigRequest>("pdpb.PutClusterConfigRequest", {
  header: embed(1, RequestHeader),
  cluster: embed(2, metapb.Cluster),
});

export type PutClusterConfigResponse = { readonly header: ResponseHeader | null };
export const PutClusterConfigResponse = message<PutClusterConfigResponse>("pdpb.PutClusterConfigResponse", {
  header: embed(1, ResponseHeader),
});

export type GetMembersRequest = { readonly header: RequestHeader | null };
export const GetMembersRequest = message<GetMembersRequest>("pdpb.GetMembersRequest", { header: embed(1, RequestHeader) });

export type Member = {
  readonly name: string;
  readonly member_id: bigint;
  readonly peer_urls: readonly string[];
  readonly client_urls: readonly string[];
  readonly leader_priority: number;
  readonly deploy_path: string;
  readonly binary_version: string;
  readonly git_hash: string;
  readonly dc_location: string;
};
export const Member = message<Member>("pdpb.Member", {
  name: text(1),
  member_id: big(2),
  peer_urls: many(text(3)),
  client_urls: many(text(4)),
  leader_priority: i32(5),
  deploy_path: text(6),
  binary_version: text(7),
  git_hash: text(8),
  dc_location: text(9),
});

export type GetMembersResponse = {
  readonly header: ResponseHeader | null;
  readonly members: readonly Member[];
  readonly leader: Member | null;
  readonly etcd_leader: Member | null;
};
export const GetMembersResponse = message<GetMembersResponse>("pdpb.GetMembersResponse", {
  header: embed(1, ResponseHeader),
  members: many(embed(2, Member)),
  leader: embed(3, Member),
  etcd_leader: embed(4, Member),
});

export type GetClusterInfoRequest = { readonly header: ResponseHeader | null };
export const GetClusterInfoRequest = message<GetClusterInfoRequest>("pdpb.GetClusterInfoRequest", { header: embed(1, ResponseHeader) });

export const serviceModeNames = ["UNKNOWN_SVC_MODE", "PD_SVC_MODE", "API_SVC_MODE"] as const;
export type ServiceMode = (typeof serviceModeNames)[number] | "unrecognized";

export type GetClusterInfoResponse = {
  readonly header: ResponseHeader | null;
  readonly serviceModes: readonly ServiceMode[];
  readonly tso_urls: readonly string[];
};
export const GetClusterInfoResponse = message<GetClusterInfoResponse>("pdpb.GetClusterInfoResponse", {
  header: embed(1, ResponseHeader),
  serviceModes: many(names(2, serviceModeNames)),
  tso_urls: many(text(3)),
});

export type RegionHeartbeatRequest = {
  readonly header: RequestHeader | null;
  readonly region: metapb.Region | null;
  readonly leader: metapb.Peer | null;
  readonly down_peers: readonly PeerStats[];
  readonly pending_peers: readonly metapb.Peer[];
  readonly bytes_written: number;
  readonly bytes_read: number;
  readonly keys_written: number;
  readonly keys_read: number;
  readonly approximate_size: number;
  readonly interval: TimeInterval | null;
  readonly approximate_keys: number;
  readonly term: number;
  readonly replication_status: replication_modepb.RegionReplicationStatus | null;
  readonly query_stats: QueryStats | null;
  readonly cpu_usage: number;
  readonly approximate_kv_size: number;
};
export const RegionHeartbeatRequest = message<RegionHeartbeatRequest>("pdpb.RegionHeartbeatRequest", {
  header: embed(1, RequestHeader),
  region: embed(2, metapb.Region),
  leader: embed(3, metapb.Peer),
  down_peers: many(embed(4, PeerStats)),
  pending_peers: many(embed(5, metapb.Peer)),
  bytes_written: u64(6),
  bytes_read: u64(7),
  keys_written: u64(8),
  keys_read: u64(9),
  approximate_size: u64(10),
  interval: embed(12, TimeInterval),
  approximate_keys: u64(13),
  term: u64(14),
  replication_status: embed(15, replication_modepb.RegionReplicationStatus),
  query_stats: embed(16, QueryStats),
  cpu_usage: u64(17),
  approximate_kv_size: u64(18),
});

export type ChangePeer = { readonly peer: metapb.Peer | null; readonly change_type: eraftpb.ConfChangeType };
export const ChangePeer = message<ChangePeer>("pdpb.ChangePeer", {
  peer: embed(1, metapb.Peer),
  change_type: names(2, eraftpb.confChangeTypeNames),
});

export type TransferLeader = { readonly peer: metapb.Peer | null; readonly peers: readonly metapb.Peer[] };
export const TransferLeader = message<TransferLeader>("pdpb.TransferLeader", {
  peer: embed(1, metapb.Peer),
  peers: many(embed(2, metapb.Peer)),
});

export type Merge = { readonly target: metapb.Region | null };
export const Merge = message<Merge>("pdpb.Merge", { target: embed(1, metapb.Region) });

export const checkPolicyNames = ["SCAN", "APPROXIMATE", "USEKEY"] as const;
export type CheckPolicy = (typeof checkPolicyNames)[number] | "unrecognized";

export type SplitRegion = { readonly policy: CheckPolicy; readonly keys: readonly Uint8Array[] };
export const SplitRegion = message<SplitRegion>("pdpb.SplitRegion", { policy: names(1, checkPolicyNames), keys: many(bytes(2)) });

export type ChangePeerV2 = { readonly changes: readonly ChangePeer[] };
export const ChangePeerV2 = message<ChangePeerV2>("pdpb.ChangePeerV2", { changes: many(embed(1, ChangePeer)) });

export type SwitchWitness = { readonly peer_id: number; readonly is_witness: boolean };
export const SwitchWitness = message<SwitchWitness>("pdpb.SwitchWitness", { peer_id: u64(1), is_witness: bool(2) });

export type BatchSwitchWitness = { readonly switch_witnesses: readonly SwitchWitness[] };
export const BatchSwitchWitness = message<BatchSwitchWitness>("pdpb.BatchSwitchWitness", {
  switch_witnesses: many(embed(1, SwitchWitness)),
});

export type ChangeSplit = { readonly auto_split_enabled: boolean };
export const ChangeSplit = message<ChangeSplit>("pdpb.ChangeSplit", { auto_split_enabled: bool(1) });

export type RegionHeartbeatResponse = {
  readonly header: ResponseHeader | null;
  readonly change_peer: ChangePeer | null;
  readonly transfer_leader: TransferLeader | null;
  readonly region_id: number;
  readonly region_epoch: metapb.RegionEpoch | null;
  readonly target_peer: metapb.Peer | null;
  readonly merge: Merge | null;
  readonly split_region: SplitRegion | null;
  readonly change_peer_v2: ChangePeerV2 | null;
  readonly switch_witnesses: BatchSwitchWitness | null;
  readonly change_split: ChangeSplit | null;
};
export const RegionHeartbeatResponse = message<RegionHeartbeatResponse>("pdpb.RegionHeartbeatResponse", {
  header: embed(1, ResponseHeader),
  change_peer: embed(2, ChangePeer),
  transfer_leader: embed(3, TransferLeader),
  region_id: u64(4),
  region_epoch: embed(5, metapb.RegionEpoch),
  target_peer: embed(6, metapb.Peer),
  merge: embed(7, Merge),
  split_region: embed(8, SplitRegion),
  change_peer_v2: embed(9, ChangePeerV2),
  switch_witnesses: embed(10, BatchSwitchWitness),
  change_split: embed(11, ChangeSplit),
});

export type AskSplitRequest = { readonly header: RequestHeader | null; readonly region: metapb.Region | null };
export const AskSplitRequest = message<AskSplitRequest>("pdpb.AskSplitRequest", {
  header: embed(1, RequestHeader),
  region: embed(2, metapb.Region),
});

export type AskSplitResponse = {
  readonly header: ResponseHeader | null;
  readonly new_region_id: number;
  readonly new_peer_ids: readonly number[];
};
export const AskSplitResponse = message<AskSplitResponse>("pdpb.AskSplitResponse", {
  header: embed(1, ResponseHeader),
  new_region_id: u64(2),
  new_peer_ids: many(u64(3)),
});

export type ReportSplitRequest = {
  readonly header: RequestHeader | null;
  readonly left: metapb.Region | null;
  readonly right: metapb.Region | null;
};
export const ReportSplitRequest = message<ReportSplitRequest>("pdpb.ReportSplitRequest", {
  header: embed(1, RequestHeader),
  left: embed(2, metapb.Region),
  right: embed(3, metapb.Region),
});

export type ReportSplitResponse = { readonly header: ResponseHeader | null };
export const ReportSplitResponse = message<ReportSplitResponse>("pdpb.ReportSplitResponse", { header: embed(1, ResponseHeader) });

export const splitReasonNames = ["ADMIN", "SIZE", "LOAD"] as const;
export type SplitReason = (typeof splitReasonNames)[number] | "unrecognized";

export type AskBatchSplitRequest = {
  readonly header: RequestHeader | null;
  readonly region: metapb.Region | null;
  readonly split_count: number;
  readonly reason: SplitReason;
};
export const AskBatchSplitRequest = message<AskBatchSplitRequest>("pdpb.AskBatchSplitRequest", {
  header: embed(1, RequestHeader),
  region: embed(2, metapb.Region),
  split_count: u32(3),
  reason: names(4, splitReasonNames),
});

export type SplitID = { readonly new_region_id: number; readonly new_peer_ids: readonly number[] };
export const SplitID = message<SplitID>("pdpb.SplitID", { new_region_id: u64(1), new_peer_ids: many(u64(2)) });

export type AskBatchSplitResponse = { readonly header: ResponseHeader | null; readonly ids: readonly SplitID[] };
export const AskBatchSplitResponse = message<AskBatchSplitResponse>("pdpb.AskBatchSplitResponse", {
  header: embed(1, ResponseHeader),
  ids: many(embed(2, SplitID)),
});

export type ReportBatchSplitRequest = { readonly header: RequestHeader | null; readonly regions: readonly metapb.Region[] };
export const ReportBatchSplitRequest = message<ReportBatchSplitRequest>("pdpb.ReportBatchSplitRequest", {
  header: embed(1, RequestHeader),
  regions: many(embed(2, metapb.Region)),
});

export type ReportBatchSplitResponse = { readonly header: ResponseHeader | null };
export const ReportBatchSplitResponse = message<ReportBatchSplitResponse>("pdpb.ReportBatchSplitResponse", {
  header: embed(1, ResponseHeader),
});

export type PeerReport = {
  readonly raft_state: raft_serverpb.RaftLocalState | null;
  readonly region_state: raft_serverpb.RegionLocalState | null;
  readonly is_force_leader: boolean;
  readonly has_commit_merge: boolean;
  readonly applied_index: number;
};
export const PeerReport = message<PeerReport>("pdpb.PeerReport", {
  raft_state: embed(1, raft_serverpb.RaftLocalState),
  region_state: embed(2, raft_serverpb.RegionLocalState),
  is_force_leader: bool(3),
  has_commit_merge: bool(4),
  applied_index: u64(5),
});

export type StoreReport = { readonly peer_reports: readonly PeerReport[]; readonly step: number };
export const StoreReport = message<StoreReport>("pdpb.StoreReport", { peer_reports: many(embed(1, PeerReport)), step: u64(2) });

export type StoreHeartbeatRequest = {
  readonly header: RequestHeader | null;
  readonly stats: StoreStats | null;
  readonly store_report: StoreReport | null;
  readonly dr_autosync_status: replication_modepb.StoreDRAutoSyncStatus | null;
};
export const StoreHeartbeatRequest = message<StoreHeartbeatRequest>("pdpb.StoreHeartbeatRequest", {
  header: embed(1, RequestHeader),
  stats: embed(2, StoreStats),
  store_report: embed(3, StoreReport),
  dr_autosync_status: embed(4, replication_modepb.StoreDRAutoSyncStatus),
});

export type DemoteFailedVoters = { readonly region_id: number; readonly failed_voters: readonly metapb.Peer[] };
export const DemoteFailedVoters = message<DemoteFailedVoters>("pdpb.DemoteFailedVoters", {
  region_id: u64(1),
  failed_voters: many(embed(2, metapb.Peer)),
});

export type ForceLeader = { readonly failed_stores: readonly number[]; readonly enter_force_leaders: readonly number[] };
export const ForceLeader = message<ForceLeader>("pdpb.ForceLeader", { failed_stores: many(u64(1)), enter_force_leaders: many(u64(2)) });

export type RecoveryPlan = {
  readonly creates: readonly metapb.Region[];
  readonly updates: readonly metapb.Region[];
  readonly tombstones: readonly number[];
  readonly demotes: readonly DemoteFailedVoters[];
  readonly force_leader: ForceLeader | null;
  readonly step: number;
};
export const RecoveryPlan = message<RecoveryPlan>("pdpb.RecoveryPlan", {
  creates: many(embed(1, metapb.Region)),
  updates: many(embed(2, metapb.Region)),
  tombstones: many(u64(3)),
  demotes: many(embed(4, DemoteFailedVoters)),
  force_leader: embed(5, ForceLeader),
  step: u64(6),
});

export type AwakenRegions = { readonly abnormal_stores: readonly number[] };
export const AwakenRegions = message<AwakenRegions>("pdpb.AwakenRegions", { abnormal_stores: many(u64(1)) });

export const controlGrpcEventNames = ["PAUSE", "RESUME"] as const;
export type ControlGrpcEvent = (typeof controlGrpcEventNames)[number] | "unrecognized";

export type ControlGrpc = { readonly ctrl_event: ControlGrpcEvent };
export const ControlGrpc = message<ControlGrpc>("pdpb.ControlGrpc", { ctrl_event: names(1, controlGrpcEventNames) });

export type StoreHeartbeatResponse = {
  readonly header: ResponseHeader | null;
  readonly replication_status: replication_modepb.ReplicationStatus | null;
  readonly cluster_version: string;
  readonly require_detailed_report: boolean;
  readonly recovery_plan: RecoveryPlan | null;
  readonly awaken_regions: AwakenRegions | null;
  readonly control_grpc: ControlGrpc | null;
  readonly state: metapb.NodeState;
};
export const StoreHeartbeatResponse = message<StoreHeartbeatResponse>("pdpb.StoreHeartbeatResponse", {
  header: embed(1, ResponseHeader),
  replication_status: embed(2, replication_modepb.ReplicationStatus),
  cluster_version: text(3),
  require_detailed_report: bool(4),
  recovery_plan: embed(5, RecoveryPlan),
  awaken_regions: embed(6, AwakenRegions),
  control_grpc: embed(7, ControlGrpc),
  state: names(8, metapb.nodeStateNames),
});

export type ScatterRegionRequest = {
  readonly header: RequestHeader | null;
  readonly region_id: number;
  readonly region: metapb.Region | null;
  readonly leader: metapb.Peer | null;
  readonly group: string;
  readonly regions_id: readonly number[];
  readonly retry_limit: number;
  readonly skip_store_limit: boolean;
};
export const ScatterRegionRequest = message<ScatterRegionRequest>("pdpb.ScatterRegionRequest", {
  header: embed(1, RequestHeader),
  region_id: u64(2),
  region: embed(3, metapb.Region),
  leader: embed(4, metapb.Peer),
  group: text(5),
  regions_id: many(u64(6)),
  retry_limit: u64(7),
  skip_store_limit: bool(8),
});

export type ScatterRegionResponse = {
  readonly header: ResponseHeader | null;
  readonly finished_percentage: number;
  readonly failed_regions_id: readonly number[];
};
export const ScatterRegionResponse = message<ScatterRegionResponse>("pdpb.ScatterRegionResponse", {
  header: embed(1, ResponseHeader),
  finished_percentage: u64(2),
  failed_regions_id: many(u64(3)),
});

export type GetGCSafePointRequest = { readonly header: RequestHeader | null };
export const GetGCSafePointRequest = message<GetGCSafePointRequest>("pdpb.GetGCSafePointRequest", { header: embed(1, RequestHeader) });

export type GetGCSafePointResponse = { readonly header: ResponseHeader | null; readonly safe_point: bigint };
export const GetGCSafePointResponse = message<GetGCSafePointResponse>("pdpb.GetGCSafePointResponse", {
  header: embed(1, ResponseHeader),
  safe_point: big(2),
});

export type UpdateGCSafePointRequest = { readonly header: RequestHeader | null; readonly safe_point: bigint };
export const UpdateGCSafePointRequest = message<UpdateGCSafePointRequest>("pdpb.UpdateGCSafePointRequest", {
  header: embed(1, RequestHeader),
  safe_point: big(2),
});

export type UpdateGCSafePointResponse = { readonly header: ResponseHeader | null; readonly new_safe_point: bigint };
export const UpdateGCSafePointResponse = message<UpdateGCSafePointResponse>("pdpb.UpdateGCSafePointResponse", {
  header: embed(1, ResponseHeader),
  new_safe_point: big(2),
});

export type UpdateServiceGCSafePointRequest = {
  readonly header: RequestHeader | null;
  readonly service_id: Uint8Array;
  readonly TTL: number;
  readonly safe_point: bigint;
};
export const UpdateServiceGCSafePointRequest = message<UpdateServiceGCSafePointRequest>("pdpb.UpdateServiceGCSafePointRequest", {
  header: embed(1, RequestHeader),
  service_id: bytes(2),
  TTL: i64(3),
  safe_point: big(4),
});

export type UpdateServiceGCSafePointResponse = {
  readonly header: ResponseHeader | null;
  readonly service_id: Uint8Array;
  readonly TTL: number;
  readonly min_safe_point: bigint;
};
export const UpdateServiceGCSafePointResponse = message<UpdateServiceGCSafePointResponse>("pdpb.UpdateServiceGCSafePointResponse", {
  header: embed(1, ResponseHeader),
  service_id: bytes(2),
  TTL: i64(3),
  min_safe_point: big(4),
});

export type GetOperatorRequest = { readonly header: RequestHeader | null; readonly region_id: number };
export const GetOperatorRequest = message<GetOperatorRequest>("pdpb.GetOperatorRequest", {
  header: embed(1, RequestHeader),
  region_id: u64(2),
});

export const operatorStatusNames = ["SUCCESS", "TIMEOUT", "CANCEL", "REPLACE", "RUNNING"] as const;
export type OperatorStatus = (typeof operatorStatusNames)[number] | "unrecognized";

export type GetOperatorResponse = {
  readonly header: ResponseHeader | null;
  readonly region_id: number;
  readonly desc: Uint8Array;
  readonly status: OperatorStatus;
  readonly kind: Uint8Array;
};
export const GetOperatorResponse = message<GetOperatorResponse>("pdpb.GetOperatorResponse", {
  header: embed(1, ResponseHeader),
  region_id: u64(2),
  desc: bytes(3),
  status: names(4, operatorStatusNames),
  kind: bytes(5),
});

export type SplitRegionsRequest = {
  readonly header: RequestHeader | null;
  readonly split_keys: readonly Uint8Array[];
  readonly retry_limit: number;
};
export const SplitRegionsRequest = message<SplitRegionsRequest>("pdpb.SplitRegionsRequest", {
  header: embed(1, RequestHeader),
  split_keys: many(bytes(2)),
  retry_limit: u64(3),
});

export type SplitRegionsResponse = {
  readonly header: ResponseHeader | null;
  readonly finished_percentage: number;
  readonly regions_id: readonly number[];
};
export const SplitRegionsResponse = message<SplitRegionsResponse>("pdpb.SplitRegionsResponse", {
  header: embed(1, ResponseHeader),
  finished_percentage: u64(2),
  regions_id: many(u64(3)),
});

export type SplitAndScatterRegionsRequest = {
  readonly header: RequestHeader | null;
  readonly split_keys: readonly Uint8Array[];
  readonly group: string;
  readonly retry_limit: number;
};
export const SplitAndScatterRegionsRequest = message<SplitAndScatterRegionsRequest>("pdpb.SplitAndScatterRegionsRequest", {
  header: embed(1, RequestHeader),
  split_keys: many(bytes(2)),
  group: text(3),
  retry_limit: u64(4),
});

export type SplitAndScatterRegionsResponse = {
  readonly header: ResponseHeader | null;
  readonly split_finished_percentage: number;
  readonly scatter_finished_percentage: number;
  readonly regions_id: readonly number[];
};
export const SplitAndScatterRegionsResponse = message<SplitAndScatterRegionsResponse>("pdpb.SplitAndScatterRegionsResponse", {
  header: embed(1, ResponseHeader),
  split_finished_percentage: u64(2),
  scatter_finished_percentage: u64(3),
  regions_id: many(u64(4)),
});

export type ReportBucketsRequest = {
  readonly header: RequestHeader | null;
  readonly region_epoch: metapb.RegionEpoch | null;
  readonly buckets: metapb.Buckets | null;
};
export const ReportBucketsRequest = message<ReportBucketsRequest>("pdpb.ReportBucketsRequest", {
  header: embed(1, RequestHeader),
  region_epoch: embed(2, metapb.RegionEpoch),
  buckets: embed(3, metapb.Buckets),
});

export type ReportBucketsResponse = { readonly header: ResponseHeader | null };
export const ReportBucketsResponse = message<ReportBucketsResponse>("pdpb.ReportBucketsResponse", { header: embed(1, ResponseHeader) });

export type ReportMinResolvedTsRequest = {
  readonly header: RequestHeader | null;
  readonly store_id: number;
  readonly min_resolved_ts: bigint;
};
export const ReportMinResolvedTsRequest = message<ReportMinResolvedTsRequest>("pdpb.ReportMinResolvedTsRequest", {
  header: embed(1, RequestHeader),
  store_id: u64(2),
  min_resolved_ts: big(3),
});

export type ReportMinResolvedTsResponse = { readonly header: ResponseHeader | null };
export const ReportMinResolvedTsResponse = message<ReportMinResolvedTsResponse>("pdpb.ReportMinResolvedTsResponse", {
  header: embed(1, ResponseHeader),
});

export type SetExternalTimestampRequest = { readonly header: RequestHeader | null; readonly timestamp: bigint };
export const SetExternalTimestampRequest = message<SetExternalTimestampRequest>("pdpb.SetExternalTimestampRequest", {
  header: embed(1, RequestHeader),
  timestamp: big(2),
});

export type SetExternalTimestampResponse = { readonly header: ResponseHeader | null };
export const SetExternalTimestampResponse = message<SetExternalTimestampResponse>("pdpb.SetExternalTimestampResponse", {
  header: embed(1, ResponseHeader),
});

export type GetExternalTimestampRequest = { readonly header: RequestHeader | null };
export const GetExternalTimestampRequest = message<GetExternalTimestampRequest>("pdpb.GetExternalTimestampRequest", {
  header: embed(1, RequestHeader),
});

export type GetExternalTimestampResponse = { readonly header: ResponseHeader | null; readonly timestamp: bigint };
export const GetExternalTimestampResponse = message<GetExternalTimestampResponse>("pdpb.GetExternalTimestampResponse", {
  header: embed(1, ResponseHeader),
  timestamp: big(2),
});

export type GetMinTSRequest = { readonly header: RequestHeader | null };
export const GetMinTSRequest = message<GetMinTSRequest>("pdpb.GetMinTSRequest", { header: embed(1, RequestHeader) });

export type GetMinTSResponse = { readonly header: ResponseHeader | null; readonly timestamp: Timestamp | null };
export const GetMinTSResponse = message<GetMinTSResponse>("pdpb.GetMinTSResponse", {
  header: embed(1, ResponseHeader),
  timestamp: embed(2, Timestamp),
});

export const pd = service("pdpb.PD", {
  GetClusterInfo: unary(GetClusterInfoRequest, GetClusterInfoResponse),
  GetMembers: unary(GetMembersRequest, GetMembersResponse),
  Tso: duplex(TsoRequest, TsoResponse),
  Bootstrap: unary(BootstrapRequest, BootstrapResponse),
  IsBootstrapped: unary(IsBootstrappedRequest, IsBootstrappedResponse),
  AllocID: unary(AllocIDRequest, AllocIDResponse),
  IsSnapshotRecovering: unary(IsSnapshotRecoveringRequest, IsSnapshotRecoveringResponse),
  GetStore: unary(GetStoreRequest, GetStoreResponse),
  PutStore: unary(PutStoreRequest, PutStoreResponse),
  GetAllStores: unary(GetAllStoresRequest, GetAllStoresResponse),
  StoreHeartbeat: unary(StoreHeartbeatRequest, StoreHeartbeatResponse),
  RegionHeartbeat: duplex(RegionHeartbeatRequest, RegionHeartbeatResponse),
  GetRegion: unary(GetRegionRequest, GetRegionResponse),
  GetPrevRegion: unary(GetRegionRequest, GetRegionResponse),
  GetRegionByID: unary(GetRegionByIDRequest, GetRegionResponse),
  ScanRegions: unary(ScanRegionsRequest, ScanRegionsResponse),
  BatchScanRegions: unary(BatchScanRegionsRequest, BatchScanRegionsResponse),
  AskSplit: unary(AskSplitRequest, AskSplitResponse),
  ReportSplit: unary(ReportSplitRequest, ReportSplitResponse),
  AskBatchSplit: unary(AskBatchSplitRequest, AskBatchSplitResponse),
  ReportBatchSplit: unary(ReportBatchSplitRequest, ReportBatchSplitResponse),
  GetClusterConfig: unary(GetClusterConfigRequest, GetClusterConfigResponse),
  PutClusterConfig: unary(PutClusterConfigRequest, PutClusterConfigResponse),
  ScatterRegion: unary(ScatterRegionRequest, ScatterRegionResponse),
  GetGCSafePoint: unary(GetGCSafePointRequest, GetGCSafePointResponse),
  UpdateGCSafePoint: unary(UpdateGCSafePointRequest, UpdateGCSafePointResponse),
  UpdateServiceGCSafePoint: unary(UpdateServiceGCSafePointRequest, UpdateServiceGCSafePointResponse),
  GetOperator: unary(GetOperatorRequest, GetOperatorResponse),
  SplitRegions: unary(SplitRegionsRequest, SplitRegionsResponse),
  SplitAndScatterRegions: unary(SplitAndScatterRegionsRequest, SplitAndScatterRegionsResponse),
  StoreGlobalConfig: unary(StoreGlobalConfigRequest, StoreGlobalConfigResponse),
  LoadGlobalConfig: unary(LoadGlobalConfigRequest, LoadGlobalConfigResponse),
  WatchGlobalConfig: serverStream(WatchGlobalConfigRequest, WatchGlobalConfigResponse),
  ReportBuckets: clientStream(ReportBucketsRequest, ReportBucketsResponse),
  ReportMinResolvedTS: unary(ReportMinResolvedTsRequest, ReportMinResolvedTsResponse),
  SetExternalTimestamp: unary(SetExternalTimestampRequest, SetExternalTimestampResponse),
  GetExternalTimestamp: unary(GetExternalTimestampRequest, GetExternalTimestampResponse),
  GetMinTS: unary(GetMinTSRequest, GetMinTSResponse),
});
