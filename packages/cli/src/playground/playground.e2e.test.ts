import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, nodeWorld } from "@skein/base";
import { checkoutFolder } from "@skein/servers";
import { expect, test } from "vitest";
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

test("a store is killed, restarted, cut off and joined by another one from a second terminal; Ctrl-C leaves nothing behind", async () => {
  const folder = await mkdtemp(join(tmpdir(), "skein-playground-test-"));
  try {
    const child = world.processes.spawn(process.execPath, [main, "playground", "--name", name, "--zones", "east:2,west:1"], {
      env: { TMPDIR: folder },
    });
    let text = "";
    const ready = Promise.withResolvers<void>();
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (part: Buffer) => {
        text += part.toString("utf8");
        if (text.includes("ready: --pd ")) ready.resolve();
      });
    await Promise.race([ready.promise, child.exited.then(({ code }) => Promise.reject(new Error(`it ended with code ${code}:\n${text}`)))]);

    const table = await untilStatus(child, /store-3 .*zone=west/);
    expect(table).toMatch(/store-1 +\d+ +Up +runs +.*zone=east/);
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
      expect((await ctl("heal")).code).toBe(0);
    } else expect((await ctl("partition", "store-1")).text).toContain("cannot cut off anybody");
    expect((await ctl("add-store", "zone=west")).text).toContain("store-4 was added");
    await untilStatus(child, /store-4 +\d+ +Up +runs/);
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
