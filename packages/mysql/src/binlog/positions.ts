/** Where a source's log stands, and which files it has. */
import type { World } from "@skein/base";
import type { MysqlEndpoint } from "../client/authenticate.ts";
import type { Connection } from "../client/connection.ts";
import { MysqlServerError } from "../client/errors.ts";
import { quoteText } from "../core/quote.ts";
import { emptyGtidSet, type GtidSet, gtidSetUnion, parseGtidSet } from "../gtid/gtid-set.ts";
import { openBinlogStream } from "./binlog-stream.ts";
import { compareBinlogFiles, firstOffset, type Position } from "./core/position.ts";

const syntaxError = 1064;

/** Looks at a log that somebody writes to before the server is asked to read the file for its GTIDs. */
const quietLooksMax = 5;

/**
 * The end of the source's log now, with the GTIDs up to it. MySQL's set may lack what is just being committed: the log is written
 * first. Throws when the binlog is off, or the privilege is missing.
 */
export async function currentPosition(connection: Connection, signal?: AbortSignal): Promise<Position> {
  const row = await logStatus(connection, signal);
  let end = endOf(row);
  if (end === null) throw new MysqlServerError(1381, "HY000", "You are not using binary logging");
  if (connection.flavor === "mysql") return { ...end, gtidSet: parseGtidSet(row?.Executed_Gtid_Set ?? "", "mysql") };
  for (let looks = 1; looks <= quietLooksMax; looks++) {
    const seen = await gtidsAtEnd(connection, signal);
    if (seen.end !== null && isSamePlace(seen.end, end)) return { ...end, gtidSet: seen.gtidSet };
    end = seen.end ?? end;
  }
  return { ...end, gtidSet: await mariadbGtidsByReading(connection, end, signal) };
}

/** MariaDB: the GTIDs up to a place of the log, when the log ends there right now; else null. Costs the server nothing. */
export async function mariadbGtidsAtEnd(connection: Connection, place: LogPlace, signal?: AbortSignal): Promise<GtidSet | null> {
  const { end, gtidSet } = await gtidsAtEnd(connection, signal);
  return end !== null && isSamePlace(end, place) ? gtidSet : null;
}

/** MariaDB: the GTIDs up to any place of the log. The server reads the file up to there, up to a gigabyte. */
export async function mariadbGtidsByReading(connection: Connection, { file, offset }: LogPlace, signal?: AbortSignal): Promise<GtidSet> {
  const { rows } = await connection.query(`SELECT BINLOG_GTID_POS(${quoteText(file)}, ${offset})`, signal);
  return parseGtidSet(rows[0]?.[0] ?? "", "mariadb");
}

interface LogPlace {
  readonly file: string;
  readonly offset: number;
}

function isSamePlace(a: LogPlace, b: LogPlace): boolean {
  return a.file === b.file && a.offset === b.offset;
}

function endOf(row: Record<string, string | null> | undefined): LogPlace | null {
  const file = row?.File ?? "";
  return file === "" ? null : { file, offset: Number(row?.Position) };
}

/** The GTIDs first, then where the log ends: they belong together for whoever knew this end before. */
async function gtidsAtEnd(connection: Connection, signal?: AbortSignal): Promise<{ end: LogPlace | null; gtidSet: GtidSet }> {
  const [{ rows }, row] = await Promise.all([connection.query("SELECT @@GLOBAL.gtid_binlog_pos", signal), logStatus(connection, signal)]);
  return { end: endOf(row), gtidSet: parseGtidSet(rows[0]?.[0] ?? "", "mariadb") };
}

async function logStatus(connection: Connection, signal?: AbortSignal): Promise<Record<string, string | null> | undefined> {
  if (connection.flavor === "mysql") {
    try {
      return (await connection.queryObjects("SHOW BINARY LOG STATUS", signal))[0];
    } catch (error) {
      if (!(error instanceof MysqlServerError) || error.errno !== syntaxError) throw error; // before 8.2
    }
  }
  return (await connection.queryObjects("SHOW MASTER STATUS", signal))[0];
}

export interface BinlogFileFacts {
  readonly file: string;
  readonly sizeBytes: number;
}

/** Oldest first. */
export async function listBinlogs(connection: Connection, signal?: AbortSignal): Promise<BinlogFileFacts[]> {
  const { rows } = await connection.query("SHOW BINARY LOGS", signal);
  const files = rows.map(([file, size]) => ({ file: file ?? "", sizeBytes: Number(size) }));
  return files.sort((a, b) => compareBinlogFiles(a.file, b.file));
}

/**
 * The GTIDs up to a file and offset, counted from the log itself: what the file's head says of earlier ones, and the
 * transactions from there to the offset.
 */
export async function gtidSetAt(
  world: World,
  endpoint: MysqlEndpoint,
  position: Position,
  options: { readonly serverId: number; readonly flavor: "mysql" | "mariadb"; readonly signal?: AbortSignal },
): Promise<GtidSet> {
  let set = emptyGtidSet(options.flavor);
  const events = openBinlogStream(world, endpoint, {
    serverId: options.serverId,
    start: { file: position.file, offset: firstOffset, gtidSet: null },
    by: "position",
    untilEnd: true,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  for await (const batch of events) {
    for (const event of batch) {
      if (
        event.end.file !== position.file ||
        (event.end.offset > position.offset && event.kind !== "format" && event.kind !== "previousGtids")
      )
        return set;
      if (event.end.gtidSet !== null) set = event.end.gtidSet;
    }
  }
  return gtidSetUnion(set, emptyGtidSet(options.flavor));
}
