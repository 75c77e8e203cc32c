import { join } from "node:path";
import { Duplex, Transform } from "node:stream";
import { crc32 } from "node:zlib";
import { isCodedError, seededRandom, type World } from "@skein/base";
import type { DatabaseServer } from "@skein/servers";
import { describe, expect, test } from "vitest";
import { createRowDecoder, currentPosition, openBinlogStream, openConnection, readBinlogFile } from "../index.ts";
import { worldWithFile } from "../testing/memory-disk.ts";
import { canCompress, endpointOf, families, versionOf, world } from "../testing/servers.ts";
import { casesFor } from "../testing/type-cases.ts";

/** A log with all types, checksums that can be made right again, and compressed parts. */
async function realLog(server: DatabaseServer, family: "mysql" | "mariadb"): Promise<Buffer> {
  await using connection = await openConnection(world, endpointOf(server), { mode: "text", session: { sql_mode: "" } });
  await connection.execute("FLUSH LOGS");
  const { file } = await currentPosition(connection);
  await connection.execute("CREATE DATABASE d CHARACTER SET utf8mb4");
  const compression = family === "mysql" ? "SESSION binlog_transaction_compression" : "GLOBAL log_bin_compress";
  for (const [index, { sql, values }] of casesFor(family, versionOf(server)).entries()) {
    if (canCompress(family, server) && index === 30) await connection.execute(`SET ${compression} = ON`);
    if (canCompress(family, server) && index === 40) await connection.execute(`SET ${compression} = OFF`);
    await connection.execute(`CREATE TABLE d.t${index} (id INT PRIMARY KEY, v ${sql})`);
    const small = values.filter((value) => !value.includes("REPEAT")).map((value, id) => `(${id}, ${value})`);
    if (small.length === 0) continue;
    await connection.execute(`INSERT INTO d.t${index} VALUES ${small.join(",")}`);
    if (family === "mysql") await connection.execute("SET SESSION binlog_row_value_options = PARTIAL_JSON");
    await connection.execute(`UPDATE d.t${index} SET id = id + 1000 ORDER BY id`);
  }
  if (family === "mysql") {
    await connection.execute("CREATE TABLE d.j (id INT PRIMARY KEY, v JSON)");
    await connection.execute(`INSERT INTO d.j VALUES (1, '{"name": "${"long ".repeat(50)}", "list": [1, 2, {"a": "b"}]}')`);
    await connection.execute("UPDATE d.j SET v = JSON_SET(v, '$.list[2].a', 'c', '$.more', 5)");
  }
  await connection.execute("DELETE FROM d.t1");
  await connection.execute("FLUSH LOGS");
  return Buffer.from(await world.disk.readFile(join(server.dataFolder, file)));
}

/** Decodes all of it; returns how many rows, or throws what the reader throws. */
async function decodeWhole(bytes: Buffer): Promise<number> {
  let rows = 0;
  for await (const batch of readBinlogFile(worldWithFile(world, bytes), "/log/mysql-bin.000001", { eventBytesMax: 64 * 1024 * 1024 })) {
    for (const event of batch) if (event.kind === "rows") rows += createRowDecoder(event.table, null).decode(event).length;
  }
  return rows;
}

/** Makes the checksums of all events right again, as far as the events' sizes can be followed. */
function seal(bytes: Buffer): void {
  let at = 4;
  while (at + 23 <= bytes.length) {
    const size = bytes.readUInt32LE(at + 9);
    if (size < 23 || at + size > bytes.length) return;
    bytes.writeUInt32LE(crc32(bytes.subarray(at, at + size - 4)), at + size - 4);
    at += size;
  }
}

describe.each(families)("damaged binlogs of %s", (family, start) => {
  test("end cleanly or with a coded error: cut off, flipped, overwritten, sealed again", async () => {
    await using server = await start({ gtid: true });
    const log = await realLog(server, family);
    const whole = await decodeWhole(log);
    expect(whole).toBeGreaterThan(500);
    const seed = 20_241;
    const random = seededRandom(seed);
    const outcomes = { clean: 0, coded: 0 };
    for (let run = 0; run < 1500; run++) {
      const damaged = Buffer.from(run % 5 === 0 ? log.subarray(0, random.below(log.length)) : log);
      if (run % 5 !== 0) {
        for (let flips = random.between(1, 4); flips > 0; flips--) {
          const at = 4 + random.below(damaged.length - 4);
          const kind = random.below(4);
          if (kind === 0) damaged[at] = (damaged[at] as number) ^ (1 << random.below(8));
          else if (kind === 1) damaged[at] = 0xff;
          else if (kind === 2) damaged.fill(0xff, at, at + random.below(9));
          else damaged.fill(0, at, at + random.below(9));
        }
        if (run % 5 !== 1) seal(damaged);
      }
      try {
        await decodeWhole(damaged);
        outcomes.clean++;
      } catch (error) {
        if (!isCodedError(error)) throw new Error(`seed ${seed}, run ${run}: ${String(error)}`, { cause: error });
        outcomes.coded++;
      }
    }
    expect(outcomes.coded).toBeGreaterThan(300);
    expect(outcomes.clean).toBeGreaterThan(10);
  });
});

describe.each(families)("a stream of %s that is damaged on its way", (_family, start) => {
  test("ends with a coded error or comes through whole, and never hangs", async () => {
    await using server = await start({ gtid: true });
    await using connection = await openConnection(world, endpointOf(server), { mode: "text" });
    const from = await currentPosition(connection);
    await connection.execute("CREATE DATABASE d");
    await connection.execute("CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(100))");
    for (let id = 0; id < 200; id++) await connection.execute(`INSERT INTO d.t VALUES (${id}, REPEAT('v', ${id % 100}))`);
    const seed = 77;
    const outcomes = { whole: 0, coded: 0 };
    for (let run = 0; run < 40; run++) {
      const flipAt = seededRandom(seed, `${run}`).between(600, 30_000);
      const ids: unknown[] = [];
      try {
        const stream = openBinlogStream(flippingWorld(flipAt), endpointOf(server), {
          serverId: 88,
          start: from,
          by: "position",
          untilEnd: true,
          heartbeatMs: 100,
          retryCountMax: 1,
        });
        for await (const batch of stream) {
          for (const event of batch)
            if (event.kind === "rows") for (const row of createRowDecoder(event.table, null).decode(event)) ids.push(row[0]);
        }
        expect(ids).toEqual(Array.from({ length: 200 }, (_, id) => id));
        outcomes.whole++;
      } catch (error) {
        if (!isCodedError(error)) throw new Error(`seed ${seed}, run ${run}: ${String(error)}`, { cause: error });
        expect(ids).toEqual(Array.from({ length: ids.length }, (_, id) => id));
        outcomes.coded++;
      }
    }
    expect(outcomes.coded).toBeGreaterThan(10);
  });
});

/** Flips one bit of what the first connection receives; later ones are sound. */
function flippingWorld(flipAt: number): World {
  let received = 0;
  let isFlipped = false;
  const flip = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      if (!isFlipped && received + chunk.length > flipAt) {
        isFlipped = true;
        chunk[flipAt - received] = (chunk[flipAt - received] as number) ^ 0x10;
      }
      received += chunk.length;
      done(null, chunk);
    },
  });
  let isFirst = true;
  return {
    ...world,
    network: {
      ...world.network,
      connect: async (options) => {
        const socket = await world.network.connect(options);
        if (!isFirst) return socket;
        isFirst = false;
        socket.on("error", () => flip.end());
        return Duplex.from({ readable: socket.pipe(flip), writable: socket });
      },
    },
  };
}
