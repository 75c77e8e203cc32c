/** Small questions about regions and their peers, asked all over the schedulers. */
import type { Peer, PeerId, RegionMeta, RegionView, StoreId } from "../../core/model.ts";

export function peerOn(region: RegionMeta, storeId: StoreId): Peer | null {
  for (const peer of region.peers) if (peer.storeId === storeId) return peer;
  return null;
}

export function peerById(region: RegionMeta, peerId: PeerId): Peer | null {
  for (const peer of region.peers) if (peer.id === peerId) return peer;
  return null;
}

export function leaderOf(region: RegionView): Peer | null {
  return region.leaderPeerId === 0 ? null : peerById(region.meta, region.leaderPeerId);
}

/** 0 when no leader is known. */
export function leaderStore(region: RegionView): StoreId {
  return leaderOf(region)?.storeId ?? 0;
}

export function voters(region: RegionMeta): readonly Peer[] {
  return region.peers.filter((peer) => peer.role === "voter" || peer.role === "incomingVoter");
}

export function learners(region: RegionMeta): readonly Peer[] {
  return region.peers.filter((peer) => peer.role === "learner");
}

export function isInJointState(region: RegionMeta): boolean {
  return region.peers.some((peer) => peer.role === "incomingVoter" || peer.role === "demotingVoter");
}

export function isPending(region: RegionView, peerId: PeerId): boolean {
  return region.pendingPeers.includes(peerId);
}

export function isDown(region: RegionView, peerId: PeerId): boolean {
  return region.downPeers.some((down) => down.peerId === peerId);
}

/** Led, all peers answer and have caught up; learners may lag when `learnersMayLag`. */
export function isHealthy(region: RegionView, learnersMayLag = false): boolean {
  if (leaderOf(region) === null) return false;
  const counts = (peerId: PeerId) => !learnersMayLag || peerById(region.meta, peerId)?.role !== "learner";
  return !region.pendingPeers.some(counts) && !region.downPeers.some((down) => counts(down.peerId));
}

/** The whole of MiB that an empty region of a fresh table has; below it nothing is worth a move on its own. */
export function isEmptyRegion(region: RegionView): boolean {
  return region.approximateSize <= 1 && region.approximateSize !== 0;
}
