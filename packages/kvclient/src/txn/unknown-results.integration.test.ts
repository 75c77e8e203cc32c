/** Answers that are lost, stores that fail in the middle, callers that give up: nothing is said to be what it may not be. */
import { nodeWorld } from "@skein/base";
import { Simulation, seeds } from "@skein/sim";
import { RegionError } from "@skein/store";
import { describe, expect, test } from "vitest";
import { kvErrors } from "../errors.ts";
import { createKvClient } from "../kv-client.ts";
import { startTestCluster, type TestCluster } from "../testing/cluster.ts";

const world = nodeWorld();
const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const text = (value: Uint8Array | null) => (value === null ? null : Buffer.from(value).toString());
const twoPhases = { asyncCommit: false, onePhase: false };
const code = (error: { readonly code: number }) => ({ code: error.code });

const undetermined = () => new RegionError({ kind: "undetermined", message: "the answer was lost" }, "the answer was lost");
const busy = () => new RegionError({ kind: "serverIsBusy", reason: "for ever", backoffMs: 0 }, "busy");

type Method = "prewrite" | "commit" | "txnHeartBeat" | "pessimisticLock";
type Step = "does it, and the answer is lost" | "fails" | "is busy" | "answers";

/** What the stores do with the first requests of a kind; the last step is what they do from then on. */
function script(it: TestCluster, method: Method, steps: readonly Step[], isMeant: (request: object) => boolean = () => true) {
  const seen: object[] = [];
  for (const { transactions } of it.stores) {
    const plain = transactions[method].bind(transactions) as (request: object, context: object) => Promise<object>;
    const scripted = async (request: object, context: object): Promise<object> => {
      if (!isMeant(request)) return plain(request, context);
      const step = steps[Math.min(seen.length, steps.length - 1)] as Step;
      seen.push(request);
      if (step === "is busy") throw busy();
      if (step === "fails") throw new Error("the engine failed");
      const answer = await plain(request, context);
      if (step === "answers") return answer;
      throw undetermined();
    };
    (transactions as unknown as Record<Method, typeof scripted>)[method] = scripted;
  }
  return seen;
}

const read = async (it: TestCluster, key: string, at?: bigint) => text(await (await it.client.snapshot(at)).get(bytes(key)));

describe("a commit whose answer is lost", () => {
  test("is asked for again, and is the same commit", async () => {
    await using it = await startTestCluster(world);
    for (const [name, options, method] of [
      ["a", twoPhases, "commit"],
      ["b", {}, "prewrite"],
      ["c", { onePhase: false }, "prewrite"],
    ] as const) {
      const seen = script(it, method, ["does it, and the answer is lost", "answers"]);
      const transaction = await it.client.begin(options);
      transaction.put(bytes(name), bytes("1"));
      const commitTs = (await transaction.commit()) as bigint;
      await it.client.settled();
      expect([seen.length >= 2, await read(it, name, commitTs), await read(it, name, commitTs - 1n)]).toEqual([true, "1", null]);
    }
  });

  test("of one phase whose region was split meanwhile tells the time at which it took place", async () => {
    await using it = await startTestCluster(world);
    let isSplit = false;
    for (const { transactions } of it.stores) {
      const plain = transactions.prewrite.bind(transactions);
      transactions.prewrite = async (request, context) => {
        const answer = await plain(request, context);
        if (isSplit) return answer;
        isSplit = true;
        await it.split(["m"]);
        throw undetermined();
      };
    }
    const transaction = await it.client.begin({ asyncCommit: false });
    transaction.put(bytes("a"), bytes("1"));
    transaction.put(bytes("z"), bytes("1"));
    const commitTs = (await transaction.commit()) as bigint;
    await it.client.settled();
    for (const key of ["a", "z"])
      expect([key, await read(it, key, commitTs), await read(it, key, commitTs - 1n)]).toEqual([key, "1", null]);
  });

  const ways = [
    ["in two phases", twoPhases, "commit"],
    ["in one phase", {}, "prewrite"],
    ["async", { onePhase: false }, "prewrite"],
  ] as const;
  test.each(ways)("and of which nothing more is heard, %s, is said to be unknown", async (_name, options, method) => {
    for (const later of ["is busy", "fails"] as const) {
      await using it = await startTestCluster(world);
      script(it, method, ["does it, and the answer is lost", later]);
      let runs = 0;
      const work = it.client.transact(
        async (transaction) => {
          runs++;
          transaction.put(bytes("a"), bytes("1"));
        },
        { ...options, patienceMs: 1500 },
      );
      await expect(work).rejects.toMatchObject(code(kvErrors.resultUndetermined));
      expect([later, runs]).toEqual([later, 1]);
    }
  });

  test("a store that failed before it did anything is no unknown result", async () => {
    await using it = await startTestCluster(world);
    script(it, "prewrite", ["fails"]);
    const transaction = await it.client.begin();
    transaction.put(bytes("a"), bytes("1"));
    await expect(transaction.commit()).rejects.toMatchObject(code(kvErrors.transactionLost));
    await it.client.settled();
    expect(await read(it, "a")).toBeNull();
  });
});

