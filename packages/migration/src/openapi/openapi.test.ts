import { describe, expect, test } from "vitest";
import { parseTask } from "../config/task-yaml.ts";
import type { MasterService } from "../master/master-service.ts";
import { queryValue, shapeProblem } from "./check-request.ts";
import { openApiDocument, operations, type Shape } from "./document.ts";
import { answerGateway } from "./gateway.ts";
import { handlers, RawNumber } from "./handlers.ts";
import { jsonText } from "./http.ts";
import { matchPath } from "./match-path.ts";
import { type ApiTask, taskFromYaml, taskYaml } from "./task-conversion.ts";

const bodyOf = (id: string) => operations.find((each) => each.id === id)?.body as Shape;

const task: ApiTask = {
  name: "oat",
  task_mode: "all",
  meta_schema: "dm_meta",
  enhance_online_schema_change: true,
  on_duplicate: "replace",
  ignore_checking_items: ["version", "dump_privilege"],
  target_config: { host: "127.0.0.1", port: 18400, user: "dm", password: "pw: '123" },
  binlog_filter_rule: { nodrop: { ignore_event: ["drop table"], ignore_sql: ["^drop"] } },
  table_migrate_rule: [
    { source: { source_name: "oa-1", schema: "oadb", table: "*" }, target: { schema: "oadb2", table: "" }, binlog_filter_rule: ["nodrop"] },
    { source: { source_name: "oa-2", schema: "s", table: "t1" } },
  ],
  source_config: {
    full_migrate_conf: { export_threads: 2, import_threads: 4 },
    incr_migrate_conf: { repl_threads: 8, repl_batch: 50 },
    source_conf: [{ source_name: "oa-1" }, { source_name: "oa-2", binlog_name: "bin.000001", binlog_pos: 4, binlog_gtid: "" }],
  },
};

describe("the OpenAPI", () => {
  test("has a handler for each operation, and no other", () => {
    expect(Object.keys(handlers).sort()).toEqual(operations.map((each) => each.id).sort());
    const document = openApiDocument("v1") as { paths: Record<string, Record<string, unknown>> };
    expect(Object.values(document.paths).flatMap((each) => Object.keys(each))).toHaveLength(operations.length);
  });

  test.each([
    ["createSource", { source: { source_name: "a", host: "h", user: "u" } }, 'Error at "/source/enable": property "enable" is missing'],
    ["transferSource", {}, 'Error at "/worker_name": property "worker_name" is missing'],
    ["updateClusterInfo", { master_topology_list: 1 }, 'Error at "/master_topology_list": Field must be set to array or not be present'],
    ["createTask", { task: { ...task, task_mode: "x" } }, 'Error at "/task/task_mode": value "x" is not one of the allowed values'],
    ["createTask", { task: { ...task, name: null } }, 'Error at "/task/name": Value is not nullable'],
    [
      "createTask",
      { task: { ...task, target_config: { ...task.target_config, port: "1" } } },
      'Error at "/task/target_config/port": Field must be set to integer or not be present',
    ],
    ["createTask", { task }, null],
  ])("%s refuses what does not fit its shape", (id, body, problem) => expect(shapeProblem(bodyOf(id), body)).toBe(problem));

  test("reads query values by their shape", () => {
    expect(queryValue({ type: "boolean" }, ["true"])).toBe(true);
    expect(queryValue({ type: "boolean" }, ["yes"])).toBeUndefined();
    expect(queryValue({ type: "array" }, ["a,b", "c"])).toEqual(["a", "b", "c"]);
    expect(queryValue({ type: "string", enum: ["Running"] }, ["x"])).toBeUndefined();
  });

  test("finds the names in a path", () => {
    expect(matchPath("/tasks/{task-name}/start", "/tasks/a%2Fb/start")).toEqual({ "task-name": "a/b" });
    expect(matchPath("/tasks/{task-name}", "/tasks/")).toBeNull();
    expect(matchPath("/tasks/{task-name}", "/tasks/%zz")).toBeNull();
  });

  test("prints keys in order, with 64-bit numbers as they are", () => {
    expect(jsonText({ b: [], a: new RawNumber("7710503400751391424"), c: { x: null, y: undefined } })).toBe(
      '{\n    "a": 7710503400751391424,\n    "b": [],\n    "c": {\n        "x": null\n    }\n}',
    );
  });
});

