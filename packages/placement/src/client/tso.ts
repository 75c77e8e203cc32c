/**
 * Timestamps: what is asked for in one turn goes out as one request, on one stream, with several requests under way. Answers come in
 * the order of the requests; each is the last timestamp of the number that was asked for.
 */
import type { World } from "@skein/base";
import { type ClientStream, isRpcError, type RpcClient, RpcError } from "@skein/rpc";
import { pdpb } from "../wire/index.ts";
import { type Connections, isMatterOfLeader } from "./connections.ts";
import { pdClientErrors } from "./errors.ts";

interface Waiter {
  readonly count: number;
  readonly resolve: (timestamp: bigint) => void;
  readonly reject: (error: unknown) => void;
}

interface Batch {
  readonly waiters: readonly Waiter[];
  readonly count: number;
  readonly sentMs: number;
}

const logicalBits = 18;
/** More than this wait for an answer: it makes the batches larger when the driver is slow. */
const batchesUnderWayMax = 16;
/** The logical part has 2^18 values for each millisecond. */
const batchCountMax = 1 << 16;
const waitersMax = 1_000_000;
const failuresMax = 30;
const longestBackoffMs = 500;
/** An answer that takes longer makes us ask whether another one leads. */
const doubtMs = 300;

export class TimestampStream implements Disposable {
  private readonly world: World;
  private readonly connections: Connections;
  private waiting: Waiter[] = [];
  private underWay: Batch[] = [];
  private stream: ClientStream<pdpb.TsoRequest> | null = null;
  private isOpening = false;
  private isFlushing = false;
  private isWatched = false;
  private failures = 0;
  private last = 0n;

  constructor(world: World, connections: Connections) {
    this.world = world;
    this.connections = connections;
  }

  /** The first of `count` consecutive ones. */
  next(count: number): Promise<bigint> {
    if (this.connections.closing.aborted) return Promise.reject(this.connections.closing.reason as Error);
    if (!Number.isInteger(count) || count < 1 || count > batchCountMax) return Promise.reject(new RangeError(`count ${count}`));
    if (this.waiting.length >= waitersMax)
      return Promise.reject(new RpcError("resource_exhausted", `${waitersMax} callers wait for timestamps already`));
    return new Promise((resolve, reject) => {
      this.waiting.push({ count, resolve, reject });
      this.flushSoon();
    });
  }

  [Symbol.dispose](): void {
    this.stream?.cancel();
    this.stream = null;
    this.rejectAll(pdClientErrors.closed([]));
  }

  private flushSoon(): void {
    if (this.isFlushing) return;
    this.isFlushing = true;
    const flush = () => {
      this.isFlushing = false;
      this.flush();
    };
    // A lone caller need not wait for the end of the turn; when an answer is awaited anyway, more callers may still come.
    if (this.underWay.length === 0) queueMicrotask(flush);
    else this.world.clock.afterTurn(flush);
  }

  private flush(): void {
    if (this.waiting.length === 0) return;
    const { stream } = this;
    if (stream === null) return this.open();
    while (this.waiting.length > 0 && this.underWay.length < batchesUnderWayMax) {
      const batch = takeBatch(this.waiting, this.world.clock.monotonicMs());
      this.waiting = this.waiting.slice(batch.waiters.length);
      this.underWay.push(batch);
      stream.send({ header: { cluster_id: this.connections.clusterId ?? 0n }, count: batch.count, dc_location: "global" });
    }
    if (!this.isWatched) this.watch();
  }

  /**
   * A stream whose answer takes too long is given up: its driver may hang without its connection breaking. Sooner, when the others
   * say that another one leads.
   */
  private watch(): void {
    const { world, connections, stream } = this;
    const oldest = this.underWay[0];
    if (oldest === undefined || stream === null) return;
    this.isWatched = true;
    world.clock.timer(Math.min(doubtMs, connections.deadlineMs), () => {
      this.isWatched = false;
      if (this.stream !== stream || this.underWay[0] !== oldest) return this.watch();
      if (world.clock.monotonicMs() - oldest.sentMs >= connections.deadlineMs) return stream.cancel();
      void connections.isAnotherNamed().then((isAnother) => {
        if (isAnother && this.stream === stream && this.underWay[0] === oldest) stream.cancel();
      });
      this.watch();
    });
  }

