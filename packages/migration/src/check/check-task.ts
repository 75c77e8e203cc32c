/**
 * Prechecks: can this task run on these sources and this target? Only reads. Every item has the name by which
 * `ignore-checking-items` leaves it out, and says what is wrong and what to do.
 */
import { causeText, isCodedError, type World } from "@skein/base";
import {
  type Connection,
  MysqlConnectionError,
  type MysqlEndpoint,
  MysqlServerError,
  openBinlogStream,
  openConnection,
  parseCreateTable,
  parseGtidSet,
  quoteTable,
  type TableDefinition,
} from "@skein/mysql";
import type { DbConfig, SubtaskConfig } from "../config/subtask-config.ts";
import { parseExtraArguments } from "../copy/core/extra-args.ts";
import { dmErrors } from "../errors.ts";
import { createOnlineTables } from "../filter/core/online-ddl.ts";
import { createRouter } from "../filter/core/router.ts";
import { createTableFilter } from "../filter/core/table-filter.ts";
import { positionAtTime } from "../sync/start-time.ts";
import { type Grants, parseGrants } from "./core/grants.ts";
import { type CheckProblem, type CheckReport, type CheckResult, checkHead, detailOf, passedText, reportOf } from "./core/report.ts";
import { autoIncrementProblems, hasRowKey, shardProblems, tableProblems, targetProblems } from "./core/structure.ts";

export interface CheckOutcome {
  readonly passed: boolean;
  /** The `msg` of `check-task`: of a failed check, the text of error 26005. */
  readonly text: string;
  readonly report: CheckReport;
}

export interface CheckOptions {
  /** Items that are listed at most, each kind. Default 10. */
  readonly errorsMax?: number;
  readonly warningsMax?: number;
  /** As `--start-time` gives it; wins over `meta`. Default "": none. */
  readonly startTime?: string;
  readonly signal?: AbortSignal;
}

const checkTimeMsMax = 30 * 60_000;
const positionTimeMsMax = 15_000;
/** To look a time up, one binlog file is read through. */
const startTimeMsMax = 5 * 60_000;
const structuresAtOnce = 32;

/**
 * Throws coded errors when a server cannot be asked at all: 10001 (scope upstream or downstream), 26001 for tables that
 * differ by the case of their names only.
 */
export async function checkTask(world: World, subtasks: readonly SubtaskConfig[], options: CheckOptions = {}): Promise<CheckOutcome> {
  const controller = new AbortController();
  const timer = world.clock.timer(checkTimeMsMax, () => controller.abort(new Error("prechecks took longer than 30 minutes")));
  const signal = options.signal === undefined ? controller.signal : AbortSignal.any([options.signal, controller.signal]);
  const limits = { errorsMax: options.errorsMax ?? 10, warningsMax: options.warningsMax ?? 10 };
  try {
    const report = reportOf(await runChecks(world, subtasks, options.startTime ?? "", signal), limits);
    if (report.summary.passed) return { passed: true, text: passedText(report), report };
    const failure = dmErrors.checkFailed([checkHead, "check was failed, please see detail", detailOf(report)]).with({ class: "dm-master" });
    return {
      passed: false,
      text: failure.message,
      report,
    };
  } finally {
    timer.cancel();
  }
}

interface Source {
  readonly subtask: SubtaskConfig;
  readonly connection: Connection;
  readonly tables: readonly SourceTable[];
  /** Shadow tables of an online DDL that is under way. */
  readonly shadowTables: readonly string[];
  readonly grants: Grants;
}

interface SourceTable {
  readonly schema: string;
  readonly table: string;
  /** Null when its structure cannot be read; `problem` says why. */
  readonly definition: TableDefinition | null;
  readonly problem: string;
}

interface Item {
  /** As in `ignore-checking-items`. */
  readonly item: string;
  readonly name: string;
  readonly desc: string;
  readonly instruction: string;
  readonly address?: string;
  readonly run: () => Promise<readonly CheckProblem[]> | readonly CheckProblem[];
}

