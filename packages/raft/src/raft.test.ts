import { describe, expect, test } from "vitest";
import { applyChange, committedIndex, countVotes, decodeChange, encodeChange } from "./core/membership.ts";
import type { Raft } from "./core/raft.ts";
import type { Entry, Membership, PeerId } from "./core/types.ts";
import { data, elect, logs, nothing, peer, settle, voters } from "./testing/peer.ts";

test("R10: a peer that missed the news of a joint configuration's end hears it from those whose votes it asks for", () => {
  // By the old half it needs 1, who has more and never votes for it; 3, who knows better, has less.
  const raft = peer(2, {
    terms: [3],
    term: 3,
    commit: 1,
    membership: { voters: [2, 3], votersOutgoing: [1, 2], learners: [], learnersNext: [1] },
    entries: [
      { term: 3, index: 2, kind: "change", data: encodeChange({ steps: [] }) },
      { term: 3, index: 3, kind: "normal", data },
    ],
  });
  raft.campaign();
  expect(settle(raft).map(({ to }) => to)).toEqual([1, 3]);
  raft.step({ from: 3, to: 2, term: 4, kind: "preVoteAnswer", granted: true, commit: 2, commitTerm: 2 });
  expect(raft.committed, "an entry of another term at that place is not what is committed").toBe(1);
  raft.campaign();
  settle(raft);
  raft.step({ from: 3, to: 2, term: 4, kind: "preVoteAnswer", granted: true, commit: 2, commitTerm: 3 });
  expect(raft.role).toBe("follower");
  expect(raft.committed).toBe(2);
  raft.applyChange(encodeChange({ steps: [] }));
  settle(raft);
  raft.campaign();
  expect(settle(raft).map(({ to }) => to)).toEqual([3]);
});

describe("elections", () => {
  test("a follower that hears nobody asks first whether it could win", () => {
    const raft = peer(1);
    for (let tick = 0; tick < 10; tick++) raft.tick();
    expect(settle(raft)).toMatchObject([
      { kind: "preVote", to: 2, term: 1 },
      { kind: "preVote", to: 3, term: 1 },
    ]);
    expect(raft.term).toBe(0); // asking costs no term
  });

  test("R4: a log that is behind gets no vote", () => {
    const raft = peer(1, { terms: [1, 1], term: 1 });
    raft.step({ from: 2, to: 1, term: 2, kind: "vote", lastIndex: 1, lastTerm: 1, isTransfer: false, priority: 0 });
    expect(settle(raft)).toMatchObject([{ kind: "voteAnswer", granted: false, term: 2 }]);
  });

  test("R1: one vote a term, and the vote is in the hard state before it is said", () => {
    const raft = peer(1);
    const ask = (from: PeerId) =>
      raft.step({ from, to: 1, term: 1, kind: "vote", lastIndex: 0, lastTerm: 0, isTransfer: false, priority: 0 });
    ask(2);
    const ready = raft.takeReady();
    expect(ready.messages).toEqual([]);
    expect(ready.hardState).toEqual({ term: 1, vote: 2, commit: 0 });
    expect(ready.messagesAfterPersist).toMatchObject([{ kind: "voteAnswer", granted: true, to: 2 }]);
    ask(3);
    expect(settle(raft)).toMatchObject([{ granted: false, to: 3 }]);
  });

  test("R8: a peer that hears a leader does not help to unseat it, unless the leader asks", () => {
    const raft = peer(1);
    raft.step({ from: 2, to: 1, term: 1, kind: "heartbeat", commit: 0, context: 0 });
    settle(raft);
    const ask = (isTransfer: boolean) =>
      raft.step({ from: 3, to: 1, term: 2, kind: "vote", lastIndex: 9, lastTerm: 1, isTransfer, priority: 0 });
    ask(false);
    expect(settle(raft)).toEqual([]);
    ask(true);
    expect(settle(raft)).toMatchObject([{ kind: "voteAnswer", granted: true }]);
  });

  test("R8: a leader that a majority no longer answers steps down", () => {
    const raft = peer(1);
    elect(raft, 2);
    for (let tick = 0; tick < 25; tick++) raft.tick();
    expect(raft.role).not.toBe("leader");
  });

  test("with equal logs a lower priority is refused", () => {
    const raft = peer(1, { priority: 5 });
    raft.step({ from: 2, to: 1, term: 1, kind: "vote", lastIndex: 0, lastTerm: 0, isTransfer: false, priority: 1 });
    expect(settle(raft)).toMatchObject([{ granted: false }]);
  });
});

