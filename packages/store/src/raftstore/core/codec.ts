/** The store's own formats: region states in the engine, commands in the Raft log, messages between stores. */
import type { Entry, MessageBody } from "@skein/raft";
import { Decoder, type Encoder, MalformedInput } from "../../raftlog/core/encoder.ts";
import type { RegionWrite } from "../../region-kv.ts";
import type { Epoch, PeerChange, PeerRole, Region, SplitPart } from "./region.ts";

const roles: readonly PeerRole[] = ["voter", "learner", "incomingVoter", "demotingVoter"];

export function encodeRegion(out: Encoder, region: Region): void {
  out.varint(region.id).bytes(region.startKey).bytes(region.endKey).varint(region.confVer).varint(region.version);
  out.varint(region.peers.length);
  for (const { id, storeId, role } of region.peers) out.varint(id).varint(storeId).u8(roles.indexOf(role));
}

export function decodeRegion(input: Decoder): Region {
  const id = input.varint();
  const [startKey, endKey] = [input.bytes().slice(), input.bytes().slice()];
  const [confVer, version] = [input.varint(), input.varint()];
  const peers = Array.from({ length: input.count(3) }, () => ({
    id: input.varint(),
    storeId: input.varint(),
    role: one(roles, input.u8()),
  }));
  return { id, startKey, endKey, confVer, version, peers };
}

function one<T>(values: readonly T[], at: number): T {
  const value = values[at];
  if (value === undefined) throw new MalformedInput(`no such value: ${at}`);
  return value;
}

// ── states in the engine ──────────────────────────────────────────────────────────────────────────────────────────────

/**
 *   normal ─▶ applying (a snapshot is being put in its place) ─▶ normal
 *   normal ─▶ merging (all its writes are in; it waits to become part of its neighbour) ─▶ tombstone, or back to normal
 *   any ─▶ tombstone (removed; `region` is as it was, `peerId` is refused for ever)
 */
export type RegionStateKind = "normal" | "applying" | "merging" | "tombstone";
const stateKinds: readonly RegionStateKind[] = ["normal", "applying", "merging", "tombstone"];

export interface MergeState {
  /** Everyone has the source's log up to here. */
  readonly minIndex: number;
  /** Of the PrepareMerge entry. */
  readonly commit: number;
  readonly target: Region;
}

export interface RegionState {
  readonly kind: RegionStateKind;
  readonly region: Region;
  /** This store's peer. */
  readonly peerId: number;
  readonly merge: MergeState | null;
  /** The snapshot that is being applied. */
  readonly snapshot: { readonly index: number; readonly term: number } | null;
}

export function encodeRegionState(out: Encoder, state: RegionState): Uint8Array {
  out.clear();
  out.u8(stateKinds.indexOf(state.kind)).varint(state.peerId);
  encodeRegion(out, state.region);
  out.bool(state.merge !== null);
  if (state.merge !== null) encodeRegion(out.varint(state.merge.minIndex).varint(state.merge.commit), state.merge.target);
  out.bool(state.snapshot !== null);
  if (state.snapshot !== null) out.varint(state.snapshot.index).varint(state.snapshot.term);
  return out.take();
}

export function decodeRegionState(bytes: Uint8Array): RegionState {
  const input = new Decoder(bytes);
  const kind = one(stateKinds, input.u8());
  const peerId = input.varint();
  const region = decodeRegion(input);
  const merge = input.bool() ? { minIndex: input.varint(), commit: input.varint(), target: decodeRegion(input) } : null;
  const snapshot = input.bool() ? { index: input.varint(), term: input.varint() } : null;
  return { kind, peerId, region, merge, snapshot };
}

export interface ApplyState {
  readonly applied: number;
  readonly appliedTerm: number;
  /** The log begins after this position. */
  readonly truncated: { readonly index: number; readonly term: number };
}

export function encodeApplyState(out: Encoder, state: ApplyState): Uint8Array {
  out.clear();
  return out.varint(state.applied).varint(state.appliedTerm).varint(state.truncated.index).varint(state.truncated.term).take();
}

