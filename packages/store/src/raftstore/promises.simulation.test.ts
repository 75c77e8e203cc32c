/** What a replica promised to a leader (SPEC R9) it keeps when it becomes another one: leases rest on it. */
import { expect, test } from "vitest";
import type { Envelope } from "./core/codec.ts";
import type { Region } from "./core/region.ts";
import type { RaftStore } from "./raft-store.ts";
import { StoreCluster } from "./testing/cluster.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/**
 * A region of three that a split has just made. Its leader's lease rests on one replica that has no data yet: the store that is late has
 * not heard of the split. The third replica, cut off from the leader, has everything and stands for election.
 */
async function newRegion(seed: number) {
  const cluster = new StoreCluster({ seed, stores: 3, options: { hibernate: false } });
  await cluster.start(3);
  const parent = (cluster.pd.firstRegion as Region).id;
  await cluster.until("somebody leads", () => cluster.leader(parent)?.peer.hasAppliedOwnTerm === true);
  const leading = cluster.leader(parent)?.store as RaftStore;
  const [rival, late] = cluster.up.map(({ store }) => store).filter((store) => store !== leading) as [RaftStore, RaftStore];
  const { transport } = leading;
  const send = transport.send.bind(transport);
  let isHolding = true;
  Object.assign(transport, {
    send: (envelope: Envelope) => {
      const { content, regionId, to } = envelope;
      const isAppend = regionId === parent && content.kind === "raft" && content.body.kind === "append";
      if (!isHolding || !isAppend || to.storeId !== late.storeId) send(envelope);
    },
  });
  const made = await cluster.sim.complete(leading.split(parent, [bytes("k050")]));
  const child = made.find(({ id }) => id !== parent)?.id as number;
  const leader = () => leading.peers.get(child);
  await cluster.until("the new region has a leader with a term of its own", () => leader()?.hasAppliedOwnTerm === true);
  await cluster.until("its second replica has it all", () => (rival.peers.get(child)?.applied ?? 0) === leader()?.raft.lastIndex);
  cluster.messages.cut(leading.storeId, rival.storeId);
  await cluster.until("its third replica is asked", () => late.peers.get(child)?.raft.leader === leader()?.id);
  await cluster.until("its second one stands for election", () => rival.peers.get(child)?.raft.role === "preCandidate");
  expect(late.peers.get(child)?.isInitialized).toBe(false);
  const hasLease = () => leader()?.mayLeaseRead(cluster.sim.clock.nowMs, 600) === true;
  const release = () => {
    isHolding = false;
  };
  return { cluster, child, leading, rival, late, hasLease, release };
}

/** The rival asks while the lease runs, and leads once it is over. */
async function rivalLeadsLater({ cluster, child, rival, hasLease }: Awaited<ReturnType<typeof newRegion>>): Promise<void> {
  expect(hasLease()).toBe(true);
  const candidate = rival.peers.get(child);
  candidate?.raft.campaign();
  if (candidate !== undefined) rival.markDirty(candidate);
  await cluster.until("the rival leads", () => {
    expect(hasLease() && candidate?.isLeader === true).toBe(false);
    return candidate?.isLeader === true;
  });
  cluster.messages.heal();
  await cluster.settle(10);
}

test("R9: a replica without data that answered a leader keeps its promise when a split makes its data", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const there = await newRegion(seed);
    const { cluster, child, leading, late, release } = there;
    release();
    await cluster.until("the split is applied", () => late.peers.get(child)?.isInitialized === true);
    cluster.messages.cut(leading.storeId, late.storeId);
    await rivalLeadsLater(there);
  }
});

test("R9: a replica without data that answered a leader keeps its promise over a restart of its store", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const there = await newRegion(seed);
    const { cluster, leading, late, hasLease, release } = there;
    await cluster.until("it answered", hasLease);
    cluster.messages.cut(leading.storeId, late.storeId);
    const machine = cluster.machines.find(({ store }) => store === late) as (typeof cluster.machines)[number];
    cluster.crash(machine, seed % 2 === 0 ? "kill" : "power");
    await cluster.boot(machine);
    release();
    await rivalLeadsLater(there);
  }
});
