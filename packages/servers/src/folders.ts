/** Private folders and free ports. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { World } from "@skein/base";

/** A new folder under the system's temporary one, for this user only. */
export async function makePrivateFolder(world: World, what: string): Promise<string> {
  const path = join(tmpdir(), `skein-${what}-${Buffer.from(world.random.bytes(6)).toString("hex")}`);
  await world.disk.makeFolder(path);
  return path;
}

/** A port of the loopback that was free a moment ago; another process may take it before it is used. */
export async function freePort(world: World): Promise<number> {
  const listener = await world.network.listen({ host: "127.0.0.1", port: 0 }, (stream) => stream.destroy());
  await listener.close();
  return listener.port;
}

/** The last lines of a log file; empty when there is none. */
export async function logEnd(world: World, path: string, linesMax = 20): Promise<string> {
  const facts = await world.disk.stat(path);
  if (facts === null) return "";
  await using file = await world.disk.open(path, { readOnly: true });
  const lengthMax = 64 * 1024;
  const text = Buffer.from(await file.read(Math.max(0, facts.sizeBytes - lengthMax), lengthMax)).toString("utf8");
  return text.trimEnd().split("\n").slice(-linesMax).join("\n");
}
