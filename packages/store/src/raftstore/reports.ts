/** What the placement driver is told: of each region that is led here, and of the store. */
import type { PeerReads, StoreReport } from "./pd-link.ts";
import type { Peer } from "./peer.ts";
import type { RaftStore } from "./raft-store.ts";
import { noReads, readsSince } from "./read-load.ts";

/** Of reports that fail one after the other. */
const saidEvery = 6;
/** Regions whose reads a store names; the driver looks at far fewer. */
const peerReadsMax = 1000;

export class Reports {
  readonly #store: RaftStore;
  /** Those whose turn has not come in this round. */
  #reportQueue: Iterator<Peer, undefined> = ([] as Peer[]).values();
  #nextReport = 0;
  /** Those that have something to tell, in the order in which it happened. */
  readonly #waiting = new Set<Peer>();
  readonly #traffic = { bytesWritten: 0, keysWritten: 0 };
  #startS = 0;
  #reportedAtS = 0;
  #failedInRow = 0;

  constructor(store: RaftStore) {
    this.#store = store;
  }

  /** Called with each tick. */
  tick(): void {
    // A part of the leaders with each tick, so that all are told of within an interval, asleep or not.
    this.tellWaiting();
    const leaders = this.#store.peers.size;
    if (leaders === 0) return;
    this.#nextReport += leaders / this.#store.options.regionHeartbeatTicks;
    const count = Math.floor(this.#nextReport);
    this.#nextReport -= count;
    for (let i = 0; i < count; i++) {
      let next = this.#reportQueue.next();
      if (next.done === true) {
        this.#reportQueue = [...this.#store.peers.values()].values();
        next = this.#reportQueue.next();
      }
      if (next.done === true) return;
      if (!next.value.isDestroyed && next.value.isLeader) this.region(next.value);
    }
  }

  /** A report that is not taken is told as soon as there is room: until then nobody would find a region that is new. */
  region(peer: Peer): void {
    this.#waiting.add(peer);
    this.tellWaiting();
  }

  tellWaiting(): void {
    for (const peer of this.#waiting) {
      if (!peer.isDestroyed && peer.isLeader && !this.#tell(peer)) return;
      this.#waiting.delete(peer);
    }
  }

  #tell(peer: Peer): boolean {
    const nowS = Math.floor(this.#store.world.clock.nowMs() / 1000);
    const { options } = this.#store;
    const downPeers: { peerId: number; downSeconds: number }[] = [];
    const pendingPeers: number[] = [];
    for (const { id } of peer.region.peers) {
      if (id === peer.id) continue;
      const silent = peer.isAsleep ? 0 : this.#store.tickCount - (peer.heardAt?.get(id) ?? this.#store.tickCount);
      if (silent >= options.peerDownTicks) downPeers.push({ peerId: id, downSeconds: Math.floor((silent * options.tickMs) / 1000) });
      if (isPending(peer, id)) pendingPeers.push(id);
    }
    const isTaken = this.#store.pd.regionHeartbeat({
      region: peer.region,
      leaderPeerId: peer.id,
      term: peer.raft.term,
      downPeers,
      pendingPeers,
      approximateBytes: peer.isMeasured ? peer.approximateBytes + peer.bytesSinceCheck : 0,
      approximateKeys: peer.approximateKeys,
      bytesWritten: peer.bytesWritten,
      keysWritten: peer.keysWritten,
      reads: readsSince(peer.reads, peer.readsTold),
      intervalStartS: peer.reportedAtS === 0 ? nowS : peer.reportedAtS,
      intervalEndS: nowS,
    });
    if (!isTaken) return false;
    peer.pendingTold = pendingPeers;
    peer.reportedAtS = nowS;
    this.#traffic.bytesWritten += peer.bytesWritten;
    this.#traffic.keysWritten += peer.keysWritten;
    peer.bytesWritten = 0;
    peer.keysWritten = 0;
    peer.readsTold = { ...peer.reads };
    return true;
  }

  async store(): Promise<void> {
    const nowS = Math.floor(this.#store.world.clock.nowMs() / 1000);
    if (this.#startS === 0) this.#startS = this.#reportedAtS = nowS;
    const { sending, receiving, installing } = this.#store.snapshots;
    const report = {
      storeId: this.#store.storeId,
      startTimeS: this.#startS,
      regionCount: this.#store.peers.size,
      sendingSnapCount: sending,
      receivingSnapCount: receiving,
      applyingSnapCount: installing,
      // It is to get no more leaders then.
      isBusy: !this.#store.hasRoom,
      bytesWritten: this.#traffic.bytesWritten,
      keysWritten: this.#traffic.keysWritten,
      ...this.#reads(),
      intervalStartS: this.#reportedAtS,
      intervalEndS: nowS,
      damagedRegionIds: [...this.#store.damaged],
    };
    this.#traffic.bytesWritten = 0;
    this.#traffic.keysWritten = 0;
    this.#reportedAtS = nowS;
    // A placement driver that cannot be reached hears of it with the next one.
    const { log } = this.#store.world;
    try {
      await this.#store.pd.storeHeartbeat(report);
      if (this.#failedInRow > 0) log.info("the placement driver hears of this store again");
      this.#failedInRow = 0;
    } catch (error) {
      if (this.#store.isClosed) return;
      if (this.#failedInRow++ % saidEvery === 0)
        log.warn("the placement driver hears nothing of this store, which serves on by what it knows", { error });
    }
  }

  /** Since the last time. What replicas that follow serve is told here only. */
  #reads(): Pick<StoreReport, "reads" | "peerReads"> {
    const reads = { ...noReads };
    let peerReads: PeerReads[] = [];
    for (const peer of this.#store.peers.values()) {
      const since = readsSince(peer.reads, peer.readsToldOfStore);
      if (since.gets === 0 && since.scans === 0 && since.keys === 0) continue;
      peer.readsToldOfStore = { ...peer.reads };
      for (const what of ["bytes", "keys", "gets", "scans"] as const) reads[what] += since[what];
      peerReads.push({ regionId: peer.regionId, ...since });
    }
    if (peerReads.length > peerReadsMax) peerReads = peerReads.sort((a, b) => b.bytes + b.keys - a.bytes - a.keys).slice(0, peerReadsMax);
    return { reads, peerReads };
  }
}

/** The leader cannot give it the log alone any more: it waits for a snapshot, or takes one. */
export function isPending(leader: Peer, id: number): boolean {
  const progress = leader.raft.progress.get(id);
  return progress !== undefined && (progress.match < leader.truncated.index || progress.state.kind === "snapshot");
}
