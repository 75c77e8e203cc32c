/**
 * The tracker against the servers: each statement of the corpus and of seeded random runs goes to a real server, and then the
 * tracked structures must equal information_schema. The same statements, split and printed again, must lead a second schema to
 * the same end; and each table's CREATE TABLE for its own and for the other family must be taken.
 */
import { readdirSync, readFileSync } from "node:fs";
import { type Random, seededRandom } from "@skein/base";
import { type DatabaseServer, openSql, type SqlSession } from "@skein/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomStatement } from "../testing/random-ddl.ts";
import { families, versionOf } from "../testing/servers.ts";
import { factsOf, factsOfServer } from "../testing/table-facts.ts";
import type { DdlStatement } from "./core/ast.ts";
import { ddlErrors } from "./core/errors.ts";
import type { ServerFlavor } from "./core/lexer.ts";
import { parseStatement } from "./core/parser.ts";
import { printStatement } from "./core/printer.ts";
import { createSchemaTracker, parseCreateTable, type SchemaTracker } from "./core/schema-tracker.ts";
import { mapTables, splitStatement, withDefaultSchema } from "./core/statement-operations.ts";
import { targetCreateTable } from "./core/target-table.ts";

const folder = new URL("testdata/", import.meta.url);
const scripts = readdirSync(folder).filter((name) => name.endsWith(".sql"));
const seeds = (process.env["SEEDS"] ?? "1,2,3").split(",").map(Number);
const randomStatements = 80;

const servers = new Map<ServerFlavor, { server: DatabaseServer; session: SqlSession }>();

beforeAll(async () => {
  for (const [flavor, start] of families) {
    const server = await start({});
    servers.set(flavor, { server, session: await openSql(server) });
  }
});

afterAll(async () => {
  for (const { server, session } of servers.values()) {
    session.destroy();
    await server[Symbol.asyncDispose]();
  }
});

interface Run {
  readonly flavor: ServerFlavor;
  readonly version: number;
  readonly session: SqlSession;
  readonly tracker: SchemaTracker;
  /** Follows the statements split into single changes. */
  readonly splitTracker: SchemaTracker;
  compared: number;
}

async function startRun(flavor: ServerFlavor): Promise<Run> {
  const { session, server } = servers.get(flavor) as { session: SqlSession; server: DatabaseServer };
  const version = versionOf(server);
  await session.query(
    "set session foreign_key_checks = 1; drop database if exists one; drop database if exists two; drop database if exists made; create database one; create database two; create database made; use one",
  );
  const [facts] = await session.query("select @@character_set_server as charset, @@collation_server as collation");
  const collations = await session.query("select @@character_set_collations as pairs").catch(() => []); // MariaDB 11 has it
  const serverDefaults = {
    charset: facts?.["charset"] ?? "",
    collation: facts?.["collation"] ?? "",
    collations: Object.fromEntries((collations[0]?.["pairs"] ?? "").split(",").map((pair) => pair.split("=", 2))),
  };
  const options = { flavor, version, serverDefaults };
  return { flavor, version, session, tracker: createSchemaTracker(options), splitTracker: createSchemaTracker(options), compared: 0 };
}

/** False when the server refused the statement. */
async function step(run: Run, sql: string): Promise<boolean> {
  const { flavor, version, session, tracker, splitTracker } = run;
  const refused = await session.query(sql).then(
    () => undefined,
    (error: unknown) => String(error),
  );
  if (refused !== undefined) {
    // A statement that the server refuses must not break the tracker either, whatever it answers.
    lastRefusal = refused;
    return false;
  }
  const statement = withDefaultSchema(parseStatement(sql, { flavor, version }), "one");
  const printed = printStatement(statement, { dialect: flavor });
  expect(parseStatement(printed, { flavor, version }), `printed as ${printed}`).toEqual(statement);
  tracker.apply(statement);
  for (const part of splitStatement(statement)) {
    splitTracker.apply(part);
    const mapped: DdlStatement = mapTables(part, (_, name) => ({ schema: "two", name }));
    const text = printStatement(mapped, { dialect: flavor });
    if (text === "") continue;
    await session.query(text).catch((error: unknown) => {
      throw new Error(`split and printed as ${text}`, { cause: error });
    });
  }
  return true;
}

let lastRefusal = "";

/** The corpus is written for MySQL 9; a server before it knows less. */
const isOlder = ({ flavor, version }: Pick<Run, "flavor" | "version">): boolean => flavor === "mysql" && version < 90_000;

/** What one family has and the other has not depends on the releases of both. */
const isUsual = (): boolean =>
  [...servers].every(([flavor, { server }]) => (flavor === "mysql" ? /^9\./ : /^10\.11\./).test(server.version));

