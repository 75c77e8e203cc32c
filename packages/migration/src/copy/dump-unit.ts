/** `task-mode: dump`: one consistent snapshot into files of the documented layout. It cannot go on elsewhere; it begins again. */
import { TaskGroup, type World } from "@skein/base";
import { type Connection, MysqlServerError, quoteIdentifier } from "@skein/mysql";
import type { SubtaskConfig } from "../config/subtask-config.ts";
import { dmErrors } from "../errors.ts";
import { createTableFilter } from "../filter/core/table-filter.ts";
import { bytesOf, textLiteral } from "../target/core/meta-tables.ts";
import type { Unit, UnitStatus } from "../unit.ts";
import { copyColumns } from "./core/columns.ts";
import { dumpFileName, formatMetadata } from "./core/dump-files.ts";
import { createRowEncoder } from "./core/encode-rows.ts";
import { type DumperArguments, parseExtraArguments } from "./core/extra-args.ts";
import { etaSeconds, RateMeter } from "./core/rate.ts";
import { openSnapshot } from "./snapshot.ts";
import { endOfLog, listTables, openSource, readDefinition, type SourceTable, sourceTable } from "./source.ts";

const fileHead = "/*!40101 SET NAMES binary*/;\n";
const defaultStatementBytes = 1_000_000;

export function createDumpUnit(world: World, config: SubtaskConfig): Unit {
  return new DumpUnit(world, config);
}

class DumpUnit implements Unit {
  readonly kind = "Dump";
  readonly #world: World;
  readonly #config: SubtaskConfig;
  readonly #meter = new RateMeter();
  readonly #cut = new AbortController();
  #ended: Promise<void> = Promise.resolve();
  #tables: readonly SourceTable[] = [];
  #completed = 0;
  #rows = 0;
  #bytes = 0;

  constructor(world: World, config: SubtaskConfig) {
    this.#world = world;
    this.#config = config;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    try {
      await this.#dump(AbortSignal.any([signal, this.#cut.signal]));
    } catch (error) {
      if (this.#cut.signal.aborted && !signal.aborted) return;
      if (error instanceof MysqlServerError || (error instanceof Error && error.name === "MysqlConnectionError"))
        throw dmErrors.dumpRun([error.message], error);
      throw error;
    } finally {
      resolve();
    }
  }

  /** A dump that is stopped has to begin again, so there is nothing to wait for. */
  async stop(_graceMs: number): Promise<void> {
    this.#cut.abort(new DOMException("the dump is told to stop", "AbortError"));
    await this.#ended;
  }

