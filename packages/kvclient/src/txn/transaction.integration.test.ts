import { nodeWorld } from "@skein/base";
import { createRpcClient, type Input, type UnaryMethod } from "@skein/rpc";
import { RegionError } from "@skein/store";
import type { MemoryTikv } from "@skein/store/testing";
import { encodeKey, type kvrpcpb, tikvpb } from "@skein/store/wire";
import { describe, expect, test } from "vitest";
import { kvErrors } from "../errors.ts";
import { createKvClient } from "../kv-client.ts";
import type { KeyValue } from "../raw/raw-client.ts";
import { startTestCluster, type TestCluster } from "../testing/cluster.ts";
import type { SnapshotScan } from "./snapshot.ts";
import type { TransactionOptions } from "./transaction.ts";

const world = nodeWorld();
const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const text = (value: Uint8Array | null) => (value === null ? null : Buffer.from(value).toString());
const key = (at: number) => bytes(`k${String(at).padStart(5, "0")}`);
const all = { start: bytes(""), end: bytes("") };

async function list(reader: { scan(scan: SnapshotScan): AsyncIterable<KeyValue> }, scan: SnapshotScan): Promise<string[]> {
  const found: string[] = [];
  for await (const pair of reader.scan(scan)) found.push(`${text(pair.key)}=${text(pair.value)}`);
  return found;
}

const ways: readonly (readonly [string, TransactionOptions])[] = [
  ["in two phases", { asyncCommit: false, onePhase: false }],
  ["async", { asyncCommit: true, onePhase: false }],
  ["in one phase where it can be", {}],
  ["pessimistic", { isPessimistic: true }],
];

