import type { ColumnDefinition, ColumnType, Row, TableDefinition, Value } from "@skein/mysql";
import { describe, expect, test } from "vitest";
import { compileExpression } from "./compile.ts";
import { createExpressionFilter } from "./expression-filter.ts";
import { localTimeOf } from "./local-time.ts";
import { toText, truth } from "./values.ts";

const column = (name: string, type: ColumnType): ColumnDefinition => ({ name, type, nullable: true });
const columns: readonly (readonly [ColumnDefinition, Value])[] = [
  [column("id", { name: "int" }), 7],
  [column("big", { name: "bigint", unsigned: true }), 18446744073709551615n],
  [column("price", { name: "decimal", length: 10, decimals: 2 }), "-12.50"],
  [column("ratio", { name: "double" }), 0.5],
  [column("single", { name: "float" }), 0.1],
  [column("word", { name: "varchar", charset: "utf8mb4", collation: "utf8mb4_general_ci" }), Buffer.from("Größe_1").toString("latin1")],
  [column("exact", { name: "varchar", charset: "utf8mb4", collation: "utf8mb4_bin" }), "Abc "],
  [column("bytes", { name: "varbinary" }), "a\u00ff"],
  [column("born", { name: "date" }), "2024-02-29"],
  [column("seen", { name: "datetime" }), "2024-01-02 03:04:05.5"],
  [column("stamp", { name: "timestamp" }), "2024-01-01 20:00:00"],
  [column("spent", { name: "time" }), "-01:30:00"],
  [column("kind", { name: "enum", members: ["low", "high"], collation: "utf8mb4_general_ci" }), "high"],
  [column("flags", { name: "set", members: ["a", "b", "c"] }), "a,c"],
  [column("bits", { name: "bit", length: 8 }), 5],
  [column("none", { name: "int" }), null],
  [column("doc", { name: "json" }), '{"a":1}'],
];
const table: TableDefinition = {
  schema: "shop",
  name: "ord",
  columns: columns.map(([definition]) => definition),
  indexes: [],
  foreignKeys: [],
  checks: [],
  charset: "utf8mb4",
  collation: "utf8mb4_general_ci",
};
const row: Row = columns.map(([, value]) => value);
const evaluate = (text: string): string | null => {
  const value = compileExpression(text, table, localTimeOf("+08:00"))(row);
  return value === null ? null : toText(value);
};

describe("expressions", () => {
  test.each([
    // three-valued logic
    ["none = 1 OR id = 7", "1"],
    ["none = 1 AND id = 7", null],
    ["none = 1 AND id = 8", "0"],
    ["NOT none", null],
    ["none XOR 1", null],
    ["1 XOR 1", "0"],
    ["none IS NULL AND id IS NOT NULL", "1"],
    ["none <=> NULL", "1"],
    ["(none = 1) IS UNKNOWN", "1"],
    ["none IN (1, 2)", null],
    ["id IN (1, 7, NULL)", "1"],
    ["id NOT IN (1, NULL)", null],
    ["id NOT BETWEEN 1 AND 6", "1"],
    ["none BETWEEN 8 AND 9", null],
    ["id BETWEEN none AND 6", "0"],
    // numbers
    ["big = 18446744073709551615", "1"],
    ["big = '18446744073709551615'", "1"],
    ["big > 18446744073709551614", "1"],
    ["price = -12.5", "1"],
    ["price + 0.10", "-12.40"],
    ["price * 2", "-25.00"],
    ["id / 2", "3.5000"],
    ["7 DIV 2", "3"],
    ["-7 % 3", "-1"],
    ["id / 0", null],
    ["0.1 + 0.2 = 0.3", "1"],
    ["single = 0.1", "0"],
    ["ratio + 1", "1.5"],
    ["2 + 3 * 4", "14"],
    ["5 | 2 & 3", "7"],
    ["1 << 3", "8"],
    ["~0", "18446744073709551615"],
    ["bits & 4", "4"],
    ["'3 pieces' + 1", "4"],
    ["id = '7'", "1"],
    ["1e3", "1000"],
    ["ROUND(2.5)", "3"],
    // text
    ["word = 'GROSSE_1'", "0"],
    ["word = 'grösse_1'", "0"],
    ["word = 'größe_1'", "1"],
    ["word = 'GroßE_1  '", "1"],
    ["exact = 'abc'", "0"],
    ["exact = 'Abc'", "1"],
    ["BINARY word = 'größe_1'", "0"],
    ["word LIKE 'GR%\\_1'", "1"],
    ["word LIKE 'gr_ße'", "0"],
    ["word LIKE 'grö!%' ESCAPE '!'", "0"],
    ["exact LIKE 'abc%'", "0"],
    ["word REGEXP '^gr.+[0-9]$'", "1"],
    ["word NOT REGEXP '^x'", "1"],
    ["bytes = 0x61ff", "1"],
    ["CONCAT(word, '-', id)", "Größe_1-7"],
    ["CONCAT('a', none)", null],
    ["CHAR_LENGTH(word)", "7"],
    ["LENGTH(word)", "9"],
    ["SUBSTRING(word, -2)", "_1"],
    ["UPPER('straw') = 'STRAW'", "1"],
    ["word COLLATE utf8mb4_bin = 'größe_1'", "0"],
    ["'a' 'b'", "ab"],
    // dates
    ["born = '2024-2-29'", "1"],
    ["born < '2024-03-01 00:00:00'", "1"],
    ["born = 20240229", "1"],
    ["seen > '2024-01-02 03:04:05'", "1"],
    ["seen >= DATE '2024-01-02'", "1"],
    ["stamp = '2024-01-02 04:00:00'", "1"],
    ["spent < '00:00:00'", "1"],
    ["YEAR(born) = 2024 AND MONTH(born) = 2 AND DAY(born) = 29", "1"],
    ["HOUR(seen)", "3"],
    ["DATE(seen) = '2024-01-02'", "1"],
    // members
    ["kind = 'HIGH'", "1"],
    ["kind + 0", "2"],
    ["kind > 1", "1"],
    ["flags = 'a,c'", "1"],
    ["flags & 4", "4"],
    // conditions
    ["IF(id > 5, 'more', 'less')", "more"],
    ["CASE id WHEN 7 THEN 'seven' ELSE 'other' END", "seven"],
    ["CASE WHEN none THEN 1 WHEN id THEN 2 END", "2"],
    ["COALESCE(none, id)", "7"],
    ["IFNULL(none, 'x')", "x"],
    ["NULLIF(id, 7)", null],
    ["GREATEST(1, 9, 3)", "9"],
    ["CAST('12.7' AS SIGNED)", "12"],
    ["CAST(12.7 AS SIGNED)", "13"],
    ["CAST('1.005' AS DECIMAL(10, 2))", "1.01"],
    ["CAST(id AS CHAR) = '7'", "1"],
    ["doc IS NOT NULL", "1"],
    ["`ord`.`id` = 7 and shop.ord.ID = 7", "1"],
  ] as const)("%s is %j", (text, expected) => {
    expect(evaluate(text)).toBe(expected);
  });

  test.each([
    ["id =", "it ends too early"],
    ["id = 7, 1", "`,` is not expected here"],
    ["id = 7 id", "`id` is not expected here"],
    ["nope = 1", "unknown column `nope`"],
    ["SLEEP(1)", "function SLEEP is not supported"],
    ["ROUND()", "`)` is not expected here"],
    ["IFNULL(1)", "does not take 1 arguments"],
    ["doc = 1", "only IS NULL takes"],
    ["'open", ""],
    ["word REGEXP '(a+)+$'", "repetition"],
    ["word REGEXP word", "must be a literal"],
    ["(".repeat(500), "nested deeper"],
    ["DATE 'soon'", "is no date"],
  ])("%s is refused", (text, part) => {
    expect(() => evaluate(text)).toThrow(part);
  });

  test("a pattern that doubles back takes no longer than pattern times text", () => {
    const long = compileExpression(`'${"a".repeat(5_000)}' LIKE '${"%a".repeat(40)}b'`, table, localTimeOf(""));
    expect(toText(long(row) as bigint)).toBe("0");
  });

  test("time zones by name follow their summer time", () => {
    const berlin = localTimeOf("Europe/Berlin");
    expect(berlin("2024-07-01 22:30:00.25")).toBe("2024-07-02 00:30:00.25");
    expect(berlin("2024-12-31 23:30:00")).toBe("2025-01-01 00:30:00");
    expect(berlin("0000-00-00 00:00:00")).toBe("0000-00-00 00:00:00");
    expect(localTimeOf("-05:30")("2024-03-01 02:00:00")).toBe("2024-02-29 20:30:00");
  });
});

