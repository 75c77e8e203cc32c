/**
 * What the rule checker wants done with one region: a desired end, not steps. The operator builder
 * (`schedule/core/builder.ts`) makes the steps; a suggestion can be given to it as it is.
 */
import type { PeerId, RegionId, StoreId } from "../../core/model.ts";

export const suggestionKinds = [
  "add-rule-peer",
  "replace-rule-down-peer",
  "replace-rule-down-leader-peer",
  "replace-rule-offline-peer",
  "replace-rule-offline-leader-peer",
  "replace-rule-swap-fit-peer",
  "replace-rule-swap-fit-leader-peer",
  "fix-peer-role",
  "fix-demote-voter",
  "fix-leader-role",
  "fix-follower-role",
  "move-to-better-location",
  "remove-orphan-peer",
  "remove-unhealthy-orphan-peer",
  "remove-replaced-orphan-peer",
  "replace-down-peer-with-orphan-peer",
] as const;
/** The operator's description. */
export type SuggestionKind = (typeof suggestionKinds)[number];

export interface RuleSuggestion {
  readonly regionId: RegionId;
  readonly description: SuggestionKind;
  /** Counts against `replica-schedule-limit`; it adds or replaces a peer. */
  readonly isReplica: boolean;
  readonly priority: "medium" | "high" | "urgent";
  /** Where the peers should be afterwards, and as what; a store that is not named loses its peer. */
  readonly target: ReadonlyMap<StoreId, "voter" | "learner">;
  /** Who should lead afterwards; null: whoever may. */
  readonly leader: StoreId | null;
  /** The change in one piece, for texts; 0 where there is none. */
  readonly from: StoreId;
  readonly to: StoreId;
  readonly peerId: PeerId;
  /** `group/id` of the rule that asks for it; "" for orphans. */
  readonly rule: string;
  /** One sentence for a person. */
  readonly reason: string;
}

/** Something that the rules ask for and that cannot be done now. */
export interface RuleBlock {
  /** `group/id`; "" for orphans. */
  readonly rule: string;
  readonly what: SuggestionKind;
  readonly reason: string;
  /** True when it goes away by itself (limits, a silent store): look at the region again soon. */
  readonly isTemporary: boolean;
}

export type RuleVerdict =
  /** All rules are met as well as they can be. */
  | { readonly kind: "settled" }
  | { readonly kind: "suggestion"; readonly suggestion: RuleSuggestion; readonly blocks: readonly RuleBlock[] }
  /** Something is missing, and nothing can be done about it now. */
  | { readonly kind: "blocked"; readonly blocks: readonly RuleBlock[] }
  /** The region reaches over a border of the rules: it must be split first. */
  | { readonly kind: "split"; readonly keys: readonly Uint8Array[] }
  | { readonly kind: "leaderless" };
