/** The client of the region store: raw keys, transactions, snapshots, and what keeps garbage from growing. */
import { CodedError, isAbort, type TlsFiles, type World } from "@skein/base";
import { createPdClient, type PdClient } from "@skein/placement/client";
import { tikvpb } from "@skein/store/wire";
import { kvErrors } from "./errors.ts";
import { eitherOf, Patience } from "./patience.ts";
import { createRawClient, type RawClient, type RawOptions } from "./raw/raw-client.ts";
import { RegionCache } from "./regions/region-cache.ts";
import { moved, RegionRequests } from "./regions/region-requests.ts";
import type { StoreConnection } from "./regions/store-connection.ts";
import type { CommitTools } from "./txn/committer.ts";
import { LockResolver } from "./txn/lock-resolver.ts";
import { RegionSnapshot, type Snapshot } from "./txn/snapshot.ts";
import { KvTransaction, type Transaction, type TransactionOptions } from "./txn/transaction.ts";

/** How a client is opened. */
export interface KvClientOptions {
  /** `host:port` of placement drivers. */
  readonly endpoints: readonly string[];
  readonly tls?: TlsFiles;
  /** Instead of one that the client opens, and closes, itself. */
  readonly pd?: PdClient;
}

export interface TransactOptions extends TransactionOptions {
  /** How often a transaction that lost against another is repeated. Default 30. */
  readonly repeatsMax?: number;
}

export interface SnapshotOptions {
  /** Ends its reads, which reject with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Reads at any replica, and not at leaders alone: as right, and one more hop between stores. Default false. */
  readonly byReplica?: boolean;
}

export interface GcResult {
  /** What the placement driver took: it may hold back for others, and never goes back. */
  readonly safePoint: bigint;
  readonly locksSettled: number;
}

/** A store as this client sees it. */
export interface StoreHealth {
  readonly address: string;
  /** Whether the last that was heard of it was an answer. */
  readonly isHealthy: boolean;
  /** Requests that wait for answers. */
  readonly load: number;
}

/**
 * One cluster. Keys and values are bytes, timestamps the placement driver's: milliseconds since 1970 in all but the lowest 18 bits. What
 * moves (leaders, regions, stores) is followed, and waits are repeated until the patience of a call is over: calls then reject with
 * `timedOut`, whose cause is the last refusal. All errors are `kvErrors`, or the reason of a signal.
 */
export interface KvClient extends AsyncDisposable {
  readonly pd: PdClient;
  /** Keys without transactions; in a cluster, one or the other is used. */
  raw(options?: RawOptions): RawClient;
  /** A transaction that reads as of now. Whoever began it ends it, by `commit` or `rollback`. */
  begin(options?: TransactionOptions): Promise<Transaction>;
  /** Runs in a transaction that is committed after it, or rolled back when it throws; anew when it lost against another. */
  transact<T>(run: (transaction: Transaction) => Promise<T>, options?: TransactOptions): Promise<T>;
  /** At a timestamp; default: now. Rejects with `tooOld` for one before the safe point. */
  snapshot(timestamp?: bigint, options?: SnapshotOptions): Promise<Snapshot>;
  /** Larger than all that were given before the call, to anybody. */
  timestamp(): Promise<bigint>;
  /** Splits regions at the keys; resolves when the stores have done it. */
  split(keys: readonly Uint8Array[], options?: { readonly isRaw?: boolean }): Promise<void>;
  /** Settles all locks before `safePoint`, then tells the placement driver that what was before it may go. */
  gc(safePoint: bigint): Promise<GcResult>;
  /** The stores that it has talked to. */
  stores(): readonly StoreHealth[];
  /** Waits for what goes on behind the answers. */
  settled(): Promise<void>;
  /** Waits as `settled` does; what is still asked for rejects with `closed`. */
  close(): Promise<void>;
}

/** The placement driver gives no ids for a region that it has not heard of yet: a second or two, or it is another reason. */
const splitRefusalsMax = 6;

