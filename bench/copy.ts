/**
 * A full copy from MariaDB to MariaDB: four tables as sysbench makes them and a wide one, beside mydumper with myloader and the
 * mysqldump pipe. All get the same servers, four threads, and statements of the same order of size; every contender is a process
 * of its own, its start included. Both servers sync their log at every commit.
 *
 * `node bench/copy.ts SCALE RUNS` runs it without the harness.
 */
import { fileURLToPath } from "node:url";
import { nodeWorld } from "@skein/base";
import type { BenchContext, Benchmark, Contender } from "@skein/cli";

import { cpuSecondsOf, cpuSecondsOfEndedChildren, type DatabaseServer, findProgram, startMariadb } from "@skein/servers";
import { createCopyUnit } from "../packages/migration/src/copy/copy-unit.ts";
import { subtask } from "../packages/migration/src/copy/testing/fixture.ts";

const self = fileURLToPath(import.meta.url);
const threads = 4;
/** As `bin/run` starts the worker. */
const launchArguments = ["--max-semi-space-size=8", "--heap-growing-percent=100"];
const compileCache = fileURLToPath(new URL("../.cache/compile", import.meta.url));
const tables = 4;

export const benchmark: Benchmark = {
  name: "copy",
  describe:
    "A full copy of 4 tables like sysbench's (4 M rows) and a wide one, 4 threads, beside mydumper + myloader and mysqldump | mysql.",
  async prepare(context) {
    const { world, scale } = context;
    const settings = { "innodb-buffer-pool-size": "256M", "innodb-flush-log-at-trx-commit": "1" };
    const source = await startMariadb(world, { settings: { ...settings, "log-bin": "mysql-bin" } });
    let target: DatabaseServer;
    try {
      target = await startMariadb(world, { settings: { ...settings, "skip-log-bin": "" } });
    } catch (error) {
      await source[Symbol.asyncDispose]();
      throw error;
    }
    const close = async () => {
      await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()]);
    };
    try {
      const rows = await fill(source, context);
      const ceiling = await serverAlone(target, context);
      const missing = async (program: string) =>
        (await findProgram(world, program)) === null ? { missing: `${program} is not installed` } : {};
      const contenders: Contender[] = [
        { name: "skein", isOurs: true, run: () => measure(context, source, target, rows, () => ours(context, source, target), true) },
        {
          name: "mydumper + myloader",
          isOurs: false,
          ...(await missing("mydumper")),
          run: () => measure(context, source, target, rows, () => mydumper(context, source, target)),
        },
        {
          name: "mysqldump | mysql",
          isOurs: false,
          ...(await missing("mysqldump")),
          run: () => measure(context, source, target, rows, () => pipe(context, source, target)),
        },
      ];
      return {
        facts: { rows, scale, threads, server: source.version, "the target alone inserts, rows/s (ceiling)": ceiling },
        cases: [
          {
            name: "full copy",
            metrics: [
              { name: "wall", unit: "s", better: "lower" },
              { name: "rows", unit: "rows/s", better: "higher" },
              { name: "cpu", unit: "s", better: "lower" },
              { name: "rss peak", unit: "MiB", better: "lower" },
            ],
            contenders,
            goals: { "mydumper + myloader": { must: 1, aim: 1.5 }, "mysqldump | mysql": { must: 3 } },
            limits: { "rss peak": { must: 400, aim: 250 } },
          },
        ],
        [Symbol.asyncDispose]: close,
      };
    } catch (error) {
      await close();
      throw error;
    }
  },
};

