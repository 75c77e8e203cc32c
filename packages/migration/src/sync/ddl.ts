/**
 * DDL from the source: parsed, split, filtered, tracked, renamed by the routes, printed for the target, and run there when
 * everything before it is applied.
 *
 *   operators → parse → split → online tools → block-allow-list (not tracked) → event filter (tracked) → tracker → route → target
 */
import type { Logger } from "@skein/base";
import { isCodedError } from "@skein/base";
import {
  type DdlDialect,
  type DdlStatement,
  ddlEventTypes,
  mapTables,
  type Position,
  parseStatements,
  printStatement,
  type QueryEvent,
  quoteTable,
  type SchemaTracker,
  type SessionFacts,
  splitStatement,
  sqlModeNames,
  statementRenames,
  statementSchema,
  statementTables,
  type TableDefinition,
  type TrackedChange,
  targetCreateTable,
  withDefaultSchema,
} from "@skein/mysql";
import { dmErrors } from "../errors.ts";
import type { EventFilter } from "../filter/core/event-filter.ts";
import type { OnlineDdl, OnlineDdlAction, OnlineDdlRecord } from "../filter/core/online-ddl.ts";
import type { Router } from "../filter/core/router.ts";
import { isSystemSchema, type TableFilter } from "../filter/core/table-filter.ts";
import { bytesOf } from "../target/core/meta-tables.ts";
import type { Target } from "../target/target.ts";
import type { Operators } from "./core/operators.ts";
import type { Tables } from "./tables.ts";

export interface DdlHandlerOptions {
  readonly flavor: "mysql" | "mariadb";
  readonly target: Target;
  readonly tracker: SchemaTracker;
  readonly tables: Tables;
  readonly filter: TableFilter;
  readonly eventFilter: EventFilter;
  readonly router: Router;
  readonly online: OnlineDdl | null;
  readonly operators: Operators;
  /** `collation_compatible: strict`, or a target whose defaults are others than the source's. */
  readonly spellOut: boolean;
  /** Of the source, as in versioned comments. */
  readonly sourceVersion: number;
  /** The source's collations by number. */
  readonly collationNames: ReadonlyMap<number, string>;
  /** Zone of the task, for statements whose session does not say one. */
  readonly timezone: string;
  readonly log: Logger;
  /** Makes a saved or forgotten record of an online tool durable. */
  readonly saveOnline: (record: OnlineDdlRecord, isForgotten: boolean) => Promise<void>;
  /** Everything before the statement is in the target when it returns, and the checkpoint says that it may be under way. */
  readonly beforeExecute: () => Promise<void>;
}

export interface DdlOutcome {
  /** Structures that changed: to be kept with the checkpoint. */
  readonly changes: readonly TrackedChange[];
  /** Statements that ran in the target. */
  readonly executed: number;
}

const nothingDone: DdlOutcome = { changes: [], executed: 0 };

/** Modes that both families know and that change what a DDL means; quoting is the printer's. */
const portableModes: ReadonlySet<string> = new Set([
  "ALLOW_INVALID_DATES",
  "ERROR_FOR_DIVISION_BY_ZERO",
  "NO_ENGINE_SUBSTITUTION",
  "NO_UNSIGNED_SUBTRACTION",
  "NO_ZERO_DATE",
  "NO_ZERO_IN_DATE",
  "STRICT_ALL_TABLES",
  "STRICT_TRANS_TABLES",
]);

export class DdlHandler {
  readonly #options: DdlHandlerOptions;
  readonly #dialect: DdlDialect;

  constructor(options: DdlHandlerOptions) {
    this.#options = options;
    this.#dialect = options.target.isTiDB ? "tidb" : options.target.flavor;
  }

