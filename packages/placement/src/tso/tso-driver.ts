/**
 * The oracle at work: what it asks for is made durable, then it moves; takers are answered at once as long as the present millisecond
 * has timestamps, and wait for the next move else.
 */
import type { Logger, World } from "@skein/base";
import { pdErrors } from "../errors.ts";
import type { Lead } from "../server/metadata.ts";
import { u64Bytes, u64Of } from "../server/metadata.ts";
import { type Metadata } from "../server/services.ts";
import { Oracle, type OraclePlan, type OracleTime } from "./core/oracle.ts";

export interface TsoOptions {
  readonly world: World;
  readonly metadata: Metadata;
  readonly lead: Lead;
  readonly log: Logger;
  readonly updateIntervalMs: number;
  readonly windowMs: number;
  /** The window could not be made durable: this member must not lead on. */
  readonly onBroken: (error: unknown) => void;
}

export interface TsoSource extends Disposable {
  /** The last of `count` in a row; null when there are none at once: `wait`, then ask again. Throws `notLeader`. */
  take(count: number): OracleTime | null;
  /** Calls when the oracle has moved. False when too many wait already. */
  wait(run: () => void): boolean;
  /** Sets the oracle forward. Throws `tsoReset`. */
  reset(to: OracleTime, options: { readonly gapMaxMs: number; readonly isLargerForced: boolean }): Promise<void>;
  readonly given: number;
}

const timestampKey = "timestamp";
const nsPerMs = 1_000_000n;
const waitingMax = 100_000;

export async function startTso(options: TsoOptions): Promise<TsoSource> {
  const source = new DrivenOracle(options);
  await source.begin();
  return source;
}

class DrivenOracle implements TsoSource {
  readonly #options: TsoOptions;
  readonly #oracle: Oracle;
  #waiting: (() => void)[] = [];
  #isMoving = false;
  #isClosed = false;
  #given = 0;
  #timer: { cancel(): void } | null = null;

  constructor(options: TsoOptions) {
    this.#options = options;
    this.#oracle = new Oracle(options.windowMs);
  }

  get given(): number {
    return this.#given;
  }

  async begin(): Promise<void> {
    const { metadata, world } = this.#options;
    const persisted = u64Of(metadata.keyOf(timestampKey), await metadata.get(timestampKey));
    // Rounded up: no timestamp may come twice.
    const persistedMs = Number((persisted + nsPerMs - 1n) / nsPerMs);
    await this.#carryOut(this.#oracle.begin(persistedMs, world.clock.nowMs()));
    this.#schedule();
  }

  take(count: number): OracleTime | null {
    if (count <= 0) throw pdErrors.tsoCount([]);
    if (!this.#options.lead.isValid() || this.#isClosed) throw pdErrors.notLeader([]);
    const time = this.#oracle.take(count);
    if (time === null) {
      this.#soon();
      return null;
    }
    this.#given += count;
    return time;
  }

  wait(run: () => void): boolean {
    if (this.#waiting.length >= waitingMax) return false;
    this.#waiting.push(run);
    return true;
  }

  async reset(to: OracleTime, options: { readonly gapMaxMs: number; readonly isLargerForced: boolean }): Promise<void> {
    while (this.#isMoving) await this.#options.world.clock.sleep(1);
    const plan = this.#oracle.reset(to, this.#options.world.clock.nowMs(), options);
    if (typeof plan === "string") throw pdErrors.tsoReset([plan]);
    this.#isMoving = true;
    try {
      await this.#carryOut(plan);
    } finally {
      this.#isMoving = false;
    }
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#wake();
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = this.#options.world.clock.timer(this.#options.updateIntervalMs, () => {
      this.#move();
      this.#schedule();
    });
  }

  /** The counter is used up: the interval need not be waited for, the next millisecond will do. */
  #soon(): void {
    if (this.#waiting.length > 0) return;
    this.#options.world.clock.timer(1, () => this.#move());
  }

  #move(): void {
    if (this.#isMoving || this.#isClosed) return;
    const plan = this.#oracle.plan(this.#options.world.clock.nowMs());
    if (plan === null) return this.#wake();
    if (plan.saveUntilMs === null) {
      this.#oracle.move(plan.nextMs);
      return this.#wake();
    }
    this.#isMoving = true;
    this.#carryOut(plan).then(
      () => {
        this.#isMoving = false;
        this.#wake();
      },
      (error: unknown) => {
        this.#isMoving = false;
        this.#isClosed = true;
        this.#options.log.error("the end of the timestamps cannot be saved", { error });
        this.#options.onBroken(error);
        this.#wake();
      },
    );
  }

  async #carryOut({ nextMs, saveUntilMs }: OraclePlan): Promise<void> {
    if (saveUntilMs !== null) {
      await this.#options.metadata.put(timestampKey, u64Bytes(BigInt(Math.ceil(saveUntilMs)) * nsPerMs));
      this.#oracle.saved(saveUntilMs);
    }
    this.#oracle.move(nextMs);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) run();
  }
}
