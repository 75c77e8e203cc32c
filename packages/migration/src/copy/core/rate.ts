/** Rates of the last seconds, and how long the rest takes at them. Pure: the caller brings the time. */

interface Sample {
  readonly atMs: number;
  readonly rows: number;
  readonly bytes: number;
}

const windowMs = 10_000;
const sampleGapMs = 250;

export interface Rates {
  readonly rowsPerSecond: number;
  readonly bytesPerSecond: number;
}

export class RateMeter {
  #samples: Sample[] = [];

  /** Totals as they are at `atMs`. */
  note(atMs: number, rows: number, bytes: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && atMs - last.atMs < sampleGapMs) return;
    this.#samples.push({ atMs, rows, bytes });
    while (this.#samples.length > 2 && atMs - (this.#samples[1] as Sample).atMs > windowMs) this.#samples.shift();
  }

  /** Over the window that ends now. */
  rates(atMs: number, rows: number, bytes: number): Rates {
    const first = this.#samples[0];
    if (first === undefined || atMs <= first.atMs) return { rowsPerSecond: 0, bytesPerSecond: 0 };
    const seconds = (atMs - first.atMs) / 1000;
    return { rowsPerSecond: (rows - first.rows) / seconds, bytesPerSecond: (bytes - first.bytes) / seconds };
  }
}

/** Null while nothing moves or nothing is known. */
export function etaSeconds(rowsLeft: number, rowsPerSecond: number): number | null {
  if (rowsLeft <= 0) return 0;
  return rowsPerSecond > 0 ? Math.ceil(rowsLeft / rowsPerSecond) : null;
}
