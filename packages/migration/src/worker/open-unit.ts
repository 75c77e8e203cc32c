/** The units of this build, as a worker opens them. */
import { MysqlServerError, openConnection, quoteTable, quoteText } from "@skein/mysql";
import { loadCopyState } from "../copy/copy-store.ts";
import { createCopyUnit } from "../copy/copy-unit.ts";
import { createDumpUnit } from "../copy/dump-unit.ts";
import { createLoadUnit } from "../copy/load-unit.ts";
import { endpointOf } from "../copy/source.ts";
import { createSyncUnit } from "../sync/sync-unit.ts";
import { codedTargetError } from "../target/target.ts";
import type { StepKind } from "./core/subtask.ts";
import type { FirstStep, OpenUnit, UnitContext } from "./unit-context.ts";

export const openUnit: OpenUnit = async (step: StepKind, context: UnitContext) => {
  const { world, config, worker } = context;
  switch (step) {
    case "copy":
      return createCopyUnit(world, config, { worker });
    case "dump":
      return createDumpUnit(world, config);
    case "load":
      return createLoadUnit(world, config, { worker });
    case "sync":
      return createSyncUnit({ ...context, copy: await watermarks(context) });
  }
};

/** Where a worker goes on that has not run this subtask before: with Sync when that has left a checkpoint in the target. */
export const firstStep: FirstStep = async (steps, context) => {
  const sync = steps.indexOf("sync");
  return sync > 0 && (await hasCheckpoint(context)) ? sync : 0;
};

async function hasCheckpoint({ world, config, signal }: UnitContext): Promise<boolean> {
  try {
    await using connection = await openConnection(world, endpointOf(config.to), { mode: "text", signal });
    const table = quoteTable(config.metaSchema, `${config.name}_syncer_checkpoint`);
    const { rows } = await connection.query(`SELECT 1 FROM ${table} WHERE id = ${quoteText(config.sourceId)} AND is_global = 1`, signal);
    return rows.length > 0;
  } catch (error) {
    signal.throwIfAborted();
    // No meta schema, or no table: nothing has run yet.
    if (error instanceof MysqlServerError && (error.errno === 1146 || error.errno === 1049)) return false;
    throw codedTargetError(error, "the checkpoint");
  }
}

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
