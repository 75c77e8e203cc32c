/**
 * One port for gRPC, HTTP and, where wanted, a protocol of our own: the first bytes of a connection tell which it speaks. gRPC clients
 * begin with HTTP/2's preface; so do others where TLS let them agree on it.
 *
 *   world.network.listen ─ connection ─ first bytes ─┬─ "PRI * HTTP/2.0" → node:http2 ─┬─ gRPC → services
 *                                                    │                                 └─ else → `http`
 *                                                    ├─ `prefixed.prefix` → `prefixed.onConnection`
 *                                                    └─ else              → node:http → `http`
 *
 * Limits: connections, the time to the first bytes, header size, the time of a whole request, the size of a gRPC message, and the bytes
 * of all that have come and are not dealt with.
 */
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage, type RequestListener } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TlsFiles, World } from "@skein/base";
import { rpcErrors } from "./errors.ts";
import { type AnswerRoom, answerRoom } from "./grpc/answer-room.ts";
import { type ByteBudget, receivedBytes } from "./grpc/byte-budget.ts";
import { createGrpcServer } from "./grpc/grpc-server.ts";
import { routesOf } from "./grpc/registration.ts";
import type { Message, ServiceCodec } from "./schema.ts";
import type { CallContext, Implementation } from "./service.ts";

/** One request, one answer; an `RpcError` that it rejects with is answered as it is, any other as `unknown`. */
export type UnaryHandler = (request: Message, context: CallContext) => Promise<Message>;
/** Both directions; the stream ends when the handler returns. */
export type StreamHandler = (stream: ServerStream, context: CallContext) => Promise<void>;

/** The answering side of a stream, for handlers with promises. */
export interface ServerStream {
  readonly messages: AsyncIterable<Message>;
  /** Resolves when there is room for the next. */
  send(message: Message): Promise<void>;
}

/** Handlers by method name. A method without one answers `unimplemented`. */
export interface ServiceRegistration {
  readonly service: ServiceCodec;
  readonly unary?: Readonly<Record<string, UnaryHandler>>;
  readonly streams?: Readonly<Record<string, StreamHandler>>;
}

/** Where a server listens, and what it answers. */
export interface ServerOptions {
  readonly host: string;
  /** 0 takes a free one; see `RpcServer.port`. */
  readonly port: number;
  /** With `allowedCommonNames` only clients whose certificate has one of them are served. */
  readonly tls?: TlsFiles & { readonly requestCert?: boolean; readonly allowedCommonNames?: readonly string[] };
  readonly services?: readonly (ServiceRegistration | Implementation)[];
  /**
   * Answers HTTP/1 requests, and those of HTTP/2 that are not gRPC, for example `(request, response) => app.routing(request, response)`
   * of fastify. Without it: 404.
   */
  readonly http?: RequestListener;
  readonly prefixed?: PrefixedConnections;
  readonly limits?: Partial<ServerLimits>;
  /** Where the bytes of messages count that have come and are not dealt with. Default: with those of all servers of the process. */
  readonly received?: ByteBudget;
  /** Where the answers of unary calls count that their callers have not read. Default: with those of all servers of the process. */
  readonly unread?: AnswerRoom;
}

/** Connections that speak neither gRPC nor HTTP/1. TLS, its certificates, and the time to the first bytes are as for the others. */
export interface PrefixedConnections {
  /** How each of them begins. Its first byte is 0x80 or more: no HTTP begins so. */
  readonly prefix: Uint8Array;
  /** Beside `ServerLimits.connectionsMax`, so that clients cannot crowd them out. Default 1000. */
  readonly connectionsMax?: number;
  /** The prefix is still to be read. The server's end is the connection's. */
  readonly onConnection: (connection: Duplex) => void;
}

