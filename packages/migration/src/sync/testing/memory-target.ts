/**
 * A target in memory: unique keys, all-or-nothing transactions, the fence and the checkpoint table, driven by the statements that
 * replication really sends. Each transaction waits at a gate, so that a test decides in which order they commit and which never do.
 */
import type { Connection, ExecuteResult, ResultSet } from "@skein/mysql";
import { dmErrors } from "../../errors.ts";
import type { Target, TransactionOptions } from "../../target/target.ts";

type MemoryRow = Readonly<Record<string, string>>;

interface MemoryTable {
  /** Columns of each unique key; a NULL in one makes it conflict with nothing. */
  readonly uniques: readonly (readonly string[])[];
  rows: MemoryRow[];
}

/** What a rule's absence would look like, to prove that the runs would notice. */
export type BrokenRule = "none" | "fence" | "oneTransaction";

export class MemoryServer {
  readonly tables = new Map<string, MemoryTable>();
  epoch = 0;

  create(name: string, uniques: readonly (readonly string[])[]): void {
    this.tables.set(name, { uniques, rows: [] });
  }

  /** All or nothing. */
  run(statements: readonly string[]): void {
    const before = [...this.tables.values()].map((table) => ({ table, rows: table.rows }));
    try {
      for (const statement of statements) this.#execute(statement);
    } catch (error) {
      for (const { table, rows } of before) table.rows = rows;
      throw error;
    }
  }

  #execute(sql: string): void {
    if (sql.startsWith("SET ")) return;
    const put = /^(INSERT|REPLACE) INTO (\S+) (\([^)]*\)) VALUES (.*?)(?: ON DUPLICATE KEY UPDATE (.*))?$/s.exec(sql);
    if (put !== null) {
      const [, verb, name, columnText, values, updates] = put as unknown as string[];
      const columns = splitList((columnText as string).slice(1, -1)).map(bare);
      for (const group of splitList(values as string)) {
        const texts = splitList(group.slice(1, -1));
        const row = Object.fromEntries(columns.map((column, at) => [column, texts[at] as string]));
        const changed = updates === undefined ? null : splitList(updates).map((part) => bare(part.split("=")[0] as string));
        this.#put(this.#table(name as string), row, verb as string, changed);
      }
      return;
    }
    const removal = /^DELETE FROM (\S+) WHERE (.*?)( LIMIT 1)?$/s.exec(sql);
    if (removal !== null) {
      const table = this.#table(removal[1] as string);
      const matches = condition(removal[2] as string);
      let isDone = false;
      table.rows = table.rows.filter((row) => {
        if (isDone || !matches(row)) return true;
        isDone = removal[3] !== undefined;
        return false;
      });
      return;
    }
    const update = /^UPDATE (\S+) SET (.*) WHERE (.*) LIMIT 1$/s.exec(sql);
    if (update === null) throw new Error(`not a statement of replication: ${sql}`);
    const table = this.#table(update[1] as string);
    const at = table.rows.findIndex(condition(update[3] as string));
    if (at === -1) return;
    const changes = splitList(update[2] as string).map((part) => part.split("=") as [string, string]);
    table.rows = table.rows.with(at, { ...table.rows[at], ...Object.fromEntries(changes.map(([name, value]) => [bare(name), value])) });
  }

  #table(name: string): MemoryTable {
    const table = this.tables.get(name.replaceAll("`", ""));
    if (table === undefined) throw new Error(`no table ${name}`);
    return table;
  }

  #put(table: MemoryTable, row: MemoryRow, verb: string, changed: readonly string[] | null): void {
    const clash = (other: MemoryRow) =>
      table.uniques.some((key) => key.every((column) => row[column] !== "NULL" && row[column] === other[column]));
    const at = table.rows.findIndex(clash);
    if (at === -1) table.rows = [...table.rows, row];
    else if (verb === "REPLACE") table.rows = [...table.rows.filter((other) => !clash(other)), row];
    else if (changed !== null) {
      table.rows = table.rows.with(at, { ...table.rows[at], ...Object.fromEntries(changed.map((name) => [name, row[name] as string])) });
    } else throw new Error(`duplicate entry: ${JSON.stringify(row)}`);
  }
}

/** Splits at commas that are outside of quotes and parentheses. */
function splitList(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === "'") isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (char === "(") depth++;
    else if (char === ")") depth--;
    else if (char === "," && depth === 0) {
      parts.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  return [...parts, text.slice(start).trim()];
}