describe.each(ways)("commit %s", (_name, options) => {
  test("what was written is read after the commit, and at no time before", async () => {
    await using it = await startTestCluster(world);
    await it.split(["k00002", "k00004"]);
    const before = await it.client.timestamp();
    const transaction = await it.client.begin(options);
    for (let at = 0; at < 6; at++) transaction.put(key(at), bytes(`v${at}`));
    expect(text(await transaction.get(key(3)))).toBe("v3");
    const commitTs = await transaction.commit();
    const after = await it.client.snapshot();
    expect(commitTs !== null && commitTs > before && commitTs < after.timestamp).toBe(true);
    expect(await list(after, all)).toEqual([0, 1, 2, 3, 4, 5].map((at) => `k0000${at}=v${at}`));
    expect(await list(after, { ...all, reverse: true, limit: 2 })).toEqual(["k00005=v5", "k00004=v4"]);
    expect(await list(await it.client.snapshot(before), all)).toEqual([]);
    expect((await after.batchGet([key(5), key(9), key(0)])).map((pair) => text(pair.value))).toEqual(["v5", "v0"]);
    await expect(transaction.get(key(0))).rejects.toMatchObject({ code: kvErrors.transactionOver.code });
  });

  test("deletes, inserts and what a reader sees of its own writes", async () => {
    await using it = await startTestCluster(world);
    await it.split(["k00002"]);
    await it.client.transact(async (transaction) => {
      for (let at = 0; at < 4; at++) transaction.put(key(at), bytes("old"));
    }, options);
    const transaction = await it.client.begin(options);
    transaction.delete(key(0));
    transaction.put(key(2), bytes("new"));
    transaction.insert(key(7), bytes("ins"));
    expect(await list(transaction, all)).toEqual(["k00001=old", "k00002=new", "k00003=old", "k00007=ins"]);
    expect(await list(transaction, { ...all, limit: 2, reverse: true })).toEqual(["k00007=ins", "k00003=old"]);
    expect((await transaction.batchGet([key(0), key(1), key(2)])).map((pair) => text(pair.value))).toEqual(["old", "new"]);
    await transaction.commit();
    expect(await list(await it.client.snapshot(), all)).toEqual(["k00001=old", "k00002=new", "k00003=old", "k00007=ins"]);
    const again = await it.client.begin(options);
    again.insert(key(7), bytes("x"));
    again.put(key(1), bytes("x"));
    await expect(again.commit()).rejects.toMatchObject({ code: kvErrors.alreadyExists.code });
    await it.client.settled();
    expect(text(await (await it.client.snapshot()).get(key(1)))).toBe("old");
  });

  test("money stays the same in sum, whoever looks", async () => {
    await using it = await startTestCluster(world);
    const accounts = 20;
    const keys = Array.from({ length: accounts }, (_, at) => key(at));
    await it.split(["k00005", "k00010", "k00015"]);
    await it.client.transact(async (transaction) => {
      for (const each of keys) transaction.put(each, bytes("100"));
    });
    const work = { isDone: false };
    const move = async (worker: number) => {
      const client = it.newClient();
      const random = world.random.fork(`bank ${worker}`);
      for (let round = 0; round < 25; round++)
        await client.transact(
          async (transaction) => {
            const from = random.below(accounts);
            const to = (from + 1 + random.below(accounts - 1)) % accounts;
            const [a, b] = [keys[from] as Uint8Array, keys[to] as Uint8Array];
            const read = async (each: Uint8Array) =>
              Number(text(options.isPessimistic === true ? await transaction.getForUpdate(each) : await transaction.get(each)));
            // In one order, so that pessimistic ones do not meet head on.
            const [first, second] = from < to ? [a, b] : [b, a];
            const balances = new Map([[first, await read(first)]]);
            balances.set(second, await read(second));
            const amount = Math.min(balances.get(a) as number, 10);
            transaction.put(a, bytes(String((balances.get(a) as number) - amount)));
            transaction.put(b, bytes(String((balances.get(b) as number) + amount)));
          },
          { ...options, repeatsMax: 1000 },
        );
    };
    const sums: number[] = [];
    const look = async () => {
      const client = it.newClient();
      while (!work.isDone) {
        const snapshot = await client.snapshot(undefined, { byReplica: sums.length % 3 === 0 });
        const found: KeyValue[] = [];
        if (sums.length % 2 === 0) found.push(...(await snapshot.batchGet(keys)));
        else for await (const pair of snapshot.scan(all)) found.push(pair);
        sums.push(found.reduce((sum, { value }) => sum + Number(text(value)), 0));
      }
    };
    const stir = async () => {
      for (let at = 0; !work.isDone; at++) {
        for (const { id } of it.regions.regions()) await it.regions.transferLeader(id, 1 + ((at + id) % 3));
        await world.clock.sleep(20);
      }
    };
    const looking = Promise.all([look(), look(), stir()]);
    await Promise.all([0, 1, 2, 3].map(move));
    work.isDone = true;
    await looking;
    expect(new Set(sums)).toEqual(new Set([2000]));
    expect(sums.length).toBeGreaterThan(10);
  });
});

test("of two that write one key the second to commit loses, and repeats", async () => {
  await using it = await startTestCluster(world);
  const [a, b] = [await it.client.begin(), await it.client.begin()];
  a.put(key(1), bytes("a"));
  b.put(key(1), bytes("b"));
  await a.commit();
  await expect(b.commit()).rejects.toMatchObject({ code: kvErrors.writeConflict.code });
  await it.client.settled();
  let tries = 0;
  await it.client.transact(async (transaction) => {
    tries++;
    const value = text(await transaction.get(key(1)));
    if (tries === 1) await it.client.transact(async (other) => other.put(key(1), bytes("other")));
    transaction.put(key(1), bytes(`${value}!`));
  });
  expect(tries).toBe(2);
  expect(text(await (await it.client.snapshot()).get(key(1)))).toBe("other!");
});

