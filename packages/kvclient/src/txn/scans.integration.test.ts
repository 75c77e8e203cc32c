/** Scans of a transaction against a model: both ways, over borders of regions, with its own writes between what is stored. */
import { nodeWorld } from "@skein/base";
import { Simulation, seeds } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { startTestCluster } from "../testing/cluster.ts";

const world = nodeWorld();
const bytes = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
const text = (value: Uint8Array) => Buffer.from(value).toString("latin1");

/** Keys that are next to each other, and one the beginning of another. */
const names = [
  "a",
  "a\0",
  "a\0\0",
  "ab",
  "b",
  "b\0",
  "c\xff",
  "c\xff\xff",
  "d",
  "e1",
  "e12345678",
  "e123456789",
  "f",
  "g",
  "h\0\0\0\0\0\0\0\0",
  "i",
];

describe("scans are those of the model", () => {
  test.each(seeds({ fixed: 4, fresh: 2 }))("seed %i", async (seed) => {
    const random = new Simulation({ seed }).random.fork("scans");
    await using it = await startTestCluster(world);
    const stored = new Map<string, string>();
    const view = (own: ReadonlyMap<string, string | null>) => {
      const all = new Map<string, string | null>(stored);
      for (const [name, value] of own) all.set(name, value);
      return [...all].filter((pair): pair is [string, string] => pair[1] !== null).sort(([a], [b]) => (a < b ? -1 : 1));
    };
    for (let round = 0; round < 12; round++) {
      if (round % 3 === 1) await it.split([random.pick(names)]);
      if (round % 4 === 2) for (const { id } of it.regions.regions()) await it.regions.transferLeader(id, 1 + random.below(3));
      const transaction = await it.client.begin();
      const own = new Map<string, string | null>();
      for (let writes = random.below(8); writes > 0; writes--) {
        const name = random.pick(names);
        if (random.chance(0.35)) {
          transaction.delete(bytes(name));
          own.set(name, null);
        } else {
          const value = `${round}.${writes}`;
          transaction.put(bytes(name), bytes(value));
          own.set(name, value);
        }
      }
      for (let scans = 0; scans < 12; scans++) {
        const [one, two] = [random.pick(["", ...names]), random.pick(["", ...names])];
        const [start, end] = two !== "" && one > two ? [two, one] : [one, two];
        const reverse = random.chance(0.5);
        const limit = random.chance(0.5) ? random.below(6) : undefined;
        const keysOnly = random.chance(0.3);
        const found: string[] = [];
        const scan = { start: bytes(start), end: bytes(end), reverse, keysOnly, ...(limit === undefined ? {} : { limit }) };
        for await (const { key, value } of transaction.scan(scan)) found.push(`${text(key)}=${text(value)}`);
        const expected = view(own).filter(([name]) => name >= start && (end === "" || name < end));
        if (reverse) expected.reverse();
        const wanted = expected.slice(0, limit).map(([name, value]) => `${name}=${keysOnly ? "" : value}`);
        expect({ round, start, end, reverse, limit, found }).toEqual({ round, start, end, reverse, limit, found: wanted });
      }
      if (random.chance(0.2)) {
        await transaction.rollback();
        continue;
      }
      await transaction.commit();
      for (const [name, value] of own)
        if (value === null) stored.delete(name);
        else stored.set(name, value);
    }
  });
});
