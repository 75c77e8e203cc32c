/**
 * task.yaml: read, checked in the documented order, and taken apart into subtasks, one a source; and put together again from
 * them, because only subtasks are stored.
 */
import { checkShape, formatDuration, parseDuration } from "@skein/base";
import { stringify } from "yaml";
import { parseExtraArguments } from "../copy/core/extra-args.ts";
import { dmErrors } from "../errors.ts";
import { compileExpression, ExpressionError } from "../expression/core/compile.ts";
import { PatternError } from "../filter/core/name-pattern.ts";
import { createOnlineTables, defaultShadowRules, defaultTrashRules } from "../filter/core/online-ddl.ts";
import { createRouter } from "../filter/core/router.ts";
import { createTableFilter } from "../filter/core/table-filter.ts";
import { type FileReader, securityOf } from "./security.ts";
import {
  type AllowListShape,
  type DumperShape,
  dumperShape,
  type InstanceShape,
  type LoaderShape,
  loaderShape,
  type RouteShape,
  type SyncerShape,
  syncerShape,
  type TaskShape,
  taskShape,
  type ValidatorShape,
  validatorShape,
} from "./shapes.ts";
import { dbConfigOf, type SourceConfig } from "./source-config.ts";
import { durationMs, endpointOf, eventFilterOf, eventFilterToShape, readShape } from "./source-yaml.ts";
import type {
  DumperConfig,
  ExpressionFilterRule,
  LoaderConfig,
  MetaConfig,
  RouteRule,
  ShardMode,
  SubtaskConfig,
  SyncerConfig,
  TableFilterRules,
  TaskMode,
  ValidatorConfig,
} from "./subtask-config.ts";

/** A task that was read and checked by itself; `makeSubtasks` joins it with its sources. */
export interface Task {
  readonly name: string;
  readonly mode: TaskMode;
  readonly shape: TaskShape;
  readonly sourceIds: readonly string[];
  /** Deprecated keys that are set: shown to the user, without effect. */
  readonly warnings: readonly string[];
}

const modes: readonly TaskMode[] = ["full", "incremental", "all", "dump", "load", "load&sync"];

/** Names of prechecks that may be ignored; the order and texts are those of the list that 20001 shows. */
const checkingItems: Readonly<Record<string, string>> = {
  all: "all checking items",
  dump_privilege: "dump privileges of source DB checking item",
  replication_privilege: "replication privileges of source DB checking item",
  version: "MySQL/MariaDB version checking item",
  server_id: "server_id checking item",
  binlog_enable: "binlog enable checking item",
  binlog_format: "binlog format checking item",
  binlog_row_image: "binlog row image checking item",
  table_schema: "table schema compatibility checking item",
  schema_of_shard_tables: "consistent schema of shard tables checking item",
  auto_increment_ID: "conflict auto increment primary key of shard tables checking item",
  online_ddl: "online ddl checking item",
  binlog_db: "binlog db checking item",
  conn_number: "connection number checking item",
  target_privilege: "target database privileges checking item",
  meta_position: "meta position valid checking item",
  empty_region: "physical import mode empty region checking item",
  region_distribution: "physical import mode region distribution checking item",
  downstream_version: "physical import mode cluster version checking item",
  free_space: "physical import mode free space checking item",
  downstream_mutex_features: "physical import mode PITR and CDC checking item",
  downstream_table_empty: "physical import mode empty target tables checking item",
  primary_key: "primary key existence checking item",
};

/** The checkpoint table `<task>_syncer_checkpoint` needs a name, and a server's names have 64 characters. */
const taskNameLengthMax = 64 - "_syncer_checkpoint".length;

