/**
 * A task as the OpenAPI has it ⇄ task.yaml. Each table_migrate_rule becomes one route (when it has a target) and an entry in its
 * source's block-allow-list; the way back reads the entries and finds the route of the same patterns.
 */
import { stringify } from "yaml";
import { taskShape } from "../config/shapes.ts";
import { readShape } from "../config/source-yaml.ts";

export interface ApiTask {
  readonly name: string;
  readonly task_mode: string;
  readonly shard_mode?: string;
  readonly strict_optimistic_shard_mode?: boolean | null;
  readonly meta_schema?: string;
  readonly timezone?: string;
  readonly enhance_online_schema_change: boolean;
  readonly on_duplicate: string;
  readonly target_config: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly password: string;
    readonly security?: ApiSecurity | null;
    readonly session?: Readonly<Record<string, string>>;
  };
  readonly binlog_filter_rule?: Readonly<
    Record<string, { readonly ignore_event?: readonly string[]; readonly ignore_sql?: readonly string[] }>
  >;
  readonly table_migrate_rule: readonly TableMigrateRule[];
  readonly source_config: {
    readonly full_migrate_conf?: Readonly<Record<string, unknown>>;
    readonly incr_migrate_conf?: Readonly<Record<string, unknown>>;
    readonly source_conf: readonly {
      readonly source_name: string;
      readonly binlog_name?: string;
      readonly binlog_pos?: number;
      readonly binlog_gtid?: string;
    }[];
  };
  readonly ignore_checking_items?: readonly string[];
}

export interface TableMigrateRule {
  readonly source: { readonly source_name: string; readonly schema: string; readonly table: string };
  readonly target?: { readonly schema?: string; readonly table?: string };
  readonly binlog_filter_rule?: readonly string[];
}

export interface ApiSecurity {
  readonly ssl_ca_content: string;
  readonly ssl_cert_content: string;
  readonly ssl_key_content: string;
  readonly cert_allowed_cn?: readonly string[];
}

export function securityYaml(security: ApiSecurity | null | undefined): object | null {
  if (security === null || security === undefined) return null;
  const base64 = (text: string) => Buffer.from(text, "utf8").toString("base64");
  return {
    "ssl-ca-base64": base64(security.ssl_ca_content),
    "ssl-cert-base64": base64(security.ssl_cert_content),
    "ssl-key-base64": base64(security.ssl_key_content),
    ...(security.cert_allowed_cn === undefined ? {} : { "cert-allowed-cn": security.cert_allowed_cn }),
  };
}

export function taskYaml(task: ApiTask): string {
  const routes: Record<string, object> = {};
  const filters: Record<string, object> = {};
  const lists: Record<string, object> = {};
  const numbered = (prefix: string, count: number) => `${prefix}-${String(count + 1).padStart(2, "0")}`;
  const { full_migrate_conf: full = {}, incr_migrate_conf: incremental = {}, source_conf } = task.source_config;

  const instances = source_conf.map((source) => {
    const rules = task.table_migrate_rule.filter((rule) => rule.source.source_name === source.source_name);
    const routeNames: string[] = [];
    const filterNames: string[] = [];
    for (const rule of rules) {
      const pattern = { "schema-pattern": rule.source.schema, ...(rule.source.table === "" ? {} : { "table-pattern": rule.source.table }) };
      const isMoved = rule.target !== undefined && (rule.target.schema ?? "") !== "";
      if (isMoved) {
        const name = numbered("route", Object.keys(routes).length);
        routes[name] = {
          ...pattern,
          "target-schema": rule.target.schema,
          ...((rule.target.table ?? "") === "" ? {} : { "target-table": rule.target.table }),
        };
        routeNames.push(name);
      }
      for (const wanted of rule.binlog_filter_rule ?? []) {
        const filter = task.binlog_filter_rule?.[wanted];
        if (filter === undefined) throw new Error(`filter rule name ${wanted} not found.`);
        const name = numbered("filter", Object.keys(filters).length);
        filters[name] = { ...pattern, events: filter.ignore_event ?? [], "sql-pattern": filter.ignore_sql ?? [], action: "Ignore" };
        filterNames.push(name);
      }
    }
    const list = numbered("balist", Object.keys(lists).length);
    lists[list] = {
      "do-tables": rules.map(({ source: { schema, table } }) => ({ "db-name": schema, "tbl-name": table === "" ? "*" : table })),
    };
    const hasMeta = (source.binlog_name ?? "") !== "" || (source.binlog_gtid ?? "") !== "";
    return {
      "source-id": source.source_name,
      ...(hasMeta
        ? {
            meta: {
              "binlog-name": source.binlog_name ?? "",
              "binlog-pos": source.binlog_pos ?? 0,
              "binlog-gtid": source.binlog_gtid ?? "",
            },
          }
        : {}),
      "route-rules": routeNames,
      "filter-rules": filterNames,
      "block-allow-list": list,
      "mydumper-config-name": "dump-01",
      "loader-config-name": "load-01",
      "syncer-config-name": "sync-01",
    };
  });

  const consistency = full["consistency"];
  const given = (fields: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && value !== ""));
  return stringify(
    given({
      name: task.name,
      "task-mode": task.task_mode,
      "shard-mode": task.shard_mode,
      "strict-optimistic-shard-mode": task.strict_optimistic_shard_mode,
      "meta-schema": task.meta_schema,
      timezone: task.timezone,
      "online-ddl": task.enhance_online_schema_change,
      "ignore-checking-items": task.ignore_checking_items ?? [],
      "target-database": {
        host: task.target_config.host,
        port: task.target_config.port,
        user: task.target_config.user,
        password: task.target_config.password,
        ...(task.target_config.session === undefined ? {} : { session: task.target_config.session }),
        ...(task.target_config.security === undefined || task.target_config.security === null
          ? {}
          : { security: securityYaml(task.target_config.security) }),
      },
      "mysql-instances": instances,
      routes,
      filters,
      "block-allow-list": lists,
      mydumpers: {
        "dump-01": given({
          threads: full["export_threads"],
          "extra-args": typeof consistency === "string" && consistency !== "" ? `--consistency ${consistency}` : undefined,
        }),
      },
      loaders: {
        "load-01": given({
          "pool-size": full["import_threads"],
          dir: full["data_dir"],
          "import-mode": full["import_mode"],
          "on-duplicate-logical": full["on_duplicate_logical"] ?? task.on_duplicate,
          "on-duplicate-physical": full["on_duplicate_physical"],
          "sorting-dir-physical": full["sorting_dir"],
          "disk-quota-physical": full["disk_quota"],
          "checksum-physical": full["checksum"],
          analyze: full["analyze"],
          "range-concurrency": full["range_concurrency"],
          "compress-kv-pairs": full["compress-kv-pairs"],
          "pd-addr": full["pd_addr"],
        }),
      },
      syncers: {
        "sync-01": given({
          "worker-count": incremental["repl_threads"],
          batch: incremental["repl_batch"],
          "safe-mode": incremental["safe_mode"],
        }),
      },
    }),
    { lineWidth: 0, indentSeq: false },
  );
}

