/**
 * The scheduling part of a placement driver that leads: it patrols the regions, gives the schedulers their turns, hands operators to the
 * regions' leaders. The decisions are in `core/`; here are the loop, the ids and what is kept.
 *
 *   start ──(most regions have a leader, or 5 minutes)──▶ patrol and schedulers run ──▶ until the lead is lost
 */
import type { World } from "@skein/base";
import type { PeerId, RegionId, RegionView, StoreId, StoreView } from "../core/model.ts";
import type { RegionAction } from "../core/region-action.ts";
import { readsOf, writesOf } from "../server/convert.ts";
import type { HttpRoute } from "../server/http-routes.ts";
import type { PdComponent, PdServices, SplitAsk } from "../server/services.ts";
import type * as pdpb from "../wire/pdpb.ts";
import { addAndPush, scatterRegion, scatterRegions, splitAt, wireStatus } from "./actions.ts";
import { type CheckerName, checkRegion } from "./core/checkers/patrol.ts";
import { createReplicaPolicy } from "./core/checkers/replica-policy.ts";
import type { PlacementPolicy, ScheduleContext } from "./core/context.ts";
import { createOperatorController } from "./core/controller.ts";
import { createHotBuckets } from "./core/hot-buckets.ts";
import { createHotCache } from "./core/hot-cache.ts";
import { kindsText } from "./core/operator-text.ts";
import { type HotRegionConfig, hotRegionDefaults } from "./core/schedulers/hot-region.ts";
import { createScatterer } from "./core/schedulers/scatter.ts";
import { isPaused, noteTurn, runScheduler, type Scheduler } from "./core/schedulers/scheduler-set.ts";
import { isTiFlash } from "./core/store-facts.ts";
import { createStoreLimits, type LimitScene, type LimitType, unlimitedRate } from "./core/store-limits.ts";
import { createHotHistory, keepHotHistory } from "./hot-history.ts";
import { routesOf } from "./routes/routes.ts";
import { keepEvicted, loadSchedulers, pauseEvicted } from "./scheduler-admin.ts";
import { snapshotOf } from "./snapshot.ts";
import type { Change, SchedulingState } from "./state.ts";

const turnMs = 50;
const pushEveryMs = 500;
const settleMs = 3000;
const settleMaxMs = 300_000;
/** Regions that are looked at in one turn at most. */
const patrolBatchMax = 256;
const suspectsMax = 20_000;
const suspectsATurn = 64;
const suspectKeptMs = 180_000;
const idsAtOnce = 16;
const idsKeptMs = 1_000;

/** Thrown when a plan needs more new ids than are at hand: the next turn has them. */
class IdsAwaited extends Error {
  override readonly name = "IdsAwaited";
}

export interface Scheduling extends PdComponent {
  /** Null while this member does not lead. */
  readonly state: SchedulingState | null;
}

/** What decides while placement rules are on; null where a process has none: replica count and labels decide then. */
export type PolicySource = (contextOf: () => ScheduleContext) => PlacementPolicy | null;

export function createScheduling(policySource: PolicySource = () => null): Scheduling {
  let state: (SchedulingState & { readonly internal: Internal }) | null = null;

  return {
    name: "scheduling",
    get state() {
      return state;
    },
    start: async (services, signal) => {
      const made = createState(services, policySource);
      state = made;
      signal.addEventListener(
        "abort",
        () => {
          made.internal.close();
          if (state === made) state = null;
        },
        { once: true },
      );
      void loop(services.world, made, signal);
      if (services.folder !== "") void keepHotHistory(made, signal);
    },
    routes: (): readonly HttpRoute[] => routesOf(() => state),
    onRegionHeartbeat: (region): RegionAction | null => {
      if (state === null) return null;
      const nowMs = state.services.world.clock.nowMs();
      state.hot.onRegion(region, nowMs);
      return state.controller.onHeartbeat(region, nowMs);
    },
    onStoreHeartbeat: (store, stats) => {
      if (state !== null) takeStoreLoad(state, store, stats);
    },
    onBuckets: ({ region_id: regionId, version, keys, stats, period_in_ms: periodMs }) => {
      if (state === null || state.services.cluster.region(regionId) === null) return;
      state.buckets.report({
        regionId,
        version,
        keys,
        periodMs,
        readBytes: stats?.read_bytes ?? [],
        readKeys: stats?.read_keys ?? [],
        writtenBytes: stats?.write_bytes ?? [],
        writtenKeys: stats?.write_keys ?? [],
      });
    },
    onSplitAsked: (ask: SplitAsk) => {
      if (state === null) return;
      const nowMs = state.services.world.clock.nowMs();
      for (const id of [ask.regionId, ...ask.newRegionIds]) state.internal.splitAt.set(id, nowMs);
    },
    operatorOf: (regionId) => {
      if (state === null) return null;
      const running = state.controller.get(regionId) ?? state.controller.lastRecord(regionId, state.services.world.clock.nowMs());
      if (running === null) return null;
      return { description: running.operator.description, kind: kindsText(running.operator.kinds), status: wireStatus(running) };
    },
    scatter: async (request) => {
      if (state === null) return { finishedPercentage: 0, failedRegionIds: [] };
      if (request.regions_id.length === 0) return scatterRegion(state, request.region_id, request.group);
      return scatterRegions(state, request.regions_id, request.group);
    },
    splitRegions: async (keys, retriesMax) =>
      state === null ? { finishedPercentage: 0, regionIds: [] } : splitAt(state, keys, retriesMax),
    metrics: () => (state === null ? "" : metricsOf(state)),
  };
}

