import { connect } from "node:net";
import { nodeWorld } from "@skein/base";
import { createServer } from "@skein/rpc";
import { afterEach, describe, expect, test } from "vitest";
import type { Envelope } from "./core/codec.ts";
import { createTcpTransport, peerPrefix, type TcpTransport } from "./tcp-transport.ts";
import type { TransportHandlers } from "./transport.ts";

const world = nodeWorld();
const open: TcpTransport[] = [];
afterEach(async () => {
  for (const transport of open.splice(0)) await transport[Symbol.asyncDispose]();
});

const ports = new Map<number, number>();

async function start(storeId: number, handlers: Partial<TransportHandlers> = {}, clusterId = 7n): Promise<TcpTransport> {
  const transport = createTcpTransport(world, {
    listen: { host: "127.0.0.1", port: 0 },
    resolve: async (id) => (ports.has(id) ? `127.0.0.1:${ports.get(id)}` : null),
    frameBytesMax: 1 << 20,
    silenceMs: 300,
  });
  await transport.start({ onMessage: () => {}, onSnapshot: async () => {}, onUnreachable: () => {}, ...handlers }, { clusterId, storeId });
  ports.set(storeId, transport.port);
  open.push(transport);
  return transport;
}

const message = (regionId: number, data = new Uint8Array(0)): Envelope => ({
  regionId,
  from: { id: 11, storeId: 1 },
  to: { id: 12, storeId: 2 },
  epoch: { confVer: 3, version: 4 },
  content: {
    kind: "raft",
    term: 5,
    sleep: false,
    body: { kind: "append", prevIndex: 6, prevTerm: 5, commit: 4, entries: [{ index: 7, term: 5, kind: "normal", data }] },
  },
});

function inbox(): { readonly got: Envelope[]; readonly handler: (envelope: Envelope) => void; count(n: number): Promise<void> } {
  const got: Envelope[] = [];
  let waiting: { readonly n: number; readonly done: () => void } | null = null;
  return {
    got,
    handler: (envelope) => {
      got.push(envelope);
      if (waiting !== null && got.length >= waiting.n) waiting.done();
    },
    count: (n) =>
      new Promise((done) => {
        waiting = { n, done };
        if (got.length >= n) done();
      }),
  };
}

describe("messages", () => {
  test("arrive whole and in order, many in one write, large ones in parts", async () => {
    const box = inbox();
    await start(2, { onMessage: box.handler });
    const one = await start(1);
    for (let i = 0; i < 500; i++) one.send(message(i, new Uint8Array(i % 7 === 0 ? 5_000 : 3).fill(i)));
    one.flush();
    for (let i = 500; i < 600; i++) {
      one.send(message(i));
      one.flush();
    }
    await box.count(600);
    expect(box.got.map(({ regionId }) => regionId)).toEqual(Array.from({ length: 600 }, (_, i) => i));
    expect(box.got[7]).toEqual(message(7, new Uint8Array(5_000).fill(7)));
  });

  test("to a store that is gone are dropped and told; they arrive again when it is back", async () => {
    const lost: number[] = [];
    let onLost = () => {};
    const one = await start(1, {
      onUnreachable: (id) => {
        lost.push(id);
        onLost();
      },
    });
    const isLost = new Promise<void>((done) => {
      onLost = done;
    });
    ports.set(2, 1); // nobody listens there
    one.send(message(1));
    one.flush();
    await isLost;
    expect(lost).toEqual([2]);
    const box = inbox();
    await start(2, { onMessage: box.handler });
    const again = setInterval(() => {
      one.send(message(2));
      one.flush();
    }, 20);
    await box.count(1);
    clearInterval(again);
    expect(box.got[0]?.regionId).toBe(2);
  });
});

