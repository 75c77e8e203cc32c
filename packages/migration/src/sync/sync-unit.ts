/**
 * Incremental replication of one source (design decision D6): reads the binlog, keeps net changes, applies them in batches, and
 * stops only at transaction ends.
 *
 *   binlog stream → tables (structure, filter, route, decode) → applier (net changes, lanes) → target
 *                 └ DDL: drain, run, checkpoint
 *
 * While one batch is under way the next one grows: a slow target makes large batches, a quick one small ones. Memory is bounded
 * by the batch limits: a transaction that is larger is applied in parts, with the checkpoint staying before it.
 */
import { isCodedError, type Logger, TaskGroup, type World } from "@skein/base";
import {
  type BinlogEvent,
  type Connection,
  compareBinlogFiles,
  comparePositions,
  createSchemaTracker,
  currentPosition,
  definitionToStatement,
  formatPosition,
  gtidSetAt,
  gtidSetContains,
  type MysqlEndpoint,
  openBinlogStream,
  openConnection,
  type Position,
  parseCreateTable,
  parseGtidSet,
  parseStatements,
  printStatement,
  type QueryEvent,
  quoteTable,
  type Row,
  type RowsEvent,
  type SchemaTracker,
  statementSchema,
  statementTables,
  type TableDefinition,
} from "@skein/mysql";
import type { DbConfig, StartOptions, SubtaskConfig } from "../config/subtask-config.ts";
import { asCodedError, dmErrors } from "../errors.ts";
import { createExpressionFilter, type RowFilter } from "../expression/core/expression-filter.ts";
import { createEventFilter } from "../filter/core/event-filter.ts";
import { createOnlineTables, OnlineDdl, type OnlineDdlRecord } from "../filter/core/online-ddl.ts";
import { createRouter } from "../filter/core/router.ts";
import { createTableFilter } from "../filter/core/table-filter.ts";
import { type Checkpoint, type CheckpointStore, createCheckpointStore, type GlobalCheckpoint } from "../target/checkpoint-store.ts";
import { textLiteral, textOf } from "../target/core/meta-tables.ts";
import { openTarget, type Target } from "../target/target.ts";
import type { Blocker, SyncStatus, Unit, UnitStatus } from "../unit.ts";
import { Applier } from "./applier.ts";
import { LagMeter } from "./core/lag.ts";
import { Operators, operatorPosition } from "./core/operators.ts";
import { PositionGuard } from "./core/position-guard.ts";
import { TablePlaces } from "./core/table-places.ts";
import { DdlHandler } from "./ddl.ts";
import { differInDefaults, readCollationNames, readServerDefaults, type ServerDefaults } from "./server-defaults.ts";
import { positionAtTime } from "./start-time.ts";
import { type CopyWatermarks, keyOf, Tables } from "./tables.ts";

export interface SyncUnitOptions {
  readonly world: World;
  readonly config: SubtaskConfig;
  readonly start: StartOptions;
  readonly worker: string;
  readonly signal: AbortSignal;
  /** Of the full copy before; null in incremental mode. */
  readonly copy: CopyWatermarks | null;
  /** The start time has become a checkpoint, safe mode has begun: another run must not do so again. */
  readonly flagsUsed?: () => Promise<void>;
}

export interface SchemaCommand {
  readonly op: "GetSchema" | "SetSchema" | "RemoveSchema" | "ListSchema" | "ListTable" | "ListMigrateTargets";
  readonly database: string;
  readonly table: string;
  /** CREATE TABLE text of `SetSchema`. */
  readonly schema: string;
  readonly fromSource: boolean;
  readonly fromTarget: boolean;
}

export interface OperatorCommand {
  readonly op: "Skip" | "Replace" | "Revert" | "Inject" | "List";
  /** `mysql-bin.000001:3270`; "" is the place of the present error. */
  readonly binlogPos: string;
  readonly sqls: readonly string[];
}

export interface SyncUnit extends Unit {
  /** `binlog skip | replace | inject | revert | list`; answers what is to be shown. Also for a unit that has ended. */
  handleError(command: OperatorCommand): Promise<string>;
  /** `binlog-schema`; answers what is to be shown. Also for a unit that has ended. */
  operateSchema(command: SchemaCommand): Promise<string>;
}

/** Row changes of one batch, and bytes of their events. */
const batchChangesMax = 8_000;
const batchBytesMax = 3 * 1024 * 1024;
const pollMs = 1000;
/** A position of the source that is older proves nothing: two polls were missed. */
const lagStaleMs = 2000;

/** What operators told lives as long as the process: a unit ends with its error, the next one must know. */
const operatorsOfWorld = new WeakMap<World, Map<string, Operators>>();

function operatorsOf(world: World, config: SubtaskConfig): Operators {
  let all = operatorsOfWorld.get(world);
  if (all === undefined) {
    all = new Map();
    operatorsOfWorld.set(world, all);
  }
  const key = keyOf(config.name, config.sourceId);
  let operators = all.get(key);
  if (operators === undefined) {
    operators = new Operators();
    all.set(key, operators);
  }
  return operators;
}

export function endpointOf(config: DbConfig): MysqlEndpoint {
  return {
    host: config.host,
    port: config.port,
    user: config.user,
    password: config.password,
    ...(config.tls === null ? {} : { tls: config.tls }),
  };
}

export function createSyncUnit(options: SyncUnitOptions): SyncUnit {
  return new Syncer(options);
}

