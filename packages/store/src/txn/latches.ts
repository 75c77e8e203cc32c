/** Commands that touch the same keys go one after the other. A command stands in all its lines at once, so that none waits in a circle. */

interface Waiter {
  /** Lines in which it is not the first. */
  missing: number;
  readonly names: readonly string[];
  readonly start: () => void;
}

export class Latches {
  readonly #lines = new Map<string, Waiter[]>();
  #waiting = 0;

  /** Commands that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Null when the keys are free: they are the caller's, who must `release`. Names may repeat. */
  acquire(names: readonly string[]): { readonly ready: Promise<void> | null; readonly release: () => void } {
    const unique = names.length === 1 ? names : [...new Set(names)];
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { missing: 0, names: unique, start: resolve };
    for (const name of unique) {
      const line = this.#lines.get(name);
      if (line === undefined) this.#lines.set(name, [waiter]);
      else {
        line.push(waiter);
        waiter.missing++;
      }
    }
    if (waiter.missing > 0) this.#waiting++;
    return { ready: waiter.missing === 0 ? null : promise, release: () => this.#release(waiter) };
  }

  #release(waiter: Waiter): void {
    if (waiter.missing > 0) this.#waiting--; // gave up
    for (const name of waiter.names) {
      const line = this.#lines.get(name) as Waiter[];
      const at = line.indexOf(waiter);
      line.splice(at, 1);
      const next = line[0];
      if (next === undefined) this.#lines.delete(name);
      else if (at === 0 && --next.missing === 0) {
        this.#waiting--;
        next.start();
      }
    }
  }
}
