/**
 * A whole Raft cluster in one loop, under one seed: messages are delayed, reordered, doubled and lost; peers crash and lose
 * what was not durable (or not all of it); clocks drift; partitions come and go; members are added and removed, leaders moved.
 * All that happens is told to the checkers of SPEC.md.
 */
import { assert, type Random, seededRandom } from "@skein/base";
import { Raft, type RaftOptions } from "../core/raft.ts";
import type { Entry, HardState, LogView, Membership, Message, PeerId, Ready, SnapshotMeta } from "../core/types.ts";
import { Checkers } from "./checkers.ts";

export interface ClusterOptions {
  readonly seed: number;
  readonly voters: number;
  readonly learners?: number;
  readonly loss?: number;
  readonly duplication?: number;
  readonly delayTicksMax?: number;
  readonly crash?: number;
  /** Chance that most peers crash at once. */
  readonly blackout?: number;
  readonly partition?: number;
  /** Chance that the leader is cut off from all others, or from all but one. */
  readonly isolation?: number;
  /** Chance that a peer crashes and is back at once. */
  readonly bounce?: number;
  /** Chance that, while somebody stands for election beside a leader, harm is done where it hurts: to voters, clocks, connections. */
  readonly spite?: number;
  readonly memberChange?: number;
  readonly transfer?: number;
  /** Chance that a disk ends one write in a round; the lower, the more is on its way when a peer crashes. */
  readonly diskSpeed?: number;
  /** Entries that a peer keeps behind what it applied before it compacts. */
  readonly compactAfter?: number;
  readonly inflightMax?: number;
  /** Of the fastest clock. Delays and chances are by step: the more, the quicker is everything beside the clocks. Default 1. */
  readonly stepsPerTick?: number;
  /** Leaders read by leases, and restarted peers keep still for an election timeout. */
  readonly leases?: boolean;
  /** Peers have priorities, which change. */
  readonly priorities?: boolean;
  /** Takes a rule of the driver out, to show that the checkers notice. */
  readonly mutate?: Mutations;
}

export interface Mutations {
  /** P1: promises are sent before they are durable. */
  readonly sendsBeforePersist?: boolean;
  /** P6: a restart may begin with a membership older than the one that was counted by. */
  readonly forgetsMembership?: boolean;
  /** R9: restarted peers vote at once. */
  readonly noSilence?: boolean;
  /** R9: leases run so many ticks after the round went out. */
  readonly leaseTicks?: number;
}

/** What survives a crash. */
class DurableLog implements LogView {
  hardState: HardState = { term: 0, vote: 0, commit: 0 };
  applied = 0;
  #entries: Entry[] = [];
  #snapshot: SnapshotMeta;

  constructor(start: SnapshotMeta) {
    this.#snapshot = start;
    this.applied = start.index;
    this.hardState = { term: start.term, vote: 0, commit: start.index };
  }
  get firstIndex(): number {
    return this.#snapshot.index + 1;
  }
  get lastIndex(): number {
    return this.#snapshot.index + this.#entries.length;
  }
  term(index: number): number | undefined {
    return index === this.#snapshot.index ? this.#snapshot.term : this.#entries[index - this.firstIndex]?.term;
  }
  entries(from: number, to: number, bytesMax: number): readonly Entry[] {
    const out: Entry[] = [];
    let bytes = 0;
    for (let index = from; index < to; index++) {
      const entry = this.#entries[index - this.firstIndex];
      if (entry === undefined) break;
      bytes += entry.data.length;
      if (out.length > 0 && bytes > bytesMax) break;
      out.push(entry);
    }
    return out;
  }
  snapshot(): SnapshotMeta {
    return this.#snapshot;
  }
  write(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.index <= this.lastIndex + 1, "the durable log has no gaps");
    this.#entries.splice(first.index - this.firstIndex, Number.POSITIVE_INFINITY, ...entries);
  }
  install(snapshot: SnapshotMeta): void {
    this.#entries = [];
    this.#snapshot = snapshot;
    this.applied = snapshot.index;
  }
  compact(index: number, membership: Membership): void {
    const term = this.term(index);
    assert(term !== undefined, "what is compacted is there");
    this.#entries.splice(0, index - this.#snapshot.index);
    this.#snapshot = { index, term, membership };
  }
}

