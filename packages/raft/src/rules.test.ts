/** The small rules that larger ones rest on: each test is red when its rule is taken out. */
import { describe, expect, test } from "vitest";
import { committedIndex, countVotes, encodeChange } from "./core/membership.ts";
import type { Raft } from "./core/raft.ts";
import type { Entry, Membership, PeerId } from "./core/types.ts";
import { data, elect, logs, nothing, peer, settle, voters } from "./testing/peer.ts";

const entry = (term: number, index: number): Entry => ({ term, index, kind: "normal", data });
const has = (raft: Raft, from: PeerId, index: number, term = raft.term) =>
  raft.step({ from, to: raft.id, term, kind: "appendAnswer", index, rejected: false });
const hears = (raft: Raft, from: PeerId, context: number, term = raft.term) =>
  raft.step({ from, to: raft.id, term, kind: "heartbeatAnswer", context });
const append = (raft: Raft, term: number, prevIndex: number, prevTerm: number, entries: readonly Entry[], commit = 0) =>
  raft.step({ from: 2, to: raft.id, term, kind: "append", prevIndex, prevTerm, entries, commit });
const votes = (raft: Raft, term: number, kind: "vote" | "preVote" = "vote") =>
  raft.step({ from: 3, to: raft.id, term, kind, lastIndex: 99, lastTerm: 99, isTransfer: false, priority: 0 });

describe("majorities", () => {
  test("R7: either half of a joint configuration can hold a decision up", () => {
    const joint: Membership = { voters: [1, 2, 3], votersOutgoing: [3, 4, 5], learners: [6], learnersNext: [] };
    expect(committedIndex(joint, (id) => (id >= 3 ? 10 : 4))).toBe(4);
    expect(committedIndex(joint, (id) => (id <= 3 ? 10 : 4))).toBe(4);
    expect(countVotes(joint, (id) => id >= 3 || undefined)).toBe("pending");
    expect(countVotes(joint, (id) => (id <= 2 ? false : undefined))).toBe("lost");
    expect(countVotes(joint, (id) => id >= 2 && id <= 4)).toBe("won");
  });

  test("R4: two of four are no majority, and a learner is none of it", () => {
    const four = { ...voters(1, 2, 3, 4), learners: [5, 6, 7] };
    expect(committedIndex(four, (id) => (id <= 2 || id >= 5 ? 10 : 4))).toBe(4);
    expect(countVotes(four, (id) => id <= 2 || id >= 5)).toBe("lost");
    expect(countVotes(four, (id) => id <= 2 || undefined)).toBe("pending");
  });

  test("R6: of five voters one answer confirms no round", () => {
    const raft = peer(1, { membership: voters(1, 2, 3, 4, 5) });
    raft.campaign();
    for (const from of [2, 3]) raft.step({ from, to: 1, term: 1, kind: "preVoteAnswer", granted: true, ...nothing });
    for (const from of [2, 3]) raft.step({ from, to: 1, term: 1, kind: "voteAnswer", granted: true, ...nothing });
    for (const from of [2, 3]) has(raft, from, 1);
    settle(raft);
    has(raft, 2, 1);
    raft.readIndex("a");
    settle(raft);
    hears(raft, 2, raft.round);
    expect(raft.confirmedRound).toBeLessThan(raft.round);
    expect(raft.takeReady().reads).toEqual([]);
    hears(raft, 3, raft.round);
    expect(raft.takeReady().reads).toEqual([{ index: 1, context: "a" }]);
  });
});

