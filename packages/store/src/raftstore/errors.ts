import { define } from "@skein/base";

const raftstore = <const Args extends readonly unknown[]>(code: number, message: (...args: Args) => string, workaround = "") =>
  define<Args>({
    code,
    class: "raftstore",
    scope: "internal",
    level: "high",
    message,
    ...(workaround === "" ? {} : { workaround }),
  });

/** Errors of the Raft log and of the region peers. What clients are told about a region is a `RegionError`. */
export const raftstoreErrors = {
  /** Frames after the damage are whole, so it is not the torn end of a write. The store could forget a vote if it went on. */
  raftLogDamaged: raftstore(
    72101,
    (file: string, offset: number) => `the Raft log is damaged in ${file} at offset ${offset}`,
    "Check the disk. Start the store with `repair-damaged-log = true`: it gives up the replicas that the damage may touch, and their regions' leaders replace them.",
  ),
  /** A write or sync of the log failed: what the kernel still holds is unknown, so the store stops. */
  raftLogFailed: raftstore(
    72102,
    (file: string) => `the Raft log cannot be written: ${file}`,
    "Check the disk for space and errors, then start the store again.",
  ),
  foreignCluster: raftstore(
    72103,
    (cluster: string, expected: string) => `the data folder belongs to cluster ${cluster}, the placement driver serves cluster ${expected}`,
    "Point the store to the placement driver of its cluster, or give it an empty data folder.",
  ),
  foreignStore: raftstore(
    72104,
    (storeId: number, address: string) => `the data folder is of store ${storeId}, and that store runs at ${address}`,
    "Give each store a data folder of its own: a copy of another one's must never be started. To move a store, stop it first.",
  ),
  dataWithoutIdent: raftstore(
    72105,
    () => "the data folder holds data but does not say whose store it is",
    "Give the store an empty data folder, or restore the one it had.",
  ),
  snapshotDamaged: raftstore(72106, (region: number) => `a received snapshot of region ${region} is not whole`),
  replicasDiffer: raftstore(
    72107,
    (region: number, index: number) => `replicas of region ${region} differ at index ${index}`,
    "Keep the data folders, and remove the replica that differs from the others.",
  ),
  regionMissing: raftstore(
    72109,
    (source: number, target: number) => `region ${source} is missing on this store, and region ${target} is to take it in`,
    "Remove this store from the cluster and start it again with an empty data folder.",
  ),
  storeTombstone: raftstore(
    72108,
    (storeId: number) => `store ${storeId} was removed from the cluster`,
    "Start it with an empty data folder to join as a new store.",
  ),
};
