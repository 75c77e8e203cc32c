/** Sysbench against a server. Its options go through a file that only its owner can read: arguments are for all eyes. */
import { join } from "node:path";
import type { BenchContext } from "@skein/cli";
import type { DatabaseServer } from "@skein/servers";

export const sysbenchTables = 4;

export interface SysbenchResult {
  /** 0 for `prepare`. */
  readonly transactionsPerSecond: number;
}

/** @param args the script and its command: `["oltp_write_only", "--threads=8", "run"]` */
export async function sysbench(
  { world, folder, signal }: BenchContext,
  server: DatabaseServer,
  schema: string,
  rowsPerTable: number,
  args: readonly string[],
): Promise<SysbenchResult> {
  const optionFile = join(folder, "sysbench.cnf");
  const options = [
    `mysql-host=${server.host}`,
    `mysql-port=${server.port}`,
    `mysql-user=${server.user}`,
    `mysql-password=${server.password}`,
    `mysql-db=${schema}`,
    `tables=${sysbenchTables}`,
    `table-size=${rowsPerTable}`,
    "db-ps-mode=disable",
    "rand-seed=7",
  ];
  await world.disk.writeFileAtomic(optionFile, `${options.join("\n")}\n`, { mode: 0o600 });
  const { code, stdout, stderr } = await world.processes.run("sysbench", [`--config-file=${optionFile}`, ...args], { signal });
  if (code !== 0) throw new Error(`sysbench ${args.join(" ")} ended with ${code}: ${stdout.slice(-500)} ${stderr.slice(-500)}`);
  return { transactionsPerSecond: Number(/transactions:\s+\d+\s+\(([\d.]+) per sec/.exec(stdout)?.[1] ?? 0) };
}
