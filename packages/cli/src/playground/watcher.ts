/** Looks at a cluster from outside: what the placement driver says of the stores, and how many requests they have answered. */
import type { World } from "@skein/base";
import { sumOfMetric } from "./core/metrics.ts";
import { labelText } from "./core/topology.ts";
import type { PlaygroundView, StoreView } from "./core/view.ts";
import { httpCall, type RegionCluster, type RegionProcess } from "./region-cluster.ts";

export interface Watcher extends AsyncDisposable {
  /** Looks of several callers at once share one. */
  look(): Promise<PlaygroundView>;
}

interface StoresAnswer {
  readonly stores?: readonly {
    readonly store: { readonly id: number; readonly address: string; readonly state_name: string };
    readonly status?: { readonly leader_count?: number; readonly region_count?: number; readonly used_size?: string };
  }[];
}

/** The names under which a store counts the requests of its clients. */
const requestMetric = "tikv_grpc_msg_duration_seconds_count";

export function watchCluster(world: World, cluster: RegionCluster): Watcher {
  const counted = new Map<string, { readonly ms: number; readonly requests: number }>();
  let looking: Promise<PlaygroundView> | null = null;

  const requestsPerSecond = async (store: RegionProcess): Promise<number | null> => {
    if (store.state !== "runs" || cluster.network.cutOff.has(store.name)) return null;
    const answer = await httpCall(world, store.statusAddress, "GET", "/metrics").catch(() => null); // it may be busy starting
    const requests = answer?.status === 200 ? sumOfMetric(answer.text, requestMetric) : null;
    if (requests === null) return answer?.status === 200 ? 0 : null;
    const ms = world.clock.monotonicMs();
    const before = counted.get(store.name);
    counted.set(store.name, { ms, requests });
    return before === undefined || requests < before.requests ? 0 : ((requests - before.requests) / (ms - before.ms)) * 1_000;
  };

  const look = async (): Promise<PlaygroundView> => {
    const [stores, regions, leader, rates] = await Promise.all([
      cluster.ask("/pd/api/v1/stores") as Promise<StoresAnswer | null>,
      cluster.ask("/pd/api/v1/stats/region") as Promise<{ readonly count?: number } | null>,
      cluster.ask("/pd/api/v1/leader") as Promise<{ readonly name?: string } | null>,
      Promise.all(cluster.stores.map(requestsPerSecond)),
    ]);
    const byAddress = new Map(stores?.stores?.map((each) => [each.store.address, each]) ?? []);
    return {
      pds: cluster.pds.map(({ name, state, address }) => ({
        name,
        process: state,
        isCutOff: cluster.network.cutOff.has(name),
        isLeader: leader?.name === name,
        url: `http://${address}`,
      })),
      stores: cluster.stores.map(({ name, state, labels, address }, i): StoreView => {
        const known = byAddress.get(address);
        return {
          name,
          id: known?.store.id ?? null,
          process: state,
          isCutOff: cluster.network.cutOff.has(name),
          state: known?.store.state_name ?? "",
          labels: labelText(labels),
          regions: known?.status?.region_count ?? (known === undefined ? null : 0),
          leaders: known?.status?.leader_count ?? (known === undefined ? null : 0),
          requestsPerSecond: rates[i] ?? null,
          used: known?.status?.used_size ?? "",
          address,
        };
      }),
      regions: regions?.count ?? null,
    };
  };

  return {
    look: () => {
      looking ??= look().finally(() => {
        looking = null;
      });
      return looking;
    },
    [Symbol.asyncDispose]: async () => {
      await looking?.catch(() => {}); // whoever asked hears of it
    },
  };
}