/** Throws a CodedError for the first thing that is wrong. */
export function parseTask(yaml: string, options: { readonly file?: string } = {}): Task {
  const shape = readShape(taskShape, yaml, options.file ?? "task.yaml", "decode task config failed");
  const warnings: string[] = [];
  if (shape.name === "") throw dmErrors.taskNameMissing([]);
  const nameLength = Array.from(shape.name).length;
  if (nameLength > taskNameLengthMax)
    throw dmErrors.configYaml([
      `name: ${nameLength} characters, and at most ${taskNameLengthMax} leave room in the names of the task's tables in the meta schema`,
    ]);
  for (const item of shape["ignore-checking-items"])
    if (!Object.hasOwn(checkingItems, item)) throw dmErrors.checkItemUnknown([item, checkingItemsText()]);
  const mode = modes.find((known) => known === shape["task-mode"]);
  if (mode === undefined) throw dmErrors.taskMode([]);
  shardModeOf(shape);
  if (shape["online-ddl-scheme"] !== "" && !["gh-ost", "pt"].includes(shape["online-ddl-scheme"])) {
    throw dmErrors.onlineDdlScheme([shape["online-ddl-scheme"]]);
  }
  createOnlineTables(shape["shadow-table-rules"], shape["trash-table-rules"]);
  if (!["", "loose", "strict"].includes(shape.collation_compatible)) throw dmErrors.collationCompatible([shape.collation_compatible]);
  checkTimezone(shape.timezone);
  if (shape["target-database"] === undefined) throw dmErrors.targetMissing([]);
  if (shape["mysql-instances"].length === 0) throw dmErrors.instancesMissing([]);
  if (Object.keys(shape["column-mappings"]).length > 0) throw dmErrors.columnMapping([]);
  if (shape["remove-meta"]) warnings.push("`remove-meta` in task config is deprecated, please use `start-task ... --remove-meta` instead");
  checkInstances(shape, mode);
  return { name: shape.name, mode, shape, sourceIds: shape["mysql-instances"].map((instance) => instance["source-id"]), warnings };
}

function checkInstances(shape: TaskShape, mode: TaskMode): void {
  const used = {
    routes: new Set<string>(),
    filters: new Set<string>(),
    expressions: new Set<string>(),
    mydumpers: new Set<string>(),
    loaders: new Set<string>(),
    syncers: new Set<string>(),
    validators: new Set<string>(),
  };
  const seen = new Map<string, number>();
  for (const [index, instance] of shape["mysql-instances"].entries()) {
    const source = instance["source-id"];
    if (source === "") throw dmErrors.configYaml([`mysql-instances[${index}].source-id: is required`]);
    const first = seen.get(source);
    if (first !== undefined) throw dmErrors.instancesSameSource([first, index, source]);
    seen.set(source, index);
    const { meta } = instance;
    if (mode === "incremental" && meta !== undefined && meta["binlog-name"] === "" && meta["binlog-gtid"] === "") {
      throw dmErrors.metaMissing([`mysql-instance: ${index}th: source ${source}: `]);
    }
    const named = (names: readonly string[], known: object, usedNames: Set<string>, missing: (name: string) => Error) => {
      const duplicates = names.filter((name, at) => names.indexOf(name) !== at);
      if (duplicates.length > 0) throw dmErrors.ruleDuplicate([index, duplicates]);
      for (const name of names) {
        if (!Object.hasOwn(known, name)) throw missing(name);
        usedNames.add(name);
      }
    };
    named(instance["route-rules"], shape.routes, used.routes, (name) => dmErrors.routeMissing([index, name]));
    named(instance["filter-rules"], shape.filters, used.filters, (name) => dmErrors.filterMissing([index, name]));
    named(instance["column-mapping-rules"], shape["column-mappings"], new Set(), (name) => dmErrors.columnMappingMissing([index, name]));
    named(instance["expression-filters"], shape["expression-filter"], used.expressions, (name) =>
      dmErrors.expressionMissing([index, name]),
    );
    const listName = allowListName(instance);
    if (listName !== "" && !Object.hasOwn(allowLists(shape), listName)) throw dmErrors.allowListMissing([index, listName]);
    if (instance["mydumper-config-name"] !== "" && instance.mydumper !== undefined) throw dmErrors.mydumperConflict([]);
    if (instance["loader-config-name"] !== "" && instance.loader !== undefined) throw dmErrors.loaderConflict([]);
    if (instance["syncer-config-name"] !== "" && instance.syncer !== undefined) throw dmErrors.syncerConflict([]);
    const one = (name: string) => (name === "" ? [] : [name]);
    named(one(instance["mydumper-config-name"]), shape.mydumpers, used.mydumpers, (name) => dmErrors.mydumperMissing([index, name]));
    named(one(instance["loader-config-name"]), shape.loaders, used.loaders, (name) => dmErrors.loaderMissing([index, name]));
    named(one(instance["syncer-config-name"]), shape.syncers, used.syncers, (name) => dmErrors.syncerMissing([index, name]));
    named(one(instance["validator-config-name"]), shape.validators, used.validators, (name) => dmErrors.validatorMissing([index, name]));
    // Read once here, so that a bad block is refused when the task is checked and not when it runs.
    const { extraArgs } = dumperOf(dumperBlock(shape, instance));
    try {
      parseExtraArguments(extraArgs);
    } catch (error) {
      if (error instanceof RangeError) throw dmErrors.configYaml([`mysql-instances[${index}]: extra-args: ${error.message}`]);
      throw error;
    }
    loaderOf(loaderBlock(shape, instance), shape.name, mode);
    syncerOf(syncerBlock(shape, instance), shape);
    validatorOf(validatorBlock(shape, instance));
  }
  checkImportModes(shape);
  for (const [name, rule] of Object.entries(shape["expression-filter"])) expressionOf(name, rule);
  const routes = Object.entries(shape.routes).map(([name, rule]) => routeOf(rule, `routes.${name}`));
  for (const [name, rule] of Object.entries(shape.filters)) eventFilterOf(rule, `filters.${name}`);
  try {
    createRouter(routes, { caseSensitive: false, sourceId: "" });
    for (const list of Object.values(allowLists(shape))) createTableFilter(allowListOf(list), { caseSensitive: false });
  } catch (error) {
    if (error instanceof PatternError) throw dmErrors.configYaml([`routes or block-allow-list: ${error.message}`], error);
    throw error;
  }
  const unused = [
    ...unusedOf(shape.routes, used.routes),
    ...unusedOf(shape.filters, used.filters),
    ...unusedOf(shape.mydumpers, used.mydumpers),
    ...unusedOf(shape.loaders, used.loaders),
    ...unusedOf(shape.syncers, used.syncers),
    ...unusedOf(shape["expression-filter"], used.expressions),
    ...unusedOf(shape.validators, used.validators),
  ];
  if (unused.length > 0) throw dmErrors.unusedConfigs([unused.sort()]);
}