/** Members that founded the group start here: one that joins later is at 0, so it always begins with a snapshot, which tells it the membership. */
const bootstrapIndex = 5;
const electionTicks = 10;
/** The slowest clock's rate; the fastest one's is 1. */
const rateMin = 0.7;
/** By the slowest clock, before `electionTicks - 1` of the fastest are over (R9). */
const leaseTicks = (electionTicks - 1) * rateMin;

interface Node {
  readonly id: PeerId;
  readonly log: DurableLog;
  /** As applied in memory. */
  membership: Membership;
  /** Of what is applied durably: where a restart begins. */
  durable: { applied: number; membership: Membership }[];
  raft: Raft;
  isUp: boolean;
  /** Its own clock, in ticks: it runs at its rate of everyone's ticks. */
  clock: number;
  rate: number;
  priority: number;
  /** Readies that are taken and not persisted yet, in order. */
  persisting: Ready[];
  /** When rounds of heartbeats went out, by its own clock. */
  rounds: { readonly round: number; readonly at: number }[];
  roundSeen: number;
  leaseFrom: number;
  leadTerm: number;
}

/** What came about in a run: a storm that never brings its weather proves nothing. */
export interface Sights {
  elections: number;
  reads: number;
  leaseReads: number;
  snapshots: number;
  joint: number;
  transfers: number;
  crashes: number;
}

export class RaftCluster {
  readonly seed: number;
  readonly nodes = new Map<PeerId, Node>();
  readonly random: Random;
  readonly checkers = new Checkers();
  readonly sights: Sights = { elections: 0, reads: 0, leaseReads: 0, snapshots: 0, joint: 0, transfers: 0, crashes: 0 };
  readonly #options: ClusterOptions;
  #inFlight: { readonly message: Message; readonly dueTick: number }[] = [];
  readonly #cuts = new Set<string>();
  readonly #reads = new Map<string, number>();
  #tick = 0;
  #nextRead = 0;
  #isBusy = true;
  isCalm = false;

  constructor(options: ClusterOptions) {
    this.seed = options.seed;
    this.#options = options;
    this.random = seededRandom(options.seed, "raft");
    const voters = Array.from({ length: options.voters }, (_, i) => i + 1);
    const learners = Array.from({ length: options.learners ?? 0 }, (_, i) => options.voters + i + 1);
    const membership: Membership = { voters, votersOutgoing: [], learners, learnersNext: [] };
    for (const id of [...voters, ...learners]) this.addNode(id, { index: bootstrapIndex, term: 1, membership });
  }

  get acknowledged(): number {
    return this.checkers.acknowledged;
  }

  addNode(id: PeerId, start: SnapshotMeta): void {
    const log = new DurableLog(start);
    const { membership } = start;
    const node = { id, log, membership, isUp: true, clock: 0, rate: 1, priority: 0, persisting: [], rounds: [] } as unknown as Node;
    node.durable = [{ applied: start.index, membership }];
    this.nodes.set(id, node);
    this.#boot(node, false);
  }

