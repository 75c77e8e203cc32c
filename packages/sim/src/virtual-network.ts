import { Duplex } from "node:stream";
import type { Listener, Network, Random } from "@skein/base";
import type { VirtualClock } from "./virtual-clock.ts";
import { systemError } from "./virtual-disk.ts";

/**
 * Streams between nodes of a simulation. A stream keeps its order; its parts arrive late by the seed. A partition holds
 * what is under way; what was held arrives after it heals, or the stream is reset, as TCP does.
 */
export interface NetworkFaults {
  /** Delay of each part, drawn evenly. */
  readonly delayMs?: readonly [min: number, max: number];
  /** Chance that a part resets its stream instead of arriving. */
  readonly resets?: number;
}

export class VirtualNetwork {
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #listeners = new Map<string, { node: string; accept: (stream: Duplex, peer: { address: string; port: number }) => void }>();
  readonly #cuts = new Set<string>();
  readonly #streams = new Set<{ nodes: readonly [string, string]; ends: readonly [End, End] }>();
  #nextPort = 20_000;
  faults: NetworkFaults = { delayMs: [0, 2] };

  constructor(clock: VirtualClock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Nothing passes between the two nodes until `heal`. */
  cut(a: string, b: string): void {
    this.#cuts.add(pair(a, b));
  }
  /** Cuts every pair across the groups. */
  partition(...groups: readonly (readonly string[])[]): void {
    for (const [index, group] of groups.entries())
      for (const other of groups.slice(index + 1)) for (const a of group) for (const b of other) this.cut(a, b);
  }
  heal(): void {
    this.#cuts.clear();
    for (const stream of this.#streams) for (const end of stream.ends) end.flushHeld();
  }
  isCut(a: string, b: string): boolean {
    return this.#cuts.has(pair(a, b));
  }

  /** The node is gone: its listeners close and its streams are reset at the other side. */
  dropNode(node: string): void {
    for (const [address, listener] of this.#listeners) if (listener.node === node) this.#listeners.delete(address);
    for (const stream of this.#streams) if (stream.nodes.includes(node)) this.#reset(stream);
  }

  forNode(node: string): Network {
    return {
      connect: async (options) => {
        options.signal?.throwIfAborted();
        await this.#pass(node);
        const listener = this.#listeners.get(`${options.host}:${options.port}`);
        if (listener === undefined) throw systemError("ECONNREFUSED", `connect ${options.host}:${options.port}`);
        if (this.isCut(node, listener.node)) {
          await new Promise<void>((resolve) => void this.#clock.schedule(options.timeoutMs ?? 20_000, resolve));
          throw systemError("ETIMEDOUT", `connect ${options.host}:${options.port}`);
        }
        const ends: [End, End] = [new End(this, node, listener.node), new End(this, listener.node, node)];
        ends[0].peer = ends[1];
        ends[1].peer = ends[0];
        const stream = { nodes: [node, listener.node] as const, ends };
        this.#streams.add(stream);
        for (const end of ends) end.once("close", () => this.#streams.delete(stream));
        listener.accept(ends[1], { address: node, port: this.#nextPort++ });
        return ends[0];
      },
      listen: async (options, accept): Promise<Listener> => {
        const port = options.port === 0 ? this.#nextPort++ : options.port;
        const address = `${options.host}:${port}`;
        if (this.#listeners.has(address)) throw systemError("EADDRINUSE", `listen ${address}`);
        this.#listeners.set(address, { node, accept });
        const close = async () => void this.#listeners.delete(address);
        return { port, close, [Symbol.asyncDispose]: close };
      },
    };
  }

  /** Calls `arrive` after the delay of the moment; never before an earlier part of the same stream. */
  deliver(end: End, arrive: () => void): void {
    const [minMs, maxMs] = this.faults.delayMs ?? [0, 0];
    const atMs = Math.max(end.lastArrivalMs, this.#clock.nowMs + minMs + this.#random.float() * (maxMs - minMs));
    end.lastArrivalMs = atMs;
    const reset = this.#random.chance(this.faults.resets ?? 0);
    this.#clock.schedule(atMs - this.#clock.nowMs, () => {
      if (!reset) return arrive();
      for (const stream of this.#streams) if (stream.ends.includes(end)) return this.#reset(stream);
    });
  }

  #reset(stream: { ends: readonly [End, End] }): void {
    for (const end of stream.ends) end.destroy(systemError("ECONNRESET", "the stream was reset"));
  }

  #pass(_node: string): Promise<void> {
    const [minMs, maxMs] = this.faults.delayMs ?? [0, 0];
    return new Promise((resolve) => void this.#clock.schedule(minMs + this.#random.float() * (maxMs - minMs), resolve));
  }
}

class End extends Duplex {
  peer: End | undefined;
  lastArrivalMs = 0;
  readonly #network: VirtualNetwork;
  readonly #node: string;
  readonly #other: string;
  #held: (() => void)[] = [];

  constructor(network: VirtualNetwork, node: string, other: string) {
    super({ allowHalfOpen: false });
    this.#network = network;
    this.#node = node;
    this.#other = other;
    this.on("error", () => {}); // a reset that nobody listens for must not end the simulation
  }

  flushHeld(): void {
    for (const arrive of this.#held.splice(0)) arrive();
  }

  override _write(part: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const copy = Buffer.from(part);
    this.#send(() => {
      this.peer?.push(copy);
      done();
    });
  }
  override _final(done: (error?: Error | null) => void): void {
    this.#send(() => {
      this.peer?.push(null);
      done();
    });
  }
  override _read(): void {}
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const peer = this.peer;
    if (peer !== undefined && !peer.destroyed) this.#send(() => peer.destroy(error ?? undefined));
    done(error);
  }

  #send(arrive: () => void): void {
    this.#network.deliver(this, () => {
      if (this.#network.isCut(this.#node, this.#other)) this.#held.push(arrive);
      else arrive();
    });
  }
}

function pair(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
