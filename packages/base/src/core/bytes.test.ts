import { describe, expect, test } from "vitest";
import { ByteReader, ByteWriter, ShortInputError } from "./bytes.ts";

describe("ByteReader and ByteWriter", () => {
  test("read back what was written, little and big endian", () => {
    const writer = new ByteWriter(1);
    writer
      .u8(0xfe)
      .u16(0xbeef)
      .u24(0x123456)
      .u32(0xdeadbeef)
      .u64(2n ** 64n - 1n)
      .f64(-0.1)
      .u32Be(7)
      .u64Be(9n)
      .bytes(new Uint8Array([1, 2]))
      .zeros(2);
    const reader = new ByteReader(writer.take());
    expect(reader.u8()).toBe(0xfe);
    expect(reader.u16()).toBe(0xbeef);
    expect(reader.u24()).toBe(0x123456);
    expect(reader.u32()).toBe(0xdeadbeef);
    expect(reader.u64()).toBe(2n ** 64n - 1n);
    expect(reader.f64()).toBe(-0.1);
    expect(reader.uintBe(4)).toBe(7);
    expect(reader.u64Be()).toBe(9n);
    expect([...reader.rest()]).toEqual([1, 2, 0, 0]);
    expect(reader.left).toBe(0);
  });

  test("48-bit numbers stay exact", () => {
    expect(new ByteReader(new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])).u48()).toBe(2 ** 48 - 1);
  });

  test("a short input says what was promised and what is left", () => {
    const reader = new ByteReader(new Uint8Array([1, 2]));
    expect(() => reader.u32()).toThrow(ShortInputError);
    expect(() => reader.bytes(-1)).toThrow(ShortInputError);
    expect(() => new ByteReader(new Uint8Array([65])).untilZero()).toThrow(ShortInputError);
    expect(reader.left).toBe(2);
  });

  test("borrowed bytes are views, copies are not", () => {
    const input = Buffer.from([1, 2, 3, 4]);
    const view = new ByteReader(input).bytes(2);
    const copy = new ByteReader(input).copy(2);
    input[0] = 9;
    expect(view[0]).toBe(9);
    expect(copy[0]).toBe(1);
  });

  test("a writer refuses to grow over its limit", () => {
    expect(() => new ByteWriter(4, 8).zeros(9)).toThrow("over the limit of 8");
  });
});
