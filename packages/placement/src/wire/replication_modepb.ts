/** The replication mode of a cluster, and what stores and regions say of it. */
import { bool, embed, i32, many, message, names, text, u64 } from "@skein/rpc";

export const drAutoSyncStateNames = ["SYNC", "ASYNC_WAIT", "ASYNC", "SYNC_RECOVER"] as const;
export type DRAutoSyncState = (typeof drAutoSyncStateNames)[number] | "unrecognized";

export type DRAutoSync = {
  readonly label_key: string;
  readonly state: DRAutoSyncState;
  readonly state_id: number;
  readonly wait_sync_timeout_hint: number;
  readonly available_stores: readonly number[];
  readonly pause_region_split: boolean;
};
export const DRAutoSync = message<DRAutoSync>("replication_modepb.DRAutoSync", {
  label_key: text(1),
  state: names(2, drAutoSyncStateNames),
  state_id: u64(3),
  wait_sync_timeout_hint: i32(4),
  available_stores: many(u64(5)),
  pause_region_split: bool(6),
});

export const replicationModeNames = ["MAJORITY", "DR_AUTO_SYNC"] as const;
export type ReplicationMode = (typeof replicationModeNames)[number] | "unrecognized";

export type ReplicationStatus = { readonly mode: ReplicationMode; readonly dr_auto_sync: DRAutoSync | null };
export const ReplicationStatus = message<ReplicationStatus>("replication_modepb.ReplicationStatus", {
  mode: names(1, replicationModeNames),
  dr_auto_sync: embed(2, DRAutoSync),
});

export const regionReplicationStateNames = ["UNKNOWN", "SIMPLE_MAJORITY", "INTEGRITY_OVER_LABEL"] as const;
export type RegionReplicationState = (typeof regionReplicationStateNames)[number] | "unrecognized";

export type RegionReplicationStatus = { readonly state: RegionReplicationState; readonly state_id: number };
export const RegionReplicationStatus = message<RegionReplicationStatus>("replication_modepb.RegionReplicationStatus", {
  state: names(1, regionReplicationStateNames),
  state_id: u64(2),
});

export type StoreDRAutoSyncStatus = { readonly state: DRAutoSyncState; readonly state_id: number };
export const StoreDRAutoSyncStatus = message<StoreDRAutoSyncStatus>("replication_modepb.StoreDRAutoSyncStatus", {
  state: names(1, drAutoSyncStateNames),
  state_id: u64(2),
});
