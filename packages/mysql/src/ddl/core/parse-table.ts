/** CREATE TABLE, and the parts that ALTER TABLE and CREATE INDEX share with it: keys, constraints, table options. */
import type {
  CheckSpec,
  ColumnSpec,
  CreateTable,
  ForeignKeySpec,
  IndexPartSpec,
  IndexSpec,
  PeriodSpec,
  TableName,
  TableOption,
} from "./ast.ts";
import { tokenSql } from "./lexer.ts";
import { parseCheckBody, parseColumn, parseReferences } from "./parse-column.ts";
import type { TokenCursor } from "./token-cursor.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export type TableElement =
  | { readonly kind: "column"; readonly column: ColumnSpec }
  | { readonly kind: "index"; readonly index: IndexSpec; readonly constraintName?: string; readonly ifNotExists?: true }
  | { readonly kind: "foreignKey"; readonly foreignKey: ForeignKeySpec; readonly ifNotExists?: true }
  | { readonly kind: "check"; readonly check: CheckSpec; readonly ifNotExists?: true }
  | { readonly kind: "period"; readonly period: PeriodSpec };

/** Whether the next words begin a key or a constraint rather than a column of such a name. */
function atConstraint(cursor: TokenCursor): boolean {
  const token = cursor.peek();
  if (token.kind !== "word") return false;
  const next = cursor.peek(1);
  switch (token.keyword) {
    case "CONSTRAINT":
    case "PRIMARY":
    case "UNIQUE":
    case "FULLTEXT":
    case "SPATIAL":
    case "KEY":
    case "INDEX":
    case "FOREIGN":
    case "CHECK":
      return true;
    case "VECTOR":
      return next.keyword === "INDEX" || next.keyword === "KEY";
    case "PERIOD":
      return next.keyword === "FOR";
    default:
      return false;
  }
}

export function parseElement(cursor: TokenCursor): TableElement {
  if (!atConstraint(cursor)) return { kind: "column", column: parseColumn(cursor) };
  if (cursor.eat("PERIOD", "FOR")) return { kind: "period", period: parsePeriod(cursor) };
  return parseConstraint(cursor);
}

export function parsePeriod(cursor: TokenCursor): PeriodSpec {
  const written = cursor.name("a period name");
  const name = written.toUpperCase() === "SYSTEM_TIME" ? "SYSTEM_TIME" : written;
  cursor.expect("(");
  const start = cursor.name("a column name");
  cursor.expect(",");
  const end = cursor.name("a column name");
  cursor.expect(")");
  return { name, start, end };
}

export function ifNotExists(cursor: TokenCursor): { ifNotExists?: true } {
  return cursor.eat("IF", "NOT", "EXISTS") ? { ifNotExists: true } : {};
}

export function ifExists(cursor: TokenCursor): { ifExists?: true } {
  return cursor.eat("IF", "EXISTS") ? { ifExists: true } : {};
}

function parseConstraint(cursor: TokenCursor): TableElement {
  let constraintName: string | undefined;
  let exists: { ifNotExists?: true } = {};
  if (cursor.eat("CONSTRAINT")) {
    exists = ifNotExists(cursor);
    if (!cursor.at("PRIMARY") && !cursor.at("UNIQUE") && !cursor.at("FOREIGN") && !cursor.at("CHECK")) {
      constraintName = cursor.name("a constraint name");
    }
  }
  if (cursor.eat("CHECK")) return { kind: "check", check: parseCheckBody(cursor, constraintName), ...exists };
  if (cursor.eat("FOREIGN")) {
    cursor.expect("KEY");
    if (exists.ifNotExists === undefined) exists = ifNotExists(cursor);
    const foreignKey: Mutable<ForeignKeySpec> = { columns: [], references: { table: { name: "" }, columns: [] } };
    if (constraintName !== undefined) foreignKey.name = constraintName;
    if (!cursor.at("(")) foreignKey.indexName = cursor.name("an index name");
    cursor.expect("(");
    foreignKey.columns = cursor.names("a column name");
    cursor.expect(")");
    foreignKey.references = parseReferences(cursor);
    return { kind: "foreignKey", foreignKey, ...exists };
  }
  let kind: IndexSpec["kind"];
  if (cursor.eat("PRIMARY")) {
    cursor.expect("KEY");
    kind = "primary";
  } else {
    const special = cursor.eatOneOf("UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR");
    kind = special === undefined ? "index" : (special.toLowerCase() as IndexSpec["kind"]);
    const named = cursor.eat("KEY") || cursor.eat("INDEX");
    if (special === undefined && !named) cursor.fail("expected a key or a constraint");
  }
  if (exists.ifNotExists === undefined) exists = ifNotExists(cursor);
  let name: string | undefined;
  const usingWord = cursor.at("USING") || (cursor.at("TYPE") && ["BTREE", "HASH", "RTREE"].includes(cursor.peek(1).keyword));
  if (!cursor.at("(") && !usingWord) name = cursor.name("an index name");
  const index = parseIndexBody(cursor, kind, kind === "primary" ? undefined : (name ?? constraintName));
  return { kind: "index", index, ...(constraintName === undefined ? {} : { constraintName }), ...exists };
}

