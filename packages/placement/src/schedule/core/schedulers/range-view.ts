/** A cluster as if it had only the regions of a key range: to balance within it. */

import { isInRange } from "../../../core/keys.ts";
import type { ClusterView, RegionView, StoreId, StoreView } from "../../../core/model.ts";

const regionsMax = 10_000;

export function rangeView(view: ClusterView, startKey: Uint8Array, endKey: Uint8Array): ClusterView {
  const regions = view.scanRegions(startKey, endKey, regionsMax);
  const byStore = new Map<
    StoreId,
    { leader: RegionView[]; follower: RegionView[]; learner: RegionView[]; pending: RegionView[]; size: number; leaderSize: number }
  >();
  const at = (storeId: StoreId) => {
    let entry = byStore.get(storeId);
    if (entry === undefined) {
      entry = { leader: [], follower: [], learner: [], pending: [], size: 0, leaderSize: 0 };
      byStore.set(storeId, entry);
    }
    return entry;
  };
  let sizes = 0;
  for (const region of regions) {
    sizes += region.approximateSize;
    for (const peer of region.meta.peers) {
      const entry = at(peer.storeId);
      entry.size += region.approximateSize;
      if (peer.id === region.leaderPeerId) {
        entry.leader.push(region);
        entry.leaderSize += region.approximateSize;
      } else if (peer.role === "learner") entry.learner.push(region);
      else entry.follower.push(region);
      if (region.pendingPeers.includes(peer.id)) entry.pending.push(region);
    }
  }
  const narrowed = (store: StoreView): StoreView => {
    const entry = at(store.meta.id);
    return {
      ...store,
      leaderCount: entry.leader.length,
      regionCount: entry.leader.length + entry.follower.length + entry.learner.length,
      leaderSize: entry.leaderSize,
      regionSize: entry.size,
      learnerCount: entry.learner.length,
    };
  };
  const stores = view.stores().map(narrowed);
  return {
    nowMs: view.nowMs,
    stores: () => stores,
    store: (id) => stores.find((store) => store.meta.id === id) ?? null,
    region: (id) => view.region(id),
    regionByKey: (key) => (isInRange(key, startKey, endKey) ? view.regionByKey(key) : null),
    scanRegions: (from, to, limit) => view.scanRegions(from, to, limit),
    neighbours: (id) => view.neighbours(id),
    randomRegion: (storeId, kind, pick) => {
      const list = at(storeId)[kind];
      return list.length === 0 ? null : (list[pick(list.length)] ?? null);
    },
    regionCount: regions.length,
    averageRegionSize: regions.length === 0 ? 0 : sizes / regions.length,
  };
}
