export { kvErrors } from "./errors.ts";
export { createKvClient, type GcResult, type KvClient, type KvClientOptions, type StoreHealth, type TransactOptions } from "./kv-client.ts";
export type { KeyValue, RawClient, RawOptions, RawScanOptions, ScanRange, SwapResult } from "./raw/raw-client.ts";
export type { Snapshot, SnapshotScan } from "./txn/snapshot.ts";
export type { LockOptions, Transaction, TransactionOptions } from "./txn/transaction.ts";
