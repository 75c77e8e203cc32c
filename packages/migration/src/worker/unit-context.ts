/** What the worker gives to a unit, and how it opens one. */
import type { World } from "@skein/base";
import type { StartOptions, SubtaskConfig } from "../config/subtask-config.ts";
import type { Unit } from "../unit.ts";
import type { StepKind } from "./core/subtask.ts";

export interface UnitContext {
  readonly world: World;
  readonly config: SubtaskConfig;
  readonly start: StartOptions;
  /** Name of the worker that runs the unit. */
  readonly worker: string;
  /** Aborts when the subtask is killed, also while the unit is being opened. */
  readonly signal: AbortSignal;
  /** To be called when the start time has become a checkpoint and safe mode has begun: no later run does so again. */
  readonly flagsUsed: () => Promise<void>;
}

/** Hooks of a unit that takes operators' commands at run time. */
export interface SyncControl {
  handleError(request: {
    readonly op: "Skip" | "Replace" | "Revert" | "Inject" | "List";
    readonly binlogPos: string;
    readonly sqls: readonly string[];
  }): Promise<string>;
  operateSchema(request: SchemaRequest): Promise<string>;
}

export interface SchemaRequest {
  readonly op: "GetSchema" | "SetSchema" | "RemoveSchema" | "ListSchema" | "ListTable" | "ListMigrateTargets";
  readonly database: string;
  readonly table: string;
  readonly schema: string;
  readonly flush: boolean;
  readonly sync: boolean;
  readonly fromSource: boolean;
  readonly fromTarget: boolean;
}

/** Makes the unit of a step. What it throws pauses the subtask. */
export type OpenUnit = (step: StepKind, context: UnitContext) => Promise<Unit>;

/** The index of the step to begin with: the last one that has left something to go on from. */
export type FirstStep = (steps: readonly StepKind[], context: UnitContext) => Promise<number>;

export interface Units {
  readonly openUnit: OpenUnit;
  readonly firstStep: FirstStep;
}
