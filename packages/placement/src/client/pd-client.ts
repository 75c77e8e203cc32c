/**
 * The placement driver as stores and clients use it. Calls go to the leader and follow it when it changes; each gives up with
 * `unavailable` when no leader answers for `patienceMs`.
 */
import type { TlsFiles, World } from "@skein/base";
import { type Input, isRpcError, type RpcClient } from "@skein/rpc";
import type { DownPeer, Peer, PeerId, RegionId, RegionMeta, StoreId, StoreMeta } from "../core/model.ts";
import { type metapb, pdpb, peerOf, regionMessage, regionOf, type replication_modepb, storeMessage, storeOf } from "../wire/index.ts";
import { Connections } from "./connections.ts";
import { pdClientErrors } from "./errors.ts";
import { openRegionHeartbeats, type RegionHeartbeatListener, type RegionHeartbeatStream } from "./region-heartbeats.ts";
import { TimestampStream } from "./tso.ts";

export interface PdClientOptions {
  /** `host:port` or URLs of any members; the others are learned. */
  readonly endpoints: readonly string[];
  readonly tls?: TlsFiles;
  /** Until a call that finds no leader gives up. Default 15 000. */
  readonly patienceMs?: number;
  /** Of one attempt. Default 3000. */
  readonly deadlineMs?: number;
}

export interface RegionInfo {
  readonly meta: RegionMeta;
  /** Null when none is known. */
  readonly leader: Peer | null;
  readonly downPeers: readonly DownPeer[];
  readonly pendingPeers: readonly PeerId[];
}

export interface SplitIds {
  readonly regionId: RegionId;
  readonly peerIds: readonly PeerId[];
}

export interface ServiceSafePoint {
  readonly serviceId: string;
  readonly ttlS: number;
  readonly safePoint: bigint;
}

/** Every call rejects with a coded error: `unavailable`, `refused`, `notBootstrapped`, `clusterMismatch`, `closed`; or an `RpcError`. */
export interface PdClient extends Disposable {
  clusterId(signal?: AbortSignal): Promise<bigint>;
  /** The first of `count` consecutive timestamps (default 1); greater than all that this client, or any other, was given before. */
  tso(count?: number): Promise<bigint>;
  getRegion(key: Uint8Array): Promise<RegionInfo | null>;
  /** The region before the one that holds `key`. */
  getPrevRegion(key: Uint8Array): Promise<RegionInfo | null>;
  getRegionById(id: RegionId): Promise<RegionInfo | null>;
  /** In key order. An empty `endKey` is the end of all keys; `limit` 0 is none. */
  scanRegions(startKey: Uint8Array, endKey: Uint8Array, limit: number): Promise<readonly RegionInfo[]>;
  getStore(id: StoreId): Promise<StoreMeta | null>;
  getStores(options?: { readonly withTombstones?: boolean }): Promise<readonly StoreMeta[]>;
  allocId(): Promise<number>;
  isBootstrapped(): Promise<boolean>;
  bootstrap(
    store: StoreMeta,
    region: RegionMeta,
  ): Promise<{ readonly isFirst: boolean; readonly replicationStatus: replication_modepb.ReplicationStatus | null }>;
  putStore(store: StoreMeta): Promise<replication_modepb.ReplicationStatus | null>;
  storeHeartbeat(request: Omit<Input<pdpb.StoreHeartbeatRequest>, "header">): Promise<pdpb.StoreHeartbeatResponse>;
  regionHeartbeats(listener: RegionHeartbeatListener): RegionHeartbeatStream;
  /** Ids for the `count` regions that `region` gains by a split. */
  askBatchSplit(region: RegionMeta, count: number): Promise<readonly SplitIds[]>;
  reportBatchSplit(regions: readonly RegionMeta[]): Promise<void>;
  reportMinResolvedTs(storeId: StoreId, timestamp: bigint): Promise<void>;
  clusterConfig(): Promise<{ readonly maxPeerCount: number }>;
  gcSafePoint(): Promise<bigint>;
  /** The one that holds now: it never goes down. */
  updateGcSafePoint(safePoint: bigint): Promise<bigint>;
  /** The service with the lowest one now. `ttlS` of 0 or less takes the entry out. */
  updateServiceGcSafePoint(serviceId: string, ttlS: number, safePoint: bigint): Promise<ServiceSafePoint>;
  scatterRegions(ids: readonly RegionId[], group?: string): Promise<{ readonly finishedPercentage: number }>;
  /** Null when the region has none. */
  getOperator(id: RegionId): Promise<{ readonly description: string; readonly status: pdpb.OperatorStatus; readonly kind: string } | null>;
  close(): void;
}

