import { seededRandom } from "@skein/base";
import { describe, expect, test } from "vitest";
import type { RegionMeta, RegionView } from "../core/model.ts";
import { storeMeta } from "../core/testing/views.ts";
import { pdErrors } from "../errors.ts";
import { LiveCluster, regionWithoutHeartbeat } from "./live-cluster.ts";

const key = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function region(
  id: number,
  start: string,
  end: string,
  options: {
    version?: number;
    confVer?: number;
    stores?: number[];
    leader?: number;
    size?: number;
    term?: number;
    pending?: number[];
  } = {},
): RegionView {
  const stores = options.stores ?? [1, 2, 3];
  const meta: RegionMeta = {
    id,
    startKey: key(start),
    endKey: key(end),
    epoch: { confVer: options.confVer ?? 1, version: options.version ?? 1 },
    peers: stores.map((storeId) => ({ id: id * 10 + storeId, storeId, role: "voter", isWitness: false })),
  };
  return {
    ...regionWithoutHeartbeat(meta),
    leaderPeerId: id * 10 + (options.leader ?? stores[0] ?? 0),
    approximateSize: options.size ?? 10,
    term: options.term ?? 0,
    pendingPeers: (options.pending ?? []).map((storeId) => id * 10 + storeId),
  };
}

const ranges = (cluster: LiveCluster) =>
  cluster.scanRegions(key(""), key(""), 1000).map(({ meta }) => `${meta.id}:${text(meta.startKey)}-${text(meta.endKey)}`);

describe("regions", () => {
  test("a split: the new halves take the place of the old region, whichever comes first", () => {
    const cluster = new LiveCluster(() => 0);
    cluster.heartbeat(region(1, "", ""));
    const left = cluster.heartbeat(region(2, "", "m", { version: 2 }));
    expect(left.removed).toEqual([1]);
    expect(ranges(cluster)).toEqual(["2:-m"]);
    cluster.heartbeat(region(1, "m", "", { version: 2 }));
    expect(ranges(cluster)).toEqual(["2:-m", "1:m-"]);
    expect(() => cluster.heartbeat(region(1, "", ""))).toThrow(/region is stale: region id:1 .* origin id:2 /);
  });

  test("a key that no region holds for the moment is answered with the region that last held it", () => {
    const cluster = new LiveCluster(() => 0);
    const last = (probe: string) => {
      const found = cluster.lastRegionByKey(key(probe))?.meta;
      return found === undefined ? null : `${found.id}@${found.epoch.version}`;
    };
    expect(last("c")).toBeNull();
    cluster.heartbeat(region(1, "", ""));
    cluster.heartbeat(region(1, "m", "", { version: 2 }));
    expect([last("c"), last("m"), last("z")]).toEqual(["1@1", "1@2", "1@2"]);
    expect(cluster.regionByKey(key("c"))).toBeNull();
    // its other half is split again before the first of them is heard of
    cluster.heartbeat(region(3, "f", "m", { version: 3 }));
    expect([last("c"), last("g")]).toEqual(["1@1", "3@3"]);
    cluster.heartbeat(region(2, "", "f", { version: 3 }));
    expect([last("c"), last("g")]).toEqual(["2@3", "3@3"]);
    // the newest of those that held it
    cluster.heartbeat(region(2, "", "b", { version: 4 }));
    expect([last("a"), last("c")]).toEqual(["2@4", "2@3"]);
    cluster.forgetRegions();
    expect([last("a"), last("c")]).toEqual([null, null]);
  });

  test("of the regions that were, so many are remembered", () => {
    const cluster = new LiveCluster(() => 0);
    const name = (number: number) => String(number).padStart(5, "0");
    cluster.heartbeat(region(1, "", ""));
    for (let i = 1; i <= 1_000; i++) cluster.heartbeat(region(1, name(i), "", { version: i + 1 }));
    expect(cluster.lastRegionByKey(key(name(999)))?.meta.epoch.version).toBe(1_000);
    expect(cluster.lastRegionByKey(key(name(1)))).toBeNull();
  });

  test("older terms, versions and membership are refused", () => {
    const cluster = new LiveCluster(() => 0);
    cluster.heartbeat(region(1, "a", "b", { version: 5, confVer: 3, term: 7 }));
    for (const old of [
      { version: 5, confVer: 3, term: 6 },
      { version: 5, confVer: 2, term: 7 },
      { version: 4, confVer: 3, term: 7 },
    ])
      expect(() => cluster.heartbeat(region(1, "a", "b", old))).toThrow(pdErrors.regionStale.message("", "").slice(0, 15));
  });

  test("a region that was made anew at epoch 1/1 replaces newer ones, but not with the whole range", () => {
    const cluster = new LiveCluster(() => 0);
    cluster.heartbeat(region(1, "a", "z", { version: 9 }));
    expect(() => cluster.heartbeat(region(2, "", ""))).toThrow("stale");
    cluster.heartbeat(region(2, "a", "z"));
    expect(ranges(cluster)).toEqual(["2:a-z"]);
  });

  test("what a store's regions add up to follows leaders, sizes and pending peers", () => {
    const cluster = new LiveCluster(() => 0);
    for (const id of [1, 2, 3]) cluster.putStore(storeMeta(id));
    cluster.heartbeat(region(1, "", "m", { size: 10 }));
    cluster.heartbeat(region(2, "m", "", { size: 30, leader: 2 }));
    expect(cluster.heartbeat(region(1, "", "m", { size: 20, leader: 2, pending: [3] })).isLeaderChanged).toBe(true);
    const sums = (id: number) => {
      const store = cluster.store(id);
      return [store?.leaderCount, store?.leaderSize, store?.regionCount, store?.regionSize, store?.pendingPeerCount];
    };
    expect(sums(1)).toEqual([0, 0, 2, 50, 0]);
    expect(sums(2)).toEqual([2, 50, 2, 50, 0]);
    expect(sums(3)).toEqual([0, 0, 2, 50, 1]);
    expect(cluster.averageRegionSize).toBe(25);
    expect(cluster.randomRegion(2, "leader", () => 1)?.meta.id).toBe(1);
    expect(cluster.randomRegion(3, "pending", () => 0)?.meta.id).toBe(1);
    expect(cluster.randomRegion(1, "leader", () => 0)).toBeNull();
  });

  test("two peers on one store are refused", () => {
    const cluster = new LiveCluster(() => 0);
    expect(() => cluster.heartbeat(region(1, "", "", { stores: [1, 1] }))).toThrow("two peers");
  });

  test("neighbours are those without a hole between", () => {
    const cluster = new LiveCluster(() => 0);
    cluster.heartbeat(region(1, "a", "b"));
    cluster.heartbeat(region(2, "b", "c"));
    cluster.heartbeat(region(3, "d", "e"));
    expect(cluster.neighbours(2).previous?.meta.id).toBe(1);
    expect(cluster.neighbours(2).next).toBeNull();
    expect(cluster.regionByKey(key("c"))).toBeNull();
    expect(cluster.regionByKey(key("dd"))?.meta.id).toBe(3);
    expect(cluster.scanRegions(key("b"), key("d"), 10).map(({ meta }) => meta.id)).toEqual([2]);
  });
});

