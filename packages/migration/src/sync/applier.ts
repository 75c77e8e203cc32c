/**
 * Applies batches of net changes, one batch at a time, each over several connections.
 *
 *   building (open for changes) ── dispatch ──▶ under way (lanes commit on their own) ──▶ applied
 *
 * Order of effects: the checkpoint that allows a batch (its horizon) is durable before the batch begins; the checkpoint that
 * counts a batch as done is written after all its lanes are committed, or, for a batch of one lane, in its transaction. What may
 * be applied only once has its place in the transaction that applies it.
 */
import type { World } from "@skein/base";
import { comparePositions, type Position, type Row } from "@skein/mysql";
import type { CheckpointStore } from "../target/checkpoint-store.ts";
import type { Target } from "../target/target.ts";
import { NetChanges } from "./core/net-changes.ts";
import { type BatchLimits, type Lane, planBatch, type SourceTable } from "./core/plan-batch.ts";
import type { PositionGuard } from "./core/position-guard.ts";
import type { TablePlace } from "./core/table-places.ts";
import type { TablePlan } from "./core/table-plan.ts";

export interface ApplierOptions {
  readonly world: World;
  readonly target: Target;
  readonly store: CheckpointStore;
  readonly guard: PositionGuard;
  readonly limits: BatchLimits;
  /** A batch is full with so many row changes, or so many bytes of events. */
  readonly batchChangesMax: number;
  readonly batchBytesMax: number;
  readonly flushIntervalMs: number;
  /** Everything up to here is in the target. */
  readonly start: Position;
  /** Statements that belong into the next checkpoint: structures of tables. */
  readonly extraStatements: () => readonly string[];
  /** The statement that makes a table's row of the checkpoint say that it is as far as this. */
  readonly placeStatement: (table: SourceTable, place: TablePlace) => string;
  readonly signal: AbortSignal;
}

interface Batch {
  readonly changes: NetChanges;
  /** After the last event that is in it. */
  readonly end: Position;
  readonly place: TablePlace;
  /** After the last whole transaction that is in it; null when it has none. */
  readonly boundary: Position | null;
  /** It holds changes of a transaction that goes on after it. */
  readonly isPartial: boolean;
}

export class Applier {
  readonly #options: ApplierOptions;
  #changes = new NetChanges();
  #bytes = 0;
  #end: Position;
  #rowsEvent = 0;
  #boundary: Position | null = null;
  /** Changes were taken in since the last boundary. */
  #isPartial = false;
  /** The end of applied changes whose transaction is not complete yet; null when there are none. */
  #partialEnd: Position | null = null;
  #oldestMs: number | null = null;
  #inFlightOldestMs: number | null = null;
  #inFlight: Promise<void> | null = null;
  #failure: { readonly error: unknown } | null = null;
  #applied: Position;
  #flushed: Position | null = null;
  #flushedMs: number;
  #appliedChanges = 0;

  constructor(options: ApplierOptions) {
    this.#options = options;
    this.#end = options.start;
    this.#applied = options.start;
    this.#flushedMs = options.world.clock.monotonicMs();
  }

  /** Everything before it is in the target. */
  get applied(): Position {
    return this.#applied;
  }
  /** What a restart would begin from. */
  get flushed(): Position | null {
    return this.#flushed;
  }
  get appliedChanges(): number {
    return this.#appliedChanges;
  }
  /** Commit time of the oldest change that is not applied, by the source's clock; null when there is none. */
  get oldestPendingMs(): number | null {
    return this.#inFlightOldestMs ?? this.#oldestMs;
  }
  get isFull(): boolean {
    return this.#changes.changeCount >= this.#options.batchChangesMax || this.#bytes >= this.#options.batchBytesMax;
  }
  /** More than that is held for no transaction's end. */
  get isOverfull(): boolean {
    return this.#changes.changeCount >= 2 * this.#options.batchChangesMax || this.#bytes >= 2 * this.#options.batchBytesMax;
  }
  get isIdle(): boolean {
    return this.#inFlight === null;
  }
  get isBuilding(): boolean {
    return !this.#changes.isEmpty;
  }
  /** Settles when the batch under way is done; at once when there is none. Failures show at the next call of another method. */
  get settled(): Promise<void> {
    return this.#inFlight ?? Promise.resolve();
  }

  addRows(
    action: "insert" | "update" | "delete",
    plan: TablePlan,
    rows: readonly Row[],
    facts: { readonly isSafe: boolean; readonly sizeBytes: number; readonly committedMs: number },
  ): void {
    const changes = this.#changes;
    this.#isPartial = true;
    this.#oldestMs ??= facts.committedMs;
    this.#bytes += facts.sizeBytes;
    switch (action) {
      case "insert":
        for (const row of rows) changes.insert(plan, row, facts.isSafe);
        return;
      case "delete":
        for (const row of rows) changes.delete(plan, row, facts.isSafe);
        return;
      case "update":
        for (let at = 0; at + 1 < rows.length; at += 2) changes.update(plan, rows[at] as Row, rows[at + 1] as Row, facts.isSafe);
        return;
    }
  }

  /** An event has been taken in; `isBoundary`: a transaction is complete with it. `rowsEvent` numbers the rows events of a transaction. */
  advance(end: Position, isBoundary: boolean, rowsEvent: number): void {
    this.#end = end;
    this.#rowsEvent = rowsEvent;
    if (!isBoundary) return;
    this.#isPartial = false;
    if (this.#changes.isEmpty && this.#inFlight === null && this.#failure === null) {
      this.#partialEnd = null;
      this.#applied = end;
      this.#boundary = null;
    } else this.#boundary = end;
  }

