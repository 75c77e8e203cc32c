import { expect, test } from "vitest";
import { nowMs, regionOf } from "../testing/plain-view.ts";
import { createHotCache } from "./hot-cache.ts";

const limits = { zombieRoundsMax: 3, peersMax: 1000 };
const writing = (id: number, bytes: number, words: readonly string[] = ["1*", "2", "3"]) => ({
  ...regionOf(id, words),
  bytesWritten: bytes * 60,
});

test("a peer is hot after so many reports running, and forgotten after so many below", () => {
  const cache = createHotCache(() => limits);
  for (let round = 1; round <= 3; round++) {
    expect(cache.isHot(1, 3)).toBe(false);
    cache.onRegion(writing(1, 10_000), nowMs + round * 60_000);
  }
  expect(cache.isHot(1, 3)).toBe(true);
  expect(cache.peers("write", 2)).toMatchObject([{ regionId: 1, isLeader: false, degree: 3, load: [10_000, 0, 0] }]);
  for (let round = 4; round <= 20; round++) cache.onRegion(writing(1, 0), nowMs + round * 60_000);
  expect(cache.isHot(1, 1)).toBe(false);
  expect(cache.peers("write", 1)).toEqual([]);
});

test("below the least rate nothing is kept; a peer that left its store is dropped", () => {
  const cache = createHotCache(() => limits);
  cache.onRegion(writing(1, 1000), nowMs);
  expect(cache.peers("write", 1)).toEqual([]);
  cache.onRegion(writing(2, 5000), nowMs);
  cache.onRegion(writing(2, 5000, ["1*", "2", "4"]), nowMs);
  expect(cache.peers("write", 3)).toEqual([]);
  expect(cache.peers("write", 4)).toHaveLength(1);
  cache.forget(2);
  expect(cache.isHot(2, 1)).toBe(false);
});

test("with many hot peers only the larger are added", () => {
  const cache = createHotCache(() => limits);
  for (let id = 1; id <= 60; id++) cache.onRegion(writing(id, 100_000 + id), nowMs);
  cache.onRegion(writing(100, 50_000), nowMs);
  expect(cache.peers("write", 1)).toHaveLength(60);
  cache.onRegion(writing(101, 90_000), nowMs);
  expect(cache.peers("write", 1)).toHaveLength(61);
});

test("reads come from stores; what a store no longer names cools down", () => {
  const cache = createHotCache(() => limits);
  const region = regionOf(7, ["1*", "2", "3"]);
  const read = (load: number) => cache.onStoreReads(1, load === 0 ? [] : [{ regionId: 7, load: [load, 0, 0] }], 10, () => region, nowMs);
  for (let round = 0; round < 3; round++) read(1_000_000);
  expect(cache.peers("read", 1)).toMatchObject([{ regionId: 7, isLeader: true, degree: 3, load: [100_000, 0, 0] }]);
  for (let round = 0; round < 12; round++) read(0);
  expect(cache.peers("read", 1)).toEqual([]);
  cache.onStore(1, "read", [10, 0, 0]);
  cache.onStore(1, "read", [30, 0, 0]);
  expect(cache.storeLoad(1, "read")[0]).toBe(20);
});

test("queries alone make a region hot, as heartbeats tell them", () => {
  const cache = createHotCache(() => limits);
  for (let round = 1; round <= 3; round++) cache.onRegion({ ...regionOf(1, ["1*", "2", "3"]), queriesWritten: 32 * 60 }, nowMs + round);
  expect(cache.isHot(1, 3)).toBe(true);
  expect(cache.peers("write", 1)).toMatchObject([{ load: [0, 0, 32] }]);
});
