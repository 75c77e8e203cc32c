/**
 * The master's HTTP beyond its status paths: the OpenAPI under `/api/v1` (when it is enabled) and the JSON gateway of the gRPC service
 * under `/apis/v1alpha1` (always).
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { isCodedError } from "@skein/base";
import { ApiError, codedForm } from "./api-error.ts";
import { queryValue, shapeProblem } from "./check-request.ts";
import { type Operation, openApiDocument, operations } from "./document.ts";
import { answerGateway } from "./gateway.ts";
import { type ApiContext, handlers, RawNumber } from "./handlers.ts";
import { matchPath } from "./match-path.ts";

export interface MasterHttpOptions extends ApiContext {
  readonly isOpenApiEnabled: boolean;
  readonly version: string;
}

const bodyBytesMax = 8 * 1024 * 1024;

/** Answers every request; what it throws inside is an answer too. */
export function createMasterHttp(options: MasterHttpOptions): RequestListener {
  const document = `${JSON.stringify(openApiDocument(options.version), null, 4)}\n`;
  return (request, response) => {
    // `//` and `http://[` pass HTTP's grammar and are no URLs; thrown here, it would end the process.
    const url = URL.parse(request.url ?? "/", "http://master");
    if (url === null) return send(response, 400, "text/plain; charset=utf-8", "400 bad request\n");
    answer(request, response, url, options, document).catch((error: unknown) => {
      // The response is broken off: headers may be out already.
      options.world.log.warn("an HTTP request failed", { component: "openapi", path: url.pathname, error });
      response.destroy();
    });
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  options: MasterHttpOptions,
  document: string,
): Promise<void> {
  const signal = signalOf(response);
  const body = await readBody(request);
  if (body === null) return send(response, 413, "text/plain; charset=utf-8", "request body too large\n");
  if (url.pathname.startsWith("/apis/v1alpha1/")) {
    const { status, text } = await answerGateway(options.service, request.method ?? "GET", url, body, signal);
    return send(response, status, "application/json", text);
  }
  if (!options.isOpenApiEnabled || !url.pathname.startsWith("/api/v1/"))
    return send(response, 404, "text/plain; charset=utf-8", "404 page not found\n");
  if (url.pathname === "/api/v1/dm.json") return send(response, 200, "application/json; charset=utf-8", document);
  if (url.pathname === "/api/v1/docs") return send(response, 200, "text/html; charset=utf-8", docsPage);
  try {
    const { operation, params } = route(request.method ?? "GET", url.pathname.slice("/api/v1".length));
    const query = checkedQuery(operation, url.searchParams);
    const value = checkedBody(operation, body);
    const handle = handlers[operation.id];
    if (handle === undefined) throw new Error(`operation ${operation.id} has no handler`);
    const result = await handle({ params, query, body: value, signal }, options);
    if (result === undefined) return send(response, operation.success, null, "");
    return send(response, operation.success, "application/json; charset=utf-8", jsonText(result));
  } catch (error) {
    if (error instanceof ApiError && error.kind === "missing") return send(response, 404, null, "");
    if (error instanceof ApiError && error.kind === "request")
      return send(response, 400, "application/json; charset=utf-8", JSON.stringify({ error: error.message }));
    if (!(error instanceof ApiError) && !isCodedError(error))
      options.world.log.warn("an OpenAPI request failed", { component: "openapi", path: url.pathname, error });
    return send(response, 400, "application/json; charset=utf-8", jsonText(codedForm(error)));
  }
}

function route(method: string, path: string): { readonly operation: Operation; readonly params: Readonly<Record<string, string>> } {
  let isPathKnown = false;
  for (const operation of operations) {
    const params = matchPath(operation.path, path);
    if (params === null) continue;
    if (operation.method === method) return { operation, params };
    isPathKnown = true;
  }
  throw new ApiError("request", isPathKnown ? "method not allowed" : "no matching operation was found");
}

function checkedQuery(operation: Operation, given: URLSearchParams): Record<string, unknown> {
  const query: Record<string, unknown> = {};
  for (const [name, shape] of Object.entries(operation.query ?? {})) {
    if (!given.has(name)) continue;
    const value = queryValue(shape, given.getAll(name));
    if (value === undefined)
      throw refused(`parameter ${JSON.stringify(name)} in query has an error: value ${String(given.get(name))}: an invalid ${shape.type}`);
    query[name] = value;
  }
  return query;
}

function checkedBody(operation: Operation, body: Uint8Array): Record<string, unknown> {
  if (operation.body === undefined || body.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    throw refused(`request body has an error: failed to decode request body: ${error instanceof Error ? error.message : String(error)}`);
  }
  const problem = shapeProblem(operation.body, value);
  if (problem !== null) throw refused(`request body has an error: doesn't match the schema: ${problem}`);
  return value as Record<string, unknown>;
}

function refused(problem: string): ApiError {
  return new ApiError("request", `error in openapi3filter.RequestError: ${problem}`);
}

/** Keys in alphabetical order, indented by four, as clients of the original see them. */
export function jsonText(value: unknown): string {
  const text = (each: unknown, at: string): string => {
    const inner = `${at}    `;
    if (each instanceof RawNumber) return each.text;
    if (Array.isArray(each)) return each.length === 0 ? "[]" : `[\n${each.map((item) => inner + text(item, inner)).join(",\n")}\n${at}]`;
    if (typeof each === "object" && each !== null) {
      const entries = Object.entries(each)
        .filter(([, field]) => field !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1));
      if (entries.length === 0) return "{}";
      return `{\n${entries.map(([name, field]) => `${inner}${JSON.stringify(name)}: ${text(field, inner)}`).join(",\n")}\n${at}}`;
    }
    return JSON.stringify(each) ?? "null";
  };
  return text(value, "").replaceAll("<", "\\u003c").replaceAll(">", "\\u003e").replaceAll("&", "\\u0026");
}

/** Null when the body is over the limit. */
async function readBody(request: IncomingMessage): Promise<Uint8Array | null> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > bodyBytesMax) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Aborts when the caller went away before the answer was out. */
function signalOf(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) controller.abort(new DOMException("the caller went away", "AbortError"));
  });
  return controller.signal;
}

function send(response: ServerResponse, status: number, type: string | null, body: string): void {
  response.writeHead(status, type === null ? {} : { "content-type": type });
  response.end(body);
}

/** A page of its own, without anything from outside: it lists what `dm.json` has. */
const docsPage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>DM API</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}code{font-size:14px}
summary{cursor:pointer;padding:.3rem 0}b{display:inline-block;width:4.5rem}pre{background:#8881;padding:.8rem;overflow:auto}</style></head>
<body><h1>DM API</h1><p>The schema is at <a href="/api/v1/dm.json">/api/v1/dm.json</a>.</p><main></main>
<script>
fetch("/api/v1/dm.json").then((answer) => answer.json()).then(({ paths }) => {
  const main = document.querySelector("main");
  for (const [path, methods] of Object.entries(paths)) for (const [method, operation] of Object.entries(methods)) {
    const details = main.appendChild(document.createElement("details"));
    const summary = details.appendChild(document.createElement("summary"));
    summary.appendChild(document.createElement("b")).textContent = method.toUpperCase();
    summary.appendChild(document.createElement("code")).textContent = path;
    summary.append(" " + operation.summary);
    details.appendChild(document.createElement("pre")).textContent = JSON.stringify(operation, null, 2);
  }
});
</script></body></html>
`;
