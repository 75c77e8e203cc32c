/** Metrics of a worker, and its three HTTP pages: `/metrics`, `/status`, `/health`. */
import { Counter, Gauge, Registry } from "prom-client";
import { stageNumbers } from "../wire/messages.ts";
import type { SourceWorker } from "./source-worker.ts";

export interface WorkerMetrics {
  countFailure(task: string, source: string, unit: string, isResumable: boolean): void;
  answerHttp(url: string, versionText: string): Promise<{ readonly status: number; readonly type: string; readonly body: string }>;
}

export function createWorkerMetrics(worker: string, source: () => SourceWorker | null): WorkerMetrics {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string, labelNames: string[]) => new Gauge({ name, help, labelNames, registers });
  const taskState = gauge("dm_worker_task_state", "stage of a subtask: 1 New, 2 Running, 3 Paused, 4 Stopped, 5 Finished", [
    "task",
    "source_id",
    "worker",
  ]);
  const lag = gauge("dm_syncer_replication_lag_gauge", "seconds between a change at the source and its being applied", [
    "task",
    "source_id",
    "worker",
  ]);
  const remaining = gauge("dm_syncer_remaining_time", "seconds until the sync unit has caught up", ["task", "source_id", "worker"]);
  const position = gauge("dm_syncer_binlog_pos", "offset in the binlog file", ["node", "task", "source_id"]);
  const file = gauge("dm_syncer_binlog_file", "number of the binlog file", ["node", "task", "source_id"]);
  const rows = gauge("dm_worker_rows_total", "rows that the present unit has moved", ["task", "source_id", "unit"]);
  const failureCounter = (unit: string) =>
    new Counter({
      name: `dm_${unit}_exit_with_error_count`,
      help: `how often the unit ended with an error (${unit})`,
      labelNames: ["task", "source_id", "resumable_err"],
      registers,
    });
  const failures = { Dump: failureCounter("dumpling"), Load: failureCounter("loader"), Sync: failureCounter("syncer") };

  const collect = () => {
    for (const each of [taskState, lag, remaining, position, file, rows]) each.reset();
    const present = source();
    if (present === null) return;
    for (const subtask of present.subtasks) {
      const labels = { task: subtask.name, source_id: present.sourceId };
      taskState.set({ ...labels, worker }, stageNumbers[subtask.state.stage]);
      const status = subtask.unitStatus();
      if (status?.kind === "Load") rows.set({ ...labels, unit: "Load" }, status.load.finishedRows);
      if (status?.kind !== "Sync") continue;
      const { sync } = status;
      rows.set({ ...labels, unit: "Sync" }, sync.totalRows);
      lag.set({ ...labels, worker }, sync.lagMs / 1000);
      if (sync.etaSeconds !== null) remaining.set({ ...labels, worker }, sync.etaSeconds);
      for (const [node, text] of [
        ["master", sync.masterBinlog],
        ["syncer", sync.syncerBinlog],
      ] as const) {
        const match = /^\(.*\.(\d+), (\d+)\)$/.exec(text);
        if (match === null) continue;
        file.set({ node, ...labels }, Number(match[1]));
        position.set({ node, ...labels }, Number(match[2]));
      }
    }
  };

  return {
    countFailure: (task, source_id, unit, isResumable) => {
      const counter = failures[unit as keyof typeof failures];
      counter?.inc({ task, source_id, resumable_err: String(isResumable) });
    },
    answerHttp: async (url, versionText) => {
      const path = url.split("?")[0];
      if (path === "/metrics") {
        collect();
        return { status: 200, type: registry.contentType, body: await registry.metrics() };
      }
      if (path === "/status") return { status: 200, type: "text/plain; charset=utf-8", body: versionText };
      if (path === "/health") return { status: 200, type: "text/plain; charset=utf-8", body: '{"health":"true","reason":""}' };
      return { status: 404, type: "text/plain; charset=utf-8", body: "not found\n" };
    },
  };
}
