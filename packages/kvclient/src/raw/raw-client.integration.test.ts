import { nodeWorld, seededRandom } from "@skein/base";
import type { MemoryRegions } from "@skein/store/testing";
import { describe, expect, test } from "vitest";
import { kvErrors } from "../errors.ts";
import { startTestCluster } from "../testing/cluster.ts";
import type { KeyValue } from "./raw-client.ts";

const world = nodeWorld();
const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const text = (value: Uint8Array | null) => (value === null ? null : Buffer.from(value).toString());
const texts = (pairs: readonly KeyValue[]) => pairs.map(({ key, value }) => `${text(key)}=${text(value)}`);
const pairs = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ key: bytes(`k${String(at).padStart(5, "0")}`), value: bytes(`v${at}`) }));
const all = { start: bytes(""), end: bytes("") };

test("keys are put, read and deleted", async () => {
  await using it = await startTestCluster(world);
  const raw = it.client.raw();
  expect(await raw.get(bytes("a"))).toBeNull();
  await raw.put(bytes("a"), bytes("1"));
  expect(text(await raw.get(bytes("a")))).toBe("1");
  await raw.put(bytes("empty"), bytes(""));
  expect(await raw.get(bytes("empty"))).toEqual(bytes(""));
  await raw.delete(bytes("a"));
  expect(await raw.get(bytes("a"))).toBeNull();
});

describe("over many regions", () => {
  test("a split that the store refuses is an error, not silence", async () => {
    await using it = await startTestCluster(world);
    await it.client.split([bytes("m")], { isRaw: true });
    expect(it.regions.regions()).toHaveLength(2);
    const tooLong = new Uint8Array(20_000).fill(97);
    await expect(it.client.split([tooLong], { isRaw: true })).rejects.toMatchObject({ code: kvErrors.refused.code });
    expect(it.regions.regions()).toHaveLength(2);
  });

  test("batches, and scans both ways", async () => {
    await using it = await startTestCluster(world);
    await it.split(["k00100", "k00200", "k00300", "k01500", "x"], true);
    const raw = it.client.raw();
    const stored = pairs(2000);
    await raw.batchPut(stored);
    expect(await raw.scan({ ...all, limit: 10_000 })).toEqual(stored);
    expect(await raw.scan({ ...all, limit: 10_000, reverse: true })).toEqual(stored.toReversed());
    expect(texts(await raw.scan({ start: bytes("k00099"), end: bytes("k00102"), limit: 10 }))).toEqual([
      "k00099=v99",
      "k00100=v100",
      "k00101=v101",
    ]);
    expect(texts(await raw.scan({ start: bytes("k00099"), end: bytes("k00102"), limit: 10, reverse: true }))).toEqual([
      "k00101=v101",
      "k00100=v100",
      "k00099=v99",
    ]);
    expect(texts(await raw.scan({ start: bytes("k00199"), end: bytes(""), limit: 2, keysOnly: true }))).toEqual(["k00199=", "k00200="]);
    expect(await raw.scan({ start: bytes("k00250"), end: bytes("k00250"), limit: 10 })).toEqual([]);
    const asked = ["k01999", "k00000", "nothing", "k00300"].map(bytes);
    expect(texts(await raw.batchGet(asked))).toEqual(["k01999=v1999", "k00000=v0", "k00300=v300"]);
    expect(
      texts(
        await raw.batchScan(
          [
            { start: bytes("k00000"), end: bytes("k00010") },
            { start: bytes("k00199"), end: bytes("") },
          ],
          2,
        ),
      ),
    ).toEqual(["k00000=v0", "k00001=v1", "k00199=v199", "k00200=v200"]);
    await raw.deleteRange({ start: bytes("k00050"), end: bytes("k01990") });
    expect((await raw.scan({ ...all, limit: 10_000 })).length).toBe(60);
    await raw.batchDelete(stored.slice(0, 50).map(({ key }) => key));
    expect((await raw.scan({ ...all, limit: 10_000 })).length).toBe(10);
  });

  test("requests follow splits and leaders while they run", async () => {
    await using it = await startTestCluster(world);
    const raw = it.client.raw();
    const stored = pairs(600);
    const work = { isDone: false };
    const stir = async () => {
      for (let at = 20; !work.isDone; at += 20) {
        if (at < 600) await it.split([`k${String(at).padStart(5, "0")}`], true);
        for (const { id } of it.regions.regions()) await it.regions.transferLeader(id, 1 + ((at / 20 + id) % 3));
        await world.clock.sleep(3);
      }
    };
    const stirring = stir();
    for (let round = 0; round < 5; round++) {
      await Promise.all(stored.map(({ key, value }) => raw.put(key, value)));
      expect(await raw.batchGet(stored.map(({ key }) => key))).toEqual(stored);
      expect(await raw.scan({ ...all, limit: 1000, reverse: round % 2 === 1 })).toHaveLength(600);
    }
    work.isDone = true;
    await stirring;
  });

  test("a store that is gone is asked no more", async () => {
    await using it = await startTestCluster(world);
    const raw = it.client.raw();
    await raw.put(bytes("a"), bytes("1"));
    const [region] = it.regions.regions();
    const leader = it.regions.leaderOf(region?.id ?? 0).storeId;
    await it.stores[leader - 1]?.server.close();
    await it.regions.transferLeader(region?.id ?? 0, (leader % 3) + 1);
    expect(text(await raw.get(bytes("a")))).toBe("1");
    expect(it.client.stores().map(({ isHealthy, load }) => [isHealthy, load])).toEqual([
      [false, 0],
      [true, 0],
    ]);
  });
});

