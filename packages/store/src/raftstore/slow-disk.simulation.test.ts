/** What may come in between while a disk is slow. */
import type { World } from "@skein/base";
import { describe, expect, test } from "vitest";
import type { Engine } from "../engine/engine.ts";
import { decodeRegionState, type Envelope, regionStateKey } from "./core/codec.ts";
import type { Region } from "./core/region.ts";
import type { RaftStoreOptions } from "./options.ts";
import { StoreCluster } from "./testing/cluster.ts";

/** How long writes of the engine and syncs of the log take: virtual ms. */
class Slowness {
  engineMs = 0;
  logMs = 0;
  /** More for the removal of a whole family. */
  clearAllMs = 0;
  /** For the removal of a family's first part. */
  clearHeadMs = 0;
  sleep: (ms: number) => Promise<void> = () => Promise.resolve();

  readonly engine = (engine: Engine): Engine => {
    const late =
      <Args extends readonly unknown[]>(run: (...args: Args) => Promise<void>) =>
      async (...args: Args) => {
        if (this.engineMs > 0) await this.sleep(this.engineMs);
        await run(...args);
      };
    const clear: Engine["clear"] = async (family, range) => {
      if (range.start.length === 0 && range.end.length === 0 && this.clearAllMs > 0) await this.sleep(this.clearAllMs);
      if (range.start.length === 0 && range.end.length > 0 && this.clearHeadMs > 0) await this.sleep(this.clearHeadMs);
      await engine.clear(family, range);
    };
    return bound(engine, { write: late(engine.write.bind(engine)), clear: late(clear) });
  };
  readonly world = (world: World): World => {
    const open: World["disk"]["open"] = async (path, options) => {
      const file = await world.disk.open(path, options);
      return bound(file, {
        sync: async () => {
          if (this.logMs > 0) await this.sleep(this.logMs);
          await file.sync();
        },
      });
    };
    // Who waits turn by turn lets time pass.
    const clock = bound(world.clock, { afterTurn: (run: () => void) => void world.clock.timer(1, run) });
    return { ...world, clock, disk: bound(world.disk, { open }) };
  };
}

function bound<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get: (_target, key) => {
      const member = replaced[key as keyof T] ?? target[key as keyof T];
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}

async function started(
  seed: number,
  options: Partial<RaftStoreOptions> = {},
): Promise<{ cluster: StoreCluster; slow: Slowness; region: number; last: StoreCluster["machines"][number] }> {
  const slow = new Slowness();
  const cluster = new StoreCluster({ seed, stores: 3, options, mutate: { engine: slow.engine, world: slow.world } });
  slow.sleep = (ms) => new Promise((done) => void cluster.sim.clock.schedule(ms, done));
  await cluster.start(3);
  const region = (cluster.pd.firstRegion as Region).id;
  for (let i = 0; i < 4; i++) cluster.client(i, 10);
  await cluster.sim.pass(2_000);
  const last = cluster.machines[2] as (typeof cluster.machines)[number];
  await cluster.until("another store leads", () => {
    const leader = cluster.leader(region);
    if (leader === null || leader.store.storeId !== last.storeId) return leader !== null;
    leader.store.transferLeader(region, leader.peer.region.peers.find(({ storeId }) => storeId !== last.storeId)?.id ?? 0);
    return false;
  });
  return { cluster, slow, region, last };
}

const peerThere = (cluster: StoreCluster, region: number, storeId: number) =>
  cluster.leader(region)?.peer.region.peers.find((peer) => peer.storeId === storeId);

async function change(cluster: StoreCluster, region: number, storeId: number, isThere: boolean): Promise<void> {
  await cluster.until(isThere ? "a peer is added" : "the peer is removed", () => {
    const leader = cluster.leader(region);
    const there = peerThere(cluster, region, storeId);
    if (leader === null || (there !== undefined) === isThere) return leader !== null;
    if (leader.peer.proposals.size > 0) return false;
    const step =
      there === undefined
        ? ({ kind: "addVoter", peerId: cluster.pd.nextId(), storeId } as const)
        : ({ kind: "remove", peerId: there.id, storeId } as const);
    cluster.quietly(leader.store.changePeers(region, [step]));
    return false;
  });
}

