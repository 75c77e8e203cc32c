/**
 * How user keys become the engine's keys.
 *
 *   memcomparable   groups of 8 bytes, padded with zeros, each behind it 0xFF − padding; the last group has padding, so that
 *                   no key is a prefix of another:   "abc" → 61 62 63 00 00 00 00 00 fa      "" → 00×8 f7
 *   lock            memcomparable(user key)
 *   default, write  memcomparable(user key) ++ ^timestamp, big endian: of one key the newest comes first
 */
const groupBytes = 8;
const timestampBytes = 8;
const marker = 0xff;

export const maxTs = 0xffff_ffff_ffff_ffffn;

export function encodeKey(userKey: Uint8Array): Uint8Array {
  const groups = Math.floor(userKey.length / groupBytes) + 1;
  const out = new Uint8Array(groups * (groupBytes + 1));
  let from = 0;
  let to = 0;
  for (let group = 0; group < groups; group++) {
    const end = Math.min(from + groupBytes, userKey.length);
    const padding = groupBytes - (end - from);
    while (from < end) out[to++] = userKey[from++] as number;
    to += padding;
    out[to++] = marker - padding;
  }
  return out;
}

/** Null when it is not memcomparable, or something stands behind it. */
export function decodeKey(encoded: Uint8Array): Uint8Array | null {
  if (encoded.length === 0 || encoded.length % (groupBytes + 1) !== 0) return null;
  const groups = encoded.length / (groupBytes + 1);
  const padding = marker - (encoded[encoded.length - 1] as number);
  if (padding < 1 || padding > groupBytes) return null;
  const out = new Uint8Array(groups * groupBytes - padding);
  let to = 0;
  for (let group = 0; group < groups; group++) {
    const start = group * (groupBytes + 1);
    const isLast = group === groups - 1;
    if (!isLast && encoded[start + groupBytes] !== marker) return null;
    const count = isLast ? groupBytes - padding : groupBytes;
    for (let i = 0; i < count; i++) out[to++] = encoded[start + i] as number;
    for (let i = count; i < groupBytes; i++) if (encoded[start + i] !== 0) return null;
  }
  return out;
}

/** `encoded` is memcomparable. */
export function versionKey(encoded: Uint8Array, ts: bigint): Uint8Array {
  const out = new Uint8Array(encoded.length + timestampBytes);
  out.set(encoded);
  new DataView(out.buffer).setBigUint64(encoded.length, maxTs - ts);
  return out;
}

/** The memcomparable part, as a view. */
export function keyOfVersion(key: Uint8Array): Uint8Array {
  return key.subarray(0, Math.max(0, key.length - timestampBytes));
}

export function timestampOf(key: Uint8Array): bigint {
  if (key.length < timestampBytes) return 0n;
  return maxTs - new DataView(key.buffer, key.byteOffset, key.byteLength).getBigUint64(key.length - timestampBytes);
}

/** The smallest key of the engine that is behind all versions of an encoded key. */
export function behind(encoded: Uint8Array): Uint8Array {
  // The last byte is 0xFF − padding with padding ≥ 1, so that it can always be raised.
  const out = encoded.slice();
  out[out.length - 1] = (out[out.length - 1] as number) + 1;
  return out;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Timestamps are milliseconds << 18 | a counter. */
export function physicalMs(ts: bigint): bigint {
  return ts >> 18n;
}
