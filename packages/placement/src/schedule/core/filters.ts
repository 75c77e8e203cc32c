/**
 * Which stores may give or take what (spec §1.13, table of filters). Each answers with the reason why not, or null: `--why` shows it.
 */
import type { StoreView } from "../../core/model.ts";
import { rejectsLeaders, type ScheduleContext } from "./context.ts";
import { isDisconnected, isLowSpace, isStoreDown } from "./store-facts.ts";
import { peerCost } from "./store-limits.ts";

type Why = string | null;

function isRemoved(store: StoreView): boolean {
  return store.meta.state === "tombstone";
}

function isDownStore(context: ScheduleContext, store: StoreView): boolean {
  return isStoreDown(store, context.nowMs, context.schedule.maxStoreDownTimeMs);
}

export function leaderSource(context: ScheduleContext, store: StoreView): Why {
  if (isRemoved(store)) return "removed";
  if (isDownStore(context, store)) return "down";
  if (store.pausedLeaderOut.length > 0) return `leaders are kept on it by ${store.pausedLeaderOut.join(", ")}`;
  return isDisconnected(store, context.nowMs) ? "disconnected" : null;
}

export function regionSource(context: ScheduleContext, store: StoreView, cost = peerCost): Why {
  if (isRemoved(store)) return "removed";
  if (store.stats?.isBusy === true) return "busy";
  if (!context.limits.isAvailable(store.meta.id, "remove-peer", cost, context.nowMs)) return "its remove-peer limit is used up";
  return tooManySnapshots(context, store);
}

export function leaderTarget(context: ScheduleContext, store: StoreView): Why {
  const why = leaderTargetTemporary(context, store);
  if (why !== null) return why;
  if (isDisconnected(store, context.nowMs)) return "disconnected";
  return store.stats?.isBusy === true ? "busy" : null;
}

/** Where leaders may go when they must go somewhere. */
export function leaderTargetTemporary(context: ScheduleContext, store: StoreView): Why {
  if (isRemoved(store)) return "removed";
  if (store.meta.state === "offline") return "being removed";
  if (isDownStore(context, store)) return "down";
  if (store.pausedLeaderIn.length > 0) return `leaders are kept away by ${store.pausedLeaderIn.join(", ")}`;
  return rejectsLeaders(context, store) ? "a label property rejects leaders" : null;
}

export function regionTarget(context: ScheduleContext, store: StoreView, cost = peerCost): Why {
  if (isRemoved(store)) return "removed";
  if (store.meta.state === "offline") return "being removed";
  if (isDownStore(context, store)) return "down";
  if (isDisconnected(store, context.nowMs)) return "disconnected";
  if (store.stats?.isBusy === true) return "busy";
  if (!context.limits.isAvailable(store.meta.id, "add-peer", cost, context.nowMs)) return "its add-peer limit is used up";
  const snapshots = tooManySnapshots(context, store);
  if (snapshots !== null) return snapshots;
  const pendingMax = context.schedule.maxPendingPeerCount;
  if (pendingMax > 0 && store.pendingPeerCount > pendingMax)
    return `${store.pendingPeerCount} of its peers have not caught up (at most ${pendingMax})`;
  return isLowSpace(store, context.schedule.lowSpaceRatio) ? "low on space" : null;
}

export function scatterTarget(context: ScheduleContext, store: StoreView): Why {
  if (isRemoved(store)) return "removed";
  if (store.meta.state === "offline") return "being removed";
  if (isDownStore(context, store)) return "down";
  if (isDisconnected(store, context.nowMs)) return "disconnected";
  return store.stats?.isBusy === true ? "busy" : null;
}

function tooManySnapshots(context: ScheduleContext, store: StoreView): Why {
  const stats = store.stats;
  if (stats === null) return null;
  const most = Math.max(stats.sendingSnapCount, stats.receivingSnapCount, stats.applyingSnapCount);
  return most > context.schedule.maxSnapshotCount
    ? `${most} snapshots are on their way (at most ${context.schedule.maxSnapshotCount})`
    : null;
}
