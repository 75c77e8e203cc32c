/**
 * Which peers of a region serve which rule (spec §2.6). Earlier rules choose first, and never give up a strictly better choice for a
 * later one. What no rule takes is an orphan.
 *
 * It runs for every region of the cluster again and again: no store is looked up twice, and choices are bit masks over at most 31 peers.
 */
import type { Peer, PeerId, RegionView, StoreView } from "../../core/model.ts";
import type { Rule } from "./rule.ts";
import { matches, pairScore } from "./store-labels.ts";

export interface RuleFit {
  readonly rule: Rule;
  readonly peers: readonly Peer[];
  /** Of these peers: those whose role is not what the rule asks for. */
  readonly differentRole: readonly Peer[];
  readonly isolationScore: number;
}

export interface RegionFit {
  readonly fits: readonly RuleFit[];
  readonly orphans: readonly Peer[];
}

export function isRuleSatisfied(fit: RuleFit): boolean {
  return fit.peers.length === fit.rule.count && fit.differentRole.length === 0;
}

export function isSatisfied(fit: RegionFit): boolean {
  return fit.fits.length > 0 && fit.orphans.length === 0 && fit.fits.every(isRuleSatisfied);
}

/** Above 0: `a` is better. */
export function compareRuleFit(a: RuleFit, b: RuleFit): number {
  return a.peers.length - b.peers.length || b.differentRole.length - a.differentRole.length || a.isolationScore - b.isolationScore;
}

/** Above 0: `a` is better. Of the same rules; fewer orphans decide when the rules are served alike. */
export function compareRegionFit(a: RegionFit, b: RegionFit): number {
  for (let i = 0; i < a.fits.length; i++) {
    const difference = compareRuleFit(a.fits[i] as RuleFit, b.fits[i] as RuleFit);
    if (difference !== 0) return difference;
  }
  return b.orphans.length - a.orphans.length;
}

export function fitOfPeer(fit: RegionFit, peerId: PeerId): RuleFit | null {
  for (const each of fit.fits) for (const peer of each.peers) if (peer.id === peerId) return each;
  return null;
}

/** More peers than all rules together ask for. */
export function extraCount(fit: RegionFit): number {
  let extra = fit.orphans.length;
  for (const each of fit.fits) extra += each.peers.length - each.rule.count;
  return extra;
}

/** Whether a peer has the role that a rule asks for. Peers on their way in or out of a joint state count as voters. */
export function hasRole(peer: Peer, rule: Rule, leaderPeerId: PeerId): boolean {
  switch (rule.role) {
    case "voter":
      return peer.role !== "learner";
    case "leader":
      return peer.id === leaderPeerId;
    case "follower":
      return peer.role !== "learner" && peer.id !== leaderPeerId;
    case "learner":
      return peer.role === "learner";
  }
}

const nobody: RegionFit = { fits: [], orphans: [] };

/** `rules` are those that count for the region; with none there is nothing to fit. Stores that are gone match no rule. */
export function fitRegion(region: RegionView, rules: readonly Rule[], storeOf: (id: number) => StoreView | null): RegionFit {
  if (rules.length === 0) return nobody;
  return new Fitting(region, rules, storeOf).run();
}

interface Candidate {
  readonly peer: Peer;
  readonly store: StoreView | null;
  readonly bit: number;
}

class Choice {
  readonly mask: number;
  readonly count: number;
  readonly wrongRoles: number;
  readonly isolation: number;
  constructor(mask: number, count: number, wrongRoles: number, isolation: number) {
    this.mask = mask;
    this.count = count;
    this.wrongRoles = wrongRoles;
    this.isolation = isolation;
  }
}

class Fitting {
  readonly #rules: readonly Rule[];
  readonly #peers: readonly Candidate[];
  readonly #leader: PeerId;
  /** By rule: the peers whose store the rule means. */
  readonly #matching: readonly number[];
  readonly #best: (Choice | null)[];
  /** By rule and by pair of peers, filled when asked for. */
  readonly #pairs = new Map<number, number>();
  readonly #isIsolationWanted: boolean;
  #selected = 0;
  #orphans = 0;
  #isDone = false;

