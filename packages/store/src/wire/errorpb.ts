/** Why a region refused a request. */

import { metapb } from "@skein/placement/wire";
import { big, bool, bytes, embed, many, message, text, u32, u64 } from "@skein/rpc";

export type NotLeader = { readonly region_id: number; readonly leader: metapb.Peer | null };
export const NotLeader = message<NotLeader>("errorpb.NotLeader", { region_id: u64(1), leader: embed(2, metapb.Peer) });

export type IsWitness = { readonly region_id: number };
export const IsWitness = message<IsWitness>("errorpb.IsWitness", { region_id: u64(1) });

export type BucketVersionNotMatch = { readonly version: number; readonly keys: readonly Uint8Array[] };
export const BucketVersionNotMatch = message<BucketVersionNotMatch>("errorpb.BucketVersionNotMatch", {
  version: u64(1),
  keys: many(bytes(2)),
});

export type DiskFull = { readonly store_id: readonly number[]; readonly reason: string };
export const DiskFull = message<DiskFull>("errorpb.DiskFull", { store_id: many(u64(1)), reason: text(2) });

export type StoreNotMatch = { readonly request_store_id: number; readonly actual_store_id: number };
export const StoreNotMatch = message<StoreNotMatch>("errorpb.StoreNotMatch", { request_store_id: u64(1), actual_store_id: u64(2) });

export type RegionNotFound = { readonly region_id: number };
export const RegionNotFound = message<RegionNotFound>("errorpb.RegionNotFound", { region_id: u64(1) });

export type RegionNotInitialized = { readonly region_id: number };
export const RegionNotInitialized = message<RegionNotInitialized>("errorpb.RegionNotInitialized", { region_id: u64(1) });

export type KeyNotInRegion = {
  readonly key: Uint8Array;
  readonly region_id: number;
  readonly start_key: Uint8Array;
  readonly end_key: Uint8Array;
};
export const KeyNotInRegion = message<KeyNotInRegion>("errorpb.KeyNotInRegion", {
  key: bytes(1),
  region_id: u64(2),
  start_key: bytes(3),
  end_key: bytes(4),
});

export type EpochNotMatch = { readonly current_regions: readonly metapb.Region[] };
export const EpochNotMatch = message<EpochNotMatch>("errorpb.EpochNotMatch", { current_regions: many(embed(1, metapb.Region)) });

export type ServerIsBusy = {
  readonly reason: string;
  readonly backoff_ms: number;
  readonly estimated_wait_ms: number;
  readonly applied_index: number;
};
export const ServerIsBusy = message<ServerIsBusy>("errorpb.ServerIsBusy", {
  reason: text(1),
  backoff_ms: u64(2),
  estimated_wait_ms: u32(3),
  applied_index: u64(4),
});

export type StaleCommand = {};
export const StaleCommand = message<StaleCommand>("errorpb.StaleCommand", {});

export type RaftEntryTooLarge = { readonly region_id: number; readonly entry_size: number };
export const RaftEntryTooLarge = message<RaftEntryTooLarge>("errorpb.RaftEntryTooLarge", { region_id: u64(1), entry_size: u64(2) });

export type MaxTimestampNotSynced = {};
export const MaxTimestampNotSynced = message<MaxTimestampNotSynced>("errorpb.MaxTimestampNotSynced", {});

export type ReadIndexNotReady = { readonly reason: string; readonly region_id: number };
export const ReadIndexNotReady = message<ReadIndexNotReady>("errorpb.ReadIndexNotReady", { reason: text(1), region_id: u64(2) });

export type ProposalInMergingMode = { readonly region_id: number };
export const ProposalInMergingMode = message<ProposalInMergingMode>("errorpb.ProposalInMergingMode", { region_id: u64(1) });

export type DataIsNotReady = { readonly region_id: number; readonly peer_id: number; readonly safe_ts: bigint };
export const DataIsNotReady = message<DataIsNotReady>("errorpb.DataIsNotReady", { region_id: u64(1), peer_id: u64(2), safe_ts: big(3) });

