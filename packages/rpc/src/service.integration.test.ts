import { connect as connectHttp2, constants } from "node:http2";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { nodeWorld } from "@skein/base";
import { afterEach, describe, expect, test } from "vitest";
import { createRpcClient } from "./client.ts";
import { message, rawBytes, text, u64 } from "./codec/codec.ts";
import { isRpcError, RpcError } from "./errors.ts";
import { AnswerRoom } from "./grpc/answer-room.ts";
import { ByteBudget } from "./grpc/byte-budget.ts";
import { createServer, type RpcServer, type ServerOptions } from "./server.ts";
import { clientStream, duplex, type Handlers, implement, type StreamCall, serverStream, service, unary } from "./service.ts";

type Ask = { readonly text: string; readonly number: number };
const Ask = message<Ask>("test.Ask", { text: text(1), number: u64(2) });
type Answer = { readonly text: string; readonly sum: number };
const Answer = message<Answer>("test.Answer", { text: text(1), sum: u64(2) });
const echo = service("test.Echo", {
  Say: unary(Ask, Answer),
  Talk: duplex(Ask, Answer),
  Count: serverStream(Ask, Answer),
  Add: clientStream(Ask, Answer),
  Raw: unary(rawBytes, rawBytes),
  Missing: unary(Ask, Answer),
});

const world = nodeWorld();
const open: (() => PromiseLike<void> | void)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function serve(handlers: Handlers<typeof echo.methods>, options: Partial<ServerOptions> = {}): Promise<RpcServer> {
  const server = await createServer(world, { host: "127.0.0.1", port: 0, services: [implement(echo, handlers)], ...options });
  open.push(() => server.close());
  return server;
}

function clientOf(server: RpcServer) {
  const client = createRpcClient(world, `127.0.0.1:${server.port}`);
  open.push(() => client.close());
  return client;
}

/** Everything that comes on a stream, and how it ended. */
function collector() {
  const answers: Answer[] = [];
  let settle = (_error: RpcError | null) => {};
  const over = new Promise<RpcError | null>((resolve) => {
    settle = resolve;
  });
  return {
    answers,
    over,
    listener: { message: (answer: Answer) => void answers.push(answer), over: (error: RpcError | null) => settle(error) },
  };
}

describe("a unary call", () => {
  test("is answered at once, later, or with an error", async () => {
    const server = await serve({
      Say: (ask) => {
        if (ask.text === "fail") throw new RpcError("failed_precondition", "not now");
        if (ask.text === "later") return Promise.resolve({ text: "then" });
        if (ask.text === "reject") return Promise.reject(new Error("why"));
        return { text: ask.text, sum: ask.number };
      },
    });
    const client = clientOf(server);
    expect(await client.request(echo.methods.Say, { text: "a", number: 5 })).toEqual({ text: "a", sum: 5 });
    expect(await client.request(echo.methods.Say, { text: "later" })).toEqual({ text: "then", sum: 0 });
    await expect(client.request(echo.methods.Say, { text: "fail" })).rejects.toMatchObject({
      status: "failed_precondition",
      text: "not now",
    });
    await expect(client.request(echo.methods.Say, { text: "reject" })).rejects.toMatchObject({ status: "unknown", text: "why" });
    await expect(client.request(echo.methods.Missing, {})).rejects.toMatchObject({ status: "unimplemented" });
  });

  test("has its headers, its caller and a signal", async () => {
    let peer = "";
    let onAborted = () => {};
    const aborted = new Promise<void>((resolve) => {
      onAborted = resolve;
    });
    const server = await serve({
      Say: (ask, given) => {
        peer = given.peer;
        if (ask.text !== "wait") return { text: given.metadata("pd-forwarded-host") ?? "none" };
        given.signal.addEventListener("abort", () => onAborted());
        return new Promise(() => {});
      },
    });
    const client = clientOf(server);
    const metadata = { "pd-forwarded-host": "http://127.0.0.1:2379" };
    expect(await client.request(echo.methods.Say, {}, { metadata })).toMatchObject({ text: "http://127.0.0.1:2379" });
    expect(await client.request(echo.methods.Say, {})).toMatchObject({ text: "none" });
    expect(peer).toMatch(/^127\.0\.0\.1:\d+$/);
    await expect(client.request(echo.methods.Say, { text: "wait" }, { deadlineMs: 100 })).rejects.toMatchObject({
      status: "deadline_exceeded",
    });
    await aborted;
  });

  test("of raw bytes", async () => {
    const server = await serve({ Raw: (bytes) => Uint8Array.from(bytes, (byte) => byte + 1) });
    expect([...(await clientOf(server).request(echo.methods.Raw, Uint8Array.of(1, 2)))]).toEqual([2, 3]);
  });
});

