/**
 * `pb.Master`, one method a call: what dmctl, the JSON gateway, the OpenAPI and workers ask. Requests that are understood are answered
 * with `result` and `msg`, also when they fail; only a cluster without a leader throws.
 */
import { type CodedError, isCodedError, parseDuration, Secret, type TlsFiles, type World } from "@skein/base";
import { type EtcdCluster, electionLeader, type Metastore, textOf } from "@skein/metastore";
import type { Message } from "@skein/rpc";
import type { PasswordCipher } from "../config/crypto.ts";
import type { SourceConfig } from "../config/source-config.ts";
import { parseSource, sourceToYaml } from "../config/source-yaml.ts";
import { sourceFromToml, sourceToToml, subtaskFromToml, subtaskToToml } from "../config/stored.ts";
import type { SubtaskConfig } from "../config/subtask-config.ts";
import { makeSubtasks, parseTask, taskToYaml } from "../config/task-yaml.ts";
import { asCodedError, dmErrors } from "../errors.ts";
import { parseStartTime, startTimeForms } from "../sync/core/start-time-text.ts";
import { type LeaderValue, prefixes } from "../wire/keys.ts";
import type {
  Answer,
  CommonWorkerResponse,
  ProcessErrorMessage,
  QueryStatusMessage,
  SourcesAnswer,
  SubTaskStatusMessage,
  TaskOp,
} from "../wire/messages.ts";
import { checkTransfer, type SchedulerState, sourcesOfTask, taskNames, workerOf, workerStage } from "./core/scheduler.ts";
import type { Leader } from "./leader.ts";
import { probe } from "./probe.ts";
import { probeSource } from "./source-setup.ts";
import type { WorkerClients } from "./worker-client.ts";

export type MasterMethod =
  | "StartTask"
  | "OperateTask"
  | "UpdateTask"
  | "QueryStatus"
  | "ShowDDLLocks"
  | "UnlockDDLLock"
  | "OperateWorkerRelayTask"
  | "PurgeWorkerRelay"
  | "CheckTask"
  | "OperateSource"
  | "RegisterWorker"
  | "OfflineMember"
  | "OperateLeader"
  | "ListMember"
  | "OperateSchema"
  | "GetSubTaskCfg"
  | "GetCfg"
  | "HandleError"
  | "GetMasterCfg"
  | "TransferSource"
  | "OperateRelay"
  | "StartValidation"
  | "StopValidation"
  | "GetValidationStatus"
  | "GetValidationError"
  | "OperateValidationError"
  | "UpdateValidation"
  | "Encrypt"
  | "ListTaskConfigs"
  | "ListSourceConfigs";

/** Requests may leave fields out; answers hold what is set (`wireSchema.complete` fills the rest). */
export type MasterService = Readonly<Record<MasterMethod, (request: Message, signal?: AbortSignal) => Promise<Message>>>;

export interface CheckOutcome {
  readonly passed: boolean;
  /** The text of `check-task`'s msg. */
  readonly text: string;
}

export interface MasterParts {
  /** Runs the prechecks; counts limit how many items of a kind the text shows. */
  readonly checkTask: (
    subtasks: readonly SubtaskConfig[],
    options: { readonly errorCount: number; readonly warnCount: number; readonly startTime: string; readonly signal: AbortSignal },
  ) => Promise<CheckOutcome>;
  /** Drops what a task keeps in its target. */
  readonly removeMeta: (subtask: SubtaskConfig, signal: AbortSignal) => Promise<void>;
}

export interface ServiceContext {
  readonly world: World;
  readonly name: string;
  readonly advertiseAddr: string;
  readonly peerUrls: readonly string[];
  readonly configToml: string;
  readonly store: Metastore;
  /** Null when the store is embedded: this master is the only one. */
  readonly cluster: EtcdCluster | null;
  readonly workers: WorkerClients;
  readonly cipher: PasswordCipher;
  /** Handed to workers that register; null without a key. */
  readonly secretKey: Uint8Array | null;
  readonly tls?: TlsFiles;
  readonly parts: MasterParts;
  /** Waits a moment for a leader that is starting; throws 46001. Only the leader's methods are called on a leader. */
  readonly leader: () => Promise<Leader>;
  readonly evict: (isEvicted: boolean) => Promise<void>;
  /** The configuration of another master, asked there. */
  readonly masterConfigAt: (url: string, signal: AbortSignal) => Promise<string>;
}

const waitTriesMax = 12;
const pollDeadlineMs = 3000;
const doubtedDeadlineMs = 3000;
const doubtedPauseMs = 250;
const noSignal = new AbortController().signal;

