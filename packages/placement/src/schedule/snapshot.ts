/** A look at the cluster that does not change while one turn decides: the stores are read once, regions as they are asked for. */
import type { ClusterView, StoreView } from "../core/model.ts";

export function snapshotOf(view: ClusterView): ClusterView {
  const stores = view.stores();
  const byId = new Map<number, StoreView>(stores.map((store) => [store.meta.id, store]));
  return {
    nowMs: view.nowMs,
    stores: () => stores,
    store: (id) => byId.get(id) ?? null,
    region: (id) => view.region(id),
    regionByKey: (key) => view.regionByKey(key),
    scanRegions: (startKey, endKey, limit) => view.scanRegions(startKey, endKey, limit),
    neighbours: (id) => view.neighbours(id),
    randomRegion: (storeId, kind, pick) => view.randomRegion(storeId, kind, pick),
    regionCount: view.regionCount,
    averageRegionSize: view.averageRegionSize,
  };
}
