/**
 * What many idle regions cost, and how long a store is away that was killed: three tikv-servers of one pd-server, all with their
 * defaults unless a case says otherwise.
 *
 * - **idle regions**: the key space is split over the public interface; once nothing changes any more, CPU of all four processes over
 *   30 s and the resident memory of the stores, as the kernel counts them. Then one store is killed and started, with its regions asleep.
 * - **restart of a store**: logs that are kept (`raft-log-gc-threshold`) hold all that was put. One store is killed, another one stops,
 *   and the first is started: a put to the region needs two of three, so that it succeeds is its doing.
 */
import { join } from "node:path";
import type { World } from "@skein/base";
import { type BenchContext, type Benchmark, httpCall, type RegionCluster } from "@skein/cli";
import { createKvClient, type KvClient } from "@skein/kvclient";
import { cpuSecondsOf, memoryOf } from "@skein/servers";
import { startRegionStore } from "./support/region-store.ts";

const regionCount = 10_000;
const splitsAtOnce = 100;
const idleSeconds = 30;
const valueBytes = 256 * 1024;
const putBytes = 300e6;
const mib = 1024 * 1024;

export const benchmark: Benchmark = {
  name: "regions",
  describe: "CPU and memory of three stores with 10 000 idle regions, and the restart of a store that was killed.",
  async prepare(context) {
    return {
      facts: {
        stores: 3,
        replicas: 3,
        regions: Math.round(regionCount * context.scale),
        "log of the restart, MB": (putBytes * context.scale) / 1e6,
      },
      cases: [
        {
          name: "10 000 idle regions on 3 stores",
          runsMax: 3,
          metrics: [
            { name: "cpu", unit: "% of a core", better: "lower" },
            { name: "rss", unit: "MiB", better: "lower" },
            { name: "cpu of the placement driver", unit: "% of a core", better: "lower" },
            { name: "rss of the placement driver", unit: "MiB", better: "lower" },
            { name: "restart", unit: "s", better: "lower" },
          ],
          contenders: [{ name: "skein", isOurs: true, run: idle }],
          limits: { cpu: { must: 15, aim: 5 }, rss: { must: 600, aim: 300 } },
        },
        {
          name: "restart of a store",
          runsMax: 3,
          metrics: [
            { name: "serves", unit: "s", better: "lower" },
            { name: "status page", unit: "s", better: "lower" },
            { name: "log", unit: "MiB", better: "higher" },
          ],
          contenders: [{ name: "skein", isOurs: true, run: restart }],
          limits: { serves: { must: 10, aim: 3 } },
        },
      ],
      [Symbol.asyncDispose]: async () => {},
    };
  },
};

const keyOf = (index: number) => Buffer.from(`k${String(index).padStart(8, "0")}`);

async function idle(context: BenchContext): Promise<Record<string, number>> {
  const { world, scale, signal } = context;
  const count = Math.round(regionCount * scale);
  await using cluster = await startRegionStore(context, "idle");
  await using client = createKvClient(world, { endpoints: cluster.pdEndpoints });
  const startedMs = world.clock.monotonicMs();
  for (let from = 1; from < count; from += splitsAtOnce) {
    signal.throwIfAborted();
    const keys = Array.from({ length: Math.min(splitsAtOnce, count - from) }, (_, index) => keyOf(from + index));
    await client.split(keys, { isRaw: true });
  }
  context.say(`${count} regions were made in ${((world.clock.monotonicMs() - startedMs) / 1000).toFixed(1)} s`);
  // One store leads all of them at first: with the defaults moving leaders alone would take minutes.
  await setLeaderMoves(cluster, { limit: 64, batch: 10 });
  await untilRest(context, cluster, count);
  await setLeaderMoves(cluster, { limit: 4, batch: 4 });
  const processes = [...cluster.stores, ...cluster.pds];
  const before = await Promise.all(processes.map(({ pid }) => cpuSecondsOf(world, [pid])));
  const fromMs = world.clock.monotonicMs();
  await world.clock.sleep(idleSeconds * 1000, signal);
  const seconds = (world.clock.monotonicMs() - fromMs) / 1000;
  const after = await Promise.all(processes.map(({ pid }) => cpuSecondsOf(world, [pid])));
  const percents = processes.map((_, index) => (((after[index] ?? 0) - (before[index] ?? 0)) / seconds) * 100);
  const memory = await Promise.all(processes.map(async ({ pid }) => (await memoryOf(world, pid)).nowMib));
  context.say(processes.map(({ name }, index) => `${name}: ${percents[index]?.toFixed(1)} %, ${memory[index]?.toFixed(0)} MiB`).join("; "));
  const driver = cluster.stores.length;
  const { serves } = await timeRestart(context, cluster, client);
  return {
    cpu: percents.reduce((sum, each) => sum + each, 0),
    rss: Math.max(...memory.slice(0, driver)),
    "cpu of the placement driver": percents[driver] ?? 0,
    "rss of the placement driver": memory[driver] ?? 0,
    restart: serves,
  };
}

