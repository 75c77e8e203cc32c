/**
 * SQL text → statements. Table-level DDL is parsed in full; all else that the servers know is recognised by its kind; what is
 * neither is refused with its place in the text (36067), never passed over.
 */
import type { DatabaseOptions, DdlStatement, OtherStatement, TableName } from "./ast.ts";
import type { SqlDialectOptions } from "./lexer.ts";
import { parseAlterTable } from "./parse-alter.ts";
import { ifExists, ifNotExists, parseCreateTable, parseIndexBody } from "./parse-table.ts";
import { TokenCursor } from "./token-cursor.ts";

export type ParseOptions = SqlDialectOptions;

/** The statements of a text, in order; empty ones are left out. */
export function parseStatements(text: string, options: ParseOptions): DdlStatement[] {
  const cursor = new TokenCursor(text, options);
  const statements: DdlStatement[] = [];
  for (;;) {
    while (cursor.eat(";"));
    if (cursor.peek().kind === "end") return statements;
    statements.push(parseOne(cursor));
    if (!cursor.atEnd()) cursor.fail("expected the end of the statement");
  }
}

/** Exactly one statement. */
export function parseStatement(text: string, options: ParseOptions): DdlStatement {
  const cursor = new TokenCursor(text, options);
  while (cursor.eat(";"));
  if (cursor.peek().kind === "end") cursor.fail("there is no statement");
  const statement = parseOne(cursor);
  while (cursor.eat(";"));
  if (cursor.peek().kind !== "end") cursor.fail("expected the end of the text after one statement");
  return statement;
}

function parseOne(cursor: TokenCursor): DdlStatement {
  const token = cursor.peek();
  switch (token.kind === "word" ? token.keyword : "") {
    case "CREATE":
      return parseCreate(cursor);
    case "ALTER":
      return parseAlter(cursor);
    case "DROP":
      return parseDrop(cursor);
    case "RENAME":
      if (cursor.at("RENAME", "TABLE") || cursor.at("RENAME", "TABLES")) return parseRenameTables(cursor);
      if (cursor.at("RENAME", "USER")) return other(cursor, "rename user", "user");
      break;
    case "TRUNCATE": {
      cursor.take();
      cursor.eat("TABLE");
      const table = cursor.tableName();
      waitOption(cursor);
      return { kind: "truncateTable", table };
    }
    case "(":
      return other(cursor, "select", "dml");
    default:
  }
  if (token.keyword === "(") return other(cursor, "select", "dml");
  const known = token.kind === "word" ? otherStatements[token.keyword] : undefined;
  if (known === undefined) cursor.fail("not a statement of MySQL or MariaDB");
  if (typeof known === "string") return other(cursor, token.keyword.toLowerCase(), known);
  const second = cursor.peek(1).keyword;
  const group = known[second] ?? known["*"];
  if (group === undefined) cursor.fail("not a statement of MySQL or MariaDB", cursor.peek(1));
  return other(cursor, known[second] === undefined ? token.keyword.toLowerCase() : `${token.keyword} ${second}`.toLowerCase(), group);
}

type Group = OtherStatement["group"];

