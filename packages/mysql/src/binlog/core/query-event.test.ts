import { expect, test } from "vitest";
import { parseQuery } from "./query-event.ts";

/** A query event of `sql` in schema `d` with this status. */
function body(status: string, sql: string): Buffer {
  const bytes = Buffer.from(status, "hex");
  const head = Buffer.alloc(13);
  head.writeUInt8(1, 8);
  head.writeUInt16LE(bytes.length, 11);
  return Buffer.concat([head, bytes, Buffer.from("d\0"), Buffer.from(sql)]);
}

test("MariaDB 11: collations in the place of the charsets' own, and all that comes after them", () => {
  // As a server of 11.8 wrote it, with two pairs and a time zone: flags, mode, catalog, pairs, collations, zone.
  const status = "000000000101080020540000000006037374648302210000082d0000090408000009000905062b30333a3030";
  const query = parseQuery(body(status, "create table t (a varchar(5) character set utf8mb4)"), null);
  expect(query).toMatchObject({
    schema: "d",
    defaultCollations: [
      { charset: "utf8mb3", collation: 2048 },
      { charset: "utf8mb4", collation: 2304 },
    ],
    clientCollation: 8,
    serverCollation: 2304,
    timeZone: "+03:00",
  });
});

test("MariaDB: an ALTER TABLE in two phases counts when it is committed, and what comes after its flags is read", () => {
  // As a server of 11.8 wrote them, with collations at their ends.
  const collations = "04080008002d00";
  const read = (status: string) => parseQuery(body(`${status}${collations}`, "alter table t add column b int"), null);
  expect(read("8202")).toMatchObject({ role: "announced", clientCollation: 8, serverCollation: 45 });
  expect(read("810e0000000000000082040300000000000000")).toMatchObject({ role: "statement", clientCollation: 8 });
  expect(read("82080300000000000000")).toMatchObject({ role: "announced", clientCollation: 8 });
});

test("MySQL: the collation that utf8mb4 means", () => {
  const query = parseQuery(body("12ff000503555443", "x"), null);
  expect(query).toMatchObject({ defaultCollations: [{ charset: "utf8mb4", collation: 255 }], timeZone: "UTC" });
});
