/**
 * When a worker that does not answer counts as gone, before its lease is over. It is safe to be wrong: the target's fence keeps the old
 * worker from writing, and a worker that was evicted notices it by its deleted keepalive key and comes back. Being wrong only costs a
 * restart of its units, so the limits are for a busy machine, not for a perfect one.
 *
 * A refused connection says that nobody listens there: two in a row are enough. Silence may be a long pause of the process or the host.
 * Time alone does not tell: a master that was itself paused finds that much time has passed, and its probe cut off.
 */
export const livenessLimits = {
  probePauseMs: 1000,
  probeTimeoutMs: 2000,
  refusedCountMax: 2,
  silentCountMax: 2,
  silentMsMax: 5500,
} as const;

export interface Liveness {
  readonly lastAliveMs: number;
  /** In a row. */
  readonly refusedCount: number;
  readonly silentCount: number;
}

export function aliveAt(nowMs: number): Liveness {
  return { lastAliveMs: nowMs, refusedCount: 0, silentCount: 0 };
}

export function afterProbe(
  state: Liveness,
  result: "alive" | "refused" | "silent",
  nowMs: number,
): Liveness & { readonly isGone: boolean } {
  if (result === "alive") return { ...aliveAt(nowMs), isGone: false };
  const refusedCount = result === "refused" ? state.refusedCount + 1 : 0;
  const silentCount = result === "silent" ? state.silentCount + 1 : state.silentCount;
  const isSilent = silentCount >= livenessLimits.silentCountMax && nowMs - state.lastAliveMs >= livenessLimits.silentMsMax;
  return { lastAliveMs: state.lastAliveMs, refusedCount, silentCount, isGone: refusedCount >= livenessLimits.refusedCountMax || isSilent };
}
