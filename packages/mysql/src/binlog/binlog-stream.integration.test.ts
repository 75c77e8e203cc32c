import { join } from "node:path";
import type { DatabaseServer } from "@skein/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type BinlogEvent,
  type BinlogStreamOptions,
  type Connection,
  comparePositions,
  createRowDecoder,
  currentPosition,
  emptyGtidSet,
  type GtidSet,
  gtidSetAt,
  gtidSetContains,
  listBinlogs,
  openBinlogStream,
  openConnection,
  type Position,
  type Row,
  type RowsEvent,
  readBinlogFile,
  type TableDefinition,
} from "../index.ts";
import { canCompress, endpointOf, families, versionOf, world } from "../testing/servers.ts";

describe.each(families)("%s's binlog as a stream", (family, start) => {
  let server: DatabaseServer;
  let connection: Connection;

  beforeAll(async () => {
    server = await start({ gtid: true, settings: { "max-allowed-packet": "256M" } });
    connection = await openConnection(world, endpointOf(server), { mode: "text", session: { sql_mode: "" } });
    await connection.execute("CREATE DATABASE d CHARACTER SET utf8mb4");
  });
  afterAll(async () => {
    await connection?.close();
    await server?.[Symbol.asyncDispose]();
  });

  const here = () => currentPosition(connection);
  async function* events(options: Partial<BinlogStreamOptions> & { start: Position }): AsyncGenerator<BinlogEvent> {
    for await (const batch of openBinlogStream(world, endpointOf(server), { serverId: 4711, by: "position", untilEnd: true, ...options }))
      yield* batch;
  }
  const collect = async (options: Partial<BinlogStreamOptions> & { start: Position }) => {
    const all: BinlogEvent[] = [];
    for await (const event of events(options)) all.push(event);
    return all;
  };
  const rowsOf = (all: readonly BinlogEvent[]) =>
    all
      .filter((event): event is RowsEvent => event.kind === "rows")
      .flatMap((event) =>
        createRowDecoder(event.table, null)
          .decode(event)
          .map((row) => [event.action, row] as const),
      );
  const plain = (all: readonly BinlogEvent[]) =>
    all.filter(({ kind }) => !["format", "rotate", "previousGtids", "other", "stop", "heartbeat"].includes(kind));

  test("the GTIDs of the log's end belong to it, also while others write", async () => {
    await connection.execute("CREATE TABLE d.busy (id INT PRIMARY KEY AUTO_INCREMENT)");
    const writers = await Promise.all([1, 2].map(() => openConnection(world, endpointOf(server), { mode: "text" })));
    const stop = new AbortController();
    const writing = Promise.all(
      writers.map(async (writer) => {
        while (!stop.signal.aborted) await writer.execute("INSERT INTO d.busy VALUES (NULL)");
      }),
    );
    const seen: Position[] = [];
    for (let index = 0; index < 50; index++) seen.push(await here());
    stop.abort();
    await writing;
    seen.push(await here());
    const options = { serverId: 4712, flavor: family } as const;
    for (const position of [seen[0], seen[20], seen[49], seen[50]] as Position[]) {
      const counted = await gtidSetAt(world, endpointOf(server), position, options);
      const said = position.gtidSet as GtidSet;
      // MySQL writes the log before the transactions of it are among the executed ones.
      if (family === "mysql" && position !== seen[50]) expect(gtidSetContains(counted, said)).toBe(true);
      else expect(said.toString()).toBe(counted.toString());
    }
    for (const writer of writers) await writer.close();
  });

  test("transactions end where the server's own position is, by file and offset and by GTID", async () => {
    const start = await here();
    await connection.execute("CREATE TABLE d.a (id INT PRIMARY KEY, v VARCHAR(20))");
    await connection.execute("BEGIN");
    await connection.execute("INSERT INTO d.a VALUES (1, 'x'), (2, 'y')");
    await connection.execute("SAVEPOINT s");
    await connection.execute("INSERT INTO d.a VALUES (3, 'z')");
    await connection.execute("ROLLBACK TO s");
    await connection.execute("UPDATE d.a SET v = 'w' WHERE id = 2");
    await connection.execute("COMMIT");
    await connection.execute("FLUSH LOGS");
    await connection.execute("DELETE FROM d.a WHERE id = 1");
    const end = await here();
    const byPosition = await collect({ start });
    const byGtid = await collect({ start, by: "gtid" });
    expect(plain(byGtid).map(({ kind, end }) => [kind, end.file, end.offset])).toEqual(
      plain(byPosition).map(({ kind, end }) => [kind, end.file, end.offset]),
    );
    for (const all of [byPosition, byGtid]) {
      const ends = all.filter(({ endsTransaction }) => endsTransaction);
      expect(ends.length).toBe(3);
      expect(comparePositions(ends.at(-1)?.end as Position, end)).toBe(0);
      expect(ends.at(-1)?.end.gtidSet?.toString()).toBe(end.gtidSet?.toString());
      expect(rowsOf(all)).toEqual([
        ["insert", [1, "x"]],
        ["insert", [2, "y"]],
        ["update", [2, "y"]],
        ["update", [2, "w"]],
        ["delete", [1, "x"]],
      ]);
    }
    expect((await gtidSetAt(world, endpointOf(server), end, { serverId: 4712, flavor: family })).toString()).toBe(end.gtidSet?.toString());
    expect((await listBinlogs(connection)).at(-1)).toEqual({ file: end.file, sizeBytes: end.offset });
  });

  test("a connection that is lost is made again: no event twice, none missing", async () => {
    const start = await here();
    await connection.execute("CREATE TABLE d.lost (id INT PRIMARY KEY, v VARCHAR(10000))");
    const stop = new AbortController();
    const seen: unknown[] = [];
    const ids: number[] = [];
    let reconnects = 0;
    for (let round = 0; round < 40; round++) {
      const values = Array.from({ length: 100 }, (_, index) => `(${round * 100 + index}, REPEAT('x', 9000))`);
      await connection.execute(`INSERT INTO d.lost VALUES ${values.join(",")}`);
    }
    const end = await here();
    for (const by of ["position", "gtid"] as const) {
      ids.length = 0;
      let killed = 0;
      for await (const event of events({
        start,
        by,
        untilEnd: false,
        signal: stop.signal,
        heartbeatMs: 200,
        onReconnect: () => reconnects++,
      })) {
        seen.push(event.kind);
        if (event.kind !== "rows") {
          if (event.kind === "xid" && comparePositions(event.end, end) >= 0) break;
          continue;
        }
        for (const row of createRowDecoder(event.table, null).decode(event)) ids.push(row[0] as number);
        if (ids.length >= killed * 500 + 350) {
          killed++;
          await killDumps(connection);
        }
      }
      expect(ids).toEqual(Array.from({ length: 4000 }, (_, index) => index));
    }
    expect(reconnects).toBeGreaterThan(2);
  });

  test("a row of more than one packet, a slow reader, heartbeats", async () => {
    await connection.execute("CREATE TABLE d.big (id INT PRIMARY KEY, v LONGBLOB)");
    const start = await here();
    await connection.execute("INSERT INTO d.big VALUES (1, REPEAT('ab', 17000000)), (2, 'end')");
    const rows = rowsOf(await collect({ start }));
    expect(rows.map(([, row]) => (row[1] as string).length)).toEqual([34_000_000, 3]);
    const stop = new AbortController();
    let beats = 0;
    for await (const event of events({ start: await here(), untilEnd: false, heartbeatMs: 50, signal: stop.signal })) {
      if (event.kind === "heartbeat" && ++beats === 2) break;
    }
    expect(beats).toBe(2);
  });

  test("without checksums", async () => {
    await connection.execute("SET GLOBAL binlog_checksum = NONE");
    const start = await here();
    await connection.execute("CREATE TABLE d.bare (id INT PRIMARY KEY)");
    await connection.execute("INSERT INTO d.bare VALUES (7)");
    const all = await collect({ start });
    await connection.execute("SET GLOBAL binlog_checksum = CRC32");
    expect(rowsOf(all)).toEqual([["insert", [7]]]);
    expect(all.find(({ kind }) => kind === "format")).toMatchObject({ flavor: family, hasChecksums: false });
  });

  test("compressed transactions and events are the same as plain ones", async () => {
    const switches = !canCompress(family, server)
      ? ["DO 0", "DO 0"] // plain ones are right, too
      : family === "mysql"
        ? ["SET SESSION binlog_transaction_compression = ON", "SET SESSION binlog_transaction_compression = OFF"]
        : ["SET GLOBAL log_bin_compress = ON", "SET GLOBAL log_bin_compress = OFF"];
    await connection.execute("CREATE TABLE d.packed (id INT PRIMARY KEY, v VARCHAR(2000))");
    const start = await here();
    await connection.execute(switches[0] as string);
    await connection.execute("BEGIN");
    for (let id = 0; id < 3000; id += 100) {
      const values = Array.from({ length: 100 }, (_, index) => `(${id + index}, REPEAT('abc', 600))`);
      await connection.execute(`INSERT INTO d.packed VALUES ${values.join(",")}`);
    }
    await connection.execute("COMMIT");
    await connection.execute("UPDATE d.packed SET v = CONCAT(id, v) WHERE id < 10");
    await connection.execute("DELETE FROM d.packed WHERE id = 5");
    await connection.execute(`ALTER TABLE d.packed COMMENT '${"long ".repeat(100)}'`);
    await connection.execute(switches[1] as string);
    const end = await here();
    const all = await collect({ start });
    const rows = rowsOf(all);
    expect(rows.length).toBe(3000 + 20 + 1);
    expect(rows.slice(0, 3000).map(([, row]) => row[0])).toEqual(Array.from({ length: 3000 }, (_, index) => index));
    expect(rows[3001]).toEqual(["update", [0, `0${"abc".repeat(600)}`]]);
    expect(rows.at(-1)).toEqual(["delete", [5, `5${"abc".repeat(600)}`]]);
    expect(all.find((event) => event.kind === "query" && event.sql.startsWith("ALTER"))).toMatchObject({
      sql: `ALTER TABLE d.packed COMMENT '${"long ".repeat(100)}'`,
    });
    expect(all.at(-1)?.end).toMatchObject({ file: end.file, offset: end.offset });
    expect(all.at(-1)?.end.gtidSet?.toString()).toBe(end.gtidSet?.toString());
  });

  test("generated columns and partial row images", async () => {
    await connection.execute(
      "CREATE TABLE d.made (id INT PRIMARY KEY, a INT, v INT GENERATED ALWAYS AS (a + 1) VIRTUAL, s INT GENERATED ALWAYS AS (a + 2) STORED, t VARCHAR(10))",
    );
    const start = await here();
    await connection.execute("INSERT INTO d.made (id, a, t) VALUES (1, 10, 'x')");
    await connection.execute("SET SESSION binlog_row_image = NOBLOB");
    await connection.execute("UPDATE d.made SET a = 20");
    await connection.execute("SET SESSION binlog_row_image = FULL");
    const columns = ["id", "a", "v", "s", "t"].map((name) => ({
      name,
      type: { name: name === "t" ? ("varchar" as const) : ("int" as const) },
      nullable: true,
      ...(name === "v" || name === "s" ? { generated: { expression: "a + 1", stored: name === "s" } } : {}),
    }));
    const made: TableDefinition = {
      schema: "d",
      name: "made",
      columns,
      indexes: [],
      foreignKeys: [],
      checks: [],
      charset: "utf8mb4",
      collation: "utf8mb4_general_ci",
    };
    const rows = (await collect({ start }))
      .filter((event) => event.kind === "rows")
      .flatMap((event) => createRowDecoder(event.table, made).decode(event));
    expect(rows.map(([id, a, , , t]) => [id, a, t])).toEqual([
      [1, 10, "x"],
      [1, 10, "x"],
      [1, 20, "x"],
    ]);
    for (const [, a, v, s] of rows)
      expect([
        [(a as number) + 1, (a as number) + 2],
        [null, null],
      ]).toContainEqual([v, s]);
    const minimal = await here();
    await connection.execute("SET SESSION binlog_row_image = MINIMAL");
    await connection.execute("UPDATE d.made SET a = 30");
    await connection.execute("SET SESSION binlog_row_image = FULL");
    const [event] = (await collect({ start: minimal })).filter(({ kind }) => kind === "rows") as RowsEvent[];
    expect(() => createRowDecoder((event as RowsEvent).table, null).decode(event as RowsEvent)).toThrow(/binlog_row_image must be FULL/);
  });

  test("queries carry the session: charset, mode, checks", async () => {
    const start = await here();
    await connection.execute("SET SESSION sql_mode = 'ANSI_QUOTES', foreign_key_checks = 0");
    await connection.execute('CREATE TABLE d."quo""ted" (id INT PRIMARY KEY, "é" INT)');
    await connection.execute("SET SESSION sql_mode = '', foreign_key_checks = 1, NAMES latin1");
    await connection.execute("SET NAMES utf8mb4");
    const query = (await collect({ start })).find((event) => event.kind === "query" && event.sql.startsWith("CREATE"));
    expect(query).toMatchObject({
      sql: 'CREATE TABLE d."quo""ted" (id INT PRIMARY KEY, "é" INT)',
      foreignKeyChecks: false,
      role: "statement",
      endsTransaction: true,
    });
    expect(((query as { sqlMode: bigint }).sqlMode & 4n) === 4n).toBe(true);
  }, 20_000);

  test("queries tell what a charset without a collation means, and what comes after that", async () => {
    const { variable, value, number } =
      family === "mysql"
        ? { variable: "default_collation_for_utf8mb4", value: "utf8mb4_general_ci", number: 45 }
        : { variable: "character_set_collations", value: "utf8mb4=utf8mb4_unicode_ci", number: 224 };
    const start = await here();
    const isKnown = await connection.execute(`SET SESSION ${variable} = '${value}'`).then(
      () => true,
      () => false, // MariaDB before 11.2
    );
    await connection.execute("SET time_zone = '+03:00'");
    await connection.execute("CREATE TABLE d.told (a VARCHAR(9) CHARACTER SET utf8mb4, t TIMESTAMP DEFAULT '2024-01-01 00:00:00')");
    if (isKnown) await connection.execute(`SET SESSION ${variable} = @@GLOBAL.${variable}`);
    const query = (await collect({ start })).find((event) => event.kind === "query" && event.sql.startsWith("CREATE"));
    expect(query).toMatchObject({ timeZone: "+03:00", clientCollation: expect.any(Number) });
    expect(query).toMatchObject({ defaultCollations: isKnown ? [{ charset: "utf8mb4", collation: number }] : [] });
  });

  test("XA transactions, and tables made from queries", async () => {
    // MySQL before 8.0.21 makes two transactions of a table from a query, and refuses that when it counts with GTIDs.
    const isOneTransaction = family === "mariadb" || versionOf(server) >= 80_021;
    await connection.execute("CREATE TABLE d.xa (id INT PRIMARY KEY)");
    const start = await here();
    await connection.execute("XA START 'one'");
    await connection.execute("INSERT INTO d.xa VALUES (1)");
    await connection.execute("XA END 'one'");
    await connection.execute("XA PREPARE 'one'");
    await connection.execute("XA COMMIT 'one'");
    if (isOneTransaction) await connection.execute("CREATE TABLE d.made_of AS SELECT id, 'text' AS t FROM d.xa");
    const end = await here();
    const all = await collect({ start });
    expect(rowsOf(all)).toEqual([["insert", [1]], ...(isOneTransaction ? [["insert", [1, "text"]]] : [])]);
    expect(all.filter(({ endsTransaction }) => endsTransaction).map(({ kind }) => kind)).toEqual([
      "xaPrepare",
      "query",
      ...(isOneTransaction ? [expect.stringMatching(/xid|query/)] : []),
    ]);
    expect(
      all
        .filter(({ endsTransaction }) => endsTransaction)
        .at(-1)
        ?.end.gtidSet?.toString(),
    ).toBe(end.gtidSet?.toString());
  });

  test("a file says the same as the stream", async () => {
    const [first] = await listBinlogs(connection);
    const file = first?.file as string;
    const stream = await collect({ start: { file, offset: 4, gtidSet: emptyGtidSet(family) } });
    const inStream = stream.filter(({ end, kind }) => end.file === file && kind !== "rotate" && kind !== "format");
    const inFile: BinlogEvent[] = [];
    for await (const batch of readBinlogFile(world, join(server.dataFolder, file)))
      inFile.push(...batch.filter(({ kind }) => kind !== "rotate" && kind !== "format"));
    // MariaDB's annotations are in the file only: the stream does not ask for them.
    const shape = (all: readonly BinlogEvent[]) =>
      all
        .filter(({ kind }) => kind !== "rowsQuery")
        .map(({ kind, end, timestamp, endsTransaction }) => [
          kind,
          timestamp,
          endsTransaction ? end.offset : null,
          end.gtidSet?.toString(),
        ]);
    expect(inFile.length).toBeGreaterThan(10);
    expect(shape(inFile)).toEqual(shape(inStream));
    const middle = inFile.slice(Math.floor(inFile.length / 2)).find(({ endsTransaction }) => endsTransaction) as BinlogEvent;
    const rest: BinlogEvent[] = [];
    for await (const batch of readBinlogFile(world, join(server.dataFolder, file), { offset: middle.end.offset })) rest.push(...batch);
    expect(rest.filter(({ kind }) => kind !== "rotate").map(({ kind }) => kind)).toEqual(
      inFile.slice(inFile.indexOf(middle) + 1).map(({ kind }) => kind),
    );
  });

  test("what the source refuses is a coded error", async () => {
    const { file } = await here();
    await expect(collect({ start: { file: "mysql-bin.999999", offset: 4, gtidSet: null } })).rejects.toMatchObject({
      code: 36069,
      message: expect.stringContaining("1236"),
    });
    await expect(collect({ start: { file, offset: 77, gtidSet: null } })).rejects.toMatchObject({ code: 36069 });
    const nobody = { ...endpointOf(server), user: "nobody" };
    const stream = openBinlogStream(world, nobody, { serverId: 4711, start: await here() });
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 36069, message: expect.stringContaining("1045") });
    const stop = new AbortController();
    const waiting = collect({ start: await here(), untilEnd: false, signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
  });
});

