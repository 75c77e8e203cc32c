import { expect, test } from "vitest";
import type { SlowTrend, StoreView } from "../../../core/model.ts";
import { storeStats } from "../../../core/testing/views.ts";
import { nowMs, storeOf, viewOf } from "../../testing/plain-view.ts";
import type { ScheduleContext } from "../context.ts";
import { noTrend, slowStores, slowTrend, stoppingStores, type TrendState } from "./slow-stores.ts";

const none = new Set<number>();

function contextOf(stores: readonly StoreView[], at = nowMs): ScheduleContext {
  const schedule = { slowStoreEvictingAffectedStoreRatioThreshold: 0.3 };
  return { view: viewOf(stores, []), nowMs: at, schedule } as unknown as ScheduleContext;
}

const scored = (id: number, slowScore: number) => storeOf(id, { stats: storeStats({ slowScore }) });

test("a store is slow from a score of 80 on, when it is so alone, and well again at 1", () => {
  expect(slowStores(contextOf([scored(1, 1), scored(2, 79)]), none)).toEqual(none);
  expect(slowStores(contextOf([scored(1, 1), scored(2, 80)]), none)).toEqual(new Set([2]));
  expect(slowStores(contextOf([scored(1, 90), scored(2, 80)]), none)).toEqual(none);
  expect(slowStores(contextOf([scored(1, 1), scored(2, 2)]), new Set([2]))).toEqual(new Set([2]));
  expect(slowStores(contextOf([scored(1, 100), scored(2, 2)]), new Set([2]))).toEqual(new Set([2]));
  expect(slowStores(contextOf([scored(1, 1), scored(2, 1)]), new Set([2]))).toEqual(none);
  expect(slowStores(contextOf([scored(1, 1)]), new Set([2]))).toEqual(none);
});

test("every store that says that it stops is one, but for those that are removed anyway", () => {
  const stopping = { stats: storeStats({ isStopping: true }) };
  expect(stoppingStores(contextOf([storeOf(1, stopping), storeOf(2), storeOf(3, stopping)]))).toEqual(new Set([1, 3]));
  expect(stoppingStores(contextOf([storeOf(1, { ...stopping, meta: { state: "offline" } })]))).toEqual(none);
});

const calm: SlowTrend = { causeValue: 100, causeRate: 0, resultValue: 1000, resultRate: 0 };
const slow: SlowTrend = { causeValue: 900, causeRate: 5, resultValue: 300, resultRate: -5 };
const felt: SlowTrend = { causeValue: 120, causeRate: 0, resultValue: 700, resultRate: -2 };

function trending(trends: readonly (SlowTrend | null)[], lastHeartbeatMs = nowMs): readonly StoreView[] {
  return trends.map((trend, index) => storeOf(index + 1, { meta: { lastHeartbeatMs }, stats: storeStats({ slowTrend: trend }) }));
}

/** The first look, and the one after all stores have reported. */
function twoLooks(first: readonly (SlowTrend | null)[], second = first): readonly [TrendState, TrendState] {
  const seen = slowTrend(contextOf(trending(first)), noTrend, 600);
  return [seen, slowTrend(contextOf(trending(second, nowMs + 10_000), nowMs + 11_000), seen, 600)];
}

test("one whose latency grows while all do less is evicted after a round of heartbeats", () => {
  const [seen, decided] = twoLooks([slow, felt, calm, calm]);
  expect(seen).toEqual({ evicted: null, evictedMs: 0, candidate: { storeId: 1, sinceMs: nowMs } });
  expect(decided).toEqual({ evicted: 1, evictedMs: nowMs + 11_000, candidate: null });
  // Not all have reported since.
  const half = [...trending([slow], nowMs + 10_000), ...trending([calm, felt, calm, calm]).slice(1)];
  expect(slowTrend(contextOf(half, nowMs + 11_000), seen, 600)).toEqual(seen);
  // It was a moment's.
  expect(twoLooks([slow, felt, calm, calm], [calm, calm, calm, calm])[1]).toEqual(noTrend);
});

test.each([
  ["two are slow: it is the load", [slow, slow, calm, calm]],
  ["its own throughput stands", [{ ...slow, resultRate: 0 }, felt, calm, calm]],
  ["its latency falls", [{ ...slow, causeRate: -1 }, felt, calm, calm]],
  ["too few stores feel it", [slow, calm, calm, calm, calm, calm, calm]],
  ["others are as slow", [slow, { ...felt, causeValue: 900 }, { ...felt, causeValue: 950 }, calm]],
  ["nobody tells", [null, null, null]],
] as const)("not when %s", (_why, trends) => {
  expect(twoLooks(trends)[0]).toEqual(noTrend);
});

test("it takes leaders again when its time is over and it is as fast as half of the others", () => {
  const evicted: TrendState = { evicted: 1, evictedMs: nowMs, candidate: null };
  const well = { ...calm, causeValue: 105 };
  const at = (trends: readonly (SlowTrend | null)[], afterS: number) =>
    slowTrend(contextOf(trending(trends), nowMs + afterS * 1000), evicted, 600);
  expect(at([well, calm, calm, calm], 599)).toEqual(evicted);
  expect(at([well, calm, calm, calm], 600)).toEqual(noTrend);
  expect(at([slow, calm, calm, calm], 6000)).toEqual(evicted);
  expect(at([null, calm, calm, calm], 600)).toEqual(noTrend);
  const gone = trending([calm, calm, calm]).slice(1);
  expect(slowTrend(contextOf(gone), evicted, 600)).toEqual(noTrend);
});
