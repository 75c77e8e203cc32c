/** The real scheduling loop over model stores: whatever happens to stores, the cluster comes to rest in a good state and stays there. */
import { Simulation, seeds } from "@skein/sim";
import { afterEach, describe, expect, test } from "vitest";
import { leaderScore, regionScore } from "./core/store-facts.ts";
import { type ModelCluster, startModel } from "./testing/model-cluster.ts";

const score = { version: "v2", highSpaceRatio: 0.7, lowSpaceRatio: 0.8 };
const key = (index: number) => `k${String(index).padStart(5, "0")}`;
const unlimited = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [String(index + 1), { addPeer: 6000, removePeer: 6000 }]));

let model: ModelCluster | null = null;
afterEach(() => model?.stop());

function fill(cluster: ModelCluster, count: number, stores: readonly number[], size: number): void {
  for (let index = 0; index < count; index++)
    cluster.addRegion(index === 0 ? "" : key(index), index === count - 1 ? "" : key(index + 1), stores, size);
}

/** Everything has the peers it should have, on stores that live and stay. */
function isWhole(cluster: ModelCluster): boolean {
  return [...cluster.regions.values()].every(
    ({ meta, pending }) =>
      pending.size === 0 &&
      meta.peers.filter((peer) => peer.role === "voter").length === 3 &&
      meta.peers.length === 3 &&
      meta.peers.every((peer) => cluster.storeView(peer.storeId).meta.state === "up"),
  );
}

const isIdle = (cluster: ModelCluster) => cluster.scheduling.state?.controller.list().length === 0;

async function rest(sim: Simulation, cluster: ModelCluster, timeMaxMs = 3_600_000): Promise<void> {
  // Idle for a while: schedulers look every five seconds at least.
  let since = -1;
  await sim.run({
    timeMaxMs,
    until: () => {
      if (!isIdle(cluster) || !isWhole(cluster)) since = -1;
      else if (since < 0) since = sim.clock.nowMs;
      return since >= 0 && sim.clock.nowMs - since > 20_000;
    },
  });
}

describe("stores join, die and leave", () => {
  test("a new replica has a higher id than those that its region had, also when the region is younger than the last replica", async () => {
    const sim = new Simulation({ seed: 1 });
    model = await startModel(sim, { schedule: { storeLimit: unlimited } });
    for (const id of [1, 2, 3]) model.addStore(id);
    // Ids for some replicas are taken, of which the first region needs one.
    for (const start of ["", key(1)]) {
      const regionId = model.addRegion(start, start === "" ? key(1) : "", [1, 2], 96);
      await rest(sim, model);
      const peers = model.regions.get(regionId)?.meta.peers ?? [];
      expect(peers.find(({ storeId }) => storeId === 3)?.id).toBeGreaterThan(regionId + 2);
    }
  });

  test.each(seeds({ fixed: 3, fresh: 1 }))("leaders and regions are balanced when stores join, and stay so, seed %i", async (seed) => {
    const sim = new Simulation({ seed });
    model = await startModel(sim, { schedule: { storeLimit: unlimited } });
    for (const id of [1, 2, 3]) model.addStore(id);
    fill(model, 60, [1, 2, 3], 96);
    await sim.pass(30_000);
    for (const id of [4, 5, 6]) model.addStore(id);
    await rest(sim, model);
    const stores = [1, 2, 3, 4, 5, 6].map((id) => model?.storeView(id)).filter((store) => store !== undefined);
    const leaders = stores.map((store) => leaderScore(store, "count"));
    const regions = stores.map((store) => regionScore(store, score));
    // Two stores are even when they differ by twice what is tolerated: 5 leaders, a region's size.
    expect(Math.max(...leaders) - Math.min(...leaders)).toBeLessThanOrEqual(10);
    expect(Math.max(...regions) - Math.min(...regions)).toBeLessThanOrEqual(2 * 96 * 1.2);
    // 90 of 180 peers belong elsewhere; balance may cost few more moves than that.
    expect(model.done.moves).toBeLessThanOrEqual(100);
    const before = { ...model.done };
    await sim.pass(600_000);
    expect(model.done).toEqual(before);
  });

  test.each(seeds({ fixed: 3, fresh: 1 }))("a store that is removed is emptied and becomes a tombstone, seed %i", async (seed) => {
    const sim = new Simulation({ seed });
    model = await startModel(sim, { schedule: { storeLimit: unlimited } });
    for (const id of [1, 2, 3, 4, 5]) model.addStore(id);
    fill(model, 40, [1, 2, 3], 50);
    await rest(sim, model);
    model.removeStore(2);
    const drained = () => model?.storeView(2).meta.state === "tombstone";
    await sim.run({ until: drained, timeMaxMs: 1_800_000 });
    await rest(sim, model);
    expect(model.storeView(2).regionCount).toBe(0);
    for (const { meta } of model.regions.values()) expect(meta.peers.map((peer) => peer.storeId)).not.toContain(2);
  });

  test.each(seeds({ fixed: 3, fresh: 1 }))(
    "a store that died is replaced after max-store-down-time, and comes back to no harm, seed %i",
    async (seed) => {
      const sim = new Simulation({ seed });
      model = await startModel(sim, { schedule: { storeLimit: unlimited, maxStoreDownTimeMs: 900_000 } });
      for (const id of [1, 2, 3, 4, 5]) model.addStore(id);
      fill(model, 30, [1, 2, 3], 50);
      await rest(sim, model);
      model.kill(1);
      await sim.pass(890_000);
      const lead = [...model.regions.values()].map(
        ({ meta, leaderPeerId }) => meta.peers.find((peer) => peer.id === leaderPeerId)?.storeId,
      );
      expect(lead).not.toContain(1);
      await sim.run({ until: () => model?.storeView(1).regionCount === 0, timeMaxMs: 1_800_000 });
      await rest(sim, model);
      model.revive(1);
      await rest(sim, model);
      expect(model.storeView(1).regionCount).toBeGreaterThan(10);
    },
  );

  test.each(seeds({ fixed: 10, fresh: 1 }))("any course of events ends whole and at rest, seed %i", async (seed) => {
    const sim = new Simulation({ seed });
    const random = sim.random.fork("events");
    model = await startModel(sim, { schedule: { storeLimit: unlimited, maxStoreDownTimeMs: 660_000 } });
    const cluster = model;
    let storeCount = random.between(4, 6);
    for (let id = 1; id <= storeCount; id++) cluster.addStore(id);
    fill(cluster, random.between(10, 40), [1, 2, 3], random.between(1, 90));
    let down = 0;
    for (let event = 0; event < 12; event++) {
      await sim.pass(random.between(1000, 120_000));
      const up = Array.from({ length: storeCount }, (_, index) => index + 1).filter(
        (id) => cluster.cluster.store(id)?.meta.state === "up" && id !== down,
      );
      const draw = random.below(5);
      if (draw === 0 && storeCount < 9) cluster.addStore(++storeCount);
      else if (draw === 1 && down === 0 && up.length > 4) cluster.kill((down = random.pick(up)));
      else if (draw === 2 && down !== 0) {
        cluster.revive(down);
        down = 0;
      } else if (draw === 3 && up.length > 4) cluster.removeStore(random.pick(up));
      else for (const id of [...cluster.regions.keys()].slice(0, 5)) cluster.setSize(id, random.between(1, 200));
    }
    if (down !== 0) cluster.revive(down);
    await rest(sim, cluster);
    const moves = cluster.done.moves;
    await sim.pass(900_000);
    expect(cluster.done.moves - moves).toBeLessThanOrEqual(2);
    expect(isWhole(cluster)).toBe(true);
  });
});

