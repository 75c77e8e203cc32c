/**
 * Rules, groups and bundles as JSON: members in the original's order, what is empty left out where the original leaves it out. What is
 * read may lack anything; members of the wrong type are refused with the words and the place that the original names.
 */
import { type BundleInput, type ConstraintInput, emptyRule, type RuleGroup, type RuleInput, type RuleOperation } from "./rule.ts";

/** A value of the wrong JSON type. */
export class JsonTypeProblem extends Error {
  override readonly name = "JsonTypeProblem";
  /** `number`, `string`, `array` … */
  readonly value: string;
  /** The innermost record, "" when the whole body is wrong. */
  readonly struct: string;
  /** `rules.count` */
  readonly field: string;
  /** Where it stands in the body. */
  readonly path: readonly (string | number)[];
  constructor(value: string, type: string, struct: string, field: string, path: readonly (string | number)[]) {
    super(
      struct === ""
        ? `json: cannot unmarshal ${value} into Go value of type ${type}`
        : `json: cannot unmarshal ${value} into Go struct field ${struct}.${field} of type ${type}`,
    );
    this.value = value;
    this.struct = struct;
    this.field = field;
    this.path = path;
  }
}

interface Place {
  readonly struct: string;
  readonly field: readonly string[];
  readonly path: readonly (string | number)[];
}

const top: Place = { struct: "", field: [], path: [] };

function wrong(value: unknown, type: string, place: Place): JsonTypeProblem {
  const kind = Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value === "bigint" ? "number" : typeof value;
  const text = kind === "number" && type === "int" ? `number ${String(value)}` : kind;
  return new JsonTypeProblem(text, type, place.struct, place.field.join("."), place.path);
}

type Members = ReadonlyMap<string, readonly [string, unknown]>;

/** Members by lower-case name: names are taken without regard to case. Null counts as empty. */
function record(value: unknown, type: string, place: Place): Members {
  if (value === null || value === undefined) return new Map();
  if (typeof value !== "object" || Array.isArray(value)) throw wrong(value, type, place);
  return new Map(Object.entries(value).map(([key, member]) => [key.toLowerCase(), [key, member] as const]));
}

class Reader {
  readonly members: Members;
  readonly struct: string;
  readonly place: Place;

  constructor(value: unknown, struct: string, type: string, place: Place) {
    this.members = record(value, type, place);
    this.struct = struct;
    this.place = place;
  }

  at(name: string): { readonly value: unknown; readonly place: Place } {
    const found = this.members.get(name);
    const place = { struct: this.struct, field: [...this.place.field, name], path: [...this.place.path, found?.[0] ?? name] };
    return { value: found?.[1] ?? null, place };
  }

  text(name: string, type = "string"): string {
    const { value, place } = this.at(name);
    if (value === null) return "";
    if (typeof value !== "string") throw wrong(value, type, place);
    return value;
  }

  bool(name: string): boolean {
    const { value, place } = this.at(name);
    if (value === null) return false;
    if (typeof value !== "boolean") throw wrong(value, "bool", place);
    return value;
  }

  whole(name: string, type: "int" | "uint64" = "int"): number {
    const { value, place } = this.at(name);
    if (value === null) return 0;
    if (typeof value !== "number") throw wrong(value, type, place);
    if (!Number.isSafeInteger(value) || (type === "uint64" && value < 0))
      throw new JsonTypeProblem(`number ${value}`, type, place.struct, place.field.join("."), place.path);
    return value;
  }

  list<T>(name: string, type: string, each: (value: unknown, place: Place) => T): readonly T[] {
    const { value, place } = this.at(name);
    return listOf(value, type, place, each);
  }

  texts(name: string): readonly string[] {
    return this.list(name, "[]string", (value, place) => {
      if (typeof value !== "string") throw wrong(value, "string", place);
      return value;
    });
  }
}

function listOf<T>(value: unknown, type: string, place: Place, each: (value: unknown, place: Place) => T): readonly T[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw wrong(value, type, place);
  return value.map((item, index) => each(item, { ...place, path: [...place.path, index] }));
}

function constraintFrom(value: unknown, place: Place): ConstraintInput {
  const reader = new Reader(value, "LabelConstraint", "placement.LabelConstraint", place);
  return { key: reader.text("key"), op: reader.text("op", "placement.LabelConstraintOp"), values: reader.texts("values") };
}

function ruleFrom(value: unknown, place: Place, struct = "Rule"): RuleInput {
  const reader = new Reader(value, struct, `placement.${struct}`, place);
  return {
    ...emptyRule,
    groupId: reader.text("group_id"),
    id: reader.text("id"),
    index: reader.whole("index"),
    isOverride: reader.bool("override"),
    startKeyHex: reader.text("start_key"),
    endKeyHex: reader.text("end_key"),
    role: reader.text("role", "placement.PeerRoleType"),
    isWitness: reader.bool("is_witness"),
    count: reader.whole("count"),
    constraints: reader.list("label_constraints", "[]placement.LabelConstraint", constraintFrom),
    locationLabels: reader.texts("location_labels"),
    isolationLevel: reader.text("isolation_level"),
    version: reader.whole("version", "uint64"),
    createTimestamp: reader.whole("create_timestamp", "uint64"),
  };
}

