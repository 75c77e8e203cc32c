/**
 * Logs in the form that the field's scripts and alert rules read:
 *
 *   [2024/01/02 15:04:05.000 +08:00] [INFO] [component] ["message text"] [key=value] [key2="quoted value"]
 *
 * or one JSON object per line. Messages are constant; what varies goes into fields. Core code does not log: it returns facts.
 */
import { CodedError } from "./core/errors.ts";
import { Secret } from "./core/secret.ts";

export type LogLevel = "debug" | "info" | "warn" | "error" | "fatal";
export const logLevels: readonly LogLevel[] = ["debug", "info", "warn", "error", "fatal"];

export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  fatal(message: string, fields?: LogFields): void;
  /** The same sink with fields bound once: `log.with({ component: "syncer", task })`. */
  with(fields: LogFields): Logger;
}

export interface LogSink {
  write(line: string): void;
}

const noop = () => {};
export const silentLogger: Logger = { debug: noop, info: noop, warn: noop, error: noop, fatal: noop, with: () => silentLogger };

export function createLogger(options: {
  /** A function is asked at each line: a level that changes while the process runs. */
  readonly level: LogLevel | (() => LogLevel);
  readonly format: "text" | "json";
  readonly sink: LogSink;
  readonly nowMs: () => number;
  /** Minutes east of UTC at a moment; 0 unless given. */
  readonly offsetMinutes?: (nowMs: number) => number;
  readonly fields?: LogFields;
}): Logger {
  const { level: wanted } = options;
  const isFixed = typeof wanted !== "function";
  const isQuiet = (level: LogLevel) => logLevels.indexOf(level) < logLevels.indexOf(typeof wanted === "function" ? wanted() : wanted);
  const render = options.format === "json" ? renderJson : renderText;
  const make = (bound: LogFields): Logger => {
    const at = (level: LogLevel) =>
      isFixed && isQuiet(level)
        ? noop
        : (message: string, fields?: LogFields) => {
            if (!isFixed && isQuiet(level)) return;
            const nowMs = options.nowMs();
            const time = formatLogTime(nowMs, options.offsetMinutes?.(nowMs) ?? 0);
            options.sink.write(render(time, level, message, fields === undefined ? bound : { ...bound, ...fields }));
          };
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      fatal: at("fatal"),
      with: (fields) => make({ ...bound, ...fields }),
    };
  };
  return make(options.fields ?? {});
}

/** `2024/01/02 15:04:05.000 +08:00` */
export function formatLogTime(nowMs: number, offsetMinutes: number): string {
  const local = new Date(nowMs + offsetMinutes * 60_000).toISOString();
  const offset = Math.abs(offsetMinutes);
  const two = (value: number) => String(value).padStart(2, "0");
  const zone = `${offsetMinutes < 0 ? "-" : "+"}${two(Math.floor(offset / 60))}:${two(offset % 60)}`;
  return `${local.slice(0, 10).replaceAll("-", "/")} ${local.slice(11, 23)} ${zone}`;
}

function renderText(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const { component, ...rest } = fields;
  const parts = [
    `[${time}]`,
    `[${level.toUpperCase()}]`,
    `[${component === undefined ? "-" : plain(component)}]`,
    `[${quoted(message, true)}]`,
  ];
  for (const [key, value] of Object.entries(rest)) parts.push(`[${quoted(key)}=${quoted(plain(value))}]`);
  return `${parts.join(" ")}\n`;
}

function renderJson(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const flat = Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, typeof value === "number" ? value : plain(value)]));
  return `${JSON.stringify({ time, level, message, ...flat })}\n`;
}

function quoted(text: string, always = false): string {
  return always || text === "" || /[\s"=[\]\\]|[^\x20-\x7e]/.test(text) ? JSON.stringify(text) : text;
}

function plain(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Secret) return String(value);
  if (value instanceof CodedError) return value.message;
  if (value instanceof Error) return value.stack ?? value.message;
  if (typeof value === "bigint" || typeof value === "number" || typeof value === "boolean") return String(value);
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? item.toString() : item)) ?? "undefined";
}
