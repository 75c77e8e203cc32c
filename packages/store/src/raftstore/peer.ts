/**
 * One region's replica on this store: its Raft state, what waits on it, and what is known of it. It decides nothing about other
 * regions and does no I/O: `RaftStore` drives it.
 */
import { type Entry, type HardState, type LogView, Raft, type Ready } from "@skein/raft";
import type { LogPosition, RegionLog } from "../raftlog/raft-log-store.ts";
import { RegionError, type RegionWrite } from "../region-kv.ts";
import type { ApplyState, MergeState, RegionStateKind } from "./core/codec.ts";
import { membershipOf, type Region } from "./core/region.ts";
import type { RaftStoreOptions } from "./options.ts";
import { noReads, type ReadLoad } from "./read-load.ts";

export interface PendingWrite {
  readonly writes: readonly RegionWrite[];
  readonly bytes: number;
  readonly term: number;
  readonly version: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface PendingRead {
  readonly version: number;
  /** Of a transaction that reads a replica; 0: of none. */
  readonly readTs: bigint;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly deadlineTick: number;
}

/** Of one entry that was proposed here. */
export interface Proposal {
  readonly term: number;
  readonly tick: number;
  readonly done: (outcome: "applied" | RegionError) => void;
}

/** A received snapshot, whole and on disk. */
export interface SnapshotFile {
  readonly path: string;
  readonly index: number;
  readonly term: number;
  readonly region: Region;
}

export class Peer {
  readonly regionId: number;
  readonly id: number;
  readonly log: RegionLog;
  readonly raft: Raft;
  readonly #isSilent: (storeId: number) => boolean;
  /** Without peers as long as this replica has no data (it waits for a snapshot). */
  region: Region;
  kind: RegionStateKind = "normal";
  merge: MergeState | null = null;
  applied: number;
  appliedTerm: number;
  truncated: LogPosition;
  /** Stores of peers that messages came from, also of those that the region does not name (any more, or yet). */
  readonly storeOf = new Map<number, number>();

  // ── with the driver ──
  isDirty = false;
  isDestroyed = false;
  /** Batches of the log that carry something of this peer and are not durable. */
  writesPending = 0;
  saidHardState: HardState;
  /** Something durable says that this replica is here: after a crash it is known that it may have promised something. */
  isRecorded: boolean;
  applyQueue: Entry[] = [];
  /** The head of `applyQueue` is in the batch that is being applied. */
  isApplying = false;
  snapshot: SnapshotFile | null = null;
  /** The region that took this one in elsewhere; 0 as far as is known here. */
  mergedInto = 0;
  isInstalling = false;
  /** The end of the last snapshot that was put in its place. */
  installed: Promise<void> | null = null;
  /** Readies that wait until a snapshot is installed. */
  deferred: Ready[] = [];

  // ── leadership ──
  leadTerm = 0;
  /** When rounds of heartbeats went out. */
  rounds: { readonly round: number; readonly ms: number }[] = [];
  roundsSeen = 0;
  leaseFromMs = Number.NEGATIVE_INFINITY;
  /** No lease before this index is applied: an entry up to it moves keys to another region. */
  leaseBlockedTo = 0;
  /** Peers that wait for a snapshot, as the placement driver was told last. */
  pendingTold: readonly number[] = [];
  /** Peers → the tick at which they were last heard of. */
  heardAt: Map<number, number> | null = null;

  // ── clients ──
  queued: PendingWrite[] = [];
  queuedBytes = 0;
  readonly proposals = new Map<number, Proposal[]>();
  readsNew: PendingRead[] = [];
  readonly readsAsked = new Map<string, PendingRead[]>();
  readsReady: { readonly index: number; readonly reads: readonly PendingRead[] }[] = [];

  // ── idleness ──
  isAsleep = false;
  quietTicks = 0;
  /** A leader with nothing to do: its heartbeats ask its peers to sleep. */
  wantsSleep = false;
  sleepers: Set<number> | null = null;
  leaderlessTicks = 0;

  /** Since a restart: members that said that they do not lead. Null: this peer asks nobody (any more). */
  notLeading: Set<number> | null = null;
  /** Another member has restarted, too. */
  othersBegan = false;
  /** The term that this life began with: it leads none but later ones. */
  readonly bornTerm: number;

  // ── size and traffic ──
  approximateBytes = 0;
  approximateKeys = 0;
  bytesSinceCheck = 0;
  keysSinceCheck = 0;
  isMeasured = false;
  isChecking = false;
  bytesWritten = 0;
  keysWritten = 0;
  /** Since this store started. */
  readonly reads: ReadLoad = { bytes: 0, keys: 0, gets: 0, scans: 0 };
  /** Of them, what the region's heartbeats have told; and the store's. */
  readsTold: ReadLoad = noReads;
  readsToldOfStore: ReadLoad = noReads;
  reportedAtS = 0;
  compactHeldTicks = 0;
  mergeTicks = 0;
  hash: { readonly index: number; readonly hash: number } | null = null;

