/** The placement driver's gRPC services. */
import type { World } from "@skein/base";
import { isCodedError, type TlsFiles } from "@skein/base";
import type { Metastore } from "@skein/metastore";
import {
  type CallContext,
  createRpcClient,
  type Implementation,
  type Input,
  implement,
  type RpcClient,
  RpcError,
  type StreamCall,
  type StreamListener,
  type StreamMethod,
  type UnaryMethod,
} from "@skein/rpc";
import type { RegionView } from "../core/model.ts";
import { detailOf, pdErrors } from "../errors.ts";
import { nodeStateNames, storeMessage } from "../wire/convert.ts";
import * as pdpb from "../wire/pdpb.ts";
import { heartbeatOf, leaderOf, regionAnswer, statsMessage } from "./convert.ts";
import { forever } from "./gc-states.ts";
import { createGlobalConfig } from "./global-config.ts";
import { health } from "./health.ts";
import type { Member, Members } from "./members.ts";
import type { Pd } from "./pd.ts";
import { HeaderRefusal } from "./services.ts";
import { startTsoStream } from "./tso-stream.ts";

export interface PdServiceOptions {
  readonly world: World;
  readonly pd: Pd;
  readonly members: Members;
  readonly store: Metastore;
  readonly clientUrls: readonly string[];
  readonly tls?: TlsFiles;
}

const forwardedHost = "pd-forwarded-host";
const scanLimitMax = 100_000;

type Answered = { readonly header: pdpb.ResponseHeader | null };
type Asked = { readonly header: { readonly cluster_id: bigint } | null };

