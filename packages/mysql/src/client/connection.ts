/**
 * Connections to MySQL-protocol servers.
 *
 * "text" mode: utf8mb4, JavaScript strings. "bytes" mode: `SET NAMES binary`, SQL and values are ByteStrings, nothing is
 * re-encoded on the way; literals are binary strings there, so JSON and text of another charset than the column's needs an
 * introducer (`_utf8mb4'…'`). Every value comes as text or null, in the server's own print.
 */
import { Channel, type World } from "@skein/base";
import { frameCommand, framePacket } from "../core/packet-framer.ts";
import { closePayload, frameExecute, preparePayload, type RowSpan } from "../core/prepared-rows.ts";
import { quoteIdentifier, quoteText } from "../core/quote.ts";
import { type OkPacket, parseTextRow, type ResultColumn, serverStatus } from "../core/result-packets.ts";
import { authenticate, type MysqlEndpoint } from "./authenticate.ts";
import { MysqlConnectionError, MysqlServerError } from "./errors.ts";
import { PrepareAnswer, type PreparedFacts } from "./prepare-answer.ts";
import { ResultAnswer, type ResultSink } from "./result-answer.ts";
import { type Answer, ServerSocket } from "./server-socket.ts";

export type ConnectionMode = "text" | "bytes";

export interface ResultSet {
  readonly columns: readonly ResultColumn[];
  readonly rows: (string | null)[][];
}

export interface ExecuteResult {
  /** Rows inserted, deleted, or matched by an UPDATE (also when it changed nothing); ON DUPLICATE KEY UPDATE counts 1 or 2. */
  readonly affectedRows: number;
  readonly insertId: bigint;
  readonly warnings: number;
  /** `Records: 3  Duplicates: 0  Warnings: 0` */
  readonly info: string;
}

/**
 * Rows of the text protocol as they came: row i is `bytes[starts[i] … ends[i])`, per column a length-encoded string or the
 * byte 0xfb for NULL. Lengths: one byte under 0xfb; 0xfc + u16; 0xfd + u24; 0xfe + u64. The bytes stay valid as long as they are held.
 */
export interface RowPacketBatch {
  readonly bytes: Buffer;
  readonly count: number;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly columns: readonly ResultColumn[];
}

/** A statement that the server has parsed once. Its parameters are bytes, as in "bytes" mode. */
export interface PreparedStatement {
  readonly parameters: number;
  /** `spans` have exactly as many values as the statement has parameters. The server reads no SQL, and escapes nothing. */
  executeRows(columns: number, spans: readonly RowSpan[], signal?: AbortSignal): Promise<ExecuteResult>;
  /** The server forgets it. */
  close(): void;
}

export interface Connection extends AsyncDisposable {
  /** The server's connection id, for KILL. */
  readonly id: number;
  /** `10.11.19-MariaDB-…`, `9.7.0`, `8.0.11-TiDB-v8.5.0` */
  readonly serverVersion: string;
  readonly flavor: "mysql" | "mariadb";
  readonly isTiDB: boolean;
  readonly mode: ConnectionMode;
  readonly isOpen: boolean;
  /** A transaction is open, as the server said with its last answer. */
  readonly isInTransaction: boolean;

