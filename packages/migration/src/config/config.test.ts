import { describe, expect, test } from "vitest";
import { launchMaster, launchWorker, sampleMasterToml, sampleSourceYaml, sampleWorkerToml } from "./process-config.ts";
import { parseSource, sourceToYaml } from "./source-yaml.ts";
import { makeSubtasks, parseTask, taskToYaml } from "./task-yaml.ts";

const sourceYaml = 'source-id: "src-1"\nfrom: {host: 127.0.0.1, port: 3306, user: root, password: 123}\n';
const sources = new Map([["src-1", parseSource(sourceYaml)]]);
const base = `
name: t1
task-mode: all
target-database: {host: 127.0.0.1, port: 4000, user: root, password: ""}
mysql-instances:
  - {source-id: src-1, block-allow-list: b1, route-rules: [r1], mydumper-thread: 8, loader-thread: 3, syncer-thread: 5}
block-allow-list: {b1: {do-dbs: ["shop*"]}}
routes: {r1: {schema-pattern: "shop*", table-pattern: "ord_*", target-schema: shop, target-table: ord}}
`;
const message = (run: () => unknown): string => {
  try {
    run();
    return "";
  } catch (error) {
    return (error as Error).message;
  }
};

describe("source.yaml", () => {
  test("fills defaults, and takes a password of digits", () => {
    const source = parseSource(sourceYaml);
    expect(source).toMatchObject({
      sourceId: "src-1",
      enable: true,
      enableGtid: false,
      flavor: "",
      serverId: 0,
      purge: { interval: 3600, remainSpace: 15 },
    });
    expect(source.checker).toMatchObject({ checkEnable: true, backoffRollbackMs: 300_000, checkIntervalMs: 5_000, backoffMinMs: 1_000 });
    expect(source.from.password.reveal()).toBe("123");
    expect(parseSource(sampleSourceYaml).sourceId).toBe("mysql-replica-01");
  });

  test.each([
    ["from: {host: a}", 40005, "non-empty source ID"],
    [`source-id: ${"x".repeat(33)}\nfrom: {host: a}`, 40006, "x".repeat(33)],
    ["source-id: a\nfrom: {host: a}\nfoo: 1", 20003, "foo: unknown key"],
    ["source-id: a\nfrom: {host: a, port: many}", 20003, 'from.port: "many"'],
    ["source-id: a\nfrom: {host: a}\nchecker: {backoff-max: 1s, backoff-min: 2s}", 20043, "1s"],
    ["source-id: a\nfrom: {host: a}\nrelay-binlog-name: x", 40007, "x"],
    ["source-id: a\nfrom: {host: a}\nfilters: [{sql-pattern: ['(a+)+$']}]", 20003, "filters[0]: a repetition"],
    ["source-id: [", 20003, "decode source config failed"],
    ["source-id: a\nfrom: {host: a}\nflavor: oracle", 20003, "oracle"],
  ])("%s is refused with %i", (yaml, code, part) => {
    const text = message(() => parseSource(yaml));
    expect(text).toContain(`[code=${code}:`);
    expect(text).toContain(part);
  });

  test("prints itself, with the password masked when asked", () => {
    const source = parseSource(sourceYaml);
    expect(sourceToYaml(source, { mask: true })).toContain("password: '******'");
    expect(parseSource(sourceToYaml(source))).toEqual(source);
  });
});

