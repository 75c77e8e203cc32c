/** Keys as bytes: compared, printed in the hex that operators and URLs show. */
import { compareBytes } from "@skein/base";

export function isSameKey(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

/** Upper case, as the original prints keys. */
export function hexOfKey(key: Uint8Array): string {
  let text = "";
  for (const byte of key) text += byte < 16 ? `0${byte.toString(16)}` : byte.toString(16);
  return text.toUpperCase();
}

/** Null when it is not hex. */
export function keyOfHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return null;
  const key = new Uint8Array(text.length / 2);
  for (let i = 0; i < key.length; i++) key[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return key;
}

/** `[start, end)` holds the key; an empty end is the end of all keys. */
export function isInRange(key: Uint8Array, start: Uint8Array, end: Uint8Array): boolean {
  return compareBytes(key, start) >= 0 && (end.length === 0 || compareBytes(key, end) < 0);
}
