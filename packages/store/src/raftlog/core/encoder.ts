/**
 * Bytes of the store's own formats (Raft log, messages between stores): whole numbers as varints of up to 53 bits, byte strings
 * with their length before them.
 */

/** Thrown for bytes that are not what the format promises. */
export class MalformedInput extends Error {
  override readonly name = "MalformedInput";
}

export class Encoder {
  #buffer: Uint8Array;
  #length = 0;

  constructor(capacity = 4096) {
    this.#buffer = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  #reserve(count: number): number {
    const at = this.#length;
    if (at + count > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(at + count, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    this.#length = at + count;
    return at;
  }

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#buffer[at] = value;
    return this;
  }
  u32(value: number): this {
    this.setU32(this.#reserve(4), value);
    return this;
  }
  /** Writes over what is there already. */
  setU32(at: number, value: number): void {
    const buffer = this.#buffer;
    buffer[at] = value & 0xff;
    buffer[at + 1] = (value >>> 8) & 0xff;
    buffer[at + 2] = (value >>> 16) & 0xff;
    buffer[at + 3] = value >>> 24;
  }
  /** A whole number from 0 to 2^53 - 1. */
  varint(value: number): this {
    let at = this.#reserve(8);
    const buffer = this.#buffer;
    let rest = value;
    while (rest >= 0x1000_0000) {
      buffer[at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 128) {
      buffer[at++] = (rest & 127) | 0x80;
      rest >>>= 7;
    }
    buffer[at++] = rest;
    this.#length = at;
    return this;
  }
  bool(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }
  /** With its length before it. */
  bytes(value: Uint8Array): this {
    this.varint(value.length);
    return this.raw(value);
  }
  raw(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#buffer.set(value, at);
    return this;
  }
  zeros(count: number): this {
    const at = this.#reserve(count);
    this.#buffer.fill(0, at, at + count);
    return this;
  }

  /** A view: valid until the next write or `clear`. */
  view(from = 0, to = this.#length): Uint8Array {
    return this.#buffer.subarray(from, to);
  }
  take(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }
  clear(): void {
    this.#length = 0;
  }
}

export class Decoder {
  readonly #input: Uint8Array;
  #at: number;
  readonly #end: number;

  constructor(input: Uint8Array, at = 0, end = input.length) {
    // Not a Buffer: whose `slice` would be a view.
    this.#input = input.constructor === Uint8Array ? input : new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    this.#at = at;
    this.#end = end;
  }

  get offset(): number {
    return this.#at;
  }
  get left(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    if (this.#at >= this.#end) throw new MalformedInput("the input ends too early");
    return this.#input[this.#at++] as number;
  }
  varint(): number {
    let value = this.u8();
    if (value < 128) return value;
    value &= 127;
    let factor = 128;
    for (let i = 1; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 127) * factor;
      if (byte < 128) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      factor *= 128;
    }
    throw new MalformedInput("a number is over 2^53 - 1");
  }
  /** A count of things that take `bytesEach` at least, so that a false one cannot ask for more memory than the input has. */
  count(bytesEach = 1): number {
    const count = this.varint();
    if (count * bytesEach > this.left) throw new MalformedInput("a count is over what the input holds");
    return count;
  }
  bool(): boolean {
    return this.u8() !== 0;
  }
  /** A view. */
  bytes(): Uint8Array {
    const length = this.varint();
    if (length > this.left) throw new MalformedInput("a byte string is longer than the input");
    this.#at += length;
    return this.#input.subarray(this.#at - length, this.#at);
  }
  rest(): Uint8Array {
    const from = this.#at;
    this.#at = this.#end;
    return this.#input.subarray(from, this.#end);
  }
}