function unusedOf(known: object, used: ReadonlySet<string>): string[] {
  return Object.keys(known).filter((name) => !used.has(name));
}

function shardModeOf(shape: TaskShape): ShardMode {
  const mode = shape["shard-mode"];
  if (mode !== "" && mode !== "pessimistic" && mode !== "optimistic") throw dmErrors.shardMode([mode]);
  if (shape["is-sharding"] === false && mode !== "") {
    throw dmErrors.configYaml([`\`is-sharding: false\` conflicts with \`shard-mode: ${mode}\`: leave one of them out`]);
  }
  if (shape["strict-optimistic-shard-mode"] && mode !== "optimistic") throw dmErrors.strictOptimistic([]);
  return mode === "" && shape["is-sharding"] === true ? "pessimistic" : mode;
}

/** `SYSTEM` and `Local` mean something else on every machine. */
function checkTimezone(timezone: string): void {
  if (timezone === "") return;
  if (/^(system|local)$/i.test(timezone)) throw dmErrors.timezone(["'SYSTEM' or 'Local' time_zone is not supported"]);
  const offset = /^([+-])(\d{1,2}):(\d{2})$/.exec(timezone);
  if (offset !== null) {
    const minutes = (Number(offset[2]) * 60 + Number(offset[3])) * (offset[1] === "-" ? -1 : 1);
    if (Number(offset[3]) > 59 || minutes < -(12 * 60 + 59) || minutes > 14 * 60) {
      throw dmErrors.timezone([`time_zone ${timezone} is out of the range -12:59 … +14:00`]);
    }
    return;
  }
  try {
    Intl.DateTimeFormat("en", { timeZone: timezone }); // throws for a name that it does not know
  } catch (error) {
    throw dmErrors.timezone([`time_zone ${timezone} is not known`], error);
  }
}

function checkingItemsText(): string {
  const lines = Object.entries(checkingItems).map(([name, description]) => `${name}:\t${description}`);
  return [
    "************ supporting checking items ************",
    " name:\t\tdescription",
    ...lines,
    "************ supporting checking items ************",
  ].join("\n");
}

function allowListName(instance: InstanceShape): string {
  return instance["block-allow-list"] === "" ? instance["black-white-list"] : instance["block-allow-list"];
}

function allowLists(shape: TaskShape): Record<string, AllowListShape> {
  return { ...shape["black-white-list"], ...shape["block-allow-list"] };
}

