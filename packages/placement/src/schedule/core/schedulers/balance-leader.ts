/** Leaders from stores that have many to stores that have few, several at a time. */
import type { RegionView, StoreId, StoreView } from "../../../core/model.ts";
import type { ScheduleContext } from "../context.ts";
import { leaderSource, leaderTarget } from "../filters.ts";
import { influenceOn } from "../influence.ts";
import type { Operator } from "../operator.ts";
import { leaderStore } from "../regions.ts";
import { leaderScore } from "../store-facts.ts";
import { draw, drawsMax, idle, isFree, leaderCandidates, type ScheduleResult, transfer } from "./scheduler.ts";

/** Two stores that differ by no more than twice this are balanced. */
const tolerantCount = 5;

export interface BalanceLeaderOptions {
  readonly batch: number;
  readonly description?: string;
}

export function balanceLeader(context: ScheduleContext, options: BalanceLeaderOptions): ScheduleResult {
  const influence = context.operators.influence();
  const shifted = new Map<StoreId, { count: number; size: number }>();
  const policy = context.schedule.leaderSchedulePolicy;
  const tolerant = policy === "size" ? Math.max(1, context.view.averageRegionSize) * tolerantCount : tolerantCount;
  const score = (store: StoreView, delta = 0) => {
    const coming = influenceOn(influence, store.meta.id);
    const more = shifted.get(store.meta.id) ?? { count: 0, size: 0 };
    return leaderScore(store, policy, (policy === "size" ? coming.leaderSize + more.size : coming.leaderCount + more.count) + delta);
  };
  const isWorth = (source: StoreView, target: StoreView) => score(source, -tolerant) > score(target, tolerant);

  const operators: (readonly Operator[])[] = [];
  const taken = new Set<number>();
  const take = (region: RegionView, from: StoreView, to: StoreView) => {
    operators.push([transfer(options.description ?? "balance-leader", ["leader"], region, to.meta.id)]);
    taken.add(region.meta.id);
    for (const [store, sign] of [
      [from, -1],
      [to, 1],
    ] as const) {
      const before = shifted.get(store.meta.id) ?? { count: 0, size: 0 };
      shifted.set(store.meta.id, { count: before.count + sign, size: before.size + sign * region.approximateSize });
    }
  };

  const sources = context.view.stores().filter((store) => leaderSource(context, store) === null && store.leaderCount > 0);
  const targets = context.view.stores().filter((store) => leaderTarget(context, store) === null);
  if (sources.length === 0 || targets.length === 0) return idle("no store may give or take leaders");
  const room = Math.max(0, context.schedule.leaderScheduleLimit - context.operators.count("leader"));
  for (let round = 0; operators.length < Math.min(options.batch, room); round++) {
    sources.sort((a, b) => score(b) - score(a) || a.meta.id - b.meta.id);
    targets.sort((a, b) => score(a) - score(b) || a.meta.id - b.meta.id);
    const [most, least] = [sources[0] as StoreView, targets[0] as StoreView];
    if (!isWorth(most, least)) break;
    if (!(moveOut(most) || moveIn(least)) || round > options.batch * 2) break;
  }
  return operators.length === 0
    ? idle("leaders are balanced, or no region with peers on both sides was drawn")
    : { operators, summary: "" };

  function moveOut(source: StoreView): boolean {
    for (let tries = 0; tries < drawsMax; tries++) {
      const region = draw(context, source.meta.id, "leader");
      if (region === null) return false;
      if (taken.has(region.meta.id) || !isFree(context, region)) continue;
      const target = [...leaderCandidates(context, region)].sort((a, b) => score(a) - score(b))[0];
      if (target === undefined || !isWorth(source, target)) continue;
      take(region, source, target);
      return true;
    }
    return false;
  }

  function moveIn(target: StoreView): boolean {
    for (let tries = 0; tries < drawsMax; tries++) {
      const region = draw(context, target.meta.id, "follower");
      if (region === null) return false;
      if (taken.has(region.meta.id) || !isFree(context, region)) continue;
      const source = context.view.store(leaderStore(region));
      if (source === null || leaderSource(context, source) !== null || !isWorth(source, target)) continue;
      if (!leaderCandidates(context, region).some((store) => store.meta.id === target.meta.id)) continue;
      take(region, source, target);
      return true;
    }
    return false;
  }
}
