/**
 * Memory of the worker: its resident size, as the kernel counts it for a real dm-worker process, while it copies a table of 5 GB
 * and while it applies one transaction of 2 GB. Both must stay flat: the last third of the time is held beside the first.
 */
import type { BenchCase, BenchContext, Benchmark, PreparedBenchmark } from "@skein/cli";
import { type DatabaseServer, memoryOf, startMariadb } from "@skein/servers";
import { median } from "../packages/cli/src/bench/core/summary.ts";
import { type Migration, startMigration } from "./support/migration.ts";
import { type LogPosition, logEnd } from "./support/replica.ts";

const rowBytes = 1_000;
const tableBytes = 5e9;
const insertedBytes = 1.2e9;
/** Twice in the log, before and after. */
const updatedBytes = 0.4e9;
const sampleMs = 200;
const stageMs = 2_000;

const createTable = (name: string) =>
  `CREATE TABLE ${name} (id INT NOT NULL PRIMARY KEY, k INT NOT NULL, name VARCHAR(100) NOT NULL, body VARCHAR(2000) NOT NULL, changed DATETIME(6) NOT NULL)`;
const rowsFrom = (from: number, to: number) =>
  `SELECT seq, seq * 7919 % 1000003, CONCAT('naïve ', SHA1(seq)), REPEAT(MD5(seq), 29), TIMESTAMP '2020-01-01 00:00:00.000001' + INTERVAL seq SECOND FROM seq_${from}_to_${to}`;

export const benchmark: Benchmark = {
  name: "memory",
  describe: "Resident memory of a dm-worker that copies a table of 5 GB, and that applies one transaction of 2 GB.",
  async prepare(context) {
    const { world } = context;
    const settings = { "innodb-buffer-pool-size": "256M", "innodb-log-file-size": "512M" };
    const source = await startMariadb(world, { settings: { ...settings, "innodb-flush-log-at-trx-commit": "2" } });
    try {
      const target = await startMariadb(world, { settings: { ...settings, "skip-log-bin": "" } });
      try {
        return await prepareOn(context, source, target);
      } catch (error) {
        await target[Symbol.asyncDispose]();
        throw error;
      }
    } catch (error) {
      await source[Symbol.asyncDispose]();
      throw error;
    }
  },
};

async function prepareOn(context: BenchContext, source: DatabaseServer, target: DatabaseServer): Promise<PreparedBenchmark> {
  const { world, scale } = context;
  const rows = Math.round((tableBytes / rowBytes) * scale);
  const inserted = Math.round((insertedBytes / rowBytes) * scale);
  const updated = Math.round((updatedBytes / rowBytes) * scale);
  await source.sql(
    `CREATE DATABASE big CHARACTER SET utf8mb4; CREATE DATABASE txn CHARACTER SET utf8mb4; ${createTable("big.t")}; ${createTable("txn.t")}; CREATE TABLE txn.done (id INT PRIMARY KEY)`,
  );
  context.say(`writing a table of ${rows} rows`);
  const fillMs = world.clock.monotonicMs();
  const step = 100_000;
  for (let from = 1; from <= rows; from += step)
    await source.sql(`SET SESSION sql_log_bin = 0; INSERT INTO big.t ${rowsFrom(from, Math.min(rows, from + step - 1))}`, {
      database: "big",
    });
  const fillSeconds = (world.clock.monotonicMs() - fillMs) / 1000;
  context.say(`writing a transaction of ${inserted} inserts and ${updated} updates`);
  const from = await logEnd(source);
  await source.sql(
    `BEGIN; INSERT INTO txn.t ${rowsFrom(1, inserted)}; UPDATE txn.t SET k = k + 1, changed = changed + INTERVAL 1 SECOND WHERE id <= ${updated}; COMMIT; INSERT INTO txn.done VALUES (1)`,
    { database: "txn" },
  );
  const to = await logEnd(source);
  const logBytes = from.file === to.file ? to.offset - from.offset : await logBytesSince(source, from);

  const metrics: BenchCase["metrics"] = [
    { name: "rss peak", unit: "MiB", better: "lower" },
    { name: "first third", unit: "MiB", better: "lower" },
    { name: "last third", unit: "MiB", better: "lower" },
    { name: "growth", unit: "MiB", better: "lower" },
    { name: "work", unit: "MB/s", better: "higher" },
  ];
  const limits = { "rss peak": { must: 400, aim: 250 }, growth: { must: 50 } };
  await source.sql("SET SESSION sql_log_bin = 0; ANALYZE TABLE big.t");
  const [table] = await source.sql("SELECT data_length AS bytes FROM information_schema.tables WHERE table_schema = 'big'");
  const bytes = Number(table?.["bytes"]);
  return {
    facts: {
      server: source.version,
      "table, MB": Math.round(bytes / 1e6),
      "transaction in the log, MB": Math.round(logBytes / 1e6),
      "the server alone writes the table, MB/s (ceiling)": Math.round(bytes / 1e6 / fillSeconds),
    },
    cases: [
      {
        name: "copy of one table",
        metrics,
        limits,
        runsMax: 2,
        contenders: [{ name: "skein", isOurs: true, run: (run) => copy(run, source, target, bytes) }],
      },
      {
        name: "one transaction",
        metrics,
        limits,
        runsMax: 2,
        contenders: [{ name: "skein", isOurs: true, run: (run) => follow(run, source, target, from, logBytes) }],
      },
    ],
    [Symbol.asyncDispose]: async () => {
      await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()]);
    },
  };
}

