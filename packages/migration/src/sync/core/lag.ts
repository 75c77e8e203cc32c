/**
 * How far the target is behind the source, in milliseconds of the source's clock. It is 0 only when the source itself has said,
 * not long ago, that there is nothing that was not applied.
 */
export class LagMeter {
  #pendingSinceMs: number | null = null;
  #aheadSinceMs: number | null = null;
  #confirmedMs: number | null = null;
  #clockOffsetMs = 0;

  /** Local time + offset = the source's time. */
  setClockOffset(offsetMs: number): void {
    this.#clockOffsetMs = offsetMs;
  }

  /** The commit time of the oldest transaction that is read and not applied; null when all that was read is applied. */
  setPending(committedMs: number | null): void {
    this.#pendingSinceMs = committedMs;
  }

  /** The source's own position was asked for at `nowMs` (local), and is, or is not, beyond what is applied. */
  observeSource(nowMs: number, isAhead: boolean): void {
    if (isAhead) this.#aheadSinceMs ??= this.#confirmedMs ?? nowMs;
    else {
      this.#aheadSinceMs = null;
      this.#confirmedMs = nowMs;
    }
  }

  /** `staleMs`: a confirmation that is older says nothing any more. */
  lagMs(nowMs: number, staleMs: number): number {
    const sourceNowMs = nowMs + this.#clockOffsetMs;
    if (this.#pendingSinceMs !== null) return Math.max(1, Math.round(sourceNowMs - this.#pendingSinceMs));
    if (this.#aheadSinceMs !== null) return Math.max(1, Math.round(nowMs - this.#aheadSinceMs));
    if (this.#confirmedMs === null) return 1;
    return nowMs - this.#confirmedMs <= staleMs ? 0 : Math.round(nowMs - this.#confirmedMs);
  }
}
