/**
 * One look at one region: what its rules ask for next (spec §2.7). The first thing that is wrong and can be mended is suggested:
 *
 *   A  peers that no rule needs    only when all that rules need is there and well; or to replace one that is down
 *   B  for each rule, in order     1 too few peers   2 a peer is down   3 its store is leaving   4 a role is wrong   5 a better place
 *
 * What cannot be done is passed over for the next thing, and told as a block.
 */
import type { ClusterView, Peer, PeerId, RegionView, StoreId, StoreView } from "../../core/model.ts";
import { applyTarget } from "./apply.ts";
import { compareRegionFit, extraCount, fitOfPeer, fitRegion, isRuleSatisfied, type RegionFit, type RuleFit } from "./fit.ts";
import { type Rule, ruleName } from "./rule.ts";
import { bordersIn, type RuleSet, rulesFor } from "./rule-set.ts";
import { labelValue, matches, scoreAmong } from "./store-labels.ts";
import type { RuleBlock, RuleSuggestion, RuleVerdict, SuggestionKind } from "./suggestion.ts";

/** Why a store may not be chosen. What is temporary goes away by itself. */
export interface Hindrance {
  readonly reason: string;
  readonly isTemporary: boolean;
}

export interface CheckerContext {
  readonly view: Pick<ClusterView, "store" | "stores">;
  readonly rules: RuleSet;
  /** Silent for longer than a store may be before it is shown as Disconnected. */
  readonly isDisconnected: (store: StoreView) => boolean;
  /** Silent for longer than `max-store-down-time`. */
  readonly isDown: (store: StoreView) => boolean;
  /** Null when the store may take a peer. */
  readonly targetHindrance: (store: StoreView) => Hindrance | null;
  /** Null when the store may take the lead; rules are not asked here. */
  readonly leadHindrance: (store: StoreView) => string | null;
  /** The lower, the more room. */
  readonly regionScore: (store: StoreView) => number;
}

export function checkRegion(context: CheckerContext, region: RegionView): RuleVerdict {
  return look(context, region, true);
}

function look(context: CheckerContext, region: RegionView, maySwap: boolean): RuleVerdict {
  if (leaderOf(region) === null) return { kind: "leaderless" };
  const rules = rulesFor(context.rules, region.meta.startKey, region.meta.endKey);
  if (rules.length === 0) return { kind: "split", keys: bordersIn(context.rules, region.meta.startKey, region.meta.endKey) };
  const fit = fitRegion(region, rules, (id) => context.view.store(id));
  return new RegionCheck(context, region, fit, maySwap).run();
}

/** By rules alone: a rule for voters or the leader means the store. */
export function mayLeadByRules(rules: readonly Rule[], store: StoreView): boolean {
  return rules.some((rule) => (rule.role === "leader" || rule.role === "voter") && matches(store, rule.constraints));
}

/**
 * A peer on `to` in the place of the one on `from` serves the same rule, no less apart from the region's other stores that the rule means:
 * the measure of `move-to-better-location`, or what a balancer moves would be moved back. False when no rule takes the peer on `from`.
 */
export function isAsGood(fit: RegionFit, from: StoreId, to: StoreView, storeOf: (id: StoreId) => StoreView | null): boolean {
  const served = fit.fits.find((each) => each.peers.some((peer) => peer.storeId === from));
  if (served === undefined || !matches(to, served.rule.constraints)) return false;
  const { locationLabels, isolationLevel, constraints } = served.rule;
  const others = (peers: readonly Peer[]) =>
    peers.flatMap((peer) => {
      const store = peer.storeId === from || peer.storeId === to.meta.id ? null : storeOf(peer.storeId);
      return store === null || !matches(store, constraints) ? [] : [store];
    });
  const own = others(served.peers);
  const now = storeOf(from);
  if (isTooNear(to, own, locationLabels, isolationLevel) && (now === null || !isTooNear(now, own, locationLabels, isolationLevel)))
    return false;
  if (now === null || locationLabels.length === 0) return true;
  const all = others([...fit.fits.flatMap((each) => each.peers), ...fit.orphans]);
  return (
    scoreAmong(to, own, locationLabels) >= scoreAmong(now, own, locationLabels) &&
    scoreAmong(to, all, locationLabels) >= scoreAmong(now, all, locationLabels)
  );
}

