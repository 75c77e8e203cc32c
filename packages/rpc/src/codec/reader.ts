/**
 * Protobuf's wire format, read from one message's bytes. A reader is set to a message and moved along; it holds nothing else.
 *
 * Numbers beyond 2^53−1 are read as 2^53−1 (−2^53+1 below): clients send the largest uint64 for "no limit".
 */
import { rpcErrors } from "../errors.ts";

const longWords = new Uint32Array(2);
const longUnsigned = new BigUint64Array(longWords.buffer);
const doubleBytes = new Uint8Array(8);
const doubleValue = new Float64Array(doubleBytes.buffer);
const two32 = 4294967296;
const utf8 = new TextDecoder("utf-8");
const noBytes = new Uint8Array(0);

/** Short byte strings are copied: it costs less than a view, and keeps no message alive. */
const copyBytesMax = 64;

/** Elements of lists in one message: two bytes of a message may become an object of a hundred. */
export const listElementsMax = 1_000_000;

export class Reader {
  bytes: Uint8Array = noBytes;
  pos = 0;
  /** Of the whole message; nothing after it is read. */
  end = 0;
  /** Of the varint that was read last: its bits 0–31 and 32–63. */
  low = 0;
  high = 0;
  private elementsLeft = 0;

  set(bytes: Uint8Array): void {
    this.elementsLeft = listElementsMax;
    this.bytes = bytes;
    this.pos = 0;
    this.end = bytes.length;
  }

  /** Field number and wire type; also any varint of at most 32 bits. */
  u32(): number {
    const first = this.bytes[this.pos];
    if (first !== undefined && first < 128) {
      this.pos++;
      return first;
    }
    this.varint();
    return this.low;
  }

  i32(): number {
    this.varint();
    return this.low | 0;
  }

  bool(): boolean {
    this.varint();
    return (this.low | this.high) !== 0;
  }

  /** Saturates at 2^53−1. */
  u64(): number {
    const first = this.bytes[this.pos];
    if (first !== undefined && first < 128) {
      this.pos++;
      return first;
    }
    this.varint();
    if (this.high === 0) return this.low;
    return this.high < 0x200000 ? this.high * two32 + this.low : Number.MAX_SAFE_INTEGER;
  }

  /** Saturates at both ends. */
  i64(): number {
    this.varint();
    const high = this.high | 0;
    if (high >= 0x200000) return Number.MAX_SAFE_INTEGER;
    if (high < -0x200000) return -Number.MAX_SAFE_INTEGER;
    return Math.max(high * two32 + this.low, -Number.MAX_SAFE_INTEGER);
  }

  u64Big(): bigint {
    this.varint();
    longWords[0] = this.low;
    longWords[1] = this.high;
    return longUnsigned[0] as bigint;
  }

  double(): number {
    const { bytes, pos } = this;
    if (pos + 8 > this.end) throw truncated();
    for (let i = 0; i < 8; i++) doubleBytes[i] = bytes[pos + i] as number;
    this.pos = pos + 8;
    return doubleValue[0] as number;
  }

  /** A view into the message when it is long, a copy when it is short. */
  data(): Uint8Array {
    const length = this.u32();
    const { bytes, pos } = this;
    if (length > this.end - pos) throw truncated();
    this.pos = pos + length;
    if (length === 0) return noBytes;
    if (length > copyBytesMax) return new Uint8Array(bytes.buffer, bytes.byteOffset + pos, length);
    const copy = new Uint8Array(length);
    for (let i = 0; i < length; i++) copy[i] = bytes[pos + i] as number;
    return copy;
  }

  text(): string {
    const length = this.u32();
    const { bytes, pos } = this;
    const end = pos + length;
    if (length > this.end - pos) throw truncated();
    this.pos = end;
    if (length <= 24) {
      let text = "";
      for (let i = pos; i < end; i++) {
        const byte = bytes[i] as number;
        if (byte >= 128) return utf8.decode(bytes.subarray(pos, end));
        text += String.fromCharCode(byte);
      }
      return text;
    }
    return utf8.decode(bytes.subarray(pos, end));
  }

  /** Before each element of a list. */
  element(): void {
    if (--this.elementsLeft < 0) throw rpcErrors.malformedMessage([`its lists have more than ${listElementsMax} elements`]);
  }

  /** The end of an embedded message, whose length comes next. */
  embedded(): number {
    const length = this.u32();
    if (length > this.end - this.pos) throw truncated();
    return this.pos + length;
  }

  /** Passes over the value of a field that the schema does not have. */
  skip(wireType: number): void {
    switch (wireType) {
      case 0:
        this.varint();
        break;
      case 1:
        this.pos += 8;
        break;
      case 2: {
        const length = this.u32();
        this.pos += length;
        break;
      }
      case 5:
        this.pos += 4;
        break;
      default:
        throw rpcErrors.malformedMessage([`wire type ${wireType} is unknown`]);
    }
    if (this.pos > this.end) throw truncated();
  }

  private varint(): void {
    const { bytes } = this;
    let pos = this.pos;
    // Past the end `undefined` comes, which counts as 0 and so ends the number; the position tells.
    let byte = bytes[pos++] as number;
    let low = byte & 127;
    let high = 0;
    if (byte >= 128) {
      byte = bytes[pos++] as number;
      low |= (byte & 127) << 7;
      if (byte >= 128) {
        byte = bytes[pos++] as number;
        low |= (byte & 127) << 14;
        if (byte >= 128) {
          byte = bytes[pos++] as number;
          low |= (byte & 127) << 21;
          if (byte >= 128) {
            byte = bytes[pos++] as number;
            low |= (byte & 15) << 28;
            high = (byte & 127) >> 4;
            let shift = 3;
            while (byte >= 128) {
              if (shift > 31) throw rpcErrors.malformedMessage(["a number has more than 64 bits"]);
              byte = bytes[pos++] as number;
              high |= (byte & 127) << shift;
              shift += 7;
            }
          }
        }
      }
    }
    if (pos > this.end) throw truncated();
    this.pos = pos;
    this.low = low >>> 0;
    this.high = high >>> 0;
  }
}

export function truncated(): Error {
  return rpcErrors.malformedMessage(["it ends in the middle of a field"]);
}
