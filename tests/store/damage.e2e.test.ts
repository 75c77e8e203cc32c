/**
 * Disks that change what they keep, and folders that are mixed up, under real stores: damage is found by checksums, at the start and
 * while the store runs, nothing of it is ever served, and the replicas that it may have touched are made again from their peers.
 */
import { readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nodeWorld, seededRandom } from "@skein/base";
import { httpCall, planTopology, type RegionCluster, type RegionProcess } from "@skein/cli";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type OpenCluster, openCluster } from "../support/region-cluster.ts";

const world = nodeWorld();
const random = seededRandom(72);
const rows = 3_000;
const key = (number: number) => Buffer.from(`row/${String(number).padStart(6, "0")}`);
const value = (number: number) => Buffer.from(`value of row ${number} `.repeat(12));
const healedMs = 90_000;

let opened: OpenCluster;
let cluster: RegionCluster;

beforeAll(async () => {
  opened = await openCluster(world, "damage", {
    topology: planTopology({ pds: 1, stores: 3, labels: [] }),
    network: "loopback",
    // damage is looked for each second while they run, and what it takes is given up when they start
    storeConfig: '[storage]\nrepair-damaged-data = true\ncheck-data-interval = "1s"\n[raftstore]\nrepair-damaged-log = true\n',
    pdConfig: '[schedule]\npatrol-region-interval = "50ms"\n',
  });
  ({ cluster } = opened);
  const { client } = opened;
  for (let at = 0; at < rows; at += 500)
    await client.raw().batchPut(Array.from({ length: 500 }, (_, i) => ({ key: key(at + i), value: value(at + i) })));
  await client.transact(async (transaction) => {
    for (let i = 0; i < 200; i++) transaction.put(Buffer.from(`txn/${i}`), value(i));
  });
  await client.split([key(1_000), key(2_000), Buffer.from("t")]);
  await untilHealed(); // a store that has yet to get its replicas has tables of its own affairs only
}, 120_000);

afterAll(async () => {
  await opened?.[Symbol.asyncDispose]();
});

/** Waits until the process has ended by itself. */
async function untilEnded(store: RegionProcess, ms = 30_000): Promise<void> {
  for (const endMs = world.clock.monotonicMs() + ms; store.state !== "dead"; await world.clock.sleep(50))
    if (world.clock.monotonicMs() > endMs) throw new Error(`${store.name} still runs\n${await cluster.logs()}`);
}

const saidBy = async (store: RegionProcess) =>
  `${await readFile(store.logFile, "utf8").catch(() => "")}${await readFile(join(cluster.folder, `${store.name}.out`), "utf8").catch(() => "")}`;

interface RegionAnswer {
  readonly peers?: readonly { readonly id: number; readonly store_id: number }[];
  readonly leader?: { readonly store_id?: number };
  readonly pending_peers?: readonly unknown[] | null;
  readonly down_peers?: readonly unknown[] | null;
}

const isReady = async ({ statusAddress }: RegionProcess) =>
  (await httpCall(world, statusAddress, "GET", "/ready").catch(() => null))?.status === 200;

const regionsNow = async () =>
  ((await cluster.ask("/pd/api/v1/regions")) as { readonly regions?: readonly RegionAnswer[] } | null)?.regions ?? [];

/** Of the replicas on a store. */
async function peerIdsOn(store: RegionProcess): Promise<Set<number>> {
  const answer = (await cluster.ask("/pd/api/v1/stores")) as { readonly stores: { readonly store: { id: number; address: string } }[] };
  const id = answer.stores.find((each) => each.store.address === store.address)?.store.id;
  return new Set((await regionsNow()).flatMap(({ peers = [] }) => peers.filter((peer) => peer.store_id === id).map((peer) => peer.id)));
}

/** All stores serve, all regions have three whole replicas; of those that a store had before, some were made anew. */
async function untilHealed(made?: { readonly store: RegionProcess; readonly before: ReadonlySet<number> }): Promise<void> {
  const isWhole = ({ peers, leader, pending_peers, down_peers }: RegionAnswer) =>
    peers?.length === 3 && (leader?.store_id ?? 0) > 0 && (pending_peers ?? []).length === 0 && (down_peers ?? []).length === 0;
  for (const endMs = world.clock.monotonicMs() + healedMs; ; await world.clock.sleep(200)) {
    for (const store of cluster.stores)
      if (store.state === "dead") throw new Error(`${store.name} has ended\n${(await saidBy(store)).slice(-2_000)}`);
    const regions = await regionsNow();
    const areReady = (await Promise.all(cluster.stores.map(isReady))).every(Boolean);
    const isQuiet = ((await cluster.ask("/pd/api/v1/operators")) as unknown[] | null)?.length === 0;
    const isMade = made === undefined || [...(await peerIdsOn(made.store))].some((id) => !made.before.has(id));
    if (areReady && isQuiet && isMade && regions.length >= 4 && regions.every(isWhole)) return;
    if (world.clock.monotonicMs() > endMs) throw new Error(`regions are not whole: ${JSON.stringify(regions)}\n${await cluster.logs(40)}`);
  }
}

