/**
 * Whole transactions over several stores and regions, step by step in an order that a seed chooses: leaders move, regions split,
 * answers are lost, clients go away in the middle of a commit.
 */
import { checkSnapshotIsolation, findLongFork, type RecordedTransaction, Simulation, seeds } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { createMemoryRegions } from "../testing/memory-region-kv.ts";
import { ConcurrencyManager } from "./concurrency.ts";
import type { Version } from "./core/key-state.ts";
import { encodeKey } from "./core/keys.ts";
import { LeaderDetector } from "./deadlock.ts";
import { type LedTerm, type RecentChanges, RecentWrites } from "./recent-writes.ts";
import { Aborted, type CommitMode, ModelClient, Unknown } from "./testing/model-client.ts";
import { Transactions } from "./transactions.ts";

interface RunOptions {
  readonly seed: number;
  /** A manager with a rule taken out. */
  readonly concurrency?: () => ConcurrencyManager;
  readonly recent?: () => RecentWrites;
  readonly isCalm?: boolean;
  readonly modes?: readonly CommitMode[];
  /** Takers of pairs instead of transfers: both sides are read, one of them is taken; a pair may not be taken whole. */
  readonly pairs?: "under locks" | "from a snapshot";
}

const accounts = ["a", "b", "c", "d", "e"];
const opening = 100;
const pairs = [
  ["a1", "d1"],
  ["b1", "e1"],
] as const;

async function run({
  seed,
  concurrency,
  recent = () => new RecentWrites({ keysMax: 1 + (seed % 5) }),
  isCalm = false,
  modes = ["2pc", "async", "1pc"],
  pairs: how,
}: RunOptions) {
  const simulation = new Simulation({ seed, timeMaxMs: 600_000 });
  const { clock } = simulation.world("all");
  const random = simulation.random.fork("workload");
  const pauses = simulation.random.fork("pauses");
  const storeIds = [1, 2, 3];
  const regions = createMemoryRegions({
    storeIds,
    random: simulation.random.fork("regions"),
    pause: () => clock.sleep(pauses.chance(0.2) ? pauses.float() * 8 : pauses.float()),
  });
  let last = 0n;
  const timestamp = async () => {
    await clock.sleep(pauses.float());
    const now = BigInt(Math.floor(clock.nowMs())) << 18n;
    return (last = now > last ? now : last + 1n);
  };
  const ending = new AbortController();
  const detector = new LeaderDetector({ clock });
  const stores = new Map(
    storeIds.map((id) => [
      id,
      new Transactions({
        kv: regions.store(id),
        clock,
        detector,
        timestamp,
        signal: ending.signal,
        waitForLockMsMax: 30,
        recent: recent(),
        ...(concurrency === undefined ? {} : { concurrency: concurrency() }),
      }),
    ]),
  );
  await regions.split(["b", "d"].map((key) => encodeKey(Buffer.from(key))));
  const client = new ModelClient({ regions, stores, clock, random: simulation.random.fork("client"), timestamp, ttlMs: 40 });
  const history: RecordedTransaction[] = [];
  const sums: number[] = [];
  const views: ReadonlyMap<string, string | null>[] = [];
  const outcomes = { committed: 0, aborted: 0, unknown: 0 };
  let serial = 0;
  const amountOf = (value: string | null) => Number((value ?? `${opening}/0`).split("/")[0]);

  const attempt = async (
    name: string,
    work: (transaction: Awaited<ReturnType<ModelClient["begin"]>>) => Promise<void>,
    mode: CommitMode,
  ) => {
    const transaction = await client.begin();
    let outcome: RecordedTransaction["outcome"] = "committed";
    const isGone = random.chance(0.08);
    try {
      await work(transaction);
      await transaction.commit(mode, () => isGone && random.chance(0.5));
    } catch (error) {
      if (error instanceof Unknown) outcome = "unknown";
      else if (error instanceof Aborted) outcome = "aborted";
      else throw error;
    }
    outcomes[outcome]++;
    history.push(transaction.record(name, outcome));
    return outcome;
  };
  const skews: string[] = [];
  const takePair = async () => {
    const pair = random.pick(pairs);
    const id = ++serial;
    const isThere = (value: string | null) => value === null || value.startsWith("1");
    let left = 0;
    const outcome = await attempt(
      `take ${id}`,
      async (transaction) => {
        const sides: boolean[] = [];
        for (const key of pair) sides.push(isThere(await (how === "under locks" ? transaction.lock(key) : transaction.get(key))));
        left = sides.filter(Boolean).length;
        const changed = random.pick([0, 1]);
        for (const [side, key] of pair.entries()) {
          if (side === changed) transaction.put(key, `${left === 2 ? 0 : 1}/${id}`);
          // what is locked is written: the model's clients know no locks without a write
          else if (how === "under locks") transaction.put(key, `${sides[side] === true ? 1 : 0}/${id}`);
        }
      },
      random.pick(modes),
    );
    if (outcome === "committed" && left === 0) skews.push(`${pair.join(" and ")} were both gone`);
  };
  const transfer = async () => {
    const [from, to] = [random.pick(accounts), random.pick(accounts)];
    if (from === to) return;
    const amount = random.between(1, 10);
    const isPessimistic = random.chance(0.4);
    const id = ++serial;
    await attempt(
      `transfer ${id}`,
      async (transaction) => {
        const read = (key: string) => (isPessimistic ? transaction.lock(key) : transaction.get(key));
        const [first, second] = [from, to].sort() as [string, string];
        const values = new Map([[first, await read(first)]]);
        values.set(second, await read(second));
        transaction.put(from, `${amountOf(values.get(from) ?? null) - amount}/${id}`);
        transaction.put(to, `${amountOf(values.get(to) ?? null) + amount}/${id}`);
      },
      random.pick(modes),
    );
  };
  const look = async () => {
    await attempt(
      `look ${++serial}`,
      async (transaction) => {
        let sum = 0;
        for (const key of accounts) sum += amountOf(await transaction.get(key));
        sums.push(sum);
        views.push(new Map(transaction.reads.map(({ key, value }) => [key, value])));
      },
      "2pc",
    );
  };
  const worker = async (each: () => Promise<void>, count: number) => {
    for (let i = 0; i < count; i++) await each();
  };
  const trouble = async () => {
    for (let i = 0; i < (isCalm ? 0 : 12); i++) {
      await clock.sleep(random.float() * 40);
      const region = random.pick(regions.regions());
      if (random.chance(0.6)) await regions.transferLeader(region.id, random.pick(storeIds));
      else await regions.split([encodeKey(Buffer.from(`${random.pick(accounts)}${random.chance(0.5) ? "" : "0"}`))]);
    }
  };
  const work = how === undefined ? transfer : takePair;
  await simulation.complete(
    Promise.all([worker(work, 12), worker(work, 12), worker(work, 12), worker(look, 12), worker(look, 12), trouble()]),
  );
  // Who looks last sees all that was left behind settled.
  await simulation.complete(look());
  ending.abort();
  const held = [...stores.values()].map((store) => store.concurrency.heldLocks + store.scheduler.running + store.waits.count);
  const wrong = checkSnapshotIsolation(history);
  if (sums.some((sum) => sum !== opening * accounts.length)) wrong.push(`sums ${[...new Set(sums)].join(", ")}`);
  if (findLongFork(views) !== null) wrong.push("a long fork");
  return { wrong, outcomes, held, skews };
}

