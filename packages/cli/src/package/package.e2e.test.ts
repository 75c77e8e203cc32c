import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeWorld } from "@skein/base";
import { afterAll, beforeAll, expect, test } from "vitest";
import { executables } from "./executables.ts";
import { buildPackage } from "./package-command.ts";

const world = nodeWorld();
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-package-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

test.each(executables)("$name runs from an empty folder, without Node, npm or the checkout", async (executable) => {
  const archive = await buildPackage(world, executable, folder);
  const empty = join(folder, `host-${executable.name}`);
  await world.disk.makeFolder(empty);
  expect((await world.processes.run("tar", ["-xf", archive, "-C", empty])).code).toBe(0);
  expect(await readdir(empty)).toEqual([executable.name]);
  // an environment of its own: nothing of this machine's Node is found by accident
  const { code, stdout, stderr } = await world.processes.run(
    "env",
    ["-i", "PATH=/usr/bin:/bin", join(empty, executable.name, executable.name), "-V"],
    { cwd: empty },
  );
  expect(code).toBe(0);
  expect(`${stdout}${stderr}`).toMatch(/^Release Version: v\d+\.\d+\.\d+/);
});
