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
