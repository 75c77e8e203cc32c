import { seeds } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { storm } from "./testing/cluster.ts";

describe("three stores, one region, nothing goes wrong", () => {
  test.each(seeds({ fixed: 3 }))("seed %i", async (seed) => {
    const cluster = await storm({ seed, stores: 3 });
    expect(cluster.acknowledged).toBeGreaterThan(100);
    expect(cluster.reads).toBeGreaterThan(100);
  });
});
