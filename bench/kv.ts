/**
 * The region store beside etcd: durable replicated puts and linearizable gets of 256 bytes, three replicas each, all processes on
 * this machine, both asked by their own unmodified Go client from one program (`bench/peers/kvload`). Both sync their logs before
 * they acknowledge.
 *
 * `etcd` is started without a snapshot in the way (`--snapshot-count`), with its defaults otherwise; the region store with one
 * placement driver and its defaults.
 */
import type { Benchmark, Contender } from "@skein/cli";
import { type LoadOptions, runLoad } from "./support/kvload.ts";
import { startBesideEtcd } from "./support/region-store.ts";

const valueBytes = 256;
const keys = 10_000;
const seconds = 5;

export const benchmark: Benchmark = {
  name: "kv",
  describe: "Durable replicated puts and linearizable gets, three replicas, beside etcd with three members.",
  async prepare(context) {
    const { world, scale } = context;
    const both = await startBesideEtcd(context);
    const etcdEndpoints = both.etcd.map(({ port }) => `127.0.0.1:${port}`);
    const side = (options: Pick<LoadOptions, "op" | "clients">): Contender[] => {
      const run = (kind: LoadOptions["kind"], endpoints: readonly string[]) => async () => {
        const load = { kind, endpoints, ...options, seconds: seconds * scale, valueBytes, keys };
        const { perSecond, p50us, p99us } = await runLoad(world, load, context.signal);
        return { requests: perSecond, p50: p50us / 1000, p99: p99us / 1000 };
      };
      const why = (reason: string | null) => (reason === null ? {} : { missing: reason });
      return [
        { name: "skein", isOurs: true, ...why(both.missing.load), run: run("tikv", both.cluster.pdEndpoints) },
        { name: "etcd", isOurs: false, ...why(both.missing.etcd), run: run("etcd", etcdEndpoints) },
      ];
    };
    const rate = { name: "requests", unit: "/s", better: "higher" as const };
    const p50 = { name: "p50", unit: "ms", better: "lower" as const };
    const p99 = { name: "p99", unit: "ms", better: "lower" as const };
    return {
      facts: { replicas: 3, valueBytes, keys, "seconds of a run": seconds * scale, etcd: both.etcd.length === 0 ? "-" : "3 members" },
      cases: [
        {
          name: "durable puts, 64 clients",
          metrics: [rate, p50, p99],
          contenders: side({ op: "put", clients: 64 }),
          goals: { etcd: { must: 1, aim: 2 } },
        },
        {
          name: "linearizable gets, 64 clients",
          metrics: [rate, p50, p99],
          contenders: side({ op: "get", clients: 64 }),
          goals: { etcd: { must: 1, aim: 2 } },
        },
        // At most 1.2 times etcd's latency, better 0.8 times.
        {
          name: "durable puts, one client",
          metrics: [p50, p99, rate],
          contenders: side({ op: "put", clients: 1 }),
          goals: { etcd: { must: 1 / 1.2, aim: 1 / 0.8 } },
        },
      ],
      [Symbol.asyncDispose]: () => both[Symbol.asyncDispose](),
    };
  },
};
