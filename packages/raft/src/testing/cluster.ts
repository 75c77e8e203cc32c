/**
 * A whole Raft cluster in one loop, under one seed: messages are delayed, reordered, doubled and lost; peers crash and lose
 * what was not durable; partitions come and go; members are added and removed. After every event the checkers of SPEC.md run.
 */
import { assert, type Random, seededRandom } from "@skein/base";
import { Raft, type RaftOptions } from "../core/raft.ts";
import type { Entry, HardState, LogView, Membership, Message, PeerId, Ready, SnapshotMeta } from "../core/types.ts";

export interface ClusterOptions {
  readonly seed: number;
  readonly voters: number;
  readonly learners?: number;
  readonly loss?: number;
  readonly duplication?: number;
  readonly delayTicksMax?: number;
  readonly crash?: number;
  readonly partition?: number;
  readonly memberChange?: number;
  readonly transfer?: number;
  /** Chance that a disk ends one write in a round; the lower, the more is on its way when a peer crashes. */
  readonly diskSpeed?: number;
  /** Entries that a peer keeps behind what it applied before it compacts. */
  readonly compactAfter?: number;
  readonly inflightMax?: number;
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
    for (const entry of this.#entries.slice(from - this.firstIndex, to - this.firstIndex)) {
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

interface Node {
  readonly id: PeerId;
  readonly log: DurableLog;
  /** Of what is applied durably: where a restart begins. */
  membership: Membership;
  raft: Raft;
  isUp: boolean;
  /** Readies that are taken and not persisted yet, in order. */
  persisting: Ready[];
}

export class RaftCluster {
  readonly seed: number;
  readonly nodes = new Map<PeerId, Node>();
  readonly random: Random;
  readonly #options: ClusterOptions;
  readonly #inFlight: { readonly message: Message; readonly dueTick: number }[] = [];
  readonly #cuts = new Set<string>();
  /** By index: the entry that was first seen committed there. The checkers hold everyone to it. */
  readonly committed = new Map<number, Entry>();
  readonly #leaders = new Map<number, PeerId>();
  readonly #reads = new Map<string, number>();
  /** Reads that were answered. */
  readsServed = 0;
  #tick = 0;
  #nextRead = 0;
  /** The highest index whose proposal was acknowledged: seen committed by the leader that had proposed it. */
  acknowledged = 0;
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

  addNode(id: PeerId, start: SnapshotMeta): void {
    const log = new DurableLog(start);
    const { membership } = start;
    this.nodes.set(id, { id, log, membership, raft: this.#boot(id, log, membership), isUp: true, persisting: [] });
  }

  #boot(id: PeerId, log: DurableLog, membership: Membership): Raft {
    const draws = this.random.fork(`node/${id}/${this.#tick}`);
    const options: RaftOptions = {
      id,
      log,
      hardState: log.hardState,
      membership,
      applied: log.applied,
      electionTicks: 10,
      heartbeatTicks: 2,
      draw: (limit) => draws.below(limit),
      appendBytesMax: 64,
      inflightMax: this.#options.inflightMax ?? 4,
      uncommittedBytesMax: 4096,
      applyBytesMax: 256,
    };
    return new Raft(options);
  }

  get leader(): Node | undefined {
    return [...this.nodes.values()].filter(({ isUp, raft }) => isUp && raft.role === "leader").sort((a, b) => b.raft.term - a.raft.term)[0];
  }

  /** One tick of everyone's clock, and what happens meanwhile. */
  step(): void {
    this.#tick++;
    if (!this.isCalm) this.#harm();
    for (const node of this.#up()) if (this.isCalm || !this.random.chance(0.05)) node.raft.tick(); // clocks drift
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
      const leader = this.leader;
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

  crash(id: PeerId): void {
    const node = this.#node(id);
    node.isUp = false;
    node.persisting = []; // lost with the power
  }

  restart(id: PeerId): void {
    const node = this.#node(id);
    node.raft = this.#boot(id, node.log, node.membership);
    node.persisting = [];
    node.isUp = true;
  }

  cut(a: PeerId, b: PeerId): void {
    this.#cuts.add(`${Math.min(a, b)}-${Math.max(a, b)}`);
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
    const { crash = 0, partition = 0, memberChange = 0, transfer = 0 } = this.#options;
    for (const node of this.nodes.values()) {
      if (node.isUp && this.random.chance(crash)) this.crash(node.id);
      else if (!node.isUp && this.random.chance(0.05)) this.restart(node.id);
    }
    if (this.random.chance(partition)) {
      const ids = [...this.nodes.keys()];
      const side = new Set(ids.filter(() => this.random.chance(0.5)));
      for (const a of ids) for (const b of ids) if (side.has(a) && !side.has(b) && this.random.chance(0.9)) this.cut(a, b);
    }
    if (this.random.chance(0.03)) this.#cuts.clear();
    const leader = this.leader;
    if (leader === undefined) return;
    if (this.random.chance(memberChange)) this.#changeMembers(leader);
    if (this.random.chance(transfer)) leader.raft.transferLeader(this.random.pick(leader.raft.membership.voters));
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
    const leader = this.leader;
    if (leader === undefined || this.isCalm) return;
    for (let i = this.random.below(3); i > 0; i--) leader.raft.propose(this.random.bytes(this.random.below(30)));
    for (const node of this.#up()) {
      if (!this.random.chance(0.1)) continue;
      const context = `r${this.#nextRead++}`;
      this.#reads.set(context, this.acknowledged);
      node.raft.readIndex(context);
    }
  }

  #drive(node: Node): void {
    if (node.raft.hasReady && this.random.chance(this.isCalm ? 1 : 0.8)) {
      const ready = node.raft.takeReady();
      this.#post(ready.messages);
      node.persisting.push(ready);
    }
    // Disks are slow: several Readies may wait for one sync.
    while (node.persisting.length > 0 && this.random.chance(this.isCalm ? 1 : (this.#options.diskSpeed ?? 0.6)))
      this.#persist(node, node.persisting.shift() as Ready);
  }

  #persist(node: Node, ready: Ready): void {
    const { log } = node;
    if (ready.snapshot !== undefined) {
      log.install(ready.snapshot);
      node.membership = ready.snapshot.membership;
    }
    log.write(ready.entries);
    if (ready.hardState !== undefined) log.hardState = ready.hardState;
    this.#post(ready.messagesAfterPersist);
    if (ready.snapshot !== undefined) node.raft.snapshotPersisted(ready.snapshot.index);
    const last = ready.entries.at(-1);
    if (last !== undefined) node.raft.persisted(last.index, last.term);
    this.#apply(node, ready); // after the write: what a state machine keeps must be in its own log, or a crash leaves a gap
  }

  #apply(node: Node, ready: Ready): void {
    for (const entry of ready.committed) {
      const known = this.committed.get(entry.index);
      if (known === undefined) this.committed.set(entry.index, entry);
      else if (known.term !== entry.term || known.data !== entry.data) {
        throw new Error(`R3: node ${node.id} applies another entry at ${entry.index} (term ${entry.term}, was ${known.term})`);
      }
      if (entry.kind === "change") node.membership = node.raft.applyChange(entry.data) ?? node.membership;
      node.log.applied = Math.max(node.log.applied, entry.index);
      if (node.raft.role === "leader") this.acknowledged = Math.max(this.acknowledged, entry.index);
    }
    const last = ready.committed.at(-1);
    if (last !== undefined) {
      node.raft.reportApplied(last.index);
      const compactAfter = this.#options.compactAfter ?? Number.POSITIVE_INFINITY;
      if (last.index - node.log.firstIndex > compactAfter) node.log.compact(last.index, node.membership);
    }
    for (const { context, index } of ready.reads) {
      const atLeast = this.#reads.get(context);
      if (atLeast === undefined) continue;
      if (index < atLeast)
        throw new Error(`R6: read ${context} at node ${node.id} was given ${index}, though ${atLeast} was acknowledged before`);
      this.readsServed++;
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
    const due = this.#inFlight.filter(({ dueTick }) => dueTick <= this.#tick);
    const later = this.#inFlight.filter(({ dueTick }) => dueTick > this.#tick);
    this.#inFlight.splice(0, this.#inFlight.length, ...later);
    for (const { message } of due) {
      const node = this.nodes.get(message.to);
      const isCut = this.#cuts.has(`${Math.min(message.from, message.to)}-${Math.max(message.from, message.to)}`);
      if (node === undefined || !node.isUp || isCut) {
        this.#lost(message);
        continue;
      }
      node.raft.step(message);
      if (message.kind === "snapshot") this.nodes.get(message.from)?.raft.reportSnapshot(message.to, true);
    }
  }

  /** A snapshot goes over a connection of its own, so its sender learns when it did not arrive; of other messages it does not. */
  #lost(message: Message): void {
    if (message.kind === "snapshot") this.nodes.get(message.from)?.raft.reportSnapshot(message.to, false);
  }

  /** The invariants of SPEC.md, over the whole cluster. */
  check(): void {
    for (const { id, isUp, raft } of this.nodes.values()) {
      if (!isUp || raft.role !== "leader") continue;
      const known = this.#leaders.get(raft.term);
      if (known !== undefined && known !== id) throw new Error(`R1: ${known} and ${id} both lead term ${raft.term}`);
      this.#leaders.set(raft.term, id);
    }
    for (const { id, log } of this.nodes.values()) {
      for (const index of [log.hardState.commit, log.applied]) {
        const entry = this.committed.get(index);
        const term = log.term(index);
        if (entry !== undefined && term !== undefined && term !== entry.term)
          throw new Error(`R2: node ${id} has term ${term} at ${index}, where ${entry.term} is committed`);
      }
    }
    const leader = this.leader;
    if (leader !== undefined && [...this.#leaders.keys()].every((term) => term <= leader.raft.term)) {
      if (leader.raft.lastIndex < this.acknowledged)
        throw new Error(`R4: leader ${leader.id} lacks what was acknowledged (${this.acknowledged})`);
    }
  }
}
