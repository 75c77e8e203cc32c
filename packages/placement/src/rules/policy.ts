/** Placement rules as the schedulers and checkers see them, and the checker's context out of theirs. */
import type { ClusterView, RegionId, RegionView, StoreId, StoreView } from "../core/model.ts";
import type { PlacementPolicy, ScheduleContext } from "../schedule/core/context.ts";
import { leaderTarget, regionTarget } from "../schedule/core/filters.ts";
import { isDisconnected, isLowSpace, isStoreDown, regionScore } from "../schedule/core/store-facts.ts";
import type { PdServices } from "../server/services.ts";
import { type CheckerContext, checkRegion, type Hindrance, isAsGood, mayLeadByRules } from "./core/checker.ts";
import { fitRegion, isSatisfied } from "./core/fit.ts";
import { LayoutCache } from "./core/layout-cache.ts";
import { labelBorders, labelOf } from "./core/region-labels.ts";
import { bordersIn, type RuleSet, rulesFor } from "./core/rule-set.ts";
import type { RuleManager } from "./manager.ts";

/** Layouts that need nothing are looked at again after so long, whatever happened. */
const layoutsKeptMs = 60_000;

export interface RulePolicy extends PlacementPolicy {
  /** Null while placement rules are off. */
  checkerContext(): CheckerContext | null;
  /** The operator that is under way for a region, in words; null when there is none. */
  operatorText(regionId: RegionId): string | null;
}

/** The context is asked for anew at each call: configuration and cluster change. */
export function createRulePolicy(manager: Pick<RuleManager, "set" | "labels" | "services">, contextOf: () => ScheduleContext): RulePolicy {
  const layouts = new LayoutCache();
  let clearedMs = 0;
  let memo: {
    readonly nowMs: number;
    readonly config: unknown;
    readonly checker: CheckerContext;
    readonly schedule: ScheduleContext;
  } | null = null;

  /** Stores are looked at once for all regions of a moment: a patrol asks for hundreds of regions in a millisecond. */
  function moment() {
    const { set, services } = manager;
    if (set === null || services === null) return null;
    const nowMs = services.world.clock.nowMs();
    const config = services.config.current;
    if (memo === null || memo.nowMs !== nowMs || memo.checker.rules !== set || memo.config !== config) {
      const schedule = contextOf();
      memo = { nowMs, config, schedule, checker: contextFor(set, schedule) };
    }
    return memo;
  }

  const checker = () => moment()?.checker ?? null;

  const fitOf = (context: CheckerContext, region: RegionView) => {
    const rules = rulesFor(context.rules, region.meta.startKey, region.meta.endKey);
    return { rules, fit: fitRegion(region, rules, (id) => context.view.store(id)) };
  };

  const label = ({ meta }: RegionView, key: string) =>
    labelOf(manager.labels, meta.startKey, meta.endKey, key, manager.services?.world.clock.nowMs() ?? 0);

  return {
    checkerContext: checker,
    operatorText: (regionId) => {
      const running = moment()?.schedule.operators.get(regionId) ?? null;
      return running === null ? null : `${running.operator.description} {${running.operator.brief}}`;
    },
    suggest: (region) => {
      const now = moment();
      if (now === null) return null;
      const context = now.checker;
      if (now.nowMs - clearedMs > layoutsKeptMs || now.nowMs < clearedMs) {
        layouts.clear();
        clearedMs = now.nowMs;
      }
      const layout = layouts.signature(context, region);
      if (layout !== null && layouts.has(context, layout)) return null;
      const verdict = checkRegion(context, region);
      if (layout !== null && verdict.kind === "settled") layouts.add(context, layout);
      return verdict.kind === "suggestion" ? verdict.suggestion : null;
    },
    isSatisfied: (region) => {
      const context = checker();
      return context !== null && isSatisfied(fitOf(context, region).fit);
    },
    wantedPeers: (region) => {
      const { set } = manager;
      if (set === null) return 0;
      return rulesFor(set, region.meta.startKey, region.meta.endKey).reduce((sum, rule) => sum + rule.count, 0);
    },
    mayLead: (region, storeId) => {
      const context = checker();
      const store = context?.view.store(storeId) ?? null;
      if (context === null || store === null) return context === null;
      return mayLeadByRules(rulesFor(context.rules, region.meta.startKey, region.meta.endKey), store);
    },
    isAsGood: (region, from, to) => {
      const context = checker();
      const store = context?.view.store(to) ?? null;
      if (context === null || store === null) return false;
      return isAsGood(fitOf(context, region).fit, from, store, (id) => context.view.store(id));
    },
    borders: (startKey, endKey) => {
      const labels = labelBorders(manager.labels, startKey, endKey);
      if (labels.length > 0) return { keys: labels, description: "labeler-split-region" };
      const set = manager.set;
      const keys = set === null ? [] : bordersIn(set, startKey, endKey);
      return keys.length > 0 ? { keys, description: "rule-split-region" } : null;
    },
    isDenied: (region) => label(region, "schedule") === "deny",
    isMergeDenied: (region) => label(region, "merge_option") === "deny",
  };
}

