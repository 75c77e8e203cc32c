/**
 * Labels of key ranges (spec §2.7, end): `schedule=deny` keeps the schedulers off, `merge_option=deny` keeps a region from being merged.
 * The borders of all label rules are borders of regions, too.
 */
import { compareBytes } from "@skein/base";
import { hexOfKey, keyOfHex } from "../../core/keys.ts";
import { compareText, endsNoLater } from "./rule.ts";

export interface RegionLabel {
  readonly key: string;
  readonly value: string;
  /** Go's duration, "" for ever. */
  readonly ttl: string;
  /** RFC 3339; "" when there is no ttl. */
  readonly startAt: string;
  /** Wall time at which it ends; null: never. */
  readonly endsMs: number | null;
}

export interface LabelRange {
  readonly startKeyHex: string;
  readonly endKeyHex: string;
  readonly startKey: Uint8Array;
  /** Empty: the end of all keys. */
  readonly endKey: Uint8Array;
}

export interface LabelRule {
  readonly id: string;
  readonly index: number;
  readonly labels: readonly RegionLabel[];
  readonly ruleType: "key-range";
  readonly ranges: readonly LabelRange[];
}

export interface LabelSet {
  readonly rules: ReadonlyMap<string, LabelRule>;
  /** By start key, for looking up. */
  readonly ranges: readonly { readonly rule: LabelRule; readonly range: LabelRange }[];
  /** In key order, each once. */
  readonly borders: readonly Uint8Array[];
}

export function buildLabelSet(rules: ReadonlyMap<string, LabelRule>): LabelSet {
  const ranges = [...rules.values()].flatMap((rule) => rule.ranges.map((range) => ({ rule, range })));
  ranges.sort((a, b) => compareBytes(a.range.startKey, b.range.startKey));
  const borders = new Map<string, Uint8Array>();
  for (const { range } of ranges) for (const key of [range.startKey, range.endKey]) if (key.length > 0) borders.set(hexOfKey(key), key);
  return { rules, ranges, borders: [...borders.values()].sort(compareBytes) };
}

export const noLabels: LabelSet = buildLabelSet(new Map());

/** (index, id). */
export function sortedLabelRules(set: LabelSet): readonly LabelRule[] {
  return [...set.rules.values()].sort((a, b) => a.index - b.index || compareText(a.id, b.id));
}

/** The value that the last rule in order gives; "" when none does. Rules mean regions that lie in one of their ranges as a whole. */
export function labelOf(set: LabelSet, startKey: Uint8Array, endKey: Uint8Array, key: string, nowMs: number): string {
  let found: { readonly rule: LabelRule; readonly value: string } | null = null;
  for (const rule of rulesOver(set, startKey, endKey))
    for (const label of rule.labels)
      if (label.key === key && isAlive(label, nowMs) && (found === null || isLater(rule, found.rule))) found = { rule, value: label.value };
  return found?.value ?? "";
}

/** All labels of a region, by key. */
export function labelsOf(set: LabelSet, startKey: Uint8Array, endKey: Uint8Array, nowMs: number): readonly RegionLabel[] {
  const rules = [...new Set(rulesOver(set, startKey, endKey))].sort((a, b) => (isLater(a, b) ? 1 : -1));
  const labels = new Map<string, RegionLabel>();
  for (const rule of rules) for (const label of rule.labels) if (isAlive(label, nowMs)) labels.set(label.key, label);
  return [...labels.values()].sort((a, b) => compareText(a.key, b.key));
}

function isAlive(label: RegionLabel, nowMs: number): boolean {
  return label.endsMs === null || nowMs < label.endsMs;
}

function isLater(a: LabelRule, b: LabelRule): boolean {
  return a.index - b.index > 0 || (a.index === b.index && compareText(a.id, b.id) > 0);
}

function rulesOver(set: LabelSet, startKey: Uint8Array, endKey: Uint8Array): readonly LabelRule[] {
  const rules: LabelRule[] = [];
  for (const { rule, range } of set.ranges) {
    if (compareBytes(range.startKey, startKey) > 0) break;
    if (endsNoLater(endKey, range.endKey)) rules.push(rule);
  }
  return rules;
}

