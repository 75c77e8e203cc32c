import { Simulation } from "@skein/sim";
import { expect, test } from "vitest";
import { Pace } from "./pace.ts";

test("bytes go at their rate, whoever asks; a pause gives no more than a short burst", async () => {
  const simulation = new Simulation({ seed: 1 });
  const { clock } = simulation.world("store");
  const pace = new Pace(clock, 1_000_000);
  const startMs = clock.monotonicMs();
  const all = Promise.all(
    ["a", "b"].map(async () => {
      for (let i = 0; i < 100; i++) await pace.take(10_000);
    }),
  );
  await simulation.complete(all);
  expect((clock.monotonicMs() - startMs) / 1000).toBeCloseTo(2, 0);
  await simulation.pass(60_000);
  const againMs = clock.monotonicMs();
  const later = (async () => {
    for (let i = 0; i < 100; i++) await pace.take(10_000);
  })();
  await simulation.complete(later);
  expect((clock.monotonicMs() - againMs) / 1000).toBeGreaterThan(0.9);
});
