/** Each scheduler over model stores: what it is for comes about, and what it must leave alone stays. */
import { Simulation } from "@skein/sim";
import { afterEach, expect, test } from "vitest";
import { scatterRegions, splitAt } from "./actions.ts";
import { addAdminOperator } from "./admin-operators.ts";
import { scatterRangeConfig } from "./core/schedulers/scheduler-set.ts";
import { addScheduler, loadSchedulers, pauseScheduler, removeScheduler, removeStore } from "./scheduler-admin.ts";
import type { SchedulingState } from "./state.ts";
import { type ModelCluster, type ModelOptions, startModel } from "./testing/model-cluster.ts";

const key = (index: number) => `k${String(index).padStart(5, "0")}`;
const bytes = (text: string) => new TextEncoder().encode(text);
const unlimited = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [String(index + 1), { addPeer: 6000, removePeer: 6000 }]));
const noStore = { storeId: null, range: null };

let model: ModelCluster;
afterEach(() => model.stop());

async function start(
  storeCount: number,
  regionCount: number,
  options: ModelOptions = {},
): Promise<{ sim: Simulation; state: SchedulingState }> {
  const sim = new Simulation({ seed: 7 });
  model = await startModel(sim, { ...options, schedule: { storeLimit: unlimited, ...options.schedule } });
  for (let id = 1; id <= storeCount; id++) model.addStore(id);
  for (let index = 0; index < regionCount; index++)
    model.addRegion(index === 0 ? "" : key(index), index === regionCount - 1 ? "" : key(index + 1), [1, 2, 3], 20, 1 + (index % 3));
  await sim.run({ until: () => model.scheduling.state?.isRunning === true });
  return { sim, state: model.scheduling.state as SchedulingState };
}

const leaders = (id: number) => model.storeView(id).leaderCount;

test("evict-leader empties a store of leaders and keeps it so; removed, they come back", async () => {
  const { sim, state } = await start(3, 40);
  expect(await sim.complete(addScheduler(state, "evict-leader", { storeId: 1, range: null }))).toBe("The scheduler is created.");
  await sim.run({ until: () => leaders(1) === 0, timeMaxMs: 120_000 });
  await sim.pass(60_000);
  expect(leaders(1)).toBe(0);
  expect(model.storeView(1).pausedLeaderIn).toEqual(["evict-leader-scheduler"]);
  await expect(sim.complete(addScheduler(state, "grant-leader", { storeId: 1, range: null }))).rejects.toThrow(
    /store 1 is paused for leader transfer/,
  );
  await sim.complete(removeStore(state, "evict-leader-scheduler", 1));
  expect(state.schedulers.has("evict-leader-scheduler")).toBe(false);
  await sim.run({ until: () => leaders(1) >= 5, timeMaxMs: 300_000 });
});

test("grant-leader gathers all leads on a store, and others do not take them away", async () => {
  const { sim, state } = await start(3, 20);
  await sim.complete(addScheduler(state, "grant-leader", { storeId: 2, range: null }));
  await sim.run({ until: () => leaders(2) === 20, timeMaxMs: 300_000 });
  await sim.pass(120_000);
  expect(leaders(2)).toBe(20);
});

test("a paused scheduler does nothing until its time is over", async () => {
  const { sim, state } = await start(3, 20);
  await sim.complete(addScheduler(state, "shuffle-leader", noStore));
  pauseScheduler(state, "shuffle-leader-scheduler", 60);
  await sim.pass(20_000);
  const before = model.done.transfers;
  await sim.pass(30_000);
  expect(model.done.transfers).toBe(before);
  await sim.pass(60_000);
  expect(model.done.transfers).toBeGreaterThan(before);
  await sim.complete(removeScheduler(state, "shuffle-leader-scheduler"));
  await expect(sim.complete(removeScheduler(state, "shuffle-leader-scheduler"))).rejects.toThrow(/scheduler not found/);
});

test("shuffle-region moves for ever and never breaks a region", async () => {
  const { sim, state } = await start(5, 10);
  await sim.complete(addScheduler(state, "shuffle-region", noStore));
  await sim.pass(120_000);
  expect(model.done.moves).toBeGreaterThan(20);
  for (const { meta } of model.regions.values())
    expect(meta.peers.filter((peer) => peer.role === "voter").length).toBeGreaterThanOrEqual(3);
});

