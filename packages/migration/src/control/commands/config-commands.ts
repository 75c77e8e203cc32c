import { type Command, type CommandContext, ControlError, ShowHelp, wrongUse } from "../command.ts";
import { openError } from "../files.ts";

const kinds = {
  task: { type: "TaskType", about: "manage or show task configs", argument: "task-name" },
  source: { type: "SourceType", about: "manage or show source config", argument: "source-name" },
  master: { type: "MasterType", about: "manage or show master configs", argument: "master-name" },
  worker: { type: "WorkerType", about: "manage or show worker configs", argument: "worker-name" },
  "task-template": { type: "TaskTemplateType", about: "show a task template of the web interface as a task config", argument: "task-name" },
} as const;

const updateLater = (what: string): Command => ({
  usage: "update",
  about: `change the ${what} config`,
  isHidden: true,
  run: async (context) => context.print("this function will be supported later\n"),
});

export const config: Command = {
  usage: "config <command>",
  about: "manage config operations",
  persistentFlags: [{ name: "path", short: "p", kind: "string", about: "the file or folder to write to or read from" }],
  subcommands: [
    ...Object.entries(kinds).map(
      ([name, { type, about, argument }]): Command => ({
        usage: `${name} [${argument}]`,
        about,
        ...(name === "task" || name === "source" ? { subcommands: [updateLater(name)] } : {}),
        run: async (context) => {
          if (context.args.length !== 1) throw new ShowHelp();
          await getConfig(context, type, context.args[0] as string, context.flag("path"));
        },
      }),
    ),
    {
      usage: "export",
      about: "Export the configurations of sources and tasks",
      flags: [{ name: "dir", short: "d", kind: "string", isHidden: true, about: "the old name of --path" }],
      run: exportConfigs,
    },
    {
      usage: "import",
      about: "Import the configurations of sources and tasks",
      flags: [{ name: "dir", short: "d", kind: "string", isHidden: true, about: "the old name of --path" }],
      run: importConfigs,
    },
  ],
};

const types: Readonly<Record<string, string>> = Object.fromEntries(Object.entries(kinds).map(([name, { type }]) => [name, type]));

/** The old form of `config`. */
export const getConfigCommand: Command = {
  usage: "get-config <task | master | worker | source> <name> [--file filename]",
  about: "Gets the configuration",
  aliases: ["get-task-config"],
  isHidden: true,
  flags: [{ name: "file", short: "f", kind: "string", about: "write the config to this file" }],
  run: async (context) => {
    const [kind, name] = context.args;
    if (kind === undefined || name === undefined || context.args.length !== 2) wrongUse();
    const type = types[kind];
    if (type === undefined) wrongUse();
    await getConfig(context, type, name, context.flag("file"));
  },
};

async function getConfig(context: CommandContext, type: string, name: string, path: string): Promise<void> {
  const answer = await context.call("GetCfg", { type, name });
  if (answer["result"] !== true || path === "") return context.answer("GetCfg", answer);
  await context.world.disk.writeFileAtomic(path, String(answer["cfg"]), { mode: 0o600 });
  context.answer("GetCfg", { ...answer, msg: `write config to file ${path} succeed`, cfg: "" });
}

function folderOf(context: CommandContext): string {
  return context.flag("path") || context.flag("dir") || "./configs";
}

async function exportConfigs(context: CommandContext): Promise<void> {
  const folder = folderOf(context);
  const { disk } = context.world;
  const sources = await configMap(context, "ListSourceConfigs", "sourceConfigs");
  const tasks = await configMap(context, "ListTaskConfigs", "taskConfigs");
  const relayWorkers = await relayAssignments(context);
  for (const each of ["tasks", "sources"]) await disk.makeFolder(`${folder}/${each}`, { mode: 0o700 });
  for (const [name, text] of tasks) await disk.writeFileAtomic(`${folder}/tasks/${fileName(name)}.yaml`, text, { mode: 0o600 });
  for (const [name, text] of sources) await disk.writeFileAtomic(`${folder}/sources/${fileName(name)}.yaml`, text, { mode: 0o600 });
  if (Object.keys(relayWorkers).length > 0)
    await disk.writeFileAtomic(`${folder}/relay_workers.json`, JSON.stringify(relayWorkers), { mode: 0o600 });
  context.print(`export configs to directory \`${folder}\` succeed\n`);
}

