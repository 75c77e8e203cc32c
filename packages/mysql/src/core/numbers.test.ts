import { expect, test } from "vitest";
import { jsonDouble } from "../binlog/core/json.ts";
import { decimalBytes, decimalText, shortFloat } from "./numbers.ts";

test.each([
  ["1234567890.1234", 14, 4, "810dfb38d204d2"],
  ["-1234567890.1234", 14, 4, "7ef204c72dfb2d"],
  ["0.00", 5, 2, "800000"],
  ["0.000000001", 9, 9, "80000001"],
])("decimal %s", (text, precision, scale, hex) => {
  const bytes = Buffer.from(hex, "hex");
  expect(decimalBytes(precision, scale)).toBe(bytes.length);
  expect(decimalText(bytes, 0, precision, scale)).toBe(text);
});

test("floats have the shortest text that reads back", () => {
  for (const value of [0.1, 1.1, 3.4028234e38, 1.17549435e-38, 1e-45, 16_777_216, -0.3333333, 123_456.79]) {
    expect(Math.fround(shortFloat(Math.fround(value)))).toBe(Math.fround(value));
  }
  expect(`${shortFloat(Math.fround(0.1))}`).toBe("0.1");
  expect(`${shortFloat(Math.fround(123_456.789))}`).toBe("123456.79");
});

test.each([
  [1e15, "1e15"],
  [1e14, "100000000000000.0"],
  [-0, "-0.0"],
  [1e-15, "0.000000000000001"],
  [1e-16, "1e-16"],
  [1.5, "1.5"],
  [-123.25, "-123.25"],
])("JSON prints %d as %s", (value, text) => {
  expect(jsonDouble(value)).toBe(text);
});