test("random-merge makes neighbours one", async () => {
  const { sim, state } = await start(3, 12);
  await sim.complete(addScheduler(state, "random-merge", noStore));
  await sim.run({ until: () => model.regions.size <= 3, timeMaxMs: 600_000 });
});

test("scatter-range balances within its range", async () => {
  const { sim, state } = await start(3, 60);
  await sim.complete(
    addScheduler(state, "scatter-range", { storeId: null, range: scatterRangeConfig("r", bytes(key(0)), bytes(key(60))) }),
  );
  expect([...state.schedulers.keys()]).toContain("scatter-range-r");
  await sim.pass(60_000);
  for (const id of [1, 2, 3]) expect(leaders(id)).toBeGreaterThan(10);
});

test("scatter spreads a table's regions over stores, leads too", async () => {
  const { sim, state } = await start(6, 30, { schedule: { regionScheduleLimit: 0, leaderScheduleLimit: 0 } });
  const ids = [...model.regions.keys()];
  const result = await sim.complete(scatterRegions(state, ids, "table-1"));
  expect(result).toEqual({ finishedPercentage: 100, failedRegionIds: [] });
  await sim.run({ until: () => state.controller.list().length === 0, timeMaxMs: 600_000 });
  const peers = [1, 2, 3, 4, 5, 6].map((id) => model.storeView(id).regionCount);
  expect(peers.reduce((sum, count) => sum + count, 0)).toBe(90);
  expect(Math.max(...peers) - Math.min(...peers)).toBeLessThanOrEqual(3);
  const leads = [1, 2, 3, 4, 5, 6].map(leaders);
  expect(Math.max(...leads) - Math.min(...leads)).toBeLessThanOrEqual(3);
});

test("regions are split at keys that are asked for", async () => {
  const { sim, state } = await start(3, 2);
  const result = await sim.complete(splitAt(state, [bytes("k00001a"), bytes("k00001b"), bytes("a")], 5));
  expect(result.finishedPercentage).toBe(100);
  expect(new Set(result.regionIds).size).toBe(3);
  expect(model.regions.size).toBe(5);
});

test("a person's operators run while scheduling is halted, and count against no limit", async () => {
  const { sim, state } = await start(4, 3, {
    schedule: { storeLimit: { "4": { addPeer: 0.001, removePeer: 0.001 } }, haltScheduling: true },
  });
  const [first] = model.regions.keys();
  const region = () => model.regions.get(first as number)?.meta.peers.map((peer) => peer.storeId);
  await sim.complete(addAdminOperator(state, { name: "transfer-peer", region_id: first, from_store_id: 3, to_store_id: 4 }));
  await sim.run({ until: () => state.controller.get(first as number) === null, timeMaxMs: 60_000 });
  expect(region()).toEqual([1, 2, 4]);
  await sim.complete(
    addAdminOperator(state, {
      name: "transfer-region",
      region_id: first,
      to_store_ids: [2, 3, 4],
      peer_roles: ["leader", "voter", "learner"],
    }),
  );
  await sim.run({ until: () => state.controller.get(first as number) === null, timeMaxMs: 60_000 });
  expect(
    model.regions
      .get(first as number)
      ?.meta.peers.map(({ storeId, role }) => `${storeId}${role}`)
      .sort(),
  ).toEqual(["2voter", "3voter", "4learner"]);
});

test("schedulers are what the configuration and the metadata say, also for the next leader", async () => {
  const { sim, state } = await start(3, 6);
  await sim.complete(addScheduler(state, "evict-leader", { storeId: 3, range: null }));
  await sim.complete(removeScheduler(state, "balance-hot-region-scheduler"));
  const types = state.services.config.current.schedule.schedulersV2.map(({ type, disable }) => `${type}${disable ? " off" : ""}`);
  expect(types).toEqual(["balance-region", "balance-leader", "evict-leader", "hot-region off"]);
  await sim.complete(loadSchedulers(state));
  expect([...state.schedulers.keys()]).toEqual(["balance-region-scheduler", "balance-leader-scheduler", "evict-leader-scheduler"]);
  expect(state.schedulers.get("evict-leader-scheduler")?.config).toEqual({
    "store-id-ranges": { "3": [{ "start-key": "", "end-key": "" }] },
  });
});
