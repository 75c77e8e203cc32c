import { seededRandom } from "@skein/base";
import { describe, expect, test } from "vitest";
import { createMemoryEngine, MemoryPlatter } from "./memory-engine.ts";
import { engineContract } from "./testing/contract.ts";

describe("the engine in memory", () => {
  engineContract(async () => createMemoryEngine());
});

test("a crash keeps what was synced and a prefix of the rest", async () => {
  const kept = new Set<number>();
  for (let seed = 1; seed <= 40; seed++) {
    const platter = new MemoryPlatter();
    const engine = platter.open();
    const put = (n: number, sync = false) =>
      engine.write([{ kind: "put", family: "local", key: new Uint8Array([n]), value: new Uint8Array([n]) }], { sync });
    await put(0);
    await put(1, true);
    await put(2);
    await put(3);
    platter.crash(seededRandom(seed));
    const after = platter.open();
    const there = [0, 1, 2, 3].filter((n) => after.get("local", new Uint8Array([n])) !== null);
    expect(there).toEqual([0, 1, 2, 3].slice(0, there.length));
    expect(there.length).toBeGreaterThanOrEqual(2);
    kept.add(there.length);
  }
  expect([...kept].sort((a, b) => a - b)).toEqual([2, 3, 4]);
});
