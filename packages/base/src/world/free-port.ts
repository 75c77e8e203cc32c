import type { World } from "./world.ts";

/** A port of the loopback that was free a moment ago; another process may take it before it is used. */
export async function freePort(world: World): Promise<number> {
  const listener = await world.network.listen({ host: "127.0.0.1", port: 0 }, (stream) => stream.destroy());
  await listener.close();
  return listener.port;
}
