/** Engine snapshots of readers: all reads between two batches share one. */
import type { Engine, EngineSnapshot } from "../engine/engine.ts";

export class ReadSnapshots {
  readonly #engine: Engine;
  #current: SharedSnapshot | null = null;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  take(): SharedSnapshot {
    this.#current ??= new SharedSnapshot(this.#engine.snapshot());
    return this.#current.take();
  }

  /** Something was written: the next one to read takes a new one. */
  forget(): void {
    this.#current?.release();
    this.#current = null;
  }
}

/** Goes when its last holder lets go. */
export class SharedSnapshot {
  readonly snapshot: EngineSnapshot;
  #holders = 1;
  constructor(snapshot: EngineSnapshot) {
    this.snapshot = snapshot;
  }
  take(): this {
    this.#holders++;
    return this;
  }
  release(): void {
    if (--this.#holders === 0) this.snapshot[Symbol.dispose]();
  }
}
