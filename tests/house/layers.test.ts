import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readSources, root } from "./files.ts";
import { layers } from "./layers.ts";
import { violations } from "./rules.ts";
import { codeOnly, importsOf } from "./source-text.ts";

test("the code keeps the rules of the house", () => {
  expect(violations(readSources(/^(packages|tests|bench)\/.*\.ts$/))).toEqual([]);
});

test("package.json and tsconfig.json of every package say what the table says", () => {
  const wrong: string[] = [];
  for (const name of readdirSync(join(root, "packages"))) {
    const folder = join(root, "packages", name);
    if (!existsSync(join(folder, "package.json"))) continue;
    const allowed = layers[name]?.imports ?? [];
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
      dependencies?: Record<string, string>;
    };
    for (const dependency of Object.keys(dependencies)) {
      const [scope, other = ""] = dependency.split("/");
      if (scope === "@skein" && !allowed.includes(other)) wrong.push(`packages/${name}/package.json: ${dependency}`);
    }
  }
  expect(wrong).toEqual([]);
});

describe("the rules bite", () => {
  const cases: readonly [string, string, string][] = [
    ["packages/base/src/x.ts", 'import { a } from "@skein/rpc";', "base may not import rpc"],
    ["packages/mysql/src/x.ts", 'export { a } from "@skein/metastore";', "mysql may not import metastore"],
    ["packages/mysql/src/x.ts", 'const a = await import("@skein/migration");', "mysql may not import migration"],
    ["packages/mysql/src/x.ts", 'import { a } from "@skein/sim";', "mysql may not import sim"],
    ["packages/mysql/src/x.ts", 'import { a } from "@skein/base/src/core/bytes.ts";', "reaches behind the package's index"],
    ["packages/mysql/src/x.ts", 'import { a } from "../../base/src/index.ts";', "leaves the package"],
    ["packages/mysql/src/x.ts", 'import { a } from "./y";', "lacks its ending"],
    ["packages/unknown/src/x.ts", "", "package unknown is not in the table"],
    ["packages/mysql/src/core/x.ts", 'import { join } from "node:path";', "a core may not import node:path"],
    ["packages/mysql/src/core/x.ts", 'import { open } from "../client.ts";', "a core may use only what is pure"],
    ["packages/mysql/src/core/x.ts", "const f = async () => {};", "a core does not wait"],
    ["packages/mysql/src/x.ts", 'import { connect } from "node:net";', "only the World may import node:net"],
    ["packages/mysql/src/x.ts", 'import {\n  readFile,\n} from "node:fs/promises";', "only the World may import node:fs/promises"],
    ["packages/mysql/src/x.ts", "const t = Date.now();", "only the World may use Date.now"],
    ["packages/mysql/src/x.ts", "const t = new Date();", "only the World may use new Date() without a time"],
    ["packages/mysql/src/x.ts", "const t = new Date;", "only the World may use new Date() without a time"],
    ["packages/mysql/src/x.ts", "const t = `${Math.random()}`;", "only the World may use Math.random"],
    ["packages/mysql/src/x.ts", "setTimeout(f, 1);", "only the World may use a timer of Node"],
    ["packages/mysql/src/x.ts", "const id = crypto.randomUUID();", "only the World may use randomUUID"],
    ["packages/mysql/src/x.ts", 'const home = process.env["HOME"];', "only the World may use process.env"],
  ];
  test.each(cases)("%s: %s", (path, text, message) => {
    const waiting: [string, string] = ["packages/mysql/src/client.ts", "export const open = async () => {};"];
    expect(violations(new Map([waiting, [path, text]])).join("\n")).toContain(message);
  });

  test("and let pass what is allowed", () => {
    const allowed: readonly [string, string][] = [
      ["packages/migration/src/x.ts", 'import { a } from "@skein/mysql";\nimport type { Socket } from "node:net";'],
      ["packages/mysql/src/x.test.ts", 'import { a } from "@skein/sim";\nimport { b } from "@skein/servers";\nDate.now();'],
      [
        "packages/mysql/src/x.ts",
        '// Date.now()\nconst a = "Math.random()"; const b = /setTimeout(/; const c = `process.env ${"x"}`; new Date(0); socket.setTimeout(5);',
      ],
      ["packages/cli/src/main.ts", "process.env.HOME; Date.now();"],
      ["packages/mysql/src/core/x.ts", 'import type { Connection } from "../client.ts";\nimport { other } from "./y.ts";'],
    ];
    expect(violations(new Map(allowed))).toEqual([]);
  });
});

test("imports are found over lines, and not in strings", () => {
  const text =
    'import "./a.ts";\nimport type {\n  B,\n} from "./b.ts";\nexport const c = 1;\nconst s = "import x from \'./no.ts\'";\nexport { d } from "./d.ts";';
  expect(importsOf(text)).toEqual([
    { specifier: "./a.ts", line: 1, typeOnly: false },
    { specifier: "./b.ts", line: 2, typeOnly: true },
    { specifier: "./d.ts", line: 7, typeOnly: false },
  ]);
  expect(codeOnly("a /* b\n */ c `d ${e + `f`} g` 'h' // i")).toBe("a     \n    c `  ${e + ` `}  ` ' '     ");
});
