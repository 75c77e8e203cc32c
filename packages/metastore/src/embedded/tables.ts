/**
 * The embedded store's tables, and the statements on them. All calls are synchronous; writes happen between `begin` and `commit`.
 *
 *   current  one row a living key: what `range` reads
 *   history  one row a change, by (revision, ordinal): what watches and reads of the past see; `value` null is a deletion
 *   lease    id → seconds
 *   meta     revision, compacted
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { type Bounds, boundsOf } from "../core/selection.ts";
import type { KeySelection, KeyValue, LeaseId, RangeOptions, Revision } from "../metastore.ts";

const schema = `
  CREATE TABLE IF NOT EXISTS current (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, create_revision INTEGER NOT NULL, mod_revision INTEGER NOT NULL,
    version INTEGER NOT NULL, lease TEXT NOT NULL) WITHOUT ROWID, STRICT;
  CREATE INDEX IF NOT EXISTS current_lease ON current (lease) WHERE lease <> '0';
  CREATE INDEX IF NOT EXISTS current_created ON current (create_revision);
  CREATE TABLE IF NOT EXISTS history (
    revision INTEGER NOT NULL, ordinal INTEGER NOT NULL, key TEXT NOT NULL, value BLOB, create_revision INTEGER NOT NULL,
    version INTEGER NOT NULL, lease TEXT NOT NULL, PRIMARY KEY (revision, ordinal)) WITHOUT ROWID, STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS history_key ON history (key, revision);
  CREATE TABLE IF NOT EXISTS lease (id TEXT PRIMARY KEY, ttl_seconds INTEGER NOT NULL) WITHOUT ROWID, STRICT;
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID, STRICT;
  INSERT OR IGNORE INTO meta VALUES ('revision', 1), ('compacted', 0);
`;

interface CurrentRow {
  readonly key: string;
  readonly value: Uint8Array;
  readonly create_revision: number;
  readonly mod_revision: number;
  readonly version: number;
  readonly lease: string;
}

export interface HistoryRow {
  readonly revision: Revision;
  readonly key: string;
  readonly value: Uint8Array | null;
  readonly create_revision: number;
  readonly version: number;
  readonly lease: string;
}

export class Tables {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** Takes the file for this process alone; SQLite's error 5 says that another has it. */
  constructor(path: string) {
    this.#database = new DatabaseSync(path, { timeout: 0 });
    try {
      // FULL: the log is synced before a commit returns. One sync a commit, however many requests it holds.
      this.#database.exec("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; BEGIN EXCLUSIVE");
      this.#database.exec(schema);
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  begin(): void {
    this.#run("BEGIN IMMEDIATE");
  }
  commit(): void {
    this.#run("COMMIT");
  }
  rollback(): void {
    if (this.#database.isTransaction) this.#run("ROLLBACK");
  }
  close(): void {
    this.#database.close();
  }

  number(name: "revision" | "compacted"): number {
    return (this.#one("SELECT number FROM meta WHERE name = ?", name) as { number: number }).number;
  }
  setNumber(name: "revision" | "compacted", value: number): void {
    this.#run("UPDATE meta SET number = ? WHERE name = ?", value, name);
  }

  get(key: string): KeyValue | null {
    const row = this.#one("SELECT * FROM current WHERE key = ?", key) as CurrentRow | undefined;
    return row === undefined ? null : itemOf(row);
  }

  range(select: KeySelection, options: RangeOptions): KeyValue[] {
    const [where, values] = whereOf(boundsOf(select));
    const value = options.keysOnly === true ? "x'' AS value" : "value";
    return (
      this.#all(
        `SELECT key, ${value}, create_revision, mod_revision, version, lease FROM current WHERE ${where} ${orderOf(options)}`,
        ...values,
      ) as CurrentRow[]
    ).map(itemOf);
  }

  count(select: KeySelection): number {
    const [where, values] = whereOf(boundsOf(select));
    return (this.#one(`SELECT count(*) AS n FROM current WHERE ${where}`, ...values) as { n: number } | undefined)?.n ?? 0;
  }

  /** As the keys were after `revision`. */
  rangeAt(revision: Revision, select: KeySelection, options: RangeOptions): KeyValue[] {
    const [where, values] = whereOf(boundsOf(select));
    const value = options.keysOnly === true ? "x'' AS value" : "value";
    return (
      this.#all(
        `SELECT key, ${value}, create_revision, revision AS mod_revision, version, lease FROM history AS h
       WHERE ${where} AND value IS NOT NULL
         AND revision = (SELECT max(revision) FROM history WHERE key = h.key AND revision <= ?) ${orderOf(options)}`,
        ...values,
        revision,
      ) as CurrentRow[]
    ).map(itemOf);
  }

  countAt(revision: Revision, select: KeySelection): number {
    return this.rangeAt(revision, select, { keysOnly: true }).length;
  }

  put(revision: Revision, ordinal: number, key: string, value: Uint8Array, before: KeyValue | null, lease: LeaseId): void {
    const created = before?.createRevision ?? revision;
    const version = (before?.version ?? 0) + 1;
    this.#run("INSERT OR REPLACE INTO current VALUES (?, ?, ?, ?, ?, ?)", key, value, created, revision, version, lease.toString());
    this.#run("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)", revision, ordinal, key, value, created, version, lease.toString());
  }

  remove(revision: Revision, ordinal: number, key: string): void {
    this.#run("DELETE FROM current WHERE key = ?", key);
    this.#run("INSERT INTO history VALUES (?, ?, ?, NULL, 0, 0, '0')", revision, ordinal, key);
  }

  /** Changes of the selection from one revision to another, both included, in order. `+key` keeps the planner off the index by key. */
  changes(select: KeySelection, from: Revision, to: Revision): HistoryRow[] {
    const [where, values] = whereOf(boundsOf(select));
    return this.#all(
      `SELECT revision, key, value, create_revision, version, lease FROM history
       WHERE revision BETWEEN ? AND ? AND ${where.replaceAll("key", "+key")} ORDER BY revision, ordinal`,
      from,
      to,
      ...values,
    ) as HistoryRow[];
  }

  /** What a key held before a revision; null when it did not exist, or when that is compacted. */
  before(key: string, revision: Revision): KeyValue | null {
    const row = this.#one("SELECT * FROM history WHERE key = ? AND revision < ? ORDER BY revision DESC LIMIT 1", key, revision) as
      | HistoryRow
      | undefined;
    return row === undefined || row.value === null ? null : itemOfHistory(row, row.value);
  }

  /**
   * Drops what nobody can ask for once `revision` is the oldest that can be read, when `from` was that before: older versions of the
   * keys that changed in between, and deletions. The newest version at or before `revision` stays, and all of `revision` itself.
   */
  dropHistory(from: Revision, revision: Revision): void {
    const changed = this.#all("SELECT DISTINCT key FROM history WHERE revision BETWEEN ? AND ?", from, revision) as { key: string }[];
    for (const { key } of changed)
      this.#run(
        "DELETE FROM history WHERE key = ? AND revision < (SELECT max(revision) FROM history WHERE key = ? AND revision <= ?)",
        key,
        key,
        revision,
      );
    this.#run("DELETE FROM history WHERE value IS NULL AND revision >= ? AND revision < ?", from, revision);
  }

  addLease(id: LeaseId, ttlSeconds: number): void {
    this.#run("INSERT INTO lease VALUES (?, ?)", id.toString(), ttlSeconds);
  }
  removeLease(id: LeaseId): void {
    this.#run("DELETE FROM lease WHERE id = ?", id.toString());
  }
  leases(): { readonly id: LeaseId; readonly ttlSeconds: number }[] {
    return (this.#all("SELECT * FROM lease ORDER BY id") as { id: string; ttl_seconds: number }[]).map((row) => ({
      id: BigInt(row.id),
      ttlSeconds: row.ttl_seconds,
    }));
  }
  keysOfLease(id: LeaseId): string[] {
    return (this.#all("SELECT key FROM current WHERE lease = ? AND lease <> '0' ORDER BY key", id.toString()) as { key: string }[]).map(
      (row) => row.key,
    );
  }

  sizeBytes(): number {
    const pages = (this.#one("PRAGMA page_count") as { page_count: number } | undefined)?.page_count ?? 0;
    return pages * ((this.#one("PRAGMA page_size") as { page_size: number } | undefined)?.page_size ?? 0);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#statement(sql).run(...values);
  }
  #one(sql: string, ...values: SQLInputValue[]): unknown {
    return this.#statement(sql).get(...values);
  }
  #all(sql: string, ...values: SQLInputValue[]): unknown[] {
    return this.#statement(sql).all(...values);
  }
}

export function itemOfHistory(row: HistoryRow, value: Uint8Array): KeyValue {
  return itemOf({ ...row, value, mod_revision: row.revision });
}

function itemOf(row: CurrentRow): KeyValue {
  return {
    key: row.key,
    value: row.value,
    createRevision: row.create_revision,
    modRevision: row.mod_revision,
    version: row.version,
    lease: BigInt(row.lease),
  };
}

function whereOf(bounds: Bounds): [string, string[]] {
  return bounds.to === null ? ["key >= ?", [bounds.from]] : ["key >= ? AND key < ?", [bounds.from, bounds.to]];
}

function orderOf(options: RangeOptions): string {
  const direction = options.descending === true ? "DESC" : "ASC";
  const order = options.sortBy === "createRevision" ? `create_revision ${direction}, key ${direction}` : `key ${direction}`;
  return `ORDER BY ${order}${options.limit === undefined ? "" : ` LIMIT ${Math.trunc(options.limit)}`}`;
}
