/** Column definitions: types with their synonyms, and every attribute of MariaDB and MySQL. */
import type { TypeName } from "../../core/table.ts";
import type { CheckSpec, ColumnSpec, ReferencesSpec, TypeSpec } from "./ast.ts";
import { sqlModes, tokenSql, tokensSql } from "./lexer.ts";
import type { TokenCursor } from "./token-cursor.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** One-word types and synonyms. Those with more to them are in `parseType`. */
const simpleTypes: Record<string, TypeName> = {
  TINYINT: "tinyint",
  INT1: "tinyint",
  SMALLINT: "smallint",
  INT2: "smallint",
  MEDIUMINT: "mediumint",
  MIDDLEINT: "mediumint",
  INT3: "mediumint",
  INT: "int",
  INTEGER: "int",
  INT4: "int",
  BIGINT: "bigint",
  INT8: "bigint",
  DECIMAL: "decimal",
  DEC: "decimal",
  NUMERIC: "decimal",
  FIXED: "decimal",
  NUMBER: "decimal",
  FLOAT4: "float",
  FLOAT8: "double",
  BIT: "bit",
  DATE: "date",
  TIME: "time",
  DATETIME: "datetime",
  TIMESTAMP: "timestamp",
  YEAR: "year",
  BINARY: "binary",
  VARBINARY: "varbinary",
  TINYTEXT: "tinytext",
  MEDIUMTEXT: "mediumtext",
  LONGTEXT: "longtext",
  CLOB: "longtext",
  TINYBLOB: "tinyblob",
  MEDIUMBLOB: "mediumblob",
  LONGBLOB: "longblob",
  JSON: "json",
  GEOMETRY: "geometry",
  POINT: "point",
  LINESTRING: "linestring",
  POLYGON: "polygon",
  MULTIPOINT: "multipoint",
  MULTILINESTRING: "multilinestring",
  MULTIPOLYGON: "multipolygon",
  GEOMETRYCOLLECTION: "geometrycollection",
  GEOMCOLLECTION: "geometrycollection",
  UUID: "uuid",
  INET4: "inet4",
  INET6: "inet6",
  VECTOR: "vector",
  XMLTYPE: "xmltype",
  VARCHAR: "varchar",
  VARCHAR2: "varchar",
  VARCHARACTER: "varchar",
  NVARCHAR: "varchar",
  CHAR: "char",
  CHARACTER: "char",
  NCHAR: "char",
  TEXT: "text",
  BLOB: "blob",
  ENUM: "enum",
  SET: "set",
  RAW: "varbinary",
};

const numericTypes = new Set<TypeName>(["tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double"]);
const textTypes = new Set<TypeName>(["char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"]);

/** SERIAL is a type with attributes of its own. */
export interface ParsedType {
  readonly type: TypeSpec;
  readonly serial: boolean;
}

function parseType(cursor: TokenCursor): ParsedType {
  const first = cursor.peek();
  // A type of a schema: mariadb_schema.date, as SHOW CREATE TABLE prints under other sql_modes.
  if (cursor.at("MARIADB_SCHEMA", ".")) {
    cursor.take();
    cursor.take();
  }
  if (cursor.eat("SERIAL")) return { type: { name: "bigint", unsigned: true }, serial: true };
  if (cursor.eat("BOOL") || cursor.eat("BOOLEAN")) return { type: { name: "tinyint", length: 1 }, serial: false };
  const type = parseNamedType(cursor);
  if (type === undefined) cursor.fail("expected a column type", first);
  typeAttributes(cursor, type);
  return { type, serial: false };
}

