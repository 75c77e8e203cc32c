/**
 * Who handles which source, as a function: (state, event) → (state, operations on the metadata store).
 *
 *   worker:  offline ⇄ free ⇄ bound          source:  unbound ⇄ bound (by one worker; a worker handles one source)
 *
 * S1 A source is bound by at most one worker, a worker binds at most one source, and both are known.
 * S2 Only a worker that is online is bound.
 * S3 No source stays unbound while a worker is free.
 * S4 The operations of one step are one transaction: state in memory and in the store change together or not at all.
 *
 * A request that cannot be carried out throws its coded error, and changes nothing.
 */
import { decodeHexKey, type Operation } from "@skein/metastore";
import { dmErrors } from "../../errors.ts";
import { type BoundValue, type CliArgsValue, encode, keys, prefixes, type StageValue } from "../../wire/keys.ts";
import { type Stage, stageNumbers, stageOf } from "../../wire/messages.ts";

export interface WorkerFacts {
  readonly name: string;
  readonly addr: string;
  readonly isOnline: boolean;
}

export interface SchedulerState {
  readonly workers: ReadonlyMap<string, WorkerFacts>;
  /** Source id → its configuration as TOML. */
  readonly sources: ReadonlyMap<string, string>;
  /** Worker → source. */
  readonly bounds: ReadonlyMap<string, string>;
  /** Worker → the source that it handled last. */
  readonly lastBounds: ReadonlyMap<string, string>;
  /** Source → task → configuration as TOML. */
  readonly subtasks: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Source → task → expected stage. */
  readonly stages: ReadonlyMap<string, ReadonlyMap<string, Stage>>;
  /** Source → task → the worker that holds its dump files: that copy cannot go on elsewhere. */
  readonly loadTasks: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

export interface NewSubtask {
  readonly source: string;
  readonly task: string;
  readonly toml: string;
}

export type SchedulerEvent =
  | { readonly kind: "register"; readonly name: string; readonly addr: string }
  | { readonly kind: "online"; readonly worker: string }
  /** Its keepalive ended, or it does not answer. `evict` also removes its keepalive key, so that it notices when it wakes. */
  | { readonly kind: "offline"; readonly worker: string; readonly evict: boolean }
  | { readonly kind: "removeWorker"; readonly worker: string }
  | { readonly kind: "updateSource"; readonly source: string; readonly toml: string }
  | { readonly kind: "addSource"; readonly source: string; readonly toml: string; readonly worker: string }
  | { readonly kind: "removeSource"; readonly source: string }
  | {
      readonly kind: "addSubtasks";
      readonly subtasks: readonly NewSubtask[];
      readonly stage: Stage;
      readonly cliArgs: CliArgsValue | null;
    }
  | { readonly kind: "updateSubtasks"; readonly subtasks: readonly NewSubtask[] }
  | { readonly kind: "setStage"; readonly task: string; readonly sources: readonly string[]; readonly stage: Stage }
  | { readonly kind: "removeSubtasks"; readonly task: string; readonly sources: readonly string[] }
  | { readonly kind: "transfer"; readonly source: string; readonly worker: string }
  | { readonly kind: "loadTask"; readonly source: string; readonly task: string; readonly worker: string | null };

export interface SchedulerNote {
  readonly kind: "bound" | "unbound";
  readonly source: string;
  readonly worker: string;
  readonly reason: string;
}

export interface Decision {
  readonly state: SchedulerState;
  readonly operations: readonly Operation[];
  readonly notes: readonly SchedulerNote[];
}

export const emptyState: SchedulerState = {
  workers: new Map(),
  sources: new Map(),
  bounds: new Map(),
  lastBounds: new Map(),
  subtasks: new Map(),
  stages: new Map(),
  loadTasks: new Map(),
};

/** Prefixes whose keys make up the state. */
export const statePrefixes = [
  prefixes.registration,
  prefixes.keepalive,
  prefixes.source,
  prefixes.bound,
  prefixes.lastBound,
  prefixes.subtask,
  prefixes.stage,
  prefixes.loadTask,
] as const;

/**
 * The state that the store holds. Keepalive keys are not taken for being online: the caller probes first. Bounds of unknown workers and
 * sources are left out here; `repair` deletes their keys.
 */
export function stateFrom(items: readonly { readonly key: string; readonly text: string }[]): SchedulerState {
  const draft = draftOf(emptyState);
  for (const { key, text } of items) {
    const registration = decodeHexKey(prefixes.registration, key)?.[0];
    if (registration !== undefined) {
      const { addr } = JSON.parse(text) as { addr: string };
      draft.workers.set(registration, { name: registration, addr, isOnline: false });
    }
    const source = decodeHexKey(prefixes.source, key)?.[0];
    if (source !== undefined) draft.sources.set(source, text);
    const bound = decodeHexKey(prefixes.bound, key)?.[0];
    if (bound !== undefined) draft.bounds.set(bound, (JSON.parse(text) as BoundValue).source);
    const last = decodeHexKey(prefixes.lastBound, key)?.[0];
    if (last !== undefined) draft.lastBounds.set(last, (JSON.parse(text) as BoundValue).source);
    const subtask = decodeHexKey(prefixes.subtask, key);
    if (subtask?.length === 2) setNested(draft.subtasks, subtask[0] as string, subtask[1] as string, text);
    const stage = decodeHexKey(prefixes.stage, key);
    if (stage?.length === 2)
      setNested(draft.stages, stage[0] as string, stage[1] as string, stageOf((JSON.parse(text) as StageValue).expect));
    const load = decodeHexKey(prefixes.loadTask, key);
    if (load?.length === 2) setNested(draft.loadTasks, load[1] as string, load[0] as string, JSON.parse(text) as string);
  }
  return draft;
}

/**
 * What a new leader does once, with the workers that answered: bounds that cannot hold are deleted, those that hold are put again (a
 * worker that missed the first put starts its source), and free workers take unbound sources.
 */
export function repair(state: SchedulerState, online: ReadonlySet<string>): Decision {
  const work = new Work(state);
  for (const worker of sorted(work.draft.workers.values(), (each) => each.name))
    work.draft.workers.set(worker.name, { ...worker, isOnline: online.has(worker.name) });
  const taken = new Set<string>();
  for (const [worker, source] of [...work.draft.bounds].toSorted(byFirst)) {
    if (!online.has(worker) || !work.draft.workers.has(worker) || !work.draft.sources.has(source) || taken.has(source))
      work.unbind(worker, "its worker is away, or it is not known any more");
    else {
      taken.add(source);
      work.operations.push({ op: "put", key: keys.bound(worker), value: encode.bound({ source, worker }) });
    }
  }
  work.fill();
  return work.decision();
}

export function step(state: SchedulerState, event: SchedulerEvent): Decision {
  const work = new Work(state);
  const { draft, operations } = work;
  switch (event.kind) {
    case "register": {
      const known = draft.workers.get(event.name);
      if (known !== undefined && known.addr !== event.addr) throw dmErrors.workerExists([encode.registration(known)]);
      if (known === undefined) {
        draft.workers.set(event.name, { name: event.name, addr: event.addr, isOnline: false });
        operations.push({ op: "put", key: keys.registration(event.name), value: encode.registration(event) });
      }
      break;
    }
    case "online": {
      const worker = draft.workers.get(event.worker);
      if (worker === undefined) break;
      draft.workers.set(worker.name, { ...worker, isOnline: true });
      const source = draft.bounds.get(worker.name);
      // The worker may have come back before anyone saw it gone: the put makes it start its source again.
      if (source !== undefined)
        operations.push({ op: "put", key: keys.bound(worker.name), value: encode.bound({ source, worker: worker.name }) });
      else work.bindSomethingTo(worker.name);
      break;
    }
    case "offline": {
      const worker = draft.workers.get(event.worker);
      if (worker === undefined) break;
      draft.workers.set(worker.name, { ...worker, isOnline: false });
      if (event.evict) operations.push({ op: "delete", select: { key: keys.keepalive(worker.name) } });
      const source = draft.bounds.get(worker.name);
      if (source === undefined) break;
      work.unbind(worker.name, event.evict ? "its worker does not answer" : "its worker went offline");
      work.bindSource(source);
      break;
    }
    case "removeWorker": {
      const worker = draft.workers.get(event.worker);
      if (worker === undefined) throw dmErrors.workerMissing([event.worker]);
      if (worker.isOnline) throw dmErrors.workerOnline([event.worker]);
      draft.workers.delete(event.worker);
      draft.bounds.delete(event.worker);
      for (const key of [keys.registration(event.worker), keys.bound(event.worker)]) operations.push({ op: "delete", select: { key } });
      break;
    }
    case "addSource": {
      if (event.worker !== "") {
        const worker = draft.workers.get(event.worker);
        if (worker === undefined) throw dmErrors.workerMissing([event.worker]);
        if (workerStage(draft, event.worker) !== "free") throw dmErrors.workerNotFree([event.worker]);
      }
      if (draft.sources.has(event.source)) throw dmErrors.sourceExists([event.source]);
      draft.sources.set(event.source, event.toml);
      operations.push({ op: "put", key: keys.source(event.source), value: event.toml });
      if (event.worker !== "") work.bind(event.worker, event.source, "asked for");
      else work.bindSource(event.source);
      break;
    }
    case "updateSource": {
      if (!draft.sources.has(event.source)) throw dmErrors.sourceMissing([event.source]);
      draft.sources.set(event.source, event.toml);
      operations.push({ op: "put", key: keys.source(event.source), value: event.toml });
      break;
    }
    case "removeSource": {
      if (!draft.sources.has(event.source)) throw dmErrors.sourceMissing([event.source]);
      const tasks = [...(draft.subtasks.get(event.source)?.keys() ?? [])].toSorted();
      if (tasks.length > 0) throw dmErrors.sourceHasTasks([event.source, tasks]);
      draft.sources.delete(event.source);
      operations.push({ op: "delete", select: { key: keys.source(event.source) } });
      const worker = workerOf(draft, event.source);
      if (worker !== null) {
        work.unbind(worker, "the source is removed");
        work.bindSomethingTo(worker);
      }
      break;
    }
    case "addSubtasks": {
      const tasks = new Set(event.subtasks.map((each) => each.task));
      if (tasks.size > 1) throw dmErrors.subtasksMixed([[...tasks].toSorted()]);
      const fresh = event.subtasks.filter((each) => draft.subtasks.get(each.source)?.has(each.task) !== true);
      if (fresh.length === 0 && event.subtasks.length > 0) {
        const sources = event.subtasks.map((each) => each.source).toSorted();
        throw dmErrors.subtasksExist([[...tasks].join(""), sources]);
      }
      const unbound = fresh.map((each) => each.source).filter((source) => workerOf(draft, source) === null);
      if (unbound.length > 0) throw dmErrors.sourcesNotBound([unbound.toSorted()]);
      for (const each of fresh) {
        setNested(draft.subtasks, each.source, each.task, each.toml);
        setNested(draft.stages, each.source, each.task, event.stage);
        // The flags and the configuration come before the stage: who reads the stage finds them.
        operations.push({ op: "put", key: keys.subtask(each.source, each.task), value: each.toml });
        if (event.cliArgs !== null)
          operations.push({ op: "put", key: keys.cliArgs(each.task, each.source), value: encode.cliArgs(event.cliArgs) });
        work.putStage(each.source, each.task, event.stage);
      }
      break;
    }
    case "updateSubtasks":
      for (const each of event.subtasks) {
        if (draft.subtasks.get(each.source)?.has(each.task) !== true) throw dmErrors.subtasksMissing([each.task]);
        if (draft.stages.get(each.source)?.get(each.task) === "Running") throw dmErrors.updateRunning([each.task, each.source]);
        setNested(draft.subtasks, each.source, each.task, each.toml);
        operations.push({ op: "put", key: keys.subtask(each.source, each.task), value: each.toml });
      }
      break;
    case "setStage": {
      requireSubtasks(draft, event.task, event.sources);
      for (const source of event.sources) {
        setNested(draft.stages, source, event.task, event.stage);
        work.putStage(source, event.task, event.stage);
      }
      break;
    }
    case "removeSubtasks": {
      requireSubtasks(draft, event.task, event.sources);
      for (const source of event.sources) {
        for (const nested of [draft.subtasks, draft.stages, draft.loadTasks]) deleteNested<unknown>(nested, source, event.task);
        for (const key of [
          keys.subtask(source, event.task),
          keys.stage(source, event.task),
          keys.cliArgs(event.task, source),
          keys.loadTask(event.task, source),
        ])
          operations.push({ op: "delete", select: { key } });
      }
      break;
    }
    case "transfer": {
      const from = checkTransfer(draft, event.source, event.worker);
      if (from === event.worker) break;
      if (from !== null) work.unbind(from, "transferred");
      work.bind(event.worker, event.source, "transferred");
      if (from !== null) work.bindSomethingTo(from);
      break;
    }
    case "loadTask": {
      if (event.worker === null) deleteNested(draft.loadTasks, event.source, event.task);
      else setNested(draft.loadTasks, event.source, event.task, event.worker);
      const holder = event.worker;
      if (holder !== null && workerStage(draft, holder) === "free") work.bindSomethingTo(holder);
      break;
    }
  }
  return work.decision();
}

/** Throws when the source cannot move there; the worker that has it now, or null. */
export function checkTransfer(state: SchedulerState, source: string, worker: string): string | null {
  if (!state.sources.has(source)) throw dmErrors.sourceMissing([source]);
  if (!state.workers.has(worker)) throw dmErrors.workerMissing([worker]);
  const from = workerOf(state, source);
  if (from === worker) return from;
  const stage = workerStage(state, worker);
  if (stage !== "free") throw dmErrors.workerTransformation([worker, stage, "bound"]);
  return from;
}

export type WorkerStage = "offline" | "free" | "bound";

export function workerStage(state: SchedulerState, worker: string): WorkerStage {
  if (state.workers.get(worker)?.isOnline !== true) return "offline";
  return state.bounds.has(worker) ? "bound" : "free";
}

/** The worker that handles a source, or null. */
export function workerOf(state: SchedulerState, source: string): string | null {
  for (const [worker, bound] of state.bounds) if (bound === source) return worker;
  return null;
}

/** Sources of a task, sorted. */
export function sourcesOfTask(state: SchedulerState, task: string): string[] {
  return [...state.subtasks]
    .filter(([, tasks]) => tasks.has(task))
    .map(([source]) => source)
    .toSorted();
}

/** Task names, sorted. */
export function taskNames(state: SchedulerState): string[] {
  return [...new Set([...state.subtasks.values()].flatMap((tasks) => [...tasks.keys()]))].toSorted();
}

function requireSubtasks(state: SchedulerState, task: string, sources: readonly string[]): void {
  if (sourcesOfTask(state, task).length === 0) throw dmErrors.subtasksMissing([task]);
  const missing = sources.filter((source) => state.subtasks.get(source)?.has(task) !== true);
  if (missing.length > 0) throw dmErrors.sourcesMissing([missing]);
}

interface Draft extends SchedulerState {
  readonly workers: Map<string, WorkerFacts>;
  readonly sources: Map<string, string>;
  readonly bounds: Map<string, string>;
  readonly lastBounds: Map<string, string>;
  readonly subtasks: Map<string, ReadonlyMap<string, string>>;
  readonly stages: Map<string, ReadonlyMap<string, Stage>>;
  readonly loadTasks: Map<string, ReadonlyMap<string, string>>;
}

function draftOf(state: SchedulerState): Draft {
  return {
    workers: new Map(state.workers),
    sources: new Map(state.sources),
    bounds: new Map(state.bounds),
    lastBounds: new Map(state.lastBounds),
    subtasks: new Map(state.subtasks),
    stages: new Map(state.stages),
    loadTasks: new Map(state.loadTasks),
  };
}

/** One step's changes, with the rules of who gets what. */
class Work {
  readonly draft: Draft;
  readonly operations: Operation[] = [];
  readonly #notes: SchedulerNote[] = [];

