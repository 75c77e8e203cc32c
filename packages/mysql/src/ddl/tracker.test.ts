import { isCodedError } from "@skein/base";
import { describe, expect, test } from "vitest";
import { ddlErrors } from "./core/errors.ts";
import { parseStatement, parseStatements } from "./core/parser.ts";
import { printStatement } from "./core/printer.ts";
import {
  createSchemaTracker,
  parseCreateTable,
  type SchemaTracker,
  type SessionFacts,
  type TrackerOptions,
} from "./core/schema-tracker.ts";
import { ddlEventTypes, mapTables, statementRenames, statementTables, withDefaultSchema } from "./core/statement-operations.ts";

function follow(tracker: SchemaTracker, flavor: "mysql" | "mariadb", sql: string, schema = "s") {
  return parseStatements(sql, { flavor }).flatMap((statement) => tracker.apply(statement, { defaultSchema: schema }));
}

const tracked = (sql: string, options: Partial<TrackerOptions> = {}) => {
  const flavor = options.flavor ?? "mysql";
  const tracker = createSchemaTracker({ flavor, ...options });
  follow(tracker, flavor, sql);
  return tracker;
};

describe("facts of a change", () => {
  test("name what was made, changed, renamed, emptied and dropped", () => {
    const tracker = createSchemaTracker({ flavor: "mysql" });
    const kinds = (sql: string) => follow(tracker, "mysql", sql).map((change) => change.kind);
    expect(kinds("create database s charset latin1")).toEqual(["schemaCreated"]);
    expect(kinds("create table a (id int primary key, v varchar(5))")).toEqual(["tableCreated"]);
    expect(kinds("alter table a add column x int")).toEqual(["tableAltered"]);
    expect(kinds("alter table a drop column x, rename to b")).toEqual(["tableAltered", "tableRenamed"]);
    expect(kinds("rename table b to c, c to d")).toEqual(["tableRenamed", "tableRenamed"]);
    expect(kinds("truncate table d; create view v as select 1; drop table d, nope")).toEqual(["tableTruncated", "tableDropped"]);
    expect(kinds("drop database s")).toEqual(["schemaDropped"]);
  });

  test("charsets come down from the schema", () => {
    const tracker = tracked("create database s charset latin1; create table a (v varchar(5), w text collate utf8mb4_bin)");
    expect(tracker.table("s", "a")?.columns.map((column) => column.type.collation)).toEqual(["latin1_swedish_ci", "utf8mb4_bin"]);
  });

  test("default collations of newer servers", () => {
    const serverDefaults = { charset: "utf8mb4", collation: "utf8mb4_uca1400_ai_ci", collations: { utf8mb4: "utf8mb4_uca1400_ai_ci" } };
    const tracker = tracked("create table s.a (v varchar(5) charset utf8mb4, w text collate uca1400_as_cs)", {
      flavor: "mariadb",
      serverDefaults,
    });
    expect(tracker.table("s", "a")?.columns.map((column) => column.type.collation)).toEqual([
      "utf8mb4_uca1400_ai_ci",
      "utf8mb4_uca1400_as_cs",
    ]);
  });

  test("what the log says of a session counts, not what the server has now", () => {
    const serverDefaults = { charset: "utf8mb4", collation: "utf8mb4_uca1400_ai_ci", collations: { utf8mb4: "utf8mb4_uca1400_ai_ci" } };
    const tracker = createSchemaTracker({ flavor: "mariadb", serverDefaults });
    tracker.setSchema({ name: "s", charset: "utf8mb4", collation: "utf8mb4_uca1400_ai_ci" });
    const collationsIn = (name: string, session: SessionFacts) => {
      const sql = `create table ${name} (v varchar(5) charset utf8mb4, w varchar(5))`;
      for (const statement of parseStatements(sql, { flavor: "mariadb" })) tracker.apply(statement, session);
      return tracker.table("s", name)?.columns.map((column) => column.type.collation);
    };
    const session = { defaultSchema: "s" };
    expect(collationsIn("a", session)).toEqual(["utf8mb4_uca1400_ai_ci", "utf8mb4_uca1400_ai_ci"]);
    expect(collationsIn("b", { ...session, collations: {} })).toEqual(["utf8mb4_general_ci", "utf8mb4_uca1400_ai_ci"]);
    expect(collationsIn("c", { ...session, collations: { utf8mb4: "utf8mb4_bin" }, schemaCollation: "utf8mb4_unicode_ci" })).toEqual([
      "utf8mb4_bin",
      "utf8mb4_unicode_ci",
    ]);
  });

  test("MySQL before 8.0.16 forgets CHECKs and names foreign keys after their index; before 9 it forgets REFERENCES of a column", () => {
    const sql =
      "create table p (id int primary key); create table c (a int check (a > 0), b int references p (id), d int, check (d > 1), foreign key k (d) references p (id))";
    const facts = (version: number) => {
      const table = tracked(sql, { version }).table("s", "c");
      return { checks: table?.checks.length, keys: table?.foreignKeys.map(({ name }) => name) };
    };
    expect(facts(80_015)).toEqual({ checks: 0, keys: ["k"] });
    expect(facts(80_016)).toEqual({ checks: 2, keys: ["c_ibfk_1"] });
    expect(facts(90_000)).toEqual({ checks: 2, keys: ["c_ibfk_1", "c_ibfk_2"] });
  });

  test("timestamps without explicit_defaults_for_timestamp", () => {
    const tracker = tracked("create table s.a (x timestamp, y timestamp, z timestamp null)", {
      serverDefaults: { explicitDefaultsForTimestamp: false },
    });
    expect(tracker.table("s", "a")?.columns.map(({ nullable, defaultSql, onUpdateSql }) => [nullable, defaultSql, onUpdateSql])).toEqual([
      [false, "CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP"],
      [false, "'0000-00-00 00:00:00'", undefined],
      [true, "NULL", undefined],
    ]);
  });

  test("foreign keys follow renames of tables and columns", () => {
    const tracker = tracked(
      "create table p (id int primary key); create table c (x int, foreign key (x) references p (id)); rename table p to other.q, c to c2; alter table other.q change id ident int",
    );
    expect(tracker.table("s", "c2")?.foreignKeys).toEqual([
      { name: "c2_ibfk_1", columns: ["x"], referencedSchema: "other", referencedTable: "q", referencedColumns: ["ident"] },
    ]);
  });

  test("names without case", () => {
    const tracker = tracked("create table S.Tab (a int); alter table s.TAB add B int; drop table S.nope", { lowerCaseTableNames: 1 });
    expect(tracker.table("S", "TAB")?.name).toBe("tab");
    expect(tracker.table("s", "tab")?.columns).toHaveLength(2);
    expect(tracked("create table s.Tab (a int)").table("s", "tab")).toBeUndefined();
  });

  test("a swap of tables as online schema changes do it", () => {
    const tracker = tracked("create table t (a int); create table _t_gho (a int, b int); rename table t to _t_del, _t_gho to t");
    expect(tracker.table("s", "t")?.columns).toHaveLength(2);
    expect(tracker.table("s", "_t_del")?.columns).toHaveLength(1);
  });
});

