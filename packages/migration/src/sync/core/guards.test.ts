import type { Position } from "@skein/mysql";
import { describe, expect, test } from "vitest";
import { LagMeter } from "./lag.ts";
import { Operators, operatorPosition } from "./operators.ts";
import { horizonStepBytes, PositionGuard } from "./position-guard.ts";

const at = (offset: number, file = "bin.000001"): Position => ({ file, offset, gtidSet: null });

describe("S7: the horizon", () => {
  test("nothing may be applied before a checkpoint says how far", () => {
    const guard = new PositionGuard({ always: false, safeUntil: null, safeUntilSeconds: null });
    expect(guard.mayApply(at(10))).toBe(false);
    guard.recorded(guard.nextHorizon(at(10)));
    expect(guard.mayApply(at(10 + horizonStepBytes))).toBe(true);
    expect(guard.mayApply(at(11 + horizonStepBytes))).toBe(false);
    expect(guard.mayApply(at(4, "bin.000002"))).toBe(false);
  });

  test("safe mode lasts until the horizon is passed, or another file begins", () => {
    const guard = new PositionGuard({ always: false, safeUntil: at(100), safeUntilSeconds: null });
    guard.observe(at(99), 0);
    expect(guard.isSafe).toBe(true);
    expect(guard.pendingSafeUntil).toEqual(at(100));
    guard.observe(at(100), 0);
    expect(guard.isSafe).toBe(false);
    const other = new PositionGuard({ always: false, safeUntil: at(100), safeUntilSeconds: null });
    other.observe(at(4, "bin.000002"), 0);
    expect(other.isSafe).toBe(false);
  });

  test("safe mode by time and by configuration", () => {
    const timed = new PositionGuard({ always: false, safeUntil: null, safeUntilSeconds: 50 });
    timed.observe(at(1), 50);
    expect(timed.isSafe).toBe(true);
    timed.observe(at(2), 51);
    expect(timed.isSafe).toBe(false);
    expect(new PositionGuard({ always: true, safeUntil: null, safeUntilSeconds: null }).isSafe).toBe(true);
  });
});

describe("S12: lag", () => {
  test("is not 0 before the source has said so, nor long after", () => {
    const lag = new LagMeter();
    expect(lag.lagMs(1000, 5000)).toBe(1);
    lag.observeSource(1000, false);
    expect(lag.lagMs(1500, 5000)).toBe(0);
    expect(lag.lagMs(7000, 5000)).toBe(6000);
  });

  test("counts from the oldest change that is not applied, by the source's clock", () => {
    const lag = new LagMeter();
    lag.observeSource(1000, false);
    lag.setClockOffset(500);
    lag.setPending(900);
    expect(lag.lagMs(1000, 5000)).toBe(600);
    lag.setPending(2000);
    expect(lag.lagMs(1000, 5000)).toBe(1);
    lag.setPending(null);
    lag.observeSource(1400, true);
    expect(lag.lagMs(1600, 5000)).toBe(600);
  });
});

test("operators: one of skip and replace at a place, inject beside it, revert removes both", () => {
  const operators = new Operators();
  const position = operatorPosition("bin.000003:154");
  operators.set({ kind: "skip", position, sqls: [] });
  operators.set({ kind: "replace", position, sqls: ["DROP TABLE a.b"] });
  operators.set({ kind: "inject", position, sqls: ["CREATE TABLE a.b (c INT)"] });
  expect(operators.at(position).map(({ kind }) => kind)).toEqual(["replace", "inject"]);
  expect(JSON.parse(operators.listJson())).toEqual([
    { op: 2, binlogPos: "(bin.000003, 154)", sqls: ["DROP TABLE a.b"] },
    { op: 4, binlogPos: "(bin.000003, 154)", sqls: ["CREATE TABLE a.b (c INT)"] },
  ]);
  expect(operators.revert(position)).toBe(true);
  expect(operators.revert(position)).toBe(false);
  expect(operators.at(position)).toEqual([]);
});
