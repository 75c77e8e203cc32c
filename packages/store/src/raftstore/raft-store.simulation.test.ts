import { seeds } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { storm } from "./testing/cluster.ts";

/** Whole clusters under random work and harm: linearizable, nothing acknowledged lost, replicas equal, no key without a region. */

const bad = { loss: 0.03, duplication: 0.03, delayMsMax: 15 };

const storms = [
  { name: "nothing goes wrong", stores: 3 },
  { name: "messages are lost, doubled, late", stores: 3, faults: bad },
  { name: "leaders are moved", stores: 3, faults: bad, harm: { transfer: 0.1 } },
  { name: "stores crash", stores: 3, faults: bad, harm: { crash: 0.03 } },
  { name: "partitions", stores: 3, faults: bad, harm: { partition: 0.02 } },
  { name: "regions split", stores: 3, faults: bad, harm: { split: 0.05 } },
  { name: "regions split while stores crash", stores: 3, faults: bad, harm: { split: 0.03, crash: 0.03 }, keys: 30 },
  { name: "peers come and go", stores: 5, faults: bad, harm: { member: 0.1 } },
  { name: "peers come and go while stores crash", stores: 5, faults: bad, harm: { member: 0.1, crash: 0.02 } },
  { name: "regions merge", stores: 3, faults: bad, harm: { split: 0.05, merge: 0.05 }, keys: 30 },
  { name: "regions merge while stores crash", stores: 3, faults: bad, harm: { split: 0.05, merge: 0.08, crash: 0.02 }, keys: 30 },
  {
    name: "everything at once",
    stores: 5,
    faults: bad,
    harm: { split: 0.03, merge: 0.03, crash: 0.02, partition: 0.01, transfer: 0.03, member: 0.05, consistency: 0.02 },
    keys: 30,
  },
] as const;

describe.each(storms)("$name", (config) => {
  test.each(seeds({ fixed: 4, fresh: 2 }))("seed %i", async (seed) => {
    const cluster = await storm({ seed, ...config });
    expect(cluster.acknowledged).toBeGreaterThan(30);
    expect(cluster.reads).toBeGreaterThan(30);
  });
});
