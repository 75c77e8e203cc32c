/**
 * Raft as a step function: inputs in, a Ready out. No clock, no chance of its own, no disk, no network; the same inputs give
 * the same outputs. SPEC.md numbers what holds; the order in which a Ready must be done stands in `types.ts`.
 *
 *                 election timeout            majority would vote          majority voted
 *   follower ───────────────────────▶ preCandidate ───────────▶ candidate ───────────▶ leader
 *      ▲                                   │                        │                    │
 *      └───────── a higher term, or a leader of this term ─────────┴── no quorum heard ─┘
 */
import { assert, assertNever } from "@skein/base";
import { applyChange, committedIndex, countVotes, decodeChange, encodeChange, isJoint, isVoter, peersOf } from "./membership.ts";
import { Progress } from "./progress.ts";
import { RaftLog } from "./raft-log.ts";
import type {
  Entry,
  HardState,
  LogView,
  Membership,
  MembershipChange,
  Message,
  MessageBody,
  PeerId,
  ReadState,
  Ready,
  Role,
  SnapshotMeta,
} from "./types.ts";

/** What a peer starts with. Sizes are bytes, times are ticks: whoever drives it says how long a tick is. */
export interface RaftOptions {
  readonly id: PeerId;
  readonly log: LogView;
  readonly hardState: HardState;
  readonly membership: Membership;
  /** What the state machine has applied durably. */
  readonly applied: number;
  /** Ticks without a leader before an election; each peer draws from [electionTicks, 2 × electionTicks). */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Draws a whole number in [0, limit). */
  readonly draw: (limit: number) => number;
  /** Bytes of one append message. */
  readonly appendBytesMax: number;
  /** Appends on their way to one peer. */
  readonly inflightMax: number;
  /** Bytes of proposals that are not committed yet; over it `propose` says "busy". */
  readonly uncommittedBytesMax: number;
  /** Bytes of committed entries in one Ready. */
  readonly applyBytesMax: number;
  /** A peer does not vote for one of lower priority while their logs are equal. Default 0. */
  readonly priority?: number;
  /** Whoever leads when a joint configuration is applied proposes the way out. Default true. */
  readonly autoLeave?: boolean;
  /**
   * It may have promised a leader to help nobody else for an election timeout, and forgotten (a restart): it votes for nobody
   * until that time is over, or leases of leaders would mean nothing (SPEC R9). Default false.
   */
  readonly isRestarted?: boolean;
  /** Ticks for which it has promised a leader to vote for nobody, as another replica of this peer (`Raft.promiseTicks`). Default 0. */
  readonly promiseTicks?: number;
  /** Committed entries that are handed out and not reported as applied; over it no more are handed out. Default 16 384. */
  readonly applyingMax?: number;
}

/**
 * Where the proposal stands in the log, if it is committed in that term; else why it was not taken: this peer does not lead, too much is
 * not committed yet (`uncommittedBytesMax`), or the lead is being handed over.
 */
export type ProposeResult = { readonly index: number; readonly term: number } | "notLeader" | "busy" | "transferring";

/** Early elections after a restart of all: how often, and the ticks between them (up to twice as many). */
const soonTriesMax = 3;
const soonTicksAgain = 2;

/** One peer of one group. Calls put inputs in; `ready` gives what is to be done for them. It throws only for what would break SPEC.md. */
export class Raft {
  readonly id: PeerId;
  readonly #options: RaftOptions;
  readonly #log: RaftLog;
  #term: number;
  #vote: PeerId;
  #role: Role = "follower";
  #leader: PeerId = 0;
  #membership: Membership;
  #priority: number;

  #electionElapsed = 0;
  #heartbeatElapsed = 0;
  #electionTimeout = 0;
  readonly #answers = new Map<PeerId, boolean>();
  #progress = new Map<PeerId, Progress>();
  #uncommittedBytes = 0;
  /** No second membership change is proposed before this index is applied. */
  #pendingChangeIndex = 0;
  #transferee: PeerId = 0;
  #transferElapsed = 0;

  /** Reads that wait for a round of heartbeats, oldest first. */
  #pendingReads: { readonly round: number; readonly index: number; readonly context: string; readonly from: PeerId }[] = [];
  /** Reads that came before this leader had committed an entry of its term. */
  #earlyReads: { readonly context: string; readonly from: PeerId }[] = [];
  /** The last round of heartbeats. */
  #readRound = 0;
  /** What the next Ready sends: everything that one turn asked for goes out together. */
  #appendDue = false;
  #commitDue = false;
  #roundDue = false;
  /** Somebody was told to stand for election at once in this term: leases are off until the next. */
  #leaseBroken = false;
  /** This leader's term is durable: others may hear of it. Else a crash could have it lead the same term twice. */
  #isTermOpen = true;
  /** Votes for nobody before so many ticks. */
  #silentTicks: number;
  /** For what it may have promised before it was restarted, and for nothing since. */
  #isSilentOfRestart: boolean;
  /** Ticks until it stands for election before its time, and how often it will; 0: it waits like everyone. */
  #soonTicks = 0;
  #soonTries = 0;

