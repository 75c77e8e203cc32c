/** Which versions of a key nobody can read any more. */
import { isFenced, type Version } from "./key-state.ts";

/** Where the collection of one key stands; a value, so that it can be gone on with in another command. */
export interface GarbageWalk {
  /** The newest change at or before the safe point was met: everything older goes. */
  readonly isDecided: boolean;
  /** What says that the key is absent: it hides what is older, and goes after all of that. */
  readonly last: Version | null;
}

export const garbageWalk: GarbageWalk = { isDecided: false, last: null };

/**
 * One step over the versions of a key, newest first, from the safe point on. Of what was committed by then only the newest put
 * stays, and nothing when the key was deleted by then.
 */
export function stepGarbage(
  walk: GarbageWalk,
  version: Version,
  safePoint: bigint,
): { readonly goes: boolean; readonly walk: GarbageWalk } {
  const { commitTs, write } = version;
  if (commitTs > safePoint) return { goes: false, walk };
  const isChange = write.kind === "put" || write.kind === "delete";
  if (walk.isDecided || !isChange) return { goes: true, walk };
  const isThere = write.kind === "put" && !isFenced(write, safePoint);
  return { goes: false, walk: { isDecided: true, last: isThere ? null : version } };
}
