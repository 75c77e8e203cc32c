/** HTTP routes of the process itself: members, leadership, cluster, configuration, timestamps, safe points, administration. */
import { formatDuration, type LogLevel, type World } from "@skein/base";
import { isSemver, plainVersion } from "../cluster/core/semver.ts";
import { detailOf, pdErrors } from "../errors.ts";
import { splitTso } from "../tso/core/oracle.ts";
import { releaseVersion } from "../version.ts";
import type { DynamicConfig } from "./config/core/items.ts";
import { ConfigRefusal, isObject, replicationModeJson, sectionJson, takeReplicationMode } from "./config/core/json-form.ts";
import { configJson, defaultConfigJson, logLevelOf, type PdConfig, sectionForms } from "./config/process-config.ts";
import { forever } from "./gc-states.ts";
import { HttpRefusal, type HttpRoute, inputRefusal, json, type PdHttpAnswer, type PdHttpRequest, refusal } from "./http-routes.ts";
import { keyspaceRoutes } from "./keyspaces.ts";
import type { Member, Members } from "./members.ts";
import { metricRoutes } from "./metric-routes.ts";
import { metricsText } from "./metrics.ts";
import type { Pd } from "./pd.ts";
import { type ResourceControl, resourceControlRoutes } from "./resource-control.ts";
import { unservedRoutes } from "./unserved-routes.ts";

export interface ApiOptions {
  readonly world: World;
  readonly pd: Pd;
  readonly members: Members;
  readonly config: PdConfig;
  readonly hostname: string;
  readonly startedS: number;
  readonly leaderStarts: () => number;
  readonly residentBytes: () => number;
  readonly log: { level: LogLevel };
  readonly control: ResourceControl;
  /** Ends this member's lead; the next one is `next` when it is given. */
  readonly resign: (next: string | null) => Promise<void>;
  /** Whether a member answers. */
  readonly isHealthy: (member: Member) => Promise<boolean>;
}

const v1 = "/pd/api/v1";

export function processRoutes(options: ApiOptions): readonly HttpRoute[] {
  return [
    ...memberRoutes(options),
    ...clusterRoutes(options),
    ...configRoutes(options),
    ...adminRoutes(options),
    ...keyspaceRoutes(() => options.pd.bootstrapTimeNs),
    ...resourceControlRoutes(options.control),
    ...metricRoutes(options.world, () => options.pd.config.current.pdServer.metricStorage),
    ...unservedRoutes(),
  ];
}

function memberJson(member: Member, isFull = true): Readonly<Record<string, unknown>> {
  return {
    name: member.name,
    member_id: member.member_id,
    peer_urls: member.peer_urls,
    client_urls: member.client_urls,
    leader_priority: member.leader_priority === 0 ? undefined : member.leader_priority,
    deploy_path: isFull && member.deploy_path !== "" ? member.deploy_path : undefined,
    binary_version: isFull && member.binary_version !== "" ? member.binary_version : undefined,
    git_hash: isFull && member.git_hash !== "" ? member.git_hash : undefined,
  };
}

