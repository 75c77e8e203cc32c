/** Members that come and go, leases of leaders over drifting clocks, priorities: with everything else at once (SPEC R1–R9). */
import { seeds } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { type ClusterOptions, noticedBy, type Sights, storm } from "./testing/cluster.ts";

type Storm = Omit<ClusterOptions, "seed">;

/** Quick beside the clocks: what a lease may not outlive is decided within a tick. */
const quick = { stepsPerTick: 4, delayTicksMax: 1, diskSpeed: 0.9, loss: 0.03 } as const;
const quickSteps = 800;

const leases: Storm = { ...quick, voters: 3, leases: true, spite: 0.3, bounce: 0.001, isolation: 0.02, transfer: 0.003 };
const leasesOfFive: Storm = { ...leases, voters: 5, partition: 0.005 };
const leasesOfMembers: Storm = { ...leases, memberChange: 0.02, blackout: 0.002, transfer: 0.005, compactAfter: 20 };

/** Memberships of which a later one needs none of an earlier one's votes. */
const turnover: Storm = {
  voters: 2,
  memberChange: 0.2,
  bounce: 0.03,
  isolation: 0.03,
  partition: 0.03,
  loss: 0.02,
  delayTicksMax: 1,
  diskSpeed: 0.8,
};

const storms: readonly { readonly name: string; readonly steps: number; readonly options: Storm }[] = [
  {
    name: "R1–R7: members come and go while peers crash",
    steps: 400,
    options: { voters: 3, memberChange: 0.03, crash: 0.005, loss: 0.02, delayTicksMax: 2, compactAfter: 20 },
  },
  {
    name: "R1–R7: members come and go while leaders are cut off and moved",
    steps: 400,
    options: {
      voters: 3,
      memberChange: 0.1,
      bounce: 0.02,
      isolation: 0.03,
      partition: 0.02,
      loss: 0.02,
      delayTicksMax: 4,
      compactAfter: 60,
      diskSpeed: 0.4,
      transfer: 0.02,
    },
  },
  { name: "P6, R1–R7: all members are replaced, over and over", steps: 400, options: turnover },
  { name: "R9: leases over drifting clocks", steps: quickSteps, options: leases },
  { name: "R9: leases of five voters", steps: quickSteps, options: leasesOfFive },
  { name: "R6, R7, R9: leases while members come and go and most restart at once", steps: quickSteps, options: leasesOfMembers },
  {
    name: "R1–R9: everything at once",
    steps: 400,
    options: {
      voters: 5,
      learners: 1,
      leases: true,
      priorities: true,
      loss: 0.05,
      duplication: 0.05,
      delayTicksMax: 4,
      crash: 0.005,
      bounce: 0.005,
      blackout: 0.002,
      partition: 0.01,
      isolation: 0.01,
      memberChange: 0.02,
      transfer: 0.01,
      diskSpeed: 0.3,
      compactAfter: 15,
      inflightMax: 2,
    },
  },
];

describe.each(storms)("$name", ({ options, steps }) => {
  test.each(seeds({ fixed: 160, fresh: 40 }))("seed %i", (seed) => {
    expect(storm({ ...options, seed }, steps).acknowledged).toBeGreaterThan(0);
  });
});

test("the storms bring what they are for", () => {
  const sum: Sights = { elections: 0, reads: 0, leaseReads: 0, snapshots: 0, joint: 0, transfers: 0, crashes: 0 };
  for (let seed = 1; seed <= 40; seed++) {
    const { sights } = storm({ ...leasesOfMembers, seed }, quickSteps);
    for (const key of Object.keys(sum) as (keyof Sights)[]) sum[key] += sights[key];
  }
  for (const count of Object.values(sum)) expect(count).toBeGreaterThan(40);
});

describe("rules that are taken out are noticed", () => {
  test("P6: a restart that begins with a membership older than one that was counted by", () => {
    expect(noticedBy(80, { ...turnover, mutate: { forgetsMembership: true } })).toBeGreaterThan(0);
  });

  test("R9: a lease that runs as long as a rival's timeout, by clocks that drift", () => {
    expect(noticedBy(40, { ...leases, mutate: { leaseTicks: 13 } }, quickSteps)).toBeGreaterThan(2);
  });

  test("R9: a restarted peer that votes at once", () => {
    const seeds = 400; // one in a hundred: the peer must forget just when another one asks
    expect(noticedBy(seeds, { ...leases, mutate: { noSilence: true } }, quickSteps)).toBeGreaterThan(0);
  });
});
