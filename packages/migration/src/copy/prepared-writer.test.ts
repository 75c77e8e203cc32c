import type { Connection, PreparedStatement, RowPacketBatch } from "@skein/mysql";
import { MysqlServerError } from "@skein/mysql";
import { expect, test } from "vitest";
import { createRowEncoder } from "./core/encode-rows.ts";
import { type PreparedShape, PreparedStatements, rowsPerStatement, writePrepared } from "./prepared-writer.ts";

const never = new AbortController().signal;

/** One column; row i of a batch is its text. */
function batch(values: readonly string[]): RowPacketBatch {
  const parts = values.map((value) => Buffer.concat([Uint8Array.of(value.length), Buffer.from(value, "latin1")]));
  const ends = parts.map((_, index) => parts.slice(0, index + 1).reduce((sum, { length }) => sum + length, 0));
  return { bytes: Buffer.concat(parts), count: values.length, starts: [0, ...ends.slice(0, -1)], ends, columns: [] };
}

/** A server that writes down what it is told: rows of a prepared statement as `3: a,b,c`, text as it is. */
function recorder(refuse?: MysqlServerError) {
  const log: string[] = [];
  const rowsOf = (sql: string) => sql.split("(?)").length - 1;
  const connection = {
    prepare: async (sql: string): Promise<PreparedStatement> => {
      if (refuse !== undefined) throw refuse;
      return {
        parameters: rowsOf(sql),
        executeRows: async (_columns, spans) => {
          const values = spans.flatMap(({ bytes, starts, ends, from, to }) =>
            starts.slice(from, to).map((start, index) => bytes.toString("latin1", start + 1, ends[from + index])),
          );
          log.push(`${rowsOf(sql)}: ${values.join(",")}`);
          return { affectedRows: values.length, insertId: 0n, warnings: 0, info: "" };
        },
        close: () => log.push(`close ${rowsOf(sql)}`),
      };
    },
    execute: async (sql: string) => {
      log.push(sql);
      return { affectedRows: 1, insertId: 0n, warnings: 0, info: "" };
    },
  };
  return { log, connection: connection as unknown as Connection };
}

async function write(
  rows: number,
  batches: readonly (readonly string[])[],
  options: { bytesMax?: number; refuse?: MysqlServerError } = {},
) {
  const { log, connection } = recorder(options.refuse);
  const shape: PreparedShape = { head: "I ", columns: 1, constants: [], rowsPerStatement: rows };
  const encoder = createRowEncoder([{ kind: "quoted", introducer: "" }], { format: "sql", constants: [], head: "I ", pieceBytes: 100 });
  let counted = 0;
  async function* given() {
    for (const values of batches) yield batch(values);
  }
  const onRows = (count: number) => {
    counted += count;
  };
  await writePrepared(connection, new PreparedStatements(), shape, encoder, options.bytesMax ?? 1000, given(), onRows, never);
  return { log, counted, rowsAfter: shape.rowsPerStatement };
}

test("whole statements are prepared, across batches; what is left goes as text", async () => {
  expect(await write(3, [["a"], ["b", "c", "d"], ["e", "f", "g", "h"]])).toEqual({
    log: ["3: a,b,c", "3: d,e,f", "I ('g'),('h')"],
    counted: 8,
    rowsAfter: 3,
  });
  expect(await write(3, [])).toEqual({ log: [], counted: 0, rowsAfter: 3 });
});

test("rows longer than thought go as text once, and later statements have fewer of them", async () => {
  const long = (letter: string) => letter.repeat(9);
  const { log, rowsAfter } = await write(100, [["a", "b", "c", "d", "e", "f"].map(long), ["g", "h"].map(long)], { bytesMax: 25 });
  expect(log).toEqual([
    `I ('${long("a")}'),('${long("b")}'),('${long("c")}')`,
    `2: ${long("d")},${long("e")}`,
    `2: ${long("f")},${long("g")}`,
    `I ('${long("h")}')`,
  ]);
  expect(rowsAfter).toBe(2);
});

test("a server that prepares nothing gets text", async () => {
  const refuse = new MysqlServerError(1461, "42000", "Can't create more than max_prepared_stmt_count statements");
  expect(await write(1, [["a", "b"]], { refuse })).toEqual({ log: ["I ('a')", "I ('b')"], counted: 2, rowsAfter: 0 });
});

test("a connection keeps few statements, and closes the one that was not used for longest", async () => {
  const { log, connection } = recorder();
  const statements = new PreparedStatements();
  for (const rows of [1, 2, 3, 4, 1, 5, 6])
    await statements.get(connection, { head: "I ", columns: 1, constants: [], rowsPerStatement: rows }, never);
  expect(log).toEqual(["close 2", "close 3"]);
});

test("rows of a statement stay within the protocol's parameters and a statement's usual size", () => {
  expect([rowsPerStatement(4, 200, 2 ** 19), rowsPerStatement(1000, 200, 2 ** 19), rowsPerStatement(4, 1e6, 2 ** 19)]).toEqual([
    655, 65, 1,
  ]);
  expect([rowsPerStatement(1, 1, 2 ** 19), rowsPerStatement(2, 10, 100), rowsPerStatement(0, 10, 100)]).toEqual([1000, 10, 0]);
});
