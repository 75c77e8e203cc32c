/** Real processes on loopback: what happens to a migration when its processes are killed, frozen, late, or many. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Child, freePort, nodeWorld } from "@skein/base";
import { createRpcClient, type Message } from "@skein/rpc";
import { type DatabaseServer, startMariadb, whyNotEtcd } from "@skein/servers";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { QueryStatusListMessage, SubTaskStatusMessage } from "../wire/messages.ts";
import { masterWire } from "../wire/wire.ts";

const world = nodeWorld();
const bin = resolve(import.meta.dirname, "../../../../bin");
let source: DatabaseServer;
let target: DatabaseServer;
let folder = "";
let processes: Process[] = [];

interface Process {
  readonly name: string;
  readonly address: string;
  readonly logFile: string;
  child: Child;
  restart(): void;
}

beforeAll(async () => {
  [source, target] = await Promise.all([startMariadb(world), startMariadb(world)]);
}, 120_000);
afterAll(async () => {
  await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()]);
}, 60_000);
afterEach(async () => {
  for (const each of processes) {
    each.child.kill("SIGCONT");
    each.child.kill("SIGKILL");
  }
  for (const each of processes) await each.child.exited;
  processes = [];
  if (folder !== "") await rm(folder, { recursive: true, force: true });
}, 60_000);

async function start(program: "dm-master" | "dm-worker", name: string, port: number, flags: readonly string[]): Promise<Process> {
  const logFile = join(folder, `${name}.log`);
  const spawn = () =>
    world.processes.spawn(join(bin, program), ["-name", name, "-log-file", logFile, ...flags], { outputFile: `${logFile}.out` });
  const each: Process = {
    name,
    address: `127.0.0.1:${port}`,
    logFile,
    child: spawn(),
    restart: () => {
      each.child = spawn();
    },
  };
  processes.push(each);
  return each;
}

async function startMasters(count: number): Promise<Process[]> {
  folder = await mkdtemp(join(tmpdir(), "skein-failover-"));
  const ports = await Promise.all(Array.from({ length: count * 2 }, () => freePort(world)));
  const cluster = Array.from({ length: count }, (_each, at) => `m${at + 1}=http://127.0.0.1:${ports[count + at]}`).join(",");
  const masters = [];
  for (let at = 0; at < count; at++) {
    const name = `m${at + 1}`;
    const flags = ["-master-addr", `127.0.0.1:${ports[at]}`, "-data-dir", join(folder, name)];
    if (count > 1) flags.push("-peer-urls", `http://127.0.0.1:${ports[count + at]}`, "-initial-cluster", cluster);
    masters.push(await start("dm-master", name, ports[at] as number, flags));
  }
  return masters;
}

async function startWorkers(masters: readonly Process[], ...names: readonly string[]): Promise<Process[]> {
  const started = [];
  for (const name of names) {
    const port = await freePort(world);
    const join_ = masters.map(({ address }) => address).join(",");
    started.push(await start("dm-worker", name, port, ["-worker-addr", `127.0.0.1:${port}`, "-join", join_]));
  }
  return started;
}

async function ask(master: Process, method: string, request: Message = {}): Promise<Message> {
  using client = createRpcClient(world, master.address);
  return await client.call(masterWire, method, request, { deadlineMs: 40_000 });
}

/** Asks until it comes about; a failure shows the last answer and the logs. */
async function until<T>(what: string, look: () => Promise<T | null | false | undefined>, limitMs = 30_000): Promise<T> {
  const end = world.clock.monotonicMs() + limitMs;
  let last: unknown = "nothing";
  for (;;) {
    try {
      const found = await look();
      if (found !== null && found !== false && found !== undefined) return found;
    } catch (error) {
      last = error;
    }
    if (world.clock.monotonicMs() > end) {
      const logs = await Promise.all(
        processes.map(
          async (each) => `── ${each.name}\n${(await readFile(each.logFile, "utf8").catch(() => "")).split("\n").slice(-25).join("\n")}`,
        ),
      );
      throw new Error(`${what}: not within ${limitMs} ms; last: ${String(last)}\n${logs.join("\n")}`);
    }
    await world.clock.sleep(50); // the processes can only be asked
  }
}