function memberRoutes({ pd, members, resign, isHealthy }: ApiOptions): readonly HttpRoute[] {
  const withName = async (name: string): Promise<Member> => {
    const member = (await members.list()).find((each) => each.name === name);
    if (member === undefined) throw refusal(404, `not found, pd: ${name}`);
    return member;
  };
  const remove = async (member: Member) => {
    if (members.isAlone) throw refusal(500, "[PD:etcd:ErrEtcdMemberRemove]etcdserver: the only member cannot be removed");
    try {
      await members.remove(member.member_id);
    } catch (error) {
      throw refusal(500, `[PD:etcd:ErrEtcdMemberRemove]${detailOf(error)}`);
    }
    return json(`removed, pd: ${member.name}`);
  };
  return [
    {
      method: "GET",
      path: `${v1}/members`,
      isEarly: true,
      isLocal: true,
      handle: async () => {
        const list = await members.list();
        const leader = list.find(({ member_id }) => member_id === members.leader?.member_id) ?? members.leader;
        const shown = leader === null ? undefined : memberJson(leader);
        return json({
          header: { cluster_id: pd.clusterId },
          members: list.map((member) => memberJson(member)),
          leader: shown,
          etcd_leader: shown,
        });
      },
    },
    {
      method: "GET",
      path: `${v1}/leader`,
      isEarly: true,
      isLocal: true,
      handle: () => {
        if (members.leader === null) throw refusal(500, "no leader");
        return json(memberJson(members.leader, false));
      },
    },
    {
      method: "POST",
      path: `${v1}/leader/resign`,
      isEarly: true,
      handle: async () => {
        await resign(null);
        return json("The resign command is submitted.");
      },
    },
    {
      method: "POST",
      path: `${v1}/leader/transfer/:next_leader`,
      isEarly: true,
      handle: async ({ params }) => {
        const name = params["next_leader"] ?? "";
        if (!(await members.list()).some((member) => member.name === name)) throw refusal(500, "no valid pd to transfer etcd leader");
        if (name !== members.self.name) await resign(name);
        return json("The transfer command is submitted.");
      },
    },
    {
      method: "DELETE",
      path: `${v1}/members/name/:name`,
      isEarly: true,
      handle: async ({ params }) => remove(await withName(params["name"] ?? "")),
    },
    {
      method: "DELETE",
      path: `${v1}/members/id/:id`,
      isEarly: true,
      handle: async ({ params }) => {
        const text = params["id"] ?? "";
        if (!/^\d+$/.test(text)) throw refusal(400, parseUintText(text));
        const member = (await members.list()).find((each) => each.member_id === BigInt(text));
        if (member === undefined)
          throw refusal(500, "[PD:etcd:ErrEtcdMemberRemove]etcdserver: member not found: etcdserver: member not found");
        return remove(member);
      },
    },
    {
      method: "POST",
      path: `${v1}/members/name/:name`,
      isEarly: true,
      handle: async (request) => {
        const member = await withName(request.params["name"] ?? "");
        const body = objectOf(request);
        for (const [key, value] of Object.entries(body)) {
          if (key !== "leader-priority") continue;
          if (typeof value !== "number") throw refusal(400, "bad format leader priority");
          await members.setPriority(member.member_id, Math.trunc(value));
        }
        return json("The leader priority is updated.");
      },
    },
    {
      method: "GET",
      path: `${v1}/health`,
      isEarly: true,
      isLocal: true,
      handle: async () => {
        const list = await members.list();
        const healthy = await Promise.all(list.map(isHealthy));
        return json(
          list.map((member, at) => ({
            name: member.name,
            member_id: member.member_id,
            client_urls: member.client_urls,
            health: healthy[at] === true,
          })),
        );
      },
    },
  ];
}