interface Internal {
  readonly suspects: Map<RegionId, { notBeforeMs: number; untilMs: number }>;
  readonly splitAt: Map<RegionId, number>;
  readonly ids: PeerId[];
  /** Monotonic ms. */
  idsFromMs: number;
  idsWanted: boolean;
  cursor: Uint8Array;
  passStartedMs: number;
  isPassDone: boolean;
  lastPushMs: number;
  lastPatrolMs: number;
  close(): void;
}

function createState(services: PdServices, policySource: PolicySource): SchedulingState & { readonly internal: Internal } {
  const { clock } = services.world;
  const rateOf = (storeId: StoreId, type: "add-peer" | "remove-peer"): number => {
    const store = services.cluster.store(storeId);
    // What leaves a store that is being removed is not held back.
    if (type === "remove-peer" && store !== null && store.meta.state !== "up") return unlimitedRate;
    const set = services.config.current.schedule.storeLimit[String(storeId)];
    if (set !== undefined) return type === "add-peer" ? set.addPeer : set.removePeer;
    return store !== null && isTiFlash(store) ? 30 : 15;
  };
  const limits = createStoreLimits(rateOf);
  const controller = createOperatorController({
    view: () => services.cluster,
    limits,
    useJoint: () => services.config.current.schedule.enableJointConsensus,
  });
  const schedulers = new Map<string, Scheduler>();
  const hot = createHotCache(() => {
    const config = (schedulers.get("balance-hot-region-scheduler")?.config ?? hotRegionDefaults) as unknown as HotRegionConfig;
    return {
      zombieRoundsMax: config["max-zombie-rounds"],
      peersMax: config["max-peer-number"],
    };
  });
  const buckets = createHotBuckets();
  const internal: Internal = {
    suspects: new Map(),
    splitAt: new Map(),
    ids: [],
    idsFromMs: 0,
    idsWanted: false,
    cursor: new Uint8Array(),
    passStartedMs: 0,
    isPassDone: true,
    lastPushMs: 0,
    lastPatrolMs: 0,
    close: () => stopListening(),
  };
  const newPeerId = (): PeerId => {
    dropOldIds(services, internal);
    const id = internal.ids.shift();
    if (id === undefined) {
      internal.idsWanted = true;
      throw new IdsAwaited("ids for new peers are awaited");
    }
    return id;
  };
  const random = services.random.fork("schedule");
  const context = (): ScheduleContext => {
    const { schedule, replication, labelProperty } = services.config.current;
    const view = snapshotOf(services.cluster);
    return {
      view,
      nowMs: clock.nowMs(),
      schedule,
      replication,
      labelProperty,
      policy: policy(),
      limits,
      operators: controller,
      random,
      newPeerId,
      isHot: (regionId) => hot.isHot(regionId, schedule.hotRegionCacheHitsThreshold),
    };
  };
  let fromRules: PlacementPolicy | null | undefined;
  const byReplicas = createReplicaPolicy(context);
  const policy = (): PlacementPolicy => {
    if (!services.config.current.replication.enablePlacementRules) return byReplicas;
    if (fromRules === undefined) fromRules = policySource(context);
    return fromRules ?? byReplicas;
  };
  const suspect = (regionId: RegionId, delayMs = 0) => {
    const nowMs = clock.nowMs();
    if (internal.suspects.size < suspectsMax && !internal.suspects.has(regionId))
      internal.suspects.set(regionId, { notBeforeMs: nowMs + delayMs, untilMs: nowMs + suspectKeptMs });
  };
  controller.onEnded((ended) => suspect(ended.operator.regionId));
  const stopRegions = services.regions.onChange((id, region) => {
    if (region === null) {
      hot.forget(id);
      buckets.forget(id);
      internal.splitAt.delete(id);
    } else if (state.isRunning) suspect(id);
  });
  const [removals, arrivals] = [new Map<StoreId, Change>(), new Map<StoreId, Change>()];
  const stopStores = services.stores.onChange((store) => {
    const { id, state: storeState, nodeState } = store.meta;
    if (storeState === "tombstone") hot.forgetStore(id);
    for (const [changes, isOne] of [
      [removals, storeState === "offline"],
      [arrivals, storeState === "up" && nodeState === "preparing"],
    ] as const) {
      if (!isOne) changes.delete(id);
      else if (!changes.has(id)) changes.set(id, { sinceMs: clock.nowMs(), sizeMib: store.regionSize });
    }
  });
  const stopListening = () => {
    stopRegions();
    stopStores();
  };
  const state = {
    services,
    controller,
    limits,
    hot,
    buckets,
    history: createHotHistory(services.world, services.folder === "" ? "" : `${services.folder}/hot-region`),
    limitScenes: new Map<LimitType, LimitScene>(),
    schedulers,
    scatterer: createScatterer(),
    checkerPauses: new Map<CheckerName, number>(),
    removals,
    arrivals,
    startedMs: clock.nowMs(),
    isRunning: false,
    policy,
    context,
    ensureIds: async (count: number) => {
      dropOldIds(services, internal);
      while (internal.ids.length < count) await refill(services, internal);
    },
    suspect: (regionId: RegionId) => suspect(regionId),
    internal,
  };
  return state;
}

