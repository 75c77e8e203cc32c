/** Elections, the log, reads and snapshots of a fixed membership (SPEC R1–R6, R8). */
import { seeds } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { type ClusterOptions, noticedBy, RaftCluster, storm } from "./testing/cluster.ts";

type Storm = Omit<ClusterOptions, "seed"> & { readonly name: string };

const storms: readonly Storm[] = [
  { name: "R1–R6: loss, doubling and reordering, three voters", voters: 3, loss: 0.05, duplication: 0.1, delayTicksMax: 4 },
  { name: "R1–R6: crashes of five voters", voters: 5, loss: 0.02, crash: 0.01, delayTicksMax: 2 },
  { name: "R1–R6: partitions, leaders cut off", voters: 5, partition: 0.02, isolation: 0.02, delayTicksMax: 3 },
  {
    name: "P1, R1–R6: power goes while slow disks write",
    voters: 3,
    loss: 0.02,
    bounce: 0.04,
    isolation: 0.03,
    diskSpeed: 0.15,
    delayTicksMax: 3,
    transfer: 0.03,
    duplication: 0.1,
  },
  {
    name: "R1–R6: compaction and snapshots with a learner",
    voters: 3,
    learners: 1,
    loss: 0.05,
    duplication: 0.1,
    crash: 0.01,
    compactAfter: 8,
    delayTicksMax: 4,
  },
  {
    name: "P1, R1–R6: snapshots of five voters over slow disks, late and twice",
    voters: 5,
    learners: 1,
    loss: 0.02,
    bounce: 0.04,
    partition: 0.02,
    isolation: 0.03,
    diskSpeed: 0.15,
    delayTicksMax: 5,
    transfer: 0.05,
    duplication: 0.2,
    compactAfter: 6,
  },
];

describe.each(storms)("$name", ({ name: _name, ...options }) => {
  test.each(seeds({ fixed: 160, fresh: 40 }))("seed %i", (seed) => {
    expect(storm({ ...options, seed }).acknowledged).toBeGreaterThan(0);
  });
});

test("R6: reads are served, and never from the past", () => {
  const cluster = new RaftCluster({ seed: 5, voters: 3, delayTicksMax: 1 });
  for (let step = 0; step < 300; step++) cluster.step();
  expect(cluster.sights.reads).toBeGreaterThan(20);
});

test("P1: promises that are sent before they are durable are noticed", () => {
  const { name: _name, ...options } = storms[3] as Storm;
  expect(noticedBy(20, options)).toBe(0);
  expect(noticedBy(20, { ...options, mutate: { sendsBeforePersist: true } })).toBeGreaterThan(2);
});
