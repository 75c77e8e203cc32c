/**
 * What the region peers give to everything above them: linearizable snapshots of a region, and writes that went through its log.
 * `raftstore` implements it over Raft; an implementation over one engine without Raft serves the tests of what stands above.
 */
import type { EngineReader, Family } from "./engine/engine.ts";

/** Whom a client believes that it talks to (`kvrpcpb.Context`). */
export interface RegionContext {
  readonly regionId: number;
  readonly confVer: number;
  readonly version: number;
  /** 0 when the client named none. */
  readonly peerId: number;
  /** Of the named peer; 0 when none was named. Another store answers `storeNotMatch`. */
  readonly storeId: number;
  /** Reads from a replica that does not lead. */
  readonly replicaRead: boolean;
  /** Of a transactional read from a replica: the leader hears of it before it says up to where the replica must be. */
  readonly readTs?: bigint;
  /** What the request is counted as in the region's load; requests that write, and the store's own, are not counted as reads. */
  readonly reads?: "get" | "scan";
  /** The answer may be large: only some such are read at once. */
  readonly isLarge?: boolean;
  readonly signal?: AbortSignal;
}

/** A region as a peer knows it. */
export interface RegionDescription {
  readonly id: number;
  readonly startKey: Uint8Array;
  /** Empty: to the end. */
  readonly endKey: Uint8Array;
  readonly confVer: number;
  readonly version: number;
  readonly peers: readonly {
    readonly id: number;
    readonly storeId: number;
    readonly role: "voter" | "learner" | "incomingVoter" | "demotingVoter";
  }[];
}

/** Boundaries are encoded keys in transactional regions (the store encodes user keys before it asks), plain ones in raw regions. */
export interface RegionSnapshot extends Disposable {
  readonly region: RegionDescription;
  /** Of the leader when the snapshot was taken: a write that was decided on it is refused in any other term. */
  readonly term: number;
  readonly reader: EngineReader;
}

/** Keys are the engine's; the family `local` is out of reach. A replicated command is a list of these. */
export type RegionWrite =
  | { readonly kind: "put"; readonly family: Exclude<Family, "local">; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly family: Exclude<Family, "local">; readonly key: Uint8Array }
  | { readonly kind: "deleteRange"; readonly family: Exclude<Family, "local">; readonly start: Uint8Array; readonly end: Uint8Array };

/** All regions of one store. */
export interface RegionKv {
  /**
   * A state that has everything that was acknowledged before the call. Rejects with a `RegionError`. Keys that the caller will
   * read must be checked by it against `region` (`keyNotInRegion`).
   */
  snapshot(context: RegionContext): Promise<RegionSnapshot>;
  /**
   * Resolves when the writes are committed and applied. Rejects with a `RegionError`: `staleCommand` when `term` is over,
   * `epochNotMatch`, `notLeader`, …; those mean that nothing was or will be written, but `undetermined`, which says that it is
   * not known (the leader stepped down with the entry on its way).
   */
  write(context: RegionContext, term: number, writes: readonly RegionWrite[]): Promise<void>;
  /**
   * Before versions up to `safePoint` are removed from a region: whoever will serve what is left of it hears of it first, now or after
   * a restart (`onSafePoint`). Rejects with a `RegionError`.
   */
  noteSafePoint(context: RegionContext, safePoint: bigint): Promise<void>;
  /** Reads below it may miss something on this store from now on. It only grows; called at once for what is known already. */
  onSafePoint(listener: (safePoint: bigint) => void): void;
  /** Called when a peer of this store begins to lead a region in a term, before it serves anything; and when a merge widens it. */
  onLead(listener: (region: RegionDescription, term: number) => void): void;
  /**
   * Called at the leader when a replica of the region is to be read at `readTs`. What the answer waits for is in what the replica then
   * reads; null: for nothing. When it rejects, the read is not answered.
   */
  onReplicaRead(listener: (region: RegionDescription, readTs: bigint) => Promise<void> | null): void;
}

/** The errors of `errorpb.Error`, one to one; services put them into `region_error`. */
export type RegionErrorReason =
  | { readonly kind: "notLeader"; readonly regionId: number; readonly leader: { readonly id: number; readonly storeId: number } | null }
  | { readonly kind: "regionNotFound"; readonly regionId: number }
  | { readonly kind: "keyNotInRegion"; readonly key: Uint8Array; readonly region: RegionDescription }
  | { readonly kind: "epochNotMatch"; readonly current: readonly RegionDescription[] }
  | { readonly kind: "serverIsBusy"; readonly reason: string; readonly backoffMs: number }
  | { readonly kind: "staleCommand" }
  | { readonly kind: "storeNotMatch"; readonly requestStoreId: number; readonly actualStoreId: number }
  | { readonly kind: "raftEntryTooLarge"; readonly regionId: number; readonly sizeBytes: number }
  | { readonly kind: "maxTimestampNotSynced" }
  | { readonly kind: "readIndexNotReady"; readonly regionId: number; readonly reason: string }
  | { readonly kind: "proposalInMergingMode"; readonly regionId: number }
  | { readonly kind: "regionNotInitialized"; readonly regionId: number }
  | { readonly kind: "diskFull"; readonly storeIds: readonly number[]; readonly reason: string }
  | { readonly kind: "recoveryInProgress"; readonly regionId: number }
  | { readonly kind: "mismatchPeerId"; readonly requestPeerId: number; readonly storePeerId: number }
  | { readonly kind: "undetermined"; readonly message: string };

/** A request that this store, or this state of the region, does not serve; the client finds out by `reason` where to go. */
export class RegionError extends Error {
  readonly reason: RegionErrorReason;

  constructor(reason: RegionErrorReason, message: string) {
    super(message);
    this.name = "RegionError";
    this.reason = reason;
  }
}
