/** pd-server's configuration file and flags. Flags win over the file; unknown keys are warned of, bad values are refused. */
import {
  ConfigError,
  type FlagDefinition,
  FlagError,
  formatDuration,
  type LogLevel,
  type ParsedFlags,
  parseDuration,
  parseFlags,
  parseToml,
  type TlsFiles,
} from "@skein/base";
import { plainVersion } from "../../cluster/core/semver.ts";
import { pdErrors } from "../../errors.ts";
import { type DynamicConfig, type Item, type Items, type LabelProperty, propertyOf, type Section } from "./core/items.ts";
import {
  ConfigRefusal,
  defaultReplicationMode,
  defaultsOf,
  drAutoSyncForm,
  dynamicJson,
  isObject,
  type JsonObject,
  modeOf,
  pdServerForm,
  replicationForm,
  replicationModeJson,
  type SectionForm,
  scheduleForm,
  sectionJson,
} from "./core/json-form.ts";
import { check } from "./core/update.ts";

export interface TlsPaths {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly certAllowedCn: readonly string[];
}

export interface PdConfig {
  readonly name: string;
  readonly dataDir: string;
  readonly clientUrls: readonly string[];
  readonly advertiseClientUrls: readonly string[];
  readonly peerUrls: readonly string[];
  readonly advertisePeerUrls: readonly string[];
  /** `n1=http://…,n2=…`; this member alone unless given. */
  readonly initialCluster: string;
  readonly initialClusterState: "new" | "existing";
  readonly initialClusterToken: string;
  /** Client URLs of members. */
  readonly join: readonly string[];
  readonly forceNewCluster: boolean;
  readonly leaseS: number;
  readonly tsoSaveIntervalMs: number;
  readonly tsoUpdateIntervalMs: number;
  readonly leaderPriorityCheckMs: number;
  readonly quotaBackendBytes: number;
  readonly autoCompactionMode: string;
  readonly autoCompactionRetention: string;
  readonly maxRequestBytes: number;
  readonly tickIntervalMs: number;
  readonly electionIntervalMs: number;
  /** Of this member's host, for later use by placement. */
  readonly labels: Readonly<Record<string, string>>;
  readonly metricsAddr: string;
  readonly log: { readonly level: LogLevel; readonly file: string; readonly format: "text" | "json" };
  readonly tls: TlsPaths | null;
  readonly dynamic: DynamicConfig;
  /** What the file has and this program does not know. */
  readonly undefinedItems: readonly string[];
}

export type Launch =
  | { readonly kind: "run"; readonly config: PdConfig }
  | { readonly kind: "print"; readonly what: "version" | "help" }
  | { readonly kind: "checked"; readonly message: string }
  | { readonly kind: "refuse"; readonly message: string };

export const pdFlags: readonly FlagDefinition[] = [
  { name: "V", kind: "boolean", help: "print the version and exit" },
  { name: "version", kind: "boolean", help: "the same as -V" },
  { name: "help", kind: "boolean", help: "print this help and exit" },
  { name: "h", kind: "boolean", help: "the same as -help" },
  { name: "config", kind: "text", help: "path of the configuration file (TOML)" },
  { name: "config-check", kind: "boolean", help: "check the configuration file and exit" },
  { name: "name", kind: "text", help: "name of this member (default pd-<host name>)" },
  { name: "data-dir", kind: "text", help: "folder for metadata and regions (default default.<name>)" },
  { name: "client-urls", kind: "text", help: "where clients are listened to (default http://127.0.0.1:2379)" },
  { name: "advertise-client-urls", kind: "text", help: "where clients find this member (default: the client URLs)" },
  { name: "peer-urls", kind: "text", help: "where other members are listened to (default http://127.0.0.1:2380)" },
  { name: "advertise-peer-urls", kind: "text", help: "where other members find this one (default: the peer URLs)" },
  { name: "initial-cluster", kind: "text", help: "all first members: n1=http://host:2380,n2=…" },
  { name: "join", kind: "text", help: "client URLs of a running cluster to join" },
  { name: "metrics-addr", kind: "text", help: "taken, and not used: metrics are served at /metrics on the client port" },
  { name: "L", kind: "text", help: "log level: debug, info, warn, error, fatal (default info)" },
  { name: "log-file", kind: "text", help: "log to this file instead of standard error" },
  { name: "cacert", kind: "text", help: "path of the CA certificates that others are checked by" },
  { name: "cert", kind: "text", help: "path of this member's certificate" },
  { name: "key", kind: "text", help: "path of this member's private key" },
  { name: "force-new-cluster", kind: "boolean", help: "start a cluster of one member from this member's data" },
];

