/** Why a region's peers are where they are: the rules that apply, which peer serves which, what comes next and what hinders it. */

import { hexOfKey } from "../../core/keys.ts";
import type { Peer, RegionView } from "../../core/model.ts";
import { type CheckerContext, checkRegion } from "./checker.ts";
import { fitRegion, isRuleSatisfied, isSatisfied } from "./fit.ts";
import { type Rule, ruleName } from "./rule.ts";
import { rangeAt, rulesFor } from "./rule-set.ts";
import { constraintText } from "./store-labels.ts";

export interface WhyFacts {
  /** The text of an operator that is under way; null when there is none. */
  readonly operator: string | null;
  readonly isSchedulingHalted: boolean;
  /** A label of the region's range forbids to schedule it. */
  readonly isDenied: boolean;
}

export function regionWhy(context: CheckerContext, region: RegionView, facts: WhyFacts): string {
  const { meta } = region;
  const lines = [
    `Region ${meta.id} [${hexOfKey(meta.startKey)}, ${hexOfKey(meta.endKey)}): ${meta.peers.map((peer) => peerText(region, peer)).join(", ")}`,
    "",
  ];
  const rules = rulesFor(context.rules, meta.startKey, meta.endKey);
  const covering = rangeAt(context.rules, meta.startKey).rules;
  if (rules.length > 0) {
    lines.push("Rules:");
    const fit = fitRegion(region, rules, (id) => context.view.store(id));
    for (const each of fit.fits) {
      const held = each.peers.map((peer) => `store ${peer.storeId}`).join(", ");
      const wrong = each.differentRole.map((peer) => `the peer on store ${peer.storeId} is a ${peer.role}`).join(", ");
      const state = isRuleSatisfied(each)
        ? "met"
        : [each.peers.length < each.rule.count ? `${each.peers.length} of ${each.rule.count}` : "", wrong]
            .filter((part) => part !== "")
            .join("; ");
      lines.push(`  ${ruleText(each.rule)}: ${state}${held === "" ? "" : ` (${held})`}`);
    }
    for (const rule of covering) if (!rules.includes(rule)) lines.push(`  ${ruleText(rule)}: overridden`);
    if (fit.orphans.length > 0) lines.push(`  needed by no rule: ${fit.orphans.map((peer) => `store ${peer.storeId}`).join(", ")}`);
    if (isSatisfied(fit)) lines.push("All rules are met.");
    lines.push("");
  }
  const verdict = checkRegion(context, region);
  switch (verdict.kind) {
    case "leaderless":
      lines.push("Next: nothing; the region has no leader that the placement driver knows of. Look at its stores with `pd-ctl store`.");
      break;
    case "split":
      lines.push(`Next: split the region at ${verdict.keys.map(hexOfKey).join(" ")}; it reaches over a border of the rules.`);
      break;
    case "settled":
      lines.push("Next: nothing.");
      break;
    case "blocked":
      lines.push("Next: nothing can be done now.");
      break;
    case "suggestion": {
      const { description, reason } = verdict.suggestion;
      lines.push(`Next: ${description}: ${reason}.`);
      break;
    }
  }
  if (verdict.kind === "suggestion" || verdict.kind === "blocked")
    for (const block of verdict.blocks)
      lines.push(
        `Hindered: ${block.what}${block.rule === "" ? "" : ` of rule ${block.rule}`}: ${block.reason}${block.isTemporary ? " (looked at again soon)" : ""}.`,
      );
  if (facts.operator !== null) lines.push(`Under way: ${facts.operator}`);
  if (facts.isSchedulingHalted) lines.push("Hindered: scheduling is halted. Go on with `pd-ctl config set halt-scheduling false`.");
  if (facts.isDenied) lines.push("A region label says schedule=deny: schedulers leave the region alone (rules still hold).");
  return lines.join("\n");
}

function ruleText(rule: Rule): string {
  const where = rule.constraints.length === 0 ? "" : ` with ${rule.constraints.map(constraintText).join(" and ")}`;
  return `${ruleName(rule)}: ${rule.count} ${rule.role}${rule.count === 1 ? "" : "s"}${where}`;
}

function peerText(region: RegionView, peer: Peer): string {
  const marks = [
    peer.id === region.leaderPeerId ? "leader" : peer.role,
    ...(region.downPeers.some((down) => down.peerId === peer.id) ? ["down"] : []),
    ...(region.pendingPeers.includes(peer.id) ? ["has not caught up"] : []),
  ];
  return `peer ${peer.id} on store ${peer.storeId} (${marks.join(", ")})`;
}
