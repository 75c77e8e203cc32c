/**
 * How a store comes to its cluster: it waits for a placement driver as long as it must, and makes sure that nobody else is the store
 * that its data says it is.
 *
 *   data folder ─ id? ─┬─ none ─────────────────────────────────────────▶ a new store
 *                      └─ the driver's record ─┬─ tombstone ────────────▶ 72108
 *                                              ├─ our address, or none ─▶ that store again
 *                                              └─ another address ─┬─ somebody reports from there ─▶ 72104
 *                                                                  └─ silence ────────────────────▶ it has moved
 */
import type { World } from "@skein/base";
import type { StoreMeta } from "@skein/placement";
import { type PdClient, pdClientErrors } from "@skein/placement/client";
import { raftstoreErrors } from "../raftstore/errors.ts";
import type { PdLink } from "../raftstore/pd-link.ts";

export interface Patience {
  /** Until it gives up; infinite: never. */
  readonly ms: number;
  /** Between attempts, each of which waits by itself. */
  readonly pauseMs: number;
  readonly signal: AbortSignal;
}

/** Until it is said that the store waits: an attempt gives up long after it. */
const noticeMs = 2_000;

export type Patient = <T>(ask: () => Promise<T>) => Promise<T>;

/** Asks until the placement driver answers. Rejects with what it answers, `unavailable` when patience ends, or the signal's reason. */
export function patiently({ clock, log }: Pick<World, "clock" | "log">, { ms, pauseMs, signal }: Patience): Patient {
  const sinceMs = clock.monotonicMs();
  return async (ask) => {
    const soon = clock.timer(noticeMs, () => log.warn("no placement driver answers yet, the store waits"));
    try {
      for (;;) {
        signal.throwIfAborted();
        try {
          return await ask();
        } catch (error) {
          if (!pdClientErrors.unavailable.is(error) || signal.aborted || clock.monotonicMs() - sinceMs >= ms) throw error;
          log.warn("the store waits for a placement driver", { error });
          await clock.sleep(pauseMs, signal);
        }
      }
    } finally {
      soon.cancel();
    }
  };
}

/** What is asked for when a store opens; all else stays as it is. */
export function patientLink(link: PdLink, patient: Patient): PdLink {
  return {
    ...link,
    clusterId: () => patient(() => link.clusterId()),
    allocId: () => patient(() => link.allocId()),
    isBootstrapped: () => patient(() => link.isBootstrapped()),
    bootstrap: (storeId, region) => patient(() => link.bootstrap(storeId, region)),
  };
}

export interface Claim {
  readonly storeId: number;
  /** As others will dial it. */
  readonly address: string;
  /** Between the reports of a store. */
  readonly heartbeatMs: number;
}

const lookMs = 1_000;

/**
 * Resolves when nobody else is the store. Rejects with `storeTombstone` or `foreignStore`. A folder that was copied would else make two
 * processes vote, and answer, as one: what the cluster acknowledged could be lost.
 */
export async function claimStore(
  { clock, log }: Pick<World, "clock" | "log">,
  pd: Pick<PdClient, "getStore" | "tso">,
  claim: Claim,
  { patient, signal }: { readonly patient: Patient; readonly signal: AbortSignal },
): Promise<void> {
  const { storeId, address } = claim;
  const look = (): Promise<StoreMeta | null> =>
    patient(async () => {
      try {
        return await pd.getStore(storeId);
      } catch (error) {
        if (pdClientErrors.notBootstrapped.is(error)) return null; // its first store died before it was one
        throw error;
      }
    });
  const silenceMs = claim.heartbeatMs * 1.5;
  let heard: number | null = null;
  for (;;) {
    const there = await look();
    if (there?.state === "tombstone") throw raftstoreErrors.storeTombstone([storeId]);
    if (there === null || there.address === address || there.lastHeartbeatMs === 0) return;
    heard ??= there.lastHeartbeatMs;
    if (there.lastHeartbeatMs > heard) throw raftstoreErrors.foreignStore([storeId, there.address]);
    // By the placement driver's clock: it noted when it heard of the store.
    const nowMs = Number((await patient(() => pd.tso())) >> 18n);
    const leftMs = there.lastHeartbeatMs + silenceMs - nowMs;
    if (leftMs <= 0) return;
    log.info("the store was at another address a moment ago: is it there still?", { address: there.address, leftMs: Math.ceil(leftMs) });
    await clock.sleep(Math.min(lookMs, leftMs), signal);
  }
}
