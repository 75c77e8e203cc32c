/**
 * Operators: what the placement driver wants done with one region, as steps that its leader is asked for one at a time.
 *
 *   created ──(first look at the region)──▶ started ──▶ success
 *      │                                       ├──────▶ timeout     the sum of the steps' times is over
 *      ├──▶ expired   not started in time      ├──────▶ replaced    by one of a higher priority
 *      └──▶ canceled ◀─────────────────────────┘
 *
 * A step is asked for again and again until the region shows that it happened; so every step must be harmless twice.
 * Texts and times are those of spec/placement.md §1.12.
 */
import type { PeerId, RegionEpoch, RegionId, RegionMeta, StoreId } from "../../core/model.ts";

/** In the order in which they are printed; the first one of an operator says which limit counts. */
export const operatorKinds = [
  "admin",
  "merge",
  "range",
  "replica",
  "split",
  "hot-region",
  "region",
  "leader",
  "witness-leader",
  "witness",
  "split-scatter",
] as const;
export type OperatorKind = (typeof operatorKinds)[number];

export type OperatorStatus = "created" | "started" | "success" | "canceled" | "replaced" | "expired" | "timeout";

/** A higher one replaces a lower one on the same region. */
export const priorities = { low: 0, medium: 1, high: 2, urgent: 3 } as const;
export type Priority = keyof typeof priorities;

export type CancelReason =
  | "region not found"
  | "epoch not match"
  | "already exist"
  | "admin stop"
  | "not in joint state"
  | "timeout"
  | "expired"
  | "stale status"
  | "exceed store limit"
  | "exceed schedule limit"
  | "related merge region"
  | "unknown";

export type SplitPolicy = "scan" | "approximate" | "useKey";

/** A peer that changes its role in a joint step. */
export interface PeerAt {
  readonly peerId: PeerId;
  readonly storeId: StoreId;
}

export type Step =
  | {
      readonly kind: "transferLeader";
      readonly fromStore: StoreId;
      readonly toStore: StoreId;
      /** More than one: any of them will do. */
      readonly toStores: readonly StoreId[];
    }
  | { readonly kind: "addLearner"; readonly peerId: PeerId; readonly storeId: StoreId }
  /** Adds a voter at once: only where joint consensus is off. */
  | { readonly kind: "addPeer"; readonly peerId: PeerId; readonly storeId: StoreId }
  | { readonly kind: "promoteLearner"; readonly peerId: PeerId; readonly storeId: StoreId }
  | { readonly kind: "removePeer"; readonly peerId: PeerId; readonly storeId: StoreId; readonly isDownStore: boolean }
  | {
      readonly kind: "mergeRegion";
      readonly from: RegionMeta;
      readonly to: RegionMeta;
      /** The target's half of the pair: it only waits. */
      readonly isPassive: boolean;
    }
  | {
      readonly kind: "splitRegion";
      readonly policy: SplitPolicy;
      readonly keys: readonly Uint8Array[];
      /** Of the region when the plan was made: the split happened when one of them is another. */
      readonly startKey: Uint8Array;
      readonly endKey: Uint8Array;
    }
  /** One change is a plain change of the configuration; more enter the joint state and need a `leaveJoint` after them. */
  | { readonly kind: "enterJoint"; readonly promote: readonly PeerAt[]; readonly demote: readonly PeerAt[] }
  | { readonly kind: "leaveJoint"; readonly promote: readonly PeerAt[]; readonly demote: readonly PeerAt[] };

export interface Operator {
  /** `balance-leader`, `add-rule-peer`, `admin-transfer-leader` … */
  readonly description: string;
  /** `mv peer: store [1] to [4]` */
  readonly brief: string;
  readonly regionId: RegionId;
  /** The region's when the plan was made. */
  readonly epoch: RegionEpoch;
  readonly kinds: readonly OperatorKind[];
  readonly priority: Priority;
  readonly steps: readonly Step[];
  /** MiB, when the plan was made: the steps' times depend on it. */
  readonly approximateSize: number;
  /** The other region of a merge; its operator ends with this one. */
  readonly relatedRegion: RegionId | null;
}
