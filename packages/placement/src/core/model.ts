/**
 * What the placement driver knows of stores and regions, as values. Everything in `core/` decides on these.
 *
 * Ids, epochs and counts are whole numbers that grow by one (2^53 lasts); timestamps of the oracle are bigint. Keys are
 * `Uint8Array`s as they came over the wire; an empty end key is the end of all keys.
 */

/** Ids of stores, regions and peers come from one count: no two things of a cluster have the same. */
export type StoreId = number;
export type RegionId = number;
export type PeerId = number;

/** Where a store stands, or what it is: `zone` and `east`. */
export interface Label {
  readonly key: string;
  readonly value: string;
}

/** As an operator sees it; `Disconnected` and `Down` are derived from the time of the last heartbeat. */
export type StoreState = "up" | "offline" | "tombstone";
/** What a store does for the cluster, in the words of newer clients. */
export type NodeState = "preparing" | "serving" | "removing" | "removed";

/** What a store says of itself once, and what is persisted. */
export interface StoreMeta {
  readonly id: StoreId;
  readonly address: string;
  readonly peerAddress: string;
  readonly statusAddress: string;
  readonly state: StoreState;
  readonly nodeState: NodeState;
  readonly labels: readonly Label[];
  readonly version: string;
  readonly gitHash: string;
  readonly deployPath: string;
  readonly startTimestampS: number;
  /** Wall time; 0 when there was none. Persisted now and then only. */
  readonly lastHeartbeatMs: number;
  readonly isPhysicallyDestroyed: boolean;
}

/** What a store finds of its own speed: latencies (cause) and throughput (result), as they are and as they change. */
export interface SlowTrend {
  readonly causeValue: number;
  readonly causeRate: number;
  readonly resultValue: number;
  readonly resultRate: number;
}

/** Of the last heartbeat. Bytes. */
export interface StoreStats {
  readonly capacity: number;
  readonly available: number;
  readonly usedSize: number;
  readonly regionCount: number;
  readonly sendingSnapCount: number;
  readonly receivingSnapCount: number;
  readonly applyingSnapCount: number;
  readonly isBusy: boolean;
  readonly startTimeS: number;
  readonly bytesWritten: number;
  readonly bytesRead: number;
  readonly keysWritten: number;
  readonly keysRead: number;
  readonly intervalS: number;
  readonly slowScore: number;
  /** Null: it told nothing. */
  readonly slowTrend: SlowTrend | null;
  /** It ends soon, and its leaders should go. */
  readonly isStopping: boolean;
}

/** A store as the schedulers see it: meta, last stats, and what the regions add up to. */
export interface StoreView {
  readonly meta: StoreMeta;
  readonly stats: StoreStats | null;
  readonly leaderCount: number;
  readonly regionCount: number;
  /** MiB. */
  readonly leaderSize: number;
  readonly regionSize: number;
  readonly learnerCount: number;
  readonly pendingPeerCount: number;
  readonly leaderWeight: number;
  readonly regionWeight: number;
  /** Why this store takes no leaders or gives none, by the scheduler's name that asked for it. */
  readonly pausedLeaderIn: readonly string[];
  readonly pausedLeaderOut: readonly string[];
}

export type PeerRole = "voter" | "learner" | "incomingVoter" | "demotingVoter";

export interface Peer {
  readonly id: PeerId;
  readonly storeId: StoreId;
  readonly role: PeerRole;
  readonly isWitness: boolean;
}

export interface RegionEpoch {
  readonly confVer: number;
  readonly version: number;
}

export interface RegionMeta {
  readonly id: RegionId;
  readonly startKey: Uint8Array;
  readonly endKey: Uint8Array;
  readonly epoch: RegionEpoch;
  readonly peers: readonly Peer[];
}

export interface DownPeer {
  readonly peerId: PeerId;
  readonly downSeconds: number;
}

export type RegionReplicationState = "unknown" | "simpleMajority" | "integrityOverLabel";

/** What the leader's last heartbeat said. */
export interface RegionView {
  readonly meta: RegionMeta;
  /** 0: no leader is known. */
  readonly leaderPeerId: PeerId;
  readonly term: number;
  readonly downPeers: readonly DownPeer[];
  readonly pendingPeers: readonly PeerId[];
  /** MiB; 0 is unknown, 1 is the least of a region that was measured. */
  readonly approximateSize: number;
  readonly approximateKeys: number;
  /** In the last interval. */
  readonly bytesWritten: number;
  readonly bytesRead: number;
  readonly keysWritten: number;
  readonly keysRead: number;
  readonly queriesWritten: number;
  readonly queriesRead: number;
  /** Percent of one core. */
  readonly cpuUsage: number;
  readonly intervalS: number;
  readonly replicationState: RegionReplicationState;
  readonly replicationStateId: number;
}

/** What the checkers and schedulers read; one implementation over the live cluster, one over a plain list for tests. */
export interface ClusterView {
  /** Wall time of this look. */
  readonly nowMs: number;
  /** By ascending id; tombstones too. */
  stores(): readonly StoreView[];
  store(id: StoreId): StoreView | null;
  region(id: RegionId): RegionView | null;
  /** The region that holds a key. */
  regionByKey(key: Uint8Array): RegionView | null;
  /** In key order from `startKey` on. */
  scanRegions(startKey: Uint8Array, endKey: Uint8Array, limit: number): readonly RegionView[];
  /** The neighbours in key order, null where there is none or a hole. */
  neighbours(id: RegionId): { readonly previous: RegionView | null; readonly next: RegionView | null };
  /** Regions with such a peer on the store; `pick` chooses one of `count` at random. */
  randomRegion(storeId: StoreId, kind: "leader" | "follower" | "learner" | "pending", pick: (count: number) => number): RegionView | null;
  readonly regionCount: number;
  /** MiB, of regions that were measured; 0 when there are none. */
  readonly averageRegionSize: number;
}
