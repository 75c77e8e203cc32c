/** The OpenAPI, the gateway and dmctl against a real master and worker over HTTP; the worker's units only wait. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, nodeWorld } from "@skein/base";
import { type DatabaseServer, startMariadb } from "@skein/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runDmctl } from "../control/dmctl.ts";
import { startTestMaster } from "../testing/master.ts";
import type { Unit } from "../unit.ts";
import { startWorker } from "../worker/dm-worker.ts";
import { workerReaders } from "../worker/readers.ts";

const world = nodeWorld();
const cleanups: (() => Promise<void>)[] = [];
let database: DatabaseServer;
let base: string;
let address: string;

beforeAll(async () => {
  database = await startMariadb(world);
  const folder = await mkdtemp(join(tmpdir(), "skein-openapi-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const port = await freePort(world);
  address = `127.0.0.1:${port}`;
  base = `http://${address}`;
  const master = await startTestMaster(world, { name: "m1", folder, address, flags: ["-openapi"] });
  cleanups.push(() => master.close());
  const workerPort = await freePort(world);
  const worker = await startWorker(
    world,
    {
      name: "w1",
      host: "127.0.0.1",
      port: workerPort,
      advertiseAddr: `127.0.0.1:${workerPort}`,
      join: [address],
      keepaliveTtlSeconds: 60,
      configToml: "",
      versionText: "v\n",
    },
    { ...workerReaders, firstStep: async () => 0, openUnit: async () => waitingUnit() },
  );
  cleanups.push(() => worker.close());
  while ((await api("GET", "/cluster/workers")).body?.["total"] !== 1) await world.clock.sleep(50);
}, 120_000);

afterAll(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
  await database[Symbol.asyncDispose]();
}, 60_000);

function waitingUnit(): Unit {
  const done = Promise.withResolvers<void>();
  return {
    kind: "Load",
    run: async (signal) => {
      signal.addEventListener("abort", () => done.reject(signal.reason), { once: true });
      await done.promise;
    },
    stop: async () => done.resolve(),
    status: () => ({
      kind: "Load",
      load: {
        rowsPerSecond: 5,
        bytesPerSecond: 0,
        etaSeconds: 7,
        blocker: { what: "lock wait in the target", nextStep: "look at SHOW PROCESSLIST" },
        finishedBytes: 1,
        totalBytes: 2,
        finishedRows: 1,
        totalRows: 2,
        metaBinlog: "(bin.000001, 4)",
        metaBinlogGtid: "",
        movable: true,
        tables: [],
      },
    }),
    [Symbol.asyncDispose]: async () => {},
  };
}

async function api(method: string, path: string, body?: unknown) {
  const response = await fetch(`${base}/api/v1${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const text = await response.text();
  return { status: response.status, text, body: text === "" ? undefined : (JSON.parse(text) as Record<string, unknown>) };
}

async function dmctl(...argv: string[]) {
  let stdout = "";
  let stderr = "";
  const code = await runDmctl(world, {
    argv: ["--master-addr", address, ...argv],
    signal: new AbortController().signal,
    versionText: "v\n",
    io: { stdout: (text) => (stdout += text), stderr: (text) => (stderr += text), env: {}, lines: async function* () {} },
  });
  return { code, stdout, stderr };
}

const source = () => ({
  source_name: "oa-1",
  host: "127.0.0.1",
  port: database.port,
  user: database.user,
  password: database.password,
  enable_gtid: false,
  enable: true,
});
const task = () => ({
  name: "oat",
  task_mode: "all",
  enhance_online_schema_change: true,
  on_duplicate: "replace",
  target_config: { host: "127.0.0.1", port: database.port, user: database.user, password: database.password },
  table_migrate_rule: [{ source: { source_name: "oa-1", schema: "oadb", table: "*" }, target: { schema: "oadb2", table: "" } }],
  source_config: { source_conf: [{ source_name: "oa-1" }] },
});

describe("a master's HTTP", () => {
  test("answers its status paths", async () => {
    const get = async (path: string) => {
      const response = await fetch(`${base}${path}`);
      return [response.status, await response.text()];
    };
    expect(await get("/status")).toEqual([200, "v\n"]);
    expect(await get("/health")).toEqual([200, '{"health":"true","reason":""}']);
    expect((await get("/metrics"))[1]).toContain("dm_master_");
    expect(await get("/nope")).toEqual([404, "404 page not found\n"]);
    expect(await get("//")).toEqual([400, "400 bad request\n"]); // passes HTTP's grammar, is no URL, and must not end the process
    expect((await get("/api/v1/docs"))[0]).toBe(200);
    const document = JSON.parse((await get("/api/v1/dm.json"))[1] as string) as { paths: object };
    expect(Object.keys(document.paths)).toContain("/api/v1/tasks/{task-name}/start");
  });

  test("refuses what does not fit, in the documented forms", async () => {
    expect((await api("GET", "/nope")).text).toBe('{"error":"no matching operation was found"}');
    expect((await api("POST", "/cluster/masters", {})).text).toBe('{"error":"method not allowed"}');
    expect(await api("POST", "/sources", { source: { source_name: "x" } })).toMatchObject({
      status: 400,
      body: {
        error:
          'error in openapi3filter.RequestError: request body has an error: doesn\'t match the schema: Error at "/source/enable": property "enable" is missing',
      },
    });
    expect(await api("GET", "/sources/nope")).toMatchObject({ status: 404, text: "" });
    expect((await api("GET", "/tasks/nope")).body).toMatchObject({ error_code: 46018 });
    expect((await api("DELETE", "/cluster/workers/w1")).body).toMatchObject({ error_code: 46005 });
    expect((await api("DELETE", "/cluster/workers/nope")).body).toMatchObject({ error_code: 46004 });
    expect((await api("POST", "/sources", { source: { ...source(), password: "wrong" } })).body).toMatchObject({ error_code: 10001 });
  });

  test("keeps the cluster's topology", async () => {
    const topology = { master_topology_list: [{ host: "127.0.0.1", name: "m1", port: 1 }] };
    expect((await api("PUT", "/cluster/info", topology)).body).toMatchObject({ topology });
    const info = await api("GET", "/cluster/info");
    expect(info.body).toMatchObject({ topology });
    const [, id = ""] = /"cluster_id": (\d+)/.exec(info.text) ?? [];
    expect(BigInt(id) >> 32n).toBeGreaterThan(1_700_000_000n);
    expect((await api("GET", "/cluster/info")).text).toContain(id);
    expect((await api("GET", "/cluster/masters")).body).toMatchObject({ total: 1, data: [{ name: "m1", alive: true, leader: true }] });
  });

  test("makes a source and a task, runs it, stops it and removes it", async () => {
    expect(await api("POST", "/sources", { source: source() })).toMatchObject({ status: 201, body: { source_name: "oa-1" } });
    expect((await api("POST", "/sources", { source: source() })).body).toMatchObject({ error_code: 46007 });
    expect((await api("GET", "/sources/oa-1?with_status=true")).body).toMatchObject({
      password: "******",
      flavor: "mariadb",
      status_list: [{ source_name: "oa-1", worker_name: "w1" }],
    });
    expect((await api("GET", "/sources/oa-1/schemas")).body).toContain("mysql");
    expect((await api("GET", "/sources/oa-1/schemas/nope")).body).toMatchObject({ error_code: 0 });
    expect((await api("POST", "/sources/oa-1/relay/enable", {})).body).toMatchObject({ error_code: 38101 });
    expect((await api("POST", "/sources/nope/enable")).body).toMatchObject({ error_code: 46008 });
    expect((await api("PUT", "/sources/oa-1", { source: { ...source(), password: null, purge: { interval: 1800 } } })).status).toBe(200);
    expect((await api("GET", "/sources/oa-1")).body).toMatchObject({ purge: { interval: 1800 } });

    expect(await api("POST", "/tasks", { task: task() })).toMatchObject({ status: 201, body: { check_result: "pre-check is passed. " } });
    expect((await api("POST", "/tasks", { task: task() })).body).toMatchObject({ error_code: 46014 });
    expect((await api("GET", "/tasks/oat/status")).body).toMatchObject({
      total: 1,
      data: [{ name: "oat", source_name: "oa-1", worker_name: "w1" }],
    });
    expect((await api("GET", "/tasks")).body).toMatchObject({
      data: [{ name: "oat", target_config: { password: "******" }, table_migrate_rule: [{ target: { schema: "oadb2" } }] }],
    });
    expect((await api("GET", "/tasks/oat/sources/oa-1/migrate_targets")).body).toEqual({ data: [], total: 0 });

    const badDuration = { safe_mode_time_duration: "long" };
    expect((await api("POST", "/tasks/oat/start", badDuration)).body).toMatchObject({ error_msg: expect.stringContaining("`long`") });
    expect((await api("POST", "/tasks/oat/start", { safe_mode_time_duration: "30s" })).status).toBe(200);

    // A disabled source lets no task run; what ran goes on when it is enabled.
    const stage = async () => ((await api("GET", "/tasks/oat/status")).body as { data: { stage: string }[] }).data[0]?.stage;
    expect(await stage()).toBe("Running");
    expect((await api("POST", "/sources/oa-1/disable")).status).toBe(200);
    expect(await stage()).toBe("Paused");
    expect((await api("GET", "/sources/oa-1")).body).toMatchObject({ enable: false });
    expect((await api("POST", "/tasks/oat/start", {})).body).toMatchObject({
      error_code: 38058,
      error_msg: expect.stringContaining(
        "[code=38058:class=dm-master:scope=internal:level=high], Message: can not start task: oat reason: source: oa-1 is not enabled",
      ),
    });
    expect((await api("POST", "/sources/oa-1/enable")).status).toBe(200);
    expect(await stage()).toBe("Running");
    expect((await api("GET", "/tasks/oat/status")).body).toMatchObject({ data: [{ stage: "Running" }] });
    expect((await api("GET", "/tasks?stage=Running")).body).toMatchObject({ total: 1 });
    expect((await api("GET", "/tasks?stage=Paused")).body).toMatchObject({ total: 0 });
    expect((await api("DELETE", "/sources/oa-1")).body).toMatchObject({ error_code: 46010 });
    expect((await api("PUT", "/tasks/oat", { task: task() })).body).toMatchObject({ error_code: 46035 });
    expect((await api("DELETE", "/tasks/oat")).body).toMatchObject({ error_code: 49001 });

    const why = await dmctl("query-status", "oat", "--why");
    expect(why.stdout).toContain("task oat: Running, Load");
    expect(why.stdout).toContain("blocked: lock wait in the target\n    next: look at SHOW PROCESSLIST\n");
    expect((await dmctl("query-status")).stdout).toContain('"taskStatus": "Running"');

    expect((await api("POST", "/tasks/oat/stop", {})).status).toBe(200);
    expect((await api("GET", "/tasks/oat/status")).body).toMatchObject({ data: [{ stage: "Paused" }] });
    expect((await api("DELETE", "/tasks/oat")).status).toBe(204);
    expect((await api("DELETE", "/sources/oa-1?force=true")).status).toBe(204);
    expect((await api("GET", "/sources")).body).toEqual({ data: [], total: 0 });
  });

  test("keeps templates", async () => {
    expect((await api("POST", "/tasks/templates", task())).status).toBe(201);
    expect((await api("POST", "/tasks/templates", task())).body).toMatchObject({ error_code: 20050 });
    expect((await api("GET", "/tasks/templates")).body).toMatchObject({ total: 1, data: [{ name: "oat" }] });
    expect((await api("GET", "/tasks/templates/nope")).body).toMatchObject({ error_code: 20051 });
    expect((await api("DELETE", "/tasks/templates/oat")).status).toBe(204);
    const converted = await api("POST", "/tasks/converters", { task: task() });
    expect((await api("POST", "/tasks/converters", { task_config_file: converted.body?.["task_config_file"] })).body).toMatchObject({
      task: { name: "oat" },
    });
  });

  test("serves the gateway, and dmctl on the same port", async () => {
    const members = await fetch(`${base}/apis/v1alpha1/members?leader=true`);
    expect(await members.text()).toBe(
      `{\n  "result": true,\n  "msg": "",\n  "members": [\n    {\n      "leader": {\n        "msg": "",\n        "name": "m1",\n        "addr": "${address}"\n      }\n    }\n  ]\n}`,
    );
    expect((await dmctl("list-member", "-l")).stdout).toBe(
      `{\n    "result": true,\n    "msg": "",\n    "members": [\n        {\n            "leader": {\n                "msg": "",\n                "name": "m1",\n                "addr": "${address}"\n            }\n        }\n    ]\n}\n`,
    );
    expect((await dmctl("start-relay", "-s", "x")).stdout).toContain("code=38101");
    expect((await dmctl("config", "master", "m1")).stdout).toContain('"result": true');
  });
});
