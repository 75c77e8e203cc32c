/** What a real master checks and cleans in sources and targets. */
import type { World } from "@skein/base";
import { checkTask } from "../check/check-task.ts";
import { endpointOf } from "../copy/source.ts";
import { removeMeta } from "../target/target.ts";
import type { MasterParts } from "./master-service.ts";

export function masterParts(world: World): MasterParts {
  return {
    checkTask: (subtasks, { errorCount, warnCount, startTime, signal }) =>
      checkTask(world, subtasks, { errorsMax: errorCount, warningsMax: warnCount, startTime, signal }),
    removeMeta: (subtask, signal) => removeMeta(world, endpointOf(subtask.to), subtask, signal),
  };
}
