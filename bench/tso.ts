/**
 * Timestamps from a placement driver in a process of its own. Each caller asks for its next timestamp when it has one. A client has one
 * connection with one stream, on which it asks for what its callers want at the same moment with one request:
 *
 *   1000 callers   one client: few requests with many timestamps each
 *   100 streams    100 clients with a connection each, 10 callers on each: many requests
 *   100 × 1        the same with one caller each: a request for each timestamp, 100 under way
 *   one caller     a request for each timestamp, one after the other
 *
 * The limits are what the original gave on a machine of this kind, with clients and server on the same two cores.
 */
import type { BenchCase, Benchmark, BenchContext } from "@skein/cli";
import { createPdClient, type PdClient } from "@skein/placement/client";
import { type PlacementDriver, startPlacementDriver } from "./support/placement-driver.ts";

const seconds = 5;

interface Shape {
  readonly clients: number;
  /** Of each client. */
  readonly callers: number;
}

export const benchmark: Benchmark = {
  name: "tso",
  describe: "Timestamps a second over one stream, over 100 streams and for one caller, beside the original's recorded figures.",
  async prepare(context) {
    const driver = await startPlacementDriver(context);
    const one = (name: string, shape: Shape, must: number | null): BenchCase => ({
      name,
      metrics: [
        { name: "timestamps", unit: "/s", better: "higher" },
        { name: "p50", unit: "ms", better: "lower" },
        { name: "p99", unit: "ms", better: "lower" },
      ],
      contenders: [{ name: "skein", isOurs: true, run: () => measure(context, driver, shape) }],
      ...(must === null ? {} : { limits: { timestamps: { must, aim: must * 2 } } }),
    });
    return {
      facts: {
        seconds: seconds * context.scale,
        "the original, one stream / 100 streams / one caller, /s": "507 000 / 419 000 / 18 900",
      },
      cases: [
        one("1000 callers", { clients: 1, callers: 1000 }, 507_000),
        one("100 streams", { clients: 100, callers: 10 }, 419_000),
        one("100 streams of one caller", { clients: 100, callers: 1 }, null),
        one("one caller", { clients: 1, callers: 1 }, 18_900),
      ],
      [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
    };
  },
};

async function measure(context: BenchContext, driver: PlacementDriver, { clients, callers }: Shape): Promise<Record<string, number>> {
  const { world, scale, signal } = context;
  const opened: PdClient[] = [];
  try {
    for (let at = 0; at < clients; at++) {
      const client = createPdClient(world, { endpoints: [driver.url] });
      opened.push(client);
      await client.tso();
    }
    const givenBefore = await driver.metric("pd_tso_given_total");
    const startedMs = world.clock.monotonicMs();
    const endMs = startedMs + seconds * scale * 1000;
    const state = { count: 0 };
    const latencies: number[] = [];
    // The clock is read for some of the calls only: reading it costs as much as a timestamp.
    const timedEvery = 64;
    const call = async (client: PdClient, caller: number) => {
      for (let at = caller; ; at++) {
        const isTimed = at % timedEvery === 0;
        const sentMs = isTimed ? world.clock.monotonicMs() : 0;
        await client.tso();
        state.count++;
        if (!isTimed) continue;
        const nowMs = world.clock.monotonicMs();
        latencies.push(nowMs - sentMs);
        if (nowMs >= endMs || signal.aborted) return;
      }
    };
    await Promise.all(opened.flatMap((client) => Array.from({ length: callers }, (_, caller) => call(client, caller))));
    const tookMs = world.clock.monotonicMs() - startedMs;
    signal.throwIfAborted();
    const given = (await driver.metric("pd_tso_given_total")) - givenBefore;
    if (given !== state.count) throw new Error(`${state.count} timestamps were taken, and the driver says that it gave ${given}`);
    latencies.sort((a, b) => a - b);
    const part = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
    return { timestamps: (state.count / tookMs) * 1000, p50: part(0.5), p99: part(0.99) };
  } finally {
    for (const client of opened) client.close();
  }
}