function parseNamedType(cursor: TokenCursor): Mutable<TypeSpec> | undefined {
  if (cursor.eat("LONG")) {
    if (cursor.eat("VARBINARY")) return { name: "mediumblob" };
    if (cursor.at("CHAR", "VARYING") || cursor.at("CHARACTER", "VARYING")) {
      cursor.take();
      cursor.take();
    } else if (!cursor.eat("VARCHAR")) cursor.eat("VARCHARACTER");
    return { name: "mediumtext" };
  }
  if (cursor.eat("NATIONAL")) {
    const varying = cursor.eat("VARCHAR") || cursor.eat("VARCHARACTER");
    if (!varying && !cursor.eat("CHAR") && !cursor.eat("CHARACTER")) cursor.fail("expected CHAR or VARCHAR after NATIONAL");
    const type: Mutable<TypeSpec> = { name: varying || cursor.eat("VARYING") ? "varchar" : "char", charset: "utf8mb3" };
    oneLength(cursor, type);
    return type;
  }
  if (cursor.eat("DOUBLE")) {
    cursor.eat("PRECISION");
    const type: Mutable<TypeSpec> = { name: "double" };
    twoLengths(cursor, type);
    return type;
  }
  if (cursor.eat("REAL")) {
    const type: Mutable<TypeSpec> = { name: sqlModes(cursor.options.sqlMode ?? "").realAsFloat ? "float" : "double" };
    twoLengths(cursor, type);
    return type;
  }
  if (cursor.eat("FLOAT")) {
    const type: Mutable<TypeSpec> = { name: "float" };
    twoLengths(cursor, type);
    // FLOAT(p): the digits choose the type and are not kept.
    if (type.length !== undefined && type.decimals === undefined) {
      if (type.length > 53) cursor.fail("FLOAT takes at most 53 digits");
      const name = type.length > 24 ? "double" : "float";
      return { name };
    }
    return type;
  }
  const token = cursor.peek();
  const name = token.kind === "word" ? simpleTypes[token.keyword] : undefined;
  if (name === undefined) return undefined;
  cursor.take();
  const type: Mutable<TypeSpec> = { name };
  switch (name as string) {
    case "char":
      if (token.keyword === "NCHAR") type.charset = "utf8mb3";
      if (cursor.eat("VARYING") || (token.keyword === "NCHAR" && cursor.eat("VARCHAR"))) type.name = "varchar";
      oneLength(cursor, type);
      break;
    case "varchar":
      if (token.keyword === "NVARCHAR") type.charset = "utf8mb3";
      oneLength(cursor, type);
      if (type.length === undefined) cursor.fail("VARCHAR needs a length");
      break;
    case "varbinary":
      oneLength(cursor, type);
      if (type.length === undefined) cursor.fail("VARBINARY needs a length");
      break;
    case "enum":
    case "set":
      cursor.expect("(");
      type.members = [member(cursor)];
      while (cursor.eat(",")) type.members = [...type.members, member(cursor)];
      cursor.expect(")");
      break;
    case "decimal":
      twoLengths(cursor, type);
      break;
    case "time":
    case "datetime":
    case "timestamp":
      if (cursor.eat("(")) {
        const digits = cursor.integer("the number of fractional digits");
        if (digits > 6) cursor.fail("at most 6 fractional digits");
        cursor.expect(")");
        if (digits > 0) type.decimals = digits;
      }
      break;
    default:
      oneLength(cursor, type);
  }
  return type;
}

function member(cursor: TokenCursor): string {
  if (cursor.peek().kind === "word" && cursor.peek().text.startsWith("_")) cursor.take();
  if (cursor.peek().kind === "bits") {
    const { text } = cursor.take();
    return hexCharacters(text);
  }
  return cursor.string("a member");
}

/** `0x6162` as characters, one a byte. */
function hexCharacters(text: string): string {
  return (text.slice(2).match(/../g) ?? []).map((pair) => String.fromCharCode(Number.parseInt(pair, 16))).join("");
}

function oneLength(cursor: TokenCursor, type: Mutable<TypeSpec>): void {
  if (!cursor.eat("(")) return;
  type.length = cursor.integer("a length");
  // MariaDB's Oracle mode: VARCHAR2(10 CHAR)
  if (!cursor.eat("CHAR")) cursor.eat("BYTE");
  cursor.expect(")");
}

function twoLengths(cursor: TokenCursor, type: Mutable<TypeSpec>): void {
  if (!cursor.eat("(")) return;
  type.length = cursor.integer("a number of digits");
  if (cursor.eat(",")) type.decimals = cursor.integer("a number of digits");
  cursor.expect(")");
}