/** By first word, and by the second one where it makes a difference (`*`: any). */
const otherStatements: Record<string, Group | Record<string, Group>> = {
  INSERT: "dml",
  UPDATE: "dml",
  DELETE: "dml",
  REPLACE: "dml",
  SELECT: "dml",
  WITH: "dml",
  VALUES: "dml",
  TABLE: "dml",
  LOAD: "dml",
  CALL: "dml",
  DO: "dml",
  HANDLER: "dml",
  BEGIN: "transaction",
  START: { TRANSACTION: "transaction", "*": "server" },
  COMMIT: "transaction",
  ROLLBACK: "transaction",
  SAVEPOINT: "transaction",
  RELEASE: "transaction",
  XA: "transaction",
  SET: { PASSWORD: "user", "*": "session" },
  USE: "session",
  PREPARE: "session",
  EXECUTE: "session",
  DEALLOCATE: "session",
  LOCK: "session",
  UNLOCK: "session",
  SHOW: "session",
  EXPLAIN: "session",
  DESCRIBE: "session",
  DESC: "session",
  HELP: "session",
  SIGNAL: "session",
  RESIGNAL: "session",
  GET: "session",
  FLUSH: "maintenance",
  ANALYZE: "maintenance",
  OPTIMIZE: "maintenance",
  REPAIR: "maintenance",
  CHECK: "maintenance",
  CHECKSUM: "maintenance",
  CACHE: "maintenance",
  RESET: "maintenance",
  PURGE: "maintenance",
  BACKUP: "maintenance",
  KILL: "server",
  INSTALL: "server",
  UNINSTALL: "server",
  BINLOG: "server",
  CHANGE: "server",
  STOP: "server",
  SHUTDOWN: "server",
  RESTART: "server",
  CLONE: "server",
  IMPORT: "server",
  GRANT: "user",
  REVOKE: "user",
};

/** Objects of CREATE, ALTER and DROP that are no tables; words before them (DEFINER, OR REPLACE …) are passed over. */
const otherObjects: Record<string, Group> = {
  VIEW: "view",
  TRIGGER: "trigger",
  PROCEDURE: "routine",
  FUNCTION: "routine",
  PACKAGE: "routine",
  LIBRARY: "routine",
  EVENT: "event",
  USER: "user",
  ROLE: "user",
  SEQUENCE: "sequence",
  SERVER: "server",
  TABLESPACE: "server",
  LOGFILE: "server",
  INSTANCE: "server",
  RESOURCE: "server",
  SPATIAL: "server",
  CATALOG: "server",
  PREPARE: "session",
};

const modifierTokensMax = 60;

/** At CREATE, ALTER or DROP: looks past modifiers for the kind of object. */
function otherObject(cursor: TokenCursor): DdlStatement {
  const verb = cursor.peek().keyword.toLowerCase();
  for (let distance = 1; distance < modifierTokensMax; distance += 1) {
    const token = cursor.peek(distance);
    if (token.kind === "end") break;
    if (token.keyword === "TEMPORARY") {
      const object = cursor.peek(distance + 1).keyword === "SEQUENCE" ? "sequence" : "table";
      return other(cursor, `${verb} temporary ${object}`, "temporary table");
    }
    const group = token.kind === "word" ? otherObjects[token.keyword] : undefined;
    if (group !== undefined) return other(cursor, `${verb} ${token.keyword.toLowerCase()}`, group);
  }
  return cursor.fail(`not a statement that follows ${verb.toUpperCase()}`, cursor.peek(1));
}

/** Bodies of routines, triggers and events hold semicolons of their own: they take the rest of the text. */
function other(cursor: TokenCursor, what: string, group: Group): OtherStatement {
  const start = cursor.peek().start;
  const hasBody = what.startsWith("create ") && (group === "trigger" || group === "routine" || group === "event");
  let end = start;
  for (;;) {
    const token = cursor.peek();
    if (token.kind === "end" || (token.kind === "operator" && token.text === ";" && !hasBody)) break;
    end = token.end;
    cursor.take();
  }
  return { kind: "other", what, group, text: cursor.text.slice(start, end) };
}

