/**
 * A binlog file into decoded rows, beside MariaDB's own reader printing the same file.
 *
 * Both are processes of their own that read the file from the page cache, start included. Ours checks every checksum and makes
 * every value of every row; the peer checks none unless told, and prints the rows as text to /dev/null. `node bench/binlog.ts FILE`
 * decodes a file and prints how many rows it has.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { nodeWorld } from "@skein/base";
import type { BenchContext, Benchmark } from "@skein/cli";
import { createRowDecoder, type RowDecoder, readBinlogFile, type TableMap } from "@skein/mysql";
import { type DatabaseServer, startMariadb } from "@skein/servers";

const self = fileURLToPath(import.meta.url);

export const benchmark: Benchmark = {
  name: "binlog",
  describe: "A binlog file of 1.6 M row changes into values, beside mariadb-binlog -v.",
  async prepare(context) {
    const { world, folder } = context;
    const file = join(folder, "mysql-bin.000001");
    await using server = await startMariadb(world, { settings: { "innodb-flush-log-at-trx-commit": "0", "sync-binlog": "0" } });
    const rows = await fill(server, context);
    await world.disk.writeFileAtomic(file, await world.disk.readFile(await largestLog(server, context), { limitBytes: 2 ** 31 }));
    const sizeBytes = (await world.disk.stat(file))?.sizeBytes ?? 0;
    const ceiling = await checksumRate(context, file);
    return {
      facts: {
        "row changes": rows,
        "file, MB": Math.round(sizeBytes / 1e6),
        server: server.version,
        "its bytes read and summed, MB/s (ceiling)": ceiling,
      },
      cases: [
        {
          name: "file to rows",
          metrics: [
            { name: "rows", unit: "rows/s", better: "higher" },
            { name: "file", unit: "MB/s", better: "higher" },
          ],
          contenders: [
            { name: "skein", isOurs: true, run: () => timed(context, [process.execPath, self, file], rows, sizeBytes, `${rows}`) },
            { name: "mariadb-binlog -v", isOurs: false, run: () => timed(context, ["mariadb-binlog", "-v", file], rows, sizeBytes) },
          ],
          goals: { "mariadb-binlog -v": { must: 1.2, aim: 2 } },
        },
      ],
      [Symbol.asyncDispose]: async () => {},
    };
  },
};

/** Reading the file and taking a checksum of its bytes: what nobody who checks can leave out. */
async function checksumRate({ world }: BenchContext, path: string): Promise<number> {
  await using file = await world.disk.open(path);
  const blockBytes = 1024 * 1024;
  const startedMs = world.clock.monotonicMs();
  let offset = 0;
  for (let sum = 0; ; ) {
    const block = await file.read(offset, blockBytes);
    if (block.length === 0) break;
    sum = crc32(block, sum);
    offset += block.length;
  }
  return Math.round(offset / 1e6 / ((world.clock.monotonicMs() - startedMs) / 1000));
}

/** 1.2 M rows like sysbench's, 200k rows of fifteen columns, 200k updates of them. */
async function fill(server: DatabaseServer, context: BenchContext): Promise<number> {
  const { scale } = context;
  const narrow = Math.round(1_200_000 * scale);
  const broad = Math.round(200_000 * scale);
  context.say(`writing ${narrow + 2 * broad} row changes`);
  await server.sql("CREATE DATABASE b CHARACTER SET utf8mb4");
  await server.sql(
    "CREATE TABLE b.narrow (id INT PRIMARY KEY AUTO_INCREMENT, k INT NOT NULL, c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL)",
  );
  await server.sql(
    `CREATE TABLE b.broad (id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, a TINYINT, b SMALLINT, c INT UNSIGNED, d BIGINT, e DECIMAL(18,6), f DOUBLE,
     g VARCHAR(100), h VARCHAR(255), i TEXT, j DATE, k DATETIME(6), l TIMESTAMP NULL, m ENUM('new','paid','sent'), n VARBINARY(20))`,
  );
  for (let from = 1; from <= narrow; from += 1000) {
    const to = Math.min(narrow, from + 999);
    await server.sql(
      `INSERT INTO b.narrow (k, c, pad) SELECT seq * 7919 % 1000003, CONCAT_WS('-', MD5(seq), MD5(seq + 1), SHA1(seq)), MD5(seq + 2) FROM seq_${from}_to_${to}`,
      { database: "b" },
    );
  }
  await server.sql(
    `INSERT INTO b.broad SELECT seq, seq % 127, seq % 32767, seq * 65537 % 4294967295, seq * 1000003 * 7919, seq * 1.000123, SQRT(seq), MD5(seq),
     REPEAT(MD5(seq), 3), CONCAT('text ', SHA1(seq)), DATE '2000-01-01' + INTERVAL seq % 9000 DAY, TIMESTAMP '2020-01-01 00:00:00.000001' + INTERVAL seq SECOND,
     TIMESTAMP '2021-01-01 00:00:00' + INTERVAL seq MINUTE, 1 + seq % 3, UNHEX(MD5(seq)) FROM seq_1_to_${broad}`,
    { database: "b" },
  );
  await server.sql("UPDATE b.broad SET a = 1 - a, e = e + 1, k = k + INTERVAL 1 SECOND");
  return narrow + 2 * broad;
}

async function largestLog(server: DatabaseServer, { world }: BenchContext): Promise<string> {
  const [log] = await server.sql("SHOW BINARY LOGS");
  const file = join(server.dataFolder, log?.["Log_name"] ?? "");
  if ((await world.disk.stat(file)) === null) throw new Error(`the server's log is not where it should be: ${file}`);
  return file;
}

async function timed(
  { world, signal }: BenchContext,
  command: readonly string[],
  rows: number,
  sizeBytes: number,
  says?: string,
): Promise<Record<string, number>> {
  const startedMs = world.clock.monotonicMs();
  // Output goes to /dev/null, so that nobody waits for the one who measures; ours prints a line that is checked.
  const result =
    says === undefined
      ? await world.processes.run("sh", ["-c", 'exec "$0" "$@" > /dev/null', ...command], { signal })
      : await world.processes.run(command[0] as string, command.slice(1), { signal });
  const seconds = (world.clock.monotonicMs() - startedMs) / 1000;
  if (result.code !== 0 || (says !== undefined && result.stdout.trim() !== says)) {
    throw new Error(`${command.join(" ")} ended with ${result.code}: ${result.stdout.slice(-200)} ${result.stderr.slice(-500)}`);
  }
  return { rows: rows / seconds, file: sizeBytes / 1e6 / seconds };
}

/** Every value of every row is made; updates count once. */
async function decode(path: string): Promise<number> {
  const decoders = new Map<TableMap, RowDecoder>();
  let changes = 0;
  for await (const batch of readBinlogFile(nodeWorld(), path)) {
    for (const event of batch) {
      if (event.kind !== "rows") continue;
      let decoder = decoders.get(event.table);
      if (decoder === undefined) {
        decoder = createRowDecoder(event.table, null);
        decoders.set(event.table, decoder);
      }
      changes += decoder.decode(event).length / (event.action === "update" ? 2 : 1);
    }
  }
  return changes;
}

if (process.argv[1] === self) {
  const path = process.argv[2];
  if (path === undefined) throw new Error("which file? node bench/binlog.ts FILE");
  process.stdout.write(`${await decode(path)}\n`);
}
