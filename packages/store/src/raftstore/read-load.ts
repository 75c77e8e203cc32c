/** What clients read of a region on this store: counted as it is read, told in heartbeats. */
import type { EngineReader, Family, KeyRange, Pair, ReadTally, ScanOptions } from "../engine/engine.ts";

/** Keys count once for each version and lock that was looked at, bytes are those of keys and values. */
export interface ReadLoad extends ReadTally {
  /** Requests that read by key, and by range. */
  gets: number;
  scans: number;
}

export const noReads: Readonly<ReadLoad> = { bytes: 0, keys: 0, gets: 0, scans: 0 };

export function readsSince(now: Readonly<ReadLoad>, before: Readonly<ReadLoad>): ReadLoad {
  return {
    bytes: now.bytes - before.bytes,
    keys: now.keys - before.keys,
    gets: now.gets - before.gets,
    scans: now.scans - before.scans,
  };
}

/** A reader whose reads are counted. One object for each request, and nothing for each key. */
export class CountedReader implements EngineReader {
  readonly #reader: EngineReader;
  readonly #load: ReadLoad;

  constructor(reader: EngineReader, load: ReadLoad) {
    this.#reader = reader;
    this.#load = load;
  }

  get(family: Family, key: Uint8Array): Uint8Array | null {
    const value = this.#reader.get(family, key);
    if (value !== null) {
      this.#load.bytes += key.length + value.length;
      this.#load.keys++;
    }
    return value;
  }

  scan(family: Family, range: KeyRange, options?: ScanOptions): AsyncIterable<readonly Pair[]> {
    return this.#reader.scan(family, range, { ...options, tally: this.#load });
  }

  async heads(family: Family, ranges: readonly KeyRange[], limit: number): Promise<(readonly Pair[])[]> {
    const heads = await this.#reader.heads(family, ranges, limit);
    for (const pairs of heads)
      for (const { key, value } of pairs) {
        this.#load.bytes += key.length + value.length;
        this.#load.keys++;
      }
    return heads;
  }
}