/** From an index's `USING` or `(` on. */
export function parseIndexBody(cursor: TokenCursor, kind: IndexSpec["kind"], name: string | undefined): IndexSpec {
  const index: Mutable<IndexSpec> = { kind, parts: [] };
  if (name !== undefined) index.name = name;
  parseUsing(cursor, index);
  cursor.expect("(");
  const parts: IndexPartSpec[] = [];
  do {
    // MariaDB: …, period WITHOUT OVERLAPS
    if (cursor.peek(1).keyword === "WITHOUT") {
      index.withoutOverlaps = cursor.name("a period name");
      cursor.expect("WITHOUT", "OVERLAPS");
      break;
    }
    parts.push(parsePart(cursor));
  } while (cursor.eat(","));
  cursor.expect(")");
  index.parts = parts;
  indexOptions(cursor, index);
  return index;
}

function parsePart(cursor: TokenCursor): IndexPartSpec {
  let part: Mutable<IndexPartSpec>;
  if (cursor.at("(")) part = { column: null, expression: cursor.parenthesised("an expression") };
  else {
    part = { column: cursor.name("a column name") };
    if (cursor.eat("(")) {
      part.prefixLength = cursor.integer("a prefix length");
      cursor.expect(")");
    }
  }
  if (cursor.eat("DESC")) part.descending = true;
  else cursor.eat("ASC");
  return part;
}

function parseUsing(cursor: TokenCursor, index: Mutable<IndexSpec>): boolean {
  if (!cursor.eat("USING") && !cursor.eat("TYPE")) return false;
  const how = cursor.eatOneOf("BTREE", "HASH", "RTREE");
  if (how === undefined) cursor.fail("expected BTREE, HASH or RTREE");
  index.using = how.toLowerCase() as "btree" | "hash" | "rtree";
  return true;
}