test("store limits hold: peers arrive no faster than configured", async () => {
  const sim = new Simulation({ seed: 1 });
  model = await startModel(sim);
  for (const id of [1, 2, 3]) model.addStore(id);
  fill(model, 200, [1, 2, 3], 96);
  await sim.pass(10_000);
  model.addStore(4);
  const startMs = sim.clock.nowMs;
  await sim.pass(600_000);
  const minutes = (sim.clock.nowMs - startMs) / 60_000;
  // 15 a minute, and one that a full bucket holds.
  expect(model.done.moves).toBeGreaterThan(minutes * 10);
  expect(model.done.moves).toBeLessThanOrEqual(minutes * 15 + 1);
});

test("small neighbours merge once the interval is over, and not what is hot or on other stores' sides", async () => {
  const sim = new Simulation({ seed: 3 });
  model = await startModel(sim, { schedule: { storeLimit: unlimited, splitMergeIntervalMs: 60_000 } });
  for (const id of [1, 2, 3]) model.addStore(id);
  fill(model, 16, [1, 2, 3], 1);
  await sim.pass(50_000);
  expect(model.done.merges).toBe(0);
  await sim.run({ until: () => model?.regions.size === 1, timeMaxMs: 600_000 });
  expect(model.done.merges).toBe(15);
});

test("regions that nobody has measured are balanced by their count", async () => {
  const sim = new Simulation({ seed: 2 });
  model = await startModel(sim, { schedule: { storeLimit: unlimited, mergeScheduleLimit: 0 } });
  for (const id of [1, 2, 3]) model.addStore(id);
  fill(model, 12, [1, 2, 3], 0);
  await sim.pass(10_000);
  model.addStore(4);
  await rest(sim, model);
  const counts = [1, 2, 3, 4].map((id) => model?.storeView(id).regionCount ?? 0);
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2);
});

test("halted, nothing moves", async () => {
  const sim = new Simulation({ seed: 4 });
  model = await startModel(sim, { schedule: { storeLimit: unlimited, haltScheduling: true } });
  for (const id of [1, 2, 3, 4]) model.addStore(id);
  fill(model, 40, [1, 2, 3], 96);
  model.removeStore(2);
  await sim.pass(300_000);
  expect(model.done).toEqual({ moves: 0, transfers: 0, splits: 0, merges: 0 });
  model.configure({ schedule: { haltScheduling: false } });
  await sim.run({ until: () => model?.storeView(2).meta.state === "tombstone", timeMaxMs: 1_800_000 });
});

test("hot writes are spread by moving leaders and peers", async () => {
  const sim = new Simulation({ seed: 5 });
  model = await startModel(sim, { schedule: { storeLimit: unlimited }, heartbeatMs: 10_000 });
  for (const id of [1, 2, 3, 4, 5, 6]) model.addStore(id);
  const ids: number[] = [];
  for (let index = 0; index < 12; index++)
    ids.push(model.addRegion(index === 0 ? "" : key(index), index === 11 ? "" : key(index + 1), [1, 2, 3], 20, 1));
  for (const id of ids) model.setWrites(id, 60 * 1024 * 1024);
  await sim.pass(1_200_000);
  const leads = [1, 2, 3, 4, 5, 6].map((id) => model?.storeView(id).leaderCount ?? 0);
  const peers = [1, 2, 3, 4, 5, 6].map((id) => model?.storeView(id).regionCount ?? 0);
  expect(Math.max(...leads)).toBeLessThanOrEqual(5);
  expect(Math.max(...peers)).toBeLessThanOrEqual(9);
});
