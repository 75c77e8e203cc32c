/**
 * Why a store is as it is: silent, not emptying, getting no peers, leading nothing. Each line names what holds it (region, rule, limit,
 * scheduler) and the next command to run.
 */

import { formatDuration } from "@skein/base";
import type { RegionView, StoreId, StoreView } from "../../core/model.ts";
import type { ScheduleContext } from "./context.ts";
import type { RunningOperator } from "./controller.ts";
import { leaderTarget, regionTarget } from "./filters.ts";
import { stepText } from "./operator-text.ts";
import { isPending, leaderOf, leaderStore, peerOn } from "./regions.ts";
import { isDisconnected, isLowSpace, isStoreDown, shownState, silentMs } from "./store-facts.ts";

export interface WhyLine {
  readonly what: string;
  /** A command to run next; "" when there is nothing to do but wait. */
  readonly next: string;
}

/** Regions that are named in a sentence at most. */
const namedMax = 5;

export function whyStore(
  context: ScheduleContext,
  store: StoreView,
  regionsOn: readonly RegionView[],
  operatorOf: (regionId: number) => RunningOperator | null,
): readonly WhyLine[] {
  const id = store.meta.id;
  const lines: WhyLine[] = [];
  const say = (what: string, next = "") => void lines.push({ what, next });
  const { schedule, nowMs } = context;
  const shown = shownState(store, nowMs, schedule.maxStoreDownTimeMs);
  const silence = formatDuration(Math.round(silentMs(store, nowMs) / 1000) * 1000);

  if (store.meta.state === "tombstone") {
    say("It was removed and is empty. Its id never comes back.", "pd-ctl store remove-tombstone");
    if (store.regionCount > 0) say(`${store.regionCount} regions still name a peer on it.`, `pd-ctl region store ${id}`);
    return lines;
  }
  if (store.meta.lastHeartbeatMs === 0) say("It never sent a heartbeat.", `look at the log of the store at ${store.meta.address}`);
  else if (isStoreDown(store, nowMs, schedule.maxStoreDownTimeMs))
    say(
      `It has been silent for ${silence}, longer than max-store-down-time (${formatDuration(schedule.maxStoreDownTimeMs)}): its peers are made anew elsewhere where another store may take them.`,
      `start the store at ${store.meta.address}, or: pd-ctl store delete ${id}`,
    );
  else if (isDisconnected(store, nowMs))
    say(
      `It has been silent for ${silence}. Its peers are replaced when it is silent for ${formatDuration(schedule.maxStoreDownTimeMs)} (max-store-down-time).`,
      `look whether the store at ${store.meta.address} runs and reaches this placement driver`,
    );
  if (schedule.haltScheduling) say("Scheduling is halted: nothing moves.", "pd-ctl config set halt-scheduling false");

  if (store.meta.state === "offline") draining(context, store, regionsOn, operatorOf, say);
  else {
    const noPeers = regionTarget(context, store);
    // That it is silent has been said.
    const isSaid = noPeers === "down" || noPeers === "disconnected";
    if (noPeers !== null && !isSaid) say(`It gets no peers: ${noPeers}.`, nextFor(noPeers, store));
    else if (isLowSpace(store, schedule.lowSpaceRatio)) say("It is low on space.", `pd-ctl store ${id}`);
    const noLeaders = leaderTarget(context, store);
    if (noLeaders !== null && noLeaders !== noPeers) say(`It gets no leaders: ${noLeaders}.`, nextFor(noLeaders, store));
  }
  if (lines.length === 0)
    say(
      `It is ${shown}; it takes peers and leaders. Of its peers (${store.regionCount}), ${store.leaderCount} lead.`,
      `pd-ctl region store ${id}`,
    );
  return lines;
}