/** Equal to one of the others on every label down to the isolation level. A level that is no location label keeps nothing apart. */
export function isTooNear(store: StoreView, others: readonly StoreView[], labels: readonly string[], level: string): boolean {
  const depth = level === "" ? -1 : labels.indexOf(level);
  if (depth < 0) return false;
  return others.some((other) => {
    for (let i = 0; i <= depth; i++) if (labelValue(store, labels[i] as string) !== labelValue(other, labels[i] as string)) return false;
    return true;
  });
}

function leaderOf(region: RegionView): Peer | null {
  for (const peer of region.meta.peers) if (peer.id === region.leaderPeerId) return peer;
  return null;
}

type Target = Map<StoreId, "voter" | "learner">;

function targetOf(region: RegionView): Target {
  return new Map(
    region.meta.peers.map((peer) => [peer.storeId, peer.role === "learner" || peer.role === "demotingVoter" ? "learner" : "voter"]),
  );
}

interface Choice {
  readonly store: StoreView | null;
  /** Why there is none. */
  readonly why: string;
  readonly isTemporary: boolean;
}

class RegionCheck {
  readonly #context: CheckerContext;
  readonly #region: RegionView;
  readonly #fit: RegionFit;
  readonly #maySwap: boolean;
  readonly #blocks: RuleBlock[] = [];

  constructor(context: CheckerContext, region: RegionView, fit: RegionFit, maySwap: boolean) {
    this.#maySwap = maySwap;
    this.#context = context;
    this.#region = region;
    this.#fit = fit;
  }

  run(): RuleVerdict {
    const suggestion = this.#orphans() ?? this.#rules();
    const blocks = this.#blocks;
    if (suggestion !== null) return { kind: "suggestion", suggestion, blocks };
    return blocks.length > 0 ? { kind: "blocked", blocks } : { kind: "settled" };
  }

