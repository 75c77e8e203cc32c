/**
 * Steady lag at 60 % of what the source can write, beside MariaDB's own replica with four optimistic parallel threads.
 *
 * Every 50 ms a row with the server's time in microseconds is committed on the source; the target is asked all the time for rows
 * that are new, and for its time. Both servers share the machine's clock: the difference is the lag of that row, commit on the
 * source included, with an error of the time between two questions (about 2 ms). The largest rate is measured without anyone
 * following. Both targets: every commit synced, sync_binlog=0, own binlog on.
 */
import { join } from "node:path";
import type { BenchContext, Benchmark } from "@skein/cli";
import { type DatabaseServer, openSql, startMariadb } from "@skein/servers";
import { startMigration } from "./support/migration.ts";
import { applyThreads, durableSettings, type LogPosition, logEnd, onTarget, pointReplica, replicaMustRun } from "./support/replica.ts";
import { sysbench, sysbenchTables } from "./support/sysbench.ts";

const rowsPerTable = 100_000;
const writeThreads = 4;
const partOfMaximum = 0.6;
const beatMs = 50;
const pollMs = 1;
/** The first beats of a run are not steady yet. */
const warmUpPart = 0.1;
const drainTimeoutMs = 120_000;

export const benchmark: Benchmark = {
  name: "lag",
  describe: "Steady lag at 60 % of the source's maximum write rate, beside MariaDB's replica with 4 parallel threads.",
  async prepare(context) {
    const { world, folder, scale, signal } = context;
    const rows = Math.max(1000, Math.round(rowsPerTable * scale));
    const seconds = Math.max(5, Math.round(30 * scale));
    const source = await startMariadb(world, {
      dataFolder: join(folder, "source"),
      settings: { ...durableSettings, "max-binlog-size": "1G" },
    });
    try {
      context.say("filling the source");
      await source.sql("CREATE DATABASE sb; CREATE DATABASE lag; CREATE TABLE lag.beat (id INT PRIMARY KEY, at DATETIME(6) NOT NULL)");
      await sysbench(context, source, "sb", rows, ["oltp_write_only", "prepare"]);
      context.say("measuring the source's maximum write rate");
      const maximum = await sysbench(context, source, "sb", rows, ["oltp_write_only", "--time=10", `--threads=${writeThreads}`, "run"]);
      const rate = Math.floor(maximum.transactionsPerSecond * partOfMaximum);

      const run = async (follow: (target: DatabaseServer, from: LogPosition, measure: () => Promise<Figures>) => Promise<Figures>) => {
        signal.throwIfAborted();
        await source.sql("TRUNCATE lag.beat; RESET MASTER");
        await source.stop();
        // The source comes up again after its copy was made and before the copy starts: nothing was written in between.
        return await onTarget(context, source, async (target) => {
          await source.restart();
          return await follow(target, await logEnd(source), () => underLoad(context, source, target, rows, rate, seconds));
        });
      };
      return {
        facts: {
          server: source.version,
          "rows of the source": rows * sysbenchTables,
          "the source alone writes at most, txn/s (ceiling)": Math.round(maximum.transactionsPerSecond),
          "rate of the runs, txn/s": rate,
          "seconds of a run": seconds,
          "connections / threads": applyThreads,
        },
        cases: [
          {
            name: `oltp_write_only at ${partOfMaximum * 100} % of the maximum rate`,
            metrics: [
              { name: "lag p99", unit: "ms", better: "lower" },
              { name: "lag p50", unit: "ms", better: "lower" },
              { name: "lag max", unit: "ms", better: "lower" },
              { name: "written", unit: "txn/s", better: "higher" },
            ],
            contenders: [
              {
                name: "skein",
                isOurs: true,
                run: () =>
                  run(async (target, from, measure) => {
                    await using migration = await startMigration(context, source, target);
                    await migration.startTask(["sb", "lag"], from);
                    const figures = await measure();
                    await migration.stage();
                    return figures;
                  }),
              },
              {
                name: "MariaDB replica",
                isOurs: false,
                run: () =>
                  run(async (target, from, measure) => {
                    await pointReplica(target, source, from);
                    await target.sql("START SLAVE");
                    const figures = await measure();
                    await replicaMustRun(target);
                    return figures;
                  }),
              },
            ],
            goals: { "MariaDB replica": { must: 0.5, aim: 1 } },
          },
        ],
        [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
      };
    } catch (error) {
      await source[Symbol.asyncDispose]();
      throw error;
    }
  },
};

type Figures = Readonly<Record<string, number>>;

async function underLoad(
  context: BenchContext,
  source: DatabaseServer,
  target: DatabaseServer,
  rows: number,
  rate: number,
  seconds: number,
): Promise<Figures> {
  const { world, signal } = context;
  await using writing = await openSql(source);
  await using asking = await openSql(target);
  let written = 0;
  let seen = 0;
  const lagsMs: number[] = [];
  const beat = () => writing.query(`INSERT INTO lag.beat VALUES (${++written}, SYSDATE(6))`);
  const look = async () => {
    const beats = await asking.query(
      `SELECT id, TIMESTAMPDIFF(MICROSECOND, at, SYSDATE(6)) AS lag_us FROM lag.beat WHERE id > ${seen} ORDER BY id`,
    );
    // Rows may become visible out of their order between two looks: each is counted when the ones before it are there, too.
    for (const row of beats) {
      if (Number(row["id"]) !== seen + 1) break;
      seen++;
      lagsMs.push(Number(row["lag_us"]) / 1000);
    }
  };
  const untilAllSeen = async (): Promise<void> => {
    const endMs = world.clock.monotonicMs() + drainTimeoutMs;
    for (;;) {
      await look();
      if (seen === written) return;
      if (world.clock.monotonicMs() > endMs)
        throw new Error(`beat ${seen + 1} of ${written} has not arrived at the target within ${drainTimeoutMs / 1000} s`);
      await world.clock.sleep(pollMs, signal);
    }
  };
  // The first one shows that replication works: its lag is the time that starting took.
  await beat();
  await untilAllSeen();
  lagsMs.length = 0;

  const ended = new AbortController();
  const endedOr = AbortSignal.any([ended.signal, signal]);
  const looking = (async () => {
    while (!endedOr.aborted) {
      await look();
      await world.clock.sleep(pollMs, endedOr).catch(() => {}); // the load is over
    }
  })();
  const beating = (async () => {
    let dueMs = world.clock.monotonicMs();
    while (!endedOr.aborted) {
      await beat();
      dueMs = Math.max(dueMs + beatMs, world.clock.monotonicMs());
      await world.clock.sleep(Math.max(0, dueMs - world.clock.monotonicMs()), endedOr).catch(() => {}); // the load is over
    }
  })();
  let result: { readonly transactionsPerSecond: number };
  try {
    const load = ["oltp_write_only", `--rate=${rate}`, `--time=${seconds}`, `--threads=${writeThreads}`, "run"];
    result = await sysbench(context, source, "sb", rows, load);
  } finally {
    ended.abort();
    await Promise.all([looking, beating]);
  }
  await untilAllSeen();
  const steady = lagsMs.slice(Math.ceil(lagsMs.length * warmUpPart)).sort((a, b) => a - b);
  const percentile = (part: number) => steady[Math.min(steady.length - 1, Math.floor(part * steady.length))] ?? Number.NaN;
  return { "lag p99": percentile(0.99), "lag p50": percentile(0.5), "lag max": percentile(1), written: result.transactionsPerSecond };
}