/** What one server takes from all its callers. What goes beyond is refused or cut off, never queued. */
export interface ServerLimits {
  readonly connectionsMax: number;
  /** From the start of a connection to its first bytes, and between requests of an HTTP/1 connection. */
  readonly idleMs: number;
  /** From an HTTP/1 request's headers to the end of its body. */
  readonly requestMs: number;
  readonly headerBytesMax: number;
  /** HTTP requests of a connection ahead of their answers. With HTTP/1, one that sends more is cut off; with HTTP/2, they are refused. */
  readonly pipelinedMax: number;
  readonly messageBytesMax: number;
  /** gRPC calls of one connection that are under way; the other side learns of it, and waits with more. */
  readonly callsPerConnectionMax: number;
  /** Of all connections: more are refused with `resource_exhausted`. A call takes some memory, however small its message is. */
  readonly callsMax: number;
}

const defaultLimits: ServerLimits = {
  connectionsMax: 1000,
  idleMs: 60_000,
  requestMs: 60_000,
  headerBytesMax: 16 * 1024,
  pipelinedMax: 16,
  messageBytesMax: 64 * 1024 * 1024,
  callsPerConnectionMax: 4096,
  callsMax: 20_000,
};
const prefixedMax = 1000;
/** gRPC clients send what their callers give them along as headers. */
const grpcHeaderBytes = 64 * 1024;

export interface RpcServer extends AsyncDisposable {
  readonly port: number;
  /** Takes no more calls, lets those that run finish for up to `graceMs` (default 0), then cuts all connections. */
  close(graceMs?: number): Promise<void>;
}

/** For the first bytes of a connection that is only let in because it may be a prefixed one. */
const spareMs = 1_000;

/** Rejects with `listenFailed`. */
export async function createServer(world: World, options: ServerOptions): Promise<RpcServer> {
  const limits = { ...defaultLimits, ...options.limits };
  const { prefixed } = options;
  const prefix = Buffer.from(prefixed?.prefix ?? []);
  if (prefixed !== undefined && (prefix[0] ?? 0) < 0x80) throw new RangeError("a prefix must begin with a byte that no HTTP begins with");
  const undecided = new Set<Duplex>();
  let onEmpty = () => {};
  let isClosing = false;
  const answer: RequestListener = options.http ?? ((_request, response) => response.writeHead(404).end());
  const http = httpServer(world, answer, limits, () => isClosing);
  const grpc = createGrpcServer(world, {
    routes: (options.services ?? []).flatMap(routesOf),
    messageBytesMax: limits.messageBytesMax,
    callsPerConnectionMax: limits.callsPerConnectionMax,
    callsMax: limits.callsMax,
    received: options.received ?? receivedBytes,
    unread: options.unread ?? answerRoom,
    http: answer,
    requestsMax: limits.pipelinedMax,
    requestMs: limits.requestMs,
    headerBytesMax: Math.max(limits.headerBytesMax, grpcHeaderBytes),
  });
  const open = new Set<Duplex>();
  const openPrefixed = new Set<Duplex>();

  const onConnection = (connection: Duplex) => {
    if (isClosing) return void connection.destroy();
    const isSpare = open.size - openPrefixed.size >= limits.connectionsMax;
    open.add(connection);
    undecided.add(connection);
    connection.once("close", () => {
      open.delete(connection);
      undecided.delete(connection);
      openPrefixed.delete(connection);
      if (open.size === openPrefixed.size) onEmpty();
    });
    connection.on("error", () => connection.destroy()); // a peer that breaks off is no event of ours
    const timer = world.clock.timer(isSpare ? Math.min(spareMs, limits.idleMs) : limits.idleMs, () => connection.destroy());
    let first = Buffer.alloc(0);
    const onReadable = () => {
      for (let chunk = connection.read() as Buffer | null; chunk !== null; chunk = connection.read() as Buffer | null)
        first = Buffer.concat([first, chunk]);
      const kind = protocolOf(first, prefix);
      if (kind === "unknown") return;
      if (isSpare && kind !== "prefixed") return void connection.destroy();
      timer.cancel();
      undecided.delete(connection);
      connection.off("readable", onReadable);
      connection.off("end", onEnd);
      connection.unshift(first);
      if (kind === "grpc") grpc.take(connection);
      else if (kind === "prefixed") {
        openPrefixed.add(connection);
        prefixed?.onConnection(connection);
      } else http.emit("connection", connection as Socket);
    };
    const onEnd = () => {
      timer.cancel();
      connection.destroy();
    };
    connection.on("readable", onReadable);
    connection.once("end", onEnd);
    connection.once("close", () => timer.cancel());
  };

  const listener = await world.network
    .listen(
      {
        host: options.host,
        port: options.port,
        connectionsMax: limits.connectionsMax + (prefixed === undefined ? 0 : (prefixed.connectionsMax ?? prefixedMax)),
        // gRPC clients insist on having h2 confirmed.
        ...(options.tls === undefined
          ? {}
          : {
              tls: {
                ...options.tls,
                alpn: ["h2", "http/1.1"],
                onRefused: (reason, { address, port }) => world.log.warn("TLS connection refused", { reason, peer: `${address}:${port}` }),
              },
            }),
      },
      onConnection,
    )
    .catch((error: unknown) => {
      throw rpcErrors.listenFailed([`${options.host}:${options.port}`], error);
    });

  let closing: Promise<void> | undefined;
  const close = (graceMs = 0) =>
    (closing ??= (async () => {
      if (graceMs > 0) {
        // Connections end by themselves when their last call has been answered; prefixed ones have none, and are not waited for.
        const patience = new AbortController();
        const finished = new Promise<void>((resolve) => {
          onEmpty = resolve;
        });
        for (const connection of undecided) connection.destroy();
        grpc.drain();
        http.closeIdleConnections();
        isClosing = true;
        if (open.size > openPrefixed.size) await Promise.race([finished, world.clock.sleep(graceMs, patience.signal).catch(() => {})]);
        patience.abort();
      }
      grpc.cut();
      http.closeAllConnections();
      for (const connection of open) connection.destroy();
      await listener.close();
    })());
  return { port: listener.port, close, [Symbol.asyncDispose]: () => close() };
}

