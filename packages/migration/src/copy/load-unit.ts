/**
 * `task-mode: load` and `load&sync`: the files of a dump into the target. Progress is a file's offset, committed in the target with
 * the rows before it; a worker that has the files goes on from there.
 */
import { TaskGroup, type World } from "@skein/base";
import { formatPosition, type Position, parseCreateTable, quoteByteString, quoteIdentifier, type TableDefinition } from "@skein/mysql";
import type { SubtaskConfig } from "../config/subtask-config.ts";
import { dmErrors } from "../errors.ts";
import { createRouter, type Route } from "../filter/core/router.ts";
import { createTableFilter } from "../filter/core/table-filter.ts";
import { bytesOf, metaTable, textLiteral, textOf } from "../target/core/meta-tables.ts";
import { openTarget, type Target } from "../target/target.ts";
import type { Unit, UnitStatus } from "../unit.ts";
import { createCopyStore, createCopyTables } from "./copy-store.ts";
import { type DumpMetadata, parseDumpFileName, parseMetadata } from "./core/dump-files.ts";
import { etaSeconds, RateMeter } from "./core/rate.ts";
import { rewriteInsert, SqlSplitter } from "./core/split-sql.ts";
import { createSchema, prepareTargetTable, targetName } from "./structures.ts";

const blockBytes = 256 * 1024;
const transactionBytes = 8 * 1024 * 1024;
const statementBytesMax = 256 * 1024 * 1024;
const metadataBytesMax = 16 * 1024 * 1024;
const schemaBytesMax = 64 * 1024 * 1024;
/** More connections give nothing: the target's rate is reached with few. */
const connectionsMax = 16;

interface DataFile {
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  readonly sizeBytes: number;
  doneBytes: number;
}

interface LoadedTable {
  readonly schema: string;
  readonly table: string;
  readonly route: Route;
  readonly definition: TableDefinition;
  readonly isNew: boolean;
}

export function createLoadUnit(world: World, config: SubtaskConfig, options: { readonly worker: string }): Unit {
  return new LoadUnit(world, config, options);
}

class LoadUnit implements Unit {
  readonly kind = "Load";
  readonly #world: World;
  readonly #config: SubtaskConfig;
  readonly #worker: string;
  readonly #meter = new RateMeter();
  readonly #cut = new AbortController();
  #ended: Promise<void> = Promise.resolve();
  #target: Target | null = null;
  #stopping = false;
  #files: DataFile[] = [];
  #position: Position | null = null;
  #rows = 0;

  constructor(world: World, config: SubtaskConfig, { worker }: { readonly worker: string }) {
    this.#world = world;
    this.#config = config;
    this.#worker = worker;
  }