async function killDumps(connection: Connection): Promise<void> {
  const { rows } = await connection.query("SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'");
  for (const [id] of rows) await connection.execute(`KILL ${id}`);
}

test("an ALTER TABLE that MariaDB logs in two phases is one statement", async () => {
  const start = families[0]?.[1] as (typeof families)[number][1];
  await using server = await start({ gtid: true });
  await using connection = await openConnection(world, endpointOf(server), { mode: "text" });
  await connection.execute("CREATE DATABASE d");
  await connection.execute("CREATE TABLE d.t (a INT)");
  await connection.execute("INSERT INTO d.t VALUES (1), (1)");
  const from = await currentPosition(connection);
  await connection.execute("SET SESSION binlog_alter_two_phase = 1");
  await connection.execute("ALTER TABLE d.t ADD COLUMN b INT");
  await connection.execute("ALTER TABLE d.t ADD UNIQUE KEY (a)").catch(() => {}); // begun, and given up
  const end = await currentPosition(connection);
  const roles: string[] = [];
  let last: BinlogEvent | undefined;
  for await (const batch of openBinlogStream(world, endpointOf(server), { serverId: 12, start: from, untilEnd: true })) {
    for (const event of batch) {
      last = event;
      if (event.kind === "query") roles.push(`${event.role}${event.endsTransaction ? ", ends" : ""}: ${event.sql.slice(0, 28)}`);
    }
  }
  expect(roles.slice(0, 2)).toEqual(["announced, ends: ALTER TABLE d.t ADD COLUMN b", "statement, ends: ALTER TABLE d.t ADD COLUMN b"]);
  expect(roles.slice(2).every((role) => role.startsWith("announced, ends"))).toBe(true);
  expect(last?.end.gtidSet?.toString()).toBe(end.gtidSet?.toString());
});

