/**
 * What a master does while it leads: holds the scheduler's state, writes its decisions, watches keepalive keys and probes workers.
 *
 * L1 Every write carries the election's guard: a leader that was replaced writes nothing.
 * L2 Steps come one after the other; the state in memory moves on only when the store took the operations. When the store refuses, the
 *    leader ends: the next one reads everything anew.
 * L3 A worker is online when its keepalive key exists and it has answered a probe.
 */
import { type Logger, TaskGroup, type TlsFiles, type World } from "@skein/base";
import { decodeHexKey, type KeyValue, type Leadership, type Metastore, type Operation, textOf } from "@skein/metastore";
import { dmErrors } from "../errors.ts";
import { prefixes } from "../wire/keys.ts";
import { afterProbe, aliveAt, type Liveness, livenessLimits } from "./core/liveness.ts";
import { type Decision, repair, type SchedulerEvent, type SchedulerState, stateFrom, statePrefixes, step } from "./core/scheduler.ts";
import { probe } from "./probe.ts";

export interface LeaderOptions {
  readonly world: World;
  readonly store: Metastore;
  readonly leadership: Leadership;
  readonly log: Logger;
  readonly tls?: TlsFiles;
  /** Something is wrong that only a fresh start as leader mends. */
  readonly onBroken: (error: unknown) => void;
}

export interface Leader extends AsyncDisposable {
  readonly state: SchedulerState;
  /** Carries out one event. Throws what the scheduler refuses; 42501 when the store does not take it. */
  apply(event: SchedulerEvent): Promise<SchedulerState>;
  /** The last probe of the worker came back without an answer. */
  isDoubted(worker: string): boolean;
}

export async function startLeader(options: LeaderOptions, signal: AbortSignal): Promise<Leader> {
  const leader = new LeaderWork(options);
  try {
    await leader.load(signal);
  } catch (error) {
    await leader[Symbol.asyncDispose]();
    throw error;
  }
  return leader;
}

