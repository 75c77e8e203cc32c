/** All data as it was at one timestamp. */
import { compareBytes, type World } from "@skein/base";
import type { kvrpcpb } from "@skein/store/wire";
import { forEachOf } from "../concurrency.ts";
import { earlierEnd, laterKey, mapKey, nextKey } from "../core/keys.ts";
import { kvErrors } from "../errors.ts";
import { Patience } from "../patience.ts";
import type { KeyValue, ScanRange } from "../raw/raw-client.ts";
import { moved, type RegionRequests, type SendOptions } from "../regions/region-requests.ts";
import type { LockResolver } from "./lock-resolver.ts";

export interface SnapshotScan extends ScanRange {
  /** Pairs in all; default: no limit. */
  readonly limit?: number;
  readonly reverse?: boolean;
  readonly keysOnly?: boolean;
}

/**
 * The state at a timestamp, the same however often and however late it is read, as long as the safe point stays below it. Locks of others
 * that stand in the way are waited for, and settled when nobody keeps them alive. Rejects with `timedOut`, or `tooOld`.
 */
export interface Snapshot {
  readonly timestamp: bigint;
  /** Null: the key did not exist then. */
  get(key: Uint8Array): Promise<Uint8Array | null>;
  /** Only those that exist, in the order asked. */
  batchGet(keys: readonly Uint8Array[]): Promise<readonly KeyValue[]>;
  /** In key order, or against it; read page by page as it is taken. */
  scan(scan: SnapshotScan): AsyncIterable<KeyValue>;
}

export interface SnapshotReads {
  /** Ends what is read, which rejects with its reason. */
  readonly signal: AbortSignal;
  /** Default 40 000. */
  readonly patienceMs?: number;
  readonly byReplica?: boolean;
}

const pageMax = 256;
const batchKeysMax = 1024;
const concurrencyMax = 16;

export class RegionSnapshot implements Snapshot {
  readonly timestamp: bigint;
  private readonly world: World;
  private readonly requests: RegionRequests;
  private readonly resolver: LockResolver;
  private readonly reads: SnapshotReads;
  /** Transactions that will be committed after this snapshot, if at all. */
  private readonly passable = new Set<bigint>();

  constructor(world: World, requests: RegionRequests, resolver: LockResolver, timestamp: bigint, reads: SnapshotReads) {
    this.world = world;
    this.requests = requests;
    this.resolver = resolver;
    this.timestamp = timestamp;
    this.reads = reads;
  }

  async get(key: Uint8Array): Promise<Uint8Array | null> {
    const patience = this.patience("a get");
    for (;;) {
      const region = await this.requests.regions.locate(key, patience);
      const answer = await this.requests.command(region, "Get", { key, version: this.timestamp }, patience, this.options());
      if (answer === moved) continue;
      if (answer.error === null) return answer.not_found ? null : answer.value;
      await this.pass([answer.error], patience);
    }
  }

  async batchGet(keys: readonly Uint8Array[]): Promise<readonly KeyValue[]> {
    const patience = this.patience("a batch get");
    const found = new Map<string, KeyValue>();
    let left: readonly Uint8Array[] = keys;
    while (left.length > 0) {
      const again: Uint8Array[] = [];
      const errors: kvrpcpb.KeyError[] = [];
      const groups = [...(await this.requests.regions.group(left, (key) => key, patience))].flatMap(([region, group]) => {
        const parts = [];
        for (let at = 0; at < group.length; at += batchKeysMax) parts.push({ region, part: group.slice(at, at + batchKeysMax) });
        return parts;
      });
      await forEachOf(groups, concurrencyMax, async ({ region, part }) => {
        const request = { keys: part, version: this.timestamp };
        const answer = await this.requests.command(region, "BatchGet", request, patience, this.options());
        if (answer === moved) return void again.push(...part);
        if (answer.error !== null) {
          errors.push(answer.error);
          return void again.push(...part);
        }
        for (const pair of answer.pairs) {
          if (pair.error === null) found.set(mapKey(pair.key), { key: pair.key, value: pair.value });
          else {
            errors.push(pair.error);
            again.push(pair.key.length > 0 ? pair.key : (pair.error.locked?.key ?? pair.key));
          }
        }
      });
      if (errors.length > 0) await this.pass(errors, patience);
      left = again;
    }
    return keys.flatMap((key) => found.get(mapKey(key)) ?? []);
  }

  async *scan({ start, end, limit = Number.MAX_SAFE_INTEGER, reverse = false, keysOnly = false }: SnapshotScan): AsyncGenerator<KeyValue> {
    let left = limit;
    let from = start;
    let to = end;
    let patience = this.patience("a scan");
    while (left > 0 && (to.length === 0 || compareBytes(from, to) < 0)) {
      const { regions } = this.requests;
      const region = reverse ? await regions.locateBefore(to, patience) : await regions.locate(from, patience);
      const lower = laterKey(from, region.startKey);
      const upper = earlierEnd(to, region.endKey);
      const pageLimit = Math.min(left, pageMax);
      const request = {
        start_key: reverse ? upper : lower,
        end_key: reverse ? lower : upper,
        limit: pageLimit,
        version: this.timestamp,
        key_only: keysOnly,
        reverse,
      };
      const answer = await this.requests.command(region, "Scan", request, patience, this.options());
      if (answer === moved) continue;
      if (answer.error !== null) {
        await this.pass([answer.error], patience);
        continue;
      }
      const errors = answer.pairs.flatMap((pair) => pair.error ?? []);
      if (errors.length > 0) {
        await this.pass(errors, patience);
        continue;
      }
      patience = this.patience("a scan");
      for (const { key, value } of answer.pairs) yield { key, value };
      left -= answer.pairs.length;
      const last = answer.pairs.at(-1);
      if (last !== undefined && answer.pairs.length >= pageLimit) {
        if (reverse) to = last.key;
        else from = nextKey(last.key);
      } else if (reverse) {
        if (region.startKey.length === 0 || compareBytes(region.startKey, start) <= 0) return;
        to = region.startKey;
      } else {
        if (region.endKey.length === 0) return;
        from = region.endKey;
      }
    }
  }

  private patience(what: string): Patience {
    return new Patience(this.world, what, this.reads.patienceMs ?? 40_000, this.reads.signal);
  }

  private options(): SendOptions {
    return {
      byReplica: this.reads.byReplica ?? false,
      ...(this.passable.size === 0 ? {} : { context: { resolved_locks: [...this.passable] } }),
    };
  }

  /** Gets the locks out of the way that a read met, or waits for them. */
  private async pass(errors: readonly kvrpcpb.KeyError[], patience: Patience): Promise<void> {
    const locks: kvrpcpb.LockInfo[] = [];
    for (const error of errors) {
      if (error.locked === null) throw kvErrors.refused(["a read", error.abort || error.retryable || "for no reason"]);
      locks.push(error.locked);
    }
    const { waitMs, passable } = await this.resolver.resolve(locks, this.timestamp, patience);
    for (const startTs of passable) this.passable.add(startTs);
    const first = locks[0];
    if (waitMs > 0 && first !== undefined) await patience.wait("lockFast", kvErrors.lockWaitTimedOut([first.key, first.lock_version]));
  }
}
