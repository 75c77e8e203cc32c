import type { Flag } from "@skein/base";
import { dmErrors } from "../../errors.ts";
import { type Command, type CommandContext, ShowHelp, SoftFailure, wrongUse } from "../command.ts";
import { fileText, taskName } from "../files.ts";

const position: Flag = {
  name: "binlog-pos",
  short: "b",
  kind: "string",
  about: 'the event that is meant, for example "mysql-bin.000003:3270"; the one that fails now unless given',
};

const operations = {
  skip: { op: "Skip", usage: "skip <task-name>", about: "skip the event that fails, or the one at binlog-pos" },
  replace: { op: "Replace", usage: "replace <task-name> <replace-sql1> <replace-sql2>...", about: "run other DDL instead of the event" },
  revert: { op: "Revert", usage: "revert <task-name>", about: "take back what was set for the event" },
  inject: { op: "Inject", usage: "inject <task-name> <inject-sql1> <inject-sql2>...", about: "run DDL before the event" },
  list: { op: "List", usage: "list <task-name>", about: "show what is set for the event at binlog-pos and after it" },
} as const;

export const binlog: Command = {
  usage: "binlog <command>",
  about: "manage or show binlog operations",
  persistentFlags: [position],
  subcommands: Object.values(operations).map(({ op, usage, about }): Command => {
    const takesSql = op === "Replace" || op === "Inject";
    return {
      usage,
      about,
      run: async (context) => {
        const [task, ...sqls] = context.args;
        if (task === undefined || (takesSql ? sqls.length === 0 : sqls.length > 0)) throw new ShowHelp();
        await handleError(context, op, task, sqls);
      },
    };
  }),
};

/** The old form of `binlog`. */
export const handleErrorCommand: Command = {
  usage: "handle-error <task-name | task-file> [-s source ...] [-b binlog-pos] <skip/replace/revert> [replace-sql1;replace-sql2;]",
  about: "`skip`/`replace`/`revert` the current error event or a specific binlog position (binlog-pos) event",
  isHidden: true,
  flags: [position],
  run: async (context) => {
    const [task, type, ...sqls] = context.args;
    if (task === undefined || type === undefined) wrongUse();
    const known = Object.entries(operations).find(([name]) => name === type)?.[1];
    if (known === undefined) {
      context.print(`invalid operation '${type}', please use \`skip\`, \`replace\` or \`revert\`\n`);
      throw new SoftFailure();
    }
    const takesSql = known.op === "Replace" || known.op === "Inject";
    if (takesSql ? sqls.length === 0 : sqls.length > 0) wrongUse();
    await handleError(context, known.op, task, sqls);
  },
};

async function handleError(context: CommandContext, op: string, task: string, sqls: readonly string[]): Promise<void> {
  const binlogPos = context.flag("binlog-pos");
  if (binlogPos !== "" && !/^[^:]+:\d+$/.test(binlogPos)) throw dmErrors.invalidOperatorPosition([binlogPos]);
  const request = { op, task: await taskName(context.world, task), sources: context.list("source"), binlogPos, sqls: statements(sqls) };
  context.answer("HandleError", await context.call("HandleError", request));
}

/** Arguments are joined by a blank, then split at semicolons outside of quotes and comments. */
export function statements(args: readonly string[]): string[] {
  const text = args.join(" ");
  const found = text.match(/(?:[^;'"`]|'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`|['"`])+/g) ?? [];
  return found.map((each) => each.trim()).filter((each) => each !== "");
}

const tableFlags: readonly Flag[] = [
  { name: "flush", kind: "bool", fallback: "true", about: "keep the structure in the checkpoint at once" },
  { name: "sync", kind: "bool", fallback: "true", about: "tell the master of it (optimistic sharding only)" },
];

export const binlogSchema: Command = {
  usage: "binlog-schema <command>",
  about: "manage or show table schema in schema tracker",
  subcommands: [
    {
      usage: "list <task-name> <database> <table>",
      about: "show table schema structure",
      run: async (context) => {
        if (context.args.length !== 3) throw new ShowHelp();
        await operateSchema(context, "GetSchema", context.args, { schema: "" });
      },
    },
    {
      usage: "update <task-name> <database> <table> [schema-file]",
      about: "update tables schema structure",
      flags: [
        ...tableFlags,
        { name: "from-source", kind: "bool", about: "take the structure that the source has now" },
        { name: "from-target", kind: "bool", about: "take the structure that the target has now" },
      ],
      run: async (context) => {
        const fromSource = context.flag("from-source") === "true";
        const fromTarget = context.flag("from-target") === "true";
        if (fromSource && fromTarget) {
          context.print("from-source and from-target can not be used together\n");
          throw new SoftFailure();
        }
        const file = context.args[3];
        if (context.args.length < 3 || context.args.length > 4 || (file === undefined) === !(fromSource || fromTarget))
          throw new ShowHelp();
        const schema = file === undefined ? "" : await fileText(context.world, file);
        await operateSchema(context, "SetSchema", context.args, { schema, fromSource, fromTarget });
      },
    },
    {
      usage: "delete <task-name> <database> <table>",
      about: "delete table schema structure",
      run: async (context) => {
        if (context.args.length !== 3) throw new ShowHelp();
        await operateSchema(context, "RemoveSchema", context.args, { schema: "" });
      },
    },
  ],
};

const schemaOperations: Readonly<Record<string, string>> = { get: "GetSchema", set: "SetSchema", remove: "RemoveSchema" };

/** The old form of `binlog-schema`. */
export const operateSchemaCommand: Command = {
  usage: "operate-schema <operate-type> <-s source ...> <task-name | task-file> <-d database> <-t table> [schema-file] [--flush] [--sync]",
  about: "`get`/`set`/`remove` the schema for an upstream table",
  isHidden: true,
  flags: [
    { name: "database", short: "d", kind: "string", about: "the table's database" },
    { name: "table", short: "t", kind: "string", about: "the table's name" },
    ...tableFlags,
  ],
  run: async (context) => {
    const [type, task, file] = context.args;
    const op = schemaOperations[type ?? ""];
    if (op === undefined || task === undefined || context.args.length > 3 || (op === "SetSchema") !== (file !== undefined)) wrongUse();
    const schema = file === undefined ? "" : await fileText(context.world, file);
    await operateSchema(context, op, [task, context.flag("database"), context.flag("table")], { schema });
  },
};

async function operateSchema(
  context: CommandContext,
  op: string,
  [task, database, table]: readonly string[],
  rest: { readonly schema: string; readonly fromSource?: boolean; readonly fromTarget?: boolean },
): Promise<void> {
  const isWrite = op === "SetSchema";
  const request = {
    op,
    task: await taskName(context.world, task as string),
    sources: context.list("source"),
    database,
    table,
    flush: isWrite && context.flag("flush") === "true",
    sync: isWrite && context.flag("sync") === "true",
    ...rest,
  };
  context.answer("OperateSchema", await context.call("OperateSchema", request));
}
