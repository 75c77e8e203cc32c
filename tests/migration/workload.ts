/**
 * Random schemas and random work on them, from a seed: all column types, keys of every kind, DDL in between, key changes,
 * large transactions, rollbacks and savepoints. A statement that the server refuses (a duplicate key, say) is part of the
 * work: what counts is that source and target are equal at the end.
 */
import type { Random } from "@skein/base";

export type Flavor = "mariadb" | "mysql";

export interface WorkloadOptions {
  readonly random: Random;
  readonly flavor: Flavor;
  readonly schemas: readonly string[];
  readonly tablesPerSchema: number;
  /** Rows that a table starts with, drawn up to this count. */
  readonly initialRowsMax: number;
  /** DDL is part of the work. */
  readonly ddl: boolean;
}

export interface Transaction {
  readonly kind: "dml" | "rollback" | "ddl";
  readonly statements: readonly string[];
}

interface Column {
  readonly name: string;
  readonly sql: string;
  readonly value: (random: Random) => string;
  readonly nullable: boolean;
  readonly generated?: boolean;
}

interface Table {
  readonly schema: string;
  name: string;
  columns: Column[];
  /** Names of key columns with values that are drawn from a small space, so that keys collide and rows are hit again. */
  readonly keys: readonly (readonly string[])[];
  nextColumn: number;
  readonly indexes: string[];
}

