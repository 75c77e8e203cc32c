/** Services of both forms as routes: tables of typed methods, and handlers that take a stream's messages as an `AsyncIterable`. */
import type { Codec } from "../codec/codec.ts";
import type { Message, MethodCodec } from "../schema.ts";
import type { ServerStream, ServiceRegistration, StreamHandler } from "../server.ts";
import type { Implementation, Method, Route, StreamCall, StreamListener } from "../service.ts";

/** Messages of a stream that came and were not asked for. */
const unreadMax = 16;

/** Methods without a handler are left out: their calls are answered with `unimplemented`. */
export function routesOf(registration: ServiceRegistration | Implementation): readonly Route[] {
  if ("routes" in registration) return registration.routes;
  const { service, unary = {}, streams = {} } = registration;
  const routes: Route[] = [];
  for (const codec of service.methods.values()) {
    const handleUnary = unary[codec.name];
    const handleStream = streams[codec.name];
    if (handleUnary !== undefined)
      routes.push({ method: methodOf(codec), unary: (request, context) => handleUnary(request as Message, context), stream: null });
    else if (handleStream !== undefined)
      routes.push({ method: methodOf(codec), unary: null, stream: (call) => startStream(call, handleStream) });
  }
  return routes;
}

function methodOf(codec: MethodCodec): Method<unknown, unknown> {
  const { path, requestStream, responseStream } = codec;
  return {
    kind: requestStream || responseStream ? "stream" : "unary",
    path,
    requestStream,
    responseStream,
    request: { name: path, decode: codec.decodeRequest, encode: codec.encodeRequest } as unknown as Codec<unknown>,
    response: { name: path, decode: codec.decodeResponse, encode: codec.encodeResponse } as unknown as Codec<unknown>,
  };
}

function startStream(call: StreamCall<unknown>, handle: StreamHandler): StreamListener<unknown> {
  const unread: Message[] = [];
  let isEnded = false;
  let onMessage = () => {};
  let onRoom = () => {};
  const next = async (): Promise<IteratorResult<Message, void>> => {
    for (;;) {
      const message = unread.shift();
      if (message !== undefined) {
        if (unread.length === unreadMax - 1) call.resume();
        return { done: false, value: message };
      }
      if (isEnded) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        onMessage = resolve;
      });
    }
  };
  const stream: ServerStream = {
    // A handler that stops listening may still have to answer: leaving the loop does nothing.
    messages: { [Symbol.asyncIterator]: () => ({ next }) },
    send: (message) =>
      new Promise((resolve, reject) => {
        const { signal } = call.context;
        if (signal.aborted) reject(signal.reason as Error);
        else if (call.send(message)) resolve();
        else onRoom = resolve;
      }),
  };
  handle(stream, call.context).then(
    () => call.end(),
    (error: unknown) => call.fail(error),
  );
  return {
    message: (message) => {
      unread.push(message as Message);
      if (unread.length >= unreadMax) call.pause();
      onMessage();
    },
    end: () => {
      isEnded = true;
      onMessage();
    },
    drained: () => onRoom(),
    gone: () => {
      isEnded = true;
      onMessage();
      onRoom();
    },
  };
}
