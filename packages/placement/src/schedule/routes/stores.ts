/** Stores: what they are, their labels, weights and limits, and how they go (spec §6.2). */

import { servingFromMib } from "../../cluster/core/store-state.ts";
import type { StoreView } from "../../core/model.ts";
import { pdErrors } from "../../errors.ts";
import { type HttpRoute, inputRefusal, json, type PdHttpRequest, refusal } from "../../server/http-routes.ts";
import type { PdServices } from "../../server/services.ts";
import { isTiFlash, labelOf, shownState } from "../core/store-facts.ts";
import { defaultLimitScene, type LimitScene, unlimitedRate } from "../core/store-limits.ts";
import { storeJson } from "../json.ts";
import { api, idOf, numberOf, objectOf, type StateOf } from "./request.ts";

const limitTypes = ["add-peer", "remove-peer"] as const;
type LimitType = (typeof limitTypes)[number];

/** The original says so for weights and limits, too. */
const labelText = "The store's label is updated.";

export function storeRoutes(state: StateOf): readonly HttpRoute[] {
  return [
    { method: "GET", path: `${api}/store/:id`, handle: ({ params, pd }) => json(shown(pd, storeOf(pd, params["id"] ?? ""))) },
    {
      method: "DELETE",
      path: `${api}/store/:id`,
      handle: async ({ params, query, pd }) => {
        const id = idOf(params["id"] ?? "");
        try {
          await pd.stores.remove(id, query.has("force"));
        } catch (error) {
          if (pdErrors.storeNotFound.is(error)) throw refusal(404, error.detail);
          if (pdErrors.storeRemoved.is(error) || pdErrors.storeDestroyed.is(error)) throw refusal(410, error.detail);
          if (pdErrors.storesNotEnough.is(error) || pdErrors.noStoreForLeaders.is(error)) throw refusal(400, error.detail);
          throw error;
        }
        return json("The store is set as Offline.");
      },
    },
    {
      method: "POST",
      path: `${api}/store/:id/state`,
      handle: async ({ params, query, pd }) => {
        const store = storeOf(pd, params["id"] ?? "");
        const wanted = query.get("state") ?? "";
        if (wanted === "Up") {
          if (store.meta.state !== "offline") throw pdErrors.storeNotOffline([store.meta.id]);
          await pd.stores.up(store.meta.id);
        } else if (wanted === "Offline") await pd.stores.remove(store.meta.id, query.has("force"));
        else throw refusal(400, `invalid state ${JSON.stringify(wanted)}`);
        return json("The store's state is updated.");
      },
    },
    {
      method: "POST",
      path: `${api}/store/:id/label`,
      handle: async (request) => {
        const { params, query, pd } = request;
        const id = idOf(params["id"] ?? "");
        const labels = Object.entries(objectOf(request)).map(([key, value]) => {
          if (typeof value !== "string") throw inputRefusal(`the value of label ${key} is not a text`);
          return { key, value };
        });
        try {
          await pd.stores.setLabels(id, labels, query.has("force"));
        } catch (error) {
          if (pdErrors.labelForm.is(error)) throw inputRefusal(error.detail);
          throw error;
        }
        return json(labelText);
      },
    },
    {
      method: "DELETE",
      path: `${api}/store/:id/label`,
      handle: async (request) => {
        const id = idOf(request.params["id"] ?? "");
        const key = request.json();
        if (typeof key !== "string") throw inputRefusal("the body is not the label's key");
        await request.pd.stores.deleteLabel(id, key);
        return json(`The label ${key} is deleted for store ${id}.`);
      },
    },
    {
      method: "POST",
      path: `${api}/store/:id/weight`,
      handle: async (request) => {
        const id = idOf(request.params["id"] ?? "");
        const body = objectOf(request);
        const [leader, region] = [body["leader"], body["region"]].map(numberOf);
        if (body["leader"] === undefined) throw refusal(400, "leader weight unset");
        if (body["region"] === undefined) throw refusal(400, "region weight unset");
        if (leader === null || leader === undefined || leader < 0) throw refusal(400, "badformat leader weight");
        if (region === null || region === undefined || region < 0) throw refusal(400, "badformat region weight");
        await request.pd.stores.setWeight(id, leader, region);
        return json(labelText);
      },
    },
    {
      method: "POST",
      path: `${api}/store/:id/limit`,
      handle: async (request) => {
        const store = storeOf(request.pd, request.params["id"] ?? "", 500);
        const { rate, types } = limitBody(request);
        await setLimits(request.pd, [store], rate, types);
        return json(labelText);
      },
    },
    {
      method: "GET",
      path: `${api}/stores`,
      handle: ({ query, pd }) => {
        const wanted = query.getAll("state").map((text) => {
          if (!/^[012]$/.test(text)) throw refusal(400, `unknown StoreState: ${text}`);
          return (["up", "offline", "tombstone"] as const)[Number(text)];
        });
        const stores = pd.cluster
          .stores()
          .filter((store) => (wanted.length === 0 ? store.meta.state !== "tombstone" : wanted.includes(store.meta.state)));
        return json({ count: stores.length, stores: stores.map((store) => shown(pd, store)) });
      },
    },
    {
      method: "GET",
      path: `${api}/stores/check`,
      handle: ({ query, pd }) => {
        const names = ["Up", "Offline", "Tombstone", "Disconnected", "Down"];
        const wanted = query.getAll("state");
        for (const name of wanted) if (!names.includes(name)) throw refusal(400, `unknown StoreState: ${name}`);
        const downMs = pd.config.current.schedule.maxStoreDownTimeMs;
        const stores = pd.cluster
          .stores()
          .filter((store) => wanted.length === 0 || wanted.includes(shownState(store, pd.cluster.nowMs, downMs)));
        return json({ count: stores.length, stores: stores.map((store) => shown(pd, store)) });
      },
    },
    {
      method: "DELETE",
      path: `${api}/stores/remove-tombstone`,
      handle: async ({ pd }) => {
        await pd.stores.removeTombstones();
        return json("Remove tombstone successfully.");
      },
    },
    {
      method: "GET",
      path: `${api}/stores/limit`,
      handle: ({ query, pd }) => {
        const stores = pd.cluster.stores().filter((store) => query.has("include_tombstone") || store.meta.state !== "tombstone");
        return json(Object.fromEntries(stores.map((store) => [String(store.meta.id), limitJson(pd, store)])));
      },
    },
    {
      method: "POST",
      path: `${api}/stores/limit`,
      handle: async (request) => {
        const { rate, types, labels } = limitBody(request);
        const stores = request.pd.cluster
          .stores()
          .filter((store) => store.meta.state !== "tombstone" && labels.every(([key, value]) => labelOf(store, key) === value));
        await setLimits(request.pd, stores, rate, types);
        return json("Set store limit successfully.");
      },
    },
    {
      method: "GET",
      path: `${api}/stores/limit/scene`,
      handle: ({ query }) => json(state().limitScenes.get(sceneType(query)) ?? defaultLimitScene),
    },
    {
      method: "POST",
      path: `${api}/stores/limit/scene`,
      handle: (request) => {
        const type = sceneType(request.query);
        const scene: Record<keyof LimitScene, number> = { ...(state().limitScenes.get(type) ?? defaultLimitScene) };
        for (const [key, value] of Object.entries(objectOf(request))) {
          const name = (Object.keys(scene) as (keyof LimitScene)[]).find((each) => each.toLowerCase() === key.toLowerCase());
          if (name === undefined) continue;
          const rate = numberOf(value);
          if (rate === null || !Number.isSafeInteger(rate) || rate < 0) throw inputRefusal(`the rate of ${name} is no whole number`);
          scene[name] = rate;
        }
        state().limitScenes.set(type, scene);
        return json("Set store limit scene successfully.");
      },
    },
    {
      method: "GET",
      path: `${api}/stores/progress`,
      handle: ({ query, pd }) => json(progress(state(), pd, query)),
    },
    {
      method: "GET",
      path: `${api}/labels`,
      handle: ({ pd }) => {
        const seen = new Set<string>();
        const labels: { key: string; value: string }[] = [];
        for (const store of pd.cluster.stores()) {
          if (store.meta.state === "tombstone") continue;
          for (const { key, value } of store.meta.labels) {
            const id = `${key}=${value}`.toLowerCase();
            if (seen.has(id)) continue;
            seen.add(id);
            labels.push({ key, value });
          }
        }
        return json(labels);
      },
    },
    {
      method: "GET",
      path: `${api}/labels/stores`,
      handle: ({ query, pd }) => {
        const [name, value] = [query.get("name") ?? "", query.get("value") ?? ""];
        const stores = pd.cluster.stores().filter((store) => {
          if (store.meta.state === "tombstone") return false;
          const has = labelOf(store, name);
          return has !== "" && (value === "" || has.toLowerCase() === value.toLowerCase());
        });
        return json({ count: stores.length, stores: stores.map((store) => shown(pd, store)) });
      },
    },
  ];
}

