import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { binlogTools } from "../tools.ts";
import { BinlogDecoder, eventType } from "./decoder.ts";
import type { BinlogEvent } from "./events.ts";

/** An event with its header; `end` is the offset of its end as the log has it, 32 bits. */
function event(type: number, body: Buffer, end: number, options: { flags?: number; checksum?: boolean; timestamp?: number } = {}): Buffer {
  const size = 19 + body.length + (options.checksum === true ? 4 : 0);
  const bytes = Buffer.alloc(size);
  bytes.writeUInt32LE(options.timestamp ?? 1_700_000_000, 0);
  bytes[4] = type;
  bytes.writeUInt32LE(1, 5);
  bytes.writeUInt32LE(size, 9);
  bytes.writeUInt32LE(end % 2 ** 32, 13);
  bytes.writeUInt16LE(options.flags ?? 0, 17);
  body.copy(bytes, 19);
  if (options.checksum === true) bytes.writeUInt32LE(crc32(bytes.subarray(0, size - 4)), size - 4);
  return bytes;
}

const xid = Buffer.alloc(8, 1);
const query = (sql: string) => Buffer.concat([Buffer.alloc(13), Buffer.from([0]), Buffer.from(sql)]);

function decoder(offset = 4, fromFile = false) {
  return new BinlogDecoder({
    tools: binlogTools,
    fromFile,
    start: { file: "mysql-bin.000001", offset, gtidSet: null },
    eventBytesMax: 1 << 20,
  });
}

describe("offsets", () => {
  test("go on over 4 GiB, where the log's own offsets begin anew", () => {
    const start = 2 ** 32 - 40;
    const stream = decoder(start);
    let offset = start;
    for (let index = 0; index < 5; index++) {
      offset += 27;
      const decoded = stream.decode(event(eventType.xid, xid, offset)) as BinlogEvent;
      expect(decoded.end.offset).toBe(offset);
      expect(decoded.startOffset).toBe(offset - 27);
    }
    // A gap: the server left something out.
    expect((stream.decode(event(eventType.xid, xid, offset + 1000)) as BinlogEvent).end.offset).toBe(offset + 1000);
  });

  test("what the server makes up does not move them; a rotation does", () => {
    const stream = decoder(500);
    const rotation = (offset: bigint, file: string) => {
      const body = Buffer.alloc(8 + file.length);
      body.writeBigUInt64LE(offset);
      body.write(file, 8);
      return body;
    };
    expect(stream.decode(event(eventType.rotate, rotation(500n, "mysql-bin.000001"), 0, { flags: 0x20, timestamp: 0 }))).toMatchObject({
      isArtificial: true,
      end: { offset: 500 },
    });
    expect(stream.decode(event(eventType.heartbeat, Buffer.from("mysql-bin.000001"), 500))).toMatchObject({
      kind: "heartbeat",
      end: { offset: 500 },
    });
    expect(stream.decode(event(eventType.rotate, rotation(4n, "mysql-bin.000002"), 547))).toMatchObject({
      end: { file: "mysql-bin.000002", offset: 4 },
    });
    expect(() => stream.decode(event(eventType.rotate, rotation(4n, "../../etc/passwd"), 600))).toThrow(/proper name/);
  });
});

describe("transactions end", () => {
  const kinds = (...sqls: string[]) => {
    const stream = decoder();
    return sqls.map((sql) => (stream.decode(event(eventType.query, query(sql), 0)) as BinlogEvent).endsTransaction);
  };
  test("with COMMIT and ROLLBACK, not with savepoints", () => {
    expect(kinds("BEGIN", "SAVEPOINT a", "INSERT INTO t VALUES (1)", "ROLLBACK TO a", "rollback work to a", "COMMIT")).toEqual([
      false,
      false,
      false,
      false,
      false,
      true,
    ]);
    expect(kinds("BEGIN", "ROLLBACK")).toEqual([false, true]);
  });
  test("with each DDL by itself, and with the rows of CREATE … SELECT", () => {
    expect(kinds("CREATE TABLE t (a INT)", "DROP TABLE t")).toEqual([true, true]);
    expect(kinds("CREATE TABLE t (a INT) START TRANSACTION", "x", "COMMIT")).toEqual([false, false, true]);
  });
  test("with XA COMMIT and XA ROLLBACK", () => {
    expect(kinds("XA START X'61'", "XA END X'61'", "XA COMMIT X'61'")).toEqual([false, false, true]);
  });
});

describe("statements that were logged as text are seen and explained", () => {
  test.each([
    [eventType.intvar, Buffer.from([2, 7, 0, 0, 0, 0, 0, 0, 0]), { what: "intvar", detail: "INSERT_ID = 7" }],
    [eventType.rand, Buffer.alloc(16), { what: "rand" }],
    [eventType.userVariable, Buffer.from([1, 0, 0, 0, 118, 1]), { what: "userVariable", detail: "@v" }],
    [eventType.executeLoadQuery, Buffer.alloc(26), { what: "loadData" }],
  ])("event %i", (type, body, expected) => {
    expect(decoder().decode(event(type, body, 100))).toMatchObject({ kind: "statementContext", ...expected });
  });
});

describe("what cannot be", () => {
  test.each([
    ["a size that is not the event's", Buffer.concat([event(eventType.xid, xid, 31), Buffer.from([0])]), /says 27 bytes and has 28/],
    ["less than a header", Buffer.alloc(7), /event of 7 bytes/],
    ["a type from the future", event(99, Buffer.alloc(4), 27), /type 99/],
    [
      "rows of a table that nobody named",
      event(eventType.writeRowsV1, Buffer.from([1, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0]), 34),
      /table number 1/,
    ],
    [
      "a table of a million columns",
      event(eventType.tableMap, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 1, 97, 0, 1, 98, 0, 0xfd, 64, 66, 15]), 41),
      /1000000 columns/,
    ],
    ["an empty xid", event(eventType.xid, Buffer.alloc(0), 23), /cannot be read/],
  ])("%s is refused", (_what, bytes, message) => {
    expect(() => decoder().decode(bytes)).toThrow(message);
  });

  test("events that are marked as ignorable are passed over", () => {
    expect(decoder().decode(event(99, Buffer.alloc(4), 27, { flags: 0x80 }))).toMatchObject({ kind: "other", type: 99 });
  });

  test("an encrypted file is named as such", () => {
    expect(() => decoder(4, true).decode(event(eventType.startEncryption, Buffer.alloc(17), 40))).toThrow(/encrypted/);
  });

  test("a wrong checksum", () => {
    const stream = new BinlogDecoder({
      tools: binlogTools,
      fromFile: false,
      start: { file: "f.000001", offset: 4, gtidSet: null },
      hasChecksums: true,
      eventBytesMax: 1 << 20,
    });
    const good = event(eventType.xid, xid, 35, { checksum: true });
    expect(stream.decode(good)).toMatchObject({ kind: "xid" });
    good[20] = 9;
    expect(() => stream.decode(good)).toThrow("binlog checksum mismatch, data may be corrupted");
  });
});
