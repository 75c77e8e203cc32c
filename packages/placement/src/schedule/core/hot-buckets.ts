/**
 * Which parts of a region bear its load: stores that keep buckets (about 50 MiB of keys each) report what was read and written in each.
 * A bucket's degree goes up with each report above the least rates and down with each one below; a split or a new set of borders passes
 * degrees on to the buckets that overlap.
 */
import { compareBytes } from "@skein/base";
import type { RegionId } from "../../core/model.ts";

export interface Bucket {
  readonly startKey: Uint8Array;
  readonly endKey: Uint8Array;
  readonly degree: number;
  /** A second. */
  readonly readBytes: number;
  readonly readKeys: number;
  readonly writtenBytes: number;
  readonly writtenKeys: number;
}

/** As it comes: borders in order (one more than buckets), totals of the period for each bucket. */
export interface BucketReport {
  readonly regionId: RegionId;
  /** Reports of an older set of borders are stale. */
  readonly version: number;
  readonly keys: readonly Uint8Array[];
  readonly periodMs: number;
  readonly readBytes: readonly number[];
  readonly readKeys: readonly number[];
  readonly writtenBytes: readonly number[];
  readonly writtenKeys: readonly number[];
}

export interface RegionBuckets {
  readonly regionId: RegionId;
  readonly version: number;
  readonly buckets: readonly Bucket[];
}

export interface HotBuckets {
  report(report: BucketReport): void;
  /** Null when no store has told. */
  of(regionId: RegionId): RegionBuckets | null;
  /** Regions with a bucket of this degree at least, with those buckets alone, by ascending id. */
  hot(degreeMin: number): readonly RegionBuckets[];
  forget(regionId: RegionId): void;
}

/** The least rates a second: those from which a region is hot. */
const floors = { readBytes: 8192, readKeys: 128, writtenBytes: 1024, writtenKeys: 32 } as const;
const degreeMost = 20;
/** Callers choose the count; a region of the largest size has a few dozen. */
const bucketsMax = 1000;
const regionsMax = 100_000;

export function createHotBuckets(): HotBuckets {
  const regions = new Map<RegionId, RegionBuckets>();
  return {
    report: (report) => {
      const { regionId, version, keys } = report;
      const before = regions.get(regionId);
      if (before !== undefined && version < before.version) return;
      if (keys.length < 2 || keys.length > bucketsMax + 1 || (before === undefined && regions.size >= regionsMax)) return;
      const seconds = Math.max(report.periodMs, 1) / 1000;
      const buckets: Bucket[] = [];
      for (let at = 0; at + 1 < keys.length; at++) {
        const [startKey, endKey] = [Uint8Array.from(keys[at] as Uint8Array), Uint8Array.from(keys[at + 1] as Uint8Array)];
        if (endKey.length > 0 && compareBytes(startKey, endKey) >= 0) return;
        const rates = {
          readBytes: (report.readBytes[at] ?? 0) / seconds,
          readKeys: (report.readKeys[at] ?? 0) / seconds,
          writtenBytes: (report.writtenBytes[at] ?? 0) / seconds,
          writtenKeys: (report.writtenKeys[at] ?? 0) / seconds,
        };
        const isHot = (Object.keys(floors) as (keyof typeof floors)[]).some((name) => rates[name] >= floors[name]);
        const inherited = before === undefined ? 0 : inheritedDegree(before.buckets, startKey, endKey);
        const degree = Math.min(degreeMost, Math.max(0, inherited + (isHot ? 1 : -1)));
        buckets.push({ startKey, endKey, degree, ...rates });
      }
      regions.set(regionId, { regionId, version, buckets });
    },
    of: (regionId) => regions.get(regionId) ?? null,
    hot: (degreeMin) =>
      [...regions.values()]
        .map((region) => ({ ...region, buckets: region.buckets.filter((bucket) => bucket.degree > 0 && bucket.degree >= degreeMin) }))
        .filter((region) => region.buckets.length > 0)
        .sort((a, b) => a.regionId - b.regionId),
    forget: (regionId) => void regions.delete(regionId),
  };
}

/** The highest of those that overlap. */
function inheritedDegree(before: readonly Bucket[], startKey: Uint8Array, endKey: Uint8Array): number {
  let degree = 0;
  for (const bucket of before) {
    const isBefore = bucket.endKey.length > 0 && compareBytes(bucket.endKey, startKey) <= 0;
    const isAfter = endKey.length > 0 && compareBytes(endKey, bucket.startKey) <= 0;
    if (!isBefore && !isAfter) degree = Math.max(degree, bucket.degree);
  }
  return degree;
}
