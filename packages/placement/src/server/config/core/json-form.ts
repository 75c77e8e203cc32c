/**
 * The JSON form of the configuration, with what is odd in it: booleans as texts, Go's durations, lists as one text; and the words of
 * Go's decoder for values of a wrong type, which scripts and people know.
 */
import { formatDuration, parseDuration } from "@skein/base";
import {
  type DynamicConfig,
  drAutoSyncItems,
  type Item,
  type Items,
  type ItemType,
  type LabelProperty,
  pdServerItems,
  propertyOf,
  type ReplicationModeConfig,
  replicationItems,
  type SchedulerEntry,
  type Section,
  type StoreLimit,
  scheduleItems,
} from "./items.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** What `/config` answers to a bad value: the text alone. */
export class ConfigRefusal extends Error {
  override readonly name = "ConfigRefusal";
}

/** A section of the configuration: its name before the dot, and the name of the structure in Go's messages. */
export interface SectionForm<I extends Items = Items> {
  readonly struct: string;
  readonly items: I;
}
export const scheduleForm: SectionForm<typeof scheduleItems> = { struct: "ScheduleConfig", items: scheduleItems };
export const replicationForm: SectionForm<typeof replicationItems> = { struct: "ReplicationConfig", items: replicationItems };
export const pdServerForm: SectionForm<typeof pdServerItems> = { struct: "PDServerConfig", items: pdServerItems };
export const drAutoSyncForm: SectionForm<typeof drAutoSyncItems> = { struct: "DRAutoSyncReplicationConfig", items: drAutoSyncItems };

export function defaultsOf<I extends Items>(form: SectionForm<I>): Section<I> {
  return Object.freeze(
    Object.fromEntries(Object.entries(form.items).map(([key, item]) => [propertyOf(key, item.type), item.default])),
  ) as unknown as Section<I>;
}

export const defaultReplicationMode: ReplicationModeConfig = { mode: "majority", drAutoSync: defaultsOf(drAutoSyncForm) };

/** In the order of the table. */
export function sectionJson(form: SectionForm, section: object, isShort = false): JsonObject {
  const values = section as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    Object.entries(form.items)
      .filter(([, item]) => !(isShort && item.isHidden === true))
      .map(([key, item]) => [key, shown(item.type, values[propertyOf(key, item.type)])]),
  );
}

function shown(type: ItemType, value: unknown): unknown {
  switch (type) {
    case "bool":
      return String(value);
    case "duration":
      return formatDuration(value as number);
    case "list":
      return (value as readonly string[]).join(",");
    case "storeLimits":
      return Object.fromEntries(
        Object.entries(value as Record<string, StoreLimit>)
          .sort(([a], [b]) => Number(a) - Number(b))
          .map(([id, limit]) => [id, { "add-peer": limit.addPeer, "remove-peer": limit.removePeer }]),
      );
    case "schedulers":
      return (value as readonly SchedulerEntry[]).map(({ type: name, args, disable, argsPayload }) => ({
        type: name,
        args,
        disable,
        "args-payload": argsPayload,
      }));
    case "u64":
    case "int":
    case "float":
    case "jsonBool":
    case "text":
    case "payload":
      return value;
  }
}

/** The typed value of an item. `path` is as Go's messages give it: `leader-schedule-limit`. Throws `ConfigRefusal`. */
export function takeJson(form: SectionForm, path: string, item: Item, value: unknown): unknown {
  const refuse = (what: string, type: string): never => {
    throw new ConfigRefusal(`json: cannot unmarshal ${what} into Go struct field ${form.struct}.${path} of type ${type}`);
  };
  switch (item.type) {
    case "u64":
      if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
      return refuse(kindOf(value), "uint64");
    case "int":
      if (typeof value === "number" && Number.isSafeInteger(value)) return value;
      return refuse(kindOf(value), "int");
    case "float":
      return typeof value === "number" ? value : refuse(kindOf(value), "float64");
    case "bool":
      if (value === true || value === "true") return true;
      if (value === false || value === "false") return false;
      throw new ConfigRefusal(
        `json: invalid use of ,string struct tag, trying to unmarshal ${typeof value === "string" ? JSON.stringify(value) : "unquoted value"} into bool`,
      );
    case "jsonBool":
      return typeof value === "boolean" ? value : refuse(kindOf(value), "bool");
    case "duration": {
      if (typeof value !== "string") throw new ConfigRefusal("invalid syntax");
      const ms = parseDuration(value);
      if (ms === null)
        throw new ConfigRefusal(
          `time: ${value === "" || !/^[+-]?[\d.]+/.test(value) || !/[\d.]$/.test(value) ? "invalid duration" : "missing unit in duration"} ${JSON.stringify(value)}`,
        );
      return ms;
    }
    case "text":
      return typeof value === "string" ? value : refuse(kindOf(value), "string");
    case "list":
      if (typeof value === "string") return value === "" ? [] : value.split(",").map((part) => part.trim());
      if (Array.isArray(value) && value.every((part) => typeof part === "string")) return value;
      return refuse(kindOf(value), "string");
    case "storeLimits":
      return limitsOf(value) ?? refuse(kindOf(value), "config.StoreLimitConfig");
    case "schedulers":
      return schedulersOf(value) ?? refuse(kindOf(value), "config.SchedulerConfigs");
    case "payload":
      return null;
  }
}

