/** What the region peers need of the placement driver. `createPdLink` makes it of a client; tests have a model. */
import type { RegionMeta, StoreMeta } from "@skein/placement";
import type { PdClient } from "@skein/placement/client";
import { type eraftpb, type pdpb, regionMessage, regionOf } from "@skein/placement/wire";
import type { Epoch, PeerChange, Region, SplitPart } from "./core/region.ts";
import type { ReadLoad } from "./read-load.ts";

/** What the placement driver wants done with a region, in answer to its leader's heartbeat. */
export type RegionAction =
  | { readonly kind: "changePeers"; readonly regionId: number; readonly epoch: Epoch; readonly changes: readonly PeerChange[] }
  | { readonly kind: "transferLeader"; readonly regionId: number; readonly epoch: Epoch; readonly peerId: number }
  | { readonly kind: "split"; readonly regionId: number; readonly epoch: Epoch; readonly keys: readonly Uint8Array[] }
  | { readonly kind: "merge"; readonly regionId: number; readonly epoch: Epoch; readonly target: Region };

export interface RegionReport {
  readonly region: Region;
  readonly leaderPeerId: number;
  readonly term: number;
  readonly downPeers: readonly { readonly peerId: number; readonly downSeconds: number }[];
  readonly pendingPeers: readonly number[];
  /** Bytes; 0 when it was not measured yet. */
  readonly approximateBytes: number;
  readonly approximateKeys: number;
  /** Since the last report. */
  readonly bytesWritten: number;
  readonly keysWritten: number;
  readonly reads: Readonly<ReadLoad>;
  readonly intervalStartS: number;
  readonly intervalEndS: number;
}

export interface StoreReport {
  readonly storeId: number;
  readonly regionCount: number;
  readonly sendingSnapCount: number;
  readonly receivingSnapCount: number;
  readonly applyingSnapCount: number;
  readonly isBusy: boolean;
  readonly startTimeS: number;
  readonly bytesWritten: number;
  readonly keysWritten: number;
  /** Of all regions here since the last report, whether led here or not; and of those with the most. */
  readonly reads: Readonly<ReadLoad>;
  readonly peerReads: readonly PeerReads[];
  readonly intervalStartS: number;
  readonly intervalEndS: number;
  /** Regions whose replica here was given up because the disk had damaged it. */
  readonly damagedRegionIds: readonly number[];
}

export interface PeerReads extends Readonly<ReadLoad> {
  readonly regionId: number;
}

export interface PdLink {
  clusterId(): Promise<bigint>;
  allocId(): Promise<number>;
  isBootstrapped(): Promise<boolean>;
  /** False when the cluster was bootstrapped by another store already. */
  bootstrap(storeId: number, region: Region): Promise<boolean>;
  /** The region as the placement driver last heard of it. */
  regionById(regionId: number): Promise<Region | null>;
  /** Where a store takes messages of other stores; null when it is not known, or gone. */
  storeAddress(storeId: number): Promise<string | null>;
  askBatchSplit(region: Region, count: number): Promise<readonly SplitPart[]>;
  reportBatchSplit(regions: readonly Region[]): void;
  storeHeartbeat(report: StoreReport): Promise<void>;
  /** What is said in answer reaches `onRegionAction`. False: it was not taken, because nobody listens or too much is on its way. */
  regionHeartbeat(report: RegionReport): boolean;
  onRegionAction(listener: (action: RegionAction) => void): void;
  /** The placement driver may know nothing of what it was told before. */
  onConnected(listener: () => void): void;
  /** After a report was not taken: more is taken now. */
  onRoom(listener: () => void): void;
}

export interface PdLinkOptions {
  /** What the store says of itself. */
  readonly store: (storeId: number) => StoreMeta;
  /** Of the disk that the data is on. Bytes. */
  readonly space: () => Promise<{ readonly capacity: number; readonly available: number; readonly usedSize: number }>;
}

function metaOf({ id, startKey, endKey, confVer, version, peers }: Region): RegionMeta {
  return { id, startKey, endKey, epoch: { confVer, version }, peers: peers.map((peer) => ({ ...peer, isWitness: false })) };
}

function descriptionOf({ id, startKey, endKey, epoch, peers }: RegionMeta): Region {
  return { id, startKey, endKey, ...epoch, peers: peers.map((peer) => ({ id: peer.id, storeId: peer.storeId, role: peer.role })) };
}

const changeKinds: Readonly<Record<eraftpb.ConfChangeType, PeerChange["kind"] | null>> = {
  AddNode: "addVoter",
  AddLearnerNode: "addLearner",
  RemoveNode: "remove",
  unrecognized: null,
};

/** Null: one of them is not understood. Without it the others would be another change, and none at all the end of a joint one. */
function changesOf(changes: readonly pdpb.ChangePeer[]): PeerChange[] | null {
  const known: PeerChange[] = [];
  for (const { peer, change_type } of changes) {
    const kind = changeKinds[change_type];
    if (peer === null || kind === null) return null;
    known.push({ kind, peerId: peer.id, storeId: peer.store_id });
  }
  return known;
}

