/** DDL statements by chance, about tables that exist: most of them make sense, some a server refuses. */
import type { Random } from "@skein/base";
import type { TableDefinition } from "../core/table.ts";
import type { ServerFlavor } from "../ddl/core/lexer.ts";

const shared: readonly (readonly [type: string, ...defaults: string[]])[] = [
  ["int", "5", "'-6'", "null"],
  ["int unsigned", "7"],
  ["tinyint(1)", "true", "0"],
  ["smallint", "3"],
  ["bigint(20) unsigned", "18446744073709551615"],
  ["decimal(10,3)", "1.5", "-0.0004"],
  ["numeric(6)", "12.5"],
  ["double", "0.25"],
  ["float", "1e3"],
  ["bit(5)", "b'101'"],
  ["char(7)", "'x'", "''"],
  ["varchar(20)", "'it''s'", "'5'"],
  ["varchar(300)", "'long'"],
  ["text"],
  ["mediumtext"],
  ["blob"],
  ["varbinary(12)", "'abc'"],
  ["binary(3)", "'a'"],
  ["date", "'2020-02-29'"],
  ["datetime(3)", "current_timestamp(3)", "'2020-01-01 00:00:00'"],
  ["timestamp", "current_timestamp", "null"],
  ["time", "'10:11'"],
  ["year", "2024"],
  ["enum('a','b','c')", "'b'"],
  ["set('p','q')", "'q,p'"],
  ["json"],
];
const collations = [" charset latin1", " collate utf8mb4_bin", " charset utf8mb3", " character set ascii collate ascii_bin", ""];

function column(random: Random, name: string): string {
  const [type, ...defaults] = random.pick(shared);
  let text = `\`${name}\` ${type}`;
  if (/char|text|enum|set\(/.test(type) && random.chance(0.3)) text += random.pick(collations);
  const value = defaults.length > 0 && random.chance(0.5) ? random.pick(defaults) : undefined;
  if (random.chance(0.3)) text += value === "null" ? " null" : " not null";
  if (value !== undefined) text += ` default ${value}`;
  if (random.chance(0.1)) text += ` comment 'c${random.below(100)}'`;
  return text;
}

const newName = (random: Random, prefix: string) => `${prefix}${random.below(40)}`;

export function randomStatement(random: Random, tables: readonly TableDefinition[], flavor: ServerFlavor): string {
  if (tables.length < 2 || random.chance(0.08)) return createTable(random, tables);
  const table = random.pick(tables);
  const name = `\`${table.name}\``;
  if (random.chance(0.05)) return `rename table ${name} to ${newName(random, "t")}`;
  if (random.chance(0.03)) return `drop table ${name}`;
  if (random.chance(0.05))
    return `create ${random.chance(0.3) ? "unique " : ""}index ${newName(random, "i")} on ${name} (${parts(random, table)})`;
  if (random.chance(0.03)) return `create table ${newName(random, "t")} like ${name}`;
  const changes = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => change(random, table, tables, flavor));
  // Servers differ in what two charsets in one statement mean; nobody writes that.
  const charsets = changes.filter((one) => /^(?:convert|default)/.test(one));
  const list = changes.filter((one) => !charsets.includes(one) || one === charsets[0]);
  return `alter table ${name} ${list.join(", ")}`;
}

function createTable(random: Random, tables: readonly TableDefinition[]): string {
  const columns = Array.from({ length: random.between(1, 6) }, (_, index) => column(random, `c${index}`));
  const rest: string[] = [];
  if (random.chance(0.7)) columns.unshift(random.chance(0.5) ? "id int primary key" : "id bigint unsigned not null auto_increment unique");
  if (random.chance(0.5))
    rest.push(
      "key (c0)".replace(
        "c0",
        columns.length > 1 && /int|date/.test(columns[1] as string) ? ((columns[1] as string).split("`")[1] ?? "id") : "id",
      ),
    );
  if (random.chance(0.2)) rest.push("check (id > 0)");
  const parents = tables.filter((table) => table.columns[0]?.name === "id" && table.columns[0].type.name === "int");
  if (parents.length > 0 && random.chance(0.3)) {
    columns.push("parent int");
    rest.push(`foreign key (parent) references \`${random.pick(parents).name}\` (id)${random.chance(0.5) ? " on delete cascade" : ""}`);
  }
  const options = random.pick([
    "",
    " charset=latin1",
    " default character set utf8mb4 collate utf8mb4_bin",
    " comment='t'",
    " engine=innodb",
  ]);
  return `create table ${newName(random, "t")} (${[...columns, ...rest].join(", ")})${options}`;
}

