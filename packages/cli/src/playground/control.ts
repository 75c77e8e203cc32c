/**
 * How a second terminal talks to a playground: one line of JSON each way over the loopback. Port and token are in a file that only
 * the user who started it may read.
 */
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { causeText, type World } from "@skein/base";
import { checkoutFolder } from "@skein/servers";

export interface ControlRequest {
  readonly token: string;
  readonly words: readonly string[];
}

export interface ControlAnswer {
  readonly ok: boolean;
  readonly lines: readonly string[];
}

interface ControlFile {
  readonly port: number;
  readonly token: string;
  readonly pid: number;
}

const folder = join(checkoutFolder, ".cache", "playground");
const controlFile = (name: string) => join(folder, `${name}.json`);
const lineBytesMax = 64 * 1024;
const answerTimeoutMs = 120_000;
/** Anyone on this machine may connect: who says nothing must not keep the user out for long. */
const askTimeoutMs = 5_000;

/** Null when no playground of this name runs: one that was killed leaves its file, and its number may be another process's by now. */
export async function readControl(world: World, name: string): Promise<ControlFile | null> {
  const path = controlFile(name);
  if ((await world.disk.stat(path)) === null) return null;
  const control = parse<ControlFile>(Buffer.from(await world.disk.readFile(path)).toString("utf8"));
  if (typeof control?.port !== "number" || (await world.disk.stat(`/proc/${control.pid}`)) === null) return null;
  try {
    (await world.network.connect({ host: "127.0.0.1", port: control.port, timeoutMs: askTimeoutMs })).destroy();
    return control as ControlFile;
  } catch {
    return null;
  }
}

export async function serveControl(
  world: World,
  name: string,
  run: (words: readonly string[]) => Promise<readonly string[]>,
): Promise<AsyncDisposable> {
  const token = Buffer.from(world.random.bytes(24)).toString("base64url");
  const listener = await world.network.listen({ host: "127.0.0.1", port: 0, connectionsMax: 16 }, (stream) => {
    stream.on("error", () => {});
    void answer(world, stream, token, run).finally(() => stream.end());
  });
  const path = controlFile(name);
  await world.disk.makeFolder(folder);
  await world.disk.writeFileAtomic(path, JSON.stringify({ port: listener.port, token, pid: process.pid } satisfies ControlFile), {
    mode: 0o600,
  });
  return {
    [Symbol.asyncDispose]: async () => {
      await listener.close();
      if ((await readControl(world, name)) === null) await world.disk.remove(path);
    },
  };
}

async function answer(
  world: World,
  stream: Duplex,
  token: string,
  run: (words: readonly string[]) => Promise<readonly string[]>,
): Promise<void> {
  let result: ControlAnswer;
  try {
    const request = parse<ControlRequest>(await readLine(world, stream, askTimeoutMs));
    if (request?.token !== token) throw new Error("wrong token");
    const words = Array.isArray(request.words) ? request.words.map(String) : [];
    result = { ok: true, lines: await run(words) };
  } catch (error) {
    result = { ok: false, lines: [causeText(error)] };
  }
  stream.write(`${JSON.stringify(result)}\n`);
}

/** Null for what is no JSON: who cannot say the token hears no more than that. */
function parse<T>(text: string): Partial<T> | null {
  try {
    return JSON.parse(text) as Partial<T> | null;
  } catch {
    return null;
  }
}

/** Null when no playground of this name runs. */
export async function askControl(world: World, name: string, words: readonly string[]): Promise<ControlAnswer | null> {
  const control = await readControl(world, name);
  if (control === null) return null;
  const stream = await world.network.connect({ host: "127.0.0.1", port: control.port, timeoutMs: 5_000 });
  try {
    stream.write(`${JSON.stringify({ token: control.token, words } satisfies ControlRequest)}\n`);
    return JSON.parse(await readLine(world, stream, answerTimeoutMs)) as ControlAnswer;
  } finally {
    stream.destroy();
  }
}

async function readLine(world: World, stream: Duplex, timeoutMs: number): Promise<string> {
  const timer = world.clock.timer(timeoutMs, () => stream.destroy(new Error("no answer")));
  try {
    let bytes = Buffer.alloc(0);
    for await (const part of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes = Buffer.concat([bytes, part]);
      const end = bytes.indexOf("\n");
      if (end >= 0) return bytes.subarray(0, end).toString("utf8");
      if (bytes.length > lineBytesMax) throw new Error("a line is too long");
    }
    throw new Error("the connection ended early");
  } finally {
    timer.cancel();
  }
}