describe("who is heard", () => {
  const joined = { ...voters(1, 2, 3), learners: [4, 5] };

  test("R8: a follower that hears its leader waits", () => {
    const raft = peer(1, { term: 1 });
    for (let tick = 0; tick < 60; tick++) {
      if (tick % 8 === 0) raft.step({ from: 2, to: 1, term: 1, kind: "heartbeat", commit: 0, context: 0 });
      raft.tick();
    }
    expect([raft.role, raft.leader]).toEqual(["follower", 2]);
  });

  test("R6: learners confirm no round, and do not keep a leader", () => {
    const raft = peer(1, { membership: joined });
    elect(raft, 2);
    has(raft, 2, 1);
    raft.ping();
    settle(raft);
    for (const from of [4, 5]) hears(raft, from, raft.round);
    expect(raft.confirmedRound).toBeLessThan(raft.round);
    for (let tick = 0; tick < 20; tick++) {
      raft.tick();
      for (const from of [4, 5]) hears(raft, from, raft.round);
    }
    expect(raft.role).toBe("follower");
  });

  test("R7, R8: a leader that one half of a joint configuration does not answer steps down", () => {
    const raft = peer(1);
    elect(raft, 2);
    has(raft, 2, 1);
    settle(raft);
    raft.setMembership({ ...voters(1, 4, 5), votersOutgoing: [1, 2, 3] });
    for (let tick = 0; tick < 20; tick++) {
      raft.tick();
      settle(raft);
      for (const from of [4, 5]) hears(raft, from, raft.round);
    }
    expect(raft.role).toBe("follower");
  });

  test("R6: who does not lead answers no read of others", () => {
    const raft = peer(1, { terms: [1], term: 1, commit: 1 });
    raft.step({ from: 2, to: 1, term: 1, kind: "readIndex", context: "a" });
    expect(settle(raft)).toEqual([]);
    for (let tick = 0; tick < 30; tick++) raft.tick();
    elect(raft, 2);
    has(raft, 2, raft.lastIndex);
    settle(raft);
    hears(raft, 2, raft.round);
    expect(settle(raft).filter(({ kind }) => kind === "readIndexAnswer")).toEqual([]);
  });
});

describe("the follower's log", () => {
  test("R2: what lies behind the entries of an append is not committed by it", () => {
    const raft = peer(1, { terms: [1, 1, 2, 2], term: 2 });
    append(raft, 3, 1, 1, [entry(1, 2)], 4);
    settle(raft);
    expect(raft.committed).toBe(2);
  });

  test("R2: an append that was overtaken by later ones takes nothing away", () => {
    const raft = peer(1, { term: 1 });
    append(raft, 1, 0, 0, [entry(1, 1), entry(1, 2), entry(1, 3)]);
    settle(raft);
    append(raft, 1, 0, 0, [entry(1, 1)]);
    expect(settle(raft)).toMatchObject([{ kind: "appendAnswer", index: 1 }]);
    expect(raft.lastIndex).toBe(3);
  });

  test("P2: a report about entries that were replaced since makes nothing durable, and what replaced them is handed out", () => {
    const raft = peer(1, { term: 1 });
    append(raft, 1, 0, 0, [entry(1, 1), entry(1, 2), entry(1, 3)]);
    expect(raft.takeReady().entries).toHaveLength(3);
    append(raft, 2, 1, 1, [entry(2, 2)]);
    expect(raft.takeReady().entries).toEqual([entry(2, 2)]);
    raft.persisted(3, 1);
    append(raft, 3, 1, 1, [entry(3, 2), entry(3, 3)]);
    raft.persisted(2, 2);
    expect(raft.takeReady().entries).toEqual([entry(3, 2), entry(3, 3)]);
    expect(raft.lastIndex).toBe(3);
  });

  test("P2: entries that came back after others had replaced them are durable when they are written again, not before", () => {
    const raft = peer(1, { terms: [1], term: 1, commit: 1 });
    append(raft, 1, 1, 1, [entry(1, 2), entry(1, 3)]);
    expect(raft.takeReady().entries).toHaveLength(2);
    append(raft, 2, 1, 1, [entry(2, 2)]);
    expect(raft.takeReady().entries).toHaveLength(1);
    append(raft, 3, 1, 1, [entry(1, 2), entry(1, 3)]);
    expect(raft.takeReady().entries).toHaveLength(2);
    // Of the first write: the second one, on its way, takes away what it wrote.
    raft.persisted(3, 1);
    logs.get(raft)?.write([entry(2, 2)]);
    raft.persisted(2, 2);
    expect(raft.lastIndex).toBe(3);
    append(raft, 3, 3, 1, [entry(3, 4)], 3);
    expect(raft.takeReady().messagesAfterPersist).toMatchObject([{ rejected: false, index: 4 }]);
  });

  test("a peer of a newer term tells whoever still leads or asks in an old one", () => {
    const raft = peer(1, { terms: [1], term: 5, commit: 1 });
    append(raft, 3, 1, 1, []);
    expect(settle(raft)).toMatchObject([{ kind: "appendAnswer", to: 2, term: 5, index: 1 }]);
    votes(raft, 3, "preVote");
    expect(settle(raft)).toMatchObject([{ kind: "preVoteAnswer", to: 3, term: 5, granted: false }]);
    votes(raft, 3);
    expect(settle(raft)).toMatchObject([{ kind: "voteAnswer", to: 3, term: 5, granted: false }]);
  });

  test("an append from before what is committed is answered with what is", () => {
    const raft = peer(1, { terms: [1, 1], term: 1, commit: 2 });
    append(raft, 1, 0, 0, [entry(1, 1)]);
    expect(settle(raft)).toMatchObject([{ kind: "appendAnswer", index: 2, rejected: false }]);
  });

  test("R1: who follows a leader of a term grants nobody a vote in it", () => {
    const raft = peer(1, { term: 1 });
    append(raft, 1, 0, 0, []);
    settle(raft);
    for (let tick = 0; tick < 9; tick++) raft.tick();
    votes(raft, 1);
    votes(raft, 1, "preVote");
    expect(settle(raft)).toMatchObject([
      { kind: "preVoteAnswer", granted: false },
      { kind: "voteAnswer", granted: false },
    ]);
  });

  test("no more is handed out to be applied than may be on its way", () => {
    const raft = peer(1, { term: 1, applyingMax: 2 });
    append(raft, 1, 0, 0, [entry(1, 1), entry(1, 2), entry(1, 3)], 2);
    expect(raft.takeReady().committed).toHaveLength(2);
    append(raft, 1, 3, 1, [entry(1, 4)], 4);
    expect(raft.takeReady().committed).toEqual([]);
    raft.reportApplied(2);
    expect(raft.takeReady().committed.map(({ index }) => index)).toEqual([3, 4]);
  });
});

