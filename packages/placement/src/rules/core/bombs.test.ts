/** Bodies that are small and ask for much: rules of one name, rules that all overlap. Each is done or refused at once. */
import { expect, test } from "vitest";
import { type ChangeFacts, separateTwins, setRules } from "./changes.ts";
import type { RuleInput } from "./rule.ts";
import { readRules } from "./rule-json.ts";
import type { RuleSet } from "./rule-set.ts";

const facts: ChangeFacts = { keyType: "raw", maxReplicas: 3, stores: [], nowSeconds: 1 };
const none: RuleSet = { rules: new Map(), groups: new Map(), ranges: [] };
const rule = (id: string, startKey: string): object => ({ group_id: "g", id, start_key: startKey, end_key: "", role: "voter", count: 1 });

test("thousands of rules of one name get names of their own", () => {
  const { rules } = separateTwins(readRules(Array.from({ length: 20_000 }, () => rule("a", ""))));
  expect(new Set(rules.map(({ id }: RuleInput) => id)).size).toBe(20_000);
  expect(rules.at(-1)?.id).toBe("a-20000");
});

test("thousands of rules that all overlap are refused", () => {
  const inputs = readRules(Array.from({ length: 20_000 }, (_, i) => rule(`r${i}`, i === 0 ? "" : i.toString(16).padStart(4, "0"))));
  const [first] = setRules(none, inputs.slice(0, 100), facts).set.ranges;
  expect(first?.rules).toHaveLength(1);
  expect(() => setRules(none, inputs, facts)).toThrow("too many rules overlap");
});