function typeAttributes(cursor: TokenCursor, type: Mutable<TypeSpec>): void {
  if (numericTypes.has(type.name)) {
    for (;;) {
      if (cursor.eat("UNSIGNED")) type.unsigned = true;
      else if (cursor.eat("ZEROFILL")) {
        type.zerofill = true;
        type.unsigned = true;
      } else if (!cursor.eat("SIGNED")) return;
    }
  }
  if (!textTypes.has(type.name)) return;
  for (;;) {
    if (cursor.eat("CHARACTER", "SET") || cursor.eat("CHAR", "SET") || cursor.eat("CHARSET"))
      charset(type, cursor.nameOrString("a character set"));
    else if (cursor.eat("ASCII")) type.charset = "latin1";
    else if (cursor.eat("UNICODE")) type.charset = "ucs2";
    else if (cursor.eat("BYTE")) charset(type, "binary");
    else if (cursor.eat("BINARY")) type.binaryCollation = true;
    else return;
  }
}

const binaryForms: Partial<Record<TypeName, TypeName>> = {
  char: "binary",
  varchar: "varbinary",
  tinytext: "tinyblob",
  text: "blob",
  mediumtext: "mediumblob",
  longtext: "longblob",
};

function charset(type: Mutable<TypeSpec>, name: string): void {
  const lower = name.toLowerCase();
  const binaryForm = lower === "binary" ? binaryForms[type.name] : undefined;
  if (binaryForm === undefined) type.charset = lower;
  else {
    type.name = binaryForm;
    delete type.charset;
  }
}

/** What can follow a column and is not an attribute of it. */
export function parseColumn(cursor: TokenCursor): ColumnSpec {
  const name = cursor.columnName();
  const { type: parsed, serial } = parseType(cursor);
  const type: Mutable<TypeSpec> = { ...parsed };
  const column: Mutable<ColumnSpec> = { name, type };
  const keys: ("primary" | "unique")[] = [];
  const checks: CheckSpec[] = [];
  const attributes: string[] = [];
  if (serial) {
    column.nullable = false;
    column.autoIncrement = true;
    keys.push("unique");
  }
  while (attribute(cursor, column, type, { keys, checks, attributes }));
  if (keys.length > 0) column.keys = [...new Set(keys)];
  if (checks.length > 0) column.checks = checks;
  if (attributes.length > 0) column.attributes = attributes;
  return column;
}

interface Lists {
  readonly keys: ("primary" | "unique")[];
  readonly checks: CheckSpec[];
  readonly attributes: string[];
}

