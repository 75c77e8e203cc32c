/** Idle regions: their clocks stand, and nothing is sent, until somebody wants something of them. */
import type { Peer } from "./peer.ts";
import type { RaftStore } from "./raft-store.ts";

export class Sleep {
  readonly #store: RaftStore;

  constructor(store: RaftStore) {
    this.#store = store;
  }

  wake(peer: Peer): void {
    peer.quietTicks = 0;
    peer.wantsSleep = false;
    peer.sleepers = null;
    if (!peer.isAsleep) return;
    peer.isAsleep = false;
    this.#store.awake.add(peer);
    if (peer.isLeader) {
      peer.heardAt = new Map(peer.region.peers.map(({ id }) => [id, this.#store.tickCount]));
      peer.raft.ping();
      this.#store.markDirty(peer);
    } else {
      const leader = peer.raft.leader;
      const storeId = peer.storeOf.get(leader);
      if (leader !== 0 && storeId !== undefined) this.#store.mail.tell(peer, { id: leader, storeId }, "wake");
    }
  }

  /** A leader whose peers have everything asks them to sleep; when all do, it sleeps, too. */
  mayBegin(peer: Peer): void {
    if (peer.kind !== "normal" || !peer.raft.isQuiet || peer.proposals.size > 0 || peer.queued.length > 0) {
      peer.quietTicks = 0;
      peer.wantsSleep = false;
      return;
    }
    if (++peer.quietTicks < this.#store.options.hibernateTicks) return;
    const others = peer.region.peers.filter(({ id }) => id !== peer.id).length;
    if (others === 0) return this.#sleep(peer);
    peer.sleepers ??= new Set();
    peer.wantsSleep = true;
  }

  answered(peer: Peer, from: number): void {
    if (peer.sleepers === null || peer.isAsleep) return;
    peer.sleepers.add(from);
    if (peer.sleepers.size < peer.region.peers.length - 1 || !peer.raft.isQuiet) return;
    peer.wantsSleep = false;
    peer.sleepers = null;
    this.#sleep(peer);
  }

  /** A follower that has everything, asked to sleep by its leader. */
  follow(peer: Peer): void {
    const { raft } = peer;
    if (
      peer.isLeader ||
      raft.leader === 0 ||
      raft.committed !== raft.lastIndex ||
      peer.applied !== raft.committed ||
      peer.kind !== "normal"
    )
      return;
    this.#sleep(peer);
  }

  #sleep(peer: Peer): void {
    peer.isAsleep = true;
    this.#store.awake.delete(peer);
    // Of many regions, what they hold only while they work counts. The next read begins with a round, as these are too old for a lease.
    peer.rounds = [];
    peer.heardAt = null;
  }
}
