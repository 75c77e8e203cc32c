/**
 * The cluster as the leader knows it: stores with their last stats, regions with their last heartbeats, and what they add up to.
 * Everything here is synchronous; what must be durable is told by return values and made so by the caller.
 */

import type { ClusterView, RegionId, RegionMeta, RegionView, StoreId, StoreMeta, StoreStats, StoreView } from "../core/model.ts";
import { pdErrors } from "../errors.ts";
import { regionText } from "./core/proto-text.ts";
import { isKey, type KeyText, keyText } from "./keys.ts";
import { type PeerKind, RegionIndex } from "./region-index.ts";
import { metaOf, type RegionRecord, recordOf, takeState, viewOf } from "./region-record.ts";

export interface HeartbeatResult {
  /** Ranges, peers or epoch changed: to be kept. */
  readonly isMetaChanged: boolean;
  readonly isLeaderChanged: boolean;
  /** Regions that it took the place of. */
  readonly removed: readonly RegionId[];
}

interface StoreEntry {
  meta: StoreMeta;
  stats: StoreStats | null;
  leaderWeight: number;
  regionWeight: number;
  pausedLeaderIn: readonly string[];
  pausedLeaderOut: readonly string[];
}

/** Holes last for an election at most: those of many splits at once, not of all times. */
const formerMax = 256;
const noRegions: readonly RegionId[] = [];
const unchanged: HeartbeatResult = { isMetaChanged: false, isLeaderChanged: false, removed: noRegions };
const newLeader: HeartbeatResult = { isMetaChanged: false, isLeaderChanged: true, removed: noRegions };

export class LiveCluster implements ClusterView {
  readonly #now: () => number;
  readonly #stores = new Map<StoreId, StoreEntry>();
  readonly #regions = new RegionIndex();
  /** Regions as they were before others took their place, the newest last. */
  readonly #former: RegionRecord[] = [];

  constructor(nowMs: () => number) {
    this.#now = nowMs;
  }

  get nowMs(): number {
    return this.#now();
  }
  get regionCount(): number {
    return this.#regions.count;
  }
  get averageRegionSize(): number {
    return this.#regions.averageSize;
  }
  get storeCount(): number {
    return this.#stores.size;
  }