describe("what a leader believes", () => {
  const leader = () => {
    const raft = peer(1);
    elect(raft, 2);
    has(raft, 2, 1);
    settle(raft);
    return raft;
  };

  test("an acknowledgement of more than it has is of another life of this log", () => {
    const raft = leader();
    has(raft, 2, 99);
    has(raft, 3, 99);
    settle(raft);
    expect(raft.committed).toBe(1);
    expect(raft.progress.get(2)?.match).toBe(1);
  });

  test("a refusal that was overtaken sends nothing twice", () => {
    const raft = leader();
    raft.propose(data);
    settle(raft);
    has(raft, 2, 2);
    settle(raft);
    raft.step({ from: 2, to: 1, term: 1, kind: "appendAnswer", index: 1, rejected: true, hintIndex: 0, hintTerm: 0 });
    expect(settle(raft)).toEqual([]);
    expect(raft.progress.get(2)).toMatchObject({ match: 2, next: 3, state: { kind: "replicate" } });
  });

  test("what is committed makes room for proposals", () => {
    const raft = leader();
    expect(raft.propose(new Uint8Array(90))).toMatchObject({ index: 2 });
    expect(raft.propose(new Uint8Array(90))).toBe("busy");
    settle(raft);
    has(raft, 2, 2);
    expect(raft.propose(new Uint8Array(90))).toMatchObject({ index: 3 });
  });

  test("R6: reads end with the leadership that they were asked of", () => {
    const raft = leader();
    raft.readIndex("old");
    settle(raft);
    raft.step({ from: 3, to: 1, term: 2, kind: "heartbeat", commit: 1, context: 0 });
    settle(raft);
    for (let tick = 0; tick < 20; tick++) raft.tick();
    elect(raft, 2);
    has(raft, 2, raft.lastIndex);
    raft.ping();
    settle(raft);
    hears(raft, 2, raft.round);
    expect(raft.role).toBe("leader");
    expect(raft.takeReady().reads).toEqual([]);
  });

  test("R9: only a leader has a lease", () => {
    const raft = leader();
    expect(raft.mayLease).toBe(true);
    raft.step({ from: 3, to: 1, term: 2, kind: "append", prevIndex: 1, prevTerm: 1, entries: [entry(2, 2)], commit: 2 });
    settle(raft);
    expect(raft.mayLease).toBe(false);
  });
});