  constructor(state: SchedulerState) {
    this.draft = draftOf(state);
  }

  decision(): Decision {
    return { state: this.draft, operations: lastPerKey(this.operations), notes: this.#notes };
  }

  putStage(source: string, task: string, stage: Stage): void {
    this.operations.push({
      op: "put",
      key: keys.stage(source, task),
      value: encode.stage({ expect: stageNumbers[stage], source, task }),
    });
  }

  bind(worker: string, source: string, reason: string): void {
    this.draft.bounds.set(worker, source);
    this.draft.lastBounds.set(worker, source);
    const value = encode.bound({ source, worker });
    this.operations.push({ op: "put", key: keys.bound(worker), value }, { op: "put", key: keys.lastBound(worker), value });
    this.#notes.push({ kind: "bound", source, worker, reason });
  }

  unbind(worker: string, reason: string): void {
    const source = this.draft.bounds.get(worker);
    this.draft.bounds.delete(worker);
    this.operations.push({ op: "delete", select: { key: keys.bound(worker) } });
    if (source !== undefined) this.#notes.push({ kind: "unbound", source, worker, reason });
  }

  /** A worker for an unbound source: the holder of its dump files, the one that had it last, or any that is free. */
  bindSource(source: string): void {
    const holders = new Set(this.draft.loadTasks.get(source)?.values() ?? []);
    for (const holder of [...holders].toSorted()) {
      if (workerStage(this.draft, holder) === "free") return this.bind(holder, source, "it holds the dump files");
      if (workerStage(this.draft, holder) === "bound") {
        const other = this.draft.bounds.get(holder) as string;
        if (other === source || this.#holdsFilesOf(holder, other)) continue;
        this.unbind(holder, "its worker holds another source's dump files");
        this.bind(holder, source, "it holds the dump files");
        return this.bindSource(other);
      }
    }
    const free = this.#freeWorkers();
    const last = free.find((worker) => this.draft.lastBounds.get(worker) === source);
    if (last !== undefined) return this.bind(last, source, "it had the source last");
    if (free[0] !== undefined) this.bind(free[0], source, "it was free");
  }

  /** A source for a free worker: one whose dump files it holds, the one it had last, or any that is unbound. */
  bindSomethingTo(worker: string): void {
    if (workerStage(this.draft, worker) !== "free") return;
    for (const source of [...this.draft.loadTasks.keys()].toSorted()) {
      if (!this.#holdsFilesOf(worker, source) || !this.draft.sources.has(source)) continue;
      const present = workerOf(this.draft, source);
      if (present !== null && this.#holdsFilesOf(present, source)) continue;
      if (present !== null) this.unbind(present, "another worker holds its dump files");
      this.bind(worker, source, "it holds the dump files");
      if (present !== null) this.bindSomethingTo(present);
      return;
    }
    const unbound = this.#unboundSources();
    const last = this.draft.lastBounds.get(worker);
    if (last !== undefined && unbound.includes(last)) return this.bind(worker, last, "it had the source last");
    if (unbound[0] !== undefined) this.bind(worker, unbound[0], "the source was unbound");
  }

  fill(): void {
    for (const source of this.#unboundSources()) this.bindSource(source);
  }

  #holdsFilesOf(worker: string, source: string): boolean {
    return [...(this.draft.loadTasks.get(source)?.values() ?? [])].includes(worker);
  }

  #freeWorkers(): string[] {
    return [...this.draft.workers.keys()].filter((worker) => workerStage(this.draft, worker) === "free").toSorted();
  }

  #unboundSources(): string[] {
    const bound = new Set(this.draft.bounds.values());
    return [...this.draft.sources.keys()].filter((source) => !bound.has(source)).toSorted();
  }
}

/** A transaction writes a key once: the last word counts, in the place of the first. */
function lastPerKey(operations: readonly Operation[]): readonly Operation[] {
  const byKey = new Map<string, Operation>();
  for (const operation of operations) byKey.set(keyOf(operation), operation);
  return [...byKey.values()];
}

function keyOf(operation: Operation): string {
  if (operation.op === "put") return operation.key;
  return "key" in operation.select ? operation.select.key : JSON.stringify(operation.select);
}

function setNested<T>(nested: Map<string, ReadonlyMap<string, T>>, first: string, second: string, value: T): void {
  nested.set(first, new Map(nested.get(first)).set(second, value));
}

function deleteNested<T>(nested: Map<string, ReadonlyMap<string, T>>, first: string, second: string): void {
  const copy = new Map(nested.get(first));
  copy.delete(second);
  if (copy.size === 0) nested.delete(first);
  else nested.set(first, copy);
}

function sorted<T>(items: Iterable<T>, name: (item: T) => string): T[] {
  return [...items].toSorted((a, b) => (name(a) < name(b) ? -1 : 1));
}

function byFirst(a: readonly [string, string], b: readonly [string, string]): number {
  return a[0] < b[0] ? -1 : 1;
}
