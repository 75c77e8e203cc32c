/**
 * Whether a subtask that an error paused is to be started again now. Errors that come back for sure wait for a person.
 *
 * A resume moves the wait on (1 s, 2 s, … up to `backoffMaxMs`); each `backoffRollbackMs` without a pause moves it one step back.
 */
import type { CodedError } from "@skein/base";
import type { CheckerConfig } from "../../config/subtask-config.ts";
import type { SubtaskState } from "./subtask.ts";

export type ResumeDecision = "skip" | "noSense" | "backoff" | "resume";

export interface ResumeState {
  /** The present wait, before jitter. */
  readonly waitMs: number;
  /** When it was last seen paused, or when it was moved back, on the monotonic clock. */
  readonly pausedAtMs: number;
  readonly resumedAtMs: number;
}

export function initialResumeState(config: CheckerConfig, nowMs: number): ResumeState {
  return { waitMs: config.backoffMinMs, pausedAtMs: nowMs, resumedAtMs: Number.NEGATIVE_INFINITY };
}

/** `draw` is a number in [0, 1) for the jitter. */
export function decideResume(
  config: CheckerConfig,
  state: ResumeState,
  subtask: SubtaskState,
  nowMs: number,
  draw: number,
): { readonly decision: ResumeDecision; readonly state: ResumeState } {
  if (!config.checkEnable || subtask.stage !== "Paused" || subtask.result?.isCanceled !== false) {
    if (nowMs - state.pausedAtMs < config.backoffRollbackMs) return { decision: "skip", state };
    const waitMs = Math.max(config.backoffMinMs, state.waitMs / config.backoffFactor);
    return { decision: "skip", state: { ...state, waitMs, pausedAtMs: nowMs } };
  }
  const paused = { ...state, pausedAtMs: nowMs };
  if (subtask.result.errors.some((error) => !isResumable(error))) return { decision: "noSense", state: paused };
  const dueMs = config.backoffJitter ? state.waitMs * (0.5 + draw / 2) : state.waitMs;
  if (nowMs - state.resumedAtMs < dueMs) return { decision: "backoff", state: paused };
  const waitMs = Math.min(config.backoffMaxMs, state.waitMs * config.backoffFactor);
  return { decision: "resume", state: { waitMs, pausedAtMs: nowMs, resumedAtMs: nowMs } };
}

const hopelessTexts = [
  "can't drop column with index",
  "with tidb_enable_change_multi_schema is disable",
  "unsupported add column",
  "unsupported modify column",
  "unsupported modify charset",
  "unsupported modify collate",
  "unsupported drop integer primary key",
  "Unsupported collation",
  "Invalid default value for",
  "Unsupported drop primary key",
  "Error 1059",
  "Error 1117",
  "Error 1069",
  "Error 1062",
  "Error 1406",
  "Error 1366",
  "Error 8025",
  "Could not find first log file name in binary log index file",
  "the master has purged binary logs containing GTIDs that the slave requires",
] as const;
const hopelessCodes: ReadonlySet<number> = new Set([36008, 32004, 32001, 36027, 11129, 34020, 34021]);
const relayParseTexts = ["binlog checksum mismatch, data may be corrupted", "get event err EOF"] as const;
const loadMayHealTexts = ["doesn't exist", "is in mode import"] as const;

/** Whether trying again may help. */
export function isResumable(error: CodedError): boolean {
  const text = error.rawCause;
  if (hopelessTexts.some((each) => text.toLowerCase().includes(each.toLowerCase()))) return false;
  if (hopelessCodes.has(error.code)) return false;
  if (error.code === 11038) return !relayParseTexts.some((each) => error.message.includes(each));
  if (error.code === 34019) return loadMayHealTexts.some((each) => error.message.includes(each));
  return true;
}