function sceneType(query: URLSearchParams): LimitType {
  const text = query.get("type") ?? "add-peer";
  const type = limitTypes.find((each) => each === text);
  if (type === undefined) throw refusal(400, "unknown type");
  return type;
}

function shown(pd: PdServices, store: StoreView): unknown {
  return storeJson(store, pd.config.current.schedule, pd.cluster.nowMs);
}

function storeOf(pd: PdServices, text: string, status = 404): StoreView {
  const id = idOf(text);
  const store = pd.cluster.store(id);
  if (store === null) throw refusal(status, pdErrors.storeNotFound([id]).detail);
  return store;
}

function limitBody(request: PdHttpRequest): {
  readonly rate: number;
  readonly types: readonly LimitType[];
  readonly labels: readonly (readonly [string, string])[];
} {
  const body = objectOf(request);
  const rate = numberOf(body["rate"]);
  if (body["rate"] === undefined) throw refusal(400, "rate unset");
  if (rate === null || rate < 0) throw refusal(400, "invalid rate which should be a number that >= 0");
  const type = body["type"];
  if (type !== undefined && !limitTypes.includes(type as LimitType)) throw refusal(400, "unknown type");
  const labels = body["labels"];
  const pairs =
    labels === null || typeof labels !== "object" ? [] : Object.entries(labels).map(([key, value]) => [key, String(value)] as const);
  return { rate: Math.min(rate, unlimitedRate), types: type === undefined ? limitTypes : [type as LimitType], labels: pairs };
}

