/**
 * Real processes and real servers under harm: the network, the disks, the logs, the privileges, the processes. Each test ends with
 * source and target equal row by row; what cannot heal by itself has to say so by a coded error with the next step first.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { nodeWorld, seededRandom } from "@skein/base";
import { compareSchemas } from "@skein/cli";
import { type DatabaseServer, openSql, startMariadb } from "@skein/servers";
import { seeds } from "@skein/sim";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Endpoint, MigrationCluster, type SubtaskAnswer } from "../support/cluster.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { migrateAndCompare, untilApplied } from "./migrate.ts";

const world = nodeWorld();
let source: DatabaseServer;
let target: DatabaseServer;

beforeAll(async () => {
  [source, target] = await Promise.all([startMariadb(world), startMariadb(world)]);
}, 180_000);
afterAll(async () => {
  await Promise.all([source, target].map((server) => server[Symbol.asyncDispose]()));
});

const quickResume = "checker: {check-enable: true, backoff-min: 500ms, backoff-max: 2s, check-interval: 500ms}\n";
const tables = ["ord", "item", "note"] as const;

/** Three tables of one schema: with a primary key, with a second unique key, and with a key that changes. */
async function makeShop(schema: string, rows: number): Promise<void> {
  await source.sql(`CREATE DATABASE ${schema}`);
  await source.sql(
    `CREATE TABLE ord (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(200), n INT NOT NULL DEFAULT 0, KEY (n));
     CREATE TABLE item (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(200), n INT NULL, UNIQUE KEY (n));
     CREATE TABLE note (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(200), n INT NOT NULL DEFAULT 0)`,
    { database: schema },
  );
  if (rows === 0) return;
  for (const table of tables)
    await source.sql(
      `INSERT INTO ${table} (v, n) SELECT CONCAT('row ', seq, REPEAT(CHAR(97 + seq % 26), 150)), seq FROM seq_1_to_${rows}`,
      {
        database: schema,
      },
    );
}

/** Work that goes on until it is told to stop; every transaction is committed. */
function startWork(schema: string, seed: number): { committed(): number; finish(): Promise<void> } & AsyncDisposable {
  const random = seededRandom(seed, "work");
  let committed = 0;
  const state = { isStopAsked: false };
  const work = (async () => {
    await using session = await openSql(source, { database: schema });
    while (!state.isStopAsked) {
      const statements = Array.from({ length: random.between(1, 6) }, () => {
        const table = random.pick(tables);
        const fate = random.below(10);
        const id = random.between(1, 30_000);
        if (fate < 4) return `INSERT IGNORE INTO ${table} (v, n) VALUES ('new ${random.u32()}', ${random.between(1, 1_000_000)})`;
        if (fate < 8)
          return `UPDATE IGNORE ${table} SET v = 'changed ${random.u32()}', n = ${random.between(1, 1_000_000)} WHERE id = ${id}`;
        if (fate === 8 && table === "note") return `UPDATE IGNORE note SET id = id + ${random.between(1, 500)} WHERE id = ${id}`;
        return `DELETE FROM ${table} WHERE id BETWEEN ${id} AND ${id + 3}`;
      });
      await session.query(`BEGIN; ${statements.join("; ")}; COMMIT`);
      committed++;
      await world.clock.sleep(2); // a load that leaves the machine room, not a wait for something
    }
  })();
  const finish = async () => {
    state.isStopAsked = true;
    await work;
  };
  return {
    committed: () => committed,
    finish,
    [Symbol.asyncDispose]: finish,
  };
}

function taskText(name: string, schema: string, to: Endpoint, extra = ""): string {
  return [
    `name: ${name}`,
    "task-mode: all",
    `target-database: {host: "${to.host}", port: ${to.port}, user: "${to.user}", password: "${to.password}"}`,
    "mysql-instances:",
    "  - {source-id: src-1, block-allow-list: b, syncer-config-name: s, mydumper-config-name: d}",
    `block-allow-list: {b: {do-dbs: [${schema}]}}`,
    "syncers: {s: {worker-count: 4, checkpoint-flush-interval: 1}}",
    "mydumpers: {d: {threads: 2, rows: 2000}}",
    extra,
    "",
  ].join("\n");
}

async function expectEqual(cluster: MigrationCluster, schema: string, to: DatabaseServer = target): Promise<void> {
  await untilApplied(cluster, source, schema, 60_000);
  const comparisons = await compareSchemas(source, to, [schema]);
  const unequal = comparisons.filter(({ equal }) => !equal);
  expect(unequal, `${schema} differs\n${unequal.length > 0 ? await cluster.logs(40) : ""}`).toEqual([]);
  expect(comparisons.reduce((sum, { sourceRows }) => sum + sourceRows, 0)).toBeGreaterThan(0);
}

