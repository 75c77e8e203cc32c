import { expect, test } from "vitest";
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
