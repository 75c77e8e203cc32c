import type { Flag } from "@skein/base";
import { type Command, type CommandContext, ControlError, wrongUse } from "../command.ts";
import { taskName } from "../files.ts";

const unlockFlags: readonly Flag[] = [
  { name: "owner", short: "o", kind: "string", about: "the source that runs the DDL instead of the lock's owner" },
  { name: "force-remove", short: "f", kind: "bool", about: "remove the lock even if the owner cannot run the DDL" },
  { name: "action", short: "a", kind: "string", fallback: "skip", about: "skip or exec: what the source does with the DDL" },
  { name: "database", short: "d", kind: "string", about: "the table's database" },
  { name: "table", short: "t", kind: "string", about: "the table's name" },
];

async function unlock(context: CommandContext): Promise<void> {
  const [ID] = context.args;
  if (ID === undefined || context.args.length !== 1) wrongUse();
  const action = context.flag("action");
  if (action !== "skip" && action !== "exec") throw new ControlError("please check --action argument, only exec/skip are acceptable");
  const request = {
    ID,
    replaceOwner: context.flag("owner"),
    forceRemove: context.flag("force-remove") === "true",
    op: action === "exec" ? "ExecLock" : "SkipLock",
    sources: context.list("source"),
    database: context.flag("database"),
    table: context.flag("table"),
  };
  context.answer("UnlockDDLLock", await context.call("UnlockDDLLock", request));
}

async function showLocks(context: CommandContext): Promise<void> {
  if (context.args.length > 1) wrongUse();
  const [argument] = context.args;
  const task = argument === undefined ? "" : await taskName(context.world, argument);
  context.answer("ShowDDLLocks", await context.call("ShowDDLLocks", { task, sources: context.list("source") }));
}

export const shardDdlLock: Command = {
  usage: "shard-ddl-lock [task]",
  about: "maintain or show shard-ddl locks information",
  run: showLocks,
  subcommands: [{ usage: "unlock <lock-id>", about: "let a source go on that waits for a DDL of others", flags: unlockFlags, run: unlock }],
};

/** The old forms of `shard-ddl-lock`. */
export const showDdlLocks: Command = {
  usage: "show-ddl-locks [-s source ...] [task-name | task-file]",
  about: "Shows un-resolved DDL locks",
  isHidden: true,
  run: showLocks,
};
export const unlockDdlLock: Command = {
  usage: "unlock-ddl-lock <lock-ID>",
  about: "Unlocks DDL lock forcefully",
  isHidden: true,
  flags: unlockFlags,
  run: unlock,
};
