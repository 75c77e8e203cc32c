/** Peers that send whatever they like, for tests of hostile input. */
import type { Duplex } from "node:stream";
import type { World } from "@skein/base";

/** What HTTP/2 begins with. */
export const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Being thrown out is what such tests expect, and no error. */
export async function connectRaw(world: World, address: string): Promise<Duplex> {
  const at = address.lastIndexOf(":");
  const stream = await world.network.connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)), timeoutMs: 5_000 });
  stream.on("error", () => {});
  stream.resume();
  return stream;
}

/** Sends what the other side reads; who neither reads nor throws us out is left after `waitMs`. */
export async function sayRaw(world: World, address: string, parts: readonly (string | Uint8Array)[], waitMs: number): Promise<void> {
  const stream = await connectRaw(world, address);
  const gone = closed(stream);
  const sendAll = async () => {
    for (const part of parts) {
      if (stream.destroyed) return;
      await Promise.race([gone, new Promise<void>((resolve) => stream.write(part, () => resolve()))]);
    }
    stream.end();
    await gone;
  };
  await Promise.race([sendAll(), world.clock.sleep(waitMs)]);
  stream.destroy();
}

export function closed(stream: Duplex): Promise<void> {
  return stream.destroyed ? Promise.resolve() : new Promise((resolve) => stream.once("close", () => resolve()));
}
