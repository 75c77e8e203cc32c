import { expect, test } from "vitest";
import type { RegionContext } from "../region-kv.ts";
import type { Region } from "./core/region.ts";
import type { RaftStore } from "./raft-store.ts";
import type { ReadLoad } from "./read-load.ts";
import { StoreCluster } from "./testing/cluster.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const all = { start: new Uint8Array(0), end: new Uint8Array(0) };

test("what clients read is told once to the placement driver, by the region's leader and by each store", async () => {
  const cluster = new StoreCluster({ seed: 1, stores: 3 });
  await cluster.start();
  const { id } = cluster.pd.firstRegion as Region;
  for (const key of ["k001", "k002", "k003"]) {
    const before = cluster.acknowledged;
    await cluster.until(`${key} is put`, () => {
      void cluster.put(0, key, "value", cluster.random);
      return cluster.acknowledged > before;
    });
  }
  const leader = cluster.leader(id)?.store as RaftStore;
  const follower = cluster.up.find(({ store }) => store !== leader)?.store as RaftStore;
  const stored = async (store: RaftStore) => {
    const told: ReadLoad = { bytes: 0, keys: 0, gets: 0, scans: 0 };
    const seen = new Set<object>();
    return () => {
      const report = cluster.pd.stores.get(store.storeId);
      if (report === undefined || seen.has(report)) return told;
      seen.add(report);
      expect(report.peerReads).toEqual(report.reads.gets + report.reads.scans === 0 ? [] : [{ regionId: id, ...report.reads }]);
      for (const what of ["bytes", "keys", "gets", "scans"] as const) told[what] += report.reads[what];
      return told;
    };
  };
  const [ofLeader, ofFollower] = [await stored(leader), await stored(follower)];

  const read = async (store: RaftStore, reads: RegionContext["reads"], work: "get" | "miss" | "scan") => {
    const { region } = store.peers.get(id) as NonNullable<ReturnType<typeof store.peers.get>>;
    const context = { regionId: id, confVer: region.confVer, version: region.version, peerId: 0, storeId: 0, replicaRead: true };
    using snapshot = await store.snapshot(reads === undefined ? context : { ...context, reads });
    if (work === "get") expect(snapshot.reader.get("default", bytes("k001"))).not.toBeNull();
    else if (work === "miss") expect(snapshot.reader.get("default", bytes("none"))).toBeNull();
    else for await (const block of snapshot.reader.scan("default", all)) expect(block.length).toBe(3);
  };
  let left = 0;
  const start = (store: RaftStore, reads: RegionContext["reads"], work: "get" | "miss" | "scan") => {
    left++;
    cluster.quietly(read(store, reads, work).then(() => left--));
  };
  for (let i = 0; i < 5; i++) start(leader, "get", "get");
  start(leader, "get", "miss");
  start(leader, "scan", "scan");
  start(leader, undefined, "get"); // what a write reads
  for (let i = 0; i < 2; i++) start(follower, "get", "get");

  const pair = "k001".length + "value".length;
  const led = { bytes: 8 * pair, keys: 8, gets: 6, scans: 1 };
  let ofRegion = 0;
  const regionReports = new Set<object>();
  await cluster.until("all was told", () => {
    const report = cluster.pd.regions.get(id);
    if (report !== undefined && !regionReports.has(report)) {
      regionReports.add(report);
      ofRegion += report.reads.bytes;
    }
    return left === 0 && ofRegion > 0 && ofLeader().gets > 0 && ofFollower().gets > 0;
  });
  const endMs = cluster.sim.clock.nowMs + 5_000;
  await cluster.until("nothing is told twice", () => {
    ofLeader();
    ofFollower();
    const report = cluster.pd.regions.get(id);
    if (report !== undefined && !regionReports.has(report)) {
      regionReports.add(report);
      ofRegion += report.reads.bytes;
    }
    return cluster.sim.clock.nowMs > endMs;
  });
  expect(ofLeader()).toEqual(led);
  expect(ofFollower()).toEqual({ bytes: 2 * pair, keys: 2, gets: 2, scans: 0 });
  expect(ofRegion).toBe(led.bytes);
});