  constructor(init: {
    readonly id: number;
    readonly region: Region;
    readonly log: RegionLog;
    readonly applyState: ApplyState;
    readonly isRestarted: boolean;
    /** Of the replica without data that it takes the place of. */
    readonly promiseTicks: number;
    readonly options: RaftStoreOptions;
    readonly draw: (limit: number) => number;
    /** Whether the connection to a store broke, and nothing came from it since. */
    readonly isSilent: (storeId: number) => boolean;
  }) {
    const { region, log, applyState, options } = init;
    this.#isSilent = init.isSilent;
    this.regionId = region.id;
    this.id = init.id;
    this.region = region;
    this.log = log;
    this.applied = applyState.applied;
    this.appliedTerm = applyState.appliedTerm;
    this.truncated = applyState.truncated;
    log.appliedIndex = applyState.applied;
    for (const peer of region.peers) this.storeOf.set(peer.id, peer.storeId);
    const view: LogView = {
      get firstIndex() {
        return log.firstIndex;
      },
      get lastIndex() {
        return log.lastIndex;
      },
      term: (index) => log.term(index),
      entries: (from, to, bytesMax) => log.entries(from, to, bytesMax),
      snapshot: () => ({ index: this.applied, term: this.appliedTerm, membership: membershipOf(this.region) }),
    };
    // The commit index is written along with other things only, so it may be behind what is applied; and never behind the log's begin.
    const commit = Math.min(log.lastIndex, Math.max(log.hardState.commit, applyState.applied));
    this.saidHardState = { ...log.hardState, commit };
    this.bornTerm = log.hardState.term;
    this.isRecorded = region.peers.length > 0 || log.stateSegment !== 0;
    this.raft = new Raft({
      id: init.id,
      log: view,
      hardState: this.saidHardState,
      membership: membershipOf(region),
      applied: applyState.applied,
      electionTicks: options.electionTicks,
      heartbeatTicks: options.heartbeatTicks,
      draw: init.draw,
      appendBytesMax: options.appendBytesMax,
      inflightMax: options.inflightMax,
      uncommittedBytesMax: options.uncommittedBytesMax,
      applyBytesMax: 1024 * 1024,
      autoLeave: false,
      isRestarted: init.isRestarted,
      promiseTicks: init.promiseTicks,
    });
  }

  get isInitialized(): boolean {
    return this.region.peers.length > 0;
  }
  get isLeader(): boolean {
    return this.raft.role === "leader";
  }

  setRegion(region: Region): void {
    this.region = region;
    for (const peer of region.peers) this.storeOf.set(peer.id, peer.storeId);
  }

  // ── checks of requests ──────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * A leader whose store is gone is not named, though no other one is known before an election: clients would go there, and Python's
   * (0.0.4) drops those parts of a transaction whose leader it cannot connect to, and commits the others.
   */
  notLeader(): RegionError {
    const { leader } = this.raft;
    const storeId = this.storeOf.get(leader);
    const isNobody = leader === 0 || leader === this.id || storeId === undefined || this.#isSilent(storeId);
    const known = isNobody ? null : { id: leader, storeId };
    return new RegionError(
      { kind: "notLeader", regionId: this.regionId, leader: known },
      `region ${this.regionId} is led by ${known === null ? "nobody that this peer knows" : `store ${known.storeId}`}`,
    );
  }

  epochNotMatch(): RegionError {
    return new RegionError({ kind: "epochNotMatch", current: [this.region] }, `the epoch of region ${this.regionId} has moved on`);
  }

  /** Everything that was acknowledged is applied here, as long as nobody else leads. */
  get hasAppliedOwnTerm(): boolean {
    return this.appliedTerm === this.raft.term;
  }

  mayLeaseRead(nowMs: number, leaseMs: number): boolean {
    if (!this.isLeader || !this.hasAppliedOwnTerm || !this.raft.mayLease || this.applied < this.leaseBlockedTo) return false;
    const confirmed = this.raft.confirmedRound;
    let done = 0;
    while (done < this.rounds.length && (this.rounds[done] as { round: number }).round <= confirmed) {
      this.leaseFromMs = (this.rounds[done] as { ms: number }).ms;
      done++;
    }
    if (done > 0) this.rounds.splice(0, done);
    return nowMs < this.leaseFromMs + leaseMs;
  }

  /** A round of heartbeats goes out with this turn. */
  noteRound(ms: number): void {
    const { round } = this.raft;
    if (round === this.roundsSeen) return;
    this.roundsSeen = round;
    this.rounds.push({ round, ms });
    if (this.rounds.length > 64) this.rounds.splice(0, 32);
  }

  // ── what becomes of waiting requests ────────────────────────────────────────────────────────────────────────────────

  addProposal(index: number, proposal: Proposal): void {
    const there = this.proposals.get(index);
    if (there === undefined) this.proposals.set(index, [proposal]);
    else there.push(proposal);
  }

  /** An entry is applied: proposals at its index were either this entry, or lost. `refusal`: it was applied without effect. */
  settle(entry: Entry, refusal: RegionError | null): void {
    const there = this.proposals.get(entry.index);
    if (there === undefined) return;
    this.proposals.delete(entry.index);
    for (const { term, done } of there) {
      if (term === entry.term) done(refusal ?? "applied");
      else done(new RegionError({ kind: "staleCommand" }, `another leader of region ${this.regionId} put something else in its place`));
    }
  }

  failProposals(message: string, isOld: (proposal: Proposal, index: number) => boolean = () => true): void {
    for (const [index, proposals] of this.proposals) {
      const kept = proposals.filter((proposal) => !isOld(proposal, index));
      for (const proposal of proposals)
        if (!kept.includes(proposal)) proposal.done(new RegionError({ kind: "undetermined", message }, message));
      if (kept.length === 0) this.proposals.delete(index);
      else this.proposals.set(index, kept);
    }
  }

  failQueued(error: RegionError): void {
    for (const write of this.queued.splice(0)) write.reject(error);
    this.queuedBytes = 0;
  }

  failReads(error: RegionError): void {
    for (const read of this.readsNew.splice(0)) read.reject(error);
    for (const reads of this.readsAsked.values()) for (const read of reads) read.reject(error);
    this.readsAsked.clear();
    for (const { reads } of this.readsReady.splice(0)) for (const read of reads) read.reject(error);
  }
}

export function busy(reason: string): RegionError {
  return new RegionError({ kind: "serverIsBusy", reason, backoffMs: 100 }, reason);
}
