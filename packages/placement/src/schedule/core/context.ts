/**
 * What checkers and schedulers decide on: the cluster, the configuration, what rules say, and what is on its way already. They are
 * functions from it to operators; nothing else comes in.
 */
import type { Random } from "@skein/base";
import type { ClusterView, PeerId, RegionId, RegionView, StoreId, StoreView } from "../../core/model.ts";
import type { LabelProperty, ReplicationConfig, ScheduleConfig } from "../../server/config/core/items.ts";
import type { TargetRole } from "./builder.ts";
import type { OperatorController } from "./controller.ts";
import { labelOf } from "./store-facts.ts";
import type { StoreLimits } from "./store-limits.ts";

/** A change of a region that its rules ask for. */
export interface PlacementChange {
  /** `add-rule-peer`, `fix-demote-voter` … */
  readonly description: string;
  readonly isReplica: boolean;
  readonly priority: "medium" | "high" | "urgent";
  /** Where the peers should be in the end. */
  readonly target: ReadonlyMap<StoreId, TargetRole>;
  readonly leader: StoreId | null;
}

/** What decides where peers belong: placement rules, or replica count and location labels when rules are off. */
export interface PlacementPolicy {
  /** One change that brings the region nearer to what is wanted; null when nothing is to be done, or can be. */
  suggest(region: RegionView): PlacementChange | null;
  /** All peers that are wanted are there, where they should be, and none beyond. */
  isSatisfied(region: RegionView): boolean;
  /** How many peers the region should have, learners too. */
  wantedPeers(region: RegionView): number;
  /** By rules alone. */
  mayLead(region: RegionView, storeId: StoreId): boolean;
  /** A peer on `to` in place of the one on `from` is as good: same rules met, as well apart from the others. */
  isAsGood(region: RegionView, from: StoreId, to: StoreId): boolean;
  /** Keys inside of the range (its borders excluded) at which regions must end. */
  borders(startKey: Uint8Array, endKey: Uint8Array): { readonly keys: readonly Uint8Array[]; readonly description: string } | null;
  /** A label of the region's range forbids to schedule it. */
  isDenied(region: RegionView): boolean;
  /** A label of the region's range forbids to merge it. */
  isMergeDenied?(region: RegionView): boolean;
}

export interface ScheduleContext {
  readonly view: ClusterView;
  readonly nowMs: number;
  readonly schedule: ScheduleConfig;
  readonly replication: ReplicationConfig;
  readonly labelProperty: Readonly<Record<string, readonly LabelProperty[]>>;
  readonly policy: PlacementPolicy;
  readonly limits: StoreLimits;
  readonly operators: Pick<OperatorController, "get" | "count" | "influence">;
  readonly random: Random;
  readonly newPeerId: () => PeerId;
  /** Regions that carry much load: not moved by the others. */
  readonly isHot: (regionId: RegionId) => boolean;
}

/** A label property says that leaders are not wanted on such stores. */
export function rejectsLeaders(context: Pick<ScheduleContext, "labelProperty">, store: StoreView): boolean {
  return (context.labelProperty["reject-leader"] ?? []).some(({ key, value }) => labelOf(store, key) === value);
}
