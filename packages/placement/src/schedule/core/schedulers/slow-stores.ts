/**
 * Stores whose leaders are better elsewhere for a while: one that is slow by its own score, one that grew slow and took others with it,
 * one that says it is about to stop. Each rule answers with the stores to keep free of leaders; the scheduler evicts from those.
 */
import type { SlowTrend, StoreId, StoreView } from "../../../core/model.ts";
import type { ScheduleContext } from "../context.ts";

/** Slow scores go from 1 (well) to 100. */
export const slowFrom = 80;
export const wellAgainAt = 1;

const none: ReadonlySet<StoreId> = new Set();

/** One that is slow alone; with two, it is the load and not the store. */
export function slowStores(context: ScheduleContext, evicted: ReadonlySet<StoreId>): ReadonlySet<StoreId> {
  const [before] = evicted;
  if (before !== undefined) {
    const store = context.view.store(before);
    return store === null || store.meta.state !== "up" || (store.stats?.slowScore ?? 1) <= wellAgainAt ? none : evicted;
  }
  const slow = context.view.stores().filter((store) => store.meta.state === "up" && (store.stats?.slowScore ?? 1) >= slowFrom);
  const [only] = slow;
  return slow.length === 1 && only !== undefined ? new Set([only.meta.id]) : none;
}

/** All that say so. One that comes back says it no more, or has a later start. */
export function stoppingStores(context: ScheduleContext): ReadonlySet<StoreId> {
  const stopping = context.view.stores().filter((store) => store.meta.state === "up" && store.stats?.isStopping === true);
  return stopping.length === 0 ? none : new Set(stopping.map((store) => store.meta.id));
}

export interface TrendState {
  readonly evicted: StoreId | null;
  /** Since when, wall time; 0: never. */
  readonly evictedMs: number;
  /** Looks slow, and is looked at again when every store has reported since. */
  readonly candidate: { readonly storeId: StoreId; readonly sinceMs: number } | null;
}

export const noTrend: TrendState = { evicted: null, evictedMs: 0, candidate: null };

/** Rates that small are no trend. */
const epsilon = 1e-9;
/** A store may be so much slower than most and still count as well. */
const wellRatio = 1.1;

/**
 * A store is evicted when its latency grows (cause) while its throughput falls (result), no other store is like that, enough stores feel
 * it (`slow-store-evicting-affected-store-ratio-threshold`), and two thirds of the stores are faster, still so after a round of
 * heartbeats. It takes leaders again after `recoveryS` at the earliest, once it is about as fast as half of them.
 */
export function slowTrend(context: ScheduleContext, before: TrendState, recoveryS: number): TrendState {
  const stores = context.view.stores().filter((store) => store.meta.state === "up");
  if (before.evicted !== null) {
    const store = stores.find((each) => each.meta.id === before.evicted);
    if (store === undefined) return noTrend;
    const isDue = context.nowMs - before.evictedMs >= recoveryS * 1000;
    return isDue && isWellAgain(store, stores) ? noTrend : before;
  }
  const { candidate } = before;
  if (candidate !== null) {
    const store = stores.find((each) => each.meta.id === candidate.storeId);
    if (store === undefined || !isSlowerThanOthers(store, stores)) return noTrend;
    if (stores.some((each) => each.meta.lastHeartbeatMs <= candidate.sinceMs)) return before;
    return { evicted: candidate.storeId, evictedMs: context.nowMs, candidate: null };
  }
  const affected = stores.filter((store) => trendOf(store) !== null && (trendOf(store) as SlowTrend).resultRate < -epsilon);
  const slow = affected.filter((store) => (trendOf(store) as SlowTrend).causeRate > epsilon);
  const [only] = slow;
  if (slow.length !== 1 || only === undefined) return noTrend;
  if (affected.length < Math.floor(stores.length * context.schedule.slowStoreEvictingAffectedStoreRatioThreshold)) return noTrend;
  if (!isSlowerThanOthers(only, stores)) return noTrend;
  return { ...noTrend, candidate: { storeId: only.meta.id, sinceMs: context.nowMs } };
}

function trendOf(store: StoreView): SlowTrend | null {
  return store.stats?.slowTrend ?? null;
}

function isSlowerThanOthers(store: StoreView, stores: readonly StoreView[]): boolean {
  const own = trendOf(store);
  if (own === null) return false;
  const faster = stores.filter((other) => other !== store && own.causeValue - (trendOf(other)?.causeValue ?? Infinity) > epsilon);
  return faster.length > 0 && faster.length >= Math.floor((stores.length * 2 + 1) / 3);
}

/** A store that says nothing of its trend (older, or just started anew) is not held for ever. */
function isWellAgain(store: StoreView, stores: readonly StoreView[]): boolean {
  const own = trendOf(store);
  if (own === null) return true;
  const asSlow = stores.filter((other) => other !== store && (trendOf(other)?.causeValue ?? 0) * wellRatio > own.causeValue);
  return asSlow.length >= Math.floor((stores.length + 1) / 2) || stores.length === 1;
}
