/** A client of transactions as small as it can be, for simulations: it calls stores directly, and loses its way like a real one. */
import type { Clock, Random } from "@skein/base";
import type { RecordedTransaction } from "@skein/sim";
import { type RegionContext, RegionError } from "../../region-kv.ts";
import type { MemoryRegions } from "../../testing/memory-region-kv.ts";
import { kvrpcpb } from "../../wire/index.ts";
import type { KeyError, LockInfo } from "../core/key-state.ts";
import { encodeKey } from "../core/keys.ts";
import type { Transactions } from "../transactions.ts";

export type CommitMode = "2pc" | "async" | "1pc";

export interface ModelClientOptions {
  readonly regions: MemoryRegions;
  readonly stores: ReadonlyMap<number, Transactions>;
  readonly clock: Clock;
  readonly random: Random;
  readonly timestamp: () => Promise<bigint>;
  readonly ttlMs: number;
}

/** Thrown when a transaction has to begin anew. */
export class Aborted extends Error {}
/** Thrown when nobody can tell the client how its commit ended. */
export class Unknown extends Error {}

const bytes = (key: string) => new Uint8Array(Buffer.from(key));
const text = (value: Uint8Array) => Buffer.from(value).toString();

export class ModelClient {
  readonly options: ModelClientOptions;
  constructor(options: ModelClientOptions) {
    this.options = options;
  }

  /** Between any two steps others may go on. */
  pause(maxMs = 3): Promise<void> {
    return this.options.clock.sleep(this.options.random.float() * maxMs);
  }

  async call<T>(key: string, run: (store: Transactions, context: RegionContext) => Promise<T>): Promise<T> {
    const { regions, stores, random } = this.options;
    for (let tries = 0; tries < 200; tries++) {
      const context = regions.contextFor(encodeKey(bytes(key)));
      await this.pause();
      try {
        const answer = await run(stores.get(context.storeId) as Transactions, context);
        await this.pause();
        // An answer that is lost: the request is sent again.
        if (!random.chance(0.02)) return answer;
      } catch (error) {
        if (!(error instanceof RegionError)) throw error;
        await this.pause(10);
      }
    }
    throw new Unknown("no region answers");
  }

  async begin(): Promise<ModelTransaction> {
    return new ModelTransaction(this, await this.options.timestamp());
  }

  async get(key: string, ts: bigint): Promise<string | null> {
    let resolved: bigint[] = [];
    for (;;) {
      const context = kvrpcpb.Context.complete({ resolved_locks: resolved });
      const request = kvrpcpb.GetRequest.complete({ context, key: bytes(key), version: ts });
      const answer = await this.call(key, (store, at) => store.get(request, at));
      if (answer.error === undefined || answer.error === null)
        return answer.not_found === true ? null : text(answer.value ?? new Uint8Array(0));
      const lock = lockIn(answer.error);
      if ((await this.resolve(lock, ts)) === "bypass") resolved = [...resolved, lock.lock_version ?? 0n];
    }
  }

  /** Finds out what became of the transaction of a lock in the way, and acts on it; waits a while when it lives. */
  async resolve(lock: LockInfo, callerTs: bigint): Promise<"gone" | "wait" | "bypass"> {
    const startTs = lock.lock_version ?? 0n;
    const primary = text(lock.primary_lock ?? new Uint8Array(0));
    const key = text(lock.key ?? new Uint8Array(0));
    const now = await this.options.timestamp();
    const isExpired = (startTs >> 18n) + BigInt(lock.lock_ttl ?? 0) < now >> 18n;
    const ask = (force: boolean) =>
      this.call(primary, (store, at) =>
        store.checkTxnStatus(
          kvrpcpb.CheckTxnStatusRequest.complete({
            primary_key: bytes(primary),
            lock_ts: startTs,
            caller_start_ts: callerTs,
            current_ts: now,
            rollback_if_not_exist: isExpired,
            force_sync_commit: force,
          }),
          at,
        ),
      );
    let status = await ask(false);
    if (status.error !== undefined && status.error !== null) {
      await this.pause(10);
      return "wait";
    }
    let commitTs = status.commit_version ?? 0n;
    const own = status.lock_info;
    if ((status.lock_ttl ?? 0) > 0 && own?.use_async_commit === true && (startTs >> 18n) + BigInt(own.lock_ttl ?? 0) < now >> 18n) {
      const decided = await this.decideAsync(startTs, own);
      if (decided === "mixed") {
        status = await ask(true);
        commitTs = status.commit_version ?? 0n;
      } else {
        for (const each of [primary, ...(own.secondaries ?? []).map((other) => text(other))]) await this.settle(each, startTs, decided);
        return "gone";
      }
    }
    if ((status.lock_ttl ?? 0) > 0) {
      if (status.action === "MinCommitTSPushed") return "bypass";
      await this.pause(10);
      return "wait";
    }
    await this.settle(key, startTs, commitTs);
    return "gone";
  }

