/**
 * A region as the cluster model keeps it: one small object. What others read is a `RegionView` that is made when they ask; a million
 * of those would not fit.
 */
import type { DownPeer, Peer, PeerRole, RegionMeta, RegionReplicationState, RegionView } from "../core/model.ts";
import { type KeyText, keyBytes, keyText } from "./keys.ts";

/** A peer is four numbers in a row: id, store, role and witness, place in its store's list. */
export const peerStride = 4;
export const peerRoles: readonly PeerRole[] = ["voter", "learner", "incomingVoter", "demotingVoter"];
const replicationStates: readonly RegionReplicationState[] = ["unknown", "simpleMajority", "integrityOverLabel"];
export const witnessBit = 4;
const noDownPeers: readonly DownPeer[] = [];
const noPeerIds: readonly number[] = [];

export class RegionRecord {
  id = 0;
  start: KeyText = "";
  /** "" is the end of all keys. */
  end: KeyText = "";
  confVer = 0;
  version = 0;
  peers: number[] = [];
  leaderPeerId = 0;
  term = 0;
  downPeers: readonly DownPeer[] = noDownPeers;
  pendingPeers: readonly number[] = noPeerIds;
  sizeMib = 0;
  approximateKeys = 0;
  bytesWritten = 0;
  bytesRead = 0;
  keysWritten = 0;
  keysRead = 0;
  queriesWritten = 0;
  queriesRead = 0;
  cpuUsage = 0;
  intervalS = 0;
  replicationState = 0;
  replicationStateId = 0;

  holds(key: KeyText): boolean {
    return key >= this.start && (this.end === "" || key < this.end);
  }
}

export function recordOf(view: RegionView): RegionRecord {
  const record = new RegionRecord();
  const { meta } = view;
  record.id = meta.id;
  record.start = keyText(meta.startKey);
  record.end = keyText(meta.endKey);
  record.confVer = meta.epoch.confVer;
  record.version = meta.epoch.version;
  // Of its final length at once: lists that grow keep room to spare.
  const peers = Array.from({ length: meta.peers.length * peerStride }, () => 0);
  meta.peers.forEach((peer, at) => {
    peers[at * peerStride] = peer.id;
    peers[at * peerStride + 1] = peer.storeId;
    peers[at * peerStride + 2] = peerRoles.indexOf(peer.role) | (peer.isWitness ? witnessBit : 0);
  });
  record.peers = peers;
  takeState(record, view);
  return record;
}

/** What is not the region's shape: leader, sizes, flow. */
export function takeState(record: RegionRecord, view: RegionView): void {
  record.leaderPeerId = view.leaderPeerId;
  record.term = view.term;
  record.downPeers = view.downPeers.length === 0 ? noDownPeers : view.downPeers;
  record.pendingPeers = view.pendingPeers.length === 0 ? noPeerIds : view.pendingPeers;
  record.sizeMib = view.approximateSize;
  record.approximateKeys = view.approximateKeys;
  record.bytesWritten = view.bytesWritten;
  record.bytesRead = view.bytesRead;
  record.keysWritten = view.keysWritten;
  record.keysRead = view.keysRead;
  record.queriesWritten = view.queriesWritten;
  record.queriesRead = view.queriesRead;
  record.cpuUsage = view.cpuUsage;
  record.intervalS = view.intervalS;
  record.replicationState = replicationStates.indexOf(view.replicationState);
  record.replicationStateId = view.replicationStateId;
}

export function metaOf(record: RegionRecord): RegionMeta {
  const peers: Peer[] = [];
  for (let at = 0; at < record.peers.length; at += peerStride) {
    const flags = record.peers[at + 2] as number;
    peers.push({
      id: record.peers[at] as number,
      storeId: record.peers[at + 1] as number,
      role: peerRoles[flags & 3] as PeerRole,
      isWitness: (flags & witnessBit) !== 0,
    });
  }
  return {
    id: record.id,
    startKey: keyBytes(record.start),
    endKey: keyBytes(record.end),
    epoch: { confVer: record.confVer, version: record.version },
    peers,
  };
}

export function viewOf(record: RegionRecord): RegionView {
  return {
    meta: metaOf(record),
    leaderPeerId: record.leaderPeerId,
    term: record.term,
    downPeers: record.downPeers,
    pendingPeers: record.pendingPeers,
    approximateSize: record.sizeMib,
    approximateKeys: record.approximateKeys,
    bytesWritten: record.bytesWritten,
    bytesRead: record.bytesRead,
    keysWritten: record.keysWritten,
    keysRead: record.keysRead,
    queriesWritten: record.queriesWritten,
    queriesRead: record.queriesRead,
    cpuUsage: record.cpuUsage,
    intervalS: record.intervalS,
    replicationState: replicationStates[record.replicationState] as RegionReplicationState,
    replicationStateId: record.replicationStateId,
  };
}