/** What task.yaml says, as the OpenAPI has it; the password is left as it is. Throws 20003 on a text that is no task. */
export function taskFromYaml(yaml: string): ApiTask {
  const shape = readShape(taskShape, yaml, "task.yaml", "decode task config failed");
  const target = shape["target-database"];
  const rules: TableMigrateRule[] = [];
  const binlogFilters: Record<string, { ignore_event?: readonly string[]; ignore_sql?: readonly string[] }> = {};
  const lists = { ...shape["black-white-list"], ...shape["block-allow-list"] };
  for (const instance of shape["mysql-instances"]) {
    const source_name = instance["source-id"];
    const list = lists[instance["block-allow-list"] || instance["black-white-list"]];
    const tables = [
      ...(list?.["do-tables"] ?? []).map((each) => ({ schema: each["db-name"], table: each["tbl-name"] })),
      ...(list?.["do-dbs"] ?? []).map((schema) => ({ schema, table: "" })),
    ];
    const routes = instance["route-rules"].flatMap((name) => shape.routes[name] ?? []);
    const filterNames = instance["filter-rules"];
    for (const each of tables.length === 0 ? [{ schema: "*", table: "" }] : tables) {
      const isSame = (rule: { "schema-pattern"?: string; "table-pattern"?: string }) =>
        rule["schema-pattern"] === each.schema && wildcard(rule["table-pattern"]) === wildcard(each.table);
      const route = routes.find(isSame);
      const names = filterNames.filter((name) => {
        const filter = shape.filters[name];
        return filter !== undefined && isSame(filter);
      });
      for (const name of names) {
        const filter = shape.filters[name];
        binlogFilters[name] = { ignore_event: filter?.events ?? [], ignore_sql: filter?.["sql-pattern"] ?? [] };
      }
      rules.push({
        source: { source_name, ...each },
        ...(route === undefined ? {} : { target: { schema: route["target-schema"], table: route["target-table"] } }),
        ...(names.length === 0 ? {} : { binlog_filter_rule: names }),
      });
    }
  }
  const first = shape["mysql-instances"][0];
  const dumper = first?.mydumper ?? shape.mydumpers[first?.["mydumper-config-name"] ?? ""];
  const loader = first?.loader ?? shape.loaders[first?.["loader-config-name"] ?? ""];
  const syncer = first?.syncer ?? shape.syncers[first?.["syncer-config-name"] ?? ""];
  return {
    name: shape.name,
    task_mode: shape["task-mode"],
    ...(shape["shard-mode"] === "" ? {} : { shard_mode: shape["shard-mode"] }),
    strict_optimistic_shard_mode: shape["strict-optimistic-shard-mode"],
    meta_schema: shape["meta-schema"] || "dm_meta",
    ...(shape.timezone === "" ? {} : { timezone: shape.timezone }),
    enhance_online_schema_change: shape["online-ddl"],
    on_duplicate: loader?.["on-duplicate-logical"] || loader?.["on-duplicate"] || "replace",
    target_config: {
      host: target?.host ?? "",
      port: target?.port ?? 0,
      user: target?.user ?? "",
      password: String(target?.password ?? ""),
      security: null,
    },
    ...(Object.keys(binlogFilters).length === 0 ? {} : { binlog_filter_rule: binlogFilters }),
    table_migrate_rule: rules,
    source_config: {
      full_migrate_conf: {
        export_threads: dumper?.threads ?? 4,
        import_threads: loader?.["pool-size"] ?? 16,
        data_dir: loader?.dir ?? "./dumped_data",
      },
      incr_migrate_conf: { repl_threads: syncer?.["worker-count"] ?? 16, repl_batch: syncer?.batch ?? 100 },
      source_conf: shape["mysql-instances"].map((instance) => ({
        source_name: instance["source-id"],
        ...(instance.meta === undefined
          ? {}
          : {
              binlog_name: instance.meta["binlog-name"],
              binlog_pos: instance.meta["binlog-pos"],
              binlog_gtid: instance.meta["binlog-gtid"],
            }),
      })),
    },
    ...(shape["ignore-checking-items"].length === 0 ? {} : { ignore_checking_items: shape["ignore-checking-items"] }),
  };
}

/** No table pattern means every table. */
function wildcard(pattern: string | undefined): string {
  return pattern === undefined || pattern === "" ? "*" : pattern;
}