const preface = "PRI * HTTP/2.0";

/** `prefix`: empty when there is none. */
function protocolOf(first: Buffer, prefix: Buffer): "grpc" | "http" | "prefixed" | "unknown" {
  const shared = Math.min(first.length, prefix.length);
  if (shared > 0 && first.compare(prefix, 0, shared, 0, shared) === 0) return shared === prefix.length ? "prefixed" : "unknown";
  const text = first.toString("latin1", 0, preface.length);
  if (text === preface) return "grpc";
  return preface.startsWith(text) ? "unknown" : "http";
}

function httpServer(world: World, answer: RequestListener, limits: ServerLimits, isClosing: () => boolean): HttpServer {
  const unanswered = new WeakMap<Socket, number>();
  const server = createHttpServer({ maxHeaderSize: limits.headerBytesMax, keepAliveTimeout: limits.idleMs }, (request, response) => {
    const { socket } = request;
    const ahead = unanswered.get(socket) ?? 0;
    // Node hands over all requests of what it has read at once: a thousand fit where one is expected, and others would wait for them.
    if (ahead >= limits.pipelinedMax) socket.destroy();
    if (socket.destroyed) return;
    unanswered.set(socket, ahead + 1);
    response.once("close", () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
    limitBody(world, request, limits.requestMs);
    if (isClosing()) response.setHeader("Connection", "close");
    response.once("finish", () => {
      if (isClosing()) request.socket.end();
    });
    answer(request, response);
  });
  server.timeout = limits.requestMs; // silence on the connection
  server.maxRequestsPerSocket = 10_000;
  server.on("clientError", (_error, socket) => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    else socket.destroy();
  });
  return server;
}

/** A body that trickles in holds a connection for `requestMs` at most. */
function limitBody(world: World, request: IncomingMessage, requestMs: number): void {
  const timer = world.clock.timer(requestMs, () => {
    if (!request.complete) request.destroy();
  });
  request.once("close", () => timer.cancel());
  request.once("end", () => timer.cancel());
}