/** The methods as the leader carries them out; `forwarding` puts followers before it. */
export function createMasterService(context: ServiceContext): MasterService {
  const { world, store, workers, cipher, parts } = context;
  const decrypt = (text: string) => cipher.decrypt(text);
  const latches = new Set<string>();

  // ── texts and configurations ──
  const sourcesOf = (state: SchedulerState): ReadonlyMap<string, SourceConfig> =>
    new Map([...state.sources].map(([id, toml]) => [id, sourceFromToml(toml)]));
  const subtasksOf = (state: SchedulerState, task: string, sources: readonly string[]): SubtaskConfig[] =>
    sources.map((source) => {
      const toml = state.subtasks.get(source)?.get(task);
      const sourceToml = state.sources.get(source);
      if (toml === undefined) throw dmErrors.subtasksMissing([task]);
      return subtaskFromToml(toml, sourceToml === undefined ? null : sourceFromToml(sourceToml), { decrypt });
    });
  /** Of the instances that a request names; a source that the task does not have is the second list. */
  const chosen = (all: readonly SubtaskConfig[], sources: readonly string[]) => ({
    subtasks: sources.length === 0 ? all : all.filter((each) => sources.includes(each.sourceId)),
    unknown: sources.filter((source) => !all.some((each) => each.sourceId === source)).toSorted(),
  });

  // ── workers ──
  const ask = async (
    state: SchedulerState,
    source: string,
    method: string,
    request: Message,
    signal?: AbortSignal,
    deadlineMs?: number,
  ) => {
    const worker = workerOf(state, source);
    const facts = worker === null ? undefined : state.workers.get(worker);
    if (worker === null || facts === undefined) throw dmErrors.workerClientMissing([source]);
    return workers.call(facts.addr, method, request, signal, deadlineMs);
  };
  const queryOne = async (
    state: SchedulerState,
    source: string,
    task: string,
    signal?: AbortSignal,
    deadlineMs?: number,
  ): Promise<QueryStatusMessage> => {
    try {
      return (await ask(state, source, "QueryStatus", { name: task }, signal, deadlineMs)) as unknown as QueryStatusMessage;
    } catch (error) {
      signal?.throwIfAborted();
      return unanswered(state, source, error);
    }
  };

  /** As `queryOne`; a worker that does not answer the leader's probes either gets a short time, one that is only slow the whole. */
  const queryUnlessDoubted = async (leader: Leader, source: string, task: string, signal: AbortSignal): Promise<QueryStatusMessage> => {
    const worker = workerOf(leader.state, source);
    if (worker === null) return queryOne(leader.state, source, task, signal);
    const givenUp = new AbortController();
    const answered = new AbortController();
    const watch = async () => {
      await world.clock.sleep(doubtedDeadlineMs, answered.signal);
      while (!leader.isDoubted(worker)) await world.clock.sleep(doubtedPauseMs, answered.signal);
      givenUp.abort(dmErrors.grpcRequest([], new Error(`worker ${worker} answers neither this call nor the leader's probes`)));
    };
    const watching = watch().catch(() => {}); // its only failure is that the answer came first
    try {
      return await queryOne(leader.state, source, task, AbortSignal.any([signal, givenUp.signal]));
    } catch (error) {
      signal.throwIfAborted();
      if (!givenUp.signal.aborted) throw error;
      return unanswered(leader.state, source, givenUp.signal.reason);
    } finally {
      answered.abort(new DOMException("the call is over", "AbortError"));
      await watching;
    }
  };

  /** Polls until a judgement is made, or the tries are used up. */
  const poll = async <T>(judge: (tryCount: number) => Promise<T | null>, signal: AbortSignal): Promise<T | null> => {
    for (let tryCount = 0; tryCount < waitTriesMax; tryCount++) {
      const verdict = await judge(tryCount);
      if (verdict !== null) return verdict;
      // Short at first, since most workers follow at once; then a second, 9 s in all.
      await world.clock.sleep(Math.min(1000, 50 * 2 ** tryCount), signal);
    }
    return null;
  };

  /** A source that is not enabled runs no tasks: those that run are paused, and go on when it is enabled. */
  const setEnabled = async (leader: Leader, source: string, isEnabled: boolean, signal: AbortSignal): Promise<CommonWorkerResponse[]> => {
    const toml = leader.state.sources.get(source);
    if (toml === undefined) throw dmErrors.sourceMissing([source]);
    const config = sourceFromToml(toml);
    if (config.enable === isEnabled) return [];
    const from = isEnabled ? "Paused" : "Running";
    const tasks = [...(leader.state.stages.get(source) ?? [])].filter(([, stage]) => stage === from).map(([task]) => task);
    const change = async () => leader.apply({ kind: "updateSource", source, toml: sourceToToml({ ...config, enable: isEnabled }) });
    if (isEnabled) await change();
    for (const task of tasks) await leader.apply({ kind: "setStage", task, sources: [source], stage: isEnabled ? "Running" : "Paused" });
    const answers = await Promise.all(tasks.map((task) => waitForStage(leader, task, source, isEnabled ? "Resume" : "Pause", signal)));
    if (!isEnabled) await change();
    return answers;
  };

  const waitForStage = async (
    leader: Leader,
    task: string,
    source: string,
    op: TaskOp,
    signal: AbortSignal,
  ): Promise<CommonWorkerResponse> => {
    const worker = workerOf(leader.state, source) ?? "";
    if (worker === "") return { result: false, msg: `${source} relevant worker-client not found`, source, worker: "" };
    const done = (result: boolean, msg = ""): CommonWorkerResponse => ({
      result,
      msg,
      source,
      worker: workerOf(leader.state, source) ?? worker,
    });
    const verdict = await poll(async (tryCount) => {
      // Short: when the worker hangs, its source may be elsewhere at the next try.
      const status = await queryOne(leader.state, source, task, signal, pollDeadlineMs);
      if (!status.result) return null;
      const subtask = status.subTaskStatus.find((each) => each.name === task);
      const stage = subtask?.stage ?? "InvalidStage";
      if (op === "Delete") return stage === "InvalidStage" ? done(true) : null;
      const errors = subtask?.result?.errors ?? [];
      if (stage === "Paused" && op === "Pause") return done(true, errors.length === 0 ? "" : workerErrorText(errors));
      if (op === "Stop") return stage === "Stopped" ? done(true) : null;
      if (op === "Start" || op === "Resume" || op === "Update") {
        if (stage === "Running" || stage === "Finished") return done(true);
        // What an earlier run left must not be taken for this one's: the worker gets a moment to follow.
        if (stage === "Paused" && errors.length > 0 && tryCount >= 5) return done(false, workerErrorText(errors));
      }
      return null;
    }, signal);
    return verdict ?? done(false, dmErrors.unexpectedResult([]).message);
  };

  const waitForSource = async (leader: Leader, source: string, worker: string, isBound: boolean, signal: AbortSignal) => {
    const addr = leader.state.workers.get(worker)?.addr;
    if (addr === undefined) return true;
    const verdict = await poll(async () => {
      try {
        const answer = (await workers.call(addr, "QueryStatus", { name: "" }, signal)) as unknown as QueryStatusMessage;
        return (answer.sourceStatus?.source === source) === isBound ? true : null;
      } catch (error) {
        if (isCodedError(error)) return null;
        throw error;
      }
    }, signal);
    return verdict === true;
  };

  const refused = (what: string): (() => Promise<Message>) => {
    return async () => ({ result: false, msg: dmErrors.unitNotBuilt([what]).message });
  };

  return {
    // ── tasks ──
    StartTask: answering(
      async (request, signal) => {
        const leader = await context.leader();
        const task = parseTask(text(request, "task"));
        const startTime = checkedStartTime(request);
        const safeModeDuration = checkedDuration(request, "safeModeDuration");
        return latched(latches, task.name, "starting the task", async () => {
          const wanted = list(request, "sources");
          const stored = makeSubtasks(task, sourcesOf(leader.state));
          const ready = makeSubtasks(task, sourcesOf(leader.state), { decrypt });
          const { subtasks, unknown } = chosen(stored, wanted);
          const clear = ready.filter((each) => subtasks.some((other) => other.sourceId === each.sourceId));
          const failures = unknown.map(
            (source): CommonWorkerResponse => ({ result: false, msg: "source not found in task's config", source, worker: "" }),
          );
          if (subtasks.length === 0) return { result: true, msg: "", sources: failures, checkResult: "" };
          requireBuilt(clear);
          const check = await parts.checkTask(clear, { errorCount: 10, warnCount: 10, startTime, signal });
          if (!check.passed) return { result: false, msg: "", sources: [], checkResult: check.text };
          const isNew = sourcesOfTask(leader.state, task.name).length === 0;
          if (request["removeMeta"] === true || task.shape["remove-meta"]) {
            if (!isNew) {
              const sources = sourcesOfTask(leader.state, task.name);
              throw dmErrors.subtasksExist([task.name, sources]).with({ annotate: "while remove-meta is true" });
            }
            for (const subtask of clear.slice(0, 1)) await parts.removeMeta(subtask, signal);
          }
          const fresh = subtasks.filter((each) => leader.state.subtasks.get(each.sourceId)?.has(task.name) !== true);
          await leader.apply({
            kind: "addSubtasks",
            subtasks: subtasks.map((each) => ({ source: each.sourceId, task: task.name, toml: subtaskToToml(each) })),
            stage: request["createOnly"] === true ? "Stopped" : "Running",
            cliArgs:
              startTime === "" && safeModeDuration === ""
                ? null
                : { start_time: startTime, safe_mode_duration: safeModeDuration, wait_time_on_stop: "" },
          });
          if (request["createOnly"] === true)
            return { result: true, msg: task.warnings.join("; "), sources: failures, checkResult: check.text };
          const started = await Promise.all(
            fresh
              .map((each) => each.sourceId)
              .toSorted()
              .map((source) => waitForStage(leader, task.name, source, "Start", signal)),
          );
          const sources = [...failures, ...started].toSorted((a, b) => (a.source < b.source ? -1 : 1));
          return { result: true, msg: task.warnings.join("; "), sources, checkResult: check.text };
        });
      },
      { sources: [], checkResult: "" },
      taskError,
    ),

    OperateTask: async (request, signal = noSignal) => {
      const op = text(request, "op") as TaskOp;
      const answer = await answering(
        async (): Promise<Message> => {
          const leader = await context.leader();
          const task = text(request, "name");
          const all = sourcesOfTask(leader.state, task);
          if (all.length === 0)
            return { result: false, msg: `task ${task} has no source or not exist, please check the task name and status`, sources: [] };
          const wanted = list(request, "sources");
          const sources = (wanted.length === 0 ? all : [...wanted]).toSorted();
          const stage = op === "Pause" ? "Paused" : op === "Resume" ? "Running" : op === "Stop" ? "Stopped" : null;
          if (stage !== null) await leader.apply({ kind: "setStage", task, sources, stage });
          else if (op === "Delete") await leader.apply({ kind: "removeSubtasks", task, sources });
          else return { result: false, msg: dmErrors.stageInvalid([op]).message, sources: [] };
          return {
            result: true,
            msg: "",
            sources: await Promise.all(sources.map((source) => waitForStage(leader, task, source, op, signal))),
          };
        },
        { sources: [] },
      )(request, signal);
      return { op, ...answer };
    },

    UpdateTask: answering(
      async (request, signal) => {
        const leader = await context.leader();
        const task = parseTask(text(request, "task"));
        const { subtasks, unknown } = chosen(makeSubtasks(task, sourcesOf(leader.state)), list(request, "sources"));
        const check = await parts.checkTask(makeSubtasks(task, sourcesOf(leader.state), { decrypt }), {
          errorCount: 10,
          warnCount: 10,
          startTime: "",
          signal,
        });
        if (!check.passed) return { result: false, msg: "", sources: [], checkResult: check.text };
        const sources: CommonWorkerResponse[] = unknown.map((source) => ({
          result: false,
          msg: "source not found in task's config",
          source,
          worker: "",
        }));
        for (const subtask of subtasks) {
          const toml = subtaskToToml(subtask);
          const worker = workerOf(leader.state, subtask.sourceId) ?? "";
          const can = (await ask(leader.state, subtask.sourceId, "CheckSubtasksCanUpdate", { subtaskCfgTomlString: toml }, signal)) as {
            readonly success?: boolean;
            readonly msg?: string;
          };
          if (can.success === true)
            await leader.apply({ kind: "updateSubtasks", subtasks: [{ source: subtask.sourceId, task: task.name, toml }] });
          sources.push({ result: can.success === true, msg: can.msg ?? "", source: subtask.sourceId, worker });
        }
        return { result: true, msg: "", sources, checkResult: check.text };
      },
      { sources: [], checkResult: "" },
      taskError,
    ),

    CheckTask: answering(
      async (request, signal) => {
        const leader = await context.leader();
        const subtasks = makeSubtasks(parseTask(text(request, "task")), sourcesOf(leader.state), { decrypt });
        const count = (field: string) => (request[field] === undefined ? 10 : Number(request[field]));
        const outcome = await parts.checkTask(subtasks, {
          errorCount: count("errCnt"),
          warnCount: count("warnCnt"),
          startTime: checkedStartTime(request),
          signal,
        });
        return { result: outcome.passed, msg: outcome.text };
      },
      {},
      taskError,
    ),

    QueryStatus: answering(
      async (request, signal) => {
        const leader = await context.leader();
        const { state } = leader;
        const task = text(request, "name");
        const wanted = list(request, "sources");
        const unknown = wanted.filter((source) => !state.sources.has(source));
        if (unknown.length > 0) return { result: false, msg: `sources [${unknown.join(" ")}] haven't been added`, sources: [] };
        let sources = wanted.length > 0 ? [...wanted] : task !== "" ? sourcesOfTask(state, task) : [...state.sources.keys()];
        if (task !== "" && sources.length === 0) return { result: false, msg: `task ${task} has no source or not exist`, sources: [] };
        sources = [...new Set(sources)].toSorted();
        const isOverview = task === "" && wanted.length === 0;
        const answers = await Promise.all(
          sources.map(async (source) =>
            isOverview && workerOf(state, source) === null
              ? unboundStatus(state, source)
              : queryUnlessDoubted(leader, source, task, signal),
          ),
        );
        return { result: true, msg: "", sources: answers.map(asMessage) };
      },
      { sources: [] },
    ),

    // ── sources ──
    OperateSource: answering(
      async (request, signal) => {
        const leader = await context.leader();
        const op = text(request, "op");
        const configs = list(request, "config").map((yaml) => parseSource(yaml));
        switch (op) {
          case "StartSource": {
            const added: string[] = [];
            try {
              for (const config of configs) {
                if (leader.state.sources.has(config.sourceId)) throw dmErrors.sourceExists([config.sourceId]);
                if (config.enableRelay) throw dmErrors.unitNotBuilt(["the relay unit (`enable-relay`)"]);
                const complete = await probeSource(world, config, decrypt, signal);
                await leader.apply({
                  kind: "addSource",
                  source: config.sourceId,
                  toml: sourceToToml(complete),
                  worker: text(request, "workerName"),
                });
                added.push(config.sourceId);
              }
            } catch (error) {
              // All or nothing.
              for (const source of added) await leader.apply({ kind: "removeSource", source });
              throw error;
            }
            const sources = await Promise.all(
              added.map(async (source): Promise<CommonWorkerResponse> => {
                const worker = workerOf(leader.state, source);
                if (worker === null)
                  return { result: true, msg: "source is added but there is no free worker to bound", source, worker: "" };
                const isThere = await waitForSource(leader, source, worker, true, signal);
                return { result: isThere, msg: isThere ? "" : dmErrors.unexpectedResult([]).message, source, worker };
              }),
            );
            return { result: true, msg: "", sources };
          }
          case "StopSource": {
            const ids = [...configs.map((config) => config.sourceId), ...list(request, "sourceID")];
            const sources: CommonWorkerResponse[] = [];
            for (const source of ids) {
              const worker = workerOf(leader.state, source);
              await leader.apply({ kind: "removeSource", source });
              if (worker === null) {
                const msg = "source is stopped and hasn't bound to worker before being stopped";
                sources.push({ result: true, msg, source, worker: "" });
              } else {
                const isGone = await waitForSource(leader, source, worker, false, signal);
                sources.push({ result: isGone, msg: isGone ? "" : dmErrors.unexpectedResult([]).message, source, worker });
              }
            }
            return { result: true, msg: "", sources };
          }
          case "ShowSource": {
            const asked = [...configs.map((config) => config.sourceId), ...list(request, "sourceID")];
            const ids = asked.length > 0 ? asked : [...leader.state.sources.keys()].toSorted();
            const entries = ids.map((source): CommonWorkerResponse => {
              const worker = workerOf(leader.state, source);
              return {
                result: true,
                msg: worker === null ? "source is added but there is no free worker to bound" : "",
                source,
                worker: worker ?? "",
              };
            });
            return { result: true, msg: "", sources: entries.toSorted((a, b) => Number(a.worker !== "") - Number(b.worker !== "")) };
          }
          case "UpdateSource": {
            const enabled = text(request, "enabled");
            // Other changes: stop the source and create it again.
            if (enabled === "") return { result: false, msg: "Update worker config is not supported by dm-ha now", sources: [] };
            const sources: CommonWorkerResponse[] = [];
            for (const source of list(request, "sourceID")) {
              sources.push(...(await setEnabled(leader, source, enabled === "true", signal)));
            }
            return { result: sources.every(({ result }) => result), msg: "", sources };
          }
          default:
            return { result: false, msg: "Update worker config is not supported by dm-ha now", sources: [] };
        }
      },
      { sources: [] },
    ),

    TransferSource: answering(async (request, signal) => {
      const leader = await context.leader();
      const source = text(request, "source");
      const worker = text(request, "worker");
      const from = checkTransfer(leader.state, source, worker);
      if (from === worker) return { result: true, msg: "" };
      const running = [...(leader.state.stages.get(source) ?? [])].filter(([, stage]) => stage === "Running").map(([task]) => task);
      if (from !== null && running.length > 0) {
        const status = await queryOne(leader.state, source, "", signal);
        // A chunked copy moves like a sync unit does; only the classic snapshot cannot.
        const fixed = status.subTaskStatus.filter(
          (each) => running.includes(each.name) && each.unit !== "Sync" && each.detail?.movable === false,
        );
        if (!status.result) throw dmErrors.transferPause([source, running.toSorted()]);
        if (fixed.length > 0) throw dmErrors.transferUnit([fixed.map((each) => each.name).toSorted(), source]);
        for (const task of running) await leader.apply({ kind: "setStage", task, sources: [source], stage: "Paused" });
        const answers = await Promise.all(running.map((task) => waitForStage(leader, task, source, "Pause", signal)));
        if (answers.some((each) => !each.result)) throw dmErrors.transferPause([source, running.toSorted()]);
      }
      try {
        await leader.apply({ kind: "transfer", source, worker });
      } finally {
        for (const task of running) await leader.apply({ kind: "setStage", task, sources: [source], stage: "Running" });
      }
      await waitForSource(leader, source, worker, true, signal);
      return { result: true, msg: "" };
    }, {}),

    // ── members ──
    RegisterWorker: answering(async (request) => {
      const leader = await context.leader();
      await leader.apply({ kind: "register", name: text(request, "name"), addr: text(request, "address") });
      return {
        result: true,
        msg: "",
        ...(context.secretKey === null ? {} : { secretKey: Buffer.from(context.secretKey).toString("base64") }),
      };
    }, {}),

    OfflineMember: answering(async (request) => {
      const leader = await context.leader();
      const type = text(request, "type");
      const name = text(request, "name");
      if (type === "worker") await leader.apply({ kind: "removeWorker", worker: name });
      else if (type === "master") {
        const member = (await context.cluster?.members())?.find((each) => each.name === name);
        if (member === undefined || context.cluster === null) throw dmErrors.masterMissing([name]);
        await context.cluster.removeMember(member.id);
      } else throw dmErrors.offlineType([type]);
      return { result: true, msg: "" };
    }, {}),

    OperateLeader: answering(async (request) => {
      const op = text(request, "op");
      if (op !== "EvictLeaderOp" && op !== "CancelEvictLeaderOp") return { result: false, msg: `invalid operate '${op}' on leader` };
      await context.evict(op === "EvictLeaderOp");
      return { result: true, msg: "" };
    }, {}),

    ListMember: answering(
      async (request) => {
        const leader = await context.leader();
        const names = list(request, "names");
        const isNamed = (name: string) => names.length === 0 || names.includes(name);
        const isAll = request["leader"] !== true && request["master"] !== true && request["worker"] !== true;
        const members: Message[] = [];
        if (isAll || request["leader"] === true) {
          const item = await electionLeader(store, prefixes.leader);
          const value = item === null ? { id: "", addr: "" } : (JSON.parse(textOf(item)) as LeaderValue);
          members.push({ leader: isNamed(value.id) ? { msg: "", name: value.id, addr: value.addr } : { msg: "", name: "", addr: "" } });
        }
        if (isAll || request["master"] === true)
          members.push({ master: { msg: "", masters: (await masters()).filter((each) => isNamed(each.name)) } });
        if (isAll || request["worker"] === true) {
          const listed = [...leader.state.workers.values()]
            .filter((worker) => isNamed(worker.name))
            .map((worker) => ({
              name: worker.name,
              addr: worker.addr,
              stage: workerStage(leader.state, worker.name),
              source: leader.state.bounds.get(worker.name) ?? "",
            }))
            .toSorted((a, b) => (a.name < b.name ? -1 : 1));
          members.push({ worker: { msg: "", workers: listed } });
        }
        return { result: true, msg: "", members };
      },
      { members: [] },
    ),

    // ── configurations ──
    GetCfg: answering(
      async (request, signal) => {
        const leader = await context.leader();
        const name = text(request, "name");
        const type = text(request, "type");
        switch (type) {
          case "TaskType": {
            const sources = sourcesOfTask(leader.state, name);
            if (sources.length === 0) return { result: false, msg: "task not found", cfg: "" };
            return { result: true, msg: "", cfg: taskToYaml(subtasksOf(leader.state, name, sources), { mask: true }) };
          }
          case "SourceType": {
            const toml = leader.state.sources.get(name);
            if (toml === undefined) return { result: false, msg: "source not found", cfg: "" };
            return { result: true, msg: "", cfg: sourceToYaml(sourceFromToml(toml), { mask: true }) };
          }
          case "WorkerType": {
            const worker = leader.state.workers.get(name);
            if (worker === undefined) return { result: false, msg: "worker not found", cfg: "" };
            const answer = await workers.call(worker.addr, "GetWorkerCfg", {}, signal);
            return { result: true, msg: "", cfg: text(answer, "cfg") };
          }
          case "MasterType": {
            if (name === context.name) return { result: true, msg: "", cfg: context.configToml };
            const other = (await masters()).find((each) => each.name === name);
            const url = other?.clientURLs[0];
            if (url === undefined) return { result: false, msg: "master not found", cfg: "" };
            return { result: true, msg: "", cfg: await context.masterConfigAt(url, signal) };
          }
          case "TaskTemplateType": {
            const item = await store.get(`${prefixes.taskTemplate}${Buffer.from(name, "utf8").toString("hex")}`);
            if (item === null) return { result: false, msg: "task not found", cfg: "" };
            return { result: true, msg: "", cfg: textOf(item) };
          }
          default:
            return { result: false, msg: `invalid config op '${type === "" ? "InvalidType" : type}'`, cfg: "" };
        }
      },
      { cfg: "" },
    ),

    GetSubTaskCfg: answering(
      async (request) => {
        const leader = await context.leader();
        const name = text(request, "name");
        const sources = sourcesOfTask(leader.state, name);
        if (sources.length === 0) return { result: false, msg: "task not found", cfgs: [] };
        const cfgs = sources.map((source) => maskToml(leader.state.subtasks.get(source)?.get(name) ?? ""));
        return { result: true, msg: "", cfgs };
      },
      { cfgs: [] },
    ),

    GetMasterCfg: async () => ({ cfg: context.configToml }),

    ListTaskConfigs: answering(
      async () => {
        const { state } = await context.leader();
        const taskConfigs = Object.fromEntries(
          taskNames(state).map((task) => [
            task,
            taskToYaml(subtasksOf(state, task, sourcesOfTask(state, task)), exported(cipher, context.secretKey)),
          ]),
        );
        return { result: true, msg: "", taskConfigs };
      },
      { taskConfigs: {} },
    ),

    ListSourceConfigs: answering(
      async () => {
        const { state } = await context.leader();
        const sourceConfigs = Object.fromEntries(
          [...state.sources]
            .toSorted(([a], [b]) => (a < b ? -1 : 1))
            .map(([id, toml]) => {
              const source = sourceFromToml(toml);
              return [id, sourceToYaml(clearPassword(source, decrypt), exported(cipher, context.secretKey))];
            }),
        );
        return { result: true, msg: "", sourceConfigs };
      },
      { sourceConfigs: {} },
    ),

    Encrypt: async (request) => {
      try {
        return { result: true, msg: "", ciphertext: cipher.encrypt(text(request, "plaintext")) };
      } catch (error) {
        return { result: false, msg: error instanceof Error ? error.message : String(error), ciphertext: "" };
      }
    },

    // ── operators' commands to sync units ──
    HandleError: answering(
      async (request, signal) => {
        const { op, binlogPos, sqls } = request;
        const worker = { op: op ?? "InvalidErrorOp", task: text(request, "task"), binlogPos: binlogPos ?? "", sqls: sqls ?? [] };
        return eachSource(await context.leader(), request, "HandleError", () => worker, signal);
      },
      { sources: [] },
    ),
    OperateSchema: answering(
      async (request, signal) => {
        if (list(request, "sources").length === 0) return { result: false, msg: "must specify at least one source", sources: [] };
        const { sources: _sources, ...rest } = request;
        return eachSource(await context.leader(), request, "OperateSchema", (source) => ({ ...rest, source }), signal);
      },
      { sources: [] },
    ),

    // ── what this build does not run ──
    ShowDDLLocks: answering(
      async (): Promise<Message> => {
        await context.leader();
        return { result: true, msg: "no DDL lock exists", locks: [] };
      },
      { locks: [] },
    ),
    UnlockDDLLock: answering(async (request) => {
      await context.leader();
      throw dmErrors.lockMissing([text(request, "ID")]);
    }, {}),
    OperateWorkerRelayTask: refused("the relay unit"),
    PurgeWorkerRelay: refused("the relay unit"),
    OperateRelay: refused("the relay unit"),
    StartValidation: refused("the validator"),
    StopValidation: refused("the validator"),
    GetValidationStatus: refused("the validator"),
    GetValidationError: refused("the validator"),
    OperateValidationError: refused("the validator"),
    UpdateValidation: refused("the validator"),
  };

  async function eachSource(
    leader: Leader,
    request: Message,
    method: "HandleError" | "OperateSchema",
    make: (source: string) => Message,
    signal: AbortSignal,
  ): Promise<SourcesAnswer & Message> {
    const task = text(request, "task");
    const wanted = list(request, "sources");
    const sources = (wanted.length > 0 ? [...wanted] : sourcesOfTask(leader.state, task)).toSorted();
    if (sources.length === 0)
      return { result: false, msg: `task ${task} has no source or not exist, please check the task name and status`, sources: [] };
    const answers = await Promise.all(
      sources.map(async (source): Promise<CommonWorkerResponse> => {
        const worker = workerOf(leader.state, source);
        if (worker === null) return { result: false, msg: `source ${source} relevant worker-client not found`, source, worker: "" };
        try {
          const answer = (await ask(leader.state, source, method, make(source), signal)) as unknown as CommonWorkerResponse;
          return { ...answer, source, worker };
        } catch (error) {
          return { result: false, msg: asCodedError(error).message, source, worker };
        }
      }),
    );
    return { result: true, msg: "", sources: answers };
  }

  async function masters() {
    const members =
      context.cluster === null
        ? [{ id: 1n, name: context.name, peerUrls: context.peerUrls, clientUrls: [`http://${context.advertiseAddr}`] }]
        : await context.cluster.members();
    return Promise.all(
      members
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map(async (member) => {
          const addr = member.clientUrls[0]?.replace(/^https?:\/\//, "");
          const answer =
            addr === undefined
              ? "silent"
              : await probe(world, addr, { timeoutMs: 1000, ...(context.tls === undefined ? {} : { tls: context.tls }) });
          return {
            name: member.name,
            memberID: member.id.toString(),
            alive: answer === "alive",
            peerURLs: member.peerUrls,
            clientURLs: member.clientUrls,
          };
        }),
    );
  }
}

/** Turns what a method throws into `result: false` with its text; a missing leader, and an abort, stay thrown. */
function answering(
  act: (request: Message, signal: AbortSignal) => Promise<Message>,
  rest: Message,
  shown: (error: unknown) => CodedError = asCodedError,
): (request: Message, signal?: AbortSignal) => Promise<Message & Answer> {
  return async (request, signal = noSignal) => {
    try {
      return (await act(request, signal)) as Message & Answer;
    } catch (error) {
      if (signal.aborted || dmErrors.notLeader.is(error)) throw error;
      return { result: false, msg: error instanceof StartTimeError ? error.message : shown(error).message, ...rest };
    }
  };
}

/** Answered as its text alone: the field's answer to a wrong `--start-time` has no code. */
class StartTimeError extends Error {}

function checkedDuration(request: Message, name: string): string {
  const duration = text(request, name);
  if (duration !== "" && parseDuration(duration) === null) throw dmErrors.openapiCommon([`\`${duration}\` is no duration such as 60s`]);
  return duration;
}

function checkedStartTime(request: Message): string {
  const startTime = text(request, "startTime");
  if (startTime !== "" && parseStartTime(startTime) === null)
    throw new StartTimeError(`${startTimeForms}: cannot parse ${JSON.stringify(startTime)}`);
  return startTime;
}

/** What a task's file or its databases made fail is the master's failure in these answers; the code stays. */
function taskError(error: unknown): CodedError {
  const coded = asCodedError(error);
  return coded.class === "config" || coded.class === "database" ? coded.with({ class: "dm-master" }) : coded;
}

/** One caller at a time for a name; the others are refused with 46024. */
async function latched<T>(latches: Set<string>, name: string, what: string, act: () => Promise<T>): Promise<T> {
  if (latches.has(name)) throw dmErrors.latchInUse([what, name]);
  latches.add(name);
  try {
    return await act();
  } finally {
    latches.delete(name);
  }
}

function text(request: Message, field: string): string {
  const value = request[field];
  return typeof value === "string" ? value : "";
}

function list(request: Message, field: string): readonly string[] {
  const value = request[field];
  return Array.isArray(value) ? (value as string[]) : [];
}

/** 38032 with the errors as the field prints them. */
function workerErrorText(errors: readonly ProcessErrorMessage[]): string {
  const shown = errors.map((error) => {
    const parts = [`ErrCode:${error.ErrCode}`];
    for (const field of ["ErrClass", "ErrScope", "ErrLevel", "Message", "RawCause", "Workaround"] as const)
      if (error[field] !== "") parts.push(`${field}:${JSON.stringify(error[field])}`);
    return `${parts.join(" ")} `;
  });
  return dmErrors.workerError([shown.join("")]).message;
}

function blockerOf(state: SchedulerState, source: string): { what: string; nextStep: string } {
  const worker = workerOf(state, source);
  if (worker !== null)
    return { what: `worker ${worker} does not answer`, nextStep: "wait some seconds: a free worker takes over; see list-member" };
  const online = [...state.workers.values()].filter((each) => each.isOnline).length;
  const what = online === 0 ? "no worker is online" : `all ${online} online workers handle other sources`;
  return { what: `source ${source} is not bound: ${what}`, nextStep: "start another dm-worker; it takes the source by itself" };
}

/** The overview of a source that no worker has: an entry for each task that waits. */
function unanswered(state: SchedulerState, source: string, error: unknown): QueryStatusMessage {
  return {
    result: false,
    msg: asCodedError(error).message,
    sourceStatus: { source, worker: "", result: null, relayStatus: null },
    subTaskStatus: [],
    blockers: [blockerOf(state, source)],
  };
}

function unboundStatus(state: SchedulerState, source: string): QueryStatusMessage {
  const tasks = [...(state.subtasks.get(source)?.keys() ?? [])].toSorted();
  const shown = tasks[0] ?? "";
  return {
    result: false,
    msg: `can't find task=${shown} from dm-worker for source=${source}, please use dmctl list-member to check if worker is offline.`,
    sourceStatus: { source, worker: "source not bound", result: null, relayStatus: null },
    subTaskStatus: tasks.map(
      (name): SubTaskStatusMessage => ({ name, stage: "InvalidStage", unit: "InvalidUnit", result: null, unresolvedDDLLockID: "" }),
    ),
    blockers: [blockerOf(state, source)],
  };
}

function asMessage(status: QueryStatusMessage): Message {
  return { ...status };
}

function maskToml(toml: string): string {
  return toml.replace(/^(\s*password = )".*"$/gm, '$1"******"');
}

function clearPassword(source: SourceConfig, decrypt: (text: string) => string): SourceConfig {
  return { ...source, from: { ...source.from, password: new Secret(decrypt(source.from.password.reveal())) } };
}

/** Exported files hold encrypted passwords when there is a key, else plain ones. */
function exported(cipher: PasswordCipher, key: Uint8Array | null): { readonly encrypt?: (plain: string) => string } {
  return key === null ? {} : { encrypt: (plain) => cipher.encrypt(plain) };
}

const builtModes: ReadonlySet<string> = new Set(["all", "full", "incremental", "dump", "load", "load&sync"]);

/** What would be accepted and then not be done is refused. */
function requireBuilt(subtasks: readonly SubtaskConfig[]): void {
  for (const { mode } of subtasks) if (!builtModes.has(mode)) throw dmErrors.unitNotBuilt([`dump files (\`task-mode: ${mode}\`)`]);
  if (subtasks.some((each) => each.shardMode !== "")) throw dmErrors.unitNotBuilt(["shard DDL coordination (`shard-mode`)"]);
  if (subtasks.some((each) => each.validator.mode !== "none"))
    throw dmErrors.unitNotBuilt(["the validator (`validators`, mode fast or full)"]);
}
