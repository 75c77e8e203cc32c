/** Checks of table structures, as functions of what the servers printed. */
import type { ColumnDefinition, IndexDefinition, TableDefinition } from "@skein/mysql";
import type { CheckProblem } from "./report.ts";

const quoted = (table: { readonly schema: string; readonly name: string }) => `\`${table.schema}\`.\`${table.name}\``;

/** A primary key, or a unique key whose columns cannot be NULL. */
export function hasRowKey(table: TableDefinition): boolean {
  return table.indexes.some((index) => isRowKey(table, index));
}

function isRowKey(table: TableDefinition, index: IndexDefinition): boolean {
  if (index.kind === "primary") return true;
  if (index.kind !== "unique") return false;
  return index.parts.every(({ column, prefixLength }) => {
    const definition = table.columns.find(({ name }) => name === column);
    return definition !== undefined && !definition.nullable && prefixLength === undefined;
  });
}

/** What a table lacks by itself. `charsets`: those that the target knows. */
export function tableProblems(table: TableDefinition, charsets: ReadonlySet<string>): CheckProblem[] {
  const problems: CheckProblem[] = [];
  const isKnown = (charset: string) => charsets.has(charset) || (charset === "utf8mb3" && charsets.has("utf8"));
  for (const charset of new Set(table.columns.map(({ type }) => type.charset ?? ""))) {
    if (charset !== "" && !isKnown(charset)) {
      problems.push({
        severity: "warn",
        short_error: `table ${quoted(table)} has columns of charset ${charset}, which the target does not know`,
      });
    }
  }
  if (!hasRowKey(table)) {
    problems.push({ severity: "warn", short_error: `table ${quoted(table)} primary/unique key does not exist` });
  }
  for (const key of table.foreignKeys) {
    problems.push({
      severity: "warn",
      short_error: `table ${quoted(table)} Foreign Key ${key.name} is parsed but may be ignored by the target`,
    });
  }
  return problems;
}

/** `extracted`: columns that a route adds; `existing` null when the target has no such table yet. */
export function targetProblems(
  source: TableDefinition,
  existing: TableDefinition | null,
  target: { readonly schema: string; readonly table: string },
  extracted: readonly string[],
): CheckProblem[] {
  const name = `\`${target.schema}\`.\`${target.table}\``;
  if (existing === null) {
    return extracted.length === 0
      ? []
      : [
          {
            severity: "fail",
            short_error: `table ${name} must exist with the columns that are extracted: ${extracted.join(", ")}`,
          },
        ];
  }
  const problems: CheckProblem[] = [];
  const warn = (text: string) => problems.push({ severity: "warn", short_error: text, self: quoted(source), other: name });
  const byName = new Map(existing.columns.map((column) => [column.name.toLowerCase(), column]));
  for (const column of source.columns) {
    const other = byName.get(column.name.toLowerCase());
    if (other === undefined) warn(`column \`${column.name}\` of ${quoted(source)} is not in ${name}`);
    else if (textOf(column.type.charset) !== textOf(other.type.charset)) {
      warn(
        `column \`${column.name}\`: charset ${column.type.charset ?? ""} of ${quoted(source)} is ${other.type.charset ?? ""} in ${name}`,
      );
    } else if (textOf(column.type.collation) !== textOf(other.type.collation)) {
      warn(
        `column \`${column.name}\`: collation ${column.type.collation ?? ""} of ${quoted(source)} is ${other.type.collation ?? ""} in ${name}`,
      );
    }
  }
  const own = new Set([...source.columns.map((column) => column.name.toLowerCase()), ...extracted.map((column) => column.toLowerCase())]);
  for (const column of existing.columns) {
    if (own.has(column.name.toLowerCase()) || hasOwnValue(column)) continue;
    warn(`column \`${column.name}\` of ${name} has no default, and is not in ${quoted(source)}`);
  }
  const keys = keysOf(existing);
  for (const key of keysOf(source)) {
    if (extracted.length === 0 && !keys.includes(key)) warn(`key (${key}) of ${quoted(source)} is not a primary/unique key of ${name}`);
  }
  for (const wanted of extracted) {
    const column = byName.get(wanted.toLowerCase());
    if (column === undefined) {
      problems.push({ severity: "fail", short_error: `table ${name} lacks the extracted column \`${wanted}\`` });
    } else if (!/char|text/.test(column.type.name)) {
      problems.push({
        severity: "fail",
        short_error: `extracted column \`${wanted}\` of ${name} is ${column.type.name}, and not a string`,
      });
    }
  }
  return problems;
}

