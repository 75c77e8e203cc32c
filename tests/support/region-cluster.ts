/** A region store of real processes with a client, in a folder that goes with it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { World } from "@skein/base";
import { type RegionCluster, type RegionClusterOptions, startRegionCluster } from "@skein/cli";
import { createKvClient, type KvClient } from "@skein/kvclient";

export interface OpenCluster extends AsyncDisposable {
  readonly folder: string;
  readonly cluster: RegionCluster;
  readonly client: KvClient;
}

/** Ready for reads and writes. `name` is in the folder's. */
export async function openCluster(world: World, name: string, options: RegionClusterOptions): Promise<OpenCluster> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), `skein-${name}-`));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const cluster = stack.use(await startRegionCluster(world, folder, options));
  await cluster.untilReady();
  const client = stack.use(createKvClient(world, { endpoints: cluster.pdEndpoints }));
  const owned = stack.move();
  return { folder, cluster, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
