import { describe, expect, test } from "vitest";
import type { KeyState, NotedWrite } from "./core/key-state.ts";
import type { Write } from "./core/records.ts";
import { type LedTerm, type RecentChanges, RecentWrites } from "./recent-writes.ts";

const region = { id: 1, startKey: new Uint8Array(0), endKey: new Uint8Array(0), confVer: 1, version: 1, peers: [] };
const ledOf = (term: number, floorTs: bigint | null): LedTerm => ({ region, term, floorTs });
const led = ledOf(1, 100n);

function noted(name: string, commitTs: bigint, kind: Write["kind"] = "put", isAgain = false): NotedWrite {
  const state: KeyState = { userKey: Buffer.from(name), key: Buffer.from(name), name, lock: null, versions: null };
  const write = { kind, startTs: commitTs - 1n, shortValue: null, overlappedRollback: false, gcFence: null, lastChange: null, source: 0n };
  return { state, commitTs, write, isAgain };
}

const changes = (...all: NotedWrite[]): RecentChanges => ({ noted: all, states: all.map(({ state }) => state) });

function write(recent: RecentWrites, ...all: NotedWrite[]): void {
  recent.begin(changes(...all), led);
  recent.done(changes(...all), led);
}

describe("versions that are known without the engine", () => {
  test("of a key that nobody wrote since the floor there are no newer ones, and older ones are not known", () => {
    const recent = new RecentWrites();
    expect(recent.versionsOf("a", led, 101n, false)).toEqual([]);
    expect(recent.versionsOf("a", led, 101n, true)).toBeNull();
    expect(recent.versionsOf("a", led, 100n, false)).toBeNull();
    expect(recent.versionsOf("a", ledOf(1, null), 101n, false)).toBeNull();
  });

  test("of a key that was written, the newest change for who began later; who began before asks the engine", () => {
    const recent = new RecentWrites();
    write(recent, noted("a", 200n), noted("b", 200n, "delete"));
    write(recent, noted("a", 210n, "rollback"), noted("c", 210n, "lock"));
    expect(recent.versionsOf("a", led, 211n, true)?.map(({ commitTs }) => commitTs)).toEqual([200n]);
    expect(recent.versionsOf("b", led, 201n, true)?.map(({ write: { kind } }) => kind)).toEqual(["delete"]);
    for (const startTs of [199n, 200n, 205n, 210n]) expect(recent.versionsOf("a", led, startTs, false)).toBeNull();
    expect(recent.versionsOf("c", led, 211n, true)).toBeNull(); // what is below the lock's record is not known
    expect(recent.versionsOf("c", led, 211n, false)).toEqual([]);
  });

  test("a write whose end is not known, or that came under another term, tells its time and nothing else", () => {
    const recent = new RecentWrites();
    write(recent, noted("a", 200n));
    recent.begin(changes(noted("a", 220n)), led);
    expect(recent.versionsOf("a", led, 220n, false)).toBeNull();
    expect(recent.versionsOf("a", led, 221n, false)).toEqual([]);
    expect(recent.versionsOf("a", led, 221n, true)).toBeNull();
    write(recent, noted("b", 200n));
    const later = ledOf(2, 300n);
    expect(recent.versionsOf("b", later, 301n, true)).toBeNull();
    recent.begin(changes(noted("b", 310n, "rollback")), later);
    recent.done(changes(noted("b", 310n, "rollback")), later);
    expect(recent.versionsOf("b", later, 311n, true)).toBeNull();
  });

  test("a version that is written again is not taken for the newest", () => {
    const recent = new RecentWrites();
    write(recent, noted("a", 150n, "put", true));
    expect(recent.versionsOf("a", led, 201n, true)).toBeNull();
    write(recent, noted("a", 200n), noted("a", 150n, "put", true));
    expect(recent.versionsOf("a", led, 201n, true)?.map(({ commitTs }) => commitTs)).toEqual([200n]);
  });

  test("after a removal without regard to transactions nothing is known to be there", () => {
    const recent = new RecentWrites();
    write(recent, noted("a", 200n));
    recent.forgetAll();
    expect(recent.versionsOf("a", led, 201n, true)).toBeNull();
  });

  test("a lock that was set or taken away is known until its key is on its way again, in its term", () => {
    const recent = new RecentWrites();
    const bytes = Buffer.from("xx value of a request");
    const lock = {
      kind: "put" as const,
      primary: bytes.subarray(0, 1),
      startTs: 200n,
      ttlMs: 1,
      shortValue: bytes.subarray(3, 8),
      forUpdateTs: 0n,
      txnSize: 1,
      minCommitTs: 0n,
      secondaries: [bytes.subarray(1, 2)],
      rollbackTs: [],
      lastChange: null,
      source: 0n,
      lockedWithConflict: false,
      generation: 0n,
    };
    const { state } = noted("a", 0n);
    state.lock = lock;
    expect(recent.lockOf("a", led)).toBeUndefined();
    recent.begin({ states: [state], noted: [] }, led);
    expect(recent.lockOf("a", led)).toBeUndefined();
    recent.done({ states: [state], noted: [] }, led);
    expect(Buffer.from(recent.lockOf("a", led)?.shortValue ?? [])).toEqual(Buffer.from("value"));
    expect(recent.lockOf("a", led)?.shortValue?.buffer.byteLength).toBe(5);
    expect(recent.lockOf("a", ledOf(2, 100n))).toBeUndefined();
    expect(recent.versionsOf("a", led, 201n, false)).toEqual([]);
    state.lock = null;
    recent.begin({ states: [state], noted: [] }, led);
    recent.done({ states: [state], noted: [] }, led);
    expect(recent.lockOf("a", led)).toBeNull();
  });

  test("of a command with more keys than are kept, the times of all are", () => {
    const recent = new RecentWrites({ keysMax: 10 });
    write(recent, ...Array.from({ length: 100 }, (_, i) => noted(`k${i}`, 200n)));
    for (let i = 0; i < 100; i++) expect(recent.versionsOf(`k${i}`, led, 150n, false)).toBeNull();
  });

  test("keeps two generations, and the newest time of what it forgot", () => {
    const recent = new RecentWrites({ keysMax: 10 });
    for (let i = 0; i < 1000; i++) write(recent, noted(`k${i}`, 200n + BigInt(i)));
    expect(recent.size).toBeLessThanOrEqual(20);
    expect(recent.versionsOf("k0", led, 1100n, false)).toBeNull();
    expect(recent.versionsOf("k0", led, 1300n, false)).toEqual([]);
    expect(recent.versionsOf("k999", led, 1300n, true)?.map(({ commitTs }) => commitTs)).toEqual([1199n]);
  });
});
