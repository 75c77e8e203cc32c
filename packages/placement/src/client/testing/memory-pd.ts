/** A placement driver for tests of its clients: several ports, one of which leads; state in memory; regions from whoever has them. */
import type { World } from "@skein/base";
import { createServer, type Input, implement, RpcError, type RpcServer, type StreamCall } from "@skein/rpc";
import type { Peer, RegionMeta, StoreMeta } from "../../core/model.ts";
import { type metapb, pdpb, peerMessage, regionMessage, regionOf, storeMessage, storeOf } from "../../wire/index.ts";

export interface MemoryPdRegion {
  readonly meta: RegionMeta;
  readonly leader: Peer | null;
}

export interface MemoryPdOptions {
  readonly clusterId?: bigint;
  /** Of the first member; default: a free one. */
  readonly port?: number;
  /** Default 1. The first one leads. */
  readonly members?: number;
  /** In key order; default: those of the last heartbeats. */
  readonly regions?: () => readonly MemoryPdRegion[];
  readonly stores?: readonly StoreMeta[];
}

export interface MemoryPd extends AsyncDisposable {
  readonly endpoints: readonly string[];
  readonly clusterId: bigint;
  /** TSO requests that were answered, and the timestamps in them. */
  readonly counts: { tsoRequests: number; timestamps: number };
  /** Cuts the streams of the old leader. */
  lead(member: number): void;
  /** Nobody leads: calls are refused until `lead`. */
  resign(): void;
  stop(member: number): Promise<void>;
  /** Sends to all streams of region heartbeats. */
  push(response: Input<pdpb.RegionHeartbeatResponse>): void;
  readonly heartbeats: pdpb.RegionHeartbeatRequest[];
  putStore(store: StoreMeta): void;
}

