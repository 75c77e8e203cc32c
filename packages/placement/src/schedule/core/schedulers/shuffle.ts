/** Schedulers for tests of clusters: regions moved and merged at random. */

import { mergePlan } from "../builder.ts";
import { movesToMatch } from "../checkers/merge.ts";
import type { ScheduleContext } from "../context.ts";
import { regionSource, regionTarget } from "../filters.ts";
import { peerOn } from "../regions.ts";
import { draw, idle, isMovable, movePeer, one, type ScheduleResult } from "./scheduler.ts";

export type ShuffleRole = "leader" | "follower" | "learner";

export function shuffleRegion(context: ScheduleContext, roles: readonly ShuffleRole[]): ScheduleResult {
  const stores = context.view.stores().filter((store) => store.meta.state === "up" && regionSource(context, store) === null);
  if (stores.length === 0) return idle("no store gives peers");
  const source = context.random.pick(stores);
  for (const role of roles) {
    const region = draw(context, source.meta.id, role);
    if (region === null || !isMovable(context, region)) continue;
    const targets = context.view
      .stores()
      .filter((store) => peerOn(region.meta, store.meta.id) === null && regionTarget(context, store) === null)
      .filter((store) => context.policy.isAsGood(region, source.meta.id, store.meta.id));
    if (targets.length === 0) continue;
    const plan = movePeer(context, region, {
      description: "shuffle-region",
      kinds: ["region"],
      from: source.meta.id,
      to: context.random.pick(targets).meta.id,
    });
    if ("operator" in plan) return one(plan.operator);
  }
  return idle("no region was drawn that could move");
}

export function randomMerge(context: ScheduleContext): ScheduleResult {
  const stores = context.view.stores().filter((store) => store.meta.state === "up" && store.leaderCount > 0);
  if (stores.length === 0) return idle("no store leads a region");
  const region = draw(context, context.random.pick(stores).meta.id, "leader");
  if (region === null || !isMovable(context, region)) return idle("no region was drawn that could merge");
  const { previous, next } = context.view.neighbours(region.meta.id);
  const target = next === null || (previous !== null && context.random.chance(0.5)) ? previous : next;
  if (target === null || !isMovable(context, target)) return idle("the neighbour cannot merge");
  const [left, right] = target === previous ? [target, region] : [region, target];
  if (context.policy.borders(left.meta.startKey, right.meta.endKey) !== null) return idle("a border lies between the regions");
  const moves = movesToMatch(context, region, target);
  if (moves === null) return idle("the regions' peers do not match");
  return { operators: [mergePlan({ description: "random-merge", kinds: [] }, region, target, moves)], summary: "" };
}