/** At most one action is in an answer; an empty `change_peer_v2` leaves a joint configuration. */
export function actionOf(response: pdpb.RegionHeartbeatResponse): RegionAction | null {
  const { region_id: regionId, region_epoch } = response;
  const epoch: Epoch = { confVer: region_epoch?.conf_ver ?? 0, version: region_epoch?.version ?? 0 };
  const asked = response.change_peer_v2?.changes ?? (response.change_peer === null ? null : [response.change_peer]);
  if (asked !== null) {
    const changes = changesOf(asked);
    return changes === null ? null : { kind: "changePeers", regionId, epoch, changes };
  }
  const transfer = response.transfer_leader;
  if (transfer !== null) {
    const peerId = transfer.peer?.id ?? transfer.peers[0]?.id;
    return peerId === undefined ? null : { kind: "transferLeader", regionId, epoch, peerId };
  }
  if (response.split_region !== null) return { kind: "split", regionId, epoch, keys: response.split_region.keys };
  const target = response.merge?.target ?? null;
  return target === null ? null : { kind: "merge", regionId, epoch, target: descriptionOf(regionOf(target)) };
}

export function createPdLink(client: PdClient, options: PdLinkOptions): PdLink & Disposable {
  let listener: ((action: RegionAction) => void) | null = null;
  let connected: (() => void) | null = null;
  let room: (() => void) | null = null;
  const heartbeats = client.regionHeartbeats({
    answer: (response) => {
      const action = actionOf(response);
      if (action !== null) listener?.(action);
    },
    connected: () => connected?.(),
    room: () => room?.(),
  });
  return {
    clusterId: () => client.clusterId(),
    allocId: () => client.allocId(),
    isBootstrapped: () => client.isBootstrapped(),
    bootstrap: async (storeId, region) => (await client.bootstrap(options.store(storeId), metaOf(region))).isFirst,
    regionById: async (regionId) => {
      const found = await client.getRegionById(regionId);
      return found === null ? null : descriptionOf(found.meta);
    },
    storeAddress: async (storeId) => {
      const store = await client.getStore(storeId);
      if (store === null || store.state === "tombstone") return null;
      return store.peerAddress === "" ? store.address : store.peerAddress;
    },
    askBatchSplit: (region, count) => client.askBatchSplit(metaOf(region), count),
    reportBatchSplit: (regions) => void client.reportBatchSplit(regions.map(metaOf)).catch(() => {}), // heartbeats say it, too
    storeHeartbeat: async (report) => {
      const { capacity, available, usedSize } = await options.space();
      await client.storeHeartbeat({
        stats: {
          store_id: report.storeId,
          capacity,
          available,
          used_size: usedSize,
          region_count: report.regionCount,
          sending_snap_count: report.sendingSnapCount,
          receiving_snap_count: report.receivingSnapCount,
          applying_snap_count: report.applyingSnapCount,
          start_time: report.startTimeS,
          is_busy: report.isBusy,
          bytes_written: report.bytesWritten,
          keys_written: report.keysWritten,
          bytes_read: report.reads.bytes,
          keys_read: report.reads.keys,
          query_stats: { Get: report.reads.gets, Scan: report.reads.scans },
          peer_stats: report.peerReads.map(({ regionId, bytes, keys, gets, scans }) => ({
            region_id: regionId,
            read_bytes: bytes,
            read_keys: keys,
            query_stats: { Get: gets, Scan: scans },
          })),
          interval: { start_timestamp: report.intervalStartS, end_timestamp: report.intervalEndS },
          damaged_regions_id: report.damagedRegionIds,
        },
      });
    },
    regionHeartbeat: (report) => {
      const region = regionMessage(metaOf(report.region));
      const peerOf = (id: number) => region.peers?.find((peer) => peer.id === id) ?? null;
      return heartbeats.send({
        region,
        leader: peerOf(report.leaderPeerId),
        term: report.term,
        down_peers: report.downPeers.map(({ peerId, downSeconds }) => ({ peer: peerOf(peerId), down_seconds: downSeconds })),
        pending_peers: report.pendingPeers.flatMap((id) => peerOf(id) ?? []),
        bytes_written: report.bytesWritten,
        keys_written: report.keysWritten,
        bytes_read: report.reads.bytes,
        keys_read: report.reads.keys,
        query_stats: { Get: report.reads.gets, Scan: report.reads.scans },
        approximate_size: report.approximateBytes,
        approximate_keys: report.approximateKeys,
        interval: { start_timestamp: report.intervalStartS, end_timestamp: report.intervalEndS },
      });
    },
    onRegionAction: (run) => {
      listener = run;
    },
    onConnected: (run) => {
      connected = run;
    },
    onRoom: (run) => {
      room = run;
    },
    [Symbol.dispose]: () => heartbeats.close(),
  };
}