export function decodeApplyState(bytes: Uint8Array): ApplyState {
  const input = new Decoder(bytes);
  return { applied: input.varint(), appliedTerm: input.varint(), truncated: { index: input.varint(), term: input.varint() } };
}

// ── commands in the log ───────────────────────────────────────────────────────────────────────────────────────────────

export type AdminCommand =
  | {
      readonly kind: "split";
      readonly epoch: Epoch;
      readonly keys: readonly Uint8Array[];
      readonly parts: readonly SplitPart[];
      readonly rightDerive: boolean;
    }
  | { readonly kind: "compactLog"; readonly index: number; readonly term: number }
  | { readonly kind: "changePeers"; readonly epoch: Epoch; readonly changes: readonly PeerChange[]; readonly leaderId: number }
  | { readonly kind: "computeHash" }
  | { readonly kind: "verifyHash"; readonly index: number; readonly hash: number }
  | { readonly kind: "prepareMerge"; readonly epoch: Epoch; readonly minIndex: number; readonly target: Region }
  | {
      readonly kind: "commitMerge";
      readonly epoch: Epoch;
      readonly source: Region;
      readonly commit: number;
      /** The source's log from its peers' common index on, up to `commit`. */
      readonly entries: readonly Entry[];
    }
  | { readonly kind: "rollbackMerge"; readonly epoch: Epoch; readonly commit: number }
  /** Behind it versions up to here are removed. */
  | { readonly kind: "safePoint"; readonly safePoint: bigint };

/** The first byte of an entry's data. */
const command = {
  writes: 1,
  split: 2,
  compactLog: 3,
  changePeers: 4,
  computeHash: 5,
  verifyHash: 6,
  prepareMerge: 7,
  commitMerge: 8,
  rollbackMerge: 9,
  safePoint: 10,
} as const;
const changeKinds: readonly PeerChange["kind"][] = ["addVoter", "addLearner", "remove"];

/** Writes of one epoch version; more are put behind with `encodeWrites`. */
export function beginWrites(out: Encoder, version: number): void {
  out.clear();
  out.u8(command.writes).varint(version);
}

const families = ["default", "lock", "write"] as const;
/** One byte tells kind and family. */
const writeKinds = { put: 0, delete: 3, deleteRange: 6 } as const;

export function encodeWrites(out: Encoder, writes: readonly RegionWrite[]): void {
  for (const write of writes) {
    out.u8(writeKinds[write.kind] + (write.family === "default" ? 0 : write.family === "lock" ? 1 : 2));
    if (write.kind === "put") out.bytes(write.key).bytes(write.value);
    else if (write.kind === "delete") out.bytes(write.key);
    else out.bytes(write.start).bytes(write.end);
  }
}

/** It changes the region itself, and no pairs: told without reading it. */
export function isAdministrative(data: Uint8Array): boolean {
  return data.length > 0 && data[0] !== command.writes;
}

