/**
 * One port for gRPC, HTTP/1 and, where wanted, a protocol of our own: the first bytes of a connection tell which it speaks. gRPC
 * clients begin with HTTP/2's preface.
 *
 *   world.network.listen ─ connection ─ first bytes ─┬─ "PRI * HTTP/2.0" → grpc-js
 *                                                    ├─ `prefixed.prefix`  → `prefixed.onConnection`
 *                                                    └─ else             → node:http → `http`
 *
 * Limits: connections, the time to the first bytes, header size, the time of a whole request, gRPC message size.
 */
import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
  type Metadata,
  Server as GrpcServer,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  type UntypedServiceImplementation,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import { CodedError, type TlsFiles, type World } from "@skein/base";
import { RpcError, rpcErrors } from "./errors.ts";
import type { Message, MethodCodec, ServiceCodec } from "./schema.ts";
import type { CallContext, Implementation, Route, StreamCall, StreamListener } from "./service.ts";

export type UnaryHandler = (request: Message, context: CallContext) => Promise<Message>;
/** Both directions; the stream ends when the handler returns. */
export type StreamHandler = (stream: ServerStream, context: CallContext) => Promise<void>;

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

export interface ServerOptions {
  readonly host: string;
  /** 0 takes a free one; see `RpcServer.port`. */
  readonly port: number;
  /** With `allowedCommonNames` only clients whose certificate has one of them are served. */
  readonly tls?: TlsFiles & { readonly requestCert?: boolean; readonly allowedCommonNames?: readonly string[] };
  readonly services?: readonly (ServiceRegistration | Implementation)[];
  /** Answers HTTP/1 requests, for example `(request, response) => app.routing(request, response)` of fastify. Without it: 404. */
  readonly http?: RequestListener;
  readonly prefixed?: PrefixedConnections;
  readonly limits?: Partial<ServerLimits>;
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

export interface ServerLimits {
  readonly connectionsMax: number;
  /** From the start of a connection to its first bytes, and between requests of an HTTP/1 connection. */
  readonly idleMs: number;
  /** From an HTTP/1 request's headers to the end of its body. */
  readonly requestMs: number;
  readonly headerBytesMax: number;
  /** HTTP/1 requests of a connection that are sent ahead of answers; one that sends more is cut off. */
  readonly pipelinedMax: number;
  readonly messageBytesMax: number;
}

const defaultLimits: ServerLimits = {
  connectionsMax: 1000,
  idleMs: 60_000,
  requestMs: 60_000,
  headerBytesMax: 16 * 1024,
  pipelinedMax: 16,
  messageBytesMax: 64 * 1024 * 1024,
};
const prefixedMax = 1000;

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
  const grpc = new GrpcServer({
    "grpc.max_receive_message_length": limits.messageBytesMax,
    "grpc.max_send_message_length": limits.messageBytesMax,
  });
  for (const registration of options.services ?? []) {
    if ("routes" in registration) addRoutes(grpc, registration);
    else register(grpc, registration);
  }
  const undecided = new Set<Duplex>();
  let onEmpty = () => {};
  let isClosing = false;
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const http = httpServer(world, options.http, limits, () => isClosing);
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
      if (kind === "grpc") injector.injectConnection(connection);
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
        injector.drain(graceMs);
        http.closeIdleConnections();
        isClosing = true;
        if (open.size > openPrefixed.size) await Promise.race([finished, world.clock.sleep(graceMs, patience.signal).catch(() => {})]);
        patience.abort();
      }
      grpc.forceShutdown();
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

function httpServer(world: World, listener: RequestListener | undefined, limits: ServerLimits, isClosing: () => boolean): HttpServer {
  const answer: RequestListener = listener ?? ((_request, response) => response.writeHead(404).end());
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

function register(grpc: GrpcServer, { service, unary = {}, streams = {} }: ServiceRegistration): void {
  const definition: Record<string, ServiceDefinition[string]> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const method of service.methods.values()) {
    definition[method.name] = definitionOf(method);
    const handleUnary = unary[method.name];
    const handleStream = streams[method.name];
    if (handleUnary !== undefined) implementation[method.name] = unaryCall(handleUnary);
    else if (handleStream !== undefined) implementation[method.name] = streamCall(handleStream);
  }
  grpc.addService(definition, implementation);
}

function definitionOf(method: MethodCodec): ServiceDefinition[string] {
  return {
    path: method.path,
    originalName: method.name,
    requestStream: method.requestStream,
    responseStream: method.responseStream,
    requestSerialize: method.encodeRequest,
    requestDeserialize: method.decodeRequest,
    responseSerialize: method.encodeResponse,
    responseDeserialize: method.decodeResponse,
  };
}

function unaryCall(handle: UnaryHandler) {
  return (call: ServerUnaryCall<Message, Message>, answer: sendUnaryData<Message>): void => {
    handle(call.request, new GrpcContext(call)).then(
      (response) => answer(null, response),
      (error: unknown) => answer(statusOf(error)),
    );
  };
}

function streamCall(handle: StreamHandler) {
  return (call: ServerDuplexStream<Message, Message>): void => {
    const controller = new AbortController();
    const onGone = () => controller.abort(new DOMException("the caller gave up", "AbortError"));
    call.on("cancelled", onGone);
    call.on("error", onGone);
    const stream: ServerStream = {
      // A handler that stops listening may still have to answer: leaving the loop must not break the stream.
      messages: { [Symbol.asyncIterator]: () => call.iterator({ destroyOnReturn: false }) },
      send: (message) =>
        new Promise((resolve, reject) => {
          if (controller.signal.aborted) return reject(controller.signal.reason);
          if (call.write(message)) return resolve();
          const settle = () => {
            call.off("drain", settle);
            controller.signal.removeEventListener("abort", settle);
            resolve();
          };
          call.once("drain", settle);
          controller.signal.addEventListener("abort", settle, { once: true });
        }),
    };
    handle(stream, { signal: controller.signal, peer: call.getPeer(), metadata: (name) => headerOf(call, name) }).then(
      () => call.end(),
      (error: unknown) => {
        if (!controller.signal.aborted) call.emit("error", statusOf(error));
      },
    );
  };
}

