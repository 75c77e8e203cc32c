/** Master and workers in one process, with units that only count: scheduling, commands and take-overs on the embedded store. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, nodeWorld } from "@skein/base";
import { type KeyValue, openMetastore, textOf } from "@skein/metastore";
import { type DatabaseServer, startMariadb } from "@skein/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dmErrors } from "../errors.ts";
import { startTestMaster } from "../testing/master.ts";
import type { SyncStatus, Unit } from "../unit.ts";
import { encode, keys } from "../wire/keys.ts";
import type { QueryStatusListMessage, SourcesAnswer } from "../wire/messages.ts";
import { startWorker, type Worker } from "../worker/dm-worker.ts";
import { workerReaders } from "../worker/readers.ts";
import type { UnitContext } from "../worker/unit-context.ts";

const world = nodeWorld();
const cleanups: (() => Promise<void>)[] = [];
let source: DatabaseServer;
let folder: string;

beforeAll(async () => {
  source = await startMariadb(world);
  folder = await mkdtemp(join(tmpdir(), "skein-cluster-"));
}, 120_000);

afterAll(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
  await source[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
}, 60_000);

/** What the units of a worker did, in order. */
const journal: string[] = [];

/** Thrown by the units that run next. */
const failures: Error[] = [];

function countingUnit(kind: "Load" | "Sync", context: UnitContext): Unit {
  const { worker } = context;
  const done = Promise.withResolvers<void>();
  const sync: SyncStatus = {
    rowsPerSecond: 0,
    bytesPerSecond: 0,
    etaSeconds: null,
    blocker: null,
    totalEvents: 7,
    totalTps: 0,
    recentTps: 0,
    totalRows: 0,
    totalRps: 0,
    recentRps: 0,
    masterBinlog: "(bin.000001, 4)",
    masterBinlogGtid: "",
    syncerBinlog: "(bin.000001, 4)",
    syncerBinlogGtid: "",
    flushedBinlog: "",
    flushedBinlogGtid: "",
    synced: true,
    binlogType: "remote",
    secondsBehindMaster: 0,
    lagMs: 3,
    blockingDdls: [],
    unresolvedGroups: [],
    blockDdlOwner: "",
    conflictMessage: "",
    ioTotalBytes: 0,
  };
  return {
    kind,
    run: async (signal) => {
      journal.push(`${worker} runs ${kind}`);
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      if (kind === "Load") return;
      signal.addEventListener(
        "abort",
        () => {
          journal.push(`${worker} is killed in ${kind}`);
          done.reject(signal.reason);
        },
        { once: true },
      );
      await done.promise;
    },
    stop: async () => {
      journal.push(`${worker} stops ${kind}`);
      done.resolve();
    },
    status: () => ({ kind: "Sync", sync }),
    [Symbol.asyncDispose]: async () => {},
  };
}

async function openWorkerProcess(name: string, masterPort: number, port?: number): Promise<Worker & { close(): Promise<void> }> {
  const own = port ?? (await freePort(world));
  const worker = await startWorker(
    world,
    {
      name,
      host: "127.0.0.1",
      port: own,
      advertiseAddr: `127.0.0.1:${own}`,
      join: [`127.0.0.1:${masterPort}`],
      keepaliveTtlSeconds: 60,
      configToml: `name = "${name}"\n`,
      versionText: "v\n",
    },
    {
      ...workerReaders,
      firstStep: async () => 0,
      openUnit: async (step, context) => countingUnit(step === "sync" ? "Sync" : "Load", context),
    },
  );
  cleanups.push(() => worker.close());
  return worker;
}

async function until<T>(what: string, ask: () => Promise<T | null | false>, limitMs = 15_000): Promise<T> {
  const end = world.clock.monotonicMs() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== false) return answer;
    if (world.clock.monotonicMs() > end) throw new Error(`${what} did not come about`);
    await world.clock.sleep(30);
  }
}

