/**
 * Access to the downstream, behind a fence: of all workers that think they own a source, only the one that took it over last
 * can write (design decision D6).
 *
 *   fence row (source id, epoch)   every transaction holds it shared and compares the epoch before COMMIT;
 *                                  a DDL holds it shared on one connection and runs on another
 *   take-over                      ends the old owner's connections by id, then raises the epoch holding the row exclusively
 *
 * Connections are in "bytes" mode: statements and values are ByteStrings.
 */
import { Backoff, isCodedError, Semaphore, type World } from "@skein/base";
import {
  type Connection,
  type ExecuteResult,
  MysqlConnectionError,
  type MysqlEndpoint,
  MysqlServerError,
  openConnection,
  type ResultSet,
} from "@skein/mysql";
import { dmErrors } from "../errors.ts";
import { classifyTargetErrno, isIgnorableDdlErrno, statementHead } from "./core/classify.ts";
import { createFenceTables, createMetaSchema, metaTable, metaTableSuffixes, nameLiteral, textLiteral, textOf } from "./core/meta-tables.ts";

export interface TargetConfig {
  readonly endpoint: MysqlEndpoint;
  readonly task: string;
  readonly sourceId: string;
  readonly metaSchema: string;
  /** For work; two more serve control and the fence of a DDL. */
  readonly connectionsMax: number;
  /** Session variables of the user, over those that the target needs for exactness. */
  readonly session?: Readonly<Record<string, string>>;
  /** Tries of one transaction that meets lock waits, deadlocks and lost connections. Default 100. */
  readonly retryCountMax?: number;
  /** Longest wait between two tries. Default 3 s. */
  readonly retryWaitMaxMs?: number;
}

export interface TargetOptions {
  /** What the connections are for; shown beside the epoch: `copy`, `sync`. */
  readonly role: string;
  readonly worker: string;
  readonly signal: AbortSignal;
}

export interface TransactionOptions {
  readonly signal?: AbortSignal;
  /** Whether the transaction had been committed, when its connection was lost during COMMIT. Without it and `repeat`: 10003. */
  readonly wasApplied?: (connection: Connection) => Promise<boolean>;
  /** Statements that may run again after an unknown outcome (the safe mode form). */
  readonly repeat?: () => readonly string[];
}

export interface DdlOptions {
  readonly signal?: AbortSignal;
  /** Default schema of the statement. */
  readonly schema?: string;
  /** Session settings for this statement: SQL assignments without SET, such as `TIMESTAMP = 1700000000`. */
  readonly assignments?: readonly string[];
}

