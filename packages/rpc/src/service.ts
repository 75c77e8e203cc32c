/**
 * Services as tables of typed methods, their handlers, and what a call is to a handler.
 *
 *   export const echo = service("test.Echo", { Say: unary(Ask, Answer), Talk: duplex(Ask, Answer) });
 *   createServer(world, { …, services: [implement(echo, { Say: (ask) => ({ text: ask.text }), Talk: (call) => ({ message: (ask) => call.send(…) }) })] });
 *
 * A method without a handler answers `unimplemented`. Handlers of streams are called once for each message, without a promise.
 */
import type { Codec, Input } from "./codec/codec.ts";

/** One method: `Q` is what is asked, `A` what is answered, both as their codecs decode them. */
export interface Method<Q, A, K extends "unary" | "stream" = "unary" | "stream"> {
  readonly kind: K;
  /** `/package.Service/Method` */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly request: Codec<Q>;
  readonly response: Codec<A>;
}
export type UnaryMethod<Q, A> = Method<Q, A, "unary">;
/** Of any kind but unary: with messages in one direction or both. */
export type StreamMethod<Q, A> = Method<Q, A, "stream">;

/** One request, one answer. */
export function unary<Q, A>(request: Codec<Q>, response: Codec<A>): UnaryMethod<Q, A> {
  return { kind: "unary", path: "", requestStream: false, responseStream: false, request, response };
}

/** Messages both ways, each in its own time. */
export function duplex<Q, A>(request: Codec<Q>, response: Codec<A>): StreamMethod<Q, A> {
  return { kind: "stream", path: "", requestStream: true, responseStream: true, request, response };
}

/** One request, many answers. */
export function serverStream<Q, A>(request: Codec<Q>, response: Codec<A>): StreamMethod<Q, A> {
  return { kind: "stream", path: "", requestStream: false, responseStream: true, request, response };
}

/** Many requests, one answer. */
export function clientStream<Q, A>(request: Codec<Q>, response: Codec<A>): StreamMethod<Q, A> {
  return { kind: "stream", path: "", requestStream: true, responseStream: false, request, response };
}

// Method types are invariant in their messages, so a table of them can only be bounded this loosely.
// oxlint-disable-next-line typescript/no-explicit-any
export type Methods = Readonly<Record<string, Method<any, any>>>;

/** A table of methods under their names on the wire. */
export interface Service<M> {
  /** `package.Service` */
  readonly name: string;
  readonly methods: M;
}

/** Gives the methods their paths. */
export function service<M extends Methods>(name: string, methods: M): Service<M> {
  const named = Object.fromEntries(Object.entries(methods).map(([method, value]) => [method, { ...value, path: `/${name}/${method}` }]));
  return { name, methods: named as M };
}

/** What a handler knows of the call besides its message. */
export interface CallContext {
  /** Aborts when the caller gave up, its deadline passed, or its connection broke. */
  readonly signal: AbortSignal;
  /** `host:port` of the caller. */
  readonly peer: string;
  /** A header of the call, by its lower-case name. */
  metadata(name: string): string | null;
}

/** Throws or rejects with an `RpcError` to answer with that status; any other error is answered as `unknown`. */
export type UnaryCall<Q, A> = (request: Q, context: CallContext) => Input<A> | Promise<Input<A>>;

/** The answering side of a stream. After its end, or when the caller is gone, sending does nothing. */
export interface StreamCall<A> {
  readonly context: CallContext;
  /**
   * False when the answers pile up: wait for `drained`. A listener without it is given no more messages until the caller has read
   * what there is.
   */
  send(message: Input<A>): boolean;
  /** Ends with status ok. */
  end(): void;
  /** Ends with the status of an `RpcError`, or `unknown`. */
  fail(error: unknown): void;
  /** Ends at once: what was sent and not read is dropped. For callers who do not read. */
  cutOff(): void;
  /** Takes no more messages until `resume`. */
  pause(): void;
  resume(): void;
}

/** What throws ends the stream as `fail` does. */
export interface StreamListener<Q> {
  message(message: Q): void;
  /** The caller sends no more. Without it the stream is ended. */
  end?(): void;
  /** There is room again after `send` was false. */
  drained?(): void;
  /** The stream is over, however it came: once, last. */
  gone?(): void;
}

/** Called when a stream opens; what it throws ends the stream as `fail` does. */
export type StreamStart<Q, A> = (call: StreamCall<A>) => StreamListener<Q>;

/** Handlers by the names of the methods; those that are missing answer `unimplemented`. */
export type Handlers<M> = {
  readonly [K in keyof M]?: M[K] extends Method<infer Q, infer A, infer Kind>
    ? Kind extends "unary"
      ? UnaryCall<Q, A>
      : StreamStart<Q, A>
    : never;
};

/** A method of any messages with its handler. */
export interface Route {
  readonly method: Method<unknown, unknown>;
  readonly unary: UnaryCall<unknown, unknown> | null;
  readonly stream: StreamStart<unknown, unknown> | null;
}

/** What a server takes: a service with its handlers. */
export interface Implementation {
  readonly name: string;
  readonly routes: readonly Route[];
}

/** Puts handlers to their methods, with types that fit. */
export function implement<M extends Methods>(service: Service<M>, handlers: Handlers<M>): Implementation {
  const routes: Route[] = [];
  for (const [name, method] of Object.entries(service.methods)) {
    const handler = handlers[name];
    if (handler === undefined) continue;
    routes.push({
      method: method as Method<unknown, unknown>,
      unary: method.kind === "unary" ? (handler as UnaryCall<unknown, unknown>) : null,
      stream: method.kind === "stream" ? (handler as StreamStart<unknown, unknown>) : null,
    });
  }
  return { name: service.name, routes };
}