function limitsOf(pd: PdServices, store: StoreView): { readonly addPeer: number; readonly removePeer: number } {
  const fallback = isTiFlash(store) ? 30 : 15;
  return pd.config.current.schedule.storeLimit[String(store.meta.id)] ?? { addPeer: fallback, removePeer: fallback };
}

function limitJson(pd: PdServices, store: StoreView): unknown {
  const { addPeer, removePeer } = limitsOf(pd, store);
  return { "add-peer": addPeer, "remove-peer": removePeer };
}

async function setLimits(pd: PdServices, stores: readonly StoreView[], rate: number, types: readonly LimitType[]): Promise<void> {
  const next = { ...pd.config.current.schedule.storeLimit };
  for (const store of stores) {
    const before = limitsOf(pd, store);
    next[String(store.meta.id)] = {
      addPeer: types.includes("add-peer") ? rate : before.addPeer,
      removePeer: types.includes("remove-peer") ? rate : before.removePeer,
    };
  }
  await pd.config.set({ schedule: { storeLimit: next } });
}

/** What is left to move, and what there was in all, of stores that empty or fill; from where this member saw it begin. MiB. */
function progress(state: ReturnType<StateOf>, pd: PdServices, query: URLSearchParams): unknown {
  const [asked, id] = [query.get("action"), query.get("id")];
  if (asked === null && id === null) throw refusal(400, "need query parameters");
  const isFilled = id === null ? asked === "preparing" : state.arrivals.has(Number(id));
  const up = pd.cluster.stores().filter(({ meta }) => meta.state === "up");
  const fullMib = servingFromMib({ storeCount: up.length, wholeSizeMib: up.reduce((sum, store) => sum + store.regionSize, 0) });
  const chosen =
    id === null && asked !== "removing" && !isFilled
      ? []
      : [...(isFilled ? state.arrivals : state.removals)].filter(([storeId]) => id === null || String(storeId) === id);
  if (chosen.length === 0)
    throw refusal(
      404,
      `[PD:progress:ErrProgressNotFound]no progress found for the ${id === null ? `action: ${asked}` : `given store ID: ${id}`}`,
    );
  let [left, whole, speed] = [0, 0, 0];
  for (const [storeId, { sinceMs, sizeMib }] of chosen) {
    const now = pd.cluster.store(storeId)?.regionSize ?? 0;
    left += isFilled ? Math.max(0, fullMib - now) : now;
    whole += isFilled ? Math.max(fullMib, now) : Math.max(sizeMib, now);
    const seconds = (pd.cluster.nowMs - sinceMs) / 1000;
    if (seconds > 0) speed += Math.max(0, isFilled ? now - sizeMib : sizeMib - now) / seconds;
  }
  return {
    action: isFilled ? "preparing" : "removing",
    store_id: id === null ? undefined : Number(id),
    progress: whole === 0 ? 1 : (whole - left) / whole,
    current_speed: speed,
    left_seconds: speed > 0 ? left / speed : Number.MAX_SAFE_INTEGER,
  };
}
