/** The store's interface over etcd v3's protocol: a real cluster, or an embedded store that another process serves. */
import { Backoff, isAbort, type World } from "@skein/base";
import { isRpcError, type Message } from "@skein/rpc";
import { bytesOf, checkTransaction, defaultLimits, type TransactionLimits } from "../core/transaction.ts";
import { metastoreErrors } from "../errors.ts";
import type {
  Comparison,
  KeySelection,
  KeyValue,
  LeaseId,
  LeaseInfo,
  LeaseState,
  Metastore,
  MetastoreStatus,
  Operation,
  OperationResult,
  RangeOptions,
  RangeResult,
  Revision,
  Transaction,
  TransactionResult,
  WatchBatch,
  WatchEvent,
  WatchOptions,
} from "../metastore.ts";
import { countOf, itemOf, keyBytes, keyText, rangeMessage } from "./convert.ts";
import { EtcdConnection, type EtcdConnectionOptions } from "./etcd-connection.ts";
import {
  type HeaderMessage,
  kvService,
  leaseService,
  maintenanceService,
  type RangeResponseMessage,
  type TxnResponseMessage,
  type WatchResponseMessage,
  watchService,
} from "./schema.ts";

export interface EtcdOptions extends EtcdConnectionOptions, Partial<TransactionLimits> {}

