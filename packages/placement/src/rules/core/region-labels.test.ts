import { describe, expect, test } from "vitest";
import { hexOfKey, keyOfHex } from "../../core/keys.ts";
import {
  buildLabelSet,
  type LabelRule,
  labelBorders,
  labelOf,
  labelRuleJson,
  labelsOf,
  readLabelRule,
  sortedLabelRules,
} from "./region-labels.ts";

const parse = {
  durationMs: (text: string) => (text === "1h" ? 3_600_000 : null),
  timeMs: (text: string) => (text === "then" ? 10_000 : null),
  timeText: () => "then",
};
const bytes = (hex: string) => keyOfHex(hex) ?? new Uint8Array();

function rule(id: string, index: number, start: string, end: string, labels: Record<string, string>, ttl?: string): LabelRule {
  const made = readLabelRule(
    {
      id,
      index,
      labels: Object.entries(labels).map(([key, value]) => ({ key, value, ...(ttl === undefined ? {} : { ttl }) })),
      rule_type: "key-range",
      data: [{ start_key: start, end_key: end }],
    },
    10_000,
    parse,
  );
  if (typeof made === "string") throw new Error(made);
  return made;
}

const set = (...rules: LabelRule[]) => buildLabelSet(new Map(rules.map((each) => [each.id, each])));

describe("labels of key ranges", () => {
  test("a rule means regions that lie in its range as a whole; the later one in order wins", () => {
    const labels = set(rule("b", 1, "10", "30", { schedule: "deny" }), rule("a", 2, "20", "30", { schedule: "allow", x: "1" }));
    expect(labelOf(labels, bytes("10"), bytes("20"), "schedule", 0)).toBe("deny");
    expect(labelOf(labels, bytes("20"), bytes("25"), "schedule", 0)).toBe("allow");
    expect(labelOf(labels, bytes("10"), bytes("31"), "schedule", 0)).toBe("");
    expect(labelOf(labels, bytes("10"), bytes(""), "schedule", 0)).toBe("");
    expect(labelsOf(labels, bytes("20"), bytes("30"), 0).map(({ key, value }) => `${key}=${value}`)).toEqual(["schedule=allow", "x=1"]);
    expect(sortedLabelRules(labels).map(({ id }) => id)).toEqual(["b", "a"]);
  });

  test("a label with a ttl ends", () => {
    const labels = set(rule("a", 0, "", "", { schedule: "deny" }, "1h"));
    expect(labelOf(labels, bytes(""), bytes(""), "schedule", 3_609_999)).toBe("deny");
    expect(labelOf(labels, bytes(""), bytes(""), "schedule", 3_610_000)).toBe("");
    expect(labelRuleJson(labels.rules.get("a") as LabelRule).labels[0]).toEqual({
      key: "schedule",
      value: "deny",
      ttl: "1h",
      start_at: "then",
    });
  });

  test("borders of all rules are borders of regions", () => {
    const labels = set(rule("a", 0, "10", "30", { x: "1" }), rule("b", 0, "20", "30", { x: "2" }));
    const inside = (start: string, end: string) => labelBorders(labels, bytes(start), bytes(end)).map(hexOfKey);
    expect(inside("", "")).toEqual(["10", "20", "30"]);
    expect(inside("10", "30")).toEqual(["20"]);
    expect(inside("15", "18")).toEqual([]);
    expect(inside("20", "")).toEqual(["30"]);
  });

  test.each([
    [{}, "empty rule id"],
    [{ id: "a" }, "no region labels"],
    [{ id: "a", labels: [{ value: "x" }] }, "empty region label key"],
    [{ id: "a", labels: [{ key: "x" }] }, "empty region label value"],
    [{ id: "a", labels: [{ key: "x", value: "y", ttl: "soon" }] }, "invalid ttl soon"],
    [{ id: "a", labels: [{ key: "x", value: "y", ttl: "1h", start_at: "never" }] }, "invalid start_at never"],
    [{ id: "a", labels: [{ key: "x", value: "y" }], rule_type: "other" }, "invalid rule type: other"],
    [{ id: "a", labels: [{ key: "x", value: "y" }], rule_type: "key-range", data: [] }, "no key ranges"],
    [{ id: "a", labels: [{ key: "x", value: "y" }], rule_type: "key-range", data: [{ start_key: "zz" }] }, "decode string zz error"],
    [
      { id: "a", labels: [{ key: "x", value: "y" }], rule_type: "key-range", data: [{ start_key: "20", end_key: "10" }] },
      "endKey should be greater",
    ],
    ["text", "empty rule id"],
  ])("%j is refused", (body, why) => {
    expect(readLabelRule(body, 0, parse)).toContain(why);
  });
});
