/** `./skein demo`: a migration under load, with a worker killed on the way, and a comparison of every row at the end. */
import { join } from "node:path";
import { TaskGroup, type World } from "@skein/base";
import { type DatabaseServer, makePrivateFolder, openSql, sql, startMariadb } from "@skein/servers";
import type { Command, CommandContext } from "../command.ts";
import { compareSchemas, type TableComparison } from "../compare/compare.ts";
import { numberFlag, parseFlags } from "../flags.ts";
import { type ClusterProcess, type DmCluster, type SubTaskAnswer, startCluster } from "./cluster.ts";
import { type DemoTable, demoSchemas, demoTables } from "./core/dataset.ts";
import { type DemoView, grouped, percent } from "./core/view.ts";
import { createScreen, type Screen } from "./screen.ts";
import { heartbeatTable, runWriter, type WriterCounts } from "./writer.ts";

const help = `./skein demo [--rows 3000000] [--seconds 15] [--keep]

Starts a MariaDB source with a few million rows and an application that writes without a pause, a MariaDB target, dm-master
and two dm-workers; migrates the one into the other; kills the worker in the middle of the copy; and compares every row at
the end. The exit code is 0 when both sides are equal. Everything lives in a temporary folder and ends with the demo.

  --rows N      rows of the source
  --seconds N   how long the application goes on after the copy
  --keep        leave everything running after the verdict, until Ctrl-C, and print commands to try`;

const task = "demo";
const sourceId = "demo-source";
const pollMs = 1_000;
/** While copying the target's statistics are looked at more often than dmctl is asked: the kill is to come in the middle. */
const looksPerPoll = 4;
/** The worker is killed when this part of the rows has arrived. */
const killAt = 0.3;
const stallTimeoutMs = 90_000;
/** 24 days: as long as a timer can be. */
const keepMs = 2 ** 31 - 1;

export const demoCommand: Command = {
  name: "demo",
  help,
  async run(context) {
    const { values } = parseFlags(context.args, {
      rows: { type: "string" },
      seconds: { type: "string" },
      keep: { type: "boolean", default: false },
    });
    const rows = numberFlag("rows", values.rows, { byDefault: 3_000_000, min: 1_000, max: 1_000_000_000 });
    const seconds = numberFlag("seconds", values.seconds, { byDefault: 15, min: 0, max: 86_400 });
    const folder = await makePrivateFolder(context.world, "demo");
    try {
      return await runDemo(context, { rows, seconds, keep: values.keep, folder });
    } finally {
      await context.world.disk.remove(folder, { recursive: true });
    }
  },
};

interface DemoOptions {
  readonly rows: number;
  readonly seconds: number;
  readonly keep: boolean;
  readonly folder: string;
}

