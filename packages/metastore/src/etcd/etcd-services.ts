/**
 * etcd v3's services over any metadata store: what lets workers, etcdctl and the field's SQL servers use a store that this process
 * embeds, on the process's own client port.
 */
import { isCodedError, TaskGroup, type World } from "@skein/base";
import { type Message, RpcError, type RpcStatus, type ServerStream, type ServiceRegistration, type UnaryHandler } from "@skein/rpc";
import { metastoreErrors } from "../errors.ts";
import type {
  CompareOperator,
  Comparison,
  KeyValue,
  Metastore,
  Operation,
  OperationResult,
  RangeOptions,
  RangeResult,
} from "../metastore.ts";
import { countOf, keyBytes, keyText, messageOf, selectionOf } from "./convert.ts";
import type { ClusterMember, EtcdCluster } from "./etcd-cluster.ts";
import {
  type CompareMessage,
  clusterService,
  type DeleteRequestMessage,
  kvService,
  leaseService,
  maintenanceService,
  type PutRequestMessage,
  type RangeRequestMessage,
  type RequestOpMessage,
  type TxnRequestMessage,
  type WatchRequestMessage,
  watchService,
} from "./schema.ts";

export interface EtcdServiceOptions {
  readonly name: string;
  /** What MemberList tells clients to dial. */
  readonly clientUrls: readonly string[];
  /** Answers the calls about members, where the store is one of several: who joins asks here, and does not know of the etcd behind it. */
  readonly cluster?: EtcdCluster | null;
}

const watchesPerStreamMax = 1000;

/** Registers with `createServer({ services: [...etcdServices(world, store, …)] })`. The store stays its owner's to close. */
export function etcdServices(world: World, store: Metastore, options: EtcdServiceOptions): readonly ServiceRegistration[] {
  const header = (revision: number) => ({ cluster_id: 1, member_id: 1, revision, raft_term: 1 });
  const now = async () => header((await store.status()).revision);

  const range = async (message: RangeRequestMessage) => rangeAnswer(message, await store.range(...rangeArguments(message)));
  const kv: Record<string, UnaryHandler> = {
    Range: coded(async (request) => {
      const answer = await range(request as unknown as RangeRequestMessage);
      return { ...answer, header: header(answer.revision) };
    }),
    Put: coded(async (request) => {
      const { revision, results } = await store.txn({ success: [putOperation(request as unknown as PutRequestMessage)] });
      return { header: header(revision), ...previousOf(results[0]) };
    }),
    DeleteRange: coded(async (request) => {
      const { revision, results } = await store.txn({ success: [deleteOperation(request as unknown as DeleteRequestMessage)] });
      return { header: header(revision), ...deletedOf(results[0]) };
    }),
    Txn: coded(async (request) => {
      const message = request as unknown as TxnRequestMessage;
      const { succeeded, revision, results } = await store.txn({
        compare: message.compare.map(comparisonOf),
        success: message.success.map(operationOf),
        failure: message.failure.map(operationOf),
      });
      const side = succeeded ? message.success : message.failure;
      return { header: header(revision), succeeded, responses: results.map((result, at) => responseOf(result, side[at], header)) };
    }),
    Compact: coded(async (request) => {
      await store.compact(countOf(String(request["revision"])));
      return { header: await now() };
    }),
  };

  const lease: Record<string, UnaryHandler> = {
    LeaseGrant: coded(async (request) => {
      const id = BigInt(String(request["ID"]));
      const granted = await store.grantLease(countOf(String(request["TTL"])), id === 0n ? undefined : id);
      return { header: await now(), ID: granted.id.toString(), TTL: granted.ttlSeconds };
    }),
    LeaseRevoke: coded(async (request) => {
      await store.revokeLease(BigInt(String(request["ID"])));
      return { header: await now() };
    }),
    LeaseTimeToLive: coded(async (request) => {
      const state = await store.leaseState(BigInt(String(request["ID"])));
      if (state === null) return { header: await now(), ID: request["ID"], TTL: -1 };
      return {
        header: await now(),
        ID: request["ID"],
        TTL: Math.floor(state.remainingSeconds),
        grantedTTL: state.ttlSeconds,
        keys: request["keys"] === true ? state.keys.map(keyBytes) : [],
      };
    }),
    LeaseLeases: coded(async () => ({ header: await now(), leases: (await store.leases()).map((id) => ({ ID: id.toString() })) })),
  };

  const keepAlive = async (stream: ServerStream) => {
    for await (const { ID } of stream.messages) {
      const answer = await store.keepAliveLease(BigInt(String(ID))).catch((error: unknown) => {
        if (metastoreErrors.leaseNotFound.is(error)) return null;
        throw statusError(error);
      });
      await stream.send({ header: await now(), ID, TTL: answer?.ttlSeconds ?? 0 });
    }
  };

  const member = { ID: 1, name: options.name, peerURLs: [], clientURLs: options.clientUrls };
  return [
    { service: kvService, unary: kv },
    {
      service: watchService,
      streams: { Watch: (stream, { signal }) => serveWatches(store, stream, signal, header).catch(rethrowCoded) },
    },
    { service: leaseService, unary: lease, streams: { LeaseKeepAlive: keepAlive } },
    {
      service: clusterService,
      unary:
        options.cluster == null
          ? { MemberList: coded(async () => ({ header: await now(), members: [member] })) }
          : memberCalls(options.cluster),
    },
    {
      service: maintenanceService,
      unary: {
        Status: coded(async () => {
          const { revision, sizeBytes } = await store.status();
          // The version tells clients which protocol to speak: that of etcd 3.4.
          return { header: header(revision), version: "3.4.0", dbSize: sizeBytes, leader: 1, raftTerm: 1, dbSizeInUse: sizeBytes };
        }),
      },
    },
  ];
}

