/** What stores report of their replicas when a cluster is recovered. */
import { embed, many, message, names, u64 } from "@skein/rpc";
import * as eraftpb from "./eraftpb.ts";
import * as metapb from "./metapb.ts";

export type RaftLocalState = { readonly hard_state: eraftpb.HardState | null; readonly last_index: number };
export const RaftLocalState = message<RaftLocalState>("raft_serverpb.RaftLocalState", {
  hard_state: embed(1, eraftpb.HardState),
  last_index: u64(2),
});

export type MergeState = { readonly min_index: number; readonly target: metapb.Region | null; readonly commit: number };
export const MergeState = message<MergeState>("raft_serverpb.MergeState", {
  min_index: u64(1),
  target: embed(2, metapb.Region),
  commit: u64(3),
});

export type MergedRecord = {
  readonly source_region_id: number;
  readonly source_epoch: metapb.RegionEpoch | null;
  readonly source_peers: readonly metapb.Peer[];
  readonly source_removed_records: readonly metapb.Peer[];
  readonly target_region_id: number;
  readonly target_epoch: metapb.RegionEpoch | null;
  readonly target_peers: readonly metapb.Peer[];
  readonly index: number;
  readonly source_index: number;
};
export const MergedRecord = message<MergedRecord>("raft_serverpb.MergedRecord", {
  source_region_id: u64(1),
  source_epoch: embed(2, metapb.RegionEpoch),
  source_peers: many(embed(3, metapb.Peer)),
  source_removed_records: many(embed(9, metapb.Peer)),
  target_region_id: u64(4),
  target_epoch: embed(5, metapb.RegionEpoch),
  target_peers: many(embed(6, metapb.Peer)),
  index: u64(7),
  source_index: u64(8),
});

export const peerStateNames = ["Normal", "Applying", "Tombstone", "Merging", "Unavailable"] as const;
export type PeerState = (typeof peerStateNames)[number] | "unrecognized";

export type RegionLocalState = {
  readonly state: PeerState;
  readonly region: metapb.Region | null;
  readonly merge_state: MergeState | null;
  readonly tablet_index: number;
  readonly removed_records: readonly metapb.Peer[];
  readonly merged_records: readonly MergedRecord[];
};
export const RegionLocalState = message<RegionLocalState>("raft_serverpb.RegionLocalState", {
  state: names(1, peerStateNames),
  region: embed(2, metapb.Region),
  merge_state: embed(3, MergeState),
  tablet_index: u64(4),
  removed_records: many(embed(5, metapb.Peer)),
  merged_records: many(embed(6, MergedRecord)),
});
