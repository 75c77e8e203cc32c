/** Operators, steps and their times as operators' scripts and `pd-ctl operator show` read them (spec §1.12; golden/operator.txt). */
import { formatDuration } from "@skein/base";
import { hexOfKey } from "../../core/keys.ts";
import { type Operator, type OperatorKind, operatorKinds, type PeerAt, type SplitPolicy, type Step } from "./operator.ts";

const minute = 60_000;

/** Steps that move no data: a minute, or 0.6 s for each MiB of the region. */
function fastMs(sizeMib: number): number {
  return Math.max(minute, 600 * sizeMib);
}

/** Steps that copy the region: ten minutes, or 6 s for each MiB. */
function slowMs(sizeMib: number): number {
  return Math.max(10 * minute, 6000 * sizeMib);
}

export function stepTimeMs(step: Step, sizeMib: number): number {
  switch (step.kind) {
    case "addLearner":
    case "addPeer":
    case "mergeRegion":
      return slowMs(sizeMib);
    case "enterJoint":
    case "leaveJoint":
      return fastMs(sizeMib) * (step.promote.length + step.demote.length + 1);
    case "transferLeader":
    case "promoteLearner":
    case "removePeer":
    case "splitRegion":
      return fastMs(sizeMib);
  }
}

export function operatorTimeMs(operator: Operator): number {
  return operator.steps.reduce((sum, step) => sum + stepTimeMs(step, operator.approximateSize), 0);
}

function changesText(promote: readonly PeerAt[], demote: readonly PeerAt[]): string {
  return [
    ...promote.map((at) => `, promote learner peer ${at.peerId} on store ${at.storeId} to voter`),
    ...demote.map((at) => `, demote voter peer ${at.peerId} on store ${at.storeId} to learner`),
  ].join("");
}

export function policyName(policy: SplitPolicy): string {
  return policy.toUpperCase();
}

export function stepText(step: Step): string {
  switch (step.kind) {
    case "transferLeader":
      return `transfer leader from store ${step.fromStore} to store ${step.toStore}`;
    case "addLearner":
      return `add learner peer ${step.peerId} on store ${step.storeId}`;
    case "addPeer":
      return `add peer ${step.peerId} on store ${step.storeId}`;
    case "promoteLearner":
      return `promote learner peer ${step.peerId} on store ${step.storeId} to voter`;
    case "removePeer":
      return `remove peer on store ${step.storeId}`;
    case "mergeRegion":
      return `merge region ${step.from.id} into region ${step.to.id}`;
    case "splitRegion":
      return `split region with policy ${policyName(step.policy)}`;
    case "enterJoint":
      return `use joint consensus${changesText(step.promote, step.demote)}`;
    case "leaveJoint":
      return `leave joint state${changesText(step.promote, step.demote)}`;
  }
}

export function kindsText(kinds: readonly OperatorKind[]): string {
  const shown = operatorKinds.filter((kind) => kinds.includes(kind));
  return shown.length === 0 ? "unknown" : shown.join(",");
}

/** The kind whose limit the operator uses up. */
export function limitingKind(operator: Operator): OperatorKind | null {
  return operatorKinds.find((kind) => operator.kinds.includes(kind)) ?? null;
}

export interface OperatorTimes {
  /** Wall times; 0 when it has not happened. */
  readonly createdMs: number;
  readonly startedMs: number;
  readonly finishedMs: number;
  readonly currentStep: number;
  readonly status: "" | " finished" | " timeout";
}

/** `2026-11-21 06:32:05.463842917 +0000 UTC m=+38.906481769`, which is how Go prints a time; `m` counts from the start of the process. */
export function timeText(ms: number, processStartMs: number): string {
  if (ms === 0) return "0001-01-01 00:00:00 +0000 UTC";
  const whole = Math.floor(ms / 1000);
  const fraction = ms - whole * 1000;
  const date = new Date(whole * 1000).toISOString();
  const digits = fraction.toFixed(6).replace(".", "").padStart(9, "0").replace(/0+$/, "");
  const since = Math.max(0, ms - processStartMs) / 1000;
  return `${date.slice(0, 10)} ${date.slice(11, 19)}${digits === "" ? "" : `.${digits}`} +0000 UTC m=+${since.toFixed(9)}`;
}

export function operatorText(operator: Operator, times: OperatorTimes, processStartMs: number): string {
  const time = (ms: number) => timeText(ms, processStartMs);
  const steps = operator.steps.map((step, index) => `${index}:{${stepText(step)}}`).join(", ");
  return (
    `${operator.description} {${operator.brief}} (kind:${kindsText(operator.kinds)}, ` +
    `region:${operator.regionId}(${operator.epoch.version}, ${operator.epoch.confVer}), createAt:${time(times.createdMs)}, ` +
    `startAt:${time(times.startedMs)}, currentStep:${times.currentStep}, size:${operator.approximateSize}, steps:[${steps}], ` +
    `timeout:[${formatDuration(operatorTimeMs(operator))}])${times.status}`
  );
}

/** As `operator history` shows it. */
export function recordText(operator: Operator, times: OperatorTimes, processStartMs: number): string {
  const text = operatorText(operator, { ...times, status: "" }, processStartMs);
  const durationMs = times.finishedMs - (times.startedMs === 0 ? times.createdMs : times.startedMs);
  return `${text} (finishAt:${timeText(times.finishedMs, processStartMs)}, duration:${formatDuration(durationMs)})`;
}

export function splitBrief(regionId: number, policy: SplitPolicy, keys: readonly Uint8Array[]): string {
  const text = `split: region ${regionId} use policy ${policyName(policy)}`;
  return keys.length === 0 ? text : `${text} and keys [${keys.map(hexOfKey).join(" ")}]`;
}
