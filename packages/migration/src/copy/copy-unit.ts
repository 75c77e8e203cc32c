/**
 * The full phase (design decision D5): tables in key-range chunks, each read in its own short transaction and written in one
 * transaction of the target together with its progress row, under the fence. Any worker goes on from the last committed chunk.
 *
 *   waiting ─▶ low watermark, structure, target table ─▶ copying: chunks ─▶ high watermark, same structure? ─▶ finished
 *      ▲                                                                           │ no
 *      └───────────────────────── rows and chunks of this table are removed ◀──────┘
 *
 * A table without a usable key, and every table when `--consistency` is asked for, is read whole in a snapshot whose position is
 * known: low and high are that position. Such a table begins again when its worker is lost.
 */
import { Backoff, Semaphore, TaskGroup, type World } from "@skein/base";
import { type Connection, formatPosition, MysqlServerError, type Position, quoteByteString, type RowPacketBatch } from "@skein/mysql";
import type { SubtaskConfig } from "../config/subtask-config.ts";
import { dmErrors } from "../errors.ts";
import { createRouter, type Route, type Router } from "../filter/core/router.ts";
import { createTableFilter } from "../filter/core/table-filter.ts";
import { bytesOf } from "../target/core/meta-tables.ts";
import { openTarget, type Target } from "../target/target.ts";
import type { Blocker, LoadStatus, Unit, UnitStatus } from "../unit.ts";
import { type CopyStore, type CopyTableRow, createCopyStore, createCopyTables } from "./copy-store.ts";
import {
  boundaryByCount,
  boundaryQuery,
  boundLiteral,
  type Chunk,
  type ChunkKey,
  chunkCondition,
  chunkKey,
  greatestQuery,
  isDense,
  nextNumber,
  remainingStretches,
  rowsPerChunk,
  type Stretch,
} from "./core/chunk-plan.ts";
import { createRowEncoder, type RowEncoder } from "./core/encode-rows.ts";
import { parseExtraArguments } from "./core/extra-args.ts";
import { etaSeconds, RateMeter } from "./core/rate.ts";
import { type PreparedShape, PreparedStatements, rowsPerStatement, writePrepared } from "./prepared-writer.ts";
import { openSnapshot, type Snapshot } from "./snapshot.ts";
import {
  endOfLog,
  isStructureChange,
  listTables,
  lowWatermark,
  openSource,
  readDefinition,
  SourceFailure,
  schemaCollation,
  sourceTable,
} from "./source.ts";
import { createSchema, finishIndexes, prepareTargetTable, type TargetTablePlace, targetName } from "./structures.ts";

export interface CopyUnitOptions {
  /** Name of the worker: shown in the fence. */
  readonly worker: string;
  /** Data of one chunk, and so of one transaction of the target. */
  readonly chunkBytes?: number;
  /** One statement of the target; a row larger than this makes a larger one. */
  readonly statementBytes?: number;
  /** `auto`: prepared statements, with TiDB LOAD DATA, where it is as exact as `insert`, which is text. */
  readonly writer?: "auto" | "load" | "insert";
}

const defaultChunkBytes = 16 * 1024 * 1024;
const defaultStatementBytes = 512 * 1024;
const defaultChunkRowsMax = 200_000;
/** Statistics may know of the rows and not of their bytes, as right after a table was filled: the first chunk shows how large rows are. */
const firstChunkRows = 1000;
const restartsMax = 10;
const lowsTogetherMax = 200;
const sourceTriesMax = 20;

interface TableWork {
  readonly schema: string;
  readonly table: string;
  readonly route: Route;
  readonly rowsEstimate: number;
  readonly bytesEstimate: number;
  row: CopyTableRow;
  state: "waiting" | "preparing" | "copying" | "finished";
  rows: number;
  bytes: number;
  restarts: number;
  /** Set while copying in chunks. */
  active: ActiveTable | null;
}

interface ActiveTable {
  readonly key: ChunkKey;
  readonly place: TargetTablePlace;
  /** Of SHOW CREATE TABLE at the low watermark. */
  readonly text: string;
  /** Few at first; then what the last chunk's rows say. */
  chunkRows: number;
  isMeasured: boolean;
  /** What was seen last of a key of one integer: chunks are cut by counting. */
  isDense: boolean;
  readonly stretches: Stretch[];
  /** Values of columns that a route adds: as literals, and as they are. */
  readonly constants: readonly string[];
  readonly fields: readonly string[];
  isPlanning: boolean;
  running: number;
  isBroken: boolean;
  useLoad: boolean;
  /** Null: not by prepared statements. */
  readonly prepared: PreparedShape | null;
}

export function createCopyUnit(world: World, config: SubtaskConfig, options: CopyUnitOptions): Unit {
  return new CopyUnit(world, config, options);
}

class CopyUnit implements Unit {
  readonly #world: World;
  readonly #config: SubtaskConfig;
  readonly #options: CopyUnitOptions;
  readonly #meter = new RateMeter();
  readonly #kill = new AbortController();
  #tables: TableWork[] = [];
  #target: Target | null = null;
  #store: CopyStore | null = null;
  #begin: Position | null = null;
  #stopping = false;
  #ended: Promise<void> = Promise.resolve();
  #wake: (() => void)[] = [];
  #hasStarted = false;
  #canLoad = false;
  #canPrepare = false;
  readonly #statements = new PreparedStatements();
  readonly #lowTurn = new Semaphore(1);
  readonly #lows = new Map<TableWork, { readonly text: string | null; readonly position: Position }>();

