/**
 * Calls to whichever endpoint of an etcd cluster answers. A call that surely did not reach a server is made again, at the next
 * endpoint, until its deadline; one whose answer was lost is made again only when making it twice does no harm.
 */
import { Backoff, type CodedError, type TlsFiles, type World } from "@skein/base";
import {
  createRpcClient,
  isRpcError,
  type Message,
  type RpcClient,
  type RpcError,
  type RpcStatus,
  type RpcStream,
  type ServiceCodec,
} from "@skein/rpc";
import { metastoreErrors } from "../errors.ts";

export interface EtcdConnectionOptions {
  /** `host:port`, or URLs. */
  readonly endpoints: readonly string[];
  readonly tls?: TlsFiles;
  /** Of one request with all its tries. Default 10 000. */
  readonly deadlineMs?: number;
}

export interface EtcdCall {
  readonly service: ServiceCodec;
  readonly method: string;
  /** Carrying it out twice is the same as once: reads, keep-alives. */
  readonly isRepeatable: boolean;
  readonly signal?: AbortSignal;
  /** What a refusal is about: etcd's own texts name nothing. */
  readonly about?: { readonly revision?: number; readonly lease?: bigint; readonly operations?: number };
}

export class EtcdConnection {
  readonly #world: World;
  readonly #clients: readonly RpcClient[];
  readonly #deadlineMs: number;
  readonly #closing = new AbortController();
  #current = 0;

  constructor(world: World, options: EtcdConnectionOptions) {
    if (options.endpoints.length === 0) throw metastoreErrors.invalidRequest(["no endpoints are given"]);
    this.#world = world;
    this.#deadlineMs = options.deadlineMs ?? 10_000;
    this.#clients = options.endpoints.map((endpoint) =>
      createRpcClient(world, endpoint, options.tls === undefined ? {} : { tls: options.tls }),
    );
  }

  get endpoints(): string {
    return this.#clients.map((client) => client.endpoint).join(",");
  }
  /** Aborts when the connection closes. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Throws a coded error of the store. */
  async call(call: EtcdCall, request: Message): Promise<Message> {
    const signal = call.signal === undefined ? this.closing : AbortSignal.any([call.signal, this.closing]);
    const endMs = this.#world.clock.monotonicMs() + this.#deadlineMs;
    const backoff = new Backoff({ minMs: 20, maxMs: 500 }, () => this.#world.random.float());
    for (let tries = 1; ; tries++) {
      if (this.closing.aborted) throw metastoreErrors.closed([]);
      const at = this.#current;
      const leftMs = endMs - this.#world.clock.monotonicMs();
      // One endpoint that hangs must leave time for another.
      const deadlineMs = Math.max(1, this.#clients.length > 1 && call.isRepeatable ? Math.min(leftMs, this.#deadlineMs / 3) : leftMs);
      try {
        return await this.#client(at).call(call.service, call.method, request, { deadlineMs, signal });
      } catch (error) {
        if (this.closing.aborted) throw metastoreErrors.closed([], error);
        if (!isRpcError(error)) throw error;
        const fate = fateOf(error);
        if (fate === "answered") throw codedError(error, call);
        this.#leave(at);
        if (fate === "unknown" && !call.isRepeatable) throw metastoreErrors.outcomeUnknown([call.method], error);
        const waitMs = tries % this.#clients.length === 0 ? backoff.next() : 0;
        if (this.#world.clock.monotonicMs() + waitMs >= endMs) throw metastoreErrors.unavailable([this.endpoints], error);
        if (waitMs > 0) await this.#world.clock.sleep(waitMs, signal).catch(() => {});
        call.signal?.throwIfAborted();
      }
    }
  }

  /** A stream at the endpoint that is used now; `leave` moves on when it broke. */
  stream(service: ServiceCodec, method: string): { readonly stream: RpcStream; readonly leave: () => void } {
    if (this.closing.aborted) throw metastoreErrors.closed([]);
    const at = this.#current;
    // A member that lost its leader ends the stream instead of keeping silent.
    return { stream: this.#client(at).stream(service, method, { metadata: { hasleader: "true" } }), leave: () => this.#leave(at) };
  }

  close(): void {
    if (this.closing.aborted) return;
    this.#closing.abort(metastoreErrors.closed([]));
    for (const client of this.#clients) client.close();
  }

  #client(at: number): RpcClient {
    return this.#clients[at % this.#clients.length] as RpcClient;
  }

  #leave(at: number): void {
    if (this.#current === at) this.#current++;
  }
}

/** Whether a failed call was refused by a server that read it, never reached one, or got lost with its outcome unknown. */
export function fateOf(error: RpcError): "answered" | "unsent" | "unknown" {
  if (error.text.startsWith("etcdserver: no leader")) return "unsent";
  if (error.status === "unavailable" && neverSent.test(error.text)) return "unsent";
  if (!mayBeLost.has(error.status)) return "answered";
  const isServersWord = error.text.startsWith("etcdserver: ") && !/request timed out|leader changed|server stopped/.test(error.text);
  return isServersWord ? "answered" : "unknown";
}

const neverSent = /No connection established|ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|Name resolution failed|not yet ready/i;
const mayBeLost: ReadonlySet<RpcStatus> = new Set(["unavailable", "deadline_exceeded", "cancelled", "internal", "unknown"]);

/** An answer of etcd, in our words; what has no case of its own keeps etcd's. */
function codedError(error: RpcError, call: Pick<EtcdCall, "method" | "about">): CodedError {
  const { revision = 0, lease = 0n, operations = 0 } = call.about ?? {};
  const text = error.text.replace(/^etcdserver: /, "");
  switch (text) {
    case "mvcc: required revision has been compacted":
      return metastoreErrors.compacted([revision, null], error);
    case "mvcc: required revision is a future revision":
      return metastoreErrors.futureRevision([revision, null], error);
    case "requested lease not found":
      return metastoreErrors.leaseNotFound([lease], error);
    case "lease already exists":
      return metastoreErrors.leaseExists([lease], error);
    case "duplicate key given in txn request":
      return metastoreErrors.duplicateKey(["(not named)"], error);
    case "too many operations in txn request":
      return metastoreErrors.tooManyOperations([operations, null], error);
    case "request is too large":
      return metastoreErrors.requestTooLarge([null, null], error);
    case "key is not provided":
      return metastoreErrors.invalidRequest(["a key must not be empty"], error);
    default:
      return metastoreErrors.refused([call.method, error.text], error);
  }
}
