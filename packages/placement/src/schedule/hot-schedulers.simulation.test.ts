/** Schedulers of hot regions and of stores that are better left alone, over model stores: what they are for comes about, and ends. */
import { compareBytes } from "@skein/base";
import { Simulation, seeds } from "@skein/sim";
import { afterEach, expect, test } from "vitest";
import { hexOfKey } from "../core/keys.ts";
import type { SchedulerType } from "./core/schedulers/scheduler-set.ts";
import { addScheduler, loadSchedulers, pauseScheduler, removeScheduler } from "./scheduler-admin.ts";
import type { SchedulingState } from "./state.ts";
import { type ModelCluster, startModel } from "./testing/model-cluster.ts";

const key = (index: number) => `k${String(index).padStart(5, "0")}`;
const unlimited = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [String(index + 1), { addPeer: 6000, removePeer: 6000 }]));
const noStore = { storeId: null, range: null };

let model: ModelCluster;
afterEach(() => model.stop());

/** Regions on stores 1 to 3 in turns of leaders; nothing is balanced by itself but what a test adds. */
async function start(storeCount: number, regionCount: number): Promise<{ sim: Simulation; state: SchedulingState; ids: number[] }> {
  const sim = new Simulation({ seed: 11 });
  model = await startModel(sim, { schedule: { storeLimit: unlimited, hotRegionScheduleLimit: 4 } });
  for (let id = 1; id <= storeCount; id++) model.addStore(id);
  for (let index = 0; index < regionCount; index++)
    model.addRegion(index === 0 ? "" : key(index), index === regionCount - 1 ? "" : key(index + 1), [1, 2, 3], 20, 1 + (index % 3));
  await sim.run({ until: () => model.scheduling.state?.isRunning === true });
  const state = model.scheduling.state as SchedulingState;
  return { sim, state, ids: [...model.regions.keys()] };
}

const leaderOf = (id: number) => {
  const region = model.regions.get(id);
  return region?.meta.peers.find((peer) => peer.id === region.leaderPeerId)?.storeId;
};
const storesOf = (id: number) =>
  model.regions
    .get(id)
    ?.meta.peers.map((peer) => peer.storeId)
    .sort();

test("grant-hot-region brings hot regions to its stores and their leads to one, and leaves cold ones", async () => {
  const { sim, state, ids } = await start(5, 6);
  for (const name of ["balance-hot-region-scheduler", "balance-region-scheduler", "balance-leader-scheduler"])
    pauseScheduler(state, name, 100_000);
  const [hot, other, cold] = ids as [number, number, number];
  for (const id of [hot, other]) model.setWrites(id, 60_000_000);
  const config = { "store-id": [2, 4, 5], "store-leader-id": 4 };
  await sim.complete(addScheduler(state, "grant-hot-region", { ...noStore, config }));
  await sim.run({
    until: () => [hot, other].every((id) => leaderOf(id) === 4 && storesOf(id)?.join() === "2,4,5"),
    timeMaxMs: 900_000,
  });
  expect(storesOf(cold)).toEqual([1, 2, 3]);
  expect(state.services.config.current.schedule.schedulersV2.at(-1)).toMatchObject({ type: "grant-hot-region", args: ["4", "2,4,5"] });
  await sim.complete(loadSchedulers(state));
  expect(state.schedulers.get("grant-hot-region-scheduler")?.config).toEqual(config);
});

test("shuffle-hot-region moves leads of hot regions on and on, within its limit, and those alone", async () => {
  const { sim, state, ids } = await start(4, 3);
  for (const name of ["balance-hot-region-scheduler", "balance-region-scheduler", "balance-leader-scheduler"])
    pauseScheduler(state, name, 100_000);
  const [hot, cold] = ids as [number, number];
  model.setWrites(hot, 60_000_000);
  const before = [leaderOf(cold), storesOf(cold)];
  await sim.complete(addScheduler(state, "shuffle-hot-region", { ...noStore, config: { limit: 1 } }));
  const seen = new Set<number | undefined>();
  state.controller.onEnded(() => void seen.add(leaderOf(hot)));
  await sim.run({ until: () => seen.size >= 4, timeMaxMs: 1_800_000 });
  expect([leaderOf(cold), storesOf(cold)]).toEqual(before);
});

