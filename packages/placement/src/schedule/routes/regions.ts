/** Regions: by id, by key, in lists of all kinds, and what they add up to. Lists are one line, as octets (golden/region.txt). */

import { hexOfKey, isSameKey, keyOfHex } from "../../core/keys.ts";
import { keyspaceIdMax, keyspaceRanges } from "../../core/keyspace.ts";
import type { RegionView } from "../../core/model.ts";
import { type HttpRoute, inputRefusal, json, type PdHttpRequest, refusal } from "../../server/http-routes.ts";
import type { PdServices } from "../../server/services.ts";
import { scatterRegions, splitAt } from "../actions.ts";
import { isEmptyRegion, leaderStore, peerOn } from "../core/regions.ts";
import { noRegionJson, regionJson, regionsJson } from "../json.ts";
import { api, compact, idOf, limitOf, numberOf, objectOf, type StateOf } from "./request.ts";

const pageSize = 1024;
const none = new Uint8Array();

/** All regions of a range in key order, read in pages. */
export function* regionsOf(pd: PdServices, startKey: Uint8Array = none, endKey: Uint8Array = none): Generator<RegionView> {
  let cursor = startKey;
  for (;;) {
    const page = pd.cluster.scanRegions(cursor, endKey, pageSize);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize || last.meta.endKey.length === 0) return;
    cursor = last.meta.endKey;
  }
}

type Check = (region: RegionView, state: ReturnType<StateOf>, pd: PdServices) => boolean;

const checks: Readonly<Record<string, Check>> = {
  "miss-peer": (region, state) => region.meta.peers.length < state.policy().wantedPeers(region),
  "extra-peer": (region, state) => region.meta.peers.length > state.policy().wantedPeers(region),
  "pending-peer": (region) => region.pendingPeers.length > 0,
  "down-peer": (region) => region.downPeers.length > 0,
  "learner-peer": (region) => region.meta.peers.some((peer) => peer.role === "learner"),
  "offline-peer": (region, _state, pd) => region.meta.peers.some((peer) => pd.cluster.store(peer.storeId)?.meta.state !== "up"),
  "empty-region": (region) => isEmptyRegion(region),
  "oversized-region": (region) => region.approximateSize >= 384 || region.approximateKeys >= 3_840_000,
  "undersized-region": (region, _state, pd) => region.approximateSize <= pd.config.current.schedule.maxMergeRegionSize,
};

/** `GET /regions/<name>?limit=`: the largest by one figure. */
const tops: Readonly<Record<string, (region: RegionView) => number>> = {
  writeflow: (region) => region.bytesWritten,
  readflow: (region) => region.bytesRead,
  writequery: (region) => region.queriesWritten,
  readquery: (region) => region.queriesRead,
  confver: (region) => region.meta.epoch.confVer,
  version: (region) => region.meta.epoch.version,
  size: (region) => region.approximateSize,
  keys: (region) => region.approximateKeys,
  cpu: (region) => region.cpuUsage,
};

