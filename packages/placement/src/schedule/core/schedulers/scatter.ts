/**
 * Spreads a set of regions: for each group it counts where it has put peers and leads, and puts the next where the counts are lowest
 * and rules are met as well. Tables of one import become one group.
 */
import type { RegionView, StoreId } from "../../../core/model.ts";
import { buildPlan, currentTarget, type Plan } from "../builder.ts";
import { mayLead } from "../checkers/patrol.ts";
import type { ScheduleContext } from "../context.ts";
import { scatterTarget } from "../filters.ts";
import { isHealthy, leaderOf, leaderStore } from "../regions.ts";

interface GroupCounts {
  readonly peers: Map<StoreId, number>;
  readonly leaders: Map<StoreId, number>;
}

export interface Scatterer {
  /** Null when the region is well where it is. */
  scatter(context: ScheduleContext, region: RegionView, group: string): Plan | null;
}

const groupsMax = 1000;

export function createScatterer(): Scatterer {
  const groups = new Map<string, GroupCounts>();
  function countsOf(group: string): GroupCounts {
    let counts = groups.get(group);
    if (counts === undefined) {
      counts = { peers: new Map(), leaders: new Map() };
      groups.set(group, counts);
      if (groups.size > groupsMax) groups.delete(groups.keys().next().value as string);
    }
    return counts;
  }
  return {
    scatter: (context, region, group) => {
      if (leaderOf(region) === null) return { refusal: `region ${region.meta.id} has no leader` };
      if (!isHealthy(region, true) || !context.policy.isSatisfied(region))
        return { refusal: `region ${region.meta.id} is not fully replicated` };
      if (context.isHot(region.meta.id)) return { refusal: `region ${region.meta.id} is hot` };
      const counts = countsOf(group);
      const now = currentTarget(region);
      const target = new Map<StoreId, "voter" | "learner">();
      const taken = new Set<StoreId>(now.keys());
      // What has moved already counts when the next peer looks for its place: two may not end up side by side.
      let shape = region;
      for (const [storeId, role] of now) {
        // The peer's own store wins a draw: what need not move stays.
        let best = storeId;
        for (const store of context.view.stores()) {
          const id = store.meta.id;
          if (taken.has(id) || scatterTarget(context, store) !== null || !context.policy.isAsGood(shape, storeId, id)) continue;
          if ((counts.peers.get(id) ?? 0) < (counts.peers.get(best) ?? 0)) best = id;
        }
        taken.delete(storeId);
        taken.add(best);
        target.set(best, role);
        const peers = shape.meta.peers.map((peer) => (peer.storeId === storeId ? { ...peer, storeId: best } : peer));
        shape = { ...shape, meta: { ...shape.meta, peers } };
      }
      const current = leaderStore(region);
      const leaders = [...target.entries()]
        .filter(([id, role]) => role === "voter" && mayLead(context, region, id))
        .map(([id]) => id)
        .sort(
          (a, b) => (counts.leaders.get(a) ?? 0) - (counts.leaders.get(b) ?? 0) || Number(b === current) - Number(a === current) || a - b,
        );
      const leader = leaders[0] ?? (target.has(current) ? current : null);
      for (const storeId of target.keys()) counts.peers.set(storeId, (counts.peers.get(storeId) ?? 0) + 1);
      if (leader !== null) counts.leaders.set(leader, (counts.leaders.get(leader) ?? 0) + 1);
      const stays = leader === current && [...target.keys()].every((storeId) => now.has(storeId));
      if (stays) return null;
      return buildPlan({
        description: "scatter-region",
        kinds: ["admin"],
        priority: "high",
        view: context.view,
        region,
        target,
        leader,
        mayLead: (storeId) => mayLead(context, region, storeId),
        newPeerId: context.newPeerId,
        useJoint: context.schedule.enableJointConsensus,
        storeDownMs: context.schedule.maxStoreDownTimeMs,
      });
    },
  };
}