/** A name comes from the cluster: it must not leave the folder. */
function fileName(name: string): string {
  if (name.includes("/") || name.includes("\0") || name.startsWith("."))
    throw new ControlError(`the name \`${name}\` cannot be a file's name`);
  return name;
}

async function configMap(context: CommandContext, method: string, field: string): Promise<[string, string][]> {
  const answer = await context.call(method, {});
  if (answer["result"] !== true) throw new ControlError(String(answer["msg"]));
  return Object.entries((answer[field] ?? {}) as Readonly<Record<string, string>>).sort(([a], [b]) => (a < b ? -1 : 1));
}

interface WorkerEntry {
  readonly name: string;
  readonly stage: string;
  readonly source: string;
}

async function relayAssignments(context: CommandContext): Promise<Record<string, string[]>> {
  const answer = await context.call("ListMember", { worker: true });
  const found: Record<string, string[]> = {};
  for (const member of (answer["members"] ?? []) as readonly { readonly worker?: { readonly workers: readonly WorkerEntry[] } }[])
    for (const worker of member.worker?.workers ?? [])
      if (worker.stage === "relay" && worker.source !== "") (found[worker.source] ??= []).push(worker.name);
  return found;
}

async function importConfigs(context: CommandContext): Promise<void> {
  const folder = folderOf(context);
  const { disk } = context.world;
  if ((await disk.stat(folder)) === null) throw new ControlError(`config directory \`${folder}\` not exists`);
  const read = async (path: string) => new TextDecoder().decode(await disk.readFile(path));
  const filesIn = async (name: string) => {
    const path = `${folder}/${name}`;
    if ((await disk.stat(path)) === null) return [];
    return (await disk.list(path)).filter((each) => /\.ya?ml$/.test(each)).map((each) => `${path}/${each}`);
  };
  const [sources, tasks] = [await filesIn("sources"), await filesIn("tasks")];

  context.print("start creating sources\n");
  for (const [at, path] of sources.entries()) {
    tolerate(await context.call("OperateSource", { op: "StartSource", config: [await read(path)] }), `source config ${path}`);
    context.print(`  ${at + 1}/${sources.length} ${path}\n`);
  }
  context.print("start creating tasks\n");
  for (const [at, path] of tasks.entries()) {
    tolerate(await context.call("StartTask", { task: await read(path) }), `task config ${path}`);
    context.print(`  ${at + 1}/${tasks.length} ${path}\n`);
  }

  const relayFile = `${folder}/relay_workers.json`;
  const relay = await read(relayFile).catch((error: unknown) => {
    if ((error as { readonly code?: string }).code === "ENOENT") return "{}";
    throw new ControlError(openError(relayFile, error));
  });
  if (relay.trim() !== "" && relay.trim() !== "{}") {
    context.print(`The original relay workers have been exported to \`${relayFile}\`.\n`);
    context.print(
      "Currently DM doesn't support recover relay workers. You may need to execute `transfer-source` and `start-relay` command manually.\n",
    );
  }
  context.print(`import configs from directory \`${folder}\` succeed\n`);
}

/** What is there already was imported before; anything else stops the import. */
function tolerate(answer: Readonly<Record<string, unknown>>, what: string): void {
  const texts = [answer, ...((answer["sources"] ?? []) as readonly Readonly<Record<string, unknown>>[])]
    .filter((each) => each["result"] !== true)
    .map((each) => [each["msg"], answer["checkResult"]].find((text): text is string => typeof text === "string" && text !== "") ?? "");
  const failed = texts.find((text) => !/already exist/.test(text));
  if (failed !== undefined) throw new ControlError(`fail to create ${what}: ${failed}`);
}

export const encrypt: Command = {
  usage: "encrypt <plain-text>",
  about: "Encrypts plain text to cipher text",
  run: async (context) => {
    if (context.args.length !== 1) throw new ShowHelp();
    const answer = await context.call("Encrypt", { plaintext: context.args[0] });
    if (answer["result"] !== true) throw new ControlError(String(answer["msg"]));
    context.print(`${String(answer["ciphertext"])}\n`);
  },
};
