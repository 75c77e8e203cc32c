import type { World } from "@skein/base";
import { type EmbeddedOptions, openEmbeddedMetastore } from "./embedded/embedded-metastore.ts";
import { type EtcdOptions, openEtcdMetastore } from "./etcd/etcd-metastore.ts";
import type { Metastore } from "./metastore.ts";

/**
 * Where the metadata lies: in a file of this process, for example `<data-dir>/metastore.sqlite`; or behind etcd's protocol, in a
 * cluster or in another process that serves its embedded store (`etcdServices`).
 */
export type MetastoreLocation = ({ readonly kind: "embedded" } & EmbeddedOptions) | ({ readonly kind: "etcd" } & EtcdOptions);

/** Rejects with `inUse`, `storageFailed` (embedded). An etcd that is away is found at the first call. */
export async function openMetastore(world: World, location: MetastoreLocation): Promise<Metastore> {
  return location.kind === "embedded" ? openEmbeddedMetastore(world, location) : openEtcdMetastore(world, location);
}
