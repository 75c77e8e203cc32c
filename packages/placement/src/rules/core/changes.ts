/**
 * Requests as changes of a rule set (spec §2.5). Each makes all changes or refuses.
 *
 * A body that holds several rules of one key loses none of them: the second and later get a suffix (`zone-west-2`), with a warning. The
 * two-centre document's own rule file needs that: it names its western voter and its western learner alike.
 */
import type { StoreView } from "../../core/model.ts";
import { type BundleInput, emptyRule, type Rule, type RuleGroup, type RuleInput, type RuleOperation, ruleKey, ruleName } from "./rule.ts";
import { applyChanges, type RuleChanges, type RuleSet, ruleOf, rulesOfGroup } from "./rule-set.ts";
import { checkRule, type ValidationFacts } from "./validate.ts";

export interface ChangeFacts extends ValidationFacts {
  readonly stores: readonly StoreView[];
  /** Becomes the rules' `create_timestamp`. */
  readonly nowSeconds: number;
}

export interface Changed {
  readonly set: RuleSet;
  readonly changes: RuleChanges;
  /** Sentences for the person who sent it. */
  readonly warnings: readonly string[];
}

class Draft {
  readonly rules = new Map<string, Rule | null>();
  readonly groups = new Map<string, RuleGroup | null>();
  readonly warnings: string[] = [];
  readonly before: RuleSet;
  readonly facts: ChangeFacts;

  constructor(before: RuleSet, facts: ChangeFacts) {
    this.before = before;
    this.facts = facts;
  }

  setRule(input: RuleInput, groupId: string | null): void {
    const rule = checkRule(input, groupId, this.facts);
    const old = ruleOf(this.before, rule.groupId, rule.id);
    this.rules.set(ruleKey(rule.groupId, rule.id), {
      ...rule,
      version: old === null ? 0 : old.version + 1,
      createTimestamp: old === null ? this.facts.nowSeconds : old.createTimestamp,
    });
  }

  deleteRule(groupId: string, id: string): void {
    this.rules.set(ruleKey(groupId, id), null);
  }

  deleteGroup(groupId: string): void {
    for (const rule of rulesOfGroup(this.before, groupId)) this.rules.set(ruleKey(rule.groupId, rule.id), null);
    this.groups.set(groupId, null);
  }

  done(): Changed {
    const known = new Map([...this.rules].filter(([key, rule]) => rule !== null || this.before.rules.has(key)));
    const groups = new Map([...this.groups].filter(([id, group]) => group !== null || this.before.groups.has(id)));
    const changes = { rules: known, groups };
    return { set: applyChanges(this.before, changes), changes, warnings: this.warnings };
  }
}

/** One rule alone replaces the one of its key. */
export function setRule(before: RuleSet, input: RuleInput, facts: ChangeFacts): Changed {
  const draft = new Draft(before, facts);
  draft.setRule(input, null);
  return draft.done();
}

export function deleteRule(before: RuleSet, groupId: string, id: string, facts: ChangeFacts): Changed {
  const draft = new Draft(before, facts);
  draft.deleteRule(groupId, id);
  return draft.done();
}

/** Adds and replaces; others stay. */
export function setRules(before: RuleSet, inputs: readonly RuleInput[], facts: ChangeFacts): Changed {
  const draft = new Draft(before, facts);
  const { rules, warnings } = separateTwins(inputs);
  for (const warning of warnings) draft.warnings.push(warning);
  for (const input of rules) draft.setRule(input, null);
  return draft.done();
}

export function batch(before: RuleSet, operations: readonly RuleOperation[], facts: ChangeFacts): Changed {
  const draft = new Draft(before, facts);
  const adds = operations.filter(({ action }) => action === "add");
  const { rules, warnings } = separateTwins(adds.map(({ rule }) => rule));
  for (const warning of warnings) draft.warnings.push(warning);
  let nextAdd = 0;
  for (const { rule, action, isByIdPrefix } of operations) {
    if (action === "add") draft.setRule(rules[nextAdd++] as RuleInput, null);
    else if (action === "del" && !isByIdPrefix) draft.deleteRule(rule.groupId, rule.id);
    else if (action === "del") {
      for (const old of rulesOfGroup(before, rule.groupId)) if (old.id.startsWith(rule.id)) draft.deleteRule(old.groupId, old.id);
      for (const [key, made] of draft.rules)
        if (made !== null && made.groupId === rule.groupId && made.id.startsWith(rule.id)) draft.rules.set(key, null);
    }
  }
  return draft.done();
}