type Table = Record<string, unknown>;

/** Items of the file that are read once, with their place: what is not here, nor a dynamic item, is undefined. */
const knownItems: ReadonlySet<string> = new Set([
  "client-urls",
  "peer-urls",
  "advertise-client-urls",
  "advertise-peer-urls",
  "name",
  "data-dir",
  "force-new-cluster",
  "enable-grpc-gateway",
  "initial-cluster",
  "initial-cluster-state",
  "initial-cluster-token",
  "join",
  "lease",
  "max-concurrent-tso-proxy-streamings",
  "tso-proxy-recv-from-client-timeout",
  "tso-save-interval",
  "tso-update-physical-interval",
  "enable-local-tso",
  "cluster-version",
  "quota-backend-bytes",
  "auto-compaction-mode",
  "auto-compaction-retention-v2",
  "auto-compaction-retention",
  "tick-interval",
  "election-interval",
  "enable-prevote",
  "max-request-bytes",
  "log.level",
  "log.format",
  "log.disable-timestamp",
  "log.file.filename",
  "log.file.max-size",
  "log.file.max-days",
  "log.file.max-backups",
  "log.development",
  "log.disable-caller",
  "log.disable-stacktrace",
  "log.disable-error-verbose",
  "log.sampling",
  "log.error-output-path",
  "metric.job",
  "metric.address",
  "metric.interval",
  "security.cacert-path",
  "security.cert-path",
  "security.key-path",
  "security.cert-allowed-cn",
  "security.redact-info-log",
  "security.encryption.data-encryption-method",
  "security.encryption.data-key-rotation-period",
  "dashboard.tidb-cacert-path",
  "dashboard.tidb-cert-path",
  "dashboard.tidb-key-path",
  "dashboard.public-path-prefix",
  "dashboard.internal-proxy",
  "dashboard.enable-telemetry",
  "dashboard.enable-experimental",
  "dashboard.disable-custom-prom-addr",
  "replication-mode.replication-mode",
  "keyspace.pre-alloc",
  "keyspace.wait-region-split",
  "keyspace.wait-region-split-timeout",
  "keyspace.check-region-split-interval",
  "controller.degraded-mode-wait-duration",
  "controller.ltb-max-wait-duration",
  "controller.ltb-token-rpc-max-delay",
  "controller.enable-controller-trace-log",
]);
/** Tables with keys of the operator's own. */
const openTables = ["labels", "label-property", "controller.request-unit", "schedule.store-limit", "security.encryption.master-key"];
const dynamicForms: readonly (readonly [string, SectionForm])[] = [
  ["schedule", scheduleForm],
  ["replication", replicationForm],
  ["pd-server", pdServerForm],
  ["replication-mode.dr-auto-sync", drAutoSyncForm],
];

export function launchPd(
  argv: readonly string[],
  env: { readonly hostname: string; readonly readFile: (path: string) => string; readonly cwd: string },
): Launch {
  try {
    const { values: flags, rest } = parseFlags(pdFlags, argv);
    if (rest.length > 0) throw new FlagError(`${rest[0]} is not defined flag`);
    const isSet = (name: string) => flags.get(name) === true;
    if (isSet("V") || isSet("version")) return { kind: "print", what: "version" };
    if (isSet("help") || isSet("h")) return { kind: "print", what: "help" };
    const path = textOf(flags, "config");
    const file = path === "" ? {} : parseToml(readConfig(path, env.readFile), path);
    const config = configOf(file, flags, env);
    const { undefinedItems } = config;
    if (isSet("config-check"))
      return { kind: "checked", message: undefinedItems.length > 0 ? undefinedText(undefinedItems) : "config check successful" };
    return { kind: "run", config };
  } catch (error) {
    if (error instanceof ConfigError || error instanceof FlagError || error instanceof ConfigRefusal || pdErrors.invalidConfig.is(error))
      return { kind: "refuse", message: pdErrors.invalidConfig.is(error) ? error.detail : error.message };
    throw error;
  }
}

export function undefinedText(items: readonly string[]): string {
  return `Config contains undefined item: ${items.join(", ")}`;
}

function readConfig(path: string, readFile: (path: string) => string): string {
  try {
    return readFile(path);
  } catch (error) {
    throw pdErrors.invalidConfig([`open ${path}: no such file or directory`], error);
  }
}

function refuse(text: string): never {
  throw pdErrors.invalidConfig([text]);
}

