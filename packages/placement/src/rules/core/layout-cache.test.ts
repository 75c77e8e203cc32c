import { expect, test } from "vitest";
import { checkerContext, labelsFrom, regionView, storeView } from "../testing/model-cluster.ts";
import { defaultRule } from "./changes.ts";
import { LayoutCache } from "./layout-cache.ts";
import { buildRuleSet } from "./rule-set.ts";
import { reviveRule } from "./validate.ts";

const rule = reviveRule(defaultRule({ maxReplicas: 3, locationLabels: ["zone"], isolationLevel: "" }));
const rules = () => buildRuleSet(new Map([["2:pd/default", rule]]), new Map());
const stores = (zone: string, isDown = false) =>
  [1, 2, 3].map((id) => storeView({ id, labels: labelsFrom([`zone=${zone}`]), isDown: isDown && id === 3 }));

test("a layout counts for all regions that have it, until rules, labels or states change", () => {
  const cache = new LayoutCache();
  const set = rules();
  const context = checkerContext(set, stores("a"));
  const sign = (peers: string, of = context) => cache.signature(of, regionView(peers)) ?? "";
  cache.add(context, sign("1* 2 3"));
  expect(cache.has(context, sign("1* 2 3"))).toBe(true);
  expect(cache.has(context, sign("1 2* 3"))).toBe(false);
  expect(cache.has(context, sign("1* 2 3:learner"))).toBe(false);
  const same = checkerContext(set, stores("a"));
  expect(cache.has(same, sign("1* 2 3", same))).toBe(true);
  const others = checkerContext(rules(), stores("a"));
  expect(cache.has(others, sign("1* 2 3", others))).toBe(false);
  cache.add(context, sign("1* 2 3"));
  const moved = checkerContext(set, stores("b"));
  expect(cache.has(moved, sign("1* 2 3", moved))).toBe(false);
  cache.add(moved, sign("1* 2 3", moved));
  const down = checkerContext(set, stores("b", true));
  expect(cache.has(down, sign("1* 2 3", down))).toBe(false);
});

test("a region that is not well is looked at by itself", () => {
  const context = checkerContext(rules(), stores("a"));
  expect(new LayoutCache().signature(context, regionView("1* 2 3!"))).toBeNull();
  expect(new LayoutCache().signature(context, regionView("1* 2 3?"))).toBeNull();
});
