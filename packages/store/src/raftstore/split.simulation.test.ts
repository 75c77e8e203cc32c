/** Regions that a split has just made: nobody waits an election timeout for them. */
import { expect, test } from "vitest";
import type { Region } from "./core/region.ts";
import type { RaftStore } from "./raft-store.ts";
import { StoreCluster } from "./testing/cluster.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const tickMs = 100;
const electionTicks = 10;

test("they have leaders within half of it, also when leadership moves while the split is under way", async () => {
  let moved = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const cluster = new StoreCluster({ seed, stores: 3, options: { hibernate: false, tickMs, electionTicks } });
    await cluster.start(3);
    const parent = (cluster.pd.firstRegion as Region).id;
    await cluster.until("somebody leads", () => cluster.leader(parent)?.peer.hasAppliedOwnTerm === true);
    const leading = cluster.leader(parent)?.store as RaftStore;
    const other = cluster.up.map(({ store }) => store).find((store) => store !== leading);
    const split = leading.split(parent, [bytes("k050")]).catch(() => []); // whoever asked is told to ask again when the leader goes
    const { clock } = cluster.sim;
    const moveMs = clock.nowMs + (seed % 40);
    await cluster.until("the time has come", () => clock.nowMs >= moveMs);
    if (leading.peers.get(parent)?.isLeader) leading.transferLeader(parent, other?.peers.get(parent)?.id ?? 0);
    await cluster.sim.complete(split);
    const madeMs = clock.nowMs;
    await cluster.until("all keys have a leader", () => cluster.cover() !== null);
    expect(clock.nowMs - madeMs, `seed ${seed}`).toBeLessThan((electionTicks / 2) * tickMs);
    if (cluster.up.every(({ store }) => store.peers.size === 2) && cluster.leader(parent)?.store === other) moved++;
  }
  expect(moved).toBeGreaterThan(20);
});
