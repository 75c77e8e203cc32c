/** Stores and a placement driver in this process, over regions without Raft: for tests of the client. */
import type { World } from "@skein/base";
import { createPdClient } from "@skein/placement/client";
import { type MemoryPd, startMemoryPd } from "@skein/placement/testing";
import { createMemoryRegions, type MemoryRegions, type MemoryRegionsOptions, type MemoryTikv, startMemoryTikv } from "@skein/store/testing";
import { encodeKey } from "@skein/store/wire";
import { createKvClient, type KvClient } from "../kv-client.ts";

export interface TestCluster extends AsyncDisposable {
  readonly pd: MemoryPd;
  readonly regions: MemoryRegions;
  readonly stores: readonly MemoryTikv[];
  readonly client: KvClient;
  newClient(): KvClient;
  /** At user keys of transactions; raw ones with `isRaw`. */
  split(keys: readonly string[], isRaw?: boolean): Promise<void>;
}

export interface TestClusterOptions {
  /** Default 3. */
  readonly stores?: number;
  readonly enableTtl?: boolean;
  readonly regions?: Omit<MemoryRegionsOptions, "storeIds">;
}

export async function startTestCluster(world: World, options: TestClusterOptions = {}): Promise<TestCluster> {
  const storeIds = Array.from({ length: options.stores ?? 3 }, (_, at) => at + 1);
  const regions = createMemoryRegions({ ...options.regions, storeIds });
  const pd = await startMemoryPd(world, {
    regions: () =>
      regions.regions().map((region) => {
        const { storeId } = regions.leaderOf(region.id);
        const peers = region.peers.map((peer) => ({ ...peer, isWitness: false }));
        return {
          meta: {
            id: region.id,
            startKey: region.startKey,
            endKey: region.endKey,
            epoch: { confVer: region.confVer, version: region.version },
            peers,
          },
          leader: peers.find((peer) => peer.storeId === storeId) ?? null,
        };
      }),
  });
  const storePd = createPdClient(world, { endpoints: pd.endpoints });
  const stores: MemoryTikv[] = [];
  for (const storeId of storeIds) {
    const store = await startMemoryTikv(world, {
      regions,
      storeId,
      timestamp: () => storePd.tso(),
      enableTtl: options.enableTtl ?? false,
    });
    stores.push(store);
    pd.putStore({
      id: storeId,
      address: `127.0.0.1:${store.port}`,
      peerAddress: "",
      statusAddress: "",
      state: "up",
      nodeState: "serving",
      labels: [],
      version: "7.5.6",
      gitHash: "",
      deployPath: "",
      startTimestampS: 0,
      lastHeartbeatMs: 0,
      isPhysicallyDestroyed: false,
    });
  }
  const clients: KvClient[] = [];
  const newClient = () => {
    const client = createKvClient(world, { endpoints: pd.endpoints });
    clients.push(client);
    return client;
  };
  return {
    pd,
    regions,
    stores,
    client: newClient(),
    newClient,
    split: (keys, isRaw = false) => regions.split(keys.map((key) => (isRaw ? Buffer.from(key) : encodeKey(Buffer.from(key))))),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(clients.map((client) => client.close()));
      storePd.close();
      await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()));
      await pd[Symbol.asyncDispose]();
    },
  };
}
