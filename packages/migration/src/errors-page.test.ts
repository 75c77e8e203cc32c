import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { dmErrors } from "./errors.ts";

const page = new URL("../../../docs/errors.md", import.meta.url);

/** The message with its arguments' names in place of their values. */
function sample(message: (...args: never[]) => string): string {
  const names = [...(/^\(?([^)=]*)\)?\s*=>/.exec(message.toString())?.[1] ?? "").matchAll(/[A-Za-z_]\w*/g)].map(([name]) => `<${name}>`);
  // Lists take an array where texts take a text.
  for (let mask = 0; mask < 2 ** names.length; mask++) {
    try {
      return message(...(names.map((name, index) => ((mask >> index) & 1 ? [name] : name)) as never[]));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }
  throw new Error(`no sample of ${message.toString()}`);
}

test("docs/errors.md says what the table says (UPDATE=1 writes it)", () => {
  const cell = (text: string) => text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|").trim();
  const text = [
    "# Errors of migration",
    "",
    "Each prints as `[code=…:class=…:scope=…:level=…], Message: …, RawCause: …, Workaround: …`; parts that are empty are left out. Text in",
    "`<…>` stands for a value. Masters show errors that pass through them with their own class. Other parts' codes: [errors of the parts](errors-parts.md).",
    "This page is made from the table in the code.",
    "",
    "| Code | Class | Scope | Level | Message | What to do |",
    "|---|---|---|---|---|---|",
    ...Object.values(dmErrors)
      .toSorted((a, b) => a.code - b.code)
      .map(
        (error) =>
          `| ${error.code} | ${error.class} | ${error.scope} | ${error.level} | ${cell(sample(error.message))} | ${cell(error.workaround ?? "")} |`,
      ),
    "",
  ].join("\n");
  if (process.env["UPDATE"] === "1") writeFileSync(page, text);
  expect(existsSync(page) ? readFileSync(page, "utf8") : "").toBe(text);
});
