/** What a restart of all stores costs, and what it may not: promises that leases of leaders rest on. */
import { describe, expect, test } from "vitest";
import type { Region } from "./core/region.ts";
import { StoreCluster } from "./testing/cluster.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

async function started(seed: number): Promise<StoreCluster> {
  const cluster = new StoreCluster({ seed, stores: 3 });
  await cluster.start(3);
  const { id } = cluster.pd.firstRegion as Region;
  for (let i = 1; i < 12; i++) {
    const key = bytes(`k${String(i * 5).padStart(3, "0")}`);
    await cluster.until("the region splits", () => {
      const leader = cluster.leader(id);
      const there = leader?.store.ranges.at(key)?.region.startKey;
      if (there !== undefined && Buffer.compare(there, key) === 0) return true;
      if (leader !== null && leader.peer.proposals.size === 0) cluster.quietly(leader.store.split(id, [key]));
      return false;
    });
  }
  await cluster.until("all have leaders", () => (cluster.cover()?.length ?? 0) >= 12);
  await cluster.sim.pass(1_000);
  return cluster;
}

const msUntilLed = async (cluster: StoreCluster): Promise<number> => {
  const from = cluster.sim.clock.nowMs;
  await cluster.until("all have leaders", () => (cluster.cover()?.length ?? 0) >= 12);
  return cluster.sim.clock.nowMs - from;
};

test("R9: after a restart of all stores regions have leaders long before the promises of their last lives are over", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const cluster = await started(seed);
    // Some sleep by now.
    if (seed % 2 === 0) await cluster.sim.pass(5_000);
    for (const machine of cluster.machines) cluster.crash(machine);
    for (const machine of cluster.machines) {
      await cluster.boot(machine);
      await cluster.sim.pass(seed > 3 ? 250 : 0);
    }
    // Ticks have 100 ms, elections 10 of them.
    expect(await msUntilLed(cluster)).toBeLessThan(900);
    // No store has been made to lead them all.
    for (const { store } of cluster.up) expect([...store.peers.values()].filter(({ isLeader }) => isLeader).length).toBeLessThan(12);
    await cluster.settle(10);
  }
});

test("S11: the regions of a store that comes back soon are led again long before an election would begin", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const cluster = await started(seed);
    // Some sleep by now.
    if (seed % 2 === 0) await cluster.sim.pass(5_000);
    const { id } = cluster.pd.firstRegion as Region;
    const leader = cluster.leader(id);
    const machine = cluster.machines.find(({ store }) => store === leader?.store) as (typeof cluster.machines)[number];
    cluster.crash(machine, seed % 3 === 0 ? "power" : "kill");
    await cluster.sim.pass(200);
    await cluster.boot(machine);
    // An election begins after 1000 ms at the soonest.
    expect(await msUntilLed(cluster)).toBeLessThan(500);
    await cluster.settle(10);
  }
});

test("S11: late word of an earlier life does not unseat whoever leads in a later one", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const cluster = new StoreCluster({ seed, stores: 3, options: { hibernate: false } });
    await cluster.start(3);
    const { id } = cluster.pd.firstRegion as Region;
    await cluster.until("somebody leads", () => cluster.leader(id)?.peer.hasAppliedOwnTerm === true);
    const machine = cluster.machines.find(({ store }) => store === cluster.leader(id)?.store) as (typeof cluster.machines)[number];
    const [other, third] = cluster.machines.filter((each) => each !== machine) as [typeof machine, typeof machine];
    cluster.crash(machine, "kill");
    await cluster.boot(machine);
    const there = machine.store?.peers.get(id);
    const { bornTerm = 0, id: from = 0 } = there ?? {};
    await cluster.until("it leads again", () => cluster.leader(id)?.store === machine.store && there?.hasAppliedOwnTerm === true);
    await cluster.sim.pass(300);
    // It hears nobody from now on, and reads by its lease; what it said when it began comes once more.
    for (const { storeId } of [other, third]) cluster.messages.cut(machine.storeId, storeId);
    const { confVer = 0, version = 0 } = there?.region ?? {};
    for (const { store } of [other, third]) {
      const peer = store?.peers.get(id);
      const to = { id: peer?.id ?? 0, storeId: store?.storeId ?? 0 };
      const content = { kind: "began", life: 77, answers: 0, term: bornTerm } as const;
      store?.mail.deliver({ regionId: id, from: { id: from, storeId: machine.storeId }, to, epoch: { confVer, version }, content });
    }
    other.store?.peers.get(id)?.raft.campaign();
    const mayLease = () => there?.mayLeaseRead(cluster.sim.clock.nowMs, 900) === true;
    const isReplaced = () => [other, third].some(({ store }) => store?.peers.get(id)?.isLeader === true);
    expect(mayLease()).toBe(true);
    await cluster.until("another one leads", () => {
      expect(isReplaced() && mayLease()).toBe(false);
      return isReplaced();
    });
    cluster.messages.heal();
    await cluster.settle(10);
  }
});

