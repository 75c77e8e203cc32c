/** The port by which a second terminal talks to a playground, and those who should not. */
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { nodeWorld } from "@skein/base";
import { checkoutFolder } from "@skein/servers";
import { expect, test } from "vitest";
import { askControl, readControl, serveControl } from "./control.ts";

const world = nodeWorld();

test("only who knows the token is heard; garbage, long lines and silence hold up nobody", async () => {
  const name = `control-test-${process.pid}`;
  const asked: (readonly string[])[] = [];
  await using _control = await serveControl(world, name, async (words) => {
    asked.push(words);
    return ["done"];
  });
  const port = (await readControl(world, name))?.port ?? 0;
  const say = async (...parts: readonly (string | Uint8Array)[]) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (part: Buffer) => (text += part.toString("utf8")));
    for (const part of parts) socket.write(part);
    await once(socket, "close").catch(() => {});
    return text;
  };
  const wrong = `${JSON.stringify({ ok: false, lines: ["wrong token"] })}\n`;
  for (const line of [
    "null",
    "[]",
    "7",
    "{}",
    "x",
    "[".repeat(60_000),
    '{"token": {"__proto__": 1}}',
    JSON.stringify({ token: "", words: ["down"] }),
  ])
    expect([line.slice(0, 20), await say(`${line}\n`)]).toEqual([line.slice(0, 20), wrong]);
  expect(await say("x".repeat(64 * 1024), "y".repeat(64 * 1024))).toContain("too long");
  await say(world.random.bytes(1_000), "\n");
  const silent = Array.from({ length: 12 }, () => connect(port, "127.0.0.1").on("error", () => {}));
  expect(await askControl(world, name, ["status"])).toEqual({ ok: true, lines: ["done"] });
  for (const socket of silent) socket.destroy();
  expect(asked).toEqual([["status"]]);
});

test("a playground that was killed leaves a file: it does not run, also when its number is another process's by now", async () => {
  const name = `control-test-left-${process.pid}`;
  const path = join(checkoutFolder, ".cache", "playground", `${name}.json`);
  try {
    let port = 0;
    {
      await using _control = await serveControl(world, name, async () => []);
      port = (await readControl(world, name))?.port ?? 0;
      expect(port).toBeGreaterThan(0);
    }
    expect(await readControl(world, name), "who ends takes its file away").toBeNull();
    for (const text of [JSON.stringify({ port, token: "x", pid: process.pid }), "", "null", '{"port": "x"}']) {
      await world.disk.writeFileAtomic(path, text);
      expect(await readControl(world, name)).toBeNull();
      expect(await askControl(world, name, ["status"])).toBeNull();
    }
  } finally {
    await world.disk.remove(path);
  }
});
