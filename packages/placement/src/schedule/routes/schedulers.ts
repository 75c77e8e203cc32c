/** Schedulers and checkers: listed, added, paused, set (golden/scheduler.txt). */
import { pdErrors } from "../../errors.ts";
import { type HttpRoute, json, type PdHttpAnswer, type PdHttpRequest, refusal } from "../../server/http-routes.ts";
import { type CheckerName, checkerNames } from "../core/checkers/patrol.ts";
import {
  changeConfig,
  isPaused,
  type Scheduler,
  type SchedulerConfig,
  type SchedulerType,
  scatterRangeConfig,
  schedulerName,
  schedulerTypeOf,
  schedulerTypes,
} from "../core/schedulers/scheduler-set.ts";
import { timeJson } from "../json.ts";
import {
  addScheduler,
  addStore,
  notFoundText,
  pauseScheduler,
  removeScheduler,
  removeStore,
  schedulerOf,
  setConfig,
} from "../scheduler-admin.ts";
import type { SchedulingState } from "../state.ts";
import { api, numberOf, objectOf, type StateOf } from "./request.ts";

const needsStore: readonly SchedulerType[] = ["evict-leader", "grant-leader"];
/** Of the original's: what they move does not exist here. */
const ofWitnesses = ["balance-witness-scheduler", "transfer-witness-leader-scheduler"];

