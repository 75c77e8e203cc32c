/** Stores and regions as plain values, and one text form for both, for tests and scenario files. */
import type { Label, Peer, PeerRole, RegionView, StoreId, StoreState, StoreView } from "../../core/model.ts";
import * as healthy from "../../core/testing/views.ts";
import type { CheckerContext } from "../core/checker.ts";
import type { RuleSet } from "../core/rule-set.ts";

export interface ModelStore {
  readonly id: StoreId;
  readonly labels: readonly Label[];
  readonly state?: StoreState;
  /** Silent for longer than max-store-down-time. */
  readonly isDown?: boolean;
  readonly isDisconnected?: boolean;
  /** Takes no peers at the moment. */
  readonly isBusy?: boolean;
  readonly regionSize?: number;
}

const silent = new WeakMap<StoreView, { readonly isDown: boolean; readonly isDisconnected: boolean }>();

export function storeView(store: ModelStore): StoreView {
  const view = healthy.storeView(healthy.storeMeta(store.id, { state: store.state ?? "up", labels: store.labels, version: "7.5.0" }), {
    stats: store.isBusy === true ? healthy.storeStats({ isBusy: true }) : null,
    regionSize: store.regionSize ?? 0,
  });
  silent.set(view, { isDown: store.isDown === true, isDisconnected: store.isDown === true || store.isDisconnected === true });
  return view;
}

export function checkerContext(rules: RuleSet, stores: readonly StoreView[]): CheckerContext {
  const byId = new Map(stores.map((store) => [store.meta.id, store]));
  const isDown = (store: StoreView) => silent.get(store)?.isDown === true;
  const isDisconnected = (store: StoreView) => silent.get(store)?.isDisconnected === true;
  return {
    view: { store: (id) => byId.get(id) ?? null, stores: () => stores },
    rules,
    isDown,
    isDisconnected,
    targetHindrance: (store) => {
      if (store.meta.state !== "up") return { reason: "being removed", isTemporary: false };
      if (isDown(store)) return { reason: "down", isTemporary: false };
      if (isDisconnected(store)) return { reason: "disconnected", isTemporary: true };
      return store.stats?.isBusy === true ? { reason: "busy", isTemporary: true } : null;
    },
    leadHindrance: (store) => (store.meta.state !== "up" ? "being removed" : isDisconnected(store) ? "disconnected" : null),
    regionScore: (store) => store.regionSize,
  };
}

const roles: Readonly<Record<string, PeerRole>> = { "": "voter", learner: "learner", incoming: "incomingVoter", demoting: "demotingVoter" };

/**
 * `1* 2 3:learner 4!` : the stores of the peers; `*` leads, `:learner` is one, `!` is reported down, `?` has not caught up.
 * Peer ids are the store's, plus 1000.
 */
export function regionView(
  text: string,
  options: { readonly id?: number; readonly startKey?: Uint8Array; readonly endKey?: Uint8Array } = {},
): RegionView {
  const peers: Peer[] = [];
  const down: number[] = [];
  const pending: number[] = [];
  let leader = 0;
  for (const word of text.split(" ").filter((part) => part !== "")) {
    const match = /^(\d+)(?::(\w+))?([*!?]*)$/.exec(word);
    if (match === null) throw new Error(`${word} is no peer`);
    const storeId = Number(match[1]);
    const id = 1000 + storeId;
    peers.push({ id, storeId, role: roles[match[2] ?? ""] ?? "voter", isWitness: false });
    if (match[3]?.includes("*") === true) leader = id;
    if (match[3]?.includes("!") === true) down.push(id);
    if (match[3]?.includes("?") === true) pending.push(id);
  }
  const { id = 100, ...range } = options;
  return healthy.regionView(
    { id, peers, ...range },
    { leaderPeerId: leader, downPeers: down.map((peerId) => ({ peerId, downSeconds: 60 })), pendingPeers: pending },
  );
}

export function peersText(region: RegionView): string {
  return [...region.meta.peers]
    .sort((a, b) => a.storeId - b.storeId)
    .map((peer) => {
      const mark = `${peer.id === region.leaderPeerId ? "*" : ""}${region.downPeers.some((down) => down.peerId === peer.id) ? "!" : ""}`;
      return `${peer.storeId}${peer.role === "voter" ? "" : `:${peer.role}`}${mark}`;
    })
    .join(" ");
}

/** `zone=east rack=r1` */
export function labelsFrom(words: readonly string[]): readonly Label[] {
  return words.flatMap((word) => {
    const at = word.indexOf("=");
    return at < 0 ? [] : [{ key: word.slice(0, at), value: word.slice(at + 1) }];
  });
}
