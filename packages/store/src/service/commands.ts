/**
 * All commands of `tikvpb.Tikv` by the name of their unary method, with the member of BatchCommands that carries the same. What a
 * command throws becomes an answer of its own type: an answer of another type would end the field's clients.
 */
import { type Clock, isAbort, isCodedError, type Logger } from "@skein/base";

import type { RawKv } from "../raw/raw-kv.ts";
import { type RegionContext, type RegionDescription, RegionError, type RegionKv } from "../region-kv.ts";
import { encodeKey, sameBytes } from "../txn/core/keys.ts";
import { checkInRegion } from "../txn/scheduler.ts";
import type { Transactions } from "../txn/transactions.ts";
import type { kvrpcpb, tikvpb } from "../wire/index.ts";
import { contextOf, regionErrorOf, regionOut } from "./region-errors.ts";

export interface CommandServices {
  readonly kv: RegionKv;
  readonly transactions: Transactions;
  readonly raw: RawKv;
  readonly log: Logger;
  readonly storeId: () => number;
  readonly clock: Clock;
  /** Called for each command that was answered. */
  readonly observe?: (command: string, seconds: number, isFailed: boolean) => void;
  /** Splits at keys in the engine's form; the region was checked before. */
  readonly split: (regionId: number, keys: readonly Uint8Array[], context: RegionContext) => Promise<readonly RegionDescription[]>;
}

/** Where the answer of a command says what went wrong, besides its region error. */
type FailureShape = "error" | "errors" | "text" | "pairs" | "kvs" | "other" | "none";

/** Of a command that failed for a reason that is not the region's. */
function failure(shape: FailureShape, text: string): object {
  switch (shape) {
    case "error":
      return { error: { abort: text } };
    case "errors":
      return { errors: [{ abort: text }] };
    case "text":
      return { error: text };
    case "pairs":
      return { pairs: [{ error: { abort: text } }] };
    case "kvs":
      return { kvs: [{ error: { abort: text } }] };
    case "other":
      return { other_error: text };
    case "none":
      return {};
  }
}

interface WithContext {
  readonly context?: kvrpcpb.Context | null;
}

/** Runs a command to its answer; never rejects. */
export type Command = (request: WithContext, signal: (() => AbortSignal) | null) => Promise<object>;

interface Row {
  readonly unary: keyof (typeof tikvpb.tikv)["methods"];
  readonly batch: keyof tikvpb.BatchRequests | null;
  readonly failure: FailureShape;
  /** A peer that does not lead may answer, when the request says so. */
  readonly byReplica: boolean;
  /** Worth stopping when the caller gives up. */
  readonly isLong: boolean;
  /** Its answer may be. */
  readonly isLarge: boolean;
  /** What the region's load counts it as. */
  readonly reads: RegionContext["reads"];
  readonly run: (services: CommandServices, request: never, context: RegionContext) => Promise<object> | object;
}

function row(
  unary: Row["unary"],
  batch: Row["batch"],
  failure: FailureShape,
  run: (services: CommandServices, request: never, context: RegionContext) => Promise<object> | object,
  { byReplica = false, isLong = false, isLarge = false, reads }: Partial<Pick<Row, "byReplica" | "isLong" | "isLarge" | "reads">> = {},
): Row {
  return { unary, batch, failure, run, byReplica, isLong, isLarge, reads };
}

const long = { isLong: true };
const scans = { isLong: true, isLarge: true, reads: "scan" } as const;
const replicaGets = { byReplica: true, reads: "get" } as const;
const replicaBatchGets = { byReplica: true, isLarge: true, reads: "get" } as const;
const replicaScans = { byReplica: true, isLong: true, isLarge: true, reads: "scan" } as const;