export function regionRoutes(state: StateOf): readonly HttpRoute[] {
  return [
    {
      method: "GET",
      path: `${api}/region/id/:id`,
      handle: ({ params, pd }) => {
        const region = pd.cluster.region(idOf(params["id"] ?? ""));
        return compact(region === null ? noRegionJson : regionJson(region));
      },
    },
    {
      method: "GET",
      path: `${api}/region/key/:key`,
      handle: (request) => {
        const region = request.pd.cluster.regionByKey(request.paramBytes("key"));
        return compact(region === null ? noRegionJson : regionJson(region));
      },
    },
    { method: "GET", path: `${api}/regions`, handle: ({ pd }) => compact(regionsJson([...regionsOf(pd)])) },
    { method: "GET", path: `${api}/regions/count`, handle: ({ pd }) => json({ count: pd.cluster.regionCount, regions: null }) },
    {
      method: "GET",
      path: `${api}/regions/key`,
      handle: (request) => {
        const [start, end] = [request.queryBytes("key") ?? none, request.queryBytes("end_key") ?? none];
        return compact(regionsJson(request.pd.cluster.scanRegions(start, end, limitOf(request))));
      },
    },
    {
      method: "GET",
      path: `${api}/regions/store/:id`,
      handle: ({ params, query, pd }) => {
        const id = idOf(params["id"] ?? "");
        const type = query.get("type") ?? "all";
        const found = [...regionsOf(pd)].filter((region) => {
          const peer = peerOn(region.meta, id);
          if (peer === null) return false;
          if (type === "leader") return leaderStore(region) === id;
          if (type === "follower") return leaderStore(region) !== id && peer.role !== "learner";
          if (type === "learner") return peer.role === "learner";
          if (type === "pending") return region.pendingPeers.includes(peer.id);
          return true;
        });
        return compact(regionsJson(found));
      },
    },
    {
      method: "GET",
      path: `${api}/regions/keyspace/id/:id`,
      handle: (request) => {
        const id = idOf(request.params["id"] ?? "");
        if (id > keyspaceIdMax) throw refusal(400, `the id of a keyspace is at most ${keyspaceIdMax}`);
        const limit = limitOf(request);
        const found: RegionView[] = [];
        for (const { startKey, endKey } of keyspaceRanges(id))
          if (found.length < limit) found.push(...request.pd.cluster.scanRegions(startKey, endKey, limit - found.length));
        return compact(regionsJson(found.filter((region, at) => found.findIndex((each) => each.meta.id === region.meta.id) === at)));
      },
    },
    {
      method: "GET",
      path: `${api}/regions/sibling/:id`,
      handle: ({ params, pd }) => {
        const id = idOf(params["id"] ?? "");
        if (pd.cluster.region(id) === null) throw refusal(404, `[PD:region:ErrRegionNotFound]region ${id} not found`);
        const { previous, next } = pd.cluster.neighbours(id);
        return compact({ count: 2, regions: [previous, next].map((region) => (region === null ? noRegionJson : regionJson(region))) });
      },
    },
    ...Object.entries(checks).map(
      ([name, check]): HttpRoute => ({
        method: "GET",
        path: `${api}/regions/check/${name}`,
        handle: ({ pd }) => compact(regionsJson([...regionsOf(pd)].filter((region) => check(region, state(), pd)))),
      }),
    ),
    {
      method: "GET",
      path: `${api}/regions/check/hist-size`,
      handle: (request) => json(histogram(request, (region) => region.approximateSize, 10)),
    },
    {
      method: "GET",
      path: `${api}/regions/check/hist-keys`,
      handle: (request) => json(histogram(request, (region) => region.approximateKeys, 10_000)),
    },
    ...Object.entries(tops).map(
      ([name, figure]): HttpRoute => ({
        method: "GET",
        path: `${api}/regions/${name}`,
        handle: (request) => {
          const sorted = [...regionsOf(request.pd)].sort((a, b) => figure(b) - figure(a) || a.meta.id - b.meta.id);
          return compact(regionsJson(sorted.slice(0, limitOf(request))));
        },
      }),
    ),
    {
      method: "GET",
      path: `${api}/regions/range-holes`,
      handle: ({ pd }) => {
        const holes: (readonly [string, string])[] = [];
        let at: Uint8Array = none;
        let isEnd = false;
        for (const region of regionsOf(pd)) {
          if (!isSameKey(at, region.meta.startKey)) holes.push([hexOfKey(at), hexOfKey(region.meta.startKey)]);
          at = region.meta.endKey;
          isEnd = at.length === 0;
        }
        if (!isEnd) holes.push([hexOfKey(at), ""]);
        return json(holes);
      },
    },
    {
      method: "GET",
      path: `${api}/regions/replicated`,
      handle: ({ query, pd }) => {
        const [start, end] = [hexQuery(query, "startKey"), hexQuery(query, "endKey")];
        const policy = state().policy();
        let result = "REPLICATED";
        for (const region of regionsOf(pd, start, end)) {
          if (policy.isSatisfied(region)) continue;
          result = "INPROGRESS";
          if (state().controller.get(region.meta.id) === null) state().suspect(region.meta.id);
        }
        return json(result);
      },
    },
    {
      method: "POST",
      path: `${api}/regions/accelerate-schedule`,
      handle: (request) => {
        const body = objectOf(request);
        const [start, end] = [hexBody(body["start_key"]), hexBody(body["end_key"])];
        for (const region of request.pd.cluster.scanRegions(start, end, limitOf(request, 256))) state().suspect(region.meta.id);
        return json(`Accelerate regions scheduling in a given range [${hexOfKey(start)},${hexOfKey(end)})`);
      },
    },
    {
      method: "POST",
      path: `${api}/regions/scatter`,
      handle: async (request) => {
        const body = objectOf(request);
        const ids = Array.isArray(body["regions_id"]) ? body["regions_id"].map(numberOf).filter((id) => id !== null) : [];
        const listed =
          ids.length > 0
            ? ids
            : request.pd.cluster.scanRegions(hexBody(body["start_key"]), hexBody(body["end_key"]), 10_240).map((region) => region.meta.id);
        if (listed.length === 0) throw refusal(500, "empty regions");
        const { finishedPercentage } = await scatterRegions(state(), listed, typeof body["group"] === "string" ? body["group"] : "");
        return json({ "processed-percentage": finishedPercentage });
      },
    },
    {
      method: "POST",
      path: `${api}/regions/split`,
      handle: async (request) => {
        const body = objectOf(request);
        const texts = body["split_keys"];
        if (!Array.isArray(texts)) throw refusal(400, "split_keys should be provided.");
        if (texts.length === 0) throw refusal(400, "empty split keys.");
        const keys = texts.map(hexBody);
        const { finishedPercentage, regionIds } = await splitAt(state(), keys, numberOf(body["retry_limit"]) ?? 5);
        return json({ "processed-percentage": finishedPercentage, "regions-id": regionIds });
      },
    },
    { method: "GET", path: `${api}/stats/region`, handle: (request) => json(statistics(request)) },
  ];
}

