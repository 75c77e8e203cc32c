/**
 * Catching up with a backlog, beside MariaDB's own replica with four optimistic parallel threads.
 *
 * A source holds three sysbench schemas and three backlogs in its binlog: mixed writes, inserts, updates. Each run starts from
 * a fresh copy of the target as it was before the backlogs, and lasts from the start of replication until the end of the backlog
 * is applied. Both targets: every commit synced (innodb_flush_log_at_trx_commit=1), sync_binlog=0, own binlog on.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createLogger, nodeClock, nodeWorld, type World } from "@skein/base";
import type { BenchCase, BenchContext, Benchmark } from "@skein/cli";
import { createSyncUnit, endpointOf } from "@skein/migration";
import { comparePositions, currentPosition, openConnection, type Position, parsePosition } from "@skein/mysql";
import { type DatabaseServer, makePrivateFolder, memoryOf, startMariadb } from "@skein/servers";
import { plainStart, testSubtask } from "../packages/migration/src/testing/subtask.ts";
import { applyThreads, copyDataFolder, durableSettings, onTarget, pointReplica, replicaMustRun } from "./support/replica.ts";
import { sysbench, sysbenchTables } from "./support/sysbench.ts";

const rowsPerTable = 100_000;
const transactions = 200_000;

const workloads = [
  { name: "oltp_write_only backlog", schema: "sb_mixed", script: "oltp_write_only", must: 1, aim: 2 },
  { name: "insert-only backlog", schema: "sb_insert", script: "oltp_insert", must: 1.2, aim: 3 },
  { name: "update-only backlog", schema: "sb_update", script: "oltp_update_index", must: 1.2, aim: 3 },
] as const;

interface Backlog {
  readonly from: Position;
  readonly to: Position;
}

export const benchmark: Benchmark = {
  name: "replicate",
  describe: "Catch-up with backlogs of 200k sysbench transactions, beside MariaDB's replica with 4 parallel threads.",
  async prepare(context) {
    const { world, folder, scale } = context;
    const rows = Math.round(rowsPerTable * scale);
    const source = await startMariadb(world, {
      dataFolder: join(folder, "source"),
      settings: { ...durableSettings, "innodb-flush-log-at-trx-commit": "2", "max-binlog-size": "1G" },
    });
    try {
      for (const { schema } of workloads) {
        context.say(`filling ${schema}`);
        await source.sql(`CREATE DATABASE ${schema}`);
        await sysbench(context, source, schema, rows, ["oltp_write_only", "prepare"]);
      }
      await source.stop();
      const template = join(folder, "template");
      await copyDataFolder(world, source.dataFolder, template);
      await source.restart();
      const rates: Record<string, number> = {};
      const backlogs = new Map<string, Backlog>();
      for (const { schema, script } of workloads) {
        context.say(`writing the backlog of ${schema}`);
        const from = await positionOf(world, source);
        const written = await sysbench(context, source, schema, rows, [
          script,
          "--time=0",
          `--events=${Math.round(transactions * scale)}`,
          "--threads=8",
          "run",
        ]);
        backlogs.set(schema, { from, to: await positionOf(world, source) });
        rates[`the source alone writes ${script}, txn/s`] = Math.round(written.transactionsPerSecond);
      }
      const cases: BenchCase[] = workloads.map(({ name, schema, must, aim }) => {
        const backlog = backlogs.get(schema) as Backlog;
        const count = Math.round(transactions * scale);
        return {
          name,
          metrics: [
            { name: "transactions", unit: "txn/s", better: "higher" },
            { name: "rss peak", unit: "MiB", better: "lower" },
          ],
          contenders: [
            {
              name: "skein",
              isOurs: true,
              run: (run) =>
                onTarget(run, { dataFolder: template, password: source.password }, (target) =>
                  ours(run, source, target, schema, backlog, count),
                ),
            },
            {
              name: "MariaDB replica",
              isOurs: false,
              run: (run) =>
                onTarget(run, { dataFolder: template, password: source.password }, (target) =>
                  replica(run, source, target, backlog, count),
                ),
            },
          ],
          goals: { "MariaDB replica": { must, aim } },
        };
      });
      const bytes = [...backlogs.values()].reduce((sum, { from, to }) => sum + (to.offset - from.offset), 0);
      return {
        facts: {
          server: source.version,
          "transactions per backlog": Math.round(transactions * scale),
          "rows per schema": sysbenchTables * rows,
          "binlog, MB": Math.round(bytes / 1e6),
          "connections / threads": applyThreads,
          ...rates,
        },
        cases,
        [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
      };
    } catch (error) {
      await source[Symbol.asyncDispose]();
      throw error;
    }
  },
};

async function positionOf(world: World, server: DatabaseServer): Promise<Position> {
  await using connection = await openConnection(world, endpointOf(testSubtask(server, server).from), { mode: "text" });
  return { ...(await currentPosition(connection)), gtidSet: null };
}

async function ours(
  { world, signal }: BenchContext,
  source: DatabaseServer,
  target: DatabaseServer,
  schema: string,
  { from, to }: Backlog,
  count: number,
): Promise<Record<string, number>> {
  const task = testSubtask(source, target, { name: "bench", meta: { binlogName: from.file, binlogPos: from.offset, binlogGtid: "" } });
  const config = { ...task, syncer: { ...task.syncer, workerCount: applyThreads } };
  const unit = createSyncUnit({ world, config, start: plainStart, worker: "bench", signal, copy: null });
  let rssPeak = 0;
  const startedMs = world.clock.monotonicMs();
  const running = unit.run(signal);
  let failure: { readonly error: unknown } | null = null;
  running.catch((error: unknown) => {
    failure = { error };
  });
  for (;;) {
    if (failure !== null) throw (failure as { readonly error: unknown }).error;
    const status = unit.status();
    if (status.kind === "Sync" && status.sync.syncerBinlog !== "" && comparePositions(parsePosition(status.sync.syncerBinlog), to) >= 0)
      break;
    rssPeak = Math.max(rssPeak, process.memoryUsage.rss());
    await world.clock.sleep(20, signal);
  }
  const seconds = (world.clock.monotonicMs() - startedMs) / 1000;
  await unit.stop(10_000);
  await running;
  const names = Array.from({ length: sysbenchTables }, (_, at) => `${schema}.sbtest${at + 1}`).join(", ");
  const [expected, actual] = await Promise.all([source.sql(`CHECKSUM TABLE ${names}`), target.sql(`CHECKSUM TABLE ${names}`)]);
  if (JSON.stringify(expected) !== JSON.stringify(actual)) throw new Error("source and target are not equal after the run");
  return { transactions: count / seconds, "rss peak": rssPeak / 2 ** 20 };
}

async function replica(
  { world, signal }: BenchContext,
  source: DatabaseServer,
  target: DatabaseServer,
  { from, to }: Backlog,
  count: number,
): Promise<Record<string, number>> {
  await pointReplica(target, source, from);
  const startedMs = world.clock.monotonicMs();
  await target.sql("START SLAVE");
  for (;;) {
    const [row] = await target.sql(`SELECT MASTER_POS_WAIT('${to.file}', ${to.offset}, 1) AS done`);
    if (row?.["done"] === null) {
      await replicaMustRun(target);
      throw new Error("the replica does not wait for the position");
    }
    if (row?.["done"] !== "-1") break;
    signal.throwIfAborted();
  }
  const seconds = (world.clock.monotonicMs() - startedMs) / 1000;
  await target.sql("STOP SLAVE");
  return { transactions: count / seconds, "rss peak": (await memoryOf(world, target.pid)).peakMib };
}

/** `node bench/replicate.ts [scale]`: one run of each, for a profile. */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const world = nodeWorld({
    log: createLogger({
      level: "warn",
      format: "text",
      sink: { write: (line) => process.stderr.write(`${line}\n`) },
      nowMs: () => nodeClock.nowMs(),
    }),
  });
  const folder = await makePrivateFolder(world, "bench-replicate");
  const context: BenchContext = {
    world,
    signal: new AbortController().signal,
    scale: Number(process.argv[2] ?? 0.25),
    folder,
    say: (line) => process.stderr.write(`${line}\n`),
  };
  const prepared = await benchmark.prepare(context);
  try {
    for (const { name, contenders } of prepared.cases) {
      for (const contender of contenders) {
        const figures = await contender.run(context);
        process.stdout.write(`${name}: ${contender.name} ${JSON.stringify(figures)}\n`);
      }
    }
  } finally {
    await prepared[Symbol.asyncDispose]();
    await world.disk.remove(folder, { recursive: true });
  }
}
