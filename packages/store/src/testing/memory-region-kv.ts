/**
 * Region peers without Raft, for the tests of what stands above them: some stores share one ordered map, each region has one
 * leader among them, and the test splits regions and moves leaders when it likes.
 *
 *   store 1: RegionKv ─┐            ┌ region 2 ["", "k")  leader: store 1, term 6, log: [write, write …]
 *   store 2: RegionKv ─┴─ regions ──┤
 *                                   └ region 4 ["k", "")  leader: store 2, term 7, log: []
 *
 * A write is checked when it is proposed, waits in the log of its region, and is applied in the order of the log. When the leader
 * moves, a prefix of the log was committed, the rest is lost: who waits learns that it was written, that it was not, or neither.
 */
import type { Random } from "@skein/base";
import type { Engine, EngineSnapshot, Family, KeyRange, Pair, ScanOptions } from "../engine/engine.ts";
import { createMemoryEngine } from "../engine/memory-engine.ts";
import {
  type RegionContext,
  type RegionDescription,
  RegionError,
  type RegionErrorReason,
  type RegionKv,
  type RegionSnapshot,
  type RegionWrite,
} from "../region-kv.ts";

export interface MemoryRegionsOptions {
  /** Default: one store, number 1. The first one leads the first region. */
  readonly storeIds?: readonly number[];
  /** Before a snapshot is taken, and before an entry of a log is applied: the place for a simulation's delays. */
  readonly pause?: (point: "snapshot" | "apply") => Promise<void>;
  /** What a change of leaders leaves of a log; without it everything was committed and acknowledged. */
  readonly random?: Random;
  /** Default: one that lives in memory. */
  readonly engine?: Engine;
  /** Of one write: larger ones are refused, as an entry of a log is. Default: any. */
  readonly entryBytesMax?: number;
}

/** One store's view. */
export interface MemoryStore extends RegionKv {
  readonly storeId: number;
  /** Splits at the keys (in the engine's form); answers all regions that came of it, in key order. Rejects with a `RegionError`. */
  split(context: RegionContext, keys: readonly Uint8Array[]): Promise<readonly RegionDescription[]>;
  /** Regions that this store leads now. */
  leads(): readonly RegionDescription[];
}

export interface MemoryRegions {
  readonly engine: Engine;
  store(storeId: number): MemoryStore;
  /** In key order. */
  regions(): readonly RegionDescription[];
  /** The region of a key in the engine's form. */
  regionOf(key: Uint8Array): RegionDescription;
  leaderOf(regionId: number): { readonly storeId: number; readonly peerId: number; readonly term: number };
  /** What a client that knows everything would send. */
  contextFor(key: Uint8Array): RegionContext;
  transferLeader(regionId: number, storeId: number): Promise<void>;
  /** The same store leads in a new term: as after an election that it won again. */
  newTerm(regionId: number): Promise<void>;
  split(keys: readonly Uint8Array[]): Promise<void>;
}

interface Entry {
  readonly writes: readonly RegionWrite[];
  readonly settle: (error?: RegionError) => void;
}

interface Region {
  id: number;
  startKey: Uint8Array;
  endKey: Uint8Array;
  version: number;
  readonly confVer: number;
  readonly peers: RegionDescription["peers"];
  leader: number;
  term: number;
  log: Entry[];
  isApplying: boolean;
}

/** As strict as a real engine: what reads on after the end of its snapshot fails. */
class StrictReader implements EngineSnapshot {
  readonly #snapshot: EngineSnapshot;
  #isOpen = true;
  constructor(snapshot: EngineSnapshot) {
    this.#snapshot = snapshot;
  }
  #check(): void {
    if (!this.#isOpen) throw new Error("the snapshot was disposed of");
  }
  get(family: Family, key: Uint8Array): Uint8Array | null {
    this.#check();
    return this.#snapshot.get(family, key);
  }
  async *scan(family: Family, range: KeyRange, options?: ScanOptions): AsyncGenerator<readonly Pair[], void, void> {
    this.#check();
    for await (const block of this.#snapshot.scan(family, range, options)) {
      this.#check();
      yield block;
    }
    this.#check();
  }
  async heads(family: Family, ranges: readonly KeyRange[], limit: number): Promise<(readonly Pair[])[]> {
    this.#check();
    const heads = await this.#snapshot.heads(family, ranges, limit);
    this.#check();
    return heads;
  }
  [Symbol.dispose](): void {
    this.#isOpen = false;
    this.#snapshot[Symbol.dispose]();
  }
}

