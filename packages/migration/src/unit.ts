/**
 * A unit is one processing stage of a subtask: Dump → Load → Sync. The worker's subtask runner owns units: it opens one,
 * runs it, shows its status and stops it; the unit knows nothing of stages, metastore or auto-resume.
 */
import type { CodedError } from "@skein/base";

export type UnitKind = "Check" | "Dump" | "Load" | "Sync" | "Relay";

export interface Unit extends AsyncDisposable {
  /** A copy that reads and writes in one pipeline shows `Dump` while it plans and `Load` while it moves rows. */
  readonly kind: UnitKind;
  /**
   * Works until done (resolves), until told to stop (resolves after `stop`), or until it fails (rejects with a CodedError).
   * Aborting `signal` is the ungraceful way: running transactions are rolled back, nothing more is written.
   */
  run(signal: AbortSignal): Promise<void>;
  /** Graceful: finishes the current transaction, flushes the checkpoint, then `run` resolves. After `graceMs` it is cut short. */
  stop(graceMs: number): Promise<void>;
  /** Never throws and never waits: facts that the unit already has. */
  status(): UnitStatus;
}

/** 64-bit counters are bigint or number here; the wire layer prints them as the protocol says. */
export type UnitStatus =
  | { readonly kind: "Dump"; readonly dump: DumpStatus }
  | { readonly kind: "Load"; readonly load: LoadStatus }
  | { readonly kind: "Sync"; readonly sync: SyncStatus };

/** What every unit can tell beyond the original's fields. */
export interface ProgressStatus {
  readonly rowsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Null while there is nothing to tell it from. */
  readonly etaSeconds: number | null;
  /** What it waits for and the next command, when it waits: `query-status --why`. */
  readonly blocker: Blocker | null;
}

export interface Blocker {
  /** `lock wait of table shop.ord in the target`, … */
  readonly what: string;
  /** A command line, or a sentence when no command helps. */
  readonly nextStep: string;
}

export interface DumpStatus extends ProgressStatus {
  readonly totalTables: number;
  readonly completedTables: number;
  readonly finishedBytes: number;
  readonly finishedRows: number;
  readonly estimateTotalRows: number;
}

export interface LoadStatus extends ProgressStatus {
  readonly finishedBytes: number;
  readonly totalBytes: number;
  readonly finishedRows: number;
  readonly totalRows: number;
  /** `(mysql-bin.000001, 1234)` */
  readonly metaBinlog: string;
  readonly metaBinlogGtid: string;
  /** The classic consistent snapshot cannot go on at another worker; the chunked copy can. */
  readonly movable: boolean;
  readonly tables: readonly TableProgress[];
}

export interface TableProgress {
  readonly source: string;
  readonly target: string;
  readonly finishedRows: number;
  readonly totalRows: number;
  readonly state: "waiting" | "copying" | "finished";
}

export interface SyncStatus extends ProgressStatus {
  readonly totalEvents: number;
  readonly totalTps: number;
  readonly recentTps: number;
  readonly totalRows: number;
  readonly totalRps: number;
  readonly recentRps: number;
  readonly masterBinlog: string;
  readonly masterBinlogGtid: string;
  /** What is applied in the target, not what was last flushed. */
  readonly syncerBinlog: string;
  readonly syncerBinlogGtid: string;
  readonly flushedBinlog: string;
  readonly flushedBinlogGtid: string;
  readonly synced: boolean;
  readonly binlogType: "remote" | "local";
  readonly secondsBehindMaster: number;
  /** Source commit time of the newest event not yet applied, against the source's clock; 0 only when nothing is left to apply. */
  readonly lagMs: number;
  readonly blockingDdls: readonly string[];
  readonly unresolvedGroups: readonly UnresolvedGroup[];
  readonly blockDdlOwner: string;
  readonly conflictMessage: string;
  readonly ioTotalBytes: number;
}

export interface UnresolvedGroup {
  readonly target: string;
  readonly ddls: readonly string[];
  readonly firstLocation: string;
  readonly synced: readonly string[];
  readonly unsynced: readonly string[];
}

/** What a subtask shows of a failure: the wire's ProcessError. */
export interface ProcessResult {
  readonly isCanceled: boolean;
  readonly errors: readonly CodedError[];
}
