/**
 * Who leads: the key `/pd/<cluster id>/leader` under a lease. It is taken by the first that finds it missing; whoever holds it writes,
 * and every write compares the key's create revision.
 *
 *   missing ──(create if absent)──▶ led ──(deleted, lease over, session closed, silent)──▶ missing
 *
 * The leader writes the key again each third of the lease's time, and leads for that time after it *began* the last write that was
 * taken. So whoever has seen nothing of it for that long, counted from when it *saw* the last write, may delete the key, if that is
 * still the last one. The store's own lease would do, but a new leader of etcd's members starts all leases anew, and adds its election
 * time to them: after the death of a host that led both, 8 to 13 s went by without timestamps.
 *
 * `leader_next` names the member that a leader hands over to: until it is gone (it has a lease, too), others let it go first.
 */
import { isAbort, type Logger, type World } from "@skein/base";
import { type KeyValue, type Metastore, metastoreErrors, openSession, type Session, type WatchEvent } from "@skein/metastore";
import type { Lead } from "./metadata.ts";

export interface Leadership extends Lead {
  /** Aborts when the lead is lost; its reason tells why. */
  readonly lost: AbortSignal;
  readonly leaseId: bigint;
}

export interface CampaignOptions {
  readonly world: World;
  readonly store: Metastore;
  readonly root: string;
  readonly name: string;
  /** The member's record. */
  readonly value: Uint8Array;
  readonly leaseS: number;
  readonly log: Logger;
}

/** Between two machines' clocks that measure the same seconds. */
const driftMs = 100;
/** Between two looks at a store that does not answer. */
const retryMs = 100;
/** A write may hang until the store has a leader again; the one after it need not. */
const beatsUnderWayMax = 4;

export const leaderKey = (root: string) => `${root}/leader`;
export const nextLeaderKey = (root: string) => `${root}/leader_next`;

/** Waits until this member leads. Rejects with the signal's reason; whoever calls it closes the session. */
export async function campaignForLead(
  options: CampaignOptions,
  signal: AbortSignal,
  onLeader: (item: KeyValue | null) => void,
): Promise<{ readonly leadership: Leadership; readonly session: Session }> {
  const { store, root, world, leaseS, name } = options;
  const { clock } = world;
  const key = leaderKey(root);
  /** The leader's last word, and when it was seen. Kept while the store is away: the leader's time goes on. */
  const seen = { modRevision: 0, atMs: 0 };
  for (;;) {
    signal.throwIfAborted();
    try {
      const { items, revision } = await store.range({ prefix: key });
      const leader = items.find((item) => item.key === key) ?? null;
      const next = items.find((item) => item.key === nextLeaderKey(root)) ?? null;
      onLeader(leader);
      const isForMe = next === null || new TextDecoder().decode(next.value) === name;
      let silenceMs: number | null = null;
      if (leader === null) {
        if (isForMe) {
          const won = await tryToLead(options, signal);
          if (won !== null) return won;
          continue;
        }
      } else {
        if (seen.modRevision !== leader.modRevision) Object.assign(seen, { modRevision: leader.modRevision, atMs: clock.monotonicMs() });
        silenceMs = seen.atMs + leaseS * 1000 + driftMs - clock.monotonicMs();
        if (silenceMs <= 0) {
          options.log.warn("the leader is silent, its lead is over", { leaseS });
          await store.txn({
            compare: [{ key, target: "modRevision", is: "=", value: leader.modRevision }],
            success: [{ op: "delete", select: { key } }],
          });
          continue;
        }
      }
      await changed(world, store, key, revision + 1, signal, silenceMs);
    } catch (error) {
      if (!metastoreErrors.unavailable.is(error) && !metastoreErrors.outcomeUnknown.is(error)) throw error;
      options.log.warn("the metadata store does not answer a campaign", { error });
      await clock.sleep(retryMs, signal);
    }
  }
}