describe("what a leader sends", () => {
  test("no more appends are on their way to a peer than it may have", () => {
    const raft = peer(1);
    elect(raft, 2);
    for (const from of [2, 3]) has(raft, from, 1);
    settle(raft);
    const sent = Array.from({ length: 12 }, () => {
      raft.propose(new Uint8Array(1));
      return settle(raft).filter(({ kind, to }) => kind === "append" && to === 2).length;
    });
    expect(sent).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]);
    has(raft, 2, 3);
    expect(settle(raft)).toContainEqual(expect.objectContaining({ to: 2, prevIndex: 9, entries: expect.any(Array) as Entry[] }));
  });

  test("what was on its way to a peer whose connection broke is sent again", () => {
    const raft = peer(1);
    elect(raft, 2);
    for (const from of [2, 3]) has(raft, from, 1);
    raft.propose(data);
    settle(raft);
    raft.reportUnreachable(2);
    expect(raft.progress.get(2)).toMatchObject({ next: 2, state: { kind: "probe" } });
  });

  test("a transfer ends when its target is no voter any more", () => {
    const raft = peer(1);
    elect(raft, 2);
    has(raft, 2, 1);
    settle(raft);
    raft.propose(data);
    expect(raft.transferLeader(3)).toBe(true);
    raft.setMembership(voters(1, 2));
    expect(raft.isTransferring).toBe(false);
  });

  test("a smaller majority may have what a larger one waited for", () => {
    const raft = peer(1, { membership: voters(1, 2) });
    elect(raft, 2);
    has(raft, 2, 1);
    raft.propose(data);
    settle(raft);
    expect(raft.committed).toBe(1);
    raft.setMembership(voters(1));
    expect(raft.committed).toBe(2);
  });

  test("R7: a leader that is no member any more proposes nothing", () => {
    const raft = peer(1);
    elect(raft, 2);
    has(raft, 2, 1);
    settle(raft);
    raft.setMembership(voters(2, 3));
    expect(raft.propose(data)).toBe("notLeader");
  });
});

describe("quiet", () => {
  test("a leader is quiet when all have everything, know that it is committed, and it has applied it; never between two memberships", () => {
    const raft = peer(1);
    elect(raft, 2);
    for (const from of [2, 3]) has(raft, from, 1);
    expect(raft.isQuiet, "they were not told").toBe(false);
    const ready = raft.takeReady();
    expect(raft.isQuiet, "it is not applied").toBe(false);
    raft.reportApplied(ready.committed.at(-1)?.index ?? 0);
    expect(raft.isQuiet).toBe(true);
    raft.readIndex("a");
    expect(raft.isQuiet, "a read waits").toBe(false);
    settle(raft);
    hears(raft, 2, raft.round);
    settle(raft);
    expect(raft.isQuiet).toBe(true);
    raft.setMembership({ ...voters(1, 2), votersOutgoing: [1, 2, 3] });
    expect(raft.isQuiet, "joint").toBe(false);
  });
});

describe("who may stand for election", () => {
  const change: Entry = { term: 1, index: 2, kind: "change", data: encodeChange({ steps: [{ kind: "remove", peer: 3 }] }) };

  test("R7: nobody with a committed change of members that is not applied", () => {
    const raft = peer(1, { terms: [1], entries: [change], term: 1 });
    append(raft, 1, 2, 1, [], 2);
    for (let tick = 0; tick < 30; tick++) raft.tick();
    raft.step({ from: 2, to: 1, term: 1, kind: "timeoutNow" });
    expect(raft.role).toBe("follower");
    settle(raft);
    for (let tick = 0; tick < 30; tick++) raft.tick();
    expect(raft.role).toBe("preCandidate");
  });

  test("R7: nobody who is no voter, whatever the leader says", () => {
    const raft = peer(4, { membership: { ...voters(1, 2, 3), learners: [4] }, term: 1 });
    raft.step({ from: 1, to: 4, term: 1, kind: "timeoutNow" });
    for (let tick = 0; tick < 30; tick++) raft.tick();
    raft.campaign();
    expect(raft.role).toBe("follower");
    expect(settle(raft)).toEqual([]);
  });
});

