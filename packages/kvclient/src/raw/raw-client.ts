/**
 * Raw keys and values, without transactions. Each key is linearizable; calls over several keys are not atomic, and when one fails
 * part of it may have been done.
 */
import { compareBytes, type World } from "@skein/base";
import { type kvrpcpb, tikvpb } from "@skein/store/wire";
import { forEachOf } from "../concurrency.ts";
import { earlierEnd, laterKey, mapKey, nextKey } from "../core/keys.ts";
import type { CachedRegion } from "../core/region-index.ts";
import { kvErrors } from "../errors.ts";
import { Patience } from "../patience.ts";
import { moved, type RegionRequests, type SendOptions } from "../regions/region-requests.ts";

export interface RawOptions {
  /** A key space of its own: "default" (also ""), "write" or "lock". */
  readonly columnFamily?: string;
  /** What is put can be compared and swapped: needed where both are used on one key. */
  readonly forCas?: boolean;
  /**
   * Whether a write whose answer was lost is sent again. Default true, as the field's clients do: it may then take effect twice, the
   * second time after writes of others. False: it rejects with `writeUndetermined`. A compare and swap is never sent again.
   */
  readonly repeatLostWrites?: boolean;
  /** Of one call in all, with its repetitions. Default 40 000: longer than an election takes. */
  readonly patienceMs?: number;
}

export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface ScanRange {
  /** In it. */
  readonly start: Uint8Array;
  /** Not in it; empty: to the end. */
  readonly end: Uint8Array;
}

export interface RawScanOptions extends ScanRange {
  /** Pairs, at most. */
  readonly limit: number;
  /** From the end of the range to its start. */
  readonly reverse?: boolean;
  readonly keysOnly?: boolean;
}

/** Of a compare and swap. */
export interface SwapResult {
  readonly isSwapped: boolean;
  /** What was there before; null: nothing. */
  readonly previous: Uint8Array | null;
}

/**
 * Keys without transactions: each is linearizable for itself, and a batch is done key by key, in any order. Rejects with `timedOut` when
 * the patience is over, and with `writeUndetermined` for a write that may have been done and is not to be repeated (`repeatLostWrites`).
 */
export interface RawClient {
  /** Null: the key does not exist. */
  get(key: Uint8Array): Promise<Uint8Array | null>;
  /** Only those that exist, in the order asked. */
  batchGet(keys: readonly Uint8Array[]): Promise<readonly KeyValue[]>;
  /** `ttlS` 0 is for ever. */
  put(key: Uint8Array, value: Uint8Array, ttlS?: number): Promise<void>;
  /** Of a batch that rejects, a part may be written. */
  batchPut(pairs: readonly KeyValue[], ttlS?: number): Promise<void>;
  delete(key: Uint8Array): Promise<void>;
  batchDelete(keys: readonly Uint8Array[]): Promise<void>;
  /** Region by region; of one that rejects, a part may be gone. */
  deleteRange(range: ScanRange): Promise<void>;
  /** In key order, or against it. Each region is read as it is when it is asked. */
  scan(options: RawScanOptions): Promise<readonly KeyValue[]>;
  /** Up to `eachLimit` of each range, one range after the other. */
  batchScan(
    ranges: readonly ScanRange[],
    eachLimit: number,
    options?: Pick<RawScanOptions, "keysOnly" | "reverse">,
  ): Promise<readonly KeyValue[]>;
  /** `expected` null: only when the key does not exist. */
  compareAndSwap(key: Uint8Array, expected: Uint8Array | null, value: Uint8Array, ttlS?: number): Promise<SwapResult>;
  /** Seconds left, 0 for ever; null: the key does not exist. */
  ttl(key: Uint8Array): Promise<number | null>;
  /** Of all pairs in the range: the CRC-64 of each (key, then value), and these XORed; their count and size. */
  checksum(range: ScanRange): Promise<{ readonly crc64Xor: bigint; readonly keys: number; readonly bytes: number }>;
}

const batchBytesMax = 64 * 1024;
const batchKeysMax = 1024;
const scanPageMax = 1024;
const concurrencyMax = 16;

