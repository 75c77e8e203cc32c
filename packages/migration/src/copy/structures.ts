/** A source table's place in the target: made when it is missing, taken as it is when its columns fit. */
import {
  MysqlServerError,
  mapCharset,
  mapCollation,
  parseCreateTable,
  quoteIdentifier,
  type TableDefinition,
  targetCreateTable,
} from "@skein/mysql";
import { dmErrors } from "../errors.ts";
import type { Route } from "../filter/core/router.ts";
import { bytesOf, textLiteral, textOf } from "../target/core/meta-tables.ts";
import type { Target } from "../target/target.ts";
import { type CopyColumns, copyColumns } from "./core/columns.ts";
import { addIndexes, lateIndexes, withoutIndexes } from "./core/late-indexes.ts";

export interface TargetTablePlace {
  /** Quoted, with its schema. */
  readonly name: string;
  /** It was made by this call. */
  readonly isNew: boolean;
  readonly definition: TableDefinition;
  readonly columns: CopyColumns;
}

const dialectOf = (target: Target): "mysql" | "mariadb" | "tidb" => (target.isTiDB ? "tidb" : target.flavor);

export function targetName(route: Route): string {
  return `${quoteIdentifier(bytesOf(route.schema))}.${quoteIdentifier(bytesOf(route.table))}`;
}

export async function createSchema(
  target: Target,
  schema: string,
  defaults: { readonly charset: string; readonly collation: string } | null,
  signal: AbortSignal,
): Promise<void> {
  const { rows } = await target.query(`SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${textLiteral(schema)}`, signal);
  if (rows.length > 0) return;
  const dialect = dialectOf(target);
  const options =
    defaults === null
      ? ""
      : ` DEFAULT CHARACTER SET ${mapCharset(defaults.charset, dialect).name} COLLATE ${mapCollation(defaults.collation, dialect).name}`;
  await target.ddl(`CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(bytesOf(schema))}${options}`, { signal });
}

/** Throws 34019 when a table is there that lacks columns. */
export async function prepareTargetTable(
  target: Target,
  source: TableDefinition,
  route: Route,
  signal: AbortSignal,
  options: { readonly lateIndexes?: boolean; readonly beforeCreate?: () => Promise<void> } = {},
): Promise<TargetTablePlace> {
  const name = targetName(route);
  let definition = await readTargetTable(target, route, signal);
  const isNew = definition === null;
  if (definition === null) {
    const early = options.lateIndexes === true ? withoutIndexes(source, lateIndexes(source)) : source;
    const { sql } = targetCreateTable(withExtracted({ ...early, schema: route.schema, name: route.table }, route), {
      dialect: dialectOf(target),
    });
    await options.beforeCreate?.();
    await target.ddl(bytesOf(sql), { signal });
    definition = await readTargetTable(target, route, signal);
  }
  if (definition === null) throw dmErrors.loadRun([], new Error(`table ${textOf(name)} is not in the target after it was made`));
  const columns = copyColumns(
    source,
    definition,
    route.extracted.map(({ column }) => column),
  );
  if ("missing" in columns) {
    throw dmErrors.loadRun(
      [],
      new Error(
        `table ${textOf(name)} in the target has no column ${columns.missing.join(", ")}, which ${source.schema}.${source.name} in the source has; add it, or drop the table and resume`,
      ),
    );
  }
  return { name, isNew, definition, columns };
}

/** The indexes that were left out when the table was made. */
export async function finishIndexes(target: Target, source: TableDefinition, route: Route, signal: AbortSignal): Promise<void> {
  if (lateIndexes(source).length === 0) return;
  const definition = await readTargetTable(target, route, signal);
  if (definition === null) return;
  const sql = addIndexes({ schema: route.schema, name: route.table }, source, definition, dialectOf(target));
  if (sql !== null) await target.ddl(bytesOf(sql), { signal });
}

/** Columns that a route adds, when they are not there already. */
function withExtracted(table: TableDefinition, route: Route): TableDefinition {
  const added = route.extracted.filter(({ column }) => !table.columns.some(({ name }) => name.toLowerCase() === column.toLowerCase()));
  if (added.length === 0) return table;
  return {
    ...table,
    columns: [
      ...table.columns,
      ...added.map(({ column }) => ({
        name: column,
        type: { name: "varchar" as const, length: 255, charset: "utf8mb4", collation: "utf8mb4_bin" },
        nullable: true,
      })),
    ],
  };
}

async function readTargetTable(target: Target, route: Route, signal: AbortSignal): Promise<TableDefinition | null> {
  try {
    const { rows } = await target.query(`SHOW CREATE TABLE ${targetName(route)}`, signal);
    return parseCreateTable(textOf(rows[0]?.[1] ?? ""), { schema: route.schema, flavor: target.flavor });
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause instanceof MysqlServerError && (cause.errno === 1146 || cause.errno === 1049)) return null;
    throw error;
  }
}