const copying = (cluster: MigrationCluster, task: string) =>
  cluster.eventually(
    "rows are being copied",
    async () => {
      const subtask = await cluster.subtask(task);
      expect(subtask?.unit, "the copy was over before it could be harmed").not.toBe("Sync");
      return subtask?.unit === "Load" && subtask.stage === "Running";
    },
    15_000,
  );
const syncing = (cluster: MigrationCluster, task: string) =>
  cluster.eventually("changes are applied", async () => {
    const subtask = await cluster.subtask(task);
    return subtask?.unit === "Sync" && subtask.stage === "Running" && Number(subtask.sync?.["totalEvents"] ?? 0) > 0;
  });
const pausedByError = (cluster: MigrationCluster, task: string) =>
  cluster.eventually("the subtask is paused by an error", async () => {
    const subtask = await cluster.subtask(task);
    return subtask?.stage === "Paused" && (subtask.result?.errors.length ?? 0) > 0 && subtask;
  });
const firstError = (subtask: SubtaskAnswer) => {
  const error = subtask.result?.errors[0];
  if (error === undefined) throw new Error("no error");
  return error;
};
/** Work goes on for some more transactions: "a while" that is counted, not timed. */
async function moreWork(cluster: MigrationCluster, work: { committed(): number }, transactions: number): Promise<void> {
  const until = work.committed() + transactions;
  await cluster.eventually("the source works", async () => work.committed() >= until);
}

describe("the network", () => {
  test.each(["source", "target"] as const)(
    "to the %s is slow, freezes and is cut, while rows are copied and changes applied",
    async (side) => {
      const schema = `net_${side}`;
      await makeShop(schema, 15_000);
      await using proxy: Proxy = await startProxy(world, side === "source" ? source : target);
      const seen = { ...(side === "source" ? source : target), host: proxy.host, port: proxy.port };
      await using cluster = await MigrationCluster.start({ workers: 1 });
      await cluster.ready();
      await cluster.createSource("src-1", side === "source" ? seen : source, quickResume);
      await using work = startWork(schema, 1);
      proxy.slow(800_000);
      await cluster.startTask(taskText(schema, schema, side === "target" ? seen : target));

      await copying(cluster, schema);
      proxy.freeze();
      await moreWork(cluster, work, 200);
      proxy.heal();
      proxy.slow(800_000);
      await copying(cluster, schema);
      proxy.cut();
      await moreWork(cluster, work, 200);
      proxy.heal();

      await syncing(cluster, schema);
      proxy.freeze();
      await moreWork(cluster, work, 200);
      proxy.heal();
      await moreWork(cluster, work, 100);
      proxy.cut();
      await moreWork(cluster, work, 300);
      proxy.heal();
      proxy.slow(300_000);
      await moreWork(cluster, work, 200);
      proxy.heal();
      await work.finish();
      await expectEqual(cluster, schema);
    },
  );
});

test("the source rotates its log and purges what was applied; logs that are purged too early are an error that no resume hides", async () => {
  const schema = "purged";
  await makeShop(schema, 10_000);
  await using proxy = await startProxy(world, target);
  proxy.slow(800_000);
  await using cluster = await MigrationCluster.start({ workers: 1 });
  await cluster.ready();
  await cluster.createSource("src-1", source, quickResume);
  await using work = startWork(schema, 3);
  await cluster.startTask(taskText(schema, schema, { ...target, host: proxy.host, port: proxy.port }));
  await copying(cluster, schema);
  for (let i = 0; i < 8; i++) {
    await source.sql("FLUSH BINARY LOGS");
    await moreWork(cluster, work, 20);
  }
  proxy.heal();
  await syncing(cluster, schema);
  const applied = async () => {
    const subtask = await cluster.subtask(schema);
    return /mysql-bin\.\d+/.exec(String(subtask?.sync?.["syncerBinlog"]))?.[0] ?? "";
  };
  for (let i = 0; i < 4; i++) {
    await source.sql("FLUSH BINARY LOGS");
    await source.sql(`PURGE BINARY LOGS TO '${await applied()}'`);
    await moreWork(cluster, work, 30);
  }
  expect((await cluster.subtask(schema))?.stage).toBe("Running");

  expect((await cluster.dmctl("pause-task", schema)).json.result).toBe(true);
  await source.sql("FLUSH BINARY LOGS");
  await moreWork(cluster, work, 20);
  await source.sql("FLUSH BINARY LOGS");
  const master = (await source.sql("SHOW MASTER STATUS"))[0]?.["File"];
  // The server keeps a log for as long as somebody reads it.
  await cluster.eventually("the log is purged", async () => {
    await source.sql(`PURGE BINARY LOGS TO '${master}'`);
    return (await source.sql("SHOW BINARY LOGS"))[0]?.["Log_name"] === master;
  });
  await cluster.dmctl("resume-task", schema);
  const gone = firstError(await pausedByError(cluster, schema));
  expect(gone).toMatchObject({ ErrCode: 36069, RawCause: expect.stringContaining("1236") });
  expect(gone.Workaround).toMatch(/remove-meta/);
  await moreWork(cluster, work, 1000); // several times the auto-resume's longest wait
  expect((await cluster.subtask(schema))?.stage).toBe("Paused");
  await work.finish();

  expect((await cluster.dmctl("stop-task", schema)).json.result).toBe(true);
  await target.sql(`DROP DATABASE ${schema}`); // as the error says: nobody knows any more which rows the source has deleted
  const again = await cluster.dmctl("start-task", "--remove-meta", join(cluster.folder, `${schema}.yaml`));
  expect(again.json, again.stdout).toMatchObject({ result: true });
  await expectEqual(cluster, schema);
});