describe("what does not fit is refused and changes nothing", () => {
  test.each([
    ["create table a (x int)", "table s.a exists"],
    ["alter table nope add x int", "table s.nope is not known"],
    ["alter table a add column id int", "column id exists"],
    ["alter table a modify nope int", "unknown column nope"],
    ["alter table a add x int after nope", "unknown column nope in AFTER"],
    ["alter table a add key (nope)", "key column nope is not in table s.a"],
    ["alter table a add primary key (v)", "multiple primary keys"],
    ["alter table a add key k (id)", "duplicate key name k"],
    ["create table b select 1 as x", "come from a query"],
    ["rename table a to b, nope to c", "table s.nope is not known"],
    ["create table b (x int, X int)", "duplicate column"],
    ["create table b (x int, check (x > 0), constraint c check (x > 1), constraint C check (x > 2))", "duplicate check"],
  ])("%s", (sql, reason) => {
    const tracker = tracked("create table a (id int primary key, v int, key k (v))");
    const before = JSON.stringify(tracker.snapshot());
    let refused: unknown;
    try {
      follow(tracker, "mysql", sql);
    } catch (error) {
      refused = error;
    }
    expect(ddlErrors.track.is(refused)).toBe(true);
    expect(String(refused)).toContain(reason);
    expect(JSON.stringify(tracker.snapshot())).toBe(before);
  });

  test("dropping what is not there is no error, as in DM", () => {
    const tracker = tracked(
      "create table a (id int); drop table if exists b; drop table c; drop database x; create database s; alter table a drop column nope, drop key nope2",
    );
    expect(tracker.table("s", "a")?.columns).toHaveLength(1);
  });
});

