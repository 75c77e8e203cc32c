export {
  applyChange,
  committedIndex,
  countVotes,
  decodeChange,
  encodeChange,
  isJoint,
  isVoter,
  leaveJoint,
  majorityIndex,
  peersOf,
} from "./core/membership.ts";
export type { Progress } from "./core/progress.ts";
export { type ProposeResult, Raft, type RaftOptions } from "./core/raft.ts";
export type {
  Entry,
  HardState,
  LogView,
  Membership,
  MembershipChange,
  Message,
  MessageBody,
  PeerId,
  ReadState,
  Ready,
  Role,
  SnapshotMeta,
} from "./core/types.ts";
