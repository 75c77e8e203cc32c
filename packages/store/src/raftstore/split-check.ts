/** How large a region is, and where it would be split. */
import { compareBytes } from "@skein/base";
import type { EngineReader, Family } from "../engine/engine.ts";
import { type Region } from "./core/region.ts";

export interface Measure {
  readonly bytes: number;
  readonly keys: number;
  /** Ascending, inside of the region: about a step apart. */
  readonly boundaries: readonly Uint8Array[];
  /** Of a step, behind the last of them. */
  readonly rest: number;
}

/** Whichever is reached first. */
export interface Step {
  readonly bytes: number;
  readonly keys: number;
}

export async function measureRegion(reader: EngineReader, region: Region, steps: Step): Promise<Measure> {
  const range = { start: region.startKey, end: region.endKey };
  const sizes = new Map<Family, number>();
  const counts = new Map<Family, number>();
  let bytes = 0;
  for (const family of ["default", "lock", "write"] as const) {
    let [size, count] = [0, 0];
    for await (const block of reader.scan(family, range)) {
      for (const { key, value } of block) size += key.length + value.length;
      count += block.length;
    }
    sizes.set(family, size);
    counts.set(family, count);
    bytes += size;
  }
  // A row's long value is in another family than its record of the commit.
  const keys = Math.max(counts.get("write") ?? 0, counts.get("default") ?? 0);
  if (bytes <= steps.bytes && keys <= steps.keys) return { bytes, keys, boundaries: [], rest: 0 };
  // One family's keys tell where: that of the committed writes where there are any, for every row has one there.
  const family: Family = (sizes.get("write") ?? 0) > 0 ? "write" : "default";
  const stepBytes = steps.bytes * ((sizes.get(family) ?? 0) / bytes);
  const boundaries: Uint8Array[] = [];
  let since = 0;
  let keysSince = 0;
  for await (const block of reader.scan(family, range))
    for (const { key, value } of block) {
      since += key.length + value.length;
      keysSince++;
      if (since < stepBytes && keysSince < steps.keys) continue;
      const boundary = boundaryOf(family, key);
      const last = boundaries.at(-1) ?? region.startKey;
      if (compareBytes(boundary, last) <= 0) continue; // still the versions of one row
      boundaries.push(boundary.slice());
      since = 0;
      keysSince = 0;
    }
  return { bytes, keys, boundaries, rest: Math.max(since / stepBytes, keysSince / steps.keys) };
}

const timestampBytes = 8;

/** A key up to its timestamp: the versions of a row stay together. Keys that are not in the form of transactions stay as they are. */
export function boundaryOf(family: Family, key: Uint8Array): Uint8Array {
  if (family === "lock") return key;
  const length = key.length - timestampBytes;
  return length > 0 && isMemcomparable(key, length) ? key.subarray(0, length) : key;
}

/** Groups of eight bytes with a marker behind each: 255 while there are more, 247 … 254 for the last, whose padding is zeros. */
function isMemcomparable(key: Uint8Array, length: number): boolean {
  if (length % 9 !== 0) return false;
  for (let at = 8; at < length; at += 9) {
    const marker = key[at] as number;
    const isLast = at === length - 1;
    if (isLast !== marker < 255 || marker < 247) return false;
    if (isLast) for (let pad = at - (255 - marker); pad < at; pad++) if (key[pad] !== 0) return false;
  }
  return true;
}
