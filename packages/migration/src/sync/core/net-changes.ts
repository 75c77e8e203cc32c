/**
 * The net effect of a run of source transactions, row by row.
 *
 *   source:  insert a · update a · delete b · insert b' · update c (its key) …
 *   net:     a: was not, is   b: was, is (other values)   c: was, is not   c': was not, is
 *
 * A row that is identified by the target's key has one entry, whatever happened to it in between. Applying an entry needs no
 * order among entries, but for one thing: a unique value must be given up before another row takes it. So a batch is applied
 * as "remove, then put" (`planBatch`), and the order of a key's changes is kept by there being only one (SPEC.md S1, S2).
 */
import type { Row } from "@skein/mysql";
import type { TablePlan } from "./table-plan.ts";

export interface Entry {
  /** Before the batch; null: the row was not there. */
  readonly before: { readonly row: Row; readonly plan: TablePlan } | null;
  /** After the batch; null: the row is not there. */
  after: { readonly row: Row; readonly plan: TablePlan } | null;
  /** An image of the row, for its key. */
  readonly image: Row;
  readonly plan: TablePlan;
}

export interface SerialChange {
  readonly plan: TablePlan;
  readonly before: Row | null;
  readonly after: Row | null;
  readonly isSafe: boolean;
}

export interface TableChanges {
  readonly entries: ReadonlyMap<string | number, Entry>;
  /** Some change of this batch is to be applied in safe mode: then all of this table's are. */
  readonly isSafe: boolean;
}

export class NetChanges {
  readonly #tables = new Map<string, { entries: Map<string | number, Entry>; isSafe: boolean }>();
  readonly #serial: SerialChange[] = [];
  #lastTarget = "";
  #lastTable: { entries: Map<string | number, Entry>; isSafe: boolean } | undefined;
  #changes = 0;

  get isEmpty(): boolean {
    return this.#changes === 0;
  }
  /** Row changes that went in. */
  get changeCount(): number {
    return this.#changes;
  }
  /** Rows that are held. */
  get rowCount(): number {
    let count = this.#serial.length;
    for (const { entries } of this.#tables.values()) count += entries.size;
    return count;
  }
  get tables(): ReadonlyMap<string, TableChanges> {
    return this.#tables;
  }
  /** Changes of tables without a key, in their order. */
  get serial(): readonly SerialChange[] {
    return this.#serial;
  }

  insert(plan: TablePlan, row: Row, isSafe: boolean): void {
    this.#changes++;
    if (plan.identity === null) this.#serial.push({ plan, before: null, after: row, isSafe });
    else this.#put(this.#table(plan, isSafe), plan.identity(row), plan, row);
  }

  delete(plan: TablePlan, row: Row, isSafe: boolean): void {
    this.#changes++;
    if (plan.identity === null) this.#serial.push({ plan, before: row, after: null, isSafe });
    else this.#remove(this.#table(plan, isSafe), plan.identity(row), plan, row);
  }

  update(plan: TablePlan, before: Row, after: Row, isSafe: boolean): void {
    this.#changes++;
    if (plan.identity === null) {
      this.#serial.push({ plan, before, after, isSafe });
      return;
    }
    const entries = this.#table(plan, isSafe);
    const from = plan.identity(before);
    const to = plan.identity(after);
    if (from !== to) this.#remove(entries, from, plan, before);
    const entry = entries.get(to);
    if (entry !== undefined) entry.after = { row: after, plan };
    else if (from === to) entries.set(to, { before: { row: before, plan }, after: { row: after, plan }, image: after, plan });
    else entries.set(to, { before: null, after: { row: after, plan }, image: after, plan });
  }

  #table(plan: TablePlan, isSafe: boolean): Map<string | number, Entry> {
    let table = this.#lastTable;
    if (table === undefined || this.#lastTarget !== plan.target) {
      table = this.#tables.get(plan.target);
      if (table === undefined) {
        table = { entries: new Map(), isSafe: false };
        this.#tables.set(plan.target, table);
      }
      this.#lastTarget = plan.target;
      this.#lastTable = table;
    }
    if (isSafe) table.isSafe = true;
    return table.entries;
  }

  #put(entries: Map<string | number, Entry>, key: string | number, plan: TablePlan, row: Row): void {
    const entry = entries.get(key);
    if (entry === undefined) entries.set(key, { before: null, after: { row, plan }, image: row, plan });
    else entry.after = { row, plan };
  }

  #remove(entries: Map<string | number, Entry>, key: string | number, plan: TablePlan, row: Row): void {
    const entry = entries.get(key);
    if (entry === undefined) entries.set(key, { before: { row, plan }, after: null, image: row, plan });
    else entry.after = null;
  }
}
