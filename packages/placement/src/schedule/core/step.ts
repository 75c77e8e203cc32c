/**
 * Steps against regions: is it done, what is to be asked for, may it go on, how far did it move the epoch. A step that is done keeps
 * counting in the epoch: what the configuration moved beyond that was somebody else's doing, and the operator is stale.
 */

import { isSameKey } from "../../core/keys.ts";
import type { ClusterView, Peer, RegionView, StoreId } from "../../core/model.ts";
import type { PeerChange, RegionAction } from "../../core/region-action.ts";
import type { PeerAt, Step } from "./operator.ts";
import { isInJointState, isPending, leaderStore, peerOn } from "./regions.ts";
import { silentMs } from "./store-facts.ts";

function isAt(region: RegionView, at: PeerAt, roles: readonly Peer["role"][]): boolean {
  const peer = peerOn(region.meta, at.storeId);
  return peer !== null && peer.id === at.peerId && roles.includes(peer.role);
}

const promoted = ["voter", "incomingVoter"] as const;
const demoted = ["learner", "demotingVoter"] as const;

export function isStepDone(step: Step, region: RegionView): boolean {
  switch (step.kind) {
    case "transferLeader":
      return step.toStores.includes(leaderStore(region));
    case "addLearner": {
      const peer = peerOn(region.meta, step.storeId);
      return peer !== null && peer.id === step.peerId && peer.role === "learner" && !isPending(region, peer.id);
    }
    case "addPeer": {
      const peer = peerOn(region.meta, step.storeId);
      return peer !== null && peer.id === step.peerId && peer.role === "voter" && !isPending(region, peer.id);
    }
    case "promoteLearner":
      return isAt(region, step, ["voter"]);
    case "removePeer":
      return peerOn(region.meta, step.storeId) === null;
    case "mergeRegion":
      // The source's half ends when the region is gone.
      return step.isPassive && !(isSameKey(region.meta.startKey, step.to.startKey) && isSameKey(region.meta.endKey, step.to.endKey));
    case "splitRegion":
      return !(isSameKey(region.meta.startKey, step.startKey) && isSameKey(region.meta.endKey, step.endKey));
    case "enterJoint":
      return step.promote.every((at) => isAt(region, at, promoted)) && step.demote.every((at) => isAt(region, at, demoted));
    case "leaveJoint":
      return (
        step.promote.every((at) => isAt(region, at, ["voter"])) &&
        step.demote.every((at) => isAt(region, at, ["learner"])) &&
        !isInJointState(region.meta)
      );
  }
}

/** By how much this step moved `confVer` of the region by now. */
export function confVerChange(step: Step, region: RegionView): number {
  switch (step.kind) {
    case "transferLeader":
    case "splitRegion":
      return 0;
    case "mergeRegion":
      return step.isPassive ? 0 : 1; // preparing a merge counts once
    case "addLearner":
      return peerOn(region.meta, step.storeId)?.id === step.peerId ? 1 : 0;
    case "addPeer":
    case "promoteLearner":
      return isAt(region, step, promoted) ? 1 : 0;
    case "removePeer":
      return peerOn(region.meta, step.storeId)?.id === step.peerId ? 0 : 1;
    case "enterJoint":
      return hasChanged(step, region, promoted, demoted) ? step.promote.length + step.demote.length : 0;
    case "leaveJoint":
      return hasChanged(step, region, ["voter"], ["learner"]) ? step.promote.length + step.demote.length : 0;
  }
}

/** Demoted peers may have been removed by a later step. */
function hasChanged(
  step: { readonly promote: readonly PeerAt[]; readonly demote: readonly PeerAt[] },
  region: RegionView,
  up: readonly Peer["role"][],
  down: readonly Peer["role"][],
): boolean {
  return (
    step.promote.every((at) => isAt(region, at, up)) &&
    step.demote.every((at) => peerOn(region.meta, at.storeId) === null || isAt(region, at, down))
  );
}

