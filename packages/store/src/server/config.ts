/**
 * The configuration of a store: defaults, then the file, then flags. Keys are the field's. Nothing is passed over in silence: a key that is
 * not known warns, and so does one of the original's that has another value than its default and no effect here; a bad value, or one
 * that asks for what this store cannot promise, ends the start.
 */

import { parseArgs } from "node:util";
import { ConfigError, isCodedError, type LogLevel, logLevels, parseDuration, parseToml, type TlsFiles } from "@skein/base";
import { storeErrors } from "../errors.ts";
import { idleSections, type Key, keys, kibibyte, mebibyte, type Value } from "./options.ts";

export interface ServerConfig {
  readonly addr: string;
  readonly advertiseAddr: string;
  readonly statusAddr: string;
  readonly advertiseStatusAddr: string;
  readonly labels: readonly { readonly key: string; readonly value: string }[];
  readonly dataDir: string;
  readonly enableTtl: boolean;
  readonly pdEndpoints: readonly string[];
  /** The level may be changed while the store runs. */
  readonly log: { level: LogLevel; readonly file: string; readonly format: "text" | "json"; readonly bytesMax: number };
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string; readonly allowedCommonNames: readonly string[] } | null;
  readonly capacityBytes: number;
  /** All values by their dotted keys. */
  readonly values: ReadonlyMap<string, Value>;
  readonly warnings: readonly string[];
  integer(key: string): number;
  flag(key: string): boolean;
}

/** What a launcher should do: run, or print and leave. */
export type Launch =
  | { readonly kind: "run"; readonly config: ServerConfig }
  | { readonly kind: "print"; readonly text: string }
  /** On standard error; exit code 1. */
  | { readonly kind: "refuse"; readonly text: string };

const options = {
  version: { type: "boolean", short: "V" },
  help: { type: "boolean", short: "h" },
  "config-check": { type: "boolean" },
  "print-sample-config": { type: "boolean" },
  config: { type: "string", short: "C" },
  addr: { type: "string", short: "A" },
  "advertise-addr": { type: "string" },
  "status-addr": { type: "string" },
  "advertise-status-addr": { type: "string" },
  "log-level": { type: "string", short: "L" },
  "log-file": { type: "string", short: "f" },
  "data-dir": { type: "string", short: "s" },
  capacity: { type: "string" },
  pd: { type: "string", multiple: true },
  "pd-endpoints": { type: "string", multiple: true },
  labels: { type: "string", multiple: true },
} as const;

export const helpText = `tikv-server: a store of regions

Usage:
  tikv-server [flags]

Flags:
  -A, --addr <host:port>                 address to listen on (default 127.0.0.1:20160)
      --advertise-addr <host:port>       address that is given to others (default: --addr)
      --status-addr <host:port>          address of the status pages; "" for none (default 127.0.0.1:20180)
      --advertise-status-addr <host:port>
      --pd, --pd-endpoints <list>        addresses of placement drivers, with commas
  -s, --data-dir <path>                  folder of this store alone (default ./)
      --labels <k=v,…>                   where the store stands: zone=east,host=h1
      --capacity <size>                  of the disk that may be used; 0: all of it
  -C, --config <path>                    configuration file (TOML); flags win over it
      --config-check                     check the configuration and exit
      --print-sample-config              print all options with an effect, and their defaults, and exit
  -L, --log-level <level>                debug, info, warn, error, fatal (default info)
  -f, --log-file <path>                  log to a file instead of standard error
  -V, --version                          print the version and exit
  -h, --help                             print this help and exit

Examples:
  tikv-server --pd 127.0.0.1:2379 --data-dir /tmp/tikv-1
  tikv-server --config tikv.toml --config-check
`;

export interface LaunchContext {
  readonly versionText: string;
  /** Throws when the file cannot be read. */
  readonly readFile: (path: string) => string;
}

