/** What an error of the target means for the one who was told to write. Match is on numbers, never on text. */

/**
 * retry: the server rolled back or never began, doing it again is right. lost: the connection is gone. fatal: doing it again
 * gives the same.
 */
export type TargetErrorKind = "retry" | "lost" | "fatal";

const retryable: ReadonlySet<number> = new Set([
  1020, // record has changed since last read (snapshot isolation)
  1040, // too many connections
  1158, // network errors of the server itself
  1159,
  1160,
  1161,
  1203, // too many connections of this user
  1205, // lock wait timeout
  1213, // deadlock
  1226, // resource of the user exhausted for this hour
  1412, // table definition has changed
  1613, // XA rollback by deadlock
  1614,
  1615, // prepared statement needs to be re-prepared
  3058, // deadlock of user locks
  8002, // TiDB: select for update was conflicting
  8022, // commit failed, retry
  8027, // schema out of date
  8028, // schema changed
  9001, // PD timeout
  9002, // TiKV timeout
  9003, // TiKV busy
  9004, // resolve lock timeout
  9005, // region unavailable
  9006, // GC too early
  9007, // write conflict
  9008,
  9010,
  9012,
  9013,
]);

/** The server says goodbye with a word: the connection is of no more use. */
const goodbyes: ReadonlySet<number> = new Set([
  1053, // shutdown in progress
  1077,
  1079,
  1317, // interrupted
  1927, // killed
  3169, // session was killed
  4031, // disconnected by inactivity
]);

export function classifyTargetErrno(errno: number): TargetErrorKind {
  if (retryable.has(errno)) return "retry";
  return goodbyes.has(errno) ? "lost" : "fatal";
}

/** A DDL that meets one of these has been run before; going on is right. */
const ignorableDdl: ReadonlySet<number> = new Set([1007, 1008, 1050, 1051, 1054, 1060, 1061, 1068, 1091, 1176, 1507, 1517]);

export function isIgnorableDdlErrno(errno: number): boolean {
  return ignorableDdl.has(errno);
}

const statementCharactersMax = 240;

/** A statement for messages: no more than its head, so that few row values show. */
export function statementHead(sql: string): string {
  const line = sql.replaceAll(/\s+/g, " ").replaceAll(/[^ -~]+/g, "?");
  return line.length > statementCharactersMax ? `${line.slice(0, statementCharactersMax)}…` : line;
}
