/** Keys as values: order, ranges, neighbours. An empty end of a range is the end of all keys. */
import { compareBytes } from "@skein/base";

export function inRange(key: Uint8Array, start: Uint8Array, end: Uint8Array): boolean {
  return compareBytes(start, key) <= 0 && (end.length === 0 || compareBytes(key, end) < 0);
}

/** The smallest key behind `key`. */
export function nextKey(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** Of two ends of ranges the one that comes first. */
export function earlierEnd(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  return compareBytes(a, b) < 0 ? a : b;
}

export function laterKey(a: Uint8Array, b: Uint8Array): Uint8Array {
  return compareBytes(a, b) < 0 ? b : a;
}

const printedMax = 64;

export function hex(key: Uint8Array): string {
  const text = Array.from(key.subarray(0, printedMax), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return key.length > printedMax ? `${text}… (${key.length} bytes)` : text;
}

/** A key as a string that orders and compares as the key does: for maps. */
export function mapKey(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}
