/** Rules that hold, but cannot be met or hardly mean what they say: each with the reason and what to do next (design decision D12). */
import type { StoreView } from "../../core/model.ts";
import { type Rule, ruleName } from "./rule.ts";
import type { RuleSet } from "./rule-set.ts";
import { constraintText, labelValue, matches, mismatch } from "./store-labels.ts";

export interface LintFinding {
  readonly kind: "no-store" | "too-few-stores" | "too-few-places" | "isolation-unknown" | "no-voters-in-zone" | "witness";
  /** `group/id`, or several with commas. */
  readonly rule: string;
  readonly problem: string;
  readonly next: string;
}

export function findingText({ rule, problem, next }: LintFinding): string {
  return `rule ${rule}: ${problem}. ${next}`;
}

/** Subsets of more rules than this over one range are not looked at. */
const rulesMax = 12;

export function lintRules(set: RuleSet, stores: readonly StoreView[]): readonly LintFinding[] {
  const there = stores.filter((store) => store.meta.state === "up");
  if (there.length === 0) return [];
  const findings = new Map<string, LintFinding>();
  const add = (finding: LintFinding) => {
    const key = `${finding.kind} ${finding.rule}`;
    if (!findings.has(key)) findings.set(key, finding);
  };
  for (const rule of set.rules.values()) lintRule(rule, there, add);
  const seen = new Set<readonly Rule[]>();
  for (const { effective } of set.ranges) {
    if (seen.has(effective)) continue;
    seen.add(effective);
    lintCounts(effective, there, add);
    lintZones(effective, there, add);
  }
  return [...findings.values()];
}

type Add = (finding: LintFinding) => void;

function lintRule(rule: Rule, stores: readonly StoreView[], add: Add): void {
  const name = ruleName(rule);
  const fitting = stores.filter((store) => matches(store, rule.constraints));
  if (fitting.length === 0) {
    const [first] = stores;
    const why = first === undefined ? "" : ` (store ${first.meta.id}: ${mismatch(first, rule.constraints) ?? "matches"})`;
    add({
      kind: "no-store",
      rule: name,
      problem: `no store that is up matches ${rule.constraints.map(constraintText).join(" and ") || "it"}${why}`,
      next: "Look at `pd-ctl store`, and set labels with `pd-ctl store label <id> <key>=<value>`.",
    });
    return;
  }
  const { isolationLevel: level, locationLabels: labels } = rule;
  if (level !== "" && !labels.includes(level))
    add({
      kind: "isolation-unknown",
      rule: name,
      problem: `isolation_level ${level} is none of its location_labels [${labels.join(" ")}]: it keeps nothing apart`,
      next: "Add it to the rule's location_labels, or take it out.",
    });
  else if (level !== "") {
    const depth = labels.indexOf(level);
    const places = new Set(
      fitting.map((store) =>
        labels
          .slice(0, depth + 1)
          .map((label) => labelValue(store, label))
          .join("\u0000"),
      ),
    );
    if (places.size < rule.count)
      add({
        kind: "too-few-places",
        rule: name,
        problem: `it wants ${rule.count} peers in different places by ${level}, and its stores are in ${places.size}`,
        next: `Add stores in another ${level}, lower the count, or choose a finer isolation_level.`,
      });
  }
  if (rule.isWitness)
    add({
      kind: "witness",
      rule: name,
      problem: "is_witness is kept, and its peers hold data like all others",
      next: "Take is_witness out if nobody needs to read it.",
    });
}

/** Rules that compete for the same stores: any choice of them must find as many stores as they ask for together. */
function lintCounts(rules: readonly Rule[], stores: readonly StoreView[], add: Add): void {
  if (rules.length > rulesMax) return;
  const fitting = rules.map((rule) => new Set(stores.filter((store) => matches(store, rule.constraints)).map((store) => store.meta.id)));
  const guilty: number[] = [];
  const subsets = Array.from({ length: 2 ** rules.length - 1 }, (_, index) => index + 1).sort((a, b) => bits(a) - bits(b));
  for (const subset of subsets) {
    if (guilty.some((smaller) => (subset & smaller) === smaller)) continue;
    let count = 0;
    const union = new Set<number>();
    const names: string[] = [];
    for (const [index, rule] of rules.entries()) {
      if ((subset & (1 << index)) === 0) continue;
      count += rule.count;
      names.push(ruleName(rule));
      for (const id of fitting[index] ?? []) union.add(id);
    }
    if (union.size === 0 || union.size >= count) continue;
    guilty.push(subset);
    const ids = [...union].sort((a, b) => a - b).join(", ");
    add({
      kind: "too-few-stores",
      rule: names.join(", "),
      problem: `${names.length > 1 ? "together they want" : "it wants"} ${count} peers, and only ${union.size} store${union.size === 1 ? " matches" : "s match"} (${ids})`,
      next: `Start ${count - union.size} more store${count - union.size === 1 ? "" : "s"} with matching labels, or lower the count.`,
    });
  }
}

function bits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Places that get learners by a rule that names them, and never a voter. */
function lintZones(rules: readonly Rule[], stores: readonly StoreView[], add: Add): void {
  for (const rule of rules) {
    if (rule.role !== "learner") continue;
    for (const constraint of rule.constraints) {
      if (constraint.op !== "in" || constraint.key.toLowerCase() === "engine") continue;
      for (const value of constraint.values) {
        const inside = stores.filter((store) => labelValue(store, constraint.key) === value);
        if (inside.length === 0) continue;
        const hasVoter = rules.some((other) => other.role !== "learner" && inside.some((store) => matches(store, other.constraints)));
        if (hasVoter) continue;
        add({
          kind: "no-voters-in-zone",
          rule: ruleName(rule),
          problem: `${constraint.key} ${value} gets learners only: it can neither vote nor take over, and never counts as in sync`,
          next: `Add a rule with role voter for ${constraint.key} ${value}.`,
        });
      }
    }
  }
}
