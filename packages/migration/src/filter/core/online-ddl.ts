/**
 * gh-ost and pt-online-schema-change as they look in a binlog. The tool alters a shadow table, copies rows into it, and swaps
 * it with the real one; what must reach the target is the alter, at the moment of the swap, on the real table.
 *
 *   CREATE/DROP shadow, trash     → nothing (a DROP of the shadow forgets what was saved)
 *   ALTER shadow                  → saved under the shadow's name
 *   RENAME real → trash           → nothing
 *   RENAME shadow → real          → the saved statements, on the real table; then forgotten
 *   RENAME real → shadow          → 36044;  shadow → another shadow → 36045
 */
import { dmErrors } from "../../errors.ts";
import { PatternError, safeRegExp } from "./name-pattern.ts";

export type TableKind = "real" | "shadow" | "trash";

export interface OnlineTables {
  /** The table's kind, and the name of the real table it belongs to. */
  classify(table: string): { readonly kind: TableKind; readonly realTable: string };
}

export const defaultShadowRules = ["^_(.+)_(?:new|gho)$"] as const;
export const defaultTrashRules = ["^_(.+)_(?:ghc|del|old)$"] as const;

/** Throws 20048 for a rule without exactly one group. */
export function createOnlineTables(shadowRules: readonly string[], trashRules: readonly string[]): OnlineTables {
  const compile = (kind: string, rules: readonly string[]) =>
    rules.map((rule) => {
      const anchored = `${rule.startsWith("^") ? "" : "^"}${rule}${rule.endsWith("$") ? "" : "$"}`;
      try {
        const regexp = safeRegExp(anchored, "u");
        const groupCount = (new RegExp(`${anchored}|`, "u").exec("")?.length ?? 1) - 1;
        if (groupCount !== 1) throw new PatternError(`it has ${groupCount} groups instead of 1`);
        return regexp;
      } catch (error) {
        throw dmErrors.onlineDdlRule([kind, rule, (error as Error).message], error);
      }
    });
  const shadow = compile("shadow-table-rules", shadowRules);
  const trash = compile("trash-table-rules", trashRules);
  return {
    classify: (table) => {
      for (const regexp of shadow) {
        const match = regexp.exec(table);
        if (match !== null) return { kind: "shadow", realTable: match[1] as string };
      }
      for (const regexp of trash) {
        const match = regexp.exec(table);
        if (match !== null) return { kind: "trash", realTable: match[1] as string };
      }
      return { kind: "real", realTable: table };
    },
  };
}

export interface OnlineDdlRecord {
  readonly ghostSchema: string;
  readonly ghostTable: string;
  /** Statements on the real table, in order. */
  readonly ddls: readonly string[];
}

/** What the binlog says, one table at a time; RENAME has both names. */
export type OnlineDdlEvent =
  | { readonly kind: "create" | "drop"; readonly schema: string; readonly table: string }
  /** `sqlOnReal`: the statement with the shadow's name replaced by the real table's. */
  | { readonly kind: "alter"; readonly schema: string; readonly table: string; readonly sqlOnReal: string }
  | {
      readonly kind: "rename";
      readonly schema: string;
      readonly table: string;
      readonly toSchema: string;
      readonly toTable: string;
      readonly sql: string;
    };

export type OnlineDdlAction =
  /** Not an online DDL: handle the statement as it is. */
  | { readonly kind: "passThrough" }
  | { readonly kind: "nothing" }
  /** Keep (durably, before the checkpoint passes) or forget what is saved for the shadow table. */
  | { readonly kind: "save" | "forget"; readonly record: OnlineDdlRecord }
  /** Run these on the real table, then forget the record. */
  | {
      readonly kind: "execute";
      readonly ddls: readonly string[];
      readonly record: OnlineDdlRecord;
      readonly realSchema: string;
      readonly realTable: string;
    };

interface TableName {
  readonly schema: string;
  readonly table: string;
}

export class OnlineDdl {
  readonly #tables: OnlineTables;
  readonly #records = new Map<string, OnlineDdlRecord>();

  constructor(tables: OnlineTables, saved: readonly OnlineDdlRecord[]) {
    this.#tables = tables;
    for (const record of saved) this.#records.set(keyOf(record.ghostSchema, record.ghostTable), record);
  }

  get records(): readonly OnlineDdlRecord[] {
    return [...this.#records.values()];
  }

  classify(table: string): ReturnType<OnlineTables["classify"]> {
    return this.#tables.classify(table);
  }

  handle(event: OnlineDdlEvent): OnlineDdlAction {
    const { kind } = this.#tables.classify(event.table);
    switch (event.kind) {
      case "create":
        if (kind === "real") return { kind: "passThrough" };
        return kind === "shadow" ? this.#forget(event.schema, event.table) : { kind: "nothing" }; // a new run of the tool: what an earlier one left is void
      case "drop":
        if (kind === "real") return { kind: "passThrough" };
        return kind === "shadow" ? this.#forget(event.schema, event.table) : { kind: "nothing" };
      case "alter": {
        if (kind === "real") return { kind: "passThrough" };
        if (kind === "trash") return { kind: "nothing" };
        const key = keyOf(event.schema, event.table);
        const before = this.#records.get(key)?.ddls ?? [];
        // A restart reads the statement again: it must not be saved twice.
        const ddls = before.at(-1) === event.sqlOnReal ? before : [...before, event.sqlOnReal];
        const record = { ghostSchema: event.schema, ghostTable: event.table, ddls };
        this.#records.set(key, record);
        return { kind: "save", record };
      }
      case "rename": {
        const to = this.#tables.classify(event.toTable);
        if (kind === "real") {
          if (to.kind === "shadow") throw dmErrors.onlineRenameReal([event.sql]);
          return { kind: to.kind === "trash" ? "nothing" : "passThrough" };
        }
        if (kind === "trash") return { kind: "nothing" };
        if (to.kind === "shadow") throw dmErrors.onlineRenameOther([event.sql]);
        if (to.kind === "trash") return this.#forget(event.schema, event.table);
        const record = this.#records.get(keyOf(event.schema, event.table));
        if (record === undefined) throw dmErrors.onlineMetadata([event.schema, event.table]);
        return { kind: "execute", ddls: record.ddls, record, realSchema: event.toSchema, realTable: event.toTable };
      }
      default:
        return event satisfies never;
    }
  }

  /**
   * One RENAME of several tables, as the tools swap: real → trash, shadow → real. When the rules know one side only, the other
   * would be carried out as it stands, on a table that is still needed: 20049.
   */
  checkSwap(renames: readonly { readonly from: TableName; readonly to: TableName }[], sql: string): void {
    for (const out of renames) {
      const back = renames.find(({ to }) => to.schema === out.from.schema && to.table === out.from.table);
      if (back === undefined) continue;
      const isShadow = this.#tables.classify(back.from.table).kind === "shadow";
      const isTrash = this.#tables.classify(out.to.table).kind === "trash";
      if (isShadow !== isTrash) throw dmErrors.onlineDdlMixed([sql]);
    }
  }

  /** After the statements of an `execute` are done. */
  forget(record: OnlineDdlRecord): void {
    this.#records.delete(keyOf(record.ghostSchema, record.ghostTable));
  }

  #forget(schema: string, table: string): OnlineDdlAction {
    const record = this.#records.get(keyOf(schema, table));
    if (record === undefined) return { kind: "nothing" };
    this.#records.delete(keyOf(schema, table));
    return { kind: "forget", record };
  }
}

function keyOf(schema: string, table: string): string {
  return `${schema}\u0000${table}`;
}
