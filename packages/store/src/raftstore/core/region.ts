/** What a region is, and how its description changes: epochs, splits, membership. */
import { compareBytes } from "@skein/base";
import type { Membership } from "@skein/raft";
import type { RegionDescription } from "../../region-kv.ts";

export type Region = RegionDescription;
export type RegionPeer = Region["peers"][number];
export type PeerRole = RegionPeer["role"];

export interface Epoch {
  readonly confVer: number;
  readonly version: number;
}

/** A change of one peer, as the placement driver orders it. */
export interface PeerChange {
  readonly kind: "addVoter" | "addLearner" | "remove";
  readonly peerId: number;
  readonly storeId: number;
}

export interface SplitPart {
  readonly regionId: number;
  /** In the order of the split region's peers. */
  readonly peerIds: readonly number[];
}

export function containsKey(region: Region, key: Uint8Array): boolean {
  return compareBytes(key, region.startKey) >= 0 && (region.endKey.length === 0 || compareBytes(key, region.endKey) < 0);
}

export function overlaps(a: Region, b: Region): boolean {
  const before = (x: Region, y: Region) => x.endKey.length > 0 && compareBytes(x.endKey, y.startKey) <= 0;
  return !before(a, b) && !before(b, a);
}

export function peerOn(region: Region, storeId: number): RegionPeer | undefined {
  return region.peers.find((peer) => peer.storeId === storeId);
}

export function peerById(region: Region, peerId: number): RegionPeer | undefined {
  return region.peers.find((peer) => peer.id === peerId);
}

export function isJointRegion(region: Region): boolean {
  return region.peers.some(({ role }) => role === "incomingVoter" || role === "demotingVoter");
}

/** Raft's membership follows from the roles: there is no second copy of it. */
export function membershipOf(region: Region): Membership {
  const ids = (...roles: readonly PeerRole[]) =>
    region.peers
      .filter(({ role }) => roles.includes(role))
      .map(({ id }) => id)
      .sort((a, b) => a - b);
  const isJoint = isJointRegion(region);
  return {
    voters: ids("voter", "incomingVoter"),
    votersOutgoing: isJoint ? ids("voter", "demotingVoter") : [],
    learners: ids("learner"),
    learnersNext: ids("demotingVoter"),
  };
}

export type ChangeResult = { readonly region: Region } | { readonly refused: string };

/**
 * The region after a change of peers (`change_peer_v2`): one change is made at once, several enter a joint configuration, none
 * leaves it. Texts of refusals are the field's.
 */
export function changePeers(region: Region, changes: readonly PeerChange[], leaderId: number): ChangeResult {
  if (changes.length === 0) return leaveJointRegion(region, leaderId);
  if (isJointRegion(region)) return { refused: "a joint configuration must be left first" };
  const isSingle = changes.length === 1;
  const seen = new Set<number>();
  const peers = [...region.peers];
  let onlyLearners = true;
  for (const { kind, peerId, storeId } of changes) {
    if (seen.has(peerId)) return { refused: "have multiple commands for the same peer" };
    seen.add(peerId);
    const at = peers.findIndex((peer) => peer.storeId === storeId);
    const existing = peers[at];
    if (existing !== undefined && existing.id !== peerId) return { refused: `store ${storeId} has another peer of the region` };
    const isVoter = existing?.role === "voter";
    if (kind === "addVoter") {
      if (isVoter) return { refused: "op not match role" };
      onlyLearners = false;
      const peer: RegionPeer = { id: peerId, storeId, role: isSingle ? "voter" : "incomingVoter" };
      if (existing === undefined) peers.push(peer);
      else peers[at] = peer;
    } else if (kind === "addLearner") {
      if (existing?.role === "learner") return { refused: "op not match role" };
      if (isVoter) {
        if (isSingle && peerId === leaderId) return { refused: "ignore remove leader or demote leader" };
        onlyLearners = false;
        peers[at] = { ...existing, role: isSingle ? "learner" : "demotingVoter" };
      } else peers.push({ id: peerId, storeId, role: "learner" });
    } else {
      if (existing === undefined) return { refused: "op not match role" };
      if (isVoter && !isSingle) return { refused: "can not remove voter directly" };
      if (peerId === leaderId) return { refused: "ignore remove leader or demote leader" };
      if (isVoter) onlyLearners = false;
      peers.splice(at, 1);
    }
  }
  if (!isSingle && onlyLearners) return { refused: "multiple changes that only effect learner" };
  const next = { ...region, peers, confVer: region.confVer + changes.length };
  if (membershipOf(next).voters.length === 0) return { refused: "no voter would be left" };
  return { region: next };
}

function leaveJointRegion(region: Region, leaderId: number): ChangeResult {
  const moving = region.peers.filter(({ role }) => role === "incomingVoter" || role === "demotingVoter");
  if (moving.length === 0) return { refused: "not in a joint configuration" };
  if (moving.some(({ id, role }) => id === leaderId && role === "demotingVoter"))
    return { refused: "ignore leave joint command that demoting leader" };
  const peers = region.peers.map(
    (peer): RegionPeer =>
      peer.role === "incomingVoter" ? { ...peer, role: "voter" } : peer.role === "demotingVoter" ? { ...peer, role: "learner" } : peer,
  );
  return { region: { ...region, peers, confVer: region.confVer + moving.length } };
}

/**
 * A region split at `keys` (ascending, inside of it). The split region keeps its id and the right-most part, or the left-most
 * unless `rightDerive`. Null when a key does not fit.
 */
export function splitRegion(
  region: Region,
  keys: readonly Uint8Array[],
  parts: readonly SplitPart[],
  rightDerive: boolean,
): { readonly kept: Region; readonly made: readonly Region[] } | null {
  const bounds = [region.startKey, ...keys, region.endKey];
  if (keys.length === 0 || parts.length !== keys.length) return null;
  for (const [i, key] of keys.entries()) {
    if (key.length === 0 || !containsKey(region, key) || compareBytes(bounds[i] as Uint8Array, key) >= 0) return null;
  }
  if (parts.some(({ peerIds }) => peerIds.length !== region.peers.length)) return null;
  const version = region.version + keys.length;
  const range = (i: number) => ({ startKey: bounds[i] as Uint8Array, endKey: bounds[i + 1] as Uint8Array });
  const kept: Region = { ...region, ...range(rightDerive ? keys.length : 0), version };
  const made = parts.map(({ regionId, peerIds }, i): Region => {
    const peers = region.peers.map((peer, at): RegionPeer => ({ ...peer, id: peerIds[at] as number }));
    return { id: regionId, ...range(rightDerive ? i : i + 1), confVer: region.confVer, version, peers };
  });
  return { kept, made };
}

export function sameEpoch(a: Epoch, b: Epoch): boolean {
  return a.version === b.version && a.confVer === b.confVer;
}