  constructor(region: RegionView, rules: readonly Rule[], storeOf: (id: number) => StoreView | null) {
    this.#rules = rules;
    this.#leader = region.leaderPeerId;
    const health = (peer: Peer): number => {
      for (const down of region.downPeers) if (down.peerId === peer.id) return 0;
      return region.pendingPeers.includes(peer.id) ? 1 : 2;
    };
    const isAllWell = region.downPeers.length === 0 && region.pendingPeers.length === 0;
    const ordered = [...region.meta.peers].sort((a, b) => (isAllWell ? 0 : health(b) - health(a)) || a.id - b.id).slice(0, 31);
    this.#peers = ordered.map((peer, index) => ({ peer, store: storeOf(peer.storeId), bit: 1 << index }));
    this.#matching = rules.map((rule) => {
      let mask = 0;
      for (const { store, bit } of this.#peers) if (store !== null && matches(store, rule.constraints)) mask |= bit;
      return mask;
    });
    this.#best = rules.map(() => null);
    this.#isIsolationWanted = rules.some((rule) => rule.locationLabels.length > 0);
    this.#orphans = this.#allBits();
  }

  run(): RegionFit {
    this.#fitRule(0);
    const fits = this.#rules.map((rule, index): RuleFit => {
      const choice = this.#best[index] ?? null;
      const peers = choice === null ? [] : this.#peersOf(choice.mask);
      const differentRole = choice === null || choice.wrongRoles === 0 ? [] : peers.filter((peer) => !hasRole(peer, rule, this.#leader));
      return { rule, peers, differentRole, isolationScore: choice?.isolation ?? 0 };
    });
    return { fits, orphans: this.#peersOf(this.#orphans) };
  }

  #allBits(): number {
    return this.#peers.length === 31 ? 0x7fffffff : (1 << this.#peers.length) - 1;
  }

  #peersOf(mask: number): readonly Peer[] {
    const peers: Peer[] = [];
    for (const { peer, bit } of this.#peers) if ((mask & bit) !== 0) peers.push(peer);
    return peers;
  }

  /** True when a better choice was found for this rule or, with an equal one for this, for a later one. */
  #fitRule(index: number): boolean {
    if (this.#isDone) return false;
    const rule = this.#rules[index];
    if (rule === undefined) {
      if (!this.#isIsolationWanted && this.#isBestSatisfied()) this.#isDone = true;
      return false;
    }
    const free = (this.#matching[index] as number) & ~this.#selected;
    const count = Math.min(rule.count, bitCount(free));
    let isBetter = false;
    // Choices of `count` of the free bits, as growing numbers: the order that the first candidates come first in.
    for (let chosen = smallest(free, count); ; ) {
      this.#selected |= chosen;
      if (this.#tryChoice(chosen, index, rule)) isBetter = true;
      this.#selected &= ~chosen;
      if (this.#isDone) break;
      const next = following(chosen, free);
      if (next === 0) break;
      chosen = next;
    }
    return isBetter;
  }

  #tryChoice(mask: number, index: number, rule: Rule): boolean {
    const choice = this.#score(mask, index, rule);
    const best = this.#best[index] ?? null;
    const order = best === null ? 1 : compareChoice(choice, best);
    if (order > 0) {
      this.#best[index] = choice;
      for (let later = index + 1; later < this.#rules.length; later++) this.#best[later] = null;
      this.#fitRule(index + 1);
      if (index + 1 === this.#rules.length) this.#orphans = this.#allBits() & ~this.#selected;
      return true;
    }
    if (order === 0 && this.#fitRule(index + 1)) {
      this.#best[index] = choice;
      return true;
    }
    return false;
  }

  #score(mask: number, index: number, rule: Rule): Choice {
    let count = 0;
    let wrongRoles = 0;
    let isolation = 0;
    const labels = rule.locationLabels;
    for (const { peer, bit } of this.#peers) {
      if ((mask & bit) === 0) continue;
      count++;
      if (!hasRole(peer, rule, this.#leader)) wrongRoles++;
    }
    if (labels.length > 0 && count > 1)
      for (let i = 0; i < this.#peers.length; i++) {
        if ((mask & (1 << i)) === 0) continue;
        for (let j = i + 1; j < this.#peers.length; j++) if ((mask & (1 << j)) !== 0) isolation += this.#pair(index, i, j, labels);
      }
    return new Choice(mask, count, wrongRoles, isolation);
  }

  #pair(rule: number, i: number, j: number, labels: readonly string[]): number {
    if (this.#peers.length <= 4) return pairScore(this.#storeAt(i), this.#storeAt(j), labels);
    const key = (rule * 32 + i) * 32 + j;
    let score = this.#pairs.get(key);
    if (score === undefined) {
      score = pairScore(this.#storeAt(i), this.#storeAt(j), labels);
      this.#pairs.set(key, score);
    }
    return score;
  }

  #storeAt(index: number): StoreView {
    return (this.#peers[index] as Candidate).store as StoreView;
  }

  #isBestSatisfied(): boolean {
    for (let i = 0; i < this.#rules.length; i++) {
      const best = this.#best[i] ?? null;
      if (best === null || best.wrongRoles > 0 || best.count !== (this.#rules[i] as Rule).count) return false;
    }
    return true;
  }
}

function compareChoice(a: Choice, b: Choice): number {
  return a.count - b.count || b.wrongRoles - a.wrongRoles || a.isolation - b.isolation;
}

function bitCount(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** The `count` lowest of the free bits. */
function smallest(free: number, count: number): number {
  let chosen = 0;
  let rest = free;
  for (let i = 0; i < count; i++) {
    chosen |= rest & -rest;
    rest &= rest - 1;
  }
  return chosen;
}

/** The next larger choice of as many of the free bits; 0 when there is none. */
function following(chosen: number, free: number): number {
  // Counts upwards over the free bits only until the number of chosen ones is the same again.
  const count = bitCount(chosen);
  if (count === 0 || chosen === free) return 0;
  let next = chosen;
  for (;;) {
    next = (next - free) & free;
    if (next === 0) return 0;
    if (bitCount(next) === count) return next;
  }
}
