/**
 * The block-allow list. Order for a schema and a table:
 *
 *   1 `do-dbs` not empty: only what matches      3 `do-tables` not empty: only what matches
 *   2 else `ignore-dbs`: not what matches        4 else `ignore-tables`: not what matches
 */
import type { TableFilterRules, TablePattern } from "../../config/subtask-config.ts";
import { compilePattern, type NamePattern } from "./name-pattern.ts";

export interface TableFilter {
  schemaAllowed(schema: string): boolean;
  tableAllowed(schema: string, table: string): boolean;
}

/** Never migrated, whatever the lists say. */
const systemSchemas = new Set(["mysql", "information_schema", "performance_schema", "sys", "metrics_schema", "inspection_schema"]);

export function isSystemSchema(schema: string): boolean {
  return systemSchemas.has(schema.toLowerCase());
}

export function createTableFilter(rules: TableFilterRules, options: { readonly caseSensitive: boolean }): TableFilter {
  const compile = (text: string) => compilePattern(text, options.caseSensitive);
  const compileTables = (patterns: readonly TablePattern[]) =>
    patterns.map(({ schema, table }) => ({ schema: compile(schema), table: table === "" ? null : compile(table) }));
  const doDbs = rules.doDbs.map(compile);
  const ignoreDbs = rules.ignoreDbs.map(compile);
  const doTables = compileTables(rules.doTables);
  const ignoreTables = compileTables(rules.ignoreTables);
  const any = (patterns: readonly NamePattern[], name: string) => patterns.some((pattern) => pattern.matches(name));
  const anyTable = (patterns: ReturnType<typeof compileTables>, schema: string, table: string) =>
    patterns.some((pattern) => pattern.schema.matches(schema) && (pattern.table === null || pattern.table.matches(table)));

  const schemaAllowed = (schema: string) => {
    if (isSystemSchema(schema)) return false;
    return doDbs.length > 0 ? any(doDbs, schema) : !any(ignoreDbs, schema);
  };
  const decide = (schema: string, table: string) => {
    if (!schemaAllowed(schema)) return false;
    return doTables.length > 0 ? anyTable(doTables, schema, table) : !anyTable(ignoreTables, schema, table);
  };
  return { schemaAllowed: memoize(schemaAllowed), tableAllowed: memoizePair(decide) };
}

const memoMax = 100_000;

function memoize<T>(compute: (name: string) => T): (name: string) => T {
  const known = new Map<string, T>();
  return (name) => {
    let value = known.get(name);
    if (value === undefined) {
      value = compute(name);
      if (known.size >= memoMax) known.clear();
      known.set(name, value);
    }
    return value;
  };
}

/** For decisions that the hot path asks for again and again. */
export function memoizePair<T>(compute: (schema: string, table: string) => T): (schema: string, table: string) => T {
  const bySchema = memoize((schema) => memoize((table: string) => compute(schema, table)));
  return (schema, table) => bySchema(schema)(table);
}
