import { parseCreateTable } from "@skein/mysql";
import { describe, expect, test } from "vitest";
import { parseGrants } from "./grants.ts";
import { type CheckResult, detailOf, passedText, reportOf } from "./report.ts";
import { autoIncrementProblems, hasRowKey, shardProblems, tableProblems, targetProblems } from "./structure.ts";

describe("grants", () => {
  test("MariaDB's newer names count as the older ones", () => {
    const grants = parseGrants([
      "GRANT SELECT, RELOAD, BINLOG MONITOR, REPLICATION SLAVE ON *.* TO `repl1`@`%` IDENTIFIED BY PASSWORD '*0E3F627084AC4D30F4C5CE29E94187DCD60A7F21'",
    ]);
    expect(["SELECT", "RELOAD", "REPLICATION CLIENT", "REPLICATION SLAVE"].map((name) => grants.has(name))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(grants.has("PROCESS")).toBe(false);
    expect(parseGrants(["GRANT REPLICATION SLAVE ADMIN ON *.* TO `a`@`%`"]).has("REPLICATION SLAVE")).toBe(false);
  });

  test("privileges on schemas and tables do not reach further; patterns of schemas do", () => {
    const grants = parseGrants([
      "GRANT USAGE ON *.* TO `a`@`%`",
      "GRANT SELECT, LOCK TABLES ON `shop\\_1`.* TO `a`@`%`",
      "GRANT SELECT ON `log%`.* TO `a`@`%`",
      "GRANT SELECT (`id`, `name`), INSERT ON `hr`.`people` TO `a`@`%`",
      "GRANT EXECUTE ON PROCEDURE `hr`.`p` TO `a`@`%`",
      "GRANT `role`@`%` TO `a`@`%`",
      "SET DEFAULT ROLE `r` FOR `a`@`%`",
    ]);
    expect(grants.has("SELECT")).toBe(false);
    expect(grants.has("SELECT", "shop_1", "t")).toBe(true);
    expect(grants.has("SELECT", "shopx1", "t")).toBe(false);
    expect(grants.has("SELECT", "log2024", "t")).toBe(true);
    expect(grants.has("SELECT", "hr", "people")).toBe(false);
    expect(grants.has("INSERT", "hr", "people")).toBe(true);
    expect(grants.has("INSERT", "hr")).toBe(false);
  });

  test("ALL PRIVILEGES is everything; a partial revoke takes a schema out", () => {
    const all = parseGrants([
      "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION",
      "REVOKE SELECT ON `secret`.* FROM `root`@`localhost`",
    ]);
    expect(all.has("REPLICATION SLAVE")).toBe(true);
    expect(all.has("SELECT", "shop", "t")).toBe(true);
    expect(all.has("SELECT", "secret", "t")).toBe(false);
  });
});

describe("structures", () => {
  const table = (sql: string, schema = "shop") => parseCreateTable(sql, { schema, flavor: "mariadb" });
  const plain = table(
    "CREATE TABLE `t` (`id` int NOT NULL AUTO_INCREMENT, `v` varchar(10) DEFAULT NULL, PRIMARY KEY (`id`)) DEFAULT CHARSET=utf8mb4",
  );
  const target = { schema: "shop", table: "t" };

  test("a row key is a primary key, or a unique key without NULL and prefixes", () => {
    expect(hasRowKey(plain)).toBe(true);
    expect(hasRowKey(table("CREATE TABLE t (a int NOT NULL, UNIQUE KEY k (a))"))).toBe(true);
    expect(hasRowKey(table("CREATE TABLE t (a int DEFAULT NULL, UNIQUE KEY k (a))"))).toBe(false);
    expect(hasRowKey(table("CREATE TABLE t (a varchar(99) NOT NULL, UNIQUE KEY k (a(5)))"))).toBe(false);
    expect(tableProblems(table("CREATE TABLE nopk (a int)"), new Set())).toEqual([
      { severity: "warn", short_error: "table `shop`.`nopk` primary/unique key does not exist" },
    ]);
  });

  test("charsets that the target does not know are told", () => {
    const gb = table("CREATE TABLE t (a varchar(9) NOT NULL PRIMARY KEY) DEFAULT CHARSET=gb18030");
    expect(tableProblems(gb, new Set(["utf8mb4"]))[0]?.short_error).toContain("gb18030");
    expect(tableProblems(gb, new Set(["gb18030"]))).toEqual([]);
  });

  test("what is in the target already is compared", () => {
    expect(targetProblems(plain, plain, target, [])).toEqual([]);
    expect(targetProblems(plain, null, target, [])).toEqual([]);
    const narrow = table("CREATE TABLE t (id int NOT NULL, w int NOT NULL, KEY (id)) DEFAULT CHARSET=utf8mb4");
    expect(targetProblems(plain, narrow, target, []).map(({ severity, short_error }) => `${severity}: ${short_error}`)).toEqual([
      "warn: column `v` of `shop`.`t` is not in `shop`.`t`",
      "warn: column `w` of `shop`.`t` has no default, and is not in `shop`.`t`",
      "warn: key (id) of `shop`.`t` is not a primary/unique key of `shop`.`t`",
    ]);
    const latin = table("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v varchar(10)) DEFAULT CHARSET=latin1");
    expect(targetProblems(plain, latin, target, [])[0]?.short_error).toContain("charset");
  });

  test("columns that routes extract must be there, and hold strings", () => {
    expect(targetProblems(plain, null, target, ["c"])[0]).toMatchObject({ severity: "fail" });
    expect(targetProblems(plain, plain, target, ["c"])[0]?.short_error).toContain("lacks the extracted column `c`");
    const wide = table("CREATE TABLE t (id int NOT NULL, v varchar(10), c int, PRIMARY KEY (id, c)) DEFAULT CHARSET=utf8mb4");
    expect(targetProblems(plain, wide, target, ["c"])[0]?.short_error).toContain("not a string");
  });

  test("tables that are merged must be alike, or joinable", () => {
    const more = table(
      "CREATE TABLE t2 (id int(20) NOT NULL AUTO_INCREMENT, v varchar(10), w int, PRIMARY KEY (id)) DEFAULT CHARSET=utf8mb4",
    );
    const other = table("CREATE TABLE t3 (id varchar(5) NOT NULL, v varchar(10), PRIMARY KEY (id)) DEFAULT CHARSET=utf8mb4");
    expect(shardProblems([plain, plain], "pessimistic")).toEqual([]);
    expect(shardProblems([plain, more], "pessimistic")[0]?.short_error).toBe("column length mismatch (self: 2 vs other: 3)");
    expect(shardProblems([plain, more], "optimistic")).toEqual([]);
    expect(shardProblems([plain, other], "optimistic")[0]?.short_error).toContain("`id` cannot be joined");
    expect(autoIncrementProblems([plain, more])).toHaveLength(2);
    expect(autoIncrementProblems([plain])).toEqual([]);
  });
});

describe("the report", () => {
  const result = (id: number, state: CheckResult["state"]): CheckResult => ({ id, name: `n${id}`, desc: "d", state });
  const results = [result(0, "success"), result(1, "warn"), result(2, "fail"), result(3, "warn")];

  test("counts all, lists what is not a success, and cuts the lists", () => {
    const report = reportOf(results, { errorsMax: 10, warningsMax: 1 });
    expect(report.results.map(({ id }) => id)).toEqual([2, 1]);
    expect(report.summary).toEqual({ passed: false, total: 4, successful: 1, failed: 1, warning: 2 });
    expect(reportOf(results, { errorsMax: 0, warningsMax: 0 }).results).toEqual([]);
  });

  test("prints the forms that scripts know", () => {
    expect(passedText(reportOf([], { errorsMax: 1, warningsMax: 1 }))).toBe("");
    expect(passedText(reportOf([result(0, "success")], { errorsMax: 1, warningsMax: 1 }))).toBe("pre-check is passed. ");
    const warned = reportOf([result(0, "warn")], { errorsMax: 1, warningsMax: 1 });
    expect(passedText(warned)).toMatch(
      /^fail to check synchronization configuration with type: no errors but some warnings\n {4}\tdetail: \{\n\t\t"results": \[/,
    );
    expect(detailOf(warned).endsWith("\n\t}")).toBe(true);
  });
});