test.each([{}, twoPhases, { onePhase: false }])("what was inserted and deleted again is a check and no write (%j)", async (options) => {
  await using it = await startTestCluster(world);
  await it.split(["m"]);
  const transaction = await it.client.begin(options);
  for (const key of ["a", "z"]) {
    transaction.insert(bytes(key), bytes("1"));
    transaction.delete(bytes(key));
  }
  await transaction.commit();
  expect(await read(it, "a")).toBeNull();
  await it.client.transact(async (other) => other.put(bytes("z"), bytes("1")));
  const again = await it.client.begin(options);
  again.insert(bytes("z"), bytes("1"));
  again.delete(bytes("z"));
  await expect(again.commit()).rejects.toMatchObject(code(kvErrors.alreadyExists));
});

describe("a transaction that lives long", () => {
  test("goes on to say so after a heartbeat that failed", async () => {
    await using it = await startTestCluster(world);
    const clock = { ...world.clock, timer: (ms: number, run: () => void) => world.clock.timer(ms / 100, run) };
    await using hasty = createKvClient({ ...world, clock }, { endpoints: it.pd.endpoints });
    const seen = script(it, "txnHeartBeat", ["fails", "fails", "answers"]);
    const transaction = await hasty.begin({ isPessimistic: true });
    await transaction.lock([bytes("a")]);
    await expect.poll(() => seen.length).toBeGreaterThan(3);
    transaction.put(bytes("a"), bytes("1"));
    expect(await transaction.commit()).not.toBeNull();
  });

  test("says so for as long as it may live, and not for ever", async () => {
    await using it = await startTestCluster(world);
    const clock = { ...world.clock, timer: (ms: number, run: () => void) => world.clock.timer(ms / 100, run) };
    await using hasty = createKvClient({ ...world, clock }, { endpoints: it.pd.endpoints });
    const transaction = await hasty.begin({ isPessimistic: true, lifeMsMax: 250 });
    await transaction.lock([bytes("a")]);
    transaction.put(bytes("a"), bytes("1"));
    const lock = () =>
      transaction.lock([bytes("a")]).then(
        () => null,
        (error: unknown) => (error as { code?: number }).code,
      );
    await expect.poll(lock).toBe(kvErrors.transactionLost.code);
    await expect(transaction.commit()).rejects.toMatchObject(code(kvErrors.transactionLost));
  });

  test("locks that are asked for at the same time have one primary, and it is there first", async () => {
    await using it = await startTestCluster(world);
    await it.split(["m"]);
    const seen: string[] = [];
    const primaries = new Set<string | null>();
    for (const { transactions } of it.stores) {
      const plain = transactions.pessimisticLock.bind(transactions);
      transactions.pessimisticLock = async (request, context) => {
        seen.push("asked");
        primaries.add(text(request.primary_lock));
        const answer = await plain(request, context);
        seen.push("answered");
        return answer;
      };
    }
    const transaction = await it.client.begin({ isPessimistic: true });
    await Promise.all([transaction.lock([bytes("z")]), transaction.lock([bytes("a")]), transaction.lock([bytes("b"), bytes("z")])]);
    expect([seen.slice(0, 2), primaries]).toEqual([["asked", "answered"], new Set(["z"])]);
    for (const key of ["a", "b", "z"]) transaction.put(bytes(key), bytes("1"));
    expect(await transaction.commit()).not.toBeNull();
  });
});