describe("MySQL only", () => {
  test("tagged GTIDs, partial JSON updates, rows queries", async () => {
    const start = families[1]?.[1] as (typeof families)[number][1];
    await using server = await start({ gtid: true });
    await using connection = await openConnection(world, endpointOf(server), { mode: "text" });
    await connection.execute("CREATE DATABASE d");
    await connection.execute("CREATE TABLE d.j (id INT PRIMARY KEY, a JSON, t INT, b JSON)");
    await connection.execute("SET SESSION binlog_row_value_options = PARTIAL_JSON, binlog_rows_query_log_events = ON");
    const from = await currentPosition(connection);
    const hasTags = versionOf(server) >= 80_300;
    if (hasTags) await connection.execute("SET gtid_next = 'AUTOMATIC:some_tag'");
    await connection.execute(
      `INSERT INTO d.j VALUES (1, '{"name": "a long enough name to be worth it", "list": [1, 2, {"deep": "value value value"}], "odd \\\\"key": 1, "z": 1.5}', 5, '[1, 2, 3]')`,
    );
    const updates = [
      "a = JSON_SET(a, '$.name', 'short')",
      "a = JSON_SET(a, '$.list[2].deep', CAST(12.50 AS DECIMAL(10,2)), '$.list[0]', 'first')",
      `a = JSON_SET(a, '$."odd \\\\"key"', 'odd', '$.new', JSON_OBJECT('x', 1))`,
      "a = JSON_REMOVE(a, '$.list[1]'), b = JSON_ARRAY_INSERT(b, '$[1]', 'in'), t = 6",
      "a = JSON_REMOVE(a, '$.z'), b = JSON_REPLACE(b, '$[0]', 'out', '$[3]', NULL)",
      "a = JSON_SET(a, '$.aa', 1, '$.b', 2), b = NULL",
      "a = NULL",
    ];
    const states: (string | null)[][] = [];
    for (const update of updates) {
      await connection.execute(`UPDATE d.j SET ${update}`);
      states.push((await connection.query("SELECT a, b FROM d.j")).rows[0] as (string | null)[]);
    }
    const after: Row[] = [];
    const gtids: (string | null)[] = [];
    const queries: string[] = [];
    let partial = 0;
    let last: Position = from;
    for (const by of ["position", "gtid"] as const) {
      after.length = 0;
      for await (const batch of openBinlogStream(world, endpointOf(server), { serverId: 9, start: from, by, untilEnd: true })) {
        for (const event of batch) {
          last = event.end;
          if (event.kind === "gtid") gtids.push(event.gtid);
          if (event.kind === "rowsQuery") queries.push(event.sql);
          if (event.kind !== "rows" || event.action !== "update") continue;
          if (event.isPartial) partial++;
          after.push(createRowDecoder(event.table, null).decode(event)[1] as Row);
        }
      }
      expect(after.map((row) => [row[1], row[3]])).toEqual(states);
    }
    expect(partial).toBeGreaterThan(4);
    expect(gtids[0]).toMatch(hasTags ? /^[-0-9a-f]{36}:some_tag:1$/ : /^[-0-9a-f]{36}:3$/);
    expect(queries.some((sql) => sql.startsWith("UPDATE d.j SET a = JSON_SET"))).toBe(true);
    const end = await currentPosition(connection);
    expect(end.gtidSet?.toString()).toContain(hasTags ? ":some_tag:1-8" : ":1-10");
    expect(last.gtidSet?.toString()).toBe(end.gtidSet?.toString());
    // The head of a new file lists tagged ones in their binary form.
    await connection.execute("FLUSH LOGS");
    const fresh = await currentPosition(connection);
    expect((await gtidSetAt(world, endpointOf(server), fresh, { serverId: 10, flavor: "mysql" })).toString()).toBe(end.gtidSet?.toString());
  });
});

