/**
 * A metadata store inside one process, durable in one file.
 *
 * Requests that are made in the same turn of the loop share one commit, and so one sync; each stands for itself: what one of them may
 * not do fails that one alone. A watch reads the history table from where it stands, so a slow watcher costs no memory and misses
 * nothing; it is told `compacted` when history has been dropped under it.
 */
import { dirname } from "node:path";
import { CodedError, type Timer, type World } from "@skein/base";
import { bytesOf, checkTransaction, defaultLimits, holds, type TransactionLimits } from "../core/transaction.ts";
import { metastoreErrors } from "../errors.ts";
import type {
  KeySelection,
  KeyValue,
  LeaseId,
  LeaseInfo,
  Metastore,
  Operation,
  OperationResult,
  RangeOptions,
  RangeResult,
  Revision,
  Transaction,
  TransactionResult,
  WatchBatch,
  WatchEvent,
  WatchOptions,
} from "../metastore.ts";
import { type HistoryRow, itemOfHistory, Tables } from "./tables.ts";

export interface EmbeddedOptions extends Partial<TransactionLimits> {
  /** The file; its folder is made when it is missing. `:memory:` keeps nothing. */
  readonly path: string;
  /** Revisions that watches can go back; older ones are dropped. Default 20 000. */
  readonly historyRevisionsMax?: number;
}

/** How far a watch reads at once, and how much one compaction drops: bounds the time that the loop is held. */
const revisionsPerStep = 1000;

interface Job {
  /** Throws a `CodedError` before its first write, or not at all. */
  readonly run: () => unknown;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

export async function openEmbeddedMetastore(world: World, options: EmbeddedOptions): Promise<Metastore> {
  if (options.path !== ":memory:") {
    await world.disk.makeFolder(dirname(options.path));
    // Made here and not by SQLite, whose files may be read by everyone: passwords lie in it.
    await (await world.disk.open(options.path, { create: true, mode: 0o600 })).close();
  }
  let tables: Tables;
  try {
    tables = new Tables(options.path);
  } catch (error) {
    if ((error as { errcode?: number }).errcode === 5) throw metastoreErrors.inUse([options.path], error);
    throw metastoreErrors.storageFailed([options.path], error);
  }
  if (options.path !== ":memory:") await world.disk.syncFolder(dirname(options.path));
  return new EmbeddedMetastore(world, tables, options);
}

class EmbeddedMetastore implements Metastore {
  readonly #world: World;
  readonly #tables: Tables;
  readonly #path: string;
  readonly #limits: TransactionLimits;
  readonly #historyRevisionsMax: number;
  readonly #deadlines = new Map<LeaseId, { readonly ttlSeconds: number; atMs: number }>();
  readonly #watchers = new Set<() => void>();
  #revision: Revision;
  #compacted: Revision;
  #ordinal = 0;
  #jobs: Job[] = [];
  #expiry: Timer | undefined;
  #failure: CodedError | undefined;
  #isClosed = false;

  constructor(world: World, tables: Tables, options: EmbeddedOptions) {
    this.#world = world;
    this.#tables = tables;
    this.#path = options.path;
    this.#limits = {
      operationsMax: options.operationsMax ?? defaultLimits.operationsMax,
      requestBytesMax: options.requestBytesMax ?? defaultLimits.requestBytesMax,
    };
    this.#historyRevisionsMax = options.historyRevisionsMax ?? 20_000;
    this.#revision = tables.number("revision");
    this.#compacted = tables.number("compacted");
    // A lease's time starts anew: its owner could not keep it while this process was away.
    for (const lease of tables.leases()) this.#setDeadline(lease.id, lease.ttlSeconds);
    this.#armExpiry();
  }

