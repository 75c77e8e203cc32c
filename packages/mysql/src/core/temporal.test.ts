import { expect, test } from "vitest";
import { epochText, packedTemporal } from "./temporal.ts";

test("seconds since 1970 are UTC dates, over leap years and the ends of months", () => {
  expect(epochText(0)).toBe("0000-00-00 00:00:00");
  for (let seconds = 1; seconds < 4_294_967_295; seconds += 86_400 * 13 + 4321) {
    expect(epochText(seconds)).toBe(new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " "));
  }
  expect(epochText(4_294_967_295)).toBe("2106-02-07 06:28:15");
});

test("packed values of JSON", () => {
  expect(packedTemporal("time", -(((12n << 12n) | (34n << 6n) | 56n) << 24n) - 500_000n)).toBe("-12:34:56.500000");
});