test("reads by replica ask all of them in turn, and the leader when one does not answer", async () => {
  await using it = await startTestCluster(world);
  await it.client.transact(async (transaction) => transaction.put(key(1), bytes("1")));
  const { storeId: leader } = it.regions.contextFor(encodeKey(key(1)));
  const deaf = (leader % 3) + 1;
  const asked = new Map<string, number>();
  for (const [at, { transactions }] of it.stores.entries()) {
    const plain = transactions.get.bind(transactions);
    transactions.get = (request, context) => {
      const name = `${at + 1} ${context.replicaRead ? "as replica" : "as leader"}`;
      asked.set(name, (asked.get(name) ?? 0) + 1);
      if (at + 1 !== deaf) return plain(request, context);
      throw new RegionError({ kind: "readIndexNotReady", regionId: context.regionId, reason: "no answer of the leader" }, "not ready");
    };
  }
  const snapshot = await it.client.snapshot(undefined, { byReplica: true });
  for (let i = 0; i < 6; i++) expect(text(await snapshot.get(key(1)))).toBe("1");
  expect(asked).toEqual(
    new Map([
      ["1 as replica", 2],
      ["2 as replica", 2],
      ["3 as replica", 2],
      [`${leader} as leader`, 2],
    ]),
  );
  const transaction = await it.client.begin({ byReplica: true });
  expect([text(await transaction.get(key(1))), await list(transaction, all)]).toEqual(["1", ["k00001=1"]]);
  await transaction.rollback();
});

test("10 000 keys over many regions", async () => {
  await using it = await startTestCluster(world);
  await it.split(Array.from({ length: 19 }, (_, at) => text(key((at + 1) * 500)) as string));
  const before = await it.client.timestamp();
  await it.client.transact(async (transaction) => {
    for (let at = 0; at < 10_000; at++) transaction.put(key(at), bytes(`v${at}`));
  });
  expect(await list(await it.client.snapshot(), all)).toHaveLength(10_000);
  expect(await list(await it.client.snapshot(before), all)).toHaveLength(0);
  expect(await list(await it.client.snapshot(), { ...all, reverse: true, limit: 3, keysOnly: true })).toEqual([
    "k09999=",
    "k09998=",
    "k09997=",
  ]);
});

test("limits of a transaction", async () => {
  await using it = await startTestCluster(world);
  const transaction = await it.client.begin({ limits: { keysMax: 2, entryBytesMax: 100, bytesMax: 150 } });
  transaction.put(key(1), bytes("1"));
  const tooLarge = expect.objectContaining({ code: kvErrors.tooLarge.code });
  expect(() => transaction.put(key(2), new Uint8Array(100))).toThrow(tooLarge);
  transaction.put(key(2), new Uint8Array(90));
  expect(() => transaction.put(key(3), bytes("3"))).toThrow(tooLarge);
  expect(() => transaction.put(key(1), new Uint8Array(80))).toThrow(tooLarge);
  expect(() => transaction.put(bytes(""), bytes("x"))).toThrow(RangeError);
  await transaction.rollback();
});

