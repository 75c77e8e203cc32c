/**
 * The engine's files against their checksums: all that a damaged disk may have changed while nobody looked. LevelDB would hand out, and
 * compact, what a damaged table says.
 */
import type { Disk, World } from "@skein/base";
import { checkTable, type KeySpan, readLog, type TableFacts, tablesOf } from "./core/level-files.ts";

export interface FileDamage {
  readonly file: string;
  readonly offset: number;
  /** Keys of the engine (family byte first) that may have changed or gone; null: any. */
  readonly span: KeySpan | null;
  /** Bytes that make the file whole again, without those keys; null when nothing does. */
  readonly patch: Uint8Array | null;
}

export interface CheckOptions {
  /** Called before each table, with its size. */
  readonly pause?: (bytes: number) => Promise<void>;
  /** Of tables, the newest first; the others are not looked at. */
  readonly bytesMax?: number;
  readonly signal?: AbortSignal;
  /** Also what only a store that does not run can look at: files of writes ahead. */
  readonly isAtRest: boolean;
}

const fileBytesMax = 1024 * 1024 * 1024;
const againMs = 200;

/** Found twice: what another process writes at this moment is not what it was a moment ago. */
export async function findDamage(world: World, folder: string, options: CheckOptions): Promise<FileDamage[]> {
  const first = await checkEngineFiles(world.disk, folder, options);
  if (first.length === 0) return [];
  await world.clock.sleep(againMs, options.signal);
  const again = await checkEngineFiles(world.disk, folder, options);
  return again.filter(({ file, offset }) => first.some((each) => each.file === file && each.offset === offset));
}

/** Damage in the folder of an engine; a folder without one has none. */
export async function checkEngineFiles(disk: Disk, folder: string, options: CheckOptions): Promise<FileDamage[]> {
  const damages: FileDamage[] = [];
  const read = async (name: string): Promise<Uint8Array | null> => {
    const path = `${folder}/${name}`;
    return (await disk.stat(path)) === null ? null : await disk.readFile(path, { limitBytes: fileBytesMax });
  };
  const all = (name: string, offset: number): FileDamage => ({ file: `${folder}/${name}`, offset, span: null, patch: null });
  const current = await read("CURRENT");
  if (current === null) return [];
  const manifest = new TextDecoder().decode(current).trim();
  const edits = /^MANIFEST-\d+$/.test(manifest) ? await read(manifest) : null;
  if (edits === null) return [all("CURRENT", 0)];
  const log = readLog(edits);
  let tables: TableFacts[];
  try {
    tables = tablesOf(log.records);
  } catch {
    return [all(manifest, 0)];
  }
  if (log.damagedAt !== null) return [all(manifest, log.damagedAt)];
  if (options.isAtRest)
    for (const name of (await disk.list(folder)).filter((each) => /^\d+\.log$/.test(each))) {
      const { damagedAt } = readLog((await read(name)) as Uint8Array);
      if (damagedAt !== null) damages.push(all(name, damagedAt));
    }
  let leftBytes = options.bytesMax ?? Number.POSITIVE_INFINITY;
  for (const facts of tables.sort((a, b) => b.number - a.number)) {
    if ((leftBytes -= facts.sizeBytes) < 0) break;
    await options.pause?.(facts.sizeBytes);
    options.signal?.throwIfAborted();
    const name = `${String(facts.number).padStart(6, "0")}.ldb`;
    const bytes = await read(name).catch((error: unknown) => {
      if (options.isAtRest) throw error;
      return null; // a compaction has taken its place
    });
    if (bytes === null) {
      if (options.isAtRest)
        damages.push({ file: `${folder}/${name}`, offset: 0, span: { first: facts.firstKey, last: facts.lastKey }, patch: null });
      continue;
    }
    damages.push(...checkTable(bytes, facts).map((each) => ({ file: `${folder}/${name}`, ...each })));
  }
  return damages;
}

/** Puts whole blocks in the places of damaged ones; each damage must have a patch. */
export async function patchFiles(disk: Disk, damages: readonly FileDamage[]): Promise<void> {
  for (const { file, offset, patch } of damages) {
    if (patch === null) continue;
    await using open = await disk.open(file);
    await open.write(offset, patch);
    await open.sync();
  }
}

const families: readonly number[] = [0x64, 0x6b, 0x77];
const localFamily = 0x6c;

/** Whether what the store keeps of itself and its regions may have changed: then no replica of it can be trusted. */
export function isOfStoreItself({ span }: FileDamage): boolean {
  return span === null || ((span.first[0] ?? 0) <= localFamily && (span.last[0] ?? 0xff) >= localFamily);
}

/** Whether keys of a region are in a span. `end` empty: no end. */
export function touches({ first, last }: KeySpan, { start, end }: { readonly start: Uint8Array; readonly end: Uint8Array }): boolean {
  return families.some((family) => {
    const [from = 0, to = 0] = [first[0], last[0]];
    if (from > family || to < family) return false;
    const isAfter = from === family && end.length > 0 && Buffer.compare(first.subarray(1), end) >= 0;
    const isBefore = to === family && Buffer.compare(last.subarray(1), start) < 0;
    return !isAfter && !isBefore;
  });
}