class Syncer implements SyncUnit {
  readonly kind = "Sync";
  readonly #options: SyncUnitOptions;
  readonly #world: World;
  readonly #config: SubtaskConfig;
  readonly #log: Logger;
  readonly #operators: Operators;
  readonly #lag = new LagMeter();
  readonly #online: OnlineDdl | null;
  readonly #kill = new AbortController();
  #tracker: SchemaTracker;
  #collationNames: ReadonlyMap<number, string> = new Map();
  #flavor: "mysql" | "mariadb" = "mysql";
  #source: Connection | null = null;
  #sourceOpening: Promise<Connection> | null = null;
  #target: Target | null = null;
  #applier: Applier | null = null;
  #guard: PositionGuard | null = null;
  #ddl: DdlHandler | null = null;
  #tables: Tables | null = null;
  #master: Position | null = null;
  /** When the source said so, by the local clock; null when it did not answer since. */
  #masterAtMs: number | null = null;
  #saved = new Map<string, TableDefinition>();
  #places = new TablePlaces();
  #isStopAsked = false;
  #wakeUp: (() => void) | null = null;
  #ended: Promise<void> = Promise.resolve();
  #hasEnded = false;
  #committedMs = 0;
  #currentDdl: { readonly event: QueryEvent; readonly start: Position } | null = null;
  #file = "";
  #xaOpen = false;
  #epoch = 0;
  // What status shows.
  #events = 0;
  #rows = 0;
  #transactions = 0;
  #bytes = 0;
  #startedMs: number;
  #rates = { events: 0, rows: 0, bytes: 0, transactions: 0, rowsPerSecond: 0, bytesPerSecond: 0, transactionsPerSecond: 0, atMs: 0 };
  #lastStatus: { applied: Position | null; flushed: Position | null } = { applied: null, flushed: null };
  #blocker: Blocker | null = null;
  #executingDdl: string | null = null;

  constructor(options: SyncUnitOptions) {
    this.#options = options;
    this.#world = options.world;
    this.#config = options.config;
    this.#log = options.world.log.with({ component: "sync", task: options.config.name, source: options.config.sourceId });
    this.#operators = operatorsOf(options.world, options.config);
    this.#online = options.config.onlineDdl
      ? new OnlineDdl(createOnlineTables(options.config.shadowTableRules, options.config.trashTableRules), [])
      : null;
    this.#tracker = createSchemaTracker({ flavor: "mysql" });
    this.#startedMs = this.#world.clock.monotonicMs();
  }

  /** Of the fence; 0 before the source was taken over. */
  get epoch(): number {
    return this.#epoch;
  }

