/** What a master asks of a source before it takes it: that it can be reached, its flavor, its GTID mode, a free server id. */
import { type World } from "@skein/base";
import { openConnection } from "@skein/mysql";
import type { SourceConfig } from "../config/source-config.ts";
import { dbConfigOf } from "../config/source-config.ts";
import { dmErrors } from "../errors.ts";

const serverIdFirst = 429_496_729;
const serverIdTriesMax = 5;

/** The configuration with what was "" or 0 filled in. Throws 10001 when the source cannot be reached, 26007 without the GTID mode it asks for. */
export async function probeSource(
  world: World,
  source: SourceConfig,
  decrypt: (text: string) => string,
  signal: AbortSignal,
): Promise<SourceConfig> {
  const { host, port, user, password, tls } = dbConfigOf(source.from, decrypt);
  try {
    await using connection = await openConnection(
      world,
      { host, port, user, password, ...(tls === null ? {} : { tls }) },
      { mode: "text", signal },
    );
    const flavor = source.flavor === "" ? connection.flavor : source.flavor;
    if (source.enableGtid && flavor === "mysql") {
      const [row] = await connection.queryObjects("SELECT @@GLOBAL.gtid_mode AS mode", signal);
      const mode = row?.["mode"] ?? "";
      if (mode !== "ON") throw dmErrors.gtidMode([source.sourceId, mode]);
    }
    if (source.serverId !== 0) return { ...source, flavor };
    const taken = new Set<number>();
    const [own] = await connection.queryObjects("SELECT @@server_id AS id", signal);
    taken.add(Number(own?.["id"]));
    try {
      for (const row of await connection.queryObjects("SHOW SLAVE HOSTS", signal)) taken.add(Number(row["Server_id"]));
    } catch {
      // Servers of version 8.4 and later, and users without the right, cannot list replicas; the draw is from a range of its own.
    }
    for (let tries = 0; tries < serverIdTriesMax; tries++) {
      const serverId = serverIdFirst + Math.floor(world.random.float() * 100_000);
      if (!taken.has(serverId)) return { ...source, flavor, serverId };
    }
    throw dmErrors.notSet([`no free server id was found for source ${source.sourceId} in ${serverIdTriesMax} draws`]);
  } catch (error) {
    if (dmErrors.gtidMode.is(error) || dmErrors.notSet.is(error)) throw error;
    signal.throwIfAborted();
    throw dmErrors.databaseDriver([], error).with({ scope: "upstream" });
  }
}
