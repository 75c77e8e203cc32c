/**
 * Stores and regions that do what the placement driver asks, under virtual time: the driver's part is the real one (live cluster,
 * scheduling loop), the stores are a model. Each action takes a while; learners get a snapshot first; leaders die with their stores.
 *
 * Held after every change: a region that had a quorum of live voters keeps one; a configuration never changes by two voters outside of a
 * joint state; no store has two peers of a region.
 */
import { type Random, silentLogger, type World } from "@skein/base";
import type { Simulation } from "@skein/sim";
import { LiveCluster } from "../../cluster/live-cluster.ts";
import type { Label, Peer, RegionId, RegionMeta, RegionView, StoreId, StoreStats, StoreView } from "../../core/model.ts";
import type { RegionAction } from "../../core/region-action.ts";
import { regionView, storeMeta, storeStats } from "../../core/testing/views.ts";
import type { DynamicConfig } from "../../server/config/core/items.ts";
import { defaultReplicationMode, defaultsOf, pdServerForm, replicationForm, scheduleForm } from "../../server/config/core/json-form.ts";
import type { PdServices } from "../../server/services.ts";
import { createScheduling, type PolicySource, type Scheduling } from "../scheduling.ts";

const mib = 1024 ** 2;
const gib = 1024 ** 3;

interface ModelStore {
  readonly id: StoreId;
  readonly labels: readonly Label[];
  readonly capacityGib: number;
  isAlive: boolean;
  /** What it says of itself besides what follows from its regions. */
  says: Partial<StoreStats>;
}

interface ModelRegion {
  meta: RegionMeta;
  leaderPeerId: number;
  term: number;
  size: number;
  /** Peers that have not caught up. */
  readonly pending: Set<number>;
  /** Since when a peer's store has been silent. */
  silentSince: Map<StoreId, number>;
  isBusy: boolean;
  bytesWritten: number;
}

export interface ModelOptions {
  readonly schedule?: Partial<DynamicConfig["schedule"]>;
  readonly replication?: Partial<DynamicConfig["replication"]>;
  readonly policy?: PolicySource;
  readonly snapshotMs?: number;
  readonly heartbeatMs?: number;
}

export interface ModelCluster {
  readonly cluster: LiveCluster;
  readonly scheduling: Scheduling;
  readonly services: PdServices;
  readonly regions: ReadonlyMap<RegionId, ModelRegion>;
  /** Actions that stores were asked for and did. */
  readonly done: { moves: number; transfers: number; splits: number; merges: number };
  addStore(id: StoreId, labels?: readonly Label[], capacityGib?: number): void;
  addRegion(startKey: string, endKey: string, stores: readonly StoreId[], size: number, leader?: StoreId): RegionId;
  setSize(id: RegionId, size: number): void;
  setWrites(id: RegionId, bytesEachInterval: number): void;
  /** From its next heartbeat on. */
  setStats(id: StoreId, stats: Partial<StoreStats>): void;
  kill(id: StoreId): void;
  revive(id: StoreId): void;
  removeStore(id: StoreId): void;
  configure(change: {
    readonly schedule?: Partial<DynamicConfig["schedule"]>;
    readonly replication?: Partial<DynamicConfig["replication"]>;
  }): void;
  storeView(id: StoreId): StoreView;
  stop(): void;
}

export async function startModel(sim: Simulation, options: ModelOptions = {}): Promise<ModelCluster> {
  const world = sim.world("pd");
  const random = sim.random.fork("stores");
  const model = new Model(sim, world, random, options);
  await model.start();
  return model;
}

class Model implements ModelCluster {
  readonly cluster: LiveCluster;
  readonly scheduling: Scheduling;
  readonly services: PdServices;
  readonly regions = new Map<RegionId, ModelRegion>();
  readonly done = { moves: 0, transfers: 0, splits: 0, merges: 0 };
  readonly #sim: Simulation;
  readonly #world: World;
  readonly #random: Random;
  readonly #stores = new Map<StoreId, ModelStore>();
  readonly #options: ModelOptions;
  readonly #stopper = new AbortController();
  readonly #regionListeners: ((id: RegionId, region: RegionView | null) => void)[] = [];
  readonly #storeListeners: ((store: StoreView) => void)[] = [];
  #config: DynamicConfig;
  #nextId = 1000;

