/**
 * Input that wants to do harm, through real processes: names and values that look like SQL, names of tasks and sources that cannot be
 * names of tables or keys, files that want to fill memory, and peers that do not speak what the ports speak.
 */
import type { Duplex } from "node:stream";
import { nodeWorld } from "@skein/base";
import { compareTable } from "@skein/cli";
import { type DatabaseServer, memoryOf, openSql, startMariadb } from "@skein/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MigrationCluster, type Process } from "../support/cluster.ts";
import { connectRaw, preface, sayRaw } from "../support/raw-bytes.ts";
import { untilApplied } from "./migrate.ts";

const world = nodeWorld();
let source: DatabaseServer;
let target: DatabaseServer;
let cluster: MigrationCluster;

beforeAll(async () => {
  [source, target, cluster] = await Promise.all([startMariadb(world), startMariadb(world), MigrationCluster.start({ workers: 2 })]);
  await cluster.ready();
  await cluster.createSource("src-1", source);
}, 120_000);
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  await Promise.all([source.stop(), target.stop()]);
});

const quote = (name: string) => `\`${name.replaceAll("`", "``")}\``;
const text = (value: string) => `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;

/** Names of databases, tables and columns: everything a server takes between backticks (it takes no character over U+FFFF). */
const names = {
  schema: "`; DROP DATABASE victim;-- %s",
  routedSchema: "r'\"`o\\u%ted ☠",
  plain: `p'l"a\\in`,
  tables: ["t'); DROP TABLE victim.t;--", 't"\n`new`\tline', "❤%_\\'", "/*! DROP DATABASE victim */"],
  id: "i`d'",
  value: 'v"; DELETE FROM\nvictim.t;--',
  other: "%s ${x} $1 ?",
} as const;
const values = [
  "'; DROP DATABASE victim; -- ",
  "\\'; DROP DATABASE victim; -- ",
  "`\"'\\\n\r\t\u001a%_%s?${x}",
  "🦢🦢 ' 🦢",
  "\u0000nul",
  "*/ DROP DATABASE victim; /*",
  "",
  "\\",
];

function taskText(name: string, sourceId: string, schema: string): string {
  return [
    `name: ${JSON.stringify(name)}`,
    "task-mode: all",
    `target-database: {host: "${target.host}", port: ${target.port}, user: "${target.user}", password: "${target.password}"}`,
    "mysql-instances:",
    `  - {source-id: ${JSON.stringify(sourceId)}, block-allow-list: b, route-rules: [r], syncer-config-name: s}`,
    `block-allow-list: {b: {do-dbs: ${JSON.stringify([schema, names.plain])}}}`,
    `routes: {r: {schema-pattern: ${JSON.stringify(schema)}, target-schema: ${JSON.stringify(names.routedSchema)}}}`,
    "syncers: {s: {worker-count: 4, checkpoint-flush-interval: 1}}",
    "",
  ].join("\n");
}

