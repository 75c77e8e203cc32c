import { expect, test } from "vitest";
import type { StoreView } from "../../core/model.ts";
import { HttpRefusal, type PdHttpRequest } from "../../server/http-routes.ts";
import type { PdServices } from "../../server/services.ts";
import type { Change, SchedulingState } from "../state.ts";
import { nowMs, storeOf, viewOf } from "../testing/plain-view.ts";
import { storeRoutes } from "./stores.ts";

function ask(
  text: string,
  stores: readonly StoreView[],
  changes: { readonly removals?: readonly (readonly [number, Change])[]; readonly arrivals?: readonly (readonly [number, Change])[] },
): unknown {
  const state = { removals: new Map(changes.removals), arrivals: new Map(changes.arrivals) } as unknown as SchedulingState;
  const route = storeRoutes(() => state).find(({ path }) => path.endsWith("/stores/progress"));
  const pd = { cluster: viewOf(stores, []) } as unknown as PdServices;
  try {
    const answer = route?.handle({ query: new URLSearchParams(text), pd } as unknown as PdHttpRequest);
    return (answer as { readonly json: unknown }).json;
  } catch (error) {
    return error instanceof HttpRefusal ? error.message : error;
  }
}

const filled = (id: number, regionSize: number, offline = false) =>
  storeOf(id, { regionSize, ...(offline ? { meta: { state: "offline" } } : {}) });
const ago = (seconds: number, sizeMib: number): Change => ({ sinceMs: nowMs - seconds * 1000, sizeMib });

test("a new store is as far as it has of what lets it serve: nine tenths of its share", () => {
  const stores = [filled(1, 4500), filled(2, 4500), filled(3, 1000)];
  const arrivals = [[3, ago(100, 0)]] as const;
  // A third of 10 000 MiB, of that nine tenths: 3000.
  expect(ask("action=preparing", stores, { arrivals })).toEqual({
    action: "preparing",
    progress: expect.closeTo(1 / 3),
    current_speed: 10,
    left_seconds: expect.closeTo(200),
  });
  expect(ask("id=3", stores, { arrivals })).toMatchObject({ action: "preparing", store_id: 3, current_speed: 10 });
  expect(ask("id=1", stores, { arrivals })).toMatch(/no progress found for the given store ID: 1/);
  expect(ask("action=removing", stores, { arrivals })).toMatch(/no progress found for the action: removing/);
});

test("a store that empties is as far as it has given away; of several the sum counts", () => {
  const stores = [filled(1, 1000), filled(2, 250, true), filled(3, 500, true)];
  const removals = [
    [2, ago(10, 1000)],
    [3, ago(10, 500)],
  ] as const;
  expect(ask("id=2", stores, { removals })).toEqual({
    action: "removing",
    store_id: 2,
    progress: 0.75,
    current_speed: 75,
    left_seconds: 250 / 75,
  });
  expect(ask("action=removing", stores, { removals })).toMatchObject({ progress: 0.5, current_speed: 75, left_seconds: 10 });
  expect(ask("action=preparing", stores, { removals })).toMatch(/no progress found/);
  expect(ask("action=other", stores, { removals })).toMatch(/no progress found/);
  expect(ask("", stores, { removals })).toBe("need query parameters");
});
