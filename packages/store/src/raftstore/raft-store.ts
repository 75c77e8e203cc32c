/**
 * The driver of all region peers of a store. Inputs (messages, requests, ticks) are given to the peers as they come; once a turn
 *
 *   gather the Readies of all peers with news
 *     ├─ messages that depend on nothing durable ───────────────▶ transport
 *     ├─ entries, votes, terms ──▶ one write and one sync of the log for all ──▶ promises and acknowledgements ──▶ transport
 *     └─ committed entries that are in the own log ──▶ one engine batch for all, with the applied positions ──▶ waiting requests
 *
 * One write of the log and one batch of the engine are under way at a time; what comes meanwhile shares the next. The engine is
 * not synced for a batch: after a crash the log is replayed from the applied position that is durable. It is synced before
 * anything of the log is given up (SPEC S2).
 */
import { assert, compareBytes, type Timer, type World } from "@skein/base";
import type { Entry, Message, Ready } from "@skein/raft";
import { touches } from "../engine/check-files.ts";
import type { KeySpan } from "../engine/core/level-files.ts";
import type { Engine, EngineReader, EngineWrite, KeyRange } from "../engine/engine.ts";
import { Encoder } from "../raftlog/core/encoder.ts";
import { LogBatch, openRaftLog, type RaftLogStore } from "../raftlog/raft-log-store.ts";
import {
  type RegionContext,
  type RegionDescription,
  RegionError,
  type RegionKv,
  type RegionSnapshot,
  type RegionWrite,
} from "../region-kv.ts";
import {
  type ApplyContext,
  type ApplyEffect,
  type ApplyResult,
  applyEntry,
  applyStateWrite,
  initialApplyState,
  mergingError,
  regionStateWrite,
  safePointWrite,
} from "./apply.ts";
import { ComingSplits } from "./coming-splits.ts";
import {
  type AdminCommand,
  applyStateKey,
  beginWrites,
  decodeApplyState,
  decodeCommand,
  decodeRegionState,
  decodeSafePoint,
  type Envelope,
  encodeWrites,
  isAdministrative,
  type RegionState,
  regionStateKey,
  regionStates,
  safePointKey,
} from "./core/codec.ts";
import { membershipOf, type PeerChange, peerById, peerOn, type Region, sameEpoch } from "./core/region.ts";
import { raftstoreErrors } from "./errors.ts";
import { bootstrap, identify } from "./founding.ts";
import { LogGc } from "./log-gc.ts";
import { Mail } from "./mail.ts";
import { checkMerge } from "./merging.ts";
import { defaultRaftStoreOptions, type RaftStoreOptions } from "./options.ts";
import type { PdLink } from "./pd-link.ts";
import { busy, Peer, type PendingWrite, type SnapshotFile } from "./peer.ts";
import { CountedReader } from "./read-load.ts";
import { ReadSnapshots } from "./read-snapshots.ts";
import { RegionChecks } from "./region-checks.ts";
import { RegionIndex } from "./region-index.ts";
import { RegionRequests } from "./region-requests.ts";
import { type ReplicaReadListener, ReplicaReads } from "./replica-reads.ts";
import { Reports } from "./reports.ts";
import { Sleep } from "./sleep.ts";
import { Snapshots } from "./snapshots.ts";
import type { StoreTransport } from "./transport.ts";

export interface RaftStoreConfig {
  readonly engine: Engine;
  /** Folder of the Raft log and of snapshots on their way; of this store alone. */
  readonly folder: string;
  readonly pd: PdLink;
  readonly transport: StoreTransport;
  readonly options?: Partial<RaftStoreOptions>;
  readonly segmentBytes?: number;
  readonly segmentsMax?: number;
  readonly cacheBytes?: number;
  /** Start from a log that is damaged in the middle, without the replicas that it may have touched. */
  readonly repairDamagedLog?: boolean;
  /** Keys of the engine that damage took: replicas of regions with any of them are given up. */
  readonly damagedSpans?: readonly KeySpan[];
  /** Called once when the store cannot go on (its log or engine failed): the process must end. */
  readonly onFatal?: (error: Error) => void;
}

/** Counters since the start. */
export interface RaftStoreStats {
  turns: number;
  applied: number;
  proposals: number;
  leaseReads: number;
  readIndexReads: number;
  snapshotsSent: number;
  snapshotsInstalled: number;
  splits: number;
  merges: number;
}

interface AfterWrite {
  readonly peer: Peer;
  readonly last: Entry | null;
  readonly messages: readonly Message[];
  readonly counts: boolean;
  readonly whenDurable: (() => void) | null;
}

