/** What one store collected must not be read past by another one that has not heard of the safe point. */
import { assert } from "@skein/base";
import { expect, test } from "vitest";
import type { Region } from "../raftstore/core/region.ts";
import type { RaftStore } from "../raftstore/raft-store.ts";
import { StoreCluster } from "../raftstore/testing/cluster.ts";
import type { RegionContext } from "../region-kv.ts";
import { kvrpcpb } from "../wire/index.ts";
import { LeaderDetector } from "./deadlock.ts";
import { Transactions } from "./transactions.ts";

type Machine = StoreCluster["machines"][number];
const bytes = (text: string) => new TextEncoder().encode(text);
const key = bytes("k");
const signal = new AbortController().signal;

/** Two versions of a key, at 10 and 20; `transactions` are those of a store, as they are made when it starts. */
async function started(seed: number, replicas: number) {
  const cluster = new StoreCluster({ seed, stores: 3, options: { hibernate: false } });
  await cluster.start(replicas);
  const region = (cluster.pd.firstRegion as Region).id;
  const made = new Map<RaftStore, Transactions>();
  const transactions = (machine: Machine): Transactions => {
    const { store } = machine;
    assert(store !== null, `${machine.name} runs`);
    const { clock } = store.world;
    const there = made.get(store);
    if (there !== undefined) return there;
    const it = new Transactions({
      kv: store,
      clock,
      detector: new LeaderDetector({ clock }),
      timestamp: () => Promise.resolve(30n),
      signal,
      waitForLockMsMax: 10,
    });
    made.set(store, it);
    return it;
  };
  for (const machine of cluster.machines) transactions(machine);
  const lead = async (machine: Machine): Promise<void> => {
    await cluster.until(`${machine.name} leads`, () => {
      const leader = cluster.leader(region);
      if (leader === null || leader.store.storeId === machine.storeId) return leader?.peer.hasAppliedOwnTerm === true;
      const there = leader.peer.region.peers.find(({ storeId }) => storeId === machine.storeId);
      if (there !== undefined) leader.store.transferLeader(region, there.id);
      return false;
    });
  };
  const context = (): RegionContext => {
    const leader = cluster.leader(region);
    assert(leader !== null, "somebody leads");
    const { confVer, version } = leader.peer.region;
    return { regionId: region, confVer, version, peerId: 0, storeId: 0, replicaRead: false, signal };
  };
  const [first, second] = cluster.machines as [Machine, Machine, Machine];
  await lead(second);
  await lead(first);
  for (const at of [10n, 20n]) {
    const start_version = at - 5n;
    const mutations = [kvrpcpb.Mutation.complete({ op: "Put", key, value: bytes(`v${at}`) })];
    const prewrite = kvrpcpb.PrewriteRequest.complete({ mutations, primary_lock: key, start_version, lock_ttl: 1000 });
    expect((await cluster.sim.complete(transactions(first).prewrite(prewrite, context()))).errors ?? []).toEqual([]);
    const commit = kvrpcpb.CommitRequest.complete({ start_version, keys: [key], commit_version: at });
    expect((await cluster.sim.complete(transactions(first).commit(commit, context()))).error ?? null).toBeNull();
  }
  const read = async (machine: Machine, version: bigint): Promise<string> => {
    const answer = await cluster.sim.complete(transactions(machine).get(kvrpcpb.GetRequest.complete({ key, version }), context()));
    if (answer.error !== undefined && answer.error !== null) return answer.error.abort ?? "another error";
    return answer.not_found === true ? "nothing" : new TextDecoder().decode(answer.value);
  };
  return { cluster, region, transactions, lead, context, read };
}

const tooOld = expect.stringContaining("GC safe point is 25");

test("S12: a store that comes to lead refuses reads below what the last leader collected, also after a crash", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const { cluster, transactions, lead, read } = await started(seed, 3);
    const [first, second] = cluster.machines as [Machine, Machine, Machine];
    expect(await read(first, 15n)).toBe("v10");
    expect(await cluster.sim.complete(transactions(first).gcLed(25n, signal))).toBe(1);
    expect(await read(first, 15n)).toEqual(tooOld);
    await lead(second);
    expect(await read(second, 15n)).toEqual(tooOld);
    expect(await read(second, 25n)).toBe("v20");
    cluster.crash(second, seed % 2 === 0 ? "power" : "kill");
    await cluster.boot(second);
    transactions(second);
    await lead(first);
    await lead(second);
    expect(await read(second, 15n)).toEqual(tooOld);
    cluster.throwFailures();
  }
});

test("S12: a replica that is made of a snapshot knows up to where its data was collected", async () => {
  const { cluster, region, transactions, lead, read } = await started(5, 2);
  const [first, , third] = cluster.machines as [Machine, Machine, Machine];
  await cluster.sim.complete(transactions(first).gcLed(25n, signal));
  const leader = cluster.leader(region);
  cluster.quietly(
    leader?.store.changePeers(region, [{ kind: "addVoter", peerId: cluster.pd.nextId(), storeId: third.storeId }]) ?? Promise.resolve(),
  );
  await cluster.until("it is there", () => third.store?.peers.get(region)?.isInitialized === true);
  await lead(third);
  expect(await read(third, 15n)).toEqual(tooOld);
});

test("S12: a read that waits while its version is collected is refused", async () => {
  const { cluster, region, transactions, context } = await started(6, 3);
  const [first] = cluster.machines as [Machine, Machine, Machine];
  const { store } = first;
  assert(store !== null, "it runs");
  const take = store.snapshot.bind(store);
  const gate = Promise.withResolvers<void>();
  let isHeld = true;
  Object.assign(store, {
    snapshot: async (at: RegionContext) => {
      if (isHeld) {
        isHeld = false;
        await gate.promise;
      }
      return take(at);
    },
  });
  const late = transactions(first).get(kvrpcpb.GetRequest.complete({ key, version: 15n }), context());
  await cluster.sim.complete(transactions(first).gcLed(25n, signal));
  gate.resolve();
  expect((await cluster.sim.complete(late)).error?.abort).toEqual(tooOld);
  expect(cluster.leader(region)).not.toBeNull();
});
