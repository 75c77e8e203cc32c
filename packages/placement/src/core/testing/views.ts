/** Stores and regions as plain values: a healthy one, with what a test changes of it. */
import type { RegionMeta, RegionView, StoreMeta, StoreStats, StoreView } from "../model.ts";

export function storeMeta(id: number, change: Partial<StoreMeta> = {}): StoreMeta {
  return {
    id,
    address: `s${id}:20160`,
    peerAddress: "",
    statusAddress: "",
    state: "up",
    nodeState: "serving",
    labels: [],
    version: "8.5.0",
    gitHash: "",
    deployPath: "",
    startTimestampS: 0,
    lastHeartbeatMs: 0,
    isPhysicallyDestroyed: false,
    ...change,
  };
}

export function storeStats(change: Partial<StoreStats> = {}): StoreStats {
  return {
    capacity: 0,
    available: 0,
    usedSize: 0,
    regionCount: 0,
    sendingSnapCount: 0,
    receivingSnapCount: 0,
    applyingSnapCount: 0,
    isBusy: false,
    startTimeS: 0,
    bytesWritten: 0,
    bytesRead: 0,
    keysWritten: 0,
    keysRead: 0,
    intervalS: 10,
    slowScore: 1,
    slowTrend: null,
    isStopping: false,
    ...change,
  };
}

export function storeView(meta: StoreMeta, change: Partial<StoreView> = {}): StoreView {
  return {
    meta,
    stats: null,
    leaderCount: 0,
    regionCount: 0,
    leaderSize: 0,
    regionSize: 0,
    learnerCount: 0,
    pendingPeerCount: 0,
    leaderWeight: 1,
    regionWeight: 1,
    pausedLeaderIn: [],
    pausedLeaderOut: [],
    ...change,
  };
}

/** Of all keys unless said; without a leader. */
export function regionView(meta: Pick<RegionMeta, "id" | "peers"> & Partial<RegionMeta>, change: Partial<RegionView> = {}): RegionView {
  return {
    meta: { startKey: new Uint8Array(), endKey: new Uint8Array(), epoch: { confVer: 5, version: 2 }, ...meta },
    leaderPeerId: 0,
    term: 6,
    downPeers: [],
    pendingPeers: [],
    approximateSize: 100,
    approximateKeys: 1000,
    bytesWritten: 0,
    bytesRead: 0,
    keysWritten: 0,
    keysRead: 0,
    queriesWritten: 0,
    queriesRead: 0,
    cpuUsage: 0,
    intervalS: 60,
    replicationState: "unknown",
    replicationStateId: 0,
    ...change,
  };
}
