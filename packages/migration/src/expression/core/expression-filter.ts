/**
 * Row filters by SQL expressions: a row whose expression is TRUE is not replicated (NULL is not TRUE). An UPDATE is left out
 * when both of its expressions are TRUE; one that is not written counts as TRUE.
 */
import type { Row, TableDefinition } from "@skein/mysql";
import type { ExpressionFilterRule } from "../../config/subtask-config.ts";
import { dmErrors } from "../../errors.ts";
import { compileExpression, type Expression, ExpressionError } from "./compile.ts";
import { localTimeOf } from "./local-time.ts";
import { truth } from "./values.ts";

export interface RowFilter {
  /** `before` for update and delete, `after` for insert and update; values in the order of the table's columns. */
  keepRow(kind: "insert" | "update" | "delete", before: Row | null, after: Row | null): boolean;
}

export interface ExpressionFilter {
  readonly isEmpty: boolean;
  /** Null when no rule is for the table. `table` is its structure in the source. Throws 20041 for an unknown column. */
  forTable(table: TableDefinition): RowFilter | null;
}

/** Throws 20041 for what is wrong in an expression whatever the table is. */
export function createExpressionFilter(
  rules: readonly ExpressionFilterRule[],
  options: { readonly caseSensitive: boolean; readonly timezone: string },
): ExpressionFilter {
  const localTime = localTimeOf(options.timezone);
  for (const rule of rules) compileRule(rule, null, localTime);
  const fold = (name: string) => (options.caseSensitive ? name : name.toLowerCase());
  const byTable = new WeakMap<TableDefinition, RowFilter>();
  return {
    isEmpty: rules.length === 0,
    forTable: (table) => {
      const known = byTable.get(table);
      if (known !== undefined) return known;
      const own = rules.filter((rule) => fold(rule.schema) === fold(table.schema) && fold(rule.table) === fold(table.name));
      if (own.length === 0) return null;
      const compiled = own.map((rule) => compileRule(rule, table, localTime));
      const filter: RowFilter = {
        keepRow: (kind, before, after) => !compiled.some((rule) => isDropped(rule, kind, before ?? [], after ?? [])),
      };
      byTable.set(table, filter);
      return filter;
    },
  };
}

interface CompiledRule {
  readonly insert: Expression | null;
  readonly updateOld: Expression | null;
  readonly updateNew: Expression | null;
  readonly delete: Expression | null;
}

function compileRule(rule: ExpressionFilterRule, table: TableDefinition | null, localTime: (utc: string) => string): CompiledRule {
  const compile = (text: string): Expression | null => {
    if (text === "") return null;
    try {
      return compileExpression(text, table, localTime);
    } catch (error) {
      if (error instanceof ExpressionError) throw dmErrors.expressionGrammar([rule.name, text, error.message]);
      throw error;
    }
  };
  return {
    insert: compile(rule.insertValueExpr),
    updateOld: compile(rule.updateOldValueExpr),
    updateNew: compile(rule.updateNewValueExpr),
    delete: compile(rule.deleteValueExpr),
  };
}

function isDropped(rule: CompiledRule, kind: "insert" | "update" | "delete", before: Row, after: Row): boolean {
  const isTrue = (expression: Expression | null, row: Row) => expression === null || truth(expression(row)) === true;
  switch (kind) {
    case "insert":
      return rule.insert !== null && isTrue(rule.insert, after);
    case "delete":
      return rule.delete !== null && isTrue(rule.delete, before);
    case "update":
      if (rule.updateOld === null && rule.updateNew === null) return false;
      return isTrue(rule.updateOld, before) && isTrue(rule.updateNew, after);
    default:
      return kind satisfies never;
  }
}
