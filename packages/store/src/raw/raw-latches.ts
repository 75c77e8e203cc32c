/** Blind writes of a key run together; a compare-and-swap runs alone, and in the order in which it came. */

interface Line {
  shared: number;
  isAlone: boolean;
  readonly queue: { readonly alone: boolean; readonly start: () => void }[];
}

export class RawLatches {
  readonly #lines = new Map<string, Line>();

  /** Null: the key is free, and taken. Afterwards `release` in any case. */
  acquire(name: string, alone: boolean): Promise<void> | null {
    const line = this.#lines.get(name);
    if (line === undefined) {
      this.#lines.set(name, { shared: alone ? 0 : 1, isAlone: alone, queue: [] });
      return null;
    }
    if (!alone && !line.isAlone && line.queue.length === 0) {
      line.shared++;
      return null;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    line.queue.push({ alone, start: resolve });
    return promise;
  }

  release(name: string, alone: boolean): void {
    const line = this.#lines.get(name) as Line;
    if (alone) line.isAlone = false;
    else line.shared--;
    for (let next = line.queue[0]; next !== undefined; next = line.queue[0]) {
      if (line.isAlone || (next.alone && line.shared > 0)) return;
      line.queue.shift();
      if (next.alone) line.isAlone = true;
      else line.shared++;
      next.start();
    }
    if (!line.isAlone && line.shared === 0) this.#lines.delete(name);
  }
}
