/** The source as the copy sees it: sessions, positions that nothing visible lies behind, and structures. */
import { type World } from "@skein/base";
import {
  type Connection,
  currentPosition,
  MysqlConnectionError,
  type MysqlEndpoint,
  MysqlServerError,
  mariadbGtidsAtEnd,
  mariadbGtidsByReading,
  openConnection,
  type Position,
  parseCreateTable,
  quoteIdentifier,
  type TableDefinition,
} from "@skein/mysql";
import type { DbConfig } from "../config/subtask-config.ts";
import { dmErrors } from "../errors.ts";
import { bytesOf, textLiteral, textOf } from "../target/core/meta-tables.ts";

export function endpointOf(db: DbConfig): MysqlEndpoint {
  return {
    host: db.host,
    port: db.port,
    user: db.user,
    password: db.password,
    session: db.session,
    ...(db.tls === null ? {} : { tls: db.tls }),
  };
}

/** Values as they are stored: UTC, no padding of CHAR, whole answers. */
const sourceSession: Readonly<Record<string, string>> = {
  sql_mode: "",
  time_zone: "+00:00",
  net_write_timeout: "3600",
};

/** "bytes" mode, REPEATABLE READ. */
export async function openSource(world: World, db: DbConfig, signal: AbortSignal): Promise<Connection> {
  const connection = await openConnection(world, endpointOf(db), { mode: "bytes", signal, session: sourceSession });
  try {
    await connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", signal);
    return connection;
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

export function sourceTable(schema: string, table: string): string {
  return `${quoteIdentifier(bytesOf(schema))}.${quoteIdentifier(bytesOf(table))}`;
}

const commitCheckMs = 1000;
/** Snapshots of a source that is written to before the server has to read its log for the GTIDs of one. */
const quietSnapshotsMax = 5;

/**
 * A position such that every transaction before it is visible to reads that begin now.
 *
 * The end of the log alone is not one: servers write the log before the engine commits. MariaDB tells the position of a snapshot.
 * MySQL does not: there the log's end is taken, and the reads begin when a second has passed and no session is inside the commit
 * any more that was there before it.
 */
export async function lowWatermark(world: World, connection: Connection, signal: AbortSignal): Promise<Position> {
  if (connection.flavor === "mariadb") {
    for (let tries = 1; tries <= quietSnapshotsMax; tries++) {
      await connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT", signal);
      try {
        const place = await snapshotPlace(connection, signal);
        if (place === null) break;
        const gtidSet = await mariadbGtidsAtEnd(connection, place, signal);
        if (gtidSet !== null) return { ...place, gtidSet };
        if (tries === quietSnapshotsMax) return { ...place, gtidSet: await mariadbGtidsByReading(connection, place, signal) };
      } finally {
        if (connection.isOpen) await connection.execute("ROLLBACK", signal);
      }
    }
  }
  const position = await endOfLog(connection, signal);
  for (;;) {
    await world.clock.sleep(commitCheckMs, signal);
    const { rows } = await connection.query(
      "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'waiting for handler commit' AND TIME >= 1 AND ID <> CONNECTION_ID()",
      signal,
    );
    if (rows[0]?.[0] === "0") return position;
  }
}

/** The end of the log: whatever was visible before this call lies before it. Throws 11125 when the source writes no log. */
export async function endOfLog(connection: Connection, signal?: AbortSignal): Promise<Position> {
  try {
    return await currentPosition(connection, signal);
  } catch (error) {
    if (error instanceof MysqlServerError && error.errno === 1381) throw dmErrors.emptyMasterStatus([], error);
    throw error;
  }
}

/** MariaDB: the position of this connection's snapshot, exactly. Null when the server does not say it (no binlog). */
export async function snapshotPosition(connection: Connection, signal: AbortSignal): Promise<Position | null> {
  const place = await snapshotPlace(connection, signal);
  if (place === null) return null;
  const gtidSet = (await mariadbGtidsAtEnd(connection, place, signal)) ?? (await mariadbGtidsByReading(connection, place, signal));
  return { ...place, gtidSet };
}

async function snapshotPlace(connection: Connection, signal: AbortSignal): Promise<Omit<Position, "gtidSet"> | null> {
  const { rows } = await connection.query("SHOW STATUS LIKE 'binlog_snapshot_%'", signal);
  const status = new Map(rows.map(([name, value]) => [(name ?? "").toLowerCase(), value ?? ""]));
  const file = status.get("binlog_snapshot_file") ?? "";
  return file === "" ? null : { file: textOf(file), offset: Number(status.get("binlog_snapshot_position")) };
}

export interface SourceTable {
  readonly schema: string;
  readonly table: string;
  readonly rowsEstimate: number;
  readonly bytesEstimate: number;
}

/** Base tables with the server's estimates, by name. Views and system schemas are not among them. */
export async function listTables(connection: Connection, signal: AbortSignal): Promise<SourceTable[]> {
  const { rows } = await connection.query(
    "SELECT TABLE_SCHEMA, TABLE_NAME, COALESCE(TABLE_ROWS, 0), COALESCE(DATA_LENGTH, 0) FROM information_schema.TABLES " +
      "WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY TABLE_SCHEMA, TABLE_NAME",
    signal,
  );
  return rows.map(([schema, table, count, bytes]) => ({
    schema: textOf(schema ?? ""),
    table: textOf(table ?? ""),
    rowsEstimate: Number(count),
    bytesEstimate: Number(bytes),
  }));
}

/** Null when the table is not there. */
export async function readDefinition(
  connection: Connection,
  schema: string,
  table: string,
  signal: AbortSignal,
): Promise<{ readonly definition: TableDefinition; readonly text: string } | null> {
  try {
    const { rows } = await connection.query(`SHOW CREATE TABLE ${sourceTable(schema, table)}`, signal);
    const text = textOf(rows[0]?.[1] ?? "");
    const definition = parseCreateTable(text, { schema, flavor: connection.flavor });
    // AUTO_INCREMENT moves with every row.
    return { definition, text: text.replaceAll(/ AUTO_INCREMENT=\d+/g, "") };
  } catch (error) {
    if (error instanceof MysqlServerError && (error.errno === 1146 || error.errno === 1049)) return null;
    throw error;
  }
}

/** How a schema is made; charset and collation as in the source. */
export async function schemaCollation(
  connection: Connection,
  schema: string,
  signal: AbortSignal,
): Promise<{ readonly charset: string; readonly collation: string } | null> {
  const { rows } = await connection.query(
    `SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${textLiteral(schema)}`,
    signal,
  );
  const row = rows[0];
  return row === undefined ? null : { charset: row[0] ?? "utf8mb4", collation: row[1] ?? "utf8mb4_general_ci" };
}

/** The table was changed under the reader: start it again. */
export function isStructureChange(error: unknown): boolean {
  return error instanceof MysqlServerError && [1054, 1146, 1176, 1412, 1072].includes(error.errno);
}

/** Something about the source, told apart from what the target says: a read inside a transaction of the target failed. */
export class SourceFailure extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = "SourceFailure";
  }
  get isLost(): boolean {
    return (
      this.cause instanceof MysqlConnectionError ||
      (this.cause instanceof MysqlServerError && [1053, 1317, 1927, 3169, 4031, 1205, 1213].includes(this.cause.errno))
    );
  }
}
