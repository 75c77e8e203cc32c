import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { filePaths, root } from "./files.ts";

/** The migration's own table has a page of its own, `docs/errors.md`; this one holds the tables of all other parts. */
const page = join(root, "docs/errors-parts.md");

interface Definition {
  readonly code: number;
  readonly class: string;
  readonly message: (...args: unknown[]) => string;
  readonly workaround?: string;
}

const isDefinition = (value: unknown): value is Definition =>
  typeof value === "function" && "code" in value && typeof value.code === "number" && "message" in value;

/** The message with its arguments' names in place of their values. */
function sample(definition: Definition): string {
  const source = definition.message.toString();
  const names = [...(/^\(?([^)=]*)\)?\s*=>/.exec(source)?.[1] ?? "").matchAll(/[A-Za-z_]\w*/g)].map(([name]) => `<${name}>`);
  const named = (text: string) =>
    names.reduce((said, name) => said.replaceAll(new RegExp(Buffer.from(name).toString("hex"), "gi"), name), text);
  for (const values of [names, names.map((name) => [name]), names.map((name) => Buffer.from(name))]) {
    try {
      return named(definition.message(...values));
    } catch {
      // an argument of another shape: the next try
    }
  }
  throw new Error(`the message of ${definition.code} cannot be told with names in place of values`);
}

test("docs/errors-parts.md says what the tables say (UPDATE=1 writes it)", async () => {
  const rows = new Map<number, string>();
  for (const path of filePaths(/^packages\/.*\/src\/.*errors\.ts$/)) {
    if (path === "packages/migration/src/errors.ts") continue;
    const module = (await import(pathToFileURL(join(root, path)).href)) as Record<string, unknown>;
    for (const table of Object.values(module))
      for (const definition of typeof table === "object" && table !== null ? Object.values(table) : [table])
        if (isDefinition(definition)) {
          const cell = (text: string) =>
            text
              .replaceAll("\n", " ")
              .replaceAll(/[|[\]]/g, "\\$&")
              .trim();
          rows.set(
            definition.code,
            `| ${definition.code} | ${definition.class} | ${cell(sample(definition))} | ${cell(definition.workaround ?? "")} |`,
          );
        }
  }
  const text = [
    "# Errors of the parts",
    "",
    "Codes of connections, binlog and DDL, of the target, the metastore, the calls between nodes, and of the tools. They print in",
    "the same form as those of migration, which are in errors.md. Text in `<…>` stands for a value. This page is made from the tables in the code.",
    "",
    "| Code | Class | Message | What to do |",
    "|---|---|---|---|",
    ...[...rows].sort(([a], [b]) => a - b).map(([, row]) => row),
    "",
  ].join("\n");
  if (process.env["UPDATE"] === "1") writeFileSync(page, text);
  expect(existsSync(page) ? readFileSync(page, "utf8") : "").toBe(text);
});
