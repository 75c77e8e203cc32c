/**
 * The Raft logs of all regions of a store in one sequence of preallocated segment files.
 *
 *   000001.rlog │ frame │ frame │ … │ seal │        each frame is one write and one sync, for whatever regions had news
 *   000002.rlog │ frame │ frame │ zeros ……………… │    the last one is written to; its torn end is cut when the log is opened
 *
 * Records, replayed in order:
 *   entries   from an index on: they replace everything at and after it
 *   hardState the last one counts
 *   reset     the log begins anew after an index (a snapshot was taken in its place)
 *   destroy   nothing is kept of the region
 *   image     all that is live of a region: written when the segment that holds it is to go
 *
 * Compaction is in memory only (`compact`): where a log begins is in the engine's apply state, and a segment goes only after the
 * engine was synced. What is damaged in the middle is refused, or salvaged: then it is told which regions may have lost something.
 */
import type { Clock, DiskFile, World } from "@skein/base";
import { assert } from "@skein/base";
import type { Entry, HardState } from "@skein/raft";
import { raftstoreErrors } from "../raftstore/errors.ts";
import { Decoder, Encoder } from "./core/encoder.ts";
import { findFrame, frameHeadBytes, readFrame, sealFrame } from "./frame.ts";

const record = { entries: 1, hardState: 2, reset: 3, destroy: 4, image: 5, seal: 6 } as const;

export interface RaftLogOptions {
  readonly folder: string;
  /** Bytes of one segment file; a frame that is larger gets a segment of its own size. Default 32 MiB. */
  readonly segmentBytes?: number;
  /** Bytes of entries of all regions kept in memory, besides those that are not applied. Default 64 MiB. */
  readonly cacheBytes?: number;
  /** Over this many segments the oldest goes, what is live in it is written again. Default 8. */
  readonly segmentsMax?: number;
  /** Instead of refusing a log that is damaged in the middle, go on with what is whole; see `RaftLogStore.suspects`. */
  readonly salvage?: boolean;
}

export interface LogPosition {
  readonly index: number;
  readonly term: number;
}

/** Entries whose bytes are not in memory have no data until `load` brought it. */
interface Slot {
  readonly term: number;
  readonly kind: Entry["kind"];
  readonly segment: number;
  /** Of the data in its file. */
  readonly offset: number;
  readonly length: number;
  entry: Entry | null;
}

/** One region's log, in memory. */
export class RegionLog {
  readonly regionId: number;
  hardState: HardState = { term: 0, vote: 0, commit: 0 };
  /** The position before the first entry. */
  base: LogPosition;
  /** Entry `base.index + 1 + i`. */
  slots: Slot[] = [];
  /** Where hard state and base were written last; 0: nowhere, they follow from the engine. */
  stateSegment = 0;
  /** Entries up to here may leave the cache. */
  appliedIndex = 0;
  /** Entries before this index have left it. */
  cachedFrom = 0;
  /** An entry from here on was asked for and is not in memory. */
  missing: number | null = null;

  constructor(regionId: number, base: LogPosition) {
    this.regionId = regionId;
    this.base = base;
  }

  get firstIndex(): number {
    return this.base.index + 1;
  }
  get lastIndex(): number {
    return this.base.index + this.slots.length;
  }
  term(index: number): number | undefined {
    return index === this.base.index ? this.base.term : this.slots[index - this.base.index - 1]?.term;
  }
  /** Whether a change of members is behind `index`. */
  hasChangeAfter(index: number): boolean {
    for (let at = Math.max(0, index - this.base.index); at < this.slots.length; at++) if (this.slots[at]?.kind === "change") return true;
    return false;
  }
  /** Cut at `bytesMax`, and before the first one that is not in memory (it is noted in `missing`). */
  entries(from: number, to: number, bytesMax: number): readonly Entry[] {
    const out: Entry[] = [];
    let bytes = 0;
    for (let index = from; index < to; index++) {
      const slot = this.slots[index - this.base.index - 1];
      if (slot === undefined) break;
      if (slot.entry === null) {
        if (out.length === 0) this.missing = index;
        break;
      }
      bytes += slot.length;
      if (out.length > 0 && bytes > bytesMax) break;
      out.push(slot.entry);
    }
    return out;
  }
  isLongerThan(bytes: number): boolean {
    let sum = 0;
    for (const { length } of this.slots) {
      sum += length;
      if (sum > bytes) return true;
    }
    return false;
  }
  /** The oldest segment that this log needs; infinite when it needs none. */
  get oldestSegment(): number {
    const entries = this.slots[0]?.segment ?? Number.POSITIVE_INFINITY;
    return this.stateSegment === 0 ? entries : Math.min(entries, this.stateSegment);
  }
}