/** Rows are written by the server itself, from its sequence engine. */
async function fill(source: DatabaseServer, context: BenchContext): Promise<number> {
  const { scale } = context;
  const narrow = Math.round(1_000_000 * scale);
  const wide = Math.round(200_000 * scale);
  context.say(`writing ${tables * narrow + wide} rows`);
  await source.sql("CREATE DATABASE bench CHARACTER SET utf8mb4");
  const step = 100_000;
  for (let table = 1; table <= tables; table++) {
    await source.sql(
      `CREATE TABLE bench.sbtest${table} (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL DEFAULT 0, c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT '', KEY k (k))`,
    );
    for (let from = 1; from <= narrow; from += step) {
      await source.sql(
        `INSERT INTO bench.sbtest${table} SELECT seq, seq * 7919 % 1000003, CONCAT_WS('-', MD5(seq), MD5(seq + 1), SHA1(seq)), CONCAT(MD5(seq + 2), '-', seq) FROM seq_${from}_to_${Math.min(narrow, from + step - 1)}`,
        { database: "bench" },
      );
    }
  }
  await source.sql(
    `CREATE TABLE bench.wide (id BIGINT UNSIGNED PRIMARY KEY, a TINYINT, b SMALLINT, c INT UNSIGNED, d BIGINT, e DECIMAL(18,6), f DOUBLE, g FLOAT,
     h VARCHAR(100), i VARCHAR(255) CHARACTER SET latin1, j TEXT, k DATE, l DATETIME(6), m TIMESTAMP NULL, n ENUM('new','paid','sent'), o VARBINARY(20), p JSON, KEY (c), KEY (l))`,
  );
  for (let from = 1; from <= wide; from += step) {
    await source.sql(
      `INSERT INTO bench.wide SELECT seq, seq % 127, seq % 32767, seq * 65537 % 4294967295, seq * 1000003 * 7919, seq * 1.000123, SQRT(seq), SQRT(seq), MD5(seq),
       REPEAT(MD5(seq), 3), REPEAT(SHA1(seq), 8), DATE '2000-01-01' + INTERVAL seq % 9000 DAY, TIMESTAMP '2020-01-01 00:00:00.000001' + INTERVAL seq SECOND,
       TIMESTAMP '2021-01-01 00:00:00' + INTERVAL seq MINUTE, 1 + seq % 3, UNHEX(MD5(seq)), JSON_OBJECT('n', seq, 'text', MD5(seq)) FROM seq_${from}_to_${Math.min(wide, from + step - 1)}`,
      { database: "bench" },
    );
  }
  return tables * narrow + wide;
}

/** How fast the target's own sessions insert such rows, two of them without a client that sends any: nobody copies faster. */
async function serverAlone(target: DatabaseServer, context: BenchContext): Promise<number> {
  const rows = Math.max(10_000, Math.round(200_000 * context.scale));
  await target.sql("CREATE DATABASE bench_ceiling CHARACTER SET utf8mb4");
  const names = ["a", "b"];
  for (const name of names)
    await target.sql(
      `CREATE TABLE bench_ceiling.${name} (id INT PRIMARY KEY, k INT NOT NULL, c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL, KEY k (k))`,
    );
  const startedMs = context.world.clock.monotonicMs();
  await Promise.all(
    names.map((name) =>
      target.sql(`INSERT INTO ${name} SELECT seq, seq * 7919 % 1000003, REPEAT('c', 105), REPEAT('p', 40) FROM seq_1_to_${rows}`, {
        database: "bench_ceiling",
      }),
    ),
  );
  const seconds = (context.world.clock.monotonicMs() - startedMs) / 1000;
  await target.sql("DROP DATABASE bench_ceiling");
  return Math.round((names.length * rows) / seconds);
}

/** From an empty target; every row must have come. */
async function measure(
  { world }: BenchContext,
  source: DatabaseServer,
  target: DatabaseServer,
  rows: number,
  run: () => Promise<number | null>,
  isExact = false,
): Promise<Record<string, number>> {
  await target.sql("DROP DATABASE IF EXISTS bench; DROP DATABASE IF EXISTS dm_meta");
  const startedMs = world.clock.monotonicMs();
  const cpuBefore = await cpuSeconds(world, source, target);
  const rssMiB = await run();
  const seconds = (world.clock.monotonicMs() - startedMs) / 1000;
  const cpu = (await cpuSeconds(world, source, target)) - cpuBefore;
  let copied = 0;
  for (const name of [...Array.from({ length: tables }, (_, index) => `sbtest${index + 1}`), "wide"]) {
    // The peers lose digits of FLOAT columns, so only their rows are counted.
    const [sums] = isExact ? await target.sql(`CHECKSUM TABLE bench.${name}`) : [];
    const [expected] = isExact ? await source.sql(`CHECKSUM TABLE bench.${name}`) : [];
    if (sums?.["Checksum"] !== expected?.["Checksum"]) throw new Error(`bench.${name} differs`);
    const [count] = await target.sql(`SELECT COUNT(*) AS n FROM bench.${name}`);
    copied += Number(count?.["n"]);
  }
  if (copied !== rows) throw new Error(`${copied} rows came of ${rows}`);
  return { wall: seconds, rows: rows / seconds, cpu, ...(rssMiB === null ? {} : { "rss peak": rssMiB }) };
}

