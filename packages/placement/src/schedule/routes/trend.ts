/** Loads of the stores and what operators moved between them lately: what a dashboard draws. */
import { formatDuration } from "@skein/base";
import { type HttpRoute, json, refusal } from "../../server/http-routes.ts";
import type { RunningOperator } from "../core/controller.ts";
import type { HotKind } from "../core/hot-cache.ts";
import { shownState } from "../core/store-facts.ts";
import { timeJson } from "../json.ts";
import type { SchedulingState } from "../state.ts";
import { api, type StateOf } from "./request.ts";

/** Unix seconds of the year 1, which stands for "from the beginning" in the original. */
const beginningS = -62_135_596_800;

export function trendRoutes(state: StateOf): readonly HttpRoute[] {
  return [
    {
      method: "GET",
      path: `${api}/trend`,
      handle: ({ query }) => {
        const text = query.get("from") ?? "";
        if (text !== "" && !/^-?\d{1,15}$/.test(text))
          throw refusal(400, `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
        const fromS = text === "" ? beginningS : Number(text);
        const nowMs = state().services.world.clock.nowMs();
        return json({
          stores: storesOf(state(), nowMs),
          history: {
            start: fromS,
            end: Math.floor(nowMs / 1000),
            entries: entriesOf(state().controller.history(fromS * 1000, nowMs)),
          },
        });
      },
    },
  ];
}

function storesOf(state: SchedulingState, nowMs: number): unknown {
  const { cluster, config } = state.services;
  const { schedule } = config.current;
  const flows = (kind: HotKind, id: number) => {
    const peers = state.hot.peers(kind, id).filter((peer) => peer.degree >= schedule.hotRegionCacheHitsThreshold);
    const each = peers.map((peer) => peer.load[0]);
    return { whole: each.reduce((sum, flow) => sum + flow, 0), each: each.length === 0 ? null : each };
  };
  return cluster
    .stores()
    .filter((store) => store.meta.state !== "tombstone")
    .map((store) => {
      const { meta, stats } = store;
      const startMs = meta.startTimestampS * 1000;
      const uptimeMs = meta.lastHeartbeatMs - startMs;
      const [written, read] = [flows("write", meta.id), flows("read", meta.id)];
      return {
        id: meta.id,
        address: meta.address,
        state_name: shownState(store, nowMs, schedule.maxStoreDownTimeMs),
        capacity: stats?.capacity ?? 0,
        available: stats?.available ?? 0,
        region_count: store.regionCount,
        leader_count: store.leaderCount,
        start_ts: startMs > 0 ? timeJson(startMs) : undefined,
        last_heartbeat_ts: meta.lastHeartbeatMs > 0 ? timeJson(meta.lastHeartbeatMs) : undefined,
        uptime: startMs > 0 && uptimeMs > 0 ? formatDuration(uptimeMs) : undefined,
        hot_write_flow: written.whole,
        hot_write_region_flows: written.each,
        hot_read_flow: read.whole,
        hot_read_region_flows: read.each,
      };
    });
}

/** How often leads and peers went from one store to another. */
function entriesOf(records: readonly RunningOperator[]): unknown {
  const counts = new Map<string, { from: number; to: number; kind: string; count: number }>();
  const add = (from: number, to: number, kind: string) => {
    const key = `${from} ${to} ${kind}`;
    const entry = counts.get(key) ?? { from, to, kind, count: 0 };
    entry.count += 1;
    counts.set(key, entry);
  };
  for (const { operator, status } of records) {
    if (status !== "success") continue;
    for (const step of operator.steps) if (step.kind === "transferLeader") add(step.fromStore, step.toStore, "leader");
    const came = operator.steps.flatMap((step) => (step.kind === "addLearner" || step.kind === "addPeer" ? [step.storeId] : []));
    const went = operator.steps.flatMap((step) => (step.kind === "removePeer" ? [step.storeId] : []));
    for (const [at, from] of went.entries()) {
      const to = came[at];
      if (to !== undefined) add(from, to, "region");
    }
  }
  return [...counts.values()].sort((a, b) => a.from - b.from || a.to - b.to || (a.kind < b.kind ? -1 : 1));
}
