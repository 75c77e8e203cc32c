/** What replication does with statements: which tables they name, under other names, one change at a time, and their event names. */
import type { ColumnDefinition, TableDefinition } from "../../core/table.ts";
import type { AlterChange, AlterTable, ColumnSpec, DdlStatement, ForeignKeySpec, TableName } from "./ast.ts";
import { findColumn } from "./table-builder.ts";

export interface QualifiedName {
  readonly schema: string;
  readonly name: string;
}

/** Replaces each table name, foreign keys' too. */
function withTables(statement: DdlStatement, map: (table: TableName) => TableName): DdlStatement {
  switch (statement.kind) {
    case "createTable":
      return {
        ...statement,
        table: map(statement.table),
        columns: statement.columns.map((column) => columnWithTables(column, map)),
        foreignKeys: statement.foreignKeys.map((key) => foreignKeyWithTables(key, map)),
      };
    case "createTableLike":
      return { ...statement, table: map(statement.table), like: map(statement.like) };
    case "alterTable": {
      // A new name without a schema stays in the table's schema, not in the session's.
      const ownSchema = (table: TableName): TableName =>
        table.schema === undefined && statement.table.schema !== undefined ? { schema: statement.table.schema, name: table.name } : table;
      return {
        ...statement,
        table: map(statement.table),
        changes: statement.changes.map((change) => changeWithTables(change, (table) => map(ownSchema(table)))),
      };
    }
    case "dropTables":
      return { ...statement, tables: statement.tables.map(map) };
    case "renameTables":
      return { ...statement, pairs: statement.pairs.map((pair) => ({ from: map(pair.from), to: map(pair.to) })) };
    case "truncateTable":
    case "createIndex":
    case "dropIndex":
      return { ...statement, table: map(statement.table) };
    case "createDatabase":
    case "alterDatabase":
    case "dropDatabase":
    case "other":
      return statement;
  }
}

function columnWithTables(column: ColumnSpec, map: (table: TableName) => TableName): ColumnSpec {
  return column.references === undefined
    ? column
    : { ...column, references: { ...column.references, table: map(column.references.table) } };
}

function foreignKeyWithTables(key: ForeignKeySpec, map: (table: TableName) => TableName): ForeignKeySpec {
  return { ...key, references: { ...key.references, table: map(key.references.table) } };
}

function changeWithTables(change: AlterChange, map: (table: TableName) => TableName): AlterChange {
  if (change.kind === "addColumn" || change.kind === "modifyColumn" || change.kind === "changeColumn") {
    return { ...change, column: columnWithTables(change.column, map) };
  }
  if (change.kind === "addForeignKey") return { ...change, foreignKey: foreignKeyWithTables(change.foreignKey, map) };
  if (change.kind === "renameTable") return { ...change, to: map(change.to) };
  if (change.kind === "exchangePartition" || change.kind === "convertPartitionToTable" || change.kind === "convertTableToPartition") {
    return { ...change, table: map(change.table) };
  }
  return change;
}

/** Every table name qualified: what the session's default schema was makes no difference any more. */
export function withDefaultSchema(statement: DdlStatement, schema: string): DdlStatement {
  if (schema === "") return statement;
  if (statement.kind === "alterDatabase") return statement.name === undefined ? { ...statement, name: schema } : statement;
  // Foreign keys without a schema refer to the schema of their own table.
  if ((statement.kind === "createTable" || statement.kind === "alterTable") && statement.table.schema !== undefined) {
    const own = statement.table.schema;
    return withTables(statement, (table) => ({ schema: table.schema ?? own, name: table.name }));
  }
  return withTables(statement, (table) => ({ schema: table.schema ?? schema, name: table.name }));
}

/**
 * The names for routes; the statement has to be qualified (`withDefaultSchema`), names without a schema stay as they are.
 * For CREATE, ALTER and DROP DATABASE `map` gets the schema with an empty table name, and only the schema of its answer counts.
 */
export function mapTables(statement: DdlStatement, map: (schema: string, table: string) => QualifiedName): DdlStatement {
  if (statement.kind === "createDatabase" || statement.kind === "dropDatabase")
    return { ...statement, name: map(statement.name, "").schema };
  if (statement.kind === "alterDatabase")
    return statement.name === undefined ? statement : { ...statement, name: map(statement.name, "").schema };
  return withTables(statement, (table) => (table.schema === undefined ? table : map(table.schema, table.name)));
}

