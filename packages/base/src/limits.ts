/** Limits that callers wait for. */

/** At most `limit` holders at once; waiters are served in order. */
export class Semaphore {
  readonly #limit: number;
  #held = 0;
  readonly #waiters: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  async acquire(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#held >= this.#limit) {
      await new Promise<void>((resolve, reject) => {
        const wake = () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        };
        const onAbort = () => {
          const at = this.#waiters.indexOf(wake);
          if (at !== -1) this.#waiters.splice(at, 1);
          reject(signal?.reason);
        };
        signal?.addEventListener("abort", onAbort, { once: true });
        this.#waiters.push(wake); // the one who releases hands its place over, so `held` does not change
      });
    } else this.#held++;
    let released = false;
    return {
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        const next = this.#waiters.shift();
        if (next === undefined) this.#held--;
        else next();
      },
    };
  }
}

/** Waits between tries: grows by `factor` from `minMs` to `maxMs`, with jitter so that peers do not come back together. */
export class Backoff {
  readonly #options: { readonly minMs: number; readonly maxMs: number; readonly factor: number; readonly jitter: boolean };
  readonly #draw: () => number;
  #currentMs: number;

  constructor(options: { minMs: number; maxMs: number; factor?: number; jitter?: boolean }, draw: () => number) {
    this.#options = { factor: 2, jitter: true, ...options };
    this.#draw = draw;
    this.#currentMs = options.minMs;
  }

  /** The present wait, without moving on. */
  get currentMs(): number {
    return this.#options.jitter ? this.#currentMs * (0.5 + this.#draw() / 2) : this.#currentMs;
  }
  forward(): void {
    this.#currentMs = Math.min(this.#options.maxMs, this.#currentMs * this.#options.factor);
  }
  rollback(): void {
    this.#currentMs = Math.max(this.#options.minMs, this.#currentMs / this.#options.factor);
  }
  reset(): void {
    this.#currentMs = this.#options.minMs;
  }
  /** The present wait; the next one is longer. */
  next(): number {
    const ms = this.currentMs;
    this.forward();
    return ms;
  }
}
