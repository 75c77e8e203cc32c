/** Reads a selection and then follows it: the whole content first, then each change; after a compaction the whole content again. */
import type { World } from "@skein/base";
import { Backoff } from "@skein/base";
import { metastoreErrors } from "./errors.ts";
import type { KeySelection, KeyValue, Metastore, Revision, WatchEvent } from "./metastore.ts";

/** Either all that is there, or what has changed since the step before. */
export type FollowStep =
  | { readonly kind: "content"; readonly items: readonly KeyValue[]; readonly revision: Revision }
  | { readonly kind: "changes"; readonly events: readonly WatchEvent[]; readonly revision: Revision };

/** Ends when the signal aborts. A store that is away is waited for; every other error is thrown. */
export async function* follow(
  world: World,
  store: Metastore,
  select: KeySelection,
  options: { readonly signal: AbortSignal },
): AsyncGenerator<FollowStep, void, void> {
  const backoff = new Backoff({ minMs: 100, maxMs: 5000 }, () => world.random.float());
  while (!options.signal.aborted) {
    try {
      const { items, revision } = await store.range(select);
      backoff.reset();
      yield { kind: "content", items, revision };
      for await (const batch of store.watch(select, { fromRevision: revision + 1, signal: options.signal }))
        yield { kind: "changes", events: batch.events, revision: batch.revision };
    } catch (error) {
      if (options.signal.aborted) return;
      if (metastoreErrors.compacted.is(error)) continue;
      if (!metastoreErrors.unavailable.is(error) && !metastoreErrors.outcomeUnknown.is(error)) throw error;
      await world.clock.sleep(backoff.next(), options.signal).catch(() => {});
    }
  }
}
