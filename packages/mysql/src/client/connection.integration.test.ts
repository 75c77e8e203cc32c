import { Secret } from "@skein/base";
import { type DatabaseServer, startMysql } from "@skein/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPool, type MysqlEndpoint, MysqlServerError, openConnection, quoteByteString, quoteText } from "../index.ts";
import { endpointOf, families, world } from "../testing/servers.ts";

describe.each(families)("connections to %s", (family, start) => {
  let server: DatabaseServer;
  let endpoint: MysqlEndpoint;

  beforeAll(async () => {
    server = await start({ settings: { "local-infile": "1", "max-allowed-packet": "256M" } });
    endpoint = endpointOf(server);
    await server.sql("CREATE DATABASE d CHARACTER SET utf8mb4");
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  test("tell what they are connected to, with the session as asked for", async () => {
    await using connection = await openConnection(
      world,
      { ...endpoint, session: { sql_mode: "ANSI_QUOTES,NO_BACKSLASH_ESCAPES", auto_increment_increment: "7" } },
      { mode: "text" },
    );
    expect(connection.flavor).toBe(family);
    expect(connection.serverVersion).toBe(server.version);
    expect(connection.isTiDB).toBe(false);
    // Backslashes must escape: quoting relies on it.
    expect((await connection.query("SELECT @@sql_mode, @@auto_increment_increment, CONNECTION_ID()")).rows).toEqual([
      ["ANSI_QUOTES", "7", `${connection.id}`],
    ]);
    await connection.ping();
  });

  test("text goes and comes as text, every value as the server prints it", async () => {
    await using connection = await openConnection(world, endpoint, { mode: "text" });
    const odd = "é😀 it's \\ \n \0 \x1a \"`";
    const { columns, rows } = await connection.query(
      `SELECT ${quoteText(odd)} AS t, NULL AS n, 18446744073709551615 AS u, 1.50 AS d, TIMESTAMP '2024-01-02 03:04:05.000600' AS s`,
    );
    expect(rows).toEqual([[odd, null, "18446744073709551615", "1.50", "2024-01-02 03:04:05.000600"]]);
    expect(columns.map(({ name }) => name)).toEqual(["t", "n", "u", "d", "s"]);
    expect(await connection.queryObjects("SELECT 1 AS a, 2 AS b")).toEqual([{ a: "1", b: "2" }]);
    expect((await connection.query("DO 1")).rows).toEqual([]);
  });

  test("bytes go and come unchanged in every charset", async () => {
    await using connection = await openConnection(world, endpoint, { mode: "bytes" });
    await connection.execute(
      "CREATE TABLE d.bytes (u VARCHAR(20) CHARACTER SET utf8mb4, g VARCHAR(20) CHARACTER SET gbk, l VARCHAR(20) CHARACTER SET latin1, b BLOB)",
    );
    const row = [
      Buffer.from("é😀'\\").toString("latin1"),
      "\xb0\xa1\x81\x5c",
      "\xe9\x80'",
      String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte)),
    ];
    await connection.execute(`INSERT INTO d.bytes VALUES (${row.map(quoteByteString).join(",")})`);
    expect((await connection.query("SELECT * FROM d.bytes")).rows).toEqual([row]);
    expect(await server.sql("SELECT u, CONVERT(g USING utf8mb4) g, l FROM d.bytes")).toEqual([{ u: "é😀'\\", g: "啊乗", l: "é€'" }]);
  });

  test("statements in one round trip: all run, the first error is told with its place", async () => {
    await using connection = await openConnection(world, endpoint, { mode: "text" });
    const results = await connection.executeAll([
      "CREATE TABLE d.pipe (a INT PRIMARY KEY AUTO_INCREMENT)",
      "INSERT INTO d.pipe VALUES (5), (6)",
      "UPDATE d.pipe SET a = a",
    ]);
    expect(results.map(({ affectedRows }) => affectedRows)).toEqual([0, 2, 2]);
    expect(await connection.execute("INSERT INTO d.pipe VALUES ()")).toMatchObject({ insertId: 7n });
    await expect(
      connection.executeAll([
        "INSERT INTO d.pipe VALUES (8)",
        "INSERT INTO d.pipe VALUES (5)",
        "NONSENSE",
        "INSERT INTO d.pipe VALUES (9)",
      ]),
    ).rejects.toMatchObject({ errno: 1062, statementIndex: 1 });
    expect((await connection.query("SELECT COUNT(*) FROM d.pipe")).rows).toEqual([["5"]]);
    await connection.execute("BEGIN");
    expect(connection.isInTransaction).toBe(true);
    await connection.execute("ROLLBACK");
    expect(connection.isInTransaction).toBe(false);
  });

  test("a statement and a value over 16 MiB", async () => {
    await using connection = await openConnection(world, endpoint, { mode: "bytes" });
    const text = "0123456789abcdef".repeat(2_200_000);
    expect((await connection.query(`SELECT '${text}'`)).rows[0]?.[0] === text).toBe(true);
  });

  test("rows of an answer go into another table by a prepared statement, byte for byte", async () => {
    await using reader = await openConnection(world, endpoint, { mode: "bytes" });
    await using connection = await openConnection(world, endpoint, { mode: "bytes" });
    await connection.execute(
      "CREATE TABLE d.given (id INT PRIMARY KEY, g VARCHAR(20) CHARACTER SET gbk, l VARCHAR(300) CHARACTER SET latin1, b LONGBLOB, d DECIMAL(30,10), t DATETIME(6))",
    );
    await connection.execute("CREATE TABLE d.taken LIKE d.given");
    const rows = Array.from({ length: 60 }, (_, id) => {
      const bytes = id % 7 === 0 ? "NULL" : `REPEAT(x'00275cff', ${id === 59 ? 5_000_000 : id * id * id})`;
      return `(${id}, ${id % 3 === 0 ? "NULL" : "x'b0a1815c'"}, REPEAT(x'e9', ${id * 5}), ${bytes}, ${id % 2 === 0 ? "NULL" : `-${id}.25`}, ${id % 5 === 0 ? "NULL" : "'2024-01-02 03:04:05.000600'"})`;
    });
    await connection.execute(`INSERT INTO d.given VALUES ${rows.join(",")}`);
    const two = await connection.prepare(`INSERT INTO d.taken VALUES (?,?,?,?,?,?),(?,?,?,?,?,?)`);
    const one = await connection.prepare(`INSERT INTO d.taken VALUES (?,?,?,?,?,?)`);
    expect([two.parameters, one.parameters]).toEqual([12, 6]);
    for await (const batch of reader.streamRows("SELECT * FROM d.given")) {
      for (let from = 0; from < batch.count; ) {
        const to = Math.min(from + 2, batch.count);
        const result = await (to - from === 2 ? two : one).executeRows(6, [{ ...batch, from, to }]);
        expect(result).toMatchObject({ affectedRows: to - from, warnings: 0 });
        from = to;
      }
    }
    const sums = await connection.query("CHECKSUM TABLE d.given, d.taken");
    expect(sums.rows[1]?.[1]).toBe(sums.rows[0]?.[1]);
    for await (const batch of reader.streamRows("SELECT * FROM d.given WHERE id = 7")) {
      await expect(one.executeRows(6, [{ ...batch, from: 0, to: 1 }])).rejects.toMatchObject({ errno: 1062 });
    }
    two.close();
    await expect(connection.prepare("INSERT INTO d.nothing VALUES (?)")).rejects.toMatchObject({ errno: 1146 });
    expect((await connection.query("SELECT COUNT(*) FROM d.taken")).rows).toEqual([["60"]]);
  });

  test("LOAD DATA takes what is offered, and rows stream back while the reader is slow", async () => {
    await using connection = await openConnection(world, endpoint, { mode: "bytes" });
    await connection.execute("CREATE TABLE d.loaded (id INT PRIMARY KEY, v VARCHAR(200))");
    async function* lines() {
      for (let part = 0; part < 100; part++) {
        yield new Uint8Array(0);
        yield Buffer.from(Array.from({ length: 1000 }, (_, line) => `${part * 1000 + line}\t${"v".repeat(100)}\n`).join(""));
      }
    }
    expect(await connection.loadData("LOAD DATA LOCAL INFILE 'x' INTO TABLE d.loaded", lines())).toMatchObject({ affectedRows: 100_000 });
    let rows = 0;
    let bytes = 0;
    let batches = 0;
    for await (const batch of connection.streamRows("SELECT * FROM d.loaded ORDER BY id")) {
      for (let index = 0; index < batch.count; index++) {
        const at = batch.starts[index] as number;
        const length = batch.bytes[at] as number;
        expect(batch.bytes.toString("latin1", at + 1, at + 1 + length)).toBe(`${rows++}`);
        bytes += (batch.ends[index] as number) - at;
      }
      if (++batches % 50 === 0) await new Promise(setImmediate);
    }
    expect(rows).toBe(100_000);
    expect(bytes).toBe(100_000 * 102 + 10 * 1 + 90 * 2 + 900 * 3 + 9000 * 4 + 90_000 * 5);
    // The connection is good for more; one that is left in the middle is not.
    expect((await connection.query("SELECT 1")).rows).toEqual([["1"]]);
    for await (const _batch of connection.streamRows("SELECT * FROM d.loaded")) break;
    expect(connection.isOpen).toBe(false);
  });

  test("half a file is not committed, and no file is given away", async () => {
    await using connection = await openConnection(world, endpoint, { mode: "bytes" });
    await connection.execute("CREATE TABLE d.half (id INT PRIMARY KEY)");
    async function* broken() {
      yield Buffer.from("1\n2\n");
      throw new Error("the source is gone");
    }
    await expect(connection.loadData("LOAD DATA LOCAL INFILE 'x' INTO TABLE d.half", broken())).rejects.toThrow("the source is gone");
    await using other = await openConnection(world, endpoint, { mode: "bytes" });
    await expect(other.execute("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE d.half")).rejects.toMatchObject({ code: "PROTOCOL" });
    expect(await server.sql("SELECT COUNT(*) n FROM d.half")).toEqual([{ n: "0" }]);
  });

  test("errors name the server's number or the place that cannot be reached, never the password", async () => {
    const wrong = { ...endpoint, user: "nobody", password: new Secret("hunter2") };
    const refused = await openConnection(world, wrong, { mode: "text" }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(MysqlServerError);
    expect(refused).toMatchObject({ errno: 1045, sqlState: "28000" });
    expect(String(refused)).not.toContain("hunter2");
    await expect(openConnection(world, { ...endpoint, port: 1 }, { mode: "text" })).rejects.toMatchObject({
      code: "ECONNREFUSED",
      port: 1,
    });
    await expect(openConnection(world, endpoint, { mode: "text", session: { no_such_variable: "1" } })).rejects.toMatchObject({
      errno: 1193,
    });
    await using connection = await openConnection(world, endpoint, { mode: "text" });
    await expect(connection.query("SELECT SLEEP(60)", AbortSignal.timeout(50))).rejects.toThrow(/timeout|aborted/);
    expect(connection.isOpen).toBe(false);
  });

  test("a pool lends at most its limit, and keeps no connection with an open transaction", async () => {
    await using pool = createPool(world, endpoint, { mode: "text", connectionsMax: 3, session: { sql_mode: "" } });
    const ids = await Promise.all(Array.from({ length: 12 }, () => pool.query("SELECT CONNECTION_ID(), SLEEP(0.01)")));
    expect(new Set(ids.map(({ rows }) => rows[0]?.[0])).size).toBe(3);
    const lease = await pool.acquire();
    await lease.connection.execute("BEGIN");
    lease[Symbol.dispose]();
    expect(lease.connection.isOpen).toBe(false);
    expect(pool.openCount).toBe(2);
    await server.sql(`KILL ${ids[0]?.rows[0]?.[0]}`).catch(() => {});
    await expect.poll(async () => (await pool.query("SELECT 1")).rows).toEqual([["1"]]);
  });
});

// MySQL makes certificates of its own; MariaDB of this age does not.
test("TLS checks who signed the server's certificate and for whom", async () => {
  await using server = await startMysql(world, { settings: { "max-allowed-packet": "256M" } });
  const endpoint = endpointOf(server);
  const ca = await world.disk.readFile(`${server.dataFolder}/ca.pem`);
  const serverName = `MySQL_Server_${server.version.split("-")[0]}_Auto_Generated_Server_Certificate`;
  await using connection = await openConnection(world, { ...endpoint, tls: { ca, serverName } }, { mode: "text" });
  expect((await connection.query("SHOW STATUS LIKE 'Ssl_cipher'")).rows[0]?.[1]).toMatch(/^(?:TLS|ECDHE|DHE)[_-]/);
  const text = "é".repeat(20_000_000);
  expect((await connection.query(`SELECT '${text}'`)).rows[0]?.[0] === text).toBe(true);
  await expect(openConnection(world, { ...endpoint, tls: { ca } }, { mode: "text" })).rejects.toThrow(/does not match/);
  await expect(openConnection(world, { ...endpoint, tls: {} }, { mode: "text" })).rejects.toThrow(/self-signed/);
});
