/** Hot regions held on stores of one's choice (grant-hot-region), or thrown about at random to test a cluster (shuffle-hot-region). */
import type { RegionView, StoreId, StoreView } from "../../../core/model.ts";
import type { ScheduleContext } from "../context.ts";
import { leaderTarget, regionTarget } from "../filters.ts";
import type { HotCache, HotKind, HotPeer } from "../hot-cache.ts";
import { isHealthy, leaderStore, peerOn } from "../regions.ts";
import { idle, isFree, leaderCandidates, movePeer, one, type ScheduleResult, transfer } from "./scheduler.ts";

const hotKinds: readonly HotKind[] = ["read", "write"];

/** The peers of a kind that are hot, the hottest first. */
function hotPeers(context: ScheduleContext, cache: HotCache, kind: HotKind, stores: readonly StoreView[]): readonly HotPeer[] {
  return stores
    .flatMap((store) => cache.peers(kind, store.meta.id))
    .filter((peer) => peer.degree >= context.schedule.hotRegionCacheHitsThreshold)
    .sort((x, y) => y.load[0] - x.load[0] || x.regionId - y.regionId);
}

function regionOf(context: ScheduleContext, peer: HotPeer): RegionView | null {
  const region = context.view.region(peer.regionId);
  return region === null || !isFree(context, region) || !isHealthy(region) ? null : region;
}

export interface GrantHotConfig {
  readonly leader: StoreId;
  /** Those that hold the hot regions' peers; the leader's store is one of them. */
  readonly peers: readonly StoreId[];
}

/** Leads of hot regions go to one store, their peers to the stores that were named; as far as the rules allow. */
export function grantHotRegion(context: ScheduleContext, cache: HotCache, config: GrantHotConfig): ScheduleResult {
  const { view } = context;
  const kinds = context.random.chance(0.5) ? hotKinds : [...hotKinds].reverse();
  for (const kind of kinds)
    for (const peer of hotPeers(context, cache, kind, view.stores())) {
      const region = regionOf(context, peer);
      if (region === null) continue;
      const misplaced = region.meta.peers.find((each) => each.storeId === peer.storeId && !config.peers.includes(each.storeId));
      if (misplaced !== undefined) {
        const target = config.peers
          .filter((id) => peerOn(region.meta, id) === null && context.policy.isAsGood(region, misplaced.storeId, id))
          .map((id) => view.store(id))
          .filter((store) => store !== null && regionTarget(context, store) === null)
          // The store of the leads first: its peer is the one that they need.
          .sort((x, y) => Number(y?.meta.id === config.leader) - Number(x?.meta.id === config.leader))[0];
        if (target === undefined || target === null) continue;
        const plan = movePeer(context, region, {
          description: "grant-hot-peer",
          kinds: ["hot-region"],
          from: misplaced.storeId,
          to: target.meta.id,
        });
        if ("operator" in plan) return one(plan.operator);
        continue;
      }
      if (leaderStore(region) === config.leader || peer.storeId !== leaderStore(region)) continue;
      if (leaderCandidates(context, region).some((store) => store.meta.id === config.leader))
        return one(transfer("grant-hot-leader", ["hot-region"], region, config.leader, "high"));
    }
  return idle("no hot region is elsewhere, or the rules keep it there");
}

/** A hot region's lead to another store, with its peer when there is none yet. */
export function shuffleHotRegion(context: ScheduleContext, cache: HotCache): ScheduleResult {
  const { view, random } = context;
  const kind = random.pick(hotKinds);
  const leaders = hotPeers(context, cache, kind, view.stores()).filter((peer) => peer.isLeader);
  if (leaders.length === 0) return idle(`no region is hot by ${kind}s`);
  const peer = random.pick(leaders);
  const region = regionOf(context, peer);
  const from = peer.storeId;
  if (region === null || leaderStore(region) !== from) return idle("the region that was drawn is at work or not whole");
  const voters = leaderCandidates(context, region).map((store) => store.meta.id);
  const others = view
    .stores()
    .filter((store) => peerOn(region.meta, store.meta.id) === null)
    .filter((store) => regionTarget(context, store) === null && leaderTarget(context, store) === null)
    .filter((store) => context.policy.isAsGood(region, from, store.meta.id))
    .map((store) => store.meta.id);
  const targets = [...voters, ...others];
  if (targets.length === 0) return idle("no other store may lead the region that was drawn");
  const to = random.pick(targets);
  if (voters.includes(to)) return one(transfer("random-move-hot-leader", ["hot-region"], region, to, "low"));
  const plan = movePeer(context, region, { description: "random-move-hot-leader", kinds: ["hot-region"], from, to, leader: to });
  return "operator" in plan ? one(plan.operator) : idle(plan.refusal);
}