function memberCalls(cluster: EtcdCluster): Record<string, UnaryHandler> {
  const list = (members: readonly ClusterMember[]) => members.map(memberMessage);
  return {
    MemberList: async () => ({ header: {}, members: list(await cluster.members()) }),
    MemberAdd: async (request) => {
      const { added, members } = await cluster.addMember(request["peerURLs"] as readonly string[]);
      return { header: {}, member: memberMessage(added), members: list(members) };
    },
    MemberRemove: async (request) => {
      await cluster.removeMember(BigInt(String(request["ID"])));
      return { header: {}, members: list(await cluster.members()) };
    },
  };
}

function memberMessage({ id, name, peerUrls, clientUrls }: ClusterMember) {
  return { ID: id.toString(), name, peerURLs: peerUrls, clientURLs: clientUrls };
}

/** Many watches share one stream; each is a task of its own, and `send` holds back the one that is quicker than the connection. */
async function serveWatches(
  store: Metastore,
  stream: ServerStream,
  signal: AbortSignal,
  header: (revision: number) => Message,
): Promise<void> {
  await using group = new TaskGroup(signal);
  const watches = new Map<string, AbortController>();
  let lastId = 0;
  for await (const message of stream.messages as unknown as AsyncIterable<WatchRequestMessage>) {
    const { create_request: create, cancel_request: cancel } = message;
    if (cancel !== undefined) {
      watches.get(cancel.watch_id)?.abort(new DOMException("the watch is cancelled", "AbortError"));
      watches.delete(cancel.watch_id);
      await stream.send({ header: header((await store.status()).revision), watch_id: cancel.watch_id, canceled: true });
    } else if (create === undefined) {
      await stream.send({ header: header((await store.status()).revision), watch_id: -1 });
    } else {
      if (watches.size >= watchesPerStreamMax)
        throw new RpcError("resource_exhausted", `more than ${watchesPerStreamMax} watches in a stream`);
      const asked = create.watch_id === "0" ? undefined : create.watch_id;
      const id = asked !== undefined && !watches.has(asked) ? asked : String(lastId++);
      const controller = new AbortController();
      watches.set(id, controller);
      group.spawn(async (groupSignal) => {
        await serveWatch(store, stream, create, id, AbortSignal.any([groupSignal, controller.signal]), header);
        watches.delete(id);
      });
    }
  }
}