/** The words of the decoder that the original reads its file with. */
function wrongType(value: unknown, wanted: string): never {
  const found = typeof value === "number" ? (Number.isInteger(value) ? "integer" : "float") : Array.isArray(value) ? "array" : typeof value;
  return refuse(`toml: cannot load TOML value of type ${found} into a Go ${wanted}`);
}

class Reader {
  readonly #file: Table;
  constructor(file: Table) {
    this.#file = file;
  }

  value(path: string): unknown {
    let at: unknown = this.#file;
    for (const part of path.split(".")) at = isObject(at) ? at[part] : undefined;
    return at;
  }
  text(path: string, fallback: string): string {
    const value = this.value(path);
    if (value === undefined) return fallback;
    return typeof value === "string" ? value : wrongType(value, "string");
  }
  integer(path: string, fallback: number): number {
    const value = this.value(path);
    if (value === undefined) return fallback;
    return typeof value === "number" && Number.isSafeInteger(value) ? value : wrongType(value, "integer");
  }
  flag(path: string, fallback: boolean): boolean {
    const value = this.value(path);
    if (value === undefined) return fallback;
    return typeof value === "boolean" ? value : wrongType(value, "boolean");
  }
  durationMs(path: string, fallback: number): number {
    const value = this.value(path);
    if (value === undefined) return fallback;
    return durationOf(value);
  }
}

function durationOf(value: unknown): number {
  if (typeof value !== "string") return wrongType(value, "duration");
  return parseDuration(value) ?? refuse(`time: invalid duration ${JSON.stringify(value)}`);
}

function tomlValue(item: Item, value: unknown): unknown {
  switch (item.type) {
    case "u64":
    case "int":
      return typeof value === "number" && Number.isSafeInteger(value) && (item.type === "int" || value >= 0)
        ? value
        : wrongType(value, "integer");
    case "float":
      return typeof value === "number" ? value : wrongType(value, "float");
    case "bool":
    case "jsonBool":
      return typeof value === "boolean" ? value : wrongType(value, "boolean");
    case "duration":
      return durationOf(value);
    case "text":
      return typeof value === "string" ? value : wrongType(value, "string");
    case "list":
      if (typeof value === "string") return value === "" ? [] : value.split(",");
      return Array.isArray(value) && value.every((part) => typeof part === "string") ? value : wrongType(value, "string");
    // Kept by the schedulers and stores that they belong to, not by a file.
    case "storeLimits":
    case "schedulers":
    case "payload":
      return item.default;
  }
}

function tomlSection<I extends Items>(form: SectionForm<I>, value: unknown): Section<I> {
  const next: Record<string, unknown> = { ...(defaultsOf(form) as Readonly<Record<string, unknown>>) };
  if (value === undefined) return Object.freeze(next) as unknown as Section<I>;
  if (!isObject(value)) return wrongType(value, "struct");
  for (const [key, each] of Object.entries(value)) {
    const item = form.items[key];
    if (item !== undefined) next[propertyOf(key, item.type)] = tomlValue(item, each);
  }
  return Object.freeze(next) as unknown as Section<I>;
}

function dynamicOf(reader: Reader): DynamicConfig {
  const schedule = tomlSection(scheduleForm, reader.value("schedule"));
  const labelProperty = reader.value("label-property");
  return Object.freeze({
    // 0 stands for what the size implies.
    schedule:
      schedule.maxMergeRegionKeys === 0
        ? Object.freeze({ ...schedule, maxMergeRegionKeys: schedule.maxMergeRegionSize * 10_000 })
        : schedule,
    replication: tomlSection(replicationForm, reader.value("replication")),
    pdServer: tomlSection(pdServerForm, reader.value("pd-server")),
    clusterVersion: plainVersion(reader.text("cluster-version", "0.0.0")),
    labelProperty: isObject(labelProperty) ? (labelProperty as Record<string, readonly LabelProperty[]>) : {},
    replicationMode: Object.freeze({
      // A mode that does not exist is the plain one, as in the original.
      mode: modeOf(reader.text("replication-mode.replication-mode", "majority")) ?? "majority",
      drAutoSync: tomlSection(drAutoSyncForm, reader.value("replication-mode.dr-auto-sync")),
    }),
  });
}

