/** Peers from the stores with the highest score to those with the lowest, where rules allow it as well. */
import type { RegionView, StoreView } from "../../../core/model.ts";
import type { ScheduleContext } from "../context.ts";
import { regionSource, regionTarget } from "../filters.ts";
import { influenceOn } from "../influence.ts";
import { isEmptyRegion, peerOn } from "../regions.ts";
import { peerCost, smallPeerCost, smallRegionMib } from "../store-limits.ts";
import { draw, drawsMax, idle, isMovable, movePeer, one, type ScheduleResult, scoreOf } from "./scheduler.ts";

/**
 * What is on its way counts so many times, and only where it speaks against a move: what leaves the source, what comes to the target.
 * Counted both ways, arrivals would make a store look full enough to give, and departures make it look empty enough to take: balance
 * swings for ever.
 */
const influenceFactor = 5;

export function balanceRegion(context: ScheduleContext, description = "balance-region"): ScheduleResult {
  const { view, schedule } = context;
  if (context.operators.count("region") >= schedule.regionScheduleLimit) return idle("region-schedule-limit is reached");
  const influence = context.operators.influence();
  const delta = (store: StoreView) => influenceOn(influence, store.meta.id).regionSize;
  const sources = view
    .stores()
    .filter((store) => store.regionCount > 0 && regionSource(context, store, smallPeerCost) === null && store.meta.state === "up")
    .sort((a, b) => scoreOf(context, b, delta(b)) - scoreOf(context, a, delta(a)) || a.meta.id - b.meta.id);
  if (sources.length === 0) return idle("no store may give a peer");
  const tolerant = tolerantMib(context);
  let why = "regions are balanced";
  for (const source of sources) {
    for (let tries = 0; tries < drawsMax; tries++) {
      const region = pick(context, source);
      if (region === null) break;
      if (!isMovable(context, region)) continue;
      // Empty regions are many after tables were made; moving them balances nothing while others have size.
      if (isEmptyRegion(region) && view.averageRegionSize > 10) continue;
      const cost = region.approximateSize <= smallRegionMib ? smallPeerCost : peerCost;
      if (regionSource(context, source, cost) !== null) continue;
      const target = view
        .stores()
        .filter((store) => peerOn(region.meta, store.meta.id) === null && regionTarget(context, store, cost) === null)
        .filter((store) => context.policy.isAsGood(region, source.meta.id, store.meta.id))
        .sort((a, b) => scoreOf(context, a, delta(a)) - scoreOf(context, b, delta(b)) || a.meta.id - b.meta.id)[0];
      if (target === undefined) {
        why = "no store may take a peer of the regions that were drawn";
        continue;
      }
      const size = Math.max(region.approximateSize, 1);
      const from = scoreOf(context, source, influenceFactor * Math.min(0, delta(source)) - Math.max(tolerant, size));
      const to = scoreOf(context, target, influenceFactor * Math.max(0, delta(target)) + Math.max(tolerant, size));
      if (!(from > to)) continue;
      const plan = movePeer(context, region, { description, kinds: ["region"], from: source.meta.id, to: target.meta.id });
      if ("operator" in plan) return one(plan.operator);
      why = plan.refusal;
    }
  }
  return idle(why);
}

/** Stores that differ by less than about twice this are balanced. */
function tolerantMib(context: ScheduleContext): number {
  const { view, schedule } = context;
  const average = Math.max(1, view.averageRegionSize);
  if (schedule.tolerantSizeRatio > 0) return average * schedule.tolerantSizeRatio;
  const most = Math.max(0, ...view.stores().map((store) => store.regionCount));
  return average * Math.max(1, 0.005 * most);
}

function pick(context: ScheduleContext, source: StoreView): RegionView | null {
  for (const kind of ["pending", "follower", "leader", "learner"] as const) {
    const region = draw(context, source.meta.id, kind);
    if (region !== null && isMovable(context, region)) return region;
  }
  return draw(context, source.meta.id, "follower") ?? draw(context, source.meta.id, "leader");
}
