import { expect, test } from "vitest";
import { HttpRefusal } from "./http-routes.ts";
import { goJson, parseGoJson, syntaxError } from "./json.ts";

test("numbers of 64 bits are written whole, and read whole", () => {
  expect(goJson({ id: 18_446_744_073_709_551_615n, none: undefined, empty: [] })).toBe(
    '{\n  "id": 18446744073709551615,\n  "empty": []\n}\n',
  );
  expect(goJson({ a: "<&>" }, true)).toBe('{"a":"\\u003c\\u0026\\u003e"}');
  expect(parseGoJson(new TextEncoder().encode('{"ts": 446266897047191553, "n": 5, "f": 1e2}'))).toEqual({
    ts: 446_266_897_047_191_553n,
    n: 5,
    f: 100,
  });
});

test.each([
  ["x", "invalid character 'x' looking for beginning of value", 1],
  ["{bad", "invalid character 'b' looking for beginning of object key string", 2],
  ["nonsense", "invalid character 'o' in literal null (expecting 'u')", 2],
  ["", "unexpected end of JSON input", 0],
  ['{"a":1', "unexpected end of JSON input", 6],
  ['{"a" 1}', "invalid character '1' after object key", 6],
  ['{"a":1 "b"}', "invalid character '\"' after object key:value pair", 8],
  ["[1 2]", "invalid character '2' after array element", 4],
  ["{} x", "invalid character 'x' after top-level value", 4],
  ['"\n"', "invalid character '\\n' in string literal", 2],
  ["'a'", "invalid character '\\'' looking for beginning of value", 1],
  ["-x", "invalid character 'x' in numeric literal", 2],
])("%j is refused where Go would stop", (text, message, offset) => {
  expect(syntaxError(text)).toEqual({ message, offset });
});

test("a million brackets are refused, and hold nobody up", () => {
  expect(() => parseGoJson(new TextEncoder().encode("[".repeat(1_000_000)))).toThrow();
});

test("depth has a limit, brackets in strings do not count, and the reader looks at each value only for numbers of 64 bits", () => {
  const parse = (text: string) => parseGoJson(new TextEncoder().encode(text));
  const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
  expect(() => parse(deep(10_001))).toThrow(HttpRefusal);
  expect(() => parse(deep(200_000))).toThrow(HttpRefusal);
  expect(parse(JSON.stringify({ a: "[".repeat(20_000) }))).toEqual({ a: "[".repeat(20_000) });
  const wide = `[${"1,".repeat(600_000)}18446744073709551615]`;
  expect(() => parse(wide)).toThrow(HttpRefusal);
  expect(parse("[18446744073709551615]")).toEqual([18_446_744_073_709_551_615n]);
  expect(parse("-18446744073709551616")).toBe(-18_446_744_073_709_551_616n);
  expect(parse('{"k":"7480000000000000", "v": 5}')).toEqual({ k: "7480000000000000", v: 5 });
});
