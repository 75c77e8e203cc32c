/**
 * Regions in key order, by id, and by the stores of their peers.
 *
 *   order   blocks of up to 512 records, sorted by start key; found by two binary searches
 *   byId    a map
 *   stores  for each store a list of records for each of leader, follower, learner: a random one is found by its place in the list.
 *           The place stands with the peer in the record, so taking one out is a swap with the last.
 *
 * Regions here never overlap; holes there may be.
 */
import type { RegionId, StoreId } from "../core/model.ts";
import type { KeyText } from "./keys.ts";
import { peerStride, RegionRecord } from "./region-record.ts";

const blockMax = 512;

export type PeerKind = "leader" | "follower" | "learner" | "pending";

/** What the regions of a store add up to. */
export class StoreSums {
  readonly leaders: RegionRecord[] = [];
  readonly followers: RegionRecord[] = [];
  readonly learners: RegionRecord[] = [];
  /** Few at any time. */
  readonly pending = new Set<RegionRecord>();
  /** MiB. */
  leaderSize = 0;
  regionSize = 0;

  get regionCount(): number {
    return this.leaders.length + this.followers.length + this.learners.length;
  }
}

export class RegionIndex {
  readonly #byId = new Map<RegionId, RegionRecord>();
  readonly #stores = new Map<StoreId, StoreSums>();
  #blocks: RegionRecord[][] = [];
  #sizeMib = 0;
  #measured = 0;

  get count(): number {
    return this.#byId.size;
  }

  /** MiB, of regions that were measured. */
  get averageSize(): number {
    return this.#measured === 0 ? 0 : this.#sizeMib / this.#measured;
  }

  get(id: RegionId): RegionRecord | undefined {
    return this.#byId.get(id);
  }

  sumsOf(id: StoreId): StoreSums {
    let sums = this.#stores.get(id);
    if (sums === undefined) this.#stores.set(id, (sums = new StoreSums()));
    return sums;
  }

  /** The region that holds a key. */
  at(key: KeyText): RegionRecord | null {
    const record = this.#floor(key);
    return record !== null && record.holds(key) ? record : null;
  }

  /** From the region that holds `start` on; stops when `each` says false. */
  scan(start: KeyText, each: (record: RegionRecord) => boolean): void {
    let block = this.#blockOf(start);
    if (block < 0) block = 0;
    const first = this.#blocks[block];
    if (first === undefined) return;
    let at = floorIn(first, start);
    const floor = first[at];
    if (floor === undefined || !floor.holds(start)) at++;
    for (; block < this.#blocks.length; block++, at = 0) {
      const records = this.#blocks[block] as RegionRecord[];
      for (; at < records.length; at++) if (!each(records[at] as RegionRecord)) return;
    }
  }