const doesDump = ({ mode }: SubtaskConfig) => mode === "all" || mode === "full" || mode === "dump";
const doesLoad = ({ mode }: SubtaskConfig) => mode === "all" || mode === "full" || mode === "load" || mode === "load&sync";
const doesSync = ({ mode }: SubtaskConfig) => mode === "all" || mode === "incremental" || mode === "load&sync";
const fail = (text: string): CheckProblem[] => [{ severity: "fail", short_error: text }];
const warn = (text: string): CheckProblem[] => [{ severity: "warn", short_error: text }];

async function runChecks(world: World, subtasks: readonly SubtaskConfig[], startTime: string, signal: AbortSignal): Promise<CheckResult[]> {
  const [first] = subtasks;
  if (first === undefined || first.ignoreCheckingItems.includes("all")) return [];
  await using stack = new AsyncDisposableStack();
  const target = stack.use(await open(world, first.to, "downstream", signal));
  const sources: Source[] = [];
  for (const subtask of subtasks) {
    const connection = stack.use(await open(world, subtask.from, "upstream", signal));
    sources.push(await readSource(subtask, connection, signal));
  }
  const items = [
    ...sources.flatMap((source) => countItems(source, signal)),
    ...targetItems(sources, target, signal),
    ...sources.flatMap((source) => sourceItems(world, source, startTime, signal)),
    ...structureItems(sources, target, signal),
  ].filter(({ item }) => !first.ignoreCheckingItems.includes(item));
  const results: CheckResult[] = [];
  for (const [id, item] of items.entries()) results.push(await runItem(id, item, signal));
  return results;
}

async function runItem(id: number, item: Item, signal: AbortSignal): Promise<CheckResult> {
  let problems: readonly CheckProblem[];
  try {
    problems = await item.run();
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof MysqlServerError || error instanceof MysqlConnectionError || isCodedError(error))) throw error;
    problems = fail(isCodedError(error) ? error.detail : `Message: database driver error, RawCause: ${error.message}`);
  }
  const state = problems.some(({ severity }) => severity === "fail") ? "fail" : problems.length > 0 ? "warn" : "success";
  return {
    id,
    name: item.name,
    desc: item.desc,
    state,
    ...(state === "success" ? {} : { errors: problems, instruction: item.instruction }),
    ...(item.address === undefined ? {} : { extra: `address of db instance - ${item.address}` }),
  };
}

async function open(world: World, config: DbConfig, scope: "upstream" | "downstream", signal: AbortSignal): Promise<Connection> {
  try {
    // Structures are printed, and read, without modes.
    return await openConnection(world, endpointOf(config), { mode: "text", signal, session: { sql_mode: "" } });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof MysqlServerError || error instanceof MysqlConnectionError)
      throw dmErrors.databaseDriver([], error).with({ scope });
    throw error;
  }
}

function endpointOf({ host, port, user, password, session, tls }: DbConfig): MysqlEndpoint {
  return { host, port, user, password, session, ...(tls === null ? {} : { tls }) };
}

/** Says whose privileges are lacking: the user and the server. */
function grantAdvice(accounts: readonly { readonly user: string; readonly host: string; readonly port: number }[]): string {
  const names = new Set(accounts.map(({ user, host, port }) => `\`${user}\` at ${host}:${port}`));
  return `Grant ${[...names].join(", ")} the privileges that are lacking.`;
}

const addressOf = ({ subtask }: Source) => `${subtask.from.host}:${subtask.from.port}`;

async function readSource(subtask: SubtaskConfig, connection: Connection, signal: AbortSignal): Promise<Source> {
  const filter = createTableFilter(subtask.blockAllowList, { caseSensitive: subtask.caseSensitive });
  const online = subtask.onlineDdl ? createOnlineTables(subtask.shadowTableRules, subtask.trashTableRules) : null;
  const { rows } = await connection.query(
    "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_SCHEMA, TABLE_NAME",
    signal,
  );
  const shadowTables: string[] = [];
  const names: { readonly schema: string; readonly table: string }[] = [];
  for (const [schema, table] of rows as [string, string][]) {
    const { kind, realTable } = online?.classify(table) ?? { kind: "real", realTable: table };
    if (!filter.tableAllowed(schema, realTable)) continue;
    if (kind === "real") names.push({ schema, table });
    else if (kind === "shadow") shadowTables.push(quoteTable(schema, table));
  }
  if (!subtask.caseSensitive) {
    const seen = new Map<string, string>();
    for (const { schema, table } of names) {
      const key = `${schema.toLowerCase()}\0${table.toLowerCase()}`;
      const other = seen.get(key);
      if (other !== undefined) throw dmErrors.sameTableNames([[other, quoteTable(schema, table)]]);
      seen.set(key, quoteTable(schema, table));
    }
  }
  const tables: SourceTable[] = [];
  for (let at = 0; at < names.length; at += structuresAtOnce) {
    const part = names.slice(at, at + structuresAtOnce);
    tables.push(...(await Promise.all(part.map(({ schema, table }) => readTable(connection, schema, table, signal)))));
  }
  return { subtask, connection, tables, shadowTables, grants: await readGrants(connection, signal) };
}