describe("task.yaml", () => {
  test("becomes one subtask a source, with defaults and the instance's thread counts", () => {
    const [subtask] = makeSubtasks(parseTask(base), sources);
    expect(subtask).toMatchObject({
      name: "t1",
      mode: "all",
      metaSchema: "dm_meta",
      onlineDdl: true,
      dumper: { threads: 8, chunkFilesizeBytes: 64 * 2 ** 20 },
      loader: { poolSize: 3, dir: "./dumped_data.t1", onDuplicateLogical: "replace" },
      syncer: { workerCount: 5, batch: 100, checkpointFlushIntervalMs: 30_000, safeModeDurationMs: 60_000 },
      routes: [{ schemaPattern: "shop*", tablePattern: "ord_*", targetSchema: "shop", targetTable: "ord" }],
      blockAllowList: { doDbs: ["shop*"] },
    });
    expect(Object.isFrozen(subtask)).toBe(true);
  });

  const edit = (from: string | RegExp, to: string) => base.replace(from, to);
  test.each([
    ["no name", edit("name: t1", ""), 20019],
    ["a name without room for its tables", edit("name: t1", `name: ${"x".repeat(47)}`), 20003],
    ["mode", edit("task-mode: all", "task-mode: some"), 20020],
    ["unknown key", `${base}foo: 1\n`, 20003],
    ["shard mode", `${base}shard-mode: foo\n`, 20033],
    ["is-sharding against shard-mode", `${base}is-sharding: false\nshard-mode: pessimistic\n`, 20003],
    ["checking item", `${base}ignore-checking-items: [zzz]\n`, 20001],
    ["timezone", `${base}timezone: SYSTEM\n`, 20008],
    ["timezone range", `${base}timezone: "+15:00"\n`, 20008],
    ["no target", edit(/target-database.*\n/, ""), 20021],
    ["no instances", base.replace(/mysql-instances:\n.*\n/, "mysql-instances: []\n"), 20013],
    ["route", edit("route-rules: [r1]", "route-rules: [r9]"), 20023],
    ["route twice", edit("route-rules: [r1]", "route-rules: [r1, r1]"), 20032],
    ["allow list", edit("block-allow-list: b1", "block-allow-list: b9"), 20026],
    ["unused route", edit(", route-rules: [r1]", ""), 20038],
    ["column mapping", `${base}column-mappings: {c: {}}\n`, 20064],
    ["online ddl rule", `${base}shadow-table-rules: ["^a$"]\n`, 20048],
    ["scheme", `${base}online-ddl-scheme: x\n`, 20007],
    ["collation", `${base}collation_compatible: x\n`, 20052],
    ["both mydumpers", edit("mydumper-thread: 8", "mydumper-config-name: d, mydumper: {threads: 2}"), 20015],
    ["chunk size", edit("mydumper-thread: 8", "mydumper: {chunk-filesize: 1x}"), 20047],
    ["import mode", edit("loader-thread: 3", "loader: {import-mode: magic}"), 20053],
    ["on duplicate", edit("loader-thread: 3", "loader: {on-duplicate: magic}"), 20054],
    ["safe mode", edit("syncer-thread: 5", "syncer: {safe-mode: true, safe-mode-duration: 0s}"), 20061],
    ["safe mode duration", edit("syncer-thread: 5", "syncer: {safe-mode-duration: soon}"), 20060],
    [
      "foreign keys",
      edit("syncer-thread: 5", "syncer: {compact: true}").replace('password: ""}', 'password: "", session: {foreign_key_checks: 1}}'),
      20070,
    ],
    ["strict optimistic", `${base}strict-optimistic-shard-mode: true\n`, 20066],
    [
      "expression kinds",
      edit("syncer-thread: 5", "expression-filters: [e]") +
        'expression-filter: {e: {schema: s, table: t, insert-value-expr: "a = 1", delete-value-expr: "a = 1"}}\n',
      20039,
    ],
    ["expression table", edit("syncer-thread: 5", "expression-filters: [e]") + "expression-filter: {e: {schema: s}}\n", 20042],
    [
      "expression grammar",
      `${edit("syncer-thread: 5", "expression-filters: [e]")}expression-filter: {e: {schema: s, table: t, insert-value-expr: "a >"}}\n`,
      20041,
    ],
    ["extra-args", edit("mydumper-thread: 8", "mydumper: {extra-args: '--consistency sometimes'}"), 20003],
    ["object store", edit("loader-thread: 3", "loader: {dir: 's3://bucket/x'}"), 38101],
    ["a pattern that may take for ever", edit('do-dbs: ["shop*"]', 'do-dbs: ["~(a+)+$"]'), 20003],
    ["validation", edit("syncer-thread: 5", "validator-config-name: v") + "validators: {v: {mode: full}}\n", 38101],
    [
      "incremental without a start",
      edit("task-mode: all", "task-mode: incremental").replace("syncer-thread: 5", 'meta: {binlog-name: ""}'),
      20011,
    ],
    ["two instances of one source", edit("mysql-instances:\n", "mysql-instances:\n  - {source-id: src-1}\n"), 20014],
  ])("%s is refused", (_name, yaml, code) => {
    expect(message(() => parseTask(yaml))).toContain(`[code=${code}:`);
  });

  const inTask = (field: string) => `Workaround: Please check the \`${field}\` config in task configuration file`;
  test.each([
    [edit("name: t1", ""), `must specify a unique task name, ${inTask("name")}.`],
    [
      edit("task-mode: all", "task-mode: x"),
      `please specify right task-mode, support \`full\`, \`incremental\`, \`all\`, \`dump\`, \`load\`, \`load&sync\`, ${inTask("task-mode")}.`,
    ],
    [base.replace(/mysql-instances:\n.*\n/, ""), `must specify at least one mysql-instances, ${inTask("mysql-instances")}.`],
    [
      edit("mysql-instances:\n", "mysql-instances:\n  - {source-id: src-1}\n"),
      `mysql-instance (0) and (1) have same source-id (src-1), ${inTask("mysql-instances")}.`,
    ],
    [edit("[r1]", "[r9]"), `mysql-instance(0)'s route-rules r9 not exist in routes, ${inTask("route-rules")}.`],
    [edit("list: b1", "list: b9"), `mysql-instance(0)'s list b9 not exist in block allow list, ${inTask("block-allow-list")}.`],
    [
      `${base}shard-mode: foo\n`,
      `shard mode foo not supported, ${inTask("shard-mode")}, which can be set to \`pessimistic\`/\`optimistic\`.`,
    ],
    [
      edit(", route-rules: [r1]", ""),
      "The configurations as following [r1] are set in global configuration but instances don't use them, Workaround: Please check the configuration files.",
    ],
    [`${base}timezone: SYSTEM\n`, `'SYSTEM' or 'Local' time_zone is not supported, ${inTask("timezone")}.`],
    [
      edit("task-mode: all", "task-mode: incremental").replace("syncer-thread: 5", "meta: {binlog-pos: 4}"),
      `mysql-instance: 0th: source src-1: must specify \`binlog-name\` without GTID enabled for the source or specify \`binlog-gtid\` with GTID enabled for the source, ${inTask("meta")}.`,
    ],
  ])("messages have the form that scripts know: %#", (yaml, text) => {
    expect(message(() => parseTask(yaml)).replace(/^\[code=[^\]]*\], Message: /, "")).toBe(text);
  });

  test("a source that is not known is 20031", () => {
    expect(message(() => makeSubtasks(parseTask(base), new Map()))).toContain("[code=20031:");
  });

  test("keys without values, deprecated keys and inline blocks are taken", () => {
    const task = parseTask(
      `${base.replace("mydumper-thread: 8", "mydumper: {threads: 2, extra-args: '--consistency none'}, meta: null")}is-sharding: null\nheartbeat-update-interval: 1\nenable-heartbeat: false\nansi-quotes: false\nremove-meta: true\n`,
    );
    expect(task.warnings).toHaveLength(1);
    expect(makeSubtasks(task, sources)[0]?.dumper).toMatchObject({ threads: 2, extraArgs: "--consistency none" });
  });

  test("printed from its subtasks it reads back the same", () => {
    const yaml = `${base.replace("syncer-thread: 5", "filter-rules: [f1], expression-filters: [expr-filter-01]")}filters: {f1: {schema-pattern: "shop*", events: [truncate table], action: Ignore}}\nexpression-filter: {expr-filter-01: {schema: s, table: t, insert-value-expr: "a = 1"}}\n`;
    const subtasks = makeSubtasks(parseTask(yaml), sources);
    const printed = taskToYaml(subtasks);
    expect(printed).toContain("route-01");
    expect(makeSubtasks(parseTask(printed), sources)).toEqual(subtasks);
    expect(taskToYaml(subtasks, { mask: true })).toContain("'******'");
  });

  test("a rule of the task wins over the source's on the same patterns", () => {
    const source = parseSource(
      `${sourceYaml}filters:\n  - {schema-pattern: a, events: [all], action: Ignore}\n  - {schema-pattern: b, events: [all], action: Ignore}\n`,
    );
    const yaml = `${base.replace("syncer-thread: 5", "filter-rules: [f1]")}filters: {f1: {schema-pattern: a, events: [insert], action: Do}}\n`;
    const [subtask] = makeSubtasks(parseTask(yaml), new Map([["src-1", source]]));
    expect(subtask?.filters.map(({ schemaPattern, action }) => [schemaPattern, action])).toEqual([
      ["a", "Do"],
      ["b", "Ignore"],
    ]);
  });
});

