import { nodeWorld } from "@skein/base";
import { currentPosition, openConnection } from "@skein/mysql";
import { type DatabaseServer, startMariadb, startMysql } from "@skein/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SubtaskConfig } from "../config/subtask-config.ts";
import { loadCopyState } from "./copy-store.ts";
import { createCopyUnit } from "./copy-unit.ts";
import { endpoint, everyType, never, rowsOf, subtask, world } from "./testing/fixture.ts";

const settings = { "innodb-flush-log-at-trx-commit": "0", "sync-binlog": "0" };
const zeroDates = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00';";

async function copy(config: SubtaskConfig, options: Partial<Parameters<typeof createCopyUnit>[2]> = {}) {
  await using unit = createCopyUnit(world, config, { worker: "w1", ...options });
  await unit.run(never);
  return unit.status();
}

async function clean(...servers: DatabaseServer[]) {
  for (const server of servers)
    await server.sql("DROP DATABASE IF EXISTS dm_meta; DROP DATABASE IF EXISTS d; DROP DATABASE IF EXISTS `we``ird /日本 %`");
}

describe.each([
  ["MariaDB to MariaDB", startMariadb, startMariadb],
  ["MariaDB to MySQL", startMariadb, startMysql],
  ["MySQL to MariaDB", startMysql, startMariadb],
] as const)("a copy from %s", (_name, startSource, startTarget) => {
  let source: DatabaseServer;
  let target: DatabaseServer;
  beforeAll(async () => {
    [source, target] = await Promise.all([
      startSource(world, { settings: { ...settings, "log-bin": "mysql-bin" } }),
      startTarget(world, { settings: { ...settings, "local-infile": "1" } }),
    ]);
  });
  afterAll(() => Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()]));

  test.each([
    ["auto", 512 * 1024],
    ["auto", 1], // each row is a prepared statement
    ["load", 512 * 1024],
    ["insert", 512 * 1024],
  ] as const)("brings every type, exactly (writer %s, statements of %i bytes)", async (writer, statementBytes) => {
    await clean(source, target);
    await source.sql(`${zeroDates} CREATE DATABASE d CHARACTER SET utf8mb4; ${everyType}
      CREATE TABLE d.plain AS SELECT id, a, b, c, d, e, f, g, h, k, l, m, n, o, p, q, r, s, t, u, v, w, x, ucs, si FROM d.every_type;
      ALTER TABLE d.plain ADD PRIMARY KEY (id); CREATE TABLE d.raw AS SELECT id, i, j, t, u, v, z FROM d.every_type; ALTER TABLE d.raw ADD PRIMARY KEY (id);
      CREATE TABLE d.shapes (id INT PRIMARY KEY, geo GEOMETRY); INSERT INTO d.shapes SELECT id, geo FROM d.every_type;
      CREATE TABLE d.empty (a INT PRIMARY KEY); CREATE TABLE d.keyless (a INT, b TEXT);
      INSERT INTO d.keyless VALUES (1,'x'),(1,'x'),(NULL,NULL);
      CREATE TABLE d.names (\`a b\` VARCHAR(20), \`select\` INT, \`q\`\`q\` VARCHAR(9) COLLATE utf8mb4_bin, PRIMARY KEY (\`a b\`, \`select\`), UNIQUE KEY (\`q\`\`q\`));
      INSERT INTO d.names VALUES ('it''s',1,'a'),('it''s',2,'A'),('',1,NULL),('é',1,'b');
      CREATE DATABASE \`we\`\`ird /日本 %\`; CREATE TABLE \`we\`\`ird /日本 %\`.\`t.1\` (\`数\` DECIMAL(20,3) PRIMARY KEY); INSERT INTO \`we\`\`ird /日本 %\`.\`t.1\` VALUES (1.5),(-2)`);
    const status = await copy(subtask(source, target), { writer, statementBytes });
    for (const table of ["d.every_type", "d.plain", "d.raw", "d.shapes", "d.empty", "d.keyless", "d.names", "`we``ird /日本 %`.`t.1`"]) {
      expect(await rowsOf(target, table), table).toEqual(await rowsOf(source, table));
    }
    expect(await rowsOf(target, "d.every_type")).toHaveLength(6);
    expect(status).toMatchObject({ kind: "Load", load: { finishedRows: 4 * 6 + 3 + 4 + 2, totalRows: 33, movable: true } });
  });

  test("cuts tables of every kind of key into chunks, and each row is in one of them", async () => {
    await clean(source, target);
    const digits =
      "(SELECT 0 n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    const numbers = `(SELECT a.n + 10 * b.n + 100 * c.n AS n FROM ${digits} a, ${digits} b, ${digits} c)`;
    await source.sql("CREATE DATABASE d CHARACTER SET utf8mb4");
    await source.sql(
      `CREATE TABLE d.composite (a INT, b VARCHAR(20) CHARACTER SET latin1, c DATETIME, v INT, PRIMARY KEY (a, b, c));
      INSERT INTO d.composite SELECT n % 3, CONCAT('ü', n % 50), '2024-01-01' + INTERVAL n DAY, n FROM ${numbers} s;
      CREATE TABLE d.texts (k VARCHAR(40) PRIMARY KEY, v INT) COLLATE utf8mb4_unicode_ci; INSERT INTO d.texts SELECT LEFT(SHA2(n, 256), 32), n FROM ${numbers} s;
      CREATE TABLE d.decimals (k DECIMAL(20,5) NOT NULL, v INT, UNIQUE KEY (k)); INSERT INTO d.decimals SELECT n / 7 - 50, n FROM ${numbers} s;
      CREATE TABLE d.binaries (k BINARY(16) PRIMARY KEY, v INT); INSERT INTO d.binaries SELECT UNHEX(LEFT(SHA2(n, 256), 32)), n FROM ${numbers} s;
      CREATE TABLE d.enums (k ENUM('b','a'), n INT, PRIMARY KEY (k, n)); INSERT INTO d.enums SELECT 1 + n % 2, n FROM ${numbers} s;
      CREATE TABLE d.dense (id BIGINT PRIMARY KEY, v INT); INSERT INTO d.dense SELECT n - 500, n FROM ${numbers} s;
      CREATE TABLE d.gaps (id INT UNSIGNED PRIMARY KEY, v INT);
      INSERT INTO d.gaps SELECT IF(n < 300, n, IF(n < 400, n * 1000, IF(n < 700, n + 3000000000, 4294967295 - (1000 - n) * 50000))), n FROM ${numbers} s;
      CREATE TABLE d.mixed (n INT, k ENUM('b','a'), PRIMARY KEY (n, k)); INSERT INTO d.mixed SELECT n % 500, 1 + n DIV 500 FROM ${numbers} s`,
      { database: "d" },
    );
    await copy(subtask(source, target), { chunkBytes: 3000 });
    for (const table of ["composite", "texts", "decimals", "binaries", "enums", "mixed", "dense", "gaps"]) {
      expect(await rowsOf(target, `d.${table}`), table).toEqual(await rowsOf(source, `d.${table}`));
      const [count] = await target.sql(
        `SELECT COUNT(*) AS chunks, SUM(row_count) AS n FROM dm_meta.t_copy_chunk WHERE cp_table = '${table}'`,
      );
      expect(Number(count?.["n"]), table).toBe(1000);
      if (table !== "enums") expect(Number(count?.["chunks"]), table).toBeGreaterThan(3);
      if (table === "gaps") expect(Number(count?.["chunks"]), "a gap is not counted through").toBeLessThan(60);
    }
  });

  test("goes on from the last committed chunk at another worker, whatever moment the first one is cut off at", async () => {
    await clean(source, target);
    await source.sql(
      `CREATE DATABASE d; CREATE TABLE d.big (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(100)) CHARACTER SET utf8mb4; INSERT INTO d.big (v) VALUES ('x'),('y'),('z'),('w')`,
    );
    for (let round = 0; round < 13; round++) await source.sql("INSERT INTO d.big (v) SELECT SHA2(id, 256) FROM d.big", { database: "d" });
    const config = subtask(source, target);
    let aborted = 0;
    for (let round = 1; round <= 6; round++) {
      const cut = new AbortController();
      await using unit = createCopyUnit(world, config, { worker: `w${round}`, chunkBytes: 40_000 });
      const running = unit.run(cut.signal);
      const wanted = round * 4000;
      let done = false;
      const watcher = (async () => {
        for (;;) {
          const status = unit.status();
          if (status.kind === "Load" && status.load.finishedRows >= wanted) return cut.abort(new DOMException("cut", "AbortError"));
          await world.clock.sleep(1, never);
          if (done) return;
        }
      })();
      await running.then(
        () => {},
        () => aborted++,
      );
      done = true;
      await watcher;
    }
    expect(aborted).toBeGreaterThan(2);
    await copy(config);
    expect(await rowsOf(target, "d.big")).toEqual(await rowsOf(source, "d.big"));
    const [sum] = await target.sql("SELECT SUM(row_count) AS n FROM dm_meta.t_copy_chunk");
    expect(Number(sum?.["n"])).toBe(32768);
  });

  test("merges routed tables, adds their names, and says where replication begins", async () => {
    await clean(source, target);
    await source.sql(
      `CREATE DATABASE d CHARACTER SET utf8mb4; CREATE TABLE d.s_1 (id INT PRIMARY KEY, v INT); CREATE TABLE d.s_2 LIKE d.s_1; INSERT INTO d.s_1 VALUES (1,1),(2,2); INSERT INTO d.s_2 VALUES (3,3)`,
    );
    const config = subtask(source, target, {
      routes: [
        {
          schemaPattern: "d",
          tablePattern: "s_*",
          targetSchema: "d",
          targetTable: "merged",
          extractTable: { regexp: "s_(.*)", column: "part" },
          extractSchema: null,
          extractSource: null,
        },
      ],
    });
    await copy(config);
    expect(await target.sql("SELECT id, v, part FROM d.merged ORDER BY id")).toEqual([
      { id: "1", v: "1", part: "1" },
      { id: "2", v: "2", part: "1" },
      { id: "3", v: "3", part: "2" },
    ]);
    await using connection = await openConnection(world, endpoint(target), { mode: "bytes" });
    const state = await loadCopyState(connection, config, source.family);
    expect(state).toMatchObject({ isComplete: true, lowest: { file: expect.stringContaining("bin.0") } });
    expect(state?.table("d", "s_1")?.definition?.columns.map(({ name }) => name)).toEqual(["id", "v"]);
    expect(state?.table("d", "other")).toBeNull();
  });

  test("secondary indexes come at the end, also when the first worker was cut off before", async () => {
    await clean(source, target);
    await source.sql(`CREATE DATABASE d CHARACTER SET utf8mb4; CREATE TABLE d.i (id INT PRIMARY KEY, k INT, v VARCHAR(20), UNIQUE KEY u (v), KEY k (k), KEY kv (k, v(5)));
      INSERT INTO d.i VALUES (1,1,'a'),(2,1,'b'); CREATE TABLE d.counted (id INT AUTO_INCREMENT, k INT PRIMARY KEY, KEY (id), KEY k2 (k, id)); INSERT INTO d.counted VALUES (1,1)`);
    const config = subtask(source, target);
    await copy(config);
    const indexes =
      "SELECT TABLE_NAME t, INDEX_NAME i, COLUMN_NAME c FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'd' ORDER BY 1, 2, 3";
    const complete = await source.sql(indexes);
    expect(await target.sql(indexes)).toEqual(complete);
    // As a worker leaves it that ends between the last chunk and the indexes.
    await target.sql(
      "ALTER TABLE d.i DROP KEY k; UPDATE dm_meta.t_copy_table SET state = 'copying', high_file = NULL WHERE cp_table = 'i'",
    );
    await copy(config);
    expect(await target.sql(indexes)).toEqual(complete);
    expect(await rowsOf(target, "d.i")).toHaveLength(2);
  });

  test("many small tables do not wait for one another", async () => {
    await clean(source, target);
    await source.sql("CREATE DATABASE d");
    const names = Array.from({ length: 60 }, (_, index) => `t${index}`);
    await source.sql(names.map((name) => `CREATE TABLE d.${name} (id INT PRIMARY KEY); INSERT INTO d.${name} VALUES (1)`).join("; "));
    const startedMs = world.clock.monotonicMs();
    expect(await copy(subtask(source, target))).toMatchObject({ load: { finishedRows: 60 } });
    expect(world.clock.monotonicMs() - startedMs).toBeLessThan(30_000);
  });

  test("begins a table again when its structure changes under the copy", async () => {
    await clean(source, target);
    await source.sql(
      `CREATE DATABASE d; CREATE TABLE d.big (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(100)) CHARACTER SET utf8mb4; INSERT INTO d.big (v) VALUES ('x'),('y'),('z'),('w')`,
    );
    for (let round = 0; round < 11; round++) await source.sql("INSERT INTO d.big (v) SELECT SHA2(id, 256) FROM d.big", { database: "d" });
    await using unit = createCopyUnit(world, subtask(source, target), { worker: "w1", chunkBytes: 20_000 });
    const running = unit.run(never);
    for (;;) {
      const status = unit.status();
      if (status.kind === "Load" && status.load.finishedRows > 1000) break;
      await world.clock.sleep(1, never);
    }
    await source.sql("ALTER TABLE d.big ADD COLUMN more INT NOT NULL DEFAULT 7");
    await running;
    expect(await rowsOf(target, "d.big")).toEqual(await rowsOf(source, "d.big"));
  });

  test("a consistent snapshot when it is asked for", async () => {
    await clean(source, target);
    await source.sql(
      `CREATE DATABASE d; CREATE TABLE d.a (id INT PRIMARY KEY); INSERT INTO d.a VALUES (1),(2); CREATE TABLE d.b LIKE d.a; INSERT INTO d.b VALUES (3)`,
    );
    const config = subtask(source, target);
    await copy({ ...config, dumper: { ...config.dumper, extraArgs: "--consistency flush" } });
    expect(await rowsOf(target, "d.a")).toHaveLength(2);
    await using connection = await openConnection(world, endpoint(target), { mode: "bytes" });
    const state = await loadCopyState(connection, config, source.family);
    expect(state?.table("d", "a")?.low).toEqual(state?.table("d", "b")?.high);
  });

  test.each(["it is gone", "it is there again"])("a table without a key is dropped since its snapshot was taken, and %s", async (what) => {
    await clean(source, target);
    await source.sql("CREATE DATABASE d; CREATE TABLE d.keyless (a INT); INSERT INTO d.keyless VALUES (1)");
    const config = subtask(source, target);
    let end = 0;
    const dropping = nodeWorld({
      faults: {
        at: async (point) => {
          if (point !== "copy:snapshot" || end > 0) return;
          await source.sql("INSERT INTO d.keyless VALUES (2)");
          await using connection = await openConnection(world, endpoint(source), { mode: "bytes" });
          end = (await currentPosition(connection)).offset;
          await source.sql(
            `DROP TABLE d.keyless${what === "it is gone" ? "" : "; CREATE TABLE d.keyless (a INT); INSERT INTO d.keyless VALUES (3)"}`,
          );
        },
      },
    });
    await using unit = createCopyUnit(dropping, config, { worker: "w1" });
    if (what === "it is there again") {
      await expect(unit.run(never)).rejects.toMatchObject({ code: 32001 });
      await copy(config);
      expect(await rowsOf(target, "d.keyless")).toEqual(await rowsOf(source, "d.keyless"));
      return;
    }
    await unit.run(never);
    await using connection = await openConnection(world, endpoint(target), { mode: "bytes" });
    const state = await loadCopyState(connection, config, source.family);
    // What replication reads up to there is of no use: the target has no such table.
    expect(state?.table("d", "keyless")?.low.offset).toBeGreaterThanOrEqual(end);
    expect(state?.isComplete).toBe(true);
  });

  test("a table in the target that lacks a column is refused by name", async () => {
    await clean(source, target);
    await source.sql("CREATE DATABASE d; CREATE TABLE d.a (id INT PRIMARY KEY, v INT)");
    await target.sql("CREATE DATABASE d; CREATE TABLE d.a (id INT PRIMARY KEY)");
    await expect(copy(subtask(source, target))).rejects.toMatchObject({ code: 34019, rawCause: expect.stringContaining("no column v") });
  });
});
