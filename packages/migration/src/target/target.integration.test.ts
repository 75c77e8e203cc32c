import { nodeWorld, Secret } from "@skein/base";
import { parseGtidSet } from "@skein/mysql";
import { type DatabaseServer, startMariadb, startMysql } from "@skein/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createCheckpointStore } from "./checkpoint-store.ts";
import { openTarget, removeMeta, type TargetConfig } from "./target.ts";

const world = nodeWorld();
const never = new AbortController().signal;

describe.each([
  ["MariaDB", startMariadb],
  ["MySQL", startMysql],
] as const)("the fence on %s", (_name, start) => {
  let server: DatabaseServer;
  let config: TargetConfig;
  beforeAll(async () => {
    server = await start(world);
    config = {
      endpoint: { host: server.host, port: server.port, user: server.user, password: new Secret(server.password) },
      task: "t",
      sourceId: "src-1",
      metaSchema: "dm_meta",
      connectionsMax: 4,
    };
    await server.sql("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY, b TEXT)");
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test("after a take-over the old owner writes nothing, also what it had begun", async () => {
    await using old = await openTarget(world, config, { role: "sync", worker: "w1", signal: never });
    expect(await old.takeOver()).toBe(1);
    await old.transaction(["INSERT INTO d.t VALUES (1, 'old')"]);
    let tries = 0;
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const frozen = old.transactionWith(async (connection) => {
      tries++;
      await connection.execute("INSERT INTO d.t VALUES (2, 'begun')");
      begun.resolve();
      await goOn.promise;
    });
    await begun.promise;

    await using fresh = await openTarget(world, config, { role: "sync", worker: "w2", signal: never });
    expect(await fresh.takeOver()).toBe(2);
    await fresh.transaction(["INSERT INTO d.t VALUES (3, 'new')"]);
    goOn.resolve();
    await expect(frozen).rejects.toMatchObject({ code: 36101, detail: expect.stringContaining("w2 (sync)") });
    await expect(old.transaction(["INSERT INTO d.t VALUES (4, 'old')"])).rejects.toMatchObject({ code: 36101 });
    await expect(old.ddl("CREATE TABLE d.stale (a INT)")).rejects.toMatchObject({ code: 36101 });
    expect(tries).toBe(1);
    expect(await server.sql("SELECT * FROM d.t ORDER BY a")).toEqual([
      { a: "1", b: "old" },
      { a: "3", b: "new" },
    ]);
    expect(await server.sql("SHOW TABLES FROM d")).toHaveLength(1);
  });

  test("who freezes while it takes over does not hold up the next one, nor takes the source back when it wakes", async () => {
    const held = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    let isFirst = true;
    const freezing = nodeWorld({
      faults: {
        at: async (point) => {
          if (point !== "target:take-over" || !isFirst) return;
          isFirst = false;
          held.resolve();
          await goOn.promise;
        },
      },
    });
    const own = { ...config, metaSchema: "frozen" };
    await using old = await openTarget(freezing, own, { role: "sync", worker: "w1", signal: never });
    const frozen = old.takeOver();
    await held.promise;
    await using fresh = await openTarget(world, own, { role: "sync", worker: "w2", signal: never });
    expect(await fresh.takeOver()).toBe(1);
    goOn.resolve();
    await expect(frozen).rejects.toMatchObject({ code: 36101, detail: expect.stringContaining("w2 (sync)") });
    await fresh.transaction(["INSERT INTO d.t VALUES (10, 'still mine')"]);
    await server.sql("DELETE FROM d.t WHERE a = 10; DROP DATABASE frozen");
  });

  test("a statement that is refused leaves nothing, and says which one; a lost connection is repeated", async () => {
    await using target = await openTarget(world, config, { role: "sync", worker: "w3", signal: never });
    await target.takeOver();
    await expect(target.transaction(["INSERT INTO d.t VALUES (10, 'x')", "INSERT INTO d.t VALUES (10, 'y')"])).rejects.toMatchObject({
      code: 10006,
      rawCause: expect.stringContaining("Error 1062 (23000): "),
    });
    expect(await server.sql("SELECT * FROM d.t WHERE a = 10")).toEqual([]);
    let tries = 0;
    await target.transactionWith(async (connection) => {
      await connection.execute("INSERT INTO d.t VALUES (11, 'x')");
      if (++tries === 1) await server.sql(`KILL ${connection.id}`);
      await connection.execute("INSERT INTO d.t VALUES (12, 'x')");
    });
    expect(tries).toBe(2);
    expect(target.retries.count).toBe(1);
    expect(await target.ddl("CREATE TABLE t2 (a INT)", { schema: "d", assignments: ["TIMESTAMP = 1700000000"] })).toBe(true);
    expect(await target.ddl("CREATE TABLE t2 (a INT)", { schema: "d" })).toBe(false);
  });

  test("the checkpoint of a source of the other family is refused with what to do", async () => {
    await using target = await openTarget(world, config, { role: "sync", worker: "w4", signal: never });
    await target.takeOver();
    const store = createCheckpointStore(target, "mariadb");
    await store.load(never);
    const position = { file: "mysql-bin.000001", offset: 4, gtidSet: parseGtidSet("0-1-7", "mariadb") };
    await target.transaction([store.globalStatement({ position, horizon: null })]);
    await expect(createCheckpointStore(target, "mysql").load(never)).rejects.toMatchObject({
      code: 24001,
      workaround: expect.stringContaining("--remove-meta"),
    });
  });

  test("removing a task's meta leaves nothing of it", async () => {
    await removeMeta(world, config.endpoint, { name: "t", metaSchema: "dm_meta" });
    expect(await server.sql("SHOW TABLES FROM dm_meta")).toEqual([]);
  });
});