  constructor(world: World, config: SubtaskConfig, options: CopyUnitOptions) {
    this.#world = world;
    this.#config = config;
    this.#options = options;
  }

  get kind(): "Dump" | "Load" {
    return this.#hasStarted ? "Load" : "Dump";
  }

  /** Raised by the take-over in the target; 0 before. */
  get epoch(): number {
    return this.#target?.epoch ?? 0;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    this.#stopping = false;
    const either = AbortSignal.any([signal, this.#kill.signal]);
    try {
      await this.#copy(either);
    } catch (error) {
      if (this.#kill.signal.aborted && !signal.aborted) return; // told to stop, and the grace was over
      throw error;
    } finally {
      resolve();
    }
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#wakeAll();
    const timer = this.#world.clock.timer(graceMs, () => this.#kill.abort(new DOMException("the grace to stop is over", "AbortError")));
    await this.#ended;
    timer.cancel();
  }

  status(): UnitStatus {
    const rows = this.#tables.reduce((sum, table) => sum + table.rows, 0);
    const bytes = this.#tables.reduce((sum, table) => sum + table.bytes, 0);
    const totalRows = this.#tables.reduce((sum, table) => sum + totalOf(table, "rows"), 0);
    const totalBytes = this.#tables.reduce((sum, table) => sum + totalOf(table, "bytes"), 0);
    const rates = this.#meter.rates(this.#world.clock.monotonicMs(), rows, bytes);
    const eta = this.#hasStarted ? etaSeconds(totalRows - rows, rates.rowsPerSecond) : null;
    const progress = { ...rates, etaSeconds: eta, blocker: this.#blocker(rates.rowsPerSecond) };
    if (!this.#hasStarted) {
      return {
        kind: "Dump",
        dump: {
          ...progress,
          totalTables: this.#tables.length,
          completedTables: this.#tables.filter(({ state }) => state === "finished").length,
          finishedBytes: bytes,
          finishedRows: rows,
          estimateTotalRows: totalRows,
        },
      };
    }
    const lowest = this.#begin;
    const load: LoadStatus = {
      ...progress,
      finishedBytes: bytes,
      totalBytes,
      finishedRows: rows,
      totalRows,
      metaBinlog: lowest === null ? "" : formatPosition(lowest),
      metaBinlogGtid: lowest?.gtidSet?.toString() ?? "",
      movable: this.#tables.every((table) => table.state !== "copying" || table.active !== null),
      tables: this.#tables.map((table) => ({
        source: `\`${table.schema}\`.\`${table.table}\``,
        target: `\`${table.route.schema}\`.\`${table.route.table}\``,
        finishedRows: table.rows,
        totalRows: totalOf(table, "rows"),
        state: table.state === "finished" ? "finished" : table.state === "waiting" ? "waiting" : "copying",
      })),
    };
    return { kind: "Load", load };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill.abort(new DOMException("the unit is closed", "AbortError"));
    await this.#ended;
    await this.#target?.[Symbol.asyncDispose]();
    this.#target = null;
  }

  #blocker(rowsPerSecond: number): Blocker | null {
    const retries = this.#target?.retries;
    if (retries === undefined || retries.count === 0 || rowsPerSecond > 0) return null;
    return {
      what: `the target: ${retries.last}`,
      nextStep: "Nothing needs to be done while it is tried again; look at the target's process list when it lasts.",
    };
  }

