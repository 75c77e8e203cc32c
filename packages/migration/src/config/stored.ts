/**
 * Subtasks and sources as the metastore keeps them: TOML, with the keys that the field's own tools read there.
 * What belongs to a source is stored with the source only; a subtask takes it from there each time it is read.
 */
import { type CodedError, ConfigError, checkShape, parseToml, Secret, type Static, stringifyToml, type TSchema, Type } from "@skein/base";
import { dmErrors } from "../errors.ts";
import { securityOf } from "./security.ts";
import {
  allowListShape,
  databaseShape,
  dumperShape,
  expressionShape,
  filterShape,
  loaderShape,
  routeShape,
  sourceShape,
  syncerShape,
  validatorShape,
} from "./shapes.ts";
import type { SourceConfig, SourceEndpoint } from "./source-config.ts";
import { checkerToShape, endpointOf, eventFilterOf, eventFilterToShape, sourceOfShape } from "./source-yaml.ts";
import type { DbConfig, EventFilterRule, ShardMode, SubtaskConfig, TaskMode } from "./subtask-config.ts";
import {
  allowListOf,
  allowListToShape,
  dumperOf,
  dumperToShape,
  expressionOf,
  expressionToShape,
  loaderOf,
  loaderToShape,
  routeOf,
  routeToShape,
  syncerOf,
  syncerToShape,
  validatorOf,
  validatorToShape,
  withSource,
} from "./task-yaml.ts";

const text = () => Type.String({ default: "" });
const flag = (value = false) => Type.Boolean({ default: value });

/** Flat: the blocks of a task are merged into the subtask's own keys. Keys of other versions are let pass. */
const subtaskShape = Type.Object({
  "shard-mode": Type.String({ default: "" }),
  "strict-optimistic-shard-mode": flag(),
  "online-ddl": flag(true),
  "shadow-table-rules": Type.Array(Type.String(), { default: [] }),
  "trash-table-rules": Type.Array(Type.String(), { default: [] }),
  "case-sensitive": flag(),
  collation_compatible: Type.String({ default: "loose" }),
  name: Type.String({ minLength: 1 }),
  mode: Type.String({ minLength: 1 }),
  "ignore-checking-items": Type.Array(Type.String(), { default: [] }),
  "source-id": Type.String({ minLength: 1 }),
  "meta-schema": Type.String({ default: "dm_meta" }),
  timezone: text(),
  meta: Type.Optional(Type.Object({ "binlog-name": text(), "binlog-pos": Type.Integer({ default: 0 }), "binlog-gtid": text() })),
  "route-rules": Type.Array(routeShape, { default: [] }),
  "filter-rules": Type.Array(filterShape, { default: [] }),
  "expression-filter": Type.Array(Type.Object({ ...expressionShape.properties, name: text() }), { default: [] }),
  ...dumperShape.properties,
  ...loaderShape.properties,
  ...syncerShape.properties,
  "clean-dump-file": flag(true),
  from: databaseShape,
  to: databaseShape,
  "block-allow-list": Type.Optional(allowListShape),
  ValidatorCfg: Type.Object({ ...validatorShape.properties, "start-time": text() }, { default: {} }),
  experimental: Type.Object({ "async-checkpoint-flush": flag() }, { default: {} }),
});

/** `source`, when given, is where the subtask's source part came from: its filters are left out. */
export function subtaskToToml(subtask: SubtaskConfig, source?: SourceConfig): string {
  const fromSource = new Set((source?.filters ?? []).map((rule) => JSON.stringify(eventFilterToShape(rule))));
  const isOwn = (rule: EventFilterRule) => !fromSource.has(JSON.stringify(eventFilterToShape(rule)));
  return stringifyToml({
    "is-sharding": subtask.shardMode !== "",
    "shard-mode": subtask.shardMode,
    "strict-optimistic-shard-mode": subtask.strictOptimisticShardMode,
    "online-ddl": subtask.onlineDdl,
    "shadow-table-rules": [...subtask.shadowTableRules],
    "trash-table-rules": [...subtask.trashTableRules],
    "online-ddl-scheme": "",
    "case-sensitive": subtask.caseSensitive,
    collation_compatible: subtask.collationCompatible,
    name: subtask.name,
    mode: subtask.mode,
    "ignore-checking-items": [...subtask.ignoreCheckingItems],
    "source-id": subtask.sourceId,
    "server-id": 0,
    flavor: "",
    "meta-schema": subtask.metaSchema,
    "heartbeat-update-interval": 1,
    "heartbeat-report-interval": 10,
    "enable-heartbeat": false,
    timezone: subtask.timezone,
    "relay-dir": "",
    "use-relay": false,
    "route-rules": subtask.routes.map(routeToShape),
    "filter-rules": subtask.filters.filter(isOwn).map(eventFilterToShape),
    "mapping-rule": [],
    "expression-filter": subtask.expressionFilters.map((rule) => ({ name: rule.name, ...expressionToShape(rule) })),
    ...dumperToShape(subtask.dumper),
    ...loaderToShape(subtask.loader),
    ...syncerToShape(subtask.syncer),
    "log-level": "",
    "log-file": "",
    "log-format": "",
    "log-rotate": "",
    "pprof-addr": "",
    "status-addr": "",
    "clean-dump-file": subtask.cleanDumpFile,
    "ansi-quotes": false,
    ...(subtask.meta === null
      ? {}
      : {
          meta: {
            "binlog-name": subtask.meta.binlogName,
            "binlog-pos": subtask.meta.binlogPos,
            "binlog-gtid": subtask.meta.binlogGtid,
          },
        }),
    from: databaseToToml(subtask.from),
    to: databaseToToml(subtask.to),
    "block-allow-list": allowListToShape(subtask.blockAllowList),
    ValidatorCfg: { ...validatorToShape(subtask.validator), "start-time": "" },
    experimental: { "async-checkpoint-flush": subtask.asyncCheckpointFlush },
  });
}

