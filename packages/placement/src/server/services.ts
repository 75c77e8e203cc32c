/**
 * What the parts of the placement driver (rules, schedulers, replication mode …) are built from, and how they plug in.
 *
 *   lead won, cluster bootstrapped ─▶ component.start(services, signal) for each, in order ─▶ requests are answered
 *   lead lost                     ─▶ the signal aborts, components are forgotten; a later lead starts them anew
 */
import type { Logger, Random, World } from "@skein/base";
import type { Comparison, Operation } from "@skein/metastore";
import type { ClusterView, Label, RegionId, RegionView, StoreId, StoreView } from "../core/model.ts";
import type { RegionAction } from "../core/region-action.ts";
import type * as metapb from "../wire/metapb.ts";
import type * as pdpb from "../wire/pdpb.ts";
import type * as replication_modepb from "../wire/replication_modepb.ts";
import type { DynamicConfig } from "./config/core/items.ts";
import type { HttpRoute } from "./http-routes.ts";

export interface PdServices {
  readonly world: World;
  readonly log: Logger;
  readonly random: Random;
  readonly clusterId: bigint;
  /** The cluster as it is; reading it costs no await. Of a PD that does not lead it is empty. */
  readonly cluster: ClusterView;
  readonly stores: StoreAdmin;
  readonly regions: RegionAdmin;
  readonly metadata: Metadata;
  readonly config: ConfigStore;
  readonly ids: IdAllocator;
  readonly operators: OperatorSink;
  /** True while this member leads and the cluster is bootstrapped. */
  readonly isServing: boolean;
  /** Wall time at which this member became the leader. */
  readonly leaderSinceMs: number;
  /** A folder of this member's own, for what may be lost with it; "" when it has none. */
  readonly folder: string;
}

/** Metadata under `/pd/<cluster id>/`. All writes hold only while this member leads; throws `pdErrors.notLeader` else. */
export interface Metadata {
  /** Key without the root, for example `rules/7064-64656661756c74`. */
  get(key: string): Promise<Uint8Array | null>;
  /** In key order; keys come without the root. */
  list(prefix: string): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]>;
  put(key: string, value: Uint8Array | string): Promise<void>;
  delete(key: string): Promise<void>;
  /** All or none. At most 128 at once go in one transaction; more are refused by an etcd of default limits. */
  write(changes: readonly { readonly key: string; readonly value: Uint8Array | string | null }[]): Promise<void>;
  /** For what needs more than that: whole keys, with the lead's guard put before the comparisons. False when a comparison fails. */
  transaction(compare: readonly Comparison[], success: readonly Operation[]): Promise<boolean>;
  /** The whole key. */
  keyOf(key: string): string;
}

export interface ConfigStore {
  /** Frozen; a new object after each change. */
  readonly current: DynamicConfig;
  /**
   * Takes values in the JSON form of `/config` (keys as there, sections before a dot when need be), checks them, makes them durable.
   * Throws `HttpRefusal` with the answer that the original gives.
   */
  update(changes: Readonly<Record<string, unknown>>): Promise<void>;
  /** Replaces items of the typed form without the quirks of the HTTP interface: for parts that change what they own. */
  set(change: {
    readonly schedule?: Partial<DynamicConfig["schedule"]>;
    readonly replication?: Partial<DynamicConfig["replication"]>;
  }): Promise<void>;
  /** Called after each durable change, in order of registration; the return value takes it off. */
  onChange(listener: (now: DynamicConfig, before: DynamicConfig) => void): () => void;
  /** Called before a change of the replication section is made durable: it may refuse by throwing (rules follow `max-replicas`). */
  onReplicationChange(guard: (next: DynamicConfig["replication"], before: DynamicConfig["replication"]) => Promise<void>): () => void;
}

export interface IdAllocator {
  /** Never given before, nor ever again: ids of stores, regions, peers and states. */
  alloc(): Promise<number>;
  /** So many in a row; the last of them. */
  allocMany(count: number): Promise<number>;
}

export interface OperatorSink {
  /** Sends an action to the region's leader now; false when its store has no open stream. */
  push(region: RegionView, action: RegionAction): boolean;
}

