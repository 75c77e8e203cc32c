/** Hot peers and the rates of stores. */
import { type HttpRoute, json } from "../../server/http-routes.ts";
import type { HotKind, HotPeer, Load } from "../core/hot-cache.ts";
import { hexOfKey } from "../../core/keys.ts";
import { timeJson } from "../json.ts";
import type { SchedulingState } from "../state.ts";
import { api, type StateOf } from "./request.ts";

export function hotRoutes(state: StateOf): readonly HttpRoute[] {
  return [
    {
      method: "GET",
      path: `${api}/hotspot/regions/write`,
      handle: ({ query }) => json(regions(state(), "write", query.getAll("store_id"))),
    },
    { method: "GET", path: `${api}/hotspot/regions/read`, handle: ({ query }) => json(regions(state(), "read", query.getAll("store_id"))) },
    {
      method: "GET",
      path: `${api}/hotspot/stores`,
      handle: () => {
        const rates = (kind: HotKind, index: 0 | 1 | 2) =>
          Object.fromEntries(liveStores(state()).map((id) => [String(id), state().hot.storeLoad(id, kind)[index]]));
        return json({
          "bytes-write-rate": rates("write", 0),
          "bytes-read-rate": rates("read", 0),
          "keys-write-rate": rates("write", 1),
          "keys-read-rate": rates("read", 1),
          "query-write-rate": rates("write", 2),
          "query-read-rate": rates("read", 2),
        });
      },
    },
  ];
}

function liveStores(state: SchedulingState): readonly number[] {
  return state.services.cluster
    .stores()
    .filter((store) => store.meta.state !== "tombstone")
    .map((store) => store.meta.id);
}

function regions(state: SchedulingState, kind: HotKind, wanted: readonly string[]): unknown {
  const stores = liveStores(state).filter((id) => wanted.length === 0 || wanted.includes(String(id)));
  const degreeMin = state.services.config.current.schedule.hotRegionCacheHitsThreshold;
  const side = (counts: (peer: HotPeer) => boolean) =>
    Object.fromEntries(
      stores.map((id) => {
        const peers = state.hot.peers(kind, id).filter((peer) => counts(peer) && peer.degree >= degreeMin);
        const whole = state.hot.storeLoad(id, kind);
        const total = (index: 0 | 1 | 2) => peers.reduce((sum, peer) => sum + peer.load[index], 0);
        return [
          String(id),
          {
            store_bytes: whole[0],
            store_keys: whole[1],
            store_query: whole[2],
            total_flow_bytes: total(0),
            total_flow_keys: total(1),
            total_flow_query: total(2),
            regions_count: peers.length,
            statistics: peers.sort((a, b) => b.load[0] - a.load[0]).map((peer) => peerJson(state, peer)),
          },
        ];
      }),
    );
  return { as_peer: side(() => true), as_leader: side((peer) => peer.isLeader) };
}

function peerJson(state: SchedulingState, peer: HotPeer): unknown {
  const region = state.services.cluster.region(peer.regionId);
  const load: Load = peer.load;
  return {
    store_id: peer.storeId,
    region_id: peer.regionId,
    hot_degree: peer.degree,
    flow_bytes: load[0],
    flow_keys: load[1],
    flow_query: load[2],
    start_key: region === null ? "" : hexOfKey(region.meta.startKey),
    end_key: region === null ? "" : hexOfKey(region.meta.endKey),
    is_leader: peer.isLeader,
    last_update_time: timeJson(peer.lastMs),
  };
}
