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