describe("pessimistic locks", () => {
  const locks = { isPessimistic: true };

  test("who waits reads the newest value when the lock is free", async () => {
    await using it = await startTestCluster(world);
    await it.client.transact(async (transaction) => transaction.put(key(1), bytes("0")));
    const add = () =>
      it.client.transact(async (transaction) => {
        const value = Number(text(await transaction.getForUpdate(key(1))));
        transaction.put(key(1), bytes(String(value + 1)));
      }, locks);
    await Promise.all(Array.from({ length: 20 }, add));
    expect(text(await (await it.client.snapshot()).get(key(1)))).toBe("20");
  });

  test("a wait has an end", async () => {
    await using it = await startTestCluster(world);
    const [a, b] = [await it.client.begin(locks), await it.client.begin(locks)];
    await a.lock([key(1)]);
    await expect(b.lock([key(1)], { waitMs: 0 })).rejects.toMatchObject({ code: kvErrors.lockWaitTimedOut.code });
    await expect(b.lock([key(1)], { waitMs: 300 })).rejects.toMatchObject({ code: kvErrors.lockWaitTimedOut.code });
    await a.rollback();
    await b.lock([key(1)], { waitMs: 5000 });
    expect(await b.get(key(1))).toBeNull();
    await b.rollback();
  });

  test("what is written without its lock must not have been changed since the start", async () => {
    await using it = await startTestCluster(world);
    const transaction = await it.client.begin(locks);
    await transaction.lock([key(1)]);
    await it.client.transact(async (other) => other.put(key(2), bytes("other")));
    transaction.put(key(1), bytes("1"));
    transaction.put(key(2), bytes("mine"));
    await expect(transaction.commit()).rejects.toMatchObject({ code: kvErrors.writeConflict.code });
    await it.client.settled();
    const snapshot = await it.client.snapshot();
    expect([text(await snapshot.get(key(1))), text(await snapshot.get(key(2)))]).toEqual([null, "other"]);
  });

  test("a lock that failed may be tried again at once, as another primary", async () => {
    await using it = await startTestCluster(world);
    await it.split(["k00002"]);
    const [a, b] = [await it.client.begin(locks), await it.client.begin(locks)];
    await a.lock([key(3)]);
    await expect(b.lock([key(1), key(3)], { waitMs: 0 })).rejects.toMatchObject({ code: kvErrors.lockWaitTimedOut.code });
    await b.lock([key(1)]);
    await b.lock([key(2)]);
    await it.client.settled();
    b.put(key(1), bytes("b"));
    b.put(key(2), bytes("b"));
    expect(await b.commit()).not.toBeNull();
    await a.rollback();
    const snapshot = await it.client.snapshot();
    expect([text(await snapshot.get(key(1))), text(await snapshot.get(key(2)))]).toEqual(["b", "b"]);
  });

  test("a ring of waiters is told", async () => {
    await using it = await startTestCluster(world);
    await it.split(["k00002"]);
    const [a, b] = [await it.client.begin(locks), await it.client.begin(locks)];
    await a.lock([key(1)]);
    await b.lock([key(2)]);
    const outcomes = await Promise.allSettled(
      [[a, key(2)] as const, [b, key(1)] as const].map(async ([transaction, wanted]) => {
        try {
          await transaction.lock([wanted]);
        } catch (error) {
          await transaction.rollback();
          throw error;
        }
      }),
    );
    const failures = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
    expect(failures).toEqual([expect.objectContaining({ code: kvErrors.deadlock.code })]);
    await Promise.all([a.rollback(), b.rollback()]);
  });

  test("a long transaction says that it lives, and learns when it was ended", async () => {
    await using it = await startTestCluster(world);
    // Its heartbeats come a hundred times as often.
    const clock = { ...world.clock, timer: (ms: number, run: () => void) => world.clock.timer(ms / 100, run) };
    await using hasty = createKvClient({ ...world, clock }, { endpoints: it.pd.endpoints });
    const transaction = await hasty.begin(locks);
    await transaction.lock([key(1)]);
    const context = it.regions.contextFor(encodeKey(key(1)));
    const store = it.stores[context.storeId - 1] as MemoryTikv;
    using direct = createRpcClient(world, `127.0.0.1:${store.port}`);
    const ttl = async () => {
      const answer = await direct.request(tikvpb.tikv.methods.KvCheckTxnStatus, {
        context: { region_id: context.regionId, region_epoch: { conf_ver: context.confVer, version: context.version } },
        primary_key: key(1),
        lock_ts: transaction.startTs,
        current_ts: transaction.startTs,
      });
      return answer.lock_ttl;
    };
    const first = await ttl();
    await expect.poll(ttl).toBeGreaterThan(first + 100);
    await it.client.gc(await it.client.timestamp());
    expect(await ttl()).toBe(0);
    transaction.put(key(1), bytes("1"));
    await expect(transaction.commit()).rejects.toMatchObject({ code: kvErrors.transactionLost.code });
  });

  test("what was locked and not written is free after the commit", async () => {
    await using it = await startTestCluster(world);
    const transaction = await it.client.begin(locks);
    await transaction.lock([key(1), key(2), key(3)]);
    transaction.put(key(2), bytes("2"));
    await transaction.commit();
    await it.client.settled();
    const other = await it.client.begin(locks);
    await other.lock([key(1), key(2), key(3)], { waitMs: 1000 });
    expect(text(await other.get(key(2)))).toBe("2");
    await other.rollback();
  });
});