  private open(): void {
    if (this.isOpening) return;
    this.isOpening = true;
    this.connections
      .find()
      .then(
        (client) => {
          if (!this.connections.closing.aborted) this.start(client);
        },
        (error: unknown) => this.failed(error),
      )
      .finally(() => {
        this.isOpening = false;
        if (this.stream !== null) this.flush();
      });
  }

  private start(client: RpcClient): void {
    const stream: ClientStream<pdpb.TsoRequest> = client.open(pdpb.pd.methods.Tso, {
      message: (answer) => {
        if (this.stream === stream) this.answered(answer, client);
      },
      over: (error) => {
        if (this.stream !== stream) return;
        this.stream = null;
        this.connections.lost(client);
        this.failed(error ?? new RpcError("unavailable", "the stream of timestamps ended"));
      },
    });
    this.stream = stream;
  }

  private answered({ header, timestamp, count }: pdpb.TsoResponse, client: RpcClient): void {
    const batch = this.underWay[0];
    const refusal = header?.error;
    if (
      batch === undefined ||
      timestamp === null ||
      count !== batch.count ||
      (refusal !== null && refusal !== undefined && refusal.type !== "OK")
    ) {
      this.stream?.cancel();
      this.stream = null;
      this.connections.lost(client);
      return this.failed(new RpcError("unavailable", refusal?.message ?? "an answer that belongs to no request of timestamps"));
    }
    this.underWay.shift();
    this.failures = 0;
    let next = (BigInt(timestamp.physical) << BigInt(logicalBits)) + BigInt(timestamp.logical - count + 1);
    if (next <= this.last) {
      for (const waiter of batch.waiters) waiter.reject(pdClientErrors.timestampFellBack([next, this.last]));
      return this.flush();
    }
    for (const waiter of batch.waiters) {
      waiter.resolve(next);
      next += BigInt(waiter.count);
    }
    this.last = next - 1n;
    this.flush();
  }

  /** What was under way is asked for again: nobody has seen a timestamp of it. */
  private failed(error: unknown): void {
    this.waiting = [...this.underWay.flatMap((batch) => batch.waiters), ...this.waiting];
    this.underWay = [];
    if (this.connections.closing.aborted) return this.rejectAll(this.connections.closing.reason);
    if (!isMatterOfLeader(error) && !isRpcError(error, "unknown")) return this.rejectAll(error);
    if (++this.failures > failuresMax) {
      this.failures = 0;
      return this.rejectAll(pdClientErrors.unavailable(["a timestamp", "all endpoints", failuresMax * longestBackoffMs], error));
    }
    if (this.waiting.length === 0) return;
    const backoffMs = Math.min(10 * 2 ** Math.min(this.failures, 10), longestBackoffMs);
    this.connections.pause(backoffMs).then(
      () => this.flush(),
      (reason: unknown) => this.rejectAll(reason),
    );
  }

  private rejectAll(error: unknown): void {
    const waiters = [...this.underWay.flatMap((batch) => batch.waiters), ...this.waiting];
    this.underWay = [];
    this.waiting = [];
    for (const waiter of waiters) waiter.reject(error);
  }
}

function takeBatch(waiting: readonly Waiter[], sentMs: number): Batch {
  let count = 0;
  let taken = 0;
  for (const waiter of waiting) {
    if (count + waiter.count > batchCountMax) break;
    count += waiter.count;
    taken++;
  }
  return { waiters: taken === waiting.length ? waiting : waiting.slice(0, taken), count, sentMs };
}
