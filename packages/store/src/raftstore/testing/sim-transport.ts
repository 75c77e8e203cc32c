/** Messages between stores of a simulation: late, lost, doubled, out of order, cut off; each goes through its codec. */
import type { Random } from "@skein/base";
import type { VirtualClock } from "@skein/sim";
import { Decoder, Encoder } from "../../raftlog/core/encoder.ts";
import { decodeEnvelope, type Envelope, encodeEnvelope } from "../core/codec.ts";
import type { StoreTransport, TransportHandlers } from "../transport.ts";

export interface MessageFaults {
  loss: number;
  duplication: number;
  delayMsMax: number;
}

export class SimMessages {
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #stores = new Map<number, TransportHandlers>();
  readonly #cuts = new Set<string>();
  faults: MessageFaults = { loss: 0, duplication: 0, delayMsMax: 2 };
  sent = 0;
  readonly #sending = new Set<{ readonly to: number; readonly broken: (error: Error) => void }>();

  constructor(clock: VirtualClock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  cut(a: number, b: number): void {
    this.#cuts.add(`${Math.min(a, b)}-${Math.max(a, b)}`);
    this.#stores.get(a)?.onUnreachable(b);
    this.#stores.get(b)?.onUnreachable(a);
  }
  heal(): void {
    this.#cuts.clear();
  }
  #isCut(a: number, b: number): boolean {
    return this.#cuts.has(`${Math.min(a, b)}-${Math.max(a, b)}`);
  }
  /** The store's process is gone. */
  drop(storeId: number): void {
    this.#stores.delete(storeId);
    for (const sending of this.#sending) if (sending.to === storeId) sending.broken(new Error("the connection broke"));
    for (const other of this.#stores.values()) other.onUnreachable(storeId);
  }

  /** Of one life of a store. */
  transport(started: (storeId: number) => void, isDead: () => boolean): StoreTransport {
    let storeId = 0;
    const out = new Encoder();
    const post = (envelope: Envelope): void => {
      if (isDead()) return;
      this.sent++;
      const [from, to] = [storeId, envelope.to.storeId];
      if (this.#isCut(from, to) || this.#random.chance(this.faults.loss)) return;
      out.clear();
      encodeEnvelope(out, envelope);
      const bytes = out.take();
      const copies = this.#random.chance(this.faults.duplication) ? 2 : 1;
      for (let i = 0; i < copies; i++)
        this.#clock.schedule(this.#random.float() * this.faults.delayMsMax, () => {
          if (!this.#isCut(from, to)) this.#stores.get(to)?.onMessage(decodeEnvelope(new Decoder(bytes)));
        });
    };
    return {
      start: async (handlers, identity) => {
        storeId = identity.storeId;
        started(storeId);
        const guarded: TransportHandlers = {
          onMessage: (envelope) => void (isDead() || handlers.onMessage(envelope)),
          onSnapshot: (header, chunks) => (isDead() ? new Promise(() => {}) : handlers.onSnapshot(header, chunks)),
          onUnreachable: (id) => void (isDead() || handlers.onUnreachable(id)),
        };
        this.#stores.set(storeId, guarded);
      },
      send: post,
      flush: () => {},
      sendSnapshot: async (to, header, chunks) => {
        const link = async () => {
          await new Promise<void>((done) => void this.#clock.schedule(this.#random.float() * this.faults.delayMsMax, done));
          if (isDead()) await new Promise(() => {});
          if (this.#isCut(storeId, to)) throw new Error("the connection broke");
        };
        await link();
        const other = this.#stores.get(to);
        if (other === undefined) throw new Error("the store is not there");
        const paced = async function* () {
          for await (const chunk of chunks) {
            await link();
            yield chunk.slice();
          }
        };
        await new Promise<void>((resolve, reject) => {
          const sending = { to, broken: reject };
          this.#sending.add(sending);
          other
            .onSnapshot(header, paced())
            .then(resolve, reject)
            .finally(() => this.#sending.delete(sending));
        });
        await link();
      },
      [Symbol.asyncDispose]: async () => {},
    };
  }
}
