/**
 * From where the peers are to where they should be, as steps that never endanger the region (spec §1.12):
 *
 *   add the new peers as learners, one snapshot after the other
 *   [hand the lead to a voter that stays]
 *   one change of the configuration: promote and demote together, through the joint state when there is more than one
 *   [hand the lead to a voter that came]
 *   leave the joint state, remove what was demoted
 *
 * A single addition, promotion or removal needs no joint state. Without joint consensus voters are added before others are removed.
 */
import type { ClusterView, PeerId, RegionView, StoreId } from "../../core/model.ts";
import { type Operator, type OperatorKind, operatorKinds, type PeerAt, type Priority, type Step } from "./operator.ts";
import { splitBrief } from "./operator-text.ts";
import { isDown, isInJointState, isPending, leaderStore, peerOn } from "./regions.ts";
import { isStoreDown } from "./store-facts.ts";

export type TargetRole = "voter" | "learner";

export interface PlanOptions {
  readonly description: string;
  readonly kinds: readonly OperatorKind[];
  /** Default `medium`. */
  readonly priority?: Priority;
  readonly view: ClusterView;
  readonly region: RegionView;
  /** Stores and the roles that peers on them should have; a store that is not named loses its peer. */
  readonly target: ReadonlyMap<StoreId, TargetRole>;
  /** Where the lead should be in the end; null: wherever it may. */
  readonly leader?: StoreId | null;
  /** By rules, labels and the store's state. */
  readonly mayLead: (storeId: StoreId) => boolean;
  /** Ids for peers that are added. */
  readonly newPeerId: () => PeerId;
  readonly useJoint: boolean;
  readonly storeDownMs: number;
}

export type Plan = { readonly operator: Operator } | { readonly refusal: string };

/** The peers of a region as a target to start from. */
export function currentTarget(region: RegionView): Map<StoreId, TargetRole> {
  return new Map(
    region.meta.peers.map((peer) => [peer.storeId, peer.role === "learner" || peer.role === "demotingVoter" ? "learner" : "voter"]),
  );
}

export function buildPlan(options: PlanOptions): Plan {
  const { region, target } = options;
  const origin = leaderStore(region);
  if (origin === 0) return { refusal: "cannot build operator for region with no leader" };
  if (isInJointState(region.meta)) return { refusal: "cannot build operator for region which is in joint state" };
  if (![...target.values()].includes("voter")) return { refusal: "can not build operator: no voter would be left" };

  const byId = (a: StoreId, b: StoreId) => a - b;
  const now = currentTarget(region);
  const toAdd = [...target.keys()].filter((storeId) => !now.has(storeId)).sort(byId);
  const toRemove = [...now.keys()].filter((storeId) => !target.has(storeId)).sort(byId);
  const toPromote = [...target.keys()].filter((storeId) => target.get(storeId) === "voter" && now.get(storeId) === "learner").sort(byId);
  const toDemote = [...target.keys()].filter((storeId) => target.get(storeId) === "learner" && now.get(storeId) === "voter").sort(byId);

  const leader = finalLeader(options, origin, now);
  if (leader === null) return { refusal: "no target leader can be found: rules, labels or the state of the stores allow none" };
  const changes = toAdd.length + toRemove.length + toPromote.length + toDemote.length;
  if (changes === 0 && leader === origin) return { refusal: "no operator step is built" };

  const peerIds = new Map<StoreId, PeerId>();
  for (const storeId of toAdd) peerIds.set(storeId, options.newPeerId());
  const at = (storeId: StoreId): PeerAt => ({ storeId, peerId: peerIds.get(storeId) ?? peerOn(region.meta, storeId)?.id ?? 0 });

  const steps: Step[] = [];
  let lead = origin;
  const handLeadTo = (storeId: StoreId) => {
    if (storeId === lead) return;
    steps.push({ kind: "transferLeader", fromStore: lead, toStore: storeId, toStores: [storeId] });
    lead = storeId;
  };
  const remove = (storeId: StoreId) => {
    const isDownStore = isStoreDown(options.view.store(storeId), options.view.nowMs, options.storeDownMs);
    steps.push({ kind: "removePeer", ...at(storeId), isDownStore });
  };

  if (options.useJoint && (changes > 1 || toDemote.length > 0)) {
    for (const storeId of toAdd) steps.push({ kind: "addLearner", ...at(storeId) });
    const promote = [...toAdd.filter((storeId) => target.get(storeId) === "voter"), ...toPromote].sort(byId).map(at);
    const demote = [...toDemote, ...toRemove.filter((storeId) => now.get(storeId) === "voter")].sort(byId).map(at);
    const isJoint = promote.length + demote.length > 1;
    const losesLead = demote.some((each) => each.storeId === lead);
    if (losesLead && now.get(leader) === "voter") handLeadTo(leader);
    if (promote.length + demote.length > 0) steps.push({ kind: "enterJoint", promote, demote });
    if (losesLead) handLeadTo(leader);
    if (isJoint) steps.push({ kind: "leaveJoint", promote, demote });
    handLeadTo(leader);
    for (const storeId of toRemove) remove(storeId);
  } else {
    for (const storeId of toAdd) {
      steps.push({ kind: "addLearner", ...at(storeId) });
      if (target.get(storeId) === "voter") steps.push({ kind: "promoteLearner", ...at(storeId) });
    }
    for (const storeId of toPromote) steps.push({ kind: "promoteLearner", ...at(storeId) });
    handLeadTo(leader);
    for (const storeId of toRemove) remove(storeId);
    for (const storeId of toDemote) {
      remove(storeId);
      steps.push({ kind: "addLearner", storeId, peerId: options.newPeerId() });
    }
  }
  return { operator: operatorOf(options, steps, brief(toAdd, toRemove, toPromote, toDemote, origin, leader)) };
}

