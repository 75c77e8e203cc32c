/** Whether a reader has to wait for a lock. */
import { maxTs, sameBytes } from "./keys.ts";
import type { Lock } from "./records.ts";

export interface ReadOptions {
  readonly ts: bigint;
  /** Read committed: locks are looked past. */
  readonly ignoreLocks: boolean;
  /** Start timestamps of transactions that will be committed later than `ts`, or not at all. */
  readonly bypass: readonly bigint[];
  /** Of transactions that are committed before `ts`, though their locks are still there. */
  readonly committed: readonly bigint[];
}

/**
 * `blocks`: the reader must find out what becomes of the transaction. `passes`: the version before is right. `reads`: the
 * lock's own value is right.
 */
export function lockForReader(lock: Lock, userKey: Uint8Array, options: ReadOptions): "blocks" | "passes" | "reads" {
  if (options.ignoreLocks || lock.kind === "lock" || lock.kind === "pessimistic" || lock.startTs > options.ts) return "passes";
  if (options.committed.includes(lock.startTs)) return "reads";
  // What cannot be committed at or before the reader's timestamp is not for it to see.
  if (lock.minCommitTs > options.ts || options.bypass.includes(lock.startTs)) return "passes";
  // A read of the newest version of a primary alone: its transaction is not committed yet, and can be ordered after it.
  if (options.ts === maxTs && sameBytes(lock.primary, userKey) && lock.secondaries === null) return "passes";
  return "blocks";
}
