/**
 * Transactions over our own client on three stores: of one key, of ten over several regions, optimistic and pessimistic, and of
 * 10 000 keys. For one key beside etcd's own transaction, a put on the condition that nobody has put since (compare and put), over
 * its own Go client: both are one durable, replicated decision about a conflict. Ours asks for two timestamps besides, as
 * it would for any number of keys.
 *
 * Values have 256 bytes. Each client writes keys of its own. The processor time is that of the three stores, of the client and
 * of the placement driver, in all and by transaction: on a busy machine it says more than the rate does.
 */
import type { BenchCase, BenchContext, Benchmark, Contender, RegionCluster } from "@skein/cli";
import { createKvClient } from "@skein/kvclient";
import { cpuSecondsOf } from "@skein/servers";
import { runLoad } from "./support/kvload.ts";
import { startBesideEtcd } from "./support/region-store.ts";
import { runTxnLoad, txnKey } from "./support/txn-load.ts";

const valueBytes = 256;
const clients = 64;
const keys = 64_000;
const regions = 6;
const seconds = 5;
/** Transactions of so many keys are few: all of them count. */
const bigKeys = 10_000;
const bigSeconds = 15;
const settleMs = 8000;

const metrics = [
  { name: "transactions", unit: "/s", better: "higher" },
  { name: "p50", unit: "ms", better: "lower" },
  { name: "p99", unit: "ms", better: "lower" },
  { name: "cpu of the stores", unit: "µs", better: "lower" },
  { name: "cpu of the client", unit: "µs", better: "lower" },
  { name: "cpu of the placement driver", unit: "µs", better: "lower" },
] as const;

export const benchmark: Benchmark = {
  name: "txn",
  describe: "Transactions over our own client on three stores: one key beside etcd's compare and put, ten keys, 10 000 keys.",
  async prepare(context) {
    const { world, scale } = context;
    const both = await startBesideEtcd(context);
    const { cluster, etcd, missing } = both;
    try {
      await spread(context, cluster);
      const ours = (load: { readonly keysOfTxn: number; readonly isPessimistic: boolean; readonly clients?: number }): Contender => ({
        name: "skein",
        isOurs: true,
        run: () => runOurs(context, cluster, { clients, ...load }),
      });
      const peer: Contender = {
        name: "etcd",
        isOurs: false,
        ...(missing.etcd === null ? {} : { missing: missing.etcd }),
        run: async () => {
          const endpoints = etcd.map(({ port }) => `127.0.0.1:${port}`);
          const pids = etcd.map(({ pid }) => pid);
          const before = await cpuSecondsOf(world, pids);
          const load = { kind: "etcd", endpoints, op: "txn", clients, seconds: seconds * scale, valueBytes, keys } as const;
          const { perSecond, p50us, p99us } = await runLoad(world, load, context.signal);
          // With the second of warming up, which is as busy.
          const count = perSecond * (seconds * scale + 1);
          const stores = ((await cpuSecondsOf(world, pids)) - before) / count;
          return { transactions: perSecond, p50: p50us / 1000, p99: p99us / 1000, "cpu of the stores": stores * 1e6 };
        },
      };
      const alone = (name: string, contender: Contender): BenchCase => ({ name, metrics, contenders: [contender] });
      return {
        facts: {
          replicas: 3,
          regions,
          valueBytes,
          keys,
          clients,
          "seconds of a run": seconds * scale,
          etcd: etcd.length === 0 ? "-" : "3 members",
        },
        cases: [
          {
            name: "one key, optimistic",
            metrics,
            contenders: [ours({ keysOfTxn: 1, isPessimistic: false }), peer],
            goals: { etcd: { must: 1, aim: 2 } },
          },
          alone("one key, pessimistic", ours({ keysOfTxn: 1, isPessimistic: true })),
          alone("ten keys, optimistic", ours({ keysOfTxn: 10, isPessimistic: false })),
          alone("ten keys, pessimistic", ours({ keysOfTxn: 10, isPessimistic: true })),
          alone("10 000 keys, two clients", ours({ keysOfTxn: bigKeys, isPessimistic: false, clients: 2 })),
        ],
        [Symbol.asyncDispose]: () => both[Symbol.asyncDispose](),
      };
    } catch (error) {
      await both[Symbol.asyncDispose]();
      throw error;
    }
  },
};

/** Regions of the same size, and time for their leaders to part. */
async function spread({ world, signal }: BenchContext, cluster: RegionCluster): Promise<void> {
  await using client = createKvClient(world, { endpoints: cluster.pdEndpoints });
  await client.split(Array.from({ length: regions - 1 }, (_, at) => txnKey(Math.floor(((at + 1) * keys) / regions))));
  await world.clock.sleep(settleMs, signal);
}

async function runOurs(
  { world, scale, signal }: BenchContext,
  cluster: RegionCluster,
  load: { readonly keysOfTxn: number; readonly isPessimistic: boolean; readonly clients: number },
): Promise<Record<string, number>> {
  const stores = cluster.stores.map(({ pid }) => pid);
  const drivers = cluster.pds.map(({ pid }) => pid);
  const at = async () => [await cpuSecondsOf(world, stores), await cpuSecondsOf(world, drivers)] as const;
  let began = await at();
  let ended = began;
  const isBig = load.keysOfTxn >= bigKeys;
  const times = { seconds: (isBig ? bigSeconds : seconds) * scale, warmUpSeconds: isBig ? 0 : 1 };
  const options = { ...load, ...times, endpoints: cluster.pdEndpoints, valueBytes, keys };
  const result = await runTxnLoad(world, options, signal, async (isBegin) => {
    if (isBegin) began = await at();
    else ended = await at();
  });
  const share = (cpuSeconds: number) => (cpuSeconds / result.count) * 1e6;
  return {
    transactions: result.perSecond,
    p50: result.p50us / 1000,
    p99: result.p99us / 1000,
    "cpu of the stores": share(ended[0] - began[0]),
    "cpu of the client": share(result.cpuSeconds),
    "cpu of the placement driver": share(ended[1] - began[1]),
  };
}
