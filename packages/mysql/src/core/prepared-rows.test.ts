import { expect, test } from "vitest";
import { frameExecute, type RowSpan } from "./prepared-rows.ts";

/** Rows as the text protocol sends them, in one buffer, after a byte that is of no row. */
function span(rows: readonly (readonly (string | null)[])[]): RowSpan {
  const parts: Buffer[] = [Buffer.from("!")];
  const starts: number[] = [];
  const ends: number[] = [];
  let at = 1;
  for (const row of rows) {
    starts.push(at);
    for (const value of row) {
      const part = value === null ? Buffer.from([0xfb]) : Buffer.concat([lengthOf(value.length), Buffer.from(value, "latin1")]);
      parts.push(part);
      at += part.length;
    }
    ends.push(at);
  }
  return { bytes: Buffer.concat(parts), starts, ends, from: 0, to: rows.length };
}

function lengthOf(length: number): Buffer {
  if (length < 0xfb) return Buffer.from([length]);
  const bytes = Buffer.alloc(9);
  bytes.writeUInt32LE(length, 1);
  bytes[0] = length < 0x1_0000 ? 0xfc : length < 0x100_0000 ? 0xfd : 0xfe;
  return bytes.subarray(0, length < 0x1_0000 ? 3 : length < 0x100_0000 ? 4 : 9);
}

const reserve = (bytes: number) => Buffer.alloc(bytes + 7, 0xee);

test("rows become parameters: NULLs are bits, values stay as they are, types go once", () => {
  const rows = span([
    ["4", null, "ab"],
    [null, null, ""],
    ["'\0\xfb", "x", null],
  ]);
  const types = Buffer.from([0xfc, 0]);
  expect(frameExecute(0x01020304, 3, [rows], true, reserve)).toEqual(
    Buffer.concat([
      Buffer.from([43, 0, 0, 0, 0x17, 4, 3, 2, 1, 0, 1, 0, 0, 0, 0b0001_1010, 0b1, 1]),
      ...Array<Buffer>(9).fill(types),
      Buffer.from("\x014\x02ab\x00\x03'\0\xfb\x01x", "latin1"),
    ]),
  );
  const again = frameExecute(
    1,
    3,
    [
      { ...rows, from: 2 },
      { ...rows, from: 0, to: 1 },
    ],
    false,
    reserve,
  );
  expect(again.subarray(14).toString("latin1")).toBe("\x14\x00\x03'\0\xfb\x01x\x014\x02ab");
});

test.each([0, 250, 251, 65_535, 65_536, 70_000])("a value of %i bytes between two others", (length) => {
  const rows = span([["a", "v".repeat(length), null, "b"]]);
  const framed = frameExecute(1, 4, [rows], false, reserve);
  const { bytes, starts, ends } = rows;
  const end = (ends[0] as number) - 2;
  expect(framed.subarray(16)).toEqual(Buffer.concat([bytes.subarray(starts[0], end - 1), bytes.subarray(end)]));
  expect(framed.readUIntLE(0, 3)).toBe(framed.length - 4);
});

test("more than fits one packet goes on in the next", () => {
  const rows = span([["v".repeat(0x100_0000)]]);
  const framed = frameExecute(1, 1, [rows], false, reserve);
  expect([framed.readUIntLE(0, 3), framed[3], framed.readUIntLE(4 + 0xff_ffff, 3), framed[4 + 0xff_ffff + 3]]).toEqual([
    0xff_ffff,
    0,
    12 + 9 + 0x100_0000 - 0xff_ffff,
    1,
  ]);
});

test("a row that has not as many values is no parameters", () => {
  expect(() => frameExecute(1, 3, [span([["a", "b"]])], false, reserve)).toThrow(/a row of 4 bytes does not have 3 values/);
  expect(() => frameExecute(1, 1, [span([["a", "b"]])], false, reserve)).toThrow(/a row of 4 bytes does not have 1 values/);
});