const quote = (name: string) => `\`${name.replaceAll("`", "``")}\``;
const text = (value: string) => `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
const hex = (bytes: Uint8Array) => (bytes.length === 0 ? "''" : `x'${Buffer.from(bytes).toString("hex")}'`);

const words = [
  "",
  "a",
  "A",
  "ä",
  "straße",
  "日本語",
  "数据迁移",
  "naïve café",
  "it's",
  'say "x"',
  "back\\slash",
  "tab\there",
  "new\nline",
  "trailing  ",
  "🦢 skein",
  "%_%",
  "\u0000nul",
  "NULL",
  "0",
];
const latin1Words = ["", "a", "café", "Ünïcödé", "it's", "£100", "ÿ"];
const gbkWords = ["", "中文", "数据", "誠", "a\\b", "運", "汉字\\"];

function whole(min: bigint, max: bigint) {
  return (random: Random): string => {
    const fate = random.float();
    if (fate < 0.05) return String(min);
    if (fate < 0.1) return String(max);
    if (fate < 0.15) return "0";
    return String(min + (((BigInt(random.u32()) << 32n) | BigInt(random.u32())) % (max - min + 1n)));
  };
}
const pad = (value: number, width = 2) => String(value).padStart(width, "0");
const date = (random: Random) => `${pad(random.between(1000, 9999), 4)}-${pad(random.between(1, 12))}-${pad(random.between(1, 28))}`;
const clockTime = (random: Random, digits: number) =>
  `${pad(random.below(24))}:${pad(random.below(60))}:${pad(random.below(60))}${digits === 0 ? "" : `.${pad(random.below(10 ** digits), digits)}`}`;

/** A column type with what may stand in it; `null` where the flavor has no such type. */
type TypeMaker = (random: Random, flavor: Flavor) => { sql: string; value: (random: Random) => string } | null;

const types: readonly TypeMaker[] = [
  (random) => ({ sql: `tinyint${random.chance(0.5) ? "(1)" : ""}`, value: whole(-128n, 127n) }),
  () => ({ sql: "tinyint unsigned", value: whole(0n, 255n) }),
  () => ({ sql: "smallint", value: whole(-32768n, 32767n) }),
  () => ({ sql: "mediumint unsigned", value: whole(0n, 16777215n) }),
  () => ({ sql: "mediumint", value: whole(-8388608n, 8388607n) }),
  () => ({ sql: "int", value: whole(-2147483648n, 2147483647n) }),
  () => ({ sql: "int unsigned", value: whole(0n, 4294967295n) }),
  () => ({ sql: "bigint", value: whole(-(2n ** 63n), 2n ** 63n - 1n) }),
  () => ({ sql: "bigint unsigned", value: whole(0n, 2n ** 64n - 1n) }),
  (random) => {
    const decimals = random.below(11);
    const digits = random.between(Math.max(1, decimals), 40);
    const make = (r: Random) => {
      const body = Array.from({ length: digits }, () => r.below(10)).join("");
      const point = digits - decimals;
      return `${r.chance(0.4) ? "-" : ""}${body.slice(0, point) || "0"}${decimals === 0 ? "" : `.${body.slice(point)}`}`;
    };
    return { sql: `decimal(${digits},${decimals})`, value: make };
  },
  () => ({ sql: "double", value: (r) => (r.chance(0.2) ? "0" : `${(r.float() - 0.5) * 10 ** r.between(-30, 30)}`) }),
  () => ({ sql: "float", value: (r) => `${Math.fround((r.float() - 0.5) * 10 ** r.between(-6, 6))}` }),
  (random) => {
    const bits = random.between(1, 64);
    return { sql: `bit(${bits})`, value: (r) => String(((BigInt(r.u32()) << 32n) | BigInt(r.u32())) & (2n ** BigInt(bits) - 1n)) };
  },
  () => ({ sql: "date", value: (r) => (r.chance(0.1) ? "'0000-00-00'" : `'${date(r)}'`) }),
  (random) => {
    const digits = random.pick([0, 3, 6]);
    return { sql: `datetime(${digits})`, value: (r) => (r.chance(0.1) ? "'0000-00-00 00:00:00'" : `'${date(r)} ${clockTime(r, digits)}'`) };
  },
  (random) => {
    const digits = random.pick([0, 2, 6]);
    return {
      sql: `timestamp(${digits}) NULL DEFAULT NULL`,
      value: (r) => `'${r.between(1971, 2037)}-${pad(r.between(1, 12))}-${pad(r.between(4, 28))} ${clockTime(r, digits)}'`,
    };
  },
  (random) => {
    const digits = random.pick([0, 1, 6]);
    return {
      sql: `time(${digits})`,
      value: (r) =>
        `'${r.chance(0.3) ? "-" : ""}${r.below(838)}:${pad(r.below(60))}:${pad(r.below(60))}${digits === 0 ? "" : `.${pad(r.below(10 ** digits), digits)}`}'`,
    };
  },
  () => ({ sql: "year", value: (r) => (r.chance(0.1) ? "0" : String(r.between(1901, 2155))) }),
  (random) => ({ sql: `varchar(${random.between(20, 200)}) CHARACTER SET utf8mb4`, value: (r) => text(r.pick(words)) }),
  () => ({ sql: "char(30) CHARACTER SET utf8mb4", value: (r) => text(r.pick(words).trimEnd()) }),
  () => ({ sql: "varchar(60) CHARACTER SET latin1", value: (r) => text(r.pick(latin1Words)) }),
  () => ({ sql: "varchar(60) CHARACTER SET gbk", value: (r) => text(r.pick(gbkWords)) }),
  () => ({
    sql: "text CHARACTER SET utf8mb4",
    value: (r) => (r.chance(0.1) ? `repeat(${text(r.pick(words))}, ${r.below(300)})` : text(r.pick(words))),
  }),
  () => ({ sql: "mediumtext CHARACTER SET latin1", value: (r) => text(r.pick(latin1Words)) }),
  (random) => ({ sql: `binary(${random.between(1, 30)})`, value: (r) => hex(r.bytes(1)) }),
  () => ({ sql: "varbinary(80)", value: (r) => hex(r.bytes(r.below(80))) }),
  () => ({ sql: "blob", value: (r) => hex(r.bytes(r.below(200))) }),
  () => ({ sql: "longblob", value: (r) => (r.chance(0.1) ? `repeat(${hex(r.bytes(8))}, ${r.below(2000)})` : hex(r.bytes(r.below(30)))) }),
  () => ({ sql: "enum('small','Größe','l,arge','it''s') CHARACTER SET utf8mb4", value: (r) => String(r.between(1, 4)) }),
  () => ({ sql: "set('a','b','ç','d') CHARACTER SET utf8mb4", value: (r) => String(r.below(16)) }),
  (_random, flavor) => ({
    sql: "json",
    value: (r) => {
      const value = {
        n: r.below(1_000_000),
        f: 0.25,
        t: r.pick(words).replaceAll("\u0000", ""),
        b: r.chance(0.5),
        z: null,
        a: [1, "two", { three: [] }],
      };
      // Dates and decimals inside a document arrive as what their text says: a trailing zero, as of 1.50, would not.
      return flavor === "mysql" && r.chance(0.2)
        ? `json_object('d', cast('${date(r)}' as date), 'x', cast(1.25 as decimal(5,2)))`
        : text(JSON.stringify(value));
    },
  }),
  () => ({ sql: "point", value: (r) => `st_geomfromtext('POINT(${r.below(90)} ${r.below(90)})')` }),
  () => ({ sql: "geometry", value: (r) => `st_geomfromtext('LINESTRING(0 0,${r.below(90)} 1,2 ${r.below(90)})')` }),
  (_random, flavor) => (flavor === "mariadb" ? { sql: "uuid", value: (r) => `'${uuid(r)}'` } : null),
  (_random, flavor) => (flavor === "mariadb" ? { sql: "inet6", value: (r) => `'2001:db8::${r.below(65535).toString(16)}'` } : null),
];

function uuid(random: Random): string {
  const digits = Buffer.from(random.bytes(16)).toString("hex");
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20)}`;
}