async function serveWatch(
  store: Metastore,
  stream: ServerStream,
  create: NonNullable<WatchRequestMessage["create_request"]>,
  id: string,
  signal: AbortSignal,
  header: (revision: number) => Message,
): Promise<void> {
  const from = countOf(create.start_revision);
  const ready = Promise.withResolvers<number>();
  const batches = store.watch(selectionOf(create.key, create.range_end), {
    signal,
    previous: create.prev_kv,
    onReady: ready.resolve,
    ...(from > 0 ? { fromRevision: from } : {}),
  });
  try {
    const iterator = batches[Symbol.asyncIterator]();
    const first = iterator.next();
    first.catch(ready.reject);
    await stream.send({ header: header(from > 0 ? (await store.status()).revision : await ready.promise), watch_id: id, created: true });
    for (let step = await first; step.done !== true; step = await iterator.next()) {
      const events = step.value.events
        .filter((event) => !create.filters.includes(event.kind === "put" ? "NOPUT" : "NODELETE"))
        .map((event) => ({
          type: event.kind === "put" ? "PUT" : "DELETE",
          kv: event.kind === "put" ? messageOf(event.item) : { key: keyBytes(event.key), mod_revision: event.revision },
          ...(event.previous === undefined ? {} : { prev_kv: messageOf(event.previous) }),
        }));
      if (events.length > 0) await stream.send({ header: header(step.value.revision), watch_id: id, events });
    }
  } catch (error) {
    if (signal.aborted) return;
    if (!metastoreErrors.compacted.is(error)) throw error;
    const { revision } = await store.status();
    await stream.send({
      header: header(revision),
      watch_id: id,
      created: true,
    });
    await stream.send({ header: header(revision), watch_id: id, canceled: true, compact_revision: revision, cancel_reason: "compacted" });
  }
}

function rangeArguments(message: RangeRequestMessage): [ReturnType<typeof selectionOf>, RangeOptions] {
  const limit = countOf(message.limit);
  const revision = countOf(message.revision);
  // Orders and filters that the store does not have are applied to its whole answer.
  const isPlain = message.sort_target === "KEY" || message.sort_target === "CREATE";
  return [
    selectionOf(message.key, message.range_end),
    {
      ...(limit > 0 && isPlain && !hasRevisionFilter(message) ? { limit } : {}),
      ...(revision > 0 ? { revision } : {}),
      ...(message.sort_order === "DESCEND" ? { descending: true } : {}),
      ...(message.sort_target === "CREATE" && message.sort_order !== "NONE" ? { sortBy: "createRevision" } : {}),
      ...(message.keys_only || message.count_only ? { keysOnly: true } : {}),
    },
  ];
}

function hasRevisionFilter(message: RangeRequestMessage): boolean {
  return [message.min_mod_revision, message.max_mod_revision, message.min_create_revision, message.max_create_revision].some(
    (each) => each !== "0",
  );
}

function rangeAnswer(message: RangeRequestMessage, result: RangeResult) {
  const limit = countOf(message.limit);
  const within = (value: number, min: string, max: string) => value >= countOf(min) && (max === "0" || value <= countOf(max));
  let items = result.items.filter(
    (item) =>
      within(item.modRevision, message.min_mod_revision, message.max_mod_revision) &&
      within(item.createRevision, message.min_create_revision, message.max_create_revision),
  );
  const order = orders[message.sort_target];
  if (order !== undefined && message.sort_order !== "NONE")
    items = [...items].sort((a, b) => (message.sort_order === "DESCEND" ? order(b, a) : order(a, b)));
  const isCut = limit > 0 && items.length > limit;
  return {
    kvs: message.count_only ? [] : (isCut ? items.slice(0, limit) : items).map(messageOf),
    count: result.count,
    more: isCut || result.more,
    revision: result.revision,
  };
}

const orders: Partial<Record<RangeRequestMessage["sort_target"], (a: KeyValue, b: KeyValue) => number>> = {
  MOD: (a, b) => a.modRevision - b.modRevision,
  VERSION: (a, b) => a.version - b.version,
  VALUE: (a, b) => Buffer.compare(a.value, b.value),
};

