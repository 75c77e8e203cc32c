/** How logs stay short: leaders propose where they may begin, and what is before that goes when the engine is durable. */
import type { Peer } from "./peer.ts";
import type { RaftStore } from "./raft-store.ts";

export class LogGc {
  readonly #store: RaftStore;
  readonly #segmentsMax: number;
  /** Up to where logs may be given up, once the engine is durable. */
  readonly #compactions = new Map<Peer, number>();
  #isUnderWay = false;
  /** No other frame of the log may be begun. */
  isCollecting = false;

  constructor(store: RaftStore, segmentsMax: number) {
    this.#store = store;
    this.#segmentsMax = segmentsMax;
  }

  compacted(peer: Peer, index: number): void {
    this.#compactions.set(peer, index);
  }
  forget(peer: Peer): void {
    this.#compactions.delete(peer);
  }

  /** The position before the entries that are given up: what everyone has, or, when the log is long, what is applied here. */
  propose(peer: Peer): void {
    const { options, log } = { options: this.#store.options, log: peer.log };
    const first = peer.truncated.index + 1;
    // A compaction is an entry, too: a log of a few must not be compacted for ever.
    if (peer.kind !== "normal" || peer.applied - first <= 5) return;
    let everywhere = peer.applied;
    for (const { peer: id, match } of peer.raft.progress.values()) if (id !== peer.id) everywhere = Math.min(everywhere, match);
    const isLong =
      peer.applied - first >= options.logGcCountMax ||
      (everywhere < peer.applied && (log.isLongerThan(options.logGcBytesMax) || this.#store.log.isHeldUpBy(log)));
    const index = (isLong ? peer.applied : everywhere) - 1;
    if (index < first) return;
    if (index - first < options.logGcThreshold && ++peer.compactHeldTicks < options.logReserveRounds) return;
    peer.compactHeldTicks = 0;
    const compactIndex = Math.min(index, peer.applied - 3);
    const term = log.term(compactIndex);
    if (compactIndex < first || term === undefined) return;
    this.#store.background(this.#store.propose(peer, { kind: "compactLog", index: compactIndex, term }).catch(() => {}));
  }

  /** What was compacted leaves the log once the engine is durable up to there (SPEC S2). */
  collect(): void {
    if (this.#isUnderWay || this.#store.isClosed) return;
    const compactions = [...this.#compactions];
    if (compactions.length === 0 && this.#store.log.segmentCount <= this.#segmentsMax) return;
    this.#compactions.clear();
    const work = async (): Promise<void> => {
      try {
        await this.#store.engine.sync();
        this.isCollecting = true; // no other frame is begun
        while (this.#store.isWriting) await this.#store.turnEnd();
        for (const [peer, index] of compactions) if (!peer.isDestroyed && !peer.isInstalling) this.#store.log.compact(peer.regionId, index);
        await this.#store.log.collect();
      } finally {
        this.isCollecting = false;
        this.#isUnderWay = false;
      }
      this.#store.flushSoon();
    };
    this.#isUnderWay = true;
    this.#store.background(work());
  }
}