/** Opens a store: says whose it is, bootstraps the cluster if nobody has, loads its regions, and begins to serve. */
export async function createRaftStore(world: World, config: RaftStoreConfig): Promise<RaftStore> {
  const store = new RaftStore(world, config);
  try {
    await store.open();
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
  return store;
}

/** Regions that a refused epoch is told besides the one that was meant: each is some hundred bytes. */
const siblingsMax = 128;
/** How long followers leave a region that a split made to whoever stood for election at once: more than a vote takes on slow disks. */
const splitWaitTicks = 2;

export class RaftStore implements RegionKv, AsyncDisposable {
  readonly world: World;
  readonly engine: Engine;
  readonly options: RaftStoreOptions;
  readonly pd: PdLink;
  readonly transport: StoreTransport;
  readonly snapshots: Snapshots;
  readonly reports: Reports;
  readonly checks: RegionChecks;
  readonly requests: RegionRequests;
  readonly mail: Mail;
  readonly sleep: Sleep;
  readonly logGc: LogGc;
  readonly stats: RaftStoreStats = {
    turns: 0,
    applied: 0,
    proposals: 0,
    leaseReads: 0,
    readIndexReads: 0,
    snapshotsSent: 0,
    snapshotsInstalled: 0,
    splits: 0,
    merges: 0,
  };
  readonly #config: RaftStoreConfig;
  #log: RaftLogStore | null = null;
  clusterId = 0n;
  storeId = 0;
  readonly peers = new Map<number, Peer>();
  /** Peers with data, in key order. */
  readonly ranges = new RegionIndex<Peer>();
  /** Peers whose clocks run. */
  readonly awake = new Set<Peer>();
  #tick = 0;
  #timer: Timer | null = null;
  #isClosed = false;
  readonly #abort = new AbortController();
  readonly #listeners: ((region: RegionDescription, term: number) => void)[] = [];
  readonly replicaReads: ReplicaReads;
  readonly #safePointListeners: ((safePoint: bigint) => void)[] = [];
  /** Versions up to it were, or are being, removed from some region here. */
  safePoint = 0n;
  /** Without it nothing is taken that would need more: neither puts of clients nor snapshots. What is replicated from others is. */
  hasRoom = true;
  /** Regions whose replica here was given up. */
  readonly damaged = new Set<number>();
  /** Regions whose last replica here is not gone from the disk yet: a successor would find its log, and lose its files. */
  readonly #leaving = new Set<number>();
  readonly #background = new Set<Promise<void>>();
  readonly coming = new ComingSplits();

  // ── of a turn ──
  #dirty: Peer[] = [];
  #turnIsDue = false;
  #batch = new LogBatch();
  #spareBatch = new LogBatch();
  #after: AfterWrite[] = [];
  #isWriting = false;
  #isApplying = false;
  #toApply = new Set<Peer>();
  readonly #entryScratch = new Encoder(256 * 1024);
  readonly #readSnapshot: ReadSnapshots;
  /** In the names of reads: what an earlier life of this store asked may be answered late. */
  readonly #life: string;
  /** The same, in what members ask each other after a restart. */
  readonly lifeNumber: number;
  #nextRead = 0;

  constructor(world: World, config: RaftStoreConfig) {
    this.world = world;
    this.#config = config;
    this.lifeNumber = 1 + world.random.below(2 ** 31 - 1);
    this.#life = `${world.clock.nowMs()}.${this.lifeNumber}`;
    this.engine = config.engine;
    this.pd = config.pd;
    this.transport = config.transport;
    this.options = { ...defaultRaftStoreOptions, ...config.options };
    this.snapshots = new Snapshots(this, `${config.folder}/snap`);
    this.reports = new Reports(this);
    this.replicaReads = new ReplicaReads(this);
    this.#readSnapshot = new ReadSnapshots(config.engine);
    this.checks = new RegionChecks(this);
    this.requests = new RegionRequests(this);
    this.mail = new Mail(this);
    this.sleep = new Sleep(this);
    this.logGc = new LogGc(this, config.segmentsMax ?? 8);
  }

  get log(): RaftLogStore {
    assert(this.#log !== null, "the store is open");
    return this.#log;
  }
  get tickCount(): number {
    return this.#tick;
  }
  get signal(): AbortSignal {
    return this.#abort.signal;
  }
  get isClosed(): boolean {
    return this.#isClosed;
  }
  /** A write of the log is under way. */
  get isWriting(): boolean {
    return this.#isWriting;
  }
  get awakeCount(): number {
    return this.awake.size;
  }

  // ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async open(): Promise<void> {
    const { engine, world } = this;
    const { clusterId, storeId } = await identify(this);
    this.clusterId = clusterId;
    this.storeId = storeId;
    await bootstrap(this, storeId);
    const { segmentBytes, segmentsMax, cacheBytes, repairDamagedLog } = this.#config;
    this.#log = await openRaftLog(world, {
      folder: `${this.#config.folder}/log`,
      ...(segmentBytes === undefined ? {} : { segmentBytes }),
      ...(segmentsMax === undefined ? {} : { segmentsMax }),
      ...(cacheBytes === undefined ? {} : { cacheBytes }),
      salvage: repairDamagedLog ?? false,
    });
    await this.#log.ready();
    await this.snapshots.open();
    const safePoint = engine.get("local", safePointKey);
    if (safePoint !== null) this.#learnSafePoint(decodeSafePoint(safePoint));
    const states: RegionState[] = [];
    for await (const block of engine.scan("local", regionStates)) for (const { value } of block) states.push(decodeRegionState(value));
    await this.#giveUpDamaged(states);
    await this.#dropLeftLogs(states);
    const installs: { readonly peer: Peer; readonly file: SnapshotFile }[] = [];
    for (const state of states) {
      if (state.kind === "tombstone") continue;
      const peer = this.#load(state);
      if (state.kind === "applying") {
        peer.isInstalling = true;
        const { snapshot } = state;
        assert(snapshot !== null, "an applying region names its snapshot");
        installs.push({
          peer,
          file: { ...snapshot, region: state.region, path: this.snapshots.pathOf(state.region.id, snapshot.index, snapshot.term) },
        });
      }
    }
    await this.#clearGaps();
    const handlers = {
      onMessage: (envelope: Envelope) => this.mail.deliver(envelope),
      onSnapshot: (header: Uint8Array, chunks: AsyncIterable<Uint8Array>) => this.snapshots.receive(header, chunks),
      onUnreachable: (storeId: number) => this.mail.unreachable(storeId),
    };
    await this.snapshots.removeOthers(installs.map(({ file }) => file.path));
    await this.transport.start(handlers, { clusterId, storeId });
    for (const { peer, file } of installs) this.#startInstall(peer, file, null);
    this.pd.onRegionAction((action) => this.requests.carryOut(action));
    this.pd.onConnected(() => {
      for (const peer of this.peers.values()) if (peer.isLeader) this.reports.region(peer);
      // One that has just come to lead takes stores for disconnected until they report. The first report goes with the first tick.
      if (this.#tick > 1) this.background(this.reports.store());
    });
    this.pd.onRoom(() => this.reports.tellWaiting());
    // A region of one voter need not wait for anybody.
    for (const peer of this.peers.values()) {
      const { voters } = membershipOf(peer.region);
      if (voters.length === 1 && voters[0] === peer.id && peer.kind !== "applying") {
        peer.raft.campaign();
        this.markDirty(peer);
      } else {
        if (peer.isInitialized && peer.kind !== "applying" && peer.raft.isSilentOfRestart) peer.notLeading = new Set();
        this.askAround(peer);
      }
    }
    this.#arm();
  }

  /** Replicas that the damage of a salvaged log may have touched could have forgotten a promise: they end here. */
  async #giveUpDamaged(states: RegionState[]): Promise<void> {
    const { log, engine } = this;
    const lost = (state: RegionState): boolean => {
      if (state.kind === "tombstone") return false;
      if (log.suspects.has(state.region.id)) return true;
      const { startKey: start, endKey: end } = state.region;
      if (this.#config.damagedSpans?.some((span) => touches(span, { start, end })) === true) return true;
      const bytes = engine.get("local", applyStateKey(state.region.id));
      const own = log.log(state.region.id);
      // What is applied must be in the log, or be where it begins.
      if (log.damages.length === 0 || bytes === null || own === undefined) return false;
      const { applied, truncated } = decodeApplyState(bytes);
      return own.lastIndex < applied || own.base.index > truncated.index;
    };
    for (const [at, state] of states.entries()) {
      if (!lost(state)) continue;
      const { region } = state;
      this.damaged.add(region.id);
      const tombstone: RegionState = { ...state, kind: "tombstone", merge: null, snapshot: null };
      states[at] = tombstone;
      await engine.write([regionStateWrite(tombstone), { kind: "delete", family: "local", key: applyStateKey(region.id) }], { sync: true });
      const own = log.log(region.id);
      if (own === undefined) continue;
      const batch = new LogBatch();
      log.destroy(batch, own);
      await log.append(batch);
    }
    if (log.damages.length > 0)
      this.world.log.error("the Raft log was damaged, replicas are given up", {
        places: log.damages.map(({ file, offset }) => `${file}:${offset}`).join(", "),
        regions: [...this.damaged].join(","),
      });
  }

  /** A crash came between the end of a replica and that of its log: a successor must not take it for its own. */
  async #dropLeftLogs(states: readonly RegionState[]): Promise<void> {
    const batch = new LogBatch();
    for (const { kind, region } of states) {
      const left = kind === "tombstone" ? this.log.log(region.id) : undefined;
      // A successor without data has no entries yet; its vote counts.
      if (left !== undefined && (left.base.index > 0 || left.slots.length > 0)) this.log.destroy(batch, left);
    }
    await this.log.append(batch);
  }

  #load(state: RegionState): Peer {
    const { region } = state;
    const bytes = this.engine.get("local", applyStateKey(region.id));
    const applyState = bytes === null ? initialApplyState : decodeApplyState(bytes);
    const peer = this.#addPeer(region, state.peerId, applyState, true);
    peer.kind = state.kind;
    peer.merge = state.merge;
    return peer;
  }

  #addPeer(region: Region, peerId: number, applyState: typeof initialApplyState, isRestarted: boolean, promiseTicks = 0): Peer {
    const log = this.log.ensure(region.id, applyState.truncated);
    const fits = this.log.begin(log, applyState.truncated);
    assert(fits && log.lastIndex >= applyState.applied, `the log of region ${region.id} ends before what is applied`);
    if (log.hardState.term < applyState.truncated.term)
      log.hardState = { term: applyState.truncated.term, vote: 0, commit: applyState.truncated.index };
    const peer = new Peer({
      id: peerId,
      region,
      log,
      applyState,
      isRestarted,
      promiseTicks,
      options: this.options,
      draw: (limit) => this.world.random.below(limit),
      isSilent: (storeId) => this.mail.isSilent(storeId),
    });
    this.peers.set(region.id, peer);
    this.awake.add(peer);
    if (region.peers.length > 0) this.ranges.add(peer);
    return peer;
  }

  /** What destroyed replicas left between the regions is removed: their destruction may have been cut short. */
  async #clearGaps(): Promise<void> {
    let start: Uint8Array = new Uint8Array(0);
    let isOpen = true;
    for (const { region } of this.ranges) {
      if (compareBytes(start, region.startKey) < 0) await this.#clearRange({ start, end: region.startKey });
      start = region.endKey;
      isOpen = region.endKey.length > 0;
    }
    if (isOpen) await this.#clearRange({ start, end: new Uint8Array(0) });
  }

  async #clearRange(range: KeyRange): Promise<void> {
    for (const family of ["default", "lock", "write"] as const) await this.engine.clear(family, range);
    this.#forgetReadSnapshot();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#abort.abort(new DOMException("the store closes", "AbortError"));
    const error = new RegionError({ kind: "serverIsBusy", reason: "the store closes", backoffMs: 0 }, "the store closes");
    for (const peer of this.peers.values()) {
      peer.failQueued(error);
      peer.failReads(error);
      peer.failProposals("the store closes");
    }
    await this.transport[Symbol.asyncDispose]();
    while (this.#background.size > 0) await Promise.all(this.#background);
    while (this.#isWriting || this.#isApplying || this.logGc.isCollecting)
      await new Promise<void>((done) => this.world.clock.timer(1, done, { keepAlive: true }));
    this.#forgetReadSnapshot();
    await this.#log?.[Symbol.asyncDispose]();
  }

  /** Work with an end of its own; its failure ends the store unless the store is closing. */
  background(work: Promise<void>): void {
    const owned = work.catch((error: unknown) => this.fatal(error));
    this.#background.add(owned);
    void owned.finally(() => this.#background.delete(owned));
  }

  fatal(error: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#abort.abort(error);
    this.world.log.error("the store cannot go on", { error: error instanceof Error ? error.message : String(error) });
    for (const peer of this.peers.values()) {
      const failed = new RegionError({ kind: "serverIsBusy", reason: "the store failed", backoffMs: 0 }, "the store failed");
      peer.failQueued(failed);
      peer.failReads(failed);
      peer.failProposals("the store failed");
    }
    this.#config.onFatal?.(error instanceof Error ? error : new Error(String(error)));
  }

  // ── RegionKv ────────────────────────────────────────────────────────────────────────────────────────────────────────

  onLead(listener: (region: RegionDescription, term: number) => void): void {
    this.#listeners.push(listener);
  }

  onReplicaRead(listener: ReplicaReadListener): void {
    this.replicaReads.listen(listener);
  }

  async noteSafePoint(context: RegionContext, safePoint: bigint): Promise<void> {
    const peer = this.#find(context);
    this.#checkVersion(peer, context.version);
    await this.propose(peer, { kind: "safePoint", safePoint });
  }
  onSafePoint(listener: (safePoint: bigint) => void): void {
    this.#safePointListeners.push(listener);
    if (this.safePoint > 0n) listener(this.safePoint);
  }

  #learnSafePoint(safePoint: bigint): bigint {
    if (safePoint > this.safePoint) {
      this.safePoint = safePoint;
      for (const listener of this.#safePointListeners) listener(safePoint);
    }
    return this.safePoint;
  }

  /** With a snapshot of a region from which versions up to it are gone. Durable with whatever is written next. */
  async takeSafePoint(safePoint: bigint): Promise<void> {
    if (safePoint <= this.safePoint) return;
    this.#learnSafePoint(safePoint);
    await this.engine.write([safePointWrite(this.safePoint)]);
  }

  #find(context: RegionContext): Peer {
    if (context.storeId !== 0 && context.storeId !== this.storeId)
      throw new RegionError(
        { kind: "storeNotMatch", requestStoreId: context.storeId, actualStoreId: this.storeId },
        `the request is for store ${context.storeId}, this is store ${this.storeId}`,
      );
    const peer = this.peers.get(context.regionId);
    if (peer === undefined || this.#isClosed)
      throw new RegionError({ kind: "regionNotFound", regionId: context.regionId }, `region ${context.regionId} is not on this store`);
    if (context.peerId !== 0 && context.peerId !== peer.id)
      throw new RegionError(
        { kind: "mismatchPeerId", requestPeerId: context.peerId, storePeerId: peer.id },
        `the request is for peer ${context.peerId} of region ${context.regionId}, this is peer ${peer.id}`,
      );
    if (!peer.isInitialized || peer.kind === "applying")
      throw new RegionError(
        { kind: "regionNotInitialized", regionId: context.regionId },
        `region ${context.regionId} has no data here yet`,
      );
    return peer;
  }

  #checkVersion(peer: Peer, version: number): void {
    if (version === peer.region.version) return;
    // With its neighbours: a client that comes from before splits learns of all parts. A region that is split keeps the last of them,
    // and each part raises the version by one.
    const missed = Math.min(Math.max(peer.region.version - version, 1), siblingsMax);
    const current = this.ranges.around(peer, missed, 1).map(({ region }) => region);
    throw new RegionError({ kind: "epochNotMatch", current }, `the epoch of region ${peer.regionId} has moved on`);
  }

  async snapshot(context: RegionContext): Promise<RegionSnapshot> {
    const peer = this.#find(context);
    const { isLeader } = peer;
    if (!isLeader && !context.replicaRead) throw peer.notLeader();
    // Who knows more than this peer has applied waits for it: an epoch that is older than the client's is an error to some clients.
    const isBehind = context.version > peer.region.version;
    if (!isBehind) this.#checkVersion(peer, context.version);
    if (peer.kind === "merging") throw mergingError(peer.regionId);
    if (isLeader && !isBehind && peer.mayLeaseRead(this.world.clock.monotonicMs(), (this.options.leaseMs * 2) / 3)) this.stats.leaseReads++;
    else {
      await this.#awaitReadIndex(peer, context.version, context.readTs ?? 0n);
      if (peer.region.version !== context.version) this.#checkVersion(peer, context.version);
      if (isLeader && !peer.isLeader) throw peer.notLeader();
    }
    const { region } = peer;
    const { term } = peer.raft;
    const shared = this.#readSnapshot.take();
    let reader: EngineReader = shared.snapshot;
    if (context.reads !== undefined) {
      if (context.reads === "get") peer.reads.gets++;
      else peer.reads.scans++;
      reader = new CountedReader(reader, peer.reads);
    }
    return { region, term, reader, [Symbol.dispose]: once(() => shared.release()) };
  }

  #awaitReadIndex(peer: Peer, version: number, readTs: bigint): Promise<void> {
    this.stats.readIndexReads++;
    return new Promise((resolve, reject) => {
      peer.readsNew.push({ version, readTs, resolve, reject, deadlineTick: this.#tick + this.options.electionTicks });
      this.wake(peer);
      this.markDirty(peer);
    });
  }

  write(context: RegionContext, term: number, writes: readonly RegionWrite[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const peer = this.#find(context);
      if (!peer.isLeader) throw peer.notLeader();
      this.#checkVersion(peer, context.version);
      if (peer.kind === "merging") throw mergingError(peer.regionId);
      if (term !== peer.raft.term)
        throw new RegionError({ kind: "staleCommand" }, `term ${term} of region ${peer.regionId} is over, it is ${peer.raft.term}`);
      let bytes = 16;
      for (const write of writes)
        bytes +=
          write.kind === "put"
            ? write.key.length + write.value.length + 12
            : write.kind === "delete"
              ? write.key.length + 6
              : write.start.length + write.end.length + 11;
      if (!this.hasRoom && writes.some(({ kind }) => kind === "put")) {
        const reason = `the disk of store ${this.storeId} is full`;
        throw new RegionError({ kind: "diskFull", storeIds: [this.storeId], reason }, reason);
      }
      if (bytes > this.options.entryBytesMax)
        throw new RegionError(
          { kind: "raftEntryTooLarge", regionId: peer.regionId, sizeBytes: bytes },
          `a write of ${bytes} bytes is too large`,
        );
      if (peer.queuedBytes > 0 && peer.queuedBytes + bytes > this.options.queuedBytesMax) throw busy("too many writes wait");
      peer.queued.push({ writes, bytes, term, version: context.version, resolve, reject });
      peer.queuedBytes += bytes;
      if (peer.isAsleep) this.wake(peer);
      this.markDirty(peer);
    });
  }

  /** What was read up to now stays as it is; the next read sees what was written. */
  #forgetReadSnapshot(): void {
    this.#readSnapshot.forget();
  }

  // ── requests about regions ──────────────────────────────────────────────────────────────────────────────────────────

  regions(): RegionDescription[] {
    return [...this.ranges].map(({ region }) => region);
  }
  regionAt(key: Uint8Array): RegionDescription | null {
    return this.ranges.at(key)?.region ?? null;
  }

  propose(peer: Peer, command: AdminCommand): Promise<void> {
    return this.requests.propose(peer, command);
  }
  split(regionId: number, keys: readonly Uint8Array[]): Promise<RegionDescription[]> {
    return this.requests.split(regionId, keys);
  }
  changePeers(regionId: number, changes: readonly PeerChange[]): Promise<void> {
    return this.requests.changePeers(regionId, changes);
  }
  transferLeader(regionId: number, peerId: number): boolean {
    return this.requests.transferLeader(regionId, peerId);
  }
  merge(regionId: number, target: Region): Promise<void> {
    return this.requests.merge(regionId, target);
  }
  checkConsistency(regionId: number): Promise<void> {
    return this.requests.checkConsistency(regionId);
  }

  // ── peers that come ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** It has something to apply, or a snapshot to put in place: its range may change without a word of anybody. */
  isCatchingUp(peer: Peer): boolean {
    return peer.isInstalling || peer.applied < peer.raft.committed;
  }

  askAround(peer: Peer): void {
    this.mail.askAround(peer);
  }

  mayCreate(regionId: number, peerId: number): boolean {
    if (this.#leaving.has(regionId)) return false;
    const bytes = this.engine.get("local", regionStateKey(regionId));
    return bytes === null || decodeRegionState(bytes).peerId < peerId;
  }

  createEmpty(regionId: number, peerId: number): Peer {
    const none = new Uint8Array(0);
    const region: Region = { id: regionId, startKey: none, endKey: none, confVer: 0, version: 0, peers: [] };
    return this.#addPeer(
      region,
      peerId,
      { applied: 0, appliedTerm: 0, truncated: { index: 0, term: 0 } },
      this.#mayHaveForgotten(regionId),
    );
  }

  // ── turns ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  markDirty(peer: Peer): void {
    if (!peer.isDirty) {
      peer.isDirty = true;
      this.#dirty.push(peer);
    }
    this.flushSoon();
  }

  flushSoon(): void {
    if (this.#turnIsDue || this.#isClosed) return;
    this.#turnIsDue = true;
    this.world.clock.afterTurn(() => {
      this.#turnIsDue = false;
      this.#turn();
    });
  }

  #turn(): void {
    if (this.#isClosed) return;
    try {
      this.stats.turns++;
      const nowMs = this.world.clock.monotonicMs();
      // Peers with more to do than fits in one Ready are dirty again, and come back in the next turn.
      const dirty = this.#dirty;
      this.#dirty = [];
      for (const peer of dirty) {
        peer.isDirty = false;
        if (peer.isDestroyed) continue;
        if (peer.queued.length > 0) this.#proposeQueued(peer);
        if (peer.readsNew.length > 0) this.#askReads(peer);
        this.#takeReady(peer, nowMs);
      }
      this.transport.flush();
      this.#startWrite();
      this.#startApply();
    } catch (error) {
      this.fatal(error);
    }
  }

  /** Writes of one turn share entries, as long as they are of one term and epoch. */
  #proposeQueued(peer: Peer): void {
    const { queued } = peer;
    peer.queued = [];
    peer.queuedBytes = 0;
    const out = this.#entryScratch;
    const { term } = peer.raft;
    let at = 0;
    while (at < queued.length) {
      const first = queued[at] as PendingWrite;
      if (!peer.isLeader || first.term !== term) {
        first.reject(new RegionError({ kind: "staleCommand" }, `term ${first.term} of region ${peer.regionId} is over`));
        at++;
        continue;
      }
      if (first.version !== peer.region.version) {
        first.reject(peer.epochNotMatch());
        at++;
        continue;
      }
      beginWrites(out, first.version);
      const shared: PendingWrite[] = [];
      let bytes = 0;
      while (at < queued.length) {
        const next = queued[at] as PendingWrite;
        if (next.version !== first.version || next.term !== term) break;
        if (shared.length > 0 && bytes + next.bytes > this.options.entryShareBytes) break;
        encodeWrites(out, next.writes);
        bytes += next.bytes;
        shared.push(next);
        at++;
      }
      const result = peer.raft.propose(out.take());
      if (typeof result === "string") {
        const error = result === "notLeader" ? peer.notLeader() : busy(`a proposal is ${result}`);
        for (const write of shared) write.reject(error);
        continue;
      }
      this.stats.proposals++;
      peer.addProposal(result.index, {
        term: result.term,
        tick: this.#tick,
        done: (outcome) => {
          if (outcome === "applied") for (const { resolve } of shared) resolve();
          else for (const { reject } of shared) reject(outcome);
        },
      });
    }
  }

  #askReads(peer: Peer): void {
    const reads = peer.readsNew;
    peer.readsNew = [];
    if (peer.raft.leader === 0) {
      for (const read of reads) read.reject(peer.isLeader ? busy("no leader") : peer.notLeader());
      return;
    }
    const context = `${peer.id}/${this.#life}/${++this.#nextRead}${this.replicaReads.mark(reads)}`;
    peer.readsAsked.set(context, reads);
    peer.raft.readIndex(context);
  }

  #takeReady(peer: Peer, nowMs: number): void {
    this.#noteLeadership(peer);
    if (!peer.raft.hasReady) return;
    let ready = peer.raft.takeReady();
    this.#noteLeadership(peer);
    if (peer.isLeader) peer.noteRound(nowMs);
    if (!peer.isRecorded) {
      // A leader's lease may rest on the answer: whoever forgets that it gave one would vote for another leader meanwhile.
      const held = ready.messages.filter(({ kind }) => kind === "heartbeatAnswer");
      const messages = ready.messages.filter(({ kind }) => kind !== "heartbeatAnswer");
      ready = { ...ready, messages, messagesAfterPersist: [...held, ...ready.messagesAfterPersist] };
    }
    for (const message of ready.messages) this.mail.send(peer, message);
    this.coming.note(peer, ready.committed);
    if (peer.isInstalling) peer.deferred.push(ready);
    else if (ready.snapshot !== undefined) this.#beginInstall(peer, ready);
    else this.#handle(peer, ready);
    if (peer.log.missing !== null) this.background(this.#loadEntries(peer));
    if (peer.raft.hasReady) this.markDirty(peer);
  }

  /** Brings entries that a follower needs back into memory; its answer to the next heartbeat asks for them again. */
  async #loadEntries(peer: Peer): Promise<void> {
    await this.log.load(peer.log);
    if (peer.isDestroyed) return;
    peer.raft.ping();
    this.markDirty(peer);
  }

  #handle(peer: Peer, ready: Ready): void {
    const { log } = this;
    const said = peer.saidHardState;
    const { hardState } = ready;
    const isVital = hardState !== undefined && (hardState.term !== said.term || hardState.vote !== said.vote);
    const writes = ready.entries.length > 0 || isVital;
    if (writes) {
      // Where a region that a split or nothing made has no record yet, its begin must be told with the first one.
      if (peer.log.stateSegment === 0 && peer.writesPending === 0) log.reset(this.#batch, peer.log, peer.log.base);
      if (hardState !== undefined) peer.saidHardState = hardState;
      log.hardState(this.#batch, peer.log, peer.saidHardState);
      log.entries(this.#batch, peer.log, ready.entries);
    }
    const messages = ready.messagesAfterPersist;
    if (writes || peer.writesPending > 0) {
      if (writes) peer.writesPending++;
      if (writes || messages.length > 0)
        this.#after.push({ peer, last: ready.entries.at(-1) ?? null, messages, counts: writes, whenDurable: null });
    } else for (const message of messages) this.mail.send(peer, message);
    if (ready.committed.length > 0) {
      for (const entry of ready.committed) peer.applyQueue.push(entry);
      this.#toApply.add(peer);
    }
    for (const { index, context } of ready.reads) {
      const reads = peer.readsAsked.get(context);
      if (reads === undefined) continue;
      peer.readsAsked.delete(context);
      peer.readsReady.push({ index, reads });
    }
    if (peer.readsReady.length > 0) this.#serveReads(peer);
  }

  #startWrite(): void {
    if (this.#isWriting || this.logGc.isCollecting || this.#isClosed) return;
    if (this.#batch.isEmpty && this.#after.length === 0) return;
    const batch = this.#batch;
    const after = this.#after;
    this.#batch = this.#spareBatch;
    this.#after = [];
    this.#isWriting = true;
    this.log.append(batch).then(
      () => {
        this.#isWriting = false;
        batch.clear();
        this.#spareBatch = batch;
        this.#written(after);
      },
      (error: unknown) => {
        this.#isWriting = false;
        this.fatal(error);
      },
    );
  }

  #written(after: readonly AfterWrite[]): void {
    if (this.#isClosed) return;
    try {
      for (const { peer, last, messages, counts, whenDurable } of after) {
        if (counts) {
          peer.writesPending--;
          peer.isRecorded = true;
        }
        if (peer.isDestroyed && whenDurable === null) continue;
        if (last !== null) peer.raft.persisted(last.index, last.term);
        for (const message of messages) this.mail.send(peer, message);
        whenDurable?.();
        if (peer.applyQueue.length > 0) this.#toApply.add(peer);
        if (!peer.isDirty && !peer.isDestroyed) {
          peer.isDirty = true;
          this.#dirty.push(peer);
        }
      }
    } catch (error) {
      return this.fatal(error);
    }
    this.#turn();
  }

  // ── applying ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #applyContext(): ApplyContext {
    return {
      storeId: this.storeId,
      peer: (regionId) => this.peers.get(regionId),
      noteSafePoint: (safePoint) => this.#learnSafePoint(safePoint),
      mayCreate: (region, peerId) => {
        const there = this.peers.get(region.id);
        if (there !== undefined) return !there.isInitialized && there.id <= peerId && !there.isInstalling;
        return this.mayCreate(region.id, peerId);
      },
    };
  }

  #startApply(): void {
    if (this.#isApplying || this.#isClosed || this.#toApply.size === 0) return;
    const writes: EngineWrite[] = [];
    const done: { readonly peer: Peer; readonly results: readonly ApplyResult[] }[] = [];
    const context = this.#applyContext();
    let bytes = 0;
    // Two regions that change each other's ranges (a merge, a split) are never in one batch: the second waits for the first.
    let hasStructure = false;
    for (const peer of this.#toApply) {
      if (bytes > 4 * 1024 * 1024) break;
      if (peer.isDestroyed || peer.isInstalling) {
        this.#toApply.delete(peer);
        continue;
      }
      const results: ApplyResult[] = [];
      let taken = 0;
      let isHeld = false;
      for (const entry of peer.applyQueue) {
        // Only what is in the own log durably: what is applied must not be lost by a crash that the log did not survive (P3).
        if (peer.log.term(entry.index) !== entry.term) break;
        const isAdmin = isAdministrative(entry.data);
        if (isAdmin && hasStructure) {
          isHeld = true;
          break;
        }
        if (isAdmin && !this.#mayApplyNow(peer, entry)) {
          isHeld = true;
          break;
        }
        const result = applyEntry(peer, entry, writes, context);
        results.push(result);
        taken++;
        bytes += entry.data.length;
        if (result.effect !== null && result.effect.kind !== "compacted") {
          hasStructure = true;
          isHeld = taken < peer.applyQueue.length;
          break;
        }
        if (bytes > 4 * 1024 * 1024) break;
      }
      if (taken < peer.applyQueue.length) peer.applyQueue = peer.applyQueue.slice(taken);
      else peer.applyQueue = [];
      if (!isHeld && (peer.applyQueue.length === 0 || taken === 0)) this.#toApply.delete(peer);
      const last = results.at(-1)?.entry;
      if (last === undefined) continue;
      peer.isApplying = true;
      writes.push(applyStateWrite(peer.regionId, { applied: last.index, appliedTerm: last.term, truncated: peer.truncated }));
      done.push({ peer, results });
    }
    if (done.length === 0) return;
    this.#isApplying = true;
    // What a split made speaks for itself from now on, also in the log: it must be there after a crash (SPEC S3).
    this.engine.write(writes, { sync: hasStructure }).then(
      () => {
        this.#isApplying = false;
        this.#applied(done);
      },
      (error: unknown) => {
        this.#isApplying = false;
        this.fatal(error);
      },
    );
  }

  #applied(done: readonly { readonly peer: Peer; readonly results: readonly ApplyResult[] }[]): void {
    if (this.#isClosed) return;
    try {
      this.#forgetReadSnapshot();
      for (const { peer, results } of done) {
        peer.isApplying = false;
        if (peer.isDestroyed) continue;
        const last = (results.at(-1) as ApplyResult).entry;
        peer.applied = last.index;
        peer.appliedTerm = last.term;
        peer.log.appliedIndex = last.index;
        for (const { entry, effect } of results) {
          this.stats.applied++;
          if (!this.coming.isEmpty) this.coming.forget(entry);
          if (effect !== null) this.#carryOut(peer, entry, effect);
        }
        peer.raft.reportApplied(last.index);
        if (peer.proposals.size > 0) for (const { entry, refusal } of results) peer.settle(entry, refusal);
        if (peer.readsReady.length > 0) this.#serveReads(peer);
        if (peer.kind === "merging" && peer.merge !== null) this.#retryHeld(peer.merge.target.id);
        this.#noteLeadership(peer);
        if (peer.raft.hasReady) this.markDirty(peer);
      }
    } catch (error) {
      return this.fatal(error);
    }
    this.#startApply();
    if (this.#dirty.length > 0) this.flushSoon();
  }

  #serveReads(peer: Peer): void {
    let done = 0;
    for (const { index, reads } of peer.readsReady) {
      if (index > peer.applied) break;
      for (const { resolve } of reads) resolve();
      done++;
    }
    if (done > 0) peer.readsReady.splice(0, done);
  }

  #noteLeadership(peer: Peer): void {
    const { raft } = peer;
    if (peer.isLeader) {
      if (peer.leadTerm === raft.term) return;
      peer.leadTerm = raft.term;
      peer.rounds = [];
      peer.leaseFromMs = Number.NEGATIVE_INFINITY;
      peer.leaseBlockedTo = 0;
      peer.heardAt = new Map(peer.region.peers.map(({ id }) => [id, this.#tick]));
      peer.hash = null;
      peer.leaderlessTicks = 0;
      for (const listener of this.#listeners) listener(peer.region, raft.term);
      this.reports.region(peer);
      return;
    }
    if (peer.leadTerm !== 0 && peer.leadTerm <= raft.term) {
      // Those on their way are decided by whoever leads now; those that wait were never proposed.
      peer.leadTerm = 0;
      peer.failQueued(peer.notLeader());
      peer.failReads(peer.notLeader());
    }
  }

  // ── what administrative entries change ──────────────────────────────────────────────────────────────────────────────

  /** An entry that takes in another region waits until that region has applied everything before it here. */
  #mayApplyNow(peer: Peer, entry: Entry): boolean {
    const command = decodeCommand(entry.data);
    if (command === null || command.kind === "writes") return true;
    if (command.kind === "split") return command.parts.every(({ regionId }) => this.peers.get(regionId)?.isInstalling !== true);
    if (command.kind !== "commitMerge" || peer.kind === "merging" || !sameEpoch(command.epoch, peer.region)) return true; // refused
    const source = this.peers.get(command.source.id);
    if (source === undefined || !source.isInitialized) {
      if (peer.mergedInto !== 0) return false; // both are to be replaced by a snapshot of what they became
      this.fatal(raftstoreErrors.regionMissing([command.source.id, peer.regionId]));
      return false;
    }
    if (source.isApplying || source.isInstalling || source.isDestroyed) return false;
    if (source.kind === "merging" && source.applied >= command.commit) return true;
    this.wake(source);
    if (source.raft.learnCommitted(command.entries)) this.markDirty(source);
    return false;
  }

  #retryHeld(regionId: number): void {
    const target = this.peers.get(regionId);
    if (target !== undefined && target.applyQueue.length > 0) this.#toApply.add(target);
  }

  #carryOut(peer: Peer, entry: Entry, effect: ApplyEffect): void {
    switch (effect.kind) {
      case "compacted":
        this.logGc.compacted(peer, effect.index);
        return;
      case "split":
        return this.#afterSplit(peer, effect);
      case "peersChanged":
        return this.#afterChange(peer, effect.region, effect.before);
      case "computeHash":
        return this.checks.computeHash(peer, entry.index);
      case "verifyHash":
        return this.checks.verifyHash(peer, effect.index, effect.hash);
      case "mergePrepared":
        peer.setRegion(effect.region);
        peer.kind = "merging";
        peer.merge = effect.merge;
        peer.mergeTicks = 0;
        peer.failQueued(mergingError(peer.regionId));
        peer.failReads(mergingError(peer.regionId));
        this.wake(peer);
        checkMerge(this, peer);
        return;
      case "merged":
        return this.#afterMerge(peer, effect.region, effect.source);
      case "mergeRolledBack":
        peer.setRegion(effect.region);
        peer.kind = "normal";
        peer.merge = null;
        this.reports.region(peer);
        return;
    }
  }

  #afterSplit(peer: Peer, { kept, made }: Extract<ApplyEffect, { kind: "split" }>): void {
    this.stats.splits++;
    this.ranges.remove(peer);
    peer.setRegion(kept);
    this.ranges.add(peer);
    peer.isMeasured = false;
    peer.approximateBytes = Math.floor(peer.approximateBytes / (made.length + 1));
    peer.approximateKeys = Math.floor(peer.approximateKeys / (made.length + 1));
    const { isLeader } = peer;
    for (const region of made) {
      const own = peerOn(region, this.storeId);
      if (own === undefined) continue;
      const there = this.peers.get(region.id);
      if (there !== undefined && (there.isInitialized || there.id > own.id || there.isInstalling)) continue;
      const bytes = this.engine.get("local", regionStateKey(region.id));
      if (bytes === null || decodeRegionState(bytes).kind !== "normal" || decodeRegionState(bytes).peerId !== own.id) continue;
      // A peer without data may have voted already: its term and vote are in the log, and stay. So does what it promised a leader.
      if (there !== undefined) this.#forget(there);
      if (there !== undefined) {
        // What it said last, and where its log began, may be on their way to the disk; what the child says comes after it.
        const log = this.log.renew(region.id, initialApplyState.truncated);
        log.hardState = there.saidHardState;
        this.log.reset(this.#batch, log, log.base);
        this.log.hardState(this.#batch, log, log.hardState);
      }
      const promiseTicks = there?.raft.promiseTicks ?? 0;
      const child = this.#addPeer(region, own.id, initialApplyState, this.#mayHaveForgotten(region.id), promiseTicks);
      child.approximateBytes = peer.approximateBytes;
      child.approximateKeys = peer.approximateKeys;
      if (isLeader) child.raft.campaign();
      // Whoever led when the split was committed may lead no more when it is applied: then nobody has stood for election at once.
      child.raft.standSoon(splitWaitTicks + this.world.random.below(splitWaitTicks));
      this.markDirty(child);
    }
    if (isLeader) {
      this.reports.region(peer);
      this.pd.reportBatchSplit([...made, kept]);
    }
  }

  /** A peer that had a log before this process began, and may have promised a leader something that no log tells. */
  #mayHaveForgotten(regionId: number): boolean {
    return this.#tick < this.options.electionTicks && this.log.log(regionId) !== undefined;
  }

  #afterChange(peer: Peer, region: Region, before: Region): void {
    peer.setRegion(region);
    if (peerById(region, peer.id) === undefined) {
      this.background(this.destroy(peer, null));
      return;
    }
    peer.raft.setMembership(membershipOf(region));
    this.wake(peer);
    if (!peer.isLeader) return;
    for (const old of before.peers)
      if (peerById(region, old.id) === undefined) this.mail.tell(peer, { id: old.id, storeId: old.storeId }, "removed");
    this.reports.region(peer);
    this.markDirty(peer);
  }

  #afterMerge(peer: Peer, region: Region, source: Region): void {
    this.stats.merges++;
    const gone = this.peers.get(source.id);
    if (gone !== undefined) {
      this.#forget(gone);
      this.#dropLog(gone);
    }
    this.ranges.remove(peer);
    peer.setRegion(region);
    this.ranges.add(peer);
    peer.approximateBytes += gone?.approximateBytes ?? 0;
    peer.approximateKeys += gone?.approximateKeys ?? 0;
    this.wake(peer);
    if (!peer.isLeader) return;
    for (const listener of this.#listeners) listener(peer.region, peer.raft.term);
    this.reports.region(peer);
  }

  /** Its log goes once the engine is durable with what took the region's place (SPEC S2). */
  #dropLog(peer: Peer): void {
    this.#leaving.add(peer.regionId);
    const work = async (): Promise<void> => {
      await this.engine.sync();
      if (this.#isClosed) return;
      this.#destroyLog(peer, () => this.#leaving.delete(peer.regionId));
    };
    this.background(work());
  }

  #destroyLog(peer: Peer, whenDurable: () => void): void {
    this.log.destroy(this.#batch, peer.log);
    this.#after.push({ peer, last: null, messages: [], counts: false, whenDurable });
    this.flushSoon();
  }

  /** Takes a peer out of memory: nothing reaches it any more. */
  #forget(peer: Peer): void {
    peer.isDestroyed = true;
    this.peers.delete(peer.regionId);
    this.ranges.remove(peer);
    this.awake.delete(peer);
    this.#toApply.delete(peer);
    this.logGc.forget(peer);
    const gone = new RegionError({ kind: "regionNotFound", regionId: peer.regionId }, `region ${peer.regionId} is no longer on this store`);
    peer.failQueued(gone);
    peer.failReads(gone);
    peer.failProposals(`region ${peer.regionId} is no longer on this store`);
  }

  /**
   * Removes a peer and its data. `region`: as it was when the peer was removed. The range stays taken until it is empty, so that
   * no other region comes to it meanwhile.
   */
  async destroy(peer: Peer, region: Region | null): Promise<void> {
    if (peer.isDestroyed) return;
    const hadData = peer.isInitialized;
    const range = { start: peer.region.startKey, end: peer.region.endKey };
    const last = region ?? peer.region;
    this.#forget(peer);
    const placeholder = { region: peer.region } as Peer;
    if (hadData) this.ranges.add(placeholder);
    this.#leaving.add(peer.regionId);
    try {
      // What puts a snapshot in its place would write over its tombstone, and into what is others' by then.
      await peer.installed;
      while (this.#isApplying && peer.isApplying) await this.turnEnd();
      const state: RegionState = { kind: "tombstone", region: last, peerId: peer.id, merge: null, snapshot: null };
      await this.engine.write([regionStateWrite(state), { kind: "delete", family: "local", key: applyStateKey(peer.regionId) }], {
        sync: true,
      });
      await new Promise<void>((done) => this.#destroyLog(peer, done));
      if (hadData) await this.#clearRange(range);
      await this.snapshots.forget(peer.regionId);
    } finally {
      if (hadData) this.ranges.remove(placeholder);
      this.#leaving.delete(peer.regionId);
    }
  }

  turnEnd(): Promise<void> {
    return new Promise((done) => this.world.clock.afterTurn(done));
  }

  // ── snapshots ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Whether a region that is in a snapshot's place goes when that is put there. Owners of a key have ever higher versions, so the
   * one in its place is old; but it may live on elsewhere with less, or be waited for by a neighbour here that is to take it in.
   */
  isSwallowed(other: Peer, region: Region): boolean {
    if (this.peers.get(other.region.id) !== other) return false; // a range that is being cleared
    if (other.isApplying || other.isInstalling || region.version <= other.region.version) return false;
    const { merge } = other;
    if (other.kind === "merging" && merge !== null && merge.target.id === region.id) return region.version > merge.target.version;
    if (other.mergedInto === 0) return false;
    const target = this.peers.get(other.mergedInto);
    return target === undefined || !target.isInitialized || target.mergedInto !== 0 || target.regionId === region.id;
  }

  /** False when Raft has no use for it. */
  stepSnapshot(peer: Peer, message: Extract<Message, { kind: "snapshot" }>, file: SnapshotFile): boolean {
    peer.snapshot = file;
    this.wake(peer);
    peer.raft.step(message);
    this.#takeReady(peer, this.world.clock.monotonicMs());
    this.markDirty(peer);
    if (peer.snapshot !== file) return true;
    peer.snapshot = null;
    return false;
  }

  /** The raft core took a snapshot in place of its log: data and log follow. */
  #beginInstall(peer: Peer, ready: Ready): void {
    const file = peer.snapshot;
    assert(file !== null && file.index === ready.snapshot?.index, "a snapshot is on disk before the peer hears of it");
    peer.snapshot = null;
    this.#startInstall(peer, file, ready);
  }

  #startInstall(peer: Peer, file: SnapshotFile, ready: Ready | null): void {
    const work = this.#install(peer, file, ready);
    peer.installed = work.catch(() => {}); // the store ends with it
    this.background(work);
  }

  /**
   * In steps that a crash may part: "applying" with the file's name is durable, then the log begins anew, then the data is
   * replaced, and at last "normal" with the position. Whoever finds "applying" does all of it again.
   */
  async #install(peer: Peer, file: SnapshotFile, ready: Ready | null): Promise<void> {
    peer.isInstalling = true;
    const { region } = file;
    const old = peer.isInitialized ? peer.region : null;
    const base = { index: file.index, term: file.term };
    this.ranges.remove(peer);
    const swallowed = this.ranges.overlapping(region);
    for (const other of swallowed) this.#forget(other);
    // What they, and this peer, had outside of the snapshot's range stays taken until it is cleared: its next owner may be on its way.
    const rests = [...swallowed.map((other) => other.region), ...(old === null ? [] : [old])]
      .flatMap((before) => restsOf(before, region))
      .map((rest) => ({ region: rest }) as Peer);
    for (const rest of rests) this.ranges.add(rest);
    peer.setRegion(region);
    peer.kind = "applying";
    peer.merge = null;
    this.ranges.add(peer);
    peer.applyQueue = [];
    peer.failProposals("a snapshot took the place of the log", ({ tick: _tick }, index) => index <= file.index);
    const state: RegionState = { kind: "applying", region, peerId: peer.id, merge: null, snapshot: base };
    const applyState = { applied: base.index, appliedTerm: base.term, truncated: base };
    const tombstones = swallowed.flatMap((other): EngineWrite[] => [
      regionStateWrite({ kind: "tombstone", region: other.region, peerId: other.id, merge: null, snapshot: null }),
      { kind: "delete", family: "local", key: applyStateKey(other.regionId) },
    ]);
    await this.engine.write([...tombstones, regionStateWrite(state), applyStateWrite(region.id, applyState)], { sync: true });
    for (const other of swallowed) this.#dropLog(other);
    await new Promise<void>((done) => {
      this.log.reset(this.#batch, peer.log, base);
      const { hardState } = peer.log;
      const term = Math.max(peer.raft.term, base.term);
      const next =
        ready?.hardState ?? (term > hardState.term ? { term, vote: 0, commit: base.index } : { ...hardState, commit: base.index });
      peer.saidHardState = next;
      this.log.hardState(this.#batch, peer.log, next);
      peer.writesPending++;
      this.#after.push({ peer, last: null, messages: [], counts: true, whenDurable: done });
      this.flushSoon();
    });
    for (const rest of rests) {
      await this.#clearRange({ start: rest.region.startKey, end: rest.region.endKey });
      this.ranges.remove(rest);
    }
    await this.#clearRange({ start: region.startKey, end: region.endKey });
    try {
      await this.snapshots.ingest(file, region);
    } catch (error) {
      if (!raftstoreErrors.snapshotDamaged.is(error) || this.#isClosed) throw error;
      // There is no way back to what was here before: the leader is told, and makes a new replica.
      this.world.log.error("a snapshot was damaged on the disk, its replica is given up", { region: region.id, error });
      this.damaged.add(region.id);
      peer.isInstalling = false;
      this.background(this.destroy(peer, region));
      return;
    }
    await this.engine.write([regionStateWrite({ ...state, kind: "normal", snapshot: null })], { sync: true });
    this.#forgetReadSnapshot();
    await this.snapshots.remove(file);
    this.stats.snapshotsInstalled++;
    peer.isInstalling = false;
    if (peer.isDestroyed) return;
    peer.kind = "normal";
    peer.applied = base.index;
    peer.appliedTerm = base.term;
    peer.truncated = base;
    peer.log.appliedIndex = base.index;
    peer.isMeasured = false;
    if (ready === null) peer.raft.setMembership(membershipOf(region));
    else peer.raft.snapshotPersisted(base.index);
    for (const message of ready?.messagesAfterPersist ?? []) this.mail.send(peer, message);
    const { entries, committed, reads } = ready ?? { entries: [], committed: [], reads: [] };
    this.#handle(peer, { messages: [], hardState: undefined, snapshot: undefined, messagesAfterPersist: [], entries, committed, reads });
    const deferred = peer.deferred;
    peer.deferred = [];
    for (const later of deferred) {
      if (later.snapshot !== undefined) {
        // A second one came while the first was put in place.
        const rest = deferred.slice(deferred.indexOf(later) + 1);
        this.#beginInstall(peer, later);
        peer.deferred.push(...rest);
        break;
      }
      this.#handle(peer, later);
    }
    this.markDirty(peer);
  }

  // ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #arm(): void {
    this.#timer = this.world.clock.timer(this.options.tickMs, () => {
      if (this.#isClosed) return;
      this.#arm();
      try {
        this.#onTick();
      } catch (error) {
        this.fatal(error);
      }
    });
  }

  #onTick(): void {
    const tick = ++this.#tick;
    const { options } = this;
    for (const peer of this.awake) {
      peer.raft.tick();
      if (peer.raft.leader === 0 && peer.isInitialized) this.#onLeaderless(peer);
      else peer.leaderlessTicks = 0;
      if (peer.readsAsked.size > 0) this.#retryReads(peer);
      if (peer.notLeading !== null) {
        // Members that did not answer are asked again: their stores may begin later.
        if (peer.raft.isSilentOfRestart) this.askAround(peer);
        else peer.notLeading = null;
      }
      if (!peer.isLeader && peer.proposals.size > 0)
        peer.failProposals(
          "the leader stepped down, and it is not known what became of the write",
          ({ tick: at }) => tick - at > options.electionTicks * 2,
        );
      if (peer.kind === "merging" && ++peer.mergeTicks % options.mergeCheckTicks === 0) checkMerge(this, peer);
      if (peer.isLeader && tick % options.logGcTicks === 0) this.logGc.propose(peer);
      if (
        peer.isLeader &&
        peer.kind === "normal" &&
        tick % options.splitCheckTicks === 0 &&
        (!peer.isMeasured ||
          peer.bytesSinceCheck >= options.splitCheckDiffBytes ||
          // As with bytes, a region that stays a little under its limit is not read again and again.
          (peer.approximateKeys >= options.maxKeys && peer.keysSinceCheck >= options.maxKeys / 16))
      )
        this.background(this.checks.split(peer));
      if (
        options.consistencyCheckTicks > 0 &&
        peer.isLeader &&
        tick % options.consistencyCheckTicks === peer.regionId % options.consistencyCheckTicks
      )
        this.background(this.checkConsistency(peer.regionId).catch(() => {}));
      if (options.hibernate && peer.isLeader) this.sleep.mayBegin(peer);
      this.markDirty(peer);
    }
    for (const peer of this.#toApply) if (peer.applyQueue.length > 0) this.flushSoon();
    if (tick % options.logGcTicks === 0) this.logGc.collect();
    this.reports.tick();
    if (tick % options.storeHeartbeatTicks === 0 || tick === 1) this.background(this.reports.store());
  }

  #retryReads(peer: Peer): void {
    for (const [context, reads] of peer.readsAsked) {
      const isLate = reads.some(({ deadlineTick }) => deadlineTick <= this.#tick);
      if (isLate) {
        peer.readsAsked.delete(context);
        const error = new RegionError(
          { kind: "readIndexNotReady", regionId: peer.regionId, reason: "no answer of the leader" },
          "no answer of the leader",
        );
        for (const { reject } of reads) reject(error);
      } else if ((reads[0]?.deadlineTick ?? 0) - this.#tick === this.options.electionTicks - 4) peer.raft.readIndex(context); // it may have been lost
    }
  }

  /** Nobody leads: the others are asked by elections; after long the placement driver is, whether this peer is a member at all. */
  #onLeaderless(peer: Peer): void {
    if (++peer.leaderlessTicks % this.options.staleCheckTicks !== 0) return;
    this.background(
      (async () => {
        const known = await this.pd.regionById(peer.regionId).catch(() => null);
        if (known === null || peer.isDestroyed || known.confVer <= peer.region.confVer) return;
        if (peerById(known, peer.id) === undefined) await this.destroy(peer, null);
      })(),
    );
  }

  wake(peer: Peer): void {
    this.sleep.wake(peer);
  }
}

/** The parts of `region` that `other` does not cover. */
function restsOf(region: Region, other: Region): Region[] {
  const rests: Region[] = [];
  const isBefore = region.endKey.length > 0 && compareBytes(region.endKey, other.startKey) <= 0;
  const isBehind = other.endKey.length > 0 && compareBytes(other.endKey, region.startKey) <= 0;
  if (isBefore || isBehind) return [region];
  if (compareBytes(region.startKey, other.startKey) < 0) rests.push({ ...region, endKey: other.startKey });
  const isLonger = other.endKey.length > 0 && (region.endKey.length === 0 || compareBytes(region.endKey, other.endKey) > 0);
  if (isLonger) rests.push({ ...region, startKey: other.endKey });
  return rests;
}

function once(run: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    run();
  };
}
