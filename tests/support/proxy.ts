/** A TCP proxy between a worker and a server: the network of the chaos tests. It can be cut, slowed, and healed. */
import type { Duplex } from "node:stream";
import type { World } from "@skein/base";

export interface Proxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Nothing passes any more, and nothing is closed: what a dead switch does. */
  freeze(): void;
  /** All streams are reset and new ones are refused. */
  cut(): void;
  /** At most this many bytes a second in each direction, for all streams together. */
  slow(bytesPerSecond: number): void;
  heal(): void;
  /** Streams that were opened so far. */
  readonly opened: number;
  close(): Promise<void>;
}

export async function startProxy(world: World, target: { readonly host: string; readonly port: number }): Promise<Proxy> {
  const streams = new Set<Duplex>();
  const state: { mode: "open" | "frozen" | "cut" } = { mode: "open" };
  let bytesPerSecond = Number.POSITIVE_INFINITY;
  let opened = 0;
  let wake = Promise.withResolvers<void>();
  let busyUntilMs = 0;

  const pump = async (from: Duplex, to: Duplex) => {
    for await (const part of from as AsyncIterable<Uint8Array>) {
      while (state.mode === "frozen") await wake.promise;
      if (bytesPerSecond !== Number.POSITIVE_INFINITY) {
        const nowMs = world.clock.monotonicMs();
        busyUntilMs = Math.max(nowMs, busyUntilMs) + (part.length / bytesPerSecond) * 1_000;
        await world.clock.sleep(busyUntilMs - nowMs);
      }
      if (to.destroyed) return;
      if (!to.write(part)) await new Promise<void>((resolve) => to.once("drain", resolve).once("close", resolve));
    }
    to.end();
  };

  const listener = await world.network.listen({ host: "127.0.0.1", port: 0 }, (client) => {
    opened++;
    client.on("error", () => {});
    if (state.mode === "cut") return void client.destroy();
    void (async () => {
      const server = await world.network.connect(target);
      server.on("error", () => {});
      const ends = [client, server];
      for (const end of ends) {
        streams.add(end);
        end.once("close", () => {
          streams.delete(end);
          for (const other of ends) other.destroy();
        });
      }
      await Promise.all([pump(client, server), pump(server, client)]);
    })().catch(() => client.destroy());
  });

  const set = (next: typeof state.mode) => {
    state.mode = next;
    wake.resolve();
    wake = Promise.withResolvers<void>();
  };
  return {
    host: "127.0.0.1",
    port: listener.port,
    freeze: () => set("frozen"),
    cut: () => {
      set("cut");
      for (const stream of streams) stream.destroy();
    },
    slow: (limit) => {
      bytesPerSecond = limit;
    },
    heal: () => {
      bytesPerSecond = Number.POSITIVE_INFINITY;
      set("open");
    },
    get opened() {
      return opened;
    },
    close: () => listener.close(),
    [Symbol.asyncDispose]: () => listener.close(),
  };
}
