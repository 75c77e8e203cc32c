/**
 * Room for what has been received and not been dealt with, over all connections of a process. Each message has its own limit; a
 * thousand callers who stay under it must not fill the memory together: a call without room is refused with `resource_exhausted`.
 * It is refused, and does not wait, because those who hold the room may be waiting, too: half a message each, with no end to come.
 *
 * Small messages may go beyond the limit by a fourth: heartbeats and lookups pass while large ones are refused.
 */
export class ByteBudget {
  readonly bytesMax: number;
  #used = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get used(): number {
    return this.#used;
  }

  /** False when there is no room. What was taken is given back by `free`. */
  take(bytes: number): boolean {
    const used = this.#used + bytes;
    if (used > (bytes <= smallBytes ? this.bytesMax * 1.25 : this.bytesMax)) return false;
    this.#used = used;
    return true;
  }

  free(bytes: number): void {
    this.#used -= bytes;
  }
}

const smallBytes = 64 * 1024;

/** Of this process: four messages of the largest size, or many thousand usual ones. */
export const receivedBytes = new ByteBudget(256 * 1024 * 1024);
