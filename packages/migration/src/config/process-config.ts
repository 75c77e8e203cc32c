/** dm-master.toml, dm-worker.toml and their flags. Flags win over the file; unknown keys are refused. */
import {
  ConfigError,
  checkShape,
  type FlagDefinition,
  FlagError,
  isCodedError,
  type LogLevel,
  logLevels,
  parseDuration,
  parseFlags,
  parseToml,
  type Static,
  stringifyToml,
  type TlsFiles,
  type TSchema,
  Type,
} from "@skein/base";
import { dmErrors } from "../errors.ts";

const text = (value = "") => Type.String({ default: value });

const logKeys = {
  "log-level": text("info"),
  "log-file": text(),
  "log-format": text("text"),
  "log-rotate": text(),
  "ssl-ca": text(),
  "ssl-cert": text(),
  "ssl-key": text(),
  "cert-allowed-cn": Type.Array(Type.String(), { default: [] }),
};

const masterShape = Type.Object(
  {
    ...logKeys,
    "master-addr": text(),
    "advertise-addr": text(),
    name: text(),
    "data-dir": text(),
    "initial-cluster": text(),
    "initial-cluster-state": text("new"),
    "peer-urls": text("http://127.0.0.1:8291"),
    "advertise-peer-urls": text(),
    join: text(),
    "max-txn-ops": Type.Integer({ default: 2048, minimum: 1 }),
    "max-request-bytes": Type.Integer({ default: 1_572_864, minimum: 1 }),
    "auto-compaction-mode": text("periodic"),
    "auto-compaction-retention": text("1h"),
    "quota-backend-bytes": Type.Integer({ default: 2_147_483_648 }),
    "v1-sources-path": text(),
    "secret-key-path": text(),
    "rpc-timeout": text("30s"),
    "rpc-rate-limit": Type.Number({ default: 10 }),
    "rpc-rate-burst": Type.Integer({ default: 40 }),
    openapi: Type.Boolean({ default: false }),
    experimental: Type.Object({ openapi: Type.Boolean({ default: false }) }, { additionalProperties: false, default: {} }),
  },
  { additionalProperties: false },
);

const workerShape = Type.Object(
  {
    ...logKeys,
    "worker-addr": text(),
    "advertise-addr": text(),
    "redact-info-log": Type.Boolean({ default: false }),
    join: text(),
    name: text(),
    "keepalive-ttl": Type.Integer({ default: 60, minimum: 1 }),
    "relay-keepalive-ttl": Type.Integer({ default: 1800, minimum: 1 }),
    "relay-dir": text(),
  },
  { additionalProperties: false },
);

export interface LogConfig {
  readonly level: LogLevel;
  /** "" is standard error. */
  readonly file: string;
  readonly format: "text" | "json";
}

export interface MasterConfig {
  readonly name: string;
  readonly masterAddr: string;
  readonly advertiseAddr: string;
  readonly peerUrls: string;
  readonly advertisePeerUrls: string;
  readonly dataDir: string;
  /** "" when this master is on its own. */
  readonly initialCluster: string;
  readonly initialClusterState: "new" | "existing";
  readonly join: readonly string[];
  readonly maxTxnOps: number;
  readonly maxRequestBytes: number;
  readonly autoCompactionMode: string;
  readonly autoCompactionRetention: string;
  readonly quotaBackendBytes: number;
  readonly secretKeyPath: string;
  readonly rpcTimeoutMs: number;
  readonly rpcRateLimit: number;
  readonly rpcRateBurst: number;
  readonly openapi: boolean;
  readonly log: LogConfig;
  readonly tls: TlsPaths | null;
  /** As TOML, for `config master`. */
  readonly toml: string;
}

export interface WorkerConfig {
  readonly name: string;
  readonly workerAddr: string;
  readonly advertiseAddr: string;
  readonly join: readonly string[];
  readonly keepaliveTtlSeconds: number;
  readonly relayKeepaliveTtlSeconds: number;
  readonly relayDir: string;
  readonly redactInfoLog: boolean;
  readonly log: LogConfig;
  readonly tls: TlsPaths | null;
  readonly toml: string;
}

export interface TlsPaths {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly certAllowedCn: readonly string[];
}

