/** A store that has no room: what it refuses, what it goes on with, and that it goes on when there is room again. */
import { assert } from "@skein/base";
import { expect, test } from "vitest";
import { RegionError, type RegionWrite } from "../region-kv.ts";
import type { Region } from "./core/region.ts";
import { StoreCluster } from "./testing/cluster.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
type Machine = StoreCluster["machines"][number];

const leading = (cluster: StoreCluster) => {
  const leader = cluster.leader((cluster.pd.firstRegion as Region).id);
  assert(leader !== null, "somebody leads");
  return leader;
};

async function write(cluster: StoreCluster, ...writes: RegionWrite[]): Promise<string> {
  const { store, peer } = leading(cluster);
  const { id, confVer, version } = peer.region;
  const context = { regionId: id, confVer, version, peerId: 0, storeId: 0, replicaRead: false };
  return cluster.sim.complete(
    store.write(context, peer.raft.term, writes).then(
      () => "written",
      (error: unknown) => (error instanceof RegionError ? error.reason.kind : String(error)),
    ),
  );
}

const put = (key: string, length = 100): RegionWrite => ({
  kind: "put",
  family: "default",
  key: bytes(key),
  value: new Uint8Array(length),
});

test("a store without room takes no more puts and no snapshots; it reads, deletes and follows", async () => {
  const cluster = new StoreCluster({ seed: 1, stores: 3, options: { hibernate: false } });
  await cluster.start(2);
  expect(await write(cluster, put("a"))).toBe("written");
  const { store } = leading(cluster);
  store.hasRoom = false;
  expect(await write(cluster, put("b"))).toBe("diskFull");
  expect(await write(cluster, { kind: "delete", family: "default", key: bytes("a") }, put("b"))).toBe("diskFull");
  expect(await write(cluster, { kind: "delete", family: "default", key: bytes("a") })).toBe("written");
  expect(await write(cluster, { kind: "deleteRange", family: "default", start: bytes("a"), end: bytes("z") })).toBe("written");
  const last = cluster.machines[2] as Machine;
  assert(last.store !== null, "it runs");
  last.store.hasRoom = false;
  const { peer } = leading(cluster);
  cluster.quietly(store.changePeers(peer.regionId, [{ kind: "addLearner", peerId: cluster.pd.nextId(), storeId: last.storeId }]));
  await cluster.sim.pass(3_000);
  expect([store, last.store].map(({ storeId }) => cluster.pd.stores.get(storeId)?.isBusy)).toEqual([true, true]); // no more leaders, please
  expect(last.store.peers.get(peer.regionId)?.isInitialized).toBe(false);
  last.store.hasRoom = true;
  store.hasRoom = true;
  await cluster.until("its snapshot comes", () => last.store?.peers.get(peer.regionId)?.isInitialized === true);
  expect(await write(cluster, put("b"))).toBe("written");
  await cluster.settle(0);
});

test("a disk that is full in the midst of a snapshot: it is refused, nothing of it stays, and it comes again", async () => {
  const cluster = new StoreCluster({ seed: 2, stores: 3, options: { hibernate: false } });
  await cluster.start(2);
  for (let i = 0; i < 40; i++) expect(await write(cluster, put(`k${i}`, 200))).toBe("written");
  const last = cluster.machines[2] as Machine;
  const { disk } = cluster.sim.node(last.name);
  const { totalBytes, availableBytes } = await disk.freeSpace();
  const { store, peer } = leading(cluster);
  let partly = false;
  const send = store.transport.sendSnapshot.bind(store.transport);
  Object.assign(store.transport, {
    sendSnapshot: async (to: number, header: Uint8Array, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal) => {
      // Some chunks fit; the log's own files are there already.
      const { availableBytes: left } = await disk.freeSpace();
      if (!partly) disk.faults = { capacityBytes: totalBytes - left + 1_500 };
      partly = true;
      await send(to, header, chunks, signal);
    },
  });
  cluster.quietly(store.changePeers(peer.regionId, [{ kind: "addLearner", peerId: cluster.pd.nextId(), storeId: last.storeId }]));
  await cluster.until("it begins", () => partly);
  await cluster.sim.pass(2_000);
  cluster.throwFailures();
  expect(last.store?.peers.get(peer.regionId)?.isInitialized).toBe(false);
  expect(await disk.list("/data/snap")).toEqual([]);
  disk.faults = {};
  expect(availableBytes).toBeGreaterThan(0);
  await cluster.until("it comes again", () => last.store?.peers.get(peer.regionId)?.isInitialized === true);
  await cluster.settle(0);
});
