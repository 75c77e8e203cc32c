/** `/metric/query…`: questions for the metrics of the cluster, handed on to the Prometheus that `pd-server.metric-storage` names. */
import { request as httpRequest } from "node:http";
import type { Duplex } from "node:stream";
import type { World } from "@skein/base";
import { pdErrors } from "../errors.ts";
import { type HttpMethod, HttpRefusal, type HttpRoute, type PdHttpAnswer, type PdHttpRequest } from "./http-routes.ts";

const v1 = "/pd/api/v1";
const timeoutMs = 30_000;
const answerBytesMax = 64 * 1024 * 1024;

export function metricRoutes(world: World, storage: () => string): readonly HttpRoute[] {
  return ["query", "query_range"].flatMap((name) =>
    (["GET", "POST"] as const).map(
      (method): HttpRoute => ({
        method,
        path: `${v1}/metric/${name}`,
        isEarly: true,
        isLocal: true,
        handle: async (request) => {
          const url = storageUrl(storage());
          try {
            return await ask(world, url, method, `${url.pathname.replace(/\/$/, "")}/api/v1/${name}`, request);
          } catch (error) {
            throw refused(502, pdErrors.metricStorage([url.origin, error instanceof Error ? error.message : String(error)]).detail);
          }
        },
      }),
    ),
  );
}

/** As plain text: what draws graphs reads it so. */
function refused(status: number, text: string): HttpRefusal {
  return new HttpRefusal({ status, text: `${text}\n` });
}

function storageUrl(text: string): URL {
  if (text === "")
    throw refused(
      500,
      pdErrors.unsupported([
        "A question for metrics without metric-storage",
        "Name a Prometheus: pd-ctl config set metric-storage http://HOST:9090; the metrics themselves are at /metrics.",
      ]).detail,
    );
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.protocol !== "http:") throw refused(500, pdErrors.metricStorage([text, "it is no http:// address"]).detail);
  return url;
}

async function ask(world: World, url: URL, method: HttpMethod, path: string, request: PdHttpRequest): Promise<PdHttpAnswer> {
  const port = Number(url.port === "" ? 80 : url.port);
  const connection: Duplex = await world.network.connect({ host: url.hostname, port, timeoutMs: 3000 });
  const query = request.query.toString();
  try {
    return await new Promise<PdHttpAnswer>((resolve, reject) => {
      const asked = httpRequest(
        {
          method,
          path: `${path}${query === "" ? "" : `?${query}`}`,
          headers: {
            host: url.host,
            connection: "close",
            "content-length": String(request.body.length),
            ...(request.header("content-type") === "" ? {} : { "content-type": request.header("content-type") }),
          },
          createConnection: () => connection,
          timeout: timeoutMs,
          signal: request.signal,
        },
        (answer) => {
          const chunks: Buffer[] = [];
          let size = 0;
          answer.on("data", (chunk: Buffer) => {
            chunks.push(chunk);
            size += chunk.length;
            if (size > answerBytesMax) asked.destroy(new Error("the answer is too long"));
          });
          answer.once("error", reject);
          answer.once("end", () =>
            resolve({
              status: answer.statusCode ?? 502,
              text: Buffer.concat(chunks).toString("utf8"),
              type: answer.headers["content-type"] ?? "",
            }),
          );
        },
      );
      asked.once("timeout", () => asked.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
      asked.once("error", reject);
      asked.end(request.body);
    });
  } finally {
    connection.destroy();
  }
}
