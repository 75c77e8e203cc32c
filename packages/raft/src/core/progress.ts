/**
 * What a leader knows of one peer.
 *
 *   probe ──answer agrees──▶ replicate ──rejected or unreachable──▶ probe
 *     └───────── its log is compacted away ─────────▶ snapshot ──installed or failed──▶ probe
 *
 * probe: one message at a time, until the logs are known to agree. replicate: appends are pipelined, `inflightMax` of them.
 * snapshot: nothing is sent until the snapshot is there.
 */
import { assertNever } from "@skein/base";
import type { PeerId } from "./types.ts";

export type ProgressState =
  | { readonly kind: "probe"; paused: boolean }
  | { readonly kind: "replicate"; inflight: number[] }
  | { readonly kind: "snapshot"; readonly index: number };

export class Progress {
  readonly peer: PeerId;
  /** The highest index known to be durable at the peer. */
  match = 0;
  /** The next index to send. */
  next: number;
  state: ProgressState = { kind: "probe", paused: false };
  /** The commit index that it was told last, as far as its log reaches. */
  sentCommit = 0;
  /** The last round of heartbeats that it answered. */
  heardRound = 0;
  /** Heard of since the last check of the quorum. */
  isActive = true;

  constructor(peer: PeerId, next: number) {
    this.peer = peer;
    this.next = next;
  }

  isPaused(inflightMax: number): boolean {
    switch (this.state.kind) {
      case "probe":
        return this.state.paused;
      case "replicate":
        return this.state.inflight.length >= inflightMax;
      case "snapshot":
        return true;
      default:
        return assertNever(this.state);
    }
  }

  /** An append that ends at `lastIndex` is on its way. */
  sent(lastIndex: number, entryCount: number): void {
    if (this.state.kind === "probe") this.state.paused = true;
    else if (this.state.kind === "replicate" && entryCount > 0) {
      this.next = lastIndex + 1;
      this.state.inflight.push(lastIndex);
    }
  }

  sentSnapshot(index: number): void {
    this.state = { kind: "snapshot", index };
    this.next = index + 1;
  }

  /** The peer has everything up to `index`. True when that is news. */
  agreed(index: number): boolean {
    const isNews = index > this.match;
    if (isNews) this.match = index;
    this.next = Math.max(this.next, index + 1);
    if (this.state.kind === "probe" || (this.state.kind === "snapshot" && index >= this.state.index)) {
      this.state = { kind: "replicate", inflight: [] };
      this.next = this.match + 1;
    } else if (this.state.kind === "replicate") {
      const { inflight } = this.state;
      let done = 0;
      while (done < inflight.length && (inflight[done] as number) <= index) done++;
      inflight.splice(0, done);
    }
    return isNews;
  }

  /** The peer refused an append after `prevIndex`; `hintIndex` is where it may agree. False when the answer is an old one. */
  rejected(prevIndex: number, hintIndex: number): boolean {
    if (this.state.kind === "replicate") {
      if (prevIndex <= this.match) return false;
      this.state = { kind: "probe", paused: false };
      this.next = this.match + 1;
      return true;
    }
    if (this.next - 1 !== prevIndex) return false;
    this.next = Math.max(Math.min(prevIndex, hintIndex + 1), this.match + 1, 1);
    if (this.state.kind === "probe") this.state.paused = false;
    return true;
  }

  becomeProbe(): void {
    this.next = this.state.kind === "snapshot" ? Math.max(this.match + 1, this.state.index + 1) : this.match + 1;
    this.state = { kind: "probe", paused: false };
  }

  /** A heartbeat was answered: a probe that was lost may be sent again, and one place of a full window is freed. */
  heardOf(inflightMax: number): void {
    this.isActive = true;
    if (this.state.kind === "probe") this.state.paused = false;
    else if (this.state.kind === "replicate" && this.state.inflight.length >= inflightMax) this.state.inflight.shift();
  }
}