async function compare(run: Run, sql: string, last = false): Promise<void> {
  const { flavor, session, tracker, splitTracker } = run;
  const query = (text: string) => session.query(text);
  const server = await factsOfServer(query, "one", flavor, run.version);
  const tracked = new Map(tracker.tables("one").map((table) => [table.name, factsOf(table, flavor)]));
  expect([...tracked.keys()].sort(), sql).toEqual([...server.keys()].sort());
  for (const [name, facts] of server) expect(tracked.get(name), `${name} after ${sql}`).toEqual(facts);
  // The second schema took the same statements one change at a time: looked at now and then, and at the end.
  run.compared += 1;
  if (!last && run.compared % 8 !== 0) return;
  const second = await factsOfServer(query, "two", flavor, run.version);
  for (const [name, facts] of server) {
    const schemas = (text: string) => text.replaceAll("two.", "one.");
    const other = second.get(name);
    expect(
      other === undefined ? undefined : { ...other, foreignKeys: other.foreignKeys.map(schemas) },
      `${name}, split, after ${sql}`,
    ).toEqual(facts);
    const split = splitTracker.table("one", name);
    expect(split === undefined ? undefined : factsOf(split, flavor), `${name}, tracked split, after ${sql}`).toEqual(facts);
  }
}

/** SHOW CREATE TABLE reads as the tracked structure; CREATE TABLE for this and the other family is taken. */
async function compareText(run: Run): Promise<{ refusedElsewhere: string[] }> {
  const { flavor, session, tracker } = run;
  const refusedElsewhere: string[] = [];
  const elsewhere: ServerFlavor = flavor === "mysql" ? "mariadb" : "mysql";
  const { session: other, server: otherServer } = servers.get(elsewhere) as { session: SqlSession; server: DatabaseServer };
  await session.query("set session foreign_key_checks = 0");
  await other.query("set session foreign_key_checks = 0; drop database if exists made; create database made");
  for (const table of tracker.tables("one")) {
    const [row] = await session.query(`show create table one.\`${table.name.replaceAll("`", "``")}\``);
    const shown = row?.["Create Table"] ?? "";
    const parsed = parseCreateTable(shown, { flavor, schema: "one" });
    expect(factsOf(parsed, flavor), shown).toEqual(factsOf(table, flavor));
    expect(parsed.partitioning === undefined, shown).toBe(table.partitioning === undefined);
    const own = targetCreateTable({ ...parsed, schema: "made" }, { dialect: flavor });
    expect(own.notes).toEqual([]);
    await session.query(own.sql).catch((error: unknown) => {
      throw new Error(`made as ${own.sql}`, { cause: error });
    });
    try {
      const made = targetCreateTable({ ...parsed, schema: "made" }, { dialect: elsewhere, version: versionOf(otherServer) });
      await other.query(made.sql).catch((error: unknown) => {
        throw new Error(`made for ${elsewhere} as ${made.sql}`, { cause: error });
      });
    } catch (error) {
      if (!ddlErrors.noEqual.is(error)) throw error;
      refusedElsewhere.push(`${table.name}: ${error.detail}`);
    }
    expect(() => targetCreateTable({ ...parsed, schema: "made" }, { dialect: "tidb" })).not.toThrow(TypeError);
  }
  const made = await factsOfServer((text) => session.query(text), "made", flavor, run.version);
  for (const table of tracker.tables("one")) {
    const again = made.get(table.name);
    const schemas = (text: string) => text.replaceAll("made.", "one.");
    expect(again === undefined ? undefined : { ...again, foreignKeys: again.foreignKeys.map(schemas) }).toEqual(factsOf(table, flavor));
  }
  await session.query("set session foreign_key_checks = 1");
  return { refusedElsewhere };
}

describe.each(families)("%s", (flavor) => {
  test.each(scripts)("statements of %s", async (script) => {
    const run = await startRun(flavor);
    for (const line of readFileSync(new URL(script, folder), "utf8").split("\n")) {
      if (line === "" || line.startsWith("--")) continue;
      const found = /^(?:\[(\w*)(?:>=(\d+))?\] )?(!?)(.*)$/.exec(line) as RegExpExecArray;
      if (found[1] && found[1] !== flavor) continue;
      if (run.version < Number(found[2] ?? 0)) continue; // an older one means something else by it
      const sql = found[4] as string;
      const accepted = await step(run, sql);
      // What came with a later version is refused, and what that refuses may be taken: both sides go on alike.
      if (!isOlder(run)) expect(accepted, `${sql}: ${accepted ? "taken" : lastRefusal}`).toBe(found[3] === "");
      if (!accepted) continue;
      await compare(run, sql);
    }
    await compare(run, "all", true);
    const { refusedElsewhere } = await compareText(run);
    if (isUsual()) expect(refusedElsewhere).toMatchSnapshot();
  });

  test.each(seeds)("random statements, seed %i (again: SEEDS=… vitest run --project integration packages/mysql/src/ddl)", async (seed) => {
    const run = await startRun(flavor);
    const random: Random = seededRandom(seed);
    let taken = 0;
    for (let count = 0; count < randomStatements; count += 1) {
      const sql = randomStatement(random, run.tracker.tables("one"), flavor);
      // An old MySQL takes a default that does not fit its column, and makes another of it.
      if (isOlder(run) && / set default /.test(sql)) continue;
      if (await step(run, sql)) {
        taken += 1;
        await compare(run, sql);
      }
    }
    expect(taken).toBeGreaterThan(randomStatements / 3);
    await compare(run, "all", true);
    await compareText(run);
  });
});
