/** A Raft group that does what a scenario file says, one command at a time, and tells what came of it. */
import { assert } from "@skein/base";
import type { ScenarioStep } from "@skein/sim";
import { Raft } from "../core/raft.ts";
import type { Entry, HardState, LogView, Membership, MembershipChange, Message, PeerId, Ready, SnapshotMeta } from "../core/types.ts";

interface Node {
  readonly id: PeerId;
  /** Durable, behind `base`. */
  readonly entries: Entry[];
  /** What was compacted, or came as a snapshot. */
  base: SnapshotMeta;
  hardState: HardState;
  applied: number;
  membership: Membership;
  priority: number;
  raft: Raft;
  isUp: boolean;
  /** Writes wait for `sync`. */
  isSlow: boolean;
  writing: Ready[];
}

const number = (text: string | undefined) => Number(text ?? "0");
const list = (text: string | undefined) => (text === undefined || text === "" ? [] : text.split(",").map(Number));

export class ScenarioGroup {
  readonly #nodes = new Map<PeerId, Node>();
  #flight: Message[] = [];
  #out: string[] = [];

  run(step: ScenarioStep): string {
    this.#out = [];
    const words = step.args.filter((word) => !word.includes("="));
    const options = new Map(step.args.filter((word) => word.includes("=")).map((word) => word.split("=") as [string, string]));
    this.#command(step.command, words, options);
    return this.#out.join("\n");
  }