/** Of both servers, and of every contender's processes that have ended: unlike the wall time, little changed by a busy machine. */
async function cpuSeconds(world: BenchContext["world"], ...servers: readonly DatabaseServer[]): Promise<number> {
  return (
    (await cpuSecondsOf(
      world,
      servers.map(({ pid }) => pid),
    )) + (await cpuSecondsOfEndedChildren(world))
  );
}

async function ours({ world, signal }: BenchContext, source: DatabaseServer, target: DatabaseServer): Promise<number> {
  const servers = JSON.stringify(
    [source, target].map(({ host, port, user, password, family }) => ({ host, port, user, password, family })),
  );
  const result = await world.processes.run(process.execPath, [...launchArguments, ...profileArguments(), self, "ours"], {
    signal,
    env: { SKEIN_BENCH_SERVERS: servers, NODE_COMPILE_CACHE: compileCache },
  });
  if (result.code !== 0) throw new Error(`the copy ended with ${result.code}: ${result.stderr.slice(-1000)}`);
  return Number(result.stdout);
}

function profileArguments(): string[] {
  return process.execArgv.filter((argument) => argument.startsWith("--cpu-prof"));
}

async function mydumper({ world, folder, signal }: BenchContext, source: DatabaseServer, target: DatabaseServer): Promise<null> {
  const output = `${folder}/dump`;
  await world.disk.remove(output, { recursive: true });
  // Neither program takes a password from the environment, and arguments are for all eyes.
  const [from, to] = [`${folder}/mydumper.cnf`, `${folder}/myloader.cnf`];
  for (const [file, { host, port, user, password }] of [
    [from, source],
    [to, target],
  ] as const) {
    const options = [`host=${host}`, `port=${port}`, `user=${user}`, `password=${password}`].join("\n");
    await world.disk.writeFileAtomic(file, `[mydumper]\n${options}\n[myloader]\n${options}\n[client]\n${options}\n`, { mode: 0o600 });
  }
  const script = 'mydumper --defaults-file="$0" -B bench -t 4 -r 200000 -o "$2" && myloader --defaults-file="$1" -t 4 -o -d "$2"';
  return await peer(world, script, [from, to, output], source, target, signal);
}

async function pipe({ world, signal }: BenchContext, source: DatabaseServer, target: DatabaseServer): Promise<null> {
  await target.sql("CREATE DATABASE bench CHARACTER SET utf8mb4");
  const script =
    'MYSQL_PWD="$PW" mysqldump -h "$0" -P "$1" -u "$2" --single-transaction --quick bench | MYSQL_PWD="$PW2" mysql -h "$0" -P "$3" -u "$4" bench';
  return await peer(world, script, [source.host, `${source.port}`, source.user, `${target.port}`, target.user], source, target, signal);
}

/** Runs a peer; its memory is not measured. */
async function peer(
  world: BenchContext["world"],
  script: string,
  args: readonly string[],
  source: DatabaseServer,
  target: DatabaseServer,
  signal: AbortSignal,
): Promise<null> {
  const result = await world.processes.run("bash", ["-c", script, ...args], { signal, env: { PW: source.password, PW2: target.password } });
  if (result.code !== 0) throw new Error(`the peer ended with ${result.code}: ${result.stderr.slice(-1000)}`);
  return null;
}

if (process.argv[1] === self) {
  const world = nodeWorld();
  const never = new AbortController().signal;
  if (process.argv[2] === "ours") {
    const [source, target] = JSON.parse(process.env["SKEIN_BENCH_SERVERS"] ?? "[]") as [DatabaseServer, DatabaseServer];
    await using unit = createCopyUnit(world, subtask(source, target, { dumper: { ...subtask(source, target).dumper, threads } }), {
      worker: "bench",
    });
    await unit.run(never);
    process.stdout.write(`${process.resourceUsage().maxRSS / 1024}\n`);
  } else {
    const folder = await world.processes.run("mktemp", ["-d", "/tmp/skein-bench-XXXXXX"]);
    const context: BenchContext = {
      world,
      signal: never,
      scale: Number(process.argv[2] ?? 0.1),
      folder: folder.stdout.trim(),
      say: (line) => process.stderr.write(`${line}\n`),
    };
    await using prepared = await benchmark.prepare(context);
    for (let run = 0; run < Number(process.argv[3] ?? 1); run++) {
      for (const contender of prepared.cases[0]?.contenders ?? []) {
        if (contender.missing === undefined) process.stdout.write(`${contender.name}: ${JSON.stringify(await contender.run(context))}\n`);
      }
    }
    await world.disk.remove(context.folder, { recursive: true });
  }
}
