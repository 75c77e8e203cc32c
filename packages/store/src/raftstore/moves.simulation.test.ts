/** Replicas that the placement driver moves from store to store, step by step, while everything else goes on (SPEC R7, S3, S5, S10). */
import { seeds } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { storm } from "./testing/cluster.ts";

const storms = [
  {
    name: "while stores are back at once, late and twice",
    faults: { loss: 0.04, duplication: 0.2, delayMsMax: 100 },
    harm: { move: 0.7, bounce: 0.02, isolate: 0.02, partition: 0.01 },
    keys: 8,
  },
  {
    name: "while regions split and merge and clocks drift",
    faults: { loss: 0.03, duplication: 0.03, delayMsMax: 15 },
    harm: { move: 0.5, split: 0.03, merge: 0.05, bounce: 0.015, isolate: 0.02, drift: 0.02 },
    keys: 30,
  },
] as const;

describe.each(storms)("$name", ({ name: _name, ...config }) => {
  test.each(seeds({ fixed: 8, fresh: 4 }))("seed %i", async (seed) => {
    const cluster = await storm({ seed, stores: 5, clients: 5, ...config });
    expect(cluster.acknowledged).toBeGreaterThan(0); // few, when most of the time nobody can lead
  });

  test("replicas do move", async () => {
    let changes = 0;
    for (const seed of [1, 2, 3]) {
      const cluster = await storm({ seed, stores: 5, clients: 5, ...config });
      for (const { peer } of cluster.cover() ?? []) changes += peer.region.confVer;
    }
    // Three of each run come with its founders; a whole move is four.
    expect(changes).toBeGreaterThan(20);
  });
});
