/**
 * Ids from windows whose ends are durable before an id of them is given. A new leader starts at the end that the one before it saved:
 * ids may be skipped, they never come twice.
 */
import { assert } from "@skein/base";

export const idWindowStep = 1000;

export class IdWindow {
  /** The last id that was given. */
  #last = 0;
  #end = 0;

  get remaining(): number {
    return this.#end - this.#last;
  }

  /** The end to save when `count` ids are wanted and the window has fewer. `persistedEnd` is what stands in the metadata. */
  endFor(count: number, persistedEnd: number): number {
    const steps = Math.max(1, Math.ceil(count / idWindowStep));
    return persistedEnd + steps * idWindowStep;
  }

  /** The window `from`+1 … `end` is durable. */
  saved(from: number, end: number): void {
    assert(from >= this.#end && end > from, "a window of ids overlaps the one before it");
    this.#last = from;
    this.#end = end;
  }

  /** The last of `count` in a row. */
  take(count: number): number {
    assert(count > 0 && count <= this.remaining, "more ids are taken than the window has");
    this.#last += count;
    return this.#last;
  }
}