function kindOf(value: unknown): string {
  if (typeof value === "number") return `number ${goNumber(value)}`;
  if (typeof value === "bigint") return `number ${goNumber(Number(value))}`;
  if (typeof value === "boolean") return "bool";
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function goNumber(value: number): string {
  return Math.abs(value) >= 1e21
    ? value
        .toExponential()
        .replace("e+", "e+")
        .replace(/e\+(\d)$/, "e+0$1")
    : String(value);
}

function limitsOf(value: unknown): Readonly<Record<string, StoreLimit>> | null {
  if (!isObject(value)) return null;
  const limits: Record<string, StoreLimit> = {};
  for (const [id, limit] of Object.entries(value)) {
    if (!/^\d+$/.test(id) || !isObject(limit)) return null;
    const add = limit["add-peer"] ?? 0;
    const remove = limit["remove-peer"] ?? 0;
    if (typeof add !== "number" || typeof remove !== "number") return null;
    limits[id] = { addPeer: add, removePeer: remove };
  }
  return limits;
}

function schedulersOf(value: unknown): readonly SchedulerEntry[] | null {
  if (!Array.isArray(value)) return null;
  const entries: SchedulerEntry[] = [];
  for (const entry of value) {
    if (!isObject(entry) || typeof entry["type"] !== "string") return null;
    const args = entry["args"];
    entries.push({
      type: entry["type"],
      args: Array.isArray(args) ? args.map(String) : null,
      disable: entry["disable"] === true,
      argsPayload: typeof entry["args-payload"] === "string" ? entry["args-payload"] : "",
    });
  }
  return entries;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A section with some items replaced; unknown keys are told by `onUnknown`. */
export function takeSection<T extends object>(
  form: SectionForm,
  section: T,
  changes: JsonObject,
  onUnknown: (key: string) => void,
  prefix = "",
): T {
  const next: Record<string, unknown> = { ...(section as Readonly<Record<string, unknown>>) };
  for (const [key, value] of Object.entries(changes)) {
    const item = Object.hasOwn(form.items, key) ? form.items[key] : undefined;
    if (item === undefined) {
      onUnknown(key);
      continue;
    }
    next[propertyOf(key, item.type)] = takeJson(form, `${prefix}${key}`, item, value);
  }
  return Object.freeze(next) as T;
}

/** `DR_AUTO_SYNC` → `dr-auto-sync`; null for what is no mode. */
export function modeOf(text: string): ReplicationModeConfig["mode"] | null {
  const plain = text.toLowerCase().replaceAll("_", "-");
  return plain === "majority" || plain === "dr-auto-sync" ? plain : null;
}

export function replicationModeJson(mode: ReplicationModeConfig): JsonObject {
  return { "replication-mode": mode.mode, "dr-auto-sync": sectionJson(drAutoSyncForm, mode.drAutoSync) };
}

/** Throws `ConfigRefusal`. Unknown keys are passed over, as the original does. */
export function takeReplicationMode(mode: ReplicationModeConfig, changes: JsonObject): ReplicationModeConfig {
  let next = mode;
  const name = changes["replication-mode"];
  if (name !== undefined) {
    const known = typeof name === "string" ? modeOf(name) : null;
    if (known === null) throw new ConfigRefusal(`invalid replication mode: ${typeof name === "string" ? name : JSON.stringify(name)}`);
    next = { ...next, mode: known };
  }
  const sync = changes["dr-auto-sync"];
  if (sync !== undefined) {
    if (!isObject(sync))
      throw new ConfigRefusal(
        `json: cannot unmarshal ${kindOf(sync)} into Go struct field ReplicationModeConfig.dr-auto-sync of type config.DRAutoSyncReplicationConfig`,
      );
    next = { ...next, drAutoSync: takeSection(drAutoSyncForm, next.drAutoSync, sync, () => {}, "dr-auto-sync.") };
  }
  return Object.freeze(next);
}

export function dynamicJson(config: DynamicConfig): JsonObject {
  return {
    schedule: sectionJson(scheduleForm, config.schedule),
    replication: sectionJson(replicationForm, config.replication),
    "pd-server": sectionJson(pdServerForm, config.pdServer),
    "cluster-version": config.clusterVersion,
    "label-property": config.labelProperty,
    "replication-mode": replicationModeJson(config.replicationMode),
  };
}

/** What was persisted, over what the file says. Items of later versions are passed over. */
export function takeDynamic(base: DynamicConfig, value: JsonObject): DynamicConfig {
  const part = (name: string): JsonObject => (isObject(value[name]) ? value[name] : {});
  const ignore = () => {};
  return Object.freeze({
    schedule: takeSection(scheduleForm, base.schedule, part("schedule"), ignore),
    replication: takeSection(replicationForm, base.replication, part("replication"), ignore),
    pdServer: takeSection(pdServerForm, base.pdServer, part("pd-server"), ignore),
    clusterVersion: typeof value["cluster-version"] === "string" ? value["cluster-version"] : base.clusterVersion,
    labelProperty: isObject(value["label-property"])
      ? (value["label-property"] as Record<string, readonly LabelProperty[]>)
      : base.labelProperty,
    replicationMode: takeReplicationMode(base.replicationMode, part("replication-mode")),
  });
}