  #messages: Message[] = [];
  #messagesAfterPersist: Message[] = [];
  #reads: ReadState[] = [];
  #saidHardState: HardState;

  constructor(options: RaftOptions) {
    this.id = options.id;
    this.#options = options;
    this.#log = new RaftLog(options.log, options.hardState.commit, options.applied, options.applyingMax ?? 16_384);
    this.#term = options.hardState.term;
    this.#vote = options.hardState.vote;
    this.#membership = options.membership;
    this.#priority = options.priority ?? 0;
    this.#saidHardState = options.hardState;
    this.#isSilentOfRestart = options.isRestarted === true;
    this.#silentTicks = Math.max(options.promiseTicks ?? 0, this.#isSilentOfRestart ? options.electionTicks : 0);
    this.#drawElectionTimeout();
  }

  get term(): number {
    return this.#term;
  }
  get role(): Role {
    return this.#role;
  }
  /** 0 when unknown. */
  get leader(): PeerId {
    return this.#leader;
  }
  get membership(): Membership {
    return this.#membership;
  }
  get committed(): number {
    return this.#log.committed;
  }
  get applied(): number {
    return this.#log.applied;
  }
  get lastIndex(): number {
    return this.#log.lastIndex;
  }
  /** What the leader knows of its peers; empty elsewhere. */
  get progress(): ReadonlyMap<PeerId, Progress> {
    return this.#progress;
  }
  get isTransferring(): boolean {
    return this.#transferee !== 0;
  }
  /** The number of the last round of heartbeats that went out; a Ready's heartbeats carry it. */
  get round(): number {
    return this.#readRound;
  }
  /** The last round that a majority answered. Only a leader's means something. */
  get confirmedRound(): number {
    if (this.#role !== "leader") return 0;
    const round = committedIndex(this.#membership, (peer) =>
      peer === this.id ? this.#readRound : (this.#progress.get(peer)?.heardRound ?? 0),
    );
    return Number.isFinite(round) ? round : 0;
  }
  /** Whether a read may rest on the time of a confirmed round: it knows what earlier leaders committed, and hands leadership to nobody. */
  get mayLease(): boolean {
    if (this.#role !== "leader" || this.#leaseBroken || this.#transferee !== 0) return false;
    // Restarted members ask each other whether anyone leads (`endSilence`): one that they do not know must not rest on them.
    if (this.#pendingChangeIndex > this.#log.applied || !isVoter(this.#membership, this.id)) return false;
    return this.#log.term(this.#log.committed) === this.#term;
  }
  /** It votes for nobody, for what it may have promised in its last life; nobody has led it in this one. */
  get isSilentOfRestart(): boolean {
    return this.#isSilentOfRestart && this.#silentTicks > 0 && this.#leader === 0 && this.#role !== "leader";
  }
  /** Ticks for which it votes for nobody, as a leader that heard of it may read by its lease meanwhile (SPEC R9). */
  get promiseTicks(): number {
    const ofLeader = this.#role === "follower" && this.#leader !== 0 ? this.#options.electionTicks - this.#electionElapsed : 0;
    return Math.max(this.#silentTicks, ofLeader, 0);
  }
  /** Nothing is on its way: every peer has everything and knows that it is committed. */
  get isQuiet(): boolean {
    if (this.#role !== "leader" || this.#transferee !== 0 || this.#pendingReads.length > 0 || this.#earlyReads.length > 0) return false;
    const last = this.#log.lastIndex;
    if (this.#log.committed !== last || this.#log.applied !== last || this.#log.term(last) !== this.#term) return false;
    for (const progress of this.#progress.values()) {
      if (progress.peer === this.id) continue;
      if (progress.match !== last || progress.sentCommit !== last || progress.state.kind !== "replicate") return false;
    }
    return !isJoint(this.#membership);
  }
  setPriority(priority: number): void {
    this.#priority = priority;
  }

  // ── inputs ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Time has passed: elections, heartbeats, the check of the quorum. */
  tick(): void {
    this.#electionElapsed++;
    if (this.#silentTicks > 0) this.#silentTicks--;
    if (this.#role === "leader") this.#tickLeader();
    else if (this.#electionElapsed >= this.#electionTimeout && this.#mayCampaign()) this.#campaign("preVote", false);
    else if (this.#soonTicks > 0) this.#tickSoon();
  }

  #tickSoon(): void {
    if (this.#leader !== 0 || this.#soonTries === 0) this.#soonTicks = 0;
    else if (--this.#soonTicks === 0 && this.#mayCampaign()) {
      this.#soonTries--;
      // The others may vote a little later, or somebody else be ahead.
      this.#soonTicks = soonTicksAgain + this.#options.draw(soonTicksAgain);
      this.#campaign("preVote", false);
    }
  }

  /**
   * After a restart: every member said since that it leads nobody, and knows of no other membership. So no lease rests on what was
   * forgotten, and nobody leads: it votes again, and stands for election in `ticks`.
   */
  endSilence(ticks: number): void {
    if (!this.isSilentOfRestart) return;
    this.#silentTicks = 0;
    this.standSoon(ticks);
  }

  /** Stands for election in `ticks`, and a few times more, unless somebody leads by then: long before an election timeout. */
  standSoon(ticks: number): void {
    this.#soonTicks = Math.max(1, ticks);
    this.#soonTries = soonTriesMax;
  }

  /**
   * The process of the leader of `term` ended: it leads that term no more, and no lease of its rests on this peer's promise. `term` is what
   * the leader's next life began with: a life never leads the term that it began with, so late word of it unseats nobody.
   */
  leaderGone(leader: PeerId, term: number): void {
    if (this.#role === "follower" && this.#leader === leader && this.#term === term) this.#leader = 0;
  }

  /** Stands for election now. */
  campaign(): void {
    if (this.#role !== "leader" && this.#mayCampaign()) this.#campaign("preVote", false);
  }

  /** A command for the state machine. It is done once the entry is applied, in the term that the result names. */
  propose(data: Uint8Array): ProposeResult {
    return this.#propose({ kind: "normal", data });
  }

  /** One change at a time; "busy" while one is not applied. An empty list of steps leaves a joint configuration. */
  proposeChange(change: MembershipChange): ProposeResult | "impossible" {
    if (this.#role !== "leader") return "notLeader";
    if (this.#pendingChangeIndex > this.#log.applied) return "busy";
    const next = applyChange(this.#membership, change);
    // A leader does not propose its own end: those who stay could not know that it is committed. It transfers first.
    if (next === null || !next.voters.includes(this.id)) return "impossible";
    const result = this.#propose({ kind: "change", data: encodeChange(change) });
    if (typeof result === "object") this.#pendingChangeIndex = result.index;
    return result;
  }

  /** Like `proposeChange`, for a state machine that keeps the membership itself: `next` is what `data` makes of it (`setMembership`). */
  proposeMembership(next: Membership, data: Uint8Array): ProposeResult {
    if (this.#role !== "leader") return "notLeader";
    if (this.#pendingChangeIndex > this.#log.applied || next.voters.length === 0) return "busy";
    const result = this.#propose({ kind: "change", data });
    if (typeof result === "object") this.#pendingChangeIndex = result.index;
    return result;
  }

  /**
   * What is known from elsewhere to be committed: the log up to the last of `entries`, of which this peer may lack the end. What it
   * has before them must be known to be the same as what is committed. False when it lacks something before them.
   */
  learnCommitted(entries: readonly Entry[]): boolean {
    const last = entries.at(-1);
    if (last === undefined || last.index <= this.#log.committed) return true;
    if (!this.#log.matches(last.index, last.term)) {
      const agreed = entries.findLastIndex(({ index, term }) => this.#log.matches(index, term));
      const missing = entries.slice(agreed + 1).filter(({ index }) => index > this.#log.committed);
      const previous = (missing[0] as Entry).index - 1;
      const previousTerm = this.#log.term(previous);
      if (previousTerm === undefined) return false;
      if (this.#role !== "follower") this.#becomeFollower(Math.max(this.#term, last.term), 0);
      else if (last.term > this.#term) {
        this.#keepPromise();
        this.#becomeFollower(last.term, 0);
      }
      if (this.#log.appendFrom(previous, previousTerm, missing) === false) return false;
    }
    this.#log.commitTo(last.index);
    return true;
  }

  /** A committed change is applied: from now on this membership counts. */
  setMembership(membership: Membership): void {
    this.#setMembership(membership);
  }

  /** Asks for a point from which a read sees all that was acknowledged before. Answered in `Ready.reads`; lost when the leader changes. */
  readIndex(context: string): void {
    if (this.#role === "leader") this.#readAtLeader(context, this.id);
    else if (this.#leader !== 0) this.#send(this.#leader, { kind: "readIndex", context });
  }

  /** Hands leadership to a voter that has caught up, or will soon; given up after an election timeout. */
  transferLeader(to: PeerId): boolean {
    if (this.#role !== "leader" || !isVoter(this.#membership, to)) return false;
    if (to === this.id) {
      this.#transferee = 0;
      return true;
    }
    const progress = this.#progress.get(to);
    if (progress === undefined) return false;
    this.#transferee = to;
    this.#transferElapsed = 0;
    if (progress.match === this.#log.lastIndex) this.#tellToCampaign(to);
    else this.#sendAppend(progress, true);
    return true;
  }

  /** Entries of a Ready are durable. `index` and `term` are those of its last entry. */
  persisted(index: number, term: number): void {
    this.#log.persisted(index, term);
    const self = this.#progress.get(this.id);
    if (this.#role !== "leader") return;
    if (term === this.#term) this.#isTermOpen = true;
    if (self === undefined) return;
    if (self.agreed(this.#log.durableIndex) && this.#advanceCommit()) this.#commitDue = true;
  }

  /** The snapshot of a Ready, log and state machine, is durable. */
  snapshotPersisted(index: number): void {
    this.#log.snapshotPersisted(index);
  }

  reportApplied(index: number): void {
    assert(index <= this.#log.committed, "only what is committed is applied");
    this.#log.applied = Math.max(this.#log.applied, index);
    if (this.#role === "leader") this.#leaveJoint();
  }

  /** A joint configuration ends by itself: whoever leads when its entry is applied proposes the way out, or when it may propose again. */
  #leaveJoint(): void {
    if (this.#options.autoLeave === false || !isJoint(this.#membership) || this.#transferee !== 0) return;
    if (this.#pendingChangeIndex > this.#log.applied) return;
    const result = this.#propose({ kind: "change", data: encodeChange({ steps: [] }) });
    if (typeof result === "object") this.#pendingChangeIndex = result.index;
  }

  /** A committed change entry is applied: from now on its membership counts. Gives the new one, or null when it was refused. */
  applyChange(data: Uint8Array): Membership | null {
    const next = applyChange(this.#membership, decodeChange(data));
    if (next === null) return null;
    this.#setMembership(next);
    return next;
  }

  /** The transport lost a peer: what was on its way is not assumed to arrive. */
  reportUnreachable(peer: PeerId): void {
    const progress = this.#progress.get(peer);
    if (progress?.state.kind === "replicate") progress.becomeProbe();
  }

  /** A snapshot that was asked for arrived at the peer, or could not be delivered. */
  reportSnapshot(peer: PeerId, isInstalled: boolean): void {
    const progress = this.#progress.get(peer);
    if (progress === undefined || progress.state.kind !== "snapshot") return;
    if (!isInstalled) progress.state = { kind: "snapshot", index: 0 };
    progress.becomeProbe();
    progress.state = { kind: "probe", paused: true }; // until it is heard of: it is busy with the snapshot
  }

  /** Starts a round of heartbeats now. */
  ping(): void {
    if (this.#role === "leader") this.#roundDue = true;
  }

  /** A message of another peer, from any time: what is old, doubled or not for this term is answered or dropped. */
  step(message: Message): void {
    if (this.#silentTicks > 0 && (message.kind === "vote" || message.kind === "preVote") && !message.isTransfer) return;
    if (message.term > this.#term) {
      const isVoteRequest = message.kind === "vote" || message.kind === "preVote";
      // A peer that hears a leader does not help to unseat it (check-quorum), unless the leader itself asks (transfer).
      if (isVoteRequest && !message.isTransfer && this.#leader !== 0 && this.#electionElapsed < this.#options.electionTicks) return;
      const keepsTerm = message.kind === "preVote" || (message.kind === "preVoteAnswer" && message.granted);
      if (!keepsTerm) {
        const fromLeader = message.kind === "append" || message.kind === "heartbeat" || message.kind === "snapshot";
        if (!fromLeader && !isVoteRequest) this.#keepPromise();
        this.#becomeFollower(message.term, fromLeader ? message.from : 0);
      }
    } else if (message.term < this.#term) {
      this.#answerOldTerm(message);
      return;
    }
    switch (message.kind) {
      case "vote":
      case "preVote":
        return this.#onVoteRequest(message);
      case "voteAnswer":
      case "preVoteAnswer":
        return this.#onVoteAnswer(message);
      case "append":
        this.#followLeader(message.from);
        return this.#onAppend(message);
      case "heartbeat":
        this.#followLeader(message.from);
        this.#log.commitTo(Math.min(message.commit, this.#log.lastIndex));
        return this.#send(message.from, { kind: "heartbeatAnswer", context: message.context });
      case "snapshot":
        this.#followLeader(message.from);
        return this.#onSnapshot(message);
      case "appendAnswer":
        return this.#onAppendAnswer(message);
      case "heartbeatAnswer":
        return this.#onHeartbeatAnswer(message);
      case "timeoutNow":
        if (this.#role === "follower" && this.#mayCampaign()) this.#campaign("vote", true);
        return;
      case "readIndex":
        if (this.#role === "leader") this.#readAtLeader(message.context, message.from);
        return;
      case "readIndexAnswer":
        this.#reads.push({ index: message.index, context: message.context });
        return;
      default:
        return assertNever(message);
    }
  }

  // ── output ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  get hasReady(): boolean {
    return (
      this.#appendDue ||
      this.#commitDue ||
      this.#roundDue ||
      this.#messages.length > 0 ||
      this.#messagesAfterPersist.length > 0 ||
      this.#reads.length > 0 ||
      this.#log.hasWork ||
      !sameHardState(this.#hardState(), this.#saidHardState)
    );
  }

  takeReady(): Ready {
    this.#flush();
    const hardState = this.#hardState();
    const changed = !sameHardState(hardState, this.#saidHardState);
    this.#saidHardState = hardState;
    const { entries, snapshot } = this.#log.takeUnstable();
    if (this.#role === "leader" && !this.#isTermOpen) {
      this.#messagesAfterPersist.push(...this.#messages);
      this.#messages = [];
    }
    const ready: Ready = {
      messages: this.#messages,
      hardState: changed ? hardState : undefined,
      entries,
      snapshot,
      messagesAfterPersist: this.#messagesAfterPersist,
      committed: this.#log.takeCommitted(this.#options.applyBytesMax),
      reads: this.#reads,
    };
    this.#messages = [];
    this.#messagesAfterPersist = [];
    this.#reads = [];
    return ready;
  }

  /** Appends, news of commits and heartbeats of one turn, one message a peer where possible. */
  #flush(): void {
    if (this.#role === "leader") {
      if (this.#appendDue || this.#commitDue) {
        for (const progress of this.#progress.values()) {
          if (progress.peer === this.id) continue;
          if (this.#appendDue) this.#sendAppend(progress, false);
          // Followers apply as soon as they hear of the commit: with the next append, or at once when there is none.
          if (this.#commitDue && progress.sentCommit < this.#log.committed) this.#sendAppend(progress, true);
        }
      }
      if (this.#roundDue) {
        this.#readRound++;
        this.#broadcastHeartbeat();
        this.#releaseReads(); // alone it is its own majority
      }
    }
    this.#appendDue = false;
    this.#commitDue = false;
    this.#roundDue = false;
  }

  #hardState(): HardState {
    return { term: this.#term, vote: this.#vote, commit: this.#log.committed };
  }

  // ── roles ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #becomeFollower(term: number, leader: PeerId): void {
    if (term !== this.#term) {
      assert(term > this.#term, "terms never go back");
      this.#term = term;
      this.#vote = 0;
    }
    this.#role = "follower";
    this.#leader = leader;
    this.#leaveLeadership();
    this.#electionElapsed = 0;
    this.#drawElectionTimeout();
  }

  /** A term that ends without a leader of the next ends no lease: whom this peer heard may read on for a while (SPEC R9). */
  #keepPromise(): void {
    if (this.#role !== "follower" || this.#leader === 0) return;
    this.#isSilentOfRestart = false;
    this.#silentTicks = this.promiseTicks;
  }

  #followLeader(leader: PeerId): void {
    assert(this.#role !== "leader", `two leaders in term ${this.#term}: ${this.id} and ${leader}`); // invariant R1
    if (this.#role !== "follower") this.#becomeFollower(this.#term, leader);
    this.#leader = leader;
    this.#electionElapsed = 0;
  }

  /**
   * Only a voter stands for election, and only with all committed membership changes applied: a peer that counts votes by an
   * old membership could be elected beside one that counts by the new (SPEC R7).
   */
  #mayCampaign(): boolean {
    if (!isVoter(this.#membership, this.id)) return false;
    if (this.#log.applied >= this.#log.committed) return true;
    const unapplied = this.#log.entries(this.#log.applied + 1, Number.POSITIVE_INFINITY, this.#log.committed + 1);
    return unapplied?.every(({ kind }) => kind !== "change") === true;
  }

  #campaign(kind: "preVote" | "vote", isTransfer: boolean): void {
    this.#leaveLeadership();
    this.#leader = 0;
    this.#electionElapsed = 0;
    this.#drawElectionTimeout();
    if (kind === "preVote") this.#role = "preCandidate";
    else {
      this.#role = "candidate";
      this.#term++;
      this.#vote = this.id;
    }
    this.#answers.clear();
    this.#answers.set(this.id, true);
    const body = {
      kind,
      lastIndex: this.#log.lastIndex,
      lastTerm: this.#log.lastTerm,
      isTransfer,
      priority: this.#priority,
    } as const;
    const term = kind === "preVote" ? this.#term + 1 : this.#term;
    for (const peer of [...new Set([...this.#membership.voters, ...this.#membership.votersOutgoing])].sort((a, b) => a - b)) {
      if (peer === this.id) continue;
      const message = { from: this.id, to: peer, term, ...body };
      if (kind === "preVote") this.#messages.push(message);
      else this.#messagesAfterPersist.push(message); // its own vote must be durable before it is counted anywhere
    }
    this.#countVotes();
  }

  #countVotes(): void {
    const result = countVotes(this.#membership, (peer) => this.#answers.get(peer));
    if (result === "lost") this.#becomeFollower(this.#term, 0);
    else if (result === "won") {
      if (this.#role === "preCandidate") this.#campaign("vote", false);
      else this.#becomeLeader();
    }
  }

  #becomeLeader(): void {
    this.#role = "leader";
    this.#leader = this.id;
    this.#answers.clear();
    this.#electionElapsed = 0;
    this.#heartbeatElapsed = 0;
    this.#progress = new Map(peersOf(this.#membership).map((peer) => [peer, new Progress(peer, this.#log.lastIndex + 1)]));
    const self = this.#progress.get(this.id);
    if (self !== undefined) {
      self.match = this.#log.durableIndex;
      self.state = { kind: "replicate", inflight: [] };
    }
    // A change may be among the entries that are not applied yet: none is proposed before they are.
    this.#pendingChangeIndex = this.#log.lastIndex;
    this.#uncommittedBytes = 0;
    this.#leaseBroken = false;
    // Who asks others for votes has told its term durably by now; who needs nobody's has not.
    this.#isTermOpen = this.#saidHardState.term === this.#term;
    this.#appendOwn({ kind: "normal", data: new Uint8Array(0) }); // opens the term: only entries of this term commit by count (R5)
    this.#broadcastAppend();
  }

  #leaveLeadership(): void {
    this.#progress = new Map();
    this.#pendingReads = [];
    this.#earlyReads = [];
    this.#transferee = 0;
    this.#answers.clear();
    this.#appendDue = false;
    this.#commitDue = false;
    this.#roundDue = false;
  }

  #tickLeader(): void {
    if (this.#transferee !== 0 && ++this.#transferElapsed >= this.#options.electionTicks) this.#transferee = 0;
    if (this.#electionElapsed >= this.#options.electionTicks) {
      this.#electionElapsed = 0;
      if (!this.#hasQuorum()) return this.#becomeFollower(this.#term, 0); // nobody hears it: it must not serve reads
      if (!isVoter(this.#membership, this.id)) this.#handOver();
    }
    if (++this.#heartbeatElapsed >= this.#options.heartbeatTicks) {
      this.#heartbeatElapsed = 0;
      this.#roundDue = true;
    }
    this.#leaveJoint();
  }

  #tellToCampaign(peer: PeerId): void {
    this.#leaseBroken = true; // it may be elected at any moment, however late the message arrives
    this.#send(peer, { kind: "timeoutNow" });
  }

  /**
   * A leader that is no longer a voter (its removal was proposed by the one before it) leads on until a voter that has
   * everything takes over: if it just stopped, those who stay might never learn that the removal is committed.
   */
  #handOver(): void {
    for (const { peer, match } of this.#progress.values()) {
      if (this.#membership.voters.includes(peer) && match === this.#log.lastIndex) return this.#tellToCampaign(peer);
    }
  }

  #hasQuorum(): boolean {
    const heard = countVotes(this.#membership, (peer) => peer === this.id || this.#progress.get(peer)?.isActive === true);
    for (const progress of this.#progress.values()) progress.isActive = false;
    return heard === "won";
  }

  #drawElectionTimeout(): void {
    this.#electionTimeout = this.#options.electionTicks + this.#options.draw(this.#options.electionTicks);
  }

  // ── elections ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #onVoteRequest(message: Extract<Message, { kind: "vote" | "preVote" }>): void {
    const canVote =
      message.kind === "preVote"
        ? message.term > this.#term || (this.#vote === 0 && this.#leader === 0) || this.#vote === message.from
        : this.#vote === message.from || (this.#vote === 0 && this.#leader === 0);
    const isBehind = !this.#log.isUpToDate(message.lastIndex, message.lastTerm);
    const isEqual = message.lastIndex === this.#log.lastIndex && message.lastTerm === this.#log.lastTerm;
    const isOutranked = isEqual && message.priority < this.#priority && !message.isTransfer;
    const granted = canVote && !isBehind && !isOutranked;
    if (message.kind === "preVote") {
      // The answer to a request that would be granted carries the term that was asked for, so that it is not taken for an old one.
      this.#messages.push({
        from: this.id,
        to: message.from,
        term: granted ? message.term : this.#term,
        ...this.#answer("preVoteAnswer", granted),
      });
      return;
    }
    if (granted) {
      this.#vote = message.from;
      this.#electionElapsed = 0;
    }
    this.#sendAfterPersist(message.from, this.#answer("voteAnswer", granted));
  }

  #answer(kind: "voteAnswer" | "preVoteAnswer", granted: boolean): MessageBody {
    const commit = this.#log.committed;
    return { kind, granted, commit, commitTerm: this.#log.term(commit) ?? 0 };
  }

  #onVoteAnswer(message: Extract<Message, { kind: "voteAnswer" | "preVoteAnswer" }>): void {
    const role = message.kind === "voteAnswer" ? "candidate" : "preCandidate";
    if (this.#role !== role || this.#answers.has(message.from)) return;
    this.#answers.set(message.from, message.granted);
    // Among what is committed may be the end of the membership by which it counts: then it stands again when that is applied.
    if (message.commitTerm > 0 && this.#log.matches(message.commit, message.commitTerm) && this.#log.commitTo(message.commit)) {
      if (!this.#mayCampaign()) return this.#becomeFollower(this.#term, 0);
    }
    this.#countVotes();
  }

  /** A message of a term that is over: its sender must learn of the new one, or it stays stuck behind a partition. */
  #answerOldTerm(message: Message): void {
    if (message.kind === "append" || message.kind === "heartbeat" || message.kind === "snapshot")
      this.#sendAfterPersist(message.from, { kind: "appendAnswer", index: this.#log.committed, rejected: false });
    else if (message.kind === "preVote") this.#send(message.from, this.#answer("preVoteAnswer", false));
    else if (message.kind === "vote") this.#sendAfterPersist(message.from, this.#answer("voteAnswer", false));
  }

  // ── the follower's log ──────────────────────────────────────────────────────────────────────────────────────────────

  #onAppend(message: Extract<Message, { kind: "append" }>): void {
    if (message.prevIndex < this.#log.committed) {
      // Older than what is settled: nothing to take, but the leader should learn where this peer is.
      return this.#sendAfterPersist(message.from, { kind: "appendAnswer", index: this.#log.committed, rejected: false });
    }
    const agreed = this.#log.appendFrom(message.prevIndex, message.prevTerm, message.entries);
    if (agreed === false) {
      const hint = this.#log.conflictHint(message.prevIndex, message.prevTerm);
      return this.#sendAfterPersist(message.from, {
        kind: "appendAnswer",
        index: message.prevIndex,
        rejected: true,
        hintIndex: hint.index,
        hintTerm: hint.term,
      });
    }
    this.#log.commitTo(Math.min(message.commit, agreed));
    this.#sendAfterPersist(message.from, { kind: "appendAnswer", index: agreed, rejected: false });
  }

  #onSnapshot(message: Extract<Message, { kind: "snapshot" }>): void {
    const { snapshot } = message;
    if (snapshot.index > this.#log.committed) {
      if (this.#log.matches(snapshot.index, snapshot.term)) this.#log.commitTo(snapshot.index);
      else {
        this.#log.restore(snapshot);
        this.#setMembership(snapshot.membership);
      }
    }
    this.#sendAfterPersist(message.from, { kind: "appendAnswer", index: this.#log.committed, rejected: false });
  }

  // ── the leader's log ────────────────────────────────────────────────────────────────────────────────────────────────

  #propose(body: Pick<Entry, "kind" | "data">): ProposeResult {
    if (this.#role !== "leader" || !this.#progress.has(this.id)) return "notLeader";
    if (this.#transferee !== 0) return "transferring";
    if (this.#uncommittedBytes > 0 && this.#uncommittedBytes + body.data.length > this.#options.uncommittedBytesMax) return "busy";
    const entry = this.#appendOwn(body);
    this.#broadcastAppend();
    return { index: entry.index, term: entry.term };
  }

  #appendOwn(body: Pick<Entry, "kind" | "data">): Entry {
    const entry: Entry = { term: this.#term, index: this.#log.lastIndex + 1, ...body };
    this.#log.append([entry]);
    this.#uncommittedBytes += body.data.length;
    return entry;
  }

  #broadcastAppend(): void {
    this.#appendDue = true;
  }

  /** Sends what the peer lacks, as far as its window allows. With `evenIfEmpty` one message goes out even without news. */
  #sendAppend(progress: Progress, evenIfEmpty: boolean): void {
    let mustSend = evenIfEmpty;
    while (!progress.isPaused(this.#options.inflightMax)) {
      const prevIndex = progress.next - 1;
      const prevTerm = this.#log.term(prevIndex);
      const entries = this.#log.entries(progress.next, this.#options.appendBytesMax);
      if (prevTerm === undefined || entries === null) return this.#sendSnapshot(progress);
      if (entries.length === 0 && !mustSend) return; // it has everything, or what it lacks is not in memory now (`LogView.entries`)
      this.#send(progress.peer, { kind: "append", prevIndex, prevTerm, entries, commit: this.#log.committed });
      progress.sentCommit = Math.min(this.#log.committed, prevIndex + entries.length);
      progress.sent(prevIndex + entries.length, entries.length);
      mustSend = false;
      if (entries.length === 0) return;
    }
  }

  #sendSnapshot(progress: Progress): void {
    if (!progress.isActive) return; // it would not arrive; its next sign of life asks again
    const snapshot: SnapshotMeta = this.#options.log.snapshot();
    assert(snapshot.index > 0, "a compacted log has a snapshot");
    this.#send(progress.peer, { kind: "snapshot", snapshot });
    progress.sentSnapshot(snapshot.index);
  }

  #onAppendAnswer(message: Extract<Message, { kind: "appendAnswer" }>): void {
    const progress = this.#role === "leader" ? this.#progress.get(message.from) : undefined;
    if (progress === undefined) return;
    progress.isActive = true;
    if (message.rejected) {
      // Skip the whole of a term that the peer does not have (the paper's §5.3 optimisation).
      const { index } = this.#log.conflictHint(message.hintIndex, message.hintTerm);
      if (progress.rejected(message.index, index)) this.#sendAppend(progress, true);
      return;
    }
    if (message.index > this.#log.lastIndex) return; // of an earlier life of this log; nothing that this leader sent
    const wasPaused = progress.isPaused(this.#options.inflightMax);
    const isNews = progress.agreed(message.index);
    if (isNews && this.#advanceCommit()) this.#broadcastCommit();
    else if (wasPaused || progress.next <= this.#log.lastIndex) this.#sendAppend(progress, false);
    if (this.#transferee === message.from && progress.match === this.#log.lastIndex) this.#tellToCampaign(message.from);
  }

  /** Commits what a majority has, if it is of this term (paper §5.4.2; SPEC R5). True when the commit index moved. */
  #advanceCommit(): boolean {
    const index = committedIndex(this.#membership, (peer) => this.#progress.get(peer)?.match ?? 0);
    if (!Number.isFinite(index) || index <= this.#log.committed || this.#log.term(index) !== this.#term) return false;
    const before = this.#log.committed;
    this.#log.commitTo(index);
    if (this.#uncommittedBytes > 0) {
      const settled = this.#log.entries(before + 1, Number.POSITIVE_INFINITY, index + 1) ?? [];
      this.#uncommittedBytes = Math.max(0, this.#uncommittedBytes - settled.reduce((bytes, entry) => bytes + entry.data.length, 0));
    }
    this.#releaseEarlyReads();
    return true;
  }

  #broadcastCommit(): void {
    this.#commitDue = true;
    this.#appendDue = true;
  }

  #broadcastHeartbeat(): void {
    for (const progress of this.#progress.values()) {
      if (progress.peer === this.id) continue;
      // Never beyond what the peer is known to have: its log may disagree there.
      const commit = Math.min(progress.match, this.#log.committed);
      progress.sentCommit = Math.max(progress.sentCommit, commit);
      this.#send(progress.peer, { kind: "heartbeat", commit, context: this.#readRound });
    }
  }

  #onHeartbeatAnswer(message: Extract<Message, { kind: "heartbeatAnswer" }>): void {
    const progress = this.#role === "leader" ? this.#progress.get(message.from) : undefined;
    if (progress === undefined) return;
    progress.heardOf(this.#options.inflightMax);
    // Even without news: an append that was lost at the end of the log is noticed only by a later one that does not fit.
    if (progress.match < this.#log.lastIndex) this.#sendAppend(progress, true);
    progress.heardRound = Math.max(progress.heardRound, message.context);
    if (this.#pendingReads.length > 0) this.#releaseReads();
  }

  // ── reads ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #readAtLeader(context: string, from: PeerId): void {
    if (this.#log.term(this.#log.committed) !== this.#term) {
      this.#earlyReads.push({ context, from }); // it does not know yet what earlier leaders committed (dissertation §6.4)
      return;
    }
    // All reads of a turn share the round that the next Ready sends.
    this.#pendingReads.push({ round: this.#readRound + 1, index: this.#log.committed, context, from });
    this.#roundDue = true;
  }

  #releaseEarlyReads(): void {
    if (this.#earlyReads.length === 0 || this.#log.term(this.#log.committed) !== this.#term) return;
    for (const { context, from } of this.#earlyReads.splice(0)) this.#readAtLeader(context, from);
  }

  /** A read is good once a majority has confirmed the leader after it was asked; so are all that were asked before it. */
  #releaseReads(): void {
    const confirmed = this.confirmedRound;
    let done = 0;
    while (done < this.#pendingReads.length && (this.#pendingReads[done] as { round: number }).round <= confirmed) done++;
    for (const { index, context, from } of this.#pendingReads.splice(0, done)) {
      if (from === this.id) this.#reads.push({ index, context });
      else this.#send(from, { kind: "readIndexAnswer", index, context });
    }
  }

  // ── membership ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #setMembership(membership: Membership): void {
    this.#membership = membership;
    if (this.#role !== "leader") return;
    const peers = new Set(peersOf(membership));
    for (const peer of this.#progress.keys()) if (!peers.has(peer)) this.#progress.delete(peer);
    for (const peer of peers) if (!this.#progress.has(peer)) this.#progress.set(peer, new Progress(peer, this.#log.lastIndex + 1));
    if (this.#transferee !== 0 && !isVoter(membership, this.#transferee)) this.#transferee = 0;
    if (this.#advanceCommit())
      this.#broadcastCommit(); // a smaller majority may have what is needed
    else this.#broadcastAppend();
  }

  #send(to: PeerId, body: MessageBody): void {
    this.#messages.push({ from: this.id, to, term: this.#term, ...body });
  }
  #sendAfterPersist(to: PeerId, body: MessageBody): void {
    this.#messagesAfterPersist.push({ from: this.id, to, term: this.#term, ...body });
  }
}

function sameHardState(a: HardState, b: HardState): boolean {
  return a.term === b.term && a.vote === b.vote && a.commit === b.commit;
}
