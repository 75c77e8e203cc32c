/**
 * The log as the core sees it: what is durable (a LogView), and behind it what is not yet.
 *
 *   snapshot │ durable entries …………… │ unstable entries ……………
 *            └ view.firstIndex         └ offset            └ lastIndex
 *                        ▲ applied ≤ committed
 */
import { assert } from "@skein/base";
import type { Entry, LogView, SnapshotMeta } from "./types.ts";

export class RaftLog {
  readonly #view: LogView;
  /** Entries from `#offset` on that the driver has not reported as durable. */
  #unstable: Entry[] = [];
  #offset: number;
  /** How many of the unstable entries were handed to the driver. */
  #handedOut = 0;
  /** Readies with entries that were taken and not reported; those of them whose entries were replaced since. */
  #reportsDue = 0;
  #reportsVoid = 0;
  /** A snapshot that replaces everything, not yet durable. */
  #snapshot: SnapshotMeta | undefined;
  #snapshotHandedOut = false;
  committed: number;
  /** Handed to the state machine. */
  applying: number;
  applied: number;

  readonly #applyingMax: number;

  constructor(view: LogView, committed: number, applied: number, applyingMax: number) {
    this.#view = view;
    this.#applyingMax = applyingMax;
    this.#offset = view.lastIndex + 1;
    this.committed = Math.max(committed, view.firstIndex - 1);
    this.applied = Math.max(applied, view.firstIndex - 1);
    this.applying = this.applied;
  }

