/**
 * The engine on classic-level (LevelDB): one database, a family is the first byte of its keys, so that a batch over several
 * families is atomic and shares one write.
 */
import type { Disk } from "@skein/base";
import { type BatchOperation, ClassicLevel, type Iterator, type Snapshot } from "classic-level";
import type { Engine, EngineReader, EngineSnapshot, EngineWrite, Family, KeyRange, Pair, ReadTally, ScanOptions } from "./engine.ts";
import { WriteAheadFiles } from "./write-ahead.ts";

const prefixes: Readonly<Record<Family, number>> = { default: 0x64, local: 0x6c, lock: 0x6b, write: 0x77 };

const empty = Buffer.alloc(0);

const scanPairsMax = 256;
const clearKeysMax = 4096;
const headBlockBytes = 64 * 1024;
/** Now and then a jump takes more, to see whether the ranges have come near each other. */
const lookEvery = 8;
const lookPairs = 16;
/** For each range; more are jumped over. */
const passedMax = 8;

type Level = ClassicLevel<Buffer, Buffer>;
type Operation = BatchOperation<Level, Buffer, Buffer>;

export interface ClassicEngineOptions {
  /** Where `path` is: syncs of LevelDB's files are done beside it. */
  readonly disk: Disk;
  /** A folder of the engine's own; made when it is missing. */
  readonly path: string;
  /** Bytes of the cache of blocks. Default 32 MiB. */
  readonly cacheBytes?: number;
  /** Bytes of writes that are held in memory before they become a table. Default 16 MiB. */
  readonly writeBufferBytes?: number;
}

const writeBufferBytesDefault = 16 * 1024 * 1024;

export async function openClassicEngine(options: ClassicEngineOptions): Promise<Engine> {
  const { writeBufferBytes = writeBufferBytesDefault } = options;
  const level: Level = new ClassicLevel(options.path, {
    keyEncoding: "buffer",
    valueEncoding: "buffer",
    cacheSize: options.cacheBytes ?? 32 * 1024 * 1024,
    writeBufferSize: writeBufferBytes,
    maxOpenFiles: 512,
  });
  await level.open();
  const files = new WriteAheadFiles(options.disk, options.path, writeBufferBytes);
  try {
    await files.sync();
  } catch (error) {
    await level.close();
    throw error;
  }
  return new ClassicEngine(level, files);
}

function keyOf(family: Family, key: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(key.length + 1);
  out[0] = prefixes[family];
  out.set(key, 1);
  return out;
}

