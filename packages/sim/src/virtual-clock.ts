import type { Clock } from "@skein/base";

/**
 * Time that moves only when everything that could happen now has happened. Events of one moment run in the order in
 * which they were made, so a run depends on nothing but its seed.
 */
export class VirtualClock {
  #nowMs: number;
  #sequence = 0;
  /** A binary heap by (atMs, sequence). */
  readonly #heap: Scheduled[] = [];

  constructor(startMs = Date.UTC(2024, 0, 1)) {
    this.#nowMs = startMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }
  get pending(): number {
    return this.#heap.length;
  }

  schedule(delayMs: number, run: () => void): { cancel(): void } {
    const entry: Scheduled = { atMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence++, run };
    push(this.#heap, entry);
    return {
      cancel: () => {
        entry.run = undefined;
      },
    };
  }

  /** Runs the next event; false when there is none before `endMs`. */
  step(endMs = Number.POSITIVE_INFINITY): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > endMs) return false;
      pop(this.#heap);
      if (next.run === undefined) continue;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
      return true;
    }
  }

  advanceTo(ms: number): void {
    this.#nowMs = Math.max(this.#nowMs, ms);
  }

  /**
   * The clock as one node sees it. `skewMs` shifts its wall time; `drift` makes its seconds longer or shorter than others'; after
   * `isDead()` nothing of that node ever fires again.
   */
  forNode(options: { readonly skewMs: () => number; readonly isDead: () => boolean; readonly drift?: Drift }): Clock {
    const { drift } = options;
    /** Of everyone's time, for so much of the node's. */
    const real = (ms: number) => ms / (drift?.rate ?? 1);
    const guarded = (run: () => void) => () => {
      if (!options.isDead()) run();
    };
    return {
      nowMs: () => this.#nowMs + options.skewMs(),
      monotonicMs: () => (drift === undefined ? this.#nowMs : drift.atMs + (this.#nowMs - drift.sinceMs) * drift.rate),
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          if (signal?.aborted === true) return reject(signal.reason);
          const timer = this.schedule(
            real(ms),
            guarded(() => {
              signal?.removeEventListener("abort", onAbort);
              resolve();
            }),
          );
          const onAbort = () => {
            timer.cancel();
            reject(signal?.reason);
          };
          signal?.addEventListener("abort", onAbort, { once: true });
        }),
      timer: (ms, run) => this.schedule(real(ms), guarded(run)),
      afterTurn: (run) => void this.schedule(0, guarded(run)),
    };
  }
}

/** How fast a node's clock runs: `rate` seconds of its own in one of everyone's, since `sinceMs`, when it showed `atMs`. */
export interface Drift {
  rate: number;
  sinceMs: number;
  atMs: number;
}

interface Scheduled {
  readonly atMs: number;
  readonly sequence: number;
  /** Undefined once cancelled. */
  run: (() => void) | undefined;
}

function before(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}

function push(heap: Scheduled[], entry: Scheduled): void {
  let at = heap.push(entry) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(entry, heap[parent] as Scheduled)) break;
    heap[at] = heap[parent] as Scheduled;
    at = parent;
  }
  heap[at] = entry;
}

function pop(heap: Scheduled[]): void {
  const last = heap.pop() as Scheduled;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = at * 2 + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1] as Scheduled, heap[child] as Scheduled)) child++;
    if (!before(heap[child] as Scheduled, last)) break;
    heap[at] = heap[child] as Scheduled;
    at = child;
  }
  heap[at] = last;
}
