import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeWorld, silentLogger } from "@skein/base";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { metastoreErrors } from "../errors.ts";
import { describeMetastoreContract } from "../testing/contract.ts";
import { openEmbeddedMetastore } from "./embedded-metastore.ts";

const world = nodeWorld({ log: silentLogger });
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-metastore-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describeMetastoreContract("embedded", async () => {
  const store = await openEmbeddedMetastore(world, { path: join(folder, "meta", "metastore.sqlite") });
  return { world, store, other: store, close: () => store.close() };
});

describe("the embedded metastore", () => {
  test("finds its keys, revisions and leases again", async () => {
    const path = join(folder, "m.sqlite");
    const store = await openEmbeddedMetastore(world, { path });
    const lease = await store.grantLease(60);
    await store.put("/a", "1");
    const revision = await store.put("/a", "2", { lease: lease.id });
    await store.close();
    await using again = await openEmbeddedMetastore(world, { path });
    expect((await again.status()).revision).toBe(revision);
    expect(await again.get("/a")).toMatchObject({ version: 2, modRevision: revision, lease: lease.id });
    expect((await again.leaseState(lease.id))?.remainingSeconds).toBeGreaterThan(50);
    expect((await again.range({ prefix: "" }, { revision: revision - 1 })).items.map((item) => item.version)).toEqual([1]);
    expect((await world.disk.stat(path))?.kind).toBe("file");
  });

  test("is used by one process at a time", async () => {
    const path = join(folder, "m.sqlite");
    await using store = await openEmbeddedMetastore(world, { path });
    await expect(openEmbeddedMetastore(world, { path })).rejects.toSatisfy(metastoreErrors.inUse.is);
    await store.put("/still", "works");
  });

  test("a file that is no store is a coded error, and stays as it is", async () => {
    const path = join(folder, "m.sqlite");
    await world.disk.writeFileAtomic(path, "this is a text and no database at all".repeat(100));
    await expect(openEmbeddedMetastore(world, { path })).rejects.toSatisfy(metastoreErrors.storageFailed.is);
    expect(new TextDecoder().decode(await world.disk.readFile(path))).toContain("this is a text");
  });

  test("history is bounded, and what is current stays", async () => {
    await using store = await openEmbeddedMetastore(world, { path: ":memory:", historyRevisionsMax: 100 });
    const first = await store.put("/kept", "for ever");
    for (let i = 0; i < 2500; i += 100) await Promise.all(Array.from({ length: 100 }, (_, n) => store.put("/busy", `${i + n}`)));
    const past = store.range({ prefix: "" }, { revision: first });
    await expect(past).rejects.toSatisfy(metastoreErrors.compacted.is);
    const { revision } = await store.status();
    const { items } = await store.range({ prefix: "" }, { revision: revision - 50 });
    expect(items.map((item) => item.key)).toEqual(["/busy", "/kept"]);
  });

  test("requests of one turn that fail do not touch those that succeed", async () => {
    await using store = await openEmbeddedMetastore(world, { path: ":memory:" });
    const [good, bad, alsoGood] = await Promise.allSettled([
      store.put("/a", "1"),
      store.put("/b", "2", { lease: 99n }),
      store.put("/c", "3"),
    ]);
    expect([good.status, bad.status, alsoGood.status]).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect((await store.range({ prefix: "" })).items.map((item) => item.key)).toEqual(["/a", "/c"]);
  });
});
