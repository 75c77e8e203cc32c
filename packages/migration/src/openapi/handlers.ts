/** What each operation of the OpenAPI does: mostly a call of the master's service, put into the OpenAPI's words. */
import type { World } from "@skein/base";
import { hexKey, type Metastore, textOf } from "@skein/metastore";
import { openConnection, quoteText } from "@skein/mysql";
import type { Message } from "@skein/rpc";
import { stringify } from "yaml";
import { sourceShape } from "../config/shapes.ts";
import { dbConfigOf } from "../config/source-config.ts";
import { parseSource, readShape } from "../config/source-yaml.ts";
import type { SubtaskConfig } from "../config/subtask-config.ts";
import { makeSubtasks, parseTask } from "../config/task-yaml.ts";
import { dmErrors } from "../errors.ts";
import { createRouter } from "../filter/core/router.ts";
import { createTableFilter } from "../filter/core/table-filter.ts";
import type { MasterMethod, MasterService } from "../master/master-service.ts";
import { prefixes } from "../wire/keys.ts";
import type { CommonWorkerResponse, QueryStatusListMessage, QueryStatusMessage, SubTaskStatusMessage } from "../wire/messages.ts";
import { ApiError, failure } from "./api-error.ts";
import { type ApiSecurity, type ApiTask, securityYaml, taskFromYaml, taskYaml } from "./task-conversion.ts";

export interface ApiContext {
  readonly world: World;
  readonly service: MasterService;
  readonly store: Metastore;
  /** A password as it is stored → in clear. */
  readonly decrypt: (text: string) => string;
  /** Drops a task's checkpoints in its target. */
  readonly removeMeta: (subtask: SubtaskConfig, signal: AbortSignal) => Promise<void>;
}

export interface ApiRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
}

/** The body of the answer; undefined for none. */
export type ApiHandler = (request: ApiRequest, context: ApiContext) => Promise<unknown>;

interface ApiSource {
  readonly source_name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string | null;
  readonly enable_gtid: boolean;
  readonly enable: boolean;
  readonly flavor?: string;
  readonly security?: ApiSecurity | null;
  readonly purge?: Readonly<Record<string, number | null>>;
  readonly relay_config?: Readonly<Record<string, unknown>>;
}

const topologyKey = "/dm-cluster/topology";
const stagesOfRunning = new Set(["Running", "Pausing", "Resuming", "Stopping"]);

/** Asks the master; what it refuses, as a whole or for one source, is thrown. */
async function ask(context: ApiContext, method: MasterMethod, request: Message, signal: AbortSignal): Promise<Message> {
  const answer = await context.service[method](request, signal);
  if (answer["result"] === false) throw failure(textField(answer, "checkResult") || textField(answer, "msg"));
  for (const each of (answer["sources"] ?? []) as readonly Partial<CommonWorkerResponse>[])
    if (each.result === false && method !== "QueryStatus") throw failure(each.msg ?? "");
  return answer;
}

function textField(message: Message, name: string): string {
  const value = message[name];
  return typeof value === "string" ? value : "";
}

const list = (data: readonly unknown[]) => ({ data, total: data.length });
const param = (request: ApiRequest, name: string): string => request.params[name] as string;

// ── cluster ──

async function members(context: ApiContext, kind: "leader" | "master" | "worker", signal: AbortSignal): Promise<Message> {
  const answer = await ask(context, "ListMember", { [kind]: true }, signal);
  const found = (answer["members"] as readonly Message[]).find((each) => each[kind] !== undefined);
  return (found?.[kind] ?? {}) as Message;
}

async function clusterInfo(context: ApiContext): Promise<object> {
  const [id, topology] = await Promise.all([clusterId(context), context.store.get(topologyKey)]);
  return {
    // JSON has no 64-bit integers: written as it is, by `jsonText`.
    cluster_id: new RawNumber(id.toString()),
    ...(topology === null ? {} : { topology: JSON.parse(textOf(topology)) as unknown }),
  };
}

