import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, nodeWorld } from "@skein/base";
import { checkoutFolder } from "@skein/servers";
import { afterEach, expect, test } from "vitest";
import { whyNoNamespaces } from "./network.ts";

const world = nodeWorld();
const main = join(checkoutFolder, "packages/cli/src/main.ts");
const name = `test-${process.pid}`;

const ctl = async (...words: readonly string[]) => {
  const { code, stdout, stderr } = await world.processes.run(process.execPath, [main, "playground", "ctl", "--name", name, ...words]);
  return { code, text: stdout + stderr };
};

/** Until the table tells it: it can only be asked. */
async function untilStatus(child: Child, pattern: RegExp): Promise<string> {
  let last = "";
  for (let tries = 0; tries < 240; tries++) {
    last = (await ctl("status")).text;
    if (pattern.test(last)) return last;
    await Promise.race([world.clock.sleep(250), child.exited]);
  }
  throw new Error(`the table never told ${pattern}:\n${last}`);
}

const started: Child[] = [];
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill("SIGKILL"); // where a test failed; the processes of a playground end with it
    await child.exited;
  }
});

/** A playground that has said `until`, with its temporary files and its working folder in this folder. */
async function start(folder: string, flags: readonly string[], until: string) {
  const child = world.processes.spawn(process.execPath, [main, "playground", "--name", name, ...flags], {
    cwd: folder,
    env: { TMPDIR: folder },
  });
  let text = "";
  const said = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (part: Buffer) => {
      text += part.toString("utf8");
      if (text.includes(until)) said.resolve();
    });
  started.push(child);
  await Promise.race([said.promise, child.exited.then(({ code }) => Promise.reject(new Error(`it ended with code ${code}:\n${text}`)))]);
  return { child, text: () => text };
}

async function end(child: Child): Promise<void> {
  child.kill("SIGINT");
  expect((await child.exited).code).toBe(0);
}

test("a store is killed, restarted, cut off and joined by another one from a second terminal; Ctrl-C leaves nothing behind", async () => {
  const folder = await mkdtemp(join(tmpdir(), "skein-playground-test-"));
  try {
    const { child } = await start(folder, ["--zones", "east:2,west:1"], "ready: --pd ");

    const table = await untilStatus(child, /store-3 .*zone=west/);
    expect(table).toMatch(/store-1 +\d+ +Up +runs +.*zone=east/);
    const second = await world.processes.run(process.execPath, [main, "playground", "--name", name]);
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining("runs already") });
    expect(await ctl("--kill", "store-2")).toEqual({ code: 0, text: "store-2 was killed (kill -9)\n" });
    await untilStatus(child, /store-2 .* dead/);
    expect((await ctl("restart", "store-2")).code).toBe(0);
    await untilStatus(child, /store-2 +\d+ +Up +runs/);
    expect((await ctl("pause", "store-3")).code).toBe(0);
    await untilStatus(child, /store-3 .* paused/);
    expect((await ctl("resume", "store-3")).code).toBe(0);
    if ((await whyNoNamespaces(world)) === null) {
      expect(await ctl("partition", "store-1")).toEqual({ code: 0, text: "store-1 is cut off\n" });
      await untilStatus(child, /store-1 .* cut off/);
      expect(await ctl("--partition"), "without a name it is the last store").toEqual({ code: 0, text: "store-3 is cut off\n" });
      expect(await ctl("--partition=store-2,store-3")).toEqual({ code: 0, text: "store-2, store-3 are cut off\n" });
      expect((await ctl("heal")).code).toBe(0);
    } else expect((await ctl("partition", "store-1")).text).toContain("cannot cut off anybody");
    expect((await ctl("add-store", "zone=west")).text).toContain("store-4 was added");
    expect((await ctl("--add-store")).text).toContain("store-5 was added");
    await untilStatus(child, /store-4 +\d+ +Up +runs.*\n.*store-5 +\d+ +Up +runs/);
    expect(await ctl("kill", "store-9")).toMatchObject({ code: 1 });
    const headed = await world.processes.run("sh", ["-c", `'${process.execPath}' '${main}' playground ctl --name ${name} status | true`]);
    expect(headed, "who does not read to the end hears no complaint").toMatchObject({ code: 0, stdout: "", stderr: "" });

    child.kill("SIGINT");
    expect((await child.exited).code).toBe(0);
    const { stdout } = await world.processes.run("ps", ["-eo", "args"]);
    expect(stdout.split("\n").filter((line) => line.includes(folder))).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
    expect((await ctl("status")).text).toContain("no playground runs");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("three placement drivers go on with their data at the addresses they had, and so do the stores that were added", async () => {
  const folder = await mkdtemp(join(tmpdir(), "skein-playground-test-"));
  try {
    const first = await start(folder, ["--pd", "3", "--stores", "1", "--data", "kept"], "ready: --pd ");
    expect((await ctl("add-store", "disk=ssd")).code).toBe(0);
    const table = await untilStatus(first.child, /store-2 +\d+ +Up/);
    await end(first.child);
    expect(await readdir(folder), "the folder that a flag names is the caller's").toEqual(["kept"]);

    const second = await start(folder, ["--data", "kept"], "ready: --pd ");
    const columns = (text: string) => [...text.matchAll(/(store-\d) +(\d+) .* (\S+ +[\d.:]+)$/gm)].map((match) => match.slice(1));
    expect(columns(await untilStatus(second.child, /store-1 +\d+ +Up[^]*store-2 +\d+ +Up/))).toEqual(columns(table));
    expect(table).toMatch(/store-2 .*disk=ssd/);
    await end(second.child);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("an interrupt while it starts ends all that was started", async () => {
  const folder = await mkdtemp(join(tmpdir(), "skein-playground-test-"));
  try {
    const { child, text } = await start(folder, ["--pd", "3"], "starting 3 pd-servers");
    expect((await ctl("kill", "store-1")).text).toContain("it takes orders while its table is there");
    child.kill("SIGINT");
    expect((await child.exited).code).toBe(130);
    expect(text()).toContain("everything that was started has ended");
    const { stdout } = await world.processes.run("ps", ["-eo", "args"]);
    expect(stdout.split("\n").filter((line) => line.includes(folder))).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test.each([
  [["--kill", "store-2"], "for a playground that runs: ./skein playground ctl "],
  [["--stores", "2.5"], "whole number from 1 to 50, not 2.5"],
  [["--nope"], "Unknown option '--nope'\n"],
  [["--data", ""], "--data is the name of a folder"],
])("playground %j is refused with what to do instead", async (flags, text) => {
  const { code, stderr } = await world.processes.run(process.execPath, [main, "playground", "--name", name, ...flags]);
  expect(stderr).toContain(text);
  expect(code).toBe(2);
});