async function readTable(connection: Connection, schema: string, table: string, signal: AbortSignal): Promise<SourceTable> {
  try {
    const { rows } = await connection.query(`SHOW CREATE TABLE ${quoteTable(schema, table)}`, signal);
    const definition = parseCreateTable(rows[0]?.[1] ?? "", { schema, flavor: connection.flavor });
    return { schema, table, definition, problem: "" };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof MysqlServerError || isCodedError(error)) return { schema, table, definition: null, problem: causeText(error) };
    throw error;
  }
}

/** With what the session's roles give. */
async function readGrants(connection: Connection, signal: AbortSignal): Promise<Grants> {
  let statement = "SHOW GRANTS";
  if (connection.flavor === "mysql" && !connection.isTiDB && !connection.serverVersion.startsWith("5.")) {
    const role = (await connection.query("SELECT CURRENT_ROLE()", signal)).rows[0]?.[0] ?? "NONE";
    if (role !== "NONE") statement = `SHOW GRANTS FOR CURRENT_USER() USING ${role}`;
  }
  const { rows } = await connection.query(statement, signal);
  return parseGrants(rows.map(([line]) => line ?? ""));
}

async function variable(connection: Connection, name: string, signal: AbortSignal): Promise<string> {
  return (await connection.query(`SHOW GLOBAL VARIABLES LIKE '${name}'`, signal)).rows[0]?.[1] ?? "";
}

/** Are there enough connections? */
function countItems(source: Source, signal: AbortSignal): Item[] {
  const { subtask, connection } = source;
  if (!doesDump(subtask)) return [];
  return [
    {
      item: "conn_number",
      name: "dumper_conn_number_checker",
      desc: "check that the source has connections left for the dump",
      instruction: "Raise `max_connections` at the source, or lower `threads` in `mydumpers`.",
      run: async () => {
        const max = Number(await variable(connection, "max_connections", signal));
        const used = Number((await connection.query("SHOW GLOBAL STATUS LIKE 'Threads_connected'", signal)).rows[0]?.[1] ?? 0);
        const wanted = subtask.dumper.threads + 2;
        if (max === 0 || wanted <= max - used) return [];
        return fail(`the dump needs ${wanted} connections, and ${Math.max(0, max - used)} of max_connections ${max} are left`);
      },
    },
  ];
}

const targetPrivileges = ["ALTER", "CREATE", "DELETE", "DROP", "INDEX", "INSERT", "SELECT", "UPDATE"];

function targetItems(sources: readonly Source[], target: Connection, signal: AbortSignal): Item[] {
  const subtasks = sources.map(({ subtask }) => subtask);
  const items: Item[] = [];
  if (subtasks.some(doesLoad)) {
    items.push({
      item: "conn_number",
      name: "loader_conn_number_checker",
      desc: "check that the target has connections left for the load",
      instruction: "Raise `max_connections` at the target, or lower `pool-size` in `loaders`.",
      run: async () => {
        const max = Number(await variable(target, "max_connections", signal));
        const wanted = subtasks.filter(doesLoad).reduce((sum, { loader }) => sum + loader.poolSize + 1, 0);
        return max === 0 || wanted <= max ? [] : warn(`the load needs ${wanted} connections, and max_connections is ${max}`);
      },
    });
  }
  if (subtasks.some((subtask) => doesLoad(subtask) || doesSync(subtask))) {
    items.push({
      item: "target_privilege",
      name: "target db privilege checker",
      desc: "check privileges of the account at the target",
      instruction: grantAdvice(sources.map(({ subtask }) => subtask.to)),
      run: async () => {
        const grants = await readGrants(target, signal);
        const schemas = new Set(sources.flatMap((source) => routedTables(source).map(({ schema }) => schema)));
        for (const { metaSchema } of subtasks) schemas.add(metaSchema);
        const lacking = [...schemas].flatMap((schema) => {
          const names = targetPrivileges.filter((name) => !grants.has(name, schema));
          return names.length === 0 ? [] : [`lack of ${names.join(", ")} privilege on \`${schema}\`.*; `];
        });
        return lacking.length === 0 ? [] : warn(lacking.join(""));
      },
    });
  }
  return items;
}