async function runDemo(context: CommandContext, { rows, seconds, keep, folder }: DemoOptions): Promise<number> {
  const { world, io, signal } = context;
  const screen = createScreen(io);
  const startedMs = world.clock.monotonicMs();
  const since = (fromMs: number) => (world.clock.monotonicMs() - fromMs) / 1000;

  screen.say("starting a MariaDB source and a MariaDB target");
  const settings = { "innodb-buffer-pool-size": "512M", "innodb-log-file-size": "256M" };
  await using source = await startMariadb(world, { dataFolder: join(folder, "source"), settings });
  await using target = await startMariadb(world, { dataFolder: join(folder, "target"), settings });

  const tables = demoTables(rows);
  screen.say(`making ${grouped(rows)} rows in ${tables.length} tables of ${demoSchemas.length} schemas on the source`);
  const generateMs = world.clock.monotonicMs();
  await generate(source, tables, signal);
  screen.say(`made in ${since(generateMs).toFixed(1)} s`);

  await using cluster = await startCluster(world, folder, { workers: 2 });
  screen.say("starting dm-master and two dm-workers");
  try {
    await writeConfigs(world, folder, source, target);
    await untilReady(world, cluster, signal);
    await cluster.dmctl(["operate-source", "create", join(folder, "source.yaml")], signal);

    // the application's failure ends the demo, too
    await using group = new TaskGroup(signal);
    const working = group.signal;
    const stopWriting = new AbortController();
    const progress = new Progress(world, target, tables);
    const writer = startWriter(context, group, source, tables, stopWriting.signal, (counts) => progress.wrote(counts));
    screen.say(`the application writes from now on; starting task "${task}" (task-mode: all)`);
    const copyMs = world.clock.monotonicMs();
    await cluster.dmctl(["start-task", join(folder, "task.yaml")], working);

    const view = async (phase: DemoView["phase"], worker: string): Promise<DemoView> => ({
      ...(await progress.measure()),
      phase,
      worker,
      elapsedSeconds: since(startedMs),
    });
    const takeOver = await followCopy({ world, cluster, screen, signal: working, view });
    const copySeconds = since(copyMs);
    const copied = tables.reduce((sum, table) => sum + table.rows, 0);
    screen.say(
      `copied ${grouped(copied)} rows in ${copySeconds.toFixed(1)} s: ${grouped(Math.round(copied / copySeconds))} rows/s, with the take-over in between`,
    );

    screen.say(`following the application for ${seconds} s; a column is added meanwhile`);
    await source.sql("ALTER TABLE crm.contact ADD COLUMN rating TINYINT NOT NULL DEFAULT 3 AFTER kind");
    progress.isFollowing = true;
    await followLog({ world, cluster, screen, signal: working, view }, (nowMs, startMs) => nowMs - startMs >= seconds * 1000);
    progress.isFollowing = false;
    stopWriting.abort();
    const written = await writer;
    progress.ended(written);
    screen.say(`the application has stopped after ${grouped(written.transactions)} transactions; waiting until the last one has arrived`);
    const drainMs = world.clock.monotonicMs();
    await followLog({ world, cluster, screen, signal: working, view }, async (_nowMs, _startMs, subtask) => {
      const sync = subtask?.sync;
      const isAtEnd = sync !== undefined && (sync.synced || (sync.syncerBinlog !== "" && sync.syncerBinlog === sync.masterBinlog));
      return isAtEnd && (await progress.heartbeat()) >= written.heartbeat;
    });
    const drainSeconds = since(drainMs);

    screen.say("comparing every row of both sides");
    const compareMs = world.clock.monotonicMs();
    const results = await compareSchemas(source, target, demoSchemas, {
      signal,
      onProgress: (pair, done) => screen.draw([`  ${pair.source.schema}.${pair.source.name}: ${grouped(done)} rows compared`]),
    });
    screen.clear();
    const isEqual = results.every(({ equal }) => equal) && results.length === tables.length + 1;
    showVerdict(screen, results, {
      copied,
      copySeconds,
      takeOver,
      transactions: written.transactions,
      lagMaxMs: progress.lagMaxMs,
      drainSeconds,
      compareSeconds: since(compareMs),
      wholeSeconds: since(startedMs),
      isEqual,
    });
    if (keep) {
      showCommands(screen, cluster, source, target);
      await world.clock.sleep(keepMs, signal).catch(() => {}); // Ctrl-C is the way out, and the verdict stands
    }
    return isEqual ? 0 : 1;
  } catch (error) {
    screen.clear();
    if (!signal.aborted) io.err(await cluster.logs());
    throw error;
  }
}

async function generate(source: DatabaseServer, tables: readonly DemoTable[], signal: AbortSignal): Promise<void> {
  await source.sql(
    `${demoSchemas.map((name) => `CREATE DATABASE ${name} CHARACTER SET utf8mb4`).join("; ")}; ${tables.map(({ create }) => create).join("; ")}; ${heartbeatTable}`,
  );
  const pieces: string[] = [];
  const pieceRows = 100_000;
  for (const table of tables)
    for (let from = 1; from <= table.rows; from += pieceRows) pieces.push(table.insert(from, Math.min(table.rows, from + pieceRows - 1)));
  const takePieces = async () => {
    await using session = await openSql(source);
    // these rows are the past: they need not be in the log that is followed
    await session.query("SET SESSION sql_log_bin = 0, SESSION time_zone = '+00:00', NAMES utf8mb4");
    for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) {
      signal.throwIfAborted();
      await session.query(piece);
    }
  };
  await Promise.all([takePieces(), takePieces()]);
}

/** The two files that a user writes for a migration. */
async function writeConfigs(world: World, folder: string, source: DatabaseServer, target: DatabaseServer): Promise<void> {
  const endpoint = ({ host, port, user, password }: DatabaseServer) =>
    `{host: "${host}", port: ${port}, user: "${user}", password: "${password}"}`;
  await world.disk.writeFileAtomic(join(folder, "source.yaml"), `source-id: "${sourceId}"\nfrom: ${endpoint(source)}\n`);
  await world.disk.writeFileAtomic(
    join(folder, "task.yaml"),
    [
      `name: "${task}"`,
      "task-mode: all",
      `target-database: ${endpoint(target)}`,
      "mysql-instances:",
      `  - {source-id: "${sourceId}", block-allow-list: demo}`,
      `block-allow-list: {demo: {do-dbs: [${demoSchemas.map((name) => `"${name}"`).join(", ")}]}}`,
      "",
    ].join("\n"),
  );
}

