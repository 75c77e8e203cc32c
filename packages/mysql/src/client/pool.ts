/** Connections that are opened as needed, up to a limit, and used again. */
import { Semaphore, type World } from "@skein/base";
import type { MysqlEndpoint } from "./authenticate.ts";
import { type Connection, type ConnectionMode, type ExecuteResult, openConnection, type ResultSet } from "./connection.ts";

export interface Lease extends Disposable {
  readonly connection: Connection;
}

export interface Pool extends AsyncDisposable {
  /** Waits while all are lent. Giving back a connection that is broken or inside a transaction closes it. */
  acquire(signal?: AbortSignal): Promise<Lease>;
  query(sql: string, signal?: AbortSignal): Promise<ResultSet>;
  queryObjects(sql: string, signal?: AbortSignal): Promise<Record<string, string | null>[]>;
  execute(sql: string, signal?: AbortSignal): Promise<ExecuteResult>;
  /** Connections that are open, lent or not. */
  readonly openCount: number;
  /** Closes the idle ones and destroys those that are lent. */
  closeAll(): Promise<void>;
}

export interface PoolOptions {
  readonly mode: ConnectionMode;
  readonly connectionsMax: number;
  readonly session?: Readonly<Record<string, string>>;
}

export function createPool(world: World, endpoint: MysqlEndpoint, options: PoolOptions): Pool {
  return new ConnectionPool(world, endpoint, options);
}

class ConnectionPool implements Pool {
  readonly #world: World;
  readonly #endpoint: MysqlEndpoint;
  readonly #options: PoolOptions;
  readonly #limit: Semaphore;
  readonly #idle: Connection[] = [];
  readonly #lent = new Set<Connection>();
  readonly #closed = new AbortController();

  constructor(world: World, endpoint: MysqlEndpoint, options: PoolOptions) {
    this.#world = world;
    this.#endpoint = endpoint;
    this.#options = options;
    this.#limit = new Semaphore(options.connectionsMax);
  }

  get openCount(): number {
    return this.#lent.size + this.#idle.filter((connection) => connection.isOpen).length;
  }

  async acquire(signal?: AbortSignal): Promise<Lease> {
    const either = signal === undefined ? this.#closed.signal : AbortSignal.any([signal, this.#closed.signal]);
    const place = await this.#limit.acquire(either);
    try {
      const connection =
        this.#takeIdle() ??
        (await openConnection(this.#world, this.#endpoint, {
          mode: this.#options.mode,
          signal: either,
          ...(this.#options.session === undefined ? {} : { session: this.#options.session }),
        }));
      this.#lent.add(connection);
      let isBack = false;
      return {
        connection,
        [Symbol.dispose]: () => {
          if (isBack) return;
          isBack = true;
          this.#giveBack(connection);
          place[Symbol.dispose]();
        },
      };
    } catch (error) {
      place[Symbol.dispose]();
      throw error;
    }
  }

  async query(sql: string, signal?: AbortSignal): Promise<ResultSet> {
    using lease = await this.acquire(signal);
    return await lease.connection.query(sql, signal);
  }

  async queryObjects(sql: string, signal?: AbortSignal): Promise<Record<string, string | null>[]> {
    using lease = await this.acquire(signal);
    return await lease.connection.queryObjects(sql, signal);
  }

  async execute(sql: string, signal?: AbortSignal): Promise<ExecuteResult> {
    using lease = await this.acquire(signal);
    return await lease.connection.execute(sql, signal);
  }

  async closeAll(): Promise<void> {
    this.#closed.abort(new DOMException("the pool is closed", "AbortError"));
    for (const connection of this.#lent) connection.destroy();
    await Promise.all(this.#idle.splice(0).map((connection) => connection.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.closeAll();
  }

  #takeIdle(): Connection | undefined {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined || connection.isOpen) return connection;
    }
  }

  #giveBack(connection: Connection): void {
    this.#lent.delete(connection);
    if (!connection.isOpen || connection.isInTransaction || this.#closed.signal.aborted) connection.destroy();
    else this.#idle.push(connection);
  }
}
