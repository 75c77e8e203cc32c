/** Facts of units as the wire's messages. */
import type { CodedError } from "@skein/base";
import type { Blocker, ProgressStatus, UnitKind, UnitStatus } from "../unit.ts";
import type { ProcessErrorMessage, SubTaskStatusMessage } from "../wire/messages.ts";
import type { StepKind, SubtaskState } from "./core/subtask.ts";

function processError(error: CodedError): ProcessErrorMessage {
  return {
    ErrCode: error.code,
    ErrClass: error.class,
    ErrScope: error.scope,
    ErrLevel: error.level,
    Message: error.detail,
    RawCause: error.rawCause,
    Workaround: error.workaround,
  };
}

/** The unit that a step shows before it can tell by itself. */
const firstUnitOf: Readonly<Record<StepKind, UnitKind>> = { copy: "Dump", dump: "Dump", load: "Load", sync: "Sync" };

export function subtaskStatus(facts: {
  readonly name: string;
  readonly state: SubtaskState;
  readonly step: StepKind;
  readonly unit: UnitStatus | null;
  readonly epoch: number;
}): SubTaskStatusMessage {
  const { state, unit } = facts;
  const base = {
    name: facts.name,
    stage: state.stage,
    unit: unit?.kind ?? firstUnitOf[facts.step],
    result: state.result === null ? null : { isCanceled: state.result.isCanceled, errors: state.result.errors.map(processError) },
    unresolvedDDLLockID: "",
  } as const;
  const blockers = blockersOf(state, unit, facts.name);
  if (unit === null) return { ...base, detail: { ...emptyDetail, blockers, epoch: facts.epoch } };
  switch (unit.kind) {
    case "Dump": {
      const { dump } = unit;
      const progress = percent(dump.finishedRows, dump.estimateTotalRows);
      return {
        ...base,
        dump: {
          totalTables: whole(dump.totalTables),
          completedTables: dump.completedTables,
          finishedBytes: dump.finishedBytes,
          finishedRows: dump.finishedRows,
          estimateTotalRows: dump.estimateTotalRows,
          bps: whole(dump.bytesPerSecond),
          progress: `${progress.padStart(5)} %`,
        },
        detail: { ...emptyDetail, ...rates(dump), blockers, epoch: facts.epoch },
      };
    }
    case "Load": {
      const { load } = unit;
      return {
        ...base,
        load: {
          finishedBytes: whole(load.finishedBytes),
          totalBytes: whole(load.totalBytes),
          progress: `${load.totalRows > 0 ? percent(load.finishedRows, load.totalRows) : percent(load.finishedBytes, load.totalBytes)} %`,
          metaBinlog: load.metaBinlog,
          metaBinlogGTID: load.metaBinlogGtid,
          bps: whole(load.bytesPerSecond),
        },
        detail: { ...emptyDetail, ...rates(load), blockers, movable: load.movable, epoch: facts.epoch, tables: load.tables },
      };
    }
    case "Sync": {
      const { sync } = unit;
      return {
        ...base,
        sync: {
          totalEvents: whole(sync.totalEvents),
          totalTps: whole(sync.totalTps),
          recentTps: whole(sync.recentTps),
          masterBinlog: sync.masterBinlog,
          masterBinlogGtid: sync.masterBinlogGtid,
          syncerBinlog: sync.syncerBinlog,
          syncerBinlogGtid: sync.syncerBinlogGtid,
          blockingDDLs: sync.blockingDdls,
          unresolvedGroups: sync.unresolvedGroups.map((group) => ({
            target: group.target,
            DDLs: group.ddls,
            firstLocation: group.firstLocation,
            synced: group.synced,
            unsynced: group.unsynced,
          })),
          synced: sync.synced,
          binlogType: sync.binlogType,
          secondsBehindMaster: whole(sync.secondsBehindMaster),
          blockDDLOwner: sync.blockDdlOwner,
          conflictMsg: sync.conflictMessage,
          totalRows: whole(sync.totalRows),
          totalRps: whole(sync.totalRps),
          recentRps: whole(sync.recentRps),
          ioTotalBytes: whole(sync.ioTotalBytes),
          dumpIOTotalBytes: 0,
        },
        detail: {
          ...emptyDetail,
          ...rates(sync),
          blockers,
          lagMs: whole(sync.lagMs),
          epoch: facts.epoch,
          flushedBinlog: sync.flushedBinlog,
          flushedBinlogGtid: sync.flushedBinlogGtid,
        },
      };
    }
  }
}

const emptyDetail = {
  lagMs: 0,
  etaSeconds: -1,
  rowsPerSecond: 0,
  bytesPerSecond: 0,
  blockers: [],
  movable: true,
  epoch: 0,
  tables: [],
  flushedBinlog: "",
  flushedBinlogGtid: "",
} as const;

function rates(progress: ProgressStatus) {
  return {
    rowsPerSecond: progress.rowsPerSecond,
    bytesPerSecond: progress.bytesPerSecond,
    etaSeconds: progress.etaSeconds === null ? -1 : whole(progress.etaSeconds),
  };
}

function blockersOf(state: SubtaskState, unit: UnitStatus | null, task: string): readonly Blocker[] {
  if (state.stage === "Paused" && state.result !== null) {
    const error = state.result.errors[0];
    if (error !== undefined && !state.result.isCanceled)
      return [{ what: error.message, nextStep: error.workaround === "" ? `resume-task ${task}` : error.workaround }];
    return [{ what: "the task was paused by a command", nextStep: `resume-task ${task}` }];
  }
  const own =
    unit === null ? null : unit.kind === "Dump" ? unit.dump.blocker : unit.kind === "Load" ? unit.load.blocker : unit.sync.blocker;
  return own === null || state.stage !== "Running" ? [] : [own];
}

function percent(done: number, all: number): string {
  return (all <= 0 ? 0 : Math.min(100, (100 * done) / all)).toFixed(2);
}

/** 64-bit fields take whole numbers only. */
function whole(value: number): number {
  return Number.isFinite(value) ? Math.round(value) : 0;
}
