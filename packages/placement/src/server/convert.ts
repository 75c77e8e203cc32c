/**
 * What the server reads from messages of the wire and answers with: refusals in its own words, heartbeats, actions. What is written
 * alike everywhere is in `wire/convert.ts`.
 */

import type { Input } from "@skein/rpc";
import type { DownPeer, Peer, PeerRole, RegionMeta, RegionView, StoreMeta, StoreStats } from "../core/model.ts";
import type { RegionAction } from "../core/region-action.ts";
import { pdErrors } from "../errors.ts";
import { storeOf as knownStoreOf, peerMessage, regionMessage } from "../wire/convert.ts";
import type * as metapb from "../wire/metapb.ts";
import type * as pdpb from "../wire/pdpb.ts";

const mib = 1024 * 1024;

/** A store of a state that this version does not know is one that serves: what it is asked to do is as for the others. */
export function storeOf(store: metapb.Store): StoreMeta {
  return knownStoreOf({
    ...store,
    state: store.state === "unrecognized" ? "Up" : store.state,
    node_state: store.node_state === "unrecognized" ? "Preparing" : store.node_state,
  });
}

export function statsOf(stats: pdpb.StoreStats): StoreStats {
  const interval = stats.interval;
  return {
    capacity: stats.capacity,
    available: stats.available,
    usedSize: stats.used_size,
    regionCount: stats.region_count,
    sendingSnapCount: stats.sending_snap_count,
    receivingSnapCount: stats.receiving_snap_count,
    applyingSnapCount: stats.applying_snap_count,
    isBusy: stats.is_busy,
    startTimeS: stats.start_time,
    bytesWritten: stats.bytes_written,
    bytesRead: stats.bytes_read,
    keysWritten: stats.keys_written,
    keysRead: stats.keys_read,
    intervalS: interval === null ? 0 : Math.max(0, interval.end_timestamp - interval.start_timestamp),
    slowScore: stats.slow_score,
    slowTrend:
      stats.slow_trend === null
        ? null
        : {
            causeValue: stats.slow_trend.cause_value,
            causeRate: stats.slow_trend.cause_rate,
            resultValue: stats.slow_trend.result_value,
            resultRate: stats.slow_trend.result_rate,
          },
    isStopping: stats.is_stopping,
  };
}

export function statsMessage(id: number, stats: StoreStats): Input<pdpb.StoreStats> {
  return {
    store_id: id,
    capacity: stats.capacity,
    available: stats.available,
    used_size: stats.usedSize,
    region_count: stats.regionCount,
    sending_snap_count: stats.sendingSnapCount,
    receiving_snap_count: stats.receivingSnapCount,
    applying_snap_count: stats.applyingSnapCount,
    is_busy: stats.isBusy,
    start_time: stats.startTimeS,
    bytes_written: stats.bytesWritten,
    bytes_read: stats.bytesRead,
    keys_written: stats.keysWritten,
    keys_read: stats.keysRead,
    slow_score: stats.slowScore,
    slow_trend:
      stats.slowTrend === null
        ? null
        : {
            cause_value: stats.slowTrend.causeValue,
            cause_rate: stats.slowTrend.causeRate,
            result_value: stats.slowTrend.resultValue,
            result_rate: stats.slowTrend.resultRate,
          },
    is_stopping: stats.isStopping,
  };
}

const roles: Readonly<Record<metapb.PeerRole, PeerRole | null>> = {
  Voter: "voter",
  Learner: "learner",
  IncomingVoter: "incomingVoter",
  DemotingVoter: "demotingVoter",
  unrecognized: null,
};

export function peerOf(peer: metapb.Peer): Peer {
  const role = roles[peer.role];
  if (role === null) throw pdErrors.invalidRegion(["the role of a peer is unknown"]);
  return { id: peer.id, storeId: peer.store_id, role, isWitness: peer.is_witness };
}

/** Keys may be views into the message: the model copies them. */
export function regionOf(region: metapb.Region): RegionMeta {
  return {
    id: region.id,
    startKey: region.start_key,
    endKey: region.end_key,
    epoch: { confVer: region.region_epoch?.conf_ver ?? 0, version: region.region_epoch?.version ?? 0 },
    peers: region.peers.map(peerOf),
  };
}

const noDownPeers: readonly DownPeer[] = [];
const noPending: readonly number[] = [];

export function readsOf(query: pdpb.QueryStats | null): number {
  return query === null ? 0 : query.Get + query.Scan + query.Coprocessor;
}

