/**
 * Room for answers of unary calls that their callers have not read yet, over all connections of a process. Each answer has its own
 * limit; many callers who ask for large ones and read slowly must not fill the memory together.
 *
 * Without room an answer is refused. So that nobody holds the room by not reading, those who have held a part of it for long are
 * cut off first, oldest first.
 */
export class AnswerRoom {
  readonly bytesMax: number;
  readonly #readMs: number;
  #used = 0;
  /** Oldest first. */
  readonly #held = new Set<Held>();

  /** `readMs`: nobody is cut off before. */
  constructor(bytesMax: number, readMs = 10_000) {
    this.bytesMax = bytesMax;
    this.#readMs = readMs;
  }

  get used(): number {
    return this.#used;
  }

  /** Null: there is none. Else what gives it back. `cutOff` is called at most once, after which nothing need be given back. */
  take(bytes: number, nowMs: number, cutOff: () => void): (() => void) | null {
    for (const held of this.#held) {
      if (this.#used + bytes <= this.bytesMax || nowMs - held.sinceMs < this.#readMs) break;
      this.#free(held);
      held.cutOff();
    }
    if (this.#used + bytes > this.bytesMax) return null;
    const held: Held = { bytes, sinceMs: nowMs, cutOff };
    this.#held.add(held);
    this.#used += bytes;
    return () => this.#free(held);
  }

  #free(held: Held): void {
    if (this.#held.delete(held)) this.#used -= held.bytes;
  }
}

interface Held {
  readonly bytes: number;
  readonly sinceMs: number;
  readonly cutOff: () => void;
}

/** Shorter ones are gone with the next write, or are held by the system; they are not counted. */
export const smallAnswerBytes = 64 * 1024;

/** Of this process: four messages of the largest size. */
export const answerRoom = new AnswerRoom(256 * 1024 * 1024);
