import { describe, expect, test } from "vitest";
import { emptyTableFilter, type RouteRule } from "../../config/subtask-config.ts";
import { createEventFilter, unknownEvents } from "./event-filter.ts";
import { compilePattern, PatternError } from "./name-pattern.ts";
import { createOnlineTables, defaultShadowRules, defaultTrashRules, OnlineDdl } from "./online-ddl.ts";
import { createRouter } from "./router.ts";
import { createTableFilter } from "./table-filter.ts";

describe("name patterns", () => {
  test.each([
    ["shop", "shop", true],
    ["shop", "Shop", true],
    ["shop*", "shop_1", true],
    ["shop*", "shop", true],
    ["sho?", "shop", true],
    ["sho?", "sho", false],
    ["t_[0-4]", "t_3", true],
    ["t_[!0-4]", "t_3", false],
    ["t_[!0-4]", "t_9", true],
    ["a.b", "axb", false],
    ["~^ord_\\d+$", "ord_12", true],
    ["~^ord_\\d+$", "ord_x", false],
    ["~ord", "my_ORDERS", true],
  ])("%s on %s", (pattern, name, expected) => {
    expect(compilePattern(pattern, false).matches(name)).toBe(expected);
  });

  test("case counts when asked", () => {
    expect(compilePattern("Shop*", true).matches("shop_1")).toBe(false);
  });

  test.each(["a*b", "~(a+)+$", "~(a|b*)*c", "~(?=x)y", "~(a)\\1", "~([a-z]+){20}", `~${"a".repeat(2000)}`, "~["])(
    "%s is refused",
    (pattern) => {
      expect(() => compilePattern(pattern, false)).toThrow(PatternError);
    },
  );
});

describe("block-allow list", () => {
  const filter = (rules: Partial<typeof emptyTableFilter>) =>
    createTableFilter({ ...emptyTableFilter, ...rules }, { caseSensitive: false });

  test("do-dbs comes before ignore-dbs, do-tables before ignore-tables", () => {
    const both = filter({
      doDbs: ["shop*"],
      ignoreDbs: ["shop_1"],
      doTables: [{ schema: "shop*", table: "ord_*" }],
      ignoreTables: [{ schema: "shop*", table: "ord_1" }],
    });
    expect(both.schemaAllowed("shop_1")).toBe(true);
    expect(both.schemaAllowed("other")).toBe(false);
    expect(both.tableAllowed("shop_1", "ord_1")).toBe(true);
    expect(both.tableAllowed("shop_1", "cust")).toBe(false);
  });

  test("an entry without a table name is the whole schema; no list is everything but system schemas", () => {
    expect(filter({ doTables: [{ schema: "a", table: "" }] }).tableAllowed("a", "x")).toBe(true);
    expect(filter({ ignoreTables: [{ schema: "a", table: "log_*" }] }).tableAllowed("a", "log_1")).toBe(false);
    expect(filter({}).tableAllowed("a", "x")).toBe(true);
    expect(filter({ doDbs: ["*"] }).schemaAllowed("MySQL")).toBe(false);
  });
});

describe("routes", () => {
  const rule = (part: Partial<RouteRule>): RouteRule => ({
    schemaPattern: "",
    tablePattern: "",
    targetSchema: "",
    targetTable: "",
    extractTable: null,
    extractSchema: null,
    extractSource: null,
    ...part,
  });
  const router = (...rules: RouteRule[]) => createRouter(rules, { caseSensitive: false, sourceId: "replica-01" });

  test("a table rule beats a schema rule; a missing target table keeps the name", () => {
    const routes = router(
      rule({ schemaPattern: "shop*", targetSchema: "shop" }),
      rule({ schemaPattern: "shop*", tablePattern: "ord_*", targetSchema: "shop", targetTable: "ord" }),
    );
    expect(routes.route("shop_1", "ord_7")).toEqual({ schema: "shop", table: "ord", extracted: [] });
    expect(routes.route("shop_1", "cust")).toEqual({ schema: "shop", table: "cust", extracted: [] });
    expect(routes.route("other", "t")).toEqual({ schema: "other", table: "t", extracted: [] });
    expect(routes.routeSchema("shop_2")).toBe("shop");
  });

  test("two table rules on one table are 40080", () => {
    const routes = router(
      rule({ schemaPattern: "a", tablePattern: "t*", targetSchema: "x" }),
      rule({ schemaPattern: "a", tablePattern: "t1", targetSchema: "y" }),
    );
    expect(() => routes.route("a", "t1")).toThrow("[code=40080:");
  });

  test("extracts columns from table, schema and source", () => {
    const routes = router(
      rule({
        schemaPattern: "shop*",
        tablePattern: "ord_*",
        targetSchema: "shop",
        targetTable: "ord",
        extractTable: { regexp: "ord_(.*)", column: "c_table" },
        extractSchema: { regexp: "shop_(.*)", column: "c_schema" },
        extractSource: { regexp: "replica-(\\d+)", column: "c_source" },
      }),
    );
    expect(routes.route("shop_2", "ord_7").extracted).toEqual([
      { column: "c_table", value: "7" },
      { column: "c_schema", value: "2" },
      { column: "c_source", value: "01" },
    ]);
  });
});