export function launch(argv: readonly string[], context: LaunchContext): Launch {
  try {
    const { values: flags, positionals } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: true });
    if (flags.help === true) return { kind: "print", text: helpText };
    if (flags.version === true) return { kind: "print", text: context.versionText };
    if (flags["print-sample-config"] === true) return { kind: "print", text: sampleConfig() };
    if (positionals[0] !== undefined) return { kind: "refuse", text: `unexpected argument '${positionals[0]}'; see tikv-server --help\n` };
    const config = loadConfig(flags, context.readFile);
    if (flags["config-check"] !== true) return { kind: "run", config };
    const lines = [...config.warnings.map((warning) => `warning: ${warning}\n`), "config check successful\n"];
    return { kind: "print", text: lines.join("") };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // what Node says of flags goes on with advice that does not help here
    return { kind: "refuse", text: `${isCodedError(error) ? text : `${text.split(". ", 1)[0]}; see tikv-server --help`}\n` };
  }
}

type Flags = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

/** Throws `storeErrors.badConfig`. */
export function loadConfig(flags: Flags, readFile: (path: string) => string): ServerConfig {
  const values = new Map<string, Value>(Object.entries(keys).map(([key, { value }]) => [key, value]));
  const warnings: string[] = [];
  if (flags.config !== undefined) readInto(values, warnings, flags.config, readFile);
  const override = (key: string, value: string | undefined, what: string) => {
    if (value !== undefined) values.set(key, valueOf(keys[key] as Key, value, what));
  };
  override("server.addr", flags.addr, "--addr");
  override("server.advertise-addr", flags["advertise-addr"], "--advertise-addr");
  override("server.status-addr", flags["status-addr"], "--status-addr");
  override("server.advertise-status-addr", flags["advertise-status-addr"], "--advertise-status-addr");
  override("storage.data-dir", flags["data-dir"], "--data-dir");
  override("log.level", flags["log-level"] ?? nonEmpty(values.get("log-level")), "--log-level");
  override("log.file.filename", flags["log-file"] ?? nonEmpty(values.get("log-file")), "--log-file");
  override("raftstore.capacity", flags.capacity, "--capacity");
  const endpoints = [...(flags.pd ?? []), ...(flags["pd-endpoints"] ?? [])];
  if (endpoints.length > 0) override("pd.endpoints", endpoints.join(","), "--pd-endpoints");
  if (flags.labels !== undefined) override("server.labels", flags.labels.join(","), "--labels");
  return finish(values, warnings);
}

const nonEmpty = (value: Value | undefined): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