describe("the log", () => {
  test("R5: an entry of an earlier term does not commit by count (paper, figure 8)", () => {
    const raft = peer(1, { terms: [1, 2], term: 3 });
    elect(raft, 2);
    expect(raft.term).toBe(4);
    raft.step({ from: 2, to: 1, term: 4, kind: "appendAnswer", index: 2, rejected: false }); // the entry of term 2 is on a majority
    expect(raft.committed).toBe(0);
    raft.step({ from: 2, to: 1, term: 4, kind: "appendAnswer", index: 3, rejected: false }); // the entry that opened term 4 is, too
    expect(raft.committed).toBe(3);
  });

  test("R2: an append that does not fit is refused with where it may", () => {
    const raft = peer(1, { terms: [1, 1, 2, 2], term: 2 });
    raft.step({ from: 2, to: 1, term: 3, kind: "append", prevIndex: 4, prevTerm: 1, entries: [], commit: 0 });
    expect(settle(raft)).toMatchObject([{ kind: "appendAnswer", rejected: true, index: 4, hintIndex: 2, hintTerm: 1 }]);
  });

  test("what conflicts is replaced, what agrees is kept", () => {
    const raft = peer(1, { terms: [1, 1, 2], term: 2 });
    const entries = [1, 3].map((term, i): Entry => ({ term, index: 2 + i, kind: "normal", data }));
    raft.step({ from: 2, to: 1, term: 3, kind: "append", prevIndex: 1, prevTerm: 1, entries, commit: 3 });
    const ready = raft.takeReady();
    expect(ready.entries.map(({ index, term }) => [index, term])).toEqual([[3, 3]]);
    expect(ready.committed.map(({ index }) => index)).toEqual([1, 2, 3]);
  });

  test("the leader's own disk counts only once it has the entry", () => {
    const raft = peer(1, { membership: voters(1) });
    raft.campaign();
    const ready = raft.takeReady();
    expect(raft.role).toBe("leader");
    expect(raft.committed).toBe(0);
    logs.get(raft)?.write(ready.entries);
    raft.persisted(ready.entries.at(-1)?.index ?? 0, 1);
    expect(raft.committed).toBe(1);
  });

  test("proposals over the limit are refused, one always passes", () => {
    const raft = peer(1);
    elect(raft, 2);
    expect(raft.propose(new Uint8Array(500))).toMatchObject({ index: 2 });
    expect(raft.propose(new Uint8Array(1))).toBe("busy");
    expect(peer(2).propose(data)).toBe("notLeader");
  });
});

describe("membership", () => {
  test("a change of one voter is made at once, any other through a joint configuration", () => {
    expect(applyChange(voters(1, 2, 3), { steps: [{ kind: "addVoter", peer: 4 }] })).toEqual(voters(1, 2, 3, 4));
    const joint = applyChange(voters(1, 2, 3), {
      steps: [
        { kind: "addVoter", peer: 4 },
        { kind: "addLearner", peer: 3 },
      ],
    });
    expect(joint).toEqual({ voters: [1, 2, 4], votersOutgoing: [1, 2, 3], learners: [], learnersNext: [3] });
    expect(applyChange(joint as Membership, { steps: [] })).toEqual({
      voters: [1, 2, 4],
      votersOutgoing: [],
      learners: [3],
      learnersNext: [],
    });
    expect(applyChange(joint as Membership, { steps: [{ kind: "remove", peer: 1 }] })).toBeNull();
    expect(applyChange(voters(1), { steps: [{ kind: "remove", peer: 1 }] })).toBeNull();
  });

  test("joint decisions need both majorities", () => {
    const joint: Membership = { voters: [1, 2, 3], votersOutgoing: [3, 4, 5], learners: [], learnersNext: [] };
    expect(committedIndex(joint, (id) => (id <= 3 ? 10 : 4))).toBe(4);
    expect(countVotes(joint, (id) => id <= 3 || undefined)).toBe("pending");
    expect(countVotes(joint, (id) => id <= 4)).toBe("won");
    expect(countVotes(joint, (id) => (id >= 4 ? false : undefined))).toBe("lost");
  });

  test("changes read back from their log form", () => {
    const change = { steps: [{ kind: "addLearner", peer: 2 ** 50 }] } as const;
    expect(decodeChange(encodeChange(change))).toEqual(change);
  });

  test("R7: a leader does not propose its own end, nor a second change before the first is applied", () => {
    const raft = peer(1);
    elect(raft, 2);
    raft.step({ from: 2, to: 1, term: 1, kind: "appendAnswer", index: 1, rejected: false });
    settle(raft);
    expect(raft.proposeChange({ steps: [{ kind: "remove", peer: 1 }] })).toBe("impossible");
    expect(raft.proposeChange({ steps: [{ kind: "addVoter", peer: 4 }] })).toMatchObject({ index: 2 });
    expect(raft.proposeChange({ steps: [{ kind: "addVoter", peer: 5 }] })).toBe("busy");
  });
});