/** Opens no connection before the first call; so a cluster that cannot be reached is told by that one. */
export function createKvClient(world: World, options: KvClientOptions): KvClient {
  const controller = new AbortController();
  const { tls } = options;
  const pd = options.pd ?? createPdClient(world, { endpoints: options.endpoints, ...(tls === undefined ? {} : { tls }) });
  const connections = new Map<string, StoreConnection>();
  const rawRequests = new RegionRequests(new RegionCache(world, pd, "raw", connections, tls));
  const requests = new RegionRequests(new RegionCache(world, pd, "txn", connections, tls));
  const resolver = new LockResolver(world, pd, requests, controller.signal);
  const background = new Set<Promise<void>>();
  const tools: CommitTools = {
    world,
    pd,
    requests,
    resolver,
    closing: controller.signal,
    background: (work) => {
      const watched = work
        .catch((error: unknown) => {
          // Whoever meets the locks that stayed settles them.
          if (!isAbort(error) && !kvErrors.closed.is(error))
            world.log.warn("locks of a transaction stay behind", { error: error instanceof CodedError ? error.detail : String(error) });
        })
        .finally(() => background.delete(watched));
      background.add(watched);
    },
  };

  const settled = async () => {
    while (background.size > 0) await Promise.all(background);
  };
  const timestamp = async () => {
    controller.signal.throwIfAborted();
    return await pd.tso();
  };
  const begin = async (transaction: TransactionOptions = {}) => new KvTransaction(tools, await timestamp(), transaction);
  const close = async () => {
    await settled();
    controller.abort(kvErrors.closed([]));
    for (const connection of connections.values()) connection[Symbol.dispose]();
    connections.clear();
    if (options.pd === undefined) pd.close();
  };

  return {
    pd,
    raw: (raw = {}) => createRawClient(world, rawRequests, controller.signal, raw),
    begin,
    transact: async (run, transact = {}) => {
      const repeatsMax = transact.repeatsMax ?? 30;
      const patience = new Patience(world, "a transaction", 120_000, eitherOf(controller.signal, transact.signal));
      for (let repeat = 0; ; repeat++) {
        const transaction = await begin(transact);
        try {
          const result = await run(transaction);
          await transaction.commit();
          return result;
        } catch (error) {
          await transaction.rollback();
          const isLost = [kvErrors.writeConflict, kvErrors.deadlock, kvErrors.transactionLost].some(({ is }) => is(error));
          if (!isLost || repeat >= repeatsMax) throw error;
          await patience.wait("lockFast", error);
        }
      }
    },
    snapshot: async (wanted, { signal, byReplica = false } = {}) => {
      controller.signal.throwIfAborted();
      const at = wanted ?? (await pd.tso());
      if (wanted !== undefined) {
        const safePoint = await pd.gcSafePoint();
        if (wanted < safePoint) throw kvErrors.tooOld([wanted, safePoint]);
      }
      return new RegionSnapshot(world, requests, resolver, at, { signal: eitherOf(controller.signal, signal), byReplica });
    },
    timestamp,
    split: async (keys, { isRaw = false } = {}) => {
      const { regions } = isRaw ? rawRequests : requests;
      const patience = new Patience(world, "a split", 30_000, controller.signal);
      let left: readonly Uint8Array[] = keys;
      let refusals = 0;
      while (left.length > 0) {
        const again: Uint8Array[] = [];
        let refused: Error | null = null;
        for (const [region, group] of await regions.group(left, (key) => key, patience)) {
          const inside = group.filter((key) => Buffer.compare(key, region.startKey) !== 0);
          if (inside.length === 0) continue;
          const request = { split_keys: inside, is_raw_kv: isRaw };
          const answer = await (isRaw ? rawRequests : requests).call(region, tikvpb.tikv.methods.SplitRegion, request, patience);
          if (answer === moved) again.push(...group);
          else if (answer.errors.length > 0) {
            refused = kvErrors.refused(["a split", answer.errors[0]?.abort || "for no reason"]);
            again.push(...group);
          } else regions.learn(answer.regions, region.replicas[region.leader]?.storeId ?? 0);
        }
        if (refused !== null) {
          if (++refusals > splitRefusalsMax) throw refused;
          await patience.wait("placement", refused);
        }
        left = again;
      }
    },
    gc: async (safePoint) => {
      const locksSettled = await resolver.resolveAllBefore(safePoint);
      return { safePoint: await pd.updateGcSafePoint(safePoint), locksSettled };
    },
    stores: () => [...connections.values()].map(({ address, isHealthy, load }) => ({ address, isHealthy, load })),
    settled,
    close,
    [Symbol.asyncDispose]: close,
  };
}
