/** What of a replica's consensus state goes over the wire. */
import { bytes, message, names, u64 } from "@skein/rpc";

export type HardState = { readonly term: number; readonly vote: number; readonly commit: number };
export const HardState = message<HardState>("eraftpb.HardState", { term: u64(1), vote: u64(2), commit: u64(3) });

export const confChangeTypeNames = ["AddNode", "RemoveNode", "AddLearnerNode"] as const;
export type ConfChangeType = (typeof confChangeTypeNames)[number] | "unrecognized";

export type ConfChange = {
  readonly change_type: ConfChangeType;
  readonly node_id: number;
  readonly context: Uint8Array;
  readonly id: number;
};
export const ConfChange = message<ConfChange>("eraftpb.ConfChange", {
  change_type: names(2, confChangeTypeNames),
  node_id: u64(3),
  context: bytes(4),
  id: u64(1),
});
