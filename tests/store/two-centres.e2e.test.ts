/**
 * The two-centre document's topology and commands as they stand, on real processes: two voters in the east, one voter and one learner in
 * the west, with the data readable all along; then back by the file that was saved before.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nodeWorld } from "@skein/base";
import { planTopology, type RegionCluster } from "@skein/cli";
import { checkoutFolder } from "@skein/servers";
import { expect, test } from "vitest";
import { openCluster } from "../support/region-cluster.ts";

const world = nodeWorld();
const labels = [
  "store-1=zone=east,rack=east-1,host=30",
  "store-2=zone=east,rack=east-2,host=31",
  "store-3=zone=west,rack=west-1,host=32",
  "store-4=zone=west,rack=west-2,host=33",
];
const pdConfig = '[replication]\nlocation-labels = ["zone", "rack", "host"]\n';

/** Voters and learners of each region by zone. */
async function layout(cluster: RegionCluster): Promise<readonly string[]> {
  const { stores } = (await cluster.ask("/pd/api/v1/stores")) as {
    stores: { store: { id: number; labels: { key: string; value: string }[] } }[];
  };
  const zones = new Map(stores.map(({ store }) => [store.id, store.labels.find(({ key }) => key === "zone")?.value ?? ""]));
  const { regions } = (await cluster.ask("/pd/api/v1/regions")) as { regions: { peers: { store_id: number; role_name: string }[] }[] };
  return regions.map(({ peers }) =>
    peers
      .map((peer) => `${zones.get(peer.store_id) ?? "?"} ${peer.role_name}`)
      .sort((a, b) => (a < b ? -1 : 1))
      .join(", "),
  );
}

async function untilLayout(cluster: RegionCluster, wanted: string): Promise<void> {
  let last: readonly string[] = [];
  for (const endMs = world.clock.monotonicMs() + 40_000; world.clock.monotonicMs() < endMs; await world.clock.sleep(200)) {
    last = await layout(cluster);
    if (last.length > 0 && last.every((region) => region === wanted)) return;
  }
  throw new Error(`regions are not ${wanted} but\n${last.join("\n")}\n${await cluster.logs()}`);
}

test("rule.json and both rule-bundle commands give the topology that the document describes", { timeout: 180_000 }, async () => {
  const topology = planTopology({ pds: 1, stores: 4, labels });
  await using opened = await openCluster(world, "two-centres", { topology, network: "auto", pdConfig });
  const { folder, cluster, client } = opened;
  const raw = client.raw();
  const key = (index: number) => new TextEncoder().encode(`k${index}`);
  for (let index = 0; index < 50; index++) await raw.put(key(index), key(index));

  await writeFile(
    join(folder, "rule.json"),
    await readFile(join(checkoutFolder, "packages/placement/src/rules/testing/rule.json"), "utf8"),
  );
  const pdCtl = async (line: string) => {
    const run = await world.processes.run("sh", ["-c", line.replace("pd-ctl", join(checkoutFolder, "bin/pd-ctl"))], {
      cwd: folder,
      env: { PD_ADDR: `http://${cluster.pdEndpoints[0]}` },
    });
    return { out: run.stdout.trimEnd(), err: run.stderr.trimEnd(), code: run.code };
  };
  expect(await pdCtl('pd-ctl config placement-rules rule-bundle load --out="default.json"')).toEqual({
    out: "rule group saved to file default.json",
    err: "",
    code: 0,
  });
  const tried = await pdCtl('pd-ctl config placement-rules rule-bundle save --in="rule.json" --dry-run');
  expect(tried.out).toContain("1 peer added");
  expect(await pdCtl('pd-ctl config placement-rules rule-bundle save --in="rule.json"')).toEqual({
    out: '"Update rules and groups successfully."',
    err: "warning: rule pd/zone-west stands more than once in one file: the one with role learner and count 1 is kept as pd/zone-west-2",
    code: 0,
  });
  await untilLayout(cluster, "east Voter, east Voter, west Learner, west Voter");
  for (let index = 0; index < 50; index++) expect(await raw.get(key(index))).toEqual(key(index));

  expect((await pdCtl('pd-ctl config placement-rules rule-bundle save --in="default.json"')).err).toBe("");
  for (const endMs = world.clock.monotonicMs() + 40_000; ; await world.clock.sleep(200)) {
    const regions = await layout(cluster);
    if (regions.every((region) => region.split(", ").length === 3 && !region.includes("Learner"))) break;
    if (world.clock.monotonicMs() > endMs) throw new Error(`not back: ${regions.join("\n")}\n${await cluster.logs()}`);
  }
  for (let index = 0; index < 50; index++) expect(await raw.get(key(index))).toEqual(key(index));
});
