import { describe, expect, test } from "vitest";
import { changePeers, membershipOf, type PeerRole, type Region, splitRegion } from "./region.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function region(...roles: readonly PeerRole[]): Region {
  const peers = roles.map((role, i) => ({ id: i + 1, storeId: (i + 1) * 10, role }));
  return { id: 7, startKey: bytes("b"), endKey: bytes("y"), confVer: 5, version: 3, peers };
}

const voters = region("voter", "voter", "voter");
const add = (kind: "addVoter" | "addLearner" | "remove", peerId: number) => ({ kind, peerId, storeId: peerId * 10 });
const changed = (of: Region, ...changes: Parameters<typeof changePeers>[1]) => {
  const result = changePeers(of, changes, 1);
  if ("refused" in result) throw new Error(result.refused);
  return result.region;
};
const refusal = (of: Region, ...changes: Parameters<typeof changePeers>[1]) => {
  const result = changePeers(of, changes, 1);
  return "refused" in result ? result.refused : null;
};

describe("changes of peers", () => {
  test("a single one is made at once, and raises conf_ver by one", () => {
    const more = changed(voters, add("addLearner", 4));
    expect(more).toMatchObject({ confVer: 6, version: 3, peers: [{}, {}, {}, { id: 4, storeId: 40, role: "learner" }] });
    expect(changed(more, add("addVoter", 4)).peers[3]?.role).toBe("voter");
    expect(changed(voters, add("remove", 3)).peers).toHaveLength(2);
    expect(changed(voters, add("addLearner", 2)).peers[1]?.role).toBe("learner");
  });

  test("several enter a joint configuration with conf_ver plus their number; leaving adds the number of those that move", () => {
    const five = region("voter", "voter", "voter", "learner", "learner");
    const joint = changed(five, add("addVoter", 4), add("addVoter", 5), add("addLearner", 2), add("addLearner", 3));
    expect(joint.confVer).toBe(9);
    expect(joint.peers.map(({ role }) => role)).toEqual(["voter", "demotingVoter", "demotingVoter", "incomingVoter", "incomingVoter"]);
    expect(membershipOf(joint)).toEqual({ voters: [1, 4, 5], votersOutgoing: [1, 2, 3], learners: [], learnersNext: [2, 3] });
    const left = changed(joint);
    expect(left.confVer).toBe(13);
    expect(membershipOf(left)).toEqual({ voters: [1, 4, 5], votersOutgoing: [], learners: [2, 3], learnersNext: [] });
  });

  test("what must not be is refused in the field's words", () => {
    expect(refusal(voters, add("remove", 1))).toBe("ignore remove leader or demote leader");
    expect(refusal(voters, add("addLearner", 1))).toBe("ignore remove leader or demote leader");
    expect(refusal(voters, add("remove", 3), add("addVoter", 4))).toBe("can not remove voter directly");
    expect(refusal(voters, add("addVoter", 4), add("addLearner", 4))).toBe("have multiple commands for the same peer");
    expect(refusal(voters, add("addLearner", 4), add("addLearner", 5))).toBe("multiple changes that only effect learner");
    expect(refusal(voters, add("addVoter", 2))).toBe("op not match role");
    expect(refusal(voters)).toBe("not in a joint configuration");
    expect(refusal(region("demotingVoter", "incomingVoter", "voter"))).toBe("ignore leave joint command that demoting leader");
    expect(refusal(region("voter", "incomingVoter", "demotingVoter"), add("remove", 3))).not.toBeNull();
    expect(refusal(voters, { kind: "addVoter", peerId: 9, storeId: 20 })).toContain("store 20");
  });
});

describe("splits", () => {
  const parts = [
    { regionId: 8, peerIds: [11, 12, 13] },
    { regionId: 9, peerIds: [21, 22, 23] },
  ];

  test("all parts get the old version plus their number; the right-most keeps the id", () => {
    const result = splitRegion(voters, [bytes("f"), bytes("m")], parts, true);
    expect(result?.kept).toMatchObject({ id: 7, startKey: bytes("m"), endKey: bytes("y"), version: 5, confVer: 5 });
    expect(result?.made).toMatchObject([
      { id: 8, startKey: bytes("b"), endKey: bytes("f"), version: 5, confVer: 5, peers: [{ id: 11, storeId: 10 }, { id: 12 }, { id: 13 }] },
      { id: 9, startKey: bytes("f"), endKey: bytes("m"), version: 5 },
    ]);
    expect(splitRegion(voters, [bytes("f"), bytes("m")], parts, false)?.kept).toMatchObject({ startKey: bytes("b"), endKey: bytes("f") });
  });

  test("keys outside, at the border, or out of order do not fit", () => {
    for (const keys of [
      ["a", "f"],
      ["b", "f"],
      ["f", "y"],
      ["m", "f"],
      ["f", "f"],
    ])
      expect(splitRegion(voters, keys.map(bytes), parts, true)).toBeNull();
    expect(splitRegion(voters, [bytes("f")], parts, true)).toBeNull();
    expect(splitRegion(region("voter"), [bytes("f"), bytes("m")], parts, true)).toBeNull();
  });
});