test("wrong passwords and missing privileges: refused with user and host, and the password is nowhere", async () => {
  const schema = "secrets";
  const secret = "Sesam-öffne-dich-4711";
  await makeShop(schema, 100);
  for (const server of [source, target]) await server.sql(`CREATE USER poor@'%' IDENTIFIED BY '${secret}'; GRANT USAGE ON *.* TO poor@'%'`);
  await using cluster = await MigrationCluster.start({ workers: 1 });
  await cluster.ready();
  let said = "";
  const dmctl = async (...args: string[]) => {
    const answer = await cluster.dmctl(...args);
    said += answer.stdout + answer.stderr;
    return answer;
  };
  const sourceYaml = (user: string, password: string) =>
    cluster.writeFile(
      "refused.yaml",
      `source-id: src-1\nfrom: {host: ${source.host}, port: ${source.port}, user: ${user}, password: "${password}"}\n`,
    );
  const wrongSource = await dmctl("operate-source", "create", await sourceYaml("root", `${secret}-wrong`));
  expect(wrongSource.stdout).toMatch(/"result": false/);
  expect(wrongSource.stdout).toMatch(/1045.*root.*@/s);

  await cluster.createSource("src-1", { ...source, user: "poor", password: secret });
  const task = (user: string, password: string) => cluster.writeFile("task.yaml", taskText(schema, schema, { ...target, user, password }));
  const noSourcePrivileges = await dmctl("check-task", await task(target.user, target.password));
  expect(noSourcePrivileges.stdout).toMatch(/"result": false/);
  expect(noSourcePrivileges.stdout).toMatch(/poor/);
  expect(noSourcePrivileges.stdout).toMatch(/REPLICATION SLAVE|SELECT/i);
  expect((await dmctl("start-task", await task(target.user, target.password))).stdout).toMatch(/"result": false/);

  await source.sql("GRANT SELECT, RELOAD, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO poor@'%'");
  for (const command of ["check-task", "start-task"]) {
    const wrongTarget = await dmctl(command, await task("root", `${secret}-wrong`));
    expect(wrongTarget.stdout, command).toMatch(/"result": false/);
    expect(wrongTarget.stdout, command).toMatch(/1045.*root.*@/s);
  }
  const poorTarget = await dmctl("check-task", await task("poor", secret));
  expect(poorTarget.stdout).toMatch(/CREATE.*privilege.*`poor` at /s);
  expect((await dmctl("start-task", await task("poor", secret))).json.result).toBe(true); // a warning
  const denied = firstError(await pausedByError(cluster, schema));
  expect(`${denied.Message} ${denied.RawCause}`).toMatch(/denied.*'poor'@/s);
  expect(denied.Workaround).not.toBe("");
  await dmctl("stop-task", schema);
  const started = await dmctl("start-task", await task(target.user, target.password));
  expect(started.json, started.stdout).toMatchObject({ result: true });
  await expectEqual(cluster, schema);
  await dmctl("query-status", schema, "--more");

  // A password that changes while the task runs.
  await source.sql(`ALTER USER poor@'%' IDENTIFIED BY '${secret}-new'`);
  await source.sql("KILL USER poor");
  const changed = firstError(await pausedByError(cluster, schema));
  expect(`${changed.Message} ${changed.RawCause}`).toMatch(/1045.*poor/s);
  expect(changed.Workaround).not.toBe("");
  await dmctl("query-status", schema);
  await source.sql("INSERT INTO ord (v) VALUES ('while locked out')", { database: schema });
  await source.sql(`ALTER USER poor@'%' IDENTIFIED BY '${secret}'`);
  await expectEqual(cluster, schema);

  const logs = (await readdir(cluster.folder)).filter((name) => /\.(log|out)$/.test(name));
  expect(logs.length).toBeGreaterThanOrEqual(2);
  for (const name of logs) said += await readFile(join(cluster.folder, name), "utf8");
  for (const password of [secret, source.password, target.password]) expect(said.includes(password)).toBe(false);
});

