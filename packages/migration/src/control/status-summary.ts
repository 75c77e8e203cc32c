/** The short status of all tasks, and the status in words. Pure. */
import type { QueryStatusListMessage, QueryStatusMessage, SubTaskStatusMessage } from "../wire/messages.ts";

export interface StatusSummary {
  readonly result: boolean;
  readonly msg: string;
  readonly tasks: readonly { readonly taskName: string; readonly taskStatus: string; readonly sources: readonly string[] }[];
}

interface Part {
  readonly source: QueryStatusMessage;
  readonly subtask: SubTaskStatusMessage;
}

/** Tasks in the order of their names. */
export function statusSummary(status: QueryStatusListMessage): StatusSummary {
  const parts = new Map<string, Part[]>();
  for (const source of status.sources)
    for (const subtask of source.subTaskStatus) {
      const known = parts.get(subtask.name);
      if (known === undefined) parts.set(subtask.name, [{ source, subtask }]);
      else known.push({ source, subtask });
    }
  const tasks = [...parts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([taskName, of]) => ({
      taskName,
      taskStatus: taskStatus(taskName, of),
      sources: of.map(({ source }) => source.sourceStatus?.source ?? "").sort(),
    }));
  return { result: status.result, msg: status.msg, tasks };
}

/** The first rule that matches decides. */
function taskStatus(name: string, parts: readonly Part[]): string {
  const suffix = `. Please run \`query-status ${name}\` to get more details.`;
  const isPaused = ({ subtask }: Part) => subtask.stage === "Paused";
  if (parts.some((part) => isPaused(part) && (part.subtask.result?.errors.length ?? 0) > 0))
    return `Error - Some error occurred in subtask${suffix}`;
  for (const { source, subtask } of parts) {
    const relay = source.sourceStatus?.relayStatus;
    if (subtask.stage !== "Running" || subtask.unit !== "Sync" || relay === null || relay === undefined) continue;
    const stage = String(relay["stage"]);
    const errors = (relay["result"] as { readonly errors?: readonly unknown[] } | null)?.errors ?? [];
    if (errors.length > 0) return `Error - Relay status is Error${suffix}`;
    if (stage === "Paused" || stage === "Stopped") return `Error - Relay status is ${stage}${suffix}`;
  }
  if (parts.some(isPaused)) return "Paused";
  const first = parts[0]?.subtask.stage;
  return first !== undefined && parts.every(({ subtask }) => subtask.stage === first) ? first : "Running";
}

/** What each subtask does, how fast, what it waits for, and the next command. */
export function whyText(status: QueryStatusListMessage): string {
  const lines: string[] = [];
  if (!status.result) lines.push(status.msg, "  next: dmctl query-status, dmctl operate-source show");
  for (const source of status.sources) {
    const id = source.sourceStatus?.source ?? "(unknown source)";
    const worker = source.sourceStatus?.worker ?? "";
    lines.push(`source ${id}, ${worker === "" ? "no worker" : `worker ${worker}`}`);
    if (!source.result) lines.push(`  blocked: ${source.msg}`, "  next: dmctl list-member --worker");
    for (const blocker of source.blockers ?? []) lines.push(`  blocked: ${blocker.what}`, `  next: ${blocker.nextStep}`);
    if (source.result && source.subTaskStatus.length === 0) lines.push(`  ${source.msg === "" ? "no subtask" : source.msg}`);
    for (const subtask of source.subTaskStatus) lines.push(...subtaskLines(subtask));
  }
  if (status.result && status.sources.length === 0) lines.push("no source is known", "  next: dmctl operate-source create <config-file>");
  return `${lines.join("\n")}\n`;
}

function subtaskLines(subtask: SubTaskStatusMessage): string[] {
  const unit = subtask.unit === "InvalidUnit" ? "" : `, ${subtask.unit}`;
  const lines = [`  task ${subtask.name}: ${subtask.stage}${unit}${progressText(subtask)}`];
  const errors = subtask.result?.errors ?? [];
  for (const error of errors) {
    const cause = error.RawCause === "" ? "" : `: ${error.RawCause}`;
    lines.push(`    error ${error.ErrCode} (${error.ErrClass}): ${error.Message}${cause}`);
    if (error.Workaround !== "") lines.push(`    next: ${error.Workaround}`);
  }
  const blockers = subtask.detail?.blockers ?? [];
  for (const blocker of blockers) lines.push(`    blocked: ${blocker.what}`, `    next: ${blocker.nextStep}`);
  if (subtask.msg !== undefined && subtask.msg !== "") lines.push(`    ${subtask.msg}`);
  if (subtask.stage === "Paused") {
    if (errors.length > 0) lines.push(`    then: dmctl resume-task ${subtask.name}`);
    else lines.push("    blocked: it was paused", `    next: dmctl resume-task ${subtask.name}`);
  } else if (errors.length === 0 && blockers.length === 0) lines.push("    nothing blocks it");
  return lines;
}

function progressText(subtask: SubTaskStatusMessage): string {
  const { detail } = subtask;
  const parts: string[] = [];
  const progress = subtask.load?.["progress"] ?? subtask.dump?.["progress"];
  if (typeof progress === "string" && progress !== "") parts.push(progress.trim());
  if (detail !== null && detail !== undefined) {
    if (subtask.unit === "Sync") parts.push(`lag ${String(detail.lagMs)} ms`);
    if (detail.rowsPerSecond > 0) parts.push(`${Math.round(detail.rowsPerSecond)} rows/s`);
    if (detail.bytesPerSecond > 0) parts.push(`${(detail.bytesPerSecond / 1e6).toFixed(1)} MB/s`);
    if (Number(detail.etaSeconds) >= 0 && subtask.stage === "Running" && subtask.unit !== "Sync")
      parts.push(`${String(detail.etaSeconds)} s left`);
  }
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}
