import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { openConnection } from "@skein/mysql";
import { type DatabaseServer, startMariadb, startMysql } from "@skein/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SubtaskConfig } from "../config/subtask-config.ts";
import { loadCopyState } from "./copy-store.ts";
import { createDumpUnit } from "./dump-unit.ts";
import { createLoadUnit } from "./load-unit.ts";
import { endpoint, everyType, never, rowsOf, subtask, world } from "./testing/fixture.ts";

const settings = { "innodb-flush-log-at-trx-commit": "0", "sync-binlog": "0" };

describe.each([
  ["MariaDB to MySQL", startMariadb, startMysql],
  ["MySQL to MariaDB", startMysql, startMariadb],
] as const)("dump files from %s", (_name, startSource, startTarget) => {
  let source: DatabaseServer;
  let target: DatabaseServer;
  let folder: string;
  beforeAll(async () => {
    [source, target] = await Promise.all([startSource(world, { settings }), startTarget(world, { settings })]);
    folder = await mkdtemp("/tmp/skein-dump-");
    await source.sql(`SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'; CREATE DATABASE d CHARACTER SET utf8mb4; ${everyType}
      CREATE TABLE d.keyless (a INT, b TEXT); INSERT INTO d.keyless VALUES (1,'x;y'),(1,'x)'),(NULL,'(''"\`-- # /*');
      CREATE TABLE d.\`o/d.d %\` (id INT PRIMARY KEY, v VARCHAR(50)); CREATE TABLE d.empty (a INT PRIMARY KEY)`);
    const values = Array.from({ length: 3000 }, (_, index) => `(${index},'value ;( ${index}')`).join(",");
    await source.sql(`INSERT INTO d.\`o/d.d %\` VALUES ${values}`);
  });
  afterAll(async () => {
    await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose](), rm(folder, { recursive: true })]);
  });

  const config = (change: Partial<SubtaskConfig>, extraArgs = ""): SubtaskConfig => {
    const base = subtask(source, target);
    return {
      ...base,
      loader: { ...base.loader, dir: join(folder, "dump"), poolSize: 4 },
      dumper: { ...base.dumper, extraArgs: `-s 20000 ${extraArgs}`, rows: 1000 },
      ...change,
    };
  };

  test("have the documented layout, and bring every row when they are loaded", async () => {
    await using dump = createDumpUnit(world, config({ mode: "dump" }));
    await dump.run(never);
    expect(dump.status()).toMatchObject({ kind: "Dump", dump: { totalTables: 4, completedTables: 4, finishedRows: 3009 } });
    const files = await readdir(join(folder, "dump"));
    expect(files.sort()).toEqual(
      expect.arrayContaining([
        "d-schema-create.sql",
        "d.every_type-schema.sql",
        "d.every_type.0000000000000.sql",
        "d.o%2Fd%2Ed %25.0000000010000.sql",
        "metadata",
      ]),
    );
    expect(await readFile(join(folder, "dump", "metadata"), "utf8")).toMatch(
      /^Started dump at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\nSHOW MASTER STATUS:\n\tLog: \S+\n\tPos: \d+\n\tGTID:.*\n\nFinished dump at: /,
    );

    await using load = createLoadUnit(world, config({ mode: "load" }), { worker: "w1" });
    await load.run(never);
    for (const table of ["d.every_type", "d.keyless", "d.`o/d.d %`", "d.empty"]) {
      expect(await rowsOf(target, table), table).toEqual(await rowsOf(source, table));
    }
    await using connection = await openConnection(world, endpoint(target), { mode: "bytes" });
    const state = await loadCopyState(connection, config({}), source.family);
    expect(state).toMatchObject({ isComplete: true });
    expect(state?.table("d", "keyless")?.low).toEqual(state?.table("d", "keyless")?.high);
  });

  test("are loaded from the offset that was reached, not twice", async () => {
    await using first = createDumpUnit(world, config({ mode: "dump" }, "-T d.keyless"));
    await first.run(never);
    await target.sql("DROP DATABASE d; DROP DATABASE dm_meta");
    for (let run = 0; run < 2; run++) {
      await using load = createLoadUnit(world, config({ mode: "load" }), { worker: `w${run}` });
      await load.run(never);
    }
    expect(await rowsOf(target, "d.keyless")).toHaveLength(3);
  });

  test("a folder without a dump is an error that says so", async () => {
    const base = config({ mode: "load" });
    await using load = createLoadUnit(world, { ...base, loader: { ...base.loader, dir: join(folder, "none") } }, { worker: "w" });
    await expect(load.run(never)).rejects.toMatchObject({ code: 34019, rawCause: expect.stringContaining("doesn't exist") });
  });
});
