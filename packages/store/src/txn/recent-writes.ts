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
import type { Changes, Version } from "./core/key-state.ts";
import type { Lock } from "./core/records.ts";

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
  /** Under `led`; null: none. */
  lock: Lock | null;
  /** Null: what became of the last write is not known, or not yet. */
  led: LedTerm | null;
}

/** Of the keys that a command changes, what it says of them. */
export type RecentChanges = Pick<Changes, "states" | "noted">;

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
    const recent = this.#at(name);
    if (recent === undefined) return isPresent ? null : [];
    if (recent.maxTs >= startTs) return null;
    if (recent.newest !== null && recent.led === led) return [recent.newest];
    return isPresent ? null : [];
  }

  /** The newest put or delete at or before `ts`; null: the engine must be asked. */
  newestAt(name: string, led: LedTerm, ts: bigint): Version | null {
    const recent = this.#at(name);
    if (recent === undefined || recent.newest === null || recent.led !== led || recent.newest.commitTs > ts) return null;
    return recent.newest;
  }

  /** For a command that has the key's latch: all before it are done. Undefined: the engine must be asked. */
  lockOf(name: string, led: LedTerm): Lock | null | undefined {
    const recent = this.#at(name);
    return recent !== undefined && recent.led === led ? recent.lock : undefined;
  }

  /** Before the writes are handed to the region. */
  begin({ states, noted }: RecentChanges, led: LedTerm | null): void {
    for (const { name } of states) {
      let recent = this.#young.get(name);
      if (recent === undefined) {
        recent = this.#old.get(name) ?? { maxTs: 0n, newest: null, lock: null, led: null };
        if (this.#young.size >= this.#keysMax) this.#turn();
        this.#young.set(name, recent);
        this.#youngTs = later(this.#youngTs, recent.maxTs);
      }
      if (recent.led !== led) recent.newest = null;
      // Until it is known that they are there.
      recent.led = null;
    }
    for (const { state, commitTs } of noted) {
      // Of a command with very many keys the first may have been forgotten for the last.
      const young = this.#young.get(state.name);
      const recent = young ?? this.#old.get(state.name);
      if (recent !== undefined && commitTs > recent.maxTs) recent.maxTs = commitTs;
      if (young !== undefined) this.#youngTs = later(this.#youngTs, commitTs);
      else if (recent !== undefined) this.#oldTs = later(this.#oldTs, commitTs);
      else this.#floorTs = later(this.#floorTs, commitTs);
    }
  }

  /** The writes are applied: what is read from now on has them. */
  done({ states, noted }: RecentChanges, led: LedTerm | null): void {
    if (led === null) return;
    for (const { state, commitTs, write, isAgain } of noted) {
      const recent = this.#at(state.name);
      const isChange = write.kind === "put" || write.kind === "delete";
      // A commit is behind all that were there when its lock was taken. What is only written again need not be the newest.
      if (recent !== undefined && isChange && (recent.newest === null ? !isAgain : recent.newest.commitTs <= commitTs))
        recent.newest = { commitTs, write: { ...write, shortValue: copyOf(write.shortValue) } };
    }
    for (const { name, lock } of states) {
      const recent = this.#at(name);
      if (recent === undefined) continue;
      recent.lock = lock === null ? null : ownLock(lock);
      recent.led = led;
    }
  }

  #at(name: string): Recent | undefined {
    return this.#young.get(name) ?? this.#old.get(name);
  }

  /** Locks and versions were taken away without regard to transactions. */
  forgetAll(): void {
    for (const generation of [this.#young, this.#old])
      for (const recent of generation.values()) {
        recent.newest = null;
        recent.led = null;
      }
  }

  #turn(): void {
    this.#floorTs = later(this.#floorTs, this.#oldTs);
    this.#old = this.#young;
    this.#oldTs = this.#youngTs;
    this.#young = new Map();
    this.#youngTs = 0n;
  }
}

const later = (a: bigint, b: bigint) => (a > b ? a : b);

/** The bytes of a request are a part of all that came with it: what is kept has bytes of its own. */
function copyOf(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : new Uint8Array(bytes);
}

function ownLock(lock: Lock): Lock {
  const { primary, shortValue, secondaries } = lock;
  return {
    ...lock,
    primary: new Uint8Array(primary),
    shortValue: copyOf(shortValue),
    secondaries: secondaries === null ? null : secondaries.map((key) => new Uint8Array(key)),
  };
}
