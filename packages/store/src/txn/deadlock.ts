/**
 * Looks for deadlocks across stores: the store that leads the region of the smallest key keeps the graph of all who wait, the
 * others tell it. When the leader moves the graph begins anew, and those who still wait are told again; a deadlock that is missed
 * meanwhile ends with the time of its locks.
 */
import type { Clock } from "@skein/base";
import type { RegionDescription } from "../region-kv.ts";
import { type Deadlock, type WaitEdge, WaitGraph } from "./core/wait-graph.ts";
import type { DeadlockDetector } from "./lock-wait.ts";

/** A line to the store that keeps the graph. */
export interface DetectorLine {
  detect(edge: WaitEdge): void;
  leave(edge: WaitEdge): void;
  close(): void;
}

export interface LeaderDetectorOptions {
  readonly clock: Clock;
  /**
   * Opens a line to the leader of the first region; null when that is this store, or it is not known. `found` is called for each
   * deadlock, `lost` once when the line breaks.
   */
  readonly connect?: (found: (edge: WaitEdge, deadlock: Deadlock) => void, lost: () => void) => Promise<DetectorLine | null>;
}

/** After a failed try, and while the leader is not known. */
const retryMs = 500;
/** Then the leader is asked for again: it may have moved without the line's breaking. */
const lineLifeMs = 5_000;

interface Waiting {
  readonly edge: WaitEdge;
  readonly found: (deadlock: Deadlock) => void;
}

export class LeaderDetector implements DeadlockDetector {
  readonly graph = new WaitGraph();
  readonly #options: LeaderDetectorOptions;
  readonly #waiting = new Map<string, Waiting>();
  #firstRegion: { readonly id: number; readonly term: number } | null = null;
  #line: DetectorLine | null = null;
  #lineSinceMs = 0;
  #isConnecting = false;
  #notBeforeMs = 0;
  #isClosed = false;

  constructor(options: LeaderDetectorOptions) {
    this.#options = options;
  }

  /** For `RegionKv.onLead`: with the first region the graph came here. */
  readonly began = (region: RegionDescription, term: number): void => {
    if (region.startKey.length > 0) return;
    if (this.#firstRegion?.term !== term) this.graph.clear();
    this.#firstRegion = { id: region.id, term };
    this.#line?.close();
    this.#line = null;
    for (const waiting of this.#waiting.values()) this.#detectHere(waiting);
  };

  enter(edge: WaitEdge, found: (deadlock: Deadlock) => void): void {
    const waiting: Waiting = { edge, found };
    this.#waiting.set(nameOf(edge), waiting);
    if (this.#options.connect === undefined) return this.#detectHere(waiting);
    if (this.#line !== null && this.#options.clock.monotonicMs() - this.#lineSinceMs > lineLifeMs) {
      this.#line.close();
      this.#line = null;
    }
    if (this.#line !== null) this.#line.detect(edge);
    else {
      // Until somebody says otherwise, what waits here is at least compared with what waits here.
      this.#detectHere(waiting);
      void this.#connect();
    }
  }

  leave(edge: WaitEdge): void {
    this.#waiting.delete(nameOf(edge));
    this.graph.remove(edge);
    this.#line?.leave(edge);
  }

  close(): void {
    this.#isClosed = true;
    this.#line?.close();
    this.#line = null;
  }

  #detectHere({ edge, found }: Waiting): void {
    const deadlock = this.graph.detect(edge, this.#options.clock.nowMs());
    if (deadlock !== null) found(deadlock);
  }

  async #connect(): Promise<void> {
    const { connect, clock } = this.#options;
    if (connect === undefined || this.#isConnecting || this.#isClosed || clock.monotonicMs() < this.#notBeforeMs) return;
    this.#isConnecting = true;
    this.#notBeforeMs = clock.monotonicMs() + retryMs;
    try {
      let isLost = false;
      let opened: DetectorLine | null = null;
      const line = await connect(
        (edge, deadlock) => this.#waiting.get(nameOf(edge))?.found(deadlock),
        () => {
          isLost = true;
          if (opened !== null && this.#line === opened) this.#line = null;
        },
      );
      opened = line;
      if (line === null || isLost) return;
      if (this.#isClosed) return line.close();
      this.#line = line;
      this.#lineSinceMs = clock.monotonicMs();
      for (const { edge } of this.#waiting.values()) line.detect(edge);
    } catch {
      // The leader cannot be reached: the next one who waits tries again.
    } finally {
      this.#isConnecting = false;
    }
  }
}

function nameOf({ txn, waitFor, keyHash }: WaitEdge): string {
  return `${txn}/${waitFor}/${keyHash}`;
}
