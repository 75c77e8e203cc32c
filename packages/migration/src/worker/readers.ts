/** The stored forms of configurations, as a worker reads them. */
import { parseDuration } from "@skein/base";
import { sourceFromToml, subtaskFromToml } from "../config/stored.ts";
import type { StartOptions } from "../config/subtask-config.ts";
import type { WorkerReaders } from "./dm-worker.ts";

/** How long a pause or stop waits for the end of a transaction, when nobody says. */
const waitOnStopMs = 10_000;

export const workerReaders: WorkerReaders = {
  readSource: sourceFromToml,
  readSubtask: (toml, source, decrypt) => subtaskFromToml(toml, source, { decrypt }),
  startOptions: (args): StartOptions => ({
    startTime: args?.start_time ?? "",
    safeModeDurationMs: durationOf(args?.safe_mode_duration),
    waitTimeOnStopMs: durationOf(args?.wait_time_on_stop) ?? waitOnStopMs,
  }),
};

function durationOf(text: string | undefined): number | null {
  return text === undefined || text === "" ? null : parseDuration(text);
}
