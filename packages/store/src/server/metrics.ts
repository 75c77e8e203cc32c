/** Metrics of a store, by the field's names where it has them. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { RaftStoreStats } from "../raftstore/raft-store.ts";

export interface MetricSources {
  readonly regionCount: () => number;
  readonly leaderCount: () => number;
  readonly awakeCount: () => number;
  readonly raft: () => Readonly<RaftStoreStats>;
  readonly snapshots: () => { readonly sending: number; readonly receiving: number; readonly installing: number };
  readonly leaderlessCount: () => number;
  readonly logFiles: () => number;
  /** Bytes. */
  readonly space: () => Promise<{ readonly capacity: number; readonly available: number; readonly usedSize: number }>;
  readonly version: string;
  readonly runningCommands: () => number;
  readonly waitingLocks: () => number;
  readonly memoryLocks: () => number;
  readonly memory: () => { readonly rss: number; readonly heapUsed: number };
  readonly cpuSeconds: () => number;
  readonly startTimeS: number;
}

export interface StoreMetrics {
  /** Of one command by its unary name. */
  observe(command: string, seconds: number, isFailed: boolean): void;
  text(): Promise<{ readonly type: string; readonly body: string }>;
}

export function createStoreMetrics(sources: MetricSources): StoreMetrics {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string, labelNames: string[], set: (gauge: Gauge) => void | Promise<void>) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        return set(this);
      },
    });
  gauge("tikv_server_info", "what runs here", ["version"], (each) => each.set({ version: sources.version }, 1));
  gauge("tikv_store_size_bytes", "of the disk as it is told to the placement driver", ["type"], async (each) => {
    const { capacity, available, usedSize } = await sources.space();
    each.set({ type: "capacity" }, capacity);
    each.set({ type: "available" }, available);
    each.set({ type: "used" }, usedSize);
  });
  gauge("tikv_raftstore_snapshot_traffic_total", "snapshots under way", ["type"], (each) => {
    const { sending, receiving, installing } = sources.snapshots();
    each.set({ type: "sending" }, sending);
    each.set({ type: "receiving" }, receiving);
    each.set({ type: "applying" }, installing);
  });
  gauge("tikv_raftstore_leader_missing", "replicas that know of no leader", [], (each) => each.set(sources.leaderlessCount()));
  gauge("raft_engine_log_file_count", "files of the Raft log", ["type"], (each) => each.set({ type: "append" }, sources.logFiles()));
  gauge("tikv_raftstore_region_count", "regions of this store, and those that it leads", ["type"], (each) => {
    each.set({ type: "region" }, sources.regionCount());
    each.set({ type: "leader" }, sources.leaderCount());
  });
  gauge("tikv_raftstore_hibernated_peer_state", "peers whose clocks run, and those that sleep", ["state"], (each) => {
    each.set({ state: "awaken" }, sources.awakeCount());
    each.set({ state: "hibernated" }, sources.regionCount() - sources.awakeCount());
  });
  gauge("tikv_scheduler_contex_total", "commands under way", [], (each) => each.set(sources.runningCommands()));
  gauge("tikv_lock_manager_waiter_count", "pessimistic locks that wait for others", [], (each) => each.set(sources.waitingLocks()));
  gauge("tikv_concurrency_manager_lock_count", "locks in memory that hold readers back", [], (each) => each.set(sources.memoryLocks()));
  gauge("process_resident_memory_bytes", "memory of the process", [], (each) => each.set(sources.memory().rss));
  gauge("process_heap_bytes", "memory that the program's objects use", [], (each) => each.set(sources.memory().heapUsed));
  gauge("process_start_time_seconds", "start of the process, seconds since 1970", [], (each) => each.set(sources.startTimeS));
  gauge("process_cpu_seconds_total", "time of the processor that was used", [], (each) => each.set(sources.cpuSeconds()));
  gauge("tikv_raftstore_counters", "what the region peers did since the start", ["type"], (each) => {
    for (const [type, value] of Object.entries(sources.raft())) each.set({ type }, value);
  });
  const durations = new Histogram({
    name: "tikv_grpc_msg_duration_seconds",
    help: "time of requests",
    labelNames: ["type"],
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    registers,
  });
  const failures = new Counter({ name: "tikv_grpc_msg_fail_total", help: "requests that failed", labelNames: ["type"], registers });

  // Counting with labels looks them up each time; requests are too many for that.
  const counted = new Map<string, ReturnType<typeof labelled>>();
  const labelled = (command: string) => ({ seconds: durations.labels(command), fails: failures.labels(command) });
  return {
    observe: (command, seconds, isFailed) => {
      let each = counted.get(command);
      if (each === undefined) {
        each = labelled(command);
        counted.set(command, each);
      }
      each.seconds.observe(seconds);
      if (isFailed) each.fails.inc();
    },
    text: async () => ({ type: registry.contentType, body: await registry.metrics() }),
  };
}
