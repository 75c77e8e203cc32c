/**
 * Who leads: the key `/pd/<cluster id>/leader` under a lease. It is taken by the first that finds it missing; whoever holds it writes,
 * and every write compares the key's create revision.
 *
 *   missing ──(create if absent)──▶ led ──(deleted, lease over, session closed)──▶ missing
 *
 * `leader_next` names the member that a leader hands over to: until it is gone (it has a lease, too), others let it go first.
 */
import type { Logger, World } from "@skein/base";
import { type KeyValue, type Metastore, metastoreErrors, openSession, type Session } from "@skein/metastore";
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

export const leaderKey = (root: string) => `${root}/leader`;
export const nextLeaderKey = (root: string) => `${root}/leader_next`;

/** Waits until this member leads. Rejects with the signal's reason; whoever calls it closes the session. */
export async function campaignForLead(
  options: CampaignOptions,
  signal: AbortSignal,
  onLeader: (item: KeyValue | null) => void,
): Promise<{ readonly leadership: Leadership; readonly session: Session }> {
  const { store, root } = options;
  const key = leaderKey(root);
  for (;;) {
    signal.throwIfAborted();
    const { items, revision } = await store.range({ prefix: key });
    const leader = items.find((item) => item.key === key) ?? null;
    const next = items.find((item) => item.key === nextLeaderKey(root)) ?? null;
    onLeader(leader);
    const isForMe = next === null || new TextDecoder().decode(next.value) === options.name;
    if (leader === null && isForMe) {
      const won = await tryToLead(options, signal);
      if (won !== null) return won;
      continue;
    }
    await changed(store, key, revision + 1, signal);
  }
}

async function tryToLead(
  options: CampaignOptions,
  signal: AbortSignal,
): Promise<{ readonly leadership: Leadership; readonly session: Session } | null> {
  const { store, root, world } = options;
  const key = leaderKey(root);
  const session = await openSession(world, store, { ttlSeconds: options.leaseS, log: options.log });
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
    return { leadership: lead(options, session, revision, signal), session };
  } catch (error) {
    await session.close();
    throw error;
  }
}

function lead({ store, root, world }: CampaignOptions, session: Session, revision: number, signal: AbortSignal): Leadership {
  const key = leaderKey(root);
  const controller = new AbortController();
  const stop = (reason: unknown) => controller.abort(reason);
  const ended = AbortSignal.any([session.lost, signal]);
  ended.addEventListener("abort", () => stop(ended.reason), { once: true });
  if (ended.aborted) stop(ended.reason);
  const watch = async () => {
    try {
      for (;;) {
        const { items, revision: now } = await store.range({ key });
        if (items[0]?.createRevision !== revision) return stop(metastoreErrors.notLeader([key]));
        await changed(store, key, now + 1, controller.signal);
      }
    } catch (error) {
      stop(error); // a leader that cannot see whether it leads must not lead
    }
  };
  void watch();
  const guard = { key, target: "createRevision", is: "=", value: revision } as const;
  return {
    guard,
    leaseId: session.lease,
    lost: controller.signal,
    isValid: () => !controller.signal.aborted && world.clock.monotonicMs() < session.deadlineMs,
  };
}

/** After one change of the keys, or at once when their history is gone. */
async function changed(store: Metastore, prefix: string, fromRevision: number, signal: AbortSignal): Promise<void> {
  try {
    for await (const batch of store.watch({ prefix }, { fromRevision, signal })) {
      if (batch.events.length > 0) return;
    }
  } catch (error) {
    if (!metastoreErrors.compacted.is(error)) throw error;
  }
  signal.throwIfAborted();
}
