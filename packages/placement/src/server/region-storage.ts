/**
 * Regions on the disk of this member, so that a start need not wait for heartbeats. A cache: what a crash loses comes back with the next
 * heartbeats, so changes are gathered and written together, without a sync of their own.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Logger, Timer, World } from "@skein/base";
import { RegionReader } from "../cluster/region-reader.ts";
import type { RegionRecord } from "../cluster/region-record.ts";
import type { RegionId, RegionMeta } from "../core/model.ts";
import { pdErrors } from "../errors.ts";
import { regionMessage } from "../wire/convert.ts";
import { Region } from "../wire/metapb.ts";

export interface RegionStorage extends Disposable {
  save(region: RegionMeta): void;
  delete(id: RegionId): void;
  /**
   * In the order of ids, some thousand a turn: a lease is kept meanwhile, and a million take seconds. Rejects with `regionStorage`, or
   * the signal's reason.
   */
  load(each: (region: RegionRecord) => void, signal: AbortSignal): Promise<void>;
  clear(): void;
  flush(): void;
}

const flushAfterMs = 1000;
const pendingMax = 4096;
const pageRows = 1024;

/** Throws `regionStorage`. `:memory:` keeps nothing. */
export function openRegionStorage(world: World, path: string): RegionStorage {
  try {
    return new SqliteRegions(world, path);
  } catch (error) {
    throw pdErrors.regionStorage([path], error);
  }
}

class SqliteRegions implements RegionStorage {
  readonly #world: World;
  readonly #log: Logger;
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #pending = new Map<RegionId, Uint8Array | null>();
  #timer: Timer | null = null;

  constructor(world: World, path: string) {
    this.#world = world;
    this.#log = world.log.with({ component: "region-storage" });
    this.#path = path;
    this.#database = new DatabaseSync(path);
    this.#database.exec(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE IF NOT EXISTS regions (id INTEGER PRIMARY KEY, meta BLOB NOT NULL)",
    );
    this.#put = this.#database.prepare("INSERT OR REPLACE INTO regions (id, meta) VALUES (?, ?)");
    this.#remove = this.#database.prepare("DELETE FROM regions WHERE id = ?");
  }

  save(region: RegionMeta): void {
    this.#add(region.id, Region.encode(regionMessage(region)));
  }

  delete(id: RegionId): void {
    this.#add(id, null);
  }

  async load(each: (region: RegionRecord) => void, signal: AbortSignal): Promise<void> {
    this.flush();
    // Page by page, each as one text of lengths and regions: a row costs more than its region does, all at once would need room for all.
    const page = this.#database.prepare(
      `SELECT max(id) AS last, group_concat(printf('%08x', length(meta)) || hex(meta), '') AS regions
       FROM (SELECT id, meta FROM regions WHERE id > ? ORDER BY id LIMIT ${pageRows})`,
    );
    const reader = new RegionReader();
    try {
      for (let last = -1; ; ) {
        const found = page.get(last) as { readonly last: number | null; readonly regions: string | null };
        if (found.last === null || found.regions === null) return;
        const bytes = Buffer.from(found.regions, "hex");
        reader.set(bytes);
        for (let at = 0; at < bytes.length; ) {
          const end = at + 4 + bytes.readUInt32BE(at);
          each(reader.read(at + 4, end));
          at = end;
        }
        last = found.last;
        await new Promise<void>((resolve) => this.#world.clock.afterTurn(resolve));
        signal.throwIfAborted();
      }
    } catch (error) {
      if (signal.aborted) throw error;
      throw pdErrors.regionStorage([this.#path], error);
    }
  }

  clear(): void {
    this.#pending.clear();
    this.#database.exec("DELETE FROM regions");
  }

  flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#pending.size === 0) return;
    try {
      this.#database.exec("BEGIN");
      for (const [id, meta] of this.#pending) {
        if (meta === null) this.#remove.run(id);
        else this.#put.run(id, meta);
      }
      this.#database.exec("COMMIT");
      this.#pending.clear();
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw pdErrors.regionStorage([this.#path], error);
    }
  }

  [Symbol.dispose](): void {
    try {
      this.flush();
    } catch (error) {
      this.#log.warn("the last regions are not kept; they come back with heartbeats", { error });
    }
    this.#database.close();
  }

  #add(id: RegionId, meta: Uint8Array | null): void {
    this.#pending.set(id, meta);
    if (this.#pending.size >= pendingMax) return this.#flushOrKeep();
    this.#timer ??= this.#world.clock.timer(flushAfterMs, () => this.#flushOrKeep());
  }

  /** A full disk is no reason to stop serving: it is tried again, and what does not fit is dropped. */
  #flushOrKeep(): void {
    try {
      this.flush();
    } catch (error) {
      this.#log.warn("regions cannot be kept", { error });
      if (this.#pending.size >= pendingMax * 16) this.#pending.clear();
    }
  }
}