function dumperBlock(shape: TaskShape, instance: InstanceShape): DumperShape {
  const block = instance.mydumper ?? shape.mydumpers[instance["mydumper-config-name"]] ?? checkShape(dumperShape, {}, "mydumpers");
  return instance["mydumper-thread"] > 0 ? { ...block, threads: instance["mydumper-thread"] } : block;
}
function loaderBlock(shape: TaskShape, instance: InstanceShape): LoaderShape {
  const block = instance.loader ?? shape.loaders[instance["loader-config-name"]] ?? checkShape(loaderShape, {}, "loaders");
  return instance["loader-thread"] > 0 ? { ...block, "pool-size": instance["loader-thread"] } : block;
}
function syncerBlock(shape: TaskShape, instance: InstanceShape): SyncerShape {
  const block = instance.syncer ?? shape.syncers[instance["syncer-config-name"]] ?? checkShape(syncerShape, {}, "syncers");
  return instance["syncer-thread"] > 0 ? { ...block, "worker-count": instance["syncer-thread"] } : block;
}
function validatorBlock(shape: TaskShape, instance: InstanceShape): ValidatorShape {
  return shape.validators[instance["validator-config-name"]] ?? checkShape(validatorShape, {}, "validators");
}

export function dumperOf(block: DumperShape): DumperConfig {
  const text = String(block["chunk-filesize"]);
  const match = /^(\d+)\s*(|b|k|kb|kib|m|mb|mib|g|gb|gib)$/i.exec(text.trim());
  if (match === null) throw dmErrors.chunkFilesize([text]);
  const unit = { "": 2 ** 20, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }[(match[2] as string).toLowerCase().charAt(0)] as number;
  return {
    threads: block.threads,
    chunkFilesizeBytes: Number(match[1]) * unit,
    chunkFilesize: text,
    statementSizeBytes: block["statement-size"],
    rows: block.rows,
    where: block.where,
    skipTzUtc: block["skip-tz-utc"],
    extraArgs: block["extra-args"],
  };
}

export function loaderOf(block: LoaderShape, task: string, mode: TaskMode): LoaderConfig {
  const importMode = block["import-mode"];
  if (!["logical", "sql", "loader", "", "physical", "import-into"].includes(importMode)) throw dmErrors.importMode([importMode]);
  if (importMode === "physical" || importMode === "import-into") throw dmErrors.unitNotBuilt([`\`import-mode: ${importMode}\``]);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(block.dir))
    throw dmErrors.unitNotBuilt([`dump files in an object store (\`loaders\`: \`dir: ${block.dir}\`)`]);
  const onDuplicate = block["on-duplicate-logical"] || block["on-duplicate"] || "replace";
  if (onDuplicate !== "replace" && onDuplicate !== "error" && onDuplicate !== "ignore") throw dmErrors.onDuplicate([onDuplicate]);
  const physicalDuplicate = block["on-duplicate-physical"] || "none";
  if (!["none", "manual"].includes(physicalDuplicate)) throw dmErrors.onDuplicatePhysical([physicalDuplicate]);
  const checksum = block["checksum-physical"] || "required";
  if (!["required", "optional", "off"].includes(checksum)) throw dmErrors.checksumPhysical([checksum]);
  const analyze = block.analyze || "optional";
  if (!["required", "optional", "off"].includes(analyze)) throw dmErrors.analyze([analyze]);
  const keepsName = mode === "load" || mode === "load&sync";
  const dir = keepsName || block.dir.endsWith(`.${task}`) ? block.dir : `${block.dir}.${task}`;
  return {
    poolSize: block["pool-size"],
    dir,
    importMode: "logical",
    onDuplicateLogical: onDuplicate,
    physical: {
      onDuplicate: physicalDuplicate,
      sortingDir: block["sorting-dir-physical"] || `${dir}.sorting`,
      diskQuota: Number(block["disk-quota-physical"]) || 0,
      checksum,
      analyze,
      rangeConcurrency: block["range-concurrency"],
      compressKvPairs: block["compress-kv-pairs"],
      pdAddr: block["pd-addr"],
    },
  };
}

export function syncerOf(block: SyncerShape, shape: Pick<TaskShape, "target-database">): SyncerConfig {
  const flushMs = block["checkpoint-flush-interval"] * 1_000;
  const text = block["safe-mode-duration"];
  const durationOfText = text === "" ? 2 * flushMs : parseDuration(text);
  if (durationOfText === null || durationOfText < 0) throw dmErrors.safeModeDuration([text, "it is not a duration such as `60s`"]);
  if (block["safe-mode"] && durationOfText === 0) throw dmErrors.safeModeConflict([]);
  const checksForeignKeys = ["1", "on", "true"].includes(
    String(shape["target-database"]?.session["foreign_key_checks"] ?? "").toLowerCase(),
  );
  if (checksForeignKeys && block.compact) throw dmErrors.foreignKeyConflict(["compact"]);
  if (checksForeignKeys && block["multiple-rows"]) throw dmErrors.foreignKeyConflict(["multiple-rows"]);
  return {
    workerCount: block["worker-count"],
    batch: block.batch,
    queueSize: block["queue-size"],
    checkpointFlushIntervalMs: flushMs,
    compact: block.compact,
    multipleRows: block["multiple-rows"],
    safeMode: block["safe-mode"],
    safeModeDurationMs: durationOfText,
  };
}

