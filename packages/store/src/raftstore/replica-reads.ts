/**
 * Reads of transactions at replicas. The leader must hear of a read's timestamp before it says up to which index the replica has to be:
 * no commit may then choose a time at or before it, and those that chose one are in the log. The timestamp comes in the name of the
 * question, behind an `@`.
 */
import type { Message } from "@skein/raft";
import type { RegionDescription } from "../region-kv.ts";
import type { Peer } from "./peer.ts";
import type { RaftStore } from "./raft-store.ts";

export type ReplicaReadListener = (region: RegionDescription, readTs: bigint) => Promise<void> | null;

export class ReplicaReads {
  readonly #store: RaftStore;
  readonly #listeners: ReplicaReadListener[] = [];

  constructor(store: RaftStore) {
    this.#store = store;
  }

  listen(listener: ReplicaReadListener): void {
    this.#listeners.push(listener);
  }

  /** The end of a question's name, for the latest of the timestamps that it is asked for; 0: of no transaction. */
  mark(reads: readonly { readonly readTs: bigint }[]): string {
    const latest = reads.reduce((ts, { readTs }) => (readTs > ts ? readTs : ts), 0n);
    return latest === 0n ? "" : `@${latest}`;
  }

  /** A question of a replica, at the leader. */
  step(peer: Peer, message: Message, context: string): void {
    const digits = /@(\d{1,20})$/.exec(context)?.[1];
    const waits = digits === undefined ? [] : this.#listeners.flatMap((listener) => listener(peer.region, BigInt(digits)) ?? []);
    if (waits.length === 0) peer.raft.step(message);
    else this.#store.background(this.#stepAfter(peer, message, waits));
  }

  async #stepAfter(peer: Peer, message: Message, waits: readonly Promise<void>[]): Promise<void> {
    try {
      await Promise.all(waits);
    } catch {
      return; // not answered: the replica says so
    }
    if (peer.isDestroyed || this.#store.isClosed) return;
    peer.raft.step(message);
    this.#store.markDirty(peer);
  }
}