function bundleFrom(value: unknown, place: Place): BundleInput {
  const reader = new Reader(value, "GroupBundle", "placement.GroupBundle", place);
  return {
    groupId: reader.text("group_id"),
    groupIndex: reader.whole("group_index"),
    isGroupOverride: reader.bool("group_override"),
    rules: reader.list("rules", "[]*placement.Rule", (item, at) => ruleFrom(item, at)),
  };
}

function operationFrom(value: unknown, place: Place): RuleOperation {
  const rule = ruleFrom(value, place, "RuleOp");
  const reader = new Reader(value, "RuleOp", "placement.RuleOp", place);
  return { rule, action: reader.text("action", "placement.RuleOpType"), isByIdPrefix: reader.bool("delete_by_id_prefix") };
}

/** Each throws `JsonTypeProblem`. */
export const readRule = (body: unknown): RuleInput => ruleFrom(body, top);
export const readRules = (body: unknown): readonly RuleInput[] =>
  listOf(body, "[]*placement.Rule", top, (value, place) => ruleFrom(value, place));
export const readBundle = (body: unknown): BundleInput => bundleFrom(body, top);
export const readBundles = (body: unknown): readonly BundleInput[] => listOf(body, "[]placement.GroupBundle", top, bundleFrom);
export const readOperations = (body: unknown): readonly RuleOperation[] => listOf(body, "[]placement.RuleOp", top, operationFrom);

export function readGroup(body: unknown): RuleGroup {
  const reader = new Reader(body, "RuleGroup", "placement.RuleGroup", top);
  return { id: reader.text("id"), index: reader.whole("index"), isOverride: reader.bool("override") };
}

const some = <T>(list: readonly T[]): readonly T[] | undefined => (list.length === 0 ? undefined : list);

/** `undefined` members are left out by JSON.stringify. */
export function ruleJson(rule: RuleInput) {
  return {
    group_id: rule.groupId,
    id: rule.id,
    index: rule.index || undefined,
    override: rule.isOverride || undefined,
    start_key: rule.startKeyHex,
    end_key: rule.endKeyHex,
    role: rule.role,
    is_witness: rule.isWitness,
    count: rule.count,
    label_constraints: some(rule.constraints)?.map(({ key, op, values }) => ({
      key: key || undefined,
      op: op || undefined,
      values: some(values),
    })),
    location_labels: some(rule.locationLabels),
    isolation_level: rule.isolationLevel || undefined,
    version: rule.version || undefined,
    create_timestamp: rule.createTimestamp || undefined,
  };
}

export function operationJson({ rule, action, isByIdPrefix }: RuleOperation) {
  return { ...ruleJson(rule), action, delete_by_id_prefix: isByIdPrefix };
}

export function groupJson(group: RuleGroup) {
  return { id: group.id, index: group.index || undefined, override: group.isOverride || undefined };
}

/** A bundle of a group without rules has `null` for them. */
export function bundleJson(group: RuleGroup, rules: readonly RuleInput[]) {
  return {
    group_id: group.id,
    group_index: group.index,
    group_override: group.isOverride,
    rules: rules.length === 0 ? null : rules.map(ruleJson),
  };
}

/**
 * How far a reader of JSON text has come when it has taken the value at a path: behind its last character, of lists and records behind
 * the first one. The text must be valid JSON. 0 when there is no such path.
 */
export function offsetOf(text: string, path: readonly (string | number)[]): number {
  let at = 0;
  const blanks = () => {
    while (at < text.length && " \t\r\n".includes(text[at] as string)) at++;
  };
  const string = (): string => {
    const from = at++;
    while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    return JSON.parse(text.slice(from, ++at)) as string;
  };
  const skip = (): void => {
    blanks();
    const first = text[at];
    if (first === '"') string();
    else if (first === "{" || first === "[") {
      at++;
      for (let depth = 1; depth > 0 && at < text.length; ) {
        const letter = text[at];
        if (letter === '"') string();
        else {
          if (letter === "{" || letter === "[") depth++;
          else if (letter === "}" || letter === "]") depth--;
          at++;
        }
      }
    } else while (at < text.length && !",]} \t\r\n".includes(text[at] as string)) at++;
  };
  for (const step of path) {
    blanks();
    const isList = text[at] === "[";
    if (!isList && text[at] !== "{") return 0;
    at++;
    for (let index = 0; ; index++) {
      blanks();
      if (at >= text.length || text[at] === "]" || text[at] === "}") return 0;
      let isIt = index === step;
      if (!isList) {
        isIt = string() === step;
        blanks();
        at++;
      }
      if (isIt) break;
      skip();
      blanks();
      if (text[at] === ",") at++;
    }
  }
  blanks();
  if (text[at] === "{" || text[at] === "[") return utf8Length(text, at + 1);
  skip();
  return utf8Length(text, at);
}

function utf8Length(text: string, end: number): number {
  let bytes = 0;
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i);
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code >= 0xd800 && code <= 0xdfff ? 2 : 3;
  }
  return bytes;
}
