/** The libraries behind the decoders, and the unpacking of compressed transactions. */
import { crc32, createZstdDecompress, inflateRawSync, inflateSync, zstdDecompressSync } from "node:zlib";
import type { TableDefinition } from "../core/table.ts";
import { binlogErrors } from "../errors.ts";
import type { BinlogDecoder, Payload } from "./core/decoder.ts";
import { headerBytes } from "./core/decoder.ts";
import type { BinlogEvent } from "./core/events.ts";
import { MalformedBinlogError } from "./core/malformed.ts";
import { compileRowDecoder, type RowDecoder } from "./core/row-decoder.ts";
import type { TableMap } from "./core/table-map.ts";
import type { BinlogTools } from "./core/tools.ts";

export const binlogTools: BinlogTools = {
  crc32: (bytes) => crc32(bytes),
  zlib: (bytes, bytesMax) => inflateSync(bytes, { maxOutputLength: Math.max(1, bytesMax) }),
  rawDeflate: (bytes, bytesMax) => inflateRawSync(bytes, { maxOutputLength: Math.max(1, bytesMax) }),
};

/** Largest event that is taken: the servers' largest `max_allowed_packet`. */
export const eventBytesMaxDefault = 1024 * 1024 * 1024;

/** Compressed transactions up to this size are unpacked at once, larger ones as a stream. */
const unpackedAtOnceBytesMax = 4 * 1024 * 1024;

/**
 * Compiles a decoder for the rows of a table map. The definition gives what a log with minimal metadata leaves out: names,
 * signs, members. Errors: coded 36027 when it has another number of columns than the log, 36069 for columns that cannot be.
 */
export function createRowDecoder(table: TableMap, definition: TableDefinition | null): RowDecoder {
  try {
    return compileRowDecoder(table, definition, binlogTools);
  } catch (error) {
    if (error instanceof MalformedBinlogError) throw binlogErrors.getEvent([error.message], error);
    throw error;
  }
}

/** The events of a compressed transaction, in batches; constant memory whatever its size. */
export async function* unpackPayload(
  decoder: BinlogDecoder,
  payload: Payload,
  eventBytesMax: number,
): AsyncGenerator<BinlogEvent[], void, void> {
  if (payload.compression === "none") {
    yield decodeAll(decoder, new EventSplitter(eventBytesMax), payload.data, true);
    return;
  }
  const splitter = new EventSplitter(eventBytesMax);
  try {
    if (payload.uncompressedBytes <= unpackedAtOnceBytesMax) {
      const plain = zstdDecompressSync(payload.data, { maxOutputLength: unpackedAtOnceBytesMax });
      yield decodeAll(decoder, splitter, plain, true);
      return;
    }
    const stream = createZstdDecompress();
    stream.end(payload.data);
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const events = decodeAll(decoder, splitter, chunk, false);
      if (events.length > 0) yield events;
    }
    splitter.finish();
  } catch (error) {
    if (error instanceof MalformedBinlogError || !(error instanceof Error) || !isZlibError(error)) throw error;
    throw new MalformedBinlogError("a compressed transaction cannot be unpacked", { cause: error });
  }
}

function isZlibError(error: Error & { readonly code?: unknown }): boolean {
  return typeof error.code === "string" && /^(?:Z|ZSTD|ERR_)/.test(error.code);
}

function decodeAll(decoder: BinlogDecoder, splitter: EventSplitter, chunk: Buffer, isLast: boolean): BinlogEvent[] {
  const events = splitter.feed(chunk).map((bytes) => decoder.decodeInner(bytes));
  if (isLast) splitter.finish();
  return events;
}

/** Cuts a run of bytes into events by the size in their headers. */
export class EventSplitter {
  readonly #eventBytesMax: number;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #wanted = headerBytes;

  constructor(eventBytesMax: number) {
    this.#eventBytesMax = eventBytesMax;
  }

  /** Bytes of an event that is not complete. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  feed(chunk: Buffer): Buffer[] {
    const events: Buffer[] = [];
    let at = 0;
    // The event that crossed the chunks is put together alone; the rest of the chunk stays where it is.
    while (this.#waitingBytes > 0) {
      const taken = Math.min(chunk.length - at, this.#wanted - this.#waitingBytes);
      this.#waiting.push(chunk.subarray(at, at + taken));
      this.#waitingBytes += taken;
      at += taken;
      if (this.#waitingBytes < this.#wanted) return events;
      const head = this.#waiting.length === 1 ? (this.#waiting[0] as Buffer) : Buffer.concat(this.#waiting, this.#waitingBytes);
      const size = this.#sizeOf(head, 0);
      if (head.length < size) {
        this.#waiting = [head];
        this.#wanted = size;
        continue;
      }
      events.push(head);
      this.#waiting = [];
      this.#waitingBytes = 0;
    }
    this.#wanted = headerBytes;
    while (chunk.length - at >= headerBytes) {
      const size = this.#sizeOf(chunk, at);
      if (chunk.length - at < size) {
        this.#wanted = size;
        break;
      }
      events.push(chunk.subarray(at, at + size));
      at += size;
    }
    if (at < chunk.length) {
      this.#waiting.push(chunk.subarray(at));
      this.#waitingBytes = chunk.length - at;
    }
    return events;
  }

  #sizeOf(bytes: Buffer, at: number): number {
    const size = bytes.readUInt32LE(at + 9);
    if (size < headerBytes || size > this.#eventBytesMax) {
      throw new MalformedBinlogError(`an event that says ${size} bytes; ${headerBytes} to ${this.#eventBytesMax} are possible`);
    }
    return size;
  }

  finish(): void {
    if (this.#waitingBytes > 0) throw new MalformedBinlogError(`the last event is cut off after ${this.#waitingBytes} bytes`);
  }
}