  /** `isRepeat`: the statement may have run before; what it then meets is no error. */
  async handle(event: QueryEvent, start: Position, isRepeat: boolean, signal: AbortSignal): Promise<DdlOutcome> {
    const { flavor, operators, log } = this.#options;
    const sqlMode = event.sqlMode === null ? [] : sqlModeNames(event.sqlMode, flavor);
    const told = operators.at(start);
    const outcomes: DdlOutcome[] = [];
    for (const { kind, sqls } of told) {
      if (kind !== "inject") continue;
      outcomes.push(await this.#run(this.#parse(sqls.join(";\n"), ""), event, [], isRepeat, signal));
    }
    const instead = told.find(({ kind }) => kind !== "inject");
    if (instead?.kind === "skip") {
      log.info("statement is skipped as told", { position: start.offset, file: start.file });
      return merge(outcomes);
    }
    const statements = instead === undefined ? this.#parseEvent(event, sqlMode.join(",")) : this.#parse(instead.sqls.join(";\n"), "");
    outcomes.push(await this.#run(statements, event, sqlMode, isRepeat, signal));
    return merge(outcomes);
  }

  #parse(sql: string, sqlMode: string): DdlStatement[] {
    return parseStatements(sql, { flavor: this.#options.flavor, version: this.#options.sourceVersion, sqlMode });
  }

  #parseEvent(event: QueryEvent, sqlMode: string): DdlStatement[] {
    try {
      return this.#parse(event.sql, sqlMode);
    } catch (error) {
      if (isSystemSchema(event.schema)) return [];
      // A filter that asks for no name but for a text may pass over what cannot be read.
      const decision = this.#options.eventFilter.decide({ schema: "", table: "", eventType: "", sql: event.sql });
      if (decision === "ignore") return [];
      throw error;
    }
  }

  async #run(
    statements: readonly DdlStatement[],
    event: QueryEvent,
    sqlMode: readonly string[],
    isRepeat: boolean,
    signal: AbortSignal,
  ): Promise<DdlOutcome> {
    const outcomes: DdlOutcome[] = [];
    for (const statement of statements) {
      if (statement.kind === "other") {
        this.#checkOther(statement, event);
        continue;
      }
      const whole = withDefaultSchema(statement, event.schema);
      this.#checkSwap(whole, event);
      for (const single of splitStatement(whole)) {
        outcomes.push(await this.#single(single, event, sqlMode, isRepeat, signal));
      }
    }
    return merge(outcomes);
  }

  #checkSwap(statement: DdlStatement, event: QueryEvent): void {
    if (statement.kind !== "renameTables" || this.#options.online === null) return;
    const place = ({ schema, name }: { readonly schema?: string; readonly name: string }) => ({
      schema: schema ?? event.schema,
      table: name,
    });
    const renames = statementRenames(statement).map(({ from, to }) => ({ from: place(from), to: place(to) }));
    if (renames.length > 1 && renames.some(({ from }) => this.#options.tables.isWanted(from.schema, from.table)))
      this.#options.online.checkSwap(renames, event.sql.slice(0, 500));
  }

  /** Rows that were logged as text cannot be applied exactly. */
  #checkOther(statement: DdlStatement & { kind: "other" }, event: QueryEvent): void {
    if (statement.group === "dml" && /^(insert|update|delete|replace|load)/.test(statement.what) && !isSystemSchema(event.schema)) {
      throw dmErrors.statementInBinlog([event.sql.slice(0, 500)]);
    }
  }

  async #single(
    statement: DdlStatement,
    event: QueryEvent,
    sqlMode: readonly string[],
    isRepeat: boolean,
    signal: AbortSignal,
  ): Promise<DdlOutcome> {
    const online = this.#online(statement);
    switch (online.kind) {
      case "nothing":
        return nothingDone;
      case "save":
      case "forget":
        await this.#options.saveOnline(online.record, online.kind === "forget");
        return nothingDone;
      case "execute": {
        const outcomes: DdlOutcome[] = [];
        for (const ddl of online.ddls) {
          for (const saved of this.#parse(ddl, "")) {
            const real = mapTables(saved, (schema, table) =>
              schema === online.record.ghostSchema && table === online.record.ghostTable
                ? { schema: online.realSchema, name: online.realTable }
                : { schema, name: table },
            );
            for (const single of splitStatement(real)) outcomes.push(await this.#real(single, event, sqlMode, isRepeat, signal));
          }
        }
        await this.#options.saveOnline(online.record, true);
        this.#options.online?.forget(online.record);
        return merge(outcomes);
      }
      case "passThrough":
        return await this.#real(statement, event, sqlMode, isRepeat, signal);
    }
  }

  #online(statement: DdlStatement): OnlineDdlAction {
    const { online, flavor } = this.#options;
    if (online === null) return { kind: "passThrough" };
    const [first] = statementTables(statement);
    if (first?.schema === undefined) return { kind: "passThrough" };
    const place = { schema: first.schema, table: first.name };
    const [rename] = statementRenames(statement);
    if (rename !== undefined && statement.kind === "renameTables") {
      return online.handle({
        kind: "rename",
        ...place,
        toSchema: rename.to.schema ?? first.schema,
        toTable: rename.to.name,
        sql: printStatement(statement, { dialect: flavor }),
      });
    }
    switch (statement.kind) {
      case "createTable":
      case "createTableLike":
        return online.handle({ kind: "create", ...place });
      case "dropTables":
        return online.handle({ kind: "drop", ...place });
      case "alterTable":
      case "createIndex":
      case "dropIndex": {
        const { realTable } = online.classify(first.name);
        const onReal = mapTables(statement, (schema, table) => ({ schema, name: table === first.name ? realTable : table }));
        return online.handle({ kind: "alter", ...place, sqlOnReal: printStatement(onReal, { dialect: flavor }) });
      }
      case "renameTables":
      case "truncateTable":
      case "createDatabase":
      case "alterDatabase":
      case "dropDatabase":
      case "other":
        // TRUNCATE and the like of a tool's own table are of no concern to the real one.
        return online.classify(first.name).kind === "real" ? { kind: "passThrough" } : { kind: "nothing" };
    }
  }

  async #real(
    statement: DdlStatement,
    event: QueryEvent,
    sqlMode: readonly string[],
    isRepeat: boolean,
    signal: AbortSignal,
  ): Promise<DdlOutcome> {
    const { tables, tracker, eventFilter, filter, router, log, target } = this.#options;
    const names = statementTables(statement).map(({ schema, name }) => ({ schema: schema ?? event.schema, name }));
    const database = statementSchema(statement);
    if (database !== undefined && (isSystemSchema(database) || !filter.schemaAllowed(database))) return nothingDone;
    if (names.some(({ schema, name }) => !tables.isWanted(schema, name))) return nothingDone;

    // What the copy took is what the table was after this statement.
    if (names.length > 0 && names.every(({ schema, name }) => tables.isCopied(schema, name, event.end))) return nothingDone;

    const [rename] = statementRenames(statement);
    if (rename !== undefined) {
      const isCopied = ({ schema, name }: { readonly schema?: string; readonly name: string }) =>
        tables.isCopied(schema ?? event.schema, name, event.end);
      if (isCopied(rename.to) && !isCopied(rename.from)) {
        // The copy took the table under its new name already: what is left to do is to take the old one away.
        return await this.#real({ kind: "dropTables", tables: [rename.from], ifExists: true }, event, sqlMode, isRepeat, signal);
      }
      if (isCopied(rename.from) && !isCopied(rename.to)) {
        throw dmErrors.ddlJob(
          [event.sql.slice(0, 500)],
          new Error(
            `${rename.to.name} was copied before ${rename.from.name} got its name, so the rows of the latter are not in the target; stop the task, empty the target's tables, and start it with --remove-meta`,
          ),
        );
      }
    }

    let before: TableDefinition | undefined;
    if (statement.kind !== "createTable" && statement.kind !== "dropTables") {
      for (const { schema, name } of names) before ??= (await tables.track(schema, name, signal)) ?? undefined;
      if (statement.kind === "createTableLike") await tables.track(statement.like.schema ?? event.schema, statement.like.name, signal);
    }
    const [first] = names;
    const place = first ?? { schema: database ?? event.schema, name: "" };
    for (const eventType of ddlEventTypes(statement, before)) {
      const decision = eventFilter.decide({ schema: place.schema, table: place.name, eventType, sql: event.sql });
      if (decision === "do") continue;
      if (decision === "error") throw dmErrors.eventFilter([eventType, quoteTable(place.schema, place.name)]);
      let changes: readonly TrackedChange[] = [];
      try {
        changes = tracker.apply(statement, this.#sessionFacts(event));
      } catch (error) {
        if (!isCodedError(error)) throw error;
        log.warn("a filtered statement could not be tracked", { sql: event.sql.slice(0, 500), error });
      }
      tables.forget();
      return { changes, executed: 0 };
    }

    const routed = mapTables(statement, (schema, table) => {
      if (table === "") return { schema: router.routeSchema(schema), name: "" };
      const route = router.route(schema, table);
      return { schema: route.schema, name: route.table };
    });
    await this.#options.beforeExecute();
    const changes = this.#track(statement, event, isRepeat);
    const sql = this.#print(statement, routed, event);
    if (sql !== "") {
      const modes = sqlMode.filter((mode) => portableModes.has(mode));
      await this.#execute(bytesOf(sql), routed, isRepeat, {
        signal,
        assignments: [
          `TIMESTAMP = ${event.timestamp}`,
          `time_zone = '${zoneOf(event.timeZone, this.#options.timezone)}'`,
          ...(event.sqlMode === null ? [] : [`sql_mode = '${modes.join(",")}'`]),
        ],
      });
    }
    tables.forget();
    log.info("DDL is applied", { sql: event.sql.slice(0, 500), target: target.flavor });
    return { changes, executed: 1 };
  }

