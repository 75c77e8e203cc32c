import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { logFile } from "./log-file.ts";
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

  test("makes folders with those above them, private ones, and says it where none can be made", async () => {
    const path = join(folder, "above", "below");
    await Promise.all([world.disk.makeFolder(path), world.disk.makeFolder(path)]);
    await world.disk.makeFolder(path);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    await writeFile(join(folder, "file"), "");
    for (const [bad, code] of [
      [join(folder, "file"), "EEXIST"],
      [join(folder, "file", "below"), "ENOTDIR"],
      ["/proc/no-such-folder/below", "ENOENT"],
      ["", "ENOENT"],
    ] as const)
      await expect(world.disk.makeFolder(bad)).rejects.toMatchObject({ code });
  });
});

describe("a log file", () => {
  test("grows line by line in folders that it makes, and is put aside when it is full", async () => {
    const path = join(folder, "logs", "deep", "x.log");
    const log = logFile(path, { bytesMax: 8 });
    for (const line of ["one\n", "two\n", "three\n"]) log.write(line);
    const names = await world.disk.list(join(folder, "logs", "deep"));
    expect(names).toEqual([expect.stringMatching(/^x-.*\.log$/), "x.log"]);
    const texts = await Promise.all(names.map((name) => world.disk.readFile(join(folder, "logs", "deep", name))));
    expect(texts.map((text) => Buffer.from(text).toString("utf8"))).toEqual(["one\ntwo\n", "three\n"]);
  });

  test("on a full disk loses lines, and nothing else", () => {
    const log = logFile("/dev/full");
    log.write("one\n");
    log.write("two\n");
  });

  test("cannot be where no folder can be made", () => {
    expect(() => logFile("/proc/no-such-folder/below/x.log")).toThrow("ENOENT");
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
