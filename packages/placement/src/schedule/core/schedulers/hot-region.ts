/**
 * Load from stores that have much of it to stores that have little: by leads where only leaders bear it (reads, and the leaders' part of
 * writes), else by peers. A move must lower the larger of the two stores' loads in the first dimension and not spoil the second.
 */
import type { StoreId, StoreView } from "../../../core/model.ts";
import type { ScheduleContext } from "../context.ts";
import { leaderSource, leaderTarget, regionSource, regionTarget } from "../filters.ts";
import type { HotCache, HotKind, HotPeer, Load } from "../hot-cache.ts";
import { isHealthy, peerOn } from "../regions.ts";
import { idle, isFree, movePeer, one, type ScheduleResult, transfer } from "./scheduler.ts";

export type Dimension = "byte" | "key" | "query";

export interface HotRegionConfig {
  readonly "min-hot-byte-rate": number;
  readonly "min-hot-key-rate": number;
  readonly "min-hot-query-rate": number;
  readonly "max-zombie-rounds": number;
  readonly "max-peer-number": number;
  readonly "byte-rate-rank-step-ratio": number;
  readonly "key-rate-rank-step-ratio": number;
  readonly "query-rate-rank-step-ratio": number;
  readonly "count-rank-step-ratio": number;
  readonly "great-dec-ratio": number;
  readonly "minor-dec-ratio": number;
  readonly "src-tolerance-ratio": number;
  readonly "dst-tolerance-ratio": number;
  readonly "write-leader-priorities": readonly Dimension[];
  readonly "write-peer-priorities": readonly Dimension[];
  readonly "read-priorities": readonly Dimension[];
  readonly "strict-picking-store": string;
  readonly "enable-for-tiflash": string;
  readonly "rank-formula-version": string;
  readonly "split-thresholds": number;
}

/** In the order in which the original prints them. */
export const hotRegionDefaults: HotRegionConfig = {
  "min-hot-byte-rate": 100,
  "min-hot-key-rate": 10,
  "min-hot-query-rate": 10,
  "max-zombie-rounds": 3,
  "max-peer-number": 1000,
  "byte-rate-rank-step-ratio": 0.05,
  "key-rate-rank-step-ratio": 0.05,
  "query-rate-rank-step-ratio": 0.05,
  "count-rank-step-ratio": 0.01,
  "great-dec-ratio": 0.95,
  "minor-dec-ratio": 0.99,
  "src-tolerance-ratio": 1.05,
  "dst-tolerance-ratio": 1.05,
  "write-leader-priorities": ["key", "byte"],
  "write-peer-priorities": ["byte", "key"],
  "read-priorities": ["byte", "key"],
  "strict-picking-store": "true",
  "enable-for-tiflash": "true",
  "rank-formula-version": "v2",
  "split-thresholds": 0.2,
};

const index: Record<Dimension, 0 | 1 | 2> = { byte: 0, key: 1, query: 2 };

export function hotRegion(context: ScheduleContext, cache: HotCache, config: HotRegionConfig): ScheduleResult {
  if (context.operators.count("hot-region") >= context.schedule.hotRegionScheduleLimit) return idle("hot-region-schedule-limit is reached");
  const tasks = [
    { kind: "read", by: "leader", priorities: config["read-priorities"] },
    { kind: "write", by: "leader", priorities: config["write-leader-priorities"] },
    { kind: "write", by: "peer", priorities: config["write-peer-priorities"] },
    { kind: "read", by: "peer", priorities: config["read-priorities"] },
  ] as const;
  const first = context.random.below(tasks.length);
  for (let turn = 0; turn < tasks.length; turn++) {
    const task = tasks[(first + turn) % tasks.length] as (typeof tasks)[number];
    const found = solve(context, cache, config, task);
    if (found !== null) return found;
  }
  return idle("no move of a hot region would lower the highest load");
}