  /** 0: rolled back. */
  async decideAsync(startTs: bigint, primary: LockInfo): Promise<bigint | "mixed"> {
    let commitTs = primary.min_commit_ts ?? 0n;
    for (const key of primary.secondaries ?? []) {
      const answer = await this.call(text(key), (store, at) =>
        store.checkSecondaryLocks(kvrpcpb.CheckSecondaryLocksRequest.complete({ keys: [key], start_version: startTs }), at),
      );
      const found = answer.locks?.[0];
      if (found === undefined) return answer.commit_ts ?? 0n;
      if (found.use_async_commit !== true) return "mixed";
      if ((found.min_commit_ts ?? 0n) > commitTs) commitTs = found.min_commit_ts ?? 0n;
    }
    return commitTs;
  }

  async settle(key: string, startTs: bigint, commitTs: bigint): Promise<void> {
    await this.call(key, (store, at) =>
      store.resolveLock(kvrpcpb.ResolveLockRequest.complete({ start_version: startTs, commit_version: commitTs, keys: [bytes(key)] }), at),
    );
  }
}

function lockIn(error: KeyError): LockInfo {
  if (error.locked === undefined || error.locked === null) throw new Aborted(JSON.stringify(Object.keys(error)));
  return error.locked;
}

export class ModelTransaction {
  readonly client: ModelClient;
  readonly startTs: bigint;
  readonly beganMs: number;
  forUpdateTs = 0n;
  commitTs: bigint | null = null;
  readonly reads: { key: string; value: string | null; ts: bigint }[] = [];
  readonly writes = new Map<string, string>();
  readonly lockedAt = new Map<string, bigint>();

  constructor(client: ModelClient, startTs: bigint) {
    this.client = client;
    this.startTs = startTs;
    this.beganMs = client.options.clock.nowMs();
  }

  async get(key: string): Promise<string | null> {
    const value = await this.client.get(key, this.startTs);
    this.reads.push({ key, value, ts: this.startTs });
    return value;
  }
  put(key: string, value: string): void {
    this.writes.set(key, value);
  }

  /** The value as of the lock. */
  async lock(key: string): Promise<string | null> {
    const { client, startTs } = this;
    for (;;) {
      const forUpdateTs = await client.options.timestamp();
      if (forUpdateTs > this.forUpdateTs) this.forUpdateTs = forUpdateTs;
      const answer = await client.call(key, (store, at) =>
        store.pessimisticLock(
          kvrpcpb.PessimisticLockRequest.complete({
            mutations: [{ op: "PessimisticLock", key: bytes(key) }],
            primary_lock: bytes([...this.lockedAt.keys()][0] ?? key),
            start_version: startTs,
            for_update_ts: forUpdateTs,
            lock_ttl: client.options.ttlMs,
            wait_timeout: 20,
            return_values: true,
          }),
          at,
        ),
      );
      const error = answer.errors?.[0];
      if (error === undefined) {
        const value = answer.not_founds?.[0] === true ? null : text(answer.values?.[0] ?? new Uint8Array(0));
        this.lockedAt.set(key, forUpdateTs);
        this.reads.push({ key, value, ts: forUpdateTs });
        return value;
      }
      if (error.conflict !== undefined) continue;
      await client.resolve(lockIn(error), 0n);
    }
  }

