/** Clusters whose clocks drift, whose leaders are cut off from all but one, and whose stores forget in between: reads by lease stay linearizable. */
import { seeds } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { storm } from "./testing/cluster.ts";

const quick = { loss: 0.02, duplication: 0.02, delayMsMax: 8 };
const late = { loss: 0.02, duplication: 0.15, delayMsMax: 60 };
const adverse = { drift: 0.05, isolate: 0.06, bounce: 0.015, transfer: 0.02 };

const storms = [
  { name: "R9: three stores", stores: 3, faults: quick, harm: adverse, keys: 4, options: { hibernate: false } },
  { name: "R9: five replicas", stores: 5, replicas: 5, faults: quick, harm: { ...adverse, partition: 0.01 }, keys: 4 },
  { name: "R7, R9: peers come and go", stores: 5, faults: late, harm: { ...adverse, member: 0.2 }, keys: 4 },
  { name: "S8, M2: regions split and merge", stores: 3, faults: late, harm: { ...adverse, split: 0.06, merge: 0.06 }, keys: 30 },
  {
    name: "everything at once, late and twice",
    stores: 5,
    faults: { loss: 0.04, duplication: 0.2, delayMsMax: 120 },
    harm: { ...adverse, split: 0.05, merge: 0.06, crash: 0.01, partition: 0.01, member: 0.1, consistency: 0.02 },
    keys: 30,
  },
] as const;

describe.each(storms)("$name", ({ name: _name, ...config }) => {
  test.each(seeds({ fixed: 5, fresh: 3 }))("seed %i", async (seed) => {
    const cluster = await storm({ seed, clients: 6, ...config });
    expect(cluster.acknowledged).toBeGreaterThan(20);
  });
});
