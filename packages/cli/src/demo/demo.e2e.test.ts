import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, nodeWorld } from "@skein/base";
import { checkoutFolder } from "@skein/servers";
import { expect, test } from "vitest";

const world = nodeWorld();
const main = join(checkoutFolder, "packages/cli/src/main.ts");

/** The demo in a process of its own; `text` grows while it runs. */
function startDemo(
  args: readonly string[],
  folder = tmpdir(),
): { readonly child: Child; readonly text: () => string; waitFor(part: string): Promise<void> } {
  const child = world.processes.spawn(process.execPath, [main, "demo", ...args], { env: { TMPDIR: folder } });
  let text = "";
  let onText = () => {};
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (part: Buffer) => {
      text += part.toString("utf8");
      onText();
    });
  return {
    child,
    text: () => text,
    waitFor: async (part) => {
      const seen = new Promise<void>((resolve) => {
        onText = () => text.includes(part) && resolve();
        onText();
      });
      await Promise.race([
        seen,
        child.exited.then(({ code }) => Promise.reject(new Error(`the demo ended with code ${code} before "${part}":\n${text}`))),
      ]);
    },
  };
}

test("migrates under load, survives kill -9 of the worker, and ends with both sides equal", async () => {
  const demo = startDemo(["--rows", "600_000", "--seconds", "5"]);
  const { code } = await demo.child.exited;
  expect(demo.text()).toContain("EQUAL: every row of the source is in the target");
  expect(demo.text()).toMatch(/kill -9 worker-\d in the middle of the copy, at \d+ %/);
  expect(demo.text()).toMatch(/worker-\d goes on after [\d.]+ s with the \d+ % that were committed/);
  expect(code).toBe(0);
});

test("an interrupt ends all that was started, and leaves no file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "skein-demo-test-"));
  try {
    const demo = startDemo(["--rows", "1_000_000"], folder);
    await demo.waitFor("the application writes from now on");
    demo.child.kill("SIGINT");
    expect((await demo.child.exited).code).toBe(130);
    const { stdout } = await world.processes.run("ps", ["-eo", "args"]);
    expect(stdout.split("\n").filter((line) => line.includes(folder))).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
