/**
 * The timestamp oracle as a pure machine. A timestamp is a wall time in milliseconds and a counter of 18 bits below it.
 *
 *   persisted:  ──────────────────────────────┤ savedUntil: no timestamp at or after it has ever been given
 *   in memory:  ─────────┤ (physical, logical): all up to here are given
 *
 * O1 physical < savedUntil, and savedUntil is durable before physical comes near it.
 * O2 A new leader starts at the savedUntil of the one before it, or later: whatever that one gave is smaller.
 * O3 (physical, logical) only grows.
 *
 * The driver calls `plan` each update interval, makes durable what it asks for, then `move`s; `take` needs no waiting.
 */
import { assert } from "@skein/base";

export const logicalBits = 18;
export const logicalMax = 2 ** logicalBits;
/** A step of the clock that is smaller than this is not worth a move; also the distance that is kept from `savedUntil`. */
const guardMs = 1;

export interface OraclePlan {
  readonly nextMs: number;
  /** To be made durable before the move; null when what is durable suffices. */
  readonly saveUntilMs: number | null;
}

export interface OracleTime {
  readonly physical: number;
  /** The last one of those that were taken. */
  readonly logical: number;
}

export class Oracle {
  readonly #windowMs: number;
  #physical = 0;
  #logical = 0;
  #savedUntilMs = 0;

  /** How far ahead of the present `savedUntil` is set. */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  get physicalMs(): number {
    return this.#physical;
  }
  get savedUntilMs(): number {
    return this.#savedUntilMs;
  }
  get logical(): number {
    return this.#logical;
  }

  /** What a new leader does first; `persistedMs` is the one before's `savedUntil`, 0 when there was none. */
  begin(persistedMs: number, nowMs: number): OraclePlan {
    const nextMs = nowMs - persistedMs < guardMs ? persistedMs + guardMs : nowMs;
    return { nextMs, saveUntilMs: nextMs + this.#windowMs };
  }

  /** Null: nothing to do. */
  plan(nowMs: number): OraclePlan | null {
    let nextMs: number;
    if (nowMs - this.#physical > guardMs) nextMs = nowMs;
    // The clock stands still, or was put back: time goes on by the counter alone.
    else if (this.#logical > logicalMax / 2) nextMs = this.#physical + guardMs;
    else return null;
    return { nextMs, saveUntilMs: this.#savedUntilMs - nextMs <= guardMs ? nextMs + this.#windowMs : null };
  }

  /** `untilMs` is durable. */
  saved(untilMs: number): void {
    assert(untilMs >= this.#savedUntilMs, "the saved end of the timestamps goes back");
    this.#savedUntilMs = untilMs;
  }

  move(nextMs: number): void {
    assert(nextMs < this.#savedUntilMs, "a timestamp beyond what is saved");
    if (nextMs <= this.#physical) return; // something else moved it further in between
    this.#physical = nextMs;
    this.#logical = 0;
  }

  /** `count` in a row, of which the answer is the last; null when this millisecond has no more: plan, move, and ask again. */
  take(count: number): OracleTime | null {
    if (this.#physical === 0 || this.#logical + count >= logicalMax) return null;
    this.#logical += count;
    return { physical: this.#physical, logical: this.#logical };
  }

  /** What setting the oracle forward by hand needs, or why it cannot be. */
  reset(to: OracleTime, nowMs: number, options: { readonly gapMaxMs: number; readonly isLargerForced: boolean }): OraclePlan | string {
    const present = this.#physical;
    if (to.physical < present || (to.physical === present && to.logical <= this.#logical)) return "the specified ts is smaller than now";
    if (!options.isLargerForced && to.physical - Math.max(nowMs, present) > options.gapMaxMs)
      return "the specified ts is too larger than now";
    // The counter below starts at 0, so the next millisecond is the first that is later than all of `to`.
    const nextMs = to.physical + guardMs;
    return { nextMs, saveUntilMs: this.#savedUntilMs - nextMs <= guardMs ? nextMs + this.#windowMs : null };
  }
}

/** physical × 2^18 + logical */
export function composeTso(time: OracleTime): bigint {
  return (BigInt(time.physical) << BigInt(logicalBits)) | BigInt(time.logical);
}

export function splitTso(tso: bigint): OracleTime {
  return { physical: Number(tso >> BigInt(logicalBits)), logical: Number(tso & BigInt(logicalMax - 1)) };
}