describe("a client that went away", () => {
  /** What a client that ended in the middle of its commit has left: locks, the first key being the primary. */
  async function leave(it: TestCluster, keys: readonly Uint8Array[], request: Input<kvrpcpb.PrewriteRequest>): Promise<bigint> {
    const startTs = await it.client.timestamp();
    for (const each of keys)
      await send(it, each, tikvpb.tikv.methods.KvPrewrite, {
        mutations: [{ op: "Put", key: each, value: bytes("left") }],
        primary_lock: keys[0],
        start_version: startTs,
        lock_ttl: 50,
        txn_size: keys.length,
        ...request,
        ...(each === keys[0] && request.use_async_commit === true ? { secondaries: keys.slice(1) } : {}),
      });
    return startTs;
  }
  async function send<Q extends { readonly context: kvrpcpb.Context | null }, A>(
    it: TestCluster,
    at: Uint8Array,
    method: UnaryMethod<Q, A>,
    request: Omit<Input<Q>, "context">,
  ): Promise<A> {
    const context = it.regions.contextFor(encodeKey(at));
    const store = it.stores[context.storeId - 1];
    using client = createRpcClient(world, `127.0.0.1:${store?.port}`);
    return await client.request(method, {
      ...request,
      context: {
        region_id: context.regionId,
        region_epoch: { conf_ver: context.confVer, version: context.version },
        peer: { id: context.peerId, store_id: context.storeId },
      },
    } as unknown as Input<Q>);
  }
  async function start(): Promise<TestCluster> {
    const it = await startTestCluster(world);
    await it.split(["k00002"]);
    await it.client.transact(async (transaction) => {
      for (let at = 0; at < 4; at++) transaction.put(key(at), bytes("old"));
    });
    return it;
  }
  const old = [0, 1, 2, 3].map((at) => `k0000${at}=old`);

  test("before its commit: its locks are rolled back when their time is over", async () => {
    await using it = await start();
    await leave(it, [key(1), key(3)], {});
    expect(await list(await it.client.snapshot(), all)).toEqual(old);
    await it.client.transact(async (transaction) => transaction.put(key(3), bytes("new")));
    expect(text(await (await it.client.snapshot()).get(key(3)))).toBe("new");
  });

  test("after the commit of its primary: the others are committed", async () => {
    await using it = await start();
    const startTs = await leave(it, [key(3), key(0), key(1)], {});
    const commitTs = await it.client.timestamp();
    await send(it, key(3), tikvpb.tikv.methods.KvCommit, { start_version: startTs, keys: [key(3)], commit_version: commitTs });
    expect(await list(await it.client.snapshot(), all)).toEqual(["k00000=left", "k00001=left", "k00002=old", "k00003=left"]);
  });

  test("with all locked for an async commit: it is committed", async () => {
    await using it = await start();
    await leave(it, [key(1), key(3)], { use_async_commit: true });
    const snapshot = await it.client.snapshot();
    expect(await list(snapshot, all)).toEqual(["k00000=old", "k00001=left", "k00002=old", "k00003=left"]);
    expect(text(await snapshot.get(key(3)))).toBe("left");
  });

  test("with a part locked for an async commit: it is rolled back, and cannot come back", async () => {
    await using it = await start();
    const startTs = await it.client.timestamp();
    const half = { use_async_commit: true, secondaries: [key(3)], primary_lock: key(1), start_version: startTs, lock_ttl: 50 };
    const mutation = (at: number) => [{ op: "Put" as const, key: key(at), value: bytes("left") }];
    await send(it, key(1), tikvpb.tikv.methods.KvPrewrite, { ...half, mutations: mutation(1) });
    expect(await list(await it.client.snapshot(), all)).toEqual(old);
    const late = await send(it, key(3), tikvpb.tikv.methods.KvPrewrite, { ...half, secondaries: [], mutations: mutation(3) });
    expect(late.errors).toHaveLength(1);
  });

  test("before its primary was written: whoever meets the others waits for their time, then they are gone", async () => {
    await using it = await start();
    await leave(it, [key(3)], { primary_lock: key(1) });
    expect(await list(await it.client.snapshot(), all)).toEqual(old);
  });

  test("with a living lock: readers at earlier times are not held up, later ones push it", async () => {
    await using it = await start();
    const before = await it.client.snapshot();
    await leave(it, [key(1), key(3)], { lock_ttl: 20_000, min_commit_ts: before.timestamp });
    expect(await list(before, all)).toEqual(old);
    expect(await list(await it.client.snapshot(), all)).toEqual(old);
  });
});