  constructor(sim: Simulation, world: World, random: Random, options: ModelOptions) {
    this.#sim = sim;
    this.#world = world;
    this.#random = random;
    this.#options = options;
    this.#config = {
      schedule: { ...defaultsOf(scheduleForm), ...options.schedule },
      replication: { ...defaultsOf(replicationForm), enablePlacementRules: options.policy !== undefined, ...options.replication },
      pdServer: defaultsOf(pdServerForm),
      labelProperty: {},
      clusterVersion: "8.5.0",
      replicationMode: defaultReplicationMode,
    };
    this.cluster = new LiveCluster(() => world.clock.nowMs());
    this.services = this.#makeServices();
    this.scheduling = createScheduling(options.policy);
  }

  async start(): Promise<void> {
    await this.scheduling.start(this.services, this.#stopper.signal);
    this.#every(1000, () => this.#storeHeartbeats());
    this.#every(this.#options.heartbeatMs ?? 5000, () => {
      for (const region of this.regions.values()) this.#heartbeat(region);
    });
  }

  stop(): void {
    this.#stopper.abort(new DOMException("the model ends", "AbortError"));
  }

  #every(ms: number, run: () => void): void {
    this.#sim.clock.schedule(ms, () => {
      if (this.#stopper.signal.aborted) return;
      run();
      this.#every(ms, run);
    });
  }

  addStore(id: StoreId, labels: readonly Label[] = [], capacityGib = 1000): void {
    this.#stores.set(id, { id, labels, capacityGib, isAlive: true, says: {} });
    const nowMs = this.#world.clock.nowMs();
    this.cluster.putStore(
      storeMeta(id, {
        peerAddress: `s${id}:20160`,
        labels,
        startTimestampS: Math.floor(nowMs / 1000),
        lastHeartbeatMs: nowMs,
      }),
    );
    this.#storeHeartbeats();
  }

  addRegion(startKey: string, endKey: string, stores: readonly StoreId[], size: number, leader = stores[0] as StoreId): RegionId {
    const id = this.#nextId++;
    const peers = stores.map((storeId): Peer => ({ id: this.#nextId++, storeId, role: "voter", isWitness: false }));
    const region: ModelRegion = {
      meta: { id, startKey: key(startKey), endKey: key(endKey), epoch: { confVer: 1, version: 1 + this.regions.size }, peers },
      leaderPeerId: peers.find((peer) => peer.storeId === leader)?.id ?? 0,
      term: 6,
      size,
      pending: new Set(),
      silentSince: new Map(),
      isBusy: false,
      bytesWritten: 0,
    };
    this.regions.set(id, region);
    this.#heartbeat(region);
    return id;
  }

  setSize(id: RegionId, size: number): void {
    const region = this.regions.get(id);
    if (region !== undefined) region.size = size;
  }

  setWrites(id: RegionId, bytes: number): void {
    const region = this.regions.get(id);
    if (region !== undefined) region.bytesWritten = bytes;
  }

  setStats(id: StoreId, stats: Partial<StoreStats>): void {
    const store = this.#stores.get(id);
    if (store !== undefined) store.says = stats;
  }

  kill(id: StoreId): void {
    const store = this.#stores.get(id);
    if (store === undefined) return;
    store.isAlive = false;
    const nowMs = this.#world.clock.nowMs();
    for (const region of this.regions.values()) {
      const peer = region.meta.peers.find((each) => each.storeId === id);
      if (peer === undefined) continue;
      region.silentSince.set(id, nowMs);
      if (peer.id === region.leaderPeerId) this.#sim.clock.schedule(this.#random.between(1000, 3000), () => this.#elect(region));
    }
  }

  revive(id: StoreId): void {
    const store = this.#stores.get(id);
    if (store === undefined) return;
    store.isAlive = true;
    for (const region of this.regions.values()) {
      region.silentSince.delete(id);
      const peer = region.meta.peers.find((each) => each.storeId === id);
      if (peer !== undefined && region.pending.has(peer.id)) this.#catchUp(region, peer);
      if (region.leaderPeerId === 0) this.#elect(region);
    }
  }

  removeStore(id: StoreId): void {
    const { meta } = this.storeView(id);
    this.cluster.putStore({ ...meta, state: "offline", nodeState: "removing" });
    this.#tellStore(id);
  }

  configure(change: {
    readonly schedule?: Partial<DynamicConfig["schedule"]>;
    readonly replication?: Partial<DynamicConfig["replication"]>;
  }): void {
    this.#config = {
      ...this.#config,
      schedule: { ...this.#config.schedule, ...change.schedule },
      replication: { ...this.#config.replication, ...change.replication },
    };
  }

  storeView(id: StoreId): StoreView {
    const store = this.cluster.store(id);
    if (store === null) throw new Error(`no store ${id}`);
    return store;
  }

  #tellStore(id: StoreId): void {
    for (const listener of this.#storeListeners) listener(this.storeView(id));
  }

  #isAlive(storeId: StoreId): boolean {
    return this.#stores.get(storeId)?.isAlive === true;
  }

  #elect(region: ModelRegion): void {
    if (!this.regions.has(region.meta.id)) return;
    const leader = region.meta.peers.find((peer) => peer.id === region.leaderPeerId);
    if (leader !== undefined && this.#isAlive(leader.storeId)) return;
    region.leaderPeerId = 0;
    if (!this.#hasQuorum(region)) return;
    const candidates = region.meta.peers.filter(
      (peer) => (peer.role === "voter" || peer.role === "incomingVoter") && this.#isAlive(peer.storeId) && !region.pending.has(peer.id),
    );
    if (candidates.length === 0) return;
    region.leaderPeerId = this.#random.pick(candidates).id;
    region.term += 1;
    this.#heartbeat(region);
  }

  /** Both halves of a joint state need one. */
  #hasQuorum({ meta, pending }: ModelRegion): boolean {
    const enough = (voters: readonly Peer[]) =>
      voters.filter((peer) => this.#isAlive(peer.storeId) && !pending.has(peer.id)).length * 2 > voters.length;
    return (
      enough(meta.peers.filter((peer) => peer.role === "voter" || peer.role === "incomingVoter")) &&
      enough(meta.peers.filter((peer) => peer.role === "voter" || peer.role === "demotingVoter"))
    );
  }

  #view(region: ModelRegion): RegionView {
    const nowMs = this.#world.clock.nowMs();
    const peerOn = (storeId: StoreId) => region.meta.peers.find((peer) => peer.storeId === storeId)?.id;
    return regionView(region.meta, {
      leaderPeerId: region.leaderPeerId,
      term: region.term,
      downPeers: [...region.silentSince]
        .filter(([storeId, sinceMs]) => peerOn(storeId) !== undefined && nowMs - sinceMs > 600_000)
        .map(([storeId, sinceMs]) => ({ peerId: peerOn(storeId) as number, downSeconds: Math.floor((nowMs - sinceMs) / 1000) })),
      pendingPeers: [...region.pending],
      approximateSize: region.size,
      approximateKeys: region.size * 10_000,
      bytesWritten: region.bytesWritten,
      keysWritten: region.bytesWritten / 100,
    });
  }

  #heartbeat(region: ModelRegion): void {
    if (!this.regions.has(region.meta.id)) return;
    const leader = region.meta.peers.find((peer) => peer.id === region.leaderPeerId);
    if (leader === undefined || !this.#isAlive(leader.storeId)) return;
    const view = this.#view(region);
    const result = this.cluster.heartbeat(view);
    for (const id of result.removed) for (const listener of this.#regionListeners) listener(id, null);
    if (result.isMetaChanged || result.isLeaderChanged) for (const listener of this.#regionListeners) listener(region.meta.id, view);
    const action = this.scheduling.onRegionHeartbeat?.(view) ?? null;
    if (action !== null) this.#ask(region, action);
  }

  #storeHeartbeats(): void {
    const nowMs = this.#world.clock.nowMs();
    for (const store of this.#stores.values()) {
      const view = this.cluster.store(store.id);
      if (view === null || view.meta.state === "tombstone") continue;
      if (view.meta.state === "offline" && view.regionCount === 0) {
        this.cluster.putStore({ ...view.meta, state: "tombstone", nodeState: "removed" });
        this.#tellStore(store.id);
        continue;
      }
      if (!store.isAlive) continue;
      const used = view.regionSize * mib;
      this.cluster.takeStats(
        store.id,
        storeStats({
          capacity: store.capacityGib * gib,
          available: Math.max(0, store.capacityGib * gib - used),
          usedSize: used,
          regionCount: view.regionCount,
          startTimeS: view.meta.startTimestampS,
          ...store.says,
        }),
        nowMs,
      );
    }
  }

  /** The leader was asked; what it does takes a moment. Asked again meanwhile, it does nothing more. */
  #ask(region: ModelRegion, action: RegionAction): void {
    const leader = region.meta.peers.find((peer) => peer.id === region.leaderPeerId);
    if (region.isBusy || leader === undefined || !this.#isAlive(leader.storeId)) return;
    region.isBusy = true;
    this.#sim.clock.schedule(this.#random.between(5, 50), () => {
      region.isBusy = false;
      if (!this.regions.has(region.meta.id)) return;
      const lead = region.meta.peers.find((peer) => peer.id === region.leaderPeerId);
      if (lead === undefined || !this.#isAlive(lead.storeId) || !this.#hasQuorum(region)) return;
      this.#do(region, action);
      this.#heartbeat(region);
    });
  }

  #do(region: ModelRegion, action: RegionAction): void {
    switch (action.kind) {
      case "changePeer":
        return this.#change(region, [action.change]);
      case "changePeerV2":
        return action.changes.length === 0 ? this.#leaveJoint(region) : this.#change(region, action.changes);
      case "transferLeader": {
        const target = action.peers
          .map((peer) => region.meta.peers.find((each) => each.id === peer.id))
          .find(
            (peer) =>
              peer !== undefined &&
              (peer.role === "voter" || peer.role === "incomingVoter") &&
              this.#isAlive(peer.storeId) &&
              !region.pending.has(peer.id),
          );
        if (target === undefined || target.id === region.leaderPeerId) return;
        region.leaderPeerId = target.id;
        region.term += 1;
        this.done.transfers += 1;
        return;
      }
      case "splitRegion":
        return this.#split(region, action.keys);
      case "merge":
        return this.#merge(region, action.target.id);
      case "switchWitnesses":
        throw new Error("nobody asks for witnesses");
    }
  }

  #change(region: ModelRegion, changes: readonly { readonly type: string; readonly peer: Peer }[]): void {
    const hadQuorum = this.#hasQuorum(region);
    let { peers } = region.meta;
    const isJoint = changes.length > 1;
    if (peers.some((peer) => peer.role === "incomingVoter" || peer.role === "demotingVoter"))
      throw new Error("a change in the joint state");
    for (const { type, peer } of changes) {
      const existing = peers.find((each) => each.storeId === peer.storeId);
      if (existing !== undefined && existing.id !== peer.id)
        throw new Error(`region ${region.meta.id} would have two peers on store ${peer.storeId}`);
      if (type === "removeNode") {
        if (existing === undefined) continue;
        if (existing.id === region.leaderPeerId) throw new Error("the leader was to be removed");
        if (existing.role === "voter" && isJoint) throw new Error("a voter removed within a joint change");
        peers = peers.filter((each) => each !== existing);
        region.pending.delete(existing.id);
        continue;
      }
      const role =
        type === "addNode" ? (isJoint ? "incomingVoter" : "voter") : existing?.role === "voter" && isJoint ? "demotingVoter" : "learner";
      if (existing === undefined) {
        if (type === "addNode") throw new Error("a voter was added without being a learner first");
        peers = [...peers, { ...peer, role }];
        this.#catchUp(region, peer);
        this.done.moves += 1;
      } else {
        if (existing.id === region.leaderPeerId && role === "learner") throw new Error("the leader was to be demoted at once");
        if (type === "addNode" && region.pending.has(existing.id)) throw new Error("a peer that lags was to vote");
        peers = peers.map((each) => (each === existing ? { ...each, role } : each));
      }
    }
    this.#setPeers(region, peers, changes.length, hadQuorum);
  }

  /** A snapshot: longer for larger regions; none arrives at a store that is dead by then. */
  #catchUp(region: ModelRegion, peer: Peer): void {
    const snapshotMs = (this.#options.snapshotMs ?? 1000) * (1 + region.size / 100);
    region.pending.add(peer.id);
    this.#sim.clock.schedule(snapshotMs, () => {
      if (!this.#isAlive(peer.storeId)) return;
      region.pending.delete(peer.id);
      this.#heartbeat(region);
    });
  }

  #leaveJoint(region: ModelRegion): void {
    const hadQuorum = this.#hasQuorum(region);
    const changing = region.meta.peers.filter((peer) => peer.role === "incomingVoter" || peer.role === "demotingVoter");
    if (changing.length === 0) return;
    if (changing.some((peer) => peer.role === "demotingVoter" && peer.id === region.leaderPeerId))
      throw new Error("the leader was to be demoted");
    const peers = region.meta.peers.map(
      (peer): Peer =>
        peer.role === "incomingVoter" ? { ...peer, role: "voter" } : peer.role === "demotingVoter" ? { ...peer, role: "learner" } : peer,
    );
    this.#setPeers(region, peers, changing.length, hadQuorum);
  }

  #setPeers(region: ModelRegion, peers: readonly Peer[], count: number, hadQuorum: boolean): void {
    const { epoch } = region.meta;
    region.meta = { ...region.meta, peers, epoch: { ...epoch, confVer: epoch.confVer + count } };
    if (hadQuorum && !this.#hasQuorum(region))
      throw new Error(`region ${region.meta.id} lost its quorum by a change: ${JSON.stringify(peers)}`);
  }

  #split(region: ModelRegion, keys: readonly Uint8Array[]): void {
    const version = region.meta.epoch.version + keys.length;
    let start = region.meta.startKey;
    const size = Math.max(1, Math.floor(region.size / (keys.length + 1)));
    for (const at of keys) {
      const id = this.#nextId++;
      const peers = region.meta.peers.map((peer) => ({ ...peer, id: this.#nextId++ }));
      const lead = region.meta.peers.findIndex((peer) => peer.id === region.leaderPeerId);
      const made: ModelRegion = {
        meta: { id, startKey: start, endKey: at, epoch: { confVer: region.meta.epoch.confVer, version }, peers },
        leaderPeerId: peers[lead]?.id ?? 0,
        term: region.term,
        size,
        pending: new Set(),
        silentSince: new Map(region.silentSince),
        isBusy: false,
        bytesWritten: 0,
      };
      this.regions.set(id, made);
      this.#heartbeat(made);
      start = at;
    }
    region.meta = { ...region.meta, startKey: start, epoch: { ...region.meta.epoch, version } };
    region.size = size;
    this.done.splits += keys.length;
  }

  #merge(source: ModelRegion, targetId: RegionId): void {
    const target = this.regions.get(targetId);
    if (target === undefined) return;
    const places = (region: ModelRegion) =>
      region.meta.peers
        .map((peer) => `${peer.storeId}${peer.role}`)
        .sort()
        .join();
    if (places(source) !== places(target)) return;
    const isLeft = source.meta.endKey.length > 0 && text(source.meta.endKey) === text(target.meta.startKey);
    if (!isLeft && (target.meta.endKey.length === 0 || text(target.meta.endKey) !== text(source.meta.startKey)))
      throw new Error("regions that are not neighbours were to merge");
    this.regions.delete(source.meta.id);
    target.meta = {
      ...target.meta,
      startKey: isLeft ? source.meta.startKey : target.meta.startKey,
      endKey: isLeft ? target.meta.endKey : source.meta.endKey,
      epoch: { ...target.meta.epoch, version: Math.max(source.meta.epoch.version + 1, target.meta.epoch.version) + 1 },
    };
    target.size += source.size;
    this.done.merges += 1;
    this.#heartbeat(target);
  }

  #makeServices(): PdServices {
    const kept = new Map<string, Uint8Array>();
    const bytes = (value: Uint8Array | string) => (typeof value === "string" ? new TextEncoder().encode(value) : value);
    const config = () => this.#config;
    return {
      world: this.#world,
      log: silentLogger,
      random: this.#world.random,
      clusterId: 1n,
      cluster: this.cluster,
      stores: {
        remove: async (id) => this.removeStore(id),
        up: async (id) => this.cluster.putStore({ ...this.storeView(id).meta, state: "up", nodeState: "serving" }),
        bury: async () => {},
        setLabels: async () => {},
        deleteLabel: async () => {},
        setWeight: async (id, leader, region) => this.cluster.putStore(this.storeView(id).meta, { leader, region }),
        removeTombstones: async () => {},
        pauseLeader: (id, direction, by) => this.cluster.pauseLeader(id, direction, by),
        resumeLeader: (id, direction, by) => this.cluster.resumeLeader(id, direction, by),
        onChange: (listener) => {
          this.#storeListeners.push(listener);
          return () => {};
        },
      },
      regions: {
        forget: () => {},
        forgetAll: () => {},
        onChange: (listener) => {
          this.#regionListeners.push(listener);
          return () => {};
        },
      },
      metadata: {
        get: async (name) => kept.get(name) ?? null,
        list: async (prefix) => [...kept].filter(([name]) => name.startsWith(prefix)).map(([name, value]) => ({ key: name, value })),
        put: async (name, value) => void kept.set(name, bytes(value)),
        delete: async (name) => void kept.delete(name),
        write: async (changes) => {
          for (const { key: name, value } of changes) {
            if (value === null) kept.delete(name);
            else kept.set(name, bytes(value));
          }
        },
        transaction: async () => true,
        keyOf: (name) => name,
      },
      config: {
        get current() {
          return config();
        },
        update: async () => {},
        set: async (change) => this.configure(change),
        onChange: () => () => {},
        onReplicationChange: () => () => {},
      },
      ids: {
        alloc: async () => this.#nextId++,
        allocMany: async (count) => {
          this.#nextId += count;
          return this.#nextId - 1;
        },
      },
      operators: {
        push: (region, action) => {
          const known = this.regions.get(region.meta.id);
          if (known !== undefined) this.#ask(known, action);
          return known !== undefined;
        },
      },
      isServing: true,
      leaderSinceMs: this.#world.clock.nowMs(),
      folder: "/pd",
    };
  }
}

function key(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