  stores(): readonly StoreView[] {
    return [...this.#stores.keys()].sort((a, b) => a - b).map((id) => this.#viewOf(this.#stores.get(id) as StoreEntry));
  }

  store(id: StoreId): StoreView | null {
    const entry = this.#stores.get(id);
    return entry === undefined ? null : this.#viewOf(entry);
  }

  storeMeta(id: StoreId): StoreMeta | null {
    return this.#stores.get(id)?.meta ?? null;
  }

  region(id: RegionId): RegionView | null {
    const record = this.#regions.get(id);
    return record === undefined ? null : viewOf(record);
  }

  regionByKey(key: Uint8Array): RegionView | null {
    const record = this.#regions.at(keyText(key));
    return record === null ? null : viewOf(record);
  }

  /**
   * The region that holds a key; in a hole, the one that last held it. After a split one half is heard of before the other, which may
   * have an election before it. A store that is asked by the old region answers what it has become; some of the field's clients
   * (`tikv-client` of Rust) lose the writes whose region cannot be found, and commit the others.
   */
  lastRegionByKey(key: Uint8Array): RegionView | null {
    const found = this.regionByKey(key);
    if (found !== null) return found;
    const text = keyText(key);
    const former = this.#former.findLast((record) => record.holds(text));
    return former === undefined ? null : viewOf(former);
  }

  scanRegions(startKey: Uint8Array, endKey: Uint8Array, limit: number): readonly RegionView[] {
    const end = keyText(endKey);
    const found: RegionView[] = [];
    if (limit <= 0) return found;
    this.#regions.scan(keyText(startKey), (record) => {
      if (end !== "" && record.start >= end) return false;
      found.push(viewOf(record));
      return found.length < limit;
    });
    return found;
  }

  neighbours(id: RegionId): { readonly previous: RegionView | null; readonly next: RegionView | null } {
    const record = this.#regions.get(id);
    if (record === undefined) return { previous: null, next: null };
    const before = this.#regions.before(record);
    const after = this.#regions.after(record);
    return {
      previous: before !== null && before.end === record.start ? viewOf(before) : null,
      next: after !== null && record.end !== "" && after.start === record.end ? viewOf(after) : null,
    };
  }

  randomRegion(storeId: StoreId, kind: PeerKind, pick: (count: number) => number): RegionView | null {
    const record = this.#regions.random(storeId, kind, pick);
    return record === null ? null : viewOf(record);
  }

  // ── stores ──

  putStore(meta: StoreMeta, weights: { readonly leader: number; readonly region: number } | null = null): void {
    const entry = this.#stores.get(meta.id);
    if (entry === undefined) {
      this.#stores.set(meta.id, {
        meta,
        stats: null,
        leaderWeight: weights?.leader ?? 1,
        regionWeight: weights?.region ?? 1,
        pausedLeaderIn: [],
        pausedLeaderOut: [],
      });
      return;
    }
    entry.meta = meta;
    if (weights !== null) {
      entry.leaderWeight = weights.leader;
      entry.regionWeight = weights.region;
    }
  }

  forgetStore(id: StoreId): void {
    this.#stores.delete(id);
  }

  takeStats(id: StoreId, stats: StoreStats, nowMs: number): void {
    const entry = this.#stores.get(id);
    if (entry === undefined) throw pdErrors.storeNotFound([id]);
    entry.stats = stats;
    entry.meta = { ...entry.meta, lastHeartbeatMs: nowMs };
  }

  pauseLeader(id: StoreId, direction: "in" | "out", by: string): boolean {
    const entry = this.#stores.get(id);
    if (entry === undefined) return false;
    const name = direction === "in" ? "pausedLeaderIn" : "pausedLeaderOut";
    if (entry[name].includes(by)) return false;
    entry[name] = [...entry[name], by];
    return true;
  }

  resumeLeader(id: StoreId, direction: "in" | "out", by: string): void {
    const entry = this.#stores.get(id);
    if (entry === undefined) return;
    const name = direction === "in" ? "pausedLeaderIn" : "pausedLeaderOut";
    entry[name] = entry[name].filter((each) => each !== by);
  }

  // ── regions ──

  /** A region of the storage, without what heartbeats tell. */
  loadRegion(record: RegionRecord): void {
    if (this.#regions.insertIfFree(record)) return;
    const stale = this.#regions.overlaps(record.start, record.end);
    // Should a crash have left overlapping ones, the newest stays.
    if (stale.some((other) => other.version > record.version)) return;
    const origin = this.#regions.get(record.id);
    for (const other of stale) this.#regions.remove(other);
    if (origin !== undefined && !stale.includes(origin)) this.#regions.remove(origin);
    this.#regions.insert(record);
  }

  /** Throws `regionStale`, `invalidRegion`. */
  heartbeat(view: RegionView): HeartbeatResult {
    const { meta } = view;
    const origin = this.#regions.get(meta.id);
    if (origin !== undefined && isSameShape(origin, meta)) {
      if (view.term > 0 && view.term < origin.term) throw pdErrors.regionStale([regionText(meta), regionText(metaOf(origin))]);
      return this.#takeState(origin, view);
    }
    const record = recordOf(view);
    checkShape(record, meta);
    const isRecreated = record.version === 1 && record.confVer === 1 && (record.start !== "" || record.end !== "");
    const overlaps = this.#regions.overlaps(record.start, record.end);
    if (!isRecreated) {
      for (const other of overlaps)
        if (record.version < other.version) throw pdErrors.regionStale([regionText(meta), regionText(metaOf(other))]);
      if (origin !== undefined) {
        const isOfOldTerm = record.term > 0 && record.term < origin.term;
        if (isOfOldTerm || record.version < origin.version || record.confVer < origin.confVer)
          throw pdErrors.regionStale([regionText(meta), regionText(metaOf(origin))]);
      }
    }
    const removed: RegionId[] = [];
    for (const other of overlaps) {
      this.#regions.remove(other);
      if (other.id !== record.id) removed.push(other.id);
    }
    if (origin !== undefined && !overlaps.includes(origin)) this.#regions.remove(origin);
    this.#regions.insert(record);
    for (const other of origin === undefined || overlaps.includes(origin) ? overlaps : [...overlaps, origin])
      if (other.start < record.start || isBehind(other.end, record.end)) this.#remember(other);
    return { isMetaChanged: true, isLeaderChanged: origin === undefined || storeOfLeader(origin) !== storeOfLeader(record), removed };
  }

  #remember(record: RegionRecord): void {
    if (this.#former.push(record) > formerMax) this.#former.shift();
  }

  forgetRegion(id: RegionId): boolean {
    const record = this.#regions.get(id);
    if (record === undefined) return false;
    this.#regions.remove(record);
    return true;
  }

  forgetRegions(): void {
    this.#former.length = 0;
    this.#regions.clear();
  }

  clear(): void {
    this.#former.length = 0;
    this.#regions.clear();
    this.#stores.clear();
  }

  #takeState(record: RegionRecord, view: RegionView): HeartbeatResult {
    if (
      record.leaderPeerId !== view.leaderPeerId ||
      record.sizeMib !== view.approximateSize ||
      !isSameList(record.pendingPeers, view.pendingPeers)
    ) {
      const isLeaderChanged = record.leaderPeerId !== view.leaderPeerId;
      this.#regions.unlink(record);
      takeState(record, view);
      this.#regions.link(record);
      return isLeaderChanged ? newLeader : unchanged;
    }
    takeState(record, view);
    return unchanged;
  }

  #viewOf(entry: StoreEntry): StoreView {
    const sums = this.#regions.sumsOf(entry.meta.id);
    return {
      meta: entry.meta,
      stats: entry.stats,
      leaderCount: sums.leaders.length,
      regionCount: sums.regionCount,
      leaderSize: sums.leaderSize,
      regionSize: sums.regionSize,
      learnerCount: sums.learners.length,
      pendingPeerCount: sums.pending.size,
      leaderWeight: entry.leaderWeight,
      regionWeight: entry.regionWeight,
      pausedLeaderIn: entry.pausedLeaderIn,
      pausedLeaderOut: entry.pausedLeaderOut,
    };
  }
}

