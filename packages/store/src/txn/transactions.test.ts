/** What scenario files cannot say: several regions, ranges larger than a step, raw keys beside transactions, new leaders. */
import { Simulation } from "@skein/sim";
import { describe, expect, test } from "vitest";
import type { RegionWrite } from "../region-kv.ts";
import { createMemoryRegions } from "../testing/memory-region-kv.ts";
import { kvrpcpb } from "../wire/index.ts";
import { behind, encodeKey, versionKey } from "./core/keys.ts";
import { encodeWrite, type Write } from "./core/records.ts";
import { LeaderDetector } from "./deadlock.ts";
import { Transactions, type TransactionsOptions } from "./transactions.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const text = (value: Uint8Array | undefined) => Buffer.from(value ?? []).toString();

function start(options: Partial<TransactionsOptions> & { readonly storeIds?: readonly number[]; readonly entryBytesMax?: number } = {}) {
  const simulation = new Simulation({ seed: 1 });
  const { clock } = simulation.world("store");
  const { entryBytesMax = Number.POSITIVE_INFINITY } = options;
  const regions = createMemoryRegions({ storeIds: options.storeIds ?? [1], entryBytesMax });
  const stores = (options.storeIds ?? [1]).map(
    (id) =>
      new Transactions({
        kv: regions.store(id),
        clock,
        detector: new LeaderDetector({ clock }),
        timestamp: async () => 0n,
        signal: new AbortController().signal,
        ...options,
      }),
  );
  const [first] = stores as [Transactions];
  const at = (key = "") => regions.contextFor(encodeKey(bytes(key)));
  const prewrite = (
    keys: readonly string[],
    startTs: bigint,
    more: Partial<Parameters<typeof kvrpcpb.PrewriteRequest.complete>[0]> = {},
    store = first,
  ) =>
    store.prewrite(
      kvrpcpb.PrewriteRequest.complete({
        mutations: keys.map((key) => ({ op: "Put", key: bytes(key), value: bytes(`${key}${startTs}`) })),
        primary_lock: bytes(keys[0] ?? ""),
        start_version: startTs,
        lock_ttl: 3000,
        ...more,
      }),
      at(keys[0]),
    );
  const commit = (keys: readonly string[], startTs: bigint, commitTs: bigint) =>
    first.commit(kvrpcpb.CommitRequest.complete({ keys: keys.map(bytes), start_version: startTs, commit_version: commitTs }), at(keys[0]));
  const scan = async (version: bigint, more: Partial<Parameters<typeof kvrpcpb.ScanRequest.complete>[0]> = {}, key = "") => {
    const answer = await first.scan(kvrpcpb.ScanRequest.complete({ version, limit: 10_000, ...more }), at(key));
    return (answer.pairs ?? []).map((pair) => `${text(pair.key)}=${text(pair.value)}`);
  };
  return { simulation, clock, regions, stores, first, at, prewrite, commit, scan };
}

describe("long ranges", () => {
  test("keys with hundreds of versions are read right, forward and backward, at any time", async () => {
    const { prewrite, commit, scan } = start();
    for (const key of ["a", "b", "c"])
      for (let version = 1n; version <= 200n; version++) {
        await prewrite([key], version * 10n);
        await commit([key], version * 10n, version * 10n + 1n);
      }
    for (const ts of [5n, 11n, 805n, 1000n, 2001n, 5000n]) {
      const version = ts < 11n ? 0n : ((ts - 1n) / 10n > 200n ? 200n : (ts - 1n) / 10n) * 10n;
      const expected = version === 0n ? [] : ["a", "b", "c"].map((key) => `${key}=${key}${version}`);
      expect([ts, await scan(ts)]).toEqual([ts, expected]);
      expect([ts, await scan(ts, { reverse: true })]).toEqual([ts, expected.reverse()]);
    }
  });

  test("locks of one transaction are settled in steps, and ranges removed in steps", async () => {
    const { first, prewrite, at, scan } = start();
    const keys = Array.from({ length: 700 }, (_, i) => `k${String(i).padStart(4, "0")}`);
    await prewrite(keys, 10n);
    await prewrite(["z"], 11n);
    await first.resolveLock(kvrpcpb.ResolveLockRequest.complete({ start_version: 10n, commit_version: 12n }), at());
    const left = await first.scanLock(kvrpcpb.ScanLockRequest.complete({ max_version: 100n }), at());
    expect(left.locks?.map(({ key }) => text(key))).toEqual(["z"]);
    expect((await scan(20n, { end_key: bytes("y") })).length).toBe(700);
    expect(await scan(20n, { end_key: bytes("y"), reverse: false, limit: 2 })).toEqual(["k0000=k000010", "k0001=k000110"]);
    await first.deleteRange(kvrpcpb.DeleteRangeRequest.complete({ start_key: bytes("k"), end_key: bytes("l") }), at());
    expect(await scan(20n, { end_key: bytes("y") })).toEqual([]);
  });
});

