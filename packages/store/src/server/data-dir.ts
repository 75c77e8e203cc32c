/**
 * The folder of a store:
 *
 *   STORE   what the folder is: `{"format":1,"enableTtl":false}`; made first, before anything else is in the folder
 *   db/     the engine; its lock keeps a second process out
 *   raft/   the log and snapshots on their way
 *   tmp names beside STORE are its own atomic writes
 */
import { isCodedError, type World } from "@skein/base";
import { openClassicEngine } from "../engine/classic-engine.ts";
import type { Engine } from "../engine/engine.ts";
import { storeErrors } from "../errors.ts";

const format = 1;
const markerName = "STORE";
const markerBytesMax = 64 * 1024;

export interface DataDir extends AsyncDisposable {
  readonly engine: Engine;
  /** For `RaftStoreConfig.folder`. */
  readonly raftFolder: string;
}

/** Rejects with `foreignDataDir`, `newerDataDir`, `ttlChanged`, `dataDirLocked` or `badDataDir`. */
export async function openDataDir(
  world: World,
  options: { readonly path: string; readonly enableTtl: boolean; readonly cacheBytes: number },
): Promise<DataDir> {
  const { path, enableTtl } = options;
  try {
    await world.disk.makeFolder(path);
    await checkMarker(world, path, enableTtl);
  } catch (error) {
    if (isCodedError(error)) throw error;
    throw storeErrors.badDataDir([path, textOf(error)], error);
  }
  const engine = await openClassicEngine({ disk: world.disk, path: `${path}/db`, cacheBytes: options.cacheBytes }).catch(
    (error: unknown) => {
      throw isLocked(error) ? storeErrors.dataDirLocked([path]) : storeErrors.badDataDir([path, textOf(error)], error);
    },
  );
  return {
    engine,
    raftFolder: `${path}/raft`,
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

async function checkMarker(world: World, path: string, enableTtl: boolean): Promise<void> {
  const marker = `${path}/${markerName}`;
  if ((await world.disk.stat(marker)) === null) {
    const others = (await world.disk.list(path)).filter((name) => name !== "lost+found" && !name.startsWith("."));
    // Files that a supervisor puts beside the data do not make it another store's.
    const foreign = others.filter((name) => !/\.(log|pid|toml|out|err|sock)$/.test(name) && name !== "logs");
    if (foreign.length > 0) throw storeErrors.foreignDataDir([path, foreign.slice(0, 5).join(", ")]);
    await world.disk.writeFileAtomic(marker, `${JSON.stringify({ format, enableTtl })}\n`);
    return;
  }
  const text = new TextDecoder().decode(await world.disk.readFile(marker, { limitBytes: markerBytesMax }));
  let parsed: { readonly format?: unknown; readonly enableTtl?: unknown };
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch {
    throw storeErrors.foreignDataDir([path, `a file ${markerName} of another kind`]);
  }
  if (typeof parsed.format !== "number") throw storeErrors.foreignDataDir([path, `a file ${markerName} of another kind`]);
  if (parsed.format > format) throw storeErrors.newerDataDir([path, parsed.format, format]);
  if (parsed.enableTtl !== enableTtl) throw storeErrors.ttlChanged([path, String(parsed.enableTtl)]);
}

function isLocked(error: unknown): boolean {
  for (let each: unknown = error; each instanceof Error; each = each.cause)
    if ((each as { readonly code?: unknown }).code === "LEVEL_LOCKED" || /lock/i.test(each.message)) return true;
  return false;
}

function textOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
  return `${error instanceof Error ? error.message : String(error)}${cause}`;
}
