import { Simulation } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { RegionError } from "../region-kv.ts";
import { createMemoryRegions } from "../testing/memory-region-kv.ts";
import { ConcurrencyManager, Leads } from "../txn/concurrency.ts";
import { encodeKey, versionKey } from "../txn/core/keys.ts";
import { kvrpcpb } from "../wire/index.ts";
import { crc64 } from "./core/crc64.ts";
import { RawKv } from "./raw-kv.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const text = (value: Uint8Array | undefined) => Buffer.from(value ?? []).toString();

function start(options: { readonly enableTtl?: boolean; readonly pause?: () => Promise<void>; readonly simulation?: Simulation } = {}) {
  const simulation = options.simulation ?? new Simulation({ seed: 1 });
  const { clock } = simulation.world("store");
  const regions = createMemoryRegions(options.pause === undefined ? {} : { pause: options.pause });
  const store = regions.store(1);
  const leads = new Leads(new ConcurrencyManager(), { timestamp: async () => 0n, signal: new AbortController().signal });
  store.onLead(leads.began);
  const raw = new RawKv({ kv: store, leads, clock, enableTtl: options.enableTtl ?? false });
  const at = (key = "") => regions.contextFor(bytes(key));
  const put = (key: string, value: string, more: { ttl?: number; cf?: string } = {}) =>
    raw.put(kvrpcpb.RawPutRequest.complete({ key: bytes(key), value: bytes(value), ...more }), at(key));
  const get = async (key: string, cf = "") => {
    const answer = await raw.get(kvrpcpb.RawGetRequest.complete({ key: bytes(key), cf }), at(key));
    return answer.not_found === true ? null : (answer.error ?? text(answer.value));
  };
  const scan = async (more: Parameters<typeof kvrpcpb.RawScanRequest.complete>[0]) => {
    const { kvs } = await raw.scan(kvrpcpb.RawScanRequest.complete({ limit: 100, ...more }), at(text(more.start_key)));
    return (kvs ?? []).map(({ key, value, error }) =>
      error === undefined || error === null ? `${text(key)}=${text(value)}` : (error.abort ?? ""),
    );
  };
  const swap = async (key: string, previous: string | null, value: string) => {
    const request = previous === null ? { previous_not_exist: true } : { previous_value: bytes(previous) };
    return raw.compareAndSwap(kvrpcpb.RawCASRequest.complete({ key: bytes(key), value: bytes(value), ...request }), at(key));
  };
  return { simulation, clock, regions, raw, at, put, get, scan, swap };
}

describe("raw keys", () => {
  test("an absent key is not an empty one; families are key spaces of their own", async () => {
    const { put, get } = start();
    await put("k", "");
    await put("k", "w", { cf: "write" });
    expect([await get("k"), await get("k", "default"), await get("k", "write"), await get("k", "lock"), await get("x")]).toEqual([
      "",
      "",
      "w",
      null,
      null,
    ]);
    expect(await get("k", "nope")).toContain("cf nope is unknown");
    expect((await put("k", "", { cf: "nope" })).error).toContain("cf nope is unknown");
  });

  test("scans both ways end where the region ends; the start of a backward scan is its upper bound", async () => {
    const { put, scan, regions } = start();
    for (const key of ["a", "b", "c", "d"]) await put(key, key);
    expect(await scan({ start_key: bytes("b") })).toEqual(["b=b", "c=c", "d=d"]);
    expect(await scan({ start_key: bytes("b"), end_key: bytes("d"), key_only: true })).toEqual(["b=", "c="]);
    expect(await scan({ start_key: bytes("a"), limit: 2 })).toEqual(["a=a", "b=b"]);
    await regions.split([bytes("c")]);
    expect(await scan({ start_key: bytes("a") })).toEqual(["a=a", "b=b"]);
    const { raw, at } = start();
    expect(await raw.scan(kvrpcpb.RawScanRequest.complete({ limit: 0 }), at())).toEqual({ kvs: [] });
  });

  test("backward", async () => {
    const { put, scan } = start();
    for (const key of ["a", "b", "c", "d"]) await put(key, key);
    expect(await scan({ start_key: bytes("d"), end_key: bytes("b"), reverse: true })).toEqual(["c=c", "b=b"]);
    expect(await scan({ reverse: true, limit: 3 })).toEqual(["d=d", "c=c", "b=b"]);
  });

  test("several at once; ranges are removed, and summed up", async () => {
    const { raw, at, get } = start();
    const pairs = ["a", "b", "c"].map((key) => ({ key: bytes(key), value: bytes(`v${key}`) }));
    await raw.batchPut(kvrpcpb.RawBatchPutRequest.complete({ pairs }), at());
    const got = await raw.batchGet(kvrpcpb.RawBatchGetRequest.complete({ keys: ["c", "x", "a"].map(bytes) }), at());
    expect(got.pairs?.map(({ key }) => text(key))).toEqual(["c", "a"]);
    const sum = await raw.checksum(kvrpcpb.RawChecksumRequest.complete({ ranges: [{ start_key: bytes("a"), end_key: bytes("c") }] }), at());
    expect([sum.checksum, sum.total_kvs, sum.total_bytes]).toEqual([crc64(bytes("ava")) ^ crc64(bytes("bvb")), 2, 6]);
    await raw.deleteRange(kvrpcpb.RawDeleteRangeRequest.complete({ start_key: bytes("a"), end_key: bytes("c") }), at());
    expect([await get("a"), await get("b"), await get("c")]).toEqual([null, null, "vc"]);
    await raw.batchDelete(kvrpcpb.RawBatchDeleteRequest.complete({ keys: [bytes("c")] }), at());
    expect(await get("c")).toBeNull();
    expect(crc64(bytes("123456789"))).toBe(0x995dc9bbdf1939fan);
  });

  test("a range of each region is scanned in turn", async () => {
    const { raw, at, put } = start();
    for (const key of ["a", "b", "m", "n"]) await put(key, key);
    const ranges = [{ start_key: bytes("a") }, { start_key: bytes("m"), end_key: bytes("n") }];
    const answer = await raw.batchScan(kvrpcpb.RawBatchScanRequest.complete({ ranges, each_limit: 5 }), at());
    expect(answer.kvs?.map(({ key }) => text(key))).toEqual(["a", "b", "m"]);
  });

  test("keys of another region are refused, and nothing is written", async () => {
    const { raw, regions, at, get } = start();
    await regions.split([bytes("m")]);
    const pairs = ["a", "z"].map((key) => ({ key: bytes(key), value: bytes("1") }));
    await expect(raw.batchPut(kvrpcpb.RawBatchPutRequest.complete({ pairs }), at("a"))).rejects.toThrow(RegionError);
    expect(await get("a")).toBeNull();
  });
});

