import { type Faults, type Logger, type Processes, type Random, seededRandom, silentLogger, type World } from "@skein/base";
import { type Drift, VirtualClock } from "./virtual-clock.ts";
import { VirtualDisk } from "./virtual-disk.ts";
import { VirtualNetwork } from "./virtual-network.ts";

/**
 * A whole cluster in one process, under one seed. Each node has a World of its own: shared clock and network, its own
 * disk and chance. Nothing here waits for real time.
 */
export interface SimulationOptions {
  readonly seed: number;
  readonly log?: Logger;
  /** Ends a run that makes no progress. Default 10 minutes of virtual time. */
  readonly timeMaxMs?: number;
}

/** Thrown when a run does not reach its goal; names the seed, so that the run can be repeated. */
export class SimulationStuck extends Error {
  override readonly name = "SimulationStuck";
}

interface Node {
  readonly disk: VirtualDisk;
  readonly faults: SeededFaults;
  skewMs: number;
  readonly drift: Drift;
  /** Raised by each crash: what an earlier life left behind never runs again. */
  life: number;
}

export class Simulation {
  readonly seed: number;
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly network: VirtualNetwork;
  readonly #options: SimulationOptions;
  readonly #nodes = new Map<string, Node>();
  readonly #checks: (() => void)[] = [];

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.seed = options.seed;
    this.random = seededRandom(options.seed, "simulation");
    this.network = new VirtualNetwork(this.clock, this.random.fork("network"));
  }

  /** The World of a node in its present life. After `crash(node)` ask again: the old World is dead. */
  world(name: string): World {
    const node = this.node(name);
    const life = node.life;
    const isDead = () => node.life !== life;
    return {
      clock: this.clock.forNode({ skewMs: () => node.skewMs, isDead, drift: node.drift }),
      random: this.random.fork(`${name}/${life}`),
      disk: node.disk.forLife(isDead),
      network: this.network.forNode(name),
      processes: noProcesses,
      log: this.#options.log ?? silentLogger,
      faults: node.faults.forLife(isDead),
    };
  }

  node(name: string): Node {
    let node = this.#nodes.get(name);
    if (node === undefined) {
      node = {
        disk: new VirtualDisk(this.random.fork(`disk/${name}`), () => this.clock.nowMs),
        faults: new SeededFaults(this.random.fork(`faults/${name}`)),
        skewMs: 0,
        drift: { rate: 1, sinceMs: this.clock.nowMs, atMs: this.clock.nowMs },
        life: 0,
      };
      this.#nodes.set(name, node);
    }
    return node;
  }

  /** From now on the node's clock runs at `rate` of everyone's: timers that are set, and what it measures. Wall time is skewed instead. */
  drift(name: string, rate: number): void {
    const { drift } = this.node(name);
    const { nowMs } = this.clock;
    drift.atMs += (nowMs - drift.sinceMs) * drift.rate;
    drift.sinceMs = nowMs;
    drift.rate = rate;
  }

  /** kill -9 and a loss of power: timers never fire, streams reset, what was not synced may be gone. */
  crash(name: string): void {
    const node = this.node(name);
    node.life++;
    this.network.dropNode(name);
    node.disk.crash();
  }

  /** Called after every event; throws when an invariant does not hold. */
  check(...checks: readonly (() => void)[]): void {
    this.#checks.push(...checks);
  }

  /** Runs until `until()` holds; throws `SimulationStuck` when time or events run out before. */
  async run(options: { readonly until: () => boolean; readonly timeMaxMs?: number }): Promise<void> {
    const timeMaxMs = options.timeMaxMs ?? this.#options.timeMaxMs ?? 600_000;
    const endMs = this.clock.nowMs + timeMaxMs;
    for (;;) {
      await settle();
      for (const check of this.#checks) check();
      if (options.until()) return;
      if (!this.clock.step(endMs)) {
        await settle();
        if (options.until()) return;
        throw new SimulationStuck(
          this.clock.pending === 0
            ? `seed ${this.seed}: nothing is left to happen, and the goal is not reached`
            : `seed ${this.seed}: the goal is not reached after ${timeMaxMs} ms of virtual time`,
        );
      }
    }
  }

  /** Lets virtual time pass. */
  async pass(ms: number): Promise<void> {
    const endMs = this.clock.nowMs + ms;
    await settle();
    while (this.clock.step(endMs)) {
      await settle();
      for (const check of this.#checks) check();
    }
    this.clock.advanceTo(endMs);
  }

  /** Runs the events that `work` waits for, and gives its result. */
  async complete<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const settled = work.finally(() => {
      done = true;
    });
    settled.catch(() => {}); // rethrown below, once the events are through
    await this.run({ until: () => done });
    return settled;
  }
}

/** Fault points of one node: each has a chance; a draw decides whether it throws, or the nth call does. */
export class SeededFaults {
  readonly #random: Random;
  readonly #chances = new Map<string, number>();
  readonly #nth = new Map<string, number>();
  /** Points that were reached, with counts: a test can require that its fault was possible. */
  readonly reached = new Map<string, number>();

  constructor(random: Random) {
    this.#random = random;
  }

  chance(point: string, probability: number): void {
    this.#chances.set(point, probability);
  }
  /** The nth call from now fails, once. */
  failOn(point: string, nth: number): void {
    this.#nth.set(point, nth);
  }

  forLife(isDead: () => boolean): Faults {
    return {
      at: async (point) => {
        if (isDead()) return new Promise<void>(() => {}); // the dead do not go on
        this.reached.set(point, (this.reached.get(point) ?? 0) + 1);
        const nth = this.#nth.get(point);
        if (nth !== undefined) {
          if (nth > 1) this.#nth.set(point, nth - 1);
          else {
            this.#nth.delete(point);
            throw new InjectedFault(point);
          }
        }
        if (this.#random.chance(this.#chances.get(point) ?? 0)) throw new InjectedFault(point);
      },
    };
  }
}

export class InjectedFault extends Error {
  override readonly name = "InjectedFault";
  constructor(point: string) {
    super(`injected fault at ${point}`);
  }
}

const noProcesses: Processes = {
  spawn: () => {
    throw new Error("a simulation has no child processes");
  },
  run: async () => {
    throw new Error("a simulation has no child processes");
  },
};

/** All that can happen without time passing: microtasks, ticks, and what they queue. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
