/** What happens to a cluster while it works; every action is undone before the next one, and at the end. */
import type { Random, World } from "@skein/base";
import type { RegionCluster, RegionProcess } from "@skein/cli";
import type { KvClient } from "@skein/kvclient";

export interface NemesisOptions {
  readonly actions: readonly NemesisAction[];
  /** How long an action lasts, and how long the cluster is left alone after it. */
  readonly harmMs: number;
  readonly restMs: number;
}

export type NemesisAction = "kill" | "kill two" | "pause" | "partition" | "kill pd" | "split" | "move leaders" | "kill all";

/** Goes on until the signal; gives what was done, in order. */
export async function nemesis(
  world: World,
  cluster: RegionCluster,
  client: KvClient,
  random: Random,
  options: NemesisOptions,
  splitPoints: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const done: string[] = [];
  const splits = [...splitPoints];
  const lasts = () => world.clock.sleep(random.between(options.harmMs >> 1, options.harmMs), signal);
  const harmed = async (processes: readonly RegionProcess[], what: string, doIt: (each: RegionProcess) => Promise<void>) => {
    done.push(`${what} ${processes.map(({ name }) => name).join(", ")}`);
    await Promise.all(processes.map(doIt));
    await lasts();
    await heal(cluster);
  };
  // every kind once before chance decides
  const queue = shuffled(random, options.actions);
  try {
    for (;;) {
      const action = queue.pop() ?? random.pick(options.actions);
      const some = shuffled(random, cluster.stores);
      switch (action) {
        case "kill":
          await harmed(some.slice(0, 1), "kill -9", (each) => each.kill("SIGKILL"));
          break;
        case "kill two":
          await harmed(some.slice(0, 2), "kill -9", (each) => each.kill("SIGKILL"));
          break;
        case "kill all":
          await harmed(some, "kill -9", (each) => each.kill("SIGKILL"));
          break;
        case "kill pd":
          await harmed([random.pick(cluster.pds)], "kill -9", (each) => each.kill("SIGKILL"));
          break;
        case "pause":
          await harmed(some.slice(0, 1), "stop", (each) => each.kill("SIGSTOP"));
          break;
        case "partition":
          if (cluster.network.whyNoPartition !== null) break;
          done.push(`cut off ${some[0]?.name}`);
          await cluster.network.partition(some.slice(0, 1).map(({ name }) => name));
          await lasts();
          await heal(cluster);
          break;
        case "split": {
          const key = splits.shift();
          if (key === undefined) break;
          done.push(`split at ${key}`);
          await client.split([Buffer.from(key)]).catch(() => {}); // it may be harmed itself
          break;
        }
        case "move leaders":
          done.push(`move leaders: ${await moveLeaders(cluster, random)}`);
          break;
      }
      await world.clock.sleep(options.restMs, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await heal(cluster);
  }
  return done;
}

export async function heal(cluster: RegionCluster): Promise<void> {
  await cluster.network.heal();
  for (const each of [...cluster.pds, ...cluster.stores]) {
    if (each.state === "paused") await each.kill("SIGCONT");
    if (each.state === "dead") await each.start();
  }
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const list = [...items];
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [list[i], list[j]] = [list[j] as T, list[i] as T];
  }
  return list;
}

async function moveLeaders(cluster: RegionCluster, random: Random): Promise<number> {
  const answer = (await cluster.ask("/pd/api/v1/regions")) as {
    readonly regions?: readonly {
      readonly id: number;
      readonly leader?: { readonly store_id?: number };
      readonly peers?: readonly { readonly store_id: number }[];
    }[];
  } | null;
  let moved = 0;
  for (const { id, leader, peers = [] } of answer?.regions ?? []) {
    const targets = peers.filter(({ store_id }) => store_id !== leader?.store_id);
    if (targets.length === 0) continue;
    const order = { name: "transfer-leader", region_id: id, to_store_id: random.pick(targets).store_id };
    const { status } = await cluster.post("/pd/api/v1/operators", order).catch(() => ({ status: 0 })); // the placement driver may be away
    if (status === 200) moved++;
  }
  return moved;
}
