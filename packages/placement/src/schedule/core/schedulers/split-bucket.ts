/** Cuts the hottest bucket out of its region, so that it can be moved on its own. */
import { compareBytes } from "@skein/base";
import { isInRange, isSameKey } from "../../../core/keys.ts";
import { splitPlan } from "../builder.ts";
import type { ScheduleContext } from "../context.ts";
import type { HotBuckets } from "../hot-buckets.ts";
import { idle, isFree, one, type ScheduleResult } from "./scheduler.ts";

export interface SplitBucketConfig {
  /** From which degree on a bucket is worth it. */
  readonly degree: number;
  /** Splits that run at once. */
  readonly "split-limit": number;
}

export function splitBucket(context: ScheduleContext, buckets: HotBuckets, config: SplitBucketConfig): ScheduleResult {
  if (context.operators.count("split") >= config["split-limit"]) return idle("split-limit is reached");
  const found = buckets
    .hot(Math.max(1, config.degree))
    .flatMap(({ regionId, buckets: hot }) => hot.map((bucket) => ({ regionId, bucket })))
    .sort(
      (x, y) =>
        y.bucket.degree - x.bucket.degree || y.bucket.readBytes + y.bucket.writtenBytes - x.bucket.readBytes - x.bucket.writtenBytes,
    );
  for (const { regionId, bucket } of found) {
    const region = context.view.region(regionId);
    if (region === null || !isFree(context, region)) continue;
    const { startKey, endKey } = region.meta;
    // Reported before a split or a merge: what is left of it may not be this region's.
    if (!isInRange(bucket.startKey, startKey, endKey)) continue;
    const isEndWithin = bucket.endKey.length > 0 && (endKey.length === 0 || compareBytes(bucket.endKey, endKey) < 0);
    const keys = [...(isSameKey(bucket.startKey, startKey) ? [] : [bucket.startKey]), ...(isEndWithin ? [bucket.endKey] : [])];
    if (keys.length > 0) return one(splitPlan({ description: "split-bucket", kinds: [] }, region, "useKey", keys));
  }
  return idle("no bucket is hot, or each is a region of its own");
}