test("a value is swapped when it is the expected one", async () => {
  await using it = await startTestCluster(world);
  const raw = it.client.raw({ forCas: true });
  expect(await raw.compareAndSwap(bytes("a"), null, bytes("1"))).toEqual({ isSwapped: true, previous: null });
  expect(await raw.compareAndSwap(bytes("a"), null, bytes("2"))).toEqual({ isSwapped: false, previous: bytes("1") });
  expect(await raw.compareAndSwap(bytes("a"), bytes("1"), bytes("2"))).toEqual({ isSwapped: true, previous: bytes("1") });
  const rounds = 20;
  const add = async () => {
    for (let done = 0; done < rounds; ) {
      const old = (await raw.get(bytes("n"))) ?? null;
      const next = bytes(String(Number(text(old) ?? "0") + 1));
      if ((await raw.compareAndSwap(bytes("n"), old, next)).isSwapped) done++;
    }
  };
  await Promise.all([add(), add(), add(), add()]);
  expect(text(await raw.get(bytes("n")))).toBe("80");
});

test("column families are key spaces of their own", async () => {
  await using it = await startTestCluster(world);
  const other = it.client.raw({ columnFamily: "write" });
  await it.client.raw().put(bytes("a"), bytes("1"));
  expect(await other.get(bytes("a"))).toBeNull();
  await other.put(bytes("a"), bytes("2"));
  expect(text(await it.client.raw({ columnFamily: "default" }).get(bytes("a")))).toBe("1");
  expect(texts(await other.scan({ ...all, limit: 10 }))).toEqual(["a=2"]);
});

test("a key may have an end", async () => {
  await using it = await startTestCluster(world, { enableTtl: true });
  const raw = it.client.raw();
  await raw.put(bytes("a"), bytes("1"), 100);
  await raw.put(bytes("b"), bytes("1"));
  expect(await raw.ttl(bytes("a"))).toBeGreaterThan(90);
  expect(await raw.ttl(bytes("b"))).toBe(0);
  expect(await raw.ttl(bytes("c"))).toBeNull();
});

test("what a store refuses has a code", async () => {
  await using it = await startTestCluster(world);
  await expect(it.client.raw().put(bytes("a"), bytes("1"), 100)).rejects.toMatchObject({ code: kvErrors.refused.code });
  const impatient = it.client.raw({ patienceMs: 300 });
  await Promise.all(it.stores.map((store) => store.server.close()));
  await expect(impatient.get(bytes("a"))).rejects.toMatchObject({ code: kvErrors.timedOut.code });
});

test("checksums add up over regions", async () => {
  await using it = await startTestCluster(world);
  const raw = it.client.raw();
  await raw.batchPut(pairs(100));
  const before = await raw.checksum(all);
  await it.split(["k00050"], true);
  expect(await raw.checksum(all)).toEqual(before);
  expect(before.keys).toBe(100);
});

describe("a write whose leader stepped down with it", () => {
  /** The next write is committed, and nobody knows. */
  const lossy = () => {
    let held: { readonly reached: () => void; readonly gate: Promise<void> } | null = null;
    const random = { ...seededRandom(1), below: (limit: number) => limit - 1, chance: () => true };
    const pause = async (point: "snapshot" | "apply") => {
      if (point === "snapshot" || held === null) return;
      held.reached();
      await held.gate;
    };
    const lose = async (regions: MemoryRegions, write: () => Promise<unknown>) => {
      const gate = Promise.withResolvers<void>();
      const reached = Promise.withResolvers<void>();
      held = { reached: reached.resolve, gate: gate.promise };
      const outcome = write().then(
        () => "done",
        (error: unknown) => error,
      );
      await reached.promise;
      held = null;
      await regions.newTerm(regions.regions()[0]?.id ?? 0);
      gate.resolve();
      return outcome;
    };
    return { regions: { random, pause }, lose };
  };

  test("is not sent again when that was not asked for", async () => {
    const { regions, lose } = lossy();
    await using it = await startTestCluster(world, { regions });
    const raw = it.client.raw({ repeatLostWrites: false });
    await raw.put(bytes("k"), bytes("0"));
    const outcome = await lose(it.regions, () => raw.put(bytes("k"), bytes("1")));
    expect(kvErrors.writeUndetermined.is(outcome)).toBe(true);
    expect(text(await raw.get(bytes("k")))).toBe("1");
  });

  test("is sent again else", async () => {
    const { regions, lose } = lossy();
    await using it = await startTestCluster(world, { regions });
    const raw = it.client.raw();
    expect(await lose(it.regions, () => raw.put(bytes("k"), bytes("1")))).toBe("done");
  });
});
