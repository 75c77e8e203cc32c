import { nodeWorld, seededRandom, type World } from "@skein/base";
import { openConnection } from "@skein/mysql";
import { type DatabaseServer, startMariadb, startMysql } from "@skein/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SubtaskConfig } from "../config/subtask-config.ts";
import { plainStart, testSubtask } from "../testing/subtask.ts";
import { createSyncUnit, endpointOf, type SyncUnit } from "./sync-unit.ts";
import { RandomWorkload } from "./testing/workload.ts";

const world = nodeWorld();
const never = new AbortController().signal;

interface Running {
  readonly unit: SyncUnit;
  readonly ended: Promise<{ readonly error: unknown }>;
  readonly kill: () => Promise<void>;
}

function start(config: SubtaskConfig, worker = "w1", inWorld: World = world): Running {
  const killer = new AbortController();
  const unit = createSyncUnit({ world: inWorld, config, start: plainStart, worker, signal: never, copy: null });
  const ended = unit.run(killer.signal).then(
    () => ({ error: null }),
    (error: unknown) => ({ error }),
  );
  return {
    unit,
    ended,
    kill: async () => {
      killer.abort(new DOMException("killed", "AbortError"));
      await ended;
    },
  };
}

function hasStarted({ unit }: Running): boolean {
  const status = unit.status();
  return status.kind === "Sync" && status.sync.flushedBinlog !== "";
}

/** Waits until what the source has now is applied. */
async function synced(running: Running, config: SubtaskConfig): Promise<void> {
  // A task without a checkpoint starts where the source is, so the mark must come later.
  while (!hasStarted(running))
    await Promise.race([world.clock.sleep(10), running.ended.then(({ error }) => Promise.reject(error as Error))]);
  await using source = await openConnection(world, endpointOf(config.from), { mode: "text" });
  await source.execute("CREATE DATABASE IF NOT EXISTS skein_mark");
  await source.execute("CREATE TABLE IF NOT EXISTS skein_mark.mark (id INT PRIMARY KEY, n BIGINT)");
  const mark = String(world.clock.nowMs());
  await source.execute(`REPLACE INTO skein_mark.mark VALUES (1, ${mark})`);
  await using target = await openConnection(world, endpointOf(config.to), { mode: "text" });
  let failure: unknown = null;
  void running.ended.then(({ error }) => {
    failure = error ?? new Error("the unit has ended");
  });
  for (let tries = 0; tries < 1500; tries++) {
    if (failure !== null) throw failure;
    const { rows } = await target.query("SELECT n FROM skein_mark.mark").catch(() => ({ rows: [] }));
    if (rows[0]?.[0] === mark) return;
    await world.clock.sleep(20);
  }
  throw new Error(`not synced: ${JSON.stringify(running.unit.status())}`);
}

async function contents(server: DatabaseServer, table: string): Promise<string[]> {
  const rows = await server.sql(`SELECT * FROM ${table}`);
  return rows.map((row) => JSON.stringify(row)).sort();
}

async function expectEqual(source: DatabaseServer, target: DatabaseServer, schema: string): Promise<number> {
  const query = `SELECT TABLE_NAME name FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${schema}' ORDER BY 1`;
  const names = (await source.sql(query)).map((row) => row["name"] ?? row["NAME"]);
  expect((await target.sql(query)).map((row) => row["name"] ?? row["NAME"])).toEqual(names);
  let rows = 0;
  for (const name of names) {
    const table = `\`${schema}\`.\`${name}\``;
    const expected = await contents(source, table);
    expect(await contents(target, table), table).toEqual(expected);
    rows += expected.length;
  }
  return rows;
}