  #command(command: string, words: readonly string[], options: ReadonlyMap<string, string>): void {
    const node = () => this.#node(number(words[0]));
    switch (command) {
      case "group":
        return this.#found(list(options.get("voters")), list(options.get("learners")), options);
      case "tick":
        for (let i = number(words[1] ?? "1"); i > 0; i--) node().raft.tick();
        return this.#settle();
      case "campaign":
        node().raft.campaign();
        return this.#settle();
      case "elect": {
        // without the messages that it takes
        const before = this.#out.length;
        node().raft.campaign();
        this.#settle();
        this.#deliver(new Map([["all", "yes"]]), true);
        this.#out.length = before;
        this.#out.push(`${node().id} is ${node().raft.role} of term ${node().raft.term}`);
        return;
      }
      case "sure": // that nobody leads, after a restart
        node().raft.endSilence(number(words[1]));
        return this.#settle();
      case "propose": {
        const result = node().raft.propose(new TextEncoder().encode(words[1] ?? ""));
        this.#out.push(typeof result === "string" ? result : `at ${result.index}/${result.term}`);
        return this.#settle();
      }
      case "change": {
        const steps = words.slice(1).map((word) => {
          const [kind, peer] = word.split(":") as [MembershipChange["steps"][number]["kind"], string];
          return { kind, peer: Number(peer) };
        });
        const result = node().raft.proposeChange({ steps });
        this.#out.push(typeof result === "string" ? result : `at ${result.index}/${result.term}`);
        return this.#settle();
      }
      case "read":
        node().raft.readIndex(words[1] ?? "read");
        return this.#settle();
      case "transfer":
        this.#out.push(node().raft.transferLeader(number(words[1])) ? "begun" : "refused");
        return this.#settle();
      case "late": {
        // an answer of term `2` to peer `0` of peer `1`, that was on its way for long
        const [to, from, term] = words.map(Number) as [number, number, number];
        if (words[3] === "append") node().raft.step({ kind: "appendAnswer", from, to, term, index: number(words[4]), rejected: false });
        else if (words[3] === "heartbeat") node().raft.step({ kind: "heartbeatAnswer", from, to, term, context: number(words[4]) });
        else node().raft.step({ kind: "voteAnswer", from, to, term, granted: true, commit: 0, commitTerm: 0 });
        return this.#settle();
      }
      case "disk":
        node().isSlow = words[1] === "slow";
        return this.#settle();
      case "sync":
        for (const ready of node().writing.splice(0)) this.#write(node(), ready);
        return this.#settle();
      case "compact": {
        const { base, entries, membership } = node();
        const index = number(words[1]);
        const term = entries[index - base.index - 1]?.term ?? 0;
        entries.splice(0, index - base.index);
        node().base = { index, term, membership };
        return;
      }
      case "join": // without a log and a membership (P5)
        this.#addNode(number(words[0]), { voters: [], votersOutgoing: [], learners: [], learnersNext: [] }, [], 0);
        return;
      case "unreachable": // the transport lost peer `1`
        node().raft.reportUnreachable(number(words[1]));
        return this.#settle();
      case "snapshot": // of the leader `0` to peer `1`: what became of it (P4)
        node().raft.reportSnapshot(number(words[1]), words[2] === "arrived");
        return this.#settle();
      case "deliver":
        return this.#deliver(options, true);
      case "drop":
        return this.#deliver(options, false);
      case "crash":
        node().isUp = false;
        node().writing = []; // was on its way to the disk
        this.#flight = this.#flight.filter(({ from }) => from !== number(words[0]));
        return;
      case "restart":
        this.#boot(node(), true);
        return this.#settle();
      case "status":
        for (const { id, raft, isUp } of this.#nodes.values())
          this.#out.push(
            isUp
              ? `${id} ${raft.role} term ${raft.term} leader ${raft.leader} committed ${raft.committed} last ${raft.lastIndex} voters ${raft.membership.voters.join(",")}${raft.membership.votersOutgoing.length > 0 ? ` and ${raft.membership.votersOutgoing.join(",")}` : ""}${raft.role === "leader" ? ` lease ${raft.mayLease ? "may be" : "no"}` : ""}`
              : `${id} down`,
          );
        return;
      default:
        throw new Error(`no such command: ${command}`);
    }
  }

  #found(voters: readonly PeerId[], learners: readonly PeerId[], options: ReadonlyMap<string, string>): void {
    this.#nodes.clear();
    this.#flight = [];
    for (const id of [...voters, ...learners]) {
      const terms = list(options.get(`log${id}`));
      const membership: Membership = { voters, votersOutgoing: [], learners, learnersNext: [] };
      this.#addNode(id, membership, terms, number(options.get(`priority${id}`)));
    }
  }

  #addNode(id: PeerId, membership: Membership, terms: readonly number[], priority: number): void {
    const entries = terms.map((term, i): Entry => ({ term, index: i + 1, kind: "normal", data: new TextEncoder().encode(`e${i + 1}`) }));
    const hardState = { term: terms.at(-1) ?? 0, vote: 0, commit: 0 };
    const base = { index: 0, term: 0, membership };
    const node = { id, entries, base, hardState, applied: 0, membership, priority, isUp: true, isSlow: false, writing: [] };
    this.#nodes.set(id, node as unknown as Node);
    this.#boot(node as unknown as Node, false);
  }

  #boot(node: Node, isRestarted: boolean): void {
    const log: LogView = {
      get firstIndex() {
        return node.base.index + 1;
      },
      get lastIndex() {
        return node.base.index + node.entries.length;
      },
      term: (index) => (index === node.base.index ? node.base.term : node.entries[index - node.base.index - 1]?.term),
      entries: (from, to) => node.entries.slice(from - node.base.index - 1, to - node.base.index - 1),
      snapshot: () => node.base,
    };
    node.isUp = true;
    node.raft = new Raft({
      id: node.id,
      log,
      hardState: node.hardState,
      membership: node.membership,
      applied: node.applied,
      electionTicks: 10,
      heartbeatTicks: 2,
      draw: () => 0,
      appendBytesMax: 1024,
      inflightMax: 8,
      uncommittedBytesMax: 4096,
      applyBytesMax: 4096,
      priority: node.priority,
      isRestarted,
    });
  }

  #node(id: PeerId): Node {
    const node = this.#nodes.get(id);
    assert(node !== undefined, `no peer ${id} in the group`);
    return node;
  }

  /** Does what all Readies ask for, in order of the peers; what is sent waits for `deliver`. */
  #settle(): void {
    for (const node of this.#nodes.values()) {
      const { raft } = node;
      const before = raft.role;
      while (node.isUp && raft.hasReady) {
        const ready = raft.takeReady();
        for (const message of ready.messages) this.#post(message);
        if (node.isSlow) node.writing.push(ready);
        else this.#write(node, ready);
      }
      if (raft.role !== before) this.#out.push(`${node.id} is ${raft.role} of term ${raft.term}`);
    }
  }

  /** The one write of a Ready, and what may come after it. */
  #write(node: Node, ready: Ready): void {
    const { raft } = node;
    if (ready.snapshot !== undefined) {
      node.entries.splice(0);
      node.base = ready.snapshot;
      node.applied = ready.snapshot.index;
      node.membership = ready.snapshot.membership;
      this.#out.push(`${node.id} begins anew from ${ready.snapshot.index}/${ready.snapshot.term}`);
    }
    const first = ready.entries[0];
    if (first !== undefined) node.entries.splice(first.index - node.base.index - 1, Number.POSITIVE_INFINITY, ...ready.entries);
    if (ready.hardState !== undefined) node.hardState = ready.hardState;
    if (ready.snapshot !== undefined) raft.snapshotPersisted(ready.snapshot.index);
    const last = ready.entries.at(-1);
    if (last !== undefined) raft.persisted(last.index, last.term);
    for (const message of ready.messagesAfterPersist) this.#post(message);
    for (const entry of ready.committed) {
      node.applied = entry.index;
      const text = entry.kind === "change" ? "a change" : entry.data.length === 0 ? "a new term" : new TextDecoder().decode(entry.data);
      this.#out.push(`${node.id} applies ${entry.index}/${entry.term}: ${text}`);
      if (entry.kind === "change") node.membership = raft.applyChange(entry.data) ?? node.membership;
    }
    const applied = ready.committed.at(-1);
    if (applied !== undefined) raft.reportApplied(applied.index);
    for (const { context, index } of ready.reads) this.#out.push(`${node.id} may read ${context} at ${index}`);
  }

  #post(message: Message): void {
    this.#flight.push(message);
    this.#out.push(`${message.from}→${message.to} ${describe(message)}`);
  }

  /** `from=`, `to=`, `kind=` choose; what that causes waits for the next `deliver`, unless `all=yes`. */
  #deliver(options: ReadonlyMap<string, string>, arrives: boolean): void {
    const isChosen = (message: Message) =>
      (!options.has("from") || message.from === number(options.get("from"))) &&
      (!options.has("to") || message.to === number(options.get("to"))) &&
      (!options.has("kind") || message.kind === options.get("kind"));
    for (let round = 0; round < 50; round++) {
      const chosen = this.#flight.filter(isChosen);
      this.#flight = this.#flight.filter((message) => !isChosen(message));
      if (chosen.length === 0) return;
      for (const message of chosen) {
        const node = this.#nodes.get(message.to);
        if (!arrives || node?.isUp !== true) continue;
        const before = node.raft.role;
        node.raft.step(message);
        if (node.raft.role !== before) this.#out.push(`${node.id} is ${node.raft.role} of term ${node.raft.term}`);
      }
      this.#settle();
      if (options.get("all") !== "yes") return;
    }
  }
}

function describe(message: Message): string {
  const head = `${message.kind} t${message.term}`;
  switch (message.kind) {
    case "append":
      return `${head} after ${message.prevIndex}/${message.prevTerm} [${message.entries.map(({ index, term }) => `${index}/${term}`).join(" ")}] commit ${message.commit}`;
    case "appendAnswer":
      return message.rejected
        ? `${head} rejects ${message.index}, may agree at ${message.hintIndex}/${message.hintTerm}`
        : `${head} has ${message.index}`;
    case "heartbeat":
      return `${head} round ${message.context} commit ${message.commit}`;
    case "heartbeatAnswer":
      return `${head} round ${message.context}`;
    case "vote":
    case "preVote":
      return `${head} log ${message.lastIndex}/${message.lastTerm}${message.isTransfer ? " by transfer" : ""}`;
    case "voteAnswer":
    case "preVoteAnswer":
      return `${head} ${message.granted ? "yes" : "no"}`;
    case "readIndex":
      return `${head} ${message.context}`;
    case "readIndexAnswer":
      return `${head} ${message.context} at ${message.index}`;
    case "snapshot":
      return `${head} of ${message.snapshot.index}/${message.snapshot.term}`;
    case "timeoutNow":
      return head;
  }
}
