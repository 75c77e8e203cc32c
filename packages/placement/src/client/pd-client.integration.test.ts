import { nodeWorld } from "@skein/base";
import { createServer, implement } from "@skein/rpc";
import { afterEach, describe, expect, test } from "vitest";
import type { RegionMeta, StoreMeta } from "../core/model.ts";
import { pdpb } from "../wire/index.ts";
import { pdClientErrors } from "./errors.ts";
import { createPdClient, type PdClient, type PdClientOptions } from "./pd-client.ts";
import { type MemoryPd, type MemoryPdOptions, startMemoryPd } from "./testing/memory-pd.ts";

const world = nodeWorld();
const open: (() => PromiseLike<void> | void)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function start(options: MemoryPdOptions = {}, client: Partial<PdClientOptions> = {}): Promise<{ pd: MemoryPd; client: PdClient }> {
  const pd = await startMemoryPd(world, options);
  open.push(() => pd[Symbol.asyncDispose]());
  const created = createPdClient(world, { endpoints: pd.endpoints, ...client });
  open.push(() => created.close());
  return { pd, client: created };
}

const key = (text: string) => new TextEncoder().encode(text);
const voter = (id: number, storeId: number) => ({ id, storeId, role: "voter" as const, isWitness: false });
const store: StoreMeta = {
  id: 1,
  address: "127.0.0.1:20160",
  peerAddress: "127.0.0.1:20161",
  statusAddress: "127.0.0.1:20180",
  state: "up",
  nodeState: "serving",
  labels: [{ key: "zone", value: "east" }],
  version: "7.5.6",
  gitHash: "abc",
  deployPath: "/tmp",
  startTimestampS: 1_700_000_000,
  lastHeartbeatMs: 1_700_000_000_123,
  isPhysicallyDestroyed: false,
};
const region = (id: number, startKey: string, endKey: string): RegionMeta => ({
  id,
  startKey: key(startKey),
  endKey: key(endKey),
  epoch: { confVer: 1, version: 1 },
  peers: [voter(id + 1, 1), { ...voter(id + 2, 2), role: "learner" }],
});
const two = [region(10, "", "m"), region(20, "m", "")].map((meta) => ({ meta, leader: meta.peers[0] ?? null }));

describe("timestamps", () => {
  test("callers of one turn share a request, and none is given twice", async () => {
    const { pd, client } = await start();
    const first = await client.tso();
    const given = await Promise.all(Array.from({ length: 1000 }, () => client.tso()));
    const pack = await client.tso(10);
    const last = await client.tso();
    expect(new Set(given).size).toBe(1000);
    expect(given.every((timestamp, at) => timestamp > (given[at - 1] ?? first))).toBe(true);
    expect(last).toBeGreaterThanOrEqual(pack + 10n);
    expect(pd.counts.tsoRequests).toBeLessThan(10);
    expect(pd.counts.timestamps).toBe(1012);
  });

  test("go on when the leader changes, and grow all along", async () => {
    const { pd, client } = await start({ members: 3 });
    let before = await client.tso();
    for (const member of [1, 2, 0]) {
      pd.lead(member);
      for (let i = 0; i < 20; i++) {
        const timestamp = await client.tso();
        expect(timestamp > before).toBe(true);
        before = timestamp;
      }
    }
  });

  test("a driver that hangs is left", async () => {
    let isHung = false;
    let asked = 0;
    const one = await createServer(world, {
      host: "127.0.0.1",
      port: 0,
      services: [
        implement(pdpb.pd, {
          GetMembers: () => ({ header: { cluster_id: 1n }, leader: { client_urls: [`http://127.0.0.1:${one.port}`] } }),
          Tso: (call) => ({
            message: ({ count }) => {
              asked++;
              if (!isHung) call.send({ count, timestamp: { physical: asked, logical: count } });
            },
          }),
        }),
      ],
    });
    open.push(() => one.close());
    const client = createPdClient(world, { endpoints: [`127.0.0.1:${one.port}`], deadlineMs: 100 });
    open.push(() => client.close());
    const first = await client.tso();
    isHung = true;
    const second = client.tso();
    await expect.poll(() => asked).toBe(2);
    isHung = false;
    expect(await second).toBeGreaterThan(first);
    expect(asked).toBe(3);
  });

  test("a driver that answers something else is no reason to crash", async () => {
    const bad = await createServer(world, {
      host: "127.0.0.1",
      port: 0,
      services: [
        implement(pdpb.pd, {
          GetMembers: () => ({ header: { cluster_id: 1n }, leader: { client_urls: [`http://127.0.0.1:${bad.port}`] } }),
          Tso: (call) => ({ message: (request) => void call.send({ count: request.count + 1 }) }),
        }),
      ],
    });
    open.push(() => bad.close());
    const client = createPdClient(world, { endpoints: [`127.0.0.1:${bad.port}`] });
    const waiting = client.tso();
    await client.clusterId();
    client.close();
    await expect(waiting).rejects.toMatchObject({ code: pdClientErrors.closed.code });
  });
});