export function writesOf(query: pdpb.QueryStats | null): number {
  return query === null
    ? 0
    : query.Put + query.Delete + query.DeleteRange + query.Prewrite + query.Commit + query.Rollback + query.AcquirePessimisticLock;
}

/** Throws `invalidRegion`. */
export function heartbeatOf(request: pdpb.RegionHeartbeatRequest): RegionView {
  const { region, leader, interval, replication_status: replication } = request;
  if (region === null) throw pdErrors.invalidRegion(["it is missing"]);
  if (leader === null || leader.id === 0) throw pdErrors.invalidRegion(["it has no leader"]);
  if (region.peers.length === 0) throw pdErrors.invalidRegion(["it has no peers"]);
  return {
    meta: regionOf(region),
    leaderPeerId: leader.id,
    term: request.term,
    downPeers:
      request.down_peers.length === 0
        ? noDownPeers
        : request.down_peers.flatMap(({ peer, down_seconds }) => (peer === null ? [] : [{ peerId: peer.id, downSeconds: down_seconds }])),
    pendingPeers: request.pending_peers.length === 0 ? noPending : request.pending_peers.map(({ id }) => id),
    approximateSize: request.approximate_size === 0 ? 0 : Math.max(1, Math.floor(request.approximate_size / mib)),
    approximateKeys: request.approximate_keys,
    bytesWritten: request.bytes_written,
    bytesRead: request.bytes_read,
    keysWritten: request.keys_written,
    keysRead: request.keys_read,
    queriesWritten: writesOf(request.query_stats),
    queriesRead: readsOf(request.query_stats),
    cpuUsage: request.cpu_usage,
    intervalS: interval === null ? 0 : Math.max(0, interval.end_timestamp - interval.start_timestamp),
    replicationState:
      replication === null || replication.state === "UNKNOWN" || replication.state === "unrecognized"
        ? "unknown"
        : replication.state === "SIMPLE_MAJORITY"
          ? "simpleMajority"
          : "integrityOverLabel",
    replicationStateId: replication?.state_id ?? 0,
  };
}

export function leaderOf(region: RegionView): Peer | null {
  return region.meta.peers.find(({ id }) => id === region.leaderPeerId) ?? null;
}

/** A region as answers carry it, with the peer that clients are to ask first. */
export function regionAnswer(
  region: RegionView,
  first: Peer | null,
): {
  readonly region: Input<metapb.Region>;
  readonly leader: Input<metapb.Peer> | null;
  readonly down_peers: Input<pdpb.PeerStats>[];
  readonly pending_peers: Input<metapb.Peer>[];
} {
  const { meta } = region;
  const peer = (id: number) => meta.peers.find((each) => each.id === id);
  return {
    region: regionMessage(meta),
    leader: first === null ? null : peerMessage(first),
    down_peers: region.downPeers.flatMap(({ peerId, downSeconds }) => {
      const down = peer(peerId);
      return down === undefined ? [] : [{ peer: peerMessage(down), down_seconds: downSeconds }];
    }),
    pending_peers: region.pendingPeers.flatMap((id) => {
      const pending = peer(id);
      return pending === undefined ? [] : [peerMessage(pending)];
    }),
  };
}

const changeNames = { addNode: "AddNode", removeNode: "RemoveNode", addLearnerNode: "AddLearnerNode" } as const;
const policyNames = { scan: "SCAN", approximate: "APPROXIMATE", useKey: "USEKEY" } as const;

/** The part of a heartbeat's answer that says what to do. */
export function actionMessage(action: RegionAction): Input<pdpb.RegionHeartbeatResponse> {
  switch (action.kind) {
    case "changePeer":
      return { change_peer: { peer: peerMessage(action.change.peer), change_type: changeNames[action.change.type] } };
    case "changePeerV2":
      return {
        change_peer_v2: {
          changes: action.changes.map((change) => ({ peer: peerMessage(change.peer), change_type: changeNames[change.type] })),
        },
      };
    case "transferLeader":
      return { transfer_leader: { peer: peerMessage(action.peer), peers: action.peers.map(peerMessage) } };
    case "merge":
      return { merge: { target: regionMessage(action.target) } };
    case "splitRegion":
      return { split_region: { policy: policyNames[action.policy], keys: action.keys } };
    case "switchWitnesses":
      return {
        switch_witnesses: {
          switch_witnesses: action.switches.map(({ peerId, isWitness }) => ({ peer_id: peerId, is_witness: isWitness })),
        },
      };
  }
}
