/**
 * Timestamps from a placement driver in a process of its own. A client has one connection with one stream, on which it asks for what
 * its callers want at the same moment with one request; each caller asks for its next timestamp when it has one:
 *
 *   1000 callers   of one client: few requests with many timestamps each
 *   100 streams    on 10 connections, each with a request for 10 timestamps under way: what the driver and gRPC can do
 *   100 clients    with a connection and 10 callers each: the same with all that a client does, and 100 sockets
 *   one caller     a request for each timestamp, one after the other
 *
 * The limits are what the original gave on a machine of this kind, with clients and server on the same two cores. Other work kept
 * those cores awake (a load of 5 to 17), so one caller is measured with cores that are kept awake as well. On a machine on which
 * nothing else runs it depends on how fast a core wakes up: that case stands beside a bare exchange of ten bytes over TCP.
 */
import type { BenchCase, BenchContext, Benchmark } from "@skein/cli";
import { createPdClient, type PdClient } from "@skein/placement/client";
import { pdpb } from "@skein/placement/wire";
import { createRpcClient, type RpcClient } from "@skein/rpc";
import { withCoresAwake } from "./support/awake.ts";
import { exchanges } from "./support/echo.ts";
import { type PlacementDriver, startPlacementDriver } from "./support/placement-driver.ts";

const seconds = 5;
const streams = 100;
const connections = 10;
const timestampsARequest = 10;

type Measured = Record<string, number>;

export const benchmark: Benchmark = {
  name: "tso",
  describe: "Timestamps a second over one stream, over 100 streams and for one caller, beside the original's recorded figures.",
  async prepare(context) {
    const driver = await startPlacementDriver(context);
    const one = (
      name: string,
      run: () => Promise<Measured>,
      must: number | null,
      peer?: { name: string; run: () => Promise<Measured> },
    ): BenchCase => ({
      name,
      metrics: [
        { name: "timestamps", unit: "/s", better: "higher" },
        { name: "p50", unit: "ms", better: "lower" },
        { name: "p99", unit: "ms", better: "lower" },
      ],
      contenders: [{ name: "skein", isOurs: true, run }, ...(peer === undefined ? [] : [{ ...peer, isOurs: false }])],
      ...(must === null ? {} : { limits: { timestamps: { must, aim: must * 2 } } }),
    });
    const clients = (count: number, callers: number) => () => ofClients(context, driver, count, callers);
    return {
      facts: {
        seconds: seconds * context.scale,
        "the original, one stream / 100 streams / one caller, /s": "507 000 / 419 000 / 18 900",
      },
      cases: [
        one("1000 callers", clients(1, 1000), 507_000),
        one("100 streams", () => ofStreams(context, driver), 419_000),
        one("100 clients", clients(100, 10), null),
        one("one caller, cores awake", () => withCoresAwake(context.world, clients(1, 1)), 18_900),
        one("one caller, idle machine", clients(1, 1), null, { name: "bare TCP exchange", run: () => ofExchanges(context) }),
      ],
      [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
    };
  },
};

/** What was taken in the time, and by what the driver says that it gave as much. */
async function measured(
  { world, scale, signal }: BenchContext,
  driver: PlacementDriver,
  run: (endMs: number, latencies: number[]) => Promise<number>,
): Promise<Measured> {
  const givenBefore = await driver.metric("pd_tso_given_total");
  const startedMs = world.clock.monotonicMs();
  const latencies: number[] = [];
  const count = await run(startedMs + seconds * scale * 1000, latencies);
  const tookMs = world.clock.monotonicMs() - startedMs;
  signal.throwIfAborted();
  const given = (await driver.metric("pd_tso_given_total")) - givenBefore;
  if (given !== count) throw new Error(`${count} timestamps were taken, and the driver says that it gave ${given}`);
  return figures((count / tookMs) * 1000, latencies);
}

function figures(rate: number, latencies: number[]): Measured {
  latencies.sort((a, b) => a - b);
  const part = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return { timestamps: rate, p50: part(0.5), p99: part(0.99) };
}

async function ofExchanges(context: BenchContext): Promise<Measured> {
  const { rate, latencies } = await exchanges(context, seconds * context.scale);
  return figures(rate, latencies);
}

async function ofClients(context: BenchContext, driver: PlacementDriver, clients: number, callers: number): Promise<Measured> {
  const { world, signal } = context;
  const opened: PdClient[] = [];
  try {
    for (let at = 0; at < clients; at++) {
      const client = createPdClient(world, { endpoints: [driver.url] });
      opened.push(client);
      await client.tso();
    }
    return await measured(context, driver, async (endMs, latencies) => {
      let count = 0;
      const call = async (client: PdClient, caller: number) => {
        for (let at = caller; ; at++) {
          // The clock is read for some of the calls only: reading it costs as much as a timestamp.
          const isTimed = at % 64 === 0;
          const sentMs = isTimed ? world.clock.monotonicMs() : 0;
          await client.tso();
          count++;
          if (!isTimed) continue;
          const nowMs = world.clock.monotonicMs();
          latencies.push(nowMs - sentMs);
          if (nowMs >= endMs || signal.aborted) return;
        }
      };
      await Promise.all(opened.flatMap((client) => Array.from({ length: callers }, (_, caller) => call(client, caller))));
      return count;
    });
  } finally {
    for (const client of opened) client.close();
  }
}

async function ofStreams(context: BenchContext, driver: PlacementDriver): Promise<Measured> {
  const { world, signal } = context;
  using client = createPdClient(world, { endpoints: [driver.url] });
  const request = { header: { cluster_id: await client.clusterId() }, count: timestampsARequest, dc_location: "global" };
  const opened: RpcClient[] = Array.from({ length: connections }, () => createRpcClient(world, driver.url));
  try {
    return await measured(context, driver, async (endMs, latencies) => {
      let count = 0;
      const ask = (rpc: RpcClient) =>
        new Promise<void>((resolve, reject) => {
          let sentMs = world.clock.monotonicMs();
          const stream = rpc.open(pdpb.pd.methods.Tso, {
            message: (answer) => {
              count += answer.count;
              const nowMs = world.clock.monotonicMs();
              latencies.push(nowMs - sentMs);
              if (nowMs >= endMs || signal.aborted) return stream.end();
              sentMs = nowMs;
              stream.send(request);
            },
            over: (error) => (error === null ? resolve() : reject(error)),
          });
          stream.send(request);
        });
      await Promise.all(Array.from({ length: streams }, (_, at) => ask(opened[at % connections] as RpcClient)));
      return count;
    });
  } finally {
    for (const each of opened) each.close();
  }
}
