/**
 * Binlog event filters: which changes are carried out, ignored, or stop the task. Among the rules that match,
 * Ignore beats Error beats Do; where only Do rules exist for a table they are an allow list.
 *
 * A row event has no statement, so a rule with only `sql-pattern` never matches one.
 */
import type { EventFilterRule } from "../../config/subtask-config.ts";
import { compilePattern, safeRegExp } from "./name-pattern.ts";

export type FilterDecision = "do" | "ignore" | "error";

export interface FilteredEvent {
  readonly schema: string;
  readonly table: string;
  /** A name of the lists below: `insert`, `drop column` … */
  readonly eventType: string;
  /** The statement, for DDL. */
  readonly sql?: string;
}

export interface EventFilter {
  decide(event: FilteredEvent): FilterDecision;
  readonly isEmpty: boolean;
}

const dml = ["insert", "update", "delete"] as const;

/** DDL that a target or an older application may not take. */
const incompatible = [
  "value range decrease",
  "precision decrease",
  "modify column",
  "rename column",
  "rename index",
  "drop column",
  "drop primary key",
  "drop unique key",
  "modify default value",
  "modify constraint",
  "modify columns order",
  "modify charset",
  "modify collation",
  "remove auto increment",
  "modify storage engine",
  "drop table partition",
  "truncate table partition",
  "reorganize table partition",
  "rebuild table partition",
  "coalesce table partition",
  "split table partition",
  "exchange table partition",
] as const;

const ddl = [
  "create database",
  "drop database",
  "alter database",
  "create schema",
  "drop schema",
  "alter schema",
  "create table",
  "drop table",
  "truncate table",
  "rename table",
  "alter table",
  "create index",
  "drop index",
  "create view",
  "drop view",
  "add table partition",
  "add foreign key",
  "drop foreign key",
  "add column",
  "add primary key",
  "set default value",
  "rebase auto id",
  "modify schema charset and collate",
  "modify table charset and collate",
  "modify table comment",
  "recover table",
  "alter table partitioning",
  "remove table partitioning",
  "alter index visibility",
  "alter ttl info",
  "alter ttl remove",
  "multi schema change",
  ...incompatible,
] as const;

const groups: Readonly<Record<string, readonly string[]>> = {
  all: [...dml, ...ddl],
  "all dml": dml,
  "all ddl": ddl,
  "incompatible ddl changes": incompatible,
  "incompatible ddl change": incompatible,
  none: [],
  "none dml": [],
  "none ddl": [],
};

const aliases: Readonly<Record<string, string>> = {
  "create schema": "create database",
  "drop schema": "drop database",
  "alter schema": "alter database",
};

/** Names that do not exist; the configuration that has them is refused. */
export function unknownEvents(events: readonly string[]): string[] {
  const known = new Set<string>([...dml, ...ddl, ...Object.keys(groups)]);
  return events.filter((event) => !known.has(event.toLowerCase().trim()));
}

export function createEventFilter(rules: readonly EventFilterRule[], options: { readonly caseSensitive: boolean }): EventFilter {
  const compiled = rules.map((rule) => ({
    schema: compilePattern(rule.schemaPattern === "" ? "*" : rule.schemaPattern, options.caseSensitive),
    table: compilePattern(rule.tablePattern === "" ? "*" : rule.tablePattern, options.caseSensitive),
    isSchemaRule: rule.tablePattern === "",
    events: new Set(rule.events.flatMap((event) => expand(event))),
    hasEvents: rule.events.length > 0,
    sqlPatterns: rule.sqlPatterns.map((pattern) => safeRegExp(pattern, "isu")),
    action: rule.action,
  }));
  return {
    isEmpty: compiled.length === 0,
    decide: ({ schema, table, eventType, sql }) => {
      const type = aliases[eventType] ?? eventType;
      let hasDoRules = false;
      let isDone = false;
      let isError = false;
      for (const rule of compiled) {
        if (!rule.schema.matches(schema) || !(rule.isSchemaRule || rule.table.matches(table))) continue;
        const isHit =
          (rule.hasEvents && rule.events.has(type)) || (sql !== undefined && rule.sqlPatterns.some((pattern) => pattern.test(sql)));
        if (rule.action === "Do") hasDoRules = true;
        if (!isHit) continue;
        if (rule.action === "Ignore") return "ignore";
        if (rule.action === "Error") isError = true;
        else isDone = true;
      }
      if (isError) return "error";
      return hasDoRules && !isDone ? "ignore" : "do";
    },
  };
}

function expand(event: string): readonly string[] {
  const name = event.toLowerCase().trim();
  return groups[name] ?? [aliases[name] ?? name];
}
