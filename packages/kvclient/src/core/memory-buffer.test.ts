import { expect, test } from "vitest";
import { MemoryBuffer } from "./memory-buffer.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const texts = (writes: readonly { readonly key: Uint8Array }[]) => writes.map(({ key }) => Buffer.from(key).toString());

test("the last word on a key counts, and its size alone", () => {
  const buffer = new MemoryBuffer();
  buffer.put(bytes("a"), bytes("12345"), false);
  buffer.put(bytes("a"), bytes("1"), false);
  expect([buffer.size, buffer.sizeBytes]).toEqual([1, 2]);
  buffer.put(bytes("a"), null, false);
  expect([buffer.get(bytes("a"))?.value, buffer.sizeBytes]).toEqual([null, 1]);
});

test("an insert stays one when it is put again", () => {
  const buffer = new MemoryBuffer();
  buffer.put(bytes("a"), bytes("1"), true);
  buffer.put(bytes("a"), bytes("2"), false);
  expect(buffer.get(bytes("a"))?.isInsert).toBe(true);
});

test("ranges are in the order of bytes", () => {
  const buffer = new MemoryBuffer();
  for (const key of ["b", "a\u00ff", "a", "c", "a\0"]) buffer.put(bytes(key), bytes(""), false);
  expect(texts(buffer.range(bytes("a"), bytes("c"), false))).toEqual(["a", "a\0", "a\u00ff", "b"]);
  expect(texts(buffer.range(bytes("b"), bytes(""), true))).toEqual(["c", "b"]);
});

test("what a limit refuses changes nothing", () => {
  const buffer = new MemoryBuffer({ keysMax: 1, bytesMax: 10, entryBytesMax: 8 });
  expect(buffer.put(bytes("a"), bytes("12345678"), false)).toEqual({ what: "an entry in bytes", size: 9, sizeMax: 8 });
  expect(buffer.put(bytes("a"), bytes("123"), false)).toBeNull();
  expect(buffer.put(bytes("b"), bytes("123"), false)).toEqual({ what: "a transaction in keys", size: 2, sizeMax: 1 });
  expect([buffer.size, buffer.sizeBytes]).toEqual([1, 4]);
});
