import { mkdtemp, rm } from "node:fs/promises";
import { connect as connectHttp2, constants } from "node:http2";
import { get } from "node:https";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { nodeWorld } from "@skein/base";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createRpcClient } from "./client.ts";
import { isRpcError, RpcError } from "./errors.ts";
import { loadSchema } from "./schema.ts";
import { createServer, type RpcServer, type ServerOptions } from "./server.ts";

const schema = loadSchema(`
  syntax = "proto3";
  package test;
  enum Color { NoColor = 0; Red = 1; }
  message Ask { string text = 1; int64 number = 2; bytes data = 3; Color color = 4; }
  message Answer { string text = 1; int64 number = 2; repeated string list = 3; Color color = 4; Ask asked = 5; }
  service Echo { rpc Say(Ask) returns (Answer); rpc Talk(stream Ask) returns (stream Answer); rpc Silent(Ask) returns (Answer); rpc Missing(Ask) returns (Answer); }
`);
const service = schema.service("test.Echo");
const world = nodeWorld();
const servers: RpcServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serve(options: Partial<ServerOptions> = {}) {
  const server = await createServer(world, {
    host: "127.0.0.1",
    port: 0,
    services: [
      {
        service,
        unary: {
          Say: async (request) => {
            if (request["text"] === "fail") throw new RpcError("failed_precondition", "not now");
            return { text: `hello ${String(request["text"])}`, number: request["number"], asked: request };
          },
          Silent: (_request, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
        },
        streams: {
          Talk: async (stream) => {
            for await (const message of stream.messages) {
              if (message["text"] === "bye") return;
              await stream.send({ text: String(message["text"]).toUpperCase() });
            }
          },
        },
      },
    ],
    http: (request, response) => {
      let size = 0;
      request.on("data", (chunk: Buffer) => (size += chunk.length));
      request.on("end", () => response.end(`${request.method} ${request.url} ${size}`));
    },
    ...options,
  });
  servers.push(server);
  return server;
}

describe("one port", () => {
  test("serves gRPC and HTTP/1", async () => {
    const { port } = await serve();
    using client = createRpcClient(world, `http://127.0.0.1:${port}`);
    const answer = await client.call(service, "Say", { text: "you", number: "9223372036854775807", color: "Red" });
    expect(answer).toMatchObject({ text: "hello you", number: "9223372036854775807", list: [], color: "NoColor" });
    expect(answer["asked"]).toMatchObject({ text: "you", color: "Red" });
    const get = await fetch(`http://127.0.0.1:${port}/status`);
    expect(await get.text()).toBe("GET /status 0");
    const post = await fetch(`http://127.0.0.1:${port}/x`, { method: "POST", body: "y".repeat(300_000) });
    expect(await post.text()).toBe("POST /x 300000");
  });

  test("takes a first request that comes byte by byte", async () => {
    const { port } = await serve();
    const socket = connect(port, "127.0.0.1");
    for (const byte of "PRUNE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") {
      await new Promise((resolve) => socket.write(byte, resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const parts: Buffer[] = [];
    for await (const part of socket) parts.push(part as Buffer);
    // Node knows no method of that name: the HTTP side answered, so the bytes arrived there in order.
    expect(Buffer.concat(parts).toString()).toContain("400 Bad Request");
  });

  test("cuts a connection that says nothing", async () => {
    const { port } = await serve({ limits: { idleMs: 50 } });
    const socket = connect(port, "127.0.0.1");
    await new Promise((resolve) => socket.once("close", resolve));
  });

  test("cuts a body that does not come", async () => {
    const { port } = await serve({ limits: { requestMs: 100 } });
    const socket = connect(port, "127.0.0.1");
    socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    await new Promise((resolve) => socket.once("close", resolve));
  });

  test("refuses headers over the limit, and connections over the limit", async () => {
    const { port } = await serve({ limits: { headerBytesMax: 1000, connectionsMax: 2 } });
    const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { "x-long": "y".repeat(5000) } });
    expect(answer.status).toBe(400);
    const sockets = Array.from({ length: 3 }, () => connect(port, "127.0.0.1"));
    await Promise.any(sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    for (const socket of sockets) socket.destroy();
  });

  test("cuts a connection that asks on and on without waiting for answers; a few requests ahead are answered in order", async () => {
    let asked = 0;
    const { port } = await serve({
      http: (request, response) => {
        asked++;
        response.end(`${request.url};`);
      },
    });
    const ask = async (count: number) => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      const closed = new Promise((resolve) => socket.once("close", resolve));
      let answers = "";
      socket.on("data", (part: Buffer) => {
        answers += part.toString("latin1");
        if (answers.includes(`/${count - 1};`)) socket.destroy();
      });
      socket.write(Array.from({ length: count }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join(""));
      await closed;
      return [...answers.matchAll(/\/\d+;/g)].join("");
    };
    expect(await ask(10)).toBe("/0;/1;/2;/3;/4;/5;/6;/7;/8;/9;");
    asked = 0;
    await ask(1000);
    expect(asked).toBeLessThan(20);
  });

  test("says which address is taken", async () => {
    const { port } = await serve();
    await expect(createServer(world, { host: "127.0.0.1", port })).rejects.toMatchObject({ code: 62001 });
  });
});

describe("plain HTTP over HTTP/2", () => {
  test("more requests at once than the limit are refused, those within it answered; a body that does not come is cut", async () => {
    const answers: (() => void)[] = [];
    const { port } = await serve({
      limits: { pipelinedMax: 2, requestMs: 100 },
      http: (request, response) => {
        request.resume();
        if (request.method === "GET") answers.push(() => response.end(request.url));
      },
    });
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const ask = (path: string, method = "GET") => {
      const stream = session.request({ ":path": path, ":method": method }, { endStream: method === "GET" });
      return new Promise<string>((resolve) => {
        let text = "";
        stream.on("data", (part: Buffer) => (text += part.toString()));
        stream.on("error", () => {});
        stream.on("close", () => resolve(stream.rstCode === constants.NGHTTP2_NO_ERROR ? text : `cut ${stream.rstCode}`));
      });
    };
    const first = [ask("/1"), ask("/2")];
    await expect.poll(() => answers.length).toBe(2);
    expect(await ask("/3")).toBe(`cut ${constants.NGHTTP2_REFUSED_STREAM}`);
    for (const answer of answers) answer();
    expect(await Promise.all(first)).toEqual(["/1", "/2"]);
    expect(await ask("/4", "POST")).toMatch(/^cut /);
    session.destroy();
  });
});

describe("a third kind of connection, told by its prefix", () => {
  const prefix = Uint8Array.of(0x93, 0x41, 0x42, 0x43);
  /** Answers all that comes, in capitals. */
  const prefixed = {
    prefix,
    onConnection: (connection: Duplex) => void connection.on("data", (part: Buffer) => connection.write(capitals(part))),
  };
  const capitals = (bytes: Uint8Array) => Buffer.from(Buffer.from(bytes).toString("latin1").toUpperCase(), "latin1");
  const ended = (socket: Socket) =>
    new Promise<string>((resolve) => {
      let text = "";
      socket.on("error", () => {});
      socket.on("data", (part: Buffer) => (text += part.toString("latin1")));
      socket.once("close", () => resolve(text));
    });
  /** The first `length` bytes that come back. */
  const answered = (socket: Socket, length: number) =>
    new Promise<string>((resolve, reject) => {
      let text = "";
      socket.once("close", () => reject(new Error("closed")));
      socket.on("data", (part: Buffer) => {
        text += part.toString("latin1");
        if (text.length >= length) resolve(text);
      });
    });
  const opened: Socket[] = [];
  const dial = (port: number) => {
    const socket = connect(port, "127.0.0.1");
    opened.push(socket);
    return socket;
  };
  afterEach(() => {
    for (const socket of opened.splice(0)) socket.destroy();
  });
  const said = `${Buffer.from(prefix).toString("latin1")}TEXT`;

  test("is handed over whole, also when it comes byte by byte; gRPC and HTTP/1 go on beside it", async () => {
    const { port } = await serve({ prefixed });
    const [fast, slow] = [dial(port), dial(port)];
    fast.write(Buffer.concat([prefix, Buffer.from("text")]));
    for (const byte of Buffer.concat([prefix, Buffer.from("text")])) {
      await new Promise((resolve) => slow.write(Buffer.of(byte), resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await Promise.all([answered(fast, 8), answered(slow, 8)])).toEqual([said, said]);
    using client = createRpcClient(world, `http://127.0.0.1:${port}`);
    expect(await client.call(service, "Say", { text: "you" })).toMatchObject({ text: "hello you" });
    expect(await (await fetch(`http://127.0.0.1:${port}/status`)).text()).toBe("GET /status 0");
  });

  test("that only begins like one is answered by HTTP; one that stops in the prefix is cut", async () => {
    const { port } = await serve({ prefixed, limits: { idleMs: 50 } });
    const wrong = dial(port);
    wrong.write(Buffer.concat([prefix.subarray(0, 3), Buffer.from("x / HTTP/1.1\r\n\r\n")]));
    expect(await ended(wrong)).toContain("400 Bad Request");
    const half = dial(port);
    half.write(prefix.subarray(0, 2));
    expect(await ended(half)).toBe("");
  });

  test("has room when clients have taken all of theirs, and they get none of it", async () => {
    const { port } = await serve({ prefixed: { ...prefixed, connectionsMax: 2 }, limits: { connectionsMax: 1 } });
    const idle = dial(port);
    await new Promise((resolve) => idle.once("connect", resolve));
    const client = dial(port);
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await ended(client)).toBe("");
    const peer = dial(port);
    peer.write(Buffer.concat([prefix, Buffer.from("text")]));
    expect(await answered(peer, 8)).toBe(said);
    expect(await ended(dial(port))).toBe(""); // says nothing, and is not let wait for it
    idle.destroy();
    await new Promise((resolve) => idle.once("close", resolve));
    await expect.poll(async () => (await fetch(`http://127.0.0.1:${port}/`).catch(() => null))?.status).toBe(200);
  });

  test("does not hold up the server's end, and ends with it", async () => {
    const server = await serve({ prefixed });
    const peer = dial(server.port);
    peer.write(Buffer.concat([prefix, Buffer.from("text")]));
    await answered(peer, 8);
    const end = ended(peer);
    await server.close(60_000);
    await end;
  });

  test("cannot begin as HTTP does", async () => {
    for (const bad of [Uint8Array.of(), Buffer.from("PRI"), Buffer.from("SKNR")])
      await expect(serve({ prefixed: { ...prefixed, prefix: bad } })).rejects.toThrow(RangeError);
  });
});

describe("with TLS", () => {
  let folder: string;
  let tls: { readonly ca: Uint8Array; readonly cert: Uint8Array; readonly key: Uint8Array };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "skein-rpc-"));
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const { code, stderr } = await world.processes.run("openssl", [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-subj",
      "/CN=localhost",
      "-addext",
      "subjectAltName=DNS:localhost,IP:127.0.0.1",
      "-days",
      "2",
      "-keyout",
      key,
      "-out",
      cert,
    ]);
    if (code !== 0) throw new Error(stderr);
    const certificate = await world.disk.readFile(cert);
    tls = { ca: certificate, cert: certificate, key: await world.disk.readFile(key) };
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("one port serves gRPC and HTTP/1, and agrees on the protocol with clients that ask", async () => {
    const { port } = await serve({ tls: { ...tls, requestCert: true } });
    using client = createRpcClient(world, `https://localhost:${port}`, { tls });
    expect(await client.call(service, "Say", { text: "you" })).toMatchObject({ text: "hello you" });
    const agreed = await new Promise<string | false | null>((resolve, reject) => {
      const socket = connectTls({
        host: "localhost",
        port,
        ca: Buffer.from(tls.ca),
        cert: Buffer.from(tls.cert),
        key: Buffer.from(tls.key),
        ALPNProtocols: ["h2"],
      });
      socket.once("secureConnect", () => {
        resolve(socket.alpnProtocol);
        socket.destroy();
      });
      socket.once("error", reject);
    });
    expect(agreed).toBe("h2");
    const body = await new Promise<string>((resolve, reject) => {
      const request = get(
        { host: "localhost", port, path: "/status", ca: Buffer.from(tls.ca), cert: Buffer.from(tls.cert), key: Buffer.from(tls.key) },
        (response) => {
          let text = "";
          response.on("data", (chunk: Buffer) => (text += chunk.toString()));
          response.on("end", () => resolve(text));
        },
      );
      request.on("error", reject);
    });
    expect(body).toBe("GET /status 0");
  });

  test.each([["--http1.1"], ["--http2"], ["--silent"]])("plain HTTP is answered by either protocol: curl %s", async (option) => {
    const { port } = await serve({
      tls,
      http: (request, response) => {
        let size = 0;
        request.on("data", (chunk: Buffer) => (size += chunk.length));
        request.on("end", () => {
          response.writeHead(200, { "content-type": "text/plain" });
          response.end(`${request.method} ${request.url} ${size} ${request.headers.host} ${request.httpVersion}`);
        });
      },
    });
    const curl = async (...args: string[]) => {
      const { stdout, stderr, code } = await world.processes.run(
        "curl",
        ["--silent", "--show-error", option, "--cacert", join(folder, "cert.pem"), ...args, `https://localhost:${port}/status?a=b`],
        { input: "y".repeat(300_000) },
      );
      return code === 0 ? stdout : stderr;
    };
    const version = option === "--http1.1" ? "1.1" : "2.0";
    expect(await curl()).toBe(`GET /status?a=b 0 localhost:${port} ${version}`);
    expect(await curl("--data-binary", "@-")).toBe(`POST /status?a=b 300000 localhost:${port} ${version}`);
    using client = createRpcClient(world, `https://localhost:${port}`, { tls });
    expect(await client.call(service, "Say", { text: "you" })).toMatchObject({ text: "hello you" });
  });

  test("a client without a certificate is not served where one is asked for", async () => {
    const { port } = await serve({ tls: { ...tls, requestCert: true } });
    using client = createRpcClient(world, `https://localhost:${port}`, { tls: { ca: tls.ca } });
    await expect(client.call(service, "Say", { text: "you" }, { deadlineMs: 3000 })).rejects.toMatchObject({ status: "unavailable" });
  });
});

describe("calls", () => {
  test("fail with the server's status and text", async () => {
    const { port } = await serve();
    using client = createRpcClient(world, `127.0.0.1:${port}`);
    const failure = await client.call(service, "Say", { text: "fail" }).catch((error: unknown) => error);
    expect(isRpcError(failure, "failed_precondition") && failure.message).toBe("rpc error: code = FailedPrecondition desc = not now");
    await expect(client.call(service, "Missing", {})).rejects.toMatchObject({ status: "unimplemented" });
  });

  test("end at their deadline or with their signal", async () => {
    const { port } = await serve();
    using client = createRpcClient(world, `127.0.0.1:${port}`);
    await expect(client.call(service, "Silent", {}, { deadlineMs: 50 })).rejects.toMatchObject({ status: "deadline_exceeded" });
    const controller = new AbortController();
    const call = client.call(service, "Silent", {}, { signal: controller.signal });
    controller.abort(new DOMException("enough", "AbortError"));
    await expect(call).rejects.toBe(controller.signal.reason);
  });

  test("fail at once when nobody listens, and work again when somebody does", async () => {
    const first = await serve();
    using client = createRpcClient(world, `127.0.0.1:${first.port}`);
    await client.call(service, "Say", { text: "a" });
    await first.close();
    await expect(client.call(service, "Say", { text: "b" })).rejects.toMatchObject({ status: "unavailable" });
    await serve({ port: first.port });
    for (let answered = false; !answered; )
      answered = await client.call(service, "Say", { text: "c" }).then(
        () => true,
        (error: unknown) => {
          if (!isRpcError(error, "unavailable")) throw error;
          return false;
        },
      );
  });

  test("stream both ways", async () => {
    const { port } = await serve();
    using client = createRpcClient(world, `127.0.0.1:${port}`);
    const stream = client.stream(service, "Talk");
    const heard: unknown[] = [];
    stream.send({ text: "one" });
    for await (const message of stream.messages) {
      heard.push(message["text"]);
      stream.send({ text: heard.length === 2 ? "bye" : "two" });
    }
    expect(heard).toEqual(["ONE", "TWO"]);
  });

  test("that run are finished before a server with grace closes", async () => {
    let finish = () => {};
    const running = Promise.withResolvers<void>();
    const server = await createServer(world, {
      host: "127.0.0.1",
      port: 0,
      services: [
        {
          service,
          unary: {
            Say: () =>
              new Promise((resolve) => {
                finish = () => resolve({ text: "done" });
                running.resolve();
              }),
          },
        },
      ],
    });
    using client = createRpcClient(world, `127.0.0.1:${server.port}`);
    const call = client.call(service, "Say", {});
    await running.promise;
    const closed = server.close(5000);
    finish();
    expect((await call)["text"]).toBe("done");
    await closed;
  });
});
