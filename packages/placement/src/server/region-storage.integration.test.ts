import { nodeWorld } from "@skein/base";
import { afterEach, beforeEach, expect, test } from "vitest";
import { metaOf } from "../cluster/region-record.ts";
import type { RegionMeta } from "../core/model.ts";
import { openRegionStorage, type RegionStorage } from "./region-storage.ts";

const world = nodeWorld();
let storage: RegionStorage;
beforeEach(() => {
  storage = openRegionStorage(world, ":memory:");
});
afterEach(() => storage[Symbol.dispose]());

const region = (id: number): RegionMeta => ({
  id,
  startKey: Uint8Array.of(id >> 8, id & 255),
  endKey: Uint8Array.of((id + 1) >> 8, (id + 1) & 255),
  epoch: { confVer: 1, version: id },
  peers: [{ id: id + 10_000, storeId: 1, role: "voter", isWitness: false }],
});
const never = new AbortController().signal;

test("regions come back in the order of ids, without those that were deleted, and as they were last", async () => {
  for (const id of [3000, 7, 2, 4000, 8]) storage.save(region(id));
  storage.delete(7);
  storage.save({ ...region(8), epoch: { confVer: 5, version: 6 } });
  const found: RegionMeta[] = [];
  await storage.load((record) => void found.push(metaOf(record)), never);
  expect(found).toEqual([region(2), { ...region(8), epoch: { confVer: 5, version: 6 } }, region(3000), region(4000)]);
  storage.clear();
  await storage.load(() => expect.fail("it is empty"), never);
});

test("others have their turn while many are read, and can end it", async () => {
  const count = 20_000;
  for (let id = 1; id <= count; id++) storage.save(region(id));
  let turns = 0;
  let isReading = true;
  const look = () => {
    turns++;
    if (isReading) world.clock.afterTurn(look);
  };
  world.clock.afterTurn(look);
  let read = 0;
  await storage.load(() => void read++, never);
  isReading = false;
  expect(read).toBe(count);
  expect(turns).toBeGreaterThan(10);

  const controller = new AbortController();
  const gone = new DOMException("the lead is lost", "AbortError");
  read = 0;
  const loading = storage.load(() => {
    if (++read === 2000) controller.abort(gone);
  }, controller.signal);
  await expect(loading).rejects.toBe(gone);
  expect(read).toBeLessThan(count);
});
