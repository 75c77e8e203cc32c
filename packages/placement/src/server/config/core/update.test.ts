import { expect, test } from "vitest";
import type { DynamicConfig } from "./items.ts";
import { applyChanges } from "./update.ts";

/** The names are refused before what there is matters. */
const none = {} as DynamicConfig;

test("names that every object has are names of no item", () => {
  for (const key of ["constructor", "toString", "__proto__", "schedule.constructor", "replication.__proto__", "pd-server.hasOwnProperty"])
    expect(() => applyChanges(none, JSON.parse(`{${JSON.stringify(key)}: {"x": 1}}`) as Record<string, unknown>), key).toThrow("not found");
});
