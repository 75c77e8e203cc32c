import { once } from "node:events";
import { createServer } from "node:net";
import { nodeWorld } from "@skein/base";
import { expect, test } from "vitest";
import { httpCall } from "./region-cluster.ts";

test("whoever waits for an answer can give up at once", async () => {
  const gaveUp = new AbortController();
  const silent = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => gaveUp.abort()); // the request is there, and no answer will be
  });
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as { port: number };
  await expect(httpCall(nodeWorld(), `127.0.0.1:${port}`, "GET", "/", "", gaveUp.signal)).rejects.toThrow("does not answer");
  silent.close();
});