function cutOff(cluster: StoreCluster, storeId: number): void {
  for (const other of cluster.machines) if (other.storeId !== storeId) cluster.messages.cut(storeId, other.storeId);
}

test("a store that is behind makes the regions of splits itself: nobody sends it snapshots of them", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const slow = new Slowness();
    let stores = 0;
    const cluster = new StoreCluster({
      seed,
      stores: 3,
      mutate: { engine: (engine) => (++stores === 3 ? slow.engine(engine) : engine) },
    });
    slow.sleep = (ms) => new Promise((done) => void cluster.sim.clock.schedule(ms, done));
    await cluster.start(3);
    const { id } = cluster.pd.firstRegion as Region;
    await cluster.until("somebody leads", () => cluster.leader(id) !== null);
    let snapshots = 0;
    for (const { store } of cluster.up) {
      const { transport } = store;
      const send = transport.sendSnapshot.bind(transport);
      transport.sendSnapshot = (...args) => (snapshots++, send(...args));
    }
    cluster.messages.faults.delayMsMax = 0; // in the order in which they were sent, as connections have it
    slow.engineMs = 700;
    const { store } = cluster.leader(id) as NonNullable<ReturnType<typeof cluster.leader>>;
    for (let i = 0; i < 5; i++) {
      const keys = Array.from({ length: 4 }, (_, at) => new TextEncoder().encode(`k${i * 4 + at + 100}`));
      await cluster.sim.complete(store.split(id, keys));
    }
    const regions = [...store.peers.keys()];
    expect(regions).toHaveLength(21);
    await cluster.until("all have three replicas", () =>
      regions.every((each) => cluster.leader(each) !== null && cluster.peersOf(each).filter((peer) => peer.isInitialized).length === 3),
    );
    const isEqual = (each: number) => new Set(cluster.peersOf(each).map(({ applied }) => applied)).size === 1;
    await cluster.until("they are equal", () => regions.every(isEqual));
    expect(snapshots).toBe(0);
  }
});

describe("a replica that goes while its store is slow", () => {
  test("makes place for its successor", async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const { cluster, slow, region, last } = await started(seed);
      cutOff(cluster, last.storeId);
      await change(cluster, region, last.storeId, false);
      await change(cluster, region, last.storeId, true);
      slow.engineMs = 400;
      cluster.messages.heal();
      await cluster.sim.pass(5_000);
      slow.engineMs = 0;
      await cluster.settle(10);
    }
  });

  test("S5: stays gone, although a snapshot is being put in its place", async () => {
    const { cluster, slow, region, last } = await started(5);
    cutOff(cluster, last.storeId);
    await change(cluster, region, last.storeId, false);
    await cluster.sim.pass(3_000);
    cluster.messages.heal();
    await cluster.until("the replica is gone", () => last.store?.peers.has(region) === false);
    await cluster.sim.pass(1_000);
    slow.engineMs = 200;
    await change(cluster, region, last.storeId, true);
    await cluster.until("a snapshot is put in place", () => last.store?.peers.get(region)?.isInstalling === true);
    const peer = last.store?.peers.get(region);
    const store = last.store as NonNullable<typeof last.store>;
    const { id } = peerThere(cluster, region, last.storeId) as { id: number };
    const destroyed = store.destroy(peer as NonNullable<typeof peer>, null);
    await cluster.sim.complete(destroyed);
    await cluster.sim.pass(5_000);
    slow.engineMs = 0;
    const bytes = store.engine.get("local", regionStateKey(region));
    expect(decodeRegionState(bytes as Uint8Array)).toMatchObject({ kind: "tombstone", peerId: id });
    for await (const block of store.engine.scan("default", { start: new Uint8Array(0), end: new Uint8Array(0) })) expect(block).toEqual([]);
    await change(cluster, region, last.storeId, false);
    await change(cluster, region, last.storeId, true);
    await cluster.settle(10);
  });

  test("S2: and dies before its log is gone: what is left of it is no successor's", async () => {
    const { cluster, slow, region, last } = await started(6);
    cutOff(cluster, last.storeId);
    await change(cluster, region, last.storeId, false);
    slow.logMs = 1_000;
    cluster.messages.heal();
    const store = last.store as NonNullable<typeof last.store>;
    await cluster.until("it is a tombstone", () => {
      const bytes = store.engine.get("local", regionStateKey(region));
      return bytes !== null && decodeRegionState(bytes).kind === "tombstone";
    });
    expect(store.log.log(region)).toBeDefined();
    slow.logMs = 0;
    cluster.crash(last);
    await cluster.boot(last);
    await change(cluster, region, last.storeId, true);
    await cluster.settle(10);
  });
});