  /** In key order; none that comes or goes while it is walked may be counted on. */
  *all(): Generator<RegionRecord, void, void> {
    for (const block of this.#blocks) yield* block;
  }

  /** Records whose ranges share keys with start … end. */
  overlaps(start: KeyText, end: KeyText): RegionRecord[] {
    const found: RegionRecord[] = [];
    this.scan(start, (record) => {
      if (end !== "" && record.start >= end) return false;
      found.push(record);
      return true;
    });
    return found;
  }

  before(record: RegionRecord): RegionRecord | null {
    const block = this.#blockOf(record.start);
    const at = floorIn(this.#blocks[block] ?? [], record.start);
    return (at > 0 ? this.#blocks[block]?.[at - 1] : this.#blocks[block - 1]?.at(-1)) ?? null;
  }

  after(record: RegionRecord): RegionRecord | null {
    const block = this.#blockOf(record.start);
    const at = floorIn(this.#blocks[block] ?? [], record.start);
    return this.#blocks[block]?.[at + 1] ?? this.#blocks[block + 1]?.[0] ?? null;
  }

  /** False when a region is in the way, or has the id. */
  insertIfFree(record: RegionRecord): boolean {
    if (this.#byId.has(record.id)) return false;
    const block = this.#blockOf(record.start);
    const records = this.#blocks[Math.max(block, 0)];
    const at = block < 0 || records === undefined ? 0 : floorIn(records, record.start) + 1;
    const floor = at > 0 ? records?.[at - 1] : undefined;
    if (floor !== undefined && (floor.end === "" || floor.end > record.start)) return false;
    const next = records?.[at] ?? this.#blocks[Math.max(block, 0) + 1]?.[0];
    if (next !== undefined && (record.end === "" || next.start < record.end)) return false;
    this.#insertAt(record, block, at);
    return true;
  }

  /** The range must be free, and the id unknown. */
  insert(record: RegionRecord): void {
    const block = this.#blockOf(record.start);
    this.#insertAt(record, block, block < 0 ? 0 : floorIn(this.#blocks[block] as RegionRecord[], record.start) + 1);
  }

  #insertAt(record: RegionRecord, block: number, at: number): void {
    this.#byId.set(record.id, record);
    const records = this.#blocks[Math.max(block, 0)];
    if (records === undefined) {
      this.#blocks.push([record]);
    } else {
      const previous = at > 0 ? records[at - 1] : this.#blocks[block - 1]?.at(-1);
      const next = records[at] ?? this.#blocks[Math.max(block, 0) + 1]?.[0];
      // One text for the border of two neighbours.
      if (previous !== undefined && previous.end === record.start) record.start = previous.end;
      if (next !== undefined && next.start === record.end) record.end = next.start;
      if (at === records.length) records.push(record);
      else records.splice(at, 0, record);
      if (records.length > blockMax) {
        // Regions that come in key order leave full blocks behind.
        const half = at === records.length - 1 ? records.length - 1 : records.length >> 1;
        this.#blocks.splice(Math.max(block, 0) + 1, 0, records.splice(half));
      }
    }
    this.link(record);
  }

  remove(record: RegionRecord): void {
    this.unlink(record);
    this.#byId.delete(record.id);
    const block = this.#blockOf(record.start);
    const records = this.#blocks[block] as RegionRecord[];
    records.splice(floorIn(records, record.start), 1);
    if (records.length === 0) this.#blocks.splice(block, 1);
  }

  clear(): void {
    this.#byId.clear();
    this.#stores.clear();
    this.#blocks = [];
    this.#sizeMib = 0;
    this.#measured = 0;
  }

  /** Counts the record in its stores. */
  link(record: RegionRecord): void {
    const { peers, sizeMib } = record;
    for (let at = 0; at < peers.length; at += peerStride) {
      const sums = this.sumsOf(peers[at + 1] as StoreId);
      const list = listOf(sums, record, at);
      peers[at + 3] = list.length;
      list.push(record);
      sums.regionSize += sizeMib;
      if (list === sums.leaders) sums.leaderSize += sizeMib;
    }
    for (const id of record.pendingPeers) this.#pendingOf(record, id)?.add(record);
    this.#sizeMib += sizeMib;
    if (sizeMib > 0) this.#measured++;
  }

  /** Takes the record out of its stores' counts: before peers, leader, pending peers or size of it change. */
  unlink(record: RegionRecord): void {
    const { peers, sizeMib } = record;
    for (let at = 0; at < peers.length; at += peerStride) {
      const storeId = peers[at + 1] as StoreId;
      const sums = this.sumsOf(storeId);
      const list = listOf(sums, record, at);
      const place = peers[at + 3] as number;
      const last = list.pop() as RegionRecord;
      if (last !== record) {
        list[place] = last;
        last.peers[peerAt(last, storeId) + 3] = place;
      }
      sums.regionSize -= sizeMib;
      if (list === sums.leaders) sums.leaderSize -= sizeMib;
    }
    for (const id of record.pendingPeers) this.#pendingOf(record, id)?.delete(record);
    this.#sizeMib -= sizeMib;
    if (sizeMib > 0) this.#measured--;
  }

  random(storeId: StoreId, kind: PeerKind, pick: (count: number) => number): RegionRecord | null {
    const sums = this.#stores.get(storeId);
    if (sums === undefined) return null;
    const list =
      kind === "leader" ? sums.leaders : kind === "follower" ? sums.followers : kind === "learner" ? sums.learners : [...sums.pending];
    return list.length === 0 ? null : (list[pick(list.length)] ?? null);
  }

  #pendingOf(record: RegionRecord, peerId: number): Set<RegionRecord> | null {
    for (let at = 0; at < record.peers.length; at += peerStride)
      if (record.peers[at] === peerId) return this.sumsOf(record.peers[at + 1] as StoreId).pending;
    return null;
  }

  /** The block whose first record starts at or before the key; -1 when all start after it. */
  #blockOf(key: KeyText): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (((this.#blocks[middle] as RegionRecord[])[0] as RegionRecord).start <= key) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }

  #floor(key: KeyText): RegionRecord | null {
    const records = this.#blocks[this.#blockOf(key)];
    return records === undefined ? null : (records[floorIn(records, key)] ?? null);
  }
}

/** The last record that starts at or before the key; -1 when all start after it. */
function floorIn(records: readonly RegionRecord[], key: KeyText): number {
  let low = 0;
  let high = records.length - 1;
  // Most come in key order.
  if (high >= 0 && (records[high] as RegionRecord).start <= key) return high;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if ((records[middle] as RegionRecord).start <= key) low = middle + 1;
    else high = middle - 1;
  }
  return high;
}

function listOf(sums: StoreSums, record: RegionRecord, at: number): RegionRecord[] {
  if (record.peers[at] === record.leaderPeerId) return sums.leaders;
  return ((record.peers[at + 2] as number) & 3) === 1 ? sums.learners : sums.followers;
}

function peerAt(record: RegionRecord, storeId: StoreId): number {
  for (let at = 0; at < record.peers.length; at += peerStride) if (record.peers[at + 1] === storeId) return at;
  throw new Error(`region ${record.id} has no peer on store ${storeId}`);
}
