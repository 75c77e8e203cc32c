/** What comes to a store's port and is not what it should be: the store answers with an error or hangs up, stays small, and lives. */
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { nodeWorld, seededRandom } from "@skein/base";
import { createRpcClient } from "@skein/rpc";
import { describe, expect, test } from "vitest";
import { type MemoryTikv, startMemoryTikv } from "../testing/index.ts";
import { kvrpcpb, tikvpb } from "../wire/index.ts";

const world = nodeWorld();
const { methods } = tikvpb.tikv;

async function start() {
  const store = await startMemoryTikv(world);
  const at = store.regions.contextFor(new Uint8Array(0));
  const context = { region_id: at.regionId, region_epoch: { conf_ver: at.confVer, version: at.version } };
  return { store, context, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

async function lives({ store, context }: { store: MemoryTikv; context: object }): Promise<void> {
  const client = createRpcClient(world, `127.0.0.1:${store.port}`);
  const answer = await client.request(methods.RawGet, { context, key: Buffer.from("nobody") });
  client[Symbol.dispose]();
  expect([answer.not_found, answer.region_error]).toEqual([true, null]);
}

async function sendAndWait(port: number, chunks: readonly Uint8Array[]): Promise<void> {
  const socket: Socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  for (const chunk of chunks) socket.write(chunk);
  socket.end();
  socket.resume();
  if (!socket.closed) await once(socket, "close");
}

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

function frame(message: Uint8Array, length = message.length): Buffer {
  const out = Buffer.alloc(5 + message.length);
  out.writeUInt32BE(length, 1);
  out.set(message, 5);
  return out;
}

async function call(session: ClientHttp2Session, method: string, body: Uint8Array): Promise<{ status: string; body: Buffer }> {
  const stream: ClientHttp2Stream = session.request({
    ":method": "POST",
    ":path": `/tikvpb.Tikv/${method}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
  let status = "";
  stream.on("response", (headers) => (status ||= String(headers["grpc-status"] ?? "")));
  stream.on("trailers", (headers) => (status = String(headers["grpc-status"] ?? "")));
  stream.on("error", () => {});
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.end(body);
  if (!stream.closed) await once(stream, "close");
  return { status, body: Buffer.concat(chunks) };
}

async function withSession<T>(port: number, run: (session: ClientHttp2Session) => Promise<T>): Promise<T> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  try {
    return await run(session);
  } finally {
    session.destroy();
  }
}

describe("bytes that are no requests", () => {
  test("noise, with and without the preface, on many connections", async () => {
    await using it = await start();
    const random = seededRandom(5);
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => sendAndWait(it.store.port, i % 2 === 0 ? [random.bytes(2000)] : [preface, random.bytes(3000)])),
    );
    await lives(it);
  });

  test("messages that are not protobuf, are cut short, or say that they are huge", async () => {
    await using it = await start();
    const random = seededRandom(6);
    await withSession(it.store.port, async (session) => {
      for (const method of ["RawPut", "KvPrewrite", "KvScan", "SplitRegion", "BatchCommands", "Coprocessor"]) {
        const noise = await call(
          session,
          method,
          frame(Buffer.concat([Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), random.bytes(40)])),
        );
        expect([method, noise.status]).not.toEqual([method, "0"]);
        await call(session, method, frame(random.bytes(20), 400));
        const huge = await call(session, method, frame(random.bytes(20), 0x7fff_ffff));
        expect([method, huge.status]).not.toEqual([method, "0"]);
      }
    });
    await lives(it);
  });

  test("fields that nobody knows are passed over", async () => {
    await using it = await start();
    const request = Buffer.concat([
      kvrpcpb.RawGetRequest.encode({ context: it.context, key: Buffer.from("k") }),
      Buffer.from([0xc2, 0xbb, 0x01, 0x03, 1, 2, 3]), // field 3000, three bytes
    ]);
    await withSession(it.store.port, async (session) => {
      const { status, body } = await call(session, "RawGet", frame(request));
      expect([status, kvrpcpb.RawGetResponse.decode(body.subarray(5)).not_found]).toEqual(["0", true]);
    });
  });
});

describe("requests that make no sense", () => {
  test("of any kind, empty or full of noise, get an answer of their own", async () => {
    await using it = await start();
    const client = createRpcClient(world, `127.0.0.1:${it.store.port}`);
    const random = seededRandom(9);
    const kinds = [
      "Get",
      "Scan",
      "Prewrite",
      "Commit",
      "Cleanup",
      "BatchGet",
      "BatchRollback",
      "ScanLock",
      "ResolveLock",
      "GC",
      "DeleteRange",
    ];
    kinds.push(
      "RawGet",
      "RawBatchGet",
      "RawPut",
      "RawBatchPut",
      "RawDelete",
      "RawBatchDelete",
      "RawScan",
      "RawDeleteRange",
      "RawBatchScan",
    );
    kinds.push(
      "Coprocessor",
      "PessimisticLock",
      "PessimisticRollback",
      "CheckTxnStatus",
      "TxnHeartBeat",
      "CheckSecondaryLocks",
      "Flush",
      "Empty",
    );
    const max = 0xffff_ffff_ffff_ffffn;
    const wild = {
      context: it.context,
      key: random.bytes(9),
      keys: [random.bytes(3), random.bytes(0)],
      start_key: random.bytes(5),
      end_key: random.bytes(2),
      start_version: max,
      commit_version: 1n,
      version: max - 1n,
      limit: 0xffff_ffff,
      ttl: Number.MAX_SAFE_INTEGER,
      cf: "\0nope",
      mutations: [{ op: "Rollback" as const, key: random.bytes(1) }],
      safe_point: 0n,
    };
    const requests = kinds.flatMap((kind) => [
      { kind, value: {} },
      { kind, value: wild },
    ]);
    const answers = new Map<number, string | undefined>();
    const { promise, resolve } = Promise.withResolvers<void>();
    const stream = client.open(methods.BatchCommands, {
      message: ({ responses, request_ids: ids }) => {
        for (const [index, id] of ids.entries()) answers.set(id, responses[index]?.kind);
        if (answers.size === requests.length) resolve();
      },
      over: () => resolve(),
    });
    stream.send({ requests: requests as never, request_ids: requests.map((_, id) => id) });
    await promise;
    for (const [id, request] of requests.entries()) expect([id, answers.get(id)]).toEqual([id, request.kind]);
    client[Symbol.dispose]();
    await lives(it);
  });

  test("a member of BatchCommands that is not known is answered by an empty response; one without an id by none", async () => {
    await using it = await start();
    await withSession(it.store.port, async (session) => {
      // requests: [field 1: {field 200: ""}, field 1: {field 200: ""}], request_ids: [7]
      const unknown = [0x0a, 0x03, 0xc2, 0x0c, 0x00];
      const { body } = await call(session, "BatchCommands", frame(Buffer.from([...unknown, ...unknown, 0x12, 0x01, 0x07])));
      const answer = tikvpb.BatchCommandsResponse.decode(body.subarray(5));
      expect([answer.request_ids, answer.responses.length]).toEqual([[7], 1]);
    });
  });

  test("keys to split at are not enormous, and not without number", async () => {
    await using it = await start();
    const client = createRpcClient(world, `127.0.0.1:${it.store.port}`);
    const split = async (keys: readonly Uint8Array[]) =>
      (await client.request(methods.SplitRegion, { context: it.context, split_keys: keys })).errors.map(({ abort }) => abort);
    expect(await split([Buffer.alloc(1024 * 1024, "z")])).toEqual(["a key to split at has 1048576 bytes, the most is 16384"]);
    expect(await split(Array.from({ length: 10_001 }, (_, i) => Buffer.from(`k${i}`)))).toEqual([
      "10001 keys to split at, the most is 10000",
    ]);
    client[Symbol.dispose]();
    await lives(it);
  });

  test("a timestamp from the far future does not move the commits of others there", async () => {
    await using it = await start();
    const { transactions } = it.store;
    const limit = BigInt(world.clock.nowMs() + 60_000) << 18n;
    transactions.concurrency.setLimit(limit);
    const client = createRpcClient(world, `127.0.0.1:${it.store.port}`);
    const read = (version: bigint) => client.request(methods.KvGet, { context: it.context, key: Buffer.from("k"), version });
    expect((await read(2n ** 62n)).error?.abort).toContain("far ahead");
    expect((await read(0xffff_ffff_ffff_ffffn)).not_found).toBe(true);
    expect(transactions.concurrency.maxTs < limit).toBe(true);
    client[Symbol.dispose]();
  });
});

test("one who sends and never reads is not served without end", async () => {
  await using it = await start();
  const client = createRpcClient(world, `127.0.0.1:${it.store.port}`);
  const value = Buffer.alloc(1024 * 1024, 1);
  for (let i = 0; i < 4; i++) await client.request(methods.RawPut, { context: it.context, key: Buffer.from(`big${i}`), value });
  client[Symbol.dispose]();
  await withSession(it.store.port, async (session) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/tikvpb.Tikv/BatchCommands",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => {});
    stream.pause();
    const scan = { kind: "RawScan", value: { context: it.context, limit: 10 } };
    const message = frame(
      tikvpb.BatchCommandsRequest.encode({
        requests: Array.from({ length: 8 }, () => scan) as never,
        request_ids: Array.from({ length: 8 }, (_, i) => i),
      }),
    );
    const before = process.memoryUsage().arrayBuffers;
    // 400 × 8 × 4 MiB are asked for.
    for (let i = 0; i < 400; i++) if (!stream.write(message)) await Promise.race([once(stream, "drain"), world.clock.sleep(20)]);
    await world.clock.sleep(300);
    expect((process.memoryUsage().arrayBuffers - before) / 1024 / 1024).toBeLessThan(300);
    await lives(it);
  });
});
