/**
 * Messages between stores over TCP: one connection a pair and direction, the messages of a turn in one write; a snapshot on a
 * connection of its own. Numbers are little endian.
 *
 *   hello:    peerPrefix │ version u8 │ kind u8 (1 messages, 2 snapshot) │ cluster id u64 │ store id of the sender u64
 *   frame:    length u32 │ checksum u32 │ body
 *   messages: body = envelope*; an empty body says that the sender lives
 *   snapshot: first frame = header, then chunks, an empty one ends it; the answer is one byte: 1 taken, 0 refused
 */
import type { Duplex } from "node:stream";
import { crc32 } from "node:zlib";
import { Backoff, type Listener, type TlsFiles, type World } from "@skein/base";
import { Decoder, Encoder } from "../raftlog/core/encoder.ts";
import { decodeEnvelope, type Envelope, encodeEnvelope } from "./core/codec.ts";
import type { StoreIdentity, StoreTransport, TransportHandlers } from "./transport.ts";

export interface TcpTransportOptions {
  /** A port of its own; 0 takes a free one. Without it connections come by `accept`, from a port that serves others, too. */
  readonly listen?: { readonly host: string; readonly port: number; readonly tls?: TlsFiles };
  /** Where a store listens for others; null when it is not known. */
  readonly resolve: (storeId: number) => Promise<string | null>;
  /** To connect to others with. */
  readonly tls?: TlsFiles;
  /** Bytes that wait for one store; more are dropped (Raft sends again). Default 64 MiB. */
  readonly queueBytesMax?: number;
  readonly frameBytesMax?: number;
  /** A connection that brought nothing for so long is dead. Default 6 s; a sign of life goes every third of it. */
  readonly silenceMs?: number;
}

export interface TcpTransport extends StoreTransport {
  /** Of its own; 0 before it is started, and when it has none. */
  readonly port: number;
  /** Serves another store's connection, which begins with `peerPrefix`. Cut at once before the start: the other tries again. */
  accept(connection: Duplex): void;
}

/** How a connection between stores begins. The first byte is in no HTTP method, and no TLS record begins with it. */
export const peerPrefix: Uint8Array = Uint8Array.of(0x93, 0x53, 0x4b, 0x52);
const version = 1;
const helloBytes = 22;
const kinds = { messages: 1, snapshot: 2 } as const;

export function createTcpTransport(world: World, options: TcpTransportOptions): TcpTransport {
  return new Transport(world, options);
}

class Transport implements TcpTransport {
  readonly world: World;
  readonly options: TcpTransportOptions;
  readonly queueBytesMax: number;
  readonly frameBytesMax: number;
  readonly silenceMs: number;
  handlers: TransportHandlers | null = null;
  identity: StoreIdentity = { clusterId: 0n, storeId: 0 };
  #listener: Listener | null = null;
  readonly #links = new Map<number, Link>();
  readonly #dirty = new Set<Link>();
  readonly abort = new AbortController();
  readonly #incoming = new Set<Duplex>();

  constructor(world: World, options: TcpTransportOptions) {
    this.world = world;
    this.options = options;
    this.queueBytesMax = options.queueBytesMax ?? 64 * 1024 * 1024;
    this.frameBytesMax = options.frameBytesMax ?? 72 * 1024 * 1024;
    this.silenceMs = options.silenceMs ?? 6_000;
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  async start(handlers: TransportHandlers, identity: StoreIdentity): Promise<void> {
    this.handlers = handlers;
    this.identity = identity;
    const { listen } = this.options;
    if (listen === undefined) return;
    this.#listener = await this.world.network.listen(
      {
        host: listen.host,
        port: listen.port,
        connectionsMax: 1_000,
        ...(listen.tls === undefined ? {} : { tls: { ...listen.tls, requestCert: true } }),
      },
      (stream) => this.accept(stream),
    );
  }