function boundsOf(family: Family, { start, end }: KeyRange): { gte: Buffer; lt: Buffer } {
  return { gte: keyOf(family, start), lt: end.length === 0 ? Buffer.from([prefixes[family] + 1]) : keyOf(family, end) };
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function addTo(tally: ReadTally, entries: readonly (readonly [Buffer, Buffer | undefined])[]): void {
  let bytes = 0;
  for (const [key, value] of entries) bytes += key.length - 1 + (value?.length ?? 0);
  tally.bytes += bytes;
  tally.keys += entries.length;
}

class ClassicReader implements EngineReader {
  protected readonly level: Level;
  readonly #snapshot: Snapshot | undefined;

  constructor(level: Level, snapshot?: Snapshot) {
    this.level = level;
    this.#snapshot = snapshot;
  }

  get(family: Family, key: Uint8Array): Uint8Array | null {
    const at = keyOf(family, key);
    const value = this.#snapshot === undefined ? this.level.getSync(at) : this.level.getSync(at, { snapshot: this.#snapshot });
    return value ?? null;
  }

  async *scan(family: Family, range: KeyRange, options: ScanOptions = {}): AsyncGenerator<readonly Pair[], void, void> {
    const limit = options.limit ?? Number.POSITIVE_INFINITY;
    if (limit <= 0) return;
    const iterator: Iterator<Level, Buffer, Buffer> = this.level.iterator({
      ...boundsOf(family, range),
      reverse: options.reverse ?? false,
      values: options.keysOnly !== true,
      ...(Number.isFinite(limit) ? { limit } : {}),
      ...(this.#snapshot === undefined ? {} : { snapshot: this.#snapshot }),
    });
    try {
      for (;;) {
        const entries = await iterator.nextv(Math.min(scanPairsMax, limit));
        if (entries.length === 0) return;
        if (options.tally !== undefined) addTo(options.tally, entries);
        yield entries.map(([key, value]) => ({ key: key.subarray(1), value: value ?? empty }));
      }
    } finally {
      await iterator.close();
    }
  }

  /** Walks on while the ranges are near each other, else jumps: one step of the iterator costs as much as some ten pairs. */
  async heads(family: Family, ranges: readonly KeyRange[], limit: number): Promise<(readonly Pair[])[]> {
    const heads: Pair[][] = ranges.map(() => []);
    const bounds = ranges.map((range) => boundsOf(family, range));
    const [first, last] = [bounds[0], bounds.at(-1)];
    if (first === undefined || last === undefined) return heads;
    const iterator: Iterator<Level, Buffer, Buffer> = this.level.iterator({
      gte: first.gte,
      lt: last.lt,
      highWaterMarkBytes: headBlockBytes,
      ...(this.#snapshot === undefined ? {} : { snapshot: this.#snapshot }),
    });
    try {
      let entries: readonly [Buffer, Buffer | undefined][] = [];
      let at = 0;
      let size = 0;
      let jumps = 0;
      // Of the block: pairs that were passed over, and ranges that ended in it.
      let passed = 0;
      let ended = 0;
      for (const [index, { gte, lt }] of bounds.entries()) {
        const head = heads[index] as Pair[];
        while (head.length < limit) {
          const entry = entries[at];
          if (entry === undefined) {
            const isNear = ended > 1 && passed <= ended * passedMax;
            if (isNear) size = Math.min(size * 2, scanPairsMax);
            else size = ++jumps % lookEvery === 0 ? limit + lookPairs : limit + 1;
            if (!isNear && index > 0 && head.length === 0) iterator.seek(gte);
            entries = await iterator.nextv(size);
            if (entries.length === 0) return heads;
            [at, passed, ended] = [0, 0, 0];
            continue;
          }
          const [key, value] = entry;
          if (Buffer.compare(key, lt) >= 0) break;
          at++;
          if (Buffer.compare(key, gte) >= 0) head.push({ key: key.subarray(1), value: value ?? empty });
          else passed++;
        }
        ended++;
      }
      return heads;
    } finally {
      await iterator.close();
    }
  }
}

class ClassicSnapshot extends ClassicReader implements EngineSnapshot {
  readonly #held: Snapshot;

  constructor(level: Level, snapshot: Snapshot) {
    super(level, snapshot);
    this.#held = snapshot;
  }
  [Symbol.dispose](): void {
    void this.#held.close();
  }
}

class ClassicEngine extends ClassicReader implements Engine {
  /** Batches reach the database in the order of the calls; LevelDB alone does not promise it for batches of several threads. */
  #last: Promise<void> = Promise.resolve();
  #underWay = 0;
  readonly #files: WriteAheadFiles;

  constructor(level: Level, files: WriteAheadFiles) {
    super(level);
    this.#files = files;
  }

  write(writes: readonly EngineWrite[], options: { readonly sync?: boolean } = {}): Promise<void> {
    if (writes.length === 0 && options.sync !== true) return Promise.resolve();
    return this.#inOrder(async () => this.#write(writes, options.sync === true));
  }

  sync(): Promise<void> {
    return this.#inOrder(() => this.#files.sync());
  }

  snapshot(): EngineSnapshot {
    return new ClassicSnapshot(this.level, this.level.snapshot());
  }

  clear(family: Family, range: KeyRange): Promise<void> {
    return this.#inOrder(async () => {
      let { gte, lt } = boundsOf(family, range);
      for (;;) {
        const keys = await this.#keysIn(gte, lt, clearKeysMax);
        if (keys.length > 0) await this.#put(keys.map((key) => ({ type: "del", key })));
        if (keys.length < clearKeysMax) return;
        gte = keys.at(-1) as Buffer;
      }
    });
  }

  approximateSize(family: Family, range: KeyRange): Promise<number> {
    const { gte, lt } = boundsOf(family, range);
    return this.level.approximateSize(gte, lt);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last.catch(() => {});
    await this.level.close();
  }

  async #inOrder(work: () => Promise<void>): Promise<void> {
    const run = this.#underWay === 0 ? work() : this.#last.then(work, work);
    this.#underWay++;
    this.#last = run;
    try {
      await run;
    } finally {
      this.#underWay--;
    }
  }

  async #write(writes: readonly EngineWrite[], sync: boolean): Promise<void> {
    const operations: Operation[] = [];
    for (const write of writes) {
      if (write.kind === "put") operations.push({ type: "put", key: keyOf(write.family, write.key), value: view(write.value) });
      else if (write.kind === "delete") operations.push({ type: "del", key: keyOf(write.family, write.key) });
      else await this.#addDeleteRange(operations, boundsOf(write.family, write));
    }
    if (operations.length > 0) await this.#put(operations);
    if (sync) await this.#files.sync();
  }

  async #put(operations: Operation[]): Promise<void> {
    const files = this.#files;
    const { usedBytes, mayTurn } = files;
    if (mayTurn) await files.sync();
    for (const operation of operations) files.wrote(operation.key.length, operation.type === "put" ? operation.value.length : 0);
    await this.level.batch(operations, {});
    if (mayTurn) await files.look(usedBytes);
  }

  /** LevelDB has no range deletion: every key that is there, or was put earlier in the same batch, is deleted by name. */
  async #addDeleteRange(operations: Operation[], { gte, lt }: { gte: Buffer; lt: Buffer }): Promise<void> {
    const keys = new Set<string>();
    const add = (key: Buffer) => {
      const name = key.toString("latin1");
      if (keys.has(name)) return;
      keys.add(name);
      operations.push({ type: "del", key });
    };
    for (const operation of operations.slice())
      if (operation.type === "put" && Buffer.compare(operation.key, gte) >= 0 && Buffer.compare(operation.key, lt) < 0) add(operation.key);
    for (const key of await this.#keysIn(gte, lt, Number.POSITIVE_INFINITY)) add(key);
  }

  async #keysIn(gte: Buffer, lt: Buffer, limit: number): Promise<Buffer[]> {
    const iterator = this.level.iterator({ gte, lt, values: false, ...(Number.isFinite(limit) ? { limit } : {}) });
    const keys: Buffer[] = [];
    try {
      for (;;) {
        const entries = await iterator.nextv(1024);
        if (entries.length === 0) return keys;
        for (const [key] of entries) keys.push(key);
      }
    } finally {
      await iterator.close();
    }
  }
}
