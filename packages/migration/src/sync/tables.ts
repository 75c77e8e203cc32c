/**
 * What is known of every table that the binlog names: its structure at the present position, its place in the target, how its
 * rows are decoded and written, and what of it is filtered.
 */
import {
  type Connection,
  comparePositions,
  createRowDecoder,
  MysqlServerError,
  type Position,
  parseCreateTable,
  quoteTable,
  type RowDecoder,
  type SchemaTracker,
  type TableDefinition,
  type TableMap,
} from "@skein/mysql";
import { dmErrors } from "../errors.ts";
import type { ExpressionFilter, RowFilter } from "../expression/core/expression-filter.ts";
import type { EventFilter } from "../filter/core/event-filter.ts";
import type { OnlineTables } from "../filter/core/online-ddl.ts";
import type { Router } from "../filter/core/router.ts";
import { isSystemSchema, type TableFilter } from "../filter/core/table-filter.ts";
import { bytesOf, textOf } from "../target/core/meta-tables.ts";
import type { Target } from "../target/target.ts";
import { planTable, type TablePlan } from "./core/table-plan.ts";

/** Of the full copy: what was copied when. */
export interface CopyWatermarks {
  /** Where replication has to begin. */
  readonly lowest: Position;
  /** Every table that was there at this position is known. */
  readonly end: Position;
  /** Null: the copy knows nothing of this table. */
  table(
    schema: string,
    table: string,
  ): {
    readonly low: Position;
    readonly high: Position;
    /** At the low watermark. */
    readonly definition: TableDefinition | null;
  } | null;
}

export interface TableState {
  readonly schema: string;
  readonly table: string;
  readonly map: TableMap;
  /** Null: rows of this table are not wanted. */
  readonly rows: {
    readonly plan: TablePlan;
    readonly decoder: RowDecoder;
    /** Null: no expression is for this table. */
    readonly filter: RowFilter | null;
    readonly ignoresInsert: boolean;
    readonly ignoresUpdate: boolean;
    readonly ignoresDelete: boolean;
  } | null;
  /** Up to here its rows came with the copy. */
  readonly copiedUntil: Position | null;
  /** From `copiedUntil` to here the copy may have seen some of the changes. */
  readonly safeUntil: Position | null;
}

export interface TablesOptions {
  /** To the source, in text mode; opened again when it was lost. */
  readonly source: () => Promise<Connection>;
  readonly target: Target;
  readonly tracker: SchemaTracker;
  readonly sourceFlavor: "mysql" | "mariadb";
  readonly filter: TableFilter;
  readonly router: Router;
  readonly eventFilter: EventFilter;
  readonly expressionFilter: ExpressionFilter;
  /** Null: `online-ddl: false`. */
  readonly online: OnlineTables | null;
  /** Structures of an earlier run at the checkpoint, by `keyOf`. */
  readonly saved: ReadonlyMap<string, TableDefinition>;
  readonly copy: CopyWatermarks | null;
}

export function keyOf(schema: string, table: string): string {
  return `${schema}\u0000${table}`;
}

export class Tables {
  readonly #options: TablesOptions;
  readonly #states = new Map<string, TableState>();
  /** Structures of the target, forgotten when a DDL runs. */
  readonly #targets = new Map<string, TableDefinition | null>();
  /** Structures that were read and are not in the checkpoint yet. */
  readonly #unsaved = new Map<string, TableDefinition>();

  /** Tables of the target that a foreign key may change, or change others through; null: not asked since the last DDL. */
  #cascades: ReadonlySet<string> | null = null;

  constructor(options: TablesOptions) {
    this.#options = options;
  }

  /** Of the last resolve of this table, when its map is still the same and the change that ends there did not come with the full copy. */
  cached(map: TableMap, end: Position): TableState | undefined {
    const state = this.#states.get(keyOf(map.schema, map.table));
    if (state === undefined || (state.map !== map && state.map.fingerprint !== map.fingerprint)) return undefined;
    return state.copiedUntil !== null && comparePositions(end, state.copiedUntil) <= 0 ? undefined : state;
  }

