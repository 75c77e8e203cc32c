/** The raw requests of `tikvpb.Tikv`, but for their region errors: those are thrown as `RegionError`. */
import { type Clock, compareBytes } from "@skein/base";
import type { Input } from "@skein/rpc";
import type { EngineReader, KeyRange, Pair } from "../engine/engine.ts";
import { type RegionContext, type RegionDescription, RegionError, type RegionKv, type RegionWrite } from "../region-kv.ts";
import { type Leads, nameOf } from "../txn/concurrency.ts";
import { decodeKey, keyOfVersion, sameBytes, versionKey } from "../txn/core/keys.ts";
import { after } from "../txn/reader.ts";
import { checkInRegion } from "../txn/scheduler.ts";
import { answerBytesMax, removeRange } from "../txn/transactions.ts";
import type { kvrpcpb } from "../wire/index.ts";
import { crc64 } from "./core/crc64.ts";
import { type RawValue, readExpiry, withExpiry } from "./core/expiry.ts";
import { RawLatches } from "./raw-latches.ts";

type Answer<T extends { readonly region_error: unknown }> = Omit<Input<T>, "region_error">;
type RawFamily = "default" | "lock" | "write";
type KvPair = Input<kvrpcpb.KvPair>;

export interface RawKvOptions {
  readonly kv: RegionKv;
  readonly leads: Leads;
  readonly clock: Clock;
  /** Values carry their expiry. The same for all stores of a cluster, and for its whole life. */
  readonly enableTtl: boolean;
  /** Writes under way; more are refused as busy. */
  readonly writesMax?: number;
}

const noValue = new Uint8Array(0);
const ttlOff = "ttl is not enabled, but get put request with ttl";
const keyBytesMax = 8 * 1024;
const valueBytesMax = 8 * 1024 * 1024;
/** Expired keys that one step of the cleaning takes. */
const cleanBatch = 256;

export class RawKv {
  readonly #kv: RegionKv;
  readonly #leads: Leads;
  readonly #clock: Clock;
  readonly #enableTtl: boolean;
  readonly #writesMax: number;
  readonly #latches = new RawLatches();
  #writes = 0;

  constructor(options: RawKvOptions) {
    this.#kv = options.kv;
    this.#leads = options.leads;
    this.#clock = options.clock;
    this.#enableTtl = options.enableTtl;
    this.#writesMax = options.writesMax ?? 50_000;
  }

  async get(request: kvrpcpb.RawGetRequest, context: RegionContext): Promise<Answer<kvrpcpb.RawGetResponse>> {
    const family = familyOf(request.cf);
    if (family === null) return { error: unknownFamily(request.cf) };
    using snapshot = await this.#kv.snapshot(context);
    checkInRegion(request.key, snapshot.region);
    const found = this.#read(snapshot.reader, family, request.key);
    return found === null ? { not_found: true } : { value: found.value };
  }

  async batchGet(request: kvrpcpb.RawBatchGetRequest, context: RegionContext): Promise<Answer<kvrpcpb.RawBatchGetResponse>> {
    const family = familyOf(request.cf);
    if (family === null) return { pairs: [failedPair(unknownFamily(request.cf))] };
    using snapshot = await this.#kv.snapshot(context);
    const pairs: KvPair[] = [];
    let bytes = 0;
    for (const key of request.keys) {
      checkInRegion(key, snapshot.region);
      const found = this.#read(snapshot.reader, family, key);
      if (found === null) continue;
      pairs.push({ key, value: found.value });
      if ((bytes += key.length + found.value.length) > answerBytesMax) return { pairs: [failedPair(tooMuch)] };
    }
    return { pairs };
  }