  get firstIndex(): number {
    return this.#snapshot === undefined ? this.#view.firstIndex : this.#snapshot.index + 1;
  }
  get lastIndex(): number {
    if (this.#unstable.length > 0) return this.#offset + this.#unstable.length - 1;
    return this.#snapshot === undefined ? Math.min(this.#view.lastIndex, this.#offset - 1) : this.#snapshot.index;
  }
  get lastTerm(): number {
    const term = this.term(this.lastIndex);
    assert(term !== undefined, "the last entry has a term");
    return term;
  }
  /** The last index that is on this peer's own disk. */
  get durableIndex(): number {
    return this.#snapshot === undefined ? this.#offset - 1 : 0;
  }

  /** Undefined when the index is compacted away or behind the end. */
  term(index: number): number | undefined {
    if (this.#snapshot !== undefined) {
      if (index === this.#snapshot.index) return this.#snapshot.term;
      if (index < this.#snapshot.index) return undefined;
    }
    if (index >= this.#offset) return this.#unstable[index - this.#offset]?.term;
    return this.#snapshot === undefined ? this.#view.term(index) : undefined;
  }

  /** Entries from `from` to the end, cut at `bytesMax`; null when `from` is compacted away. */
  entries(from: number, bytesMax: number, to = this.lastIndex + 1): readonly Entry[] | null {
    if (from < this.firstIndex) return null;
    if (from >= to) return [];
    const out: Entry[] = [];
    let bytes = 0;
    if (from < this.#offset) {
      for (const entry of this.#view.entries(from, Math.min(to, this.#offset), bytesMax)) {
        bytes += entry.data.length;
        out.push(entry);
      }
      if (from + out.length < Math.min(to, this.#offset)) return out;
    }
    for (let index = Math.max(from, this.#offset); index < to; index++) {
      const entry = this.#unstable[index - this.#offset] as Entry;
      bytes += entry.data.length;
      if (out.length > 0 && bytes > bytesMax) break;
      out.push(entry);
    }
    return out;
  }

  matches(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  /** Whether a log that ends there has everything that this one has committed, or could have (paper §5.4.1). */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.index > this.committed, `entry ${first.index} would replace what is committed (${this.committed})`);
    if (first.index <= this.lastIndex) this.#truncate(first.index);
    assert(first.index === this.lastIndex + 1, `entry ${first.index} leaves a gap after ${this.lastIndex}`);
    this.#unstable.push(...entries);
  }

  /** Follower's append: false when the logs do not agree at `prevIndex`; else the index up to which they now agree. */
  appendFrom(prevIndex: number, prevTerm: number, entries: readonly Entry[]): number | false {
    if (!this.matches(prevIndex, prevTerm)) return false;
    const conflict = entries.findIndex((entry) => !this.matches(entry.index, entry.term));
    if (conflict !== -1) this.append(entries.slice(conflict));
    return prevIndex + entries.length;
  }

  /** The last index at or before `index` with a term at or below `term`: where two logs may agree. */
  conflictHint(index: number, term: number): { readonly index: number; readonly term: number } {
    let at = Math.min(index, this.lastIndex);
    for (;;) {
      const ours = this.term(at);
      if (ours === undefined || ours <= term || at < this.firstIndex) return { index: at, term: ours ?? 0 };
      at--;
    }
  }

  commitTo(index: number): boolean {
    if (index <= this.committed) return false;
    assert(index <= this.lastIndex, `commit ${index} is behind the end of the log (${this.lastIndex})`);
    this.committed = index;
    return true;
  }

  /** A snapshot that this peer received: log and state machine start anew from it. */
  restore(snapshot: SnapshotMeta): void {
    this.#snapshot = snapshot;
    this.#snapshotHandedOut = false;
    this.#unstable = [];
    this.#offset = snapshot.index + 1;
    this.#handedOut = 0;
    this.#reportsVoid = this.#reportsDue;
    this.committed = snapshot.index;
  }

  /** Something is to be persisted or applied. */
  get hasWork(): boolean {
    if (this.#unstable.length > this.#handedOut) return true;
    return this.#snapshot === undefined ? this.#mayHandOut : !this.#snapshotHandedOut;
  }
  /** Committed entries are there that may be applied now. */
  get #mayHandOut(): boolean {
    return this.applying < this.committed && this.applying - this.applied < this.#applyingMax;
  }

  takeUnstable(): { readonly entries: readonly Entry[]; readonly snapshot: SnapshotMeta | undefined } {
    const entries = this.#unstable.slice(this.#handedOut);
    this.#handedOut = this.#unstable.length;
    if (entries.length > 0) this.#reportsDue++;
    const snapshot = this.#snapshotHandedOut ? undefined : this.#snapshot;
    this.#snapshotHandedOut = true;
    return { entries, snapshot };
  }

  /**
   * Entries up to `index`, as they were in `term`, are durable. A report about entries that were replaced since is nothing, also when
   * the same ones have come back: what replaced them meanwhile is yet to be written, over them.
   */
  persisted(index: number, term: number): void {
    this.#reportsDue = Math.max(0, this.#reportsDue - 1);
    if (this.#reportsVoid > 0) {
      this.#reportsVoid--;
      return;
    }
    if (index < this.#offset || this.term(index) !== term) return;
    const count = index - this.#offset + 1;
    this.#unstable = this.#unstable.slice(count);
    this.#handedOut = Math.max(0, this.#handedOut - count);
    this.#offset = index + 1;
  }

  snapshotPersisted(index: number): void {
    if (this.#snapshot?.index !== index) return;
    this.#snapshot = undefined;
    this.applied = Math.max(this.applied, index);
    this.applying = Math.max(this.applying, index);
  }

  /** Committed entries that were not handed out yet. Nothing is applied while a received snapshot is not durable. */
  takeCommitted(bytesMax: number): readonly Entry[] {
    if (this.#snapshot !== undefined || !this.#mayHandOut) return [];
    const entries = this.entries(this.applying + 1, bytesMax, this.committed + 1);
    assert(entries !== null, "what is not applied is not compacted");
    this.applying += entries.length;
    return entries;
  }

  #truncate(from: number): void {
    this.#reportsVoid = this.#reportsDue;
    if (from >= this.#offset) this.#unstable = this.#unstable.slice(0, from - this.#offset);
    else {
      // The durable tail is replaced: the driver overwrites it with what is handed out next.
      this.#unstable = [];
      this.#offset = from;
    }
    this.#handedOut = Math.min(this.#handedOut, this.#unstable.length);
  }
}
