import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeWorld } from "./node-world.ts";

const world = nodeWorld();
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-world-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("a real disk", () => {
  test("reads and writes at offsets, and keeps a file's mode private", async () => {
    const path = join(folder, "f");
    await using file = await world.disk.open(path, { create: true });
    await file.write(3, new Uint8Array([1, 2]));
    await file.sync();
    expect([...(await file.read(0, 100))]).toEqual([0, 0, 0, 1, 2]);
    expect(await world.disk.stat(path)).toMatchObject({ kind: "file", sizeBytes: 5 });
    await expect(world.disk.readFile(path, { limitBytes: 4 })).rejects.toThrow("over the limit of 4");
    expect(await world.disk.stat(join(folder, "nothing"))).toBeNull();
  });

  test("an atomic write leaves nothing behind when it cannot be done", async () => {
    await world.disk.makeFolder(join(folder, "taken"));
    await expect(world.disk.writeFileAtomic(join(folder, "taken"), "x")).rejects.toThrow();
    expect((await world.disk.list(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

describe("a real network", () => {
  test("connects, echoes, refuses, and ends open streams on close", async () => {
    const listener = await world.network.listen({ host: "127.0.0.1", port: 0 }, (stream) => stream.pipe(stream));
    const stream = await world.network.connect({ host: "127.0.0.1", port: listener.port });
    const echoed = new Promise((resolve) => stream.once("data", (part: Buffer) => resolve(part.toString())));
    stream.write("hello");
    expect(await echoed).toBe("hello");
    const closed = new Promise((resolve) => stream.once("close", resolve));
    await listener.close();
    await closed;
    await expect(world.network.connect({ host: "127.0.0.1", port: listener.port })).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});

describe("real processes", () => {
  test("give code and output, and take input", async () => {
    expect(await world.processes.run("sh", ["-c", "cat; echo err >&2; exit 3"], { input: "in" })).toEqual({
      code: 3,
      signal: null,
      stdout: "in",
      stderr: "err\n",
    });
    await expect(world.processes.run("no-such-program-of-ours", [])).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("can be killed", async () => {
    const child = world.processes.spawn("sleep", ["100"]);
    child.kill("SIGKILL");
    expect(await child.exited).toEqual({ code: null, signal: "SIGKILL" });
  });
});
