/**
 * The order-keeping form of bytes that keys of tables and transactions have: groups of eight bytes, each followed by 0xFF less the
 * number of zeros that fill it up; a group that is not full is the last one.
 */

/** Null when the key begins with bytes in that form; otherwise why not. */
export function comparableBytesProblem(key: Uint8Array): string | null {
  for (let at = 0; ; at += 9) {
    if (key.length < at + 9) return "insufficient bytes to decode value";
    const marker = key[at + 8] as number;
    const fill = 0xff - marker;
    if (fill > 8) return `invalid marker byte, group bytes ${JSON.stringify([...key.subarray(at, at + 9)])}`;
    for (let i = at + 8 - fill; i < at + 8; i++)
      if (key[i] !== 0) return `invalid padding byte, group bytes ${JSON.stringify([...key.subarray(at, at + 9)])}`;
    if (fill > 0) return null;
  }
}
