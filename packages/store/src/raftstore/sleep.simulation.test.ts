import { expect, test } from "vitest";
import type { Region } from "./core/region.ts";
import { StoreCluster } from "./testing/cluster.ts";

test("a region whose leader was moved while it slept sleeps again", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const cluster = new StoreCluster({ seed, stores: 3 });
    await cluster.start();
    const { id } = cluster.pd.firstRegion as Region;
    const allSleep = () => cluster.peersOf(id).every(({ isAsleep }) => isAsleep);
    await cluster.until("all sleep", allSleep);
    const leader = cluster.leader(id);
    const other = leader?.peer.region.peers.find((peer) => peer.id !== leader.peer.id);
    leader?.store.transferLeader(id, other?.id ?? 0);
    await cluster.until("the other one leads", () => cluster.leader(id)?.peer.id === other?.id);
    await cluster.until("all sleep again", allSleep, 20_000);
    expect(cluster.leader(id)?.peer.id).toBe(other?.id);
  }
});
