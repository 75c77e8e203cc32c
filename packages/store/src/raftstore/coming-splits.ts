/** Regions that a split in the log of another one makes here: who asks for them meanwhile is told to wait. */
import type { Entry } from "@skein/raft";
import { decodeCommand, isAdministrative } from "./core/codec.ts";
import type { Peer } from "./peer.ts";

export class ComingSplits {
  /** Regions → the replica that has yet to apply the split. */
  readonly #parents = new Map<number, Peer>();

  get isEmpty(): boolean {
    return this.#parents.size === 0;
  }

  has(regionId: number): boolean {
    const parent = this.#parents.get(regionId);
    if (parent === undefined) return false;
    if (!parent.isDestroyed && (parent.isInstalling || parent.applied < parent.raft.lastIndex)) return true;
    this.#parents.delete(regionId); // the split was refused, or a snapshot took its place
    return false;
  }

  note(peer: Peer, entries: readonly Entry[]): void {
    for (const entry of entries) for (const regionId of regionsMadeBy(entry)) this.#parents.set(regionId, peer);
  }

  forget(entry: Entry): void {
    for (const regionId of regionsMadeBy(entry)) this.#parents.delete(regionId);
  }
}

/** By a split that the entry asks for; none by any other. */
function regionsMadeBy({ data }: Entry): readonly number[] {
  const command = isAdministrative(data) ? decodeCommand(data) : null;
  return command?.kind === "split" ? command.parts.map(({ regionId }) => regionId) : [];
}
