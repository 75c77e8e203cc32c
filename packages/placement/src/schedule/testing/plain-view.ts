/** Stores and regions written as words, and a cluster of them that only reads: `1* 2 3- 4?` is a leader, a voter, a learner, a voter that lags. */
import { compareBytes } from "@skein/base";
import { isSameKey } from "../../core/keys.ts";
import type { ClusterView, Peer, PeerRole, RegionView, StoreView } from "../../core/model.ts";
import { regionView, storeMeta, storeView } from "../../core/testing/views.ts";

export const nowMs = 1_700_000_000_000;

const marks: Readonly<Record<string, PeerRole>> = { "": "voter", "-": "learner", "+": "incomingVoter", "~": "demotingVoter" };

/** `region 7 1* 2 3-`: peer ids are the region's id and the store's. */
export function regionOf(id: number, words: readonly string[], change: Partial<RegionView["meta"]> & { size?: number } = {}): RegionView {
  let leaderPeerId = 0;
  const pendingPeers: number[] = [];
  const downPeers: { peerId: number; downSeconds: number }[] = [];
  const peers = words.map((word): Peer => {
    const match = /^(\d+)([-+~]?)(\*?)(\??)(!?)$/.exec(word);
    if (match === null) throw new Error(`not a peer: ${word}`);
    const storeId = Number(match[1]);
    const peerId = id * 100 + storeId;
    if (match[3] === "*") leaderPeerId = peerId;
    if (match[4] === "?") pendingPeers.push(peerId);
    if (match[5] === "!") downPeers.push({ peerId, downSeconds: 1000 });
    return { id: peerId, storeId, role: marks[match[2] as string] as PeerRole, isWitness: false };
  });
  const { size = 20, ...meta } = change;
  return regionView(
    { id, peers, ...meta },
    { leaderPeerId, downPeers, pendingPeers, approximateSize: size, approximateKeys: size * 10_000 },
  );
}

export function storeOf(
  id: number,
  change: Partial<Omit<StoreView, "meta">> & { readonly meta?: Partial<StoreView["meta"]> } = {},
): StoreView {
  const { meta, ...rest } = change;
  return storeView(storeMeta(id, { startTimestampS: nowMs / 1000 - 3600, lastHeartbeatMs: nowMs, ...meta }), rest);
}

export function viewOf(stores: readonly StoreView[], regions: readonly RegionView[], at: () => number = () => nowMs): ClusterView {
  const sorted = () => [...regions].sort((a, b) => compareBytes(a.meta.startKey, b.meta.startKey));
  return {
    get nowMs() {
      return at();
    },
    stores: () => stores,
    store: (id) => stores.find((store) => store.meta.id === id) ?? null,
    region: (id) => regions.find((region) => region.meta.id === id) ?? null,
    regionByKey: (key) => sorted().findLast((region) => compareBytes(region.meta.startKey, key) <= 0) ?? null,
    scanRegions: (start, _end, limit) =>
      sorted()
        .filter((region) => compareBytes(region.meta.startKey, start) >= 0)
        .slice(0, limit),
    neighbours: (id) => {
      const all = sorted();
      const index = all.findIndex((region) => region.meta.id === id);
      const [previous, region, next] = [all[index - 1], all[index], all[index + 1]];
      if (region === undefined) return { previous: null, next: null };
      return {
        previous: previous !== undefined && isSameKey(previous.meta.endKey, region.meta.startKey) ? previous : null,
        next: next !== undefined && isSameKey(next.meta.startKey, region.meta.endKey) ? next : null,
      };
    },
    randomRegion: () => null,
    regionCount: regions.length,
    averageRegionSize: 20,
  };
}
