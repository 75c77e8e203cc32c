/**
 * The items of the dynamic configuration, in the order in which the original prints them: one table for defaults, for the TOML file,
 * for what `/config` answers and takes, and for the typed object that the code reads.
 *
 * JSON and TOML differ: in JSON booleans are strings ("true"), durations are Go's ("1m0s"), lists of labels one text with commas.
 */

export type ItemType =
  | "u64"
  | "int"
  | "float"
  | "bool"
  | "duration"
  | "text"
  | "list"
  | "storeLimits"
  | "schedulers"
  | "payload"
  | "jsonBool";

export interface Item<T extends ItemType = ItemType> {
  readonly type: T;
  readonly default: ItemValues[T];
  /** Not in the short form that `config show` prints. */
  readonly isHidden?: true;
}

export interface StoreLimit {
  /** A minute. */
  readonly addPeer: number;
  readonly removePeer: number;
}

export interface SchedulerEntry {
  readonly type: string;
  readonly args: readonly string[] | null;
  readonly disable: boolean;
  readonly argsPayload: string;
}

export interface ItemValues {
  u64: number;
  int: number;
  float: number;
  bool: boolean;
  /** A boolean that is one in JSON too. */
  jsonBool: boolean;
  /** Milliseconds. */
  duration: number;
  text: string;
  list: readonly string[];
  /** By the store's id. */
  storeLimits: Readonly<Record<string, StoreLimit>>;
  schedulers: readonly SchedulerEntry[];
  /** What schedulers keep, by their names; shown in `config show all` only. */
  payload: null;
}

const item =
  <T extends ItemType>(type: T) =>
  (value: ItemValues[T]): Item<T> => ({ type, default: value });
const hidden =
  <T extends ItemType>(type: T) =>
  (value: ItemValues[T]): Item<T> => ({ type, default: value, isHidden: true });

const u64 = item("u64");
const float = item("float");
const bool = item("bool");
const duration = item("duration");
const text = item("text");
const hour = 3_600_000;

export const scheduleItems = {
  "max-snapshot-count": u64(64),
  "max-pending-peer-count": u64(64),
  "max-merge-region-size": u64(54),
  "max-merge-region-keys": u64(0),
  "split-merge-interval": duration(hour),
  "switch-witness-interval": duration(hour),
  "enable-one-way-merge": hidden("bool")(false),
  "enable-cross-table-merge": bool(true),
  "patrol-region-interval": duration(10),
  "max-store-down-time": duration(hour / 2),
  "max-store-preparing-time": duration(48 * hour),
  "leader-schedule-limit": u64(4),
  "leader-schedule-policy": text("count"),
  "region-schedule-limit": u64(2048),
  "witness-schedule-limit": u64(4),
  "replica-schedule-limit": u64(64),
  "merge-schedule-limit": u64(8),
  "hot-region-schedule-limit": u64(4),
  "hot-region-cache-hits-threshold": u64(3),
  "store-limit": hidden("storeLimits")({}),
  "tolerant-size-ratio": float(0),
  "low-space-ratio": float(0.8),
  "high-space-ratio": float(0.7),
  "region-score-formula-version": text("v2"),
  "scheduler-max-waiting-operator": hidden("u64")(5),
  "enable-remove-down-replica": hidden("bool")(true),
  "enable-replace-offline-replica": hidden("bool")(true),
  "enable-make-up-replica": hidden("bool")(true),
  "enable-remove-extra-replica": hidden("bool")(true),
  "enable-location-replacement": hidden("bool")(true),
  "enable-debug-metrics": hidden("bool")(false),
  "enable-joint-consensus": bool(true),
  "enable-tikv-split-region": bool(true),
  "schedulers-v2": hidden("schedulers")([
    { type: "balance-region", args: null, disable: false, argsPayload: "" },
    { type: "balance-leader", args: null, disable: false, argsPayload: "" },
    { type: "hot-region", args: null, disable: false, argsPayload: "" },
  ]),
  "schedulers-payload": hidden("payload")(null),
  "hot-regions-write-interval": duration(600_000),
  "hot-regions-reserved-days": u64(7),
  "max-movable-hot-peer-size": item("int")(512),
  "enable-diagnostic": bool(true),
  "enable-witness": bool(false),
  "slow-store-evicting-affected-store-ratio-threshold": float(0.3),
  "store-limit-version": text("v1"),
  "halt-scheduling": bool(false),
} as const;

export const replicationItems = {
  "max-replicas": u64(3),
  "location-labels": item("list")([]),
  "strictly-match-label": bool(false),
  "enable-placement-rules": bool(true),
  "enable-placement-rules-cache": bool(false),
  "isolation-level": text(""),
} as const;

export const pdServerItems = {
  "use-region-storage": bool(true),
  "max-gap-reset-ts": duration(24 * hour),
  "key-type": text("table"),
  "runtime-services": item("list")([]),
  "metric-storage": text(""),
  "dashboard-address": text("auto"),
  "flow-round-by-digit": item("int")(3),
  "min-resolved-ts-persistence-interval": duration(1000),
  "server-memory-limit": float(0),
  "server-memory-limit-gc-trigger": float(0.7),
  "enable-gogc-tuner": bool(false),
  "gc-tuner-threshold": float(0.6),
  "block-safe-point-v1": bool(false),
} as const;

export const drAutoSyncItems = {
  "label-key": text(""),
  primary: text(""),
  dr: text(""),
  "primary-replicas": item("int")(0),
  "dr-replicas": item("int")(0),
  "wait-store-timeout": duration(60_000),
  "wait-recover-timeout": duration(0),
  "pause-region-split": bool(false),
} as const;

export type Items = Readonly<Record<string, Item>>;

type Camel<S extends string> = S extends `${infer Head}-${infer Rest}` ? `${Head}${Capitalize<Camel<Rest>>}` : S;
type Property<K, I> = K extends string ? (I extends Item<"duration"> ? `${Camel<K>}Ms` : Camel<K>) : never;
export type Section<T extends Items> = {
  readonly [K in keyof T as Property<K, T[K]>]: T[K] extends Item<infer U> ? ItemValues[U] : never;
};

export type ScheduleConfig = Section<typeof scheduleItems>;
export type ReplicationConfig = Section<typeof replicationItems>;
export type PdServerConfig = Section<typeof pdServerItems>;
export type DrAutoSyncConfig = Section<typeof drAutoSyncItems>;

export interface ReplicationModeConfig {
  /** Always in this spelling, however it was written. */
  readonly mode: "majority" | "dr-auto-sync";
  readonly drAutoSync: DrAutoSyncConfig;
}

export interface LabelProperty {
  readonly key: string;
  readonly value: string;
}

/** What can change while the cluster runs, and is kept in the metadata. */
export interface DynamicConfig {
  readonly schedule: ScheduleConfig;
  readonly replication: ReplicationConfig;
  readonly pdServer: PdServerConfig;
  /** By type, for example `reject-leader`. */
  readonly labelProperty: Readonly<Record<string, readonly LabelProperty[]>>;
  readonly clusterVersion: string;
  readonly replicationMode: ReplicationModeConfig;
}

/** `max-store-down-time` → `maxStoreDownTimeMs` */
export function propertyOf(key: string, type: ItemType): string {
  const camel = key.replace(/-([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase());
  return type === "duration" ? `${camel}Ms` : camel;
}
