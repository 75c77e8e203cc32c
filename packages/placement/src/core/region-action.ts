/**
 * What the placement driver asks of a region's leader: at most one at a time, in the answer to a heartbeat or pushed between two.
 * Region, epoch and leader are put around it when it is sent: a leader that has changed since drops it.
 */
import type { Peer, PeerId, RegionMeta } from "./model.ts";

export type PeerChangeType = "addNode" | "removeNode" | "addLearnerNode";

/** One peer that is to come, to go, or to vote no longer. */
export interface PeerChange {
  readonly type: PeerChangeType;
  readonly peer: Peer;
}

/** One step; the store does it if region and epoch are still those that it was meant for. */
export type RegionAction =
  | { readonly kind: "changePeer"; readonly change: PeerChange }
  /** An empty list leaves the joint state. */
  | { readonly kind: "changePeerV2"; readonly changes: readonly PeerChange[] }
  /** `peers` are those that may lead; the store chooses the best of them. */
  | { readonly kind: "transferLeader"; readonly peer: Peer; readonly peers: readonly Peer[] }
  | { readonly kind: "merge"; readonly target: RegionMeta }
  | { readonly kind: "splitRegion"; readonly policy: "scan" | "approximate" | "useKey"; readonly keys: readonly Uint8Array[] }
  | { readonly kind: "switchWitnesses"; readonly switches: readonly { readonly peerId: PeerId; readonly isWitness: boolean }[] };