  async #copy(signal: AbortSignal): Promise<void> {
    const config = this.#config;
    let asked: ReturnType<typeof parseExtraArguments>;
    try {
      asked = parseExtraArguments(config.dumper.extraArgs);
    } catch (error) {
      throw dmErrors.dumpRun([(error as Error).message], error);
    }
    const threads = asked.threads ?? config.dumper.threads;
    const target = await this.#openTarget(threads, signal);
    await target.takeOver(signal);
    await target.ensure(createCopyTables(config), signal);
    const writer = this.#options.writer ?? "auto";
    this.#canPrepare = writer === "auto" && !target.isTiDB; // it plans a prepared statement anew for each execution
    this.#canLoad = writer !== "insert" && config.loader.onDuplicateLogical === "replace" && (await takesLocalFiles(target, signal));
    await using control = new SourceLink(this.#world, config, signal);
    const flavor = (await control.get()).flavor;
    this.#store = createCopyStore(target, config, flavor);
    const router = createRouter(config.routes, { caseSensitive: config.caseSensitive, sourceId: config.sourceId });
    let names = await this.#register(control, router, asked, signal);
    this.#hasStarted = true;
    this.#meter.note(this.#world.clock.monotonicMs(), this.#sum("rows"), this.#sum("bytes"));
    for (;;) {
      if (asked.consistency !== null) await this.#copySnapshot(asked.consistency, threads, signal);
      else {
        await using group = new TaskGroup(signal);
        for (let index = 0; index < threads; index++) group.spawn((inner) => this.#work("rows first", inner));
        for (let index = 0; index < builders(threads); index++) group.spawn((inner) => this.#work("indexes", inner));
        await group.join();
      }
      if (this.#stopping) return;
      // Tables that came while the copy ran: theirs is a low watermark of their own.
      const before = names;
      const connection = await control.get();
      const end = await sourceWork(() => lowWatermark(this.#world, connection, signal), signal);
      names = await this.#register(control, router, asked, signal);
      if (names === before) return await this.#end(end);
    }
  }

  /** Every table that is there at `end` is known and copied: what came and went before needs no following. */
  async #end(end: Position): Promise<void> {
    const { target, store } = this.#opened();
    const row = { schema: "", table: "", state: "finished" as const, low: this.#begin, high: end, definition: null, isTargetOurs: false };
    await target.transaction([store.saveTable(row)], { repeat: () => [store.saveTable(row)] });
  }

  async #openTarget(threads: number, signal: AbortSignal): Promise<Target> {
    await this.#target?.[Symbol.asyncDispose]();
    const { to, name, sourceId, metaSchema } = this.#config;
    this.#target = await openTarget(
      this.#world,
      {
        endpoint: { host: to.host, port: to.port, user: to.user, password: to.password, ...(to.tls === null ? {} : { tls: to.tls }) },
        task: name,
        sourceId,
        metaSchema,
        connectionsMax: threads + builders(threads),
        session: to.session,
      },
      { role: "copy", worker: this.#options.worker, signal },
    );
    return this.#target;
  }

  /** Puts tables that are not known yet into the list. Returns how many there are. */
  async #register(
    control: SourceLink,
    router: Router,
    asked: ReturnType<typeof parseExtraArguments>,
    signal: AbortSignal,
  ): Promise<number> {
    const { target, store } = this.#opened();
    const connection = await control.get();
    let known = await store.tables(signal);
    const begin = known.find(({ schema }) => schema === "");
    if (begin === undefined) {
      const low = await sourceWork(() => lowWatermark(this.#world, connection, signal), signal);
      this.#begin = low;
      const row = { schema: "", table: "", state: "finished" as const, low, high: low, definition: null, isTargetOurs: false };
      await target.transaction([store.saveTable(row)], { repeat: () => [store.saveTable(row)] });
    } else this.#begin = begin.low;
    const filter = createTableFilter(this.#config.blockAllowList, { caseSensitive: this.#config.caseSensitive });
    const listed = await sourceWork(() => listTables(connection, signal), signal);
    const isAsked = (schema: string, table: string) => {
      if (asked.tables.length > 0) return asked.tables.includes(`${schema}.${table}`);
      if (asked.databases.length > 0) return asked.databases.includes(schema) && filter.tableAllowed(schema, table);
      return filter.tableAllowed(schema, table);
    };
    const wanted = listed.filter(({ schema, table }) => isAsked(schema, table));
    const fresh = wanted.filter(({ schema, table }) => !known.some((row) => row.schema === schema && row.table === table));
    for (let from = 0; from < fresh.length; from += 500) {
      const statements = fresh.slice(from, from + 500).map(({ schema, table }) => store.registerTable(schema, table));
      await target.transaction(statements, { repeat: () => statements });
    }
    if (fresh.length > 0) known = await store.tables(signal);
    for (const row of known) {
      if (row.schema === "" || this.#tables.some((table) => table.schema === row.schema && table.table === row.table)) continue;
      const facts = listed.find(({ schema, table }) => schema === row.schema && table === row.table);
      this.#tables.push({
        schema: row.schema,
        table: row.table,
        route: router.route(row.schema, row.table),
        rowsEstimate: facts?.rowsEstimate ?? row.rows,
        bytesEstimate: facts?.bytesEstimate ?? row.bytes,
        row,
        state: row.state === "finished" || row.state === "gone" ? "finished" : "waiting",
        rows: row.rows,
        bytes: row.bytes,
        restarts: 0,
        active: null,
      });
    }
    return this.#tables.length;
  }

  /**
   * One worker: a connection to the source; takes chunks until none is left. A builder only ends tables: their indexes are built by
   * one core and wait for the disk, rows fill all cores, and together both end earlier than one after the other.
   */
  async #work(takes: "rows first" | "indexes", signal: AbortSignal): Promise<void> {
    await using link = new SourceLink(this.#world, this.#config, signal);
    for (;;) {
      if (this.#stopping) return;
      const table = this.#nextTable(takes);
      if (table === "done") return;
      if (table === "wait") {
        await this.#sleepUntilWoken(signal);
        continue;
      }
      try {
        if (table.state === "waiting") {
          table.state = "preparing";
          await this.#prepare(table, link, signal);
        } else {
          const active = table.active as ActiveTable;
          if (isCopied(active)) {
            await this.#finish(table, active, link, signal);
            continue;
          }
          const chunk = await this.#plan(table, active, link, signal);
          if (chunk !== null) await this.#copyChunk(table, active, chunk, link, signal);
        }
      } finally {
        this.#wakeAll();
      }
    }
  }

  /**
   * What is next: rows of the table with the fewest chunks under way, so that writes spread over tables; when none are left, or for
   * a builder, a table whose rows are all there.
   */
  #nextTable(takes: "rows first" | "indexes"): TableWork | "wait" | "done" {
    let rows: TableWork | null = null;
    let indexes: TableWork | null = null;
    let isOpen = false;
    for (const table of this.#tables) {
      if (table.state === "finished") continue;
      isOpen = true;
      const { active } = table;
      if (table.state === "preparing" || (table.state === "copying" && active === null)) continue;
      if (active !== null && isCopied(active)) indexes ??= table;
      if (active !== null && (active.isBroken || active.isPlanning || active.stretches.length === 0)) continue;
      if (rows === null || (active?.running ?? 0) < (rows.active?.running ?? 0)) rows = table;
    }
    return (takes === "indexes" ? indexes : (rows ?? indexes)) ?? (isOpen ? "wait" : "done");
  }

  /** Watermark, structure and target table; then chunks, or the whole of a table without a key. */
  async #prepare(table: TableWork, link: SourceLink, signal: AbortSignal): Promise<void> {
    const { target, store } = this.#opened();
    const { schema, table: name } = table;
    const connection = await link.get();
    let before = await sourceWork(() => readDefinition(connection, schema, name, signal), signal);
    if (table.row.state === "copying" && before !== null) {
      const key = chunkKey(before.definition);
      const isSame = JSON.stringify(before.definition) === JSON.stringify(table.row.definition);
      if (isSame && key !== null) {
        const done = await store.chunks(schema, name, signal);
        const place = await prepareTargetTable(target, before.definition, table.route, signal);
        const left = remainingStretches(done);
        this.#activate(table, before, key, place, left);
        return;
      }
      await this.#clear(table, signal);
    }
    if (table.row.state === "waiting" && table.row.isTargetOurs) await this.#clear(table, signal); // made by a worker that died right then
    if (before !== null && chunkKey(before.definition) === null) {
      await using snapshot = await openSnapshot(
        this.#world,
        this.#config,
        { consistency: "auto", connections: 1, tables: [table] },
        signal,
      );
      await this.#copyWhole(table, snapshot, 0, signal);
      return;
    }
    let low: Position;
    for (;;) {
      low = await this.#lowFor(table, before?.text ?? null, connection, signal);
      const after = await sourceWork(() => readDefinition(connection, schema, name, signal), signal);
      if (after?.text === before?.text) break;
      before = after;
      this.#lows.delete(table);
    }
    if (before === null) return await this.#markGone(table, low, signal);
    const place = await this.#makePlace(table, before.definition, connection, signal);
    table.row = {
      ...table.row,
      state: "copying",
      low,
      high: null,
      definition: before.definition,
      isTargetOurs: place.isNew || table.row.isTargetOurs,
    };
    const statement = store.saveTable(table.row);
    await target.transaction([statement], { repeat: () => [statement] });
    const key = chunkKey(before.definition);
    if (key === null) {
      table.state = "waiting"; // its key went away in this moment
      return;
    }
    this.#activate(table, before, key, place, remainingStretches([]));
  }

  /**
   * A low watermark at which the table had the structure `text`. On MySQL one takes a second, so it is taken for many tables at
   * once: their structures are read first, and whoever finds his own unchanged afterwards may use it.
   */
  async #lowFor(table: TableWork, text: string | null, connection: Connection, signal: AbortSignal): Promise<Position> {
    if (connection.flavor === "mariadb") return await sourceWork(() => lowWatermark(this.#world, connection, signal), signal);
    using _turn = await this.#lowTurn.acquire(signal);
    const known = this.#lows.get(table);
    if (known !== undefined && known.text === text) return known.position;
    const next = this.#tables.filter((one) => one !== table && one.state === "waiting" && !this.#lows.has(one)).slice(0, lowsTogetherMax);
    const texts = new Map<TableWork, string | null>([[table, text]]);
    for (const one of next) {
      const found = await sourceWork(() => readDefinition(connection, one.schema, one.table, signal), signal);
      texts.set(one, found?.text ?? null);
    }
    const position = await sourceWork(() => lowWatermark(this.#world, connection, signal), signal);
    for (const [one, itsText] of texts) this.#lows.set(one, { text: itsText, position });
    return position;
  }

  #activate(
    table: TableWork,
    source: NonNullable<Awaited<ReturnType<typeof readDefinition>>>,
    key: ChunkKey,
    place: TargetTablePlace,
    stretches: Stretch[],
  ): ActiveTable {
    const mean = table.rowsEstimate > 0 ? table.bytesEstimate / table.rowsEstimate : 100;
    const constants = constantsOf(table.route);
    const prepared = this.#canPrepare && place.columns.isBytes ? this.#preparedShape(place, constants, mean) : null;
    table.active = {
      key,
      place,
      text: source.text,
      chunkRows: Math.min(firstChunkRows, this.#chunkRows(mean, prepared)),
      isMeasured: false,
      isDense: false,
      stretches,
      constants,
      fields: table.route.extracted.map(({ value }) => value),
      isPlanning: false,
      running: 0,
      isBroken: false,
      useLoad: this.#canLoad && place.columns.isPlain && table.route.extracted.every(({ value }) => isFieldText(value)),
      prepared,
    };
    table.state = "copying";
    return table.active;
  }

  #measured(active: ActiveTable, meanRowBytes: number): void {
    const { prepared, place } = active;
    if (!active.isMeasured && prepared !== null && prepared.rowsPerStatement > 0) {
      const statementBytes = this.#options.statementBytes ?? defaultStatementBytes;
      prepared.rowsPerStatement = rowsPerStatement(place.columns.encoded.length, meanRowBytes, statementBytes);
    }
    active.isMeasured = true;
    active.chunkRows = this.#chunkRows(meanRowBytes, prepared);
  }

  #chunkRows(meanRowBytes: number, prepared: PreparedShape | null): number {
    const rows = rowsPerChunk(meanRowBytes, {
      bytes: this.#options.chunkBytes ?? defaultChunkBytes,
      rowsMax: this.#config.dumper.rows > 0 ? this.#config.dumper.rows : defaultChunkRowsMax,
    });
    return prepared === null ? rows : wholeStatements(rows, prepared.rowsPerStatement);
  }

  async #makePlace(
    table: TableWork,
    definition: Parameters<typeof prepareTargetTable>[1],
    connection: Connection,
    signal: AbortSignal,
  ): Promise<TargetTablePlace> {
    const { target } = this.#opened();
    const defaults = await sourceWork(() => schemaCollation(connection, table.schema, signal), signal);
    await createSchema(target, table.route.schema, defaults, signal);
    // Whoever shares the target table would wait for the index, and may be finished when it comes.
    return await prepareTargetTable(target, definition, table.route, signal, {
      lateIndexes: this.#sharing(table).length === 0,
      // Said before it is done: whoever finds the table after a crash must know that it may be dropped when the source's has changed since.
      beforeCreate: async () => {
        table.row = { ...table.row, isTargetOurs: true };
        const statement = this.#opened().store.saveTable(table.row);
        await target.transaction([statement], { repeat: () => [statement] });
      },
    });
  }

  /** Other source tables with the same target table. */
  #sharing(table: TableWork): TableWork[] {
    return this.#tables.filter((one) => one !== table && one.route.schema === table.route.schema && one.route.table === table.route.table);
  }

  /** Cuts the next chunk off; null when nothing is left. One worker at a time for a table. */
  async #plan(table: TableWork, active: ActiveTable, link: SourceLink, signal: AbortSignal): Promise<Chunk | null> {
    const stretch = active.stretches[0];
    if (stretch === undefined) return null;
    active.isPlanning = true;
    active.running++;
    try {
      const { number, mayCut } = nextNumber(stretch);
      const takeAll = (): Chunk => {
        active.stretches.shift();
        return { number, lower: stretch.lower, upper: stretch.upper };
      };
      if (!mayCut || active.key.columns.length === 0) return takeAll();
      const upper = await this.#boundary(table, active, stretch, link, signal);
      if (upper === null) return takeAll();
      if (JSON.stringify(upper) === JSON.stringify(stretch.upper)) return takeAll();
      active.stretches[0] = { ...stretch, lower: upper, after: number };
      return { number, lower: stretch.lower, upper };
    } catch (error) {
      active.running--;
      if (isStructureChange(causeOf(error))) {
        active.isBroken = true;
        return null;
      }
      throw error;
    } finally {
      active.isPlanning = false;
      this.#wakeAll();
    }
  }

  /** Where the stretch's next chunk ends; null when nothing is beyond that. */
  async #boundary(
    table: TableWork,
    { key, chunkRows, isDense: isCounted }: ActiveTable,
    { lower, upper }: Stretch,
    link: SourceLink,
    signal: AbortSignal,
  ): Promise<readonly string[] | null> {
    const name = sourceTable(table.schema, table.table);
    const ask = (sql: string) => this.#retrySource(link, signal, async (connection) => (await connection.query(sql, signal)).rows[0]);
    if (isCounted && lower !== null) {
      const greatest = await ask(greatestQuery(name, key));
      return boundaryByCount(lower, upper, greatest?.[0] ?? null, chunkRows);
    }
    const row = await ask(boundaryQuery(name, key, lower, upper, chunkRows));
    return row === undefined ? null : key.columns.map((column, index) => boundLiteral(column, row[index] ?? ""));
  }

  async #copyChunk(table: TableWork, active: ActiveTable, chunk: Chunk, link: SourceLink, signal: AbortSignal): Promise<void> {
    const { target, store } = this.#opened();
    const conditions = [chunkCondition(active.key, chunk), this.#where()].filter((text) => text !== "");
    const sql =
      `SELECT ${active.place.columns.select} FROM ${sourceTable(table.schema, table.table)} FORCE INDEX (\`${bytesOf(active.key.index).replaceAll("`", "``")}\`)` +
      (conditions.length === 0 ? "" : ` WHERE ${conditions.map((text) => `(${text})`).join(" AND ")}`);
    const backoff = new Backoff({ minMs: 50, maxMs: 3000 }, () => this.#world.random.float());
    const committed = { rows: table.rows, bytes: table.bytes };
    let counted = { rows: 0, bytes: 0 };
    try {
      for (let tries = 1; ; tries++) {
        try {
          await target.transactionWith(
            async (connection) => {
              table.rows -= counted.rows;
              table.bytes -= counted.bytes;
              counted = { rows: 0, bytes: 0 };
              const onRows = (rows: number, bytes: number) => {
                counted = { rows: counted.rows + rows, bytes: counted.bytes + bytes };
                this.#count(table, rows, bytes);
              };
              const batches = this.#read(link, sql, signal);
              if (active.prepared !== null && active.prepared.rowsPerStatement > 0)
                await this.#insertPrepared(connection, active, active.prepared, batches, onRows, signal);
              else if (active.useLoad) await this.#load(connection, active, batches, onRows, signal);
              else await this.#insert(connection, active.place, active.constants, batches, onRows, signal);
              await connection.execute(store.saveChunk(table.schema, table.table, { ...chunk, ...counted }), signal);
            },
            { signal, wasApplied: (connection) => store.hasChunk(connection, table.schema, table.table, chunk.number) },
          );
          if (counted.rows > 0) this.#measured(active, counted.bytes / counted.rows);
          active.isDense = active.key.isInteger && isDense(chunk, counted.rows);
          return;
        } catch (error) {
          signal.throwIfAborted();
          if (error instanceof LoadWarnings) {
            active.useLoad = false; // an INSERT says which value it was, or shows that nothing is lost
            continue;
          }
          if (!(error instanceof SourceFailure)) throw error;
          if (isStructureChange(error.cause)) {
            active.isBroken = true;
            return;
          }
          if (!error.isLost || tries >= sourceTriesMax) throw dmErrors.dumpRun([error.message], error.cause);
          link.drop();
          await this.#world.clock.sleep(backoff.next(), signal);
        }
      }
    } catch (error) {
      table.rows = committed.rows;
      table.bytes = committed.bytes;
      throw error;
    } finally {
      active.running--;
    }
  }

  /** Rows from the source; what fails there is a SourceFailure. */
  async *#read(link: SourceLink, sql: string, signal: AbortSignal): AsyncGenerator<RowPacketBatch, void, void> {
    try {
      const connection = await link.get();
      yield* connection.streamRows(sql, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw new SourceFailure(error);
    }
  }

  /** LOAD DATA LOCAL: about half of an INSERT's work for the target. Warnings would be errors elsewhere, so they are none here. */
  async #load(
    connection: Connection,
    active: ActiveTable,
    batches: AsyncIterable<RowPacketBatch>,
    onRows: (rows: number, bytes: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const encoder = createRowEncoder(active.place.columns.encoded, {
      format: "tsv",
      constants: active.fields,
      head: "",
      pieceBytes: 64 * 1024,
    });
    const result = await connection.loadData(
      `LOAD DATA LOCAL INFILE 'rows' REPLACE INTO TABLE ${active.place.name} CHARACTER SET binary FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' (${active.place.columns.insert})`,
      pieces(encoder, batches, onRows),
      signal,
    );
    if (result.warnings > 0) throw new LoadWarnings();
  }

  async #insert(
    connection: Connection,
    place: TargetTablePlace,
    constants: readonly string[],
    batches: AsyncIterable<RowPacketBatch>,
    onRows: (rows: number, bytes: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let running: Promise<unknown> = Promise.resolve();
    try {
      for await (const piece of pieces(this.#sqlEncoder(place, constants), batches, onRows)) {
        await running; // one statement runs while the next one is made
        running = connection.execute(piece.toString("latin1"), signal);
        running.catch(() => {}); // awaited above or below
      }
    } finally {
      await running;
    }
  }

  /** About two thirds of the work that text is for the target. */
  async #insertPrepared(
    connection: Connection,
    active: ActiveTable,
    shape: PreparedShape,
    batches: AsyncIterable<RowPacketBatch>,
    onRows: (rows: number, bytes: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const encoder = this.#sqlEncoder(active.place, active.constants);
    const bytesMax = this.#options.statementBytes ?? defaultStatementBytes;
    await writePrepared(connection, this.#statements, shape, encoder, bytesMax, batches, onRows, signal);
  }

  #preparedShape(place: TargetTablePlace, constants: readonly string[], meanRowBytes: number): PreparedShape {
    const columns = place.columns.encoded.length;
    const statementBytes = this.#options.statementBytes ?? defaultStatementBytes;
    return { head: this.#insertHead(place), columns, constants, rowsPerStatement: rowsPerStatement(columns, meanRowBytes, statementBytes) };
  }

  #insertHead(place: TargetTablePlace): string {
    const verb = { replace: "REPLACE", error: "INSERT", ignore: "INSERT IGNORE" }[this.#config.loader.onDuplicateLogical];
    return `${verb} INTO ${place.name} (${place.columns.insert}) VALUES `;
  }

  #sqlEncoder(place: TargetTablePlace, constants: readonly string[]): RowEncoder {
    return createRowEncoder(place.columns.encoded, {
      format: "sql",
      constants,
      head: this.#insertHead(place),
      pieceBytes: this.#options.statementBytes ?? defaultStatementBytes,
    });
  }

  /** All chunks are in the target: the high watermark, if the structure is still the one of the low watermark. */
  async #finish(table: TableWork, active: ActiveTable, link: SourceLink, signal: AbortSignal): Promise<void> {
    table.state = "preparing";
    table.active = null;
    const { target, store } = this.#opened();
    const { high, now } = await this.#retrySource(link, signal, async (connection) => ({
      high: await endOfLog(connection, signal),
      now: await readDefinition(connection, table.schema, table.table, signal),
    }));
    if (now?.text !== active.text) {
      if (++table.restarts > restartsMax) {
        throw dmErrors.dumpRun([`the structure of ${table.schema}.${table.table} changed ${restartsMax} times while it was copied`]);
      }
      await this.#clear(table, signal);
      table.state = "waiting";
      return;
    }
    if (table.row.isTargetOurs && table.row.definition !== null) await finishIndexes(target, table.row.definition, table.route, signal);
    table.row = { ...table.row, state: "finished", high };
    const statement = store.saveTable(table.row);
    await target.transaction([statement], { repeat: () => [statement] });
    table.state = "finished";
  }

  /** Takes a table's rows out of the target, so that it can begin again. */
  async #clear(table: TableWork, signal: AbortSignal): Promise<void> {
    const { target, store } = this.#opened();
    const name = targetName(table.route);
    const others = this.#sharing(table);
    if (others.length > 0 && table.rows > 0) {
      throw dmErrors.loadRun(
        [],
        new Error(
          `${table.schema}.${table.table} has to be copied again, but its rows in ${table.route.schema}.${table.route.table} cannot be told from those of other tables; empty that table and start the task with --remove-meta`,
        ),
      );
    }
    if (others.length === 0) {
      if (table.row.isTargetOurs) await target.ddl(`DROP TABLE IF EXISTS ${name}`, { signal });
      else {
        for (;;) {
          const [result] = await target.transaction([`DELETE FROM ${name} LIMIT 50000`], {
            repeat: () => [`DELETE FROM ${name} LIMIT 50000`],
          });
          if ((result?.affectedRows ?? 0) === 0) break;
        }
      }
    }
    this.#lows.delete(table);
    table.row = { ...table.row, state: "waiting", low: null, high: null, definition: null };
    const statements = [store.removeChunks(table.schema, table.table), store.saveTable(table.row)];
    await target.transaction(statements, { repeat: () => statements });
    table.rows = 0;
    table.bytes = 0;
  }

  async #markGone(table: TableWork, low: Position, signal: AbortSignal): Promise<void> {
    const { target, store } = this.#opened();
    if (table.rows > 0 || table.row.isTargetOurs) await this.#clear(table, signal);
    table.row = { ...table.row, state: "gone", low, high: low, definition: null };
    const statement = store.saveTable(table.row);
    await target.transaction([statement], { repeat: () => [statement] });
    table.state = "finished";
  }

  /**
   * A table that was dropped since its snapshot was taken. What it held in between is in the log, and there is no place for it any more:
   * its low watermark is one at which it was gone, not the snapshot's.
   */
  async #markDroppedMeanwhile(table: TableWork, signal: AbortSignal): Promise<void> {
    // A watermark ends the transaction of its connection, so it is not taken on one of the snapshot's.
    await using connection = await sourceWork(() => openSource(this.#world, this.#config.from, signal), signal);
    const low = await this.#lowFor(table, null, connection, signal);
    const again = await sourceWork(() => readDefinition(connection, table.schema, table.table, signal), signal);
    if (again === null) return await this.#markGone(table, low, signal);
    this.#lows.delete(table);
    throw dmErrors.dumpRun([`${table.schema}.${table.table} was dropped and created anew while its snapshot was read`]);
  }

  /** All tables that are not finished, as of one point of the source. */
  async #copySnapshot(
    consistency: NonNullable<ReturnType<typeof parseExtraArguments>["consistency"]>,
    threads: number,
    signal: AbortSignal,
  ): Promise<void> {
    // Without replication after it, the copy itself has to be of one point.
    if (this.#config.mode === "full" && this.#tables.some(({ row }) => row.state === "copying" || row.state === "waiting")) {
      for (const table of this.#tables)
        if (table.row.state !== "waiting" && table.row.state !== "gone") await this.#restartTable(table, signal);
    }
    const open = this.#tables.filter(({ state }) => state === "waiting");
    if (open.length === 0) return;
    await using snapshot = await openSnapshot(this.#world, this.#config, { consistency, connections: threads, tables: open }, signal);
    await using group = new TaskGroup(signal);
    for (let index = 0; index < threads; index++) {
      group.spawn(async (inner) => {
        for (;;) {
          const table = this.#stopping ? undefined : open.shift();
          if (table === undefined) return;
          table.state = "preparing";
          if (table.row.state === "copying") await this.#clear(table, inner);
          await this.#copyWhole(table, snapshot, index, inner);
        }
      });
    }
    await group.join();
  }

  async #restartTable(table: TableWork, signal: AbortSignal): Promise<void> {
    await this.#clear(table, signal);
    table.state = "waiting";
  }

  /** A table in one go, in a snapshot. Its rows are committed in pieces; a worker that finds it unfinished begins again. */
  async #copyWhole(table: TableWork, snapshot: Snapshot, index: number, signal: AbortSignal): Promise<void> {
    const { target, store } = this.#opened();
    const connection = snapshot.connections[index] as Connection;
    await this.#world.faults.at("copy:snapshot");
    const source = await sourceWork(() => readDefinition(connection, table.schema, table.table, signal), signal);
    if (source === null) return await this.#markDroppedMeanwhile(table, signal);
    const place = await this.#makePlace(table, source.definition, connection, signal);
    const low = snapshot.position;
    table.row = {
      ...table.row,
      state: "copying",
      low,
      high: null,
      definition: source.definition,
      isTargetOurs: place.isNew || table.row.isTargetOurs,
    };
    table.state = "copying";
    const begun = store.saveTable(table.row);
    await target.transaction([begun], { repeat: () => [begun] });
    const where = this.#where();
    const sql = `SELECT ${place.columns.select} FROM ${sourceTable(table.schema, table.table)}${where === "" ? "" : ` WHERE ${where}`}`;
    let statements: string[] = [];
    let size = 0;
    let number = 0;
    let counted = { rows: 0, bytes: 0 };
    const commit = async () => {
      const chunk = { number: ++number, lower: null, upper: null, ...counted };
      counted = { rows: 0, bytes: 0 };
      const all = [...statements, store.saveChunk(table.schema, table.table, chunk)];
      statements = [];
      size = 0;
      await target.transaction(all, { signal, wasApplied: (other) => store.hasChunk(other, table.schema, table.table, chunk.number) });
    };
    try {
      const batches = connection.streamRows(sql, { signal });
      const onRows = (rows: number, bytes: number) => {
        counted = { rows: counted.rows + rows, bytes: counted.bytes + bytes };
        this.#count(table, rows, bytes);
      };
      for await (const piece of pieces(this.#sqlEncoder(place, constantsOf(table.route)), guarded(batches, signal), onRows)) {
        statements.push(piece.toString("latin1"));
        size += piece.length;
        if (size >= (this.#options.chunkBytes ?? defaultChunkBytes) / 2) await commit();
      }
      await commit();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof SourceFailure) throw dmErrors.dumpRun([error.message], error.cause);
      throw error;
    }
    const high = snapshot.isExact ? low : await sourceWork(() => endOfLog(connection, signal), signal);
    if (table.row.isTargetOurs && table.row.definition !== null) await finishIndexes(target, table.row.definition, table.route, signal);
    table.row = { ...table.row, state: "finished", high };
    const statement = store.saveTable(table.row);
    await target.transaction([statement], { repeat: () => [statement] });
    table.state = "finished";
  }

  #where(): string {
    const asked = parseExtraArguments(this.#config.dumper.extraArgs).where || this.#config.dumper.where;
    return asked === "" ? "" : bytesOf(asked);
  }

  #opened(): { readonly target: Target; readonly store: CopyStore } {
    if (this.#target === null || this.#store === null) throw new Error("the copy is not open");
    return { target: this.#target, store: this.#store };
  }

  #sum(what: "rows" | "bytes"): number {
    return this.#tables.reduce((sum, table) => sum + table[what], 0);
  }

  #count(table: TableWork, rows: number, bytes: number): void {
    table.rows += rows;
    table.bytes += bytes;
    this.#meter.note(this.#world.clock.monotonicMs(), this.#sum("rows"), this.#sum("bytes"));
  }

  async #retrySource<T>(link: SourceLink, signal: AbortSignal, work: (connection: Connection) => Promise<T>): Promise<T> {
    const backoff = new Backoff({ minMs: 50, maxMs: 3000 }, () => this.#world.random.float());
    for (let tries = 1; ; tries++) {
      try {
        return await work(await link.get());
      } catch (error) {
        signal.throwIfAborted();
        const failure = new SourceFailure(error);
        if (isStructureChange(error)) throw failure;
        if (!failure.isLost || tries >= sourceTriesMax) throw dmErrors.dumpRun([failure.message], error);
        link.drop();
        await this.#world.clock.sleep(backoff.next(), signal);
      }
    }
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #sleepUntilWoken(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason as Error);
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      this.#wake.push(() => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      });
    });
  }
}

