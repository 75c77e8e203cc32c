/** Schedulers added, removed, paused and set by requests; each change is durable before it is answered. */
import type { StoreId } from "../core/model.ts";
import type { SchedulerEntry } from "../server/config/core/items.ts";
import { refusal } from "../server/http-routes.ts";
import {
  createScheduler,
  defaultConfig,
  evictedConfig,
  type Scheduler,
  type SchedulerConfig,
  type SchedulerType,
  schedulerName,
  storesOf,
  withoutStore,
  withStore,
} from "./core/schedulers/scheduler-set.ts";
import type { SchedulingState } from "./state.ts";

const configKey = (name: string) => `scheduler_config/${name}`;

/** Those of a cluster from the start: removing one leaves a note that it is not to come back. */
const defaults: readonly string[] = ["balance-region", "balance-leader", "hot-region"];

export async function loadSchedulers(state: SchedulingState): Promise<void> {
  const { services } = state;
  const nowMs = services.world.clock.nowMs();
  const kept = new Map<string, SchedulerConfig>();
  for (const { key, value } of await services.metadata.list("scheduler_config/"))
    kept.set(key.slice("scheduler_config/".length), JSON.parse(new TextDecoder().decode(value)) as SchedulerConfig);
  state.schedulers.clear();
  for (const entry of services.config.current.schedule.schedulersV2) {
    if (entry.disable) continue;
    const range = entry.type === "scatter-range" ? entry.args?.[2] : undefined;
    const name = createScheduler(entry, range === undefined ? null : { "range-name": range }, nowMs)?.name;
    if (name === undefined) {
      services.log.warn("a scheduler of the configuration is not known and does not run", { type: entry.type });
      continue;
    }
    const scheduler = createScheduler(entry, kept.get(name) ?? configOf(entry), nowMs);
    if (scheduler === null) continue;
    state.schedulers.set(scheduler.name, scheduler);
    pauseStores(state, scheduler);
  }
}

/** Of the arguments in the configuration, where nothing was kept. */
function configOf(entry: SchedulerEntry): SchedulerConfig | null {
  if ((entry.type === "evict-leader" || entry.type === "grant-leader") && entry.args?.[0] !== undefined)
    return withStore(defaultConfig(entry.type), Number(entry.args[0]));
  if (entry.type === "scatter-range" && entry.args?.length === 3)
    return { "range-name": entry.args[2], "start-key": entry.args[0], "end-key": entry.args[1] };
  if (entry.type === "grant-hot-region" && entry.args?.length === 2)
    return { "store-id": (entry.args[1] as string).split(",").map(Number), "store-leader-id": Number(entry.args[0]) };
  if (entry.type === "shuffle-hot-region" && entry.args?.[0] !== undefined) return { limit: Number(entry.args[0]) };
  return null;
}

/** Leaders stay away from stores that a scheduler found, and may come back to those that it found well again. */
export function pauseEvicted(state: SchedulingState, scheduler: Scheduler): void {
  const { cluster, stores } = state.services;
  for (const id of scheduler.evicted)
    if (cluster.store(id)?.pausedLeaderIn.includes(scheduler.name) === false) stores.pauseLeader(id, "in", scheduler.name);
  if (evictedConfig(scheduler) === null) return;
  for (const { meta, pausedLeaderIn } of cluster.stores())
    if (!scheduler.evicted.has(meta.id) && pausedLeaderIn.includes(scheduler.name)) stores.resumeLeader(meta.id, "in", scheduler.name);
}

/** What schedulers found is durable: the next leader goes on from it. */
export async function keepEvicted(state: SchedulingState): Promise<void> {
  for (const scheduler of state.schedulers.values()) {
    const config = evictedConfig(scheduler);
    if (config === null) continue;
    const { services } = state;
    await services.metadata.put(configKey(scheduler.name), JSON.stringify(config));
    services.log.info("the stores that are kept free of leaders changed", {
      scheduler: scheduler.name,
      stores: [...scheduler.evicted].join(","),
    });
    scheduler.config = config;
  }
}

