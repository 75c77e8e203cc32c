/**
 * Placement drivers in memory that share one metadata store: they crash, freeze, lose answers, and their clocks jump, while clients take
 * timestamps and ids from whoever says that it leads. What must hold is checked with each one that is given.
 */
import { type Clock, TaskGroup, type Timer, type World } from "@skein/base";
import { type Metastore, metastoreErrors, openMetastore, type Transaction } from "@skein/metastore";
import { Simulation } from "@skein/sim";
import { composeTso, type OracleTime } from "../../tso/core/oracle.ts";
import { defaultReplicationMode, defaultsOf, pdServerForm, replicationForm, scheduleForm } from "../config/core/json-form.ts";
import { campaignForLead, type Leadership } from "../leadership.ts";
import { Pd } from "../pd.ts";
import type { RegionStorage } from "../region-storage.ts";

export interface TermOptions {
  readonly seed: number;
  /** What is taken out, to see that the checks notice. */
  readonly mutation?: "lease" | "window" | "guard" | "silence";
}

export interface TermCounts {
  timestamps: number;
  ids: number;
  leaders: number;
  crashes: number;
  freezes: number;
}

const leaseS = 3;
const clusterId = 77n;
/** The longest freeze and what follows it, and a lease. */
const quietMs = 14_000;
const noRegions: RegionStorage = {
  save: () => {},
  delete: () => {},
  load: async () => {},
  clear: () => {},
  flush: () => {},
  [Symbol.dispose]: () => {},
};

class Member {
  readonly name: string;
  pd: Pd | null = null;
  isFrozen = false;
  /** Raised by each crash. */
  life = 0;
  /** What fired while it was frozen. */
  held: (() => void)[] = [];
  constructor(name: string) {
    this.name = name;
  }

  /** Runs at once, or when the member is thawed; never after a crash. */
  later(run: () => void): void {
    const { life } = this;
    const guarded = () => {
      if (this.life === life) run();
    };
    if (this.isFrozen) this.held.push(guarded);
    else guarded();
  }
}

/** Throws as soon as a timestamp or an id is not larger than all that were given before it. */
export async function runTerms(options: TermOptions): Promise<TermCounts> {
  const sim = new Simulation({ seed: options.seed, timeMaxMs: 3_600_000 });
  const random = sim.random.fork("terms");
  const store = await openMetastore(sim.world("store"), { kind: "embedded", path: ":memory:" });
  const counts: TermCounts = { timestamps: 0, ids: 0, leaders: 0, crashes: 0, freezes: 0 };
  const members = ["a", "b", "c"].map((name) => new Member(name));
  const last = { ts: 0n, id: 0 };
  const failures: string[] = [];

  const take = (member: Member) => {
    const { pd } = member;
    if (pd === null || !pd.isLeader) return;
    const count = random.chance(0.02) ? random.between(100_000, 131_072) : random.between(1, 300);
    let time: OracleTime | null;
    try {
      time = pd.tso.take(count);
    } catch {
      return; // it leads no longer
    }
    if (time === null) return;
    const ts = composeTso(time);
    const first = ts - BigInt(count - 1);
    if (first <= last.ts) failures.push(`${member.name} gave ${first}, and ${last.ts} had been given`);
    last.ts = ts;
    counts.timestamps++;
  };
  const allocate = (member: Member) => {
    const { pd, life } = member;
    if (pd === null || !pd.isLeader) return;
    const before = last.id;
    const count = random.chance(0.05) ? random.between(500, 2500) : random.between(1, 40);
    pd.ids.allocMany(count).then(
      (id) => {
        if (member.life !== life) return;
        if (id - count + 1 <= before) failures.push(`${member.name} gave id ${id - count + 1}, and ${before} had been given`);
        last.id = Math.max(last.id, id);
        counts.ids++;
      },
      () => {},
    );
  };

  const thaw = (member: Member) => {
    member.isFrozen = false;
    // Requests that came in meanwhile are handled before the timers that tell of the lost lease.
    take(member);
    allocate(member);
    const { held } = member;
    member.held = [];
    for (const run of held) run();
  };

  const start = (member: Member) => {
    const world = freezable(sim.world(member.name), member);
    void lead(
      world,
      member,
      faulty(sim, store, member, random.fork(`store/${member.name}/${member.life}`), options.mutation),
      options,
      counts,
    );
  };
  members.forEach(start);

  const chaos = sim.random.fork("chaos");
  for (let step = 0; step < 400; step++) {
    const member = chaos.pick(members);
    const what = chaos.float();
    if (what < 0.02) {
      member.life++;
      member.pd = null;
      member.held = [];
      member.isFrozen = false;
      sim.crash(member.name);
      counts.crashes++;
      const { life } = member;
      // one that crashes again before it starts is started once
      sim.clock.schedule(chaos.between(10, 4000), () => {
        if (member.life === life) start(member);
      });
    } else if (what < 0.05 && !member.isFrozen) {
      member.isFrozen = true;
      counts.freezes++;
      const { life } = member;
      sim.clock.schedule(chaos.between(100, 9000), () => {
        if (member.life === life) thaw(member);
      });
    } else if (what < 0.09) {
      sim.node(member.name).skewMs = chaos.between(-20_000, 20_000);
    } else if (what < 0.11) {
      member.pd?.config.update({ "leader-schedule-limit": chaos.between(1, 9) }).catch(() => {});
    } else {
      for (const each of members) {
        if (each.isFrozen) continue;
        take(each);
        if (chaos.chance(0.3)) allocate(each);
      }
    }
    await sim.pass(chaos.between(1, 200));
    if (failures.length > 0) break;
  }
  // Left alone, one of them leads again, and soon.
  const { timestamps } = counts;
  for (let ms = 0; ms < quietMs && failures.length === 0; ms += 100) {
    for (const each of members) if (!each.isFrozen) take(each);
    await sim.pass(100);
  }
  if (failures.length === 0 && counts.timestamps === timestamps) failures.push(`nobody led in ${quietMs} ms of peace`);
  for (const member of members) {
    member.life++;
    sim.crash(member.name);
  }
  if (failures.length > 0) throw new Error(`seed ${options.seed}: ${failures[0]}`);
  return counts;
}