async function freeWorkers(master: Process, count: number): Promise<void> {
  await until(`${count} workers are free`, async () => {
    const text = JSON.stringify(await ask(master, "ListMember", { worker: true }));
    return text.split('"stage":"free"').length - 1 >= count;
  });
}

async function subtask(master: Process): Promise<(SubTaskStatusMessage & { readonly worker: string }) | null> {
  const answer = (await ask(master, "QueryStatus", { name: "t1" })) as unknown as QueryStatusListMessage;
  const entry = answer.sources[0];
  const status = entry?.subTaskStatus[0];
  return status === undefined ? null : { ...status, worker: entry?.sourceStatus?.worker ?? "" };
}

async function startTask(master: Process, extra = ""): Promise<void> {
  const sourceYaml = `source-id: src-1\nfrom: {host: 127.0.0.1, port: ${source.port}, user: ${source.user}, password: "${source.password}"}\n`;
  expect(await ask(master, "OperateSource", { op: "StartSource", config: [sourceYaml] })).toMatchObject({
    result: true,
    sources: [{ result: true }],
  });
  const task = [
    "name: t1",
    "task-mode: all",
    `target-database: {host: 127.0.0.1, port: ${target.port}, user: ${target.user}, password: "${target.password}"}`,
    `mysql-instances: [{source-id: src-1, block-allow-list: b, mydumper-config-name: d}]`,
    "block-allow-list: {b: {do-dbs: [shop]}}",
    `mydumpers: {d: {threads: 2, rows: 2000${extra}}}`,
  ].join("\n");
  expect(await ask(master, "StartTask", { task })).toMatchObject({ result: true, sources: [{ result: true }] });
}

async function freshTables(rows: number): Promise<void> {
  for (const server of [source, target]) await server.sql("DROP DATABASE IF EXISTS shop");
  await target.sql("DROP DATABASE IF EXISTS dm_meta");
  await source.sql("CREATE DATABASE shop");
  await source.sql("CREATE TABLE shop.ord (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(60), n INT NOT NULL DEFAULT 0, KEY (n))");
  if (rows > 0)
    await source.sql(`INSERT INTO shop.ord (v, n) SELECT CONCAT('row ', seq, REPEAT('x', 30)), seq % 97 FROM seq_1_to_${rows}`, {
      database: "shop",
    });
}

const checksum = "SELECT COUNT(*) c, COALESCE(SUM(CRC32(CONCAT_WS('#', id, v, n))), 0) s FROM shop.ord";

async function equal(limitMs = 30_000): Promise<void> {
  await until(
    "source and target are equal",
    async () => JSON.stringify(await source.sql(checksum)) === JSON.stringify(await target.sql(checksum)),
    limitMs,
  );
}

/** Small transactions until told to stop. */
function writer(): { stop(): Promise<number> } {
  const told = new AbortController();
  let count = 0;
  const work = (async () => {
    while (!told.signal.aborted) {
      count++;
      await source.sql(`INSERT INTO shop.ord (v, n) VALUES ('w${count}', ${count})`);
      await source.sql(`UPDATE shop.ord SET n = n + 1 WHERE id = ${1 + (count % 50)}`);
    }
  })();
  return {
    stop: async () => {
      told.abort();
      await work;
      return count;
    },
  };
}