export function validatorOf(block: ValidatorShape): ValidatorConfig {
  const { mode } = block;
  if (mode !== "none" && mode !== "fast" && mode !== "full") throw dmErrors.validatorMode([mode]);
  if (mode !== "none") throw dmErrors.unitNotBuilt([`continuous data validation (\`validators\`: \`mode: ${mode}\`)`]);
  return {
    mode,
    workerCount: block["worker-count"],
    validateIntervalMs: durationMs(block["validate-interval"], "validators.validate-interval"),
    checkIntervalMs: durationMs(block["check-interval"], "validators.check-interval"),
    rowErrorDelayMs: durationMs(block["row-error-delay"], "validators.row-error-delay"),
    metaFlushIntervalMs: durationMs(block["meta-flush-interval"], "validators.meta-flush-interval"),
    batchQuerySize: block["batch-query-size"],
    maxPendingRowSize: block["max-pending-row-size"],
    maxPendingRowCount: block["max-pending-row-count"],
  };
}

function checkImportModes(shape: TaskShape): void {
  const used = [...new Set(shape["mysql-instances"].map((instance) => loaderBlock(shape, instance)["import-mode"]))];
  const [first, second] = used;
  if (first !== undefined && second !== undefined) {
    throw dmErrors.configYaml([`found two import-mode ${first} and ${second} in task config, DM only supports one value`]);
  }
}

export function routeOf(rule: RouteShape, where: string): RouteRule {
  if (rule["schema-pattern"] === "") throw dmErrors.configYaml([`${where}.schema-pattern: is required`]);
  if (rule["target-schema"] === "") throw dmErrors.configYaml([`${where}.target-schema: is required`]);
  const { "extract-table": table, "extract-schema": schema, "extract-source": source } = rule;
  return {
    schemaPattern: rule["schema-pattern"],
    tablePattern: rule["table-pattern"],
    targetSchema: rule["target-schema"],
    targetTable: rule["target-table"],
    extractTable: table === undefined ? null : { regexp: table["table-regexp"], column: table["target-column"] },
    extractSchema: schema === undefined ? null : { regexp: schema["schema-regexp"], column: schema["target-column"] },
    extractSource: source === undefined ? null : { regexp: source["source-regexp"], column: source["target-column"] },
  };
}

export function routeToShape(rule: RouteRule): RouteShape {
  return {
    "schema-pattern": rule.schemaPattern,
    "table-pattern": rule.tablePattern,
    "target-schema": rule.targetSchema,
    "target-table": rule.targetTable,
    ...(rule.extractTable === null
      ? {}
      : { "extract-table": { "table-regexp": rule.extractTable.regexp, "target-column": rule.extractTable.column } }),
    ...(rule.extractSchema === null
      ? {}
      : { "extract-schema": { "schema-regexp": rule.extractSchema.regexp, "target-column": rule.extractSchema.column } }),
    ...(rule.extractSource === null
      ? {}
      : { "extract-source": { "source-regexp": rule.extractSource.regexp, "target-column": rule.extractSource.column } }),
  };
}

export function expressionToShape(rule: ExpressionFilterRule): TaskShape["expression-filter"][string] {
  return {
    schema: rule.schema,
    table: rule.table,
    "insert-value-expr": rule.insertValueExpr,
    "update-old-value-expr": rule.updateOldValueExpr,
    "update-new-value-expr": rule.updateNewValueExpr,
    "delete-value-expr": rule.deleteValueExpr,
  };
}

export function expressionOf(name: string, rule: TaskShape["expression-filter"][string]): ExpressionFilterRule {
  if (rule.schema === "") throw dmErrors.expressionTable([name, "schema"]);
  if (rule.table === "") throw dmErrors.expressionTable([name, "table"]);
  const kinds = [
    ["insert-value-expr", rule["insert-value-expr"] !== ""],
    ["update-old-value-expr/update-new-value-expr", rule["update-old-value-expr"] !== "" || rule["update-new-value-expr"] !== ""],
    ["delete-value-expr", rule["delete-value-expr"] !== ""],
  ] as const;
  const set = kinds.filter(([, isSet]) => isSet).map(([field]) => field);
  if (set.length > 1) throw dmErrors.expressionKinds([name, set]);
  for (const text of [rule["insert-value-expr"], rule["update-old-value-expr"], rule["update-new-value-expr"], rule["delete-value-expr"]]) {
    try {
      if (text !== "") compileExpression(text, null, (utc) => utc);
    } catch (error) {
      if (error instanceof ExpressionError) throw dmErrors.expressionGrammar([name, text, error.message]);
      throw error;
    }
  }
  return {
    name,
    schema: rule.schema,
    table: rule.table,
    insertValueExpr: rule["insert-value-expr"],
    updateOldValueExpr: rule["update-old-value-expr"],
    updateNewValueExpr: rule["update-new-value-expr"],
    deleteValueExpr: rule["delete-value-expr"],
  };
}