describe("what others are told", () => {
  test("R10: an answer to a candidate tells what its voter knows to be committed", () => {
    const raft = peer(1, { terms: [1, 2], term: 2, commit: 2 });
    votes(raft, 3, "preVote");
    votes(raft, 3);
    expect(settle(raft)).toMatchObject([
      { kind: "preVoteAnswer", commit: 2, commitTerm: 2 },
      { kind: "voteAnswer", commit: 2, commitTerm: 2 },
    ]);
  });

  test("R1: that an earlier write is durable does not make a term known that one needed nobody's vote for", () => {
    const raft = peer(1, { membership: { ...voters(1), learners: [2] }, term: 1 });
    append(raft, 1, 0, 0, [entry(1, 1)]);
    raft.takeReady();
    raft.campaign();
    expect(raft.role).toBe("leader");
    raft.takeReady();
    raft.persisted(1, 1);
    raft.propose(data);
    raft.ping();
    expect(raft.takeReady().messages).toEqual([]);
    raft.persisted(2, 2);
    raft.ping();
    expect(raft.takeReady().messages).not.toEqual([]);
  });
});

describe("a group that was just made", () => {
  test("a peer that is to stand soon does so once nobody leads by then, and not when somebody does", () => {
    const alone = peer(1, { term: 1 });
    alone.standSoon(2);
    alone.tick();
    expect(settle(alone)).toEqual([]);
    alone.tick();
    expect(settle(alone)).toMatchObject([{ kind: "preVote" }, { kind: "preVote" }]);
    const led = peer(1, { term: 1 });
    led.standSoon(2);
    led.step({ from: 2, to: 1, term: 1, kind: "heartbeat", commit: 0, context: 7 });
    settle(led);
    for (let i = 0; i < 4; i++) led.tick();
    expect(settle(led)).toEqual([]);
  });
});

describe("promises", () => {
  test("R9: elections before their time after a restart are few", () => {
    const raft = peer(1, { term: 1, isRestarted: true });
    raft.endSilence(1);
    const asked = Array.from({ length: 12 }, () => {
      raft.tick();
      return settle(raft).length / 2;
    });
    expect(asked).toEqual([1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  });

  test("R9: what another log tells to be committed in a newer term ends no promise", () => {
    const raft = peer(1, { terms: [1], term: 1 });
    raft.step({ from: 2, to: 1, term: 1, kind: "heartbeat", commit: 1, context: 7 });
    settle(raft);
    expect(raft.learnCommitted([entry(1, 1), entry(2, 2)])).toBe(true);
    expect(raft.term).toBe(2);
    settle(raft);
    votes(raft, 3);
    expect(settle(raft)).toEqual([]);
    for (let tick = 0; tick < 10; tick++) raft.tick();
    settle(raft);
    votes(raft, 4);
    expect(settle(raft)).toMatchObject([{ kind: "voteAnswer", granted: true }]);
  });

  test("a leader whose log is not what is known to be committed leads no more", () => {
    const raft = peer(1, { terms: [1], term: 1 });
    elect(raft, 2);
    expect(raft.learnCommitted([entry(1, 1), entry(3, 2)])).toBe(true);
    expect(raft.role).toBe("follower");
    expect(raft.term).toBe(3);
  });

  test("who stands for election with a log that grew meanwhile stands no more: it was voted for by another one", () => {
    const raft = peer(1, { terms: [1], term: 4 });
    raft.campaign();
    settle(raft);
    raft.step({ from: 2, to: 1, term: 5, kind: "preVoteAnswer", granted: true, ...nothing });
    expect(raft.role).toBe("candidate");
    expect(raft.learnCommitted([entry(1, 1), entry(2, 2)])).toBe(true);
    expect([raft.role, raft.term]).toEqual(["follower", 5]);
  });

  test("R9: who kept still for its restart, heard a leader, and then of a newer term, keeps still for that leader", () => {
    const raft = peer(1, { term: 1, isRestarted: true });
    raft.step({ from: 2, to: 1, term: 1, kind: "heartbeat", commit: 0, context: 7 });
    raft.step({ from: 3, to: 1, term: 2, kind: "voteAnswer", granted: false, ...nothing });
    settle(raft);
    raft.endSilence(1);
    votes(raft, 3);
    expect(settle(raft)).toEqual([]);
  });
});
