import { describe, expect, test } from "vitest";
import { storeStats } from "../../core/testing/views.ts";
import { nowMs, storeOf } from "../testing/plain-view.ts";
import { compareLocation, isLowSpace, isolationScore, leaderScore, regionScore, shownState } from "./store-facts.ts";
import { createStoreLimits, limitCosts } from "./store-limits.ts";

const gib = 1024 ** 3;
const score = { version: "v2", highSpaceRatio: 0.7, lowSpaceRatio: 0.8 };
const disk = (capacity: number, available: number) =>
  storeStats({ capacity: capacity * gib, available: available * gib, usedSize: (capacity - available) * gib });
const labelled = (id: number, ...values: string[]) =>
  storeOf(id, { meta: { labels: values.map((value, index) => ({ key: ["zone", "rack", "host"][index] as string, value })) } });

describe("scores", () => {
  test("of regions: the figure that the original showed for 80 MiB on a disk of 100 GiB with 90 free", () => {
    expect(regionScore(storeOf(1, { regionSize: 80, stats: disk(100, 90) }), score)).toBe(389.49033021918467);
  });
  test("grow as the disk fills, and beyond all others below its floor", () => {
    const at = (available: number) => regionScore(storeOf(1, { regionSize: 1000, stats: disk(1000, available) }), score);
    expect(at(1000)).toBe(1000);
    for (let free = 990; free > 10; free -= 10) expect(at(free - 10)).toBeGreaterThan(at(free));
    expect(at(100)).toBeGreaterThan(1e9);
  });
  test("are divided by the weight", () => {
    expect(leaderScore(storeOf(1, { leaderCount: 6, leaderWeight: 2 }), "count")).toBe(3);
    expect(leaderScore(storeOf(1, { leaderSize: 60, leaderWeight: 2 }), "size")).toBe(30);
  });
});

test("low space is no matter for a new cluster with 8 GiB free", () => {
  expect(isLowSpace(storeOf(1, { stats: disk(100, 10), regionCount: 99 }), 0.8)).toBe(false);
  expect(isLowSpace(storeOf(1, { stats: disk(100, 10), regionCount: 100 }), 0.8)).toBe(true);
  expect(isLowSpace(storeOf(1, { stats: disk(0, 0) }), 0.8)).toBe(false);
});

test.each([
  [0, "Up"],
  [20_000, "Up"],
  [20_001, "Disconnected"],
  [1_800_001, "Down"],
])("silent for %i ms it is %s", (silent, state) => {
  expect(shownState(storeOf(1, { meta: { lastHeartbeatMs: nowMs - silent } }), nowMs, 1_800_000)).toBe(state);
});

test("places are compared label by label; what one lacks is equal", () => {
  const names = ["zone", "rack", "host"];
  expect(compareLocation(labelled(1, "z1", "r1", "h1"), labelled(2, "Z1", "r2", "h1"), names)).toBe(1);
  expect(compareLocation(labelled(1, "z1", "r1"), labelled(2, "z1", "r1", "h1"), names)).toBe(-1);
  expect(
    isolationScore(labelled(1, "z1", "r1", "h1"), [labelled(2, "z2"), labelled(3, "z1", "r2"), labelled(4, "z1", "r1", "h2")], names),
  ).toBe(10_101);
});

describe("limits of stores", () => {
  test("a bucket holds one peer, or a second's worth, and fills with time", () => {
    const limits = createStoreLimits(() => 15);
    expect(limits.isAvailable(1, "add-peer", 1000, 0)).toBe(true);
    limits.take(1, "add-peer", 1000, 0);
    expect(limits.isAvailable(1, "add-peer", 1000, 3900)).toBe(false);
    expect(limits.isAvailable(1, "add-peer", 200, 800)).toBe(true);
    expect(limits.isAvailable(1, "add-peer", 1000, 4000)).toBe(true);
    expect(limits.isAvailable(1, "remove-peer", 1000, 0)).toBe(true);
    expect(limits.isAvailable(2, "add-peer", 1000, 0)).toBe(true);
  });
  test("a new rate starts a new bucket; from 1e8 on there is none", () => {
    let rate = 1;
    const limits = createStoreLimits(() => rate);
    limits.take(1, "add-peer", 1000, 0);
    expect(limits.isAvailable(1, "add-peer", 1000, 0)).toBe(false);
    rate = 6000;
    expect(limits.isAvailable(1, "add-peer", 100_000, 0)).toBe(true);
    rate = 100_000_000;
    for (let i = 0; i < 1000; i++) limits.take(1, "add-peer", 1000, 0);
    expect(limits.isAvailable(1, "add-peer", 1000, 0)).toBe(true);
  });
  test("small regions cost a fifth; leaving a store that is down costs nothing", () => {
    const steps = [
      { kind: "addLearner", storeId: 4, peerId: 1 },
      { kind: "removePeer", storeId: 3, peerId: 2, isDownStore: false },
      { kind: "removePeer", storeId: 5, peerId: 3, isDownStore: true },
    ] as const;
    expect(limitCosts(steps, 20)).toEqual([
      { storeId: 4, type: "add-peer", cost: 200 },
      { storeId: 3, type: "remove-peer", cost: 200 },
    ]);
    expect(limitCosts(steps, 21)[0]?.cost).toBe(1000);
  });
});
