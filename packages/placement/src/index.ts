export type {
  ClusterView,
  DownPeer,
  Label,
  NodeState,
  Peer,
  PeerId,
  PeerRole,
  RegionEpoch,
  RegionId,
  RegionMeta,
  RegionReplicationState,
  RegionView,
  StoreId,
  StoreMeta,
  StoreState,
  StoreStats,
  StoreView,
} from "./core/model.ts";
export type { PeerChange, PeerChangeType, RegionAction } from "./core/region-action.ts";
export { detailOf, pdErrors } from "./errors.ts";
