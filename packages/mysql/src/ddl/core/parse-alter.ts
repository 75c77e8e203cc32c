/** ALTER TABLE: every change that MariaDB and MySQL know. */
import type { AlterChange, AlterTable, Position, TableOption } from "./ast.ts";
import { parseColumn, parseDefault } from "./parse-column.ts";
import { ifExists, ifNotExists, parseElement, parsePeriod, parseTableOption } from "./parse-table.ts";
import type { TokenCursor } from "./token-cursor.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** `cursor` stands behind the table's name (and MariaDB's WAIT n / NOWAIT). */
export function parseAlterTable(cursor: TokenCursor, head: Omit<AlterTable, "changes">): AlterTable {
  const alter: Mutable<AlterTable> = { ...head, changes: [] };
  const changes: AlterChange[] = [];
  let first = true;
  while (!cursor.atEnd()) {
    if (!first && !cursor.eat(",") && !startsWithoutComma(cursor)) cursor.fail("expected , or the end of the statement");
    first = false;
    if (cursor.at("ALGORITHM") || cursor.at("LOCK")) {
      const which = cursor.take().keyword;
      cursor.eat("=");
      const value = cursor.name("a value").toUpperCase();
      if (which === "ALGORITHM") alter.algorithm = value;
      else alter.lock = value;
      continue;
    }
    changes.push(...parseChange(cursor));
  }
  alter.changes = changes;
  return alter;
}

/** Partitioning and table options may follow without a comma. */
function startsWithoutComma(cursor: TokenCursor): boolean {
  if (cursor.at("PARTITION", "BY") || cursor.at("REMOVE", "PARTITIONING")) return true;
  return isOptionStart(cursor);
}

function isOptionStart(cursor: TokenCursor): boolean {
  const { keyword } = cursor.peek();
  if (["CHARACTER", "CHARSET", "COLLATE", "ENGINE", "COMMENT", "AUTO_INCREMENT", "ROW_FORMAT"].includes(keyword)) return true;
  if (keyword === "DEFAULT") return true;
  return cursor.atName() && cursor.peek(1).keyword === "=";
}