describe("a client that is closed", () => {
  test("answers nothing more, and opens no connection again", async () => {
    await using it = await startTestCluster(world);
    await it.client.transact(async (transaction) => transaction.put(bytes("a"), bytes("1")));
    const client = it.newClient();
    const snapshot = await client.snapshot();
    const transaction = await client.begin();
    expect(text(await snapshot.get(bytes("a")))).toBe("1");
    transaction.put(bytes("a"), bytes("2"));
    await client.close();
    const closed = code(kvErrors.closed);
    await expect(snapshot.get(bytes("a"))).rejects.toMatchObject(closed);
    await expect(transaction.commit()).rejects.toMatchObject(closed);
    await expect(client.begin()).rejects.toMatchObject(closed);
    await expect(client.raw().get(bytes("a"))).rejects.toMatchObject(closed);
    expect(client.stores()).toEqual([]);
    expect(await read(it, "a")).toBe("1");
  });

  test("while calls are under way ends them: a commit that may have been done is unknown, a read is over", async () => {
    await using it = await startTestCluster(world);
    const client = it.newClient();
    const snapshot = await client.snapshot();
    await snapshot.get(bytes("a"));
    const arrived = Promise.withResolvers<void>();
    for (const { transactions } of it.stores) {
      const plain = transactions.prewrite.bind(transactions);
      transactions.prewrite = async (request, context) => {
        await plain(request, context);
        arrived.resolve();
        return await new Promise<never>(() => {});
      };
    }
    const transaction = await client.begin();
    transaction.put(bytes("a"), bytes("1"));
    const commit = transaction.commit();
    const outcome = expect(commit).rejects.toMatchObject(code(kvErrors.resultUndetermined));
    await arrived.promise;
    await client.close();
    await outcome;
  });
});

describe("a caller that gives up", () => {
  const holding = async (it: TestCluster) => {
    const holder = await it.client.begin({ isPessimistic: true });
    await holder.lock([bytes("a")]);
    return holder;
  };

  test("of a wait for a lock: it ends at once, and holds nothing", async () => {
    await using it = await startTestCluster(world);
    const holder = await holding(it);
    const giving = new AbortController();
    const seen = script(
      it,
      "pessimisticLock",
      ["answers"],
      (request) => (request as { start_version: bigint }).start_version !== holder.startTs,
    );
    const transaction = await it.client.begin({ isPessimistic: true, signal: giving.signal });
    const lock = transaction.lock([bytes("a"), bytes("b")]);
    const outcome = expect(lock).rejects.toThrow("no more");
    await expect.poll(() => seen.length).toBeGreaterThan(0);
    const startedMs = world.clock.monotonicMs();
    giving.abort(new Error("no more"));
    await outcome;
    expect(world.clock.monotonicMs() - startedMs).toBeLessThan(900);
    await expect(transaction.get(bytes("a"))).rejects.toThrow("no more");
    await transaction.rollback();
    await holder.rollback();
    await it.client.settled();
    const other = await it.client.begin({ isPessimistic: true });
    await other.lock([bytes("a"), bytes("b")], { waitMs: 3000 });
    await other.rollback();
  });

  test("of a commit: before the point of no return it is rolled back, behind it the result is unknown", async () => {
    await using it = await startTestCluster(world);
    for (const [method, error] of [
      ["prewrite", "no more"],
      ["commit", undefined],
    ] as const) {
      const giving = new AbortController();
      const arrived = Promise.withResolvers<void>();
      const undo: (() => void)[] = [];
      for (const { transactions } of it.stores) {
        const plain = transactions[method].bind(transactions) as (request: object, context: object) => Promise<object>;
        const slow = async (request: object, context: object) => {
          const answer = await plain(request, context);
          arrived.resolve();
          await world.clock.sleep(1000);
          return answer;
        };
        (transactions as unknown as Record<string, unknown>)[method] = slow;
        undo.push(() => {
          (transactions as unknown as Record<string, unknown>)[method] = plain;
        });
      }
      const transaction = await it.client.begin({ ...twoPhases, signal: giving.signal });
      transaction.put(bytes("k"), bytes(method));
      const commit = transaction.commit();
      const outcome =
        error === undefined
          ? expect(commit).rejects.toMatchObject(code(kvErrors.resultUndetermined))
          : expect(commit).rejects.toThrow(error);
      await arrived.promise;
      giving.abort(new Error("no more"));
      await outcome;
      for (const back of undo) back();
      await it.client.settled();
      expect(await read(it, "k")).toBe(method === "prewrite" ? null : method);
    }
  });

  test("of a read that a lock holds up", async () => {
    await using it = await startTestCluster(world);
    const giving = new AbortController();
    const writer = await it.client.begin({ ...twoPhases });
    writer.put(bytes("a"), bytes("1"));
    const held = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    for (const { transactions } of it.stores) {
      const plain = transactions.get.bind(transactions);
      transactions.get = async (request, context) => {
        arrived.resolve();
        await held.promise;
        return plain(request, context);
      };
    }
    const snapshot = await it.client.snapshot(undefined, { signal: giving.signal });
    const outcome = expect(snapshot.get(bytes("a"))).rejects.toThrow("no more");
    await arrived.promise;
    giving.abort(new Error("no more"));
    await outcome;
    held.resolve();
    await writer.rollback();
  });
});