async function refill(services: PdServices, internal: Internal): Promise<void> {
  const last = await services.ids.allocMany(idsAtOnce);
  for (let id = last - idsAtOnce + 1; id <= last; id++) internal.ids.push(id);
  internal.idsFromMs = services.world.clock.monotonicMs();
  internal.idsWanted = false;
}

/**
 * A store where a region had a replica before takes a new one only with a higher id. Of a region that a split made since, ids that
 * were put by before are lower: its replica would be waited for in vain.
 */
function dropOldIds(services: PdServices, internal: Internal): void {
  if (services.world.clock.monotonicMs() - internal.idsFromMs > idsKeptMs) internal.ids.length = 0;
}

type State = SchedulingState & { readonly internal: Internal };

/** Ends with the signal. Whatever goes wrong with the metadata means that the lead is lost, and the signal follows. */
async function loop(world: World, state: State, signal: AbortSignal): Promise<void> {
  const { services, internal } = state;
  while (!signal.aborted) {
    try {
      await world.clock.sleep(turnMs, signal);
      const nowMs = world.clock.nowMs();
      if (!state.isRunning) {
        if (!isSettled(state, nowMs)) continue;
        await loadSchedulers(state);
        state.isRunning = true;
        services.log.info("schedulers and checkers start", { regions: services.cluster.regionCount });
      }
      if (internal.idsWanted) await refill(services, internal);
      turn(state, nowMs);
      await keepEvicted(state);
    } catch (error) {
      if (signal.aborted) return;
      services.log.warn("a turn of the schedulers failed and is tried again", { error });
      await world.clock.sleep(1000, signal).catch(() => {});
    }
  }
}

/** Decisions before most leaders are known would be made on counts that are wrong. */
function isSettled(state: State, nowMs: number): boolean {
  const sinceMs = nowMs - state.startedMs;
  if (sinceMs < settleMs) return false;
  if (sinceMs > settleMaxMs) return true;
  const { cluster } = state.services;
  const led = cluster.stores().reduce((sum, store) => sum + store.leaderCount, 0);
  return cluster.regionCount > 0 && led >= 0.8 * cluster.regionCount;
}

function turn(state: State, nowMs: number): void {
  const { internal, services, controller } = state;
  if (nowMs - internal.lastPushMs >= pushEveryMs) {
    internal.lastPushMs = nowMs;
    for (const { region, action } of controller.tick(nowMs)) services.operators.push(region, action);
  }
  const context = state.context();
  if (context.schedule.haltScheduling) return;
  patrol(state, context);
  for (const scheduler of state.schedulers.values()) {
    if (nowMs < scheduler.nextRunMs || isPaused(scheduler, nowMs)) continue;
    try {
      const result = runScheduler(scheduler, context, state.hot, state.buckets);
      pauseEvicted(state, scheduler);
      let added = 0;
      for (const operators of result.operators) if (addAndPush(state, operators, nowMs)) added += 1;
      noteTurn(scheduler, result, added, nowMs);
    } catch (error) {
      const areIdsAwaited = error instanceof IdsAwaited;
      noteTurn(scheduler, { operators: [], summary: error instanceof Error ? error.message : String(error) }, 0, nowMs);
      if (areIdsAwaited) scheduler.nextRunMs = nowMs + turnMs;
      // One that fails backs off and says so in `scheduler describe`; the others run on.
      else services.log.error("a scheduler's turn failed", { scheduler: scheduler.name, error });
    }
  }
}

