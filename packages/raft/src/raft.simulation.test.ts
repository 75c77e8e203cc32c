import { seeds } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { RaftCluster } from "./testing/cluster.ts";

const storms = [
  { name: "R1–R6: loss, doubling and reordering, three voters", voters: 3, loss: 0.05, duplication: 0.1, delayTicksMax: 4 },
  { name: "R1–R6: crashes of five voters", voters: 5, loss: 0.02, crash: 0.01, delayTicksMax: 2 },
  { name: "P1, R1–R6: crashes over slow disks", voters: 3, loss: 0.02, crash: 0.04, diskSpeed: 0.12, delayTicksMax: 1 },
  { name: "R1–R6: partitions", voters: 5, partition: 0.02, delayTicksMax: 3 },
  {
    name: "R1–R6: compaction and snapshots with a learner",
    voters: 3,
    learners: 1,
    loss: 0.05,
    crash: 0.01,
    compactAfter: 8,
    delayTicksMax: 2,
  },
  {
    name: "R1–R7: members come and go while peers crash",
    voters: 3,
    memberChange: 0.03,
    crash: 0.005,
    loss: 0.02,
    delayTicksMax: 2,
    compactAfter: 20,
  },
  {
    name: "R1–R7: everything at once",
    voters: 5,
    learners: 1,
    loss: 0.05,
    duplication: 0.05,
    delayTicksMax: 4,
    crash: 0.01,
    partition: 0.01,
    memberChange: 0.01,
    transfer: 0.01,
    compactAfter: 15,
    inflightMax: 2,
  },
];

describe.each(storms)("$name", (storm) => {
  test.each(seeds({ fixed: 60, fresh: 20 }))("seed %i", (seed) => {
    const cluster = new RaftCluster({ seed, ...storm });
    for (let tick = 0; tick < 400; tick++) cluster.step();
    cluster.settle();
    expect(cluster.acknowledged).toBeGreaterThan(0);
  });
});

test("R6: reads are served, and never from the past", () => {
  const cluster = new RaftCluster({ seed: 5, voters: 3, delayTicksMax: 1 });
  for (let tick = 0; tick < 300; tick++) cluster.step();
  expect(cluster.readsServed).toBeGreaterThan(20);
});
