/**
 * The status pages of a store: HTTP on an address of their own.
 *
 *   GET /status, /ready, /metrics, /config, /region/<id>, /debug/state
 *   GET /debug/pprof/profile?seconds=10, /debug/pprof/heap?seconds=10
 *   PUT /log-level {"log_level":"debug"}, POST /config {"log.level":"debug"}
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Session } from "node:inspector";
import { type LogLevel, logLevels, type TlsFiles, type World } from "@skein/base";
import { createServer, type RpcServer } from "@skein/rpc";

export interface StatusPages {
  /** Prometheus text. */
  metrics(): Promise<{ readonly type: string; readonly body: string }>;
  config(): Readonly<Record<string, unknown>>;
  /** Null: not on this store. */
  region(id: number): Readonly<Record<string, unknown>> | null;
  /** Null: it serves; else why it does not. */
  notServing(): string | null;
  setLogLevel(level: LogLevel): void;
  /** Regions, locks, waits: what a person asks for when something is slow. */
  debug(): Readonly<Record<string, unknown>>;
}

const profileSecondsMax = 60;
const bodyBytesMax = 64 * 1024;

export async function startStatusServer(
  world: World,
  options: { readonly host: string; readonly port: number; readonly tls?: TlsFiles; readonly pages: StatusPages },
): Promise<RpcServer> {
  const { pages } = options;
  let isProfiling = false;

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const send = (status: number, type: string, body: string) => {
      response.writeHead(status, { "content-type": type }).end(body);
    };
    const json = (value: unknown) =>
      send(
        200,
        "application/json",
        `${JSON.stringify(value, (_key, each: unknown) => (typeof each === "bigint" ? String(each) : each), 2)}\n`,
      );
    const [path = "", query = ""] = (request.url ?? "").split("?");
    const change = changeAt(request.method, path);
    if (change !== null) {
      const body = await bodyOf(request);
      const changed = body === null ? `the body is over ${bodyBytesMax} bytes` : change(body, pages);
      return changed === null ? send(200, "text/plain", "") : send(400, "text/plain", `${changed}\n`);
    }
    if (request.method !== "GET") return send(405, "text/plain", "method not allowed\n");
    if (path === "/metrics") {
      const { type, body } = await pages.metrics();
      return send(200, type, body);
    }
    if (path === "/status") return send(200, "text/plain", "");
    if (path === "/ready") {
      const why = pages.notServing();
      return why === null ? send(200, "text/plain", "ok\n") : send(500, "text/plain", `not serving: ${why}\n`);
    }
    if (path === "/config") return json(pages.config());
    const region = /^\/region\/(\d{1,16})$/.exec(path);
    if (region !== null) {
      const found = pages.region(Number(region[1]));
      return found === null ? send(404, "text/plain", `region ${region[1]} is not on this store\n`) : json(found);
    }
    if (path === "/debug/state") return json(pages.debug());
    const take = path === "/debug/pprof/profile" ? cpuProfile : path === "/debug/pprof/heap" ? heapProfile : null;
    if (take !== null) {
      const seconds = Number(new URLSearchParams(query).get("seconds") ?? "10");
      if (!Number.isInteger(seconds) || seconds < 1 || seconds > profileSecondsMax)
        return send(400, "text/plain", `seconds must be a whole number from 1 to ${profileSecondsMax}\n`);
      if (isProfiling) return send(429, "text/plain", "a profile is being taken\n");
      isProfiling = true;
      try {
        return send(200, "application/json", await take(world, seconds));
      } finally {
        isProfiling = false;
      }
    }
    return send(404, "text/plain", "not found\n");
  };

  return createServer(world, {
    host: options.host,
    port: options.port,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    limits: { connectionsMax: 64, requestMs: (profileSecondsMax + 10) * 1000 },
    http: (request, response) => {
      answer(request, response).catch((error: unknown) => {
        world.log.warn("a status page failed", { path: request.url, error });
        if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain" });
        response.end("internal error\n");
      });
    },
  });
}

/** Null: it was made. Else why not. */
type Change = (body: string, pages: StatusPages) => string | null;

function changeAt(method: string | undefined, path: string): Change | null {
  if (method === "PUT" && path === "/log-level") return (body, pages) => setLogLevel(objectOf(body)?.["log_level"], pages);
  if (method === "POST" && path === "/config")
    return (body, pages) => {
      const wanted = objectOf(body);
      if (wanted === null) return 'the body must be an object of options and values, as {"log.level":"debug"}';
      const names = Object.keys(wanted);
      const others = names.filter((name) => name !== "log.level" && name !== "log-level");
      if (others.length > 0)
        return `${others.join(", ")}: only log.level is changed while the store runs; the others with its file and a restart`;
      for (const name of names) {
        const refused = setLogLevel(wanted[name], pages);
        if (refused !== null) return refused;
      }
      return null;
    };
  return null;
}

function setLogLevel(wanted: unknown, pages: StatusPages): string | null {
  const level = typeof wanted === "string" ? wanted.toLowerCase().replace(/^warning$/, "warn") : "";
  if (!logLevels.includes(level as LogLevel)) return `the log level is one of ${logLevels.join(", ")}`;
  pages.setLogLevel(level as LogLevel);
  return null;
}

function objectOf(body: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** Null: it is too long. */
async function bodyOf(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > bodyBytesMax) return null;
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

/** As Chrome's tools read it (`.cpuprofile`). */
function cpuProfile(world: World, seconds: number): Promise<string> {
  return inspected(world, seconds, ["Profiler.enable", "Profiler.start"], "Profiler.stop");
}

/** What is allocated meanwhile and still there at the end, by the place that allocated it (`.heapprofile`). */
function heapProfile(world: World, seconds: number): Promise<string> {
  return inspected(world, seconds, ["HeapProfiler.enable", "HeapProfiler.startSampling"], "HeapProfiler.stopSampling");
}

async function inspected(world: World, seconds: number, begin: readonly string[], end: string): Promise<string> {
  const session = new Session();
  session.connect();
  const post = (method: string) =>
    new Promise<unknown>((resolve, reject) => {
      session.post(method, (error: Error | null, result: unknown) => (error === null ? resolve(result) : reject(error)));
    });
  try {
    for (const method of begin) await post(method);
    await world.clock.sleep(seconds * 1000);
    const { profile: taken } = (await post(end)) as { readonly profile: unknown };
    return JSON.stringify(taken);
  } finally {
    session.disconnect();
  }
}
