/** All commands of pd-ctl. */
import { placementRulesCommand } from "../rules/control.ts";
import type { Command } from "./command.ts";
import {
  checkerCommand,
  clusterCommand,
  gcStateCommand,
  healthCommand,
  hotCommand,
  logCommand,
  memberCommand,
  minResolvedCommand,
  pingCommand,
  safePointCommand,
  tsoCommand,
} from "./commands/cluster.ts";
import { completionCommand } from "./commands/completion.ts";
import { configCommand } from "./commands/config.ts";
import { operatorCommand } from "./commands/operator.ts";
import {
  keyspaceCommand,
  keyspaceGroupCommand,
  maintenanceCommand,
  pluginCommand,
  resourceManagerCommand,
  unsafeCommand,
} from "./commands/others.ts";
import { regionCommand } from "./commands/region.ts";
import { schedulerCommand } from "./commands/scheduler.ts";
import { labelCommand, storeCommand, storesCommand } from "./commands/store.ts";

export const rootCommand: Command = {
  usage: "pd-ctl",
  about: "Console of the placement driver: looks at a cluster and changes it",
  examples: ["pd-ctl -u http://127.0.0.1:2379 store", "pd-ctl -i", "echo 'member' | pd-ctl"],
  persistentFlags: [
    { name: "pd", short: "u", kind: "string", about: "address of pd", fallback: "http://127.0.0.1:2379" },
    { name: "cacert", kind: "string", about: "path of file that contains list of trusted SSL CAs" },
    { name: "cert", kind: "string", about: "path of file that contains X509 certificate in PEM format" },
    { name: "key", kind: "string", about: "path of file that contains X509 key in PEM format" },
  ],
  flags: [
    { name: "interact", short: "i", kind: "bool", about: "read commands from a prompt" },
    { name: "detach", short: "d", kind: "bool", about: "run one command (always so; kept for old scripts)", fallback: "true" },
    { name: "version", short: "V", kind: "bool", about: "print the version and exit" },
  ],
  run: async (context) => context.usage(),
  subcommands: [
    clusterCommand,
    completionCommand(() => rootCommand),
    configCommand([placementRulesCommand]),
    gcStateCommand,
    healthCommand,
    hotCommand,
    keyspaceCommand,
    keyspaceGroupCommand,
    labelCommand,
    logCommand,
    maintenanceCommand,
    memberCommand,
    minResolvedCommand,
    operatorCommand,
    pingCommand,
    pluginCommand,
    regionCommand,
    resourceManagerCommand,
    safePointCommand,
    schedulerCommand,
    checkerCommand,
    storeCommand,
    storesCommand,
    tsoCommand,
    unsafeCommand,
    { usage: "exit", about: "leave the prompt", run: async () => {} },
  ],
};