  /** The first result set, whole in memory. A statement without rows gives none. */
  query(sql: string, signal?: AbortSignal): Promise<ResultSet>;
  /** Rows by column name. */
  queryObjects(sql: string, signal?: AbortSignal): Promise<Record<string, string | null>[]>;
  execute(sql: string, signal?: AbortSignal): Promise<ExecuteResult>;
  /**
   * All sent at once, answered in order: one round trip. A statement that fails does not keep later ones from running, so a
   * COMMIT must not be among them. Rejects with the first error, `statementIndex` set, after all are answered.
   */
  executeAll(sqls: readonly string[], signal?: AbortSignal): Promise<ExecuteResult[]>;
  /** Constant memory: the socket waits while nobody pulls. Leaving the loop early closes the connection. */
  streamRows(sql: string, options?: { readonly signal?: AbortSignal }): AsyncIterable<RowPacketBatch>;
  /** LOAD DATA LOCAL INFILE '…': the server's request for the file is answered with `data`. When `data` throws, the connection is closed and nothing is committed. */
  loadData(sql: string, data: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<ExecuteResult>;
  /** Valid on this connection. */
  prepare(sql: string, signal?: AbortSignal): Promise<PreparedStatement>;
  ping(signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
  destroy(): void;
}

export interface ConnectionOptions {
  readonly mode: ConnectionMode;
  readonly signal?: AbortSignal;
  /** Added to the endpoint's own. */
  readonly session?: Readonly<Record<string, string>>;
}

const comQuery = 0x03;
const comPing = 0x0e;

export async function openConnection(world: World, endpoint: MysqlEndpoint, options: ConnectionOptions): Promise<Connection> {
  const connection = await openSocketConnection(world, endpoint, options);
  return connection;
}

/** For the parts of this package that go on with the socket themselves. */
export async function openSocketConnection(world: World, endpoint: MysqlEndpoint, options: ConnectionOptions): Promise<SocketConnection> {
  const { socket, id, serverVersion } = await authenticate(world, endpoint, options.signal);
  const connection = new SocketConnection(new ServerSocket(world, socket, endpoint), endpoint, options.mode, id, serverVersion);
  try {
    await connection.prepareSession({ ...endpoint.session, ...options.session }, options.signal);
  } catch (error) {
    connection.destroy();
    throw error;
  }
  return connection;
}

export class SocketConnection implements Connection {
  readonly id: number;
  readonly serverVersion: string;
  readonly flavor: "mysql" | "mariadb";
  readonly isTiDB: boolean;
  readonly mode: ConnectionMode;
  readonly socket: ServerSocket;
  readonly endpoint: MysqlEndpoint;
  readonly #encoding: "utf8" | "latin1";
  #status = 0;

  constructor(socket: ServerSocket, endpoint: MysqlEndpoint, mode: ConnectionMode, id: number, serverVersion: string) {
    this.socket = socket;
    this.endpoint = endpoint;
    this.mode = mode;
    this.id = id;
    this.flavor = /mariadb/i.test(serverVersion) ? "mariadb" : "mysql";
    this.isTiDB = /tidb/i.test(serverVersion);
    this.serverVersion = this.flavor === "mariadb" ? serverVersion.replace(/^5\.5\.5-/, "") : serverVersion;
    this.#encoding = mode === "text" ? "utf8" : "latin1";
  }

  get isOpen(): boolean {
    return this.socket.failure === undefined;
  }
  get isInTransaction(): boolean {
    return (this.#status & serverStatus.inTransaction) !== 0;
  }

  async prepareSession(session: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<void> {
    const assignments = Object.entries(session).map(([name, value]) => `SESSION ${quoteIdentifier(name)} = ${sessionValue(value)}`);
    const sqls = [this.mode === "text" ? "SET NAMES utf8mb4" : "SET NAMES binary"];
    if (assignments.length > 0) sqls.push(`SET ${this.mode === "text" ? assignments.join(", ") : latin1Of(assignments.join(", "))}`);
    await this.executeAll(sqls, signal);
    if ((this.#status & serverStatus.noBackslashEscapes) !== 0) {
      // Literals of this package escape by backslash: quoting and the session must agree.
      await this.execute(
        "SET SESSION sql_mode = TRIM(BOTH ',' FROM REPLACE(CONCAT(',', @@sql_mode, ','), ',NO_BACKSLASH_ESCAPES,', ','))",
        signal,
      );
    }
  }

  async query(sql: string, signal?: AbortSignal): Promise<ResultSet> {
    let columns: readonly ResultColumn[] = [];
    const rows: (string | null)[][] = [];
    await this.#run(sql, signal, {
      onColumns: (received) => {
        columns = received;
      },
      onRow: (bytes, start, end) => {
        rows.push(parseTextRow(bytes, start, end, columns.length, this.#encoding));
      },
    });
    return { columns, rows };
  }

  async queryObjects(sql: string, signal?: AbortSignal): Promise<Record<string, string | null>[]> {
    const { columns, rows } = await this.query(sql, signal);
    return rows.map((row) => Object.fromEntries(columns.map((column, index) => [column.name, row[index] ?? null])));
  }

  async execute(sql: string, signal?: AbortSignal): Promise<ExecuteResult> {
    return executeResult(await this.#run(sql, signal, {}));
  }

  async executeAll(sqls: readonly string[], signal?: AbortSignal): Promise<ExecuteResult[]> {
    const answers = await Promise.allSettled(sqls.map((sql) => this.#run(sql, signal, {})));
    return answers.map((answer, index) => {
      if (answer.status === "fulfilled") return executeResult(answer.value);
      const error: unknown = answer.reason;
      if (error instanceof MysqlServerError || error instanceof MysqlConnectionError) error.statementIndex = index;
      throw error;
    });
  }

  async *streamRows(sql: string, options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<RowPacketBatch, void, void> {
    const channel = new Channel<RowPacketBatch>(batchesAheadMax);
    let columns: readonly ResultColumn[] = [];
    let bytes: Buffer | undefined;
    let count = 0;
    // Grown once and copied out: arrays that grow anew for each batch are most of what the collector would have to do.
    const starts: number[] = [];
    const ends: number[] = [];
    let isComplete = false;
    let waiting = Promise.resolve();
    let waitingCount = 0;
    const flush = () => {
      if (bytes === undefined || count === 0) return;
      const batch: RowPacketBatch = { bytes, count, starts: starts.slice(0, count), ends: ends.slice(0, count), columns };
      bytes = undefined;
      count = 0;
      if (waitingCount === 0 && channel.trySend(batch)) return;
      this.socket.pause();
      waitingCount++;
      waiting = waiting
        .then(() => channel.send(batch))
        .then(
          () => {
            if (--waitingCount === 0) this.socket.resume();
          },
          () => {}, // the channel failed: whoever pulls hears of it
        );
    };
    const done = this.#run(sql, options.signal, {
      onColumns: (received) => {
        columns = received;
      },
      onRow: (packet, start, end) => {
        if (packet !== bytes) {
          flush();
          bytes = packet;
        }
        starts[count] = start;
        ends[count++] = end;
      },
      onChunkEnd: flush,
    }).then(
      async () => {
        await waiting;
        isComplete = true;
        channel.close();
      },
      (error: unknown) => {
        isComplete = true;
        channel.fail(error);
      },
    );
    try {
      yield* channel;
      await done;
    } finally {
      if (!isComplete) this.destroy(); // rows are still on their way; there is no other way to stop them
    }
  }

  async loadData(sql: string, data: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<ExecuteResult> {
    let sending: Promise<void> = Promise.resolve();
    const send = async (sequence: number) => {
      let next = sequence + 1;
      try {
        for await (const part of data) {
          if (part.length > 0) next = await this.socket.continueWith(part, next); // an empty packet would end the file
          if (!this.isOpen) return;
        }
        await this.socket.continueWith(new Uint8Array(0), next);
      } catch (error) {
        // Half a file must not be committed, and only a lost connection says so to the server.
        this.socket.fail(error instanceof Error ? error : new Error(String(error)));
      }
    };
    const ok = await this.#run(sql, signal, {
      onLocalFile: (sequence) => {
        sending = send(sequence);
        return true;
      },
    });
    await sending;
    return executeResult(ok);
  }

  async prepare(sql: string, signal?: AbortSignal): Promise<PreparedStatement> {
    const { statement, parameters } = await this.#send<PreparedFacts>(
      () => framePacket(preparePayload(sql, this.#encoding), 0),
      signal,
      (done, failed) => new PrepareAnswer(done, failed),
    );
    let sendTypes = true;
    // Once it is answered, an execution's memory serves the next one: fresh memory for each costs more than all else here.
    const memory: Buffer[] = [];
    const reserve = (bytes: number): Buffer => {
      const held = memory.pop();
      return held !== undefined && held.length >= bytes
        ? held
        : Buffer.allocUnsafeSlow(bytes > keptBytesMax ? bytes : Math.min(keptBytesMax, bytes + (bytes >> 2)));
    };
    return {
      parameters,
      executeRows: async (columns, spans, executeSignal) => {
        let reserved: Buffer | undefined;
        const framed = frameExecute(statement, columns, spans, sendTypes, (bytes) => (reserved = reserve(bytes)));
        sendTypes = false;
        const ok = await this.#send<OkPacket | null>(
          () => framed,
          executeSignal,
          (done, failed) => this.#resultAnswer({}, done, failed),
        );
        if (reserved !== undefined && framed.length <= keptBytesMax && memory.length < keptBuffersMax) memory.push(reserved);
        return executeResult(ok);
      },
      close: () => this.socket.sendUnanswered(framePacket(closePayload(statement), 0)),
    };
  }

  async ping(signal?: AbortSignal): Promise<void> {
    await this.#command(comPing, "", signal, {});
  }

  close(): Promise<void> {
    return this.socket.close();
  }

  destroy(): void {
    this.socket.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #run(sql: string, signal: AbortSignal | undefined, sink: Omit<ResultSink, "onDone" | "onFailure">): Promise<OkPacket | null> {
    return this.#command(comQuery, sql, signal, sink);
  }

  #command(
    command: number,
    text: string,
    signal: AbortSignal | undefined,
    sink: Omit<ResultSink, "onDone" | "onFailure">,
  ): Promise<OkPacket | null> {
    return this.#send(
      () => frameCommand(command, text, this.#encoding),
      signal,
      (done, failed) => this.#resultAnswer(sink, done, failed),
    );
  }

  #resultAnswer(
    sink: Omit<ResultSink, "onDone" | "onFailure">,
    done: (ok: OkPacket | null) => void,
    failed: (error: Error) => void,
  ): ResultAnswer {
    const onDone = (ok: OkPacket | null, status: number) => {
      this.#status = status;
      done(ok);
    };
    return new ResultAnswer({ ...sink, onDone, onFailure: failed }, this.#encoding);
  }

  /** An abort closes the connection: nothing else ends what the server is doing. */
  #send<T>(
    frame: () => Buffer,
    signal: AbortSignal | undefined,
    answer: (done: (value: T) => void, failed: (error: Error) => void) => Answer,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      let onAbort: (() => void) | undefined;
      if (signal !== undefined) {
        onAbort = () => {
          reject(signal.reason);
          this.destroy();
        };
        signal.addEventListener("abort", onAbort, { once: true });
      }
      const settle = () => {
        if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
      };
      const waiting = answer(
        (value) => {
          settle();
          resolve(value);
        },
        (error) => {
          settle();
          reject(error);
        },
      );
      this.socket.send(frame(), waiting);
    });
  }
}

/** Batches that wait for the one who pulls: a chunk of the socket, 64 KiB, and the row that goes on in the next one, by turns. */
const batchesAheadMax = 8;

/** Memory that a prepared statement keeps for its next executions, so many at once and each of at most so many bytes. */
const keptBytesMax = 512 * 1024;
const keptBuffersMax = 3;

function executeResult(ok: OkPacket | null): ExecuteResult {
  if (ok === null) return { affectedRows: 0, insertId: 0n, warnings: 0, info: "" };
  return { affectedRows: ok.affectedRows, insertId: ok.insertId, warnings: ok.warnings, info: ok.info };
}

function sessionValue(value: string): string {
  return /^-?\d+(\.\d+)?$/.test(value) ? value : quoteText(value);
}

/** UTF-8 bytes as a ByteString: what "bytes" mode takes. */
function latin1Of(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
