/**
 * All that a worker does for the source it is bound to: follows the expected stages of the source's subtasks in the metadata store and
 * moves each subtask towards its own, one command after the other; tries error-paused ones again.
 */
import { isCodedError, type Logger, TaskGroup, type World } from "@skein/base";
import { decodeHexKey, follow, type Metastore, textOf } from "@skein/metastore";
import type { SourceConfig } from "../config/source-config.ts";
import type { StartOptions, SubtaskConfig } from "../config/subtask-config.ts";
import { dmErrors } from "../errors.ts";
import { type CliArgsValue, encode, keys, prefixes, type StageValue } from "../wire/keys.ts";
import { type Stage, type SubTaskStatusMessage, stageOf } from "../wire/messages.ts";
import { decideResume, initialResumeState, type ResumeState } from "./core/auto-resume.ts";
import { Subtask } from "./subtask.ts";
import type { Units } from "./unit-context.ts";

export interface SourceWorkerOptions {
  readonly world: World;
  readonly store: Metastore;
  readonly source: SourceConfig;
  readonly worker: string;
  readonly units: Units;
  /** A subtask's configuration from its stored text, with the source's own fields from `source`. */
  readonly readSubtask: (toml: string, source: SourceConfig) => SubtaskConfig;
  readonly startOptions: (args: CliArgsValue | null) => StartOptions;
  readonly log: Logger;
  readonly onFailed?: (task: string, unit: string, isResumable: boolean) => void;
}

interface Entry {
  readonly subtask: Subtask;
  /** Commands that are not carried out yet end with this. */
  queue: Promise<void>;
  resume: ResumeState;
  /** Its stage key is gone: it stops, and leaves the list when it has stopped. */
  isDropped: boolean;
}

export class SourceWorker implements AsyncDisposable {
  readonly #options: SourceWorkerOptions;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();
  readonly #group = new TaskGroup();
  #isStopping = false;

  constructor(options: SourceWorkerOptions) {
    this.#options = options;
    this.#log = options.log.with({ component: "source worker", source: options.source.sourceId });
    this.#group.spawn((signal) => this.#followStages(signal));
    this.#group.spawn((signal) => this.#checkPaused(signal));
  }

  get sourceId(): string {
    return this.#options.source.sourceId;
  }

