/**
 * Small neighbours become one region (spec §1.10): both healthy, complete and cold, the smaller neighbour is preferred, nothing
 * (rule, label, table) must end between them, and what comes out is not to be split again at once.
 */
import { compareBytes } from "@skein/base";
import type { RegionView } from "../../../core/model.ts";
import { mergePlan } from "../builder.ts";
import type { ScheduleContext } from "../context.ts";
import type { Operator, PeerAt, Step } from "../operator.ts";
import { isHealthy, isInJointState, leaderStore, peerOn } from "../regions.ts";

/** Beyond this a merged region would soon be split: MiB. */
const mergedSizeMax = 256;

export interface MergeMemory {
  /** Nothing merges before this: regions have only just been heard of. */
  readonly notBeforeMs: number;
  /** Regions that came from a split, and when. */
  readonly splitAtMs: (regionId: number) => number | undefined;
}

export function checkMerge(context: ScheduleContext, region: RegionView, memory: MergeMemory): readonly Operator[] {
  if (context.nowMs < memory.notBeforeMs || !isMergeable(context, region, memory)) return [];
  if (region.approximateSize > context.schedule.maxMergeRegionSize || region.approximateKeys > keysMax(context)) return [];
  const { previous, next } = context.view.neighbours(region.meta.id);
  const candidates: RegionView[] = [];
  for (const neighbour of context.schedule.enableOneWayMerge ? [next] : [next, previous])
    if (neighbour !== null && fits(context, region, neighbour, memory)) candidates.push(neighbour);
  candidates.sort((a, b) => a.approximateSize - b.approximateSize);
  const target = candidates[0];
  if (target === undefined) return [];
  const moves = movesToMatch(context, region, target);
  if (moves === null) return [];
  return mergePlan({ description: "merge-region", kinds: ["merge"] }, region, target, moves);
}

function keysMax(context: ScheduleContext): number {
  const { maxMergeRegionKeys, maxMergeRegionSize } = context.schedule;
  return maxMergeRegionKeys > 0 ? maxMergeRegionKeys : maxMergeRegionSize * 10_000;
}

function isMergeable(context: ScheduleContext, region: RegionView, memory: MergeMemory): boolean {
  const splitAt = memory.splitAtMs(region.meta.id);
  if (splitAt !== undefined && context.nowMs - splitAt < context.schedule.splitMergeIntervalMs) return false;
  return (
    region.approximateSize > 0 &&
    context.operators.get(region.meta.id) === null &&
    isHealthy(region) &&
    !isInJointState(region.meta) &&
    !context.isHot(region.meta.id) &&
    !context.policy.isDenied(region) &&
    context.policy.isMergeDenied?.(region) !== true &&
    context.policy.isSatisfied(region)
  );
}

function fits(context: ScheduleContext, region: RegionView, neighbour: RegionView, memory: MergeMemory): boolean {
  if (!isMergeable(context, neighbour, memory)) return false;
  if (neighbour.approximateSize + region.approximateSize > mergedSizeMax) return false;
  const [left, right] = compareBytes(region.meta.startKey, neighbour.meta.startKey) < 0 ? [region, neighbour] : [neighbour, region];
  if (context.policy.borders(left.meta.startKey, right.meta.endKey) !== null) return false;
  if (!context.schedule.enableCrossTableMerge && tableOf(left.meta.startKey) !== tableOf(right.meta.startKey)) return false;
  return neighbour.meta.peers.every((peer) => context.view.store(peer.storeId)?.meta.state === "up");
}

/** The encoded prefix of a table's keys; "" outside of tables. */
function tableOf(key: Uint8Array): string {
  return key[0] === 0x74 ? [...key.subarray(0, 10)].join(",") : "";
}

/** Steps that bring the source's peers to the target's stores; null when its leader cannot follow. */
export function movesToMatch(context: ScheduleContext, source: RegionView, target: RegionView): readonly Step[] | null {
  const wanted = new Set(target.meta.peers.map((peer) => peer.storeId));
  const missing = target.meta.peers.filter((peer) => peerOn(source.meta, peer.storeId) === null);
  const extra = source.meta.peers.filter((peer) => !wanted.has(peer.storeId));
  const roleChanges = target.meta.peers.some((peer) => {
    const ours = peerOn(source.meta, peer.storeId);
    return ours !== null && ours.role !== peer.role;
  });
  if (missing.length === 0 && extra.length === 0 && !roleChanges) return [];
  if (roleChanges || !context.schedule.enableJointConsensus) return null;
  const steps: Step[] = [];
  const promote: PeerAt[] = [];
  for (const peer of missing) {
    const at = { storeId: peer.storeId, peerId: context.newPeerId() };
    steps.push({ kind: "addLearner", ...at });
    if (peer.role === "voter") promote.push(at);
  }
  const demote = extra.filter((peer) => peer.role === "voter").map((peer) => ({ storeId: peer.storeId, peerId: peer.id }));
  const lead = leaderStore(source);
  if (!wanted.has(lead)) {
    const stays = source.meta.peers.find((peer) => peer.role === "voter" && wanted.has(peer.storeId));
    if (stays === undefined) return null;
    steps.push({ kind: "transferLeader", fromStore: lead, toStore: stays.storeId, toStores: [stays.storeId] });
  }
  if (promote.length + demote.length > 0) steps.push({ kind: "enterJoint", promote, demote });
  if (promote.length + demote.length > 1) steps.push({ kind: "leaveJoint", promote, demote });
  for (const peer of extra) steps.push({ kind: "removePeer", storeId: peer.storeId, peerId: peer.id, isDownStore: false });
  return steps;
}
