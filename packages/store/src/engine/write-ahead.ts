/**
 * LevelDB's write-ahead files `<number>.log`, and when they are synced.
 *
 *   000012.log  full, its table is being made     000015.log  written to now
 *
 * LevelDB's own sync reaches only the newest one: what was written to the one before stays in the system's cache until its table
 * is finished, and a power failure meanwhile would take a piece out of the middle of what was written. So the syncs are done
 * here, oldest file first; and before a write that may begin a new file, so that of writes that nobody synced a failure of power
 * leaves a beginning, too.
 */
import type { Disk, DiskFile } from "@skein/base";

/** LevelDB takes no smaller write buffers. */
const bufferBytesMin = 64 * 1024;
/** LevelDB takes memory in blocks, each with a pointer; what does not fit into the rest of one has a block of its own, or a new one. */
const blockBytes = 4096;
const ownBlockBytes = 1024;
const pointerBytes = 8;
/** In memory beside key and value: sequence number and lengths; and the place in the list, of which the height is drawn. */
const headBytes = 8;
const nodeBytes = 24;
/** What is drawn evens out over a buffer; this is left to what does not, and to blocks that are filled in another way. */
const margin = 0.015;
const marginBlocks = 3;

export class WriteAheadFiles {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #bufferBytes: number;
  /** Numbers of files that are durable to their end. */
  #whole = new Set<number>();
  #newest = 0;
  /** What LevelDB counts: it begins a new file once this is above its buffer's size. */
  #usedBytes = 0;
  /** Of the block in use. */
  #restBytes = 0;

  constructor(disk: Disk, folder: string, writeBufferBytes: number) {
    this.#disk = disk;
    this.#folder = folder;
    this.#bufferBytes = Math.max(writeBufferBytes, bufferBytesMin) * (1 - margin) - marginBlocks * blockBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** The next write may go to a new file. */
  get mayTurn(): boolean {
    return this.#usedBytes > this.#bufferBytes;
  }

  wrote(keyBytes: number, valueBytes: number): void {
    this.#take(keyBytes + headBytes + lengthBytes(keyBytes + headBytes) + valueBytes + lengthBytes(valueBytes));
    this.#take(nodeBytes);
  }

  #take(bytes: number): void {
    if (bytes <= this.#restBytes) {
      this.#restBytes -= bytes;
      return;
    }
    const isOwn = bytes > ownBlockBytes;
    this.#usedBytes += (isOwn ? bytes : blockBytes) + pointerBytes;
    if (!isOwn) this.#restBytes = blockBytes - bytes;
  }

  /** Everything that LevelDB has acknowledged is durable when it returns. */
  async sync(): Promise<void> {
    const numbers = await this.#numbers();
    const newest = numbers.at(-1) ?? 0;
    for (const number of numbers) {
      if (this.#whole.has(number)) continue;
      await this.#syncFile(number);
      if (number !== newest) this.#whole.add(number);
    }
    if (newest !== this.#newest) await this.#disk.syncFolder(this.#folder);
    this.#turned(newest, numbers);
  }

  /** After a write that began, synced, when `mayTurn`; `usedBytes` was `usedBefore` then. */
  async look(usedBefore: number): Promise<void> {
    const numbers = await this.#numbers();
    const newest = numbers.at(-1) ?? 0;
    if (newest === this.#newest) return;
    // The ones before it were synced before the write.
    for (const number of numbers) if (number !== newest) this.#whole.add(number);
    this.#usedBytes -= usedBefore;
    this.#turned(newest, numbers);
  }

  #turned(newest: number, numbers: readonly number[]): void {
    this.#newest = newest;
    const there = new Set(numbers);
    this.#whole = new Set([...this.#whole].filter((number) => there.has(number)));
  }

  async #numbers(): Promise<number[]> {
    const names = await this.#disk.list(this.#folder);
    return names.flatMap((name) => (/^\d+\.log$/.test(name) ? [Number.parseInt(name, 10)] : [])).sort((a, b) => a - b);
  }

  async #syncFile(number: number): Promise<void> {
    let file: DiskFile;
    try {
      file = await this.#disk.open(`${this.#folder}/${String(number).padStart(6, "0")}.log`);
    } catch (error) {
      // Its table is finished, and durable.
      if ((error as { readonly code?: unknown }).code === "ENOENT") return;
      throw error;
    }
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

/** Of a length, 7 bits a byte. */
function lengthBytes(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : length < 0x1000_0000 ? 4 : 5;
}