describe("requests of many keys", () => {
  test("look at the versions of all of them in one walk", async () => {
    // Older transactions than the first timestamp of the term: what was written before is not known to the store.
    const { regions, first, prewrite, commit, at } = start({ timestamp: async () => 1000n });
    const keys = Array.from({ length: 500 }, (_, i) => `k${String((i * 7) % 500).padStart(4, "0")}`);
    let walks = 0;
    const snapshot = regions.engine.snapshot.bind(regions.engine);
    regions.engine.snapshot = () => {
      const plain = snapshot();
      return {
        get: (family, key) => plain.get(family, key),
        scan: (family, range, options) => {
          walks++;
          return plain.scan(family, range, options);
        },
        heads: (family, ranges, limit) => {
          walks++;
          return plain.heads(family, ranges, limit);
        },
        [Symbol.dispose]: () => plain[Symbol.dispose](),
      };
    };
    const walksOf = async (work: () => Promise<unknown>) => {
      walks = 0;
      await work();
      return walks;
    };
    for (const ts of [10n, 20n]) {
      expect(await walksOf(() => prewrite(keys, ts))).toBe(1);
      expect(await walksOf(() => commit(keys, ts, ts + 5n))).toBe(0);
      expect(await walksOf(() => commit(keys, ts, ts + 5n))).toBe(1); // said again
    }
    const read = (version: bigint) =>
      first.batchGet(kvrpcpb.BatchGetRequest.complete({ version, keys: [...keys, "none", keys[3] ?? ""].map(bytes) }), at());
    expect(await walksOf(() => read(20n))).toBe(1);
    for (const [version, written] of [
      [15n, 10n],
      [24n, 10n],
      [25n, 20n],
    ] as const)
      expect((await read(version)).pairs?.map((pair) => `${text(pair.key)}=${text(pair.value)}`)).toEqual(
        [...keys, keys[3] ?? ""].map((key) => `${key}=${key}${written}`),
      );
    expect(
      await walksOf(() => first.batchRollback(kvrpcpb.BatchRollbackRequest.complete({ start_version: 30n, keys: keys.map(bytes) }), at())),
    ).toBe(1);
    expect((await prewrite(["k0001"], 30n)).errors?.[0]?.conflict?.reason).toBe("SelfRolledBack");
  });

  test("of what was written just now, young transactions need no walk; a removal and a new leader are noticed", async () => {
    const { regions, first, stores, prewrite, commit, at } = start({ storeIds: [1, 2], timestamp: async () => 5n });
    let walks = 0;
    const snapshot = regions.engine.snapshot.bind(regions.engine);
    regions.engine.snapshot = () => {
      const plain = snapshot();
      return {
        get: (family, key) => plain.get(family, key),
        scan: (family, range, options) => {
          walks++;
          return plain.scan(family, range, options);
        },
        heads: (family, ranges, limit) => {
          walks++;
          return plain.heads(family, ranges, limit);
        },
        [Symbol.dispose]: () => plain[Symbol.dispose](),
      };
    };
    const long = new Uint8Array(1000).fill(1);
    const mutations = ["a", "b"].map((key) => kvrpcpb.Mutation.complete({ op: "Put", key: bytes(key), value: long }));
    const read = async (version: bigint, store = first) =>
      (await store.get(kvrpcpb.GetRequest.complete({ version, key: bytes("a") }), at())).value?.length ?? null;
    const readMany = async (version: bigint) =>
      (await first.batchGet(kvrpcpb.BatchGetRequest.complete({ version, keys: ["b", "a"].map(bytes) }), at())).pairs?.length;
    await prewrite([], 10n, { mutations, primary_lock: bytes("a") });
    await commit(["a", "b"], 10n, 12n);
    expect([await read(12n), await readMany(13n), walks]).toEqual([1000, 2, 0]);
    expect([await read(11n), walks]).toEqual([null, 1]);
    expect((await prewrite(["a"], 11n)).errors?.[0]?.conflict?.conflict_commit_ts).toBe(12n);
    walks = 0;
    expect([(await prewrite(["b"], 20n, { mutations: [{ op: "Insert", key: bytes("b"), value: long }] })).errors?.length, walks]).toEqual([
      1, 0,
    ]);
    const second = stores[1] as Transactions;
    const id = at().regionId;
    await regions.transferLeader(id, 2);
    await second.prewrite(
      kvrpcpb.PrewriteRequest.complete({ mutations: [{ op: "Del", key: bytes("a") }], primary_lock: bytes("a"), start_version: 20n }),
      at(),
    );
    await second.commit(kvrpcpb.CommitRequest.complete({ keys: [bytes("a")], start_version: 20n, commit_version: 22n }), at());
    await regions.transferLeader(id, 1);
    expect(await read(30n)).toBeNull();
    await prewrite(["a"], 40n);
    await commit(["a"], 40n, 42n);
    await first.deleteRange(kvrpcpb.DeleteRangeRequest.complete({ start_key: bytes("a"), end_key: bytes("c") }), at());
    expect(await read(50n)).toBeNull();
  });

  test("commit a key that is named twice once", async () => {
    const { prewrite, commit, scan } = start();
    await prewrite(["a", "b", "a"], 10n);
    expect(await commit(["a", "b", "a"], 10n, 11n)).toEqual({ commit_version: 11n });
    expect(await scan(20n)).toEqual(["a=a10", "b=b10"]);
  });
});

