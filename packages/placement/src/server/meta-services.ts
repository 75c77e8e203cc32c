/** gRPC services beside pdpb.PD on the same port: metadata to read and watch, groups of resource control, the one keyspace. */
import { isCodedError } from "@skein/base";
import { type KeyValue, type Metastore, metastoreErrors, selectionOf } from "@skein/metastore";
import { type Implementation, type Input, implement, RpcError } from "@skein/rpc";
import { detailOf, pdErrors } from "../errors.ts";
import { keyspace } from "../wire/keyspacepb.ts";
import * as meta from "../wire/meta_storagepb.ts";
import type * as pdpb from "../wire/pdpb.ts";
import { resourceManager } from "../wire/resource_manager.ts";
import { answerWith } from "./global-config.ts";
import { defaultKeyspace, keyspaceMeta, noKeyspaceText } from "./keyspaces.ts";
import type { Pd } from "./pd.ts";
import type { ResourceControl } from "./resource-control.ts";

export interface MetaServiceOptions {
  readonly pd: Pd;
  readonly store: Metastore;
  readonly control: ResourceControl;
}

export function metaServices({ pd, store, control }: MetaServiceOptions): readonly Implementation[] {
  const checkCluster = (header: { readonly cluster_id: bigint } | null) => {
    const got = header?.cluster_id ?? 0n;
    if (got !== pd.clusterId) throw new RpcError("failed_precondition", pdErrors.mismatchedCluster.message(pd.clusterId, got));
  };
  const leads = () => {
    if (!pd.isLeader) throw new RpcError("unavailable", "not leader");
  };
  const header = (revision: number) => ({ cluster_id: pd.clusterId, revision });

  const storage = implement(meta.metaStorage, {
    Get: async (request) => {
      leads();
      checkCluster(request.header);
      try {
        const result = await store.range(selectionOf(request.key, request.range_end), {
          ...(request.limit > 0 ? { limit: request.limit } : {}),
          ...(request.revision > 0 ? { revision: request.revision } : {}),
        });
        return { header: header(result.revision), kvs: result.items.map(itemMessage), more: result.more, count: result.count };
      } catch (error) {
        return { header: refused(error) };
      }
    },
    Put: async (request) => {
      leads();
      checkCluster(request.header);
      const [key, isPreviousAsked] = [selectionOf(request.key, new Uint8Array()), request.prev_kv];
      if (!("key" in key)) throw new RpcError("invalid_argument", "the key is empty");
      // What the placement driver itself holds on to is written by its leader alone, and by nobody else.
      if (key.key.startsWith("/pd/")) throw new RpcError("permission_denied", "keys under /pd/ are the placement driver's own");
      try {
        const { revision, results } = await store.txn({
          success: [{ op: "put", key: key.key, value: request.value, lease: request.lease, previous: isPreviousAsked }],
        });
        const [result] = results;
        const previous = result?.op === "put" ? result.previous : null;
        return { header: header(revision), ...(previous === null || !isPreviousAsked ? {} : { prev_kv: itemMessage(previous) }) };
      } catch (error) {
        return { header: refused(error) };
      }
    },
    Watch: (call) =>
      answerWith(call, async (request, signal, send) => {
        leads();
        checkCluster(request.header);
        const batches = store.watch(selectionOf(request.key, request.range_end), {
          signal,
          previous: request.prev_kv,
          ...(request.start_revision > 0 ? { fromRevision: request.start_revision } : {}),
        });
        try {
          for await (const batch of batches)
            await send({
              header: header(batch.revision),
              events: batch.events.map((event) => ({
                type: event.kind === "put" ? "PUT" : "DELETE",
                kv:
                  event.kind === "put"
                    ? itemMessage(event.item)
                    : { key: new TextEncoder().encode(event.key), mod_revision: event.revision },
                ...(event.previous === undefined ? {} : { prev_kv: itemMessage(event.previous) }),
              })),
            });
        } catch (error) {
          if (!metastoreErrors.compacted.is(error)) throw error;
          // Told in the answer, with where to begin anew; then the stream ends.
          const { revision } = await store.status();
          await send({
            header: { ...header(revision), error: { type: "DATA_COMPACTED", message: detailOf(error) } },
            compact_revision: revision,
          });
        }
      }),
  });
  const refused = (error: unknown): Input<meta.ResponseHeader> => {
    if (!isCodedError(error)) throw error;
    const type = metastoreErrors.compacted.is(error) ? "DATA_COMPACTED" : "UNKNOWN";
    return { cluster_id: pd.clusterId, error: { type, message: detailOf(error) } };
  };

  const done = async (run: () => Promise<void>) => {
    leads();
    try {
      await run();
    } catch (error) {
      throw pdErrors.notLeader.is(error) ? new RpcError("unavailable", "not leader", error) : error;
    }
    return { body: "Success!" };
  };
  const resources = implement(resourceManager, {
    ListResourceGroups: async () => ({ groups: await control.groups() }),
    GetResourceGroup: async ({ resource_group_name: name }) => ({ group: await control.group(name) }),
    AddResourceGroup: ({ group }) => done(() => control.putGroup(group, true)),
    ModifyResourceGroup: ({ group }) => done(() => control.putGroup(group, false)),
    DeleteResourceGroup: ({ resource_group_name: name }) => done(() => control.deleteGroup(name)),
    // Clients that get no answer go on without limits.
    AcquireTokenBuckets: () => ({ message: () => {} }),
  });

  const ofPd = (error?: { readonly type: Exclude<pdpb.ErrorType, "OK" | "unrecognized">; readonly message: string }) => ({
    cluster_id: pd.clusterId,
    ...(error === undefined ? {} : { error }),
  });
  const spaces = implement(keyspace, {
    LoadKeyspace: (request) => {
      leads();
      checkCluster(request.header);
      if (request.name !== defaultKeyspace.name) return { header: ofPd({ type: "ENTRY_NOT_FOUND", message: noKeyspaceText }) };
      return { header: ofPd(), keyspace: keyspaceMeta(pd.bootstrapTimeNs) };
    },
    GetAllKeyspaces: (request) => {
      leads();
      checkCluster(request.header);
      return { header: ofPd(), keyspaces: request.start_id === 0 ? [keyspaceMeta(pd.bootstrapTimeNs)] : [] };
    },
  });
  return [storage, resources, spaces];
}

function itemMessage(item: KeyValue): Input<meta.KeyValue> {
  return {
    key: new TextEncoder().encode(item.key),
    create_revision: item.createRevision,
    mod_revision: item.modRevision,
    version: item.version,
    value: item.value,
    lease: item.lease,
  };
}
