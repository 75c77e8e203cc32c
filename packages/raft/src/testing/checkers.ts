/**
 * The invariants of SPEC.md as a cluster's run is watched: what is written, applied, led and read is told to the checkers, which
 * throw at the first event that breaks a rule. They remember what was, so that a rule is broken also by what was seen long ago.
 */
import type { Entry, PeerId } from "../core/types.ts";

/** An entry, and what stood before it in the log that it was first seen in. */
interface Written {
  readonly data: Uint8Array;
  readonly kind: Entry["kind"];
  readonly previousTerm: number;
}

interface Committed {
  readonly entry: Entry;
  /** The newest term that anyone had led when it was first seen applied: its leader's term is not above it. */
  readonly termMax: number;
}

export class Checkers {
  /** `index/term` → what was first written there. */
  readonly #written = new Map<string, Written>();
  /** By index: the entry that was first seen applied there. */
  readonly committed = new Map<number, Committed>();
  readonly #leaders = new Map<number, PeerId>();
  /** The newest term that anyone led. */
  termMax = 0;
  /** The highest index whose proposal was acknowledged: seen applied by the leader that had proposed it. */
  acknowledged = 0;

  /** R2: two logs with the same term at an index have the same entry there, and the same term before it; so all before it agrees. */
  wrote(peer: PeerId, entries: readonly Entry[], termBefore: number | undefined): void {
    let previousTerm = termBefore;
    for (const { index, term, data, kind } of entries) {
      if (previousTerm !== undefined) {
        if (previousTerm > term) throw new Error(`R2: peer ${peer} has term ${term} at ${index}, after term ${previousTerm}`);
        const key = `${index}/${term}`;
        const known = this.#written.get(key);
        if (known === undefined) this.#written.set(key, { data, kind, previousTerm });
        else if (known.previousTerm !== previousTerm || known.kind !== kind || !isSame(known.data, data))
          throw new Error(
            `R2: peer ${peer} has another entry at ${index} of term ${term}, or another term before it (${previousTerm}, was ${known.previousTerm})`,
          );
      }
      previousTerm = term;
    }
  }

  /** R3: whoever applies an index applies the same entry there. */
  applied(peer: PeerId, entry: Entry): void {
    const known = this.committed.get(entry.index);
    if (known === undefined) this.committed.set(entry.index, { entry, termMax: this.termMax });
    else if (known.entry.term !== entry.term || !isSame(known.entry.data, entry.data))
      throw new Error(`R3: peer ${peer} applies another entry at ${entry.index} (term ${entry.term}, was ${known.entry.term})`);
  }

  /**
   * R1: one leader a term. R4: its log has everything that was committed in earlier terms. `termAt` is of its durable log:
   * undefined where a snapshot took the entries' place.
   */
  led(peer: PeerId, term: number, lastIndex: number, termAt: (index: number) => number | undefined): void {
    const known = this.#leaders.get(term);
    if (known === peer) return;
    if (known !== undefined) throw new Error(`R1: ${known} and ${peer} both lead term ${term}`);
    this.#leaders.set(term, peer);
    for (const [index, { entry, termMax }] of this.committed) {
      if (termMax >= term) continue; // it may have been elected late: by messages of a time before that commit
      const own = termAt(index);
      if (index > lastIndex || (own !== undefined && own !== entry.term))
        throw new Error(`R4: leader ${peer} of term ${term} lacks entry ${index} of term ${entry.term} (its log ends at ${lastIndex})`);
    }
    this.termMax = Math.max(this.termMax, term);
  }

  /** R3 for those that are at rest: what is settled in a log is what was committed there. */
  settled(peer: PeerId, index: number, term: number | undefined): void {
    const known = this.committed.get(index);
    if (known !== undefined && term !== undefined && term !== known.entry.term)
      throw new Error(`R2: peer ${peer} has term ${term} at ${index}, where ${known.entry.term} is committed`);
  }

  /** R6: a read sees what was acknowledged before it was asked. */
  read(peer: PeerId, context: string, index: number, atLeast: number): void {
    if (index < atLeast)
      throw new Error(`R6: read ${context} at peer ${peer} was given ${index}, though ${atLeast} was acknowledged before`);
  }

  /** R9: while a lease runs nobody leads a newer term, and a read that rests on it sees everything that was acknowledged. */
  leased(peer: PeerId, term: number, committed: number): void {
    if (this.termMax > term)
      throw new Error(`R9: peer ${peer} rests on its lease of term ${term}, though ${this.#leaders.get(this.termMax)} led ${this.termMax}`);
    if (committed < this.acknowledged)
      throw new Error(`R9: peer ${peer} may read at ${committed} by its lease, though ${this.acknowledged} was acknowledged`);
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));
}