function undefinedItemsOf(table: Table, prefix = ""): string[] {
  return Object.entries(table).flatMap(([key, value]) => {
    const path = `${prefix}${key}`;
    if (openTables.includes(path)) return [];
    if (isObject(value)) return undefinedItemsOf(value, `${path}.`);
    if (knownItems.has(path)) return [];
    return dynamicForms.some(([section, form]) => path.startsWith(`${section}.`) && path.slice(section.length + 1) in form.items)
      ? []
      : [path];
  });
}

const logLevels: Readonly<Record<string, LogLevel>> = {
  debug: "debug",
  info: "info",
  warn: "warn",
  warning: "warn",
  error: "error",
  fatal: "fatal",
};

export function logLevelOf(text: string): LogLevel | null {
  return logLevels[text.toLowerCase()] ?? null;
}

function urlsOf(what: string, text: string): readonly string[] {
  const urls = text.split(",").filter((url) => url !== "");
  for (const url of urls) if (!/^https?:\/\/[^/\s]+:\d+\/?$/.test(url)) refuse(`${what}: ${url} is no URL of the form http://host:port`);
  return urls.map((url) => url.replace(/\/$/, ""));
}

function textOf(flags: ParsedFlags["values"], name: string): string {
  const value = flags.get(name);
  return typeof value === "string" ? value : "";
}

function configOf(file: Table, flags: ParsedFlags["values"], env: { readonly hostname: string; readonly cwd: string }): PdConfig {
  const reader = new Reader(file);
  const text = (name: string, path: string, fallback: string) => textOf(flags, name) || reader.text(path, fallback);
  const name = text("name", "name", "") || `pd-${env.hostname}`;
  const clientUrls = text("client-urls", "client-urls", "") || "http://127.0.0.1:2379";
  const peerUrls = text("peer-urls", "peer-urls", "") || "http://127.0.0.1:2380";
  const advertisePeerUrls = text("advertise-peer-urls", "advertise-peer-urls", "") || peerUrls;
  const join = text("join", "join", "");
  const givenCluster = text("initial-cluster", "initial-cluster", "");
  if (join !== "" && flags.has("initial-cluster")) refuse("-initial-cluster and -join can not be provided at the same time");
  const dataDir = text("data-dir", "data-dir", "") || `default.${name}`;
  const level = text("L", "log.level", "info");
  const logLevel = logLevelOf(level) ?? refuse(`log level ${level} is illegal`);
  const format = reader.text("log.format", "text");
  if (format !== "text" && format !== "json") refuse(`log format ${format} is not supported`);
  const logFile = text("log-file", "log.file.filename", "");
  if (logFile !== "" && isInside(absolute(env.cwd, dataDir), absolute(env.cwd, logFile)))
    refuse("log directory shouldn't be the subdirectory of data directory");
  const leaseS = reader.integer("lease", 5);
  if (leaseS < 1) refuse(`lease ${leaseS} is too short`);
  const updateMs = reader.durationMs("tso-update-physical-interval", 50);
  const state = reader.text("initial-cluster-state", "new");
  if (state !== "new" && state !== "existing") refuse(`initial-cluster-state ${state} is neither new nor existing`);
  const ca = text("cacert", "security.cacert-path", "");
  const cert = text("cert", "security.cert-path", "");
  const key = text("key", "security.key-path", "");
  if ((ca === "" || cert === "" || key === "") && ca + cert + key !== "")
    refuse("security: cacert-path, cert-path and key-path must be given together");
  const allowed = reader.value("security.cert-allowed-cn");
  const labels = reader.value("labels");
  const dynamic = dynamicOf(reader);
  check(dynamic);
  return {
    name,
    dataDir,
    clientUrls: urlsOf("client-urls", clientUrls),
    advertiseClientUrls: urlsOf("advertise-client-urls", text("advertise-client-urls", "advertise-client-urls", "") || clientUrls),
    peerUrls: urlsOf("peer-urls", peerUrls),
    advertisePeerUrls: urlsOf("advertise-peer-urls", advertisePeerUrls),
    initialCluster:
      givenCluster ||
      advertisePeerUrls
        .split(",")
        .map((url) => `${name}=${url}`)
        .join(","),
    initialClusterState: state,
    initialClusterToken: reader.text("initial-cluster-token", "pd-cluster"),
    join: join === "" ? [] : urlsOf("join", join),
    forceNewCluster: flags.get("force-new-cluster") === true || reader.flag("force-new-cluster", false),
    leaseS,
    tsoSaveIntervalMs: reader.durationMs("tso-save-interval", leaseS * 1000),
    tsoUpdateIntervalMs: Math.min(10_000, Math.max(1, updateMs)),
    leaderPriorityCheckMs: 60_000,
    quotaBackendBytes: bytesOf(reader.value("quota-backend-bytes") ?? "8GiB"),
    autoCompactionMode: reader.text("auto-compaction-mode", "periodic"),
    autoCompactionRetention: reader.text("auto-compaction-retention-v2", reader.text("auto-compaction-retention", "1h")),
    maxRequestBytes: reader.integer("max-request-bytes", 157_286_400),
    tickIntervalMs: reader.durationMs("tick-interval", 500),
    electionIntervalMs: reader.durationMs("election-interval", 3000),
    labels: isObject(labels) ? (labels as Record<string, string>) : {},
    metricsAddr: text("metrics-addr", "metric.address", ""),
    log: { level: logLevel, file: logFile, format: format },
    tls: ca === "" ? null : { ca, cert, key, certAllowedCn: Array.isArray(allowed) ? allowed.map(String) : [] },
    dynamic,
    undefinedItems: undefinedItemsOf(file),
  };
}

