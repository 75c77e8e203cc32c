import type { World } from "@skein/base";
import { openEmbeddedMetastore } from "./embedded/embedded-metastore.ts";
import type { Metastore } from "./metastore.ts";

export type MetastoreLocation = {
  readonly kind: "embedded";
  /** The file, for example `<data-dir>/metastore.sqlite`; `:memory:` keeps nothing. */
  readonly path: string;
  readonly operationsMax?: number;
  readonly requestBytesMax?: number;
  readonly historyRevisionsMax?: number;
};

/** Opens a store. Rejects with `inUse`, `storageFailed`. */
export function openMetastore(world: World, location: MetastoreLocation): Promise<Metastore> {
  return openEmbeddedMetastore(world, location);
}
