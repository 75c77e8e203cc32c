import { seeds } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { runTerms } from "./testing/terms.ts";

describe("terms of three members that crash, freeze, lose answers and whose clocks jump", () => {
  test.each(seeds({ fixed: 25, fresh: 5 }))("timestamps and ids only grow, seed %i", async (seed) => {
    const counts = await runTerms({ seed });
    expect(counts.timestamps).toBeGreaterThan(50);
    expect(counts.ids).toBeGreaterThan(5);
  });
});

describe("the runs notice", () => {
  test.each(["lease", "window", "guard", "silence"] as const)("that the leader's %s is not held to", async (mutation) => {
    const runs = await Promise.allSettled(Array.from({ length: 30 }, (_, index) => runTerms({ seed: index + 1, mutation })));
    const red = runs.filter(({ status }) => status === "rejected");
    expect(red.length).toBeGreaterThan(0);
    expect(String((red[0] as PromiseRejectedResult).reason)).toMatch(/gave .* had been given/);
  });
});
