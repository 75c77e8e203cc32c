/** Pessimistic locks that wait for others to be let go: until then, for a limited time, or until waiting would be a deadlock. */
import type { Clock, Timer } from "@skein/base";
import { nameOf } from "./concurrency.ts";
import type { Deadlock, WaitEdge } from "./core/wait-graph.ts";

export interface DeadlockDetector {
  /** `found` may be called once, at any time until `leave`. */
  enter(edge: WaitEdge, found: (deadlock: Deadlock) => void): void;
  leave(edge: WaitEdge): void;
}

export type WaitEnd =
  | { readonly kind: "released" }
  | { readonly kind: "timeout" }
  | { readonly kind: "deadlock"; readonly deadlock: Deadlock };

interface Waiter {
  readonly edge: WaitEdge;
  readonly sinceMs: number;
  readonly end: (how: WaitEnd) => void;
  /** Set when the lock was let go and somebody older went first. */
  later: Timer | null;
}

export class LockWaits {
  readonly #waiters = new Map<string, Waiter[]>();
  readonly #clock: Clock;
  readonly #detector: DeadlockDetector;
  readonly #waitersMax: number;
  readonly #wakeDelayMs: number;
  #count = 0;

  constructor(options: {
    readonly clock: Clock;
    readonly detector: DeadlockDetector;
    readonly waitersMax?: number;
    readonly wakeDelayMs?: number;
  }) {
    this.#clock = options.clock;
    this.#detector = options.detector;
    this.#waitersMax = options.waitersMax ?? 10_000;
    this.#wakeDelayMs = options.wakeDelayMs ?? 20;
  }

  get count(): number {
    return this.#count;
  }

  /** Waits until the key's lock was let go. With too many in line it ends at once, as after a timeout. */
  async wait(key: Uint8Array, edge: WaitEdge, waitMs: number, signal?: AbortSignal): Promise<WaitEnd> {
    if (this.#count >= this.#waitersMax || waitMs <= 0 || signal?.aborted === true) return { kind: "timeout" };
    const { promise, resolve } = Promise.withResolvers<WaitEnd>();
    const waiter: Waiter = { edge, sinceMs: this.#clock.monotonicMs(), end: resolve, later: null };
    const name = nameOf(key);
    const line = this.#waiters.get(name) ?? [];
    line.push(waiter);
    this.#waiters.set(name, line);
    this.#count++;
    const timer: Timer = this.#clock.timer(waitMs, () => resolve({ kind: "timeout" }), { keepAlive: true });
    const onAbort = () => resolve({ kind: "timeout" });
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#detector.enter(edge, (deadlock) => resolve({ kind: "deadlock", deadlock }));
    try {
      return await promise;
    } finally {
      timer.cancel();
      waiter.later?.cancel();
      signal?.removeEventListener("abort", onAbort);
      this.#detector.leave(edge);
      this.#count--;
      const rest = (this.#waiters.get(name) ?? []).filter((other) => other !== waiter);
      if (rest.length === 0) this.#waiters.delete(name);
      else this.#waiters.set(name, rest);
    }
  }

  /**
   * Locks on these keys are gone. The oldest transaction goes on at once, the others a little later: by then it has the lock, and
   * they stand behind it, or it has given up.
   */
  released(keys: readonly Uint8Array[]): void {
    if (this.#count === 0) return;
    for (const key of keys) {
      const line = this.#waiters.get(nameOf(key));
      if (line === undefined) continue;
      const [first, ...others] = [...line].sort((a, b) => (a.edge.txn < b.edge.txn ? -1 : 1));
      first?.end({ kind: "released" });
      for (const waiter of others)
        waiter.later ??= this.#clock.timer(this.#wakeDelayMs, () => waiter.end({ kind: "released" }), { keepAlive: true });
    }
  }

  /** For diagnosis. */
  edges(): (WaitEdge & { readonly waitedMs: number })[] {
    const now = this.#clock.monotonicMs();
    return [...this.#waiters.values()].flat().map(({ edge, sinceMs }) => ({ ...edge, waitedMs: now - sinceMs }));
  }
}

/** 64 bits of a key (FNV-1a). Only equality counts. */
export function hashOf(key: Uint8Array): bigint {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  for (const byte of key) {
    low ^= byte;
    // × 0x100000001b3 in two halves of 32 bits
    const lowProduct = (low >>> 0) * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(lowProduct / 0x1_0000_0000) + ((low << 8) >>> 0)) >>> 0;
    low = lowProduct >>> 0;
  }
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}
