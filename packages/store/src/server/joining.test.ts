import { pdClientErrors } from "@skein/placement/client";
import { Simulation } from "@skein/sim";
import { expect, test } from "vitest";
import { raftstoreErrors } from "../raftstore/errors.ts";
import { claimStore, keepClaim, patiently } from "./joining.ts";

const never = new AbortController().signal;
const away = () => Promise.reject(pdClientErrors.unavailable(["a store", "p:1", 15_000]));

test("a placement driver that comes late is waited for; patience has an end where it was given one", async () => {
  const simulation = new Simulation({ seed: 1 });
  const { clock, log } = simulation.world("store");
  const startMs = clock.monotonicMs();
  let isUp = false;
  clock.timer(180_000, () => (isUp = true));
  const ask = () => (isUp ? Promise.resolve("here") : away());
  const patient = patiently({ clock, log }, { ms: Number.POSITIVE_INFINITY, pauseMs: 300, signal: never });
  expect(await simulation.complete(patient(ask))).toBe("here");
  expect(clock.monotonicMs() - startMs).toBeLessThan(181_000);
  isUp = false;
  const brief = patiently({ clock, log }, { ms: 3_000, pauseMs: 300, signal: never });
  await expect(simulation.complete(brief(ask))).rejects.toMatchObject({ code: 71901 });
  const ending = new AbortController();
  const ended = patiently({ clock, log }, { ms: Number.POSITIVE_INFINITY, pauseMs: 300, signal: ending.signal })(ask);
  clock.timer(1_000, () => ending.abort());
  await expect(simulation.complete(ended)).rejects.toMatchObject({ name: "AbortError" });
});

interface Known {
  readonly state?: string;
  readonly address?: string;
  readonly startTimestampS?: number;
  readonly lastHeartbeatMs?: number;
}

const heartbeatMs = 10_000;

/** What becomes of store 4 at `b`, when the placement driver knows `there` of it after so many ms; null: it does not answer. */
async function claim(there: (ms: number) => Known | "none" | null, openMs = 0): Promise<string> {
  const simulation = new Simulation({ seed: 2 });
  const { clock, log } = simulation.world("store");
  const startMs = clock.monotonicMs();
  const getStore = async () => {
    const known = there(clock.monotonicMs() - startMs);
    if (known === null) throw pdClientErrors.unavailable(["a store", "p:1", 15_000]);
    return known === "none"
      ? null
      : ({ id: 4, state: "up", address: "a:1", startTimestampS: 7, lastHeartbeatMs: 1_000, ...known } as never);
  };
  const patient = patiently({ clock, log }, { ms: Number.POSITIVE_INFINITY, pauseMs: 300, signal: never });
  const claimed = async () => {
    const check = await claimStore({ clock, log }, { getStore }, { storeId: 4, address: "b:1", heartbeatMs }, { patient, signal: never });
    const seconds = Math.round((clock.monotonicMs() - startMs) / 1000);
    await clock.sleep(openMs, never);
    await check();
    return `ours after ${seconds} s`;
  };
  return simulation.complete(
    claimed().catch((error: unknown) => {
      if (raftstoreErrors.foreignStore.is(error) || raftstoreErrors.storeTombstone.is(error)) return String(error.code);
      throw error;
    }),
  );
}

/** Heard of at each multiple of the interval from then on; before, at `before`. */
const reports = (ms: number, { fromMs = 0, before = 1_000 } = {}) =>
  ms < fromMs ? before : 1_000_000 + Math.floor((ms - fromMs) / heartbeatMs) * heartbeatMs;

test("a store's data is taken for its own unless somebody else reports as that store", async () => {
  expect(await claim(() => "none")).toBe("ours after 0 s");
  expect(await claim((ms) => ({ address: "b:1", lastHeartbeatMs: reports(ms) }))).toBe("ours after 0 s");
  expect(await claim(() => ({ state: "tombstone" }))).toBe("72108");
  expect(await claim((ms) => ({ lastHeartbeatMs: reports(ms) }))).toBe("72104");
  // It was moved.
  expect(await claim(() => ({}))).toBe("ours after 15 s");
});

test("a store that runs and has not reported yet, or not for long, is not taken for one that has moved", async () => {
  expect(await claim((ms) => ({ lastHeartbeatMs: reports(ms, { fromMs: 900, before: 0 }) }))).toBe("72104");
  expect(await claim((ms) => ({ lastHeartbeatMs: reports(ms, { fromMs: 9_900 }) }))).toBe("72104");
  // It starts at that moment.
  expect(await claim((ms) => ({ startTimestampS: ms < 5_000 ? 7 : 8 }))).toBe("72104");
});

test("a report that the placement driver missed is waited for again", async () => {
  // It was away from 8 s to 18 s, and the store's report of 10 s with it; of the one at 20 s it hears.
  const away = (ms: number) => ms >= 8_000 && ms < 18_000;
  expect(await claim((ms) => (away(ms) ? null : { lastHeartbeatMs: ms < 20_000 ? 1_000 : 21_000 }))).toBe("72104");
  expect(await claim((ms) => (away(ms) ? null : {}))).toBe("ours after 33 s");
  // Another member leads, which knows what was last made durable.
  expect(await claim((ms) => ({ lastHeartbeatMs: ms < 8_000 ? 1_000 : ms < 17_000 ? 500 : 17_000 }))).toBe("72104");
});

test("who opened for long looks again before it registers", async () => {
  expect(await claim((ms) => ({ address: ms < 20_000 ? "b:1" : "c:1" }), 60_000)).toBe("72104");
  expect(await claim((ms) => ({ startTimestampS: ms < 20_000 ? 7 : 8 }), 60_000)).toBe("72104");
  expect(await claim((ms) => (ms < 20_000 ? "none" : { address: "c:1" }), 60_000)).toBe("72104");
  expect(await claim(() => ({}), 60_000)).toBe("ours after 15 s");
});

test("a store ends when another one is the store by now; not while its placement driver does not answer or know", async () => {
  const simulation = new Simulation({ seed: 3 });
  const world = simulation.world("store");
  let answer = async (): Promise<unknown> => ({ state: "up", address: "b:1" });
  const ends: Error[] = [];
  const kept = keepClaim(
    world,
    { getStore: () => answer() as never },
    { storeId: 4, address: "b:1", heartbeatMs },
    { end: (error) => void ends.push(error), signal: never },
  );
  await simulation.pass(30_000);
  answer = away;
  await simulation.pass(30_000);
  answer = async () => null;
  await simulation.pass(30_000);
  expect(ends).toEqual([]);
  answer = async () => ({ state: "up", address: "a:1" });
  await simulation.pass(heartbeatMs);
  await kept;
  expect(ends).toMatchObject([{ code: 72104 }]);
});
