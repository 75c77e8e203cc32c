/**
 * Layouts that need nothing. Many regions have their peers on the same stores in the same roles; what the checker found out for one of
 * them holds for all, while the rules and what lasts of the stores (labels, states, silence) are the same. So a patrol over a hundred
 * thousand regions costs hardly more than looking at them.
 */
import type { RegionView } from "../../core/model.ts";
import type { CheckerContext } from "./checker.ts";
import type { Rule } from "./rule.ts";
import { rulesFor } from "./rule-set.ts";

const layoutsMax = 200_000;

export class LayoutCache {
  readonly #settled = new Set<string>();
  readonly #ruleNumbers = new WeakMap<readonly Rule[], number>();
  #nextRuleNumber = 1;
  #context: CheckerContext | null = null;
  #stores = "";

  /** Null for regions that must be looked at one by one: peers that are down or behind, no rules. */
  signature(context: CheckerContext, region: RegionView): string | null {
    if (region.downPeers.length > 0 || region.pendingPeers.length > 0) return null;
    const rules = rulesFor(context.rules, region.meta.startKey, region.meta.endKey);
    if (rules.length === 0) return null;
    let number = this.#ruleNumbers.get(rules);
    if (number === undefined) this.#ruleNumbers.set(rules, (number = this.#nextRuleNumber++));
    let text = `${number}`;
    for (const peer of region.meta.peers) {
      const mark = peer.id === region.leaderPeerId ? "*" : peer.role === "voter" ? "," : peer.role === "learner" ? "l" : "j";
      text += `${mark}${peer.storeId}`;
    }
    return text;
  }

  has(context: CheckerContext, signature: string): boolean {
    this.#follow(context);
    return this.#settled.has(signature);
  }

  add(context: CheckerContext, signature: string): void {
    this.#follow(context);
    if (this.#settled.size >= layoutsMax) this.#settled.clear();
    this.#settled.add(signature);
  }

  clear(): void {
    this.#settled.clear();
  }

  /** Forgets all when a store's labels or state are others. What is temporary makes a layout wait, never settle: it need not be followed. */
  #follow(context: CheckerContext): void {
    if (this.#context === context) return;
    this.#context = context;
    let text = "";
    for (const store of context.view.stores()) {
      text += `;${store.meta.id}${store.meta.state}${context.isDown(store) ? "!" : ""}${context.isDisconnected(store) ? "?" : ""}`;
      text += context.targetHindrance(store)?.isTemporary === false ? "x" : "";
      for (const { key, value } of store.meta.labels) text += `,${key}=${value}`;
    }
    if (text === this.#stores) return;
    this.#stores = text;
    this.#settled.clear();
  }
}