describe("on a port that serves others, too", () => {
  test("messages and snapshots arrive; before the start, and after the end, connections are cut", async () => {
    const box = inbox();
    const two = createTcpTransport(world, { resolve: async () => null, silenceMs: 300 });
    await using server = await createServer(world, {
      host: "127.0.0.1",
      port: 0,
      http: (_request, response) => response.end("a page"),
      prefixed: { prefix: peerPrefix, onConnection: (connection) => two.accept(connection) },
    });
    const closed = () =>
      new Promise<void>((done) => {
        const socket = connect(server.port, "127.0.0.1", () => socket.write(peerPrefix));
        socket.on("error", () => {});
        socket.on("close", () => done());
      });
    await closed();
    let snapshotBytes = 0;
    const onSnapshot = async (_header: Uint8Array, chunks: AsyncIterable<Uint8Array>) => {
      for await (const chunk of chunks) snapshotBytes += chunk.length;
    };
    await two.start({ onMessage: box.handler, onSnapshot, onUnreachable: () => {} }, { clusterId: 7n, storeId: 2 });
    expect(two.port).toBe(0);
    ports.set(2, server.port);
    const one = await start(1);
    for (let i = 0; i < 100; i++) {
      one.send(message(i, new Uint8Array(i % 7 === 0 ? 200_000 : 3).fill(i)));
      one.flush();
    }
    await box.count(100);
    expect(box.got.map(({ regionId }) => regionId)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    const chunks = async function* () {
      for (let i = 0; i < 30; i++) yield new Uint8Array(50_000);
    };
    await one.sendSnapshot(2, new Uint8Array(10), chunks(), new AbortController().signal);
    expect(snapshotBytes).toBe(1_500_000);
    expect(await (await fetch(`http://127.0.0.1:${server.port}/`)).text()).toBe("a page");
    await two[Symbol.asyncDispose]();
    await closed();
  });
});

test("a store that vanished without a word is noticed by its silence", async () => {
  let onLost = (_storeId: number) => {};
  const lost = new Promise<number>((done) => {
    onLost = done;
  });
  const two = await start(2, { onUnreachable: (id) => onLost(id) });
  const hello = Buffer.alloc(22);
  hello.set(peerPrefix, 0);
  hello.writeUInt8(1, 4);
  hello.writeUInt8(1, 5);
  hello.writeBigUInt64LE(7n, 6);
  hello.writeBigUInt64LE(9n, 14);
  const socket = connect(two.port, "127.0.0.1", () => socket.write(hello));
  socket.on("error", () => {});
  expect(await lost).toBe(9);
});

describe("snapshots", () => {
  const chunks = async function* (count: number) {
    for (let i = 0; i < count; i++) yield new Uint8Array(50_000).fill(i);
  };

  test("go in chunks, and are done when they are taken", async () => {
    const sums: number[] = [];
    await start(2, {
      onSnapshot: async (header, parts) => {
        sums.push(header.length);
        for await (const part of parts) sums.push((part[0] ?? 0) * part.length);
      },
    });
    const one = await start(1);
    await one.sendSnapshot(2, new Uint8Array(10), chunks(40), new AbortController().signal);
    expect(sums).toEqual([10, ...Array.from({ length: 40 }, (_, i) => i * 50_000)]);
  });

  test("may be taken late, and slowly: only a sender that brings nothing when it is waited for is given up", async () => {
    const got: number[] = [];
    let failure: unknown = null;
    let beforeMs = 0;
    await start(2, {
      onSnapshot: async (_header, chunks) => {
        try {
          // Longer than a connection may be silent, which is 300 ms here.
          await world.clock.sleep(700);
          for await (const chunk of chunks) {
            got.push(chunk.length);
            if (got.length === 3) await world.clock.sleep(beforeMs);
          }
          await world.clock.sleep(400);
        } catch (error) {
          failure = error;
          throw error;
        }
      },
    });
    const one = await start(1);
    const many = async function* (count: number) {
      for (let i = 0; i < count; i++) yield new Uint8Array(64 * 1024);
    };
    for (const count of [2, 200]) {
      beforeMs = 500;
      got.length = 0;
      await one.sendSnapshot(2, new Uint8Array(1), many(count), new AbortController().signal);
      expect(got).toHaveLength(count);
    }
    expect(failure).toBeNull();
    const stuck = async function* () {
      yield new Uint8Array(10);
      await new Promise(() => {});
    };
    const ending = new AbortController();
    const sent = one.sendSnapshot(2, new Uint8Array(1), stuck(), ending.signal);
    await expect.poll(() => String(failure), { timeout: 5_000 }).toContain("the connection broke");
    ending.abort();
    sent.catch(() => {}); // its chunks never end
  });

  test("that are refused, or broken off, reject at the sender", async () => {
    const two = await start(2, { onSnapshot: () => Promise.reject(new Error("no place")) });
    const one = await start(1);
    await expect(one.sendSnapshot(2, new Uint8Array(10), chunks(2), new AbortController().signal)).rejects.toThrow();
    const stopped = new AbortController();
    const endless = async function* () {
      for (;;) {
        yield new Uint8Array(10);
        stopped.abort(new Error("stop"));
      }
    };
    await expect(one.sendSnapshot(2, new Uint8Array(10), endless(), stopped.signal)).rejects.toThrow();
    expect(two.port).toBeGreaterThan(0);
  });
});

describe("whatever else connects", () => {
  const send = (port: number, bytes: Buffer) =>
    new Promise<void>((done) => {
      const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
      socket.on("error", () => {});
      socket.on("close", () => done());
    });
  const hello = (clusterId: bigint, kind = 1) => {
    const bytes = Buffer.alloc(22);
    bytes.set(peerPrefix, 0);
    bytes.writeUInt8(1, 4);
    bytes.writeUInt8(kind, 5);
    bytes.writeBigUInt64LE(clusterId, 6);
    return bytes;
  };

  test("is cut off: garbage, another cluster, oversize, damaged and senseless frames; the others go on", async () => {
    const box = inbox();
    const two = await start(2, { onMessage: box.handler });
    await send(two.port, Buffer.from("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"));
    await send(two.port, hello(8n));
    await send(two.port, hello(7n, 9));
    await send(two.port, Buffer.concat([hello(7n), Buffer.from([0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0])]));
    await send(two.port, Buffer.concat([hello(7n), Buffer.from([1, 0, 0, 0, 9, 9, 9, 9, 1])]));
    const sane = Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0x63, 0x01]);
    const { crc32 } = await import("node:zlib");
    sane.writeUInt32LE(crc32(sane.subarray(8)), 4);
    await send(two.port, Buffer.concat([hello(7n), sane]));
    const one = await start(1);
    one.send(message(1));
    one.flush();
    await box.count(1);
    expect(box.got).toHaveLength(1);
  });
});
