/**
 * What positions decide: whether safe mode is on, and how far batches may go before the checkpoint must be written again.
 *
 *   checkpoint ──────── applied ── batch under way ── horizon
 *       ▲ durable, and nothing after the horizon was ever applied: a restart is in safe mode from the checkpoint to the horizon
 */
import { comparePositions, type Position } from "@skein/mysql";

/** Nothing after this offset is applied before the next checkpoint says a further one. */
export const horizonStepBytes = 64 * 1024 * 1024;

export class PositionGuard {
  readonly #always: boolean;
  #safeUntil: Position | null;
  #safeUntilSeconds: number | null;
  #horizon: Position | null = null;

  constructor(options: {
    /** `safe-mode: true`. */
    readonly always: boolean;
    /** A former run may have applied up to here. */
    readonly safeUntil: Position | null;
    /** By the source's clock. */
    readonly safeUntilSeconds: number | null;
  }) {
    this.#always = options.always;
    this.#safeUntil = options.safeUntil;
    this.#safeUntilSeconds = options.safeUntilSeconds;
  }

  get isSafe(): boolean {
    return this.#always || this.#safeUntil !== null || this.#safeUntilSeconds !== null;
  }

  /** To be called with each event before it is applied. */
  observe(start: Position, timestamp: number): void {
    // The horizon is an offset that was guessed ahead: a file that follows ends it as well.
    if (this.#safeUntil !== null && comparePositions(start, this.#safeUntil) >= 0) this.#safeUntil = null;
    if (this.#safeUntilSeconds !== null && timestamp > this.#safeUntilSeconds) this.#safeUntilSeconds = null;
  }

  /** Whether a batch that ends there may be applied as things are recorded. */
  mayApply(end: Position): boolean {
    return this.#horizon !== null && comparePositions(end, this.#horizon) <= 0;
  }

  /** The horizon to be recorded so that a batch that ends there, and more after it, may be applied. */
  nextHorizon(end: Position): Position {
    return { file: end.file, offset: end.offset + horizonStepBytes, gtidSet: null };
  }

  /** What the checkpoint in the target now says. */
  recorded(horizon: Position | null): void {
    this.#horizon = horizon;
  }

  /** What is still to be passed in safe mode, so that a checkpoint that is written meanwhile keeps it. */
  get pendingSafeUntil(): Position | null {
    return this.#safeUntil;
  }
}
