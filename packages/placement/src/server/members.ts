/** The members of the placement driver: who they are, which one leads, whether they live. */

import type { Logger, World } from "@skein/base";
import type { EtcdCluster, KeyValue, Metastore } from "@skein/metastore";
import * as pdpb from "../wire/pdpb.ts";
import { nextLeaderKey } from "./leadership.ts";

export type Member = Omit<pdpb.Member, "dc_location">;

export interface MembersOptions {
  readonly world: World;
  readonly store: Metastore;
  /** Null when this member is alone, with a store of its own. */
  readonly cluster: EtcdCluster | null;
  readonly clusterId: bigint;
  readonly self: Pick<Member, "name" | "peer_urls" | "client_urls" | "deploy_path" | "binary_version" | "git_hash">;
  readonly log: Logger;
}

interface MemberFacts {
  readonly deploy_path: string;
  readonly binary_version: string;
  readonly git_hash: string;
}

const listFreshMs = 1000;

export class Members {
  readonly #options: MembersOptions;
  readonly selfId: bigint;
  #leader: Member | null = null;
  #list: { readonly atMs: number; readonly members: Promise<readonly Member[]> } | null = null;
  #changed = Promise.withResolvers<void>();

  private constructor(options: MembersOptions, selfId: bigint) {
    this.#options = options;
    this.selfId = selfId;
  }

  /** Finds this member's id, and tells the others about it. */
  static async open(options: MembersOptions): Promise<Members> {
    const { self, cluster, store, clusterId } = options;
    const listed = cluster === null ? [] : await cluster.members();
    const own = listed.find(({ name }) => name === self.name);
    const members = new Members(options, own?.id ?? idOf(`${clusterId} ${self.name}`));
    const facts: MemberFacts = { deploy_path: self.deploy_path, binary_version: self.binary_version, git_hash: self.git_hash };
    await store.put(members.#key(members.selfId, "facts"), JSON.stringify(facts));
    return members;
  }

  #key(id: bigint, what: string): string {
    return `/pd/${this.#options.clusterId}/member/${id}/${what}`;
  }

  get self(): Member {
    return { ...this.#options.self, member_id: this.selfId, leader_priority: 0 };
  }

  record(): Uint8Array {
    return pdpb.Member.encode(this.self);
  }

  get leader(): Member | null {
    return this.#leader;
  }

  setLeader(item: KeyValue | null): void {
    this.#leader = item === null ? null : pdpb.Member.decode(item.value);
    this.#wake();
  }

  /** Those who wait for a leader look again. */
  wake(): void {
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  /** Waits up to `ms` for `holds`, looking at each change of the lead. */
  async until(holds: () => boolean, ms: number): Promise<boolean> {
    const patience = { isOver: false };
    const timer = this.#options.world.clock.timer(ms, () => {
      patience.isOver = true;
      this.#wake();
    });
    while (!holds() && !patience.isOver) await this.#changed.promise;
    timer.cancel();
    return holds();
  }

  /** By name; what was read within a second is good enough for clients that ask each second. */
  list(): Promise<readonly Member[]> {
    const now = this.#options.world.clock.monotonicMs();
    if (this.#list !== null && now - this.#list.atMs < listFreshMs) return this.#list.members;
    const members = this.#read();
    this.#list = { atMs: now, members };
    members.catch(() => {
      this.#list = null;
    });
    return members;
  }

  async #read(): Promise<readonly Member[]> {
    const { cluster, store, clusterId, self } = this.#options;
    const prefix = `/pd/${clusterId}/member/`;
    const { items } = await store.range({ prefix });
    const facts = new Map(items.map(({ key, value }) => [key.slice(prefix.length), new TextDecoder().decode(value)]));
    const listed =
      cluster === null
        ? [{ id: this.selfId, name: self.name, peerUrls: self.peer_urls, clientUrls: self.client_urls }]
        : await cluster.members();
    return listed.map(({ id, name, peerUrls, clientUrls }) => {
      const known = JSON.parse(facts.get(`${id}/facts`) ?? "{}") as Partial<MemberFacts>;
      return {
        name,
        member_id: id,
        peer_urls: peerUrls,
        client_urls: clientUrls,
        leader_priority: Number(facts.get(`${id}/leader_priority`) ?? "0"),
        deploy_path: known.deploy_path ?? "",
        binary_version: known.binary_version ?? "",
        git_hash: known.git_hash ?? "",
      };
    });
  }

  forgetList(): void {
    this.#list = null;
  }

  async setPriority(id: bigint, priority: number): Promise<void> {
    await this.#options.store.put(this.#key(id, "leader_priority"), String(priority));
    this.forgetList();
  }

  async remove(id: bigint): Promise<void> {
    await this.#options.cluster?.removeMember(id);
    await this.#options.store.delete({ prefix: `/pd/${this.#options.clusterId}/member/${id}/` });
    this.forgetList();
  }

  get isAlone(): boolean {
    return this.#options.cluster === null;
  }

  /** Says who shall lead next; holds for as long as the lease of the name does. */
  async nominate(name: string, seconds: number): Promise<void> {
    const lease = await this.#options.store.grantLease(seconds);
    await this.#options.store.put(nextLeaderKey(`/pd/${this.#options.clusterId}`), name, { lease: lease.id });
  }
}

/** FNV-1a of 64 bits: the same for the same text, and no number that a person would choose. */
function idOf(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