export function pdServices(options: PdServiceOptions): readonly (Implementation & Disposable)[] {
  const { pd, members, world } = options;
  const globalConfig = createGlobalConfig(options.store);
  const header = { cluster_id: pd.clusterId };
  const failure = (type: pdpb.ErrorType, message: string) => ({ header: { cluster_id: pd.clusterId, error: { type, message } } });
  const isOwn = (host: string) => options.clientUrls.some((url) => sameHost(url, host));
  const clients = new Map<string, RpcClient>();
  const clientOf = (host: string): RpcClient => {
    let client = clients.get(host);
    if (client === undefined) {
      // Callers choose the host: a wrong one must not pile up connections.
      if (clients.size >= 16) for (const [each, old] of clients) if (clients.delete(each)) old.close();
      client = createRpcClient(world, host, options.tls === undefined ? {} : { tls: options.tls });
      clients.set(host, client);
    }
    return client;
  };

  /** Where a call is to be sent on to; null: serve it. Throws when this member can neither serve nor send it on. */
  const elsewhere = (context: CallContext): RpcClient | null => {
    if (pd.isLeader) return null;
    const host = context.metadata(forwardedHost);
    if (host !== null && host !== "" && !isOwn(host)) return clientOf(host);
    throw notLeader();
  };
  const checkCluster = (request: Asked) => {
    const got = request.header?.cluster_id ?? 0n;
    if (got !== pd.clusterId) throw new RpcError("failed_precondition", pdErrors.mismatchedCluster.message(pd.clusterId, got));
  };

  /** Checks who is asked and for which cluster; what a handler throws goes into the answer's header. */
  const unary =
    <Q extends Asked, A extends Answered>(
      method: UnaryMethod<Q, A>,
      handle: (request: Q) => NoInfer<Input<A>> | Promise<NoInfer<Input<A>>>,
      isEarly = false,
    ) =>
    async (request: Q, context: CallContext): Promise<Input<A>> => {
      const other = elsewhere(context);
      if (other !== null) return (await other.request(method, request as Input<Q>, { signal: context.signal })) as Input<A>;
      checkCluster(request);
      if (!isEarly && !pd.isServing) return failure("NOT_BOOTSTRAPPED", "cluster is not bootstrapped") as Input<A>;
      try {
        return await handle(request);
      } catch (error) {
        return refused(error) as Input<A>;
      }
    };
  const refused = (error: unknown) => {
    if (error instanceof HeaderRefusal) return failure(error.type, error.message);
    if (pdErrors.notLeader.is(error)) throw notLeader();
    if (pdErrors.storeTombstone.is(error)) return failure("STORE_TOMBSTONE", error.detail);
    if (isCodedError(error)) return failure("UNKNOWN", error.detail);
    throw error;
  };

  const streamOn = <Q, A>(method: StreamMethod<Q, A>, call: StreamCall<A>, other: RpcClient): StreamListener<Q> => {
    const onward = other.open(
      method,
      {
        message: (message) => void call.send(message as Input<A>),
        over: (error) => (error === null ? call.end() : call.fail(error)),
      },
      { signal: call.context.signal },
    );
    return { message: (message) => void onward.send(message as Input<Q>), end: () => onward.end(), gone: () => onward.cancel() };
  };

  const { pd: service } = pdpb;
  const m = service.methods;
  const answered = (region: RegionView) => regionAnswer(region, pd.firstPeerOf(region));
  const regionOrNone = (region: RegionView | null): Input<pdpb.GetRegionResponse> =>
    region === null ? { header } : { header, ...answered(region) };
  const regionsIn = (ranges: readonly { readonly start_key: Uint8Array; readonly end_key: Uint8Array }[], limit: number) => {
    const most = limit <= 0 ? scanLimitMax : Math.min(limit, scanLimitMax);
    const found: RegionView[] = [];
    for (const { start_key, end_key } of ranges) {
      for (const region of pd.cluster.scanRegions(start_key, end_key, most - found.length))
        if (found.at(-1)?.meta.id !== region.meta.id) found.push(region);
      if (found.length >= most) break;
    }
    return found;
  };
  const splitIds = async (region: pdpb.AskBatchSplitRequest["region"], count: number) => {
    const { schedule } = pd.config.current;
    if (schedule.haltScheduling) throw pdErrors.schedulingHalted([]);
    if (!schedule.enableTikvSplitRegion) throw new HeaderRefusal("UNKNOWN", "tikv split region disabled");
    if (region === null) throw new HeaderRefusal("UNKNOWN", "missing region for split");
    for (const component of pd.components) {
      const why = component.refuseSplit?.(region) ?? null;
      if (why !== null) throw new HeaderRefusal("UNKNOWN", why);
    }
    if (count < 1 || count > 10_000) throw new HeaderRefusal("UNKNOWN", `invalid split count ${count}`);
    const known = pd.cluster.regionByKey(region.start_key);
    if (known === null) throw new HeaderRefusal("UNKNOWN", `region ${region.id} is not known`);
    const epoch = region.region_epoch;
    if (epoch === null || epoch.version < known.meta.epoch.version || epoch.conf_ver < known.meta.epoch.confVer)
      throw new HeaderRefusal(
        "UNKNOWN",
        `invalid region epoch, request: ${epoch?.conf_ver ?? 0}/${epoch?.version ?? 0}, current: ${known.meta.epoch.confVer}/${known.meta.epoch.version}`,
      );
    const each = 1 + region.peers.length;
    let next = (await pd.ids.allocMany(count * each)) - count * each + 1;
    const ids = Array.from({ length: count }, () => ({ new_region_id: next++, new_peer_ids: region.peers.map(() => next++) }));
    for (const component of pd.components)
      component.onSplitAsked?.({ regionId: region.id, newRegionIds: ids.map((id) => id.new_region_id) });
    return ids;
  };

  const placement = implement(service, {
    GetMembers: async () => {
      const list = await members.list();
      const leader = members.leader;
      const full = list.find(({ member_id }) => member_id === leader?.member_id) ?? leader;
      return {
        header,
        members: list.map(memberMessage),
        leader: full === null ? null : memberMessage(full),
        etcd_leader: full === null ? null : memberMessage(full),
      };
    },
    GetClusterInfo: () => ({ header, serviceModes: ["PD_SVC_MODE"] }),
    Tso: (call) => {
      const other = elsewhere(call.context);
      return other === null ? startTsoStream(pd, call) : streamOn(m.Tso, call, other);
    },
    Bootstrap: unary(
      m.Bootstrap,
      async ({ store, region }) => {
        await pd.bootstrap(store, region);
        return { header, replication_status: pd.replicationStatus() };
      },
      true,
    ),
    IsBootstrapped: unary(m.IsBootstrapped, () => ({ header, bootstrapped: pd.isServing }), true),
    AllocID: unary(m.AllocID, async () => ({ header, id: await pd.ids.alloc() }), true),
    GetStore: unary(m.GetStore, ({ store_id }) => {
      const store = pd.cluster.store(store_id);
      // A status, whose words clients match on.
      if (store === null) throw new RpcError("unknown", `invalid store ID ${store_id}, not found`);
      return { header, store: storeMessage(store.meta), stats: store.stats === null ? null : statsMessage(store_id, store.stats) };
    }),
    PutStore: unary(m.PutStore, async ({ store }) => {
      if (store === null) throw new HeaderRefusal("UNKNOWN", "invalid put store request, missing store");
      await pd.putStore(store);
      return { header, replication_status: pd.replicationStatus() };
    }),
    GetAllStores: unary(m.GetAllStores, ({ exclude_tombstone_stores: isShort }) => ({
      header,
      stores: pd.cluster
        .stores()
        .filter(({ meta }) => !(isShort && meta.state === "tombstone"))
        .map(({ meta }) => storeMessage(meta)),
    })),
    StoreHeartbeat: unary(m.StoreHeartbeat, (request) => {
      const { replicationStatus, recoveryPlan } = pd.storeHeartbeat(request);
      const meta = pd.cluster.storeMeta(request.stats?.store_id ?? 0);
      return {
        header,
        replication_status: replicationStatus,
        recovery_plan: recoveryPlan,
        cluster_version: pd.config.current.clusterVersion,
        state: meta === null ? "Preparing" : nodeStateNames[meta.nodeState],
      };
    }),
    RegionHeartbeat: (call) => {
      const other = elsewhere(call.context);
      return other === null ? regionHeartbeats(call) : streamOn(m.RegionHeartbeat, call, other);
    },
    GetRegion: unary(m.GetRegion, ({ region_key }) => regionOrNone(pd.cluster.lastRegionByKey(region_key))),
    GetPrevRegion: unary(m.GetPrevRegion, ({ region_key }) => {
      const region = pd.cluster.regionByKey(region_key);
      return regionOrNone(region === null ? null : pd.cluster.neighbours(region.meta.id).previous);
    }),
    GetRegionByID: unary(m.GetRegionByID, ({ region_id }) => regionOrNone(pd.cluster.region(region_id))),
    ScanRegions: unary(m.ScanRegions, ({ start_key, end_key, limit }) => {
      const regions = regionsIn([{ start_key, end_key }], limit).map(answered);
      return {
        header,
        region_metas: regions.map(({ region }) => region),
        leaders: regions.map(({ leader }) => leader ?? {}),
        regions,
      };
    }),
    BatchScanRegions: unary(m.BatchScanRegions, ({ ranges, limit, contain_all_key_range: isWhole }) => {
      const regions = regionsIn(ranges, limit);
      if (isWhole && regions.length < (limit <= 0 ? scanLimitMax : limit) && !coverAll(ranges, regions))
        throw new HeaderRefusal("REGIONS_NOT_CONTAIN_ALL_KEY_RANGE", "the regions do not contain all the given key ranges");
      return { header, regions: regions.map(answered) };
    }),
    AskSplit: unary(m.AskSplit, async ({ region }) => {
      const [id] = await splitIds(region, 1);
      return { header, new_region_id: id?.new_region_id ?? 0, new_peer_ids: id?.new_peer_ids ?? [] };
    }),
    AskBatchSplit: unary(m.AskBatchSplit, async ({ region, split_count }) => ({ header, ids: await splitIds(region, split_count) })),
    // The new regions' leaders send heartbeats at once, which tell more.
    ReportSplit: unary(m.ReportSplit, () => ({ header })),
    ReportBatchSplit: unary(m.ReportBatchSplit, () => ({ header })),
    GetClusterConfig: unary(m.GetClusterConfig, () => ({
      header,
      cluster: { id: pd.clusterId, max_peer_count: pd.config.current.replication.maxReplicas },
    })),
    PutClusterConfig: unary(m.PutClusterConfig, async ({ cluster }) => {
      if (cluster !== null && cluster.max_peer_count > 0) await pd.config.update({ "max-replicas": cluster.max_peer_count });
      return { header };
    }),
    ScatterRegion: unary(m.ScatterRegion, async (request) => {
      const scatter = pd.components.find((component) => component.scatter !== undefined);
      if (scatter?.scatter === undefined) throw pdErrors.notServed(["scattering of regions"]);
      try {
        const { finishedPercentage, failedRegionIds } = await scatter.scatter(request);
        return { header, finished_percentage: finishedPercentage, failed_regions_id: failedRegionIds };
      } catch (error) {
        // A status with these words, which clients pass on.
        throw error instanceof RpcError || error instanceof HeaderRefusal ? error : new RpcError("unknown", detailOf(error), error);
      }
    }),
    GetOperator: unary(m.GetOperator, ({ region_id }) => {
      for (const component of pd.components) {
        const operator = component.operatorOf?.(region_id) ?? null;
        if (operator !== null)
          return {
            header,
            region_id,
            desc: new TextEncoder().encode(operator.description),
            kind: new TextEncoder().encode(operator.kind),
            status: operator.status,
          };
      }
      throw new HeaderRefusal("REGION_NOT_FOUND", "Not Found");
    }),
    SplitRegions: unary(m.SplitRegions, async ({ split_keys, retry_limit }) => {
      const splitter = pd.components.find((component) => component.splitRegions !== undefined);
      if (splitter?.splitRegions === undefined) throw pdErrors.notServed(["splitting of regions"]);
      const { finishedPercentage, regionIds } = await splitter.splitRegions(split_keys, retry_limit);
      return { header, finished_percentage: finishedPercentage, regions_id: regionIds };
    }),
    GetGCSafePoint: unary(m.GetGCSafePoint, async () => ({ header, safe_point: await pd.gc.safePoint() })),
    UpdateGCSafePoint: unary(m.UpdateGCSafePoint, async ({ safe_point }) => ({ header, new_safe_point: await pd.gc.advance(safe_point) })),
    UpdateServiceGCSafePoint: unary(m.UpdateServiceGCSafePoint, async ({ service_id, TTL, safe_point }) => {
      const least = await pd.gc.update(new TextDecoder().decode(service_id), TTL, safe_point);
      const nowS = Math.floor(world.clock.nowMs() / 1000);
      return {
        header,
        service_id: new TextEncoder().encode(least.serviceId),
        TTL: least.expiredAtS === forever ? forever : least.expiredAtS - nowS,
        min_safe_point: least.safePoint,
      };
    }),
    ReportMinResolvedTS: unary(m.ReportMinResolvedTS, ({ store_id, min_resolved_ts }) => {
      pd.reportMinResolved(store_id, min_resolved_ts);
      return { header };
    }),
    // A stream without answers: what cannot be taken is passed over, the next report comes soon.
    ReportBuckets: () => ({
      message: ({ header: asked, buckets }) => {
        if (buckets === null || !pd.isServing || asked?.cluster_id !== pd.clusterId) return;
        for (const component of pd.components) component.onBuckets?.(buckets);
      },
    }),
    GetMinTS: unary(
      m.GetMinTS,
      () => {
        const time = pd.tso.take(1);
        if (time === null) throw pdErrors.tsoTimeout([]);
        return { header, timestamp: time };
      },
      true,
    ),
    SplitAndScatterRegions: unary(m.SplitAndScatterRegions, async ({ split_keys, group, retry_limit }) => {
      const splitter = pd.components.find((component) => component.splitRegions !== undefined);
      const scatter = pd.components.find((component) => component.scatter !== undefined);
      if (splitter?.splitRegions === undefined || scatter?.scatter === undefined) throw pdErrors.notServed(["splitting of regions"]);
      const split = await splitter.splitRegions(split_keys, retry_limit);
      // What comes to lie left and right of the new borders.
      const known = split_keys.map((key) => pd.cluster.regionByKey(key)).filter((region) => region !== null);
      const ids = new Set(known.map(({ meta }) => meta.id));
      for (const { meta } of known) {
        const { previous } = pd.cluster.neighbours(meta.id);
        if (previous !== null) ids.add(previous.meta.id);
      }
      const request = pdpb.ScatterRegionRequest.decode(pdpb.ScatterRegionRequest.encode({ regions_id: [...ids], group, retry_limit }));
      const scattered = ids.size === 0 ? { finishedPercentage: 100 } : await scatter.scatter(request);
      return {
        header,
        split_finished_percentage: split.finishedPercentage,
        scatter_finished_percentage: scattered.finishedPercentage,
        regions_id: split.regionIds,
      };
    }),
    StoreGlobalConfig: (request) => globalConfig.store(request),
    LoadGlobalConfig: (request) => globalConfig.load(request),
    WatchGlobalConfig: (call) => globalConfig.watch(call),
    SetExternalTimestamp: unary(m.SetExternalTimestamp, async ({ timestamp }) => {
      await pd.setExternalTimestamp(timestamp);
      return { header };
    }),
    GetExternalTimestamp: unary(m.GetExternalTimestamp, async () => ({ header, timestamp: await pd.externalTimestamp() })),
    IsSnapshotRecovering: unary(m.IsSnapshotRecovering, async () => ({ header, marked: await pd.isSnapshotRecovering() }), true),
  });

  function regionHeartbeats(call: StreamCall<pdpb.RegionHeartbeatResponse>): StreamListener<pdpb.RegionHeartbeatRequest> {
    let boundStore = 0;
    const stream = (answer: Input<pdpb.RegionHeartbeatResponse>) => void call.send(answer);
    return {
      message: (request) => {
        if (!pd.isLikelyLeader) throw notLeader();
        checkCluster(request);
        const storeId = request.leader?.store_id ?? 0;
        try {
          if (!pd.isServing) throw new HeaderRefusal("NOT_BOOTSTRAPPED", "cluster is not bootstrapped");
          const region = heartbeatOf(request);
          if (boundStore !== storeId && pd.cluster.storeMeta(storeId) !== null) {
            pd.unbindStream(boundStore, stream);
            boundStore = storeId;
            pd.bindStream(storeId, stream);
          }
          const action = pd.regionHeartbeat(region);
          if (action !== null) stream(pd.actionFor(region, action));
        } catch (error) {
          pd.refusedHeartbeatCount++;
          stream({
            ...refused(error),
            region_id: request.region?.id ?? 0,
            region_epoch: request.region?.region_epoch ?? null,
            target_peer: request.leader,
          });
        }
      },
      gone: () => pd.unbindStream(boundStore, stream),
    };
  }

  const alive = implement(health, {
    Check: () => ({ status: "SERVING" }),
    Watch: (call) => ({ message: () => void call.send({ status: "SERVING" }) }),
  });
  const close = () => {
    for (const client of clients.values()) client.close();
    clients.clear();
  };
  return [placement, alive].map((implementation) => ({ ...implementation, [Symbol.dispose]: close }));
}

export function memberMessage(member: Member): Input<pdpb.Member> {
  return member;
}

function notLeader(): RpcError {
  return new RpcError("unavailable", "not leader");
}

/** `http://127.0.0.1:2379` and `localhost:2379` are one. */
function sameHost(a: string, b: string): boolean {
  return plainHost(a) === plainHost(b);
}

function plainHost(url: string): string {
  return url
    .replace(/^https?:\/\//, "")
    .replace(/\/$/, "")
    .replace(/^(localhost|\[::1\])(?=:)/, "127.0.0.1");
}

function coverAll(
  ranges: readonly { readonly start_key: Uint8Array; readonly end_key: Uint8Array }[],
  regions: readonly RegionView[],
): boolean {
  for (const range of ranges) {
    let at: Uint8Array | null = range.start_key;
    for (const { meta } of regions) {
      if (at === null) break;
      if (Buffer.compare(meta.startKey, at) <= 0 && (meta.endKey.length === 0 || Buffer.compare(at, meta.endKey) < 0))
        at = meta.endKey.length === 0 ? null : meta.endKey;
    }
    if (at === null) continue;
    if (range.end_key.length === 0 || Buffer.compare(at, range.end_key) < 0) return false;
  }
  return true;
}

export { leaderOf };
