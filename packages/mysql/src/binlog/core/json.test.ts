import { expect, test } from "vitest";
import { applyJsonDifference, type JsonNode, jsonText, parseJsonPath, printJson } from "./json.ts";

const leaf = (text: string): JsonNode => ({ kind: "leaf", text });

test("a document that points into itself ends soon", () => {
  // Two entries a level, all pointing at the same next level: 2^n nodes from n × 11 bytes.
  const levels = 60;
  const bytes = Buffer.alloc(1 + levels * 10 + 10);
  bytes[0] = 2;
  for (let level = 0; level < levels; level++) {
    const at = 1 + level * 10;
    bytes.writeUInt16LE(2, at);
    bytes.writeUInt16LE(10, at + 2);
    for (const entry of [at + 4, at + 7]) {
      bytes[entry] = 2;
      bytes.writeUInt16LE(10, entry + 1);
    }
  }
  expect(() => jsonText(bytes, 0, bytes.length)).toThrow(/more than it holds|points outside/);
});

test("a document deeper than servers make is refused", () => {
  const levels = 5000;
  const bytes = Buffer.alloc(1 + levels * 7 + 8);
  bytes[0] = 2;
  for (let level = 0; level < levels; level++) {
    const at = 1 + level * 7;
    bytes.writeUInt16LE(1, at);
    bytes.writeUInt16LE(7, at + 2);
    bytes[at + 4] = 2;
    bytes.writeUInt16LE(7, at + 5);
  }
  expect(() => jsonText(bytes, 0, bytes.length)).toThrow(/too deep/);
});

test("paths and differences", () => {
  expect(parseJsonPath('$.a[10]."b c"."q\\"."')).toEqual([{ key: "a" }, { index: 10 }, { key: "b c" }, { key: 'q".' }]);
  const document: JsonNode = {
    kind: "object",
    members: new Map([
      ["bb", leaf("1")],
      ["ccc", { kind: "array", items: [leaf("1"), leaf("2")] }],
    ]),
  };
  applyJsonDifference(document, { operation: "insert", path: parseJsonPath("$.a"), value: leaf("0") });
  applyJsonDifference(document, { operation: "insert", path: parseJsonPath("$.ccc[1]"), value: leaf("9") });
  applyJsonDifference(document, { operation: "remove", path: parseJsonPath("$.ccc[0]") });
  applyJsonDifference(document, { operation: "replace", path: parseJsonPath("$.bb"), value: leaf('"x"') });
  expect(printJson(document)).toBe('{"a": 0, "bb": "x", "ccc": [9, 2]}');
  expect(() => applyJsonDifference(document, { operation: "remove", path: parseJsonPath("$.ccc[7]") })).toThrow(/another shape/);
  expect(() => parseJsonPath("a.b")).toThrow();
});