  status(): UnitStatus {
    const rates = this.#meter.rates(this.#world.clock.monotonicMs(), this.#rows, this.#bytes);
    const total = this.#tables.reduce((sum, { rowsEstimate }) => sum + rowsEstimate, 0);
    return {
      kind: "Dump",
      dump: {
        ...rates,
        etaSeconds: etaSeconds(total - this.#rows, rates.rowsPerSecond),
        blocker: null,
        totalTables: this.#tables.length,
        completedTables: this.#completed,
        finishedBytes: this.#bytes,
        finishedRows: this.#rows,
        estimateTotalRows: total,
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cut.abort(new DOMException("the unit is closed", "AbortError"));
    await this.#ended;
  }

  async #dump(signal: AbortSignal): Promise<void> {
    const { disk, clock } = this.#world;
    const folder = this.#config.loader.dir;
    let asked: DumperArguments;
    try {
      asked = parseExtraArguments(this.#config.dumper.extraArgs);
    } catch (error) {
      throw dmErrors.dumpRun([(error as Error).message], error);
    }
    await disk.remove(folder, { recursive: true });
    await disk.makeFolder(folder);
    const started = timeText(clock.nowMs());
    const filter = createTableFilter(this.#config.blockAllowList, { caseSensitive: this.#config.caseSensitive });
    await using control = await openSource(this.#world, this.#config.from, signal);
    this.#tables = (await listTables(control, signal)).filter(({ schema, table }) => {
      if (asked.tables.length > 0) return asked.tables.includes(`${schema}.${table}`);
      return filter.tableAllowed(schema, table) && (asked.databases.length === 0 || asked.databases.includes(schema));
    });
    const threads = asked.threads ?? this.#config.dumper.threads;
    await using snapshot = await openSnapshot(
      this.#world,
      this.#config,
      { consistency: asked.consistency ?? "auto", connections: threads, tables: this.#tables },
      signal,
    );
    for (const schema of new Set(this.#tables.map((table) => table.schema))) {
      const { rows } = await control.query(
        `SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${textLiteral(schema)}`,
        signal,
      );
      const [charset, collation] = rows[0] ?? [];
      const text = `${fileHead}CREATE DATABASE ${quoteIdentifier(schema)} DEFAULT CHARACTER SET ${charset ?? "utf8mb4"} COLLATE ${collation ?? "utf8mb4_general_ci"};\n`;
      await disk.writeFileAtomic(`${folder}/${dumpFileName({ kind: "schema", schema })}`, text);
    }
    const waiting = [...this.#tables];
    await using group = new TaskGroup(signal);
    for (const connection of snapshot.connections) {
      group.spawn(async (inner) => {
        for (let table = waiting.shift(); table !== undefined; table = waiting.shift()) {
          await this.#dumpTable(connection, folder, table, asked, inner);
          this.#completed++;
        }
      });
    }
    await group.join();
    const after = snapshot.isExact ? null : await endOfLog(control, signal);
    // Last: a folder with metadata is a whole dump.
    await disk.writeFileAtomic(
      `${folder}/metadata`,
      formatMetadata(started, timeText(clock.nowMs()), { position: snapshot.position, after }),
    );
  }

  async #dumpTable(
    connection: Connection,
    folder: string,
    { schema, table }: SourceTable,
    asked: DumperArguments,
    signal: AbortSignal,
  ): Promise<void> {
    const { disk, clock } = this.#world;
    const source = await readDefinition(connection, schema, table, signal);
    if (source === null) return; // dropped since it was listed
    await disk.writeFileAtomic(
      `${folder}/${dumpFileName({ kind: "table", schema, table })}`,
      `${fileHead}SET FOREIGN_KEY_CHECKS=0;\n${source.text};\n`,
    );
    const columns = copyColumns(source.definition, null, []);
    if ("missing" in columns) return;
    const where = asked.where || this.#config.dumper.where;
    const encoder = createRowEncoder(columns.encoded, {
      format: "sql",
      constants: [],
      head: `INSERT INTO ${quoteIdentifier(bytesOf(table))} (${columns.insert}) VALUES\n`,
      separator: ",\n",
      tail: ";\n",
      pieceBytes: asked.statementBytes ?? (this.#config.dumper.statementSizeBytes || defaultStatementBytes),
    });
    const fileBytesMax = asked.fileBytes ?? this.#config.dumper.chunkFilesizeBytes;
    const rowsMax = asked.rows ?? (this.#config.dumper.rows || Number.POSITIVE_INFINITY);
    let chunk = 0;
    let file: Awaited<ReturnType<typeof disk.open>> | null = null;
    let offset = 0;
    let rowsInFile = 0;
    const close = async () => {
      await file?.sync();
      await file?.close();
      file = null;
    };
    const write = async (piece: Buffer) => {
      if (file !== null && (offset >= fileBytesMax || rowsInFile >= rowsMax)) await close();
      if (file === null) {
        const number = `${String(chunk++).padStart(9, "0")}0000`;
        file = await disk.open(`${folder}/${dumpFileName({ kind: "data", schema, table, number })}`, { create: true });
        await file.write(0, Buffer.from(fileHead));
        offset = fileHead.length;
        rowsInFile = 0;
      }
      await file.write(offset, piece);
      offset += piece.length;
    };
    try {
      const sql = `SELECT ${columns.select} FROM ${sourceTable(schema, table)}${where === "" ? "" : ` WHERE ${bytesOf(where)}`}`;
      for await (const batch of connection.streamRows(sql, { signal })) {
        for (let from = 0; from < batch.count; ) {
          from = encoder.add(batch, from);
          if (!encoder.isFull) continue;
          const count = encoder.rowCount;
          const piece = encoder.take();
          if (piece !== null) await write(piece);
          rowsInFile += count;
        }
        this.#rows += batch.count;
        this.#bytes += (batch.ends.at(-1) ?? 0) - (batch.starts[0] ?? 0);
        this.#meter.note(clock.monotonicMs(), this.#rows, this.#bytes);
      }
      const last = encoder.take();
      if (last !== null) await write(last);
    } finally {
      await close();
    }
  }
}

/** `2024-01-31 23:59:59`, UTC. */
function timeText(nowMs: number): string {
  // The calendar by arithmetic: the World brings milliseconds only.
  const seconds = Math.floor(nowMs / 1000);
  const days = Math.floor(seconds / 86_400);
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const year = Math.floor((dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365);
  const dayOfYear = dayOfEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1;
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const two = (value: number) => String(value).padStart(2, "0");
  const rest = seconds % 86_400;
  return `${year + era * 400 + (month <= 2 ? 1 : 0)}-${two(month)}-${two(day)} ${two(Math.floor(rest / 3600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`;
}
