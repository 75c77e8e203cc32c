/**
 * ALTER TABLE on a structure. The server looks at all changes of a statement at once; so does this: columns first (dropped and
 * changed ones in place, then added and moved ones in the order written), then keys, then what the table itself says.
 */
import type { ColumnDefinition, ForeignKeyDefinition, IndexDefinition, IndexPart, TableDefinition } from "../../core/table.ts";
import type { AlterChange, CheckSpec, ColumnSpec, ForeignKeySpec, IndexSpec, Position } from "./ast.ts";
import { charsetOfCollation } from "./collations.ts";
import { canonicalDefault } from "./default-value.ts";
import { ddlErrors } from "./errors.ts";
import { createLexer, type ServerFlavor, type Token, tokensSql } from "./lexer.ts";
import { changePartitions, isPartitionChange } from "./partitions.ts";
import {
  addChecks,
  addKeys,
  type BuildContext,
  buildColumn,
  convertedTextType,
  type Draft,
  draftOf,
  findColumn,
  fitPrefix,
  hashedParts,
  implicitPrefix,
  isStringType,
  lastGeneratedNumber,
  type Mutable,
  resolveCharset,
  sameName,
  setOptions,
  sortIndexes,
} from "./table-builder.ts";

type Change<K extends AlterChange["kind"]> = Extract<AlterChange, { kind: K }>;