export function regionWithoutHeartbeat(meta: RegionMeta): RegionView {
  return {
    meta,
    leaderPeerId: 0,
    term: 0,
    downPeers: [],
    pendingPeers: [],
    approximateSize: 0,
    approximateKeys: 0,
    bytesWritten: 0,
    bytesRead: 0,
    keysWritten: 0,
    keysRead: 0,
    queriesWritten: 0,
    queriesRead: 0,
    cpuUsage: 0,
    intervalS: 0,
    replicationState: "unknown",
    replicationStateId: 0,
  };
}

/** Of two ends, "" being the last. */
function isBehind(end: KeyText, other: KeyText): boolean {
  return other !== "" && (end === "" || end > other);
}

function isSameList(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at]);
}

/** Peers only change with the epoch, so it tells for them. */
function isSameShape(record: RegionRecord, meta: RegionMeta): boolean {
  return (
    record.version === meta.epoch.version &&
    record.confVer === meta.epoch.confVer &&
    record.peers.length === meta.peers.length * 4 &&
    meta.peers.every((peer, at) => record.peers[at * 4] === peer.id && record.peers[at * 4 + 1] === peer.storeId) &&
    isKey(record.start, meta.startKey) &&
    isKey(record.end, meta.endKey)
  );
}

function checkShape({ start, end }: RegionRecord, meta: RegionMeta): void {
  if (meta.id === 0) throw pdErrors.invalidRegion(["its id is 0"]);
  if (end !== "" && end <= start) throw pdErrors.invalidRegion(["it ends before it starts"]);
  for (let i = 0; i < meta.peers.length; i++)
    for (let j = 0; j < i; j++)
      if (meta.peers[i]?.storeId === meta.peers[j]?.storeId || meta.peers[i]?.id === meta.peers[j]?.id)
        throw pdErrors.invalidRegion(["it has two peers of one id or on one store"]);
}

function storeOfLeader(record: RegionRecord): number {
  for (let at = 0; at < record.peers.length; at += 4) if (record.peers[at] === record.leaderPeerId) return record.peers[at + 1] as number;
  return 0;
}
