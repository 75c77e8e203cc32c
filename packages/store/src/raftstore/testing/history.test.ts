import { expect, test } from "vitest";
import { checkRegister, type Operation } from "./history.ts";

const op = (kind: "write" | "read", value: string | null, invokedAt: number, returnedAt: number): Operation => ({
  client: 0,
  key: "k",
  kind,
  value,
  invokedAt,
  returnedAt,
});

test("a history that has an order is accepted, one that has none is not", () => {
  expect(checkRegister([op("read", null, 1, 2), op("write", "a", 3, 4), op("read", "a", 5, 6)])).toBeNull();
  expect(checkRegister([op("write", "a", 1, 2), op("read", null, 3, 4)])).toContain("no order");
  expect(checkRegister([op("write", "a", 1, 6), op("read", "a", 2, 3), op("read", null, 4, 5)])).toContain("no order");
  expect(checkRegister([op("write", "a", 1, 2), op("write", "b", 3, 4), op("read", "a", 5, 6)])).toContain("no order");
  expect(checkRegister([op("write", "a", 1, 6), op("write", "b", 2, 5), op("read", "b", 7, 8), op("read", "b", 9, 10)])).toBeNull();
});

test("a write of unknown outcome may take effect later, or never, but not twice", () => {
  const lost = op("write", "x", 3, Number.POSITIVE_INFINITY);
  expect(checkRegister([op("write", "a", 1, 2), lost, op("read", "a", 5, 6), op("read", "x", 7, 8)])).toBeNull();
  expect(checkRegister([op("write", "a", 1, 2), lost, op("read", "a", 5, 6)])).toBeNull();
  expect(checkRegister([op("write", "a", 1, 2), lost, op("read", "x", 5, 6), op("read", "a", 7, 8)])).toContain("no order");
});