/** Takes one attribute; false when there is none. */
function attribute(cursor: TokenCursor, column: Mutable<ColumnSpec>, type: Mutable<TypeSpec>, lists: Lists): boolean {
  const token = cursor.peek();
  if (token.kind !== "word") return false;
  switch (token.keyword) {
    case "NOT":
      cursor.take();
      if (cursor.eat("NULL")) column.nullable = false;
      else if (cursor.eat("SECONDARY")) lists.attributes.push("NOT SECONDARY");
      else cursor.fail("expected NULL after NOT");
      return true;
    case "NULL":
      cursor.take();
      column.nullable = true;
      return true;
    case "DEFAULT":
      cursor.take();
      column.defaultSql = parseDefault(cursor);
      return true;
    case "ON":
      cursor.take();
      cursor.expect("UPDATE");
      column.onUpdateSql = parseDefault(cursor);
      return true;
    case "AUTO_INCREMENT":
      cursor.take();
      column.autoIncrement = true;
      return true;
    case "SERIAL":
      cursor.take();
      cursor.expect("DEFAULT", "VALUE");
      column.nullable = false;
      column.autoIncrement = true;
      lists.keys.push("unique");
      return true;
    case "UNIQUE":
      cursor.take();
      cursor.eat("KEY");
      lists.keys.push("unique");
      return true;
    case "PRIMARY":
      cursor.take();
      cursor.expect("KEY");
      lists.keys.push("primary");
      return true;
    case "KEY":
      cursor.take();
      lists.keys.push("primary");
      return true;
    case "COMMENT":
      cursor.take();
      cursor.eat("=");
      column.comment = cursor.string("a comment");
      return true;
    case "COLLATE":
      cursor.take();
      cursor.eat("=");
      type.collation = cursor.nameOrString("a collation").toLowerCase();
      return true;
    case "GENERATED":
    case "AS":
      generated(cursor, column);
      return true;
    case "VISIBLE":
      cursor.take();
      return true;
    case "INVISIBLE":
      cursor.take();
      column.invisible = true;
      return true;
    case "CONSTRAINT":
    case "CHECK": {
      let name: string | undefined;
      if (cursor.eat("CONSTRAINT") && !cursor.at("CHECK")) name = cursor.name("a constraint name");
      if (name !== undefined && cursor.at("REFERENCES")) return true;
      cursor.expect("CHECK");
      lists.checks.push(parseCheckBody(cursor, name));
      return true;
    }
    case "REFERENCES":
      column.references = parseReferences(cursor);
      return true;
    case "SRID":
      cursor.take();
      type.srid = cursor.integer("a spatial reference id");
      return true;
    case "REF_SYSTEM_ID":
      cursor.take();
      cursor.eat("=");
      type.srid = cursor.integer("a spatial reference id");
      return true;
    case "COLUMN_FORMAT":
    case "STORAGE":
      cursor.take();
      lists.attributes.push(`${token.keyword} ${cursor.name("an option").toUpperCase()}`);
      return true;
    case "WITH":
    case "WITHOUT":
      cursor.take();
      cursor.expect("SYSTEM", "VERSIONING");
      lists.attributes.push(`${token.keyword} SYSTEM VERSIONING`);
      return true;
    case "COMPRESSED":
      cursor.take();
      lists.attributes.push(cursor.eat("=") ? `COMPRESSED=${cursor.name("a method")}` : "COMPRESSED");
      typeAttributes(cursor, type); // it is a part of the type, before the charset
      return true;
    case "CHARACTER":
    case "CHARSET":
      // After other attributes the servers refuse it; SHOW CREATE TABLE of no version prints it there.
      return false;
    case "ENGINE_ATTRIBUTE":
    case "SECONDARY_ENGINE_ATTRIBUTE":
      cursor.take();
      cursor.eat("=");
      lists.attributes.push(`${token.keyword}=${cursor.scalar("a value")}`);
      return true;
    default:
      // Options of engines: word=value
      if (cursor.peek(1).keyword === "=") {
        cursor.take();
        cursor.take();
        lists.attributes.push(`${tokenSql(token)}=${cursor.scalar("a value")}`);
        return true;
      }
      return false;
  }
}

function generated(cursor: TokenCursor, column: Mutable<ColumnSpec>): void {
  if (cursor.eat("GENERATED")) cursor.expect("ALWAYS");
  cursor.expect("AS");
  if (cursor.eat("ROW")) {
    const bound = cursor.eatOneOf("START", "END");
    if (bound === undefined) cursor.fail("expected START or END");
    column.rowBound = bound === "START" ? "start" : "end";
    return;
  }
  const expression = cursor.parenthesised("an expression");
  const stored = cursor.eat("STORED") || cursor.eat("PERSISTENT");
  if (!stored) cursor.eat("VIRTUAL");
  column.generated = { expression, stored };
}

export function parseCheckBody(cursor: TokenCursor, name: string | undefined): CheckSpec {
  const expression = cursor.parenthesised("a condition");
  const check: Mutable<CheckSpec> = { expression };
  if (name !== undefined) check.name = name;
  if (cursor.eat("NOT", "ENFORCED")) check.enforced = false;
  else cursor.eat("ENFORCED");
  return check;
}

