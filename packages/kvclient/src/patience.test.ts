import { Simulation } from "@skein/sim";
import { expect, test } from "vitest";
import { kvErrors } from "./errors.ts";
import { Patience } from "./patience.ts";

const signal = new AbortController().signal;

test("waits grow, each kind by itself, until the budget is spent", async () => {
  const simulation = new Simulation({ seed: 1 });
  const waits: number[] = [];
  const world = simulation.world("client");
  const work = async () => {
    const patience = new Patience(world, "a look", 5000, signal);
    const started = world.clock.monotonicMs();
    const outcome = (async () => {
      for (;;) {
        const before = world.clock.monotonicMs();
        await patience.wait("lock", "it is locked");
        waits.push(world.clock.monotonicMs() - before);
      }
    })();
    await expect(outcome).rejects.toMatchObject({ code: kvErrors.timedOut.code });
    expect(world.clock.monotonicMs() - started).toBeLessThanOrEqual(5000);
  };
  await simulation.complete(work());
  expect(waits.length).toBeGreaterThan(6);
  expect(waits[0]).toBeLessThanOrEqual(10);
  expect(Math.max(...waits)).toBeLessThanOrEqual(2000);
});

test("what is tried again at once waits now and then", async () => {
  const simulation = new Simulation({ seed: 1 });
  const world = simulation.world("client");
  const work = async () => {
    const patience = new Patience(world, "a look", 100, signal);
    const outcome = (async () => {
      for (;;) await patience.again("they do not agree");
    })();
    await expect(outcome).rejects.toMatchObject({ code: kvErrors.timedOut.code });
  };
  await simulation.complete(work());
});

test("a wait ends with its signal", async () => {
  const simulation = new Simulation({ seed: 1 });
  const controller = new AbortController();
  const world = simulation.world("client");
  const work = async () => {
    const patience = new Patience(world, "a look", 100_000, controller.signal);
    world.clock.timer(1, () => controller.abort(new Error("closed")));
    await expect(patience.wait("busy", "busy", 50_000)).rejects.toThrow("closed");
    await expect(patience.wait("busy", "busy")).rejects.toThrow("closed");
  };
  await simulation.complete(work());
});