describe("reads", () => {
  test("R6: a read waits for a round of heartbeats, and for the term's first commit", () => {
    const raft = peer(1);
    elect(raft, 2);
    raft.readIndex("early");
    raft.step({ from: 2, to: 1, term: 1, kind: "appendAnswer", index: 1, rejected: false });
    const round = settle(raft).find((message) => message.kind === "heartbeat");
    expect(round).toBeDefined();
    raft.step({ from: 2, to: 1, term: 1, kind: "heartbeatAnswer", context: (round as { context: number }).context });
    expect(raft.takeReady().reads).toEqual([{ index: 1, context: "early" }]);
  });
});

describe("leases", () => {
  const answer = (raft: Raft, from: PeerId, context: number) =>
    raft.step({ from, to: raft.id, term: raft.term, kind: "heartbeatAnswer", context });

  test("R9: a round counts once a majority answered it, and only after the term's first commit", () => {
    const raft = peer(1);
    elect(raft, 2);
    raft.ping();
    settle(raft);
    expect(raft.round).toBeGreaterThan(0);
    expect(raft.confirmedRound).toBeLessThan(raft.round);
    answer(raft, 2, raft.round);
    expect(raft.confirmedRound).toBe(raft.round);
    expect(raft.mayLease).toBe(false);
    raft.step({ from: 2, to: 1, term: raft.term, kind: "appendAnswer", index: 1, rejected: false });
    expect(raft.mayLease).toBe(true);
  });

  test("R9: a leader that told somebody to stand for election has no lease in its term any more", () => {
    const raft = peer(1);
    elect(raft, 2);
    raft.step({ from: 2, to: 1, term: raft.term, kind: "appendAnswer", index: 1, rejected: false });
    settle(raft);
    expect(raft.transferLeader(2)).toBe(true);
    expect(settle(raft)).toMatchObject([{ kind: "timeoutNow", to: 2 }]);
    for (let tick = 0; tick < 12; tick++) {
      raft.tick();
      answer(raft, 2, raft.round);
    }
    expect(raft.isTransferring).toBe(false);
    expect(raft.role).toBe("leader");
    expect(raft.mayLease).toBe(false);
  });

  test("R9: a restarted peer votes for nobody for an election timeout, unless the leader asks", () => {
    const raft = peer(1, { term: 1, draw: () => 9, isRestarted: true });
    const ask = (term: number, isTransfer: boolean) =>
      raft.step({ from: 3, to: 1, term, kind: "vote", lastIndex: 9, lastTerm: 1, isTransfer, priority: 0 });
    ask(2, false);
    expect(raft.hasReady).toBe(false);
    ask(2, true);
    expect(raft.takeReady().messagesAfterPersist).toMatchObject([{ kind: "voteAnswer", granted: true }]);
    for (let tick = 0; tick < 10; tick++) raft.tick();
    ask(3, false);
    expect(raft.takeReady().messagesAfterPersist).toMatchObject([{ kind: "voteAnswer", granted: true, to: 3 }]);
  });

  test("R9: a peer gives its promise up to a leader whose process ended, of that term alone", () => {
    const follower = peer(1, { term: 3 });
    follower.step({ from: 2, to: 1, term: 3, kind: "heartbeat", commit: 0, context: 7 });
    settle(follower);
    const asked = () => {
      follower.step({ from: 3, to: 1, term: 4, kind: "preVote", lastIndex: 9, lastTerm: 3, isTransfer: false, priority: 0 });
      return settle(follower).length;
    };
    expect(asked()).toBe(0);
    follower.leaderGone(2, 2);
    follower.leaderGone(3, 3);
    expect([follower.leader, asked()]).toEqual([2, 0]);
    follower.leaderGone(2, 3);
    expect([follower.leader, asked()]).toEqual([0, 1]);
  });

  test("R9: a restarted peer that is sure that nobody leads votes and stands at once, but not for what it promised since", () => {
    const restarted = () => peer(1, { term: 1, draw: () => 1, isRestarted: true });
    const raft = restarted();
    raft.endSilence(2);
    raft.tick();
    expect(raft.hasReady).toBe(false);
    raft.tick();
    expect(settle(raft)).toMatchObject([
      { kind: "preVote", to: 2 },
      { kind: "preVote", to: 3 },
    ]);
    for (let tick = 0; tick < 3; tick++) raft.tick();
    expect(settle(raft)).toMatchObject([{ kind: "preVote" }, { kind: "preVote" }]); // again: the others began later
    const led = restarted();
    led.step({ from: 2, to: 1, term: 1, kind: "heartbeat", commit: 0, context: 7 });
    settle(led);
    expect(led.isSilentOfRestart).toBe(false);
    led.endSilence(1);
    for (let tick = 0; tick < 9; tick++) led.tick();
    led.step({ from: 3, to: 1, term: 2, kind: "vote", lastIndex: 9, lastTerm: 1, isTransfer: false, priority: 0 });
    expect(settle(led)).toEqual([]);
  });

  test("R9: a peer that hears of a newer term keeps what it promised to the leader that it heard", () => {
    const raft = peer(1, { term: 1 });
    const ask = (term: number) =>
      raft.step({ from: 3, to: 1, term, kind: "vote", lastIndex: 9, lastTerm: 1, isTransfer: false, priority: 0 });
    raft.step({ from: 2, to: 1, term: 1, kind: "heartbeat", commit: 0, context: 7 });
    expect(settle(raft)).toMatchObject([{ kind: "heartbeatAnswer", to: 2, context: 7 }]);
    // The late answer to a request that it made before it heard the leader again.
    raft.step({ from: 3, to: 1, term: 2, kind: "preVoteAnswer", granted: false, ...nothing });
    settle(raft);
    ask(2);
    ask(3);
    expect(settle(raft)).toEqual([]);
    for (let tick = 0; tick < 10; tick++) raft.tick();
    settle(raft);
    ask(4);
    expect(settle(raft)).toMatchObject([{ kind: "voteAnswer", granted: true, to: 3 }]);
  });
});