describe("dm-master and dm-worker", () => {
  const context = {
    hostname: "host",
    readFile: (path: string) => ({ "m.toml": sampleMasterToml, "w.toml": sampleWorkerToml, "bad.toml": "foo = 1" })[path] ?? "",
  };

  test("flags win over the file, in every Go form", () => {
    expect(launchMaster(["-config", "m.toml", "--name=m9", "-L", "debug", "-openapi"], context)).toMatchObject({
      kind: "run",
      config: { name: "m9", masterAddr: "127.0.0.1:8261", log: { level: "debug" }, openapi: true, rpcTimeoutMs: 30_000 },
    });
    expect(launchWorker(["--config=w.toml", "-keepalive-ttl", "5"], context)).toMatchObject({
      kind: "run",
      config: { name: "dm-worker-1", keepaliveTtlSeconds: 5, join: ["127.0.0.1:8261"] },
    });
  });

  test("a worker without a name takes its address", () => {
    expect(launchWorker(["--worker-addr", "10.0.0.5:8262", "--join", "http://a:8261,b:8261"], context)).toMatchObject({
      config: { name: "10.0.0.5:8262", join: ["a:8261", "b:8261"] },
    });
  });

  test.each([
    [["-foo"], "flag provided but not defined: -foo"],
    [["-config", "bad.toml"], "master config contained unknown configuration options: foo"],
    [["--master-addr", "127.0.0.1:1", "x"], "'x' is an invalid flag"],
    [["-openapi=maybe"], "invalid boolean value"],
  ])("%j is refused", (argv, text) => {
    expect(launchMaster(argv, context)).toMatchObject({ kind: "refuse", message: expect.stringContaining(text) as string });
  });

  test("addresses that nobody can reach are refused with their codes", () => {
    const refused = (text: string) => ({ kind: "refuse", message: expect.stringContaining(text) as string });
    expect(launchMaster(["--master-addr", "0.0.0.0:8261"], context)).toMatchObject(refused("[code=38035:"));
    expect(launchMaster(["--master-addr", "0.0.0.0:8261", "--advertise-addr", "0.0.0.0:1"], context)).toMatchObject(
      refused("[code=38042:"),
    );
    expect(launchWorker(["--worker-addr", "nonsense", "--join", "a:1"], context)).toMatchObject(refused("[code=40069:"));
    expect(launchMaster(["--master-addr", "127.0.0.1:1", "--join", "http://127.0.0.1:1"], context)).toMatchObject(
      refused("join self 127.0.0.1:1 is forbidden"),
    );
    expect(launchMaster(["--master-addr", "127.0.0.1:1", "--ssl-ca", "x"], context)).toMatchObject(refused("[code=38051:"));
  });

  test("print flags", () => {
    expect(launchMaster(["-V"], context)).toEqual({ kind: "print", what: "version" });
    expect(launchWorker(["--print-sample-config"], context)).toEqual({ kind: "print", what: "sample" });
  });
});
