import { nodeWorld } from "@skein/base";
import { startMariadb, startMysql } from "@skein/servers";
import { expect, test } from "vitest";
import { compareSchemas, compareTable } from "./compare.ts";

const world = nodeWorld();

const allTypes = `CREATE TABLE d.t (
  id INT, part VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, n DECIMAL(20,5), f FLOAT, g DOUBLE, b BIT(12),
  t TIMESTAMP(6) NULL, d DATETIME(3), e ENUM('a','ö'), s SET('x','y'), v VARBINARY(20), x TEXT CHARACTER SET latin1, j JSON,
  p POINT, y YEAR, PRIMARY KEY (part, id))`;
const row = (id: number, part: string) =>
  `(${id}, '${part}', ${id}.5, ${id / 3}, ${id / 7}, ${id % 4096}, '2024-01-02 03:04:05.${String(id).padStart(6, "0")}', '2024-01-02 03:04:05.678',
   'ö', 'x,y', x'00ff${(id % 256).toString(16).padStart(2, "0")}', 'größe', '{"b": [1, 2], "a": ${id}}', ST_GeomFromText('POINT(${id} 2)'), 2024)`;
const rows = Array.from({ length: 500 }, (_, i) => row(i, ["a", "B", "c''d", "ä"][i % 4] as string)).join(", ");
const setUp = `CREATE DATABASE d CHARACTER SET utf8mb4; ${allTypes}; INSERT INTO d.t VALUES ${rows};
  CREATE TABLE d.nokey (a INT, b TEXT); INSERT INTO d.nokey VALUES (1, 'x'), (1, 'x'), (2, NULL)`;

test("equal rows of two families are equal, in ranges of any size; each kind of difference is found and named", async () => {
  await using source = await startMariadb(world);
  await using target = await startMysql(world);
  await source.sql(setUp);
  await target.sql(setUp);
  for (const chunkRows of [1, 7, 250, 10_000]) {
    const results = await compareSchemas(source, target, ["d"], { chunkRows });
    expect(
      results.map(({ pair, equal, sourceRows, targetRows, differences, problem }) => [
        pair.source.name,
        equal,
        sourceRows,
        targetRows,
        differences,
        problem,
      ]),
    ).toEqual([
      ["nokey", true, 3, 3, [], null],
      ["t", true, 500, 500, [], null],
    ]);
  }
  await target.sql(`DELETE FROM d.t WHERE id = 4; UPDATE d.t SET j = '{"a": 0, "b": [1, 2]}' WHERE id = 9; UPDATE d.t SET f = f + 0.0001 WHERE id = 10;
    INSERT INTO d.t SELECT 1000, part, n, f, g, b, t, d, e, s, v, x, j, p, y FROM d.t WHERE id = 20;
    DELETE FROM d.nokey WHERE a = 1 LIMIT 1; CREATE TABLE d.extra (a INT)`);
  const pair = { source: { schema: "d", name: "t" }, target: { schema: "d", name: "t" } };
  const result = await compareTable(source, target, pair, { chunkRows: 100 });
  expect(result).toMatchObject({ equal: false, sourceRows: 500, targetRows: 500, differenceCount: 4, problem: null });
  const found = result.differences.map(({ kind, row, columns }) => [kind, row, columns.map(({ name }) => name)] as const);
  expect(found.sort(([a, b], [c, d]) => (a + b < c + d ? -1 : 1))).toEqual([
    ["different", "part=B, id=9", ["j"]],
    ["different", "part=c'd, id=10", ["f"]],
    ["missing in the target", "part=a, id=4", []],
    ["not in the source", "part=a, id=1000", []],
  ]);
  const all = await compareSchemas(source, target, ["d"]);
  expect(
    all.map(
      ({
        pair: {
          source: { name },
        },
        equal,
        differenceCount,
        problem,
      }) => [name, equal, differenceCount, problem],
    ),
  ).toEqual([
    ["nokey", false, 1, null],
    ["t", false, 4, null],
    ["extra", false, 0, "only the target has this table"],
  ]);
});
