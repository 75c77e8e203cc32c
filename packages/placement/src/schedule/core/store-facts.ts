/** What follows from a store's state and the time of its last heartbeat (spec §1.2), and its scores (§1.13). */
import type { StoreView } from "../../core/model.ts";

/** A store that has been silent for longer is shown as Disconnected. */
export const disconnectedAfterMs = 20_000;
/** A store that has been silent for longer is not asked for anything that matters. */
export const unhealthyAfterMs = 600_000;

/** How long a store has been silent; a store that never spoke has been so since 1970. */
export function silentMs(store: StoreView, nowMs: number): number {
  return Math.max(0, nowMs - store.meta.lastHeartbeatMs);
}

export function isDisconnected(store: StoreView, nowMs: number): boolean {
  return silentMs(store, nowMs) > disconnectedAfterMs;
}

export function isStoreDown(store: StoreView | null, nowMs: number, storeDownMs: number): boolean {
  return store === null || silentMs(store, nowMs) > storeDownMs;
}

const gib = 1024 ** 3;

/** Too little room for more peers. New clusters, with few regions and 8 GiB free, are not held to the ratio. */
export function isLowSpace(store: StoreView, lowSpaceRatio: number): boolean {
  const stats = store.stats;
  if (stats === null || stats.capacity === 0) return false;
  if (store.regionCount < 100 && stats.available > 8 * gib) return false;
  return stats.available / stats.capacity < 1 - lowSpaceRatio;
}

export function leaderScore(store: StoreView, policy: string, delta = 0): number {
  const sum = policy === "size" ? store.leaderSize : store.leaderCount;
  return (sum + delta) / Math.max(store.leaderWeight, 1e-6);
}

/** MiB and ratios in, a number to compare out (version v2 of the formula; v1 as its older sibling). */
export function regionScore(
  store: StoreView,
  options: { readonly version: string; readonly highSpaceRatio: number; readonly lowSpaceRatio: number },
  deltaMib = 0,
): number {
  const weight = Math.max(store.regionWeight, 1e-6);
  const size = store.regionSize + deltaMib;
  const capacity = (store.stats?.capacity ?? 0) / gib;
  const available = (store.stats?.available ?? 0) / gib;
  if (options.version === "v1") return scoreV1(store, options, size) / weight;
  const floor = Math.max(50, capacity * (1 - options.lowSpaceRatio));
  let score: number;
  if (available >= capacity || capacity < 1) score = size;
  else if (available > floor)
    score = (1 + (256 * (Math.log(capacity) - Math.log(available - floor + 1))) / (capacity - available + floor - 1)) * size;
  else score = (1 + (256 * Math.log(capacity)) / capacity) * size + (1e10 * (floor - available)) / floor;
  return score / weight;
}

/** By size while there is room, by what is free when there is little, between the two in between. */
function scoreV1(store: StoreView, ratios: { readonly highSpaceRatio: number; readonly lowSpaceRatio: number }, size: number): number {
  const stats = store.stats;
  if (stats === null || stats.capacity === 0) return size;
  const mib = 1024 ** 2;
  const [capacity, available] = [stats.capacity / mib, stats.available / mib];
  const amplification = stats.usedSize === 0 || store.regionSize === 0 ? 1 : store.regionSize / (stats.usedSize / mib);
  const used = (capacity - available) * amplification;
  const high = (1 - ratios.highSpaceRatio) * capacity;
  const low = (1 - ratios.lowSpaceRatio) * capacity;
  const left = available - (size - store.regionSize) / amplification;
  const scoreMax = 1024 * 1024 * 1024;
  if (left >= high) return size;
  if (left <= low) return scoreMax - left;
  const [x1, y1] = [used + (available - high) * amplification, used + (available - high) * amplification];
  const [x2, y2] = [used + (available - low) * amplification, scoreMax - low];
  return x1 === x2 ? y2 : y1 + ((y2 - y1) / (x2 - x1)) * (size - x1);
}

export type ShownState = "Up" | "Offline" | "Tombstone" | "Disconnected" | "Down";

export function shownState(store: StoreView, nowMs: number, storeDownMs: number): ShownState {
  if (store.meta.state === "offline") return "Offline";
  if (store.meta.state === "tombstone") return "Tombstone";
  if (isStoreDown(store, nowMs, storeDownMs)) return "Down";
  return isDisconnected(store, nowMs) ? "Disconnected" : "Up";
}

/** By the first of these labels whose values differ; -1 when all are equal. A label that one of them lacks counts as equal. */
export function compareLocation(a: StoreView, b: StoreView, labels: readonly string[]): number {
  for (let index = 0; index < labels.length; index++) {
    const name = labels[index] as string;
    const [left, right] = [labelOf(a, name), labelOf(b, name)];
    if (left !== "" && right !== "" && left.toLowerCase() !== right.toLowerCase()) return index;
  }
  return -1;
}

/** "" when the store has none; names are compared without regard to case. */
export function labelOf(store: StoreView, name: string): string {
  const wanted = name.toLowerCase();
  return store.meta.labels.find((label) => label.key.toLowerCase() === wanted)?.value ?? "";
}

export function isTiFlash(store: StoreView): boolean {
  return labelOf(store, "engine").toLowerCase().startsWith("tiflash");
}

/** How well a store is apart from the others: each level that differs counts a hundred times the next one. */
export function isolationScore(store: StoreView, others: readonly StoreView[], labels: readonly string[]): number {
  let score = 0;
  for (const other of others) {
    if (other.meta.id === store.meta.id) continue;
    const index = compareLocation(store, other, labels);
    if (index !== -1) score += 100 ** (labels.length - index - 1);
  }
  return score;
}
