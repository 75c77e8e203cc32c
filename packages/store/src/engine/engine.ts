/**
 * The local engine: ordered keys in a few families, atomic batches, snapshots. One implementation on classic-level, one in
 * memory for simulation (with what a crash takes: everything since the last `sync`).
 *
 * Point reads are synchronous: an awaited one costs ten times as much. Scans are asynchronous and come in blocks.
 */

/** `data` is raw and `default` values, `lock` and `write` are Percolator's, `local` is the store's own state of its regions. */
export type Family = "default" | "lock" | "write" | "local";

/** A batch is done in order: a later write of a key wins. */
export type EngineWrite =
  | { readonly kind: "put"; readonly family: Family; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly family: Family; readonly key: Uint8Array }
  /** `end` is not in it. */
  | { readonly kind: "deleteRange"; readonly family: Family; readonly start: Uint8Array; readonly end: Uint8Array };

/** Keys in the order of their bytes. */
export interface KeyRange {
  /** In it. */
  readonly start: Uint8Array;
  /** Not in it; empty: to the end of the family. */
  readonly end: Uint8Array;
}

export interface ScanOptions {
  readonly reverse?: boolean;
  /** Pairs, at most. */
  readonly limit?: number;
  /** Values stay empty. */
  readonly keysOnly?: boolean;
  /** What is read is added to it, block by block. */
  readonly tally?: ReadTally;
}

/** Pairs that were found, and the bytes of their keys and values. */
export interface ReadTally {
  bytes: number;
  keys: number;
}

/** A key of a family, and what stands under it. */
export interface Pair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Reads of one state. */
export interface EngineReader {
  get(family: Family, key: Uint8Array): Uint8Array | null;
  /** Blocks of pairs in key order; ending early releases the iterator. */
  scan(family: Family, range: KeyRange, options?: ScanOptions): AsyncIterable<readonly Pair[]>;
  /** Of each range the first pairs, `limit` at most. Ranges with ends, in order and apart: all of them are one walk. */
  heads(family: Family, ranges: readonly KeyRange[], limit: number): Promise<(readonly Pair[])[]>;
}

/** A fixed state; holds resources until it is disposed of. */
export interface EngineSnapshot extends EngineReader, Disposable {}

export interface Engine extends EngineReader, AsyncDisposable {
  /** All or nothing. Not durable before `sync`, or `{ sync: true }`; a crash keeps a prefix of the writes. */
  write(writes: readonly EngineWrite[], options?: { readonly sync?: boolean }): Promise<void>;
  /** Everything written before is durable when it returns. */
  sync(): Promise<void>;
  snapshot(): EngineSnapshot;
  /** Removes a range of any size piece by piece, in bounded memory: a crash may leave a part of it. */
  clear(family: Family, range: KeyRange): Promise<void>;
  /** Bytes on disk of a range, roughly. */
  approximateSize(family: Family, range: KeyRange): Promise<number>;
}