const commonFlags: readonly FlagDefinition[] = [
  { name: "V", kind: "boolean", help: "print the version and exit" },
  { name: "help", kind: "boolean", help: "print this help and exit" },
  { name: "h", kind: "boolean", help: "print this help and exit" },
  { name: "print-sample-config", kind: "boolean", help: "print a sample of the configuration file and exit" },
  { name: "config", kind: "text", help: "path of the configuration file (TOML)" },
  { name: "L", kind: "text", help: "log level: debug, info, warn, error, fatal", defaultText: "info" },
  { name: "log-level", kind: "text", help: "the same as -L" },
  { name: "log-file", kind: "text", help: "log to this file instead of standard error" },
  { name: "log-format", kind: "text", help: "text or json", defaultText: "text" },
  { name: "ssl-ca", kind: "text", help: "path of the CA certificates that others are checked by" },
  { name: "ssl-cert", kind: "text", help: "path of this node's certificate" },
  { name: "ssl-key", kind: "text", help: "path of this node's key" },
  { name: "cert-allowed-cn", kind: "list", help: "common names that may connect" },
  { name: "advertise-addr", kind: "text", help: "address that is given to others, host:port" },
  { name: "name", kind: "text", help: "name of this member, unique in the cluster" },
  { name: "join", kind: "text", help: "client addresses of the cluster's masters, with commas" },
];

export const masterFlags: readonly FlagDefinition[] = [
  ...commonFlags,
  { name: "master-addr", kind: "text", help: "address to listen on, host:port" },
  { name: "data-dir", kind: "text", help: "folder of this master's data", defaultText: "default.<name>" },
  { name: "initial-cluster", kind: "text", help: "members of a new cluster: name=peer-url,…" },
  { name: "peer-urls", kind: "text", help: "addresses for the other masters", defaultText: "http://127.0.0.1:8291" },
  { name: "advertise-peer-urls", kind: "text", help: "peer addresses that are given to others" },
  { name: "max-txn-ops", kind: "number", help: "operations of one transaction in the metadata store", defaultText: "2048" },
  { name: "max-request-bytes", kind: "number", help: "bytes of one request to the metadata store" },
  { name: "auto-compaction-mode", kind: "text", help: "periodic or revision", defaultText: "periodic" },
  { name: "auto-compaction-retention", kind: "text", help: "how much history the metadata store keeps", defaultText: "1h" },
  { name: "quota-backend-bytes", kind: "number", help: "size limit of the metadata store" },
  { name: "v1-sources-path", kind: "text", help: "refused: a 1.0 deployment is imported with its own tools first" },
  { name: "secret-key-path", kind: "text", help: "path of the key that passwords are encrypted with" },
  { name: "openapi", kind: "boolean", help: "serve /api/v1" },
];

export const workerFlags: readonly FlagDefinition[] = [
  ...commonFlags,
  { name: "worker-addr", kind: "text", help: "address to listen on, host:port" },
  {
    name: "keepalive-ttl",
    kind: "number",
    help: "seconds without a sign of life after which the worker counts as gone",
    defaultText: "60",
  },
  { name: "relay-keepalive-ttl", kind: "number", help: "the same for a worker that pulls relay logs", defaultText: "1800" },
  { name: "relay-dir", kind: "text", help: "folder of relay logs" },
  { name: "redact-info-log", kind: "boolean", help: "show row values as ? in logs" },
];

/** What a launcher should do: run, or print and leave. */
export type Launch<T> =
  | { readonly kind: "run"; readonly config: T }
  | { readonly kind: "print"; readonly what: "version" | "sample" | "help" }
  /** Printed after `parse cmd flags err: `; exit code 2. */
  | { readonly kind: "refuse"; readonly message: string };

export interface LaunchContext {
  readonly hostname: string;
  /** Throws when the file cannot be read. */
  readonly readFile: (path: string) => string;
}