const refuse = (reason: RegionErrorReason): RegionError => new RegionError(reason, `memory region: ${reason.kind}`);

export function createMemoryRegions(options: MemoryRegionsOptions = {}): MemoryRegions {
  const storeIds = options.storeIds ?? [1];
  const engine = options.engine ?? createMemoryEngine();
  const listeners = new Map<number, ((region: RegionDescription, term: number) => void)[]>();
  const replicaReadListeners = new Map<number, ((region: RegionDescription, readTs: bigint) => Promise<void> | null)[]>();
  const safePointListeners: ((safePoint: bigint) => void)[] = [];
  let lastSafePoint = 0n;
  let lastId = 1;
  const newPeers = () => storeIds.map((storeId) => ({ id: ++lastId, storeId, role: "voter" as const }));
  const first: Region = {
    id: ++lastId,
    startKey: new Uint8Array(0),
    endKey: new Uint8Array(0),
    version: 1,
    confVer: storeIds.length,
    peers: newPeers(),
    leader: storeIds[0] as number,
    term: 6,
    log: [],
    isApplying: false,
  };
  const regions: Region[] = [first];

  const describe = (region: Region): RegionDescription => ({
    id: region.id,
    startKey: region.startKey,
    endKey: region.endKey,
    confVer: region.confVer,
    version: region.version,
    peers: region.peers,
  });
  const announce = (region: Region) => {
    for (const listener of listeners.get(region.leader) ?? []) listener(describe(region), region.term);
  };
  const covers = (region: Region, key: Uint8Array) =>
    Buffer.compare(region.startKey, key) <= 0 && (region.endKey.length === 0 || Buffer.compare(key, region.endKey) < 0);
  const ownerOf = (key: Uint8Array): Region => regions.find((region) => covers(region, key)) as Region;

  /** The region that a request of `storeId` means, or the reason why it is not served. */
  function check(storeId: number, context: RegionContext, term?: number): Region {
    if (context.storeId !== 0 && context.storeId !== storeId)
      throw refuse({ kind: "storeNotMatch", requestStoreId: context.storeId, actualStoreId: storeId });
    const region = regions.find(({ id }) => id === context.regionId);
    if (region === undefined) throw refuse({ kind: "regionNotFound", regionId: context.regionId });
    if (region.leader !== storeId && !(context.replicaRead && term === undefined)) {
      const leader = region.peers.find((peer) => peer.storeId === region.leader);
      throw refuse({ kind: "notLeader", regionId: region.id, leader: leader ?? null });
    }
    if (context.version !== region.version) throw refuse({ kind: "epochNotMatch", current: [describe(region)] });
    if (term !== undefined && term !== region.term) throw refuse({ kind: "staleCommand" });
    return region;
  }

  async function applyAll(region: Region): Promise<void> {
    if (region.isApplying) return;
    region.isApplying = true;
    while (region.log.length > 0) {
      if (options.pause !== undefined) await options.pause("apply");
      const entry = region.log.shift();
      if (entry !== undefined) await applyEntry(entry);
    }
    region.isApplying = false;
  }
  async function applyEntry(entry: Entry): Promise<void> {
    await engine.write(entry.writes);
    entry.settle();
  }

  async function lead(regionId: number, storeId: number): Promise<void> {
    const region = regions.find(({ id }) => id === regionId);
    if (region === undefined || !storeIds.includes(storeId)) throw new RangeError(`no region ${regionId} or no store ${storeId}`);
    const log = region.log.splice(0);
    const { random } = options;
    const committed = random === undefined ? log.length : random.below(log.length + 1);
    // Nobody leads until the new one has all that was committed.
    region.leader = 0;
    region.term++;
    for (const { writes } of log.slice(0, committed)) await engine.write(writes);
    region.leader = storeId;
    const unsure = refuse({ kind: "undetermined", message: "the leader stepped down" });
    for (const [index, { settle }] of log.entries()) {
      const isUnsure = random?.chance(0.5) === true;
      settle(isUnsure ? unsure : index < committed ? undefined : refuse({ kind: "staleCommand" }));
    }
    announce(region);
  }

  async function split(region: Region, keys: readonly Uint8Array[]): Promise<readonly RegionDescription[]> {
    const inside = [...keys]
      .sort((a, b) => Buffer.compare(a, b))
      .filter((key, index, all) => covers(region, key) && Buffer.compare(key, region.startKey) !== 0 && !isSame(key, all[index - 1]));
    for (let entry = region.log.shift(); entry !== undefined; entry = region.log.shift()) await applyEntry(entry);
    if (inside.length === 0) return [describe(region)];
    const { endKey } = region;
    region.version += inside.length;
    region.endKey = (inside[0] as Uint8Array).slice();
    const made = inside.map(
      (key, index): Region => ({
        ...region,
        id: ++lastId,
        startKey: key.slice(),
        endKey: (inside[index + 1] ?? endKey).slice(),
        peers: newPeers(),
        log: [],
        isApplying: false,
      }),
    );
    regions.splice(regions.indexOf(region) + 1, 0, ...made);
    for (const each of made) announce(each);
    return [region, ...made].map(describe);
  }

  const store = (storeId: number): MemoryStore => ({
    storeId,
    async noteSafePoint(context, safePoint) {
      check(storeId, context);
      if (safePoint > lastSafePoint) lastSafePoint = safePoint;
      for (const listener of safePointListeners) listener(lastSafePoint);
    },
    onSafePoint(listener) {
      safePointListeners.push(listener);
      if (lastSafePoint > 0n) listener(lastSafePoint);
    },
    async snapshot(context): Promise<RegionSnapshot> {
      const asked = check(storeId, context);
      const { leader, term } = asked;
      if (options.pause !== undefined) await options.pause("snapshot");
      if (context.readTs !== undefined && leader !== storeId) {
        for (const listener of replicaReadListeners.get(leader) ?? []) await listener(describe(asked), context.readTs);
        // Who leads now has not heard of it.
        if (asked.term !== term) throw refuse({ kind: "readIndexNotReady", regionId: asked.id, reason: "another one leads" });
      }
      const region = check(storeId, context);
      const reader = new StrictReader(engine.snapshot());
      return { region: describe(region), term: region.term, reader, [Symbol.dispose]: () => reader[Symbol.dispose]() };
    },
    async write(context, term, writes) {
      const region = check(storeId, context, term);
      for (const write of writes) {
        const key = write.kind === "deleteRange" ? write.start : write.key;
        // A timestamp behind a memcomparable key keeps it between the same boundaries.
        if (!covers(region, key)) throw refuse({ kind: "keyNotInRegion", key, region: describe(region) });
      }
      const sizeBytes = writes.reduce((sum, write) => sum + bytesOf(write), 0);
      if (sizeBytes > (options.entryBytesMax ?? Number.POSITIVE_INFINITY))
        throw refuse({ kind: "raftEntryTooLarge", regionId: region.id, sizeBytes });
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      region.log.push({ writes, settle: (error) => (error === undefined ? resolve() : reject(error)) });
      void applyAll(region);
      await promise;
    },
    onLead(listener) {
      const all = listeners.get(storeId) ?? [];
      all.push(listener);
      listeners.set(storeId, all);
      for (const region of regions) if (region.leader === storeId) listener(describe(region), region.term);
    },
    onReplicaRead(listener) {
      replicaReadListeners.set(storeId, [...(replicaReadListeners.get(storeId) ?? []), listener]);
    },
    async split(context, keys) {
      const region = check(storeId, context);
      return split(region, keys);
    },
    leads: () => regions.filter(({ leader }) => leader === storeId).map(describe),
  });

  return {
    engine,
    store,
    regions: () => regions.map(describe),
    regionOf: (key) => describe(ownerOf(key)),
    leaderOf: (regionId) => {
      const region = regions.find(({ id }) => id === regionId) as Region;
      const peer = region.peers.find(({ storeId }) => storeId === region.leader);
      return { storeId: region.leader, peerId: peer?.id ?? 0, term: region.term };
    },
    contextFor: (key) => {
      const region = ownerOf(key);
      const peer = region.peers.find(({ storeId }) => storeId === region.leader);
      return {
        regionId: region.id,
        confVer: region.confVer,
        version: region.version,
        peerId: peer?.id ?? 0,
        storeId: region.leader,
        replicaRead: false,
      };
    },
    transferLeader: lead,
    newTerm: (regionId) => lead(regionId, (regions.find(({ id }) => id === regionId) as Region).leader),
    async split(keys) {
      for (const key of keys) await split(ownerOf(key), [key]);
    },
  };
}

function bytesOf(write: RegionWrite): number {
  if (write.kind === "deleteRange") return write.start.length + write.end.length;
  return write.key.length + (write.kind === "put" ? write.value.length : 0);
}

function isSame(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0;
}
