/** What the scheduling part of a leader holds while it leads. */
import type { RegionId, StoreId } from "../core/model.ts";
import type { PdServices } from "../server/services.ts";
import type { CheckerName } from "./core/checkers/patrol.ts";
import type { PlacementPolicy, ScheduleContext } from "./core/context.ts";
import type { OperatorController } from "./core/controller.ts";
import type { HotBuckets } from "./core/hot-buckets.ts";
import type { HotCache } from "./core/hot-cache.ts";
import type { Scatterer } from "./core/schedulers/scatter.ts";
import type { Scheduler } from "./core/schedulers/scheduler-set.ts";
import type { LimitScene, LimitType, StoreLimits } from "./core/store-limits.ts";
import type { HotHistory } from "./hot-history.ts";

/** A store as this member first saw it change. */
export interface Change {
  readonly sinceMs: number;
  readonly sizeMib: number;
}

export interface SchedulingState {
  readonly services: PdServices;
  readonly controller: OperatorController;
  readonly limits: StoreLimits;
  readonly hot: HotCache;
  readonly buckets: HotBuckets;
  readonly history: HotHistory;
  readonly limitScenes: Map<LimitType, LimitScene>;
  readonly schedulers: Map<string, Scheduler>;
  readonly scatterer: Scatterer;
  /** Until when, wall time. */
  readonly checkerPauses: Map<CheckerName, number>;
  /** Stores that are being emptied, as they were when this member first saw it. */
  readonly removals: ReadonlyMap<StoreId, Change>;
  /** New stores that are being filled. */
  readonly arrivals: ReadonlyMap<StoreId, Change>;
  /** When this process began to lead; operators' times count from it. */
  readonly startedMs: number;
  /** Schedulers and checkers run. */
  isRunning: boolean;
  policy(): PlacementPolicy;
  context(): ScheduleContext;
  /** Has so many ids for new peers at hand, so that a plan can be made without waiting. */
  ensureIds(count: number): Promise<void>;
  suspect(regionId: RegionId): void;
}
