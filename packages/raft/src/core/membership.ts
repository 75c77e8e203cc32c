/** Majorities, joint majorities, and how a membership changes (Raft dissertation §4.3: joint consensus). */
import { assert } from "@skein/base";
import type { Membership, MembershipChange, PeerId } from "./types.ts";

/** The highest index that a majority of `voters` has: with none, there is nothing to wait for. */
export function majorityIndex(voters: readonly PeerId[], indexOf: (peer: PeerId) => number): number {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  const sorted = voters.map(indexOf).sort((a, b) => b - a);
  return sorted[Math.floor(voters.length / 2)] as number;
}

/** The highest index that is safe to commit: in a joint configuration both halves must have it. */
export function committedIndex(membership: Membership, indexOf: (peer: PeerId) => number): number {
  return Math.min(majorityIndex(membership.voters, indexOf), majorityIndex(membership.votersOutgoing, indexOf));
}

export type VoteResult = "won" | "lost" | "pending";

/** `answers`: true granted, false refused, undefined not heard of. */
export function countVotes(membership: Membership, answers: (peer: PeerId) => boolean | undefined): VoteResult {
  const count = (voters: readonly PeerId[]): VoteResult => {
    if (voters.length === 0) return "won";
    const needed = Math.floor(voters.length / 2) + 1;
    const granted = voters.filter((peer) => answers(peer) === true).length;
    const open = voters.filter((peer) => answers(peer) === undefined).length;
    if (granted >= needed) return "won";
    return granted + open >= needed ? "pending" : "lost";
  };
  const [incoming, outgoing] = [count(membership.voters), count(membership.votersOutgoing)];
  if (incoming === "lost" || outgoing === "lost") return "lost";
  return incoming === "won" && outgoing === "won" ? "won" : "pending";
}

/** Between two memberships: a decision needs a majority of both. */
export function isJoint(membership: Membership): boolean {
  return membership.votersOutgoing.length > 0;
}

/** Of either half of a joint configuration; a learner that is to become one is none yet. */
export function isVoter(membership: Membership, peer: PeerId): boolean {
  return membership.voters.includes(peer) || membership.votersOutgoing.includes(peer);
}

/** Everyone who gets the log. */
export function peersOf(membership: Membership): PeerId[] {
  const all = [...membership.voters, ...membership.votersOutgoing, ...membership.learners, ...membership.learnersNext];
  return [...new Set(all)].sort((a, b) => a - b);
}

/**
 * The membership after a change. A change that touches one voter at most is made at once; any other enters a joint
 * configuration, which `leaveJoint` ends. Null when the change cannot be made (in a joint one already, or nobody would vote).
 */
export function applyChange(membership: Membership, change: MembershipChange): Membership | null {
  if (change.steps.length === 0) return isJoint(membership) ? leaveJoint(membership) : null;
  if (isJoint(membership)) return null;
  const voters = new Set(membership.voters);
  const learners = new Set(membership.learners);
  const learnersNext = new Set<PeerId>();
  for (const { kind, peer } of change.steps) {
    assert(peer > 0, "a peer id is above 0");
    learnersNext.delete(peer);
    if (kind === "addVoter") {
      voters.add(peer);
      learners.delete(peer);
    } else if (kind === "addLearner") {
      // A voter stays one in the outgoing half until the joint phase ends: it is a learner only after that.
      if (voters.delete(peer) || membership.voters.includes(peer)) learnersNext.add(peer);
      else learners.add(peer);
    } else {
      voters.delete(peer);
      learners.delete(peer);
    }
  }
  if (voters.size === 0) return null;
  const changed =
    [...voters].filter((peer) => !membership.voters.includes(peer)).length + membership.voters.filter((peer) => !voters.has(peer)).length;
  if (changed <= 1) {
    return { voters: sorted(voters), votersOutgoing: [], learners: sorted([...learners, ...learnersNext]), learnersNext: [] };
  }
  return {
    voters: sorted(voters),
    votersOutgoing: sorted(membership.voters),
    learners: sorted(learners),
    learnersNext: sorted(learnersNext),
  };
}

/** The membership that a joint configuration leads to. */
export function leaveJoint(membership: Membership): Membership {
  return {
    voters: membership.voters,
    votersOutgoing: [],
    learners: sorted([...membership.learners, ...membership.learnersNext]),
    learnersNext: [],
  };
}

function sorted(peers: Iterable<PeerId>): PeerId[] {
  return [...new Set(peers)].sort((a, b) => a - b);
}

/** The form in which a change stands in the log; an empty one leaves a joint configuration. */
export function encodeChange(change: MembershipChange): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(change.steps.map(({ kind, peer }) => [kind, peer])));
}

/** Only for what `encodeChange` made and a checksum has protected: throws `SyntaxError` for anything else. */
export function decodeChange(data: Uint8Array): MembershipChange {
  const steps = JSON.parse(new TextDecoder().decode(data)) as [MembershipChange["steps"][number]["kind"], PeerId][];
  return { steps: steps.map(([kind, peer]) => ({ kind, peer })) };
}
