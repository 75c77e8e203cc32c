import { describe, expect, test } from "vitest";
import type { StoreMeta } from "../../core/model.ts";
import { storeMeta, storeView } from "../../core/testing/views.ts";
import { compareVersions, isCompatible } from "./semver.ts";
import { buryStore, checkLabelForm, dueChange, mergeLabels, putStore, removeStore, upStore } from "./store-state.ts";

const meta = (id: number, change: Partial<StoreMeta> = {}) =>
  storeMeta(id, {
    address: `127.0.0.1:${20160 + id}`,
    labels: [{ key: "zone", value: "east" }],
    version: "7.5.6",
    startTimestampS: 100,
    lastHeartbeatMs: 1_000_000,
    ...change,
  });
const rules = { locationLabels: ["zone"], strictlyMatchLabel: false, clusterVersion: "7.5.6" };

describe("put", () => {
  test("a new store is up and preparing", () => {
    expect(putStore([], meta(1, { state: "offline" }), rules, 5)).toMatchObject({
      state: "up",
      nodeState: "preparing",
      lastHeartbeatMs: 5,
    });
  });
  test("an address that another store has is refused, with both stores' text", () => {
    expect(() => putStore([meta(3, { address: "a", nodeState: "serving" })], meta(5, { address: "a" }), rules, 5)).toThrow(
      'duplicated store address: id:5 address:"a" labels:<key:"zone" value:"east" > version:"7.5.6" start_timestamp:100 last_heartbeat:1000000000000 node_state:Serving , already registered by id:3 address:"a"',
    );
    expect(putStore([meta(3, { address: "a", state: "tombstone" })], meta(5, { address: "a" }), rules, 5).id).toBe(5);
  });
  test("versions, tombstones, labels", () => {
    expect(() => putStore([], meta(1, { version: "6.0.0" }), rules, 5)).toThrow("version should compatible with version  7.5.6, got 6.0.0");
    expect(() => putStore([meta(1, { state: "tombstone" })], meta(1), rules, 5)).toThrow("store is tombstone");
    const strict = { ...rules, strictlyMatchLabel: true };
    expect(() => putStore([], meta(1, { labels: [] }), strict, 5)).toThrow("need to specify the key: zone ");
    expect(() => putStore([], meta(1), { ...strict, locationLabels: [] }, 5)).toThrow("store label key: zone ");
    expect(mergeLabels([{ key: "Zone", value: "a" }], [{ key: "zone", value: "b" }])).toEqual([{ key: "zone", value: "b" }]);
    const many = Array.from({ length: 100_000 }, (_, i) => ({ key: `k${i}`, value: "v" }));
    expect(() => putStore([meta(1)], meta(1, { labels: many }), rules, 5)).toThrow("a store has 100000 labels, the most is 256");
    expect(() => checkLabelForm(many)).toThrow("the most is 256");
    expect(() => checkLabelForm([{ key: "bad!key", value: "v" }])).toThrow('bad!key does not match format "^[$]?');
  });
});

describe("leaving and coming back", () => {
  const three = [1, 2, 3].map((id) => storeView(meta(id)));
  const remove = { isPhysicallyDestroyed: false, replicas: 3 };
  test("as many stores as replicas must stay", () => {
    expect(() => removeStore(three, 1, remove)).toThrow("can not remove store 1 since the number of up stores would be 2 while need 3");
    expect(removeStore([...three, storeView(meta(4))], 1, remove)).toMatchObject({ state: "offline", nodeState: "removing" });
    expect(() => removeStore(three, 9, remove)).toThrow("[PD:core:ErrStoreNotFound]store 9 not found");
    expect(removeStore(three, 1, { ...remove, isPhysicallyDestroyed: true })).toMatchObject({ isPhysicallyDestroyed: true });
  });
  test("stores that take no leaders do not count for leaders", () => {
    const others = [2, 3, 4].map((id) => storeView(meta(id), { pausedLeaderIn: ["evict-leader-scheduler"] }));
    expect(() => removeStore([storeView(meta(1)), ...others], 1, remove)).toThrow("no extra up store to store the leader");
  });
  test("offline, up again, tombstone", () => {
    const offline = [storeView(meta(1, { state: "offline", nodeState: "removing" }))];
    expect(removeStore(offline, 1, remove)).toBeNull();
    expect(upStore(offline, 1)).toMatchObject({ state: "up", nodeState: "serving" });
    expect(buryStore(offline, 1, false, 0)).toMatchObject({ state: "tombstone", nodeState: "removed" });
    expect(() => upStore([storeView(meta(1, { state: "tombstone" }))], 1)).toThrow("store 1 has been removed");
    expect(() => buryStore(three, 1, false, 0)).toThrow("store is still up, please remove store gracefully");
    expect(() => buryStore(three, 1, true, 1_000_000)).toThrow("The store 1 is not offline nor disconnected");
    expect(buryStore(three, 1, true, 1_020_001)).toMatchObject({ state: "tombstone" });
  });
  test("what the look every ten seconds does", () => {
    const facts = { nowMs: 200_000, regionCount: 500, preparingMaxMs: 1e9, storeCount: 3, wholeSizeMib: 15_000 };
    const preparing = meta(1, { nodeState: "preparing" });
    expect(dueChange(storeView(preparing), facts)).toBeNull();
    expect(dueChange(storeView(preparing), { ...facts, regionCount: 50 })).toMatchObject({ nodeState: "serving" });
    expect(dueChange(storeView(preparing, { regionSize: 4499 }), facts)).toBeNull();
    expect(dueChange(storeView(preparing, { regionSize: 4500 }), facts)).toMatchObject({ nodeState: "serving" });
    expect(dueChange(storeView(meta(1, { state: "offline" }), { regionCount: 1 }), facts)).toBeNull();
    expect(dueChange(storeView(meta(1, { state: "offline" })), facts)).toMatchObject({ state: "tombstone" });
    expect(dueChange(storeView(meta(1, { state: "tombstone", lastHeartbeatMs: 0 })), { ...facts, nowMs: 31 * 86_400_000 })).toBe("forget");
  });
});

test("versions", () => {
  expect(compareVersions("7.5.6", "v7.10.0")).toBeLessThan(0);
  expect(compareVersions("8.0.0-alpha", "8.0.0")).toBeLessThan(0);
  expect(isCompatible("7.5.6", "7.5.1")).toBe(true);
  expect(isCompatible("7.5.6", "7.4.9")).toBe(false);
  expect(isCompatible("7.5.6", "8.0.0")).toBe(true);
});
