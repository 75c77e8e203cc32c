import type { pdpb } from "@skein/placement/wire";
import { expect, test } from "vitest";
import { actionOf } from "./pd-link.ts";

const none: pdpb.RegionHeartbeatResponse = {
  header: null,
  change_peer: null,
  transfer_leader: null,
  region_id: 7,
  region_epoch: { conf_ver: 2, version: 3 },
  target_peer: null,
  merge: null,
  split_region: null,
  change_peer_v2: null,
  switch_witnesses: null,
  change_split: null,
};
const peer = { id: 4, store_id: 5, role: "Voter", is_witness: false } as const;
const head = { regionId: 7, epoch: { confVer: 2, version: 3 } };

test("an answer to a region's heartbeat has one order at most", () => {
  expect(actionOf(none)).toBeNull();
  const change = (change_type: "AddNode" | "AddLearnerNode" | "RemoveNode") => ({ peer, change_type });
  expect(actionOf({ ...none, change_peer: change("AddLearnerNode") })).toEqual({
    ...head,
    kind: "changePeers",
    changes: [{ kind: "addLearner", peerId: 4, storeId: 5 }],
  });
  expect(actionOf({ ...none, change_peer_v2: { changes: [change("AddNode"), change("RemoveNode")] } })).toMatchObject({
    changes: [{ kind: "addVoter" }, { kind: "remove" }],
  });
  // An empty one leaves a joint configuration: it is an order, not nothing.
  expect(actionOf({ ...none, change_peer_v2: { changes: [] } })).toEqual({ ...head, kind: "changePeers", changes: [] });
  expect(actionOf({ ...none, transfer_leader: { peer, peers: [] } })).toEqual({ ...head, kind: "transferLeader", peerId: 4 });
  expect(actionOf({ ...none, split_region: { policy: "USEKEY", keys: [new Uint8Array([1])] } })).toMatchObject({ kind: "split" });
  const target = { id: 8, start_key: new Uint8Array([1]), end_key: new Uint8Array(0), region_epoch: null, peers: [peer] };
  expect(actionOf({ ...none, merge: { target: target as never } })).toMatchObject({
    kind: "merge",
    target: { id: 8, confVer: 0, peers: [{ id: 4, storeId: 5, role: "voter" }] },
  });
});

test("an order with a part that is not understood is no order: what is left of it would be another one", () => {
  const known = { peer, change_type: "AddNode" } as const;
  for (const unknown of [{ peer, change_type: "unrecognized" } as const, { peer: null, change_type: "AddNode" } as const]) {
    expect(actionOf({ ...none, change_peer_v2: { changes: [known, unknown] } })).toBeNull();
    expect(actionOf({ ...none, change_peer_v2: { changes: [unknown] } })).toBeNull();
    expect(actionOf({ ...none, change_peer: unknown })).toBeNull();
  }
});
