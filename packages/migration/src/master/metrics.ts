/** Metrics of a master, and its plain HTTP pages. */
import { Gauge, Registry } from "prom-client";
import { workerStage } from "./core/scheduler.ts";
import type { Leader } from "./leader.ts";

export interface MasterMetrics {
  /** Null for a path that is not one of these pages. */
  answerHttp(path: string, versionText: string): Promise<{ readonly status: number; readonly type: string; readonly body: string } | null>;
}

const stageNumbers = { offline: 0, free: 1, bound: 2 } as const;
const plain = "text/plain; charset=utf-8";

export function createMasterMetrics(facts: { readonly leader: () => Leader | null; readonly leaderStarts: () => number }): MasterMetrics {
  const registry = new Registry();
  const registers = [registry];
  const workerState = new Gauge({
    name: "dm_master_worker_state",
    help: "state of a worker: -1 unknown, 0 offline, 1 free, 2 bound (on the leader only)",
    labelNames: ["worker"],
    registers,
  });
  const starts = new Gauge({ name: "dm_master_start_leader_counter", help: "how often this master became leader", registers });
  const collect = () => {
    workerState.reset();
    starts.set(facts.leaderStarts());
    const state = facts.leader()?.state;
    if (state === undefined) return;
    for (const worker of state.workers.keys()) workerState.set({ worker }, stageNumbers[workerStage(state, worker)]);
  };
  return {
    answerHttp: async (path, versionText) => {
      switch (path) {
        case "/metrics":
          collect();
          return { status: 200, type: registry.contentType, body: await registry.metrics() };
        case "/status":
          return { status: 200, type: plain, body: versionText };
        case "/health":
          return { status: 200, type: plain, body: '{"health":"true","reason":""}' };
        case "/version":
          return { status: 200, type: "application/json", body: '{"etcdserver":"3.5.0","etcdcluster":"3.5.0"}' };
        default:
          return null;
      }
    },
  };
}
