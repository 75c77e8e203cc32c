/** Reading and writing source.yaml. */
import {
  type CodedError,
  ConfigError,
  checkShape,
  formatDuration,
  parseDuration,
  parseYaml,
  Secret,
  type Static,
  type TSchema,
} from "@skein/base";
import { stringify } from "yaml";
import { dmErrors } from "../errors.ts";
import { createEventFilter, unknownEvents } from "../filter/core/event-filter.ts";
import { PatternError } from "../filter/core/name-pattern.ts";
import { type FileReader, securityOf, tlsOf } from "./security.ts";
import { checkerShape, type DatabaseShape, type FilterShape, sourceShape, withoutNulls } from "./shapes.ts";
import type { SourceConfig, SourceEndpoint } from "./source-config.ts";
import type { CheckerConfig, EventFilterRule } from "./subtask-config.ts";

const sourceIdLengthMax = 32;
const binlogNamePattern = /^.+\.\d+$/;

/** Throws a CodedError for whatever is wrong with the text. `readFile` is for TLS paths: only dmctl gives it. */
export function parseSource(yaml: string, options: { readonly file?: string; readonly readFile?: FileReader } = {}): SourceConfig {
  return sourceOfShape(readShape(sourceShape, yaml, options.file ?? "source.yaml", "decode source config failed"), options.readFile);
}

export function sourceOfShape(shape: Static<typeof sourceShape>, readFile?: FileReader): SourceConfig {
  const id = shape["source-id"];
  if (id === "") throw dmErrors.sourceIdMissing([]);
  if (id.length > sourceIdLengthMax) throw dmErrors.sourceIdLong([id]);
  if (shape.flavor !== "" && shape.flavor !== "mysql" && shape.flavor !== "mariadb") {
    throw dmErrors.configYaml([`source ${id}: flavor: ${JSON.stringify(shape.flavor)} is neither "mysql" nor "mariadb"`]);
  }
  if (shape["relay-binlog-name"] !== "" && !binlogNamePattern.test(shape["relay-binlog-name"])) {
    throw dmErrors.relayBinlogName([shape["relay-binlog-name"]]);
  }
  if (shape.from === undefined || shape.from.host === "") throw dmErrors.configYaml([`source ${id}: from.host: is required`]);
  return {
    sourceId: id,
    enable: shape.enable,
    enableGtid: shape["enable-gtid"],
    enableRelay: shape["enable-relay"],
    relayBinlogName: shape["relay-binlog-name"],
    relayBinlogGtid: shape["relay-binlog-gtid"],
    relayDir: shape["relay-dir"],
    flavor: shape.flavor,
    serverId: shape["server-id"],
    from: endpointOf(shape.from, readFile),
    purge: { interval: shape.purge.interval, expires: shape.purge.expires, remainSpace: shape.purge["remain-space"] },
    checker: checkerOf(shape.checker),
    caseSensitive: shape["case-sensitive"],
    filters: shape.filters.map((filter, index) => eventFilterOf(filter, `filters[${index}]`)),
  };
}

/** The file again; with `mask`, passwords are stars. */
export function sourceToYaml(
  source: SourceConfig,
  options: { readonly mask?: boolean; readonly encrypt?: (text: string) => string } = {},
): string {
  const password = source.from.password.reveal();
  return stringify(
    {
      enable: source.enable,
      "enable-gtid": source.enableGtid,
      "relay-dir": source.relayDir,
      flavor: source.flavor,
      "enable-relay": source.enableRelay,
      "relay-binlog-name": source.relayBinlogName,
      "relay-binlog-gtid": source.relayBinlogGtid,
      "source-id": source.sourceId,
      from: {
        host: source.from.host,
        port: source.from.port,
        user: source.from.user,
        password: options.mask === true ? "******" : (options.encrypt?.(password) ?? password),
        "max-allowed-packet": null,
        session: source.from.session,
        security: securityOf(source.from.tls),
      },
      purge: { interval: source.purge.interval, expires: source.purge.expires, "remain-space": source.purge.remainSpace },
      checker: checkerToShape(source.checker),
      "server-id": source.serverId,
      tracer: {},
      "case-sensitive": source.caseSensitive,
      filters: source.filters.map(eventFilterToShape),
    },
    { singleQuote: true, lineWidth: 0, indentSeq: false },
  );
}