  get epoch(): number {
    return this.#target?.epoch ?? 0;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    this.#stopping = false;
    try {
      await this.#load(AbortSignal.any([signal, this.#cut.signal]));
    } catch (error) {
      if (this.#cut.signal.aborted && !signal.aborted) return;
      throw error;
    } finally {
      resolve();
    }
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const timer = this.#world.clock.timer(graceMs, () => this.#cut.abort(new DOMException("the grace to stop is over", "AbortError")));
    await this.#ended;
    timer.cancel();
  }

  status(): UnitStatus {
    const done = this.#files.reduce((sum, { doneBytes }) => sum + doneBytes, 0);
    const total = this.#files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const rates = this.#meter.rates(this.#world.clock.monotonicMs(), this.#rows, done);
    const tables = new Map<string, { doneBytes: number; sizeBytes: number }>();
    for (const file of this.#files) {
      const key = `\`${file.schema}\`.\`${file.table}\``;
      const sum = tables.get(key) ?? { doneBytes: 0, sizeBytes: 0 };
      tables.set(key, { doneBytes: sum.doneBytes + file.doneBytes, sizeBytes: sum.sizeBytes + file.sizeBytes });
    }
    return {
      kind: "Load",
      load: {
        ...rates,
        etaSeconds: etaSeconds(total - done, rates.bytesPerSecond),
        blocker: null,
        finishedBytes: done,
        totalBytes: total,
        finishedRows: this.#rows,
        totalRows: done === 0 ? 0 : Math.round((this.#rows * total) / done),
        metaBinlog: this.#position === null ? "" : formatPosition(this.#position),
        metaBinlogGtid: this.#position?.gtidSet?.toString() ?? "",
        movable: false,
        tables: [...tables].map(([source, sum]) => ({
          source,
          target: source,
          finishedRows: 0,
          totalRows: 0,
          state: sum.doneBytes >= sum.sizeBytes ? "finished" : sum.doneBytes === 0 ? "waiting" : "copying",
        })),
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cut.abort(new DOMException("the unit is closed", "AbortError"));
    await this.#ended;
    await this.#target?.[Symbol.asyncDispose]();
    this.#target = null;
  }

  async #load(signal: AbortSignal): Promise<void> {
    const { disk } = this.#world;
    const config = this.#config;
    const folder = config.loader.dir;
    if ((await disk.stat(folder)) === null) throw dmErrors.loadRun([], new Error(`the folder ${folder} of the dump doesn't exist`));
    const flavor = config.flavor === "mysql" ? "mysql" : "mariadb";
    const metadata = await this.#metadata(folder, flavor);
    this.#position = metadata?.position ?? null;
    const threads = Math.min(connectionsMax, config.loader.poolSize);
    const { to, name, sourceId, metaSchema } = config;
    await this.#target?.[Symbol.asyncDispose]();
    const target = await openTarget(
      this.#world,
      {
        endpoint: { host: to.host, port: to.port, user: to.user, password: to.password, ...(to.tls === null ? {} : { tls: to.tls }) },
        task: name,
        sourceId,
        metaSchema,
        connectionsMax: threads,
        session: to.session,
      },
      { role: "load", worker: this.#worker, signal },
    );
    this.#target = target;
    await target.takeOver(signal);
    const checkpoint = metaTable(metaSchema, name, "loader_checkpoint");
    await target.ensure([...createCopyTables(config), createCheckpointTable(checkpoint)], signal);
    const done = await readOffsets(target, checkpoint, sourceId, signal);

    const tables = await this.#structures(folder, target, flavor, signal);
    this.#files = [];
    for (const fileName of await disk.list(folder)) {
      const file = parseDumpFileName(fileName);
      if (file?.kind !== "data" || !tables.has(`${file.schema}\0${file.table}`)) continue;
      const sizeBytes = (await disk.stat(`${folder}/${fileName}`))?.sizeBytes ?? 0;
      this.#files.push({
        name: fileName,
        schema: file.schema,
        table: file.table,
        sizeBytes,
        doneBytes: Math.min(sizeBytes, done.get(fileName) ?? 0),
      });
    }
    const waiting = this.#files.filter((file) => file.doneBytes < file.sizeBytes);
    await using group = new TaskGroup(signal);
    for (let index = 0; index < threads; index++) {
      group.spawn(async (inner) => {
        for (let file = waiting.shift(); file !== undefined && !this.#stopping; file = waiting.shift()) {
          await this.#loadFile(folder, file, tables.get(`${file.schema}\0${file.table}`) as LoadedTable, target, checkpoint, inner);
        }
      });
    }
    await group.join();
    if (this.#stopping) return;
    if (metadata !== null) await this.#saveWatermarks(target, metadata, tables, flavor);
    if (config.mode === "load&sync" && config.cleanDumpFile) await disk.remove(folder, { recursive: true });
  }

  async #metadata(folder: string, flavor: "mysql" | "mariadb"): Promise<DumpMetadata | null> {
    const path = `${folder}/metadata`;
    if ((await this.#world.disk.stat(path)) === null) throw dmErrors.loadRun([], new Error(`${path} doesn't exist: the dump is not whole`));
    const text = Buffer.from(await this.#world.disk.readFile(path, { limitBytes: metadataBytesMax })).toString("utf8");
    let metadata: DumpMetadata | null;
    try {
      metadata = parseMetadata(text, flavor);
    } catch (error) {
      throw dmErrors.dumpMetadata([(error as Error).message, text.slice(0, 500)], error);
    }
    if (metadata === null && this.#config.mode !== "load") throw dmErrors.dumpLocationMissing([path]);
    return metadata;
  }

  async #structures(folder: string, target: Target, flavor: "mysql" | "mariadb", signal: AbortSignal): Promise<Map<string, LoadedTable>> {
    const { disk } = this.#world;
    const config = this.#config;
    const router = createRouter(config.routes, { caseSensitive: config.caseSensitive, sourceId: config.sourceId });
    const filter = createTableFilter(config.blockAllowList, { caseSensitive: config.caseSensitive });
    const names = await disk.list(folder);
    const defaults = new Map<string, { charset: string; collation: string }>();
    for (const name of names) {
      const file = parseDumpFileName(name);
      if (file?.kind !== "schema") continue;
      const text = Buffer.from(await disk.readFile(`${folder}/${name}`, { limitBytes: schemaBytesMax })).toString("utf8");
      const charset = /CHARACTER SET\s*=?\s*(\w+)/i.exec(text)?.[1];
      const collation = /COLLATE\s*=?\s*(\w+)/i.exec(text)?.[1];
      if (charset !== undefined && collation !== undefined) defaults.set(file.schema, { charset, collation });
    }
    const tables = new Map<string, LoadedTable>();
    for (const name of names) {
      const file = parseDumpFileName(name);
      if (file?.kind !== "table" || !filter.tableAllowed(file.schema, file.table)) continue;
      const bytes = await disk.readFile(`${folder}/${name}`, { limitBytes: schemaBytesMax });
      const create = statementsOf(bytes).find((statement) => /^CREATE\s+TABLE/i.test(statement));
      if (create === undefined) throw dmErrors.loadRun([], new Error(`no CREATE TABLE is in ${name}`));
      const definition = parseCreateTable(textOf(create), { schema: file.schema, flavor });
      const route = router.route(file.schema, file.table);
      await createSchema(target, route.schema, defaults.get(file.schema) ?? null, signal);
      const { isNew } = await prepareTargetTable(target, definition, route, signal);
      tables.set(`${file.schema}\0${file.table}`, { schema: file.schema, table: file.table, route, definition, isNew });
    }
    return tables;
  }

  async #loadFile(
    folder: string,
    file: DataFile,
    table: LoadedTable,
    target: Target,
    checkpoint: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, disk } = this.#world;
    await using handle = await disk.open(`${folder}/${file.name}`, { readOnly: true });
    const begin = file.doneBytes;
    const splitter = new SqlSplitter({ statementBytesMax });
    const rewrite = {
      verb: { replace: "REPLACE", error: "INSERT", ignore: "INSERT IGNORE" }[this.#config.loader.onDuplicateLogical],
      name: targetName(table.route),
      extraNames: table.route.extracted.map(({ column }) => quoteIdentifier(bytesOf(column))),
      extraLiterals: table.route.extracted.map(({ value }) => `_utf8mb4${quoteByteString(bytesOf(value))}`),
    };
    let statements: string[] = [];
    let size = 0;
    const commit = async (offset: number) => {
      const mark =
        `REPLACE INTO ${checkpoint} (id, filename, cp_schema, cp_table, \`offset\`, end_pos) VALUES (${textLiteral(this.#config.sourceId)}, ${textLiteral(file.name)}, ` +
        `${textLiteral(file.schema)}, ${textLiteral(file.table)}, ${offset}, ${file.sizeBytes})`;
      const results = await target.transaction([...statements, mark], {
        signal,
        wasApplied: async (connection) => {
          const { rows } = await connection.query(
            `SELECT 1 FROM ${checkpoint} WHERE id = ${textLiteral(this.#config.sourceId)} AND filename = ${textLiteral(file.name)} AND \`offset\` >= ${offset}`,
          );
          return rows.length > 0;
        },
      });
      this.#rows += (results ?? []).slice(0, -1).reduce((sum, { affectedRows }) => sum + affectedRows, 0);
      statements = [];
      size = 0;
      file.doneBytes = offset;
      this.#meter.note(
        clock.monotonicMs(),
        this.#rows,
        this.#files.reduce((sum, { doneBytes }) => sum + doneBytes, 0),
      );
    };
    const take = async (found: readonly { readonly statement: Buffer; readonly endOffset: number }[]) => {
      for (const { statement, endOffset } of found) {
        const text = statement.toString("latin1");
        const sql = rewriteInsert(text, rewrite);
        if (sql === null) {
          if (isHarmless(text)) continue;
          throw dmErrors.loadRun(
            [],
            new Error(`${file.name}: a statement before offset ${begin + endOffset} is no INSERT that can be loaded`),
          );
        }
        statements.push(sql);
        size += sql.length;
        if (size >= transactionBytes) await commit(begin + endOffset);
        if (this.#stopping && size === 0) return;
      }
    };
    try {
      for (let offset = begin; offset < file.sizeBytes; ) {
        const block = await handle.read(offset, blockBytes);
        if (block.length === 0) break;
        offset += block.length;
        await take(splitter.feed(block));
        if (this.#stopping && size === 0) return;
      }
      await take(splitter.end());
    } catch (error) {
      if (error instanceof RangeError) throw dmErrors.loadRun([], new Error(`${file.name}: ${error.message}`));
      throw error;
    }
    await commit(file.sizeBytes);
  }

  /** So that Sync begins where the dump was taken. */
  async #saveWatermarks(
    target: Target,
    metadata: DumpMetadata,
    tables: ReadonlyMap<string, LoadedTable>,
    flavor: "mysql" | "mariadb",
  ): Promise<void> {
    const store = createCopyStore(target, this.#config, flavor);
    const at = { state: "finished" as const, low: metadata.position, high: metadata.after ?? metadata.position };
    const statements = [
      store.saveTable({ schema: "", table: "", ...at, definition: null, isTargetOurs: false }),
      ...[...tables.values()].map(({ schema, table, definition, isNew }) =>
        store.saveTable({ schema, table, ...at, definition, isTargetOurs: isNew }),
      ),
    ];
    for (let from = 0; from < statements.length; from += 200) {
      const part = statements.slice(from, from + 200);
      await target.transaction(part, { repeat: () => part });
    }
  }
}

function createCheckpointTable(name: string): string {
  return `CREATE TABLE IF NOT EXISTS ${name} (
  \`id\` varchar(64) NOT NULL,
  \`filename\` varchar(255) NOT NULL,
  \`cp_schema\` varchar(128) NOT NULL,
  \`cp_table\` varchar(128) NOT NULL,
  \`offset\` bigint NOT NULL,
  \`end_pos\` bigint NOT NULL,
  \`create_time\` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  \`update_time\` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  PRIMARY KEY (\`id\`,\`filename\`)
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`;
}

async function readOffsets(target: Target, checkpoint: string, sourceId: string, signal: AbortSignal): Promise<Map<string, number>> {
  const { rows } = await target.query(`SELECT filename, \`offset\` FROM ${checkpoint} WHERE id = ${textLiteral(sourceId)}`, signal);
  return new Map(rows.map(([name, offset]) => [textOf(name ?? ""), Number(offset)]));
}

function statementsOf(bytes: Uint8Array): string[] {
  const splitter = new SqlSplitter({ statementBytesMax });
  return [...splitter.feed(bytes), ...splitter.end()].map(({ statement }) => statement.toString("latin1").trim());
}

/** Session settings of the one who dumped; the sessions here have their own. */
function isHarmless(statement: string): boolean {
  const bare = statement.replaceAll(/\/\*(?!!)[^]*?\*\//g, "").trim();
  return (
    bare === "" ||
    /^(?:\/\*!\d*\s*)?(?:SET|ALTER\s+TABLE\s+\S+\s+(?:DIS|EN)ABLE\s+KEYS|LOCK\s+TABLES|UNLOCK\s+TABLES|START\s+TRANSACTION|BEGIN|COMMIT)\b/i.test(
      bare,
    )
  );
}
