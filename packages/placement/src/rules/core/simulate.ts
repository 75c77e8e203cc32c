/**
 * What a change of the rules would do, without doing it: the checker's suggestions are carried out on a copy of each region until it
 * settles. Limits and silent stores of the moment are left out of it; stores that are gone, leaving or full are not.
 */
import type { ClusterView, Peer, RegionView, StoreId, StoreView } from "../../core/model.ts";
import { applyTarget } from "./apply.ts";
import { checkRegion } from "./checker.ts";
import { LayoutCache } from "./layout-cache.ts";
import { type LintFinding, lintRules } from "./lint.ts";
import { ruleName } from "./rule.ts";
import { bordersIn, type RuleSet } from "./rule-set.ts";
import { labelValue } from "./store-labels.ts";

export interface SimulationFacts {
  readonly stores: readonly StoreView[];
  /** Silent for longer than max-store-down-time. */
  readonly isDown: (store: StoreView) => boolean;
  /** Null when the store may take peers at all. */
  readonly lastingHindrance: (store: StoreView) => string | null;
  readonly regionScore: (store: StoreView, deltaMib: number) => number;
  /** Levels of failure besides the store, from coarse to fine. */
  readonly locationLabels: readonly string[];
}

export interface StoreMoves {
  readonly storeId: StoreId;
  readonly added: number;
  readonly removed: number;
  readonly addedMib: number;
}

/** Regions that go on with a majority of their voters when that one thing is gone. */
export interface Survival {
  /** `store 3`, `zone east` */
  readonly what: string;
  readonly before: number;
  readonly after: number;
}

export interface DryRun {
  readonly regions: number;
  /** Regions whose peers or roles would change. */
  readonly changedRegions: number;
  readonly splits: number;
  readonly added: number;
  readonly removed: number;
  readonly promoted: number;
  readonly demoted: number;
  readonly leaderTransfers: number;
  /** To be copied. */
  readonly movedMib: number;
  readonly byStore: readonly StoreMoves[];
  readonly survivals: readonly Survival[];
  /** Why regions would not get all that the rules ask for, by reason. */
  readonly unmet: readonly { readonly reason: string; readonly regions: number; readonly example: number }[];
  readonly findings: readonly LintFinding[];
}

/** Of one region. A region that has not settled then goes on for ever: two rules pull at one peer. */
const stepsMax = 60;

