/**
 * What was hot in the past: every `hot-regions-write-interval` the peers that are hot are written to this member's own folder, one file a
 * day, and files older than `hot-regions-reserved-days` are removed. Each member knows of the times when it led.
 *
 *   <data-dir>/hot-region/2026-11-21.jsonl     one record a line, in the order of time
 */
import { isAbort, type World } from "@skein/base";
import { hexOfKey } from "../core/keys.ts";
import type { HotKind } from "./core/hot-cache.ts";
import { peerById } from "./core/regions.ts";
import type { SchedulingState } from "./state.ts";

/** As the HTTP interface shows it. Rates are a second's. */
export interface HotRecord {
  readonly update_time: number;
  readonly region_id: number;
  readonly peer_id: number;
  readonly store_id: number;
  readonly is_leader: boolean;
  readonly is_learner: boolean;
  readonly hot_region_type: HotKind;
  readonly hot_degree: number;
  readonly flow_bytes: number;
  readonly key_rate: number;
  readonly query_rate: number;
  readonly start_key: string;
  readonly end_key: string;
}

export interface HotHistory {
  write(records: readonly HotRecord[], nowMs: number): Promise<void>;
  /** Removes the files of days that ended longer ago than that. */
  prune(nowMs: number, keptDays: number): Promise<void>;
  /** Those of a time that match, oldest first; `isCut`: there were more than `recordsMax`. */
  read(
    fromMs: number,
    toMs: number,
    matches: (record: HotRecord) => boolean,
  ): Promise<{ readonly records: HotRecord[]; readonly isCut: boolean }>;
}

const dayMs = 86_400_000;
const lookMs = 1000;
const readBytes = 1 << 20;
/** An answer of some ten MB. */
export const recordsMax = 50_000;
/** The last moment whose day has four digits for its year. */
const lastMs = Date.UTC(9999, 11, 31);
const dayOf = (ms: number) => new Date(Math.min(Math.max(ms, 0), lastMs)).toISOString().slice(0, 10);
const fileName = /^(\d{4}-\d\d-\d\d)\.jsonl$/;

/** `folder` is made with the first record. */
export function createHotHistory(world: World, folder: string): HotHistory {
  const { disk } = world;
  const days = async () => {
    if ((await disk.stat(folder)) === null) return [];
    return (await disk.list(folder)).flatMap((name) => fileName.exec(name)?.[1] ?? []);
  };
  return {
    write: async (records, nowMs) => {
      if (records.length === 0) return;
      await disk.makeFolder(folder);
      await using file = await disk.open(`${folder}/${dayOf(nowMs)}.jsonl`, { create: true });
      const text = records.map((record) => `${JSON.stringify(record)}\n`).join("");
      await file.write(await file.size(), new TextEncoder().encode(text));
    },
    prune: async (nowMs, keptDays) => {
      const first = dayOf(nowMs - keptDays * dayMs);
      for (const day of await days()) if (day < first) await disk.remove(`${folder}/${day}.jsonl`);
    },
    read: async (fromMs, toMs, matches) => {
      const records: HotRecord[] = [];
      for (const day of await days()) {
        if (day < dayOf(fromMs) || day > dayOf(toMs)) continue;
        await using file = await disk.open(`${folder}/${day}.jsonl`, { readOnly: true });
        const decoder = new TextDecoder();
        let rest = "";
        for (let at = 0; ; ) {
          const bytes = await file.read(at, readBytes);
          if (bytes.length === 0) break;
          at += bytes.length;
          const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
          rest = lines.pop() ?? "";
          for (const line of lines) {
            const record = recordOf(line);
            if (record === null || record.update_time < fromMs || record.update_time > toMs || !matches(record)) continue;
            if (records.length >= recordsMax) return { records, isCut: true };
            records.push(record);
          }
        }
      }
      return { records, isCut: false };
    },
  };
}

/** Null for a line that a crash cut short. */
function recordOf(line: string): HotRecord | null {
  try {
    return JSON.parse(line) as HotRecord;
  } catch {
    return null;
  }
}

/** All that is hot now. */
export function hotNow(state: SchedulingState, nowMs: number): readonly HotRecord[] {
  const { cluster, config } = state.services;
  const degreeMin = config.current.schedule.hotRegionCacheHitsThreshold;
  return (["read", "write"] as const).flatMap((kind) =>
    cluster.stores().flatMap(({ meta }) =>
      state.hot
        .peers(kind, meta.id)
        .filter((peer) => peer.degree >= degreeMin)
        .flatMap((peer): HotRecord[] => {
          const region = cluster.region(peer.regionId);
          if (region === null) return [];
          return [
            {
              update_time: nowMs,
              region_id: peer.regionId,
              peer_id: peer.peerId,
              store_id: peer.storeId,
              is_leader: peer.isLeader,
              is_learner: peerById(region.meta, peer.peerId)?.role === "learner",
              hot_region_type: kind,
              hot_degree: peer.degree,
              flow_bytes: peer.load[0],
              key_rate: peer.load[1],
              query_rate: peer.load[2],
              start_key: hexOfKey(region.meta.startKey),
              end_key: hexOfKey(region.meta.endKey),
            },
          ];
        }),
    ),
  );
}

/** Writes for as long as this member leads. A disk that fails costs records, not the lead. */
export async function keepHotHistory(state: SchedulingState, signal: AbortSignal): Promise<void> {
  const { world, config, log } = state.services;
  const { clock } = world;
  let writtenMs = clock.monotonicMs();
  try {
    for (;;) {
      // An interval that was made shorter holds at once.
      await clock.sleep(lookMs, signal);
      const { hotRegionsWriteIntervalMs, hotRegionsReservedDays } = config.current.schedule;
      if (clock.monotonicMs() - writtenMs < hotRegionsWriteIntervalMs) continue;
      writtenMs = clock.monotonicMs();
      // 0 days: nothing is kept.
      try {
        const nowMs = clock.nowMs();
        if (hotRegionsReservedDays > 0) await state.history.write(hotNow(state, nowMs), nowMs);
        await state.history.prune(nowMs, hotRegionsReservedDays);
      } catch (error) {
        log.warn("what is hot now could not be written down", { error });
      }
    }
  } catch (error) {
    if (!isAbort(error)) throw error;
  }
}
