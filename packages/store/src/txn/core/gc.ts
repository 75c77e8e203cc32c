/** Which versions of a key nobody can read any more. */
import { type Changes, isFenced, type KeyState } from "./key-state.ts";

/**
 * Keeps of what was committed at or before the safe point only the newest put, and nothing when the key was deleted by then.
 * Needs all versions. Newer versions stay, whatever they are.
 */
export function collectGarbage(state: KeyState, safePoint: bigint, changes: Changes): number {
  let isDecided = false;
  let removed = 0;
  for (const { commitTs, write } of state.versions ?? []) {
    if (commitTs > safePoint) continue;
    if (!isDecided && write.kind === "put" && !isFenced(write, safePoint)) {
      isDecided = true;
      continue;
    }
    if (write.kind === "put" || write.kind === "delete") isDecided = true;
    changes.deleteWrite(state, commitTs);
    if (write.kind === "put" && write.shortValue === null) changes.deleteValue(state, write.startTs);
    removed++;
  }
  return removed;
}
