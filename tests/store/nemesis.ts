/** What happens to a cluster while it works; every action is undone before the next one, and at the end. */
import type { Random, World } from "@skein/base";
import type { RegionCluster, RegionProcess } from "@skein/cli";
import type { KvClient } from "@skein/kvclient";
import type { Clocks } from "./clocks.ts";
import { whyNoProcessClocks } from "./process-clock.ts";
import type { SmallDisks } from "./small-disks.ts";

/** What can be harmed besides processes and their network. */
export interface Harmful {
  readonly clocks: Clocks;
  readonly disks: SmallDisks;
}

export interface NemesisOptions {
  readonly actions: readonly NemesisAction[];
  /** How long an action lasts, and how long the cluster is left alone after it. */
  readonly harmMs: number;
  readonly restMs: number;
}

export type NemesisAction =
  | "kill"
  | "kill two"
  | "kill all"
  | "kill pd"
  | "pause"
  | "pause two"
  | "pause pd"
  /** Those who are cut off see each other. */
  | "partition"
  | "partition two"
  | "partition pd"
  /** What a store says to the others, the placement drivers among them, is lost; clients reach it, and it hears all. */
  | "mute"
  /** What the others say to a store is lost. */
  | "deaf"
  /** Two stores lose each other; all others see both. */
  | "part ways"
  | "clock"
  | "clock pd"
  /** That of the etcd beside a placement driver: several have one each. */
  | "clock etcd"
  /** Nothing more fits on a store's disk. */
  | "fill disk"
  | "split"
  | "move leaders";

const secondMs = 1_000;
const clockJumpsMs = [-3_600, -60, -2, 2, 60, 3_600].map((seconds) => seconds * secondMs);

