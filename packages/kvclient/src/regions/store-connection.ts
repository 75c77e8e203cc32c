/**
 * The connection to one store: one stream of batched commands, on which the requests of one turn go out together and answers come
 * in any order, and unary calls for the few that have no place on it.
 */
import type { TlsFiles, World } from "@skein/base";
import { type CallOptions, type ClientStream, createRpcClient, type Input, type RpcClient, RpcError, type UnaryMethod } from "@skein/rpc";
import { tikvpb } from "@skein/store/wire";

export type CommandKind = keyof tikvpb.BatchRequests & keyof tikvpb.BatchResponses;

interface Pending {
  readonly kind: CommandKind;
  readonly deadlineMs: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Of one message; more requests of a turn go into a further one. */
const batchRequestsMax = 1024;
const pendingMax = 100_000;
const sweepMs = 500;

export class StoreConnection implements Disposable {
  readonly address: string;
  private readonly world: World;
  private readonly client: RpcClient;
  private readonly pending = new Map<number, Pending>();
  private requests: tikvpb.BatchRequest[] = [];
  private ids: number[] = [];
  private stream: ClientStream<tikvpb.BatchCommandsRequest> | null = null;
  private isFlushing = false;
  private isSwept = false;
  private isClosed = false;
  private lastId = 0;
  private failures = 0;

  constructor(world: World, address: string, tls?: TlsFiles) {
    this.world = world;
    this.address = address;
    this.client = createRpcClient(world, address, tls === undefined ? {} : { tls });
  }

  /** Whether the last thing that was heard of the store was an answer. */
  get isHealthy(): boolean {
    return this.failures === 0;
  }

  /** How many requests wait for answers. */
  get load(): number {
    return this.pending.size;
  }

  /** Rejects with `RpcError`: after that it is not known whether the store did it. */
  command<K extends CommandKind>(kind: K, value: Input<tikvpb.BatchRequests[K]>, timeoutMs: number): Promise<tikvpb.BatchResponses[K]> {
    if (this.isClosed) return Promise.reject(new RpcError("cancelled", "the connection is closed"));
    if (this.pending.size >= pendingMax)
      return Promise.reject(new RpcError("resource_exhausted", `${pendingMax} requests to ${this.address} wait already`));
    return new Promise((resolve, reject) => {
      const id = ++this.lastId;
      const deadlineMs = this.world.clock.monotonicMs() + timeoutMs;
      this.pending.set(id, { kind, deadlineMs, resolve: resolve as (value: unknown) => void, reject });
      this.requests.push({ kind, value } as unknown as tikvpb.BatchRequest);
      this.ids.push(id);
      if (this.isFlushing) return;
      this.isFlushing = true;
      this.world.clock.afterTurn(() => this.flush());
    });
  }

  async call<Q, A>(method: UnaryMethod<Q, A>, request: Input<Q>, options: CallOptions): Promise<A> {
    try {
      const answer = await this.client.request(method, request, options);
      this.failures = 0;
      return answer;
    } catch (error) {
      this.failures++;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.isClosed = true;
    this.stream?.cancel();
    this.failAll(new RpcError("cancelled", "the connection is closed"));
    this.client.close();
  }

  private flush(): void {
    this.isFlushing = false;
    if (this.isClosed || this.ids.length === 0) return;
    const stream = (this.stream ??= this.open());
    for (let from = 0; from < this.ids.length; from += batchRequestsMax) {
      const to = from + batchRequestsMax;
      const isAll = from === 0 && to >= this.ids.length;
      stream.send({
        requests: isAll ? this.requests : this.requests.slice(from, to),
        request_ids: isAll ? this.ids : this.ids.slice(from, to),
      });
    }
    this.requests = [];
    this.ids = [];
    if (!this.isSwept) this.sweep();
  }

  private open(): ClientStream<tikvpb.BatchCommandsRequest> {
    const stream = this.client.open(tikvpb.tikv.methods.BatchCommands, {
      message: (answer) => {
        if (this.stream === stream) this.answered(answer);
      },
      over: (error) => {
        if (this.stream !== stream) return;
        this.stream = null;
        this.failAll(error ?? new RpcError("unavailable", `${this.address} ended the stream`));
      },
    });
    return stream;
  }

  private answered({ responses, request_ids }: tikvpb.BatchCommandsResponse): void {
    this.failures = 0;
    for (let i = 0; i < request_ids.length; i++) {
      const id = request_ids[i] as number;
      const waiter = this.pending.get(id);
      // One that nobody waits for any more.
      if (waiter === undefined) continue;
      this.pending.delete(id);
      const response = responses[i];
      if (response?.kind === waiter.kind) waiter.resolve(response.value);
      else waiter.reject(new RpcError("internal", `${this.address} answered ${waiter.kind} with ${response?.kind ?? "nothing"}`));
    }
  }

  /** Requests whose time is over are given up; a store that answers none of them gets a new stream. */
  private sweep(): void {
    this.isSwept = true;
    this.world.clock.timer(sweepMs, () => {
      this.isSwept = false;
      const nowMs = this.world.clock.monotonicMs();
      for (const [id, waiter] of this.pending) {
        if (waiter.deadlineMs > nowMs) continue;
        this.pending.delete(id);
        this.failures++;
        waiter.reject(new RpcError("deadline_exceeded", `${this.address} did not answer ${waiter.kind}`));
      }
      if (this.pending.size > 0) this.sweep();
    });
  }

  private failAll(error: RpcError): void {
    if (this.pending.size > 0) this.failures++;
    const waiting = [...this.pending.values()];
    this.pending.clear();
    this.requests = [];
    this.ids = [];
    for (const { reject } of waiting) reject(error);
  }
}