/** Stores as they were when they were first asked for. */
function frozenStores(view: Pick<ClusterView, "store" | "stores">): Pick<ClusterView, "store" | "stores"> {
  let all: readonly StoreView[] | null = null;
  const byId = new Map<StoreId, StoreView>();
  const stores = () => {
    if (all === null) {
      all = view.stores();
      for (const store of all) byId.set(store.meta.id, store);
    }
    return all;
  };
  return {
    stores,
    store: (id) => {
      stores();
      return byId.get(id) ?? null;
    },
  };
}

function contextFor(rules: RuleSet, schedule: ScheduleContext): CheckerContext {
  const { nowMs } = schedule;
  const config = schedule.schedule;
  const facts = baseContext(rules, schedule.view, nowMs, config);
  const hindrances = new Map<StoreId, Hindrance | null>();
  return {
    ...facts,
    targetHindrance: (store) => {
      let hindrance = hindrances.get(store.meta.id);
      if (hindrance === undefined) {
        hindrance = lasting(store, nowMs, config);
        if (hindrance === null) {
          const reason = regionTarget(schedule, store);
          if (reason !== null) hindrance = { reason, isTemporary: true };
        }
        hindrances.set(store.meta.id, hindrance);
      }
      return hindrance;
    },
    leadHindrance: (store) => leaderTarget(schedule, store),
  };
}

type StoreConfig = Pick<
  ScheduleContext["schedule"],
  "maxStoreDownTimeMs" | "lowSpaceRatio" | "highSpaceRatio" | "regionScoreFormulaVersion"
>;

function lasting(store: StoreView, nowMs: number, config: StoreConfig): Hindrance | null {
  if (store.meta.state === "tombstone") return { reason: "removed", isTemporary: false };
  if (store.meta.state === "offline") return { reason: "being removed", isTemporary: false };
  if (isStoreDown(store, nowMs, config.maxStoreDownTimeMs)) return { reason: "down", isTemporary: false };
  return isLowSpace(store, config.lowSpaceRatio) ? { reason: "low on space", isTemporary: false } : null;
}

/** What can be said without the schedulers: no limits, no paused leaders. */
function baseContext(rules: RuleSet, view: Pick<ClusterView, "store" | "stores">, nowMs: number, config: StoreConfig): CheckerContext {
  const scores = new Map<StoreId, number>();
  return {
    view: frozenStores(view),
    rules,
    isDisconnected: (store) => isDisconnected(store, nowMs),
    isDown: (store) => isStoreDown(store, nowMs, config.maxStoreDownTimeMs),
    targetHindrance: (store) => {
      const hindrance = lasting(store, nowMs, config);
      if (hindrance !== null) return hindrance;
      return isDisconnected(store, nowMs) ? { reason: "disconnected", isTemporary: true } : null;
    },
    leadHindrance: (store) => lasting(store, nowMs, config)?.reason ?? (isDisconnected(store, nowMs) ? "disconnected" : null),
    regionScore: (store) => {
      let score = scores.get(store.meta.id);
      if (score === undefined) scores.set(store.meta.id, (score = regionScore(store, scoring(config))));
      return score;
    },
  };
}

function scoring(config: StoreConfig) {
  return { version: config.regionScoreFormulaVersion, highSpaceRatio: config.highSpaceRatio, lowSpaceRatio: config.lowSpaceRatio };
}

/** For answers to a person, when no schedulers run. */
export function plainContext(rules: RuleSet, services: PdServices): CheckerContext {
  return baseContext(rules, services.cluster, services.cluster.nowMs, services.config.current.schedule);
}

/** For a simulation: what lasts, and nothing of the moment. */
export function simulationFacts(services: PdServices) {
  const nowMs = services.cluster.nowMs;
  const { schedule, replication } = services.config.current;
  return {
    stores: services.cluster.stores().filter((store) => store.meta.state !== "tombstone"),
    isDown: (store: StoreView) => isStoreDown(store, nowMs, schedule.maxStoreDownTimeMs),
    lastingHindrance: (store: StoreView) => lasting(store, nowMs, schedule)?.reason ?? null,
    regionScore: (store: StoreView, deltaMib: number) => regionScore(store, scoring(schedule), deltaMib),
    locationLabels: replication.locationLabels,
  };
}