export interface Target extends AsyncDisposable {
  readonly serverVersion: string;
  readonly flavor: "mysql" | "mariadb";
  readonly isTiDB: boolean;
  readonly task: string;
  readonly sourceId: string;
  readonly metaSchema: string;
  /** 0 until `takeOver`. */
  readonly epoch: number;
  /** Statements that were tried again so far, and what the last of them met: for `query-status --why`. */
  readonly retries: { readonly count: number; readonly last: string };
  /** `` `meta`.`task_suffix` ``, quoted. */
  metaTable(suffix: string): string;
  /** From now on nobody who took this source over before can write. Returns the new epoch. */
  takeOver(signal?: AbortSignal): Promise<number>;
  /** Reads, outside of transactions. */
  query(sql: string, signal?: AbortSignal): Promise<ResultSet>;
  /** All or nothing, under the fence: BEGIN, epoch, statements in one round trip, COMMIT in a second one. */
  transaction(statements: readonly string[], options?: TransactionOptions): Promise<ExecuteResult[]>;
  /** The same around work that needs the connection itself (LOAD DATA). `body` may run more than once. */
  transactionWith<T>(body: (connection: Connection) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Returns false when the target answered that the change is there already. */
  ddl(sql: string, options?: DdlOptions): Promise<boolean>;
  /** Without a fence: creating what exists already harms nobody (`CREATE TABLE IF NOT EXISTS` in the meta schema). */
  ensure(statements: readonly string[], signal?: AbortSignal): Promise<void>;
}

const takeOverWaitMaxMs = 60_000;
/** ER_CONNECTION_KILLED: MariaDB says so before it ends the connection. */
const connectionKilled = 1927;

/** What every session here needs so that values arrive as they left: zero dates, 31 February and id 0 are data, truncation is an error. */
const sessionBase: Readonly<Record<string, string>> = {
  sql_mode: "STRICT_TRANS_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES",
  time_zone: "+00:00",
  foreign_key_checks: "0",
  unique_checks: "1",
};

export async function openTarget(world: World, config: TargetConfig, options: TargetOptions): Promise<Target> {
  const control = await openControl(world, config, options.signal);
  const target = new FencedTarget(world, config, options, control);
  try {
    await target.ensure([createMetaSchema(config.metaSchema), ...createFenceTables(config.metaSchema, config.task)], options.signal);
  } catch (error) {
    await target[Symbol.asyncDispose]();
    throw error;
  }
  return target;
}

/** Drops all that a task keeps in the target. */
export async function removeMeta(
  world: World,
  endpoint: MysqlEndpoint,
  task: { readonly name: string; readonly metaSchema: string },
  signal?: AbortSignal,
): Promise<void> {
  try {
    await using connection = await openConnection(world, endpoint, { mode: "bytes", ...(signal === undefined ? {} : { signal }) });
    const schemas = await connection.query(
      `SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${textLiteral(task.metaSchema)}`,
      signal,
    );
    if (schemas.rows.length === 0) return;
    for (const suffix of metaTableSuffixes) {
      await connection.execute(`DROP TABLE IF EXISTS ${metaTable(task.metaSchema, task.name, suffix)}`, signal);
    }
  } catch (error) {
    throw codedTargetError(error, `DROP TABLE … of task ${task.name}`);
  }
}

async function openControl(world: World, config: TargetConfig, signal: AbortSignal): Promise<Connection> {
  try {
    return await openConnection(world, config.endpoint, { mode: "bytes", signal });
  } catch (error) {
    signal.throwIfAborted();
    throw dmErrors.databaseDriver([], error);
  }
}

/** An error of the drivers in the product's form; coded ones and aborts pass. */
export function codedTargetError(error: unknown, statement: string): unknown {
  if (isCodedError(error)) return error;
  if (error instanceof MysqlServerError) return dmErrors.databaseExecute([statementHead(statement)], error);
  if (error instanceof MysqlConnectionError) return dmErrors.databaseDriver([], error);
  return error;
}

/** The outcome of a COMMIT is not known. */
class UnknownOutcome extends Error {
  constructor(cause: unknown) {
    super("the connection was lost during COMMIT", { cause });
    this.name = "UnknownOutcome";
  }
}

class FencedTarget implements Target {
  readonly serverVersion: string;
  readonly flavor: "mysql" | "mariadb";
  readonly isTiDB: boolean;
  readonly task: string;
  readonly sourceId: string;
  readonly metaSchema: string;
  readonly #world: World;
  readonly #config: TargetConfig;
  readonly #options: TargetOptions;
  readonly #places: Semaphore;
  readonly #idle: Connection[] = [];
  readonly #open = new Set<Connection>();
  readonly #closed = new AbortController();
  readonly #fence: string;
  readonly #epochQuery: string;
  #control: Connection;
  #controlQueue: Promise<unknown> = Promise.resolve();
  #epoch = 0;
  #retryCount = 0;
  #lastRetry = "";