export function createRawClient(world: World, requests: RegionRequests, closing: AbortSignal, options: RawOptions = {}): RawClient {
  const { regions } = requests;
  const cf = options.columnFamily ?? "";
  const patienceFor = (what: string) => new Patience(world, what, options.patienceMs ?? 40_000, closing);
  const { methods } = tikvpb.tikv;

  /** Tries until the region that holds the key has answered. */
  const atKey = async <A>(
    what: string,
    key: Uint8Array,
    run: (region: CachedRegion, patience: Patience) => Promise<A | typeof moved>,
  ): Promise<A> => {
    const patience = patienceFor(what);
    for (;;) {
      const answer = await run(await regions.locate(key, patience), patience);
      if (answer !== moved) return answer;
    }
  };
  /** Does batches of the items in their regions; those whose region moved are grouped again. */
  const inRegions = async <T>(
    what: string,
    items: readonly T[],
    keyOf: (item: T) => Uint8Array,
    sizeOf: (item: T) => number,
    run: (region: CachedRegion, batch: readonly T[], patience: Patience) => Promise<boolean>,
  ): Promise<void> => {
    const patience = patienceFor(what);
    let left: readonly T[] = items;
    while (left.length > 0) {
      const again: T[] = [];
      const batches = [...(await regions.group(left, keyOf, patience))].flatMap(([region, group]) =>
        batchesOf(group, sizeOf).map((batch) => ({ region, batch })),
      );
      await forEachOf(batches, concurrencyMax, async ({ region, batch }) => {
        if (!(await run(region, batch, patience))) again.push(...batch);
      });
      left = again;
    }
  };
  const lost = (what: string) => (error: unknown) => {
    throw kvErrors.writeUndetermined([what], error);
  };
  const sendWrite = (what: string): SendOptions => ((options.repeatLostWrites ?? true) ? {} : { onUnknown: lost(what) });
  const ok = (what: string, { error }: { readonly error: string }) => {
    if (error !== "") throw kvErrors.refused([what, error]);
  };
  const okPair = (pair: kvrpcpb.KvPair): KeyValue => {
    if (pair.error !== null) throw kvErrors.refused(["a read", pair.error.abort || pair.error.retryable]);
    return { key: pair.key, value: pair.value };
  };

  async function scan({ start, end, limit, reverse = false, keysOnly = false }: RawScanOptions): Promise<readonly KeyValue[]> {
    const patience = patienceFor("a raw scan");
    const found: KeyValue[] = [];
    // Forward: what is at or behind `from`. Reverse: what is before `to`, empty being the end.
    let from = start;
    let to = end;
    while (found.length < limit && (to.length === 0 || compareBytes(from, to) < 0)) {
      const region = reverse ? await regions.locateBefore(to, patience) : await regions.locate(from, patience);
      const lower = laterKey(from, region.startKey);
      const upper = earlierEnd(to, region.endKey);
      const pageLimit = Math.min(limit - found.length, scanPageMax);
      const answer = await requests.command(
        region,
        "RawScan",
        reverse
          ? { start_key: upper, end_key: lower, limit: pageLimit, reverse, key_only: keysOnly, cf }
          : { start_key: lower, end_key: upper, limit: pageLimit, key_only: keysOnly, cf },
        patience,
      );
      if (answer === moved) continue;
      for (const pair of answer.kvs) found.push(okPair(pair));
      const last = answer.kvs.at(-1);
      if (answer.kvs.length >= pageLimit && last !== undefined) {
        if (reverse) to = last.key;
        else from = nextKey(last.key);
        continue;
      }
      if (reverse) {
        if (region.startKey.length === 0 || compareBytes(region.startKey, start) <= 0) break;
        to = region.startKey;
      } else {
        if (region.endKey.length === 0) break;
        from = region.endKey;
      }
    }
    return found;
  }

  return {
    get: async (key) => {
      const answer = await atKey("a raw get", key, (region, patience) => requests.command(region, "RawGet", { key, cf }, patience));
      ok("a raw get", answer);
      return answer.not_found ? null : answer.value;
    },
    batchGet: async (keys) => {
      const found = new Map<string, KeyValue>();
      await inRegions("a raw batch get", keys, same, lengthOf, async (region, batch, patience) => {
        const answer = await requests.command(region, "RawBatchGet", { keys: batch, cf }, patience);
        if (answer === moved) return false;
        for (const pair of answer.pairs) found.set(mapKey(pair.key), okPair(pair));
        return true;
      });
      return keys.flatMap((key) => found.get(mapKey(key)) ?? []);
    },
    put: async (key, value, ttlS = 0) => {
      const request = { key, value, cf, ttl: ttlS, for_cas: options.forCas ?? false };
      ok(
        "a raw put",
        await atKey("a raw put", key, (region, patience) => requests.command(region, "RawPut", request, patience, sendWrite("a raw put"))),
      );
    },
    batchPut: (pairs, ttlS = 0) =>
      inRegions("a raw batch put", pairs, keyOfPair, sizeOfPair, async (region, batch, patience) => {
        const ttls = ttlS === 0 ? [] : [ttlS];
        const request = { pairs: batch, cf, ttls, for_cas: options.forCas ?? false };
        const answer = await requests.command(region, "RawBatchPut", request, patience, sendWrite("a raw batch put"));
        if (answer === moved) return false;
        ok("a raw batch put", answer);
        return true;
      }),
    delete: async (key) => {
      const request = { key, cf, for_cas: options.forCas ?? false };
      ok(
        "a raw delete",
        await atKey("a raw delete", key, (region, patience) =>
          requests.command(region, "RawDelete", request, patience, sendWrite("a raw delete")),
        ),
      );
    },
    batchDelete: (keys) =>
      inRegions("a raw batch delete", keys, same, lengthOf, async (region, batch, patience) => {
        const request = { keys: batch, cf, for_cas: options.forCas ?? false };
        const answer = await requests.command(region, "RawBatchDelete", request, patience, sendWrite("a raw batch delete"));
        if (answer === moved) return false;
        ok("a raw batch delete", answer);
        return true;
      }),
    deleteRange: async ({ start, end }) => {
      const patience = patienceFor("a raw delete of a range");
      for (let from = start; end.length === 0 || compareBytes(from, end) < 0; ) {
        const region = await regions.locate(from, patience);
        const request = { start_key: from, end_key: earlierEnd(end, region.endKey), cf };
        const answer = await requests.command(region, "RawDeleteRange", request, patience, sendWrite("a raw delete of a range"));
        if (answer === moved) continue;
        ok("a raw delete of a range", answer);
        if (region.endKey.length === 0) return;
        from = region.endKey;
      }
    },
    scan,
    batchScan: async (ranges, eachLimit, scanOptions = {}) => {
      const found: KeyValue[] = [];
      for (const range of ranges) found.push(...(await scan({ ...range, ...scanOptions, limit: eachLimit })));
      return found;
    },
    compareAndSwap: async (key, expected, value, ttlS = 0) => {
      const request = {
        key,
        value,
        cf,
        ttl: ttlS,
        previous_not_exist: expected === null,
        ...(expected === null ? {} : { previous_value: expected }),
      };
      const answer = await atKey("a compare and swap", key, (region, patience) =>
        requests.call(region, methods.RawCompareAndSwap, request, patience, {
          // Repeating it could find its own value and say that it was not swapped.
          onUnknown: lost("a compare and swap"),
        }),
      );
      ok("a compare and swap", answer);
      return { isSwapped: answer.succeed, previous: answer.previous_not_exist ? null : answer.previous_value };
    },
    ttl: async (key) => {
      const answer = await atKey("a raw ttl", key, (region, patience) =>
        requests.call(region, methods.RawGetKeyTTL, { key, cf }, patience),
      );
      ok("a raw ttl", answer);
      return answer.not_found ? null : answer.ttl;
    },
    checksum: async ({ start, end }) => {
      const patience = patienceFor("a raw checksum");
      let [crc64Xor, keys, bytes] = [0n, 0, 0];
      for (let from = start; end.length === 0 || compareBytes(from, end) < 0; ) {
        const region = await regions.locate(from, patience);
        const range = { start_key: from, end_key: earlierEnd(end, region.endKey) };
        const answer = await requests.call(region, methods.RawChecksum, { algorithm: "Crc64_Xor", ranges: [range] }, patience);
        if (answer === moved) continue;
        ok("a raw checksum", answer);
        crc64Xor ^= answer.checksum;
        keys += answer.total_kvs;
        bytes += answer.total_bytes;
        if (region.endKey.length === 0) break;
        from = region.endKey;
      }
      return { crc64Xor, keys, bytes };
    },
  };
}

const same = (key: Uint8Array) => key;
const lengthOf = (key: Uint8Array) => key.length;
const keyOfPair = (pair: KeyValue) => pair.key;
const sizeOfPair = (pair: KeyValue) => pair.key.length + pair.value.length;

/** Cuts into batches of at most `batchKeysMax` items and about `batchBytesMax`. */
export function batchesOf<T>(items: readonly T[], sizeOf: (item: T) => number): (readonly T[])[] {
  const batches: T[][] = [];
  let batch: T[] = [];
  let size = 0;
  for (const item of items) {
    const itemSize = sizeOf(item);
    if (batch.length > 0 && (batch.length >= batchKeysMax || size + itemSize > batchBytesMax)) {
      batches.push(batch);
      batch = [];
      size = 0;
    }
    batch.push(item);
    size += itemSize;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
