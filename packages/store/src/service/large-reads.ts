/** Reads with large answers: some at once in the whole process, whichever connections they come by; the others wait for their turn. */
import { RegionError, type RegionKv } from "../region-kv.ts";

export interface LargeReadLimits {
  /** Answers of them that are made at once: each may have 48 MiB. */
  readonly runningMax: number;
  /** That wait for their turn; more are refused as busy. */
  readonly waitingMax: number;
}

export const defaultLargeReadLimits: LargeReadLimits = { runningMax: 16, waitingMax: 4096 };

/** `kv`, with turns for the snapshots of large reads. The turn comes when the snapshot is there: who waits for a leader holds nobody up. */
export function limitLargeReads(kv: RegionKv, limits: LargeReadLimits = defaultLargeReadLimits): RegionKv {
  let running = 0;
  const waiting = new Set<() => void>();

  const enter = (signal: AbortSignal | undefined): Promise<void> | null => {
    signal?.throwIfAborted();
    if (running < limits.runningMax) {
      running++;
      return null;
    }
    if (waiting.size >= limits.waitingMax) {
      const reason = "too many large reads wait";
      throw new RegionError({ kind: "serverIsBusy", reason, backoffMs: 100 }, reason);
    }
    return new Promise((resolve, reject) => {
      const go = () => {
        signal?.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = () => {
        waiting.delete(go);
        reject(signal?.reason as Error);
      };
      waiting.add(go);
      signal?.addEventListener("abort", giveUp, { once: true });
    });
  };
  /** Whoever waits longest has the turn now. */
  const leave = () => {
    const [next] = waiting;
    if (next === undefined) running--;
    else {
      waiting.delete(next);
      next();
    }
  };

  return {
    snapshot: async (context) => {
      const snapshot = await kv.snapshot(context);
      if (context.isLarge !== true) return snapshot;
      try {
        const turn = enter(context.signal);
        if (turn !== null) await turn;
      } catch (error) {
        snapshot[Symbol.dispose]();
        throw error;
      }
      let isHeld = true;
      const { region, term, reader } = snapshot;
      return {
        region,
        term,
        reader,
        [Symbol.dispose]: () => {
          snapshot[Symbol.dispose]();
          if (isHeld) leave();
          isHeld = false;
        },
      };
    },
    write: (context, term, writes) => kv.write(context, term, writes),
    noteSafePoint: (context, safePoint) => kv.noteSafePoint(context, safePoint),
    onSafePoint: (listener) => kv.onSafePoint(listener),
    onLead: (listener) => kv.onLead(listener),
    onReplicaRead: (listener) => kv.onReplicaRead(listener),
  };
}
