/**
 * A batch of net changes as lanes: lists of statements, each for one transaction, that may run at the same time.
 *
 *   lane 0:  what must keep an order: tables without a key, rows that hand a unique value to each other
 *   lane n:  the rest, cut so that lanes are about equally long and each has neighbouring keys
 *
 * In every lane rows are removed before rows are put.
 */
import type { ByteString, Row } from "@skein/mysql";
import type { Entry, NetChanges, SerialChange } from "./net-changes.ts";
import type { PlanColumn, TablePlan } from "./table-plan.ts";

export interface BatchLimits {
  /** Lanes, at most. */
  readonly lanesMax: number;
  /** Rows of one statement. */
  readonly statementRowsMax: number;
  /** Characters of one statement; a row that is longer goes alone. */
  readonly statementBytesMax: number;
  /** Fewer rows than this are not worth another lane. */
  readonly laneRowsMin: number;
  /** Several rows in one statement. */
  readonly multipleRows: boolean;
}

export interface Lane {
  readonly statements: readonly ByteString[];
  /** The same in the form that may run again over a part of itself (safe mode). Made when it is asked for. */
  readonly repeat: () => readonly ByteString[];
  /** Source tables whose changes in this lane are right only when they run once; without any the lane may be repeated. */
  readonly onceTables: readonly SourceTable[];
  readonly rowCount: number;
}

export interface SourceTable {
  readonly schema: string;
  readonly table: string;
}

interface LaneWork {
  readonly items: Item[];
  serial: readonly SerialChange[];
}

interface Item {
  readonly entry: Entry;
  readonly isSafe: boolean;
}

export function planBatch(changes: NetChanges, limits: BatchLimits): Lane[] {
  const ordered: LaneWork = { items: [], serial: changes.serial };
  const free: Item[] = [];
  for (const { entries, isSafe } of changes.tables.values()) {
    const items: Item[] = [];
    let uniques = 0;
    for (const entry of entries.values()) {
      if (entry.before === null && entry.after === null && !isSafe) continue; // came and went
      items.push({ entry, isSafe });
      uniques ||= entry.plan.uniques.length;
    }
    items.sort(byKey);
    if (uniques === 0) for (const item of items) free.push(item);
    else {
      const bound = findBound(items);
      for (const item of items) (bound.has(item.entry) ? ordered.items : free).push(item);
    }
  }
  // Tables without a key are right only when their transaction also holds how far they are, so one is made of all.
  if (ordered.serial.length > 0) ordered.items.push(...free.splice(0));
  const works: LaneWork[] = [];
  if (ordered.items.length > 0 || ordered.serial.length > 0) works.push(ordered);
  const laneCount = Math.max(1, Math.min(limits.lanesMax - works.length, Math.ceil(free.length / limits.laneRowsMin)));
  if (free.length > 0 && free.length <= limits.laneRowsMin && works.length > 0) ordered.items.push(...free);
  else if (free.length > 0) {
    const size = Math.ceil(free.length / laneCount);
    for (let at = 0; at < free.length; at += size) works.push({ items: free.slice(at, at + size), serial: [] });
  }
  return works.map((work) => ({
    statements: laneStatements(work, limits, false),
    repeat: () => laneStatements(work, limits, true),
    onceTables: sourceTables(work.serial),
    rowCount: work.items.length + work.serial.length,
  }));
}

function sourceTables(changes: readonly SerialChange[]): SourceTable[] {
  const found = new Map<string, SourceTable>();
  let last: TablePlan | null = null;
  for (const { plan } of changes) {
    if (plan === last) continue;
    last = plan;
    found.set(`${plan.sourceSchema}\u0000${plan.sourceTable}`, { schema: plan.sourceSchema, table: plan.sourceTable });
  }
  return [...found.values()];
}