function indexOptions(cursor: TokenCursor, index: Mutable<IndexSpec>): void {
  const options: string[] = [];
  for (;;) {
    const token = cursor.peek();
    if (token.kind !== "word") break;
    if (parseUsing(cursor, index)) continue;
    if (cursor.eat("COMMENT")) {
      cursor.eat("=");
      index.comment = cursor.string("a comment");
    } else if (cursor.eat("WITH", "PARSER")) options.push(`WITH PARSER ${cursor.name("a parser")}`);
    else if (cursor.eat("INVISIBLE") || cursor.eat("IGNORED")) index.invisible = true;
    else if (cursor.eat("NOT", "IGNORED") || cursor.eat("VISIBLE")) index.invisible = false;
    else if (
      ["KEY_BLOCK_SIZE", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE", "CLUSTERING", "M", "DISTANCE"].includes(token.keyword) ||
      cursor.peek(1).keyword === "="
    ) {
      cursor.take();
      cursor.eat("=");
      options.push(`${token.kind === "word" ? token.keyword : tokenSql(token)}=${cursor.scalar("a value")}`);
    } else break;
  }
  if (index.invisible === false) delete index.invisible;
  if (options.length > 0) index.options = options;
}

/** Options whose `=` may be left out; any `word = value` is taken as an option of some engine. */
const optionWords = new Set([
  "ENGINE",
  "TYPE",
  "AUTO_INCREMENT",
  "AVG_ROW_LENGTH",
  "CHECKSUM",
  "TABLE_CHECKSUM",
  "COMMENT",
  "COMPRESSION",
  "CONNECTION",
  "DELAY_KEY_WRITE",
  "ENCRYPTION",
  "ENGINE_ATTRIBUTE",
  "SECONDARY_ENGINE",
  "SECONDARY_ENGINE_ATTRIBUTE",
  "INSERT_METHOD",
  "KEY_BLOCK_SIZE",
  "MAX_ROWS",
  "MIN_ROWS",
  "PACK_KEYS",
  "PASSWORD",
  "ROW_FORMAT",
  "STATS_AUTO_RECALC",
  "STATS_PERSISTENT",
  "STATS_SAMPLE_PAGES",
  "AUTOEXTEND_SIZE",
  "TRANSACTIONAL",
  "PAGE_CHECKSUM",
  "SEQUENCE",
]);

/** Takes one table option; undefined when there is none. */
export function parseTableOption(cursor: TokenCursor): TableOption | undefined {
  const token = cursor.peek();
  if (token.kind !== "word" && token.kind !== "name") return undefined;
  const isDefault =
    token.keyword === "DEFAULT" && ["CHARACTER", "CHARSET", "CHAR", "COLLATE"].includes(cursor.peek(1).keyword)
      ? cursor.eat("DEFAULT")
      : false;
  if (cursor.eat("CHARACTER", "SET") || cursor.eat("CHAR", "SET") || cursor.eat("CHARSET")) {
    cursor.eat("=");
    return { name: "CHARACTER SET", value: cursor.nameOrString("a character set").toLowerCase() };
  }
  if (cursor.eat("COLLATE")) {
    cursor.eat("=");
    return { name: "COLLATE", value: cursor.nameOrString("a collation").toLowerCase() };
  }
  if (isDefault) cursor.fail("expected CHARACTER SET or COLLATE after DEFAULT");
  if (cursor.at("DATA", "DIRECTORY") || cursor.at("INDEX", "DIRECTORY")) {
    const name = `${cursor.take().keyword} ${cursor.take().keyword}`;
    cursor.eat("=");
    return { name, value: cursor.scalar("a path") };
  }
  if (cursor.at("UNION") && (cursor.peek(1).keyword === "=" || cursor.peek(1).keyword === "(")) {
    cursor.take();
    cursor.eat("=");
    return { name: "UNION", value: `(${cursor.parenthesised("tables")})` };
  }
  if (cursor.at("TABLESPACE") && cursor.peek(1).kind !== "end") {
    cursor.take();
    cursor.eat("=");
    return { name: "TABLESPACE", value: tokenSql(cursor.take()) };
  }
  if (cursor.at("STORAGE", "DISK") || cursor.at("STORAGE", "MEMORY")) {
    cursor.take();
    return { name: "STORAGE", value: cursor.take().keyword };
  }
  const known = token.kind === "word" && optionWords.has(token.keyword);
  if (!known && cursor.peek(1).keyword !== "=") return undefined;
  cursor.take();
  cursor.eat("=");
  const name =
    token.keyword === "TYPE"
      ? "ENGINE"
      : token.keyword === "TABLE_CHECKSUM"
        ? "CHECKSUM"
        : token.kind === "word"
          ? token.keyword
          : tokenSql(token);
  if (name === "ENGINE") return { name, value: cursor.nameOrString("an engine") };
  if (name === "COMMENT") return { name, value: cursor.string("a comment") };
  if (name === "ROW_FORMAT") return { name, value: cursor.name("a row format").toUpperCase() };
  return { name, value: cursor.scalar("a value") };
}

function atSelect(cursor: TokenCursor): boolean {
  if (["AS", "SELECT", "IGNORE", "REPLACE", "VALUES", "TABLE"].includes(cursor.peek().keyword)) return true;
  if (cursor.at("WITH") && !cursor.at("WITH", "SYSTEM")) return true;
  return cursor.at("(");
}

/** From the table's name on; `cursor` stands behind IF NOT EXISTS. */
export function parseCreateTable(cursor: TokenCursor, table: TableName, flags: { orReplace?: true; ifNotExists?: true }): CreateTable {
  const columns: ColumnSpec[] = [];
  const indexes: IndexSpec[] = [];
  const foreignKeys: ForeignKeySpec[] = [];
  const checks: CheckSpec[] = [];
  const periods: PeriodSpec[] = [];
  const options: TableOption[] = [];
  const bodyIsQuery = cursor.at("(", "SELECT") || cursor.at("(", "WITH") || cursor.at("(", "(");
  if (!bodyIsQuery && cursor.eat("(")) {
    do {
      const element = parseElement(cursor);
      if (element.kind === "column") columns.push(element.column);
      else if (element.kind === "index") indexes.push(element.index);
      else if (element.kind === "foreignKey") foreignKeys.push(element.foreignKey);
      else if (element.kind === "check") checks.push(element.check);
      else periods.push(element.period);
    } while (cursor.eat(","));
    cursor.expect(")");
  }
  const create: Mutable<CreateTable> = { kind: "createTable", table, ...flags, columns, indexes, foreignKeys, checks, options };
  if (periods.length > 0) create.periods = periods;
  while (!cursor.atEnd()) {
    if (cursor.eat(",")) continue;
    if (cursor.eat("WITH", "SYSTEM", "VERSIONING")) create.systemVersioning = true;
    // MySQL's binlog has it behind the structure of CREATE TABLE … AS SELECT; rows follow as row events.
    else if (cursor.eat("START", "TRANSACTION")) continue;
    else if (cursor.eat("PARTITION", "BY")) create.partitioning = cursor.textUntil("AS", "SELECT", "IGNORE", "REPLACE", "WITH");
    else {
      const option = parseTableOption(cursor);
      if (option !== undefined) options.push(option);
      else if (atSelect(cursor)) create.asSelect = cursor.textUntil();
      else cursor.fail("expected a table option");
    }
  }
  if (columns.length === 0 && create.asSelect === undefined) cursor.fail("a table needs a column");
  return create;
}
