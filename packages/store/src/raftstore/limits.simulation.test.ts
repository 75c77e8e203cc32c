/** Limits that are counted in more than one way: logs and regions in entries, keys and bytes. */
import { expect, test } from "vitest";
import type { Region } from "./core/region.ts";
import type { Peer } from "./peer.ts";
import { StoreCluster } from "./testing/cluster.ts";

const regionOf = (cluster: StoreCluster): number => (cluster.pd.firstRegion as Region).id;

async function put(cluster: StoreCluster, key: string, value: Uint8Array): Promise<void> {
  const encoded = new TextEncoder().encode(key);
  await cluster.until(`${key} has a leader`, () => cluster.cover() !== null);
  const leader = cluster.cover()?.find(({ store, peer }) => store.ranges.at(encoded) === peer);
  if (leader === undefined) throw new Error("nobody leads");
  const { id, confVer, version } = leader.peer.region;
  const context = { regionId: id, confVer, version, peerId: 0, storeId: 0, replicaRead: false };
  await cluster.sim.complete(leader.store.write(context, leader.peer.raft.term, [{ kind: "put", family: "default", key: encoded, value }]));
}

const logBytes = (peer: Peer): number => peer.log.slots.reduce((sum, { length }) => sum + length, 0);

test("a log of few and large entries is compacted although a peer is behind: by its bytes", async () => {
  const cluster = new StoreCluster({ seed: 1, stores: 3, options: { logGcBytesMax: 16 * 1024 } });
  await cluster.start(3);
  cluster.crash(cluster.machines[2] as (typeof cluster.machines)[number], "kill");
  for (let i = 0; i < 60; i++) await put(cluster, `k${i}`, new Uint8Array(2_000));
  await cluster.sim.pass(5_000);
  for (const peer of cluster.peersOf(regionOf(cluster))) expect(logBytes(peer)).toBeLessThan(32 * 1024);
  await cluster.settle(0);
});

test("logs that hold up more files than there should be are compacted although a peer is behind", async () => {
  const cluster = new StoreCluster({ seed: 3, stores: 3 });
  await cluster.start(3);
  cluster.crash(cluster.machines[2] as (typeof cluster.machines)[number], "kill");
  let most = 0;
  for (let i = 0; i < 200; i++) {
    await put(cluster, `k${i}`, new Uint8Array(2_000));
    if (i % 10 === 0) await cluster.sim.pass(500);
    for (const { store } of cluster.up) most = Math.max(most, store.log.segmentCount);
  }
  // 25 of them are written; three are meant to be there.
  expect(most).toBeLessThan(14);
  await cluster.settle(0);
});

test("a region of many small keys is split by their number", async () => {
  const cluster = new StoreCluster({ seed: 2, stores: 3, options: { splitKeys: 20, maxKeys: 30 } });
  await cluster.start(3);
  for (let i = 0; i < 100; i++) await put(cluster, `k${String(i).padStart(3, "0")}`, new Uint8Array(1));
  await cluster.until("it is split", () => (cluster.cover()?.length ?? 0) >= 4);
  await cluster.settle(0);
});
