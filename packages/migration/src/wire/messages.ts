/**
 * Messages of the wire as TypeScript sees them: plain objects with the schema's own names. What is decoded has every field (64-bit
 * integers as decimal strings, enums as names, an unset message as null); what is sent may leave fields out.
 */

export const stageNumbers = {
  InvalidStage: 0,
  New: 1,
  Running: 2,
  Paused: 3,
  Stopped: 4,
  Finished: 5,
  Pausing: 6,
  Resuming: 7,
  Stopping: 8,
} as const;
export type Stage = keyof typeof stageNumbers;
export type UnitType = "InvalidUnit" | "Check" | "Dump" | "Load" | "Sync" | "Relay";
export type TaskOp = "InvalidOp" | "Stop" | "Pause" | "Resume" | "Start" | "Update" | "AutoResume" | "Delete";
export type SourceOp = "InvalidSourceOp" | "StartSource" | "UpdateSource" | "StopSource" | "ShowSource";
export type LeaderOp = "InvalidLeaderOp" | "EvictLeaderOp" | "CancelEvictLeaderOp";
export type CfgType = "InvalidType" | "TaskType" | "MasterType" | "WorkerType" | "SourceType" | "TaskTemplateType";

/** The stage that a number in the metadata stands for. */
export function stageOf(number: number): Stage {
  for (const [name, value] of Object.entries(stageNumbers)) if (value === number) return name as Stage;
  return "InvalidStage";
}

export interface Answer {
  readonly result: boolean;
  readonly msg: string;
}
export interface CommonWorkerResponse extends Answer {
  readonly source: string;
  readonly worker: string;
}
export interface SourcesAnswer extends Answer {
  readonly sources: readonly CommonWorkerResponse[];
}

export interface ProcessErrorMessage {
  readonly ErrCode: number;
  readonly ErrClass: string;
  readonly ErrScope: string;
  readonly ErrLevel: string;
  readonly Message: string;
  readonly RawCause: string;
  readonly Workaround: string;
}
export interface ProcessResultMessage {
  readonly isCanceled: boolean;
  readonly errors: readonly ProcessErrorMessage[];
}
export interface BlockerMessage {
  readonly what: string;
  readonly nextStep: string;
}
export interface SubTaskStatusMessage {
  readonly name: string;
  readonly stage: Stage;
  readonly unit: UnitType;
  readonly result?: ProcessResultMessage | null;
  readonly unresolvedDDLLockID: string;
  readonly msg?: string;
  readonly dump?: Readonly<Record<string, unknown>>;
  readonly load?: Readonly<Record<string, unknown>>;
  readonly sync?: Readonly<Record<string, unknown>>;
  readonly detail?: {
    readonly lagMs: number | string;
    readonly etaSeconds: number | string;
    readonly rowsPerSecond: number;
    readonly bytesPerSecond: number;
    readonly blockers: readonly BlockerMessage[];
    readonly movable: boolean;
    readonly epoch: number | string;
    readonly tables: readonly {
      readonly source: string;
      readonly target: string;
      readonly finishedRows: number | string;
      readonly totalRows: number | string;
      readonly state: string;
    }[];
    readonly flushedBinlog: string;
    readonly flushedBinlogGtid: string;
  } | null;
}
export interface SourceStatusMessage {
  readonly source: string;
  readonly worker: string;
  readonly result?: ProcessResultMessage | null;
  readonly relayStatus?: Readonly<Record<string, unknown>> | null;
}
export interface QueryStatusMessage extends Answer {
  readonly sourceStatus: SourceStatusMessage | null;
  readonly subTaskStatus: readonly SubTaskStatusMessage[];
  readonly blockers?: readonly BlockerMessage[];
}
export interface QueryStatusListMessage extends Answer {
  readonly sources: readonly QueryStatusMessage[];
}
