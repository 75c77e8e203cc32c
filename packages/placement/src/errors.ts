/**
 * Coded errors of the placement driver. The detail carries the name that the field's scripts match on (`[PD:core:ErrStoreNotFound]…`)
 * where the original has one; HTTP answers print the detail alone.
 */
import { define, type ErrorLevel, isCodedError } from "@skein/base";

const pd = <const Args extends readonly unknown[]>(
  code: number,
  message: (...args: Args) => string,
  workaround = "",
  level: ErrorLevel = "medium",
) =>
  define<Args>({
    code,
    class: "placement",
    scope: "internal",
    level,
    message,
    ...(workaround === "" ? {} : { workaround }),
  });

const watch = "Please look at `pd-ctl member`: requests go to the leader.";

export const pdErrors = {
  notLeader: pd(63001, () => "this placement driver does not lead", watch),
  notBootstrapped: pd(
    63002,
    () => "[PD:cluster:ErrNotBootstrapped]TiKV cluster not bootstrapped, please start TiKV first",
    "Please start the first tikv-server; it bootstraps the cluster.",
  ),
  /** The words of a refusal to bootstrap; `what` is the original's text. */
  invalidBootstrap: pd(63003, (what: string, clusterId: bigint) => `${what} for bootstrap ${clusterId}`),
  storeNotFound: pd(
    63004,
    (id: number) => `[PD:core:ErrStoreNotFound]store ${id} not found`,
    "Please look for its id with `pd-ctl store`.",
  ),
  storeRemoved: pd(63005, (id: number) => `[PD:core:ErrStoreRemoved]store ${id} has been removed`),
  storeDestroyed: pd(63006, (id: number) => `[PD:core:ErrStoreDestroyed]store ${id} has been physically destroyed`),
  storesNotEnough: pd(
    63007,
    (id: number, left: number, needed: number) =>
      `[PD:core:ErrStoresNotEnough]can not remove store ${id} since the number of up stores would be ${left} while need ${needed}`,
    "Please add a store first, or lower `max-replicas`.",
  ),
  noStoreForLeaders: pd(
    63008,
    (id: number) => `[PD:core:ErrNoStoreForRegionLeader]can not remove store ${id} since there are no extra up store to store the leader`,
    "Please add a store, or let another one take leaders.",
  ),
  storeTombstone: pd(63009, () => "store is tombstone", "Please start the store with an empty data folder: it gets a new id."),
  storeIsUp: pd(63010, () => "store is still up, please remove store gracefully"),
  storeIsConnected: pd(63011, (id: number) => `The store ${id} is not offline nor disconnected`),
  storeNotOffline: pd(63012, (id: number) => `store ${id} is not offline`),
  invalidStoreId: pd(63013, (id: number) => `[PD:cluster:ErrInvalidStoreID]invalid store id ${id}, not found`),
  duplicatedStoreAddress: pd(
    63014,
    (store: string, other: string) => `duplicated store address: ${store}, already registered by ${other}`,
    "Please give the store another address, or remove the other store first.",
  ),
  storeVersion: pd(
    63015,
    (needed: string, got: string) => `version should compatible with version  ${needed}, got ${got}`,
    "Please start a store of a version that is not older.",
  ),
  labelMissing: pd(
    63016,
    (key: string) => `label configuration is incorrect, need to specify the key: ${key} `,
    "Please give the store all labels of `location-labels`, or set `strictly-match-label` to false.",
  ),
  labelUnknown: pd(
    63017,
    (key: string) => `key matching the label was not found in the PD, store label key: ${key} `,
    "Please add the key to `location-labels`, or set `strictly-match-label` to false.",
  ),
  labelForm: pd(63018, (text: string) => `${text} does not match format "^[$]?[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$"`),
  tombstonesInUse: pd(
    63019,
    (ids: string) => `failed stores: ${ids}`,
    "Please wait until no region has peers on them: `pd-ctl region store <id>`.",
  ),
  regionStale: pd(63020, (region: string, origin: string) => `region is stale: region ${region} origin ${origin}`),
  invalidRegion: pd(63021, (why: string) => `invalid region, ${why}`),
  tsoCount: pd(63022, () => "tso count should be positive"),
  tsoTimeout: pd(63023, () => "[PD:tso:ErrGenerateTimestamp]generate timestamp failed, generate tso maximum number of retries exceeded"),
  tsoReset: pd(
    63024,
    (why: string) => `[PD:tso:ErrResetUserTimestamp]reset user timestamp failed, ${why}`,
    "Please choose a time that is later than now by less than `max-gap-reset-ts`.",
  ),
  /** The persisted record is no such thing: what stands there was not written by this program. */
  malformedRecord: pd(
    63025,
    (key: string) => `the metadata at ${key} cannot be read`,
    "Please restore the metadata from a backup.",
    "high",
  ),
  schedulingHalted: pd(63026, () => "[PD:cluster:ErrSchedulingIsHalted]scheduling is halted"),
  invalidConfig: pd(63027, (why: string) => why, "Please correct the flag or the configuration file."),
  joinFailed: pd(
    63028,
    (why: string) => `cannot join the cluster: ${why}`,
    "Please look at the members with `pd-ctl member`; a member that never started must be deleted before it joins again.",
  ),
  startEtcd: pd(63029, () => "cannot start etcd", "Please check that etcd is installed, and read etcd.log in the data folder.", "high"),
  mismatchedCluster: pd(63030, (needed: bigint, got: bigint) => `mismatch cluster id, need ${needed} but got ${got}`),
  clusterVersion: pd(
    63031,
    (text: string) => `[PD:semver:ErrSemverNewVersion]${text} is not in dotted-tri format: ${text} is not in dotted-tri format`,
  ),
  regionStorage: pd(
    63032,
    (path: string) => `the regions' file ${path} cannot be read or written`,
    "Please check the disk; the file may be deleted, regions come back with heartbeats.",
    "high",
  ),
  regionCount: pd(63033, (id: number) => `region ${id} is not fully replicated`),
  /** Asked of a part that this process runs without. */
  notServed: pd(63034, (what: string) => `${what} is not served by this placement driver`),
  tooManyLabels: pd(
    63035,
    (count: number, most: number) => `a store has ${count} labels, the most is ${most}`,
    "Please keep the labels that rules and location labels name.",
  ),
  externalTimestamp: pd(63037, (why: string) => `the external timestamp ${why}`, "Please take one between the last one and now."),
  metricStorage: pd(
    63038,
    (url: string, why: string) => `the metric storage ${url} cannot be asked: ${why}`,
    "Please correct `metric-storage` (`pd-ctl config set metric-storage http://HOST:9090`).",
  ),
  /** A feature of the original that this program does not have. `instead` is a whole sentence: what to do. */
  unsupported: pd(63036, (what: string, instead: string) => `[PD:skein:ErrUnsupported]${what} is not supported. ${instead}`),
};

/** The words alone, without code and class. */
export function detailOf(error: unknown): string {
  if (isCodedError(error)) return error.detail;
  return error instanceof Error ? error.message : String(error);
}