describe("a stream", () => {
  test("answers each message, and ends when both sides have", async () => {
    const ends: string[] = [];
    const server = await serve({
      Talk: (call) => ({
        message: (ask) => void call.send({ text: ask.text.toUpperCase() }),
        end: () => {
          ends.push("end");
          call.send({ text: "bye" });
          call.end();
        },
        gone: () => void ends.push("gone"),
      }),
    });
    const { answers, over, listener } = collector();
    const stream = clientOf(server).open(echo.methods.Talk, listener);
    for (const text of ["a", "b", "c"]) stream.send({ text });
    stream.end();
    expect(await over).toBeNull();
    expect(answers.map(({ text }) => text)).toEqual(["A", "B", "C", "bye"]);
    expect(ends).toEqual(["end", "gone"]);
  });

  test("in one direction", async () => {
    const server = await serve({
      Count: (call) => ({
        message: (ask) => {
          for (let sum = 1; sum <= ask.number; sum++) call.send({ sum });
          call.end();
        },
      }),
      Add: (call) => {
        let sum = 0;
        return {
          message: (ask) => {
            sum += ask.number;
          },
          end: () => {
            call.send({ sum });
            call.end();
          },
        };
      },
    });
    const client = clientOf(server);
    const counted = collector();
    const count = client.open(echo.methods.Count, counted.listener);
    count.send({ number: 3 });
    count.end();
    expect(await counted.over).toBeNull();
    expect(counted.answers.map(({ sum }) => sum)).toEqual([1, 2, 3]);
    const added = collector();
    const add = client.open(echo.methods.Add, added.listener);
    for (const number of [1, 2, 3]) add.send({ number });
    add.end();
    expect(await added.over).toBeNull();
    expect(added.answers).toEqual([{ text: "", sum: 6 }]);
  });

  test("ends with the error that its listener throws, or the status that it fails with", async () => {
    const server = await serve({
      Talk: (call) => ({
        message: (ask) => {
          if (ask.text === "throw") throw new Error("a mistake");
          call.fail(new RpcError("aborted", "no more"));
        },
      }),
    });
    const client = clientOf(server);
    const first = collector();
    client.open(echo.methods.Talk, first.listener).send({ text: "throw" });
    expect(await first.over).toMatchObject({ status: "unknown", text: "a mistake" });
    const second = collector();
    client.open(echo.methods.Talk, second.listener).send({ text: "fail" });
    expect(await second.over).toMatchObject({ status: "aborted", text: "no more" });
  });

  test("is cut for both when either goes", async () => {
    let onGone = () => {};
    const gone = new Promise<void>((resolve) => {
      onGone = resolve;
    });
    const server = await serve({ Talk: (call) => ({ message: (ask) => void call.send(ask), gone: () => onGone() }) });
    const client = clientOf(server);
    const first = collector();
    const stream = client.open(echo.methods.Talk, first.listener);
    stream.send({ text: "a" });
    await expect.poll(() => first.answers.length).toBe(1);
    stream.cancel();
    expect(await first.over).toMatchObject({ status: "cancelled" });
    await gone;
    const second = collector();
    client.open(echo.methods.Talk, second.listener).send({ text: "a" });
    await expect.poll(() => second.answers.length).toBe(1);
    await server.close();
    expect(isRpcError(await second.over)).toBe(true);
  });

  test("tells a sender when its answers pile up, and when there is room again", async () => {
    let sent = 0;
    let waits = 0;
    const total = 3000;
    const fill = (call: StreamCall<Answer>) => {
      while (sent < total) {
        sent++;
        if (!call.send({ text: "x".repeat(10_000), sum: sent })) {
          waits++;
          return;
        }
      }
      call.end();
    };
    const server = await serve({ Talk: (call) => ({ message: () => fill(call), drained: () => fill(call) }) });
    const { answers, over, listener } = collector();
    clientOf(server).open(echo.methods.Talk, listener).send({});
    expect(await over).toBeNull();
    expect(answers).toHaveLength(total);
    expect(waits).toBeGreaterThan(0);
  });
});

