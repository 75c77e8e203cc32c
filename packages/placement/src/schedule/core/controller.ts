/**
 * The operators that run, at most one a region, as a state machine without a clock: time, regions and answers come in, actions for
 * the regions' leaders go out.
 *
 *   add ──▶ running ──(heartbeat or tick: look at the region)──▶ next step's action │ ended ──▶ record
 *
 * An action is sent with each heartbeat of the region, and pushed again after 2 s (steps without data) or 5 s.
 */
import type { ClusterView, RegionId, RegionView, StoreId } from "../../core/model.ts";
import type { RegionAction } from "../../core/region-action.ts";
import { addInfluence, type Influence, type StoreInfluence } from "./influence.ts";
import { type CancelReason, type Operator, type OperatorKind, type OperatorStatus, priorities, type Step } from "./operator.ts";
import { limitingKind, operatorTimeMs } from "./operator-text.ts";
import { confVerChange, isStepDone, stepAction, stepObstacle } from "./step.ts";
import { limitCosts, type StoreLimits } from "./store-limits.ts";

/** How long an operator may stand before its region was looked at once. */
export const startWithinMs = 3000;
const fastPushMs = 2000;
const slowPushMs = 5000;
/** How long the last operator of a region is shown by `operator check` and `operator history` after it ended. */
const recordsKeptMs = 600_000;
const recordsMax = 10_000;

export interface RunningOperator {
  readonly operator: Operator;
  readonly createdMs: number;
  readonly startedMs: number;
  readonly finishedMs: number;
  /** Equal to the count of steps when all are done. */
  readonly currentStep: number;
  readonly status: OperatorStatus;
  readonly reason: CancelReason | null;
  /** When the current step became the current one. */
  readonly stepSinceMs: number;
}

interface Running {
  operator: Operator;
  createdMs: number;
  startedMs: number;
  finishedMs: number;
  currentStep: number;
  status: OperatorStatus;
  reason: CancelReason | null;
  stepSinceMs: number;
  pushAtMs: number;
}

export type AddResult = { readonly isAdded: true } | { readonly isAdded: false; readonly reason: CancelReason };

export interface OperatorController {
  /** All of them or none; several only as a pair of a merge. Admin operators need no store limits and no schedule limits. */
  add(operators: readonly Operator[], nowMs: number): AddResult;
  /** What the region's leader is asked for; null: nothing now. */
  onHeartbeat(region: RegionView, nowMs: number): RegionAction | null;
  /** Pushes what is due, ends what is over. */
  tick(nowMs: number): readonly { readonly region: RegionView; readonly action: RegionAction }[];
  /** Ends the region's operator, and its pair's. False when there is none. */
  cancel(regionId: RegionId, reason: CancelReason, nowMs: number): boolean;
  get(regionId: RegionId): RunningOperator | null;
  /** Running ones, by region. */
  list(): readonly RunningOperator[];
  /** The last one that ended on the region within ten minutes. */
  lastRecord(regionId: RegionId, nowMs: number): RunningOperator | null;
  /** The last one of each region that ended after `fromMs`, by region. */
  history(fromMs: number, nowMs: number): readonly RunningOperator[];
  count(kind: OperatorKind): number;
  influence(): Influence;
  /** Calls for each operator that ended: the region deserves another look. */
  onEnded(listener: (ended: RunningOperator) => void): void;
}

export interface ControllerOptions {
  readonly view: () => ClusterView;
  readonly limits: StoreLimits;
  readonly useJoint: () => boolean;
}

