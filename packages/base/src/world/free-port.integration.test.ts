import { expect, test } from "vitest";
import { freePort } from "./free-port.ts";
import { nodeWorld } from "./node-world.ts";

test("free ports are none that outgoing connections are given, and none that is taken", async () => {
  const world = nodeWorld();
  const taken = await freePort(world);
  expect(taken).toBeLessThan(32_768);
  await using listener = await world.network.listen({ host: "127.0.0.1", port: taken }, (stream) => stream.destroy());
  const draws = [listener.port, listener.port, 20_001];
  const random = { ...world.random, between: () => draws.shift() ?? 20_002 };
  expect([20_001, 20_002]).toContain(await freePort({ ...world, random }));
  expect(draws.length).toBe(0);
});