describe("a migration whose processes come and go", () => {
  test("workers before their master; all phases; pause, resume, stop", async () => {
    await freshTables(5000);
    folder = await mkdtemp(join(tmpdir(), "skein-failover-"));
    const port = await freePort(world);
    const later = { name: "m1", address: `127.0.0.1:${port}` } as Process;
    await startWorkers([later], "w1");
    await world.clock.sleep(1500); // long enough for the worker to have been refused: that is what is tested
    const master = await start("dm-master", "m1", port, ["-master-addr", later.address, "-data-dir", join(folder, "m1")]);
    await freeWorkers(master, 1);
    await startTask(master);
    await until("sync runs", async () => (await subtask(master))?.unit === "Sync");
    await equal();
    expect(await ask(master, "OperateTask", { op: "Pause", name: "t1" })).toMatchObject({ result: true, sources: [{ result: true }] });
    await source.sql("INSERT INTO shop.ord (v) VALUES ('while paused')");
    expect(await subtask(master)).toMatchObject({ stage: "Paused", result: { isCanceled: true, errors: [] } });
    expect(await ask(master, "OperateTask", { op: "Resume", name: "t1" })).toMatchObject({ result: true, sources: [{ result: true }] });
    await equal();
    expect(await ask(master, "OperateTask", { op: "Delete", name: "t1" })).toMatchObject({ result: true, sources: [{ result: true }] });
    expect(await ask(master, "OperateSource", { op: "StopSource", sourceID: ["src-1"] })).toMatchObject({ result: true });
  }, 90_000);

  test.each(["copy", "sync"] as const)(
    "kill -9 of the worker in %s: the other one goes on within 10 s",
    async (phase) => {
      await freshTables(phase === "copy" ? 400_000 : 2000);
      const [master] = (await startMasters(1)) as [Process];
      await startWorkers([master], "w1", "w2");
      await freeWorkers(master, 2);
      await startTask(master);
      const writing = writer();
      const before = await until(`${phase} is at work`, async () => {
        const status = await subtask(master);
        if (phase === "sync") return status?.unit === "Sync" && status;
        return Number(status?.load?.["finishedBytes"] ?? 0) > 0 && status?.unit === "Load" && status;
      });
      const victim = processes.find((each) => each.name === before.worker) as Process;
      const killedMs = world.clock.monotonicMs();
      victim.child.kill("SIGKILL");
      const after = await until("the other worker runs", async () => {
        const status = await subtask(master);
        return status !== null && status.worker !== "" && status.worker !== victim.name && status.stage === "Running" && status;
      });
      const tookMs = world.clock.monotonicMs() - killedMs;
      expect(tookMs).toBeLessThan(10_000);
      await until("sync runs", async () => (await subtask(master))?.unit === "Sync", 60_000);
      expect(await writing.stop()).toBeGreaterThan(0);
      await equal();
      // It comes back as a free worker; nothing moves.
      victim.restart();
      await freeWorkers(master, 1);
      expect((await subtask(master))?.worker).toBe(after.worker);
    },
    150_000,
  );

  test("a frozen worker loses its source within 10 s, writes nothing when it wakes, and comes back as a free one", async () => {
    await freshTables(2000);
    const [master] = (await startMasters(1)) as [Process];
    await startWorkers([master], "w1", "w2");
    await freeWorkers(master, 2);
    await startTask(master);
    const before = await until("sync runs", async () => {
      const status = await subtask(master);
      return status?.unit === "Sync" && status;
    });
    const writing = writer();
    const frozen = processes.find((each) => each.name === before.worker) as Process;
    const frozenMs = world.clock.monotonicMs();
    frozen.child.kill("SIGSTOP");
    // The status of what it ran is an answer with 38008 soon, not after the 30 s that a slow worker gets.
    expect(await ask(master, "QueryStatus", {})).toMatchObject({
      result: true,
      sources: [{ result: false, msg: expect.stringContaining("[code=38008:"), sourceStatus: { worker: "" }, subTaskStatus: [] }],
    });
    expect(world.clock.monotonicMs() - frozenMs).toBeLessThan(6000);
    const members = () => ask(master, "ListMember", { worker: true });
    await until("the other worker is bound", async () => {
      const text = JSON.stringify(await members());
      return new RegExp(`"name":"(?!${frozen.name})w\\d","addr":"[^"]*","stage":"bound"`).test(text);
    });
    const count = async () => Number((await target.sql("SELECT COUNT(*) c FROM shop.ord"))[0]?.["c"]);
    const then = await count();
    await until("the other worker applies changes", async () => (await count()) > then + 5);
    const tookMs = world.clock.monotonicMs() - frozenMs;
    expect(tookMs).toBeLessThan(10_000);
    frozen.child.kill("SIGCONT");
    await freeWorkers(master, 1);
    await writing.stop();
    await equal();
    expect((await subtask(master))?.worker).not.toBe(frozen.name);
  }, 120_000);

  test("kill -9 of the only master: replication goes on without it, and it comes back to the same state", async () => {
    await freshTables(2000);
    const [master] = (await startMasters(1)) as [Process];
    await startWorkers([master], "w1", "w2");
    await freeWorkers(master, 2);
    await startTask(master);
    const before = await until("sync runs", async () => {
      const status = await subtask(master);
      return status?.unit === "Sync" && status;
    });
    master.child.kill("SIGKILL");
    await master.child.exited;
    await source.sql("INSERT INTO shop.ord (v) VALUES ('without a master')");
    await equal();
    master.restart();
    expect(await until("it serves", () => subtask(master))).toMatchObject({ worker: before.worker, stage: "Running", unit: "Sync" });
    expect(await ask(master, "OperateTask", { op: "Pause", name: "t1" })).toMatchObject({ result: true, sources: [{ result: true }] });
  }, 90_000);

  test("a master joins two others, is listed, and is taken out again", async () => {
    const masters = await startMasters(2);
    const [first] = masters as [Process];
    await until("a leader serves", () => ask(first, "ListMember", { leader: true }));
    const [port, peer] = [await freePort(world), await freePort(world)];
    const join_ = masters.map(({ address }) => address).join(",");
    const third = await start("dm-master", "m3", port, [
      "-master-addr",
      `127.0.0.1:${port}`,
      "-data-dir",
      join(folder, "m3"),
      "-join",
      join_,
      "-peer-urls",
      `http://127.0.0.1:${peer}`,
    ]);
    const listed = async (from: Process) => {
      const [entry] = (await ask(from, "ListMember", { master: true }))["members"] as [
        { master: { masters: { name: string; alive: boolean }[] } },
      ];
      return entry.master.masters.map((each) => `${each.name} ${each.alive}`);
    };
    await until("three masters are alive", async () => JSON.stringify(await listed(third)) === '["m1 true","m2 true","m3 true"]', 60_000);
    third.child.kill("SIGTERM");
    expect(await third.child.exited).toMatchObject({ code: 0 });
    expect(await ask(first, "OfflineMember", { type: "master", name: "m9" })).toMatchObject({
      result: false,
      msg: expect.stringContaining("38048"),
    });
    expect(await ask(first, "OfflineMember", { type: "master", name: "m3" })).toMatchObject({ result: true });
    expect(await listed(first)).toEqual(["m1 true", "m2 true"]);
  }, 120_000);

  test("three masters on a real etcd: the leader is killed, another one serves, replication goes on", async () => {
    expect(await whyNotEtcd(world)).toBeNull();
    await freshTables(2000);
    const masters = await startMasters(3);
    await startWorkers(masters, "w1", "w2");
    await freeWorkers(masters[0] as Process, 2);
    await startTask(masters[1] as Process);
    await until("sync runs", async () => (await subtask(masters[2] as Process))?.unit === "Sync");
    const [entry] = (await ask(masters[0] as Process, "ListMember", { leader: true }))["members"] as [{ leader: { name: string } }];
    const leader = masters.find((each) => each.name === entry.leader.name) as Process;
    const other = masters.find((each) => each !== leader) as Process;
    const writing = writer();
    const killedMs = world.clock.monotonicMs();
    leader.child.kill("SIGKILL");
    await until("another leader serves", async () => {
      const answer = await ask(other, "ListMember", { leader: true });
      const [first] = answer["members"] as [{ leader: { name: string } }];
      return first.leader.name !== leader.name && first.leader.name !== "" && first.leader.name;
    });
    expect(world.clock.monotonicMs() - killedMs).toBeLessThan(25_000);
    expect(await subtask(other)).toMatchObject({ stage: "Running", unit: "Sync" });
    await writing.stop();
    await equal();
    expect(await ask(other, "OperateTask", { op: "Pause", name: "t1" })).toMatchObject({ result: true, sources: [{ result: true }] });
  }, 180_000);
});
