/** The house rules about code, as functions of file texts: so that a test can show that each of them bites. */
import { posix } from "node:path";
import { entries, layers, pureFolders, testImports, worldCalls, worldFiles, worldModules } from "./layers.ts";
import { codeOnly, importsOf } from "./source-text.ts";

/** Path from the root of the checkout → text. */
export type Sources = ReadonlyMap<string, string>;

/** Nothing in the file, or in what it imports of its own package, waits or comes from Node. */
function isPureByContent(sources: Sources, path: string, seen = new Set<string>()): boolean {
  if (seen.has(path)) return true;
  seen.add(path);
  const text = sources.get(path) ?? "";
  if (/\bawait\b|\basync\b/.test(codeOnly(text))) return false;
  return importsOf(text).every(
    ({ specifier, typeOnly }) =>
      typeOnly ||
      (specifier.startsWith(".")
        ? isPureByContent(sources, posix.join(posix.dirname(path), specifier), seen)
        : !specifier.startsWith("node:")),
  );
}

/** `packages/x/src/y.ts:12: what is wrong` */
export function violations(sources: Sources): string[] {
  const found: string[] = [];
  const isPure = (file: string) => pureFolders.some((folder) => folder.test(file));
  for (const [path, text] of sources) {
    const [top, packageName = ""] = path.split("/");
    const isTest = path.endsWith(".test.ts") || path.includes("/testing/");
    const mayTouchTheWorld = worldFiles.some((file) => file.path.test(path));
    const layer = layers[packageName];
    const say = (line: number, what: string) => found.push(`${path}:${line}: ${what}`);
    if (top === "packages" && layer === undefined) {
      say(1, `package ${packageName} is not in the table of layers`);
      continue;
    }
    const isCore = isPure(path) && !isTest;
    for (const { specifier, line, typeOnly } of importsOf(text)) {
      if (specifier.startsWith("@skein/")) {
        const [, name = "", ...deep] = specifier.split("/");
        if (deep.length > 0 && !entries[name]?.includes(deep.join("/"))) say(line, `${specifier} reaches behind the package's index`);
        if (top !== "packages" || name === packageName) continue;
        if (!(layer?.imports.includes(name) || (isTest && testImports.includes(name)))) say(line, `${packageName} may not import ${name}`);
      } else if (specifier.startsWith(".")) {
        const target = posix.join(posix.dirname(path), specifier);
        if (top === "packages" && !target.startsWith(`packages/${packageName}/`)) say(line, `${specifier} leaves the package`);
        if (!/\.(ts|json)$/.test(specifier)) say(line, `${specifier} lacks its ending`);
        if (isCore && !typeOnly && !isPure(target) && sources.has(target) && !isPureByContent(sources, target))
          say(line, `a core may use only what is pure, and ${specifier} waits, or imports from Node`);
      } else {
        if (isCore && (specifier.startsWith("node:") || /^(fs|net|path|crypto|os|zlib)$/.test(specifier)))
          say(line, `a core may not import ${specifier}`);
        const bare = specifier.replace(/^node:/, "");
        if (top === "packages" && worldModules.includes(bare) && !mayTouchTheWorld && !typeOnly)
          say(line, `only the World may import ${specifier}`);
      }
    }
    if (top !== "packages") continue;
    codeOnly(text)
      .split("\n")
      .forEach((code, index) => {
        if (isCore && /\bawait\b|\basync\b/.test(code)) say(index + 1, "a core does not wait");
        if (mayTouchTheWorld) return;
        for (const { what, pattern } of worldCalls) if (pattern.test(code)) say(index + 1, `only the World may use ${what}`);
      });
  }
  return found;
}
