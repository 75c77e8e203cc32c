/** Facts of tables in one plain form: from a tracked structure, and from a server's information_schema. Tests compare the two. */
import type { SqlRow } from "@skein/servers";
import type { ColumnDefinition, TableDefinition } from "../core/table.ts";
import { createLexer, type ServerFlavor, stringSql } from "../ddl/core/lexer.ts";

export interface TableFacts {
  readonly columns: readonly string[];
  /** Sorted by name. */
  readonly indexes: readonly string[];
  readonly foreignKeys: readonly string[];
  readonly checks: readonly string[];
  readonly collation: string;
  readonly comment: string;
}

/** Servers print expressions in their own way: only what no printing changes is compared. */
export function plainExpression(text: string): string {
  return text
    .toLowerCase()
    .replace(/\\'/g, "'")
    .replace(/_(?:utf8mb4|utf8mb3|latin1)\\?(?=')/g, "")
    .replace(/charset\s+utf8mb4|<>|!=/g, (found) => (found.startsWith("charset") ? "" : "<>"))
    .replaceAll('"', "'")
    .replaceAll(/\bmod\b/g, "%")
    .replaceAll(/\bnow\b/g, "current_timestamp")
    .replaceAll(/\bcurrent_date\b/g, "curdate")
    .replace(/[`\s()]/g, "");
}

export function factsOf(table: TableDefinition, flavor: ServerFlavor): TableFacts {
  return {
    columns: table.columns.map((column) => columnFact(column, flavor)),
    indexes: table.indexes
      .map((index) => {
        const parts = index.parts.map((part) => {
          if (part.column === null) return `(${plainExpression(part.expression ?? "")})${part.descending ? " desc" : ""}`;
          return `${part.column}${part.prefixLength === undefined ? "" : `(${part.prefixLength})`}${part.descending ? " desc" : ""}`;
        });
        const unique = index.kind === "unique" || index.kind === "primary";
        const kind = index.kind === "fulltext" || index.kind === "spatial" ? index.kind : unique ? "unique" : "plain";
        return `${index.name}: ${kind} ${parts.join(", ")}${index.invisible ? " invisible" : ""}`;
      })
      .sort(),
    foreignKeys: table.foreignKeys
      .map((key) => {
        const standard = flavor === "mariadb" ? "RESTRICT" : "NO ACTION";
        const to = `${key.referencedSchema ?? table.schema}.${key.referencedTable}(${key.referencedColumns.join(", ")})`;
        return `${key.name}: (${key.columns.join(", ")}) ${to} ${key.onDelete ?? standard}/${key.onUpdate ?? standard}`;
      })
      .sort(),
    checks: [
      ...table.checks.map((check) => `${check.name}: ${plainExpression(check.expression)}${check.enforced ? "" : " not enforced"}`),
      ...table.columns.flatMap((column) => (column.check === undefined ? [] : [`column: ${plainExpression(column.check)}`])),
    ].sort(),
    collation: table.collation,
    comment: table.comment ?? "",
  };
}

/** COLUMN_TYPE as the servers write it. */
export function columnTypeText(column: ColumnDefinition): string {
  const { type } = column;
  let text: string = type.name === "geometrycollection" ? "geometrycollection" : type.name;
  if (type.members !== undefined) text += `(${type.members.map((member) => `'${member.replaceAll("'", "''")}'`).join(",")})`;
  else if (type.length !== undefined) text += type.decimals === undefined ? `(${type.length})` : `(${type.length},${type.decimals})`;
  else if (type.decimals !== undefined) text += `(${type.decimals})`;
  if (type.unsigned) text += " unsigned";
  if (type.zerofill) text += " zerofill";
  return text;
}

function columnFact(column: ColumnDefinition, flavor: ServerFlavor): string {
  const bound = /^GENERATED ALWAYS AS (ROW \w+)$/.exec(column.attributes?.find((attribute) => attribute.startsWith("GENERATED")) ?? "");
  if (bound !== null) return `${column.name} ${columnTypeText(column)} not null as ${plainExpression(bound[1] as string)} stored`;
  const generated =
    column.generated === undefined
      ? ""
      : ` as ${plainExpression(column.generated.expression)} ${column.generated.stored ? "stored" : "virtual"}`;
  const extra = `${column.autoIncrement ? " auto" : ""}${column.onUpdateSql === undefined ? "" : ` on update ${column.onUpdateSql.toLowerCase()}`}${column.invisible ? " invisible" : ""}`;
  const nullable = column.nullable ? "" : " not null";
  const { defaultSql: value, type } = column;
  // MySQL's information_schema does not tell DEFAULT NULL from no default.
  const plain = value === undefined || (flavor === "mysql" && value === "NULL") ? undefined : localTime(value, type.name);
  const defaultText = plain === undefined ? "" : ` default ${isExpression(plain) ? plainExpression(plain) : plain}`;
  const collation = column.type.collation && column.type.charset !== "binary" ? ` ${column.type.charset} ${column.type.collation}` : "";
  return `${column.name} ${columnTypeText(column)}${collation}${nullable}${defaultText}${generated}${extra}${column.comment === undefined ? "" : ` -- ${column.comment}`}`;
}

function isExpression(sql: string): boolean {
  return !/^(?:'|b'|NULL$|[-0-9.])/.test(sql);
}

const text = (row: SqlRow, name: string): string => row[name] ?? "";

/** The facts of all tables of a schema. `version` as in versioned comments. */
export async function factsOfServer(
  query: (sql: string) => Promise<SqlRow[]>,
  schema: string,
  flavor: ServerFlavor,
  version: number,
): Promise<ReadonlyMap<string, TableFacts>> {
  const where = `= ${stringSql(schema)}`;
  const tables = await query(
    `select table_name as t, table_collation as c, table_comment as m from information_schema.tables where table_schema ${where} and table_type in ('BASE TABLE', 'SYSTEM VERSIONED')`,
  );
  const columns = await query(
    `select table_name as t, column_name as n, column_type as y, is_nullable as u, column_default as d, character_set_name as s, collation_name as c, extra as x, generation_expression as g, column_comment as m, data_type as dt from information_schema.columns where table_schema ${where} order by table_name, ordinal_position`,
  );
  const hidden =
    flavor === "mysql" ? ", is_visible as v, expression as e" : ", case ignored when 'YES' then 'NO' else 'YES' end as v, null as e";
  const parts = await query(
    `select table_name as t, index_name as i, non_unique as u, column_name as n, sub_part as p, collation as c, index_type as y${hidden} from information_schema.statistics where table_schema ${where} order by table_name, index_name, seq_in_index`,
  );
  const keys = await query(
    `select k.table_name as t, k.constraint_name as n, k.column_name as c, k.referenced_table_schema as rs, k.referenced_table_name as rt, k.referenced_column_name as rc, r.delete_rule as d, r.update_rule as u from information_schema.key_column_usage k join information_schema.referential_constraints r on r.constraint_schema = k.constraint_schema and r.constraint_name = k.constraint_name and r.table_name = k.table_name where k.constraint_schema ${where} order by k.table_name, k.constraint_name, k.ordinal_position`,
  );
  const hasChecks = flavor === "mariadb" || version >= 80_016;
  const checks = !hasChecks
    ? []
    : await query(
        flavor === "mysql"
          ? `select t.table_name as t, c.constraint_name as n, c.check_clause as e, t.enforced as f from information_schema.check_constraints c join information_schema.table_constraints t on t.constraint_schema = c.constraint_schema and t.constraint_name = c.constraint_name and t.constraint_type = 'CHECK' where c.constraint_schema ${where}`
          : `select table_name as t, if(level = 'Column', 'column', constraint_name) as n, check_clause as e, 'YES' as f from information_schema.check_constraints where constraint_schema ${where}`,
      );
  const result = new Map<string, TableFacts>();
  for (const table of tables) {
    const name = text(table, "t");
    const own = (row: SqlRow) => row["t"] === name;
    const indexes = Map.groupBy(parts.filter(own), (row) => text(row, "i"));
    const foreignKeys = Map.groupBy(keys.filter(own), (row) => text(row, "n"));
    result.set(name, {
      columns: columns.filter(own).map((row) => serverColumn(row, flavor, version)),
      indexes: [...indexes]
        .map(([index, rows]) => {
          const [first] = rows as [SqlRow];
          const type = text(first, "y").toLowerCase();
          const special = type === "fulltext" || type === "spatial";
          const list = rows.map((row) => {
            const descending = row["c"] === "D" ? " desc" : "";
            if (row["n"] === null) return `(${plainExpression(text(row, "e"))})${descending}`;
            return `${row["n"]}${row["p"] === null || special ? "" : `(${row["p"]})`}${descending}`;
          });
          return `${index}: ${special ? type : first["u"] === "0" ? "unique" : "plain"} ${list.join(", ")}${first["v"] === "YES" ? "" : " invisible"}`;
        })
        .sort(),
      foreignKeys: [...foreignKeys]
        .map(([key, rows]) => {
          const [first] = rows as [SqlRow];
          const to = `${first["rs"]}.${first["rt"]}(${rows.map((row) => row["rc"]).join(", ")})`;
          return `${key}: (${rows.map((row) => row["c"]).join(", ")}) ${to} ${first["d"]}/${first["u"]}`;
        })
        .sort(),
      checks: checks
        .filter(own)
        .map((row) => `${row["n"]}: ${plainExpression(text(row, "e"))}${row["f"] === "YES" ? "" : " not enforced"}`)
        .sort(),
      collation: utf8mb3(text(table, "c")),
      comment: text(table, "m"),
    });
  }
  return result;
}

function serverColumn(row: SqlRow, flavor: ServerFlavor, version: number): string {
  const extra = text(row, "x");
  const upper = extra.toUpperCase();
  const isGenerated = /VIRTUAL GENERATED|STORED GENERATED/.test(upper);
  const generated = isGenerated ? ` as ${plainExpression(text(row, "g"))} ${upper.includes("STORED") ? "stored" : "virtual"}` : "";
  const update = /on update ([a-z_]+(?:\(\d*\))?)/i.exec(extra);
  const flags = `${upper.includes("AUTO_INCREMENT") ? " auto" : ""}${update === null ? "" : ` on update ${(update[1] as string).toLowerCase()}`}${upper.includes("INVISIBLE") ? " invisible" : ""}`;
  let defaultText = "";
  if (row["d"] !== null && row["d"] !== undefined) {
    const value = row["d"];
    const isBinary = /binary|blob/.test(text(row, "y"));
    // MySQL shows bytes as 0x…, without the zeros that fill up a BINARY.
    const shown = isBinary
      ? Buffer.from(value.slice(2), "hex")
          .toString("latin1")
          .padEnd(Number(/^binary\((\d+)/.exec(text(row, "y"))?.[1] ?? 0), "\0")
      : value;
    const plain =
      flavor === "mysql"
        ? upper.includes("DEFAULT_GENERATED")
          ? value
          : value.startsWith("b'")
            ? value
            : stringSql(shown)
        : mariadbDefault(localTime(value, text(row, "dt")));
    defaultText = ` default ${isExpression(plain) ? plainExpression(plain) : plain}`;
  }
  if (isGenerated) defaultText = "";
  const columnType = withoutWidth(
    text(row, "y")
      .replace(/ \/\*.*\*\//, "")
      .replace("geomcollection", "geometrycollection"),
    flavor === "mysql" && version < 80_019,
  );
  const collation = row["c"] === null || row["c"] === "binary" ? "" : ` ${utf8mb3(text(row, "s"))} ${utf8mb3(text(row, "c"))}`;
  const comment = text(row, "m");
  return `${row["n"]} ${columnType}${collation}${row["u"] === "YES" ? "" : " not null"}${defaultText}${generated}${flags}${comment === "" ? "" : ` -- ${comment}`}`;
}

/** Older servers call it utf8, of itself and in its collations' names. */
const utf8mb3 = (name: string): string => name.replace(/^utf8(?=_|$)/, "utf8mb3");

/** MySQL before 8.0.19 shows the widths of numbers, which later ones show for TINYINT(1) and ZEROFILL only. */
function withoutWidth(type: string, isOld: boolean): string {
  if (!isOld || type === "tinyint(1)" || type.includes("zerofill")) return type;
  return type.replace(/^((?:tiny|small|medium|big)?int|year)\(\d+\)/, "$1");
}

/** From MariaDB 11.7 on LOCALTIME is CURTIME(); in a column with a date the two are one. */
function localTime(value: string, type: string): string {
  return type === "datetime" || type === "timestamp" ? value.replace(/^curtime\(/i, "current_timestamp(") : value;
}

/** MariaDB writes SQL text; strings in the one form of ours. From 11 on it shows bytes as x'…'. */
function mariadbDefault(value: string): string {
  const bytes = /^x'([0-9a-f]*)'$/i.exec(value)?.[1];
  if (bytes !== undefined) return stringSql(Buffer.from(bytes, "hex").toString("latin1"));
  return value.startsWith("'") ? stringSql(createLexer(value, { flavor: "mariadb" }).next().text) : value;
}
