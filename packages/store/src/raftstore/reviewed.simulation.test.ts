/** Single histories, of what storms seldom bring about. */
import { pdClientErrors } from "@skein/placement/client";
import { expect, test } from "vitest";
import { RegionError } from "../region-kv.ts";
import type { Envelope } from "./core/codec.ts";
import type { Region } from "./core/region.ts";
import { StoreCluster } from "./testing/cluster.ts";
import type { StoreTransport } from "./transport.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const contextOf = ({ id, confVer, version }: Region, replicaRead = false) => ({
  regionId: id,
  confVer,
  version,
  peerId: 0,
  storeId: 0,
  replicaRead,
});
const region = (cluster: StoreCluster) => (cluster.pd.firstRegion as Region).id;

async function write(cluster: StoreCluster, value: string): Promise<void> {
  await cluster.until("somebody leads", () => cluster.leader(region(cluster))?.peer.hasAppliedOwnTerm === true);
  const leader = cluster.leader(region(cluster)) as NonNullable<ReturnType<typeof cluster.leader>>;
  const { term } = leader.peer.raft;
  const put = [{ kind: "put", family: "default", key: bytes("k"), value: bytes(value) }] as const;
  await cluster.sim.complete(leader.store.write(contextOf(leader.peer.region), term, put));
}

test("R6: an answer to an earlier life of a replica answers none of its reads", async () => {
  const cluster = new StoreCluster({ seed: 1, stores: 3, options: { hibernate: false } });
  await cluster.start(3);
  await write(cluster, "old");
  await cluster.sim.pass(1_000);
  const leader = cluster.leader(region(cluster));
  const machine = cluster.machines.find(({ store }) => store !== leader?.store) as (typeof cluster.machines)[number];
  const ask = () => {
    const peer = machine.store?.peers.get(region(cluster));
    return (machine.store as NonNullable<typeof machine.store>)
      .snapshot(contextOf(peer?.region as Region, true))
      .then((snapshot) => new TextDecoder().decode(snapshot.reader.get("default", bytes("k")) ?? new Uint8Array(0)));
  };
  const transport = leader?.store.transport as StoreTransport;
  const send = transport.send.bind(transport);
  const held: Envelope[] = [];
  let isHolding = true;
  Object.assign(transport, {
    send: (envelope: Envelope) => {
      const { content } = envelope;
      if (isHolding && content.kind === "raft" && content.body.kind === "readIndexAnswer") held.push(envelope);
      else send(envelope);
    },
  });
  ask().catch(() => {});
  await cluster.until("the answer is on its way", () => held.length > 0);
  cluster.crash(machine, "kill");
  await cluster.boot(machine);
  await cluster.until("it knows its leader", () => (machine.store?.peers.get(region(cluster))?.raft.leader ?? 0) !== 0);
  const alone = cluster.machines.map(({ storeId }) => storeId).find((id) => id !== machine.storeId && id !== leader?.store.storeId) ?? 0;
  cluster.messages.cut(leader?.store.storeId ?? 0, machine.storeId);
  cluster.messages.cut(alone, machine.storeId);
  await write(cluster, "new");
  const answer = ask().catch((error: unknown) => (error instanceof RegionError ? "refused" : String(error)));
  await cluster.sim.pass(1);
  cluster.messages.heal();
  isHolding = false;
  for (const envelope of held) send(envelope);
  expect(["new", "refused"]).toContain(await cluster.sim.complete(answer));
});

test("a first region stays when the placement driver took it and then lost sight of it", async () => {
  const cluster = new StoreCluster({ seed: 2, stores: 1 });
  const { pd } = cluster;
  const link = pd.link.bind(pd);
  let isLost = true;
  pd.link = () => {
    const plain = link();
    return {
      ...plain,
      bootstrap: async (storeId, first) => {
        await plain.bootstrap(storeId, first);
        pd.addresses.set(storeId, "a store"); // of the same transaction
        throw new Error("the placement driver has gone");
      },
      regionById: async (id) => (isLost ? null : plain.regionById(id)),
    };
  };
  const machine = cluster.machines[0] as (typeof cluster.machines)[number];
  await expect(cluster.boot(machine)).rejects.toThrow("has gone");
  cluster.crash(machine, "kill");
  await cluster.boot(machine);
  isLost = false;
  await cluster.until("it leads its region", () => cluster.leader(region(cluster)) !== null);
});

test("a store whose bootstrap came second waits until the placement driver serves the first", async () => {
  const cluster = new StoreCluster({ seed: 2, stores: 1 });
  const { pd } = cluster;
  const link = pd.link.bind(pd);
  let refusals = 3;
  pd.link = () => ({
    ...link(),
    bootstrap: async () => false,
    regionById: async () => {
      if (refusals-- > 0) throw pdClientErrors.notBootstrapped(["a region"]);
      return null;
    },
  });
  const machine = cluster.machines[0] as (typeof cluster.machines)[number];
  await cluster.boot(machine);
  expect(refusals).toBe(-1);
  expect(machine.store?.peers.size).toBe(0);
});