function clusterRoutes({ pd, startedS, members, leaderStarts, residentBytes }: ApiOptions): readonly HttpRoute[] {
  return [
    { method: "GET", path: `${v1}/ping`, isEarly: true, isLocal: true, handle: () => ({ status: 200, text: "", type: "" }) },
    {
      method: "GET",
      path: `${v1}/version`,
      isEarly: true,
      isLocal: true,
      handle: () => json({ version: releaseVersion, build_time: "", hash: "", branch: "" }),
    },
    {
      method: "GET",
      path: `${v1}/status`,
      isEarly: true,
      isLocal: true,
      handle: () => json({ build_ts: "None", version: releaseVersion, git_hash: "None", start_timestamp: startedS }),
    },
    {
      method: "GET",
      path: `${v1}/cluster`,
      isEarly: true,
      handle: () => json({ id: pd.clusterId, max_peer_count: pd.config.current.replication.maxReplicas }),
    },
    {
      method: "GET",
      path: `${v1}/cluster/status`,
      isEarly: true,
      handle: () =>
        json({
          raft_bootstrap_time: pd.bootstrapTimeNs === 0n ? "0001-01-01T00:00:00Z" : timeText(pd.bootstrapTimeNs),
          is_initialized: pd.isServing && pd.cluster.regionCount > 0,
          replication_status: "",
        }),
    },
    {
      method: "GET",
      path: `${v1}/replication_mode/status`,
      // What is configured is kept; the mode that holds is the plain one.
      handle: () => json({ mode: "majority", "dr-auto-sync": { label_key: "", state: "", acid_consistent: false } }),
    },
    {
      method: "GET",
      path: `${v1}/min-resolved-ts`,
      handle: ({ query }) => {
        const scope = query.get("scope") ?? "";
        return json({
          is_real_time: pd.config.current.pdServer.minResolvedTsPersistenceIntervalMs > 0,
          min_resolved_ts: pd.minResolvedTs(),
          persist_interval: formatDuration(pd.config.current.pdServer.minResolvedTsPersistenceIntervalMs),
          stores_min_resolved_ts: scope === "" ? null : resolvedOf(pd, scope),
        });
      },
    },
    {
      method: "GET",
      path: `${v1}/min-resolved-ts/:store_id`,
      handle: ({ params }) => {
        const id = uintOf(params["store_id"] ?? "");
        return json({
          is_real_time: true,
          min_resolved_ts: pd.minResolvedOf(id) ?? 0n,
          persist_interval: formatDuration(pd.config.current.pdServer.minResolvedTsPersistenceIntervalMs),
        });
      },
    },
    {
      method: "GET",
      path: `${v1}/gc/safepoint`,
      isEarly: true,
      handle: async () => {
        const services = await pd.gc.services();
        const least = services.map(({ safePoint }) => safePoint).reduce<bigint | null>((a, b) => (a === null || b < a ? b : a), null);
        return json({
          service_gc_safe_points: services.map(({ serviceId, expiredAtS, safePoint }) => ({
            service_id: serviceId,
            expired_at: expiredAtS === forever ? 9_223_372_036_854_775_807n : expiredAtS,
            safe_point: safePoint,
          })),
          min_service_gc_safe_point: least === null ? undefined : least,
          gc_safe_point: await pd.gc.safePoint(),
        });
      },
    },
    {
      method: "DELETE",
      path: `${v1}/gc/safepoint/:service_id`,
      isEarly: true,
      handle: async ({ params }) => {
        const id = params["service_id"] ?? "";
        if (id === "gc_worker") throw refusal(500, "cannot remove service safe point of gc_worker");
        await pd.gc.remove(id);
        return json("Delete service GC safepoint successfully.");
      },
    },
    {
      method: "GET",
      path: "/metrics",
      isEarly: true,
      isLocal: true,
      handle: () => ({
        status: 200,
        type: "text/plain; version=0.0.4; charset=utf-8",
        text: metricsText(pd, {
          isLeader: pd.isLeader,
          name: members.self.name,
          leaderStarts: leaderStarts(),
          residentBytes: residentBytes(),
        }),
      }),
    },
  ];
}

function resolvedOf(pd: Pd, scope: string): Readonly<Record<string, bigint>> {
  const ids = scope === "cluster" ? pd.cluster.stores().map(({ meta }) => meta.id) : scope.split(",").map(uintOf);
  return Object.fromEntries(ids.map((id) => [String(id), pd.minResolvedOf(id) ?? forever64]));
}
/** Of a store that has told nothing: what the field writes for it. */
const forever64 = 18_446_744_073_709_551_615n;