  async run(outer: AbortSignal): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#ended = done.promise;
    const signal = AbortSignal.any([outer, this.#options.signal, this.#kill.signal]);
    try {
      await this.#run(signal);
    } catch (error) {
      // Cut short by `stop` after its grace: nothing is lost, the checkpoint is where it was.
      if (this.#kill.signal.aborted && !outer.aborted) return;
      outer.throwIfAborted();
      this.#options.signal.throwIfAborted();
      this.#noteError();
      throw this.#explain(error);
    } finally {
      this.#lastStatus = { applied: this.#applier?.applied ?? null, flushed: this.#applier?.flushed ?? null };
      this.#hasEnded = true;
      await this.#close();
      done.resolve();
    }
  }

  async stop(graceMs: number): Promise<void> {
    this.#isStopAsked = true;
    this.#wakeUp?.();
    const timer = this.#world.clock.timer(graceMs, () => this.#kill.abort(new DOMException("the time to stop is over", "AbortError")));
    await this.#ended;
    timer.cancel();
  }

  status(): UnitStatus {
    return { kind: "Sync", sync: this.#syncStatus() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill.abort(new DOMException("the unit is closed", "AbortError"));
    await this.#ended;
    await this.#close();
  }

  async handleError({ op, binlogPos, sqls }: OperatorCommand): Promise<string> {
    if (op === "List") return this.#operators.listJson();
    let position = this.#operators.errorPosition;
    if (binlogPos !== "") position = operatorPosition(binlogPos);
    else if (position === null) return this.#refuse(`source '${this.#config.sourceId}' has no error`);
    else if (!this.#operators.isDdlError && op !== "Revert") {
      return this.#refuse("only support to handle ddl error currently; see the documentation of error handling for other errors");
    }
    switch (op) {
      case "Revert":
        if (!this.#operators.revert(position)) throw dmErrors.operatorMissing([formatPosition(position)]);
        return "";
      case "Skip":
        this.#operators.set({ kind: "skip", position, sqls: [] });
        return "";
      case "Replace":
      case "Inject":
        this.#checkOperatorSqls(sqls);
        this.#operators.set({ kind: op === "Replace" ? "replace" : "inject", position, sqls });
        return "";
    }
  }

  async operateSchema(command: SchemaCommand): Promise<string> {
    const { database: schema, table } = command;
    const { config, world, worker } = this.#options;
    const signal = AbortSignal.timeout(30_000);
    await using target = await openTarget(world, this.#targetConfig(1), { role: "binlog-schema", worker, signal });
    const flavor = config.flavor === "" ? this.#flavor : config.flavor;
    const store = createCheckpointStore(target, flavor);
    const checkpoint = await store.load(signal);
    const saved = new Map(checkpoint.tables.map((entry) => [keyOf(entry.schema, entry.table), entry]));
    switch (command.op) {
      case "ListSchema":
        return JSON.stringify([...new Set(checkpoint.tables.map((entry) => entry.schema))].sort());
      case "ListTable":
        return JSON.stringify(
          checkpoint.tables
            .filter((entry) => entry.schema === schema)
            .map((entry) => entry.table)
            .sort(),
        );
      case "ListMigrateTargets": {
        const router = this.#router();
        return JSON.stringify(
          checkpoint.tables.map((entry) => {
            const route = router.route(entry.schema, entry.table);
            return { source_schema: entry.schema, source_table: entry.table, target_schema: route.schema, target_table: route.table };
          }),
        );
      }
      case "GetSchema": {
        const info = saved.get(keyOf(schema, table))?.tableInfo;
        const definition =
          info === null || info === undefined
            ? await this.#structureFrom(target, "target", schema, table, flavor, signal)
            : parseTableInfo(info);
        return printStatement(withoutSchema(definition), { dialect: flavor }).replaceAll(/\s+/g, " ");
      }
      case "RemoveSchema":
        return "";
      case "SetSchema": {
        let definition: TableDefinition;
        if (command.fromSource) definition = await this.#structureFrom(target, "source", schema, table, flavor, signal);
        else if (command.fromTarget) definition = await this.#structureFrom(target, "target", schema, table, flavor, signal);
        else {
          try {
            definition = { ...parseCreateTable(command.schema, { flavor, schema }), name: table };
          } catch (error) {
            throw dmErrors.trackerCreate([command.schema.slice(0, 500)], error);
          }
        }
        const position = checkpoint.global?.position ?? { file: "", offset: 4, gtidSet: null };
        const place = placesOf(checkpoint).atLeast(keyOf(schema, table), position);
        const statement = store.tableStatement({ schema, table, ...place, tableInfo: JSON.stringify(definition) });
        // The subtask is paused: taking over here only shuts out one that was thought dead.
        await target.takeOver(signal);
        await store.save(null, [statement], signal);
        return "";
      }
    }
  }

  /**
   * A stream by GTID begins with the head of the file that holds the next transaction, though all before that transaction is
   * applied: the place in the file must not go back to the head.
   */
  #isKnownHead(event: BinlogEvent): boolean {
    if (event.kind !== "format" && event.kind !== "previousGtids" && event.kind !== "rotate" && event.kind !== "heartbeat") return false;
    const applied = this.#applier?.applied;
    if (applied == null || applied.file === "" || !this.#config.enableGtid) return false;
    const order = compareBinlogFiles(event.end.file, applied.file);
    return order < 0 || (order === 0 && event.end.offset < applied.offset);
  }

  // ── running ──

  async #run(signal: AbortSignal): Promise<void> {
    const { world, worker } = this.#options;
    const source = await this.#sourceConnection(signal);
    this.#flavor = this.#config.flavor === "" ? source.flavor : this.#config.flavor;
    const master = await currentPosition(source, signal);
    this.#master = master;
    const sourceDefaults = await this.#readServerDefaults(source, signal);

    const target = await openTarget(world, this.#targetConfig(this.#config.syncer.workerCount), { role: "sync", worker, signal });
    this.#target = target;
    await target.takeOver(signal);
    const store = createCheckpointStore(target, this.#flavor);
    const stored = await store.load(signal);
    // A start time begins anew: where this task was, as a whole and in single tables, says nothing of it.
    const isAtStartTime = this.#options.start.startTime !== "" && this.#options.copy === null;
    const checkpoint: Checkpoint = isAtStartTime ? { global: null, tables: [] } : stored;
    this.#places = placesOf(checkpoint);
    for (const { schema, table, tableInfo } of checkpoint.tables) {
      if (tableInfo === null) continue;
      const definition = parseTableInfo(tableInfo);
      this.#saved.set(keyOf(schema, table), { ...definition, schema, name: table });
    }
    await this.#loadOnline(target, signal);

    const { position, safeUntil } = isAtStartTime
      ? // Rows that an earlier run has applied are met again.
        { position: await this.#startTimePoint(source, signal), safeUntil: stored.global === null ? null : master }
      : this.#startPoint(checkpoint.global, master);
    const start = await this.#withGtid(position, signal);
    const durationMs = this.#options.start.safeModeDurationMs;
    this.#file = start.file;
    const guard = new PositionGuard({
      always: this.#config.syncer.safeMode,
      safeUntil,
      safeUntilSeconds: durationMs === null ? null : (await sourceSeconds(source, signal)) + durationMs / 1000,
    });
    this.#guard = guard;
    this.#epoch = target.epoch;
    const router = this.#router();
    const filter = createTableFilter(this.#config.blockAllowList, { caseSensitive: this.#config.caseSensitive });
    const eventFilter = createEventFilter(this.#config.filters, { caseSensitive: this.#config.caseSensitive });
    const tables = new Tables({
      source: () => this.#sourceConnection(signal),
      target,
      tracker: this.#tracker,
      sourceFlavor: this.#flavor,
      filter,
      router,
      eventFilter,
      expressionFilter: createExpressionFilter(this.#config.expressionFilters, {
        caseSensitive: this.#config.caseSensitive,
        timezone: this.#config.timezone,
      }),
      online: this.#config.onlineDdl ? createOnlineTables(this.#config.shadowTableRules, this.#config.trashTableRules) : null,
      saved: this.#saved,
      copy: this.#options.copy,
    });
    this.#tables = tables;
    const { syncer } = this.#config;
    const applier = new Applier({
      world,
      target,
      store,
      guard,
      limits: {
        lanesMax: syncer.workerCount,
        statementRowsMax: syncer.multipleRows || syncer.compact ? 500 : Math.max(1, syncer.batch),
        statementBytesMax: 512 * 1024,
        laneRowsMin: 256,
        multipleRows: true,
      },
      batchChangesMax,
      batchBytesMax,
      flushIntervalMs: syncer.checkpointFlushIntervalMs,
      start,
      extraStatements: () => this.#structureStatements(store),
      placeStatement: ({ schema, table }, place) => {
        const key = keyOf(schema, table);
        this.#places.note(key, place);
        const definition = this.#tracker.table(schema, table);
        return store.tableStatement({ schema, table, ...place, tableInfo: definition === undefined ? null : JSON.stringify(definition) });
      },
      signal,
    });
    this.#applier = applier;
    this.#ddl = new DdlHandler({
      flavor: this.#flavor,
      target,
      tracker: this.#tracker,
      tables,
      filter,
      eventFilter,
      router,
      online: this.#online,
      operators: this.#operators,
      spellOut: this.#config.collationCompatible === "strict" || differInDefaults(sourceDefaults, await readServerDefaults(target, signal)),
      sourceVersion: sourceDefaults.version,
      collationNames: this.#collationNames,
      timezone: this.#config.timezone,
      log: this.#log,
      saveOnline: (record, isForgotten) => this.#saveOnline(target, record, isForgotten, signal),
      beforeExecute: async () => {
        try {
          await applier.drain();
        } catch (error) {
          this.#currentDdl = null; // what failed are rows before the statement
          throw error;
        }
        const end = this.#currentDdl?.event.end;
        // From here a crash leaves it open whether the statement ran: the horizon says so.
        await applier.flush([], end === undefined ? null : end);
      },
    });
    await applier.flush(isAtStartTime ? [store.clearStatement()] : []);
    if (isAtStartTime || durationMs !== null) await this.#options.flagsUsed?.();
    this.#log.info("replication starts", { position: formatPosition(start), safeMode: guard.isSafe });

    await using group = new TaskGroup(signal);
    group.spawn((s) => this.#poll(s));
    group.spawn(async (s) => {
      await this.#follow(start, s);
      group.abort(endOfWork);
    });
    try {
      await group.join();
    } catch (error) {
      if (error !== endOfWork) throw error;
    }
  }

  /** Reads until it is told to stop; then everything read is applied, and the checkpoint is exact. */
  async #follow(start: Position, signal: AbortSignal): Promise<void> {
    const applier = this.#applier as Applier;
    const reading = new AbortController();
    const events = openBinlogStream(this.#world, endpointOf(this.#config.from), {
      serverId: this.#config.serverId,
      start,
      by: start.gtidSet !== null && this.#config.enableGtid ? "gtid" : "position",
      signal: AbortSignal.any([signal, reading.signal]),
      onReconnect: (error, from) => {
        this.#blocker = {
          what: `the source's binlog connection was lost: ${error.message}`,
          nextStep: "Nothing, if the source comes back; else check that it is up and reachable.",
        };
        this.#log.warn("the binlog stream is opened again", { from: formatPosition(from), error });
      },
    });
    const iterator = events[Symbol.asyncIterator]();
    let next = iterator.next();
    next.catch(() => {}); // it is awaited below; until then it must not count as unhandled
    try {
      for (;;) {
        if (this.#isStopAsked && !this.#isMidTransaction) break;
        const ready = await this.#either(next);
        if (ready !== null) {
          if (ready.done === true) break;
          this.#blocker = null;
          const stopped = await this.#handle(ready.value, signal);
          if (stopped) break;
          next = iterator.next();
          next.catch(() => {});
        }
        // What has come is handed over as soon as nothing is under way: small batches when there is little, large ones when there is much.
        if (applier.isIdle && (!this.#isMidTransaction || applier.isOverfull)) await applier.dispatch();
        if (applier.isIdle && applier.isFlushDue) await applier.flush();
        this.#lag.setPending(applier.oldestPendingMs);
      }
      await applier.drain();
      await applier.flush();
    } finally {
      reading.abort(new DOMException("reading ends", "AbortError"));
      await iterator.return?.(undefined).catch(() => {}); // its end is what was asked for
    }
  }

  /** The next events, or null when the batch under way is done or someone called. */
  async #either<T>(next: Promise<T>): Promise<T | null> {
    const applier = this.#applier as Applier;
    const called = Promise.withResolvers<null>();
    this.#wakeUp = () => called.resolve(null);
    if (this.#isStopAsked && !this.#isMidTransaction) return null;
    const waits: Promise<T | null>[] = [next, called.promise];
    // Also when nothing follows: the checkpoint and the lag must not wait for the next event.
    if (!applier.isIdle) waits.push(applier.settled.then(() => null));
    try {
      return await Promise.race(waits);
    } finally {
      this.#wakeUp = null;
    }
  }

  #isMidTransaction = false;
  /** Rows events of the present transaction so far. */
  #rowsEvent = 0;

  /** True when it was told to stop and a transaction's end is reached. */
  async #handle(events: readonly BinlogEvent[], signal: AbortSignal): Promise<boolean> {
    const applier = this.#applier as Applier;
    for (const event of events) {
      this.#events++;
      this.#bytes += event.sizeBytes;
      switch (event.kind) {
        case "rows":
          this.#rowsEvent++;
          await this.#handleRows(event, signal);
          break;
        case "gtid":
          this.#isMidTransaction = true;
          this.#committedMs =
            event.originalCommitTimestampUs !== null ? Number(event.originalCommitTimestampUs / 1000n) : event.timestamp * 1000;
          break;
        case "query":
          if (event.role === "statement") await this.#handleStatement(event, signal);
          else if (event.role === "begin") this.#isMidTransaction = true;
          else if (event.role === "xa") this.#handleXa(event);
          break;
        case "rotate":
          this.#file = event.nextFile;
          break;
        case "incident":
          throw dmErrors.binlogEvent([`the source lost events: ${event.message}`]);
        case "xid":
        case "xaPrepare":
        case "tableMap":
        case "format":
        case "previousGtids":
        case "heartbeat":
        case "rowsQuery":
        case "statementContext":
        case "stop":
        case "other":
          break;
      }
      if (event.endsTransaction) {
        this.#transactions++;
        this.#isMidTransaction = false;
      }
      if (event.end.file !== "" && !this.#isKnownHead(event)) applier.advance(event.end, !this.#isMidTransaction, this.#rowsEvent);
      if (event.endsTransaction) this.#rowsEvent = 0;
      if (applier.isFull && (!this.#isMidTransaction || applier.isOverfull)) await applier.dispatch();
      if (this.#isStopAsked && !this.#isMidTransaction) return true;
    }
    return false;
  }

  async #handleRows(event: RowsEvent, signal: AbortSignal): Promise<void> {
    const tables = this.#tables as Tables;
    const guard = this.#guard as PositionGuard;
    // Before its low watermark a table may have had another structure than the one that is known: such rows are not even looked at.
    const state =
      tables.cached(event.table, event.end) ??
      (tables.isCopied(event.table.schema, event.table.table, event.end) ? null : await tables.resolve(event.table, signal));
    if (state === null) return;
    const { rows } = state;
    if (rows === null) return;
    const { action } = event;
    if (action === "insert" ? rows.ignoresInsert : action === "update" ? rows.ignoresUpdate : rows.ignoresDelete) return;
    if (this.#places.isPassed(keyOf(state.schema, state.table), { position: event.end, rowsEvent: this.#rowsEvent })) return;
    const start = this.#startOf(event);
    guard.observe(start, event.timestamp);
    const isSafe = guard.isSafe || (state.safeUntil !== null && comparePositions(start, state.safeUntil) < 0);
    const all = rows.decoder.decode(event);
    const decoded = rows.filter === null ? all : keptRows(action, all, rows.filter);
    this.#rows += action === "update" ? decoded.length / 2 : decoded.length;
    if (decoded.length === 0) return;
    if (this.#committedMs === 0) this.#committedMs = event.timestamp * 1000;
    (this.#applier as Applier).addRows(action, rows.plan, decoded, {
      isSafe,
      sizeBytes: event.sizeBytes,
      committedMs: this.#committedMs,
    });
  }

  async #handleStatement(event: QueryEvent, signal: AbortSignal): Promise<void> {
    const applier = this.#applier as Applier;
    const guard = this.#guard as PositionGuard;
    const start = this.#startOf(event);
    guard.observe(start, event.timestamp);
    this.#currentDdl = { event, start };
    this.#executingDdl = event.sql.slice(0, 500);
    const isRepeat = guard.pendingSafeUntil !== null;
    const outcome = await (this.#ddl as DdlHandler).handle(event, start, isRepeat, signal);
    this.#executingDdl = null;
    if (outcome.changes.length > 0 || outcome.executed > 0) {
      const store = this.#store();
      const statements: string[] = [];
      for (const change of outcome.changes) {
        switch (change.kind) {
          case "tableCreated":
          case "tableAltered":
            statements.push(this.#structureStatement(store, change.table, event.end));
            break;
          case "tableRenamed":
            this.#saved.delete(keyOf(change.before.schema, change.before.name));
            statements.push(store.removeTableStatement(change.before.schema, change.before.name));
            statements.push(this.#structureStatement(store, change.table, event.end));
            break;
          case "tableDropped":
            this.#saved.delete(keyOf(change.before.schema, change.before.name));
            statements.push(store.removeTableStatement(change.before.schema, change.before.name));
            break;
          case "schemaDropped":
            for (const table of change.tables) {
              this.#saved.delete(keyOf(table.schema, table.name));
              statements.push(store.removeTableStatement(table.schema, table.name));
            }
            break;
          case "tableTruncated":
          case "schemaCreated":
          case "schemaAltered":
            break;
        }
      }
      this.#isMidTransaction = !event.endsTransaction && this.#isMidTransaction;
      await applier.drain();
      if (event.endsTransaction) applier.advance(event.end, true, 0);
      await applier.flush(statements);
    }
    this.#currentDdl = null;
  }

  /** Rows of a prepared transaction are applied when it is prepared, so one that is rolled back later cannot be followed. */
  #handleXa(event: QueryEvent): void {
    if (/^\s*XA\s+ROLLBACK/i.test(event.sql) && this.#xaOpen)
      throw dmErrors.statementNotSupported([event.sql.slice(0, 200), "incremental"]);
    this.#xaOpen = true;
  }

  #startOf(event: BinlogEvent): Position {
    return { file: event.end.file === "" ? this.#file : event.end.file, offset: event.startOffset, gtidSet: null };
  }

  // ── beginning and end ──

  async #startTimePoint(source: Connection, signal: AbortSignal): Promise<Position> {
    const { startTime } = this.#options.start;
    const at = { connection: source, endpoint: endpointOf(this.#config.from), serverId: this.#config.serverId };
    const { position, isEarliest } = await positionAtTime(this.#world, startTime, at, signal);
    if (isEarliest) {
      this.#log.warn("the start time is before the source's first binlog file; what is older is not replicated", {
        startTime,
        position: formatPosition(position),
      });
    }
    return this.#withoutGtid(position);
  }

  #startPoint(global: GlobalCheckpoint | null, master: Position): { readonly position: Position; readonly safeUntil: Position | null } {
    if (global !== null) {
      const { position, horizon } = global;
      if (horizon === null) return { position, safeUntil: null };
      if (this.#config.syncer.safeModeDurationMs === 0 && comparePositions(horizon, position) > 0) throw dmErrors.safeModeNeeded([]);
      // A horizon in another server's files says nothing here: what that server had is behind the source's present end.
      const isSameLog = horizon.file.replace(/\.\d+$/, "") === master.file.replace(/\.\d+$/, "");
      return { position, safeUntil: isSameLog ? horizon : master };
    }
    if (this.#options.copy !== null) return { position: this.#withoutGtid(this.#options.copy.lowest), safeUntil: null };
    const { meta } = this.#config;
    if (meta !== null && (meta.binlogName !== "" || meta.binlogGtid !== "")) {
      const gtidSet = meta.binlogGtid === "" ? null : parseGtidSet(meta.binlogGtid, this.#flavor);
      return { position: { file: meta.binlogName, offset: Math.max(4, meta.binlogPos), gtidSet }, safeUntil: null };
    }
    return { position: this.#withoutGtid(master), safeUntil: null };
  }

  /** `enable-gtid` with a start that has only a file and an offset: the set is counted from that file. */
  async #withGtid(position: Position, signal: AbortSignal): Promise<Position> {
    if (!this.#config.enableGtid || position.gtidSet !== null || position.file === "") return position;
    const gtidSet = await gtidSetAt(this.#world, endpointOf(this.#config.from), position, {
      serverId: this.#config.serverId,
      flavor: this.#flavor,
      signal,
    });
    return { ...position, gtidSet };
  }

  #withoutGtid(position: Position): Position {
    return this.#config.enableGtid ? position : { ...position, gtidSet: null };
  }

  async #readServerDefaults(source: Connection, signal: AbortSignal): Promise<ServerDefaults> {
    const defaults = await readServerDefaults(source, signal);
    const { version, charset, collation, collations, lowerCaseTableNames } = defaults;
    this.#collationNames = await readCollationNames(source, signal);
    this.#tracker = createSchemaTracker({
      flavor: this.#flavor,
      version,
      serverDefaults: { collations, ...(charset === null ? {} : { charset }), ...(collation === null ? {} : { collation }) },
      lowerCaseTableNames,
    });
    return defaults;
  }

  #targetConfig(connections: number) {
    return {
      endpoint: endpointOf(this.#config.to),
      task: this.#config.name,
      sourceId: this.#config.sourceId,
      metaSchema: this.#config.metaSchema,
      connectionsMax: Math.max(2, connections),
      session: this.#config.to.session,
    };
  }

  #router() {
    return createRouter(this.#config.routes, { caseSensitive: this.#config.caseSensitive, sourceId: this.#config.sourceId });
  }

  #store(): CheckpointStore {
    return createCheckpointStore(this.#target as Target, this.#flavor);
  }

  #structureStatement(store: CheckpointStore, table: TableDefinition, position: Position): string {
    this.#saved.set(keyOf(table.schema, table.name), table);
    const place = this.#places.atLeast(keyOf(table.schema, table.name), position);
    return store.tableStatement({ schema: table.schema, table: table.name, ...place, tableInfo: JSON.stringify(table) });
  }

  #structureStatements(store: CheckpointStore): string[] {
    const position = this.#applier?.applied ?? { file: "", offset: 4, gtidSet: null };
    return (this.#tables?.takeUnsaved() ?? []).map((table) => this.#structureStatement(store, table, position));
  }

  async #loadOnline(target: Target, signal: AbortSignal): Promise<void> {
    if (this.#online === null) return;
    const { rows } = await target.query(
      `SELECT ghost_schema, ghost_table, ddls FROM ${target.metaTable("onlineddl")} WHERE id = ${textLiteral(target.sourceId)}`,
      signal,
    );
    for (const [schema, table, ddls] of rows) {
      const parsed: unknown = JSON.parse(textOf(ddls ?? "{}"));
      const saved = (parsed as { readonly ddls?: readonly string[] }).ddls ?? [];
      for (const sqlOnReal of saved) {
        this.#online.handle({ kind: "alter", schema: textOf(schema ?? ""), table: textOf(table ?? ""), sqlOnReal });
      }
    }
  }

  async #saveOnline(target: Target, record: OnlineDdlRecord, isForgotten: boolean, signal: AbortSignal): Promise<void> {
    const table = target.metaTable("onlineddl");
    const id = textLiteral(target.sourceId);
    const schema = textLiteral(record.ghostSchema);
    const name = textLiteral(record.ghostTable);
    const ddls = textLiteral(JSON.stringify({ schema: record.ghostSchema, table: record.ghostTable, ddls: record.ddls }));
    const statement = isForgotten
      ? `DELETE FROM ${table} WHERE id = ${id} AND ghost_schema = ${schema} AND ghost_table = ${name}`
      : `REPLACE INTO ${table} (id, ghost_schema, ghost_table, ddls) VALUES (${id}, ${schema}, ${name}, ${ddls})`;
    await target.transaction([statement], { signal, repeat: () => [statement] });
  }

  async #structureFrom(
    target: Target,
    side: "source" | "target",
    schema: string,
    table: string,
    flavor: "mysql" | "mariadb",
    signal: AbortSignal,
  ): Promise<TableDefinition> {
    if (side === "source") {
      await using source = await openConnection(this.#world, endpointOf(this.#config.from), { mode: "text", signal });
      const { rows } = await source.query(`SHOW CREATE TABLE ${quoteTable(schema, table)}`, signal);
      return { ...parseCreateTable(rows[0]?.[1] ?? "", { flavor, schema }), name: table };
    }
    const route = this.#router().route(schema, table);
    const { rows } = await target.query(
      `SHOW CREATE TABLE ${Buffer.from(quoteTable(route.schema, route.table)).toString("latin1")}`,
      signal,
    );
    const definition = parseCreateTable(textOf(rows[0]?.[1] ?? ""), { flavor: target.flavor, schema });
    return { ...definition, schema, name: table };
  }

  async #sourceConnection(signal: AbortSignal): Promise<Connection> {
    if (this.#source?.isOpen === true) return this.#source;
    this.#sourceOpening ??= openConnection(this.#world, endpointOf(this.#config.from), {
      mode: "text",
      signal,
      session: { time_zone: "+00:00" },
    })
      .then(async (source) => {
        if (this.#config.serverId === 0) await source.ping(signal);
        this.#source = source;
        return source;
      })
      .catch((error: unknown) => {
        signal.throwIfAborted();
        throw dmErrors.databaseDriver([], error).with({ scope: "upstream" });
      })
      .finally(() => {
        this.#sourceOpening = null;
      });
    return await this.#sourceOpening;
  }

  async #close(): Promise<void> {
    this.#source?.destroy();
    await this.#target?.[Symbol.asyncDispose]();
    this.#target = null;
  }

  // ── status ──

  /** Asks the source now and then where it stands: the only way to know that nothing is left. */
  async #poll(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        const source = await this.#sourceConnection(signal);
        const beforeMs = this.#world.clock.nowMs();
        const seconds = await sourceSeconds(source, signal);
        const appliedBefore = this.#applier?.applied ?? null;
        this.#master = await currentPosition(source, signal);
        const nowMs = this.#world.clock.nowMs();
        this.#lag.setClockOffset(seconds * 1000 - (beforeMs + nowMs) / 2);
        this.#masterAtMs = beforeMs;
        this.#lag.observeSource(beforeMs, appliedBefore === null || !this.#reaches(appliedBefore, this.#master));
      } catch (error) {
        signal.throwIfAborted();
        // The stream has its own connection and its own errors; until the source answers again the lag grows.
        this.#masterAtMs = null;
        this.#lag.observeSource(this.#world.clock.nowMs(), true);
        this.#log.debug("the source did not answer", { error });
      }
      this.#measure();
      await this.#world.clock.sleep(pollMs, signal);
    }
  }

  #reaches(applied: Position, master: Position): boolean {
    if (applied.gtidSet !== null && master.gtidSet !== null && gtidSetContains(applied.gtidSet, master.gtidSet)) return true;
    return comparePositions(applied, master) >= 0;
  }

  #measure(): void {
    const nowMs = this.#world.clock.monotonicMs();
    const last = this.#rates;
    const seconds = (nowMs - last.atMs) / 1000;
    if (last.atMs === 0 || seconds <= 0) {
      this.#rates = { ...last, events: this.#events, rows: this.#rows, bytes: this.#bytes, transactions: this.#transactions, atMs: nowMs };
      return;
    }
    this.#rates = {
      events: this.#events,
      rows: this.#rows,
      bytes: this.#bytes,
      transactions: this.#transactions,
      atMs: nowMs,
      rowsPerSecond: Math.round((this.#rows - last.rows) / seconds),
      bytesPerSecond: Math.round((this.#bytes - last.bytes) / seconds),
      transactionsPerSecond: Math.round((this.#transactions - last.transactions) / seconds),
    };
  }

  #syncStatus(): SyncStatus {
    const applied = this.#applier?.applied ?? this.#lastStatus.applied;
    const flushed = this.#applier?.flushed ?? this.#lastStatus.flushed;
    const asked = this.#master;
    // What was applied since proves that the source is at least there.
    const master = asked !== null && applied !== null && comparePositions(applied, asked) > 0 ? applied : asked;
    // What was applied since the last look at the source counts at once, and so does what was read.
    if (this.#applier !== null) this.#lag.setPending(this.#applier.oldestPendingMs);
    if (applied !== null && asked !== null && this.#masterAtMs !== null && this.#reaches(applied, asked))
      this.#lag.observeSource(this.#masterAtMs, false);
    const lagMs = this.#hasEnded
      ? Math.max(1, this.#lag.lagMs(this.#world.clock.nowMs(), 0))
      : this.#lag.lagMs(this.#world.clock.nowMs(), lagStaleMs);
    const seconds = Math.max(1, (this.#world.clock.monotonicMs() - this.#startedMs) / 1000);
    const { rowsPerSecond, bytesPerSecond, transactionsPerSecond } = this.#rates;
    const isSynced = applied !== null && master !== null && lagMs === 0;
    return {
      rowsPerSecond,
      bytesPerSecond,
      etaSeconds: this.#eta(applied, master, bytesPerSecond),
      blocker: this.#currentBlocker(),
      totalEvents: this.#events,
      totalTps: Math.round(this.#transactions / seconds),
      recentTps: transactionsPerSecond,
      totalRows: this.#rows,
      totalRps: Math.round(this.#rows / seconds),
      recentRps: rowsPerSecond,
      masterBinlog: master === null ? "" : formatPosition(master),
      masterBinlogGtid: master?.gtidSet?.toString() ?? "",
      syncerBinlog: applied === null ? "" : formatPosition(applied),
      syncerBinlogGtid: applied?.gtidSet?.toString() ?? "",
      flushedBinlog: flushed === null ? "" : formatPosition(flushed),
      flushedBinlogGtid: flushed?.gtidSet?.toString() ?? "",
      synced: isSynced,
      binlogType: "remote",
      secondsBehindMaster: Math.ceil(lagMs / 1000),
      lagMs,
      blockingDdls: this.#executingDdl === null ? [] : [this.#executingDdl],
      unresolvedGroups: [],
      blockDdlOwner: "",
      conflictMessage: "",
      ioTotalBytes: this.#bytes,
    };
  }

  #eta(applied: Position | null, master: Position | null, bytesPerSecond: number): number | null {
    if (applied === null || master === null || applied.file !== master.file || bytesPerSecond === 0) return null;
    return Math.max(0, Math.ceil((master.offset - applied.offset) / bytesPerSecond));
  }

  #currentBlocker(): Blocker | null {
    if (this.#blocker !== null) return this.#blocker;
    if (this.#executingDdl !== null) {
      return {
        what: `a DDL is running in the target: ${this.#executingDdl}`,
        nextStep: "Wait, or look at SHOW PROCESSLIST in the target.",
      };
    }
    const retries = this.#target?.retries;
    if (retries !== undefined && retries.count > 0 && (this.#applier?.oldestPendingMs ?? null) !== null) {
      return {
        what: `the target made a transaction wait: ${retries.last}`,
        nextStep: "Look for long transactions in the target (SHOW PROCESSLIST).",
      };
    }
    return null;
  }

  // ── errors ──

  #noteError(): void {
    this.#operators.errorPosition = this.#currentDdl?.start ?? this.#applier?.applied ?? null;
    this.#operators.isDdlError = this.#currentDdl !== null;
  }

  /** With the place in the binlog, so that the operator can name it. */
  #explain(error: unknown): unknown {
    const current = this.#currentDdl;
    if (!isCodedError(error)) return current === null ? asCodedError(error) : dmErrors.ddlJob([current.event.sql.slice(0, 500)], error);
    if (current === null) return error;
    const place = (position: Position) => `[position: ${formatPosition(position)}, gtid-set: ${position.gtidSet?.toString() ?? ""}]`;
    return error.with({
      annotate: `startLocation: ${place(current.start)}, endLocation: ${place(current.event.end)}, origin SQL: [${current.event.sql.slice(0, 500)}]`,
    });
  }

  #refuse(text: string): never {
    throw dmErrors.syncClosed([text]);
  }

  #checkOperatorSqls(sqls: readonly string[]): void {
    const flavor = this.#config.flavor === "" ? this.#flavor : this.#config.flavor;
    const statements = parseStatements(sqls.join(";\n"), { flavor });
    if (statements.length === 0) throw dmErrors.operatorNotDdl([]);
    for (const statement of statements) {
      if (statement.kind === "other") throw dmErrors.operatorNotDdl([]);
      const hasSchemas = statementTables(statement).every(({ schema }) => schema !== undefined);
      if (!hasSchemas && statementSchema(statement) === undefined) throw dmErrors.operatorNoSchema([sqls.join("; ").slice(0, 500)]);
    }
  }
}

/** Ends the group when the reader has stopped at a transaction's end. */
const endOfWork = new DOMException("replication has come to its end", "AbortError");

/** Rows as the decoder gives them (an update's before and after by turns), without those that the expressions drop. */
function keptRows(action: "insert" | "update" | "delete", rows: readonly Row[], filter: RowFilter): readonly Row[] {
  if (action === "insert") return rows.filter((row) => filter.keepRow("insert", null, row));
  if (action === "delete") return rows.filter((row) => filter.keepRow("delete", row, null));
  const kept: Row[] = [];
  for (let at = 0; at + 1 < rows.length; at += 2) {
    const before = rows[at] as Row;
    const after = rows[at + 1] as Row;
    if (filter.keepRow("update", before, after)) kept.push(before, after);
  }
  return kept;
}

async function sourceSeconds(source: Connection, signal: AbortSignal): Promise<number> {
  const { rows } = await source.query("SELECT UNIX_TIMESTAMP(NOW(6))", signal);
  return Number(rows[0]?.[0] ?? 0);
}

function placesOf({ global, tables }: Checkpoint): TablePlaces {
  const places = new TablePlaces();
  for (const { schema, table, position, rowsEvent } of tables) {
    if (global !== null && comparePositions(position, global.position) > 0) places.note(keyOf(schema, table), { position, rowsEvent });
  }
  return places;
}

function parseTableInfo(text: string): TableDefinition {
  return JSON.parse(text) as TableDefinition;
}

function withoutSchema(table: TableDefinition) {
  const statement = definitionToStatement(table);
  return { ...statement, table: { name: table.name } };
}
