import { type Command, ShowHelp } from "./command.ts";
import { binlog, binlogSchema, handleErrorCommand, operateSchemaCommand } from "./commands/binlog-commands.ts";
import { config, encrypt, getConfigCommand } from "./commands/config-commands.ts";
import { listMember, offlineMember, operateLeader } from "./commands/member-commands.ts";
import { shardDdlLock, showDdlLocks, unlockDdlLock } from "./commands/shard-commands.ts";
import { operateRelay, operateRelayStage, operateSource, purgeRelay, transferSource } from "./commands/source-commands.ts";
import { checkTask, operateTask, queryStatus, startTask } from "./commands/task-commands.ts";
import { validation } from "./commands/validation-commands.ts";

/** All of dmctl. `help` is handled by the runner. */
export const rootCommand: Command = {
  usage: "dmctl",
  about: "DM control",
  run: async () => {
    throw new ShowHelp();
  },
  persistentFlags: [
    { name: "config", kind: "string", about: "file with these flags in TOML" },
    { name: "master-addr", kind: "string", about: "address of a dm-master, or several with commas between" },
    { name: "rpc-timeout", kind: "string", fallback: "10m", about: "how long to wait for an answer" },
    { name: "source", short: "s", kind: "strings", about: "source ids" },
    { name: "ssl-ca", kind: "string", about: "file of the trusted CA in PEM" },
    { name: "ssl-cert", kind: "string", about: "file of the certificate in PEM" },
    { name: "ssl-key", kind: "string", about: "file of the certificate's key in PEM" },
    { name: "version", short: "V", kind: "bool", about: "print the version and exit" },
  ],
  subcommands: [
    binlog,
    binlogSchema,
    checkTask,
    config,
    encrypt,
    getConfigCommand,
    handleErrorCommand,
    {
      usage: "help [command]",
      about: "Gets help about any command",
      run: async () => {
        throw new ShowHelp();
      },
    },
    listMember,
    offlineMember,
    operateLeader,
    operateSchemaCommand,
    operateSource,
    ...operateRelayStage,
    ...operateRelay,
    ...operateTask,
    purgeRelay,
    queryStatus,
    shardDdlLock,
    showDdlLocks,
    startTask,
    transferSource,
    unlockDdlLock,
    validation,
  ],
};