  async getKeyTtl(request: kvrpcpb.RawGetKeyTTLRequest, context: RegionContext): Promise<Answer<kvrpcpb.RawGetKeyTTLResponse>> {
    const family = familyOf(request.cf);
    if (family === null) return { error: unknownFamily(request.cf) };
    using snapshot = await this.#kv.snapshot(context);
    checkInRegion(request.key, snapshot.region);
    const found = this.#read(snapshot.reader, family, request.key);
    if (found === null) return { not_found: true };
    // The second that has begun counts, so that 0 only says "for ever".
    return { ttl: found.endsAt === 0 ? 0 : Math.max(1, found.endsAt - Math.floor(this.#clock.nowMs() / 1000)) };
  }

  put(request: kvrpcpb.RawPutRequest, context: RegionContext): Promise<{ readonly error?: string }> {
    const family = familyOf(request.cf);
    const { key, value, ttl } = request;
    const refused = family === null ? unknownFamily(request.cf) : this.#refusal(key, value, ttl);
    if (refused !== null) return Promise.resolve({ error: refused });
    const write = { kind: "put" as const, family: family as RawFamily, key, value: this.#stored(value, ttl) };
    return this.#write(context, [write], request.for_cas);
  }

  async batchPut(request: kvrpcpb.RawBatchPutRequest, context: RegionContext): Promise<{ readonly error?: string }> {
    const family = familyOf(request.cf);
    if (family === null) return { error: unknownFamily(request.cf) };
    const { pairs, ttls } = request;
    if (ttls.length > 1 && ttls.length !== pairs.length) return { error: `the count of ttls is ${ttls.length}, of pairs ${pairs.length}` };
    const writes: RegionWrite[] = [];
    for (const [index, { key, value }] of pairs.entries()) {
      const ttl = ttls.length > 1 ? (ttls[index] as number) : (ttls[0] ?? request.ttl);
      const refused = this.#refusal(key, value, ttl);
      if (refused !== null) return { error: refused };
      writes.push({ kind: "put", family, key, value: this.#stored(value, ttl) });
    }
    return this.#write(context, writes, request.for_cas);
  }

  async delete(request: kvrpcpb.RawDeleteRequest, context: RegionContext): Promise<{ readonly error?: string }> {
    const family = familyOf(request.cf);
    if (family === null) return { error: unknownFamily(request.cf) };
    return this.#write(context, [{ kind: "delete", family, key: request.key }], request.for_cas);
  }

  async batchDelete(request: kvrpcpb.RawBatchDeleteRequest, context: RegionContext): Promise<{ readonly error?: string }> {
    const family = familyOf(request.cf);
    if (family === null) return { error: unknownFamily(request.cf) };
    return this.#write(
      context,
      request.keys.map((key) => ({ kind: "delete", family, key })),
      request.for_cas,
    );
  }

  async deleteRange(request: kvrpcpb.RawDeleteRangeRequest, context: RegionContext): Promise<{ readonly error?: string }> {
    const family = familyOf(request.cf);
    if (family === null) return { error: unknownFamily(request.cf) };
    const { start_key: start, end_key: end } = request;
    if (end.length > 0 && compareBytes(start, end) >= 0)
      return compareBytes(start, end) === 0 ? {} : { error: "the range's end is before its start" };
    {
      using snapshot = await this.#kv.snapshot(context);
      checkInRegion(start, snapshot.region);
      const { endKey } = snapshot.region;
      if (endKey.length > 0 && (end.length === 0 || compareBytes(end, endKey) > 0))
        throw new RegionError({ kind: "keyNotInRegion", key: end, region: snapshot.region }, "the range ends behind the region");
    }
    await removeRange(this.#kv, context, family, { start, end });
    return {};
  }

  async scan(request: kvrpcpb.RawScanRequest, context: RegionContext): Promise<Answer<kvrpcpb.RawScanResponse>> {
    const family = familyOf(request.cf);
    if (family === null) return { kvs: [failedPair(unknownFamily(request.cf))] };
    using snapshot = await this.#kv.snapshot(context);
    const { reverse } = request;
    const range = reverse ? { start: request.end_key, end: request.start_key } : { start: request.start_key, end: request.end_key };
    const kvs = await this.#scan(snapshot.reader, snapshot.region, { ...request, family, range, context });
    return { kvs: kvs ?? [failedPair(tooMuch)] };
  }

  async batchScan(request: kvrpcpb.RawBatchScanRequest, context: RegionContext): Promise<Answer<kvrpcpb.RawBatchScanResponse>> {
    const family = familyOf(request.cf);
    if (family === null) return { kvs: [failedPair(unknownFamily(request.cf))] };
    using snapshot = await this.#kv.snapshot(context);
    const all: KvPair[] = [];
    let bytes = 0;
    for (const [index, asked] of request.ranges.entries()) {
      // A range without an end goes up to the next one.
      const next = request.ranges[index + 1]?.start_key ?? noValue;
      const end = asked.end_key.length === 0 && !request.reverse ? next : asked.end_key;
      const range = request.reverse ? { start: end, end: asked.start_key } : { start: asked.start_key, end };
      const kvs = await this.#scan(snapshot.reader, snapshot.region, { ...request, limit: request.each_limit, family, range, context });
      if (kvs === null || (bytes += bytesOf(kvs)) > answerBytesMax) return { kvs: [failedPair(tooMuch)] };
      for (const pair of kvs) all.push(pair);
    }
    return { kvs: all };
  }

  /** Null when the answer would be too large. */
  async #scan(
    reader: EngineReader,
    region: RegionDescription,
    request: {
      readonly family: RawFamily;
      readonly range: KeyRange;
      readonly limit: number;
      readonly key_only: boolean;
      readonly reverse: boolean;
      readonly context: RegionContext;
    },
  ): Promise<KvPair[] | null> {
    const { family, range, limit, reverse } = request;
    if (!reverse) checkInRegion(range.start, region);
    else if (region.endKey.length > 0 && (range.end.length === 0 || compareBytes(range.end, region.endKey) > 0))
      throw new RegionError({ kind: "keyNotInRegion", key: range.end, region }, "the scan begins behind the region");
    const start = compareBytes(range.start, region.startKey) < 0 ? region.startKey : range.start;
    const end =
      region.endKey.length > 0 && (range.end.length === 0 || compareBytes(range.end, region.endKey) > 0) ? region.endKey : range.end;
    const kvs: KvPair[] = [];
    if (limit === 0 || (end.length > 0 && compareBytes(start, end) >= 0)) return kvs;
    const keysOnly = request.key_only && !this.#enableTtl;
    let bytes = 0;
    // What has expired does not count: without TTL the limit is the engine's.
    for await (const block of reader.scan(family, { start, end }, { reverse, keysOnly, ...(this.#enableTtl ? {} : { limit }) })) {
      request.context.signal?.throwIfAborted();
      for (const pair of block) {
        const found = this.#live(pair.value);
        if (found === null) continue;
        const value = request.key_only ? noValue : found.value;
        kvs.push({ key: pair.key, value });
        if ((bytes += pairBytes + pair.key.length + value.length) > answerBytesMax) return null;
        if (kvs.length === limit) return kvs;
      }
    }
    return kvs;
  }

  async compareAndSwap(request: kvrpcpb.RawCASRequest, context: RegionContext): Promise<Answer<kvrpcpb.RawCASResponse>> {
    const family = familyOf(request.cf);
    const { key, value, ttl } = request;
    const refused = family === null ? unknownFamily(request.cf) : this.#refusal(key, value, ttl);
    if (refused !== null) return { error: refused };
    return this.#alone(family as RawFamily, key, async () => {
      let previous: RawValue | null;
      let term: number;
      {
        using snapshot = await this.#kv.snapshot(context);
        checkInRegion(key, snapshot.region);
        ({ term } = snapshot);
        previous = this.#read(snapshot.reader, family as RawFamily, key);
      }
      const is =
        previous === null ? request.previous_not_exist : !request.previous_not_exist && sameBytes(previous.value, request.previous_value);
      const before = previous === null ? { previous_not_exist: true } : { previous_value: previous.value };
      if (!is) return { succeed: false, ...before };
      try {
        await this.#kv.write(context, term, [{ kind: "put", family: family as RawFamily, key, value: this.#stored(value, ttl) }]);
      } catch (error) {
        // A client that simply repeats it could take its own first try for another's.
        if (error instanceof RegionError && error.reason.kind === "undetermined")
          return { error: `it is not known whether the value was swapped: ${error.reason.message}` };
        throw error;
      }
      return { succeed: true, ...before };
    });
  }

  async checksum(request: kvrpcpb.RawChecksumRequest, context: RegionContext): Promise<Answer<kvrpcpb.RawChecksumResponse>> {
    if (request.algorithm !== "Crc64_Xor") return { error: `the checksum algorithm ${request.algorithm} is not known` };
    using snapshot = await this.#kv.snapshot(context);
    let checksum = 0n;
    let count = 0;
    let bytes = 0;
    for (const { start_key: start, end_key: end } of request.ranges) {
      checkInRegion(start, snapshot.region);
      const { endKey } = snapshot.region;
      const until = endKey.length > 0 && (end.length === 0 || compareBytes(end, endKey) > 0) ? endKey : end;
      for await (const block of snapshot.reader.scan("default", { start, end: until })) {
        context.signal?.throwIfAborted();
        for (const pair of block) {
          const found = this.#live(pair.value);
          if (found === null) continue;
          checksum ^= crc64(pair.key, found.value);
          count++;
          bytes += pair.key.length + found.value.length;
        }
      }
    }
    return { checksum, total_kvs: count, total_bytes: bytes };
  }

  /**
   * Deletes what has expired, of one region; answers how many keys. Values of transactions that stand in the same family are
   * known by their records and are left alone.
   */
  async clean(context: RegionContext): Promise<number> {
    if (!this.#enableTtl) return 0;
    let removed = 0;
    for (const family of ["default", "write"] as const) {
      let from: Uint8Array | null = null;
      for (;;) {
        const { keys, next } = await this.#expiredIn(context, family, from);
        for (const key of keys) if (await this.#removeExpired(context, family, key)) removed++;
        if (next === null) break;
        from = next;
      }
    }
    return removed;
  }

  async #expiredIn(context: RegionContext, family: RawFamily, from: Uint8Array | null) {
    using snapshot = await this.#kv.snapshot(context);
    const { reader, region } = snapshot;
    const start = from !== null && compareBytes(from, region.startKey) > 0 ? from : region.startKey;
    const keys: Uint8Array[] = [];
    for await (const block of reader.scan(family, { start, end: region.endKey })) {
      context.signal?.throwIfAborted();
      for (const pair of block) {
        if (this.#live(pair.value) !== null || (await isTransactional(reader, family, pair))) continue;
        keys.push(pair.key.slice());
        if (keys.length === cleanBatch) return { keys, next: after(pair.key) };
      }
    }
    return { keys, next: null };
  }

  #removeExpired(context: RegionContext, family: RawFamily, key: Uint8Array): Promise<boolean> {
    return this.#alone(family, key, async () => {
      let term: number;
      {
        using snapshot = await this.#kv.snapshot(context);
        ({ term } = snapshot);
        const stored = snapshot.reader.get(family, key);
        if (stored === null || this.#live(stored) !== null) return false;
      }
      await this.#kv.write(context, term, [{ kind: "delete", family, key }]);
      return true;
    });
  }

  #read(reader: EngineReader, family: RawFamily, key: Uint8Array): RawValue | null {
    const stored = reader.get(family, key);
    return stored === null ? null : this.#live(stored);
  }
  #live(stored: Uint8Array): RawValue | null {
    return this.#enableTtl ? readExpiry(stored, this.#clock.nowMs()) : { value: stored, endsAt: 0 };
  }
  #stored(value: Uint8Array, ttl: number): Uint8Array {
    return this.#enableTtl ? withExpiry(value, ttl, this.#clock.nowMs()) : value;
  }
  #refusal(key: Uint8Array, value: Uint8Array, ttl: number): string | null {
    if (ttl !== 0 && !this.#enableTtl) return ttlOff;
    if (key.length > keyBytesMax) return `the key has ${key.length} bytes, over the limit of ${keyBytesMax}`;
    if (value.length > valueBytesMax) return `the value has ${value.length} bytes, over the limit of ${valueBytesMax}`;
    return null;
  }

  async #alone<T>(family: RawFamily, key: Uint8Array, run: () => Promise<T>): Promise<T> {
    const name = family + nameOf(key);
    const ready = this.#latches.acquire(name, true);
    if (ready !== null) await ready;
    try {
      return await run();
    } finally {
      this.#latches.release(name, true);
    }
  }

  async #write(context: RegionContext, writes: readonly RegionWrite[], alone: boolean): Promise<{ readonly error?: string }> {
    if (writes.length === 0) return {};
    if (this.#writes >= this.#writesMax)
      throw new RegionError({ kind: "serverIsBusy", reason: "too many raw writes are under way", backoffMs: 0 }, "busy");
    const names = writes.map((write) => write.family + nameOf(write.kind === "deleteRange" ? write.start : write.key));
    // In one order for all, so that none waits in a circle.
    const unique = names.length === 1 ? names : [...new Set(names)].sort();
    this.#writes++;
    let held = 0;
    try {
      for (const name of unique) {
        const ready = this.#latches.acquire(name, alone);
        if (ready !== null) await ready;
        held++;
      }
      const term = this.#leads.termOf(context.regionId);
      if (term !== null) {
        try {
          await this.#kv.write(context, term, writes);
          return {};
        } catch (error) {
          // A blind write is as right in the next term.
          if (!(error instanceof RegionError) || error.reason.kind !== "staleCommand") throw error;
        }
      }
      let current: number;
      {
        using snapshot = await this.#kv.snapshot(context);
        current = snapshot.term;
      }
      await this.#kv.write(context, current, writes);
      return {};
    } finally {
      this.#writes--;
      for (let at = 0; at < held; at++) this.#latches.release(unique[at] as string, alone);
    }
  }
}

/** Whether the pair is a value or a record of a transaction. */
async function isTransactional(reader: EngineReader, family: RawFamily, { key }: Pair): Promise<boolean> {
  const userKey = keyOfVersion(key);
  if (decodeKey(userKey) === null) return false;
  if (family === "write" || reader.get("lock", userKey) !== null) return true;
  for await (const block of reader.scan("write", { start: userKey, end: versionKey(userKey, 0n) }, { limit: 1, keysOnly: true }))
    if (block.length > 0) return true;
  return false;
}

function familyOf(cf: string): RawFamily | null {
  if (cf === "" || cf === "default") return "default";
  return cf === "write" || cf === "lock" ? cf : null;
}
const unknownFamily = (cf: string): string => `cf ${cf} is unknown: it is default, write or lock`;
/** What a pair of no length takes while it waits to be sent. */
const pairBytes = 64;
const tooMuch = `the answer would be over ${answerBytesMax} bytes: ask for fewer keys at once`;
const failedPair = (text: string): KvPair => ({ error: { abort: text } });

function bytesOf(kvs: readonly KvPair[]): number {
  let bytes = 0;
  for (const { key, value } of kvs) bytes += pairBytes + (key?.length ?? 0) + (value?.length ?? 0);
  return bytes;
}
