/** One migration under random work and harm: what the end-to-end tests and the long chaos run share. */

import { type Random, seededRandom } from "@skein/base";
import { compareSchemas } from "@skein/cli";
import { type DatabaseServer, openSql } from "@skein/servers";
import { type Endpoint, MigrationCluster } from "../support/cluster.ts";
import { type Flavor, Workload } from "./workload.ts";

export interface MigrationRun {
  readonly seed: number;
  readonly source: DatabaseServer;
  readonly target: DatabaseServer;
  readonly flavor: Flavor;
  /** Where the workers find the servers; a proxy, perhaps. */
  readonly sourceSeenAt?: Endpoint;
  readonly targetSeenAt?: Endpoint;
  readonly workers?: number;
  /** Transactions that run while rows are copied, and after. */
  readonly transactions: number;
  readonly tablesPerSchema?: number;
  readonly initialRowsMax?: number;
  readonly ddl?: boolean;
  /** Done to the cluster while the work goes on, at moments that the seed chooses; `step` counts from 0. */
  readonly harm?: (cluster: MigrationCluster, random: Random, step: number) => Promise<void>;
  readonly harmSteps?: number;
  /** Added to task.yaml. */
  readonly taskExtra?: string;
}

/** Runs it to the end and throws, with the seed and the first differences, when source and target are not equal. */
export async function migrateAndCompare(run: MigrationRun): Promise<void> {
  const random = seededRandom(run.seed, "migration");
  const schemas = [`w${run.seed}_a`, `w${run.seed} ü`];
  const workload = new Workload({
    random: random.fork("workload"),
    flavor: run.flavor,
    schemas,
    tablesPerSchema: run.tablesPerSchema ?? 3,
    initialRowsMax: run.initialRowsMax ?? 400,
    ddl: run.ddl ?? true,
  });
  await using writer = await openSql(run.source);
  const execute = async (statement: string) => {
    await writer.query(statement).catch(() => {}); // a refused statement is part of the work; equality is what counts
  };
  await writer.query("SET SESSION sql_mode = ''");
  for (const statement of workload.setup()) await execute(statement);

  await using cluster = await MigrationCluster.start({ workers: run.workers ?? 2 });
  await cluster.ready();
  await cluster.createSource("src-1", run.sourceSeenAt ?? run.source);
  const to = run.targetSeenAt ?? run.target;
  await cluster.startTask(
    [
      "name: chaos",
      "task-mode: all",
      `target-database: {host: "${to.host}", port: ${to.port}, user: "${to.user}", password: "${to.password}"}`,
      "mysql-instances:",
      "  - {source-id: src-1, block-allow-list: b, syncer-config-name: s}",
      `block-allow-list: {b: {do-dbs: ${JSON.stringify(schemas)}}}`,
      "syncers: {s: {worker-count: 4, checkpoint-flush-interval: 1}}",
      run.taskExtra ?? "",
      "",
    ].join("\n"),
  );

  const harmRandom = random.fork("harm");
  const harmSteps = run.harm === undefined ? 0 : (run.harmSteps ?? 3);
  const harmAt = Array.from({ length: harmSteps }, () => harmRandom.below(run.transactions)).sort((a, b) => a - b);
  for (let i = 0; i < run.transactions; i++) {
    for (const statement of workload.next().statements) await execute(statement);
    const step = harmAt.indexOf(i);
    if (step !== -1) await run.harm?.(cluster, harmRandom, step);
  }

  await untilApplied(cluster, run.source);
  const comparisons = await compareSchemas(run.source, run.target, schemas);
  const unequal = comparisons.filter(({ equal }) => !equal);
  if (unequal.length > 0) {
    const report = unequal.map(({ pair, problem, differenceCount, differences }) =>
      JSON.stringify({
        table: `${pair.source.schema}.${pair.source.name}`,
        problem,
        differenceCount,
        differences: differences.slice(0, 3),
      }),
    );
    throw new Error(`seed ${run.seed}: source and target differ:\n${report.join("\n")}\n${await cluster.logs(60)}`);
  }
}

/** Waits until the target has everything that the source has committed. Nobody writes to the source meanwhile. */
export async function untilApplied(cluster: MigrationCluster, source: Endpoint, task = "chaos", timeoutMs = 120_000): Promise<void> {
  await using session = await openSql(source);
  const position = async () => {
    const rows = await session.query("SHOW MASTER STATUS").catch(() => session.query("SHOW BINARY LOG STATUS"));
    const row = rows[0] ?? {};
    return `(${row["File"]}, ${row["Position"]})`;
  };
  const end = await position();
  await cluster.eventually(
    `everything up to ${end} is applied`,
    async () => {
      const subtask = await cluster.subtask(task);
      const error = subtask?.result?.errors[0];
      if (subtask?.stage === "Paused" && error !== undefined) await cluster.dmctl("resume-task", task);
      return subtask?.unit === "Sync" && subtask.sync?.syncerBinlog === end && subtask.sync.synced;
    },
    timeoutMs,
  );
}