/** The target took a LOAD DATA with warnings: values may have been cut. It is rolled back. */
class LoadWarnings extends Error {}

/** A connection to the source that is opened again after it was lost. */
class SourceLink implements AsyncDisposable {
  readonly #world: World;
  readonly #config: SubtaskConfig;
  readonly #signal: AbortSignal;
  #connection: Connection | null = null;

  constructor(world: World, config: SubtaskConfig, signal: AbortSignal) {
    this.#world = world;
    this.#config = config;
    this.#signal = signal;
  }

  async get(): Promise<Connection> {
    if (this.#connection === null || !this.#connection.isOpen) {
      this.#connection = await openSource(this.#world, this.#config.from, this.#signal);
    }
    return this.#connection;
  }

  drop(): void {
    this.#connection?.destroy();
    this.#connection = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drop();
  }
}

async function* guarded(batches: AsyncIterable<RowPacketBatch>, signal: AbortSignal): AsyncGenerator<RowPacketBatch, void, void> {
  try {
    yield* batches;
  } catch (error) {
    signal.throwIfAborted();
    throw new SourceFailure(error);
  }
}

async function* pieces(
  encoder: RowEncoder,
  batches: AsyncIterable<RowPacketBatch>,
  onRows: (rows: number, bytes: number) => void,
): AsyncGenerator<Buffer, void, void> {
  for await (const batch of batches) {
    let bytes = 0;
    for (let from = 0; from < batch.count; ) {
      from = encoder.add(batch, from);
      if (!encoder.isFull) continue;
      const piece = encoder.take();
      if (piece !== null) yield piece;
    }
    for (let index = 0; index < batch.count; index++) bytes += (batch.ends[index] as number) - (batch.starts[index] as number);
    onRows(batch.count, bytes);
  }
  const last = encoder.take();
  if (last !== null) yield last;
}

