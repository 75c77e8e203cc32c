/** The files of the checkout: what git tracks, and what is new and not ignored. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../..");

export function filePaths(pattern: RegExp): string[] {
  const text = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" });
  return [...new Set(text.split("\n"))].filter((path) => path !== "" && pattern.test(path) && existsSync(join(root, path))).sort();
}

export const readSources = (pattern: RegExp): Map<string, string> =>
  new Map(filePaths(pattern).map((path) => [path, readFileSync(join(root, path), "utf8")]));
