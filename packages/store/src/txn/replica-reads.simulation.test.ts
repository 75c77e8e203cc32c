/** Transactions' reads at replicas that do not lead: what they saw is older than what is committed later, as at the leader. */
import { assert } from "@skein/base";
import { expect, test } from "vitest";
import type { Region } from "../raftstore/core/region.ts";
import type { RaftStore } from "../raftstore/raft-store.ts";
import { StoreCluster } from "../raftstore/testing/cluster.ts";
import type { RegionContext } from "../region-kv.ts";
import { kvrpcpb } from "../wire/index.ts";
import { LeaderDetector } from "./deadlock.ts";
import { Transactions } from "./transactions.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const key = bytes("k");
const present = 1000n;

/** Three stores, the first of which leads; `hears` false: the leader does not hear of reads at replicas. */
async function started(seed: number, hears = true) {
  const cluster = new StoreCluster({ seed, stores: 3, options: { hibernate: false } });
  await cluster.start(3);
  const region = cluster.pd.firstRegion as Region;
  const stores = cluster.machines.map(({ store }) => store).filter((store): store is RaftStore => store !== null);
  const [first, second, third] = stores.map((store) => {
    if (!hears) Object.assign(store, { onReplicaRead: () => {} });
    const { clock } = store.world;
    const options = { kv: store, clock, detector: new LeaderDetector({ clock }), timestamp: () => Promise.resolve(10n) };
    return new Transactions({ ...options, signal: new AbortController().signal });
  });
  assert(first !== undefined && second !== undefined && third !== undefined, "three stores run");
  const leader = stores[0];
  await cluster.until("the first leads", () => {
    const now = cluster.leader(region.id);
    const there = now?.peer.region.peers.find(({ storeId }) => storeId === leader?.storeId);
    if (now !== null && now.store !== leader && there !== undefined) now.store.transferLeader(region.id, there.id);
    return now?.store === leader && now?.peer.hasAppliedOwnTerm === true;
  });
  const context = (replicaRead = false): RegionContext => {
    const now = cluster.leader(region.id)?.peer.region ?? region;
    return { regionId: region.id, confVer: now.confVer, version: now.version, peerId: 0, storeId: 0, replicaRead };
  };
  const onePhase = (startTs: bigint, value: string) =>
    first.prewrite(
      kvrpcpb.PrewriteRequest.complete({
        mutations: [{ op: "Put", key, value: bytes(value) }],
        primary_lock: key,
        start_version: startTs,
        lock_ttl: 1000,
        try_one_pc: true,
      }),
      context(),
    );
  const read = async (store: Transactions, version: bigint): Promise<string> => {
    const answer = await store.get(kvrpcpb.GetRequest.complete({ key, version }), context(true));
    if (answer.error !== undefined && answer.error !== null) return "an error";
    return answer.not_found === true ? "nothing" : new TextDecoder().decode(answer.value);
  };
  await cluster.sim.complete(onePhase(20n, "old"));
  return { cluster, leader: leader as RaftStore, first, second, third, onePhase, read };
}

test("what a replica was read at is older than a commit that chooses its time later", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const { cluster, second, third, onePhase, read } = await started(seed);
    const [one, other] = await cluster.sim.complete(Promise.all([read(second, 500n), read(third, present)]));
    expect([one, other]).toEqual(["old", "old"]);
    const commit = await cluster.sim.complete(onePhase(30n, "new"));
    expect(commit.one_pc_commit_ts).toBe(present + 1n);
    expect(await cluster.sim.complete(Promise.all([read(second, 500n), read(third, present), read(third, present + 1n)]))).toEqual([
      "old",
      "old",
      "new",
    ]);
    cluster.throwFailures();
  }
});

test("a commit that chose its time and is not written yet is waited for", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const { cluster, leader, first, second, third, onePhase, read } = await started(seed);
    const write = leader.write.bind(leader);
    const gate = Promise.withResolvers<void>();
    Object.assign(leader, {
      write: async (...request: Parameters<RaftStore["write"]>) => {
        await gate.promise;
        return write(...request);
      },
    });
    const commit = onePhase(30n, "new");
    await cluster.until("its lock is held", () => first.concurrency.heldLocks > 0);
    const reads = [read(second, present), read(second, 400n)];
    let isAnswered = false;
    void Promise.race(reads).then(() => (isAnswered = true));
    // Who asks for an older time is not held up.
    expect(await cluster.sim.complete(read(third, 25n))).toBe("old");
    expect(isAnswered).toBe(false);
    gate.resolve();
    expect((await cluster.sim.complete(commit)).one_pc_commit_ts).toBeLessThan(400n);
    expect(await cluster.sim.complete(Promise.all(reads))).toEqual(["new", "new"]);
    cluster.throwFailures();
  }
});

test("the rule is needed: without it a replica is read twice at one time, and gives two values", async () => {
  const { cluster, second, onePhase, read } = await started(1, false);
  expect(await cluster.sim.complete(read(second, present))).toBe("old");
  await cluster.sim.complete(onePhase(30n, "new"));
  expect(await cluster.sim.complete(read(second, present))).toBe("new");
});