function draining(
  context: ScheduleContext,
  store: StoreView,
  regionsOn: readonly RegionView[],
  operatorOf: (regionId: number) => RunningOperator | null,
  say: (what: string, next?: string) => void,
): void {
  const id = store.meta.id;
  say(
    regionsOn.length === 0
      ? "It is being removed and has no peer left: it becomes a tombstone within ten seconds."
      : `It is being removed: ${regionsOn.length} regions still have a peer on it, ${store.leaderCount} of them led by it.`,
    regionsOn.length === 0 ? "" : `pd-ctl region store ${id}`,
  );
  const running = regionsOn.map((region) => operatorOf(region.meta.id)).filter((each) => each !== null);
  for (const each of running.slice(0, namedMax)) {
    const step = each.operator.steps[each.currentStep];
    say(
      `Region ${each.operator.regionId}: ${each.operator.description} is at step ${each.currentStep + 1} of ${each.operator.steps.length}${step === undefined ? "" : ` (${stepText(step)})`}.`,
      `pd-ctl operator check ${each.operator.regionId}`,
    );
  }
  if (running.length > namedMax) say(`${running.length - namedMax} more regions are being moved.`, "pd-ctl operator show");
  if (context.operators.count("replica") >= context.schedule.replicaScheduleLimit && context.schedule.replicaScheduleLimit >= 0)
    say(
      `replica-schedule-limit (${context.schedule.replicaScheduleLimit}) is reached: other regions wait for their turn.`,
      `pd-ctl config set replica-schedule-limit ${context.schedule.replicaScheduleLimit * 2 || 64}`,
    );

  const waiting = regionsOn.filter((region) => operatorOf(region.meta.id) === null);
  const reasons = new Map<string, { next: string; regions: number[] }>();
  for (const region of waiting) {
    const { what, next } = whyRegionStays(context, region, id);
    const entry = reasons.get(what) ?? { next, regions: [] };
    entry.regions.push(region.meta.id);
    reasons.set(what, entry);
  }
  for (const [what, { next, regions }] of reasons) {
    const named = regions.slice(0, namedMax).join(", ");
    say(
      `${regions.length === 1 ? "Region" : "Regions"} ${named}${regions.length > namedMax ? ` and ${regions.length - namedMax} more` : ""}: ${what}`,
      next,
    );
  }
}

function whyRegionStays(context: ScheduleContext, region: RegionView, storeId: StoreId): WhyLine {
  if (leaderOf(region) === null)
    return { what: "no leader is known; nothing can be asked of it.", next: `pd-ctl region ${region.meta.id}` };
  const change = context.policy.suggest(region);
  if (change !== null && !change.target.has(storeId))
    return { what: `${change.description} comes next.`, next: `pd-ctl region ${region.meta.id} --why` };
  const lagging = region.meta.peers.filter((peer) => isPending(region, peer.id));
  if (lagging.length > 0)
    return { what: `its peer on store ${lagging[0]?.storeId} has not caught up.`, next: `pd-ctl store ${lagging[0]?.storeId} --why` };
  const free = context.view.stores().filter((store) => peerOn(region.meta, store.meta.id) === null);
  if (free.filter((store) => store.meta.state === "up").length === 0)
    return {
      what: "every other store has a peer of it already; there is nowhere to go.",
      next: "add a store, or lower the count of replicas",
    };
  const blocked = free.map((store) => ({ store, why: regionTarget(context, store) })).filter(({ why }) => why !== null);
  if (blocked.length === free.length) {
    const first = blocked.find(({ store }) => store.meta.state === "up") ?? blocked[0];
    return {
      what: `no store takes its peer (store ${first?.store.meta.id}: ${first?.why}).`,
      next: first === undefined ? "" : nextFor(first.why ?? "", first.store),
    };
  }
  const lead = leaderStore(region);
  return {
    what: `no rule finds a store that is as good for the peer${lead === storeId ? ", which leads" : ""}.`,
    next: `pd-ctl region ${region.meta.id} --why`,
  };
}

function nextFor(why: string, store: StoreView): string {
  const id = store.meta.id;
  if (why.includes("limit is used up")) return `pd-ctl store limit ${id} 60 ${why.includes("remove-peer") ? "remove-peer" : "add-peer"}`;
  if (why.startsWith("leaders are kept")) return "pd-ctl scheduler show";
  if (why.startsWith("a label property")) return "pd-ctl config show label-property";
  if (why === "being removed") return `pd-ctl store cancel-delete ${id}`;
  if (why === "low on space") return `pd-ctl store ${id}`;
  if (why.includes("snapshots")) return "pd-ctl config set max-snapshot-count 128";
  if (why.includes("have not caught up")) return `pd-ctl region check pending-peer`;
  return `pd-ctl store ${id}`;
}
