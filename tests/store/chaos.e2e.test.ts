/**
 * Real processes under kill -9, SIGSTOP, partitions of one and of several, losses one way, clocks that are set, full disks, moved
 * leaders and splits, stores and placement drivers alike, with histories that are checked afterwards: raw keys are linearizable, transactions keep
 * snapshot isolation, no acknowledged write is lost.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeWorld, seededRandom } from "@skein/base";
import { planTopology, startRegionCluster } from "@skein/cli";
import { createKvClient } from "@skein/kvclient";
import { checkRegisters, checkSnapshotIsolation, describeKeyVerdict, findLongFork, seeds } from "@skein/sim";
import { expect, test } from "vitest";
import { createClocks } from "./clocks.ts";
import { heal, type NemesisAction, nemesis } from "./nemesis.ts";
import { workOnRegisters } from "./registers.ts";
import { mountSmallDisks } from "./small-disks.ts";
import { audit, bankSum, lostTransfers, prepareTransactions, splitPoints, workOnTransactions } from "./transactions.ts";

const world = nodeWorld();
const isLong = Number(process.env["SKEIN_SEEDS_FACTOR"] ?? "1") > 1;
/** Of the harm: in the long run three times this, ten minutes and more; starting and checking take a quarter of a minute each. */
const workMs = isLong ? 3.5 * 60_000 : 30_000;
const pace = isLong ? { harmMs: 6_000, restMs: 1_500 } : { harmMs: 2_400, restMs: 500 };

/** Elections of 2.5 to 5 s instead of four times that, in a short run of 0.8 to 1.6 s: several within a harm, or nobody leads beside one who is cut off. */
const storeConfig = isLong
  ? '[raftstore]\nraft-base-tick-interval = "250ms"\nraft-store-max-leader-lease = "2s"\n'
  : '[raftstore]\nraft-base-tick-interval = "80ms"\nraft-store-max-leader-lease = "600ms"\n';

/** Holds what the work writes a few times. */
const diskMib = 512;

async function chaos(seed: number, stores: number, pds: number, actions: readonly NemesisAction[]): Promise<void> {
  const random = seededRandom(seed, "chaos");
  const folder = await mkdtemp(join(tmpdir(), "skein-chaos-"));
  try {
    const clocks = createClocks(world, folder);
    const names = Array.from({ length: stores }, (_, i) => `store-${i + 1}`);
    await using disks = await mountSmallDisks(world, folder, names, diskMib);
    const harmful = { clocks, disks };
    await using cluster = await startRegionCluster(world, folder, {
      topology: planTopology({ pds, stores, labels: [] }),
      network: "auto",
      storeConfig,
      env: clocks.env,
      dataFolders: disks.dataFolders,
    });
    await cluster.untilReady();
    await using client = createKvClient(world, { endpoints: cluster.pdEndpoints });
    await prepareTransactions(client);

    const stop = new AbortController();
    const timer = world.clock.timer(workMs, () => stop.abort(), { keepAlive: true });
    const keys = ["reg/0", "reg/1", "reg/2", "reg/3", "reg/4"];
    const [registers, history, harms] = await Promise.all([
      workOnRegisters(world, cluster.pdEndpoints, random.fork("registers"), { keys, workers: 5 }, stop.signal),
      workOnTransactions(world, cluster.pdEndpoints, random.fork("transactions"), 5, stop.signal),
      nemesis(world, cluster, harmful, client, random.fork("nemesis"), { actions, ...pace }, splitPoints, stop.signal),
    ]);
    timer.cancel();
    await heal(cluster, harmful);

    const story = `seed ${seed}\n${harms.join("\n")}\nrefused: ${JSON.stringify(Object.fromEntries(history.refused))}`;
    const told = async (problems: readonly string[]) =>
      problems.length === 0 ? "" : `${problems.join("\n")}\n${story}\n${await cluster.logs()}`;
    const expectNone = async (problems: readonly string[]) => {
      expect(problems, await told(problems)).toEqual([]);
    };
    await expectNone(checkRegisters(registers).map(describeKeyVerdict));
    await expectNone(checkSnapshotIsolation(history.transactions));
    await expectNone([...new Set(history.sums)].filter((sum) => sum !== bankSum).map((sum) => `a snapshot of the bank held ${sum}`));
    await expectNone(
      [...history.forks].filter(([, reads]) => findLongFork(reads) !== null).map(([group]) => `a long fork in group ${group}`),
    );
    await expectNone(history.skews);
    expect(await audit(client), story).toBe(bankSum);
    await expectNone((await lostTransfers(client, history)).map((key) => `the acknowledged ${key} is lost`));

    // the work was work, and the harm was harm
    const committed = history.transactions.filter(({ outcome }) => outcome === "committed").length;
    const summary = `${registers.length} calls on raw keys, ${committed} recorded transactions, ${history.transfers.size} transfers, ${history.sums.length} audits`;
    process.stdout.write(`${summary}\n${story}\n`);
    expect(registers.filter(({ output }) => output !== undefined).length, `${summary}\n${story}`).toBeGreaterThan(workMs / 100);
    expect(committed, `${summary}\n${story}`).toBeGreaterThan(workMs / 250);
    expect(history.transfers.size, summary).toBeGreaterThan(0);
    expect(harms.length, story).toBeGreaterThan(2);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const timeoutMs = workMs + 240_000;

test.each(seeds({ fixed: 1, fresh: 0.05 }))(
  "one process at a time is killed, stopped, cut off, one way too, has its clock set or its disk filled, while regions split and leaders move, seed %i",
  { timeout: timeoutMs },
  (seed) =>
    chaos(seed, 3, 1, [
      "kill",
      "pause",
      "partition",
      "mute",
      "deaf",
      "clock",
      "clock pd",
      "fill disk",
      "kill pd",
      "split",
      "move leaders",
      "split",
    ]),
);

if (isLong) {
  test.each(seeds({ fixed: 1 }))("majorities are killed, stopped and cut off, seed %i", { timeout: timeoutMs }, (seed) =>
    chaos(seed + 1_000, 4, 1, [
      "kill two",
      "kill all",
      "kill pd",
      "partition",
      "partition two",
      "pause two",
      "part ways",
      "mute",
      "deaf",
      "clock",
      "clock pd",
      "fill disk",
      "split",
      "pause",
    ]),
  );
  test.each(seeds({ fixed: 1 }))("three placement drivers, which are harmed as the stores are, seed %i", { timeout: timeoutMs }, (seed) =>
    chaos(seed + 2_000, 3, 3, [
      "kill pd",
      "pause pd",
      "partition pd",
      "clock pd",
      "clock etcd",
      "fill disk",
      "kill",
      "partition",
      "mute",
      "deaf",
      "part ways",
      "clock",
      "split",
      "move leaders",
    ]),
  );
}