describe("transactions keep snapshot isolation", () => {
  test.each(seeds({ fixed: 60, fresh: 10 }))("with moving leaders, splits and lost clients, seed %i", async (seed) => {
    const { wrong, outcomes, held } = await run({ seed });
    expect(wrong).toEqual([]);
    expect(outcomes.committed).toBeGreaterThan(20);
    expect(held).toEqual([0, 0, 0]);
  });
});

describe("write skew is there as the isolation says", () => {
  test.each(seeds({ fixed: 30, fresh: 8 }))("whoever locks what it reads has none, seed %i", async (seed) => {
    const { wrong, skews, outcomes } = await run({ seed, pairs: "under locks" });
    expect(wrong).toEqual([]);
    expect(skews).toEqual([]);
    expect(outcomes.committed).toBeGreaterThan(10);
  });

  test("whoever reads a snapshot may have it, and nothing else is wrong", async () => {
    let seen = 0;
    for (let seed = 1; seed <= 30; seed++) {
      const { wrong, skews } = await run({ seed, pairs: "from a snapshot", isCalm: true });
      expect(wrong).toEqual([]);
      seen += skews.length;
    }
    expect(seen).toBeGreaterThan(0);
  });
});

/** Whether any of the seeds shows that money was lost. */
async function isAnyWrong(optionsOf: (seed: number) => RunOptions): Promise<boolean> {
  for (let seed = 1; seed <= 60; seed++) {
    const { wrong } = await run(optionsOf(seed));
    if (wrong.length > 0) return true;
  }
  return false;
}

describe("what lets a store do without a look at the versions is needed", () => {
  test("writes are noted before they are handed on", async () => {
    class Unaware extends RecentWrites {
      override begin(): void {}
    }
    expect(await isAnyWrong((seed) => ({ seed, recent: () => new Unaware() }))).toBe(true);
  });
  test("the newest version is that of the term in which it was written", async () => {
    class Trusting extends RecentWrites {
      #led: LedTerm | null = null;
      override versionsOf(name: string, led: LedTerm, startTs: bigint, isPresent: boolean): Version[] | null {
        this.#led ??= { ...led, floorTs: 0n };
        return super.versionsOf(name, this.#led, startTs, isPresent);
      }
      override lockOf(): undefined {
        return undefined;
      }
      override done(changes: RecentChanges): void {
        super.done(changes, this.#led);
      }
      override begin(changes: RecentChanges): void {
        super.begin(changes, this.#led);
      }
    }
    expect(await isAnyWrong((seed) => ({ seed, recent: () => new Trusting() }))).toBe(true);
  });
  test("of what is forgotten the newest timestamp is kept", async () => {
    class Forgetful extends RecentWrites {
      override versionsOf(name: string, led: LedTerm, startTs: bigint, isPresent: boolean): Version[] | null {
        return super.versionsOf(name, { ...led, floorTs: 0n }, startTs, isPresent);
      }
    }
    expect(await isAnyWrong((seed) => ({ seed, recent: () => new Forgetful({ keysMax: 1 }) }))).toBe(true);
  });
});

describe("each of the two rules that hold readers back from async commit and 1PC is needed", () => {
  const isSeen = (concurrency: () => ConcurrencyManager) =>
    isAnyWrong((seed) => ({ seed, concurrency, isCalm: true, modes: ["async", "1pc"] }));
  test("what was read is older than what is committed later", async () => {
    class Forgetful extends ConcurrencyManager {
      override observe(): boolean {
        return true;
      }
    }
    expect(await isSeen(() => new Forgetful())).toBe(true);
  });
  test("a commit that is on its way is met by who reads after its timestamp was chosen", async () => {
    class Invisible extends ConcurrencyManager {
      override hold(): Disposable {
        return { [Symbol.dispose]: () => {} };
      }
    }
    expect(await isSeen(() => new Invisible())).toBe(true);
  });
});
