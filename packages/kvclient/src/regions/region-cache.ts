/** Where keys are: regions as the placement driver and the stores told, kept until an answer shows that they changed. */
import { compareBytes, type TlsFiles, type World } from "@skein/base";
import type { PdClient, RegionInfo } from "@skein/placement/client";
import type { metapb } from "@skein/placement/wire";
import { decodeKey, encodeKey } from "@skein/store/wire";
import { inRange } from "../core/keys.ts";
import { type CachedRegion, type RegionFacts, RegionIndex } from "../core/region-index.ts";
import { kvErrors } from "../errors.ts";
import type { Patience } from "../patience.ts";
import { StoreConnection } from "./store-connection.ts";

/** How boundaries of regions come about: transactions' keys are encoded, raw ones are not. */
export type KeyMode = "raw" | "txn";

const noBytes = new Uint8Array(0);
/** Regions that one look into the placement driver brings at most. */
const scanRegionsMax = 128;

/** The first region begins with the empty key: only "before" it the empty key means the end. */
function holds({ startKey, endKey }: RegionFacts, where: "at" | "before", key: Uint8Array): boolean {
  if (where === "at") return inRange(key, startKey, endKey);
  if (key.length === 0) return endKey.length === 0;
  return compareBytes(startKey, key) < 0 && (endKey.length === 0 || compareBytes(key, endKey) <= 0);
}

export class RegionCache {
  readonly mode: KeyMode;
  private readonly world: World;
  private readonly pd: PdClient;
  private readonly tls: TlsFiles | undefined;
  private readonly index = new RegionIndex();
  private readonly connections: Map<string, StoreConnection>;
  private readonly addresses = new Map<number, string>();
  private readonly looks = new Map<string, Promise<RegionInfo | null>>();

  /** `connections` are shared by the caches of one client, by address; who made them closes them. */
  constructor(world: World, pd: PdClient, mode: KeyMode, connections: Map<string, StoreConnection>, tls?: TlsFiles) {
    this.world = world;
    this.pd = pd;
    this.mode = mode;
    this.connections = connections;
    this.tls = tls;
  }

  get regionCount(): number {
    return this.index.size;
  }

  async locate(key: Uint8Array, patience: Patience): Promise<CachedRegion> {
    return this.index.find(key) ?? this.load("at", key, patience);
  }

  /** The region that holds the keys right before `key`; an empty one means the end of all keys. */
  async locateBefore(key: Uint8Array, patience: Patience): Promise<CachedRegion> {
    return this.index.findBefore(key) ?? this.load("before", key, patience);
  }

  /** Groups by region, in the order of the items. */
  async group<T>(items: readonly T[], keyOf: (item: T) => Uint8Array, patience: Patience): Promise<Map<CachedRegion, T[]>> {
    const groups = new Map<CachedRegion, T[]>();
    for (const item of items) {
      const key = keyOf(item);
      const region = this.index.find(key) ?? (await this.load("at", key, patience));
      const group = groups.get(region);
      if (group === undefined) groups.set(region, [item]);
      else group.push(item);
    }
    return groups;
  }

  forget(region: CachedRegion): void {
    this.index.remove(region);
  }

  /** What a store says that its regions are now. */
  learn(regions: readonly metapb.Region[], leaderStoreId: number): void {
    for (const region of regions) {
      this.index.put(
        {
          id: region.id,
          startKey: this.userKey(region.start_key),
          endKey: this.userKey(region.end_key),
          confVer: region.region_epoch?.conf_ver ?? 0,
          version: region.region_epoch?.version ?? 0,
          replicas: region.peers.map((peer) => ({
            id: peer.id,
            storeId: peer.store_id,
            isVoter: peer.role === "Voter" || peer.role === "IncomingVoter",
          })),
        },
        leaderStoreId,
      );
    }
  }

