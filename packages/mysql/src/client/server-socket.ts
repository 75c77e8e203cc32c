/**
 * A connection's socket after authentication: commands go out, their answers come back in order.
 *
 * Commands may be sent before earlier ones are answered (pipelining). Each has an `Answer` that is given the packets of its
 * answer until it says that it is complete. A broken socket or protocol fails all that wait.
 */
import type { Duplex } from "node:stream";
import type { World } from "@skein/base";
import { framePacket, PacketFramer } from "../core/packet-framer.ts";
import { parseErr } from "../core/result-packets.ts";
import { MysqlConnectionError } from "./errors.ts";

export interface Answer {
  /** True when this packet was the answer's last. What it throws breaks the connection. */
  onPacket(bytes: Buffer, start: number, end: number, sequence: number): boolean;
  /** All packets of one chunk are handed over: time to pass on what was collected. */
  onChunkEnd?(): void;
  /** The connection broke; nothing more comes. */
  onFailure(error: Error): void;
}

/** The largest answer packet that is taken: the largest `max_allowed_packet`, and a header. */
const packetBytesMax = 1024 * 1024 * 1024 + 1024;

export class ServerSocket {
  readonly #world: World;
  readonly #socket: Duplex;
  readonly #endpoint: { readonly host: string; readonly port: number };
  readonly #framer: PacketFramer;
  readonly #answers: { readonly answer: Answer; sequence: number }[] = [];
  #failure: Error | undefined;
  #drained: (() => void)[] = [];
  #closing = false;
  onClose: (() => void) | undefined;

  constructor(world: World, socket: Duplex, endpoint: { readonly host: string; readonly port: number }) {
    this.#world = world;
    this.#socket = socket;
    this.#endpoint = { host: endpoint.host, port: endpoint.port };
    this.#framer = new PacketFramer((bytes, start, end, first, last) => this.#onPacket(bytes, start, end, first, last), packetBytesMax);
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("error", (error: Error & { code?: string }) =>
      this.fail(new MysqlConnectionError(error.code ?? "CLOSED", this.#endpoint, `connection lost: ${error.message}`, { cause: error })),
    );
    socket.on("end", () => this.fail(new MysqlConnectionError("CLOSED", this.#endpoint, "the server closed the connection")));
    socket.on("close", () => this.fail(new MysqlConnectionError("CLOSED", this.#endpoint, "the connection was closed")));
    socket.on("drain", () => this.#wakeWriters());
    socket.resume();
  }

  get failure(): Error | undefined {
    return this.#failure;
  }
  get isIdle(): boolean {
    return this.#answers.length === 0;
  }

  /** Sends framed bytes; `answer` gets what comes back. */
  send(framed: Buffer, answer: Answer): void {
    if (this.#failure !== undefined) {
      answer.onFailure(this.#failure);
      return;
    }
    const parts = Math.floor((framed.length - 1) / 0x100_0003) + 1;
    this.#answers.push({ answer, sequence: parts & 0xff });
    this.#socket.write(framed);
  }

  /** Sends a command that no server answers. */
  sendUnanswered(framed: Buffer): void {
    if (this.#failure === undefined) this.#socket.write(framed);
  }

  /** Sends bytes that belong to the running command. Resolves when the socket can take more. */
  async continueWith(payload: Uint8Array, sequence: number): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure;
    const framed = framePacket(payload, sequence);
    const next = sequence + Math.floor((framed.length - 1) / 0x100_0003) + 1;
    const current = this.#answers[0];
    if (current !== undefined) current.sequence = next & 0xff;
    if (!this.#socket.write(framed)) {
      await new Promise<void>((resolve) => this.#drained.push(resolve));
      if (this.#failure !== undefined) throw this.#failure;
    }
    return next;
  }

  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }

  fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#socket.destroy();
    for (const { answer } of this.#answers.splice(0)) answer.onFailure(error);
    this.#wakeWriters();
    this.onClose?.();
  }

  destroy(reason?: Error): void {
    this.fail(reason ?? new MysqlConnectionError("DESTROYED", this.#endpoint, "the connection was closed by this side"));
  }

  /** COM_QUIT, then waits for the server to hang up, at most a second. */
  async close(): Promise<void> {
    if (this.#failure !== undefined || this.#closing) return;
    this.#closing = true;
    if (this.#answers.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#world.clock.timer(1000, resolve);
        this.#socket.once("close", () => {
          timer.cancel();
          resolve();
        });
        this.#socket.end(Buffer.from([1, 0, 0, 0, 1]));
        this.#socket.resume();
      });
    }
    this.destroy();
  }

  #wakeWriters(): void {
    for (const wake of this.#drained.splice(0)) wake();
  }

  #onData(chunk: Buffer): void {
    if (this.#failure !== undefined) return;
    try {
      this.#framer.feed(chunk);
      this.#answers[0]?.answer.onChunkEnd?.();
    } catch (error) {
      this.fail(
        new MysqlConnectionError("PROTOCOL", this.#endpoint, `the server broke the protocol: ${(error as Error).message}`, {
          cause: error,
        }),
      );
    }
  }

  #onPacket(bytes: Buffer, start: number, end: number, firstSequence: number, lastSequence: number): void {
    const current = this.#answers[0];
    const isErr = bytes[start] === 0xff;
    if (current === undefined) {
      if (this.#failure !== undefined || this.#closing) return;
      // Unasked: servers do this only to say why they hang up.
      if (!isErr) throw new Error("a packet came that nothing had asked for");
      const { errno, message } = parseErr(bytes, start, end);
      this.fail(new MysqlConnectionError("CLOSED", this.#endpoint, `the server closed the connection: error ${errno}: ${message}`));
      return;
    }
    if (firstSequence !== current.sequence && !isErr) {
      throw new Error(`packet number ${firstSequence} came where ${current.sequence} was due`);
    }
    current.sequence = (lastSequence + 1) & 0xff;
    if (current.answer.onPacket(bytes, start, end, lastSequence)) this.#answers.shift();
  }
}
