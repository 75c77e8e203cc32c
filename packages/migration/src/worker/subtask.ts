/**
 * Runs one subtask: its units one after the other, as `core/subtask.ts` allows. One run is at work at most; commands come one after
 * the other (their caller sees to that), only `kill` may come at any time.
 */
import { isAbort, type Logger, type World } from "@skein/base";
import type { StartOptions, SubtaskConfig } from "../config/subtask-config.ts";
import { asCodedError, dmErrors } from "../errors.ts";
import { withNextStep } from "../next-step.ts";
import type { Unit, UnitStatus } from "../unit.ts";
import type { SubTaskStatusMessage } from "../wire/messages.ts";
import { isResumable } from "./core/auto-resume.ts";
import { nextState, type StepKind, type SubtaskEvent, type SubtaskState, stepsOf } from "./core/subtask.ts";
import { subtaskStatus } from "./status.ts";
import type { SyncControl, Units } from "./unit-context.ts";

export interface SubtaskOptions {
  readonly world: World;
  readonly name: string;
  readonly source: string;
  readonly worker: string;
  readonly units: Units;
  /** Read at each run, so that a resume takes what was changed meanwhile. */
  readonly loadConfig: () => Promise<{ readonly config: SubtaskConfig; readonly start: StartOptions }>;
  /** Whose files a load reads: taken before it starts (throws 34017 when another worker holds them), left when all is loaded. */
  readonly loadFiles: { take(): Promise<void>; leave(): Promise<void> };
  /** Forgets the flags of the command that started it. */
  readonly flagsUsed: () => Promise<void>;
  readonly log: Logger;
  readonly onFailed?: (unit: string, isResumable: boolean) => void;
}

/** Opening a unit (connections, checkpoints) takes no longer. */
const openUnitMsMax = 60_000;

export class Subtask {
  readonly name: string;
  readonly #options: SubtaskOptions;
  readonly #log: Logger;
  #state: SubtaskState = { stage: "New", result: null };
  #steps: readonly StepKind[] = ["sync"];
  #step = 0;
  #isFirstRun = true;
  #unit: Unit | null = null;
  #lastStatus: UnitStatus | null = null;
  #config: SubtaskConfig | null = null;
  #syncControl: SyncControl | null = null;
  #waitOnStopMs = 10_000;
  #run: { readonly controller: AbortController; readonly ended: Promise<void>; isStopAsked: boolean } | null = null;

  constructor(options: SubtaskOptions) {
    this.name = options.name;
    this.#options = options;
    this.#log = options.log.with({ component: "subtask", task: options.name, source: options.source });
  }

  get state(): SubtaskState {
    return this.#state;
  }

  /** The unit that runs now, for commands to it. */
  get unit(): Unit | null {
    return this.#unit;
  }

  get config(): SubtaskConfig | null {
    return this.#config;
  }

  /** The hooks of the sync unit that runs, or that ran last: operators mend what an error has ended. Null when none ran yet. */
  get syncControl(): SyncControl | null {
    return this.#syncControl;
  }

  /** Starts or resumes; returns at once. Throws 40051 when it runs already. */
  run(): void {
    const before = this.#state.stage;
    this.#apply({ kind: "run" });
    if (before === "Finished") return;
    const controller = new AbortController();
    const run = { controller, isStopAsked: false, ended: Promise.resolve() };
    run.ended = this.#work(run);
    this.#run = run;
  }

  /** Resolves when the unit has come to a stop. */
  async pause(): Promise<void> {
    this.#apply({ kind: "pause" });
    await this.#endRun();
  }

  async stop(): Promise<void> {
    this.#apply({ kind: "stop" });
    await this.#endRun();
  }

  /** Ungraceful: running transactions are rolled back and nothing more is written. */
  async kill(reason: unknown): Promise<void> {
    const run = this.#run;
    if (run === null) return;
    run.isStopAsked = true;
    run.controller.abort(reason);
    await run.ended;
  }