describe("row filters", () => {
  const rule = {
    name: "e1",
    schema: "shop",
    table: "ord",
    insertValueExpr: "",
    updateOldValueExpr: "",
    updateNewValueExpr: "",
    deleteValueExpr: "",
  };
  const filterOf = (change: Partial<typeof rule>) =>
    createExpressionFilter([{ ...rule, ...change }], { caseSensitive: false, timezone: "" }).forTable({
      ...table,
      columns: [column("a", { name: "int" })],
    });

  test("leave out rows whose expression is true, not those where it is unknown", () => {
    const filter = filterOf({ insertValueExpr: "a > 5" });
    expect(filter?.keepRow("insert", null, [6])).toBe(false);
    expect(filter?.keepRow("insert", null, [5])).toBe(true);
    expect(filter?.keepRow("insert", null, [null])).toBe(true);
    expect(filter?.keepRow("delete", [6], null)).toBe(true);
    expect(filter?.keepRow("update", [6], [6])).toBe(true);
  });

  test("an update is left out when both sides are true; a side that is not written is", () => {
    const both = filterOf({ updateOldValueExpr: "a = 1", updateNewValueExpr: "a = 2" });
    expect(both?.keepRow("update", [1], [2])).toBe(false);
    expect(both?.keepRow("update", [1], [3])).toBe(true);
    const newOnly = filterOf({ updateNewValueExpr: "a = 2" });
    expect(newOnly?.keepRow("update", [9], [2])).toBe(false);
    expect(filterOf({ deleteValueExpr: "a = 1" })?.keepRow("delete", [1], null)).toBe(false);
  });

  test("no rule for a table is no filter; case of names is ignored unless asked", () => {
    const create = (caseSensitive: boolean) =>
      createExpressionFilter([{ ...rule, schema: "SHOP", deleteValueExpr: "id = 1" }], { caseSensitive, timezone: "" });
    expect(create(false).forTable(table)).not.toBeNull();
    expect(create(true).forTable(table)).toBeNull();
  });

  test("what is wrong is 20041, grammar at once and columns when the table is known", () => {
    expect(() => createExpressionFilter([{ ...rule, insertValueExpr: "a >" }], { caseSensitive: false, timezone: "" })).toThrow(
      /code=20041.*e1.*too early/,
    );
    expect(() => filterOf({ insertValueExpr: "b > 1" })).toThrow(/code=20041.*unknown column `b`/);
    expect(truth(null)).toBeNull();
  });
});
