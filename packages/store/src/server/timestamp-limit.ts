/** How far ahead of the placement driver's clock a client's timestamp may be. */
import type { World } from "@skein/base";
import type { ConcurrencyManager } from "../txn/concurrency.ts";

export const timestampDriftMs = 3_600_000;
const pollMs = 10_000;

/**
 * Asks for the time again and again: the placement driver may be set forward, and a machine that slept has a clock that stood still.
 * While it does not answer, this machine's own clock goes on: only what is far off is refused. Ends with the signal.
 */
export async function keepTimestampLimit(
  { clock }: Pick<World, "clock">,
  timestamp: () => Promise<bigint>,
  concurrency: Pick<ConcurrencyManager, "setLimit">,
  signal: AbortSignal,
): Promise<void> {
  let known: { readonly ms: number; readonly atMs: number } | null = null;
  for (;;) {
    try {
      known = { ms: Number((await timestamp()) >> 18n), atMs: clock.monotonicMs() };
    } catch {
      signal.throwIfAborted(); // else it is asked again
    }
    if (known !== null) concurrency.setLimit(BigInt(Math.floor(known.ms + (clock.monotonicMs() - known.atMs) + timestampDriftMs)) << 18n);
    await clock.sleep(known === null ? pollMs / 50 : pollMs, signal);
  }
}
