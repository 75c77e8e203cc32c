/** Looks at whole regions: how large they are and where to split them, and whether replicas are equal. */
import { sameEpoch } from "./core/region.ts";
import { raftstoreErrors } from "./errors.ts";
import { replicaHash } from "./hash.ts";
import type { Peer } from "./peer.ts";
import type { RaftStore } from "./raft-store.ts";
import { measureRegion } from "./split-check.ts";

export class RegionChecks {
  readonly #store: RaftStore;

  constructor(store: RaftStore) {
    this.#store = store;
  }

  async split(peer: Peer): Promise<void> {
    if (peer.isChecking) return;
    peer.isChecking = true;
    try {
      const { region } = peer;
      const since = peer.bytesSinceCheck;
      if (!peer.isMeasured) {
        const range = { start: region.startKey, end: region.endKey };
        const sizes = await Promise.all(
          (["default", "lock", "write"] as const).map((family) => this.#store.engine.approximateSize(family, range)),
        );
        peer.approximateBytes = Math.max(
          1,
          sizes.reduce((sum, size) => sum + size),
        );
      } else peer.approximateBytes += since;
      peer.bytesSinceCheck -= since;
      peer.isMeasured = true;
      // What was written over is in the estimate, too: only when it says that the region is large, all of it is read.
      if (peer.approximateBytes < this.#store.options.maxBytes) return;
      using snapshot = this.#store.engine.snapshot();
      const measured = await measureRegion(snapshot, region, this.#store.options.splitBytes);
      if (peer.isDestroyed || !sameEpoch(region, peer.region)) return;
      peer.approximateBytes = measured.bytes;
      peer.approximateKeys = measured.keys;
      if (measured.bytes < this.#store.options.maxBytes || !peer.isLeader || peer.kind !== "normal" || this.#store.isClosed) return;
      const keys = measured.boundaries.slice(0, this.#store.options.batchSplitMax);
      // The rest of less than half a region stays with the part before it.
      if (
        keys.length > 1 &&
        measured.bytes % this.#store.options.splitBytes < this.#store.options.splitBytes / 2 &&
        keys.length === measured.boundaries.length
      )
        keys.pop();
      if (keys.length > 0) await this.#store.split(peer.regionId, keys).catch(() => {}); // the next check finds it again
    } finally {
      peer.isChecking = false;
    }
  }

  async splitInMiddle(peer: Peer): Promise<void> {
    using snapshot = this.#store.engine.snapshot();
    const { bytes } = await measureRegion(snapshot, peer.region, Number.POSITIVE_INFINITY);
    const { boundaries } = await measureRegion(snapshot, peer.region, Math.max(1, Math.floor(bytes / 2)));
    const middle = boundaries[0];
    if (middle !== undefined) await this.#store.split(peer.regionId, [middle]);
  }

  computeHash(peer: Peer, index: number): void {
    const snapshot = this.#store.engine.snapshot();
    const { region } = peer;
    const work = async (): Promise<void> => {
      using held = snapshot;
      const hash = await replicaHash(held, region);
      if (peer.isDestroyed || this.#store.isClosed) return;
      peer.hash = { index, hash };
      if (peer.isLeader) await this.#store.propose(peer, { kind: "verifyHash", index, hash }).catch(() => {}); // asked for again by whoever leads
    };
    this.#store.background(work());
  }

  verifyHash(peer: Peer, index: number, hash: number): void {
    if (peer.hash === null || peer.hash.index !== index || peer.hash.hash === hash) return;
    this.#store.fatal(raftstoreErrors.replicasDiffer([peer.regionId, index]));
  }
}