function sourceItems(world: World, source: Source, startTime: string, signal: AbortSignal): Item[] {
  const { subtask, connection, grants } = source;
  const address = addressOf(source);
  const items: Item[] = [];
  const add = (item: string, name: string, desc: string, instruction: string, run: Item["run"]) =>
    items.push({ item, name, desc, instruction, address, run });

  add(
    "version",
    "mysql_version",
    "check that the version of the source is one that was tried",
    "Try the migration before you rely on it.",
    () => {
      if (connection.isTiDB) return warn("Migrating from TiDB is still experimental.");
      if (connection.flavor === "mariadb") return warn("Migrating from MariaDB is still experimental.");
      const [major = 0, minor = 0] = connection.serverVersion.split(".").map((part) => Number.parseInt(part, 10));
      if (major * 100 + minor < 506) return warn(`version suggested at least 5.6.0 but got ${connection.serverVersion}`);
      return major * 100 + minor >= 805 ? warn(`version suggested less than 8.5.0 but got ${connection.serverVersion}`) : [];
    },
  );

  const { meta } = subtask;
  if (subtask.mode === "incremental" && (meta !== null || startTime !== "") && !subtask.useRelay) {
    add(
      "meta_position",
      "meta position check",
      "check that the source still has the start position",
      startTime === ""
        ? "Set `meta` to a position that the source has; `SHOW BINARY LOGS` lists its files."
        : "Give a `--start-time` that the source's binlog reaches; `SHOW BINARY LOGS` lists its files.",
      () => positionProblems(world, source, { meta, startTime }, signal),
    );
  }
  if (doesDump(subtask)) {
    add(
      "dump_privilege",
      "source db dump privilege checker",
      "check privileges for the dump at the source",
      grantAdvice([subtask.from]),
      () => dumpPrivilegeProblems(source),
    );
  }
  if (doesSync(subtask)) {
    add(
      "server_id",
      "mysql_server_id",
      "check that the source has a server_id",
      "Set `server_id` at the source, different from all replicas'.",
      async () => (Number(await variable(connection, "server_id", signal)) === 0 ? warn("server_id is 0") : []),
    );
    add(
      "binlog_enable",
      "mysql_binlog_enable",
      "check that the source writes a binlog",
      "Set `log_bin` at the source and restart it.",
      async () => {
        const value = await variable(connection, "log_bin", signal);
        return value.toUpperCase() === "ON" || value === "1" ? [] : fail(`log_bin is ${value}, and should be ON`);
      },
    );
    add(
      "binlog_format",
      "mysql_binlog_format",
      "check that the binlog holds rows",
      "Set `binlog_format = ROW` at the source.",
      async () => {
        const value = await variable(connection, "binlog_format", signal);
        return value === "" || value.toUpperCase() === "ROW" ? [] : fail(`binlog_format is ${value}, and should be ROW`);
      },
    );
    add(
      "binlog_row_image",
      "mysql_binlog_row_image",
      "check that the binlog holds whole rows",
      "Set `binlog_row_image = FULL` at the source.",
      async () => {
        const value = await variable(connection, "binlog_row_image", signal);
        return value === "" || value.toUpperCase() === "FULL" ? [] : fail(`binlog_row_image is ${value}, and should be FULL`);
      },
    );
    add(
      "replication_privilege",
      "source db replication privilege checker",
      "check privileges for replication at the source",
      grantAdvice([subtask.from]),
      () => {
        const lacking = ["REPLICATION CLIENT", "REPLICATION SLAVE"].filter((name) => !grants.has(name));
        return lacking.length === 0 ? [] : fail(lacking.map((name) => `lack of ${name} global (*.*) privilege; `).join(""));
      },
    );
  }
  if (subtask.onlineDdl) {
    add(
      "online_ddl",
      "online ddl checker",
      "check that no online DDL is under way",
      "Wait until gh-ost or pt-online-schema-change is done.",
      () => (source.shadowTables.length === 0 ? [] : fail(`your ddl is in pt/ghost online-ddl: ${source.shadowTables.join(", ")}`)),
    );
  }
  if (doesSync(subtask)) {
    add(
      "binlog_db",
      "binlog_do_db/binlog_ignore_db check",
      "check that the binlog holds all schemas of the task",
      "Take the schemas out of `binlog-ignore-db`, or into `binlog-do-db`, at the source.",
      () => binlogSchemaProblems(source, signal),
    );
  }
  return items;
}