export function parseReferences(cursor: TokenCursor): ReferencesSpec {
  cursor.expect("REFERENCES");
  const table = cursor.tableName();
  const columns: string[] = [];
  if (cursor.eat("(")) {
    columns.push(...cursor.names("a column name"));
    cursor.expect(")");
  }
  const references: Mutable<ReferencesSpec> = { table, columns };
  if (cursor.eat("MATCH")) references.match = cursor.name("FULL, PARTIAL or SIMPLE").toUpperCase();
  while (cursor.at("ON", "DELETE") || cursor.at("ON", "UPDATE")) {
    cursor.take();
    const which = cursor.take().keyword;
    let action: string | undefined;
    if (cursor.eat("SET", "NULL")) action = "SET NULL";
    else if (cursor.eat("SET", "DEFAULT")) action = "SET DEFAULT";
    else if (cursor.eat("NO", "ACTION")) action = "NO ACTION";
    else action = cursor.eatOneOf("CASCADE", "RESTRICT");
    if (action === undefined) cursor.fail("expected CASCADE, RESTRICT, SET NULL, SET DEFAULT or NO ACTION");
    if (which === "DELETE") references.onDelete = action;
    else references.onUpdate = action;
  }
  return references;
}

/**
 * A default: a literal, an expression in brackets, or (MariaDB) a bare function call, CASE or NEXT VALUE FOR. Outer brackets
 * are kept: `(uuid())` and `uuid()` are different texts to a server.
 */
export function parseDefault(cursor: TokenCursor): string {
  if (cursor.at("(")) return `(${cursor.parenthesised("an expression")})`;
  const token = cursor.peek();
  if (token.kind === "string" || (token.kind === "word" && token.text.startsWith("_") && cursor.peek(1).kind === "string")) {
    const introducer = token.kind === "word" ? cursor.take().text : cursor.peek().keyword;
    const from = cursor.peek();
    return introducer + tokenSql({ ...from, keyword: "", text: cursor.string("a string") });
  }
  if (token.kind === "word" && token.text.startsWith("_") && cursor.peek(1).kind === "bits") {
    cursor.take();
    return `${token.text} ${cursor.scalar("a literal")}`;
  }
  if (token.kind === "number" || token.kind === "bits" || token.keyword === "-" || token.keyword === "+") return cursor.scalar("a value");
  if (token.kind !== "word" && token.kind !== "name") cursor.fail("expected a default value");
  switch (token.keyword) {
    case "NULL":
    case "TRUE":
    case "FALSE":
      cursor.take();
      return token.keyword;
    case "DATE":
    case "TIME":
    case "TIMESTAMP":
      if (cursor.peek(1).kind === "string") {
        cursor.take();
        return tokenSql(cursor.take());
      }
      break;
    case "CASE": {
      cursor.take();
      const body = cursor.textUntil("END");
      cursor.expect("END");
      return `CASE ${body} END`;
    }
    case "NEXT":
      if (cursor.at("NEXT", "VALUE", "FOR")) {
        const parts = [cursor.take(), cursor.take(), cursor.take(), cursor.take()];
        while (cursor.at(".")) parts.push(cursor.take(), cursor.take());
        return tokensSql(parts);
      }
      break;
    case "CURRENT_TIMESTAMP":
    case "NOW":
    case "LOCALTIME":
    case "LOCALTIMESTAMP": {
      cursor.take();
      const digits = cursor.at("(") ? cursor.parenthesised("digits") : "";
      return digits === "" || digits === "0" ? "CURRENT_TIMESTAMP" : `CURRENT_TIMESTAMP(${digits})`;
    }
    default:
  }
  const tokens = [cursor.take()];
  while (cursor.at(".")) tokens.push(cursor.take(), cursor.take());
  if (!cursor.at("(")) {
    // MariaDB prints a default that is another column without brackets.
    if (tokens.at(-1)?.kind === "name") return tokensSql(tokens);
    if (
      ["CURRENT_DATE", "CURRENT_TIME", "CURRENT_USER", "CURRENT_ROLE", "UTC_DATE", "UTC_TIME", "UTC_TIMESTAMP", "CURDATE"].includes(
        token.keyword,
      )
    ) {
      return tokensSql(tokens);
    }
    cursor.fail("expected a default value", token);
  }
  return `${tokensSql(tokens)}(${cursor.parenthesised("arguments")})`;
}
