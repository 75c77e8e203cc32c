import { seededRandom } from "@skein/base";
import type { Entry, HardState } from "@skein/raft";
import { Simulation, seeds } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { LogBatch, openRaftLog, type RaftLogOptions, type RaftLogStore, type RegionLog } from "./raft-log-store.ts";

const options: RaftLogOptions = { folder: "/raft", segmentBytes: 4096, segmentsMax: 3, cacheBytes: 1500 };
const data = (text: string) => new TextEncoder().encode(text);
const entry = (index: number, term: number, text = `e${index}/${term}`): Entry => ({ index, term, kind: "normal", data: data(text) });

/** What must be in the log: what was acknowledged, and what may have been. */
interface Model {
  base: number;
  baseTerm: number;
  entries: Entry[];
  hardState: HardState;
}

function copy(model: ReadonlyMap<number, Model>): Map<number, Model> {
  return new Map(
    [...model].map(([id, { base, baseTerm, entries, hardState }]) => [id, { base, baseTerm, entries: [...entries], hardState }]),
  );
}

async function content(store: RaftLogStore, log: RegionLog): Promise<string[]> {
  const out: string[] = [];
  for (let index = log.firstIndex; index <= log.lastIndex; ) {
    const got = log.entries(index, log.lastIndex + 1, 1 << 20);
    if (got.length === 0) {
      await store.load(log);
      continue;
    }
    for (const { index: at, term, data: bytes } of got) out.push(`${at}/${term}:${new TextDecoder().decode(bytes)}`);
    index += got.length;
  }
  return out;
}

function same(model: Model | undefined, log: RegionLog | undefined, entries: readonly string[]): boolean {
  if (model === undefined || log === undefined) return model === undefined && log === undefined;
  const wanted = model.entries.map(({ index, term, data: bytes }) => `${index}/${term}:${new TextDecoder().decode(bytes)}`);
  const { hardState } = log;
  return (
    wanted.join() === entries.join() &&
    hardState.term === model.hardState.term &&
    hardState.vote === model.hardState.vote &&
    hardState.commit === model.hardState.commit
  );
}

describe("random writes, compactions and crashes keep what was acknowledged", () => {
  test.each(seeds({ fixed: 60, fresh: 20 }))("seed %i", async (seed) => {
    const sim = new Simulation({ seed });
    const random = seededRandom(seed, "raftlog");
    const open = () => sim.complete(openRaftLog(sim.world("store"), options));
    let store = await open();
    let acknowledged = new Map<number, Model>();
    for (let round = 0; round < 60; round++) {
      const next = copy(acknowledged);
      const batch = new LogBatch();
      for (let i = random.between(1, 4); i > 0; i--) {
        const regionId = random.between(1, 6);
        if (batch.regions.has(regionId)) continue;
        const model = next.get(regionId) ?? { base: 0, baseTerm: 0, entries: [], hardState: { term: 0, vote: 0, commit: 0 } };
        next.set(regionId, model);
        const log = store.ensure(regionId, { index: model.base, term: model.baseTerm });
        const roll = random.float();
        if (roll < 0.05) {
          store.destroy(batch, log);
          next.delete(regionId);
          continue;
        }
        if (roll < 0.1) {
          model.base += model.entries.length + 10;
          model.baseTerm = model.hardState.term;
          model.entries = [];
          store.reset(batch, log, { index: model.base, term: model.baseTerm });
        } else {
          model.hardState = { ...model.hardState, term: model.hardState.term + random.below(2) };
          const overwritten = random.chance(0.1) ? random.below(model.entries.length + 1) : 0;
          model.entries.splice(model.entries.length - overwritten);
          const first = model.base + model.entries.length + 1;
          const added = Array.from({ length: random.between(1, 3) }, (_, n) =>
            entry(first + n, model.hardState.term, `${round}`.repeat(random.between(1, 60))),
          );
          model.entries.push(...added);
          store.entries(batch, log, added);
        }
        model.hardState = { ...model.hardState, vote: random.below(3), commit: model.base };
        store.hardState(batch, log, model.hardState);
      }
      if (batch.isEmpty) continue;
      const write = store.append(batch);
      if (random.chance(0.15)) {
        // The power goes while the write is under way, before or after it is durable.
        for (let i = random.below(6); i > 0; i--) await Promise.resolve();
        sim.crash("store");
        store = await open();
        await sim.complete(store.ready());
        for (const regionId of new Set([...acknowledged.keys(), ...next.keys()])) {
          const log = store.log(regionId);
          const before = acknowledged.get(regionId);
          if (log !== undefined && before !== undefined && log.base.index < before.base) store.compact(regionId, before.base);
        }
        const states = await Promise.all(
          [acknowledged, next].map(async (state) => {
            for (const regionId of new Set([...state.keys(), ...[...store.logs()].map((log) => log.regionId)])) {
              const log = store.log(regionId);
              if (!same(state.get(regionId), log, log === undefined ? [] : await content(store, log))) return false;
            }
            return true;
          }),
        );
        expect(states).toContain(true);
        acknowledged = states[1] === true ? next : acknowledged;
        continue;
      }
      await sim.complete(write);
      acknowledged = next;
      for (const [regionId, model] of acknowledged) {
        const log = store.log(regionId);
        if (log !== undefined) log.appliedIndex = model.base + model.entries.length;
        if (!random.chance(0.2) || model.entries.length < 4) continue;
        const gone = model.entries.splice(0, random.between(1, model.entries.length - 1));
        model.base += gone.length;
        model.baseTerm = gone.at(-1)?.term ?? 0;
        store.compact(regionId, model.base);
      }
      if (random.chance(0.3)) await sim.complete(store.collect());
    }
    for (const [regionId, model] of acknowledged) {
      const log = store.log(regionId);
      expect(same(model, log, log === undefined ? [] : await content(store, log))).toBe(true);
    }
    expect(store.cachedBytes).toBeLessThan(100_000);
  });
});