  async range(select: KeySelection, options: RangeOptions = {}): Promise<RangeResult> {
    this.#check();
    return this.#read(() => {
      this.#checkRevision(options.revision);
      return this.#range(select, options, this.#revision);
    });
  }

  async get(key: string): Promise<KeyValue | null> {
    this.#check();
    return this.#read(() => this.#tables.get(key));
  }

  async put(key: string, value: Uint8Array | string, options: { readonly lease?: LeaseId } = {}): Promise<Revision> {
    return (await this.txn({ success: [{ op: "put", key, value, ...options }] })).revision;
  }

  async delete(select: KeySelection): Promise<{ readonly deleted: number; readonly revision: Revision }> {
    const { revision, results } = await this.txn({ success: [{ op: "delete", select }] });
    return { deleted: results[0]?.op === "delete" ? results[0].deleted : 0, revision };
  }

  async txn(transaction: Transaction): Promise<TransactionResult> {
    checkTransaction(transaction, this.#limits);
    return this.#write(() => {
      const succeeded = (transaction.compare ?? []).every((comparison) => holds(comparison, this.#tables.get(comparison.key)));
      const side = (succeeded ? transaction.success : transaction.failure) ?? [];
      for (const operation of side) {
        if (operation.op === "put") this.#checkLease(operation.lease);
        if (operation.op === "range") this.#checkRevision(operation.options?.revision);
      }
      return this.#apply(succeeded, side);
    });
  }

  watch(select: KeySelection, options: WatchOptions): AsyncIterable<WatchBatch> {
    this.#check();
    const from = options.fromRevision ?? this.#revision + 1;
    options.onReady?.(this.#revision);
    return this.#watch(select, from, options);
  }

  async compact(revision: Revision): Promise<void> {
    while (this.#compacted < revision)
      await this.#write(() => {
        if (revision > this.#revision) throw metastoreErrors.futureRevision([revision, this.#revision]);
        this.#compactTo(Math.min(revision, this.#compacted + revisionsPerStep));
      });
  }

  async grantLease(ttlSeconds: number, id?: LeaseId): Promise<LeaseInfo> {
    if (!Number.isFinite(ttlSeconds) || ttlSeconds <= 0) throw metastoreErrors.invalidRequest([`a lease of ${ttlSeconds} seconds`]);
    const lease = id ?? (BigInt(this.#world.random.below(0x7fffffff) + 1) << 32n) | BigInt(this.#world.random.u32());
    const granted = Math.ceil(ttlSeconds);
    await this.#write(() => {
      if (this.#deadlines.has(lease)) throw metastoreErrors.leaseExists([lease]);
      this.#tables.addLease(lease, granted);
      this.#setDeadline(lease, granted);
    });
    this.#armExpiry();
    return { id: lease, ttlSeconds: granted };
  }

  async keepAliveLease(id: LeaseId): Promise<LeaseInfo> {
    this.#check();
    const { ttlSeconds } = this.#checkLease(id);
    this.#setDeadline(id, ttlSeconds);
    return { id, ttlSeconds };
  }

  async revokeLease(id: LeaseId): Promise<void> {
    await this.#write(() => {
      this.#checkLease(id);
      this.#revoke(id);
    });
  }

  async leaseState(id: LeaseId) {
    this.#check();
    const lease = this.#deadlines.get(id);
    if (lease === undefined) return null;
    return {
      id,
      ttlSeconds: lease.ttlSeconds,
      remainingSeconds: Math.max(0, (lease.atMs - this.#world.clock.monotonicMs()) / 1000),
      keys: this.#read(() => this.#tables.keysOfLease(id)),
    };
  }

  async leases() {
    this.#check();
    return [...this.#deadlines.keys()].sort((a, b) => (a < b ? -1 : 1));
  }

  async status() {
    this.#check();
    return { kind: "embedded", version: "1", revision: this.#revision, sizeBytes: this.#read(() => this.#tables.sizeBytes()) } as const;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#flush();
    this.#isClosed = true;
    this.#expiry?.cancel();
    this.#wakeWatchers();
    this.#tables.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *#watch(select: KeySelection, from: Revision, options: WatchOptions): AsyncGenerator<WatchBatch, void, void> {
    let next = from;
    const { signal } = options;
    while (!signal.aborted && !this.#isClosed) {
      this.#check();
      if (next < this.#compacted) throw metastoreErrors.compacted([next, this.#compacted]);
      const to = Math.min(this.#revision, next + revisionsPerStep - 1);
      if (next > to) {
        await this.#changed(signal);
        continue;
      }
      const rows = this.#read(() => this.#tables.changes(select, next, to));
      const events = this.#read(() => rows.map((row) => this.#event(row, options.previous === true)));
      next = to + 1;
      if (events.length > 0) yield { revision: to, events };
    }
    if (!signal.aborted) throw metastoreErrors.closed([]);
  }

  #event(row: HistoryRow, previous: boolean): WatchEvent {
    const before = previous ? this.#tables.before(row.key, row.revision) : null;
    const extra = before === null ? {} : { previous: before };
    return row.value === null
      ? { kind: "delete", key: row.key, revision: row.revision, ...extra }
      : { kind: "put", item: itemOfHistory(row, row.value), ...extra };
  }

  /** Resolves at the next commit, at the abort, or when the store closes. */
  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#watchers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#watchers.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }

  #wakeWatchers(): void {
    for (const wake of this.#watchers) wake();
  }

  #range(select: KeySelection, options: RangeOptions, present: Revision): RangeResult {
    const past = options.revision !== undefined && options.revision < present ? options.revision : null;
    const items = past === null ? this.#tables.range(select, options) : this.#tables.rangeAt(past, select, options);
    const isCut = options.limit !== undefined && items.length >= options.limit;
    const count = !isCut ? items.length : past === null ? this.#tables.count(select) : this.#tables.countAt(past, select);
    return { items, count, more: count > items.length, revision: present };
  }

  /** Between `begin` and `commit`. All changes of one transaction have one revision. */
  #apply(succeeded: boolean, side: readonly Operation[]): TransactionResult {
    const revision = this.#revision + 1;
    this.#ordinal = 0;
    const results = side.map((operation): OperationResult => {
      switch (operation.op) {
        case "put": {
          const before = this.#tables.get(operation.key);
          this.#tables.put(revision, this.#ordinal++, operation.key, bytesOf(operation.value), before, operation.lease ?? 0n);
          return { op: "put", previous: operation.previous === true ? before : null };
        }
        case "delete": {
          const gone = this.#tables.range(operation.select, { keysOnly: operation.previous !== true });
          for (const item of gone) this.#tables.remove(revision, this.#ordinal++, item.key);
          return { op: "delete", deleted: gone.length, previous: operation.previous === true ? gone : [] };
        }
        case "range":
          return { op: "range", ...this.#range(operation.select, operation.options ?? {}, this.#ordinal > 0 ? revision : this.#revision) };
      }
    });
    this.#finishRevision(revision);
    return { succeeded, revision: this.#revision, results };
  }

  #revoke(id: LeaseId): void {
    const revision = this.#revision + 1;
    this.#ordinal = 0;
    for (const key of this.#tables.keysOfLease(id)) this.#tables.remove(revision, this.#ordinal++, key);
    this.#tables.removeLease(id);
    this.#deadlines.delete(id);
    this.#finishRevision(revision);
  }

  #finishRevision(revision: Revision): void {
    if (this.#ordinal === 0) return;
    this.#revision = revision;
    this.#tables.setNumber("revision", revision);
    if (revision - this.#compacted >= this.#historyRevisionsMax + revisionsPerStep) this.#compactTo(this.#compacted + revisionsPerStep);
  }

  #compactTo(revision: Revision): void {
    if (revision <= this.#compacted) return;
    this.#tables.dropHistory(this.#compacted, revision);
    this.#tables.setNumber("compacted", revision);
    this.#compacted = revision;
  }

  #setDeadline(id: LeaseId, ttlSeconds: number): void {
    this.#deadlines.set(id, { ttlSeconds, atMs: this.#world.clock.monotonicMs() + ttlSeconds * 1000 });
  }

  /** One timer for the lease that ends first. Keep-alives only move deadlines on, so the timer may find nothing to do. */
  #armExpiry(): void {
    this.#expiry?.cancel();
    let firstMs = Number.POSITIVE_INFINITY;
    for (const { atMs } of this.#deadlines.values()) firstMs = Math.min(firstMs, atMs);
    if (this.#isClosed || firstMs === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.min(60_000, Math.max(1, firstMs - this.#world.clock.monotonicMs()));
    this.#expiry = this.#world.clock.timer(waitMs, () => this.#expire());
  }

  #expire(): void {
    if (this.#isClosed || this.#failure !== undefined) return;
    const nowMs = this.#world.clock.monotonicMs();
    for (const [id, { atMs }] of this.#deadlines) {
      if (atMs > nowMs) continue;
      this.#write(() => {
        const lease = this.#deadlines.get(id);
        if (lease !== undefined && lease.atMs <= this.#world.clock.monotonicMs()) this.#revoke(id);
      }).catch((error: unknown) => {
        // Every later request fails with the same error; this one has nobody else to tell.
        this.#world.log.error("cannot end an expired lease", { component: "metastore", error });
      });
    }
    this.#armExpiry();
  }

  #write<Result>(run: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#check();
      this.#jobs.push({ run, resolve, reject });
      if (this.#jobs.length === 1) this.#world.clock.afterTurn(() => this.#flush());
    });
  }

  /** Runs all waiting requests in one commit; they are answered only after it. */
  #flush(): void {
    const jobs = this.#jobs;
    if (jobs.length === 0) return;
    this.#jobs = [];
    const before = { revision: this.#revision, compacted: this.#compacted };
    const answers: (() => void)[] = [];
    try {
      this.#tables.begin();
      for (const job of jobs) {
        try {
          const result = job.run() as never;
          answers.push(() => job.resolve(result));
        } catch (error) {
          if (!(error instanceof CodedError)) throw error;
          answers.push(() => job.reject(error));
        }
      }
      this.#tables.commit();
    } catch (error) {
      this.#fail(error);
      this.#revision = before.revision;
      this.#compacted = before.compacted;
      for (const job of jobs) job.reject(this.#failure);
      return;
    }
    for (const answer of answers) answer();
    if (this.#revision !== before.revision) this.#wakeWatchers();
  }

  #read<Result>(run: () => Result): Result {
    try {
      return run();
    } catch (error) {
      if (error instanceof CodedError) throw error;
      this.#fail(error);
      throw this.#failure;
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= metastoreErrors.storageFailed([this.#path], error);
    try {
      this.#tables.rollback();
    } catch {
      // The file is given up already; the first error tells why.
    }
    this.#wakeWatchers();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isClosed) throw metastoreErrors.closed([]);
  }

  #checkLease(id: LeaseId | undefined): { readonly ttlSeconds: number } {
    if (id === undefined || id === 0n) return { ttlSeconds: 0 };
    const lease = this.#deadlines.get(id);
    if (lease === undefined) throw metastoreErrors.leaseNotFound([id]);
    return lease;
  }

  #checkRevision(revision: Revision | undefined): void {
    if (revision === undefined) return;
    if (revision > this.#revision) throw metastoreErrors.futureRevision([revision, this.#revision]);
    if (revision < this.#compacted) throw metastoreErrors.compacted([revision, this.#compacted]);
  }
}
