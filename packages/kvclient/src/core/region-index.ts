/** Regions by the keys they hold: a sorted list of ranges that never overlap; the newest word on a range wins. */
import { compareBytes } from "@skein/base";
import { inRange } from "./keys.ts";

export interface Replica {
  readonly id: number;
  readonly storeId: number;
  readonly isVoter: boolean;
}

export interface RegionFacts {
  readonly id: number;
  /** In the user's form. */
  readonly startKey: Uint8Array;
  /** Empty: to the end. */
  readonly endKey: Uint8Array;
  readonly confVer: number;
  readonly version: number;
  readonly replicas: readonly Replica[];
}

/** A region as it was last heard of; `leader` moves as stores answer. */
export interface CachedRegion extends RegionFacts {
  /** Index into `replicas`. */
  leader: number;
  /** False when something newer took its place, or it was found to be wrong. */
  isValid: boolean;
}

export class RegionIndex {
  private readonly sorted: CachedRegion[] = [];

  get size(): number {
    return this.sorted.length;
  }

  /** The region that holds `key`. */
  find(key: Uint8Array): CachedRegion | null {
    const region = this.sorted[this.after(key) - 1];
    return region !== undefined && inRange(key, region.startKey, region.endKey) ? region : null;
  }

  /** The region that holds the keys right before `key`; empty means the last one. */
  findBefore(key: Uint8Array): CachedRegion | null {
    if (key.length === 0) {
      const last = this.sorted.at(-1);
      return last !== undefined && last.endKey.length === 0 ? last : null;
    }
    let low = this.after(key) - 1;
    const at = this.sorted[low];
    if (at !== undefined && compareBytes(at.startKey, key) === 0) low--;
    const region = this.sorted[low];
    return region !== undefined && (region.endKey.length === 0 || compareBytes(key, region.endKey) <= 0) ? region : null;
  }

  /** Takes a region in, in place of all that overlap it; keeps what is there when that is as new: it knows more of leaders. */
  put(facts: RegionFacts, leaderStoreId: number): CachedRegion {
    let from = this.after(facts.startKey) - 1;
    const before = this.sorted[from];
    if (before === undefined || (before.endKey.length > 0 && compareBytes(before.endKey, facts.startKey) <= 0)) from++;
    let to = from;
    for (let each = this.sorted[to]; each !== undefined; each = this.sorted[++to]) {
      if (facts.endKey.length > 0 && compareBytes(each.startKey, facts.endKey) >= 0) break;
      const isAsNew =
        each.id === facts.id && (each.version > facts.version || (each.version === facts.version && each.confVer >= facts.confVer));
      if (isAsNew) return each;
    }
    const leader = Math.max(
      0,
      facts.replicas.findIndex(({ storeId }) => storeId === leaderStoreId),
    );
    const region: CachedRegion = { ...facts, leader, isValid: true };
    for (const old of this.sorted.splice(from, to - from, region)) old.isValid = false;
    return region;
  }

  remove(region: CachedRegion): void {
    region.isValid = false;
    const at = this.after(region.startKey) - 1;
    if (this.sorted[at] === region) this.sorted.splice(at, 1);
  }

  /** How many regions begin at or before `key`. */
  private after(key: Uint8Array): number {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes((this.sorted[middle] as CachedRegion).startKey, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
