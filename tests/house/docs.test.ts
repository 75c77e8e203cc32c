import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { readSources, root } from "./files.ts";
import { codeOnly } from "./source-text.ts";

const pages = readSources(/\.md$/);

/** The anchor that a heading gets. */
const anchor = (heading: string) =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(/\s/g, "-");

test("links of the pages lead somewhere", () => {
  const broken: string[] = [];
  for (const [path, text] of pages) {
    const prose = text.replaceAll(/```[\s\S]*?```/g, "").replaceAll(/`[^`\n]*`/g, "");
    for (const [, target = ""] of prose.matchAll(/(?<!\\)\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = "", fragment] = target.split("#");
      const full = file === "" ? join(root, path) : join(root, dirname(path), file);
      if (!existsSync(full)) broken.push(`${path}: ${target}`);
      else if (fragment !== undefined && full.endsWith(".md")) {
        const anchors = [...readFileSync(full, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchor(heading));
        if (!anchors.includes(fragment)) broken.push(`${path}: ${target}`);
      }
    }
  }
  expect(broken).toEqual([]);
});

test("the index of decisions names every decision", () => {
  const index = pages.get("docs/decisions/README.md") ?? "";
  const files = [...pages.keys()].filter((path) => /^docs\/decisions\/\d/.test(path)).map((path) => path.slice("docs/decisions/".length));
  expect(files.filter((file) => !index.includes(`(${file})`))).toEqual([]);
  expect(new Set(files.map((file) => file.slice(0, 4))).size).toBe(files.length);
});

test("every error code is explained on a page", () => {
  const page = `${pages.get("docs/errors.md") ?? ""}\n${pages.get("docs/errors-parts.md") ?? ""}`;
  const documented = new Set([...page.matchAll(/\b(\d{5})\b/g)].map(([, code]) => code));
  const undocumented: string[] = [];
  for (const [path, text] of readSources(/^packages\/.*\/src\/.*(?<!\.test)\.ts$/))
    for (const [, code = ""] of text.matchAll(/\bcode:\s*(\d{5})\b/g)) if (!documented.has(code)) undocumented.push(`${path}: ${code}`);
  expect(undocumented).toEqual([]);
});

describe("what is written stays readable by others", () => {
  const sources = readSources(/\.(ts|md|ya?ml|json|toml|txt|html|css)$|^skein$|^bin\/|^\.ci\//);

  test("no file names a path, a host or a person's folder of the machine it was written on", () => {
    const paths = new RegExp(["/wo", "rk/(main|shared|inputs)|/var/tm", "p/sid|/ro", "ot/(?!password)|/home/\\w"].join(""));
    const found: string[] = [];
    for (const [path, text] of sources) {
      if (path === "package-lock.json") {
        if (/"resolved": "https?:/.test(text)) found.push(`${path}: names a registry`);
        continue;
      }
      text.split("\n").forEach((line, index) => {
        if (paths.test(line)) found.push(`${path}:${index + 1}: ${line.trim()}`);
      });
    }
    expect(found).toEqual([]);
  });

  test("nothing is left to do later, and no test is left out or alone", () => {
    const found: string[] = [];
    for (const [path, text] of sources) {
      if (!path.endsWith(".ts")) continue;
      if (new RegExp(`\\b(${["TO", "DO|FIX", "ME|XX", "X"].join("")})\\b`).test(text)) found.push(`${path}: a note of work to do`);
      if (/\b(test|it|describe|suite)(\.\w+)*\.(skip|only|todo|skipIf|fails)\b/.test(codeOnly(text)))
        found.push(`${path}: a test is left out or alone`);
    }
    expect(found).toEqual([]);
  });
});
