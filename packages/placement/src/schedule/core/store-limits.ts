/**
 * Limits of stores, version v1: token buckets for peers that are added and removed, in peers a minute. A peer costs 1000, a small one
 * (up to 20 MiB) 200. A bucket holds one second's worth, but at least one peer; a rate from 1e8 on is no limit.
 */
import type { StoreId } from "../../core/model.ts";
import type { Step } from "./operator.ts";

export type LimitType = "add-peer" | "remove-peer";

export const peerCost = 1000;
export const smallPeerCost = 200;
export const smallRegionMib = 20;
export const unlimitedRate = 100_000_000;

/** Rates that were meant for an automatic mode of older releases: they are kept for those who set them, and nothing follows from them. */
export interface LimitScene {
  readonly Idle: number;
  readonly Low: number;
  readonly Normal: number;
  readonly High: number;
}

export const defaultLimitScene: LimitScene = { Idle: 100, Low: 50, Normal: 32, High: 12 };

interface Bucket {
  tokens: number;
  atMs: number;
  capacity: number;
  /** A second. */
  rate: number;
}

export interface StoreLimits {
  /** Whether the store may take one more such cost now. */
  isAvailable(storeId: StoreId, type: LimitType, cost: number, nowMs: number): boolean;
  take(storeId: StoreId, type: LimitType, cost: number, nowMs: number): void;
}

/** `rateOf` is in peers a minute, as configured now. */
export function createStoreLimits(rateOf: (storeId: StoreId, type: LimitType) => number): StoreLimits {
  const buckets = new Map<string, Bucket>();

  function bucketOf(storeId: StoreId, type: LimitType, nowMs: number): Bucket | null {
    const perMinute = rateOf(storeId, type);
    if (perMinute >= unlimitedRate) return null;
    const rate = (perMinute / 60) * peerCost;
    const capacity = Math.max(rate, peerCost);
    const key = `${type} ${storeId}`;
    let bucket = buckets.get(key);
    if (bucket === undefined || bucket.rate !== rate) {
      bucket = { tokens: capacity, atMs: nowMs, capacity, rate };
      buckets.set(key, bucket);
    }
    if (nowMs > bucket.atMs) bucket.tokens = Math.min(capacity, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * rate);
    bucket.atMs = nowMs;
    return bucket;
  }

  return {
    isAvailable: (storeId, type, cost, nowMs) => {
      const bucket = bucketOf(storeId, type, nowMs);
      return bucket === null || bucket.tokens >= cost;
    },
    take: (storeId, type, cost, nowMs) => {
      const bucket = bucketOf(storeId, type, nowMs);
      if (bucket !== null) bucket.tokens -= cost;
    },
  };
}

/** What an operator's steps cost the stores. */
export function limitCosts(
  steps: readonly Step[],
  sizeMib: number,
): readonly { readonly storeId: StoreId; readonly type: LimitType; readonly cost: number }[] {
  const cost = sizeMib <= smallRegionMib ? smallPeerCost : peerCost;
  const costs: { storeId: StoreId; type: LimitType; cost: number }[] = [];
  for (const step of steps) {
    if (step.kind === "addLearner" || step.kind === "addPeer") costs.push({ storeId: step.storeId, type: "add-peer", cost });
    else if (step.kind === "removePeer" && !step.isDownStore) costs.push({ storeId: step.storeId, type: "remove-peer", cost });
  }
  return costs;
}
