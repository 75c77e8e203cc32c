/** Finds the route of an HTTP request, reads its body, answers; on a member that does not lead: forwards. */
import { request as httpRequest, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { isCodedError, type Logger, type TlsFiles, type World } from "@skein/base";
import { receivedBytes } from "@skein/rpc";
import { detailOf, pdErrors } from "../errors.ts";
import { type HttpMethod, HttpRefusal, type HttpRoute, type HttpRoutes, type PdHttpAnswer, type PdHttpRequest } from "./http-routes.ts";
import { goJson, parseGoJson } from "./json.ts";
import type { PdServices } from "./services.ts";

const bodyBytesMax = 64 * 1024 * 1024;
const forwardTimeoutMs = 60_000;
/** Says that a request comes from another member: it is not sent on again. */
export const redirectorHeader = "pd-redirector";
export const followerHeader = "pd-allow-follower-handle";

export interface RouterOptions {
  readonly world: World;
  readonly log: Logger;
  readonly name: string;
  readonly pd: PdServices;
  readonly isLeader: () => boolean;
  /** A client URL of the leader; null while nobody leads. Waits a moment for an election. */
  readonly leaderUrl: () => Promise<string | null>;
  readonly tls?: TlsFiles;
}

interface Node {
  readonly children: Map<string, Node>;
  parameter: { readonly name: string; readonly node: Node } | null;
  rest: Map<string, HttpRoute> | null;
  readonly routes: Map<string, HttpRoute>;
}

export interface HttpRouter extends HttpRoutes {
  readonly listener: RequestListener;
}

export function createHttpRouter(options: RouterOptions): HttpRouter {
  const root = node();
  return {
    add: (routes) => {
      for (const route of routes) insert(root, route);
    },
    listener: (request, response) => void answer(options, root, request, response),
  };
}

function node(): Node {
  return { children: new Map(), parameter: null, rest: null, routes: new Map() };
}

function insert(root: Node, route: HttpRoute): void {
  let at = root;
  for (const segment of route.path.split("/").slice(1)) {
    if (segment === "*") {
      (at.rest ??= new Map()).set(route.method, route);
      return;
    }
    if (segment.startsWith(":")) {
      at.parameter ??= { name: segment.slice(1), node: node() };
      if (at.parameter.name !== segment.slice(1))
        throw new Error(`${route.path}: the segment is called ${at.parameter.name} by another route`);
      at = at.parameter.node;
      continue;
    }
    let next = at.children.get(segment);
    if (next === undefined) at.children.set(segment, (next = node()));
    at = next;
  }
  if (at.routes.has(route.method)) throw new Error(`two routes for ${route.method} ${route.path}`);
  at.routes.set(route.method, route);
}

interface Found {
  readonly routes: ReadonlyMap<string, HttpRoute>;
  readonly params: Readonly<Record<string, string>>;
}

/** Parameters are still percent-encoded. What is written out wins over a parameter, that over the rest. */
function find(at: Node, segments: readonly string[], index: number, params: Record<string, string>): Found | null {
  if (index === segments.length) return at.routes.size > 0 ? { routes: at.routes, params } : null;
  const segment = segments[index] as string;
  const child = at.children.get(segment);
  const found = child === undefined ? null : find(child, segments, index + 1, params);
  if (found !== null) return found;
  if (at.parameter !== null && segment !== "") {
    const named = find(at.parameter.node, segments, index + 1, { ...params, [at.parameter.name]: segment });
    if (named !== null) return named;
  }
  return at.rest === null ? null : { routes: at.rest, params: { ...params, "*": segments.slice(index).join("/") } };
}

async function answer(options: RouterOptions, root: Node, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const controller = new AbortController();
  response.once("close", () => controller.abort(new DOMException("the caller gave up", "AbortError")));
  try {
    const [path, query] = splitOnce(request.url ?? "/", "?");
    const segments = path.split("/").slice(1);
    const found = find(root, segments, 0, {});
    if (found === null) return write(response, { status: 404, text: "404 page not found\n" });
    const route = found.routes.get(request.method ?? "");
    if (route === undefined) return write(response, { status: 405, text: "", type: "" });
    const body = await readBody(request, response);
    if (body === "too large") return write(response, { status: 413, text: "request body too large\n" });
    if (body === "no room") return write(response, { status: 503, text: "too many requests with large bodies: try again\n" });
    const isLocal = route.isLocal === true || header(request, followerHeader) === "true";
    if (!isLocal && !options.isLeader()) {
      const url = await elsewhere(options, request);
      if (url !== null) return await forward(options, url, request, body, response);
    }
    if (route.isEarly !== true && !options.pd.isServing) throw pdErrors.notBootstrapped([]);
    write(response, await route.handle(requestOf(options, request, found, query, body, controller.signal)));
  } catch (error) {
    if (response.headersSent) return void response.destroy();
    if (error instanceof HttpRefusal) return write(response, error.answer);
    if (!isCodedError(error)) options.log.error("a request failed", { method: request.method, path: request.url?.split("?")[0], error });
    write(response, { status: 500, json: detailOf(error) });
  }
}

function requestOf(
  options: RouterOptions,
  request: IncomingMessage,
  found: Found,
  query: string,
  body: Uint8Array,
  signal: AbortSignal,
): PdHttpRequest {
  const raw = found.params;
  return {
    method: request.method as HttpMethod,
    params: Object.fromEntries(
      Object.entries(raw).map(([name, value]) => [name, Buffer.from(percentBytes(value, false)).toString("utf8")]),
    ),
    paramBytes: (name) => percentBytes(raw[name] ?? "", false),
    query: new URLSearchParams(query),
    queryBytes: (name) => {
      for (const part of query.split("&")) {
        const [key, value] = splitOnce(part, "=");
        if (key === name) return percentBytes(value, true);
      }
      return null;
    },
    body,
    json: () => parseGoJson(body),
    header: (name) => header(request, name),
    signal,
    pd: options.pd,
  };
}

function header(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return Array.isArray(value) ? (value[0] ?? "") : (value ?? "");
}

function splitOnce(text: string, mark: string): readonly [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** `%41` → the byte 0x41; a percent sign without two hex digits stands for itself. */
function percentBytes(text: string, isQuery: boolean): Uint8Array {
  const source = Buffer.from(isQuery ? text.replaceAll("+", " ") : text, "utf8");
  const bytes: number[] = [];
  for (let at = 0; at < source.length; at++) {
    const hex = source.toString("latin1", at + 1, at + 3);
    if (source[at] === 0x25 && /^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      at += 2;
    } else bytes.push(source[at] as number);
  }
  return Uint8Array.from(bytes);
}

/** It counts with what has come by gRPC until it is answered. */
async function readBody(request: IncomingMessage, response: ServerResponse): Promise<Uint8Array | "too large" | "no room"> {
  const chunks: Buffer[] = [];
  let size = 0;
  let isOver = false;
  response.once("close", () => {
    isOver = true;
    receivedBytes.free(size);
  });
  for await (const chunk of request as AsyncIterable<Buffer>) {
    if (size + chunk.length > bodyBytesMax) return "too large";
    if (isOver || !receivedBytes.take(chunk.length)) return "no room";
    size += chunk.length;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function write(response: ServerResponse, given: PdHttpAnswer): void {
  const headers: Record<string, string> = { ...given.headers };
  let text: string;
  if ("json" in given) {
    const isCompact = given.isCompact === true;
    text = goJson(given.json, isCompact);
    headers["content-type"] = isCompact ? "application/octet-stream" : "application/json; charset=UTF-8";
  } else {
    text = given.text;
    const type = given.type ?? "text/plain; charset=utf-8";
    if (type !== "") headers["content-type"] = type;
  }
  response.writeHead(given.status, { ...headers, "content-length": String(Buffer.byteLength(text)) });
  response.end(text);
}

/** Where the leader listens. Null: this member leads by now, as one that is alone does a moment after it gave the lead up. */
async function elsewhere(options: RouterOptions, request: IncomingMessage): Promise<string | null> {
  if (header(request, redirectorHeader) !== "")
    throw new HttpRefusal({ status: 500, text: "redirect to not leader\n", type: "text/plain; charset=utf-8" });
  const url = await options.leaderUrl();
  if (options.isLeader()) return null;
  if (url === null) throw new HttpRefusal({ status: 503, json: "no leader" });
  return url;
}

async function forward(
  options: RouterOptions,
  url: string,
  request: IncomingMessage,
  body: Uint8Array,
  response: ServerResponse,
): Promise<void> {
  const target = new URL(url);
  const isTls = target.protocol === "https:";
  const port = Number(target.port === "" ? (isTls ? 443 : 80) : target.port);
  let connection: Duplex;
  try {
    connection = await options.world.network.connect({
      host: target.hostname,
      port,
      timeoutMs: 3000,
      ...(isTls && options.tls !== undefined ? { tls: options.tls } : {}),
    });
  } catch (error) {
    options.log.warn("the leader cannot be reached", { url, error });
    return write(response, { status: 503, json: "[PD:apiutil:ErrRedirect]redirect failed" });
  }
  await new Promise<void>((resolve, reject) => {
    const onward = httpRequest(
      {
        method: request.method,
        path: request.url,
        headers: {
          ...(request.headers["content-type"] === undefined ? {} : { "content-type": request.headers["content-type"] }),
          ...(request.headers.accept === undefined ? {} : { accept: request.headers.accept }),
          "content-length": String(body.length),
          host: target.host,
          connection: "close",
          [redirectorHeader]: options.name,
        },
        createConnection: () => connection,
        timeout: forwardTimeoutMs,
      },
      (answered) => {
        const type = answered.headers["content-type"];
        response.writeHead(answered.statusCode ?? 502, type === undefined ? {} : { "content-type": type });
        answered.pipe(response);
        answered.once("end", resolve);
        answered.once("error", reject);
      },
    );
    onward.once("timeout", () => onward.destroy(new Error("the leader did not answer in time")));
    onward.once("error", reject);
    response.once("close", () => {
      onward.destroy();
      resolve();
    });
    onward.end(body);
  }).finally(() => connection.destroy());
}