  #isReportedDown(peer: Peer): boolean {
    return this.#region.downPeers.some((down) => down.peerId === peer.id);
  }

  #isPending(peer: Peer): boolean {
    return this.#region.pendingPeers.includes(peer.id);
  }

  #isSilent(peer: Peer): boolean {
    const store = this.#context.view.store(peer.storeId);
    return store === null || this.#context.isDisconnected(store);
  }

  // A: peers that no rule takes

  #orphans(): RuleSuggestion | null {
    const { fits, orphans } = this.#fit;
    const [first] = orphans;
    if (first === undefined) return null;
    let isUnwell = false;
    let down: Peer | null = null;
    for (const fit of fits) {
      if (!isRuleSatisfied(fit)) isUnwell = true;
      else
        for (const peer of fit.peers) {
          if (this.#isSilent(peer) || this.#isReportedDown(peer)) [down, isUnwell] = [peer, true];
          else if (this.#isPending(peer)) isUnwell = true;
          if (isUnwell) break;
        }
      if (isUnwell) break;
    }
    if (!isUnwell) {
      // The first one that may go: it is the healthiest, and must stay while others that do not answer could outvote the rest.
      for (const peer of orphans) {
        const removed = this.#remove("remove-orphan-peer", peer, "no rule needs the peer, and all that rules need is there and well");
        if (removed !== null) return removed;
      }
      return null;
    }

    if (down !== null && this.#isSilent(down)) {
      const replaced = this.#replaceByOrphan(down);
      if (replaced !== null) return replaced;
    }
    if (orphans.length >= 2 && extraCount(this.#fit) > 0) {
      const silent = orphans.find((peer) => this.#isSilent(peer)) ?? null;
      let hasHealthy = false;
      for (const peer of orphans) {
        if (this.#isReportedDown(peer) || this.#isPending(peer)) {
          const removed = this.#remove("remove-unhealthy-orphan-peer", peer, "no rule needs the peer, and it is not well");
          if (removed !== null) return removed;
        } else if (hasHealthy) return this.#remove("remove-orphan-peer", silent ?? peer, "there are more peers than rules ask for");
        else hasHealthy = true;
      }
    }
    return null;
  }

  #replaceByOrphan(down: Peer): RuleSuggestion | null {
    for (const orphan of this.#fit.orphans) {
      if (this.#isReportedDown(orphan) || this.#isPending(orphan) || this.#isSilent(orphan)) continue;
      if (orphan.isWitness || down.isWitness) continue;
      const store = this.#context.view.store(orphan.storeId);
      if (store === null || !isAsGood(this.#fit, down.storeId, store, (id) => this.#context.view.store(id))) continue;
      const reason = `the peer on store ${down.storeId} is down, and the spare one on store ${orphan.storeId} serves its rule as well`;
      if (orphan.role === down.role) {
        const removed = this.#remove("remove-replaced-orphan-peer", down, reason);
        if (removed !== null) return removed;
        continue;
      }
      const target = targetOf(this.#region);
      target.delete(down.storeId);
      target.set(orphan.storeId, down.role === "learner" ? "learner" : "voter");
      const made = this.#suggest("replace-down-peer-with-orphan-peer", null, target, {
        from: down.storeId,
        to: orphan.storeId,
        peerId: down.id,
        reason,
      });
      if (made !== null) return made;
    }
    return null;
  }

  #remove(kind: SuggestionKind, peer: Peer, reason: string): RuleSuggestion | null {
    const target = targetOf(this.#region);
    target.delete(peer.storeId);
    return this.#suggest(kind, null, target, { from: peer.storeId, peerId: peer.id, reason });
  }

  // B: rules in order

  #rules(): RuleSuggestion | null {
    for (const fit of this.#fit.fits) {
      const suggestion = this.#rule(fit);
      if (suggestion !== null) return suggestion;
    }
    return null;
  }

  #rule(fit: RuleFit): RuleSuggestion | null {
    // What a rule lacks and cannot get ends the look at it: its other troubles wait, other rules do not.
    if (fit.peers.length < fit.rule.count) return this.#add(fit);
    for (const peer of fit.peers) {
      const store = this.#context.view.store(peer.storeId);
      if (this.#isReportedDown(peer) && (store === null || this.#context.isDown(store)))
        return this.#replace(fit, peer, "down", `store ${peer.storeId} has been silent for longer than max-store-down-time`);
      if (store === null || store.meta.state !== "up")
        return this.#replace(fit, peer, "offline", `store ${peer.storeId} is ${store?.meta.state ?? "not known"}`);
    }
    for (const peer of fit.differentRole) {
      const suggestion = this.#fixRole(fit, peer);
      if (suggestion !== null) return suggestion;
    }
    return this.#improve(fit);
  }

  #add(fit: RuleFit): RuleSuggestion | null {
    const kind = "add-rule-peer";
    const choice = this.#chooseStore(fit, null);
    if (choice.store !== null) {
      const target = targetOf(this.#region);
      target.set(choice.store.meta.id, roleFor(fit.rule));
      return this.#suggest(kind, fit.rule, target, {
        to: choice.store.meta.id,
        reason: `rule ${ruleName(fit.rule)} has ${fit.peers.length} of ${fit.rule.count} peers`,
      });
    }
    if (!choice.isTemporary && this.#maySwap) {
      // The only store for this rule may hold a peer of another rule that can live elsewhere.
      for (const peer of this.#region.meta.peers) {
        const store = this.#context.view.store(peer.storeId);
        if (store === null || !matches(store, fit.rule.constraints)) continue;
        const other = fitOfPeer(this.#fit, peer.id);
        if (other === null || other === fit || !isRuleSatisfied(other)) continue;
        const reason = `rule ${ruleName(fit.rule)} needs store ${peer.storeId}, where a peer of rule ${ruleName(other.rule)} is`;
        const swapped = this.#replace(other, peer, "swap-fit", reason, true);
        if (swapped !== null && this.#helps(swapped, fit.rule)) return swapped;
      }
    }
    return this.#block(fit.rule, kind, choice.why, choice.isTemporary);
  }

  /**
   * A swap is worth it when the very next step gives the rule its peer, and all rules together are better off then: with rules that pull
   * at the same stores it could go on for ever.
   */
  #helps(swap: RuleSuggestion, rule: Rule): boolean {
    let nextId = Number.MAX_SAFE_INTEGER - 1000;
    const swapped = applyTarget(this.#region, swap.target, swap.leader, () => nextId++);
    const verdict = look(this.#context, swapped, false);
    if (verdict.kind !== "suggestion") return false;
    const { description, rule: name, target, leader } = verdict.suggestion;
    if (description !== "add-rule-peer" || name !== ruleName(rule)) return false;
    return compareRegionFit(this.#fitOf(applyTarget(swapped, target, leader, () => nextId++)), this.#fit) > 0;
  }

  #replace(fit: RuleFit, peer: Peer, status: "down" | "offline" | "swap-fit", reason: string, isTry = false): RuleSuggestion | null {
    const isLeader = peer.id === this.#region.leaderPeerId;
    const choice = this.#chooseStore(fit, peer);
    if (choice.store === null) return isTry ? null : this.#block(fit.rule, `replace-rule-${status}-peer`, choice.why, choice.isTemporary);
    const target = targetOf(this.#region);
    target.delete(peer.storeId);
    target.set(choice.store.meta.id, roleFor(fit.rule));
    const leader = isLeader ? this.#newLeader(peer) : null;
    return this.#suggest(
      leader === null ? `replace-rule-${status}-peer` : `replace-rule-${status}-leader-peer`,
      fit.rule,
      target,
      { from: peer.storeId, to: choice.store.meta.id, peerId: peer.id, reason },
      leader,
    );
  }

  #fixRole(fit: RuleFit, peer: Peer): RuleSuggestion | null {
    const { rule } = fit;
    const isLeader = peer.id === this.#region.leaderPeerId;
    if (peer.role === "learner" && rule.role !== "learner") {
      const kind = "fix-peer-role";
      if (this.#isReportedDown(peer) || this.#isPending(peer))
        return this.#block(rule, kind, `the learner on store ${peer.storeId} has not caught up`, true);
      const target = targetOf(this.#region);
      target.set(peer.storeId, "voter");
      const reason = `rule ${ruleName(rule)} wants a ${rule.role} on store ${peer.storeId}`;
      return this.#suggest(kind, rule, target, { to: peer.storeId, peerId: peer.id, reason });
    }
    if (rule.role === "leader" && !isLeader) {
      const kind = "fix-leader-role";
      const why = this.#leadHindrance(peer) ?? (this.#isBetterLed(peer) ? null : "another rule would lose by it");
      if (why !== null) return this.#block(rule, kind, why, true);
      return this.#lead(kind, rule, peer, `rule ${ruleName(rule)} wants the leader on store ${peer.storeId}`);
    }
    if (rule.role === "follower" && isLeader) {
      const kind = "fix-follower-role";
      const others = this.#region.meta.peers.filter((each) => each.id !== peer.id && this.#leadHindrance(each) === null);
      const to = others.find((each) => this.#isBetterLed(each));
      if (to === undefined) return this.#block(rule, kind, `no other peer would lead better than the one on store ${peer.storeId}`, true);
      return this.#lead(kind, rule, to, `rule ${ruleName(rule)} wants a follower on store ${peer.storeId}, and it leads`);
    }
    if (rule.role === "learner" && peer.role !== "learner") {
      const kind = "fix-demote-voter";
      const leader = isLeader ? this.#newLeader(peer) : null;
      if (isLeader && leader === null)
        return this.#block(rule, kind, `it leads, and no other peer may lead in place of the one on store ${peer.storeId}`, true);
      const target = targetOf(this.#region);
      target.set(peer.storeId, "learner");
      const reason = `rule ${ruleName(rule)} wants a learner on store ${peer.storeId}`;
      return this.#suggest(kind, rule, target, { from: peer.storeId, peerId: peer.id, reason }, leader);
    }
    return null;
  }

  /** With another leader the rules are met better than now: else two rules would hand the lead to and fro. */
  #isBetterLed(by: Peer): boolean {
    return compareRegionFit(this.#fitOf({ ...this.#region, leaderPeerId: by.id }), this.#fit) > 0;
  }

  #fitOf(region: RegionView): RegionFit {
    const rules = this.#fit.fits.map((fit) => fit.rule);
    return fitRegion(region, rules, (id) => this.#context.view.store(id));
  }

  #lead(kind: SuggestionKind, rule: Rule, to: Peer, reason: string): RuleSuggestion {
    const from = leaderOf(this.#region)?.storeId ?? 0;
    return {
      regionId: this.#region.meta.id,
      description: kind,
      isReplica: false,
      priority: "medium",
      target: targetOf(this.#region),
      leader: to.storeId,
      from,
      to: to.storeId,
      peerId: to.id,
      rule: ruleName(rule),
      reason,
    };
  }

  #improve(fit: RuleFit): RuleSuggestion | null {
    const { rule } = fit;
    const labels = rule.locationLabels;
    if (labels.length === 0) return null;
    const around = this.#storesThatMatch(rule);
    let worst: StoreView | null = null;
    let [worstIsolation, worstSize] = [0, 0];
    for (const peer of fit.peers) {
      const store = this.#context.view.store(peer.storeId);
      if (store === null) continue;
      const [isolation, size] = [scoreAmong(store, around, labels), this.#context.regionScore(store)];
      if (worst === null || isolation < worstIsolation || (isolation === worstIsolation && size > worstSize))
        [worst, worstIsolation, worstSize] = [store, isolation, size];
    }
    // Nothing is further apart than different on the coarsest label from all others.
    if (worst === null || worstIsolation >= (around.length - 1) * 100 ** (labels.length - 1)) return null;
    const from = worst;
    const others = around.filter((store) => store !== from);
    const best = this.#chooseAmong(rule, others, ownStores(fit, from.meta.id, this.#context), (store) => {
      return scoreAmong(store, others, labels) > worstIsolation;
    });
    if (best.store === null) {
      if (best.isTemporary) this.#block(rule, "move-to-better-location", best.why, true);
      return null;
    }
    const target = targetOf(this.#region);
    const role = target.get(from.meta.id) ?? "voter";
    target.delete(from.meta.id);
    target.set(best.store.meta.id, role);
    if (!this.#isBetterPlaced(target)) return null;
    return this.#suggest("move-to-better-location", rule, target, {
      from: from.meta.id,
      to: best.store.meta.id,
      peerId: fit.peers.find((peer) => peer.storeId === from.meta.id)?.id ?? 0,
      reason: `store ${best.store.meta.id} is further apart from the region's other stores than store ${from.meta.id} (${labels.join(", ")})`,
    });
  }

  /** No rule is met worse, and the peers of all rules together are further apart: so moves come to an end. */
  #isBetterPlaced(target: Target): boolean {
    const after = applyTarget(this.#region, target, null, () => Number.MAX_SAFE_INTEGER);
    return compareRegionFit(this.#fitOf(after), this.#fit) >= 0 && this.#distance(after) > this.#distance(this.#region);
  }

  #distance(region: RegionView): number {
    let sum = 0;
    for (const { rule } of this.#fit.fits) {
      if (rule.locationLabels.length === 0) continue;
      const stores = this.#storesThatMatch(rule, region);
      for (const [index, store] of stores.entries()) sum += scoreAmong(store, stores.slice(0, index), rule.locationLabels);
    }
    return sum;
  }

  // Choosing

  /** The region's stores that a rule means, whichever rule their peers serve. */
  #storesThatMatch(rule: Rule, region: RegionView = this.#region): StoreView[] {
    const stores: StoreView[] = [];
    for (const peer of region.meta.peers) {
      const store = this.#context.view.store(peer.storeId);
      if (store !== null && matches(store, rule.constraints)) stores.push(store);
    }
    return stores;
  }

  #chooseStore(fit: RuleFit, instead: Peer | null): Choice {
    const around = this.#storesThatMatch(fit.rule).filter((store) => store.meta.id !== instead?.storeId);
    return this.#chooseAmong(fit.rule, around, ownStores(fit, instead?.storeId ?? 0, this.#context), () => true);
  }

  /**
   * First the stores that are best apart, whatever their state of the moment; then, among these, those that can take a peer now; then the
   * one with the most room. So a short trouble of the best place does not make peers move twice.
   */
  #chooseAmong(rule: Rule, around: readonly StoreView[], own: readonly StoreView[], isWanted: (store: StoreView) => boolean): Choice {
    const { locationLabels: labels, isolationLevel: level } = rule;
    const refusals: string[] = [];
    let isMatched = false;
    let best: StoreView[] = [];
    let bestIsolation = -1;
    for (const store of this.#context.view.stores()) {
      if (store.meta.state === "tombstone" || !matches(store, rule.constraints)) continue;
      isMatched = true;
      if (this.#region.meta.peers.some((peer) => peer.storeId === store.meta.id)) continue;
      const hindrance = this.#context.targetHindrance(store);
      if (hindrance !== null && !hindrance.isTemporary) {
        refusals.push(`store ${store.meta.id}: ${hindrance.reason}`);
        continue;
      }
      if (isTooNear(store, own, labels, level)) {
        refusals.push(`store ${store.meta.id}: its ${level} is already used`);
        continue;
      }
      if (!isWanted(store)) continue;
      const isolation = labels.length === 0 ? 0 : scoreAmong(store, around, labels);
      if (isolation > bestIsolation) [best, bestIsolation] = [[store], isolation];
      else if (isolation === bestIsolation) best.push(store);
    }
    if (best.length === 0) {
      const why = !isMatched
        ? "no store matches the rule"
        : refusals.length > 0
          ? refusals.join("; ")
          : "every store that matches the rule has a peer already";
      return { store: null, why, isTemporary: false };
    }
    let chosen: StoreView | null = null;
    let room = 0;
    const waiting: string[] = [];
    for (const store of best) {
      const hindrance = this.#context.targetHindrance(store);
      if (hindrance !== null) {
        waiting.push(`store ${store.meta.id}: ${hindrance.reason}`);
        continue;
      }
      const score = this.#context.regionScore(store);
      if (chosen === null || score < room) [chosen, room] = [store, score];
    }
    return { store: chosen, why: waiting.join("; "), isTemporary: chosen === null };
  }

  #leadHindrance(peer: Peer): string | null {
    if (peer.role === "learner" || peer.role === "demotingVoter") return `the peer on store ${peer.storeId} is no voter`;
    if (peer.isWitness) return `the peer on store ${peer.storeId} is a witness`;
    if (this.#isReportedDown(peer) || this.#isPending(peer)) return `the peer on store ${peer.storeId} has not caught up`;
    const store = this.#context.view.store(peer.storeId);
    if (store === null) return `store ${peer.storeId} is not known`;
    const why = this.#context.leadHindrance(store);
    if (why !== null) return `store ${peer.storeId} may not lead: ${why}`;
    const rules = this.#fit.fits.map((fit) => fit.rule);
    return mayLeadByRules(rules, store) ? null : `no rule lets store ${peer.storeId} lead`;
  }

  /** Who leads when that peer does not any more; the one with the fewest leaders. */
  #newLeader(without: Peer): StoreId | null {
    let best: StoreView | null = null;
    for (const peer of this.#region.meta.peers) {
      if (peer.id === without.id || this.#leadHindrance(peer) !== null) continue;
      const store = this.#context.view.store(peer.storeId);
      if (store !== null && (best === null || store.leaderCount < best.leaderCount)) best = store;
    }
    return best?.meta.id ?? null;
  }

  // Results

  /** Null, with a block, when the change would leave the region without a majority of voters that answer. */
  #suggest(
    kind: SuggestionKind,
    rule: Rule | null,
    target: Target,
    about: { readonly from?: StoreId; readonly to?: StoreId; readonly peerId?: PeerId; readonly reason: string },
    leader: StoreId | null = null,
  ): RuleSuggestion | null {
    if (!this.#keepsMajority(target))
      return this.#block(
        rule,
        kind,
        "too few voters would answer after it: those that are down or have not caught up must come first",
        true,
      );
    const isReplica = kind.startsWith("add-") || kind.startsWith("replace-rule-") || kind === "move-to-better-location";
    return {
      regionId: this.#region.meta.id,
      description: kind,
      isReplica,
      priority: isReplica && kind !== "move-to-better-location" ? "high" : "medium",
      target,
      leader,
      from: about.from ?? 0,
      to: about.to ?? 0,
      peerId: about.peerId ?? 0,
      rule: rule === null ? "" : ruleName(rule),
      reason: about.reason,
    };
  }

  /** Removing or demoting may not make a majority out of voters that do not answer. Voters that come are well when they count. */
  #keepsMajority(target: Target): boolean {
    let voters = 0;
    let unwell = 0;
    for (const [storeId, role] of target) {
      if (role !== "voter") continue;
      voters++;
      const peer = this.#region.meta.peers.find((each) => each.storeId === storeId);
      if (peer !== undefined && peer.id !== this.#region.leaderPeerId && !this.#answers(peer)) unwell++;
    }
    if (voters === 0) return false;
    return (voters - unwell) * 2 > voters || !this.#losesVoter(target);
  }

  #losesVoter(target: Target): boolean {
    return this.#region.meta.peers.some((peer) => peer.role !== "learner" && target.get(peer.storeId) !== "voter" && this.#answers(peer));
  }

  #answers(peer: Peer): boolean {
    return !this.#isReportedDown(peer) && !this.#isPending(peer) && !this.#isSilent(peer);
  }

  #block(rule: Rule | null, what: SuggestionKind, reason: string, isTemporary: boolean): null {
    this.#blocks.push({ rule: rule === null ? "" : ruleName(rule), what, reason, isTemporary });
    return null;
  }
}

function roleFor(rule: Rule): "voter" | "learner" {
  return rule.role === "learner" ? "learner" : "voter";
}

/** Stores of the peers that serve a rule. */
function ownStores(fit: RuleFit, without: StoreId, context: CheckerContext): StoreView[] {
  const stores: StoreView[] = [];
  for (const peer of fit.peers) {
    const store = peer.storeId === without ? null : context.view.store(peer.storeId);
    if (store !== null) stores.push(store);
  }
  return stores;
}
