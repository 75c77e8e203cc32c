/** What a transaction has written and not yet committed. A key is written once: the last word counts. */
import { compareBytes } from "@skein/base";
import { inRange, mapKey } from "./keys.ts";

export interface BufferedWrite {
  readonly key: Uint8Array;
  /** Null: deleted. */
  readonly value: Uint8Array | null;
  /** The key must not exist when it is committed. */
  readonly isInsert: boolean;
}

export interface BufferLimits {
  readonly keysMax: number;
  readonly bytesMax: number;
  readonly entryBytesMax: number;
}

export const defaultLimits: BufferLimits = { keysMax: 300_000, bytesMax: 100 * 1024 * 1024, entryBytesMax: 6 * 1024 * 1024 };

export type Excess = { readonly what: string; readonly size: number; readonly sizeMax: number };

export class MemoryBuffer {
  private readonly limits: BufferLimits;
  private readonly writes = new Map<string, BufferedWrite>();
  /** Null after a new key came in. */
  private order: readonly BufferedWrite[] | null = [];
  private bytes = 0;

  constructor(limits: BufferLimits = defaultLimits) {
    this.limits = limits;
  }

  get size(): number {
    return this.writes.size;
  }

  get sizeBytes(): number {
    return this.bytes;
  }

  get(key: Uint8Array): BufferedWrite | undefined {
    return this.writes.get(mapKey(key));
  }

  /** Null when it was taken in, else which limit is in its way. */
  put(key: Uint8Array, value: Uint8Array | null, isInsert: boolean): Excess | null {
    const name = mapKey(key);
    const old = this.writes.get(name);
    const entryBytes = key.length + (value?.length ?? 0);
    const bytes = this.bytes + entryBytes - (old === undefined ? 0 : old.key.length + (old.value?.length ?? 0));
    const { keysMax, bytesMax, entryBytesMax } = this.limits;
    if (entryBytes > entryBytesMax) return { what: "an entry in bytes", size: entryBytes, sizeMax: entryBytesMax };
    if (bytes > bytesMax) return { what: "a transaction in bytes", size: bytes, sizeMax: bytesMax };
    if (old === undefined && this.writes.size >= keysMax)
      return { what: "a transaction in keys", size: this.writes.size + 1, sizeMax: keysMax };
    // What was inserted and then put again must still not have existed before.
    this.writes.set(name, { key, value, isInsert: isInsert || (old?.isInsert ?? false) });
    this.bytes = bytes;
    this.order = null;
    return null;
  }

  /** In key order. */
  sorted(): readonly BufferedWrite[] {
    this.order ??= [...this.writes.values()].sort((a, b) => compareBytes(a.key, b.key));
    return this.order;
  }

  /** In key order, or against it. */
  range(start: Uint8Array, end: Uint8Array, reverse: boolean): readonly BufferedWrite[] {
    const found = this.sorted().filter(({ key }) => inRange(key, start, end));
    return reverse ? found.reverse() : found;
  }
}