const keySpace = 400;
const keyTypes: readonly { sql: string; value: (random: Random) => string }[] = [
  { sql: "int NOT NULL", value: (r) => String(r.below(keySpace)) },
  { sql: "bigint unsigned NOT NULL", value: (r) => String(18446744073709551615n - BigInt(r.below(keySpace))) },
  { sql: "varchar(40) CHARACTER SET utf8mb4 NOT NULL", value: (r) => text(`${r.pick(["k", "K", "schlüssel", "鍵"])}${r.below(keySpace)}`) },
  { sql: "varchar(40) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL", value: (r) => text(`é${r.below(keySpace)}`) },
  { sql: "decimal(20,4) NOT NULL", value: (r) => `${r.below(keySpace)}.${pad(r.below(2) * 2500, 4)}` },
  { sql: "datetime(3) NOT NULL", value: (r) => `'2024-02-${pad(r.between(1, 28))} 00:00:${pad(r.below(60))}.${pad(r.below(10), 3)}'` },
  { sql: "binary(8) NOT NULL", value: (r) => hex(new Uint8Array([0, r.below(keySpace) & 255, 255, r.below(2)])) },
];

export class Workload {
  readonly #options: WorkloadOptions;
  readonly #random: Random;
  readonly #tables: Table[] = [];
  #nextTable = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#random = options.random;
  }

  /** Creates databases, tables and their first rows. */
  setup(): string[] {
    const statements = this.#options.schemas.map((schema) => `CREATE DATABASE ${quote(schema)} CHARACTER SET utf8mb4`);
    for (const schema of this.#options.schemas)
      for (let i = 0; i < this.#options.tablesPerSchema; i++) {
        const { table, create } = this.#newTable(schema);
        statements.push(create);
        const rows = this.#random.below(this.#options.initialRowsMax + 1);
        for (let done = 0; done < rows; done += 50) statements.push(this.#insert(table, Math.min(50, rows - done), "INSERT IGNORE"));
      }
    return statements;
  }

  /** The next piece of work. Statements belong to one transaction; a rollback's changes must not arrive. */
  next(): Transaction {
    const random = this.#random;
    if (this.#options.ddl && random.chance(0.08)) return { kind: "ddl", statements: [this.#ddl()] };
    const count = random.chance(0.05) ? random.between(50, 200) : random.between(1, 8);
    const statements = ["BEGIN"];
    for (let i = 0; i < count; i++) {
      const table = random.pick(this.#tables);
      if (random.chance(0.05)) statements.push("SAVEPOINT s1", this.#dml(table), "ROLLBACK TO SAVEPOINT s1");
      else statements.push(this.#dml(table));
    }
    const rollback = random.chance(0.1);
    statements.push(rollback ? "ROLLBACK" : "COMMIT");
    return { kind: rollback ? "rollback" : "dml", statements };
  }

  #newTable(schema: string): { table: Table; create: string } {
    const random = this.#random;
    const name = `${random.pick(["orders", "Ünits", "we`ird", "log entries", "t"])}_${this.#nextTable++}`;
    const columns: Column[] = [];
    const definitions: string[] = [];
    const keys: string[][] = [];
    const addKey = () => {
      const type = random.pick(keyTypes);
      const column = { name: `k${columns.length}`, sql: type.sql, value: type.value, nullable: false };
      columns.push(column);
      definitions.push(`${quote(column.name)} ${column.sql}`);
      return column.name;
    };
    const shape = random.float();
    const constraints: string[] = [];
    if (shape < 0.3) {
      columns.push({ name: "id", sql: "int", value: (r) => (r.chance(0.7) ? "NULL" : String(r.between(1, keySpace))), nullable: false });
      definitions.push("`id` int NOT NULL AUTO_INCREMENT");
      constraints.push("PRIMARY KEY (`id`)");
      keys.push(["id"]);
    } else if (shape < 0.6) {
      const key = Array.from({ length: random.between(1, 3) }, addKey);
      constraints.push(`PRIMARY KEY (${key.map(quote).join(",")})`);
      keys.push(key);
    } else if (shape < 0.8) {
      const key = Array.from({ length: random.between(1, 2) }, addKey);
      constraints.push(`UNIQUE KEY \`u0\` (${key.map(quote).join(",")})`);
      keys.push(key);
    }
    const width = random.between(2, 12);
    for (let i = 0; i < width; i++) {
      const column = this.#newColumn(`c${i}`);
      columns.push(column);
      definitions.push(`${quote(column.name)} ${column.sql}`);
    }
    if (keys.length > 0 && random.chance(0.4)) {
      columns.push({ name: "uq", sql: "int", value: (r) => (r.chance(0.3) ? "NULL" : String(r.below(keySpace))), nullable: true });
      definitions.push("`uq` int NULL");
      constraints.push("UNIQUE KEY `u1` (`uq`)");
      keys.push(["uq"]);
    }
    if (random.chance(0.3)) {
      columns.push({ name: "gen", sql: "int", value: () => "DEFAULT", nullable: true, generated: true });
      definitions.push(`\`gen\` int GENERATED ALWAYS AS (char_length(${quote("note")})) ${random.chance(0.5) ? "VIRTUAL" : "STORED"}`);
      columns.push({ name: "note", sql: "varchar(100)", value: (r) => text(r.pick(words)), nullable: true });
      definitions.push("`note` varchar(100) CHARACTER SET utf8mb4 DEFAULT 'n''one'");
    }
    const table: Table = { schema, name, columns, keys, nextColumn: 100, indexes: [] };
    this.#tables.push(table);
    return {
      table,
      create: `CREATE TABLE ${quote(schema)}.${quote(name)} (${[...definitions, ...constraints].join(", ")}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
    };
  }

  #newColumn(name: string): Column {
    for (;;) {
      const type = this.#random.pick(types)(this.#random, this.#options.flavor);
      if (type === null) continue;
      const { value } = type;
      return { name, sql: type.sql, value: (random) => (random.chance(0.12) ? "NULL" : value(random)), nullable: true };
    }
  }

  #target(table: Table): string {
    return `${quote(table.schema)}.${quote(table.name)}`;
  }

  #insert(table: Table, rows: number, verb: string): string {
    const columns = table.columns.filter((column) => column.generated !== true);
    const values = Array.from({ length: rows }, () => `(${columns.map((column) => column.value(this.#random)).join(",")})`);
    return `${verb} INTO ${this.#target(table)} (${columns.map((column) => quote(column.name)).join(",")}) VALUES ${values.join(",")}`;
  }

  #where(table: Table): string {
    const key = table.keys[0]?.[0];
    const column = table.columns.find(({ name }) => name === key);
    const random = this.#random;
    if (column === undefined || random.chance(0.1))
      return random.chance(0.5) ? "1=1 LIMIT 3" : `${quote(random.pick(table.columns).name)} IS NULL LIMIT 5`;
    if (column.name === "id") return `\`id\` BETWEEN ${random.below(keySpace)} AND ${random.below(keySpace)} LIMIT 20`;
    return `${quote(column.name)} = ${column.value(random)}`;
  }

  #dml(table: Table): string {
    const random = this.#random;
    const fate = random.float();
    if (fate < 0.4) return this.#insert(table, random.between(1, 10), "INSERT IGNORE");
    if (fate < 0.48) return this.#insert(table, random.between(1, 4), "REPLACE");
    if (fate < 0.8) {
      const changed = table.columns.filter(
        (column) => column.generated !== true && column.name !== "id" && (random.chance(0.35) || table.columns.length < 3),
      );
      if (changed.length === 0) return this.#insert(table, 1, "INSERT IGNORE");
      return `UPDATE IGNORE ${this.#target(table)} SET ${changed.map((column) => `${quote(column.name)} = ${column.value(random)}`).join(", ")} WHERE ${this.#where(table)}`;
    }
    if (fate < 0.86 && table.keys[0]?.[0] === "id")
      return `UPDATE IGNORE ${this.#target(table)} SET \`id\` = \`id\` + ${random.between(1, 1000)} WHERE ${this.#where(table)}`;
    return `DELETE FROM ${this.#target(table)} WHERE ${this.#where(table)}`;
  }

  #ddl(): string {
    const random = this.#random;
    const table = random.pick(this.#tables);
    const free = table.columns.filter((column) => /^c\d+$/.test(column.name));
    const target = this.#target(table);
    const fate = random.float();
    if (fate < 0.3) {
      const column = this.#newColumn(`c${table.nextColumn++}`);
      const at = random.chance(0.5) ? table.columns.length : random.below(table.columns.length);
      const position = at === table.columns.length ? "" : at === 0 ? " FIRST" : ` AFTER ${quote((table.columns[at - 1] as Column).name)}`;
      table.columns.splice(at, 0, column);
      return `ALTER TABLE ${target} ADD COLUMN ${quote(column.name)} ${column.sql}${position}`;
    }
    if (fate < 0.42 && free.length > 2) {
      const column = random.pick(free);
      table.columns = table.columns.filter((other) => other !== column);
      return `ALTER TABLE ${target} DROP COLUMN ${quote(column.name)}`;
    }
    if (fate < 0.52 && free.length > 0) {
      const column = random.pick(free);
      const name = `c${table.nextColumn++}`;
      table.columns[table.columns.indexOf(column)] = { ...column, name };
      return `ALTER TABLE ${target} CHANGE COLUMN ${quote(column.name)} ${quote(name)} ${column.sql}`;
    }
    if (fate < 0.62) {
      const extra = [this.#newColumn(`c${table.nextColumn++}`), this.#newColumn(`c${table.nextColumn++}`)];
      table.columns.push(...extra);
      return `ALTER TABLE ${target} ${extra.map((column) => `ADD COLUMN ${quote(column.name)} ${column.sql}`).join(", ")}, COMMENT='changed; twice'`;
    }
    if (fate < 0.72) {
      const column = table.columns.find(({ sql }) => /^(int|bigint|smallint|date|datetime|varchar)/.test(sql));
      if (column !== undefined) {
        const name = `i${table.nextColumn++}`;
        table.indexes.push(name);
        return `CREATE INDEX ${quote(name)} ON ${target} (${quote(column.name)})`;
      }
    }
    if (fate < 0.77 && table.indexes.length > 0) return `ALTER TABLE ${target} DROP INDEX ${quote(table.indexes.pop() as string)}`;
    if (fate < 0.83) {
      const name = `renamed_${this.#nextTable++}`;
      table.name = name;
      return `RENAME TABLE ${target} TO ${quote(table.schema)}.${quote(name)}`;
    }
    if (fate < 0.88) return `TRUNCATE TABLE ${target}`;
    if (fate < 0.92 && this.#tables.length > 3) {
      this.#tables.splice(this.#tables.indexOf(table), 1);
      return `DROP TABLE ${target}`;
    }
    if (fate < 0.96) return this.#newTable(random.pick(this.#options.schemas)).create;
    return `ALTER TABLE ${target} DEFAULT CHARSET=${random.pick(["utf8mb4", "latin1"])}`;
  }
}