function parseCreate(cursor: TokenCursor): DdlStatement {
  const replaces = cursor.peek(1).keyword === "OR" && cursor.peek(2).keyword === "REPLACE";
  const at = replaces ? 3 : 1;
  const object = cursor.peek(at).keyword;
  const skip = () => {
    for (let index = 0; index <= at; index += 1) cursor.take();
  };
  const orReplace: { orReplace?: true } = replaces ? { orReplace: true } : {};
  switch (object) {
    case "TABLE": {
      skip();
      const flags = { ...orReplace, ...ifNotExists(cursor) };
      const table = cursor.tableName();
      const bracketed = cursor.at("(", "LIKE");
      if (bracketed) cursor.take();
      if (cursor.eat("LIKE")) {
        const like = cursor.tableName();
        if (bracketed) cursor.expect(")");
        return { kind: "createTableLike", table, like, ...flags };
      }
      return parseCreateTable(cursor, table, flags);
    }
    case "DATABASE":
    case "SCHEMA": {
      skip();
      const exists = ifNotExists(cursor);
      const name = cursor.name("a schema name");
      return { kind: "createDatabase", name, ...orReplace, ...exists, options: parseDatabaseOptions(cursor) };
    }
    case "UNIQUE":
    case "FULLTEXT":
    case "SPATIAL":
    case "VECTOR":
    case "INDEX":
    case "ONLINE":
    case "OFFLINE": {
      if (object === "SPATIAL" && cursor.peek(at + 1).keyword === "REFERENCE") break;
      for (let index = 0; index < at; index += 1) cursor.take();
      return parseCreateIndex(cursor, orReplace);
    }
    default:
  }
  return otherObject(cursor);
}

function parseCreateIndex(cursor: TokenCursor, orReplace: { orReplace?: true }): DdlStatement {
  if (!cursor.eat("ONLINE")) cursor.eat("OFFLINE");
  const special = cursor.eatOneOf("UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR");
  cursor.expect("INDEX");
  const exists = ifNotExists(cursor);
  const name = cursor.name("an index name");
  let using: "btree" | "hash" | "rtree" | undefined;
  if (cursor.eat("USING") || cursor.eat("TYPE")) using = cursor.name("BTREE, HASH or RTREE").toLowerCase() as "btree";
  cursor.expect("ON");
  const table = cursor.tableName();
  waitOption(cursor);
  const kind = special === undefined ? "index" : (special.toLowerCase() as "unique");
  const parsed = parseIndexBody(cursor, kind, name);
  const index = using !== undefined && parsed.using === undefined ? { ...parsed, using } : parsed;
  return { kind: "createIndex", table, index, ...orReplace, ...exists, ...algorithmAndLock(cursor) };
}

function algorithmAndLock(cursor: TokenCursor): { algorithm?: string; lock?: string } {
  const result: { algorithm?: string; lock?: string } = {};
  for (;;) {
    if (cursor.eat("ALGORITHM")) {
      cursor.eat("=");
      result.algorithm = cursor.name("an algorithm").toUpperCase();
    } else if (cursor.eat("LOCK")) {
      cursor.eat("=");
      result.lock = cursor.name("a lock level").toUpperCase();
    } else if (!cursor.at(",") || (cursor.peek(1).keyword !== "ALGORITHM" && cursor.peek(1).keyword !== "LOCK")) return result;
    else cursor.take();
  }
}

/** MariaDB: WAIT n, NOWAIT. */
function waitOption(cursor: TokenCursor): { wait?: number | "nowait" } {
  if (cursor.eat("NOWAIT")) return { wait: "nowait" };
  if (cursor.at("WAIT") && cursor.peek(1).kind === "number") {
    cursor.take();
    return { wait: cursor.integer("seconds") };
  }
  return {};
}