  #boot(node: Node, isRestarted: boolean): void {
    const { id, log, membership } = node;
    const { inflightMax, leases, priorities, mutate } = this.#options;
    const draws = this.random.fork(`node/${id}/${this.#tick}`);
    if (priorities === true) node.priority = this.random.below(3);
    const options: RaftOptions = {
      id,
      log,
      // The commit index is written along with other things only: it may be behind what is applied.
      hardState: { ...log.hardState, commit: Math.max(log.hardState.commit, log.applied) },
      membership,
      applied: log.applied,
      electionTicks,
      heartbeatTicks: 2,
      draw: (limit) => draws.below(limit),
      appendBytesMax: 64,
      inflightMax: inflightMax ?? 4,
      uncommittedBytesMax: 4096,
      applyBytesMax: 256,
      priority: node.priority,
      isRestarted: isRestarted && leases === true && mutate?.noSilence !== true,
    };
    node.raft = new Raft(options);
    node.rounds = [];
    node.roundSeen = 0;
    node.leaseFrom = Number.NEGATIVE_INFINITY;
    node.leadTerm = 0;
    node.persisting = [];
    node.isUp = true;
  }

  get leader(): Node | undefined {
    let found: Node | undefined;
    for (const node of this.nodes.values())
      if (node.isUp && node.raft.role === "leader" && (found === undefined || node.raft.term > found.raft.term)) found = node;
    return found;
  }

  /** One tick of the fastest clock (or a part of one, by `stepsPerTick`), and what happens meanwhile. */
  step(): void {
    this.#tick++;
    if (!this.isCalm) this.#harm();
    for (const node of this.#up()) {
      const before = Math.floor(node.clock);
      node.clock += node.rate / (this.#options.stepsPerTick ?? 1);
      if (Math.floor(node.clock) > before) node.raft.tick();
    }
    this.#work();
    this.#deliver();
    for (let round = 0; round < 3; round++) for (const node of this.#up()) this.#drive(node);
    this.check();
  }

  /** Faults end; the cluster must come to rest with everything that was acknowledged, everywhere. */
  settle(ticksMax = 3_000): void {
    this.isCalm = true;
    this.#cuts.clear();
    for (const node of this.nodes.values()) if (!node.isUp) this.restart(node.id);
    const target = this.acknowledged;
    for (let i = 0; i < ticksMax; i++) {
      this.step();
      const { leader } = this;
      if (leader === undefined || leader.raft.membership.votersOutgoing.length > 0) continue;
      const members = [...leader.raft.membership.voters, ...leader.raft.membership.learners];
      const isDone = members.every((id) => (this.nodes.get(id)?.log.applied ?? 0) >= Math.max(target, leader.raft.committed));
      if (isDone && leader.raft.committed >= target && leader.raft.committed === leader.raft.lastIndex) return;
    }
    throw new Error(`seed ${this.seed}: the cluster does not come to rest: ${this.describe()}`);
  }

  describe(): string {
    return [...this.nodes.values()]
      .map(
        ({ id, isUp, raft, log }) =>
          `${id}${isUp ? "" : " down"} ${raft.role} t${raft.term} commit ${raft.committed} applied ${log.applied} last ${raft.lastIndex} ${JSON.stringify(raft.membership)}`,
      )
      .join("; ");
  }

  /** Power goes: of the writes on their way a prefix may be on the disk all the same, though nobody was told. */
  crash(id: PeerId): void {
    const node = this.#node(id);
    node.isUp = false;
    this.sights.crashes++;
    for (let kept = this.random.below(node.persisting.length + 1); kept > 0; kept--) this.#write(node, node.persisting.shift() as Ready);
    node.persisting = [];
    // What is applied is in memory and in the log; how much of it the state machine has on the disk is another matter.
    const { durable } = node;
    const isBad = this.#options.mutate?.forgetsMembership === true;
    const at = this.random.between(isBad ? 0 : Math.max(0, durable.length - 4), durable.length - 1);
    const point = durable[at] as (typeof durable)[number];
    durable.length = at + 1;
    node.membership = point.membership;
    node.log.applied = Math.max(point.applied, node.log.firstIndex - 1);
  }

  restart(id: PeerId): void {
    this.#boot(this.#node(id), true);
  }

  cut(a: PeerId, b: PeerId): void {
    this.#cuts.add(`${Math.min(a, b)}-${Math.max(a, b)}`);
  }
  heal(): void {
    this.#cuts.clear();
  }

  #node(id: PeerId): Node {
    const node = this.nodes.get(id);
    assert(node !== undefined, `no node ${id}`);
    return node;
  }

  #up(): Node[] {
    return [...this.nodes.values()].filter(({ isUp }) => isUp);
  }

  #harm(): void {
    const { crash = 0, bounce = 0, blackout = 0, partition = 0, isolation = 0, memberChange = 0, transfer = 0 } = this.#options;
    const { leases, priorities } = this.#options;
    const isDark = this.random.chance(blackout);
    for (const node of this.nodes.values()) {
      if (node.isUp && this.random.chance(isDark ? 0.7 : crash)) this.crash(node.id);
      else if (!node.isUp && this.random.chance(isDark ? 0.5 : 0.05)) this.restart(node.id);
      else if (node.isUp && this.random.chance(bounce)) {
        this.crash(node.id);
        this.restart(node.id);
      }
      if (leases === true ? this.random.chance(0.02) : this.#tick === 1) node.rate = rateMin + this.random.float() * (1 - rateMin);
      if (priorities === true && this.random.chance(0.005)) node.raft.setPriority((node.priority = this.random.below(3)));
    }
    if (this.random.chance(partition)) {
      const ids = [...this.nodes.keys()];
      const side = new Set(ids.filter(() => this.random.chance(0.5)));
      for (const a of ids) for (const b of ids) if (side.has(a) && !side.has(b) && this.random.chance(0.9)) this.cut(a, b);
    }
    if (this.random.chance(0.03)) this.#cuts.clear();
    const { leader } = this;
    if (leader === undefined) return;
    if (this.random.chance(isolation)) {
      const others = [...this.nodes.keys()].filter((id) => id !== leader.id);
      const spared = this.random.chance(0.5) ? this.random.pick(others) : 0;
      for (const id of others) if (id !== spared) this.cut(leader.id, id);
    }
    if (this.random.chance(this.#options.spite ?? 0)) this.#spite(leader);
    if (this.random.chance(memberChange)) this.#changeMembers(leader);
    if (this.random.chance(transfer) && leader.raft.transferLeader(this.random.pick(leader.raft.membership.voters)))
      this.sights.transfers++;
  }

  /** Whoever stands for election may need just the vote of one that has forgotten its leader, or the old leader's clock be slow. */
  #spite(leader: Node): void {
    const others = this.#up().filter(({ id }) => id !== leader.id);
    const rival = others.find(({ raft }) => raft.role === "preCandidate" || raft.role === "candidate");
    if (rival === undefined) return;
    leader.rate = rateMin;
    for (const node of others) {
      node.rate = 1;
      if (node === rival || this.random.chance(0.3)) continue;
      this.crash(node.id);
      this.restart(node.id);
      this.#cuts.delete(`${Math.min(rival.id, node.id)}-${Math.max(rival.id, node.id)}`);
      if (this.random.chance(0.3)) this.cut(leader.id, node.id);
    }
  }

  #changeMembers(leader: Node): void {
    const steps: { kind: "addVoter" | "addLearner" | "remove"; peer: PeerId }[] = [];
    for (let i = this.random.between(1, 3); i > 0; i--) {
      const peer = this.random.between(1, this.#options.voters + 2);
      if (steps.some((step) => step.peer === peer)) continue;
      steps.push({ kind: this.random.pick(["addVoter", "addVoter", "addLearner", "remove"] as const), peer });
    }
    for (const { peer } of steps)
      if (!this.nodes.has(peer))
        this.addNode(peer, { index: 0, term: 0, membership: { voters: [], votersOutgoing: [], learners: [], learnersNext: [] } });
    leader.raft.proposeChange({ steps });
  }

  #work(): void {
    if (this.isCalm) return;
    // While nothing is written the logs are equal, and everyone may be elected.
    if (this.random.chance(0.03)) this.#isBusy = !this.#isBusy;
    for (const node of this.#up()) {
      // Who leads only in its own mind takes work, too.
      if (this.#isBusy && node.raft.role === "leader")
        for (let i = this.random.below(3); i > 0; i--) node.raft.propose(this.random.bytes(this.random.below(30)));
      if (!this.random.chance(0.1)) continue;
      const context = `r${this.#nextRead++}`;
      this.#reads.set(context, this.acknowledged);
      node.raft.readIndex(context);
    }
  }

  #drive(node: Node): void {
    this.#noteLead(node);
    if (node.raft.hasReady && this.random.chance(this.isCalm ? 1 : 0.8)) {
      const ready = node.raft.takeReady();
      this.#noteLead(node);
      const { round } = node.raft;
      if (round > node.roundSeen) node.rounds.push({ round, at: node.clock });
      node.roundSeen = round;
      this.#post(ready.messages);
      if (this.#options.mutate?.sendsBeforePersist === true) this.#post(ready.messagesAfterPersist);
      node.persisting.push(ready);
    }
    // Disks are slow: several Readies may wait for one sync.
    while (node.persisting.length > 0 && this.random.chance(this.isCalm ? 1 : (this.#options.diskSpeed ?? 0.6)))
      this.#persist(node, node.persisting.shift() as Ready);
  }

  /** The one write of a Ready. */
  #write(node: Node, ready: Ready): void {
    const { log } = node;
    if (ready.snapshot !== undefined) {
      log.install(ready.snapshot);
      node.membership = ready.snapshot.membership;
      node.durable = [{ applied: ready.snapshot.index, membership: node.membership }];
      this.sights.snapshots++;
    }
    const first = ready.entries[0];
    if (first !== undefined) this.checkers.wrote(node.id, ready.entries, log.term(first.index - 1));
    log.write(ready.entries);
    // The commit index alone is not worth a write: it is known again from the next leader.
    const { hardState } = ready;
    if (hardState === undefined) return;
    const isVital = hardState.term !== log.hardState.term || hardState.vote !== log.hardState.vote;
    if (isVital || ready.entries.length > 0 || ready.snapshot !== undefined) log.hardState = hardState;
  }

  #persist(node: Node, ready: Ready): void {
    this.#write(node, ready);
    if (this.#options.mutate?.sendsBeforePersist !== true) this.#post(ready.messagesAfterPersist);
    if (ready.snapshot !== undefined) node.raft.snapshotPersisted(ready.snapshot.index);
    const last = ready.entries.at(-1);
    if (last !== undefined) node.raft.persisted(last.index, last.term);
    this.#apply(node, ready); // after the write: what a state machine keeps must be in its own log, or a crash leaves a gap
    this.#noteLead(node);
  }

  #apply(node: Node, ready: Ready): void {
    const { log, raft } = node;
    for (const entry of ready.committed) {
      this.checkers.applied(node.id, entry);
      log.applied = Math.max(log.applied, entry.index);
      if (entry.kind === "change") {
        node.membership = raft.applyChange(entry.data) ?? node.membership;
        if (node.membership.votersOutgoing.length > 0) this.sights.joint++;
        // Before anybody is counted by it (P6).
        if (this.#options.mutate?.forgetsMembership !== true) node.durable = [];
      }
      node.durable.push({ applied: entry.index, membership: node.membership });
      if (raft.role === "leader") this.checkers.acknowledged = Math.max(this.checkers.acknowledged, entry.index);
    }
    const last = ready.committed.at(-1);
    if (last !== undefined) {
      raft.reportApplied(last.index);
      const compactAfter = this.#options.compactAfter ?? Number.POSITIVE_INFINITY;
      if (last.index - log.firstIndex > compactAfter) {
        log.compact(last.index, node.membership);
        node.durable = [{ applied: last.index, membership: node.membership }]; // the state machine is durable before the log goes
      }
    }
    for (const { context, index } of ready.reads) {
      const atLeast = this.#reads.get(context);
      if (atLeast === undefined) continue;
      this.checkers.read(node.id, context, index, atLeast);
      this.sights.reads++;
    }
  }

  #post(messages: readonly Message[]): void {
    const { loss = 0, duplication = 0, delayTicksMax = 0 } = this.#options;
    for (const message of messages) {
      if (!this.isCalm && this.random.chance(loss)) {
        this.#lost(message);
        continue;
      }
      const copies = !this.isCalm && this.random.chance(duplication) ? 2 : 1;
      for (let i = 0; i < copies; i++)
        this.#inFlight.push({ message, dueTick: this.#tick + (this.isCalm ? 0 : this.random.below(delayTicksMax + 1)) });
    }
  }

  #deliver(): void {
    const flight = this.#inFlight;
    this.#inFlight = flight.filter(({ dueTick }) => dueTick > this.#tick);
    for (const { message, dueTick } of flight) {
      if (dueTick > this.#tick) continue;
      const node = this.nodes.get(message.to);
      const isCut = this.#cuts.size > 0 && this.#cuts.has(`${Math.min(message.from, message.to)}-${Math.max(message.from, message.to)}`);
      if (node === undefined || !node.isUp || isCut) {
        this.#lost(message);
        continue;
      }
      node.raft.step(message);
      this.#noteLead(node);
      if (message.kind === "snapshot") this.nodes.get(message.from)?.raft.reportSnapshot(message.to, true);
    }
  }

  /** A snapshot goes over a connection of its own, so its sender learns when it did not arrive; of other messages it does not. */
  #lost(message: Message): void {
    if (message.kind === "snapshot") this.nodes.get(message.from)?.raft.reportSnapshot(message.to, false);
  }

  #noteLead(node: Node): void {
    const { raft, log } = node;
    if (raft.role !== "leader" || node.leadTerm === raft.term) return;
    node.leadTerm = raft.term;
    node.leaseFrom = Number.NEGATIVE_INFINITY;
    node.rounds = [];
    this.sights.elections++;
    // One that elected itself alone leads before its log is durable; all others were given votes for what they have on their disks.
    if (node.persisting.length === 0) this.checkers.led(node.id, raft.term, log.lastIndex, (index) => log.term(index));
    else this.checkers.led(node.id, raft.term, raft.lastIndex, () => undefined);
  }

  /** The driver's side of R9: a lease begins when a round that a majority answered went out. */
  #hasLease(node: Node): boolean {
    const { raft, rounds } = node;
    if (!raft.mayLease) return false;
    const confirmed = raft.confirmedRound;
    while (rounds.length > 0 && (rounds[0] as Node["rounds"][number]).round <= confirmed) node.leaseFrom = rounds.shift()?.at ?? 0;
    return node.clock < node.leaseFrom + (this.#options.mutate?.leaseTicks ?? leaseTicks);
  }

  /** The invariants of SPEC.md that are about the whole cluster. */
  check(): void {
    for (const node of this.nodes.values()) {
      const { id, isUp, raft, log } = node;
      if (isUp) this.#noteLead(node);
      for (const index of [log.hardState.commit, log.applied]) this.checkers.settled(id, index, log.term(index));
      if (!isUp || this.#options.leases !== true || !this.#hasLease(node)) continue;
      this.sights.leaseReads++;
      this.checkers.leased(id, raft.term, raft.committed);
    }
  }
}

/** A run of so many steps of everyone, then the end. Throws at the first broken invariant. */
export function storm(options: ClusterOptions, steps = 400): RaftCluster {
  const cluster = new RaftCluster(options);
  for (let step = 0; step < steps; step++) cluster.step();
  cluster.settle();
  return cluster;
}

/** How many of the seeds `1 … seeds` notice that a rule was taken out. */
export function noticedBy(seeds: number, options: Omit<ClusterOptions, "seed">, steps = 400): number {
  let noticed = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      storm({ ...options, seed }, steps);
    } catch {
      noticed++;
    }
  }
  return noticed;
}