/** Null for the entry that opens a term. Byte strings are views. */
export function decodeCommand(
  data: Uint8Array,
): { readonly kind: "writes"; readonly version: number; readonly writes: RegionWrite[] } | AdminCommand | null {
  if (data.length === 0) return null;
  const input = new Decoder(data);
  const kind = input.u8();
  if (kind === command.writes) {
    const version = input.varint();
    const writes: RegionWrite[] = [];
    while (input.left > 0) {
      const code = input.u8();
      const family = families[code % 3] as (typeof families)[number];
      if (code < 3) writes.push({ kind: "put", family, key: input.bytes(), value: input.bytes() });
      else if (code < 6) writes.push({ kind: "delete", family, key: input.bytes() });
      else if (code < 9) writes.push({ kind: "deleteRange", family, start: input.bytes(), end: input.bytes() });
      else throw new MalformedInput(`no such write: ${code}`);
    }
    return { kind: "writes", version, writes };
  }
  const epoch = (): Epoch => ({ confVer: input.varint(), version: input.varint() });
  switch (kind) {
    case command.split:
      return {
        kind: "split",
        epoch: epoch(),
        rightDerive: input.bool(),
        keys: Array.from({ length: input.count() }, () => input.bytes().slice()),
        parts: Array.from({ length: input.count() }, () => ({
          regionId: input.varint(),
          peerIds: Array.from({ length: input.count() }, () => input.varint()),
        })),
      };
    case command.compactLog:
      return { kind: "compactLog", index: input.varint(), term: input.varint() };
    case command.changePeers:
      return {
        kind: "changePeers",
        epoch: epoch(),
        leaderId: input.varint(),
        changes: Array.from({ length: input.count(3) }, () => ({
          kind: one(changeKinds, input.u8()),
          peerId: input.varint(),
          storeId: input.varint(),
        })),
      };
    case command.computeHash:
      return { kind: "computeHash" };
    case command.verifyHash:
      return { kind: "verifyHash", index: input.varint(), hash: input.varint() };
    case command.prepareMerge:
      return { kind: "prepareMerge", epoch: epoch(), minIndex: input.varint(), target: decodeRegion(input) };
    case command.commitMerge:
      return { kind: "commitMerge", epoch: epoch(), source: decodeRegion(input), commit: input.varint(), entries: decodeEntries(input) };
    case command.rollbackMerge:
      return { kind: "rollbackMerge", epoch: epoch(), commit: input.varint() };
    case command.safePoint:
      return { kind: "safePoint", safePoint: decodeSafePoint(input.bytes()) };
    default:
      throw new MalformedInput(`no such command: ${kind}`);
  }
}

export function encodeAdmin(out: Encoder, admin: AdminCommand): Uint8Array {
  out.clear();
  out.u8(command[admin.kind]);
  const epoch = ({ confVer, version }: Epoch) => out.varint(confVer).varint(version);
  switch (admin.kind) {
    case "split":
      epoch(admin.epoch).bool(admin.rightDerive).varint(admin.keys.length);
      for (const key of admin.keys) out.bytes(key);
      out.varint(admin.parts.length);
      for (const { regionId, peerIds } of admin.parts) {
        out.varint(regionId).varint(peerIds.length);
        for (const id of peerIds) out.varint(id);
      }
      break;
    case "compactLog":
      out.varint(admin.index).varint(admin.term);
      break;
    case "changePeers":
      epoch(admin.epoch).varint(admin.leaderId).varint(admin.changes.length);
      for (const { kind, peerId, storeId } of admin.changes) out.u8(changeKinds.indexOf(kind)).varint(peerId).varint(storeId);
      break;
    case "computeHash":
      break;
    case "verifyHash":
      out.varint(admin.index).varint(admin.hash);
      break;
    case "prepareMerge":
      epoch(admin.epoch).varint(admin.minIndex);
      encodeRegion(out, admin.target);
      break;
    case "commitMerge":
      epoch(admin.epoch);
      encodeRegion(out, admin.source);
      encodeEntries(out.varint(admin.commit), admin.entries);
      break;
    case "rollbackMerge":
      epoch(admin.epoch).varint(admin.commit);
      break;
    case "safePoint":
      out.bytes(encodeSafePoint(admin.safePoint));
      break;
  }
  return out.take();
}

function encodeEntries(out: Encoder, entries: readonly Entry[]): void {
  out.varint(entries.length).varint(entries[0]?.index ?? 0);
  for (const { term, kind, data } of entries)
    out
      .varint(term)
      .u8(kind === "normal" ? 0 : 1)
      .bytes(data);
}

function decodeEntries(input: Decoder): Entry[] {
  const count = input.count(3);
  const first = input.varint();
  // Copies: an entry lives longer than the message that it came with.
  return Array.from({ length: count }, (_, i) => ({
    index: first + i,
    term: input.varint(),
    kind: input.u8() === 0 ? ("normal" as const) : ("change" as const),
    data: input.bytes().slice(),
  }));
}

