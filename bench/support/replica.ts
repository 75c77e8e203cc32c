/** What a target and MariaDB's own replica are in the benchmarks: the same server settings, whoever writes into it. */
import { join } from "node:path";
import type { World } from "@skein/base";
import type { BenchContext } from "@skein/cli";
import { type DatabaseServer, startMariadb } from "@skein/servers";

export const applyThreads = 4;

/** Every commit synced; the binlog is left to the kernel. */
export const durableSettings = {
  "innodb-flush-log-at-trx-commit": "1",
  "sync-binlog": "0",
  "innodb-buffer-pool-size": "256M",
  "innodb-log-file-size": "256M",
};

export async function copyDataFolder(world: World, from: string, to: string): Promise<void> {
  const { code, stderr } = await world.processes.run("cp", ["-a", "--reflink=auto", from, to]);
  if (code !== 0) throw new Error(`cp ended with ${code}: ${stderr}`);
}

/** Runs on a target that starts as a copy of the data folder of a stopped server, and that is gone afterwards. */
export async function onTarget<T>(
  { world, folder }: BenchContext,
  template: { readonly dataFolder: string; readonly password: string },
  run: (target: DatabaseServer) => Promise<T>,
): Promise<T> {
  const dataFolder = join(folder, "target");
  await world.disk.remove(dataFolder, { recursive: true });
  await copyDataFolder(world, template.dataFolder, dataFolder);
  const target = await startMariadb(world, {
    dataFolder,
    password: template.password,
    settings: {
      ...durableSettings,
      "slave-parallel-threads": String(applyThreads),
      "slave-parallel-mode": "optimistic",
      "slave-domain-parallel-threads": "0",
    },
  });
  try {
    return await run(target);
  } finally {
    await target[Symbol.asyncDispose]();
    await world.disk.remove(dataFolder, { recursive: true });
  }
}

export interface LogPosition {
  readonly file: string;
  readonly offset: number;
}

/** Where the server's log ends at the moment. */
export async function logEnd(server: DatabaseServer): Promise<LogPosition> {
  const [row] = await server.sql("SHOW MASTER STATUS");
  return { file: row?.["File"] ?? "", offset: Number(row?.["Position"]) };
}

/** Makes a server the replica of another one; `START SLAVE` starts it. */
export async function pointReplica(target: DatabaseServer, source: DatabaseServer, from: LogPosition): Promise<void> {
  await target.sql(
    `CHANGE MASTER TO MASTER_HOST='${source.host}', MASTER_PORT=${source.port}, MASTER_USER='${source.user}', MASTER_PASSWORD='${source.password}', MASTER_LOG_FILE='${from.file}', MASTER_LOG_POS=${from.offset}, MASTER_USE_GTID=no`,
  );
}

/** Throws with what stopped the replica, when it has stopped. */
export async function replicaMustRun(target: DatabaseServer): Promise<void> {
  const [status] = await target.sql("SHOW SLAVE STATUS");
  if (status?.["Slave_SQL_Running"] !== "Yes" || status["Slave_IO_Running"] === "No")
    throw new Error(`the replica stopped: ${status?.["Last_Error"]} ${status?.["Last_IO_Error"]}`);
}