test("random splits, merges and moves: order, ids, sums as a plain list has them", () => {
  const random = seededRandom(4711);
  const cluster = new LiveCluster(() => 0);
  let model: RegionView[] = [];
  let nextId = 1;
  const letters = () => Array.from({ length: random.between(1, 4) }, () => String.fromCharCode(97 + random.below(26))).join("");
  let version = 1;
  for (let step = 0; step < 4000; step++) {
    const start = random.chance(0.02) ? "" : letters();
    const end = random.chance(0.02) ? "" : letters();
    if (end !== "" && end <= start) continue;
    const isOld = random.chance(0.3) && model.length > 0;
    const id = isOld ? random.pick(model).meta.id : nextId++;
    const stores = [1, 2, 3, 4, 5].filter(() => random.chance(0.6));
    if (stores.length === 0) continue;
    const next = region(id, start, end, {
      version: ++version,
      confVer: version,
      stores,
      leader: random.pick(stores),
      size: random.below(100),
      pending: random.chance(0.1) ? [random.pick(stores)] : [],
    });
    cluster.heartbeat(next);
    const overlaps = (other: RegionView) =>
      (end === "" || text(other.meta.startKey) < end) && (text(other.meta.endKey) === "" || text(other.meta.endKey) > start);
    model = [...model.filter((other) => other.meta.id !== id && !overlaps(other)), next];
    if (step % 50 !== 0) continue;
    model.sort((a, b) => (text(a.meta.startKey) < text(b.meta.startKey) ? -1 : 1));
    expect(cluster.scanRegions(key(""), key(""), 100_000)).toEqual(model);
    const probe = letters();
    expect(cluster.regionByKey(key(probe))?.meta.id).toBe(
      model.find(({ meta }) => text(meta.startKey) <= probe && (text(meta.endKey) === "" || probe < text(meta.endKey)))?.meta.id,
    );
    for (const storeId of [1, 2, 3, 4, 5]) {
      const here = model.filter(({ meta }) => meta.peers.some((peer) => peer.storeId === storeId));
      const seen = new Set<number>();
      for (let at = 0; at < 400; at++) {
        const found = cluster.randomRegion(storeId, "leader", (count) => at % count);
        if (found !== null) seen.add(found.meta.id);
      }
      const leading = here.filter(({ meta, leaderPeerId }) => leaderPeerId === meta.id * 10 + storeId).map(({ meta }) => meta.id);
      expect([...seen].sort((a, b) => a - b)).toEqual(leading.sort((a, b) => a - b));
    }
  }
  expect(cluster.regionCount).toBe(model.length);
});