async function lead(world: World, member: Member, store: Metastore, options: TermOptions, counts: TermCounts): Promise<void> {
  const { life } = member;
  const isAlive = () => member.life === life;
  const group = new TaskGroup();
  let round = new AbortController();
  const pd = new Pd({
    world,
    store,
    clusterId,
    file: {
      schedule: defaultsOf(scheduleForm),
      replication: defaultsOf(replicationForm),
      pdServer: defaultsOf(pdServerForm),
      clusterVersion: "0.0.0",
      labelProperty: {},
      replicationMode: defaultReplicationMode,
    },
    storage: noRegions,
    components: [],
    tsoUpdateIntervalMs: 50,
    tsoWindowMs: 3000,
    onBroken: () => round.abort(new DOMException("broken", "AbortError")),
  });
  member.pd = pd;
  while (isAlive()) {
    round = new AbortController();
    try {
      const { leadership, session } = await campaignForLead(
        {
          world,
          store,
          root: pd.root,
          name: member.name,
          value: new TextEncoder().encode(member.name),
          // who has a shorter one waits less than the others were promised
          leaseS: options.mutation === "silence" && member.name !== "a" ? 1 : leaseS,
          log: world.log,
        },
        round.signal,
        () => {},
      );
      try {
        const given: Leadership = options.mutation === "lease" ? { ...leadership, isValid: () => true } : leadership;
        await pd.lead(given);
        counts.leaders++;
        await new Promise<void>((resolve) => {
          if (leadership.lost.aborted) resolve();
          leadership.lost.addEventListener("abort", () => resolve(), { once: true });
        });
      } finally {
        await pd.stopLeading();
        await session.close();
      }
    } catch {
      // The next round tries again.
    }
    await world.clock.sleep(100);
  }
  await group[Symbol.asyncDispose]();
}

/** The World of a member whose timers fire late when it is frozen. Its monotonic clock goes on, as a real one does. */
function freezable(world: World, member: Member): World {
  const { clock } = world;
  const timer = (ms: number, run: () => void): Timer => clock.timer(ms, () => member.later(run));
  const own: Clock = {
    nowMs: () => Math.floor(clock.nowMs()), // as the real one does
    monotonicMs: () => clock.monotonicMs(),
    timer,
    afterTurn: (run) => clock.afterTurn(() => member.later(run)),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason as Error);
        const waiting = timer(ms, () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        });
        const onAbort = () => {
          waiting.cancel();
          reject(signal?.reason as Error);
        };
        signal?.addEventListener("abort", onAbort, { once: true });
      }),
  };
  return { ...world, clock: own };
}

/** The store as one member reaches it: late, sometimes not, and sometimes without an answer to what was done. */
function faulty(
  sim: Simulation,
  store: Metastore,
  member: Member,
  random: Simulation["random"],
  mutation: TermOptions["mutation"],
): Metastore {
  const { life } = member;
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      sim.clock.schedule(ms, () => {
        if (member.life === life) member.later(resolve);
      });
    });
  const call = async <T>(run: () => Promise<T>): Promise<T> => {
    await pause(random.between(0, 30));
    if (random.chance(0.02)) throw metastoreErrors.unavailable(["the simulation"]);
    const result = await run();
    await pause(random.between(0, random.chance(0.05) ? 2000 : 30));
    if (random.chance(0.02)) throw metastoreErrors.outcomeUnknown(["a request"]);
    return result;
  };
  /** A frozen member hears of nothing. */
  async function* toldTo<T>(batches: AsyncIterable<T>): AsyncGenerator<T, void, void> {
    for await (const batch of batches) {
      await pause(random.between(0, 30));
      yield batch;
    }
  }
  const changed = (transaction: Transaction): Transaction => {
    if (mutation === "guard") return { ...transaction, compare: [] };
    if (mutation !== "window") return transaction;
    return {
      ...transaction,
      success: (transaction.success ?? []).filter((each) => !(each.op === "put" && each.key.endsWith("/timestamp"))),
    };
  };
  return {
    range: (select, given) => call(() => store.range(select, given)),
    get: (key) => call(() => store.get(key)),
    put: (key, value, given) => call(() => store.put(key, value, given)),
    delete: (select) => call(() => store.delete(select)),
    txn: (transaction) => call(() => store.txn(changed(transaction))),
    watch: (select, given) => toldTo(store.watch(select, given)),
    compact: (revision) => store.compact(revision),
    grantLease: (ttl, id) => call(() => store.grantLease(ttl, id)),
    keepAliveLease: (id) => call(() => store.keepAliveLease(id)),
    revokeLease: (id) => call(() => store.revokeLease(id)),
    leaseState: (id) => store.leaseState(id),
    leases: () => store.leases(),
    status: () => store.status(),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}