  status(): SubTaskStatusMessage {
    const unit = this.#unit?.status() ?? this.#lastStatus;
    const epoch = (this.#unit as { readonly epoch?: number } | null)?.epoch ?? 0;
    return subtaskStatus({ name: this.name, state: this.#state, step: this.#steps[this.#step] ?? "sync", unit, epoch });
  }

  unitStatus(): UnitStatus | null {
    return this.#unit?.status() ?? this.#lastStatus;
  }

  #apply(event: SubtaskEvent): void {
    const before = this.#state;
    this.#state = nextState(before, event);
    if (before.stage !== this.#state.stage) this.#log.info("subtask stage changed", { from: before.stage, to: this.#state.stage });
  }

  async #endRun(): Promise<void> {
    const run = this.#run;
    if (run === null) return;
    run.isStopAsked = true;
    const unit = this.#unit;
    // A unit that is still being opened has nothing to finish.
    if (unit === null) run.controller.abort(new DOMException("the subtask is told to stop", "AbortError"));
    else await unit.stop(this.#waitOnStopMs);
    await run.ended;
  }

  async #work(run: { readonly controller: AbortController; readonly isStopAsked: boolean }): Promise<void> {
    const signal = run.controller.signal;
    try {
      const { config, start } = await this.#options.loadConfig();
      this.#config = config;
      this.#waitOnStopMs = start.waitTimeOnStopMs;
      this.#steps = stepsOf(config.mode);
      if (this.#isFirstRun) {
        const { world, worker, units, flagsUsed } = this.#options;
        this.#step = await units.firstStep(this.#steps, { world, config, start, worker, signal, flagsUsed });
        this.#isFirstRun = false;
      } else if (this.#step >= this.#steps.length) this.#step = 0;
      for (;;) {
        signal.throwIfAborted();
        const step = this.#steps[this.#step] as StepKind;
        if (step === "load") await this.#options.loadFiles.take();
        await this.#runUnit(step, config, start, signal);
        if (run.isStopAsked) break;
        if (step === "load") await this.#options.loadFiles.leave();
        if (this.#step + 1 >= this.#steps.length) return this.#apply({ kind: "allFinished" });
        this.#step++;
        this.#lastStatus = null;
      }
      this.#apply({ kind: "unitEnded" });
    } catch (error) {
      if (run.isStopAsked && (signal.aborted || isAbort(error))) return this.#apply({ kind: "unitEnded" });
      const coded = withNextStep(asCodedError(error));
      const unit = this.#unit?.kind ?? this.#lastStatus?.kind ?? "Sync";
      this.#log.error("unit failed", { unit, error: coded });
      this.#options.onFailed?.(unit, isResumable(coded));
      this.#apply({ kind: "failed", error: coded });
    } finally {
      this.#run = null;
    }
  }

  async #runUnit(step: StepKind, config: SubtaskConfig, start: StartOptions, signal: AbortSignal): Promise<void> {
    const { world, worker, units, flagsUsed } = this.#options;
    const opening = new AbortController();
    const timer = world.clock.timer(openUnitMsMax, () =>
      opening.abort(dmErrors.notSet([`opening the ${step} unit took over ${openUnitMsMax / 1000} s`])),
    );
    const onAbort = () => opening.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    let unit: Unit;
    try {
      // A unit may keep the signal for its whole life, so it gets the one that lives on; the time limit races beside it.
      unit = await withSignal(units.openUnit(step, { world, config, start, worker, signal, flagsUsed }), opening.signal);
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
    }
    this.#unit = unit;
    this.#syncControl = "handleError" in unit ? (unit as unknown as SyncControl) : null;
    this.#log.info("unit starts", { unit: unit.kind });
    try {
      await unit.run(signal);
      this.#log.info("unit ended", { unit: unit.kind });
    } finally {
      this.#lastStatus = unit.status();
      await unit[Symbol.asyncDispose]();
      this.#unit = null;
    }
  }
}

/** The promise's result, or the signal's reason; a unit that is opened too late is closed. */
async function withSignal(opening: Promise<Unit>, signal: AbortSignal): Promise<Unit> {
  signal.throwIfAborted();
  let onAbort = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([opening, aborted]);
  } catch (error) {
    void opening.then((unit) => unit[Symbol.asyncDispose]()).catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
