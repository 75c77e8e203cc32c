/**
 * Replicated metadata in etcd's model (design decision D3): one revision number for the whole store that grows by one with
 * each writing transaction, ordered keys, atomic compare-and-set, watches from a revision without gaps, and leases.
 *
 * Two stores keep one contract (`describeMetastoreContract`): *embedded* for one machine, *etcd* for more than one. A process that
 * embeds its store can serve it to others over etcd's own protocol (`registerEtcdServices`), so that a client needs only one kind.
 *
 * Keys are text, ordered by their UTF-8 bytes. Values are bytes; writes take text too (kept as UTF-8), `textOf` gives it back.
 * Errors are `metastoreErrors`; a call whose answer was lost may have been carried out (`outcomeUnknown`).
 */

/** Grows by one with each transaction that writes; checked to stay under 2^53. */
export type Revision = number;
/** A true 64-bit value; 0n is no lease. */
export type LeaseId = bigint;

/** A key as it stands at a revision. */
export interface KeyValue {
  readonly key: string;
  readonly value: Uint8Array;
  /** Revision of the write that made the key exist. */
  readonly createRevision: Revision;
  /** Revision of the last write. */
  readonly modRevision: Revision;
  /** Writes since the key exists; 1 after the first. */
  readonly version: number;
  readonly lease: LeaseId;
}

/** One key, all keys with a prefix ("" is every key), or keys from `from` on and before `to`. */
export type KeySelection = { readonly key: string } | { readonly prefix: string } | { readonly from: string; readonly to: string };

/** How a range is read. */
export interface RangeOptions {
  /** At most so many; `more` tells that there were others. */
  readonly limit?: number;
  /** As the store was then; throws `compacted` when that is gone. */
  readonly revision?: Revision;
  /** Key order unless said; the order of creation tells who came first. */
  readonly sortBy?: "key" | "createRevision";
  readonly descending?: boolean;
  /** Leaves `value` empty. */
  readonly keysOnly?: boolean;
}

/** What a range holds, all of one revision. */
export interface RangeResult {
  readonly items: readonly KeyValue[];
  /** All that match, whatever the limit. */
  readonly count: number;
  readonly more: boolean;
  /** The store's revision at the time of reading: watch from `revision + 1` to miss nothing. */
  readonly revision: Revision;
}

/** What must hold for a transaction to take its `success` side. A missing key has version 0 and revisions 0, and no value. */
export type Comparison =
  | { readonly key: string; readonly target: "value"; readonly is: CompareOperator; readonly value: Uint8Array | string }
  | {
      readonly key: string;
      readonly target: "version" | "createRevision" | "modRevision";
      readonly is: CompareOperator;
      readonly value: number;
    }
  | { readonly key: string; readonly target: "lease"; readonly is: CompareOperator; readonly value: LeaseId };
export type CompareOperator = "=" | "!=" | "<" | ">";

/** What a transaction does. `previous` asks for what stood there before. */
export type Operation =
  | { readonly op: "put"; readonly key: string; readonly value: Uint8Array | string; readonly lease?: LeaseId; readonly previous?: boolean }
  | { readonly op: "delete"; readonly select: KeySelection; readonly previous?: boolean }
  | { readonly op: "range"; readonly select: KeySelection; readonly options?: RangeOptions };

/** Results stand in the order of the operations that ran. */
export type OperationResult =
  | { readonly op: "put"; readonly previous: KeyValue | null }
  | { readonly op: "delete"; readonly deleted: number; readonly previous: readonly KeyValue[] }
  | ({ readonly op: "range" } & RangeResult);

/** If `compare` holds, `success` is done, else `failure`: at one revision, or not at all. */
export interface Transaction {
  /** All must hold; an empty list holds. */
  readonly compare?: readonly Comparison[];
  /** No key may be put twice in one side. */
  readonly success?: readonly Operation[];
  readonly failure?: readonly Operation[];
}

