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

export function matches(store: StoreView, constraints: readonly ConstraintInput[]): boolean {
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

/** The first label whose values differ; -1 when all are equal. A label that one of them lacks counts as equal. */
export function compareLocation(a: StoreView, b: StoreView, labels: readonly string[]): number {
  const [left, right] = [labelsOf(a), labelsOf(b)];
  for (let index = 0; index < labels.length; index++) {
    const key = (labels[index] as string).toLowerCase();
    const [x, y] = [left.get(key) ?? "", right.get(key) ?? ""];
    if (x !== "" && y !== "" && x !== y && x.toLowerCase() !== y.toLowerCase()) return index;
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
  let score = 0;
  for (const other of others) if (other.meta.id !== store.meta.id) score += pairScore(store, other, labels);
  return score;
}
