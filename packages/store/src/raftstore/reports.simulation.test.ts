import { expect, test } from "vitest";
import type { Region } from "./core/region.ts";
import { StoreCluster } from "./testing/cluster.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("regions that there was no room to tell of are told of as soon as there is, not with the next interval", async () => {
  const cluster = new StoreCluster({ seed: 1, stores: 3, options: { regionHeartbeatTicks: 1_000_000 } });
  await cluster.start();
  const { id } = cluster.pd.firstRegion as Region;
  cluster.pd.takes = () => false;
  const keys = Array.from({ length: 9 }, (_, index) => bytes(`k${index}`));
  cluster.quietly(cluster.leader(id)?.store.split(id, keys) ?? Promise.reject(new Error("nobody leads")));
  await cluster.until("all ten have leaders", () => cluster.cover()?.length === 10);
  expect([...cluster.pd.regions.values()].map(({ region }) => region.endKey.length)).toEqual([0]);

  let room = 3;
  cluster.pd.takes = () => room-- > 0;
  await cluster.until("three are told of", () => room < 0);
  const versionsTold = () => [...cluster.pd.regions.values()].filter(({ region }) => region.version > 1).length;
  expect(versionsTold()).toBe(3);
  cluster.pd.takes = () => true;
  await cluster.until("all are told of", () => versionsTold() === 10, 1_000);
});

test("a placement driver that was started again hears of stores and regions at once, not with the next interval", async () => {
  const cluster = new StoreCluster({ seed: 2, stores: 3, options: { regionHeartbeatTicks: 1_000_000, storeHeartbeatTicks: 1_000_000 } });
  await cluster.start();
  await cluster.until("every store has told of itself", () => cluster.pd.stores.size === 3);
  await cluster.until("somebody leads", () => cluster.cover()?.length === 1);
  cluster.pd.restart();
  await cluster.until("all are told of again", () => cluster.pd.stores.size === 3 && cluster.pd.regions.size === 1, 100);
});
