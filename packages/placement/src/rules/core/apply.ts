/** What a change makes of a region, when all goes well. */
import type { Peer, PeerId, RegionView, StoreId } from "../../core/model.ts";

/** The region after a change that went well. */
export function applyTarget(
  region: RegionView,
  target: ReadonlyMap<StoreId, "voter" | "learner">,
  leader: StoreId | null,
  newPeerId: () => PeerId,
): RegionView {
  const peers: Peer[] = [];
  for (const peer of region.meta.peers) {
    const role = target.get(peer.storeId);
    if (role !== undefined) peers.push({ ...peer, role });
  }
  for (const [storeId, role] of target)
    if (!peers.some((peer) => peer.storeId === storeId)) peers.push({ id: newPeerId(), storeId, role, isWitness: false });
  const voters = peers.filter((peer) => peer.role === "voter");
  const isWell = (peer: Peer) => !region.downPeers.some((down) => down.peerId === peer.id);
  const now = peers.find((peer) => peer.id === region.leaderPeerId && peer.role === "voter");
  const wanted = leader === null ? undefined : voters.find((peer) => peer.storeId === leader);
  const next = wanted ?? now ?? voters.find(isWell) ?? voters[0];
  const ids = new Set(peers.map((peer) => peer.id));
  return {
    ...region,
    leaderPeerId: next?.id ?? 0,
    downPeers: region.downPeers.filter((down) => ids.has(down.peerId)),
    pendingPeers: region.pendingPeers.filter((id) => ids.has(id)),
    meta: { ...region.meta, peers, epoch: { ...region.meta.epoch, confVer: region.meta.epoch.confVer + 1 } },
  };
}
