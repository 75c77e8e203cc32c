import { describe, expect, test } from "vitest";
import { ConfigError, checkShape, parseToml, parseYaml, Type } from "./config.ts";

const schema = Type.Object(
  {
    name: Type.String({ minLength: 1 }),
    threads: Type.Integer({ minimum: 1, default: 4 }),
    purge: Type.Object({ interval: Type.Integer({ default: 3600 }) }, { additionalProperties: false, default: {} }),
    instances: Type.Array(Type.Object({ "source-id": Type.String() }, { additionalProperties: false }), { default: [] }),
  },
  { additionalProperties: false },
);

const problemsOf = (run: () => unknown): string[] => {
  try {
    run();
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((problem) => `${problem.kind} ${problem.path}: ${problem.message}`);
  }
};

describe("checkShape", () => {
  test("fills defaults", () => {
    expect(checkShape(schema, { name: "t" }, "f")).toEqual({ name: "t", threads: 4, purge: { interval: 3600 }, instances: [] });
  });

  test("names the key path and the value, one problem a path", () => {
    expect(problemsOf(() => checkShape(schema, { threads: "many", purge: { x: 1 }, instances: [{ "source-id": 5 }] }, "t.yaml"))).toEqual([
      "value name: is required",
      'type threads: "many" is refused: expected integer',
      "unknown-key purge.x: unknown key",
      "type instances[0].source-id: 5 is refused: expected string",
    ]);
  });
});

describe("parseYaml", () => {
  test("duplicate keys and broken texts are problems that name the file", () => {
    expect(() => parseYaml("a: 1\na: 2", "t.yaml")).toThrow(/t\.yaml.*unique/i);
    expect(() => parseYaml("a: [1", "t.yaml")).toThrow(ConfigError);
  });

  test("a bomb of aliases is refused", () => {
    const levels = ["a: &a [x,x,x,x,x,x,x,x,x,x]"];
    for (const [from, to] of ["ab", "bc", "cd", "de", "ef", "fg"])
      levels.push(`${to}: &${to} [*${from},*${from},*${from},*${from},*${from},*${from},*${from},*${from}]`);
    expect(() => parseYaml(levels.join("\n"), "bomb.yaml")).toThrow(ConfigError);
  });
});

describe("parseToml", () => {
  test("reads tables and refuses numbers that would be rounded", () => {
    expect(parseToml('a = 1\n[b]\nc = "x"', "f")).toEqual({ a: 1, b: { c: "x" } });
    expect(() => parseToml("a = 9223372036854775807", "f.toml")).toThrow(/f\.toml/);
  });
});