test("leaders leave a store that says it stops, stay away, and come back when it says so no more; a new leader goes on", async () => {
  const { sim, state } = await start(3, 40);
  await sim.complete(addScheduler(state, "evict-stopping-store", noStore));
  model.setStats(2, { isStopping: true });
  await sim.run({ until: () => model.storeView(2).leaderCount === 0, timeMaxMs: 300_000 });
  await sim.pass(60_000);
  expect(model.storeView(2).leaderCount).toBe(0);
  expect(model.storeView(2).pausedLeaderIn).toEqual(["evict-stopping-store-scheduler"]);
  expect(state.schedulers.get("evict-stopping-store-scheduler")?.config).toEqual({ "evict-stores": [2] });
  await sim.complete(loadSchedulers(state));
  expect(state.schedulers.get("evict-stopping-store-scheduler")?.evicted).toEqual(new Set([2]));
  model.setStats(2, {});
  await sim.run({ until: () => model.storeView(2).leaderCount >= 2, timeMaxMs: 300_000 });
  expect(model.storeView(2).pausedLeaderIn).toEqual([]);
  expect(state.schedulers.get("evict-stopping-store-scheduler")?.config).toEqual({ "evict-stores": [] });
});

test("no leader goes to a store that is evicted for being slow; the scheduler's end lets them back", async () => {
  const { sim, state } = await start(3, 40);
  await sim.complete(addScheduler(state, "evict-slow-store", noStore));
  model.setStats(1, { slowScore: 100 });
  await sim.run({ until: () => model.storeView(1).leaderCount === 0, timeMaxMs: 300_000 });
  // By hand as well: one need not know what the scheduler found.
  expect(await sim.complete(addScheduler(state, "evict-leader", { storeId: 1, range: null }))).toBe("The scheduler is created.");
  await sim.complete(removeScheduler(state, "evict-leader-scheduler"));
  expect(model.storeView(1).pausedLeaderIn).toEqual(["evict-slow-store-scheduler"]);
  const transfers = model.done.transfers;
  await sim.pass(120_000);
  expect(model.done.transfers).toBe(transfers);
  await sim.complete(removeScheduler(state, "evict-slow-store-scheduler"));
  expect(model.storeView(1).pausedLeaderIn).toEqual([]);
  await sim.run({ until: () => model.storeView(1).leaderCount >= 2, timeMaxMs: 300_000 });
});

test("a store that grows slow and drags others down loses its leaders until it is well again", async () => {
  const { sim, state } = await start(4, 40);
  await sim.complete(addScheduler(state, "evict-slow-trend", noStore));
  const calm = { causeValue: 100, causeRate: 0, resultValue: 900, resultRate: 0 };
  for (const id of [2, 3, 4]) model.setStats(id, { slowTrend: { ...calm, resultRate: id === 2 ? -1 : 0 } });
  model.setStats(1, { slowTrend: { causeValue: 800, causeRate: 9, resultValue: 100, resultRate: -9 } });
  await sim.run({ until: () => model.storeView(1).leaderCount === 0, timeMaxMs: 300_000 });
  expect(state.schedulers.get("evict-slow-trend-scheduler")?.config).toEqual({ "recovery-duration": 600, "evict-by-trend-stores": [1] });
  model.setStats(1, { slowTrend: calm });
  await sim.pass(300_000);
  expect(model.storeView(1).leaderCount).toBe(0);
  await sim.run({ until: () => model.storeView(1).leaderCount >= 2, timeMaxMs: 600_000 });
});

/** Added with what it needs; what is there already is left. */
const choices: readonly (readonly [SchedulerType, Parameters<typeof addScheduler>[2]])[] = [
  ["grant-hot-region", { ...noStore, config: { "store-id": [1, 2, 4], "store-leader-id": 4 } }],
  ["shuffle-hot-region", { ...noStore, config: { limit: 2 } }],
  ["split-bucket", noStore],
  ["evict-slow-store", noStore],
  ["evict-slow-trend", noStore],
  ["evict-stopping-store", noStore],
  ["evict-leader", { storeId: 3, range: null }],
];

