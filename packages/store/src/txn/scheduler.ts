/**
 * Runs commands that read and then write: latches on the keys → snapshot → act → write in the term of the snapshot.
 *
 * In a newer term the decision may be wrong, as another leader may have written in between: the write is refused then. What the
 * memory locks of a command promise to readers holds until its writes are applied, or can never be.
 */
import { compareBytes } from "@skein/base";
import type { EngineReader } from "../engine/engine.ts";
import { type RegionContext, type RegionDescription, RegionError, type RegionKv, type RegionWrite } from "../region-kv.ts";
import { type ConcurrencyManager, nameOf } from "./concurrency.ts";
import { Changes } from "./core/key-state.ts";
import type { Lock } from "./core/records.ts";
import { Latches } from "./latches.ts";
import type { LedTerm, RecentWrites } from "./recent-writes.ts";

export interface Acting {
  readonly reader: EngineReader;
  readonly region: RegionDescription;
  readonly term: number;
  /** Null: nobody told that the term began. */
  readonly led: LedTerm | null;
  readonly changes: Changes;
  /** In the step that read `maxTs`: from now on readers meet these. */
  hold(locks: readonly { readonly key: Uint8Array; readonly lock: Lock }[]): void;
  /** Runs when the writes are decided, or there are none, while the latches are still held. */
  afterwards(run: () => void): void;
}

/** When the caller stops waiting: a command that has not begun by then is not worth its work. By the monotonic clock. */
export interface CommandContext extends RegionContext {
  readonly deadlineMs?: number;
}

export interface SchedulerOptions {
  readonly kv: RegionKv;
  readonly nowMs: () => number;
  readonly concurrency: ConcurrencyManager;
  readonly recent: RecentWrites;
  readonly led: (regionId: number, term: number) => LedTerm | null;
  /** Keys whose locks are gone, once that is visible. */
  readonly released: (keys: readonly Uint8Array[]) => void;
  /** More at once are refused as busy. */
  readonly commandsMax?: number;
  readonly pendingBytesMax?: number;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #latches = new Latches();
  #running = 0;
  #pendingBytes = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running;
  }
  get waiting(): number {
    return this.#latches.waiting;
  }

  /** `keys` are the engine's, `names` the same as keys of a Map. Rejects with a `RegionError`. */
  async run<T>(
    context: CommandContext,
    keys: readonly Uint8Array[],
    act: (acting: Acting) => Promise<T> | T,
    names: readonly string[] = keys.map(nameOf),
  ): Promise<T> {
    if (this.#running >= (this.#options.commandsMax ?? 20_000) || this.#pendingBytes > (this.#options.pendingBytesMax ?? 100 * 1024 * 1024))
      throw new RegionError({ kind: "serverIsBusy", reason: "scheduler is busy", backoffMs: 0 }, "too many commands at once");
    this.#running++;
    const { ready, release } = this.#latches.acquire(names);
    let held: Disposable | null = null;
    try {
      if (ready !== null) await ready;
      context.signal?.throwIfAborted();
      if (context.deadlineMs !== undefined && this.#options.nowMs() > context.deadlineMs)
        throw new RegionError({ kind: "serverIsBusy", reason: "deadline is exceeded", backoffMs: 0 }, "deadline is exceeded");
      const changes = new Changes();
      let last: (() => void) | null = null;
      let answer: T;
      let term: number;
      let led: LedTerm | null;
      {
        using snapshot = await this.#options.kv.snapshot(context);
        for (const key of keys) checkInRegion(key, snapshot.region);
        ({ term } = snapshot);
        led = this.#options.led(snapshot.region.id, term);
        answer = await act({
          reader: snapshot.reader,
          region: snapshot.region,
          term,
          led,
          changes,
          hold: (locks) => {
            held = this.#options.concurrency.hold(locks);
          },
          afterwards: (run) => {
            last = run;
          },
        });
      }
      if (changes.writes.length > 0) {
        const size = sizeOf(changes.writes);
        const { recent } = this.#options;
        this.#pendingBytes += size;
        recent.begin(changes, led);
        try {
          await this.#options.kv.write(context, term, changes.writes);
        } finally {
          this.#pendingBytes -= size;
        }
        recent.done(changes, led);
      }
      (last as (() => void) | null)?.();
      // Locks that are gone for readers must be gone from memory, too, before others are told.
      (held as Disposable | null)?.[Symbol.dispose]();
      held = null;
      if (changes.unlocked.length > 0) this.#options.released(changes.unlocked);
      return answer;
    } finally {
      (held as Disposable | null)?.[Symbol.dispose]();
      release();
      this.#running--;
    }
  }
}

export function checkInRegion(key: Uint8Array, region: RegionDescription): void {
  if (compareBytes(key, region.startKey) < 0 || (region.endKey.length > 0 && compareBytes(key, region.endKey) >= 0))
    throw new RegionError({ kind: "keyNotInRegion", key, region }, `key is not in region ${region.id}`);
}

function sizeOf(writes: readonly RegionWrite[]): number {
  let size = 0;
  for (const write of writes) size += 32 + (write.kind === "put" ? write.key.length + write.value.length : 0);
  return size;
}