async function untilReady(world: World, cluster: DmCluster, signal: AbortSignal): Promise<void> {
  const endMs = world.clock.monotonicMs() + 60_000;
  for (;;) {
    const answer = await cluster.ask(["list-member", "--worker"], signal);
    const workers = answer?.members?.flatMap(({ worker }) => worker?.workers ?? []) ?? [];
    if (workers.filter(({ stage }) => stage !== "offline").length === cluster.workers.length) return;
    for (const each of [cluster.master, ...cluster.workers]) if (!each.isRunning) throw new Error(`${each.name} has ended by itself`);
    if (world.clock.monotonicMs() > endMs) throw new Error("the workers did not join within 60 s");
    await world.clock.sleep(200, signal);
  }
}

function startWriter(
  { world }: CommandContext,
  group: TaskGroup,
  source: DatabaseServer,
  tables: readonly DemoTable[],
  stop: AbortSignal,
  onCommit: (counts: WriterCounts) => void,
): Promise<WriterCounts> {
  const rowsOf = (name: string) => tables.find((table) => table.name === name)?.rows ?? 1;
  const done = Promise.withResolvers<WriterCounts>();
  done.promise.catch(() => {}); // the group tells, too
  group.spawn(async (signal) => {
    try {
      const options = {
        random: world.random.fork("demo-writer"),
        customers: rowsOf("customer"),
        orders: rowsOf("ord"),
        products: rowsOf("product"),
        transactionsPerSecond: 250,
        stop: AbortSignal.any([stop, signal]),
      };
      done.resolve(await runWriter(world, source, options, onCommit));
    } catch (error) {
      done.reject(error);
      throw error;
    }
  });
  return done.promise;
}

/** What can be measured from outside: rows in the target by its own statistics, and the lag by the heartbeat. */
class Progress {
  readonly #world: World;
  readonly #target: DatabaseServer;
  readonly #tables: readonly DemoTable[];
  readonly #startedMs: number;
  #written: WriterCounts = { transactions: 0, heartbeat: 0 };
  #last: { readonly ms: number; readonly rows: number } | null = null;
  #rowsPerSecond = 0;
  #isFollowing = false;
  #hasEnded = false;
  readonly #lagsMs: number[] = [];

  constructor(world: World, target: DatabaseServer, tables: readonly DemoTable[]) {
    this.#world = world;
    this.#target = target;
    this.#tables = tables;
    this.#startedMs = world.clock.monotonicMs();
  }

  /** No more is written: when the last heartbeat is there, nothing lags. */
  ended(counts: WriterCounts): void {
    this.#written = counts;
    this.#hasEnded = true;
  }

  wrote(counts: WriterCounts): void {
    this.#written = counts;
  }

  /** From now until `false` the lag is one of replication, not of the copy. */
  set isFollowing(value: boolean) {
    this.#isFollowing = value;
  }

