/**
 * Settings of resource control that clients ask for before they count what they use: the controller's (JSON) and the groups (messages),
 * under the same keys of the metadata as in the original, where clients read and watch them. Nothing is held back by them: requests for
 * tokens are not answered, and clients then go on as without limits.
 *
 *   resource_group/controller        {"ltb-max-wait-duration": "30s", …}
 *   resource_group/settings/<name>   resource_manager.ResourceGroup
 */
import { parseDuration } from "@skein/base";
import type { Comparison, KeyValue, Metastore, Operation } from "@skein/metastore";
import { type Input, RpcError } from "@skein/rpc";
import { ResourceGroup } from "../wire/resource_manager.ts";
import { type HttpRoute, refusal } from "./http-routes.ts";
import { goJsonWide } from "./json.ts";

const controllerKey = "resource_group/controller";
const settingsPrefix = "resource_group/settings/";
const triesMax = 10;

/** In the order in which the original prints them. */
const controllerDefaults = {
  "degraded-mode-wait-duration": "0s",
  "ltb-max-wait-duration": "30s",
  "ltb-token-rpc-max-delay": "1s",
  "request-unit": {
    "read-base-cost": 0.125,
    "read-per-batch-base-cost": 0.5,
    "read-cost-per-byte": 1 / (64 * 1024),
    "write-base-cost": 1,
    "write-per-batch-base-cost": 1,
    "write-cost-per-byte": 1 / 1024,
    "read-cpu-ms-cost": 1 / 3,
  },
  "enable-controller-trace-log": "false",
};
type ControllerConfig = typeof controllerDefaults;

/** All clients use it that name no other; it has no limit. */
export const defaultGroup: Input<ResourceGroup> = {
  name: "default",
  mode: "RUMode",
  r_u_settings: { r_u: { settings: { fill_rate: 2_147_483_647, burst_limit: -1 } } },
  priority: 8,
};

export interface ResourceControl {
  controller(): Promise<ControllerConfig>;
  /** Throws a refusal for an item that is not known or a value that is none. */
  setController(item: string, value: unknown): Promise<void>;
  groups(): Promise<readonly ResourceGroup[]>;
  /** Throws `not_found`. */
  group(name: string): Promise<ResourceGroup>;
  /** Throws `already_exists` or `not_found` as it is to be there or not, `invalid_argument` for a name that is none. */
  putGroup(group: ResourceGroup | null, isNew: boolean): Promise<void>;
  deleteGroup(name: string): Promise<void>;
}

/** `write` holds only while this member leads; false when what was compared does not hold. */
export function createResourceControl(
  store: Metastore,
  write: (compare: readonly Comparison[], operations: readonly Operation[]) => Promise<boolean>,
): ResourceControl {
  /** Decides on what a key holds and writes; anew when somebody else wrote meanwhile. */
  const change = async (key: string, decide: (item: KeyValue | null) => Operation): Promise<void> => {
    for (let tries = 0; tries < triesMax; tries++) {
      const item = await store.get(key);
      const unchanged: Comparison = { key, target: "modRevision", is: "=", value: item?.modRevision ?? 0 };
      if (await write([unchanged], [decide(item)])) return;
    }
    throw new RpcError("aborted", `${key} is changed by others all the time`);
  };
  const controllerOf = (item: KeyValue | null): ControllerConfig => {
    if (item === null) return controllerDefaults;
    const kept = JSON.parse(new TextDecoder().decode(item.value)) as Partial<ControllerConfig>;
    return { ...controllerDefaults, ...kept, "request-unit": { ...controllerDefaults["request-unit"], ...kept["request-unit"] } };
  };
  const groupOf = (name: string, item: KeyValue | null): ResourceGroup | null => {
    if (item !== null) return ResourceGroup.decode(item.value);
    return name === defaultGroup.name ? ResourceGroup.decode(ResourceGroup.encode(defaultGroup)) : null;
  };
  const missing = (name: string) => new RpcError("not_found", `the resource group ${JSON.stringify(name)} does not exist`);
  return {
    controller: async () => controllerOf(await store.get(controllerKey)),
    setController: (item, value) =>
      change(controllerKey, (now) => ({ op: "put", key: controllerKey, value: JSON.stringify(changed(controllerOf(now), item, value)) })),
    groups: async () => {
      const { items } = await store.range({ prefix: settingsPrefix });
      const groups = items.map(({ value }) => ResourceGroup.decode(value));
      const isDefaultKept = groups.some(({ name }) => name === defaultGroup.name);
      return isDefaultKept ? groups : [ResourceGroup.decode(ResourceGroup.encode(defaultGroup)), ...groups];
    },
    group: async (name) => {
      const group = groupOf(name, await store.get(settingsPrefix + name));
      if (group === null) throw missing(name);
      return group;
    },
    putGroup: async (group, isNew) => {
      const name = group?.name ?? "";
      if (group === null || name === "" || name.length > 32)
        throw new RpcError("invalid_argument", "a resource group's name has 1 to 32 letters");
      if (group.mode !== "RUMode" && group.mode !== "RawMode") throw new RpcError("invalid_argument", "invalid group mode");
      await change(settingsPrefix + name, (item) => {
        const before = groupOf(name, item);
        if (isNew && before !== null) throw new RpcError("already_exists", `the resource group ${JSON.stringify(name)} already exists`);
        if (!isNew && before === null) throw missing(name);
        return { op: "put", key: settingsPrefix + name, value: ResourceGroup.encode(group) };
      });
    },
    deleteGroup: async (name) => {
      if (name === defaultGroup.name) throw new RpcError("invalid_argument", "cannot delete reserved group");
      await change(settingsPrefix + name, (item) => {
        if (item === null) throw missing(name);
        return { op: "delete", select: { key: settingsPrefix + name } };
      });
    },
  };
}

function changed(now: ControllerConfig, item: string, value: unknown): ControllerConfig {
  const bad = () => refusal(400, `invalid value ${JSON.stringify(value)} for ${item}`);
  const unit = item.startsWith("request-unit.") ? item.slice("request-unit.".length) : item;
  if (unit in now["request-unit"]) {
    const cost = typeof value === "number" ? value : Number.NaN;
    if (!(cost >= 0)) throw bad();
    return { ...now, "request-unit": { ...now["request-unit"], [unit]: cost } };
  }
  if (item === "enable-controller-trace-log") {
    const text = String(value);
    if (text !== "true" && text !== "false") throw bad();
    return { ...now, [item]: text };
  }
  if (!(item in now) || item === "request-unit") throw refusal(400, `config item ${item} not found`);
  if (typeof value !== "string" || parseDuration(value) === null) throw bad();
  return { ...now, [item]: value };
}

export function resourceControlRoutes(control: ResourceControl): readonly HttpRoute[] {
  const path = "/resource-manager/api/v1/config/controller";
  return [
    {
      method: "GET",
      path,
      isEarly: true,
      handle: async () => ({ status: 200, text: goJsonWide(await control.controller()), type: "application/json; charset=utf-8" }),
    },
    {
      method: "POST",
      path,
      isEarly: true,
      handle: async (request) => {
        const body = request.json();
        if (body === null || typeof body !== "object" || Array.isArray(body)) throw refusal(400, "the body should be an object");
        for (const [item, value] of Object.entries(body)) await control.setController(item, value);
        return { status: 200, text: "Success!", type: "text/plain; charset=utf-8" };
      },
    },
  ];
}