describe("a range's removal", () => {
  test("takes no range whose end was forgotten, nor one that is not the region's", async () => {
    const { regions, first, prewrite, commit, at, scan } = start();
    await prewrite(["a", "m"], 10n);
    await commit(["a", "m"], 10n, 11n);
    const remove = (from: string, to: string, key = "") =>
      first.deleteRange(kvrpcpb.DeleteRangeRequest.complete({ start_key: bytes(from), end_key: bytes(to) }), at(key));
    expect((await remove("", "")).error).toContain("without an end");
    expect((await remove("b", "")).error).toContain("without an end");
    expect((await remove("b", "a")).error).toContain("invalid delete range");
    expect(await remove("b", "b")).toEqual({});
    await regions.split([encodeKey(bytes("k"))]);
    expect((await remove("k", "", "m")).error).toContain("without an end");
    await expect(remove("", "l")).rejects.toMatchObject({ reason: { kind: "keyNotInRegion" } });
    await expect(remove("", "z", "m")).rejects.toMatchObject({ reason: { kind: "keyNotInRegion" } });
    expect([...(await scan(20n)), ...(await scan(20n, { start_key: bytes("k") }, "m"))]).toEqual(["a=a10", "m=m10"]);
    expect(await remove("", "k")).toEqual({});
    expect(await scan(20n)).toEqual([]);
  });
});

describe("answers that would be too large", () => {
  test("are given up as soon as that is known, and not when all of it was read", async () => {
    const { regions, first, prewrite, commit, at } = start();
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
    const value = new Uint8Array(4 * 1024 * 1024);
    for (const key of keys) {
      await prewrite([key], 10n, { mutations: [kvrpcpb.Mutation.complete({ op: "Put", key: bytes(key), value })] });
      await commit([key], 10n, 11n);
    }
    const snapshot = regions.engine.snapshot.bind(regions.engine);
    let values = 0;
    regions.engine.snapshot = () => {
      const plain = snapshot();
      return {
        get: (family, key) => {
          if (family === "default") values++;
          return plain.get(family, key);
        },
        scan: (family, range, options) => plain.scan(family, range, options),
        heads: (family, ranges, limit) => plain.heads(family, ranges, limit),
        [Symbol.dispose]: () => plain[Symbol.dispose](),
      };
    };
    const request = { version: 20n, limit: 1000 };
    expect((await first.scan(kvrpcpb.ScanRequest.complete(request), at())).error?.abort).toContain("ask for fewer keys");
    expect(values).toBeLessThan(15);
    values = 0;
    const batch = await first.batchGet(kvrpcpb.BatchGetRequest.complete({ version: 20n, keys: keys.map(bytes) }), at());
    expect(batch.error?.abort).toContain("ask for fewer keys");
    expect(values).toBeLessThan(15);
    expect((await first.scan(kvrpcpb.ScanRequest.complete({ ...request, limit: 10 }), at())).pairs?.length).toBe(10);
  });

  test("also those of locks", async () => {
    const { first, prewrite, at } = start();
    const secondaries = Array.from({ length: 25 }, () => new Uint8Array(64 * 1024));
    for (let i = 0; i < 35; i++) await prewrite([`k${i}`], 10n, { use_async_commit: true, secondaries });
    const ask = (limit: number) => first.scanLock(kvrpcpb.ScanLockRequest.complete({ max_version: 100n, limit }), at());
    expect((await ask(0)).error?.abort).toContain("ask for fewer");
    expect((await ask(10)).locks?.length).toBe(10);
  });
});

