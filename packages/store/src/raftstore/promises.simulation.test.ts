/** What a replica promised to a leader (SPEC R9) it keeps when it becomes another one: leases rest on it. */
import { expect, test } from "vitest";
import type { Envelope } from "./core/codec.ts";
import type { Region } from "./core/region.ts";
import { StoreCluster } from "./testing/cluster.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("R9: a replica without data that answered a leader keeps its promise when a split makes its data", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const cluster = new StoreCluster({ seed, stores: 3, options: { hibernate: false } });
    await cluster.start(3);
    const parent = (cluster.pd.firstRegion as Region).id;
    await cluster.until("somebody leads", () => cluster.leader(parent)?.peer.hasAppliedOwnTerm === true);
    const leading = (cluster.leader(parent) as NonNullable<ReturnType<typeof cluster.leader>>).store;
    const [rival, late] = cluster.up.map(({ store }) => store).filter((store) => store !== leading) as [typeof leading, typeof leading];
    // The store that is late hears of the new region before it hears of the split.
    const { transport } = leading;
    const send = transport.send.bind(transport);
    let isHolding = true;
    Object.assign(transport, {
      send: (envelope: Envelope) => {
        const { content, regionId, to } = envelope;
        if (isHolding && regionId === parent && to.storeId === late.storeId && content.kind === "raft" && content.body.kind === "append")
          return;
        send(envelope);
      },
    });
    const made = await cluster.sim.complete(leading.split(parent, [bytes("k050")]));
    const child = made.find(({ id }) => id !== parent)?.id as number;
    const leader = () => leading.peers.get(child);
    await cluster.until("the new region has a leader with a term of its own", () => leader()?.hasAppliedOwnTerm === true);
    await cluster.until("its second replica has it all", () => (rival.peers.get(child)?.applied ?? 0) === leader()?.raft.lastIndex);
    cluster.messages.cut(leading.storeId, rival.storeId);
    await cluster.until("its third replica is asked", () => late.peers.get(child)?.raft.leader === leader()?.id);
    await cluster.until("its second one stands for election", () => rival.peers.get(child)?.raft.role === "preCandidate");
    expect(late.peers.get(child)?.isInitialized).toBe(false);
    const hasLease = () => leader()?.mayLeaseRead(cluster.sim.clock.nowMs, 600) === true;
    isHolding = false;
    await cluster.until("the split is applied", () => late.peers.get(child)?.isInitialized === true);
    expect(hasLease()).toBe(true);
    cluster.messages.cut(leading.storeId, late.storeId);
    const candidate = rival.peers.get(child);
    candidate?.raft.campaign();
    if (candidate !== undefined) rival.markDirty(candidate);
    await cluster.until("the rival leads", () => {
      expect(hasLease() && candidate?.isLeader === true).toBe(false);
      return candidate?.isLeader === true;
    });
    cluster.messages.heal();
    await cluster.settle(10);
  }
});
