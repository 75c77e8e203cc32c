import { expect, test } from "vitest";
import { hexOfKey } from "./keys.ts";
import { keyspaceIdMax, keyspaceRanges } from "./keyspace.ts";

const shown = (id: number) => keyspaceRanges(id).map(({ startKey, endKey }) => [hexOfKey(startKey), hexOfKey(endKey)]);

test("the borders of keyspace 0 are those that the field's placement driver splits at", () => {
  expect(shown(0)).toEqual([
    ["7200000000000000FB", "7200000100000000FB"],
    ["7800000000000000FB", "7800000100000000FB"],
  ]);
});

test("the last one ends where the mode's keys end", () => {
  expect(shown(keyspaceIdMax)[1]).toEqual(["78FFFFFF00000000FB", "7900000000000000FB"]);
});