describe("one write takes so much and no more", () => {
  const record = (kind: Write["kind"], startTs: bigint, shortValue: Uint8Array | null = null): Write => ({
    kind,
    startTs,
    shortValue,
    overlappedRollback: false,
    gcFence: null,
    lastChange: null,
    source: 0n,
  });

  test("a key with more versions than an entry can name is collected in pieces, and never shows what was deleted", async () => {
    const { regions, first, at, scan } = start({ entryBytesMax: 256 * 1024 });
    const key = encodeKey(bytes("k"));
    const writes: RegionWrite[] = [];
    for (let ts = 10n; ts <= 100_000n; ts += 10n) {
      writes.push({ kind: "put", family: "write", key: versionKey(key, ts + 1n), value: encodeWrite(record("put", ts)) });
      writes.push({ kind: "put", family: "default", key: versionKey(key, ts), value: bytes("a value") });
    }
    writes.push({ kind: "put", family: "write", key: versionKey(key, 100_011n), value: encodeWrite(record("delete", 100_010n)) });
    writes.push({ kind: "put", family: "write", key: versionKey(key, 100_021n), value: encodeWrite(record("rollback", 100_021n)) });
    await regions.engine.write(writes);
    // Ended in the middle, it goes on with the next call.
    let calls = 0;
    const signal = { throwIfAborted: () => (++calls > 4 ? expect.fail("enough") : undefined) } as unknown as AbortSignal;
    await expect(first.gc(200_000n, { ...at(), signal })).rejects.toThrow("enough");
    expect(await scan(200_000n)).toEqual([]);
    const count = async () => {
      let left = 0;
      for (const family of ["write", "default"] as const)
        for await (const block of regions.engine.scan(family, { start: key, end: behind(key) })) left += block.length;
      return left;
    };
    const left = await count();
    expect(left).toBeLessThan(20_002);
    expect(left).toBeGreaterThan(1);
    await first.gc(200_000n, at());
    expect(await scan(200_000n)).toEqual([]);
    expect(await count()).toBe(0);
  });

  test("locks with long keys are settled in pieces", async () => {
    const { first, prewrite, at } = start({ entryBytesMax: 2 * 1024 * 1024 });
    const keys = Array.from({ length: 300 }, (_, i) => `${"k".repeat(8000)}${i}`);
    for (let i = 0; i < keys.length; i += 50) await prewrite(keys.slice(i, i + 50), 10n);
    expect(await first.resolveLock(kvrpcpb.ResolveLockRequest.complete({ start_version: 10n }), at())).toEqual({});
    expect((await first.scanLock(kvrpcpb.ScanLockRequest.complete({ max_version: 100n }), at())).locks).toEqual([]);
  });
});

describe("regions", () => {
  test("a scan ends where its region ends, and refuses to begin elsewhere", async () => {
    const { regions, first, prewrite, commit, scan, at } = start();
    await prewrite(["a", "m"], 10n);
    await commit(["a", "m"], 10n, 11n);
    await regions.split([encodeKey(bytes("k"))]);
    expect(await scan(20n)).toEqual(["a=a10"]);
    expect(await scan(20n, { start_key: bytes("k") }, "m")).toEqual(["m=m10"]);
    expect(await scan(20n, { reverse: true }, "m")).toEqual(["m=m10"]);
    const wrong = (more: Parameters<typeof kvrpcpb.ScanRequest.complete>[0]) =>
      first.scan(kvrpcpb.ScanRequest.complete({ version: 20n, limit: 5, ...more }), at("a"));
    await expect(wrong({ start_key: bytes("m") })).rejects.toMatchObject({ reason: { kind: "keyNotInRegion" } });
    await expect(wrong({ start_key: bytes("z"), reverse: true })).rejects.toMatchObject({ reason: { kind: "keyNotInRegion" } });
    await expect(prewrite(["a", "z"], 30n)).rejects.toMatchObject({ reason: { kind: "keyNotInRegion" } });
    expect(await first.scanLock(kvrpcpb.ScanLockRequest.complete({ max_version: 100n }), at())).toEqual({ locks: [] });
  });

  test("garbage is collected in all that are led, raw keys beside are left alone", async () => {
    const { regions, first, prewrite, commit, scan } = start();
    for (const ts of [10n, 20n, 30n]) {
      await prewrite(["a", "m"], ts);
      await commit(["a", "m"], ts, ts + 1n);
    }
    for (const family of ["write", "lock"] as const)
      await regions.engine.write([{ kind: "put", family, key: bytes("raw key"), value: bytes("raw value") }]);
    await regions.split([encodeKey(bytes("k"))]);
    expect(await first.gcLed(25n, new AbortController().signal)).toBe(2);
    expect(await scan(26n)).toEqual(["a=a20"]);
    expect(regions.engine.get("write", bytes("raw key"))).not.toBeNull();
    expect(regions.engine.get("write", versionKey(encodeKey(bytes("m")), 11n))).toBeNull();
    expect((await first.unsafeDestroyRange(kvrpcpb.UnsafeDestroyRangeRequest.complete({}))).error).toContain("without an end");
    expect(regions.engine.get("write", versionKey(encodeKey(bytes("m")), 31n))).not.toBeNull();
    expect(
      await first.unsafeDestroyRange(kvrpcpb.UnsafeDestroyRangeRequest.complete({ start_key: bytes("a"), end_key: bytes("z") })),
    ).toEqual({});
    expect(regions.engine.get("write", versionKey(encodeKey(bytes("m")), 31n))).toBeNull();
  });
});