function readInto(values: Map<string, Value>, warnings: string[], path: string, readFile: (path: string) => string): void {
  let source: string;
  try {
    source = readFile(path);
  } catch (error) {
    throw storeErrors.badConfig([path, "", "the file cannot be read"], error);
  }
  const idleKeys: string[] = [];
  let parsed: Record<string, unknown>;
  try {
    parsed = parseToml(source, path);
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems.map(({ message }) => message).join("; ") : String(error);
    throw storeErrors.badConfig([path, "", problems]);
  }
  const walk = (table: Readonly<Record<string, unknown>>, prefix: string) => {
    for (const [name, value] of Object.entries(table)) {
      const key = prefix === "" ? name : `${prefix}.${name}`;
      const known = Object.hasOwn(keys, key) ? keys[key] : undefined;
      if (known !== undefined) {
        const taken = valueOf(known, value, key, path);
        if (known.isIdle === true && (known.kind === "any" || taken !== known.value)) idleKeys.push(key);
        if (known.kind !== "any") values.set(key, taken);
      } else if (prefix === "" && idleSections.has(name)) idleKeys.push(`[${name}]`);
      else if (isTable(value) && (prefix !== "" || Object.keys(keys).some((each) => each.startsWith(`${key}.`)))) walk(value, key);
      else warnings.push(storeErrors.unknownOption([path, isTable(value) ? `[${key}]` : key]).message);
    }
  };
  walk(parsed, "");
  if (idleKeys.length > 0) warnings.push(storeErrors.idleOptions([path, idleKeys.join(", ")]).message);
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

const labelKey = /^[$]?[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$/;
const labelValue = /^[-A-Za-z0-9_./]*$/;

/** Text comes from flags, or is the file's form of sizes and durations. */
function valueOf(
  { kind, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY }: Key,
  value: unknown,
  key: string,
  file = "command line",
): Value {
  const refuse = (why: string): never => {
    throw storeErrors.badConfig([file, key, `${JSON.stringify(value)} ${why}`]);
  };
  const inRange = (number: number, shown: (limit: number) => string = String): number => {
    if (number < min) refuse(`is under the least value, ${shown(min)}`);
    if (number > max) refuse(`is over the greatest value, ${shown(max)}`);
    return number;
  };
  switch (kind) {
    case "any":
      return "";
    case "text":
      return typeof value === "string" ? value : refuse("is not a text");
    case "bool":
      return typeof value === "boolean" ? value : refuse("is neither true nor false");
    case "integer":
      return typeof value === "number" && Number.isSafeInteger(value) ? inRange(value) : refuse("is not a whole number");
    case "number":
      return typeof value === "number" ? inRange(value) : refuse("is not a number");
    case "size": {
      const bytes = typeof value === "number" ? value : typeof value === "string" ? parseSize(value) : null;
      return bytes === null || !Number.isSafeInteger(bytes)
        ? refuse("is not a size such as 256MB or 1GiB")
        : inRange(bytes, (limit) => `${limit}B`);
    }
    case "duration": {
      const ms = typeof value === "string" ? parseDuration(value) : null;
      return ms === null || ms < 0 ? refuse("is not a duration such as 10s or 1m30s") : inRange(ms, (limit) => `${limit}ms`);
    }
    case "level": {
      const level =
        typeof value === "string"
          ? value
              .toLowerCase()
              .replace(/^warning$/, "warn")
              .replace(/^critical$/, "fatal")
          : "";
      return logLevels.includes(level as LogLevel) ? level : refuse(`is not one of ${logLevels.join(", ")}`);
    }
    case "list": {
      const list = typeof value === "string" ? value.split(",") : value;
      if (!Array.isArray(list) || !list.every((item) => typeof item === "string")) return refuse("is not a list of texts");
      return list.map((item: string) => item.trim()).filter((item) => item !== "");
    }
    case "labels": {
      const labels = typeof value === "string" ? labelsOfText(value) : value;
      if (!isTable(labels)) return refuse("is not a table of labels, or zone=east,host=h1");
      for (const [name, label] of Object.entries(labels)) {
        if (!labelKey.test(name)) refuse(`has the label key ${JSON.stringify(name)}, which is not allowed`);
        if (typeof label !== "string" || !labelValue.test(label)) refuse(`has a value of ${name} that is not allowed`);
      }
      return labels as Readonly<Record<string, string>>;
    }
  }
}

function labelsOfText(source: string): Readonly<Record<string, string>> | null {
  const labels: Record<string, string> = {};
  for (const part of source.split(",").filter((each) => each.trim() !== "")) {
    const [name, value, ...rest] = part.split("=");
    if (name === undefined || value === undefined || rest.length > 0) return null;
    labels[name.trim()] = value.trim();
  }
  return labels;
}

const sizeUnits: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  K: kibibyte,
  M: mebibyte,
  G: 1024 * mebibyte,
  T: 1024 * 1024 * mebibyte,
};

/** `256MB`, `1GiB`, `10KB`: units are powers of 1024. Null when it is none. */
export function parseSize(source: string): number | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(?:([KMGT])i?B?|(B?))\s*$/i.exec(source);
  if (match === null) return null;
  const unit = sizeUnits[(match[2] ?? match[3] ?? "").toUpperCase()];
  return unit === undefined ? null : Math.round(Number(match[1]) * unit);
}

const address = /^(\[[0-9A-Fa-f:.]+\]|[^:\s]+):(\d{1,5})$/;

