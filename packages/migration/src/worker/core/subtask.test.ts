import { isCodedError } from "@skein/base";
import { describe, expect, test } from "vitest";
import { dmErrors } from "../../errors.ts";
import { decideResume, initialResumeState, isResumable } from "./auto-resume.ts";
import { nextState, type SubtaskEvent, type SubtaskStage, type SubtaskState, stepsOf, transitions } from "./subtask.ts";

const error = dmErrors.notSet(["lost connection"]);
const eventOf = (kind: string): SubtaskEvent => (kind === "failed" ? { kind, error } : ({ kind } as SubtaskEvent));

function run(...kinds: string[]): string {
  let state: SubtaskState = { stage: "New", result: null };
  for (const kind of kinds) {
    try {
      state = nextState(state, eventOf(kind));
    } catch (refused) {
      if (isCodedError(refused)) return `${state.stage} refuses ${kind}: ${refused.code}`;
      throw refused;
    }
  }
  return `${state.stage}${state.result === null ? "" : ` canceled=${state.result.isCanceled} errors=${state.result.errors.length}`}`;
}

describe("subtask", () => {
  test.each([
    [["run"], "Running"],
    [["run", "pause"], "Pausing"],
    [["run", "pause", "unitEnded"], "Paused canceled=true errors=0"],
    [["run", "failed"], "Paused canceled=false errors=1"],
    [["run", "failed", "pause"], "Paused canceled=true errors=1"],
    [["run", "failed", "run"], "Running"],
    [["run", "pause", "failed"], "Paused canceled=true errors=1"],
    [["run", "allFinished"], "Finished canceled=false errors=0"],
    [["run", "allFinished", "run"], "Finished canceled=false errors=0"],
    [["run", "allFinished", "pause"], "Finished refuses pause: 40051"],
    [["run", "pause", "allFinished"], "Finished canceled=false errors=0"],
    [["run", "run"], "Running refuses run: 40051"],
    [["run", "stop", "unitEnded"], "Stopped canceled=true errors=0"],
    [["run", "pause", "stop", "unitEnded"], "Stopped canceled=true errors=0"],
    [["run", "failed", "stop"], "Stopped canceled=true errors=0"],
    [["stop"], "Stopped canceled=true errors=0"],
  ])("%j → %s", (kinds, expected) => {
    expect(run(...kinds)).toBe(expected);
  });

  test("T1: no stage but Running, Pausing and Stopping is left by the end of a unit", () => {
    for (const stage of Object.keys(transitions) as SubtaskStage[]) {
      const mayRun = ["Running", "Pausing", "Stopping"].includes(stage);
      for (const kind of ["unitEnded", "allFinished", "failed"] as const)
        if (!mayRun && stage !== "New") expect(transitions[stage][kind]).toBe("stay");
    }
  });

  test("steps of a mode", () => {
    expect(stepsOf("all")).toEqual(["copy", "sync"]);
    expect(stepsOf("load&sync")).toEqual(["load", "sync"]);
    expect(() => stepsOf("other")).toThrow("40060");
  });
});

describe("auto-resume", () => {
  const config = {
    checkEnable: true,
    backoffRollbackMs: 300_000,
    backoffMaxMs: 300_000,
    checkIntervalMs: 5000,
    backoffMinMs: 1000,
    backoffJitter: false,
    backoffFactor: 2,
  };
  const failed: SubtaskState = { stage: "Paused", result: { isCanceled: false, errors: [error] } };

  test("waits 1, 2, 4 … seconds between resumes, up to the limit, and steps back after a quiet time", () => {
    let state = initialResumeState(config, 0);
    const seen: [number, string][] = [];
    for (let now = 0; now <= 40_000; now += 5000) {
      const next = decideResume(config, state, failed, now, 0);
      state = next.state;
      seen.push([now / 1000, next.decision]);
    }
    expect(seen.filter(([, decision]) => decision === "resume").map(([second]) => second)).toEqual([0, 5, 10, 20, 40]);
    expect(seen.filter(([, decision]) => decision === "backoff").map(([second]) => second)).toEqual([15, 25, 30, 35]);
    const waited = state.waitMs;
    const running: SubtaskState = { stage: "Running", result: null };
    expect(decideResume(config, state, running, 40_000 + 299_999, 0).state.waitMs).toBe(waited);
    expect(decideResume(config, state, running, 40_000 + 300_000, 0).state.waitMs).toBe(waited / 2);
  });

  test("leaves a pause that was asked for, a switched-off checker, and hopeless errors alone", () => {
    const state = initialResumeState(config, 0);
    const paused: SubtaskState = { stage: "Paused", result: { isCanceled: true, errors: [error] } };
    expect(decideResume(config, state, paused, 1, 0).decision).toBe("skip");
    expect(decideResume({ ...config, checkEnable: false }, state, failed, 1, 0).decision).toBe("skip");
    const duplicate = dmErrors.notSet(["x"], new Error("Error 1062 (23000): Duplicate entry"));
    expect(isResumable(duplicate)).toBe(false);
    const hopeless: SubtaskState = { stage: "Paused", result: { isCanceled: false, errors: [duplicate] } };
    expect(decideResume(config, state, hopeless, 1, 0).decision).toBe("noSense");
  });
});
