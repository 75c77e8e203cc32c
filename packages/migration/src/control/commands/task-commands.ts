import type { Message } from "@skein/rpc";
import { taskShape } from "../../config/shapes.ts";
import { readShape } from "../../config/source-yaml.ts";
import type { QueryStatusListMessage } from "../../wire/messages.ts";
import { type Command, type CommandContext, SoftFailure, wrongUse } from "../command.ts";
import { fileText, taskName } from "../files.ts";
import { printPlain } from "../print-message.ts";
import { statusSummary, whyText } from "../status-summary.ts";

const startTime = {
  name: "start-time",
  kind: "string",
  about:
    "where in the binlog to begin, as a time: '2024-01-02 15:04:05' or 2024-01-02T15:04:05; the source's time zone unless one is given",
} as const;

export const checkTask: Command = {
  usage: "check-task <config-file> [--error count] [--warn count]",
  about: "Checks the configuration file of the task",
  flags: [
    { name: "error", short: "e", kind: "int", fallback: "10", about: "how many errors to list at most" },
    { name: "warn", short: "w", kind: "int", fallback: "10", about: "how many warnings to list at most" },
    startTime,
  ],
  run: async (context) => {
    if (context.args.length !== 1) wrongUse();
    const task = await fileText(context.world, context.args[0] as string);
    const request = { task, errCnt: context.flag("error"), warnCnt: context.flag("warn"), startTime: context.flag("start-time") };
    context.answer("CheckTask", await context.call("CheckTask", request));
  },
};

export const startTask: Command = {
  usage: "start-task [-s source ...] [--remove-meta] <config-file>",
  about: "Starts a task as defined in the configuration file",
  flags: [
    { name: "remove-meta", kind: "bool", about: "drop what an earlier task of this name left in the target's meta schema" },
    startTime,
  ],
  run: async (context) => {
    if (context.args.length !== 1) wrongUse();
    const task = await fileText(context.world, context.args[0] as string);
    readShape(taskShape, task, context.args[0] as string, "decode task config failed"); // found here, before anything is asked
    const request = {
      task,
      sources: context.list("source"),
      removeMeta: context.flag("remove-meta") === "true",
      startTime: context.flag("start-time"),
    };
    context.answer("StartTask", await context.call("StartTask", request));
  },
};

const operations = {
  "stop-task": { op: "Delete", about: "Stops a specified task or all (sub)tasks bound to a source" },
  "pause-task": { op: "Pause", about: "Pauses a specified running task or all (sub)tasks bound to a source" },
  "resume-task": { op: "Resume", about: "Resumes a specified paused task or all (sub)tasks bound to a source" },
} as const;

export const operateTask: readonly Command[] = Object.entries(operations).map(
  ([name, { op, about }]): Command => ({
    usage: `${name} [-s source ...] [task-name | task-file]`,
    about,
    flags: [{ name: "batch-size", kind: "int", fallback: "5", about: "how many (sub)tasks of a source are handled at once" }],
    run: async (context) => {
      if (context.args.length > 1) wrongUse();
      const sources = context.list("source");
      const [argument] = context.args;
      if (argument !== undefined) {
        const request = { op, name: await taskName(context.world, argument), sources };
        context.answer("OperateTask", await context.call("OperateTask", request));
        return;
      }
      if (sources.length !== 1) {
        const count = sources.length === 0 ? "must give one" : "can give only one";
        context.print(`${count} source-name when task-name/task-conf is not specified\n`);
        wrongUse();
      }
      await operateSourceTasks(context, op, sources[0] as string);
    },
  }),
);

/** All tasks of one source, some at a time. */
async function operateSourceTasks(context: CommandContext, op: string, source: string): Promise<void> {
  const batchSize = Number(context.flag("batch-size"));
  if (batchSize < 1) {
    context.print("--batch-size must be 1 or more\n");
    throw new SoftFailure();
  }
  const status = (await context.call("QueryStatus", { sources: [source] })) as unknown as QueryStatusListMessage;
  if (!status.result) {
    context.print(`${printPlain({ result: false, msg: status.msg, tasks: [] })}\n`);
    return;
  }
  const names = [...new Set(status.sources.flatMap((each) => each.subTaskStatus.map((subtask) => subtask.name)))].sort();
  const tasks: object[] = [];
  for (let at = 0; at < names.length; at += batchSize) {
    const answers = await Promise.all(
      names.slice(at, at + batchSize).map(async (name) => {
        const answer = await context.call("OperateTask", { op, name, sources: [source] });
        return { task: name, op: answer["op"], result: answer["result"], msg: answer["msg"], sources: workersOf(answer) };
      }),
    );
    tasks.push(...answers);
  }
  context.print(`${printPlain({ result: true, msg: "", tasks })}\n`);
}

function workersOf(answer: Message): object[] {
  return (answer["sources"] as readonly Message[]).map(({ result, msg, source, worker }) => ({ result, msg, source, worker }));
}

export const queryStatus: Command = {
  usage: "query-status [-s source ...] [task-name | task-file] [--more] [--why]",
  about: "Queries task status",
  flags: [
    { name: "more", kind: "bool", about: "show every subtask, not only the tasks" },
    { name: "why", kind: "bool", about: "tell in words what each subtask does or waits for, and the next command" },
  ],
  run: async (context) => {
    if (context.args.length > 1) wrongUse();
    const sources = context.list("source");
    const [argument] = context.args;
    const name = argument === undefined ? "" : await taskName(context.world, argument);
    const message = await context.call("QueryStatus", { name, sources });
    const status = message as unknown as QueryStatusListMessage;
    if (context.flag("why") === "true") {
      context.print(whyText(status));
      return;
    }
    const isShort = name === "" && sources.length === 0 && context.flag("more") !== "true";
    const isWell = status.result && status.sources.every((each) => each.result);
    if (isShort && isWell) context.print(`${printPlain(statusSummary(status))}\n`);
    else context.answer("QueryStatus", message);
  },
};
