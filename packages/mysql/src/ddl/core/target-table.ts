/** A tracked structure → the CREATE TABLE that makes its equal in a target of this or another family. */
import type { ColumnDefinition, IndexDefinition, TableDefinition } from "../../core/table.ts";
import type { CheckSpec, ColumnSpec, CreateTable, IndexSpec, PeriodSpec, TableOption, TypeSpec } from "./ast.ts";
import type { DdlDialect } from "./collations.ts";
import { ddlErrors } from "./errors.ts";
import { printStatement } from "./printer.ts";
import type { Mutable } from "./table-builder.ts";

export interface TargetTable {
  /** Names the table with its schema. */
  readonly sql: string;
  /** What differs in the target, one sentence each; empty when nothing does. */
  readonly notes: readonly string[];
}

export interface TargetOptions {
  readonly dialect: DdlDialect;
  /** Of the target, as in versioned comments (101100); for types that came late. Default: newer than all known. */
  readonly version?: number;
  /** Default: true. */
  readonly ifNotExists?: boolean;
}

/** MariaDB 11.7 brought the type VECTOR, MySQL 9.0 too. */
const vectorSince: Record<DdlDialect, number> = { mariadb: 110_700, mysql: 90_000, tidb: 0 };

/**
 * Charsets and collations are spelled out for every column, so that the target's defaults make no difference. Throws 44020 for
 * what has no equal there.
 */
export function targetCreateTable(table: TableDefinition, options: TargetOptions): TargetTable {
  const vector = table.columns.find((column) => column.type.name === "vector");
  if (vector !== undefined && options.version !== undefined && options.version < vectorSince[options.dialect]) {
    throw ddlErrors.noEqual([options.dialect, `the type vector (column ${vector.name})`]);
  }
  if (options.dialect === "mariadb") refuseGeneratedKey(table);
  const notes = new Set<string>();
  const statement = definitionToStatement(table);
  const withExists: CreateTable = options.ifNotExists === false ? statement : { ...statement, ifNotExists: true };
  const sql = printStatement(
    forTarget(withExists, table, options.dialect, (text) => notes.add(text)),
    {
      dialect: options.dialect,
      note: (text) => notes.add(text),
    },
  );
  return { sql, notes: [...notes] };
}

/** MySQL takes a stored generated column into a primary key, MariaDB does not. */
function refuseGeneratedKey(table: TableDefinition): void {
  const primary = table.indexes.find(({ kind }) => kind === "primary");
  const generated = table.columns.find(
    (column) => column.generated !== undefined && primary?.parts.some((part) => part.column?.toLowerCase() === column.name.toLowerCase()),
  );
  if (generated !== undefined) throw ddlErrors.noEqual(["mariadb", `a primary key over a generated column (${generated.name})`]);
}

/** The statement that makes the table; building it again gives the same structure. */
export function definitionToStatement(table: TableDefinition): CreateTable {
  const options: TableOption[] = [];
  if (table.engine !== undefined) options.push({ name: "ENGINE", value: table.engine });
  options.push({ name: "CHARACTER SET", value: table.charset }, { name: "COLLATE", value: table.collation });
  if (table.rowFormat !== undefined) options.push({ name: "ROW_FORMAT", value: table.rowFormat });
  if (table.comment !== undefined) options.push({ name: "COMMENT", value: table.comment });
  const periods: PeriodSpec[] = [];
  let systemVersioning = false;
  for (const option of table.options ?? []) {
    const period = /^PERIOD FOR (.*) \((.*), (.*)\)$/s.exec(option);
    if (period !== null) periods.push({ name: period[1] as string, start: period[2] as string, end: period[3] as string });
    else if (option === "WITH SYSTEM VERSIONING") systemVersioning = true;
    else {
      const equals = option.indexOf("=");
      options.push({ name: option.slice(0, equals), value: option.slice(equals + 1) });
    }
  }
  return {
    kind: "createTable",
    table: { schema: table.schema, name: table.name },
    columns: table.columns.map(columnSpec),
    indexes: table.indexes.map(indexSpec),
    foreignKeys: table.foreignKeys.map((key) => ({
      name: key.name,
      columns: key.columns,
      references: {
        table: { schema: key.referencedSchema ?? table.schema, name: key.referencedTable },
        columns: key.referencedColumns,
        ...(key.onDelete === undefined ? {} : { onDelete: key.onDelete }),
        ...(key.onUpdate === undefined ? {} : { onUpdate: key.onUpdate }),
      },
    })),
    checks: table.checks.map(
      ({ name, expression, enforced }): CheckSpec => (enforced ? { name, expression } : { name, expression, enforced: false }),
    ),
    options,
    ...(periods.length > 0 ? { periods } : {}),
    ...(table.partitioning === undefined ? {} : { partitioning: table.partitioning }),
    ...(systemVersioning ? { systemVersioning: true } : {}),
  };
}