export function allowListOf(list: AllowListShape): TableFilterRules {
  const tables = (patterns: AllowListShape["do-tables"]) =>
    patterns.map((pattern) => ({ schema: pattern["db-name"], table: pattern["tbl-name"] }));
  return {
    doDbs: list["do-dbs"],
    ignoreDbs: list["ignore-dbs"],
    doTables: tables(list["do-tables"]),
    ignoreTables: tables(list["ignore-tables"]),
  };
}

/**
 * One subtask a source. Throws 20031 for a source that is not known, 20022 where a start point is needed and missing.
 * `decrypt` gives passwords in clear; `readFile` reads TLS paths of the target.
 */
export function makeSubtasks(
  task: Task,
  sources: ReadonlyMap<string, SourceConfig>,
  options: { readonly decrypt?: (text: string) => string; readonly readFile?: FileReader } = {},
): SubtaskConfig[] {
  const { shape } = task;
  const decrypt = options.decrypt ?? ((text: string) => text);
  const lists = allowLists(shape);
  return shape["mysql-instances"].map((instance) => {
    const source = sources.get(instance["source-id"]);
    if (source === undefined) throw dmErrors.sourceNotDeployed([instance["source-id"]]);
    const meta: MetaConfig | null =
      instance.meta === undefined || task.mode !== "incremental"
        ? null
        : { binlogName: instance.meta["binlog-name"], binlogPos: instance.meta["binlog-pos"], binlogGtid: instance.meta["binlog-gtid"] };
    if (meta !== null && (source.enableGtid ? meta.binlogGtid === "" && meta.binlogName === "" : meta.binlogName === "")) {
      throw dmErrors.metaMissing([`mysql-instance: source ${source.sourceId}: `]);
    }
    const target = endpointOf(shape["target-database"] as NonNullable<TaskShape["target-database"]>, options.readFile);
    return withSource(
      {
        name: task.name,
        mode: task.mode,
        shardMode: shardModeOf(shape),
        strictOptimisticShardMode: shape["strict-optimistic-shard-mode"],
        ignoreCheckingItems: shape["ignore-checking-items"],
        metaSchema: shape["meta-schema"] === "" ? "dm_meta" : shape["meta-schema"],
        timezone: shape.timezone,
        caseSensitive: shape["case-sensitive"],
        onlineDdl: shape["online-ddl"] || shape["online-ddl-scheme"] !== "",
        shadowTableRules: shape["shadow-table-rules"].length > 0 ? shape["shadow-table-rules"] : defaultShadowRules,
        trashTableRules: shape["trash-table-rules"].length > 0 ? shape["trash-table-rules"] : defaultTrashRules,
        cleanDumpFile: shape["clean-dump-file"],
        collationCompatible: shape.collation_compatible === "strict" ? "strict" : "loose",
        asyncCheckpointFlush: shape.experimental["async-checkpoint-flush"],
        to: dbConfigOf(target, decrypt),
        meta,
        routes: instance["route-rules"].map((name) => routeOf(shape.routes[name] as RouteShape, `routes.${name}`)),
        filters: instance["filter-rules"].map((name) =>
          eventFilterOf(shape.filters[name] as TaskShape["filters"][string], `filters.${name}`),
        ),
        blockAllowList: allowListOf(
          lists[allowListName(instance)] ?? { "do-dbs": [], "ignore-dbs": [], "do-tables": [], "ignore-tables": [] },
        ),
        expressionFilters: instance["expression-filters"].map((name) =>
          expressionOf(name, shape["expression-filter"][name] as TaskShape["expression-filter"][string]),
        ),
        dumper: dumperOf(dumperBlock(shape, instance)),
        loader: loaderOf(loaderBlock(shape, instance), task.name, task.mode),
        syncer: syncerOf(syncerBlock(shape, instance), shape),
        validator: validatorOf(validatorBlock(shape, instance)),
      },
      source,
      decrypt,
    );
  });
}

