/**
 * What is looked at for one region, in this order (spec §1.13): a joint state that was left behind, borders of rules and labels, where
 * peers belong; then, unless a label denies it, merging. The first that has something to do decides.
 */
import type { RegionView, StoreId } from "../../../core/model.ts";
import { buildPlan, leaveJointPlan, splitPlan } from "../builder.ts";
import type { PlacementChange, ScheduleContext } from "../context.ts";
import { leaderTargetTemporary } from "../filters.ts";
import type { Operator } from "../operator.ts";
import { isInJointState, leaderOf } from "../regions.ts";
import { checkMerge, type MergeMemory } from "./merge.ts";

export const checkerNames = ["learner", "replica", "rule", "split", "merge", "joint-state", "priority"] as const;
export type CheckerName = (typeof checkerNames)[number];

export interface PatrolOptions {
  readonly isPaused: (checker: CheckerName) => boolean;
  readonly merge: MergeMemory;
}

export type PatrolResult =
  | { readonly kind: "nothing" }
  /** A pair for a merge. */
  | { readonly kind: "operators"; readonly operators: readonly Operator[] }
  /** There is something to do, but a limit is reached or it cannot be planned now: look again soon. */
  | { readonly kind: "later"; readonly reason: string };

const nothing: PatrolResult = { kind: "nothing" };

export function checkRegion(context: ScheduleContext, region: RegionView, options: PatrolOptions): PatrolResult {
  if (context.schedule.haltScheduling) return nothing;
  if (context.operators.get(region.meta.id) !== null) return nothing;
  if (leaderOf(region) === null) return nothing;

  if (isInJointState(region.meta)) {
    if (options.isPaused("joint-state")) return nothing;
    const plan = leaveJointPlan({ description: "leave-joint-state", kinds: [] }, region, (storeId) => mayLead(context, region, storeId));
    return "operator" in plan ? { kind: "operators", operators: [plan.operator] } : { kind: "later", reason: plan.refusal };
  }

  if (!options.isPaused("split")) {
    const borders = context.policy.borders(region.meta.startKey, region.meta.endKey);
    if (borders !== null) {
      const heading = { description: borders.description, kinds: [], priority: "medium" as const };
      return { kind: "operators", operators: [splitPlan(heading, region, "useKey", borders.keys)] };
    }
  }

  const checker = context.replication.enablePlacementRules ? "rule" : "replica";
  if (!options.isPaused(checker)) {
    const change = context.policy.suggest(region);
    if (change !== null) {
      if (change.isReplica && context.operators.count("replica") >= context.schedule.replicaScheduleLimit)
        return { kind: "later", reason: "replica-schedule-limit is reached" };
      const plan = planChange(context, region, change);
      return "operator" in plan ? { kind: "operators", operators: [plan.operator] } : { kind: "later", reason: plan.refusal };
    }
  }

  if (context.policy.isDenied(region)) return nothing;
  if (!options.isPaused("merge") && context.operators.count("merge") < context.schedule.mergeScheduleLimit) {
    const operators = checkMerge(context, region, options.merge);
    if (operators.length > 0) return { kind: "operators", operators };
  }
  return nothing;
}

export function planChange(context: ScheduleContext, region: RegionView, change: PlacementChange) {
  return buildPlan({
    description: change.description,
    kinds: change.isReplica ? ["replica"] : [],
    priority: change.priority,
    view: context.view,
    region,
    target: change.target,
    leader: change.leader,
    mayLead: (storeId) => mayLead(context, region, storeId),
    newPeerId: context.newPeerId,
    useJoint: context.schedule.enableJointConsensus,
    storeDownMs: context.schedule.maxStoreDownTimeMs,
  });
}

/** By rules, label properties and the store's state; disconnected stores count, for who else should lead. */
export function mayLead(context: ScheduleContext, region: RegionView, storeId: StoreId): boolean {
  const store = context.view.store(storeId);
  return store !== null && leaderTargetTemporary(context, store) === null && context.policy.mayLead(region, storeId);
}