export function alterTable(table: TableDefinition, changes: readonly AlterChange[], context: BuildContext): TableDefinition {
  const draft = draftOf(table);
  const refuse = (what: string): never => {
    throw ddlErrors.track([`${what} (table ${table.schema}.${table.name})`]);
  };
  const of = <K extends AlterChange["kind"]>(kind: K) => changes.filter((change): change is Change<K> => change.kind === kind);
  const has = (name: string) => findColumn(draft.columns, name) !== undefined;

  // The table's charset counts for the columns of the same statement.
  for (const change of changes) {
    if (change.kind === "options") {
      const value = (name: string) => change.options.findLast((option) => option.name === name)?.value;
      const given = { charset: value("CHARACTER SET"), collation: value("COLLATE") };
      if (given.charset !== undefined || given.collation !== undefined) {
        const parent = given.charset === undefined ? draft : context;
        Object.assign(draft, resolveCharset(given, parent, context));
      }
      setOptions(draft, change.options);
    } else if (change.kind === "convertCharset") {
      Object.assign(draft, resolveCharset({ charset: change.charset, collation: change.collation }, context, context));
    }
  }
  const converts = of("convertCharset").length > 0;

  const renames = new Map<string, string>();
  const gone = new Set<string>();
  for (const change of of("dropColumn")) if (has(change.name)) gone.add(change.name.toLowerCase());
  const newIndexes: IndexSpec[] = [];
  const newForeignKeys: ForeignKeySpec[] = [];
  const newChecks: CheckSpec[] = [];
  const newPrimary = new Set<string>();
  for (const { index } of of("addIndex")) {
    if (index.kind !== "primary") continue;
    for (const part of index.parts) if (part.column !== null) newPrimary.add(part.column.toLowerCase());
  }

  const dropsPrimary = of("dropIndex").some((change) => change.name === "PRIMARY");
  const oldPrimary = new Set(
    dropsPrimary ? [] : draft.indexes.find((index) => index.kind === "primary")?.parts.map((part) => part.column?.toLowerCase()),
  );
  const built = (spec: ColumnSpec, old?: ColumnDefinition): ColumnDefinition => {
    const inPrimaryKey = newPrimary.has(spec.name.toLowerCase()) || (old !== undefined && oldPrimary.has(old.name.toLowerCase()));
    const firstTimestamp = !draft.columns.some((column) => column !== old && column.type.name === "timestamp");
    const result = buildColumn(spec, draft, context, { inPrimaryKey, firstTimestamp });
    newIndexes.push(...result.indexes);
    newForeignKeys.push(...result.foreignKeys);
    newChecks.push(...result.checks);
    // CONVERT TO goes over what the statement itself says.
    const { column } = result;
    if (!converts || !isStringType(column.type) || column.type.charset === "binary") return column;
    return { ...column, type: { ...column.type, charset: draft.charset, collation: draft.collation } };
  };

  // Columns that are there already.
  const replaced = new Map<string, { readonly spec: ColumnSpec }>();
  for (const change of changes) {
    if (change.kind !== "modifyColumn" && change.kind !== "changeColumn") continue;
    const from = change.kind === "changeColumn" ? change.from : change.column.name;
    if (!has(from)) {
      if (change.ifExists) continue;
      refuse(`unknown column ${from}`);
    }
    const old = findColumn(draft.columns, from) as ColumnDefinition;
    // MODIFY keeps the name's letters as they were.
    const spec = change.kind === "modifyColumn" ? { ...change.column, name: old.name } : change.column;
    replaced.set(from.toLowerCase(), { spec });
    if (change.kind === "changeColumn" && change.from !== change.column.name) renames.set(from.toLowerCase(), change.column.name);
  }
  for (const change of of("renameColumn")) {
    if (has(change.from)) renames.set(change.from.toLowerCase(), change.to);
    else if (!change.ifExists) refuse(`unknown column ${change.from}`);
  }
  const columns: ColumnDefinition[] = [];
  for (const old of draft.columns) {
    const key = old.name.toLowerCase();
    if (gone.has(key)) continue;
    const replacement = replaced.get(key);
    if (replacement !== undefined) {
      columns.push(built(replacement.spec, old));
      continue;
    }
    let column = converts ? convertColumn(old, draft) : old;
    const to = renames.get(key);
    if (to !== undefined) column = { ...column, name: to };
    for (const change of of("alterColumnDefault"))
      if (sameName(change.name, old.name)) column = withDefault(column, change.defaultSql, context.flavor);
    for (const change of of("alterColumnVisibility")) if (sameName(change.name, old.name)) column = withInvisible(column, change.invisible);
    columns.push(column);
  }
  for (const change of [...of("alterColumnDefault"), ...of("alterColumnVisibility")]) {
    if (!has(change.name) && !("ifExists" in change)) refuse(`unknown column ${change.name}`);
  }

  // Added and moved ones, in the order written: each sees what the ones before it did.
  for (const change of changes) {
    if (change.kind === "addColumn") {
      if (columns.some((column) => sameName(column.name, change.column.name))) {
        if (change.ifNotExists) continue;
        refuse(`column ${change.column.name} exists`);
      }
      place(columns, built(change.column), change.position, refuse);
    } else if ((change.kind === "modifyColumn" || change.kind === "changeColumn") && change.position !== undefined) {
      const from = columns.findIndex((column) => sameName(column.name, change.column.name));
      const [column] = from === -1 ? [] : columns.splice(from, 1);
      if (column !== undefined) place(columns, column, change.position, refuse);
    }
  }
  if (columns.length === 0) refuse("a table cannot lose all columns");
  const oldColumns = draft.columns;
  draft.columns = columns;
  const names = new Set(columns.map((column) => column.name.toLowerCase()));
  if (names.size !== columns.length) refuse("duplicate column name");

  // A check that is about one dropped column only goes with it.
  if (gone.size > 0) {
    draft.checks = draft.checks.filter((check) => {
      const named = columnsIn(check.expression, oldColumns, context.flavor);
      return named.size !== 1 || ![...named].every((name) => gone.has(name));
    });
  }
  if (renames.size > 0) renameInExpressions(draft, renames, context.flavor);
  dropConstraints(draft, changes, refuse);
  keepKeys(draft, context, changes, { oldColumns, gone, renames, replaced }, refuse);

  for (const { index, ifNotExists, constraintName } of of("addIndex")) {
    const name = index.kind === "primary" ? "PRIMARY" : (index.name ?? constraintName);
    if (ifNotExists && draft.indexes.some((one) => name !== undefined && sameName(one.name, name))) continue;
    newIndexes.push(index);
  }
  for (const { foreignKey, ifNotExists } of of("addForeignKey")) {
    const name = foreignKey.name ?? foreignKey.indexName;
    if (ifNotExists && draft.foreignKeys.some((one) => name !== undefined && sameName(one.name, name))) continue;
    newForeignKeys.push(foreignKey);
  }
  for (const { check, ifNotExists } of of("addCheck")) {
    if (ifNotExists && draft.checks.some((one) => check.name !== undefined && sameName(one.name, check.name))) continue;
    newChecks.push(check);
  }
  addChecks(draft, newChecks, context, lastGeneratedNumber(draft.checks, `${table.name}_chk_`));
  addKeys(draft, newIndexes, newForeignKeys, context, lastGeneratedNumber(table.foreignKeys, `${table.name}_ibfk_`));
  for (const change of of("alterIndexVisibility")) {
    const position = draft.indexes.findIndex((index) => sameName(index.name, change.name));
    const index = draft.indexes[position];
    if (index === undefined) {
      if (!change.ifExists) refuse(`unknown key ${change.name}`);
      continue;
    }
    const { invisible: _, ...rest } = index;
    draft.indexes[position] = change.invisible ? { ...rest, invisible: true } : rest;
  }
  for (const change of of("alterCheck")) {
    draft.checks = draft.checks.map((check) => (sameName(check.name, change.name) ? { ...check, enforced: change.enforced } : check));
  }
  sortIndexes(draft);
  for (const change of changes) tableLevel(draft, change);
  return draft;
}