function configRoutes({ pd, config, hostname, log }: ApiOptions): readonly HttpRoute[] {
  const show = (path: string, shown: (now: DynamicConfig) => unknown): HttpRoute => ({
    method: "GET",
    path: `${v1}/config${path}`,
    isEarly: true,
    handle: () => json(shown(pd.config.current)),
  });
  const take = (
    path: string,
    apply: (body: Readonly<Record<string, unknown>>) => Promise<void>,
    message = "The config is updated.",
  ): HttpRoute => ({
    method: "POST",
    path: `${v1}/config${path}`,
    isEarly: true,
    handle: async (request) => {
      await apply(objectOf(request));
      return json(message);
    },
  });
  const inSection = (section: string) => (body: Readonly<Record<string, unknown>>) =>
    pd.config.update(Object.fromEntries(Object.entries(body).map(([key, value]) => [`${section}.${key}`, value])));
  return [
    show("", (now) => configJson(config, now, log.level)),
    show("/schedule", (now) => sectionJson(sectionForms.schedule, now.schedule)),
    show("/replicate", (now) => sectionJson(sectionForms.replication, now.replication)),
    show("/pd-server", (now) => sectionJson(sectionForms["pd-server"], now.pdServer)),
    show("/label-property", (now) => now.labelProperty),
    show("/cluster-version", (now) => now.clusterVersion),
    show("/replication-mode", (now) => replicationModeJson(now.replicationMode)),
    { method: "GET", path: `${v1}/config/default`, isEarly: true, isLocal: true, handle: () => json(defaultConfigJson(hostname)) },
    {
      method: "POST",
      path: `${v1}/config`,
      isEarly: true,
      handle: async (request) => {
        let body: unknown;
        try {
          body = request.json();
        } catch (error) {
          // Here, and only here, the original gives the words alone.
          const answer = error instanceof HttpRefusal && "json" in error.answer && isObject(error.answer.json) ? error.answer.json : null;
          throw answer === null ? error : refusal(400, String(answer["msg"]));
        }
        if (!isObject(body))
          throw refusal(
            400,
            `json: cannot unmarshal ${Array.isArray(body) ? "array" : typeof body} into Go value of type map[string]interface {}`,
          );
        const { "log.level": level, ...rest } = body;
        if (level !== undefined) setLogLevel(log, level);
        await pd.config.update(rest);
        return json("The config is updated.");
      },
    },
    take("/schedule", inSection("schedule")),
    take("/replicate", inSection("replication")),
    take("/pd-server", inSection("pd-server")),
    take("/label-property", async (body) => {
      const text = (key: string) => {
        const value = body[key];
        if (typeof value !== "string") throw refusal(400, `${key} should be a string`);
        return value;
      };
      const [type, action, key, value] = [text("type"), text("action"), text("label-key"), text("label-value")];
      const { current } = pd.config;
      const before = current.labelProperty[type] ?? [];
      const others = before.filter((property) => property.key !== key || property.value !== value);
      if (action !== "set" && action !== "delete") throw refusal(400, `unknown action ${action}`);
      const next = action === "set" ? [...others, { key, value }] : others;
      const { [type]: _old, ...rest } = current.labelProperty;
      await pd.config.replace({ ...current, labelProperty: next.length === 0 ? rest : { ...rest, [type]: next } });
    }),
    take(
      "/cluster-version",
      async (body) => {
        const version = body["cluster-version"];
        if (typeof version !== "string") throw refusal(400, "invalid cluster version");
        if (!isSemver(version)) throw internal(pdErrors.clusterVersion.message(version));
        await pd.config.replace({ ...pd.config.current, clusterVersion: plainVersion(version) });
      },
      "The cluster version is updated.",
    ),
    take(
      "/replication-mode",
      async (body) => {
        const { current } = pd.config;
        const mode = replicationModeFrom(current, body);
        await pd.config.replace({ ...current, replicationMode: mode });
      },
      "The replication mode config is updated.",
    ),
  ];
}

function replicationModeFrom(current: DynamicConfig, body: Readonly<Record<string, unknown>>): DynamicConfig["replicationMode"] {
  try {
    return takeReplicationMode(current.replicationMode, body);
  } catch (error) {
    if (!(error instanceof ConfigRefusal)) throw error;
    if (error.message.startsWith("invalid replication mode")) throw refusal(500, error.message);
    throw error.message.startsWith("json: cannot unmarshal") ? inputRefusal(error.message) : internal(error.message);
  }
}

/** What the original answers to what it did not foresee; its stack is left out. */
function internal(msg: string): HttpRefusal {
  return new HttpRefusal({ status: 500, json: { code: "internal", msg, data: {} } });
}

function setLogLevel(log: { level: LogLevel }, level: unknown): void {
  const known = typeof level === "string" ? logLevelOf(level) : null;
  if (known === null) throw refusal(400, `log level ${String(level)} is illegal`);
  log.level = known;
}

