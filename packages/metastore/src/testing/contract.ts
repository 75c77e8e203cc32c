/**
 * What every metadata store must do, as one suite. `open` gives a fresh, empty store; `reopen`, where the kind can, cuts the store's
 * connections or its process and comes back to the same data.
 */
import { isAbort, type World } from "@skein/base";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { campaign, electionLeader, observeElection } from "../election.ts";
import { metastoreErrors } from "../errors.ts";
import { follow } from "../follow.ts";
import { type KeyValue, type Metastore, textOf, type WatchBatch, type WatchEvent } from "../metastore.ts";
import { openSession } from "../session.ts";

export interface ContractStore {
  readonly world: World;
  readonly store: Metastore;
  /** A second client of the same data; the same store where there is one process only. */
  readonly other: Metastore;
  /** Cuts what connects the store to its data, while watches go on where the kind can; absent where nothing can be cut. */
  readonly interrupt?: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export function describeMetastoreContract(name: string, open: () => Promise<ContractStore>): void {
  describe(`the metastore contract, ${name}`, () => {
    let contract: ContractStore;
    let store: Metastore;
    const stop = new Set<AbortController>();
    const signal = () => {
      const controller = new AbortController();
      stop.add(controller);
      return controller.signal;
    };
    beforeEach(async () => {
      contract = await open();
      store = contract.store;
    });
    afterEach(async () => {
      for (const controller of stop) controller.abort(new DOMException("the test is over", "AbortError"));
      stop.clear();
      await contract.close();
    });

    describe("reads and writes", () => {
      test("a key has revisions of its creation and its last write, and a version", async () => {
        const first = await store.put("/a", "1");
        const second = await store.put("/a", "2");
        expect(second).toBe(first + 1);
        expect(shown(await store.get("/a"))).toEqual({ key: "/a", text: "2", created: first, modified: second, version: 2 });
        expect(await store.get("/b")).toBeNull();
      });

      test("values are bytes", async () => {
        const value = Uint8Array.from({ length: 256 }, (_, i) => i);
        await store.put("/bytes", value);
        expect(new Uint8Array((await store.get("/bytes"))?.value ?? [])).toEqual(value);
        await store.put("/empty", "");
        expect((await store.get("/empty"))?.value.length).toBe(0);
      });

      test("a range takes one key, a prefix, or from one key up to another; in the order of bytes", async () => {
        const keys = ["/p/", "/p/a", "/p/b", "/p/é", "/p/\u{ffee}", "/p/\u{1f9f6}", "/p0", "/q"];
        for (const key of [...keys].reverse()) await store.put(key, key);
        const of = async (...args: Parameters<Metastore["range"]>) => (await store.range(...args)).items.map((item) => item.key);
        expect(await of({ prefix: "/p/" })).toEqual(keys.slice(0, 6));
        expect(await of({ prefix: "" })).toEqual(keys);
        expect(await of({ key: "/p/" })).toEqual(["/p/"]);
        expect(await of({ from: "/p/a", to: "/p/é" })).toEqual(["/p/a", "/p/b"]);
        expect(await of({ from: "/p0", to: "" })).toEqual(["/p0", "/q"]);
        expect(await of({ prefix: "/p/" }, { sortBy: "createRevision" })).toEqual(keys.slice(0, 6).reverse());
        expect(await of({ prefix: "/p/" }, { sortBy: "createRevision", descending: true, limit: 2 })).toEqual(["/p/", "/p/a"]);
        expect(await of({ prefix: "/p/" }, { descending: true, limit: 1 })).toEqual(["/p/\u{1f9f6}"]);
      });

      test("a limit says that there are more, and how many", async () => {
        for (let i = 0; i < 5; i++) await store.put(`/k${i}`, "x");
        const { items, count, more } = await store.range({ prefix: "/k" }, { limit: 2, keysOnly: true });
        expect(items.map((item) => [item.key, item.value.length])).toEqual([
          ["/k0", 0],
          ["/k1", 0],
        ]);
        expect({ count, more }).toEqual({ count: 5, more: true });
        expect((await store.range({ prefix: "/k" }, { limit: 5 })).more).toBe(false);
      });

      test("the past can be read until it is compacted", async () => {
        const first = await store.put("/a", "1");
        await store.put("/b", "1");
        const third = await store.put("/a", "2");
        const { revision: fourth } = await store.delete({ prefix: "/" });
        const at = async (revision: number) =>
          (await store.range({ prefix: "/" }, { revision })).items.map((item) => `${item.key}=${textOf(item)}`);
        expect(await at(first)).toEqual(["/a=1"]);
        expect(await at(third)).toEqual(["/a=2", "/b=1"]);
        expect(await at(fourth)).toEqual([]);
        await store.compact(third);
        expect(await at(third)).toEqual(["/a=2", "/b=1"]);
        await expect(at(first)).rejects.toSatisfy(metastoreErrors.compacted.is);
        await expect(at(fourth + 10)).rejects.toSatisfy(metastoreErrors.futureRevision.is);
      });

      test("a delete tells how many keys it took; one that takes none makes no revision", async () => {
        for (const key of ["/d/1", "/d/2", "/e"]) await store.put(key, "x");
        const before = (await store.status()).revision;
        expect(await store.delete({ prefix: "/d/" })).toEqual({ deleted: 2, revision: before + 1 });
        expect(await store.delete({ prefix: "/d/" })).toEqual({ deleted: 0, revision: before + 1 });
        // A key that comes back starts anew.
        await store.put("/d/1", "y");
        expect((await store.get("/d/1"))?.version).toBe(1);
      });
    });

    describe("transactions", () => {
      test("take one side or the other, in one revision", async () => {
        const revision = await store.put("/a", "1");
        const taken = await store.txn({
          compare: [
            { key: "/a", target: "value", is: "=", value: "1" },
            { key: "/a", target: "modRevision", is: "=", value: revision },
            { key: "/a", target: "version", is: "<", value: 2 },
            { key: "/new", target: "createRevision", is: "=", value: 0 },
          ],
          success: [
            { op: "put", key: "/a", value: "2", previous: true },
            { op: "put", key: "/new", value: "n" },
            { op: "range", select: { prefix: "/" } },
            { op: "delete", select: { key: "/absent" } },
          ],
          failure: [{ op: "put", key: "/wrong", value: "x" }],
        });
        expect(taken.succeeded).toBe(true);
        expect(taken.revision).toBe(revision + 1);
        const [put, , range, gone] = taken.results;
        expect(put?.op === "put" && put.previous !== null && textOf(put.previous)).toBe("1");
        expect(range?.op === "range" && range.items.map((item) => [item.key, item.modRevision])).toEqual([
          ["/a", revision + 1],
          ["/new", revision + 1],
        ]);
        expect(gone).toEqual({ op: "delete", deleted: 0, previous: [] });

        const other = await store.txn({
          compare: [{ key: "/a", target: "value", is: "=", value: "1" }],
          success: [{ op: "put", key: "/wrong", value: "x" }],
          failure: [{ op: "range", select: { key: "/a" } }],
        });
        expect(other.succeeded).toBe(false);
        expect(other.results.map((result) => result.op === "range" && result.items.map(textOf))).toEqual([["2"]]);
        expect(await store.get("/wrong")).toBeNull();
      });

      test("a comparison of a missing key sees version and revisions 0, and no value", async () => {
        const holds = async (...compare: NonNullable<Parameters<Metastore["txn"]>[0]["compare"]>) =>
          (await store.txn({ compare })).succeeded;
        expect(await holds({ key: "/x", target: "version", is: "=", value: 0 })).toBe(true);
        expect(await holds({ key: "/x", target: "modRevision", is: ">", value: 0 })).toBe(false);
        expect(await holds({ key: "/x", target: "value", is: "=", value: "" })).toBe(false);
        expect(await holds({ key: "/x", target: "value", is: "!=", value: "a" })).toBe(false);
        await store.put("/x", "b");
        expect(await holds({ key: "/x", target: "value", is: "<", value: "ba" })).toBe(true);
        expect(await holds({ key: "/x", target: "value", is: "!=", value: "a" })).toBe(true);
      });

      test("of many that compare and set one key, each change is made by one", async () => {
        await store.put("/counter", "0");
        const increment = async (client: Metastore) => {
          for (;;) {
            const item = (await client.get("/counter")) as KeyValue;
            const { succeeded } = await client.txn({
              compare: [{ key: "/counter", target: "modRevision", is: "=", value: item.modRevision }],
              success: [{ op: "put", key: "/counter", value: String(Number(textOf(item)) + 1) }],
            });
            if (succeeded) return;
          }
        };
        await Promise.all(Array.from({ length: 16 }, (_, i) => increment(i % 2 === 0 ? store : contract.other)));
        expect(textOf((await store.get("/counter")) as KeyValue)).toBe("16");
      });

      test("what a transaction may not hold fails it whole", async () => {
        const twice = store.txn({
          success: [
            { op: "put", key: "/a", value: "1" },
            { op: "put", key: "/a", value: "2" },
          ],
        });
        await expect(twice).rejects.toSatisfy(metastoreErrors.duplicateKey.is);
        const noLease = store.txn({
          success: [
            { op: "put", key: "/a", value: "1" },
            { op: "put", key: "/b", value: "2", lease: 12345n },
          ],
        });
        await expect(noLease).rejects.toSatisfy(metastoreErrors.leaseNotFound.is);
        const many = store.txn({
          success: Array.from({ length: 3000 }, (_, i) => ({ op: "put" as const, key: `/many/${i}`, value: "x" })),
        });
        await expect(many).rejects.toSatisfy(metastoreErrors.tooManyOperations.is);
        const large = store.put("/large", new Uint8Array(3 * 1024 * 1024));
        await expect(large).rejects.toSatisfy(metastoreErrors.requestTooLarge.is);
        await expect(store.put("", "x")).rejects.toSatisfy(metastoreErrors.invalidRequest.is);
        expect((await store.range({ prefix: "" })).count).toBe(0);
      });

      test("as many operations as the limit allows are one revision", async () => {
        const { revision } = await store.txn({
          success: Array.from({ length: 2048 }, (_, i) => ({ op: "put" as const, key: `/many/${i}`, value: `v${i}` })),
        });
        const { items, count } = await store.range({ prefix: "/many/" });
        expect(count).toBe(2048);
        expect(items.every((item) => item.modRevision === revision)).toBe(true);
      });
    });

    describe("watches", () => {
      test("tell every change from a revision on, in order, and only of the selection", async () => {
        const first = await store.put("/w/a", "1");
        await store.put("/other", "x");
        await store.put("/w/b", "2");
        await store.delete({ prefix: "/w/" });
        await store.put("/w/a", "3");
        const events = await take(store.watch({ prefix: "/w/" }, { fromRevision: first, signal: signal() }), 5);
        expect(events.map(told)).toEqual([
          `put /w/a=1 @${first}`,
          `put /w/b=2 @${first + 2}`,
          `delete /w/a @${first + 3}`,
          `delete /w/b @${first + 3}`,
          `put /w/a=3 @${first + 4}`,
        ]);
      });

      test("tell what comes later, with what was there before when asked", async () => {
        await store.put("/w", "old");
        const ready = Promise.withResolvers<number>();
        const events = take(store.watch({ key: "/w" }, { previous: true, signal: signal(), onReady: ready.resolve }), 2);
        await ready.promise;
        await contract.other.put("/w", "new");
        await contract.other.delete({ key: "/w" });
        expect((await events).map((event) => event.previous && textOf(event.previous))).toEqual(["old", "new"]);
      });

      test("a batch holds whole revisions", async () => {
        const ready = Promise.withResolvers<number>();
        const batches: WatchBatch[] = [];
        const collected = (async () => {
          for await (const batch of store.watch({ prefix: "/" }, { signal: signal(), onReady: ready.resolve })) {
            batches.push(batch);
            if (batches.flatMap((each) => each.events).length >= 300) return;
          }
        })();
        await ready.promise;
        for (let i = 0; i < 3; i++)
          await store.txn({ success: Array.from({ length: 100 }, (_, n) => ({ op: "put" as const, key: `/${n}`, value: `${i}` })) });
        await collected;
        const seen = new Set<number>();
        for (const { events, revision } of batches) {
          const revisions = new Set(events.map(revisionOf));
          for (const each of revisions) {
            expect(seen.has(each)).toBe(false);
            seen.add(each);
          }
          expect(Math.max(...revisions)).toBeLessThanOrEqual(revision);
        }
        expect(seen.size).toBe(3);
      });

      test("from a compacted revision is an error with the next step; `follow` reads again", async () => {
        const first = await store.put("/w", "1");
        await store.put("/w", "2");
        const last = await store.put("/w", "3");
        await store.compact(last);
        await expect(take(store.watch({ prefix: "/" }, { fromRevision: first, signal: signal() }), 1)).rejects.toSatisfy(
          metastoreErrors.compacted.is,
        );
        for await (const step of follow(contract.world, store, { prefix: "/" }, { signal: signal() })) {
          if (step.kind === "content") {
            expect(step.items.map(textOf)).toEqual(["3"]);
            await store.put("/w", "4");
          } else {
            expect(step.events.map(told)).toEqual([`put /w=4 @${last + 1}`]);
            break;
          }
        }
      });

      test("a slow watcher misses nothing", async () => {
        const count = 500;
        const first = (await store.status()).revision + 1;
        const iterator = store.watch({ prefix: "/" }, { fromRevision: first, signal: signal() })[Symbol.asyncIterator]();
        for (let i = 0; i < count; i += 50)
          await Promise.all(Array.from({ length: 50 }, (_, n) => store.put(`/${(i + n) % 7}`, String(i + n))));
        const events: WatchEvent[] = [];
        while (events.length < count) events.push(...((await iterator.next()).value?.events ?? []));
        expect(events.map(revisionOf)).toEqual(Array.from({ length: count }, (_, i) => first + i));
      });

      test("an aborted watch ends", async () => {
        const controller = new AbortController();
        const ready = Promise.withResolvers<number>();
        const done = take(store.watch({ prefix: "/" }, { signal: controller.signal, onReady: ready.resolve }), 1);
        await ready.promise;
        controller.abort(new DOMException("stop", "AbortError"));
        expect(await done).toEqual([]);
      });

      test("have no gap when the connection is cut", async () => {
        if (contract.interrupt === undefined) return; // nothing lies between this kind of store and its data
        const first = await store.put("/w", "0");
        const events = take(store.watch({ prefix: "/w" }, { fromRevision: first, signal: signal() }), 41);
        for (let i = 1; i <= 40; i++) {
          if (i % 10 === 0) await contract.interrupt();
          await insist(() => contract.other.put("/w", String(i)));
        }
        const told = (await events).map(revisionOf);
        expect(told).toEqual(Array.from({ length: 41 }, (_, i) => first + i));
      });
    });

    describe("leases", () => {
      test("a lease that is not kept ends, and its keys with it, in one revision", async () => {
        const lease = await store.grantLease(1);
        await store.put("/l/a", "1", { lease: lease.id });
        const last = await store.put("/l/b", "2", { lease: lease.id });
        await store.put("/l/free", "3");
        expect((await store.leaseState(lease.id))?.keys).toEqual(["/l/a", "/l/b"]);
        expect((await store.get("/l/a"))?.lease).toBe(lease.id);
        const events = await take(store.watch({ prefix: "/l/" }, { fromRevision: last + 2, signal: signal() }), 2);
        expect(events.map(told)).toEqual([`delete /l/a @${last + 2}`, `delete /l/b @${last + 2}`]);
        expect(await store.leaseState(lease.id)).toBeNull();
        await expect(store.keepAliveLease(lease.id)).rejects.toSatisfy(metastoreErrors.leaseNotFound.is);
        expect(await store.leases()).not.toContain(lease.id);
      });

      test("a kept lease stays; a revoked one goes at once", async () => {
        await using session = await openSession(contract.world, store, { ttlSeconds: 2 });
        await store.put("/s", "1", { lease: session.lease });
        for (let i = 0; i < 3; i++) {
          await contract.world.clock.sleep(1000);
          expect(await store.get("/s")).not.toBeNull();
        }
        expect(session.lost.aborted).toBe(false);
        expect(await store.leases()).toContain(session.lease);
        await session.close();
        expect(await store.get("/s")).toBeNull();
        await expect(store.revokeLease(session.lease)).rejects.toSatisfy(metastoreErrors.leaseNotFound.is);
      });

      test("a session hears that its lease was taken", async () => {
        await using session = await openSession(contract.world, store, { ttlSeconds: 1 });
        await store.revokeLease(session.lease);
        await aborted(session.lost);
        expect(metastoreErrors.leaseNotFound.is(session.lost.reason)).toBe(true);
      });

      test("a key leaves its lease with a write that has none, and moves with one that has another", async () => {
        const [one, two] = [await store.grantLease(60), await store.grantLease(60)];
        await store.put("/m", "1", { lease: one.id });
        await store.put("/m", "2", { lease: two.id });
        await store.revokeLease(one.id);
        expect(await store.get("/m")).not.toBeNull();
        await store.put("/m", "3");
        await store.revokeLease(two.id);
        expect(textOf((await store.get("/m")) as KeyValue)).toBe("3");
        await expect(store.put("/m", "4", { lease: one.id })).rejects.toSatisfy(metastoreErrors.leaseNotFound.is);
      });

      test("an id of one's own is taken once", async () => {
        const id = 0x7fff_ffff_0000_0123n;
        expect((await store.grantLease(30, id)).id).toBe(id);
        await expect(store.grantLease(30, id)).rejects.toSatisfy(metastoreErrors.leaseExists.is);
        await store.put("/own", "x", { lease: id });
        expect((await store.get("/own"))?.lease).toBe(id);
      });
    });

    describe("elections", () => {
      const prefix = "/dm-master/leader";

      test("the first to campaign leads; when it loses its lease the next one does", async () => {
        const first = await openSession(contract.world, store, { ttlSeconds: 60 });
        await using second = await openSession(contract.world, contract.other, { ttlSeconds: 60 });
        const leader = await campaign(store, first, { prefix, value: "m1", signal: signal() });
        expect(leader.key).toBe(`${prefix}/${first.lease.toString(16)}`);
        let secondLeads = false;
        const successor = campaign(contract.other, second, { prefix, value: "m2", signal: signal() }).then((won) => {
          secondLeads = true;
          return won;
        });
        const seen: (string | null)[] = [];
        const observed = (async () => {
          for await (const item of observeElection(store, prefix, signal())) {
            seen.push(item && textOf(item));
            if (seen.at(-1) === "m2") return;
          }
        })();
        while ((await store.range({ prefix: `${prefix}/` })).count < 2) await contract.world.clock.sleep(10);
        expect(textOf((await electionLeader(store, prefix)) as KeyValue)).toBe("m1");
        expect(secondLeads).toBe(false);
        await leader.proclaim("m1 again");
        expect(textOf((await electionLeader(store, prefix)) as KeyValue)).toBe("m1 again");

        await store.revokeLease(first.lease);
        const won = await successor;
        await aborted(leader.lost);
        await observed;
        expect(seen[0]).toBe("m1");
        // What a former leader tries to write under its guard does not happen.
        expect((await store.txn({ compare: [leader.guard], success: [{ op: "put", key: "/late", value: "x" }] })).succeeded).toBe(false);
        expect((await store.txn({ compare: [won.guard], success: [{ op: "put", key: "/now", value: "x" }] })).succeeded).toBe(true);
        await expect(leader.proclaim("late")).rejects.toSatisfy(metastoreErrors.notLeader.is);
        await first.close();
      });

      test("who gives up, or closes its session, leaves no key", async () => {
        await using session = await openSession(contract.world, store, { ttlSeconds: 60 });
        await using waiting = await openSession(contract.world, store, { ttlSeconds: 60 });
        const leader = await campaign(store, session, { prefix, value: "m1", signal: signal() });
        const giveUp = new AbortController();
        const never = campaign(store, waiting, { prefix, value: "m2", signal: giveUp.signal });
        while ((await store.range({ prefix: `${prefix}/` })).count < 2) await contract.world.clock.sleep(10);
        giveUp.abort(new DOMException("enough", "AbortError"));
        await expect(never).rejects.toSatisfy((error) => isAbort(error, giveUp.signal));
        await session.close();
        expect(leader.lost.aborted).toBe(true);
        expect(await electionLeader(store, prefix)).toBeNull();
        const again = await campaign(store, waiting, { prefix, value: "m2", signal: signal() });
        expect(again.revision).toBeGreaterThan(leader.revision);
      });
    });

    test("a closed store says so", async () => {
      const ready = Promise.withResolvers<number>();
      const watch = take(store.watch({ prefix: "/" }, { signal: signal(), onReady: ready.resolve }), 1);
      await ready.promise;
      const ended = expect(watch).rejects.toSatisfy(metastoreErrors.closed.is);
      await store.close();
      await ended;
      await expect(store.put("/a", "1")).rejects.toSatisfy(metastoreErrors.closed.is);
      await expect(store.get("/a")).rejects.toSatisfy(metastoreErrors.closed.is);
    });
  });
}

async function take(batches: AsyncIterable<WatchBatch>, count: number): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  for await (const batch of batches) {
    events.push(...batch.events);
    if (events.length >= count) break;
  }
  return events;
}

/** Tries again while the store is away; a put of one value may be carried out twice only where the answer was lost. */
async function insist<Result>(run: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (!metastoreErrors.unavailable.is(error)) throw error;
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function revisionOf(event: WatchEvent): number {
  return event.kind === "put" ? event.item.modRevision : event.revision;
}

function told(event: WatchEvent): string {
  return event.kind === "put"
    ? `put ${event.item.key}=${textOf(event.item)} @${event.item.modRevision}`
    : `delete ${event.key} @${event.revision}`;
}

function shown(item: KeyValue | null) {
  return item && { key: item.key, text: textOf(item), created: item.createRevision, modified: item.modRevision, version: item.version };
}