async function positionProblems(
  world: World,
  { subtask, connection }: Source,
  { meta, startTime }: { readonly meta: SubtaskConfig["meta"]; readonly startTime: string },
  signal: AbortSignal,
): Promise<readonly CheckProblem[]> {
  const controller = new AbortController();
  const limitMs = startTime === "" ? positionTimeMsMax : startTimeMsMax;
  const timer = world.clock.timer(limitMs, () => controller.abort());
  try {
    const both = AbortSignal.any([signal, controller.signal]);
    const endpoint = endpointOf(subtask.from);
    const serverId = 429_496_729 + world.random.below(100_000);
    if (startTime !== "") {
      await positionAtTime(world, startTime, { connection, endpoint, serverId, retryCountMax: 0 }, both);
      return [];
    }
    if (meta === null) return [];
    const gtidSet = meta.binlogGtid === "" || !subtask.enableGtid ? null : parseGtidSet(meta.binlogGtid, connection.flavor);
    const stream = openBinlogStream(world, endpoint, {
      serverId,
      start: { file: meta.binlogName, offset: meta.binlogPos === 0 ? 4 : meta.binlogPos, gtidSet },
      untilEnd: true,
      retryCountMax: 0,
      signal: both,
    });
    for await (const _events of stream) break;
    return [];
  } catch (error) {
    signal.throwIfAborted();
    if (controller.signal.aborted) return fail(`the source did not send the start position within ${limitMs / 1000} seconds`);
    const { cause } = error as Error;
    if (cause instanceof MysqlServerError) return fail(`ERROR ${cause.errno} (${cause.sqlState}): ${cause.serverMessage}`);
    if (error instanceof Error)
      return fail(isCodedError(error) ? `${error.detail}${error.rawCause === "" ? "" : `: ${error.rawCause}`}` : error.message);
    throw error;
  } finally {
    timer.cancel();
  }
}

