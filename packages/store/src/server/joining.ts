/**
 * How a store comes to its cluster: it waits for a placement driver as long as it must, and makes sure that nobody else is the store
 * that its data says it is.
 *
 *   data folder ─ id? ─┬─ none ─────────────────────────────────────────▶ a new store
 *                      └─ the driver's record ─┬─ tombstone ────────────▶ 72108
 *                                              ├─ our address, or none ─▶ that store again
 *                                              └─ another address ─┬─ somebody reports from there ─▶ 72104
 *                                                                  └─ silence ────────────────────▶ it has moved
 *
 * The silence must be heard: what was reported before says nothing. A store that has just started, or whose placement driver has, has
 * reported nothing yet, or nothing for long, and runs. Nor is it enough to ask once: a store that was cut off when another was taken for
 * it comes back, so that each asks again and again whether it is still the one.
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
/** Between two answers; after a longer gap a report may have found no placement driver, too, and what is heard counts from then on. */
const gapMsMax = 2 * lookMs;
const silentIntervals = 1.5;

const look = async (pd: Pick<PdClient, "getStore">, storeId: number): Promise<StoreMeta | null> => {
  try {
    return await pd.getStore(storeId);
  } catch (error) {
    if (pdClientErrors.notBootstrapped.is(error)) return null; // its first store died before it was one
    throw error;
  }
};

/** What is to be checked again just before the store is registered: opening it may have taken long. */
export type Claimed = () => Promise<void>;

/**
 * Resolves when nobody else is the store. Rejects with `storeTombstone` or `foreignStore`, as does what it resolves to. A folder that was
 * copied would else make two processes vote, and answer, as one: what the cluster acknowledged could be lost.
 */
export async function claimStore(
  { clock, log }: Pick<World, "clock" | "log">,
  pd: Pick<PdClient, "getStore">,
  claim: Claim,
  { patient, signal }: { readonly patient: Patient; readonly signal: AbortSignal },
): Promise<Claimed> {
  const { storeId, address } = claim;
  const silenceMs = claim.heartbeatMs * silentIntervals;
  const foreign = (at: string) => raftstoreErrors.foreignStore([storeId, at]);
  const isOurs = (there: StoreMeta): boolean => {
    if (there.state === "tombstone") throw raftstoreErrors.storeTombstone([storeId]);
    return there.address === address;
  };
  const isAnother = (there: StoreMeta, before: StoreMeta) =>
    there.address !== before.address || there.startTimestampS !== before.startTimestampS;

  let before: StoreMeta | null = null;
  let sinceMs = 0;
  let answeredAtMs = 0;
  for (;;) {
    const there = await patient(() => look(pd, storeId));
    const nowMs = clock.monotonicMs();
    if (there === null || isOurs(there)) break;
    if (before === null) {
      log.info("the store was at another address: is it there still?", { address: there.address, waitMs: silenceMs });
      sinceMs = nowMs;
    } else if (isAnother(there, before) || there.lastHeartbeatMs > before.lastHeartbeatMs) throw foreign(there.address);
    // Another placement driver leads, or it was started anew, when it knows of less than was known.
    else if (nowMs - answeredAtMs > gapMsMax || there.lastHeartbeatMs < before.lastHeartbeatMs) sinceMs = nowMs;
    before = there;
    answeredAtMs = nowMs;
    const leftMs = sinceMs + silenceMs - nowMs;
    if (leftMs <= 0) break;
    await clock.sleep(Math.min(lookMs, leftMs), signal);
  }
  return async () => {
    const there = await patient(() => look(pd, storeId));
    if (there !== null && !isOurs(there) && (before === null || isAnother(there, before))) throw foreign(there.address);
  };
}

/**
 * Once per interval: is this still the store, by what the placement driver knows? The one that registered last is; every other learns of
 * it here, and calls `end` with `foreignStore`. Ends then, or with the signal.
 */
export async function keepClaim(
  { clock }: Pick<World, "clock">,
  pd: Pick<PdClient, "getStore">,
  { storeId, address, heartbeatMs }: Claim,
  { end, signal }: { readonly end: (error: Error) => void; readonly signal: AbortSignal },
): Promise<void> {
  for (;;) {
    await clock.sleep(heartbeatMs, signal);
    try {
      const there = await look(pd, storeId);
      if (there !== null && there.state !== "tombstone" && there.address !== address)
        return end(raftstoreErrors.foreignStore([storeId, there.address]));
    } catch {
      signal.throwIfAborted(); // else it is asked again
    }
  }
}