/** What dm-master is to do. A bad value is a refusal, whose message is the coded error's; nothing is thrown. */
export function launchMaster(argv: readonly string[], context: LaunchContext): Launch<MasterConfig> {
  return launch(masterFlags, masterShape, argv, context, "master config contained unknown configuration options", (shape) => {
    const masterAddr = shape["master-addr"].replace(/^https?:\/\//, "");
    const advertise = (shape["advertise-addr"] === "" ? masterAddr : shape["advertise-addr"]).replace(/^https?:\/\//, "");
    if (!isHostPort(masterAddr)) throw dmErrors.masterAddress([shape["master-addr"]]);
    if (shape["advertise-addr"] === "" && !isReachable(masterAddr)) throw dmErrors.masterAddress([masterAddr]);
    if (!isReachable(advertise)) throw dmErrors.advertiseAddress([advertise]);
    const tls = tlsPaths(shape, (problem) => dmErrors.masterTls([problem]));
    const name = shape.name === "" ? `dm-master-${context.hostname}` : shape.name;
    const peerUrls = withScheme(shape["peer-urls"], tls !== null);
    const advertisePeerUrls = shape["advertise-peer-urls"] === "" ? peerUrls : withScheme(shape["advertise-peer-urls"], tls !== null);
    for (const url of advertisePeerUrls.split(",")) {
      if (!URL.canParse(url) || /^\[?(0\.0\.0\.0|::)\]?$/.test(new URL(url).hostname)) throw dmErrors.peerUrls([advertisePeerUrls]);
    }
    const rpcTimeoutMs = parseDuration(shape["rpc-timeout"]);
    if (rpcTimeoutMs === null || rpcTimeoutMs <= 0) throw dmErrors.masterTimeout([shape["rpc-timeout"]]);
    const join = shape.join
      .split(",")
      .map((endpoint) => endpoint.trim().replace(/^https?:\/\//, ""))
      .filter((endpoint) => endpoint !== "");
    if (join.length === 1 && join[0] === advertise) throw dmErrors.joinEtcd([`join self ${advertise} is forbidden`]);
    if (shape["v1-sources-path"] !== "") throw dmErrors.v1Sources(["a deployment of 1.0 is not imported by this version"]);
    return {
      name,
      masterAddr,
      advertiseAddr: advertise,
      peerUrls,
      advertisePeerUrls,
      dataDir: shape["data-dir"] === "" ? `default.${name}` : shape["data-dir"],
      initialCluster: shape["initial-cluster"],
      initialClusterState: shape["initial-cluster-state"] === "existing" ? "existing" : "new",
      join,
      maxTxnOps: shape["max-txn-ops"],
      maxRequestBytes: shape["max-request-bytes"],
      autoCompactionMode: shape["auto-compaction-mode"],
      autoCompactionRetention: shape["auto-compaction-retention"],
      quotaBackendBytes: Math.max(500 * 2 ** 20, shape["quota-backend-bytes"]),
      secretKeyPath: shape["secret-key-path"],
      rpcTimeoutMs,
      rpcRateLimit: shape["rpc-rate-limit"] > 0 ? shape["rpc-rate-limit"] : 10,
      rpcRateBurst: shape["rpc-rate-burst"] > 0 ? shape["rpc-rate-burst"] : 40,
      openapi: shape.openapi || shape.experimental.openapi,
      log: logConfig(shape),
      tls,
      toml: stringifyToml({ ...shape, name, "advertise-addr": advertise, "peer-urls": peerUrls, "advertise-peer-urls": advertisePeerUrls }),
    };
  });
}

/** The same for dm-worker. */
export function launchWorker(argv: readonly string[], context: LaunchContext): Launch<WorkerConfig> {
  return launch(workerFlags, workerShape, argv, context, "worker config contains unknown configuration options", (shape) => {
    const workerAddr = shape["worker-addr"].replace(/^https?:\/\//, "");
    const advertise = (shape["advertise-addr"] === "" ? workerAddr : shape["advertise-addr"]).replace(/^https?:\/\//, "");
    if (!isHostPort(workerAddr)) throw dmErrors.workerAddress([shape["worker-addr"]]);
    if (!isReachable(advertise)) throw dmErrors.workerAddress([advertise]);
    const join = shape.join
      .split(",")
      .map((endpoint) => endpoint.trim().replace(/^https?:\/\//, ""))
      .filter((endpoint) => endpoint !== "");
    if (join.length === 0) throw dmErrors.workerJoin([[], "`join` is required: the addresses of the masters"]);
    const name = shape.name === "" ? advertise : shape.name;
    return {
      name,
      workerAddr,
      advertiseAddr: advertise,
      join,
      keepaliveTtlSeconds: shape["keepalive-ttl"],
      relayKeepaliveTtlSeconds: shape["relay-keepalive-ttl"],
      relayDir: shape["relay-dir"],
      redactInfoLog: shape["redact-info-log"],
      log: logConfig(shape),
      tls: tlsPaths(shape, (problem) => dmErrors.workerTls([problem])),
      toml: stringifyToml({ ...shape, name, "advertise-addr": advertise }),
    };
  });
}

function launch<T extends TSchema, C>(
  flags: readonly FlagDefinition[],
  schema: T,
  argv: readonly string[],
  context: LaunchContext,
  unknownKeysText: string,
  finish: (shape: Static<T>) => C,
): Launch<C> {
  let parsed: ReturnType<typeof parseFlags>;
  try {
    parsed = parseFlags(flags, argv);
  } catch (error) {
    if (error instanceof FlagError) return { kind: "refuse", message: error.message };
    throw error;
  }
  const { values, rest } = parsed;
  if (values.get("V") === true) return { kind: "print", what: "version" };
  if (values.get("help") === true || values.get("h") === true) return { kind: "print", what: "help" };
  if (values.get("print-sample-config") === true) return { kind: "print", what: "sample" };
  if (rest.length > 0) return { kind: "refuse", message: `'${rest[0]}' is an invalid flag` };
  const file = values.get("config");
  let fromFile: Record<string, unknown> = {};
  if (typeof file === "string" && file !== "") {
    try {
      fromFile = parseToml(context.readFile(file), file);
    } catch (error) {
      return { kind: "refuse", message: `config toml transform: ${(error as Error).message}` };
    }
  }
  const merged: Record<string, unknown> = { ...fromFile };
  for (const [name, value] of values) if (!["config"].includes(name)) merged[name === "L" ? "log-level" : name] = value;
  try {
    const shape = checkShape(schema, merged, typeof file === "string" ? file : "flags");
    return { kind: "run", config: finish(shape) };
  } catch (error) {
    if (isCodedError(error)) return { kind: "refuse", message: error.message };
    if (!(error instanceof ConfigError)) throw error;
    const unknown = error.problems.filter(({ kind }) => kind === "unknown-key").map(({ path }) => path);
    if (unknown.length > 0) return { kind: "refuse", message: `${unknownKeysText}: ${unknown.join(", ")}` };
    return { kind: "refuse", message: `config toml transform: ${error.message}` };
  }
}

function logConfig(shape: { "log-level": string; "log-file": string; "log-format": string }): LogConfig {
  const level = logLevels.find((known) => known === shape["log-level"].toLowerCase()) ?? "info";
  return { level, file: shape["log-file"], format: shape["log-format"] === "json" ? "json" : "text" };
}

function tlsPaths(
  shape: { "ssl-ca": string; "ssl-cert": string; "ssl-key": string; "cert-allowed-cn": readonly string[] },
  refuse: (problem: string) => Error,
): TlsPaths | null {
  const set = [shape["ssl-ca"], shape["ssl-cert"], shape["ssl-key"]].filter((path) => path !== "").length;
  if (set === 0) return null;
  if (set < 3) throw refuse("`ssl-ca`, `ssl-cert` and `ssl-key` must be given together");
  return { ca: shape["ssl-ca"], cert: shape["ssl-cert"], key: shape["ssl-key"], certAllowedCn: shape["cert-allowed-cn"] };
}

export function readTls(paths: TlsPaths | null, readFile: (path: string) => string): TlsFiles | null {
  return paths === null ? null : { ca: readFile(paths.ca), cert: readFile(paths.cert), key: readFile(paths.key) };
}

function isHostPort(address: string): boolean {
  const match = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/.exec(address);
  return match !== null && Number(match[2]) <= 65_535;
}

/** Others can connect to it: a host that is not "every interface", and a port. */
function isReachable(address: string): boolean {
  return isHostPort(address) && !/^(|0\.0\.0\.0|\[::\]):/.test(address);
}

function withScheme(urls: string, isTls: boolean): string {
  return urls
    .split(",")
    .map((url) => (/^[a-z]+:\/\//.test(url) ? url : `${isTls ? "https" : "http"}://${url}`))
    .join(",");
}

export const sampleMasterToml = `# dm-master.toml: flags of the same names win over this file.
name = "dm-master-1"
master-addr = "127.0.0.1:8261"
# The address that others use, when it is not the one to listen on.
# advertise-addr = "10.0.0.1:8261"
data-dir = "default.dm-master-1"

# Several masters: the addresses for each other, and the members of a new cluster.
# peer-urls = "http://10.0.0.1:8291"
# initial-cluster = "dm-master-1=http://10.0.0.1:8291,dm-master-2=http://10.0.0.2:8291,dm-master-3=http://10.0.0.3:8291"

log-level = "info"
# log-file = "dm-master.log"
# openapi = true
# secret-key-path = "/path/to/key"
`;

export const sampleWorkerToml = `# dm-worker.toml: flags of the same names win over this file.
name = "dm-worker-1"
worker-addr = "127.0.0.1:8262"
# advertise-addr = "10.0.0.2:8262"
join = "127.0.0.1:8261"

log-level = "info"
# log-file = "dm-worker.log"
keepalive-ttl = 60
`;

export const sampleSourceYaml = `# source.yaml: one MySQL or MariaDB server to migrate from.
source-id: "mysql-replica-01"
enable-gtid: false
enable-relay: false
from:
  host: "127.0.0.1"
  port: 3306
  user: "root"
  password: ""          # plain, or made with \`dmctl encrypt\`
checker:
  check-enable: true
  backoff-rollback: 5m
  backoff-max: 5m
`;
