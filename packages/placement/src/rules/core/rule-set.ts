/**
 * All rules and groups at one time, with an index of the ranges that they cut the keys into. A set is never changed: a change makes
 * another one, or is refused and leaves nothing behind (spec §2.4).
 */
import { compareBytes } from "@skein/base";
import { hexOfKey } from "../../core/keys.ts";
import { buildRefusal } from "./errors.ts";
import { applyOverrides, compareGroups, compareRules, endsNoLater, groupOf, type Rule, type RuleGroup, ruleKey } from "./rule.ts";

export interface RuleRange {
  readonly startKey: Uint8Array;
  /** Empty: the end of all keys. */
  readonly endKey: Uint8Array;
  /** All that cover it, in order. */
  readonly rules: readonly Rule[];
  /** Those that count. */
  readonly effective: readonly Rule[];
}

export interface RuleSet {
  readonly rules: ReadonlyMap<string, Rule>;
  readonly groups: ReadonlyMap<string, RuleGroup>;
  /** In key order, without holes. */
  readonly ranges: readonly RuleRange[];
}

/** Null takes one away. Keys of rules are those of `ruleKey`. */
export interface RuleChanges {
  readonly rules: ReadonlyMap<string, Rule | null>;
  readonly groups: ReadonlyMap<string, RuleGroup | null>;
}

const everything = new Uint8Array(0);
/** Of all ranges together: rules that all overlap would fill the memory with the square of their number. */
const coveringMax = 1_000_000;

/** Throws `RuleRefusal` when a range is left without rules, or without a voter or leader, or with two leaders. */
export function buildRuleSet(rules: ReadonlyMap<string, Rule>, groups: ReadonlyMap<string, RuleGroup>): RuleSet {
  return { rules, groups, ranges: buildRanges([...rules.values()], groups) };
}

/** Throws `RuleRefusal` and changes nothing. Groups that say what the default says are not kept. */
export function applyChanges(set: RuleSet, changes: RuleChanges): RuleSet {
  const rules = new Map(set.rules);
  for (const [key, rule] of changes.rules) {
    if (rule === null) rules.delete(key);
    else rules.set(key, rule);
  }
  const groups = new Map(set.groups);
  for (const [id, group] of changes.groups) {
    if (group === null || isDefaultGroup(group)) groups.delete(id);
    else groups.set(id, group);
  }
  return buildRuleSet(rules, groups);
}

export function isDefaultGroup(group: RuleGroup): boolean {
  return group.index === 0 && !group.isOverride;
}

function buildRanges(rules: Rule[], groups: ReadonlyMap<string, RuleGroup>): readonly RuleRange[] {
  if (rules.length === 0) throw buildRefusal("no rule left");
  const order = compareRules(groups);
  rules.sort(order);
  const borders = new Map<string, Uint8Array>([["", everything]]);
  for (const rule of rules) {
    borders.set(hexOfKey(rule.startKey), rule.startKey);
    if (rule.endKey.length > 0) borders.set(hexOfKey(rule.endKey), rule.endKey);
  }
  const sorted = [...borders.values()].sort(compareBytes);
  const byStart = [...rules].sort((a, b) => compareBytes(a.startKey, b.startKey));

  const ranges: RuleRange[] = [];
  let active: Rule[] = [];
  let next = 0;
  let coveringCount = 0;
  for (const [at, startKey] of sorted.entries()) {
    const endKey = sorted[at + 1] ?? everything;
    let isChanged = at === 0;
    const left = active.filter((rule) => rule.endKey.length === 0 || compareBytes(rule.endKey, startKey) > 0);
    if (left.length !== active.length) isChanged = true;
    active = left;
    for (; next < byStart.length && compareBytes((byStart[next] as Rule).startKey, startKey) <= 0; next++) {
      active.push(byStart[next] as Rule);
      isChanged = true;
    }
    if (isChanged) active.sort(order);
    coveringCount += active.length;
    if (coveringCount > coveringMax) throw buildRefusal(`too many rules overlap, in ${sorted.length} ranges`);
    const covering = [...active];
    const effective = applyOverrides(covering, groups);
    checkRange(effective, startKey, endKey);
    ranges.push({ startKey, endKey, rules: covering, effective });
  }
  return ranges;
}

function checkRange(rules: readonly Rule[], startKey: Uint8Array, endKey: Uint8Array): void {
  const where = () => `{${hexOfKey(startKey)}, ${hexOfKey(endKey)}}`;
  if (rules.length === 0) throw buildRefusal(`no rule for range ${where()}`);
  let leaders = 0;
  let voters = 0;
  for (const rule of rules) {
    if (rule.role === "leader") leaders += rule.count;
    else if (rule.role === "voter") voters += rule.count;
  }
  if (leaders > 1) throw buildRefusal(`multiple leader replicas for range ${where()}`);
  if (leaders + voters < 1) throw buildRefusal(`needs at least one leader or voter for range ${where()}`);
}

/** The range that holds the key. */
export function rangeAt(set: RuleSet, key: Uint8Array): RuleRange {
  let low = 0;
  let high = set.ranges.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (compareBytes((set.ranges[middle] as RuleRange).startKey, key) <= 0) low = middle;
    else high = middle - 1;
  }
  return set.ranges[low] as RuleRange;
}

const none: readonly Rule[] = [];

/** The rules that count for a region; none when it reaches over a border. */
export function rulesFor(set: RuleSet, startKey: Uint8Array, endKey: Uint8Array): readonly Rule[] {
  const range = rangeAt(set, startKey);
  return endsNoLater(endKey, range.endKey) ? range.effective : none;
}

/** Borders inside of a range, its own ends excluded. */
export function bordersIn(set: RuleSet, startKey: Uint8Array, endKey: Uint8Array): readonly Uint8Array[] {
  const keys: Uint8Array[] = [];
  let range = rangeAt(set, startKey);
  while (range.endKey.length > 0 && (endKey.length === 0 || compareBytes(range.endKey, endKey) < 0)) {
    keys.push(range.endKey);
    range = rangeAt(set, range.endKey);
  }
  return keys;
}

export function sortedRules(set: RuleSet): readonly Rule[] {
  return [...set.rules.values()].sort(compareRules(set.groups));
}

export function rulesOfGroup(set: RuleSet, groupId: string): readonly Rule[] {
  return sortedRules(set).filter((rule) => rule.groupId === groupId);
}

/** Those that were set, and those that have rules, in order. */
export function sortedGroups(set: RuleSet): readonly RuleGroup[] {
  const ids = new Set(set.groups.keys());
  for (const rule of set.rules.values()) ids.add(rule.groupId);
  return [...ids].map((id) => groupOf(set.groups, id)).sort(compareGroups);
}

export function ruleOf(set: RuleSet, groupId: string, id: string): Rule | null {
  return set.rules.get(ruleKey(groupId, id)) ?? null;
}
