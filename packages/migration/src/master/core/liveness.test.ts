import { describe, expect, test } from "vitest";
import { afterProbe, aliveAt, type Liveness, livenessLimits } from "./liveness.ts";

function run(...probes: readonly (readonly [number, "alive" | "refused" | "silent"])[]): boolean {
  let state: Liveness = aliveAt(0);
  let isGone = false;
  for (const [nowMs, result] of probes) {
    const next = afterProbe(state, result, nowMs);
    state = next;
    isGone = next.isGone;
  }
  return isGone;
}

describe("liveness", () => {
  test("two refusals in a row are the end; one may be a restart", () => {
    expect(run([1000, "refused"])).toBe(false);
    expect(run([1000, "refused"], [1500, "refused"])).toBe(true);
    expect(run([1000, "refused"], [1500, "alive"], [2000, "refused"])).toBe(false);
    expect(run([1000, "refused"], [3000, "silent"], [3500, "refused"])).toBe(false);
  });

  test("silence is borne for a while, so that a take-over ends within 10 s", () => {
    expect(run([3000, "silent"], [5400, "silent"])).toBe(false);
    expect(run([3000, "silent"], [5500, "silent"])).toBe(true);
    expect(run([3000, "silent"], [5400, "alive"], [9000, "silent"], [10_000, "silent"])).toBe(false);
  });

  test("a master that was paused itself asks once more", () => {
    expect(run([60_000, "silent"])).toBe(false);
    expect(run([60_000, "silent"], [61_000, "alive"])).toBe(false);
    expect(run([60_000, "silent"], [63_000, "silent"])).toBe(true);
  });

  test("the limits add up to less than 10 s", () => {
    const worstMs = livenessLimits.silentMsMax + livenessLimits.probePauseMs + livenessLimits.probeTimeoutMs;
    expect(worstMs).toBeLessThan(9000);
  });
});