  /** Rejects when the placement driver does not know the store. */
  async connection(storeId: number): Promise<StoreConnection> {
    let address = this.addresses.get(storeId);
    if (address === undefined) {
      const store = await this.pd.getStore(storeId);
      if (store === null || store.state === "tombstone") throw kvErrors.refused([`a request to store ${storeId}`, "the store is gone"]);
      address = store.address;
      this.addresses.set(storeId, address);
    }
    return this.connectionTo(address);
  }

  connectionTo(address: string): StoreConnection {
    let connection = this.connections.get(address);
    if (connection === undefined) {
      connection = new StoreConnection(this.world, address, this.tls);
      this.connections.set(address, connection);
    }
    return connection;
  }

  /** The store may have moved: its address is asked for again. */
  forgetStore(storeId: number): void {
    this.addresses.delete(storeId);
  }

  /** A boundary in the user's form. */
  userKey(boundary: Uint8Array): Uint8Array {
    if (this.mode === "raw" || boundary.length === 0) return boundary.slice();
    const key = decodeKey(boundary);
    if (key === null) throw kvErrors.notUserKey([boundary]);
    return key;
  }

  /** A user's key in the form of boundaries. */
  boundary(key: Uint8Array): Uint8Array {
    return this.mode === "raw" || key.length === 0 ? key : encodeKey(key);
  }

  private async load(where: "at" | "before", key: Uint8Array, patience: Patience): Promise<CachedRegion> {
    for (;;) {
      patience.mustGoOn();
      const info = await patience.race(this.look(where, key));
      if (info !== null && info.meta.peers.length > 0) {
        const region = this.take(info);
        // What is known may be newer than what the placement driver says of a key that it has not heard of since a split.
        if (holds(region, where, key)) return region;
      }
      await patience.wait("placement", kvErrors.refused(["a look for a region", "the placement driver knows none that holds the key"]));
    }
  }

  /** Many who look for one key at a time share the answer. */
  private look(where: "at" | "before", key: Uint8Array): Promise<RegionInfo | null> {
    const name = `${where} ${Buffer.from(key).toString("latin1")}`;
    const known = this.looks.get(name);
    if (known !== undefined) return known;
    const look = this.ask(where, key).finally(() => this.looks.delete(name));
    this.looks.set(name, look);
    return look;
  }

  private async ask(where: "at" | "before", key: Uint8Array): Promise<RegionInfo | null> {
    const encoded = this.mode === "txn" && (where === "at" || key.length > 0) ? encodeKey(key) : key;
    if (where === "at") {
      // The neighbours come along: who asks for one key soon asks for the next.
      const regions = await this.pd.scanRegions(encoded, noBytes, scanRegionsMax);
      const first = regions[0];
      // In a hole, as between the halves of a split of which one was heard of, the list begins behind it: who takes what is first
      // there for what holds the key reads past all that is in the hole.
      const isThere = first !== undefined && compareBytes(first.meta.startKey, encoded) <= 0;
      for (const region of regions.slice(isThere ? 1 : 0)) if (region.meta.peers.length > 0 && region.leader !== null) this.take(region);
      return isThere ? first : this.pd.getRegion(encoded);
    }
    if (key.length === 0) {
      // No key is behind all others; 0xFF… is behind all that one meets.
      return this.pd.getRegion(new Uint8Array(1024).fill(0xff));
    }
    const holder = await this.pd.getRegion(encoded);
    const startsThere = holder !== null && Buffer.compare(holder.meta.startKey, encoded) === 0;
    return startsThere ? this.pd.getPrevRegion(encoded) : holder;
  }

  private take({ meta, leader }: RegionInfo): CachedRegion {
    const facts: RegionFacts = {
      id: meta.id,
      startKey: this.userKey(meta.startKey),
      endKey: this.userKey(meta.endKey),
      confVer: meta.epoch.confVer,
      version: meta.epoch.version,
      replicas: meta.peers.map((peer) => ({
        id: peer.id,
        storeId: peer.storeId,
        isVoter: peer.role === "voter" || peer.role === "incomingVoter",
      })),
    };
    return this.index.put(facts, leader?.storeId ?? 0);
  }
}