/** Null when nobody may lead. The one that leads stays when it may. */
function finalLeader(options: PlanOptions, origin: StoreId, now: ReadonlyMap<StoreId, TargetRole>): StoreId | null {
  const { region, target } = options;
  if (options.leader !== undefined && options.leader !== null) return target.get(options.leader) === "voter" ? options.leader : null;
  if (target.get(origin) === "voter") return origin;
  const candidates = [...target].filter(([storeId, role]) => {
    if (role !== "voter" || !options.mayLead(storeId)) return false;
    const peer = peerOn(region.meta, storeId);
    return peer === null || !(isPending(region, peer.id) || isDown(region, peer.id) || peer.isWitness);
  });
  const leaders = (storeId: StoreId) => options.view.store(storeId)?.leaderCount ?? 0;
  const isVoterNow = (storeId: StoreId) => (now.get(storeId) === "voter" ? 0 : 1);
  candidates.sort(([a], [b]) => isVoterNow(a) - isVoterNow(b) || leaders(a) - leaders(b) || a - b);
  return candidates[0]?.[0] ?? null;
}

function operatorOf(options: PlanOptions, steps: readonly Step[], text: string): Operator {
  const kinds = new Set<OperatorKind>(options.kinds);
  for (const step of steps) {
    if (step.kind === "transferLeader") kinds.add("leader");
    else if (step.kind === "addLearner" || step.kind === "addPeer" || step.kind === "removePeer") kinds.add("region");
  }
  return {
    description: options.description,
    brief: text,
    regionId: options.region.meta.id,
    epoch: options.region.meta.epoch,
    kinds: operatorKinds.filter((kind) => kinds.has(kind)),
    priority: options.priority ?? "medium",
    steps,
    approximateSize: options.region.approximateSize,
    relatedRegion: null,
  };
}

function brief(
  toAdd: readonly StoreId[],
  toRemove: readonly StoreId[],
  toPromote: readonly StoreId[],
  toDemote: readonly StoreId[],
  from: StoreId,
  to: StoreId,
): string {
  const list = (stores: readonly StoreId[]) => `[${stores.join(" ")}]`;
  if (toAdd.length > 0 && toRemove.length > 0) return `mv peer: store ${list(toRemove)} to ${list(toAdd)}`;
  if (toAdd.length > 0) return `add peer: store ${list(toAdd)}`;
  if (toRemove.length > 0) return `rm peer: store ${list(toRemove)}`;
  if (toPromote.length > 0) return `promote peer: store ${list(toPromote)}`;
  if (toDemote.length > 0) return `demote peer: store ${list(toDemote)}`;
  return `transfer leader: store ${from} to ${to}`;
}

