/** The line on which a store tells the leader of the first region who waits for whom. */
import type { TlsFiles, World } from "@skein/base";
import type { PdClient } from "@skein/placement/client";
import { createRpcClient } from "@skein/rpc";
import type { Deadlock, WaitEdge } from "../txn/core/wait-graph.ts";
import type { DetectorLine } from "../txn/deadlock.ts";
import { deadlock } from "../wire/index.ts";

export interface DetectorLineOptions {
  readonly pd: PdClient;
  readonly storeId: () => number;
  readonly tls?: TlsFiles;
}

/** Null when this store leads the first region, or nobody knows who does. */
export function connectDetector(world: World, { pd, storeId, tls }: DetectorLineOptions) {
  return async (found: (edge: WaitEdge, deadlock: Deadlock) => void, lost: () => void): Promise<DetectorLine | null> => {
    const region = await pd.getRegion(new Uint8Array(0));
    const leader = region?.leader ?? null;
    if (leader === null || leader.storeId === storeId()) return null;
    const store = await pd.getStore(leader.storeId);
    if (store === null) return null;
    const client = createRpcClient(world, store.address, tls === undefined ? {} : { tls });
    const stream = client.open(deadlock.deadlock.methods.Detect, {
      message: ({ entry, deadlock_key_hash: keyHash, deadlock_key: key, wait_chain: chain }) => {
        if (entry !== null) found(edgeOf(entry), { keyHash, key, chain: chain.map(edgeOf) });
      },
      over: () => {
        client[Symbol.dispose]();
        lost();
      },
    });
    const send = (tp: deadlock.DeadlockRequestType, { txn, waitFor, key, keyHash }: WaitEdge) =>
      void stream.send({ tp, entry: { txn, wait_for_txn: waitFor, key, key_hash: keyHash } });
    return {
      detect: (edge) => send("Detect", edge),
      leave: (edge) => send("CleanUpWaitFor", edge),
      close: () => stream.cancel(),
    };
  };
}

function edgeOf(entry: deadlock.WaitForEntry): WaitEdge {
  return { txn: entry.txn, waitFor: entry.wait_for_txn, keyHash: entry.key_hash, key: entry.key };
}
