/**
 * Where a keyspace's keys lie: raw ones behind `r` and three bytes of its id, transactional ones behind `x`; regions have them in the
 * ordered encoding, groups of eight bytes with a byte that tells how many of them are filled.
 */
export const keyspaceIdMax = 0xffffff;

export function keyspaceRanges(id: number): readonly { readonly startKey: Uint8Array; readonly endKey: Uint8Array }[] {
  return ["r", "x"].map((mode) => {
    const border = (of: number) => {
      const first = of > keyspaceIdMax ? mode.charCodeAt(0) + 1 : mode.charCodeAt(0);
      // Four bytes of eight are filled: 0xff - 4.
      return Uint8Array.of(first, (of >>> 16) & 0xff, (of >>> 8) & 0xff, of & 0xff, 0, 0, 0, 0, 0xfb);
    };
    return { startKey: border(id), endKey: border(id + 1) };
  });
}
