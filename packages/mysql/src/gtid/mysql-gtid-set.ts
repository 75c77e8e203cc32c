/**
 * MySQL's GTID sets: `uuid:1-5:7,uuid:tag:1-3`. Values: every change makes a new set that shares what did not change.
 *
 * Binary form (previous-gtids event, COM_BINLOG_DUMP_GTID), little endian:
 *   count u64 · { uuid 16 bytes · interval count u64 · { start u64 · end u64, exclusive } }
 * with tags the count's highest and lowest bytes are 1, the number stands in between, and after each uuid comes the tag
 * (a variable length integer, then its characters).
 */
import { ByteReader, ByteWriter } from "@skein/base";

/** Half open: start … end-1. */
export interface Interval {
  readonly start: bigint;
  readonly end: bigint;
}

const uuidForm = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/;
const tagForm = /^[a-z_][a-z0-9_]{0,31}$/;
const intervalForm = /^(\d{1,19})(?:-(\d{1,19}))?$/;
const numberMax = 0x7fff_ffff_ffff_ffffn;
/** Bounds of what a set from outside may hold. */
const partsMax = 1_000_000;

export class MysqlGtidSet {
  readonly flavor = "mysql";
  /** `uuid` or `uuid:tag` → intervals, sorted, apart from each other. */
  readonly #sources: ReadonlyMap<string, readonly Interval[]>;

  constructor(sources: ReadonlyMap<string, readonly Interval[]> = new Map()) {
    this.#sources = sources;
  }

