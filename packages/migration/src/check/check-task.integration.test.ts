import { nodeWorld, Secret } from "@skein/base";
import { type DatabaseServer, startMariadb, startMysql } from "@skein/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseSource } from "../config/source-yaml.ts";
import type { SubtaskConfig } from "../config/subtask-config.ts";
import { makeSubtasks, parseTask } from "../config/task-yaml.ts";
import { checkTask } from "./check-task.ts";

const world = nodeWorld();

describe.each([
  ["MariaDB", startMariadb],
  ["MySQL", startMysql],
] as const)("prechecks on %s", (name, start) => {
  let server: DatabaseServer;
  beforeAll(async () => {
    server = await start(world, { settings: { "log-bin": "mysql-bin", "binlog-ignore-db": "lost" } });
    await server.sql(`
      CREATE DATABASE shop; CREATE DATABASE shop_2; CREATE DATABASE lost; CREATE DATABASE target_db;
      CREATE TABLE shop.ord (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20));
      CREATE TABLE shop_2.ord (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20), w INT);
      CREATE TABLE shop.nopk (a INT);
      CREATE TABLE lost.t (id INT PRIMARY KEY);
      CREATE USER low IDENTIFIED BY 'low'; GRANT SELECT ON shop.ord TO low;
      CREATE USER repl IDENTIFIED BY 'repl'; GRANT SELECT, RELOAD, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO repl;
      CREATE ROLE readers; GRANT SELECT, RELOAD, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO readers;
      CREATE USER member IDENTIFIED BY 'member'; GRANT readers TO member;
      ${name === "MySQL" ? "SET DEFAULT ROLE readers TO member" : "SET DEFAULT ROLE readers FOR member"}`);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const subtask = (change: Partial<SubtaskConfig> = {}, from: { user?: string; password?: string } = {}): SubtaskConfig => {
    const source = parseSource(
      `source-id: s\nfrom: {host: 127.0.0.1, port: ${server.port}, user: ${from.user ?? server.user}, password: "${from.password ?? server.password}"}`,
    );
    const [made] = makeSubtasks(
      parseTask(
        `name: t\ntask-mode: all\ntarget-database: {host: 127.0.0.1, port: ${server.port}, user: ${server.user}, password: "${server.password}"}\nmysql-instances: [{source-id: s}]\n`,
      ),
      new Map([["s", source]]),
    );
    return { ...(made as SubtaskConfig), blockAllowList: only("shop"), ...change };
  };
  const only = (...schemas: string[]) => ({ doDbs: schemas, ignoreDbs: [], doTables: [], ignoreTables: [] });
  const route = (table: string, schema = "shop*") => ({
    schemaPattern: schema,
    tablePattern: table,
    targetSchema: "target_db",
    targetTable: "merged",
    extractTable: null,
    extractSchema: null,
    extractSource: null,
  });
  const problemsOf = async (...subtasks: SubtaskConfig[]) => {
    const { report } = await checkTask(world, subtasks);
    return report.results.map(
      (result) => `${result.state} ${result.name}: ${result.errors?.map((error) => error.short_error).join("; ") ?? ""}`,
    );
  };

  test("a good task passes, with what is worth knowing as warnings", async () => {
    const outcome = await checkTask(world, [subtask()]);
    expect(outcome.passed).toBe(true);
    expect(outcome.report.summary).toMatchObject({ passed: true, total: 13, failed: 0 });
    const isKnownVersion = server.version.startsWith("8.0"); // newer ones than the original knows are worth a word
    const structure = "table structure compatibility check";
    expect(outcome.report.results.map((result) => result.name)).toEqual([...(isKnownVersion ? [] : ["mysql_version"]), structure]);
    expect(outcome.report.results.at(-1)?.errors).toEqual([
      { severity: "warn", short_error: "table `shop`.`nopk` primary/unique key does not exist" },
    ]);
    expect(outcome.text).toContain("no errors but some warnings");
  });

  test("`all` ignored checks nothing; single items are left out", async () => {
    expect(await checkTask(world, [subtask({ ignoreCheckingItems: ["all"] })])).toMatchObject({ passed: true, text: "" });
    expect(await checkTask(world, [subtask({ ignoreCheckingItems: ["version", "table_schema"] })])).toMatchObject({
      text: "pre-check is passed. ",
      report: { summary: { total: 11 } },
    });
  });

  test("missing privileges are named", async () => {
    const found = await problemsOf(subtask({}, { user: "low", password: "low" }));
    expect(found).toContain(
      "fail source db replication privilege checker: lack of REPLICATION CLIENT global (*.*) privilege; lack of REPLICATION SLAVE global (*.*) privilege; ",
    );
    expect(
      found.some((line) =>
        line.startsWith("fail binlog_do_db/binlog_ignore_db check: Message: database driver error, RawCause: Error 1227"),
      ),
    ).toBe(true);
    const { text } = await checkTask(world, [subtask({}, { user: "low", password: "low" })]);
    expect(text).toMatch(/^\[code=26005:class=dm-master:scope=internal:level=medium\], Message: fail to check/);
  });

  test("an account with just what is needed passes, its privileges given to it or to its role", async () => {
    for (const user of ["repl", "member"]) {
      const outcome = await checkTask(world, [subtask({}, { user, password: user })]);
      expect([user, outcome.text.includes("privilege"), outcome.passed]).toEqual([user, false, true]);
    }
  });

  test("a snapshot under a lock needs RELOAD", async () => {
    const source = subtask({}, { user: "low", password: "low" });
    const asked = { ...source, blockAllowList: { ...only("shop"), doTables: [{ schema: "shop", table: "ord" }] } };
    const dump = (extraArgs: string) => ({ ...asked, dumper: { ...asked.dumper, extraArgs } });
    expect((await problemsOf(dump(""))).join("\n")).not.toContain("RELOAD");
    expect((await problemsOf(dump("--consistency flush"))).join("\n")).toContain("lack of RELOAD global (*.*) privilege; ");
    expect((await problemsOf(dump("--consistency lock"))).join("\n")).toContain("lack of LOCK TABLES privilege: {`shop`.*}; ");
  });

  test("schemas that the binlog leaves out fail", async () => {
    expect(await problemsOf(subtask({ blockAllowList: only("lost") }))).toContainEqual(
      expect.stringContaining("fail binlog_do_db/binlog_ignore_db check: the binlog leaves out these schemas of the task: lost"),
    );
  });

  test("a start position that the source does not have fails in the source's words", async () => {
    const at = (binlogName: string, binlogPos: number) =>
      subtask({ mode: "incremental", ignoreCheckingItems: ["version"], meta: { binlogName, binlogPos, binlogGtid: "" } });
    expect((await problemsOf(at("mysql-bin.999999", 4))).join("\n")).toMatch(
      /fail meta position check: ERROR 1236 \(HY000\): Could not find/i,
    );
    expect((await problemsOf(at("mysql-bin.000001", 99_999_999))).join("\n")).toMatch(/fail meta position check: ERROR 1236/);
    expect((await problemsOf(at("mysql-bin.000001", 4))).join("\n")).not.toContain("meta position");
  });

  test("a start time replaces the start position; one after the last event fails as 20057 does", async () => {
    const lost = { binlogName: "mysql-bin.999999", binlogPos: 4, binlogGtid: "" };
    const check = async (startTime: string, meta: typeof lost | null) =>
      (await checkTask(world, [subtask({ mode: "incremental", ignoreCheckingItems: ["version"], meta })], { startTime })).text;
    for (const meta of [lost, null]) {
      expect(await check("2001-02-03 04:05:06", meta)).not.toContain("meta position");
      expect(await check("2112-02-03 04:05:06", meta)).toContain("start-time 2112-02-03 04:05:06 is too late");
      expect(await check("2037-01-01T00:00:00+0800", meta)).toContain(
        "start-time 2037-01-01T00:00:00+0800 is too late, no binlog location matches it",
      );
    }
    expect(await check("", null)).not.toContain("meta position");
  });

  test("too many threads for the servers are told", async () => {
    const made = subtask();
    const found = await problemsOf({
      ...made,
      dumper: { ...made.dumper, threads: 100_000 },
      loader: { ...made.loader, poolSize: 200_000 },
    });
    expect(found).toContainEqual(expect.stringMatching(/^fail dumper_conn_number_checker: the dump needs 100002 connections/));
    expect(found).toContainEqual(expect.stringMatching(/^warn loader_conn_number_checker: the load needs 200001 connections/));
  });

  test("merged tables must be alike", async () => {
    const merged = (shardMode: "pessimistic" | "optimistic") =>
      problemsOf(subtask({ shardMode, blockAllowList: only("shop", "shop_2"), routes: [route("ord")] }));
    expect(await merged("pessimistic")).toContainEqual("fail sharding table consistency: column length mismatch (self: 2 vs other: 3)");
    expect(await merged("optimistic")).not.toContainEqual(expect.stringContaining("sharding table consistency"));
    expect(await merged("optimistic")).toContainEqual(expect.stringContaining("warn auto-increment conflict"));
  });

  test("extracted columns must be in the target", async () => {
    const rule = { ...route("ord", "shop"), extractSchema: { regexp: "(.*)", column: "origin" } };
    const found = () => problemsOf(subtask({ routes: [rule] }));
    expect((await found()).join("\n")).toContain("fail table structure compatibility check");
    await server.sql("CREATE TABLE target_db.merged (id INT, v VARCHAR(20), origin VARCHAR(20), PRIMARY KEY (id, origin))");
    expect((await found()).join("\n")).not.toContain("fail");
    await server.sql("DROP TABLE target_db.merged");
  });

  test("an online DDL that is under way fails", async () => {
    await server.sql("CREATE TABLE shop._ord_gho (id INT PRIMARY KEY)");
    expect(await problemsOf(subtask())).toContainEqual("fail online ddl checker: your ddl is in pt/ghost online-ddl: `shop`.`_ord_gho`");
    expect((await problemsOf(subtask({ onlineDdl: false }))).join("\n")).not.toContain("online");
    await server.sql("DROP TABLE shop._ord_gho");
  });

  test("names that differ by case only are 26001, unless case counts", async () => {
    await server.sql("CREATE TABLE shop.ORD (id INT PRIMARY KEY)");
    await expect(checkTask(world, [subtask()])).rejects.toMatchObject({ code: 26001 });
    expect((await checkTask(world, [subtask({ caseSensitive: true })])).passed).toBe(true);
    await server.sql("DROP TABLE shop.ORD");
  });

  test("servers that cannot be asked are 10001, with their side", async () => {
    await expect(checkTask(world, [subtask({}, { password: "wrong" })])).rejects.toMatchObject({ code: 10001, scope: "upstream" });
    const made = subtask();
    await expect(checkTask(world, [{ ...made, to: { ...made.to, password: new Secret("wrong") } }])).rejects.toMatchObject({
      code: 10001,
      scope: "downstream",
      rawCause: expect.stringContaining("Error 1045 (28000)") as string,
    });
  });
});
