/**
 * What a member does while it leads, and what it knows: configuration, ids, timestamps, stores and regions, and the parts that were
 * plugged in. Members that do not lead have an empty one.
 *
 *   lead(…) ─▶ configuration, timestamps ─▶ bootstrapped? ─▶ stores, regions, parts ─▶ isServing ─▶ … ─▶ the lead's end: all forgotten
 */
import { type Logger, type Random, TaskGroup, type World } from "@skein/base";
import type { Metastore } from "@skein/metastore";
import type { Input } from "@skein/rpc";
import { compareVersions, plainVersion } from "../cluster/core/semver.ts";
import {
  buryStore,
  checkLabelForm,
  checkLabels,
  dueChange,
  mergeLabels,
  persistHeartbeatMs,
  putStore,
  removeStore,
  upStore,
} from "../cluster/core/store-state.ts";
import { LiveCluster } from "../cluster/live-cluster.ts";
import type { Label, Peer, RegionId, RegionView, StoreId, StoreMeta, StoreView } from "../core/model.ts";
import type { RegionAction } from "../core/region-action.ts";
import { pdErrors } from "../errors.ts";
import { createIdAllocator, type ResettableIds } from "../tso/id-allocator.ts";
import { startTso, type TsoSource } from "../tso/tso-driver.ts";
import { peerMessage, storeMessage } from "../wire/convert.ts";
import * as metapb from "../wire/metapb.ts";
import type * as pdpb from "../wire/pdpb.ts";
import { createConfigStore, type PdConfigStore } from "./config/config-store.ts";
import type { DynamicConfig } from "./config/core/items.ts";
import { actionMessage, leaderOf, regionOf, statsOf, storeOf } from "./convert.ts";
import { bootstrapProblem } from "./core/bootstrap.ts";
import { GcStates } from "./gc-states.ts";
import type { Leadership } from "./leadership.ts";
import { createMetadata, u64Bytes, u64Of } from "./metadata.ts";
import type { RegionStorage } from "./region-storage.ts";
import {
  HeaderRefusal,
  type Metadata,
  type OperatorSink,
  type PdComponent,
  type PdServices,
  type RegionAdmin,
  type StoreAdmin,
  type StoreHeartbeatAnswer,
} from "./services.ts";

export interface PdOptions {
  readonly world: World;
  readonly store: Metastore;
  readonly clusterId: bigint;
  readonly file: DynamicConfig;
  readonly storage: RegionStorage;
  /** Where components keep what may be lost; default: nowhere. */
  readonly folder?: string;
  readonly components: readonly PdComponent[];
  readonly tsoUpdateIntervalMs: number;
  readonly tsoWindowMs: number;
  /** Only a fresh term mends what happened. */
  readonly onBroken: (error: unknown) => void;
}

/** The answering side of a store's heartbeat stream. */
export type RegionStream = (answer: Input<pdpb.RegionHeartbeatResponse>) => void;

const storeKey = (id: StoreId) => `raft/s/${String(id).padStart(20, "0")}`;
const weightKey = (id: StoreId, what: "leader" | "region") => `schedule/store_weight/${String(id).padStart(20, "0")}/${what}`;
const checkStoresMs = 10_000;
const minResolvedKey = "raft/min_resolved_ts";
const externalKey = "external_timestamp";
const recoveringKey = "cluster/markers/snapshot-recovering";