test("S10: what a replica gives up to a split while it is replaced is cleared before its next owner comes", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const { cluster, slow, region, last } = await started(seed, { logGcCountMax: 30 });
    cutOff(cluster, last.storeId);
    await cluster.until("the region splits", () => {
      const leader = cluster.leader(region);
      if (leader === null || leader.peer.region.version > 1) return leader !== null;
      if (leader.peer.proposals.size === 0) cluster.quietly(leader.store.split(region, [new TextEncoder().encode("k005")]));
      return false;
    });
    await cluster.until("its log is compacted", () => {
      const leader = cluster.leader(region);
      for (const other of cluster.cover() ?? []) if (other.peer.truncated.index < 20) return false;
      return leader !== null && leader.peer.truncated.index > (last.store?.peers.get(region)?.raft.lastIndex ?? 0);
    });
    cluster.isOver = true; // what is written later would hide what is lost
    slow.clearAllMs = 500 * seed;
    cluster.messages.heal();
    await cluster.sim.pass(8_000);
    slow.clearAllMs = 0;
    await cluster.settle(10);
  }
});

test("S10: what a removed replica had is cleared before a region that has taken its own in comes in its place", async () => {
  const { cluster, slow, region, last } = await started(3);
  const key = new TextEncoder().encode("k005");
  const leads = (id: number) => cluster.leader(id)?.peer;
  const store = last.store as NonNullable<typeof last.store>;
  await cluster.until("the region splits", () => {
    const leader = cluster.leader(region);
    if (leader === null || leader.peer.region.version > 1) return leader !== null && (cluster.cover()?.length ?? 0) > 1;
    if (leader.peer.proposals.size === 0) cluster.quietly(leader.store.split(region, [key]));
    return false;
  });
  const head = cluster.cover()?.[0]?.peer.regionId as number;
  await cluster.until("the third store has made the new region", () => store.peers.get(head)?.isInitialized === true);
  cluster.isOver = true; // what is written later would hide what is lost
  for (const id of [head, region])
    await cluster.until("another store leads", () => {
      const leader = cluster.leader(id);
      if (leader?.store !== store) return leader !== null;
      leader.store.transferLeader(id, leader.peer.region.peers.find(({ storeId }) => storeId !== last.storeId)?.id ?? 0);
      return false;
    });
  slow.clearHeadMs = 6_000;
  for (const id of [head, region]) await change(cluster, id, last.storeId, false);
  await cluster.until("both are gone there", () => store.peers.size === 0);
  await cluster.until("the one is taken in by the other", () => {
    const source = cluster.leader(head);
    const target = leads(region)?.region;
    if (target?.startKey.length === 0) return true;
    if (source !== null && target !== undefined && source.peer.kind === "normal" && source.peer.proposals.size === 0)
      cluster.quietly(source.store.merge(head, target));
    return false;
  });
  await change(cluster, region, last.storeId, true);
  await cluster.sim.pass(20_000);
  slow.clearHeadMs = 0;
  await cluster.settle(10);
});

