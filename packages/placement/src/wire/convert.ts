/** Between the model of stores and regions and the field's messages. */
import type { Input } from "@skein/rpc";
import type { NodeState, Peer, PeerRole, RegionMeta, StoreMeta, StoreState } from "../core/model.ts";
import type * as metapb from "./metapb.ts";

const roles: Readonly<Record<PeerRole, metapb.PeerRole>> = {
  voter: "Voter",
  learner: "Learner",
  incomingVoter: "IncomingVoter",
  demotingVoter: "DemotingVoter",
};
const states: Readonly<Record<StoreState, metapb.StoreState>> = { up: "Up", offline: "Offline", tombstone: "Tombstone" };
export const nodeStateNames: Readonly<Record<NodeState, metapb.NodeState>> = {
  preparing: "Preparing",
  serving: "Serving",
  removing: "Removing",
  removed: "Removed",
};

function inverse<K extends string, V extends string>(map: Readonly<Record<K, V>>): ReadonlyMap<string, K> {
  return new Map(Object.entries(map).map(([key, value]) => [value as string, key as K]));
}
const rolesByName = inverse(roles);
const statesByName = inverse(states);
const nodeStatesByName = inverse(nodeStateNames);

/** Throws `RangeError`: a replica of a kind that this version does not know must not be taken for a voter. */
function known<K>(map: ReadonlyMap<string, K>, name: string, what: string): K {
  const value = map.get(name);
  if (value === undefined) throw new RangeError(`${what} ${name} is not known here`);
  return value;
}

export function peerOf(peer: metapb.Peer): Peer {
  return { id: peer.id, storeId: peer.store_id, role: known(rolesByName, peer.role, "peer role"), isWitness: peer.is_witness };
}

export function peerMessage(peer: Omit<Peer, "isWitness"> & { readonly isWitness?: boolean }): Input<metapb.Peer> {
  return { id: peer.id, store_id: peer.storeId, role: roles[peer.role], is_witness: peer.isWitness ?? false };
}

/** Keys are copied (a Buffer's `slice` would be a view): a region is kept for longer than the message that it came in. */
export function regionOf(region: metapb.Region): RegionMeta {
  return {
    id: region.id,
    startKey: new Uint8Array(region.start_key),
    endKey: new Uint8Array(region.end_key),
    epoch: { confVer: region.region_epoch?.conf_ver ?? 0, version: region.region_epoch?.version ?? 0 },
    peers: region.peers.map(peerOf),
  };
}

export function regionMessage(region: RegionMeta): Input<metapb.Region> {
  return {
    id: region.id,
    start_key: region.startKey,
    end_key: region.endKey,
    region_epoch: { conf_ver: region.epoch.confVer, version: region.epoch.version },
    peers: region.peers.map(peerMessage),
  };
}

export function storeOf(store: metapb.Store): StoreMeta {
  return {
    id: store.id,
    address: store.address,
    peerAddress: store.peer_address,
    statusAddress: store.status_address,
    state: known(statesByName, store.state, "store state"),
    nodeState: known(nodeStatesByName, store.node_state, "node state"),
    labels: store.labels,
    version: store.version,
    gitHash: store.git_hash,
    deployPath: store.deploy_path,
    startTimestampS: store.start_timestamp,
    lastHeartbeatMs: Number(store.last_heartbeat / 1_000_000n),
    isPhysicallyDestroyed: store.physically_destroyed,
  };
}

export function storeMessage(store: StoreMeta): Input<metapb.Store> {
  return {
    id: store.id,
    address: store.address,
    peer_address: store.peerAddress,
    status_address: store.statusAddress,
    state: states[store.state],
    node_state: nodeStateNames[store.nodeState],
    labels: store.labels,
    version: store.version,
    git_hash: store.gitHash,
    deploy_path: store.deployPath,
    start_timestamp: store.startTimestampS,
    last_heartbeat: BigInt(Math.round(store.lastHeartbeatMs)) * 1_000_000n,
    physically_destroyed: store.isPhysicallyDestroyed,
  };
}
