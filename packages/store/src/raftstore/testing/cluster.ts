/**
 * Whole clusters of stores in one process, under one seed: virtual clock, disks that lose and tear, messages that come late, twice
 * or never; clients that put and get while regions split, merge and move and stores crash. What they saw is checked afterwards.
 */
import { assert, compareBytes, type Random, type World } from "@skein/base";
import { Simulation } from "@skein/sim";
import type { Engine } from "../../engine/engine.ts";
import { MemoryPlatter } from "../../engine/memory-engine.ts";
import { RegionError } from "../../region-kv.ts";
import { type Region } from "../core/region.ts";
import { replicaHash } from "../hash.ts";
import type { RaftStoreOptions } from "../options.ts";
import type { Peer } from "../peer.ts";
import { createRaftStore, type RaftStore, type RaftStoreConfig } from "../raft-store.ts";
import { History } from "./history.ts";
import { PdModel } from "./pd-model.ts";
import { SimMessages } from "./sim-transport.ts";

interface Machine {
  readonly name: string;
  readonly platter: MemoryPlatter;
  storeId: number;
  life: number;
  store: RaftStore | null;
}

export interface ClusterConfig {
  readonly seed: number;
  readonly stores: number;
  readonly options?: Partial<RaftStoreOptions>;
  readonly store?: Partial<RaftStoreConfig>;
  /** Takes a rule out, to show that the checks notice. */
  readonly mutate?: { readonly world?: (world: World) => World; readonly engine?: (engine: Engine) => Engine };
}

const quick: Partial<RaftStoreOptions> = {
  tickMs: 100,
  leaseMs: 900,
  logGcTicks: 5,
  logGcThreshold: 10,
  logReserveRounds: 3,
  hibernateTicks: 15,
  regionHeartbeatTicks: 5,
  storeHeartbeatTicks: 10,
  staleCheckTicks: 30,
  snapshotChunkBytes: 256,
  entryShareBytes: 512,
};

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | null) => (value === null ? null : new TextDecoder().decode(value));

export class StoreCluster {
  readonly sim: Simulation;
  readonly random: Random;
  readonly pd = new PdModel();
  readonly messages: SimMessages;
  readonly machines: Machine[] = [];
  readonly history = new History();
  readonly #config: ClusterConfig;
  readonly failures: string[] = [];
  isOver = false;
  /** Stores start from damaged logs, too. */
  repair = false;
  acknowledged = 0;
  reads = 0;

  constructor(config: ClusterConfig) {
    this.#config = config;
    this.sim = new Simulation({ seed: config.seed, timeMaxMs: 3_600_000 });
    this.random = this.sim.random.fork("cluster");
    this.messages = new SimMessages(this.sim.clock, this.sim.random.fork("messages"));
    for (let i = 0; i < config.stores; i++)
      this.machines.push({ name: `store-${i + 1}`, platter: new MemoryPlatter(), storeId: 0, life: 0, store: null });
  }

  /** All stores are up, and the first region has a voter on each of the first `replicas`. */
  async start(replicas = 3): Promise<void> {
    for (const machine of this.machines) await this.boot(machine);
    const first = this.pd.firstRegion as Region;
    for (const machine of this.machines.slice(1, replicas)) {
      await this.until(`store ${machine.storeId} joins`, () => {
        const leader = this.leader(first.id);
        if (leader === null) return false;
        if (leader.peer.region.peers.some(({ storeId, role }) => storeId === machine.storeId && role === "voter")) return true;
        if (leader.peer.raft.applied < leader.peer.raft.lastIndex || leader.peer.proposals.size > 0) return false;
        this.quietly(leader.store.changePeers(first.id, [{ kind: "addVoter", peerId: this.pd.nextId(), storeId: machine.storeId }]));
        return false;
      });
    }
    await this.until(
      "all have the data",
      () => this.peersOf(first.id).length >= replicas && this.peersOf(first.id).every(({ isInitialized }) => isInitialized),
    );
  }

  async boot(machine: Machine): Promise<void> {
    await this.sim.complete(this.bootSoon(machine));
  }

