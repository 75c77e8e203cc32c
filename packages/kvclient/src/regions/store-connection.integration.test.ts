import { nodeWorld } from "@skein/base";
import { createServer, type Input, implement, RpcError, type StreamCall } from "@skein/rpc";
import { tikvpb } from "@skein/store/wire";
import { afterEach, expect, test } from "vitest";
import { StoreConnection } from "./store-connection.ts";

const world = nodeWorld();
const open: (() => PromiseLike<void> | void)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

type Answerer = (request: tikvpb.BatchCommandsRequest, call: StreamCall<tikvpb.BatchCommandsResponse>) => void;

/** A store that answers batches as the test likes. */
async function start(answer: Answerer) {
  const streams: StreamCall<tikvpb.BatchCommandsResponse>[] = [];
  const server = await createServer(world, {
    host: "127.0.0.1",
    port: 0,
    services: [
      implement(tikvpb.tikv, {
        BatchCommands: (call) => {
          streams.push(call);
          return { message: (request) => answer(request, call) };
        },
      }),
    ],
  });
  open.push(() => server.close());
  const connection = new StoreConnection(world, `127.0.0.1:${server.port}`);
  open.push(() => connection[Symbol.dispose]());
  return { server, streams, connection };
}

const get = (connection: StoreConnection, key: string, timeoutMs = 5000) =>
  connection.command("RawGet", { key: Buffer.from(key) }, timeoutMs).then(({ value }) => Buffer.from(value).toString());
const answerTo = (request: tikvpb.BatchRequest): Input<tikvpb.BatchResponse> => {
  if (request?.kind !== "RawGet") throw new Error("only gets here");
  return { kind: "RawGet", value: { value: request.value.key } };
};

test("requests of one turn go in one message; answers come in any order, in any number of messages", async () => {
  const sizes: number[] = [];
  const { connection } = await start(({ requests, request_ids }, call) => {
    sizes.push(requests.length);
    const answers = requests.map((request, at) => ({ response: answerTo(request), id: request_ids[at] as number })).reverse();
    for (let at = 0; at < answers.length; at += 7) {
      const some = answers.slice(at, at + 7);
      call.send({ responses: some.map(({ response }) => response), request_ids: some.map(({ id }) => id) });
    }
  });
  const keys = Array.from({ length: 100 }, (_, at) => `key ${at}`);
  expect(await Promise.all(keys.map((key) => get(connection, key)))).toEqual(keys);
  expect(sizes).toEqual([100]);
  expect(connection.load).toBe(0);
});

test("answers of another type, answers to nobody and answers without a value reject one request each", async () => {
  const { connection } = await start(({ request_ids }, call) => {
    const [id = 0] = request_ids;
    call.send({ responses: [{ kind: "RawPut", value: {} }], request_ids: [id + 1000] });
    if (id === 1) call.send({ responses: [{ kind: "RawPut", value: {} }], request_ids: [id] });
    else if (id === 2) call.send({ responses: [], request_ids: [id] });
    else call.send({ responses: [{ kind: "RawGet", value: { value: Buffer.from("yes") } }], request_ids: [id] });
  });
  await expect(get(connection, "a")).rejects.toMatchObject({ status: "internal" });
  await expect(get(connection, "b")).rejects.toMatchObject({ status: "internal" });
  expect(await get(connection, "c")).toBe("yes");
});

test("a stream that breaks rejects what waits; the next request opens another", async () => {
  let count = 0;
  const { connection, streams } = await start((request, call) => {
    if (++count === 1) return;
    call.send({ responses: request.requests.map(answerTo), request_ids: request.request_ids });
  });
  const waiting = [get(connection, "a"), get(connection, "b")];
  await expect.poll(() => count).toBe(1);
  streams[0]?.fail(new RpcError("unavailable", "stopping"));
  const outcomes = await Promise.allSettled(waiting);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(connection.isHealthy).toBe(false);
  expect(await get(connection, "c")).toBe("c");
  expect(connection.isHealthy).toBe(true);
});

test("a request that is not answered is given up when its time is over", async () => {
  const { connection } = await start(() => {});
  await expect(get(connection, "a", 50)).rejects.toMatchObject({ status: "deadline_exceeded" });
  expect(connection.load).toBe(0);
});

test("nobody there", async () => {
  const { connection, server } = await start(() => {});
  await server.close();
  await expect(get(connection, "a")).rejects.toMatchObject({ status: "unavailable" });
});
