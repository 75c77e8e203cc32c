/** A store whose disk is full refuses writes by a coded error, loses nothing, and goes on when there is room again. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeWorld } from "@skein/base";
import { planTopology } from "@skein/cli";
import { serverErrors } from "@skein/servers";
import { expect, test } from "vitest";
import { openCluster } from "../support/region-cluster.ts";
import { mountSmallDisks } from "./small-disks.ts";

const world = nodeWorld();
const value = Buffer.alloc(8 * 1024, "v");
const key = (number: number) => Buffer.from(`full/${String(number).padStart(6, "0")}`);

test("one of three disks is full: writes go on; all are full: writes are refused, what was acknowledged stays, room heals", async () => {
  const folder = await mkdtemp(join(tmpdir(), "skein-disks-"));
  const names = ["store-1", "store-2", "store-3"];
  try {
    await using disks = await mountSmallDisks(world, folder, names, 192);
    if (disks.whyNone !== null) throw serverErrors.programMissing([`a small file system (${disks.whyNone})`]);
    await using opened = await openCluster(world, "full", {
      topology: planTopology({ pds: 1, stores: 3, labels: [] }),
      network: "loopback",
      dataFolders: disks.dataFolders,
    });
    const { cluster, client } = opened;
    const raw = client.raw({ patienceMs: 4_000 });
    let acknowledged = 0;
    const write = async (count: number) => {
      for (let i = 0; i < count; i++) {
        await raw.put(key(acknowledged), value);
        acknowledged++;
      }
    };
    const untilAllThere = async () => {
      const patient = client.raw({ patienceMs: 60_000 });
      await patient.put(key(acknowledged), value);
      acknowledged++;
      const found = await patient.scan({ start: key(0), end: Buffer.from("full0"), limit: acknowledged + 1_000 });
      const there = new Set(found.map((pair) => Buffer.from(pair.key).toString()));
      const lost = Array.from({ length: acknowledged }, (_, i) => key(i).toString()).filter((each) => !there.has(each));
      expect(lost, await cluster.logs()).toEqual([]);
    };

    await write(50);
    await disks.fill("store-1");
    await untilAllThere();
    for (const name of names.slice(1)) await disks.fill(name);
    // logs are preallocated: some writes still fit
    await expect(write(40_000), "the stores took all that was written to full disks").rejects.toThrow();

    await disks.heal();
    for (const store of cluster.stores) if (store.state === "dead") await store.start();
    await untilAllThere();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 180_000);
