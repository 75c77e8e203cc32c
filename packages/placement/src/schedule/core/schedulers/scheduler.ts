/** What schedulers have in common: they look at the cluster and answer with operators, or with why they have none. */
import type { RegionView, StoreId, StoreView } from "../../../core/model.ts";
import { buildPlan, currentTarget, type Plan, transferLeaderPlan } from "../builder.ts";
import { mayLead } from "../checkers/patrol.ts";
import type { ScheduleContext } from "../context.ts";
import { leaderTarget } from "../filters.ts";
import { influenceOn } from "../influence.ts";
import type { Operator, OperatorKind } from "../operator.ts";
import { isDown, isHealthy, isInJointState, isPending, leaderOf, leaderStore, peerOn, voters } from "../regions.ts";
import { regionScore } from "../store-facts.ts";

export interface ScheduleResult {
  /** Each a whole: one operator, or the pair of a merge. */
  readonly operators: readonly (readonly Operator[])[];
  /** For `scheduler describe`: what it is doing, or why nothing. */
  readonly summary: string;
}

export function idle(summary: string): ScheduleResult {
  return { operators: [], summary };
}

export function one(operator: Operator, summary = ""): ScheduleResult {
  return { operators: [[operator]], summary };
}

/** How often a region is drawn at random before a scheduler gives up on a store. */
export const drawsMax = 10;

export function draw(context: ScheduleContext, storeId: StoreId, kind: "leader" | "follower" | "learner" | "pending"): RegionView | null {
  return context.view.randomRegion(storeId, kind, (count) => context.random.below(count));
}

/** Nothing else is at work on it, and it can take a change. */
export function isFree(context: ScheduleContext, region: RegionView): boolean {
  return (
    context.operators.get(region.meta.id) === null &&
    leaderOf(region) !== null &&
    !isInJointState(region.meta) &&
    !context.policy.isDenied(region)
  );
}

/** Free, complete, every peer well. */
export function isMovable(context: ScheduleContext, region: RegionView): boolean {
  return isFree(context, region) && isHealthy(region) && context.policy.isSatisfied(region) && !context.isHot(region.meta.id);
}

/** Stores that may take the lead now, by those that lead least. */
export function leaderCandidates(context: ScheduleContext, region: RegionView, isStrict = true): readonly StoreView[] {
  const lead = leaderStore(region);
  return voters(region.meta)
    .filter((peer) => peer.storeId !== lead && peer.role === "voter" && !isPending(region, peer.id) && !isDown(region, peer.id))
    .map((peer) => context.view.store(peer.storeId))
    .filter((store) => store !== null)
    .filter((store) =>
      isStrict
        ? leaderTarget(context, store) === null && context.policy.mayLead(region, store.meta.id)
        : mayLead(context, region, store.meta.id),
    )
    .sort((a, b) => leaderLoad(context, a) - leaderLoad(context, b) || a.meta.id - b.meta.id);
}

export function leaderLoad(context: ScheduleContext, store: StoreView): number {
  return (store.leaderCount + influenceOn(context.operators.influence(), store.meta.id).leaderCount) / Math.max(store.leaderWeight, 1e-6);
}

export function transfer(
  description: string,
  kinds: readonly OperatorKind[],
  region: RegionView,
  to: StoreId,
  priority?: Operator["priority"],
): Operator {
  return transferLeaderPlan({ description, kinds, ...(priority === undefined ? {} : { priority }) }, region, to);
}

/** One peer from one store to another, with the role it has. */
export function movePeer(
  context: ScheduleContext,
  region: RegionView,
  options: {
    readonly description: string;
    readonly kinds: readonly OperatorKind[];
    readonly from: StoreId;
    readonly to: StoreId;
    readonly leader?: StoreId | null;
  },
): Plan {
  const target = currentTarget(region);
  const role = target.get(options.from) ?? "voter";
  target.delete(options.from);
  target.set(options.to, role);
  return buildPlan({
    description: options.description,
    kinds: options.kinds,
    view: context.view,
    region,
    target,
    leader: options.leader ?? null,
    mayLead: (storeId) => mayLead(context, region, storeId) && peerOn(region.meta, storeId)?.role !== "learner",
    newPeerId: context.newPeerId,
    useJoint: context.schedule.enableJointConsensus,
    storeDownMs: context.schedule.maxStoreDownTimeMs,
  });
}

/** A region counts for 1 MiB at least: in a new cluster, whose regions nobody has measured, peers are balanced by their count. */
export function scoreOf(context: ScheduleContext, store: StoreView, deltaMib = 0): number {
  const { regionScoreFormulaVersion: version, highSpaceRatio, lowSpaceRatio } = context.schedule;
  const counted = store.regionSize >= store.regionCount ? store : { ...store, regionSize: store.regionCount };
  return regionScore(counted, { version, highSpaceRatio, lowSpaceRatio }, deltaMib);
}
