/** How stores reach each other. TCP in production (`tcp-transport.ts`), anything in simulation. */
import type { Envelope } from "./core/codec.ts";

export interface SnapshotHandler {
  /** Takes the whole of a snapshot; rejects when it is refused or broken. `chunks` must be read to the end. */
  (header: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void>;
}

export interface TransportHandlers {
  readonly onMessage: (envelope: Envelope) => void;
  readonly onSnapshot: SnapshotHandler;
  /** The connection to a store was lost, or cannot be made. */
  readonly onUnreachable: (storeId: number) => void;
}

/** Whose messages these are. */
export interface StoreIdentity {
  readonly clusterId: bigint;
  readonly storeId: number;
}

export interface StoreTransport extends AsyncDisposable {
  start(handlers: TransportHandlers, identity: StoreIdentity): Promise<void>;
  /** Messages may be lost, and are when the queue to their store is full. They go out with `flush`. */
  send(envelope: Envelope): void;
  flush(): void;
  /** Resolves when the other store has it all durable; rejects when it is refused or the connection breaks. */
  sendSnapshot(storeId: number, header: Uint8Array, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
}
