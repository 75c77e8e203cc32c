/** What becomes of a region that waits to be taken in by its neighbour. */
import { type AdminCommand, decodeRegionState, regionStateKey } from "./core/codec.ts";
import { membershipOf, type Region, sameEpoch } from "./core/region.ts";
import type { Peer } from "./peer.ts";
import type { RaftStore } from "./raft-store.ts";

/** A source that waits: whoever leads the target on this store takes it in; if the target has moved on, the source goes on. */
export function checkMerge(store: RaftStore, peer: Peer): void {
  const { merge } = peer;
  if (merge === null || peer.kind !== "merging" || peer.applied < merge.commit) return;
  const target = store.peers.get(merge.target.id);
  if (target?.isInitialized === false) return;
  if (target !== undefined && sameEpoch(target.region, merge.target)) {
    if (!target.isLeader || target.kind !== "normal" || !target.hasAppliedOwnTerm) return;
    const from = Math.max(merge.minIndex, peer.log.firstIndex);
    const entries = peer.log.entries(from, merge.commit + 1, Number.POSITIVE_INFINITY);
    if (entries.at(-1)?.index !== merge.commit) return;
    const { confVer, version } = target.region;
    const command: AdminCommand = {
      kind: "commitMerge",
      epoch: { confVer, version },
      source: peer.region,
      commit: merge.commit,
      entries,
    };
    store.background(store.propose(target, command).catch(() => {})); // tried again with the next check
    return;
  }
  // Moved on as this store saw it apply: had the target taken this region in before, this peer would be gone. A target that was
  // destroyed here at the very epoch may have done so elsewhere.
  const last = target?.region ?? tombstoneOf(store, merge.target.id);
  const hasMovedOn = last !== null && (last.version > merge.target.version || last.confVer > merge.target.confVer);
  if (!peer.isLeader) return;
  if (!hasMovedOn) {
    // Without the target here nobody can see what became of it: another store's peer leads then, and decides.
    const others = membershipOf(peer.region).voters.filter((id) => id !== peer.id);
    const round = Math.floor(peer.mergeTicks / store.options.electionTicks);
    const next = others[round % Math.max(1, others.length)];
    if (target === undefined && peer.mergeTicks >= store.options.electionTicks && next !== undefined && !peer.raft.isTransferring)
      store.transferLeader(peer.regionId, next);
    return;
  }
  const { confVer, version } = peer.region;
  store.background(store.propose(peer, { kind: "rollbackMerge", epoch: { confVer, version }, commit: merge.commit }).catch(() => {}));
}

function tombstoneOf({ engine }: RaftStore, regionId: number): Region | null {
  const bytes = engine.get("local", regionStateKey(regionId));
  return bytes === null ? null : decodeRegionState(bytes).region;
}
