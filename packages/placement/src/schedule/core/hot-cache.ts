/**
 * Which peers carry how much load, from heartbeats: writes from the regions' (every peer writes what its leader writes), reads from the
 * stores' (each store says what it read for which region). Rates are a second's, smoothed over the last intervals; a peer is hot when
 * it was above the least rates so many times running.
 */
import type { PeerId, RegionId, RegionView, StoreId } from "../../core/model.ts";

export type HotKind = "read" | "write";
export type Load = readonly [bytes: number, keys: number, queries: number];

export interface HotPeer {
  readonly storeId: StoreId;
  readonly regionId: RegionId;
  readonly peerId: PeerId;
  readonly isLeader: boolean;
  /** A second. */
  readonly load: Load;
  /** How many reports running it was above the least rates. */
  readonly degree: number;
  readonly lastMs: number;
  readonly antiCount: number;
}

export interface HotLimits {
  /** So many reports below the rates, and it is forgotten. */
  readonly zombieRoundsMax: number;
  readonly peersMax: number;
}

/** The least rates, a second. With many peers above them, only the larger ones count: see `topCount`. */
const floors: Record<HotKind, Load> = { write: [1024, 32, 32], read: [8192, 128, 128] };
/** A store with so many hot peers calls hot what has at least 0.8 of the load of the last of them. */
const topCount = 60;
const topRatio = 0.8;
const thresholdKeptMs = 10_000;

export interface HotCache {
  onRegion(region: RegionView, nowMs: number): void;
  onStoreReads(
    storeId: StoreId,
    reads: readonly { readonly regionId: RegionId; readonly load: Load }[],
    intervalS: number,
    regionOf: (id: RegionId) => RegionView | null,
    nowMs: number,
  ): void;
  /** The whole store's rates, from its heartbeat. */
  onStore(storeId: StoreId, kind: HotKind, load: Load): void;
  storeLoad(storeId: StoreId, kind: HotKind): Load;
  peers(kind: HotKind, storeId: StoreId): readonly HotPeer[];
  isHot(regionId: RegionId, degreeMin: number): boolean;
  forget(regionId: RegionId): void;
  forgetStore(storeId: StoreId): void;
}

const smoothing = 0.5;
const leastRate = 0.001;
const zero: Load = [0, 0, 0];