const rows: readonly Row[] = [
  row("KvGet", "Get", "error", (s, q: kvrpcpb.GetRequest, c) => s.transactions.get(q, c), replicaGets),
  row("KvScan", "Scan", "error", (s, q: kvrpcpb.ScanRequest, c) => s.transactions.scan(q, c), replicaScans),
  row("KvPrewrite", "Prewrite", "errors", (s, q: kvrpcpb.PrewriteRequest, c) => s.transactions.prewrite(q, c)),
  row("KvCommit", "Commit", "error", (s, q: kvrpcpb.CommitRequest, c) => s.transactions.commit(q, c)),
  row("KvCleanup", "Cleanup", "error", (s, q: kvrpcpb.CleanupRequest, c) => s.transactions.cleanup(q, c)),
  row("KvBatchGet", "BatchGet", "error", (s, q: kvrpcpb.BatchGetRequest, c) => s.transactions.batchGet(q, c), {
    byReplica: true,
    isLong: true,
    isLarge: true,
    reads: "get",
  }),
  row("KvBatchRollback", "BatchRollback", "error", (s, q: kvrpcpb.BatchRollbackRequest, c) => s.transactions.batchRollback(q, c)),
  row("KvScanLock", "ScanLock", "error", (s, q: kvrpcpb.ScanLockRequest, c) => s.transactions.scanLock(q, c), scans),
  row("KvResolveLock", "ResolveLock", "error", (s, q: kvrpcpb.ResolveLockRequest, c) => s.transactions.resolveLock(q, c), long),
  row("KvGC", "GC", "error", (s, q: kvrpcpb.GCRequest, c) => s.transactions.gcOf(q, c), long),
  row("KvDeleteRange", "DeleteRange", "text", (s, q: kvrpcpb.DeleteRangeRequest, c) => s.transactions.deleteRange(q, c), long),
  row(
    "KvPessimisticLock",
    "PessimisticLock",
    "errors",
    (s, q: kvrpcpb.PessimisticLockRequest, c) => s.transactions.pessimisticLock(q, c),
    long,
  ),
  row("KVPessimisticRollback", "PessimisticRollback", "errors", (s, q: kvrpcpb.PessimisticRollbackRequest, c) =>
    s.transactions.pessimisticRollback(q, c),
  ),
  row("KvCheckTxnStatus", "CheckTxnStatus", "error", (s, q: kvrpcpb.CheckTxnStatusRequest, c) => s.transactions.checkTxnStatus(q, c)),
  row("KvTxnHeartBeat", "TxnHeartBeat", "error", (s, q: kvrpcpb.TxnHeartBeatRequest, c) => s.transactions.txnHeartBeat(q, c)),
  row("KvCheckSecondaryLocks", "CheckSecondaryLocks", "error", (s, q: kvrpcpb.CheckSecondaryLocksRequest, c) =>
    s.transactions.checkSecondaryLocks(q, c),
  ),
  row("RawGet", "RawGet", "text", (s, q: kvrpcpb.RawGetRequest, c) => s.raw.get(q, c), replicaGets),
  row("RawBatchGet", "RawBatchGet", "pairs", (s, q: kvrpcpb.RawBatchGetRequest, c) => s.raw.batchGet(q, c), replicaBatchGets),
  row("RawPut", "RawPut", "text", (s, q: kvrpcpb.RawPutRequest, c) => s.raw.put(q, c)),
  row("RawBatchPut", "RawBatchPut", "text", (s, q: kvrpcpb.RawBatchPutRequest, c) => s.raw.batchPut(q, c)),
  row("RawDelete", "RawDelete", "text", (s, q: kvrpcpb.RawDeleteRequest, c) => s.raw.delete(q, c)),
  row("RawBatchDelete", "RawBatchDelete", "text", (s, q: kvrpcpb.RawBatchDeleteRequest, c) => s.raw.batchDelete(q, c)),
  row("RawScan", "RawScan", "kvs", (s, q: kvrpcpb.RawScanRequest, c) => s.raw.scan(q, c), replicaScans),
  row("RawDeleteRange", "RawDeleteRange", "text", (s, q: kvrpcpb.RawDeleteRangeRequest, c) => s.raw.deleteRange(q, c), long),
  row("RawBatchScan", "RawBatchScan", "kvs", (s, q: kvrpcpb.RawBatchScanRequest, c) => s.raw.batchScan(q, c), replicaScans),
  row("RawGetKeyTTL", null, "text", (s, q: kvrpcpb.RawGetKeyTTLRequest, c) => s.raw.getKeyTtl(q, c), replicaGets),
  row("RawCompareAndSwap", null, "text", (s, q: kvrpcpb.RawCASRequest, c) => s.raw.compareAndSwap(q, c)),
  row("RawChecksum", null, "text", (s, q: kvrpcpb.RawChecksumRequest, c) => s.raw.checksum(q, c), scans),
  row("UnsafeDestroyRange", null, "text", (s, q: kvrpcpb.UnsafeDestroyRangeRequest) => s.transactions.unsafeDestroyRange(q), long),
  row("Coprocessor", "Coprocessor", "other", () => ({
    other_error: "the store has no coprocessor: read the rows, and compute in the client",
  })),
  row("SplitRegion", null, "errors", splitRegion, long),
  row("MvccGetByKey", null, "text", (s, q: kvrpcpb.MvccGetByKeyRequest, c) => s.transactions.mvccByKey(q, c)),
  // Replicas are not read at old timestamps here, so none is said to be safe.
  row("GetStoreSafeTS", null, "none", () => ({ safe_ts: 0n })),
  row("GetLockWaitInfo", null, "text", (s) => ({
    entries: s.transactions.waits.edges().map(({ txn, waitFor, key, keyHash, waitedMs }) => ({
      txn,
      wait_for_txn: waitFor,
      key,
      key_hash: keyHash,
      wait_time: Math.round(waitedMs),
    })),
  })),
  row("GetHealthFeedback", "GetHealthFeedback", "none", (s) => ({
    health_feedback: { store_id: s.storeId(), feedback_seq_no: 1, slow_score: 1 },
  })),
  row("BroadcastTxnStatus", "BroadcastTxnStatus", "none", () => ({})),
  row("KvFlush", "Flush", "errors", () => failure("errors", "the store does not take pipelined transactions")),
  row("KvBufferBatchGet", "BufferBatchGet", "error", () => failure("error", "the store does not take pipelined transactions")),
];

