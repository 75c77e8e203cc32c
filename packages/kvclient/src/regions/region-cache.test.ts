import type { World } from "@skein/base";
import type { PdClient, RegionInfo } from "@skein/placement/client";
import { Simulation } from "@skein/sim";
import { expect, test } from "vitest";
import { kvErrors } from "../errors.ts";
import { Patience } from "../patience.ts";
import { RegionCache } from "./region-cache.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const signal = new AbortController().signal;

function region(id: number, start: string, end: string, version: number): RegionInfo {
  const peer = { id: id * 10, storeId: 1, role: "voter", isWitness: false } as const;
  const meta = { id, startKey: bytes(start), endKey: bytes(end), epoch: { confVer: 1, version }, peers: [peer] };
  return { meta, leader: peer, downPeers: [], pendingPeers: [] };
}

/** A placement driver that knows these regions, and says that of keys between them. */
function start(regions: RegionInfo[], between: () => RegionInfo | null) {
  const simulation = new Simulation({ seed: 1 });
  const world: World = simulation.world("client");
  const holds = ({ meta }: RegionInfo, key: Uint8Array) =>
    Buffer.compare(meta.startKey, key) <= 0 && (meta.endKey.length === 0 || Buffer.compare(key, meta.endKey) < 0);
  const pd: Pick<PdClient, "scanRegions" | "getRegion" | "getPrevRegion"> = {
    scanRegions: async (from) => regions.filter(({ meta }) => meta.endKey.length === 0 || Buffer.compare(from, meta.endKey) < 0),
    getRegion: async (key) => regions.find((each) => holds(each, key)) ?? between(),
    getPrevRegion: async () => null,
  };
  const cache = new RegionCache(world, pd as PdClient, "raw", new Map());
  const patience = () => new Patience(world, "a look", 3_000, signal);
  const at = async (key: string) => {
    const found = await cache.locate(bytes(key), patience());
    return `${found.id}@${found.version}`;
  };
  const before = async (key: string) => {
    const found = await cache.locateBefore(bytes(key), patience());
    return `${found.id}@${found.version}`;
  };
  return { simulation, cache, at, before };
}

test("of a key that the placement driver knows no region of, the next region is not the answer", async () => {
  const regions = [region(1, "", "c", 2), region(2, "m", "", 2)];
  const { simulation, at, before } = start(regions, () => null);
  expect(await simulation.complete(at("a"))).toBe("1@2");
  expect(await simulation.complete(at("z"))).toBe("2@2");
  const timedOut = { code: kvErrors.timedOut.code };
  await expect(simulation.complete(at("d"))).rejects.toMatchObject(timedOut);
  await expect(simulation.complete(before("m"))).rejects.toMatchObject(timedOut);
  const waiting = at("d");
  regions.splice(1, 0, region(3, "c", "m", 2));
  expect(await simulation.complete(waiting)).toBe("3@2");
});

test("the region that last held the key will do, unless it is known what became of it", async () => {
  const right = region(2, "m", "", 2);
  const { simulation, at } = start([right], () => region(1, "", "", 1));
  expect(await simulation.complete(at("d"))).toBe("1@1");
  const other = start([right], () => region(2, "", "", 1));
  expect(await other.simulation.complete(other.at("z"))).toBe("2@2");
  await expect(other.simulation.complete(other.at("d"))).rejects.toMatchObject({ code: kvErrors.timedOut.code });
});
