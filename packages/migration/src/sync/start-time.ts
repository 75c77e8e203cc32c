/**
 * Where in a source's binlog a time is: the first transaction with an event that is not older.
 *
 *   YYYY-MM-DD hh:mm:ss   or with T between   then: nothing (the source's time zone), Z, ±hh:mm or ±hhmm
 */
import type { World } from "@skein/base";
import { type Connection, comparePositions, type MysqlEndpoint, openBinlogStream, type Position } from "@skein/mysql";
import { dmErrors } from "../errors.ts";
import { textLiteral } from "../target/core/meta-tables.ts";
import { parseStartTime } from "./core/start-time-text.ts";

export interface StartTimeSource {
  readonly connection: Connection;
  readonly endpoint: MysqlEndpoint;
  readonly serverId: number;
  /** Of connections to read the binlog that fail; the stream's own unless said. */
  readonly retryCountMax?: number;
}

/**
 * A time before the oldest file gives that file's head, and says so. Throws 20057 when nothing is that late, and for a text that is no
 * time; what the source refuses is thrown as the binlog stream throws it.
 */
export async function positionAtTime(
  world: World,
  startTime: string,
  { connection, endpoint, serverId, retryCountMax }: StartTimeSource,
  signal: AbortSignal,
): Promise<{ readonly position: Position; readonly isEarliest: boolean }> {
  const read = (start: Position) =>
    openBinlogStream(world, endpoint, {
      serverId,
      start,
      by: "position",
      untilEnd: true,
      signal,
      ...(retryCountMax === undefined ? {} : { retryCountMax }),
    });
  const firstTimestamp = async (file: string): Promise<number | null> => {
    for await (const events of read(headOf(file))) for (const event of events) if (event.timestamp > 0) return event.timestamp;
    return null;
  };

  const seconds = await secondsOf(startTime, connection, signal);
  const { rows } = await connection.query("SHOW BINARY LOGS", signal);
  const files = rows.map(([file]) => file ?? "").sort((a, b) => comparePositions(headOf(a), headOf(b)));
  let low = 0;
  let high = files.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const first = await firstTimestamp(files[middle] as string);
    if (first !== null && first <= seconds) low = middle;
    else high = middle - 1;
  }
  const first = files[0] === undefined ? null : await firstTimestamp(files[0]);
  const isEarliest = low === 0 && first !== null && first > seconds;
  let boundary = headOf(files[low] ?? "");
  for await (const events of read(boundary)) {
    for (const event of events) {
      const isHead = event.kind === "format" || event.kind === "rotate" || event.kind === "previousGtids";
      if (event.timestamp >= seconds && !isHead) return { position: boundary, isEarliest };
      if (event.endsTransaction || event.kind === "previousGtids") boundary = event.end;
    }
  }
  throw dmErrors.startTimeTooLate([startTime]);
}

function headOf(file: string): Position {
  return { file, offset: 4, gtidSet: null };
}

async function secondsOf(startTime: string, connection: Connection, signal: AbortSignal): Promise<number> {
  const parsed = parseStartTime(startTime);
  if (parsed === null) throw dmErrors.startTimeTooLate([startTime]);
  if (parsed.utcSeconds !== null) return parsed.utcSeconds;
  const [row] = await connection.queryObjects(`SELECT UNIX_TIMESTAMP(${textLiteral(parsed.local)}) AS wanted`, signal);
  const seconds = Number(row?.["wanted"] ?? 0);
  // Servers answer 0 or NULL for what their timestamps cannot hold.
  return seconds === 0 && parsed.local >= "1971" ? Number.POSITIVE_INFINITY : seconds;
}
