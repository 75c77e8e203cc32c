/** What the placement driver's port serves beside pdpb's calls for regions: shared configuration, metadata, groups, the keyspace. */
import { createRpcClient, type RpcClient, type RpcError } from "@skein/rpc";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPdClient } from "../client/index.ts";
import * as keyspacepb from "../wire/keyspacepb.ts";
import * as meta from "../wire/meta_storagepb.ts";
import * as metapb from "../wire/metapb.ts";
import * as pdpb from "../wire/pdpb.ts";
import { ResourceGroup, resourceManager } from "../wire/resource_manager.ts";
import { pdComponents } from "./components.ts";
import { startTestPd, type TestPd, testRegion, testStore } from "./testing/pd-harness.ts";

let pd: TestPd;
let rpc: RpcClient;
let header: { readonly cluster_id: bigint };
beforeAll(async () => {
  pd = await startTestPd({ components: pdComponents });
  rpc = createRpcClient(pd.world, pd.url);
  const client = createPdClient(pd.world, { endpoints: [pd.url] });
  await client.bootstrap(testStore(1), testRegion(2, "", "", [1]));
  client.close();
  header = { cluster_id: (await rpc.request(pdpb.pd.methods.GetMembers, {})).header?.cluster_id ?? 0n };
});
afterAll(async () => {
  rpc.close();
  await pd[Symbol.asyncDispose]();
});

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined) => new TextDecoder().decode(value);

/** Messages of a stream as they come; `next` waits for one. */
function gather<A>(): {
  readonly listener: { message(message: A): void; over(error: RpcError | null): void };
  readonly next: () => Promise<A>;
} {
  const queue: A[] = [];
  let ended: Error | null = null;
  let waiting: { resolve(message: A): void; reject(error: unknown): void } | null = null;
  return {
    listener: {
      message: (message) => {
        if (waiting === null) queue.push(message);
        else waiting.resolve(message);
        waiting = null;
      },
      over: (error) => {
        ended = error ?? new Error("the stream is over");
        waiting?.reject(ended);
      },
    },
    next: async () => {
      const first = queue.shift();
      if (first === undefined && ended !== null) throw ended;
      return first ?? new Promise<A>((resolve, reject) => void (waiting = { resolve, reject }));
    },
  };
}

describe("shared configuration", () => {
  const { methods } = pdpb.pd;
  const item = (name: string, value: string, kind: "PUT" | "DELETE" = "PUT") => ({ name, kind, value, payload: bytes("") });

  test("is stored, loaded by name or whole, and watched from a revision on", async () => {
    const store = (...changes: ReturnType<typeof item>[]) => rpc.request(methods.StoreGlobalConfig, { changes });
    expect((await store(item("a", "1"), item("b", "2"))).error).toBeNull();
    const named = await rpc.request(methods.LoadGlobalConfig, { names: ["b", "none"] });
    expect(named.items.map(({ name, payload, error }) => [name, text(payload), error?.type])).toEqual([
      ["b", "2", undefined],
      ["none", "", "GLOBAL_CONFIG_NOT_FOUND"],
    ]);
    const whole = await rpc.request(methods.LoadGlobalConfig, { config_path: "/global/config" });
    expect(whole.items.map(({ name, payload }) => [name, text(payload)])).toEqual([
      ["/global/config/a", "1"],
      ["/global/config/b", "2"],
    ]);
    const { listener, next } = gather<pdpb.WatchGlobalConfigResponse>();
    const watch = rpc.open(methods.WatchGlobalConfig, listener);
    watch.send({ config_path: "", revision: whole.revision + 1 });
    watch.end();
    await store(item("a", "3"));
    await store(item("b", "", "DELETE"));
    expect((await next()).changes).toMatchObject([{ kind: "PUT", name: "/global/config/a", payload: bytes("3") }]);
    expect((await next()).changes).toMatchObject([{ kind: "DELETE", name: "/global/config/b" }]);
    watch.cancel();
  });
});

