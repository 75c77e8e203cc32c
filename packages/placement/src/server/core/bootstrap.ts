/** What a request to bootstrap must be: the first store, and a first region that is its alone and holds all keys. */
import type { Region, Store } from "../../wire/metapb.ts";

/** Null when it may be; else what is wrong, in the original's words. */
export function bootstrapProblem(store: Store | null, region: Region | null): string | null {
  if (store === null) return "missing store meta";
  if (store.id === 0) return "invalid zero store id";
  if (region === null) return "missing region meta";
  if (region.start_key.length > 0 || region.end_key.length > 0) return "invalid first region key range, must all be empty";
  if (region.id === 0) return "invalid zero region id";
  const [peer, ...others] = region.peers;
  if (peer === undefined || others.length > 0) return `invalid first region peer count ${region.peers.length}, must be 1`;
  if (peer.store_id !== store.id) return `invalid peer store id ${peer.store_id} != ${store.id}`;
  if (peer.id === 0) return "invalid zero peer id";
  return null;
}
