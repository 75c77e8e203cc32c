/**
 * The schedulers that run: which there are, what each is set to, when it is its turn, and whether it pauses.
 *
 * A scheduler that found work runs again at once; one that found none waits a third longer each time, up to its longest interval.
 */

import { hexOfKey, keyOfHex } from "../../../core/keys.ts";
import type { StoreId } from "../../../core/model.ts";
import type { SchedulerEntry } from "../../../server/config/core/items.ts";
import type { ScheduleContext } from "../context.ts";
import type { HotBuckets } from "../hot-buckets.ts";
import type { HotCache } from "../hot-cache.ts";
import type { Operator } from "../operator.ts";
import { balanceLeader } from "./balance-leader.ts";
import { balanceRegion } from "./balance-region.ts";
import { grantHotRegion, shuffleHotRegion } from "./hot-moves.ts";
import { type Dimension, type HotRegionConfig, hotRegion, hotRegionDefaults } from "./hot-region.ts";
import { evictLeaders, grantLeaders, type KeyRange, labelLeaders, shuffleLeader } from "./leaders.ts";
import { rangeView } from "./range-view.ts";
import { idle, type ScheduleResult } from "./scheduler.ts";
import { randomMerge, type ShuffleRole, shuffleRegion } from "./shuffle.ts";
import { noTrend, slowStores, slowTrend, stoppingStores, type TrendState } from "./slow-stores.ts";
import { type SplitBucketConfig, splitBucket } from "./split-bucket.ts";

export const schedulerTypes = [
  "balance-leader",
  "balance-region",
  "hot-region",
  "evict-leader",
  "grant-leader",
  "evict-slow-store",
  "evict-slow-trend",
  "evict-stopping-store",
  "grant-hot-region",
  "label",
  "random-merge",
  "scatter-range",
  "shuffle-hot-region",
  "shuffle-leader",
  "shuffle-region",
  "split-bucket",
] as const;
export type SchedulerType = (typeof schedulerTypes)[number];

/** What is kept in the metadata under `scheduler_config/<name>`, and shown by `scheduler config <name>`. */
export type SchedulerConfig = Readonly<Record<string, unknown>>;

export interface Scheduler {
  readonly name: string;
  readonly type: SchedulerType;
  config: SchedulerConfig;
  /** Wall times; 0: it does not pause. */
  pausedAtMs: number;
  resumeAtMs: number;
  intervalMs: number;
  nextRunMs: number;
  summary: string;
  lastRunMs: number;
  /** Stores that the scheduler itself found and keeps free of leaders, of types that do so. */
  evicted: ReadonlySet<StoreId>;
  trend: TrendState;
}

const shortestMs = 100;
const longestMs = 5000;

export function schedulerName(type: SchedulerType, range = ""): string {
  if (type === "hot-region") return "balance-hot-region-scheduler";
  if (type === "scatter-range") return `scatter-range-${range}`;
  return `${type}-scheduler`;
}

/** Of the name that a request gives; null when no such scheduler is known. */
export function schedulerTypeOf(name: string): SchedulerType | null {
  if (name === "scatter-range" || name.startsWith("scatter-range-")) return "scatter-range";
  return schedulerTypes.find((type) => schedulerName(type) === name) ?? null;
}

const wholeRange = { "start-key": "", "end-key": "" };

export function defaultConfig(type: SchedulerType): SchedulerConfig {
  switch (type) {
    case "balance-leader":
      return { ranges: [wholeRange], batch: 4 };
    case "balance-region":
      return { ranges: [wholeRange] };
    case "hot-region":
      return { ...hotRegionDefaults };
    case "evict-leader":
    case "grant-leader":
      return { "store-id-ranges": {} };
    case "evict-slow-store":
    case "evict-stopping-store":
      return { "evict-stores": [] };
    case "evict-slow-trend":
      return { "recovery-duration": 600, "evict-by-trend-stores": [] };
    case "grant-hot-region":
      return { "store-id": [], "store-leader-id": 0 };
    case "shuffle-hot-region":
      return { limit: 1 };
    case "split-bucket":
      return { degree: 3, "split-limit": 10 };
    case "scatter-range":
      return { "range-name": "", "start-key": "", "end-key": "" };
    case "shuffle-region":
      return { roles: ["leader", "follower", "learner"] };
    case "label":
    case "random-merge":
    case "shuffle-leader":
      return { ranges: [wholeRange] };
  }
}