function absolute(cwd: string, path: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith("/") ? path : `${cwd}/${path}`).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function isInside(folder: string, path: string): boolean {
  return path.startsWith(`${folder}/`);
}

/** `8GiB` or a number of bytes. */
function bytesOf(value: unknown): number {
  if (typeof value === "number") return value;
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?$/.exec(String(value));
  if (match === null) return refuse(`invalid size: ${JSON.stringify(value)}`);
  return Number(match[1]) * 1024 ** " KMGT".indexOf(match[2] === "" ? " " : (match[2] as string));
}

/** As `/config` shows it; `dynamic` is what holds now. */
export function configJson(config: PdConfig, dynamic: DynamicConfig, logLevel: string): JsonObject {
  const shown = dynamicJson(dynamic);
  return {
    "client-urls": config.clientUrls.join(","),
    "peer-urls": config.peerUrls.join(","),
    "advertise-client-urls": config.advertiseClientUrls.join(","),
    "advertise-peer-urls": config.advertisePeerUrls.join(","),
    name: config.name,
    "data-dir": config.dataDir,
    "force-new-cluster": config.forceNewCluster,
    "initial-cluster": config.initialCluster,
    "initial-cluster-state": config.initialClusterState,
    "initial-cluster-token": config.initialClusterToken,
    join: config.join.join(","),
    lease: config.leaseS,
    log: { level: logLevel, format: config.log.format, file: { filename: config.log.file } },
    "tso-save-interval": formatDuration(config.tsoSaveIntervalMs),
    "tso-update-physical-interval": formatDuration(config.tsoUpdateIntervalMs),
    metric: { job: config.name, address: config.metricsAddr, interval: "15s" },
    schedule: shown["schedule"],
    replication: shown["replication"],
    "pd-server": shown["pd-server"],
    "cluster-version": shown["cluster-version"],
    labels: config.labels,
    "quota-backend-bytes": `${config.quotaBackendBytes / 1024 ** 3}GiB`,
    "auto-compaction-mode": config.autoCompactionMode,
    "auto-compaction-retention-v2": config.autoCompactionRetention,
    TickInterval: formatDuration(config.tickIntervalMs),
    ElectionInterval: formatDuration(config.electionIntervalMs),
    PreVote: true,
    "max-request-bytes": config.maxRequestBytes,
    security: {
      "cacert-path": config.tls?.ca ?? "",
      "cert-path": config.tls?.cert ?? "",
      "key-path": config.tls?.key ?? "",
      "cert-allowed-cn": config.tls === null || config.tls.certAllowedCn.length === 0 ? null : config.tls.certAllowedCn,
    },
    "label-property": shown["label-property"],
    WarningMsgs: config.undefinedItems.length === 0 ? null : [undefinedText(config.undefinedItems)],
    "replication-mode": shown["replication-mode"],
  };
}

export function defaultConfigJson(hostname: string): JsonObject {
  const config = configOf({}, new Map(), { hostname, cwd: "/" });
  return configJson(config, { ...config.dynamic, schedule: defaultsOf(scheduleForm), replicationMode: defaultReplicationMode }, "info");
}

/** For the routes of single sections. */
export const sectionForms = { schedule: scheduleForm, replication: replicationForm, "pd-server": pdServerForm } as const;
export { replicationModeJson, sectionJson };

/** The files of the paths; null without TLS. */
export function readTls(paths: TlsPaths | null, readFile: (path: string) => string): TlsFiles | null {
  return paths === null ? null : { ca: readFile(paths.ca), cert: readFile(paths.cert), key: readFile(paths.key) };
}