test("as many rows of each kind as MariaDB's own reader counts", async () => {
  const start = families[0]?.[1] as (typeof families)[number][1];
  await using server = await start({ gtid: true });
  await server.sql(
    `CREATE DATABASE d; CREATE TABLE d.a (id INT PRIMARY KEY, v INT); CREATE TABLE d.b (id INT PRIMARY KEY, v INT) ENGINE=MyISAM;
     INSERT INTO d.a SELECT seq, seq FROM seq_1_to_5000; INSERT INTO d.b SELECT id, v FROM d.a WHERE id % 3 = 0;
     UPDATE d.a JOIN d.b USING (id) SET d.a.v = 0, d.b.v = 1; DELETE FROM d.a WHERE id % 7 = 0; BEGIN; UPDATE d.a SET v = 9; ROLLBACK; FLUSH LOGS`,
    { database: "mysql" },
  );
  const file = join(server.dataFolder, "mysql-bin.000001");
  const counts = { insert: 0, update: 0, delete: 0 };
  for await (const batch of readBinlogFile(world, file)) {
    for (const event of batch) {
      if (event.kind === "rows")
        counts[event.action] += createRowDecoder(event.table, null).decode(event).length / (event.action === "update" ? 2 : 1);
    }
  }
  const { stdout } = await world.processes.run("mariadb-binlog", ["-v", "--base64-output=DECODE-ROWS", file], {
    outputLimitBytes: 64 * 1024 * 1024,
  });
  const lines = stdout.split("\n");
  const counted = (text: string) => lines.filter((line) => line.startsWith(text)).length;
  expect(counts).toEqual({ insert: counted("### INSERT"), update: counted("### UPDATE"), delete: counted("### DELETE") });
  expect(counts).toEqual({ insert: 6666, update: 2 * 1666, delete: 714 });
});