export function schedulerRoutes(state: StateOf): readonly HttpRoute[] {
  const nowMs = () => state().services.world.clock.nowMs();
  return [
    {
      method: "GET",
      path: `${api}/schedulers`,
      handle: ({ query }) => {
        const [status, withTimes] = [query.get("status") ?? "", query.has("timestamp")];
        const all = [...state().schedulers.values()];
        if (status === "disabled") {
          const off = state().services.config.current.schedule.schedulersV2.filter((each) => each.disable);
          const names = off.flatMap(({ type }) => schedulerTypes.filter((known) => known === type).map((known) => schedulerName(known)));
          return json(names.length === 0 ? null : names);
        }
        // Any other word, "active" too, stands for all: so it is in the original, and scripts read it so.
        if (status !== "paused") return json(all.map((each) => each.name));
        const paused = all.filter((each) => isPaused(each, nowMs()));
        if (withTimes) return json(paused.map(timesOf));
        return json(paused.length === 0 ? null : paused.map((each) => each.name));
      },
    },
    {
      method: "POST",
      path: `${api}/schedulers`,
      handle: async (request) => {
        const body = objectOf(request);
        const name = body["name"];
        if (typeof name !== "string") throw refusal(400, "missing scheduler name");
        if (ofWitnesses.includes(name))
          throw refusal(
            400,
            pdErrors.unsupported([`${name} (replicas without data)`, "Use rules with role learner, and balance-region-scheduler."]).detail,
          );
        const type = schedulerTypeOf(name);
        if (type === null) throw refusal(400, "unknown scheduler");
        let storeId: number | null = null;
        if (needsStore.includes(type)) {
          storeId = numberOf(body["store_id"]);
          if (storeId === null) throw refusal(400, "missing store id");
        }
        let range = null;
        if (type === "scatter-range") {
          const [start, end, label] = [body["start_key"], body["end_key"], body["range_name"]];
          if (typeof label !== "string" || label === "") throw refusal(400, "missing range name");
          range = scatterRangeConfig(label, bytesOf(start), bytesOf(end));
        }
        const config = configFrom(state(), type, body);
        return json(await addScheduler(state(), type, { storeId, range, ...(config === null ? {} : { config }) }));
      },
    },
    {
      method: "DELETE",
      path: `${api}/schedulers/:name`,
      handle: async ({ params }) => {
        await removeScheduler(state(), params["name"] ?? "");
        return json("The scheduler is removed.");
      },
    },
    {
      method: "POST",
      path: `${api}/schedulers/:name`,
      handle: (request) => {
        const delay = numberOf(objectOf(request)["delay"]);
        if (delay === null) throw refusal(400, "missing pause time");
        pauseScheduler(state(), request.params["name"] ?? "", delay);
        return json("Pause or resume the scheduler successfully.");
      },
    },
    {
      method: "GET",
      path: `${api}/schedulers/diagnostic/:name`,
      handle: ({ params }) => json(diagnosis(state(), params["name"] ?? "", nowMs())),
    },
    {
      method: "GET",
      path: `${api}/scheduler-config`,
      handle: () => json(Object.fromEntries([...state().schedulers.values()].map((each) => [each.name, each.config]))),
    },
    { method: "GET", path: `${api}/scheduler-config/:name`, handle: ({ params }) => shown(state(), params["name"] ?? "") },
    { method: "GET", path: `${api}/scheduler-config/:name/list`, handle: ({ params }) => shown(state(), params["name"] ?? "") },
    { method: "POST", path: `${api}/scheduler-config/:name/config`, handle: (request) => set(state(), request) },
    {
      method: "DELETE",
      path: `${api}/scheduler-config/:name/delete/:id`,
      handle: async ({ params }) => {
        await removeStore(state(), params["name"] ?? "", Number(params["id"]));
        return json("The scheduler has been removed from the store.");
      },
    },
    {
      method: "GET",
      path: `${api}/scheduler-config/:name/roles`,
      handle: ({ params }) => json(schedulerOf(state(), params["name"] ?? "").config["roles"] ?? null),
    },
    {
      method: "POST",
      path: `${api}/scheduler-config/:name/roles`,
      handle: async (request) => {
        const scheduler = schedulerOf(state(), request.params["name"] ?? "");
        const roles = request.json();
        if (!Array.isArray(roles) || roles.some((role) => !["leader", "follower", "learner"].includes(String(role))))
          throw refusal(400, "invalid roles");
        await setConfig(state(), scheduler, { ...scheduler.config, roles });
        return json(null);
      },
    },
    {
      method: "GET",
      path: `${api}/checker/:name`,
      handle: ({ params }) => json({ paused: nowMs() < (state().checkerPauses.get(checkerOf(params["name"])) ?? 0) }),
    },
    {
      method: "POST",
      path: `${api}/checker/:name`,
      handle: (request) => {
        const delay = objectOf(request)["delay"];
        if (typeof delay !== "number") throw wrongType(delay, request.body.length - 1);
        const name = checkerOf(request.params["name"]);
        if (delay > 0) state().checkerPauses.set(name, nowMs() + delay * 1000);
        else state().checkerPauses.delete(name);
        return json(`${delay > 0 ? "Pause" : "Resume"} the checker successfully.`);
      },
    },
  ];
}

function wrongType(value: unknown, offset: number) {
  const kind = Array.isArray(value)
    ? "array"
    : value === null || typeof value === "object"
      ? "object"
      : typeof value === "boolean"
        ? "bool"
        : typeof value;
  return Object.assign(refusal(400, ""), {
    answer: {
      status: 400,
      json: {
        code: "input",
        msg: `json: cannot unmarshal ${kind} into Go value of type int`,
        data: { Value: kind, Type: {}, Offset: offset, Struct: "", Field: "" },
      },
    },
  });
}

function checkerOf(name: string | undefined): CheckerName {
  const found = checkerNames.find((each) => each === name);
  if (found === undefined) throw refusal(500, "[PD:checker:ErrCheckerNotFound]checker not found");
  return found;
}

/** Keys of a range come as text or as base64 of bytes would; the console sends text. */
function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(typeof value === "string" ? value : "");
}

function timesOf(scheduler: Scheduler): unknown {
  const seconds = (ms: number) => timeJson(Math.floor(ms / 1000) * 1000);
  return { name: scheduler.name, paused_at: seconds(scheduler.pausedAtMs), resume_at: seconds(scheduler.resumeAtMs) };
}

function shown(state: SchedulingState, name: string): PdHttpAnswer {
  return json(schedulerOf(state, name).config);
}

