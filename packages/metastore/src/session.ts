/**
 * A lease that is kept alive for as long as its owner lives. When it cannot be kept, `lost` aborts: the owner must stop what it
 * does under the lease *before* others may take over, so `lost` also aborts when no answer came for the lease's whole time.
 */
import { isAbort, type Logger, TaskGroup, type World } from "@skein/base";
import { metastoreErrors } from "./errors.ts";
import type { LeaseId, Metastore } from "./metastore.ts";

/** A lease that is held. */
export interface Session extends AsyncDisposable {
  readonly lease: LeaseId;
  readonly ttlSeconds: number;
  /**
   * On the World's monotonic clock: until then the lease holds for sure. A process that was frozen finds out by looking before it acts;
   * `lost` may come after what had arrived meanwhile.
   */
  readonly deadlineMs: number;
  /** Aborts when the lease is gone, may be gone, or is about to be revoked by `close`. Its reason is the error. */
  readonly lost: AbortSignal;
  /** Revokes the lease, so that others need not wait for it to expire; gives up after half a second: then it ends by itself. */
  close(): Promise<void>;
}

/** A store that is away, perhaps for good, must not hold up a shutdown. */
const revokeMs = 500;

/** Grants a lease and keeps it: a keep-alive each third of its time, tried again each second while the store is away. */
export async function openSession(
  world: World,
  store: Metastore,
  options: { readonly ttlSeconds: number; readonly leaseId?: LeaseId; readonly log?: Logger },
): Promise<Session> {
  const askedMs = world.clock.monotonicMs();
  const granted = await store.grantLease(options.ttlSeconds, options.leaseId);
  const lost = new AbortController();
  const group = new TaskGroup();
  let deadlineMs = askedMs + granted.ttlSeconds * 1000;
  let timer = world.clock.timer(deadlineMs - world.clock.monotonicMs(), expire);

  function expire(): void {
    lost.abort(metastoreErrors.leaseNotFound([granted.id]));
    group.abort(new DOMException("the lease is lost", "AbortError"));
  }

  group.spawn(async (signal) => {
    const pauseMs = Math.max(100, (granted.ttlSeconds * 1000) / 3);
    let waitMs = pauseMs;
    for (;;) {
      await world.clock.sleep(waitMs, signal);
      // Counted from before the request: the store may have renewed the lease as early as that.
      const sentMs = world.clock.monotonicMs();
      try {
        const renewed = await store.keepAliveLease(granted.id);
        if (signal.aborted) return;
        deadlineMs = sentMs + renewed.ttlSeconds * 1000;
        timer.cancel();
        timer = world.clock.timer(Math.max(0, deadlineMs - world.clock.monotonicMs()), expire);
        waitMs = pauseMs;
      } catch (error) {
        if (metastoreErrors.leaseNotFound.is(error) || metastoreErrors.closed.is(error)) {
          lost.abort(error);
          timer.cancel();
          return;
        }
        if (isAbort(error, signal)) return;
        // The deadline's timer decides; until then the store may come back.
        options.log?.warn("cannot keep the lease alive", { lease: granted.id.toString(16), error });
        waitMs = Math.min(1000, pauseMs);
      }
    }
  });

  let closing: Promise<void> | undefined;
  const close = () =>
    (closing ??= (async () => {
      timer.cancel();
      await group[Symbol.asyncDispose]();
      if (lost.signal.aborted) return;
      lost.abort(new DOMException("the session is closed", "AbortError"));
      const patience = new AbortController();
      await Promise.race([store.revokeLease(granted.id).catch(() => {}), world.clock.sleep(revokeMs, patience.signal).catch(() => {})]);
      patience.abort();
    })());
  return {
    lease: granted.id,
    ttlSeconds: granted.ttlSeconds,
    get deadlineMs() {
      return deadlineMs;
    },
    lost: lost.signal,
    close,
    [Symbol.asyncDispose]: close,
  };
}