/** What a transaction did; its revision is the store's, also when nothing was written. */
export interface TransactionResult {
  /** Whether the `success` side ran. */
  readonly succeeded: boolean;
  readonly revision: Revision;
  readonly results: readonly OperationResult[];
}

/** One change of one key; a lease that ends deletes its keys as any other does. */
export type WatchEvent =
  | { readonly kind: "put"; readonly item: KeyValue; readonly previous?: KeyValue }
  | { readonly kind: "delete"; readonly key: string; readonly revision: Revision; readonly previous?: KeyValue };

/** All events of one or more whole revisions, in order; a revision is never split over two batches. */
export interface WatchBatch {
  /** The last revision that the batch tells of; go on from the next one. */
  readonly revision: Revision;
  readonly events: readonly WatchEvent[];
}

/** From when on a watch tells, and what. */
export interface WatchOptions {
  /** The first revision to tell; from now on when it is missing. */
  readonly fromRevision?: Revision;
  /** Puts into each event what the key held before. */
  readonly previous?: boolean;
  readonly signal: AbortSignal;
  /** Called once the store has taken the watch: what is written from then on is told. */
  readonly onReady?: (revision: Revision) => void;
}

/** A time after which keys are deleted, unless it is begun anew. */
export interface LeaseInfo {
  readonly id: LeaseId;
  /** Seconds granted; a store may grant more than was asked. */
  readonly ttlSeconds: number;
}

/** A lease with the time that is left of it, and its keys. */
export interface LeaseState extends LeaseInfo {
  readonly remainingSeconds: number;
  readonly keys: readonly string[];
}

/** The store itself: what it is, how far it is, and how large on disk. */
export interface MetastoreStatus {
  readonly kind: "embedded" | "etcd";
  readonly version: string;
  readonly revision: Revision;
  readonly sizeBytes: number;
}

/** One of the two stores. Calls reject with `metastoreErrors`: `unavailable` means that nothing was done, `outcomeUnknown` that it may have been. */
export interface Metastore extends AsyncDisposable {
  range(select: KeySelection, options?: RangeOptions): Promise<RangeResult>;
  /** Null when there is no such key. */
  get(key: string): Promise<KeyValue | null>;
  /** The revision of the write. Throws `leaseNotFound`. */
  put(key: string, value: Uint8Array | string, options?: { readonly lease?: LeaseId }): Promise<Revision>;
  delete(select: KeySelection): Promise<{ readonly deleted: number; readonly revision: Revision }>;
  /** All or nothing, durable before it resolves. Throws `tooManyOperations`, `duplicateKey`, `leaseNotFound`. */
  txn(transaction: Transaction): Promise<TransactionResult>;
  /**
   * Every change of the selection from a revision on, in order, without gaps, across reconnects. Ends when the signal aborts.
   * Throws `compacted` when the history it needs is gone: read the range again and watch from its revision (`follow` does that).
   */
  watch(select: KeySelection, options: WatchOptions): AsyncIterable<WatchBatch>;
  /** Drops history older than `revision`. */
  compact(revision: Revision): Promise<void>;
  grantLease(ttlSeconds: number, id?: LeaseId): Promise<LeaseInfo>;
  /** Starts the lease's time anew. Throws `leaseNotFound` when it has expired. */
  keepAliveLease(id: LeaseId): Promise<LeaseInfo>;
  /** Deletes the lease and its keys in one revision. */
  revokeLease(id: LeaseId): Promise<void>;
  /** Null when there is no such lease. */
  leaseState(id: LeaseId): Promise<LeaseState | null>;
  leases(): Promise<readonly LeaseId[]>;
  status(): Promise<MetastoreStatus>;
  /** Ends watches and connections. What was acknowledged stays. */
  close(): Promise<void>;
}

/** The value of an item as text. */
export function textOf(item: KeyValue): string {
  return new TextDecoder().decode(item.value);
}
