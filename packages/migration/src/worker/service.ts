/** `pb.Worker`: what a master asks. Failures of a request are answers with `result: false`, as the field's masters expect. */
import type { Message, UnaryHandler } from "@skein/rpc";
import { asCodedError, dmErrors } from "../errors.ts";
import type { CommonWorkerResponse, QueryStatusMessage } from "../wire/messages.ts";
import type { SourceWorker } from "./source-worker.ts";
import type { Subtask } from "./subtask.ts";
import type { SchemaRequest, SyncControl } from "./unit-context.ts";

export interface WorkerServiceOptions {
  readonly name: string;
  readonly configToml: string;
  readonly source: () => SourceWorker | null;
}

export function workerService(options: WorkerServiceOptions): Readonly<Record<string, UnaryHandler>> {
  const { name } = options;
  const bound = (): SourceWorker => {
    const source = options.source();
    if (source === null) throw dmErrors.workerNoSource([]);
    return source;
  };
  const common = async (act: (source: SourceWorker) => Promise<string>): Promise<CommonWorkerResponse> => {
    try {
      const source = bound();
      return { result: true, msg: await act(source), source: source.sourceId, worker: name };
    } catch (error) {
      return { result: false, msg: asCodedError(error).message, source: options.source()?.sourceId ?? "", worker: name };
    }
  };
  const notBuilt = (what: string) => async () => ({ result: false, msg: dmErrors.unitNotBuilt([what]).message });

  return {
    QueryStatus: async (request) => queryStatus(name, options.source(), text(request, "name")) as never,
    HandleError: async (request) =>
      (await common(async (source) => {
        const subtask = subtaskOf(source, text(request, "task"));
        const op = text(request, "op") as Parameters<SyncControl["handleError"]>[0]["op"];
        const binlogPos = text(request, "binlogPos");
        const answer = await syncControlOf(subtask).handleError({ op, binlogPos, sqls: (request["sqls"] as string[] | undefined) ?? [] });
        // An operator that mends the present error lets the subtask run on by itself.
        if (op !== "List" && subtask.state.stage === "Paused" && subtask.state.result?.isCanceled === false) source.resume(subtask.name);
        return answer;
      })) as never,
    OperateSchema: async (request) =>
      (await common(async (source) => {
        const subtask = subtaskOf(source, text(request, "task"));
        const op = request["op"] as SchemaRequest["op"];
        if (subtask.state.stage !== "Paused" && op !== "ListMigrateTargets") throw dmErrors.stageNotPaused([subtask.state.stage]);
        return syncControlOf(subtask).operateSchema(request as unknown as SchemaRequest);
      })) as never,
    GetWorkerCfg: async () => ({ cfg: options.configToml }),
    CheckSubtasksCanUpdate: async (request) => {
      try {
        const task = taskNameOf(text(request, "subtaskCfgTomlString"));
        const subtask = subtaskOf(bound(), task);
        if (subtask.state.stage !== "Paused") throw dmErrors.stageNotPaused([subtask.state.stage]);
        const unit = subtask.status().unit;
        if (unit !== "Sync") throw dmErrors.updateUnit([unit]);
        return { success: true, msg: "" };
      } catch (error) {
        return { success: false, msg: asCodedError(error).message };
      }
    },
    PurgeRelay: async () => (await common(async () => Promise.reject(dmErrors.unitNotBuilt(["the relay unit"])))) as never,
    GetWorkerValidatorStatus: notBuilt("the validator"),
    GetValidatorError: notBuilt("the validator"),
    OperateValidatorError: notBuilt("the validator"),
    UpdateValidator: async () => (await common(async () => Promise.reject(dmErrors.unitNotBuilt(["the validator"])))) as never,
  };
}

function queryStatus(worker: string, source: SourceWorker | null, task: string): QueryStatusMessage {
  if (source === null)
    return {
      result: false,
      msg: dmErrors.workerNoSource([]).message,
      sourceStatus: { source: "", worker, result: null, relayStatus: null },
      subTaskStatus: [],
    };
  const subTaskStatus = source.status(task);
  return {
    result: true,
    msg: subTaskStatus.length === 0 ? "no sub task started" : "",
    sourceStatus: { source: source.sourceId, worker, result: null, relayStatus: null },
    subTaskStatus,
  };
}

function subtaskOf(source: SourceWorker, name: string): Subtask {
  const subtask = source.subtask(name);
  if (subtask === null) throw dmErrors.subtaskMissing([name]);
  return subtask;
}

/** Operators speak to the sync unit that runs, or that an error has just ended (its hooks outlive its run). */
function syncControlOf(subtask: Subtask): SyncControl {
  const unit = subtask.syncControl;
  if (unit === null) throw dmErrors.notSyncer([subtask.status().unit]);
  return unit;
}

function text(request: Message, field: string): string {
  const value = request[field];
  return typeof value === "string" ? value : "";
}

function taskNameOf(toml: string): string {
  return /^name = "(.*)"$/m.exec(toml)?.[1] ?? "";
}
