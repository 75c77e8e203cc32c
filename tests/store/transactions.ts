/** Transactions that are recorded with their timestamps, a bank, groups of keys for long forks, and pairs for write skew. */
import { isAbort, type Random, type World } from "@skein/base";
import { createKvClient, type KvClient, kvErrors, type Transaction } from "@skein/kvclient";
import type { RecordedTransaction } from "@skein/sim";

export interface TransactionHistory {
  readonly transactions: RecordedTransaction[];
  /** Sums that snapshots of the bank had, NaN for one without all accounts; all must be `bankSum`. */
  readonly sums: number[];
  /** Per group: what snapshots saw of its keys, which are written once each. */
  readonly forks: Map<number, Map<string, string | null>[]>;
  /** Pairs that were both 0, although whoever takes one to 0 has locked both. */
  readonly skews: string[];
  /** Transfers that were acknowledged, by journal key. */
  readonly transfers: Set<string>;
  /** Refusals by code, to see that the work was work. */
  readonly refused: Map<string, number>;
}

export const accounts = 10;
export const initialBalance = 100;
export const bankSum = accounts * initialBalance;
const keyCount = 8;
const groupKeys = 4;
const pairs = 3;
/** A group is written and read by all workers until its keys are there; then the next one is. */
const roundsPerGroup = 30;

export const bytes = (text: string): Uint8Array => Buffer.from(text);
const textOf = (value: Uint8Array | null) => (value === null ? null : Buffer.from(value).toString("utf8"));
const numberOf = (value: Uint8Array | null) => Number(textOf(value) ?? Number.NaN);
const account = (number: number) => `bank/${String(number).padStart(3, "0")}`;
/** Where the driver may split regions. */
export const splitPoints = [account(3), account(7), "fork/", "journal/", "reg/1", "reg/3", "si/2", "si/5", "skew/"];

export async function prepareTransactions(client: KvClient): Promise<void> {
  await client.transact(async (transaction) => {
    for (let i = 0; i < accounts; i++) transaction.put(bytes(account(i)), bytes(String(initialBalance)));
    for (let i = 0; i < pairs; i++) for (const side of ["a", "b"]) transaction.put(bytes(`skew/${i}${side}`), bytes("1"));
  });
}

export async function workOnTransactions(
  world: World,
  endpoints: readonly string[],
  random: Random,
  workers: number,
  signal: AbortSignal,
): Promise<TransactionHistory> {
  const history: TransactionHistory = { transactions: [], sums: [], forks: new Map(), skews: [], transfers: new Set(), refused: new Map() };
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      const chance = random.fork(`worker-${worker}`);
      const client = createKvClient(world, { endpoints });
      const stopped = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      const run = async () => {
        for (let count = 0; !signal.aborted; count++) {
          const kind = chance.pick(["mixed", "mixed", "locked", "read", "transfer", "audit", "fork", "skew"] as const);
          try {
            await work[kind](world, client, chance, `${worker}.${count}`, history);
          } catch (error) {
            if (isAbort(error)) return;
            const why = error instanceof Error ? error.message : String(error);
            // numbers differ from one to the next
            const code = `${/code=(\d+)/.exec(why)?.[1] ?? ""} ${/Message: (.*?),/.exec(why)?.[1] ?? why}`
              .replace(/[0-9a-f]{6,}/g, "…")
              .slice(0, 120);
            history.refused.set(code, (history.refused.get(code) ?? 0) + 1);
          }
        }
      };
      // a call that waits for a store that is gone must not hold the end up: closing the client ends it
      const running = run();
      await Promise.race([running, stopped]);
      const timer = world.clock.timer(30_000, () => void client.close());
      await running;
      timer.cancel();
      await client.close();
    }),
  );
  return history;
}

type Work = (world: World, client: KvClient, random: Random, name: string, history: TransactionHistory) => Promise<void>;

const siKey = (random: Random) => `si/${random.below(keyCount)}`;

