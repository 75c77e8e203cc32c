/** What was hot is written down by time, found again by what it was, and forgotten in the end. */
import { Simulation } from "@skein/sim";
import { afterEach, expect, test } from "vitest";
import { createHotHistory, type HotRecord } from "./hot-history.ts";
import type { SchedulingState } from "./state.ts";
import { type ModelCluster, startModel } from "./testing/model-cluster.ts";

const dayMs = 86_400_000;
let model: ModelCluster | null = null;
afterEach(() => {
  model?.stop();
  model = null;
});

const record = (update_time: number, change: Partial<HotRecord> = {}): HotRecord => ({
  update_time,
  region_id: 1,
  peer_id: 11,
  store_id: 1,
  is_leader: true,
  is_learner: false,
  hot_region_type: "write",
  hot_degree: 5,
  flow_bytes: 100,
  key_rate: 1,
  query_rate: 0,
  start_key: "",
  end_key: "",
  ...change,
});

test("records are found by time and by what they are; old days are removed; a line that was cut short is passed over", async () => {
  const sim = new Simulation({ seed: 1 });
  const world = sim.world("pd");
  const start = Date.parse("2026-03-01T23:59:00Z");
  const history = createHotHistory(world, "/pd/hot-region");
  const run = async () => {
    expect(await history.read(0, start + dayMs, () => true)).toEqual({ records: [], isCut: false });
    await history.write([record(start), record(start, { region_id: 2, hot_region_type: "read" })], start);
    await history.write([], start + 1000);
    await history.write([record(start + 120_000)], start + 120_000);
    await using file = await world.disk.open("/pd/hot-region/2026-03-02.jsonl");
    await file.write(await file.size(), new TextEncoder().encode('{"update_time":17'));
    const times = async (from: number, to: number, matches: (each: HotRecord) => boolean = () => true) =>
      (await history.read(from, to, matches)).records.map((each) => each.update_time - start);
    expect(await times(0, start + dayMs)).toEqual([0, 0, 120_000]);
    expect(await times(start + 1, start + dayMs)).toEqual([120_000]);
    expect(await times(0, start + 119_999)).toEqual([0, 0]);
    expect(await times(0, start + dayMs, (each) => each.region_id === 2)).toEqual([0]);
    await history.prune(start + 7 * dayMs, 7);
    expect(await times(0, start + dayMs)).toEqual([0, 0, 120_000]);
    await history.prune(start + 8 * dayMs, 7);
    expect(await times(0, start + dayMs)).toEqual([120_000]);
  };
  await sim.complete(run());
});

test("a leader writes what is hot each interval, and answers from it", async () => {
  const sim = new Simulation({ seed: 2 });
  model = await startModel(sim, { schedule: { hotRegionsWriteIntervalMs: 60_000 } });
  for (let id = 1; id <= 3; id++) model.addStore(id);
  const hot = model.addRegion("", "m", [1, 2, 3], 20);
  model.addRegion("m", "", [1, 2, 3], 20);
  model.setWrites(hot, 6_000_000);
  await sim.run({ until: () => model?.scheduling.state?.isRunning === true });
  await sim.pass(200_000);
  const state = model.scheduling.state as SchedulingState;
  const { records } = await sim.complete(state.history.read(0, Number.MAX_SAFE_INTEGER, () => true));
  expect(new Set(records.map((each) => each.region_id))).toEqual(new Set([hot]));
  expect(new Set(records.map((each) => each.update_time)).size).toBeGreaterThanOrEqual(2);
  expect(records.filter((each) => each.is_leader).length * 3).toBe(records.length);
  expect(records[0]).toMatchObject({ hot_region_type: "write", flow_bytes: 100_000, start_key: "", end_key: "6D" });
});