export function createScheduler(
  entry: Pick<SchedulerEntry, "type" | "args">,
  config: SchedulerConfig | null,
  nowMs: number,
): Scheduler | null {
  const type = schedulerTypes.find((each) => each === entry.type);
  if (type === undefined) return null;
  const made = config ?? defaultConfig(type);
  const name = schedulerName(type, textOf(made["range-name"]));
  const evicted = evictedIn(type, made);
  const [trending] = evicted;
  return {
    name,
    type,
    config: type === "hot-region" ? { ...hotRegionDefaults, ...made } : made,
    pausedAtMs: 0,
    resumeAtMs: 0,
    intervalMs: shortestMs,
    nextRunMs: nowMs,
    summary: "",
    lastRunMs: 0,
    evicted,
    // Since when is not kept: the wait for its recovery begins anew with a new leader.
    trend: type === "evict-slow-trend" && trending !== undefined ? { evicted: trending, evictedMs: nowMs, candidate: null } : noTrend,
  };
}

/** Under which item of their configuration the schedulers that find stores themselves keep those. */
const evictedItem: Readonly<Partial<Record<SchedulerType, string>>> = {
  "evict-slow-store": "evict-stores",
  "evict-slow-trend": "evict-by-trend-stores",
  "evict-stopping-store": "evict-stores",
};

function evictedIn(type: SchedulerType, config: SchedulerConfig): ReadonlySet<StoreId> {
  const item = evictedItem[type];
  return new Set(item === undefined ? [] : ((config[item] as readonly StoreId[] | undefined) ?? []));
}

/** The configuration with the stores that are evicted now; null: it says so already. */
export function evictedConfig(scheduler: Pick<Scheduler, "type" | "config" | "evicted">): SchedulerConfig | null {
  const item = evictedItem[scheduler.type];
  if (item === undefined) return null;
  const kept = evictedIn(scheduler.type, scheduler.config);
  if (kept.size === scheduler.evicted.size && [...kept].every((id) => scheduler.evicted.has(id))) return null;
  return { ...scheduler.config, [item]: [...scheduler.evicted].sort((a, b) => a - b) };
}

/** Stores that evict-leader and grant-leader work on. */
export function storesOf(scheduler: Pick<Scheduler, "config">): ReadonlyMap<StoreId, readonly KeyRange[]> {
  const ranges = (scheduler.config["store-id-ranges"] ?? {}) as Readonly<Record<string, readonly Readonly<Record<string, string>>[]>>;
  return new Map(
    Object.entries(ranges).map(([id, list]) => [
      Number(id),
      list.map((range) => ({
        startKey: keyOfHex(range["start-key"] ?? "") ?? new Uint8Array(),
        endKey: keyOfHex(range["end-key"] ?? "") ?? new Uint8Array(),
      })),
    ]),
  );
}

export function withStore(config: SchedulerConfig, storeId: StoreId): SchedulerConfig {
  return { ...config, "store-id-ranges": { ...(config["store-id-ranges"] as object), [storeId]: [wholeRange] } };
}

export function withoutStore(config: SchedulerConfig, storeId: StoreId): SchedulerConfig {
  const ranges = { ...(config["store-id-ranges"] as Record<string, unknown>) };
  delete ranges[String(storeId)];
  return { ...config, "store-id-ranges": ranges };
}

export function scatterRangeConfig(name: string, startKey: Uint8Array, endKey: Uint8Array): SchedulerConfig {
  return { "range-name": name, "start-key": hexOfKey(startKey), "end-key": hexOfKey(endKey) };
}

