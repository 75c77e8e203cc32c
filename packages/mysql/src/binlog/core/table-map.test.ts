import { expect, test } from "vitest";
import { parseTableMap } from "./table-map.ts";

test("MariaDB counts a geometry among the columns with a charset: later columns keep their own", () => {
  // As MariaDB 10.11 logged (id int, c0 uuid, c1 point, gen int, note varchar(100) CHARACTER SET utf8mb4), metadata FULL.
  const body = Buffer.from(
    "12000000000001000477315f610003745f30000503feff030f05fe100490011e01010002033f022d07010104120269640263300263310367656e046e6f7465080100",
    "hex",
  );
  const { columns } = parseTableMap(body, 6, "mariadb");
  expect(columns.map(({ name, collation }) => [name, collation])).toEqual([
    ["id", null],
    ["c0", 63],
    ["c1", 63],
    ["gen", null],
    ["note", 45],
  ]);
});

test.each(["mysql", "mariadb"] as const)("%s counts a year among the columns with a sign: later columns keep their own", (flavor) => {
  // (a int unsigned, y year, b int, c int unsigned), types and signs as both families log them.
  const body = Buffer.from([1, 0, 0, 0, 0, 0, 1, 0, 1, 0x64, 0, 1, 0x74, 0, 4, 3, 13, 3, 3, 0, 0x0f, 1, 1, 0xd0]);
  expect(parseTableMap(body, 6, flavor).columns.map(({ unsigned }) => unsigned)).toEqual([true, true, false, true]);
});