export function createOperatorController(options: ControllerOptions): OperatorController {
  const running = new Map<RegionId, Running>();
  const counts = new Map<OperatorKind, number>();
  const records = new Map<RegionId, RunningOperator>();
  const listeners: ((ended: RunningOperator) => void)[] = [];
  let influenceCache: Map<StoreId, StoreInfluence> | null = null;

  function shift(operator: Operator, by: number): void {
    const kind = limitingKind(operator);
    if (kind !== null) counts.set(kind, (counts.get(kind) ?? 0) + by);
    influenceCache = null;
  }

  function dropOldest(): void {
    for (const regionId of records.keys()) {
      records.delete(regionId);
      return;
    }
  }

  function end(entry: Running, status: OperatorStatus, reason: CancelReason | null, nowMs: number): void {
    if (running.get(entry.operator.regionId) !== entry) return;
    running.delete(entry.operator.regionId);
    shift(entry.operator, -1);
    entry.status = status;
    entry.reason = reason;
    entry.finishedMs = nowMs;
    records.delete(entry.operator.regionId); // so that the map's order is that of the ends
    records.set(entry.operator.regionId, entry);
    if (records.size > recordsMax) dropOldest();
    for (const listener of listeners) listener(entry);
    const related = entry.operator.relatedRegion;
    if (related !== null && status !== "success") {
      const other = running.get(related);
      if (other !== undefined) end(other, "canceled", "related merge region", nowMs);
    }
  }

  /** Ends what is over, moves on over steps that are done; null when it ended. */
  function look(entry: Running, region: RegionView | null, nowMs: number): Running | null {
    const { operator } = entry;
    if (region === null) {
      // A source that was merged is gone, which is what was wanted.
      const step = operator.steps[entry.currentStep];
      const isMerged = step?.kind === "mergeRegion" && !step.isPassive && entry.startedMs > 0 && coversBoth(step);
      end(entry, isMerged ? "success" : "canceled", isMerged ? null : "region not found", nowMs);
      return null;
    }
    if (entry.startedMs === 0) {
      if (nowMs - entry.createdMs > startWithinMs) {
        end(entry, "expired", "expired", nowMs);
        return null;
      }
      entry.startedMs = nowMs;
      entry.stepSinceMs = nowMs;
      entry.status = "started";
    }
    while (entry.currentStep < operator.steps.length && isStepDone(operator.steps[entry.currentStep] as Step, region)) {
      entry.currentStep += 1;
      entry.stepSinceMs = nowMs;
      entry.pushAtMs = nowMs;
      influenceCache = null;
    }
    if (entry.currentStep >= operator.steps.length) {
      end(entry, "success", null, nowMs);
      return null;
    }
    if (nowMs - entry.startedMs > operatorTimeMs(operator)) {
      end(entry, "timeout", "timeout", nowMs);
      return null;
    }
    const step = operator.steps[entry.currentStep] as Step;
    if (stepObstacle(step, region, options.view()) !== null) {
      end(entry, "canceled", "epoch not match", nowMs);
      return null;
    }
    const ours = operator.steps.slice(0, entry.currentStep + 1).reduce((sum, each) => sum + confVerChange(each, region), 0);
    if (region.meta.epoch.confVer - operator.epoch.confVer > ours) {
      end(entry, "canceled", "stale status", nowMs);
      return null;
    }
    return entry;
  }

  function coversBoth(step: Step & { readonly kind: "mergeRegion" }): boolean {
    const target = options.view().region(step.to.id);
    return target !== null && target.meta.epoch.version > step.to.epoch.version;
  }

  function actionOf(entry: Running, region: RegionView, nowMs: number): RegionAction | null {
    const step = entry.operator.steps[entry.currentStep] as Step;
    const isSlow = step.kind === "addLearner" || step.kind === "addPeer" || step.kind === "mergeRegion";
    entry.pushAtMs = nowMs + (isSlow ? slowPushMs : fastPushMs);
    return stepAction(step, region, options.useJoint());
  }

  function check(operator: Operator, all: readonly Operator[]): CancelReason | null {
    const region = options.view().region(operator.regionId);
    if (region === null) return "region not found";
    const { epoch } = region.meta;
    if (epoch.confVer !== operator.epoch.confVer || epoch.version !== operator.epoch.version) return "epoch not match";
    const before = running.get(operator.regionId);
    if (before !== undefined && priorities[before.operator.priority] >= priorities[operator.priority]) return "already exist";
    const related = operator.relatedRegion;
    if (related !== null && !all.some((each) => each.regionId === related)) return "related merge region";
    return null;
  }

  return {
    add: (operators, nowMs) => {
      for (const operator of operators) {
        const reason = check(operator, operators);
        if (reason !== null) return { isAdded: false, reason };
        if (operator.kinds.includes("admin")) continue;
        for (const { storeId, type, cost } of limitCosts(operator.steps, operator.approximateSize))
          if (!options.limits.isAvailable(storeId, type, cost, nowMs)) return { isAdded: false, reason: "exceed store limit" };
      }
      for (const operator of operators) {
        const before = running.get(operator.regionId);
        if (before !== undefined) end(before, "replaced", null, nowMs);
        const entry: Running = {
          operator,
          createdMs: nowMs,
          startedMs: 0,
          finishedMs: 0,
          currentStep: 0,
          status: "created",
          reason: null,
          stepSinceMs: nowMs,
          pushAtMs: nowMs,
        };
        running.set(operator.regionId, entry);
        shift(operator, 1);
        for (const { storeId, type, cost } of limitCosts(operator.steps, operator.approximateSize))
          options.limits.take(storeId, type, cost, nowMs);
      }
      return { isAdded: true };
    },
    onHeartbeat: (region, nowMs) => {
      const entry = running.get(region.meta.id);
      if (entry === undefined || look(entry, region, nowMs) === null) return null;
      return actionOf(entry, region, nowMs);
    },
    tick: (nowMs) => {
      const due: { region: RegionView; action: RegionAction }[] = [];
      influenceCache = null; // regions have grown and moved since
      for (const entry of running.values()) {
        if (nowMs < entry.pushAtMs) continue;
        const region = options.view().region(entry.operator.regionId);
        if (look(entry, region, nowMs) === null || region === null) continue;
        const action = actionOf(entry, region, nowMs);
        if (action !== null) due.push({ region, action });
      }
      for (const record of records.values()) {
        if (nowMs - record.finishedMs <= recordsKeptMs) break;
        records.delete(record.operator.regionId);
      }
      return due;
    },
    cancel: (regionId, reason, nowMs) => {
      const entry = running.get(regionId);
      if (entry === undefined) return false;
      end(entry, "canceled", reason, nowMs);
      return true;
    },
    get: (regionId) => running.get(regionId) ?? null,
    list: () => [...running.values()].sort((a, b) => a.operator.regionId - b.operator.regionId),
    lastRecord: (regionId, nowMs) => {
      const record = records.get(regionId);
      return record === undefined || nowMs - record.finishedMs > recordsKeptMs ? null : record;
    },
    history: (fromMs, nowMs) =>
      [...records.values()]
        .filter((record) => record.finishedMs > fromMs && nowMs - record.finishedMs <= recordsKeptMs)
        .sort((a, b) => a.operator.regionId - b.operator.regionId),
    count: (kind) => counts.get(kind) ?? 0,
    influence: () => {
      if (influenceCache !== null) return influenceCache;
      const sums = new Map<StoreId, StoreInfluence>();
      const view = options.view();
      for (const entry of running.values()) {
        const region = view.region(entry.operator.regionId);
        if (region !== null) addInfluence(sums, entry.operator, region, entry.currentStep);
      }
      influenceCache = sums;
      return sums;
    },
    onEnded: (listener) => void listeners.push(listener),
  };
}