describe("terms", () => {
  test("R1, R2: a leader that elected itself alone says nothing of its term before that is durable", () => {
    const raft = peer(1, { membership: { voters: [1], votersOutgoing: [], learners: [2], learnersNext: [] } });
    raft.campaign();
    expect(raft.role).toBe("leader");
    const first = raft.takeReady();
    expect(first.messages).toEqual([]);
    expect(first.messagesAfterPersist).toMatchObject([{ kind: "append", to: 2, term: 1 }]);
    // It may be as fast as it likes meanwhile.
    raft.propose(data);
    raft.ping();
    raft.step({ from: 2, to: 1, term: 1, kind: "heartbeatAnswer", context: 0 });
    const second = raft.takeReady();
    expect(second.messages).toEqual([]);
    logs.get(raft)?.write(first.entries);
    raft.persisted(1, 1);
    raft.propose(data);
    raft.ping();
    expect(raft.takeReady().messages).toContainEqual(expect.objectContaining({ kind: "heartbeat", to: 2 }));
  });
});

describe("turns", () => {
  test("proposals of one turn go out in one append a peer, and so do reads in one round", () => {
    const raft = peer(1);
    elect(raft, 2);
    raft.step({ from: 2, to: 1, term: 1, kind: "appendAnswer", index: 1, rejected: false });
    raft.step({ from: 3, to: 1, term: 1, kind: "appendAnswer", index: 1, rejected: false });
    settle(raft);
    for (let i = 0; i < 5; i++) raft.propose(data);
    raft.readIndex("a");
    raft.readIndex("b");
    const { messages } = raft.takeReady();
    expect(messages.filter(({ kind }) => kind === "append")).toHaveLength(2);
    expect(messages.filter(({ kind }) => kind === "heartbeat")).toHaveLength(2);
    raft.step({ from: 2, to: 1, term: 1, kind: "heartbeatAnswer", context: raft.round });
    expect(raft.takeReady().reads.map(({ context }) => context)).toEqual(["a", "b"]);
  });

  test("what is committed elsewhere is learned, with what is missing before it", () => {
    const raft = peer(2, { terms: [1, 1, 2], term: 2 });
    const entries = [1, 2, 2].map((term, i): Entry => ({ term, index: 2 + i, kind: "normal", data }));
    expect(raft.learnCommitted(entries)).toBe(true);
    expect(raft.committed).toBe(4);
    expect(raft.takeReady().entries.map(({ index, term }) => [index, term])).toEqual([[4, 2]]);
    const far = [{ term: 2, index: 9, kind: "normal", data }] as const;
    expect(raft.learnCommitted(far)).toBe(false);
  });
});