function parseChange(cursor: TokenCursor): AlterChange[] {
  const token = cursor.peek();
  switch (token.kind === "word" ? token.keyword : "") {
    case "ADD":
      cursor.take();
      return parseAdd(cursor);
    case "DROP":
      cursor.take();
      return [parseDrop(cursor)];
    case "MODIFY": {
      cursor.take();
      cursor.eat("COLUMN");
      const exists = ifExists(cursor);
      const column = parseColumn(cursor);
      return [{ kind: "modifyColumn", column, ...position(cursor), ...exists }];
    }
    case "CHANGE": {
      cursor.take();
      cursor.eat("COLUMN");
      const exists = ifExists(cursor);
      const from = cursor.columnName();
      const column = parseColumn(cursor);
      return [{ kind: "changeColumn", from, column, ...position(cursor), ...exists }];
    }
    case "ALTER":
      cursor.take();
      return [parseAlterPart(cursor)];
    case "RENAME":
      cursor.take();
      return [parseRename(cursor)];
    case "CONVERT":
      cursor.take();
      return [parseConvert(cursor)];
    case "ORDER":
      cursor.take();
      cursor.expect("BY");
      return [{ kind: "orderBy", text: orderByText(cursor) }];
    case "PARTITION":
      if (cursor.eat("PARTITION", "BY")) return [{ kind: "partitionBy", text: cursor.textUntil() }];
      break;
    case "REMOVE":
      cursor.take();
      cursor.expect("PARTITIONING");
      return [{ kind: "removePartitioning" }];
    case "TRUNCATE":
      cursor.take();
      cursor.expect("PARTITION");
      return [{ kind: "truncatePartition", names: partitionNames(cursor) }];
    case "COALESCE":
      cursor.take();
      cursor.expect("PARTITION");
      noWrite(cursor);
      return [{ kind: "coalescePartition", count: cursor.integer("a number of partitions") }];
    case "REORGANIZE": {
      cursor.take();
      cursor.expect("PARTITION");
      noWrite(cursor);
      if (cursor.atEnd()) return [{ kind: "reorganizePartition", names: [] }];
      const names = cursor.names("a partition name");
      cursor.expect("INTO");
      return [{ kind: "reorganizePartition", names, text: `(${cursor.parenthesised("partitions")})` }];
    }
    case "EXCHANGE": {
      cursor.take();
      cursor.expect("PARTITION");
      const partition = cursor.name("a partition name");
      cursor.expect("WITH", "TABLE");
      const table = cursor.tableName();
      const without = cursor.eat("WITHOUT", "VALIDATION");
      if (!without) cursor.eat("WITH", "VALIDATION");
      return [{ kind: "exchangePartition", partition, table, ...(without ? { withoutValidation: true } : {}) }];
    }
    case "REBUILD":
    case "ANALYZE":
    case "CHECK":
    case "OPTIMIZE":
    case "REPAIR":
      if (cursor.at(token.keyword, "PARTITION")) {
        cursor.take();
        cursor.take();
        noWrite(cursor);
        return [{ kind: "maintainPartition", action: token.keyword, names: partitionNames(cursor), suffix: cursor.textUntil(",") }];
      }
      break;
    case "DISCARD":
    case "IMPORT":
      cursor.take();
      if (cursor.eat("PARTITION")) {
        const names = partitionNames(cursor);
        cursor.expect("TABLESPACE");
        return [{ kind: "maintainPartition", action: token.keyword, names, suffix: "TABLESPACE" }];
      }
      cursor.expect("TABLESPACE");
      return [{ kind: "maintenance", text: `${token.keyword} TABLESPACE` }];
    case "ENABLE":
    case "DISABLE":
      cursor.take();
      cursor.expect("KEYS");
      return [{ kind: "maintenance", text: `${token.keyword} KEYS` }];
    case "FORCE":
    case "SECONDARY_LOAD":
    case "SECONDARY_UNLOAD":
      cursor.take();
      return [{ kind: "maintenance", text: token.keyword }];
    case "WITH":
    case "WITHOUT":
      cursor.take();
      cursor.expect("VALIDATION");
      return [{ kind: "maintenance", text: `${token.keyword} VALIDATION` }];
    default:
  }
  return [{ kind: "options", options: parseOptions(cursor) }];
}

function parseOptions(cursor: TokenCursor): TableOption[] {
  const options: TableOption[] = [];
  for (let option = parseTableOption(cursor); option !== undefined; option = parseTableOption(cursor)) options.push(option);
  if (options.length === 0) cursor.fail("expected a change of the table");
  return options;
}

function parseAdd(cursor: TokenCursor): AlterChange[] {
  if (cursor.at("PARTITION") && !isColumnNamed(cursor)) {
    cursor.take();
    const exists = ifNotExists(cursor);
    noWrite(cursor);
    if (cursor.eat("PARTITIONS"))
      return [{ kind: "addPartition", text: `PARTITIONS ${cursor.integer("a number of partitions")}`, ...exists }];
    // MariaDB takes one definition without brackets.
    if (!cursor.at("(")) return [{ kind: "addPartition", text: `(${cursor.textUntil(",")})`, ...exists }];
    return [{ kind: "addPartition", text: `(${cursor.parenthesised("partitions")})`, ...exists }];
  }
  if (cursor.eat("SYSTEM", "VERSIONING")) return [{ kind: "systemVersioning", action: "add" }];
  if (cursor.at("PERIOD", "FOR")) {
    cursor.take();
    cursor.take();
    const exists = ifNotExists(cursor);
    return [{ kind: "addPeriod", period: parsePeriod(cursor), ...exists }];
  }
  const explicitColumn = cursor.eat("COLUMN");
  const exists = ifNotExists(cursor);
  if (cursor.eat("(")) {
    const changes: AlterChange[] = [];
    do changes.push(elementChange(cursor, exists));
    while (cursor.eat(","));
    cursor.expect(")");
    return changes;
  }
  if (explicitColumn) return [{ kind: "addColumn", column: parseColumn(cursor), ...position(cursor), ...exists }];
  return [elementChange(cursor, exists)];
}

