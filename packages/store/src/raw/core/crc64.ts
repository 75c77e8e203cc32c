/** CRC-64/XZ (ECMA-182, reflected, all ones before and after), in two halves of 32 bits. */

const polynomialHigh = 0xc96c5795;
const polynomialLow = 0xd7870f42;
const highs = new Uint32Array(256);
const lows = new Uint32Array(256);
for (let index = 0; index < 256; index++) {
  let high = 0;
  let low = index;
  for (let bit = 0; bit < 8; bit++) {
    const isOdd = (low & 1) === 1;
    low = ((low >>> 1) | (high << 31)) >>> 0;
    high >>>= 1;
    if (isOdd) {
      high = (high ^ polynomialHigh) >>> 0;
      low = (low ^ polynomialLow) >>> 0;
    }
  }
  highs[index] = high;
  lows[index] = low;
}

/** Of the parts, one behind the other. */
export function crc64(...parts: readonly Uint8Array[]): bigint {
  let high = 0xffff_ffff;
  let low = 0xffff_ffff;
  for (const part of parts)
    for (const byte of part) {
      const index = (low ^ byte) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (lows[index] as number);
      high = (high >>> 8) ^ (highs[index] as number);
    }
  return (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0);
}
