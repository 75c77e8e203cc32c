/**
 * Writes rows by prepared multi-row INSERTs: the server parses the statement once and reads no SQL for any row after that, and here
 * nothing is escaped. What does not fill a statement goes as text.
 *
 *   rows ──▶ pending ──┬─ rowsPerStatement of them ─────▶ prepared statement
 *                      ├─ too many bytes before that ───▶ text, and fewer rows for the statements to come
 *                      └─ the end ──────────────────────▶ text
 */
import {
  type ByteString,
  type Connection,
  MysqlServerError,
  type PreparedStatement,
  parametersMax,
  type RowPacketBatch,
  type RowSpan,
} from "@skein/mysql";
import type { RowEncoder } from "./core/encode-rows.ts";

export interface PreparedShape {
  /** `REPLACE INTO … VALUES ` */
  readonly head: ByteString;
  /** Values that come with each row. */
  readonly columns: number;
  /** Literals that follow them. */
  readonly constants: readonly ByteString[];
  /** A table's rows are longer than the server's estimate said: lowered then, for all who copy it. 0: the server prepares none. */
  rowsPerStatement: number;
}

/** More rows save the server next to nothing, and cost it memory for each parameter. */
const rowsPerStatementMax = 1000;
const usualStatementBytes = 128 * 1024;
/** Statements that are sent and not answered: the server finds the next one there when it has done one. */
const statementsAheadMax = 2;
/** Prepared statements that one connection keeps. */
const statementsMax = 4;

export function rowsPerStatement(columns: number, meanRowBytes: number, statementBytes: number): number {
  const bytes = Math.min(statementBytes, usualStatementBytes);
  const rows = Math.floor(Math.min(rowsPerStatementMax, parametersMax / Math.max(1, columns), bytes / Math.max(1, meanRowBytes)));
  return columns === 0 ? 0 : Math.max(1, rows);
}

/** The statements of each connection, the last used at the end. */
export class PreparedStatements {
  readonly #known = new WeakMap<Connection, Map<string, PreparedStatement>>();

  /** Null: the server prepares no such statement. */
  async get(connection: Connection, shape: PreparedShape, signal: AbortSignal): Promise<PreparedStatement | null> {
    let statements = this.#known.get(connection);
    if (statements === undefined) this.#known.set(connection, (statements = new Map()));
    const key = `${shape.rowsPerStatement} ${shape.head}`;
    let statement = statements.get(key);
    if (statement === undefined) {
      const row = `(${[...Array<string>(shape.columns).fill("?"), ...shape.constants].join(",")})`;
      try {
        statement = await connection.prepare(shape.head + Array<string>(shape.rowsPerStatement).fill(row).join(","), signal);
      } catch (error) {
        if (error instanceof MysqlServerError) return null; // too many of them on this server, or a proxy that knows none
        throw error;
      }
    }
    statements.delete(key);
    statements.set(key, statement);
    for (const [old, unused] of statements) {
      if (statements.size <= statementsMax) break;
      unused.close();
      statements.delete(old);
    }
    return statement;
  }
}

/**
 * Writes all rows, two statements sent while the next is made. Throws what the server says.
 *
 * @param encoder makes statements of text of the same rows
 * @param bytesMax of a statement, one row aside
 */
export async function writePrepared(
  connection: Connection,
  statements: PreparedStatements,
  shape: PreparedShape,
  encoder: RowEncoder,
  bytesMax: number,
  batches: AsyncIterable<RowPacketBatch>,
  onRows: (rows: number, bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const running: Promise<unknown>[] = [];
  let pending: RowSpan[] = [];
  let rows = 0;
  let bytes = 0;
  const run = async (start: () => Promise<unknown>) => {
    if (running.length >= statementsAheadMax) await running.shift();
    const statement = start();
    statement.catch(() => {}); // awaited when others follow, or at the end
    running.push(statement);
  };
  const flush = async () => {
    const spans = pending;
    const isWhole = rows === shape.rowsPerStatement;
    pending = [];
    rows = 0;
    bytes = 0;
    if (isWhole) {
      const statement = await statements.get(connection, shape, signal);
      if (statement !== null) return await run(() => statement.executeRows(shape.columns, spans, signal));
      shape.rowsPerStatement = 0;
    }
    const send = async () => {
      const text = encoder.take();
      if (text !== null) await run(() => connection.execute(text.toString("latin1"), signal));
    };
    for (const span of spans) {
      for (let row = span.from; row < span.to; ) {
        row = encoder.add({ ...span, count: span.to }, row);
        if (encoder.isFull) await send();
      }
    }
    await send();
  };
  try {
    for await (const batch of batches) {
      let batchBytes = 0;
      for (let from = 0; from < batch.count; ) {
        let to = from;
        do {
          const size = (batch.ends[to] as number) - (batch.starts[to] as number);
          to++;
          rows++;
          bytes += size;
          batchBytes += size;
        } while (to < batch.count && rows !== shape.rowsPerStatement && bytes < bytesMax);
        pending.push({ bytes: batch.bytes, starts: batch.starts, ends: batch.ends, from, to });
        from = to;
        if (rows === shape.rowsPerStatement) await flush();
        else if (bytes >= bytesMax) {
          if (rows < shape.rowsPerStatement) shape.rowsPerStatement = 2 ** Math.floor(Math.log2(rows));
          await flush();
        }
      }
      onRows(batch.count, batchBytes);
    }
    await flush();
  } finally {
    for (const statement of running) await statement;
  }
}
