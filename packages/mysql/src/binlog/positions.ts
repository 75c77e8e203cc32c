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

/** The end of the source's log now, with the GTIDs up to it. Throws when the binlog is off, or the privilege is missing. */
export async function currentPosition(connection: Connection, signal?: AbortSignal): Promise<Position> {
  const row = await logStatus(connection, signal);
  const file = row?.File ?? "";
  if (row === undefined || file === "") throw new MysqlServerError(1381, "HY000", "You are not using binary logging");
  const offset = Number(row.Position);
  if (connection.flavor === "mysql") return { file, offset, gtidSet: parseGtidSet(row.Executed_Gtid_Set ?? "", "mysql") };
  const { rows } = await connection.query(`SELECT BINLOG_GTID_POS(${quoteText(file)}, ${offset})`, signal);
  return { file, offset, gtidSet: parseGtidSet(rows[0]?.[0] ?? "", "mariadb") };
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
