/** The units of this build, as a worker opens them. */
import { openConnection } from "@skein/mysql";
import { loadCopyState } from "../copy/copy-store.ts";
import { endpointOf } from "../copy/source.ts";
import { dmErrors } from "../errors.ts";
import { createSyncUnit } from "../sync/sync-unit.ts";
import { codedTargetError } from "../target/target.ts";
import type { StepKind } from "./core/subtask.ts";
import type { OpenUnit, UnitContext } from "./unit-context.ts";

export const openUnit: OpenUnit = async (step: StepKind, context: UnitContext) => {
  switch (step) {
    case "copy":
    case "dump":
    case "load":
      throw dmErrors.unitNotBuilt([`the full copy (\`task-mode: ${context.config.mode}\`)`]);
    case "sync":
      return createSyncUnit({ ...context, copy: await watermarks(context) });
  }
};

/** What the full copy left in the target; null for a task that replicates only. */
async function watermarks({ world, config, signal }: UnitContext) {
  if (config.mode === "incremental") return null;
  try {
    await using connection = await openConnection(world, endpointOf(config.to), { mode: "bytes", signal });
    return await loadCopyState(connection, config, config.flavor === "mariadb" ? "mariadb" : "mysql", signal);
  } catch (error) {
    signal.throwIfAborted();
    throw codedTargetError(error, "the copy's progress");
  }
}
