/**
 * Committed entries → engine writes, and what follows once those are done. Every replica computes the same from the same
 * entries: nothing here depends on who leads, or on time.
 */
import type { Entry } from "@skein/raft";
import type { EngineWrite } from "../engine/engine.ts";
import { Encoder } from "../raftlog/core/encoder.ts";
import { RegionError } from "../region-kv.ts";
import {
  type AdminCommand,
  type ApplyState,
  applyStateKey,
  decodeCommand,
  encodeApplyState,
  encodeRegionState,
  encodeSafePoint,
  type MergeState,
  type RegionState,
  regionStateKey,
  safePointKey,
} from "./core/codec.ts";
import { changePeers, peerOn, type Region, sameEpoch, splitRegion } from "./core/region.ts";
import type { Peer } from "./peer.ts";

/** Where a new region's log begins, so that a peer that has nothing is told apart from one that founded the region. */
export const initialIndex = 5;
export const initialTerm = 5;
export const initialApplyState: ApplyState = {
  applied: initialIndex,
  appliedTerm: initialTerm,
  truncated: { index: initialIndex, term: initialTerm },
};

/** What an administrative entry changed; the driver carries it out once the batch is written. */
export type ApplyEffect =
  | { readonly kind: "split"; readonly kept: Region; readonly made: readonly Region[]; readonly before: Region }
  | { readonly kind: "peersChanged"; readonly region: Region; readonly before: Region }
  | { readonly kind: "compacted"; readonly index: number }
  | { readonly kind: "computeHash"; readonly index: number }
  | { readonly kind: "verifyHash"; readonly index: number; readonly hash: number }
  | { readonly kind: "mergePrepared"; readonly region: Region; readonly merge: MergeState }
  | { readonly kind: "merged"; readonly region: Region; readonly source: Region }
  | { readonly kind: "mergeRolledBack"; readonly region: Region };

export interface ApplyResult {
  readonly entry: Entry;
  /** Null: it took effect. */
  readonly refusal: RegionError | null;
  readonly effect: ApplyEffect | null;
}

const scratch = new Encoder(1024);

export function regionStateWrite(state: RegionState): EngineWrite {
  return { kind: "put", family: "local", key: regionStateKey(state.region.id), value: encodeRegionState(scratch, state) };
}

export function safePointWrite(safePoint: bigint): EngineWrite {
  return { kind: "put", family: "local", key: safePointKey, value: encodeSafePoint(safePoint) };
}

export function applyStateWrite(regionId: number, state: ApplyState): EngineWrite {
  return { kind: "put", family: "local", key: applyStateKey(regionId), value: encodeApplyState(scratch, state) };
}

export interface ApplyContext {
  readonly storeId: number;
  /** The peer of a region on this store that is not this one. */
  readonly peer: (regionId: number) => Peer | undefined;
  /** Told before anything behind it is removed; the engine hears of it with the batch. Answers the greatest one that is known here. */
  readonly noteSafePoint: (safePoint: bigint) => bigint;
  /** Whether the region's peer on this store is to be made by a split, or was there before and went. */
  readonly mayCreate: (region: Region, peerId: number) => boolean;
}

/**
 * Applies one entry to `writes`. An entry with an effect other than `compacted` must be the last of its region in a batch: the
 * region's state changes only once the batch is written.
 */
export function applyEntry(peer: Peer, entry: Entry, writes: EngineWrite[], context: ApplyContext): ApplyResult {
  const command = decodeCommand(entry.data);
  if (command === null) return { entry, refusal: null, effect: null };
  if (command.kind === "writes") {
    if (command.version !== peer.region.version) return { entry, refusal: peer.epochNotMatch(), effect: null };
    if (peer.kind === "merging") return { entry, refusal: mergingError(peer.regionId), effect: null };
    for (const write of command.writes) {
      writes.push(write);
      peer.keysWritten++;
      peer.keysSinceCheck++;
      peer.approximateKeys++; // versions and deletions too, until the region is read
    }
    peer.bytesWritten += entry.data.length;
    peer.bytesSinceCheck += entry.data.length;
    return { entry, refusal: null, effect: null };
  }
  const outcome = applyAdmin(peer, entry, command, writes, context);
  return outcome instanceof RegionError ? { entry, refusal: outcome, effect: null } : { entry, refusal: null, effect: outcome };
}