/** The tables that a statement creates, changes or drops, in order; tables that it only refers to (LIKE, foreign keys) are left out. */
export function statementTables(statement: DdlStatement): readonly TableName[] {
  switch (statement.kind) {
    case "createTable":
    case "createTableLike":
    case "truncateTable":
    case "createIndex":
    case "dropIndex":
      return [statement.table];
    case "alterTable":
      return [
        statement.table,
        ...statement.changes.flatMap((change) => {
          if (change.kind === "renameTable") return [change.to];
          if (change.kind === "exchangePartition" || change.kind === "convertPartitionToTable" || change.kind === "convertTableToPartition")
            return [change.table];
          return [];
        }),
      ];
    case "dropTables":
      return statement.tables;
    case "renameTables":
      return statement.pairs.flatMap((pair) => [pair.from, pair.to]);
    case "createDatabase":
    case "alterDatabase":
    case "dropDatabase":
    case "other":
      return [];
  }
}

/** The renames of a statement, also those of ALTER TABLE … RENAME: what online schema changes end with. */
export function statementRenames(statement: DdlStatement): readonly { readonly from: TableName; readonly to: TableName }[] {
  if (statement.kind === "renameTables") return statement.pairs;
  if (statement.kind !== "alterTable") return [];
  return statement.changes.flatMap((change) => (change.kind === "renameTable" ? [{ from: statement.table, to: change.to }] : []));
}

/** The schema of CREATE, ALTER or DROP DATABASE. */
export function statementSchema(statement: DdlStatement): string | undefined {
  if (statement.kind === "createDatabase" || statement.kind === "dropDatabase" || statement.kind === "alterDatabase") return statement.name;
  return undefined;
}

/**
 * One change and one table a statement, in an order with the same end result. Changes that only make sense together (columns
 * that swap names, a new AUTO_INCREMENT column and its key, a primary key that is replaced) stay in one ALTER TABLE.
 * CREATE OR REPLACE becomes DROP … IF EXISTS and CREATE, which every target knows.
 */
export function splitStatement(statement: DdlStatement): readonly DdlStatement[] {
  switch (statement.kind) {
    case "createTable":
    case "createTableLike": {
      if (!statement.orReplace) return [statement];
      const { orReplace: _, ...create } = statement;
      return [{ kind: "dropTables", tables: [statement.table], ifExists: true }, create];
    }
    case "createIndex": {
      if (!statement.orReplace) return [statement];
      const { orReplace: _, ...create } = statement;
      return [{ kind: "dropIndex", table: statement.table, name: statement.index.name ?? "", ifExists: true }, create];
    }
    case "createDatabase": {
      if (!statement.orReplace) return [statement];
      const { orReplace: _, ...create } = statement;
      return [{ kind: "dropDatabase", name: statement.name, ifExists: true }, create];
    }
    case "dropTables":
      return statement.tables.map((table) => ({ ...statement, tables: [table] }));
    case "renameTables":
      return statement.pairs.map((pair) => ({ ...statement, pairs: [pair] }));
    case "alterTable":
      return splitAlter(statement);
    case "truncateTable":
    case "dropIndex":
    case "alterDatabase":
    case "dropDatabase":
    case "other":
      return [statement];
  }
}

/** Dropped first (a name may be used again), a new name last (the others know the table by the old one), partitioning before it. */
const splitRanks: Partial<Record<AlterChange["kind"], number>> = {
  dropForeignKey: 0,
  dropCheck: 0,
  dropConstraint: 0,
  dropIndex: 1,
  dropColumn: 2,
  partitionBy: 4,
  removePartitioning: 4,
  renameTable: 5,
};

function splitAlter(alter: AlterTable): readonly DdlStatement[] {
  if (alter.changes.length <= 1) return [alter];
  if (belongTogether(alter.changes)) return [alter];
  const rank = (change: AlterChange) => splitRanks[change.kind] ?? 3;
  return alter.changes
    .map((change, position) => ({ change, position }))
    .sort((a, b) => rank(a.change) - rank(b.change) || a.position - b.position)
    .map(({ change }) => ({ ...alter, changes: [change] }));
}