/** What belongs to the task alone; the rest comes from the source, each time anew. */
export type TaskPart = Omit<
  SubtaskConfig,
  "sourceId" | "flavor" | "serverId" | "enableGtid" | "useRelay" | "relayDir" | "checker" | "from"
>;

/** A rule of the task wins over the source's on the same patterns. */
export function withSource(task: TaskPart, source: SourceConfig, decrypt: (text: string) => string = (text) => text): SubtaskConfig {
  const isSame = (a: { schemaPattern: string; tablePattern: string }, b: { schemaPattern: string; tablePattern: string }) =>
    a.schemaPattern === b.schemaPattern && a.tablePattern === b.tablePattern;
  const added = source.filters.filter((rule) => !task.filters.some((own) => isSame(own, rule)));
  return Object.freeze({
    ...task,
    caseSensitive: task.caseSensitive || source.caseSensitive,
    filters: [...task.filters, ...added],
    sourceId: source.sourceId,
    flavor: source.flavor,
    serverId: source.serverId,
    enableGtid: source.enableGtid,
    useRelay: source.enableRelay,
    relayDir: source.relayDir,
    checker: source.checker,
    from: dbConfigOf(source.from, decrypt),
  });
}

/** task.yaml from its subtasks: blocks get numbered names, equal blocks share one. */
export function taskToYaml(
  subtasks: readonly SubtaskConfig[],
  options: { readonly mask?: boolean; readonly encrypt?: (text: string) => string } = {},
): string {
  const first = subtasks[0];
  if (first === undefined) throw dmErrors.instancesMissing([]);
  const named = (prefix: string) => {
    const blocks: Record<string, unknown> = {};
    const names = new Map<string, string>();
    const nameOf = (block: unknown): string => {
      const key = JSON.stringify(block);
      let name = names.get(key);
      if (name === undefined) {
        name = `${prefix}-${String(names.size + 1).padStart(2, "0")}`;
        names.set(key, name);
        blocks[name] = block;
      }
      return name;
    };
    return { blocks, nameOf };
  };
  const routes = named("route");
  const filters = named("filter");
  const lists = named("balist");
  const expressions = named("expr-filter");
  const dumps = named("dump");
  const loads = named("load");
  const syncs = named("sync");
  const validators = named("validator");
  const instances = [...subtasks]
    .sort((a, b) => (a.sourceId < b.sourceId ? -1 : 1))
    .map((subtask) => ({
      "source-id": subtask.sourceId,
      meta:
        subtask.meta === null
          ? null
          : { "binlog-name": subtask.meta.binlogName, "binlog-pos": subtask.meta.binlogPos, "binlog-gtid": subtask.meta.binlogGtid },
      "filter-rules": subtask.filters.map((rule) => filters.nameOf(eventFilterToShape(rule))),
      "column-mapping-rules": [],
      "route-rules": subtask.routes.map((rule) => routes.nameOf(routeToShape(rule))),
      "expression-filters": subtask.expressionFilters.map((rule) => expressions.nameOf(expressionToShape(rule))),
      "black-white-list": "",
      "block-allow-list": lists.nameOf(allowListToShape(subtask.blockAllowList)),
      "mydumper-config-name": dumps.nameOf(dumperToShape(subtask.dumper)),
      mydumper: null,
      "mydumper-thread": 0,
      "loader-config-name": loads.nameOf(loaderToShape(subtask.loader, subtask.name, subtask.mode)),
      loader: null,
      "loader-thread": 0,
      "syncer-config-name": syncs.nameOf(syncerToShape(subtask.syncer)),
      syncer: null,
      "syncer-thread": 0,
      "validator-config-name": validators.nameOf(validatorToShape(subtask.validator)),
    }));
  const password = first.to.password.reveal();
  return stringify(
    {
      name: first.name,
      "task-mode": first.mode,
      "shard-mode": first.shardMode,
      "strict-optimistic-shard-mode": first.strictOptimisticShardMode,
      "ignore-checking-items": first.ignoreCheckingItems,
      "meta-schema": first.metaSchema,
      "enable-heartbeat": false,
      "heartbeat-update-interval": 1,
      "heartbeat-report-interval": 10,
      timezone: first.timezone,
      "case-sensitive": first.caseSensitive,
      collation_compatible: first.collationCompatible,
      "target-database": {
        host: first.to.host,
        port: first.to.port,
        user: first.to.user,
        password: options.mask === true ? "******" : (options.encrypt?.(password) ?? password),
        "max-allowed-packet": null,
        session: first.to.session,
        security: securityOf(first.to.tls),
      },
      "mysql-instances": instances,
      "online-ddl": first.onlineDdl,
      "shadow-table-rules": first.shadowTableRules,
      "trash-table-rules": first.trashTableRules,
      "online-ddl-scheme": "",
      routes: routes.blocks,
      filters: filters.blocks,
      "column-mappings": {},
      "expression-filter": expressions.blocks,
      "black-white-list": {},
      "block-allow-list": lists.blocks,
      mydumpers: dumps.blocks,
      loaders: loads.blocks,
      syncers: syncs.blocks,
      validators: validators.blocks,
      "clean-dump-file": first.cleanDumpFile,
      "ansi-quotes": false,
      "remove-meta": false,
      experimental: { "async-checkpoint-flush": first.asyncCheckpointFlush },
    },
    { singleQuote: true, lineWidth: 0, indentSeq: false, aliasDuplicateObjects: false },
  );
}

