/** A store's whole service over regions in memory, for tests of clients. */
import type { World } from "@skein/base";
import { createServer, type RpcServer } from "@skein/rpc";
import { RawKv } from "../raw/raw-kv.ts";
import { limitLargeReads } from "../service/large-reads.ts";
import { createTikvServices } from "../service/tikv-service.ts";
import { LeaderDetector } from "../txn/deadlock.ts";
import { Transactions } from "../txn/transactions.ts";
import { createMemoryRegions, type MemoryRegions } from "./memory-region-kv.ts";

export interface MemoryTikvOptions {
  readonly regions?: MemoryRegions;
  readonly storeId?: number;
  readonly enableTtl?: boolean;
  /** A new timestamp; without it the clock's. */
  readonly timestamp?: () => Promise<bigint>;
  readonly waitForLockMsMax?: number;
  /** Stores of one test share one. */
  readonly detector?: LeaderDetector;
}

export interface MemoryTikv extends AsyncDisposable {
  readonly port: number;
  readonly regions: MemoryRegions;
  readonly transactions: Transactions;
  readonly raw: RawKv;
  readonly server: RpcServer;
}

export async function startMemoryTikv(world: World, options: MemoryTikvOptions = {}): Promise<MemoryTikv> {
  const regions = options.regions ?? createMemoryRegions();
  const storeId = options.storeId ?? 1;
  const store = regions.store(storeId);
  const kv = limitLargeReads(store);
  const ending = new AbortController();
  const detector = options.detector ?? new LeaderDetector({ clock: world.clock });
  let last = 0n;
  const timestamp =
    options.timestamp ??
    (async () => {
      const now = BigInt(world.clock.nowMs()) << 18n;
      return (last = now > last ? now : last + 1n);
    });
  const transactions = new Transactions({
    kv,
    clock: world.clock,
    detector,
    timestamp,
    signal: ending.signal,
    ...(options.waitForLockMsMax === undefined ? {} : { waitForLockMsMax: options.waitForLockMsMax }),
  });
  const raw = new RawKv({ kv, leads: transactions.leads, clock: world.clock, enableTtl: options.enableTtl ?? false });
  const server = await createServer(world, {
    host: "127.0.0.1",
    port: 0,
    services: createTikvServices(world, {
      kv,
      transactions,
      raw,
      log: world.log,
      clock: world.clock,
      storeId: () => storeId,
      split: (_regionId, keys, context) => store.split(context, keys),
      detector,
      isServing: () => true,
    }),
  });
  return {
    port: server.port,
    regions,
    transactions,
    raw,
    server,
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      detector.close();
      await server.close();
    },
  };
}