/** A transaction is never divided: the log that it began is as large as it. */
async function logBytesSince(server: DatabaseServer, from: LogPosition): Promise<number> {
  const logs = await server.sql("SHOW BINARY LOGS");
  const sizes = logs.filter((log) => (log["Log_name"] ?? "") >= from.file).map((log) => Number(log["File_size"]));
  return sizes.reduce((sum, size) => sum + size, 0) - from.offset;
}

async function copy(context: BenchContext, source: DatabaseServer, target: DatabaseServer, bytes: number): Promise<Record<string, number>> {
  await target.sql("DROP DATABASE IF EXISTS big; DROP DATABASE IF EXISTS dm_meta");
  const figures = await watched(context, source, target, bytes, "copy", async (migration) => {
    await migration.startTask(["big"], null);
    while ((await migration.stage()) !== "Finished") await context.world.clock.sleep(stageMs, context.signal);
  });
  await mustBeEqual(source, target, "big.t");
  return figures;
}

async function follow(
  context: BenchContext,
  source: DatabaseServer,
  target: DatabaseServer,
  from: LogPosition,
  bytes: number,
): Promise<Record<string, number>> {
  const { world, signal } = context;
  await target.sql(
    `DROP DATABASE IF EXISTS txn; DROP DATABASE IF EXISTS dm_meta; CREATE DATABASE txn CHARACTER SET utf8mb4; ${createTable("txn.t")}; CREATE TABLE txn.done (id INT PRIMARY KEY)`,
  );
  const figures = await watched(context, source, target, bytes, "transaction", async (migration) => {
    await migration.startTask(["txn"], from);
    for (;;) {
      await migration.stage();
      const [row] = await target.sql("SELECT COUNT(*) AS n FROM txn.done");
      if (row?.["n"] === "1") return;
      await world.clock.sleep(stageMs, signal);
    }
  });
  await mustBeEqual(source, target, "txn.t");
  return figures;
}

/** Runs the work while the worker's memory is sampled. */
async function watched(
  context: BenchContext,
  source: DatabaseServer,
  target: DatabaseServer,
  bytes: number,
  name: string,
  work: (migration: Migration) => Promise<void>,
): Promise<Record<string, number>> {
  const { world } = context;
  await using migration = await startMigration(context, source, target);
  const samples: { readonly atMs: number; readonly mib: number }[] = [];
  const ended = new AbortController();
  const startedMs = world.clock.monotonicMs();
  const sampling = (async () => {
    while (!ended.signal.aborted) {
      samples.push({ atMs: world.clock.monotonicMs() - startedMs, mib: (await memoryOf(world, migration.worker.pid)).nowMib });
      await world.clock.sleep(sampleMs, ended.signal).catch(() => {}); // the work is over
    }
  })();
  try {
    await work(migration);
  } finally {
    ended.abort();
    await sampling;
  }
  const seconds = (world.clock.monotonicMs() - startedMs) / 1000;
  const peak = (await memoryOf(world, migration.worker.pid)).peakMib;
  const shown = Array.from({ length: 10 }, (_, i) => samples[Math.round((i * (samples.length - 1)) / 9)] as (typeof samples)[number]);
  context.say(`${name}, MiB after s: ${shown.map(({ atMs, mib }) => `${mib.toFixed(0)} (${(atMs / 1000).toFixed(1)})`).join(", ")}`);
  const third = Math.ceil(samples.length / 3);
  const first = median(samples.slice(0, third).map(({ mib }) => mib));
  const last = median(samples.slice(-third).map(({ mib }) => mib));
  return { "rss peak": peak, "first third": first, "last third": last, growth: last - first, work: bytes / 1e6 / seconds };
}

async function mustBeEqual(source: DatabaseServer, target: DatabaseServer, table: string): Promise<void> {
  const [expected, actual] = await Promise.all([source, target].map((server) => server.sql(`CHECKSUM TABLE ${table}`)));
  if (expected?.[0]?.["Checksum"] !== actual?.[0]?.["Checksum"]) throw new Error(`${table} differs on source and target`);
}