test("a snapshot is JSON and brings everything back", () => {
  const tracker = tracked(
    "create database s charset gbk; create table a (id int primary key, v varchar(9) default 'x', g int as (id + 1), unique ((id + 2)), check (id > 1)) partition by hash (id) partitions 2",
  );
  const other = createSchemaTracker({ flavor: "mysql" });
  other.restore(JSON.parse(JSON.stringify(tracker.snapshot())));
  expect(other.snapshot()).toEqual(tracker.snapshot());
  expect(other.schema("s")?.charset).toBe("gbk");
});

test("partitions are followed in the text of the clause", () => {
  const tracker = tracked(
    "create table a (id int) partition by range (id) (partition p0 values less than (1), partition p1 values less than (2)); alter table a add partition (partition p2 values less than (3)); alter table a drop partition p0; alter table a reorganize partition p1, p2 into (partition px values less than (9))",
  );
  expect(tracker.table("s", "a")?.partitioning).toBe("range (id) (partition px values less than (9))");
  follow(
    tracker,
    "mysql",
    "alter table a partition by hash (id) partitions 4; alter table a coalesce partition 1; alter table a add partition partitions 5",
  );
  expect(tracker.table("s", "a")?.partitioning).toBe("hash (id) PARTITIONS 8");
});

test("parseCreateTable refuses what is no table", () => {
  for (const text of ["CREATE VIEW v AS SELECT 1", "DROP TABLE t", "CREATE TABLE t AS SELECT 1", ""]) {
    expect(() => parseCreateTable(text, { flavor: "mysql", schema: "s" })).toThrow(/code=36067/);
  }
});

describe("names in statements", () => {
  const route = (sql: string) => {
    const statement = withDefaultSchema(parseStatement(sql, { flavor: "mysql" }), "s");
    return printStatement(
      mapTables(statement, (schema, name) => ({ schema: `${schema}_x`, name: name === "" ? "" : `${name}_y` })),
      { dialect: "mysql" },
    );
  };

  test("routes reach every table of a statement", () => {
    expect(route("create table a (x int, foreign key (x) references b (id))")).toBe(
      "CREATE TABLE `s_x`.`a_y` (`x` int, FOREIGN KEY (`x`) REFERENCES `s_x`.`b_y` (`id`))",
    );
    expect(route("create table d.a like b")).toBe("CREATE TABLE `d_x`.`a_y` LIKE `s_x`.`b_y`");
    expect(route("rename table a to d.b, c to e")).toBe("RENAME TABLE `s_x`.`a_y` TO `d_x`.`b_y`, `s_x`.`c_y` TO `s_x`.`e_y`");
    expect(route("alter table d.a rename b")).toBe("ALTER TABLE `d_x`.`a_y` RENAME TO `d_x`.`b_y`");
    expect(route("alter table d.a add foreign key (x) references b (id)")).toContain("REFERENCES `d_x`.`b_y` (`id`)");
    expect(route("drop table a, d.b")).toBe("DROP TABLE `s_x`.`a_y`, `d_x`.`b_y`");
    expect(route("alter database charset latin1")).toBe("ALTER DATABASE `s_x` CHARACTER SET latin1");
    expect(route("drop schema q")).toBe("DROP DATABASE `q_x`");
  });

  test("tables and renames of a statement", () => {
    const statement = parseStatement("alter table a rename to d.b", { flavor: "mysql" });
    expect(statementTables(statement)).toEqual([{ name: "a" }, { schema: "d", name: "b" }]);
    expect(statementRenames(statement)).toEqual([{ from: { name: "a" }, to: { schema: "d", name: "b" } }]);
  });

  test("a name cannot leave its quotes", () => {
    const sql = "alter table `a``; drop table x; -- ` add `b``c` int comment 'it''s \\' -- '";
    const statement = parseStatement(sql, { flavor: "mysql" });
    const printed = printStatement(statement, { dialect: "mysql" });
    expect(parseStatements(printed, { flavor: "mysql" })).toEqual([statement]);
  });
});