function parts(random: Random, table: TableDefinition): string {
  const chosen = Array.from({ length: random.pick([1, 1, 2, 3]) }, () => random.pick(table.columns));
  return [...new Set(chosen)]
    .map((one) => {
      const needs = /text$|blob$/.test(one.type.name);
      const can = needs || (/char$|binary$/.test(one.type.name) && (one.type.length ?? 0) > 4);
      return `\`${one.name}\`${needs || (can && random.chance(0.5)) ? `(${random.between(1, 4)})` : ""}${random.chance(0.15) ? " desc" : ""}`;
    })
    .join(", ");
}

function change(random: Random, table: TableDefinition, tables: readonly TableDefinition[], flavor: ServerFlavor): string {
  const one = random.pick(table.columns);
  const quoted = `\`${one.name}\``;
  const where = () => (random.chance(0.4) ? random.pick([" first", ` after \`${random.pick(table.columns).name}\``]) : "");
  const choice = random.below(100);
  if (choice < 20) return `add column ${column(random, newName(random, "c"))}${where()}`;
  if (choice < 30) return `drop column ${quoted}`;
  if (choice < 42) return `modify ${column(random, one.name)}${where()}`;
  if (choice < 50) return `change ${quoted} ${column(random, newName(random, "c"))}${where()}`;
  if (choice < 56) return `rename column ${quoted} to ${newName(random, "c")}`;
  if (choice < 60)
    return `alter ${quoted} ${random.pick(["drop default", "set default 3", "set default '2020-01-01'", "set default null"])}`;
  if (choice < 70)
    return `add ${random.pick(["key", "index", "unique", "unique key"])} ${random.chance(0.5) ? newName(random, "i") : ""} (${parts(random, table)})`;
  if (choice < 76 && table.indexes.length > 0) {
    const index = random.pick(table.indexes);
    return index.kind === "primary" ? "drop primary key" : `drop index \`${index.name}\``;
  }
  if (choice < 79 && table.indexes.length > 0) return `rename index \`${random.pick(table.indexes).name}\` to ${newName(random, "i")}`;
  if (choice < 82) return `add primary key (${parts(random, table)})`;
  if (choice < 85) return `convert to character set ${random.pick(["latin1", "utf8mb4", "utf8mb3", "utf8mb4 collate utf8mb4_unicode_ci"])}`;
  if (choice < 88) return `default charset ${random.pick(["latin1", "utf8mb4", "ascii"])}`;
  if (choice < 90) return `comment 'n${random.below(9)}'`;
  if (choice < 93) return `add check (${quoted} is not null)`;
  if (choice < 95 && table.checks.length > 0) return `drop constraint \`${random.pick(table.checks).name}\``;
  if (choice < 97)
    return `add column ${newName(random, "g")} int generated always as (${one.type.name === "int" ? `${quoted} + 1` : "1"}) ${random.pick(["virtual", "stored"])}`;
  if (table.foreignKeys.length > 0) return `drop foreign key \`${random.pick(table.foreignKeys).name}\``;
  const parents = tables.filter((other) => other.columns[0]?.name === "id" && other.columns[0].type.name === "int");
  if (parents.length > 0 && one.type.name === "int") return `add foreign key (${quoted}) references \`${random.pick(parents).name}\` (id)`;
  return flavor === "mariadb" ? `add column if not exists ${column(random, newName(random, "c"))}` : "engine=innodb";
}