/** What all answers have. */
interface Answer {
  readonly header: pdpb.ResponseHeader | null;
}

/** Throws `noEndpoints`. Nothing is sent before the first call. */
export function createPdClient(world: World, options: PdClientOptions): PdClient {
  const connections = new Connections(world, options);
  const timestamps = new TimestampStream(world, connections);
  const { methods } = pdpb.pd;

  /** The call with the header that every request carries. Errors in an answer's header that `allowed` names are left to the caller. */
  const call = async <A extends Answer>(
    what: string,
    run: (client: RpcClient, header: Input<pdpb.RequestHeader>) => Promise<A>,
    allowed: readonly pdpb.ErrorType[] = [],
  ): Promise<A> => {
    const answer = await connections.run(what, (client) => run(client, { cluster_id: connections.clusterId ?? 0n }));
    const error = answer.header?.error;
    if (error === null || error === undefined || error.type === "OK" || allowed.includes(error.type)) return answer;
    if (error.type === "NOT_BOOTSTRAPPED") throw pdClientErrors.notBootstrapped([what]);
    throw pdClientErrors.refused([what, error.type, error.message]);
  };
  const one = async (what: string, run: (client: RpcClient, header: Input<pdpb.RequestHeader>) => Promise<pdpb.GetRegionResponse>) => {
    const answer = await call(what, run, ["REGION_NOT_FOUND"]);
    return answer.region === null ? null : regionInfo(answer.region, answer.leader, answer.down_peers, answer.pending_peers);
  };
  const close = () => {
    connections[Symbol.dispose]();
    timestamps[Symbol.dispose]();
  };

  return {
    clusterId: (signal) => connections.run("the cluster's id", () => Promise.resolve(connections.clusterId ?? 0n), signal),
    tso: (count = 1) => timestamps.next(count),
    getRegion: (key) => one("a region", (client, header) => client.request(methods.GetRegion, { header, region_key: key })),
    getPrevRegion: (key) => one("a region", (client, header) => client.request(methods.GetPrevRegion, { header, region_key: key })),
    getRegionById: (id) => one("a region", (client, header) => client.request(methods.GetRegionByID, { header, region_id: id })),
    scanRegions: async (startKey, endKey, limit) => {
      const answer = await call("regions", (client, header) =>
        client.request(methods.ScanRegions, { header, start_key: startKey, end_key: endKey, limit }),
      );
      return answer.regions.flatMap((each) =>
        each.region === null ? [] : [regionInfo(each.region, each.leader, each.down_peers, each.pending_peers)],
      );
    },
    getStore: async (id) => {
      try {
        const answer = await call("a store", (client, header) => client.request(methods.GetStore, { header, store_id: id }), [
          "STORE_TOMBSTONE",
        ]);
        return answer.store === null ? null : storeOf(answer.store);
      } catch (error) {
        // The one call that says by a status that there is no such thing.
        if (isRpcError(error, "unknown") && /not found/.test(error.text)) return null;
        throw error;
      }
    },
    getStores: async ({ withTombstones = false } = {}) => {
      const answer = await call("the stores", (client, header) =>
        client.request(methods.GetAllStores, { header, exclude_tombstone_stores: !withTombstones }),
      );
      return answer.stores.map(storeOf);
    },
    allocId: async () => (await call("an id", (client, header) => client.request(methods.AllocID, { header }))).id,
    isBootstrapped: async () =>
      (await call("whether the cluster has a store", (client, header) => client.request(methods.IsBootstrapped, { header }))).bootstrapped,
    bootstrap: async (store, region) => {
      const answer = await call(
        "the first store",
        (client, header) => client.request(methods.Bootstrap, { header, store: storeMessage(store), region: regionMessage(region) }),
        ["ALREADY_BOOTSTRAPPED"],
      );
      return { isFirst: answer.header?.error?.type !== "ALREADY_BOOTSTRAPPED", replicationStatus: answer.replication_status };
    },
    putStore: async (store) =>
      (await call("a store", (client, header) => client.request(methods.PutStore, { header, store: storeMessage(store) })))
        .replication_status,
    storeHeartbeat: (request) =>
      call("a store's heartbeat", (client, header) => client.request(methods.StoreHeartbeat, { ...request, header })),
    regionHeartbeats: (listener) => openRegionHeartbeats(world, connections, listener),
    askBatchSplit: async (region, count) => {
      const answer = await call("ids for a split", (client, header) =>
        client.request(methods.AskBatchSplit, { header, region: regionMessage(region), split_count: count }),
      );
      return answer.ids.map((ids) => ({ regionId: ids.new_region_id, peerIds: ids.new_peer_ids }));
    },
    reportBatchSplit: async (regions) => {
      await call("a split", (client, header) =>
        client.request(methods.ReportBatchSplit, { header, regions: regions.map((region) => regionMessage(region)) }),
      );
    },
    reportMinResolvedTs: async (storeId, timestamp) => {
      await call("a resolved timestamp", (client, header) =>
        client.request(methods.ReportMinResolvedTS, { header, store_id: storeId, min_resolved_ts: timestamp }),
      );
    },
    clusterConfig: async () => {
      const answer = await call("the cluster's settings", (client, header) => client.request(methods.GetClusterConfig, { header }));
      return { maxPeerCount: answer.cluster?.max_peer_count ?? 0 };
    },
    gcSafePoint: async () =>
      (await call("the safe point", (client, header) => client.request(methods.GetGCSafePoint, { header }))).safe_point,
    updateGcSafePoint: async (safePoint) => {
      const answer = await call("a safe point", (client, header) =>
        client.request(methods.UpdateGCSafePoint, { header, safe_point: safePoint }),
      );
      return answer.new_safe_point;
    },
    updateServiceGcSafePoint: async (serviceId, ttlS, safePoint) => {
      const answer = await call("a service's safe point", (client, header) =>
        client.request(methods.UpdateServiceGCSafePoint, {
          header,
          service_id: new TextEncoder().encode(serviceId),
          TTL: ttlS,
          safe_point: safePoint,
        }),
      );
      return { serviceId: new TextDecoder().decode(answer.service_id), ttlS: answer.TTL, safePoint: answer.min_safe_point };
    },
    scatterRegions: async (ids, group = "") => {
      const answer = await call("the scattering of regions", (client, header) =>
        client.request(methods.ScatterRegion, {
          header,
          group,
          regions_id: ids,
          ...(ids.length === 1 ? { region_id: ids[0] } : {}),
        }),
      );
      return { finishedPercentage: answer.finished_percentage };
    },
    getOperator: async (id) => {
      const answer = await call("an operator", (client, header) => client.request(methods.GetOperator, { header, region_id: id }), [
        "REGION_NOT_FOUND",
      ]);
      if (answer.header?.error?.type === "REGION_NOT_FOUND") return null;
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return { description: text(answer.desc), status: answer.status, kind: text(answer.kind) };
    },
    close,
    [Symbol.dispose]: close,
  };
}

function regionInfo(
  region: metapb.Region,
  leader: metapb.Peer | null,
  downPeers: readonly pdpb.PeerStats[],
  pendingPeers: readonly metapb.Peer[],
): RegionInfo {
  return {
    meta: regionOf(region),
    leader: leader === null || leader.id === 0 ? null : peerOf(leader),
    downPeers: downPeers.flatMap(({ peer, down_seconds }) => (peer === null ? [] : [{ peerId: peer.id, downSeconds: down_seconds }])),
    pendingPeers: pendingPeers.map((peer) => peer.id),
  };
}
