import { expect, test } from "vitest";
import { createMemoryRegions } from "../testing/memory-region-kv.ts";
import { limitLargeReads } from "./large-reads.ts";

const regions = createMemoryRegions();
const at = regions.contextFor(new Uint8Array(0));
const large = { ...at, isLarge: true };

test("large reads take turns, in the order in which they came; others are not held up", async () => {
  const kv = limitLargeReads(regions.store(1), { runningMax: 2, waitingMax: 2 });
  const first = await kv.snapshot(large);
  const second = await kv.snapshot(large);
  const order: string[] = [];
  const third = kv.snapshot(large).then((it) => (order.push("third"), it));
  const fourth = kv.snapshot(large).then((it) => (order.push("fourth"), it));
  (await kv.snapshot(at))[Symbol.dispose]();
  await expect(kv.snapshot(large)).rejects.toMatchObject({ reason: { kind: "serverIsBusy" } });
  expect(order).toEqual([]);
  first[Symbol.dispose]();
  first[Symbol.dispose](); // once is enough
  const there = await third;
  expect(order).toEqual(["third"]);
  second[Symbol.dispose]();
  (await fourth)[Symbol.dispose]();
  there[Symbol.dispose]();
  const again = await Promise.all([kv.snapshot(large), kv.snapshot(large)]);
  for (const it of again) it[Symbol.dispose]();
});

test("who gives up leaves the line", async () => {
  const kv = limitLargeReads(regions.store(1), { runningMax: 1, waitingMax: 1 });
  const held = await kv.snapshot(large);
  const caller = new AbortController();
  const late = () => kv.snapshot({ ...large, signal: caller.signal });
  const refused = expect(late()).rejects.toThrow("enough");
  await kv.snapshot(at).then((it) => it[Symbol.dispose]()); // it stands in the line by now
  caller.abort(new Error("enough"));
  await refused;
  await expect(late()).rejects.toThrow("enough");
  const next = kv.snapshot(large);
  held[Symbol.dispose]();
  (await next)[Symbol.dispose]();
});
