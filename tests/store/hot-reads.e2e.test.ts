/** A region that is read hard is found by the command that an operator has for it: real processes, from the reads to pd-ctl's answer. */
import { join } from "node:path";
import { nodeWorld } from "@skein/base";
import { planTopology } from "@skein/cli";
import { checkoutFolder } from "@skein/servers";
import { expect, test } from "vitest";
import { openCluster } from "../support/region-cluster.ts";

const world = nodeWorld();
const key = (text: string) => new TextEncoder().encode(text);

interface Peer {
  readonly region_id: number;
  readonly flow_bytes: number;
  readonly flow_keys: number;
  readonly flow_query: number;
}
interface HotStore {
  readonly store_bytes: number;
  readonly statistics: readonly Peer[];
}

test("pd-ctl hot read names the region that is read hard, and no other", { timeout: 120_000 }, async () => {
  await using opened = await openCluster(world, "hot-reads", {
    topology: planTopology({ pds: 1, stores: 3, labels: [] }),
    network: "loopback",
    storeConfig: '[raftstore]\npd-store-heartbeat-tick-interval = "1s"\n',
  });
  const { cluster, client } = opened;
  const raw = client.raw();
  await client.split([key("m")], { isRaw: true });
  await raw.put(key("a"), new Uint8Array(100));
  await raw.put(key("z"), new Uint8Array(4096));
  const hot = await client.pd.getRegion(key("z"));
  const ask = async () => {
    const { code, stdout, stderr } = await world.processes.run(join(checkoutFolder, "bin", "pd-ctl"), [
      "-u",
      `http://${cluster.pdEndpoints[0]}`,
      "hot",
      "read",
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return JSON.parse(stdout) as { readonly as_leader: Readonly<Record<string, HotStore>> };
  };

  const over = new AbortController();
  const read = async () => {
    while (!over.signal.aborted) {
      await Promise.all(Array.from({ length: 16 }, () => raw.get(key("z"))));
      await raw.get(key("a"));
      await world.clock.sleep(20); // some hundreds a second, whatever the machine does meanwhile
    }
  };
  const reading = read();
  try {
    let found: readonly (Peer & { readonly storeBytes: number })[] = [];
    for (const endMs = world.clock.monotonicMs() + 60_000; world.clock.monotonicMs() < endMs; await world.clock.sleep(500)) {
      found = Object.values((await ask()).as_leader).flatMap(({ store_bytes, statistics }) =>
        statistics.map((peer) => ({ ...peer, storeBytes: store_bytes })),
      );
      if (found.length > 0) break;
    }
    expect(found.map(({ region_id }) => region_id)).toEqual([hot?.meta.id]);
    const [peer] = found;
    expect(peer?.flow_bytes).toBeGreaterThan(8192);
    expect((peer?.flow_bytes ?? 0) / (peer?.flow_keys ?? 1)).toBeCloseTo(4097, 0);
    expect((peer?.flow_query ?? 0) / (peer?.flow_keys ?? 1)).toBeCloseTo(1, 5);
    expect(peer?.storeBytes).toBeGreaterThan(8192);
  } finally {
    over.abort();
    await reading;
  }
});
