/**
 * Keys and values of the metadata store, as the field's tools read them. Segments are hex-encoded names; values are JSON, except
 * configurations, which are TOML.
 */
import { hexKey, hexPrefix } from "@skein/metastore";

export const prefixes = {
  registration: "/dm-worker/r/",
  keepalive: "/dm-worker/a/",
  source: "/dm-master/v2/upstream/config/",
  bound: "/dm-master/bound-worker/",
  lastBound: "/dm-master/last-bound-worker/",
  loadTask: "/dm-master/load-task/",
  subtask: "/dm-master/upstream/subtask/",
  stage: "/dm-master/stage/subtask/",
  cliArgs: "/dm-master/task-cli-args/",
  taskTemplate: "/dm-master/openapi-task-template/",
  leader: "/dm-master/leader/",
  clusterVersion: "/dm-cluster/version",
  clusterId: "/dm-cluster/id",
} as const;

export const keys = {
  registration: (worker: string) => hexKey(prefixes.registration, worker),
  keepalive: (worker: string) => hexKey(prefixes.keepalive, worker),
  source: (source: string) => hexKey(prefixes.source, source),
  bound: (worker: string) => hexKey(prefixes.bound, worker),
  lastBound: (worker: string) => hexKey(prefixes.lastBound, worker),
  loadTask: (task: string, source: string) => hexKey(prefixes.loadTask, task, source),
  subtask: (source: string, task: string) => hexKey(prefixes.subtask, source, task),
  stage: (source: string, task: string) => hexKey(prefixes.stage, source, task),
  cliArgs: (task: string, source: string) => hexKey(prefixes.cliArgs, task, source),
  /** All subtasks, or stages, of one source. */
  subtasksOf: (source: string) => hexPrefix(prefixes.subtask, source),
  stagesOf: (source: string) => hexPrefix(prefixes.stage, source),
};

export interface RegistrationValue {
  readonly name: string;
  readonly addr: string;
}
export interface BoundValue {
  readonly source: string;
  readonly worker: string;
}
/** `expect` is a stage number. */
export interface StageValue {
  readonly expect: number;
  readonly source: string;
  readonly task: string;
}
/** Durations are texts such as `60s`; "" is not given. */
export interface CliArgsValue {
  readonly start_time: string;
  readonly safe_mode_duration: string;
  readonly wait_time_on_stop: string;
}
export interface LeaderValue {
  readonly id: string;
  readonly addr: string;
}

export const encode = {
  registration: (value: RegistrationValue) => JSON.stringify({ name: value.name, addr: value.addr }),
  keepalive: (worker: string, joinTime: string) => JSON.stringify({ "worker-name": worker, "join-time": joinTime }),
  bound: (value: BoundValue) => JSON.stringify({ source: value.source, worker: value.worker }),
  stage: (value: StageValue) => JSON.stringify({ expect: value.expect, source: value.source, task: value.task }),
  cliArgs: (value: CliArgsValue) =>
    JSON.stringify({
      start_time: value.start_time,
      safe_mode_duration: value.safe_mode_duration,
      wait_time_on_stop: value.wait_time_on_stop,
    }),
  leader: (value: LeaderValue) => JSON.stringify({ id: value.id, addr: value.addr }),
  loadTask: (worker: string) => JSON.stringify(worker),
};
