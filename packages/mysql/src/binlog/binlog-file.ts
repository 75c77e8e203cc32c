/** Binlog files on disk: the same events as a server's stream. */
import { basename } from "node:path";
import type { DiskFile, World } from "@skein/base";
import { binlogErrors } from "../errors.ts";
import type { GtidSet } from "../gtid/gtid-set.ts";
import { BinlogDecoder } from "./core/decoder.ts";
import type { BinlogEvent } from "./core/events.ts";
import { MalformedBinlogError } from "./core/malformed.ts";
import { firstOffset } from "./core/position.ts";
import { binlogTools, EventSplitter, eventBytesMaxDefault, unpackPayload } from "./tools.ts";

export interface BinlogFileOptions {
  /** Where to begin: the start of an event, or 4. The format description at the head is read in any case. */
  readonly offset?: number;
  /** Name in the events' positions; that of the file unless said. */
  readonly file?: string;
  /** Transactions before the file, when the caller knows them; else the file's own list is taken. */
  readonly gtidSet?: GtidSet | null;
  /** The file may end within an event (it is being written): reading ends there without an error. */
  readonly mayGrow?: boolean;
  readonly eventBytesMax?: number;
  readonly signal?: AbortSignal;
}

const chunkBytes = 1024 * 1024;
const magic = 0x6e_69_62_fe;
const encryptedMagic = 0x6e_69_62_fd;

/** Batches of events, about a megabyte each. Errors are coded 11038, with file and offset in the cause. */
export async function* readBinlogFile(
  world: World,
  path: string,
  options: BinlogFileOptions = {},
): AsyncGenerator<readonly BinlogEvent[], void, void> {
  const name = options.file ?? basename(path);
  const eventBytesMax = options.eventBytesMax ?? eventBytesMaxDefault;
  const start = options.offset ?? firstOffset;
  const decoder = new BinlogDecoder({
    tools: binlogTools,
    fromFile: true,
    start: { file: name, offset: firstOffset, gtidSet: options.gtidSet ?? null },
    eventBytesMax,
  });
  await using file = await world.disk.open(path, { readOnly: true });
  try {
    checkMagic(await file.read(0, firstOffset));
    // What the head says is needed wherever reading begins: the format, and the transactions before the file.
    let offset = firstOffset;
    let splitter = new EventSplitter(eventBytesMax);
    let isSkipping = start > firstOffset;
    // The next chunk is read while this one is decoded.
    let next = readChunk(file, offset);
    for (;;) {
      options.signal?.throwIfAborted();
      const { chunk, error } = await next;
      if (error !== undefined) throw error;
      if (chunk.length === 0) break;
      offset += chunk.length;
      next = readChunk(file, offset);
      let batch: BinlogEvent[] = [];
      for (const bytes of splitter.feed(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))) {
        const isHead = isSkipping && (bytes[4] === 15 || bytes[4] === 35 || bytes[4] === 163);
        if (isSkipping && !isHead) {
          isSkipping = false;
          decoder.seek(start);
          offset = start;
          next = readChunk(file, offset);
          splitter = new EventSplitter(eventBytesMax);
          break;
        }
        const event = decoder.decode(bytes);
        if (isHead && decoder.position.offset >= start) isSkipping = false;
        if (event.kind !== "payload") {
          if (!isHead) batch.push(event);
          continue;
        }
        if (batch.length > 0) yield batch;
        batch = [];
        for await (const inner of unpackPayload(decoder, event, eventBytesMax)) {
          options.signal?.throwIfAborted();
          yield inner;
        }
      }
      if (batch.length > 0) yield batch;
    }
    if (options.mayGrow !== true) splitter.finish();
  } catch (error) {
    if (!(error instanceof MalformedBinlogError)) throw error;
    throw binlogErrors.parseFile([path], new Error(`from offset ${decoder.position.offset}: ${error.message}`, { cause: error }));
  }
}

/** Never rejects: a chunk that nobody takes any more must not end the process. */
async function readChunk(file: DiskFile, offset: number): Promise<{ readonly chunk: Uint8Array; readonly error?: unknown }> {
  try {
    return { chunk: await file.read(offset, chunkBytes) };
  } catch (error) {
    return { chunk: new Uint8Array(0), error };
  }
}

function checkMagic(bytes: Uint8Array): void {
  const head = Buffer.from(bytes).readUInt32LE(0);
  if (head === magic) return;
  throw new MalformedBinlogError(
    head === encryptedMagic ? "the binlog file is encrypted: read it through its server" : "the file does not begin like a binlog",
  );
}
