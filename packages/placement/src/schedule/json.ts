/** Stores and regions as the HTTP interface shows them (spec §6.3; golden/store.txt, region.txt): names, order, and what is left out. */
import { formatDuration } from "@skein/base";
import { hexOfKey } from "../core/keys.ts";
import type { Peer, RegionView, StoreView } from "../core/model.ts";
import type { ScheduleConfig } from "../server/config/core/items.ts";
import { leaderOf, peerById } from "./core/regions.ts";
import { leaderScore, regionScore, shownState } from "./core/store-facts.ts";

const stateNumbers = { up: undefined, offline: 1, tombstone: 2 } as const;
const nodeStateNumbers = { preparing: undefined, serving: 1, removing: 2, removed: 3 } as const;

/** `100GiB`: four digits, no zeros at the end. */
export function sizeText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let at = 0;
  let size = bytes;
  while (size >= 1024 && at < units.length - 1) {
    size /= 1024;
    at += 1;
  }
  return `${Number(size.toPrecision(4))}${units[at]}`;
}

/** `2026-11-21T06:31:34.380043673Z` */
export function timeJson(ms: number): string {
  return new Date(Math.floor(ms)).toISOString().replace(/\.?0*Z$/, "Z");
}

const some = (count: number) => (count === 0 ? undefined : count);

export function storeJson(store: StoreView, config: ScheduleConfig, nowMs: number): unknown {
  const { meta, stats } = store;
  const startMs = meta.startTimestampS * 1000;
  const uptimeMs = meta.lastHeartbeatMs - startMs;
  const score = { version: config.regionScoreFormulaVersion, highSpaceRatio: config.highSpaceRatio, lowSpaceRatio: config.lowSpaceRatio };
  return {
    store: {
      id: meta.id,
      address: meta.address,
      state: stateNumbers[meta.state],
      labels: meta.labels.length === 0 ? undefined : meta.labels.map(({ key, value }) => ({ key, value })),
      version: meta.version,
      peer_address: meta.peerAddress === "" ? undefined : meta.peerAddress,
      status_address: meta.statusAddress === "" ? undefined : meta.statusAddress,
      git_hash: meta.gitHash === "" ? undefined : meta.gitHash,
      start_timestamp: some(meta.startTimestampS),
      deploy_path: meta.deployPath === "" ? undefined : meta.deployPath,
      last_heartbeat: meta.lastHeartbeatMs === 0 ? undefined : BigInt(Math.floor(meta.lastHeartbeatMs)) * 1_000_000n,
      physically_destroyed: meta.isPhysicallyDestroyed ? true : undefined,
      node_state: nodeStateNumbers[meta.nodeState],
      state_name: shownState(store, nowMs, config.maxStoreDownTimeMs),
    },
    status: {
      capacity: sizeText(stats?.capacity ?? 0),
      available: sizeText(stats?.available ?? 0),
      used_size: sizeText(stats?.usedSize ?? 0),
      leader_count: store.leaderCount,
      leader_weight: store.leaderWeight,
      leader_score: leaderScore(store, config.leaderSchedulePolicy),
      leader_size: store.leaderSize,
      region_count: store.regionCount,
      region_weight: store.regionWeight,
      region_score: regionScore(store, score),
      region_size: store.regionSize,
      learner_count: some(store.learnerCount),
      pending_peer_count: some(store.pendingPeerCount),
      slow_score: some(stats?.slowScore ?? 0),
      sending_snap_count: some(stats?.sendingSnapCount ?? 0),
      receiving_snap_count: some(stats?.receivingSnapCount ?? 0),
      is_busy: stats?.isBusy === true ? true : undefined,
      start_ts: startMs > 0 ? timeJson(startMs) : undefined,
      last_heartbeat_ts: meta.lastHeartbeatMs > 0 ? timeJson(meta.lastHeartbeatMs) : undefined,
      uptime: startMs > 0 && uptimeMs > 0 ? formatDuration(uptimeMs) : undefined,
    },
  };
}

const roleNames = { voter: "Voter", learner: "Learner", incomingVoter: "IncomingVoter", demotingVoter: "DemotingVoter" } as const;
const roleNumbers = { voter: undefined, learner: 1, incomingVoter: 2, demotingVoter: 3 } as const;

export function peerJson(peer: Peer): unknown {
  return {
    role_name: roleNames[peer.role],
    is_learner: peer.role === "learner" ? true : undefined,
    id: peer.id,
    store_id: peer.storeId,
    role: roleNumbers[peer.role],
    is_witness: peer.isWitness ? true : undefined,
  };
}

/** What is answered for a region that is not known: the original sends this, not a 404. */
export const noRegionJson = {
  id: 0,
  start_key: "",
  end_key: "",
  leader: { role_name: "" },
  cpu_usage: 0,
  written_bytes: 0,
  read_bytes: 0,
  written_keys: 0,
  read_keys: 0,
  approximate_size: 0,
  approximate_keys: 0,
} as const;

const replicationStates = { unknown: "UNKNOWN", simpleMajority: "SIMPLE_MAJORITY", integrityOverLabel: "INTEGRITY_OVER_LABEL" } as const;

export function regionJson(region: RegionView): unknown {
  const { meta } = region;
  const leader = leaderOf(region);
  const down = region.downPeers.map((each) => ({ each, peer: peerById(meta, each.peerId) }));
  const pending = region.pendingPeers.map((id) => peerById(meta, id)).filter((peer) => peer !== null);
  return {
    id: meta.id,
    start_key: hexOfKey(meta.startKey),
    end_key: hexOfKey(meta.endKey),
    epoch: { conf_ver: meta.epoch.confVer, version: meta.epoch.version },
    peers: meta.peers.map(peerJson),
    leader: leader === null ? { role_name: "" } : peerJson(leader),
    down_peers:
      down.length === 0
        ? undefined
        : down.map(({ each, peer }) => ({ down_seconds: each.downSeconds, peer: peer === null ? { role_name: "" } : peerJson(peer) })),
    pending_peers: pending.length === 0 ? undefined : pending.map(peerJson),
    cpu_usage: region.cpuUsage,
    written_bytes: region.bytesWritten,
    read_bytes: region.bytesRead,
    written_keys: region.keysWritten,
    read_keys: region.keysRead,
    approximate_size: region.approximateSize,
    approximate_keys: region.approximateKeys,
    replication_status:
      region.replicationState === "unknown" && region.replicationStateId === 0
        ? undefined
        : { state: replicationStates[region.replicationState], state_id: region.replicationStateId },
  };
}

export function regionsJson(regions: readonly RegionView[]): unknown {
  return { count: regions.length, regions: regions.map(regionJson) };
}