export function readShape<T extends TSchema>(schema: T, yaml: string, file: string, what: string): Static<T> {
  try {
    return checkShape(schema, withoutNulls(parseYaml(yaml, file) ?? {}), file);
  } catch (error) {
    if (error instanceof ConfigError) throw yamlError(what, error);
    throw error;
  }
}

function yamlError(what: string, error: ConfigError): CodedError {
  return dmErrors.configYaml([what], new Error(`yaml: ${error.message}`));
}

export function endpointOf(shape: DatabaseShape, readFile?: FileReader): SourceEndpoint {
  return {
    host: shape.host,
    port: shape.port,
    user: shape.user,
    password: new Secret(String(shape.password)),
    session: Object.fromEntries(Object.entries(shape.session).map(([name, value]) => [name, String(value)])),
    tls: tlsOf(shape.security, readFile),
  };
}

export function durationMs(text: string, field: string): number {
  const ms = parseDuration(text);
  if (ms === null || ms < 0) throw dmErrors.configYaml([`${field}: ${JSON.stringify(text)} is not a duration such as \`5m\` or \`30s\``]);
  return ms;
}

export function checkerOf(shape: Static<typeof checkerShape>): CheckerConfig {
  const checker: CheckerConfig = {
    checkEnable: shape["check-enable"],
    backoffRollbackMs: durationMs(shape["backoff-rollback"], "checker.backoff-rollback"),
    backoffMaxMs: durationMs(shape["backoff-max"], "checker.backoff-max"),
    checkIntervalMs: durationMs(shape["check-interval"], "checker.check-interval"),
    backoffMinMs: durationMs(shape["backoff-min"], "checker.backoff-min"),
    backoffJitter: shape["backoff-jitter"],
    backoffFactor: shape["backoff-factor"],
  };
  if (checker.backoffMaxMs < checker.backoffMinMs) throw dmErrors.checkerBackoff([shape["backoff-max"], shape["backoff-min"]]);
  return checker;
}

export function checkerToShape(checker: CheckerConfig): Static<typeof checkerShape> {
  return {
    "check-enable": checker.checkEnable,
    "backoff-rollback": formatDuration(checker.backoffRollbackMs),
    "backoff-max": formatDuration(checker.backoffMaxMs),
    "check-interval": formatDuration(checker.checkIntervalMs),
    "backoff-min": formatDuration(checker.backoffMinMs),
    "backoff-jitter": checker.backoffJitter,
    "backoff-factor": checker.backoffFactor,
  };
}

const actions: Readonly<Record<string, EventFilterRule["action"]>> = { do: "Do", ignore: "Ignore", error: "Error" };

export function eventFilterOf(shape: FilterShape, where: string): EventFilterRule {
  const action = actions[shape.action.toLowerCase()];
  if (action === undefined) throw dmErrors.configYaml([`${where}: action: ${JSON.stringify(shape.action)} is none of Do, Ignore, Error`]);
  const unknown = unknownEvents(shape.events);
  if (unknown.length > 0) throw dmErrors.configYaml([`${where}: events: ${JSON.stringify(unknown[0])} is no event`]);
  const rule: EventFilterRule = {
    schemaPattern: shape["schema-pattern"],
    tablePattern: shape["table-pattern"],
    events: shape.events,
    sqlPatterns: shape["sql-pattern"],
    action,
  };
  try {
    createEventFilter([rule], { caseSensitive: false });
  } catch (error) {
    if (error instanceof PatternError) throw dmErrors.configYaml([`${where}: ${error.message}`]);
    throw error;
  }
  return rule;
}

export function eventFilterToShape(rule: EventFilterRule): FilterShape {
  return {
    "schema-pattern": rule.schemaPattern,
    "table-pattern": rule.tablePattern,
    events: [...rule.events],
    "sql-pattern": [...rule.sqlPatterns],
    action: rule.action,
  };
}