describe("names and values that look like SQL", () => {
  test("are copied, changed and routed as they are, and nothing else comes to be or goes", async () => {
    await target.sql("CREATE DATABASE victim; CREATE TABLE victim.t (id INT PRIMARY KEY); INSERT INTO victim.t VALUES (1), (2)");
    await source.sql("CREATE DATABASE victim; CREATE TABLE victim.t (id INT PRIMARY KEY); INSERT INTO victim.t VALUES (7)");
    await using writer = await openSql(source);
    const [id, value, other] = [quote(names.id), quote(names.value), quote(names.other)];
    const insert = (table: string, from: number) =>
      writer.query(
        `INSERT INTO ${table} (${id}, ${value}, ${other}) VALUES ${values.map((each, i) => `(${from + i}, ${text(each)}, ${text(each)})`).join(", ")}`,
      );
    const places = [names.schema, names.plain].flatMap((schema) => names.tables.map((table) => ({ schema, table })));
    for (const schema of [names.schema, names.plain]) await writer.query(`CREATE DATABASE ${quote(schema)}`);
    for (const { schema, table } of places) {
      const at = `${quote(schema)}.${quote(table)}`;
      await writer.query(
        `CREATE TABLE ${at} (${id} INT PRIMARY KEY, ${value} VARCHAR(100) DEFAULT ${text("';--`")} COMMENT ${text("'); DROP DATABASE victim;--")}, ${other} TEXT) DEFAULT CHARSET=utf8mb4`,
      );
      await insert(at, 0);
    }
    const before = new Set((await target.sql("SHOW DATABASES")).map((row) => row["Database"]));

    await cluster.startTask(taskText("odd", "src-1", names.schema));
    await cluster.eventually("changes are applied", async () => (await cluster.subtask("odd"))?.unit === "Sync");
    for (const { schema, table } of places) {
      const at = `${quote(schema)}.${quote(table)}`;
      await insert(at, 100);
      await writer.query(
        `UPDATE ${at} SET ${value} = CONCAT(${value}, ${text("'--")}) WHERE ${id} % 2 = 0; DELETE FROM ${at} WHERE ${id} = 3`,
      );
      await writer.query(`ALTER TABLE ${at} ADD COLUMN ${quote("n`e'\nw")} VARCHAR(20) DEFAULT ${text("\\';--")}`);
      await insert(at, 200);
    }
    const late = `${quote(names.schema)}.${quote("late`';")}`;
    await writer.query(`CREATE TABLE ${late} (${id} INT PRIMARY KEY, ${value} VARCHAR(100), ${other} TEXT)`);
    await insert(late, 0);
    await untilApplied(cluster, source, "odd", 30_000);

    for (const { schema, table } of [...places, { schema: names.schema, table: "late`';" }]) {
      const routed = schema === names.schema ? names.routedSchema : schema;
      const comparison = await compareTable(source, target, {
        source: { schema, name: table },
        target: { schema: routed, name: table },
      });
      expect(comparison, `${schema}.${table}`).toMatchObject({ equal: true, problem: null });
      expect(comparison.sourceRows).toBeGreaterThanOrEqual(values.length);
    }
    const databases = (await target.sql("SHOW DATABASES")).map((row) => row["Database"]);
    expect(new Set(databases.filter((name) => !before.has(name)))).toEqual(new Set([names.routedSchema, names.plain, "dm_meta"]));
    const tables = await target.sql(
      `SELECT TABLE_NAME n FROM information_schema.TABLES WHERE TABLE_SCHEMA IN (${text(names.routedSchema)}, ${text(names.plain)})`,
    );
    expect(tables).toHaveLength(places.length + 1);
    const meta = await target.sql("SELECT TABLE_NAME n FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'dm_meta'");
    expect(meta.filter((row) => !row["n"]?.startsWith("odd_"))).toEqual([]);
    expect(await target.sql("SELECT id FROM victim.t ORDER BY id")).toEqual([{ id: "1" }, { id: "2" }]);
    expect((await cluster.dmctl("stop-task", "odd")).json.result).toBe(true);
  });
});

/** What a refusal looks like in dmctl: a code somewhere, and no success. */
async function expectRefused(answer: Awaited<ReturnType<MigrationCluster["dmctl"]>>, what: string): Promise<void> {
  const said = `${answer.stdout}${answer.stderr}`;
  const done = answer.json.result === true && answer.json.sources?.every(({ result }) => result) !== false;
  expect(done, `${what} was taken:\n${said}`).toBe(false);
  expect(said, what).toMatch(/\[code=\d{5}:class=/);
}

describe("odd names of tasks and sources", () => {
  test.each(["t'; DROP DATABASE `victim`;--", "../a/b", "line\nbreak", "数".repeat(46), "x".repeat(47), "x".repeat(300)])(
    "the task %j is refused with a code, or works and can be stopped by that name",
    async (name) => {
      const answer = await cluster.dmctl("start-task", await cluster.writeFile("odd-task.yaml", taskText(name, "src-1", names.schema)));
      const said = `${answer.stdout}${answer.stderr}`;
      if (answer.json.result === true && answer.json.sources?.every(({ result }) => result) === true) {
        await cluster.eventually("the task runs", async () => (await cluster.subtask(name))?.stage === "Running", 20_000);
        const stopped = await cluster.dmctl("stop-task", name);
        expect(stopped.json.result, stopped.stdout + stopped.stderr).toBe(true);
      } else expect(said).toMatch(/\[code=\d{5}:class=/);
      expect(await target.sql("SELECT id FROM victim.t ORDER BY id")).toHaveLength(2);
    },
  );

  test.each(["s'; DROP`\"--%s", "../a/b", "new\nline", "数据源", "x".repeat(33)])(
    "the source %j is refused with a code, or works and can be stopped by that name",
    async (id) => {
      const file = await cluster.writeFile(
        "odd-source.yaml",
        `source-id: ${JSON.stringify(id)}\nfrom: {host: "${source.host}", port: ${source.port}, user: "${source.user}", password: "${source.password}"}\n`,
      );
      const created = await cluster.dmctl("operate-source", "create", file);
      if (created.json.result === true && created.json.sources?.every(({ result }) => result) === true) {
        expect(created.json.sources[0]?.source).toBe(id);
        const shown = await cluster.dmctl("query-status", "-s", id);
        expect(shown.json.result, shown.stdout + shown.stderr).toBe(true);
        const stopped = await cluster.dmctl("operate-source", "stop", id);
        expect(stopped.json.result, stopped.stdout + stopped.stderr).toBe(true);
      } else expect(`${created.stdout}${created.stderr}`).toMatch(/\[code=\d{5}:class=/);
    },
  );
});

describe("files that want to fill memory", () => {
  const bomb = ["a: &a [x, x, x, x, x, x, x, x, x, x]"];
  for (const [i, name] of "bcdefghijk".split("").entries()) {
    const last = "abcdefghijk"[i];
    bomb.push(`${name}: &${name} [${Array.from({ length: 10 }, () => `*${last}`).join(", ")}]`);
  }
  const files = {
    "a bomb of aliases": `${bomb.join("\n")}\nname: *k\nsource-id: *k\n`,
    "ten megabytes of text": `name: big\nsource-id: big\nmeta: "${"x".repeat(10 * 1024 * 1024)}"\n`,
    "ten megabytes of brackets": "[".repeat(10 * 1024 * 1024),
    "deep brackets": `name: ${"[".repeat(100_000)}`,
    "bytes that are no text": "\u0000\u0001\u0002\ufffd".repeat(10_000),
  };
  test.each(Object.entries(files))("%s: refused with a code, within seconds", async (what, content) => {
    const file = await cluster.writeFile("huge.yaml", content);
    for (const command of [["operate-source", "create"], ["start-task"]]) {
      const beginMs = world.clock.monotonicMs();
      await expectRefused(await cluster.dmctl(...command, file), `${what}, ${command.join(" ")}`);
      expect(world.clock.monotonicMs() - beginMs).toBeLessThan(10_000);
    }
  });
});

describe("peers that do not speak what the ports speak", () => {
  const residentBytes = async ({ child }: Process) => (await memoryOf(world, child.pid ?? 0)).nowMib * 1024 * 1024;
  /** Who neither reads nor throws us out: the ports' own limit is a minute. */
  const say = (process: Process, parts: readonly (string | Uint8Array)[]) => sayRaw(world, process.address, parts, 3_000);
  const odd: Readonly<Record<string, readonly (string | Uint8Array)[]>> = {
    "random bytes": [world.random.bytes(64 * 1024)],
    "TLS where none is spoken": [Buffer.from("1603010200010001fc0303", "hex"), world.random.bytes(512)],
    "a preface, then garbage": [preface, world.random.bytes(64 * 1024)],
    "a frame that claims 16 MiB": [preface, Buffer.from("ffffff000000000001", "hex"), new Uint8Array(1024 * 1024)],
    "headers without end": [`GET / HTTP/1.1\r\n${`x-fill: ${"y".repeat(1000)}\r\n`.repeat(1000)}`],
    "a path without end": [`GET /${"a".repeat(1024 * 1024)} HTTP/1.1\r\n\r\n`],
    "a path that is no URL": ["GET // HTTP/1.1\r\nhost: x\r\n\r\n"],
    "another path that is no URL": ["GET http://[::bad HTTP/1.1\r\nhost: x\r\n\r\n"],
    "a path with broken escapes": ["GET /api/v1/tasks/%E0%A4%A HTTP/1.1\r\nhost: x\r\n\r\n"],
    "a body of 64 MiB": [
      `POST /api/v1/tasks HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${64 * 1024 * 1024}\r\n\r\n`,
      ...Array.from({ length: 64 }, () => new Uint8Array(1024 * 1024)),
    ],
    "JSON without end": [`POST /api/v1/tasks HTTP/1.1\r\nhost: x\r\ncontent-length: ${1024 * 1024}\r\n\r\n`, "[".repeat(1024 * 1024)],
    "chunks with a bad length": ["POST /apis/v1alpha1/tasks HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzzzz\r\n"],
    "both ways to say a length": [
      "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    ],
    "names of the prototype": ["GET /api/v1/tasks/__proto__/constructor HTTP/1.1\r\nhost: x\r\n\r\n"],
  };

  test("the processes live, stay small, and answer the next one who asks", async () => {
    const processes = [...cluster.masters, ...cluster.workers];
    const before = await Promise.all(processes.map(residentBytes));
    const ends: string[] = [];
    for (const process of processes) void process.child.exited.then(() => ends.push(process.name));

    const held: Duplex[] = [];
    for (const process of processes)
      for (let i = 0; i < 100; i++) {
        const stream = await connectRaw(world, process.address);
        held.push(stream);
        if (i % 3 === 1) stream.write("PRI"); // undecided: half a preface
        if (i % 3 === 2) stream.write("POST /api/v1/tasks HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{");
      }
    await Promise.all(
      processes.flatMap((process) =>
        Object.entries(odd).map(([what, parts]) =>
          say(process, parts).catch((error: unknown) => expect.fail(`${process.name}, ${what}: ${String(error)}; ended: ${ends.join()}`)),
        ),
      ),
    );
    for (const stream of held) stream.write("x"); // one more byte from the slow ones
    for (const [i, stream] of held.entries()) if (i % 2 === 0) stream.end(); // half open: we say no more, and do not close
    const { json: asked, stdout, stderr } = await cluster.dmctl("list-member");
    expect(asked.result, stdout + stderr).toBe(true);
    for (const stream of held) stream.destroy();

    const { json } = await cluster.dmctl("list-member", "--worker");
    const workers = json.members?.flatMap((member) => member.worker?.workers ?? []) ?? [];
    expect(workers.map(({ stage }) => stage).filter((stage) => stage === "offline")).toEqual([]);
    expect(ends, await cluster.logs()).toEqual([]);
    const after = await Promise.all(processes.map(residentBytes));
    const grownMiB = processes.map(({ name }, i) => ({ name, mib: Math.round(((after[i] ?? 0) - (before[i] ?? 0)) / 1024 / 1024) }));
    expect(grownMiB.filter(({ mib }) => mib >= 100)).toEqual([]);
  });
});
