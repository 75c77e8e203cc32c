import { Duplex } from "node:stream";
import { nodeWorld } from "@skein/base";
import { expect, test } from "vitest";
import { framePacket } from "../core/packet-framer.ts";
import { SocketConnection } from "./connection.ts";
import { ServerSocket } from "./server-socket.ts";

/** A server that answers each command with the bytes that it is told to. */
function connectionTo(...answers: readonly Buffer[]) {
  const queue = [...answers];
  const stream = new Duplex({
    read: () => {},
    write: (_chunk, _encoding, done) => {
      const next = queue.shift();
      if (next !== undefined) stream.push(next);
      done();
    },
  });
  const endpoint = { host: "db", port: 3306, user: "u", password: { reveal: () => "" } as never };
  return { stream, connection: new SocketConnection(new ServerSocket(nodeWorld(), stream, endpoint), endpoint, "text", 1, "8.0.1") };
}

const packet = (sequence: number, ...bytes: number[]) => framePacket(Uint8Array.from(bytes), sequence);
const ok = packet(1, 0, 1, 0, 2, 0, 0, 0);

test("an answer, and an error that leaves the connection open", async () => {
  const { connection } = connectionTo(packet(1, 0xff, 0x26, 4, ...Buffer.from("#23000Duplicate entry")), ok);
  await expect(connection.execute("x")).rejects.toMatchObject({
    errno: 1062,
    sqlState: "23000",
    message: "Error 1062 (23000): Duplicate entry",
  });
  expect(await connection.execute("y")).toMatchObject({ affectedRows: 1 });
});

test.each([
  ["asks for a file that nobody offered", packet(1, 0xfb, ...Buffer.from("/etc/passwd")), /file that was not offered/],
  ["numbers its packets wrongly", packet(7, 0, 1, 0, 2, 0, 0, 0), /packet number 7/],
  ["sends an empty packet", packet(1), /empty packet/],
  ["says a length that it does not send", packet(1, 0, 0xfd, 1), /input ends too early/],
  ["says too many columns", packet(1, 0xfe, 1, 1, 1, 1, 1, 1, 1, 1), /result of/],
  [
    "says a row that is longer than its packet",
    Buffer.concat([packet(1, 1), column(2), packet(3, 0xfe, 0, 0, 2, 0), packet(4, 200, 1)]),
    /too early/,
  ],
])("a server that %s loses its connection", async (_what, answer, message) => {
  const { connection } = connectionTo(answer);
  await expect(connection.query("x")).rejects.toMatchObject({ code: "PROTOCOL", message: expect.stringMatching(message) });
  expect(connection.isOpen).toBe(false);
  await expect(connection.query("y")).rejects.toMatchObject({ code: "PROTOCOL" });
});

test("what comes unasked is why the server hangs up", async () => {
  const { stream, connection } = connectionTo(ok);
  await connection.execute("x");
  stream.push(packet(0, 0xff, 0xbf, 15, ...Buffer.from("#HY000inactivity")));
  await expect.poll(() => connection.isOpen).toBe(false);
  await expect(connection.execute("y")).rejects.toMatchObject({ code: "CLOSED", message: expect.stringContaining("inactivity") });
});

test("a lost connection fails all that wait; an abort closes it", async () => {
  const lost = connectionTo();
  const waiting = [lost.connection.query("a"), lost.connection.query("b")];
  lost.stream.destroy(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }));
  for (const query of waiting) await expect(query).rejects.toMatchObject({ code: "ECONNRESET", host: "db" });
  const aborted = connectionTo();
  const abort = new AbortController();
  const query = aborted.connection.query("a", abort.signal);
  abort.abort(new Error("stop"));
  await expect(query).rejects.toThrow("stop");
  expect(aborted.connection.isOpen).toBe(false);
});

function column(sequence: number): Buffer {
  return packet(sequence, 3, 100, 101, 102, 0, 0, 0, 1, 97, 0, 0x0c, 63, 0, 0, 0, 0, 0, 253, 0, 0, 0, 0, 0);
}

test("a prepared statement's definitions come before whatever is answered next", async () => {
  const facts = packet(1, 0, 7, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0);
  const eof = (sequence: number) => packet(sequence, 0xfe, 0, 0, 2, 0);
  const { connection } = connectionTo(Buffer.concat([facts, column(2), column(3), eof(4), column(5), eof(6)]), ok);
  expect((await connection.prepare("x")).parameters).toBe(2);
  expect(await connection.execute("y")).toMatchObject({ affectedRows: 1 });
});

test.each([
  ["without a number", packet(1, 0, 7)],
  ["that is rows", packet(1, 2)],
  ["with too many definitions", Buffer.concat([packet(1, 0, 7, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0), column(2), column(3)])],
])("an answer %s to a prepared statement breaks the connection", async (_what, answer) => {
  const { connection } = connectionTo(answer);
  await expect(connection.prepare("x")).rejects.toMatchObject({ code: "PROTOCOL" });
  expect(connection.isOpen).toBe(false);
});