/** Connects at the first call; does not wait for the cluster. */
export function openEtcdMetastore(world: World, options: EtcdOptions): Metastore {
  const connection = new EtcdConnection(world, options);
  const limits = {
    operationsMax: options.operationsMax ?? defaultLimits.operationsMax,
    requestBytesMax: options.requestBytesMax ?? defaultLimits.requestBytesMax,
  };

  async function range(select: KeySelection, rangeOptions: RangeOptions = {}): Promise<RangeResult> {
    const about = rangeOptions.revision === undefined ? {} : { about: { revision: rangeOptions.revision } };
    const answer = await connection.call(
      { service: kvService, method: "Range", isRepeatable: true, ...about },
      rangeRequest(select, rangeOptions),
    );
    return rangeResult(answer as unknown as RangeResponseMessage);
  }

  async function txn(transaction: Transaction): Promise<TransactionResult> {
    checkTransaction(transaction, limits);
    const answer = await connection.call(
      {
        service: kvService,
        method: "Txn",
        isRepeatable: isRead(transaction),
        about: { operations: transaction.success?.length ?? 0, lease: leasesOf(transaction)[0] ?? 0n },
      },
      {
        compare: (transaction.compare ?? []).map(compareMessage),
        success: (transaction.success ?? []).map(operationMessage),
        failure: (transaction.failure ?? []).map(operationMessage),
      },
    );
    return txnResult(answer as unknown as TxnResponseMessage, transaction);
  }

  async function keepAliveLease(id: LeaseId): Promise<LeaseInfo> {
    const endMs = world.clock.monotonicMs() + (options.deadlineMs ?? 10_000);
    const backoff = new Backoff({ minMs: 20, maxMs: 500 }, () => world.random.float());
    for (;;) {
      const { stream, leave } = connection.stream(leaseService, "LeaseKeepAlive");
      const timer = world.clock.timer(Math.max(1, endMs - world.clock.monotonicMs()), () => stream.cancel());
      try {
        stream.send({ ID: id.toString() });
        for await (const answer of stream.messages) {
          const ttlSeconds = countOf(String(answer["TTL"]));
          if (ttlSeconds <= 0) throw metastoreErrors.leaseNotFound([id]);
          return { id, ttlSeconds };
        }
        throw metastoreErrors.unavailable([connection.endpoints]);
      } catch (error) {
        if (connection.closing.aborted) throw metastoreErrors.closed([], error);
        if (!isRpcError(error)) throw error;
        if (/requested lease not found/.test(error.text)) throw metastoreErrors.leaseNotFound([id], error);
        leave();
        const waitMs = backoff.next();
        if (world.clock.monotonicMs() + waitMs >= endMs) throw metastoreErrors.unavailable([connection.endpoints], error);
        await world.clock.sleep(waitMs, connection.closing).catch(() => {});
      } finally {
        timer.cancel();
        stream.cancel();
      }
    }
  }

  const close = async () => connection.close();
  return {
    range,
    txn,
    keepAliveLease,
    get: async (key) => (await range({ key })).items[0] ?? null,
    put: async (key, value, putOptions = {}) => (await txn({ success: [{ op: "put", key, value, ...putOptions }] })).revision,
    delete: async (select) => {
      const { revision, results } = await txn({ success: [{ op: "delete", select }] });
      return { deleted: results[0]?.op === "delete" ? results[0].deleted : 0, revision };
    },
    watch: (select, watchOptions) => watch(world, connection, select, watchOptions),
    compact: async (revision) => {
      try {
        await connection.call(
          { service: kvService, method: "Compact", isRepeatable: true, about: { revision } },
          { revision, physical: true },
        );
      } catch (error) {
        if (!metastoreErrors.compacted.is(error)) throw error; // it is done already
      }
    },
    grantLease: async (ttlSeconds, id) => {
      if (!Number.isFinite(ttlSeconds) || ttlSeconds <= 0) throw metastoreErrors.invalidRequest([`a lease of ${ttlSeconds} seconds`]);
      const answer = await connection.call(
        // A lease whose grant got lost ends by itself; with an id of one's own a second grant would be refused.
        { service: leaseService, method: "LeaseGrant", isRepeatable: id === undefined, about: { lease: id ?? 0n } },
        { TTL: Math.ceil(ttlSeconds), ID: (id ?? 0n).toString() },
      );
      return { id: BigInt(String(answer["ID"])), ttlSeconds: countOf(String(answer["TTL"])) };
    },
    revokeLease: async (id) => {
      await connection.call(
        { service: leaseService, method: "LeaseRevoke", isRepeatable: true, about: { lease: id } },
        { ID: id.toString() },
      );
    },
    leaseState: async (id): Promise<LeaseState | null> => {
      const answer = await connection.call(
        { service: leaseService, method: "LeaseTimeToLive", isRepeatable: true, about: { lease: id } },
        { ID: id.toString(), keys: true },
      );
      const remaining = countOf(String(answer["TTL"]));
      if (remaining < 0) return null;
      const keys = (answer["keys"] as readonly Uint8Array[]).map(keyText).sort();
      return { id, ttlSeconds: countOf(String(answer["grantedTTL"])), remainingSeconds: remaining, keys };
    },
    leases: async () => {
      const answer = await connection.call({ service: leaseService, method: "LeaseLeases", isRepeatable: true }, {});
      return (answer["leases"] as readonly { readonly ID: string }[]).map(({ ID }) => BigInt(ID)).sort((a, b) => (a < b ? -1 : 1));
    },
    status: async (): Promise<MetastoreStatus> => {
      const answer = await connection.call({ service: maintenanceService, method: "Status", isRepeatable: true }, {});
      // The member's own revision may lag behind; a read of the cluster does not.
      const { revision } = await range({ key: "\0" }, { keysOnly: true });
      return { kind: "etcd", version: String(answer["version"]), revision, sizeBytes: countOf(String(answer["dbSize"])) };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Streams again from the revision after the last one told whenever the stream breaks. */
function watch(world: World, connection: EtcdConnection, select: KeySelection, options: WatchOptions): AsyncIterable<WatchBatch> {
  // The first stream starts here and not at the first pull: what is written after this call is told.
  const start = options.fromRevision === undefined ? openWatch(connection, select, 0, options) : null;
  return watchBatches(world, connection, select, options, start);
}

type OpenWatch = ReturnType<typeof openWatch>;

function openWatch(connection: EtcdConnection, select: KeySelection, from: Revision, options: WatchOptions) {
  const { stream, leave } = connection.stream(watchService, "Watch");
  const end = AbortSignal.any([options.signal, connection.closing]);
  const onEnd = () => stream.cancel();
  end.addEventListener("abort", onEnd, { once: true });
  if (end.aborted) onEnd();
  stream.send({ create_request: { ...rangeMessage(select), start_revision: from, prev_kv: options.previous === true } });
  return {
    messages: stream.messages as unknown as AsyncIterable<WatchResponseMessage>,
    leave,
    close: () => {
      end.removeEventListener("abort", onEnd);
      stream.cancel();
    },
  };
}

async function* watchBatches(
  world: World,
  connection: EtcdConnection,
  select: KeySelection,
  options: WatchOptions,
  first: OpenWatch | null,
): AsyncGenerator<WatchBatch, void, void> {
  const backoff = new Backoff({ minMs: 20, maxMs: 1000 }, () => world.random.float());
  let next = options.fromRevision ?? 0;
  let isTold = false;
  let open = first;
  while (!options.signal.aborted) {
    open ??= openWatch(connection, select, next, options);
    try {
      for await (const message of open.messages) {
        const compacted = countOf(message.compact_revision);
        if (compacted > 0) throw metastoreErrors.compacted([next, compacted]);
        if (message.canceled) throw metastoreErrors.refused(["Watch", message.cancel_reason]);
        const revision = countOf(message.header.revision);
        if (message.created) {
          if (next === 0) next = revision + 1;
          if (!isTold) options.onReady?.(revision);
          isTold = true;
          backoff.reset();
        }
        if (message.events.length === 0) continue;
        const events = message.events.map(eventOf);
        const last = events.at(-1) as WatchEvent;
        const upTo = last.kind === "put" ? last.item.modRevision : last.revision;
        next = upTo + 1;
        yield { revision: upTo, events };
      }
    } catch (error) {
      if (options.signal.aborted) return;
      if (connection.closing.aborted) throw metastoreErrors.closed([], error);
      if (!isRpcError(error) && !isAbort(error)) throw error;
    } finally {
      open.close();
    }
    if (options.signal.aborted) return;
    if (connection.closing.aborted) throw metastoreErrors.closed([]);
    open.leave();
    open = null;
    await world.clock.sleep(backoff.next(), AbortSignal.any([options.signal, connection.closing])).catch(() => {});
  }
}

function eventOf(message: WatchResponseMessage["events"][number]): WatchEvent {
  const previous = message.prev_kv === null ? {} : { previous: itemOf(message.prev_kv) };
  return message.type === "PUT"
    ? { kind: "put", item: itemOf(message.kv), ...previous }
    : { kind: "delete", key: keyText(message.kv.key), revision: countOf(message.kv.mod_revision), ...previous };
}

function rangeRequest(select: KeySelection, options: RangeOptions): Message {
  const isSorted = options.sortBy !== undefined || options.descending !== undefined;
  return {
    ...rangeMessage(select),
    limit: options.limit ?? 0,
    revision: options.revision ?? 0,
    sort_order: !isSorted ? "NONE" : options.descending === true ? "DESCEND" : "ASCEND",
    sort_target: options.sortBy === "createRevision" ? "CREATE" : "KEY",
    keys_only: options.keysOnly === true,
  };
}

function rangeResult(message: RangeResponseMessage): RangeResult {
  return { items: message.kvs.map(itemOf), count: countOf(message.count), more: message.more, revision: countOf(message.header.revision) };
}

function operationMessage(operation: Operation): Message {
  switch (operation.op) {
    case "put":
      return {
        request_put: {
          key: keyBytes(operation.key),
          value: bytesOf(operation.value),
          lease: (operation.lease ?? 0n).toString(),
          prev_kv: operation.previous === true,
        },
      };
    case "delete":
      return { request_delete_range: { ...rangeMessage(operation.select), prev_kv: operation.previous === true } };
    case "range":
      return { request_range: rangeRequest(operation.select, operation.options ?? {}) };
  }
}

const compareResults = { "=": "EQUAL", "!=": "NOT_EQUAL", "<": "LESS", ">": "GREATER" } as const;

function compareMessage(comparison: Comparison): Message {
  const base = { key: keyBytes(comparison.key), result: compareResults[comparison.is] };
  switch (comparison.target) {
    case "value":
      return { ...base, target: "VALUE", value: bytesOf(comparison.value) };
    case "version":
      return { ...base, target: "VERSION", version: comparison.value };
    case "createRevision":
      return { ...base, target: "CREATE", create_revision: comparison.value };
    case "modRevision":
      return { ...base, target: "MOD", mod_revision: comparison.value };
    case "lease":
      return { ...base, target: "LEASE", lease: comparison.value.toString() };
  }
}

function txnResult(message: TxnResponseMessage, transaction: Transaction): TransactionResult {
  const side = (message.succeeded ? transaction.success : transaction.failure) ?? [];
  const revision = countOf(message.header.revision);
  const results = message.responses.map((response, at): OperationResult => {
    const operation = side[at] as Operation;
    switch (operation.op) {
      case "put": {
        const before: KeyValue | null = response.response_put?.prev_kv ? itemOf(response.response_put.prev_kv) : null;
        return { op: "put", previous: before };
      }
      case "delete": {
        const { deleted, prev_kvs } = response.response_delete_range ?? { deleted: "0", prev_kvs: [] };
        return { op: "delete", deleted: countOf(deleted), previous: prev_kvs.map(itemOf) };
      }
      case "range": {
        const header: HeaderMessage = message.header;
        return { op: "range", ...rangeResult({ ...(response.response_range as RangeResponseMessage), header }) };
      }
    }
  });
  return { succeeded: message.succeeded, revision, results };
}

function isRead(transaction: Transaction): boolean {
  return [...(transaction.success ?? []), ...(transaction.failure ?? [])].every((operation) => operation.op === "range");
}

function leasesOf(transaction: Transaction): LeaseId[] {
  return [...(transaction.success ?? []), ...(transaction.failure ?? [])].flatMap((operation) =>
    operation.op === "put" && operation.lease !== undefined && operation.lease !== 0n ? [operation.lease] : [],
  );
}