function patrol(state: State, context: ScheduleContext): void {
  const { internal } = state;
  const { nowMs } = context;
  let looked = 0;
  for (const [regionId, { notBeforeMs, untilMs }] of internal.suspects) {
    if (looked >= suspectsATurn) break;
    if (nowMs < notBeforeMs) continue;
    internal.suspects.delete(regionId);
    if (nowMs > untilMs) continue;
    const region = context.view.region(regionId);
    if (region === null) continue;
    looked += 1;
    lookAt(state, context, region);
  }
  const intervalMs = Math.max(1, context.schedule.patrolRegionIntervalMs);
  const sinceMs = internal.lastPatrolMs === 0 ? turnMs : nowMs - internal.lastPatrolMs;
  internal.lastPatrolMs = nowMs;
  // A pass over many regions takes a while; over few it is not begun again at once.
  const passMs = Math.max(1000, context.view.regionCount / 2);
  if (internal.isPassDone) {
    if (nowMs - internal.passStartedMs < passMs) return;
    internal.isPassDone = false;
    internal.passStartedMs = nowMs;
    internal.cursor = new Uint8Array();
  }
  const batch = Math.min(patrolBatchMax, Math.ceil((128 * Math.min(sinceMs, 1000)) / Math.max(intervalMs, 10)));
  const regions = context.view.scanRegions(internal.cursor, new Uint8Array(), batch);
  // Moved on before the look: a region that makes a look fail does not hold up the others.
  const last = regions.at(-1);
  if (last === undefined || last.meta.endKey.length === 0 || regions.length < batch) internal.isPassDone = true;
  else internal.cursor = last.meta.endKey;
  for (const region of regions) lookAt(state, context, region);
}

function lookAt(state: State, context: ScheduleContext, region: RegionView): void {
  const { internal } = state;
  const { nowMs } = context;
  const later = () => internal.suspects.set(region.meta.id, { notBeforeMs: nowMs + 1000, untilMs: nowMs + suspectKeptMs });
  try {
    const result = checkRegion(context, region, {
      isPaused: (checker) => nowMs < (state.checkerPauses.get(checker) ?? 0),
      merge: {
        notBeforeMs: state.startedMs + context.schedule.splitMergeIntervalMs,
        splitAtMs: (id) => internal.splitAt.get(id),
      },
    });
    if (result.kind === "later") later();
    else if (result.kind === "operators" && !addAndPush(state, result.operators, nowMs)) later();
  } catch (error) {
    if (!(error instanceof IdsAwaited)) throw error;
    internal.suspects.set(region.meta.id, { notBeforeMs: nowMs, untilMs: nowMs + suspectKeptMs });
  }
}

function takeStoreLoad(state: State, store: StoreView, stats: pdpb.StoreStats): void {
  const intervalS = stats.interval === null ? 0 : stats.interval.end_timestamp - stats.interval.start_timestamp;
  if (intervalS <= 0) return;
  const { hot } = state;
  const id = store.meta.id;
  hot.onStore(id, "write", [stats.bytes_written / intervalS, stats.keys_written / intervalS, writesOf(stats.query_stats) / intervalS]);
  hot.onStore(id, "read", [stats.bytes_read / intervalS, stats.keys_read / intervalS, readsOf(stats.query_stats) / intervalS]);
  hot.onStoreReads(
    id,
    stats.peer_stats.map((peer) => ({
      regionId: peer.region_id,
      load: [peer.read_bytes, peer.read_keys, readsOf(peer.query_stats)] as const,
    })),
    intervalS,
    (regionId) => state.services.cluster.region(regionId),
    state.services.world.clock.nowMs(),
  );
}

function metricsOf(state: SchedulingState): string {
  const counts = new Map<string, number>();
  for (const running of state.controller.list())
    counts.set(running.operator.description, (counts.get(running.operator.description) ?? 0) + 1);
  const lines = ["# HELP pd_schedule_operators Operators that run now.", "# TYPE pd_schedule_operators gauge"];
  for (const [description, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
    lines.push(`pd_schedule_operators{type="${description}"} ${count}`);
  lines.push("# HELP pd_scheduler_status Whether a scheduler may run: 1, or pauses: 0.", "# TYPE pd_scheduler_status gauge");
  const nowMs = state.services.world.clock.nowMs();
  for (const scheduler of state.schedulers.values())
    lines.push(`pd_scheduler_status{kind="${scheduler.name}",type="allow"} ${isPaused(scheduler, nowMs) ? 0 : 1}`);
  return `${lines.join("\n")}\n`;
}