function belongTogether(changes: readonly AlterChange[]): boolean {
  const lower = (name: string) => name.toLowerCase();
  const has = (kind: AlterChange["kind"]) => changes.some((change) => change.kind === kind);
  const dropsPrimary = changes.some((change) => change.kind === "dropIndex" && change.name === "PRIMARY");
  const columns = changes.flatMap((change) =>
    change.kind === "addColumn" || change.kind === "modifyColumn" || change.kind === "changeColumn" ? [change.column] : [],
  );
  const addsPrimary =
    changes.some((change) => change.kind === "addIndex" && change.index.kind === "primary") ||
    columns.some((column) => column.keys?.includes("primary"));
  if (dropsPrimary && (addsPrimary || columns.length > 0)) return true;
  // An AUTO_INCREMENT column has to be a key from its first moment.
  if (columns.some((column) => column.autoIncrement && column.keys === undefined) && has("addIndex")) return true;
  // A key that replaces another one, when a foreign key may need either.
  if (has("dropIndex") && has("addIndex")) return true;
  if (has("convertCharset") && columns.length > 0) return true;
  if (has("systemVersioning") || has("addPeriod") || has("dropPeriod")) return true;
  // Old and new names that cross.
  const from = new Set<string>();
  const to = new Set<string>();
  for (const change of changes) {
    if (change.kind === "changeColumn" && lower(change.from) !== lower(change.column.name)) {
      from.add(lower(change.from));
      to.add(lower(change.column.name));
    }
    if (change.kind === "renameColumn" && lower(change.from) !== lower(change.to)) {
      from.add(lower(change.from));
      to.add(lower(change.to));
    }
  }
  if ([...to].some((name) => from.has(name))) return true;
  const dropped = new Set(changes.flatMap((change) => (change.kind === "dropColumn" ? [lower(change.name)] : [])));
  const added = changes.flatMap((change) => (change.kind === "addColumn" ? [lower(change.column.name)] : []));
  if (added.some((name) => from.has(name))) return true;
  // All columns may go when others come, but not one after the other; and a dropped column may be part of a key that is changed too.
  if (dropped.size > 0 && (added.length > 0 || addsPrimary) && (has("dropIndex") || [...dropped].some((name) => added.includes(name))))
    return true;
  return (
    changes.some((change) => change.kind === "renameColumn" || change.kind === "changeColumn") &&
    changes.some((change) => namesColumns(change))
  );
}

/** Whether a change names columns that a rename in the same statement may concern. */
function namesColumns(change: AlterChange): boolean {
  if (change.kind === "addIndex" || change.kind === "addForeignKey" || change.kind === "addCheck") return true;
  if (change.kind === "addColumn" || change.kind === "modifyColumn")
    return change.position?.kind === "after" || change.column.generated !== undefined;
  return false;
}

/**
 * Names of the event filter that a statement answers to, the general one first: `["alter table", "drop column"]`. With the
 * table as it was before, changes of types, defaults and order are told apart too. Empty for statements of kind `other`, but
 * views.
 */
export function ddlEventTypes(statement: DdlStatement, before?: TableDefinition): readonly string[] {
  switch (statement.kind) {
    case "createTable":
    case "createTableLike":
      return ["create table"];
    case "dropTables":
      return ["drop table"];
    case "truncateTable":
      return ["truncate table"];
    case "renameTables":
      return ["rename table"];
    case "createIndex":
      return ["create index"];
    case "dropIndex": {
      const index = before?.indexes.find((one) => one.name.toLowerCase() === statement.name.toLowerCase());
      return index?.kind === "unique" ? ["drop index", "drop unique key"] : ["drop index"];
    }
    case "createDatabase":
      return ["create database"];
    case "dropDatabase":
      return ["drop database"];
    case "alterDatabase":
      return ["alter database", "modify schema charset and collate"];
    case "alterTable": {
      const kinds = new Set(statement.changes.flatMap((change) => changeEventTypes(change, before)));
      const multi = statement.changes.length > 1 ? ["multi schema change"] : [];
      return ["alter table", ...multi, ...kinds];
    }
    case "other":
      return statement.what === "create view" || statement.what === "drop view" ? [statement.what] : [];
  }
}