async function expectRows(): Promise<void> {
  const raw = opened.client.raw({ patienceMs: 30_000 });
  for (let at = 0; at < rows; at += 500) {
    const found = await raw.batchGet(Array.from({ length: 500 }, (_, i) => key(at + i)));
    const wrong = new Map(found.map((pair) => [Buffer.from(pair.key).toString(), Buffer.from(pair.value).toString()]));
    for (let i = at; i < at + 500; i++) {
      if (wrong.get(key(i).toString()) === value(i).toString()) wrong.delete(key(i).toString());
      else throw new Error(`row ${i} is ${wrong.get(key(i).toString()) ?? "gone"}\n${await cluster.logs()}`);
    }
  }
  const snapshot = await opened.client.snapshot();
  for (let i = 0; i < 200; i++) expect(Buffer.from((await snapshot.get(Buffer.from(`txn/${i}`))) ?? "").toString()).toBe(String(value(i)));
}

/** Another one stops, so that each write needs this store's replicas, and it leads here and there. */
async function expectTrusted(store: RegionProcess): Promise<void> {
  const other = cluster.stores.find((each) => each !== store) as RegionProcess;
  await other.kill("SIGKILL");
  await opened.client.raw({ patienceMs: 30_000 }).batchPut([0, 1_500, 2_500].map((i) => ({ key: key(i), value: value(i) })));
  await expectRows();
  await other.start();
  await untilHealed();
}

/** Changes one byte in each of the largest files with this ending, at the place that `placeOf` chooses. */
async function flip(folder: string, pattern: RegExp, placeOf: (length: number) => number, at = 1): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => pattern.test(name));
  const sized = await Promise.all(names.map(async (name) => ({ name, size: (await stat(join(folder, name))).size })));
  const chosen = sized.sort((a, b) => b.size - a.size).slice(0, at);
  for (const { name } of chosen) {
    const bytes = await readFile(join(folder, name));
    const place = placeOf(bytes.length);
    bytes[place] = (bytes[place] as number) ^ 0x10;
    await writeFile(join(folder, name), bytes);
  }
  return chosen.map(({ name }) => name);
}

const engineOf = (store: RegionProcess) => join(store.dataFolder, "db");

/** A restart makes tables of what is in memory. */
async function restart(store: RegionProcess): Promise<void> {
  await store.kill("SIGTERM");
  await store.start();
  await untilHealed();
}

test("a table of a stopped store is damaged: it serves nothing of it, and its replicas come from their peers", {
  timeout: 300_000,
}, async () => {
  const store = cluster.stores[0] as RegionProcess;
  await restart(store);
  const before = await peerIdsOn(store);
  await store.kill("SIGTERM");
  // the first third: data, not what holds for the whole store
  expect(await flip(engineOf(store), /\.ldb$/, (length) => random.below(Math.floor(length / 4)))).toHaveLength(1);
  await store.start();
  await untilHealed({ store, before });
  const said = await saidBy(store);
  expect(said).toContain("the store's data was damaged, replicas are given up");
  await expectRows();
  await expectTrusted(store);
});

test("a table is damaged while its store runs: the store ends with a coded error; started again it is repaired", {
  timeout: 300_000,
}, async () => {
  const store = cluster.stores[1] as RegionProcess;
  await restart(store);
  const before = await peerIdsOn(store);
  await flip(engineOf(store), /\.ldb$/, (length) => random.below(Math.floor(length / 4)));
  await untilEnded(store);
  expect(await saidBy(store)).toMatch(/code=72309.*the store's data is damaged in \S+\.ldb at offset \d+/);
  await expectRows();
  await store.start();
  await untilHealed({ store, before });
  await expectRows();
});

test("the Raft log of a stopped store is damaged: replicas that it may have touched come from their peers", {
  timeout: 300_000,
}, async () => {
  const store = cluster.stores[2] as RegionProcess;
  const before = await peerIdsOn(store);
  await store.kill("SIGKILL");
  const folder = join(store.dataFolder, "raft", "log");
  const [segment = ""] = (await readdir(folder)).filter((name) => name.endsWith(".rlog")).sort();
  const bytes = await readFile(join(folder, segment));
  // within what was written: the rest of a segment is zeros
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  const place = Math.floor(end / 2);
  bytes[place] = (bytes[place] as number) ^ 0x10;
  await writeFile(join(folder, segment), bytes);
  await store.start();
  await untilHealed({ store, before });
  expect(await saidBy(store)).toContain("the Raft log was damaged, replicas are given up");
  await expectRows();
});

test("two stores that were given each other's folders refuse to start", { timeout: 120_000 }, async () => {
  const [first, second] = cluster.stores as [RegionProcess, RegionProcess, RegionProcess];
  for (const store of [first, second]) await store.kill("SIGTERM");
  const swap = async () => {
    await rename(first.dataFolder, `${first.dataFolder}.away`);
    await rename(second.dataFolder, first.dataFolder);
    await rename(`${first.dataFolder}.away`, second.dataFolder);
  };
  await swap();
  await first.start();
  await untilEnded(first);
  expect(await saidBy(first)).toMatch(/duplicated store address|code=72104/);
  await second.start();
  await untilEnded(second);
  expect(await saidBy(second)).toMatch(/duplicated store address|code=72104/);
  await swap();
  for (const store of [first, second]) await store.start();
  await untilHealed();
  await expectRows();
});
