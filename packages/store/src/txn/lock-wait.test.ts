import { Simulation } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { createMemoryRegions } from "../testing/memory-region-kv.ts";
import { kvrpcpb } from "../wire/index.ts";
import { WaitGraph } from "./core/wait-graph.ts";
import { LeaderDetector } from "./deadlock.ts";
import { Latches } from "./latches.ts";
import { hashOf } from "./lock-wait.ts";
import { Transactions } from "./transactions.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

function start() {
  const simulation = new Simulation({ seed: 1 });
  const { clock } = simulation.world("store");
  const regions = createMemoryRegions();
  const transactions = new Transactions({
    kv: regions.store(1),
    clock,
    detector: new LeaderDetector({ clock }),
    timestamp: async () => 0n,
    signal: new AbortController().signal,
  });
  const at = regions.contextFor(new Uint8Array(0));
  const lock = (key: string, start: bigint, waitMs = 0, forUpdate = start) =>
    transactions.pessimisticLock(
      kvrpcpb.PessimisticLockRequest.complete({
        mutations: [{ op: "PessimisticLock", key: bytes(key) }],
        primary_lock: bytes(key),
        start_version: start,
        for_update_ts: forUpdate,
        lock_ttl: 3000,
        wait_timeout: waitMs,
        return_values: true,
      }),
      at,
    );
  const force = (key: string, start: bigint, waitMs = 0) =>
    transactions.pessimisticLock(
      kvrpcpb.PessimisticLockRequest.complete({
        mutations: [{ op: "PessimisticLock", key: bytes(key) }],
        primary_lock: bytes(key),
        start_version: start,
        for_update_ts: start,
        lock_ttl: 3000,
        wait_timeout: waitMs,
        wake_up_mode: "WakeUpModeForceLock",
      }),
      at,
    );
  const unlock = (key: string, start: bigint) =>
    transactions.pessimisticRollback(
      kvrpcpb.PessimisticRollbackRequest.complete({ keys: [bytes(key)], start_version: start, for_update_ts: start }),
      at,
    );
  return { simulation, clock, transactions, lock, force, unlock, at };
}

