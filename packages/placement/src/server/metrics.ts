/** The page for Prometheus, with the original's names where it has them. */
import type { Pd } from "./pd.ts";

export interface Sample {
  readonly name: string;
  readonly help: string;
  readonly kind: "gauge" | "counter";
  readonly values: readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];
}

export function metricsText(
  pd: Pd,
  facts: { readonly isLeader: boolean; readonly name: string; readonly leaderStarts: number; readonly residentBytes: number },
): string {
  const samples: Sample[] = [
    {
      name: "pd_server_is_leader",
      help: "1 while this member leads",
      kind: "gauge",
      values: [[{ name: facts.name }, facts.isLeader ? 1 : 0]],
    },
    {
      name: "pd_server_leader_starts_total",
      help: "how often this member became the leader",
      kind: "counter",
      values: [[{}, facts.leaderStarts]],
    },
    { name: "process_resident_memory_bytes", help: "resident memory", kind: "gauge", values: [[{}, facts.residentBytes]] },
  ];
  if (facts.isLeader) {
    const now = pd.cluster.nowMs;
    const stores = pd.cluster.stores();
    const count = (holds: (store: (typeof stores)[number]) => boolean) => stores.filter(holds).length;
    const age = (store: (typeof stores)[number]) => now - store.meta.lastHeartbeatMs;
    const isUp = (store: (typeof stores)[number]) => store.meta.state === "up";
    const downMs = pd.config.current.schedule.maxStoreDownTimeMs;
    const sum = (of: (store: (typeof stores)[number]) => number) => stores.reduce((total, store) => total + of(store), 0);
    const status: [string, number][] = [
      ["store_up_count", count((store) => isUp(store) && age(store) <= 20_000)],
      ["store_disconnected_count", count((store) => isUp(store) && age(store) > 20_000 && age(store) <= downMs)],
      ["store_down_count", count((store) => isUp(store) && age(store) > downMs)],
      ["store_offline_count", count((store) => store.meta.state === "offline")],
      ["store_tombstone_count", count((store) => store.meta.state === "tombstone")],
      ["region_count", pd.cluster.regionCount],
      ["leader_count", sum((store) => store.leaderCount)],
      ["storage_capacity", sum((store) => store.stats?.capacity ?? 0)],
      ["storage_size", sum((store) => store.stats?.usedSize ?? 0)],
    ];
    samples.push(
      {
        name: "pd_cluster_status",
        help: "status of the cluster",
        kind: "gauge",
        values: status.map(([type, value]) => [{ type, namespace: "global" }, value]),
      },
      {
        name: "pd_scheduler_store_status",
        help: "status of stores",
        kind: "gauge",
        values: stores.flatMap((store) => {
          const labels = (type: string) => ({ address: store.meta.address, store: String(store.meta.id), type });
          return [
            [labels("leader_count"), store.leaderCount],
            [labels("region_count"), store.regionCount],
            [labels("leader_size"), store.leaderSize],
            [labels("region_size"), store.regionSize],
            [labels("store_available"), store.stats?.available ?? 0],
            [labels("store_capacity"), store.stats?.capacity ?? 0],
          ] as const;
        }),
      },
      {
        name: "pd_scheduler_region_heartbeat",
        help: "heartbeats of regions",
        kind: "counter",
        values: [
          [{ status: "ok" }, pd.heartbeatCount],
          [{ status: "err" }, pd.refusedHeartbeatCount],
        ],
      },
      { name: "pd_server_region_streams", help: "open streams of regions' heartbeats", kind: "gauge", values: [[{}, pd.openStreams]] },
      { name: "pd_tso_given_total", help: "timestamps that were given in this term", kind: "counter", values: [[{}, pd.tso.given]] },
    );
  }
  const own = samples.map(textOf).join("");
  return own + pd.components.map((component) => component.metrics?.() ?? "").join("");
}

export function textOf({ name, help, kind, values }: Sample): string {
  const lines = values.map(([labels, value]) => {
    const pairs = Object.entries(labels).map(
      ([key, text]) => `${key}="${text.replace(/[\\"\n]/g, (each) => (each === "\n" ? "\\n" : `\\${each}`))}"`,
    );
    return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${lines.join("")}`;
}