  async commit(mode: CommitMode, isAbandoned: () => boolean): Promise<void> {
    if (this.writes.size === 0) return;
    const { client, startTs } = this;
    const { regions, timestamp, ttlMs } = client.options;
    const keys = [...this.writes.keys()];
    // The one that its locks have told everyone.
    const [primary = ""] = [...this.lockedAt.keys(), ...keys];
    const isPessimistic = this.lockedAt.size > 0;
    const regionOf = (key: string) => regions.regionOf(encodeKey(bytes(key))).id;
    const onePc = mode === "1pc" && new Set(keys.map(regionOf)).size === 1;
    const isAsync = mode === "async";
    let commitTs = 0n;
    let isDecided = isAsync;
    const batches = onePc ? [keys] : keys.map((key) => [key]);
    const prewrite = async (batch: readonly string[]): Promise<void> => {
      for (;;) {
        const answer = await client.call(batch[0] as string, (store, at) =>
          store.prewrite(
            kvrpcpb.PrewriteRequest.complete({
              mutations: batch.map((key) => ({ op: "Put", key: bytes(key), value: bytes(this.writes.get(key) as string) })),
              primary_lock: bytes(primary),
              start_version: startTs,
              lock_ttl: ttlMs,
              txn_size: keys.length,
              for_update_ts: this.forUpdateTs,
              pessimistic_actions: batch.map((key) => (this.lockedAt.has(key) ? "DO_PESSIMISTIC_CHECK" : "SKIP_PESSIMISTIC_CHECK")),
              use_async_commit: isAsync,
              secondaries: isAsync && batch.includes(primary) ? keys.filter((key) => key !== primary).map(bytes) : [],
              try_one_pc: onePc,
            }),
            at,
          ),
        );
        const errors: readonly KeyError[] = answer.errors ?? [];
        if (errors.length === 0) {
          if (onePc) commitTs = answer.one_pc_commit_ts ?? 0n;
          const min = answer.min_commit_ts ?? 0n;
          if (min === 0n) isDecided = false;
          else if (min > commitTs) commitTs = min;
          return;
        }
        for (const error of errors) await client.resolve(lockIn(error), startTs);
      }
    };
    const done = await Promise.allSettled(batches.map(prewrite));
    if (isAbandoned()) throw new Unknown("the client is gone");
    for (const each of done) if (each.status === "rejected") throw each.reason;
    if (onePc && commitTs !== 0n) return void (this.commitTs = commitTs);
    if (!isDecided) {
      commitTs = await timestamp();
      await this.#commitKey(primary, commitTs);
      if (isPessimistic && onePc) throw new Unknown("");
    }
    this.commitTs = commitTs;
    const rest = isDecided ? keys : keys.filter((key) => key !== primary);
    // The decision stands; the rest is tidying, which a client that is gone leaves to others.
    await Promise.all(rest.filter(() => !isAbandoned()).map((key) => this.#commitKey(key, commitTs).catch(() => {})));
  }

  async #commitKey(key: string, commitTs: bigint): Promise<void> {
    let ts = commitTs;
    for (;;) {
      const answer = await this.client.call(key, (store, at) =>
        store.commit(kvrpcpb.CommitRequest.complete({ keys: [bytes(key)], start_version: this.startTs, commit_version: ts }), at),
      );
      const { error } = answer;
      if (error === undefined || error === null) {
        if (ts !== commitTs) throw new Unknown("committed later than it was decided");
        return;
      }
      if (error.commit_ts_expired === undefined) throw new Aborted(JSON.stringify(error.retryable ?? error.abort));
      ts = await this.client.options.timestamp();
    }
  }

  record(name: string, outcome: RecordedTransaction["outcome"]): RecordedTransaction {
    return {
      name,
      startTs: this.startTs,
      outcome,
      commitTs: outcome === "committed" ? this.commitTs : null,
      reads: this.reads,
      writes: [...this.writes].map(([key, value]) => ({ key, value, baseTs: this.lockedAt.get(key) ?? this.startTs })),
      beganMs: this.beganMs,
      endedMs: this.client.options.clock.nowMs(),
    };
  }
}
