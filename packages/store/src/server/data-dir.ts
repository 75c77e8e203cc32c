/**
 * The folder of a store:
 *
 *   STORE   what the folder is: `{"format":1,"enableTtl":false}`; made first, before anything else is in the folder
 *   db/     the engine; its lock keeps a second process out
 *   raft/   the log and snapshots on their way
 *   DAMAGED keys that were lost to damage, until the replicas that they belong to are given up: `[["<first>","<last>"]]` in hex
 *   tmp names beside STORE are its own atomic writes
 */
import { isCodedError, type World } from "@skein/base";
import { findDamage, isOfStoreItself, patchFiles } from "../engine/check-files.ts";
import { openClassicEngine } from "../engine/classic-engine.ts";
import type { KeySpan } from "../engine/core/level-files.ts";
import type { Engine } from "../engine/engine.ts";
import { storeErrors } from "../errors.ts";

const format = 1;
const markerName = "STORE";
const markerBytesMax = 64 * 1024;
const damagedName = "DAMAGED";
const damagedBytesMax = 16 * 1024 * 1024;
/** Tables that are looked at before the store serves, half a second of work; the others follow while it runs. */
const checkedBytes = 128 * 1024 * 1024;

export interface DataDir extends AsyncDisposable {
  readonly engine: Engine;
  /** Of the engine's files. */
  readonly engineFolder: string;
  /** For `RaftStoreConfig.folder`. */
  readonly raftFolder: string;
  /** Keys of the engine that were lost to damage: whose replicas they are must give them up, and say so then. */
  readonly damaged: readonly KeySpan[];
  /** The replicas are given up. */
  damageIsDealtWith(): Promise<void>;
}

/** Rejects with `foreignDataDir`, `newerDataDir`, `ttlChanged`, `dataDirLocked`, `dataDamaged` or `badDataDir`. */
export async function openDataDir(
  world: World,
  options: { readonly path: string; readonly enableTtl: boolean; readonly cacheBytes: number; readonly repairDamage?: boolean },
): Promise<DataDir> {
  const { path, enableTtl } = options;
  const engineFolder = `${path}/db`;
  let damaged: readonly KeySpan[];
  try {
    await world.disk.makeFolder(path);
    await checkMarker(world, path, enableTtl);
    damaged = await lookForDamage(world, path, engineFolder, options.repairDamage === true);
  } catch (error) {
    if (isCodedError(error)) throw error;
    throw storeErrors.badDataDir([path, textOf(error)], error);
  }
  const engine = await openClassicEngine({ disk: world.disk, path: engineFolder, cacheBytes: options.cacheBytes }).catch(
    (error: unknown) => {
      throw isLocked(error) ? storeErrors.dataDirLocked([path]) : storeErrors.badDataDir([path, textOf(error)], error);
    },
  );
  return {
    engine,
    engineFolder,
    raftFolder: `${path}/raft`,
    damaged,
    damageIsDealtWith: () => world.disk.remove(`${path}/${damagedName}`),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

/** What was lost, now or in an earlier start that did not come far; with leave to repair, files are made whole without it. */
async function lookForDamage(world: World, path: string, engineFolder: string, mayRepair: boolean): Promise<KeySpan[]> {
  const file = `${path}/${damagedName}`;
  const spans: KeySpan[] = [];
  if ((await world.disk.stat(file)) !== null) {
    const text = new TextDecoder().decode(await world.disk.readFile(file, { limitBytes: damagedBytesMax }));
    for (const [first, last] of JSON.parse(text) as [string, string][])
      spans.push({ first: Buffer.from(first, "hex"), last: Buffer.from(last, "hex") });
  }
  const found = await findDamage(world, engineFolder, { isAtRest: true, ...(mayRepair ? {} : { bytesMax: checkedBytes }) });
  const [one] = found;
  if (one === undefined) return spans;
  const hopeless = found.find((each) => each.patch === null || isOfStoreItself(each));
  if (hopeless !== undefined) throw storeErrors.dataDamaged([hopeless.file, hopeless.offset, false]);
  if (!mayRepair) throw storeErrors.dataDamaged([one.file, one.offset, true]);
  for (const { span } of found) if (span !== null) spans.push(span);
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  // first: a file that is whole again tells nothing
  await world.disk.writeFileAtomic(file, JSON.stringify(spans.map(({ first, last }) => [hex(first), hex(last)])));
  await patchFiles(world.disk, found);
  world.log.error("the store's data was damaged, replicas are given up", {
    places: found.map(({ file: name, offset }) => `${name}:${offset}`).join(", "),
  });
  return spans;
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
