/**
 * Releases beside those that the other tests run against: MariaDB 11 and MySQL 8, as source and as target, between themselves and
 * with the usual ones. `SKEIN_MARIADB=mariadb-11 SKEIN_MYSQL=mysql-8 vitest run …` runs any other test against them.
 */

import { nodeWorld } from "@skein/base";
import { compareSchemas } from "@skein/cli";
import { type DatabaseServer, startMariadb, startMysql } from "@skein/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MigrationCluster } from "../support/cluster.ts";
import { migrateAndCompare, untilApplied } from "./migrate.ts";

const world = nodeWorld();
const servers: Record<string, DatabaseServer> = {};

beforeAll(async () => {
  [servers["MariaDB"], servers["MariaDB 11"], servers["MySQL 8"], servers["another MySQL 8"], servers["MySQL 9"]] = await Promise.all([
    startMariadb(world, { release: "mariadb" }),
    startMariadb(world, { release: "mariadb-11" }),
    startMysql(world, { release: "mysql-8", gtid: true }),
    startMysql(world, { release: "mysql-8" }),
    startMysql(world, { release: "mysql-9", gtid: true }),
  ]);
}, 180_000);
afterAll(async () => {
  await Promise.all(Object.values(servers).map((server) => server[Symbol.asyncDispose]()));
});

const server = (name: string) => servers[name] as DatabaseServer;

test.each([
  ["MariaDB 11", "MariaDB", "mariadb", 11],
  ["MariaDB", "MariaDB 11", "mariadb", 12],
  ["MySQL 8", "another MySQL 8", "mysql", 13],
] as const)("random schemas and work, %s to %s: equal row by row", async (source, target, flavor, seed) => {
  await migrateAndCompare({ seed: 70_000_000 + seed, source: server(source), target: server(target), flavor, transactions: 60 });
});

const types = {
  numbers: "a tinyint unsigned, b bigint unsigned, c decimal(40,10), d float, e double, f bit(33)",
  texts: "a char(5), b varchar(200), c mediumtext, d varchar(20) character set latin1, e varbinary(30), f mediumblob",
  times: "a date, b time(3), c datetime(6), d timestamp(6) null, e year",
  others: "a enum('x','ä'), b set('p','q'), c json, d geometry",
};
const rows: Readonly<Record<keyof typeof types, string>> = {
  numbers: "255, 18446744073709551615, -123456789012345678901234567890.0123456789, 1.1, 0.1, b'101'",
  texts: "'ä', '日本', repeat('x', 70000), 'é', x'00ff', x'2700'",
  times: "'2024-02-29', '-12:34:56.789', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.000001', 2155",
  others: "'ä', 'p,q', '{\"a\": [1, 2.5, null]}', ST_GeomFromText('POINT(1 2)')",
};

/** Statements of a source between its families' common ground: all types, and what the families and releases take differently. */
function* work(schema: string, live: boolean): Generator<string> {
  const suffix = live ? "_live" : "";
  for (const [name, columns] of Object.entries(types)) {
    yield `CREATE TABLE ${schema}.${name}${suffix} (id INT PRIMARY KEY, ${columns})`;
    const values = rows[name as keyof typeof types];
    yield `INSERT INTO ${schema}.${name}${suffix} VALUES (1, ${values}), (2, ${values})`;
    yield `UPDATE ${schema}.${name}${suffix} SET id = 3 WHERE id = 2`;
  }
  // Unique under its default collation: a target of another one would take both for equal, or not.
  yield `CREATE TABLE ${schema}.words${suffix} (w VARCHAR(20) CHARACTER SET utf8mb4, n INT, UNIQUE KEY (w))`;
  yield `INSERT INTO ${schema}.words${suffix} VALUES ('a', 1), ('s ', 2), ('ß', 3)`;
  yield `DELETE FROM ${schema}.words${suffix} WHERE w = 'A'`;
  // What a release reads and forgets must not come to life in the target.
  yield `CREATE TABLE ${schema}.parents${suffix} (id INT PRIMARY KEY)`;
  yield `CREATE TABLE ${schema}.children${suffix} (id INT PRIMARY KEY, p INT REFERENCES ${schema}.parents${suffix} (id) ON DELETE CASCADE, c INT CHECK (c > 0))`;
  yield `INSERT INTO ${schema}.parents${suffix} VALUES (1)`;
  yield `INSERT INTO ${schema}.children${suffix} VALUES (1, 1, 1)`;
  yield `INSERT INTO ${schema}.children${suffix} VALUES (2, NULL, -1)`; // taken where checks are forgotten
  yield `DELETE FROM ${schema}.parents${suffix}`;
  // MariaDB: logged as it begins and as it ends, done once.
  yield `SET binlog_alter_two_phase = 1; ALTER TABLE ${schema}.parents${suffix} ADD COLUMN once INT, ADD KEY twice (once)`;
  yield `INSERT INTO ${schema}.parents${suffix} VALUES (2, 2)`;
  yield `ALTER TABLE ${schema}.children${suffix} ADD COLUMN note VARCHAR(10) DEFAULT 'x', ADD KEY (p)`;
}

describe.each([
  ["MariaDB 11", "MySQL 8"],
  ["MySQL 8", "MariaDB 11"],
  ["MariaDB 11", "MariaDB"],
  ["MySQL 9", "MySQL 8"],
] as const)("a whole task from %s to %s", (from, to) => {
  test("all types and what the releases take differently, copied and live: equal, with the collations of the source", async () => {
    const [source, target] = [server(from), server(to)];
    const schema = `${from}_${to}`.toLowerCase().replaceAll(" ", "");
    const run = async (statement: string) => {
      await source.sql(statement).catch(() => {}); // a release may refuse one
    };
    await source.sql(`CREATE DATABASE ${schema}`);
    for (const statement of work(schema, false)) await run(statement);
    await using cluster = await MigrationCluster.start({ workers: 1 });
    await cluster.ready();
    await cluster.createSource("src-1", source, from.startsWith("MySQL") ? "enable-gtid: true\n" : "");
    const task = [
      `name: ${schema}`, // servers are sources and targets here: each task has its own checkpoint in them
      "task-mode: all",
      `target-database: {host: "${target.host}", port: ${target.port}, user: "${target.user}", password: "${target.password}"}`,
      "mysql-instances: [{source-id: src-1, block-allow-list: b}]",
      `block-allow-list: {b: {do-dbs: [${schema}]}}`,
      "",
    ].join("\n");
    const check = await cluster.dmctl("check-task", await cluster.writeFile("check.yaml", task));
    expect(check.json.result, check.stdout).toBe(true);
    await cluster.startTask(task);
    for (const statement of work(schema, true)) await run(statement);
    await untilApplied(cluster, source, schema);
    const comparisons = await compareSchemas(source, target, [schema]);
    expect(comparisons.filter(({ equal }) => !equal)).toEqual([]);
    expect(comparisons.length).toBeGreaterThanOrEqual(14);
    const collations = (of: DatabaseServer) =>
      of.sql(`SELECT table_name t, column_name c, collation_name l FROM information_schema.columns
        WHERE table_schema = '${schema}' AND collation_name IS NOT NULL AND data_type <> 'longtext' ORDER BY 1, 2`);
    if (from.slice(0, 5) === to.slice(0, 5)) expect(await collations(target)).toEqual(await collations(source));
  });
});