/** The table under a new name; constraint names that the server made up follow it. */
export function renamedTable(
  table: TableDefinition,
  to: { readonly schema: string; readonly name: string },
  flavor: ServerFlavor,
): TableDefinition {
  const follow = (name: string, infix: string) =>
    name.startsWith(`${table.name}${infix}`) ? `${to.name}${name.slice(table.name.length)}` : name;
  const foreignKeys = table.foreignKeys.map((key): ForeignKeyDefinition => {
    const schema = key.referencedSchema ?? table.schema;
    return { ...key, name: follow(key.name, "_ibfk_"), referencedSchema: schema === to.schema ? null : schema };
  });
  const checks = flavor === "mysql" ? table.checks.map((check) => ({ ...check, name: follow(check.name, "_chk_") })) : table.checks;
  return { ...table, schema: to.schema, name: to.name, foreignKeys, checks };
}

function place(
  columns: ColumnDefinition[],
  column: ColumnDefinition,
  position: Position | undefined,
  refuse: (what: string) => never,
): void {
  if (position === undefined) columns.push(column);
  else if (position.kind === "first") columns.unshift(column);
  else {
    const after = columns.findIndex((one) => sameName(one.name, position.column));
    if (after === -1) refuse(`unknown column ${position.column} in AFTER`);
    columns.splice(after + 1, 0, column);
  }
}

function convertColumn(column: ColumnDefinition, to: { readonly charset: string; readonly collation: string }): ColumnDefinition {
  const from = column.type.charset;
  if (!isStringType(column.type) || typeof from !== "string" || from === "binary") return column;
  const name = convertedTextType(column.type.name, from, to.charset);
  return { ...column, type: { ...column.type, name, charset: charsetOfCollation(to.collation) ?? to.charset, collation: to.collation } };
}