describe("what a caller is told is what became of it", () => {
  test.each(seeds({ fixed: 2, fresh: 1 }))("with stores that lose answers, fail and move, seed %i", async (seed) => {
    const random = new Simulation({ seed }).random.fork("harm");
    await using it = await startTestCluster(world);
    await it.split(["m"]);
    const harm = { isOver: false };
    for (const { transactions } of it.stores)
      for (const method of [
        "prewrite",
        "commit",
        "pessimisticLock",
        "checkTxnStatus",
        "checkSecondaryLocks",
        "resolveLock",
        "batchRollback",
      ] as const) {
        const plain = transactions[method].bind(transactions) as (request: object, context: object) => Promise<object>;
        const harmed = async (request: object, context: object): Promise<object> => {
          const draw = harm.isOver ? 1 : random.float();
          if (draw < 0.03) throw busy();
          if (draw < 0.045) throw new Error("the engine failed");
          const answer = await plain(request, context);
          if (draw < 0.12) throw undetermined();
          return answer;
        };
        (transactions as unknown as Record<string, typeof harmed>)[method] = harmed;
      }
    const outcomes = { done: 0, unknown: 0, failed: 0 };
    const work = async (worker: number) => {
      const client = it.newClient();
      const draws = random.fork(`worker ${worker}`);
      for (let round = 0; round < 10; round++) {
        const isPessimistic = draws.chance(0.2);
        const isNear = draws.chance(0.4);
        const keys = (isNear ? ["a", "b"] : ["a", "z"]).map(bytes);
        const options = { isPessimistic, asyncCommit: draws.chance(0.6), onePhase: draws.chance(0.7), repeatsMax: 20, patienceMs: 10_000 };
        try {
          await client.transact(async (transaction) => {
            for (const key of keys) {
              const value = isPessimistic ? await transaction.getForUpdate(key) : await transaction.get(key);
              transaction.put(key, bytes(String(Number(text(value) ?? 0) + 1)));
            }
          }, options);
          outcomes.done++;
        } catch (error) {
          if (kvErrors.resultUndetermined.is(error)) outcomes.unknown++;
          else outcomes.failed++;
        }
      }
    };
    const stir = async () => {
      for (let at = 0; !harm.isOver; at++) {
        for (const { id } of it.regions.regions()) await it.regions.transferLeader(id, 1 + ((at + id) % 3));
        if (at === 3) await it.split(["b"]);
        await world.clock.sleep(30);
      }
    };
    const stirring = stir();
    await Promise.all([0, 1, 2, 3].map(work));
    harm.isOver = true;
    await stirring;
    const [a, b, z] = [Number(await read(it, "a")), Number(await read(it, "b")), Number(await read(it, "z"))];
    expect(a).toBe(b + z);
    expect(a).toBeGreaterThanOrEqual(outcomes.done);
    expect(a).toBeLessThanOrEqual(outcomes.done + outcomes.unknown);
    expect(outcomes.done).toBeGreaterThan(15);
    expect(outcomes.unknown).toBeLessThan(5);
  });
});
