import { seededRandom } from "@skein/base";
import { seeds } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { compilePattern } from "./pattern.ts";

describe("patterns", () => {
  test.each([
    ["no.*", "nope", true],
    ["^pd$", "pdx", false],
    ["^(a|bc)+$", "abca", true],
    ["x{2,3}$", "axx", true],
    ["^x{2,3}$", "xxxx", false],
    ["[^a-c]", "abc", false],
    ["\\d+-\\w", "12-z", true],
    ["a{,2}", "a{,2}", true],
    ["", "anything", true],
    ["[]a]", "]", true],
    ["größe?", "größ", true],
  ])("%s in %s: %s", (pattern, text, isFound) => {
    expect(compilePattern(pattern)(text)).toBe(isFound);
  });

  test.each([
    ["[", "error parsing regexp: missing closing ]: `[`"],
    ["a[b", "error parsing regexp: missing closing ]: `[b`"],
    ["(a", "error parsing regexp: missing closing ): `(a`"],
    ["a)", "error parsing regexp: unexpected ): `a)`"],
    ["*a", "error parsing regexp: missing argument to repetition operator: `*`"],
    ["a**", "error parsing regexp: invalid nested repetition operator: `a**`"],
    ["a{2,1}", "error parsing regexp: invalid repeat count: `{2,1}`"],
    ["a{2000}", "error parsing regexp: invalid repeat count: `{2000}`"],
    ["[b-a]", "error parsing regexp: invalid character class range: `b-a`"],
    ["(?=a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"],
    ["\\q", "error parsing regexp: invalid escape sequence: `\\q`"],
    ["\\", "error parsing regexp: trailing backslash at end of expression: ``"],
    ["((a{1000}){1000}){1000}", "error parsing regexp: expression too large"],
  ])("%s is refused", (pattern, message) => {
    expect(() => compilePattern(pattern)).toThrow(message);
  });

  test("a pattern that makes others try for ever is answered at once", () => {
    expect(compilePattern("^(a+)+$")(`${"a".repeat(2000)}b`)).toBe(false);
  });

  test.each(seeds({ fixed: 100, fresh: 20 }))("agrees with the language's own, seed %i", (seed) => {
    const dice = seededRandom(seed);
    const make = (depth: number): string => {
      const kind = dice.below(depth > 3 ? 3 : 8);
      if (kind < 3) return dice.pick(["a", "b", ".", "[ab]", "[^a]", "\\w"]);
      if (kind === 3) return `(${make(depth + 1)}|${make(depth + 1)})`;
      if (kind === 4) return `(?:${make(depth + 1)})${dice.pick(["*", "+", "?", "{2}", "{1,2}", "{0,}"])}`;
      if (kind === 5) return `${dice.pick(["^", ""])}${make(depth + 1)}${dice.pick(["$", ""])}`;
      return make(depth + 1) + make(depth + 1);
    };
    for (let round = 0; round < 20; round++) {
      const pattern = make(0);
      const text = Array.from({ length: dice.below(8) }, () => dice.pick(["a", "b", "c"])).join("");
      expect(compilePattern(pattern)(text), `${pattern} in ${text}`).toBe(new RegExp(pattern, "u").test(text));
    }
  });
});
