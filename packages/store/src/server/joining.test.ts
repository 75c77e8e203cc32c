import { pdClientErrors } from "@skein/placement/client";
import { Simulation } from "@skein/sim";
import { expect, test } from "vitest";
import { raftstoreErrors } from "../raftstore/errors.ts";
import { claimStore, patiently } from "./joining.ts";

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

/** What becomes of store 4 at `b`, which the placement driver knows at `a`, heard of at `lastMs` and again every `everyMs`. */
async function claim(there: { readonly state?: string; readonly address?: string; readonly everyMs?: number } | null): Promise<string> {
  const simulation = new Simulation({ seed: 2 });
  const { clock, log } = simulation.world("store");
  const startMs = clock.nowMs();
  const { state = "up", address = "a:1", everyMs = 0 } = there ?? {};
  const heardMs = () => (everyMs === 0 ? startMs - 2_000 : startMs + Math.floor((clock.nowMs() - startMs) / everyMs) * everyMs);
  const pd = {
    getStore: async () => (there === null ? null : ({ id: 4, state, address, lastHeartbeatMs: heardMs() } as never)),
    tso: async () => BigInt(Math.floor(clock.nowMs())) << 18n,
  };
  const patient = patiently({ clock, log }, { ms: 0, pauseMs: 1, signal: never });
  const claimed = claimStore({ clock, log }, pd, { storeId: 4, address: "b:1", heartbeatMs: 10_000 }, { patient, signal: never });
  return simulation.complete(
    claimed.then(
      () => `ours after ${Math.round((clock.nowMs() - startMs) / 1000)} s`,
      (error: unknown) => {
        if (raftstoreErrors.foreignStore.is(error) || raftstoreErrors.storeTombstone.is(error)) return String(error.code);
        throw error;
      },
    ),
  );
}

test("a store's data is taken for its own unless somebody else reports as that store", async () => {
  expect(await claim(null)).toBe("ours after 0 s");
  expect(await claim({ address: "b:1", everyMs: 10_000 })).toBe("ours after 0 s");
  expect(await claim({ state: "tombstone" })).toBe("72108");
  expect(await claim({ everyMs: 10_000 })).toBe("72104");
  // It was moved: the last report of its earlier life is two seconds old.
  expect(await claim({})).toBe("ours after 13 s");
});
