/** What the region peers need of the placement driver. `createPdLink` makes it of a client; tests have a model. */
import type { Epoch, PeerChange, Region, SplitPart } from "./core/region.ts";

/** What the placement driver wants done with a region, in answer to its leader's heartbeat. */
export type RegionAction =
  | { readonly kind: "changePeers"; readonly regionId: number; readonly epoch: Epoch; readonly changes: readonly PeerChange[] }
  | { readonly kind: "transferLeader"; readonly regionId: number; readonly epoch: Epoch; readonly peerId: number }
  | { readonly kind: "split"; readonly regionId: number; readonly epoch: Epoch; readonly keys: readonly Uint8Array[] }
  | { readonly kind: "merge"; readonly regionId: number; readonly epoch: Epoch; readonly target: Region };

export interface RegionReport {
  readonly region: Region;
  readonly leaderPeerId: number;
  readonly term: number;
  readonly downPeers: readonly { readonly peerId: number; readonly downSeconds: number }[];
  readonly pendingPeers: readonly number[];
  /** Bytes; 0 when it was not measured yet. */
  readonly approximateBytes: number;
  readonly approximateKeys: number;
  /** Since the last report. */
  readonly bytesWritten: number;
  readonly keysWritten: number;
  readonly bytesRead: number;
  readonly keysRead: number;
  readonly intervalStartS: number;
  readonly intervalEndS: number;
}

export interface StoreReport {
  readonly storeId: number;
  readonly regionCount: number;
  readonly sendingSnapCount: number;
  readonly receivingSnapCount: number;
  readonly applyingSnapCount: number;
  readonly isBusy: boolean;
  readonly startTimeS: number;
  readonly bytesWritten: number;
  readonly keysWritten: number;
  readonly bytesRead: number;
  readonly keysRead: number;
  readonly intervalStartS: number;
  readonly intervalEndS: number;
  /** Regions whose replica here was given up because the disk had damaged it. */
  readonly damagedRegionIds: readonly number[];
}

export interface PdLink {
  clusterId(): Promise<bigint>;
  allocId(): Promise<number>;
  isBootstrapped(): Promise<boolean>;
  /** False when the cluster was bootstrapped by another store already. */
  bootstrap(storeId: number, region: Region): Promise<boolean>;
  /** The region as the placement driver last heard of it. */
  regionById(regionId: number): Promise<Region | null>;
  /** Where a store takes messages of other stores; null when it is not known, or gone. */
  storeAddress(storeId: number): Promise<string | null>;
  askBatchSplit(region: Region, count: number): Promise<readonly SplitPart[]>;
  reportBatchSplit(regions: readonly Region[]): void;
  storeHeartbeat(report: StoreReport): Promise<void>;
  /** What is said in answer reaches `onRegionAction`. */
  regionHeartbeat(report: RegionReport): void;
  onRegionAction(listener: (action: RegionAction) => void): void;
}