// ── messages between stores ───────────────────────────────────────────────────────────────────────────────────────────

export interface PeerAddress {
  readonly id: number;
  readonly storeId: number;
}

/** What a message says besides Raft's own. */
export type EnvelopeBody =
  | { readonly kind: "raft"; readonly term: number; readonly body: MessageBody; readonly sleep: boolean }
  /** The addressee is no member (any more): it destroys itself if its epoch is older. */
  | { readonly kind: "removed" }
  /** The sender's peer was destroyed, and must be replaced by one with another id. */
  | { readonly kind: "gone" }
  /** Wakes a sleeping leader. */
  | { readonly kind: "wake" }
  /** The addressee's region was taken in by another one, for good: its group is no more. `epoch` is the one at which it was. */
  | { readonly kind: "merged"; readonly targetId: number }
  /**
   * Between members after a restart. `life` not 0: the sender began it, with its Raft in `term`, and asks whether the addressee leads.
   * `answers` not 0: the sender does not, and says so to whoever asked with that life.
   */
  | { readonly kind: "began"; readonly life: number; readonly answers: number; readonly term: number };

export interface Envelope {
  readonly regionId: number;
  readonly from: PeerAddress;
  readonly to: PeerAddress;
  /** Of the sender's region. */
  readonly epoch: Epoch;
  readonly content: EnvelopeBody;
}

const code = {
  append: 1,
  appendAnswer: 2,
  appendRejected: 3,
  heartbeat: 4,
  heartbeatAnswer: 5,
  vote: 6,
  preVote: 7,
  voteAnswer: 8,
  preVoteAnswer: 9,
  timeoutNow: 11,
  readIndex: 12,
  readIndexAnswer: 13,
  removed: 20,
  gone: 21,
  wake: 22,
  merged: 23,
  began: 24,
} as const;
const sleepBit = 0x80;

const text = new TextEncoder();
const untext = new TextDecoder();

export function encodeEnvelope(out: Encoder, envelope: Envelope): void {
  const { content, from, to, epoch } = envelope;
  const head = (kind: number) => {
    out.u8(kind).varint(envelope.regionId).varint(from.id).varint(from.storeId).varint(to.id).varint(to.storeId);
    out.varint(epoch.confVer).varint(epoch.version);
  };
  if (content.kind !== "raft") {
    head(code[content.kind]);
    if (content.kind === "merged") out.varint(content.targetId);
    if (content.kind === "began") out.varint(content.life).varint(content.answers).varint(content.term);
    return;
  }
  const { body } = content;
  const flag = content.sleep ? sleepBit : 0;
  const raft = (kind: number) => {
    head(kind | flag);
    return out.varint(content.term);
  };
  switch (body.kind) {
    case "append":
      raft(code.append).varint(body.prevIndex).varint(body.prevTerm).varint(body.commit);
      return encodeEntries(out, body.entries);
    case "appendAnswer":
      if (!body.rejected) raft(code.appendAnswer).varint(body.index);
      else raft(code.appendRejected).varint(body.index).varint(body.hintIndex).varint(body.hintTerm);
      return;
    case "heartbeat":
      raft(code.heartbeat).varint(body.commit).varint(body.context);
      return;
    case "heartbeatAnswer":
      raft(code.heartbeatAnswer).varint(body.context);
      return;
    case "vote":
    case "preVote":
      raft(code[body.kind]).varint(body.lastIndex).varint(body.lastTerm).bool(body.isTransfer).varint(body.priority);
      return;
    case "voteAnswer":
    case "preVoteAnswer":
      raft(code[body.kind]).bool(body.granted).varint(body.commit).varint(body.commitTerm);
      return;
    case "timeoutNow":
      raft(code.timeoutNow);
      return;
    case "readIndex":
      raft(code.readIndex).bytes(text.encode(body.context));
      return;
    case "readIndexAnswer":
      raft(code.readIndexAnswer).varint(body.index).bytes(text.encode(body.context));
      return;
    case "snapshot":
      throw new Error("a snapshot goes over a connection of its own");
  }
}

