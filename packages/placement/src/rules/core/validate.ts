/** From what was sent to rules that hold, or a refusal with the original's words (spec §2.4). */
import { compareBytes } from "@skein/base";
import { keyOfHex } from "../../core/keys.ts";
import type { StoreView } from "../../core/model.ts";
import { comparableBytesProblem } from "./comparable-bytes.ts";
import { contentRefusal, hexRefusal } from "./errors.ts";
import { type ConstraintOp, constraintOps, type LabelConstraint, type Rule, type RuleInput, type RuleRole, ruleRoles } from "./rule.ts";
import { matches } from "./store-labels.ts";

export interface ValidationFacts {
  /** `table`, `txn` or `raw`: keys of the first two are in the form that keeps their order. */
  readonly keyType: string;
  readonly maxReplicas: number;
  /** A rule must match one of them; with none known, nothing is asked. */
  readonly stores: readonly StoreView[];
}

/** `groupId`: of the bundle that the rule came in, or null. Throws `RuleRefusal`. */
export function checkRule(input: RuleInput, groupId: string | null, facts: ValidationFacts): Rule {
  const startKey = keyOfHex(input.startKeyHex);
  if (startKey === null) throw hexRefusal(input.startKeyHex);
  const endKey = keyOfHex(input.endKeyHex);
  if (endKey === null) throw hexRefusal(input.endKeyHex);
  if (endKey.length > 0 && compareBytes(endKey, startKey) <= 0) throw contentRefusal("endKey should be greater than startKey");
  if (facts.keyType !== "raw") {
    checkKey("start", startKey, facts.keyType);
    checkKey("end", endKey, facts.keyType);
  }
  let group = input.groupId;
  if (groupId !== null) {
    if (group === "") group = groupId;
    else if (group !== groupId) throw contentRefusal(`rule group ${group} does not match group ID ${groupId}`);
  }
  if (group === "") throw contentRefusal("group ID should not be empty");
  if (input.id === "") throw contentRefusal("ID should not be empty");
  const role = input.role;
  if (!isRole(role)) throw contentRefusal(`invalid role ${role}`);
  if (input.count <= 0) throw contentRefusal(`invalid count ${input.count}`);
  if (role === "leader" && input.count > 1) throw contentRefusal(`define multiple leaders by count ${input.count}`);
  if (input.isWitness && input.count > Math.floor(facts.maxReplicas / 2))
    throw contentRefusal(`define too many witness by count ${input.count}`);
  const constraints: LabelConstraint[] = [];
  for (const { key, op, values } of input.constraints) {
    if (!isOp(op)) throw contentRefusal(`invalid op ${op}`);
    if (input.isWitness && key.toLowerCase() === "engine" && values.includes("tiflash"))
      throw contentRefusal("witness can't combine with tiflash");
    constraints.push({ key, op, values });
  }
  if (facts.stores.length > 0 && !facts.stores.some((store) => matches(store, constraints)))
    throw contentRefusal(`rule '${input.id}' from rule group '${group}' can not match any store`);
  return { ...input, groupId: group, role, constraints, startKey, endKey };
}

/** A rule that was persisted: only what could not be worked with is refused. */
export function reviveRule(input: RuleInput): Rule {
  return checkRule(input, null, { keyType: "raw", maxReplicas: Number.MAX_SAFE_INTEGER, stores: [] });
}

function checkKey(which: "start" | "end", key: Uint8Array, mode: string): void {
  if (key.length === 0) return;
  const problem = comparableBytesProblem(key);
  if (problem !== null) throw contentRefusal(`${which} key should be encoded in ${mode} mode: ${problem}`);
}

function isRole(text: string): text is RuleRole {
  return (ruleRoles as readonly string[]).includes(text);
}

function isOp(text: string): text is ConstraintOp {
  return (constraintOps as readonly string[]).includes(text);
}