/** What one turn wants durable. */
export class LogBatch {
  readonly out = new Encoder();
  /** In the order of the records: what to do in memory once they are durable. */
  readonly effects: ((segment: number, recordsOffset: number) => void)[] = [];
  readonly regions = new Set<number>();

  get isEmpty(): boolean {
    return this.regions.size === 0;
  }
  get bytes(): number {
    return this.out.length;
  }
  clear(): void {
    this.out.clear();
    this.effects.length = 0;
    this.regions.clear();
  }
}

interface Segment {
  readonly number: number;
  readonly path: string;
  readonly file: DiskFile;
  sizeBytes: number;
}

export interface Damage {
  readonly file: string;
  readonly offset: number;
}

export async function openRaftLog(world: World, options: RaftLogOptions): Promise<RaftLogStore> {
  const store = new RaftLogStore(world, options);
  await store.open();
  return store;
}

export class RaftLogStore implements AsyncDisposable {
  readonly #world: World;
  readonly #clock: Clock;
  readonly #folder: string;
  readonly #segmentBytes: number;
  readonly #cacheBytes: number;
  readonly #segmentsMax: number;
  readonly #salvage: boolean;
  readonly #logs = new Map<number, RegionLog>();
  #segments: Segment[] = [];
  /** Where the last segment ends; -1 when it is sealed. */
  #end = 0;
  #isTorn = false;
  #spare: Promise<Segment> | null = null;
  #cached = 0;
  /** Logs that hold cached entries, oldest use first. */
  #cacheQueue: { readonly log: RegionLog; readonly upTo: number }[] = [];
  #failure: Error | null = null;
  #isWriting = false;
  readonly #frame = new Encoder(256 * 1024);
  /** Regions that damage may have taken something from; empty unless the log was salvaged. */
  readonly suspects = new Set<number>();
  readonly damages: Damage[] = [];
  /** Frames, bytes and time of syncs since the log was opened. */
  readonly stats = { frames: 0, bytes: 0, syncMs: 0 };

  constructor(world: World, options: RaftLogOptions) {
    this.#world = world;
    this.#clock = world.clock;
    this.#folder = options.folder;
    this.#segmentBytes = options.segmentBytes ?? 32 * 1024 * 1024;
    this.#cacheBytes = options.cacheBytes ?? 64 * 1024 * 1024;
    this.#segmentsMax = options.segmentsMax ?? 8;
    this.#salvage = options.salvage ?? false;
  }

  get segmentCount(): number {
    return this.#segments.length;
  }
  /** There are far more segments than there should be, and this log needs one of the oldest. */
  isHeldUpBy(log: RegionLog): boolean {
    const oldest = this.#segments[0]?.number ?? 0;
    return (
      this.#segments.length > this.#segmentsMax * 2 && (log.slots[0]?.segment ?? Number.POSITIVE_INFINITY) < oldest + this.#segmentsMax
    );
  }
  get cachedBytes(): number {
    return this.#cached;
  }
  log(regionId: number): RegionLog | undefined {
    return this.#logs.get(regionId);
  }
  logs(): IterableIterator<RegionLog> {
    return this.#logs.values();
  }
  /** The log of a region; a new one begins after `base`. Nothing is written. */
  ensure(regionId: number, base: LogPosition): RegionLog {
    let log = this.#logs.get(regionId);
    if (log === undefined) {
      log = new RegionLog(regionId, base);
      this.#logs.set(regionId, log);
    }
    return log;
  }

  /** A log that begins anew in memory: what is on its way to the disk for the one before changes nothing in it. Nothing is written. */
  renew(regionId: number, base: LogPosition): RegionLog {
    const before = this.#logs.get(regionId);
    if (before !== undefined) this.#uncache(before);
    const log = new RegionLog(regionId, base);
    this.#logs.set(regionId, log);
    return log;
  }

  // ── what goes into a batch ──────────────────────────────────────────────────────────────────────────────────────────