async function setLeaderMoves(cluster: RegionCluster, { limit, batch }: { readonly limit: number; readonly batch: number }): Promise<void> {
  for (const [path, body] of [
    ["/pd/api/v1/config", { "leader-schedule-limit": limit }],
    ["/pd/api/v1/scheduler-config/balance-leader-scheduler/config", { batch }],
  ] as const) {
    const { status, text } = await cluster.post(path, body);
    if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
  }
}

/** Until all regions have three replicas, nobody moves anything, and the processes work no less than before in three windows running. */
async function untilRest(context: BenchContext, cluster: RegionCluster, count: number): Promise<void> {
  const { world, signal } = context;
  const windowMs = 15_000;
  const pids = [...cluster.stores, ...cluster.pds].map(({ pid }) => pid);
  const cpu = () => cpuSecondsOf(world, pids);
  const startedMs = world.clock.monotonicMs();
  let least = Number.POSITIVE_INFINITY;
  let steady = 0;
  for (;;) {
    const before = await cpu();
    await world.clock.sleep(windowMs, signal);
    const used = (await cpu()) - before;
    const operators = (await cluster.ask("/pd/api/v1/operators")) as readonly unknown[] | null;
    const stats = (await cluster.ask("/pd/api/v1/stats/region")) as {
      readonly count?: number;
      readonly miss_peer_region_count?: number;
    } | null;
    const seconds = (world.clock.monotonicMs() - startedMs) / 1000;
    context.say(
      `${seconds.toFixed(0)} s: ${((used * 1e5) / windowMs).toFixed(1)} % CPU, ${operators?.length} operators, ${stats?.count} regions`,
    );
    steady = operators?.length === 0 && (stats?.count ?? 0) >= count && used > least * 0.9 ? steady + 1 : 0;
    if (steady === 3) return;
    if (seconds > 420) throw new Error("the cluster did not come to rest within 7 minutes");
    least = Math.min(least, used);
  }
}

async function restart(context: BenchContext): Promise<Record<string, number>> {
  const name = "restart";
  const figures = await restartWithLog(context, name);
  await context.world.disk.remove(join(context.folder, name), { recursive: true });
  return figures;
}

async function restartWithLog(context: BenchContext, name: string): Promise<Record<string, number>> {
  const { world, scale, signal } = context;
  await using cluster = await startRegionStore(
    context,
    name,
    "[raftstore]\nraft-log-gc-threshold = 1000000\nraft-log-reserve-max-ticks = 1000000\n",
  );
  await using client = createKvClient(world, { endpoints: cluster.pdEndpoints });
  const raw = client.raw();
  const count = Math.ceil((putBytes * scale) / valueBytes);
  for (let from = 0; from < count; from += 8) {
    signal.throwIfAborted();
    const values = Array.from({ length: Math.min(8, count - from) }, () => world.random.bytes(valueBytes));
    await Promise.all(values.map((value, index) => raw.put(keyOf(from + index), value)));
  }
  const { serves, status, store } = await timeRestart(context, cluster, client);
  const log = (await folderBytes(world, join(store.dataFolder, "raft"))) / mib;
  context.say(`the log has ${log.toFixed(0)} MiB`);
  return { serves, "status page": status, log };
}

/** Kills a store that does not lead the region of the first key, and starts it when one of the other two has stopped. Seconds. */
async function timeRestart(context: BenchContext, cluster: RegionCluster, client: KvClient) {
  const { world, signal } = context;
  const raw = client.raw();
  const value = new Uint8Array([1]);
  await raw.put(keyOf(0), value);
  const region = await client.pd.getRegion(keyOf(0));
  const leader = region?.leader?.storeId;
  const stores = (await cluster.ask("/pd/api/v1/stores")) as { stores: { store: { id: number; address: string } }[] };
  const leads = stores.stores.find(({ store }) => store.id === leader)?.store.address;
  const [killed, stopped] = cluster.stores.filter(({ address }) => address !== leads);
  if (killed === undefined || stopped === undefined) throw new Error("two stores that do not lead were not found");
  await killed.kill("SIGKILL");
  await stopped.kill("SIGSTOP");
  const startedMs = world.clock.monotonicMs();
  const since = () => (world.clock.monotonicMs() - startedMs) / 1000;
  await killed.start();
  const answers = async () => {
    for (;;) {
      signal.throwIfAborted();
      const answer = await httpCall(world, killed.statusAddress, "GET", "/status").catch(() => null); // it is not up yet
      if (answer?.status === 200) return since();
      await world.clock.sleep(10, signal);
    }
  };
  const [serves, status] = await Promise.all([raw.put(keyOf(0), value).then(since), answers()]);
  context.say(
    `${killed.name} was killed: its status page answers after ${status.toFixed(2)} s, a write that needs it after ${serves.toFixed(2)} s`,
  );
  await stopped.kill("SIGCONT");
  return { serves: Math.max(serves, status), status, store: killed };
}

async function folderBytes(world: World, folder: string): Promise<number> {
  const { stdout } = await world.processes.run("du", ["-sb", folder]);
  return Number.parseInt(stdout, 10);
}