/** `ADD partition INT`: a column of that name. */
function isColumnNamed(cursor: TokenCursor): boolean {
  const next = cursor.peek(1);
  if (next.kind !== "word") return false;
  return /^(?:TINY|SMALL|MEDIUM|BIG)?INT|^(?:VAR)?CHAR|TEXT$|BLOB$|^DATE|^TIME|^DECIMAL|^JSON$/.test(next.keyword);
}

function elementChange(cursor: TokenCursor, exists: { ifNotExists?: true }): AlterChange {
  const element = parseElement(cursor);
  switch (element.kind) {
    case "column":
      return { kind: "addColumn", column: element.column, ...position(cursor), ...exists };
    case "index": {
      const { index, constraintName } = element;
      return {
        kind: "addIndex",
        index,
        ...(constraintName === undefined ? {} : { constraintName }),
        ...(element.ifNotExists ? { ifNotExists: true } : exists),
      };
    }
    case "foreignKey":
      return { kind: "addForeignKey", foreignKey: element.foreignKey, ...(element.ifNotExists ? { ifNotExists: true } : exists) };
    case "check":
      return { kind: "addCheck", check: element.check, ...(element.ifNotExists ? { ifNotExists: true } : exists) };
    case "period":
      return { kind: "addPeriod", period: element.period, ...exists };
  }
}

function parseDrop(cursor: TokenCursor): AlterChange {
  if (cursor.eat("PRIMARY")) {
    cursor.expect("KEY");
    return { kind: "dropIndex", name: "PRIMARY" };
  }
  if (cursor.eat("KEY") || cursor.eat("INDEX")) {
    const exists = ifExists(cursor);
    return { kind: "dropIndex", name: cursor.name("an index name"), ...exists };
  }
  if (cursor.eat("FOREIGN", "KEY")) {
    const exists = ifExists(cursor);
    return { kind: "dropForeignKey", name: cursor.name("a foreign key name"), ...exists };
  }
  if (cursor.eat("CONSTRAINT")) {
    const exists = ifExists(cursor);
    return { kind: "dropConstraint", name: cursor.name("a constraint name"), ...exists };
  }
  if (cursor.at("CHECK") && cursor.atName(1)) {
    cursor.take();
    return { kind: "dropCheck", name: cursor.name("a check name") };
  }
  if (cursor.at("PARTITION") && (cursor.atName(1) || cursor.peek(1).keyword === "IF")) {
    cursor.take();
    const exists = ifExists(cursor);
    return { kind: "dropPartition", names: cursor.names("a partition name"), ...exists };
  }
  if (cursor.eat("SYSTEM", "VERSIONING")) return { kind: "systemVersioning", action: "drop" };
  if (cursor.eat("PERIOD", "FOR")) {
    const exists = ifExists(cursor);
    const name = cursor.name("a period name");
    return { kind: "dropPeriod", name: name.toUpperCase() === "SYSTEM_TIME" ? "SYSTEM_TIME" : name, ...exists };
  }
  cursor.eat("COLUMN");
  const exists = ifExists(cursor);
  const name = cursor.columnName();
  if (!cursor.eat("RESTRICT")) cursor.eat("CASCADE");
  return { kind: "dropColumn", name, ...exists };
}

function parseAlterPart(cursor: TokenCursor): AlterChange {
  if (cursor.eat("INDEX") || cursor.eat("KEY")) {
    const exists = ifExists(cursor);
    const name = cursor.name("an index name");
    return { kind: "alterIndexVisibility", name, invisible: parseInvisible(cursor), ...exists };
  }
  if ((cursor.at("CHECK") || cursor.at("CONSTRAINT")) && cursor.atName(1)) {
    cursor.take();
    const name = cursor.name("a constraint name");
    const not = cursor.eat("NOT");
    cursor.expect("ENFORCED");
    return { kind: "alterCheck", name, enforced: !not };
  }
  cursor.eat("COLUMN");
  const exists = ifExists(cursor);
  const name = cursor.columnName();
  if (cursor.eat("SET")) {
    if (cursor.eat("DEFAULT")) return { kind: "alterColumnDefault", name, defaultSql: parseDefault(cursor), ...exists };
    return { kind: "alterColumnVisibility", name, invisible: parseInvisible(cursor) };
  }
  cursor.expect("DROP", "DEFAULT");
  return { kind: "alterColumnDefault", name, ...exists };
}