async function tryToLead(
  options: CampaignOptions,
  signal: AbortSignal,
): Promise<{ readonly leadership: Leadership; readonly session: Session } | null> {
  const { store, root, world } = options;
  const key = leaderKey(root);
  const session = await openSession(world, store, { ttlSeconds: options.leaseS, log: options.log });
  const beganMs = world.clock.monotonicMs();
  try {
    const { succeeded, revision } = await store.txn({
      compare: [{ key, target: "createRevision", is: "=", value: 0 }],
      success: [
        { op: "put", key, value: options.value, lease: session.lease },
        { op: "delete", select: { key: nextLeaderKey(root) } },
      ],
    });
    if (!succeeded) {
      await session.close();
      return null;
    }
    return { leadership: lead(options, session, revision, beganMs, signal), session };
  } catch (error) {
    await session.close();
    throw error;
  }
}

function lead(options: CampaignOptions, session: Session, revision: number, beganMs: number, signal: AbortSignal): Leadership {
  const { store, root, world, leaseS, value, log } = options;
  const { clock } = world;
  const key = leaderKey(root);
  const guard = { key, target: "createRevision", is: "=", value: revision } as const;
  const controller = new AbortController();
  const stop = (reason: unknown) => controller.abort(reason);
  const ended = AbortSignal.any([session.lost, signal]);
  ended.addEventListener("abort", () => stop(ended.reason), { once: true });
  if (ended.aborted) stop(ended.reason);
  const watch = async () => {
    const isOurs = (event: WatchEvent) => event.kind === "put" && event.item.createRevision === revision;
    try {
      while (!controller.signal.aborted) {
        const { items, revision: now } = await store.range({ key });
        if (items[0]?.createRevision !== revision) return stop(metastoreErrors.notLeader([key]));
        try {
          for await (const { events } of store.watch({ key }, { fromRevision: now + 1, signal: controller.signal }))
            if (!events.every(isOurs)) return stop(metastoreErrors.notLeader([key]));
        } catch (error) {
          if (!metastoreErrors.compacted.is(error)) throw error; // it is read again
        }
      }
    } catch (error) {
      stop(error); // a leader that cannot see whether it leads must not lead
    }
  };

  const leaseMs = leaseS * 1000;
  /** Others wait until then, and look no earlier. */
  let promisedUntilMs = beganMs + leaseMs;
  let underWay = 0;
  let isHeard = true;
  const beat = async () => {
    if (controller.signal.aborted || underWay >= beatsUnderWayMax) return;
    const sentMs = clock.monotonicMs();
    underWay++;
    try {
      const { succeeded } = await store.txn({ compare: [guard], success: [{ op: "put", key, value, lease: session.lease }] });
      if (!succeeded) return stop(metastoreErrors.notLeader([key]));
      promisedUntilMs = Math.max(promisedUntilMs, sentMs + leaseMs);
      isHeard = true;
    } catch (error) {
      // The promise's end decides; until then the store may come back.
      if (isHeard) log.warn("the leader's word did not reach the store, it is said again", { error });
      isHeard = false;
      clock.timer(retryMs, () => void beat());
    } finally {
      underWay--;
    }
  };
  const speak = async () => {
    while (!controller.signal.aborted) {
      await clock.sleep(leaseMs / 3, controller.signal);
      if (clock.monotonicMs() >= promisedUntilMs) return stop(metastoreErrors.notLeader([key]));
      void beat();
    }
  };
  void watch();
  speak().catch((error: unknown) => {
    if (!isAbort(error, controller.signal)) stop(error);
  });
  return {
    guard,
    leaseId: session.lease,
    lost: controller.signal,
    isValid: () => !controller.signal.aborted && clock.monotonicMs() < Math.min(session.deadlineMs, promisedUntilMs),
  };
}

/** After one change of the keys, or at once when their history is gone, or after `waitMs`. */
async function changed(
  world: World,
  store: Metastore,
  prefix: string,
  fromRevision: number,
  signal: AbortSignal,
  waitMs: number | null,
): Promise<void> {
  const patience = new AbortController();
  const timer = waitMs === null ? null : world.clock.timer(waitMs, () => patience.abort());
  try {
    for await (const batch of store.watch({ prefix }, { fromRevision, signal: AbortSignal.any([signal, patience.signal]) })) {
      if (batch.events.length > 0) return;
    }
  } catch (error) {
    if (!metastoreErrors.compacted.is(error)) throw error;
  } finally {
    timer?.cancel();
  }
  signal.throwIfAborted();
}
