import { expect, test } from "vitest";
import { quoteByteString, quoteIdentifier, quoteTable, quoteText } from "./quote.ts";

test("names cannot get out of their quotes", () => {
  expect(quoteIdentifier("plain")).toBe("`plain`");
  expect(quoteIdentifier("a`; DROP TABLE `b")).toBe("`a``; DROP TABLE ``b`");
  expect(quoteTable("s", "t`")).toBe("`s`.`t```");
  expect(() => quoteIdentifier("a\0b")).toThrow(RangeError);
});

test("values cannot get out of their quotes", () => {
  expect(quoteText("it's \\ \0 é")).toBe("'it''s \\\\ \\0 é'");
  expect(quoteByteString("\x81\x5c'")).toBe("'\x81\\\\'''");
  expect(quoteText("")).toBe("''");
});