test("a change that leaves a dead voter as half of the majority is refused", async () => {
  const cluster = new StoreCluster({ seed: 3, stores: 3, options: { hibernate: false } });
  await cluster.start(3);
  await write(cluster, "old");
  const leader = cluster.leader(region(cluster)) as NonNullable<ReturnType<typeof cluster.leader>>;
  const [dead, alive] = cluster.machines.filter(({ store }) => store !== leader.store) as [
    (typeof cluster.machines)[number],
    (typeof cluster.machines)[number],
  ];
  const { storeId } = dead;
  cluster.crash(dead);
  await cluster.sim.pass(3_000);
  const peer = leader.peer.region.peers.find((each) => each.storeId === alive.storeId) as { id: number };
  const change = leader.store.changePeers(region(cluster), [{ kind: "remove", peerId: peer.id, storeId: alive.storeId }]);
  await expect(cluster.sim.complete(change)).rejects.toMatchObject({ reason: { kind: "staleCommand" } });
  const other = leader.peer.region.peers.find((each) => each.storeId === storeId) as { id: number };
  await cluster.sim.complete(leader.store.changePeers(region(cluster), [{ kind: "remove", peerId: other.id, storeId }]));
  await write(cluster, "new");
});

test("a replica that was removed while it was cut off hears it from the members that it asks, without the placement driver", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const cluster = new StoreCluster({ seed, stores: 3 });
    await cluster.start(3);
    await write(cluster, "old");
    const leader = cluster.leader(region(cluster)) as NonNullable<ReturnType<typeof cluster.leader>>;
    const machine = cluster.machines.find(({ store }) => store !== leader.store) as (typeof cluster.machines)[number];
    const { storeId } = machine;
    for (const other of cluster.machines) if (other !== machine) cluster.messages.cut(storeId, other.storeId);
    const there = leader.peer.region.peers.find((peer) => peer.storeId === storeId) as { id: number };
    await cluster.sim.complete(leader.store.changePeers(region(cluster), [{ kind: "remove", peerId: there.id, storeId }]));
    cluster.pd.isDown = true;
    cluster.messages.heal();
    await cluster.until("it is gone", () => machine.store?.peers.size === 0, 6_000);
    cluster.pd.isDown = false;
    await write(cluster, "new");
  }
});

test("S7: a write that was proposed behind a split has no effect: its key may be another region's by then", async () => {
  const cluster = new StoreCluster({ seed: 4, stores: 3, options: { hibernate: false } });
  await cluster.start(3);
  await write(cluster, "old");
  const { store, peer } = cluster.leader(region(cluster)) as NonNullable<ReturnType<typeof cluster.leader>>;
  const others = cluster.machines.filter((machine) => machine.store !== store);
  // Nothing is committed meanwhile.
  for (const { storeId } of others) cluster.messages.cut(store.storeId, storeId);
  const before = contextOf(peer.region);
  cluster.quietly(store.split(peer.regionId, [bytes("m")]));
  await cluster.until("the split is proposed", () => peer.leaseBlockedTo > peer.applied);
  const late = store.write(before, peer.raft.term, [{ kind: "put", family: "default", key: bytes("k"), value: bytes("late") }]);
  const outcome = late.then(
    () => "done",
    (error: unknown) => (error instanceof RegionError ? error.reason.kind : String(error)),
  );
  await cluster.until("it is behind the split", () => peer.raft.lastIndex > peer.leaseBlockedTo);
  cluster.messages.heal();
  expect(await cluster.sim.complete(outcome)).toBe("epochNotMatch");
  await cluster.sim.pass(2_000);
  for (const up of cluster.up) expect(up.store.engine.get("default", bytes("k"))).toEqual(bytes("old"));
});

test("M2: a source that waits to be taken in serves no reads and takes no writes, also by its newest epoch", async () => {
  const cluster = new StoreCluster({ seed: 5, stores: 3, options: { hibernate: false } });
  await cluster.start(3);
  await write(cluster, "old");
  const first = cluster.leader(region(cluster)) as NonNullable<ReturnType<typeof cluster.leader>>;
  await cluster.sim.complete(first.store.split(first.peer.regionId, [bytes("m")]));
  await cluster.until("both parts have leaders", () => (cluster.cover()?.length ?? 0) === 2);
  await cluster.sim.pass(2_000);
  const [source, target] = cluster.cover() as [
    NonNullable<ReturnType<typeof cluster.leader>>,
    NonNullable<ReturnType<typeof cluster.leader>>,
  ];
  await cluster.sim.complete(source.store.merge(source.peer.regionId, target.peer.region));
  expect(source.peer.kind).toBe("merging");
  const refusal = (work: Promise<unknown>) =>
    work.then(
      () => "done",
      (error: unknown) => (error instanceof RegionError ? error.reason.kind : String(error)),
    );
  const context = contextOf(source.peer.region);
  const put = [{ kind: "put", family: "default", key: bytes("k"), value: bytes("late") }] as const;
  const outcomes = Promise.all([refusal(source.store.write(context, source.peer.raft.term, put)), refusal(source.store.snapshot(context))]);
  expect(await cluster.sim.complete(outcomes)).toEqual(["proposalInMergingMode", "proposalInMergingMode"]);
});