  get subtasks(): readonly Subtask[] {
    return [...this.#entries].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry.subtask);
  }

  subtask(name: string): Subtask | null {
    return this.#entries.get(name)?.subtask ?? null;
  }

  /** One entry a subtask, or the named one; an unknown name has an entry that says so. */
  status(name: string): readonly SubTaskStatusMessage[] {
    if (name === "") return this.subtasks.map((subtask) => subtask.status());
    const subtask = this.subtask(name);
    if (subtask !== null) return [subtask.status()];
    return [
      {
        name,
        stage: "InvalidStage",
        unit: "InvalidUnit",
        result: null,
        unresolvedDDLLockID: "",
        msg: `no sub task with name ${name} has started`,
      },
    ];
  }

  /** Graceful: transactions end, checkpoints are flushed. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#group[Symbol.asyncDispose]();
    await Promise.all(
      [...this.#entries.values()].map(async (entry) => {
        await entry.queue;
        await entry.subtask.stop();
      }),
    );
  }

  /** Ungraceful: this worker may have lost its source, so nothing more is written. */
  async kill(reason: unknown): Promise<void> {
    this.#isStopping = true;
    this.#group.abort(reason);
    await Promise.all([...this.#entries.values()].map((entry) => entry.subtask.kill(reason)));
    await this.#group[Symbol.asyncDispose]();
    await Promise.all([...this.#entries.values()].map((entry) => entry.queue));
    await Promise.all([...this.#entries.values()].map((entry) => entry.subtask.kill(reason)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill(new DOMException("the source worker was left", "AbortError"));
  }

  /** As a resume by command: for operators' changes to an error-paused subtask. */
  resume(name: string): void {
    this.#command(name, "Running");
  }

  async #followStages(signal: AbortSignal): Promise<void> {
    const { world, store } = this.#options;
    for await (const step of follow(world, store, { prefix: keys.stagesOf(this.sourceId) }, { signal })) {
      if (step.kind === "content") {
        const present = new Set<string>();
        for (const item of step.items) {
          const task = taskOf(item.key);
          if (task === null) continue;
          present.add(task);
          this.#expect(task, textOf(item), true);
        }
        for (const task of this.#entries.keys()) if (!present.has(task)) this.#drop(task);
      } else
        for (const event of step.events) {
          const task = taskOf(event.kind === "put" ? event.item.key : event.key);
          if (task === null) continue;
          if (event.kind === "put") this.#expect(task, textOf(event.item), false);
          else this.#drop(task);
        }
    }
  }

  /** `isListing`: it may have been seen before, so a stage that holds already is no command. */
  #expect(task: string, text: string, isListing: boolean): void {
    const { expect } = JSON.parse(text) as StageValue;
    const stage = stageOf(expect);
    const present = this.subtask(task)?.state.stage;
    if (isListing && present !== undefined && (present === stage || (stage === "Running" && present !== "Paused"))) return;
    this.#command(task, stage);
  }

  #command(task: string, stage: Stage): void {
    if (this.#isStopping) return;
    const entry = this.#entry(task);
    entry.queue = entry.queue.then(async () => {
      if (this.#isStopping) return;
      try {
        const { subtask } = entry;
        if (stage === "Running") {
          if (subtask.state.stage !== "Running") subtask.run();
        } else if (stage === "Paused") await subtask.pause();
        else if (stage === "Stopped") await subtask.stop();
      } catch (error) {
        // A command that does not fit the stage: `query-status` shows the stage, the caller of the command sees it too.
        this.#log.error("the expected stage does not fit", { task, stage, error });
      }
    });
  }

  #drop(task: string): void {
    const entry = this.#entries.get(task);
    if (entry === undefined) return;
    entry.isDropped = true;
    entry.queue = entry.queue.then(async () => {
      await entry.subtask.stop().catch((error: unknown) => this.#log.error("cannot stop the subtask", { task, error }));
      if (this.#entries.get(task) === entry) this.#entries.delete(task);
    });
  }

  #entry(task: string): Entry {
    const known = this.#entries.get(task);
    if (known !== undefined && !known.isDropped) return known;
    const { world, store, worker, units, source, log, onFailed } = this.#options;
    const subtask = new Subtask({
      world,
      name: task,
      source: source.sourceId,
      worker,
      units,
      log,
      loadConfig: () => this.#loadConfig(task),
      loadFiles: this.#loadFiles(task),
      flagsUsed: async () => {
        await store.delete({ key: keys.cliArgs(task, source.sourceId) });
      },
      ...(onFailed === undefined ? {} : { onFailed: (unit, canResume) => onFailed(task, unit, canResume) }),
    });
    const entry: Entry = {
      subtask,
      // A task that was stopped and is started again waits until its old run has ended.
      queue: known?.queue ?? Promise.resolve(),
      isDropped: false,
      resume: initialResumeState(source.checker, world.clock.monotonicMs()),
    };
    this.#entries.set(task, entry);
    return entry;
  }

  async #loadConfig(task: string): Promise<{ config: SubtaskConfig; start: StartOptions }> {
    const { store, source, readSubtask, startOptions } = this.#options;
    const [item, args] = await Promise.all([
      store.get(keys.subtask(source.sourceId, task)),
      store.get(keys.cliArgs(task, source.sourceId)),
    ]);
    if (item === null) throw dmErrors.subtaskMissing([task]);
    return {
      config: readSubtask(textOf(item), source),
      start: startOptions(args === null ? null : (JSON.parse(textOf(args)) as CliArgsValue)),
    };
  }

  #loadFiles(task: string) {
    const { store, source, worker } = this.#options;
    const key = keys.loadTask(task, source.sourceId);
    return {
      take: async () => {
        const item = await store.get(key);
        const holder = item === null ? null : (JSON.parse(textOf(item)) as string);
        if (holder !== null && holder !== worker) throw dmErrors.loadOtherWorker([holder, worker]);
        if (holder === null) await store.put(key, encode.loadTask(worker));
      },
      leave: async () => {
        await store.delete({ key });
      },
    };
  }

  async #checkPaused(signal: AbortSignal): Promise<void> {
    const { world, source } = this.#options;
    for (;;) {
      await world.clock.sleep(source.checker.checkIntervalMs, signal);
      for (const [task, entry] of this.#entries) {
        const next = decideResume(source.checker, entry.resume, entry.subtask.state, world.clock.monotonicMs(), world.random.float());
        entry.resume = next.state;
        if (next.decision === "noSense") this.#log.warn("task can't auto resume", { task, error: entry.subtask.state.result?.errors[0] });
        if (next.decision === "backoff") this.#log.info("backoff skip auto resume task", { task, waitMs: Math.round(next.state.waitMs) });
        if (next.decision === "resume") {
          this.#log.info("dispatch auto resume task", { task });
          // Through the queue, and only if nobody paused it meanwhile.
          entry.queue = entry.queue.then(() => {
            const { stage, result } = entry.subtask.state;
            if (this.#isStopping || stage !== "Paused" || result?.isCanceled !== false) return;
            try {
              entry.subtask.run();
            } catch (error) {
              if (!isCodedError(error)) throw error;
            }
          });
        }
      }
    }
  }
}

function taskOf(key: string): string | null {
  return decodeHexKey(prefixes.stage, key)?.[1] ?? null;
}