/** Yields after each region, so that a caller may do other things between two. */
export function* simulateRules(rules: RuleSet, regions: Iterable<RegionView>, facts: SimulationFacts): Generator<void, DryRun, void> {
  const stores = new Map(facts.stores.map((store) => [store.meta.id, store]));
  const moves = new Map<StoreId, { added: number; removed: number; addedMib: number; deltaMib: number }>();
  const movesOf = (id: StoreId) => {
    let entry = moves.get(id);
    if (entry === undefined) moves.set(id, (entry = { added: 0, removed: 0, addedMib: 0, deltaMib: 0 }));
    return entry;
  };
  const view: Pick<ClusterView, "store" | "stores"> = { store: (id) => stores.get(id) ?? null, stores: () => facts.stores };
  const context = {
    view,
    rules,
    isDisconnected: facts.isDown,
    isDown: facts.isDown,
    targetHindrance: (store: StoreView) => {
      const reason = facts.lastingHindrance(store);
      return reason === null ? null : { reason, isTemporary: false };
    },
    leadHindrance: facts.lastingHindrance,
    regionScore: (store: StoreView) => facts.regionScore(store, moves.get(store.meta.id)?.deltaMib ?? 0),
  };
  const layouts = new LayoutCache();
  const levels = failureLevels(facts);
  const survival = new SurvivalCount(facts.stores, levels);
  const unmet = new Map<string, { regions: number; example: number }>();
  const sum = { regions: 0, changedRegions: 0, splits: 0, added: 0, removed: 0, promoted: 0, demoted: 0, leaderTransfers: 0, movedMib: 0 };
  let nextId = Number.MAX_SAFE_INTEGER - 1_000_000;

  for (const region of regions) {
    survival.count(region.meta.peers, "before");
    const pieces = splitAt(region, bordersIn(rules, region.meta.startKey, region.meta.endKey));
    sum.splits += pieces.length - 1;
    let isChanged = pieces.length > 1;
    for (const [index, piece] of pieces.entries()) {
      let now = piece;
      for (let step = 0; ; step++) {
        const layout = layouts.signature(context, now);
        if (layout !== null && layouts.has(context, layout)) break;
        const verdict = checkRegion(context, now);
        if (layout !== null && verdict.kind === "settled") layouts.add(context, layout);
        if (verdict.kind === "suggestion" && step < stepsMax) {
          const { target, leader } = verdict.suggestion;
          isChanged = true;
          for (const peer of now.meta.peers) {
            const role = target.get(peer.storeId);
            if (role === undefined) {
              sum.removed++;
              const entry = movesOf(peer.storeId);
              entry.removed++;
              entry.deltaMib -= now.approximateSize;
            } else if (role === "voter" && peer.role === "learner") sum.promoted++;
            else if (role === "learner" && peer.role !== "learner") sum.demoted++;
          }
          for (const storeId of target.keys()) {
            if (now.meta.peers.some((peer) => peer.storeId === storeId)) continue;
            sum.added++;
            sum.movedMib += now.approximateSize;
            const entry = movesOf(storeId);
            entry.added++;
            entry.addedMib += now.approximateSize;
            entry.deltaMib += now.approximateSize;
          }
          const next = applyTarget(now, target, leader, () => nextId++);
          if (storeOfLeader(next) !== storeOfLeader(now)) sum.leaderTransfers++;
          now = next;
          continue;
        }
        const reasons =
          verdict.kind === "suggestion"
            ? [`${verdict.suggestion.description} again and again: ${verdict.suggestion.reason}`]
            : verdict.kind === "blocked"
              ? verdict.blocks.map((block) => `${block.rule === "" ? "" : `rule ${block.rule}: `}${block.what}: ${block.reason}`)
              : verdict.kind === "leaderless"
                ? ["the region has no leader"]
                : [];
        for (const reason of reasons) {
          const entry = unmet.get(reason) ?? { regions: 0, example: region.meta.id };
          entry.regions++;
          unmet.set(reason, entry);
        }
        break;
      }
      // The region survives when all its pieces do; one of them stands for it when all are alike.
      survival.count(now.meta.peers, "after", index === 0);
    }
    sum.regions++;
    if (isChanged) sum.changedRegions++;
    yield;
  }
  return {
    ...sum,
    byStore: [...moves]
      .map(([storeId, { added, removed, addedMib }]) => ({ storeId, added, removed, addedMib }))
      .filter(({ added, removed }) => added + removed > 0)
      .sort((a, b) => a.storeId - b.storeId),
    survivals: survival.result(),
    unmet: [...unmet].map(([reason, entry]) => ({ reason, ...entry })).sort((a, b) => b.regions - a.regions),
    findings: lintRules(rules, facts.stores),
  };
}

function storeOfLeader(region: RegionView): StoreId {
  return region.meta.peers.find((peer) => peer.id === region.leaderPeerId)?.storeId ?? 0;
}

function splitAt(region: RegionView, keys: readonly Uint8Array[]): readonly RegionView[] {
  if (keys.length === 0) return [region];
  const bounds = [region.meta.startKey, ...keys, region.meta.endKey];
  return bounds.slice(0, -1).map((startKey, index) => ({
    ...region,
    approximateSize: region.approximateSize / (keys.length + 1),
    meta: { ...region.meta, startKey, endKey: bounds[index + 1] as Uint8Array },
  }));
}

/** Location labels of the configuration; without them, those labels that stores have. */
function failureLevels(facts: SimulationFacts): readonly string[] {
  if (facts.locationLabels.length > 0) return facts.locationLabels;
  const names = ["zone", "dc", "rack", "host"];
  return names.filter((name) => facts.stores.some((store) => labelValue(store, name) !== ""));
}

class SurvivalCount {
  readonly #whats: { readonly what: string; readonly stores: ReadonlySet<StoreId>; before: number; after: number }[] = [];
  /** By piece of the present region: what did not survive the first pieces. */
  #failed: Set<string> = new Set();