/** Borders inside of a range, its own ends excluded. */
export function labelBorders(set: LabelSet, startKey: Uint8Array, endKey: Uint8Array): readonly Uint8Array[] {
  if (set.borders.length === 0) return set.borders;
  let low = 0;
  let high = set.borders.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBytes(set.borders[middle] as Uint8Array, startKey) <= 0) low = middle + 1;
    else high = middle;
  }
  const keys: Uint8Array[] = [];
  for (; low < set.borders.length; low++) {
    const key = set.borders[low] as Uint8Array;
    if (endKey.length > 0 && compareBytes(key, endKey) >= 0) break;
    keys.push(key);
  }
  return keys;
}

/** A refusal in the words of the original, or the rule. `parseDurationMs` answers null for what is no duration. */
export function readLabelRule(
  body: unknown,
  nowMs: number,
  parse: {
    readonly durationMs: (text: string) => number | null;
    readonly timeMs: (text: string) => number | null;
    readonly timeText: (ms: number) => string;
  },
): LabelRule | string {
  const input = typeof body === "object" && body !== null ? (body as Readonly<Record<string, unknown>>) : {};
  const { id, labels, rule_type: ruleType, data } = input;
  const index = typeof input["index"] === "number" && Number.isSafeInteger(input["index"]) ? input["index"] : 0;
  if (typeof id !== "string" || id === "") return "[PD:region:ErrRegionRuleContent]invalid region rule content, empty rule id";
  if (!Array.isArray(labels) || labels.length === 0) return "[PD:region:ErrRegionRuleContent]invalid region rule content, no region labels";
  const made: RegionLabel[] = [];
  for (const label of labels as readonly unknown[]) {
    const { key, value, ttl, start_at: startAt } = (label ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof key !== "string" || key === "") return "[PD:region:ErrRegionRuleContent]invalid region rule content, empty region label key";
    if (typeof value !== "string" || value === "")
      return "[PD:region:ErrRegionRuleContent]invalid region rule content, empty region label value";
    const ttlText = typeof ttl === "string" ? ttl : "";
    if (ttlText === "") {
      made.push({ key, value, ttl: "", startAt: "", endsMs: null });
      continue;
    }
    const ttlMs = parse.durationMs(ttlText);
    if (ttlMs === null || ttlMs < 0) return `[PD:region:ErrRegionRuleContent]invalid region rule content, invalid ttl ${ttlText}`;
    const startText = typeof startAt === "string" && startAt !== "" ? startAt : parse.timeText(nowMs);
    const startMs = parse.timeMs(startText);
    if (startMs === null) return `[PD:region:ErrRegionRuleContent]invalid region rule content, invalid start_at ${startText}`;
    made.push({ key, value, ttl: ttlText, startAt: startText, endsMs: startMs + ttlMs });
  }
  if (ruleType !== "key-range")
    return `[PD:region:ErrRegionRuleContent]invalid region rule content, invalid rule type: ${typeof ruleType === "string" ? ruleType : ""}`;
  if (!Array.isArray(data) || data.length === 0) return "[PD:region:ErrRegionRuleContent]invalid region rule content, no key ranges";
  const ranges: LabelRange[] = [];
  for (const range of data as readonly unknown[]) {
    const { start_key: start, end_key: end } = (range ?? {}) as Readonly<Record<string, unknown>>;
    const [startKeyHex, endKeyHex] = [typeof start === "string" ? start : "", typeof end === "string" ? end : ""];
    const [startKey, endKey] = [keyOfHex(startKeyHex), keyOfHex(endKeyHex)];
    if (startKey === null) return `[PD:hex:ErrHexDecodingString]decode string ${startKeyHex} error`;
    if (endKey === null) return `[PD:hex:ErrHexDecodingString]decode string ${endKeyHex} error`;
    if (endKey.length > 0 && compareBytes(endKey, startKey) <= 0)
      return "[PD:region:ErrRegionRuleContent]invalid region rule content, endKey should be greater than startKey";
    ranges.push({ startKeyHex, endKeyHex, startKey, endKey });
  }
  return { id, index, labels: made, ruleType: "key-range", ranges };
}

export function labelJson({ key, value, ttl, startAt }: RegionLabel) {
  return { key, value, ttl: ttl || undefined, start_at: startAt || undefined };
}

export function labelRuleJson(rule: LabelRule) {
  return {
    id: rule.id,
    index: rule.index,
    labels: rule.labels.map(labelJson),
    rule_type: rule.ruleType,
    data: rule.ranges.map(({ startKeyHex, endKeyHex }) => ({ start_key: startKeyHex, end_key: endKeyHex })),
  };
}
