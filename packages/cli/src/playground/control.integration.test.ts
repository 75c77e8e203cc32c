/** The port by which a second terminal talks to a playground, and those who should not. */
import { once } from "node:events";
import { connect } from "node:net";
import { nodeWorld } from "@skein/base";
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
