/**
 * The words of the protocol. Indexes and terms are numbers: at a million entries a second 2^53 lasts 285 years.
 */

/** A member of one Raft group. */
export type PeerId = number;

/** One place of the log. */
export interface Entry {
  readonly term: number;
  readonly index: number;
  /** `change` carries an encoded membership change; `normal` is the state machine's. An empty normal entry opens a term. */
  readonly kind: "normal" | "change";
  readonly data: Uint8Array;
}

/** Durable before anything that depends on it is said (SPEC P1). */
export interface HardState {
  readonly term: number;
  /** 0: voted for nobody in this term. */
  readonly vote: PeerId;
  readonly commit: number;
}

/**
 * Membership. While `votersOutgoing` is not empty the configuration is joint: a decision needs a majority of both.
 * `learnersNext` are voters of the outgoing half that become learners once the joint phase ends.
 */
export interface Membership {
  readonly voters: readonly PeerId[];
  readonly votersOutgoing: readonly PeerId[];
  readonly learners: readonly PeerId[];
  readonly learnersNext: readonly PeerId[];
}

/** What a change does, step by step; without steps it ends a joint configuration. */
export interface MembershipChange {
  readonly steps: readonly { readonly kind: "addVoter" | "addLearner" | "remove"; readonly peer: PeerId }[];
}

/** What a snapshot stands for: the state machine after `index`, which was written in `term`. */
export interface SnapshotMeta {
  readonly index: number;
  readonly term: number;
  readonly membership: Membership;
}

/** From one peer to another of its group; `term` is the sender's, or for a pre-vote the one that it would stand in. */
export type Message = { readonly from: PeerId; readonly to: PeerId; readonly term: number } & MessageBody;

export type MessageBody =
  | {
      readonly kind: "append";
      readonly prevIndex: number;
      readonly prevTerm: number;
      readonly entries: readonly Entry[];
      readonly commit: number;
    }
  | { readonly kind: "appendAnswer"; readonly index: number; readonly rejected: false }
  /** `hintIndex`/`hintTerm`: the last position at which the follower may agree, so that a conflict costs a round trip a term at most. */
  | {
      readonly kind: "appendAnswer";
      readonly index: number;
      readonly rejected: true;
      readonly hintIndex: number;
      readonly hintTerm: number;
    }
  | { readonly kind: "heartbeat"; readonly commit: number; readonly context: number }
  | { readonly kind: "heartbeatAnswer"; readonly context: number }
  | {
      readonly kind: "vote" | "preVote";
      readonly lastIndex: number;
      readonly lastTerm: number;
      readonly isTransfer: boolean;
      readonly priority: number;
    }
  /** With what the voter knows to be committed: the asker may have those entries and not know it (SPEC R10). */
  | { readonly kind: "voteAnswer" | "preVoteAnswer"; readonly granted: boolean; readonly commit: number; readonly commitTerm: number }
  | { readonly kind: "snapshot"; readonly snapshot: SnapshotMeta }
  | { readonly kind: "timeoutNow" }
  | { readonly kind: "readIndex"; readonly context: string }
  | { readonly kind: "readIndexAnswer"; readonly index: number; readonly context: string };

/** A read may be served once `index` is applied: it then sees everything that was acknowledged before it was asked. */
export interface ReadState {
  readonly index: number;
  readonly context: string;
}

/**
 * What the core wants done. The driver must keep this order (SPEC P1–P4):
 *
 *   1. send `messages`                     – none of them depends on anything that is not durable yet
 *   2. persist `snapshot`, `entries`, `hardState` in one write, then `core.persisted(…)`
 *   3. send `messagesAfterPersist`         – votes and acknowledgements: a promise must be durable before it is heard
 *   4. apply `committed`, then `core.reportApplied(…)`; then serve `reads` whose index is applied
 *
 * 2 and 4 may run side by side, and the next Ready may be taken before an earlier one is persisted, as long as persisted()
 * calls come in order.
 */
export interface Ready {
  readonly messages: readonly Message[];
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
  /** Replaces log and state machine; its content is fetched by the driver. */
  readonly snapshot: SnapshotMeta | undefined;
  readonly messagesAfterPersist: readonly Message[];
  readonly committed: readonly Entry[];
  readonly reads: readonly ReadState[];
}

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** The durable log, read synchronously: recent entries are kept in memory by whoever implements it. */
export interface LogView {
  /** The first index that can be read; everything before is in the snapshot. */
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Term of `firstIndex - 1` … `lastIndex`; undefined when it is compacted away or not there. */
  term(index: number): number | undefined;
  /**
   * Entries from `from` up to and without `to`, cut at `bytesMax` (the first one always included). May be cut short where bytes
   * are not in memory: a follower that needs them is asked again with its next heartbeat. What is not applied must be there.
   */
  entries(from: number, to: number, bytesMax: number): readonly Entry[];
  snapshot(): SnapshotMeta;
}