export async function startMemoryPd(world: World, options: MemoryPdOptions = {}): Promise<MemoryPd> {
  const clusterId = options.clusterId ?? 7_300_000_000_000_000_001n;
  const servers: RpcServer[] = [];
  const stores = new Map<number, StoreMeta>((options.stores ?? []).map((store) => [store.id, store]));
  const regions = new Map<number, MemoryPdRegion>();
  const counts = { tsoRequests: 0, timestamps: 0 };
  const heartbeats: pdpb.RegionHeartbeatRequest[] = [];
  const streams = new Set<StreamCall<pdpb.RegionHeartbeatResponse> | StreamCall<pdpb.TsoResponse>>();
  const heartbeatStreams = new Set<StreamCall<pdpb.RegionHeartbeatResponse>>();
  const services = new Map<string, { ttlS: number; safePoint: bigint }>();
  let leader = 0;
  let lastId = 1000;
  let physical = 0;
  let logical = 0;
  let safePoint = 0n;
  const header = { cluster_id: clusterId };
  const refused = (type: pdpb.ErrorType, message: string) => ({ header: { cluster_id: clusterId, error: { type, message } } });

  const allRegions = () => options.regions?.() ?? [...regions.values()].sort((a, b) => Buffer.compare(a.meta.startKey, b.meta.startKey));
  const covers = ({ meta }: MemoryPdRegion, key: Uint8Array) =>
    Buffer.compare(meta.startKey, key) <= 0 && (meta.endKey.length === 0 || Buffer.compare(key, meta.endKey) < 0);
  const answer = (region: MemoryPdRegion | undefined): Input<pdpb.GetRegionResponse> =>
    region === undefined
      ? { header }
      : { header, region: regionMessage(region.meta), leader: region.leader === null ? null : peerMessage(region.leader) };
  const members = () =>
    servers.map((server, index) => ({
      name: `pd-${index}`,
      member_id: BigInt(index + 1),
      client_urls: [`http://127.0.0.1:${server.port}`],
    }));

  const serve = (member: number) => {
    /** Of every call but GetMembers. */
    const led = <Q extends { readonly header: pdpb.RequestHeader | null }, A>(run: (request: Q) => A) => {
      return (request: Q): A => {
        if (leader !== member) throw new RpcError("unavailable", "not leader");
        if (request.header?.cluster_id !== clusterId)
          throw new RpcError("failed_precondition", `mismatch cluster id, need ${clusterId} but got ${request.header?.cluster_id}`);
        return run(request);
      };
    };
    return implement(pdpb.pd, {
      GetMembers: () => {
        const all = members();
        const leading = all[leader];
        return { header, members: all, ...(leading === undefined ? {} : { leader: leading }) };
      },
      Tso: (call) => {
        streams.add(call);
        return {
          message: led((request: pdpb.TsoRequest) => {
            const nowMs = world.clock.nowMs();
            if (nowMs > physical) [physical, logical] = [nowMs, 0];
            logical += request.count;
            counts.tsoRequests++;
            counts.timestamps += request.count;
            call.send({ header, count: request.count, timestamp: { physical, logical } });
          }),
          gone: () => streams.delete(call),
        };
      },
      RegionHeartbeat: (call) => {
        streams.add(call);
        heartbeatStreams.add(call);
        return {
          message: led((request: pdpb.RegionHeartbeatRequest) => {
            heartbeats.push(request);
            if (request.region === null) return;
            const leaderPeer = request.leader as metapb.Peer;
            const meta = regionOf(request.region);
            regions.set(meta.id, { meta, leader: meta.peers.find((peer) => peer.id === leaderPeer.id) ?? null });
          }),
          gone: () => {
            streams.delete(call);
            heartbeatStreams.delete(call);
          },
        };
      },
      GetRegion: led((request) => answer(allRegions().find((region) => covers(region, request.region_key)))),
      GetPrevRegion: led((request) => {
        const all = allRegions();
        return answer(all[all.findIndex((region) => covers(region, request.region_key)) - 1]);
      }),
      GetRegionByID: led((request) => answer(allRegions().find(({ meta }) => meta.id === request.region_id))),
      ScanRegions: led((request) => {
        const { start_key, end_key, limit } = request;
        const found = allRegions().filter(
          ({ meta }) =>
            (meta.endKey.length === 0 || Buffer.compare(meta.endKey, start_key) > 0) &&
            (end_key.length === 0 || Buffer.compare(meta.startKey, end_key) < 0),
        );
        const answered = (limit > 0 ? found.slice(0, limit) : found).map(({ meta, leader }) => ({
          region: regionMessage(meta),
          leader: leader === null ? null : peerMessage(leader),
        }));
        return { header, regions: answered };
      }),
      GetStore: led((request) => {
        const store = stores.get(request.store_id);
        if (store === undefined) throw new RpcError("unknown", `invalid store ID ${request.store_id}, not found`);
        return { header, store: storeMessage(store) };
      }),
      GetAllStores: led((request) => ({
        header,
        stores: [...stores.values()].filter((store) => !request.exclude_tombstone_stores || store.state !== "tombstone").map(storeMessage),
      })),
      AllocID: led(() => ({ header, id: ++lastId })),
      IsBootstrapped: led(() => ({ header, bootstrapped: stores.size > 0 })),
      Bootstrap: led((request) => {
        if (stores.size > 0) return refused("ALREADY_BOOTSTRAPPED", "cluster is already bootstrapped");
        if (request.store === null || request.region === null) return refused("UNKNOWN", "missing store meta for bootstrap");
        const meta = regionOf(request.region);
        stores.set(request.store.id, storeOf(request.store));
        regions.set(meta.id, { meta, leader: meta.peers[0] ?? null });
        return { header };
      }),
      PutStore: led((request) => {
        if (request.store !== null) stores.set(request.store.id, storeOf(request.store));
        return { header };
      }),
      StoreHeartbeat: led(() => ({ header, cluster_version: "7.5.6" })),
      AskBatchSplit: led((request) => ({
        header,
        ids: Array.from({ length: request.split_count }, () => ({
          new_region_id: ++lastId,
          new_peer_ids: (request.region?.peers ?? []).map(() => ++lastId),
        })),
      })),
      ReportBatchSplit: led(() => ({ header })),
      GetClusterConfig: led(() => ({ header, cluster: { id: clusterId, max_peer_count: 3 } })),
      GetGCSafePoint: led(() => ({ header, safe_point: safePoint })),
      UpdateGCSafePoint: led((request) => {
        if (request.safe_point > safePoint) safePoint = request.safe_point;
        return { header, new_safe_point: safePoint };
      }),
      UpdateServiceGCSafePoint: led((request) => {
        const id = new TextDecoder().decode(request.service_id);
        if (request.TTL <= 0) services.delete(id);
        else services.set(id, { ttlS: request.TTL, safePoint: request.safe_point });
        const all = [["gc_worker", { ttlS: Number.MAX_SAFE_INTEGER, safePoint }] as const, ...services];
        const [name, least] = all.reduce((a, b) => (b[1].safePoint < a[1].safePoint ? b : a));
        return { header, service_id: new TextEncoder().encode(name), TTL: least.ttlS, min_safe_point: least.safePoint };
      }),
      ScatterRegion: led(() => ({ header, finished_percentage: 100 })),
      GetOperator: led(() => refused("REGION_NOT_FOUND", "Not Found")),
    });
  };

  const cut = () => {
    for (const call of streams) call.fail(new RpcError("unavailable", "not leader"));
  };
  for (let member = 0; member < (options.members ?? 1); member++)
    servers.push(await createServer(world, { host: "127.0.0.1", port: member === 0 ? (options.port ?? 0) : 0, services: [serve(member)] }));
  const endpoints = servers.map((server) => `127.0.0.1:${server.port}`);
  return {
    endpoints,
    clusterId,
    counts,
    lead: (member) => {
      leader = member;
      cut();
    },
    resign: () => {
      leader = -1;
      cut();
    },
    stop: (member) => (servers[member] as RpcServer).close(),
    push: (response) => {
      for (const call of heartbeatStreams) call.send({ header, ...response });
    },
    heartbeats,
    putStore: (store) => void stores.set(store.id, store),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}