function solve(
  context: ScheduleContext,
  cache: HotCache,
  config: HotRegionConfig,
  task: { readonly kind: HotKind; readonly by: "leader" | "peer"; readonly priorities: readonly Dimension[] },
): ScheduleResult | null {
  const stores = context.view.stores().filter((store) => store.meta.state === "up");
  if (stores.length < 2) return null;
  const counted = (peer: HotPeer) => task.by === "peer" || peer.isLeader;
  const loads = new Map<StoreId, Load>();
  for (const store of stores) {
    // Leads of writes have no rates of stores of their own: the sum of the hot ones stands for them.
    const whole = cache.storeLoad(store.meta.id, task.kind);
    const hot = sum(cache.peers(task.kind, store.meta.id).filter(counted));
    loads.set(
      store.meta.id,
      task.kind === "write" && task.by === "leader"
        ? hot
        : [Math.max(whole[0], hot[0]), Math.max(whole[1], hot[1]), Math.max(whole[2], hot[2])],
    );
  }
  const [a, b] = [index[task.priorities[0] ?? "byte"], index[task.priorities[1] ?? "key"]];
  const at = (storeId: StoreId, dimension: 0 | 1 | 2) => (loads.get(storeId) as Load)[dimension];
  const average = stores.reduce((total, store) => total + at(store.meta.id, a), 0) / stores.length;
  if (average <= 0) return null;
  const isSource = (store: StoreView) =>
    at(store.meta.id, a) > average * config["src-tolerance-ratio"] &&
    (task.by === "leader" ? leaderSource(context, store) : regionSource(context, store)) === null;
  const isTarget = (store: StoreView) =>
    at(store.meta.id, a) < average / config["dst-tolerance-ratio"] &&
    (task.by === "leader" ? leaderTarget(context, store) : regionTarget(context, store)) === null;
  const targets = stores.filter(isTarget).sort((x, y) => at(x.meta.id, a) - at(y.meta.id, a));
  for (const source of stores.filter(isSource).sort((x, y) => at(y.meta.id, a) - at(x.meta.id, a))) {
    const peers = cache
      .peers(task.kind, source.meta.id)
      .filter((peer) => counted(peer) && peer.degree >= context.schedule.hotRegionCacheHitsThreshold && isWorthMoving(peer, config))
      .sort((x, y) => y.load[a] - x.load[a]);
    for (const peer of peers) {
      const region = context.view.region(peer.regionId);
      if (region === null || !isFree(context, region) || !isHealthy(region) || !context.policy.isSatisfied(region)) continue;
      if (task.by === "peer" && region.approximateSize > context.schedule.maxMovableHotPeerSize) continue;
      for (const target of targets) {
        const [from, to] = [at(source.meta.id, a), at(target.meta.id, a)];
        if (to + peer.load[a] >= from * config["minor-dec-ratio"]) continue;
        const secondWorse = at(target.meta.id, b) + peer.load[b] > Math.max(at(source.meta.id, b), 1) * config["src-tolerance-ratio"];
        if (config["strict-picking-store"] === "true" && secondWorse && peer.load[b] > 0) continue;
        const there = peerOn(region.meta, target.meta.id);
        if (task.by === "leader") {
          if (there?.role !== "voter" || !context.policy.mayLead(region, target.meta.id)) continue;
          return one(transfer(`transfer-hot-${task.kind}-leader`, ["hot-region"], region, target.meta.id, "high"));
        }
        if (there !== null || peer.isLeader || !context.policy.isAsGood(region, source.meta.id, target.meta.id)) continue;
        const plan = movePeer(context, region, {
          description: `move-hot-${task.kind}-peer`,
          kinds: ["hot-region"],
          from: source.meta.id,
          to: target.meta.id,
        });
        if ("operator" in plan) return one(plan.operator);
      }
    }
  }
  return null;
}

function isWorthMoving({ load }: HotPeer, config: HotRegionConfig): boolean {
  return load[0] >= config["min-hot-byte-rate"] || load[1] >= config["min-hot-key-rate"] || load[2] >= config["min-hot-query-rate"];
}

function sum(peers: readonly HotPeer[]): Load {
  let [bytes, keys, queries] = [0, 0, 0];
  for (const peer of peers) {
    bytes += peer.load[0];
    keys += peer.load[1];
    queries += peer.load[2];
  }
  return [bytes, keys, queries];
}
