import { expect, test } from "vitest";
import type { Region } from "./core/region.ts";
import type { Peer } from "./peer.ts";
import type { RaftStore } from "./raft-store.ts";
import { StoreCluster } from "./testing/cluster.ts";

test("a region whose leader was moved while it slept sleeps again", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const cluster = new StoreCluster({ seed, stores: 3 });
    await cluster.start();
    const { id } = cluster.pd.firstRegion as Region;
    const allSleep = () => cluster.peersOf(id).every(({ isAsleep }) => isAsleep);
    await cluster.until("all sleep", allSleep);
    const leader = cluster.leader(id);
    const other = leader?.peer.region.peers.find((peer) => peer.id !== leader.peer.id);
    leader?.store.transferLeader(id, other?.id ?? 0);
    await cluster.until("the other one leads", () => cluster.leader(id)?.peer.id === other?.id);
    await cluster.until("all sleep again", allSleep, 20_000);
    expect(cluster.leader(id)?.peer.id).toBe(other?.id);
  }
});

/** Regions of one that is split, all led by its leader, with voters on the first two stores. */
async function manyRegions(cluster: StoreCluster, count: number): Promise<number[]> {
  await cluster.start(2);
  const { id } = cluster.pd.firstRegion as Region;
  const { store } = cluster.leader(id) as { readonly store: RaftStore };
  const keys = Array.from({ length: count - 1 }, (_, i) => new TextEncoder().encode(`k${String(i).padStart(4, "0")}`));
  await cluster.sim.complete(store.split(id, keys));
  const ids = [...store.peers.keys()];
  await cluster.until("all have leaders", () => ids.every((each) => cluster.leader(each) !== null), 60_000);
  return ids;
}

test("many regions that wait for a snapshot get it as soon as others have theirs, and sleep again; then nothing ticks, is sent or written", async () => {
  const cluster = new StoreCluster({ seed: 1, stores: 3, options: { snapshotsMax: 1 } });
  const ids = await manyRegions(cluster, 60);
  const everywhere = () => ids.flatMap((id) => cluster.peersOf(id));
  const third = (cluster.machines[2] as { readonly storeId: number }).storeId;
  for (const id of ids) {
    const { store } = cluster.leader(id) as { readonly store: RaftStore };
    cluster.quietly(store.changePeers(id, [{ kind: "addVoter", peerId: cluster.pd.nextId(), storeId: third }]));
  }
  // One at a time, in 300 ms. If each tried again now and then, as peers do whose messages were lost, it would take 5 s.
  await cluster.until(
    "all have their third replica",
    () => everywhere().filter(({ isInitialized }) => isInitialized).length === 3 * ids.length,
    1_500,
  );
  for (const [i, id] of ids.entries()) {
    const { store, peer } = cluster.leader(id) as { readonly store: RaftStore; readonly peer: Peer };
    const others = peer.region.peers.filter((other) => other.id !== peer.id);
    store.transferLeader(id, others[i % 2]?.id ?? 0);
  }
  await cluster.until("their leaders have moved", () => new Set(ids.map((id) => cluster.leader(id)?.store)).size > 1, 6_000);
  // Twenty ticks until a leader wants to sleep, and some for what its last entry brings with it.
  await cluster.until("all sleep", () => everywhere().every(({ isAsleep }) => isAsleep), 10_000);
  const work = () => [
    cluster.messages.sent,
    ...cluster.up.flatMap(({ store }) => [store.awakeCount, store.stats.turns, store.log.stats.frames]),
  ];
  const before = work();
  let reports = 0;
  cluster.pd.takes = () => ++reports > 0;
  await cluster.sim.pass(60_000);
  expect(work()).toEqual(before);
  // The placement driver hears of each region once in five ticks of 100 ms, and of nothing else.
  expect(reports).toBeGreaterThan(119 * ids.length);
  expect(reports).toBeLessThan(121 * ids.length);
});

/** Three stores whose one region sleeps. */
async function asleep(seed: number) {
  const cluster = new StoreCluster({ seed, stores: 3 });
  await cluster.start(3);
  const { id } = cluster.pd.firstRegion as Region;
  await cluster.until("all sleep", () => cluster.peersOf(id).length === 3 && cluster.peersOf(id).every(({ isAsleep }) => isAsleep));
  await cluster.sim.pass(10_000);
  const leader = cluster.leader(id) as { readonly store: RaftStore; readonly peer: Peer };
  return { cluster, id, leader };
}

test("a write wakes its region also when the first word of it is lost", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const { cluster, leader } = await asleep(seed);
    const { id, confVer, version } = leader.peer.region;
    const context = { regionId: id, confVer, version, peerId: 0, storeId: 0, replicaRead: false };
    const key = new TextEncoder().encode("k");
    const written = leader.store.write(context, leader.peer.raft.term, [{ kind: "put", family: "default", key, value: key }]);
    cluster.messages.faults = { loss: 1, duplication: 0, delayMsMax: 2 };
    await cluster.sim.pass(50);
    cluster.messages.faults = { loss: 0, duplication: 0, delayMsMax: 2 };
    const fromMs = cluster.sim.clock.nowMs;
    await cluster.sim.complete(written);
    // The next heartbeat goes out within two ticks of 100 ms; its answer asks for what was lost.
    expect(cluster.sim.clock.nowMs - fromMs).toBeLessThan(1_000);
  }
});

test("who sleeps notices that the leader's store is gone: another one leads after an election timeout", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const { cluster, id, leader } = await asleep(seed);
    const machine = cluster.machines.find(({ store }) => store === leader.store) as (typeof cluster.machines)[number];
    cluster.crash(machine);
    // Ten to twenty ticks of 100 ms, perhaps twice.
    await cluster.until("another one leads", () => (cluster.leader(id) ?? leader).store !== leader.store, 6_000);
  }
});