/** Goes on until the signal; gives what was done, in order. */
export async function nemesis(
  world: World,
  cluster: RegionCluster,
  harmful: Harmful,
  client: KvClient,
  random: Random,
  options: NemesisOptions,
  splitPoints: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const { clocks, disks } = harmful;
  const done = whatIsLeftOut(options.actions, cluster, disks);
  const splits = [...splitPoints];
  const lasts = () => world.clock.sleep(random.between(options.harmMs >> 1, options.harmMs), signal);
  const namesOf = (processes: readonly RegionProcess[]) => processes.map(({ name }) => name);
  const harmed = async (what: string, doIt: () => Promise<unknown>) => {
    done.push(what);
    await doIt();
    await lasts();
    await heal(cluster, harmful);
  };
  const signalled = (signal: "SIGKILL" | "SIGSTOP", processes: readonly RegionProcess[]) =>
    harmed(`${signal === "SIGKILL" ? "kill -9" : "stop"} ${namesOf(processes).join(", ")}`, () =>
      Promise.all(processes.map((each) => each.kill(signal))),
    );
  const cutOff = async (processes: readonly RegionProcess[]) => {
    if (cluster.network.whyNoPartition !== null) return;
    const names = namesOf(processes);
    await harmed(`cut off ${names.join(", ")}`, () => cluster.network.partition(names));
  };
  /** From the first to the second, one way. */
  const lost = async (what: string, ways: readonly (readonly [readonly string[], readonly string[]])[]) => {
    if (cluster.network.whyNoPartition !== null) return;
    await harmed(what, async () => {
      for (const [from, to] of ways) await cluster.network.lose(from, to);
    });
  };
  const shifted = async ({ name }: RegionProcess) => {
    const offsetMs = random.pick(clockJumpsMs);
    await harmed(`clock of ${name} set by ${offsetMs / secondMs} s`, () => clocks.set(name, offsetMs));
  };
  const all = namesOf([...cluster.pds, ...cluster.stores]);
  // every kind once before chance decides
  const queue = shuffled(random, options.actions);
  try {
    for (;;) {
      const action = queue.pop() ?? random.pick(options.actions);
      const some = await victims(cluster, random);
      const [first = "", second = ""] = namesOf(some);
      switch (action) {
        case "kill":
          await signalled("SIGKILL", some.slice(0, 1));
          break;
        case "kill two":
          await signalled("SIGKILL", some.slice(0, 2));
          break;
        case "kill all":
          await signalled("SIGKILL", some);
          break;
        case "kill pd":
          await signalled("SIGKILL", [random.pick(cluster.pds)]);
          break;
        case "pause":
          await signalled("SIGSTOP", some.slice(0, 1));
          break;
        case "pause two":
          await signalled("SIGSTOP", some.slice(0, 2));
          break;
        case "pause pd":
          await signalled("SIGSTOP", [random.pick(cluster.pds)]);
          break;
        case "partition":
          await cutOff(some.slice(0, 1));
          break;
        case "partition two":
          await cutOff(some.slice(0, 2));
          break;
        case "partition pd":
          await cutOff([random.pick(cluster.pds)]);
          break;
        case "mute":
          await lost(`${first} is not heard`, [[[first], all]]);
          break;
        case "deaf":
          await lost(`${first} hears nothing`, [[all, [first]]]);
          break;
        case "part ways":
          await lost(`${first} and ${second} lose each other`, [
            [[first], [second]],
            [[second], [first]],
          ]);
          break;
        case "clock":
          await shifted(random.pick(cluster.stores));
          break;
        case "clock pd":
          await shifted(random.pick(cluster.pds));
          break;
        case "clock etcd": {
          const pd = random.pick(cluster.pds);
          const offsetMs = random.pick(clockJumpsMs);
          if (whyNoProcessClocks() === null)
            await harmed(`clock of the etcd of ${pd.name} set by ${offsetMs / secondMs} s`, () => clocks.setEtcd(pd, offsetMs));
          break;
        }
        case "fill disk":
          if (disks.whyNone === null) await harmed(`disk of ${first} full`, () => disks.fill(first));
          break;
        case "split": {
          const key = splits.shift();
          if (key === undefined) break;
          done.push(`split at ${key}`);
          // it may be harmed itself, and goes on beside what comes next
          await Promise.race([client.split([Buffer.from(key)]).catch(() => {}), lasts()]);
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
    await heal(cluster, harmful);
  }
  return done;
}

/** By name and with the reason: harms that this machine cannot do. */
function whatIsLeftOut(actions: readonly NemesisAction[], cluster: RegionCluster, disks: SmallDisks): string[] {
  const reasons: readonly (readonly [RegExp, string | null])[] = [
    [/^(partition|mute|deaf|part ways)/, cluster.network.whyNoPartition],
    [/^clock etcd$/, whyNoProcessClocks()],
    [/^fill disk$/, disks.whyNone],
  ];
  return reasons.flatMap(([pattern, why]) => {
    const left = actions.filter((action) => pattern.test(action));
    return why === null || left.length === 0 ? [] : [`left out: ${[...new Set(left)].join(", ")}: ${why}`];
  });
}

export async function heal(cluster: RegionCluster, { clocks, disks }: Harmful): Promise<void> {
  await cluster.network.heal();
  await clocks.heal();
  await disks.heal();
  for (const each of [...cluster.pds, ...cluster.stores]) {
    if (each.state === "paused") await each.kill("SIGCONT");
    if (each.state === "dead") await each.start();
  }
}

interface RegionAnswer {
  readonly id: number;
  readonly leader?: { readonly store_id?: number };
  readonly peers?: readonly { readonly store_id: number }[];
}

async function regionsOf(cluster: RegionCluster): Promise<readonly RegionAnswer[]> {
  const answer = (await cluster.ask("/pd/api/v1/regions").catch(() => null)) as { readonly regions?: readonly RegionAnswer[] } | null;
  return answer?.regions ?? []; // the placement driver may be away
}

/** Stores in the order in which they are harmed. Who leads is harmed most: what it acknowledged alone would be lost, what it reads old. */
async function victims(cluster: RegionCluster, random: Random): Promise<RegionProcess[]> {
  const some = shuffled(random, cluster.stores);
  const isLeader = random.chance(0.75);
  const regions = await regionsOf(cluster);
  const answer = (await cluster.ask("/pd/api/v1/stores").catch(() => null)) as {
    readonly stores?: readonly { readonly store: { readonly id: number; readonly address: string } }[];
  } | null;
  if (!isLeader || regions.length === 0) return some;
  const leader = random.pick(regions).leader?.store_id;
  const address = answer?.stores?.find(({ store }) => store.id === leader)?.store.address;
  return some.sort((a, b) => Number(b.address === address) - Number(a.address === address));
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
  let moved = 0;
  for (const { id, leader, peers = [] } of await regionsOf(cluster)) {
    const targets = peers.filter(({ store_id }) => store_id !== leader?.store_id);
    if (targets.length === 0) continue;
    const order = { name: "transfer-leader", region_id: id, to_store_id: random.pick(targets).store_id };
    const { status } = await cluster.post("/pd/api/v1/operators", order).catch(() => ({ status: 0 })); // the placement driver may be away
    if (status === 200) moved++;
  }
  return moved;
}
