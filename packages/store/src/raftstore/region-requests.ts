/** What clients and the placement driver want done with regions that this store leads: each becomes an administrative entry. */
import { compareBytes } from "@skein/base";
import { Encoder } from "../raftlog/core/encoder.ts";
import { type RegionDescription, RegionError } from "../region-kv.ts";
import { mergingError } from "./apply.ts";
import { type AdminCommand, encodeAdmin, isAdministrative } from "./core/codec.ts";
import { changePeers, containsKey, isJointRegion, membershipOf, type PeerChange, peerById, type Region, sameEpoch } from "./core/region.ts";
import type { RegionAction } from "./pd-link.ts";
import { busy, type Peer } from "./peer.ts";
import type { RaftStore } from "./raft-store.ts";

export class RegionRequests {
  readonly #store: RaftStore;
  readonly #scratch = new Encoder(64 * 1024);

  constructor(store: RaftStore) {
    this.#store = store;
  }

  /** Proposes and waits until it is applied. Rejects with a `RegionError`. */
  propose(peer: Peer, command: AdminCommand): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#store.wake(peer);
      const data = encodeAdmin(this.#scratch, command);
      const result = command.kind === "changePeers" ? this.#proposeChange(peer, command, data) : peer.raft.propose(data);
      if (result === "notLeader") return reject(peer.notLeader());
      if (typeof result === "string") return reject(busy(`a proposal is ${result}`));
      if (command.kind === "split" || command.kind === "prepareMerge" || command.kind === "commitMerge") peer.leaseBlockedTo = result.index;
      peer.addProposal(result.index, {
        term: result.term,
        tick: this.#store.tickCount,
        done: (outcome) => (outcome === "applied" ? resolve() : reject(outcome)),
      });
      this.#store.stats.proposals++;
      this.#store.markDirty(peer);
    });
  }

  #proposeChange(peer: Peer, command: Extract<AdminCommand, { kind: "changePeers" }>, data: Uint8Array) {
    const next = changePeers(peer.region, command.changes, peer.id);
    if ("refused" in next) return "busy" as const;
    return peer.raft.proposeMembership(membershipOf(next.region), data);
  }

  /** Splits at `keys` with ids of the placement driver. Gives the regions that came of it, in key order. */
  async split(regionId: number, keys: readonly Uint8Array[]): Promise<RegionDescription[]> {
    const peer = this.#leading(regionId);
    const { region } = peer;
    const sorted = [...keys].sort(compareBytes).filter((key, i, all) => i === 0 || compareBytes(all[i - 1] as Uint8Array, key) !== 0);
    for (const key of sorted)
      if (!containsKey(region, key) || compareBytes(region.startKey, key) === 0)
        throw new RegionError({ kind: "keyNotInRegion", key, region }, `a split key is not inside of region ${regionId}`);
    if (sorted.length === 0) return [region];
    const parts = await this.#store.pd.askBatchSplit(region, sorted.length);
    const epoch = { confVer: region.confVer, version: region.version };
    await this.propose(this.#leading(regionId), { kind: "split", epoch, keys: sorted, parts, rightDerive: true });
    return [...parts.map(({ regionId: id }) => id), regionId].flatMap((id) => this.#store.peers.get(id)?.region ?? []);
  }

  async changePeers(regionId: number, changes: readonly PeerChange[]): Promise<void> {
    const peer = this.#leading(regionId);
    const { region } = peer;
    const next = changePeers(region, changes, peer.id);
    if ("refused" in next) throw new RegionError({ kind: "staleCommand" }, next.refused);
    if (peer.kind === "merging") throw mergingError(regionId);
    this.#store.wake(peer); // while it slept it heard of nobody
    const refusal = this.#wouldStarve(peer, next.region);
    if (refusal !== null) throw new RegionError({ kind: "staleCommand" }, refusal);
    const epoch = { confVer: region.confVer, version: region.version };
    await this.propose(peer, { kind: "changePeers", epoch, changes, leaderId: peer.id });
  }

  /** A change that leaves a majority of voters that were not heard of lately would stop the region (and take `promoted commit index` back). */
  #wouldStarve(peer: Peer, next: Region): string | null {
    const { voters } = membershipOf(next);
    const before = new Set(membershipOf(peer.region).voters);
    // New voters that are still far behind count as silent: they cannot help to commit yet.
    const silent = voters.filter((id) => {
      if (id === peer.id) return false;
      const progress = peer.raft.progress.get(id);
      if (progress === undefined) return true;
      if (!before.has(id) && progress.match < peer.truncated.index) return true;
      return this.#store.tickCount - (peer.heardAt?.get(id) ?? 0) > this.#store.options.heartbeatTicks * 2 + 1;
    });
    // Alone, a voter has to begin with somebody that it never heard of.
    if (before.size > 1 && voters.length > 1 && silent.length * 2 >= voters.length)
      return "too many voters of the new configuration do not answer";
    return null;
  }

  transferLeader(regionId: number, peerId: number): boolean {
    const peer = this.#leading(regionId);
    const progress = peer.raft.progress.get(peerId);
    const target = peerById(peer.region, peerId);
    if (target === undefined || progress === undefined || (target.role !== "voter" && target.role !== "incomingVoter")) return false;
    if (progress.state.kind === "snapshot" || peer.raft.lastIndex - progress.match > this.#store.options.transferLagMax) return false;
    this.#store.wake(peer);
    const began = peer.raft.transferLeader(peerId);
    this.#store.markDirty(peer);
    return began;
  }

  /** Begins to merge `regionId` into its neighbour `targetId`; done when the source is gone (or it was rolled back). */
  async merge(regionId: number, target: Region): Promise<void> {
    const peer = this.#leading(regionId);
    const { region } = peer;
    const refuse = (text: string) => new RegionError({ kind: "staleCommand" }, text);
    const isNeighbour =
      (region.endKey.length > 0 && compareBytes(region.endKey, target.startKey) === 0) ||
      (target.endKey.length > 0 && compareBytes(target.endKey, region.startKey) === 0);
    if (!isNeighbour) throw refuse("the regions are no neighbours");
    const local = this.#store.peers.get(target.id);
    if (local === undefined || local.kind !== "normal" || !sameEpoch(local.region, target)) throw refuse("the target has moved on");
    const places = (of: Region) =>
      of.peers
        .map(({ storeId, role }) => `${storeId}:${role}`)
        .sort()
        .join();
    if (places(region) !== places(target) || isJointRegion(region)) throw refuse("the regions are not on the same stores");
    if (peer.kind !== "normal") throw mergingError(regionId);
    const last = peer.raft.lastIndex;
    let minIndex = last;
    for (const progress of peer.raft.progress.values()) {
      if (progress.peer === peer.id) continue;
      if (progress.state.kind !== "replicate") throw refuse("a peer of the source is behind");
      minIndex = Math.min(minIndex, progress.match);
    }
    if (last - minIndex > this.#store.options.mergeLogGapMax || minIndex < peer.log.firstIndex - 1)
      throw refuse("the gap of the source's logs is too large");
    for (const entry of peer.log.entries(minIndex + 1, peer.log.lastIndex + 1, Number.POSITIVE_INFINITY))
      if (isAdministrative(entry.data)) throw refuse("an administrative entry is on its way");
    if (peer.log.lastIndex < last) throw refuse("entries are on their way");
    const epoch = { confVer: region.confVer, version: region.version };
    await this.propose(peer, { kind: "prepareMerge", epoch, minIndex, target });
  }

  /** Compares the replicas at a point of the log: one that differs ends its store's process with a coded error. */
  async checkConsistency(regionId: number): Promise<void> {
    await this.propose(this.#leading(regionId), { kind: "computeHash" });
  }

  #leading(regionId: number): Peer {
    const peer = this.#store.peers.get(regionId);
    if (peer === undefined) throw new RegionError({ kind: "regionNotFound", regionId }, `region ${regionId} is not on this store`);
    if (!peer.isLeader) throw peer.notLeader();
    return peer;
  }

  carryOut(action: RegionAction): void {
    const peer = this.#store.peers.get(action.regionId);
    if (peer === undefined || !peer.isLeader) return;
    if (action.epoch.version !== peer.region.version || action.epoch.confVer !== peer.region.confVer) return; // ordered for a region that was
    const work = async (): Promise<void> => {
      switch (action.kind) {
        case "changePeers":
          return this.changePeers(action.regionId, action.changes);
        case "transferLeader":
          this.transferLeader(action.regionId, action.peerId);
          return;
        case "split":
          if (action.keys.length > 0) await this.split(action.regionId, action.keys);
          else await this.#store.checks.splitInMiddle(peer);
          return;
        case "merge":
          return this.merge(action.regionId, action.target);
      }
    };
    this.#store.background(
      work().catch((error: unknown) => {
        // The placement driver sees that nothing changed, and decides anew.
        this.#store.world.log.info("a region action was not carried out", {
          regionId: action.regionId,
          action: action.kind,
          reason: String(error),
        });
      }),
    );
  }
}