  /** Without letting time pass: for use inside of a run. */
  async bootSoon(machine: Machine): Promise<void> {
    const life = ++machine.life;
    const isDead = () => machine.life !== life;
    const { mutate } = this.#config;
    const plain = this.sim.world(machine.name);
    const world = mutate?.world?.(plain) ?? plain;
    const opened = machine.platter.open();
    const engine = mutate?.engine?.(opened) ?? opened;
    const transport = this.messages.transport((id) => (machine.storeId = id), isDead);
    const store = await createRaftStore(world, {
      engine,
      folder: "/data",
      pd: this.pd.link(),
      transport,
      segmentBytes: 16 * 1024,
      segmentsMax: 3,
      cacheBytes: 8 * 1024,
      options: { ...quick, ...this.#config.options },
      onFatal: (error) => {
        if (!isDead()) this.failures.push(`${machine.name}: ${error.stack ?? error.message}`);
      },
      repairDamagedLog: this.repair,
      ...this.#config.store,
    });
    if (isDead()) return;
    machine.store = store;
    machine.storeId = store.storeId;
  }

  /** Power goes: what was not synced may be lost or torn. */
  crash(machine: Machine, how: "power" | "kill" = "power"): void {
    machine.life++;
    machine.store = null;
    this.sim.crash(machine.name);
    if (how === "power") machine.platter.crash(this.random);
    else machine.platter.kill();
    this.messages.drop(machine.storeId);
  }

  get up(): { readonly machine: Machine; readonly store: RaftStore }[] {
    return this.machines.flatMap((machine) => (machine.store === null ? [] : [{ machine, store: machine.store }]));
  }

  /** The leader of the newest term. */
  leader(regionId: number): { readonly store: RaftStore; readonly peer: Peer } | null {
    let found: { store: RaftStore; peer: Peer } | null = null;
    for (const { store } of this.up) {
      const peer = store.peers.get(regionId);
      if (peer?.isLeader === true && (found === null || peer.raft.term > found.peer.raft.term)) found = { store, peer };
    }
    return found;
  }

  peersOf(regionId: number): Peer[] {
    return this.up.flatMap(({ store }) => store.peers.get(regionId) ?? []);
  }

  /** Leaders of all regions that cover the key space; null while some part has none. */
  cover(): { readonly store: RaftStore; readonly peer: Peer }[] | null {
    const out: { store: RaftStore; peer: Peer }[] = [];
    let key: Uint8Array = new Uint8Array(0);
    for (let i = 0; i < 1000; i++) {
      let best: { store: RaftStore; peer: Peer } | null = null;
      for (const { store } of this.up) {
        const peer = store.ranges.at(key);
        if (peer?.isLeader !== true || !peer.hasAppliedOwnTerm || compareBytes(peer.region.startKey, key) !== 0) continue;
        if (best === null || peer.region.version > best.peer.region.version) best = { store, peer };
      }
      if (best === null) return null;
      out.push(best);
      key = best.peer.region.endKey;
      if (key.length === 0) return out;
    }
    return null;
  }

  async until(what: string, holds: () => boolean, timeMaxMs = 120_000): Promise<void> {
    let done = false;
    const look = () => {
      if (done) return;
      if (this.failures.length === 0 && holds()) done = true;
      else this.sim.clock.schedule(20, look);
    };
    look();
    try {
      await this.sim.run({ until: () => done || this.failures.length > 0, timeMaxMs });
    } catch (error) {
      throw new Error(`seed ${this.sim.seed}: waiting until ${what}: ${String(error)}\n${this.describe()}`, { cause: error });
    }
    this.throwFailures();
  }

  throwFailures(): void {
    if (this.failures.length > 0) throw new Error(`seed ${this.sim.seed}: ${this.failures.join("\n")}\n${this.describe()}`);
  }

  quietly(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!(error instanceof RegionError)) this.failures.push(`not a region error: ${String((error as Error).stack)}`);
    });
  }

  describe(): string {
    return this.machines
      .map(({ name, store, storeId }) => {
        if (store === null) return `${name} (${storeId}) down`;
        const peers = [...store.peers.values()].map(
          (peer) =>
            `  ${peer.regionId}/${peer.id} ${peer.raft.role}${peer.isAsleep ? " asleep" : ""} ${peer.kind}${peer.isInstalling ? " installing" : ""} t${peer.raft.term} c${peer.raft.committed} a${peer.applied} l${peer.raft.lastIndex} tr${peer.truncated.index} v${peer.region.version}/${peer.region.confVer} [${text(peer.region.startKey)},${text(peer.region.endKey)}) ${peer.region.peers.map(({ id, storeId: at, role }) => `${id}@${at}${role[0]}`).join(" ")} queue ${peer.applyQueue.length}`,
        );
        return `${name} (${storeId})\n${peers.join("\n")}`;
      })
      .join("\n");
  }

  // ── clients ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Puts and gets keys `0` … `keys - 1` until the run is over. */
  client(id: number, keys: number): void {
    const random = this.random.fork(`client/${id}`);
    let count = 0;
    const loop = async (): Promise<void> => {
      while (!this.isOver) {
        await this.#pause(random.below(40));
        if (this.isOver) return;
        const key = `k${String(random.below(keys)).padStart(3, "0")}`;
        if (random.chance(0.55)) await this.put(id, key, `${id}.${count++}`, random);
        else await this.get(id, key, random);
      }
    };
    this.quietly(loop());
  }

  #pause(ms: number): Promise<void> {
    return new Promise((done) => void this.sim.clock.schedule(ms, done));
  }

  /** A store of whom the client believes that it leads the key's region: mostly right. */
  #route(key: string, random: Random): { readonly store: RaftStore; readonly peer: Peer } | null {
    const candidates = this.up.flatMap(({ store }) => {
      const peer = store.ranges.at(bytes(key));
      return peer === undefined || store.peers.get(peer.region.id) !== peer || peer.region.peers.length === 0 ? [] : [{ store, peer }];
    });
    const leaders = candidates.filter(({ peer }) => peer.isLeader);
    if (leaders.length > 0) return random.pick(leaders);
    return candidates.length > 0 ? random.pick(candidates) : null;
  }

  async put(client: number, key: string, value: string, random: Random): Promise<void> {
    const at = this.#route(key, random);
    if (at === null) return;
    const { region } = at.peer;
    const operation = this.history.begin({ client, key, kind: "write", value });
    const context = { regionId: region.id, confVer: region.confVer, version: region.version, peerId: 0, storeId: 0, replicaRead: false };
    const term = at.peer.raft.term;
    const outcome = await this.#inTime(
      at.store.write(context, term, [{ kind: "put", family: "default", key: bytes(key), value: bytes(value) }]),
    );
    if (outcome === "timeout") return; // it may have happened, or may yet
    if (outcome instanceof RegionError) {
      if (outcome.reason.kind !== "undetermined") this.history.drop(operation);
      return;
    }
    this.acknowledged++;
    this.history.end(operation);
  }

  async get(client: number, key: string, random: Random): Promise<void> {
    let at = this.#route(key, random);
    if (at === null) return;
    const replicaRead = random.chance(0.2);
    if (replicaRead) {
      const followers = this.up.flatMap(({ store }) => {
        const peer = store.ranges.at(bytes(key));
        return peer === undefined || store.peers.get(peer.region.id) !== peer || peer.region.peers.length === 0 ? [] : [{ store, peer }];
      });
      at = random.pick(followers);
    }
    const { region } = at.peer;
    const operation = this.history.begin({ client, key, kind: "read", value: null });
    const context = { regionId: region.id, confVer: region.confVer, version: region.version, peerId: 0, storeId: 0, replicaRead };
    const outcome = await this.#inTime(at.store.snapshot(context));
    if (outcome === "timeout" || outcome instanceof RegionError) return this.history.drop(operation);
    operation.value = text(outcome.reader.get("default", bytes(key)));
    outcome[Symbol.dispose]();
    this.reads++;
    this.history.end(operation);
  }

  async #inTime<T>(work: Promise<T>): Promise<T | "timeout" | RegionError> {
    const late = new Promise<"timeout">((done) => void this.sim.clock.schedule(4_000, () => done("timeout")));
    try {
      return await Promise.race([work, late]);
    } catch (error) {
      if (error instanceof RegionError) return error;
      throw error;
    }
  }

  // ── harm ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** One random event of those that `chances` make possible. */
  harm(chances: Readonly<Partial<Record<HarmKind, number>>>): void {
    const { random } = this;
    for (const [kind, chance] of Object.entries(chances) as [HarmKind, number][]) if (random.chance(chance)) this.#harm(kind);
    for (const machine of this.machines) {
      if (machine.store === null && random.chance(0.15)) this.#bootLater(machine);
    }
  }
  #bootLater(machine: Machine): void {
    if (this.#booting.has(machine)) return;
    this.#booting.add(machine);
    const boot = this.bootSoon(machine).finally(() => this.#booting.delete(machine));
    boot.catch((error: unknown) => this.failures.push(`boot of ${machine.name}: ${String((error as Error).stack)}`));
  }
  readonly #booting = new Set<Machine>();

  #harm(kind: HarmKind): void {
    const { random, up } = this;
    if (up.length === 0) return;
    const leaders = up.flatMap(({ store }) => [...store.peers.values()].filter((peer) => peer.isLeader).map((peer) => ({ store, peer })));
    if (kind === "crash") {
      if (this.#booting.size > 0 || up.length < this.machines.length) return; // a majority stays, or nothing would happen
      return this.crash(random.pick(up).machine, random.chance(0.7) ? "power" : "kill");
    }
    if (kind === "drift") {
      // A lease leaves a third of its time to it: clocks that differ by less than a half are all right.
      for (const { name } of this.machines) this.sim.drift(name, slowestRate + random.float() * (fastestRate - slowestRate));
      return;
    }
    if (kind === "move") {
      const known = [...this.pd.regions.keys()];
      const action = known.length > 0 ? this.pd.moveOf(random.pick(known), random) : null;
      if (action !== null) this.pd.order(action);
      return;
    }
    if (kind === "bounce") {
      if (this.#booting.size > 0) return;
      const { machine } = random.pick(up);
      this.crash(machine, random.chance(0.5) ? "power" : "kill");
      return this.#bootLater(machine);
    }
    if (kind === "partition") {
      const ids = this.machines.map(({ storeId }) => storeId);
      const side = new Set(ids.filter(() => random.chance(0.5)));
      for (const a of ids) for (const b of ids) if (side.has(a) && !side.has(b)) this.messages.cut(a, b);
      this.sim.clock.schedule(random.between(200, 5_000), () => this.messages.heal());
      return;
    }
    if (leaders.length > 0) this.#disturb(kind, leaders);
  }

  #disturb(
    kind: Exclude<HarmKind, "crash" | "partition" | "drift" | "bounce" | "move">,
    leaders: readonly { readonly store: RaftStore; readonly peer: Peer }[],
  ): void {
    const { random } = this;
    const { store, peer } = random.pick(leaders);
    switch (kind) {
      case "isolate": {
        const others = this.machines.map(({ storeId }) => storeId).filter((id) => id !== store.storeId);
        const spared = random.chance(0.6) ? random.pick(others) : 0;
        for (const id of others) if (id !== spared) this.messages.cut(store.storeId, id);
        this.sim.clock.schedule(random.between(200, 3_000), () => this.messages.heal());
        return;
      }
      case "split": {
        const key = bytes(`k${String(random.below(100)).padStart(3, "0")}`);
        const at = leaders.find((leader) => leader.store.ranges.at(key) === leader.peer);
        if (at !== undefined && compareBytes(at.peer.region.startKey, key) !== 0) this.quietly(at.store.split(at.peer.regionId, [key]));
        return;
      }
      case "transfer":
        store.transferLeader(peer.regionId, random.pick(peer.region.peers).id);
        return;
      case "member": {
        const { peers } = peer.region;
        if (peers.some(({ role }) => role === "incomingVoter" || role === "demotingVoter"))
          return this.quietly(store.changePeers(peer.regionId, []));
        const free = this.machines.filter(({ storeId }) => !peers.some((there) => there.storeId === storeId));
        const gone = random.pick(peers);
        const learner = peers.find(({ role }) => role === "learner");
        const voters = peers.filter(({ role }) => role === "voter");
        if (learner !== undefined && voters.length >= 3 && random.chance(0.5)) {
          const out = random.pick(voters);
          return this.quietly(
            store.changePeers(peer.regionId, [
              { kind: "addVoter", peerId: learner.id, storeId: learner.storeId },
              { kind: "addLearner", peerId: out.id, storeId: out.storeId },
            ]),
          );
        }
        if (free.length > 0 && peers.length < 4)
          return this.quietly(
            store.changePeers(peer.regionId, [
              { kind: random.chance(0.5) ? "addVoter" : "addLearner", peerId: this.pd.nextId(), storeId: random.pick(free).storeId },
            ]),
          );
        if (voters.length > 2 || gone.role === "learner")
          return this.quietly(store.changePeers(peer.regionId, [{ kind: "remove", peerId: gone.id, storeId: gone.storeId }]));
        return;
      }
      case "merge": {
        const neighbours = [...store.ranges].filter(
          ({ region }) =>
            (region.endKey.length > 0 && compareBytes(region.endKey, peer.region.startKey) === 0) ||
            (peer.region.endKey.length > 0 && compareBytes(peer.region.endKey, region.startKey) === 0),
        );
        if (neighbours.length > 0) this.quietly(store.merge(peer.regionId, random.pick(neighbours).region));
        return;
      }
      case "consistency":
        this.quietly(store.checkConsistency(peer.regionId));
        return;
    }
  }

  // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Faults end; everything comes to rest, and everything that must hold is looked at. */
  async settle(keys: number): Promise<void> {
    this.messages.heal();
    this.messages.faults = { loss: 0, duplication: 0, delayMsMax: 2 };
    this.isOver = true;
    for (const { name } of this.machines) this.sim.drift(name, 1);
    await this.until("stores that boot are up", () => this.#booting.size === 0);
    for (const machine of this.machines) if (machine.store === null) await this.boot(machine);
    await this.until(
      "all regions have leaders, cover the key space, and are at rest",
      () => {
        for (const { store } of this.up) for (const peer of store.peers.values()) if (peer.kind === "merging") store.wake(peer);
        const cover = this.cover();
        return (
          cover !== null &&
          cover.every(({ peer }) => {
            if (peer.kind !== "normal" || peer.raft.applied !== peer.raft.lastIndex) return false;
            return peer.region.peers.every(({ id, storeId }) => {
              const there = this.up.find(({ machine }) => machine.storeId === storeId)?.store.peers.get(peer.regionId);
              return there?.id === id && there.applied === peer.applied && there.kind === "normal";
            });
          })
        );
      },
      600_000,
    );
    const cover = this.cover();
    assert(cover !== null, "the regions cover the key space");
    for (const { peer } of cover) {
      const hashes = new Map<number, string[]>();
      for (const { machine, store } of this.up) {
        if (!peer.region.peers.some(({ storeId }) => storeId === machine.storeId)) continue;
        const hash = await replicaHash(store.engine, peer.region);
        hashes.set(hash, [...(hashes.get(hash) ?? []), machine.name]);
      }
      if (hashes.size !== 1)
        throw new Error(
          `seed ${this.sim.seed}: replicas of region ${peer.regionId} differ: ${JSON.stringify([...hashes])}\n${this.describe()}`,
        );
    }
    // Each key is read once more: what was acknowledged must be there.
    const random = this.random.fork("final");
    const finals = Promise.all(Array.from({ length: keys }, (_, i) => this.get(1_000 + i, `k${String(i).padStart(3, "0")}`, random)));
    await this.sim.complete(finals);
    this.throwFailures();
    const verdict = this.history.check();
    if (verdict !== null) throw new Error(`seed ${this.sim.seed}: not linearizable: ${verdict}`);
  }
}

/** Of everyone's time: the slowest and the fastest clock in a storm of drift. */
const slowestRate = 0.8;
const fastestRate = 1.15;

/** `move`: the placement driver takes the next step of moving a replica to another store. */
export type HarmKind =
  | "move"
  | "drift"
  | "bounce"
  | "isolate"
  | "crash"
  | "partition"
  | "split"
  | "transfer"
  | "member"
  | "merge"
  | "consistency";

/** A run of so many rounds of 50 virtual ms, then the end. */
export async function storm(
  config: ClusterConfig & {
    readonly replicas?: number;
    readonly clients?: number;
    readonly keys?: number;
    readonly rounds?: number;
    readonly faults?: Partial<SimMessages["faults"]>;
    readonly harm?: Readonly<Partial<Record<HarmKind, number>>>;
  },
): Promise<StoreCluster> {
  const cluster = new StoreCluster(config);
  await cluster.start(config.replicas ?? 3);
  cluster.messages.faults = { ...cluster.messages.faults, ...config.faults };
  const keys = config.keys ?? 8;
  for (let i = 0; i < (config.clients ?? 4); i++) cluster.client(i, keys);
  for (let round = 0; round < (config.rounds ?? 200); round++) {
    await cluster.sim.pass(50);
    cluster.throwFailures();
    cluster.harm(config.harm ?? {});
  }
  await cluster.settle(keys);
  return cluster;
}
