/** What running operators will have done to stores when they end: schedulers count it in, so that they do not overshoot. */
import type { RegionView, StoreId } from "../../core/model.ts";
import type { Operator, Step } from "./operator.ts";
import { peerOn } from "./regions.ts";
import { isStepDone } from "./step.ts";

export interface StoreInfluence {
  /** MiB. */
  regionSize: number;
  regionCount: number;
  leaderSize: number;
  leaderCount: number;
}

export type Influence = ReadonlyMap<StoreId, StoreInfluence>;

const none: StoreInfluence = Object.freeze({ regionSize: 0, regionCount: 0, leaderSize: 0, leaderCount: 0 });

export function influenceOn(influence: Influence, storeId: StoreId): Readonly<StoreInfluence> {
  return influence.get(storeId) ?? none;
}

/** Adds what the steps from `from` on still will change. */
export function addInfluence(into: Map<StoreId, StoreInfluence>, operator: Operator, region: RegionView, from: number): void {
  for (let index = from; index < operator.steps.length; index++) {
    const step = operator.steps[index] as Step;
    if (isStepDone(step, region)) continue;
    addStep(into, step, region);
  }
}

function addStep(into: Map<StoreId, StoreInfluence>, step: Step, region: RegionView): void {
  const size = Math.max(1, region.approximateSize);
  const at = (storeId: StoreId): StoreInfluence => {
    let store = into.get(storeId);
    if (store === undefined) {
      store = { regionSize: 0, regionCount: 0, leaderSize: 0, leaderCount: 0 };
      into.set(storeId, store);
    }
    return store;
  };
  switch (step.kind) {
    case "transferLeader": {
      const [from, to] = [at(step.fromStore), at(step.toStore)];
      from.leaderSize -= size;
      from.leaderCount -= 1;
      to.leaderSize += size;
      to.leaderCount += 1;
      return;
    }
    case "addLearner":
    case "addPeer": {
      // A peer that is there and lags is in the store's own figures.
      if (peerOn(region.meta, step.storeId) !== null) return;
      const store = at(step.storeId);
      store.regionSize += size;
      store.regionCount += 1;
      return;
    }
    case "removePeer": {
      const store = at(step.storeId);
      store.regionSize -= size;
      store.regionCount -= 1;
      return;
    }
    case "mergeRegion": {
      if (step.isPassive) return;
      for (const peer of region.meta.peers) at(peer.storeId).regionCount -= 1;
      return;
    }
    case "promoteLearner":
    case "splitRegion":
    case "enterJoint":
    case "leaveJoint":
      return;
  }
}