function columnSpec(column: ColumnDefinition): ColumnSpec {
  const { charset, collation, ...rest } = column.type;
  const type: Mutable<TypeSpec> = { ...rest };
  if (typeof charset === "string") type.charset = charset;
  if (typeof collation === "string") type.collation = collation;
  const spec: Mutable<ColumnSpec> = { name: column.name, type };
  const rowBound = column.attributes?.find((attribute) => attribute.startsWith("GENERATED ALWAYS AS ROW "));
  const attributes = column.attributes?.filter((attribute) => attribute !== rowBound) ?? [];
  if (rowBound !== undefined) spec.rowBound = rowBound.endsWith("START") ? "start" : "end";
  else spec.nullable = column.nullable;
  if (column.defaultSql !== undefined) spec.defaultSql = asWritten(column.defaultSql);
  if (column.onUpdateSql !== undefined) spec.onUpdateSql = asWritten(column.onUpdateSql);
  if (column.autoIncrement) spec.autoIncrement = true;
  if (column.generated !== undefined) spec.generated = column.generated;
  if (column.invisible) spec.invisible = true;
  if (column.comment !== undefined) spec.comment = column.comment;
  if (column.check !== undefined) spec.checks = [{ expression: column.check }];
  if (attributes.length > 0) spec.attributes = attributes;
  return spec;
}

/** MariaDB prints `current_timestamp()`; statements have one form for all families. */
function asWritten(sql: string): string {
  const found = /^current_timestamp(?:\((\d?)\))?$/i.exec(sql);
  if (found === null) return sql;
  return found[1] ? `CURRENT_TIMESTAMP(${found[1]})` : "CURRENT_TIMESTAMP";
}

/** Display widths mean nothing to MySQL and TiDB, but for ZEROFILL and as the sign of a boolean. */
function withoutDisplayWidth(column: ColumnSpec): ColumnSpec {
  const { length, ...type } = column.type;
  const isInteger = /int$|^year$/.test(type.name);
  if (!isInteger || type.zerofill || (type.name === "tinyint" && length === 1)) return column;
  return { ...column, type };
}

function indexSpec(index: IndexDefinition): IndexSpec {
  const spec: Mutable<IndexSpec> = { kind: index.kind, parts: index.parts };
  if (index.kind !== "primary") spec.name = index.name;
  if (index.using !== undefined) spec.using = index.using;
  if (index.invisible) spec.invisible = true;
  if (index.comment !== undefined) spec.comment = index.comment;
  const overlaps = index.options?.find((option) => option.startsWith("WITHOUT OVERLAPS "));
  const options = index.options?.filter((option) => option !== overlaps) ?? [];
  if (overlaps !== undefined) spec.withoutOverlaps = overlaps.slice("WITHOUT OVERLAPS ".length);
  if (options.length > 0) spec.options = options;
  return spec;
}

/** The differences that are about more than the spelling of one clause. */
function forTarget(statement: CreateTable, table: TableDefinition, dialect: DdlDialect, note: (text: string) => void): CreateTable {
  if (dialect === "mariadb") return statement;
  const refuse = (what: string): never => {
    throw ddlErrors.noEqual([dialect, what]);
  };
  // Sent to MySQL and TiDB: bounds of system versioning hold nothing that a replica needs, and their table works without.
  const bounds = new Set(statement.columns.filter((column) => column.rowBound !== undefined).map((column) => column.name.toLowerCase()));
  if (bounds.size > 0) note(`columns ${[...bounds].join(", ")} (row start and end of system versioning) are left out`);
  const periods = (statement.periods ?? []).filter((period) => period.name.toUpperCase() !== "SYSTEM_TIME");
  if (periods.length > 0) refuse(`the period ${periods[0]?.name}`);
  const indexes = statement.indexes.map((index) => {
    for (const part of index.parts) {
      const column = table.columns.find((one) => one.name === part.column);
      const needsPrefix = column !== undefined && /text$|blob$/.test(column.type.name) && part.prefixLength === undefined;
      // MariaDB makes a hash of it; the other families have nothing that would keep such values unique.
      if (needsPrefix && (index.kind === "unique" || index.kind === "primary"))
        refuse(`the unique key ${index.name ?? "PRIMARY"} on the whole of ${column.name} (${column.type.name})`);
    }
    return index.using === "hash" && dialect === "tidb" ? { ...index, using: "btree" as const } : index;
  });
  // MariaDB numbers checks by table, the other families want names that are unique in the schema: the target makes up its own.
  const checks = statement.checks.map((check): CheckSpec => {
    const { name, ...unnamed } = check;
    if (name === undefined || !/^CONSTRAINT_\d+$/.test(name)) return check;
    note(`check ${name} gets a name of the target's own`);
    return unnamed;
  });
  const { periods: _, ...rest } = statement;
  return {
    ...rest,
    checks,
    indexes: indexes.flatMap((index) => {
      const parts = index.parts.filter((part) => part.column === null || !bounds.has(part.column.toLowerCase()));
      return parts.length === 0 ? [] : [{ ...index, parts }];
    }),
    columns: statement.columns.filter((column) => column.rowBound === undefined).map(withoutDisplayWidth),
  };
}