test("S4: a leader whose own disk is behind its followers' applies nothing that a crash could take from its log", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    /** Of each store, in the order in which they start: syncs of the log wait for it. */
    const gates: Promise<void>[] = [];
    let opened = 0;
    const world = (plain: World): World => {
      const at = opened++;
      const open: World["disk"]["open"] = async (path, options) => {
        const file = await plain.disk.open(path, options);
        return bound(file, {
          sync: async () => {
            await gates[at];
            await file.sync();
          },
        });
      };
      return { ...plain, disk: bound(plain.disk, { open }) };
    };
    const cluster = new StoreCluster({ seed, stores: 3, options: { hibernate: false }, mutate: { world } });
    await cluster.start(3);
    const region = (cluster.pd.firstRegion as Region).id;
    await cluster.until("somebody leads", () => cluster.leader(region)?.peer.hasAppliedOwnTerm === true);
    const { store, peer } = cluster.leader(region) as NonNullable<ReturnType<typeof cluster.leader>>;
    const at = cluster.machines.findIndex((machine) => machine.store === store);
    gates[at] = new Promise(() => {});
    const { id, confVer, version } = peer.region;
    const context = { regionId: id, confVer, version, peerId: 0, storeId: 0, replicaRead: false };
    const key = new TextEncoder().encode("x");
    store.write(context, peer.raft.term, [{ kind: "put", family: "default", key, value: key }]).catch(() => {});
    await cluster.until("the followers have it", () => peer.raft.committed > peer.log.lastIndex);
    await cluster.sim.pass(200);
    expect(peer.applied).toBeLessThanOrEqual(peer.log.lastIndex);
    const machine = cluster.machines[at] as (typeof cluster.machines)[number];
    cluster.crash(machine, "kill");
    await cluster.boot(machine);
    await cluster.settle(4);
  }
});

test("S1: a new replica answers its leader when its first term is durable: a lease may rest on the answer", async () => {
  const { cluster, slow, region, last } = await started(7);
  cutOff(cluster, last.storeId);
  await change(cluster, region, last.storeId, false);
  cluster.messages.heal();
  const store = last.store as NonNullable<typeof last.store>;
  await cluster.until("the replica is gone, and its log", () => !store.peers.has(region) && store.log.log(region) === undefined);
  slow.logMs = 60;
  let answers = 0;
  for (const { transport } of cluster.up.map((up) => up.store)) {
    const send = transport.send.bind(transport);
    Object.assign(transport, {
      send: (envelope: Envelope) => {
        const { content, from, to } = envelope;
        // What the leader sends first may be lost; its heartbeats come again and again.
        if (answers === 0 && content.kind === "raft" && content.body.kind === "append" && to.storeId === last.storeId) return;
        if (content.kind === "raft" && content.body.kind === "heartbeatAnswer" && from.storeId === last.storeId) answers++;
        send(envelope);
      },
    });
  }
  await change(cluster, region, last.storeId, true);
  await cluster.until("it has answered", () => answers > 0);
  slow.logMs = 0;
  cluster.crash(last);
  await cluster.boot(last);
  // It knows that it may have promised something, and votes for nobody at first.
  expect(last.store?.log.log(region)?.hardState.term ?? 0).toBeGreaterThan(0);
  await cluster.settle(10);
});

describe("storms in which disks are slow", () => {
  const harm = { split: 0.1, member: 0.3, merge: 0.1, transfer: 0.1, partition: 0.02 };
  test.each([...[1, 2, 3, 4, 5, 6].map((seed) => ({ seed, crash: 0 })), ...[14, 15, 16, 17].map((seed) => ({ seed, crash: 0.08 }))])(
    "seed $seed, crashes $crash",
    async ({ seed, crash }) => {
      const slow = new Slowness();
      const cluster = new StoreCluster({ seed, stores: 4, mutate: { engine: slow.engine, world: slow.world } });
      slow.sleep = (ms) => new Promise((done) => void cluster.sim.clock.schedule(ms, done));
      slow.engineMs = 1 + (seed % 3) * 10;
      slow.logMs = 1 + (seed % 2) * 5;
      await cluster.start(3);
      cluster.messages.faults = { loss: 0.02, duplication: 0.03, delayMsMax: 15 };
      for (let i = 0; i < 4; i++) cluster.client(i, 8);
      for (let round = 0; round < 150; round++) {
        await cluster.sim.pass(50);
        cluster.throwFailures();
        cluster.harm({ ...harm, crash });
      }
      await cluster.settle(8);
    },
  );
});
