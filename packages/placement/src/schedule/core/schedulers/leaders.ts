/** Schedulers that only move leads: evict, grant, label, shuffle. */

import { isInRange } from "../../../core/keys.ts";
import type { StoreId } from "../../../core/model.ts";
import { rejectsLeaders, type ScheduleContext } from "../context.ts";
import { leaderTarget } from "../filters.ts";
import type { Operator } from "../operator.ts";
import { leaderStore, peerOn } from "../regions.ts";
import { draw, drawsMax, idle, isFree, leaderCandidates, type ScheduleResult, transfer } from "./scheduler.ts";

export interface KeyRange {
  readonly startKey: Uint8Array;
  readonly endKey: Uint8Array;
}

const evictBatch = 3;

/** All leaders off the stores. */
export function evictLeaders(
  context: ScheduleContext,
  description: string,
  stores: ReadonlyMap<StoreId, readonly KeyRange[]>,
): ScheduleResult {
  const operators: (readonly Operator[])[] = [];
  const taken = new Set<number>();
  for (const [storeId, ranges] of stores) {
    for (let tries = 0; tries < drawsMax && operators.length < evictBatch; tries++) {
      const region = draw(context, storeId, "leader");
      if (region === null) break;
      if (taken.has(region.meta.id) || !isFree(context, region)) continue;
      if (!ranges.some((range) => isInRange(region.meta.startKey, range.startKey, range.endKey))) continue;
      const [target] = leaderCandidates(context, region).filter((store) => !stores.has(store.meta.id));
      if (target === undefined) continue;
      taken.add(region.meta.id);
      operators.push([transfer(description, ["leader"], region, target.meta.id, "urgent")]);
    }
  }
  return operators.length === 0 ? idle("no leader is left that another store may take") : { operators, summary: "" };
}

/** All leads onto the stores. */
export function grantLeaders(
  context: ScheduleContext,
  description: string,
  stores: ReadonlyMap<StoreId, readonly KeyRange[]>,
): ScheduleResult {
  for (const [storeId, ranges] of stores) {
    for (let tries = 0; tries < drawsMax; tries++) {
      const region = draw(context, storeId, "follower");
      if (region === null) break;
      if (!isFree(context, region) || !ranges.some((range) => isInRange(region.meta.startKey, range.startKey, range.endKey))) continue;
      const peer = peerOn(region.meta, storeId);
      if (peer?.role !== "voter" || region.pendingPeers.includes(peer.id)) continue;
      if (!context.policy.mayLead(region, storeId)) continue;
      return { operators: [[transfer(description, ["leader"], region, storeId, "high")]], summary: "" };
    }
  }
  return idle("no region was drawn that the store could lead");
}

/** Leaders off stores whose labels reject them. */
export function labelLeaders(context: ScheduleContext): ScheduleResult {
  for (const store of context.view.stores()) {
    if (!rejectsLeaders(context, store) || store.leaderCount === 0) continue;
    const region = draw(context, store.meta.id, "leader");
    if (region === null || !isFree(context, region)) continue;
    const [target] = leaderCandidates(context, region);
    if (target !== undefined) return { operators: [[transfer("label-reject-leader", ["leader"], region, target.meta.id)]], summary: "" };
  }
  return idle("no leader is on a store that rejects leaders");
}

export function shuffleLeader(context: ScheduleContext): ScheduleResult {
  const stores = context.view.stores().filter((store) => leaderTarget(context, store) === null);
  if (stores.length === 0) return idle("no store takes leaders");
  const target = context.random.pick(stores);
  const region = draw(context, target.meta.id, "follower");
  if (
    region === null ||
    !isFree(context, region) ||
    !leaderCandidates(context, region).some((store) => store.meta.id === target.meta.id) ||
    leaderStore(region) === target.meta.id
  )
    return idle("no region was drawn that the store could lead");
  return { operators: [[transfer("shuffle-leader", ["leader"], region, target.meta.id, "high")]], summary: "" };
}