export class Pd implements PdServices, StoreAdmin, OperatorSink {
  readonly world: World;
  readonly log: Logger;
  readonly random: Random;
  readonly clusterId: bigint;
  readonly cluster: LiveCluster;
  readonly metadata: Metadata;
  readonly config: PdConfigStore;
  readonly ids: ResettableIds;
  readonly gc: GcStates;
  readonly regions: RegionAdmin;
  readonly #options: PdOptions;
  /** Of each store, the newest last: one that was cut off may come again before its old stream ends. */
  readonly #streams = new Map<StoreId, Set<RegionStream>>();
  /** Stores whose stream broke, and of which nothing came since. */
  readonly #silent = new Set<StoreId>();
  readonly #storeListeners = new Set<(store: StoreView) => void>();
  readonly #regionListeners = new Set<(id: RegionId, region: RegionView | null) => void>();
  /** Store changes come one after the other: each is decided on what the one before it left. */
  #storeQueue: Promise<unknown> = Promise.resolve();
  readonly #persistedHeartbeatMs = new Map<StoreId, number>();
  readonly #minResolved = new Map<StoreId, bigint>();
  #leadership: Leadership | null = null;
  #isLeader = false;
  #isServing = false;
  #tso: TsoSource | null = null;
  #serving: { readonly group: TaskGroup; readonly controller: AbortController } | null = null;
  #minResolvedTs = 0n;
  leaderSinceMs = 0;
  heartbeatCount = 0;
  refusedHeartbeatCount = 0;
  bootstrapTimeNs = 0n;

