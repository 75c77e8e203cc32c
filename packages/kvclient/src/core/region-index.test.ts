import { compareBytes } from "@skein/base";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inRange } from "./keys.ts";
import { type RegionFacts, RegionIndex } from "./region-index.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const region = (id: number, start: string, end: string, version = 1, confVer = 1): RegionFacts => ({
  id,
  startKey: bytes(start),
  endKey: bytes(end),
  confVer,
  version,
  replicas: [
    { id: id * 10, storeId: 1, isVoter: true },
    { id: id * 10 + 1, storeId: 2, isVoter: true },
  ],
});

test("regions are found by the keys they hold, and by what is right behind them", () => {
  const index = new RegionIndex();
  index.put(region(1, "", "g"), 2);
  index.put(region(2, "m", ""), 9);
  expect(index.find(bytes(""))?.id).toBe(1);
  expect(index.find(bytes("f"))).toMatchObject({ id: 1, leader: 1 });
  expect(index.find(bytes("g"))).toBeNull();
  expect(index.find(bytes("m"))).toMatchObject({ id: 2, leader: 0 });
  expect(index.findBefore(bytes("g"))?.id).toBe(1);
  expect(index.findBefore(bytes("h"))).toBeNull();
  expect(index.findBefore(bytes("m"))).toBeNull();
  expect(index.findBefore(bytes("m\0"))?.id).toBe(2);
  expect(index.findBefore(bytes(""))?.id).toBe(2);
});

describe("a newer word on a range", () => {
  test("takes the place of all that it overlaps", () => {
    const index = new RegionIndex();
    const old = index.put(region(1, "", ""), 1);
    index.put(region(1, "", "m", 2), 1);
    index.put(region(3, "m", "", 2), 1);
    expect(old.isValid).toBe(false);
    expect(index.find(bytes("z"))?.id).toBe(3);
    index.put(region(3, "", "", 5), 1);
    expect(index.size).toBe(1);
  });

  test("of an older epoch is not taken", () => {
    const index = new RegionIndex();
    index.put(region(1, "", "m", 2), 1);
    expect(index.put(region(1, "", "", 1), 1)).toMatchObject({ version: 2, isValid: true });
    expect(index.find(bytes("z"))).toBeNull();
  });

  test("is gone when it was found wrong", () => {
    const index = new RegionIndex();
    const put = index.put(region(1, "a", "m"), 1);
    index.remove(put);
    index.remove(put);
    expect([index.size, index.find(bytes("b")), put.isValid]).toEqual([0, null, false]);
  });
});

test("ranges never overlap, whatever comes in", () => {
  const key = fc.uint8Array({ maxLength: 2, max: 5 });
  const fact = fc.record({ id: fc.nat({ max: 5 }), a: key, b: key, version: fc.nat({ max: 5 }) });
  fc.assert(
    fc.property(fc.array(fact, { maxLength: 30 }), key, (facts, looked) => {
      const index = new RegionIndex();
      const put = facts.flatMap(({ id, a, b, version }) => {
        const [startKey, endKey] = compareBytes(a, b) < 0 ? [a, b] : [b, a.length === 0 ? a : new Uint8Array(0)];
        if (endKey.length > 0 && compareBytes(startKey, endKey) >= 0) return [];
        return [index.put({ id, startKey, endKey, version, confVer: 1, replicas: [] }, 0)];
      });
      const valid = [...new Set(put)].filter(({ isValid }) => isValid);
      expect(valid.length).toBe(index.size);
      const holders = valid.filter(({ startKey, endKey }) => inRange(looked, startKey, endKey));
      expect(holders.length).toBeLessThanOrEqual(1);
      expect(index.find(looked)).toBe(holders[0] ?? null);
    }),
  );
});