function headerOf(call: { readonly metadata: Metadata }, name: string): string | null {
  const value = call.metadata.get(name)[0];
  return value === undefined ? null : value.toString();
}

/** Of a unary call: what most handlers never ask for is made when it is asked for. */
class GrpcContext implements CallContext {
  private readonly call: ServerUnaryCall<unknown, unknown>;
  private controller: AbortController | null = null;

  constructor(call: ServerUnaryCall<unknown, unknown>) {
    this.call = call;
  }

  get signal(): AbortSignal {
    if (this.controller === null) {
      const controller = new AbortController();
      const onGone = () => controller.abort(gaveUp());
      this.controller = controller;
      if (this.call.cancelled) onGone();
      else this.call.on("cancelled", onGone);
    }
    return this.controller.signal;
  }

  get peer(): string {
    return this.call.getPeer();
  }

  metadata(name: string): string | null {
    return headerOf(this.call, name);
  }
}

const gaveUp = () => new DOMException("the caller gave up", "AbortError");

function addRoutes(grpc: GrpcServer, { routes }: Implementation): void {
  const definition: Record<string, ServiceDefinition[string]> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const route of routes) {
    const { method } = route;
    definition[method.path] = {
      path: method.path,
      requestStream: method.requestStream,
      responseStream: method.responseStream,
      requestSerialize: (message: unknown) => method.request.encode(message as Record<string, never>),
      requestDeserialize: (bytes) => method.request.decode(bytes),
      responseSerialize: (message: unknown) => method.response.encode(message as Record<string, never>),
      responseDeserialize: (bytes) => method.response.decode(bytes),
    };
    implementation[method.path] = route.unary === null ? streamRoute(route) : unaryRoute(route);
  }
  grpc.addService(definition, implementation);
}

function unaryRoute({ unary }: Route) {
  return (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>): void => {
    const fail = (error: unknown) => answer(statusOf(error));
    try {
      const response = unary?.(call.request, new GrpcContext(call));
      if (response instanceof Promise) response.then((value: unknown) => answer(null, value), fail);
      else answer(null, response);
    } catch (error) {
      fail(error);
    }
  };
}

function streamRoute({ stream: start, method }: Route) {
  // A call with one answer, or with one request, comes in another form than one with messages both ways.
  return (call: ServerDuplexStream<unknown, unknown>, answer?: sendUnaryData<unknown>): void => {
    const controller = new AbortController();
    let isOver = false;
    let isPaused = false;
    let isHeldUp = false;
    let onlyAnswer: unknown;
    let listener: StreamListener<unknown> | undefined;
    const finish = () => {
      if (isOver) return;
      isOver = true;
      listener?.gone?.();
    };
    const onGone = () => {
      if (!controller.signal.aborted) controller.abort(gaveUp());
      finish();
    };
    const fail = (error: unknown) => {
      if (isOver) return;
      if (method.responseStream) call.emit("error", statusOf(error));
      else answer?.(statusOf(error));
      finish();
    };
    /** What a listener throws ends its stream. */
    const guarded = (run: () => void) => {
      try {
        run();
      } catch (error) {
        fail(error);
      }
    };
    call.on("cancelled", onGone);
    call.on("error", onGone);
    const streamCall: StreamCall<unknown> = {
      context: { signal: controller.signal, peer: call.getPeer(), metadata: (name) => headerOf(call, name) },
      send: (message) => {
        if (isOver) return true;
        if (!method.responseStream) {
          onlyAnswer = message;
          return true;
        }
        const hasRoom = call.write(message);
        // Who does not read answers is not read either, unless the listener sees to it.
        if (!hasRoom && !isHeldUp && listener?.drained === undefined) {
          isHeldUp = true;
          call.pause();
          call.once("drain", () => {
            isHeldUp = false;
            if (!isPaused && !isOver) call.resume();
          });
        }
        return hasRoom;
      },
      end: () => {
        if (isOver) return;
        if (method.responseStream) call.end();
        else answer?.(null, onlyAnswer);
        finish();
      },
      fail,
      pause: () => {
        isPaused = true;
        call.pause();
      },
      resume: () => {
        isPaused = false;
        if (!isHeldUp) call.resume();
      },
    };
    guarded(() => {
      const opened = start?.(streamCall);
      if (opened === undefined) return;
      listener = opened;
      if (isOver) return opened.gone?.();
      if (opened.drained !== undefined) call.on("drain", () => guarded(() => opened.drained?.()));
      const onEnd = () => guarded(() => (opened.end === undefined ? streamCall.end() : opened.end()));
      if (!method.requestStream) {
        opened.message((call as unknown as { readonly request: unknown }).request);
        return;
      }
      call.on("data", (message: unknown) => {
        if (isOver) return;
        try {
          opened.message(message);
        } catch (error) {
          fail(error);
        }
      });
      call.on("end", onEnd);
    });
  };
}

/** Coded errors go out as gRPC's `Unknown` with their whole text, as the original's do. */
function statusOf(error: unknown): { readonly code: number; readonly details: string; readonly name: string; readonly message: string } {
  const code = error instanceof RpcError ? error.code : 2;
  const details =
    error instanceof RpcError ? error.text : error instanceof CodedError || error instanceof Error ? error.message : String(error);
  return { code, details, name: "Error", message: details };
}
