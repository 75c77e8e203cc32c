/** A Raft group that does what a scenario file says, one command at a time, and tells what came of it. */
import { assert } from "@skein/base";
import type { ScenarioStep } from "@skein/sim";
import { Raft } from "../core/raft.ts";
import type { Entry, HardState, LogView, Membership, MembershipChange, Message, PeerId } from "../core/types.ts";

interface Node {
  readonly id: PeerId;
  readonly entries: Entry[];
  hardState: HardState;
  applied: number;
  membership: Membership;
  raft: Raft;
  isUp: boolean;
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
      case "deliver":
        return this.#deliver(options, true);
      case "drop":
        return this.#deliver(options, false);
      case "crash":
        node().isUp = false;
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
      const entries = terms.map((term, i): Entry => ({ term, index: i + 1, kind: "normal", data: new TextEncoder().encode(`e${i + 1}`) }));
      const membership: Membership = { voters, votersOutgoing: [], learners, learnersNext: [] };
      const hardState = { term: terms.at(-1) ?? 0, vote: 0, commit: 0 };
      const node = { id, entries, hardState, applied: 0, membership, isUp: true } as unknown as Node;
      this.#nodes.set(id, node);
      this.#boot(node, false);
    }
  }

  #boot(node: Node, isRestarted: boolean): void {
    const { entries } = node;
    const log: LogView = {
      firstIndex: 1,
      get lastIndex() {
        return entries.length;
      },
      term: (index) => (index === 0 ? 0 : entries[index - 1]?.term),
      entries: (from, to) => entries.slice(from - 1, to - 1),
      snapshot: () => ({ index: 0, term: 0, membership: node.membership }),
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
        const first = ready.entries[0];
        if (first !== undefined) node.entries.splice(first.index - 1, Number.POSITIVE_INFINITY, ...ready.entries);
        if (ready.hardState !== undefined) node.hardState = ready.hardState;
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
      if (raft.role !== before) this.#out.push(`${node.id} is ${raft.role} of term ${raft.term}`);
    }
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
    case "timeoutNow":
      return head;
  }
}
