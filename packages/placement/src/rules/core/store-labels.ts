/** Which stores a rule means (spec §2.1), and how far apart two stores are (§1.2). */
import type { Label, StoreView } from "../../core/model.ts";
import type { ConstraintInput } from "./rule.ts";

/** Of labels as they came with the store: the same list is asked again and again for every region. */
const lowered = new WeakMap<readonly Label[], ReadonlyMap<string, string>>();

function labelsOf(store: StoreView): ReadonlyMap<string, string> {
  const labels = store.meta.labels;
  let map = lowered.get(labels);
  if (map === undefined) {
    const made = new Map<string, string>();
    for (const { key, value } of labels) if (!made.has(key.toLowerCase())) made.set(key.toLowerCase(), value);
    map = made;
    lowered.set(labels, made);
  }
  return map;
}

/** "" when the store has none; keys are compared without regard to case. */
export function labelValue(store: StoreView, key: string): string {
  return labelsOf(store).get(key) ?? labelsOf(store).get(key.toLowerCase()) ?? "";
}

/** Stores with such a label take only peers of rules that name it. */
function isExclusive(key: string): boolean {
  return key.startsWith("$") || key === "engine" || key === "exclusive";
}

function meets(store: StoreView, constraint: ConstraintInput): boolean {
  const value = labelValue(store, constraint.key);
  switch (constraint.op) {
    case "in":
      return value !== "" && constraint.values.includes(value);
    case "notIn":
      return value === "" || !constraint.values.includes(value);
    case "exists":
      return value !== "";
    case "notExists":
      return value === "";
    default:
      return false;
  }
}

/** By a rule's constraints and a store's labels: both lists are kept as long as neither changes, and asked for with every region. */
const matched = new WeakMap<readonly ConstraintInput[], WeakMap<readonly Label[], boolean>>();

export function matches(store: StoreView, constraints: readonly ConstraintInput[]): boolean {
  let byLabels = matched.get(constraints);
  if (byLabels === undefined) matched.set(constraints, (byLabels = new WeakMap()));
  let answer = byLabels.get(store.meta.labels);
  if (answer === undefined) byLabels.set(store.meta.labels, (answer = matchesAll(store, constraints)));
  return answer;
}

function matchesAll(store: StoreView, constraints: readonly ConstraintInput[]): boolean {
  for (const constraint of constraints) if (!meets(store, constraint)) return false;
  for (const [key, value] of labelsOf(store)) {
    if (!isExclusive(key) || (key === "engine" && (value === "" || value.toLowerCase() === "tikv"))) continue;
    if (!constraints.some((constraint) => constraint.key.toLowerCase() === key)) return false;
  }
  return true;
}

/** The first constraint that the store does not meet, in words; null when it meets all. */
export function mismatch(store: StoreView, constraints: readonly ConstraintInput[]): string | null {
  for (const constraint of constraints)
    if (!meets(store, constraint)) {
      const value = labelValue(store, constraint.key);
      return `${constraintText(constraint)}: the store has ${value === "" ? "no such label" : `"${value}"`}`;
    }
  return matches(store, constraints) ? null : "the store is set aside by a label (engine, exclusive or $…) that the rule does not name";
}

export function constraintText({ key, op, values }: ConstraintInput): string {
  return op === "exists" || op === "notExists" ? `${key} ${op}` : `${key} ${op} [${values.join(" ")}]`;
}

/** By a rule's location labels and a store's labels: the store's values in lower case. */
const places = new WeakMap<readonly string[], WeakMap<readonly Label[], readonly string[]>>();

function placeOf(store: StoreView, labels: readonly string[]): readonly string[] {
  let byLabels = places.get(labels);
  if (byLabels === undefined) places.set(labels, (byLabels = new WeakMap()));
  let place = byLabels.get(store.meta.labels);
  if (place === undefined) byLabels.set(store.meta.labels, (place = labels.map((label) => labelValue(store, label).toLowerCase())));
  return place;
}

/** The first label whose values differ; -1 when all are equal. A label that one of them lacks counts as equal. */
export function compareLocation(a: StoreView, b: StoreView, labels: readonly string[]): number {
  return comparePlaces(placeOf(a, labels), placeOf(b, labels));
}

function comparePlaces(left: readonly string[], right: readonly string[]): number {
  for (let index = 0; index < left.length; index++) {
    const [x, y] = [left[index] as string, right[index] as string];
    if (x !== y && x !== "" && y !== "") return index;
  }
  return -1;
}

/** What one pair of stores adds to an isolation score: a level that differs counts a hundred times the next finer one. */
export function pairScore(a: StoreView, b: StoreView, labels: readonly string[]): number {
  const index = compareLocation(a, b, labels);
  return index === -1 ? 0 : 100 ** (labels.length - index - 1);
}

/** How far apart a store is from others. */
export function scoreAmong(store: StoreView, others: readonly StoreView[], labels: readonly string[]): number {
  if (labels.length === 0) return 0;
  const place = placeOf(store, labels);
  let score = 0;
  for (const other of others) {
    if (other.meta.id === store.meta.id) continue;
    const index = comparePlaces(place, placeOf(other, labels));
    if (index !== -1) score += 100 ** (labels.length - index - 1);
  }
  return score;
}
