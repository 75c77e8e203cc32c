/** Files of snapshots: what is not used goes, and what was damaged between its arrival and a restart is asked for again. */
import { assert } from "@skein/base";
import { expect, test } from "vitest";
import type { Region } from "./core/region.ts";
import { StoreCluster } from "./testing/cluster.ts";
import type { StoreTransport } from "./transport.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
type Machine = StoreCluster["machines"][number];

/** Two voters and some data; the third store has nothing yet. */
async function started(seed: number): Promise<{ cluster: StoreCluster; region: number; last: Machine }> {
  const cluster = new StoreCluster({ seed, stores: 3, options: { hibernate: false } });
  await cluster.start(2);
  const region = (cluster.pd.firstRegion as Region).id;
  for (let i = 0; i < 20; i++) {
    const leader = cluster.leader(region);
    assert(leader !== null, "somebody leads");
    const { confVer, version } = leader.peer.region;
    const context = { regionId: region, confVer, version, peerId: 0, storeId: 0, replicaRead: false };
    const write = { kind: "put", family: "default", key: bytes(`k${String(i).padStart(3, "0")}`), value: bytes("v".repeat(100)) } as const;
    await cluster.sim.complete(leader.store.write(context, leader.peer.raft.term, [write]));
  }
  return { cluster, region, last: cluster.machines[2] as Machine };
}

function join({ cluster, region, last }: { readonly cluster: StoreCluster; readonly region: number; readonly last: Machine }): void {
  const leader = cluster.leader(region);
  assert(leader !== null, "somebody leads");
  cluster.quietly(leader.store.changePeers(region, [{ kind: "addVoter", peerId: cluster.pd.nextId(), storeId: last.storeId }]));
}

const filesOf = (cluster: StoreCluster, machine: Machine) => cluster.sim.node(machine.name).disk.list("/data/snap");

test("one that comes when another one has taken its place leaves no file behind", async () => {
  const all = await started(1);
  const { cluster, region, last } = all;
  const transport = cluster.leader(region)?.store.transport as StoreTransport;
  const send = transport.sendSnapshot.bind(transport);
  const isThere = Promise.withResolvers<void>();
  let lateOutcome = "";
  Object.assign(transport, {
    sendSnapshot: async (to: number, header: Uint8Array, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal) => {
      const kept: Uint8Array[] = [];
      for await (const chunk of chunks) kept.push(chunk.slice());
      const paced = async function* (end: Promise<void> | null) {
        for (const [index, chunk] of kept.entries()) {
          if (index === kept.length - 1 && end !== null) await end;
          yield chunk;
        }
      };
      const late = send(to, header, paced(isThere.promise), signal);
      late.then(
        () => (lateOutcome = "taken"),
        (error: unknown) => (lateOutcome = String(error)),
      );
      await send(to, header, paced(null), signal);
    },
  });
  join(all);
  await cluster.until("its data is there", () => {
    const peer = last.store?.peers.get(region);
    return peer?.isInitialized === true && !peer.isInstalling;
  });
  isThere.resolve();
  await cluster.until("the late one is refused", () => lateOutcome !== "");
  expect(lateOutcome).toContain("refused");
  expect(await filesOf(cluster, last)).toEqual([]);
  await cluster.settle(0);
});

test("S5: one that is damaged when a restart puts it in place: the store starts, and the replica is made anew", async () => {
  for (const how of ["damaged", "missing"] as const) {
    const all = await started(2);
    const { cluster, region, last } = all;
    assert(last.store !== null, "it runs");
    const { snapshots } = last.store;
    const held = new Promise<never>(() => {});
    Object.assign(snapshots, { ingest: () => held });
    join(all);
    await cluster.until("it is about to be put in place", () => last.store?.peers.get(region)?.isInstalling === true);
    await cluster.sim.pass(500);
    const [name] = await filesOf(cluster, last);
    assert(name !== undefined, "it is on the disk");
    cluster.crash(last, "kill");
    const { disk } = cluster.sim.node(last.name);
    if (how === "damaged") disk.corrupt(`/data/snap/${name}`, 40);
    else await disk.remove(`/data/snap/${name}`);
    await cluster.boot(last);
    await cluster.until("the replica is taken out", () => {
      const leader = cluster.leader(region);
      return leader !== null && !leader.peer.region.peers.some(({ storeId }) => storeId === last.storeId);
    });
    await cluster.until(
      "the placement driver hears of it",
      () => cluster.pd.stores.get(last.storeId)?.damagedRegionIds.includes(region) === true,
    );
    expect(await filesOf(cluster, last)).toEqual([]);
    join(all);
    await cluster.until("a new one is there", () => last.store?.peers.get(region)?.isInitialized === true);
    await cluster.settle(0);
  }
});