function dumpPrivilegeProblems({ subtask, grants, tables }: Source): readonly CheckProblem[] {
  const lacking: string[] = [];
  const unreadable = tables.filter(({ schema, table }) => !grants.has("SELECT", schema, table));
  if (unreadable.length > 0) {
    const shown = unreadable.slice(0, 20).map(({ schema, table }) => quoteTable(schema, table));
    lacking.push(`lack of SELECT privilege: {${shown.join(", ")}${unreadable.length > shown.length ? ", …" : ""}}; `);
  }
  const { consistency } = parseExtraArguments(subtask.dumper.extraArgs);
  // Chunks need no lock; a table without a key is read in one snapshot, and that begins under a short one.
  const needsLock =
    consistency === "flush" || consistency === "auto" || tables.some(({ definition }) => definition !== null && !hasRowKey(definition));
  if (consistency === "lock") {
    const schemas = [...new Set(tables.map(({ schema }) => schema))].filter((schema) => !grants.has("LOCK TABLES", schema));
    if (schemas.length > 0) lacking.push(`lack of LOCK TABLES privilege: {${schemas.map((schema) => `\`${schema}\`.*`).join(", ")}}; `);
  } else if (consistency !== "none" && consistency !== "snapshot" && needsLock && !grants.has("RELOAD")) {
    lacking.push("lack of RELOAD global (*.*) privilege; ");
  }
  return lacking.length === 0 ? [] : fail(lacking.join(""));
}

async function binlogSchemaProblems({ subtask, connection, tables }: Source, signal: AbortSignal): Promise<readonly CheckProblem[]> {
  const isRenamed = connection.flavor === "mysql" && !/^(5\.|8\.0)/.test(connection.serverVersion);
  const [status] = await connection.queryObjects(isRenamed ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS", signal);
  const list = (name: string) =>
    (status?.[name] ?? "")
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
  const fold = (name: string) => (subtask.caseSensitive ? name : name.toLowerCase());
  const only = new Set(list("Binlog_Do_DB").map(fold));
  const without = new Set(list("Binlog_Ignore_DB").map(fold));
  const schemas = [...new Set(tables.map(({ schema }) => schema))];
  const lost = schemas.filter((schema) => (only.size > 0 ? !only.has(fold(schema)) : without.has(fold(schema))));
  return lost.length === 0 ? [] : fail(`the binlog leaves out these schemas of the task: ${lost.join(", ")}`);
}

function routedTables({ subtask, tables }: Source) {
  const router = createRouter(subtask.routes, { caseSensitive: subtask.caseSensitive, sourceId: subtask.sourceId });
  return tables.map((source) => ({ source, ...router.route(source.schema, source.table) }));
}

function structureItems(sources: readonly Source[], target: Connection, signal: AbortSignal): Item[] {
  const [first] = sources;
  if (first === undefined) return [];
  const items: Item[] = [
    {
      item: "table_schema",
      name: "table structure compatibility check",
      desc: "check that the tables fit the target",
      instruction:
        "Tables without a primary key, or a unique key without NULL, replicate slowly and not exactly once: add one. Make structures that differ alike.",
      run: async () => {
        const problems: CheckProblem[] = [];
        const charsets = new Set((await target.query("SHOW CHARACTER SET", signal)).rows.map(([name]) => name ?? ""));
        for (const source of sources) {
          const routed = routedTables(source);
          for (let at = 0; at < routed.length; at += structuresAtOnce) {
            const part = routed.slice(at, at + structuresAtOnce);
            const existing = await Promise.all(part.map(({ schema, table }) => readTable(target, schema, table, signal)));
            for (const [index, { source: own, schema, table, extracted }] of part.entries()) {
              if (own.definition === null) problems.push(...fail(`structure of ${quoteTable(own.schema, own.table)}: ${own.problem}`));
              else {
                problems.push(...tableProblems(own.definition, charsets));
                const columns = extracted.map(({ column }) => column);
                problems.push(...targetProblems(own.definition, existing[index]?.definition ?? null, { schema, table }, columns));
              }
            }
          }
        }
        return problems;
      },
    },
  ];
  const { shardMode } = first.subtask;
  if (shardMode === "") return items;
  const groups = new Map<string, TableDefinition[]>();
  for (const { source, schema, table } of sources.flatMap(routedTables)) {
    if (source.definition === null) continue;
    const key = quoteTable(schema, table);
    groups.set(key, [...(groups.get(key) ?? []), source.definition]);
  }
  items.push(
    {
      item: "schema_of_shard_tables",
      name: "sharding table consistency",
      desc: "check that tables that are merged are alike",
      instruction: "Make the structures of the tables alike before the task starts.",
      run: async () => {
        if (await hasCheckpoint(first.subtask, target, signal)) return [];
        return [...groups.values()].flatMap((tables) => shardProblems(tables, shardMode));
      },
    },
    {
      item: "auto_increment_ID",
      name: "auto-increment conflict",
      desc: "check that merged tables do not draw the same numbers",
      instruction: "See to it that the numbers of the tables differ, or drop the auto-increment key at the target.",
      run: () => [...groups.values()].flatMap(autoIncrementProblems),
    },
  );
  return items;
}

/** The tables may differ in the middle of a DDL of a task that runs already. */
async function hasCheckpoint({ metaSchema, name }: SubtaskConfig, target: Connection, signal: AbortSignal): Promise<boolean> {
  try {
    await target.query(`SELECT 1 FROM ${quoteTable(metaSchema, `${name}_syncer_checkpoint`)} LIMIT 1`, signal);
    return true;
  } catch (error) {
    if (error instanceof MysqlServerError && (error.errno === 1146 || error.errno === 1049)) return false;
    throw error;
  }
}