export function createHotCache(limitsOf: () => HotLimits): HotCache {
  const caches: Record<HotKind, Map<StoreId, Map<RegionId, HotPeer>>> = { read: new Map(), write: new Map() };
  const stores: Record<HotKind, Map<StoreId, Load>> = { read: new Map(), write: new Map() };
  /** Where a region is cached, so that peers that went away are dropped. */
  const places: Record<HotKind, Map<RegionId, Set<StoreId>>> = { read: new Map(), write: new Map() };

  const known = new Map<string, { readonly load: Load; readonly atMs: number }>();
  function thresholdOf(kind: HotKind, storeId: StoreId, nowMs: number): Load {
    const ofStore = caches[kind].get(storeId);
    if (ofStore === undefined || ofStore.size < topCount) return floors[kind];
    const name = `${kind} ${storeId}`;
    const before = known.get(name);
    if (before !== undefined && nowMs - before.atMs < thresholdKeptMs) return before.load;
    const peers = [...ofStore.values()];
    const at = (index: 0 | 1 | 2) => {
      const sorted = peers.map((peer) => peer.load[index]).sort((a, b) => b - a);
      return Math.max(floors[kind][index], (sorted[topCount - 1] ?? 0) * topRatio);
    };
    const load: Load = [at(0), at(1), at(2)];
    known.set(name, { load, atMs: nowMs });
    return load;
  }

  function put(kind: HotKind, peer: Omit<HotPeer, "degree" | "antiCount">): void {
    let ofStore = caches[kind].get(peer.storeId);
    const before = ofStore?.get(peer.regionId);
    const load: Load = before === undefined ? peer.load : mix(before.load, peer.load);
    if (!isAbove(load, thresholdOf(kind, peer.storeId, peer.lastMs))) {
      if (before === undefined) return;
      const antiCount = before.antiCount + 1;
      if (antiCount >= limitsOf().zombieRoundsMax) return drop(kind, peer.storeId, peer.regionId);
      ofStore?.set(peer.regionId, { ...peer, load, degree: before.degree, antiCount });
      return;
    }
    if (ofStore === undefined) {
      ofStore = new Map();
      caches[kind].set(peer.storeId, ofStore);
    }
    if (before === undefined && ofStore.size >= limitsOf().peersMax) return;
    ofStore.set(peer.regionId, { ...peer, load, degree: (before?.degree ?? 0) + 1, antiCount: 0 });
    let where = places[kind].get(peer.regionId);
    if (where === undefined) {
      where = new Set();
      places[kind].set(peer.regionId, where);
    }
    where.add(peer.storeId);
  }

  function drop(kind: HotKind, storeId: StoreId, regionId: RegionId): void {
    caches[kind].get(storeId)?.delete(regionId);
    const where = places[kind].get(regionId);
    where?.delete(storeId);
    if (where?.size === 0) places[kind].delete(regionId);
  }

  return {
    onRegion: (region, nowMs) => {
      const where = places.write.get(region.meta.id);
      // The common case costs nothing.
      if (region.bytesWritten === 0 && region.keysWritten === 0 && region.queriesWritten === 0 && where === undefined) return;
      if (where !== undefined)
        for (const storeId of where)
          if (!region.meta.peers.some((peer) => peer.storeId === storeId)) drop("write", storeId, region.meta.id);
      const { intervalS } = region;
      if (intervalS <= 0) return;
      const load: Load = [region.bytesWritten / intervalS, region.keysWritten / intervalS, region.queriesWritten / intervalS];
      // Most regions write a little: they cost three divisions.
      if (where === undefined && !isAbove(load, floors.write)) return;
      for (const peer of region.meta.peers)
        put("write", {
          storeId: peer.storeId,
          regionId: region.meta.id,
          peerId: peer.id,
          isLeader: peer.id === region.leaderPeerId,
          load,
          lastMs: nowMs,
        });
    },
    onStoreReads: (storeId, reads, intervalS, regionOf, nowMs) => {
      if (intervalS <= 0) return;
      const seen = new Set<RegionId>();
      for (const { regionId, load } of reads) {
        const region = regionOf(regionId);
        const peer = region?.meta.peers.find((each) => each.storeId === storeId);
        if (region === null || peer === undefined) continue;
        seen.add(regionId);
        put("read", {
          storeId,
          regionId,
          peerId: peer.id,
          isLeader: peer.id === region.leaderPeerId,
          load: [load[0] / intervalS, load[1] / intervalS, load[2] / intervalS],
          lastMs: nowMs,
        });
      }
      // Stores name only the peers with the most reads: the others were not hot.
      for (const peer of caches.read.get(storeId)?.values() ?? [])
        if (!seen.has(peer.regionId)) put("read", { ...peer, load: zero, lastMs: nowMs });
    },
    onStore: (storeId, kind, load) => void stores[kind].set(storeId, mix(stores[kind].get(storeId) ?? load, load)),
    storeLoad: (storeId, kind) => stores[kind].get(storeId) ?? zero,
    peers: (kind, storeId) => [...(caches[kind].get(storeId)?.values() ?? [])],
    isHot: (regionId, degreeMin) => {
      for (const kind of ["write", "read"] as const)
        for (const storeId of places[kind].get(regionId) ?? [])
          if ((caches[kind].get(storeId)?.get(regionId)?.degree ?? 0) >= degreeMin) return true;
      return false;
    },
    forget: (regionId) => {
      for (const kind of ["write", "read"] as const) for (const storeId of places[kind].get(regionId) ?? []) drop(kind, storeId, regionId);
    },
    forgetStore: (storeId) => {
      for (const kind of ["write", "read"] as const) {
        for (const regionId of caches[kind].get(storeId)?.keys() ?? []) drop(kind, storeId, regionId);
        stores[kind].delete(storeId);
      }
    },
  };
}

function isAbove(load: Load, least: Load): boolean {
  return load[0] >= least[0] || load[1] >= least[1] || load[2] >= least[2];
}

function mix(before: Load, now: Load): Load {
  const at = (index: 0 | 1 | 2) => {
    const rate = before[index] * (1 - smoothing) + now[index] * smoothing;
    // What fades away ends at nothing.
    return rate < leastRate ? 0 : rate;
  };
  return [at(0), at(1), at(2)];
}
