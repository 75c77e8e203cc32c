/** No more than so many bytes a second, over some time. */
import type { Clock } from "@skein/base";

/** What may go at once after a pause. */
const burstMs = 50;

export class Pace {
  readonly #clock: Pick<Clock, "monotonicMs" | "sleep">;
  readonly #bytesPerMs: number;
  /** When all that was taken has had its time. */
  #busyUntilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, "monotonicMs" | "sleep">, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** Resolves when it is their turn; whoever asks first goes first. */
  async take(bytes: number): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const fromMs = Math.max(this.#busyUntilMs, nowMs - burstMs);
    this.#busyUntilMs = fromMs + bytes / this.#bytesPerMs;
    if (fromMs > nowMs) await this.#clock.sleep(fromMs - nowMs);
  }
}