/** Why the step can never be done on the region as it is now; null: go on. */
export function stepObstacle(step: Step, region: RegionView, view: ClusterView): string | null {
  switch (step.kind) {
    case "transferLeader":
      for (const storeId of step.toStores) {
        const peer = peerOn(region.meta, storeId);
        if (peer !== null && peer.role !== "learner" && peer.role !== "demotingVoter" && isUp(view, storeId)) return null;
      }
      return `no peer on store ${step.toStore} can lead`;
    case "addLearner":
    case "addPeer": {
      if (!isUp(view, step.storeId)) return `store ${step.storeId} takes no peers`;
      if (isSilent(view, step.storeId)) return `store ${step.storeId} is silent`;
      const peer = peerOn(region.meta, step.storeId);
      if (peer !== null && peer.id !== step.peerId) return `store ${step.storeId} has another peer of the region`;
      return step.kind === "addLearner" && peer !== null && peer.role !== "learner" ? "the peer is a voter already" : null;
    }
    case "promoteLearner":
      return peerOn(region.meta, step.storeId)?.id === step.peerId ? null : "the peer does not exist";
    case "removePeer":
      return step.storeId === leaderStore(region) ? "the leader cannot be removed" : null;
    case "enterJoint": {
      for (const at of [...step.promote, ...step.demote])
        if (peerOn(region.meta, at.storeId)?.id !== at.peerId) return `peer ${at.peerId} does not exist`;
      // One change alone takes a role away at once: not from the leader.
      if (step.promote.length + step.demote.length === 1 && step.demote.some((at) => at.storeId === leaderStore(region)))
        return "the leader cannot be demoted";
      return null;
    }
    case "leaveJoint":
      for (const at of [...step.promote, ...step.demote])
        if (peerOn(region.meta, at.storeId)?.id !== at.peerId) return `peer ${at.peerId} does not exist`;
      if (step.demote.some((at) => at.storeId === leaderStore(region))) return "the leader cannot be demoted";
      return null;
    case "mergeRegion": {
      const target = view.region(step.to.id);
      if (target === null) return "the other region does not exist";
      return null;
    }
    case "splitRegion":
      return null;
  }
}

/** No snapshot arrives there: better to look for another store than to wait until the operator's time is over. */
const silentMaxMs = 120_000;

function isSilent(view: ClusterView, storeId: StoreId): boolean {
  const store = view.store(storeId);
  return store === null || silentMs(store, view.nowMs) > silentMaxMs;
}

function isUp(view: ClusterView, storeId: StoreId): boolean {
  return view.store(storeId)?.meta.state === "up";
}

/** What the leader is asked for; null when there is nothing to ask (the passive half of a merge). */
export function stepAction(step: Step, region: RegionView, useJoint: boolean): RegionAction | null {
  const one = (change: PeerChange): RegionAction =>
    useJoint ? { kind: "changePeerV2", changes: [change] } : { kind: "changePeer", change };
  const peer = (at: PeerAt, role: Peer["role"]): Peer => ({ id: at.peerId, storeId: at.storeId, role, isWitness: false });
  switch (step.kind) {
    case "transferLeader": {
      const peers = step.toStores.map((storeId) => peerOn(region.meta, storeId)).filter((each) => each !== null);
      const first = peerOn(region.meta, step.toStore) ?? peers[0];
      return first === undefined ? null : { kind: "transferLeader", peer: first, peers };
    }
    case "addLearner":
      // A learner that is there but lags gets its snapshot without being asked for again.
      if (peerOn(region.meta, step.storeId) !== null) return null;
      return one({ type: "addLearnerNode", peer: peer(step, "learner") });
    case "addPeer":
      if (peerOn(region.meta, step.storeId) !== null) return null;
      return one({ type: "addNode", peer: peer(step, "voter") });
    case "promoteLearner":
      return one({ type: "addNode", peer: peer(step, "voter") });
    case "removePeer": {
      const there = peerOn(region.meta, step.storeId);
      return there === null ? null : one({ type: "removeNode", peer: there });
    }
    case "mergeRegion":
      return step.isPassive ? null : { kind: "merge", target: step.to };
    case "splitRegion":
      return { kind: "splitRegion", policy: step.policy, keys: step.keys };
    case "enterJoint":
      return {
        kind: "changePeerV2",
        changes: [
          ...step.promote.map((at): PeerChange => ({ type: "addNode", peer: peer(at, "voter") })),
          ...step.demote.map((at): PeerChange => ({ type: "addLearnerNode", peer: peer(at, "learner") })),
        ],
      };
    case "leaveJoint":
      return isInJointState(region.meta) ? { kind: "changePeerV2", changes: [] } : null;
  }
}