  /**
   * For the target. Where its defaults may be others than the source's, what the source left unsaid is spelled out: a unique key
   * under another collation takes other values for equal, and rows would be lost.
   */
  #print(statement: DdlStatement, routed: DdlStatement, event: QueryEvent): string {
    const { tracker, log, flavor, spellOut } = this.#options;
    const note = (text: string) => log.warn("the statement differs in the target", { note: text, sql: event.sql.slice(0, 500) });
    if (spellOut || this.#dialect !== flavor) {
      if (statement.kind === "createTable" && routed.kind === "createTable" && statement.asSelect === undefined) {
        const tracked = tracker.table(statement.table.schema ?? event.schema, statement.table.name);
        if (tracked !== undefined) {
          const table = { ...tracked, schema: routed.table.schema ?? tracked.schema, name: routed.table.name };
          const { sql, notes } = targetCreateTable(table, { dialect: this.#dialect, ifNotExists: statement.ifNotExists === true });
          for (const text of notes) note(text);
          return sql;
        }
      }
      if (statement.kind === "createDatabase" && routed.kind === "createDatabase") {
        const schema = tracker.schema(statement.name);
        const options = { ...routed.options, ...(schema === undefined ? {} : { charset: schema.charset, collation: schema.collation }) };
        return printStatement({ ...routed, options }, { dialect: this.#dialect, note });
      }
    }
    return printStatement(routed, { dialect: this.#dialect, note });
  }

  #track(statement: DdlStatement, event: QueryEvent, isRepeat: boolean): readonly TrackedChange[] {
    try {
      return this.#options.tracker.apply(statement, this.#sessionFacts(event));
    } catch (error) {
      // The structure was read from the target, where the statement has been run already.
      if (isRepeat && isCodedError(error)) return [];
      throw error;
    }
  }

  #sessionFacts(event: QueryEvent): SessionFacts {
    const { collationNames } = this.#options;
    const schemaCollation = event.schemaCollation === null ? undefined : collationNames.get(event.schemaCollation);
    const collations = event.defaultCollations.flatMap(({ charset, collation }): [string, string][] => {
      const name = collationNames.get(collation);
      return name === undefined ? [] : [[charset, name]];
    });
    return {
      ...(event.schema === "" ? {} : { defaultSchema: event.schema }),
      ...(event.explicitDefaultsForTimestamp === null ? {} : { explicitDefaultsForTimestamp: event.explicitDefaultsForTimestamp }),
      ...(schemaCollation === undefined ? {} : { schemaCollation }),
      collations: Object.fromEntries(collations),
    };
  }

  async #execute(
    sql: string,
    statement: DdlStatement,
    isRepeat: boolean,
    options: { readonly signal: AbortSignal; readonly assignments: readonly string[] },
  ): Promise<void> {
    const { target, tables } = this.#options;
    try {
      await target.ddl(sql, options);
    } catch (error) {
      // A rename that was done before cannot be done again: the old name is gone, and the new one is there.
      if (!isRepeat || !isCodedError(error)) throw error;
      const [rename] = statementRenames(statement);
      if (rename?.to.schema === undefined || rename.from.schema === undefined) throw error;
      tables.forget();
      const from = await tables.targetDefinition(rename.from.schema, rename.from.name, options.signal);
      const to = await tables.targetDefinition(rename.to.schema, rename.to.name, options.signal);
      if (from !== null || to === null) throw error;
    }
  }
}

function merge(outcomes: readonly DdlOutcome[]): DdlOutcome {
  return {
    changes: outcomes.flatMap(({ changes }) => changes),
    executed: outcomes.reduce((sum, { executed }) => sum + executed, 0),
  };
}

/** Only what cannot be anything else than a zone: names and offsets. SYSTEM is that of another machine. */
function zoneOf(session: string | null, task: string): string {
  for (const zone of [session, task]) {
    if (zone !== null && zone !== "" && zone !== "SYSTEM" && /^[A-Za-z0-9_+:/-]{1,64}$/.test(zone)) return zone;
  }
  return "+00:00";
}
