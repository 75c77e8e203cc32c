/**
 * Placement rules, their groups and bundles, as values (spec/placement.md §2.1), and the order in which they count (§2.2).
 *
 *   rule   (group, id)  how many peers of which role on which stores, for a range of keys
 *   group  id           where all its rules stand among those of the other groups, and whether they drop what comes before
 *   bundle              a group with its rules: what is saved and loaded at once
 */
import { compareBytes } from "@skein/base";

export const ruleRoles = ["voter", "leader", "follower", "learner"] as const;
export type RuleRole = (typeof ruleRoles)[number];
export const constraintOps = ["in", "notIn", "exists", "notExists"] as const;
export type ConstraintOp = (typeof constraintOps)[number];

/** As it was sent: nothing is checked but the JSON types. */
export interface ConstraintInput {
  readonly key: string;
  readonly op: string;
  readonly values: readonly string[];
}

/** As it was sent: nothing is checked but the JSON types. */
export interface RuleInput {
  readonly groupId: string;
  readonly id: string;
  readonly index: number;
  readonly isOverride: boolean;
  /** Hex, in the letters in which it was sent. */
  readonly startKeyHex: string;
  readonly endKeyHex: string;
  readonly role: string;
  readonly isWitness: boolean;
  readonly count: number;
  readonly constraints: readonly ConstraintInput[];
  /** From coarse to fine. */
  readonly locationLabels: readonly string[];
  /** "" is none. */
  readonly isolationLevel: string;
  /** Grows by one with each update of the same key; 0 of a new one. What is sent is ignored. */
  readonly version: number;
  /** Seconds since 1970; 0 of a rule that was made before there were such. */
  readonly createTimestamp: number;
}

export interface LabelConstraint extends ConstraintInput {
  readonly op: ConstraintOp;
}

/** A rule that was checked. */
export interface Rule extends RuleInput {
  readonly role: RuleRole;
  readonly constraints: readonly LabelConstraint[];
  readonly startKey: Uint8Array;
  /** Empty: the end of all keys. */
  readonly endKey: Uint8Array;
}

export interface RuleGroup {
  readonly id: string;
  readonly index: number;
  /** Drops all rules of the groups before it, where one of its own rules applies. */
  readonly isOverride: boolean;
}

export interface BundleInput {
  readonly groupId: string;
  readonly groupIndex: number;
  readonly isGroupOverride: boolean;
  readonly rules: readonly RuleInput[];
}

/** One change of a batch. */
export interface RuleOperation {
  readonly rule: RuleInput;
  readonly action: string;
  readonly isByIdPrefix: boolean;
}

export const emptyRule: RuleInput = {
  groupId: "",
  id: "",
  index: 0,
  isOverride: false,
  startKeyHex: "",
  endKeyHex: "",
  role: "",
  isWitness: false,
  count: 0,
  constraints: [],
  locationLabels: [],
  isolationLevel: "",
  version: 0,
  createTimestamp: 0,
};

/** For maps; ids may hold any character, so lengths stand before them. */
export function ruleKey(groupId: string, id: string): string {
  return `${groupId.length}:${groupId}/${id}`;
}

/** For people. */
export function ruleName(rule: { readonly groupId: string; readonly id: string }): string {
  return `${rule.groupId}/${rule.id}`;
}

/** Go's order of texts: by their UTF-8 bytes, which is the order of code points. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x === y) continue;
    const [xSurrogate, ySurrogate] = [x >= 0xd800 && x <= 0xdfff, y >= 0xd800 && y <= 0xdfff];
    return xSurrogate === ySurrogate ? x - y : xSurrogate ? 1 : -1;
  }
  return a.length - b.length;
}

/** True when the range up to `a` ends no later than the one up to `b`; empty is the end of all keys. */
export function endsNoLater(a: Uint8Array, b: Uint8Array): boolean {
  if (b.length === 0) return true;
  return a.length > 0 && compareBytes(a, b) <= 0;
}

const noGroup = { index: 0, isOverride: false };

/** A group that nobody set stands at 0 and drops nothing. */
export function groupOf(groups: ReadonlyMap<string, RuleGroup>, id: string): RuleGroup {
  return groups.get(id) ?? { id, ...noGroup };
}

/** (group's index, group, index, id). */
export function compareRules(groups: ReadonlyMap<string, RuleGroup>): (a: RuleInput, b: RuleInput) => number {
  const indexOf = (id: string) => groups.get(id)?.index ?? 0;
  return (a, b) => {
    if (a.groupId !== b.groupId) return indexOf(a.groupId) - indexOf(b.groupId) || compareText(a.groupId, b.groupId);
    return a.index - b.index || compareText(a.id, b.id);
  };
}

export function compareGroups(a: RuleGroup, b: RuleGroup): number {
  return a.index - b.index || compareText(a.id, b.id);
}

/** Of rules in order: those that count. An override on the very first one drops nothing. */
export function applyOverrides(rules: readonly Rule[], groups: ReadonlyMap<string, RuleGroup>): readonly Rule[] {
  let kept: Rule[] = [];
  let from = 0;
  for (let i = 1; i < rules.length; i++) {
    const rule = rules[i] as Rule;
    if (rule.groupId !== (rules[from] as Rule).groupId) {
      if (groups.get(rule.groupId)?.isOverride === true) kept = [];
      else for (let j = from; j < i; j++) kept.push(rules[j] as Rule);
      from = i;
    }
    if (rule.isOverride) from = i;
  }
  if (kept.length === 0 && from === 0) return rules;
  for (let j = from; j < rules.length; j++) kept.push(rules[j] as Rule);
  return kept;
}