export function splitAddress(source: string): { readonly host: string; readonly port: number } | null {
  const match = address.exec(source);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) return null;
  return { host: (match[1] as string).replace(/^\[|\]$/g, ""), port };
}

const anyHost = new Set(["0.0.0.0", "::"]);

function finish(values: Map<string, Value>, warnings: string[]): ServerConfig {
  const get = (key: string) => values.get(key) as string;
  const integer = (key: string) => values.get(key) as number;
  const flag = (key: string) => values.get(key) as boolean;
  const refuse = (key: string, why: string): never => {
    throw storeErrors.badConfig(["configuration", key, why]);
  };
  const checked = (key: string, isAdvertised: boolean, fallback: string): string => {
    const value = get(key).replace(/^https?:\/\//, "") || fallback;
    const parts = splitAddress(value);
    if (parts === null) return refuse(key, `${JSON.stringify(value)} is not host:port`);
    if (isAdvertised && anyHost.has(parts.host)) refuse(key, `${JSON.stringify(value)} is no address that others can reach`);
    return value;
  };
  const addr = checked("server.addr", false, "");
  // Port 0 is decided when the server listens, and what it is told to others then, too.
  const advertiseAddr = checked("server.advertise-addr", true, addr);
  const hasStatus = get("server.status-addr") !== "";
  const statusAddr = hasStatus ? checked("server.status-addr", false, "") : "";
  const advertiseStatusAddr = hasStatus ? checked("server.advertise-status-addr", false, statusAddr) : "";
  if (hasStatus && statusAddr === addr && !addr.endsWith(":0")) refuse("server.status-addr", "is the same as server.addr");
  if (integer("storage.api-version") !== 1) refuse("storage.api-version", "2 is not served: this store keeps keys as API V1 does");
  if (get("storage.engine") !== "raft-kv")
    refuse("storage.engine", `${JSON.stringify(get("storage.engine"))} is not served: it is raft-kv here`);
  const method = get("security.encryption.data-encryption-method");
  if (method !== "plaintext")
    refuse(
      "security.encryption.data-encryption-method",
      `${JSON.stringify(method)} is not served: put the data folder on an encrypted disk`,
    );
  const electionTicks = integer("raftstore.raft-election-timeout-ticks");
  if (electionTicks <= integer("raftstore.raft-heartbeat-ticks"))
    refuse("raftstore.raft-election-timeout-ticks", "must be greater than raft-heartbeat-ticks");
  const tickMs = integer("raftstore.raft-base-tick-interval");
  const leaseMax = (electionTicks - 1) * tickMs;
  if (integer("raftstore.raft-store-max-leader-lease") > leaseMax) {
    // The default is right for the default ticks only.
    if (integer("raftstore.raft-store-max-leader-lease") !== 9000)
      refuse("raftstore.raft-store-max-leader-lease", `must not be over the election timeout less a tick, ${leaseMax}ms`);
    values.set("raftstore.raft-store-max-leader-lease", leaseMax);
  }
  const splitBytes = integer("coprocessor.region-split-size");
  const maxBytes = integer("coprocessor.region-max-size");
  if (maxBytes === 0) values.set("coprocessor.region-max-size", Math.floor(splitBytes * 1.5));
  else if (maxBytes < splitBytes) refuse("coprocessor.region-max-size", "must not be under region-split-size");
  const splitKeys = integer("coprocessor.region-split-keys");
  const maxKeys = integer("coprocessor.region-max-keys");
  if (maxKeys === 0) values.set("coprocessor.region-max-keys", Math.ceil(splitKeys * 1.5));
  else if (maxKeys < splitKeys) refuse("coprocessor.region-max-keys", "must not be under region-split-keys");
  const format = get("log.format");
  if (format !== "text" && format !== "json") return refuse("log.format", `${JSON.stringify(format)} is neither text nor json`);
  const endpoints = (values.get("pd.endpoints") as readonly string[]).map((each) => each.replace(/^https?:\/\//, "").replace(/\/$/, ""));
  if (endpoints.length === 0) refuse("pd.endpoints", "is empty: name at least one placement driver");
  for (const endpoint of endpoints)
    if (splitAddress(endpoint) === null) refuse("pd.endpoints", `${JSON.stringify(endpoint)} is not host:port`);
  const tls = { ca: get("security.ca-path"), cert: get("security.cert-path"), key: get("security.key-path") };
  const given = Object.values(tls).filter((path) => path !== "").length;
  if (given !== 0 && given !== 3) refuse("security", "ca-path, cert-path and key-path belong together");
  return {
    addr,
    advertiseAddr,
    statusAddr,
    advertiseStatusAddr,
    labels: Object.entries(values.get("server.labels") as Readonly<Record<string, string>>).map(([key, value]) => ({ key, value })),
    dataDir: get("storage.data-dir"),
    enableTtl: flag("storage.enable-ttl"),
    pdEndpoints: endpoints,
    log: { level: get("log.level") as LogLevel, file: get("log.file.filename"), format, bytesMax: integer("log.file.max-size") * mebibyte },
    tls: given === 0 ? null : { ...tls, allowedCommonNames: values.get("security.cert-allowed-cn") as readonly string[] },
    capacityBytes: integer("raftstore.capacity"),
    values,
    warnings,
    integer,
    flag,
  };
}

/** As the file says it: for `/config`. Sizes and durations keep their units. */
export function configDocument(config: ServerConfig, changed: Readonly<Record<string, Value>> = {}): Record<string, unknown> {
  const document: Record<string, unknown> = {};
  for (const [key, given] of config.values) {
    const value = changed[key] ?? given;
    if (key === "log-level" || key === "log-file" || keys[key]?.kind === "any") continue;
    const path = key.split(".");
    let table = document;
    for (const part of path.slice(0, -1)) table = (table[part] ??= {}) as Record<string, unknown>;
    const kind = keys[key]?.kind;
    table[path.at(-1) as string] =
      kind === "size" ? sizeText(value as number) : kind === "duration" ? durationText(value as number) : value;
  }
  return document;
}

/** TOML. */
function sampleConfig(): string {
  const sections = new Map<string, string[]>();
  for (const [key, { kind, value, isIdle }] of Object.entries(keys)) {
    const at = key.lastIndexOf(".");
    if (isIdle === true || at === -1) continue;
    const lines = sections.get(key.slice(0, at)) ?? [];
    sections.set(key.slice(0, at), lines);
    const shown =
      kind === "size"
        ? JSON.stringify(sizeText(value as number))
        : kind === "duration"
          ? JSON.stringify(durationText(value as number))
          : kind === "labels"
            ? "{}"
            : JSON.stringify(value);
    lines.push(`${key.slice(at + 1)} = ${shown}`);
  }
  return [...sections].map(([name, lines]) => [`[${name}]`, ...lines, ""].join("\n")).join("\n");
}

function sizeText(bytes: number): string {
  for (const [unit, factor] of [
    ["GiB", 1024 * mebibyte],
    ["MiB", mebibyte],
    ["KiB", kibibyte],
  ] as const)
    if (bytes > 0 && bytes % factor === 0) return `${bytes / factor}${unit}`;
  return `${bytes}B`;
}

function durationText(ms: number): string {
  for (const [unit, factor] of [
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1000],
  ] as const)
    if (ms > 0 && ms % factor === 0) return `${ms / factor}${unit}`;
  return ms === 0 ? "0s" : `${ms}ms`;
}

export function readTls(tls: ServerConfig["tls"], readFile: (path: string) => string): TlsFiles | null {
  if (tls === null) return null;
  const read = (path: string, key: string): string => {
    try {
      return readFile(path);
    } catch (error) {
      throw storeErrors.badConfig(["configuration", `security.${key}`, `${path} cannot be read`], error);
    }
  };
  return { ca: read(tls.ca, "ca-path"), cert: read(tls.cert, "cert-path"), key: read(tls.key, "key-path") };
}
