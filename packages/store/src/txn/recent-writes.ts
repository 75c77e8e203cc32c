/**
 * What this store's commands wrote of late, so that a transaction that is young need not ask the engine for the newest versions of
 * its keys: an iterator costs many times what all the rest of a command does.
 *
 *   a timestamp   before the floor               at or behind the floor, the region's and that of what was forgotten
 *   a key         ask the engine                 not known here: nothing was written to it since
 *
 * The floor of a region is the first timestamp that the placement driver gave in the term: whatever was committed under another
 * leader chose its timestamp before. In the term all writes pass here, under the latches of their keys, and are noted before they
 * are handed to the region, so that those of which nobody learns what became of them are known, too.
 */
import type { RegionDescription } from "../region-kv.ts";
import type { NotedWrite, Version } from "./core/key-state.ts";

/** One time of leading a region: another one is another object. */
export interface LedTerm {
  readonly region: RegionDescription;
  readonly term: number;
  /** Given by the placement driver in this term; null: not yet. */
  readonly floorTs: bigint | null;
}

interface Recent {
  /** No record of the key that was written since the floor is behind it. */
  maxTs: bigint;
  /** The newest put or delete, under `led`; null: not known. */
  newest: Version | null;
  led: LedTerm | null;
}

/** Of each of two generations. With a short value each takes half a kilobyte. */
const keysMax = 16_384;

export class RecentWrites {
  #young = new Map<string, Recent>();
  #old = new Map<string, Recent>();
  #youngTs = 0n;
  #oldTs = 0n;
  /** Of what was forgotten. */
  #floorTs = 0n;
  readonly #keysMax: number;

  constructor(options: { readonly keysMax?: number } = {}) {
    this.#keysMax = options.keysMax ?? keysMax;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /**
   * What `KeyState.versions` has for a transaction that began at `startTs`; null: the engine must be asked. With `isPresent` false
   * only versions from the start on count, and there are none when the answer is not null.
   */
  versionsOf(name: string, led: LedTerm, startTs: bigint, isPresent: boolean): Version[] | null {
    if (led.floorTs === null || startTs <= led.floorTs || startTs <= this.#floorTs) return null;
    const recent = this.#young.get(name) ?? this.#old.get(name);
    if (recent === undefined) return isPresent ? null : [];
    if (recent.maxTs >= startTs) return null;
    if (recent.newest !== null && recent.led === led) return [recent.newest];
    return isPresent ? null : [];
  }

  /** The newest put or delete at or before `ts`; null: the engine must be asked. */
  newestAt(name: string, led: LedTerm, ts: bigint): Version | null {
    const recent = this.#young.get(name) ?? this.#old.get(name);
    if (recent === undefined || recent.newest === null || recent.led !== led || recent.newest.commitTs > ts) return null;
    return recent.newest;
  }

  /** Before the writes are handed to the region. */
  begin(noted: readonly NotedWrite[], led: LedTerm | null): void {
    for (const { state, commitTs } of noted) {
      const { name } = state;
      let recent = this.#young.get(name);
      if (recent === undefined) {
        const old = this.#old.get(name);
        recent = { maxTs: old?.maxTs ?? 0n, newest: old?.newest ?? null, led: old?.led ?? null };
        if (this.#young.size >= this.#keysMax) this.#turn();
        this.#young.set(name, recent);
      }
      if (commitTs > recent.maxTs) recent.maxTs = commitTs;
      if (recent.maxTs > this.#youngTs) this.#youngTs = recent.maxTs;
      // Until it is known that they are there.
      if (recent.led !== led) recent.newest = null;
      recent.led = null;
    }
  }

  /** The writes are applied: what is read from now on has them. */
  done(noted: readonly NotedWrite[], led: LedTerm | null): void {
    if (led === null) return;
    for (const { state, commitTs, write, isAgain } of noted) {
      const recent = this.#young.get(state.name) ?? this.#old.get(state.name);
      if (recent === undefined) continue;
      const isChange = write.kind === "put" || write.kind === "delete";
      // A commit is behind all that were there when its lock was taken. What is only written again need not be the newest.
      if (isChange && (recent.newest === null ? !isAgain : recent.newest.commitTs <= commitTs)) {
        // The bytes of a request's value are a part of all that came with it.
        const shortValue = write.shortValue === null ? null : new Uint8Array(write.shortValue);
        recent.newest = { commitTs, write: { ...write, shortValue } };
      }
      recent.led = led;
    }
  }

  /** Versions were taken away without regard to transactions. */
  forgetVersions(): void {
    for (const generation of [this.#young, this.#old])
      for (const recent of generation.values()) {
        recent.newest = null;
        recent.led = null;
      }
  }

  #turn(): void {
    if (this.#oldTs > this.#floorTs) this.#floorTs = this.#oldTs;
    this.#old = this.#young;
    this.#oldTs = this.#youngTs;
    this.#young = new Map();
    this.#youngTs = 0n;
  }
}
