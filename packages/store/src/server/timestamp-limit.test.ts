import { Simulation } from "@skein/sim";
import { expect, test } from "vitest";
import { ConcurrencyManager } from "../txn/concurrency.ts";
import { keepTimestampLimit, timestampDriftMs } from "./timestamp-limit.ts";

const at = (ms: number) => BigInt(ms) << 18n;

test("timestamps are taken after the placement driver was set forward, and while it is away", async () => {
  const simulation = new Simulation({ seed: 1 });
  const world = simulation.world("store");
  const concurrency = new ConcurrencyManager();
  const ending = new AbortController();
  let nowMs = 1_000_000;
  let isAway = true;
  const timestamp = async () => {
    if (isAway) throw new Error("the placement driver is not reachable");
    return at(nowMs);
  };
  const end = keepTimestampLimit(world, timestamp, concurrency, ending.signal).catch(() => {});
  await simulation.pass(1_000);
  expect(concurrency.observe(at(1))).toBe(true); // nothing is known yet
  isAway = false;
  await simulation.pass(1_000);
  expect(concurrency.observe(at(nowMs + timestampDriftMs + 60_000))).toBe(false);
  nowMs += 24 * timestampDriftMs;
  expect(concurrency.observe(at(nowMs))).toBe(false);
  await simulation.pass(20_000);
  expect(concurrency.observe(at(nowMs))).toBe(true);
  isAway = true;
  await simulation.pass(120_000);
  expect(concurrency.observe(at(nowMs + timestampDriftMs + 60_000))).toBe(true);
  ending.abort();
  await simulation.pass(10);
  await end;
});