  accept(stream: Duplex): void {
    if (this.handlers === null || this.abort.signal.aborted) return void stream.destroy();
    this.#incoming.add(stream);
    stream.once("close", () => this.#incoming.delete(stream));
    this.#serve(stream);
  }

  send(envelope: Envelope): void {
    const { storeId } = envelope.to;
    let link = this.#links.get(storeId);
    if (link === undefined) {
      link = new Link(this, storeId);
      this.#links.set(storeId, link);
    }
    link.add(envelope);
    this.#dirty.add(link);
  }

  flush(): void {
    for (const link of this.#dirty) link.flush();
    this.#dirty.clear();
  }

  async sendSnapshot(storeId: number, header: Uint8Array, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const stream = await this.connect(storeId, kinds.snapshot, signal);
    const stop = () => stream.destroy();
    signal.addEventListener("abort", stop, { once: true });
    // The other side puts each part on its disk: one that takes so long for it is gone, or as good as.
    const progress = new Silence(this.world, this.silenceMs * 10, stop);
    try {
      const answer = new Promise<number>((resolve, reject) => {
        stream.once("data", (part: Buffer) => resolve(part[0] ?? 0));
        stream.once("error", reject);
        stream.once("close", () => reject(new Error("the connection broke")));
      });
      answer.catch(() => {}); // looked at below
      await write(stream, frameOf(header));
      for await (const chunk of chunks) {
        await write(stream, frameOf(chunk));
        progress.touch();
      }
      await write(stream, frameOf(new Uint8Array(0)));
      if ((await answer) !== 1) throw new Error(`store ${storeId} refused the snapshot`);
    } finally {
      progress.stop();
      signal.removeEventListener("abort", stop);
      stream.destroy();
    }
  }

  async connect(storeId: number, kind: number, signal: AbortSignal): Promise<Duplex> {
    const address = await this.options.resolve(storeId);
    if (address === null) throw new Error(`the address of store ${storeId} is not known`);
    const at = address.lastIndexOf(":");
    const { tls } = this.options;
    const stream = await this.world.network.connect({
      host: address.slice(0, at).replace(/^\[|\]$/g, ""),
      port: Number(address.slice(at + 1)),
      timeoutMs: 3_000,
      signal,
      ...(tls === undefined ? {} : { tls }),
    });
    stream.on("error", () => {}); // told by "close"
    const hello = Buffer.alloc(helloBytes);
    hello.set(peerPrefix, 0);
    hello.writeUInt8(version, 4);
    hello.writeUInt8(kind, 5);
    hello.writeBigUInt64LE(this.identity.clusterId, 6);
    hello.writeBigUInt64LE(BigInt(this.identity.storeId), 14);
    stream.write(hello);
    return stream;
  }

  /** Whatever comes that is not of this cluster, or not whole, ends its connection and nothing else. */
  #serve(stream: Duplex): void {
    const parser = new Frames(this.frameBytesMax);
    let hello: Buffer | null = Buffer.alloc(0);
    let kind = 0;
    let sender = 0;
    let snapshot: SnapshotIn | null = null;
    const timer = new Silence(this.world, this.silenceMs, () => {
      // It is not its turn: what it sent waits here, for a place or for the disk.
      if (snapshot !== null && !snapshot.isHungry) return timer.touch();
      stream.destroy();
      if (kind === kinds.messages) this.#silent(sender);
    });
    stream.on("error", () => stream.destroy());
    stream.once("close", () => {
      timer.stop();
      snapshot?.fail(new Error("the connection broke"));
    });
    stream.on("data", (part: Buffer) => {
      timer.touch();
      try {
        let bytes = part;
        if (hello !== null) {
          hello = Buffer.concat([hello, bytes]);
          if (hello.length < helloBytes) return;
          const isOurs = peerPrefix.every((byte, i) => byte === hello?.[i]);
          if (!isOurs || hello.readUInt8(4) !== version || hello.readBigUInt64LE(6) !== this.identity.clusterId)
            throw new Error("not a store of this cluster");
          kind = hello.readUInt8(5);
          sender = Number(hello.readBigUInt64LE(14));
          bytes = hello.subarray(helloBytes);
          hello = null;
          if (kind !== kinds.messages && kind !== kinds.snapshot) throw new Error("an unknown kind of connection");
        }
        parser.push(bytes, (body) => {
          if (kind === kinds.messages) {
            const input = new Decoder(body);
            while (input.left > 0) this.handlers?.onMessage(decodeEnvelope(input));
            return;
          }
          if (snapshot === null) {
            snapshot = new SnapshotIn(stream);
            const { handlers } = this;
            if (handlers === null) throw new Error("not started");
            handlers.onSnapshot(body, snapshot.chunks()).then(
              () => stream.end(Buffer.from([1])),
              (error: unknown) => {
                this.world.log.debug("a snapshot was refused", { reason: String(error) });
                stream.end(Buffer.from([0]));
                snapshot?.fail(error);
              },
            );
          } else if (body.length === 0) snapshot.end();
          else snapshot.add(body);
        });
      } catch (error) {
        this.world.log.debug("a connection of another store is ended", { reason: String(error) });
        stream.destroy();
      }
    });
  }

  /** A store sends no signs of life any more. What is sent to it may look fine for long: the kernel takes it. */
  #silent(storeId: number): void {
    this.world.log.info("a store is silent", { storeId });
    this.#links.get(storeId)?.close();
    this.handlers?.onUnreachable(storeId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort.abort(new DOMException("the transport closes", "AbortError"));
    for (const link of this.#links.values()) link.close();
    await this.#listener?.close();
    for (const stream of this.#incoming) stream.destroy();
  }
}

/** The way to one store. */
class Link {
  readonly #transport: Transport;
  readonly #storeId: number;
  #out = new Encoder(16 * 1024);
  #stream: Duplex | null = null;
  #isConnecting = false;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  readonly #backoff: Backoff;
  #silence: Silence | null = null;

  constructor(transport: Transport, storeId: number) {
    this.#transport = transport;
    this.#storeId = storeId;
    this.#out.zeros(8);
    this.#backoff = new Backoff({ minMs: 50, maxMs: 2_000 }, () => transport.world.random.float());
  }

  add(envelope: Envelope): void {
    if (this.#out.length + this.#waitingBytes > this.#transport.queueBytesMax) return; // Raft finds out, and sends again
    encodeEnvelope(this.#out, envelope);
  }

  flush(): void {
    if (this.#out.length <= 8) return;
    const out = this.#out;
    const body = out.view(8);
    out.setU32(0, body.length);
    out.setU32(4, crc32(body));
    const frame = Buffer.from(out.view()); // a copy: the stream keeps it until it is sent
    out.clear();
    out.zeros(8);
    if (this.#stream !== null && this.#stream.writableLength < this.#transport.queueBytesMax) this.#stream.write(frame);
    else if (this.#stream === null) {
      this.#waiting.push(frame);
      this.#waitingBytes += frame.length;
      void this.#connect();
    }
  }

  async #connect(): Promise<void> {
    const transport = this.#transport;
    if (this.#isConnecting || transport.abort.signal.aborted) return;
    this.#isConnecting = true;
    try {
      const stream = await transport.connect(this.#storeId, kinds.messages, transport.abort.signal);
      this.#backoff.reset();
      this.#stream = stream;
      stream.once("close", () => {
        if (this.#stream !== stream) return;
        this.#stream = null;
        this.#silence?.stop();
        this.#lost();
      });
      stream.on("data", () => {});
      for (const frame of this.#waiting.splice(0)) stream.write(frame);
      this.#waitingBytes = 0;
      this.#keepAlive(stream);
      this.#isConnecting = false;
    } catch {
      this.#lost();
      this.#waiting = [];
      this.#waitingBytes = 0;
      await transport.world.clock.sleep(this.#backoff.next(), transport.abort.signal).catch(() => {}); // closing
      this.#isConnecting = false;
    }
  }

  /** Signs of life, and a look at whether the other side takes anything. */
  #keepAlive(stream: Duplex): void {
    const { world, silenceMs } = this.#transport;
    const beat = () => {
      if (this.#stream !== stream) return;
      // What was written long ago is not sent yet: the other side does not read, or is not there.
      if (stream.writableLength > 0 && stream.writableLength === stuck) return void stream.destroy();
      stuck = stream.writableLength;
      stream.write(frameOf(new Uint8Array(0)));
      world.clock.timer(silenceMs / 3, beat);
    };
    let stuck = -1;
    world.clock.timer(silenceMs / 3, beat);
  }

  #lost(): void {
    if (!this.#transport.abort.signal.aborted) this.#transport.handlers?.onUnreachable(this.#storeId);
  }

  close(): void {
    this.#stream?.destroy();
  }
}

/** Calls when nothing came for a while, once unless it is touched then. */
class Silence {
  readonly #world: World;
  readonly #ms: number;
  readonly #onSilent: () => void;
  #lastMs: number;
  #isStopped = false;

  constructor(world: World, ms: number, onSilent: () => void) {
    this.#world = world;
    this.#ms = ms;
    this.#onSilent = onSilent;
    this.#lastMs = world.clock.monotonicMs();
    this.#arm(ms);
  }
  touch(): void {
    this.#lastMs = this.#world.clock.monotonicMs();
  }
  stop(): void {
    this.#isStopped = true;
  }
  #arm(ms: number): void {
    this.#world.clock.timer(ms, () => {
      if (this.#isStopped) return;
      let left = this.#lastMs + this.#ms - this.#world.clock.monotonicMs();
      if (left <= 0) {
        this.#onSilent();
        left = this.#lastMs + this.#ms - this.#world.clock.monotonicMs();
      }
      if (left > 0) this.#arm(left);
    });
  }
}

/** Whole frames out of parts of a stream. */
class Frames {
  readonly #limit: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #wanted = 8;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(part: Buffer, onBody: (body: Buffer) => void): void {
    if (part.length === 0) return;
    this.#held.push(part);
    this.#heldBytes += part.length;
    if (this.#heldBytes < this.#wanted) return;
    let input = this.#held.length === 1 ? (this.#held[0] as Buffer) : Buffer.concat(this.#held);
    this.#held = [];
    while (input.length >= 8) {
      const length = input.readUInt32LE(0);
      if (length > this.#limit) throw new Error(`a frame of ${length} bytes is over the limit`);
      if (input.length < 8 + length) break;
      const body = input.subarray(8, 8 + length);
      if (crc32(body) !== input.readUInt32LE(4)) throw new Error("a frame is damaged");
      onBody(body);
      input = input.subarray(8 + length);
    }
    this.#wanted = input.length >= 8 ? 8 + input.readUInt32LE(0) : 8;
    this.#heldBytes = input.length;
    if (input.length > 0) this.#held.push(input);
  }
}

/** Chunks between a socket and whoever writes them to the disk; the socket waits when some are held. */
class SnapshotIn {
  readonly #stream: Duplex;
  readonly #chunks: Buffer[] = [];
  #isEnded = false;
  #failure: { readonly error: unknown } | null = null;
  #wake: (() => void) | null = null;

  constructor(stream: Duplex) {
    this.#stream = stream;
  }
  add(chunk: Buffer): void {
    this.#chunks.push(Buffer.from(chunk)); // the part that it is a view of may be large
    if (this.#chunks.length > 8) this.#stream.pause();
    this.#wake?.();
  }
  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }
  /** Whoever takes the chunks waits for the next one. */
  get isHungry(): boolean {
    return this.#wake !== null && !this.#isEnded;
  }
  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        if (this.#chunks.length <= 4) this.#stream.resume();
        yield chunk;
        continue;
      }
      if (this.#failure !== null) throw this.#failure.error;
      if (this.#isEnded) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }
}

function frameOf(body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(8 + body.length);
  frame.writeUInt32LE(body.length, 0);
  frame.writeUInt32LE(crc32(body), 4);
  frame.set(body, 8);
  return frame;
}

function write(stream: Duplex, frame: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    if (stream.destroyed) return reject(new Error("the connection broke"));
    stream.write(frame, (error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
}