function withDefault(column: ColumnDefinition, sql: string | undefined, flavor: ServerFlavor): ColumnDefinition {
  if (column.autoIncrement || column.generated !== undefined) return column;
  const { defaultSql: _, ...rest } = column;
  // MariaDB: a column that takes NULL always has a default.
  if (sql === undefined && flavor === "mariadb" && column.nullable) return { ...rest, defaultSql: "NULL" };
  // MySQL: a literal in brackets is no expression here, as it is in CREATE TABLE.
  const literal = /^\(\s*([-+]?[0-9.]+|'(?:[^'\\]|''|\\.)*')\s*\)$/s.exec(sql ?? "");
  if (literal !== null && flavor === "mysql") return { ...rest, defaultSql: canonicalDefault(literal[1] as string, column.type, flavor) };
  return sql === undefined ? rest : { ...rest, defaultSql: canonicalDefault(sql, column.type, flavor) };
}

function withInvisible(column: ColumnDefinition, invisible: boolean): ColumnDefinition {
  const { invisible: _, ...rest } = column;
  return invisible ? { ...rest, invisible: true } : rest;
}

function dropConstraints(draft: Draft, changes: readonly AlterChange[], refuse: (what: string) => never): void {
  for (const change of changes) {
    if (change.kind === "dropForeignKey") draft.foreignKeys = draft.foreignKeys.filter((key) => !sameName(key.name, change.name));
    else if (change.kind === "dropCheck") draft.checks = draft.checks.filter((check) => !sameName(check.name, change.name));
    else if (change.kind === "dropConstraint") {
      const named = (one: { readonly name: string }) => sameName(one.name, change.name);
      if (draft.checks.some(named)) draft.checks = draft.checks.filter((one) => !named(one));
      else if (draft.foreignKeys.some(named)) draft.foreignKeys = draft.foreignKeys.filter((one) => !named(one));
      else if (draft.indexes.some(named)) draft.indexes = draft.indexes.filter((one) => !named(one));
      else if (!change.ifExists) refuse(`unknown constraint ${change.name}`);
    }
  }
}

interface ColumnChanges {
  readonly oldColumns: readonly ColumnDefinition[];
  readonly gone: ReadonlySet<string>;
  readonly renames: ReadonlyMap<string, string>;
  readonly replaced: ReadonlyMap<string, unknown>;
}

/** Keys that stay: without parts whose column is gone, with new names and fitting prefixes. A dropped key that is not there is no error. */
function keepKeys(
  draft: Draft,
  context: BuildContext,
  changes: readonly AlterChange[],
  columns: ColumnChanges,
  refuse: (what: string) => never,
): void {
  const dropped = new Set(changes.flatMap((change) => (change.kind === "dropIndex" ? [change.name.toLowerCase()] : [])));
  const newName = (column: string) => columns.renames.get(column.toLowerCase()) ?? column;
  draft.indexes = draft.indexes.filter((index) => !dropped.has(index.name.toLowerCase()));
  for (const change of changes) if (change.kind === "renameIndex") renameIndex(draft, change, refuse);
  const kept: IndexDefinition[] = [];
  for (const index of draft.indexes) {
    const parts: IndexPart[] = [];
    for (const part of index.parts) {
      if (part.column === null) {
        parts.push(part);
        continue;
      }
      if (columns.gone.has(part.column.toLowerCase())) continue;
      const column = findColumn(draft.columns, newName(part.column)) ?? refuse(`key ${index.name} lost its column ${part.column}`);
      const fitted: Mutable<IndexPart> = { ...part, column: column.name };
      if (columns.replaced.has(part.column.toLowerCase())) {
        fitPrefix(fitted, column.type);
        if (fitted.prefixLength === undefined) implicitPrefix(fitted, column.type, index.kind, context);
      }
      parts.push(fitted);
    }
    if (parts.length > 0) kept.push({ ...index, parts: context.flavor === "mariadb" ? hashedParts(draft, index.kind, parts) : parts });
  }
  draft.indexes = kept;
  draft.foreignKeys = draft.foreignKeys.map((key) => ({ ...key, columns: key.columns.map(newName) }));
}