  get isEmpty(): boolean {
    return this.#sources.size === 0;
  }
  get hasTags(): boolean {
    for (const source of this.#sources.keys()) if (source.length > 36) return true;
    return false;
  }
  /** `uuid` or `uuid:tag`, sorted as printed. */
  get sources(): string[] {
    return [...this.#sources.keys()].sort();
  }
  intervals(source: string): readonly Interval[] {
    return this.#sources.get(source) ?? [];
  }

  /** With one more transaction: `uuid:7` or `uuid:tag:7`. */
  add(gtid: string): MysqlGtidSet {
    const at = gtid.lastIndexOf(":");
    return this.addNumber(normalSource(gtid.slice(0, at)), BigInt(gtid.slice(at + 1)));
  }

  /** `source` in normal form. */
  addNumber(source: string, number: bigint): MysqlGtidSet {
    const intervals = this.#sources.get(source) ?? [];
    const merged = mergeInterval(intervals, { start: number, end: number + 1n });
    if (merged === intervals) return this;
    return new MysqlGtidSet(new Map(this.#sources).set(source, merged));
  }

  has(source: string, number: bigint): boolean {
    return this.intervals(source).some(({ start, end }) => start <= number && number < end);
  }

  union(other: MysqlGtidSet): MysqlGtidSet {
    const sources = new Map(this.#sources);
    for (const [source, intervals] of other.#sources) sources.set(source, normalIntervals([...(sources.get(source) ?? []), ...intervals]));
    return new MysqlGtidSet(sources);
  }

  subtract(other: MysqlGtidSet): MysqlGtidSet {
    const sources = new Map<string, readonly Interval[]>();
    for (const [source, intervals] of this.#sources) {
      const left = subtractIntervals(intervals, other.intervals(source));
      if (left.length > 0) sources.set(source, left);
    }
    return new MysqlGtidSet(sources);
  }

  contains(other: MysqlGtidSet): boolean {
    return other.subtract(this).isEmpty;
  }
  equals(other: MysqlGtidSet): boolean {
    return this.toString() === other.toString();
  }

  toString(): string {
    const parts: string[] = [];
    let uuid = "";
    for (const source of this.sources) {
      const text = this.intervals(source)
        .map(({ start, end }) => (end - start === 1n ? `${start}` : `${start}-${end - 1n}`))
        .join(":");
      if (uuid !== "" && source.startsWith(`${uuid}:`)) parts[parts.length - 1] += `${source.slice(36)}:${text}`;
      else parts.push(`${source}:${text}`);
      uuid = source.slice(0, 36);
    }
    return parts.join(",");
  }

  encode(): Uint8Array {
    const writer = new ByteWriter(256, 256 * 1024 * 1024);
    const tagged = this.hasTags;
    writer.u64(tagged ? (BigInt(this.#sources.size) << 8n) | (1n << 56n) | 1n : BigInt(this.#sources.size));
    for (const source of this.sources) {
      writer.bytes(Buffer.from(source.slice(0, 36).replaceAll("-", ""), "hex"));
      if (tagged) {
        const tag = source.slice(37);
        writer.u8(tag.length << 1); // under 64 characters: one byte of variable length form
        writer.bytes(Buffer.from(tag, "latin1"));
      }
      const intervals = this.intervals(source);
      writer.u64(BigInt(intervals.length));
      for (const { start, end } of intervals) {
        writer.u64(start);
        writer.u64(end);
      }
    }
    return writer.take();
  }
}

/** Throws a RangeError that names what is wrong. */
export function parseMysqlGtidSet(text: string): MysqlGtidSet {
  const sources = new Map<string, Interval[]>();
  let parts = 0;
  for (const item of text.split(",")) {
    const trimmed = item.replace(/\s+/g, "").toLowerCase();
    if (trimmed === "") continue;
    const [uuidText = "", ...rest] = trimmed.split(":");
    const uuid = normalUuid(uuidText);
    if (rest.length === 0) throw new RangeError(`a GTID set needs numbers after ${uuid}`);
    let source = uuid;
    for (const part of rest) {
      if (++parts > partsMax) throw new RangeError(`a GTID set of more than ${partsMax} parts`);
      const match = intervalForm.exec(part);
      if (match === null) {
        if (!tagForm.test(part)) throw new RangeError(`neither a tag nor an interval in a GTID set: ${part.slice(0, 80)}`);
        source = `${uuid}:${part}`;
        continue;
      }
      const start = BigInt(match[1] as string);
      const last = match[2] === undefined ? start : BigInt(match[2]);
      if (start < 1n || last > numberMax) throw new RangeError(`out of range in a GTID set: ${part}`);
      if (last < start) continue; // servers read `5-3` as nothing
      const intervals = sources.get(source) ?? [];
      intervals.push({ start, end: last + 1n });
      sources.set(source, intervals);
    }
  }
  return new MysqlGtidSet(new Map([...sources].map(([source, intervals]) => [source, normalIntervals(intervals)])));
}

/** The binary form. Throws on input that is too short or out of range. */
export function decodeMysqlGtidSet(bytes: Uint8Array): MysqlGtidSet {
  const reader = new ByteReader(bytes);
  const head = reader.u64();
  const tagged = head >> 56n === 1n;
  const count = tagged ? (head >> 8n) & 0xffff_ffff_ffffn : head;
  if (count > BigInt(Math.floor(reader.left / 24))) throw new RangeError(`a GTID set says ${count} sources in ${reader.left} bytes`);
  const sources = new Map<string, readonly Interval[]>();
  for (let index = 0n; index < count; index++) {
    const uuid = formatUuid(reader.bytes(16));
    let source = uuid;
    if (tagged) {
      const tag = Buffer.from(reader.bytes(reader.u8() >> 1)).toString("latin1");
      if (tag !== "") {
        if (!tagForm.test(tag)) throw new RangeError("a GTID set has a tag of an unknown form");
        source = `${uuid}:${tag}`;
      }
    }
    const intervalCount = reader.u64();
    if (intervalCount > BigInt(Math.floor(reader.left / 16)))
      throw new RangeError(`a GTID set says ${intervalCount} intervals in ${reader.left} bytes`);
    const intervals: Interval[] = [];
    for (let at = 0n; at < intervalCount; at++) {
      const start = reader.u64();
      const end = reader.u64();
      if (start < 1n || end <= start || end > numberMax + 1n)
        throw new RangeError(`an interval of a GTID set is out of range: ${start} … ${end}`);
      intervals.push({ start, end });
    }
    if (intervals.length > 0) sources.set(source, normalIntervals([...(sources.get(source) ?? []), ...intervals]));
  }
  return new MysqlGtidSet(sources);
}

export function formatUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

function normalUuid(text: string): string {
  if (!uuidForm.test(text)) throw new RangeError(`no server UUID in a GTID set: ${text.slice(0, 80)}`);
  return formatUuid(Buffer.from(text.replaceAll("-", ""), "hex"));
}

function normalSource(text: string): string {
  const [uuid = "", tag] = text.trim().toLowerCase().split(":");
  return tag === undefined ? normalUuid(uuid) : `${normalUuid(uuid)}:${tag}`;
}

function normalIntervals(intervals: Interval[]): Interval[] {
  const sorted = [...intervals].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  const merged: { start: bigint; end: bigint }[] = [];
  for (const { start, end } of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last.end) {
      if (end > last.end) last.end = end;
    } else merged.push({ start, end });
  }
  return merged;
}

/** The same array when nothing changes. The usual case, the next number of the last interval, costs no sort. */
function mergeInterval(intervals: readonly Interval[], added: Interval): readonly Interval[] {
  const last = intervals.at(-1);
  if (last === undefined) return [added];
  if (added.start === last.end) return [...intervals.slice(0, -1), { start: last.start, end: added.end }];
  if (added.start > last.end) return [...intervals, added];
  if (intervals.some(({ start, end }) => start <= added.start && added.end <= end)) return intervals;
  return normalIntervals([...intervals, added]);
}

function subtractIntervals(from: readonly Interval[], removed: readonly Interval[]): Interval[] {
  const left: Interval[] = [];
  let at = 0;
  for (const { start, end } of from) {
    let begin = start;
    while (at < removed.length && (removed[at] as Interval).end <= begin) at++;
    for (let index = at; index < removed.length && (removed[index] as Interval).start < end; index++) {
      const hole = removed[index] as Interval;
      if (hole.start > begin) left.push({ start: begin, end: hole.start });
      if (hole.end > begin) begin = hole.end;
    }
    if (begin < end) left.push({ start: begin, end });
  }
  return left;
}