describe("a pessimistic lock that meets another", () => {
  test("gets it when it is let go, the oldest first", async () => {
    const { simulation, lock, unlock, transactions } = start();
    await lock("k", 1n);
    const order: string[] = [];
    const young = lock("k", 9n, 500).then(({ errors }) => order.push(`9 ${errors?.length ?? 0}`));
    const old = lock("k", 5n, 500).then(({ errors }) => order.push(`5 ${errors?.length ?? 0}`));
    await simulation.pass(10);
    expect(transactions.waits.count).toBe(2);
    await unlock("k", 1n);
    await simulation.complete(old);
    await unlock("k", 5n);
    await simulation.complete(young);
    expect(order).toEqual(["5 0", "9 0"]);
  });

  test("and is taken beside a newer version says so, also when it is asked for again", async () => {
    const { simulation, lock, force, transactions, at } = start();
    await lock("k", 10n);
    const waiting = force("k", 20n, 500);
    await simulation.pass(5);
    const mutations = [{ op: "Put" as const, key: bytes("k"), value: bytes("new") }];
    const common = { start_version: 10n, lock_ttl: 3000, primary_lock: bytes("k"), for_update_ts: 10n };
    const actions = ["DO_PESSIMISTIC_CHECK" as const];
    await transactions.prewrite(kvrpcpb.PrewriteRequest.complete({ ...common, mutations, pessimistic_actions: actions }), at);
    await transactions.commit(kvrpcpb.CommitRequest.complete({ keys: [bytes("k")], start_version: 10n, commit_version: 30n }), at);
    const answer = await simulation.complete(waiting);
    expect(answer.results).toMatchObject([
      { type: "LockResultLockedWithConflict", locked_with_conflict_ts: 30n, value: bytes("new"), existence: true },
    ]);
    // The answer was lost: the client must not take what it read at 20 for the newest.
    expect((await force("k", 20n)).results).toEqual(answer.results);
    expect((await lock("k", 20n, 0, 35n)).errors ?? []).toEqual([]);
  });

  test("that nobody takes after all goes to the next a little later", async () => {
    const { simulation, lock, unlock, transactions, at } = start();
    await lock("k", 1n);
    // The oldest is rolled back while it waits: it does not take the lock.
    const oldest = lock("k", 5n, 500);
    const next = lock("k", 9n, 500);
    await simulation.pass(5);
    await transactions.batchRollback(kvrpcpb.BatchRollbackRequest.complete({ keys: [bytes("k")], start_version: 5n }), at);
    await unlock("k", 1n);
    expect((await simulation.complete(oldest)).errors?.[0]?.retryable).toContain("PessimisticLockRolledBack");
    expect(transactions.waits.count).toBe(1);
    await simulation.pass(21);
    expect((await next).errors ?? []).toEqual([]);
  });

  test("is told the lock when its patience ends, at once when it has none, and after the store's limit", async () => {
    const { simulation, clock, lock } = start();
    await lock("k", 1n);
    const began = clock.nowMs();
    expect((await lock("k", 2n, -1)).errors?.[0]?.locked?.lock_version).toBe(1n);
    expect(clock.nowMs() - began).toBe(0);
    const waited = await simulation.complete(lock("k", 2n, 70));
    expect([waited.errors?.[0]?.locked?.lock_version, clock.nowMs() - began]).toEqual([1n, 70]);
    await simulation.complete(lock("k", 3n, Number.MAX_SAFE_INTEGER));
    expect(clock.nowMs() - began).toBe(1070);
  });

  test("that was committed meanwhile is a conflict with the newer version", async () => {
    const { simulation, lock, transactions, at } = start();
    await lock("k", 1n);
    const waiting = lock("k", 5n, 500);
    await simulation.pass(5);
    await transactions.prewrite(
      kvrpcpb.PrewriteRequest.complete({
        mutations: [{ op: "Put", key: bytes("k"), value: bytes("1") }],
        primary_lock: bytes("k"),
        start_version: 1n,
        for_update_ts: 1n,
        lock_ttl: 3000,
        pessimistic_actions: ["DO_PESSIMISTIC_CHECK"],
      }),
      at,
    );
    await transactions.commit(kvrpcpb.CommitRequest.complete({ keys: [bytes("k")], start_version: 1n, commit_version: 8n }), at);
    const answer = await simulation.complete(waiting);
    expect([answer.errors?.[0]?.conflict?.conflict_commit_ts, answer.errors?.[0]?.conflict?.reason]).toEqual([8n, "PessimisticRetry"]);
    const again = await lock("k", 5n, 0, 9n);
    expect(Buffer.from(again.values?.[0] ?? []).toString()).toBe("1");
  });

  test("is given up when it would wait for itself; the others go on", async () => {
    const { simulation, lock, unlock } = start();
    for (const [key, ts] of [
      ["a", 1n],
      ["b", 2n],
      ["c", 3n],
    ] as const)
      await lock(key, ts);
    const first = lock("b", 1n, 900);
    const second = lock("c", 2n, 900);
    await simulation.pass(1);
    const third = await simulation.complete(lock("a", 3n, 900));
    const deadlock = third.errors?.[0]?.deadlock;
    expect([
      deadlock?.lock_ts,
      Buffer.from(deadlock?.lock_key ?? []).toString(),
      Buffer.from(deadlock?.deadlock_key ?? []).toString(),
    ]).toEqual([1n, "a", "c"]);
    expect(deadlock?.wait_chain?.map(({ txn, wait_for_txn: other }) => [txn, other])).toEqual([
      [1n, 2n],
      [2n, 3n],
      [3n, 1n],
    ]);
    await unlock("c", 3n);
    expect((await simulation.complete(second)).errors ?? []).toEqual([]);
    await unlock("b", 2n);
    expect((await simulation.complete(first)).errors ?? []).toEqual([]);
  });

  test("too many that wait are answered at once", async () => {
    const { simulation, lock, transactions } = start();
    await lock("k", 1n);
    const waiting = Array.from({ length: 20 }, (_, i) => lock("k", BigInt(i + 2), 30));
    await simulation.pass(1);
    expect(transactions.waits.count).toBe(20);
    await simulation.complete(Promise.all(waiting));
    expect(transactions.waits.count).toBe(0);
  });
});

