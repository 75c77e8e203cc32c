/**
 * Leader election in etcd's shape: every campaigner puts a key `<prefix>/<lease id hex>` under its session's lease; the key with the
 * oldest create revision leads. A campaigner waits until no key is older than its own, and gives up when its own is deleted.
 */

import { metastoreErrors } from "./errors.ts";
import type { KeyValue, Metastore, Revision, WatchBatch } from "./metastore.ts";
import type { Session } from "./session.ts";

/** It ends with its session: closing that lets the next campaigner lead. */
export interface Leadership {
  /** The campaign's key; compare its create revision in a transaction to write only while leading (`guard`). */
  readonly key: string;
  readonly revision: Revision;
  /** A comparison that holds only while this leadership does. */
  readonly guard: { readonly key: string; readonly target: "createRevision"; readonly is: "="; readonly value: number };
  /** Aborts when the leadership is lost: the key was deleted (by an eviction, or with its lease). */
  readonly lost: AbortSignal;
  /** Publishes another value while leading. Throws `notLeader`. */
  proclaim(value: string | Uint8Array): Promise<void>;
}

/** The present leader's item, or null when nobody leads. */
export async function electionLeader(store: Metastore, prefix: string): Promise<KeyValue | null> {
  const { items } = await store.range({ prefix: folder(prefix) }, { sortBy: "createRevision", limit: 1 });
  return items[0] ?? null;
}

/** Waits until this session leads. Rejects with the signal's reason, or with the session's when that is lost first. */
export async function campaign(
  store: Metastore,
  session: Session,
  options: { readonly prefix: string; readonly value: string | Uint8Array; readonly signal: AbortSignal },
): Promise<Leadership> {
  const key = `${folder(options.prefix)}${session.lease.toString(16)}`;
  const signal = AbortSignal.any([options.signal, session.lost]);
  signal.throwIfAborted();
  const joined = await store.txn({
    compare: [{ key, target: "createRevision", is: "=", value: 0 }],
    success: [{ op: "put", key, value: options.value, lease: session.lease }],
    failure: [
      { op: "put", key, value: options.value, lease: session.lease },
      { op: "range", select: { key } },
    ],
  });
  const own = joined.succeeded ? undefined : joined.results[1];
  const revision = own?.op === "range" ? (own.items[0]?.createRevision ?? joined.revision) : joined.revision;
  try {
    await waitForOlder(store, folder(options.prefix), key, revision, signal);
  } catch (error) {
    // Whoever gives up must not lead later. If this fails too, the lease's end deletes the key.
    await store.delete({ key }).catch(() => {});
    throw error;
  }
  return lead(store, session, key, revision);
}

/** The leader after each change, null when nobody leads. Ends when the signal aborts. */
export async function* observeElection(store: Metastore, prefix: string, signal: AbortSignal): AsyncGenerator<KeyValue | null, void, void> {
  let last: KeyValue | null | undefined;
  for (;;) {
    const { items, revision } = await store.range({ prefix: folder(prefix) }, { sortBy: "createRevision", limit: 1 });
    const leader = items[0] ?? null;
    if (last === undefined || leader?.key !== last?.key || leader?.modRevision !== last?.modRevision) {
      last = leader;
      yield leader;
    }
    if ((await nextBatch(store, { prefix: folder(prefix) }, revision + 1, signal)) === "ended") return;
  }
}

function folder(prefix: string): string {
  return prefix.endsWith("/") ? prefix : `${prefix}/`;
}

async function waitForOlder(store: Metastore, prefix: string, key: string, own: Revision, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const { items, revision } = await store.range({ prefix }, { sortBy: "createRevision" });
    if (!items.some((item) => item.key === key && item.createRevision === own)) throw metastoreErrors.notLeader([prefix]);
    if (items.every((item) => item.createRevision >= own)) return;
    await nextBatch(store, { prefix }, revision + 1, signal);
  }
}

/** Waits for one change of the selection, or for history to be gone (then the caller reads again, as after a change). */
async function nextBatch(
  store: Metastore,
  select: { readonly prefix: string } | { readonly key: string },
  fromRevision: Revision,
  signal: AbortSignal,
): Promise<WatchBatch | "compacted" | "ended"> {
  try {
    for await (const batch of store.watch(select, { fromRevision, signal })) return batch;
    return "ended";
  } catch (error) {
    if (metastoreErrors.compacted.is(error)) return "compacted";
    throw error;
  }
}

function lead(store: Metastore, session: Session, key: string, revision: Revision): Leadership {
  const controller = new AbortController();
  const onSessionLost = () => controller.abort(session.lost.reason);
  session.lost.addEventListener("abort", onSessionLost, { once: true });
  if (session.lost.aborted) onSessionLost();
  const guard = { key, target: "createRevision", is: "=", value: revision } as const;

  const watchOwnKey = async () => {
    try {
      for (;;) {
        const present = await store.range({ key });
        if (present.items[0]?.createRevision !== revision) break;
        if ((await nextBatch(store, { key }, present.revision + 1, controller.signal)) === "ended") break;
      }
      controller.abort(metastoreErrors.notLeader([key]));
    } catch (error) {
      controller.abort(error); // a leader that cannot see whether it leads must not lead
    } finally {
      session.lost.removeEventListener("abort", onSessionLost);
    }
  };
  void watchOwnKey();

  return {
    key,
    revision,
    guard,
    lost: controller.signal,
    proclaim: async (value) => {
      const { succeeded } = await store.txn({ compare: [guard], success: [{ op: "put", key, value, lease: session.lease }] });
      if (!succeeded) throw metastoreErrors.notLeader([key]);
    },
  };
}
