/** Private folders, and the ends of logs. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { World } from "@skein/base";

/**
 * A new folder under the system's temporary one, for this user only. Its name tells whose it is; those of processes that were
 * killed before they could tidy up are removed on the way (their servers died with them).
 */
export async function makePrivateFolder(world: World, what: string): Promise<string> {
  await removeAbandoned(world);
  const path = join(tmpdir(), `skein-${what}-${process.pid}-${Buffer.from(world.random.bytes(6)).toString("hex")}`);
  await world.disk.makeFolder(path);
  return path;
}

async function removeAbandoned(world: World): Promise<void> {
  if ((await world.disk.stat("/proc/self")) === null) return; // no Linux: who lives is not known
  for (const name of await world.disk.list(tmpdir())) {
    const pid = /^skein-[a-z-]+-(\d+)-[0-9a-f]{12}$/.exec(name)?.[1];
    if (pid === undefined || (await world.disk.stat(`/proc/${pid}`)) !== null) continue;
    // another user's folder stays, and several may tidy up at once
    await world.disk.remove(join(tmpdir(), name), { recursive: true }).catch(() => {});
  }
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