  async resolve(map: TableMap, signal: AbortSignal): Promise<TableState> {
    const { schema, table } = map;
    const state = this.isWanted(schema, table) ? await this.#resolveWanted(map, signal) : skipped(map);
    this.#states.set(keyOf(schema, table), state);
    return state;
  }

  /** By the block-allow-list; gh-ost's and pt's tables never are. */
  isWanted(schema: string, table: string): boolean {
    const { filter, online } = this.#options;
    if (isSystemSchema(schema)) return false;
    if (online !== null && online.classify(table).kind !== "real") return false;
    return filter.tableAllowed(schema, table);
  }

  /** A change that ends there came with the full copy, or does not matter to it. */
  isCopied(schema: string, table: string, end: Position): boolean {
    const { copy } = this.#options;
    if (copy === null) return false;
    // A table that came and went while others were copied: all that it held is in those that the copy knows, or is gone.
    return comparePositions(end, copy.table(schema, table)?.low ?? copy.end) <= 0;
  }

  /** A structure in the tracker as it is before the statement at hand; the target's own is closest when nothing was saved. */
  async track(schema: string, table: string, signal: AbortSignal): Promise<TableDefinition | null> {
    const tracked = this.#options.tracker.table(schema, table);
    if (tracked !== undefined) return tracked;
    const definition =
      this.#known(schema, table) ??
      (await this.#likeTarget(schema, table, null, signal)) ??
      (await this.#fromSource(schema, table, signal));
    if (definition !== null) this.#adopt(definition);
    return definition;
  }

  /** The structures that a checkpoint has to keep from now on. */
  takeUnsaved(): TableDefinition[] {
    const unsaved = [...this.#unsaved.values()];
    this.#unsaved.clear();
    return unsaved;
  }

  /** After a DDL: what was compiled from the structures is void. */
  forget(): void {
    this.#states.clear();
    this.#targets.clear();
    this.#cascades = null;
  }

  async targetDefinition(schema: string, table: string, signal: AbortSignal): Promise<TableDefinition | null> {
    const key = keyOf(schema, table);
    const known = this.#targets.get(key);
    if (known !== undefined) return known;
    const { target } = this.#options;
    let definition: TableDefinition | null = null;
    try {
      const { rows } = await target.query(`SHOW CREATE TABLE ${bytesOf(quoteTable(schema, table))}`, signal);
      const text = rows[0]?.[1];
      if (text !== null && text !== undefined) definition = parseCreateTable(textOf(text), { flavor: target.flavor, schema });
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    this.#targets.set(key, definition);
    return definition;
  }

  async #resolveWanted(map: TableMap, signal: AbortSignal): Promise<TableState> {
    const { router, eventFilter, expressionFilter, copy } = this.#options;
    const { schema, table } = map;
    const route = router.route(schema, table);
    const definition = await this.#definitionFor(map, signal);
    if (definition === null) throw dmErrors.trackerTarget([quoteTable(route.schema, route.table), quoteTable(schema, table)]);
    const target = await this.targetDefinition(route.schema, route.table, signal);
    if (target === null) throw dmErrors.trackerTarget([quoteTable(route.schema, route.table), quoteTable(schema, table)]);
    const ignores = (eventType: string): boolean => {
      const decision = eventFilter.decide({ schema, table, eventType });
      if (decision === "error") throw dmErrors.eventFilter([eventType, quoteTable(schema, table)]);
      return decision === "ignore";
    };
    const copied = copy?.table(schema, table) ?? null;
    return {
      schema,
      table,
      map,
      rows: {
        plan: planTable(definition, target, route.extracted, (await this.#cascading(signal)).has(keyOf(route.schema, route.table))),
        decoder: createRowDecoder(map, definition),
        filter: expressionFilter.isEmpty ? null : expressionFilter.forTable(definition),
        ignoresInsert: ignores("insert"),
        ignoresUpdate: ignores("update"),
        ignoresDelete: ignores("delete"),
      },
      copiedUntil: copied?.low ?? null,
      safeUntil: copied === null || comparePositions(copied.high, copied.low) <= 0 ? null : copied.high,
    };
  }

  async #cascading(signal: AbortSignal): Promise<ReadonlySet<string>> {
    if (this.#cascades !== null) return this.#cascades;
    if (await this.#logsCascades(signal)) {
      this.#cascades = new Set();
      return this.#cascades;
    }
    const { rows } = await this.#options.target.query(
      "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS " +
        "WHERE DELETE_RULE IN (_utf8mb4'CASCADE', _utf8mb4'SET NULL', _utf8mb4'SET DEFAULT') OR UPDATE_RULE IN (_utf8mb4'CASCADE', _utf8mb4'SET NULL', _utf8mb4'SET DEFAULT')",
      signal,
    );
    const found = new Set<string>();
    for (const [schema, table, referencedSchema, referenced] of rows) {
      found.add(keyOf(textOf(schema ?? ""), textOf(table ?? "")));
      found.add(keyOf(textOf(referencedSchema ?? ""), textOf(referenced ?? "")));
    }
    this.#cascades = found;
    return found;
  }

  /** From 9.6 on MySQL itself carries changes along foreign keys, and logs them as rows, unless it is told to leave it to the engine. */
  async #logsCascades(signal: AbortSignal): Promise<boolean> {
    const source = await this.#options.source();
    const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(source.serverVersion) ?? [];
    if (source.flavor !== "mysql" || Number(major) * 100 + Number(minor) < 906) return false;
    const { rows } = await source.query("SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'", signal);
    return rows[0]?.[1] !== "ON";
  }

  async #definitionFor(map: TableMap, signal: AbortSignal): Promise<TableDefinition | null> {
    const { schema, table, columns } = map;
    const tracked = this.#options.tracker.table(schema, table) ?? this.#known(schema, table);
    if (tracked !== undefined && tracked !== null) {
      this.#adopt(tracked);
      return tracked;
    }
    // Nothing was saved: the source's present structure fits unless it was changed after this position; then the target's does.
    const present = await this.#fromSource(schema, table, signal);
    const fits = present !== null && present.columns.length === columns.length;
    const definition = fits ? present : ((await this.#likeTarget(schema, table, columns.length, signal)) ?? present);
    if (definition !== null) this.#adopt(definition);
    return definition;
  }

  #known(schema: string, table: string): TableDefinition | null {
    return this.#options.saved.get(keyOf(schema, table)) ?? this.#options.copy?.table(schema, table)?.definition ?? null;
  }

  #adopt(definition: TableDefinition): void {
    const { tracker } = this.#options;
    if (tracker.table(definition.schema, definition.name) !== undefined) return;
    if (tracker.schema(definition.schema) === undefined) {
      tracker.setSchema({ name: definition.schema, charset: definition.charset, collation: definition.collation });
    }
    tracker.setTable(definition);
    this.#unsaved.set(keyOf(definition.schema, definition.name), definition);
  }

  async #likeTarget(schema: string, table: string, columnCount: number | null, signal: AbortSignal): Promise<TableDefinition | null> {
    const route = this.#options.router.route(schema, table);
    const target = await this.targetDefinition(route.schema, route.table, signal);
    if (target === null) return null;
    const added = new Set(route.extracted.map(({ column }) => column.toLowerCase()));
    const columns = target.columns.filter(({ name }) => !added.has(name.toLowerCase()));
    if (columnCount !== null && columns.length !== columnCount) return null;
    return { ...target, schema, name: table, columns };
  }

  async #fromSource(schema: string, table: string, signal: AbortSignal): Promise<TableDefinition | null> {
    try {
      const { rows } = await (await this.#options.source()).query(`SHOW CREATE TABLE ${quoteTable(schema, table)}`, signal);
      const text = rows[0]?.[1];
      if (text === null || text === undefined) return null;
      return parseCreateTable(text, { flavor: this.#options.sourceFlavor, schema });
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }
}

function skipped(map: TableMap): TableState {
  return { schema: map.schema, table: map.table, map, rows: null, copiedUntil: null, safeUntil: null };
}

/** No such table, or no such schema. */
function isMissing(error: unknown): boolean {
  const cause = error instanceof MysqlServerError ? error : error instanceof Error ? error.cause : undefined;
  return cause instanceof MysqlServerError && (cause.errno === 1146 || cause.errno === 1049);
}