describe("event filters", () => {
  const filter = (...rules: Parameters<typeof createEventFilter>[0]) => createEventFilter(rules, { caseSensitive: false });
  const rule = { schemaPattern: "shop", tablePattern: "*", events: [] as string[], sqlPatterns: [] as string[], action: "Ignore" as const };

  test("Ignore beats Error beats Do", () => {
    const rules = filter(
      { ...rule, events: ["all dml"], action: "Do" },
      { ...rule, events: ["delete"] },
      { ...rule, events: ["update", "delete"], action: "Error" },
    );
    expect(rules.decide({ schema: "shop", table: "t", eventType: "insert" })).toBe("do");
    expect(rules.decide({ schema: "shop", table: "t", eventType: "update" })).toBe("error");
    expect(rules.decide({ schema: "shop", table: "t", eventType: "delete" })).toBe("ignore");
    expect(rules.decide({ schema: "shop", table: "t", eventType: "drop table" })).toBe("ignore"); // Do rules allow nothing else
    expect(rules.decide({ schema: "other", table: "t", eventType: "delete" })).toBe("do");
  });

  test("SQL patterns see statements only, without regard to case", () => {
    const rules = filter({ ...rule, sqlPatterns: ["^drop\\s+table"] });
    expect(rules.decide({ schema: "shop", table: "t", eventType: "drop table", sql: "DROP  TABLE t" })).toBe("ignore");
    expect(rules.decide({ schema: "shop", table: "t", eventType: "delete" })).toBe("do");
  });

  test("groups and aliases", () => {
    const rules = filter({ ...rule, events: ["incompatible ddl changes", "Drop Schema"] });
    expect(rules.decide({ schema: "shop", table: "t", eventType: "drop column" })).toBe("ignore");
    expect(rules.decide({ schema: "shop", table: "", eventType: "drop database" })).toBe("ignore");
    expect(unknownEvents(["all dml", "eat table"])).toEqual(["eat table"]);
  });
});

describe("online DDL", () => {
  const tables = createOnlineTables(defaultShadowRules, defaultTrashRules);
  const alter = { kind: "alter", schema: "s", table: "_t_gho", sqlOnReal: "ALTER TABLE `s`.`t` ADD COLUMN `c` int" } as const;
  const swap = { kind: "rename", schema: "s", table: "_t_gho", toSchema: "s", toTable: "t", sql: "…" } as const;

  test("tells real, shadow and trash tables", () => {
    expect(tables.classify("_t_new")).toEqual({ kind: "shadow", realTable: "t" });
    expect(tables.classify("_t_del")).toEqual({ kind: "trash", realTable: "t" });
    expect(tables.classify("t_new")).toEqual({ kind: "real", realTable: "t_new" });
  });

  test("the alter of the shadow reaches the real table when they are swapped", () => {
    const online = new OnlineDdl(tables, []);
    expect(online.handle({ kind: "create", schema: "s", table: "_t_gho" })).toEqual({ kind: "nothing" });
    expect(online.handle(alter)).toMatchObject({ kind: "save" });
    expect(online.handle(alter)).toMatchObject({ kind: "save", record: { ddls: [alter.sqlOnReal] } }); // read again after a restart
    expect(online.handle({ kind: "rename", schema: "s", table: "t", toSchema: "s", toTable: "_t_del", sql: "…" })).toEqual({
      kind: "nothing",
    });
    const action = online.handle(swap);
    expect(action).toMatchObject({ kind: "execute", ddls: [alter.sqlOnReal], realTable: "t" });
    if (action.kind === "execute") online.forget(action.record);
    expect(online.records).toEqual([]);
  });

  test("what was saved outlives a restart; a swap without it is 36046", () => {
    const online = new OnlineDdl(tables, [{ ghostSchema: "s", ghostTable: "_t_gho", ddls: ["x"] }]);
    expect(online.handle(swap)).toMatchObject({ kind: "execute", ddls: ["x"] });
    expect(() => new OnlineDdl(tables, []).handle(swap)).toThrow("[code=36046:");
  });

  test("renames that make no sense are refused", () => {
    const online = new OnlineDdl(tables, []);
    expect(() => online.handle({ ...swap, table: "t", toTable: "_t_gho" })).toThrow("[code=36044:");
    expect(() => online.handle({ ...swap, toTable: "_u_new" })).toThrow("[code=36045:");
    const at = (table: string) => ({ schema: "s", table });
    const pair = (trash: string, shadow: string) => [
      { from: at("t"), to: at(trash) },
      { from: at(shadow), to: at("t") },
    ];
    expect(() => online.checkSwap(pair("_t_del", "t_copy"), "…")).toThrow("[code=20049:");
    expect(() => online.checkSwap(pair("t_before", "_t_gho"), "…")).toThrow("[code=20049:");
    online.checkSwap(pair("_t_del", "_t_gho"), "…");
    online.checkSwap(pair("t_before", "t_copy"), "…"); // by hand, without a tool
    expect(() => createOnlineTables(["^_(.+)_(new|gho)$"], [])).toThrow("[code=20048:");
  });
});