/** Changes of stores. Each is durable when it resolves. Throws `pdErrors`. */
export interface StoreAdmin {
  /** Up → Offline. */
  remove(id: StoreId, isPhysicallyDestroyed: boolean): Promise<void>;
  /** Offline → Up. */
  up(id: StoreId): Promise<void>;
  /** Offline → Tombstone; forced also from Up when it is not connected. */
  bury(id: StoreId, isForced: boolean): Promise<void>;
  /** Merges labels by key; forced replaces all of them. Throws when their form or the configured labels forbid it. */
  setLabels(id: StoreId, labels: readonly Label[], isForced: boolean): Promise<void>;
  deleteLabel(id: StoreId, key: string): Promise<void>;
  setWeight(id: StoreId, leader: number, region: number): Promise<void>;
  /** Forgets tombstones; throws with the ids of those that still have regions. */
  removeTombstones(): Promise<void>;
  /** Schedulers stop leaders from going in or out; `by` is the scheduler's name, and the same one takes it back. */
  pauseLeader(id: StoreId, direction: "in" | "out", by: string): boolean;
  resumeLeader(id: StoreId, direction: "in" | "out", by: string): void;
  /** Calls after each change of a store (put, state, labels, stats); for statistics and caches. */
  onChange(listener: (store: StoreView) => void): () => void;
}

export interface RegionAdmin {
  /** Drops what is known of a region (or of all), until its next heartbeat. */
  forget(id: RegionId): void;
  forgetAll(): void;
  /** Calls for each region that came, changed its range, peers or leader; and with null for one that is gone. */
  onChange(listener: (id: RegionId, region: RegionView | null) => void): () => void;
}

export interface SplitAsk {
  readonly regionId: RegionId;
  readonly newRegionIds: readonly RegionId[];
}

/** A refusal with the type of pdpb.Error that goes into an answer's header. */
export class HeaderRefusal extends Error {
  override readonly name = "HeaderRefusal";
  readonly type: Exclude<pdpb.ErrorType, "OK" | "unrecognized">;
  constructor(type: Exclude<pdpb.ErrorType, "OK" | "unrecognized">, message: string) {
    super(message);
    this.type = type;
  }
}

export interface PdComponent {
  readonly name: string;
  /** Reads what it needs and starts; requests are answered when all have resolved. What it spawns ends with the signal. */
  start(services: PdServices, signal: AbortSignal): Promise<void>;
  /** Its HTTP routes; asked once, when the process starts. */
  routes?(): readonly HttpRoute[];
  /** After a heartbeat was accepted. The first component that answers with an action decides. Must not wait. */
  onRegionHeartbeat?(region: RegionView): RegionAction | null;
  /** After the stats of a store's heartbeat were taken; `stats` as they came, with the peers' reads. */
  onStoreHeartbeat?(store: StoreView, stats: pdpb.StoreStats): void;
  /** May change the answer to a store's heartbeat (replication mode, recovery plans); called for those with a report, too. */
  answerStoreHeartbeat?(request: pdpb.StoreHeartbeatRequest, answer: StoreHeartbeatAnswer): void;
  /** Throws `HeaderRefusal` when no split may be; null lets it be. */
  refuseSplit?(region: metapb.Region): string | null;
  /** What a store tells of the parts of its regions. */
  onBuckets?(buckets: metapb.Buckets): void;
  /** New regions of a split that was granted. */
  onSplitAsked?(ask: SplitAsk): void;
  /** Throws when it cannot be done: the text becomes the status's. */
  scatter?(
    request: pdpb.ScatterRegionRequest,
  ): Promise<{ readonly finishedPercentage: number; readonly failedRegionIds: readonly number[] }>;
  /** Null when there is none for the region. */
  operatorOf?(
    regionId: RegionId,
  ): { readonly description: string; readonly kind: string; readonly status: Exclude<pdpb.OperatorStatus, "unrecognized"> } | null;
  splitRegions?(
    keys: readonly Uint8Array[],
    retriesMax: number,
  ): Promise<{ readonly finishedPercentage: number; readonly regionIds: readonly number[] }>;
  /** What stores are told of the replication mode. */
  replicationStatus?(): replication_modepb.ReplicationStatus | null;
  /** Lines of the Prometheus text format. */
  metrics?(): string;
}

export interface StoreHeartbeatAnswer {
  replicationStatus: replication_modepb.ReplicationStatus | null;
  recoveryPlan: pdpb.RecoveryPlan | null;
}