describe("compare and swap", () => {
  test("swaps what is expected, and tells what was there", async () => {
    const { swap, get } = start();
    expect(await swap("k", null, "1")).toMatchObject({ succeed: true, previous_not_exist: true });
    const refused = await swap("k", null, "2");
    expect([refused.succeed, text(refused.previous_value)]).toEqual([false, "1"]);
    expect((await swap("k", "0", "2")).succeed).toBe(false);
    expect((await swap("k", "1", "2")).succeed).toBe(true);
    expect(await get("k")).toBe("2");
  });

  test("of many at once each sees the one before; plain writes come between, never under", async () => {
    const simulation = new Simulation({ seed: 7 });
    const { clock } = simulation.world("pauses");
    const random = simulation.random.fork("pauses");
    const { swap, put, get } = start({ simulation, pause: () => clock.sleep(random.float() * 5) });
    await simulation.complete(put("n", "0"));
    let swapped = 0;
    const counter = async () => {
      for (let i = 0; i < 10; i++) {
        const now = (await get("n")) ?? "0";
        if ((await swap("n", now, String(Number(now) + 1))).succeed === true) swapped++;
      }
    };
    await simulation.complete(Promise.all([counter(), counter(), counter()]));
    expect(Number(await simulation.complete(get("n")))).toBe(swapped);
    // A swap that found "a" and a put of "b" that was acknowledged before: the put is not lost.
    await simulation.complete(put("p", "a"));
    const both = await simulation.complete(Promise.all([swap("p", "a", "c"), put("p", "b")]));
    expect(both[1]).toEqual({});
    expect(await simulation.complete(get("p"))).toBe("b");
  });
});

describe("time to live", () => {
  test("is refused when it is off", async () => {
    const { put } = start();
    expect((await put("k", "v", { ttl: 1 })).error).toBe("ttl is not enabled, but get put request with ttl");
  });

  test("ends keys for reads, scans and swaps; what has none stays; the rest is cleaned away", async () => {
    const { simulation, put, get, scan, swap, raw, at, regions } = start({ enableTtl: true });
    await put("a", "1", { ttl: 10 });
    await put("b", "2");
    await put("c", "3", { ttl: 100 });
    const ttl = async (key: string) => raw.getKeyTtl(kvrpcpb.RawGetKeyTTLRequest.complete({ key: bytes(key) }), at());
    expect([await ttl("a"), await ttl("b"), await ttl("x")]).toEqual([{ ttl: 10 }, { ttl: 0 }, { not_found: true }]);
    await simulation.pass(10_000);
    expect([await get("a"), await get("b")]).toEqual([null, "2"]);
    expect(await scan({ limit: 1 })).toEqual(["b=2"]);
    expect(await swap("a", null, "9")).toMatchObject({ succeed: true });
    await put("d", "4", { ttl: 1 });
    // A value of a transaction, whose last bytes could be read as a time that is over.
    const key = encodeKey(bytes("t"));
    await regions.engine.write([
      { kind: "put", family: "default", key: versionKey(key, 5n), value: new Uint8Array(300).fill(1, 0, 292).fill(1, 299) },
      { kind: "put", family: "write", key: versionKey(key, 6n), value: bytes("P\x05") },
    ]);
    await simulation.pass(2_000);
    expect(await raw.clean(at())).toBe(1);
    expect(regions.engine.get("default", bytes("d"))).toBeNull();
    expect(regions.engine.get("default", versionKey(key, 5n))).not.toBeNull();
  });
});