/** Made once, by whoever asks first: seconds since 1970 in the upper half, chance in the lower; 8 bytes, big end first. */
async function clusterId({ store, world }: ApiContext): Promise<bigint> {
  const made = Buffer.alloc(8);
  made.writeUInt32BE(Math.floor(world.clock.nowMs() / 1000), 0);
  made.writeUInt32BE(world.random.u32(), 4);
  const key = prefixes.clusterId;
  const { results } = await store.txn({
    compare: [{ key, target: "createRevision", is: "=", value: 0 }],
    success: [{ op: "put", key, value: made }],
    failure: [{ op: "range", select: { key } }],
  });
  const [present] = results;
  const bytes = present?.op === "range" ? present.items[0]?.value : made;
  return bytes?.length === 8 ? Buffer.from(bytes).readBigUInt64BE() : 0n;
}

/** A number that is printed as its text. */
export class RawNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

// ── sources ──

async function sourceYamls(context: ApiContext, signal: AbortSignal): Promise<Map<string, string>> {
  const answer = await ask(context, "ListSourceConfigs", {}, signal);
  return new Map(Object.entries(answer["sourceConfigs"] as Readonly<Record<string, string>>).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function sourceYamlOf(source: ApiSource, password: string): string {
  const relay = source.relay_config ?? {};
  const purge = source.purge ?? {};
  return stringify({
    "source-id": source.source_name,
    enable: source.enable,
    "enable-gtid": source.enable_gtid,
    ...(source.flavor === undefined ? {} : { flavor: source.flavor }),
    "enable-relay": relay["enable_relay"] === true,
    "relay-binlog-name": relay["relay_binlog_name"] ?? "",
    "relay-binlog-gtid": relay["relay_binlog_gtid"] ?? "",
    "relay-dir": relay["relay_dir"] ?? "",
    from: {
      host: source.host,
      port: source.port,
      user: source.user,
      password,
      ...(source.security === undefined || source.security === null ? {} : { security: securityYaml(source.security) }),
    },
    purge: {
      interval: purge["interval"] ?? 3600,
      expires: purge["expires"] ?? 0,
      "remain-space": purge["remain_space"] ?? 15,
    },
  });
}

function apiSource(yaml: string): Message {
  const shape = readShape(sourceShape, yaml, "source.yaml", "decode source config");
  return {
    source_name: shape["source-id"],
    host: shape.from?.host ?? "",
    port: shape.from?.port ?? 0,
    user: shape.from?.user ?? "",
    password: "******",
    enable_gtid: shape["enable-gtid"],
    enable: shape.enable,
    flavor: shape.flavor,
    security: null,
    purge: { interval: shape.purge.interval, expires: shape.purge.expires, remain_space: shape.purge["remain-space"] },
    relay_config: {
      enable_relay: shape["enable-relay"],
      relay_binlog_name: shape["relay-binlog-name"],
      relay_binlog_gtid: shape["relay-binlog-gtid"],
      relay_dir: shape["relay-dir"],
    },
  };
}

async function sourceStatus(context: ApiContext, source: string, signal: AbortSignal): Promise<{ status: object; tasks: string[] }> {
  const answer = (await ask(context, "QueryStatus", { sources: [source] }, signal)) as unknown as QueryStatusListMessage;
  const [first] = answer.sources;
  return {
    status: {
      source_name: source,
      worker_name: first?.sourceStatus?.worker ?? "",
      ...(first?.result === false ? { error_msg: first.msg } : {}),
    },
    tasks: (first?.subTaskStatus ?? []).map((each) => each.name).sort(),
  };
}

async function withSourceStatus(context: ApiContext, source: Message, isAsked: boolean, signal: AbortSignal): Promise<Message> {
  if (!isAsked) return source;
  const { status, tasks } = await sourceStatus(context, textField(source, "source_name"), signal);
  return { ...source, status_list: [status], ...(tasks.length === 0 ? {} : { task_name_list: tasks }) };
}

/** Throws 46008. */
async function knownSource(context: ApiContext, name: string, signal: AbortSignal): Promise<string> {
  const yaml = (await sourceYamls(context, signal)).get(name);
  if (yaml === undefined) throw dmErrors.sourceMissing([name]);
  return yaml;
}

async function disabledSources(context: ApiContext, names: readonly string[], signal: AbortSignal): Promise<string[]> {
  const all = await sourceYamls(context, signal);
  return names.filter((name) => {
    const yaml = all.get(name);
    return yaml !== undefined && !parseSource(yaml).enable;
  });
}

async function setEnabled(context: ApiContext, name: string, isEnabled: boolean, signal: AbortSignal): Promise<void> {
  await knownSource(context, name, signal);
  await ask(context, "OperateSource", { op: "UpdateSource", sourceID: [name], enabled: String(isEnabled) }, signal);
}

async function askSource(context: ApiContext, name: string, sql: string, signal: AbortSignal): Promise<string[][]> {
  const source = parseSource(await knownSource(context, name, signal));
  const { host, port, user, password, tls } = dbConfigOf(source.from, context.decrypt);
  await using connection = await openConnection(
    context.world,
    { host, port, user, password, ...(tls === null ? {} : { tls }) },
    { mode: "text", signal },
  );
  const { rows } = await connection.query(sql, signal);
  return rows.map((row) => row.map((value) => value ?? ""));
}

// ── tasks ──

async function taskYamls(context: ApiContext, signal: AbortSignal): Promise<Map<string, string>> {
  const answer = await ask(context, "ListTaskConfigs", {}, signal);
  return new Map(Object.entries(answer["taskConfigs"] as Readonly<Record<string, string>>).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Throws 46018. */
async function knownTask(context: ApiContext, name: string, signal: AbortSignal): Promise<string> {
  const yaml = (await taskYamls(context, signal)).get(name);
  if (yaml === undefined) throw dmErrors.taskMissing([name]);
  return yaml;
}

interface Subtask {
  readonly source: QueryStatusMessage;
  readonly status: SubTaskStatusMessage;
}

async function subtasks(context: ApiContext, name: string, sources: readonly string[], signal: AbortSignal): Promise<Subtask[]> {
  const answer = (await ask(context, "QueryStatus", { name, sources }, signal)) as unknown as QueryStatusListMessage;
  return answer.sources.flatMap((source) =>
    source.subTaskStatus.filter((each) => each.name === name).map((status) => ({ source, status })),
  );
}

function apiStatus({ source, status }: Subtask): object {
  const number = (fields: Readonly<Record<string, unknown>>, name: string) => Number(fields[name] ?? 0);
  const words = (fields: Readonly<Record<string, unknown>>, name: string) => (fields[name] as string | undefined) ?? "";
  const orNull = (value: unknown) => (Array.isArray(value) && value.length > 0 ? (value as readonly unknown[]) : null);
  const { dump, load, sync } = status;
  const errors = status.result?.errors ?? [];
  return {
    name: status.name,
    source_name: source.sourceStatus?.source ?? "",
    worker_name: source.sourceStatus?.worker ?? "",
    stage: status.stage,
    unit: status.unit,
    unresolved_ddl_lock_id: status.unresolvedDDLLockID ?? "",
    ...(errors.length === 0
      ? {}
      : { error_msg: errors.map((each) => `${each.Message}${each.RawCause === "" ? "" : `: ${each.RawCause}`}`).join("; ") }),
    ...(dump === undefined
      ? {}
      : {
          dump_status: {
            total_tables: number(dump, "totalTables"),
            completed_tables: number(dump, "completedTables"),
            finished_bytes: number(dump, "finishedBytes"),
            finished_rows: number(dump, "finishedRows"),
            estimate_total_rows: number(dump, "estimateTotalRows"),
          },
        }),
    ...(load === undefined
      ? {}
      : {
          load_status: {
            finished_bytes: number(load, "finishedBytes"),
            total_bytes: number(load, "totalBytes"),
            progress: words(load, "progress"),
            meta_binlog: words(load, "metaBinlog"),
            meta_binlog_gtid: words(load, "metaBinlogGTID"),
          },
        }),
    ...(sync === undefined
      ? {}
      : {
          sync_status: {
            total_events: number(sync, "totalEvents"),
            total_tps: number(sync, "totalTps"),
            recent_tps: number(sync, "recentTps"),
            master_binlog: words(sync, "masterBinlog"),
            master_binlog_gtid: words(sync, "masterBinlogGtid"),
            syncer_binlog: words(sync, "syncerBinlog"),
            syncer_binlog_gtid: words(sync, "syncerBinlogGtid"),
            blocking_ddls: orNull(sync["blockingDDLs"]),
            unresolved_groups: orNull(sync["unresolvedGroups"]),
            synced: sync["synced"] === true,
            binlog_type: words(sync, "binlogType"),
            seconds_behind_master: number(sync, "secondsBehindMaster"),
            io_total_bytes: number(sync, "ioTotalBytes"),
            dump_io_total_bytes: number(sync, "dumpIOTotalBytes"),
          },
        }),
  };
}

async function apiTask(context: ApiContext, yaml: string, isStatusAsked: boolean, signal: AbortSignal): Promise<Message> {
  const task = taskFromYaml(yaml);
  const shown = { ...task, target_config: { ...task.target_config, password: "******" } };
  return isStatusAsked ? { ...shown, status_list: (await subtasks(context, task.name, [], signal)).map(apiStatus) } : { ...shown };
}

const wantedSources = (fields: Readonly<Record<string, unknown>>) => (fields["source_name_list"] ?? []) as readonly string[];

/** Creates the task without letting it run. */
async function createStopped(context: ApiContext, yaml: string, signal: AbortSignal): Promise<string> {
  return textField(await ask(context, "StartTask", { task: yaml, createOnly: true }, signal), "checkResult");
}

async function startTask(request: ApiRequest, context: ApiContext): Promise<undefined> {
  const name = param(request, "task-name");
  const yaml = await knownTask(context, name, request.signal);
  const sources = wantedSources(request.body);
  const startTime = textField(request.body, "start_time");
  const safeModeDuration = textField(request.body, "safe_mode_time_duration");
  const all = (await subtasks(context, name, [], request.signal)).map(({ source }) => source.sourceStatus?.source ?? "");
  const disabled = await disabledSources(context, sources.length === 0 ? all : sources, request.signal);
  if (disabled.length > 0) throw dmErrors.taskCannotStart([name, `source: ${disabled.join(",")} is not enabled`]);
  if (startTime === "" && safeModeDuration === "" && request.body["remove_meta"] !== true) {
    await ask(context, "OperateTask", { op: "Resume", name, sources }, request.signal);
    return undefined;
  }
  // Another start point, or an empty one: the task is made anew from its own configuration, and kept if that is refused.
  const present = await subtasks(context, name, [], request.signal);
  if (present.some(({ status }) => stagesOfRunning.has(status.stage)))
    throw dmErrors.openapiCommon([`task ${name} have running subtasks, please stop them first`]);
  await ask(context, "OperateTask", { op: "Delete", name }, request.signal);
  try {
    await ask(
      context,
      "StartTask",
      { task: yaml, sources, removeMeta: request.body["remove_meta"] === true, startTime, safeModeDuration },
      request.signal,
    );
  } catch (error) {
    if ((await taskYamls(context, request.signal)).has(name)) throw error;
    await createStopped(context, yaml, request.signal);
    throw error;
  }
  return undefined;
}

async function deleteTask(request: ApiRequest, context: ApiContext): Promise<undefined> {
  const name = param(request, "task-name");
  const yaml = await knownTask(context, name, request.signal);
  const present = await subtasks(context, name, [], request.signal);
  if (request.query["force"] !== true && present.some(({ status }) => stagesOfRunning.has(status.stage)))
    throw dmErrors.openapiCommon([`task ${name} have running subtasks, please stop them or delete task with force.`]);
  await ask(context, "OperateTask", { op: "Delete", name }, request.signal);
  if (request.query["keep_meta"] !== true) await dropMeta(context, yaml, request.signal);
  return undefined;
}

/** Removes a gone task's checkpoints; for at most 10 s, and a target that is away does not hold the deletion up. */
async function dropMeta(context: ApiContext, yaml: string, signal: AbortSignal): Promise<void> {
  const patience = new AbortController();
  const timer = context.world.clock.timer(10_000, () => patience.abort(new DOMException("took too long", "TimeoutError")));
  try {
    const [subtask] = await subtaskConfigs(context, yaml, signal);
    if (subtask !== undefined) await context.removeMeta(subtask, AbortSignal.any([signal, patience.signal]));
  } catch (error) {
    context.world.log.warn("the checkpoints of a deleted task stay in its target", { component: "openapi", error });
  } finally {
    timer.cancel();
  }
}

async function subtaskConfigs(context: ApiContext, yaml: string, signal: AbortSignal): Promise<SubtaskConfig[]> {
  const sources = new Map([...(await sourceYamls(context, signal))].map(([id, text]) => [id, parseSource(text)]));
  return makeSubtasks(parseTask(yaml), sources, { decrypt: context.decrypt });
}

async function migrateTargets(request: ApiRequest, context: ApiContext): Promise<object> {
  const [taskName, sourceName] = [param(request, "task-name"), param(request, "source-name")];
  const yaml = await knownTask(context, taskName, request.signal);
  await knownSource(context, sourceName, request.signal);
  const subtask = (await subtaskConfigs(context, yaml, request.signal)).find((each) => each.sourceId === sourceName);
  if (subtask === undefined) throw dmErrors.openapiTaskSource([sourceName]);
  const { caseSensitive } = subtask;
  const filter = createTableFilter(subtask.blockAllowList, { caseSensitive });
  const router = createRouter(subtask.routes, { caseSensitive, sourceId: sourceName });
  const like = (name: string, column: string) => {
    const pattern = request.query[name];
    return typeof pattern === "string" && pattern !== "" ? ` AND ${column} LIKE ${quoteText(likePattern(pattern))}` : "";
  };
  const sql = `SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'${like("schema_pattern", "table_schema")}${like("table_pattern", "table_name")} ORDER BY 1, 2`;
  const tables = await askSource(context, sourceName, sql, request.signal);
  return list(
    tables
      .filter(([schema = "", table = ""]) => filter.tableAllowed(schema, table))
      .map(([schema = "", table = ""]) => {
        const target = router.route(schema, table);
        return { source_schema: schema, source_table: table, target_schema: target.schema, target_table: target.table };
      }),
  );
}

/** `*` and `?` of the OpenAPI's patterns in SQL's words. */
function likePattern(pattern: string): string {
  return pattern
    .replace(/[\\%_]/g, "\\$&")
    .replaceAll("*", "%")
    .replaceAll("?", "_");
}

async function schemaAnswer(request: ApiRequest, context: ApiContext, op: string, extra: Message = {}): Promise<string> {
  const answer = (await context.service.OperateSchema(
    {
      op,
      task: param(request, "task-name"),
      sources: [param(request, "source-name")],
      database: request.params["schema-name"] ?? "",
      table: request.params["table-name"] ?? "",
      ...extra,
    },
    request.signal,
  )) as unknown as { readonly result: boolean; readonly msg: string; readonly sources: readonly CommonWorkerResponse[] };
  const [first] = answer.sources;
  if (!answer.result) throw dmErrors.openapiCommon([answer.msg]);
  if (first?.result !== true) throw dmErrors.openapiCommon([first?.msg ?? "no source answered"]);
  return first.msg;
}

// ── templates ──

const templateKey = (name: string) => hexKey(prefixes.taskTemplate, name);

async function saveTemplate(context: ApiContext, task: ApiTask, isOverwrite: boolean): Promise<void> {
  const key = templateKey(task.name);
  const { succeeded } = await context.store.txn({
    compare: isOverwrite ? [] : [{ key, target: "createRevision", is: "=", value: 0 }],
    success: [{ op: "put", key, value: JSON.stringify(task) }],
  });
  if (!succeeded) throw dmErrors.openapiTaskExists([task.name]);
}

async function template(context: ApiContext, name: string): Promise<ApiTask> {
  const item = await context.store.get(templateKey(name));
  if (item === null) throw dmErrors.openapiTaskMissing([name]);
  return JSON.parse(textOf(item)) as ApiTask;
}

const asTask = (value: unknown) => value as ApiTask;

export const handlers: Readonly<Record<string, ApiHandler>> = {
  getClusterInfo: (_request, context) => clusterInfo(context),
  updateClusterInfo: async ({ body }, context) => {
    await context.store.put(topologyKey, JSON.stringify(body));
    return clusterInfo(context);
  },
  getClusterMasters: async ({ signal }, context) => {
    const leader = textField(await members(context, "leader", signal), "name");
    const masters = ((await members(context, "master", signal))["masters"] ?? []) as readonly Message[];
    return list(
      masters.map((each) => ({
        name: each["name"],
        alive: each["alive"] === true,
        leader: each["name"] === leader,
        addr: ((each["peerURLs"] ?? []) as readonly string[])[0] ?? "",
      })),
    );
  },
  offlineMaster: async (request, context) =>
    void (await ask(context, "OfflineMember", { type: "master", name: param(request, "master-name") }, request.signal)),
  getClusterWorkers: async ({ signal }, context) => {
    const workers = ((await members(context, "worker", signal))["workers"] ?? []) as readonly Message[];
    return list(
      workers.map((each) => ({
        name: each["name"],
        addr: each["addr"],
        bound_stage: each["stage"],
        bound_source_name: each["source"] ?? "",
      })),
    );
  },
  offlineWorker: async (request, context) =>
    void (await ask(context, "OfflineMember", { type: "worker", name: param(request, "worker-name") }, request.signal)),

  createSource: async ({ body, signal }, context) => {
    const source = body["source"] as ApiSource | undefined;
    if (source === undefined) throw dmErrors.openapiCommon(["the request has no `source`"]);
    const config = [sourceYamlOf(source, source.password ?? "")];
    await ask(context, "OperateSource", { op: "StartSource", config, workerName: textField(body, "worker_name") }, signal);
    return { security: null, ...source };
  },
  getSources: async ({ query, signal }, context) => {
    const all = [...(await sourceYamls(context, signal)).values()].map(apiSource);
    const wanted = query["enable_relay"];
    const chosen = wanted === undefined ? all : all.filter((each) => (each["relay_config"] as Message)["enable_relay"] === wanted);
    return list(await Promise.all(chosen.map((each) => withSourceStatus(context, each, query["with_status"] === true, signal))));
  },
  getSource: async (request, context) => {
    const yaml = (await sourceYamls(context, request.signal)).get(param(request, "source-name"));
    if (yaml === undefined) throw new ApiError("missing", "no such source");
    return withSourceStatus(context, apiSource(yaml), request.query["with_status"] === true, request.signal);
  },
  updateSource: async (request, context) => {
    const name = param(request, "source-name");
    const before = await knownSource(context, name, request.signal);
    const source = request.body["source"] as ApiSource;
    if (source.source_name !== name)
      throw dmErrors.openapiCommon([`the source's name is ${name} and cannot be changed to ${source.source_name}`]);
    const kept = parseSource(before).from.password.reveal();
    const changed = sourceYamlOf(source, source.password ?? kept);
    parseSource(changed);
    // Refused while it has tasks (46010); if the changed one is refused, the source comes back as it was.
    await ask(context, "OperateSource", { op: "StopSource", sourceID: [name] }, request.signal);
    try {
      await ask(context, "OperateSource", { op: "StartSource", config: [changed] }, request.signal);
    } catch (error) {
      await ask(context, "OperateSource", { op: "StartSource", config: [before] }, request.signal);
      throw error;
    }
    return { security: null, password: null, ...source };
  },
  deleteSource: async (request, context) => {
    const name = param(request, "source-name");
    await knownSource(context, name, request.signal);
    if (request.query["force"] === true) {
      const { tasks } = await sourceStatus(context, name, request.signal);
      for (const task of tasks) await ask(context, "OperateTask", { op: "Delete", name: task, sources: [name] }, request.signal);
    }
    await ask(context, "OperateSource", { op: "StopSource", sourceID: [name] }, request.signal);
  },
  getSourceStatus: async (request, context) => {
    const name = param(request, "source-name");
    await knownSource(context, name, request.signal);
    return list([(await sourceStatus(context, name, request.signal)).status]);
  },
  enableSource: async (request, context) => {
    await setEnabled(context, param(request, "source-name"), true, request.signal);
  },
  disableSource: async (request, context) => {
    await setEnabled(context, param(request, "source-name"), false, request.signal);
  },
  transferSource: async (request, context) => {
    const source = param(request, "source-name");
    await ask(context, "TransferSource", { source, worker: textField(request.body, "worker_name") }, request.signal);
  },
  enableRelay: async (request, context) => {
    const source = param(request, "source-name");
    await knownSource(context, source, request.signal);
    const worker = request.body["worker_name_list"] ?? [];
    await ask(context, "OperateRelay", { op: "StartRelayV2", source, worker }, request.signal);
  },
  disableRelay: async (request, context) => {
    const source = param(request, "source-name");
    await knownSource(context, source, request.signal);
    const worker = request.body["worker_name_list"] ?? [];
    await ask(context, "OperateRelay", { op: "StopRelayV2", source, worker }, request.signal);
  },
  purgeRelay: async (request, context) => {
    const source = param(request, "source-name");
    await knownSource(context, source, request.signal);
    const filename = textField(request.body, "relay_binlog_name");
    await ask(context, "PurgeWorkerRelay", { sources: [source], filename, subDir: textField(request.body, "relay_dir") }, request.signal);
  },
  getSourceSchemas: async (request, context) =>
    (
      await askSource(
        context,
        param(request, "source-name"),
        "SELECT schema_name FROM information_schema.schemata ORDER BY 1",
        request.signal,
      )
    ).map(([name]) => name),
  getSourceTables: async (request, context) => {
    const schema = param(request, "schema-name");
    const where = `WHERE table_schema = ${quoteText(schema)}`;
    const sql = `SELECT table_name FROM information_schema.tables ${where} AND table_type = 'BASE TABLE' ORDER BY 1`;
    const exists = await askSource(
      context,
      param(request, "source-name"),
      `SELECT 1 FROM information_schema.schemata WHERE schema_name = ${quoteText(schema)}`,
      request.signal,
    );
    if (exists.length === 0) throw new ApiError("coded", `Error 1049 (42000): Unknown database '${schema}'`);
    return (await askSource(context, param(request, "source-name"), sql, request.signal)).map(([name]) => name);
  },

  convertTask: async ({ body }) => {
    const file = textField(body, "task_config_file");
    if (body["task"] === undefined && file === "")
      throw dmErrors.openapiCommon(["request body is invalid one of `task` or `task_config_file` must be entered."]);
    if (body["task"] === undefined) {
      parseTask(file);
      return { task: taskFromYaml(file), task_config_file: file };
    }
    const yaml = taskYaml(asTask(body["task"]));
    parseTask(yaml);
    return { task: shownTask(asTask(body["task"])), task_config_file: yaml };
  },
  createTask: async ({ body, signal }, context) => {
    const task = asTask(body["task"]);
    if (task === undefined) throw dmErrors.openapiCommon(["the request has no `task`"]);
    const check = await createStopped(context, taskYaml(task), signal);
    return { check_result: check, task: shownTask(task) };
  },
  getTasks: async ({ query, signal }, context) => {
    const shown: Message[] = [];
    for (const [name, yaml] of await taskYamls(context, signal)) {
      const task = taskFromYaml(yaml);
      const sources = wantedSources(query);
      if (sources.length > 0 && !task.source_config.source_conf.some((each) => sources.includes(each.source_name))) continue;
      if (query["stage"] !== undefined) {
        const stages = (await subtasks(context, name, [], signal)).map(({ status }) => status.stage);
        if (!stages.some((stage) => stage === query["stage"])) continue;
      }
      shown.push(await apiTask(context, yaml, query["with_status"] === true, signal));
    }
    return list(shown);
  },
  getTask: async (request, context) =>
    apiTask(
      context,
      await knownTask(context, param(request, "task-name"), request.signal),
      request.query["with_status"] === true,
      request.signal,
    ),
  updateTask: async (request, context) => {
    const name = param(request, "task-name");
    const before = await knownTask(context, name, request.signal);
    const task = asTask(request.body["task"]);
    if (task.name !== name) throw dmErrors.openapiCommon([`the task's name is ${name} and cannot be changed to ${task.name}`]);
    for (const { source, status } of await subtasks(context, name, [], request.signal))
      if (stagesOfRunning.has(status.stage)) throw dmErrors.updateRunning([name, source.sourceStatus?.source ?? ""]);
    const kept = taskFromYaml(before).target_config.password;
    const password = task.target_config.password === "******" ? kept : task.target_config.password;
    const answer = await ask(
      context,
      "UpdateTask",
      { task: taskYaml({ ...task, target_config: { ...task.target_config, password } }) },
      request.signal,
    );
    return { check_result: textField(answer, "checkResult"), task: shownTask(task) };
  },
  deleteTask,
  getTaskStatus: async (request, context) => {
    const name = param(request, "task-name");
    await knownTask(context, name, request.signal);
    return list((await subtasks(context, name, wantedSources(request.query), request.signal)).map(apiStatus));
  },
  startTask,
  stopTask: async (request, context) => {
    const name = param(request, "task-name");
    await knownTask(context, name, request.signal);
    await ask(context, "OperateTask", { op: "Pause", name, sources: wantedSources(request.body) }, request.signal);
  },
  getMigrateTargets: migrateTargets,
  getTaskSchemas: async (request, context) => JSON.parse(await schemaAnswer(request, context, "ListSchema")) as unknown,
  getTaskTables: async (request, context) => JSON.parse(await schemaAnswer(request, context, "ListTable")) as unknown,
  getTaskTable: async (request, context) => ({
    schema_name: param(request, "schema-name"),
    table_name: param(request, "table-name"),
    schema_create_sql: await schemaAnswer(request, context, "GetSchema"),
  }),
  setTaskTable: async (request, context) => {
    const { body } = request;
    await schemaAnswer(request, context, "SetSchema", {
      schema: textField(body, "sql_content"),
      fromSource: body["schema_source"] === "upstream",
      fromTarget: body["schema_source"] === "downstream",
      flush: body["flush"] !== false,
      sync: body["sync"] !== false,
    });
  },
  deleteTaskTable: async (request, context) => void (await schemaAnswer(request, context, "RemoveSchema")),

  createTaskTemplate: async ({ body }, context) => {
    await saveTemplate(context, asTask(body), false);
    return shownTask(asTask(body));
  },
  getTaskTemplates: async (_request, context) => {
    const { items } = await context.store.range({ prefix: prefixes.taskTemplate });
    return list(items.map((item) => shownTask(JSON.parse(textOf(item)) as ApiTask)));
  },
  importTaskTemplates: async ({ body, signal }, context) => {
    const done: string[] = [];
    const failed: object[] = [];
    for (const [name, yaml] of await taskYamls(context, signal)) {
      try {
        await saveTemplate(context, taskFromYaml(yaml), body["overwrite"] === true);
        done.push(name);
      } catch (error) {
        if (!dmErrors.openapiTaskExists.is(error)) throw error;
        failed.push({ task_name: name, error_msg: error.message });
      }
    }
    return { success_task_list: done, failed_task_list: failed };
  },
  getTaskTemplate: async (request, context) => shownTask(await template(context, param(request, "task-name"))),
  updateTaskTemplate: async (request, context) => {
    await template(context, param(request, "task-name"));
    await saveTemplate(context, asTask(request.body), true);
    return shownTask(asTask(request.body));
  },
  deleteTaskTemplate: async (request, context) => {
    await template(context, param(request, "task-name"));
    await context.store.delete({ key: templateKey(param(request, "task-name")) });
  },
};

/** Passwords do not come back. */
function shownTask(task: ApiTask): object {
  return { ...task, target_config: { security: null, ...task.target_config, password: "******" } };
}