test("garbage: old locks are settled, and what was before the safe point is not read", async () => {
  await using it = await startTestCluster(world);
  await it.client.transact(async (transaction) => transaction.put(key(1), bytes("1")));
  const before = await it.client.timestamp();
  await it.client.transact(async (transaction) => transaction.put(key(1), bytes("2")));
  const left = await it.client.begin({ isPessimistic: true });
  await left.lock([key(5)]);
  const safePoint = await it.client.timestamp();
  const result = await it.client.gc(safePoint);
  expect(result).toEqual({ safePoint, locksSettled: 1 });
  await expect(it.client.snapshot(before)).rejects.toMatchObject({ code: kvErrors.tooOld.code });
  left.put(key(5), bytes("x"));
  await expect(left.commit()).rejects.toMatchObject({ code: kvErrors.transactionLost.code });
  expect(text(await (await it.client.snapshot()).get(key(1)))).toBe("2");
});

test("garbage: a transaction whose pessimistic lock was settled cannot lock again, and write what it made of an old value", async () => {
  await using it = await startTestCluster(world);
  await it.client.transact(async (transaction) => transaction.put(key(1), bytes("1")));
  const context = it.regions.contextFor(encodeKey(key(1)));
  using direct = createRpcClient(world, `127.0.0.1:${(it.stores[context.storeId - 1] as MemoryTikv).port}`);
  const startTs = await it.client.timestamp();
  // as the field's clients do that lock anew, without a look at the value, when they write
  const lock = async () =>
    await direct.request(tikvpb.tikv.methods.KvPessimisticLock, {
      context: { region_id: context.regionId, region_epoch: { conf_ver: context.confVer, version: context.version } },
      mutations: [{ op: "PessimisticLock", key: key(1) }],
      primary_lock: key(1),
      start_version: startTs,
      lock_ttl: 20_000,
      for_update_ts: await it.client.timestamp(),
      return_values: true,
    });
  expect((await lock()).values.map(text)).toEqual(["1"]);
  await it.client.gc(await it.client.timestamp());
  await it.client.transact(async (transaction) => transaction.put(key(1), bytes("2")));
  expect((await lock()).errors).toMatchObject([{ retryable: expect.stringContaining("PessimisticLockRolledBack") as string }]);
});

test("regions are split at keys", async () => {
  await using it = await startTestCluster(world);
  await it.client.split([key(1), key(2)]);
  expect(it.regions.regions()).toHaveLength(3);
  await it.client.split([key(2), key(3)]);
  expect(it.regions.regions()).toHaveLength(4);
  await it.client.transact(async (transaction) => {
    for (let at = 0; at < 5; at++) transaction.put(key(at), bytes("v"));
  });
  expect(await list(await it.client.snapshot(), { ...all, keysOnly: true })).toHaveLength(5);
});
