/** Three members of etcd that do not stop for snapshots (`--snapshot-count`), with their defaults otherwise. */
import { join } from "node:path";
import { freePort } from "@skein/base";
import type { BenchContext } from "@skein/cli";
import { type EtcdServer, startEtcd } from "@skein/servers";

export async function startEtcdMembers({ world, folder }: BenchContext): Promise<EtcdServer[]> {
  const peers = new Map<string, string>();
  for (const name of ["e1", "e2", "e3"]) peers.set(name, `http://127.0.0.1:${await freePort(world)}`);
  const initial = [...peers].map(([name, url]) => `${name}=${url}`).join();
  return await Promise.all(
    [...peers].map(([name, url]) => {
      const own = ["--listen-peer-urls", url, "--initial-advertise-peer-urls", url, "--initial-cluster", initial];
      return startEtcd(world, { name, dataFolder: join(folder, name), flags: [...own, "--snapshot-count", "1000000"] });
    }),
  );
}
