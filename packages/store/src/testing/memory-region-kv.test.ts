import { seededRandom } from "@skein/base";
import { expect, test } from "vitest";
import { RegionError } from "../region-kv.ts";
import { createMemoryRegions } from "./memory-region-kv.ts";

const bytes = (text: string) => Buffer.from(text);
const put = (key: string, value: string) => ({ kind: "put" as const, family: "default" as const, key: bytes(key), value: bytes(value) });
const kindOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: unknown) => (error instanceof RegionError ? error.reason.kind : String(error)),
  );

test("what was written is in the next snapshot, and not in an older one", async () => {
  const regions = createMemoryRegions();
  const store = regions.store(1);
  const context = regions.contextFor(bytes("a"));
  using before = await store.snapshot(context);
  await store.write(context, before.term, [put("a", "1")]);
  using after = await store.snapshot(context);
  expect(before.reader.get("default", bytes("a"))).toBeNull();
  expect(Buffer.from(after.reader.get("default", bytes("a")) ?? []).toString()).toBe("1");
});

test("a split raises the version, makes regions with ids of their own and refuses the old epoch", async () => {
  const regions = createMemoryRegions();
  const store = regions.store(1);
  const old = regions.contextFor(bytes("a"));
  const led: number[] = [];
  store.onLead((region) => led.push(region.id));
  const made = await store.split(old, [bytes("k"), bytes("t"), bytes("k")]);
  expect(made.map(({ startKey, endKey, version }) => [Buffer.from(startKey).toString(), Buffer.from(endKey).toString(), version])).toEqual([
    ["", "k", 3],
    ["k", "t", 3],
    ["t", "", 3],
  ]);
  expect(led).toEqual(made.map(({ id }) => id));
  expect(await kindOf(store.snapshot(old))).toBe("epochNotMatch");
  expect(await kindOf(store.write(regions.contextFor(bytes("a")), 6, [put("z", "1")]))).toBe("keyNotInRegion");
});

test("a leader that moved refuses with the new one, and writes decided in an old term", async () => {
  const regions = createMemoryRegions({ storeIds: [1, 2] });
  const context = regions.contextFor(bytes("a"));
  using snapshot = await regions.store(1).snapshot(context);
  await regions.transferLeader(context.regionId, 2);
  expect(await kindOf(regions.store(1).snapshot(context))).toBe("notLeader");
  await regions.transferLeader(context.regionId, 1);
  expect(await kindOf(regions.store(1).write(context, snapshot.term, [put("a", "1")]))).toBe("staleCommand");
  expect(await kindOf(regions.store(2).snapshot(context))).toBe("storeNotMatch");
});

test("who waits for a lost leader learns the truth, or that it is not known", async () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 40; seed++) {
    const regions = createMemoryRegions({ random: seededRandom(seed), pause: () => new Promise(() => {}) });
    const context = regions.contextFor(bytes("a"));
    const answers = ["a", "b"].map((key) => kindOf(regions.store(1).write(context, 6, [put(key, "1")])));
    await regions.newTerm(context.regionId);
    const kind = await (answers[1] as Promise<string>);
    const isThere = regions.engine.get("default", bytes("b")) !== null;
    seen.add(`${kind} ${isThere}`);
  }
  expect([...seen].sort()).toEqual(["done true", "staleCommand false", "undetermined false", "undetermined true"]);
});
