/**
 * Where peers belong when placement rules are off: `max-replicas` voters, as far apart as the location labels can tell, at least as
 * `isolation-level` asks; learners are promoted while voters are missing.
 */
import type { RegionView, StoreId, StoreView } from "../../../core/model.ts";
import { currentTarget } from "../builder.ts";
import type { PlacementChange, PlacementPolicy, ScheduleContext } from "../context.ts";
import { regionTarget } from "../filters.ts";
import { isDown, leaderStore, learners, peerOn, voters } from "../regions.ts";
import { compareLocation, isolationScore, isStoreDown, isTiFlash, regionScore } from "../store-facts.ts";

/** The context is asked for anew at each call: configuration and cluster change. */
export function createReplicaPolicy(contextOf: () => ScheduleContext): PlacementPolicy {
  const storesOf = (context: ScheduleContext, region: RegionView, without: StoreId | null = null): StoreView[] =>
    region.meta.peers
      .filter((peer) => peer.storeId !== without)
      .map((peer) => context.view.store(peer.storeId))
      .filter((store) => store !== null);

  /** The best apart from the others, then the one with the most room; null when none may take the peer. */
  function bestTarget(context: ScheduleContext, region: RegionView, without: StoreId | null): StoreView | null {
    const { locationLabels, isolationLevel } = context.replication;
    const others = storesOf(context, region, without);
    const levels = isolationLevel === "" ? [] : locationLabels.slice(0, locationLabels.indexOf(isolationLevel) + 1);
    let best: StoreView | null = null;
    let bestScore = [-1, 0] as readonly [number, number];
    for (const store of context.view.stores()) {
      if (isTiFlash(store) || peerOn(region.meta, store.meta.id) !== null) continue;
      if (regionTarget(context, store) !== null) continue;
      if (levels.length > 0 && others.some((other) => compareLocation(store, other, levels) === -1)) continue;
      const score = [isolationScore(store, others, locationLabels), regionScore(store, scoring(context))] as const;
      if (score[0] > bestScore[0] || (score[0] === bestScore[0] && score[1] < bestScore[1])) {
        best = store;
        bestScore = score;
      }
    }
    return best;
  }

  function scoring(context: ScheduleContext) {
    const { regionScoreFormulaVersion, highSpaceRatio, lowSpaceRatio } = context.schedule;
    return { version: regionScoreFormulaVersion, highSpaceRatio, lowSpaceRatio };
  }

  function change(description: string, region: RegionView, edit: (target: ReturnType<typeof currentTarget>) => void): PlacementChange {
    const target = currentTarget(region);
    edit(target);
    return { description, isReplica: true, priority: "medium", target, leader: null };
  }

  function replace(context: ScheduleContext, region: RegionView, from: StoreId, status: "down" | "offline"): PlacementChange | null {
    const role = peerOn(region.meta, from)?.role === "learner" ? "learner" : "voter";
    if (voters(region.meta).length > context.replication.maxReplicas)
      return change(`remove-extra-${status}-replica`, region, (target) => void target.delete(from));
    const store = bestTarget(context, region, from);
    if (store === null) return null;
    return change(`replace-${status}-replica`, region, (target) => {
      target.delete(from);
      target.set(store.meta.id, role);
    });
  }

  return {
    suggest: (region) => {
      const context = contextOf();
      const { schedule, replication, view, nowMs } = context;
      if (schedule.enableRemoveDownReplica)
        for (const peer of region.meta.peers) {
          const store = view.store(peer.storeId);
          if (!isDown(region, peer.id) || !isStoreDown(store, nowMs, schedule.maxStoreDownTimeMs)) continue;
          const found = replace(context, region, peer.storeId, "down");
          if (found !== null) return found;
        }
      if (schedule.enableReplaceOfflineReplica)
        for (const peer of region.meta.peers) {
          if (peer.role === "learner" || view.store(peer.storeId)?.meta.state === "up") continue;
          const found = replace(context, region, peer.storeId, "offline");
          if (found !== null) return found;
        }
      const votersNow = voters(region.meta);
      const learner = learners(region.meta).find((peer) => {
        const store = view.store(peer.storeId);
        return store !== null && !isTiFlash(store) && !isDown(region, peer.id) && store.meta.state === "up";
      });
      if (learner !== undefined && votersNow.length < replication.maxReplicas)
        return { ...change("promote-learner", region, (target) => void target.set(learner.storeId, "voter")), isReplica: false };
      if (schedule.enableMakeUpReplica && votersNow.length < replication.maxReplicas) {
        const store = bestTarget(context, region, null);
        if (store !== null) return change("make-up-replica", region, (target) => void target.set(store.meta.id, "voter"));
      }
      // A learner that an operator left behind when it was given up.
      const leftover = learners(region.meta).find((peer) => {
        const store = view.store(peer.storeId);
        return store === null || !isTiFlash(store);
      });
      if (schedule.enableRemoveExtraReplica && leftover !== undefined && votersNow.length >= replication.maxReplicas)
        return change("remove-extra-replica", region, (target) => void target.delete(leftover.storeId));
      if (schedule.enableRemoveExtraReplica && votersNow.length > replication.maxReplicas) {
        const worst = worstPeer(context, region);
        if (worst !== null) return change("remove-extra-replica", region, (target) => void target.delete(worst.meta.id));
      }
      if (schedule.enableLocationReplacement && replication.locationLabels.length > 0) {
        const worst = worstPeer(context, region);
        const better = worst === null ? null : bestTarget(context, region, worst.meta.id);
        if (worst !== null && better !== null) {
          const others = storesOf(context, region, worst.meta.id);
          const labels = replication.locationLabels;
          if (isolationScore(better, others, labels) > isolationScore(worst, others, labels))
            return change("move-to-better-location", region, (target) => {
              target.delete(worst.meta.id);
              target.set(better.meta.id, "voter");
            });
        }
      }
      return null;
    },
    isSatisfied: (region) => voters(region.meta).length === contextOf().replication.maxReplicas && learners(region.meta).length === 0,
    wantedPeers: () => contextOf().replication.maxReplicas,
    mayLead: () => true,
    isAsGood: (region, from, to) => {
      const context = contextOf();
      const [source, target] = [context.view.store(from), context.view.store(to)];
      if (source === null || target === null || isTiFlash(target)) return false;
      const others = storesOf(context, region, from);
      const labels = context.replication.locationLabels;
      return isolationScore(target, others, labels) >= isolationScore(source, others, labels);
    },
    borders: () => null,
    isDenied: () => false,
  };

  /** The voter that is the least apart from the others; then the fullest store, not the leader's. */
  function worstPeer(context: ScheduleContext, region: RegionView): StoreView | null {
    const labels = context.replication.locationLabels;
    const stores = storesOf(context, region).filter((store) => peerOn(region.meta, store.meta.id)?.role === "voter");
    const lead = leaderStore(region);
    const score = (store: StoreView) => isolationScore(store, stores, labels);
    return (
      stores.sort(
        (a, b) =>
          score(a) - score(b) ||
          Number(a.meta.id === lead) - Number(b.meta.id === lead) ||
          regionScore(b, scoring(context)) - regionScore(a, scoring(context)),
      )[0] ?? null
    );
  }
}