test("events of a column change need the table as it was", () => {
  const before = tracked("create table a (id int, d decimal(10,4) default 1, e enum('x','y'), unique u (id))").table("s", "a");
  const events = (sql: string) => ddlEventTypes(parseStatement(sql, { flavor: "mysql" }), before).slice(1);
  expect(events("alter table a modify id smallint")).toEqual(["modify column", "value range decrease"]);
  expect(events("alter table a modify id bigint first")).toEqual(["modify column", "modify columns order"]);
  expect(events("alter table a modify d decimal(10,2) default 1")).toContain("precision decrease");
  expect(events("alter table a modify e enum('y')")).toContain("value range decrease");
  expect(events("alter table a drop index u")).toEqual(["drop index", "drop unique key"]);
  expect(events("alter table a auto_increment = 5 comment 'x'")).toEqual(["rebase auto id", "modify table comment"]);
});

describe("hostile text", () => {
  test("deep brackets cost no stack and no square of time", () => {
    const deep = 200_000;
    const sql = `create table t (a int, check (${"(".repeat(deep)}1${")".repeat(deep)}))`;
    const statement = parseStatement(sql, { flavor: "mysql" });
    expect(printStatement(statement, { dialect: "mysql" }).length).toBeGreaterThan(2 * deep);
    expect(() => parseStatement(sql.slice(0, -deep), { flavor: "mysql" })).toThrow(/code=36067/);
    const comments = `create table t (a int ${"/*!".repeat(50_000)}`;
    expect(() => parseStatement(comments, { flavor: "mariadb", version: 1 })).toThrow(/code=36067/);
    const nested = `create table t (a int /*!999999 ${"/*".repeat(deep)}${"*/".repeat(deep)} */)`;
    expect(printStatement(parseStatement(nested, { flavor: "mysql", version: 1 }), { dialect: "mysql" })).toBe(
      "CREATE TABLE `t` (`a` int)",
    );
    expect(parseStatements(";".repeat(deep), { flavor: "mysql" })).toEqual([]);
  });

  test("cut anywhere, a statement is read or refused with a code", () => {
    const sql =
      "create table `a``b` (x int(5) unsigned default -1 /*!50100 comment 'q\\'' */, y enum('a','b') charset latin1, g int as (x + 1) stored, key k (y(3) desc), constraint c foreign key (x) references p.q (id) on delete set null) engine = innodb partition by range (x) (partition p0 values less than (5)); alter table t add (z int), drop check c, change a b varchar(4) after c";
    for (const flavor of ["mysql", "mariadb"] as const) {
      for (let end = 0; end <= sql.length; end += 1) {
        try {
          parseStatements(sql.slice(0, end), { flavor });
        } catch (error) {
          expect(isCodedError(error) && error.code).toBe(36067);
        }
      }
    }
  });
});
