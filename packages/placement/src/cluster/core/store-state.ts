/**
 * The life of a store.
 *
 *            put                    remove                    last region gone (bury)
 *   (none) ──────▶ up ◀──────────────────────── offline ───────────────────────────▶ tombstone ──▶ forgotten
 *          preparing → serving        up        removing                             removed       by hand, or after 30 days
 *
 * Functions from what is to what shall be; what may not be throws an error of `pdErrors` with the original's words.
 */

import type { Label, StoreMeta, StoreView } from "../../core/model.ts";
import { pdErrors } from "../../errors.ts";
import { storeText } from "./proto-text.ts";
import { isCompatible, isSemver } from "./semver.ts";

export const disconnectedAfterMs = 20_000;
export const unhealthyAfterMs = 600_000;
export const tombstoneKeptMs = 30 * 24 * 3_600_000;
/** Heartbeats make the time of the last one durable this often at most. */
export const persistHeartbeatMs = 300_000;

const labelKeyForm = /^[$]?[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$/;
const labelValueForm = /^[-A-Za-z0-9_./]*$/;
/** Tells what kind of engine a store has; no matter of places. */
const engineKey = "engine";

export function downTimeMs(store: StoreMeta, nowMs: number): number {
  return nowMs - store.lastHeartbeatMs;
}

export function isDisconnected(store: StoreMeta, nowMs: number): boolean {
  return downTimeMs(store, nowMs) > disconnectedAfterMs;
}

const sameText = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

export function labelOf(store: StoreMeta, key: string): string {
  return store.labels.find((label) => sameText(label.key, key))?.value ?? "";
}

/** `added` win over labels with the same key; order: those that were there first. */
export function mergeLabels(labels: readonly Label[], added: readonly Label[]): readonly Label[] {
  const merged = [...labels];
  for (const label of added) {
    const at = merged.findIndex(({ key }) => sameText(key, label.key));
    if (at < 0) merged.push(label);
    else merged[at] = label;
  }
  return merged;
}

/** Each decision about a region looks at all labels of all stores. */
const labelsMax = 256;

function checkLabelCount(labels: readonly Label[]): void {
  if (labels.length > labelsMax) throw pdErrors.tooManyLabels([labels.length, labelsMax]);
}

/** Throws `labelForm`, `tooManyLabels`. */
export function checkLabelForm(labels: readonly Label[]): void {
  checkLabelCount(labels);
  for (const { key, value } of labels) {
    if (!labelKeyForm.test(key)) throw pdErrors.labelForm([key]);
    if (!labelValueForm.test(value)) throw pdErrors.labelForm([value]).with({ annotate: "label value" });
  }
}

export interface StoreRules {
  readonly locationLabels: readonly string[];
  readonly strictlyMatchLabel: boolean;
  readonly clusterVersion: string;
}

/** Throws `tooManyLabels`, `labelMissing`, `labelUnknown`. */
export function checkLabels(labels: readonly Label[], rules: StoreRules): void {
  checkLabelCount(labels);
  if (!rules.strictlyMatchLabel) return;
  for (const key of rules.locationLabels)
    if (!labels.some((label) => sameText(label.key, key) && label.value !== "")) throw pdErrors.labelMissing([key]);
  for (const { key } of labels) if (!sameText(key, engineKey) && !rules.locationLabels.includes(key)) throw pdErrors.labelUnknown([key]);
}

/** A store registers, or registers again after a restart. `regionCount`: small clusters need no preparing. */
export function putStore(others: readonly StoreMeta[], store: StoreMeta, rules: StoreRules, nowMs: number): StoreMeta {
  if (store.id === 0) throw pdErrors.invalidBootstrap(["invalid put store", 0n]);
  checkLabelCount(store.labels);
  if (!isSemver(store.version)) throw pdErrors.clusterVersion([store.version]);
  if (!isCompatible(rules.clusterVersion, store.version)) throw pdErrors.storeVersion([rules.clusterVersion, store.version]);
  for (const other of others)
    if (other.id !== store.id && other.state !== "tombstone" && !other.isPhysicallyDestroyed && other.address === store.address)
      throw pdErrors.duplicatedStoreAddress([storeText(store), storeText(other)]);
  const before = others.find(({ id }) => id === store.id);
  if (before?.state === "tombstone") throw pdErrors.storeTombstone([]);
  const labels = before === undefined ? store.labels : mergeLabels(before.labels, store.labels);
  checkLabels(labels, rules);
  return before === undefined
    ? { ...store, state: "up", nodeState: "preparing", isPhysicallyDestroyed: false, lastHeartbeatMs: nowMs }
    : {
        ...before,
        address: store.address,
        peerAddress: store.peerAddress,
        statusAddress: store.statusAddress,
        version: store.version,
        gitHash: store.gitHash,
        deployPath: store.deployPath,
        startTimestampS: store.startTimestampS,
        labels,
      };
}

export function removeStore(
  stores: readonly StoreView[],
  id: number,
  options: { readonly isPhysicallyDestroyed: boolean; readonly replicas: number },
): StoreMeta | null {
  const { meta } = find(stores, id);
  if (meta.state === "offline" && meta.isPhysicallyDestroyed === options.isPhysicallyDestroyed) return null;
  if (meta.state === "tombstone") throw pdErrors.storeRemoved([id]);
  if (meta.isPhysicallyDestroyed) throw pdErrors.storeDestroyed([id]);
  if (meta.state === "up" && !options.isPhysicallyDestroyed) {
    const left = stores.filter((store) => store.meta.state === "up" && store.meta.id !== id);
    if (left.length < options.replicas) throw pdErrors.storesNotEnough([id, left.length, options.replicas]);
    if (left.length > 0 && left.every((store) => store.pausedLeaderIn.length > 0)) throw pdErrors.noStoreForLeaders([id]);
  }
  return { ...meta, state: "offline", nodeState: "removing", isPhysicallyDestroyed: options.isPhysicallyDestroyed };
}

export function upStore(stores: readonly StoreView[], id: number): StoreMeta | null {
  const { meta } = find(stores, id);
  if (meta.state === "tombstone") throw pdErrors.storeRemoved([id]);
  if (meta.isPhysicallyDestroyed) throw pdErrors.storeDestroyed([id]);
  return meta.state === "up" ? null : { ...meta, state: "up", nodeState: "serving" };
}

export function buryStore(stores: readonly StoreView[], id: number, isForced: boolean, nowMs: number): StoreMeta | null {
  const { meta } = find(stores, id);
  if (meta.state === "tombstone") return null;
  if (meta.state === "up") {
    if (!isForced) throw pdErrors.storeIsUp([]);
    if (!isDisconnected(meta, nowMs)) throw pdErrors.storeIsConnected([id]);
  }
  return { ...meta, state: "tombstone", nodeState: "removed" };
}

/** What the look every 10 s changes by itself; null when nothing. */
export function dueChange(
  store: StoreView,
  facts: {
    readonly nowMs: number;
    readonly regionCount: number;
    readonly preparingMaxMs: number;
    /** Of the stores that are up. */
    readonly storeCount: number;
    readonly wholeSizeMib: number;
  },
): StoreMeta | "forget" | null {
  const { meta } = store;
  switch (meta.state) {
    case "up":
      if (meta.nodeState !== "preparing") return null;
      return facts.regionCount < 100 ||
        facts.nowMs - meta.startTimestampS * 1000 >= facts.preparingMaxMs ||
        store.regionSize >= servingFromMib(facts)
        ? { ...meta, nodeState: "serving" }
        : null;
    case "offline":
      return store.regionCount === 0 ? { ...meta, state: "tombstone", nodeState: "removed" } : null;
    case "tombstone":
      return facts.nowMs - meta.lastHeartbeatMs > tombstoneKeptMs && store.regionCount === 0 ? "forget" : null;
  }
}

/** A new store serves when it has nine tenths of what each would have if all replicas were spread evenly. MiB. */
export function servingFromMib(facts: { readonly storeCount: number; readonly wholeSizeMib: number }): number {
  return facts.storeCount === 0 ? 0 : (0.9 * facts.wholeSizeMib) / facts.storeCount;
}

function find(stores: readonly StoreView[], id: number): StoreView {
  const found = stores.find((store) => store.meta.id === id);
  if (found === undefined) throw pdErrors.storeNotFound([id]);
  return found;
}
