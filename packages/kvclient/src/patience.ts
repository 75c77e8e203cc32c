/** Waiting before something is tried again: how long depends on why; how long in all is the caller's budget. */
import type { World } from "@skein/base";
import { kvErrors } from "./errors.ts";

interface Curve {
  readonly firstMs: number;
  readonly longestMs: number;
}

const curves = {
  /** A region is elsewhere, was split, or has no leader yet. */
  region: { firstMs: 2, longestMs: 500 },
  /** A store does not answer. */
  store: { firstMs: 20, longestMs: 1500 },
  /** A store says that it has too much to do. */
  busy: { firstMs: 50, longestMs: 3000 },
  /** The placement driver had no answer. */
  placement: { firstMs: 50, longestMs: 2000 },
  /** A lock of another transaction stands in the way of a reader. */
  lockFast: { firstMs: 2, longestMs: 1000 },
  /** … of a writer. */
  lock: { firstMs: 10, longestMs: 2000 },
} satisfies Readonly<Record<string, Curve>>;
export type BackoffKind = keyof typeof curves;

/** One call over many regions may meet as many splits. */
const immediateMax = 64;

export class Patience {
  private readonly world: World;
  private readonly what: string;
  private readonly budgetMs: number;
  private readonly signal: AbortSignal;
  private readonly startMs: number;
  private readonly tries = new Map<BackoffKind, number>();
  private count = 0;
  private immediate = 0;

  constructor(world: World, what: string, budgetMs: number, signal: AbortSignal) {
    this.world = world;
    this.what = what;
    this.budgetMs = budgetMs;
    this.signal = signal;
    this.startMs = world.clock.monotonicMs();
  }

  /** Whether its signal has aborted: nothing more is to be sent. */
  get isOver(): boolean {
    return this.signal.aborted;
  }

  /** Throws the signal's reason when that has aborted. */
  mustGoOn(): void {
    this.signal.throwIfAborted();
  }

  /** Waits no longer than until the signal aborts: then it rejects with the signal's reason, and what becomes of the work is not known. */
  async race<T>(work: Promise<T>): Promise<T> {
    const { signal } = this;
    // The client's own end ends its connections, and with them all that waits for an answer.
    if (!ofCallers.has(signal)) return work;
    const { promise, reject } = Promise.withResolvers<never>();
    const stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    try {
      return await Promise.race([work, promise]);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  get waitedMs(): number {
    return Math.round(this.world.clock.monotonicMs() - this.startMs);
  }

  /** For what is tried again at once: waits when that goes on and on, as when stores and the placement driver never agree. */
  async again(cause: unknown): Promise<void> {
    if (++this.immediate % immediateMax === 0) await this.wait("region", cause);
    else this.signal.throwIfAborted();
  }

  /** Rejects with `timedOut` when the budget is spent, `cause` being the last reason; with the signal's reason when it aborts. */
  async wait(kind: BackoffKind, cause: unknown, atLeastMs = 0): Promise<void> {
    this.signal.throwIfAborted();
    const tries = this.tries.get(kind) ?? 0;
    this.tries.set(kind, tries + 1);
    this.count++;
    const { firstMs, longestMs } = curves[kind];
    const fullMs = Math.min(firstMs * 2 ** Math.min(tries, 20), longestMs);
    const waitMs = Math.max(atLeastMs, fullMs / 2 + this.world.random.float() * (fullMs / 2));
    if (this.waitedMs + waitMs > this.budgetMs) throw kvErrors.timedOut([this.what, this.waitedMs, this.count], cause);
    await this.world.clock.sleep(waitMs, this.signal);
  }
}

/** Signals of which callers have a part. */
const ofCallers = new WeakSet<AbortSignal>();

/** Aborts with the first of them. */
export function eitherOf(closing: AbortSignal, caller: AbortSignal | undefined): AbortSignal {
  if (caller === undefined) return closing;
  const either = AbortSignal.any([closing, caller]);
  ofCallers.add(either);
  return either;
}