const sourceYaml = () => `
source-id: src-1
from: {host: 127.0.0.1, port: ${source.port}, user: ${source.user}, password: "${source.password}"}
`;
const taskYaml = () => `
name: t1
task-mode: all
target-database: {host: 127.0.0.1, port: ${source.port}, user: ${source.user}, password: "${source.password}"}
mysql-instances: [{source-id: src-1}]
`;

describe("one master, two workers", () => {
  test("a source is bound, a task runs, pauses, resumes, moves with its worker's end and is removed", async () => {
    const port = await freePort(world);
    const w1 = await openWorkerProcess("w1", port); // before its master
    const master = await startTestMaster(world, { name: "m1", folder, address: `127.0.0.1:${port}` });
    cleanups.push(() => master.close());
    const { service } = master;

    const members = await until("w1 free", async () => {
      const answer = await service.ListMember({ worker: true }).catch(() => null);
      const text = JSON.stringify(answer);
      return text.includes('"stage":"free"') && text;
    });
    expect(members).toContain('"name":"w1"');

    const created = (await service.OperateSource({ op: "StartSource", config: [sourceYaml()] })) as unknown as SourcesAnswer;
    expect(created).toEqual({ result: true, msg: "", sources: [{ result: true, msg: "", source: "src-1", worker: "w1" }] });
    const again = await service.OperateSource({ op: "StartSource", config: [sourceYaml()] });
    expect(again["msg"]).toContain("[code=46007:");

    // Errors of the task's file carry the class of the master.
    for (const method of ["CheckTask", "StartTask"] as const)
      expect((await service[method]({ task: "name: t1\nfoo: 1\n" }))["msg"]).toMatch(
        /^\[code=20\d+:class=dm-master:scope=internal:level=medium\]/,
      );
    // A source that the task does not have fails alone.
    for (const method of ["CheckTask", "StartTask"] as const)
      expect(await service[method]({ task: taskYaml(), startTime: "abc" })).toMatchObject({
        result: false,
        msg: expect.stringMatching(/^error while parse start-time, .*"abc"$/),
      });
    const alone = await service.StartTask({ task: taskYaml(), sources: ["src-9"] });
    expect(alone["sources"]).toEqual([{ result: false, msg: "source not found in task's config", source: "src-9", worker: "" }]);

    const started = await service.StartTask({ task: taskYaml(), sources: ["src-9", "src-1"] });
    expect(started).toEqual({
      result: true,
      msg: "",
      sources: [
        { result: true, msg: "", source: "src-1", worker: "w1" },
        { result: false, msg: "source not found in task's config", source: "src-9", worker: "" },
      ],
      checkResult: "pre-check is passed. ",
    });
    const status = await until<QueryStatusListMessage>("sync runs", async () => {
      const answer = (await service.QueryStatus({ name: "t1" })) as unknown as QueryStatusListMessage;
      return answer.sources[0]?.subTaskStatus[0]?.unit === "Sync" && answer;
    });
    expect(status.sources[0]).toMatchObject({
      result: true,
      sourceStatus: { source: "src-1", worker: "w1", result: null, relayStatus: null },
      subTaskStatus: [{ name: "t1", stage: "Running", unit: "Sync", sync: { totalEvents: "7", synced: true }, detail: { lagMs: "3" } }],
    });

    expect(await service.OperateTask({ op: "Pause", name: "t1" })).toMatchObject({
      op: "Pause",
      result: true,
      sources: [{ result: true, msg: "" }],
    });
    expect(await service.OperateTask({ op: "Resume", name: "t1" })).toMatchObject({
      op: "Resume",
      result: true,
      sources: [{ result: true }],
    });
    expect(await service.OperateTask({ op: "Pause", name: "t9" })).toMatchObject({
      result: false,
      msg: "task t9 has no source or not exist, please check the task name and status",
    });

    // A worker that ends in good order gives its source to the other one at once.
    await openWorkerProcess("w2", port);
    await until("w2 free", async () =>
      new RegExp(`"name":"w2","addr":"[^"]*","stage":"free"`).test(JSON.stringify(await service.ListMember({ worker: true }))),
    );
    const leftMs = world.clock.monotonicMs();
    await w1.close();
    await until("w2 runs sync", async () => {
      const answer = (await service.QueryStatus({ name: "t1" })) as unknown as QueryStatusListMessage;
      return answer.sources[0]?.sourceStatus?.worker === "w2" && answer.sources[0].subTaskStatus[0]?.stage === "Running";
    });
    expect(world.clock.monotonicMs() - leftMs).toBeLessThan(3000);

    // By command it moves to a free worker and goes on there; to a bound one it does not move.
    await openWorkerProcess("w3", port);
    await until("w3 free", async () =>
      new RegExp(`"name":"w3","addr":"[^"]*","stage":"free"`).test(JSON.stringify(await service.ListMember({ worker: true }))),
    );
    expect(await service.TransferSource({ source: "src-1", worker: "w9" })).toMatchObject({ msg: expect.stringContaining("[code=46004:") });
    expect(await service.TransferSource({ source: "src-1", worker: "w1" })).toMatchObject({ msg: expect.stringContaining("[code=46006:") });
    expect(await service.TransferSource({ source: "src-1", worker: "w2" })).toEqual({ result: true, msg: "" });
    expect(await service.TransferSource({ source: "src-1", worker: "w3" })).toEqual({ result: true, msg: "" });
    await until("w3 runs sync", async () => {
      const answer = (await service.QueryStatus({ name: "t1" })) as unknown as QueryStatusListMessage;
      return answer.sources[0]?.sourceStatus?.worker === "w3" && answer.sources[0].subTaskStatus[0]?.stage === "Running";
    });
    expect(await service.OfflineMember({ type: "worker", name: "w3" })).toMatchObject({ msg: expect.stringContaining("[code=46005:") });
    expect(await service.OfflineMember({ type: "worker", name: "w1" })).toEqual({ result: true, msg: "" });

    // A master that is evicted answers nothing but the end of its eviction.
    expect(await service.OperateLeader({ op: "EvictLeaderOp" })).toEqual({ result: true, msg: "" });
    await expect(service.ListMember({})).rejects.toMatchObject({ code: 38043 });
    expect(await service.OperateLeader({ op: "CancelEvictLeaderOp" })).toEqual({ result: true, msg: "" });
    await until("it leads again", async () => (await service.ListMember({ leader: true }).catch(() => null)) !== null);
    expect(await service.QueryStatus({ name: "t1" })).toMatchObject({ sources: [{ result: true, sourceStatus: { worker: "w3" } }] });

    const cfg = await service.GetCfg({ type: "TaskType", name: "t1" });
    expect(cfg["cfg"]).toContain("name: t1");
    expect(cfg["cfg"]).not.toContain(source.password);

    expect(await service.OperateSource({ op: "StopSource", sourceID: ["src-1"] })).toMatchObject({ result: false });
    expect(await service.OperateTask({ op: "Delete", name: "t1" })).toMatchObject({
      op: "Delete",
      result: true,
      sources: [{ result: true }],
    });
    expect(await service.QueryStatus({})).toMatchObject({ sources: [{ msg: "no sub task started", subTaskStatus: [] }] });
    expect(await service.OperateSource({ op: "StopSource", sourceID: ["src-1"] })).toMatchObject({
      result: true,
      sources: [{ result: true }],
    });
    expect(journal.slice(0, 2)).toEqual(["w1 runs Load", "w1 runs Sync"]);
  }, 60_000);

  test("T2: an error pauses and is tried again by itself, a hopeless one waits; W1: a deleted keepalive key kills the units", async () => {
    const port = await freePort(world);
    const master = await startTestMaster(world, { name: "m2", folder, address: `127.0.0.1:${port}` });
    cleanups.push(() => master.close());
    const { service } = master;
    await openWorkerProcess("x1", port);
    await until("x1 free", async () => JSON.stringify(await service.ListMember({ worker: true })).includes('"stage":"free"'));
    const yaml = `${sourceYaml()}checker: {check-interval: 100ms, backoff-min: 100ms}\n`;
    expect(await service.OperateSource({ op: "StartSource", config: [yaml] })).toMatchObject({ result: true });
    const subtask = async () =>
      ((await service.QueryStatus({ name: "t1" })) as unknown as QueryStatusListMessage).sources[0]?.subTaskStatus[0] ?? null;

    journal.length = 0;
    failures.push(dmErrors.notSet(["lost connection"]));
    await service.StartTask({ task: taskYaml() });
    await until("it runs again", async () => journal.includes("x1 runs Sync"));
    expect(journal.filter((line) => line === "x1 runs Load").length).toBe(2);

    expect(await service.OperateTask({ op: "Pause", name: "t1" })).toMatchObject({ sources: [{ result: true, msg: "" }] });
    failures.push(dmErrors.notSet(["write"], new Error("Error 1062 (23000): Duplicate entry")));
    const resumed = (await service.OperateTask({ op: "Resume", name: "t1" })) as unknown as SourcesAnswer;
    const paused = await until("it is paused by the error", async () => {
      const status = await subtask();
      return status?.stage === "Paused" && status;
    });
    expect(paused.result).toMatchObject({
      isCanceled: false,
      errors: [{ ErrCode: 50000, RawCause: "Error 1062 (23000): Duplicate entry" }],
    });
    expect(paused.detail?.blockers[0]?.what).toContain("Duplicate entry");
    expect(resumed.result).toBe(true);
    const stopped = await service.OperateTask({ op: "Pause", name: "t1" });
    expect(stopped).toMatchObject({ sources: [{ result: true, msg: expect.stringContaining("[code=38032:") }] });
    expect((await subtask())?.result?.isCanceled).toBe(true);
    await service.OperateTask({ op: "Resume", name: "t1" });

    journal.length = 0;
    await using store = await openMetastore(world, { kind: "etcd", endpoints: [`127.0.0.1:${port}`] });
    await store.delete({ key: keys.keepalive("x1") });
    await until("its unit is killed", async () => journal.includes("x1 is killed in Sync"));
    expect(journal).not.toContain("x1 stops Sync");
    await until("it is back", async () => journal.includes("x1 runs Sync") && (await subtask())?.stage === "Running");

    // A load of a dump's files belongs to the worker that has them, until all is loaded.
    const holds = () => store.get(keys.loadTask("t2", "src-1"));
    const loading = async () =>
      ((await service.QueryStatus({ name: "t2" })) as unknown as QueryStatusListMessage).sources[0]?.subTaskStatus[0] ?? null;
    journal.length = 0;
    await store.put(keys.loadTask("t2", "src-1"), encode.loadTask("x9"));
    const loadYaml = taskYaml().replace("name: t1", "name: t2").replace("task-mode: all", "task-mode: load&sync");
    await service.StartTask({ task: loadYaml });
    const refused = await until("the load is refused", async () => (await loading())?.result?.errors[0] ?? null);
    expect(refused).toMatchObject({ ErrCode: 34017, Message: "different worker in load stage, previous worker: x9, current worker: x1" });
    expect(journal).not.toContain("x1 runs Load");
    journal.length = 0;
    await store.delete({ key: keys.loadTask("t2", "src-1") });
    failures.push(dmErrors.notSet(["write"], new Error("Error 1062 (23000): Duplicate entry")));
    await until("the load has failed and is held", async () => {
      if ((await loading())?.result?.errors[0]?.ErrCode === 34017) await service.OperateTask({ op: "Resume", name: "t2" });
      return (await loading())?.result?.errors[0]?.ErrCode === 50000;
    });
    expect(textOf((await holds()) as KeyValue)).toBe(encode.loadTask("x1"));
    await service.OperateTask({ op: "Resume", name: "t2" });
    await until("sync runs after the load", async () => journal.includes("x1 runs Sync"));
    expect(await holds()).toBeNull();
  }, 60_000);
});
