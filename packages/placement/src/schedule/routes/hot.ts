/** Hot peers and the rates of stores. */

import { hexOfKey } from "../../core/keys.ts";
import { type HttpRoute, json, type PdHttpRequest, refusal } from "../../server/http-routes.ts";
import type { HotKind, HotPeer, Load } from "../core/hot-cache.ts";
import { type HotRecord, recordsMax } from "../hot-history.ts";
import { timeJson } from "../json.ts";
import type { SchedulingState } from "../state.ts";
import { api, idOf, numberOf, objectOf, type StateOf } from "./request.ts";

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
    { method: "GET", path: `${api}/hotspot/regions/history`, handle: async (request) => json(await history(state(), request)) },
    {
      method: "GET",
      path: `${api}/hotspot/buckets`,
      handle: ({ query }) => {
        const wanted = query.getAll("region_id").map(idOf);
        const { buckets, services } = state();
        const found = buckets.hot(services.config.current.schedule.hotRegionCacheHitsThreshold);
        return json(
          Object.fromEntries(
            found
              .filter(({ regionId }) => wanted.length === 0 || wanted.includes(regionId))
              .map(({ regionId, buckets: hot }) => [
                String(regionId),
                hot.map((bucket) => ({
                  start_key: hexOfKey(bucket.startKey),
                  end_key: hexOfKey(bucket.endKey),
                  hot_degree: bucket.degree,
                  read_bytes: Math.round(bucket.readBytes),
                  read_keys: Math.round(bucket.readKeys),
                  write_bytes: Math.round(bucket.writtenBytes),
                  write_keys: Math.round(bucket.writtenKeys),
                })),
              ]),
          ),
        );
      },
    },
  ];
}

/** The body says which: `{start_time, end_time, region_ids, store_ids, peer_ids, is_leaders, is_learners, hot_region_types}`, times in ms. */
async function history(state: SchedulingState, request: PdHttpRequest): Promise<unknown> {
  const body = objectOf(request);
  const [from, to] = [numberOf(body["start_time"]), numberOf(body["end_time"])];
  if (from === null || to === null) throw refusal(400, "start_time and end_time should be given, in milliseconds of unix time");
  const listed = (name: string): readonly unknown[] => (Array.isArray(body[name]) ? body[name] : []);
  const filters = [
    ["region_ids", "region_id"],
    ["store_ids", "store_id"],
    ["peer_ids", "peer_id"],
    ["is_leaders", "is_leader"],
    ["is_learners", "is_learner"],
    ["hot_region_types", "hot_region_type"],
  ] as const;
  const chosen = filters.map(([list, field]) => [listed(list), field] as const).filter(([values]) => values.length > 0);
  const matches = (record: HotRecord) => chosen.every(([values, field]) => values.includes(record[field]));
  const { records, isCut } = await state.history.read(from, to, matches);
  if (isCut) throw refusal(400, `more than ${recordsMax} records match: please ask for a shorter time, or for fewer regions`);
  return { history_hot_region: records.length === 0 ? null : records };
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
