/**
 * The OpenAPI as data: what requests must look like, and the document that is published. One table serves the router, the check of
 * requests and `/api/v1/dm.json`, so that they cannot differ.
 */
export interface Shape {
  readonly type: "object" | "array" | "string" | "integer" | "boolean" | "number";
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  /** Of a map: its values. */
  readonly additionalProperties?: Shape;
  readonly items?: Shape;
  readonly enum?: readonly string[];
  readonly nullable?: boolean;
  readonly description?: string;
}

export interface Operation {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below `/api/v1`, with `{names}`. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly query?: Readonly<Record<string, Shape>>;
  readonly body?: Shape;
  readonly success: number;
}

const text: Shape = { type: "string" };
const whole: Shape = { type: "integer" };
const flag: Shape = { type: "boolean" };
const texts: Shape = { type: "array", items: text };
const object = (properties: Readonly<Record<string, Shape>>, required: readonly string[] = []): Shape => ({
  type: "object",
  properties,
  ...(required.length === 0 ? {} : { required }),
});
const nullable = (shape: Shape): Shape => ({ ...shape, nullable: true });
const choice = (...values: readonly string[]): Shape => ({ type: "string", enum: values });

const security = nullable(
  object({ ssl_ca_content: text, ssl_cert_content: text, ssl_key_content: text, cert_allowed_cn: texts }, [
    "ssl_ca_content",
    "ssl_cert_content",
    "ssl_key_content",
  ]),
);

export const sourceShape = object(
  {
    source_name: text,
    host: text,
    port: whole,
    user: text,
    password: nullable(text),
    enable_gtid: flag,
    enable: flag,
    flavor: text,
    task_name_list: texts,
    security,
    purge: object({ interval: nullable(whole), expires: nullable(whole), remain_space: nullable(whole) }),
    status_list: { type: "array", items: { type: "object" } },
    relay_config: object({
      enable_relay: nullable(flag),
      relay_binlog_name: nullable(text),
      relay_binlog_gtid: nullable(text),
      relay_dir: nullable(text),
    }),
  },
  ["source_name", "host", "port", "user", "enable_gtid", "enable"],
);

export const taskShape = object(
  {
    name: text,
    task_mode: choice("full", "incremental", "all", "dump", "load"),
    shard_mode: choice("pessimistic", "optimistic"),
    strict_optimistic_shard_mode: nullable(flag),
    meta_schema: text,
    timezone: text,
    enhance_online_schema_change: flag,
    on_duplicate: choice("replace", "error", "ignore"),
    target_config: object(
      { host: text, port: whole, user: text, password: text, security, session: { type: "object", additionalProperties: text } },
      ["host", "port", "user", "password"],
    ),
    binlog_filter_rule: { type: "object", additionalProperties: object({ ignore_event: texts, ignore_sql: texts }) },
    table_migrate_rule: {
      type: "array",
      items: object(
        {
          source: object({ source_name: text, schema: text, table: text }, ["source_name", "schema", "table"]),
          target: object({ schema: text, table: text }),
          binlog_filter_rule: texts,
        },
        ["source"],
      ),
    },
    source_config: object(
      {
        full_migrate_conf: object({
          export_threads: whole,
          import_threads: whole,
          data_dir: text,
          consistency: text,
          import_mode: choice("logical", "physical"),
          sorting_dir: text,
          disk_quota: text,
          checksum: choice("required", "optional", "off"),
          analyze: choice("required", "optional", "off"),
          range_concurrency: whole,
          "compress-kv-pairs": text,
          pd_addr: text,
          security,
          on_duplicate_logical: choice("replace", "error", "ignore"),
          on_duplicate_physical: choice("none", "manual"),
        }),
        incr_migrate_conf: object({ repl_threads: whole, repl_batch: whole, safe_mode: nullable(flag) }),
        source_conf: {
          type: "array",
          items: object({ source_name: text, binlog_name: text, binlog_pos: whole, binlog_gtid: text }, ["source_name"]),
        },
      },
      ["source_conf"],
    ),
    status_list: { type: "array", items: { type: "object" } },
    ignore_checking_items: texts,
  },
  ["name", "task_mode", "enhance_online_schema_change", "on_duplicate", "target_config", "table_migrate_rule", "source_config"],
);