const work: Record<"mixed" | "locked" | "read" | "transfer" | "audit" | "fork" | "skew", Work> = {
  mixed: async (world, client, random, name, history) => {
    const beganMs = world.clock.monotonicMs();
    const options = random.pick([{}, { asyncCommit: false, onePhase: false }, { onePhase: false }]);
    const transaction = await client.begin(options);
    const reads: RecordedTransaction["reads"][number][] = [];
    const written = new Map<string, string | null>();
    try {
      for (const key of new Set([siKey(random), siKey(random), siKey(random)]))
        reads.push({ key, value: textOf(await transaction.get(bytes(key))), ts: transaction.startTs });
      for (let i = random.between(1, 2); i > 0; i--) {
        const key = siKey(random);
        const value = random.chance(0.1) ? null : `${name}/${i}`;
        written.set(key, value);
        if (value === null) transaction.delete(bytes(key));
        else transaction.put(bytes(key), bytes(value));
      }
    } catch (error) {
      await transaction.rollback();
      throw error;
    }
    const writes = [...written].map(([key, value]) => ({ key, value, baseTs: transaction.startTs }));
    await recordCommit(world, transaction, { name, beganMs, reads, writes }, history);
  },

  // under locks the newest values are read: those right before its own commit
  locked: async (world, client, random, name, history) => {
    const beganMs = world.clock.monotonicMs();
    const transaction = await client.begin({ isPessimistic: true });
    const seen: { readonly key: string; readonly value: string | null }[] = [];
    const written: { readonly key: string; readonly value: string }[] = [];
    try {
      for (const key of [...new Set([siKey(random), siKey(random)])].sort()) {
        seen.push({ key, value: textOf(await transaction.getForUpdate(bytes(key), { waitMs: 3_000 })) });
        transaction.put(bytes(key), bytes(`${name}/${key}`));
        written.push({ key, value: `${name}/${key}` });
      }
    } catch (error) {
      await transaction.rollback();
      throw error;
    }
    await recordCommit(world, transaction, { name, beganMs, reads: [], writes: [] }, history, (commitTs) => ({
      reads: commitTs === null ? [] : seen.map((read) => ({ ...read, ts: commitTs - 1n })),
      writes: written.map((write) => ({ ...write, baseTs: commitTs === null ? transaction.startTs : commitTs - 1n })),
    }));
  },

  read: async (world, client, _random, name, history) => {
    const beganMs = world.clock.monotonicMs();
    const snapshot = await client.snapshot();
    const keys = Array.from({ length: keyCount }, (_, i) => `si/${i}`);
    const found = new Map((await snapshot.batchGet(keys.map(bytes))).map(({ key, value }) => [textOf(key), textOf(value)]));
    const reads = keys.map((key) => ({ key, value: found.get(key) ?? null, ts: snapshot.timestamp }));
    const endedMs = world.clock.monotonicMs();
    history.transactions.push({
      name,
      startTs: snapshot.timestamp,
      outcome: "committed",
      commitTs: null,
      reads,
      writes: [],
      beganMs,
      endedMs,
    });
  },

  transfer: async (_world, client, random, name, history) => {
    const from = random.below(accounts);
    const to = (from + random.between(1, accounts - 1)) % accounts;
    const amount = random.between(1, 20);
    const isPessimistic = random.chance(0.5);
    const transaction = await client.begin({ isPessimistic });
    try {
      const balances = new Map<number, number>();
      for (const each of isPessimistic ? [Math.min(from, to), Math.max(from, to)] : [from, to]) {
        const key = bytes(account(each));
        balances.set(each, numberOf(isPessimistic ? await transaction.getForUpdate(key, { waitMs: 3_000 }) : await transaction.get(key)));
      }
      transaction.put(bytes(account(from)), bytes(String((balances.get(from) ?? 0) - amount)));
      transaction.put(bytes(account(to)), bytes(String((balances.get(to) ?? 0) + amount)));
      transaction.put(bytes(`journal/${name}`), bytes(String(amount)));
    } catch (error) {
      await transaction.rollback();
      throw error;
    }
    await transaction.commit();
    history.transfers.add(`journal/${name}`);
  },

  audit: async (_world, client, _random, _name, history) => {
    history.sums.push(await audit(client));
  },

  fork: async (_world, client, random, name, history) => {
    const group = Math.floor(Number(name.split(".")[1]) / roundsPerGroup);
    const keys = Array.from({ length: groupKeys }, (_, i) => `fork/${group}/${i}`);
    if (random.chance(0.5)) {
      const transaction = await client.begin();
      transaction.insert(bytes(random.pick(keys)), bytes("1"));
      await transaction.commit();
      return;
    }
    const snapshot = await client.snapshot();
    const found = new Map((await snapshot.batchGet(keys.map(bytes))).map(({ key, value }) => [textOf(key), textOf(value)]));
    const reads = history.forks.get(group) ?? [];
    reads.push(new Map(keys.map((key) => [key, found.get(key) ?? null])));
    history.forks.set(group, reads);
  },

  // both sides are locked, so one of them stays 1: what snapshot isolation alone would not give
  skew: async (_world, client, random, _name, history) => {
    const pair = random.below(pairs);
    const transaction = await client.begin({ isPessimistic: true });
    try {
      const a = numberOf(await transaction.getForUpdate(bytes(`skew/${pair}a`), { waitMs: 3_000 }));
      const b = numberOf(await transaction.getForUpdate(bytes(`skew/${pair}b`), { waitMs: 3_000 }));
      if (a + b < 1) history.skews.push(`skew/${pair}: ${a} and ${b}`);
      const side = random.pick(["a", "b"]);
      transaction.put(bytes(`skew/${pair}${side}`), bytes(a + b === 2 ? "0" : "1"));
    } catch (error) {
      await transaction.rollback();
      throw error;
    }
    await transaction.commit();
  },
};

