/** Stores, regions and peers, as all services of the field say them. */
import { big, bool, bytes, embed, i64, many, message, names, text, u32, u64 } from "@skein/rpc";

export type Cluster = { readonly id: bigint; readonly max_peer_count: number };
export const Cluster = message<Cluster>("metapb.Cluster", { id: big(1), max_peer_count: u32(2) });

export type StoreLabel = { readonly key: string; readonly value: string };
export const StoreLabel = message<StoreLabel>("metapb.StoreLabel", { key: text(1), value: text(2) });

export const storeStateNames = ["Up", "Offline", "Tombstone"] as const;
export type StoreState = (typeof storeStateNames)[number] | "unrecognized";

export const nodeStateNames = ["Preparing", "Serving", "Removing", "Removed"] as const;
export type NodeState = (typeof nodeStateNames)[number] | "unrecognized";

export type Store = {
  readonly id: number;
  readonly address: string;
  readonly state: StoreState;
  readonly labels: readonly StoreLabel[];
  readonly version: string;
  readonly peer_address: string;
  readonly status_address: string;
  readonly git_hash: string;
  readonly start_timestamp: number;
  readonly deploy_path: string;
  readonly last_heartbeat: bigint;
  readonly physically_destroyed: boolean;
  readonly node_state: NodeState;
};
export const Store = message<Store>("metapb.Store", {
  id: u64(1),
  address: text(2),
  state: names(3, storeStateNames),
  labels: many(embed(4, StoreLabel)),
  version: text(5),
  peer_address: text(6),
  status_address: text(7),
  git_hash: text(8),
  start_timestamp: i64(9),
  deploy_path: text(10),
  last_heartbeat: big(11),
  physically_destroyed: bool(12),
  node_state: names(13, nodeStateNames),
});

export type RegionEpoch = { readonly conf_ver: number; readonly version: number };
export const RegionEpoch = message<RegionEpoch>("metapb.RegionEpoch", { conf_ver: u64(1), version: u64(2) });

export type BucketStats = {
  readonly read_bytes: readonly number[];
  readonly write_bytes: readonly number[];
  readonly read_qps: readonly number[];
  readonly write_qps: readonly number[];
  readonly read_keys: readonly number[];
  readonly write_keys: readonly number[];
};
export const BucketStats = message<BucketStats>("metapb.BucketStats", {
  read_bytes: many(u64(1)),
  write_bytes: many(u64(2)),
  read_qps: many(u64(3)),
  write_qps: many(u64(4)),
  read_keys: many(u64(5)),
  write_keys: many(u64(6)),
});

export type Buckets = {
  readonly region_id: number;
  readonly version: number;
  readonly keys: readonly Uint8Array[];
  readonly stats: BucketStats | null;
  readonly period_in_ms: number;
};
export const Buckets = message<Buckets>("metapb.Buckets", {
  region_id: u64(1),
  version: u64(2),
  keys: many(bytes(3)),
  stats: embed(4, BucketStats),
  period_in_ms: u64(5),
});

export const peerRoleNames = ["Voter", "Learner", "IncomingVoter", "DemotingVoter"] as const;
export type PeerRole = (typeof peerRoleNames)[number] | "unrecognized";

export type Peer = { readonly id: number; readonly store_id: number; readonly role: PeerRole; readonly is_witness: boolean };
export const Peer = message<Peer>("metapb.Peer", { id: u64(1), store_id: u64(2), role: names(3, peerRoleNames), is_witness: bool(4) });

export type Region = {
  readonly id: number;
  readonly start_key: Uint8Array;
  readonly end_key: Uint8Array;
  readonly region_epoch: RegionEpoch | null;
  readonly peers: readonly Peer[];
  readonly is_in_flashback: boolean;
  readonly flashback_start_ts: bigint;
};
export const Region = message<Region>("metapb.Region", {
  id: u64(1),
  start_key: bytes(2),
  end_key: bytes(3),
  region_epoch: embed(4, RegionEpoch),
  peers: many(embed(5, Peer)),
  is_in_flashback: bool(7),
  flashback_start_ts: big(8),
});
