/**
 * Several connections that see one point of the source, whose position is known.
 *
 *   flush   FLUSH TABLES WITH READ LOCK, held while the snapshots begin (milliseconds, once running statements have ended)
 *   lock    LOCK TABLES … READ of the tables that are read, likewise
 *   auto    MariaDB with one connection: none, the server tells a snapshot's position; else flush, else lock
 *   none    no lock: the connections may differ, the position is the one before the first
 */
import type { World } from "@skein/base";
import { type Connection, MysqlServerError, type Position } from "@skein/mysql";
import type { SubtaskConfig } from "../config/subtask-config.ts";
import { dmErrors } from "../errors.ts";
import type { Consistency } from "./core/extra-args.ts";
import { endOfLog, lowWatermark, openSource, snapshotPosition, sourceTable } from "./source.ts";

export interface Snapshot extends AsyncDisposable {
  readonly connections: readonly Connection[];
  readonly position: Position;
  /** The rows are those of `position`; else of somewhere after it. */
  readonly isExact: boolean;
}

const beginSnapshot = "START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */";

export async function openSnapshot(
  world: World,
  config: SubtaskConfig,
  options: {
    readonly consistency: Consistency;
    readonly connections: number;
    readonly tables: readonly { readonly schema: string; readonly table: string }[];
  },
  signal: AbortSignal,
): Promise<Snapshot> {
  const connections: Connection[] = [];
  const close = () => {
    for (const connection of connections) connection.destroy();
  };
  const snapshot = (position: Position, isExact: boolean): Snapshot => ({
    connections,
    position,
    isExact,
    [Symbol.asyncDispose]: async () => close(),
  });
  try {
    for (let index = 0; index < options.connections; index++) connections.push(await openSource(world, config.from, signal));
    const first = connections[0] as Connection;
    const begin = async () => {
      for (const connection of connections) await connection.execute(beginSnapshot, signal);
    };
    if (options.consistency === "none") {
      const position = await lowWatermark(world, first, signal);
      await begin();
      return snapshot(position, false);
    }
    if (options.consistency !== "flush" && options.consistency !== "lock" && first.flavor === "mariadb" && connections.length === 1) {
      await begin();
      const position = await snapshotPosition(first, signal);
      if (position !== null) return snapshot(position, true);
    }
    const locker = await openSource(world, config.from, signal);
    try {
      await lock(locker, options, signal);
      await begin();
      const position = await endOfLog(locker, signal);
      await locker.execute("UNLOCK TABLES", signal);
      return snapshot(position, true);
    } finally {
      locker.destroy();
    }
  } catch (error) {
    close();
    signal.throwIfAborted();
    if (error instanceof MysqlServerError) throw dmErrors.dumpRun([error.message], error);
    throw error;
  }
}

async function lock(
  locker: Connection,
  {
    consistency,
    tables,
  }: { readonly consistency: Consistency; readonly tables: readonly { readonly schema: string; readonly table: string }[] },
  signal: AbortSignal,
): Promise<void> {
  const lockTables = async () => {
    if (tables.length === 0) return;
    await locker.execute(`LOCK TABLES ${tables.map(({ schema, table }) => `${sourceTable(schema, table)} READ`).join(", ")}`, signal);
  };
  try {
    if (consistency === "lock") return await lockTables();
    const flush = () => locker.execute("FLUSH TABLES WITH READ LOCK", signal);
    // One table's lock is in nobody else's way.
    const [first, second] = tables.length === 1 ? [lockTables, flush] : [flush, lockTables];
    try {
      await (consistency === "flush" ? flush : first)();
    } catch (error) {
      if (consistency === "flush" || !(error instanceof MysqlServerError)) throw error;
      await second();
    }
  } catch (error) {
    if (error instanceof MysqlServerError) throw dmErrors.dumpGlobalLock([], error);
    throw error;
  }
}