interface Heading {
  readonly description: string;
  readonly kinds: readonly OperatorKind[];
  readonly priority?: Priority;
}

/** The region stays as it is, another voter leads. */
export function transferLeaderPlan(
  heading: Heading,
  region: RegionView,
  toStore: StoreId,
  toStores: readonly StoreId[] = [toStore],
): Operator {
  const from = leaderStore(region);
  return {
    ...base(heading, region, ["leader"]),
    brief: `transfer leader: store ${from} to ${toStore}`,
    steps: [{ kind: "transferLeader", fromStore: from, toStore, toStores }],
  };
}

export function splitPlan(
  heading: Heading,
  region: RegionView,
  policy: "scan" | "approximate" | "useKey",
  keys: readonly Uint8Array[],
): Operator {
  return {
    ...base(heading, region, ["split"]),
    brief: splitBrief(region.meta.id, policy, keys),
    steps: [{ kind: "splitRegion", policy, keys, startKey: region.meta.startKey, endKey: region.meta.endKey }],
  };
}

/** Leaves a joint state that an operator left behind; the lead goes first when its peer is demoted. */
export function leaveJointPlan(heading: Heading, region: RegionView, mayLead: (storeId: StoreId) => boolean): Plan {
  const incoming = region.meta.peers
    .filter((peer) => peer.role === "incomingVoter")
    .map((peer) => ({ storeId: peer.storeId, peerId: peer.id }));
  const demoting = region.meta.peers
    .filter((peer) => peer.role === "demotingVoter")
    .map((peer) => ({ storeId: peer.storeId, peerId: peer.id }));
  const steps: Step[] = [];
  const lead = leaderStore(region);
  if (demoting.some((at) => at.storeId === lead)) {
    const to = region.meta.peers.find(
      (peer) =>
        (peer.role === "voter" || peer.role === "incomingVoter") &&
        mayLead(peer.storeId) &&
        !isPending(region, peer.id) &&
        !isDown(region, peer.id),
    );
    if (to === undefined) return { refusal: "no target leader can be found" };
    steps.push({ kind: "transferLeader", fromStore: lead, toStore: to.storeId, toStores: [to.storeId] });
  }
  steps.push({ kind: "leaveJoint", promote: incoming, demote: demoting });
  const made = base(heading, region, steps.length > 1 ? ["leader"] : []);
  return { operator: { ...made, brief: `leave joint state`, steps } };
}

/** Two operators, one for each region: the second one waits. The peers must already be on the same stores. */
export function mergePlan(
  heading: Heading,
  source: RegionView,
  target: RegionView,
  moves: readonly Step[] = [],
): readonly [Operator, Operator] {
  const text = `merge: region ${source.meta.id} to ${target.meta.id}`;
  const half = (region: RegionView, other: RegionView, isPassive: boolean, before: readonly Step[]): Operator => ({
    ...base(heading, region, ["merge", ...(before.some((step) => step.kind === "addLearner") ? (["region"] as const) : [])]),
    brief: text,
    steps: [...before, { kind: "mergeRegion", from: source.meta, to: target.meta, isPassive }],
    relatedRegion: other.meta.id,
  });
  return [half(source, target, false, moves), half(target, source, true, [])];
}

function base(heading: Heading, region: RegionView, kinds: readonly OperatorKind[]): Omit<Operator, "brief" | "steps"> {
  const all = new Set([...heading.kinds, ...kinds]);
  return {
    description: heading.description,
    regionId: region.meta.id,
    epoch: region.meta.epoch,
    kinds: operatorKinds.filter((kind) => all.has(kind)),
    priority: heading.priority ?? "medium",
    approximateSize: region.approximateSize,
    relatedRegion: null,
  };
}