describe("what is not well-behaved", () => {
  test("pings each few milliseconds are answered and lead to nothing else", async () => {
    const server = await serve({ Say: (ask) => ask });
    const session = connectHttp2(`http://127.0.0.1:${server.port}`);
    open.push(() => session.destroy());
    await new Promise((resolve) => session.once("connect", resolve));
    let goaways = 0;
    session.on("goaway", () => goaways++);
    for (let i = 0; i < 200; i++)
      await new Promise<void>((resolve, reject) => session.ping((error) => (error === null ? resolve() : reject(error))));
    expect(goaways).toBe(0);
    expect(session.closed).toBe(false);
  });

  /** The gRPC status of a call whose body is these bytes; null when the stream was cut without one. */
  function rawCall(port: number, path: string, body: Uint8Array): Promise<string | null> {
    return new Promise((resolve) => {
      const session = connectHttp2(`http://127.0.0.1:${port}`);
      open.push(() => session.destroy());
      session.on("error", () => resolve(null));
      const stream = session.request({
        [constants.HTTP2_HEADER_METHOD]: "POST",
        [constants.HTTP2_HEADER_PATH]: path,
        "content-type": "application/grpc",
        te: "trailers",
      });
      let status: string | null = null;
      stream.on("response", (headers) => (status = (headers["grpc-status"] as string | undefined) ?? status));
      stream.on("trailers", (trailers) => (status = (trailers["grpc-status"] as string | undefined) ?? status));
      stream.on("error", () => {});
      stream.on("close", () => resolve(status));
      stream.resume();
      stream.end(body);
    });
  }
  const framed = (bytes: Uint8Array, length = bytes.length) => {
    const frame = Buffer.alloc(5 + bytes.length);
    frame.writeUInt32BE(length, 1);
    frame.set(bytes, 5);
    return frame;
  };

  test.each([
    ["garbage in a message", framed(Uint8Array.of(255, 255, 255, 255))],
    ["a message that is cut", framed(Uint8Array.of(10, 5, 65), 100)],
    ["a length of four gigabytes", framed(Uint8Array.of(1), 0xffff_ffff)],
    ["no message", new Uint8Array(0)],
    ["a compression that nobody agreed on", Uint8Array.of(1, 0, 0, 0, 1, 7)],
  ])("%s: a status, and the server serves on", async (_what, body) => {
    const server = await serve({ Say: (ask) => ask, Talk: (call) => ({ message: (ask) => void call.send(ask) }) });
    for (const path of ["/test.Echo/Say", "/test.Echo/Talk"]) {
      const status = await rawCall(server.port, path, body);
      expect(status === "0" && path.endsWith("Say")).toBe(false);
    }
    expect(await clientOf(server).request(echo.methods.Say, { text: "still" })).toMatchObject({ text: "still" });
  });

  test("who reads no answers is not read either", async () => {
    let handled = 0;
    const server = await serve({
      Talk: (call) => ({
        message: () => {
          handled++;
          call.send({ text: "x".repeat(10_000) });
        },
      }),
    });
    const session = connectHttp2(`http://127.0.0.1:${server.port}`);
    open.push(() => session.destroy());
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: "/test.Echo/Talk",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => {});
    const asks = Buffer.concat(Array.from({ length: 20_000 }, () => framed(Ask.encode({ text: "more" }))));
    stream.write(asks);
    const other = clientOf(server);
    let last = -1;
    // It comes to a stop, and others are served meanwhile.
    await expect
      .poll(async () => {
        await expect(other.request(echo.methods.Say, {})).rejects.toMatchObject({ status: "unimplemented" });
        const same = handled === last;
        last = handled;
        return same && last > 0;
      })
      .toBe(true);
    expect(handled).toBeLessThan(1000);
    stream.resume();
    await expect.poll(() => handled, { timeout: 10_000 }).toBe(20_000);
  });

  test("a message over the limit is refused", async () => {
    const server = await serve({ Say: (ask) => ask }, { limits: { messageBytesMax: 1000 } });
    const client = clientOf(server);
    await expect(client.request(echo.methods.Say, { text: "x".repeat(2000) })).rejects.toMatchObject({ status: "resource_exhausted" });
    expect(await client.request(echo.methods.Say, { text: "y" })).toMatchObject({ text: "y" });
  });

  describe("many at once", () => {
    const mib = 1024 * 1024;
    const call = (port: number, headers: Readonly<Record<string, string>> = {}, path = "/test.Echo/Say") => {
      const session = connectHttp2(`http://127.0.0.1:${port}`);
      open.push(() => session.destroy());
      session.on("error", () => {});
      const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...headers });
      stream.on("error", () => {});
      stream.resume();
      const status = new Promise<string>((resolve) => {
        for (const name of ["response", "trailers"])
          stream.on(name, (given: Readonly<Record<string, string | undefined>>) => {
            const code = given["grpc-status"];
            if (code !== undefined) resolve(code);
          });
      });
      return { stream, status };
    };

    test("small messages that unpack to large ones are refused when there is no room, and taken when there is again", async () => {
      const received = new ByteBudget(64 * mib);
      const held: (() => void)[] = [];
      let mostHeld = 0;
      const server = await serve(
        {
          Say: (ask) =>
            new Promise((resolve) => {
              held.push(() => resolve({ sum: ask.text.length }));
              mostHeld = Math.max(mostHeld, held.length);
            }),
        },
        { received },
      );
      const packed = gzipSync(Ask.encode({ text: "x".repeat(15 * mib) }));
      const bomb = framed(packed);
      bomb[0] = 1;
      const calls = Array.from({ length: 24 }, () => call(server.port, { "grpc-encoding": "gzip" }));
      for (const { stream } of calls) stream.end(bomb);
      const refused = calls.map(({ status }) => status.then((code) => (code === "8" ? 1 : 0)));
      let refusals = 0;
      for (const each of refused) void each.then((one) => (refusals += one));
      await expect.poll(() => held.length + refusals, { timeout: 20_000 }).toBe(24);
      expect(held).toHaveLength(4);
      // Usual calls are answered meanwhile.
      const small = clientOf(server).request(echo.methods.Say, { text: "you" });
      await expect.poll(() => held.length).toBe(5);
      for (const answer of held.splice(0)) answer();
      expect(await small).toMatchObject({ sum: 3 });
      await expect.poll(() => received.used).toBe(0);
      const again = call(server.port, { "grpc-encoding": "gzip" });
      again.stream.end(bomb);
      await expect.poll(() => held.length).toBe(1);
      held[0]?.();
      expect(await again.status).toBe("0");
    });

    test("messages whose end does not come are refused when there is no room, and leave none behind", async () => {
      const received = new ByteBudget(8 * mib);
      const server = await serve({ Talk: () => ({ message: () => {} }), Say: (ask) => ask }, { received });
      const calls = Array.from({ length: 20 }, () => call(server.port, {}, "/test.Echo/Talk"));
      const statuses = new Set<string>();
      for (const { stream, status } of calls) {
        void status.then((code) => statuses.add(code));
        stream.write(framed(new Uint8Array(mib), 2 * mib));
      }
      await expect.poll(() => [...statuses]).toEqual(["8"]);
      expect(received.used).toBeLessThanOrEqual(10 * mib);
      expect(await clientOf(server).request(echo.methods.Say, { text: "small" })).toMatchObject({ text: "small" });
      for (const { stream } of calls) stream.close();
      await expect.poll(() => received.used).toBe(0);
    });

    test("calls have a limit per connection, which callers keep to, and one for all, beyond which they are refused", async () => {
      const held: (() => void)[] = [];
      let most = 0;
      const server = await serve(
        {
          Say: () =>
            new Promise((resolve) => {
              held.push(() => resolve({ sum: 1 }));
              most = Math.max(most, held.length);
            }),
        },
        { limits: { callsPerConnectionMax: 4, callsMax: 6 } },
      );
      const patient = clientOf(server);
      const answers = Array.from({ length: 10 }, () => patient.request(echo.methods.Say, {}));
      await expect.poll(() => held.length).toBeGreaterThanOrEqual(4);
      const other = [call(server.port), call(server.port), call(server.port)];
      for (const { stream } of other) stream.end(framed(Ask.encode({ text: "x" })));
      await expect.poll(async () => Promise.race([...other.map(({ status }) => status), Promise.resolve("")])).toBe("8");
      expect(most).toBeLessThanOrEqual(6);
      let isDone = false;
      const all = Promise.all(answers).finally(() => (isDone = true));
      await expect
        .poll(() => {
          for (const answer of held.splice(0)) answer();
          return isDone;
        })
        .toBe(true);
      expect(await all).toHaveLength(10);
      expect(most).toBeLessThanOrEqual(6);
    });

    describe("answers that are not read", () => {
      /** Asks, and reads nothing. */
      const ask = (server: RpcServer) => {
        const { stream, status } = call(server.port);
        stream.pause();
        stream.end(framed(Ask.encode({ text: "large" })));
        const closed = new Promise<void>((resolve) => stream.once("close", () => resolve()));
        return { stream, status, closed };
      };
      const large = (ask: Ask) => ({ text: ask.text === "large" ? "x".repeat(3 * mib) : ask.text });

      test("are refused when there is no room for them, and small ones are given", async () => {
        const unread = new AnswerRoom(8 * mib);
        const server = await serve({ Say: large }, { unread });
        const calls = Array.from({ length: 2 }, () => ask(server));
        await expect.poll(() => unread.used).toBeGreaterThan(6 * mib);
        expect(await ask(server).status).toBe("8");
        expect(await clientOf(server).request(echo.methods.Say, { text: "small" })).toMatchObject({ text: "small" });
        calls[0]?.stream.close();
        await expect.poll(() => unread.used).toBeLessThan(4 * mib);
        expect((await clientOf(server).request(echo.methods.Say, { text: "large" })).text).toHaveLength(3 * mib);
        calls[1]?.stream.resume();
        expect(await calls[1]?.status).toBe("0");
        await expect.poll(() => unread.used).toBe(0);
      });

      test("make room when they have held it for long", async () => {
        const unread = new AnswerRoom(8 * mib, 0);
        const server = await serve({ Say: large }, { unread });
        const slow = [ask(server), ask(server)];
        await expect.poll(() => unread.used).toBeGreaterThan(6 * mib);
        expect((await clientOf(server).request(echo.methods.Say, { text: "large" })).text).toHaveLength(3 * mib);
        for (const { stream } of slow) stream.resume();
        await slow[0]?.closed;
        expect(slow[0]?.stream.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
        expect(await slow[1]?.status).toBe("0");
      });
    });

    test("compressed messages of a stream are taken in their order", async () => {
      const texts: number[] = [];
      const server = await serve({ Talk: () => ({ message: ({ text }) => void texts.push(text.length) }) });
      const { stream } = call(server.port, { "grpc-encoding": "gzip" }, "/test.Echo/Talk");
      const lengths = [1, 3 * mib, 2, 2 * mib, 3];
      for (const length of lengths) {
        const bytes = framed(gzipSync(Ask.encode({ text: "x".repeat(length) })));
        bytes[0] = 1;
        stream.write(bytes);
      }
      await expect.poll(() => texts).toEqual(lengths);
    });
  });

  test("bytes that are no HTTP/2 after its preface cut only their connection", async () => {
    const server = await serve({ Say: (ask) => ask });
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.alloc(5000, 0xee)]));
    socket.resume();
    await closed;
    expect(await clientOf(server).request(echo.methods.Say, { text: "still" })).toMatchObject({ text: "still" });
  });
});