  /** Hands the batch over once the one before is done; returns when it is under way. */
  async dispatch(): Promise<void> {
    await this.#finishInFlight();
    if (this.#changes.isEmpty) {
      this.#settleBoundary();
      return;
    }
    const batch: Batch = {
      changes: this.#changes,
      end: this.#end,
      place: { position: this.#end, rowsEvent: this.#rowsEvent },
      boundary: this.#boundary,
      isPartial: this.#isPartial,
    };
    this.#changes = new NetChanges();
    this.#bytes = 0;
    this.#boundary = null;
    this.#inFlightOldestMs = this.#oldestMs;
    this.#oldestMs = null;
    this.#inFlight = this.#apply(batch).then(
      () => {
        if (batch.boundary !== null) this.#applied = batch.boundary;
        this.#partialEnd = batch.isPartial ? batch.end : null;
        this.#appliedChanges += batch.changes.changeCount;
        this.#inFlightOldestMs = null;
        this.#inFlight = null;
      },
      (error: unknown) => {
        this.#failure = { error };
        this.#inFlight = null;
      },
    );
  }

  /** Everything that was taken in is in the target when it returns. */
  async drain(): Promise<void> {
    await this.dispatch();
    await this.#finishInFlight();
    this.#settleBoundary();
  }

  /** The exact checkpoint; only after `drain`. `horizon`: how far the next step may get. */
  async flush(statements: readonly string[] = [], horizon: Position | null = null): Promise<void> {
    await this.#save(statements, horizon);
  }

  /** A batch is due to be written down, although nothing asks for it. */
  get isFlushDue(): boolean {
    return this.#options.world.clock.monotonicMs() - this.#flushedMs >= this.#options.flushIntervalMs && this.#flushed !== this.#applied;
  }

  /** Nothing is held and nothing is under way: the last boundary is reached. */
  #settleBoundary(): void {
    if (this.#boundary === null) return;
    this.#applied = this.#boundary;
    this.#boundary = null;
    this.#partialEnd = null;
  }

  async #finishInFlight(): Promise<void> {
    if (this.#inFlight !== null) await this.#inFlight;
    if (this.#failure !== null) throw this.#failure.error;
  }

  async #save(statements: readonly string[], wanted: Position | null): Promise<void> {
    const { store, guard, extraStatements, signal, world } = this.#options;
    const position = this.#applied;
    // What an earlier run may have applied stays under safe mode until it is passed, also over another restart.
    // So do the applied parts of a transaction that is not complete.
    let horizon = wanted;
    for (const other of [guard.pendingSafeUntil, this.#partialEnd === null ? null : guard.nextHorizon(this.#partialEnd)]) {
      if (other !== null && (horizon === null || comparePositions(other, horizon) > 0)) horizon = other;
    }
    await store.save({ position, horizon }, [...extraStatements(), ...statements], signal);
    guard.recorded(horizon);
    this.#flushed = position;
    this.#flushedMs = world.clock.monotonicMs();
  }

  async #apply(batch: Batch): Promise<void> {
    const { guard, limits, target, signal, world } = this.#options;
    const lanes = planBatch(batch.changes, limits);
    if (lanes.length === 0) return;
    await world.faults.at("sync:batch");
    const [only] = lanes;
    // One lane: the checkpoint goes into its transaction, so that it is applied once, whatever happens (SPEC.md S6);
    // also when the batch completes a transaction of which parts were applied before.
    if (lanes.length === 1 && only !== undefined && batch.boundary !== null && !batch.isPartial) {
      return await this.#applyWithCheckpoint(only, batch.boundary);
    }
    if (!guard.mayApply(batch.end)) await this.#save([], guard.nextHorizon(batch.end));
    else if (this.isFlushDue) await this.#save([], guard.nextHorizon(batch.end));
    const results = await Promise.allSettled(
      lanes.map((lane) =>
        lane.onceTables.length > 0
          ? this.#applyOnce(lane, batch.place)
          : target.transaction(lane.statements, { signal, repeat: lane.repeat }),
      ),
    );
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  /** The checkpoint stays behind it, so its tables say themselves how far they are. */
  async #applyOnce(lane: Lane, place: TablePlace): Promise<void> {
    const { store, target, placeStatement, signal } = this.#options;
    const [table] = lane.onceTables;
    if (table === undefined) return;
    const statements = [...lane.statements, ...lane.onceTables.map((each) => placeStatement(each, place))];
    await target.transaction(statements, { signal, wasApplied: (connection) => store.isRecorded(connection, { ...table, ...place }) });
  }

  async #applyWithCheckpoint(lane: Lane, boundary: Position): Promise<void> {
    const { store, target, guard, extraStatements, signal, world } = this.#options;
    const horizon = guard.pendingSafeUntil;
    const statements = [...lane.statements, ...extraStatements(), store.globalStatement({ position: boundary, horizon })];
    await target.transaction(statements, { signal, wasApplied: (connection) => store.isRecorded(connection, { position: boundary }) });
    guard.recorded(horizon ?? boundary);
    this.#flushed = boundary;
    this.#flushedMs = world.clock.monotonicMs();
  }
}
