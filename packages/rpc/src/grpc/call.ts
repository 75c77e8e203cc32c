/**
 * One gRPC call on its HTTP/2 stream: frames to messages, messages to the route's handler, answers and the status back.
 *
 *   data ─▶ frames ─▶ (unpack) ─▶ decode ─▶ handler ─▶ encode ─▶ gathered ─▶ one write for all that came up in a turn
 *
 * What of a message has come counts in the byte budget until the message is whole; a unary call's message until it is answered.
 */
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { CodedError, type Timer, type World } from "@skein/base";
import { RpcError } from "../errors.ts";
import type { CallContext, Route, StreamCall, StreamListener } from "../service.ts";
import { type AnswerRoom, smallAnswerBytes } from "./answer-room.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { type Encoding, unpack } from "./inflate.ts";

export interface CallSurroundings {
  readonly world: World;
  readonly messageBytesMax: number;
  readonly received: ByteBudget;
  readonly unread: AnswerRoom;
}

const headBytes = 5;
/** Answers that a caller has not taken; a stream's listener is told beyond. */
const unsentBytesMax = 64 * 1024;
/** Longer answers are not copied into one buffer with others. */
const copiedBytesMax = 32 * 1024;
const timerMsMax = 2 ** 31 - 1;
const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 };
const noBytes = Buffer.alloc(0);
const answerHeaders = {
  [constants.HTTP2_HEADER_STATUS]: 200,
  [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc+proto",
  "grpc-accept-encoding": "identity,deflate,gzip",
  "grpc-encoding": "identity",
};
const withTrailers = { waitForTrailers: true };
const gaveUp = () => new DOMException("the caller gave up", "AbortError");

export class GrpcCall implements StreamCall<unknown>, CallContext {
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #route: Route;
  readonly #around: CallSurroundings;
  #listener: StreamListener<unknown> | null = null;
  #controller: AbortController | null = null;
  #deadline: Timer | null = null;
  #isOver = false;
  /** The caller is gone, or its time is up. */
  #isCancelled = false;

  // ── what comes ──
  #chunk: Buffer = noBytes;
  #at = 0;
  /** The beginning of a message that goes on in the next chunks. */
  #parts: Buffer[] = [];
  #partBytes = 0;
  /** Of the byte budget. */
  #charged = 0;
  #isReading = false;
  #isPaused = false;
  #isHeldUp = false;
  #isUnpacking = false;
  #hasEnded = false;
  /** A unary call's. */
  #request: unknown;
  #hasRequest = false;

  // ── what goes ──
  #unsent: Buffer[] = [];
  #unsentBytes = 0;
  #isFlushing = false;
  #hasHeaders = false;
  #awaitsRoom = false;
  #onlyAnswer: unknown;

  constructor(around: CallSurroundings, stream: ServerHttp2Stream, headers: IncomingHttpHeaders, route: Route) {
    this.#around = around;
    this.#stream = stream;
    this.#headers = headers;
    this.#route = route;
  }

  start(): void {
    const stream = this.#stream;
    stream.on("error", () => {}); // its end is what matters
    stream.once("close", () => this.#closed());
    const timeout = this.#headers["grpc-timeout"];
    if (timeout !== undefined && !this.#setDeadline(String(timeout))) return;
    if (this.#route.stream !== null) {
      try {
        this.#listener = this.#route.stream(this);
      } catch (error) {
        return this.fail(error);
      }
      if (this.#isOver) return this.#listener.gone?.();
      stream.on("drain", () => this.#drained());
    }
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    stream.on("end", () => {
      this.#hasEnded = true;
      this.#read();
    });
  }

  // ── the call's context ──

  get context(): CallContext {
    return this;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#isCancelled) this.#controller.abort(gaveUp());
    }
    return this.#controller.signal;
  }

  get peer(): string {
    const socket = this.#stream.session?.socket;
    const address = socket?.remoteAddress;
    if (address === undefined) return "unknown";
    return socket?.remotePort === undefined ? address : `${address}:${socket.remotePort}`;
  }

  metadata(name: string): string | null {
    const value = this.#headers[name];
    return (Array.isArray(value) ? value[0] : value) ?? null;
  }

  #setDeadline(text: string): boolean {
    const match = /^(\d{1,8})\s*([HMSmun])$/.exec(text);
    if (match === null) {
      this.fail(new RpcError("internal", `Invalid grpc-timeout value "${text}"`));
      return false;
    }
    const ms = Number(match[1]) * (unitMs[match[2] as string] as number);
    this.#deadline = this.#around.world.clock.timer(Math.min(ms, timerMsMax), () => {
      this.#isCancelled = true;
      this.#status(4, "Deadline exceeded");
    });
    return true;
  }

  // ── what comes ──

  #take(chunk: Buffer): void {
    if (this.#isOver) return;
    const left = this.#chunk.length - this.#at;
    // A stream that is paused may still have had something on its way.
    this.#chunk = left === 0 ? chunk : Buffer.concat([this.#chunk.subarray(this.#at), chunk]);
    this.#at = 0;
    this.#read();
  }

  /** Hands over the messages that are there, as long as they are wanted. */
  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    while (!this.#isOver && !this.#isHalted() && this.#next());
    this.#isReading = false;
    if (this.#isOver) {
      this.#chunk = noBytes;
      this.#at = 0;
      return;
    }
    if (this.#unsentBytes > 0) this.#flush();
    if (this.#isHalted()) this.#stream.pause();
    else if (this.#hasEnded) this.#ended();
  }

  #isHalted(): boolean {
    return this.#isPaused || this.#isHeldUp || this.#isUnpacking;
  }

  #goOn(): void {
    if (this.#isOver || this.#isHalted()) return;
    this.#read();
    if (!this.#isOver && !this.#isHalted()) this.#stream.resume();
  }

  /** The next message; false when it is not whole. */
  #next(): boolean {
    if (this.#partBytes > 0) return this.#nextOfParts();
    const chunk = this.#chunk;
    const at = this.#at;
    const there = chunk.length - at;
    if (there === 0) return false;
    if (there >= headBytes) {
      const length = chunk.readUInt32BE(at + 1);
      if (length > this.#around.messageBytesMax) return this.#tooLarge(length);
      const end = at + headBytes + length;
      if (end <= chunk.length) {
        this.#at = end;
        this.#frame(chunk[at] as number, chunk.subarray(at + headBytes, end));
        return true;
      }
    }
    return this.#keep(at === 0 ? chunk : chunk.subarray(at));
  }

  #nextOfParts(): boolean {
    let rest = this.#at === 0 ? this.#chunk : this.#chunk.subarray(this.#at);
    if (rest.length === 0) return false;
    if (this.#partBytes < headBytes) {
      rest = Buffer.concat([...this.#dropParts(), rest]);
      this.#chunk = rest;
      this.#at = 0;
      return this.#next();
    }
    const head = this.#parts[0] as Buffer;
    const wanted = headBytes + head.readUInt32BE(1);
    const missing = wanted - this.#partBytes;
    if (rest.length < missing) return this.#keep(rest);
    const whole = Buffer.allocUnsafe(wanted);
    let at = 0;
    for (const part of this.#dropParts()) at += part.copy(whole, at);
    rest.copy(whole, at, 0, missing);
    this.#at += missing;
    this.#frame(whole[0] as number, whole.subarray(headBytes));
    return true;
  }

  #keep(part: Buffer): false {
    this.#chunk = noBytes;
    this.#at = 0;
    if (!this.#charge(part.length)) return false;
    // The first part has all of the head, or is joined with the next.
    this.#parts.push(part);
    this.#partBytes += part.length;
    return false;
  }

  #dropParts(): readonly Buffer[] {
    const parts = this.#parts;
    this.#discharge(this.#partBytes);
    this.#parts = [];
    this.#partBytes = 0;
    return parts;
  }

  #charge(bytes: number): boolean {
    if (!this.#around.received.take(bytes)) {
      this.#status(8, "the server has no room for more messages: try again when others have been answered");
      return false;
    }
    this.#charged += bytes;
    return true;
  }

  #discharge(bytes: number): void {
    this.#around.received.free(bytes);
    this.#charged -= bytes;
  }

  #tooLarge(length: number): false {
    this.#status(8, `Received message larger than max (${length} vs ${this.#around.messageBytesMax})`);
    return false;
  }

  #frame(flag: number, bytes: Buffer): void {
    if (flag !== 1) return this.#message(bytes);
    const encoding = this.metadata("grpc-encoding") ?? "identity";
    if (encoding !== "gzip" && encoding !== "deflate")
      return this.#status(12, `Received message compressed with unsupported encoding "${encoding}"`);
    this.#unpack(encoding, bytes);
  }

  #unpack(encoding: Encoding, bytes: Buffer): void {
    if (!this.#charge(bytes.length)) return;
    this.#isUnpacking = true;
    let isAtOnce = true;
    unpack(
      encoding,
      bytes,
      this.#around.messageBytesMax,
      () => !this.#isOver,
      (message) => {
        if (this.#isOver) return;
        this.#isUnpacking = false;
        this.#discharge(bytes.length);
        if (message instanceof RpcError) return this.fail(message);
        this.#message(message);
        if (!isAtOnce) this.#goOn();
      },
    );
    isAtOnce = false;
  }

  #message(bytes: Uint8Array): void {
    const { method } = this.#route;
    const isOne = this.#route.unary !== null || !method.requestStream;
    if (isOne && this.#hasRequest)
      return this.#status(12, `Received a second request message for ${kindText(this.#route)} method ${method.path}`);
    // Its handler holds it until the answer.
    if (isOne && !this.#charge(bytes.length)) return;
    let message: unknown;
    try {
      message = method.request.decode(bytes);
    } catch {
      return this.#status(13, "Error deserializing request");
    }
    if (isOne) {
      this.#hasRequest = true;
      this.#request = message;
      return;
    }
    try {
      this.#listener?.message(message);
    } catch (error) {
      this.fail(error);
    }
  }

  /** The caller sends no more, and all that it has sent was handed over. */
  #ended(): void {
    this.#hasEnded = false;
    if (this.#partBytes > 0) return this.#status(13, "the last message is cut");
    const { unary, method } = this.#route;
    if (unary === null && method.requestStream) {
      try {
        if (this.#listener?.end === undefined) this.end();
        else this.#listener.end();
      } catch (error) {
        this.fail(error);
      }
      return;
    }
    if (!this.#hasRequest) return this.#status(12, `Received no request message for ${kindText(this.#route)} method ${method.path}`);
    const request = this.#request;
    this.#request = undefined;
    try {
      if (unary === null) return this.#listener?.message(request);
      const answer = unary(request, this);
      if (answer instanceof Promise)
        answer.then(
          (value: unknown) => this.#answer(value),
          (error: unknown) => this.fail(error),
        );
      else this.#answer(answer);
    } catch (error) {
      this.fail(error);
    }
  }

  // ── what goes ──

  #answer(message: unknown): void {
    if (this.#isOver) return;
    const frame = this.#encoded(message);
    if (frame === null || !this.#hasRoomFor(frame.length)) return;
    this.#unsent.push(frame);
    this.#unsentBytes += frame.length;
    this.#status(0, "");
  }

  /** Until the caller has read all of it, or is gone. */
  #hasRoomFor(bytes: number): boolean {
    if (bytes <= smallAnswerBytes) return true;
    const stream = this.#stream;
    const { unread, world } = this.#around;
    const free = unread.take(bytes, world.clock.monotonicMs(), () => this.cutOff());
    if (free === null) {
      this.#status(8, "the server has no room for more answers that are not read: try again when others have been");
      return false;
    }
    if (stream.destroyed || stream.closed) free();
    else stream.once("close", free);
    return true;
  }

  /** Null when that failed: the call is over. */
  #encoded(message: unknown): Buffer | null {
    let body: Buffer;
    try {
      body = this.#route.method.response.encode(message as never);
    } catch {
      this.#status(13, "Error serializing response");
      return null;
    }
    if (body.length <= this.#around.messageBytesMax) return body;
    this.#status(8, `Sent message larger than max (${body.length} vs. ${this.#around.messageBytesMax})`);
    return null;
  }

  cutOff(): void {
    this.#stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  send(message: unknown): boolean {
    if (this.#isOver) return true;
    if (!this.#route.method.responseStream) {
      this.#onlyAnswer = message;
      return true;
    }
    const body = this.#encoded(message);
    if (body === null) return true;
    this.#unsent.push(body);
    this.#unsentBytes += headBytes + body.length;
    if (!this.#isReading && !this.#isFlushing) {
      this.#isFlushing = true;
      queueMicrotask(() => {
        this.#isFlushing = false;
        if (!this.#isOver) this.#flush();
      });
    }
    if (this.#unsentBytes + this.#stream.writableLength < unsentBytesMax) return true;
    this.#awaitsRoom = true;
    // Who does not read answers is not read either, unless the listener sees to it.
    if (this.#listener !== null && this.#listener.drained === undefined) this.#isHeldUp = true;
    return false;
  }

  #flush(): void {
    const bodies = this.#unsent;
    if (bodies.length === 0) return;
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.#sendHeaders();
    this.#write(bodies);
    if (this.#awaitsRoom && !this.#stream.writableNeedDrain) this.#drained();
  }

  #sendHeaders(): void {
    if (this.#hasHeaders || this.#stream.destroyed || this.#stream.closed || this.#stream.headersSent) return;
    this.#hasHeaders = true;
    this.#stream.respond(answerHeaders, withTrailers);
  }

  #write(bodies: readonly Buffer[]): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    for (let first = 0; first < bodies.length; ) {
      let size = 0;
      let next = first;
      for (; next < bodies.length; next++) {
        const { length } = bodies[next] as Buffer;
        if (next > first && size + length > copiedBytesMax) break;
        size += headBytes + length;
      }
      if (next === first + 1 && size > copiedBytesMax) {
        const body = bodies[first] as Buffer;
        stream.cork();
        stream.write(headOf(body.length));
        stream.write(body);
        stream.uncork();
      } else stream.write(joined(bodies, first, next, size));
      first = next;
    }
  }

  #drained(): void {
    if (!this.#awaitsRoom) return;
    this.#awaitsRoom = false;
    if (this.#isOver) return;
    if (this.#listener?.drained !== undefined) {
      try {
        this.#listener.drained();
      } catch (error) {
        this.fail(error);
      }
    }
    if (this.#isHeldUp) {
      this.#isHeldUp = false;
      this.#goOn();
    }
  }

  end(): void {
    if (this.#isOver) return;
    if (this.#route.method.responseStream) this.#status(0, "");
    else this.#answer(this.#onlyAnswer ?? {});
  }

  fail(error: unknown): void {
    const { code, details } = statusOf(error);
    this.#status(code, details);
  }

  pause(): void {
    this.#isPaused = true;
    this.#stream.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (!this.#isReading) this.#goOn();
  }

  // ── the end ──

  /** What was sent goes out before; on a call that is over nothing happens. */
  #status(code: number, details: string): void {
    if (this.#isOver) return;
    this.#over();
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    const status: Record<string, string | number> = { "grpc-status": code };
    if (details !== "") status["grpc-message"] = percentText(details);
    const bodies = this.#unsent;
    this.#unsent = [];
    this.#unsentBytes = 0;
    if (!this.#hasHeaders && bodies.length === 0 && code !== 0) stream.respond({ ...status, ...answerHeaders }, { endStream: true });
    else {
      this.#sendHeaders();
      stream.once("wantTrailers", () => stream.sendTrailers(status));
      this.#write(bodies);
      stream.end();
    }
    // What still comes is read and forgotten.
    stream.resume();
  }

  #over(): void {
    this.#isOver = true;
    this.#deadline?.cancel();
    if (this.#charged > 0) this.#discharge(this.#charged);
    this.#parts = [];
    this.#partBytes = 0;
    this.#request = undefined;
    if (this.#isCancelled && this.#controller !== null) this.#controller.abort(gaveUp());
    const listener = this.#listener;
    this.#listener = null;
    listener?.gone?.();
  }

  #closed(): void {
    if (this.#isOver) return;
    this.#isCancelled = true;
    this.#over();
  }
}

/** `unary`, `server streaming`, … as statuses name them. */
function kindText({ unary, method }: Route): string {
  return unary !== null ? "unary" : method.responseStream ? "server streaming" : "client streaming";
}

function headOf(length: number): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt32BE(length, 1);
  return head;
}

function joined(bodies: readonly Buffer[], first: number, next: number, size: number): Buffer {
  const frames = Buffer.allocUnsafe(size);
  let at = 0;
  for (let i = first; i < next; i++) {
    const body = bodies[i] as Buffer;
    const { length } = body;
    frames[at] = 0;
    frames[at + 1] = length >>> 24;
    frames[at + 2] = length >>> 16;
    frames[at + 3] = length >>> 8;
    frames[at + 4] = length;
    at += headBytes;
    body.copy(frames, at, 0, length);
    at += length;
  }
  return frames;
}

/** Coded errors go out as gRPC's `Unknown` with their whole text, as the original's do. */
export function statusOf(error: unknown): { readonly code: number; readonly details: string } {
  if (error instanceof RpcError) return { code: error.code, details: error.text };
  return { code: 2, details: error instanceof CodedError || error instanceof Error ? error.message : String(error) };
}

/** What a header may not hold, and the percent sign, as `%41`. */
function percentText(text: string): string {
  // oxlint-disable-next-line no-control-regex
  if (/^[\x20-\x24\x26-\x7e]*$/.test(text)) return text;
  let escaped = "";
  for (const byte of Buffer.from(text, "utf8"))
    escaped +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  return escaped;
}
