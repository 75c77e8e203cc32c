import type { DatabaseServer } from "@skein/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TableDefinition } from "../core/table.ts";
import type { Row, Value } from "../core/value.ts";
import { type Connection, createRowDecoder, currentPosition, openBinlogStream, openConnection } from "../index.ts";
import { endpointOf, families, versionOf, world } from "../testing/servers.ts";
import { casesFor, type TypeCase } from "../testing/type-cases.ts";

describe.each(families)("values of %s's binlog are those of SELECT", (family, start) => {
  let server: DatabaseServer;
  let connection: Connection;
  let cases: readonly TypeCase[];

  beforeAll(async () => {
    server = await start({ gtid: true });
    cases = casesFor(family, versionOf(server));
    connection = await openConnection(world, endpointOf(server), { mode: "bytes", session: { sql_mode: "", time_zone: "+00:00" } });
    await connection.execute("CREATE DATABASE d CHARACTER SET utf8mb4");
  });
  afterAll(async () => {
    await connection?.close();
    await server?.[Symbol.asyncDispose]();
  });

  const variants: [string, string, boolean][] = [
    ["full metadata", "FULL", false],
    ["minimal metadata and the tracked structure", "MINIMAL", true],
  ];
  test.each(variants)("with %s", async (_name, metadata, withDefinition) => {
    await connection.execute(`SET GLOBAL binlog_row_metadata = ${metadata}`);
    const start = await currentPosition(connection);
    const selected = new Map<string, Map<string, string | null>>();
    for (const [index, typeCase] of cases.entries()) selected.set(`t${index}`, await fill(connection, `t${index}`, typeCase));
    const decoded = await decodeAll(server, start.file, start.offset, (table) =>
      withDefinition ? definitionOf(table, cases[Number(table.slice(1))] as TypeCase) : null,
    );
    const wrong: string[] = [];
    let compared = 0;
    for (const [index, typeCase] of cases.entries()) {
      const expected = selected.get(`t${index}`) as Map<string, string | null>;
      const images = decoded.get(`t${index}`) ?? [];
      // insert once, update before and after, delete
      expect(images.length, typeCase.sql).toBe(4 * expected.size);
      for (const [id, value] of images) {
        compared++;
        const want = expected.get(`${Number(id) % 1000}`) ?? null;
        if (!isSame(typeCase, value as Value, want))
          wrong.push(`${typeCase.sql} row ${id}: decoded ${show(value)}, selected ${show(want)}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(compared).toBeGreaterThan(1000);
  });
});

/** Inserts, updates and deletes each value; returns what SELECT said of them. */
async function fill(connection: Connection, table: string, { sql, values, select }: TypeCase): Promise<Map<string, string | null>> {
  const bytes = (text: string) => Buffer.from(text, "utf8").toString("latin1");
  await connection.execute(bytes(`CREATE OR REPLACE TABLE d.${table} (id INT PRIMARY KEY, v ${sql})`)).catch(async () => {
    await connection.execute(`DROP TABLE IF EXISTS d.${table}`);
    await connection.execute(bytes(`CREATE TABLE d.${table} (id INT PRIMARY KEY, v ${sql})`));
  });
  // Literals are text here, not bytes: the server converts them to the column's charset.
  await connection.execute("SET NAMES utf8mb4");
  for (const [id, value] of [...values, "NULL"].entries())
    await connection.execute(bytes(`INSERT INTO d.${table} VALUES (${id}, ${value})`));
  await connection.execute("SET NAMES binary");
  const { rows } = await connection.query(`SELECT id, ${select ?? "v"} FROM d.${table}`);
  await connection.execute(`UPDATE d.${table} SET id = id + 1000 ORDER BY id`);
  await connection.execute(`DELETE FROM d.${table}`);
  return new Map(rows.map(([id, value]) => [id as string, value ?? null]));
}

async function decodeAll(
  server: DatabaseServer,
  file: string,
  offset: number,
  definition: (table: string) => TableDefinition | null,
): Promise<Map<string, Row[]>> {
  const decoded = new Map<string, Row[]>();
  const stream = openBinlogStream(world, endpointOf(server), { serverId: 4711, start: { file, offset, gtidSet: null }, untilEnd: true });
  for await (const batch of stream) {
    for (const event of batch) {
      if (event.kind !== "rows") continue;
      const rows = decoded.get(event.table.table) ?? [];
      rows.push(...createRowDecoder(event.table, definition(event.table.table)).decode(event));
      decoded.set(event.table.table, rows);
    }
  }
  return decoded;
}

function definitionOf(name: string, { type }: TypeCase): TableDefinition {
  const columns = [
    { name: "id", type: { name: "int" as const }, nullable: false },
    { name: "v", type, nullable: true },
  ];
  return { schema: "d", name, columns, indexes: [], foreignKeys: [], checks: [], charset: "utf8mb4", collation: "utf8mb4_general_ci" };
}

function isSame({ type }: TypeCase, value: Value, want: string | null): boolean {
  if (value === null || want === null) return value === want;
  if (type.name === "float") return typeof value === "number" && Math.fround(value) === Math.fround(Number(want));
  if (type.name === "double") return value === Number(want);
  if (type.name === "year") return `${value}`.padStart(4, "0") === want;
  return `${value}` === want;
}

function show(value: Value | undefined): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length})` : text;
}