function pauseStores(state: SchedulingState, scheduler: Scheduler): void {
  if (scheduler.type === "evict-leader")
    for (const id of storesOf(scheduler).keys()) state.services.stores.pauseLeader(id, "in", scheduler.name);
  if (scheduler.type === "grant-leader")
    for (const id of storesOf(scheduler).keys()) state.services.stores.pauseLeader(id, "out", scheduler.name);
  pauseEvicted(state, scheduler);
}

function resumeStores(state: SchedulingState, scheduler: Scheduler, ids: Iterable<StoreId>): void {
  const direction = scheduler.type === "grant-leader" ? "out" : "in";
  for (const id of ids) state.services.stores.resumeLeader(id, direction, scheduler.name);
}

export function schedulerOf(state: SchedulingState, name: string): Scheduler {
  const scheduler = state.schedulers.get(name);
  if (scheduler === undefined) throw refusal(404, notFoundText);
  return scheduler;
}

export const notFoundText = "[PD:scheduler:ErrSchedulerNotFound]scheduler not found";

async function keepConfig(state: SchedulingState, scheduler: Scheduler, config: SchedulerConfig): Promise<void> {
  await state.services.metadata.put(configKey(scheduler.name), JSON.stringify(config));
  scheduler.config = config;
  scheduler.nextRunMs = state.services.world.clock.nowMs();
}

async function keepEntries(state: SchedulingState, change: (entries: SchedulerEntry[]) => SchedulerEntry[]): Promise<void> {
  await state.services.config.set({ schedule: { schedulersV2: change([...state.services.config.current.schedule.schedulersV2]) } });
}

/** Resolves to the sentence for the person who asked. */
export async function addScheduler(
  state: SchedulingState,
  type: SchedulerType,
  options: {
    readonly storeId: StoreId | null;
    readonly range: SchedulerConfig | null;
    /** What it starts with, of types that are told more than a store or a range. */
    readonly config?: SchedulerConfig;
  },
): Promise<string> {
  const { services } = state;
  const { storeId } = options;
  let config = options.range ?? options.config ?? defaultConfig(type);
  const probe = createScheduler({ type, args: null }, config, services.world.clock.nowMs()) as Scheduler;
  const existing = state.schedulers.get(probe.name);
  if (storeId !== null) {
    const isThere = existing !== undefined && storesOf(existing).has(storeId);
    if (!isThere) checkStore(state, storeId, probe.name);
    if (existing !== undefined) {
      if (!isThere) await keepConfig(state, existing, withStore(existing.config, storeId));
      pauseStores(state, existing);
      return "The scheduler has been applied to the store.";
    }
    config = withStore(config, storeId);
  }
  if (existing !== undefined) throw refusal(500, "[PD:scheduler:ErrSchedulerExisted]scheduler existed");
  const args = storeId !== null ? [String(storeId)] : options.range !== null ? rangeArgs(options.range) : configArgs(type, config);
  await services.metadata.put(configKey(probe.name), JSON.stringify(config));
  await keepEntries(state, (entries) => [
    ...entries.filter((each) => !isEntryOf(each, type, args)),
    { type, args, disable: false, argsPayload: "" },
  ]);
  const scheduler = createScheduler({ type, args }, config, services.world.clock.nowMs()) as Scheduler;
  state.schedulers.set(scheduler.name, scheduler);
  pauseStores(state, scheduler);
  return "The scheduler is created.";
}

/** As they stand in the list of schedulers of the configuration. */
function configArgs(type: SchedulerType, config: SchedulerConfig): readonly string[] | null {
  if (type === "grant-hot-region") return [String(config["store-leader-id"]), (config["store-id"] as readonly StoreId[]).join(",")];
  return type === "shuffle-hot-region" ? [String(config["limit"])] : null;
}

