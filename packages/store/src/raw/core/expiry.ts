/**
 * Raw values with a time to live carry the second at which they end, behind them:  value ++ u64 seconds since 1970, big endian;
 * 0 lives for ever. Without TTL there is nothing behind a value.
 */
const expiryBytes = 8;

export interface RawValue {
  readonly value: Uint8Array;
  /** Seconds; 0: never ends. */
  readonly endsAt: number;
}

export function withExpiry(value: Uint8Array, ttl: number, nowMs: number): Uint8Array {
  const out = new Uint8Array(value.length + expiryBytes);
  out.set(value);
  if (ttl > 0) new DataView(out.buffer).setBigUint64(value.length, BigInt(Math.floor(nowMs / 1000)) + BigInt(ttl));
  return out;
}

/** Null when its time is over. What is shorter than an expiry was not written by a store with TTL: it lives for ever as it is. */
export function readExpiry(stored: Uint8Array, nowMs: number): RawValue | null {
  if (stored.length < expiryBytes) return { value: stored, endsAt: 0 };
  const at = stored.length - expiryBytes;
  const endsAt = Number(new DataView(stored.buffer, stored.byteOffset, stored.byteLength).getBigUint64(at));
  if (endsAt !== 0 && endsAt <= nowMs / 1000) return null;
  return { value: stored.subarray(0, at), endsAt };
}
