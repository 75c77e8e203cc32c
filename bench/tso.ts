/**
 * Timestamps from a placement driver in a process of its own, through one client with one stream: as many callers at once as the case
 * says, each asks for its next timestamp when it has one. The limits are what the original gave on a machine of this kind, with client
 * and server on the same two cores.
 */
import type { BenchCase, Benchmark, BenchContext } from "@skein/cli";
import { createPdClient, type PdClient } from "@skein/placement/client";
import { type PlacementDriver, startPlacementDriver } from "./support/placement-driver.ts";

const seconds = 5;

export const benchmark: Benchmark = {
  name: "tso",
  describe: "Timestamps a second for 1000, 100 and one caller of one client, beside the original's recorded figures.",
  async prepare(context) {
    const driver = await startPlacementDriver(context);
    const client = createPdClient(context.world, { endpoints: [driver.url] });
    const close = async () => {
      client.close();
      await driver[Symbol.asyncDispose]();
    };
    try {
      await client.tso();
    } catch (error) {
      await close();
      throw error;
    }
    const one = (callers: number, name: string, must: number): BenchCase => ({
      name,
      metrics: [
        { name: "timestamps", unit: "/s", better: "higher" },
        { name: "p50", unit: "ms", better: "lower" },
        { name: "p99", unit: "ms", better: "lower" },
      ],
      contenders: [{ name: "skein", isOurs: true, run: () => measure(context, driver, client, callers) }],
      limits: { timestamps: { must, aim: must * 2 } },
    });
    return {
      facts: { seconds: seconds * context.scale, "the original, 1000 / 100 / 1 callers, /s": "507 000 / 419 000 / 18 900" },
      cases: [one(1000, "1000 callers", 507_000), one(100, "100 callers", 419_000), one(1, "one caller", 18_900)],
      [Symbol.asyncDispose]: close,
    };
  },
};

async function measure(
  { world, scale, signal }: BenchContext,
  driver: PlacementDriver,
  client: PdClient,
  callers: number,
): Promise<Record<string, number>> {
  const givenBefore = await driver.metric("pd_tso_given_total");
  const startedMs = world.clock.monotonicMs();
  const endMs = startedMs + seconds * scale * 1000;
  const state = { count: 0 };
  const latencies: number[] = [];
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let at = caller; ; at++) {
        // The clock is read for some of the calls only: reading it costs as much as a timestamp.
        const isTimed = at % 64 === 0;
        const sentMs = isTimed ? world.clock.monotonicMs() : 0;
        await client.tso();
        state.count++;
        if (!isTimed) continue;
        const nowMs = world.clock.monotonicMs();
        latencies.push(nowMs - sentMs);
        if (nowMs >= endMs || signal.aborted) return;
      }
    }),
  );
  const tookMs = world.clock.monotonicMs() - startedMs;
  signal.throwIfAborted();
  const given = (await driver.metric("pd_tso_given_total")) - givenBefore;
  if (given !== state.count) throw new Error(`${state.count} timestamps were taken, and the driver says that it gave ${given}`);
  latencies.sort((a, b) => a - b);
  const part = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return { timestamps: (state.count / tookMs) * 1000, p50: part(0.5), p99: part(0.99) };
}