function renameIndex(draft: Draft, change: { from: string; to: string; ifExists?: true }, refuse: (what: string) => never): void {
  const position = draft.indexes.findIndex((index) => sameName(index.name, change.from));
  const index = draft.indexes[position];
  if (index !== undefined) {
    // A key that someone names is no longer the server's own.
    const { generated: _, ...rest } = index;
    draft.indexes[position] = { ...rest, name: change.to };
  } else if (!change.ifExists) refuse(`unknown key ${change.from}`);
}

/** Generated columns, checks, defaults and keys on expressions name columns. */
function renameInExpressions(draft: Draft, renames: ReadonlyMap<string, string>, flavor: ServerFlavor): void {
  const rename = (text: string) => renameInText(text, renames, flavor);
  draft.columns = draft.columns.map((column) => {
    const changed: Mutable<ColumnDefinition> = { ...column };
    if (column.generated !== undefined) changed.generated = { ...column.generated, expression: rename(column.generated.expression) };
    if (column.check !== undefined) changed.check = rename(column.check);
    if (column.defaultSql?.includes("(") && !column.defaultSql.startsWith("'")) changed.defaultSql = rename(column.defaultSql);
    return changed;
  });
  draft.checks = draft.checks.map((check) => ({ ...check, expression: rename(check.expression) }));
  draft.indexes = draft.indexes.map((index) => ({
    ...index,
    parts: index.parts.map((part) => (part.expression === undefined ? part : { ...part, expression: rename(part.expression) })),
  }));
  if (draft.partitioning !== undefined) draft.partitioning = rename(draft.partitioning);
}

/** The columns that an expression names, lower case. */
function columnsIn(text: string, columns: readonly ColumnDefinition[], flavor: ServerFlavor): Set<string> {
  const known = new Set(columns.map((column) => column.name.toLowerCase()));
  const found = new Set<string>();
  const lexer = createLexer(text, { flavor });
  for (let token = lexer.next(); token.kind !== "end"; token = lexer.next()) {
    if ((token.kind === "word" || token.kind === "name") && known.has(token.text.toLowerCase())) found.add(token.text.toLowerCase());
  }
  return found;
}

function renameInText(text: string, renames: ReadonlyMap<string, string>, flavor: ServerFlavor): string {
  const lexer = createLexer(text, { flavor });
  const tokens: Token[] = [];
  for (let token = lexer.next(); token.kind !== "end"; token = lexer.next()) tokens.push(token);
  return tokensSql(
    tokens.map((token, index) => {
      if (token.kind !== "word" && token.kind !== "name") return token;
      const to = renames.get(token.text.toLowerCase());
      // A word before a bracket is a function; a name before a dot is a table.
      const next = tokens[index + 1]?.text;
      if (to === undefined || next === "." || (token.kind === "word" && next === "(")) return token;
      return { ...token, kind: "name", text: to, keyword: "" };
    }),
  );
}

function tableLevel(draft: Draft, change: AlterChange): void {
  if (change.kind === "partitionBy") draft.partitioning = change.text;
  else if (change.kind === "removePartitioning") delete draft.partitioning;
  else if (isPartitionChange(change)) {
    if (draft.partitioning !== undefined) draft.partitioning = changePartitions(draft.partitioning, change);
  } else if (change.kind === "systemVersioning") {
    const options = (draft.options ?? []).filter((option) => option !== "WITH SYSTEM VERSIONING");
    if (change.action === "add") options.push("WITH SYSTEM VERSIONING");
    setList(draft, options);
  } else if (change.kind === "addPeriod") {
    setList(draft, [...(draft.options ?? []), `PERIOD FOR ${change.period.name} (${change.period.start}, ${change.period.end})`]);
  } else if (change.kind === "dropPeriod") {
    const prefix = `period for ${change.name.toLowerCase()} `;
    setList(
      draft,
      (draft.options ?? []).filter((option) => !option.toLowerCase().startsWith(prefix)),
    );
  }
}

function setList(draft: Draft, options: string[]): void {
  if (options.length === 0) delete draft.options;
  else draft.options = options;
}