function adminRoutes({ world, pd, config, log }: ApiOptions): readonly HttpRoute[] {
  return [
    {
      method: "POST",
      path: `${v1}/admin/log`,
      isEarly: true,
      isLocal: true,
      handle: (request) => {
        setLogLevel(log, request.json());
        return json("The log level is updated.");
      },
    },
    {
      method: "POST",
      path: `${v1}/admin/reset-ts`,
      isEarly: true,
      handle: async (request) => {
        const body = objectOf(request);
        const text = body["tso"];
        if (typeof text !== "string" || !/^\d+$/.test(text) || BigInt(text) === 0n || BigInt(text) > forever64)
          throw refusal(400, "invalid tso value");
        const forced = body["force-use-larger"];
        if (forced !== undefined && typeof forced !== "boolean") throw refusal(400, "invalid force-use-larger value");
        try {
          await pd.tso.reset(splitTso(BigInt(text)), {
            gapMaxMs: pd.config.current.pdServer.maxGapResetTsMs,
            isLargerForced: forced === true,
          });
        } catch (error) {
          throw pdErrors.tsoReset.is(error) ? refusal(403, error.detail) : error;
        }
        return json("Reset ts successfully.");
      },
    },
    {
      method: "POST",
      path: `${v1}/admin/base-alloc-id`,
      isEarly: true,
      handle: async (request) => {
        const body = objectOf(request);
        const text = body["id"];
        if (typeof text !== "string" || !/^\d{1,15}$/.test(text)) throw refusal(400, "invalid id value");
        await pd.ids.raise(Number(text));
        return json("Alloc ID successfully.");
      },
    },
    {
      method: "POST",
      path: `${v1}/admin/persist-file/:file_name`,
      isEarly: true,
      isLocal: true,
      handle: async (request) => {
        const name = request.params["file_name"] ?? "";
        const plain = (status: number, text: string): PdHttpAnswer => ({ status, text, type: "text/plain; charset=UTF-8" });
        if (name !== "DR_STATE") return plain(500, "Invalid file name");
        try {
          request.json();
        } catch {
          return plain(400, "body should be json format");
        }
        await world.disk.writeFileAtomic(`${config.dataDir}/${name}`, request.body);
        return plain(200, "");
      },
    },
    {
      method: "DELETE",
      path: `${v1}/admin/cache/region/:id`,
      handle: ({ params }) => {
        pd.regions.forget(uintOf(params["id"] ?? ""));
        return json("The region is removed from server cache.");
      },
    },
    {
      method: "DELETE",
      path: `${v1}/admin/storage/region/:id`,
      handle: ({ params }) => {
        const id = uintOf(params["id"] ?? "");
        if (!pd.dropRegion(id)) throw refusal(404, `[PD:region:ErrRegionNotFound]region ${id} not found`);
        return json("The region is removed from server cache and region meta storage.");
      },
    },
    {
      method: "GET",
      path: `${v1}/admin/cluster/markers/snapshot-recovering`,
      isEarly: true,
      handle: async () => json({ marked: await pd.isSnapshotRecovering() }),
    },
    ...(["POST", "DELETE"] as const).map(
      (method): HttpRoute => ({
        method,
        path: `${v1}/admin/cluster/markers/snapshot-recovering`,
        isEarly: true,
        handle: async () => {
          await pd.markSnapshotRecovering(method === "POST");
          return { status: 200, text: "", type: "text/plain; charset=UTF-8" };
        },
      }),
    ),
    {
      method: "DELETE",
      path: `${v1}/admin/cache/regions`,
      handle: () => {
        pd.regions.forgetAll();
        return json("All regions are removed from server cache.");
      },
    },
  ];
}

function objectOf(request: PdHttpRequest): Readonly<Record<string, unknown>> {
  const body = request.json();
  if (!isObject(body)) {
    const kind = body === null ? "null" : Array.isArray(body) ? "array" : typeof body;
    throw inputRefusal(`json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`, {
      Value: kind,
      Type: {},
      Offset: request.body.length,
      Struct: "",
      Field: "",
    });
  }
  return body;
}

function parseUintText(text: string): string {
  return `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`;
}

function uintOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw refusal(400, parseUintText(text));
  return Number(text);
}

/** RFC 3339 with as many digits as are needed. */
export function timeText(ns: bigint): string {
  const seconds = new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 19);
  const rest = String(ns % 1_000_000_000n)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${seconds}${rest === "" ? "" : `.${rest}`}Z`;
}