export function allowListToShape(rules: TableFilterRules): AllowListShape {
  const tables = (patterns: TableFilterRules["doTables"]) =>
    patterns.map(({ schema, table }) => ({ "db-name": schema, "tbl-name": table }));
  return {
    "do-tables": tables(rules.doTables),
    "do-dbs": [...rules.doDbs],
    "ignore-tables": tables(rules.ignoreTables),
    "ignore-dbs": [...rules.ignoreDbs],
  };
}

export function dumperToShape(dumper: DumperConfig): DumperShape {
  return {
    "mydumper-path": "./bin/mydumper",
    threads: dumper.threads,
    "chunk-filesize": dumper.chunkFilesize,
    "statement-size": dumper.statementSizeBytes,
    rows: dumper.rows,
    where: dumper.where,
    "skip-tz-utc": dumper.skipTzUtc,
    "extra-args": dumper.extraArgs,
  };
}

/** With `task`, the folder as the user wrote it; without, as it is used. */
export function loaderToShape(loader: LoaderConfig, task?: string, mode?: TaskMode): LoaderShape {
  const keepsName = mode === "load" || mode === "load&sync" || task === undefined;
  return {
    "pool-size": loader.poolSize,
    dir: keepsName ? loader.dir : loader.dir.replace(new RegExp(`\\.${task.replace(/[^\w-]/g, "\\$&")}$`), ""),
    "sorting-dir-physical": loader.physical.sortingDir,
    "import-mode": loader.importMode,
    "on-duplicate": "",
    "on-duplicate-logical": loader.onDuplicateLogical,
    "on-duplicate-physical": loader.physical.onDuplicate,
    "disk-quota-physical": loader.physical.diskQuota,
    "checksum-physical": loader.physical.checksum,
    analyze: loader.physical.analyze,
    "range-concurrency": loader.physical.rangeConcurrency,
    "compress-kv-pairs": loader.physical.compressKvPairs,
    "pd-addr": loader.physical.pdAddr,
  };
}

export function syncerToShape(syncer: SyncerConfig): SyncerShape {
  return {
    "meta-file": "",
    "worker-count": syncer.workerCount,
    batch: syncer.batch,
    "queue-size": syncer.queueSize,
    "checkpoint-flush-interval": syncer.checkpointFlushIntervalMs / 1_000,
    compact: syncer.compact,
    "multiple-rows": syncer.multipleRows,
    "max-retry": 0,
    "auto-fix-gtid": false,
    "enable-gtid": false,
    "disable-detect": false,
    "safe-mode": syncer.safeMode,
    "safe-mode-duration":
      syncer.safeModeDurationMs % 1_000 === 0 ? `${syncer.safeModeDurationMs / 1_000}s` : formatDuration(syncer.safeModeDurationMs),
    "enable-ansi-quotes": false,
  };
}

export function validatorToShape(validator: ValidatorConfig): ValidatorShape {
  return {
    mode: validator.mode,
    "worker-count": validator.workerCount,
    "validate-interval": formatDuration(validator.validateIntervalMs),
    "check-interval": formatDuration(validator.checkIntervalMs),
    "row-error-delay": formatDuration(validator.rowErrorDelayMs),
    "meta-flush-interval": formatDuration(validator.metaFlushIntervalMs),
    "batch-query-size": validator.batchQuerySize,
    "max-pending-row-size": validator.maxPendingRowSize,
    "max-pending-row-count": validator.maxPendingRowCount,
  };
}