const splitKeysMax = 10_000;
/** A border of a region is in all that is said about the region, by everyone: heartbeats, answers, refusals. */
const splitKeyBytesMax = 16 * 1024;

async function splitRegion(services: CommandServices, request: kvrpcpb.SplitRegionRequest, context: RegionContext): Promise<object> {
  const asked = request.split_keys.length > 0 ? request.split_keys : request.split_key.length > 0 ? [request.split_key] : [];
  if (asked.length === 0) return { errors: [{ abort: "no keys to split at" }] };
  if (asked.length > splitKeysMax) return { errors: [{ abort: `${asked.length} keys to split at, the most is ${splitKeysMax}` }] };
  const long = asked.find((key) => key.length > splitKeyBytesMax);
  if (long !== undefined) return { errors: [{ abort: `a key to split at has ${long.length} bytes, the most is ${splitKeyBytesMax}` }] };
  let keys = asked.map((key) => (request.is_raw_kv ? key : encodeKey(key)));
  {
    using snapshot = await services.kv.snapshot(context);
    const { region } = snapshot;
    for (const key of keys) checkInRegion(key, region);
    // A request that is repeated finds some of its splits done.
    keys = keys.filter((key) => !sameBytes(key, region.startKey));
    if (keys.length === 0) return { regions: [regionOut(region)] };
  }
  const regions = (await services.split(context.regionId, keys, context)).map(regionOut);
  const [left, right] = regions;
  return { regions, ...(asked.length === 1 && left !== undefined ? { left, ...(right === undefined ? {} : { right }) } : {}) };
}

export interface CommandTable {
  readonly unary: ReadonlyMap<string, Command>;
  readonly batch: ReadonlyMap<string, Command>;
}

export function createCommands(services: CommandServices): CommandTable {
  const unary = new Map<string, Command>();
  const batch = new Map<string, Command>();
  for (const each of rows) {
    const command = commandOf(services, each);
    unary.set(each.unary, command);
    if (each.batch !== null) batch.set(each.batch, command);
  }
  return { unary, batch };
}

const apiV2Text = "this store serves API V1 only: keys with a keyspace prefix are not known here";

function commandOf(services: CommandServices, { unary, run, failure: shape, byReplica, isLong, isLarge, reads }: Row): Command {
  const failed = (error: unknown): object => {
    if (error instanceof RegionError) return { region_error: regionErrorOf(error) };
    if (isAbort(error)) return failure(shape, "the caller gave up");
    services.log.error("a command failed", { command: unary, error });
    return failure(shape, textOf(error));
  };
  const { clock, observe } = services;
  const nowMs = () => clock.monotonicMs();
  return async (request, signal) => {
    const beganMs = observe === undefined ? 0 : clock.monotonicMs();
    const answered = (answer: object): object => {
      observe?.(unary, (clock.monotonicMs() - beganMs) / 1000, (answer as { region_error?: unknown }).region_error !== undefined);
      return answer;
    };
    try {
      const wire = request.context ?? null;
      if (wire?.api_version === "V2") return answered(failure(shape, apiV2Text));
      const plain = contextOf(wire, { byReplica, reads, isLarge }, nowMs);
      return answered(await run(services, request as never, isLong && signal !== null ? { ...plain, signal: signal() } : plain));
    } catch (error) {
      return answered(failed(error));
    }
  };
}

function textOf(error: unknown): string {
  if (isCodedError(error)) return error.message;
  return error instanceof Error ? error.message : String(error);
}
