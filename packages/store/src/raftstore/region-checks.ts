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
      peer.keysSinceCheck = 0;
      peer.isMeasured = true;
      const { maxBytes, maxKeys, splitBytes, splitKeys, batchSplitMax } = this.#store.options;
      // What was written over is in the estimates, too: only when they say that the region is large, all of it is read.
      if (peer.approximateBytes < maxBytes && peer.approximateKeys < maxKeys) return;
      using snapshot = this.#store.engine.snapshot();
      const measured = await measureRegion(snapshot, region, { bytes: splitBytes, keys: splitKeys });
      if (peer.isDestroyed || !sameEpoch(region, peer.region)) return;
      peer.approximateBytes = measured.bytes;
      peer.approximateKeys = measured.keys;
      const isLarge = measured.bytes >= maxBytes || measured.keys >= maxKeys;
      if (!isLarge || !peer.isLeader || peer.kind !== "normal" || this.#store.isClosed) return;
      const keys = measured.boundaries.slice(0, batchSplitMax);
      // The rest of less than half a region stays with the part before it.
      if (keys.length > 1 && measured.rest < 0.5 && keys.length === measured.boundaries.length) keys.pop();
      if (keys.length > 0) await this.#store.split(peer.regionId, keys).catch(() => {}); // the next check finds it again
    } finally {
      peer.isChecking = false;
    }
  }

  async splitInMiddle(peer: Peer): Promise<void> {
    using snapshot = this.#store.engine.snapshot();
    const keys = Number.POSITIVE_INFINITY;
    const { bytes } = await measureRegion(snapshot, peer.region, { bytes: Number.POSITIVE_INFINITY, keys });
    const { boundaries } = await measureRegion(snapshot, peer.region, { bytes: Math.max(1, Math.floor(bytes / 2)), keys });
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
