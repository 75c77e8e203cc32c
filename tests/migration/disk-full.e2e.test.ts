/**
 * The target's disk fills up, on a file system of its own that a ballast file makes small: while rows are copied, and while changes
 * are followed. The task tells the server's error and what to do, loses nothing, and goes on when there is room again.
 */
import { mkdtemp, rm, statfs, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeWorld } from "@skein/base";
import { compareTable } from "@skein/cli";
import { type DatabaseServer, openSql, startMariadb } from "@skein/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MigrationCluster, type SubtaskAnswer } from "../support/cluster.ts";
import { untilApplied } from "./migrate.ts";

const MiB = 2 ** 20;
const world = nodeWorld();
const folder = await mkdtemp(join(tmpdir(), "skein-full-"));
const mounted = await world.processes.run("mount", ["-t", "tmpfs", "-o", "size=320m", "skein-full", folder]);
const whyNot = mounted.code === 0 ? null : `this account may not mount a file system: ${mounted.stderr.trim()}`;
const ballast = join(folder, "ballast");

let source: DatabaseServer;
let target: DatabaseServer;
let cluster: MigrationCluster;

beforeAll(async () => {
  if (whyNot !== null) return;
  [source, target, cluster] = await Promise.all([
    startMariadb(world),
    startMariadb(world, {
      dataFolder: join(folder, "data"),
      settings: { "skip-log-bin": "", "innodb-log-file-size": "16M", "innodb-buffer-pool-size": "32M" },
    }),
    MigrationCluster.start({ workers: 1 }),
  ]);
  // Logs and system tables have their room, as on a server that has run for long: one that cannot write its redo log ends.
  const allocate = 'for file in "$0"/data/ib*; do fallocate --length "$(stat --format=%s "$file")" "$file"; done';
  expect(await world.processes.run("sh", ["-c", allocate, folder])).toMatchObject({ code: 0 });
  await cluster.ready();
  await cluster.createSource("src-1", source);
}, 120_000);
afterAll(async () => {
  if (whyNot === null) {
    await cluster[Symbol.asyncDispose]();
    await Promise.all([source.stop(), target.stop()]);
    await world.processes.run("umount", ["--lazy", folder]);
  }
  await rm(folder, { recursive: true, force: true });
});

/** Leaves this much of the disk. */
async function leave(bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const chunk = Buffer.alloc(MiB, 1);
  for (let left = bavail * bsize - bytes; left > 0; left -= MiB) await writeFile(ballast, chunk, { flag: "a" });
}

function taskText(name: string, schema: string): string {
  return [
    `name: ${name}`,
    "task-mode: all",
    `target-database: {host: "${target.host}", port: ${target.port}, user: "${target.user}", password: "${target.password}"}`,
    "mysql-instances:",
    "  - {source-id: src-1, block-allow-list: b, syncer-config-name: s, mydumper-config-name: m}",
    `block-allow-list: {b: {do-dbs: [${schema}]}}`,
    "mydumpers: {m: {threads: 2}}",
    "syncers: {s: {worker-count: 4, checkpoint-flush-interval: 1}}",
    "",
  ].join("\n");
}

/** What the task says of the full disk. */
async function untilFull(task: string): Promise<SubtaskAnswer> {
  return await cluster.eventually("the task says that the disk is full", async () => {
    const subtask = await cluster.subtask(task);
    return subtask?.result?.errors.length === 0 || subtask?.result === null ? undefined : subtask;
  });
}

function expectNamed(subtask: SubtaskAnswer, unit: string): void {
  const [error] = subtask.result?.errors ?? [];
  expect(subtask).toMatchObject({ stage: "Paused", unit });
  expect(error).toMatchObject({ ErrCode: 10006, Workaround: expect.stringMatching(/make room on the server's disk/) });
  expect(`${error?.Message} ${error?.RawCause}`).toMatch(/Error 1114 \(HY000\): The table .\w+. is full|Errcode: 28/);
}

async function untilRunning(task: string): Promise<void> {
  await cluster.eventually("the task goes on", async () => {
    const subtask = await cluster.subtask(task);
    if (subtask?.stage === "Paused") await cluster.dmctl("resume-task", task);
    return subtask?.stage === "Running";
  });
}

async function expectEqual(schema: string, rows: number): Promise<void> {
  const place = { schema, name: "t" };
  expect(await compareTable(source, target, { source: place, target: place })).toMatchObject({ equal: true, sourceRows: rows });
}

const text = (from: number, to: number) => `SELECT seq, CONCAT(REPEAT(SHA2(seq, 512), 8), seq) FROM seq_${from}_to_${to}`;

test.runIf(whyNot === null)(
  `the disk is full in the middle of a copy: named, and gone on with from the last chunk${whyNot === null ? "" : ` (not here: ${whyNot})`}`,
  async () => {
    await source.sql("CREATE DATABASE full_copy; CREATE TABLE full_copy.t (id INT PRIMARY KEY, v TEXT, KEY (v(20)))");
    await source.sql(`INSERT INTO t ${text(1, 60_000)}`, { database: "full_copy" });
    await leave(55 * MiB);
    await cluster.startTask(taskText("copied", "full_copy"));
    expectNamed(await untilFull("copied"), "Load");
    const [before] = await target.sql("SELECT SUM(row_count) AS n FROM dm_meta.copied_copy_chunk");
    expect(Number(before?.["n"])).toBeGreaterThan(0);
    await source.sql(`INSERT INTO t ${text(60_001, 60_100)}; DELETE FROM t WHERE id % 1000 = 0`, { database: "full_copy" });
    await truncate(ballast, 0);
    await untilRunning("copied");
    await cluster.eventually("the copy is done", async () => (await cluster.subtask("copied"))?.unit === "Sync");
    await untilApplied(cluster, source, "copied", 30_000);
    await expectEqual("full_copy", 60_100 - 60);
    expect((await cluster.dmctl("stop-task", "copied")).json.result).toBe(true);
    await target.sql("DROP DATABASE full_copy");
  },
);

test.runIf(whyNot === null)(
  `the disk is full while changes are followed: named, and every change comes when there is room${whyNot === null ? "" : ` (not here: ${whyNot})`}`,
  async () => {
    await using writer = await openSql(source);
    await writer.query("CREATE DATABASE full_sync");
    await writer.query("USE full_sync");
    await writer.query("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)");
    await writer.query(`INSERT INTO t ${text(1, 100)}`);
    await cluster.startTask(taskText("followed", "full_sync"));
    await cluster.eventually("changes are followed", async () => (await cluster.subtask("followed"))?.unit === "Sync");
    await leave(8 * MiB);
    for (let from = 101; from < 40_000; from += 1000) {
      await writer.query(`INSERT INTO t ${text(from, from + 999)}`);
      await writer.query(`UPDATE t SET v = REVERSE(v) WHERE id % 500 = 0`);
    }
    expectNamed(await untilFull("followed"), "Sync");
    await writer.query("DELETE FROM t WHERE id % 1000 = 1");
    await truncate(ballast, 0);
    await untilRunning("followed");
    await untilApplied(cluster, source, "followed", 60_000);
    await expectEqual("full_sync", 40_100 - 41);
  },
);