describe("a new leader", () => {
  test("chooses no commit timestamp before it has one of the placement driver", async () => {
    let give: (ts: bigint) => void = () => {};
    const { simulation, regions, stores, prewrite } = start({
      storeIds: [1, 2],
      timestamp: () => new Promise((resolve) => (give = resolve)),
    });
    await regions.transferLeader(regions.regions()[0]?.id ?? 0, 2);
    const second = stores[1] as Transactions;
    const refused = expect(prewrite(["a"], 10n, { use_async_commit: true }, second)).rejects.toMatchObject({
      reason: { kind: "maxTimestampNotSynced" },
    });
    await simulation.pass(2100);
    await refused;
    // Ordinary commits need none.
    expect((await prewrite(["b"], 10n, {}, second)).errors).toEqual([]);
    const waiting = prewrite(["c"], 10n, { try_one_pc: true }, second);
    give(500n);
    expect((await simulation.complete(waiting)).one_pc_commit_ts).toBe(501n);
  });
});

describe("a timestamp beyond the time that is known", () => {
  const minuteLater = 60_000n << 18n;
  const read = (version: bigint) => kvrpcpb.GetRequest.complete({ key: bytes("a"), version });

  test("is asked about: the placement driver may have been set forward", async () => {
    let present = 50n;
    let asked = 0;
    const { simulation, first, prewrite, at } = start({
      timestamp: async () => {
        asked++;
        return present;
      },
    });
    await prewrite(["a"], 10n);
    asked = 0;
    present = 5_000n;
    first.concurrency.setLimit(100n);
    const reads = [first.get(read(4_998n), at()), first.get(read(4_999n), at())];
    for (const each of reads) expect((await simulation.complete(each)).error?.locked?.lock_version).toBe(10n);
    expect(asked, "who waits for the same answer shares it").toBe(1);
    const far = present + minuteLater + 1n;
    expect((await simulation.complete(first.get(read(far), at()))).error?.abort).toContain("far ahead");
    expect(first.concurrency.maxTs).toBe(4_999n);
    present = far;
    expect((await simulation.complete(first.get(read(far), at()))).error?.locked?.lock_version).toBe(10n);
  });

  test("is refused when the placement driver does not answer", async () => {
    const { simulation, first, at } = start({
      timestamp: (signal) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))),
    });
    first.concurrency.setLimit(100n);
    const refused = first.get(read(101n), at());
    await simulation.pass(2_100);
    expect((await refused).error?.abort).toContain("far ahead");
  });
});

describe("garbage that a client asks to collect", () => {
  test("goes no further than the placement driver lets it: others still read there", async () => {
    const { first, prewrite, commit, at, scan } = start();
    for (const ts of [10n, 20n]) {
      await prewrite(["a"], ts);
      await commit(["a"], ts, ts + 1n);
    }
    const ask = (safePoint: bigint) => first.gcOf(kvrpcpb.GCRequest.complete({ safe_point: safePoint }), at());
    for (const safePoint of [12n, 30n, 0xffff_ffff_ffff_ffffn]) expect((await ask(safePoint)).error?.abort).toContain("placement driver");
    expect(await scan(15n)).toEqual(["a=a10"]);
    await first.gcLed(30n, new AbortController().signal);
    expect(await ask(30n)).toEqual({});
    expect(await scan(31n)).toEqual(["a=a20"]);
  });
});