test("S11: whoever restarts beside a leader keeps its promise, whatever the others say", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const cluster = new StoreCluster({ seed, stores: 3, options: { hibernate: false } });
    await cluster.start(3);
    const { id } = cluster.pd.firstRegion as Region;
    await cluster.until("somebody leads", () => cluster.leader(id)?.peer.hasAppliedOwnTerm === true);
    const leader = cluster.leader(id);
    await cluster.sim.pass(1_000);
    const others = cluster.machines.filter(({ store }) => store !== leader?.store);
    // The leader hears nobody from now on, and reads by its lease.
    for (const { storeId } of others) cluster.messages.cut(storeId, leader?.store.storeId ?? 0);
    for (const machine of others) cluster.crash(machine, "kill");
    for (const machine of others) await cluster.boot(machine);
    const mayLease = () => leader?.peer.mayLeaseRead(cluster.sim.clock.nowMs, 900) === true;
    const isReplaced = () => others.some(({ store }) => store?.peers.get(id)?.isLeader === true);
    await cluster.until("another one leads", () => {
      expect(isReplaced() && mayLease()).toBe(false);
      return isReplaced();
    });
    cluster.messages.heal();
    await cluster.settle(10);
  }
});

test.each([31, 32, 33, 34])("what is said late, about restarts and else, breaks nothing: seed %i", async (seed) => {
  const cluster = new StoreCluster({ seed, stores: 3 });
  await cluster.start(3);
  cluster.messages.faults = { loss: 0.02, duplication: 0.2, delayMsMax: 1_500 };
  for (let i = 0; i < 6; i++) cluster.client(i, 4);
  for (let round = 0; round < 120; round++) {
    await cluster.sim.pass(100);
    cluster.throwFailures();
    if (cluster.up.length > 0 && cluster.random.chance(0.1)) cluster.crash(cluster.random.pick(cluster.up).machine, "kill");
    cluster.harm({ transfer: 0.1, partition: 0.05 });
  }
  await cluster.settle(4);
});

describe("storms in which many stores restart at once", () => {
  const harm = { split: 0.05, member: 0.3, merge: 0.05, transfer: 0.1, partition: 0.05 };
  test.each([21, 22, 23, 24, 25, 26, 27, 28])("seed %i", async (seed) => {
    const cluster = new StoreCluster({ seed, stores: 4 });
    await cluster.start(3);
    cluster.messages.faults = { loss: 0.02, duplication: 0.03, delayMsMax: 60 };
    for (let i = 0; i < 6; i++) cluster.client(i, 4);
    for (let round = 0; round < 160; round++) {
      await cluster.sim.pass(50);
      cluster.throwFailures();
      if (cluster.random.chance(0.06))
        for (const { machine } of cluster.up)
          if (cluster.random.chance(0.7)) cluster.crash(machine, cluster.random.chance(0.5) ? "power" : "kill");
      cluster.harm(harm);
    }
    await cluster.settle(8);
  });
});