/** Beside the threads that copy rows. */
function builders(threads: number): number {
  return Math.max(1, Math.floor(threads / 2));
}

/** Nothing is left to plan and nothing is under way, or it cannot go on. */
function isCopied(active: ActiveTable): boolean {
  return active.running === 0 && (active.isBroken || (active.stretches.length === 0 && !active.isPlanning));
}

function constantsOf(route: Route): string[] {
  return route.extracted.map(({ value }) => `_utf8mb4${quoteByteString(bytesOf(value))}`);
}

/** Rows of a chunk, so that only a table's last chunk ends with a statement that is not full. */
function wholeStatements(chunkRows: number, statementRows: number): number {
  return statementRows === 0 || chunkRows < statementRows ? chunkRows : chunkRows - (chunkRows % statementRows);
}

/** Text that is the same in every charset and needs no escape in a field of LOAD DATA. */
function isFieldText(value: string): boolean {
  return /^[ -[\]-~]*$/.test(value);
}

/** The server's estimate, or what was seen when that is more; exact when finished. */
function totalOf(table: TableWork, what: "rows" | "bytes"): number {
  const estimate = what === "rows" ? table.rowsEstimate : table.bytesEstimate;
  return table.state === "finished" ? table[what] : Math.max(estimate, table[what]);
}

async function takesLocalFiles(target: Target, signal: AbortSignal): Promise<boolean> {
  const { rows } = await target.query("SELECT @@global.local_infile", signal);
  return rows[0]?.[0] === "1";
}

/** Errors of the source in the product's form. */
async function sourceWork<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof MysqlServerError || (error instanceof Error && error.name === "MysqlConnectionError")) {
      throw dmErrors.dumpRun([error.message], error);
    }
    throw error;
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof SourceFailure ? error.cause : error;
}
