import { describe, expect, test } from "vitest";
import { IdWindow } from "./id-window.ts";
import { composeTso, logicalMax, Oracle, splitTso } from "./oracle.ts";

function leading(persistedMs: number, nowMs: number): Oracle {
  const oracle = new Oracle(3000);
  const { nextMs, saveUntilMs } = oracle.begin(persistedMs, nowMs);
  oracle.saved(saveUntilMs as number);
  oracle.move(nextMs);
  return oracle;
}

describe("the oracle", () => {
  test("the first leader starts now, and has saved a window", () => {
    const oracle = leading(0, 50_000);
    expect([oracle.physicalMs, oracle.savedUntilMs]).toEqual([50_000, 53_000]);
    expect(oracle.take(1)).toEqual({ physical: 50_000, logical: 1 });
    expect(oracle.take(10)).toEqual({ physical: 50_000, logical: 11 });
  });

  test("O2: a leader whose clock is behind starts after what was saved", () => {
    expect(leading(60_000, 50_000).physicalMs).toBe(60_001);
  });

  test("O1: nothing is given beyond what is saved", () => {
    const oracle = leading(0, 50_000);
    expect(oracle.plan(52_998)).toEqual({ nextMs: 52_998, saveUntilMs: null });
    expect(oracle.plan(52_999)).toEqual({ nextMs: 52_999, saveUntilMs: 55_999 });
    expect(() => oracle.move(53_000)).toThrow("beyond what is saved");
  });

  test("O3: a clock that was put back changes nothing, until the counter is half used", () => {
    const oracle = leading(0, 50_000);
    expect(oracle.plan(40_000)).toBeNull();
    oracle.take(logicalMax / 2 + 1);
    expect(oracle.plan(40_000)).toEqual({ nextMs: 50_001, saveUntilMs: null });
  });

  test("a used counter waits for the next millisecond", () => {
    const oracle = leading(0, 50_000);
    expect(oracle.take(logicalMax - 1)).not.toBeNull();
    expect(oracle.take(1)).toBeNull();
    oracle.move(50_001);
    expect(oracle.take(1)).toEqual({ physical: 50_001, logical: 1 });
  });

  test("setting it by hand: forward only, not too far unless forced", () => {
    const oracle = leading(0, 50_000);
    const options = { gapMaxMs: 1000, isLargerForced: false };
    expect(oracle.reset({ physical: 49_000, logical: 0 }, 50_000, options)).toBe("the specified ts is smaller than now");
    expect(oracle.reset({ physical: 51_001, logical: 0 }, 50_000, options)).toBe("the specified ts is too larger than now");
    expect(oracle.reset({ physical: 90_000, logical: 7 }, 50_000, { ...options, isLargerForced: true })).toEqual({
      nextMs: 90_001,
      saveUntilMs: 93_001,
    });
  });

  test("a timestamp is 46 bits of time and 18 of the counter", () => {
    expect(composeTso({ physical: 1_702_373_111_904, logical: 229_377 })).toBe(446_266_897_047_191_553n);
    expect(splitTso(446_266_897_047_191_553n)).toEqual({ physical: 1_702_373_111_904, logical: 229_377 });
  });
});

test("ids come from saved windows only", () => {
  const ids = new IdWindow();
  expect(() => ids.take(1)).toThrow();
  const end = ids.endFor(1, 5000);
  ids.saved(5000, end);
  expect([end, ids.take(1), ids.take(2), ids.remaining]).toEqual([6000, 5001, 5003, 997]);
  expect(ids.endFor(2500, 6000)).toBe(9000);
  expect(() => ids.saved(5500, 6500)).toThrow("overlaps");
});
