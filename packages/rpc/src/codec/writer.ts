/** Protobuf's wire format, written into one buffer that grows and is used again. */

const longWords = new Uint32Array(2);
const longUnsigned = new BigUint64Array(longWords.buffer);
const doubleBytes = new Uint8Array(8);
const doubleValue = new Float64Array(doubleBytes.buffer);
const two32 = 4294967296;
const keptBytesMax = 1024 * 1024;

export class Writer {
  private bytes: Buffer = Buffer.allocUnsafeSlow(64 * 1024);
  private pos = 0;

  /** What was written since the last call, as a buffer of its own. */
  take(): Buffer {
    const { bytes, pos } = this;
    this.pos = 0;
    if (bytes.length > keptBytesMax) {
      this.bytes = Buffer.allocUnsafeSlow(64 * 1024);
      return bytes.subarray(0, pos);
    }
    const taken = Buffer.allocUnsafe(pos);
    bytes.copy(taken, 0, 0, pos);
    return taken;
  }

  /** Forgets what was written: the message could not be finished. */
  drop(): void {
    this.pos = 0;
  }

  u32(value: number): void {
    this.reserve(5);
    this.put32(value >>> 0);
  }

  /** A signed 32-bit number goes out as 64 bits. */
  i32(value: number): void {
    if (value >= 0) this.u32(value);
    else this.i64(value);
  }

  bool(value: boolean): void {
    this.reserve(1);
    this.bytes[this.pos++] = value ? 1 : 0;
  }

  /** Throws `RangeError` for what is not a whole number of 0…2^53−1. */
  u64(value: number): void {
    this.reserve(10);
    if (value < 128 && value >= 0 && Number.isInteger(value)) {
      this.bytes[this.pos++] = value;
      return;
    }
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a whole number of 0 to 2^53-1`);
    if (value < two32) this.put32(value);
    else this.put64((value % two32) >>> 0, Math.floor(value / two32));
  }

  /** Throws `RangeError` beyond ±2^53. */
  i64(value: number): void {
    if (value >= 0) return this.u64(value);
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a whole number within 2^53`);
    this.u64Big(BigInt.asUintN(64, BigInt(value)));
  }

  u64Big(value: bigint): void {
    this.reserve(10);
    longUnsigned[0] = value;
    if (longUnsigned[0] !== value) throw new RangeError(`${value} does not fit into 64 bits`);
    this.put64(longWords[0] as number, longWords[1] as number);
  }

  double(value: number): void {
    this.reserve(8);
    doubleValue[0] = value;
    for (let i = 0; i < 8; i++) this.bytes[this.pos + i] = doubleBytes[i] as number;
    this.pos += 8;
  }

  data(value: Uint8Array): void {
    const { length } = value;
    this.reserve(length + 5);
    this.put32(length);
    const { bytes, pos } = this;
    if (length <= 64) for (let i = 0; i < length; i++) bytes[pos + i] = value[i] as number;
    else bytes.set(value, pos);
    this.pos = pos + length;
  }

  text(value: string): void {
    const { length } = value;
    this.reserve(length * 3 + 5);
    const { bytes } = this;
    if (length < 64) {
      const start = this.pos + 1;
      let i = 0;
      for (; i < length; i++) {
        const code = value.charCodeAt(i);
        if (code >= 128) break;
        bytes[start + i] = code;
      }
      if (i === length) {
        bytes[this.pos] = length;
        this.pos = start + length;
        return;
      }
    }
    this.put32(Buffer.byteLength(value));
    this.pos += bytes.write(value, this.pos);
  }

  /** The place of a length that is not known yet; see `close`. */
  open(): number {
    this.reserve(1);
    return this.pos++;
  }

  /** Writes the length of all since `open`: one byte was left for it, more are made room for. */
  close(place: number): void {
    const length = this.pos - place - 1;
    if (length < 128) {
      this.bytes[place] = length;
      return;
    }
    const more = length < 16_384 ? 1 : length < 2_097_152 ? 2 : length < 268_435_456 ? 3 : 4;
    this.reserve(more);
    this.bytes.copyWithin(place + 1 + more, place + 1, this.pos);
    const end = this.pos + more;
    this.pos = place;
    this.put32(length);
    this.pos = end;
  }

  private put32(value: number): void {
    const { bytes } = this;
    let rest = value;
    let pos = this.pos;
    while (rest >= 128) {
      bytes[pos++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    bytes[pos++] = rest;
    this.pos = pos;
  }

  private put64(low: number, high: number): void {
    const { bytes } = this;
    let pos = this.pos;
    let [lo, hi] = [low, high];
    while (hi !== 0) {
      bytes[pos++] = (lo & 127) | 128;
      lo = ((lo >>> 7) | (hi << 25)) >>> 0;
      hi >>>= 7;
    }
    this.pos = pos;
    this.put32(lo);
  }

  private reserve(count: number): void {
    if (this.pos + count <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.pos + count));
    this.bytes.copy(grown, 0, 0, this.pos);
    this.bytes = grown;
  }
}