class LeaderWork implements Leader {
  readonly #options: LeaderOptions;
  readonly #log: Logger;
  readonly #group = new TaskGroup();
  /** Probers of the workers whose keepalive key exists. */
  readonly #probers = new Map<string, AbortController>();
  readonly #doubted = new Set<string>();
  #state: SchedulerState = stateFrom([]);
  #queue: Promise<unknown> = Promise.resolve();
  #isBroken = false;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#log = options.log.with({ component: "scheduler" });
  }

  get state(): SchedulerState {
    return this.#state;
  }

  async load(signal: AbortSignal): Promise<void> {
    const { store, world, tls } = this.#options;
    const items: KeyValue[] = [];
    let revision = 0;
    for (const prefix of statePrefixes) {
      // All prefixes as of one moment: the first answer's revision.
      const answer = await store.range({ prefix }, revision === 0 ? {} : { revision });
      if (revision === 0) revision = answer.revision;
      items.push(...answer.items);
    }
    signal.throwIfAborted();
    this.#state = stateFrom(items.map((item) => ({ key: item.key, text: textOf(item) })));
    const kept = items.map((item) => decodeHexKey(prefixes.keepalive, item.key)?.[0]).filter((name) => name !== undefined);
    const probes = await Promise.all(
      kept.map(async (name) => {
        const addr = this.#state.workers.get(name)?.addr;
        if (addr === undefined) return null;
        const result = await probe(world, addr, { timeoutMs: livenessLimits.probeTimeoutMs, ...(tls === undefined ? {} : { tls }) });
        return result === "alive" ? name : null;
      }),
    );
    await this.#commit(repair(this.#state, new Set(probes.filter((name) => name !== null))));
    for (const name of kept) this.#startProber(name);
    this.#group.spawn((own) => this.#watch(revision + 1, own));
    void this.#group.join().catch((error: unknown) => this.#break(error));
    this.#log.info("leader is ready", { workers: this.#state.workers.size, sources: this.#state.sources.size });
  }

  /** The last probe of the worker came back without an answer. */
  isDoubted(worker: string): boolean {
    return this.#doubted.has(worker);
  }

  apply(event: SchedulerEvent): Promise<SchedulerState> {
    const run = this.#queue.then(async () => {
      if (this.#isBroken) throw dmErrors.schedulerNotStarted([]);
      const decision = step(this.#state, event);
      await this.#commit(decision);
      return decision.state;
    });
    this.#queue = run.catch(() => {});
    return run;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isBroken = true;
    for (const prober of this.#probers.values()) prober.abort(new DOMException("the leader ends", "AbortError"));
    await this.#group[Symbol.asyncDispose]();
    await this.#queue;
  }

  async #commit(decision: Decision): Promise<void> {
    if (decision.operations.length > 0) await this.#write(decision.operations);
    this.#state = decision.state;
    for (const note of decision.notes)
      this.#log.info(note.kind === "bound" ? "source is bound" : "source is unbound", {
        source: note.source,
        worker: note.worker,
        reason: note.reason,
      });
  }

  async #write(success: readonly Operation[]): Promise<void> {
    const { store, leadership } = this.#options;
    let succeeded: boolean;
    try {
      succeeded = (await store.txn({ compare: [leadership.guard], success })).succeeded;
    } catch (error) {
      this.#break(error); // the outcome may be unknown: what holds must be read again
      throw dmErrors.metastoreTxn(["the scheduler's step"], error);
    }
    if (succeeded) return;
    this.#break(dmErrors.notLeader([]));
    throw dmErrors.notLeader([]);
  }

  #break(error: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#options.onBroken(error);
  }

  /** Keepalive keys and load-task keys as they come and go. */
  async #watch(fromRevision: number, signal: AbortSignal): Promise<void> {
    const watch = async (prefix: string, on: (key: string, value: string | null) => Promise<void>) => {
      for await (const batch of this.#options.store.watch({ prefix }, { fromRevision, signal }))
        for (const event of batch.events)
          await on(event.kind === "put" ? event.item.key : event.key, event.kind === "put" ? textOf(event.item) : null);
    };
    await Promise.all([
      watch(prefixes.keepalive, async (key, value) => {
        const worker = decodeHexKey(prefixes.keepalive, key)?.[0];
        if (worker === undefined) return;
        this.#log.info(value === null ? "keepalive ended" : "keepalive", { worker });
        if (value !== null) return this.#startProber(worker);
        this.#probers.get(worker)?.abort(new DOMException("the keepalive ended", "AbortError"));
        this.#probers.delete(worker);
        if (this.#state.workers.get(worker)?.isOnline === true) await this.apply({ kind: "offline", worker, evict: false });
      }),
      watch(prefixes.loadTask, async (key, value) => {
        const [task, source] = decodeHexKey(prefixes.loadTask, key) ?? [];
        if (task === undefined || source === undefined) return;
        await this.apply({ kind: "loadTask", source, task, worker: value === null ? null : (JSON.parse(value) as string) });
      }),
    ]);
  }

  #startProber(worker: string): void {
    this.#probers.get(worker)?.abort(new DOMException("a newer keepalive", "AbortError"));
    const own = new AbortController();
    this.#probers.set(worker, own);
    this.#group.spawn(async (signal) => {
      try {
        await this.#probeOn(worker, AbortSignal.any([signal, own.signal]));
      } catch (error) {
        if (!own.signal.aborted && !signal.aborted) throw error;
      }
    });
  }

  /** Until the worker's keepalive key is gone, or has been deleted here because the worker does not answer. */
  async #probeOn(worker: string, signal: AbortSignal): Promise<void> {
    const { world, tls } = this.#options;
    let liveness: Liveness = aliveAt(world.clock.monotonicMs());
    // A keepalive that comes back was put by a process that lives: its units must start, whatever was thought of it before.
    let isAnnounced = false;
    for (;;) {
      const addr = this.#state.workers.get(worker)?.addr;
      if (addr === undefined) return;
      const result = await probe(world, addr, { timeoutMs: livenessLimits.probeTimeoutMs, ...(tls === undefined ? {} : { tls }) });
      signal.throwIfAborted();
      const next = afterProbe(liveness, result, world.clock.monotonicMs());
      liveness = next;
      if (result === "alive") this.#doubted.delete(worker);
      else this.#doubted.add(worker);
      if (next.isGone) {
        this.#log.warn("worker does not answer, so it loses its source before its lease ends", { worker, addr, probe: result });
        await this.apply({ kind: "offline", worker, evict: true });
        return;
      }
      if (result === "alive" && !isAnnounced) {
        isAnnounced = true;
        await this.apply({ kind: "online", worker });
      }
      await world.clock.sleep(result === "refused" ? livenessLimits.probePauseMs / 2 : livenessLimits.probePauseMs, signal);
    }
  }
}
