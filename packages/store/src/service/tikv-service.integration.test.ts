import { nodeWorld } from "@skein/base";
import { createRpcClient } from "@skein/rpc";
import { describe, expect, test } from "vitest";
import { startMemoryTikv } from "../testing/index.ts";
import { encodeKey } from "../txn/core/keys.ts";
import { kvrpcpb, tikvpb } from "../wire/index.ts";
import { health } from "./health.ts";
import { importSst } from "./import-refusal.ts";

const world = nodeWorld();
const bytes = (text: string) => Buffer.from(text);
const text = (value: Uint8Array) => Buffer.from(value).toString();
const { methods } = tikvpb.tikv;

async function start(options: Parameters<typeof startMemoryTikv>[1] = {}) {
  const store = await startMemoryTikv(world, options);
  const client = createRpcClient(world, `127.0.0.1:${store.port}`);
  const context = (key: string, isRaw = false) => {
    const at = store.regions.contextFor(isRaw ? bytes(key) : encodeKey(bytes(key)));
    return {
      region_id: at.regionId,
      region_epoch: { conf_ver: at.confVer, version: at.version },
      peer: { id: at.peerId, store_id: at.storeId },
    };
  };
  return {
    store,
    client,
    context,
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

describe("unary calls", () => {
  test("a raw key is put, read, swapped and deleted; an absent one says so", async () => {
    await using it = await start();
    const { client, context } = it;
    const at = context("k", true);
    expect((await client.request(methods.RawGet, { context: at, key: bytes("k") })).not_found).toBe(true);
    expect((await client.request(methods.RawPut, { context: at, key: bytes("k"), value: bytes("1") })).error).toBe("");
    const swapped = await client.request(methods.RawCompareAndSwap, {
      context: at,
      key: bytes("k"),
      previous_value: bytes("1"),
      value: bytes("2"),
    });
    expect([swapped.succeed, text(swapped.previous_value)]).toEqual([true, "1"]);
    expect(text((await client.request(methods.RawGet, { context: at, key: bytes("k") })).value)).toBe("2");
    await client.request(methods.RawDelete, { context: at, key: bytes("k") });
    expect((await client.request(methods.RawGet, { context: at, key: bytes("k") })).not_found).toBe(true);
    expect((await client.request(methods.RawPut, { context: at, key: bytes("k"), value: bytes("1"), ttl: 5 })).error).toBe(
      "ttl is not enabled, but get put request with ttl",
    );
  });

  test("a transaction is prewritten, committed and read, by one region each", async () => {
    await using it = await start();
    const { client, context, store } = it;
    await store.regions.split([encodeKey(bytes("m"))]);
    for (const key of ["a", "z"]) {
      const answer = await client.request(methods.KvPrewrite, {
        context: context(key),
        mutations: [{ op: "Put", key: bytes(key), value: bytes(`v${key}`) }],
        primary_lock: bytes("a"),
        start_version: 10n,
        lock_ttl: 3000,
      });
      expect(answer.errors).toEqual([]);
    }
    const read = () => client.request(methods.KvGet, { context: context("z"), key: bytes("z"), version: 20n });
    expect((await read()).error?.locked?.lock_version).toBe(10n);
    for (const key of ["a", "z"])
      await client.request(methods.KvCommit, { context: context(key), keys: [bytes(key)], start_version: 10n, commit_version: 12n });
    expect(text((await read()).value)).toBe("vz");
    const scan = await client.request(methods.KvScan, { context: context("a"), limit: 10, version: 20n });
    expect(scan.pairs.map(({ key, value }) => [text(key), text(value)])).toEqual([["a", "va"]]);
  });

  test("an old epoch is told the regions of now, and a split gives all that came of it", async () => {
    await using it = await start();
    const { client, context } = it;
    const old = context("a");
    const split = await client.request(methods.SplitRegion, { context: old, split_keys: [bytes("h"), bytes("q")] });
    expect(split.regions.map(({ start_key: key }) => Buffer.from(key))).toEqual([
      bytes(""),
      Buffer.from(encodeKey(bytes("h"))),
      Buffer.from(encodeKey(bytes("q"))),
    ]);
    const answer = await client.request(methods.KvGet, { context: old, key: bytes("a"), version: 5n });
    expect(answer.region_error?.epoch_not_match?.current_regions[0]?.region_epoch?.version).toBe(3);
    const wrong = await client.request(methods.KvGet, { context: context("a"), key: bytes("z"), version: 5n });
    expect(wrong.region_error?.key_not_in_region?.region_id).toBe(old.region_id);
  });

  test("health is said, the coprocessor and API V2 are refused in words", async () => {
    await using it = await start();
    expect((await it.client.request(health.methods.Check, { service: "" })).status).toBe("SERVING");
    expect((await it.client.request(methods.Coprocessor, { context: it.context("a") })).other_error).toContain("coprocessor");
    const answer = await it.client.request(methods.RawGet, { context: { ...it.context("a"), api_version: "V2" }, key: bytes("a") });
    expect(answer.error).toContain("API V1");
  });
});

test("files are refused with the words that say what to switch off, alone and in a stream", async () => {
  await using it = await start();
  const refusal = /Unimplemented desc = this store takes no files: set global tidb_ddl_enable_fast_reorg = off/;
  await expect(it.client.request(importSst.methods.MultiIngest, {})).rejects.toThrow(refusal);
  const over = Promise.withResolvers<Error | null>();
  const stream = it.client.open(importSst.methods.Write, { message: () => {}, over: over.resolve });
  stream.send({});
  expect((await over.promise)?.message).toMatch(refusal);
});

describe("BatchCommands", () => {
  test("commands are answered by id, each with its own type, slow ones last", async () => {
    await using it = await start();
    const { client, context } = it;
    const answers = new Map<number, tikvpb.BatchResponse | null>();
    const { promise, resolve } = Promise.withResolvers<void>();
    const stream = client.open(methods.BatchCommands, {
      over: () => {},
      message: ({ responses, request_ids: ids }) => {
        for (const [index, id] of ids.entries()) answers.set(id, responses[index] ?? null);
        if (answers.size === 60) resolve();
      },
    });
    await client.request(methods.KvPessimisticLock, {
      context: context("held"),
      mutations: [{ op: "PessimisticLock", key: bytes("held") }],
      primary_lock: bytes("held"),
      start_version: 1n,
      for_update_ts: 1n,
      lock_ttl: 10_000,
    });
    const requests: { kind: string; value: object }[] = [];
    for (let id = 0; id < 60; id += 3) {
      requests.push({ kind: "RawPut", value: { context: context("x", true), key: bytes(`x${id}`), value: bytes("1") } });
      requests.push({ kind: "Get", value: { context: context("x"), key: bytes("x"), version: 7n } });
      requests.push(
        id === 0
          ? {
              kind: "PessimisticLock",
              value: {
                context: context("held"),
                mutations: [{ op: "PessimisticLock", key: bytes("held") }],
                primary_lock: bytes("held"),
                start_version: 2n,
                for_update_ts: 2n,
                wait_timeout: 50,
              },
            }
          : { kind: "Empty", value: { test_id: id } },
      );
    }
    stream.send({ requests: requests as never, request_ids: requests.map((_, id) => id) });
    await promise;
    for (const [id, answer] of answers) expect([id, answer?.kind]).toEqual([id, requests[id]?.kind]);
    expect([...answers.keys()].at(-1)).toBe(2);
    expect((answers.get(2) as { value: kvrpcpb.PessimisticLockResponse }).value.errors[0]?.locked?.lock_version).toBe(1n);
  });
});
