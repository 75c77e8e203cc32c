/**
 * HTTP/2 connections: streams that say they are gRPC go to their routes, all others are plain HTTP requests.
 *
 *   stream ─┬─ content-type application/grpc… ─▶ `GrpcCall`
 *           └─ else ───────────────────────────▶ `http`, as a request and a response in the form of HTTP/1's
 */
import type { RequestListener } from "node:http";
import {
  constants,
  createServer as createHttp2Server,
  Http2ServerRequest,
  Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { World } from "@skein/base";
import type { Route } from "../service.ts";
import type { AnswerRoom } from "./answer-room.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { GrpcCall } from "./call.ts";

export interface GrpcServerOptions {
  readonly routes: readonly Route[];
  readonly messageBytesMax: number;
  readonly callsPerConnectionMax: number;
  readonly callsMax: number;
  readonly received: ByteBudget;
  readonly unread: AnswerRoom;
  readonly http: RequestListener;
  /** Plain HTTP requests of a connection that are under way at once; more are refused. */
  readonly requestsMax: number;
  /** From a plain HTTP request's headers to the end of its body. */
  readonly requestMs: number;
  readonly headerBytesMax: number;
}

export interface GrpcServer {
  take(connection: Duplex): void;
  /** Takes no more calls; connections end with their last one. */
  drain(): void;
  /** Cuts all. */
  cut(): void;
}

/**
 * What a caller may send ahead of what is read: the usual 64 KiB make a fast one stop and go. A stream that is not read holds as much
 * in memory.
 */
const streamWindowBytes = 256 * 1024;
const connectionWindowBytes = 1024 * 1024;

export function createGrpcServer(world: World, options: GrpcServerOptions): GrpcServer {
  const routes = new Map(options.routes.map((route) => [route.method.path, route]));
  const sessions = new Map<ServerHttp2Session, { requests: number }>();
  let isDraining = false;
  const server = createHttp2Server({
    maxSendHeaderBlockLength: Number.MAX_SAFE_INTEGER,
    // The messages that are on their way to a slow caller count here, too, and have limits of their own.
    maxSessionMemory: Number.MAX_SAFE_INTEGER,
    settings: {
      initialWindowSize: streamWindowBytes,
      maxHeaderListSize: options.headerBytesMax,
      maxConcurrentStreams: options.callsPerConnectionMax,
    },
  });
  server.on("session", (session) => {
    sessions.set(session, { requests: 0 });
    session.once("close", () => sessions.delete(session));
    session.on("error", () => session.destroy());
    session.setLocalWindowSize(connectionWindowBytes);
    if (isDraining) session.close();
  });
  server.on("sessionError", () => {});
  server.on("stream", (stream, headers, _flags, rawHeaders) => {
    if (isGrpc(headers)) return call(stream, headers);
    stream.on("error", () => {});
    const load = stream.session === undefined ? undefined : sessions.get(stream.session as ServerHttp2Session);
    if (load === undefined || load.requests >= options.requestsMax) return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    load.requests++;
    const timer = world.clock.timer(options.requestMs, () => stream.close(constants.NGHTTP2_CANCEL));
    stream.once("end", () => timer.cancel());
    stream.once("close", () => {
      timer.cancel();
      load.requests--;
    });
    headers.host ??= headers[":authority"];
    const request = new Http2ServerRequest(stream, headers, {}, rawHeaders);
    const response = new Http2ServerResponse(stream);
    if (headers.expect?.toLowerCase() === "100-continue") response.writeContinue();
    options.http(request as never, response as never);
  });

  const around = { world, messageBytesMax: options.messageBytesMax, received: options.received, unread: options.unread };
  let underWay = 0;
  const ended = () => {
    underWay--;
  };
  const call = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const path = String(headers[constants.HTTP2_HEADER_PATH]);
    const route = routes.get(path);
    const isFull = underWay >= options.callsMax;
    if (route !== undefined && !isFull) {
      underWay++;
      stream.once("close", ended);
      return new GrpcCall(around, stream, headers, route).start();
    }
    stream.on("error", () => {});
    if (stream.destroyed || stream.closed) return; // taken back in the packets that brought it
    stream.respond(
      {
        [constants.HTTP2_HEADER_STATUS]: 200,
        [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc+proto",
        "grpc-status": isFull ? 8 : 12,
        "grpc-message": isFull ? `${underWay} calls are under way, no more are taken` : `The server does not implement the method ${path}`,
      },
      { endStream: true },
    );
    stream.resume();
  };

  return {
    take: (connection) => void server.emit("connection", connection as Socket),
    drain: () => {
      isDraining = true;
      for (const session of sessions.keys()) session.close();
    },
    cut: () => {
      isDraining = true;
      for (const session of sessions.keys()) session.destroy();
    },
  };
}

function isGrpc(headers: IncomingHttpHeaders): boolean {
  return headers["content-type"]?.startsWith("application/grpc") === true;
}
