/** One peer, its log on a disk that is as quick as a test wants. */
import { Raft } from "../core/raft.ts";
import type { Entry, LogView, Membership, Message, PeerId } from "../core/types.ts";

export const voters = (...ids: PeerId[]): Membership => ({ voters: ids, votersOutgoing: [], learners: [], learnersNext: [] });
export const data = new Uint8Array([1]);
/** Of an answer to a candidate: its voter knows nothing to be committed. */
export const nothing = { commit: 0, commitTerm: 0 };

interface TestLog extends LogView {
  write(entries: readonly Entry[]): void;
}

function logOf(terms: readonly number[], membership: Membership): TestLog {
  const entries = terms.map((term, i): Entry => ({ term, index: i + 1, kind: "normal", data }));
  return {
    write: (added) => void (added[0] !== undefined && entries.splice(added[0].index - 1, Number.POSITIVE_INFINITY, ...added)),
    firstIndex: 1,
    get lastIndex() {
      return entries.length;
    },
    term: (index) => (index === 0 ? 0 : entries[index - 1]?.term),
    entries: (from, to) => entries.slice(from - 1, to - 1),
    snapshot: () => ({ index: 0, term: 0, membership }),
  };
}

interface PeerOptions {
  terms?: readonly number[];
  /** After those of `terms`. */
  entries?: readonly Entry[];
  /** Known to be committed, and applied. */
  commit?: number;
  term?: number;
  membership?: Membership;
  priority?: number;
  draw?: () => number;
  isRestarted?: boolean;
  applyingMax?: number;
}

export function peer(id: PeerId, options: PeerOptions = {}): Raft {
  const membership = options.membership ?? voters(1, 2, 3);
  const log = logOf(options.terms ?? [], membership);
  log.write(options.entries ?? []);
  const { commit = 0 } = options;
  const raft = new Raft({
    id,
    log,
    hardState: { term: options.term ?? 0, vote: 0, commit },
    membership,
    applied: commit,
    electionTicks: 10,
    heartbeatTicks: 2,
    draw: options.draw ?? (() => 0),
    appendBytesMax: 1024,
    inflightMax: 8,
    uncommittedBytesMax: 100,
    applyBytesMax: 1024,
    priority: options.priority ?? 0,
    isRestarted: options.isRestarted ?? false,
    applyingMax: options.applyingMax ?? 16,
  });
  logs.set(raft, log);
  return raft;
}

export const logs = new WeakMap<Raft, TestLog>();

/** Does what a Ready asks for, and gives its messages. */
export function settle(raft: Raft): Message[] {
  const out: Message[] = [];
  while (raft.hasReady) {
    const ready = raft.takeReady();
    logs.get(raft)?.write(ready.entries);
    const last = ready.entries.at(-1);
    if (last !== undefined) raft.persisted(last.index, last.term);
    const applied = ready.committed.at(-1);
    if (applied !== undefined) raft.reportApplied(applied.index);
    out.push(...ready.messages, ...ready.messagesAfterPersist);
  }
  return out;
}

export function elect(raft: Raft, helper: PeerId): Message[] {
  raft.campaign();
  settle(raft);
  raft.step({ from: helper, to: raft.id, term: raft.term + 1, kind: "preVoteAnswer", granted: true, ...nothing });
  settle(raft);
  raft.step({ from: helper, to: raft.id, term: raft.term, kind: "voteAnswer", granted: true, ...nothing });
  return settle(raft);
}