describe("the leader", () => {
  test("is found from any member, and followed", async () => {
    const { pd, client } = await start({ members: 3, stores: [store] });
    expect(await client.clusterId()).toBe(pd.clusterId);
    expect(await client.allocId()).toBe(1001);
    pd.lead(2);
    expect(await client.allocId()).toBe(1002);
    await pd.stop(0);
    pd.lead(1);
    expect(await client.allocId()).toBe(1003);
  });

  test("calls wait while nobody leads", async () => {
    const { pd, client } = await start({ members: 2 });
    await client.allocId();
    pd.resign();
    const waiting = client.allocId();
    world.clock.timer(100, () => pd.lead(1));
    expect(await waiting).toBe(1002);
  });

  test("calls give up with a code when nobody answers", async () => {
    const { pd, client } = await start({}, { patienceMs: 200 });
    await pd.stop(0);
    await expect(client.allocId()).rejects.toMatchObject({ code: pdClientErrors.unavailable.code });
  });

  test("there must be an endpoint", () => {
    for (const endpoints of [[], [""]])
      expect(() => createPdClient(world, { endpoints })).toThrow(expect.objectContaining({ code: pdClientErrors.noEndpoints.code }));
  });

  test("an endpoint of another cluster is refused", async () => {
    const other = await startMemoryPd(world, { clusterId: 5n });
    open.push(() => other[Symbol.asyncDispose]());
    const pd = await startMemoryPd(world);
    open.push(() => pd[Symbol.asyncDispose]());
    const client = createPdClient(world, { endpoints: pd.endpoints });
    open.push(() => client.close());
    expect(await client.allocId()).toBe(1001);
    await pd.stop(0);
    const mixed = createPdClient(world, { endpoints: [...pd.endpoints, ...other.endpoints] });
    open.push(() => mixed.close());
    expect(await mixed.clusterId()).toBe(5n);
    await other.stop(0);
    const third = await startMemoryPd(world, { clusterId: 6n, port: Number(other.endpoints[0]?.split(":")[1]) });
    open.push(() => third[Symbol.asyncDispose]());
    await expect(mixed.allocId()).rejects.toMatchObject({ code: pdClientErrors.clusterMismatch.code });
  });
});

test("regions are found by key, by id, before a key, and in a range", async () => {
  const { client } = await start({ regions: () => two, stores: [store] });
  expect((await client.getRegion(key("a")))?.meta).toEqual(region(10, "", "m"));
  expect((await client.getRegion(key("m")))?.leader).toEqual(voter(21, 1));
  expect((await client.getPrevRegion(key("z")))?.meta.id).toBe(10);
  expect(await client.getPrevRegion(key("a"))).toBeNull();
  expect((await client.getRegionById(20))?.meta.id).toBe(20);
  expect(await client.getRegionById(30)).toBeNull();
  expect((await client.scanRegions(key(""), key(""), 0)).map(({ meta }) => meta.id)).toEqual([10, 20]);
  expect((await client.scanRegions(key("n"), key(""), 5)).map(({ meta }) => meta.id)).toEqual([20]);
});

test("the first store bootstraps the cluster, once", async () => {
  const { client } = await start();
  expect(await client.isBootstrapped()).toBe(false);
  expect(await client.bootstrap(store, region(10, "", ""))).toEqual({ isFirst: true, replicationStatus: null });
  expect((await client.bootstrap(store, region(11, "", ""))).isFirst).toBe(false);
  expect(await client.isBootstrapped()).toBe(true);
  await client.putStore({ ...store, id: 2 });
  expect(await client.getStore(1)).toEqual(store);
  expect(await client.getStore(3)).toBeNull();
  expect((await client.getStores()).map(({ id }) => id)).toEqual([1, 2]);
  expect(await client.askBatchSplit(region(10, "", ""), 2)).toHaveLength(2);
  expect(await client.clusterConfig()).toEqual({ maxPeerCount: 3 });
});

test("safe points never go down", async () => {
  const { client } = await start();
  expect(await client.updateGcSafePoint(50n)).toBe(50n);
  expect(await client.updateGcSafePoint(40n)).toBe(50n);
  expect(await client.gcSafePoint()).toBe(50n);
  expect(await client.updateServiceGcSafePoint("br", 60, 30n)).toEqual({ serviceId: "br", ttlS: 60, safePoint: 30n });
  expect(await client.updateServiceGcSafePoint("br", 0, 0n)).toMatchObject({ serviceId: "gc_worker", safePoint: 50n });
  expect(await client.getOperator(10)).toBeNull();
});

test("heartbeats of regions go to whoever leads, and actions come back", async () => {
  const { pd, client } = await start({ members: 2 });
  const actions: pdpb.RegionHeartbeatResponse[] = [];
  let onConnected = () => {};
  let onAction = () => {};
  const next = (run: (resolve: () => void) => void) => new Promise<void>((resolve) => run(resolve));
  const connected = next((resolve) => (onConnected = resolve));
  const stream = client.regionHeartbeats({
    connected: () => onConnected(),
    answer: (response) => {
      actions.push(response);
      onAction();
    },
  });
  open.push(() => stream.close());
  await connected;
  const action = next((resolve) => (onAction = resolve));
  expect(stream.send({ region: { id: 10, peers: [{ id: 11, store_id: 1 }] }, leader: { id: 11, store_id: 1 } })).toBe(true);
  await expect.poll(() => pd.heartbeats.length).toBe(1);
  pd.push({ region_id: 10, transfer_leader: { peer: { id: 12, store_id: 2 } } });
  await action;
  expect(actions[0]).toMatchObject({ region_id: 10, transfer_leader: { peer: { id: 12 } }, change_peer: null });
  const again = next((resolve) => (onConnected = resolve));
  pd.lead(1);
  await again;
  stream.send({ region: { id: 10 }, leader: { id: 11 } });
  await expect.poll(() => pd.heartbeats.length).toBe(2);
});
