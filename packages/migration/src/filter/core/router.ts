/**
 * Routes: from a source's names to the target's. A table rule beats a schema rule; two table rules on one table are an error
 * (40080). A rule without `target-table` keeps the table's name. extract-* adds columns whose values come from the names.
 */

import type { RouteRule } from "../../config/subtask-config.ts";
import { dmErrors } from "../../errors.ts";
import { compilePattern, safeRegExp } from "./name-pattern.ts";
import { memoizePair } from "./table-filter.ts";

export interface Route {
  readonly schema: string;
  readonly table: string;
  /** Columns at the end of the target table, with the value that each of this source table's rows gets. */
  readonly extracted: readonly { readonly column: string; readonly value: string }[];
}

export interface Router {
  /** Throws 40080 when more than one table rule matches. */
  route(schema: string, table: string): Route;
  routeSchema(schema: string): string;
}

export function createRouter(rules: readonly RouteRule[], options: { readonly caseSensitive: boolean; readonly sourceId: string }): Router {
  const compiled = rules.map((rule) => {
    const extract = (part: RouteRule["extractTable"]) =>
      part === null ? null : { column: part.column, regexp: safeRegExp(part.regexp, "u") };
    return {
      schema: compilePattern(rule.schemaPattern, options.caseSensitive),
      table: rule.tablePattern === "" ? null : compilePattern(rule.tablePattern, options.caseSensitive),
      targetSchema: rule.targetSchema,
      targetTable: rule.targetTable,
      extractors: [
        { rule: extract(rule.extractTable), of: (_schema: string, table: string) => table },
        { rule: extract(rule.extractSchema), of: (schema: string) => schema },
        { rule: extract(rule.extractSource), of: () => options.sourceId },
      ],
    };
  });
  const tableRules = compiled.filter(({ table }) => table !== null);
  const schemaRules = compiled.filter(({ table }) => table === null);
  const routeSchema = (schema: string) => schemaRules.find((rule) => rule.schema.matches(schema))?.targetSchema ?? schema;

  const decide = (schema: string, table: string): Route => {
    const matching = tableRules.filter((rule) => rule.schema.matches(schema) && rule.table?.matches(table) === true);
    if (matching.length > 1) throw dmErrors.routeConflict([schema, table]);
    const rule = matching[0] ?? schemaRules.find((candidate) => candidate.schema.matches(schema));
    if (rule === undefined) return { schema, table, extracted: [] };
    const extracted = rule.extractors.flatMap(({ rule: extractor, of }) => {
      if (extractor === null) return [];
      const match = extractor.regexp.exec(of(schema, table));
      return [{ column: extractor.column, value: match?.[1] ?? "" }];
    });
    return {
      schema: rule.targetSchema === "" ? schema : rule.targetSchema,
      table: rule.targetTable === "" ? table : rule.targetTable,
      extracted,
    };
  };
  return {
    route: memoizePair(decide),
    /** A schema that only table rules name is created under their target's name. */
    routeSchema: (schema) => {
      const bySchema = routeSchema(schema);
      if (bySchema !== schema) return bySchema;
      return tableRules.find((rule) => rule.schema.matches(schema) && rule.targetSchema !== "")?.targetSchema ?? schema;
    },
  };
}