export function isPaused(scheduler: Scheduler, nowMs: number): boolean {
  return nowMs < scheduler.resumeAtMs;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

type LimitedKind = "leader" | "region" | "merge" | "hot-region";

const limitOf: Readonly<Partial<Record<SchedulerType, LimitedKind>>> = {
  "balance-leader": "leader",
  "evict-leader": "leader",
  "grant-leader": "leader",
  label: "leader",
  "shuffle-leader": "leader",
  "evict-slow-store": "leader",
  "evict-slow-trend": "leader",
  "evict-stopping-store": "leader",
  "grant-hot-region": "hot-region",
  "balance-region": "region",
  "shuffle-region": "region",
  "random-merge": "merge",
  "hot-region": "hot-region",
};

/** One turn. What it decides is for the controller to take or refuse; `noteTurn` is told how it went. */
export function runScheduler(scheduler: Scheduler, context: ScheduleContext, hot: HotCache, buckets: HotBuckets): ScheduleResult {
  if (context.schedule.haltScheduling) return idle("scheduling is halted");
  // Whether a store is to be evicted is found out even when no more leads may move now.
  if (evictedItem[scheduler.type] !== undefined) scheduler.evicted = storesToEvict(scheduler, context);
  const kind = limitOf[scheduler.type];
  if (kind !== undefined && context.operators.count(kind) >= limitFor(context, kind)) return idle(`${kind}-schedule-limit is reached`);
  switch (scheduler.type) {
    case "balance-leader":
      return balanceLeader(context, { batch: Number(scheduler.config["batch"] ?? 4) });
    case "balance-region":
      return balanceRegion(context);
    case "hot-region":
      return hotRegion(context, hot, scheduler.config as unknown as HotRegionConfig);
    case "evict-leader":
      return evictLeaders(context, "evict-leader", storesOf(scheduler));
    case "grant-leader":
      return grantLeaders(context, "grant-leader", storesOf(scheduler));
    case "label":
      return labelLeaders(context);
    case "shuffle-leader":
      return shuffleLeader(context);
    case "shuffle-region":
      return shuffleRegion(context, (scheduler.config["roles"] ?? []) as readonly ShuffleRole[]);
    case "random-merge":
      return randomMerge(context);
    case "evict-slow-store":
    case "evict-slow-trend":
    case "evict-stopping-store":
      if (scheduler.evicted.size === 0)
        return idle(scheduler.type === "evict-stopping-store" ? "no store stops" : "no store alone is slow");
      return evictLeaders(context, scheduler.type, new Map([...scheduler.evicted].map((id) => [id, [allKeys]])));
    case "grant-hot-region":
      return grantHotRegion(context, hot, {
        leader: Number(scheduler.config["store-leader-id"]),
        peers: (scheduler.config["store-id"] ?? []) as readonly StoreId[],
      });
    case "shuffle-hot-region":
      if (context.operators.count("hot-region") >= Number(scheduler.config["limit"] ?? 1)) return idle("its limit is reached");
      return shuffleHotRegion(context, hot);
    case "split-bucket":
      return splitBucket(context, buckets, scheduler.config as unknown as SplitBucketConfig);
    case "scatter-range": {
      const start = keyOfHex(textOf(scheduler.config["start-key"])) ?? new Uint8Array();
      const end = keyOfHex(textOf(scheduler.config["end-key"])) ?? new Uint8Array();
      const within = { ...context, view: rangeView(context.view, start, end) };
      const leaders = balanceLeader(within, { batch: 1, description: `${scheduler.name}-leader` });
      return leaders.operators.length > 0 ? leaders : balanceRegion(within, `${scheduler.name}-region`);
    }
  }
}

const allKeys: KeyRange = { startKey: new Uint8Array(), endKey: new Uint8Array() };

function storesToEvict(scheduler: Scheduler, context: ScheduleContext): ReadonlySet<StoreId> {
  if (scheduler.type === "evict-stopping-store") return stoppingStores(context);
  if (scheduler.type === "evict-slow-store") return slowStores(context, scheduler.evicted);
  scheduler.trend = slowTrend(context, scheduler.trend, Number(scheduler.config["recovery-duration"] ?? 600));
  return new Set(scheduler.trend.evicted === null ? [] : [scheduler.trend.evicted]);
}

function limitFor(context: ScheduleContext, kind: LimitedKind): number {
  const { schedule } = context;
  switch (kind) {
    case "leader":
      return schedule.leaderScheduleLimit;
    case "region":
      return schedule.regionScheduleLimit;
    case "merge":
      return schedule.mergeScheduleLimit;
    case "hot-region":
      return schedule.hotRegionScheduleLimit;
  }
}

export function noteTurn(scheduler: Scheduler, result: ScheduleResult, addedCount: number, nowMs: number): void {
  scheduler.summary = result.summary;
  scheduler.lastRunMs = nowMs;
  scheduler.intervalMs = addedCount > 0 ? shortestMs : Math.min(longestMs, scheduler.intervalMs * 1.3);
  scheduler.nextRunMs = nowMs + scheduler.intervalMs;
}

export type ConfigChange =
  | { readonly config: SchedulerConfig; readonly message: string }
  | { readonly refusal: string; readonly status: number };

/** `scheduler config <name> set <key> <value>`, as the request's JSON. */
export function changeConfig(scheduler: Scheduler, change: Readonly<Record<string, unknown>>): ConfigChange {
  const [key] = Object.keys(change);
  if (key === undefined) return { refusal: "Config item is not found.", status: 400 };
  const value = change[key];
  if (scheduler.type === "balance-leader") {
    if (key !== "batch") return { refusal: "Config item is not found.", status: 400 };
    const batch = Number(value);
    if (!Number.isInteger(batch) || batch < 1 || batch > 10)
      return { refusal: "invalid batch size which should be an integer between 1 and 10", status: 400 };
    if (batch === scheduler.config["batch"]) return { config: scheduler.config, message: "Config is the same with origin, so do nothing." };
    return { config: { ...scheduler.config, batch }, message: "Config is updated." };
  }
  if (scheduler.type === "hot-region") {
    const before = (hotRegionDefaults as unknown as Record<string, unknown>)[key];
    if (before === undefined) return { refusal: "Config item is not found.", status: 400 };
    const next = hotValue(key, before, value);
    if (next === null) return { refusal: `invalid value ${JSON.stringify(value)} for ${key}`, status: 400 };
    return { config: { ...scheduler.config, [key]: next }, message: "Config is updated." };
  }
  const least = numberItems[scheduler.type]?.[key];
  if (least !== undefined) {
    const number = typeof value === "number" ? value : Number(value);
    if (!Number.isSafeInteger(number) || number < least)
      return { refusal: `invalid value ${JSON.stringify(value)} for ${key}: a whole number from ${least} on is needed`, status: 400 };
    return { config: { ...scheduler.config, [key]: number }, message: "Config is updated." };
  }
  return { refusal: "Config item is not found.", status: 400 };
}

/** Items that are whole numbers, with the least that they take. */
const numberItems: Readonly<Partial<Record<SchedulerType, Readonly<Record<string, number>>>>> = {
  "evict-slow-trend": { "recovery-duration": 0 },
  "shuffle-hot-region": { limit: 1 },
  "split-bucket": { degree: 1, "split-limit": 0 },
};

function hotValue(key: string, before: unknown, value: unknown): unknown {
  if (typeof before === "number") {
    const number = typeof value === "number" ? value : Number(value);
    return Number.isFinite(number) && number >= 0 ? number : null;
  }
  if (Array.isArray(before)) {
    const list = Array.isArray(value) ? value.map(String) : String(value).split(",");
    const known: readonly Dimension[] = ["byte", "key", "query"];
    const isGood = list.length === 2 && list[0] !== list[1] && list.every((each) => known.includes(each as Dimension));
    return isGood ? list : null;
  }
  const text = String(value);
  if (key === "rank-formula-version") return text === "v1" || text === "v2" ? text : null;
  return text === "true" || text === "false" ? text : null;
}

/** The operators of a result one by one, for those who do not care for pairs. */
export function flat(result: ScheduleResult): readonly Operator[] {
  return result.operators.flat();
}
