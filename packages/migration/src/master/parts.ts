/** What a real master checks and cleans in sources and targets. */
import type { World } from "@skein/base";
import { openConnection } from "@skein/mysql";
import type { SubtaskConfig } from "../config/subtask-config.ts";
import { endpointOf } from "../copy/source.ts";
import { dmErrors } from "../errors.ts";
import { removeMeta } from "../target/target.ts";
import type { MasterParts } from "./master-service.ts";

export function masterParts(world: World): MasterParts {
  return {
    checkTask: async (subtasks, { signal }) => {
      for (const subtask of subtasks) await connectBoth(world, subtask, signal);
      return { passed: true, text: "pre-check is passed. " };
    },
    removeMeta: (subtask, signal) => removeMeta(world, endpointOf(subtask.to), subtask, signal),
  };
}

/** Throws 10001 for the side that cannot be reached. */
async function connectBoth(world: World, subtask: SubtaskConfig, signal: AbortSignal): Promise<void> {
  for (const [scope, db] of [
    ["upstream", subtask.from],
    ["downstream", subtask.to],
  ] as const) {
    try {
      await using connection = await openConnection(world, endpointOf(db), { mode: "text", signal });
      await connection.ping(signal);
    } catch (error) {
      signal.throwIfAborted();
      throw dmErrors.databaseDriver([], error).with({ scope });
    }
  }
}
