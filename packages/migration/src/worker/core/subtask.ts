/**
 * A subtask's life. The runner acts; this table says what may happen, and what each event makes of a stage.
 *
 *   New ──run──▶ Running ──finished──▶ Finished
 *                 │  ▲
 *          pause, │  │ run
 *          failed ▼  │
 *   Pausing ──▶ Paused            any ──stop──▶ Stopping ──ended──▶ Stopped
 *
 * T1 A unit runs only in Running, Pausing and Stopping.
 * T2 A pause that was asked for shows `isCanceled`; one by an error shows its errors, and is the only one that is resumed by itself.
 * T3 Pausing an error-paused subtask makes it a pause that was asked for.
 */
import type { CodedError } from "@skein/base";
import { dmErrors } from "../../errors.ts";
import type { Stage } from "../../wire/messages.ts";

export type SubtaskStage = Exclude<Stage, "InvalidStage" | "Resuming">;
export type SubtaskEventKind = "run" | "pause" | "stop" | "unitEnded" | "allFinished" | "failed";
export type SubtaskEvent = { readonly kind: Exclude<SubtaskEventKind, "failed"> } | { readonly kind: "failed"; readonly error: CodedError };

export interface SubtaskState {
  readonly stage: SubtaskStage;
  /** Null while running and before. */
  readonly result: { readonly isCanceled: boolean; readonly errors: readonly CodedError[] } | null;
}

type Next = SubtaskStage | "stay" | "refuse";

/** `unitEnded`: the unit's run came to an end because it was told to; `allFinished`: the last unit is done. */
export const transitions: Record<SubtaskStage, Record<SubtaskEventKind, Next>> = {
  New: { run: "Running", pause: "Paused", stop: "Stopped", unitEnded: "stay", allFinished: "stay", failed: "Paused" },
  Running: { run: "refuse", pause: "Pausing", stop: "Stopping", unitEnded: "stay", allFinished: "Finished", failed: "Paused" },
  Pausing: { run: "refuse", pause: "stay", stop: "Stopping", unitEnded: "Paused", allFinished: "Finished", failed: "Paused" },
  Paused: { run: "Running", pause: "stay", stop: "Stopped", unitEnded: "stay", allFinished: "stay", failed: "stay" },
  Stopping: { run: "refuse", pause: "stay", stop: "stay", unitEnded: "Stopped", allFinished: "Stopped", failed: "Stopped" },
  Stopped: { run: "Running", pause: "refuse", stop: "stay", unitEnded: "stay", allFinished: "stay", failed: "stay" },
  Finished: { run: "stay", pause: "refuse", stop: "Stopped", unitEnded: "stay", allFinished: "stay", failed: "stay" },
};

/** Throws 40051 for what the table refuses. */
export function nextState(state: SubtaskState, event: SubtaskEvent): SubtaskState {
  const next = transitions[state.stage][event.kind];
  if (next === "refuse") throw dmErrors.stageNotPaused([state.stage]);
  if (next === "stay") {
    if (state.stage === "Paused" && event.kind === "pause")
      return { stage: "Paused", result: { isCanceled: true, errors: state.result?.errors ?? [] } };
    return state;
  }
  switch (next) {
    case "Paused":
      return event.kind === "failed"
        ? { stage: "Paused", result: { isCanceled: state.stage === "Pausing", errors: [event.error] } }
        : { stage: "Paused", result: { isCanceled: true, errors: [] } };
    case "Stopped":
    case "Finished":
      return { stage: next, result: { isCanceled: next === "Stopped", errors: event.kind === "failed" ? [event.error] : [] } };
    case "New":
    case "Running":
    case "Pausing":
    case "Stopping":
      return { stage: next, result: next === "Running" ? null : state.result };
  }
}

/** What the steps of a task mode are. A copy reads and writes in one pipeline and shows Dump, then Load. */
export type StepKind = "copy" | "dump" | "load" | "sync";

export function stepsOf(mode: string): readonly StepKind[] {
  switch (mode) {
    case "all":
      return ["copy", "sync"];
    case "full":
      return ["copy"];
    case "incremental":
      return ["sync"];
    case "dump":
      return ["dump"];
    case "load":
      return ["load"];
    case "load&sync":
      return ["load", "sync"];
    default:
      throw dmErrors.noUnits([mode]);
  }
}