  constructor(options: PdOptions) {
    this.#options = options;
    this.world = options.world;
    this.log = options.world.log.with({ component: "pd" });
    this.random = options.world.random.fork("pd");
    this.clusterId = options.clusterId;
    this.cluster = new LiveCluster(() => options.world.clock.nowMs());
    this.metadata = createMetadata(
      options.store,
      () => this.root,
      () => this.#leadership,
      options.onBroken,
    );
    this.config = createConfigStore(this.metadata, options.file, this.log);
    this.ids = createIdAllocator(this.metadata);
    this.regions = {
      forget: (id) => {
        if (this.cluster.forgetRegion(id)) for (const listener of this.#regionListeners) listener(id, null);
      },
      forgetAll: () => this.cluster.forgetRegions(),
      onChange: (listener) => {
        this.#regionListeners.add(listener);
        return () => void this.#regionListeners.delete(listener);
      },
    };
    this.gc = new GcStates(this.metadata, () => this.world.clock.nowMs());
  }

  get root(): string {
    return `/pd/${this.clusterId}`;
  }
  get stores(): StoreAdmin {
    return this;
  }
  get operators(): OperatorSink {
    return this;
  }
  get folder(): string {
    return this.#options.folder ?? "";
  }
  get isServing(): boolean {
    return this.#isServing;
  }
  /** Leads, and has read what it needs for that. */
  get isLeader(): boolean {
    return this.#isLeader && this.#leadership?.isValid() === true;
  }
  /** The same without a look at the clock: for what does no harm when it comes a moment too late. */
  get isLikelyLeader(): boolean {
    return this.#isLeader;
  }
  get tso(): TsoSource {
    if (this.#tso === null) throw pdErrors.notLeader([]);
    return this.#tso;
  }
  get components(): readonly PdComponent[] {
    return this.#options.components;
  }
  get openStreams(): number {
    let sum = 0;
    for (const streams of this.#streams.values()) sum += streams.size;
    return sum;
  }

  // ── the lead ──

  /** Resolves when requests are answered. */
  async lead(leadership: Leadership): Promise<void> {
    this.#leadership = leadership;
    await this.config.load();
    this.ids.drop();
    this.#tso = await startTso({
      world: this.world,
      metadata: this.metadata,
      lead: leadership,
      log: this.log,
      updateIntervalMs: this.#options.tsoUpdateIntervalMs,
      windowMs: this.#options.tsoWindowMs,
      onBroken: this.#options.onBroken,
    });
    this.leaderSinceMs = this.world.clock.nowMs();
    this.bootstrapTimeNs = u64Of("raft_bootstrap_time", await this.metadata.get("raft/status/raft_bootstrap_time"));
    if ((await this.metadata.get("raft")) !== null) await this.#serve(leadership.lost);
    leadership.lost.throwIfAborted();
    this.#isLeader = true;
  }

  /** Forgets everything; what is running ends. */
  async stopLeading(): Promise<void> {
    this.#isLeader = false;
    this.#isServing = false;
    this.#tso?.[Symbol.dispose]();
    this.#tso = null;
    const serving = this.#serving;
    this.#serving = null;
    if (serving !== null) {
      serving.controller.abort(new DOMException("this member leads no longer", "AbortError"));
      await serving.group[Symbol.asyncDispose]();
    }
    this.#leadership = null;
    this.#streams.clear();
    this.#silent.clear();
    this.#storeListeners.clear();
    this.#regionListeners.clear();
    this.#persistedHeartbeatMs.clear();
    this.#minResolved.clear();
    this.#minResolvedTs = 0n;
    this.config.unload();
    this.ids.drop();
    this.cluster.clear();
    try {
      this.#options.storage.flush();
    } catch (error) {
      this.log.warn("regions cannot be kept", { error });
    }
  }

  async #serve(lost: AbortSignal): Promise<void> {
    const startedMs = this.world.clock.monotonicMs();
    this.cluster.clear();
    const weights = new Map<string, number>();
    for (const { key, value } of await this.metadata.list("schedule/store_weight/"))
      weights.set(key, Number(new TextDecoder().decode(value)));
    for (const { key, value } of await this.metadata.list("raft/s/")) {
      let meta: StoreMeta;
      try {
        meta = storeOf(metapb.Store.decode(value));
      } catch (error) {
        throw pdErrors.malformedRecord([key], error);
      }
      this.cluster.putStore(meta, {
        leader: weights.get(weightKey(meta.id, "leader")) ?? 1,
        region: weights.get(weightKey(meta.id, "region")) ?? 1,
      });
      this.#persistedHeartbeatMs.set(meta.id, meta.lastHeartbeatMs);
    }
    await this.#options.storage.load((region) => this.cluster.loadRegion(region), lost);
    this.#minResolvedTs = u64Of(minResolvedKey, await this.metadata.get(minResolvedKey));
    const controller = new AbortController();
    const group = new TaskGroup();
    this.#serving = { group, controller };
    for (const component of this.components) await component.start(this, controller.signal);
    group.spawn((signal) => this.#lookAtStores(AbortSignal.any([signal, controller.signal])));
    void group.join().catch((error: unknown) => {
      if (!controller.signal.aborted) this.#options.onBroken(error);
    });
    this.#isServing = true;
    this.log.info("the cluster is served", {
      stores: this.cluster.storeCount,
      regions: this.cluster.regionCount,
      ms: Math.round(this.world.clock.monotonicMs() - startedMs),
    });
  }

  // ── bootstrap ──

  isBootstrapped(): boolean {
    return this.#isServing;
  }

  /** Throws `HeaderRefusal` ALREADY_BOOTSTRAPPED, `invalidBootstrap`. */
  async bootstrap(store: metapb.Store | null, region: metapb.Region | null): Promise<void> {
    if (this.#isServing) throw new HeaderRefusal("ALREADY_BOOTSTRAPPED", "cluster is already bootstrapped");
    const problem = bootstrapProblem(store, region);
    if (problem !== null || store === null || region === null)
      throw pdErrors.invalidBootstrap([problem ?? "missing store meta", this.clusterId]);
    const now = this.world.clock.nowMs();
    const meta = putStore([], storeOf(store), this.#rules(), now);
    const raftKey = this.metadata.keyOf("raft");
    const bootstrapTimeNs = BigInt(now) * 1_000_000n;
    const isFirst = await this.metadata.transaction(
      [{ key: raftKey, target: "createRevision", is: "=", value: 0 }],
      [
        {
          op: "put",
          key: raftKey,
          value: metapb.Cluster.encode({ id: this.clusterId, max_peer_count: this.config.current.replication.maxReplicas }),
        },
        { op: "put", key: this.metadata.keyOf("raft/status/raft_bootstrap_time"), value: u64Bytes(bootstrapTimeNs) },
        { op: "put", key: this.metadata.keyOf(storeKey(meta.id)), value: metapb.Store.encode(storeMessage(meta)) },
      ],
    );
    if (!isFirst) throw new HeaderRefusal("ALREADY_BOOTSTRAPPED", "cluster is already bootstrapped");
    this.bootstrapTimeNs = bootstrapTimeNs;
    // What is there of an older cluster must not come back.
    this.#options.storage.clear();
    this.#options.storage.save(regionOf(region));
    this.#options.storage.flush();
    this.log.info("the cluster is bootstrapped", { store: meta.id, region: region.id });
    if (this.#leadership === null) throw pdErrors.notLeader([]);
    await this.#serve(this.#leadership.lost);
    await this.#raiseClusterVersion();
  }

  // ── stores ──

  #rules() {
    const { replication, clusterVersion } = this.config.current;
    return { locationLabels: replication.locationLabels, strictlyMatchLabel: replication.strictlyMatchLabel, clusterVersion };
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#storeQueue.then(run);
    this.#storeQueue = result.catch(() => {});
    return result;
  }

  async #keepStore(meta: StoreMeta): Promise<void> {
    await this.metadata.put(storeKey(meta.id), metapb.Store.encode(storeMessage(meta)));
    this.#persistedHeartbeatMs.set(meta.id, meta.lastHeartbeatMs);
    // Heartbeats may have come while it was made durable.
    const present = this.cluster.storeMeta(meta.id);
    this.cluster.putStore({ ...meta, lastHeartbeatMs: Math.max(meta.lastHeartbeatMs, present?.lastHeartbeatMs ?? 0) });
    this.#tellStore(meta.id);
  }

  #tellStore(id: StoreId): void {
    const store = this.cluster.store(id);
    if (store !== null) for (const listener of this.#storeListeners) listener(store);
  }

  /** A store registers. Throws `pdErrors`. */
  putStore(store: metapb.Store): Promise<void> {
    return this.#inTurn(async () => {
      const others = this.cluster.stores().map(({ meta }) => meta);
      const meta = putStore(others, storeOf(store), this.#rules(), this.world.clock.nowMs());
      await this.#keepStore(meta);
      this.log.info("a store has registered", { store: meta.id, address: meta.address, version: meta.version });
      await this.#raiseClusterVersion();
    });
  }

  /** The cluster's version is that of its oldest store; it never goes back. */
  async #raiseClusterVersion(): Promise<void> {
    const versions = this.cluster
      .stores()
      .filter(({ meta }) => meta.state !== "tombstone")
      .map(({ meta }) => meta.version)
      .sort(compareVersions);
    const oldest = plainVersion(versions[0] ?? "0.0.0");
    if (compareVersions(oldest, this.config.current.clusterVersion) <= 0) return;
    await this.config.replace({ ...this.config.current, clusterVersion: oldest });
    this.log.info("the cluster's version has changed", { version: oldest });
  }

