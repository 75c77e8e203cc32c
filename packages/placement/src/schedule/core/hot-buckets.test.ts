import { expect, test } from "vitest";
import { regionOf, storeOf, viewOf } from "../testing/plain-view.ts";
import type { ScheduleContext } from "./context.ts";
import { createHotBuckets, type HotBuckets } from "./hot-buckets.ts";
import { splitBucket } from "./schedulers/split-bucket.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (key: Uint8Array) => new TextDecoder().decode(key);

/** Bytes written in the period for each bucket between the keys; the last key "" is the end of all. */
function report(
  buckets: HotBuckets,
  regionId: number,
  version: number,
  keys: readonly string[],
  written: readonly number[],
  times = 1,
): void {
  const zeros = written.map(() => 0);
  for (let count = 0; count < times; count++)
    buckets.report({
      regionId,
      version,
      keys: keys.map(bytes),
      periodMs: 10_000,
      readBytes: zeros,
      readKeys: zeros,
      writtenBytes: written,
      writtenKeys: zeros,
    });
}

const degrees = (buckets: HotBuckets, regionId: number) => buckets.of(regionId)?.buckets.map((bucket) => bucket.degree);

test("degrees follow the reports, pass on to what overlaps, and older borders are stale", () => {
  const buckets = createHotBuckets();
  report(buckets, 1, 1, ["a", "c", "e", "g"], [0, 10_240, 10_239], 3);
  expect(degrees(buckets, 1)).toEqual([0, 3, 0]);
  expect(buckets.of(1)?.buckets[1]?.writtenBytes).toBe(1024);
  report(buckets, 1, 2, ["a", "d", "g"], [50_000, 50_000]);
  expect(degrees(buckets, 1)).toEqual([4, 4]);
  report(buckets, 1, 1, ["a", "c", "e", "g"], [0, 0, 0]);
  expect(degrees(buckets, 1)).toEqual([4, 4]);
  report(buckets, 1, 2, ["a", "d", "g"], [0, 50_000], 2);
  expect(degrees(buckets, 1)).toEqual([2, 6]);
  expect(buckets.hot(3)).toMatchObject([{ regionId: 1, buckets: [{ degree: 6 }] }]);
  report(buckets, 1, 2, ["a", "d", "g"], [50_000, 50_000], 40);
  expect(degrees(buckets, 1)).toEqual([20, 20]);
  buckets.forget(1);
  expect(buckets.of(1)).toBeNull();
  expect(buckets.hot(0)).toEqual([]);
});

test("borders out of order are no report", () => {
  const buckets = createHotBuckets();
  report(buckets, 1, 1, ["b", "a"], [0]);
  report(buckets, 1, 1, ["b"], []);
  expect(buckets.of(1)).toBeNull();
});

function contextOf(running = 0): ScheduleContext {
  const regions = [
    regionOf(1, ["1*", "2", "3"], { startKey: bytes("a"), endKey: bytes("g") }),
    regionOf(2, ["1*", "2", "3"], { startKey: bytes("g"), endKey: bytes("") }),
  ];
  return {
    view: viewOf([storeOf(1), storeOf(2), storeOf(3)], regions),
    operators: { get: () => null, count: () => running },
    policy: { isDenied: () => false },
  } as unknown as ScheduleContext;
}

const config = { degree: 3, "split-limit": 2 };

function splitOf(buckets: HotBuckets, context = contextOf()) {
  const [first] = splitBucket(context, buckets, config).operators;
  const step = first?.[0]?.steps[0];
  return step?.kind === "splitRegion" ? { region: first?.[0]?.regionId, keys: step.keys.map(text) } : null;
}

test("split-bucket cuts the hottest bucket out of its region", () => {
  const buckets = createHotBuckets();
  report(buckets, 1, 1, ["a", "c", "e", "g"], [0, 50_000, 0], 2);
  expect(splitOf(buckets)).toBeNull();
  report(buckets, 1, 1, ["a", "c", "e", "g"], [0, 50_000, 0]);
  expect(splitOf(buckets)).toEqual({ region: 1, keys: ["c", "e"] });
  report(buckets, 2, 1, ["g", "k", ""], [0, 50_000], 5);
  expect(splitOf(buckets)).toEqual({ region: 2, keys: ["k"] });
  expect(splitOf(buckets, contextOf(2))).toBeNull();
});

test("a bucket at the region's border needs one key, one that is all of it none, one of another region's keys is left", () => {
  const buckets = createHotBuckets();
  report(buckets, 1, 1, ["a", "c", "g"], [50_000, 0], 3);
  expect(splitOf(buckets)).toEqual({ region: 1, keys: ["c"] });
  report(buckets, 1, 2, ["a", "g"], [50_000], 3);
  expect(splitOf(buckets)).toBeNull();
  report(buckets, 1, 3, ["x", "y"], [50_000], 5);
  expect(splitOf(buckets)).toBeNull();
});
