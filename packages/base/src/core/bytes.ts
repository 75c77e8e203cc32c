/**
 * Reading and writing bytes: bounds and byte order live here and nowhere else.
 *
 * A reader borrows its input; what is kept must be copied by the caller (`bytes()` returns a view, `copy()` a copy).
 * Multi-byte integers are little endian unless the name says `Be`, because the MySQL protocol is.
 */

/** Thrown when fewer bytes are left than the format promises; callers turn it into a coded error of their product. */
export class ShortInputError extends Error {
  readonly wanted: number;
  readonly left: number;
  constructor(wanted: number, left: number) {
    super(`the input ends too early: ${wanted} more bytes were promised, ${left} are left`);
    this.name = "ShortInputError";
    this.wanted = wanted;
    this.left = left;
  }
}

export class ByteReader {
  readonly input: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  #offset: number;

  constructor(input: Uint8Array, start = 0, end = input.length) {
    if (start < 0 || end > input.length || start > end) throw new RangeError(`no such range: ${start}..${end} of ${input.length}`);
    this.input = input;
    this.#view = new DataView(input.buffer, input.byteOffset, input.byteLength);
    this.#offset = start;
    this.#end = end;
  }

  get offset(): number {
    return this.#offset;
  }
  get left(): number {
    return this.#end - this.#offset;
  }

  /** Moves past `count` bytes and returns where they begin. */
  skip(count: number): number {
    const at = this.#offset;
    if (count < 0 || count > this.#end - at) throw new ShortInputError(count, this.#end - at);
    this.#offset = at + count;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.skip(1));
  }
  i8(): number {
    return this.#view.getInt8(this.skip(1));
  }
  u16(): number {
    return this.#view.getUint16(this.skip(2), true);
  }
  i16(): number {
    return this.#view.getInt16(this.skip(2), true);
  }
  u24(): number {
    const at = this.skip(3);
    return this.#view.getUint16(at, true) | (this.#view.getUint8(at + 2) << 16);
  }
  u32(): number {
    return this.#view.getUint32(this.skip(4), true);
  }
  i32(): number {
    return this.#view.getInt32(this.skip(4), true);
  }
  u48(): number {
    const at = this.skip(6);
    return this.#view.getUint32(at, true) + this.#view.getUint16(at + 4, true) * 0x1_0000_0000;
  }
  u64(): bigint {
    return this.#view.getBigUint64(this.skip(8), true);
  }
  i64(): bigint {
    return this.#view.getBigInt64(this.skip(8), true);
  }
  f32(): number {
    return this.#view.getFloat32(this.skip(4), true);
  }
  f64(): number {
    return this.#view.getFloat64(this.skip(8), true);
  }
  u16Be(): number {
    return this.#view.getUint16(this.skip(2), false);
  }
  u32Be(): number {
    return this.#view.getUint32(this.skip(4), false);
  }
  u64Be(): bigint {
    return this.#view.getBigUint64(this.skip(8), false);
  }
  /** Unsigned big-endian integer of 1 to 6 bytes. */
  uintBe(width: number): number {
    const at = this.skip(width);
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + this.#view.getUint8(at + i);
    return value;
  }

  /** A view on the next `count` bytes: valid as long as the input is. */
  bytes(count: number): Uint8Array {
    const at = this.skip(count);
    return this.input.subarray(at, at + count);
  }
  /** A copy of the next `count` bytes: may be kept. */
  copy(count: number): Uint8Array {
    const at = this.skip(count);
    return Uint8Array.prototype.slice.call(this.input, at, at + count);
  }
  rest(): Uint8Array {
    return this.bytes(this.left);
  }
  /** Bytes up to the next zero byte, which is skipped. */
  untilZero(): Uint8Array {
    const at = this.#offset;
    const zero = this.input.indexOf(0, at);
    if (zero === -1 || zero >= this.#end) throw new ShortInputError(1, 0);
    this.#offset = zero + 1;
    return this.input.subarray(at, zero);
  }
}

/** Grows as needed, up to `limit` bytes. */
export class ByteWriter {
  #buffer: Uint8Array;
  #view: DataView;
  #length = 0;
  readonly #limit: number;

  constructor(capacity = 256, limit = 1 << 30) {
    this.#buffer = new Uint8Array(capacity);
    this.#view = new DataView(this.#buffer.buffer);
    this.#limit = limit;
  }

  get length(): number {
    return this.#length;
  }

  #reserve(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#limit) throw new RangeError(`a message of ${needed} bytes is over the limit of ${this.#limit}`);
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.min(this.#limit, Math.max(needed, this.#buffer.length * 2)));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    return at;
  }

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
    return this;
  }
  u16(value: number): this {
    const at = this.#reserve(2);
    this.#view.setUint16(at, value, true);
    return this;
  }
  u24(value: number): this {
    const at = this.#reserve(3);
    this.#view.setUint16(at, value & 0xffff, true);
    this.#view.setUint8(at + 2, value >>> 16);
    return this;
  }
  u32(value: number): this {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
    return this;
  }
  u64(value: bigint): this {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, value, true);
    return this;
  }
  f64(value: number): this {
    const at = this.#reserve(8);
    this.#view.setFloat64(at, value, true);
    return this;
  }
  u32Be(value: number): this {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, false);
    return this;
  }
  u64Be(value: bigint): this {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, value, false);
    return this;
  }
  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#buffer.set(value, at);
    return this;
  }
  zeros(count: number): this {
    const at = this.#reserve(count);
    this.#buffer.fill(0, at, at + count);
    return this;
  }

  /** What was written so far: a view, valid until the next write. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }
  /** What was written so far, as bytes of the caller's own. */
  take(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }
  clear(): void {
    this.#length = 0;
  }
}

/** Byte by byte; of two that begin alike the shorter one comes first. A loop: on short keys it beats a call into native code. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