test("a worker is frozen beyond its take-over, wakes up, and writes nothing", async () => {
  const schema = "frozen";
  await makeShop(schema, 3_000);
  await using cluster = await MigrationCluster.start({ workers: 2, workerFlags: ["--keepalive-ttl", "3"] });
  await cluster.ready();
  await cluster.createSource("src-1", source, quickResume);
  await cluster.startTask(taskText(schema, schema, target));
  await using work = startWork(schema, 4);
  await syncing(cluster, schema);
  const bound = async () => (await cluster.dmctl("query-status", schema)).json.sources?.[0]?.sourceStatus?.worker ?? "";
  for (let round = 0; round < 2; round++) {
    const before = await bound();
    const worker = cluster.workers.find(({ name }) => name === before);
    await worker?.kill("SIGSTOP");
    await cluster.eventually("another worker has taken over", async () => {
      const now = await bound();
      return now !== "" && now !== before;
    });
    await syncing(cluster, schema);
    const checkpoint = `SELECT epoch, worker FROM dm_meta.${schema}_fence`;
    const fence = await target.sql(checkpoint);
    await worker?.kill("SIGCONT");
    await moreWork(cluster, work, 150);
    expect(await target.sql(checkpoint)).toEqual(fence); // nobody took it back
    await cluster.ready();
  }
  await work.finish();
  await expectEqual(cluster, schema);
});

describe("both workers are killed again and again, with DDL", () => {
  test.each(seeds({ fixed: 2, fresh: 0.2 }))("seed %i", async (seed) => {
    await migrateAndCompare({
      seed: seed + 60_000_000,
      source,
      target,
      flavor: "mariadb",
      transactions: 400,
      initialRowsMax: 3000,
      harmSteps: 8,
      harm: async (cluster, random) => {
        const killed = random.chance(0.5) ? cluster.workers : [random.pick(cluster.workers)];
        await Promise.all(killed.map((worker) => worker.kill("SIGKILL")));
        for (const worker of killed) worker.restart();
      },
    });
  });
});

test("the target's server is killed while rows are copied and while changes are applied", async () => {
  const schema = "server_killed";
  await makeShop(schema, 15_000);
  await using proxy = await startProxy(world, target);
  proxy.slow(800_000);
  await using cluster = await MigrationCluster.start({ workers: 1 });
  await cluster.ready();
  await cluster.createSource("src-1", source, quickResume);
  await using work = startWork(schema, 5);
  await cluster.startTask(taskText(schema, schema, { ...target, host: proxy.host, port: proxy.port }));
  await copying(cluster, schema);
  await target.kill("SIGKILL");
  await moreWork(cluster, work, 100);
  await target.restart();
  proxy.heal();
  await syncing(cluster, schema);
  await target.kill("SIGKILL");
  await moreWork(cluster, work, 100);
  await target.restart();
  await work.finish();
  await expectEqual(cluster, schema);
});

test("pause, resume, stop, start and clean ends of the worker, in a loop under load", async () => {
  const schema = "commands";
  await makeShop(schema, 10_000);
  await using proxy = await startProxy(world, target);
  proxy.slow(800_000);
  await using cluster = await MigrationCluster.start({ workers: 1 });
  await cluster.ready();
  await cluster.createSource("src-1", source, quickResume);
  const text = taskText(schema, schema, { ...target, host: proxy.host, port: proxy.port });
  await cluster.startTask(text);
  await using work = startWork(schema, 6);
  const worker = cluster.workers[0];
  const ok = async (...args: string[]) => {
    const { json, stdout } = await cluster.dmctl(...args);
    expect(json, `${args.join(" ")}: ${stdout}`).toMatchObject({ result: true });
    expect(json.sources?.filter(({ result }) => !result) ?? [], args.join(" ")).toEqual([]);
  };
  for (let round = 0; round < 6; round++) {
    if (round === 2) {
      proxy.heal();
      await syncing(cluster, schema);
    }
    await ok("pause-task", schema);
    await ok("resume-task", schema);
    await moreWork(cluster, work, 20);
    await ok("stop-task", schema);
    await ok("start-task", join(cluster.folder, `${schema}.yaml`));
    if (round % 2 === 0) await ok("pause-task", schema);
    await worker?.kill("SIGTERM");
    expect((await worker?.child.exited)?.code).toBe(0);
    worker?.restart();
    await cluster.ready();
    if (round % 2 === 0) await cluster.eventually("resumed", async () => (await cluster.dmctl("resume-task", schema)).json.result === true);
    await moreWork(cluster, work, 20);
  }
  await work.finish();
  await expectEqual(cluster, schema);
});