function changeEventTypes(change: AlterChange, before: TableDefinition | undefined): readonly string[] {
  switch (change.kind) {
    case "addColumn":
      return ["add column"];
    case "dropColumn":
      return ["drop column"];
    case "modifyColumn":
      return columnEventTypes(change.column.name, change.column, change.position !== undefined, before);
    case "changeColumn": {
      const renames = change.from.toLowerCase() !== change.column.name.toLowerCase();
      return [
        ...(renames ? ["rename column"] : []),
        ...columnEventTypes(change.from, change.column, change.position !== undefined, before),
      ];
    }
    case "renameColumn":
      return ["rename column"];
    case "alterColumnDefault":
      return change.defaultSql === undefined || findColumn(before?.columns ?? [], change.name)?.defaultSql !== undefined
        ? ["set default value", "modify default value"]
        : ["set default value"];
    case "addIndex":
      return change.index.kind === "primary" ? ["add primary key"] : ["create index"];
    case "dropIndex": {
      if (change.name === "PRIMARY") return ["drop primary key"];
      const index = before?.indexes.find((one) => one.name.toLowerCase() === change.name.toLowerCase());
      return index?.kind === "unique" ? ["drop index", "drop unique key"] : ["drop index"];
    }
    case "renameIndex":
      return ["rename index"];
    case "alterIndexVisibility":
      return ["alter index visibility"];
    case "addForeignKey":
      return ["add foreign key"];
    case "dropForeignKey":
      return ["drop foreign key"];
    case "addCheck":
    case "dropCheck":
    case "alterCheck":
      return ["modify constraint"];
    case "dropConstraint": {
      const named = (one: { readonly name: string }) => one.name.toLowerCase() === change.name.toLowerCase();
      if (before?.foreignKeys.some(named)) return ["drop foreign key"];
      return before?.indexes.some(named) ? ["drop index", "drop unique key"] : ["modify constraint"];
    }
    case "renameTable":
      return ["rename table"];
    case "convertCharset":
      return ["modify table charset and collate", "modify charset", "modify collation"];
    case "options":
      return [
        ...new Set(
          change.options.flatMap((option) => {
            switch (option.name) {
              case "CHARACTER SET":
                return ["modify table charset and collate", "modify charset"];
              case "COLLATE":
                return ["modify table charset and collate", "modify collation"];
              case "COMMENT":
                return ["modify table comment"];
              case "AUTO_INCREMENT":
                return ["rebase auto id"];
              case "ENGINE":
                return ["modify storage engine"];
              case "TTL":
              case "TTL_ENABLE":
                return ["alter ttl info"];
              default:
                return [];
            }
          }),
        ),
      ];
    case "partitionBy":
      return ["alter table partitioning"];
    case "removePartitioning":
      return ["remove table partitioning"];
    case "addPartition":
    case "convertTableToPartition":
      return ["add table partition"];
    case "dropPartition":
    case "convertPartitionToTable":
      return ["drop table partition"];
    case "truncatePartition":
      return ["truncate table partition"];
    case "coalescePartition":
      return ["coalesce table partition"];
    case "reorganizePartition":
      return ["reorganize table partition"];
    case "exchangePartition":
      return ["exchange table partition"];
    case "maintainPartition":
      return change.action === "REBUILD" ? ["rebuild table partition"] : [];
    case "alterColumnVisibility":
    case "orderBy":
    case "maintenance":
    case "systemVersioning":
    case "addPeriod":
    case "dropPeriod":
      return [];
  }
}

const integerBytes: Record<string, number> = { tinyint: 1, smallint: 2, mediumint: 3, int: 4, bigint: 8 };

function columnEventTypes(name: string, spec: ColumnSpec, moves: boolean, before: TableDefinition | undefined): readonly string[] {
  const types = ["modify column"];
  if (moves) types.push("modify columns order");
  const old = findColumn(before?.columns ?? [], name);
  if (old === undefined) return types;
  if (narrows(old, spec)) types.push("value range decrease");
  const oldPrecision = old.type.decimals ?? 0;
  if (old.type.name === spec.type.name && (spec.type.decimals ?? 0) < oldPrecision) types.push("precision decrease");
  if ((spec.defaultSql ?? "NULL") !== (old.defaultSql ?? "NULL")) types.push("modify default value");
  if (old.autoIncrement && !spec.autoIncrement) types.push("remove auto increment");
  if (spec.type.charset !== undefined && spec.type.charset !== old.type.charset) types.push("modify charset");
  if (spec.type.collation !== undefined && spec.type.collation !== old.type.collation) types.push("modify collation");
  return types;
}

/** Whether some value of the old type has no place in the new one. */
function narrows(old: ColumnDefinition, spec: ColumnSpec): boolean {
  const oldBytes = integerBytes[old.type.name];
  const newBytes = integerBytes[spec.type.name];
  if (oldBytes !== undefined && newBytes !== undefined) {
    return (
      newBytes < oldBytes ||
      (newBytes === oldBytes && (old.type.unsigned ?? false) !== (spec.type.unsigned ?? false)) ||
      (spec.type.unsigned === true && !old.type.unsigned)
    );
  }
  if (old.type.members !== undefined && spec.type.members !== undefined) {
    const left = spec.type.members;
    return old.type.members.some((member, index) => left[index] !== member);
  }
  if (old.type.name === "decimal" && spec.type.name === "decimal") {
    return (spec.type.length ?? 10) - (spec.type.decimals ?? 0) < (old.type.length ?? 10) - (old.type.decimals ?? 0);
  }
  const lengths: Record<string, number> = {
    tinytext: 255,
    text: 65_535,
    mediumtext: 16_777_215,
    longtext: 4_294_967_295,
    tinyblob: 255,
    blob: 65_535,
    mediumblob: 16_777_215,
    longblob: 4_294_967_295,
  };
  const size = (type: { readonly name: string; readonly length?: number }) => lengths[type.name] ?? type.length;
  const [oldSize, newSize] = [size(old.type), size(spec.type)];
  return oldSize !== undefined && newSize !== undefined && newSize < oldSize;
}