  constructor(world: World, config: TargetConfig, options: TargetOptions, control: Connection) {
    this.#world = world;
    this.#config = config;
    this.#options = options;
    this.#control = control;
    this.serverVersion = control.serverVersion;
    this.flavor = control.flavor;
    this.isTiDB = control.isTiDB;
    this.task = config.task;
    this.sourceId = config.sourceId;
    this.metaSchema = config.metaSchema;
    this.#places = new Semaphore(config.connectionsMax);
    this.#fence = this.metaTable("fence");
    const where = `SELECT epoch, worker FROM ${this.#fence} WHERE id = ${textLiteral(config.sourceId)}`;
    // TiDB takes no shared row locks: there the ended connections are the fence, and the check at COMMIT narrows what is left.
    this.#epochQuery = control.isTiDB ? where : `${where} LOCK IN SHARE MODE`;
  }

  get epoch(): number {
    return this.#epoch;
  }
  get retries(): { readonly count: number; readonly last: string } {
    return { count: this.#retryCount, last: this.#lastRetry };
  }

  metaTable(suffix: string): string {
    return metaTable(this.metaSchema, this.task, suffix);
  }

  async takeOver(signal: AbortSignal = this.#options.signal): Promise<number> {
    const id = textLiteral(this.sourceId);
    const connections = this.metaTable("fence_connection");
    const owner = `${this.#options.worker} (${this.#options.role})`;
    const before = await this.query(`SELECT epoch FROM ${this.#fence} WHERE id = ${id}`, signal);
    const epochBefore = Number(before.rows[0]?.[0] ?? 0);
    let wasCut = false;
    const startedMs = this.#world.clock.monotonicMs();
    const backoff = new Backoff({ minMs: 20, maxMs: 1000 }, () => this.#world.random.float());
    for (;;) {
      try {
        await this.#endConnections(connections, id, signal);
        const epoch = await this.#onControl(async (control) => {
          await control.execute("SET SESSION innodb_lock_wait_timeout = 3", signal).catch(ignoreServerRefusal);
          // Listed like those that write: who freezes in here holds the fence's row, and the next owner has to end that.
          await control.execute(
            `REPLACE INTO ${connections} (id, connection_id, epoch) VALUES (${id}, CONNECTION_ID(), ${this.#epoch})`,
            signal,
          );
          await control.execute("BEGIN", signal);
          try {
            await control.execute(
              `INSERT IGNORE INTO ${this.#fence} (id, epoch, worker) VALUES (${id}, 0, ${textLiteral(this.#options.worker)})`,
              signal,
            );
            const { rows } = await control.query(`SELECT epoch, worker FROM ${this.#fence} WHERE id = ${id} FOR UPDATE`, signal);
            const current = Number(rows[0]?.[0] ?? 0);
            const holder = textOf(rows[0]?.[1] ?? "");
            // Who wakes up in here was ended by the one that came after it, and must not take the source back.
            if (wasCut && current > epochBefore && holder !== owner) {
              throw dmErrors.fenced([this.sourceId, epochBefore, String(current), holder]);
            }
            const next = current + 1;
            await control.execute(`UPDATE ${this.#fence} SET epoch = ${next}, worker = ${textLiteral(owner)} WHERE id = ${id}`, signal);
            await this.#world.faults.at("target:take-over");
            await control.execute("COMMIT", signal);
            return next;
          } catch (error) {
            if (control.isOpen) await control.execute("ROLLBACK").catch(ignoreServerRefusal);
            throw error;
          }
        }, signal);
        // Where no row lock is shared, a connection that was opened meanwhile may be inside a transaction: it ends before anyone goes on.
        if (this.isTiDB) await this.#endConnections(connections, id, signal);
        await this.#onControl(
          (control) => control.execute(`DELETE FROM ${connections} WHERE id = ${id} AND epoch < ${epoch}`, signal),
          signal,
        );
        this.#epoch = epoch;
        // Connections from before this epoch are not registered under it, so they must not be used again.
        for (const connection of this.#idle.splice(0)) this.#drop(connection);
        return epoch;
      } catch (error) {
        if (!this.#mayRetry(error)) throw codedTargetError(error, "take-over of the source");
        wasCut ||= error instanceof MysqlConnectionError || (error instanceof MysqlServerError && error.errno === connectionKilled);
        const waitedMs = this.#world.clock.monotonicMs() - startedMs;
        if (waitedMs > takeOverWaitMaxMs) throw takeOverTooLong(waitedMs, error);
        await this.#world.clock.sleep(backoff.next(), signal);
      }
    }
  }

  async query(sql: string, signal: AbortSignal = this.#options.signal): Promise<ResultSet> {
    const backoff = this.#newBackoff();
    for (let tries = 1; ; tries++) {
      try {
        return await this.#onControl((control) => control.query(sql, signal), signal);
      } catch (error) {
        if (error instanceof MysqlServerError && classifyTargetErrno(error.errno) === "fatal") {
          throw dmErrors.databaseQuery([statementHead(sql)], error);
        }
        await this.#waitForRetry(error, tries, backoff, signal, sql);
      }
    }
  }

  async ensure(statements: readonly string[], signal: AbortSignal = this.#options.signal): Promise<void> {
    for (const statement of statements) {
      const backoff = this.#newBackoff();
      for (let tries = 1; ; tries++) {
        try {
          await this.#onControl((control) => control.execute(statement, signal), signal);
          break;
        } catch (error) {
          await this.#waitForRetry(error, tries, backoff, signal, statement);
        }
      }
    }
  }

  async transaction(statements: readonly string[], options: TransactionOptions = {}): Promise<ExecuteResult[]> {
    let current = statements;
    const run = async (connection: Connection, signal: AbortSignal): Promise<ExecuteResult[]> => {
      const begin = connection.execute("BEGIN", signal);
      const epoch = connection.query(this.#epochQuery, signal);
      const work = current.map((statement) => connection.execute(statement, signal));
      const settled = await Promise.allSettled([begin, epoch, ...work]);
      const failed = settled.findIndex(({ status }) => status === "rejected");
      if (failed !== -1) {
        const error: unknown = (settled[failed] as PromiseRejectedResult).reason;
        throw new StatementFailure(failed < 2 ? "BEGIN" : (current[failed - 2] as string), error);
      }
      this.#checkEpoch((settled[1] as PromiseFulfilledResult<ResultSet>).value);
      await this.#commit(connection, signal);
      return settled.slice(2).map((result) => (result as PromiseFulfilledResult<ExecuteResult>).value);
    };
    return await this.#retried(run, options, () => {
      const repeat = options.repeat?.();
      if (repeat !== undefined) current = repeat;
      return repeat !== undefined;
    });
  }