describe("a task", () => {
  test("becomes a task.yaml that is accepted, and comes back", () => {
    const yaml = taskYaml(task);
    const parsed = parseTask(yaml);
    expect(parsed.sourceIds).toEqual(["oa-1", "oa-2"]);
    expect(parsed.shape.routes["route-01"]).toMatchObject({ "schema-pattern": "oadb", "table-pattern": "*", "target-schema": "oadb2" });
    expect(parsed.shape.filters["filter-01"]).toMatchObject({ events: ["drop table"], action: "Ignore" });
    const back = taskFromYaml(yaml);
    expect(back).toMatchObject({
      name: "oat",
      target_config: { password: "pw: '123", port: 18400 },
      ignore_checking_items: ["version", "dump_privilege"],
      source_config: {
        full_migrate_conf: { export_threads: 2, import_threads: 4 },
        incr_migrate_conf: { repl_threads: 8, repl_batch: 50 },
        source_conf: [{ source_name: "oa-1" }, { source_name: "oa-2", binlog_name: "bin.000001", binlog_pos: 4 }],
      },
    });
    expect(back.table_migrate_rule).toEqual([
      {
        source: { source_name: "oa-1", schema: "oadb", table: "*" },
        target: { schema: "oadb2", table: "" },
        binlog_filter_rule: ["filter-01"],
      },
      { source: { source_name: "oa-2", schema: "s", table: "t1" } },
    ]);
    expect(taskFromYaml(taskYaml(back))).toEqual(back);
  });

  test("with a filter that is not there is refused", () => {
    expect(() => taskYaml({ ...task, binlog_filter_rule: {} })).toThrow("filter rule name nodrop not found.");
  });

  test("written for dmctl shows databases as tables without a name", () => {
    const yaml = `
name: t
task-mode: full
target-database: {host: h, port: 1, user: u, password: ""}
mysql-instances: [{source-id: s, block-allow-list: b}]
block-allow-list: {b: {do-dbs: [shop]}}
`;
    expect(taskFromYaml(yaml).table_migrate_rule).toEqual([{ source: { source_name: "s", schema: "shop", table: "" } }]);
  });
});

describe("the gateway", () => {
  const asked: unknown[] = [];
  const service = new Proxy({} as MasterService, {
    get: (_target, method) => async (request: unknown) => {
      asked.push([method, request]);
      return { result: false, msg: "no" };
    },
  });
  const call = (method: string, path: string, body = "") =>
    answerGateway(service, method, new URL(`http://m/apis/v1alpha1${path}`), Buffer.from(body), new AbortController().signal);

  test("takes names from path, query and body, and enums as number or name", async () => {
    asked.length = 0;
    expect(await call("PUT", "/tasks/bench", '{"op":2,"sources":["s"]}')).toEqual({
      status: 200,
      text: '{\n  "op": "InvalidOp",\n  "result": false,\n  "msg": "no",\n  "sources": [\n  ]\n}',
    });
    await call("GET", "/members?leader=true&names=a&names=b");
    await call("PUT", "/sources", '{"op":"ShowSource"}');
    expect(asked).toMatchObject([
      ["OperateTask", { op: "Pause", name: "bench", sources: ["s"] }],
      ["ListMember", { leader: true, names: ["a", "b"] }],
      ["OperateSource", { op: "ShowSource" }],
    ]);
  });

  test.each([
    ["POST", "/tasks", "bad", 400, 3],
    ["PUT", "/leader/9", "", 400, 3],
    ["GET", "/nope", "", 501, 12],
    ["PATCH", "/tasks", "", 501, 12],
  ])("%s %s %s is %i", async (method, path, body, status, code) => {
    const answer = await call(method, path, body);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({ code, details: [] });
  });
});