export async function audit(client: KvClient): Promise<number> {
  const snapshot = await client.snapshot();
  let sum = 0;
  let count = 0;
  for await (const { value } of snapshot.scan({ start: bytes("bank/"), end: bytes("bank0") })) {
    sum += numberOf(value);
    count++;
  }
  return count === accounts ? sum : Number.NaN;
}

/** Acknowledged transfers that are not in the journal. */
export async function lostTransfers(client: KvClient, history: TransactionHistory): Promise<string[]> {
  const snapshot = await client.snapshot();
  const missing = new Set(history.transfers);
  for await (const { key } of snapshot.scan({ start: bytes("journal/"), end: bytes("journal0"), keysOnly: true }))
    missing.delete(textOf(key) ?? "");
  return [...missing];
}

const surelyNot = [
  kvErrors.writeConflict,
  kvErrors.alreadyExists,
  kvErrors.deadlock,
  kvErrors.lockWaitTimedOut,
  kvErrors.transactionLost,
  kvErrors.tooLarge,
];

async function recordCommit(
  world: World,
  transaction: Transaction,
  facts: Pick<RecordedTransaction, "name" | "beganMs" | "reads" | "writes">,
  history: TransactionHistory,
  late: (commitTs: bigint | null) => Partial<Pick<RecordedTransaction, "reads" | "writes">> = () => ({}),
): Promise<void> {
  const record = (outcome: RecordedTransaction["outcome"], commitTs: bigint | null) =>
    history.transactions.push({
      ...facts,
      ...late(commitTs),
      startTs: transaction.startTs,
      outcome,
      commitTs,
      endedMs: world.clock.monotonicMs(),
    });
  try {
    record("committed", await transaction.commit());
  } catch (error) {
    record(surelyNot.some(({ is }) => is(error)) ? "aborted" : "unknown", null);
    throw error;
  }
}