describe.each([
  ["MariaDB to MariaDB", startMariadb, startMariadb],
  ["MySQL to MariaDB", startMysql, startMariadb],
  ["MariaDB to MySQL", startMariadb, startMysql],
] as const)("%s", (_name, startSource, startTarget) => {
  let source: DatabaseServer;
  let target: DatabaseServer;
  beforeAll(async () => {
    [source, target] = await Promise.all([startSource(world, { gtid: true }), startTarget(world)]);
  });
  afterAll(async () => {
    await source[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
  });

  test("rows of all types, key changes, NULLs and DDL in between arrive as they are", async () => {
    const config = testSubtask(source, target, { name: "types" });
    const running = start(config);
    try {
      await synced(running, config);
      await source.sql(`
        CREATE DATABASE a CHARACTER SET utf8mb4;
        CREATE TABLE a.t (
          id BIGINT UNSIGNED NOT NULL PRIMARY KEY, i8 TINYINT, u24 MEDIUMINT UNSIGNED, d DECIMAL(30,10), f FLOAT, g DOUBLE, b BIT(9),
          dt DATETIME(6), ts TIMESTAMP(3) NULL, da DATE, ti TIME(2), y YEAR, c CHAR(10), v VARCHAR(200), l VARCHAR(50) CHARACTER SET latin1,
          bi BINARY(8), vb VARBINARY(50), tx TEXT, bl BLOB, e ENUM('ä','b''c','d'), s SET('x','y','ü'), j JSON, gen INT AS (i8 + 1) STORED
        );
        INSERT INTO a.t (id, i8, u24, d, f, g, b, dt, ts, da, ti, y, c, v, l, bi, vb, tx, bl, e, s, j) VALUES
          (18446744073709551615, -128, 16777215, -12345678901234567890.0123456789, 1.1, 2.2250738585072014e-308, b'101010101',
           '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999', '1000-01-01', '-838:59:59', 2155, 'Ä ', 'emoji 😀''\\\\"', 'Straße',
           x'00ff00', x'2700', 'a\\0b', x'ff00fe', 'b''c', 'x,ü', '{"k": [1, 2.5, "ß"], "n": null}'),
          (0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
          (1, 1, 1, 1, 3.4e38, -1.5e300, 0, '2024-02-29 00:00:00', '2024-02-29 01:02:03.5', '2024-02-29', '00:00:00.01', 0, '', '', '', '', '', '', '', 'd', '', '[]');
        UPDATE a.t SET id = 7, v = 'changed', f = -0.25, j = '{"a": 1}' WHERE id = 1;
        ALTER TABLE a.t ADD COLUMN extra INT NOT NULL DEFAULT 5 AFTER id, DROP COLUMN bl;
        UPDATE a.t SET extra = 6, tx = NULL WHERE id = 7;
        DELETE FROM a.t WHERE id = 0;
        CREATE TABLE a.u (a INT PRIMARY KEY, b VARCHAR(20) UNIQUE, c INT, UNIQUE KEY c (c));
        INSERT INTO a.u VALUES (1, 'one', 1), (2, 'two', 2), (3, NULL, NULL);
        START TRANSACTION; UPDATE a.u SET b = 'tmp', c = 9 WHERE a = 1; UPDATE a.u SET b = 'one', c = 1 WHERE a = 2; UPDATE a.u SET b = 'two', c = 2 WHERE a = 1; COMMIT;
        UPDATE a.u SET a = a + 10 ORDER BY a DESC;
        CREATE TABLE a.nokey (a INT, b FLOAT, c VARCHAR(10));
        INSERT INTO a.nokey VALUES (1, 1.1, 'x'), (1, 1.1, 'x'), (NULL, NULL, NULL), (2, 0.3, 'y');
        DELETE FROM a.nokey WHERE a = 1 LIMIT 1; UPDATE a.nokey SET c = 'z' WHERE a IS NULL OR a = 2;
        START TRANSACTION; INSERT INTO a.u VALUES (100, 'gone', 100); SAVEPOINT s; INSERT INTO a.u VALUES (101, 'x', 101); ROLLBACK TO s; COMMIT;
        START TRANSACTION; INSERT INTO a.u VALUES (102, 'never', 102); ROLLBACK;
        CREATE TABLE a.renamed LIKE a.u; RENAME TABLE a.renamed TO a.r2; INSERT INTO a.r2 SELECT * FROM a.u;
        CREATE TABLE a.ci (k VARCHAR(20) PRIMARY KEY, n INT); INSERT INTO a.ci VALUES ('abc', 1), ('straße', 2); UPDATE a.ci SET k = 'ABC' WHERE k = 'abc';
        CREATE INDEX c2 ON a.ci (n); TRUNCATE a.r2; INSERT INTO a.r2 VALUES (5, 'five', 5)`);
      await synced(running, config);
      expect(await expectEqual(source, target, "a")).toBe(12);
      await running.unit.stop(10_000);
      expect((await running.ended).error).toBeNull();
      const [global] = await target.sql("SELECT * FROM dm_meta.types_syncer_checkpoint WHERE is_global = 1");
      expect(global?.["exit_safe_binlog_name"]).toBe("");
    } finally {
      await running.kill();
    }
  });

  test("lag is 0 soon after the last change, without waiting for the source's next sign of life, and not before", async () => {
    const config = testSubtask(source, target, { name: "idle" });
    const running = start(config);
    const sync = () => {
      const status = running.unit.status();
      return status.kind === "Sync" ? status.sync : null;
    };
    try {
      for (let round = 0; round < 3; round++) {
        await synced(running, config);
        const appliedMs = world.clock.monotonicMs();
        while (sync()?.synced !== true) {
          expect(world.clock.monotonicMs() - appliedMs).toBeLessThan(4000);
          await world.clock.sleep(10);
        }
        expect(sync()).toMatchObject({ lagMs: 0, secondsBehindMaster: 0 });
        expect(sync()?.syncerBinlog).toBe(sync()?.masterBinlog);
      }
    } finally {
      await running.kill();
    }
    expect(sync()?.synced).toBe(false);
  });

  test("types that one family has alone, and keys of odd types", async () => {
    const config = testSubtask(source, target, { name: "own", sourceId: "src-9", serverId: 4848 });
    const running = start(config);
    try {
      await synced(running, config);
      const isSame = source.family === target.family;
      await source.sql(`CREATE DATABASE y; CREATE TABLE y.geo (id INT PRIMARY KEY, p POINT NOT NULL, g GEOMETRY);
        INSERT INTO y.geo VALUES (1, POINT(1.5, -2), ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))')), (2, POINT(0, 0), NULL); UPDATE y.geo SET p = POINT(7, 8) WHERE id = 2;
        CREATE TABLE y.odd (d DATETIME(3), n DECIMAL(20,5), b VARBINARY(9), v INT, PRIMARY KEY (d, n, b)); INSERT INTO y.odd VALUES ('2024-01-02 03:04:05.678', -1.5, x'00ff27', 1), ('2024-01-02 03:04:05.678', -1.5, x'00ff28', 2);
        UPDATE y.odd SET v = 5 WHERE b = x'00ff27'; DELETE FROM y.odd WHERE b = x'00ff28';
        CREATE TABLE y.bits (b BIT(64) PRIMARY KEY, e ENUM('é','z') CHARACTER SET latin1 NOT NULL, UNIQUE KEY e (e)); INSERT INTO y.bits VALUES (b'1111111111111111111111111111111111111111111111111111111111111111', 'é'), (1, 'z'); DELETE FROM y.bits WHERE b = 1`);
      if (isSame && source.family === "mariadb") {
        await source.sql(`CREATE TABLE y.net (u UUID PRIMARY KEY, a INET6, b INET4); INSERT INTO y.net VALUES (UUID(), '::1', '10.0.0.1'), ('123e4567-e89b-12d3-a456-426655440000', 'fe80::2', NULL), ('f47ac10b-58cc-4372-a567-0e02b2c3d479', NULL, NULL);
          UPDATE y.net SET b = '1.2.3.4' WHERE u = '123e4567-e89b-12d3-a456-426655440000'; DELETE FROM y.net WHERE u = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'`);
      }
      await synced(running, config);
      expect(await expectEqual(source, target, "y")).toBeGreaterThan(3);
    } finally {
      await running.kill();
    }
  });

  test("what foreign keys carry on inside the source's engine happens in the target, too", async () => {
    const config = testSubtask(source, target, { name: "fk", sourceId: "src-8", serverId: 4849 });
    let running = start(config);
    try {
      await synced(running, config);
      await source.sql(`CREATE DATABASE fk; CREATE TABLE fk.p (id INT PRIMARY KEY, v INT);
        CREATE TABLE fk.c (id INT PRIMARY KEY, p INT, v INT, FOREIGN KEY (p) REFERENCES fk.p (id) ON DELETE CASCADE ON UPDATE CASCADE);
        CREATE TABLE fk.n (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES fk.p (id) ON DELETE SET NULL ON UPDATE SET NULL);
        CREATE TABLE fk.r (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES fk.c (id))`);
      for (let round = 0; round < 3; round++) {
        const at = round * 100;
        await source.sql(`START TRANSACTION; INSERT INTO fk.p VALUES (${at + 1}, 1), (${at + 2}, 2), (${at + 3}, 3);
          INSERT INTO fk.c VALUES (${at + 1}, ${at + 1}, 0), (${at + 2}, ${at + 1}, 0), (${at + 3}, ${at + 2}, 0), (${at + 4}, ${at + 3}, 0);
          INSERT INTO fk.n VALUES (${at + 1}, ${at + 1}), (${at + 2}, ${at + 2}); INSERT INTO fk.r VALUES (${at + 1}, ${at + 4}); COMMIT;
          DELETE FROM fk.p WHERE id = ${at + 1}; UPDATE fk.p SET id = ${at + 50} WHERE id = ${at + 2}; UPDATE fk.c SET v = 9 WHERE id = ${at + 3}; UPDATE fk.p SET v = 8`);
        await running.kill();
        running = start(config);
      }
      await synced(running, config);
      expect(await expectEqual(source, target, "fk")).toBe(6 + 6 + 6 + 3);
    } finally {
      await running.kill();
    }
  });

  test("S15: a table without a key is exact after kills in the middle of a transaction that is larger than a batch", async () => {
    const config = testSubtask(source, target, { name: "places", sourceId: "src-9", serverId: 4290 });
    /** Dies when it begins to apply its `count`th batch. */
    const dying = (count: number): World => {
      let batches = 0;
      const at = async (point: string) => {
        if (point === "sync:batch" && ++batches > count) throw new Error("died here");
      };
      return { ...world, faults: { at } };
    };
    let running = start(config, "w0");
    try {
      await synced(running, config);
      await source.sql(`CREATE DATABASE pl; CREATE TABLE pl.k (n INT, v VARCHAR(10)); CREATE TABLE pl.t (id INT PRIMARY KEY, v INT);
        CREATE TABLE pl.n (n INT PRIMARY KEY); INSERT INTO pl.n VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)`);
      await synced(running, config);
      await running.kill();
      await source.sql(`INSERT INTO pl.k VALUES (1, 'a'), (1, 'a'), (2, 'b'); START TRANSACTION; DELETE FROM pl.k LIMIT 1;
        INSERT INTO pl.t SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n, 0 FROM pl.n a, pl.n b, pl.n c, pl.n d, pl.n e WHERE e.n < 4;
        INSERT INTO pl.k VALUES (3, 'c'), (3, 'c'); UPDATE pl.t SET v = v + 1; UPDATE pl.k SET n = n + 10 LIMIT 3; COMMIT; INSERT INTO pl.k VALUES (4, 'd')`);
      // Each run gets one batch further than the one before, and all begin at the same checkpoint.
      let deaths = 0;
      for (let isDone = false, count = 1; !isDone; count++) {
        running = start(config, `w${count}`, dying(count));
        isDone = await Promise.race([running.ended.then(() => false), synced(running, config).then(() => true)]).catch(() => false);
        if (!isDone) deaths++;
        await running.kill();
      }
      expect(deaths).toBeGreaterThan(3);
      running = start(config, "last");
      await synced(running, config);
      expect(await expectEqual(source, target, "pl")).toBeGreaterThan(40_000);
    } finally {
      await running.kill();
    }
  });

  test("a random workload with kills and a large transaction ends equal, whoever goes on", async () => {
    const seed = 1000 + Math.floor(world.random.float() * 1_000_000);
    const config = testSubtask(source, target, { name: "storm", sourceId: "src-2", serverId: 4343 });
    const workload = new RandomWorkload(seededRandom(seed), "w");
    let running = start(config);
    try {
      await synced(running, config);
      await source.sql(workload.setUp());
      for (let round = 0; round < 6; round++) {
        for (let part = 0; part < 4; part++) await source.sql(workload.next(40));
        if (round === 3) await source.sql("INSERT INTO w.big SELECT seq, REPEAT('x', 50), seq % 97 FROM w.seq; UPDATE w.big SET v = v + 1");
        // Killed in the middle of whatever it is doing; the next one is another worker.
        await running.kill();
        await source.sql(workload.next(20));
        running = start(config, `w${round}`);
      }
      await synced(running, config);
      expect(await expectEqual(source, target, "w"), `seed ${seed}`).toBeGreaterThan(0);
    } finally {
      await running.kill();
    }
  });
});

describe("one target", () => {
  let source: DatabaseServer;
  let target: DatabaseServer;
  beforeAll(async () => {
    [source, target] = await Promise.all([startMariadb(world, { gtid: true }), startMariadb(world)]);
  });
  afterAll(async () => {
    await source[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
  });

  test("a worker that was replaced stops with 36101 and writes nothing more", async () => {
    const config = testSubtask(source, target, { name: "fence" });
    const old = start(config, "old");
    await synced(old, config);
    const fresh = start({ ...config, serverId: 4244 }, "fresh");
    try {
      await synced(fresh, config);
      expect((await old.ended).error).toMatchObject({ code: 36101 });
    } finally {
      await old.kill();
      await fresh.kill();
    }
  });

  test("skip, replace and inject at the place of a DDL that the target refuses", async () => {
    const config = testSubtask(source, target, { name: "ops", sourceId: "src-3", serverId: 4245 });
    let running = start(config);
    try {
      await synced(running, config);
      await source.sql("CREATE DATABASE o; CREATE TABLE o.t (a INT PRIMARY KEY)");
      await synced(running, config);
      await target.sql("INSERT INTO o.t VALUES (1), (2)");
      await source.sql("ALTER TABLE o.t ADD COLUMN b INT, ADD UNIQUE KEY b (b); ALTER TABLE o.t MODIFY b INT NOT NULL");
      await target.sql("DELETE FROM o.t");
      await synced(running, config);
      await target.sql("DROP TABLE o.t");
      await source.sql("ALTER TABLE o.t ADD COLUMN c INT");
      const { error } = await running.ended;
      expect(error).toMatchObject({ code: 10006, message: expect.stringMatching(/startLocation: .*ADD COLUMN c INT.*Error 1146/s) });
      await expect(running.unit.handleError({ op: "Replace", binlogPos: "", sqls: ["ALTER TABLE t ADD x INT"] })).rejects.toMatchObject({
        code: 36024,
      });
      await running.unit.handleError({
        op: "Inject",
        binlogPos: "",
        sqls: ["CREATE TABLE o.t (a INT PRIMARY KEY, b INT NOT NULL, UNIQUE KEY b (b))"],
      });
      expect(JSON.parse(await running.unit.handleError({ op: "List", binlogPos: "", sqls: [] }))).toMatchObject([{ op: 4 }]);
      running = start(config);
      await source.sql("INSERT INTO o.t VALUES (5, 6, 7)");
      await synced(running, config);
      await expectEqual(source, target, "o");
      await running.unit.stop(1000);
      const text = await running.unit.operateSchema({
        op: "GetSchema",
        database: "o",
        table: "t",
        schema: "",
        fromSource: false,
        fromTarget: false,
      });
      expect(text).toMatch(/^CREATE TABLE `t` \(/);
    } finally {
      await running.kill();
    }
  });

  test("gh-ost's and pt's tables are left out, and what they did happens to the real table", async () => {
    const config = testSubtask(source, target, { name: "online", sourceId: "src-4", serverId: 4246 });
    const running = start(config);
    try {
      await synced(running, config);
      await source.sql(`CREATE DATABASE g; CREATE TABLE g.t (a INT PRIMARY KEY, b INT); INSERT INTO g.t VALUES (1, 1);
        CREATE TABLE g._t_gho LIKE g.t; ALTER TABLE g._t_gho ADD COLUMN c INT DEFAULT 3; INSERT INTO g._t_gho (a, b) SELECT * FROM g.t;
        UPDATE g.t SET b = 2; UPDATE g._t_gho SET b = 2; RENAME TABLE g.t TO g._t_del, g._t_gho TO g.t; INSERT INTO g.t VALUES (2, 2, 2); DROP TABLE g._t_del`);
      await synced(running, config);
      expect(await contents(target, "g.t")).toEqual(await contents(source, "g.t"));
      expect(await target.sql("SHOW TABLES FROM g")).toHaveLength(1);
    } finally {
      await running.kill();
    }
  });

  test("a start time: events before it are left out, one after the last event is refused with 20057", async () => {
    const config = testSubtask(source, target, { name: "time", sourceId: "src-6", serverId: 4250 });
    const filtered = { ...config, blockAllowList: { ...config.blockAllowList, doDbs: ["st"] } };
    await target.sql("CREATE DATABASE st; CREATE TABLE st.t (a INT PRIMARY KEY)");
    await source.sql("SET sql_log_bin = 0; CREATE DATABASE st; CREATE TABLE st.t (a INT PRIMARY KEY)");
    const [clock] = await source.sql("SELECT UNIX_TIMESTAMP() AS s");
    const now = Number(clock?.["s"]);
    const at = (seconds: number) => new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
    await source.sql(`FLUSH LOGS; SET TIMESTAMP = ${now + 1000}; INSERT INTO st.t VALUES (1); FLUSH LOGS; SET TIMESTAMP = ${now + 2000};
      INSERT INTO st.t VALUES (2); SET TIMESTAMP = ${now + 3000}; INSERT INTO st.t VALUES (3); INSERT INTO st.t VALUES (4)`);
    const run = (startTime: string, flagsUsed = async () => {}) => {
      const killer = new AbortController();
      const unit = createSyncUnit({
        world,
        config: filtered,
        start: { ...plainStart, startTime },
        worker: "w",
        signal: killer.signal,
        copy: null,
        flagsUsed,
      });
      return { unit, ended: unit.run(killer.signal), killer };
    };
    await expect(run(at(now + 4000)).ended).rejects.toMatchObject({ code: 20057 });
    const { unit, ended } = run(at(now + 2500));
    while ((await target.sql("SELECT a FROM st.t WHERE a = 4")).length === 0) await Promise.race([world.clock.sleep(20), ended]);
    await unit.stop(5000);
    await ended;
    expect(await contents(target, "st.t")).toEqual(['{"a":"3"}', '{"a":"4"}']);

    // It also wins over the checkpoint that is there by now, says so once, and meets rows again that are there already.
    const checkpoint = () => target.sql("SELECT binlog_name, binlog_pos FROM dm_meta.time_syncer_checkpoint WHERE is_global = 1");
    const before = await checkpoint();
    await expect(run(at(now + 4000)).ended).rejects.toMatchObject({ code: 20057 });
    expect(await checkpoint(), "a start time that fails leaves the checkpoint").toEqual(before);
    let used = 0;
    const again = run(at(now + 1500), async () => {
      used++;
    });
    while ((await target.sql("SELECT a FROM st.t WHERE a = 2")).length === 0) await Promise.race([world.clock.sleep(20), again.ended]);
    await again.unit.stop(5000);
    await again.ended;
    expect(used).toBe(1);
    expect(await contents(target, "st.t")).toEqual(['{"a":"2"}', '{"a":"3"}', '{"a":"4"}']);
  });

  test("routes, filters and extracted columns", async () => {
    const config = testSubtask(source, target, {
      name: "routes",
      sourceId: "src-5",
      serverId: 4247,
      enableGtid: true,
      routes: [
        {
          schemaPattern: "sh_*",
          tablePattern: "t_*",
          targetSchema: "sh",
          targetTable: "t",
          extractTable: { regexp: "t_(.*)", column: "part" },
          extractSchema: null,
          extractSource: null,
        },
      ],
      expressionFilters: [
        {
          name: "high",
          schema: "sh_1",
          table: "t_a",
          insertValueExpr: "v > 100",
          updateOldValueExpr: "",
          updateNewValueExpr: "",
          deleteValueExpr: "",
        },
      ],
      filters: [{ schemaPattern: "sh_*", tablePattern: "t_*", events: ["delete"], sqlPatterns: [], action: "Ignore" }],
    });
    await target.sql("CREATE DATABASE sh; CREATE TABLE sh.t (id INT, v INT, part VARCHAR(10), PRIMARY KEY (id, part))");
    await source.sql("CREATE DATABASE sh_1; CREATE TABLE sh_1.t_a (id INT PRIMARY KEY, v INT); CREATE TABLE sh_1.t_b LIKE sh_1.t_a");
    const running = start(config);
    try {
      await synced(running, config);
      await source.sql(
        "INSERT INTO sh_1.t_a VALUES (1, 1), (2, 2), (3, 101); INSERT INTO sh_1.t_b VALUES (1, 3); DELETE FROM sh_1.t_a WHERE id = 2; UPDATE sh_1.t_b SET v = 4",
      );
      await synced(running, config);
      expect(await target.sql("SELECT * FROM sh.t ORDER BY part, id")).toEqual([
        { id: "1", v: "1", part: "a" },
        { id: "2", v: "2", part: "a" },
        { id: "1", v: "4", part: "b" },
      ]);
    } finally {
      await running.kill();
    }
  });
});