function bare(name: string): string {
  return name.replaceAll("`", "").trim();
}

function condition(text: string): (row: MemoryRow) => boolean {
  const within = /^(\S+) IN \((.*)\)$/s.exec(text);
  if (within !== null) {
    const values = new Set(splitList(within[2] as string));
    return (row) => values.has(row[bare(within[1] as string)] as string);
  }
  const parts = text.split(" AND ").map((part) => {
    const [name, value] = part.endsWith(" IS NULL") ? [part.slice(0, -8), "NULL"] : part.split(" = ");
    return { name: bare(name as string), value };
  });
  return (row) => parts.every(({ name, value }) => row[name] === value);
}

export interface MemoryTargetOptions {
  readonly server: MemoryServer;
  /** Settles when this transaction's turn comes; `isUnknown`: it commits, but the worker does not hear of it. */
  readonly gate: () => Promise<{ readonly isUnknown: boolean }>;
  readonly broken: BrokenRule;
}

const checkpointTable = "dm_meta.task_syncer_checkpoint";
const checkpointColumns =
  "cp_schema,cp_table,binlog_name,binlog_pos,binlog_gtid,exit_safe_binlog_name,exit_safe_binlog_pos,exit_safe_binlog_gtid,table_info,is_global".split(
    ",",
  );

export class MemoryTarget implements Target {
  readonly serverVersion = "10.11.0-MariaDB";
  readonly flavor = "mariadb";
  readonly isTiDB = false;
  readonly task = "task";
  readonly sourceId = "src-1";
  readonly metaSchema = "dm_meta";
  readonly retries = { count: 0, last: "" };
  epoch = 0;
  fencedCount = 0;
  readonly #options: MemoryTargetOptions;

  constructor(options: MemoryTargetOptions) {
    this.#options = options;
    const { tables } = options.server;
    if (!tables.has(checkpointTable)) options.server.create(checkpointTable, [["id", "cp_schema", "cp_table"]]);
  }

  metaTable(suffix: string): string {
    return `\`dm_meta\`.\`task_${suffix}\``;
  }
  async takeOver(): Promise<number> {
    this.epoch = ++this.#options.server.epoch;
    return this.epoch;
  }
  async ensure(): Promise<void> {}

  async query(sql: string): Promise<ResultSet> {
    const isOne = sql.startsWith("SELECT binlog_name");
    const columns = isOne ? ["binlog_name", "binlog_pos", "exit_safe_binlog_pos"] : checkpointColumns;
    const wanted = isOne ? condition(/WHERE (.*?) LOCK/.exec(sql)?.[1] ?? "") : () => true;
    const rows = (this.#options.server.tables.get(checkpointTable)?.rows ?? []).filter(wanted);
    const value = (text: string | undefined) =>
      text === undefined || text === "NULL" ? null : text.replace(/^_utf8mb4/, "").replace(/^'(.*)'$/s, "$1");
    return { columns: [], rows: rows.map((row) => columns.map((column) => value(row[column]))) };
  }

  async transaction(statements: readonly string[], options: TransactionOptions = {}): Promise<ExecuteResult[]> {
    const { server, broken } = this.#options;
    const isCheckpoint = (statement: string) => statement.includes("syncer_checkpoint");
    const parts =
      broken === "oneTransaction"
        ? [statements.filter((statement) => !isCheckpoint(statement)), statements.filter(isCheckpoint)].filter((part) => part.length > 0)
        : [statements];
    for (const part of parts) {
      for (let current = part; ; ) {
        const { isUnknown } = await this.#options.gate();
        if (server.epoch !== this.epoch && broken !== "fence") {
          this.fencedCount++;
          throw dmErrors.fenced([this.sourceId, this.epoch, String(server.epoch), "other"]);
        }
        server.run(current);
        if (!isUnknown) break;
        if (options.wasApplied !== undefined) {
          // Only reads the checkpoint row.
          if (await options.wasApplied(this as unknown as Connection)) break;
        } else if (options.repeat === undefined) throw dmErrors.databaseInvalidConnection([]);
        else current = options.repeat();
      }
    }
    return [];
  }

  async transactionWith<T>(): Promise<T> {
    throw new Error("replication needs no connection of its own");
  }
  async ddl(): Promise<boolean> {
    throw new Error("this model has no DDL");
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}
