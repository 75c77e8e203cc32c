/** Whatever the rules, the stores and the first peers are: the checker's suggestions end, and end in a fit, without losing a majority. */
import { seededRandom } from "@skein/base";
import { repeatCommand, seeds } from "@skein/sim";
import { describe, expect, test } from "vitest";
import type { Label, RegionView, StoreView } from "../../core/model.ts";
import { checkerContext, peersText, regionView, storeView } from "../testing/model-cluster.ts";
import { applyTarget } from "./apply.ts";
import { type CheckerContext, checkRegion } from "./checker.ts";
import { fitRegion, isSatisfied } from "./fit.ts";
import { lintRules } from "./lint.ts";
import { emptyRule, type Rule, type RuleInput, ruleKey } from "./rule.ts";
import { buildRuleSet, type RuleSet, rulesFor } from "./rule-set.ts";
import { reviveRule } from "./validate.ts";

type Dice = ReturnType<typeof seededRandom>;
const stepsMax = 60;

function pick<T>(dice: Dice, list: readonly T[]): T {
  return list[dice.below(list.length)] as T;
}

function randomStores(dice: Dice): StoreView[] {
  const count = 3 + dice.below(8);
  const zones = 1 + dice.below(4);
  return Array.from({ length: count }, (_, index) => {
    const labels: Label[] = [];
    if (dice.below(10) > 0) labels.push({ key: "zone", value: `z${dice.below(zones)}` });
    if (dice.below(4) > 0) labels.push({ key: "rack", value: `r${dice.below(3)}` });
    labels.push({ key: "host", value: `h${dice.below(count)}` });
    const fate = dice.below(12);
    return storeView({
      id: index + 1,
      labels,
      regionSize: dice.below(1000),
      state: fate === 0 ? "offline" : "up",
      isDown: fate === 1,
    });
  });
}

function randomRules(dice: Dice, stores: readonly StoreView[]): RuleSet | null {
  const roles = ["voter", "voter", "voter", "follower", "learner", "leader"] as const;
  const rules = new Map<string, Rule>();
  const count = 1 + dice.below(3);
  for (let i = 0; i < count; i++) {
    const role = i === 0 ? "voter" : pick(dice, roles);
    const zone = pick(dice, stores).meta.labels.find((label) => label.key === "zone")?.value;
    const hasLabels = dice.below(2) === 0;
    const input: RuleInput = {
      ...emptyRule,
      groupId: "pd",
      id: `r${i}`,
      role,
      count: role === "leader" ? 1 : 1 + dice.below(3),
      constraints: zone !== undefined && dice.below(2) === 0 ? [{ key: "zone", op: pick(dice, ["in", "notIn"]), values: [zone] }] : [],
      locationLabels: hasLabels ? ["zone", "rack", "host"] : [],
      isolationLevel: hasLabels && dice.below(3) === 0 ? pick(dice, ["zone", "rack", "host"]) : "",
    };
    rules.set(ruleKey("pd", input.id), reviveRule(input));
  }
  try {
    return buildRuleSet(rules, new Map());
  } catch {
    return null;
  }
}

function randomRegion(dice: Dice, stores: readonly StoreView[]): RegionView | null {
  const chosen = stores.filter(() => dice.below(2) === 0);
  const words = chosen.map((store) => ({
    id: store.meta.id,
    isLearner: dice.below(4) === 0,
    isDown: checkerContext(null as unknown as RuleSet, stores).isDown(store),
  }));
  const alive = words.filter((word) => !word.isLearner && !word.isDown);
  const voters = words.filter((word) => !word.isLearner);
  if (alive.length * 2 <= voters.length || alive.length === 0) return null;
  const leader = pick(dice, alive);
  return regionView(
    words.map((word) => `${word.id}${word.isLearner ? ":learner" : ""}${word.isDown ? "!" : ""}${word === leader ? "*" : ""}`).join(" "),
  );
}

function hasMajority(context: CheckerContext, region: RegionView): boolean {
  const voters = region.meta.peers.filter((peer) => peer.role === "voter");
  const alive = voters.filter((peer) => {
    const store = context.view.store(peer.storeId);
    return store !== null && !context.isDown(store);
  });
  return alive.length * 2 > voters.length;
}

describe("suggestions of the rule checker", () => {
  test.each(seeds({ fixed: 400, fresh: 100 }))("end in a fit and keep a majority, seed %i", (seed) => {
    const dice = seededRandom(seed);
    for (let round = 0; round < 5; round++) {
      const stores = randomStores(dice);
      const rules = randomRules(dice, stores);
      const start = rules === null ? null : randomRegion(dice, stores);
      if (rules === null || start === null) continue;
      const context = checkerContext(rules, stores);
      const path: string[] = [peersText(start)];
      const told = () =>
        `${[...rules.rules.values()].map((r) => `${r.id} ${r.role} ${r.count} ${JSON.stringify(r.constraints)} ${r.locationLabels.join("/")} ${r.isolationLevel}`).join("\n")}\n${stores.map((s) => `${s.meta.id} ${s.meta.labels.map((l) => l.value).join("/")} ${s.meta.state} down=${context.isDown(s)}`).join("\n")}\n${path.join("\n")}\n${repeatCommand(seed, "packages/placement/src/rules/core/convergence.simulation.test.ts")}`;
      let region = start;
      let nextPeer = 5000;
      for (let step = 0; ; step++) {
        const verdict = checkRegion(context, region);
        if (verdict.kind !== "suggestion") {
          path.push(verdict.kind);
          const lint = lintRules(rules, stores);
          const effective = rulesFor(rules, region.meta.startKey, region.meta.endKey);
          const fit = fitRegion(region, effective, (id) => context.view.store(id));
          const isPossible = lint.length === 0 && stores.every((store) => store.meta.state === "up" && !context.isDown(store));
          // What is blocked for good is told; what is possible for each rule alone may still be taken by an earlier rule.
          if (verdict.kind === "settled") expect(isSatisfied(fit), `settled without a fit:\n${told()}`).toBe(true);
          else if (isPossible && effective.length === 1) expect(verdict.kind, told()).toBe("settled");
          break;
        }
        expect(step, `never ends:\n${told()}`).toBeLessThan(stepsMax);
        const { target, leader, description } = verdict.suggestion;
        const next = applyTarget(region, target, leader, () => nextPeer++);
        path.push(`${description} => ${peersText(next)}`);
        expect(next.leaderPeerId, `no leader:\n${told()}`).not.toBe(0);
        if (hasMajority(context, region)) expect(hasMajority(context, next), `the majority is lost:\n${told()}`).toBe(true);
        region = next;
      }
    }
  });
});
