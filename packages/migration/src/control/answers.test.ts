/**
 * Answers in the forms that the original printed when it was run: every field in its place, lists, numbers and escapes as they were.
 * `testdata/answers.txt` has one of each shape for each message; its sentences are only "text".
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Message } from "@skein/rpc";
import { expect, test } from "vitest";
import { printMessage, printPlain } from "./print-message.ts";

const answers = readFileSync(join(import.meta.dirname, "testdata/answers.txt"), "utf8")
  .split(/^## /m)
  .slice(1)
  .map((block) => {
    const end = block.indexOf("\n");
    return { type: block.slice(0, end), text: block.slice(end + 1).trimEnd() };
  });

test("the shapes of many messages are known", () => {
  expect(answers.length).toBeGreaterThan(40);
  expect(new Set(answers.map(({ type }) => type)).size).toBeGreaterThan(20);
});

test.each(answers.map(({ type, text }, index) => [index + 1, type, text] as const))(
  "answer %i, %s, is printed as it was",
  (_n, type, text) => {
    const message = JSON.parse(text) as Message;
    expect(type === "plain" ? printPlain(message) : printMessage(type, message)).toBe(text);
  },
);