export function decodeEnvelope(input: Decoder): Envelope {
  const first = input.u8();
  const kind = first & ~sleepBit;
  const regionId = input.varint();
  const from = { id: input.varint(), storeId: input.varint() };
  const to = { id: input.varint(), storeId: input.varint() };
  const epoch = { confVer: input.varint(), version: input.varint() };
  const simple = (content: EnvelopeBody): Envelope => ({ regionId, from, to, epoch, content });
  if (kind === code.removed) return simple({ kind: "removed" });
  if (kind === code.gone) return simple({ kind: "gone" });
  if (kind === code.wake) return simple({ kind: "wake" });
  if (kind === code.merged) return simple({ kind: "merged", targetId: input.varint() });
  if (kind === code.began) return simple({ kind: "began", life: input.varint(), answers: input.varint(), term: input.varint() });
  const term = input.varint();
  return simple({ kind: "raft", term, body: decodeBody(input, kind), sleep: first !== kind });
}

function decodeBody(input: Decoder, kind: number): MessageBody {
  switch (kind) {
    case code.append: {
      const [prevIndex, prevTerm, commit] = [input.varint(), input.varint(), input.varint()];
      return { kind: "append", prevIndex, prevTerm, commit, entries: decodeEntries(input) };
    }
    case code.appendAnswer:
      return { kind: "appendAnswer", rejected: false, index: input.varint() };
    case code.appendRejected:
      return { kind: "appendAnswer", rejected: true, index: input.varint(), hintIndex: input.varint(), hintTerm: input.varint() };
    case code.heartbeat:
      return { kind: "heartbeat", commit: input.varint(), context: input.varint() };
    case code.heartbeatAnswer:
      return { kind: "heartbeatAnswer", context: input.varint() };
    case code.vote:
    case code.preVote:
      return {
        kind: kind === code.vote ? "vote" : "preVote",
        lastIndex: input.varint(),
        lastTerm: input.varint(),
        isTransfer: input.bool(),
        priority: input.varint(),
      };
    case code.voteAnswer:
      return { kind: "voteAnswer", granted: input.bool(), commit: input.varint(), commitTerm: input.varint() };
    case code.preVoteAnswer:
      return { kind: "preVoteAnswer", granted: input.bool(), commit: input.varint(), commitTerm: input.varint() };
    case code.timeoutNow:
      return { kind: "timeoutNow" };
    case code.readIndex:
      return { kind: "readIndex", context: untext.decode(input.bytes()) };
    case code.readIndexAnswer:
      return { kind: "readIndexAnswer", index: input.varint(), context: untext.decode(input.bytes()) };
    default:
      throw new MalformedInput(`no such message: ${kind}`);
  }
}

/** Of transactions' timestamps: 64 bits. */
export function encodeSafePoint(safePoint: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, safePoint);
  return bytes;
}
export function decodeSafePoint(bytes: Uint8Array): bigint {
  if (bytes.length !== 8) throw new MalformedInput("a safe point has eight bytes");
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
}

// ── keys of the family `local` ────────────────────────────────────────────────────────────────────────────────────────

export const identKey = new Uint8Array([1, 1]);
export const bootstrapKey = new Uint8Array([1, 2]);
/** The greatest safe point up to which any region here was collected. */
export const safePointKey = new Uint8Array([1, 5]);

function regionKey(space: number, regionId: number, suffix: number): Uint8Array {
  const key = new Uint8Array(11);
  key[0] = 1;
  key[1] = space;
  let rest = regionId;
  for (let i = 9; i >= 2; i--) {
    key[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  key[10] = suffix;
  return key;
}

export function applyStateKey(regionId: number): Uint8Array {
  return regionKey(2, regionId, 3);
}
export function regionStateKey(regionId: number): Uint8Array {
  return regionKey(3, regionId, 1);
}
/** All region states. */
export const regionStates = { start: new Uint8Array([1, 3]), end: new Uint8Array([1, 4]) };