function parseAlter(cursor: TokenCursor): DdlStatement {
  let at = 1;
  while (["ONLINE", "OFFLINE", "IGNORE"].includes(cursor.peek(at).keyword)) at += 1;
  const object = cursor.peek(at).keyword;
  if (object === "TABLE") {
    cursor.take();
    const online = cursor.eat("ONLINE");
    if (!online) cursor.eat("OFFLINE");
    const ignore = cursor.eat("IGNORE");
    cursor.expect("TABLE");
    const exists = ifExists(cursor);
    const table = cursor.tableName();
    const wait = waitOption(cursor);
    return parseAlterTable(cursor, {
      kind: "alterTable",
      table,
      ...exists,
      ...(online ? { online: true } : {}),
      ...(ignore ? { ignore: true } : {}),
      ...wait,
    });
  }
  if (object === "DATABASE" || object === "SCHEMA") {
    cursor.take();
    cursor.take();
    const unnamed = ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "ENCRYPTION", "COMMENT", "READ"].includes(cursor.peek().keyword);
    const name = unnamed ? {} : { name: cursor.name("a schema name") };
    if (cursor.eat("UPGRADE", "DATA", "DIRECTORY", "NAME")) return { kind: "alterDatabase", ...name, options: {} };
    return { kind: "alterDatabase", ...name, options: parseDatabaseOptions(cursor) };
  }
  return otherObject(cursor);
}

function parseDatabaseOptions(cursor: TokenCursor): DatabaseOptions {
  const options: { charset?: string; collation?: string; comment?: string; other?: string[] } = {};
  const rest: string[] = [];
  while (!cursor.atEnd()) {
    cursor.eat("DEFAULT");
    if (cursor.eat("CHARACTER", "SET") || cursor.eat("CHAR", "SET") || cursor.eat("CHARSET")) {
      cursor.eat("=");
      options.charset = cursor.nameOrString("a character set").toLowerCase();
    } else if (cursor.eat("COLLATE")) {
      cursor.eat("=");
      options.collation = cursor.nameOrString("a collation").toLowerCase();
    } else if (cursor.eat("COMMENT")) {
      cursor.eat("=");
      options.comment = cursor.string("a comment");
    } else if (cursor.eat("ENCRYPTION")) {
      cursor.eat("=");
      rest.push(`ENCRYPTION=${cursor.scalar("Y or N")}`);
    } else if (cursor.eat("READ", "ONLY")) {
      cursor.eat("=");
      rest.push(`READ ONLY=${cursor.scalar("0 or 1")}`);
    } else cursor.fail("expected an option of a schema");
  }
  if (rest.length > 0) options.other = rest;
  return options;
}

function parseDrop(cursor: TokenCursor): DdlStatement {
  switch (cursor.peek(1).keyword) {
    case "TABLE":
    case "TABLES": {
      cursor.take();
      cursor.take();
      const exists = ifExists(cursor);
      const tables: TableName[] = [cursor.tableName()];
      while (cursor.eat(",")) tables.push(cursor.tableName());
      waitOption(cursor);
      if (!cursor.eat("RESTRICT")) cursor.eat("CASCADE");
      return { kind: "dropTables", tables, ...exists };
    }
    case "DATABASE":
    case "SCHEMA": {
      cursor.take();
      cursor.take();
      const exists = ifExists(cursor);
      return { kind: "dropDatabase", name: cursor.name("a schema name"), ...exists };
    }
    case "INDEX":
    case "ONLINE":
    case "OFFLINE": {
      cursor.take();
      if (!cursor.eat("ONLINE")) cursor.eat("OFFLINE");
      cursor.expect("INDEX");
      const exists = ifExists(cursor);
      const name = cursor.name("an index name");
      cursor.expect("ON");
      const table = cursor.tableName();
      waitOption(cursor);
      return {
        kind: "dropIndex",
        table,
        name: name.toUpperCase() === "PRIMARY" ? "PRIMARY" : name,
        ...exists,
        ...algorithmAndLock(cursor),
      };
    }
    default:
      return otherObject(cursor);
  }
}

function parseRenameTables(cursor: TokenCursor): DdlStatement {
  cursor.take();
  cursor.take();
  const exists = ifExists(cursor);
  const pairs: { from: TableName; to: TableName }[] = [];
  do {
    const from = cursor.tableName();
    waitOption(cursor);
    cursor.expect("TO");
    pairs.push({ from, to: cursor.tableName() });
  } while (cursor.eat(","));
  return { kind: "renameTables", pairs, ...exists };
}
