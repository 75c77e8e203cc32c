/** Removal of one key's old versions, of which there may be more than one entry of the log can name. */
import type { EngineReader } from "../engine/engine.ts";
import { type GarbageWalk, garbageWalk, stepGarbage } from "./core/gc.ts";
import type { Changes, KeyState, Version } from "./core/key-state.ts";
import { behind, timestampOf, versionKey } from "./core/keys.ts";
import { decodeWrite } from "./core/records.ts";

/** Up to where a key was collected. What was decided by then stays right: nothing is committed below a safe point any more. */
export interface GarbagePlace {
  readonly walk: GarbageWalk;
  /** The next version is older. */
  readonly ts: bigint;
}

/** `place`: where to go on, or null when the key is done. */
export async function collectKey(
  reader: EngineReader,
  state: KeyState,
  options: { readonly safePoint: bigint; readonly place: GarbagePlace | null; readonly changes: Changes; readonly bytesMax: number },
): Promise<{ readonly removed: number; readonly place: GarbagePlace | null }> {
  const { safePoint, place, changes, bytesMax } = options;
  let walk = place?.walk ?? garbageWalk;
  let removed = 0;
  const versionBytes = state.key.length + 64;
  let bytes = changes.writes.length * versionBytes;
  const remove = ({ commitTs, write }: Version) => {
    changes.deleteWrite(state, commitTs);
    bytes += versionBytes;
    if (write.kind === "put" && write.shortValue === null) {
      changes.deleteValue(state, write.startTs);
      bytes += versionBytes;
    }
    removed++;
  };
  const start = versionKey(state.key, place === null ? safePoint : place.ts - 1n);
  if (place === null || place.ts > 0n)
    for await (const block of reader.scan("write", { start, end: behind(state.key) }))
      for (const pair of block) {
        const version = { commitTs: timestampOf(pair.key), write: decodeWrite(pair.value) };
        const step = stepGarbage(walk, version, safePoint);
        ({ walk } = step);
        if (step.goes) remove(version);
        if (bytes >= bytesMax) return { removed, place: { walk, ts: version.commitTs } };
      }
  if (walk.last !== null) remove(walk.last);
  return { removed, place: null };
}
