/** The regions of a store in key order. They never overlap. */
import { assert, compareBytes } from "@skein/base";
import { containsKey, overlaps, type Region } from "./core/region.ts";

export class RegionIndex<T extends { readonly region: Region }> {
  /** By start key. */
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }
  [Symbol.iterator](): IterableIterator<T> {
    return this.#items.values();
  }

  /** The first one that begins after `key`. */
  #after(key: Uint8Array): number {
    let [from, to] = [0, this.#items.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (compareBytes((this.#items[middle] as T).region.startKey, key) <= 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  at(key: Uint8Array): T | undefined {
    const item = this.#items[this.#after(key) - 1];
    return item !== undefined && containsKey(item.region, key) ? item : undefined;
  }

  /** Those whose ranges have a key in common with that of `region`. */
  overlapping(region: Region): T[] {
    const out: T[] = [];
    for (let i = Math.max(0, this.#after(region.startKey) - 1); i < this.#items.length; i++) {
      const item = this.#items[i] as T;
      if (region.endKey.length > 0 && compareBytes(item.region.startKey, region.endKey) >= 0) break;
      if (overlaps(item.region, region)) out.push(item);
    }
    return out;
  }

  /** The item itself, then those right before it and right behind it, nearest first; where a range is of no item, they end. */
  around(item: T, beforeMax: number, behindMax: number): T[] {
    const out = [item];
    const at = this.#after(item.region.startKey) - 1;
    if (this.#items[at] !== item) return out;
    for (let i = at - 1; i >= 0 && i >= at - beforeMax && this.#touch(i); i--) out.push(this.#items[i] as T);
    for (let i = at + 1; i < this.#items.length && i <= at + behindMax && this.#touch(i - 1); i++) out.push(this.#items[i] as T);
    return out;
  }
  /** Whether the one at a place ends where the next one begins. */
  #touch(at: number): boolean {
    const [left, right] = [this.#items[at] as T, this.#items[at + 1] as T];
    return left.region.endKey.length > 0 && compareBytes(left.region.endKey, right.region.startKey) === 0;
  }

  add(item: T): void {
    assert(this.overlapping(item.region).length === 0, `region ${item.region.id} overlaps another one of this store`);
    this.#items.splice(this.#after(item.region.startKey), 0, item);
  }

  remove(item: T): void {
    const at = this.#items.indexOf(item, Math.max(0, this.#after(item.region.startKey) - 1));
    if (at !== -1) this.#items.splice(at, 1);
  }
}
