/**
 * Messages between stores: whose they are, and what they mean for a peer that is not there any more, not there yet, or asleep.
 *
 *   transport ─▶ deliver ─┬─ Raft's ────▶ the peer, made for it where a leader counts on one
 *                         └─ the store's: removed, gone, merged, wake, began
 */
import type { Message, MessageBody } from "@skein/raft";
import { decodeRegionState, type Envelope, type PeerAddress, regionStateKey } from "./core/codec.ts";
import { isJointRegion, membershipOf, peerById, peerOn } from "./core/region.ts";
import type { Peer } from "./peer.ts";
import type { RaftStore } from "./raft-store.ts";
import { isPending } from "./reports.ts";

export class Mail {
  readonly #store: RaftStore;
  /** Stores whose connection broke, and of which nothing came since. */
  readonly #silent = new Set<number>();

  constructor(store: RaftStore) {
    this.#store = store;
  }

  isSilent(storeId: number): boolean {
    return this.#silent.has(storeId);
  }

  /** Of another store. */
  deliver(envelope: Envelope): void {
    if (this.#store.isClosed || envelope.to.storeId !== this.#store.storeId) return;
    const { content, regionId, from, to } = envelope;
    this.#silent.delete(from.storeId);
    let peer = this.#store.peers.get(regionId);
    if (content.kind === "removed") {
      const isOlder = peer !== undefined && peer.region.confVer < envelope.epoch.confVer;
      if (peer !== undefined && peer.id === to.id && isOlder) this.#store.background(this.#store.destroy(peer, null));
      return;
    }
    if (content.kind === "gone") return this.#replaceGone(envelope);
    if (content.kind === "merged") {
      if (peer?.id === to.id && peer.isInitialized && peer.region.version <= envelope.epoch.version) peer.mergedInto = content.targetId;
      return;
    }
    if (content.kind === "wake" || content.kind === "began") {
      if (peer === undefined) return this.#answerMerged(envelope);
      if (this.#isStale(peer, envelope)) return this.tell(peer, from, "removed");
      this.#store.wake(peer);
      peer.raft.ping(); // whoever asks may not know who leads
      if (content.kind === "began") this.#onBegan(peer, envelope, content);
      return this.#store.markDirty(peer);
    }
    if (peer === undefined) {
      peer = this.#create(envelope) ?? undefined;
      if (peer === undefined) return;
    }
    if (to.id > peer.id) return void (peer.isDestroyed || this.#store.background(this.#store.destroy(peer, null))); // of an earlier incarnation
    if (to.id < peer.id || peer.isDestroyed) return;
    if (this.#isStale(peer, envelope)) return this.tell(peer, from, "removed");
    peer.storeOf.set(from.id, from.storeId);
    const { body } = content;
    // The split that makes its log is on its way here. Told that the log is missing, the leader would send a snapshot, for which there is
    // no place before that; it sends this again with the next heartbeat.
    if (body.kind === "append") {
      if (!peer.isInitialized && this.#store.coming.has(regionId)) return;
      this.#store.coming.note(peer, body.entries);
    }
    if (peer.isAsleep && !(content.sleep || (body.kind === "heartbeatAnswer" && peer.isLeader))) this.#store.wake(peer);
    if (peer.isLeader) {
      peer.heardAt ??= new Map();
      peer.heardAt.set(from.id, this.#store.tickCount);
      if (body.kind === "heartbeatAnswer" && content.sleep) this.#store.sleep.answered(peer, from.id);
    }
    const message: Message = { from: from.id, to: to.id, term: content.term, ...body };
    if (body.kind === "readIndex" && peer.isLeader) this.#store.replicaReads.step(peer, message, body.context);
    else peer.raft.step(message);
    // The placement driver waits for a new peer before it goes on with the region.
    if (peer.pendingTold.includes(from.id) && !isPending(peer, from.id)) this.#store.reports.region(peer);
    if (content.sleep && body.kind === "heartbeat") this.#store.sleep.follow(peer);
    this.#store.markDirty(peer);
  }

  /** A peer that a leader counts on: without data, until the leader sends a snapshot. */
  #create(envelope: Envelope): Peer | null {
    const { content, regionId, from, to, epoch } = envelope;
    if (content.kind !== "raft") return null;
    const { kind } = content.body;
    if (kind !== "vote" && kind !== "preVote" && kind !== "heartbeat" && kind !== "append") return null;
    if (!this.#store.mayCreate(regionId, to.id)) {
      const bytes = this.#store.engine.get("local", regionStateKey(regionId));
      const tombstone = bytes === null ? null : decodeRegionState(bytes);
      if (tombstone !== null && tombstone.merge !== null) {
        this.#answerMerged(envelope);
        return null;
      }
      // A leader whose newest membership still has the peer that was given up here must replace it.
      const isFromLeader = kind === "heartbeat" || kind === "append";
      if (
        tombstone?.peerId === to.id &&
        isFromLeader &&
        epoch.confVer >= tombstone.region.confVer &&
        peerById(tombstone.region, to.id) !== undefined
      )
        this.#store.transport.send({ regionId, from: to, to: from, epoch, content: { kind: "gone" } });
      return null;
    }
    return this.#store.createEmpty(regionId, to.id);
  }

  /** From a peer that was taken out of the region, and does not know it. */
  #isStale(peer: Peer, { from, epoch }: Envelope): boolean {
    return peer.isInitialized && peerById(peer.region, from.id) === undefined && epoch.confVer < peer.region.confVer;
  }

  /** A peer of a region that was taken in by another one here asks for its group. */
  #answerMerged({ regionId, from, to }: Envelope): void {
    const bytes = this.#store.engine.get("local", regionStateKey(regionId));
    const tombstone = bytes === null ? null : decodeRegionState(bytes);
    if (
      tombstone === null ||
      tombstone.merge === null ||
      tombstone.kind !== "tombstone" ||
      peerById(tombstone.region, from.id) === undefined
    )
      return;
    const { confVer, version } = tombstone.region;
    const content = { kind: "merged", targetId: tombstone.merge.target.id } as const;
    this.#store.transport.send({ regionId, from: to, to: from, epoch: { confVer, version }, content });
    this.#store.flushSoon();
  }

  /** Asks all other members whether the group still is: a leader shows itself, a store where it is no more says so. */
  askAround(peer: Peer): void {
    this.#store.wake(peer);
    for (const other of peer.region.peers) {
      if (other.id === peer.id || peer.notLeading?.has(other.id) === true) continue;
      if (peer.notLeading === null) this.tell(peer, other, "wake");
      else this.#tellBegan(peer, other, this.#store.lifeNumber, 0);
    }
  }

  #tellBegan(peer: Peer, to: PeerAddress, life: number, answers: number): void {
    const { confVer, version } = peer.region;
    const from = { id: peer.id, storeId: this.#store.storeId };
    this.#store.transport.send({
      regionId: peer.regionId,
      from,
      to,
      epoch: { confVer, version },
      content: { kind: "began", life, answers, term: peer.bornTerm },
    });
    this.#store.flushSoon();
  }

  /**
   * Members that begin after a restart ask each other who leads (SPEC S11). When nobody does they need not wait until what they
   * may have promised in their last lives is over. Whoever knows of another membership, or of a leader outside of it, keeps still.
   */
  #onBegan(peer: Peer, { from, to, epoch }: Envelope, { life, answers, term }: Extract<Envelope["content"], { kind: "began" }>): void {
    const { region, raft } = peer;
    if (to.id !== peer.id || !peer.isInitialized || peer.kind === "applying" || peerById(region, from.id) === undefined) return;
    if (epoch.confVer !== region.confVer || peer.log.hasChangeAfter(peer.applied)) return;
    if (life !== 0) {
      peer.othersBegan = true;
      raft.leaderGone(from.id, term);
    }
    if (answers === this.#store.lifeNumber) peer.notLeading?.add(from.id);
    const asks = peer.notLeading !== null && !peer.notLeading.has(from.id) ? this.#store.lifeNumber : 0;
    const isLed = peer.isLeader || (raft.leader !== 0 && peerById(region, raft.leader) === undefined);
    if (life !== 0 && !isLed && peer.writesPending === 0) this.#tellBegan(peer, from, asks, life);
    if (peer.notLeading === null || !region.peers.every(({ id }) => id === peer.id || peer.notLeading?.has(id) === true)) return;
    peer.notLeading = null;
    // Those who did not restart have forgotten by now that it led them.
    if (!peer.othersBegan) return raft.endSilence(1);
    // One after the other, another one first in each region: leaders are spread, and votes are not.
    const voters = [...membershipOf(region).voters].sort((a, b) => a - b);
    const place = (voters.indexOf(peer.id) + region.id) % Math.max(1, voters.length);
    raft.endSilence(1 + place * 3 + this.#store.world.random.below(2));
  }

  tell(peer: Peer, to: { readonly id: number; readonly storeId: number }, kind: "removed" | "wake"): void {
    const { confVer, version } = peer.region;
    const from = { id: peer.id, storeId: this.#store.storeId };
    this.#store.transport.send({ regionId: peer.regionId, from, to, epoch: { confVer, version }, content: { kind } });
    this.#store.flushSoon();
  }

  /** A member's replica was given up by its store: it is taken out, so that a new one can come in its place. */
  #replaceGone(envelope: Envelope): void {
    const peer = this.#store.peers.get(envelope.regionId);
    const member = peer === undefined ? undefined : peerById(peer.region, envelope.from.id);
    if (peer === undefined || member === undefined || !peer.isLeader || isJointRegion(peer.region)) return;
    const work = this.#store.changePeers(peer.regionId, [{ kind: "remove", peerId: member.id, storeId: member.storeId }]);
    this.#store.background(work.catch(() => {})); // its store says so again with the next heartbeat
  }

  /** What Raft says; a snapshot goes its own way. */
  send(peer: Peer, message: Message): void {
    if (message.kind === "snapshot") return this.#store.snapshots.send(peer, message.to);
    const storeId = peer.storeOf.get(message.to);
    if (storeId === undefined) return;
    const { from, to, term, ...body } = message as Message & { from: number };
    const { confVer, version } = peer.region;
    const sleep =
      (message.kind === "heartbeat" && peer.wantsSleep) || (message.kind === "heartbeatAnswer" && peer.isAsleep && !peer.isLeader);
    this.#store.transport.send({
      regionId: peer.regionId,
      from: { id: from, storeId: this.#store.storeId },
      to: { id: to, storeId },
      epoch: { confVer, version },
      content: { kind: "raft", term, body: body as MessageBody, sleep },
    });
  }

  unreachable(storeId: number): void {
    this.#silent.add(storeId);
    this.#store.snapshots.unreachable(storeId);
    for (const peer of this.#store.peers.values()) {
      const there = peerOn(peer.region, storeId);
      if (there === undefined) continue;
      if (peer.isLeader) peer.raft.reportUnreachable(there.id);
      else if (peer.raft.leader === there.id && peer.isAsleep) this.#store.wake(peer); // nobody else would notice that its leader is gone
    }
  }
}
