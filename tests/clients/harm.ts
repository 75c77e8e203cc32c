/** What a driver does to a region store while a client works: splits, leaders that move, a store that is killed and comes back. */
import type { Random, World } from "@skein/base";
import type { RegionCluster } from "@skein/cli";
import { createKvClient } from "@skein/kvclient";

interface RegionsAnswer {
  readonly regions?: readonly {
    readonly id: number;
    readonly leader?: { readonly store_id?: number };
    readonly peers?: readonly { readonly store_id: number; readonly is_learner?: boolean }[];
  }[];
}

export interface Harm {
  readonly splits: number;
  readonly transfers: number;
  readonly kills: number;
}

export interface HarmOptions {
  /** Keys of users in the order in which regions are split at them. */
  readonly splitKeys: readonly string[];
}

/** Goes on until the signal; then everything runs again. */
export async function harm(world: World, cluster: RegionCluster, random: Random, options: HarmOptions, signal: AbortSignal): Promise<Harm> {
  await using client = createKvClient(world, { endpoints: cluster.pdEndpoints });
  const done = { splits: 0, transfers: 0, kills: 0 };
  const keys = [...options.splitKeys];
  try {
    for (let round = 0; ; round++) {
      const key = keys.shift();
      if (key !== undefined) {
        await client.split([Buffer.from(key)]);
        done.splits++;
      }
      if (await transferLeader(cluster, random)) done.transfers++;
      // after a kill come rounds enough for an election, and for some work after it
      if (round % 20 === 5) {
        const store = random.pick(cluster.stores);
        await store.kill("SIGKILL");
        done.kills++;
        await world.clock.sleep(1_500, signal); // the time without it is the harm
        await store.start();
      }
      await world.clock.sleep(300, signal); // the pace of the harm
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    for (const store of cluster.stores) if (store.state === "dead") await store.start();
  }
  return done;
}

/** Whether an order was given; another operator of the region, or a placement driver that is away, is no fault. */
async function transferLeader(cluster: RegionCluster, random: Random): Promise<boolean> {
  const answer = (await cluster.ask("/pd/api/v1/regions")) as RegionsAnswer | null;
  const regions = answer?.regions?.filter(({ leader, peers }) => (leader?.store_id ?? 0) > 0 && (peers?.length ?? 0) > 1) ?? [];
  if (regions.length === 0) return false;
  const region = random.pick(regions);
  const targets = (region.peers ?? []).filter(({ store_id, is_learner }) => store_id !== region.leader?.store_id && is_learner !== true);
  if (targets.length === 0) return false;
  const { status } = await cluster.post("/pd/api/v1/operators", {
    name: "transfer-leader",
    region_id: region.id,
    to_store_id: random.pick(targets).store_id,
  });
  return status === 200;
}