/** Neighbours in the target's index are handled together; for texts any fixed order will do. */
function byKey(a: Item, b: Item): number {
  for (const part of a.entry.plan.key ?? []) {
    const index = (a.entry.plan.columns[part] as PlanColumn).sourceIndex;
    const left = a.entry.image[index] ?? 0;
    const right = b.entry.image[index] ?? 0;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

/** Entries of which one gives up a unique value that another takes. */
function findBound(items: readonly Item[]): Set<Entry> {
  const bound = new Set<Entry>();
  const uniqueCount = Math.max(...items.map(({ entry }) => entry.plan.uniques.length));
  for (let number = 0; number < uniqueCount; number++) {
    const givers = new Map<string, Entry[]>();
    const moving: Entry[] = [];
    const takers: { readonly entry: Entry; readonly value: string }[] = [];
    let isUnknown = false;
    for (const { entry } of items) {
      const from = entry.before === null ? null : entry.before.plan.uniques[number]?.fold(entry.before.row);
      const to = entry.after === null ? null : entry.after.plan.uniques[number]?.fold(entry.after.row);
      if (from !== undefined && from === to) continue; // keeps its value
      if (from === undefined && to === undefined && isSameKey(entry, number)) continue;
      moving.push(entry);
      if (from === undefined || to === undefined) isUnknown = true;
      if (typeof from === "string") {
        const others = givers.get(from);
        if (others === undefined) givers.set(from, [entry]);
        else others.push(entry);
      }
      if (typeof to === "string") takers.push({ entry, value: to });
    }
    if (isUnknown) for (const entry of moving) bound.add(entry);
    for (const { entry, value } of takers) {
      for (const giver of givers.get(value) ?? []) {
        if (giver === entry) continue;
        bound.add(giver);
        bound.add(entry);
      }
    }
  }
  return bound;
}

/** Byte for byte the same values in a unique key. */
function isSameKey({ before, after }: Entry, unique: number): boolean {
  if (before === null || after === null || before.plan !== after.plan) return false;
  const columns = before.plan.uniques[unique]?.columns ?? null;
  if (columns === null) return false;
  return columns.every((part) => {
    const index = (before.plan.columns[part] as PlanColumn).sourceIndex;
    return before.row[index] === after.row[index];
  });
}

function movesUniqueValue(entry: Entry): boolean {
  return entry.plan.uniques.some((_, number) => !isSameKey(entry, number));
}

function laneStatements({ items, serial }: LaneWork, limits: BatchLimits, isRepeat: boolean): ByteString[] {
  const removals = new StatementGroups(limits);
  const puts = new StatementGroups(limits);
  for (const { entry, isSafe } of items) {
    const { before, after } = entry;
    const safe = isSafe || isRepeat;
    if (after === null) {
      removals.add("delete", entry.plan, entry.image, "");
    } else if (safe) puts.add("replace", after.plan, after.row, "");
    else if (before === null) puts.add("insert", after.plan, after.row, "");
    else if (before.plan !== after.plan || movesUniqueValue(entry)) {
      removals.add("delete", before.plan, before.row, "");
      puts.add("insert", after.plan, after.row, "");
    } else {
      const changed = changedColumns(after.plan, before.row, after.row);
      if (changed !== "") puts.add("update", after.plan, after.row, changed);
    }
  }
  return [...removals.statements(), ...puts.statements(), ...serialStatements(serial, isRepeat)];
}

/** Numbers of the columns with other values, joined; empty when all are the same. */
function changedColumns(plan: TablePlan, before: Row, after: Row): string {
  let changed = "";
  const { columns } = plan;
  for (let at = 0; at < columns.length; at++) {
    const index = (columns[at] as PlanColumn).sourceIndex;
    if (index >= 0 && before[index] !== after[index] && !(Number.isNaN(before[index]) && Number.isNaN(after[index]))) {
      changed += changed === "" ? at : `,${at}`;
    }
  }
  return changed;
}

type StatementKind = "insert" | "replace" | "update" | "delete";

interface Group {
  readonly kind: StatementKind;
  readonly plan: TablePlan;
  readonly changed: string;
  readonly statements: ByteString[];
  head: ByteString;
  tail: ByteString;
  text: ByteString;
  rows: number;
}

/** Rows of one kind and table share statements. */
class StatementGroups {
  readonly #limits: BatchLimits;
  readonly #groups = new Map<TablePlan, Group[]>();

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  add(kind: StatementKind, plan: TablePlan, row: Row, changed: string): void {
    const group = this.#group(kind, plan, changed);
    const text = kind === "delete" ? keyText(plan, row) : valuesText(plan, row);
    if (
      group.rows > 0 &&
      (!this.#limits.multipleRows ||
        group.rows >= this.#limits.statementRowsMax ||
        group.text.length + text.length > this.#limits.statementBytesMax)
    ) {
      this.#close(group);
    }
    group.text += group.rows === 0 ? text : kind === "delete" && (plan.key?.length ?? 0) > 1 ? ` OR ${text}` : `,${text}`;
    group.rows++;
  }

  statements(): ByteString[] {
    const all: ByteString[] = [];
    for (const groups of this.#groups.values()) {
      for (const group of groups) {
        if (group.rows > 0) this.#close(group);
        for (const statement of group.statements) all.push(statement);
      }
    }
    return all;
  }

  #close(group: Group): void {
    group.statements.push(group.head + group.text + group.tail);
    group.text = "";
    group.rows = 0;
  }

  #group(kind: StatementKind, plan: TablePlan, changed: string): Group {
    let groups = this.#groups.get(plan);
    if (groups === undefined) {
      groups = [];
      this.#groups.set(plan, groups);
    }
    for (const group of groups) if (group.kind === kind && group.changed === changed) return group;
    const group: Group = { kind, plan, changed, statements: [], ...frame(kind, plan, changed), text: "", rows: 0 };
    groups.push(group);
    return group;
  }
}

function frame(kind: StatementKind, plan: TablePlan, changed: string): { head: ByteString; tail: ByteString } {
  switch (kind) {
    case "insert":
      return { head: `INSERT INTO ${plan.target} ${plan.columnList} VALUES `, tail: "" };
    case "replace":
      return { head: `REPLACE INTO ${plan.target} ${plan.columnList} VALUES `, tail: "" };
    case "update": {
      const assignments = changed.split(",").map((at) => {
        const { sqlName } = plan.columns[Number(at)] as PlanColumn;
        return `${sqlName}=VALUES(${sqlName})`;
      });
      return { head: `INSERT INTO ${plan.target} ${plan.columnList} VALUES `, tail: ` ON DUPLICATE KEY UPDATE ${assignments.join(",")}` };
    }
    case "delete": {
      const key = plan.key ?? [];
      if (key.length === 1) return { head: `DELETE FROM ${plan.target} WHERE ${plan.columns[key[0] as number]?.sqlName} IN (`, tail: ")" };
      return { head: `DELETE FROM ${plan.target} WHERE `, tail: "" };
    }
  }
}

function valuesText(plan: TablePlan, row: Row): ByteString {
  const { columns } = plan;
  let text = "(";
  for (let at = 0; at < columns.length; at++) {
    const column = columns[at] as PlanColumn;
    if (at > 0) text += ",";
    text += column.literal(column.sourceIndex < 0 ? null : (row[column.sourceIndex] ?? null));
  }
  return `${text})`;
}

function keyText(plan: TablePlan, row: Row): ByteString {
  const key = plan.key ?? [];
  if (key.length === 1) {
    const column = plan.columns[key[0] as number] as PlanColumn;
    return column.comparable(column.sourceIndex < 0 ? null : (row[column.sourceIndex] ?? null));
  }
  return `(${key
    .map((part) => {
      const column = plan.columns[part] as PlanColumn;
      return `${column.sqlName}=${column.comparable(column.sourceIndex < 0 ? null : (row[column.sourceIndex] ?? null))}`;
    })
    .join(" AND ")})`;
}

/** Changes that keep their order. Foreign keys are checked only where the source's engine may have carried a change further. */
function serialStatements(changes: readonly SerialChange[], isRepeat: boolean): ByteString[] {
  const statements: ByteString[] = [];
  let isChecked = false;
  const add = (statement: ByteString, checked: boolean) => {
    if (checked !== isChecked) statements.push(`SET foreign_key_checks = ${checked ? 1 : 0}`);
    isChecked = checked;
    statements.push(statement);
  };
  for (const change of changes) {
    const { plan, before, after } = change;
    const isSafe = change.isSafe || isRepeat;
    if (before === null) add(putStatement(plan, after as Row, isSafe), false);
    else if (after === null) add(`DELETE FROM ${plan.target} WHERE ${whereText(plan, before)} LIMIT 1`, plan.cascades);
    else {
      const assignments = plan.columns
        .filter(({ sourceIndex }) => sourceIndex >= 0)
        .map((column) => `${column.sqlName}=${column.literal(after[column.sourceIndex] ?? null)}`);
      add(`UPDATE ${plan.target} SET ${assignments.join(",")} WHERE ${whereText(plan, before)} LIMIT 1`, plan.cascades);
      // The row may have gone on to a later state; its image has to be there for what follows.
      if (isSafe && plan.key !== null) add(putStatement(plan, after, true), false);
    }
  }
  if (isChecked) statements.push("SET foreign_key_checks = 0");
  return statements;
}

function putStatement(plan: TablePlan, row: Row, isSafe: boolean): ByteString {
  return `${isSafe ? "REPLACE" : "INSERT"} INTO ${plan.target} ${plan.columnList} VALUES ${valuesText(plan, row)}`;
}

/** The key, or every column of a table that has none. */
function whereText(plan: TablePlan, row: Row): ByteString {
  const columns = plan.key === null ? plan.columns : plan.key.map((part) => plan.columns[part] as PlanColumn);
  return columns
    .map((column) => column.sqlName + column.matches(column.sourceIndex < 0 ? null : (row[column.sourceIndex] ?? null)))
    .join(" AND ");
}