describe("deadlocks across stores", () => {
  test("who waits at another store is told by the one that keeps the graph, and told to it again when it moves", async () => {
    const { clock, simulation } = start();
    const keeper = new WaitGraph();
    const lines: string[] = [];
    let lose: (() => void) | null = null;
    const detector = new LeaderDetector({
      clock,
      connect: async (found, lost) => {
        lose = lost;
        return {
          detect: (edge) => {
            lines.push(`detect ${edge.txn}→${edge.waitFor}`);
            const deadlock = keeper.detect(edge, clock.nowMs());
            if (deadlock !== null) found(edge, deadlock);
          },
          leave: (edge) => {
            lines.push(`leave ${edge.txn}→${edge.waitFor}`);
            keeper.remove(edge);
          },
          close: () => {},
        };
      },
    });
    const edge = (txn: bigint, waitFor: bigint) => ({ txn, waitFor, keyHash: hashOf(bytes(`${txn}`)), key: bytes(`${txn}`) });
    keeper.detect(edge(2n, 1n), clock.nowMs());
    const seen: bigint[] = [];
    detector.enter(edge(5n, 6n), () => seen.push(5n));
    await simulation.pass(1);
    detector.enter(edge(1n, 2n), () => seen.push(1n));
    expect(seen).toEqual([1n]);
    detector.leave(edge(1n, 2n));
    (lose as (() => void) | null)?.();
    await simulation.pass(600);
    detector.enter(edge(7n, 8n), () => {});
    await simulation.pass(1);
    expect(lines).toEqual(["detect 5→6", "detect 1→2", "leave 1→2", "detect 5→6", "detect 7→8"]);
  });

  test("edges of those who never say that they left go with time", () => {
    const graph = new WaitGraph();
    const edge = (txn: bigint, waitFor: bigint) => ({ txn, waitFor, keyHash: txn, key: bytes("k") });
    expect(graph.detect(edge(1n, 2n), 0)).toBeNull();
    expect(graph.detect(edge(2n, 1n), 29_999)).not.toBeNull();
    expect(graph.detect(edge(2n, 1n), 30_001)).toBeNull();
    expect(graph.detect(edge(3n, 3n), 0)).toBeNull();
    graph.removeAll(2n);
    graph.remove(edge(1n, 2n));
    expect(graph.count).toBe(0);
  });
});

test("latches: in the order of arrival, several keys at once, never in a circle", async () => {
  const latches = new Latches();
  const order: string[] = [];
  const first = latches.acquire(["a", "b", "a"]);
  const second = latches.acquire(["b", "c"]);
  const third = latches.acquire(["c", "a"]);
  const free = latches.acquire(["d"]);
  expect([first.ready === null, second.ready === null, third.ready === null, free.ready === null]).toEqual([true, false, false, true]);
  expect(latches.waiting).toBe(2);
  const run = async (name: string, it: typeof first) => {
    await it.ready;
    order.push(name);
    it.release();
  };
  const both = Promise.all([run("third", third), run("second", second)]);
  first.release();
  free.release();
  await both;
  expect(order).toEqual(["second", "third"]);
  expect(latches.waiting).toBe(0);
});

test("a command whose caller has stopped waiting while it stood in line is not begun", async () => {
  const { simulation, clock, transactions, at } = start();
  const { promise, resolve } = Promise.withResolvers<void>();
  const key = new Uint8Array([1]);
  const first = transactions.scheduler.run(at, [key], () => promise);
  const late = transactions.scheduler.run({ ...at, deadlineMs: clock.monotonicMs() + 10 }, [key], () => "begun");
  const refused = expect(late).rejects.toMatchObject({ reason: { kind: "serverIsBusy", reason: "deadline is exceeded" } });
  await simulation.pass(11);
  resolve();
  await first;
  await refused;
});
