/**
 * gRPC calls to one endpoint. A connection is made at the first call, and again after it broke; calls fail at once while it cannot be
 * made. (grpc-js opens its own sockets: this is one of the two places where the network does not come from the World.)
 */
import { type ChannelCredentials, Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { TlsFiles, World } from "@skein/base";
import type { Input } from "./codec/codec.ts";
import { RpcError, rpcStatusNames } from "./errors.ts";
import type { Message, MethodCodec, ServiceCodec } from "./schema.ts";
import type { StreamMethod, UnaryMethod } from "./service.ts";

/** How calls to one endpoint are made. Times are milliseconds. */
export interface RpcClientOptions {
  readonly tls?: TlsFiles;
  /** Of a unary call, unless it says another. Default 10 000. */
  readonly deadlineMs?: number;
  /** Largest answer that is taken. Default 64 MiB. */
  readonly messageBytesMax?: number;
}

export interface CallOptions {
  /** From now; without it, that of the client. Over it the call rejects with `deadline_exceeded`. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
  /** Headers of the call. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A stream in both directions; its owner ends it by `cancel`. */
export interface RpcStream {
  send(message: Message): void;
  /** Answers in order; throws `RpcError` when the stream breaks, ends when the server ended it. */
  readonly messages: AsyncIterable<Message>;
  cancel(): void;
}

/** The calling side of a stream of typed messages. */
export interface ClientStream<Q> {
  /** False when what was sent piles up: wait for `drained`. After the stream's end it does nothing. */
  send(message: Input<Q>): boolean;
  /** Sends no more; answers still come. */
  end(): void;
  /** Ends both ways; `over` is told with `cancelled`. */
  cancel(): void;
}

/** What comes back on a stream. */
export interface ClientStreamListener<A> {
  message(message: A): void;
  /** There is room again after `send` was false. */
  drained?(): void;
  /** Once, last: null when the server ended the stream with status ok. */
  over(error: RpcError | null): void;
}

/** Calls to one endpoint. After `close` they reject. */
export interface RpcClient extends Disposable {
  readonly endpoint: string;
  /** Throws `RpcError`, or the signal's reason. */
  request<Q, A>(method: UnaryMethod<Q, A>, request: Input<Q>, options?: CallOptions): Promise<A>;
  /** Calls the listener once for each message; a stream has no deadline. */
  open<Q, A>(
    method: StreamMethod<Q, A>,
    listener: ClientStreamListener<A>,
    options?: Pick<CallOptions, "metadata" | "signal">,
  ): ClientStream<Q>;
  /** Throws `RpcError`, or the signal's reason. */
  call(service: ServiceCodec, method: string, request: Message, options?: CallOptions): Promise<Message>;
  stream(service: ServiceCodec, method: string, options?: Pick<CallOptions, "metadata">): RpcStream;
  close(): void;
}

/** `endpoint` is `host:port`; `http://` or `https://` before it is taken off. */
export function createRpcClient(world: World, endpoint: string, options: RpcClientOptions = {}): RpcClient {
  const address = endpoint.replace(/^https?:\/\//, "");
  const messageBytesMax = options.messageBytesMax ?? 64 * 1024 * 1024;
  const client = new Client(address, channelCredentials(options.tls), {
    "grpc.max_receive_message_length": messageBytesMax,
    "grpc.max_send_message_length": messageBytesMax,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2000,
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 5_000,
    // Two clients of one address must not share a connection: closing one would cut the other's streams.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_http_proxy": 0,
    ...(options.tls?.serverName === undefined ? {} : { "grpc.ssl_target_name_override": options.tls.serverName }),
  });
  const deadlineMs = options.deadlineMs ?? 10_000;

  const close = () => client.close();
  const unary = <Q, A>(
    path: string,
    encode: (message: Q) => Buffer,
    decode: (bytes: Buffer) => A,
    request: Q,
    call: CallOptions,
  ): Promise<A> =>
    new Promise((resolve, reject) => {
      if (call.signal?.aborted) return reject(call.signal.reason);
      const onAbort = () => pending.cancel();
      const pending = client.makeUnaryRequest(
        path,
        encode,
        decode,
        request,
        metadataOf(call),
        { deadline: world.clock.nowMs() + (call.deadlineMs ?? deadlineMs) },
        (error: ServiceError | null, response?: A) => {
          call.signal?.removeEventListener("abort", onAbort);
          if (call.signal?.aborted) reject(call.signal.reason);
          else if (error !== null) reject(rpcErrorOf(error));
          else resolve(response as A);
        },
      );
      call.signal?.addEventListener("abort", onAbort, { once: true });
    });
  return {
    endpoint: address,
    call: (service, method, request, call = {}) => {
      const codec = methodOf(service, method);
      return unary(codec.path, codec.encodeRequest, codec.decodeResponse, request, call);
    },
    request: (method, request, call = {}) => unary(method.path, method.request.encode, method.response.decode, request, call),
    open: <Q, A>(method: StreamMethod<Q, A>, listener: ClientStreamListener<A>, call: Pick<CallOptions, "metadata" | "signal"> = {}) => {
      const stream = client.makeBidiStreamRequest<unknown, A>(
        method.path,
        method.request.encode as (message: unknown) => Buffer,
        method.response.decode,
        metadataOf(call),
      );
      let isOver = false;
      const finish = (error: RpcError | null) => {
        if (isOver) return;
        isOver = true;
        call.signal?.removeEventListener("abort", onAbort);
        listener.over(error);
      };
      const onAbort = () => stream.cancel();
      if (call.signal?.aborted) onAbort();
      call.signal?.addEventListener("abort", onAbort, { once: true });
      stream.on("data", (message: A) => {
        if (!isOver) listener.message(message);
      });
      stream.on("end", () => finish(null));
      stream.on("error", (error) => finish(rpcErrorOf(error)));
      if (listener.drained !== undefined) stream.on("drain", () => listener.drained?.());
      return {
        send: (message) => isOver || stream.write(message),
        end: () => stream.end(),
        cancel: () => stream.cancel(),
      };
    },
    stream: (service, method, call = {}) => {
      const codec = methodOf(service, method);
      const stream = client.makeBidiStreamRequest(codec.path, codec.encodeRequest, codec.decodeResponse, metadataOf(call));
      return {
        send: (message) => void stream.write(message),
        messages: messagesOf(stream),
        cancel: () => stream.cancel(),
      };
    },
    close,
    [Symbol.dispose]: close,
  };
}

function methodOf(service: ServiceCodec, method: string): MethodCodec {
  const codec = service.methods.get(method);
  if (codec === undefined) throw new Error(`service ${service.name} has no method ${method}`);
  return codec;
}

function metadataOf(call: CallOptions): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(call.metadata ?? {})) metadata.set(name, value);
  return metadata;
}

async function* messagesOf(stream: AsyncIterable<Message>): AsyncGenerator<Message, void, void> {
  try {
    yield* stream;
  } catch (error) {
    throw rpcErrorOf(error);
  }
}

function rpcErrorOf(error: unknown): RpcError {
  const { code, details, message } = error as Partial<ServiceError>;
  return new RpcError(rpcStatusNames[code ?? 2] ?? "unknown", details ?? message ?? String(error), error);
}

function channelCredentials(tls: TlsFiles | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const buffer = (data: string | Uint8Array | undefined) => (data === undefined ? null : Buffer.from(data));
  return credentials.createSsl(buffer(tls.ca), buffer(tls.key), buffer(tls.cert));
}