  /** The longest lag in the second half of the time of following: the first half catches up with what the copy left. */
  get lagMaxMs(): number {
    return Math.max(0, ...this.#lagsMs.slice(this.#lagsMs.length >> 1));
  }

  async heartbeat(): Promise<number> {
    const [row] = await sql(this.#target, "SELECT beat FROM shop.heartbeat WHERE id = 1").catch(() => []);
    return Number(row?.["beat"] ?? 0);
  }

  async measure(): Promise<Omit<DemoView, "phase" | "worker" | "elapsedSeconds">> {
    const schemas = demoSchemas.map((name) => `'${name}'`).join(", ");
    const counted = await sql(
      this.#target,
      `SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) n, TABLE_ROWS r FROM information_schema.TABLES WHERE TABLE_SCHEMA IN (${schemas})`,
    );
    const rowsOf = new Map(counted.map((row) => [row["n"], Number(row["r"])]));
    const [beat] = await sql(this.#target, "SELECT beat, at_ms FROM shop.heartbeat WHERE id = 1").catch(() => []); // not there yet
    const nowMs = this.#world.clock.monotonicMs();
    const tables = this.#tables.map(({ schema, name, rows }) => ({
      name: `${schema}.${name}`,
      rows: Math.min(rows, rowsOf.get(`${schema}.${name}`) ?? 0),
      totalRows: rows,
    }));
    const rows = tables.reduce((sum, table) => sum + table.rows, 0);
    const total = tables.reduce((sum, table) => sum + table.totalRows, 0);
    if (this.#last !== null && nowMs > this.#last.ms) {
      const rate = Math.max(0, ((rows - this.#last.rows) / (nowMs - this.#last.ms)) * 1000);
      this.#rowsPerSecond = this.#rowsPerSecond === 0 ? rate : this.#rowsPerSecond * 0.6 + rate * 0.4;
    }
    this.#last = { ms: nowMs, rows };
    const isLast = this.#hasEnded && Number(beat?.["beat"]) >= this.#written.heartbeat;
    const lagMs = beat === undefined ? null : isLast ? 0 : Math.max(0, this.#world.clock.nowMs() - Number(beat["at_ms"]));
    if (this.#isFollowing && lagMs !== null) this.#lagsMs.push(lagMs);
    return {
      tables,
      rowsPerSecond: this.#rowsPerSecond,
      etaSeconds: this.#rowsPerSecond > 0 && rows < total ? (total - rows) / this.#rowsPerSecond : null,
      written: {
        transactions: this.#written.transactions,
        perSecond: this.#written.transactions / Math.max(0.001, (nowMs - this.#startedMs) / 1000),
      },
      lagMs,
    };
  }
}

interface Following {
  readonly world: World;
  readonly cluster: DmCluster;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  readonly view: (phase: DemoView["phase"], worker: string) => Promise<DemoView>;
}

/** The subtask as dmctl shows it; throws with its error when it is paused by one. */
async function askStatus({ cluster, signal }: Following): Promise<{ worker: string; subtask: SubTaskAnswer | undefined }> {
  const answer = await cluster.ask(["query-status", task], signal);
  const [first] = answer?.sources ?? [];
  const subtask = first?.subTaskStatus?.[0];
  const [error] = subtask?.result?.errors ?? [];
  if (subtask?.stage === "Paused" && error !== undefined)
    throw new Error(
      `the task is paused by an error: ${error.ErrCode} ${error.Message}${error.RawCause === "" ? "" : `: ${error.RawCause}`}`,
    );
  return { worker: first?.sourceStatus?.worker ?? "", subtask };
}

const rowsIn = (view: DemoView) => view.tables.reduce((sum, table) => sum + table.rows, 0);
const partOf = (view: DemoView) =>
  rowsIn(view) /
  Math.max(
    1,
    view.tables.reduce((sum, table) => sum + table.totalRows, 0),
  );

interface TakeOver {
  /** Part of the rows that was in the target when the worker was killed, rows of its open transactions included. */
  readonly killedAt: number;
  /** What of it was committed, so that the next worker found it. */
  readonly keptPart: number;
  /** From the kill until rows arrive again. */
  readonly seconds: number;
}

/** Until the copy is over; kills the worker that copies when a part of the rows is there, and sees who goes on. */
async function followCopy(following: Following): Promise<TakeOver> {
  const { world, cluster, screen, signal } = following;
  let killed: { readonly process: ClusterProcess; readonly part: number; readonly atMs: number } | null = null;
  let takeOver: TakeOver | null = null;
  let lowest = Number.POSITIVE_INFINITY; // since the kill
  let previous = 0;
  let changedMs = world.clock.monotonicMs();
  let status = await askStatus(following);
  for (let look = 1; ; look++) {
    if (look % looksPerPoll === 0) status = await askStatus(following);
    const { worker, subtask } = status;
    const isCopied = subtask?.unit === "Sync";
    const view = await following.view("copying", worker === "" ? "none at the moment" : worker);
    screen.show(view);
    const nowMs = world.clock.monotonicMs();
    const part = partOf(view);
    if (part !== previous) changedMs = nowMs;
    if (nowMs - changedMs > stallTimeoutMs) throw new Error(`no progress of the copy for ${stallTimeoutMs / 1000} s`);
    if (killed === null && part >= killAt && !isCopied) {
      const process = cluster.workers.find(({ name }) => name === worker);
      if (process !== undefined) {
        await process.kill("SIGKILL");
        killed = { process, part, atMs: nowMs };
        screen.say(`kill -9 ${process.name} in the middle of the copy, at ${percent(part)}`);
        status = await askStatus(following);
      }
    } else if (killed !== null && takeOver === null) {
      const isRising = part > previous && part > lowest;
      lowest = Math.min(lowest, part); // the target rolls back what the dead worker had not committed
      if (worker !== killed.process.name && worker !== "" && (isRising || isCopied)) {
        takeOver = { killedAt: killed.part, keptPart: lowest, seconds: (nowMs - killed.atMs) / 1000 };
        screen.say(
          `${worker} goes on after ${takeOver.seconds.toFixed(1)} s with the ${percent(lowest)} that were committed; starting ${killed.process.name} again as the spare one`,
        );
        await killed.process.start();
      }
    }
    previous = part;
    if (isCopied && (killed === null || takeOver !== null)) {
      screen.clear();
      if (takeOver === null) throw new Error("the copy was over before the worker could be killed: give more --rows");
      return takeOver;
    }
    await world.clock.sleep(pollMs / looksPerPoll, signal);
  }
}

async function followLog(
  following: Following,
  isDone: (nowMs: number, startMs: number, subtask: SubTaskAnswer | undefined) => boolean | Promise<boolean>,
): Promise<void> {
  const { world, screen, signal } = following;
  const startMs = world.clock.monotonicMs();
  for (;;) {
    const { worker, subtask } = await askStatus(following);
    screen.show(await following.view("following", worker));
    const nowMs = world.clock.monotonicMs();
    if (await isDone(nowMs, startMs, subtask)) break;
    if (nowMs - startMs > 24 * 3_600_000) throw new Error("not done within a day");
    await world.clock.sleep(pollMs, signal);
  }
  screen.clear();
}

interface VerdictFigures {
  readonly copied: number;
  readonly copySeconds: number;
  readonly takeOver: TakeOver;
  readonly transactions: number;
  readonly lagMaxMs: number;
  readonly drainSeconds: number;
  readonly compareSeconds: number;
  readonly wholeSeconds: number;
  readonly isEqual: boolean;
}

function showVerdict(screen: Screen, results: readonly TableComparison[], figures: VerdictFigures): void {
  const { takeOver } = figures;
  const rows = results.reduce((sum, { sourceRows }) => sum + sourceRows, 0);
  for (const result of results) {
    const name = `${result.pair.source.schema}.${result.pair.source.name}`;
    screen.say(
      result.equal
        ? `  ✓ ${name}: ${grouped(result.sourceRows)} rows, all equal`
        : `  ✗ ${name}: ${result.problem ?? `${grouped(result.differenceCount)} rows differ (source ${grouped(result.sourceRows)}, target ${grouped(result.targetRows)})`}`,
    );
    for (const difference of result.differences.slice(0, 5)) {
      const columns = difference.columns.map((column) => `${column.name}: ${column.source} → ${column.target}`).join("; ");
      screen.say(`      ${difference.kind}: ${difference.row}${columns === "" ? "" : ` (${columns})`}`);
    }
  }
  screen.say(
    [
      figures.isEqual ? "EQUAL: every row of the source is in the target, and nothing else." : "NOT EQUAL: see the rows above.",
      `  copy        ${grouped(figures.copied)} rows in ${figures.copySeconds.toFixed(1)} s`,
      `  take-over   ${takeOver.seconds.toFixed(1)} s after kill -9 at ${percent(takeOver.killedAt)}, from the ${percent(takeOver.keptPart)} that were committed`,
      `  meanwhile   ${grouped(figures.transactions)} transactions of the application, the last ones applied ${figures.drainSeconds.toFixed(1)} s after it stopped`,
      `  lag         at most ${Math.round(figures.lagMaxMs)} ms while following`,
      `  compared    ${grouped(rows)} rows on both sides in ${figures.compareSeconds.toFixed(1)} s`,
      `  all in all  ${figures.wholeSeconds.toFixed(0)} s`,
    ].join("\n"),
  );
}

function showCommands(screen: Screen, cluster: DmCluster, source: DatabaseServer, target: DatabaseServer): void {
  const dmctl = `bin/dmctl --master-addr ${cluster.master.address}`;
  const client = ({ port, user, password }: DatabaseServer) => `mariadb -h 127.0.0.1 -P ${port} -u ${user} -p${password}`;
  screen.say(
    [
      "everything is left running; from another terminal, in this folder:",
      `  ${dmctl} query-status ${task}`,
      `  ${dmctl} list-member`,
      `  ${dmctl} pause-task ${task}`,
      `  ${dmctl} resume-task ${task}`,
      `  ${client(source)}   # the source`,
      `  ${client(target)}   # the target`,
      "Ctrl-C ends it",
    ].join("\n"),
  );
}