  async transactionWith<T>(body: (connection: Connection) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const run = async (connection: Connection, signal: AbortSignal): Promise<T> => {
      const [, epoch] = await Promise.all([connection.execute("BEGIN", signal), connection.query(this.#epochQuery, signal)]);
      this.#checkEpoch(epoch);
      const result = await body(connection);
      await this.#commit(connection, signal);
      return result;
    };
    return await this.#retried(run, options, () => options.repeat !== undefined);
  }

  async ddl(sql: string, options: DdlOptions = {}): Promise<boolean> {
    const run = async (holder: Connection, signal: AbortSignal): Promise<boolean> => {
      await holder.execute("BEGIN", signal);
      this.#checkEpoch(await holder.query(this.#epochQuery, signal));
      const runner = await this.#connect(signal);
      try {
        // Members, defaults and comments are characters, not bytes: the server has to know their charset.
        await runner.execute("SET NAMES utf8mb4", signal);
        if (options.schema !== undefined && options.schema !== "") await runner.execute(`USE ${nameLiteral(options.schema)}`, signal);
        for (const assignment of options.assignments ?? []) await runner.execute(`SET SESSION ${assignment}`, signal);
        try {
          await runner.execute(sql, signal);
          return true;
        } catch (error) {
          if (error instanceof MysqlServerError && isIgnorableDdlErrno(error.errno)) return false;
          throw new StatementFailure(sql, error);
        }
      } finally {
        this.#drop(runner); // its session settings are those of one statement
        if (holder.isOpen) await holder.execute("ROLLBACK").catch(ignoreServerRefusal);
      }
    };
    return await this.#retried(run, options, () => true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new DOMException("the target is closed", "AbortError"));
    for (const connection of this.#open) connection.destroy();
    this.#open.clear();
    this.#idle.length = 0;
    this.#control.destroy();
  }

  async #retried<T>(
    run: (connection: Connection, signal: AbortSignal) => Promise<T>,
    options: TransactionOptions,
    repeat: () => boolean,
  ): Promise<T> {
    const signal = AbortSignal.any([options.signal ?? this.#options.signal, this.#closed.signal]);
    using _place = await this.#places.acquire(signal);
    const backoff = this.#newBackoff();
    for (let tries = 1; ; tries++) {
      let connection: Connection | undefined;
      try {
        connection = await this.#take(signal);
        const result = await run(connection, signal);
        this.#idle.push(connection);
        return result;
      } catch (error) {
        // The server rolls back what a lost connection leaves, and session settings of the statements go with it.
        if (connection !== undefined) this.#drop(connection);
        if (error instanceof UnknownOutcome) {
          const { wasApplied } = options;
          if (wasApplied !== undefined) {
            // Asked on a new connection: the old one's transaction has ended, or its locks make this read wait in the fence.
            if (await this.#onControl(wasApplied, signal)) return undefined as T;
          } else if (!repeat()) throw dmErrors.databaseInvalidConnection([], error.cause);
        }
        const statement = error instanceof StatementFailure ? error.statement : "BEGIN";
        const cause: unknown = error instanceof StatementFailure || error instanceof UnknownOutcome ? error.cause : error;
        await this.#waitForRetry(cause, tries, backoff, signal, statement);
      }
    }
  }

  /** Returns when the next try is due; throws the coded error when there is none. */
  async #waitForRetry(error: unknown, tries: number, backoff: Backoff, signal: AbortSignal, statement: string): Promise<void> {
    signal.throwIfAborted();
    if (!this.#mayRetry(error) || tries >= (this.#config.retryCountMax ?? 100)) throw codedTargetError(error, statement);
    this.#retryCount++;
    this.#lastRetry = error instanceof Error ? error.message : String(error);
    await this.#world.clock.sleep(backoff.next(), signal);
  }

  #mayRetry(error: unknown): boolean {
    if (error instanceof MysqlServerError) return classifyTargetErrno(error.errno) !== "fatal";
    return error instanceof MysqlConnectionError && !(this.#closed.signal.aborted || this.#options.signal.aborted);
  }

  #newBackoff(): Backoff {
    return new Backoff({ minMs: 10, maxMs: this.#config.retryWaitMaxMs ?? 3000 }, () => this.#world.random.float());
  }

  async #commit(connection: Connection, signal: AbortSignal): Promise<void> {
    await this.#world.faults.at("target:commit");
    // Lost before COMMIT was sent: the server rolls back, so this is no unknown outcome.
    if (!connection.isOpen) throw new MysqlConnectionError("CLOSED", this.#config.endpoint, "the connection was lost before COMMIT");
    try {
      await connection.execute("COMMIT", signal);
    } catch (error) {
      if (error instanceof MysqlServerError) throw new StatementFailure("COMMIT", error);
      signal.throwIfAborted();
      throw new UnknownOutcome(error);
    }
    await this.#world.faults.at("target:committed");
  }

  #checkEpoch({ rows }: ResultSet): void {
    const current = Number(rows[0]?.[0] ?? 0);
    if (this.#epoch === 0 || current !== this.#epoch) {
      throw dmErrors.fenced([this.sourceId, this.#epoch, String(current), textOf(rows[0]?.[1] ?? "")]);
    }
  }

  #drop(connection: Connection): void {
    this.#open.delete(connection);
    connection.destroy();
  }

  async #take(signal: AbortSignal): Promise<Connection> {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) return await this.#connect(signal);
      if (connection.isOpen) return connection;
      this.#drop(connection);
    }
  }

  /** A connection that is in the fence's list before it writes for the first time. */
  async #connect(signal: AbortSignal): Promise<Connection> {
    const connection = await openConnection(this.#world, this.#config.endpoint, {
      mode: "bytes",
      signal,
      session: { ...sessionBase, ...(this.isTiDB ? { tidb_txn_mode: "pessimistic" } : {}), ...this.#config.session, time_zone: "+00:00" },
    });
    this.#open.add(connection);
    try {
      await connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", signal);
      await this.#onControl(
        (control) =>
          control.execute(
            `REPLACE INTO ${this.metaTable("fence_connection")} (id, connection_id, epoch) VALUES (${textLiteral(this.sourceId)}, ${connection.id}, ${this.#epoch})`,
            signal,
          ),
        signal,
      );
      return connection;
    } catch (error) {
      this.#drop(connection);
      throw error;
    }
  }

  /** Ends the connections of all earlier epochs, and waits until the server has none of them left. */
  async #endConnections(table: string, id: string, signal: AbortSignal): Promise<void> {
    const { rows } = await this.#onControl(
      (control) => control.query(`SELECT connection_id FROM ${table} WHERE id = ${id}`, signal),
      signal,
    );
    const own = new Set([...this.#open].map((connection) => connection.id));
    const ids = rows.map((row) => Number(row[0])).filter((connectionId) => Number.isSafeInteger(connectionId) && !own.has(connectionId));
    if (ids.length === 0) return;
    const startedMs = this.#world.clock.monotonicMs();
    for (;;) {
      // Numbers are used again after a restart of the server: only sessions of this account are ended.
      const alive = await this.#onControl(
        (control) =>
          control.query(
            `SELECT ID FROM information_schema.PROCESSLIST WHERE ID IN (${ids.join(", ")}) AND ID <> CONNECTION_ID() AND USER = SUBSTRING_INDEX(USER(), '@', 1)`,
            signal,
          ),
        signal,
      );
      if (alive.rows.length === 0) return;
      for (const [connectionId] of alive.rows) {
        const kill = this.isTiDB ? `KILL TIDB ${connectionId}` : `KILL ${connectionId}`;
        await this.#onControl((control) => control.execute(kill, signal), signal).catch(ignoreServerRefusal); // it may have ended by now
      }
      const waitedMs = this.#world.clock.monotonicMs() - startedMs;
      if (waitedMs > takeOverWaitMaxMs) throw takeOverTooLong(waitedMs);
      await this.#world.clock.sleep(20, signal);
    }
  }

  /** One after the other, on the control connection; it is opened again when it was lost. */
  #onControl<T>(work: (control: Connection) => Promise<T>, signal: AbortSignal): Promise<T> {
    const run = async () => {
      this.#closed.signal.throwIfAborted();
      if (!this.#control.isOpen) this.#control = await openConnection(this.#world, this.#config.endpoint, { mode: "bytes", signal });
      return await work(this.#control);
    };
    const result = this.#controlQueue.then(run, run);
    this.#controlQueue = result.catch(() => {}); // the caller hears of it
    return result;
  }
}

function takeOverTooLong(waitedMs: number, cause?: unknown): unknown {
  return dmErrors.databaseDriver(
    [],
    new Error(`the previous worker's transactions did not end within ${Math.round(waitedMs)} ms; look for sessions on the fence table`, {
      cause,
    }),
  );
}

/** Which statement the server refused. */
class StatementFailure extends Error {
  readonly statement: string;

  constructor(statement: string, cause: unknown) {
    super("a statement failed", { cause });
    this.name = "StatementFailure";
    this.statement = statement;
  }
}

function ignoreServerRefusal(error: unknown): void {
  if (!(error instanceof MysqlServerError || error instanceof MysqlConnectionError)) throw error;
}