function putOperation(message: PutRequestMessage): Operation {
  if (message.ignore_value || message.ignore_lease) throw new RpcError("unimplemented", "ignore_value and ignore_lease are not served");
  return { op: "put", key: keyText(message.key), value: message.value, lease: BigInt(message.lease), previous: message.prev_kv };
}

function deleteOperation(message: DeleteRequestMessage): Operation {
  return { op: "delete", select: selectionOf(message.key, message.range_end), previous: message.prev_kv };
}

function operationOf(message: RequestOpMessage): Operation {
  if (message.request_put !== undefined) return putOperation(message.request_put);
  if (message.request_delete_range !== undefined) return deleteOperation(message.request_delete_range);
  if (message.request_range === undefined) throw new RpcError("unimplemented", "a transaction inside a transaction is not served");
  const [select, options] = rangeArguments(message.request_range);
  return { op: "range", select, options };
}

const operators: Record<CompareMessage["result"], CompareOperator> = { EQUAL: "=", NOT_EQUAL: "!=", LESS: "<", GREATER: ">" };

function comparisonOf(message: CompareMessage): Comparison {
  if (message.range_end.length > 0) throw new RpcError("unimplemented", "a comparison of a range is not served");
  const base = { key: keyText(message.key), is: operators[message.result] };
  switch (message.target) {
    case "VALUE":
      return { ...base, target: "value", value: message.value ?? new Uint8Array(0) };
    case "VERSION":
      return { ...base, target: "version", value: countOf(message.version ?? "0") };
    case "CREATE":
      return { ...base, target: "createRevision", value: countOf(message.create_revision ?? "0") };
    case "MOD":
      return { ...base, target: "modRevision", value: countOf(message.mod_revision ?? "0") };
    case "LEASE":
      return { ...base, target: "lease", value: BigInt(message.lease ?? "0") };
  }
}

function responseOf(result: OperationResult, asked: RequestOpMessage | undefined, header: (revision: number) => Message): Message {
  switch (result.op) {
    case "put":
      return { response_put: previousOf(result) };
    case "delete":
      return { response_delete_range: deletedOf(result) };
    case "range": {
      const { revision, ...answer } = rangeAnswer(asked?.request_range as RangeRequestMessage, result);
      return { response_range: { ...answer, header: header(revision) } };
    }
  }
}

function previousOf(result: OperationResult | undefined): Message {
  return result?.op === "put" && result.previous !== null ? { prev_kv: messageOf(result.previous) } : {};
}

function deletedOf(result: OperationResult | undefined): Message {
  return result?.op === "delete" ? { deleted: result.deleted, prev_kvs: result.previous.map(messageOf) } : {};
}

function coded(handle: (request: Message) => Promise<Message>): UnaryHandler {
  return (request) => handle(request).catch(rethrowCoded);
}

function rethrowCoded(error: unknown): never {
  throw isCodedError(error) ? statusError(error) : error;
}

/** etcd's statuses and texts, which its clients match on. */
function statusError(error: unknown): RpcError {
  const known = answers.find(([is]) => is(error));
  if (known !== undefined) return new RpcError(known[1], `etcdserver: ${known[2]}`, error);
  return new RpcError("unavailable", isCodedError(error) ? error.message : String(error), error);
}

const answers: readonly [(error: unknown) => boolean, RpcStatus, string][] = [
  [metastoreErrors.compacted.is, "out_of_range", "mvcc: required revision has been compacted"],
  [metastoreErrors.futureRevision.is, "out_of_range", "mvcc: required revision is a future revision"],
  [metastoreErrors.leaseNotFound.is, "not_found", "requested lease not found"],
  [metastoreErrors.leaseExists.is, "failed_precondition", "lease already exists"],
  [metastoreErrors.duplicateKey.is, "invalid_argument", "duplicate key given in txn request"],
  [metastoreErrors.tooManyOperations.is, "invalid_argument", "too many operations in txn request"],
  [metastoreErrors.requestTooLarge.is, "invalid_argument", "request is too large"],
  [metastoreErrors.invalidRequest.is, "invalid_argument", "key is not provided"],
];
