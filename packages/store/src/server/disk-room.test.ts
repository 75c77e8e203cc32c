import { Simulation } from "@skein/sim";
import { expect, test } from "vitest";
import { watchRoom } from "./disk-room.ts";

test("room is missing when less is free than was reserved, and is back with some more", async () => {
  const simulation = new Simulation({ seed: 1 });
  const world = simulation.world("store");
  const { disk } = simulation.node("store");
  const told: [boolean, number][] = [];
  const ending = new AbortController();
  const watch = (reserveBytes: number) =>
    watchRoom(world, { path: "/", reserveBytes, onChange: (...change) => told.push(change) }, ending.signal);
  const watched = watch(1_000);
  const nothing = watch(0);
  watched.catch(() => {}); // ends with the signal
  await simulation.pass(2_000);
  const steps: number[] = [];
  // The disk is empty: what it holds is free. Of a small one a twentieth is kept.
  for (const capacityBytes of [100_000, 900, 0, 1_100]) {
    disk.faults = { capacityBytes };
    await simulation.pass(2_000);
    steps.push(told.length);
  }
  expect([steps, told]).toEqual([[0, 0, 0, 0], []]);
  const file = await disk.open("/ballast", { create: true });
  disk.faults = { capacityBytes: 100_000 };
  await file.write(0, new Uint8Array(99_200));
  await simulation.pass(2_000);
  expect(told).toEqual([[false, 800]]);
  await file.truncate(98_900);
  await simulation.pass(2_000);
  expect(told).toHaveLength(1); // 1100: a little more than was reserved
  await file.truncate(98_000);
  await simulation.pass(2_000);
  expect(told).toEqual([
    [false, 800],
    [true, 2_000],
  ]);
  await nothing;
  ending.abort();
});