test("a store that led nothing when garbage was collected refuses reads before it, too, once it leads", async () => {
  const { regions, stores, prewrite, commit } = start({ storeIds: [1, 2] });
  const second = stores[1] as Transactions;
  for (const ts of [10n, 20n]) {
    await prewrite(["a"], ts);
    await commit(["a"], ts, ts + 1n);
  }
  const { signal } = new AbortController();
  for (const store of stores) await store.gcLed(30n, signal);
  await regions.transferLeader(regions.regions()[0]?.id ?? 0, 2);
  const at = regions.contextFor(encodeKey(bytes("a")));
  const read = (version: bigint) => second.get(kvrpcpb.GetRequest.complete({ key: bytes("a"), version }), at);
  expect((await read(15n)).error?.abort).toContain("GC safe point is 30");
  expect(text((await read(31n)).value)).toBe("a20");
});

describe("a primary that was never written", () => {
  test("is an error at first; when it is still missing after a while the transaction is rolled back", async () => {
    const { simulation, first, prewrite, at } = start();
    await prewrite(["b"], 10n, { primary_lock: bytes("a") });
    const ask = (key = "a") =>
      first.checkTxnStatus(
        kvrpcpb.CheckTxnStatusRequest.complete({ primary_key: bytes(key), lock_ts: 10n, caller_start_ts: 20n, current_ts: 20n }),
        at(),
      );
    expect((await ask()).error?.txn_not_found?.start_ts).toBe(10n);
    await simulation.pass(4000);
    expect((await ask()).error?.txn_not_found?.start_ts).toBe(10n);
    await simulation.pass(1000);
    expect((await ask()).action).toBe("LockNotExistRollback");
    expect((await prewrite(["a"], 10n)).errors?.[0]?.conflict?.reason).toBe("SelfRolledBack");
    // One that comes late, but comes, is as good as any.
    expect((await ask("c")).error?.txn_not_found).toBeDefined();
    await prewrite(["c"], 10n);
    await simulation.pass(9000);
    expect((await ask("c")).lock_ttl).toBe(3000);
  });
});

describe("a reader and a commit that chooses its own timestamp", () => {
  test("the reader meets the lock in memory while the write is on its way", async () => {
    const simulation = new Simulation({ seed: 3 });
    const { clock } = simulation.world("pauses");
    let isSlow = false;
    const regions = createMemoryRegions({ pause: (point) => (isSlow && point === "apply" ? clock.sleep(50) : Promise.resolve()) });
    const transactions = new Transactions({
      kv: regions.store(1),
      clock,
      detector: new LeaderDetector({ clock }),
      timestamp: async () => 0n,
      signal: new AbortController().signal,
    });
    const at = regions.contextFor(bytes(""));
    const get = (version: bigint) => transactions.get(kvrpcpb.GetRequest.complete({ key: bytes("k"), version }), at);
    expect(await get(100n)).toEqual({ not_found: true });
    isSlow = true;
    const committing = transactions.prewrite(
      kvrpcpb.PrewriteRequest.complete({
        mutations: [{ op: "Put", key: bytes("k"), value: bytes("v") }],
        primary_lock: bytes("k"),
        start_version: 90n,
        lock_ttl: 3000,
        try_one_pc: true,
      }),
      at,
    );
    await simulation.pass(10);
    expect(await get(100n)).toEqual({ not_found: true });
    expect((await get(101n)).error?.locked?.lock_version).toBe(90n);
    expect((await transactions.scan(kvrpcpb.ScanRequest.complete({ version: 101n, limit: 9 }), at)).error?.locked?.lock_version).toBe(90n);
    expect(
      (await transactions.batchGet(kvrpcpb.BatchGetRequest.complete({ version: 101n, keys: [bytes("k")] }), at)).pairs?.[0]?.error,
    ).toBeDefined();
    expect((await transactions.scanLock(kvrpcpb.ScanLockRequest.complete({ max_version: 101n }), at)).error?.locked).toBeDefined();
    expect((await simulation.complete(committing)).one_pc_commit_ts).toBe(101n);
    expect(text((await get(101n)).value)).toBe("v");
    expect(await get(100n)).toEqual({ not_found: true });
    expect(transactions.concurrency.heldLocks).toBe(0);
  });
});