export function mergingError(regionId: number): RegionError {
  return new RegionError({ kind: "proposalInMergingMode", regionId }, `region ${regionId} is being merged`);
}

function applyAdmin(
  peer: Peer,
  entry: Entry,
  command: AdminCommand,
  writes: EngineWrite[],
  context: ApplyContext,
): ApplyEffect | RegionError | null {
  const { region } = peer;
  const state = (kind: RegionState["kind"], next: Region, merge: MergeState | null = null): EngineWrite =>
    regionStateWrite({ kind, region: next, peerId: peer.id, merge, snapshot: null });
  if ("epoch" in command && command.kind !== "changePeers" && !sameEpoch(command.epoch, region)) return peer.epochNotMatch();
  if (peer.kind === "merging" && command.kind !== "rollbackMerge") return mergingError(peer.regionId);
  switch (command.kind) {
    case "compactLog": {
      if (command.index <= peer.truncated.index || command.index >= entry.index) return null;
      peer.truncated = { index: command.index, term: command.term }; // the apply state of this batch has it
      return { kind: "compacted", index: command.index };
    }
    case "changePeers": {
      if (command.epoch.confVer !== region.confVer) return peer.epochNotMatch();
      const result = changePeers(region, command.changes, command.leaderId);
      if ("refused" in result) return new RegionError({ kind: "staleCommand" }, result.refused);
      // A peer that is gone from the region is made a tombstone by the driver, when this is written.
      writes.push(state("normal", result.region));
      return { kind: "peersChanged", region: result.region, before: region };
    }
    case "split": {
      const result = splitRegion(region, command.keys, command.parts, command.rightDerive);
      if (result === null)
        return new RegionError({ kind: "keyNotInRegion", key: command.keys[0] ?? new Uint8Array(0), region }, "a split key does not fit");
      writes.push(state("normal", result.kept));
      for (const made of result.made) {
        const own = peerOn(made, context.storeId);
        if (own === undefined || !context.mayCreate(made, own.id)) continue;
        writes.push(regionStateWrite({ kind: "normal", region: made, peerId: own.id, merge: null, snapshot: null }));
        writes.push(applyStateWrite(made.id, initialApplyState));
      }
      return { kind: "split", kept: result.kept, made: result.made, before: region };
    }
    case "prepareMerge": {
      const next = { ...region, confVer: region.confVer + 1, version: region.version + 1 };
      const merge = { minIndex: command.minIndex, commit: entry.index, target: command.target };
      writes.push(state("merging", next, merge));
      return { kind: "mergePrepared", region: next, merge };
    }
    case "commitMerge": {
      const { source } = command;
      const isLeft = source.endKey.length > 0 && Buffer.compare(source.endKey, region.startKey) === 0;
      const version = Math.max(source.version, region.version) + 1;
      const next = isLeft ? { ...region, startKey: source.startKey, version } : { ...region, endKey: source.endKey, version };
      writes.push(state("normal", next));
      const own = context.peer(source.id);
      // It says where the region went: peers of it that missed that will ask.
      const merge = { minIndex: 0, commit: command.commit, target: next };
      writes.push(regionStateWrite({ kind: "tombstone", region: source, peerId: own?.id ?? 0, merge, snapshot: null }));
      writes.push({ kind: "delete", family: "local", key: applyStateKey(source.id) });
      return { kind: "merged", region: next, source };
    }
    case "rollbackMerge": {
      if (peer.kind !== "merging" || peer.merge?.commit !== command.commit) return null;
      const next = { ...region, version: region.version + 1 };
      writes.push(state("normal", next));
      return { kind: "mergeRolledBack", region: next };
    }
    case "computeHash":
      return { kind: "computeHash", index: entry.index };
    case "safePoint":
      writes.push(safePointWrite(context.noteSafePoint(command.safePoint)));
      return null;
    case "verifyHash":
      return { kind: "verifyHash", index: command.index, hash: command.hash };
  }
}