function hexQuery(query: URLSearchParams, name: string): Uint8Array {
  const key = keyOfHex(query.get(name) ?? "");
  if (key === null) throw refusal(400, `encoding/hex: invalid byte in ${name}`);
  return key;
}

function hexBody(value: unknown): Uint8Array {
  const key = value === undefined ? none : typeof value === "string" ? keyOfHex(value) : null;
  if (key === null) throw inputRefusal("a key is not in hex format");
  return key;
}

function histogram({ query, pd }: PdHttpRequest, figure: (region: RegionView) => number, fallback: number): unknown {
  const bound = Number(query.get("bound") ?? fallback);
  if (!Number.isInteger(bound) || bound < 1) throw refusal(400, `bound should be a whole number from 1 on`);
  const counts = new Map<number, number>();
  for (const region of regionsOf(pd)) {
    const bucket = Math.floor(figure(region) / bound);
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a - b).map(([bucket, count]) => ({ start: bucket * bound, end: (bucket + 1) * bound - 1, count }));
}

function statistics(request: PdHttpRequest): unknown {
  const [start, end] = [request.queryBytes("start_key") ?? none, request.queryBytes("end_key") ?? none];
  const sums = { count: 0, empty: 0, size: 0, keys: 0 };
  const byStore = {
    leaderCount: new Map<number, number>(),
    peerCount: new Map<number, number>(),
    leaderSize: new Map<number, number>(),
    leaderKeys: new Map<number, number>(),
    peerSize: new Map<number, number>(),
    peerKeys: new Map<number, number>(),
  };
  const add = (map: Map<number, number>, storeId: number, by: number) => void map.set(storeId, (map.get(storeId) ?? 0) + by);
  for (const region of regionsOf(request.pd, start, end)) {
    sums.count += 1;
    if (isEmptyRegion(region)) sums.empty += 1;
    sums.size += region.approximateSize;
    sums.keys += region.approximateKeys;
    const lead = leaderStore(region);
    if (lead !== 0) {
      add(byStore.leaderCount, lead, 1);
      add(byStore.leaderSize, lead, region.approximateSize);
      add(byStore.leaderKeys, lead, region.approximateKeys);
    }
    for (const peer of region.meta.peers) {
      add(byStore.peerCount, peer.storeId, 1);
      add(byStore.peerSize, peer.storeId, region.approximateSize);
      add(byStore.peerKeys, peer.storeId, region.approximateKeys);
    }
  }
  const shown = (map: ReadonlyMap<number, number>) => Object.fromEntries([...map].sort(([a], [b]) => a - b));
  return {
    count: sums.count,
    empty_count: sums.empty,
    storage_size: sums.size,
    user_storage_size: 0,
    storage_keys: sums.keys,
    store_leader_count: shown(byStore.leaderCount),
    store_peer_count: shown(byStore.peerCount),
    store_leader_size: shown(byStore.leaderSize),
    store_leader_keys: shown(byStore.leaderKeys),
    store_peer_size: shown(byStore.peerSize),
    store_peer_keys: shown(byStore.peerKeys),
  };
}
