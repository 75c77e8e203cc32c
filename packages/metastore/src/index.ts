export { campaign, electionLeader, type Leadership, observeElection } from "./election.ts";
export { metastoreErrors } from "./errors.ts";
export { selectionOf } from "./etcd/convert.ts";
export { type ClusterMember, type EtcdCluster, initialClusterOf, openEtcdCluster } from "./etcd/etcd-cluster.ts";
export { type EtcdMember, type EtcdMemberOptions, startEtcdMember } from "./etcd/etcd-member.ts";
export { type EtcdServiceOptions, etcdServices } from "./etcd/etcd-services.ts";
export { type FollowStep, follow } from "./follow.ts";
export { decodeHexKey, hexKey, hexPrefix } from "./hex-key.ts";
export { type MemberStore, type MemberStoreOptions, openMemberStore } from "./member-store.ts";
export {
  type CompareOperator,
  type Comparison,
  type KeySelection,
  type KeyValue,
  type LeaseId,
  type LeaseInfo,
  type LeaseState,
  type Metastore,
  type MetastoreStatus,
  type Operation,
  type OperationResult,
  type RangeOptions,
  type RangeResult,
  type Revision,
  type Transaction,
  type TransactionResult,
  textOf,
  type WatchBatch,
  type WatchEvent,
  type WatchOptions,
} from "./metastore.ts";
export { type MetastoreLocation, openMetastore } from "./open-metastore.ts";
export { openSession, type Session } from "./session.ts";