function rangeArgs(range: SchedulerConfig): readonly string[] {
  return [String(range["start-key"]), String(range["end-key"]), String(range["range-name"])];
}

function isEntryOf(entry: SchedulerEntry, type: string, args: readonly string[] | null): boolean {
  return entry.type === type && (type !== "scatter-range" || entry.args?.[2] === args?.[2]);
}

/** A store's leads are sent away or held by one of these at a time; what a scheduler found by itself (a slow store) does not count. */
const byHand: readonly string[] = (["evict-leader", "grant-leader"] as const).map((type) => schedulerName(type));
function checkStore(state: SchedulingState, storeId: StoreId, name: string): void {
  const store = state.services.cluster.store(storeId);
  if (store === null) throw refusal(500, `[PD:core:ErrStoreNotFound]store ${storeId} not found`);
  if ([...store.pausedLeaderIn, ...store.pausedLeaderOut].some((by) => by !== name && byHand.includes(by)))
    throw refusal(500, `[PD:core:ErrPauseLeaderTransfer]store ${storeId} is paused for leader transfer`);
}

/** `evict-leader-scheduler-2` takes one store out; the last one takes the scheduler with it. */
export async function removeScheduler(state: SchedulingState, name: string): Promise<void> {
  const ofStore = /^((?:evict|grant)-leader-scheduler)-(\d+)$/.exec(name);
  if (ofStore !== null) return removeStore(state, ofStore[1] as string, Number(ofStore[2]));
  const scheduler = schedulerOf(state, name);
  state.schedulers.delete(name);
  resumeStores(state, scheduler, [...storesOf(scheduler).keys(), ...scheduler.evicted]);
  await state.services.metadata.delete(configKey(name));
  const args = scheduler.type === "scatter-range" ? rangeArgs(scheduler.config) : null;
  await keepEntries(state, (entries) => {
    const left = entries.filter((each) => !isEntryOf(each, scheduler.type, args));
    return defaults.includes(scheduler.type) ? [...left, { type: scheduler.type, args: null, disable: true, argsPayload: "" }] : left;
  });
}

export async function removeStore(state: SchedulingState, name: string, storeId: StoreId): Promise<void> {
  const scheduler = schedulerOf(state, name);
  if (!storesOf(scheduler).has(storeId)) throw refusal(404, `[PD:scheduler:ErrScheduleConfigNotExist]the config does not exist`);
  const left = withoutStore(scheduler.config, storeId);
  if (Object.keys(left["store-id-ranges"] as object).length === 0) return removeScheduler(state, name);
  await keepConfig(state, scheduler, left);
  resumeStores(state, scheduler, [storeId]);
}

export async function addStore(state: SchedulingState, name: string, storeId: StoreId): Promise<string> {
  const scheduler = schedulerOf(state, name);
  if (storesOf(scheduler).has(storeId)) return "The scheduler has been applied to the store.";
  checkStore(state, storeId, name);
  await keepConfig(state, scheduler, withStore(scheduler.config, storeId));
  pauseStores(state, scheduler);
  return "The scheduler has been applied to the store.";
}

export async function setConfig(state: SchedulingState, scheduler: Scheduler, config: SchedulerConfig): Promise<void> {
  await keepConfig(state, scheduler, config);
}

/** For so many seconds; 0 lets it go on. Not kept: a new leader starts with all of them running. */
export function pauseScheduler(state: SchedulingState, name: string, delayS: number): void {
  const nowMs = state.services.world.clock.nowMs();
  const chosen = name === "all" ? [...state.schedulers.values()] : [state.schedulers.get(name)];
  for (const scheduler of chosen) {
    if (scheduler === undefined) throw refusal(500, notFoundText);
    scheduler.pausedAtMs = delayS > 0 ? nowMs : 0;
    scheduler.resumeAtMs = delayS > 0 ? nowMs + delayS * 1000 : 0;
    scheduler.nextRunMs = Math.min(scheduler.nextRunMs, nowMs);
  }
}