describe("the external timestamp", () => {
  const { methods } = pdpb.pd;
  const set = async (timestamp: bigint) => (await rpc.request(methods.SetExternalTimestamp, { header, timestamp })).header?.error?.message;
  const get = async () => (await rpc.request(methods.GetExternalTimestamp, { header })).timestamp;

  test("goes forward, not beyond now, and outlives a restart", async () => {
    expect(await get()).toBe(0n);
    const now = BigInt(pd.world.clock.nowMs()) << 18n;
    expect(await set(now - (2000n << 18n))).toBeUndefined();
    expect(await set(now - (2000n << 18n))).toBe("the external timestamp should be larger than now");
    expect(await set(now + (3_600_000n << 18n))).toBe("the external timestamp should not be larger than global ts");
    expect(await get()).toBe(now - (2000n << 18n));
    await pd.restart();
    expect(await get()).toBe(now - (2000n << 18n));
  });
});

describe("metadata for clients", () => {
  const { methods } = meta.metaStorage;
  const own = () => ({ cluster_id: header.cluster_id, source: "test" });

  test("is put and read, one key or a range", async () => {
    const first = await rpc.request(methods.Put, { header: own(), key: bytes("app/a"), value: bytes("1") });
    expect(first.prev_kv).toBeNull();
    const second = await rpc.request(methods.Put, { header: own(), key: bytes("app/a"), value: bytes("2"), prev_kv: true });
    expect(text(second.prev_kv?.value)).toBe("1");
    await rpc.request(methods.Put, { header: own(), key: bytes("app/b"), value: bytes("3") });
    const one = await rpc.request(methods.Get, { header: own(), key: bytes("app/a") });
    expect(one.kvs).toMatchObject([{ key: bytes("app/a"), value: bytes("2"), version: 2, lease: 0n }]);
    const range = await rpc.request(methods.Get, { header: own(), key: bytes("app/"), range_end: bytes("app0"), limit: 1 });
    expect([range.kvs.length, range.count, range.more]).toEqual([1, 2, true]);
    const then = await rpc.request(methods.Get, { header: own(), key: bytes("app/a"), revision: first.header?.revision ?? 0 });
    expect(text(then.kvs[0]?.value)).toBe("1");
  });

  test("what the placement driver keeps cannot be written by others, nor asked for by another cluster", async () => {
    const key = bytes(`/pd/${header.cluster_id}/leader`);
    await expect(rpc.request(methods.Put, { header: own(), key, value: bytes("x") })).rejects.toThrow(/placement driver's own/);
    const none = await rpc.request(methods.Put, { header: own(), key: bytes(""), value: bytes("x") });
    expect(none.header?.error?.message).toMatch(/a key must not be empty/);
    await expect(rpc.request(methods.Get, { header: { cluster_id: 7n }, key })).rejects.toThrow(/mismatch cluster id/);
  });

  test("is watched from a revision on, with what was there before", async () => {
    const put = (value: string) => rpc.request(methods.Put, { header: own(), key: bytes("watched/a"), value: bytes(value) });
    const { header: at } = await put("1");
    const { listener, next } = gather<meta.WatchResponse>();
    const watch = rpc.open(methods.Watch, listener);
    watch.send({
      header: own(),
      key: bytes("watched/"),
      range_end: bytes("watched0"),
      start_revision: (at?.revision ?? 0) + 1,
      prev_kv: true,
    });
    watch.end();
    await put("2");
    const { events } = await next();
    expect(events).toMatchObject([{ type: "PUT", kv: { value: bytes("2") }, prev_kv: { value: bytes("1") } }]);
    watch.cancel();
  });
});

describe("resource groups", () => {
  const { methods } = resourceManager;
  const settings = (fill: number) => ({ r_u: { settings: { fill_rate: fill, burst_limit: fill } } });

  test("there is one for all, and others are added, changed, deleted", async () => {
    const first = await rpc.request(methods.GetResourceGroup, { resource_group_name: "default" });
    expect(first.group).toMatchObject({
      name: "default",
      mode: "RUMode",
      priority: 8,
      r_u_settings: { r_u: { settings: { burst_limit: -1 } } },
    });
    const group = { name: "batch", mode: "RUMode", r_u_settings: settings(100), priority: 1 } as const;
    expect((await rpc.request(methods.AddResourceGroup, { group })).body).toBe("Success!");
    await expect(rpc.request(methods.AddResourceGroup, { group })).rejects.toThrow(/already exists/);
    await rpc.request(methods.ModifyResourceGroup, { group: { ...group, r_u_settings: settings(200) } });
    const listed = await rpc.request(methods.ListResourceGroups, {});
    expect(listed.groups.map(({ name, r_u_settings: ru }) => [name, ru?.r_u?.settings?.fill_rate])).toEqual([
      ["default", 2_147_483_647],
      ["batch", 200],
    ]);
    // Where clients of the field look for it.
    const kept = await rpc.request(meta.metaStorage.methods.Get, { header, key: bytes("resource_group/settings/batch") });
    expect(ResourceGroup.decode(kept.kvs[0]?.value as Uint8Array).name).toBe("batch");
    await rpc.request(methods.DeleteResourceGroup, { resource_group_name: "batch" });
    await expect(rpc.request(methods.GetResourceGroup, { resource_group_name: "batch" })).rejects.toThrow(/does not exist/);
    await expect(rpc.request(methods.DeleteResourceGroup, { resource_group_name: "default" })).rejects.toThrow(/reserved/);
    await expect(rpc.request(methods.ModifyResourceGroup, { group })).rejects.toThrow(/does not exist/);
    await expect(rpc.request(methods.AddResourceGroup, { group: { ...group, name: "" } })).rejects.toThrow(/1 to 32/);
  });
});

test("the keyspace that all keys belong to is known, others are not", async () => {
  const { methods } = keyspacepb.keyspace;
  expect((await rpc.request(methods.LoadKeyspace, { header, name: "DEFAULT" })).keyspace).toMatchObject({ id: 0, state: "ENABLED" });
  expect((await rpc.request(methods.LoadKeyspace, { header, name: "other" })).header?.error?.type).toBe("ENTRY_NOT_FOUND");
  expect((await rpc.request(methods.GetAllKeyspaces, { header })).keyspaces.map(({ name }) => name)).toEqual(["DEFAULT"]);
});

test("a mark for a cluster that is restored from snapshots is kept, and stores are told", async () => {
  const marked = async () => (await rpc.request(pdpb.pd.methods.IsSnapshotRecovering, { header })).marked;
  expect(await marked()).toBe(false);
  await pd.http("POST", "/admin/cluster/markers/snapshot-recovering");
  await pd.restart();
  expect(await marked()).toBe(true);
  await pd.http("DELETE", "/admin/cluster/markers/snapshot-recovering");
  expect(await marked()).toBe(false);
});

test("buckets that stores report become hot, by region", async () => {
  const until = async (done: () => Promise<boolean>) => {
    while (!(await done())) await pd.world.clock.sleep(20);
  };
  const { listener } = gather<pdpb.ReportBucketsResponse>();
  const stream = rpc.open(pdpb.pd.methods.ReportBuckets, listener);
  const stats = { read_bytes: [0, 1_000_000], read_keys: [0, 10], write_bytes: [0, 0], write_keys: [0, 0] };
  const buckets = metapb.Buckets.complete({ region_id: 2, version: 1, keys: ["", "m", ""].map(bytes), stats, period_in_ms: 10_000 });
  const hot = async () => JSON.parse((await pd.http("GET", "/hotspot/buckets?region_id=2")).text) as Record<string, unknown>;
  // The placement driver has just started anew: it takes reports when it leads and knows the region.
  await until(async () => {
    stream.send({ header, buckets });
    return (await hot())["2"] !== undefined;
  });
  expect((await hot())["2"]).toMatchObject([{ start_key: "6D", end_key: "", read_bytes: 100_000, read_keys: 1, write_bytes: 0 }]);
  stream.cancel();
});

test("items of the controller's configuration that are set at once are all kept", async () => {
  const path = "/../../../resource-manager/api/v1/config/controller";
  const costs = ["read-base-cost", "write-base-cost", "read-per-batch-base-cost", "write-per-batch-base-cost"];
  const answers = await Promise.all(costs.map((item, index) => pd.http("POST", path, JSON.stringify({ [item]: index + 10 }))));
  expect(answers.map(({ text: said }) => said)).toEqual(costs.map(() => "Success!"));
  const { "request-unit": unit } = JSON.parse((await pd.http("GET", path)).text) as { readonly "request-unit": Record<string, number> };
  expect(costs.map((item) => unit[item])).toEqual([10, 11, 12, 13]);
});