  remove(id: StoreId, isPhysicallyDestroyed: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const meta = removeStore(this.cluster.stores(), id, { isPhysicallyDestroyed, replicas: this.config.current.replication.maxReplicas });
      if (meta === null) return;
      await this.#keepStore(meta);
      this.log.warn("a store goes offline", { store: id, isPhysicallyDestroyed });
    });
  }

  up(id: StoreId): Promise<void> {
    return this.#inTurn(async () => {
      const meta = upStore(this.cluster.stores(), id);
      if (meta === null) return;
      await this.#keepStore(meta);
      this.log.warn("a store is up again", { store: id });
    });
  }

  bury(id: StoreId, isForced: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const meta = buryStore(this.cluster.stores(), id, isForced, this.world.clock.nowMs());
      if (meta === null) return;
      await this.#keepStore(meta);
      this.log.warn("a store is a tombstone now", { store: id, isForced });
    });
  }

  setLabels(id: StoreId, labels: readonly Label[], isForced: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const meta = this.cluster.storeMeta(id);
      if (meta === null) throw pdErrors.invalidStoreId([id]);
      checkLabelForm(labels);
      const next = isForced ? labels : mergeLabels(meta.labels, labels);
      checkLabels(next, this.#rules());
      await this.#keepStore({ ...meta, labels: next });
    });
  }

  deleteLabel(id: StoreId, key: string): Promise<void> {
    return this.#inTurn(async () => {
      const meta = this.cluster.storeMeta(id);
      if (meta === null) throw pdErrors.invalidStoreId([id]);
      const labels = meta.labels.filter((label) => label.key.toLowerCase() !== key.toLowerCase());
      checkLabels(labels, this.#rules());
      await this.#keepStore({ ...meta, labels });
    });
  }

  setWeight(id: StoreId, leader: number, region: number): Promise<void> {
    return this.#inTurn(async () => {
      const meta = this.cluster.storeMeta(id);
      if (meta === null) throw pdErrors.storeNotFound([id]);
      await this.metadata.write([
        { key: weightKey(id, "leader"), value: String(leader) },
        { key: weightKey(id, "region"), value: String(region) },
      ]);
      this.cluster.putStore(this.cluster.storeMeta(id) ?? meta, { leader, region });
      this.#tellStore(id);
    });
  }

  removeTombstones(): Promise<void> {
    return this.#inTurn(async () => {
      const failed: StoreId[] = [];
      for (const store of this.cluster.stores()) {
        if (store.meta.state !== "tombstone") continue;
        if (store.regionCount > 0) failed.push(store.meta.id);
        else await this.#forgetStore(store.meta.id);
      }
      if (failed.length > 0) throw pdErrors.tombstonesInUse([failed.join(", ")]);
    });
  }

  async #forgetStore(id: StoreId): Promise<void> {
    await this.metadata.write([
      { key: storeKey(id), value: null },
      { key: weightKey(id, "leader"), value: null },
      { key: weightKey(id, "region"), value: null },
    ]);
    this.cluster.forgetStore(id);
    this.#persistedHeartbeatMs.delete(id);
    this.#minResolved.delete(id);
    this.log.info("a tombstone is forgotten", { store: id });
  }

  pauseLeader(id: StoreId, direction: "in" | "out", by: string): boolean {
    return this.cluster.pauseLeader(id, direction, by);
  }

  resumeLeader(id: StoreId, direction: "in" | "out", by: string): void {
    this.cluster.resumeLeader(id, direction, by);
  }

  onChange(listener: (store: StoreView) => void): () => void {
    this.#storeListeners.add(listener);
    return () => void this.#storeListeners.delete(listener);
  }

  async #lookAtStores(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.world.clock.sleep(checkStoresMs, signal);
      await this.#inTurn(async () => {
        const stores = this.cluster.stores();
        const up = stores.filter(({ meta }) => meta.state === "up");
        const facts = {
          nowMs: this.world.clock.nowMs(),
          regionCount: this.cluster.regionCount,
          preparingMaxMs: this.config.current.schedule.maxStorePreparingTimeMs,
          storeCount: up.length,
          wholeSizeMib: up.reduce((sum, store) => sum + store.regionSize, 0),
        };
        for (const store of stores) {
          signal.throwIfAborted();
          const due = dueChange(store, facts);
          if (due === "forget") await this.#forgetStore(store.meta.id);
          else if (due !== null) await this.#keepStore(due);
        }
      });
      await this.#keepMinResolved();
    }
  }

  // ── heartbeats ──

  /** Throws `HeaderRefusal` STORE_TOMBSTONE, `storeNotFound`. */
  storeHeartbeat(request: pdpb.StoreHeartbeatRequest): StoreHeartbeatAnswer {
    const { stats } = request;
    const id = stats?.store_id ?? 0;
    const meta = this.cluster.storeMeta(id);
    if (stats === null || meta === null) throw pdErrors.storeNotFound([id]);
    if (meta.state === "tombstone") throw new HeaderRefusal("STORE_TOMBSTONE", "store is tombstone");
    this.#silent.delete(id);
    // A heartbeat with a report says nothing else: its numbers are not filled in.
    if (request.store_report === null) {
      const now = this.world.clock.nowMs();
      this.cluster.takeStats(id, statsOf(stats), now);
      const store = this.cluster.store(id);
      if (store !== null) for (const component of this.components) component.onStoreHeartbeat?.(store, stats);
      this.#tellStore(id);
      if (now - (this.#persistedHeartbeatMs.get(id) ?? 0) > persistHeartbeatMs) this.#keepHeartbeatTime(id, now);
    }
    const answer: StoreHeartbeatAnswer = { replicationStatus: this.replicationStatus(), recoveryPlan: null };
    for (const component of this.components) component.answerStoreHeartbeat?.(request, answer);
    return answer;
  }

  /** Not waited for: should it fail, the next one is tried. */
  #keepHeartbeatTime(id: StoreId, nowMs: number): void {
    this.#persistedHeartbeatMs.set(id, nowMs);
    void this.#inTurn(async () => {
      const meta = this.cluster.storeMeta(id);
      if (meta !== null) await this.#keepStore(meta);
    }).catch((error: unknown) => this.log.warn("the time of a store's heartbeat is not kept", { store: id, error }));
  }

  replicationStatus(): StoreHeartbeatAnswer["replicationStatus"] {
    for (const component of this.components) {
      const status = component.replicationStatus?.();
      if (status !== undefined && status !== null) return status;
    }
    return { mode: "MAJORITY", dr_auto_sync: null };
  }

  /** What the leader shall do; null for nothing. Throws `pdErrors`. */
  regionHeartbeat(region: RegionView): RegionAction | null {
    const leader = leaderOf(region);
    if (leader === null) throw pdErrors.invalidRegion(["its leader is none of its peers"]);
    const store = this.cluster.storeMeta(leader.storeId);
    if (store === null) throw pdErrors.storeNotFound([leader.storeId]);
    if (store.state === "tombstone") throw new HeaderRefusal("STORE_TOMBSTONE", "store is tombstone");
    const result = this.cluster.heartbeat(region);
    this.heartbeatCount++;
    if (result.isMetaChanged) {
      this.#options.storage.save(region.meta);
      for (const id of result.removed) {
        this.#options.storage.delete(id);
        for (const listener of this.#regionListeners) listener(id, null);
      }
    }
    if (result.isMetaChanged || result.isLeaderChanged) for (const listener of this.#regionListeners) listener(region.meta.id, region);
    for (const component of this.components) {
      const action = component.onRegionHeartbeat?.(region) ?? null;
      if (action !== null) return action;
    }
    return null;
  }

  bindStream(storeId: StoreId, stream: RegionStream): void {
    const streams = this.#streams.get(storeId);
    if (streams === undefined) this.#streams.set(storeId, new Set([stream]));
    else streams.add(stream);
    this.#silent.delete(storeId);
  }

  unbindStream(storeId: StoreId, stream: RegionStream): void {
    const streams = this.#streams.get(storeId);
    if (streams?.delete(stream) !== true || streams.size > 0) return;
    this.#streams.delete(storeId);
    this.#silent.add(storeId);
  }

  /**
   * Whom clients ask for a region: its leader; when the leader's store has just gone, another voter, which says who leads as soon as it
   * knows. Clients refuse a region without a leader; Python's (0.0.4) drops those parts of a transaction whose leader it cannot connect
   * to, and commits the others.
   */
  firstPeerOf(region: RegionView): Peer | null {
    const leader = leaderOf(region);
    if (leader !== null && !this.#silent.has(leader.storeId)) return leader;
    const { peers } = region.meta;
    return peers.find(({ role, storeId }) => role !== "learner" && !this.#silent.has(storeId)) ?? leader ?? peers[0] ?? null;
  }

  push(region: RegionView, action: RegionAction): boolean {
    const leader = leaderOf(region);
    const stream = leader === null ? undefined : [...(this.#streams.get(leader.storeId) ?? [])].at(-1);
    if (stream === undefined) return false;
    stream(this.actionFor(region, action));
    return true;
  }

  actionFor(region: RegionView, action: RegionAction): Input<pdpb.RegionHeartbeatResponse> {
    const leader = leaderOf(region);
    return {
      header: { cluster_id: this.clusterId },
      region_id: region.meta.id,
      region_epoch: { conf_ver: region.meta.epoch.confVer, version: region.meta.epoch.version },
      target_peer: leader === null ? null : peerMessage(leader),
      ...actionMessage(action),
    };
  }

  // ── resolved timestamps ──

  reportMinResolved(storeId: StoreId, ts: bigint): void {
    if (this.cluster.storeMeta(storeId) === null) throw pdErrors.storeNotFound([storeId]);
    const before = this.#minResolved.get(storeId) ?? 0n;
    if (ts > before) this.#minResolved.set(storeId, ts);
  }

  minResolvedOf(storeId: StoreId): bigint | null {
    return this.#minResolved.get(storeId) ?? null;
  }

  /** Of the stores that hold regions; stays where it is while one of them has not told its own. */
  minResolvedTs(): bigint {
    let least: bigint | null = null;
    for (const store of this.cluster.stores()) {
      if (store.meta.state === "tombstone" || store.regionCount === 0) continue;
      const own = this.#minResolved.get(store.meta.id);
      if (own === undefined) return this.#minResolvedTs;
      if (least === null || own < least) least = own;
    }
    return least !== null && least > this.#minResolvedTs ? least : this.#minResolvedTs;
  }

  /** A timestamp that somebody else sets and reads, for reads at one common time; 0 before it was set. */
  async externalTimestamp(): Promise<bigint> {
    return u64Of(externalKey, await this.metadata.get(externalKey));
  }

  /** Only forward, and never beyond the time that timestamps have reached. */
  setExternalTimestamp(timestamp: bigint): Promise<void> {
    return this.#inTurn(async () => {
      const now = this.tso.take(1);
      if (now === null) throw pdErrors.tsoTimeout([]);
      if (timestamp > (BigInt(now.physical) << 18n) + BigInt(now.logical))
        throw pdErrors.externalTimestamp(["should not be larger than global ts"]);
      if (timestamp <= (await this.externalTimestamp())) throw pdErrors.externalTimestamp(["should be larger than now"]);
      await this.metadata.put(externalKey, u64Bytes(timestamp));
    });
  }

  /** Set by who restores the cluster from snapshots of its disks: stores ask, and wait. */
  async isSnapshotRecovering(): Promise<boolean> {
    return (await this.metadata.get(recoveringKey)) !== null;
  }

  async markSnapshotRecovering(isRecovering: boolean): Promise<void> {
    if (isRecovering) await this.metadata.put(recoveringKey, "on");
    else await this.metadata.delete(recoveringKey);
  }

  /** Drops what is known of a region, also what is kept of it for the next start. False: it is not known. */
  dropRegion(id: RegionId): boolean {
    const isKnown = this.cluster.region(id) !== null;
    this.#options.storage.delete(id);
    this.regions.forget(id);
    return isKnown;
  }

  async #keepMinResolved(): Promise<void> {
    const now = this.minResolvedTs();
    if (now === this.#minResolvedTs) return;
    await this.metadata.put(minResolvedKey, u64Bytes(now));
    this.#minResolvedTs = now;
  }
}
