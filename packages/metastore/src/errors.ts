import { define } from "@skein/base";

const metastore = { class: "metastore", scope: "internal", level: "high" } as const;

/** All errors of the metadata store. Products wrap them into their own codes where their table says so. */
export const metastoreErrors = {
  /** The history that a read or a watch needs was dropped. */
  compacted: define({
    ...metastore,
    code: 61001,
    level: "medium",
    message: (wanted: number, oldest: number | null) =>
      `revision ${wanted} has been compacted${oldest === null ? "" : `, history starts at revision ${oldest}`}`,
    workaround: "Please read the range again and watch from the revision of that answer.",
  }),
  futureRevision: define({
    ...metastore,
    code: 61002,
    message: (wanted: number, current: number | null) =>
      `revision ${wanted} is in the future${current === null ? "" : `, the store is at revision ${current}`}`,
  }),
  leaseNotFound: define({
    ...metastore,
    code: 61003,
    level: "medium",
    message: (id: bigint) => `lease ${id.toString(16)} does not exist, it has expired or was revoked`,
    workaround: "Please grant a new lease and write its keys again.",
  }),
  leaseExists: define({ ...metastore, code: 61004, message: (id: bigint) => `lease ${id.toString(16)} exists already` }),
  duplicateKey: define({ ...metastore, code: 61005, message: (key: string) => `key ${key} is written twice in one transaction` }),
  tooManyOperations: define({
    ...metastore,
    code: 61006,
    message: (count: number, limit: number | null) =>
      `a transaction with ${count} operations is over the limit${limit === null ? "" : ` of ${limit}`}`,
    workaround: "Please split the request, or raise `max-txn-ops`.",
  }),
  requestTooLarge: define({
    ...metastore,
    code: 61007,
    message: (bytes: number | null, limitBytes: number | null) =>
      `a request${bytes === null ? "" : ` of ${bytes} bytes`} is over the limit${limitBytes === null ? " of the store" : ` of ${limitBytes}`}`,
    workaround: "Please split the request, or raise `max-request-bytes`.",
  }),
  /** Nothing was carried out. */
  unavailable: define({
    ...metastore,
    code: 61008,
    message: (endpoints: string) => `the metadata store at ${endpoints} cannot be reached`,
    workaround: "Please check that a majority of its members runs and that the addresses are right.",
  }),
  /** The request was sent and no answer came: it may or may not have been carried out. */
  outcomeUnknown: define({
    ...metastore,
    code: 61009,
    message: (request: string) => `no answer to ${request} from the metadata store, it may have been carried out`,
    workaround: "Please read the state before trying again.",
  }),
  closed: define({ ...metastore, code: 61010, level: "medium", message: () => "the metadata store is closed" }),
  inUse: define({
    ...metastore,
    code: 61011,
    message: (path: string) => `the metadata file ${path} is used by another process`,
    workaround: "Please stop the other process, or give this one a data-dir of its own.",
  }),
  /** After a failed write or sync nothing more is taken: what is on disk must be read anew. */
  storageFailed: define({
    ...metastore,
    code: 61012,
    message: (path: string) => `the metadata file ${path} cannot be read or written`,
    workaround: "Please check the disk for space and errors, then restart this process.",
  }),
  invalidRequest: define({ ...metastore, code: 61013, message: (why: string) => `the metadata request is refused: ${why}` }),
  /** The store answered with an error that has no case of its own here. */
  refused: define({
    ...metastore,
    code: 61014,
    message: (request: string, why: string) => `the metadata store refused ${request}: ${why}`,
  }),
  memberFailed: define({
    ...metastore,
    code: 61015,
    message: (why: string) => `the etcd member does not run: ${why}`,
    workaround: "Please read etcd.log in the data-dir.",
  }),
  notLeader: define({
    ...metastore,
    code: 61016,
    level: "medium",
    message: (prefix: string) => `the election at ${prefix} was lost: this campaign's key is gone`,
  }),
};