/** What a request to add gives to schedulers that need more than a name; null: nothing. */
function configFrom(state: SchedulingState, type: SchedulerType, body: Readonly<Record<string, unknown>>): SchedulerConfig | null {
  if (type === "grant-hot-region") return grantHotConfig(state, body);
  if (type !== "shuffle-hot-region" || body["limit"] === undefined) return null;
  const limit = numberOf(body["limit"]);
  if (limit === null || !Number.isSafeInteger(limit) || limit < 1) throw refusal(400, "limit should be a whole number from 1 on");
  return { limit };
}

/** Ids come as numbers or as text. */
function wordOf(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

/** One store leads, as many as there are replicas hold the peers. The console sends text with commas. */
function grantHotConfig(state: SchedulingState, body: Readonly<Record<string, unknown>>): SchedulerConfig {
  const listed = body["store-id"];
  const words = Array.isArray(listed) ? listed.map(wordOf) : wordOf(listed).split(",");
  const ids = words.map((word) => word.trim()).filter((word) => word !== "");
  const leaderText = wordOf(body["store-leader-id"]).trim();
  const bad = [leaderText, ...ids].find((word) => !/^\d{1,15}$/.test(word));
  if (leaderText === "") throw refusal(400, "store-leader-id should be given");
  if (bad !== undefined) throw refusal(400, `strconv.ParseUint: parsing ${JSON.stringify(bad)}: invalid syntax`);
  const leader = Number(leaderText);
  const peers = [...new Set(ids.map(Number))];
  const wanted = state.services.config.current.replication.maxReplicas;
  if (peers.length !== wanted)
    throw refusal(400, `store-id should name as many stores as there are replicas: ${wanted} (max-replicas), not ${peers.length}`);
  if (!peers.includes(leader)) throw refusal(400, `store-id should name the leader's store ${leader} as well`);
  for (const id of peers) {
    const store = state.services.cluster.store(id);
    if (store === null || store.meta.state === "tombstone") throw refusal(500, pdErrors.storeNotFound([id]).detail);
  }
  return { "store-id": peers, "store-leader-id": leader };
}

async function set(state: SchedulingState, request: PdHttpRequest): Promise<PdHttpAnswer> {
  const scheduler = schedulerOf(state, request.params["name"] ?? "");
  const body = objectOf(request);
  if (needsStore.includes(scheduler.type)) {
    const id = numberOf(body["store_id"]);
    if (id === null) throw refusal(400, "missing store id");
    return json(await addStore(state, scheduler.name, id));
  }
  if (scheduler.type === "grant-hot-region") {
    await setConfig(state, scheduler, grantHotConfig(state, body));
    return json("Config is updated.");
  }
  const change = changeConfig(scheduler, body);
  if ("refusal" in change) throw refusal(change.status, change.refusal);
  if (change.config !== scheduler.config) await setConfig(state, scheduler, change.config);
  return json(change.message);
}

function diagnosis(state: SchedulingState, name: string, nowMs: number): unknown {
  const scheduler = state.schedulers.get(name);
  const timestamp = Math.floor(nowMs / 1000);
  if (scheduler === undefined) {
    if (!schedulerTypes.some((type) => schedulerName(type) === name)) throw refusal(500, notFoundText);
    return { name, status: "disabled", summary: "", timestamp };
  }
  const { schedule } = state.services.config.current;
  if (!schedule.enableDiagnostic) throw refusal(500, "[PD:scheduler:ErrDiagnosticDisabled]diagnostic is disabled");
  if (schedule.haltScheduling) return { name, status: "halted", summary: "", timestamp };
  if (isPaused(scheduler, nowMs)) return { name, status: "paused", summary: "", timestamp };
  const status = scheduler.summary === "" ? "scheduling" : /balanced/.test(scheduler.summary) ? "normal" : "pending";
  return { name, status, summary: scheduler.summary, timestamp: Math.floor((scheduler.lastRunMs || nowMs) / 1000) };
}
