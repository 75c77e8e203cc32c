/** A migration by real processes, for benchmarks of what only the whole shows: a dm-master, one dm-worker, one task. */
import { join } from "node:path";
import { type BenchContext, type ClusterProcess, startCluster } from "@skein/cli";
import type { DatabaseServer } from "@skein/servers";

export interface Migration extends AsyncDisposable {
  readonly worker: ClusterProcess;
  /** Starts the task; what was written at or after the position is followed when there is one, else the schemas are copied. */
  startTask(schemas: readonly string[], from: { readonly file: string; readonly offset: number } | null): Promise<void>;
  /** The task's state in words, `Running` or `Finished`; throws when it is paused by an error or its worker has ended. */
  stage(): Promise<string>;
}

const task = "bench";
const sourceId = "bench-source";
const readyTimeoutMs = 60_000;

/** Starts the processes and gives the source to the worker. */
export async function startMigration(context: BenchContext, source: DatabaseServer, target: DatabaseServer): Promise<Migration> {
  const { world, signal } = context;
  const folder = join(context.folder, "cluster");
  await world.disk.remove(folder, { recursive: true });
  await world.disk.makeFolder(folder);
  const cluster = await startCluster(world, folder, { workers: 1 });
  const failed = async (what: string): Promise<Error> => new Error(`${what}\n${await cluster.logs()}`);
  try {
    const worker = cluster.workers[0] as ClusterProcess;
    const endMs = world.clock.monotonicMs() + readyTimeoutMs;
    for (;;) {
      const answer = await cluster.ask(["list-member", "--worker"], signal);
      if (answer?.members?.some((member) => member.worker?.workers.some(({ stage }) => stage === "free"))) break;
      if (world.clock.monotonicMs() > endMs) throw await failed("the worker is not ready");
      await world.clock.sleep(200, signal);
    }
    const endpoint = ({ host, port, user, password }: DatabaseServer) => JSON.stringify({ host, port, user, password });
    const sourceFile = join(folder, "source.yaml");
    await world.disk.writeFileAtomic(sourceFile, `source-id: "${sourceId}"\nfrom: ${endpoint(source)}\n`);
    await cluster.dmctl(["operate-source", "create", sourceFile], signal);
    return {
      worker,
      startTask: async (schemas, from) => {
        const meta = from === null ? "" : `, meta: {binlog-name: "${from.file}", binlog-pos: ${from.offset}}`;
        const taskFile = join(folder, "task.yaml");
        const lines = [
          `name: "${task}"`,
          `task-mode: ${from === null ? "full" : "incremental"}`,
          `target-database: ${endpoint(target)}`,
          `mysql-instances: [{source-id: "${sourceId}", block-allow-list: bench, syncer-config-name: bench, mydumper-config-name: bench${meta}}]`,
          `block-allow-list: {bench: {do-dbs: ${JSON.stringify(schemas)}}}`,
          "syncers: {bench: {worker-count: 4}}",
          "mydumpers: {bench: {threads: 4}}",
        ];
        await world.disk.writeFileAtomic(taskFile, `${lines.join("\n")}\n`);
        await cluster.dmctl(["start-task", taskFile], signal);
      },
      stage: async () => {
        if (!worker.isRunning) throw await failed("the worker has ended");
        const answer = await cluster.ask(["query-status", task], signal);
        const subtask = answer?.sources?.[0]?.subTaskStatus?.[0];
        if (subtask?.stage === "Paused") throw await failed(`the task is paused: ${JSON.stringify(subtask.result)}`);
        return subtask?.stage ?? "";
      },
      [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
    };
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}
