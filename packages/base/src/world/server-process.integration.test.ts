import { on, once } from "node:events";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { nodeWorld } from "./node-world.ts";

const program = resolve(import.meta.dirname, "testing/server-process.main.ts");

/** Signals it once it has said `until`, if given. */
async function run(way: string, until?: string) {
  const child = nodeWorld().processes.spawn(process.execPath, [program, way]);
  let [out, err] = ["", ""];
  child.stderr?.on("data", (data) => (err += String(data)));
  child.stdout?.on("data", (data) => {
    out += String(data);
    if (until !== undefined && out.includes(until)) child.kill("SIGTERM");
  });
  const [exit] = await Promise.all([child.exited, once(child.stdout ?? process, "close")]);
  return { ...exit, out, err };
}

test("goes on when nobody reads its log any more", async () => {
  const child = nodeWorld().processes.spawn(process.execPath, [program, "talks on"]);
  const said = async (part: string) => {
    for await (const [data] of on(child.stdout ?? process, "data")) if (String(data).includes(part)) return;
  };
  await said("serving");
  child.stderr?.destroy();
  for (let i = 0; i < 20; i++) await new Promise((resolve) => child.stdin?.write("x", resolve));
  const heard = said("heard it all");
  child.stdin?.end();
  await Promise.race([heard, child.exited]);
  child.kill("SIGTERM");
  expect(await child.exited).toMatchObject({ code: 0, signal: null });
});

test.each([
  ["help", undefined, 0, "how to\n", ""],
  ["ends well", "serving", 0, "starting\nserving\n", ""],
  ["waits for others", "starting", 0, "starting\n", "ended before it had started"],
  ["waits at its end", "serving", 0, "starting\nserving\n", "the end takes too long"],
  ["cannot start", undefined, 2, "starting\n", "fail to start: the port is taken\n"],
  ["cannot go on", undefined, 3, "starting\nserving\n", "the disk is gone\n"],
])("%s: exit code and texts", async (way, until, code, out, err) => {
  const ended = await run(way, until);
  expect(ended).toMatchObject({ code, signal: null, out });
  expect(ended.err).toContain(err);
});
