/**
 * Selections as half-open ranges of text. Keys are ordered by their UTF-8 bytes, which is the order of their code points.
 */
import type { KeySelection } from "../metastore.ts";

export interface Bounds {
  readonly from: string;
  /** Not part of the range; null has no end. */
  readonly to: string | null;
}

export function boundsOf(select: KeySelection): Bounds {
  if ("key" in select) return { from: select.key, to: `${select.key}\0` };
  if ("prefix" in select) return { from: select.prefix, to: successor(select.prefix) };
  return { from: select.from, to: select.to === "" ? null : select.to };
}

/** The least text above all texts that begin with `prefix`; null when there is none. */
export function successor(prefix: string): string | null {
  const points = Array.from(prefix, (character) => character.codePointAt(0) as number);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue;
    points.push(last === 0xd7ff ? 0xe000 : last + 1); // surrogates are no characters
    return String.fromCodePoint(...points);
  }
  return null;
}

/** Like `a < b` for UTF-8: JavaScript compares UTF-16 units, which differs above U+FFFF. */
function comesBefore(a: string, b: string): boolean {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) < rank(y);
  }
  return a.length < b.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

export function contains(bounds: Bounds, key: string): boolean {
  return !comesBefore(key, bounds.from) && (bounds.to === null || comesBefore(key, bounds.to));
}