function parseInvisible(cursor: TokenCursor): boolean {
  if (cursor.eat("INVISIBLE") || cursor.eat("IGNORED")) return true;
  if (cursor.eat("VISIBLE") || cursor.eat("NOT", "IGNORED")) return false;
  return cursor.fail("expected VISIBLE, INVISIBLE, IGNORED or NOT IGNORED");
}

function parseRename(cursor: TokenCursor): AlterChange {
  if (cursor.eat("COLUMN")) {
    const exists = ifExists(cursor);
    const from = cursor.columnName();
    cursor.expect("TO");
    return { kind: "renameColumn", from, to: cursor.columnName(), ...exists };
  }
  if ((cursor.at("INDEX") || cursor.at("KEY")) && (cursor.atName(1) || cursor.peek(1).keyword === "IF")) {
    cursor.take();
    const exists = ifExists(cursor);
    const from = cursor.name("an index name");
    cursor.expect("TO");
    return { kind: "renameIndex", from, to: cursor.name("an index name"), ...exists };
  }
  if (!cursor.eat("TO") && !cursor.eat("AS")) cursor.eat("=");
  return { kind: "renameTable", to: cursor.tableName() };
}

function parseConvert(cursor: TokenCursor): AlterChange {
  if (cursor.eat("PARTITION")) {
    const partition = cursor.name("a partition name");
    cursor.expect("TO", "TABLE");
    return { kind: "convertPartitionToTable", partition, table: cursor.tableName() };
  }
  if (cursor.eat("TABLE")) {
    const table = cursor.tableName();
    cursor.expect("TO", "PARTITION");
    const partition = cursor.name("a partition name");
    return { kind: "convertTableToPartition", table, partition, text: cursor.textUntil() };
  }
  cursor.expect("TO");
  if (!cursor.eat("CHARACTER", "SET") && !cursor.eat("CHAR", "SET") && !cursor.eat("CHARSET")) cursor.fail("expected CHARACTER SET");
  const charset = cursor.nameOrString("a character set").toLowerCase();
  if (!cursor.eat("COLLATE")) return { kind: "convertCharset", charset };
  cursor.eat("=");
  return { kind: "convertCharset", charset, collation: cursor.nameOrString("a collation").toLowerCase() };
}

/** A list of columns with directions: its commas are not those between changes. */
function orderByText(cursor: TokenCursor): string {
  const columns: string[] = [];
  do {
    const name = cursor.columnName();
    const direction = cursor.eatOneOf("ASC", "DESC");
    columns.push(`\`${name.replaceAll("`", "``")}\`${direction === "DESC" ? " DESC" : ""}`);
  } while (
    cursor.peek(2).keyword !== "" && [",", "ASC", "DESC", ";"].includes(cursor.peek(2).keyword) ? cursor.eat(",") : eatLastColumn(cursor)
  );
  return columns.join(", ");
}

/** A comma that is followed by a name and then by the end of the list. */
function eatLastColumn(cursor: TokenCursor): boolean {
  if (!cursor.at(",") || !cursor.atName(1) || cursor.peek(2).kind !== "end") return false;
  return cursor.eat(",");
}

function position(cursor: TokenCursor): { position?: Position } {
  if (cursor.eat("FIRST")) return { position: { kind: "first" } };
  if (cursor.eat("AFTER")) return { position: { kind: "after", column: cursor.columnName() } };
  return {};
}

function partitionNames(cursor: TokenCursor): string[] {
  if (cursor.eat("ALL")) return [];
  return cursor.names("a partition name");
}

/** Not replicated, whoever asks: whether the statement goes to the binlog is the source's matter. */
function noWrite(cursor: TokenCursor): void {
  if (!cursor.eat("NO_WRITE_TO_BINLOG")) cursor.eat("LOCAL");
}
