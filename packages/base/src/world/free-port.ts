import type { World } from "./world.ts";

/**
 * Below those that Linux gives to outgoing connections (32768 and up), which come and go all the time: a port that one of them takes
 * between the choice and its use cannot be listened on.
 */
const lowest = 15_000;
const highest = 32_000;
const triesMax = 20;

/** A port of the loopback that was free a moment ago; another process may take it before it is used. */
export async function freePort(world: World): Promise<number> {
  for (let tries = 0; tries < triesMax; tries++) {
    const port = world.random.between(lowest, highest);
    if (await isPortFree(world, port)) return port;
  }
  const listener = await world.network.listen({ host: "127.0.0.1", port: 0 }, (stream) => stream.destroy());
  await listener.close();
  return listener.port;
}

/** Whether a port of the loopback can be listened on at this moment. */
export async function isPortFree(world: World, port: number): Promise<boolean> {
  try {
    const listener = await world.network.listen({ host: "127.0.0.1", port }, (stream) => stream.destroy());
    await listener.close();
    return true;
  } catch {
    return false; // taken, or nothing can be listened on here: `freePort` says so with its last try
  }
}
