/** Whose data an engine holds, and how the first store founds the cluster. */
import type { World } from "@skein/base";
import { pdClientErrors } from "@skein/placement/client";
import type { Engine, EngineReader, EngineWrite } from "../engine/engine.ts";
import { applyStateWrite, initialApplyState, regionStateWrite } from "./apply.ts";
import { applyStateKey, bootstrapKey, decodeRegionState, identKey, type RegionState, regionStateKey } from "./core/codec.ts";
import { raftstoreErrors } from "./errors.ts";
import type { PdLink } from "./pd-link.ts";

interface Founder {
  readonly engine: Engine;
  readonly pd: PdLink;
  readonly world: World;
}

export interface StoreIdent {
  readonly clusterId: bigint;
  readonly storeId: number;
}

/** Whose data an engine holds; null: nobody's yet. */
export function identIn(engine: EngineReader): StoreIdent | null {
  const ident = engine.get("local", identKey);
  if (ident === null) return null;
  const view = new DataView(ident.buffer, ident.byteOffset, ident.byteLength);
  return { clusterId: view.getBigUint64(0), storeId: Number(view.getBigUint64(8)) };
}

/** Whose store it is; a new one gets its number. Rejects with `foreignCluster` or `dataWithoutIdent`. */
export async function identify({ engine, pd }: Founder): Promise<StoreIdent> {
  const clusterId = await pd.clusterId();
  const ident = identIn(engine);
  if (ident !== null) {
    if (ident.clusterId !== clusterId) throw raftstoreErrors.foreignCluster([String(ident.clusterId), String(clusterId)]);
    return ident;
  }
  for (const family of ["default", "lock", "write", "local"] as const)
    for await (const _block of engine.scan(family, { start: new Uint8Array(0), end: new Uint8Array(0) }, { limit: 1 }))
      throw raftstoreErrors.dataWithoutIdent([]);
  const storeId = await pd.allocId();
  const value = new Uint8Array(16);
  const view = new DataView(value.buffer);
  view.setBigUint64(0, clusterId);
  view.setBigUint64(8, BigInt(storeId));
  await engine.write([{ kind: "put", family: "local", key: identKey, value }], { sync: true });
  return { clusterId, storeId };
}

/** The first store makes the first region. A record says that it began to: whether it did is asked after a crash. */
export async function bootstrap({ engine, pd, world }: Founder, storeId: number): Promise<void> {
  const prepared = engine.get("local", bootstrapKey);
  let region = prepared === null ? null : decodeRegionState(prepared).region;
  if (region === null) {
    if (await pd.isBootstrapped()) return;
    const id = await pd.allocId();
    const peerId = await pd.allocId();
    const none = new Uint8Array(0);
    region = { id, startKey: none, endKey: none, confVer: 1, version: 1, peers: [{ id: peerId, storeId, role: "voter" }] };
    const state: RegionState = { kind: "normal", region, peerId, merge: null, snapshot: null };
    const write = regionStateWrite(state) as Extract<EngineWrite, { kind: "put" }>;
    await engine.write([write, { ...write, key: bootstrapKey }, applyStateWrite(id, initialApplyState)], { sync: true });
  }
  const { id } = region;
  let isOurs = !(await pd.isBootstrapped()) && (await pd.bootstrap(storeId, region));
  if (!isOurs) isOurs = (await onceServed(world, () => pd.regionById(id)))?.peers.some((peer) => peer.id === region.peers[0]?.id) === true;
  // It may know a bootstrap and not its region: regions reach its members with heartbeats. The store's record came with the
  // bootstrap, as this store has registered nowhere yet.
  if (!isOurs) isOurs = (await pd.storeAddress(storeId)) !== null;
  const writes: EngineWrite[] = [{ kind: "delete", family: "local", key: bootstrapKey }];
  if (!isOurs)
    for (const key of [regionStateKey(region.id), applyStateKey(region.id)]) writes.push({ kind: "delete", family: "local", key });
  await engine.write(writes, { sync: true });
}

/** For a placement driver to serve a cluster that was just bootstrapped. */
const servedTriesMax = 100;
const servedTryMs = 100;

/** A placement driver that has just taken another store's bootstrap answers nothing of the cluster until it serves it. */
async function onceServed<T>({ clock }: Pick<World, "clock">, ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (tries >= servedTriesMax || !pdClientErrors.notBootstrapped.is(error)) throw error;
      await clock.sleep(servedTryMs);
    }
  }
}