  entries(batch: LogBatch, log: RegionLog, entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    batch.regions.add(log.regionId);
    const { out } = batch;
    out.u8(record.entries).varint(log.regionId).varint(first.index).varint(entries.length);
    out.varint(this.#pendingTerm(batch, log, first.index - 1));
    const offsets: number[] = [];
    for (const entry of entries) {
      out.varint(entry.term).u8(entry.kind === "normal" ? 0 : 1);
      out.bytes(entry.data);
      offsets.push(out.length - entry.data.length);
    }
    batch.effects.push((segment, recordsOffset) => {
      assert(first.index <= log.lastIndex + 1 && first.index > log.base.index, `entry ${first.index} leaves a gap after ${log.lastIndex}`);
      const keep = first.index - log.base.index - 1;
      for (const slot of log.slots.splice(keep)) if (slot.entry !== null) this.#cached -= slot.length;
      for (const [i, entry] of entries.entries()) {
        const { length } = entry.data;
        log.slots.push({ term: entry.term, kind: entry.kind, segment, offset: recordsOffset + (offsets[i] as number), length, entry });
        this.#cached += length;
      }
      this.#cacheQueue.push({ log, upTo: first.index + entries.length - 1 });
    });
  }

  hardState(batch: LogBatch, log: RegionLog, hardState: HardState): void {
    batch.regions.add(log.regionId);
    batch.out.u8(record.hardState).varint(log.regionId).varint(hardState.term).varint(hardState.vote).varint(hardState.commit);
    batch.effects.push((segment) => {
      log.hardState = hardState;
      log.stateSegment = segment;
    });
  }

  reset(batch: LogBatch, log: RegionLog, base: LogPosition): void {
    batch.regions.add(log.regionId);
    batch.out.u8(record.reset).varint(log.regionId).varint(base.index).varint(base.term);
    batch.effects.push((segment) => {
      this.#uncache(log);
      log.slots = [];
      log.base = base;
      log.stateSegment = segment;
    });
  }

  destroy(batch: LogBatch, log: RegionLog): void {
    batch.regions.add(log.regionId);
    batch.out.u8(record.destroy).varint(log.regionId);
    batch.effects.push(() => {
      this.#uncache(log);
      if (this.#logs.get(log.regionId) === log) this.#logs.delete(log.regionId);
      log.slots = [];
    });
  }

  /** The term of the entry before the next one, where it is known: a replay after damage compares it. 0 when it is not. */
  #pendingTerm(batch: LogBatch, log: RegionLog, index: number): number {
    return batch.regions.has(log.regionId) && index > log.lastIndex ? 0 : (log.term(index) ?? 0);
  }

  /** One write, one sync. One call at a time. A failure is final: the log must be opened again. */
  async append(batch: LogBatch): Promise<void> {
    if (batch.isEmpty) return;
    assert(!this.#isWriting, "one write of the Raft log at a time");
    if (this.#failure !== null) throw this.#failure;
    this.#isWriting = true;
    let segment: Segment | undefined;
    try {
      const frame = this.#frame;
      frame.clear();
      frame.zeros(frameHeadBytes);
      for (const regionId of batch.regions) frame.varint(regionId);
      const regionsBytes = frame.length - frameHeadBytes;
      frame.raw(batch.out.view());
      segment = this.#segments.at(-1);
      // A seal needs room, too: it is the last frame of every segment but the last.
      if (segment === undefined || this.#end === -1 || this.#end + frame.length + frameHeadBytes + 1 > segment.sizeBytes)
        segment = await this.#roll(frame.length);
      sealFrame(frame, segment.number, regionsBytes);
      await this.#world.faults.at("raftlog:write");
      const startMs = this.#clock.monotonicMs();
      await segment.file.write(this.#end, frame.view());
      await segment.file.sync();
      this.stats.syncMs += this.#clock.monotonicMs() - startMs;
      this.stats.frames++;
      this.stats.bytes += frame.length;
      const recordsOffset = this.#end + frameHeadBytes + regionsBytes;
      this.#end += frame.length;
      for (const effect of batch.effects) effect(segment.number, recordsOffset);
      this.#evict();
    } catch (error) {
      this.#failure = raftstoreErrors.raftLogFailed([segment?.path ?? this.#folder], error);
      throw this.#failure;
    } finally {
      this.#isWriting = false;
    }
  }

  // ── memory and compaction ───────────────────────────────────────────────────────────────────────────────────────────

  /** Entries up to `index` are no longer needed. The engine must have made durable that the log begins after them. */
  compact(regionId: number, index: number): void {
    const log = this.#logs.get(regionId);
    if (log === undefined || index <= log.base.index) return;
    const term = log.term(index);
    if (term === undefined) return;
    for (const slot of log.slots.splice(0, index - log.base.index)) if (slot.entry !== null) this.#cached -= slot.length;
    log.base = { index, term };
  }

  /** Where a log begins, as the engine says; what is before is dropped from memory. Used when a store starts. */
  begin(log: RegionLog, base: LogPosition): boolean {
    if (log.term(base.index) === base.term) {
      this.compact(log.regionId, base.index);
      return true;
    }
    if (log.lastIndex > base.index && log.base.index >= base.index) return false;
    this.#uncache(log);
    log.slots = [];
    log.base = base;
    return true;
  }

  /** Reads what `log.missing` named into memory, a megabyte of it. */
  async load(log: RegionLog): Promise<void> {
    const from = log.missing;
    log.missing = null;
    if (from === null) return;
    let bytes = 0;
    let last = from;
    for (let index = from; index <= log.lastIndex && bytes < 1024 * 1024; index++) {
      const slot = log.slots[index - log.base.index - 1];
      if (slot === undefined) break;
      last = index;
      if (slot.entry !== null) continue;
      const segment = this.#segments.find(({ number }) => number === slot.segment);
      if (segment === undefined) return;
      const data = await segment.file.read(slot.offset, slot.length);
      if (log.slots[index - log.base.index - 1] !== slot || slot.entry !== null) continue; // it moved on meanwhile
      slot.entry = { term: slot.term, index, kind: slot.kind, data };
      this.#cached += slot.length;
      bytes += slot.length;
    }
    log.cachedFrom = Math.min(log.cachedFrom, from);
    this.#cacheQueue.push({ log, upTo: last });
  }

  #uncache(log: RegionLog): void {
    for (const slot of log.slots) if (slot.entry !== null) this.#cached -= slot.length;
  }

  /** Lets go of the oldest entries that are applied. */
  #evict(): void {
    if (this.#cached <= this.#cacheBytes && this.#cacheQueue.length < 100_000) return;
    const queue = this.#cacheQueue;
    let done = 0;
    const kept: (typeof queue)[number][] = [];
    while (done < queue.length && (this.#cached > this.#cacheBytes || queue.length - done + kept.length > 50_000)) {
      const item = queue[done++] as (typeof queue)[number];
      const { log, upTo } = item;
      if (upTo > log.appliedIndex && upTo <= log.lastIndex && this.#logs.get(log.regionId) === log) {
        kept.push(item);
        continue;
      }
      const to = Math.min(upTo, log.appliedIndex, log.lastIndex);
      if (this.#cached > this.#cacheBytes)
        for (let index = Math.max(log.firstIndex, log.cachedFrom); index <= to; index++) {
          const slot = log.slots[index - log.base.index - 1];
          if (slot === undefined || slot.entry === null) continue;
          slot.entry = null;
          this.#cached -= slot.length;
          log.cachedFrom = index + 1;
        }
    }
    this.#cacheQueue = [...kept, ...queue.slice(done)];
  }

  /**
   * Frees the oldest segments while there are too many. What is live in them is written again as images, in one frame, before
   * they go. The engine must be durable up to everything that was compacted. Call it where `append` may be called.
   */
  async collect(): Promise<void> {
    while (this.#segments.length > this.#segmentsMax) {
      const oldest = this.#segments[0] as Segment;
      const survivors = [...this.#logs.values()].filter((log) => log.oldestSegment <= oldest.number);
      const bytes = survivors.reduce((sum, log) => sum + log.slots.reduce((size, slot) => size + slot.length + 16, 64), 0);
      // Too much is live: its regions' leaders compact first, or the log grows for a while.
      if (bytes > this.#segmentBytes && this.#segments.length < this.#segmentsMax * 8) return;
      const batch = new LogBatch();
      for (const log of survivors) await this.#image(batch, log);
      await this.append(batch);
      this.#segments.shift();
      await oldest.file.close();
      await this.#world.disk.remove(oldest.path);
    }
  }

  async #image(batch: LogBatch, log: RegionLog): Promise<void> {
    const entries: Entry[] = [];
    for (const [i, slot] of log.slots.entries()) {
      const index = log.base.index + 1 + i;
      if (slot.entry !== null) entries.push(slot.entry);
      else {
        const segment = this.#segments.find(({ number }) => number === slot.segment);
        assert(segment !== undefined, "an entry's segment is there");
        entries.push({ term: slot.term, index, kind: slot.kind, data: await segment.file.read(slot.offset, slot.length) });
      }
    }
    batch.regions.add(log.regionId);
    const { out } = batch;
    const { hardState, base } = log;
    out.u8(record.image).varint(log.regionId).varint(base.index).varint(base.term);
    out.varint(hardState.term).varint(hardState.vote).varint(hardState.commit).varint(entries.length);
    const offsets: number[] = [];
    for (const entry of entries) {
      out.varint(entry.term).u8(entry.kind === "normal" ? 0 : 1);
      out.bytes(entry.data);
      offsets.push(out.length - entry.data.length);
    }
    const slots = log.slots;
    batch.effects.push((segment, recordsOffset) => {
      assert(log.slots === slots && slots.length === entries.length, "a log does not change while its image is written");
      log.slots = slots.map((slot, i) => ({ ...slot, segment, offset: recordsOffset + (offsets[i] as number) }));
      log.stateSegment = segment;
    });
  }

  // ── segments ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #path(number: number): string {
    return `${this.#folder}/${String(number).padStart(10, "0")}.rlog`;
  }

  /** A file of zeros of its full size: a sync after a write into it has no new blocks to note (half the time). */
  async #make(number: number, sizeBytes: number): Promise<Segment> {
    const path = this.#path(number);
    const file = await this.#world.disk.open(path, { create: true });
    await file.truncate(0);
    const zeros = new Uint8Array(Math.min(sizeBytes, 1024 * 1024));
    for (let at = 0; at < sizeBytes; at += zeros.length) {
      await file.write(at, zeros.subarray(0, Math.min(zeros.length, sizeBytes - at)));
      await file.sync(); // in pieces: one sync of it all would hold up those of the log
    }
    await this.#world.disk.syncFolder(this.#folder);
    return { number, path, file, sizeBytes };
  }

  /** Ends the last segment and goes on in the next. */
  async #roll(frameBytes: number): Promise<Segment> {
    const last = this.#segments.at(-1);
    const needed = frameBytes + frameHeadBytes + 1;
    const number = (last?.number ?? 0) + 1;
    let next: Segment | null = null;
    if (this.#spare !== null) {
      const spare = await this.#spare;
      this.#spare = null;
      if (needed <= spare.sizeBytes) next = spare;
      else await spare.file.close(); // made again below, in the size that is needed
    }
    next ??= await this.#make(number, Math.max(this.#segmentBytes, needed));
    if (last !== undefined && this.#end !== -1) await this.#seal(last);
    this.#segments.push(next);
    this.#end = 0;
    this.#spare = this.#make(number + 1, this.#segmentBytes);
    this.#spare.catch(() => {}); // told by the roll that needs it
    return next;
  }

  async #seal(segment: Segment): Promise<void> {
    const seal = new Encoder(64).zeros(frameHeadBytes).u8(record.seal);
    sealFrame(seal, segment.number, 0);
    await segment.file.write(this.#end, seal.view());
    await segment.file.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const spare = await this.#spare?.catch(() => null);
    await spare?.file.close();
    for (const { file } of this.#segments) await file.close();
    this.#segments = [];
    this.#failure ??= raftstoreErrors.raftLogFailed([this.#folder]);
  }

  // ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async open(): Promise<void> {
    const { disk } = this.#world;
    await disk.makeFolder(this.#folder);
    const numbers = (await disk.list(this.#folder))
      .filter((name) => /^\d{10}\.rlog$/.test(name))
      .map((name) => Number(name.slice(0, 10)))
      .sort((a, b) => a - b);
    // The spare one after the last was prepared and never written to.
    for (
      let number = numbers.at(-1);
      number !== undefined && findFrame(await this.#content(number), 0, number) === -1;
      number = numbers.at(-1)
    ) {
      await disk.remove(this.#path(number));
      numbers.pop();
    }
    for (const [i, number] of numbers.entries()) {
      const path = this.#path(number);
      const file = await disk.open(path);
      const before = this.#segments.at(-1);
      if (before !== undefined && number !== before.number + 1) this.#damaged({ file: this.#path(before.number + 1), offset: 0 }, null);
      this.#segments.push({ number, path, file, sizeBytes: await file.size() });
      this.#replay(await this.#content(number), number, path, i === numbers.length - 1);
    }
  }

  async #content(number: number): Promise<Buffer> {
    await using file = await this.#world.disk.open(this.#path(number), { readOnly: true });
    const content = await file.read(0, await file.size());
    return Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  }

  #replay(content: Buffer, number: number, path: string, isLast: boolean): void {
    let at = 0;
    for (;;) {
      const read = readFrame(content, at, number);
      if (read.kind === "frame") {
        if (content[read.recordsFrom] === record.seal) {
          this.#end = -1;
          return;
        }
        this.#replayRecords(content, read.recordsFrom, read.end, number);
        at = read.end;
        continue;
      }
      const next = findFrame(content, read.kind === "damagedRecords" ? read.end : at + 1, number);
      if (next === -1 && isLast) {
        // The torn end of the last write: nobody was told of it. What is in its place is never read again.
        this.#end = at;
        this.#isTorn = !isZero(content, at);
        return;
      }
      this.#damaged({ file: path, offset: at }, read.kind === "damagedRecords" ? read.regions : null);
      if (next === -1) {
        this.#end = -1;
        return;
      }
      at = next;
    }
  }

  /**
   * Makes durable what opening decided: a torn end is closed by a seal, and new frames go to a new segment, so that nothing of it
   * can be taken for one of them. Call it once before `append`.
   */
  async ready(): Promise<void> {
    const segment = this.#segments.at(-1);
    if (!this.#isTorn || segment === undefined) return;
    this.#isTorn = false;
    await this.#seal(segment);
    this.#end = -1;
  }

  #damaged(damage: Damage, regions: readonly number[] | null): void {
    if (!this.#salvage) throw raftstoreErrors.raftLogDamaged([damage.file, damage.offset]);
    this.damages.push(damage);
    for (const regionId of regions ?? this.#logs.keys()) this.suspects.add(regionId);
  }

  #replayRecords(content: Buffer, from: number, to: number, segment: number): void {
    const input = new Decoder(content, from, to);
    while (input.left > 0) {
      const kind = input.u8();
      const regionId = input.varint();
      if (kind === record.destroy) {
        const log = this.#logs.get(regionId);
        if (log !== undefined) this.#uncache(log);
        this.#logs.delete(regionId);
        this.suspects.delete(regionId);
        continue;
      }
      if (kind === record.entries) {
        const first = input.varint();
        const count = input.count(3);
        const previousTerm = input.varint();
        let log = this.#logs.get(regionId);
        if (log === undefined) {
          log = new RegionLog(regionId, { index: first - 1, term: previousTerm });
          this.#logs.set(regionId, log);
        }
        if (first > log.lastIndex + 1 || first <= log.base.index) {
          // What is between was lost to damage, or is in a segment that went, and an image follows.
          this.#uncache(log);
          log.slots = [];
          log.base = { index: first - 1, term: previousTerm };
        }
        for (const slot of log.slots.splice(first - log.base.index - 1)) if (slot.entry !== null) this.#cached -= slot.length;
        this.#replayEntries(input, log, first, count, content, segment);
      } else if (kind === record.hardState) {
        const log = this.ensure(regionId, { index: 0, term: 0 });
        log.hardState = { term: input.varint(), vote: input.varint(), commit: input.varint() };
        log.stateSegment = segment;
      } else if (kind === record.reset || kind === record.image) {
        const base = { index: input.varint(), term: input.varint() };
        const log = this.ensure(regionId, base);
        this.#uncache(log);
        log.slots = [];
        log.base = base;
        log.stateSegment = segment;
        if (kind === record.reset) continue;
        log.hardState = { term: input.varint(), vote: input.varint(), commit: input.varint() };
        this.#replayEntries(input, log, base.index + 1, input.count(3), content, segment);
        this.suspects.delete(regionId); // all of it was written again after the damage
      } else throw new Error(`the Raft log has a record of an unknown kind ${kind}`);
    }
  }

  #replayEntries(input: Decoder, log: RegionLog, first: number, count: number, content: Buffer, segment: number): void {
    for (let i = 0; i < count; i++) {
      const term = input.varint();
      const kind = input.u8() === 0 ? "normal" : "change";
      const data = input.bytes();
      const offset = data.byteOffset - content.byteOffset;
      const entry: Entry = { term, index: first + i, kind, data: data.slice() };
      log.slots.push({ term, kind, segment, offset, length: data.length, entry });
      this.#cached += data.length;
    }
    if (count > 0) this.#cacheQueue.push({ log, upTo: first + count - 1 });
  }
}

function isZero(content: Buffer, from: number): boolean {
  for (let at = from; at < content.length; at++) if (content[at] !== 0) return false;
  return true;
}
