/**
 * The way to the leader of the placement drivers: asks all known endpoints at once who leads, keeps to that one, and asks again when
 * it does not answer or says that it does not lead.
 */
import { type TlsFiles, type World } from "@skein/base";
import { createRpcClient, isRpcError, type RpcClient, RpcError } from "@skein/rpc";
import { pdpb } from "../wire/index.ts";
import { pdClientErrors } from "./errors.ts";

export interface ConnectionOptions {
  readonly endpoints: readonly string[];
  readonly tls?: TlsFiles;
  /** Until a call that finds no leader gives up. Default 15 000. */
  readonly patienceMs?: number;
  /** Of one attempt. Default 3000. */
  readonly deadlineMs?: number;
}

const firstBackoffMs = 20;
const longestBackoffMs = 1000;
const probeMs = 3000;
const doubtMs = 1000;
const deadlineMs = 3000;

export class Connections implements Disposable {
  private readonly world: World;
  private readonly options: ConnectionOptions;
  private readonly clients = new Map<string, RpcClient>();
  private readonly controller = new AbortController();
  /** Client URLs of the members that the last answer named. */
  private memberUrls: readonly string[] = [];
  private leader: RpcClient | null = null;
  private search: Promise<RpcClient> | null = null;
  private doubt: Promise<RpcClient | null> | null = null;
  private knownClusterId: bigint | null = null;

  constructor(world: World, options: ConnectionOptions) {
    if (options.endpoints.every((endpoint) => endpoint === "")) throw pdClientErrors.noEndpoints([]);
    this.world = world;
    this.options = options;
  }

  get deadlineMs(): number {
    return this.options.deadlineMs ?? deadlineMs;
  }

  get closing(): AbortSignal {
    return this.controller.signal;
  }

  /** Null before the first answer. */
  get clusterId(): bigint | null {
    return this.knownClusterId;
  }

  [Symbol.dispose](): void {
    this.controller.abort(pdClientErrors.closed([]));
    for (const client of this.clients.values()) client.close();
    this.clients.clear();
    this.leader = null;
  }

  /** The next call looks for the leader anew, if `client` is still taken for it. */
  lost(client: RpcClient): void {
    if (this.leader === client) this.leader = null;
  }

  /** One look for the leader; rejects with `RpcError` or `clusterMismatch`. */
  find(): Promise<RpcClient> {
    this.closing.throwIfAborted();
    if (this.leader !== null) return Promise.resolve(this.leader);
    this.search ??= this.look().finally(() => {
      this.search = null;
    });
    return this.search;
  }

  /** Whether a member names another leader than the one that is used now: then the next call goes to that one. Never rejects. */
  async isAnotherNamed(): Promise<boolean> {
    const used = this.leader;
    if (used === null) return true;
    this.doubt ??= this.askOthers(used).finally(() => {
      this.doubt = null;
    });
    const other = await this.doubt;
    if (other === null || this.closing.aborted) return false;
    if (this.leader === used) this.leader = other;
    return this.leader !== used;
  }

  private async askOthers(used: RpcClient): Promise<RpcClient | null> {
    const ask = async (address: string): Promise<RpcClient> => {
      const { leader } = await this.ask(address, doubtMs);
      if (leader === used) throw new RpcError("unavailable", `${address} names no other leader`);
      return leader;
    };
    const others = this.addresses().filter((address) => this.clientOf(address) !== used);
    return await Promise.any(others.map(ask)).catch(() => null); // they know no better: the one that is used may answer yet
  }

  /** Calls the leader until it answers with what is no matter of who leads. Rejects with `unavailable` when patience ends. */
  async run<T>(what: string, call: (client: RpcClient) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const patienceMs = this.options.patienceMs ?? 15_000;
    const startMs = this.world.clock.monotonicMs();
    for (let backoffMs = firstBackoffMs; ; backoffMs = Math.min(backoffMs * 2, longestBackoffMs)) {
      signal?.throwIfAborted();
      let client: RpcClient | null = null;
      try {
        client = await this.find();
        return await call(client);
      } catch (error) {
        this.closing.throwIfAborted();
        if (!isMatterOfLeader(error)) throw error;
        if (client !== null) this.lost(client);
        const waitedMs = this.world.clock.monotonicMs() - startMs;
        if (waitedMs + backoffMs > patienceMs)
          throw pdClientErrors.unavailable([what, this.addresses().join(", "), Math.round(waitedMs)], error);
        await this.pause(backoffMs, signal);
      }
    }
  }

  /** Waits, with some chance in it, so that many clients do not come back in one moment. */
  async pause(ms: number, signal?: AbortSignal): Promise<void> {
    const signals = signal === undefined ? this.closing : AbortSignal.any([this.closing, signal]);
    await this.world.clock.sleep(ms / 2 + this.world.random.float() * (ms / 2), signals);
  }

  private addresses(): readonly string[] {
    return [...new Set([...this.memberUrls, ...this.options.endpoints].map(plainAddress))];
  }

  private clientOf(address: string): RpcClient {
    let client = this.clients.get(address);
    if (client === undefined) {
      const { tls } = this.options;
      client = createRpcClient(this.world, address, { deadlineMs: this.deadlineMs, ...(tls === undefined ? {} : { tls }) });
      this.clients.set(address, client);
    }
    return client;
  }

  private async look(): Promise<RpcClient> {
    const errors: unknown[] = [];
    const found = await Promise.any(this.addresses().map((address) => this.ask(address, probeMs))).catch((error: unknown) => {
      errors.push(...(error instanceof AggregateError ? (error.errors as unknown[]) : [error]));
      return null;
    });
    this.closing.throwIfAborted();
    if (found === null) throw errors.find((error) => !isMatterOfLeader(error)) ?? errors[0];
    this.knownClusterId ??= found.clusterId;
    this.memberUrls = found.memberUrls;
    this.leader = found.leader;
    return this.leader;
  }

  /** What one member says. Rejects with `RpcError` or `clusterMismatch`. */
  private async ask(address: string, ms: number) {
    const answer = await this.clientOf(address).request(pdpb.pd.methods.GetMembers, {}, { deadlineMs: ms, signal: this.closing });
    const clusterId = answer.header?.cluster_id ?? 0n;
    if (this.knownClusterId !== null && clusterId !== this.knownClusterId)
      throw pdClientErrors.clusterMismatch([address, clusterId, this.knownClusterId]);
    const url = answer.leader?.client_urls[0];
    if (url === undefined) throw new RpcError("unavailable", `${address} knows no leader`);
    return {
      clusterId,
      memberUrls: answer.members.flatMap((member) => member.client_urls),
      leader: this.clientOf(plainAddress(url)),
    };
  }
}

const plainAddress = (url: string) => url.replace(/^https?:\/\//, "").replace(/\/$/, "");

/** Whether another member, or the same one later, may answer what was refused. */
export function isMatterOfLeader(error: unknown): boolean {
  if (!isRpcError(error)) return false;
  // Another cluster's member at a known address: the next look for the leader says so.
  if (error.status === "failed_precondition") return /cluster id/i.test(error.text);
  return ["unavailable", "deadline_exceeded", "cancelled"].includes(error.status) || /leader/i.test(error.text);
}