describe("damage", () => {
  const filled = async (seed: number) => {
    const sim = new Simulation({ seed });
    const store = await sim.complete(openRaftLog(sim.world("store"), { ...options, segmentBytes: 1 << 16 }));
    const offsets: number[] = [];
    for (let index = 1; index <= 5; index++) {
      const batch = new LogBatch();
      offsets.push(store.stats.bytes);
      for (const regionId of index === 3 ? [7] : [7, 8])
        store.entries(batch, store.ensure(regionId, { index: 0, term: 0 }), nextEntries(store, regionId));
      await sim.complete(store.append(batch));
    }
    sim.crash("store");
    return { sim, offsets };
  };
  const nextEntries = (store: RaftLogStore, regionId: number) => [entry((store.log(regionId)?.lastIndex ?? 0) + 1, 1)];

  test("in the middle it is refused, with its place", async () => {
    const { sim, offsets } = await filled(1);
    const at = offsets[2] as number;
    sim.node("store").disk.corrupt("/raft/0000000001.rlog", at + 30);
    await expect(sim.complete(openRaftLog(sim.world("store"), options))).rejects.toMatchObject({
      code: 72101,
      detail: `the Raft log is damaged in /raft/0000000001.rlog at offset ${at}`,
    });
  });

  test("salvaged, it names the regions that the damage may touch, by the frame's head", async () => {
    const { sim, offsets } = await filled(2);
    sim.node("store").disk.corrupt("/raft/0000000001.rlog", (offsets[2] as number) + 30);
    const store = await sim.complete(openRaftLog(sim.world("store"), { ...options, salvage: true }));
    expect([...store.suspects]).toEqual([7]);
    expect(store.log(8)?.lastIndex).toBe(4);
  });

  test("salvaged, a damaged head makes all regions suspect", async () => {
    const { sim, offsets } = await filled(3);
    sim.node("store").disk.corrupt("/raft/0000000001.rlog", (offsets[2] as number) + 10);
    const store = await sim.complete(openRaftLog(sim.world("store"), { ...options, salvage: true }));
    expect([...store.suspects].sort((a, b) => a - b)).toEqual([7, 8]);
  });

  test("a failed sync ends the log's life", async () => {
    const sim = new Simulation({ seed: 4 });
    const store = await sim.complete(openRaftLog(sim.world("store"), options));
    const write = (index: number) => {
      const batch = new LogBatch();
      store.entries(batch, store.ensure(1, { index: 0, term: 0 }), [entry(index, 1)]);
      return sim.complete(store.append(batch));
    };
    await write(1);
    sim.node("store").disk.faults = { syncFails: 1 };
    await expect(write(2)).rejects.toMatchObject({ code: 72102 });
    sim.node("store").disk.faults = {};
    await expect(write(2)).rejects.toMatchObject({ code: 72102 });
  });
});
