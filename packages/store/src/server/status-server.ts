/** The status pages of a store: HTTP on an address of their own. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Session } from "node:inspector";
import type { TlsFiles, World } from "@skein/base";
import { createServer, type RpcServer } from "@skein/rpc";

export interface StatusPages {
  /** Prometheus text. */
  metrics(): Promise<{ readonly type: string; readonly body: string }>;
  config(): Readonly<Record<string, unknown>>;
  /** Null: not on this store. */
  region(id: number): Readonly<Record<string, unknown>> | null;
  /** Null: it serves; else why it does not. */
  notServing(): string | null;
  /** Regions, locks, waits: what a person asks for when something is slow. */
  debug(): Readonly<Record<string, unknown>>;
}

const profileSecondsMax = 60;

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
    if (path === "/debug/pprof/profile") {
      const seconds = Number(new URLSearchParams(query).get("seconds") ?? "10");
      if (!Number.isInteger(seconds) || seconds < 1 || seconds > profileSecondsMax)
        return send(400, "text/plain", `seconds must be a whole number from 1 to ${profileSecondsMax}\n`);
      if (isProfiling) return send(429, "text/plain", "a profile is being taken\n");
      isProfiling = true;
      try {
        return send(200, "application/json", await profile(world, seconds));
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

/** A CPU profile as Chrome's tools read it (`.cpuprofile`). */
async function profile(world: World, seconds: number): Promise<string> {
  const session = new Session();
  session.connect();
  const post = (method: string) =>
    new Promise<unknown>((resolve, reject) => {
      session.post(method, (error: Error | null, result: unknown) => (error === null ? resolve(result) : reject(error)));
    });
  try {
    await post("Profiler.enable");
    await post("Profiler.start");
    await world.clock.sleep(seconds * 1000);
    const { profile: taken } = (await post("Profiler.stop")) as { readonly profile: unknown };
    return JSON.stringify(taken);
  } finally {
    session.disconnect();
  }
}