const textOf = (value: string | null | undefined) => value ?? "";

function hasOwnValue(column: ColumnDefinition): boolean {
  return column.nullable || column.defaultSql !== undefined || column.autoIncrement === true || column.generated !== undefined;
}

function keysOf(table: TableDefinition): string[] {
  return table.indexes
    .filter(({ kind }) => kind === "primary" || kind === "unique")
    .map(({ parts }) => parts.map(({ column, expression }) => (column ?? expression ?? "").toLowerCase()).join(", "));
}

/** Tables that a route merges must be alike; in optimistic mode, one may have columns that another lacks. */
export function shardProblems(tables: readonly TableDefinition[], mode: "pessimistic" | "optimistic"): CheckProblem[] {
  const [first, ...others] = tables;
  if (first === undefined) return [];
  const problems: CheckProblem[] = [];
  for (const other of others) {
    const difference = mode === "pessimistic" ? strictDifference(first, other) : looseDifference(first, other);
    if (difference !== null) problems.push({ severity: "fail", short_error: difference, self: quoted(first), other: quoted(other) });
  }
  return problems;
}

const typeText = (column: ColumnDefinition): string => {
  const { name, length, decimals, unsigned, members } = column.type;
  // The display width of whole numbers is print, not type.
  const size = name.endsWith("int") ? undefined : length;
  return [name, size, decimals, unsigned === true ? "unsigned" : "", members?.join(",")]
    .filter((part) => part !== undefined && part !== "")
    .join(" ");
};

function strictDifference(a: TableDefinition, b: TableDefinition): string | null {
  if (a.columns.length !== b.columns.length) return `column length mismatch (self: ${a.columns.length} vs other: ${b.columns.length})`;
  for (const [index, column] of a.columns.entries()) {
    const other = b.columns[index] as ColumnDefinition;
    if (column.name.toLowerCase() !== other.name.toLowerCase())
      return `different column definition: \`${column.name}\` and \`${other.name}\``;
    if (typeText(column) !== typeText(other))
      return `different column definition: \`${column.name}\` is ${typeText(column)} and ${typeText(other)}`;
  }
  const [left, right] = [keysOf(a).sort().join("; "), keysOf(b).sort().join("; ")];
  return left === right ? null : `different keys: (${left}) and (${right})`;
}

/** Types that can be joined: of one kind, where the wider one takes both. */
function looseDifference(a: TableDefinition, b: TableDefinition): string | null {
  const byName = new Map(b.columns.map((column) => [column.name.toLowerCase(), column]));
  const kindOf = (column: ColumnDefinition) => {
    const { name } = column.type;
    if (name.endsWith("int")) return column.type.unsigned === true ? "whole unsigned" : "whole";
    if (/text$|char$/.test(name)) return "text";
    if (/blob$|binary$/.test(name)) return "bytes";
    return name;
  };
  for (const column of a.columns) {
    const other = byName.get(column.name.toLowerCase());
    if (other !== undefined && kindOf(column) !== kindOf(other)) {
      return `columns \`${column.name}\` cannot be joined: ${typeText(column)} and ${typeText(other)}`;
    }
  }
  return null;
}

/** An auto-increment primary key gives the same numbers in every shard. */
export function autoIncrementProblems(tables: readonly TableDefinition[]): CheckProblem[] {
  if (tables.length < 2) return [];
  return tables.flatMap((table) => {
    const primary = table.indexes.find(({ kind }) => kind === "primary");
    const column = table.columns.find((candidate) => candidate.autoIncrement === true && primary?.parts[0]?.column === candidate.name);
    if (column === undefined) return [];
    return [
      { severity: "warn" as const, short_error: `table ${quoted(table)} of sharding has auto-increment primary key \`${column.name}\`` },
    ];
  });
}
