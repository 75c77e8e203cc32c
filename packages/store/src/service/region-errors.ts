/** Between requests' contexts and region errors as the field says them, and ours. */

import { assertNever } from "@skein/base";
import { metapb, regionMessage } from "@skein/placement/wire";
import type { Input } from "@skein/rpc";
import type { RegionDescription, RegionError } from "../region-kv.ts";
import type { CommandContext } from "../txn/scheduler.ts";
import type { errorpb, kvrpcpb } from "../wire/index.ts";

/** `nowMs` is of the monotonic clock. */
export function contextOf(
  context: kvrpcpb.Context | null,
  serves: { readonly byReplica: boolean; readonly reads: CommandContext["reads"]; readonly isLarge?: boolean },
  nowMs: () => number,
): CommandContext {
  const limitMs = context?.max_execution_duration_ms ?? 0;
  return {
    ...(limitMs > 0 ? { deadlineMs: nowMs() + limitMs } : {}),
    regionId: context?.region_id ?? 0,
    confVer: context?.region_epoch?.conf_ver ?? 0,
    version: context?.region_epoch?.version ?? 0,
    peerId: context?.peer?.id ?? 0,
    storeId: context?.peer?.store_id ?? 0,
    ...(serves.reads === undefined ? {} : { reads: serves.reads }),
    ...(serves.isLarge === true ? { isLarge: true } : {}),
    replicaRead: serves.byReplica && context?.replica_read === true,
  };
}

export function regionOut({ id, startKey, endKey, confVer, version, peers }: RegionDescription): Input<metapb.Region> {
  return regionMessage({
    id,
    startKey,
    endKey,
    epoch: { confVer, version },
    peers: peers.map((peer) => ({ ...peer, isWitness: false })),
  });
}

export function regionErrorOf({ reason, message }: RegionError): Input<errorpb.Error> {
  switch (reason.kind) {
    case "notLeader": {
      const { leader } = reason;
      const peer = leader === null ? {} : { leader: { id: leader.id, store_id: leader.storeId } };
      return { message, not_leader: { region_id: reason.regionId, ...peer } };
    }
    case "regionNotFound":
      return { message, region_not_found: { region_id: reason.regionId } };
    case "keyNotInRegion": {
      const { region } = reason;
      return { message, key_not_in_region: { key: reason.key, region_id: region.id, start_key: region.startKey, end_key: region.endKey } };
    }
    case "epochNotMatch":
      return { message, epoch_not_match: { current_regions: reason.current.map(regionOut) } };
    case "serverIsBusy":
      return { message, server_is_busy: { reason: reason.reason, backoff_ms: reason.backoffMs } };
    case "staleCommand":
      return { message, stale_command: {} };
    case "storeNotMatch":
      return { message, store_not_match: { request_store_id: reason.requestStoreId, actual_store_id: reason.actualStoreId } };
    case "raftEntryTooLarge":
      return { message, raft_entry_too_large: { region_id: reason.regionId, entry_size: reason.sizeBytes } };
    case "maxTimestampNotSynced":
      return { message, max_timestamp_not_synced: {} };
    case "readIndexNotReady":
      return { message, read_index_not_ready: { region_id: reason.regionId, reason: reason.reason } };
    case "proposalInMergingMode":
      return { message, proposal_in_merging_mode: { region_id: reason.regionId } };
    case "regionNotInitialized":
      return { message, region_not_initialized: { region_id: reason.regionId } };
    case "diskFull":
      return { message, disk_full: { store_id: reason.storeIds, reason: reason.reason } };
    case "recoveryInProgress":
      return { message, RecoveryInProgress: { region_id: reason.regionId } };
    case "mismatchPeerId":
      return { message, mismatch_peer_id: { request_peer_id: reason.requestPeerId, store_peer_id: reason.storePeerId } };
    case "undetermined":
      // The field's clients repeat on this one; all transactional requests may be repeated.
      return { message: reason.message, stale_command: {}, is_undetermined: true };
    default:
      return assertNever(reason);
  }
}