test.each(seeds({ fixed: 6, fresh: 1 }))(
  "with all of them at work while stores come, die and complain, regions stay whole, seed %i",
  async (seed) => {
    const sim = new Simulation({ seed });
    const random = sim.random.fork("events");
    const started = await startModel(sim, {
      schedule: { storeLimit: unlimited, maxStoreDownTimeMs: 660_000, hotRegionCacheHitsThreshold: 1 },
    });
    model = started;
    let storeCount = 5;
    for (let id = 1; id <= storeCount; id++) model.addStore(id);
    for (let index = 0; index < 12; index++)
      model.addRegion(index === 0 ? "" : key(index), index === 11 ? "" : key(index + 1), [1, 2, 3], 40);
    await sim.run({ until: () => started.scheduling.state?.isRunning === true });
    const state = started.scheduling.state as SchedulingState;
    let down = 0;
    for (let event = 0; event < 25; event++) {
      await sim.pass(random.between(1000, 60_000));
      const [type, options] = random.pick(choices);
      const name = `${type}-scheduler`;
      const id = random.between(1, storeCount);
      switch (random.below(7)) {
        case 0:
          if (!state.schedulers.has(name)) await sim.complete(addScheduler(state, type, options));
          break;
        case 1:
          if (state.schedulers.has(name)) await sim.complete(removeScheduler(state, name));
          break;
        case 2:
          if (storeCount < 7) started.addStore(++storeCount);
          break;
        case 3:
          if (down === 0) started.kill((down = id));
          else {
            started.revive(down);
            down = 0;
          }
          break;
        case 4:
          started.setStats(id, random.pick([{}, { slowScore: 100 }, { isStopping: true }]));
          break;
        case 5:
          for (const regionId of [...started.regions.keys()].slice(0, 3)) started.setWrites(regionId, random.pick([0, 60_000_000]));
          break;
        default:
          for (const { meta } of [...started.regions.values()].slice(0, 3)) {
            const middle = Uint8Array.of(...meta.startKey, 1);
            const [none, much] = [
              [0, 0],
              [0, 9_000_000],
            ];
            for (let times = 0; times < 4; times++)
              state.buckets.report({
                regionId: meta.id,
                version: meta.epoch.version,
                keys: [meta.startKey, middle, meta.endKey],
                periodMs: 10_000,
                readBytes: none,
                readKeys: none,
                writtenBytes: much,
                writtenKeys: none,
              });
          }
      }
    }
    if (down !== 0) started.revive(down);
    for (let id = 1; id <= storeCount; id++) started.setStats(id, {});
    for (const id of started.regions.keys()) started.setWrites(id, 0);
    for (const [type] of choices)
      if (state.schedulers.has(`${type}-scheduler`)) await sim.complete(removeScheduler(state, `${type}-scheduler`));
    for (let id = 1; id <= storeCount; id++) expect(started.storeView(id).pausedLeaderIn).toEqual([]);
    const isWhole = () =>
      state.controller.list().length === 0 &&
      [...started.regions.values()].every(
        ({ meta, pending, leaderPeerId }) =>
          pending.size === 0 && leaderPeerId !== 0 && meta.peers.length === 3 && meta.peers.every((peer) => peer.role === "voter"),
      );
    await sim.run({ until: isWhole, timeMaxMs: 3_600_000 });
    // Each key is in one region: the ends meet.
    const sorted = [...started.regions.values()].map(({ meta }) => meta).sort((a, b) => compareBytes(a.startKey, b.startKey));
    for (const [index, { endKey }] of sorted.entries())
      expect(hexOfKey(endKey)).toBe(index === sorted.length - 1 ? "" : hexOfKey((sorted[index + 1] as (typeof sorted)[number]).startKey));
  },
);
