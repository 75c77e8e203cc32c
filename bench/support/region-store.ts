/** Three tikv-servers of one pd-server, as processes with their defaults; alone, or beside three members of etcd. */
import { join } from "node:path";
import { type BenchContext, planTopology, type RegionCluster, startRegionCluster } from "@skein/cli";
import { type EtcdServer, whyNotEtcd } from "@skein/servers";
import { startEtcdMembers } from "./etcd-members.ts";
import { buildLoad } from "./kvload.ts";

/** In a folder of its own; ready. */
export async function startRegionStore(
  { world, folder, signal }: BenchContext,
  name: string,
  storeConfig?: string,
): Promise<RegionCluster> {
  const own = join(folder, name);
  await world.disk.makeFolder(own);
  const cluster = await startRegionCluster(world, own, {
    topology: planTopology({ pds: 1, stores: 3, labels: [] }),
    network: "loopback",
    ...(storeConfig === undefined ? {} : { storeConfig }),
  });
  try {
    await cluster.untilReady(signal);
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

export interface BesideEtcd extends AsyncDisposable {
  readonly cluster: RegionCluster;
  /** None when it, or the program that asks it, cannot be had here. */
  readonly etcd: readonly EtcdServer[];
  /** Why the program that asks both is not there, and why etcd is not. */
  readonly missing: { readonly load: string | null; readonly etcd: string | null };
}

export async function startBesideEtcd(context: BenchContext): Promise<BesideEtcd> {
  const load = await buildLoad(context.world);
  const missing = { load, etcd: load ?? (await whyNotEtcd(context.world)) };
  const cluster = await startRegionStore(context, "regions");
  try {
    const etcd = missing.etcd === null ? await startEtcdMembers(context) : [];
    const close = async () => {
      await Promise.all([cluster, ...etcd].map((each) => each[Symbol.asyncDispose]()));
    };
    return { cluster, etcd, missing, [Symbol.asyncDispose]: close };
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}