export function setGroup(before: RuleSet, group: RuleGroup, facts: ChangeFacts): Changed {
  const draft = new Draft(before, facts);
  draft.groups.set(group.id, group);
  return draft.done();
}

/** The group's place and flag only; its rules stay. */
export function deleteGroup(before: RuleSet, id: string, facts: ChangeFacts): Changed {
  const draft = new Draft(before, facts);
  draft.groups.set(id, null);
  return draft.done();
}

/** Replaces a group with all its rules. */
export function setBundle(before: RuleSet, bundle: BundleInput, facts: ChangeFacts): Changed {
  return setBundles(before, [bundle], true, facts);
}

/** Partial: groups that are not named stay as they are; otherwise they go. */
export function setBundles(before: RuleSet, bundles: readonly BundleInput[], isPartial: boolean, facts: ChangeFacts): Changed {
  const draft = new Draft(before, facts);
  const old = isPartial
    ? bundles.map(({ groupId }) => groupId)
    : [...before.groups.keys(), ...[...before.rules.values()].map(({ groupId }) => groupId)];
  for (const groupId of new Set(old)) draft.deleteGroup(groupId);
  const owned = bundles.flatMap((bundle) => bundle.rules.map((rule) => ({ rule, groupId: bundle.groupId })));
  for (const bundle of bundles)
    draft.groups.set(bundle.groupId, { id: bundle.groupId, index: bundle.groupIndex, isOverride: bundle.isGroupOverride });
  const { rules, warnings } = separateTwins(owned.map(({ rule, groupId }) => ({ ...rule, groupId: rule.groupId || groupId })));
  for (const warning of warnings) draft.warnings.push(warning);
  for (const [index, rule] of rules.entries()) draft.setRule(rule, owned[index]?.groupId ?? null);
  return draft.done();
}

/** Deletes groups with their rules. */
export function deleteBundles(before: RuleSet, isWanted: (groupId: string) => boolean, facts: ChangeFacts): Changed {
  const draft = new Draft(before, facts);
  const ids = new Set([...before.groups.keys(), ...[...before.rules.values()].map(({ groupId }) => groupId)]);
  for (const id of ids) if (isWanted(id)) draft.deleteGroup(id);
  return draft.done();
}

/** Rules of one key that came together, told apart by suffixes. The same body gives the same names each time. */
export function separateTwins(inputs: readonly RuleInput[]): {
  readonly rules: readonly RuleInput[];
  readonly warnings: readonly string[];
} {
  const taken = new Set(inputs.map((rule) => ruleKey(rule.groupId, rule.id)));
  /** By key: the least suffix that is not tried yet. */
  const seen = new Map<string, number>();
  const warnings: string[] = [];
  const rules = inputs.map((rule) => {
    const key = ruleKey(rule.groupId, rule.id);
    let number = seen.get(key);
    if (number === undefined) {
      seen.set(key, 2);
      return rule;
    }
    while (taken.has(ruleKey(rule.groupId, `${rule.id}-${number}`))) number++;
    seen.set(key, number + 1);
    const renamed = { ...rule, id: `${rule.id}-${number}` };
    taken.add(ruleKey(renamed.groupId, renamed.id));
    warnings.push(
      `rule ${ruleName(rule)} stands more than once in one file: the one with role ${rule.role} and count ${rule.count} is kept as ${ruleName(renamed)}`,
    );
    return renamed;
  });
  return { rules, warnings };
}

export interface DefaultRuleFacts {
  readonly maxReplicas: number;
  readonly locationLabels: readonly string[];
  readonly isolationLevel: string;
}

export const defaultGroup = "pd";
export const defaultRuleId = "default";

/** The rule that says what the replication section of the configuration says. */
export function defaultRule(facts: DefaultRuleFacts): RuleInput {
  return {
    ...emptyRule,
    groupId: defaultGroup,
    id: defaultRuleId,
    role: "voter",
    count: facts.maxReplicas,
    locationLabels: facts.locationLabels,
    isolationLevel: facts.isolationLevel,
  };
}

/** Null unless `pd/default` is the only rule there is. */
export function soleDefaultRule(set: RuleSet): Rule | null {
  return set.rules.size === 1 ? ruleOf(set, defaultGroup, defaultRuleId) : null;
}

export function agrees(rule: RuleInput, facts: DefaultRuleFacts): boolean {
  return (
    rule.count === facts.maxReplicas &&
    rule.isolationLevel === facts.isolationLevel &&
    rule.locationLabels.length === facts.locationLabels.length &&
    rule.locationLabels.every((label, index) => label === facts.locationLabels[index])
  );
}