/**
 * `source` null: the source's part is what was stored with the subtask, enough to show it, not to run it. `decrypt` gives
 * passwords in clear. Throws 20004 for a text that was not written by `subtaskToToml` or the original.
 */
export function subtaskFromToml(
  toml: string,
  source: SourceConfig | null,
  options: { readonly decrypt?: (text: string) => string } = {},
): SubtaskConfig {
  const shape = readToml(subtaskShape, toml, "stored subtask");
  const decrypt = options.decrypt ?? ((password: string) => password);
  const to = endpointOf(shape.to);
  return withSource(
    {
      name: shape.name,
      mode: oneOfOrRefuse(shape.mode, ["full", "incremental", "all", "dump", "load", "load&sync"], "mode") satisfies TaskMode,
      shardMode: oneOfOrRefuse(shape["shard-mode"], ["", "pessimistic", "optimistic"], "shard-mode") satisfies ShardMode,
      strictOptimisticShardMode: shape["strict-optimistic-shard-mode"],
      ignoreCheckingItems: shape["ignore-checking-items"],
      metaSchema: shape["meta-schema"],
      timezone: shape.timezone,
      caseSensitive: shape["case-sensitive"],
      onlineDdl: shape["online-ddl"],
      shadowTableRules: shape["shadow-table-rules"],
      trashTableRules: shape["trash-table-rules"],
      cleanDumpFile: shape["clean-dump-file"],
      collationCompatible: oneOfOrRefuse(shape.collation_compatible, ["loose", "strict"], "collation_compatible"),
      asyncCheckpointFlush: shape.experimental["async-checkpoint-flush"],
      to: { ...to, password: new Secret(decrypt(to.password.reveal())) },
      meta:
        shape.meta === undefined
          ? null
          : { binlogName: shape.meta["binlog-name"], binlogPos: shape.meta["binlog-pos"], binlogGtid: shape.meta["binlog-gtid"] },
      routes: shape["route-rules"].map((rule, index) => routeOf(rule, `route-rules[${index}]`)),
      filters: shape["filter-rules"].map((rule, index) => eventFilterOf(rule, `filter-rules[${index}]`)),
      blockAllowList: allowListOf(shape["block-allow-list"] ?? checkShape(allowListShape, {}, "block-allow-list")),
      expressionFilters: shape["expression-filter"].map(({ name, ...rule }) => expressionOf(name, rule)),
      dumper: dumperOf(shape),
      loader: loaderOf(shape, shape.name, shape.mode as TaskMode),
      syncer: syncerOf(shape, { "target-database": shape.to }),
      validator: validatorOf({ ...shape.ValidatorCfg, mode: shape.ValidatorCfg.mode || "none" }),
    },
    source ?? sourceOfShape(checkShape(sourceShape, { "source-id": shape["source-id"], from: shape.from }, "stored subtask")),
    decrypt,
  );
}

/** Passwords are stored as the user typed them. */
export function sourceToToml(source: SourceConfig): string {
  return stringifyToml({
    enable: source.enable,
    "enable-gtid": source.enableGtid,
    "auto-fix-gtid": false,
    "relay-dir": source.relayDir,
    "meta-dir": "",
    flavor: source.flavor,
    charset: "",
    "enable-relay": source.enableRelay,
    "relay-binlog-name": source.relayBinlogName,
    "relay-binlog-gtid": source.relayBinlogGtid,
    "source-id": source.sourceId,
    "server-id": source.serverId,
    "case-sensitive": source.caseSensitive,
    filters: source.filters.map(eventFilterToShape),
    from: databaseToToml(source.from),
    purge: { interval: source.purge.interval, expires: source.purge.expires, "remain-space": source.purge.remainSpace },
    checker: checkerToShape(source.checker),
  });
}

/** Throws 20004, and the codes of source.yaml for values that it refuses. */
export function sourceFromToml(toml: string): SourceConfig {
  return sourceOfShape(readToml(Type.Object(sourceShape.properties), toml, "stored source"));
}

function databaseToToml(endpoint: SourceEndpoint | DbConfig): Record<string, unknown> {
  const security = securityOf(endpoint.tls);
  return {
    host: endpoint.host,
    port: endpoint.port,
    user: endpoint.user,
    password: endpoint.password.reveal(),
    ...(Object.keys(endpoint.session).length === 0 ? {} : { session: endpoint.session }),
    ...(security === null ? {} : { security }),
  };
}

function readToml<T extends TSchema>(schema: T, toml: string, file: string): Static<T> {
  try {
    return checkShape(schema, parseToml(toml, file), file);
  } catch (error) {
    if (error instanceof ConfigError) throw tomlError(file, error);
    throw error;
  }
}

function tomlError(file: string, error: Error): CodedError {
  return dmErrors.configToml([`decode ${file} failed`], error);
}

function oneOfOrRefuse<const T extends readonly string[]>(value: string, known: T, field: string): T[number] {
  if (!known.includes(value))
    throw tomlError("stored subtask", new Error(`${field}: ${JSON.stringify(value)} is none of ${known.join(", ")}`));
  return value;
}
