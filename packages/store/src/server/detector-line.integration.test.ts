/** Two stores find a deadlock whose locks are on both, by the one that leads the first region. */
import { nodeWorld } from "@skein/base";
import type { PdClient } from "@skein/placement/client";
import { createRpcClient } from "@skein/rpc";
import { expect, test } from "vitest";
import { createMemoryRegions, type MemoryTikv, startMemoryTikv } from "../testing/index.ts";
import { encodeKey } from "../txn/core/keys.ts";
import { LeaderDetector } from "../txn/deadlock.ts";
import { tikvpb } from "../wire/index.ts";
import { connectDetector } from "./detector-line.ts";

const world = nodeWorld();
const { methods } = tikvpb.tikv;
const bytes = (text: string) => Buffer.from(text);

test("a circle over two stores is told to the one who closes it", async () => {
  const regions = createMemoryRegions({ storeIds: [1, 2] });
  await regions.split([encodeKey(bytes("m"))]);
  await regions.transferLeader(regions.regionOf(encodeKey(bytes("z"))).id, 2);
  const stores = new Map<number, MemoryTikv>();
  const detectors = new Map<number, LeaderDetector>();
  // All that the line asks of the placement driver.
  const pd = {
    getRegion: async () => ({ leader: { id: 0, storeId: 1 } }),
    getStore: async (id: number) => ({ address: `127.0.0.1:${stores.get(id)?.port}` }),
  } as unknown as PdClient;
  await using stack = new AsyncDisposableStack();
  for (const storeId of [1, 2]) {
    const detector = new LeaderDetector({ clock: world.clock, connect: connectDetector(world, { pd, storeId: () => storeId }) });
    detectors.set(storeId, detector);
    stores.set(storeId, stack.use(await startMemoryTikv(world, { regions, storeId, detector, waitForLockMsMax: 5000 })));
  }
  const clients = new Map(
    [...stores].map(([id, { port }]) => [
      id,
      stack.adopt(createRpcClient(world, `127.0.0.1:${port}`), (client) => client[Symbol.dispose]()),
    ]),
  );
  const lock = (key: string, txn: bigint) => {
    const at = regions.contextFor(encodeKey(bytes(key)));
    return (clients.get(at.storeId) as ReturnType<typeof createRpcClient>).request(methods.KvPessimisticLock, {
      context: { region_id: at.regionId, region_epoch: { conf_ver: at.confVer, version: at.version } },
      mutations: [{ op: "PessimisticLock", key: bytes(key) }],
      primary_lock: bytes(key),
      start_version: txn,
      for_update_ts: txn,
      lock_ttl: 60_000,
      wait_timeout: 4000,
    });
  };
  expect((await lock("a", 10n)).errors).toEqual([]);
  expect((await lock("z", 20n)).errors).toEqual([]);
  // 10 waits at store 2, which tells store 1; 20 closes the circle at store 1 itself.
  const waiting = lock("z", 10n);
  await expect.poll(() => detectors.get(1)?.graph.count).toBe(1);
  const closing = await Promise.race([lock("a", 20n), waiting]);
  const deadlock = closing.errors[0]?.deadlock;
  expect(deadlock?.wait_chain.map((edge) => [edge.txn, edge.wait_for_txn])).toEqual([
    [10n, 20n],
    [20n, 10n],
  ]);
  expect(Buffer.from(deadlock?.deadlock_key ?? []).toString()).toBe("z");
});