const address = object({ name: text, host: text, port: whole }, ["name", "host", "port"]);
const endpoint = object({ host: text, port: whole }, ["host", "port"]);
const topology = object({
  master_topology_list: { type: "array", items: address },
  worker_topology_list: { type: "array", items: address },
  grafana_topology: endpoint,
  alert_manager_topology: endpoint,
  prometheus_topology: endpoint,
});

const withStatus = { with_status: flag };
const tableOf = "/tasks/{task-name}/sources/{source-name}/schemas/{schema-name}/{table-name}";
const operation = (
  method: Operation["method"],
  path: string,
  id: string,
  summary: string,
  success: number,
  rest: { readonly query?: Readonly<Record<string, Shape>>; readonly body?: Shape } = {},
): Operation => ({ method, path, id, summary, success, ...rest });

/** Literal paths stand before those with names in the same place. */
export const operations: readonly Operation[] = [
  operation("GET", "/cluster/info", "getClusterInfo", "id and topology of the cluster", 200),
  operation("PUT", "/cluster/info", "updateClusterInfo", "set the topology", 200, { body: topology }),
  operation("GET", "/cluster/masters", "getClusterMasters", "list masters", 200),
  operation("DELETE", "/cluster/masters/{master-name}", "offlineMaster", "remove a master that was stopped", 204),
  operation("GET", "/cluster/workers", "getClusterWorkers", "list workers", 200),
  operation("DELETE", "/cluster/workers/{worker-name}", "offlineWorker", "remove a worker that was stopped", 204),
  operation("POST", "/sources", "createSource", "create a source", 201, {
    body: object({ source: sourceShape, worker_name: text }, ["source"]),
  }),
  operation("GET", "/sources", "getSources", "list sources", 200, { query: { ...withStatus, enable_relay: flag } }),
  operation("GET", "/sources/{source-name}", "getSource", "one source", 200, { query: withStatus }),
  operation("PUT", "/sources/{source-name}", "updateSource", "change a source that has no task", 200, {
    body: object({ source: sourceShape }, ["source"]),
  }),
  operation("DELETE", "/sources/{source-name}", "deleteSource", "remove a source", 204, { query: { force: flag } }),
  operation("GET", "/sources/{source-name}/status", "getSourceStatus", "status of a source", 200),
  operation("POST", "/sources/{source-name}/enable", "enableSource", "let its tasks run", 200),
  operation("POST", "/sources/{source-name}/disable", "disableSource", "stop its tasks", 200),
  operation("POST", "/sources/{source-name}/transfer", "transferSource", "bind it to another worker", 200, {
    body: object({ worker_name: text }, ["worker_name"]),
  }),
  operation("POST", "/sources/{source-name}/relay/enable", "enableRelay", "start relay", 200, {
    body: object({
      worker_name_list: nullable(texts),
      relay_binlog_name: nullable(text),
      relay_binlog_gtid: nullable(text),
      relay_dir: nullable(text),
    }),
  }),
  operation("POST", "/sources/{source-name}/relay/disable", "disableRelay", "stop relay", 200, {
    body: object({ worker_name_list: nullable(texts) }),
  }),
  operation("POST", "/sources/{source-name}/relay/purge", "purgeRelay", "remove relay files", 200, {
    body: object({ relay_binlog_name: text, relay_dir: nullable(text) }, ["relay_binlog_name"]),
  }),
  operation("GET", "/sources/{source-name}/schemas", "getSourceSchemas", "databases of a source", 200),
  operation("GET", "/sources/{source-name}/schemas/{schema-name}", "getSourceTables", "tables of a source's database", 200),
  operation("POST", "/tasks/converters", "convertTask", "a task as JSON and as task.yaml", 200, {
    body: object({ task: taskShape, task_config_file: text }),
  }),
  operation("POST", "/tasks/templates", "createTaskTemplate", "keep a task as a template", 201, { body: taskShape }),
  operation("GET", "/tasks/templates", "getTaskTemplates", "list templates", 200),
  operation("POST", "/tasks/templates/import", "importTaskTemplates", "make templates of all tasks", 202, {
    body: object({ overwrite: flag }, ["overwrite"]),
  }),
  operation("GET", "/tasks/templates/{task-name}", "getTaskTemplate", "one template", 200),
  operation("PUT", "/tasks/templates/{task-name}", "updateTaskTemplate", "change a template", 200, { body: taskShape }),
  operation("DELETE", "/tasks/templates/{task-name}", "deleteTaskTemplate", "remove a template", 204),
  operation("POST", "/tasks", "createTask", "create a task, which does not run yet", 201, { body: object({ task: taskShape }, ["task"]) }),
  operation("GET", "/tasks", "getTasks", "list tasks", 200, {
    query: {
      ...withStatus,
      stage: choice("InvalidStage", "New", "Running", "Paused", "Stopped", "Finished", "Pausing", "Resuming", "Stopping"),
      source_name_list: texts,
    },
  }),
  operation("GET", "/tasks/{task-name}", "getTask", "one task", 200, { query: withStatus }),
  operation("PUT", "/tasks/{task-name}", "updateTask", "change a task that does not run", 200, {
    body: object({ task: taskShape }, ["task"]),
  }),
  operation("DELETE", "/tasks/{task-name}", "deleteTask", "remove a task", 204, { query: { force: flag, keep_meta: flag } }),
  operation("GET", "/tasks/{task-name}/status", "getTaskStatus", "status of a task's subtasks", 200, {
    query: { source_name_list: texts },
  }),
  operation("POST", "/tasks/{task-name}/start", "startTask", "let a task run", 200, {
    body: object({ remove_meta: flag, start_time: text, safe_mode_time_duration: text, source_name_list: texts }),
  }),
  operation("POST", "/tasks/{task-name}/stop", "stopTask", "stop a task and keep it", 200, {
    body: object({ timeout_duration: text, source_name_list: texts }),
  }),
  operation("GET", "/tasks/{task-name}/sources/{source-name}/migrate_targets", "getMigrateTargets", "where tables go", 200, {
    query: { schema_pattern: text, table_pattern: text },
  }),
  operation("GET", "/tasks/{task-name}/sources/{source-name}/schemas", "getTaskSchemas", "databases that a paused subtask tracks", 200),
  operation("GET", "/tasks/{task-name}/sources/{source-name}/schemas/{schema-name}", "getTaskTables", "tables that it tracks", 200),
  operation("GET", tableOf, "getTaskTable", "a table's structure as it is tracked", 200),
  operation("PUT", tableOf, "setTaskTable", "set a table's structure", 200, {
    body: object({ schema_source: choice("sql", "upstream", "downstream"), sql_content: text, flush: flag, sync: flag }),
  }),
  operation("DELETE", tableOf, "deleteTaskTable", "forget a table's structure", 204),
];

/** The published document, OpenAPI 3.0. */
export function openApiDocument(version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const each of operations) {
    const names = [...each.path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1] as string);
    const parameters = [
      ...names.map((name) => ({ name, in: "path", required: true, schema: text })),
      ...Object.entries(each.query ?? {}).map(([name, schema]) => ({ name, in: "query", required: false, schema })),
    ];
    (paths[`/api/v1${each.path}`] ??= {})[each.method.toLowerCase()] = {
      operationId: each.id,
      summary: each.summary,
      ...(parameters.length === 0 ? {} : { parameters }),
      ...(each.body === undefined ? {} : { requestBody: { content: { "application/json": { schema: each.body } } } }),
      responses: {
        [each.success]: { description: "done" },
        400: {
          description: "refused",
          content: { "application/json": { schema: object({ error_code: whole, error_msg: text }, ["error_code", "error_msg"]) } },
        },
      },
    };
  }
  return {
    openapi: "3.0.0",
    info: { title: "DM API", version, license: { name: "Apache 2.0" }, description: "Operates migration: sources, tasks and the cluster." },
    paths,
  };
}