  constructor(stores: readonly StoreView[], levels: readonly string[]) {
    const up = stores.filter((store) => store.meta.state !== "tombstone");
    for (const level of levels) {
      const groups = new Map<string, Set<StoreId>>();
      for (const store of up) {
        const value = labelValue(store, level);
        if (value === "") continue;
        // The same rack name in another zone is another rack.
        const path = levels.slice(0, levels.indexOf(level) + 1).map((label) => labelValue(store, label));
        const name = `${level} ${path.filter((part) => part !== "").join("/")}`;
        const group = groups.get(name) ?? new Set();
        group.add(store.meta.id);
        groups.set(name, group);
      }
      for (const [what, ids] of groups) this.#whats.push({ what, stores: ids, before: 0, after: 0 });
    }
    for (const store of up) this.#whats.push({ what: `store ${store.meta.id}`, stores: new Set([store.meta.id]), before: 0, after: 0 });
  }

  count(peers: readonly Peer[], when: "before" | "after", isFirst = true): void {
    if (isFirst) this.#failed = new Set();
    const voters = peers.filter((peer) => peer.role !== "learner");
    for (const entry of this.#whats) {
      const left = voters.filter((peer) => !entry.stores.has(peer.storeId)).length;
      const survives = left * 2 > voters.length;
      if (isFirst && survives) entry[when]++;
      else if (!isFirst && !survives && !this.#failed.has(entry.what)) entry[when]--;
      if (!survives) this.#failed.add(entry.what);
    }
  }

  result(): readonly Survival[] {
    return this.#whats.map(({ what, before, after }) => ({ what, before, after }));
  }
}

/** For people. */
export function dryRunText(run: DryRun, rules: RuleSet, warnings: readonly string[]): string {
  const lines = ["Dry run: nothing was changed.", ""];
  for (const warning of warnings) lines.push(`warning: ${warning}`);
  for (const { rule, problem, next } of run.findings) lines.push(`warning: rule ${rule}: ${problem}. ${next}`);
  if (warnings.length + run.findings.length > 0) lines.push("");
  lines.push("Rules that would count:");
  const shown = new Set<string>();
  for (const { effective } of rules.ranges)
    for (const rule of effective) {
      const where = rule.constraints.map(({ key, op, values }) => ` ${key} ${op} [${values.join(" ")}]`).join(",");
      shown.add(`  ${ruleName(rule)}: ${rule.count} ${rule.role}${rule.count === 1 ? "" : "s"}${where}`);
    }
  lines.push(...[...shown].slice(0, 50), "");
  lines.push(
    `${run.changedRegions} of ${run.regions} regions would change: ${run.added} peer${run.added === 1 ? "" : "s"} added (${sizeText(run.movedMib)} to copy), ${run.removed} removed, ${run.promoted} promoted, ${run.demoted} demoted, ${run.leaderTransfers} leader${run.leaderTransfers === 1 ? "" : "s"} moved, ${run.splits} split${run.splits === 1 ? "" : "s"}.`,
  );
  for (const { storeId, added, removed, addedMib } of run.byStore)
    lines.push(`  store ${storeId}: +${added} -${removed} peers, ${sizeText(addedMib)} to receive`);
  lines.push("", "Regions that survive the loss of:", ...table(run));
  if (run.unmet.length > 0) {
    lines.push("", "What would stay unmet:");
    for (const { reason, regions, example } of run.unmet.slice(0, 20))
      lines.push(`  ${regions} region${regions === 1 ? "" : "s"} (for example ${example}): ${reason}`);
  }
  return lines.join("\n");
}

function table(run: DryRun): readonly string[] {
  const width = Math.max(4, ...run.survivals.map(({ what }) => what.length));
  const cell = (count: number) => (count === run.regions ? "all" : count === 0 ? "none" : `${count} of ${run.regions}`);
  const rows = [["", "before", "after"], ...run.survivals.map(({ what, before, after }) => [what, cell(before), cell(after)])];
  const middle = Math.max(...rows.map((row) => (row[1] as string).length));
  return rows.map(([what, before, after]) =>
    `  ${(what as string).padEnd(width)}  ${(before as string).padEnd(middle)}  ${after as string}`.trimEnd(),
  );
}

export function sizeText(mib: number): string {
  if (mib >= 1024 * 1024) return `${(mib / 1024 / 1024).toFixed(1)} TiB`;
  if (mib >= 1024) return `${(mib / 1024).toFixed(1)} GiB`;
  return `${Math.round(mib)} MiB`;
}
