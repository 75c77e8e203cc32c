import { type Command, type CommandContext, SoftFailure, wrongUse } from "../command.ts";
import { taskName } from "../files.ts";

function refuse(context: CommandContext, text: string): never {
  context.print(`${text}\n`);
  throw new SoftFailure({ withUsage: true });
}

async function taskOrAll(context: CommandContext): Promise<string> {
  const isAll = context.flag("all-task") === "true";
  if (context.args.length > 1) wrongUse();
  const [argument] = context.args;
  if ((argument === undefined) === !isAll) refuse(context, "either `task-name` or `all-task` should be set");
  return argument === undefined ? "" : taskName(context.world, argument);
}

async function oneTask(context: CommandContext): Promise<string> {
  const [argument] = context.args;
  if (argument === undefined || context.args.length !== 1) refuse(context, "`task-name` should be set");
  return taskName(context.world, argument);
}

const errorStates: Readonly<Record<string, string>> = { all: "InvalidErr", ignored: "IgnoredErr", unprocessed: "NewErr" };
const errorOperations = {
  "ignore-error": { op: "IgnoreErrOp", about: "leave a found difference out of the count" },
  "resolve-error": { op: "ResolveErrOp", about: "mark a found difference as put right" },
  "clear-error": { op: "ClearErrOp", about: "forget a found difference" },
} as const;

export const validation: Command = {
  usage: "validation",
  about: "operate or query validation task",
  subcommands: [
    {
      usage: "start [--all-task] [task-name]",
      about: "start to compare rows of source and target",
      flags: [
        { name: "all-task", kind: "bool", about: "of all tasks" },
        { name: "mode", kind: "string", fallback: "full", about: "full: all columns; fast: whether the row is there" },
        { name: "start-time", kind: "string", about: "where in the binlog to begin, as a time" },
      ],
      run: async (context) => {
        const name = await taskOrAll(context);
        const mode = context.flag("mode");
        if (mode !== "full" && mode !== "fast") refuse(context, "mode should be either `full` or `fast`");
        const startTime = context.flag("start-time");
        const request = {
          sources: context.list("source"),
          taskName: name,
          ...(context.isSet("mode") ? { mode_value: mode } : {}),
          ...(startTime === "" ? {} : { start_time_value: startTime }),
        };
        context.answer("StartValidation", await context.call("StartValidation", request));
      },
    },
    {
      usage: "stop [--all-task] [task-name]",
      about: "stop comparing rows",
      flags: [{ name: "all-task", kind: "bool", about: "of all tasks" }],
      run: async (context) => {
        const name = await taskOrAll(context);
        context.answer("StopValidation", await context.call("StopValidation", { sources: context.list("source"), taskName: name }));
      },
    },
    {
      usage: "status [--table-stage stage] <task-name>",
      about: "show how far the comparison is",
      flags: [{ name: "table-stage", kind: "string", about: "only tables in this stage: running or stopped" }],
      run: async (context) => {
        const name = await oneTask(context);
        const stage = context.flag("table-stage").toLowerCase();
        if (!["", "running", "stopped"].includes(stage)) refuse(context, "stage should be either `running` or `stopped`");
        const filterStatus = stage === "" ? "InvalidStage" : stage === "running" ? "Running" : "Stopped";
        context.answer("GetValidationStatus", await context.call("GetValidationStatus", { taskName: name, filterStatus }));
      },
    },
    {
      usage: "show-error [--error error-state] <task-name>",
      about: "show differences that were found",
      flags: [{ name: "error", kind: "string", fallback: "unprocessed", about: "all, ignored, or unprocessed" }],
      run: async (context) => {
        const name = await oneTask(context);
        const errState = errorStates[context.flag("error")];
        if (errState === undefined) refuse(context, "error should be either `all`, `ignored`, or `unprocessed`");
        context.answer("GetValidationError", await context.call("GetValidationError", { taskName: name, errState }));
      },
    },
    ...Object.entries(errorOperations).map(
      ([name, { op, about }]): Command => ({
        usage: `${name} <task-name> <error-id|--all>`,
        about,
        flags: [{ name: "all", kind: "bool", about: "all of them" }],
        run: async (context) => {
          const [task, id] = context.args;
          const isAllError = context.flag("all") === "true";
          if (task === undefined || context.args.length > 2) refuse(context, "`task-name` should be set");
          if ((id === undefined) === !isAllError) refuse(context, "either `error-id` or `--all` should be set");
          if (id !== undefined && !/^\d{1,18}$/.test(id)) refuse(context, "`error-id` should be integer when `--all` is not set");
          const request = { op, isAllError, taskName: await taskName(context.world, task), errId: id ?? "0" };
          context.answer("OperateValidationError", await context.call("OperateValidationError", request));
        },
      }),
    ),
    {
      usage: "update [task-name]",
      about: "change where the comparison takes over",
      flags: [
        { name: "cutover-binlog-pos", kind: "string", about: "a position, for example '(mysql-bin.000001, 5989)'" },
        { name: "cutover-binlog-gtid", kind: "string", about: "a GTID set, where the source config has GTIDs enabled" },
      ],
      run: async (context) => {
        const name = await oneTask(context);
        const binlogPos = context.flag("cutover-binlog-pos");
        const binlogGTID = context.flag("cutover-binlog-gtid");
        if (binlogPos === "" && binlogGTID === "") refuse(context, "either `cutover-binlog-pos` or `cutover-binlog-gtid` should be set");
        const request = { taskName: name, sources: context.list("source"), binlogPos, binlogGTID };
        context.answer("UpdateValidation", await context.call("UpdateValidation", request));
      },
    },
  ],
};