export type RecoveryInProgress = { readonly region_id: number };
export const RecoveryInProgress = message<RecoveryInProgress>("errorpb.RecoveryInProgress", { region_id: u64(1) });

export type FlashbackInProgress = { readonly region_id: number; readonly flashback_start_ts: bigint };
export const FlashbackInProgress = message<FlashbackInProgress>("errorpb.FlashbackInProgress", {
  region_id: u64(1),
  flashback_start_ts: big(2),
});

export type FlashbackNotPrepared = { readonly region_id: number };
export const FlashbackNotPrepared = message<FlashbackNotPrepared>("errorpb.FlashbackNotPrepared", { region_id: u64(1) });

export type MismatchPeerId = { readonly request_peer_id: number; readonly store_peer_id: number };
export const MismatchPeerId = message<MismatchPeerId>("errorpb.MismatchPeerId", { request_peer_id: u64(1), store_peer_id: u64(2) });

export type Error = {
  readonly message: string;
  readonly not_leader: NotLeader | null;
  readonly region_not_found: RegionNotFound | null;
  readonly key_not_in_region: KeyNotInRegion | null;
  readonly epoch_not_match: EpochNotMatch | null;
  readonly server_is_busy: ServerIsBusy | null;
  readonly stale_command: StaleCommand | null;
  readonly store_not_match: StoreNotMatch | null;
  readonly raft_entry_too_large: RaftEntryTooLarge | null;
  readonly max_timestamp_not_synced: MaxTimestampNotSynced | null;
  readonly read_index_not_ready: ReadIndexNotReady | null;
  readonly proposal_in_merging_mode: ProposalInMergingMode | null;
  readonly data_is_not_ready: DataIsNotReady | null;
  readonly region_not_initialized: RegionNotInitialized | null;
  readonly disk_full: DiskFull | null;
  readonly RecoveryInProgress: RecoveryInProgress | null;
  readonly FlashbackInProgress: FlashbackInProgress | null;
  readonly FlashbackNotPrepared: FlashbackNotPrepared | null;
  readonly is_witness: IsWitness | null;
  readonly mismatch_peer_id: MismatchPeerId | null;
  readonly bucket_version_not_match: BucketVersionNotMatch | null;
  /**
   * Beside `stale_command`: it is not known whether it was done. Of our own, and skipped by the field's clients: they have a word
   * for it, too, but give up on it where repeating is right.
   */
  readonly is_undetermined: boolean;
};
export const Error = message<Error>("errorpb.Error", {
  message: text(1),
  not_leader: embed(2, NotLeader),
  region_not_found: embed(3, RegionNotFound),
  key_not_in_region: embed(4, KeyNotInRegion),
  epoch_not_match: embed(5, EpochNotMatch),
  server_is_busy: embed(6, ServerIsBusy),
  stale_command: embed(7, StaleCommand),
  store_not_match: embed(8, StoreNotMatch),
  raft_entry_too_large: embed(9, RaftEntryTooLarge),
  max_timestamp_not_synced: embed(10, MaxTimestampNotSynced),
  read_index_not_ready: embed(11, ReadIndexNotReady),
  proposal_in_merging_mode: embed(12, ProposalInMergingMode),
  data_is_not_ready: embed(13, DataIsNotReady),
  region_not_initialized: embed(14, RegionNotInitialized),
  disk_full: embed(15, DiskFull),
  RecoveryInProgress: embed(16, RecoveryInProgress),
  FlashbackInProgress: embed(17, FlashbackInProgress),
  FlashbackNotPrepared: embed(18, FlashbackNotPrepared),
  is_witness: embed(19, IsWitness),
  mismatch_peer_id: embed(20, MismatchPeerId),
  bucket_version_not_match: embed(21, BucketVersionNotMatch),
  is_undetermined: bool(1001),
});
