/**
 * Who waits for whom. An edge that would close a circle is not added: its transaction is the one that has to give way.
 *
 *   T1 ─key b→ T2 ─key c→ T3      detect(T3 ─key a→ T1): T1 → T2 → T3 → T1 is a circle
 */
export interface WaitEdge {
  readonly txn: bigint;
  readonly waitFor: bigint;
  readonly keyHash: bigint;
  readonly key: Uint8Array;
}

export interface Deadlock {
  /** Hash and key of the lock by which the circle closes: the one that the giving transaction holds. */
  readonly keyHash: bigint;
  readonly key: Uint8Array;
  /** All edges of the circle; the last is the one that was asked about. */
  readonly chain: readonly WaitEdge[];
}

interface HeldEdge extends WaitEdge {
  readonly untilMs: number;
}

/** Edges of clients that are gone go with time. */
const edgeLifeMs = 30_000;
export const edgesMax = 100_000;

export class WaitGraph {
  readonly #edges = new Map<bigint, HeldEdge[]>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds the edge, or answers the circle that it would close. */
  detect(edge: WaitEdge, nowMs: number): Deadlock | null {
    if (edge.txn === edge.waitFor) return null;
    const path = this.#path(edge.waitFor, edge.txn, nowMs);
    if (path !== null) {
      const closing = path.at(-1) as WaitEdge;
      return { keyHash: closing.keyHash, key: closing.key, chain: [...path, edge] };
    }
    this.remove(edge);
    if (this.#count >= edgesMax) this.#expire(nowMs);
    if (this.#count >= edgesMax) return null; // a deadlock then ends when the locks' time is over
    const edges = this.#edges.get(edge.txn) ?? [];
    edges.push({ ...edge, untilMs: nowMs + edgeLifeMs });
    this.#edges.set(edge.txn, edges);
    this.#count++;
    return null;
  }

  remove({ txn, waitFor, keyHash }: Pick<WaitEdge, "txn" | "waitFor" | "keyHash">): void {
    this.#keep(txn, (edge) => edge.waitFor !== waitFor || edge.keyHash !== keyHash);
  }
  removeAll(txn: bigint): void {
    this.#keep(txn, () => false);
  }
  clear(): void {
    this.#edges.clear();
    this.#count = 0;
  }
  edges(): WaitEdge[] {
    return [...this.#edges.values()].flat();
  }

  #keep(txn: bigint, wanted: (edge: HeldEdge) => boolean): void {
    const edges = this.#edges.get(txn);
    if (edges === undefined) return;
    const kept = edges.filter(wanted);
    this.#count -= edges.length - kept.length;
    if (kept.length === 0) this.#edges.delete(txn);
    else this.#edges.set(txn, kept);
  }
  #expire(nowMs: number): void {
    for (const txn of Array.from(this.#edges.keys())) this.#keep(txn, ({ untilMs }) => untilMs > nowMs);
  }

  /** Edges that lead from a transaction to another one; the first found. */
  #path(from: bigint, to: bigint, nowMs: number): WaitEdge[] | null {
    const cameBy = new Map<bigint, HeldEdge | null>([[from, null]]);
    const queue = [from];
    for (let txn = queue.shift(); txn !== undefined; txn = queue.shift()) {
      for (const edge of this.#edges.get(txn) ?? []) {
        if (edge.untilMs <= nowMs || cameBy.has(edge.waitFor)) continue;
        cameBy.set(edge.waitFor, edge);
        if (edge.waitFor !== to) {
          queue.push(edge.waitFor);
          continue;
        }
        const path: WaitEdge[] = [];
        for (let step: HeldEdge | null | undefined = edge; step !== null && step !== undefined; step = cameBy.get(step.txn))
          path.unshift(step);
        return path;
      }
    }
    return null;
  }
}
